"""Language packs: what is special about a language, read from `languages/<code>.toml`.

A language without a pack still works: it is transcribed, and Whisper's own speech translation
makes the English, which the output then says.
"""

import tomllib
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from emoscribe.types import Profile

PACKS_DIR = Path(__file__).with_name("languages")


class TranslationChoice(BaseModel):
    """One engine that can put the language into English, and the catalogue model it runs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    engine: Literal["bergamot", "opus-mt", "transformers"]
    model: str = Field(description="Name in catalog.toml.")
    source_code: str | None = Field(None, description="The language as a multilingual model names it: por_Latn.")
    target_code: str | None = Field(None, description="English as a multilingual model names it: eng_Latn.")
    phrases: dict[str, str] = Field(
        default_factory=dict,
        description="Short sentences this model gets wrong, in lower case without punctuation, and their English.",
    )
    spellings: dict[str, str] = Field(
        default_factory=dict,
        description="Words, or runs of words, as they are spoken or typed, in lower case, and what this model knows; "
        '"kkk" stands for any number of k from three.',
    )
    writes_drawn_out_once: bool = Field(False, description='Whether "Nããão" is read as "Não".')
    lowers_capitals: bool = Field(False, description='Whether "QUE RAIVA" is read as "Que raiva".')


class MeasuredQuality(BaseModel):
    """A published or measured figure; `source` says whose and how to obtain it again."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    engine: Literal["bergamot", "opus-mt", "transformers", "whisper"]
    metric: str
    value: float
    data: str
    source: str


class LanguagePack(BaseModel):
    """What EmoScribe knows about one language."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    code: str = Field(pattern="^[a-z]{2}$", description="ISO 639-1, as Whisper names it.")
    name: str = Field(description="English name.")
    prompt: str = Field("", description="Whisper prompt; shapes spelling and punctuation, is never output.")
    sentence_language: str = Field(description="Language whose sentence rules apply (sentencex code).")
    abbreviations: tuple[str, ...] = Field(
        (), description="Lower-case, with full stop: end no sentence, though sentencex thinks they do."
    )
    translation: dict[Profile, TranslationChoice] = Field(
        default_factory=dict, description="Engine per profile; see `choice`."
    )
    quality: tuple[MeasuredQuality, ...] = ()

    def choice(self, profile: Profile) -> TranslationChoice | None:
        """The engine in a profile; all have what embedded has. None: Whisper's translation of the sound."""
        return self.translation.get(profile) or self.translation.get("embedded")


@cache
def language_packs() -> dict[str, LanguagePack]:
    """All packs by code, in alphabetical order."""
    files = sorted(PACKS_DIR.glob("*.toml"))
    packs = [LanguagePack.model_validate(tomllib.loads(file.read_text(encoding="utf-8"))) for file in files]
    return {pack.code: pack for pack in packs}
