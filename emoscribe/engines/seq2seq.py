"""Any Hugging Face sequence-to-sequence model (Marian, M2M100, NLLB, ...) through `transformers`.

An optional extra, since it needs torch. Only safetensors from a local folder are loaded: no pickle, no code from the
model's repository, no network.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emoscribe.errors import ModelError, ModelIntegrityError


@dataclass(frozen=True, slots=True)
class Seq2SeqOptions:
    """How the model runs. The codes are the tokenizer's names of the languages, for models that know several."""

    source_code: str | None = None  # "por_Latn" for NLLB, "pt" for M2M100
    target_code: str | None = None  # "eng_Latn", "en"
    device: str = "cpu"
    beam_size: int = 4
    batch_size: int = 16
    max_tokens: int = 256  # of the English: ends a loop; the same for all, so that no text depends on its neighbours


class Seq2SeqEngine:
    """One model. Thread-safe: callers take turns, as the tokenizer keeps the padding it was last asked for."""

    name = "transformers"
    alphabet: frozenset[str] | None = None

    def __init__(self, model_dir: Path, options: Seq2SeqOptions = Seq2SeqOptions()) -> None:
        """Raises ModelError when the extra is not installed, ModelIntegrityError for unusable files."""
        try:
            import torch
            from transformers import AutoModelForSeq2SeqLM, AutoTokenizer
            from transformers.utils import logging as transformers_logging
        except ImportError as error:
            raise ModelError(
                f"The engine transformers is not installed ({error.name} is missing).",
                fix="pip install 'emoscribe[transformers]'",
            ) from None
        if not any(model_dir.glob("*.safetensors")):
            raise ModelIntegrityError(
                f"{model_dir.name} holds no safetensors file; pickled weights are not loaded.",
                fix="Save the model again with safe_serialization=True.",
            )
        show_no_bar: Any = transformers_logging.disable_progress_bar
        show_no_bar()
        self._torch = torch
        self._options = options
        self._turn = threading.Lock()
        languages = {"src_lang": options.source_code} if options.source_code else {}
        try:
            self._tokenizer = AutoTokenizer.from_pretrained(model_dir, local_files_only=True, **languages)
            self._model = AutoModelForSeq2SeqLM.from_pretrained(
                model_dir, local_files_only=True, use_safetensors=True, trust_remote_code=False
            )
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            raise ModelIntegrityError(f"{model_dir.name} cannot be loaded: {error}.") from None
        self._model.to(options.device).eval()
        self._forced_bos = self._target_token()

    def translate(self, sentences: Sequence[str]) -> list[str]:
        """English for each sentence, in batches sorted by length."""
        order = sorted(range(len(sentences)), key=lambda i: len(sentences[i]))
        english = [""] * len(sentences)
        size = self._options.batch_size
        for start in range(0, len(order), size):
            chosen = order[start : start + size]
            with self._turn:
                texts = self._translate_batch([sentences[i] for i in chosen])
            for i, text in zip(chosen, texts, strict=True):
                english[i] = text
        return english

    def close(self) -> None:
        """Nothing to do: the weights go with the engine."""

    def _translate_batch(self, sentences: list[str]) -> list[str]:
        inputs = self._tokenizer(sentences, return_tensors="pt", padding=True, truncation=True).to(self._options.device)
        extra: dict[str, Any] = {} if self._forced_bos is None else {"forced_bos_token_id": self._forced_bos}
        with self._torch.inference_mode():
            tokens = self._model.generate(
                **inputs,
                **extra,
                num_beams=self._options.beam_size,
                do_sample=False,
                max_new_tokens=self._options.max_tokens,
            )
        return list(self._tokenizer.batch_decode(tokens, skip_special_tokens=True))

    def _target_token(self) -> int | None:
        code = self._options.target_code
        if code is None:
            return None
        get_lang_id = getattr(self._tokenizer, "get_lang_id", None)  # M2M100 writes languages as __en__
        token: Any = get_lang_id(code) if get_lang_id else self._tokenizer.convert_tokens_to_ids(code)
        if token == self._tokenizer.unk_token_id:
            raise ModelIntegrityError(f"The model has no language {code!r}.")
        return int(token)
