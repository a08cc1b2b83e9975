"""What the API works with. It exists when the service starts, later than the application itself."""

import threading
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Final

from anyio import CapacityLimiter
from fastapi import Depends, Request

from emoscribe.analysis_cache import AnalysisCache, JobCache
from emoscribe.duck import Duck
from emoscribe.job_setup import Submissions
from emoscribe.jobs import JobStore
from emoscribe.query import SegmentSearch
from emoscribe.segment_tables import SegmentTables
from emoscribe.settings import Settings
from emoscribe.stages import Stages
from emoscribe.tokens import TokenFile

SEARCH_MEMORY: Final = "512MB"  # of all searches at once
SEARCHES_AT_ONCE: Final = 4  # others wait, without holding up anything else


@dataclass(frozen=True)
class ApiParts:
    """Set once as `app.state.parts`. The methods of store, submissions and stages block: call them in threads."""

    settings: Settings
    store: JobStore
    submissions: Submissions
    stages: Stages
    tokens: TokenFile | None = None  # None: no token is known
    closing: threading.Event = field(default_factory=threading.Event)  # set: what would go on for long ends now
    analyses: AnalysisCache = field(default_factory=AnalysisCache)
    media_types: JobCache[str] = field(default_factory=lambda: JobCache(10_000, lambda _: 1))
    tables: SegmentTables = field(default_factory=SegmentTables)
    search_turns: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(SEARCHES_AT_ONCE))
    duck: Duck = field(default_factory=lambda: Duck(SEARCH_MEMORY))

    @cached_property
    def search(self) -> SegmentSearch:
        """Over the same tables."""
        return SegmentSearch(self.store, self.tables, self.duck)

    def forget(self, tenant: str, analysis_id: str) -> None:
        """What was kept in memory of an analysis that is deleted."""
        for cache in (self.analyses, self.media_types, self.tables):
            cache.forget(tenant, analysis_id)


def _get_parts(request: Request) -> ApiParts:
    parts: ApiParts = request.app.state.parts
    return parts


Parts = Annotated[ApiParts, Depends(_get_parts)]
