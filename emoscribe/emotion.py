"""English sentences to the emotion their words express, by an ONNX classifier.

Labels, thresholds, activation and length come from the model file's metadata; a file whose labels are not
`labels.LABELS`, in that order, is refused. The result for a text never depends on the texts it came with: a model that
quantises its activations over the whole batch (the bundled int8 one does) gets every text alone. Its logits otherwise
move by up to 1.5 with the neighbours, and its macro-F1 on GoEmotions test is 0.638 alone, 0.634 in batches of 32.
"""

import json
import logging
import math
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, Self

import numpy as np
import numpy.typing as npt

from emoscribe.errors import EmoScribeError, InvalidRequestError, ModelIntegrityError, StageError
from emoscribe.labels import LABELS
from emoscribe.types import EmotionScores, ModelInfo

if TYPE_CHECKING:
    from onnxruntime import InferenceSession
    from tokenizers import Tokenizer

logger = logging.getLogger(__name__)

Floats = npt.NDArray[np.floating[Any]]
Tokens = list[int]

_PROBES: Final = (
    "No.",
    "I hate this so much, you ruined everything we had built together!",
    "What a lovely surprise :)",
)
_LOGIT_TOLERANCE: Final = 0.01  # between a text alone and in a batch; above: the model depends on the batch


@dataclass(frozen=True, slots=True)
class ClassifierOptions:
    """Where and how the model runs."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: int = 0  # CPU threads; 0: all cores
    batch_size: int = 32  # texts in one run of a model that does not depend on the batch


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What the model file says about itself, checked."""

    thresholds: Floats  # (7,), each in (0, 1), in the order of LABELS
    max_tokens: int
    temperature: float  # logits are divided by it

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str], name: str) -> Self:
        """Read the ONNX metadata of the model `name`. Raises ModelIntegrityError for anything missing or wrong."""
        try:
            labels: Any = json.loads(metadata["labels"])
            thresholds = np.array(json.loads(metadata["thresholds"]), np.float64)
            card = cls(thresholds, int(metadata["max_tokens"]), float(metadata.get("temperature", "1")))
            activation = metadata["activation"]
        except (KeyError, ValueError, TypeError) as error:
            raise _unusable(name, f"its metadata cannot be read ({error})") from None
        if labels != list(LABELS):
            raise _unusable(name, f"its labels are {labels}, not {list(LABELS)}")
        if thresholds.shape != (len(LABELS),) or not ((thresholds > 0) & (thresholds < 1)).all():
            raise _unusable(name, "it needs one threshold between 0 and 1 for each label")
        if activation != "sigmoid" or card.max_tokens < 8 or not 0 < card.temperature < math.inf:
            raise _unusable(name, "its activation, max_tokens or temperature is not one this program knows")
        return card


class EmotionClassifier:
    """Implements `stages.Classifier`. Thread-safe and deterministic."""

    def __init__(self, model_dir: Path, info: ModelInfo, options: ClassifierOptions = ClassifierOptions()) -> None:
        """`model_dir` holds one `.onnx` file and `tokenizer.json`. Raises ModelIntegrityError."""
        self._info = info
        self._batch_size = options.batch_size
        self._session, self.device = _open_session(_model_file(model_dir), options.device)
        self.card = ModelCard.from_metadata(self._session.get_modelmeta().custom_metadata_map, model_dir.name)
        self._tokenizer = _open_tokenizer(model_dir / "tokenizer.json", self.card.max_tokens)
        self._unknown_token = self._tokenizer.token_to_id("[UNK]")
        self._workers = 1 if self.device == "cuda" else options.threads or len(os.sched_getaffinity(0))
        self._pool = ThreadPoolExecutor(self._workers, thread_name_prefix="emotion")
        self.runs_texts_alone = self._depends_on_batch()

    @property
    def models(self) -> tuple[ModelInfo, ...]:
        """The one model."""
        return (self._info,)

    def classify(self, texts: Sequence[str]) -> list[EmotionScores | EmoScribeError]:
        """One outcome for each text, in order; a text that cannot be judged is answered with its error."""
        tokens: dict[int, Tokens] = {}
        outcomes: dict[int, EmotionScores | EmoScribeError] = {}
        for number, text in enumerate(texts):
            encoded = self._encode(text)
            if isinstance(encoded, EmoScribeError):
                outcomes[number] = encoded
            else:
                tokens[number] = encoded
        batches = self._batches(tokens)
        for numbers, results in zip(batches, self._run_all(batches, tokens), strict=True):
            outcomes.update(zip(numbers, results, strict=True))
        return [outcomes[number] for number in range(len(texts))]

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown()

    def _encode(self, text: object) -> Tokens | EmoScribeError:
        if not isinstance(text, str):
            return InvalidRequestError(f"A text is needed, not {type(text).__name__}.")
        if not text.strip():
            return InvalidRequestError("The text is empty: there are no words to judge.")
        try:
            tokens: Tokens = self._tokenizer.encode(text.encode("utf-8", "ignore").decode()).ids
        except Exception as error:  # a bad item becomes a value
            return StageError(f"The text could not be tokenised ({type(error).__name__}).")
        words = tokens[1:-1]  # without [CLS] and [SEP]
        if all(token == self._unknown_token for token in words):
            return InvalidRequestError("The classifier knows no word of the text.", fix="Give English text.")
        return tokens

    def _batches(self, tokens: dict[int, Tokens]) -> list[list[int]]:
        """Numbers of texts of like length, spread over the threads."""
        order = sorted(tokens, key=lambda number: len(tokens[number]))
        size = 1 if self.runs_texts_alone else min(self._batch_size, math.ceil(len(order) / self._workers)) or 1
        return [order[start : start + size] for start in range(0, len(order), size)]

    def _run_all(
        self, batches: list[list[int]], tokens: dict[int, Tokens]
    ) -> "list[list[EmotionScores | EmoScribeError]]":
        jobs = [[tokens[number] for number in batch] for batch in batches]
        if len(jobs) < 2 or self._workers == 1:
            return [self._run(job) for job in jobs]
        return list(self._pool.map(self._run, jobs))

    def _run(self, batch: list[Tokens]) -> list[EmotionScores | EmoScribeError]:
        try:
            logits = self._logits(batch)
        except Exception as error:  # whatever the runtime raises; the culprit is found one by one
            if len(batch) > 1:
                return [self._run([tokens])[0] for tokens in batch]
            return [StageError(f"The classifier failed on this text ({type(error).__name__}).")]
        return [_scores(row, self.card) for row in logits]

    def _logits(self, batch: list[Tokens]) -> Floats:
        """(batch, 7) for texts padded to the longest."""
        lengths = np.array([len(tokens) for tokens in batch])
        mask = np.arange(lengths.max()) < lengths[:, None]  # (batch, tokens)
        ids = np.zeros(mask.shape, np.int64)
        ids[mask] = np.concatenate(batch)
        feeds = {"input_ids": ids, "attention_mask": mask.astype(np.int64)}
        logits: Floats = self._session.run(["logits"], feeds)[0]
        return logits

    def _depends_on_batch(self) -> bool:
        """Whether a text's logits change with its neighbours: tried out, as an ONNX file does not say."""
        tokens = [self._tokenizer.encode(text).ids for text in _PROBES]
        try:
            together = self._logits(tokens)
            alone = np.concatenate([self._logits([one]) for one in tokens])
        except Exception as error:
            raise _unusable(self._info.name, str(error)) from None
        if alone.shape != (len(tokens), len(LABELS)) or not np.isfinite(alone).all():
            raise _unusable(self._info.name, f"its logits have the shape {alone.shape}, or are not numbers")
        return bool(np.abs(together - alone).max() > _LOGIT_TOLERANCE)


