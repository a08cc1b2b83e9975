"""Examples for the OpenAPI document."""

from typing import Any, Final

from emoscribe.api.analysis_id import EXAMPLE_ID

S3_SUBMISSION: Final[dict[str, Any]] = {
    "source": "s3://newsroom/incoming/interview.mp4",
    "language": "pt",
    "formats": ["json", "srt_en"],
}
JOB: Final[dict[str, Any]] = {
    "id": EXAMPLE_ID,
    "tenant": "default",
    "source_name": "interview.mp4",
    "source_bytes": 48318382,
    "options": {"language": "pt", "audio_track": None, "formats": ["json", "srt_en"], "explain": False},
    "state": "running",
    "stage": "transcription",
    "progress": 0.42,
    "attempts": 1,
    "created_at": "2026-01-15T09:30:00Z",
    "started_at": "2026-01-15T09:30:01Z",
    "finished_at": None,
    "error": None,
    "results": [],
    "callback": "none",
}
JOB_DONE: Final[dict[str, Any]] = JOB | {
    "state": "done",
    "stage": "emotion",
    "progress": 1.0,
    "finished_at": "2026-01-15T09:31:12Z",
    "results": ["analysis.en.srt", "analysis.json"],
}
SCORES: Final[dict[str, float]] = {
    "anger": 0.01,
    "disgust": 0.01,
    "fear": 0.02,
    "happiness": 0.94,
    "neutral": 0.05,
    "sadness": 0.01,
    "surprise": 0.11,
}
MODEL: Final[dict[str, str]] = {"version": "1", "sha256": "9f86d081884c7d65" * 4, "license": "Apache-2.0"}
TEXTS: Final[dict[str, Any]] = {"texts": ["Que alegria te ver!"], "language": "pt"}
EVENTS: Final = (
    'event: progress\ndata: {"state":"running","stage":"transcription","progress":0.42,"attempts":1}\n\n'
    'event: segment\ndata: {"index":0,"start_ms":120,"end_ms":1640,"text":"Que alegria te ver!", ...}\nid: 0\n\n'
    'event: done\ndata: {"id":"5f2b...","state":"done", ...}\nid: end\n\n'
)
