"""A canvas for smooth flat drawings: drawn at twice the size, then scaled down (Pillow's own edges are jagged)."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

WIDTH: Final = 1280
HEIGHT: Final = 720
SCALE: Final = 2
FONT: Final = "/usr/share/fonts/truetype/lato/Lato-{weight}.ttf"

Colour = tuple[int, int, int]
Point = tuple[int, int]
Box = tuple[int, int, int, int]  # left, top, right, bottom
Frame = npt.NDArray[np.uint8]  # (HEIGHT, WIDTH, 3)


class Pen:
    """Draws on a canvas of WIDTH x HEIGHT; all coordinates are pixels of that."""

    def __init__(self) -> None:
        self._image = Image.new("RGB", (WIDTH * SCALE, HEIGHT * SCALE))
        self._draw = ImageDraw.Draw(self._image, "RGBA")

    def sky(self, top: Colour, bottom: Colour) -> None:
        """Fills the canvas with a gradient."""
        share = np.linspace(0, 1, HEIGHT * SCALE)[:, np.newaxis, np.newaxis]
        column = np.array(top) * (1 - share) + np.array(bottom) * share  # (height, 1, 3)
        rows = np.broadcast_to(column, (HEIGHT * SCALE, WIDTH * SCALE, 3)).astype(np.uint8)
        self._image.paste(Image.fromarray(np.ascontiguousarray(rows)))

    def box(self, box: Box, fill: tuple[int, ...], radius: int = 0) -> None:
        """A filled rectangle; a fourth number in `fill` is its opacity, 0 to 255."""
        self._draw.rounded_rectangle(_scaled(box), radius * SCALE, fill=fill)

    def frame(self, box: Box, colour: Colour, width: int) -> None:
        """An empty rectangle."""
        self._draw.rectangle(_scaled(box), outline=colour, width=width * SCALE)

    def oval(self, box: Box, fill: Colour) -> None:
        """A filled ellipse."""
        self._draw.ellipse(_scaled(box), fill=fill)

    def cut(self, box: Box, angles: tuple[int, int], fill: Colour) -> None:
        """The part of an ellipse on one side of a straight cut; degrees clockwise from three o'clock."""
        self._draw.chord(_scaled(box), *angles, fill=fill)

    def arc(self, box: Box, angles: tuple[int, int], colour: Colour, width: int) -> None:
        """A part of an ellipse's outline."""
        self._draw.arc(_scaled(box), *angles, fill=colour, width=width * SCALE)

    def shape(self, points: tuple[Point, ...], fill: Colour) -> None:
        """A filled polygon."""
        self._draw.polygon([(x * SCALE, y * SCALE) for x, y in points], fill=fill)

    def line(self, points: Box, colour: Colour, width: int) -> None:
        """A straight line from the first two numbers to the last two."""
        self._draw.line(_scaled(points), fill=colour, width=width * SCALE)

    def text(self, at: Point, text: str, colour: Colour, **style: Any) -> None:
        """One line of text. `style`: weight of Lato, size in pixels, anchor as in Pillow."""
        font = ImageFont.truetype(FONT.format(weight=style.get("weight", "Regular")), style["size"] * SCALE)
        self._draw.text((at[0] * SCALE, at[1] * SCALE), text, colour, font, style.get("anchor", "ls"))

    def finished(self) -> Frame:
        """The drawing."""
        return np.array(self._image.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS))


def _scaled(box: Box) -> Box:
    left, top, right, bottom = box
    return left * SCALE, top * SCALE, right * SCALE, bottom * SCALE
