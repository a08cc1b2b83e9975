import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from emoscribe.errors import InvalidRequestError, StageError
from emoscribe.evaluation.spoken import heard, word_error_rate
from emoscribe.local_stages import load_transcriber
from emoscribe.settings import load_settings
from emoscribe.types import TranscriptionRequest
from tests.conftest import missing
from tests.fakes import FakeTranscriber, saying


@pytest.fixture
def _voice() -> None:
    if shutil.which("espeak-ng") is None:
        missing("espeak-ng", "apt install espeak-ng")


@pytest.mark.usefixtures("_voice")
def test_a_text_comes_back_from_its_sound(models_dir: Path) -> None:
    assert models_dir.is_dir()
    said = ["The old museum opens at nine in the morning."]
    written = list(heard(said, "en", load_transcriber(load_settings())))
    assert "museum" in written[0].lower()
    assert word_error_rate(said, written) < 0.5


@pytest.mark.usefixtures("_voice")
def test_nothing_is_heard_of_a_text_without_words() -> None:
    transcriber = FakeTranscriber(saying("something"))
    nothing, option = heard(["...", "-v en"], "pt", transcriber)
    assert nothing == ""
    assert option == "something"  # what looks like an option is read aloud, too
    assert all(request.language == "pt" for request in transcriber.requests)


@pytest.mark.usefixtures("_voice")
def test_a_clip_that_fails_is_nothing_heard() -> None:
    say: Callable[[TranscriptionRequest], StageError] = lambda _: StageError("no")  # noqa: E731
    assert list(heard(["Uma frase que se ouve bem."], "pt", FakeTranscriber(say))) == [""]


def test_a_language_without_a_voice_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    transcriber = FakeTranscriber(saying(""))
    with pytest.raises(InvalidRequestError, match="No voice speaks 'et'"):
        next(heard(["Tere"], "et", transcriber))
    monkeypatch.setenv("PATH", "")
    with pytest.raises(InvalidRequestError, match="espeak-ng is not installed"):
        next(heard(["Hello"], "en", transcriber))


def test_word_errors_are_counted_without_case_and_punctuation() -> None:
    assert word_error_rate(["One, two; three four!", "???"], ["one two four", "what"]) == pytest.approx(0.25)
    assert word_error_rate(["!"], ["a"]) == 0.0
