"""What a step learns: people's labels, weighed by how rare they are, and a teacher's opinion where there is one."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from emoscribe.training.network import EmotionNetwork
from emoscribe.training.options import TrainOptions
from emoscribe.training.rows import Row


class Losses:
    """Of the rows of one run."""

    def __init__(self, options: TrainOptions, rows: Sequence[Row], corpora: Sequence[str], device: str) -> None:
        self.options = options
        self.corpora = list(corpora)
        self.device = device
        self.positive_weight = _positive_weight(rows, options.class_weight_power).to(device)

    def of(self, logits: Tensor, rows: Sequence[Row], network: EmotionNetwork) -> Tensor:
        """The mean loss of a batch; `logits` are those of the common head, (batch, 7)."""
        hard = self._of_labels(network.for_corpora(logits, self._corpus([row.corpus for row in rows])), rows)
        taught = [place for place, row in enumerate(rows) if row.soft]
        share = self.options.teacher_share
        if not taught or not share:
            return hard
        soft = torch.tensor([rows[place].soft for place in taught], dtype=torch.float32, device=self.device)
        speaks_as = self._corpus([self.options.teacher_speaks_as] * len(taught))
        heard = network.for_corpora(logits[taught], speaks_as)
        return (1 - share) * hard + share * binary_cross_entropy_with_logits(heard, soft)

    def _of_labels(self, logits: Tensor, rows: Sequence[Row]) -> Tensor:
        smoothing = self.options.label_smoothing
        labels = torch.tensor([row.labels for row in rows], dtype=torch.float32, device=self.device)
        known = torch.tensor([row.known for row in rows], dtype=torch.float32, device=self.device)
        labels = labels * (1 - 2 * smoothing) + smoothing
        losses = binary_cross_entropy_with_logits(logits, labels, pos_weight=self.positive_weight, reduction="none")
        return (losses * known).sum() / known.sum().clamp(min=1)

    def _corpus(self, names: Sequence[str]) -> Tensor:
        return torch.tensor([self.corpora.index(name) for name in names], device=self.device)


def _positive_weight(rows: Sequence[Row], power: float) -> Tensor:
    labels = torch.tensor([row.labels for row in rows], dtype=torch.float32)
    known = torch.tensor([row.known for row in rows], dtype=torch.float32)
    share = (labels * known).sum(0).clamp(min=1) / known.sum(0).clamp(min=1)  # (7,)
    weight = share**-power
    return weight / weight.mean() * 1.5
