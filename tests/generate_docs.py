"""Writes the reference pages that are made from the code: `python -m tests.generate_docs`.

`tests/unit/test_docs.py` fails when a page is not what this would write.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import typer.main

from emoscribe import errors
from emoscribe.api import create_app
from emoscribe.cli.app import app
from emoscribe.report.schema import render_schema
from emoscribe.settings import Settings

DOCS = Path(__file__).parents[1] / "docs"


def configuration() -> str:
    """Every setting."""
    rows = [
        "# Configuration",
        "",
        "Every setting is an environment variable; the command line's own options win over it.",
        "This page is generated from `emoscribe/settings.py`.",
        "",
        "| variable | default | meaning |",
        "|---|---|---|",
    ]
    for name, field in Settings.model_fields.items():
        default = field.get_default(call_default_factory=True)
        shown = "unset" if default is None else f"`{str(default).replace(str(Path.home()), '~')}`"
        rows.append(f"| `EMOSCRIBE_{name.upper()}` | {shown} | {field.description} |")
    return "\n".join(rows) + "\n"


def error_codes() -> str:
    """Every error."""
    rows = [
        "# Errors",
        "",
        "Each error has a stable code and an HTTP status; its message names the cause, its `fix` the remedy.",
        "This page is generated from `emoscribe/errors.py`.",
        "",
        "| code | HTTP | class | meaning |",
        "|---|---|---|---|",
    ]
    for kind in _tree(errors.EmoScribeError):
        meaning = (kind.__doc__ or "").splitlines()[0]
        rows.append(f"| `{kind.code}` | {kind.http_status} | `{kind.__name__}` | {meaning} |")
    return "\n".join(rows) + "\n"


def _tree(kind: type[errors.EmoScribeError]) -> Iterator[type[errors.EmoScribeError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from _tree(child)


def command_line() -> str:
    """Every command with its help."""
    rows = ["# Command line", "", "This page is generated from the commands' own help.", ""]
    for path, command in _commands((), typer.main.get_command(app)):
        rows += [f"## `{' '.join(('emoscribe', *path))}`", "", (command.help or "").strip(), ""]
        rows += [_parameter(parameter) for parameter in command.params]
        rows.append("")
    rows += [
        "## Exit codes",
        "",
        "0 all done; 1 something failed, the rest was done; 2 wrong usage or settings;",
        "3 models are missing or damaged; 130 interrupted.",
    ]
    return "\n".join(rows) + "\n"


def _commands(path: tuple[str, ...], command: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    if path:
        yield path, command
    for name, child in getattr(command, "commands", {}).items():
        yield from _commands((*path, name), child)


def _parameter(parameter: Any) -> str:
    names = ", ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts) if name.startswith("-"))
    shown = names or f"`{parameter.metavar or parameter.name}`"
    return f"- {shown}: {getattr(parameter, 'help', None) or ''}"


def analysis_schema() -> str:
    """JSON Schema of the result."""
    return render_schema()


def openapi() -> str:
    """OpenAPI document of the service."""
    return json.dumps(create_app().openapi(), indent=2, ensure_ascii=False) + "\n"


PAGES: dict[str, Callable[[], str]] = {
    "configuration.md": configuration,
    "errors.md": error_codes,
    "cli.md": command_line,
    "analysis.schema.json": analysis_schema,
    "openapi.json": openapi,
}

if __name__ == "__main__":
    for file_name, page in PAGES.items():
        (DOCS / file_name).write_text(page(), encoding="utf-8")
