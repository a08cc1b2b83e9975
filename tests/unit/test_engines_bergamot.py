import gc
import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from emoscribe.engines.bergamot import BergamotEngine
from emoscribe.errors import ModelIntegrityError, StageError

pytestmark = pytest.mark.models

SENTENCES = ["Bom dia.", "Estou muito triste.", "Ela chorou a noite toda.", "Ganhamos o jogo!"]


@pytest.fixture(scope="module")
def model_dir(models_dir: Path) -> Path:
    return models_dir / "bergamot-pt-en"


@pytest.fixture
def damaged(model_dir: Path, tmp_path: Path) -> Path:
    return shutil.copytree(model_dir, tmp_path / "damaged")


def test_translates_and_knows_its_alphabet(model_dir: Path) -> None:
    engine = BergamotEngine(model_dir)
    assert engine.translate(SENTENCES)[:2] == ["Good morning.", "I am very sad."]
    assert engine.alphabet is not None
    assert {"ã", "ç", "é"} <= engine.alphabet
    assert not {"😂", "“", "Ó"} & engine.alphabet
    engine.close()


def test_many_threads_get_what_one_gets(model_dir: Path) -> None:
    engine = BergamotEngine(model_dir)
    alone = {sentence: engine.translate([sentence])[0] for sentence in SENTENCES}
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda n: engine.translate([SENTENCES[n % 4], SENTENCES[(n + 1) % 4]]), range(24)))
    assert results == [[alone[SENTENCES[n % 4]], alone[SENTENCES[(n + 1) % 4]]] for n in range(24)]
    engine.close()


def test_a_panic_ends_neither_the_thread_nor_the_model(model_dir: Path) -> None:
    engine = BergamotEngine(model_dir)
    with pytest.raises(StageError):
        engine.translate(["lone surrogate \ud800"])
    assert engine.translate(["Bom dia."]) == ["Good morning."]
    engine.close()


def test_a_closed_engine_says_so_at_once(model_dir: Path) -> None:
    engine = BergamotEngine(model_dir)
    engine.close()
    engine.close()
    with pytest.raises(StageError, match="closed"):
        engine.translate(["Bom dia."])


def test_closing_while_others_translate_loses_no_answer(model_dir: Path) -> None:
    engine = BergamotEngine(model_dir)

    def work(_: int) -> str:
        try:
            return engine.translate(["Bom dia."])[0]
        except StageError:
            return "closed"

    with ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(work, number) for number in range(40)]
        futures[4].result(timeout=60)
        engine.close()
        assert {future.result(timeout=60) for future in futures} <= {"Good morning.", "closed"}


def test_an_engine_nobody_refers_to_ends_its_thread_quietly(model_dir: Path) -> None:
    before = set(threading.enumerate())
    engine = BergamotEngine(model_dir)
    (thread,) = set(threading.enumerate()) - before
    del engine
    gc.collect()
    thread.join(timeout=60)  # a model freed by another thread would be an unraisable error, and fail the test
    assert not thread.is_alive()


def test_a_program_that_forgets_to_close_still_ends(model_dir: Path) -> None:
    code = f"""
from pathlib import Path
from emoscribe.engines.bergamot import BergamotEngine
engine = BergamotEngine(Path({str(model_dir)!r}))
print(engine.translate(["Bom dia."])[0])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "Good morning.\n", "")


@pytest.mark.parametrize(
    ("file", "size"),
    [("model.pten.intgemm.alphas.bin", 5000), ("model.pten.intgemm.alphas.bin", 0), ("vocab.pten.spm", 300)],
)
def test_a_damaged_file_is_refused_when_loading(damaged: Path, file: str, size: int) -> None:
    path = damaged / file
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(ModelIntegrityError) as caught:
        BergamotEngine(damaged)
    assert "models pull" in caught.value.fix


@pytest.mark.parametrize("file", ["model.pten.intgemm.alphas.bin", "vocab.pten.spm"])
def test_a_missing_file_is_refused_when_loading(damaged: Path, file: str) -> None:
    (damaged / file).unlink()
    with pytest.raises(ModelIntegrityError):
        BergamotEngine(damaged)


def test_works_without_the_shortlist(damaged: Path) -> None:
    (damaged / "lex.50.50.pten.s2t.bin").unlink()
    engine = BergamotEngine(damaged)
    assert engine.translate(["Bom dia."]) == ["Good morning."]
    engine.close()
