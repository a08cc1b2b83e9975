"""The rows a model learns from, as `prepare` writes and `train` reads them: JSON lines, labels as lists of 0 and 1."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from emoscribe.labels import LABELS

Flags = tuple[int, ...]  # one for each of LABELS, in their order


@dataclass(frozen=True, slots=True)
class Row:
    """One text with what is known of its emotions."""

    text: str
    labels: Flags  # 1: expressed in the words
    known: Flags  # 0: the corpus does not say; such a label is not learnt from
    corpus: str  # key of the head's per-corpus scale and bias
    context: str = ""  # the sentences before it, if any
    soft: tuple[float, ...] = ()  # a teacher's probability of each label; (): no teacher was asked
    variants: tuple[str, ...] = ()  # the same text as speech recognition or translation would write it

    def __post_init__(self) -> None:
        if len(self.labels) != len(LABELS) or len(self.known) != len(LABELS):
            raise ValueError("a row needs a label flag and a known flag for each of the seven labels")
        if len(self.soft) not in {0, len(LABELS)}:
            raise ValueError("a teacher says something of each of the seven labels")


def write_rows(path: Path, rows: Iterable[Row]) -> int:
    """Write the rows and return how many there were."""
    count = 0
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(asdict(row), ensure_ascii=False) + "\n")
            count += 1
    return count


def read_rows(path: Path) -> Iterator[Row]:
    """The rows of a file, in order."""
    with path.open(encoding="utf-8") as file:
        for line in file:
            values = json.loads(line)
            tuples = {name: tuple(values.get(name, ())) for name in ("labels", "known", "variants", "soft")}
            yield Row(**{**values, **tuples})
