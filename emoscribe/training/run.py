"""The three steps of a training run, each with its folder: `rows/`, `weights/`, `model/`.

The record that a step writes last says that it is done: a run that was stopped goes on where it was.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from emoscribe import catalog
from emoscribe.emotion import ClassifierOptions, EmotionClassifier
from emoscribe.local_stages import load_translator, locate_emotion_model
from emoscribe.settings import Settings
from emoscribe.training.config import read_config
from emoscribe.training.export import export
from emoscribe.training.prepare import Inputs, Models, prepare
from emoscribe.training.round_trip import PortugueseRoundTrip
from emoscribe.training.teacher import Teacher, opinions
from emoscribe.training.train import fit

Show = Callable[[str], None]


class TrainingRun:
    """One configuration in one folder."""

    def __init__(self, config: str, folder: Path, out: Path, add: tuple[Path, ...], settings: Settings) -> None:
        self.config = read_config(config)
        self.folder = folder
        self.add = add
        self.settings = settings
        self.rows, self.weights, self.model = (out / name for name in ("rows", "weights", "model"))
        self._records = {
            "prepare": self.rows / "manifest.json",
            "fit": self.weights / "training.json",
            "export": self.model / "export.json",
        }

    def is_done(self, step: str) -> bool:
        """Whether the step has written its record."""
        return self._records[step].exists()

    def prepare(self, show: Show) -> None:
        """Corpora to rows."""
        round_trip = None
        if any(share.round_trip_share for share in self.config.prepare.corpora.values()):
            round_trip = PortugueseRoundTrip(self._model("bergamot-en-pt"), self._model("bergamot-pt-en"))
        models = Models(load_translator(self.settings), round_trip, self._teacher())
        prepare(
            self.config.prepare,
            Inputs(self.folder, self.add),
            self.rows,
            models,
            lambda what, done, of: show(f"prepare: {what} {done} of {of}"),
        )

    def fit(self, show: Show) -> None:
        """Rows to weights."""

        def report(values: dict[str, Any]) -> None:
            left_min = (values["steps"] - values["step"]) * self.config.train.batch_rows / values["rows_a_second"] / 60
            show(
                f"fit: step {values['step']} of {values['steps']}, loss {values['loss']:.4f},"
                f" {values['rows_a_second']} rows a second, {left_min:.0f} min left"
            )

        fit(self.config.train, (self.rows, self.encoder, self.weights), report)

    def export(self, show: Show) -> None:
        """Weights to model files."""
        export(self.config.export, (self.weights, self.encoder, self.model), self.folder, self.settings, show)

    @property
    def encoder(self) -> Path:
        """Folder of the base encoder: one of the catalogue, or a path."""
        folder = Path(self.config.encoder)
        return folder if folder.is_dir() else self._model(self.config.encoder)

    def _teacher(self) -> Teacher | None:
        if not (name := self.config.prepare.teacher):
            return None
        folder, info = locate_emotion_model(name, self.settings.models_dir)
        options = ClassifierOptions(self.settings.device, self.settings.threads)
        return opinions(EmotionClassifier(folder, info, options))

    def _model(self, name: str) -> Path:
        return catalog.locate(name, self.settings.models_dir)
