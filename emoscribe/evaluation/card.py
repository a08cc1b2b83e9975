"""The model card, written from the reports of evaluations: every figure in it is one of theirs.

What no report can say, what the model is for and what it must not be used for, stands here.
"""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from emoscribe.errors import InvalidRequestError
from emoscribe.evaluation.markdown import baseline_table, interval, number, swap_table, table
from emoscribe.evaluation.measures import LabelScores
from emoscribe.evaluation.report import Evaluation, read_evaluation
from emoscribe.labels import LABELS

_CONFUSIONS: Final = 3  # told per evaluation
_FEW: Final = 20  # examples below which a share is chance
_GAP: Final = 0.05  # of mean confidence and accuracy, above which the card warns

_WHAT: Final = """Says which of seven emotions an English sentence **expresses in its words**: anger, disgust, fear,
happiness, neutral, sadness, surprise. It reads words, nothing else: no voice, no face. It does not say what
anybody feels.
"""

_READING: Final = """In brackets: 95 % bootstrap intervals. *One label*: the label that is shown, on examples with
exactly one. *Several*: every label at its own threshold, against all that people gave.
"""

_USE: Final = """## What it is for

Finding passages of recordings that a person then looks at, and trends over many sentences, by people who know that
single answers are often wrong. Show the confidence with each answer, keep the review flag, let people correct.

## What it must not be used for

- **Saying what a person feels**, or whether somebody lies, is ill, dangerous, attentive or satisfied. The label is of
  the words. Irony, quotation, politeness and habit all part words from feelings.
- **Decisions about people**: hiring, promotion, dismissal, policing, justice, borders, credit, insurance, health,
  grading, access to anything.
- **Watching people at work or in education.** Article 5(1)(f) of the EU AI Act (Regulation 2024/1689) forbids AI
  systems that infer the emotions of people there, but for medical and safety reasons. The Act's definition of emotion
  recognition system (Article 3(39)) speaks of biometric data, and this model reads text; such use is ruled out here
  all the same.
- **Profiles of single persons**, and anything a person has not been told of where the law asks for it.
"""

_TAUGHT: Final = """
Beside people's labels it learnt what a larger model, `{teacher}`, thinks of each text; and that alone of
{unlabelled:,} texts more. So it has that model's mistakes too.
"""

_RISKS: Final = """The exchanges below show little: made-up sentences with another name, pronoun, dialect or group of
people. A large change proves a problem, a small one proves nothing. Beyond them:

- The raters of GoEmotions are English speakers from India, its writers users of Reddit, who lean to young men (its
  paper, arXiv 2005.00547). Where other people use words otherwise, expect more mistakes.
- People label comments in a dialect that is not theirs as offensive more often (Sap et al. 2019, ACL P19-1163); a model
  learns that, too.
- What speech recognition and translation get wrong, for some voices and dialects more than for others, the emotion
  gets wrong as well.
"""


def card(evaluations: Sequence[Evaluation], manifest: Path | None = None) -> str:
    """The card. Raises InvalidRequestError for no reports, or for reports of different models."""
    if not evaluations:
        raise InvalidRequestError("There is no report to write the card from.", fix="Run `emoscribe evaluate --out`.")
    model = evaluations[0].model
    if others := {one.model.sha256 for one in evaluations} - {model.sha256}:
        raise InvalidRequestError(
            f"The reports are of {len(others) + 1} different models.", fix="Evaluate the same model on all data again."
        )
    sections = [
        f"# Model card: {model.name} {model.version}\n",
        "Written by `emoscribe card` from the reports named at the end; not to be edited by hand.\n",
        _WHAT,
        _table(("", ""), [("licence of the weights", model.license), ("SHA-256 of its files", f"`{model.sha256}`")]),
        _USE,
        "## What it learnt from\n",
        _learnt(manifest),
        "## What it was measured on\n",
        _measured(evaluations),
        *_results(evaluations),
        "## Risks of bias\n",
        _RISKS,
        _lines(swap_table(next((one.swaps for one in evaluations if one.swaps), ()))),
        "## The reports\n",
        _reports(evaluations),
    ]
    return "\n".join(section.rstrip("\n") + "\n" for section in sections if section)


def read_reports(folders: Iterable[Path]) -> list[Evaluation]:
    """Every `report.json` in and below the folders, by their data. Raises InvalidRequestError for one without."""
    found = []
    for folder in folders:
        files = sorted(folder.rglob("report.json"))
        if not files:
            raise InvalidRequestError(f"No report.json is in or below {folder}.", fix="Run `emoscribe evaluate --out`.")
        found += [read_evaluation(file) for file in files]
    return sorted(found, key=lambda one: (one.data.name, one.data.form, one.data.contexts_used))


def _results(evaluations: Sequence[Evaluation]) -> list[str]:
    return [
        "## How good it is\n",
        _READING,
        _summary(evaluations),
        "### Per label and language\n",
        "F1 of several labels; of the one label where examples have exactly one.\n",
        _per_label(evaluations),
        "### Beside others\n",
        *(_beside(one) for one in evaluations if one.baselines),
        "## How far its confidence can be trusted\n",
        _calibration(evaluations),
        _warnings(evaluations),
        "### The review flag\n",
        _review(evaluations),
        "## What it confuses\n",
        _confusions(evaluations),
    ]


