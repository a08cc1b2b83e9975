"""Playing the recording: ranges, links that expire, who may hear it, and what a browser is told about it."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from emoscribe.jobs import JobOptions, JobRequest, local_file
from tests.analyses import hostile, realistic
from tests.service.api_harness import Service, check_problem, service, write_tokens
from tests.unit.test_jobs_analysis_run import wav

SOUND = wav(3)


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Service]:
    with service(tmp_path) as made:
        yield made


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Service]:
    with service(tmp_path, auth="tokens", tokens_file=tmp_path / "tokens.toml") as made:
        yield made


@pytest.fixture
def media(api: Service) -> str:
    """Where the recording of an analysis that is done is."""
    return f"/v1/analyses/{api.done(content=SOUND).id}/media"


def test_the_whole_recording(api: Service, media: str) -> None:
    response = api.get(media)
    assert (response.status_code, response.content) == (200, SOUND)
    headers = response.headers
    assert (headers["content-type"], headers["accept-ranges"]) == ("audio/wav", "bytes")
    assert (headers["x-content-type-options"], headers["cache-control"]) == ("nosniff", "private, no-store")
    assert "sandbox" in headers["content-security-policy"]
    head = api.request("HEAD", media)
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(len(SOUND)))


SIZE = len(SOUND)


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=0-", 0, SIZE),
        ("bytes=7-1006", 7, 1007),
        (f"bytes={SIZE - 1}-", SIZE - 1, SIZE),
        ("bytes=10-99999999999", 10, SIZE),
        ("bytes=-5", SIZE - 5, SIZE),
        ("bytes=-99999999999", 0, SIZE),
    ],
)
def test_ranges(api: Service, media: str, asked: str, start: int, end: int) -> None:
    response = api.get(media, headers={"Range": asked})
    assert (response.status_code, response.content) == (206, SOUND[start:end])
    assert response.headers["content-range"] == f"bytes {start}-{end - 1}/{SIZE}"
    assert response.headers["content-length"] == str(end - start)


@pytest.mark.parametrize("asked", [f"bytes={SIZE}-", "bytes=-0", f"bytes={SIZE + 5}-{SIZE + 9}"])
def test_ranges_in_which_there_is_nothing(api: Service, media: str, asked: str) -> None:
    response = api.get(media, headers={"Range": asked})
    assert response.status_code == 416
    assert response.headers["content-range"] == f"bytes */{SIZE}"


@pytest.mark.parametrize("asked", ["bytes=0-1,4-5", "lines=1-2", "bytes=-", "bytes=9-3", "bytes=a-b", "bytes=0-\u0663"])
def test_ranges_that_are_not_understood_are_left_aside(api: Service, media: str, asked: str) -> None:
    response = api.get(media, headers={"Range": asked.encode()})
    assert (response.status_code, len(response.content)) == (200, SIZE)


def test_a_range_of_another_version_is_not_sent(api: Service, media: str) -> None:
    etag = api.get(media).headers["etag"]
    for known, status in ((etag, 206), ('"other"', 200)):
        assert api.get(media, headers={"Range": "bytes=0-9", "If-Range": known}).status_code == status


def test_no_recording_is_a_page(api: Service) -> None:
    html = b"<!doctype html><script>alert(1)</script>"
    job = api.done(hostile(), content=html)
    response = api.get(f"/v1/analyses/{job.id}/media")
    assert response.headers["content-type"] == "application/octet-stream"
    assert response.headers["x-content-type-options"] == "nosniff"


def test_a_recording_is_heard_while_it_is_worked_on(api: Service) -> None:
    job_id = api.upload(SOUND).json()["id"]
    assert api.get(f"/v1/analyses/{job_id}/media", headers={"Range": "bytes=0-9"}).content == SOUND[:10]


def test_a_file_of_this_machine(api: Service, tmp_path: Path) -> None:
    path = tmp_path / "own.wav"
    path.write_bytes(SOUND)
    job = api.store.submit(JobRequest(source=local_file(path), options=JobOptions()))
    url = f"/v1/analyses/{job.id}/media"
    assert api.get(url).content == SOUND
    path.write_bytes(SOUND + b"more")
    check_problem(api.get(url), 409, "source_changed")
    path.unlink()
    check_problem(api.get(url), 410, "media_not_kept")
    check_problem(api.post(url + "-url"), 410, "media_not_kept")


def test_a_deleted_analysis_has_no_recording(api: Service, media: str) -> None:
    assert api.get(media).status_code == 200
    api.request("DELETE", media.removesuffix("/media"))
    check_problem(api.get(media), 404, "job_not_found")


# --- links --------------------------------------------------------------------------------------


@pytest.fixture
def headers(guarded: Service, tmp_path: Path) -> dict[str, dict[str, str]]:
    made = write_tokens(
        tmp_path / "tokens.toml",
        ana=("default", ("owner",)),
        ben=("default", ("viewer",)),
        bot=("default", ("text",)),
        eve=("other", ("owner",)),
    )
    return dict(made)


def submitted(guarded: Service, headers: dict[str, str], content: bytes = SOUND) -> str:
    job_id: str = guarded.upload(content, headers=headers).json()["id"]
    guarded.finish(guarded.claim(), realistic())
    return job_id


def test_a_link_needs_no_token(guarded: Service, headers: dict[str, dict[str, str]]) -> None:
    job_id = submitted(guarded, headers["ana"])
    response = guarded.post(f"/v1/analyses/{job_id}/media-url", headers=headers["ben"])
    link = response.json()
    assert (link["media_type"], link["kind"], link["bytes"]) == ("audio/wav", "audio", SIZE)
    assert response.headers["cache-control"] == "no-store"
    assert guarded.get(link["url"], headers={"Range": "bytes=0-3"}).content == b"RIFF"


def test_a_link_is_for_one_recording_and_a_while(
    guarded: Service, headers: dict[str, dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id, other_id = submitted(guarded, headers["ana"]), submitted(guarded, headers["ana"], wav(1))
    url = guarded.post(f"/v1/analyses/{job_id}/media-url", headers=headers["ana"]).json()["url"]
    ticket = parse_qs(urlsplit(url).query)["ticket"][0]
    expires_s, tenant, signature = ticket.split(".")
    for wrong in (
        url.replace(job_id, other_id),
        url.replace(expires_s, str(int(expires_s) + 1)),
        url.replace(f".{tenant}.", ".other."),
        url.replace(signature, "0" * 64),
        f"/v1/analyses/{job_id}/media?ticket=",
        f"/v1/analyses/{job_id}/media",
    ):
        check_problem(guarded.get(wrong), 401, "unauthenticated")
    monkeypatch.setattr("emoscribe.api.media_link.time.time", lambda: float(expires_s) + 1)
    check_problem(guarded.get(url), 401, "unauthenticated")


def test_who_may_have_a_link(guarded: Service, headers: dict[str, dict[str, str]]) -> None:
    url = f"/v1/analyses/{submitted(guarded, headers['ana'])}/media"
    for path, method in ((url, "GET"), (f"{url}-url", "POST")):
        check_problem(guarded.request(method, path), 401, "unauthenticated")
        check_problem(guarded.request(method, path, headers=headers["bot"]), 403, "forbidden")
        check_problem(guarded.request(method, path, headers=headers["eve"]), 404, "job_not_found")
        assert guarded.request(method, path, headers=headers["ben"]).status_code == 200


def test_without_tokens_a_link_opens_nothing_to_others(api: Service, media: str) -> None:
    url = api.post(f"{media}-url").json()["url"]
    assert api.get(url).content == SOUND
    check_problem(api.get(url, base_url="http://evil.example:3000"), 403, "forbidden")
