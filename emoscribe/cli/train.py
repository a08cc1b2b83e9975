"""`emoscribe train`: corpora -> rows -> weights -> model files. Needs the extra `train`."""

from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console

from emoscribe.errors import SettingsError
from emoscribe.settings import load_settings

Step = Literal["prepare", "fit", "export"]


def command(
    config: Annotated[
        str, typer.Argument(help="`full`, `small`, `fast`, `reference`, `ci`, or a TOML file.", metavar="CONFIG")
    ],
    folder: Annotated[Path, typer.Option(help="Folder of the corpora (docs/training.md).")],
    out: Annotated[Path, typer.Option(help="Where rows, weights and model files go; a run goes on where it stopped.")],
    add: Annotated[
        list[Path] | None, typer.Option(help="Corrections to learn as well, .csv or .jsonl; only those opted in.")
    ] = None,
    only: Annotated[Step | None, typer.Option(help="One step, done anew.  [default: all that are not done]")] = None,
) -> None:
    """Train the emotion model: prepare rows, fit weights, export ONNX files with calibration."""
    try:
        from emoscribe.training.run import TrainingRun
    except ModuleNotFoundError as error:
        raise SettingsError(
            f"Training needs {error.name}, which is not installed.", fix="pip install 'emoscribe[cpu,train]'"
        ) from None
    console = Console()
    run = TrainingRun(config, folder, out, tuple(add or ()), load_settings())
    steps: dict[Step, Any] = {"prepare": run.prepare, "fit": run.fit, "export": run.export}
    with console.status("") as status:
        show = partial(_show, status, console)
        for name, step in steps.items():
            if only in {None, name} and (only or not run.is_done(name)):
                show(f"{name} ...")
                step(show)
                console.print(f"{name}: done")
    console.print(f"Model files: {out / 'model'}", highlight=False)


def _show(status: Any, console: Console, line: str) -> None:
    status.update(line)
    if not console.is_terminal:
        console.print(line, highlight=False, markup=False)
