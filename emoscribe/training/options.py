"""The options of the three steps; each is part of the record of a trained model."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from emoscribe.errors import InvalidRequestError


@dataclass(frozen=True, slots=True)
class CorpusShare:
    """How one corpus takes part."""

    neutral_share: float = 1.0  # of its rows that are only neutral
    round_trip_share: float = 0.0  # of its rows that get a round-trip variant
    repeat: int = 1  # how often each row is learnt in an epoch


@dataclass(frozen=True, slots=True)
class PrepareOptions:
    """Which corpora, and how much of each."""

    seed: int = 20_261_123
    rows: int = 0  # of each corpus at most; 0: all
    corpora: Mapping[str, CorpusShare] = field(default_factory=dict)
    held_out: tuple[str, ...] = ()  # corpora whose dev and test texts must not be learnt
    teacher: str = ""  # an emotion model, by name or folder, whose opinion rows get; "": none
    unlabelled: tuple[str, ...] = ()  # text files or corpora of which only the teacher's opinion is learnt
    corrections_as: str = "xed"  # the corpus whose scale and bias corrections share: spoken lines too
    corrections_repeat: int = 5  # how often each correction is learnt in an epoch


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """How to learn."""

    seed: int = 20_261_123
    starts_from: str = ""  # weights.safetensors of an earlier run of the same corpora; "": the base encoder
    epochs: int = 2
    steps: int = 0  # instead of whole epochs; 0: as many as the epochs have
    batch_rows: int = 64
    bfloat16: bool = True  # products of 16 bits where the GPU or processor has instructions for them; weights have 32
    learning_rate: float = 1.5e-4
    head_learning_rate: float = 1e-3
    frozen_embeddings: bool = True  # word vectors keep their values: half of a small model, a third of a step's time
    frozen_layers: int = 0  # lowest layers of the encoder that keep their values, and all embeddings with them
    weight_decay: float = 0.01
    warmup_steps: int = 100  # the learning rate rises; a tenth of the run at most
    decay_steps: int = 0  # the last steps, in which it falls to 0; 0: from the end of the warm-up on
    corpus_scales: bool = True  # a scale and a bias for each corpus and label beside the common head
    dropout: float = 0.1
    average_decay: float = 0.999  # of the moving average of the weights, which is what is kept
    class_weight_power: float = 0.5  # positive rows of a label weigh (rows / positive rows) ** power
    label_smoothing: float = 0.02
    teacher_share: float = 0.0  # of the loss, where rows have a teacher's opinion; the rest is people's labels
    teacher_speaks_as: str = "xed"  # the corpus whose scale and bias the teacher's opinion is held against
    max_tokens: int = 96
    heard_share: float = 0.35  # rows that are learnt as a transcript would write them
    variant_share: float = 0.5  # rows with variants that are learnt in one of them
    alone_share: float = 0.5  # rows that have a context (corrections): without it
    split_share: float = 0.3  # rows of several sentences: the last with the others as its context
    stray_context_share: float = 0.1  # rows with the sentence of another row as context, which means nothing
    checkpoint_steps: int = 500


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """What becomes of the weights."""

    speaks_as: str = "xed"  # the corpus whose scale and bias the exported head has: spoken lines
    calibrate_on: tuple[str, ...] = ("xed", "brighter-ptbr")  # dev splits that are like our input
    calibration_rows: int = 0  # of each at most; 0: all
    max_tokens: int = 128
    context_sentences: int = 2  # so many before a sentence have a say in its emotion; 0: none
    context_share: float = 0.0  # of their own logits that is added to the sentence's; 0: they are read together with it
    word_bits: int = 8  # of the word vectors of the small file; 8 or 4
    four_bit_layers: int = 0  # so many of the lowest layers have 4 bits there, the others 8
    activation_bits: int = 32  # of what layers read there; 8: integers, and layers have 7 bits (integer_layers.py)
    balance: float = 0.5  # how far rare labels are favoured in the choice of one label; 1: all count the same
    target_risk: float = 0.3  # share of wrong labels among those that are not flagged, per class

    def __post_init__(self) -> None:
        """Raises InvalidRequestError for what does not go together."""
        if self.activation_bits not in {8, 32} or (self.activation_bits == 8 and self.four_bit_layers):
            raise InvalidRequestError(
                f"{self.activation_bits}-bit activations with {self.four_bit_layers} layers in 4 bits cannot be had.",
                fix="In [export] give activation_bits 32, or 8 and four_bit_layers 0.",
            )
