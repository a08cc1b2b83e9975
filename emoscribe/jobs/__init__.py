"""Durable jobs: submitted once, worked on until they end, whatever dies meanwhile.

`store.py` is the contract; `local.py` (SQLite and a folder) and `cloud.py` (S3 and SQS) implement it.
"""

from emoscribe.jobs.analysis_run import AnalysisRun, open_claimed_file, open_from_s3
from emoscribe.jobs.attempt import Attempt
from emoscribe.jobs.aws import AwsOptions, make_client
from emoscribe.jobs.callback_target import check_callback_url
from emoscribe.jobs.callbacks import CallbackOptions, CallbackSender
from emoscribe.jobs.claim_handler import ClaimEnded
from emoscribe.jobs.cloud import CloudJobStore, CloudOptions
from emoscribe.jobs.dead_letters import DeadLetter, DeadLetters
from emoscribe.jobs.local import LocalJobStore
from emoscribe.jobs.model import (
    ANALYSIS_FILE,
    Claim,
    Job,
    JobFailure,
    JobOptions,
    JobPage,
    JobQuery,
    JobRequest,
    JobState,
    LocalFile,
    S3Object,
    Update,
    fingerprint,
    local_file,
)
from emoscribe.jobs.reviews import Decision, JobReviews, KeptRecording
from emoscribe.jobs.s3_events import EventRules
from emoscribe.jobs.spool import Upload
from emoscribe.jobs.store import Backlog, JobStore, LeaseOptions
from emoscribe.jobs.worker import Worker, WorkerOptions

__all__ = [
    "ANALYSIS_FILE",
    "AnalysisRun",
    "Attempt",
    "AwsOptions",
    "Backlog",
    "CallbackOptions",
    "CallbackSender",
    "Claim",
    "ClaimEnded",
    "CloudJobStore",
    "CloudOptions",
    "DeadLetter",
    "DeadLetters",
    "Decision",
    "EventRules",
    "Job",
    "JobFailure",
    "JobOptions",
    "JobPage",
    "JobQuery",
    "JobRequest",
    "JobReviews",
    "JobState",
    "JobStore",
    "KeptRecording",
    "LeaseOptions",
    "LocalFile",
    "LocalJobStore",
    "S3Object",
    "Update",
    "Upload",
    "Worker",
    "WorkerOptions",
    "check_callback_url",
    "fingerprint",
    "local_file",
    "make_client",
    "open_claimed_file",
    "open_from_s3",
]
