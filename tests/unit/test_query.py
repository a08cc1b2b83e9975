"""Searching in real results of a local store, by filter and by SQL; the cursor; what DuckDB may not do."""

import csv
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from emoscribe.analysis_cache import JobCache
from emoscribe.cli.app import app
from emoscribe.comparison import summaries
from emoscribe.done_jobs import Place, done_jobs
from emoscribe.duck import Duck
from emoscribe.errors import InvalidRequestError, JobConflictError, JobNotFoundError
from emoscribe.jobs import Decision, Job, JobRequest, LocalJobStore
from emoscribe.labels import LABELS
from emoscribe.query import MAX_WORDS, FoundPage, Paging, SegmentFilter, SegmentSearch, search_words
from emoscribe.query_sql import answer
from emoscribe.report import render
from emoscribe.segment_tables import SegmentTables
from emoscribe.types import Analysis
from tests.analyses import empty, hostile, realistic, three_hours
from tests.job_cases import upload

DUCK = Duck("256MB")


class Desk:
    """A store with analyses, and a search in them."""

    def __init__(self, folder: Path) -> None:
        self.store = LocalJobStore(folder / "jobs")
        self.search = SegmentSearch(self.store, SegmentTables(), DUCK)
        self._inbox = folder
        self._numbers = count()

    def submit(self, name: str = "talk.mp4", tenant: str = "default") -> Job:
        source = upload(self._inbox, str(next(self._numbers)).encode(), name)
        return self.store.submit(JobRequest(source=source, tenant=tenant))

    def done(self, analysis: Analysis, tenant: str = "default", formats: tuple[str, ...] = ("json",)) -> Job:
        job = self.submit(analysis.source.name, tenant)
        claim = self.store.claim("test")
        assert claim is not None
        assert self.store.finish(claim, {f"analysis.{name}": render(analysis, name) for name in formats})
        return self.store.get(tenant, job.id)

    def find(self, tenant: str = "default", limit: int = 200, **wanted: Any) -> list[tuple[str, int]]:
        """(analysis, sentence) of what is found on the first page."""
        page = self.search.search(tenant, SegmentFilter(**wanted), Paging(limit))
        return [(row.analysis_id, row.segment_index) for row in page.rows]

    def decide(self, job: Job, index: int, label: Any) -> None:
        decision = Decision(segment_index=index, label=label, reviewer="ana", decided_at=datetime.now(UTC))
        seen = sum(one.segment_index == index for one in self.store.reviews.decisions(job.tenant, job.id))
        self.store.reviews.decide(job.tenant, job.id, decision, seen)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.store.close()


# --- the filter ---------------------------------------------------------------------------------


@pytest.mark.parametrize("formats", [("json",), ("json", "parquet")])
def test_every_condition_says_what_it_says(desk: Desk, formats: tuple[str, ...]) -> None:
    job = desk.done(realistic(), formats=formats)
    segments = realistic().segments
    conditions: dict[str, tuple[dict[str, Any], Any]] = {
        "label": ({"label": "fear"}, lambda one: one.emotion and one.emotion.label == "fear"),
        "score": (
            {"label": "surprise", "min_score": 0.4},
            lambda one: one.emotion and one.emotion.scores["surprise"] >= 0.4,
        ),
        "confidence": ({"min_confidence": 0.9}, lambda one: one.emotion and one.emotion.confidence >= 0.9),
        "review": ({"needs_review": True}, lambda one: one.needs_review),
        "no review": ({"needs_review": False}, lambda one: not one.needs_review),
        "language": ({"language": "es"}, lambda one: one.language == "es"),
        "time": ({"from_ms": 20_000, "to_ms": 40_000}, lambda one: one.end_ms > 20_000 and one.start_ms < 40_000),
        "everything": ({}, lambda one: True),
    }
    for name, (wanted, holds) in conditions.items():
        expected = [(job.id, one.index) for one in segments if holds(one)]
        assert expected, name
        assert desk.find(**wanted) == expected, name


def test_disgust_above_60_percent_that_mentions_a_word_without_its_accents(desk: Desk) -> None:
    job = desk.done(realistic())
    desk.done(hostile())
    assert desk.find(label="disgust", min_score=0.6, text="VOMITOS") == [(job.id, 7)]
    assert desk.find(label="disgust", min_score=0.9, text="vómitos") == []


