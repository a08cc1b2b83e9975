"""Drawn people: head, hair, shoulders, eyes and a mouth. Nobody real."""

from dataclasses import dataclass
from typing import Final

from pen import Colour, Pen

MOUTH_SHAPES: Final = 4  # closed, slightly open, open, wide open
INK: Final[Colour] = (38, 32, 40)


@dataclass(frozen=True)
class Person:
    """How somebody looks."""

    skin: Colour
    hair: Colour
    clothes: Colour
    long_hair: bool = False
    beard: bool = False
    bun: bool = False
    brows: int = 0  # height of the inner ends: above 0 raised, below 0 lowered; pixels
    smile: int = 0  # height of the corners of the mouth, pixels


def draw_person(pen: Pen, person: Person, at: tuple[int, int], mouth: int) -> None:
    """Draws the person from the chest up; `at` is the middle of the face, `mouth` one of MOUTH_SHAPES."""
    x, y = at
    _hair_behind(pen, person, at)
    pen.box((x - 190, y + 178, x + 190, y + 620), person.clothes, 120)
    pen.box((x - 44, y + 90, x + 44, y + 236), _darker(person.skin), 40)
    pen.oval((x - 58, y + 178, x + 58, y + 246), _darker(person.skin))
    pen.oval((x - 132, y - 24, x - 96, y + 40), person.skin)
    pen.oval((x + 96, y - 24, x + 132, y + 40), person.skin)
    pen.box((x - 114, y - 150, x + 114, y + 148), person.skin, 110)
    _hair_in_front(pen, person, at)
    for side in (-1, 1):
        pen.oval((x + side * 46 - 10, y - 22, x + side * 46 + 10, y + 2), INK)
        ends = (x + side * 26, y - 50 - person.brows, x + side * 70, y - 46)
        pen.line(ends, _darker(person.hair), 9)
    pen.arc((x - 14, y + 14, x + 14, y + 42), (20, 160), _darker(person.skin), 6)
    _mouth(pen, person, (x, y + 82), mouth)


def _hair_behind(pen: Pen, person: Person, at: tuple[int, int]) -> None:
    x, y = at
    if person.bun:
        pen.oval((x - 62, y - 262, x + 62, y - 148), person.hair)
    if person.long_hair:
        pen.box((x - 152, y - 180, x + 152, y + 236), person.hair, 120)


def _hair_in_front(pen: Pen, person: Person, at: tuple[int, int]) -> None:
    x, y = at
    if person.beard:
        pen.cut((x - 114, y - 66, x + 114, y + 152), (12, 168), person.hair)
    pen.cut((x - 126, y - 178, x + 126, y + 40), (186, 354), person.hair)
    if person.long_hair:
        pen.shape(((x - 126, y - 80), (x - 152, y + 120), (x - 100, y + 60), (x - 104, y - 90)), person.hair)
        pen.shape(((x + 126, y - 80), (x + 152, y + 120), (x + 100, y + 60), (x + 104, y - 90)), person.hair)


def _mouth(pen: Pen, person: Person, at: tuple[int, int], mouth: int) -> None:
    x, y = at
    if mouth == 0:
        if person.smile > 0:
            pen.arc((x - 40, y - 14 - person.smile, x + 40, y + 14), (25, 155), INK, 7)
        elif person.smile < 0:
            pen.arc((x - 40, y - 4, x + 40, y + 24 - person.smile), (205, 335), INK, 7)
        else:
            pen.line((x - 30, y, x + 30, y), INK, 7)
        return
    half = 38 - 4 * mouth
    pen.oval((x - half, y - 5 - 6 * mouth, x + half, y + 5 + 8 * mouth), (104, 36, 44))


def _darker(colour: Colour) -> Colour:
    red, green, blue = colour
    return red * 82 // 100, green * 82 // 100, blue * 82 // 100
