"""The part of Prometheus that the scaling rules need: what was scraped, and the answers to their queries.

Queries are parsed by `promql-parser`, which is Prometheus' own grammar; of the language only what is below is carried
out, and everything else is refused, so that a query that is changed is not answered wrongly.
"""

import operator
import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

import promql_parser as promql

LOOKBACK_S: Final = 300  # how long a sample stands for what follows, if its target does not vanish
KEPT_S: Final = 1800  # longer than any window of a query

Labels = frozenset[tuple[str, str]]
Vector = dict[Labels, float]
Sample = tuple[str, Mapping[str, str], float]  # name, labels, value

AGGREGATES: Final[Mapping[str, Callable[[Iterable[float]], float]]] = {"sum": sum, "max": max, "min": min}
OVER_TIME: Final[Mapping[str, Callable[[Iterable[float]], float]]] = {"max_over_time": max, "min_over_time": min}
ARITHMETIC: Final[Mapping[str, Callable[[float, float], float]]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}
FILTERS: Final[Mapping[str, Callable[[float, float], bool]]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
}


@dataclass(slots=True)
class _Target:
    """What one process said, with the times."""

    times_s: list[float] = field(default_factory=list)
    pages: list[dict[str, Vector]] = field(default_factory=list)  # by name; empty: it did not answer

    def at(self, time_s: float) -> dict[str, Vector]:
        index = bisect_right(self.times_s, time_s) - 1
        return self.pages[index] if index >= 0 and self.times_s[index] > time_s - LOOKBACK_S else {}


class Prometheus:
    """Scrapes, and answers."""

    def __init__(self, labels: Mapping[str, str]) -> None:
        """`labels`: what it adds to every sample."""
        self._labels = dict(labels)
        self._targets: dict[str, _Target] = {}
        # queries live as long as the process (`_parsed`), so their ids are keys
        self._known: dict[tuple[int, float], Vector] = {}  # answers of the past, which do not change
        self._meant: dict[tuple[int, Labels], bool] = {}  # whether a selector means a series

    def scraped(self, now_s: float, target: str, samples: Iterable[Sample]) -> None:
        """What a target answered. Its series end when it answers nothing."""
        page: dict[str, Vector] = {}
        for name, labels, value in samples:
            key = frozenset({**self._labels, "pod": target, **labels}.items())
            page.setdefault(name, {})[key] = value
        seen = self._targets.setdefault(target, _Target())
        seen.times_s.append(now_s)
        seen.pages.append(page)
        if len(seen.times_s) > 1000 and seen.times_s[500] < now_s - KEPT_S:
            del seen.times_s[:500], seen.pages[:500]

    def forget(self, before_s: float) -> None:
        """Targets that are gone for good, and answers nobody asks for any more."""
        self._targets = {name: one for name, one in self._targets.items() if one.times_s[-1] >= before_s}
        self._known = {key: answer for key, answer in self._known.items() if key[1] >= before_s}

    def ask(self, query: str, now_s: float) -> float:
        """The one number that a query yields; 0 for none, as KEDA takes it (ignoreNullValues). Raises ValueError."""
        answer = self._remembered(_parsed(query), now_s, now_s)
        if len(answer) > 1:
            raise ValueError(f"more than one series: {query}")
        return next(iter(answer.values()), 0.0)

    def _vector(self, expression: Any, time_s: float) -> Vector:
        match expression:
            case promql.ParenExpr():
                return self._vector(expression.expr, time_s)
            case promql.VectorSelector():
                return self._select(expression, time_s)
            case promql.AggregateExpr():
                return self._aggregate(expression, time_s)
            case promql.Call():
                return self._call(expression, time_s)
            case promql.BinaryExpr():
                return self._binary(expression, time_s)
        raise ValueError(f"not carried out: {expression.prettify()}")

    def _select(self, selector: Any, time_s: float) -> Vector:
        if selector.offset or selector.at or selector.matchers.or_matchers:
            raise ValueError(f"not carried out: {selector.prettify()}")
        found: Vector = {}
        for target in self._targets.values():
            for labels, value in target.at(time_s).get(selector.name, {}).items():
                if self._is_meant(selector, labels):
                    found[labels] = value
        return found

    def _is_meant(self, selector: Any, labels: Labels) -> bool:
        key = (id(selector), labels)
        found = self._meant.get(key)
        if found is None:
            known = dict(labels)
            found = self._meant[key] = all(_matches(matcher, known) for matcher in selector.matchers.matchers)
        return found

    def _aggregate(self, expression: Any, time_s: float) -> Vector:
        if expression.modifier or expression.param:
            raise ValueError(f"not carried out: {expression.prettify()}")
        values = self._vector(expression.expr, time_s).values()
        return {frozenset(): float(AGGREGATES[str(expression.op)](values))} if values else {}

    def _call(self, expression: Any, time_s: float) -> Vector:
        name, argument = expression.func.name, expression.args[0]
        if name == "vector":
            return {frozenset(): _number(argument)}
        step = argument.step if isinstance(argument, promql.SubqueryExpr) else None
        if name not in OVER_TIME or step is None or argument.offset or argument.at:
            raise ValueError(f"not carried out: {expression.prettify()}")
        step_s, range_s = step.total_seconds(), argument.range.total_seconds()
        series: dict[Labels, list[float]] = {}
        at_s = step_s * (time_s // step_s)  # steps lie at multiples of their length
        while at_s > time_s - range_s:
            for labels, value in self._remembered(argument.expr, at_s, time_s).items():
                series.setdefault(labels, []).append(value)
            at_s -= step_s
        return {labels: OVER_TIME[name](values) for labels, values in series.items()}

    def _remembered(self, expression: Any, at_s: float, now_s: float) -> Vector:
        key = (id(expression), at_s)
        answer = self._known.get(key)
        if answer is None:
            answer = self._vector(expression, at_s)
            if at_s < now_s:
                self._known[key] = answer
        return answer

    def _binary(self, expression: Any, time_s: float) -> Vector:
        name = str(expression.op)
        modifier = expression.modifier
        if modifier and (modifier.matching or modifier.return_bool):
            raise ValueError(f"not carried out: {expression.prettify()}")
        left = self._vector(expression.lhs, time_s)
        if name in FILTERS and isinstance(expression.rhs, promql.NumberLiteral):
            return {labels: one for labels, one in left.items() if FILTERS[name](one, expression.rhs.val)}
        right = self._vector(expression.rhs, time_s)
        match name:
            case "and":
                return {labels: one for labels, one in left.items() if labels in right}
            case "or":
                return {**right, **left}
            case _ if name in ARITHMETIC:
                return {labels: ARITHMETIC[name](one, right[labels]) for labels, one in left.items() if labels in right}
        raise ValueError(f"not carried out: {expression.prettify()}")


@cache
def _parsed(query: str) -> Any:
    return promql.parse(query)


@cache
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text)


def _matches(matcher: Any, labels: Mapping[str, str]) -> bool:
    value = labels.get(matcher.name, "")
    match str(matcher.op):
        case "MatchOp.Equal":
            return bool(value == matcher.value)
        case "MatchOp.NotEqual":
            return bool(value != matcher.value)
        case "MatchOp.Re":
            return _pattern(matcher.value).fullmatch(value) is not None
        case "MatchOp.NotRe":
            return _pattern(matcher.value).fullmatch(value) is None
    raise ValueError(f"not carried out: {matcher}")


def _number(expression: Any) -> float:
    if isinstance(expression, promql.NumberLiteral):
        return float(expression.val)
    raise ValueError(f"not carried out: {expression.prettify()}")
