"""Submitting, listing, cancelling, erasing; and the results."""

import csv
import io
import json
import random
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from emoscribe.api.upload_form import MAX_FIELD_BYTES, MAX_OVERHEAD_BYTES
from emoscribe.report import FORMATS, read_analysis
from tests.analyses import hostile, realistic
from tests.conftest import ROOT
from tests.service.api_harness import Service, check_problem, listening, service, until, working
from tests.unit.test_jobs_analysis_run import wav

CLIP = ROOT / "tests" / "data" / "speech" / "pt-1.ogg"


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Service]:
    with service(tmp_path) as made:
        yield made


# --- submitting ---------------------------------------------------------------------------------


def test_an_upload_becomes_an_analysis(api: Service) -> None:
    sent = api.upload(CLIP.read_bytes(), "entrevista.ogg", data={"language": "pt", "formats": "csv, srt_en"})
    assert sent.status_code == 202
    job = sent.json()
    assert sent.headers["location"] == f"/v1/analyses/{job['id']}"
    assert (job["state"], job["source_name"], job["source_bytes"]) == ("queued", "entrevista.ogg", CLIP.stat().st_size)
    api.work()
    seen = api.get(sent.headers["location"]).json()
    assert (seen["state"], seen["progress"], seen["error"]) == ("done", 1.0, None)
    assert seen["results"] == ["analysis.csv", "analysis.en.srt", "analysis.json"]
    result = read_analysis(api.get(f"/v1/analyses/{job['id']}/result.json").content)
    assert (result.source.name, result.language.language, result.language.pinned) == ("entrevista.ogg", "pt", True)
    assert {one.emotion.label for one in result.segments if one.emotion} == {"happiness"}
    assert api.spooled() == []


def test_the_fields_of_a_form_may_come_in_any_order(api: Service) -> None:
    fields = [("audio_track", (None, b"0")), ("file", ("a.wav", wav())), ("language", (None, b"pt"))]
    jobs = {
        json.dumps(api.post("/v1/analyses", files=[fields[i] for i in order]).json()["options"])
        for order in ([0, 1, 2], [1, 2, 0], [2, 0, 1])
    }
    assert [json.loads(one) for one in jobs] == [
        {"language": "pt", "audio_track": 0, "formats": ["json"], "explain": False}
    ]


def test_the_same_again_is_the_same_analysis(api: Service) -> None:
    first, second = api.upload(wav()), api.upload(wav(), "another name.wav")
    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json() == second.json()
    api.work()
    third = api.upload(wav())
    assert (third.status_code, third.json()["state"]) == (200, "done")
    assert api.upload(wav(), data={"language": "pt"}).json()["id"] != first.json()["id"]


def test_an_idempotency_key_belongs_to_one_analysis(api: Service) -> None:
    key = {"Idempotency-Key": "order-1"}
    first = api.upload(wav(), headers=key)
    assert api.upload(wav(), data={"idempotency_key": "order-1"}).json() == first.json()
    check_problem(api.upload(wav(2), headers=key), 409, "job_conflict")
    problem = check_problem(api.upload(wav(), headers=key, data={"idempotency_key": "2"}), 400, "invalid_request")
    assert "Idempotency-Key" in problem["detail"]
    assert api.spooled() == []


def test_waiting_gives_the_result_if_it_is_ready_in_time(api: Service) -> None:
    with working(api):
        waited = api.upload(wav(), headers={"Prefer": "respond-async, wait=500"})
    assert waited.status_code == 200
    assert waited.headers["preference-applied"] == "wait=50"
    assert waited.headers["content-location"] == f"{waited.headers['location']}/result.json"
    assert read_analysis(waited.content).source.duration_ms == 1000


def test_waiting_in_vain_gives_the_job(api: Service) -> None:
    waited = api.upload(wav(), headers={"Prefer": "wait=0"})
    assert (waited.status_code, waited.json()["state"]) == (202, "queued")
    assert waited.headers["preference-applied"] == "wait=0"


