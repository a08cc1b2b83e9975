"""Searching works the same over the results of every store."""

import pytest

from emoscribe.done_jobs import done_jobs
from emoscribe.duck import Duck
from emoscribe.query import Paging, SegmentFilter, SegmentSearch
from emoscribe.query_sql import answer
from emoscribe.report import render
from emoscribe.segment_tables import SegmentTables
from tests.analyses import hostile, realistic
from tests.contract.backend import Backend
from tests.contract.test_job_reviews import decision


@pytest.mark.parametrize("formats", [("json",), ("json", "parquet")])
def test_sentences_are_found_in_every_store(backend: Backend, formats: tuple[str, ...]) -> None:
    jobs = []
    for analysis in (realistic(), hostile()):
        jobs.append(backend.submit(analysis.source.name.encode()))
        results = {f"analysis.{name}": render(analysis, name) for name in formats}
        assert backend.store.finish(backend.claim(), results)
    backend.submit(b"waits")
    store = backend.another_store()
    search = SegmentSearch(store, SegmentTables(), Duck("256MB"))
    wanted = SegmentFilter(text="vomitos", label="disgust", min_score=0.6)
    (row,) = search.search("default", wanted, Paging()).rows
    assert (row.analysis_id, row.segment_index) == (jobs[0].id, 7)
    assert search.search("agency-2", SegmentFilter(), Paging()).rows == ()
    first = search.search("default", SegmentFilter(), Paging(10))
    rest = search.search("default", SegmentFilter(), Paging(200, first.cursor))
    assert len(first.rows + rest.rows) == len(realistic().segments) + len(hostile().segments)
    assert {job.id for _, job in done_jobs(store, "default")} == {job.id for job in jobs}
    store.reviews.decide("default", jobs[0].id, decision(2, "disgust"), 0)
    with answer(store, "default", "SELECT analysis_id, label, model_label FROM corrections") as found:
        assert list(found.rows) == [(jobs[0].id, "disgust", "anger")]
