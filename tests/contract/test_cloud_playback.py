"""Recordings in S3 are played in the version that was analysed, from a real S3 server."""

from pathlib import Path
from uuid import uuid4

import pytest

from emoscribe.errors import SourceChangedError
from emoscribe.jobs import KeptRecording, S3Object
from emoscribe.playback import FETCH_BYTES, media_type, open_recording
from tests.contract.cloud_backend import Aws, CloudBackend
from tests.unit.test_jobs_analysis_run import wav


def kept(aws: Aws, key: str, content: bytes) -> KeptRecording:
    etag = aws.s3.put_object(Bucket=aws.bucket, Key=key, Body=content)["ETag"].strip('"')
    return KeptRecording(key, S3Object(bucket=aws.bucket, key=key, etag=etag, bytes=len(content)), len(content))


def test_any_range_of_an_object(real_s3: Aws) -> None:
    content = wav(2) + bytes(range(256)) * (2 * FETCH_BYTES // 256)
    playable = open_recording(kept(real_s3, f"{uuid4().hex}/talk.mp4", content), lambda: real_s3.s3)
    assert media_type(playable) == "audio/wav"
    for start, end in ((0, 1), (5, FETCH_BYTES + 77), (len(content) - 3, len(content)), (9, 9)):
        assert b"".join(playable.read(start, end)) == content[start:end]


@pytest.mark.parametrize("change", ["overwritten", "deleted"])
def test_another_version_is_not_played(real_s3: Aws, change: str) -> None:
    key = f"{uuid4().hex}/talk.wav"
    playable = open_recording(kept(real_s3, key, wav(1)), lambda: real_s3.s3)
    if change == "deleted":
        real_s3.s3.delete_object(Bucket=real_s3.bucket, Key=key)
    else:
        real_s3.s3.put_object(Bucket=real_s3.bucket, Key=key, Body=wav(2))
    with pytest.raises(SourceChangedError):
        next(playable.read(0, 10))


def test_an_upload_is_played_from_the_store(real_s3: Aws, tmp_path: Path) -> None:
    backend = CloudBackend(tmp_path, real_s3)
    job = backend.submit(wav(1))
    playable = open_recording(backend.store.reviews.recording("default", job.id), lambda: real_s3.s3)
    assert b"".join(playable.read(0, playable.size_bytes)) == wav(1)
    backend.close()