def test_waiting_for_one_that_fails_gives_its_problem(api: Service) -> None:
    with working(api):
        waited = api.upload(b"no recording at all" * 100, headers={"Prefer": "wait=20"})
    problem = check_problem(waited, 415, "unsupported_media")
    assert waited.headers["location"] == f"/v1/analyses/{problem['analysis_id']}"
    job_id = problem["analysis_id"]
    assert api.get(f"/v1/analyses/{job_id}").json()["error"]["code"] == "unsupported_media"
    assert api.post(f"/v1/analyses/{job_id}/retry").status_code == 202
    api.post(f"/v1/analyses/{job_id}/cancel")
    again = api.upload(b"no recording at all" * 100, headers={"Prefer": "wait=20"})
    check_problem(again, 409, "job_conflict")


@pytest.mark.parametrize(
    ("fields", "status", "code", "word"),
    [
        ({"formats": "docx"}, 400, "invalid_request", "docx"),
        ({"language": "tlh"}, 422, "unsupported_language", "tlh"),
        ({"audio_track": "-1"}, 400, "invalid_request", "body.audio_track"),
        ({"explain": "perhaps"}, 400, "invalid_request", "body.explain"),
        ({"callback_url": "https://example.com/x"}, 422, "callback_refused", "callbacks"),
        ({"colour": "red"}, 400, "invalid_request", "not known"),
        ({"source": "s3://bucket/key"}, 400, "invalid_request", "not known"),
        ({"language": "x" * (MAX_FIELD_BYTES + 1)}, 400, "invalid_request", "language"),
        ({"language": "x" * 100}, 400, "invalid_request", "body.language"),
    ],
)
def test_wrong_options_are_named(api: Service, fields: dict[str, str], status: int, code: str, word: str) -> None:
    assert word in check_problem(api.upload(wav(), data=fields), status, code)["detail"]
    assert api.spooled() == []


BOUNDARY = {"Content-Type": "multipart/form-data; boundary=bb"}
FILE = b'--bb\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'


@pytest.mark.parametrize(
    ("body", "headers", "word"),
    [
        (b"", BOUNDARY, "no file"),
        (b"no form at all", BOUNDARY, "parsed"),
        (FILE + b"half of a recor", BOUNDARY, "early"),
        (FILE + b"x\r\n" + FILE + b"y\r\n--bb--", BOUNDARY, "twice"),
        (FILE.replace(b"a.wav", b"\xff\xfe") + b"x\r\n--bb--", BOUNDARY, "UTF-8"),
        (FILE.replace(b'"file"', b'"language"') + b"\xff\xfe\r\n" + FILE + b"x\r\n--bb--", BOUNDARY, "UTF-8"),
        (FILE + b"x\r\n--bb--", {"Content-Type": "multipart/form-data"}, "form"),
        (FILE[:-4] + b"\r\nX: " + b"y" * 2 * MAX_OVERHEAD_BYTES, BOUNDARY, "besides"),
    ],
)
def test_broken_forms_leave_nothing(api: Service, body: bytes, headers: dict[str, str], word: str) -> None:
    response = api.post("/v1/analyses", content=body, headers=headers)
    assert word in check_problem(response, 413 if word == "besides" else 400, response.json()["code"])["detail"]
    assert api.spooled() == []


def test_other_bodies_are_refused(api: Service) -> None:
    check_problem(api.post("/v1/analyses", content=b"x"), 415, "unsupported_media_type")
    as_json = {"Content-Type": "application/json"}
    check_problem(api.post("/v1/analyses", content=b"{", headers=as_json), 400, "invalid_request")
    check_problem(api.post("/v1/analyses", content=b" " * 2**21, headers=as_json), 413, "request_too_large")
    problem = check_problem(api.post("/v1/analyses", json={"sauce": 1}), 400, "invalid_request")
    assert [one["field"] for one in problem["errors"]] == ["body.source", "body.sauce"]


def test_places_in_s3_are_closed_unless_opened(api: Service) -> None:
    problem = check_problem(api.post("/v1/analyses", json={"source": "s3://bucket/key.mp4"}), 400, "invalid_request")
    assert "S3" in problem["detail"]


