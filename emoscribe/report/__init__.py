"""Analysis -> bytes, in every format we offer. Pure functions: nothing here opens a file or knows a model."""

from emoscribe.report.formats import FORMATS, Format, parse_formats, render
from emoscribe.report.json_report import read_analysis

__all__ = ["FORMATS", "Format", "parse_formats", "read_analysis", "render"]