def _learnt(manifest: Path | None) -> str:
    if manifest is None:
        return "The reports do not say; see the model's own page (models/emotion/README.md)."
    try:
        record: dict[str, Any] = json.loads(manifest.read_text(encoding="utf-8"))
        rows = [(c["title"], c.get("licence", ""), f"{c['rows']:,}", c.get("origin", "")) for c in record["corpora"]]
        taught = _TAUGHT.format(**record) if record.get("teacher") else ""
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InvalidRequestError(
            f"{manifest} is no manifest of training data ({type(error).__name__}).",
            fix="Give the manifest.json of `emoscribe train`.",
        ) from None
    return _table(("data", "licence", "rows", "origin"), rows) + taught


def _measured(evaluations: Sequence[Evaluation]) -> str:
    head = ("data", "what", "licence", "examples", "language", "given to the model")
    rows = [
        (
            one.data.name,
            one.data.title,
            one.data.licence or "not given",
            f"{one.data.examples:,}",
            ", ".join(one.data.languages),
            _form(one),
        )
        for one in evaluations
    ]
    notes = {one.data.name: one.data.mapping for one in evaluations if one.data.mapping}
    return _table(head, rows) + "\n" + "".join(f"- {name}: {note}\n" for name, note in notes.items())


def _form(evaluation: Evaluation) -> str:
    rate = evaluation.word_error_rate
    heard = f" (word error rate {rate:.1%})" if rate is not None else ""
    return evaluation.data.form + heard + (", with context" if evaluation.data.contexts_used else "")


def _name(evaluation: Evaluation) -> str:
    form = evaluation.data.form
    extras: list[str] = [] if form == "as written" else [form]
    extras += ["with context"] if evaluation.data.contexts_used else []
    return ", ".join([evaluation.data.name, *extras])


def _summary(evaluations: Sequence[Evaluation]) -> str:
    head = ("data", "accuracy", "macro-F1, one label", "weighted F1", "macro-F1, several", "LRAP")
    return _table(
        head,
        [
            (
                _name(one),
                interval(one.one_label.accuracy),
                interval(one.one_label.macro_f1),
                interval(one.one_label.weighted_f1),
                interval(one.several_labels.macro_f1),
                number(one.several_labels.ranking_precision),
            )
            for one in evaluations
        ],
    )


def _scored(evaluation: Evaluation) -> dict[str, LabelScores]:
    view = evaluation.one_label if evaluation.data.is_single_label else evaluation.several_labels
    return {one.label: one for one in view.labels}


def _per_label(evaluations: Sequence[Evaluation]) -> str:
    columns = [_scored(one) for one in evaluations]
    head = ("label", *(f"{_name(one)} ({', '.join(one.data.languages)})" for one in evaluations))
    rows = [
        (label, *(interval(column[label].f1) if label in column else "not scored" for column in columns))
        for label in LABELS
    ]
    return _table(head, rows)


def _beside(evaluation: Evaluation) -> str:
    return f"On {_name(evaluation)}; the model itself is in the table above.\n\n" + _lines(
        baseline_table(evaluation.baselines)
    )


def _calibration(evaluations: Sequence[Evaluation]) -> str:
    head = ("data", "ECE", "adaptive", "class-wise", "mean confidence", "right", "AURC", "wrong in the surest half")
    rows = []
    for one in evaluations:
        c, s = one.calibration, one.selection
        figures = (c.ece, c.adaptive_ece, c.class_wise_ece, c.mean_confidence, c.accuracy, s.aurc, s.risk_at_50)
        rows.append((_name(one), *map(number, figures)))
    return _table(head, rows)


def _warnings(evaluations: Sequence[Evaluation]) -> str:
    lines = []
    for one in evaluations:
        gap = one.calibration.mean_confidence - one.calibration.accuracy
        if abs(gap) > _GAP:
            lines.append(
                f"- On {_name(one)} the confidence is too {'high' if gap > 0 else 'low'}, by {abs(gap):.2f}.\n"
            )
    return "".join(lines)


def _review(evaluations: Sequence[Evaluation]) -> str:
    head = ("data", "answers kept", "right of the kept", "answers flagged", "right of the flagged")
    rows = []
    for one in evaluations:
        kept, flagged = sum(row.kept for row in one.review), sum(row.flagged for row in one.review)
        kept_right = sum(row.kept * (row.kept_accuracy or 0) for row in one.review)
        flagged_right = sum(row.flagged * (row.flagged_accuracy or 0) for row in one.review)
        cells = (str(kept), _share(kept_right, kept), str(flagged), _share(flagged_right, flagged))
        rows.append((_name(one), *cells))
    return _table(head, rows)


def _share(part: float, whole: int) -> str:
    return number(part / whole) if whole else "-"


def _confusions(evaluations: Sequence[Evaluation]) -> str:
    lines = []
    for one in evaluations:
        found = []
        for row, said in enumerate(LABELS):
            counts = one.one_label.confusion[row]
            if sum(counts) >= _FEW:
                found += [
                    (count / sum(counts), f"{said} taken for {answered} ({count} of {sum(counts)})")
                    for answered, count in zip(LABELS, counts, strict=True)
                    if answered != said
                ]
        worst = sorted(found, reverse=True)[:_CONFUSIONS]
        told = "; ".join(f"{text}, {share:.0%}" for share, text in worst)
        lines.append(f"- {_name(one)}: {told or 'too few examples'}.\n")
    return "".join(lines)


def _reports(evaluations: Sequence[Evaluation]) -> str:
    head = ("data", "SHA-256 of texts and labels", "program", "measured")
    rows = [(_name(one), f"`{one.data.sha256[:16]}`", one.program, f"{one.created_at:%Y-%m-%d}") for one in evaluations]
    return _table(head, rows)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return _lines(table(head, rows))


def _lines(lines: Sequence[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
