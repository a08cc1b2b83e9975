"""Any order of submissions, claims, deaths, failures, cancellations and deletions keeps the contract's promises."""

import shutil
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from emoscribe.errors import CorruptMediaError, ModelMissingError, RunnerUnavailableError
from emoscribe.jobs import Claim, Job, JobQuery, JobState, Update
from tests.contract.backend import LEASE, MakeBackend
from tests.job_cases import result_set

CONTENTS = st.sampled_from([b"one", b"two", b"three"])
AFTER: dict[JobState, set[JobState]] = {
    "queued": {"queued", "running", "failed", "cancelled"},
    "running": {"running", "queued", "done", "failed", "cancelled"},
    "done": {"done"},
    "failed": {"failed", "queued"},  # by hand
    "cancelled": {"cancelled", "queued"},
}


class JobMachine(RuleBasedStateMachine):
    """Holds every claim ever made and what it knows to be true."""

    def __init__(self, make_backend: MakeBackend) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="jobs-"))
        self.backend = make_backend(self.folder)
        self.store = self.backend.store
        self.claims: list[Claim] = []  # newest last; only the newest of a job can be alive
        self.alive: dict[str, Claim] = {}  # by job: its lease has not run out, nobody has ended it
        self.ended: set[str] = set()  # tokens of claims that users have ended
        self.results: dict[str, dict[str, bytes]] = {}
        self.seen: dict[str, Job] = {}

    def teardown(self) -> None:
        self.backend.close()
        shutil.rmtree(self.folder)

    # --- users ---

    @rule(content=CONTENTS, with_callback=st.booleans())
    def submit(self, content: bytes, with_callback: bool) -> None:
        url = "https://example.org/" if with_callback else None
        job = self.backend.submit(content, callback_url=url)
        if job.id in self.seen:
            assert job == self.store.get("default", job.id)
        else:
            assert job.state == "queued"

    @precondition(lambda self: self.seen)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        job = self._any_job(data)
        after = self.store.cancel("default", job.id)
        assert after.state == (job.state if job.is_final else "cancelled")
        if not job.is_final:
            self._end_claims(job.id)

    @precondition(lambda self: any(job.state in {"failed", "cancelled"} for job in self.seen.values()))
    @rule(data=st.data())
    def retry(self, data: st.DataObject) -> None:
        ended = [job.id for job in self.seen.values() if job.state in {"failed", "cancelled"}]
        job_id = data.draw(st.sampled_from(sorted(ended)))
        assert self.store.retry("default", job_id).state == "queued"
        self._end_claims(job_id)
        del self.seen[job_id]  # its progress begins anew

    @precondition(lambda self: self.seen)
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        job_id = self._any_job(data).id
        self.store.delete("default", job_id)
        self._end_claims(job_id)
        self.results.pop(job_id, None)
        self.seen.pop(job_id)

    # --- workers ---

    @rule()
    def claim(self) -> None:
        claim = self.backend.maybe_claim()
        if claim is None:
            return
        assert claim.job.id not in self.alive, "claimed twice"
        assert claim.job.attempts < LEASE.max_attempts + LEASE.max_losses
        self.claims.append(claim)
        self.alive[claim.job.id] = claim

    @rule()
    def time_passes(self) -> None:
        """Every lease and every wait runs out. A claim that nobody has replaced may still be used."""
        self.backend.pass_time(700)
        self.alive.clear()

    @precondition(lambda self: self.claims)
    @rule(data=st.data(), progress=st.floats(0, 1))
    def heartbeat(self, data: st.DataObject, progress: float) -> None:
        claim = self._any_claim(data)
        self._check(claim, self.store.heartbeat(claim, Update("reading", progress)), ends=False)

    @precondition(lambda self: self.claims)
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        claim = self._any_claim(data)
        if claim.job.is_final:
            self._check(claim, self.store.callback_tried(claim, delivered=True), ends=True)
            return
        results = result_set(claim.token)
        if self._check(claim, self.store.finish(claim, results), ends=True):
            self.results[claim.job.id] = results

    @precondition(lambda self: self.claims)
    @rule(data=st.data(), retry=st.booleans())
    def fail(self, data: st.DataObject, retry: bool) -> None:
        claim = self._any_claim(data)
        if claim.job.is_final:
            self._check(claim, self.store.callback_tried(claim, delivered=False), ends=True)
            return
        error = ModelMissingError("gone") if retry else CorruptMediaError("broken")
        self._check(claim, self.store.fail(claim, error, retry=retry), ends=True)

    @precondition(lambda self: self.claims)
    @rule(data=st.data(), is_waiting=st.booleans())
    def release(self, data: st.DataObject, is_waiting: bool) -> None:
        claim = self._any_claim(data)
        waits_for = RunnerUnavailableError("away") if is_waiting else None
        self._check(claim, self.store.release(claim, waits_for), ends=True)

    @rule()
    def sweep(self) -> None:
        assert self.store.sweep(retention_s=10**9) == 0

    # --- what always holds ---

    @invariant()
    def jobs_move_only_forward_and_results_stay(self) -> None:
        jobs = {job.id: job for job in self.store.list(JobQuery()).jobs}
        assert set(self.seen) <= set(jobs)
        for job_id, job in jobs.items():
            before = self.seen.get(job_id, job)
            assert job.state in AFTER[before.state], f"{before.state} became {job.state}"
            assert job.progress >= before.progress
            assert (job.state == "done") == (job.progress == 1.0 and bool(job.results))
            assert (job.finished_at is not None) == job.is_final
            if job_id in self.results:
                assert {n: self.store.read_result("default", job_id, n) for n in job.results} == self.results[job_id]
        self.seen = jobs

    @invariant()
    def only_finished_jobs_have_results(self) -> None:
        for job in self.seen.values():
            assert (job.id in self.results) == (job.state == "done")

    def _check(self, claim: Claim, accepted: bool, *, ends: bool) -> bool:
        """A claim that is alive is accepted; one that was replaced or ended is not."""
        newest = [one for one in self.claims if one.job.id == claim.job.id][-1]
        if self.alive.get(claim.job.id) == claim:
            assert accepted
        if newest != claim or claim.token in self.ended:
            assert not accepted
        if accepted and ends:
            self.alive.pop(claim.job.id, None)
            self.claims.remove(claim)
        elif accepted:
            self.alive[claim.job.id] = claim
        return accepted

    def _end_claims(self, job_id: str) -> None:
        self.alive.pop(job_id, None)
        self.ended |= {claim.token for claim in self.claims if claim.job.id == job_id}

    def _any_job(self, data: st.DataObject) -> Job:
        return self.seen[data.draw(st.sampled_from(sorted(self.seen)))]

    def _any_claim(self, data: st.DataObject) -> Claim:
        return data.draw(st.sampled_from(self.claims))


def test_the_promises_are_kept(make_backend: MakeBackend, machine_steps: int) -> None:
    run_state_machine_as_test(
        lambda: JobMachine(make_backend),  # type: ignore[arg-type]  # anything that makes a machine, documented
        settings=settings(
            max_examples=machine_steps, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
