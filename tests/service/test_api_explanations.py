"""Explanations over HTTP: with an analysis, of one sentence of a finished one, and of texts."""

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import soundfile

from emoscribe.api.text import MAX_EXPLAINED_TEXTS
from emoscribe.report import read_analysis
from emoscribe.stages import Stages
from emoscribe.types import SAMPLE_RATE_HZ, Analysis
from tests import analyses
from tests.fakes import FakeClassifier, FakeTranscriber, FakeTranslator, saying
from tests.service.api_harness import Service, check_problem, service, write_tokens
from tests.sounds import read_clip


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Service]:
    with service(tmp_path) as made:
        yield made


def own(analysis: Analysis) -> Analysis:
    """As if the service's own classifier had made it."""
    kept = tuple(model for model in analysis.models if model.role != "emotion")
    return analysis.model_copy(update={"models": (*kept, *FakeClassifier().models)})


def test_one_sentence_of_a_finished_analysis(api: Service) -> None:
    job = api.done(own(analyses.realistic()))
    answer = api.get(f"/v1/analyses/{job.id}/segments/2/explanation")
    assert answer.status_code == 200
    document = answer.json()
    segment = analyses.realistic().segments[2]
    assert (document["segment_index"], document["text_en"]) == (2, segment.text_en)
    assert [word["text"] for word in document["explanation"]["words"]] == segment.text_en.split()
    assert document["explanation"]["alignment"] == "lexical"
    assert "not a statement about what any person feels" in document["statement"]
    assert [model["name"] for model in document["models"]] == ["fake-emotion"]


def test_words_have_the_times_of_what_was_said(api: Service) -> None:
    text = "Que happiness enorme!"
    made = own(analyses.of_texts([(text, text.upper())]))
    words = api.get(f"/v1/analyses/{api.done(made).id}/segments/0/explanation").json()["explanation"]["words"]
    spoken = made.segments[0].words
    for number, word in enumerate(words):
        assert word["source_words"] == [number]
        assert (word["start_ms"], word["end_ms"]) == (spoken[number].start_ms, spoken[number].end_ms)
    assert [word["weight"] for word in words] == [0.0, 1.0, 0.0]


def test_what_is_stored_is_answered_as_it_is(api: Service) -> None:
    stored = analyses.explained(analyses.realistic())
    emotion = stored.segments[4].emotion
    assert emotion is not None
    assert emotion.explanation is not None
    answer = api.get(f"/v1/analyses/{api.done(stored).id}/segments/4/explanation").json()
    assert answer["explanation"] == json.loads(emotion.explanation.model_dump_json())
    assert answer["context_used"]


def test_what_cannot_be_explained_says_why(api: Service) -> None:
    made = own(analyses.realistic())
    path = f"/v1/analyses/{api.done(made).id}/segments"
    count = len(made.segments)
    check_problem(api.get(f"{path}/{count}/explanation"), 404, "job_not_found")
    check_problem(api.get(f"{path}/-1/explanation"), 400, "invalid_request")
    check_problem(api.get(f"{path}/{count - 1}/explanation"), 409, "job_conflict")  # invented: no emotion
    check_problem(api.get(f"/v1/analyses/{'0' * 64}/segments/0/explanation"), 404, "job_not_found")
    other = api.done(analyses.realistic(), b"made by another model")
    problem = check_problem(api.get(f"/v1/analyses/{other.id}/segments/0/explanation"), 409, "job_conflict")
    assert "another emotion model" in problem["detail"]
    waiting = api.upload(b"not done yet").json()["id"]
    check_problem(api.get(f"/v1/analyses/{waiting}/segments/0/explanation"), 409, "job_conflict")


def test_a_classifier_that_fails_is_a_problem(api: Service) -> None:
    job = api.done(own(analyses.of_texts([("opaco", "OPAQUE")])))
    check_problem(api.get(f"/v1/analyses/{job.id}/segments/0/explanation"), 500, "stage_failed")


def test_only_who_may_read_the_analysis(tmp_path: Path) -> None:
    tokens = tmp_path / "tokens.toml"
    headers = write_tokens(tokens, ours=("default", ("owner",)), theirs=("others", ("owner",)))
    with service(tmp_path, auth="tokens", tokens_file=tokens) as api:
        job_id = api.upload(b"anything", headers=headers["ours"]).json()["id"]
        api.finish(api.claim(), own(analyses.realistic()))
        path = f"/v1/analyses/{job_id}/segments/0/explanation"
        assert api.get(path, headers=headers["ours"]).status_code == 200
        check_problem(api.get(path, headers=headers["theirs"]), 404, "job_not_found")
        check_problem(api.get(path), 401, "unauthenticated")


def test_an_analysis_with_explanations(tmp_path: Path) -> None:
    stages = Stages(FakeTranscriber(saying("Que anger! OPAQUE anger.")), FakeTranslator(), FakeClassifier())
    with service(tmp_path, stages) as api:
        file = io.BytesIO()
        soundfile.write(file, read_clip("pt-1"), SAMPLE_RATE_HZ, "PCM_16", format="WAV")
        sound = file.getvalue()
        job_id = api.upload(sound, data={"explain": "true"}).json()["id"]
        plain = api.upload(sound).json()["id"]
        assert job_id != plain
        api.work()
        analysis = read_analysis(api.get(f"/v1/analyses/{job_id}/result.json").content)
        without = api.get(f"/v1/analyses/{plain}/result.json")
    clear, opaque = (segment.emotion for segment in analysis.segments[:2])
    assert clear is not None
    assert clear.explanation is not None
    assert [(word.text, word.weight) for word in clear.explanation.words] == [("QUE", 0.0), ("ANGER!", 1.0)]
    assert opaque is not None
    assert opaque.explanation is None
    assert opaque.context_used
    assert ("stage_failed", 1) in {(problem.code, problem.segment_index) for problem in analysis.problems}
    assert analysis.settings["explain"] is True
    assert '"explanation"' not in without.text


def test_texts_with_contexts_and_explanations(api: Service) -> None:
    body = {"texts": ["que fear", "tudo", "OPAQUE"], "contexts": ["bom dia\nFAIL\noi", "", ""], "language": "pt"}
    rows = api.post("/v1/emotions", json={**body, "explain": True}).json()["emotions"]
    classifier = api.parts.stages.classifier
    assert isinstance(classifier, FakeClassifier)
    assert [request.context for request in classifier.requests] == ["BOM DIA\nOI", "", ""]
    assert [row["context_used"] for row in rows] == [True, False, False]
    assert [(word["text"], word["weight"]) for word in rows[0]["explanation"]["words"]] == [("QUE", 0.0), ("FEAR", 1.0)]
    assert [word["source_words"] for word in rows[0]["explanation"]["words"]] == [[0], [1]]
    assert (rows[2]["label"], rows[2]["error"]["code"]) == ("neutral", "stage_failed")
    plain = api.post("/v1/emotions", json=body).json()["emotions"]
    assert all("explanation" not in row for row in plain)


def test_bounds_of_texts(api: Service) -> None:
    many = {"texts": ["x"] * (MAX_EXPLAINED_TEXTS + 1)}
    assert api.post("/v1/emotions", json=many).status_code == 200
    check_problem(api.post("/v1/emotions", json={**many, "explain": True}), 400, "invalid_request")
    check_problem(api.post("/v1/emotions", json={"texts": ["x"], "contexts": ["a", "b"]}), 400, "invalid_request")
    check_problem(api.post("/v1/translations", json={"texts": ["x"], "explain": True}), 400, "invalid_request")
