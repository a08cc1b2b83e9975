"""Reviewing over HTTP, on the real local store: decide, take back, see what others decided, export."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from emoscribe.corrections import read_corrections
from emoscribe.jobs import ANALYSIS_FILE
from tests.analyses import empty, hostile, realistic
from tests.service.api_harness import Service, check_problem, service, write_tokens


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Service]:
    with service(tmp_path) as made:
        yield made


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Service]:
    with service(tmp_path, auth="tokens", tokens_file=tmp_path / "tokens.toml") as made:
        yield made


def decide(api: Service, job_id: str, index: int, seen: int, **verdict: Any) -> httpx.Response:
    headers = {"If-Match": f'"{seen}"', **verdict.pop("headers", {})}
    url = f"/v1/analyses/{job_id}/segments/{index}/correction"
    return api.request("PUT", url, json=verdict, headers=headers)


def take_back(api: Service, job_id: str, index: int, seen: int) -> httpx.Response:
    url = f"/v1/analyses/{job_id}/segments/{index}/correction"
    return api.request("DELETE", url, headers={"If-Match": f'"{seen}"'})


def corrections(api: Service, job_id: str, **options: Any) -> dict[str, Any]:
    response = api.get(f"/v1/analyses/{job_id}/corrections", **options)
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


def test_a_correction_stands_beside_the_models_answer(api: Service) -> None:
    job = api.done()
    before = api.store.read_result("default", job.id, ANALYSIS_FILE)
    response = decide(api, job.id, 2, 0, label="disgust", mixed=["anger", "disgust", "anger"], may_train=True)
    assert (response.status_code, response.headers["etag"]) == (200, '"1"')
    shown = response.json()
    assert (shown["label"], shown["mixed"], shown["may_train"]) == ("disgust", ["anger"], True)
    assert (shown["model_label"], shown["agrees"], shown["reviewer"]) == ("anger", False, "local")
    assert corrections(api, job.id)["corrections"] == [shown]
    assert api.store.read_result("default", job.id, ANALYSIS_FILE) == before
    assert api.get(f"/v1/analyses/{job.id}/result.json").json()["segments"][2]["emotion"]["label"] == "anger"


def test_history_keeps_every_decision_and_every_undo(api: Service) -> None:
    job = api.done()
    decide(api, job.id, 2, 0, label="disgust")
    decide(api, job.id, 2, 1, label="anger")
    undone = take_back(api, job.id, 2, 2).json()
    assert (undone["label"], undone["revision"], undone["agrees"]) == (None, 3, None)
    assert take_back(api, job.id, 2, 3).json() == undone  # there is nothing to take back
    found = corrections(api, job.id)
    assert [(one["revision"], one["label"]) for one in found["history"]] == [(1, "disgust"), (2, "anger"), (3, None)]
    assert found["corrections"] == [undone]
    assert found["progress"]["reviewed"] == 0


def test_whoever_decides_must_have_seen_what_stands(api: Service) -> None:
    job = api.done()
    first = decide(api, job.id, 3, 0, label="fear").json()
    response = decide(api, job.id, 3, 0, label="sadness")
    problem = check_problem(response, 412, "correction_conflict")
    assert problem["current"] == first
    assert response.headers["etag"] == '"1"'
    check_problem(take_back(api, job.id, 3, 0), 412, "correction_conflict")
    assert decide(api, job.id, 4, 0, label="sadness").status_code == 200  # another sentence is not touched by it
    assert corrections(api, job.id)["corrections"][0]["label"] == "fear"


def test_two_reviewers_at_once_lose_nothing(api: Service) -> None:
    job = api.done()

    def review(label: str) -> list[int]:
        return [decide(api, job.id, index, 0, label=label).status_code for index in range(12)]

    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(review, ("happiness", "sadness")))
    assert all(sorted(pair) == [200, 412] for pair in zip(*outcomes, strict=True))
    assert len(corrections(api, job.id)["history"]) == 12


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [({}, 428, "precondition_required"), ({"If-Match": "*"}, 400, "invalid_request")],
)
def test_what_was_seen_must_be_said(api: Service, headers: dict[str, str], status: int, code: str) -> None:
    job = api.done()
    url = f"/v1/analyses/{job.id}/segments/0/correction"
    check_problem(api.request("PUT", url, json={"label": "fear"}, headers=headers), status, code)


def test_refused_decisions(api: Service) -> None:
    job = api.done()
    check_problem(decide(api, job.id, 0, 0, label="boredom"), 400, "invalid_request")
    check_problem(decide(api, job.id, 0, 0, label="fear", comment="x"), 400, "invalid_request")
    check_problem(decide(api, job.id, 999, 0, label="fear"), 404, "job_not_found")
    check_problem(decide(api, "0" * 64, 0, 0, label="fear"), 404, "job_not_found")
    waiting = api.upload(b"other").json()["id"]
    check_problem(decide(api, waiting, 0, 0, label="fear"), 409, "job_conflict")
    check_problem(api.get(f"/v1/analyses/{waiting}/corrections"), 409, "job_conflict")
    assert corrections(api, job.id)["history"] == []


def test_progress_and_agreement_by_class(api: Service) -> None:
    job = api.done()
    segments = realistic().segments
    flagged = [one.index for one in segments if one.needs_review]
    angry = [one.index for one in segments if one.emotion and one.emotion.label == "anger"]
    decide(api, job.id, angry[0], 0, label="anger")
    decide(api, job.id, angry[1], 0, label="disgust")
    silent = next(one.index for one in segments if one.emotion is None)
    decide(api, job.id, silent, 0, label="fear")
    progress = corrections(api, job.id)["progress"]
    assert (progress["segments"], progress["flagged"], progress["flagged_reviewed"]) == (len(segments), len(flagged), 1)
    assert (progress["reviewed"], progress["agreed"], progress["reviewers"]) == (3, 1, {"local": 3})
    assert progress["confusion"] == {"anger": {"anger": 1, "disgust": 1}}
    assert {"label": "anger", "reviewed": 2, "agreed": 1} in progress["classes"]


def test_unchanged_corrections_are_not_sent_again(api: Service) -> None:
    job = api.done()
    url = f"/v1/analyses/{job.id}/corrections"
    etag = api.get(url).headers["etag"]
    assert api.get(url, headers={"If-None-Match": etag}).status_code == 304
    decide(api, job.id, 0, 0, label="fear")
    assert api.get(url, headers={"If-None-Match": etag}).status_code == 200


def test_the_queue_holds_what_is_flagged_and_undecided(api: Service) -> None:
    job = api.done()
    url = f"/v1/analyses/{job.id}/review-queue"
    queue = api.get(url).json()
    flagged = {one.index for one in realistic().segments if one.needs_review}
    items = queue["items"]
    assert {one["segment_index"] for one in items} == flagged
    assert (queue["flagged"], queue["left"]) == (len(flagged), len(flagged))
    assert [one["priority"] for one in items] == sorted((one["priority"] for one in items), reverse=True)
    first = items[0]["segment_index"]
    decide(api, job.id, first, 0, label="fear")
    queue = api.get(url, params={"limit": 1}).json()
    assert (queue["flagged"], queue["left"], len(queue["items"])) == (len(flagged), len(flagged) - 1, 1)
    assert first not in {one["segment_index"] for one in queue["items"]}
    take_back(api, job.id, first, 1)
    assert {"segment_index": first, "revision": 2} in [
        {name: one[name] for name in ("segment_index", "revision")} for one in api.get(url).json()["items"]
    ]


def test_nothing_to_review(api: Service) -> None:
    job = api.done(empty())
    assert api.get(f"/v1/analyses/{job.id}/review-queue").json() == {"flagged": 0, "left": 0, "items": []}
    assert corrections(api, job.id)["progress"]["segments"] == 0


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_exports_are_read_back(api: Service, tmp_path: Path, suffix: str) -> None:
    one, other = api.done(hostile(), b"one"), api.done(realistic(), b"other")
    decide(api, one.id, 5, 0, label="disgust", may_train=True)
    decide(api, one.id, 6, 0, label="fear")
    take_back(api, one.id, 6, 1)
    decide(api, other.id, 0, 0, label="happiness", mixed=["surprise"])
    for url, expected in (
        (f"/v1/analyses/{one.id}/corrections", {(one.id, 5)}),
        ("/v1/corrections", {(one.id, 5), (other.id, 0)}),
    ):
        response = api.get(f"{url}.{suffix}")
        assert response.headers["content-disposition"].endswith(f'.{suffix}"')
        file = tmp_path / f"corrections.{suffix}"
        file.write_bytes(response.content)
        found = {(record.analysis_id, record.segment_index): record for record in read_corrections(file)}
        assert set(found) == expected
        record, segment = found[one.id, 5], hostile().segments[5]
        assert (record.text, record.text_en) == (segment.text, segment.text_en)
        assert (record.label, record.model_label, record.reviewer) == ("disgust", "fear", "local")
        assert "@" in record.model
    learning = api.get(f"/v1/corrections.{suffix}", params={"may_train": "true"})
    assert one.id.encode() in learning.content
    assert other.id.encode() not in learning.content


def test_deleting_the_analysis_erases_what_was_said_of_it(api: Service) -> None:
    job = api.done()
    decide(api, job.id, 0, 0, label="fear")
    assert api.request("DELETE", f"/v1/analyses/{job.id}").status_code == 204
    check_problem(api.get(f"/v1/analyses/{job.id}/corrections"), 404, "job_not_found")
    assert api.get("/v1/corrections.jsonl").content == b""
    again = api.done()
    assert again.id == job.id
    assert corrections(api, again.id)["history"] == []


def test_who_may_review_what(guarded: Service, tmp_path: Path) -> None:
    headers = write_tokens(
        tmp_path / "tokens.toml",
        owner=("default", ("owner",)),
        ana=("default", ("reviewer",)),
        ben=("default", ("viewer",)),
        eve=("other", ("owner",)),
    )
    job_id = guarded.upload(b"anything", headers=headers["owner"]).json()["id"]
    guarded.finish(guarded.claim(), realistic())
    assert decide(guarded, job_id, 0, 0, label="fear", headers=headers["ana"]).json()["reviewer"] == "ana"
    check_problem(decide(guarded, job_id, 0, 1, label="fear", headers=headers["ben"]), 403, "forbidden")
    check_problem(decide(guarded, job_id, 0, 1, label="fear", headers=headers["eve"]), 404, "job_not_found")
    assert corrections(guarded, job_id, headers=headers["ben"])["progress"]["reviewers"] == {"ana": 1}
    check_problem(guarded.get(f"/v1/analyses/{job_id}/corrections", headers=headers["eve"]), 404, "job_not_found")
    check_problem(guarded.get(f"/v1/analyses/{job_id}/review-queue", headers=headers["eve"]), 404, "job_not_found")
    assert guarded.get("/v1/corrections.jsonl", headers=headers["eve"]).content == b""
    assert job_id in guarded.get("/v1/corrections.jsonl", headers=headers["ben"]).text