@pytest.mark.parametrize(
    ("text", "is_found"),
    [
        ("maos proprias", True),
        ("MÃOS", True),
        ("ma\u0303os", True),  # the same letter in two characters
        ('"próprias mãos"', True),
        ('"mãos próprias"', False),
        ("\u201cpróprias mãos\u201d construiu", True),
        ("father parede", True),  # one word in English, one in the original
        ("mãos gato", False),
        ("%", False),
        ("_", False),
        ("' OR true --", False),
        ("\x00", False),
    ],
)
def test_words_must_all_occur(desk: Desk, text: str, is_found: bool) -> None:
    job = desk.done(realistic())
    assert ((job.id, 4) in desk.find(text=text)) == is_found


def test_what_was_said_comes_back_as_it_was(desk: Desk) -> None:
    desk.done(hostile())
    page = desk.search.search("default", SegmentFilter(), Paging())
    for row, segment in zip(page.rows, hostile().segments, strict=True):
        assert (row.text, row.text_en, row.language) == (segment.text, segment.text_en, segment.language)
        assert segment.emotion is not None
        assert row.scores == segment.emotion.scores


def test_filters_that_cannot_be_used(desk: Desk) -> None:
    for wanted in ({"min_score": 0.5}, {"text": "a b c " * MAX_WORDS}, {"label": "joy"}):
        with pytest.raises(InvalidRequestError):
            desk.find(**({"text": " ".join(map(str, range(MAX_WORDS + 1)))} if "text" in wanted else wanted))


@given(words=st.lists(st.text("abc", min_size=1), max_size=4), phrase=st.text("ab ", max_size=6))
def test_words_and_phrases_are_told_apart(words: list[str], phrase: str) -> None:
    found = search_words(" ".join([*words, f'"{phrase}"']))
    wanted = [*words, " ".join(phrase.split())]
    assert found == [one for one in dict.fromkeys(wanted) if one]


def test_a_tenant_finds_its_own_only(desk: Desk) -> None:
    own, other = desk.done(realistic()), desk.done(realistic(), tenant="agency-2")
    assert {one for one, _ in desk.find()} == {own.id}
    assert {one for one, _ in desk.find(tenant="agency-2")} == {other.id}
    assert desk.find(tenant="agency-3") == []
    with pytest.raises(JobNotFoundError):
        desk.search.search("default", SegmentFilter(), Paging(analysis_ids=(other.id,)))


def test_nothing_there(desk: Desk) -> None:
    assert desk.find() == []
    desk.done(empty())
    waiting = desk.submit()
    assert desk.find() == []
    with pytest.raises(JobConflictError):
        desk.search.search("default", SegmentFilter(), Paging(analysis_ids=(waiting.id,)))


def test_what_is_deleted_is_not_found(desk: Desk) -> None:
    job = desk.done(realistic())
    assert desk.find(text="mãos") == [(job.id, 4)]
    desk.store.delete("default", job.id)
    assert desk.find(text="mãos") == []


# --- pages --------------------------------------------------------------------------------------


def pages(search: SegmentSearch, limit: int, analysis_ids: tuple[str, ...] = (), **wanted: Any) -> Iterator[FoundPage]:
    cursor: str | None = None
    while True:
        page = search.search("default", SegmentFilter(**wanted), Paging(limit, cursor, analysis_ids))
        yield page
        cursor = page.cursor
        if cursor is None:
            return


@pytest.mark.parametrize("limit", [1, 7, 200])
@pytest.mark.parametrize("patience_s", [0.0, 8.0])
def test_pages_hold_everything_once_newest_analysis_first(desk: Desk, limit: int, patience_s: float) -> None:
    jobs = [desk.done(analysis) for analysis in (realistic(), empty(), hostile())]
    search = SegmentSearch(desk.store, SegmentTables(), DUCK, patience_s)
    rows = [row for page in pages(search, limit) for row in page.rows]
    expected = [(jobs[2].id, one.index) for one in hostile().segments]
    expected += [(jobs[0].id, one.index) for one in realistic().segments]
    assert [(row.analysis_id, row.segment_index) for row in rows] == expected
    named = [row for page in pages(search, limit, (jobs[0].id, jobs[2].id)) for row in page.rows]
    assert named == rows


