"""Videos whose sound lies between large pictures in different ways; made in moments, as no picture is encoded twice."""

from fractions import Fraction
from pathlib import Path
from typing import Final

FRAMES_PER_S: Final = 30
SAMPLES_PER_S: Final = 48_000

LAYOUTS: Final[dict[str, dict[str, str]]] = {
    "moov-at-start": {"movflags": "faststart"},
    "moov-at-end": {},
    "fragmented": {"movflags": "empty_moov+default_base_moof", "frag_duration": "8000000"},  # microseconds
}


def write_video(path: Path, layout: str, seconds: int, picture_bytes: int = 38_000) -> None:
    """A tone, and the same noisy picture 30 times a second."""
    import av
    import numpy as np

    rng = np.random.default_rng(1)
    with av.open(str(path), "w", format="mp4", options=LAYOUTS[layout]) as container:
        video = container.add_stream("mjpeg", rate=FRAMES_PER_S, width=640, height=360, pix_fmt="yuvj420p")
        audio = container.add_stream("aac", rate=SAMPLES_PER_S, layout="mono", bit_rate=96_000)
        noise = av.VideoFrame.from_ndarray(rng.integers(0, 60, (360, 640, 3), np.uint8), format="rgb24")
        picture = bytes(video.encode(noise)[0])
        picture += bytes(max(picture_bytes - len(picture), 0))  # behind the end marker, where no decoder looks
        for second in range(seconds):
            for frame in range(FRAMES_PER_S):
                packet = av.Packet(picture)
                packet.stream, packet.time_base = video, Fraction(1, FRAMES_PER_S)
                packet.pts = packet.dts = second * FRAMES_PER_S + frame
                packet.duration, packet.is_keyframe = 1, True
                container.mux(packet)
            times = (np.arange(SAMPLES_PER_S) + second * SAMPLES_PER_S) / SAMPLES_PER_S
            tone = (np.sin(times * 2 * np.pi * 300) * 0.3 * (1 + np.sin(times * 5))).astype(np.float32)
            sound = av.AudioFrame.from_ndarray(tone[None], format="fltp", layout="mono")
            sound.sample_rate, sound.pts = SAMPLES_PER_S, second * SAMPLES_PER_S
            container.mux(audio.encode(sound))
        container.mux(audio.encode(None))
