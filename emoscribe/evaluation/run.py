"""One evaluation from the names on the command line to the files: data, texts, answers, figures, pictures.

Writes into the output folder `report.md`, the pictures, `predictions.jsonl`, `mistakes.md`, and last `report.json`: its
presence means that all of it is there.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

from emoscribe.emotion import ClassifierOptions, EmotionClassifier
from emoscribe.errors import InvalidRequestError
from emoscribe.evaluation.baselines import QUOTED, trained_baselines
from emoscribe.evaluation.corpora import load_set
from emoscribe.evaluation.examples import EvaluationSet, Example
from emoscribe.evaluation.judging import Judge, ModelJudge
from emoscribe.evaluation.markdown import report_markdown
from emoscribe.evaluation.own_files import load_file_set
from emoscribe.evaluation.pictures import pictures
from emoscribe.evaluation.predictions import mistakes_markdown, predictions_jsonl
from emoscribe.evaluation.report import BaselineRow, Evaluation, Subject, baseline_row, evaluation_of
from emoscribe.evaluation.spoken import heard, word_error_rate
from emoscribe.evaluation.swaps import swap_rows
from emoscribe.evaluation.translation import translated
from emoscribe.local_stages import load_transcriber, load_translator, locate_emotion_model
from emoscribe.settings import Settings
from emoscribe.types import ModelInfo

Form = Literal["as written", "translated", "spoken", "spoken and translated"]
Tell = Callable[[str], None]

_OWN_FILES: Final = (".csv", ".jsonl")
_TOLD_EVERY: Final = 10


@dataclass(frozen=True, slots=True)
class EvaluationOptions:
    """What is evaluated, and how."""

    model: str = "emotion"  # a folder, or a name of the catalogue
    data: str = "goemotions:dev"  # CORPUS[:SPLIT], or a file
    folder: Path = Path("data")  # of the corpora
    with_context: bool = False
    translates: bool = False  # texts of other languages are put into English first
    speaks: bool = False  # texts are read aloud and transcribed first
    rows: int | None = None  # only so many examples, always the same ones
    baselines: bool = False
    beside: tuple[str, ...] = ()  # further models, as rows beside


@dataclass(frozen=True, slots=True)
class Prepared:
    """Examples, and the texts the model is given for them."""

    data: EvaluationSet
    texts: tuple[str, ...]
    form: Form
    languages: tuple[str, ...]  # of the examples
    word_error_rate: float | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an evaluation found, and its files by name; `report.json` is not among them."""

    evaluation: Evaluation
    files: dict[str, str]


@dataclass(frozen=True, slots=True)
class LoadedJudge:
    """A model that can be evaluated, and what it is."""

    info: ModelInfo
    judge: ModelJudge

    @property
    def title(self) -> str:
        """Name and version."""
        return f"{self.info.name} {self.info.version}"


def evaluate(options: EvaluationOptions, settings: Settings, tell: Tell) -> Outcome:
    """Run it; `tell` is told what is being done. Raises InvalidRequestError, ModelError, UnsupportedLanguageError."""
    loaded = load_judge(options.model, settings)
    prepared = prepare(options, settings, tell)
    tell(f"{loaded.title} judges {len(prepared.texts)} texts")
    contexts = [one.context if options.with_context else "" for one in prepared.data.examples]
    answers = loaded.judge.judge(prepared.texts, contexts)
    if options.with_context and not answers.contexts_used:
        raise _no_context(loaded, contexts, prepared.data.name)
    tell("figures and intervals")
    subject = Subject(loaded.info, prepared.data, prepared.form, prepared.languages)
    evaluation = evaluation_of(subject, answers).model_copy(
        update={
            "swaps": swap_rows(loaded.judge),
            "word_error_rate": prepared.word_error_rate,
            "baselines": tuple(_beside(options, prepared, contexts, settings, tell)),
        }
    )
    files = {
        "report.md": report_markdown(evaluation),
        "predictions.jsonl": predictions_jsonl(answers, prepared.data, prepared.texts),
        "mistakes.md": mistakes_markdown(answers, prepared.data, prepared.texts),
    }
    return Outcome(evaluation, files | pictures(evaluation))


def _no_context(loaded: LoadedJudge, contexts: Sequence[str], data: str) -> InvalidRequestError:
    cause = f"{loaded.title} hears no context" if any(contexts) else f"{data} has no context"
    return InvalidRequestError(f"{cause}.", fix="Leave out --context.")


