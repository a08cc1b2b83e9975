"""An evaluation for people: `report.md`, and the tables that the model card has, too. No texts."""

from collections.abc import Iterable, Sequence

from emoscribe.evaluation.intervals import Figure
from emoscribe.evaluation.measures import LabelScores
from emoscribe.evaluation.report import BaselineRow, Evaluation, ReviewRow, SwapRow, row_of


def report_markdown(evaluation: Evaluation) -> str:
    """The whole report; it names the pictures beside it."""
    one = evaluation.one_label
    parts = [
        *_head(evaluation),
        *_main_figures(evaluation),
        "## Beside others",
        "",
        *baseline_table([row_of(evaluation), *evaluation.baselines]),
        "",
        "## One label",
        "",
        f"The label that is shown, on the {one.examples} examples with exactly one; {one.unanswered} had no answer.",
        "",
        *label_table(one.labels),
        "",
        "![confusion matrix](confusion.svg)",
        "",
        "## Several labels",
        "",
        "Each label at its own threshold, against all that people gave.",
        "",
        *label_table(evaluation.several_labels.labels),
        "",
        "## Confidence",
        "",
        "![reliability diagram](reliability.svg) ![risk and coverage](risk-coverage.svg)",
        "",
        *review_table(evaluation.review),
        *(["", "## Words that should not matter", "", *swap_table(evaluation.swaps)] if evaluation.swaps else []),
    ]
    return "\n".join(parts).rstrip() + "\n"


def _head(evaluation: Evaluation) -> list[str]:
    data, model = evaluation.data, evaluation.model
    context = ", with the sentences before" if data.contexts_used else ""
    return [
        f"# {model.name} {model.version} on {data.name}",
        "",
        f"{data.title}: {data.examples} examples, {data.form}{context}. Licence: {data.licence or 'not given'}.",
        *([data.mapping] if data.mapping else []),
        "",
        f"Model SHA-256 `{model.sha256}`; data SHA-256 `{data.sha256}`;",
        f"{evaluation.program}, {evaluation.created_at:%Y-%m-%d}.",
        "In brackets: 95 % bootstrap intervals, 1,000 resamples.",
        "",
    ]


def _main_figures(evaluation: Evaluation) -> list[str]:
    one, several, trust = evaluation.one_label, evaluation.several_labels, evaluation.calibration
    rows: list[tuple[str, str]] = [
        ("accuracy (one label)", interval(one.accuracy)),
        ("macro-F1 (one label)", interval(one.macro_f1)),
        ("weighted F1 (one label)", interval(one.weighted_f1)),
        ("shown label is one of people's", interval(several.among)),
        ("macro-F1 (several labels)", interval(several.macro_f1)),
        ("micro-F1 (several labels)", interval(several.micro_f1)),
        ("exactly the right set", interval(several.subset_accuracy)),
        ("ranking precision (LRAP)", number(several.ranking_precision)),
        (
            "calibration error (ECE), adaptive, class-wise",
            ", ".join(map(number, (trust.ece, trust.adaptive_ece, trust.class_wise_ece))),
        ),
        ("mean confidence, share that is right", f"{number(trust.mean_confidence)}, {number(trust.accuracy)}"),
        ("area under risk and coverage (AURC)", number(evaluation.selection.aurc)),
        (
            "wrong of all, of the surest 80 %, of the surest half",
            ", ".join(
                map(
                    number,
                    (evaluation.selection.risk, evaluation.selection.risk_at_80, evaluation.selection.risk_at_50),
                )
            ),
        ),
    ]
    if evaluation.word_error_rate is not None:
        rows.append(("word error rate of the transcripts", number(evaluation.word_error_rate)))
    return [*table(("", ""), rows), ""]


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a table."""
    return [_row(head), _row(["---"] * len(head)), *map(_row, rows)]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"


def label_table(labels: Iterable[LabelScores]) -> list[str]:
    """Precision, recall and F1 of each label."""
    return table(
        ("label", "examples", "answers", "precision", "recall", "F1"),
        [
            (one.label, str(one.examples), str(one.predicted), *map(interval, (one.precision, one.recall, one.f1)))
            for one in labels
        ],
    )


def baseline_table(rows: Iterable[BaselineRow]) -> list[str]:
    """One row a model."""
    head = ("", "accuracy", "macro-F1", "weighted F1", "macro-F1, several labels", "ECE", "AURC")
    cells = []
    notes = []
    for one in rows:
        figures = (one.accuracy, one.macro_f1, one.weighted_f1, one.several_macro_f1, one.ece, one.aurc)
        name = one.name if one.kind == "measured" else f"*{one.name}*, quoted"
        cells.append((name, *map(number, figures)))
        notes += [f"{one.name}: {one.note}."] if one.note else []
    return [*table(head, cells), *(["", *notes] if notes else [])]


def review_table(rows: Iterable[ReviewRow]) -> list[str]:
    """What the review flag parts."""
    head = ("label", "kept", "right of the kept", "flagged", "right of the flagged")
    cells = [
        (
            row.label,
            str(row.kept),
            number(row.kept_accuracy),
            str(row.flagged),
            number(row.flagged_accuracy),
        )
        for row in rows
    ]
    return table(head, cells) if cells else []


def swap_table(rows: Iterable[SwapRow]) -> list[str]:
    """What exchanges change."""
    head = ("exchanged", "pairs", "other label", "mean change of a score", "largest change", "largest drift")
    cells = []
    for row in rows:
        label, drift = max(row.drift.items(), key=lambda item: abs(item[1]))
        cells.append(
            (
                row.kind,
                str(row.pairs),
                str(row.changed),
                number(row.mean_change),
                number(row.largest_change),
                f"{label} {drift:+.3f}",
            )
        )
    return table(head, cells)


def interval(figure: Figure) -> str:
    """0.642 (0.619-0.662)."""
    if figure.value is None or figure.low is None or figure.high is None:
        return "-"
    return f"{figure.value:.3f} ({figure.low:.3f}-{figure.high:.3f})"


def number(value: float | None) -> str:
    """Three decimals; - for none."""
    return "-" if value is None else f"{value:.3f}"
