"""The arithmetic of KEDA and the HPA, against what their documentation computes, and by hand."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.autoscaling.rules import (
    DOWN,
    SYNC_S,
    UP,
    Behavior,
    Hpa,
    Keda,
    Policy,
    Reading,
    ScaledObject,
    Trigger,
    wanted_for,
)

AT_ONCE = Behavior(0, (Policy("Percent", 1000, 15),))
DOWN_AT_ONCE = Behavior(0, (Policy("Percent", 100, 15),))


def rules(
    *targets: float,
    least: int = 0,
    most: int = 10,
    cooldown_s: float = 300,
    idle: int | None = None,
    up: Behavior = AT_ONCE,
    down: Behavior = DOWN_AT_ONCE,
) -> ScaledObject:
    triggers = tuple(Trigger(str(number), "prometheus", target, 0, {}) for number, target in enumerate(targets))
    return ScaledObject("worker", least, most, 30, cooldown_s, idle, up, down, triggers)


def readings(*values: float) -> list[Reading]:
    return [Reading(value, value > 0) for value in values]


def course(hpa: Hpa, replicas: int, values: Sequence[float]) -> list[int]:
    """Replicas after each sync, one value for each."""
    seen = []
    for number, value in enumerate(values):
        replicas = hpa.sync(number * SYNC_S, replicas, readings(value))
        seen.append(replicas)
    return seen


# --- the number that is wanted ---


@pytest.mark.parametrize(
    ("value", "target", "replicas", "wanted"),
    [
        (30, 10, 1, 3),  # KEDA's documentation of aws-sqs-queue: one pod for 10 messages, 30 messages
        (31, 10, 1, 4),  # rounded up
        (200, 100, 1, 2),  # Kubernetes' documentation: twice the target doubles
        (100, 100, 2, 1),  # and half of it halves
        (21.9, 10, 2, 2),  # within a tenth: as it is
        (22.1, 10, 2, 3),
        (18.1, 10, 2, 2),
        (17.9, 10, 2, 2),  # beyond the tenth below, but rounded up
        (10.9, 10, 2, 2),
        (9, 10, 2, 1),
        (0, 10, 3, 0),
    ],
)
def test_replicas_for_one_metric(value: float, target: float, replicas: int, wanted: int) -> None:
    assert wanted_for(value, target, replicas) == wanted


def test_the_trigger_that_asks_for_most_decides() -> None:
    assert Hpa(rules(10, 5, 1)).sync(0, 1, readings(30, 30, 2)) == 6


def test_between_one_and_the_most() -> None:
    assert Hpa(rules(1, most=4)).sync(0, 1, readings(100)) == 4
    assert Hpa(rules(1)).sync(0, 3, readings(0)) == 1  # zero is KEDA's to decide
    assert Hpa(rules(1, least=2)).sync(0, 3, readings(0)) == 2
    assert Hpa(rules(1)).sync(0, 0, readings(100)) == 0  # the HPA is off at zero


# --- how fast ---


def test_policies_as_in_the_documentation_of_kubernetes() -> None:
    """10 percent or 4 pods a minute: 80 pods lose 8, 72 lose 8 (7.2 rounded up), 40 and fewer lose 4."""
    slow = Behavior(0, (Policy("Pods", 4, 60), Policy("Percent", 10, 60)))
    hpa = Hpa(rules(1, down=slow, most=100))
    seen = course(hpa, 80, [10] * 49)
    assert seen[0::4][:3] == [72, 64, 57]
    assert seen[1] == seen[2] == seen[3] == 72  # the rest of the minute
    assert [before - after for before, after in zip(seen[0::4], seen[4::4], strict=False) if before <= 40][:3] == [
        4
    ] * 3


def test_the_defaults_of_kubernetes_double_or_add_four() -> None:
    assert course(Hpa(rules(1, up=UP, most=100)), 1, [90] * 4) == [5, 10, 20, 40]


def test_the_policy_that_changes_least_may_be_chosen_and_a_direction_may_be_closed() -> None:
    least = Behavior(0, (Policy("Pods", 1, 15), Policy("Percent", 100, 15)), "Min")
    assert course(Hpa(rules(1, up=least)), 4, [10, 10]) == [5, 6]
    closed = Behavior(0, (Policy("Percent", 100, 15),), "Disabled")
    assert course(Hpa(rules(1, down=closed)), 4, [1, 0]) == [4, 4]


def test_scaling_down_waits_for_the_highest_of_the_window() -> None:
    """300 s of Kubernetes' default: the wish of five falls out of the window at the 21st sync."""
    seen = course(Hpa(rules(1, down=DOWN)), 5, [5] + [1] * 21)
    assert seen == [5] * 20 + [1] * 2


