"""`emoscribe batch`, `jobs` and `tokens` on a store of this machine, with models that say what they are told."""

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from emoscribe.backlog import find_recordings, result_stems
from emoscribe.cli.app import app
from emoscribe.cli.batch_run import BatchOptions, BatchRun, Entry
from emoscribe.cli.tokens import change_book
from emoscribe.errors import (
    CorruptMediaError,
    EmoScribeError,
    InvalidRequestError,
    JobNotFoundError,
    JobStoreError,
    ModelMissingError,
    SettingsError,
)
from emoscribe.job_setup import Submissions, make_worker
from emoscribe.jobs import Job, JobOptions, JobQuery, JobRequest, LocalJobStore
from emoscribe.settings import load_settings
from emoscribe.stages import Stages
from emoscribe.tokens import TokenBook
from tests.conftest import ROOT
from tests.fakes import FakeClassifier, FakeTranscriber, FakeTranslator, saying
from tests.job_cases import upload

CLIPS = ROOT / "tests/data/speech"


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalJobStore]:
    monkeypatch.setenv("EMOSCRIBE_JOBS_DIR", str(tmp_path / "jobs"))
    monkeypatch.setenv("COLUMNS", "200")
    made = LocalJobStore(tmp_path / "jobs")
    yield made
    made.close()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Three recordings, one of which is none, and something else."""
    folder = tmp_path / "talks"
    (folder / "day 2").mkdir(parents=True)
    (folder / "a.ogg").write_bytes((CLIPS / "pt-1.ogg").read_bytes())
    (folder / "day 2/b.ogg").write_bytes((CLIPS / "en-1.ogg").read_bytes())
    (folder / "day 2/bad.mp4").write_bytes(b"no recording")
    (folder / "notes.txt").write_text("x")
    return folder


@contextmanager
def a_worker() -> Iterator[None]:
    """At work in another thread, as in another process."""
    settings = load_settings()
    store = LocalJobStore(settings.jobs_dir)
    stages = Stages(FakeTranscriber(saying("Que alegria happiness.")), FakeTranslator(), FakeClassifier())
    worker = make_worker(settings, store, stages)
    thread = threading.Thread(target=worker.run_forever)
    thread.start()
    try:
        yield
    finally:
        worker.stop()
        thread.join()
        store.close()


def run(*arguments: object, code: int = 0, typed: str | None = None) -> str:
    result = invoke(*arguments, typed=typed)
    assert result.exit_code == code, result.output + repr(result.exception)
    return result.output


def refused(*arguments: object) -> EmoScribeError:
    error = invoke(*arguments).exception
    assert isinstance(error, EmoScribeError), error
    return error


def invoke(*arguments: object, typed: str | None = None) -> Result:
    return CliRunner().invoke(app, [str(one) for one in arguments], input=typed)


def jobs(store: LocalJobStore) -> dict[str, Job]:
    return {job.source_name: job for job in store.list(JobQuery()).jobs}


# --- batch ---


def test_a_worker_that_is_there_does_the_work(store: LocalJobStore, source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with a_worker():
        output = run("batch", source, "--out", out, "--formats", "csv,json", code=1)
    assert "3 recordings found" in output
    assert "Left out: 1 .txt files" in output
    assert "A worker of this machine does the work" in output
    files = {path.relative_to(out).as_posix() for path in out.rglob("*.*")}
    assert files == {"a.csv", "a.json", "day 2/b.csv", "day 2/b.json"}
    assert json.loads((out / "a.json").read_bytes())["source"]["name"] == "a.ogg"
    assert "bad.mp4: The content is not a recording" in output
    assert {name: job.state for name, job in jobs(store).items()} == {
        "a.ogg": "done",
        "b.ogg": "done",
        "bad.mp4": "failed",
    }


def test_what_was_done_is_not_done_again_and_failures_only_when_asked(store: LocalJobStore, source: Path) -> None:
    with a_worker():
        run("batch", source, code=1)
    before = jobs(store)
    output = run("batch", source, "--no-work", code=1)
    assert jobs(store) == before
    assert "does the work" not in output
    (source / "c.ogg").write_bytes((CLIPS / "fr-1.ogg").read_bytes())
    with a_worker():
        run("batch", source, "--retry-failed", code=1)
    after = jobs(store)
    assert after["c.ogg"].state == "done"
    assert {name: after[name] for name in ("a.ogg", "b.ogg")} == {name: before[name] for name in ("a.ogg", "b.ogg")}
    finished = after["bad.mp4"].finished_at, before["bad.mp4"].finished_at
    assert finished[0] is not None
    assert finished[1] is not None
    assert finished[0] > finished[1]


def test_other_options_are_other_jobs(store: LocalJobStore, source: Path) -> None:
    run("batch", source, "--no-wait")
    run("batch", source, "--no-wait", "--language", "auto", "--formats", "json")
    assert len(store.list(JobQuery()).jobs) == 3
    run("batch", source, "--no-wait", "--language", "de")
    assert len(store.list(JobQuery()).jobs) == 6


def test_results_of_an_earlier_job_are_replaced_by_those_of_this_one(
    store: LocalJobStore, source: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with a_worker():
        run("batch", source, "--out", out, "--language", "pt", code=1)
        first = (out / "a.json").stat()
        run("batch", source, "--out", out, "--language", "pt", code=1)
        assert (out / "a.json").stat() == first
        run("batch", source, "--out", out, "--language", "en", code=1)
    assert json.loads((out / "a.json").read_bytes())["language"]["language"] == "en"


def test_a_limit_and_no_wait_only_submit(store: LocalJobStore, source: Path) -> None:
    output = run("batch", source, "--no-wait", "--limit", 2)
    assert {name: job.state for name, job in jobs(store).items()} == {"a.ogg": "queued", "b.ogg": "queued"}
    assert "The same command without --no-wait follows them" in output
    assert not store.has_worker


def test_results_that_cannot_be_written_fail_by_themselves(store: LocalJobStore, source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / "a.json").mkdir(parents=True)
    outside = tmp_path / "outside"
    outside.mkdir()
    (out / "day 2").symlink_to(outside)
    with a_worker():
        output = run("batch", source, "--out", out, code=1)
    assert "cannot be written" in output
    assert "outside of --out" in output
    assert list(outside.iterdir()) == []
    assert jobs(store)["a.ogg"].state == "done"


def batch_run(store: LocalJobStore, source: Path) -> BatchRun:
    """The recordings of the source, as the command has them."""
    settings = load_settings()
    found = find_recordings(str(source), JobOptions(), settings).recordings
    entries = [Entry(one, stem) for one, stem in zip(found, result_stems([one.name for one in found]), strict=True)]
    return BatchRun(entries, store, Submissions(settings, store), BatchOptions("default", look_every_s=0.01))


def test_a_job_that_somebody_cancels_or_deletes_is_not_waited_for(store: LocalJobStore, source: Path) -> None:
    with batch_run(store, source) as run:
        while any(entry.state == "new" for entry in run.entries):
            run.step()
        submitted = jobs(store)
        store.cancel("default", submitted["a.ogg"].id)
        store.delete("default", submitted["b.ogg"].id)
        store.cancel("default", submitted["bad.mp4"].id)
        settled: list[Entry] = []
        while not run.is_over:
            settled += run.step()
    assert {entry.recording.name: entry.state for entry in settled} == {
        "a.ogg": "cancelled",
        "day 2/b.ogg": "failed",
        "day 2/bad.mp4": "cancelled",
    }
    assert [entry.error.code for entry in settled if entry.error] == ["job_not_found"]


def step_on(run: BatchRun) -> None:
    for _ in range(10**4):
        run.step()


class Faltering(LocalJobStore):
    """Does not answer for a while."""

    failures = 0

    def get(self, tenant: str, job_id: str) -> Job:
        if self.failures:
            self.failures -= 1
            raise JobStoreError("The network is down.")
        return super().get(tenant, job_id)


def test_a_store_that_is_away_for_a_while_is_waited_for_but_not_for_ever(source: Path, tmp_path: Path) -> None:
    store = Faltering(tmp_path / "jobs")
    with batch_run(store, source) as run:
        while not run.has_open_jobs:
            run.step()
        store.failures = 5
        while store.failures:
            run.step()
        store.failures = 10**6
        with pytest.raises(JobStoreError):
            step_on(run)
    store.close()


@pytest.mark.parametrize(
    "arguments",
    [("--work", "--no-wait"), ("--formats", "docx"), ("--language", "klingon")],
)
def test_wrong_usage_submits_nothing(store: LocalJobStore, source: Path, arguments: tuple[str, ...]) -> None:
    assert isinstance(refused("batch", source, *arguments), InvalidRequestError)
    assert jobs(store) == {}


# --- jobs ---


@pytest.fixture
def submitted(store: LocalJobStore, source: Path) -> dict[str, Job]:
    """One is done, one failed, one waits."""
    with a_worker():
        run("batch", source, code=1)
    (source / "new.ogg").write_bytes((CLIPS / "es-1.ogg").read_bytes())
    run("batch", source, "--no-wait", code=1)
    return jobs(store)


def test_jobs_are_listed_for_people_and_for_scripts(submitted: dict[str, Job]) -> None:
    output = run("jobs", "list")
    for name, job in submitted.items():
        (line,) = (line for line in output.splitlines() if name in line)
        assert job.id[:12] in line
        assert job.state in line
    rows = [json.loads(line) for line in run("jobs", "list", "--json", "--state", "failed").splitlines()]
    assert [Job.model_validate(row) for row in rows] == [submitted["bad.mp4"]]
    assert len(run("jobs", "list", "--json", "--limit", 2).splitlines()) == 2
    assert run("jobs", "list", "--json", "--tenant", "other") == ""
    assert isinstance(refused("jobs", "list", "--state", "lost"), InvalidRequestError)


def test_a_job_is_shown_by_its_first_digits(submitted: dict[str, Job]) -> None:
    job = submitted["bad.mp4"]
    assert "unsupported_media" in run("jobs", "show", job.id[:8])
    assert Job.model_validate_json(run("jobs", "show", job.id, "--json")) == job
    for unknown in ("0000", "g" * 12, "0" * 64, "", "../x"):
        assert isinstance(refused("jobs", "show", unknown), JobNotFoundError)
    assert isinstance(refused("jobs", "show", job.id, "--tenant", "other"), JobNotFoundError)


def test_jobs_are_cancelled_retried_and_deleted(store: LocalJobStore, submitted: dict[str, Job]) -> None:
    waiting, done, failed = (submitted[name].id for name in ("new.ogg", "a.ogg", "bad.mp4"))
    output = run("jobs", "cancel", waiting, done)
    assert "cancelled" in output
    assert store.get("default", waiting).state == "cancelled"
    assert store.get("default", done).state == "done"
    run("jobs", "retry", "--failed")
    assert store.get("default", failed).state == "queued"
    output = run("jobs", "retry", waiting, done, code=1)
    assert "job_conflict" in output
    assert store.get("default", waiting).state == "queued"
    assert isinstance(refused("jobs", "retry"), InvalidRequestError)
    run("jobs", "delete", done, typed="n\n", code=1)
    assert store.get("default", done).state == "done"
    run("jobs", "delete", done, failed, "--yes")
    assert set(jobs(store)) == {"b.ogg", "new.ogg"}


def test_results_are_written_under_the_recordings_names(submitted: dict[str, Job], tmp_path: Path) -> None:
    out = tmp_path / "results"
    ids = [submitted[name].id for name in ("a.ogg", "bad.mp4", "b.ogg")]
    output = run("jobs", "results", *ids, "--out", out, code=1)
    assert "job_conflict" in output
    assert sorted(path.name for path in out.iterdir()) == ["a.json", "b.json"]
    output = run("jobs", "results", ids[0], "--out", out, "--formats", "html", code=1)
    assert "job_not_found" in output


# --- tokens ---


def test_a_token_is_shown_once_and_kept_as_a_hash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "etc" / "tokens.toml"
    monkeypatch.setenv("EMOSCRIBE_TOKENS_FILE", str(path))
    secret = invoke("tokens", "add", "newsroom", "--scope", "viewer", "--tenant", "news").stdout.strip()
    assert path.stat().st_mode & 0o777 == 0o600
    assert secret not in path.read_text(encoding="utf-8")
    found = TokenBook.load(path).find(secret)
    assert found is not None
    assert (found.name, found.tenant, found.scopes) == ("newsroom", "news", ("viewer",))
    other = invoke("tokens", "add", "desk").stdout.strip()
    assert isinstance(refused("tokens", "add", "desk"), InvalidRequestError)
    assert isinstance(refused("tokens", "add", "x", "--scope", "everything"), InvalidRequestError)
    listed = run("tokens", "list")
    assert "newsroom" in listed
    assert secret not in listed
    run("tokens", "revoke", "newsroom")
    assert TokenBook.load(path).find(secret) is None
    assert TokenBook.load(path).find(other) is not None
    assert isinstance(refused("tokens", "revoke", "newsroom"), InvalidRequestError)


def test_tokens_made_at_the_same_time_are_all_kept(tmp_path: Path) -> None:
    path = tmp_path / "tokens.toml"
    names = {f"t{number}" for number in range(8)}

    def add(name: str) -> None:
        change_book(path, lambda book: book.add(name, tenant="default", scopes=("owner",))[0])

    with ThreadPoolExecutor(len(names)) as pool:
        list(pool.map(add, sorted(names)))
    assert {token.name for token in TokenBook.load(path).tokens} == names


def test_a_file_of_tokens_must_be_named(tmp_path: Path) -> None:
    assert isinstance(refused("tokens", "list"), SettingsError)
    (tmp_path / "file").touch()
    assert isinstance(refused("tokens", "add", "x", "--file", tmp_path / "file" / "tokens.toml"), SettingsError)


# --- for operators ---


def test_a_tenants_jobs_are_stopped_and_erased_together(store: LocalJobStore, tmp_path: Path) -> None:
    for number in range(3):
        store.submit(JobRequest(source=upload(tmp_path, f"{number}".encode()), tenant="acme"))
    other = store.submit(JobRequest(source=upload(tmp_path, b"other")))
    refused("jobs", "cancel", "--tenant", "acme")
    run("jobs", "cancel", "--all", "--tenant", "acme")
    assert {job.state for job in store.list(JobQuery("acme")).jobs} == {"cancelled"}
    run("jobs", "delete", "--all", "--tenant", "acme", code=1, typed="n\n")
    assert len(store.list(JobQuery("acme")).jobs) == 3
    assert "3 jobs of acme" in run("jobs", "delete", "--all", "--tenant", "acme", typed="y\n")
    assert store.list(JobQuery("acme")).jobs == ()
    assert store.get("default", other.id).state == "queued"


def test_failed_jobs_are_retried_by_their_error(store: LocalJobStore, tmp_path: Path) -> None:
    for error in (CorruptMediaError("No sound."), ModelMissingError("No model.")):
        store.submit(JobRequest(source=upload(tmp_path, error.code.encode())))
        claim = store.claim("test")
        assert claim is not None
        store.fail(claim, error, retry=False)
    run("jobs", "retry", "--failed", "--code", "model_missing")
    assert [job.error.code for job in store.list(JobQuery(states=frozenset({"failed"}))).jobs if job.error] == [
        "corrupt_media"
    ]


def test_what_ended_long_ago_is_swept_for_all_tenants(store: LocalJobStore, tmp_path: Path) -> None:
    for tenant in ("acme", "default"):
        store.submit(JobRequest(source=upload(tmp_path, b"x"), tenant=tenant))
        run("jobs", "cancel", "--all", "--tenant", tenant)
    waiting = store.submit(JobRequest(source=upload(tmp_path, b"y")))
    assert run("jobs", "sweep", "--days", "1", "--yes") == "0 jobs erased.\n"
    assert run("jobs", "sweep", "--days", "0", "--yes") == "2 jobs erased.\n"
    assert [job.id for job in store.list(JobQuery()).jobs] == [waiting.id]


def test_the_queue_of_a_local_store(store: LocalJobStore, tmp_path: Path) -> None:
    store.submit(JobRequest(source=upload(tmp_path, b"x")))
    told = json.loads(run("queue", "show", "--json"))
    assert (told["waiting"], told["worker"]) == (1, False)
    assert "waiting       1" in run("queue", "show")
    assert "needs no messages" in run("queue", "remind")
    assert isinstance(refused("queue", "redrive"), InvalidRequestError)
