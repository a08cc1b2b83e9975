"""An ONNX file whose layers multiply integers: what a layer reads has 8 bits, too.

The input of a layer has one fixed scale and zero, from the least and the largest number it has in texts of the corpora,
so that a text's logits depend on no other text and sums of products are exact on every processor. Weights have 7 bits,
with a scale for each output: without VNNI a processor adds two products in 16 bits, which 8 by 8 bits would overflow.
Only layers: normalisation, softmax and the products of attention keep 32 bits. What it costs is measured at every
export.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static


def quantise_layers(fp32: Path, path: Path, texts: Iterable[Sequence[int]]) -> None:
    """Write the file `fp32` anew; `texts`: token ids of each, from which the ranges are read."""
    import onnx

    graph = onnx.load(fp32).graph
    weights = {one.name for one in graph.initializer}
    quantize_static(
        fp32,
        path,
        _Texts(texts),
        quant_format=QuantFormat.QDQ,
        nodes_to_quantize=[node.name for node in graph.node if node.op_type == "MatMul" and node.input[1] in weights],
        per_channel=True,
        reduce_range=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        extra_options={"OpTypesToExcludeOutputQuantization": ["MatMul"]},
    )


class _Texts(CalibrationDataReader):  # type: ignore[misc]  # it has no types
    """One text after the other, without padding."""

    def __init__(self, texts: Iterable[Sequence[int]]) -> None:
        self._texts = iter(texts)

    def get_next(self) -> dict[str, object] | None:
        """What the session is fed next."""
        if (ids := next(self._texts, None)) is None:
            return None
        return {"input_ids": np.array([ids], np.int64), "attention_mask": np.ones((1, len(ids)), np.int64)}
