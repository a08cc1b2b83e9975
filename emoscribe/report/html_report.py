"""Analysis -> one HTML file that needs nothing else: viewer, style and data are in it.

The content security policy lets run exactly the script and style written here, by their hashes, and lets
nothing be fetched but a recording beside the file (or one the reader picks). The data is inert JSON; the
viewer puts text on the page only as text. Source and build of the viewer: `viewer/README.md`.
"""

import base64
import hashlib
import html
from functools import cache
from pathlib import Path
from string import Template
from typing import Final

from emoscribe.types import Analysis

# In a tab's title, U+202E would turn around what stands beside it; the viewer does the same for the names it shows.
_BIDI_CONTROLS: Final = dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A)], "\ufffd")

VIEWER_DIR: Final = Path(__file__).with_name("viewer")


def render_html(analysis: Analysis) -> bytes:
    """The report as UTF-8 HTML."""
    page = Template((VIEWER_DIR / "page.html").read_text(encoding="utf-8"))
    script, style = viewer_script(), viewer_style()
    return page.substitute(
        policy=_policy(script, style),
        title=html.escape(analysis.source.name.translate(_BIDI_CONTROLS)),
        style=style,
        script=script,
        data=_inert_json(analysis),
    ).encode()


@cache
def viewer_script() -> str:
    """The built viewer, as it stands in the page."""
    return (VIEWER_DIR / "dist" / "viewer.js").read_text(encoding="utf-8")


@cache
def viewer_style() -> str:
    """The viewer's style sheet, as it stands in the page."""
    return (VIEWER_DIR / "dist" / "viewer.css").read_text(encoding="utf-8")


def _policy(script: str, style: str) -> str:
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src '{_hash_source(script)}'",
            f"style-src '{_hash_source(style)}'",
            "img-src data:",  # the icon of the page
            "media-src 'self' file: blob:",  # beside the report, on a server or on disk; or picked by the reader
            "base-uri 'none'",
            "form-action 'none'",
            "require-trusted-types-for 'script'",  # no text can become markup, whatever a library does
            "trusted-types 'none'",
        ]
    )


def _hash_source(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _inert_json(analysis: Analysis) -> str:
    """JSON that holds none of the characters by which a script element could end or a comment begin."""
    data = analysis.model_dump_json()
    return data.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