def write(outcome: Outcome, out: Path) -> None:
    """Write all files into a folder that is there; `report.json` last."""
    report = out / "report.json"
    report.unlink(missing_ok=True)
    for name, content in outcome.files.items():
        (out / name).write_text(content, encoding="utf-8")
    report.write_text(outcome.evaluation.model_dump_json(indent=1) + "\n", encoding="utf-8")


def prepare(options: EvaluationOptions, settings: Settings, tell: Tell) -> Prepared:
    """The examples and the texts to be judged. Raises InvalidRequestError for foreign texts without `translates`."""
    data = _sample(_data(options), options.rows)
    languages = tuple(sorted({one.language for one in data.examples}))
    if languages != ("en",) and not options.translates and data.examples:
        raise InvalidRequestError(
            f"{data.name} has texts in {', '.join(languages)}; the model knows English.", fix="Add --translate."
        )
    examples, lost, rate = list(data.examples), frozenset[int](), None
    if options.speaks:
        written = _spoken(examples, settings, tell)
        rate = round(word_error_rate([one.text for one in examples], written), 6)
        lost = frozenset(place for place, text in enumerate(written) if not text)
        examples = [replace(one, text=text or one.text) for one, text in zip(examples, written, strict=True)]
    if options.translates:
        tell("translation")
        translator = load_translator(settings)
        examples = translated(examples, translator)
        translator.close()
    texts = tuple("" if place in lost else one.text for place, one in enumerate(examples))
    return Prepared(data, texts, _form(options, languages), languages, rate)


def _form(options: EvaluationOptions, languages: Sequence[str]) -> Form:
    is_translated = options.translates and tuple(languages) != ("en",)
    if options.speaks:
        return "spoken and translated" if is_translated else "spoken"
    return "translated" if is_translated else "as written"


def _data(options: EvaluationOptions) -> EvaluationSet:
    if options.data.lower().endswith(_OWN_FILES):
        return load_file_set(Path(options.data))
    corpus, _, split = options.data.partition(":")
    return load_set(corpus, split or "dev", options.folder)


def _sample(data: EvaluationSet, rows: int | None) -> EvaluationSet:
    """The first `rows` by the hash of their text: the same every time, and in no order that matters."""
    if rows is None or rows >= len(data.examples):
        return data
    ranked = sorted(data.examples, key=lambda one: hashlib.sha256(one.text.encode()).digest())
    return replace(data, examples=tuple(ranked[:rows]))


def _spoken(examples: Sequence[Example], settings: Settings, tell: Tell) -> list[str]:
    transcriber = load_transcriber(settings)
    written: dict[int, str] = {}
    for language in sorted({one.language for one in examples}):
        places = [place for place, one in enumerate(examples) if one.language == language]
        texts = heard([examples[place].text for place in places], language, transcriber)
        for place, text in zip(places, texts, strict=True):
            written[place] = text
            if len(written) % _TOLD_EVERY == 0:
                tell(f"speech: {len(written)} of {len(examples)}")
    return [written[place] for place in range(len(examples))]


def load_judge(name: str, settings: Settings) -> LoadedJudge:
    """A folder with a model, or the catalogue's model of that name. Raises ModelError, InvalidRequestError."""
    folder, info = locate_emotion_model(name, settings.models_dir)
    options = ClassifierOptions(settings.device, settings.threads, settings.sentences_per_batch)
    return LoadedJudge(info, ModelJudge(EmotionClassifier(folder, info, options)))


def _beside(
    options: EvaluationOptions, prepared: Prepared, contexts: Sequence[str], settings: Settings, tell: Tell
) -> list[BaselineRow]:
    """The rows of others on the same texts."""
    judges: dict[str, Judge] = {}
    if options.baselines:
        tell("baselines learn from GoEmotions")
        judges |= trained_baselines(options.folder)
    for name in options.beside:
        loaded = load_judge(name, settings)
        judges[loaded.title] = loaded.judge
    rows = []
    for name, judge in judges.items():
        tell(f"{name} judges")
        rows.append(baseline_row(name, judge.judge(prepared.texts, contexts), prepared.data))
    return [*rows, *(QUOTED if options.baselines else ())]
