"""Written text made to look like a transcript: case and punctuation lost, words doubled, dropped or misheard.

What Whisper does to Portuguese and English speech on the recordings of ../shared/data/speech served as the pattern; the
rates are guesses, chosen once and not tuned.
"""

import random
import re
from typing import Final

_PUNCTUATION: Final = re.compile(r"[^\w\s'\[\]]")
_SPACES: Final = re.compile(r"\s+")
_FILLERS: Final = ("uh", "um", "well,", "you know,", "I mean,", "like,", "so,")
# what sounds alike to a speech recogniser
_HOMOPHONES: Final = {
    "they're": "their", "their": "there", "there": "their", "you're": "your", "your": "you're", "it's": "its",
    "its": "it's", "to": "too", "too": "to", "then": "than", "than": "then", "hear": "here", "here": "hear",
    "know": "no", "no": "know", "right": "write", "are": "our", "our": "are", "for": "four", "won": "one",
    "by": "buy", "buy": "by", "would": "wood", "whole": "hole", "were": "where", "where": "were", "and": "in",
}  # fmt: skip


def as_heard(text: str, random_source: random.Random) -> str:
    """One way a transcript of the text, read aloud, might look. Never empty for text that holds a word."""
    words = _emoji_free(text).split()
    if not words:
        return text
    words = [changed for word in words for changed in _misheard(word, random_source)]
    if random_source.random() < 0.3:
        words.insert(random_source.randrange(len(words) + 1), random_source.choice(_FILLERS))
    heard = " ".join(words)
    if random_source.random() < 0.5:
        heard = _PUNCTUATION.sub("", heard)
    elif random_source.random() < 0.5:
        heard = heard.replace("!", ".").replace("?!", "?")
    if random_source.random() < 0.5:
        heard = heard.lower()
    return _SPACES.sub(" ", heard).strip() or text


def _misheard(word: str, random_source: random.Random) -> list[str]:
    chance = random_source.random()
    if chance < 0.02:
        return [word, word]
    if chance < 0.03 and len(word) < 4:
        return []
    if chance < 0.06:
        return [_HOMOPHONES.get(word.lower(), word)]
    return [word]


def _emoji_free(text: str) -> str:
    """Nobody says an emoji."""
    kept = "".join(character for character in text if ord(character) < 0x2190)
    return _SPACES.sub(" ", kept).strip()
