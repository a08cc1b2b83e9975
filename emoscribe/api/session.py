"""Who is calling, as the page asks at its start."""

from typing import Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

import emoscribe
from emoscribe.api.auth import Anybody
from emoscribe.api.parts import Parts
from emoscribe.api.problem_docs import problems
from emoscribe.tokens import ROLES, Scope

router = APIRouter(tags=["session"])


class Session(BaseModel):
    """The caller, and what the service lets them do."""

    name: str = Field(description="Name of the token; `local` without tokens.")
    tenant: str = Field(description="Whose analyses are seen.")
    role: str | None = Field(description="The role with these scopes; null: they are no role's.")
    scopes: tuple[Scope, ...] = Field(description="What may be done.")
    auth: Literal["tokens", "off"] = Field(description="Whether the service asks for tokens.")
    version: str = Field(description="Version of EmoScribe.")
    max_upload_bytes: int = Field(description="Largest upload.")
    s3_sources: bool = Field(description="Whether recordings can be submitted by their S3 address.")


@router.get(
    "/v1/session",
    summary="See who you are",
    operation_id="get_session",
    responses=problems(401, 403),
)
def get_session(parts: Parts, caller: Anybody, response: Response) -> Session:
    """For any token that is known, whatever its scopes."""
    response.headers["Cache-Control"] = "no-store"
    settings = parts.settings
    return Session(
        name=caller.name,
        tenant=caller.tenant,
        role=next((role for role, scopes in ROLES.items() if scopes == caller.scopes), None),
        scopes=tuple(sorted(caller.scopes)),
        auth=settings.auth,
        version=emoscribe.__version__,
        max_upload_bytes=settings.max_upload_bytes,
        s3_sources=bool(settings.s3_sources),
    )
