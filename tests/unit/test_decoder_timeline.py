from hypothesis import given
from hypothesis import strategies as st

from emoscribe.decoder.timeline import MAX_OVERLAP_S, TOLERANCE_S, Plausible, Timeline

RATE_HZ = 16_000
ANY = Plausible(max_gap_s=float("inf"))


def place_all(timeline: Timeline, starts_s: list[float], samples: int = RATE_HZ) -> list[int | None]:
    return [timeline.place(start_s, samples, RATE_HZ) for start_s in starts_s]


def test_frames_that_follow_each_other_are_joined() -> None:
    assert place_all(Timeline(RATE_HZ, ANY), [0.0, 1.0, 2.0]) == [0, 0, 0]


def test_frames_without_timestamps_are_joined() -> None:
    timeline = Timeline(RATE_HZ, ANY)
    assert [timeline.place(None, 160, RATE_HZ) for _ in range(3)] == [0, 0, 0]
    assert timeline.position == 480


def test_a_late_start_is_filled_to_the_sample() -> None:
    assert Timeline(RATE_HZ, ANY).place(0.05, 160, RATE_HZ) == 800


def test_a_pause_is_filled() -> None:
    assert place_all(Timeline(RATE_HZ, ANY), [0.0, 3.5]) == [0, round(2.5 * RATE_HZ)]


def test_jitter_is_left_alone() -> None:
    assert place_all(Timeline(RATE_HZ, ANY), [0.0, 1.09, 1.91, 3.0]) == [0, 0, 0, 0]


def test_what_was_heard_is_dropped() -> None:
    assert place_all(Timeline(RATE_HZ, ANY), [0.0, 0.5, 1.0]) == [0, None, 0]


def test_a_clock_that_was_set_back_moves_nothing() -> None:
    timeline = Timeline(RATE_HZ, ANY)
    assert place_all(timeline, [0.0, 1.0, 2.0, 0.0, 1.0, 4.0]) == [0, 0, 0, 0, 0, 2 * RATE_HZ]


def test_one_timestamp_beyond_the_end_moves_nothing() -> None:
    timeline = Timeline(RATE_HZ, Plausible(0, end_s=10))
    assert place_all(timeline, [0.0, 5000.0, 2.0, 3.0, 6.0]) == [0, 0, 0, 0, 2 * RATE_HZ]


def test_a_gap_longer_than_believed_moves_nothing() -> None:
    timeline = Timeline(RATE_HZ, Plausible(max_gap_s=60))
    assert place_all(timeline, [0.0, 100.0, 101.0, 132.0]) == [0, 0, 0, 30 * RATE_HZ]


def test_a_change_of_rate_is_counted_exactly() -> None:
    timeline = Timeline(RATE_HZ, ANY)
    timeline.place(0.0, 44_100, 44_100)
    timeline.place(1.0, 8000, 8000)
    assert timeline.position == 2 * RATE_HZ


@given(st.lists(st.tuples(st.floats(0, 5), st.integers(1, 4096)), max_size=50), st.sampled_from([8000, 44_100, 48_000]))
def test_every_frame_ends_up_at_its_time(frames: list[tuple[float, int]], rate_hz: int) -> None:
    """Any true clock: frames in order, with any pauses between them."""
    timeline, time_s = Timeline(RATE_HZ, ANY), 0.0
    for pause_s, samples in frames:
        time_s += pause_s
        before = timeline.position
        gap = timeline.place(time_s, samples, rate_hz)
        assert gap is not None
        assert abs((before + gap) / RATE_HZ - time_s) <= TOLERANCE_S + 1 / RATE_HZ
        time_s += samples / rate_hz


@given(
    st.lists(st.tuples(st.none() | st.floats(-1e6, 1e6), st.integers(1, 4096)), max_size=50),
    st.floats(0, 100),
    st.floats(0, 10),
)
def test_whatever_the_clock_says_only_believed_gaps_are_filled(
    frames: list[tuple[float | None, int]], end_s: float, max_gap_s: float
) -> None:
    timeline = Timeline(RATE_HZ, Plausible(max_gap_s, end_s))
    for start_s, samples in frames:
        before = timeline.position
        gap = timeline.place(start_s, samples, RATE_HZ)
        if gap is None:
            assert start_s is not None
            assert timeline.position == before
            continue
        assert timeline.position == before + gap + samples
        if gap:
            assert gap <= max_gap_s * RATE_HZ or before + gap <= end_s * RATE_HZ


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=20))
def test_a_joined_recording_is_not_lost(starts_s: list[float]) -> None:
    """Parts of 5 s, each with a clock of its own: after at most the overlap, every part is heard."""
    timeline = Timeline(RATE_HZ, Plausible(max_gap_s=60))
    for part_start_s in starts_s:
        gaps = place_all(timeline, [part_start_s + second / 10 for second in range(50)], samples=1600)
        heard = sum(gap is not None for gap in gaps)
        assert heard >= 50 - 10 * MAX_OVERLAP_S - 1
