"""Examples put into English by the same stage that the pipeline uses, so that its mistakes are measured too."""

from collections.abc import Sequence
from dataclasses import replace

from emoscribe.errors import EmoScribeError, UnsupportedLanguageError
from emoscribe.evaluation.examples import Example
from emoscribe.stages import Translator
from emoscribe.types import Translation, TranslationRequest


def translated(examples: Sequence[Example], translator: Translator) -> list[Example]:
    """The examples in English, in order; English ones as they are.

    A text that gives no English (one with no word in it, say) is left as it is: it stays an example, and a hard one.
    Raises UnsupportedLanguageError, before anything is translated, if the translator lacks one of the languages.
    """
    unknown = sorted({one.language for one in examples} - {"en", *translator.languages})
    if unknown:
        here = ", ".join(sorted({"en", *translator.languages}))
        raise UnsupportedLanguageError(
            f"Nothing here translates from {', '.join(unknown)}.", fix=f"Give texts in one of: {here}."
        )
    outcomes = translator.translate([TranslationRequest(one.text, one.language) for one in examples])
    return [replace(one, text=_english(one, out), language="en") for one, out in zip(examples, outcomes, strict=True)]


def _english(example: Example, outcome: Translation | EmoScribeError) -> str:
    if isinstance(outcome, EmoScribeError) or not outcome.text_en.strip():
        return example.text
    return outcome.text_en
