"""Text in a CSV cell: a spreadsheet runs a cell that starts like a formula, so such text gets a leading apostrophe."""

from typing import Final

# OWASP's list, and the full-width forms that spreadsheets in East Asian locales take for the same signs
_FORMULA_STARTS: Final = frozenset("=+-@\t\r\n＝＋－＠")


def inert(text: str) -> str:
    """The text as a cell that no spreadsheet runs."""
    return f"'{text}" if _runs(text) else text


def original(cell: str) -> str:
    """The text that `inert` made the cell of."""
    return cell[1:] if cell.startswith("'") and _runs(cell[1:]) else cell


def _runs(text: str) -> bool:
    # with the apostrophes that `inert` put before: so that `original` undoes exactly one
    bare = text.lstrip("'")
    return bool({bare[:1], bare.lstrip()[:1]} & _FORMULA_STARTS)
