"""BLEU and chrF of the profile's own translation on FLORES dev, beside the published systems on the same lines.

    python -m tests.bench.translation_quality [--language pt] [--profile embedded]

Ours: whole lines through `emoscribe.translate`, as the pipeline does it. Theirs: the figures that lie beside the lines.
"""

import argparse
import time
from functools import partial

from emoscribe import catalog
from emoscribe.settings import load_settings
from emoscribe.translate import TranslatorOptions, build_translator
from emoscribe.types import Translation, TranslationRequest
from tests.bench.output import save
from tests.conftest import ROOT


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--language", default="pt")
    parser.add_argument("--profile", default="embedded")
    arguments = parser.parse_args()
    language: str = arguments.language
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF

    folder = ROOT.parent / "shared" / "data" / "flores_dev" / f"{language}-en"
    sources = (folder / f"flores-dev.{language}").read_text(encoding="utf-8").splitlines()
    references = (folder / "flores-dev.en").read_text(encoding="utf-8").splitlines()
    english, cpu_s = _translate(sources, language, arguments.profile)
    figures: dict[str, object] = {"cpu_ms_per_line": round(1000 * cpu_s / len(sources), 1), "lines": len(sources)}
    for metric in (BLEU(), CHRF()):
        score = metric.corpus_score(english, [references])
        figures[f"ours {score.name} ({metric.get_signature()})"] = round(score.score, 2)
    for file in sorted(folder.glob("*.bleu")):
        figures[f"published BLEU, {file.name.split('.')[1]}"] = float(file.read_text())
    for name, value in figures.items():
        print(f"{value:>8}  {name}")
    save(f"translation_quality_{language}", figures)


def _translate(sources: list[str], language: str, profile: str) -> tuple[list[str], float]:
    """The English and the CPU seconds it took, loading not counted."""
    settings = load_settings(profile=profile)
    translator = build_translator(
        settings.profile,
        partial(catalog.locate, models_dir=settings.models_dir),
        partial(catalog.model_info, models_dir=settings.models_dir),
        TranslatorOptions(languages=frozenset({language})),
    )
    translator.translate([TranslationRequest(sources[0], language)])
    start = time.process_time()
    outcomes = translator.translate([TranslationRequest(text, language) for text in sources])
    cpu_s = time.process_time() - start
    translator.close()
    return [outcome.text_en if isinstance(outcome, Translation) else "" for outcome in outcomes], cpu_s


if __name__ == "__main__":
    main()
