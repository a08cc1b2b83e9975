"""An autoscaler for parts of one machine: the rules of the manifests, by the same code as the simulation's.

It takes the place of KEDA, the HPA, Prometheus and the kubelet. Time may run faster for the rules than for the parts:
then a cooldown of 900 s is over in 45, and a start that takes 10 s is to them what a GPU node takes to come up.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol
from zoneinfo import ZoneInfo

import httpx

from tests.autoscaling.queries import Prometheus, Sample
from tests.autoscaling.rules import SYNC_S, Hpa, Keda, ScaledObject
from tests.autoscaling.triggers import QueueCounts, TriggerReader

_log = logging.getLogger(__name__)

NIGHT_S = 21 * 3600.0  # the clock of the rules begins here: no office hours
MIDNIGHT = datetime(2026, 11, 24, tzinfo=ZoneInfo("America/Sao_Paulo"))
LOOK_S = 0.02  # how exactly times are kept

Page = Callable[[], Iterable[Sample]]
State = Literal["gone", "starting", "ready", "stopping"]


class Part(Protocol):
    """A Deployment of one replica at most."""

    @property
    def name(self) -> str:
        """Of the Deployment."""
        ...

    @property
    def state(self) -> State:
        """Now."""
        ...

    def start(self) -> None:
        """Returns at once. Only what is gone is started."""
        ...

    def stop(self) -> None:
        """As a kubelet does it: told to go, with time to end. Returns at once."""
        ...

    def samples(self) -> Iterable[Sample]:
        """Its page of metrics. Raises OSError or httpx.TransportError if it does not answer."""
        ...


@dataclass(frozen=True, slots=True)
class Change:
    """Something happened to a part."""

    at_s: float  # time.monotonic()
    part: str
    what: Literal["wanted", "not wanted", "ready", "gone"]


class Autoscaler:
    """Runs in a thread while its context is open."""

    def __init__(
        self,
        rules: Mapping[str, ScaledObject],
        parts: Sequence[Part],
        always_on: Mapping[str, Page],
        queue: Callable[[], QueueCounts],
        *,
        scrape_s: float,
        faster: float,
    ) -> None:
        """`always_on`: pages of metrics of what is not scaled."""
        self.changes: list[Change] = []
        self.failure: Exception | None = None
        self.highest: dict[str, float] = {}  # what each trigger said at most
        self._parts = parts
        self._always_on = always_on
        self._faster = faster
        self._scrape_s = scrape_s
        self._rules = {part.name: rules[part.name] for part in parts}
        self._keda = {part.name: Keda(rules[part.name]) for part in parts}
        self._hpa = {part.name: Hpa(rules[part.name]) for part in parts}
        self._wanted = {part.name: 0 for part in parts}
        self._seen: dict[str, State] = {part.name: "gone" for part in parts}
        self._prometheus = Prometheus({"namespace": "emoscribe"})
        self._reader = TriggerReader(self._prometheus, queue, MIDNIGHT)
        self._begin_s = time.monotonic()
        self._scrapers = ThreadPoolExecutor(len(parts) + len(always_on), thread_name_prefix="scrape")
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="autoscaler")

    def __enter__(self) -> "Autoscaler":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()
        self._scrapers.shutdown()

    @property
    def now_s(self) -> float:
        """The time of the rules, since midnight."""
        return NIGHT_S + (time.monotonic() - self._begin_s) * self._faster

    @property
    def is_at_rest(self) -> bool:
        """Nothing is wanted, and everything is gone and was seen to be."""
        return not any(self._wanted.values()) and set(self._seen.values()) == {"gone"}

    def _run(self) -> None:
        try:
            due_s = {("scrape", ""): NIGHT_S}
            for name in self._rules:
                due_s |= {("poll", name): NIGHT_S, ("sync", name): NIGHT_S + SYNC_S}
            while not self._is_over.wait(LOOK_S):
                for what in [one for one, at_s in due_s.items() if at_s <= self.now_s]:
                    due_s[what] = self.now_s + self._do(*what)
                self._follow()
        except Exception as error:
            _log.exception("the autoscaler failed")
            self.failure = error

    def _do(self, what: str, name: str) -> float:
        """One step; how long until the next of its kind."""
        if what == "scrape":
            self._scrape()
            return self._scrape_s
        readings = self._reader.read(self._rules[name], self.now_s)
        for trigger, reading in zip(self._rules[name].triggers, readings, strict=True):
            key = f"{name}, {trigger.name}"
            self.highest[key] = max(self.highest.get(key, 0.0), reading.value)
        if what == "poll":
            self._want(name, self._keda[name].poll(self.now_s, self._wanted[name], readings))
            return self._rules[name].polling_s
        self._want(name, self._hpa[name].sync(self.now_s, self._wanted[name], readings))
        return SYNC_S

    def _want(self, name: str, replicas: int) -> None:
        """One is the most that this machine has room for; the HPA is told so and asks again."""
        replicas = min(replicas, 1)
        if replicas != self._wanted[name]:
            self._wanted[name] = replicas
            self._tell(name, "wanted" if replicas else "not wanted")

    def _scrape(self) -> None:
        ready = {part.name: part.samples for part in self._parts if part.state == "ready"}
        pages = {**dict.fromkeys(self._rules, list), **ready, **self._always_on}
        now_s = self.now_s
        for name, samples in zip(pages, self._scrapers.map(_answer, pages.values()), strict=True):
            self._prometheus.scraped(now_s, name, samples)

    def _follow(self) -> None:
        for part in self._parts:
            state, is_wanted = part.state, bool(self._wanted[part.name])
            if state != self._seen[part.name]:
                self._seen[part.name] = state
                if state in {"ready", "gone"}:
                    self._tell(part.name, "ready" if state == "ready" else "gone")
            if is_wanted and state == "gone":
                part.start()
            elif not is_wanted and state in {"starting", "ready"}:
                part.stop()

    def _tell(self, name: str, what: Literal["wanted", "not wanted", "ready", "gone"]) -> None:
        self.changes.append(Change(time.monotonic(), name, what))
        _log.info("%s: %s", name, what)


def _answer(page: Page) -> list[Sample]:
    """Nothing, if it does not answer: Prometheus takes its series as ended."""
    try:
        return list(page())
    except (OSError, httpx.TransportError):
        return []
