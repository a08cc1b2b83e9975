"""`emoscribe analyse`: files in, reports out, with progress while it works and a table at the end."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from emoscribe.cli.progress import AnalysisProgress
from emoscribe.cli.summary import FileResult, print_reports, print_timeline, summary_table
from emoscribe.cli.whole_file import write_whole
from emoscribe.errors import EmoScribeError
from emoscribe.media import LocalSource
from emoscribe.pipeline import AnalysisOptions, Finished, analyse
from emoscribe.settings import load_settings
from emoscribe.stages import Stages
from emoscribe.types import Analysis


def command(  # noqa: PLR0913, PLR0917  # one parameter an option of the command line
    files: Annotated[list[Path], typer.Argument(help="Videos or sound files.", metavar="FILE...")],
    language: Annotated[str | None, typer.Option(help="ISO 639-1 code such as pt; auto: detected.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the reports; default: beside each file.")] = None,
    formats: Annotated[
        str, typer.Option(help="Comma-separated: json, csv, parquet, srt, vtt, html, or all.")
    ] = "json,html",
    profile: Annotated[str | None, typer.Option(help="Model profile: embedded, fast or quality.")] = None,
    audio_track: Annotated[
        int | None, typer.Option(min=0, help="Which audio track, from 0; default: the first.")
    ] = None,
    explain: Annotated[bool, typer.Option("--explain", help="With the weights of each sentence's words.")] = False,
    show_timeline: Annotated[bool, typer.Option("--timeline/--no-timeline", help="Print the sentences.")] = True,
) -> None:
    """Analyse FILEs: what is said, in English too, and which emotion each sentence expresses."""
    from emoscribe.local_stages import analysis_options, load_stages
    from emoscribe.report import parse_formats

    settings = load_settings(profile=profile)
    wanted = parse_formats(formats)
    options = analysis_options(settings, language=language, audio_track=audio_track, explain=explain)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
    stages = load_stages(settings)
    console = Console()
    results = []
    for path, stem in zip(files, report_stems(files), strict=True):
        result = _analyse_file(path, stages, options, console)
        if result.analysis is not None:
            result.reports = write_reports(result.analysis, (out or path.parent) / stem, wanted)
            if show_timeline:
                print_timeline(result.analysis, console)
            print_reports(result.reports, console)
        results.append(result)
    console.print(summary_table(results))
    if any(result.error for result in results):
        raise typer.Exit(1)


def report_stems(files: Sequence[Path]) -> list[str]:
    """A report name for each file: its stem, or its whole name where two files share a stem, or a counted one."""
    stems: list[str] = []
    for file in files:
        shared = sum(other.stem == file.stem for other in files) > 1
        name = file.name if shared else file.stem
        taken = stems.count(name) + sum(stem.startswith(f"{name}-") for stem in stems) if name in stems else 0
        stems.append(f"{name}-{taken + 1}" if taken else name)
    return stems


def _analyse_file(path: Path, stages: Stages, options: AnalysisOptions, console: Console) -> FileResult:
    """One file; its error is a result, so that the other files go on."""
    result = FileResult(path)
    start = time.perf_counter()
    try:
        with AnalysisProgress(path.name, console) as progress:
            for event in analyse(LocalSource(path), stages, options):
                progress.show(event)
                if isinstance(event, Finished):
                    result.analysis = event.analysis
    except EmoScribeError as error:
        result.error = error
    result.seconds = time.perf_counter() - start
    return result


def write_reports(analysis: Analysis, stem: Path, formats: Sequence[str]) -> list[Path]:
    """Write `<stem>.<suffix>` for each format. Each file appears whole or not at all."""
    from emoscribe.report import FORMATS, render

    written = []
    for name in formats:
        path = stem.with_name(f"{stem.name}{FORMATS[name].suffix}")
        write_whole(path, render(analysis, name))
        written.append(path)
    return written
