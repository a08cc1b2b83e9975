"""What small weights cost: the same texts judged by the file of full precision and by the one that is shipped.

Both with what was fitted to their own logits. A file that costs more than the limits is not written as done.
`reference.json` keeps the exact logits of some of the texts, so that a test can hold the shipped file to them later.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from emoscribe.emotion import ClassifierOptions, EmotionClassifier
from emoscribe.errors import ModelIntegrityError
from emoscribe.evaluation.corpora import CORPORA
from emoscribe.evaluation.examples import Example
from emoscribe.evaluation.trust import expected_error
from emoscribe.labels import LABELS
from emoscribe.scoring import Floats
from emoscribe.training.fitting import Fitted
from emoscribe.types import EmotionRequest, ModelInfo

MOST_F1_LOST: Final = 0.005  # macro-F1, of all labels at their thresholds
MOST_ECE_ADDED: Final = 0.01
REFERENCE_TEXTS: Final = 2_500  # at most; of 500, ECE in 15 bins moved by 0.015 where logits moved by 0.02
INFO: Final = ModelInfo(role="emotion", name="in training", version="", sha256="", license="Apache-2.0")


@dataclass(frozen=True, slots=True)
class Quality:
    """How good the answers for some texts are."""

    macro_f1: float  # of all labels at their thresholds
    one_label_f1: float  # macro-F1 of the label that is shown, of texts with one label
    ece: float  # of the confidence, 15 bins


@dataclass(frozen=True, slots=True)
class Cost:
    """Full precision against small weights, on the same texts."""

    exact: Quality
    small: Quality
    logit_difference: float  # root mean square
    texts: int

    @property
    def is_too_high(self) -> bool:
        """Whether more is lost than may be."""
        lost_f1, added_ece = self.exact.macro_f1 - self.small.macro_f1, self.small.ece - self.exact.ece
        return lost_f1 > MOST_F1_LOST or added_ece > MOST_ECE_ADDED

    def check(self) -> None:
        """Raises ModelIntegrityError if it is too high."""
        if self.is_too_high:
            raise ModelIntegrityError(
                f"The small weights cost too much: macro-F1 {self.exact.macro_f1:.4f} became"
                f" {self.small.macro_f1:.4f}, ECE {self.exact.ece:.4f} became {self.small.ece:.4f}.",
                fix="Give them more bits: four_bit_layers and word_bits in the table [export].",
            )

    def plain(self) -> dict[str, Any]:
        """For a JSON record."""
        return {"texts": self.texts, "fp32": asdict(self.exact), "small": asdict(self.small)} | {
            "logit_difference": self.logit_difference
        }


def logits_of(folder: Path, examples: Sequence[Example], *, in_8_bits: bool = False) -> Floats:
    """Of the model in the folder, (n, 7), without the rounding of scores.

    `in_8_bits`: as a processor with products of 8-bit numbers computes them; else what every machine gives alike.
    """
    classifier = EmotionClassifier(folder, INFO, ClassifierOptions(in_8_bits=in_8_bits))
    logits = classifier.logits([EmotionRequest(one.text, one.context) for one in examples])
    classifier.close()
    return logits


def quality(logits: Floats, gold: npt.NDArray[np.bool_], fitted: Fitted) -> Quality:
    """`logits` and `gold` (n, 7)."""
    from sklearn.metrics import f1_score

    above = fitted.scores.probabilities(logits) >= fitted.thresholds
    label, confidence = fitted.choice.answers(logits)
    single = gold.sum(1) == 1
    scored = np.flatnonzero(gold.any(0))
    several = f1_score(gold[:, scored], above[:, scored], average="macro", zero_division=0.0)
    one = f1_score(gold[single].argmax(1), label[single], labels=scored, average="macro", zero_division=0.0)
    right = gold[np.arange(len(gold)), label]
    return Quality(*(round(float(x), 5) for x in (several, one, expected_error(confidence, right))))


def cost(exact: tuple[Floats, Quality], small: tuple[Floats, Quality]) -> Cost:
    """Of the logits, (n, 7), and what they are worth."""
    difference = float(np.sqrt(np.square(exact[0] - small[0]).mean()))
    return Cost(exact[1], small[1], round(difference, 5), len(exact[0]))


def write_reference(path: Path, examples: Sequence[Example], logits: Floats) -> None:
    """Keep exact logits of some texts, spread evenly over the English examples, by the corpus and the text's own id.

    Not of texts that were translated: another version of the engine would make others of them.
    """
    english = [place for place, one in enumerate(examples) if CORPORA[one.source].language == "en"]
    chosen = np.linspace(0, len(english) - 1, min(REFERENCE_TEXTS, len(english))).round().astype(int)
    places = [english[k] for k in chosen]
    rows = [[examples[k].source, examples[k].id, *(round(float(x), 3) for x in logits[k])] for k in places]
    path.write_text(
        json.dumps({"columns": ["corpus", "id", *LABELS], "rows": rows}, separators=(",", ":")) + "\n", "utf-8"
    )


def read_reference(path: Path) -> tuple[list[tuple[str, str]], Floats]:
    """(corpus, id) of each text, and the exact logits, (n, 7)."""
    rows = json.loads(path.read_text(encoding="utf-8"))["rows"]
    return [(row[0], row[1]) for row in rows], np.array([row[2:] for row in rows], np.float64)


def examples_of(keys: Sequence[tuple[str, str]], examples: Sequence[Example]) -> list[Example]:
    """The examples of the keys, in their order. Raises KeyError."""
    by_key = {(one.source, one.id): one for one in examples}
    return [by_key[key] for key in keys]
