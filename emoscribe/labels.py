"""The seven emotion labels and their order: the only place that knows either.

The order is that of the classifier's logits; `emotion.py` refuses an ONNX file whose metadata
says otherwise. Neutral is a label like the others, not the absence of one.
"""

from typing import Final, Literal, get_args

Label = Literal["anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise"]

LABELS: Final[tuple[Label, ...]] = get_args(Label)
