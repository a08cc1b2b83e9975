"""The models that are loaded, as OpenAI's clients list them."""

from collections.abc import Iterator
from typing import Annotated, Literal

from anyio import to_thread
from fastapi import APIRouter, Path
from pydantic import BaseModel, Field

from emoscribe.api.auth import TextUser
from emoscribe.api.parts import Parts
from emoscribe.api.problem_docs import problems
from emoscribe.errors import ModelNotFoundError
from emoscribe.stages import Stages
from emoscribe.types import ModelInfo

router = APIRouter(prefix="/v1/models", tags=["openai"])


class LoadedModel(ModelInfo):
    """One model, with the members that OpenAI's clients expect and those of every result of ours."""

    id: str = Field(description="Name in the model catalogue.")
    object: Literal["model"] = Field(default="model", description="Always `model`.")
    created: int = Field(default=0, description="Always 0: the catalogue has no dates.")
    owned_by: str = Field(default="emoscribe", description="Always `emoscribe`.")


class ModelList(BaseModel):
    """All models."""

    object: Literal["list"] = Field(default="list", description="Always `list`.")
    data: tuple[LoadedModel, ...] = Field(description="The models, those that hear first.")


@router.get("", summary="List the models", operation_id="list_models", responses=problems(401, 403, 503))
async def list_models(parts: Parts, _: TextUser) -> ModelList:
    """Those that are loaded here. `model` of a request may have any name."""
    return ModelList(data=tuple(await to_thread.run_sync(lambda: tuple(_loaded(parts.stages)))))


@router.get("/{model}", summary="Get one model", operation_id="retrieve_model", responses=problems(401, 403, 404, 503))
async def retrieve_model(
    parts: Parts, _: TextUser, model: Annotated[str, Path(description="Name of a model in the list.")]
) -> LoadedModel:
    """One that is loaded here."""
    models = await to_thread.run_sync(lambda: {one.id: one for one in _loaded(parts.stages)})
    if model not in models:
        raise ModelNotFoundError("No such model is loaded here.", fix=f"The models are {', '.join(models)}.")
    return models[model]


def _loaded(stages: Stages) -> Iterator[LoadedModel]:
    for stage in (stages.transcriber, stages.translator, stages.classifier):
        for model in stage.models:
            yield LoadedModel(id=model.name, **dict(model))
