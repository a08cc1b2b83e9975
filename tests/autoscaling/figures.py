"""What the simulation takes for given: speeds, starting times, prices; each measured here or assumed."""

from dataclasses import dataclass
from typing import Final

CLIP_S: Final = 26.0  # of a recording to a clip: 27 clips for 699 s (docs/experiments.md, measured)


@dataclass(frozen=True, slots=True)
class PodStart:
    """From the decision to ready."""

    node_s: float  # until its node is there; 0: there is one
    image_s: float  # until the node has the image
    process_s: float  # until /readyz
    linger_s: float  # how long an empty node is kept, and paid for

    @property
    def cold_s(self) -> float:
        """On a new node."""
        return self.node_s + self.image_s + self.process_s


# assumed: node 100 s (EC2 with a GPU: boot, join, device plugin), image of 4.15 GB at 60 MB/s, CUDA's start
GPU_POD: Final = PodStart(node_s=100, image_s=70, process_s=25, linger_s=60)
# assumed: image and node are there, because the API runs on the same ones; a start takes 4 to 8 s on an idle machine
CPU_POD: Final = PodStart(node_s=0, image_s=0, process_s=16, linger_s=0)


@dataclass(frozen=True, slots=True)
class RunnerSpeed:
    """A call takes `call_s` and `clip_s` for each clip of its batch."""

    call_s: float
    clip_s: float
    batch_clips: int  # of any calls that wait; 1 call at a time where it is 0


@dataclass(frozen=True, slots=True)
class Figures:
    """Everything that is not in the manifests."""

    # assumed: Whisper base on a T4 or L4, beam 5, batches of 16: 80 times real time with full batches
    transcriber: RunnerSpeed = RunnerSpeed(call_s=0.3, clip_s=CLIP_S / 80, batch_clips=16)
    # measured: 1.00 s of translation for 394 s, two threads
    translator: RunnerSpeed = RunnerSpeed(call_s=0.01, clip_s=1.00 * CLIP_S / 394, batch_clips=0)
    # measured on the CPU: 0.19 s of emotion for 394 s, two threads; a GPU is taken to be no faster for so small batches
    classifier: RunnerSpeed = RunnerSpeed(call_s=0.01, clip_s=0.19 * CLIP_S / 394, batch_clips=0)
    reading_per_audio_s: float = 2.19 / 394  # measured: decoding and speech detection, one CPU
    publish_s: float = 1.0  # assumed: reports, S3, the record
    gpu_pod: PodStart = GPU_POD
    cpu_pod: PodStart = CPU_POD
    on_gpu: frozenset[str] = frozenset({"transcriber", "classifier"})
    dollars_per_gpu_hour: float = 0.90  # assumed: g4dn.xlarge on demand in São Paulo
    dollars_per_cpu_hour: float = 0.06  # assumed: a vCPU of a general purpose instance there
    clips_per_call: int = 8  # EMOSCRIBE_CLIPS_PER_BATCH
    interactive_patience_s: float = 20.0  # service.py
    retry_after_s: float = 5.0  # what the API tells a caller whose runner is away