@pytest.mark.parametrize(
    "name",
    ["../../etc/passwd", "a\r\nX-Evil: 1.mp4", "\u202egpj.exe", "x" * 3000, "😀.mp4", "..", "C:\\a\\b.mp4", "%00"],
)
def test_hostile_names_are_only_labels(api: Service, name: str) -> None:
    job = api.upload(wav(), name).json()
    assert "/" not in job["source_name"]
    assert "\n" not in job["source_name"]
    api.finish(api.claim(), hostile())
    given = api.get(f"/v1/analyses/{job['id']}/result.csv").headers
    assert "x-evil" not in given
    assert given["content-disposition"].isascii()
    assert {path.name for path in (api.settings.jobs_dir / "jobs").iterdir()} == {job["id"]}


# --- size ---------------------------------------------------------------------------------------


def test_too_much_is_refused_whether_it_is_declared_or_not(tmp_path: Path) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield FILE
        for _ in range(400):
            yield bytes(2**16)

    with service(tmp_path, max_upload_bytes=2**20) as api:
        declared = api.upload(bytes(2**21))
        check_problem(declared, 413, "media_too_large")
        undeclared = api.post("/v1/analyses", content=chunks(), headers=BOUNDARY)
        check_problem(undeclared, 413, "media_too_large")
        assert api.spooled() == []
        assert api.upload(bytes(2**20)).status_code == 202


