"""What a step learns: people's labels, weighed by how rare they are, and a teacher's opinion where there is one.

A row without an opinion, as a correction is, counts by its labels alone and no less than the others.
"""

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
        share = self.options.teacher_share
        parts: dict[bool, list[int]] = {True: [], False: []}  # places of rows with an opinion, and of those without
        for place, row in enumerate(rows):
            parts[bool(row.soft and share)].append(place)
        losses = []
        for is_taught, places in parts.items():
            if places:
                own, chosen = logits[places], [rows[place] for place in places]
                loss = self._of_labels(own, chosen, network)
                if is_taught:
                    loss = (1 - share) * loss + share * self._of_teacher(own, chosen, network)
                losses.append(loss * (len(places) / len(rows)))
        return torch.stack(losses).sum()

    def _of_teacher(self, logits: Tensor, rows: Sequence[Row], network: EmotionNetwork) -> Tensor:
        soft = torch.tensor([row.soft for row in rows], dtype=torch.float32, device=self.device)
        heard = network.for_corpora(logits, self._corpus([self.options.teacher_speaks_as] * len(rows)))
        return binary_cross_entropy_with_logits(heard, soft)

    def _of_labels(self, logits: Tensor, rows: Sequence[Row], network: EmotionNetwork) -> Tensor:
        logits = network.for_corpora(logits, self._corpus([row.corpus for row in rows]))
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
