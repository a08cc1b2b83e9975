"""The HTTP API: a FastAPI application over the job system and the model stages.

app = create_app()
app.state.parts = ApiParts(settings, store, submissions, stages, tokens)
"""

from emoscribe.api.app import create_app
from emoscribe.api.parts import ApiParts
from emoscribe.api.problem_middleware import ProblemMiddleware

__all__ = ["ApiParts", "ProblemMiddleware", "create_app"]
