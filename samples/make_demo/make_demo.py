"""Makes the bundled sample again: `python samples/make_demo/make_demo.py`. Tools: see samples/README.md.

Writes samples/demo-pt.mp4 and samples/demo-pt.json: what is said when, by whom, and what it was made from.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
from pen import HEIGHT, WIDTH, Frame
from pictures import FRAMES_PER_SECOND, Loudness, frames
from screenplay import FILE, Schedule, Screenplay, read_screenplay, schedule
from sound import CREDITS_NOTES_HZ, TITLE_NOTES_HZ, Audio, Placed, levelled, melody, mix, rain
from voices import VOICE_RATE_HZ, Speaker, Voice, fetch_voices, resampled

SAMPLES_DIR: Final = Path(__file__).parents[1]
VIDEO: Final = SAMPLES_DIR / "demo-pt.mp4"
TRUTH: Final = SAMPLES_DIR / "demo-pt.json"

ESPEAK_LANGUAGE: Final = "pt-br"
SOUND_RATE_HZ: Final = 48_000
SOUND_BITS_PER_S: Final = 72_000
AAC_FRAME: Final = 1024  # samples
PICTURE_OPTIONS: Final = {"crf": "26", "preset": "slow", "tune": "animation", "profile": "high", "threads": "2"}
SECONDS_PER_KEY_FRAME: Final = 5  # so that a player can jump


def main() -> None:
    """Speaks, mixes, draws and encodes."""
    play = read_screenplay()
    speaker = Speaker(fetch_voices())
    spoken = [speaker.say(line.aloud, _voice(play, line.speaker)) for line in play.lines]
    plan = schedule(play, [len(audio) * 1000 // VOICE_RATE_HZ for audio in spoken])
    speech = [Placed(start, levelled(audio)) for start, audio in zip(plan.line_starts_ms, spoken, strict=True)]
    sound = mix([*speech, *_effects(play, plan)], plan.total_ms, VOICE_RATE_HZ)
    mouths = _loudness(mix(speech, plan.total_ms, VOICE_RATE_HZ), plan.total_ms)
    unfinished = VIDEO.with_name("unfinished.mp4")
    encode(unfinished, frames(play, plan, mouths), sound)
    unfinished.replace(VIDEO)
    TRUTH.write_text(json.dumps(_truth(play, plan), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def _voice(play: Screenplay, speaker: str) -> Voice:
    role = play.speakers[speaker]
    return Voice(role.voice, ESPEAK_LANGUAGE, role.speed, role.pitch)


def _effects(play: Screenplay, plan: Schedule) -> list[Placed]:
    """What is heard besides speech."""
    ending_ms = plan.shots[-1].end_ms
    return [
        Placed(0, melody(TITLE_NOTES_HZ, play.title_ms, VOICE_RATE_HZ)),
        Placed(ending_ms, melody(CREDITS_NOTES_HZ, play.credits_ms, VOICE_RATE_HZ)),
        *(
            Placed(shot.start_ms, rain(shot.end_ms - shot.start_ms, VOICE_RATE_HZ))
            for shot in plan.shots
            if play.speakers[shot.speaker].sound == "rain"
        ),
    ]


def _loudness(speech: Audio, total_ms: int) -> Loudness:
    """How loud the speech is at each frame, 0 to 1."""
    ends = np.linspace(0, len(speech), total_ms * FRAMES_PER_SECOND // 1000 + 1).astype(int)
    level = np.array([np.sqrt(np.mean(np.square(speech[a:b]))) for a, b in pairwise(ends)])
    return np.asarray(np.clip(level / np.percentile(level, 97), 0, 1), dtype=np.float32)


def encode(file: Path, pictures: Iterator[Frame], sound: Audio) -> None:
    """H.264 and AAC in mp4, index in front, sound and picture interleaved."""
    import av

    with av.open(file, "w", options={"movflags": "+faststart", "fflags": "+bitexact"}) as container:
        video: Any = container.add_stream("libx264", rate=FRAMES_PER_SECOND, options=PICTURE_OPTIONS)
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        video.gop_size = SECONDS_PER_KEY_FRAME * FRAMES_PER_SECOND
        audio: Any = container.add_stream("aac", rate=SOUND_RATE_HZ, layout="mono")
        audio.bit_rate = SOUND_BITS_PER_S
        louder = resampled(sound, len(sound) * SOUND_RATE_HZ // VOICE_RATE_HZ)
        sound_frames = _sound_frames(louder)
        sound_until_s = 0.0
        for number, picture in enumerate(pictures):
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            while sound_until_s <= number / FRAMES_PER_SECOND and (frame := next(sound_frames, None)):
                container.mux(audio.encode(frame))
                sound_until_s += AAC_FRAME / SOUND_RATE_HZ
        for frame in sound_frames:
            container.mux(audio.encode(frame))
        container.mux(video.encode(None))
        container.mux(audio.encode(None))


def _sound_frames(sound: Audio) -> Iterator[Any]:
    import av

    for start in range(0, len(sound), AAC_FRAME):
        frame = av.AudioFrame.from_ndarray(sound[np.newaxis, start : start + AAC_FRAME], format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = SOUND_RATE_HZ, start, Fraction(1, SOUND_RATE_HZ)
        yield frame


def _truth(play: Screenplay, plan: Schedule) -> dict[str, Any]:
    """What the video holds; the hashes tie it to its screenplay and its bytes."""
    return {
        "screenplay_sha256": hashlib.sha256(FILE.read_bytes()).hexdigest(),
        "video_sha256": hashlib.sha256(VIDEO.read_bytes()).hexdigest(),
        "duration_ms": plan.total_ms,
        "language": "pt",
        "lines": [
            {"start_ms": start, "end_ms": end, **asdict(line)}
            for line, start, end in zip(play.lines, plan.line_starts_ms, plan.line_ends_ms, strict=True)
        ],
    }


if __name__ == "__main__":
    main()
