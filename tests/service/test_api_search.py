"""Search and comparison over HTTP: filters as parameters, tenants, pages, and what is refused."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from emoscribe.jobs import ANALYSIS_FILE
from emoscribe.report import render
from tests.analyses import empty, hostile, realistic, three_hours
from tests.service.api_harness import Service, check_problem, service, write_tokens


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Service]:
    with service(tmp_path) as made:
        yield made


def search(api: Service, **wanted: Any) -> dict[str, Any]:
    response = api.get("/v1/search", params=wanted)
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


def test_the_question_of_the_issue(api: Service) -> None:
    segments = list(realistic().segments)
    segments[7] = segments[7].model_copy(update={"text": "Que nojo, e a este preço!"})
    job = api.done(realistic().model_copy(update={"segments": tuple(segments)}))
    api.done(hostile(), b"other")
    (row,) = search(api, label="disgust", min_score=0.6, text="PRECO")["rows"]
    assert (row["analysis_id"], row["segment_index"], row["source_name"]) == (job.id, 7, "talk.wav")
    assert (row["text"], row["label"], row["scores"]["disgust"]) == ("Que nojo, e a este preço!", "disgust", 0.86)
    assert search(api, label="disgust", min_score=0.9, text="preço")["rows"] == []


def test_pages_lead_on(api: Service) -> None:
    api.done(realistic(), b"one")
    api.done(hostile(), b"other")
    rows, cursor = [], None
    while True:
        page = search(api, limit=7, **({"cursor": cursor} if cursor else {}))
        rows += page["rows"]
        cursor = page["next"]
        if cursor is None:
            break
    assert len(rows) == len(realistic().segments) + len(hostile().segments)
    assert len({(row["analysis_id"], row["segment_index"]) for row in rows}) == len(rows)


def test_results_in_parquet_are_used(api: Service) -> None:
    job_id = api.upload(b"anything", data={"formats": "parquet"}).json()["id"]
    analysis = three_hours(300)
    results = {ANALYSIS_FILE: b"not looked at", "analysis.parquet": render(analysis, "parquet")}
    assert api.store.finish(api.claim(), results)
    expected = [one.index for one in analysis.segments if one.needs_review]
    found = search(api, needs_review=True, analysis_id=job_id, limit=200)
    assert [row["segment_index"] for row in found["rows"]] == expected


@pytest.mark.parametrize(
    "query",
    [
        "label=joy",
        "min_score=0.5",
        "label=fear&min_score=1.5",
        "label=fear&min_score=nan",
        "limit=0",
        "limit=201",
        "cursor=x",
        "analysis_id=../../etc",
        "from_ms=-1",
        "sql=SELECT+1",
        "text=" + "a" * 501,
        "text=" + "+".join(map(str, range(21))),
    ],
)
def test_refused_questions(api: Service, query: str) -> None:
    check_problem(api.get(f"/v1/search?{query}"), 400, "invalid_request")


@pytest.mark.parametrize("text", ["'; DROP TABLE segments; --", '"', '""', "$text", "\u202e", "%' OR '1'='1", "\x00"])
def test_text_is_never_sql(api: Service, text: str) -> None:
    api.done()
    assert search(api, text=text)["rows"] in ([], search(api)["rows"])


def test_a_tenant_sees_its_own(tmp_path: Path) -> None:
    with service(tmp_path, auth="tokens", tokens_file=tmp_path / "tokens.toml") as api:
        headers = write_tokens(
            tmp_path / "tokens.toml",
            ana=("default", ("owner",)),
            eve=("other", ("owner",)),
            bot=("default", ("text",)),
        )
        job_id = api.upload(b"anything", headers=headers["ana"]).json()["id"]
        api.finish(api.claim(), realistic())
        for url, name in (("/v1/search", "rows"), ("/v1/analyses/summary", "analyses")):
            assert len(api.get(url, headers=headers["ana"]).json()[name]) >= 1
            assert api.get(url, headers=headers["eve"]).json()[name] == []
            named = api.get(url, params={"analysis_id": job_id}, headers=headers["eve"])
            check_problem(named, 404, "job_not_found")
            check_problem(api.get(url, headers=headers["bot"]), 403, "forbidden")
            check_problem(api.get(url), 401, "unauthenticated")


def test_the_table_of_analyses(api: Service) -> None:
    first, second, third = api.done(realistic(), b"1"), api.done(empty(), b"2"), api.done(hostile(), b"3")
    api.upload(b"waiting")
    flagged = next(one.index for one in realistic().segments if one.needs_review)
    api.request(
        "PUT",
        f"/v1/analyses/{first.id}/segments/{flagged}/correction",
        json={"label": "fear"},
        headers={"If-Match": '"0"'},
    )
    table = api.get("/v1/analyses/summary").json()
    assert [row["id"] for row in table["analyses"]] == [third.id, second.id, first.id]
    assert table["next"] is None
    row = table["analyses"][2]
    assert (row["flagged_reviewed"], row["reviewed"], row["segments"]) == (1, 1, len(realistic().segments))
    page = api.get("/v1/analyses/summary", params={"limit": 2}).json()
    rest = api.get("/v1/analyses/summary", params={"limit": 2, "cursor": page["next"]}).json()
    assert page["analyses"] + rest["analyses"] == table["analyses"]
    named = api.get("/v1/analyses/summary", params={"analysis_id": [first.id, third.id]}).json()
    assert [one["id"] for one in named["analyses"]] == [third.id, first.id]


def test_what_is_deleted_is_forgotten(api: Service) -> None:
    job = api.done()
    assert search(api, text="mãos")["rows"] != []
    api.request("DELETE", f"/v1/analyses/{job.id}")
    assert search(api, text="mãos")["rows"] == []
    assert api.get("/v1/analyses/summary").json()["analyses"] == []
    assert api.done(hostile()).id == job.id  # the same recording again, with another result
    assert search(api, text="mãos")["rows"] == []
    assert len(search(api)["rows"]) == len(hostile().segments)
