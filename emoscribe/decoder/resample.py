"""Decoded frames of any shape to mono 16-bit samples. Runs in the decoding process."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, cast

from emoscribe.errors import UnsupportedMediaError

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.filter import Graph

SAMPLES_AT_ONCE: Final = 8192  # asking for results costs as much as converting a short frame


class Resampler:
    """Converts frames of one shape. As `av.AudioResampler`, but without its threads, one per core."""

    def __init__(self, frame: "AudioFrame", rate_hz: int) -> None:
        """For frames shaped like `frame`. Raises UnsupportedMediaError if they cannot be mixed down."""
        from av.error import FFmpegError

        self._shape = _shape(frame)
        self._waiting = 0  # samples put in since results were last asked for
        try:
            self._graph = _graph(frame, rate_hz)
        except FFmpegError as error:
            if isinstance(error, MemoryError):
                raise
            raise UnsupportedMediaError(
                f"The arrangement of the {frame.layout.nb_channels} audio channels is not supported.",
                fix="Convert the audio to stereo.",
            ) from None

    def fits(self, frame: "AudioFrame") -> bool:
        """Whether the frame has the shape this was made for."""
        return self._shape == _shape(frame)

    def resample(self, frame: "AudioFrame") -> Iterator[bytes]:
        """Little-endian samples: of this and earlier frames, for some are always held back."""
        frame.pts = None  # the timeline knows better
        self._graph.push(frame)
        self._waiting += frame.samples
        return self._pull() if self._waiting >= SAMPLES_AT_ONCE else iter(())

    def flush(self) -> Iterator[bytes]:
        """What was held back. Nothing can be converted after it."""
        self._graph.push(None)
        return self._pull()

    def _pull(self) -> Iterator[bytes]:
        from av.error import BlockingIOError as NeedsMoreError
        from av.error import EOFError as IsEmptyError

        self._waiting = 0
        while True:
            try:
                frame = cast("AudioFrame", self._graph.pull())
            except (NeedsMoreError, IsEmptyError):
                return
            yield bytes(memoryview(frame.planes[0])[: 2 * frame.samples])


def _shape(frame: "AudioFrame") -> tuple[str, str, int]:
    return frame.format.name, frame.layout.name, frame.sample_rate


def _graph(frame: "AudioFrame", rate_hz: int) -> "Graph":
    from av.filter import Graph

    graph = Graph()
    graph.threads = 1
    source = graph.add(
        "abuffer",
        sample_rate=str(frame.sample_rate),
        sample_fmt=frame.format.name,
        channel_layout=frame.layout.name,
        time_base=f"1/{frame.sample_rate}",
    )
    convert = graph.add("aformat", sample_rates=str(rate_hz), sample_fmts="s16", channel_layouts="mono")
    graph.link_nodes(source, convert, graph.add("abuffersink")).configure()
    return graph
