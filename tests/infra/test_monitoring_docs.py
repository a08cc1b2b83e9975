"""docs/operations.md names only what exists: commands, options, settings, places of the page."""

import re
from typing import Any

import pytest
import typer.main

from emoscribe.cli.app import app
from emoscribe.settings import Settings
from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
CODE = re.findall(r"`([^`\n]+(?:\n[^`\n]+)?)`", re.sub(r"```\w*\n(.*?)```", r"`\1`", PAGE, flags=re.DOTALL))
BLOCKS = re.findall(r"```\w*\n(.*?)```", PAGE, flags=re.DOTALL)
COMMANDS = sorted({found for text in [*CODE, *BLOCKS] for found in re.findall(r"emoscribe [a-z][^|;&#`\n]*", text)})
NO_COMMAND = re.compile(r"emoscribe (logs|get|exec|describe|scale|rollout|top)\b")  # kubectl -n emoscribe ...


def resolve(words: list[str]) -> tuple[Any, list[str]]:
    """The command that these words lead to, and what is left of them."""
    command: Any = typer.main.get_command(app)
    while words and words[0] in getattr(command, "commands", {}):
        command = command.commands[words.pop(0)]
    return command, words


@pytest.mark.parametrize("text", [text for text in COMMANDS if not NO_COMMAND.match(text)])
def test_commands_and_their_options_exist(text: str) -> None:
    command, rest = resolve(text.split()[1:])
    assert not hasattr(command, "commands"), f"{text!r} is no whole command"
    known = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    assert {word for word in rest if word.startswith("--")} <= known | {"--help"}, text


def test_some_commands_were_found() -> None:
    assert len(COMMANDS) > 10


def test_settings_exist() -> None:
    named = set(re.findall(r"EMOSCRIBE_[A-Z0-9_]+", PAGE))
    known = {f"EMOSCRIBE_{name.upper()}" for name in Settings.model_fields}
    assert named - known == set()


def test_links_within_the_page_lead_somewhere() -> None:
    headings = re.findall(r"^#+ (.+)$", PAGE, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    assert set(re.findall(r"\]\(#([^)]+)\)", PAGE)) <= anchors


def test_every_place_that_is_named_exists() -> None:
    for path in re.findall(r"`((?:infra/monitoring|tests/infra|docs)/[\w./-]+)`", PAGE):
        assert (ROOT / path).exists(), path
