"""Drawn places, one function per scene, each filling a canvas of WIDTH x HEIGHT. No photographs, nobody's logo."""

from collections.abc import Callable
from typing import Final

import numpy as np
from pen import HEIGHT, WIDTH, Colour, Pen


def _houses(pen: Pen, ground: int, walls: list[Colour], roof: Colour, window: Colour) -> None:
    """A row of small houses standing on `ground`."""
    chance = np.random.default_rng(7)
    left = -40
    while left < WIDTH:
        width, height = int(chance.integers(130, 220)), int(chance.integers(110, 200))
        top = ground - height
        pen.box((left, top, left + width, ground), walls[chance.integers(len(walls))])
        pen.shape(((left - 14, top), (left + width // 2, top - 60), (left + width + 14, top)), roof)
        for x in range(left + 28, left + width - 50, 64):
            pen.box((x, top + 34, x + 32, top + 74), window)
        left += width + int(chance.integers(4, 30))


def studio(pen: Pen) -> None:
    """A news studio: dark wall, lit panels, a desk."""
    pen.sky((18, 32, 62), (28, 58, 104))
    for x in range(60, WIDTH, 240):
        pen.box((x, 70, x + 200, 430), (30, 66, 122), 16)
        pen.box((x + 14, 84, x + 186, 416), (36, 82, 148), 10)
    pen.box((0, 590, WIDTH, HEIGHT), (14, 24, 46))
    pen.box((0, 582, WIDTH, 590), (232, 176, 68))


def night_street(pen: Pen) -> None:
    """Houses at night in the rain, one lit window."""
    pen.sky((12, 16, 34), (44, 54, 88))
    _houses(pen, 560, [(34, 40, 66), (28, 34, 58)], (20, 24, 44), (22, 27, 48))
    pen.box((1010, 452, 1050, 502), (238, 190, 92))
    pen.box((0, 560, WIDTH, HEIGHT), (24, 30, 50))
    chance = np.random.default_rng(3)
    for _ in range(260):
        x, y = int(chance.integers(WIDTH)), int(chance.integers(HEIGHT))
        length = int(chance.integers(14, 40))
        pen.line((x, y, x - length // 4, y + length), (92, 108, 148), 2)


def river(pen: Pen) -> None:
    """A brown river under grey clouds, rubbish on its bank."""
    pen.sky((132, 144, 156), (196, 200, 200))
    for x, y, size in ((160, 120, 150), (420, 80, 190), (900, 110, 200), (1120, 70, 150)):
        pen.oval((x - size, y - size // 3, x + size, y + size // 3), (166, 174, 182))
    pen.shape(((0, 420), (300, 360), (700, 410), (1280, 350), (1280, 480), (0, 480)), (88, 112, 82))
    pen.box((0, 460, WIDTH, HEIGHT), (134, 104, 70))
    for y in range(480, HEIGHT, 34):
        for x in range((y * 7) % 160 - 80, WIDTH, 240):
            pen.arc((x, y, x + 130, y + 26), (200, 340), (158, 128, 90), 5)
    for x, y, colour in ((150, 500, (196, 70, 60)), (236, 540, (226, 220, 208)), (1040, 512, (70, 110, 160))):
        pen.box((x, y, x + 66, y + 34), colour, 8)


def living_room(pen: Pen) -> None:
    """A bare room: an empty picture frame, the mark of the water on the wall."""
    pen.sky((150, 160, 176), (172, 178, 188))
    pen.box((0, 400, WIDTH, 600), (134, 132, 130))
    pen.line((0, 400, WIDTH, 400), (112, 106, 100), 6)
    pen.box((0, 600, WIDTH, HEIGHT), (92, 74, 62))
    pen.frame((150, 120, 370, 290), (96, 72, 52), 16)
    pen.box((166, 136, 354, 274), (204, 206, 208))
    pen.box((960, 90, 1180, 330), (202, 214, 226))
    pen.frame((960, 90, 1180, 330), (232, 230, 224), 14)
    pen.line((1070, 90, 1070, 330), (232, 230, 224), 10)


def kitchen(pen: Pen) -> None:
    """A tiled kitchen, green-brown mud on the floor and up the cupboards."""
    pen.sky((208, 214, 202), (186, 196, 178))
    for x in range(0, WIDTH, 80):
        pen.line((x, 0, x, 420), (222, 228, 216), 4)
    for y in range(20, 420, 80):
        pen.line((0, y, WIDTH, y), (222, 228, 216), 4)
    pen.box((60, 330, 420, 640), (150, 112, 78))
    pen.box((860, 330, 1220, 640), (150, 112, 78))
    for x in (230, 1030):
        pen.line((x, 340, x, 640), (118, 86, 58), 6)
    pen.box((40, 312, 440, 334), (98, 92, 88))
    pen.box((840, 312, 1240, 334), (98, 92, 88))
    pen.box((0, 560, WIDTH, HEIGHT), (94, 92, 48))
    for x in range(-40, WIDTH, 170):
        pen.oval((x, 536, x + 230, 590), (94, 92, 48))


def gate(pen: Pen) -> None:
    """A garden gate in the early morning, a dog before it."""
    pen.sky((246, 196, 150), (252, 228, 190))
    pen.oval((1010, 90, 1150, 230), (255, 236, 190))
    _houses(pen, 470, [(214, 160, 130), (226, 180, 140)], (168, 92, 72), (250, 236, 206))
    pen.box((0, 470, WIDTH, HEIGHT), (140, 158, 92))
    for x in list(range(20, 420, 56)) + list(range(880, WIDTH, 56)):
        pen.shape(((x, 640), (x, 400), (x + 18, 372), (x + 36, 400), (x + 36, 640)), (250, 246, 236))
    pen.box((0, 440, 420, 462), (250, 246, 236))
    pen.box((880, 440, WIDTH, 462), (250, 246, 236))
    _dog(pen, 1010, 470)


def square(pen: Pen) -> None:
    """A sunny square with trees and paper flags."""
    pen.sky((112, 190, 236), (206, 234, 246))
    pen.oval((840, 110, 950, 220), (255, 224, 110))
    _houses(pen, 480, [(244, 170, 120), (250, 206, 120), (150, 196, 186)], (188, 90, 70), (248, 244, 232))
    pen.box((0, 480, WIDTH, HEIGHT), (122, 184, 98))
    for x in (190, 1090):
        pen.box((x - 18, 360, x + 18, 560), (120, 84, 58))
        pen.oval((x - 130, 190, x + 130, 420), (66, 140, 84))
    colours = ((226, 82, 82), (250, 196, 70), (86, 128, 206), (250, 250, 244))
    for number, x in enumerate(range(20, WIDTH, 60)):
        y = 40 + abs((x % 640) - 320) // -8 + 40
        pen.shape(((x, y), (x + 36, y), (x + 18, y + 40)), colours[number % len(colours)])
    _dog(pen, 900, 490)


def _dog(pen: Pen, x: int, y: int) -> None:
    """A sitting dog seen from the front, its head at (x, y)."""
    coat, ear = (178, 122, 70), (126, 82, 46)
    pen.box((x - 50, y + 30, x + 50, y + 170), coat, 44)
    pen.oval((x - 52, y - 48, x + 52, y + 52), coat)
    pen.oval((x - 70, y - 46, x - 34, y + 30), ear)
    pen.oval((x + 34, y - 46, x + 70, y + 30), ear)
    pen.oval((x - 26, y - 2, x + 26, y + 44), (238, 214, 180))
    for side in (-1, 1):
        pen.oval((x + side * 20 - 6, y - 18, x + side * 20 + 6, y - 6), (30, 24, 24))
    pen.oval((x - 9, y + 2, x + 9, y + 16), (30, 24, 24))


SCENES: Final[dict[str, Callable[[Pen], None]]] = {
    "studio": studio,
    "night_street": night_street,
    "river": river,
    "living_room": living_room,
    "kitchen": kitchen,
    "gate": gate,
    "square": square,
}
