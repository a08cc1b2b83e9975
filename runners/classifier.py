"""The emotion classifier as a service."""

from typing import Any

import bentoml

from emoscribe.local_stages import load_classifier
from runners.process_watch import tell_models
from runners.serving import begin, runner_options
from runners.wire import Item, pack_outcomes, unpack_sentence


@bentoml.service(**runner_options("Classifier"))
class Classifier:
    """ONNX Runtime, GPU if there is one."""

    def __init__(self) -> None:
        self.stage = load_classifier(begin("Classifier"))
        tell_models("classifier", self.stage.models)

    @bentoml.api
    def describe(self) -> dict[str, Any]:
        """Models."""
        return {"models": [model.model_dump() for model in self.stage.models]}

    @bentoml.api
    def classify(self, requests: list[Item]) -> list[Item]:
        """For somebody who waits."""
        return pack_outcomes(self.stage.classify(list(map(unpack_sentence, requests))))

    @bentoml.api(batchable=True, max_batch_size=64, max_latency_ms=600_000)
    def classify_bulk(self, requests: list[Item]) -> list[Item]:
        """For jobs."""
        return pack_outcomes(self.stage.classify(list(map(unpack_sentence, requests))))

    @bentoml.api
    def explain(self, requests: list[Item]) -> list[Item]:
        """For both: an explanation is a batch in itself."""
        return pack_outcomes(self.stage.explain(list(map(unpack_sentence, requests))))
