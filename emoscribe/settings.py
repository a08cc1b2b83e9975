"""The settings, and the only place that reads the environment (`EMOSCRIBE_*`).

Stages do not see this class: each takes the few values it needs, so that it can be used alone.
docs/configuration.md is checked against the fields below.
"""

from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from emoscribe.errors import SettingsError
from emoscribe.types import Profile

GIB = 2**30


class Settings(BaseSettings):
    """Every field: environment variable EMOSCRIBE_<NAME>, with its unit in its name."""

    model_config = SettingsConfigDict(env_prefix="EMOSCRIBE_", frozen=True, extra="ignore")

    # models
    profile: Profile = Field("embedded", description="Which set of models to use: embedded, fast or quality.")
    emotion_model: str | None = Field(
        None,
        min_length=1,
        description="The emotion classifier: a name of the catalogue, or a folder that `emoscribe train` made; unset: "
        "the profile's.",
    )
    models_dir: Path = Field(
        default_factory=lambda: Path.home() / ".cache" / "emoscribe" / "models",
        description="Where pulled models are kept.",
    )
    models_source_dir: Path | None = Field(None, description="Local folder tried first as a source of model files.")
    models_mirror_url: str | None = Field(None, description="S3 mirror of model files, s3://bucket/prefix.")
    models_mirror_endpoint_url: str | None = Field(None, description="Endpoint of the S3 mirror, if not AWS.")
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="Where Whisper and the classifier run.")
    compute_type: str = Field("auto", description="CTranslate2 compute type; auto: int8 on CPU, int8_float16 on GPU.")
    threads: int = Field(0, ge=0, le=256, description="CPU threads of each model; 0: all cores.")

    # speech to text
    language: str | None = Field(None, description="Pinned language of all input, ISO 639-1; unset: detected.")
    clips_per_batch: int = Field(8, ge=1, le=128, description="Clips in one Whisper batch.")
    beam_size: int = Field(5, ge=1, le=10, description="Beam width of Whisper.")

    # text
    sentences_per_batch: int = Field(
        32, ge=1, le=1024, description="Sentences in one run of the classifier on a GPU, or variants of one explained."
    )
    max_sentence_ms: int = Field(15_000, ge=1000, le=30_000, description="Longer sentences are split at a pause.")

    # review flags
    review_language_probability: float = Field(
        0.5, ge=0, le=1, description="Below this language probability a sentence is flagged uncertain_language."
    )
    review_transcript_confidence: float = Field(
        0.6, ge=0, le=1, description="Below this mean word probability a sentence is flagged uncertain_transcript."
    )
    review_emotion_confidence: float | None = Field(
        None,
        ge=0,
        le=1,
        description="Below this confidence a sentence is flagged low_confidence; unset: the model's own for a label.",
    )

    # limits on untrusted media
    max_source_bytes: int = Field(20 * GIB, ge=1, description="Largest file that is opened, bytes.")
    max_duration_s: int = Field(12 * 3600, ge=1, description="Longest audio that is decoded, seconds.")
    decoder_memory_bytes: int = Field(2 * GIB, ge=GIB // 4, description="Address space of the decoding process, bytes.")
    decoder_cpu_s: int = Field(3600, ge=1, description="CPU time of the decoding process, seconds.")
    decoder_stall_s: int = Field(60, ge=1, description="The decoding process is ended after this long without output.")

    # service
    host: str = Field("127.0.0.1", description="Address the service listens on.")
    port: int = Field(3000, ge=1, le=65_535, description="Port the service listens on.")
    auth: Literal["tokens", "off"] = Field(
        "tokens", description="off: no tokens asked for; then only requests from this machine are answered."
    )
    tokens_file: Path | None = Field(None, description="TOML file of tokens, made by `emoscribe tokens add`.")
    max_upload_bytes: int = Field(5 * GIB, ge=1, description="Largest upload, bytes; S3 addresses have no such limit.")
    audio_max_duration_s: int = Field(1800, ge=1, description="Longest recording that /v1/audio answers, seconds.")
    audio_at_once: int = Field(8, ge=1, le=256, description="Recordings that /v1/audio works on at once.")
    runner_patience_s: float = Field(
        900,
        ge=0,
        le=3600,
        description="How long jobs wait for a runner that does not answer, seconds; GPU nodes take minutes.",
    )
    runner_batch_clips: int = Field(
        16, ge=1, le=256, description="Clips of all jobs in one Whisper batch of the service."
    )
    runner_side_by_side: int = Field(
        2, ge=1, le=64, description="Batches Whisper computes at once on the CPU, each with its share of the threads."
    )
    runner_niceness: int = Field(
        19,
        ge=0,
        le=19,
        description="CPU priority that Whisper on the CPU gives up for short requests.",
    )
    drain_s: float | None = Field(
        None,
        ge=0,
        le=600,
        description="Told to stop, API and runners go on taking calls, no longer ready, so long, seconds; "
        "unset: 5 as separate deployments, 0 on one machine.",
    )
    finish_s: float = Field(
        20, ge=1, le=3600, description="Then calls under way may go on so long; what is left gets 503."
    )
    otlp_endpoint: str | None = Field(None, description="Where traces go, http://host:4318/v1/traces; unset: nowhere.")
    log_format: Literal["text", "json"] = Field("text", description="Format of the service's log.")

    # jobs
    jobs_dir: Path = Field(
        default_factory=lambda: Path.home() / ".local" / "share" / "emoscribe" / "jobs",
        description="Where jobs are kept on one machine, if no bucket is named.",
    )
    jobs_bucket: str | None = Field(None, description="Bucket jobs are kept in; then a queue is needed too.")
    jobs_prefix: str = Field("emoscribe/", description="Prefix of everything the service writes to that bucket.")
    jobs_queue_url: str | None = Field(None, description="SQS queue that leads workers to jobs.")
    jobs_dead_letter_url: str | None = Field(None, description="SQS queue that gets each failed job.")
    jobs_tenant: str = Field(
        "default", description="Tenant of S3 uploads, the command line, and callers without tokens."
    )
    s3_endpoint_url: str | None = Field(None, description="Endpoint of S3, if not AWS.")
    sqs_endpoint_url: str | None = Field(None, description="Endpoint of SQS, if not AWS.")
    aws_region: str | None = Field(None, description="Region of bucket and queue; unset: as boto3 finds it.")
    s3_sources: tuple[str, ...] = Field(
        (), description='Buckets and prefixes API callers may name, as JSON: ["s3://bucket/incoming/"].'
    )
    s3_uploads: str | None = Field(None, description="Uploads to s3://bucket/prefix become jobs, told by the queue.")
    s3_upload_formats: tuple[str, ...] = Field(("json",), description="Report formats of those jobs, as JSON.")
    jobs_at_once: int = Field(8, ge=1, le=256, description="Jobs that one worker works on at once.")
    job_grace_s: float = Field(20, ge=0, description="How long running jobs may go on when a worker is told to stop.")
    job_retention_s: float = Field(30 * 86_400, ge=60, description="Ended jobs are deleted after this long, seconds.")
    callback_secret_file: Path | None = Field(None, description="Secret that signs callbacks; unset: none are sent.")
    callback_loopback: bool = Field(False, description="Whether callbacks to this machine are allowed; for tests.")


def load_settings(**overrides: object) -> Settings:
    """The settings from the environment; `overrides` (from command-line flags) win, None means not given.

    Raises SettingsError naming every wrong field.
    """
    given = {name: value for name, value in overrides.items() if value is not None}
    try:
        return Settings(**given)  # type: ignore[arg-type]  # pydantic validates; that is the point of the call
    except ValidationError as error:
        wrong = "; ".join(f"EMOSCRIBE_{'_'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in error.errors())
        raise SettingsError(f"Wrong settings: {wrong}.", fix="See docs/configuration.md.") from None
