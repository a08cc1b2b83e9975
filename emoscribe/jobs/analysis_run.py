"""The work of a job: the pipeline over its recording, then the reports that were asked for."""

from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from emoscribe.errors import SourceChangedError, StageError
from emoscribe.jobs.attempt import Attempt
from emoscribe.jobs.model import ANALYSIS_FILE, Claim, JobOptions, LocalFile
from emoscribe.media import LocalSource, Source, SourceAccess
from emoscribe.pipeline import AnalysisOptions, Event, Finished, analyse
from emoscribe.s3_source import ObjectVersion, S3Source
from emoscribe.stages import Stages
from emoscribe.types import Analysis

WriteReports = Callable[[Analysis, tuple[str, ...]], dict[str, bytes]]  # format names -> content by file name


@dataclass(frozen=True, slots=True)
class ClaimedFile:
    """The recording of a job on this machine, under the name the user gave it."""

    path: Path
    submitted: LocalFile

    @property
    def name(self) -> str:
        """The user's."""
        return self.submitted.name

    @property
    def size_bytes(self) -> int:
        """As submitted."""
        return self.submitted.bytes

    @contextmanager
    def open(self) -> Iterator[SourceAccess]:
        """Raises SourceChangedError if it is not the file that was submitted."""
        with LocalSource(self.path).open() as access:
            status = access.status()
            if self.submitted.modified_ns is not None and status != (self.submitted.bytes, self.submitted.modified_ns):
                raise SourceChangedError(
                    f"{self.name} was changed after it had been submitted.", fix="Submit the file as it is now."
                )
            yield access


OpenSource = Callable[[Claim], Source]


def open_claimed_file(claim: Claim) -> Source:
    """The source of a claim on a file of this machine."""
    if not isinstance(claim.media, Path) or not isinstance(claim.request.source, LocalFile):
        raise StageError("This worker reads files only.", fix="Configure S3 for it.")
    return ClaimedFile(claim.media, claim.request.source)


def open_from_s3(client: Any) -> OpenSource:
    """For workers that may get both: objects in S3 are read with this boto3 client."""

    def open_source(claim: Claim) -> Source:
        media = claim.media
        if isinstance(media, Path):
            return open_claimed_file(claim)
        version = ObjectVersion(media.bucket, media.key, media.etag, media.bytes, media.version_id)
        return S3Source(client, version, claim.request.source.name)

    return open_source


def write_reports(analysis: Analysis, formats: tuple[str, ...]) -> dict[str, bytes]:
    """The analysis in JSON and in each of the formats, as `analysis.<suffix>`."""
    from emoscribe.report import FORMATS, render

    return {f"analysis{FORMATS[name].suffix}": render(analysis, name) for name in {"json", *formats}}


@dataclass(frozen=True, slots=True)
class AnalysisRun:
    """Does the work of one attempt, in the thread that calls it; shared by all."""

    stages: Stages
    options: Callable[[JobOptions], AnalysisOptions]
    open_source: OpenSource = open_claimed_file
    write: WriteReports = write_reports

    def __call__(self, attempt: Attempt) -> dict[str, bytes]:
        """The results by file name. Raises what the pipeline raises, CancelledError when told to stop."""
        claim = attempt.claim
        chosen = claim.request.options
        events = analyse(self.open_source(claim), self.stages, self.options(chosen))
        analysis: Analysis | None = None
        with closing(cast("Generator[Event, None, None]", events)):  # stops the decoding when an event is refused
            for event in events:
                attempt.report(event)
                if isinstance(event, Finished):
                    analysis = event.analysis
        if analysis is None:
            raise StageError("The pipeline ended without a result.")
        results = self.write(analysis, chosen.formats)
        if ANALYSIS_FILE not in results:
            raise StageError(f"No {ANALYSIS_FILE} was written.")
        return results
