"""Held-out rates of the two mistakes about invented text: sounds without words believed, true short speech suspected.

    python -m tests.bench.invented_text [--debian FOLDER] [--show]

The limits in `emoscribe/whisper/invention.py` were chosen on tests/sounds.py with its own seeds and on real speech.
Here:
- the same kinds of sound with other seeds, lengths, speeds, voices, and two at once;
- real sounds, real music, and short real prompts and single words in seven languages, from Debian packages:
  apt-get download asterisk-core-sounds-{en,es,fr,it,ru}-g722 asterisk-core-sounds-{en,es,fr,it,ru} ktuberling-data
  apt-get download asterisk-moh-opsound-g722 frozen-bubble-data sound-theme-freedesktop
  apt-get download tuxpaint-stamps-default
  apt-get download wesnoth-1.16-data
  for deb in *.deb; do dpkg -x $deb FOLDER; done
- stretches of the long recordings and fixtures between two silences, 0.5 to 5 s (not held out for certain).

Each sound goes through speech detection and the transcriber, as in the pipeline; those without words also ("alone")
straight to the transcriber, which is harder. A sound is believed if it has words that are not suspect.
"""

import argparse
import gzip
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from emoscribe import catalog
from emoscribe.local_stages import WHISPER
from emoscribe.settings import load_settings
from emoscribe.speech import SpeechDetector, SpeechOptions
from emoscribe.transcribe import WhisperOptions, WhisperTranscriber
from emoscribe.types import SAMPLES_PER_MS, Samples, Transcript, TranscriptionRequest
from tests import sounds
from tests.bench.output import save
from tests.conftest import ROOT

SPEECH = ROOT.parent / "shared" / "data" / "speech"
LONGEST = 10_000 * SAMPLES_PER_MS
PROMPTS_A_LANGUAGE = 60
REAL_SOUNDS = (
    "tuxpaint/stamps/animals",
    "tuxpaint/stamps/household",
    "tuxpaint/stamps/hobbies",
    "tuxpaint/stamps/naturalforces",
    "games/wesnoth/1.16/data/core/sounds",
    "games/frozen-bubble/snd",
    "sounds/freedesktop/stereo",
    "asterisk/moh",
)
SPOKEN = ("_desc", "audio-channel")  # parts of names of files in these folders in which somebody speaks
VOICES = {"en": "en_US_f_Allison", "es": "es_MX_f_Allison", "fr": "fr_CA_f_June", "it": "it_IT_m_Carlo"}
VOICES["ru"] = "ru_RU_f_IvrvoiceRU"


@dataclass(frozen=True)
class Sound:
    group: str
    name: str
    samples: Samples
    language: str | None = None  # of the words in it; None: there are none


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--debian", type=Path, help="where the packages were unpacked; without it, no real sounds")
    parser.add_argument("--show", action="store_true", help="print each mistake")
    arguments = parser.parse_args()
    transcriber = _transcriber()
    figures: dict[str, dict[str, dict[str, int]]] = {}
    for way, hear in {"pipeline": _through_detection, "alone": _alone}.items():
        counts: dict[str, dict[str, int]] = {}
        for sound in _all_sounds(arguments.debian):
            if way == "alone" and sound.language:
                continue  # hardly differs: speech is detected in nearly all of it
            verdict, text = _verdict(hear(sound, transcriber))
            count = counts.setdefault(sound.group, {"sounds": 0, "believed": 0, "suspected": 0, "no words": 0})
            count["sounds"] += 1
            count[verdict] += 1
            if arguments.show and verdict == ("believed" if sound.language is None else "suspected"):
                print(f"    {way} {sound.name} {len(sound.samples) / 16_000:.1f} s: {text}", flush=True)
        for group, count in counts.items():
            print(f"{way:9} {group:32}", ", ".join(f"{n} {what}" for what, n in count.items()), flush=True)
        figures[way] = counts
    save("invented_text", figures)


def _transcriber() -> WhisperTranscriber:
    settings = load_settings()
    name = WHISPER[settings.profile]
    folder, info = catalog.locate(name, settings.models_dir), catalog.model_info(name, settings.models_dir)
    return WhisperTranscriber(folder, info, WhisperOptions(threads=2))


def _through_detection(sound: Sound, transcriber: WhisperTranscriber) -> list[Transcript]:
    clips = [clip.samples for clip in SpeechDetector().clips([sound.samples])]
    return _heard(clips, sound, transcriber)


def _alone(sound: Sound, transcriber: WhisperTranscriber) -> list[Transcript]:
    return _heard([sound.samples], sound, transcriber)


def _heard(clips: Sequence[Samples], sound: Sound, transcriber: WhisperTranscriber) -> list[Transcript]:
    requests = [TranscriptionRequest(clip, likely_language=sound.language) for clip in clips]
    return [outcome for outcome in transcriber.transcribe(requests) if isinstance(outcome, Transcript)]


