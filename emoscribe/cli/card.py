"""`emoscribe card`: the model card, from the reports of evaluations."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from emoscribe.cli.evaluate import make_folder
from emoscribe.evaluation.card import card, read_reports


def command(
    evaluations: Annotated[
        list[Path], typer.Option(help="Folder with a report.json in or below it. May be repeated.", metavar="DIR")
    ],
    out: Annotated[Path, typer.Option(help="Where the card goes.")] = Path("MODEL_CARD.md"),
    manifest: Annotated[
        Path | None, typer.Option(help="manifest.json of the training: which data the model learnt from.")
    ] = None,
) -> None:
    """Write the model card: data, figures per class and language, calibration, confusions, bias risks, use."""
    make_folder(out.parent)
    out.write_text(card(read_reports(evaluations), manifest), encoding="utf-8")
    Console().print(Text.assemble("  written: ", (str(out), "bold")), soft_wrap=True)