def test_an_upload_is_never_in_memory(api: Service) -> None:
    total, block = 200 * 2**20, bytes(2**16)

    async def chunks() -> AsyncIterator[bytes]:
        yield FILE
        for _ in range(total // len(block)):
            yield block
        yield b"\r\n--bb--\r\n"

    api.upload(b"warm up")
    tracemalloc.start()
    try:
        response = api.post("/v1/analyses", content=chunks(), headers=BOUNDARY)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert response.json()["source_bytes"] == total
    assert peak < 16 * 2**20


def test_an_upload_that_breaks_off_leaves_nothing(api: Service) -> None:
    def chunks() -> Iterator[bytes]:
        yield FILE + bytes(3 * 2**20)
        until(lambda: api.spooled() != [])
        raise ConnectionAbortedError("the client's own")

    with listening(api.app) as address:
        with pytest.raises(ConnectionAbortedError):
            httpx.post(f"{address}/v1/analyses", content=chunks(), headers=BOUNDARY)
        until(lambda: api.spooled() == [])
        assert httpx.get(f"{address}/v1/analyses").json() == {"analyses": [], "next": None}


# --- the list -----------------------------------------------------------------------------------


def test_the_list_is_paged_and_filtered(api: Service) -> None:
    ids = [api.upload(wav(), data={"audio_track": str(n)}).json()["id"] for n in range(5)]
    api.post(f"/v1/analyses/{ids[2]}/cancel")
    seen: list[str] = []
    url = "/v1/analyses?limit=2"
    while url:
        page = api.get(url)
        seen += [one["id"] for one in page.json()["analyses"]]
        url = page.links["next"]["url"] if "next" in page.links else ""
        assert bool(url) == bool(page.json()["next"])
    assert seen == ids[::-1]
    both = api.get("/v1/analyses?state=cancelled&state=failed").json()["analyses"]
    assert [one["id"] for one in both] == [ids[2]]
    for query in ("state=lost", "limit=0", "limit=201", "cursor=%2e%2e%2f"):
        check_problem(api.get(f"/v1/analyses?{query}"), 400, "invalid_request")


@pytest.mark.parametrize("job_id", ["0" * 64, "nothing", "..%2F..%2Fetc", "%00", "A" * 64])
def test_what_is_not_there(api: Service, job_id: str) -> None:
    for method, path in [
        ("GET", ""),
        ("DELETE", ""),
        ("POST", "/cancel"),
        ("POST", "/retry"),
        ("GET", "/events"),
        ("GET", "/result.json"),
    ]:
        response = api.request(method, f"/v1/analyses/{job_id}{path}")
        assert response.status_code in {404, 405}
        assert check_problem(response, response.status_code, response.json()["code"])


# --- the end ------------------------------------------------------------------------------------


def test_deleting_erases_everything(api: Service) -> None:
    job = api.done(content=b"a secret recording")
    assert api.request("DELETE", f"/v1/analyses/{job.id}").status_code == 204
    check_problem(api.get(f"/v1/analyses/{job.id}"), 404, "job_not_found")
    check_problem(api.request("DELETE", f"/v1/analyses/{job.id}"), 404, "job_not_found")
    for path in api.settings.jobs_dir.rglob("*"):
        if path.is_file():
            assert b"a secret recording" not in path.read_bytes(), path
            assert job.id.encode() not in path.read_bytes(), path


def test_a_job_that_is_done_can_be_neither_cancelled_nor_retried(api: Service) -> None:
    job = api.done()
    assert api.post(f"/v1/analyses/{job.id}/cancel").json()["state"] == "done"
    check_problem(api.post(f"/v1/analyses/{job.id}/retry"), 409, "job_conflict")


# --- results ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_every_format_can_be_had_later(api: Service, name: str) -> None:
    job = api.done()
    wanted = FORMATS[name]
    response = api.get(f"/v1/analyses/{job.id}/result{wanted.suffix}")
    assert response.status_code == 200
    assert response.content == wanted.render(realistic())
    assert response.headers["content-type"] == wanted.media_type
    assert response.headers["x-content-type-options"] == "nosniff"
    assert f'filename="talk{wanted.suffix}"' in response.headers["content-disposition"]
    known = {"If-None-Match": response.headers["etag"]}
    again = api.get(f"/v1/analyses/{job.id}/result{wanted.suffix}", headers=known)
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", response.headers["etag"])
    changed = api.get(f"/v1/analyses/{job.id}/result{wanted.suffix}", headers={"If-None-Match": '"other"'})
    assert changed.status_code == 200


def test_a_page_is_kept_away_from_the_service(api: Service) -> None:
    job = api.done(hostile())
    headers = api.get(f"/v1/analyses/{job.id}/result.html").headers
    assert headers["content-security-policy"].startswith("sandbox allow-scripts")
    assert "allow-same-origin" not in headers["content-security-policy"]
    assert headers["content-disposition"].startswith("inline")


def test_results_before_the_end(api: Service) -> None:
    job_id = api.upload(wav()).json()["id"]
    check_problem(api.get(f"/v1/analyses/{job_id}/result.json"), 409, "job_conflict")
    check_problem(api.get(f"/v1/analyses/{job_id}/result.docx"), 404, "job_not_found")


def test_a_table_can_be_opened(api: Service) -> None:
    text = api.get(f"/v1/analyses/{api.done().id}/result.csv").content.decode("utf-8-sig")
    assert len(list(csv.DictReader(io.StringIO(text)))) == len(realistic().segments)


# --- malformed recordings (U14) -----------------------------------------------------------------


def malformed() -> list[bytes]:
    chance = random.Random(14)  # damage, not secrets
    sound, clip = wav(), CLIP.read_bytes()
    playlists = [
        b"#EXTM3U\nhttp://127.0.0.1/x.ts\n",
        b"ffconcat version 1.0\nfile /etc/passwd\n",
        b"v=0\r\no=- 0 0\r\n",
    ]
    heads = [b"", b"\0" * 4096, b"RIFF", b"\x1aE\xdf\xa3", b"ID3" + b"\xff" * 64, b"fLaC" + b"\0" * 38]
    boxes = [b"\0\0\0\x18ftypmp42", b"\0\0\0\x18ftypmp42" + b"\xff" * 500, b"OggS" + b"\0" * 100, b"<html></html>" * 20]
    cut = [sound[:30], sound[:44], clip[:100], clip[::-1], clip[:50] + clip[5000:5200]]
    noise = [chance.randbytes(size) for size in (1, 5000)]
    return playlists + heads + boxes + cut + noise


def test_malformed_recordings_fail_with_their_own_code(api: Service) -> None:
    files = malformed()
    assert len(files) == 20
    sent = [api.upload(content) for content in files]
    assert {response.status_code for response in sent} == {202}
    api.work()
    jobs = [api.get(f"/v1/analyses/{response.json()['id']}").json() for response in sent]
    for job in jobs:
        assert job["state"] == "failed" or job["source_bytes"] == 44, job  # a wav header alone is an empty recording
        if job["error"]:
            assert job["error"]["code"] in {"unsupported_media", "corrupt_media", "no_audio_track"}, job
    waited = [api.upload(content, headers={"Prefer": "wait=1"}) for content in files]
    assert all(response.status_code < 500 for response in waited)
    assert api.upload(wav(), headers={"Prefer": "wait=0"}).status_code == 202
