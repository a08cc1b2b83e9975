"""The translation engines as a service."""

from typing import Any

import bentoml

from emoscribe.local_stages import load_translator
from runners.process_watch import tell_models
from runners.serving import begin, runner_options
from runners.wire import Item, pack_outcomes, unpack_text


@bentoml.service(**runner_options("Translator"))
class Translator:
    """CPU."""

    def __init__(self) -> None:
        self.stage = load_translator(begin("Translator"))
        tell_models("translator", self.stage.models)

    @bentoml.api
    def describe(self) -> dict[str, Any]:
        """Models and languages."""
        models = [model.model_dump() for model in self.stage.models]
        return {"models": models, "languages": sorted(self.stage.languages)}

    @bentoml.api
    def translate(self, texts: list[Item]) -> list[Item]:
        """For somebody who waits."""
        return pack_outcomes(self.stage.translate(list(map(unpack_text, texts))))

    @bentoml.api(batchable=True, max_batch_size=64, max_latency_ms=600_000)
    def translate_bulk(self, texts: list[Item]) -> list[Item]:
        """For jobs."""
        return pack_outcomes(self.stage.translate(list(map(unpack_text, texts))))