def _scores(logits: Floats, card: ModelCard) -> EmotionScores | EmoScribeError:
    """What one row of logits says.

    The label is the one that stands highest above (or least below) its own threshold, as a share of the room there:
    so it is among the mixed ones whenever there are any, and a rare emotion with a low threshold can win. On
    GoEmotions dev that gives a single-label macro-F1 of 0.633 (largest probability 0.632, probability over
    threshold 0.625). The confidence is the label's share of all seven probabilities, which is nearer to how often it is
    right than the probability itself, without anything fitted: expected calibration error 0.05 against 0.16 there.
    """
    if not np.isfinite(logits).all():
        return StageError("The classifier gave no numbers for this text.")
    probabilities = 1 / (1 + np.exp(-np.clip(logits.astype(np.float64) / card.temperature, -60, 60)))  # (7,)
    above = probabilities >= card.thresholds
    room = np.where(above, 1 - card.thresholds, card.thresholds)
    standing = (probabilities - card.thresholds) / room
    order = np.argsort(-standing, kind="stable")
    return EmotionScores(
        scores={label: float(p) for label, p in zip(LABELS, probabilities, strict=True)},
        label=LABELS[order[0]],
        mixed=tuple(LABELS[k] for k in order if above[k]),
        confidence=float(probabilities[order[0]] / max(1.0, probabilities.sum())),
    )


def _model_file(model_dir: Path) -> Path:
    files = sorted(model_dir.glob("*.onnx"))
    if len(files) != 1:
        raise _unusable(model_dir.name, f"one .onnx file is expected, {len(files)} are there")
    return files[0]


def _open_session(file: Path, device: str) -> "tuple[InferenceSession, Literal['cpu', 'cuda']]":
    """The session and where it runs. A GPU that is missing or broken costs a warning, not the start."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = 1  # texts are spread over threads instead: cheaper, and the same result every time
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors
    has_cuda = "CUDAExecutionProvider" in ort.get_available_providers()
    if device == "cuda" and not has_cuda:
        logger.warning("the emotion classifier runs on the CPU: this ONNX Runtime is built without CUDA")
    if device != "cpu" and has_cuda:
        try:
            session = ort.InferenceSession(file, options, providers=["CUDAExecutionProvider"])
            if "CUDAExecutionProvider" in session.get_providers():
                return session, "cuda"
            logger.warning("the emotion classifier runs on the CPU: CUDA is there but does not start")
        except Exception as error:  # drivers fail in many ways
            logger.warning("the emotion classifier runs on the CPU: %s", error)
    try:
        return ort.InferenceSession(file, options, providers=["CPUExecutionProvider"]), "cpu"
    except Exception as error:
        raise _unusable(file.parent.name, str(error)) from None


def _open_tokenizer(file: Path, max_tokens: int) -> "Tokenizer":
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(file))
    except Exception as error:  # a plain Exception is what tokenizers raises
        raise _unusable(file.parent.name, str(error)) from None
    tokenizer.enable_truncation(max_tokens)
    tokenizer.no_padding()
    return tokenizer


def _unusable(name: str, cause: str) -> ModelIntegrityError:
    return ModelIntegrityError(
        f"The emotion model {name} cannot be used: {cause}.",
        fix="Run `emoscribe models verify`, then `emoscribe models pull`.",
    )
