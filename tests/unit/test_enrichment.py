"""Which sentences are the context of which."""

from emoscribe.enrichment import MAX_CONTEXT_PAUSE_MS, ContextWindow, requests_of
from tests import analyses


def contexts(spans: list[tuple[int, int]]) -> list[str]:
    window = ContextWindow()
    return [window.move_on(start, end, f"s{number}").context for number, (start, end) in enumerate(spans)]


def test_the_two_sentences_before() -> None:
    assert contexts([(1000 * n, 1000 * n + 900) for n in range(4)]) == ["", "s0", "s0\ns1", "s1\ns2"]


def test_a_long_pause_ends_it() -> None:
    just = [(0, 1000), (1000 + MAX_CONTEXT_PAUSE_MS, 13_000)]
    assert contexts(just) == ["", "s0"]
    longer = [(0, 1000), (1001 + MAX_CONTEXT_PAUSE_MS, 13_000), (13_000, 14_000)]
    assert contexts(longer) == ["", "", "s1"]


def test_a_sentence_is_one_line() -> None:
    window = ContextWindow()
    window.move_on(0, 10, " two\nlines\t here ")
    assert window.move_on(20, 30, "next").context == "two lines here"


def test_a_finished_analysis_asks_what_its_making_asked() -> None:
    segments = analyses.realistic().segments
    requests = requests_of(segments)
    assert requests[-1] is None  # looks invented
    assert requests[5] is not None
    assert requests[5].context == f"{segments[3].text_en}\n{segments[4].text_en}"
    gone = [segments[4], segments[5].model_copy(update={"text_en": ""}), segments[6]]
    first, none, last = requests_of(gone)
    assert none is None
    assert first is not None
    assert last is not None
    assert last.context == segments[4].text_en
