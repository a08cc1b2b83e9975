"""OPUS-MT (Marian) models through CTranslate2, and their conversion from Marian's own files.

A converted model is a folder of `model.bin`, `config.json`, `shared_vocabulary.json` (or `source_vocabulary.json` and
`target_vocabulary.json`), `source.spm` and `target.spm`. Conversion reads the `.npz` of an OPUS-MT release: it needs
neither torch nor pickle.
"""

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from emoscribe.engines.vocabulary import load_sentencepiece, single_characters
from emoscribe.errors import ModelIntegrityError

VOCABULARIES: Final = ("source.spm", "target.spm")
MAX_ENGLISH_TOKENS: Final = 256  # so that a loop ends; the same for all, so that no text depends on its neighbours


@dataclass(frozen=True, slots=True)
class OpusMtOptions:
    """How the model runs."""

    device: str = "cpu"
    compute_type: str = "auto"  # CTranslate2's; auto: the fastest the device supports, int8 on CPU
    threads: int = 0  # 0: all cores
    beam_size: int = 4
    batch_tokens: int = 2048  # padded tokens in one batch


class OpusMtEngine:
    """One converted Marian model. Thread-safe."""

    name = "opus-mt"

    def __init__(self, model_dir: Path, options: OpusMtOptions = OpusMtOptions()) -> None:
        """Raises ModelIntegrityError."""
        from ctranslate2 import Translator

        self._options = options
        self._source, self._target = (load_sentencepiece(model_dir / name) for name in VOCABULARIES)
        self.alphabet = single_characters(self._source)
        try:
            self._translator = Translator(
                str(model_dir),
                device=options.device,
                compute_type=options.compute_type,
                intra_threads=options.threads,
            )
        except (RuntimeError, ValueError) as error:
            raise ModelIntegrityError(
                f"The translation model {model_dir.name} cannot be loaded: {error}.",
                fix="Run `emoscribe models verify`, then `emoscribe models pull`.",
            ) from None

    def translate(self, sentences: Sequence[str]) -> list[str]:
        """English for each sentence; CTranslate2 sorts by length and forms the batches."""
        if not sentences:
            return []
        tokens = self._source.encode(list(sentences), out_type=str)  # the end mark is added by the model's config
        results = self._translator.translate_batch(
            tokens,
            beam_size=self._options.beam_size,
            max_batch_size=self._options.batch_tokens,
            batch_type="tokens",
            max_decoding_length=MAX_ENGLISH_TOKENS,
            disable_unk=True,
        )
        return [self._target.decode(result.hypotheses[0]) for result in results]

    def close(self) -> None:
        """Free the model."""
        self._translator.unload_model()


def convert_opus_mt(release_dir: Path, model_dir: Path, *, quantization: str | None = "int8") -> None:
    """Convert an unpacked OPUS-MT release (`decoder.yml`, `.npz`, vocabulary, `source.spm`, `target.spm`).

    `model_dir` must not exist and appears only when it is complete. Raises ModelIntegrityError.
    """
    from ctranslate2.converters import OpusMTConverter

    if model_dir.exists():
        raise ModelIntegrityError(f"{model_dir.name} exists already.", fix="Name a new folder for the converted model.")
    with tempfile.TemporaryDirectory(dir=model_dir.parent, prefix=f".{model_dir.name}-") as scratch:
        made = Path(scratch) / model_dir.name
        try:
            OpusMTConverter(str(release_dir)).convert(str(made), quantization=quantization)
            for name in VOCABULARIES:
                shutil.copyfile(release_dir / name, made / name)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ModelIntegrityError(f"{release_dir.name} is not a complete OPUS-MT release: {error}.") from error
        made.rename(model_dir)
