"""The frames: a place, a person whose mouth follows the sound, a name, a moving sound wave. No spoken word is shown."""

from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt
from pen import HEIGHT, WIDTH, Colour, Frame, Pen
from people import MOUTH_SHAPES, Person, draw_person
from scenery import SCENES
from screenplay import Role, Schedule, Screenplay

FRAMES_PER_SECOND: Final = 20
FADE_FRAMES: Final = 8

DARK: Final[Colour] = (16, 24, 44)
WHITE: Final[Colour] = (248, 248, 250)
PALE: Final[Colour] = (186, 198, 220)
ACCENT: Final[Colour] = (232, 176, 68)

FACE_AT: Final = (640, 320)
WAVE_BARS: Final = 40
WAVE_LEFT: Final = 908
WAVE_MIDDLE: Final = 626
BAR_WIDTH: Final = 4
BAR_STEP: Final = 7
BAR_MAX: Final = 34  # half the height of the loudest bar, pixels
MOUTH_STEPS: Final = (0.1, 0.3, 0.6)  # loudness, 0 to 1, from which the mouth opens further

Loudness = npt.NDArray[np.float32]  # (frames,), 0 to 1

PEOPLE: Final[dict[str, Person]] = {
    "anchor": Person((122, 80, 58), (26, 20, 20), (40, 62, 118), long_hair=True),
    "frightened": Person((196, 146, 110), (74, 46, 34), (112, 92, 142), long_hair=True, brows=16, smile=-12),
    "angry": Person((214, 164, 130), (92, 84, 80), (150, 52, 48), beard=True, brows=-18, smile=-8),
    "sad": Person((236, 198, 172), (204, 204, 210), (86, 104, 126), bun=True, brows=16, smile=-12),
    "disgusted": Person((228, 182, 150), (54, 40, 34), (72, 112, 90), brows=-10, smile=-12),
    "surprised": Person((150, 100, 74), (30, 22, 24), (44, 122, 132), brows=8),
    "happy": Person((186, 130, 96), (48, 28, 26), (226, 120, 96), long_hair=True, smile=16),
}


def frames(play: Screenplay, plan: Schedule, loudness: Loudness) -> Iterator[Frame]:
    """All frames of the video, in order; `loudness` has one value per frame."""
    stills = {key: _stills(key, role) for key, role in play.speakers.items()}
    title, ending = _card(play.title, play.subtitle), _card(play.title, play.ending)
    wave = np.concatenate([np.zeros(WAVE_BARS, np.float32), loudness])
    before, shown, shot, since_cut = title, title, -1, FADE_FRAMES
    for number, loud in enumerate(loudness):
        shot_now = _shot_at(plan, number * 1000 // FRAMES_PER_SECOND)
        if shot_now != shot:
            before, shot, since_cut = shown, shot_now, 0
        if 0 <= shot < len(plan.shots):
            shown = stills[plan.shots[shot].speaker][_mouth(float(loud))].copy()
            _draw_wave(shown, wave[number + 1 : number + 1 + WAVE_BARS])
        else:
            shown = title if shot < 0 else ending
        since_cut += 1
        yield _faded(before, shown, since_cut / FADE_FRAMES)


def _shot_at(plan: Schedule, at_ms: int) -> int:
    """Number of the shot; -1 is the title, len(plan.shots) the credits."""
    return sum(shot.start_ms <= at_ms for shot in plan.shots) - 1 + (at_ms >= plan.shots[-1].end_ms)


def _mouth(loudness: float) -> int:
    return min(sum(loudness >= step for step in MOUTH_STEPS), MOUTH_SHAPES - 1)


def _faded(before: Frame, after: Frame, share: float) -> Frame:
    if share >= 1:
        return after
    return np.asarray(before * (1 - share) + after * share, dtype=np.uint8)


def _draw_wave(frame: Frame, loudness: Loudness) -> None:
    """The last seconds of sound as bars, the newest at the right."""
    for place, loud in enumerate(loudness):
        left = WAVE_LEFT + place * BAR_STEP
        half = 2 + round(float(loud) * BAR_MAX)
        frame[WAVE_MIDDLE - half : WAVE_MIDDLE + half, left : left + BAR_WIDTH] = ACCENT


def _stills(speaker: str, role: Role) -> list[Frame]:
    """What doesn't move in a shot: one picture per shape of the mouth."""
    pictures = []
    for mouth in range(MOUTH_SHAPES):
        pen = Pen()
        SCENES[role.scene](pen)
        draw_person(pen, PEOPLE[speaker], FACE_AT, mouth)
        _draw_names(pen, role)
        pictures.append(pen.finished())
    return pictures


def _draw_names(pen: Pen, role: Role) -> None:
    pen.box((64, 574, WIDTH - 64, 678), (*DARK, 236), 14)
    pen.box((64, 574, 76, 678), ACCENT, 6)
    pen.text((104, 622), role.name, WHITE, weight="Bold", size=42)
    pen.text((104, 660), role.role, PALE, size=27)
    pen.box((64, 44, 276, 88), (*DARK, 236), 10)
    pen.text((170, 74), "JORNAL DA VILA", WHITE, weight="Bold", size=22, anchor="ms")


def _card(title: str, subtitle: str) -> Frame:
    pen = Pen()
    pen.sky((14, 26, 56), (34, 72, 128))
    for x, height in zip(range(0, WIDTH, 80), (60, 110, 80, 150, 90, 130, 70, 120) * 2, strict=True):
        pen.shape(((x, HEIGHT - height), (x + 40, HEIGHT - height - 34), (x + 80, HEIGHT - height)), (12, 22, 46))
        pen.box((x, HEIGHT - height, x + 80, HEIGHT), (12, 22, 46))
        pen.box((x + 32, HEIGHT - height + 18, x + 48, HEIGHT - height + 36), ACCENT)
    pen.text((WIDTH // 2, 320), title, WHITE, weight="Black", size=104, anchor="ms")
    pen.box((WIDTH // 2 - 60, 356, WIDTH // 2 + 60, 362), ACCENT)
    pen.text((WIDTH // 2, 422), subtitle, PALE, weight="Light", size=46, anchor="ms")
    return pen.finished()
