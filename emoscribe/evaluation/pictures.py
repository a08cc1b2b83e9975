"""The pictures of an evaluation as SVG: no script, no font, readable on a light and on a dark ground."""

from collections.abc import Sequence
from typing import Final
from xml.sax.saxutils import escape

from emoscribe.evaluation.report import Evaluation
from emoscribe.evaluation.trust import Bin, CurvePoint
from emoscribe.labels import LABELS

_STYLE: Final = """<style>
text { font: 13px system-ui, sans-serif; fill: #1a1a1a }
.small { font-size: 11px; fill: #595959 } .title { font-weight: 600 }
.ground { fill: #ffffff } .line { stroke: #767676; fill: none } .fine { stroke: #d9d9d9; fill: none }
.mark { fill: #2b6cb0 } .curve { stroke: #2b6cb0; fill: none; stroke-width: 2 }
@media (prefers-color-scheme: dark) {
text { fill: #f2f2f2 } .small { fill: #b3b3b3 } .ground { fill: #16181d }
.line { stroke: #8c8c8c } .fine { stroke: #3a3f4a } .mark { fill: #63a7e6 } .curve { stroke: #63a7e6 }
}
</style>"""
_CELL: Final = 62
_LEFT: Final = 110
_TOP: Final = 84
_SIDE: Final = 320  # of the square that a curve is drawn in


def pictures(evaluation: Evaluation) -> dict[str, str]:
    """File name -> SVG."""
    name = f"{evaluation.model.name} on {evaluation.data.name}"
    return {
        "confusion.svg": confusion_matrix(evaluation.one_label.confusion, name),
        "reliability.svg": reliability_diagram(evaluation.calibration.bins, evaluation.calibration.ece, name),
        "risk-coverage.svg": risk_coverage(evaluation.selection.curve, evaluation.selection.aurc, name),
    }


def confusion_matrix(counts: Sequence[Sequence[int]], name: str) -> str:
    """7 x 7; rows, what people said, are coloured by their shares."""
    parts = [
        _text(_LEFT + 3.5 * _CELL, 50, "the model's label", "small", "middle"),
        _text(8, _TOP - 12, "people's label", "small"),
    ]
    for row, label in enumerate(LABELS):
        parts.append(_text(_LEFT - 8, _TOP + (row + 0.5) * _CELL + 5, label, "", "end"))
        parts.append(_text(_LEFT + (row + 0.5) * _CELL, _TOP - 8, label, "small", "middle"))
        total = sum(counts[row])
        for column, count in enumerate(counts[row]):
            parts += _cell(row, column, count, count / total if total else 0.0)
    side = _LEFT + 7 * _CELL + 16
    return _picture(side, _TOP + 7 * _CELL + 16, f"Confusion matrix: {name}", parts)


def _cell(row: int, column: int, count: int, share: float) -> list[str]:
    x, y = _LEFT + column * _CELL, _TOP + row * _CELL
    opacity = round(0.65 * share, 3)  # more would hide the figure on it
    return [
        f'<rect class="mark" x="{x}" y="{y}" width="{_CELL}" height="{_CELL}" fill-opacity="{opacity}"/>',
        f'<rect class="fine" x="{x}" y="{y}" width="{_CELL}" height="{_CELL}"/>',
        _text(x + _CELL / 2, y + _CELL / 2, str(count), "", "middle"),
        _text(x + _CELL / 2, y + _CELL / 2 + 16, f"{share:.0%}", "small", "middle"),
    ]


def reliability_diagram(bins: Sequence[Bin], error: float, name: str) -> str:
    """Confidence against accuracy; a calibrated model stands on the diagonal, and a dot's area is its answers."""
    most = max((part.answers for part in bins), default=1)
    dots = [
        f'<circle class="mark" cx="{_x(part.confidence)}" cy="{_y(part.accuracy)}"'
        f' r="{3 + 11 * (part.answers / most) ** 0.5:.1f}" fill-opacity="0.7">'
        f"<title>{part.answers} answers, confidence {part.confidence:.2f}, right {part.accuracy:.2f}</title></circle>"
        for part in bins
    ]
    diagonal = f'<path class="line" stroke-dasharray="4 4" d="M{_x(0)} {_y(0)}L{_x(1)} {_y(1)}"/>'
    parts = [*_axes("confidence", "share that is right"), diagonal, *dots]
    parts.append(_text(_x(0.03), _y(0.93), f"ECE {error:.3f}"))
    return _picture(*_SQUARE, f"Reliability: {name}", parts)


def risk_coverage(curve: Sequence[CurvePoint], area: float, name: str) -> str:
    """How much is wrong among the most confident answers, for every share of them."""
    path = "L".join(f"{_x(point.coverage)} {_y(point.risk)}" for point in curve)
    parts = [
        *_axes("share of answers that is kept", "share of them that is wrong"),
        f'<path class="curve" d="M{path}"/>',
    ]
    parts.append(_text(_x(0.03), _y(0.93), f"AURC {area:.3f}"))
    return _picture(*_SQUARE, f"Risk and coverage: {name}", parts)


_SQUARE: Final = (_SIDE + 90, _SIDE + 110)


def _x(value: float) -> float:
    return round(64 + value * _SIDE, 1)


def _y(value: float) -> float:
    return round(56 + (1 - value) * _SIDE, 1)


def _axes(along: str, up: str) -> list[str]:
    parts = [f'<rect class="line" x="{_x(0)}" y="{_y(1)}" width="{_SIDE}" height="{_SIDE}"/>']
    for tenth in range(0, 11, 2):
        value = tenth / 10
        parts.append(_text(_x(value), _y(0) + 18, f"{value:.1f}", "small", "middle"))
        parts.append(_text(_x(0) - 8, _y(value) + 4, f"{value:.1f}", "small", "end"))
        parts.append(f'<path class="fine" d="M{_x(0)} {_y(value)}H{_x(1)}M{_x(value)} {_y(0)}V{_y(1)}"/>')
    parts.append(_text(_x(0.5), _y(0) + 38, along, "", "middle"))
    middle = f"{_x(0) - 44} {_y(0.5)}"
    parts.append(f'<text transform="translate({middle}) rotate(-90)" text-anchor="middle">{escape(up)}</text>')
    return parts


def _text(x: float, y: float, text: str, style: str = "", anchor: str = "start") -> str:
    style = f' class="{style}"' if style else ""
    return f'<text{style} x="{x:g}" y="{y:g}" text-anchor="{anchor}">{escape(text)}</text>'


def _picture(width: float, height: float, title: str, parts: Sequence[str]) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{height:g}"'
        f' viewBox="0 0 {width:g} {height:g}" role="img"><title>{escape(title)}</title>'
    )
    ground = f'<rect class="ground" width="{width:g}" height="{height:g}"/>'
    return "\n".join([head, _STYLE, ground, _text(12, 26, title, "title"), *parts, "</svg>"]) + "\n"
