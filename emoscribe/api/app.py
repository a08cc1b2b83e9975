"""The application: all routes, under one OpenAPI document. It knows nothing of the server that runs it."""

from typing import Any, Final, Literal

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

import emoscribe
from emoscribe.api import (
    analyses,
    audio_models,
    audio_routes,
    corrections,
    events,
    explanations,
    media,
    page,
    results,
    search,
    session,
    text,
)
from emoscribe.api.http_metrics import HttpMetrics
from emoscribe.api.problem_middleware import ProblemMiddleware
from emoscribe.api.problems import ProblemDetails, add_problem_handlers
from emoscribe.api.submission_fields import S3Submission, UploadSubmission
from emoscribe.types import Analysis

DESCRIPTION: Final = """\
From a video in any language to a timeline of what is said and which emotion the words express: anger, disgust, fear,
happiness, sadness, surprise or neutral for each sentence, with a confidence and a flag when a person should look.

**What the labels mean.** The emotion *expressed in the words*, from the text alone. They say nothing about what any
person feels, and neither voice nor face is looked at. Every result says so, and which models made it.

**Intended use.** Analysis of media by people who can see the source: finding passages, comparing coverage, preparing
a review. What is flagged should be looked at by a person.

**Prohibited use.** Deciding about people or ranking them: at work, in education, in policing, migration, credit or
insurance; telling what somebody really feels, whether they lie, or how they are; and watching people covertly.

**Errors** are problem details (RFC 9457), from every layer, with a stable `code`, the cause as `detail` and the
remedy as `fix`. Repeat after `Retry-After` on 429 and 503.
"""
TAGS: Final[list[dict[str, Any]]] = [
    {"name": "analyses", "description": "Recordings as durable jobs: submit, watch, fetch results, erase."},
    {"name": "review", "description": "What reviewers say of the sentences, beside what the model said."},
    {"name": "openai", "description": "Recordings as text, answered at once, for OpenAI's clients; nothing is kept."},
    {"name": "search", "description": "Across analyses: search in all sentences, compare recordings."},
    {"name": "session", "description": "Who is calling."},
    {"name": "texts", "description": "Texts, answered at once and kept nowhere."},
]
_MORE_SCHEMAS: Final[tuple[tuple[type[BaseModel], Literal["validation", "serialization"]], ...]] = (
    (ProblemDetails, "serialization"),
    (S3Submission, "validation"),
    (UploadSubmission, "validation"),
    (Analysis, "serialization"),
)
_REF: Final = "#/components/schemas/{model}"


def create_app() -> FastAPI:
    """The application. Set `app.state.parts` to an ApiParts before the first request."""
    # Swagger's page is off: it would fetch its scripts from elsewhere.
    app = FastAPI(title="EmoScribe", version=emoscribe.__version__, docs_url=None, redoc_url=None)
    app.add_middleware(ProblemMiddleware)
    app.add_middleware(HttpMetrics)  # around it: errors count with the status that they leave with
    add_problem_handlers(app)
    for router in (
        search.router,  # before the analyses: /v1/analyses/summary is none of them
        analyses.router,
        events.router,
        results.router,
        explanations.router,
        corrections.router,
        media.router,
        text.router,
        audio_routes.router,
        audio_models.router,
        session.router,
        page.router,
    ):
        app.include_router(router)
    app.openapi = lambda: openapi_document(app)  # type: ignore[method-assign]  # FastAPI's documented way
    return app


def openapi_document(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document, made once."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title, version=app.version, description=DESCRIPTION, routes=app.routes, tags=TAGS
        )
        _, more = models_json_schema(_MORE_SCHEMAS, ref_template=_REF)
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        document["components"]["schemas"] = dict(sorted({**more["$defs"], **schemas}.items()))
        app.openapi_schema = document
    return app.openapi_schema
