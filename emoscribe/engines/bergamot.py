"""Bergamot (Firefox Translations) models through `fxtranslate`.

A `fxtranslate.Translator` panics when a thread other than its maker uses it, and complains when another one frees it.
It also keeps the interpreter's lock while it works, so that a second thread with a second translator gains nothing
(measured on 0.5.0). Hence one thread that makes it, uses it and lets it go; everybody else puts jobs on its queue.
"""

import threading
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from queue import SimpleQueue

from emoscribe.engines.vocabulary import load_sentencepiece, single_characters
from emoscribe.errors import EmoScribeError, ModelIntegrityError, StageError

_Translate = Callable[[str], str]
_Job = tuple[Sequence[str], "Future[list[str]]"]


class BergamotEngine:
    """One Bergamot model. Thread-safe: batches of concurrent callers are done one after the other."""

    name = "bergamot"

    def __init__(self, model_dir: Path) -> None:
        """Loads `model.*.bin`, `vocab.*.spm` (or `srcvocab.*.spm` and `trgvocab.*.spm`) and, if there, `lex.*.bin`.

        Raises ModelIntegrityError.
        """
        self.alphabet = single_characters(load_sentencepiece(_vocabularies(model_dir)[0]))
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._entrance = threading.Lock()  # no job gets behind the None that ends the thread
        self._stop = weakref.finalize(self, self._jobs.put, None)
        self._thread = threading.Thread(
            target=_serve, args=(self._jobs, partial(_load, model_dir)), name="bergamot", daemon=True
        )
        self._thread.start()
        self.translate([])  # loads

    def translate(self, sentences: Sequence[str]) -> list[str]:
        """English for each sentence. Raises StageError when the model fails or the engine is closed."""
        answer: Future[list[str]] = Future()
        with self._entrance:
            if not (self._stop.alive and self._thread.is_alive()):  # is_alive: False in a forked child
                raise StageError("The translation engine is closed.")
            self._jobs.put((sentences, answer))
        return answer.result()

    def close(self) -> None:
        """Finish the jobs at hand and free the model. Also happens when nothing refers to the engine any more."""
        with self._entrance:
            self._stop()
        self._thread.join()


def _serve(jobs: "SimpleQueue[_Job | None]", load: Callable[[], _Translate]) -> None:
    """The thread that owns the model."""
    translate: _Translate | None = None
    while (job := jobs.get()) is not None:
        sentences, answer = job
        try:
            translate = translate or load()
            answer.set_result([translate(sentence) for sentence in sentences])
        except BaseException as error:  # a Rust panic is no Exception, and must not end the thread
            translate = None  # a panic may have damaged it: made anew for the next job
            answer.set_exception(_as_error(error))
        del job, sentences, answer  # an idle thread keeps no text


def _as_error(error: BaseException) -> EmoScribeError:
    if isinstance(error, EmoScribeError):
        return error.with_traceback(None)
    return StageError(f"The translation engine failed on this text ({type(error).__name__}).")


def _load(model_dir: Path) -> _Translate:
    from fxtranslate import Translator

    vocabularies = _vocabularies(model_dir)
    shortlists = [file.read_bytes() for file in model_dir.glob("lex.*.bin")]
    model = _only(sorted(model_dir.glob("model.*.bin")), model_dir).read_bytes()
    try:
        return Translator(
            model, vocabularies[0].read_bytes(), vocabularies[-1].read_bytes(), shortlists[0] if shortlists else None
        ).translate
    except BaseException as error:  # ValueError or a Rust panic
        raise _unusable(model_dir, str(error)) from None


def _vocabularies(model_dir: Path) -> list[Path]:
    """The source's and the target's; the same file twice for a shared one."""
    files = sorted(model_dir.glob("*.spm"))  # srcvocab before trgvocab
    return files if len(files) == 2 else [_only(files, model_dir)] * 2


def _only(files: list[Path], model_dir: Path) -> Path:
    if len(files) != 1:
        raise _unusable(model_dir, "one model and one or two vocabularies are expected")
    return files[0]


def _unusable(model_dir: Path, cause: str) -> ModelIntegrityError:
    return ModelIntegrityError(
        f"The translation model {model_dir.name} cannot be loaded: {cause}.",
        fix="Run `emoscribe models verify`, then `emoscribe models pull`.",
    )
