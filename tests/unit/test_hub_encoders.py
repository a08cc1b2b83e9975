"""A base encoder by its address on the hub: pulled like a model, safetensors only, of one commit."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from emoscribe import catalog
from emoscribe.catalog import Sources
from emoscribe.errors import InvalidRequestError, ModelMissingError, ModelSourceError
from emoscribe.model_store.cache import LOCK_NAME
from tests.model_stand_ins import COMMIT, Hub, HubServer

ADDRESS = f"hub:Some.Org/An_Encoder@{COMMIT}"
FILES = {"config.json": b"{}", "model.safetensors": b"weights" * 400, "tokenizer.json": b"{}"}


@pytest.fixture
def hub() -> Iterator[Hub]:
    hub = Hub({"Some.Org/An_Encoder": {**FILES, "pytorch_model.bin": b"\x80\x02pickle"}})
    with HubServer(hub):
        yield hub


def test_it_is_pulled_once_and_located_by_its_address(tmp_path: Path, hub: Hub) -> None:
    with pytest.raises(ModelMissingError) as missing:
        catalog.locate(ADDRESS, tmp_path)
    assert f"emoscribe models pull {ADDRESS}" in missing.value.fix
    sources = Sources(hub_endpoint_url=hub.url)
    assert [one.action for one in catalog.pull([ADDRESS], tmp_path, sources)] == ["pulled"]
    folder = catalog.locate(ADDRESS, tmp_path)
    assert {name: (folder / name).read_bytes() for name in FILES} == FILES
    assert not list(tmp_path.rglob("pytorch_model.bin"))
    assert folder.name == "hub-some-org-an-encoder-aaaaaaaa"
    assert folder.name in (tmp_path / LOCK_NAME).read_text()
    [status] = catalog.verify(tmp_path, [ADDRESS])
    assert (status.state, status.version) == ("ok", COMMIT)
    assert catalog.pull([ADDRESS], tmp_path, sources)[0].action == "present"


def test_training_finds_it(tmp_path: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch", reason="training needs the extra `train`")
    from emoscribe.settings import load_settings
    from emoscribe.training.run import TrainingRun

    monkeypatch.setenv("EMOSCRIBE_MODELS_DIR", str(tmp_path / "models"))
    (tmp_path / "own.toml").write_text(f'encoder = "{ADDRESS}"')
    run = TrainingRun(str(tmp_path / "own.toml"), tmp_path, tmp_path / "out", (), load_settings())
    catalog.pull([ADDRESS], tmp_path / "models", Sources(hub_endpoint_url=hub.url))
    assert (run.encoder / "model.safetensors").read_bytes() == FILES["model.safetensors"]


def test_without_safetensors_there_is_none(tmp_path: Path, hub: Hub) -> None:
    del hub.repositories["Some.Org/An_Encoder"]["model.safetensors"]
    [result] = catalog.pull([ADDRESS], tmp_path, Sources(hub_endpoint_url=hub.url))
    assert isinstance(result.error, ModelSourceError)
    assert "lacks model.safetensors" in result.error.message


def test_weights_changed_after_the_first_pull_are_refused(tmp_path: Path, hub: Hub) -> None:
    sources = Sources(hub_endpoint_url=hub.url)
    catalog.pull([ADDRESS], tmp_path, sources)
    (catalog.locate(ADDRESS, tmp_path) / "model.safetensors").unlink()
    hub.repositories["Some.Org/An_Encoder"]["model.safetensors"] = b"others" * 400
    [result] = catalog.pull([ADDRESS], tmp_path, sources)
    assert isinstance(result.error, ModelSourceError)
    assert "locked is" in result.error.message


@pytest.mark.parametrize(
    "address",
    ["hub:org/name", "hub:org/name@main", f"hub:name@{COMMIT}", f"hub:../x@{COMMIT}", f"hub:org/n@{COMMIT}0"],
)
def test_an_address_without_its_commit_is_refused(tmp_path: Path, address: str) -> None:
    for ask in (lambda: catalog.locate(address, tmp_path), lambda: catalog.pull([address], tmp_path)):
        with pytest.raises(InvalidRequestError, match="no address of the hub"):
            ask()
