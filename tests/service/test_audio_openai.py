"""OpenAI's official client against our server on a real socket, with the embedded models and real speech."""

import io
import unicodedata
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import jiwer
import openai
import pysubs2
import pytest
import soundfile
import webvtt

from emoscribe.local_stages import load_stages
from emoscribe.settings import load_settings
from emoscribe.stages import Stages
from emoscribe.types import SAMPLE_RATE_HZ, Samples
from tests.service.api_harness import Service, listening, service
from tests.sounds import place, read_clip, silence

pytestmark = [
    pytest.mark.models,
    # OpenAI has announced the end of its own translations; the clients that others have go on calling them
    pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning:tests.service.test_audio_openai"),
]

PT_TEXT = "Meu nome é Mariana Souza e eu moro em Belo Horizonte."
FEAR_TEXT = "Estou com muito medo da tempestade. Não quero ficar sozinho aqui."


def words(text: str) -> list[str]:
    kept = "".join(" " if unicodedata.category(c)[0] in "PS" else c for c in text.lower())
    return kept.split()


def error_rate(reference: str, text: str) -> float:
    return float(jiwer.wer(" ".join(words(reference)), " ".join(words(text))))


def flac(samples: Samples) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, SAMPLE_RATE_HZ, "PCM_16", format="FLAC")
    return file.getvalue()


@pytest.fixture(scope="module")
def stages(models_dir: Path) -> Stages:
    return load_stages(load_settings())


