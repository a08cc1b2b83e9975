"""Makes the tests' speech clips again: `python samples/make_demo/make_clips.py`. Tools: see samples/README.md.

Writes tests/data/speech/<name>.ogg (Opus, mono, 16 kHz before encoding) and tests/data/speech/manifest.json.
"""

import json
import tomllib
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import numpy as np
from sound import Audio, levelled
from voices import EDGE_MS, VOICE_RATE_HZ, Speaker, Voice, fetch_voices, resampled

HERE: Final = Path(__file__).parent
CLIPS_DIR: Final = HERE.parents[1] / "tests" / "data" / "speech"

CLIP_RATE_HZ: Final = 16_000
BITS_PER_S: Final = 32_000


def main() -> None:
    """Speaks and encodes every clip of clips.toml."""
    speaker = Speaker(fetch_voices())
    CLIPS_DIR.mkdir(parents=True, exist_ok=True)
    entries = []
    for clip in tomllib.loads((HERE / "clips.toml").read_text(encoding="utf-8"))["clips"]:
        voice = Voice(clip["voice"], clip["espeak_language"])
        spoken = levelled(speaker.say(clip.get("spoken", clip["text"]), voice))
        samples = resampled(spoken, len(spoken) * CLIP_RATE_HZ // VOICE_RATE_HZ)
        file = CLIPS_DIR / f"{clip['name']}.ogg"
        encode(file, samples)
        entries.append(_entry(clip, file.name, len(samples)))
    manifest = {"license": "Apache-2.0", "silence_at_ends_ms": EDGE_MS, "clips": entries}
    text = json.dumps(manifest, ensure_ascii=False, indent=1) + "\n"
    (CLIPS_DIR / "manifest.json").write_text(text, encoding="utf-8")


def _entry(clip: dict[str, Any], file: str, samples: int) -> dict[str, Any]:
    return {
        "file": file,
        "language": clip["language"],
        "text": clip["text"],
        "spoken": clip.get("spoken", clip["text"]),
        "duration_ms": samples * 1000 // CLIP_RATE_HZ,
    }


def encode(file: Path, samples: Audio) -> None:
    """Opus in Ogg."""
    import av

    with av.open(file, "w", options={"fflags": "+bitexact"}) as container:
        stream: Any = container.add_stream("libopus", rate=CLIP_RATE_HZ, layout="mono")
        stream.bit_rate = BITS_PER_S
        pcm = (samples[np.newaxis] * 32767).astype(np.int16)  # (1, n)
        frame = av.AudioFrame.from_ndarray(pcm, format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = CLIP_RATE_HZ, 0, Fraction(1, CLIP_RATE_HZ)
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


if __name__ == "__main__":
    main()
