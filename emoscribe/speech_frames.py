"""Judges a stream of samples frame by frame: how probably is it speech? (Silero VAD, the model inside faster-whisper)

Blocks of frames are counted from the first sample, so it makes no difference how the stream is chunked.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from emoscribe.errors import ModelMissingError
from emoscribe.types import SAMPLES_PER_MS, Samples

Array = npt.NDArray[np.float32]

MODEL_FILE: Final = "silero_vad_v6.onnx"
FRAME_MS: Final = 32  # what the model judges at once
FRAME_SAMPLES: Final = FRAME_MS * SAMPLES_PER_MS  # 512
CONTEXT_SAMPLES: Final = 64  # the end of the frame before, which the model reads with each frame
STATE_SHAPE: Final = (1, 1, 128)  # of each of the model's two recurrent states
BLOCK_FRAMES: Final = 64  # per call of the model: smaller blocks are slower, larger ones no faster
BLOCK_SAMPLES: Final = BLOCK_FRAMES * FRAME_SAMPLES


class FrameModel(Protocol):
    """An onnxruntime.InferenceSession of Silero VAD, or a stand-in for one."""

    def run(self, output_names: None, inputs: dict[str, Array]) -> Sequence[Array]:
        """From input (frames, CONTEXT_SAMPLES + FRAME_SAMPLES), h and c to probabilities (frames,), h and c."""
        ...


@dataclass(frozen=True, slots=True)
class Block:
    """Up to BLOCK_FRAMES frames; all but the last block of a recording are full."""

    samples: Samples  # (n,), n <= BLOCK_SAMPLES
    probabilities: Array  # (frames,), of speech
    loudness: Array  # (frames,), root mean square


def model_path() -> Path:
    """The file inside faster-whisper, found without importing that package, which would load all of CTranslate2."""
    spec = find_spec("faster_whisper")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder, "assets", MODEL_FILE)
        if path.is_file():
            return path
    raise ModelMissingError(
        f"The speech detector {MODEL_FILE}, which comes with faster-whisper, is missing.",
        fix="Install EmoScribe again with its dependencies.",
    )


def load_model() -> FrameModel:
    """The model, on one thread of the CPU: a second one makes it slower. Raises ModelMissingError."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    model: FrameModel = onnxruntime.InferenceSession(model_path(), options, providers=["CPUExecutionProvider"])
    return model


def score(model: FrameModel, chunks: Iterable[Samples]) -> Iterator[Block]:
    """Judge the stream block by block; the model's state and the context go from each block to the next."""
    h = c = np.zeros(STATE_SHAPE, np.float32)
    context = np.zeros(CONTEXT_SAMPLES, np.float32)
    for samples in _blocks(chunks):
        padded = np.pad(samples, (0, -len(samples) % FRAME_SAMPLES))
        with_context = np.concatenate([context, padded])
        frames = np.lib.stride_tricks.sliding_window_view(with_context, CONTEXT_SAMPLES + FRAME_SAMPLES)
        inputs = {"input": np.ascontiguousarray(frames[::FRAME_SAMPLES]), "h": h, "c": c}
        probabilities, h, c = model.run(None, inputs)
        context = padded[-CONTEXT_SAMPLES:]
        power = np.square(padded.reshape(-1, FRAME_SAMPLES)).mean(axis=1)
        yield Block(samples, probabilities, np.sqrt(power))


def _blocks(chunks: Iterable[Samples]) -> Iterator[Samples]:
    """The same samples in blocks of BLOCK_SAMPLES; the last one may be shorter, none is empty."""
    held: list[Samples] = []
    missing = BLOCK_SAMPLES
    for chunk in chunks:
        rest = chunk
        while len(rest) >= missing:
            yield np.concatenate([*held, rest[:missing]])
            rest, held, missing = rest[missing:], [], BLOCK_SAMPLES
        held.append(rest)
        missing -= len(rest)
    if missing < BLOCK_SAMPLES:
        yield np.concatenate(held)