@pytest.mark.parametrize("change", ["submit", "delete", "delete the place"])
def test_pages_go_on_while_analyses_come_and_go(desk: Desk, change: str) -> None:
    jobs = [desk.done(realistic()) for _ in range(3)]
    first = desk.search.search("default", SegmentFilter(label="disgust"), Paging(1))
    assert [row.analysis_id for row in first.rows] == [jobs[2].id]
    if change == "submit":
        desk.done(realistic())
    else:
        desk.store.delete("default", jobs[1 if change == "delete" else 2].id)
    rest = desk.search.search("default", SegmentFilter(label="disgust"), Paging(10, first.cursor))
    assert [row.analysis_id for row in rest.rows] == [jobs[0].id] if change == "delete" else [jobs[1].id, jobs[0].id]


def test_done_jobs_beyond_one_page_of_the_store(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emoscribe.done_jobs.PAGE", 2)
    jobs = [desk.done(empty()) for _ in range(5)]
    desk.submit()
    assert [job.id for _, job in done_jobs(desk.store, "default")] == [job.id for job in reversed(jobs)]


@given(place=st.builds(Place, st.none() | st.text(), st.integers(0, 2**60), st.text(), st.none() | st.integers(0)))
def test_places_are_read_back(place: Place) -> None:
    assert Place.parse(str(place)) == place


@pytest.mark.parametrize("text", ["", "1", "[]", "[null,1,2,3]", '["a","b","c",null]', "{}", "[1,2,3,4,5]", "\x00"])
def test_cursors_that_are_none(desk: Desk, text: str) -> None:
    with pytest.raises(InvalidRequestError):
        Place.parse(text)


def test_what_is_kept_is_bounded_and_forgotten(desk: Desk) -> None:
    jobs = [desk.done(empty()) for _ in range(3)]
    made: list[str] = []

    def make(job: Job) -> str:
        made.append(job.id)
        return job.id

    cache: JobCache[str] = JobCache(2, lambda _: 1)
    for job in (jobs[0], jobs[1], jobs[0], jobs[2], jobs[0], jobs[1]):
        assert cache.get(job, make) == job.id
    assert made == [jobs[0].id, jobs[1].id, jobs[2].id, jobs[1].id]
    cache.forget("default", jobs[1].id)
    cache.get(jobs[1], make)
    assert made[-2:] == [jobs[1].id, jobs[1].id]


# --- the table of analyses ----------------------------------------------------------------------


def test_a_summary_counts_time_flags_and_decisions(desk: Desk) -> None:
    job = desk.done(realistic())
    segments = realistic().segments
    flagged = [one.index for one in segments if one.needs_review]
    for index, label in ((flagged[0], "fear"), (flagged[1], "fear"), (flagged[1], None), (0, "happiness")):
        desk.decide(job, index, label)
    tables = SegmentTables()
    decisions = {job.id: desk.store.reviews.decisions("default", job.id)}
    (row,) = summaries(DUCK, [tables.get(desk.store, job)], decisions)
    total_ms = sum(one.end_ms - one.start_ms for one in segments)
    for label in LABELS:
        labelled = [one for one in segments if one.emotion and one.emotion.label == label]
        share = sum(one.end_ms - one.start_ms for one in labelled) / total_ms
        assert row.shares[label] == pytest.approx(share, abs=1e-4)
    assert list(row.dominant) == sorted(LABELS, key=lambda one: -row.shares[one])[:3]
    assert (row.segments, row.flagged, row.flagged_reviewed, row.reviewed) == (len(segments), len(flagged), 1, 2)
    assert (row.reviewed_share, row.duration_ms, row.language) == (1 / len(flagged), 90_000, "pt")


def test_summaries_of_nothing(desk: Desk) -> None:
    assert summaries(DUCK, [], {}) == ()
    (row,) = summaries(DUCK, [SegmentTables().get(desk.store, desk.done(empty()))], {})
    assert (row.segments, row.dominant, row.flagged_share, row.reviewed_share) == (0, (), 0.0, None)


# --- SQL ----------------------------------------------------------------------------------------


def ask(desk: Desk, sql: str, tenant: str = "default") -> list[tuple[Any, ...]]:
    with answer(desk.store, tenant, sql) as found:
        return list(found.rows)


def test_sql_over_segments_analyses_and_corrections(desk: Desk) -> None:
    job = desk.done(realistic(), formats=("json", "parquet"))
    desk.done(realistic(), tenant="agency-2")
    desk.done(three_hours(50))
    desk.decide(job, 2, "disgust")
    assert ask(desk, "SELECT count(*), count(DISTINCT analysis_id) FROM segments") == [(70, 2)]
    assert ask(desk, "SELECT language, duration_ms FROM analyses WHERE source LIKE 'assembleia%'") == [("pt", 90_000)]
    sql = "SELECT c.label, s.label, c.reviewer FROM corrections c JOIN segments s ON s.analysis_id = c.analysis_id"
    assert ask(desk, f'{sql} AND s."index" = c.segment_index') == [("disgust", "anger", "ana")]
    assert ask(desk, "SELECT count(*) FROM corrections", "agency-2") == [(0,)]
    assert ask(desk, "CREATE TABLE mine AS FROM segments; SELECT count(*) FROM mine") == [(70,)]


def test_sql_over_nothing(desk: Desk) -> None:
    assert ask(desk, "SELECT count(*) FROM segments, analyses, corrections") == [(0,)]
    assert ask(desk, "-- nothing") == []


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM read_text('/etc/passwd')",
        "COPY segments TO '{folder}/out.csv'",
        "ATTACH '{folder}/out.db'",
        "EXPORT DATABASE '{folder}/out'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SELECT * FROM read_parquet('s3://bucket/key')",
        "SELECT * FROM read_csv('http://127.0.0.1:9/x')",
        "SET enable_external_access = true",
        "SET lock_configuration = false",
        "SET memory_limit = '100GB'",
        "SET temp_directory = '{folder}'",
        "PRAGMA database_list; PRAGMA temp_directory = '{folder}'",
        "SELECT getenv('HOME')",
        "SELECT * FROM rows",
        "SELEC",
        "SELECT 1; SELECT error('boom')",
        "SELECT (SELECT error('boom') WHERE i = 5000) FROM range(9000) t(i)",
    ],
)
def test_sql_reaches_nothing_else(desk: Desk, tmp_path: Path, sql: str) -> None:
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(InvalidRequestError, match="DuckDB refuses it"):
        ask(desk, sql.replace("{folder}", str(tmp_path)))
    assert sorted(tmp_path.rglob("*")) == before


