"""The language of a recording, decided on speech from several places (fw #1322: not on the first 30 s).

Every clip that was heard casts its probabilities, weighted by how long it is. A few clips spread
over the first minutes vote before anything is transcribed; every transcribed clip votes after.
"""

from collections.abc import Sequence
from typing import Final

from emoscribe.types import Clip, LanguageGuess, LanguageSummary, Transcript

LOOKAHEAD_CLIPS: Final = 24  # up to 12 minutes of speech, 46 MB: where the first votes come from
SURVEY_CLIPS: Final = 3


def survey_places(clips: Sequence[Clip]) -> list[Clip]:
    """Up to SURVEY_CLIPS clips spread evenly; none for a single clip, which is heard when it is transcribed."""
    if len(clips) < 2:
        return []
    count = min(SURVEY_CLIPS, len(clips))
    return [clips[(2 * place + 1) * len(clips) // (2 * count)] for place in range(count)]


class LanguageVote:
    """Collects evidence; `likely` is the language so far. A pinned language is never overruled."""

    def __init__(self, pinned: str | None) -> None:
        self.pinned = pinned
        self._weight: dict[str, float] = {}

    def hear(self, guess: LanguageGuess, duration_ms: int) -> None:
        """Count a guess made before transcription."""
        for language, probability in (guess.distribution or {guess.language: guess.probability}).items():
            self._add(language, probability * duration_ms)

    def transcribed(self, transcript: Transcript, duration_ms: int) -> None:
        """Count a clip that turned out to hold words."""
        if transcript.words and not transcript.is_suspect:
            self._add(transcript.language, transcript.language_probability * duration_ms)

    def _add(self, language: str, weight: float) -> None:
        self._weight[language] = self._weight.get(language, 0.0) + weight

    @property
    def likely(self) -> str | None:
        """The language with the most weight, None before any evidence."""
        return self.pinned or max(self._weight, key=self._weight.__getitem__, default=None)

    def summary(self) -> LanguageSummary:
        """The decision, for the output."""
        if self.pinned:
            return LanguageSummary(language=self.pinned, probability=1.0, pinned=True)
        likely = self.likely
        share = self._weight[likely] / sum(self._weight.values()) if likely else 0.0
        return LanguageSummary(language=likely, probability=round(share, 4), pinned=False)
