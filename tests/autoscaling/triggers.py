"""What a trigger says now: of the queue, of Prometheus, of the clock."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from tests.autoscaling.queries import Prometheus
from tests.autoscaling.rules import Reading, ScaledObject, Trigger


@dataclass(frozen=True, slots=True)
class QueueCounts:
    """Messages, as SQS tells them."""

    visible: int
    in_flight: int
    delayed: int = 0


@dataclass(frozen=True, slots=True)
class TriggerReader:
    """Reads all triggers of an object."""

    prometheus: Prometheus
    queue: Callable[[], QueueCounts]
    midnight: datetime  # second 0; with a time zone

    def read(self, rules: ScaledObject, now_s: float) -> list[Reading]:
        """Of all its triggers, in their order."""
        return [self.reading(trigger, now_s) for trigger in rules.triggers]

    def reading(self, trigger: Trigger, now_s: float) -> Reading:
        """Of one trigger. Raises ValueError for a kind that is not known."""
        match trigger.kind:
            case "aws-sqs-queue":
                value = float(self._messages(trigger))
            case "prometheus":
                value = self.prometheus.ask(trigger.metadata["query"], now_s)
            case "cron":
                is_open = is_in_window(trigger, self.midnight + timedelta(seconds=now_s))
                return Reading(float(trigger.metadata["desiredReplicas"]) if is_open else 1.0, is_open)
            case _:
                raise ValueError(f"nobody reads {trigger.kind} here")
        return Reading(value, value > trigger.activation)

    def _messages(self, trigger: Trigger) -> int:
        counts = self.queue()
        messages = counts.visible
        if trigger.metadata.get("scaleOnInFlight", "true") == "true":
            messages += counts.in_flight
        if trigger.metadata.get("scaleOnDelayed", "false") == "true":
            messages += counts.delayed
        return messages


def is_in_window(trigger: Trigger, now: datetime) -> bool:
    """Between start and end, as KEDA decides it: the end comes before the next start."""
    local = now.astimezone(ZoneInfo(trigger.metadata["timezone"]))
    return _next(trigger.metadata["end"], local) <= _next(trigger.metadata["start"], local)


def _next(schedule: str, after: datetime) -> datetime:
    """The next time of a schedule of the form `minute hour * * days`; days as 1-5, 0 being Sunday, or *."""
    minute, hour, day, month, weekdays = schedule.split()
    if (day, month) != ("*", "*"):
        raise ValueError(f"not modelled: {schedule}")
    allowed = _weekdays(weekdays)
    for days in range(9):
        then = (after + timedelta(days=days)).replace(hour=int(hour), minute=int(minute), second=0, microsecond=0)
        if then > after and then.isoweekday() % 7 in allowed:
            return then
    raise ValueError(f"never: {schedule}")


def _weekdays(text: str) -> set[int]:
    if text == "*":
        return set(range(7))
    first, _, last = text.partition("-")
    return {day % 7 for day in range(int(first), int(last or first) + 1)}
