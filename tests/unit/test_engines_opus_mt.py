import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from emoscribe.engines.opus_mt import OpusMtEngine, OpusMtOptions, convert_opus_mt
from emoscribe.errors import ModelIntegrityError
from emoscribe.languages import LanguagePack, TranslationChoice
from emoscribe.translate import PackTranslator, Route
from emoscribe.types import ModelInfo, Translation, TranslationRequest
from tests.marian_release import SENTENCES, make_release

TEXTS = [*SENTENCES, "Ik.", "blij boos blij boos " * 10]


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_release(tmp_path_factory.mktemp("opus") / "release")


@pytest.fixture(scope="module", params=["int8", None], ids=["int8", "float32"])
def model_dir(request: pytest.FixtureRequest, release: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("converted") / "opus-mt-nl-en"
    convert_opus_mt(release, folder, quantization=request.param)
    return folder


@pytest.fixture(scope="module")
def engine(model_dir: Path) -> OpusMtEngine:
    return OpusMtEngine(model_dir, OpusMtOptions(threads=1, beam_size=2))


def test_a_converted_model_is_what_the_catalogue_names(model_dir: Path) -> None:
    names = {path.name for path in model_dir.iterdir()}
    assert names == {"model.bin", "config.json", "shared_vocabulary.json", "source.spm", "target.spm"}
    assert json.loads((model_dir / "config.json").read_text())["add_source_eos"] is True
    assert not [path.name for path in model_dir.parent.iterdir() if path != model_dir]


def test_one_answer_for_each_sentence_the_same_every_time(engine: OpusMtEngine) -> None:
    english = engine.translate(TEXTS)
    assert len(english) == len(TEXTS)
    assert len(set(english)) > len(TEXTS) // 2  # the source matters
    assert engine.translate(TEXTS) == english
    assert engine.translate([]) == []


def test_a_sentence_does_not_depend_on_its_batch(engine: OpusMtEngine) -> None:
    together = engine.translate(TEXTS)
    assert [engine.translate([text])[0] for text in TEXTS] == together
    assert engine.translate(TEXTS[::-1]) == together[::-1]


def test_batches_are_cut_by_tokens(model_dir: Path, engine: OpusMtEngine) -> None:
    small = OpusMtEngine(model_dir, OpusMtOptions(threads=1, beam_size=2, batch_tokens=32))
    assert small.translate(TEXTS * 3) == engine.translate(TEXTS) * 3


def test_threads_share_an_engine(engine: OpusMtEngine) -> None:
    alone = engine.translate(TEXTS)
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: engine.translate(TEXTS), range(8)))
    assert results == [alone] * 8


def test_the_alphabet_is_that_of_the_vocabulary(engine: OpusMtEngine) -> None:
    assert engine.alphabet is not None
    assert {"a", "e", "i", "k"} <= engine.alphabet
    assert "ж" not in engine.alphabet


def test_a_pack_can_use_it(engine: OpusMtEngine) -> None:
    pack = LanguagePack.model_validate({"code": "nl", "name": "Dutch", "sentence_language": "nl"})
    choice = TranslationChoice.model_validate({"engine": "opus-mt", "model": "opus-mt-nl-en"})
    info = ModelInfo(role="translation", name="opus-mt-nl-en", version="1", sha256="0" * 64, license="Apache-2.0")
    translator = PackTranslator([Route(pack, choice, info, lambda: engine)], profile="quality")
    first, second = translator.translate(
        [TranslationRequest("De man was boos 😡", "nl"), TranslationRequest("42", "nl")]
    )
    assert isinstance(first, Translation)
    assert first.text_en.endswith(" 😡")
    assert first.engine == "opus-mt"
    assert second == Translation("42", "none")


def test_conversion_refuses_what_is_incomplete_and_leaves_nothing(release: Path, tmp_path: Path) -> None:
    for missing in ("decoder.yml", "model.npz", "vocab.yml", "source.spm"):
        broken = tmp_path / f"without-{missing}"
        broken.mkdir()
        for file in release.iterdir():
            if file.name != missing:
                (broken / file.name).symlink_to(file)
        with pytest.raises(ModelIntegrityError, match=f"without-{missing}"):
            convert_opus_mt(broken, tmp_path / "made")
        assert not (tmp_path / "made").exists()
    assert sorted(path.name.split("-")[0] for path in tmp_path.iterdir()) == ["without"] * 4


def test_conversion_overwrites_nothing(release: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    with pytest.raises(ModelIntegrityError, match="exists already"):
        convert_opus_mt(release, tmp_path / "mine")


def test_a_pickled_weight_file_is_not_opened(release: Path, tmp_path: Path) -> None:
    import numpy as np

    for file in release.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    pickled: dict[str, Any] = {"special:model.yml": np.array([{"type": "transformer"}], dtype=object)}
    np.savez(tmp_path / "model.npz", **pickled)
    with pytest.raises(ModelIntegrityError, match="allow_pickle"):
        convert_opus_mt(tmp_path, tmp_path.parent / "made-of-pickle")


@pytest.mark.parametrize("missing", ["model.bin", "source.spm", "target.spm", "shared_vocabulary.json"])
def test_an_incomplete_model_is_refused(model_dir: Path, tmp_path: Path, missing: str) -> None:
    for file in model_dir.iterdir():
        if file.name != missing:
            (tmp_path / file.name).symlink_to(file)
    with pytest.raises(ModelIntegrityError) as caught:
        OpusMtEngine(tmp_path)
    assert "models pull" in caught.value.fix
