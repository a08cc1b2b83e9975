"""Analysis -> bytes, in every format we offer. Pure functions: nothing here opens a file or knows a model."""

from emoscribe.report.formats import FORMATS, Format, parse_formats, render
from emoscribe.report.json_report import read_analysis
from emoscribe.report.parquet_report import METADATA_KEY, segment_table

__all__ = ["FORMATS", "METADATA_KEY", "Format", "parse_formats", "read_analysis", "render", "segment_table"]
