"""English sentences to the emotion their words express, by an ONNX classifier.

Labels, thresholds, activation and length come from the model file's metadata; a file whose labels are not
`labels.LABELS`, in that order, is refused. `context_sentences` there says how many sentences before its own have a
say in a text; without it, or with 0, context is ignored. With `context_share` they are judged by themselves and part of
their logits is added (`scoring.Persistence`); without it the model reads them together with the text.
What the logits mean is said in `scoring.py`.
A processor with products of 8-bit numbers multiplies small weights as they are; others put them back to 32 bits first,
unless the layers of the file multiply integers (`activation_bits` 8 in its metadata), which they do on every processor.
A result does not depend on the texts it came with. On a CPU texts of one length share a run if their logits are then
the same to the last bit, which is tried out when the model is loaded; else each is run alone. On a GPU, and for an
explanation, which asks for many variants of one text, texts of unlike lengths share a run; but not with a model that
quantises its activations over the whole batch: the logits of such a one moved by up to 1.5 with the neighbours.
"""

import logging
import math
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import chain, groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeGuard, TypeVar

import numpy as np
import numpy.typing as npt

from emoscribe.encoding import Encoded, TextEncoder
from emoscribe.errors import EmoScribeError, StageError
from emoscribe.explain import DEFAULT_METHOD, explain
from emoscribe.labels import LABELS
from emoscribe.processor import has_integer_products
from emoscribe.scoring import ModelCard, scores_of, unusable
from emoscribe.types import EmotionRequest, EmotionScores, Explanation, ModelInfo

if TYPE_CHECKING:
    from onnxruntime import InferenceSession, SessionOptions

logger = logging.getLogger(__name__)

Floats = npt.NDArray[np.floating[Any]]
Outcome = TypeVar("Outcome")

_PROBES: Final = (
    "No.",
    "I hate this so much, you ruined everything we had built together!",
    "What a lovely surprise :)",
)
_LOGIT_TOLERANCE: Final = 0.01  # between a text alone and in a batch; above: the model depends on the batch
_PROBE_TOKENS: Final = 9  # odd: products are computed for two, four or six tokens at a time, and what is left
_SLOWING: Final = ["SkipLayerNormFusion"]  # optimisers: fused with the sum before it, a normalisation takes far longer
_EQUAL_TEXTS: Final = 8  # of one length in one run; more gain nothing (docs/experiments.md)


