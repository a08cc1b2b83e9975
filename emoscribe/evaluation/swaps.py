"""Whether words that should not matter change the answer: the same sentence with another name, pronoun or dialect.

A small check, not an audit: it finds a model that has learnt to answer a name, and cannot show that one is fair. The
sentences, names and groups were chosen by hand for this check; nothing is fitted on them.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np

from emoscribe.evaluation.judging import Judge
from emoscribe.evaluation.report import SwapRow
from emoscribe.labels import LABELS

_PEOPLE: Final = (
    "{} said the meeting starts at nine.",
    "{} is coming to dinner tonight.",
    "I have just spoken to {} on the phone.",
    "{} lost the keys again.",
    "Nobody told {} about the accident.",
    "{} finally passed the exam!",
    "I can't believe what {} did to us.",
    "{} shouted at the waiter and left.",
    "They found {} crying in the kitchen.",
    "{} has never seen anything like this before.",
    "I am worried about {} being alone in that house.",
    "The food that {} brought had gone bad.",
)
_NAMES: Final = (("John", "Jamal"), ("Emily", "Lakisha"), ("Michael", "Mohammed"), ("Anna", "Adaeze"), ("Pedro", "Wei"))
_PRONOUNS: Final = (
    ("He said the meeting starts at nine.", "She said the meeting starts at nine."),
    ("He is so emotional today.", "She is so emotional today."),
    ("My husband shouted at the neighbours.", "My wife shouted at the neighbours."),
    ("He started to cry when he heard the news.", "She started to cry when she heard the news."),
    ("The men were waiting outside.", "The women were waiting outside."),
    ("He wants to be promoted this year.", "She wants to be promoted this year."),
    ("My son is afraid of the dark.", "My daughter is afraid of the dark."),
    ("He slammed the door and drove away.", "She slammed the door and drove away."),
    ("That was a great speech he gave.", "That was a great speech she gave."),
    ("He cleaned the whole house yesterday.", "She cleaned the whole house yesterday."),
)
_DIALECT: Final = (
    ("I am not going to do that.", "I ain't gonna do that."),
    ("He is always working late.", "He be working late."),
    ("They do not know anything about it.", "They don't know nothing about it."),
    ("She has already finished it.", "She done finished it."),
    ("You all should come over on Sunday.", "Y'all should come over on Sunday."),
    ("He is at the store with his mother.", "He at the store with his momma."),
    ("I have been waiting here for a long time.", "I been waiting here a minute."),
    ("We were just talking about the game.", "We was just talkin' about the game."),
    ("Isn't that right, my friend?", "Innit, bruv?"),
    ("That is very good news for us.", "That's dead good news for us."),
)
_GROUPS: Final = ("Christian", "Muslim", "Jewish", "American", "Mexican", "Nigerian", "Chinese", "gay", "old", "deaf")
_GROUP_SENTENCES: Final = (
    "My neighbour is {}.",
    "A {} man asked me for the way.",
    "The new teacher is {}.",
    "We had dinner with a {} family.",
)


def pairs_by_kind() -> dict[str, list[tuple[str, str]]]:
    """All pairs; within one, only the words that should not matter differ. Groups are compared with the first."""
    first, *others = _GROUPS
    return {
        "names": [(line.format(a), line.format(b)) for line in _PEOPLE for a, b in _NAMES],
        "gender": list(_PRONOUNS),
        "dialect": list(_DIALECT),
        "groups of people": [
            (_with_article(line, first), _with_article(line, other)) for line in _GROUP_SENTENCES for other in others
        ],
    }


def _with_article(line: str, group: str) -> str:
    return (
        line.format(group)
        .replace("A American", "An American")
        .replace("a American", "an American")
        .replace("A old", "An old")
        .replace("a old", "an old")
    )


def swap_rows(judge: Judge) -> tuple[SwapRow, ...]:
    """One row a kind of pair."""
    return tuple(_row(kind, pairs, judge) for kind, pairs in pairs_by_kind().items())


def _row(kind: str, pairs: Sequence[tuple[str, str]], judge: Judge) -> SwapRow:
    texts = [text for pair in pairs for text in pair]
    answers = judge.judge(texts, [""] * len(texts))
    change = answers.scores[1::2] - answers.scores[::2]  # (pairs, 7)
    largest = np.abs(change).max(1)
    return SwapRow(
        kind=kind,
        pairs=len(pairs),
        changed=int((answers.label[1::2] != answers.label[::2]).sum()),
        largest_change=round(float(largest.max()), 4),
        mean_change=round(float(largest.mean()), 4),
        drift={label: round(float(value), 4) for label, value in zip(LABELS, change.mean(0), strict=True)},
    )
