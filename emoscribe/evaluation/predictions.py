"""What a model said of each example: `predictions.jsonl`, and its most confident mistakes: `mistakes.md`.

These two files hold the corpus' texts; the others that an evaluation writes do not.
"""

import json
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from emoscribe.evaluation.examples import EvaluationSet
from emoscribe.evaluation.judging import Answers
from emoscribe.labels import LABELS

MISTAKES_PER_PAIR: Final = 10


def predictions_jsonl(answers: Answers, data: EvaluationSet, texts: Sequence[str]) -> str:
    """One object a line, in the order of the examples; `texts` are those the model was given."""
    rows = (_prediction(place, answers, data, text) for place, text in enumerate(texts))
    return "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows)


def confident_mistakes(answers: Answers, data: EvaluationSet) -> dict[tuple[str, str], list[int]]:
    """(people's label, the model's) -> places of the ten most confident mistakes; examples with one label only."""
    gold = data.gold()
    wrong = np.flatnonzero((gold.sum(1) == 1) & ~answers.right(gold) & (answers.label >= 0))
    pairs: dict[tuple[str, str], list[int]] = {}
    for place in wrong[np.argsort(-answers.confidence[wrong], kind="stable")]:
        pair = LABELS[int(gold[place].argmax())], LABELS[int(answers.label[place])]
        pairs.setdefault(pair, []).append(int(place))
    return {pair: places[:MISTAKES_PER_PAIR] for pair, places in sorted(pairs.items(), key=lambda item: -len(item[1]))}


def mistakes_markdown(answers: Answers, data: EvaluationSet, texts: Sequence[str]) -> str:
    """The ten most confident mistakes of each pair of labels, pairs with the most mistakes first. It holds texts."""
    lines = [f"# Most confident mistakes on {data.name}", "", "This file holds texts of the corpus: mind its licence."]
    for (said, answered), places in confident_mistakes(answers, data).items():
        lines += ["", f"## {said}, answered {answered}", ""]
        lines += [f"- {answers.confidence[place]:.2f} {_code(texts[place])}" for place in places]
    return "\n".join(lines) + "\n"


def _code(text: str) -> str:
    """As code, so that no text becomes markup."""
    return f"`` {' '.join(text.split()).replace('``', '` `')} ``"


def _prediction(place: int, answers: Answers, data: EvaluationSet, text: str) -> dict[str, Any]:
    example = data.examples[place]
    label = int(answers.label[place])
    return {
        "id": example.id,
        "text": text,
        "gold": [label for label in LABELS if label in example.labels],
        "label": LABELS[label] if label >= 0 else None,
        "confidence": round(float(answers.confidence[place]), 6),
        "right": bool(label >= 0 and LABELS[label] in example.labels),
        "mixed": [one for k, one in enumerate(LABELS) if answers.above[place, k]],
        "scores": {one: round(float(answers.scores[place, k]), 6) for k, one in enumerate(LABELS)},
    }