@pytest.fixture(scope="module")
def api(stages: Stages, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with service(tmp_path_factory.mktemp("jobs"), stages) as made:
        yield made


@pytest.fixture(scope="module")
def client(api: Service) -> Iterator[openai.OpenAI]:
    with listening(api.app) as url, openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as made:
        yield made


@pytest.fixture(scope="module")
def portuguese() -> bytes:
    """A name at 1 s, and fear at 8 s."""
    samples, _ = place([(1000, read_clip("pt-2")), (8000, read_clip("pt-3"))], 13_000)
    return flac(samples)


@pytest.fixture(scope="module")
def text(client: openai.OpenAI, portuguese: bytes) -> str:
    """What is said there."""
    found: str = transcribe(client, portuguese).text
    return found


def transcribe(client: openai.OpenAI, content: bytes, **options: Any) -> Any:
    return client.audio.transcriptions.create(file=("talk.flac", content), model="whisper-1", **options)


def translate(client: openai.OpenAI, content: bytes, **options: Any) -> Any:
    return client.audio.translations.create(file=("talk.flac", content), model="whisper-1", **options)


def test_json(client: openai.OpenAI, portuguese: bytes) -> None:
    found = transcribe(client, portuguese)
    assert error_rate(f"{PT_TEXT} {FEAR_TEXT}", found.text) < 0.15
    assert [language.code for language in found.languages] == ["pt"]
    assert (found.usage.type, found.usage.seconds) == ("duration", 13.0)
    assert found.model == "whisper-base"


def test_verbose_json(client: openai.OpenAI, portuguese: bytes) -> None:
    found = transcribe(client, portuguese, response_format="verbose_json", timestamp_granularities=["word", "segment"])
    assert (found.language, found.duration, found.task) == ("portuguese", 13.0, "transcribe")
    assert "".join(segment.text for segment in found.segments) == found.text
    assert [segment.id for segment in found.segments] == list(range(len(found.segments)))
    assert 0.9 < found.segments[0].start < 1.5
    assert 7.9 < found.segments[1].start < 8.6
    assert all(-1 < segment.avg_logprob < 0 and 0.5 < segment.compression_ratio < 2 for segment in found.segments)
    assert " ".join(word.word for word in found.words) == found.text
    assert all(word.start <= word.end for word in found.words)
    assert all(before.end <= after.start for before, after in pairwise(found.words))
    assert found.words[0].start == found.segments[0].start
    assert found.words[-1].end == found.segments[-1].end


@pytest.mark.parametrize("wanted", [["word"], ["segment"], None])
def test_only_the_times_that_were_asked_for(client: openai.OpenAI, wanted: Any) -> None:
    options = {} if wanted is None else {"timestamp_granularities": wanted}
    found = transcribe(client, flac(read_clip("pt-2")), response_format="verbose_json", language="pt", **options)
    assert bool(found.words) == (wanted == ["word"])
    assert bool(found.segments) == (wanted != ["word"])


def test_text(client: openai.OpenAI, portuguese: bytes, text: str) -> None:
    assert transcribe(client, portuguese, response_format="text") == f"{text}\n"


def test_subtitles(client: openai.OpenAI, portuguese: bytes) -> None:
    srt = pysubs2.SSAFile.from_string(transcribe(client, portuguese, response_format="srt"), format_="srt")
    assert error_rate(f"{PT_TEXT} {FEAR_TEXT}", " ".join(one.plaintext for one in srt)) < 0.15
    written = transcribe(client, portuguese, response_format="vtt")
    assert "emotion" not in written
    vtt = webvtt.from_string(written)
    assert [(one.start_time.in_milliseconds(), one.end_time.in_milliseconds()) for one in vtt.captions] == [
        (one.start, one.end) for one in srt
    ]


@pytest.mark.parametrize("name", ["fleurs-pt-001", "fleurs-es-002"])
def test_real_speech(client: openai.OpenAI, shared_data: Path, name: str) -> None:
    folder = shared_data / "speech" / "fleurs"
    found = transcribe(client, (folder / f"{name}.ogg").read_bytes())
    assert [language.code for language in found.languages] == [name.split("-")[1]]
    assert error_rate((folder / f"{name}.txt").read_text(encoding="utf-8"), found.text) < 0.35


def test_an_open_file_and_a_path(client: openai.OpenAI, shared_data: Path) -> None:
    path = shared_data / "speech" / "fixtures" / "pt-BR_Sample1-16KHz.wav"
    with path.open("rb") as file:
        found = client.audio.transcriptions.create(file=file, model="any name")
    assert found == client.audio.transcriptions.create(file=path, model="gpt-4o-transcribe")
    assert found.text


def test_a_stream_tells_the_text_piece_by_piece(client: openai.OpenAI, portuguese: bytes, text: str) -> None:
    *deltas, done = transcribe(client, portuguese, stream=True)
    assert {event.type for event in deltas} == {"transcript.text.delta"}
    assert len(deltas) > 1
    assert "".join(event.delta for event in deltas) == done.text == text
    assert (done.type, [language.code for language in done.languages]) == ("transcript.text.done", ["pt"])


def test_a_stream_of_silence_ends(client: openai.OpenAI) -> None:
    (done,) = transcribe(client, flac(silence(2000)), stream=True)
    assert (done.type, done.text, done.languages) == ("transcript.text.done", "", [])


def test_translations(client: openai.OpenAI, portuguese: bytes) -> None:
    text = translate(client, portuguese).text
    assert {"name", "live", "storm"} <= set(words(text))
    found = translate(client, portuguese, response_format="verbose_json")
    assert (found.language, found.text, found.duration) == ("english", text, 13.0)
    assert "".join(segment.text for segment in found.segments) == text
    assert "words" not in found.model_fields_set
    srt = pysubs2.SSAFile.from_string(translate(client, portuguese, response_format="srt"), format_="srt")
    assert words(" ".join(one.plaintext for one in srt)) == words(text)


def test_a_language_without_an_engine_is_translated_from_its_sound(client: openai.OpenAI) -> None:
    text = translate(client, flac(read_clip("es-1"))).text
    assert {"sad", "grandmother"} & set(words(text))


def test_english_stays_as_it_is(client: openai.OpenAI) -> None:
    content = flac(read_clip("en-1"))
    assert translate(client, content).text == transcribe(client, content).text


@pytest.mark.parametrize("wanted", ["json", "text", "srt", "verbose_json", "vtt"])
@pytest.mark.parametrize("make", [transcribe, translate])
def test_nobody_speaks(client: openai.OpenAI, make: Any, wanted: str) -> None:
    found = make(client, flac(silence(2000)), response_format=wanted)
    empty = {"text": "", "srt": "", "vtt": "WEBVTT\n"}
    assert (found if isinstance(found, str) else found.text) == empty.get(wanted, "")


def test_the_prompt_shows_how_a_name_is_spelled(client: openai.OpenAI) -> None:
    content = flac(read_clip("pt-2"))
    assert "Sousa" not in transcribe(client, content).text
    assert "Sousa" in transcribe(client, content, prompt="Mariana Sousa, de Belo Horizonte.").text


def test_several_clients_at_once_get_their_own_text(client: openai.OpenAI, api: Service) -> None:
    clips = {name: flac(read_clip(name)) for name in ("pt-2", "en-1")}
    alone = {name: transcribe(client, content).text for name, content in clips.items()}
    with ThreadPoolExecutor(4) as pool:
        together = pool.map(lambda name: (name, transcribe(client, clips[name]).text), [*clips, *clips])
    assert all(text == alone[name] for name, text in together)
    assert len(set(alone.values())) == 2
    assert api.spooled() == []


def test_models(client: openai.OpenAI) -> None:
    models = client.models.list().data
    assert models[0].id == "whisper-base"
    assert client.models.retrieve("emotion").owned_by == "emoscribe"
    with pytest.raises(openai.NotFoundError, match="No such model is loaded here") as caught:
        client.models.retrieve("whisper-1")
    assert caught.value.code == "model_not_found"
