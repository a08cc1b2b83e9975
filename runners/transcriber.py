"""Whisper as a service: clips of concurrent recordings and languages in one forward pass."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import bentoml
from prometheus_client import Gauge, Histogram

from emoscribe.local_stages import load_transcriber
from runners.gathering import Gatherer
from runners.process_watch import tell_models
from runners.serving import begin, runner_options, yield_to_others
from runners.wire import Item, pack_outcomes, unpack_clip, unpack_sound

BATCH_CLIPS = Histogram(
    "emoscribe_transcriber_batch_clips", "Clips in one forward pass.", ["task"], buckets=(1, 2, 4, 8, 16, 32, 64)
)
DEVICE = Gauge(
    "emoscribe_transcriber_device_info", "Always 1; where Whisper computes.", ["device"], multiprocess_mode="livemax"
)


@bentoml.service(**runner_options("Transcriber"))
class Transcriber:
    """GPU if there is one. Calls for bulk wait for each other's batches, interactive ones go before them."""

    def __init__(self) -> None:
        settings = begin("Transcriber")
        clips = settings.runner_batch_clips
        self.stage = load_transcriber(settings, clips_per_batch=clips, side_by_side=settings.runner_side_by_side)
        DEVICE.labels(self.stage.device).set(1)
        tell_models("transcriber", self.stage.models)
        if self.stage.device.startswith("cpu"):
            yield_to_others("Transcriber", settings.runner_niceness)
        at_once = self.stage.side_by_side
        threads = ThreadPoolExecutor(at_once, thread_name_prefix="whisper")
        transcribed, detected = (BATCH_CLIPS.labels(task).observe for task in ("transcribe", "detect"))
        self._transcriptions = Gatherer(self.stage.transcribe, clips, threads, at_once, transcribed)
        self._detections = Gatherer(self.stage.detect_languages, clips, threads, at_once, detected)

    @bentoml.api
    def describe(self) -> dict[str, Any]:
        """Models and device."""
        return {"models": [model.model_dump() for model in self.stage.models], "device": self.stage.device}

    @bentoml.api
    async def transcribe(self, clips: list[Item]) -> list[Item]:
        """For somebody who waits."""
        return pack_outcomes(await self._transcriptions.submit(list(map(unpack_clip, clips)), urgent=True))

    @bentoml.api
    async def transcribe_bulk(self, clips: list[Item]) -> list[Item]:
        """For jobs."""
        return pack_outcomes(await self._transcriptions.submit(list(map(unpack_clip, clips))))

    @bentoml.api
    async def detect_languages(self, clips: list[Any]) -> list[Item]:
        """The language of each clip, int16 (n,)."""
        return pack_outcomes(await self._detections.submit(list(map(unpack_sound, clips)), urgent=True))
