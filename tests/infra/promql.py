"""The names of metrics in PromQL expressions. Whether an expression is right, Prometheus itself says in the tests."""

import re
from typing import Final

_TEXT: Final = re.compile(r'"[^"]*"|\'[^\']*\'')
_COMMENT: Final = re.compile(r"#[^\n]*")
_SELECTOR: Final = re.compile(r"\{[^}]*\}")
_RANGE: Final = re.compile(r"\[[^\]]*\]")
_GROUPING: Final = re.compile(r"\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)")
_NAME: Final = re.compile(r"(?<![\w$:.])[a-zA-Z_:][\w:]*(?!\s*\(|[\w:])")
_WORDS: Final = frozenset(
    {"and", "or", "unless", "offset", "bool", "by", "without", "sum", "max", "min", "count", "inf"}
)


def metric_names(expression: str) -> set[str]:
    """All metrics an expression reads."""
    text = _TEXT.sub('""', _COMMENT.sub("", expression))
    for pattern in (_SELECTOR, _RANGE, _GROUPING):
        text = pattern.sub("", text)
    return {name for name in _NAME.findall(text) if name.lower() not in _WORDS}


def exposed_names(page: str) -> set[str]:
    """All names of samples on a page of metrics, and of families that have none yet."""
    names = set()
    for line in page.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ", 3)
            suffixes = {"histogram": ("_bucket", "_sum", "_count"), "counter": ("", "_total")}.get(kind, ("",))
            names |= {name + suffix for suffix in suffixes}
        elif line and not line.startswith("#"):
            names.add(re.split(r"[{ ]", line, maxsplit=1)[0])
    return names
