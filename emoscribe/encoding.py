"""English as the tokens of the emotion model, and the sentences before it: apart, or as the second text of a pair.

Which of the two, the model file says (`emotion.py`). Of a pair the text is kept from its start, the context from its
end: what does not fit is the end of the text and, before that, the oldest words of the context.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from emoscribe.errors import EmoScribeError, InvalidRequestError, StageError
from emoscribe.types import EmotionRequest

if TYPE_CHECKING:
    from tokenizers import Encoding

Span = tuple[int, int]  # in characters of the text, end exclusive


@dataclass(frozen=True, slots=True)
class Encoded:
    """A request as the model reads it: special tokens, the text, the context."""

    text: str  # as the spans count it
    ids: tuple[int, ...]
    spans: tuple[Span | None, ...]  # where in the text a token stands; None for special tokens and the context's
    context_used: bool = False
    before: "tuple[Encoded, ...]" = ()  # sentences before it that are judged by themselves, the nearest last

    def __len__(self) -> int:
        return len(self.ids)

    def keeping(self, kept: Sequence[bool], *, with_context: bool = True) -> "Encoded":
        """With these tokens only, and as if there had been no context."""
        last = max(number for number, span in enumerate(self.spans) if span is not None)
        end = len(self.ids) if with_context else last + 2  # the text's own separator follows it
        places = [number for number in range(end) if kept[number]]
        return Encoded(
            self.text,
            tuple(self.ids[number] for number in places),
            tuple(self.spans[number] for number in places),
            self.context_used and with_context,
            self.before if with_context else (),
        )


class TextEncoder:
    """Thread-safe."""

    def __init__(self, file: Path, max_tokens: int, context_sentences: int = 0, *, apart: bool = False) -> None:
        """`file`: tokenizer.json. At most `context_sentences` lines of a context are used: each by itself, if `apart`.

        Raises ValueError for a file that is no tokenizer.
        """
        from tokenizers import Tokenizer

        try:
            self._tokenizer: Tokenizer = Tokenizer.from_file(str(file))
        except Exception as error:  # a plain Exception is what tokenizers raises
            raise ValueError(str(error)) from None
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._tokenizer.encode_special_tokens = True  # "[SEP]" in a text is what somebody said, no separator
        self._context_sentences = context_sentences
        self._apart = apart
        self._unknown = self._tokenizer.token_to_id("[UNK]")
        self._room_alone = max_tokens - self._tokenizer.num_special_tokens_to_add(is_pair=False)
        self._room_in_pair = max_tokens - self._tokenizer.num_special_tokens_to_add(is_pair=True)

    def encode(self, request: EmotionRequest) -> Encoded | EmoScribeError:
        """The tokens, at most `max_tokens`; an error value for a text that cannot be judged."""
        given: tuple[object, object] = (request.text, request.context)
        if wrong := [one for one in given if not isinstance(one, str)]:
            return InvalidRequestError(f"A text is needed, not {type(wrong[0]).__name__}.")
        lines = [line for line in _encodable(request.context).splitlines() if line.strip()]
        lines = lines[-self._context_sentences :] if self._context_sentences else []
        if not self._apart:
            return self._encoded(_encodable(request.text), " ".join(lines))
        whole = self._encoded(_encodable(request.text))
        before = tuple(one for line in lines if isinstance(one := self._encoded(line), Encoded))
        return replace(whole, context_used=bool(before), before=before) if isinstance(whole, Encoded) else whole

    def _encoded(self, text: str, context: str = "") -> Encoded | EmoScribeError:
        if not text.strip():
            return InvalidRequestError("The text is empty: there are no words to judge.")
        try:
            tokens = self._tokens(text)
            tokens.truncate(self._room_alone)
            if all(token == self._unknown for token in tokens.ids):
                return InvalidRequestError("The classifier knows no word of the text.", fix="Give English text.")
            second = self._context(context, self._room_in_pair - len(tokens))
            whole = self._tokenizer.post_process(tokens, second)
        except Exception as error:  # a bad item becomes a value
            return StageError(f"The text could not be tokenised ({type(error).__name__}).")
        first = whole.special_tokens_mask.index(0)
        spans: list[Span | None] = [None] * len(whole)
        spans[first : first + len(tokens)] = tokens.offsets
        return Encoded(text, tuple(whole.ids), tuple(spans), second is not None)

    def _context(self, context: str, room: int) -> "Encoding | None":
        """The end of it, as far as there is room; None for nothing."""
        if not context or room < 1:
            return None
        tokens = self._tokens(context)
        tokens.truncate(room, direction="left")
        return tokens if len(tokens) else None

    def _tokens(self, text: str) -> "Encoding":
        return self._tokenizer.encode(text, add_special_tokens=False)


def _encodable(text: str) -> str:
    """Without halves of surrogate pairs: they are no characters, and nothing can encode them."""
    return text.encode("utf-8", "ignore").decode()
