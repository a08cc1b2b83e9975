"""English to Portuguese and back: what translation does to a text whose labels are known."""

from collections.abc import Sequence
from pathlib import Path

from emoscribe.engines.bergamot import BergamotEngine


class PortugueseRoundTrip:
    """Two small models one behind the other, sentence by sentence."""

    def __init__(self, english_portuguese: Path, portuguese_english: Path) -> None:
        """Folders of the two models. Raises ModelIntegrityError."""
        self._there = BergamotEngine(english_portuguese)
        self._back = BergamotEngine(portuguese_english)

    def __call__(self, texts: Sequence[str]) -> list[str]:
        """Each text after the trip, in order."""
        from sentencex import segment

        parts = [[part.strip() for part in segment("en", text) if part.strip()] for text in texts]
        sentences = [sentence for part in parts for sentence in part]
        returned = iter(self._back.translate(self._there.translate(sentences)))
        return [" ".join(next(returned) for _ in part) for part in parts]

    def close(self) -> None:
        """Free both models."""
        self._there.close()
        self._back.close()