# --- the command line ---------------------------------------------------------------------------


def run(tmp_path: Path, *arguments: str) -> Result:
    environment = {"EMOSCRIBE_JOBS_DIR": str(tmp_path / "jobs"), "COLUMNS": "200"}
    return CliRunner().invoke(app, ["query", *arguments], env=environment)


def test_the_command_takes_the_same_filters(desk: Desk, tmp_path: Path) -> None:
    job = desk.done(realistic())
    shown = run(tmp_path, "vomitos", "--label", "disgust", "--min-score", "0.6").output
    assert "O cheiro lá dentro era nojento" in shown
    assert "0.86" in shown
    rows = [json.loads(line) for line in run(tmp_path, "--needs-review", "--json").output.splitlines()]
    assert [row["segment_index"] for row in rows] == [one.index for one in realistic().segments if one.needs_review]
    table = list(csv.DictReader(io.StringIO(run(tmp_path, "--analysis", job.id[:8], "--csv", "--limit", "3").output)))
    assert [row["label"] for row in table] == ["happiness", "neutral", "anger"]
    assert "Nothing was found." in run(tmp_path, "--language", "xx").output
    assert len(run(tmp_path, "--json", "--limit", "1").output.splitlines()) == 1


def test_the_command_takes_sql(desk: Desk, tmp_path: Path) -> None:
    desk.done(hostile())
    shown = run(tmp_path, "--sql", "SELECT label, count(*) AS n FROM segments GROUP BY ALL")
    assert ("fear" in shown.output, "16" in shown.output) == (True, True)
    rows = run(tmp_path, "--sql", "SELECT text, created_at FROM segments JOIN analyses USING (analysis_id)", "--csv")
    cells = [row[0] for row in csv.reader(io.StringIO(rows.output))][1:]
    assert not any(cell.startswith(("=", "+", "@")) for cell in cells)
    refused = run(tmp_path, "--sql", "SELECT 1", "--label", "fear")
    assert isinstance(refused.exception, InvalidRequestError)
    assert isinstance(run(tmp_path, "--label", "joy").exception, InvalidRequestError)


def test_hostile_text_does_nothing_to_a_terminal(desk: Desk, tmp_path: Path) -> None:
    segments = tuple(one.model_copy(update={"text": "\x1b[2J\x07danger"}) for one in hostile().segments[:1])
    desk.done(hostile().model_copy(update={"segments": segments}))
    for arguments in ((), ("--sql", "SELECT text FROM segments")):
        output = run(tmp_path, *arguments).output
        assert "danger" in output
        assert "\x1b" not in output
