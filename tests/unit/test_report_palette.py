"""The colours of the emotions, as different eyes see them."""

import re
from itertools import combinations

import numpy as np
import numpy.typing as npt
import pytest

from emoscribe.labels import LABELS
from emoscribe.report.html_report import VIEWER_DIR

Colour = npt.NDArray[np.float64]  # (3,), linear RGB in [0, 1]

JUST_NOTICEABLE = 0.02  # Euclidean distance in OKLab
GRAPHICS_CONTRAST = 3.0  # WCAG 2.2, 1.4.11
TEXT_CONTRAST = 4.5  # WCAG 2.2, 1.4.3

# Machado, Oliveira, Fernandes 2009, severity 1.0, for linear RGB
EYES = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritanopia": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}

# Ottosson 2020, https://bottosson.github.io/posts/oklab/
TO_LMS = np.array(
    [[0.4122214708, 0.5363325363, 0.0514459929], [0.2119034982, 0.6806995451, 0.1073969566],
     [0.0883024619, 0.2817188376, 0.6299787005]]
)  # fmt: skip
TO_LAB = np.array(
    [[0.2104542553, 0.7936177850, -0.0040720468], [1.9779984951, -2.4285922050, 0.4505937099],
     [0.0259040371, 0.7827717662, -0.8086757660]]
)  # fmt: skip


def palette(scheme: str) -> dict[str, Colour]:
    """The custom properties of a scheme: the first `:root` is light, the second dark."""
    blocks = re.findall(r":root \{(.*?)\}", (VIEWER_DIR / "src" / "viewer.css").read_text(), re.DOTALL)
    found = re.findall(r"--([\w-]+): (#[0-9a-f]{6});", blocks[("light", "dark").index(scheme)])
    return {name: linear(value) for name, value in found}


def linear(colour: str) -> Colour:
    encoded = np.array([int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)])
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)


def oklab(colour: Colour) -> Colour:
    lab: Colour = TO_LAB @ np.cbrt(TO_LMS @ colour)
    return lab


def contrast(one: Colour, other: Colour) -> float:
    weights = np.array([0.2126, 0.7152, 0.0722])
    dark, light = sorted([float(one @ weights), float(other @ weights)])
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("eyes", EYES)
def test_any_two_emotions_are_told_apart(eyes: str, scheme: str) -> None:
    seen = {one: oklab(np.clip(EYES[eyes] @ palette(scheme)[one], 0, 1)) for one in LABELS}
    distances = {pair: float(np.linalg.norm(seen[pair[0]] - seen[pair[1]])) for pair in combinations(LABELS, 2)}
    closest = min(distances, key=lambda pair: distances[pair])
    assert distances[closest] >= 5 * JUST_NOTICEABLE, f"{closest}: {distances[closest]:.3f}"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("emotion", LABELS)
def test_every_emotion_stands_out_from_its_ground(emotion: str, scheme: str) -> None:
    colours = palette(scheme)
    for ground in ("ground", "card", "page"):
        assert contrast(colours[emotion], colours[ground]) >= GRAPHICS_CONTRAST, ground


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    ("text", "grounds"),
    [
        ("ink", ("card", "page", "ground", "chosen", "flag-ground", "found")),
        ("muted", ("card", "page", "ground", "chosen")),
        ("accent", ("card", "page", "chosen", "flag-ground")),
        ("on-accent", ("accent",)),
        ("flag", ("card", "page", "flag-ground")),
    ],
)
def test_text_is_legible(text: str, grounds: tuple[str, ...], scheme: str) -> None:
    colours = palette(scheme)
    for ground in grounds:
        assert contrast(colours[text], colours[ground]) >= TEXT_CONTRAST, ground
