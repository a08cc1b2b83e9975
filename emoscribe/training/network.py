"""The classifier as a PyTorch module: an encoder, the mean over the sentence's own tokens, seven logits.

Sentence and context come as one sequence, `[CLS] sentence [SEP] context [SEP]`. Only the tokens of the sentence are
averaged: the context can colour them through attention and cannot speak for itself.

Corpora differ in how readily their annotators gave a label (9 % of Reddit comments are marked surprised, 20 % of film
lines). A scale and a bias for each corpus and label take that up, so that the seven logits themselves need not; the
exported model is the one of the corpus that speaks like our input.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn

from emoscribe.errors import InvalidRequestError
from emoscribe.labels import LABELS


class EmotionNetwork(nn.Module):
    """Token ids to logits."""

    def __init__(self, encoder: Any, separator_id: int, corpora: Sequence[str], dropout: float = 0.1) -> None:
        super().__init__()
        self._frozen: list[nn.Module] = []
        self.encoder = encoder
        self.separator_id = separator_id
        self.has_types = getattr(encoder.config, "type_vocab_size", 0) == 2  # BERT; MPNet has none
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(encoder.config.hidden_size, len(LABELS))
        self.corpora = tuple(corpora)
        self.log_scale = nn.Parameter(torch.zeros(len(corpora), len(LABELS)))
        self.bias = nn.Parameter(torch.zeros(len(corpora), len(LABELS)))

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Logits, (batch, 7), of the corpus-free head. Ids and mask are int64, (batch, tokens)."""
        is_separator = (input_ids == self.separator_id).long()
        is_context = (is_separator.cumsum(1) - is_separator > 0).long()  # the first separator is the sentence's
        types = {"token_type_ids": is_context} if self.has_types else {}
        states = self.encoder(input_ids=input_ids, attention_mask=attention_mask, **types).last_hidden_state
        own = ((1 - is_context) * attention_mask).unsqueeze(2).to(states.dtype)  # (batch, tokens, 1)
        # a product for each text: of a sum, or one product for all, ONNX Runtime rounds a text alone in another way
        mean = states.transpose(1, 2) @ (own / own.sum(1, keepdim=True))  # (batch, hidden, 1)
        logits: Tensor = (self.head.weight @ self.dropout(mean)).squeeze(2) + self.head.bias
        return logits

    def for_corpora(self, logits: Tensor, corpus: Tensor) -> Tensor:
        """Logits as the annotators of each row's corpus would have it; `corpus` is int64, (batch,)."""
        return logits * self.log_scale[corpus].exp() + self.bias[corpus]

    def freeze(self, layers: int) -> None:
        """Keep the embeddings and this many of the lowest layers as they are: no gradients, no dropout.

        Nothing below the first learnt layer requires a gradient, so that autograd records nothing there and the step is
        cheaper by their whole backward pass. MPNet's position bias is shared by all layers, hence kept with them.
        """
        stack = self.encoder.encoder
        if not 0 <= layers <= len(stack.layer):
            raise InvalidRequestError(
                f"{layers} layers cannot be frozen.", fix=f"Give frozen_layers from 0 to {len(stack.layer)}."
            )
        self._frozen = [self.encoder.embeddings, *stack.layer[:layers]] if layers else []
        if layers and hasattr(stack, "relative_attention_bias"):
            self._frozen.append(stack.relative_attention_bias)
        for part in self._frozen:
            part.requires_grad_(False)
        self.train(self.training)

    def train(self, mode: bool = True) -> Self:
        """As usual, except that frozen parts stay as in use."""
        super().train(mode)
        for part in self._frozen:
            part.eval()
        return self

    def speaking_as(self, corpus: str) -> None:
        """Fold the scale and bias of one corpus into the head, for export."""
        number = self.corpora.index(corpus)
        with torch.no_grad():
            scale = self.log_scale[number].exp()
            self.head.weight.mul_(scale[:, None])
            self.head.bias.mul_(scale).add_(self.bias[number])
            self.bias.sub_(self.bias[number] * (self.log_scale - self.log_scale[number]).exp())
            self.log_scale.sub_(self.log_scale[number].clone())


def load_encoder(folder: Path) -> Any:
    """A base encoder from a local folder with config.json and model.safetensors."""
    from transformers import AutoModel

    # the pooler is not used; it would only be in the way of an export
    return AutoModel.from_pretrained(folder, local_files_only=True, use_safetensors=True, add_pooling_layer=False)