@dataclass(frozen=True, slots=True)
class ClassifierOptions:
    """Where and how the model runs."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: int = 0  # CPU threads; 0: all cores
    batch_size: int = 32  # texts in one run on a GPU, variants of a text in one run of an explanation
    in_8_bits: bool | None = None  # whether a CPU multiplies small weights as they are; None: if it has products for it


class EmotionClassifier:
    """Implements `stages.Classifier`. Thread-safe and deterministic."""

    def __init__(self, model_dir: Path, info: ModelInfo, options: ClassifierOptions = ClassifierOptions()) -> None:
        """`model_dir` holds one `.onnx` file and `tokenizer.json`. Raises ModelIntegrityError."""
        self._info = info
        self._batch_size = options.batch_size
        self._session, self.device = _open_session(_model_file(model_dir), options)
        self.card = ModelCard.from_metadata(self._session.get_modelmeta().custom_metadata_map, model_dir.name)
        self._encoder = self._open_encoder(model_dir)
        self._workers = 1 if self.device == "cuda" else options.threads or len(os.sched_getaffinity(0))
        self._pool = ThreadPoolExecutor(self._workers, thread_name_prefix="emotion")
        self._depends_on_batch, self._is_exact = self._try_out_batches()

    @property
    def models(self) -> tuple[ModelInfo, ...]:
        """The one model."""
        return (self._info,)

    def classify(self, requests: Sequence[EmotionRequest]) -> list[EmotionScores | EmoScribeError]:
        """One outcome for each request, in order; a text that cannot be judged is answered with its error."""
        encoded = [self._encoder.encode(request) for request in requests]
        good = [one for one in encoded if isinstance(one, Encoded)]
        scores = iter(self._score(good, is_padded=self.device == "cuda"))
        return [next(scores) if isinstance(one, Encoded) else one for one in encoded]

    def explain(
        self, requests: Sequence[EmotionRequest], method: str = DEFAULT_METHOD
    ) -> list[Explanation | EmoScribeError]:
        """What each word does for the label; one outcome for each request, in order. `method`: of explain.METHODS."""
        encoded = [self._encoder.encode(request) for request in requests]
        together = partial(self._score, is_padded=True)
        return [explain(one, together, method) if isinstance(one, Encoded) else one for one in encoded]

    def logits(self, requests: Sequence[EmotionRequest]) -> Floats:
        """The bare logits, (n, 7), for evaluation and calibration. Raises the error of the first bad request."""
        rows = self._rows([_good(self._encoder.encode(request)) for request in requests], is_padded=True)
        return np.array([_good(row) for row in rows], np.float32).reshape(-1, len(LABELS))

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown()

    def _open_encoder(self, model_dir: Path) -> TextEncoder:
        card = self.card
        apart = card.persistence is not None
        try:
            return TextEncoder(model_dir / "tokenizer.json", card.max_tokens, card.context_sentences, apart=apart)
        except ValueError as error:
            raise unusable(model_dir.name, str(error)) from None

    def _score(self, encoded: Sequence[Encoded], *, is_padded: bool) -> list[EmotionScores | EmoScribeError]:
        """One outcome for each, in order."""
        return [
            row if isinstance(row, EmoScribeError) else scores_of(row, self.card, context_used=one.context_used)
            for one, row in zip(encoded, self._rows(encoded, is_padded=is_padded), strict=True)
        ]

    def _rows(self, encoded: Sequence[Encoded], *, is_padded: bool) -> list[Floats | EmoScribeError]:
        """The logits of each, (7,), in order, the sentences before it being heard; each text is run once."""
        texts = {one.ids: one for whole in encoded for one in (whole, *whole.before)}
        rows = dict(zip(texts, self._run_all(list(texts.values()), is_padded=is_padded), strict=True))
        if (persistence := self.card.persistence) is None:
            return [rows[one.ids] for one in encoded]
        heard = [[row for other in one.before if _is_finite(row := rows[other.ids])] for one in encoded]
        return [
            row if isinstance(row := rows[one.ids], EmoScribeError) else persistence.after(row, before)
            for one, before in zip(encoded, heard, strict=True)
        ]

    def _run_all(self, encoded: Sequence[Encoded], *, is_padded: bool) -> list[Floats | EmoScribeError]:
        """The logits of each, (7,), in order, on all threads; texts of one length together, or padded to one."""
        order = sorted(range(len(encoded)), key=lambda number: -len(encoded[number]))  # what takes longest comes first
        most = self._most_texts(is_padded=is_padded)
        size = min(most, math.ceil(len(order) / self._workers)) or 1
        kinds = groupby(order, key=lambda number: 0 if is_padded else len(encoded[number]))
        jobs: list[list[Encoded]] = []
        for _, kind in kinds:
            texts = [encoded[number] for number in kind]
            jobs += [texts[start : start + size] for start in range(0, len(texts), size)]
        is_single = len(jobs) < 2 or self._workers == 1
        results = map(self._run, jobs) if is_single else self._pool.map(self._run, jobs)
        outcomes = dict(zip(order, chain.from_iterable(results), strict=True))
        return [outcomes[number] for number in range(len(encoded))]

    def _most_texts(self, *, is_padded: bool) -> int:
        """So many in one run at most."""
        if is_padded:
            return 1 if self._depends_on_batch else self._batch_size
        return _EQUAL_TEXTS if self._is_exact else 1

    def _run(self, batch: Sequence[Encoded]) -> list[Floats | EmoScribeError]:
        try:
            return list(self._logits(batch))
        except Exception as error:  # whatever the runtime raises; the culprit is found one by one
            if len(batch) > 1:
                return [self._run([one])[0] for one in batch]
            return [StageError(f"The classifier failed on this text ({type(error).__name__}).")]

    def _logits(self, batch: Sequence[Encoded]) -> Floats:
        """(batch, 7) for texts padded to the longest."""
        lengths = np.array([len(one) for one in batch])
        mask = np.arange(lengths.max()) < lengths[:, None]  # (batch, tokens)
        ids = np.zeros(mask.shape, np.int64)
        ids[mask] = np.concatenate([one.ids for one in batch])
        feeds = {"input_ids": ids, "attention_mask": mask.astype(np.int64)}
        logits: Floats = self._session.run(["logits"], feeds)[0]
        return logits

    def _try_out_batches(self) -> tuple[bool, bool]:
        """Tried out, as an ONNX file does not say: whether a text's logits change with its neighbours, beyond rounding;
        and whether those of texts of one length are the same together to the last bit.
        """
        requests = [EmotionRequest(text) for text in _PROBES]
        try:
            texts = [_good(self._encoder.encode(request)) for request in requests]
            long = max(texts, key=len)
            equal = [long.keeping([0 <= n - first < _PROBE_TOKENS for n in range(len(long))]) for first in range(3)]
            together, alone = self._logits(texts), self._one_by_one(texts)
            is_exact = np.array_equal(self._logits(equal), self._one_by_one(equal))
        except Exception as error:
            raise unusable(self._info.name, str(error)) from None
        if alone.shape != (len(_PROBES), len(LABELS)) or not np.isfinite(alone).all():
            raise unusable(self._info.name, f"its logits have the shape {alone.shape}, or are not numbers")
        return bool(np.abs(together - alone).max() > _LOGIT_TOLERANCE), is_exact

    def _one_by_one(self, encoded: Sequence[Encoded]) -> Floats:
        """(texts, 7), each run alone."""
        return np.concatenate([self._logits([one]) for one in encoded])


def _good(outcome: Outcome | EmoScribeError) -> Outcome:
    if isinstance(outcome, EmoScribeError):
        raise outcome
    return outcome


def _is_finite(row: Floats | EmoScribeError) -> TypeGuard[Floats]:
    return isinstance(row, np.ndarray) and bool(np.isfinite(row).all())


def _model_file(model_dir: Path) -> Path:
    files = sorted(model_dir.glob("*.onnx"))
    if len(files) != 1:
        raise unusable(model_dir.name, f"one .onnx file is expected, {len(files)} are there")
    return files[0]


def _open_session(file: Path, options: ClassifierOptions) -> "tuple[InferenceSession, Literal['cpu', 'cuda']]":
    """The session and where it runs. A GPU that is missing or broken costs a warning, not the start."""
    import onnxruntime as ort

    has_cuda = "CUDAExecutionProvider" in ort.get_available_providers()
    if options.device == "cuda" and not has_cuda:
        logger.warning("the emotion classifier runs on the CPU: this ONNX Runtime is built without CUDA")
    if options.device != "cpu" and has_cuda:
        try:
            session = ort.InferenceSession(file, _options(in_8_bits=False), providers=["CUDAExecutionProvider"])
            if "CUDAExecutionProvider" in session.get_providers():
                return session, "cuda"
            logger.warning("the emotion classifier runs on the CPU: CUDA is there but does not start")
        except Exception as error:  # drivers fail in many ways
            logger.warning("the emotion classifier runs on the CPU: %s", error)
    in_8_bits = has_integer_products() if options.in_8_bits is None else options.in_8_bits
    try:
        session = _on_cpu(file, in_8_bits=in_8_bits)
        if not in_8_bits and session.get_modelmeta().custom_metadata_map.get("activation_bits") == "8":
            session = _on_cpu(file, in_8_bits=True)
    except Exception as error:
        raise unusable(file.parent.name, str(error)) from None
    return session, "cpu"


def _on_cpu(file: Path, *, in_8_bits: bool) -> "InferenceSession":
    import onnxruntime as ort

    return ort.InferenceSession(
        file,
        _options(in_8_bits=in_8_bits),
        providers=["CPUExecutionProvider"],
        disabled_optimizers=_SLOWING,
    )


def _options(*, in_8_bits: bool) -> "SessionOptions":
    """How small weights are used: multiplied as they are, or put back to 32 bits once, when the file is loaded."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = 1  # texts are spread over threads instead: cheaper, and the same result every time
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors
    if in_8_bits:  # blocks of activations are rounded to 8 bits too; a token's alone, so that neighbours change nothing
        options.add_session_config_entry("session.qdq_matmulnbits_accuracy_level", "4")
    else:
        options.add_session_config_entry("session.disable_quant_qdq", "1")
    return options