def test_scaling_up_waits_for_the_lowest_of_its_window() -> None:
    up = Behavior(60, (Policy("Pods", 10, 15),))
    assert course(Hpa(rules(1, up=up)), 1, [1, 5, 5, 5, 5, 5]) == [1, 1, 1, 1, 5, 5]
    assert course(Hpa(rules(1, up=up)), 1, [5, 1, 5, 1, 5, 1]) == [1] * 6  # a wish that does not last


# --- to zero, and from it ---


def test_activation_is_another_question_than_the_target() -> None:
    keda = Keda(rules(100))
    assert keda.poll(0, 0, readings(0)) == 0
    assert keda.poll(30, 0, readings(1)) == 1  # far below the target of one replica
    assert Keda(rules(1)).poll(0, 0, [Reading(5, is_active=False)]) == 0  # and far above it, but not to be woken by


def test_it_rests_when_nothing_was_active_for_longer_than_the_cooldown() -> None:
    keda = Keda(rules(1, cooldown_s=300))
    assert keda.poll(0, 0, readings(3)) == 1
    assert [keda.poll(now_s, 4, readings(0)) for now_s in (30, 300, 301)] == [4, 4, 0]  # from four to none at once
    assert keda.poll(330, 0, readings(0)) == 0


def test_any_active_trigger_keeps_it_awake() -> None:
    keda = Keda(rules(1, 1, cooldown_s=300))
    for now_s in range(0, 3000, 30):
        assert keda.poll(now_s, 2, readings(0, 1)) == 2


def test_a_least_number_is_kept_and_an_idle_number_comes_after_the_cooldown() -> None:
    assert Keda(rules(1, least=2)).poll(0, 0, readings(0)) == 2
    assert Keda(rules(1, least=2)).poll(9999, 5, readings(0)) == 5  # the HPA's to lower
    keda = Keda(rules(1, least=2, idle=0, cooldown_s=60))
    assert keda.poll(0, 0, readings(1)) == 2
    assert [keda.poll(now_s, 2, readings(0)) for now_s in (60, 61)] == [2, 0]


# --- whatever comes ---

BEHAVIORS = st.builds(
    Behavior,
    st.sampled_from([0, 60, 300]),
    st.lists(
        st.builds(Policy, st.sampled_from(["Pods", "Percent"]), st.integers(1, 100), st.sampled_from([15, 60, 180])),
        min_size=1,
        max_size=2,
    ).map(tuple),
    st.sampled_from(["Max", "Min"]),
)


@given(up=BEHAVIORS, down=BEHAVIORS, most=st.integers(1, 20), values=st.lists(st.integers(0, 500), max_size=60))
def test_never_out_of_bounds_and_never_away_from_what_is_wanted(
    up: Behavior, down: Behavior, most: int, values: list[int]
) -> None:
    hpa, replicas = Hpa(rules(7, most=most, up=up, down=down)), 1
    wishes = [1]
    for number, value in enumerate(values):
        wishes.append(wanted_for(value, 7, replicas))
        after = hpa.sync(number * SYNC_S, replicas, readings(value))
        assert 1 <= after <= most
        assert after <= max(replicas, *wishes)
        assert after >= min(replicas, *wishes)
        assert abs(after - replicas) <= _most_in_one_step(up if after > replicas else down, replicas, most)
        replicas = after


def _most_in_one_step(behavior: Behavior, replicas: int, most: int) -> int:
    """Before any policy has been used up."""
    steps = [one.value if one.kind == "Pods" else -(-most * one.value // 100) + 1 for one in behavior.policies]
    return max(steps) if behavior.select == "Max" else max(min(steps), 1)


@given(values=st.lists(st.integers(0, 50), min_size=1, max_size=60), level=st.integers(0, 200))
def test_what_lasts_is_reached(values: list[int], level: int) -> None:
    """Whatever came before: with a steady load the replicas are those that it needs, or as many as may be."""
    hpa, replicas, now_s = Hpa(rules(7, most=12, up=UP, down=DOWN)), 1, 0
    for value in [*values, *[level] * 60]:
        replicas = hpa.sync(now_s, replicas, readings(value))
        now_s += SYNC_S
    assert replicas == min(max(wanted_for(level, 7, replicas), 1), 12)


@given(actives=st.lists(st.booleans(), max_size=100), cooldown_s=st.integers(0, 600))
def test_never_at_zero_while_something_is_active_nor_before_the_cooldown(actives: list[bool], cooldown_s: int) -> None:
    keda, replicas, last_s = Keda(rules(1, cooldown_s=cooldown_s)), 0, None
    for number, is_active in enumerate(actives):
        now_s = number * 30
        last_s = now_s if is_active else last_s
        replicas = keda.poll(now_s, replicas, [Reading(float(is_active), is_active)])
        assert (replicas == 1) == (last_s is not None and now_s - last_s <= cooldown_s)
