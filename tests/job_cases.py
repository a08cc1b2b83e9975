"""Material for tests of jobs: requests, segments, result sets."""

import hashlib
from pathlib import Path
from uuid import uuid4

from emoscribe.jobs import ANALYSIS_FILE, JobRequest, LocalFile, S3Object
from emoscribe.types import Segment


def upload(folder: Path, content: bytes, name: str = "talk.mp4") -> LocalFile:
    """A spooled upload."""
    path = folder / uuid4().hex
    path.write_bytes(content)
    return LocalFile(path=path, sha256=hashlib.sha256(content).hexdigest(), bytes=len(content), name=name, owned=True)


def s3_object(key: str = "incoming/talk.mp4", **fields: object) -> S3Object:
    return S3Object.model_validate({"bucket": "videos", "key": key, "etag": "e1", "bytes": 7, **fields})


def s3_request(key: str = "incoming/talk.mp4", **fields: object) -> JobRequest:
    return JobRequest.model_validate({"source": s3_object(key), **fields})


def result_set(marker: str) -> dict[str, bytes]:
    """Results that can be told from those of another worker."""
    return {name: f"{name} by {marker}".encode() for name in (ANALYSIS_FILE, "analysis.csv", "analysis.en.srt")}


def segment(index: int, text: str = "Bom dia.") -> Segment:
    return Segment.model_validate(
        {
            "index": index,
            "start_ms": index * 1000,
            "end_ms": index * 1000 + 900,
            "text": text,
            "language": "pt",
            "language_probability": 1.0,
            "text_en": "Good morning.",
            "translation_engine": "bergamot",
            "transcript_confidence": 0.9,
            "emotion": None,
            "needs_review": False,
            "review_reasons": (),
            "words": (),
        }
    )
