"""`emoscribe ...`: one module a command. Parses, shows, writes files; everything else is done elsewhere."""

from emoscribe.cli.app import main

__all__ = ["main"]
