"""SentencePiece vocabularies: loading them, and which characters they know."""

from pathlib import Path
from typing import TYPE_CHECKING

from emoscribe.errors import ModelIntegrityError

if TYPE_CHECKING:
    from sentencepiece import SentencePieceProcessor


def load_sentencepiece(file: Path) -> "SentencePieceProcessor":
    """Raises ModelIntegrityError for a missing or damaged file."""
    from sentencepiece import SentencePieceProcessor

    try:
        return SentencePieceProcessor(model_file=str(file))
    except (OSError, RuntimeError) as error:
        raise ModelIntegrityError(
            f"The vocabulary {file.parent.name}/{file.name} cannot be loaded: {error}.",
            fix="Run `emoscribe models verify`, then `emoscribe models pull`.",
        ) from None


def single_characters(vocabulary: "SentencePieceProcessor") -> frozenset[str] | None:
    """The characters a vocabulary knows; None if it falls back on bytes and so knows all."""
    pieces = [vocabulary.id_to_piece(number) for number in range(vocabulary.vocab_size())]
    if "<0x00>" in pieces:
        return None
    return frozenset(piece for piece in pieces if len(piece) == 1)