def _verdict(transcripts: Sequence[Transcript]) -> tuple[str, str]:
    written = [transcript for transcript in transcripts if transcript.words]
    text = " | ".join(transcript.text for transcript in written)
    if not written:
        return "no words", text
    return ("suspected" if all(transcript.is_suspect for transcript in written) else "believed"), text


# --- what is heard ----------------------------------------------------------------------------


def _all_sounds(debian: Path | None) -> Iterator[Sound]:
    yield from _made_sounds()
    if SPEECH.is_dir():
        yield from _stretches()
    if debian:
        yield from _real_sounds(debian / "usr" / "share")
        yield from _prompts(debian / "usr" / "share")
        yield from _single_words(debian / "usr" / "share")


def _made_sounds() -> Iterator[Sound]:
    """Five of each kind, each with another seed, length and speed (so pitch, rhythm and brightness differ)."""
    kinds: dict[str, Callable[[int, int], Samples]] = {
        "white noise": sounds.white_noise,
        "pink noise": sounds.pink_noise,
        "music": sounds.music,
        "applause": sounds.applause,
        "laughter": sounds.laughter,
        "singing": sounds.singing,
        "babble": sounds.babble,
        "babble of three": lambda ms, seed: sounds.babble(ms, seed, voices=3),
        "laughter in applause": lambda ms, seed: _mixed(sounds.laughter(ms, seed), sounds.applause(ms, seed)),
        "singing to music": lambda ms, seed: _mixed(sounds.singing(ms, seed), sounds.music(ms, seed)),
        "babble in noise": lambda ms, seed: _mixed(sounds.babble(ms, seed), sounds.pink_noise(ms, seed)),
        "two tones": lambda ms, seed: _mixed(sounds.tone(ms, 300 + seed), sounds.tone(ms, 2 * seed)),
    }
    speeds = (0.8, 0.9, 1.0, 1.15, 1.3)
    for kind, make in kinds.items():
        for n, speed in enumerate(speeds):
            samples = _played(make(2500 + 1700 * n, 101 + n), speed)
            yield Sound(f"made: {kind}", f"{kind} {n}", samples)


def _mixed(one: Samples, other: Samples) -> Samples:
    return np.asarray(0.5 * (one + other), dtype=np.float32)


def _played(samples: Samples, speed: float) -> Samples:
    at = np.arange(0, len(samples) - 1, speed)
    return np.asarray(np.interp(at, np.arange(len(samples)), samples), dtype=np.float32)


def _stretches() -> Iterator[Sound]:
    """The stretches of 0.5 to 5 s between two silences."""
    recordings = {
        "longform/pt-adam.ogg": "pt",
        "longform/en-brian.ogg": "en",
        "fixtures/pt-BR_Sample1-16KHz.wav": "pt",
        "fixtures/jfk.flac": "en",
    }
    for name, language in recordings.items():
        options = SpeechOptions(max_gap_ms=0)  # each sound a clip of its own
        clips = [clip.samples for clip in SpeechDetector(options).clips([_read(SPEECH / name)])]
        short = [clip for clip in clips if 500 <= len(clip) // SAMPLES_PER_MS <= 5000]
        for n, clip in enumerate(short):
            yield Sound(f"speech: stretches, {language}", f"{name} {n}", clip, language)


def _real_sounds(share: Path) -> Iterator[Sound]:
    for folder in REAL_SOUNDS:
        for path in sorted((share / folder).rglob("*.og[ga]")) + sorted((share / folder).rglob("*.g722")):
            if not any(part in path.name for part in SPOKEN):
                yield Sound(f"real: {folder}", path.name, _read(path)[:LONGEST])


def _prompts(share: Path) -> Iterator[Sound]:
    """Prompts of telephone exchanges: sentences and single words, "Thank you." and "Goodbye." among them."""
    for language, voice in VOICES.items():
        package = f"asterisk-core-sounds-{language}"
        listed = gzip.decompress((share / "doc" / package / f"core-sounds-{language}.txt.gz").read_bytes()).decode()
        spoken = [line.split(":")[0] for line in listed.splitlines() if ":" in line and "[" not in line]
        folder = share / "asterisk" / "sounds" / voice
        paths = [path for name in spoken if "/" not in name and (path := folder / f"{name}.g722").exists()]
        for path in paths[:: max(1, len(paths) // PROMPTS_A_LANGUAGE)]:
            yield Sound(f"speech: prompts, {language}", path.stem, _read(path)[:LONGEST], language)


def _single_words(share: Path) -> Iterator[Sound]:
    for language in ("pt", "en", "uk"):
        for path in sorted((share / "ktuberling" / "sounds" / language).iterdir())[:40]:
            yield Sound(f"speech: single words, {language}", path.stem, _read(path)[:LONGEST], language)


def _read(path: Path) -> Samples:
    from faster_whisper.audio import decode_audio

    return np.asarray(decode_audio(str(path)), dtype=np.float32)


if __name__ == "__main__":
    main()
