"""Rows to weights: a plain PyTorch loop that resumes where it was stopped.

    emoscribe train fit CONFIG --rows FOLDER --encoder FOLDER --out FOLDER

Writes into the output folder `log.jsonl` (a line for each report), `checkpoint.safetensors` with `checkpoint.json`
beside it after every part of an epoch, and last `weights.safetensors` with `training.json`: their presence means done.
The same seed, rows and machine give the same weights.
"""

import json
import logging
import math
import os
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import Tensor

from emoscribe.processor import has_bfloat16_products
from emoscribe.training.losses import Losses
from emoscribe.training.network import EmotionNetwork, load_encoder
from emoscribe.training.options import TrainOptions
from emoscribe.training.rows import Row, read_rows
from emoscribe.training.speech_like import as_heard

logger = logging.getLogger(__name__)

BUCKET_BATCHES: Final = 50  # rows are sorted by length within this many batches
AVERAGED_STEPS: Final = 5  # the moving average takes every fifth step: cheaper, and no worse


@dataclass(frozen=True, slots=True)
class _Example:
    tokens: list[int]
    row: Row


class Trainer:
    """One training run in one folder."""

    def __init__(self, options: TrainOptions, rows: Sequence[Row], encoder: Path, out: Path) -> None:
        self.options = options
        self.rows = rows
        self.out = out
        self.corpora = sorted({row.corpus for row in rows})
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.is_bfloat16 = options.bfloat16 and _has_bfloat16(self.device)
        self.tokenizer = Tokenizer.from_file(str(encoder / "tokenizer.json"))
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(options.max_tokens)
        torch.manual_seed(options.seed)
        network = EmotionNetwork(load_encoder(encoder), separator_of(self.tokenizer), self.corpora, options.dropout)
        if options.starts_from:
            network.load_state_dict(load_file(options.starts_from))
        self.network = network.to(self.device)
        self.losses = Losses(options, rows, self.corpora, self.device)
        self.batches_an_epoch = math.ceil(len(rows) / options.batch_rows)
        self.steps = options.steps or self.batches_an_epoch * options.epochs
        self.optimizer = self._optimizer()
        self.average = {name: value.detach().clone() for name, value in self.network.state_dict().items()}
        self.step = 0

    def run(self, on_report: Callable[[dict[str, Any]], None]) -> None:
        """Learn to the end. `on_report` gets step, steps, loss, rows a second."""
        self.out.mkdir(parents=True, exist_ok=True)
        self._resume()
        self.network.train()
        started, first, losses = time.perf_counter(), self.step, list[float]()
        while self.step < self.steps:
            epoch = self.step // self.batches_an_epoch
            for batch in self._epoch(epoch, skip=self.step % self.batches_an_epoch):
                if self.step == self.steps:
                    break
                losses.append(self._learn(batch))
                if self.step % 100 == 0 or self.step == self.steps:
                    speed = (self.step - first) * self.options.batch_rows / (time.perf_counter() - started)
                    report = {"step": self.step, "steps": self.steps, "loss": sum(losses) / len(losses)}
                    self._log(report | {"rows_a_second": round(speed, 1)}, on_report)
                    losses.clear()
                if self.step % self.options.checkpoint_steps == 0:
                    self._save_checkpoint()
        self._finish(time.perf_counter() - started)

    # --- steps --------------------------------------------------------------------------------

    def _learn(self, batch: Sequence[_Example]) -> float:
        options = self.options
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak"] * _schedule(self.step, self.steps, options)
        ids, mask = _padded([example.tokens for example in batch])
        with torch.autocast(self.device, torch.bfloat16, enabled=self.is_bfloat16):
            logits = self.network(ids.to(self.device), mask.to(self.device))
        loss = self.losses.of(logits.float(), [example.row for example in batch], self.network)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]  # torch
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        self.step += 1
        if self.step % AVERAGED_STEPS == 0 or self.step == self.steps:
            self._average()
        return float(loss.detach())

    @torch.no_grad()
    def _average(self) -> None:
        decay = min(self.options.average_decay, self.step / (self.step + 9)) ** AVERAGED_STEPS
        for name, value in self.network.named_parameters():
            if value.requires_grad:
                self.average[name].lerp_(value, 1 - decay)

    def _epoch(self, epoch: int, skip: int) -> Iterator[list[_Example]]:
        """The batches of one epoch from number `skip` on; what they hold depends only on seed and epoch."""
        chance = random.Random(f"{self.options.seed}-{epoch}")  # noqa: S311  # no secret
        order = list(range(len(self.rows)))
        chance.shuffle(order)
        span = self.options.batch_rows * BUCKET_BATCHES
        number = 0
        for start in range(0, len(order), span):
            examples = self._examples([self.rows[k] for k in order[start : start + span]], chance)
            examples.sort(key=lambda example: len(example.tokens))
            size = self.options.batch_rows
            batches = [examples[k : k + size] for k in range(0, len(examples), size)]
            chance.shuffle(batches)
            for batch in batches:
                if number >= skip:
                    yield batch
                number += 1

    def _examples(self, rows: Sequence[Row], chance: random.Random) -> list[_Example]:
        pairs = [self._pair(row, chance, chance.choice(self.rows)) for row in rows]
        encodings = self.tokenizer.encode_batch([(text, context) if context else text for text, context in pairs])
        return [_Example(encoding.ids, row) for encoding, row in zip(encodings, rows, strict=True)]

    def _pair(self, row: Row, chance: random.Random, stray: Row) -> tuple[str, str]:
        """Text and context as they are learnt this time."""
        options, text, context = self.options, row.text, row.context
        if row.variants and chance.random() < options.variant_share:
            text = chance.choice(row.variants)
        if context:
            context = "" if chance.random() < options.alone_share else context
        else:
            if chance.random() < options.split_share:
                context, text = _split(text)
            if not context and chance.random() < options.stray_context_share:
                context = stray.text
        if chance.random() < options.heard_share:
            text = as_heard(text, chance)
            context = as_heard(context, chance) if context else ""
        return text, context

    def _optimizer(self) -> torch.optim.Optimizer:
        options = self.options
        encoder = self.network.encoder
        if options.frozen_embeddings:
            encoder.embeddings.word_embeddings.weight.requires_grad_(False)
        self.network.freeze(options.frozen_layers)
        own = {id(parameter) for parameter in encoder.parameters()}
        bodies = [p for p in encoder.parameters() if p.requires_grad]
        for parameter in (self.network.log_scale, self.network.bias):
            parameter.requires_grad_(options.corpus_scales)
        heads = [p for p in self.network.parameters() if p.requires_grad and id(p) not in own]
        peak, decay = options.learning_rate, options.weight_decay
        groups = [
            {"params": [p for p in bodies if p.ndim > 1], "weight_decay": decay, "peak": peak},
            {"params": [p for p in bodies if p.ndim < 2], "weight_decay": 0.0, "peak": peak},
            {"params": heads, "weight_decay": 0.0, "peak": options.head_learning_rate},
        ]
        return torch.optim.AdamW(groups, lr=options.learning_rate, fused=True)

    # --- files --------------------------------------------------------------------------------

    def _log(self, report: dict[str, Any], on_report: Callable[[dict[str, Any]], None]) -> None:
        with (self.out / "log.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(report) + "\n")
        on_report(report)

    def _save_checkpoint(self) -> None:
        tensors: dict[str, Tensor] = {f"network.{k}": v for k, v in self.network.state_dict().items()}
        tensors |= {f"average.{k}": v for k, v in self.average.items()}
        for number, state in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{number}.{k}": v for k, v in state.items()}
        record = {"step": self.step, "options": asdict(self.options), "rng": torch.get_rng_state().tolist()}
        part = self.out / "checkpoint.part"
        save_file(
            {name: value.contiguous() for name, value in tensors.items()}, part, metadata={"state": json.dumps(record)}
        )
        part.replace(self.out / "checkpoint.safetensors")

    def _resume(self) -> None:
        path = self.out / "checkpoint.safetensors"
        if not path.exists():
            return
        from safetensors import safe_open

        with safe_open(path, "pt") as file:
            record = json.loads(file.metadata()["state"])
        if not self._is_on_the_way(record["options"], record["step"]):
            raise ValueError(f"{path} was made with other options: choose another output folder or delete it")
        tensors = load_file(path, device=self.device)
        self.network.load_state_dict(_under("network.", tensors))
        self.average = _under("average.", tensors)
        state: dict[int, dict[str, Tensor]] = {}
        for name, value in _under("optimizer.", tensors).items():
            number, key = name.split(".")
            state.setdefault(int(number), {})[key] = value
        self.optimizer.load_state_dict(self.optimizer.state_dict() | {"state": state})
        torch.set_rng_state(torch.tensor(record["rng"], dtype=torch.uint8))
        self.step = record["step"]
        logger.info("going on at step %d of %d", self.step, self.steps)

    def _is_on_the_way(self, earlier: dict[str, Any], step: int) -> bool:
        """Whether a run with these options passes through that checkpoint.

        The same options do. So do others of the same length or another, while the learning rate has not begun to fall
        in either: how long a run is to be may be decided under way, and the whole run can be made again from nothing.
        """
        ours = asdict(self.options)
        earlier = asdict(TrainOptions()) | earlier  # a checkpoint may be older than an option
        if earlier == ours:
            return True
        length = {"epochs", "steps", "decay_steps"}
        others = [{key: value for key, value in one.items() if key not in length} for one in (earlier, ours)]
        lengths = [one["steps"] or self.batches_an_epoch * one["epochs"] for one in (earlier, ours)]
        return others[0] == others[1] and all(
            one["decay_steps"] and one["warmup_steps"] <= steps // 10 and step <= steps - one["decay_steps"]
            for one, steps in zip((earlier, ours), lengths, strict=True)
        )

    def _finish(self, seconds: float) -> None:
        save_file({name: value.contiguous() for name, value in self.average.items()}, self.out / "weights.safetensors")
        record = {
            "options": asdict(self.options),
            "corpora": self.corpora,
            "rows": len(self.rows),
            "seconds_of_last_run": round(seconds),
            "torch": torch.__version__,
            "device": self.device,
            "precision": "bfloat16" if self.is_bfloat16 else "float32",
            "threads": torch.get_num_threads(),
            "cores": os.cpu_count(),
        }
        (self.out / "training.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def fit(
    options: TrainOptions,
    folders: tuple[Path, Path, Path],
    on_report: Callable[[dict[str, Any]], None] = lambda _: None,
) -> None:
    """Train on the rows of a folder; `folders`: rows, encoder, output."""
    rows_dir, encoder, out = folders
    Trainer(options, list(read_rows(rows_dir / "train.jsonl")), encoder, out).run(on_report)


def separator_of(tokenizer: Tokenizer) -> int:
    """The token between a sentence and its context: the last one of a sentence that stands alone.

    Not found by its name: MPNet's vocabulary has a "[SEP]", left from BERT's, that its sequences never hold.
    """
    return int(tokenizer.encode("a").ids[-1])


def _has_bfloat16(device: str) -> bool:
    """Whether products of bfloat16 are faster there; on a processor without instructions for them they are slower."""
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return has_bfloat16_products()


def _schedule(step: int, steps: int, options: TrainOptions) -> float:
    """Share of the peak: up in a line, level, down in a line (arXiv 2404.06395)."""
    warmup = min(options.warmup_steps, steps // 10)
    decay = min(options.decay_steps or steps, steps - warmup)
    return min(1.0, (step + 1) / (warmup + 1), (steps - step) / max(1, decay))


def _padded(tokens: Sequence[list[int]]) -> tuple[Tensor, Tensor]:
    longest = max(map(len, tokens))
    ids = torch.tensor([one + [0] * (longest - len(one)) for one in tokens])
    mask = torch.tensor([[1] * len(one) + [0] * (longest - len(one)) for one in tokens])
    return ids, mask


def _split(text: str) -> tuple[str, str]:
    """(all sentences but the last, the last); ("", text) for a single sentence."""
    from sentencex import segment

    sentences = [sentence.strip() for sentence in segment("en", text) if sentence.strip()]
    return (" ".join(sentences[:-1]), sentences[-1]) if len(sentences) > 1 else ("", text)


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
