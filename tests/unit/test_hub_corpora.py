"""Corpora from a data set repository of the hub: text files of known corpora only, of one commit."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from emoscribe.errors import InvalidRequestError, ModelSourceError
from emoscribe.evaluation.corpora import load
from emoscribe.evaluation.hub_corpora import RECORD_NAME, pull_corpora
from tests.model_stand_ins import COMMIT, Hub, HubServer, sha256

ADDRESS = f"hub:team/corpora@{COMMIT}"
FILES = {
    "goemotions_ekman/labels.txt": b"anger\ndisgust\nfear\njoy\nsadness\nsurprise\nneutral\n",
    "goemotions_ekman/dev.tsv": b"What a day!\t3,5\ta1\nGo away.\t0\ta2\n",
    "brighter/dev/eng.csv": b"id,text,anger,fear,joy,sadness,surprise\n1,I am scared,0,1,0,0,0\n",
}
OTHERS = {
    "goemotions.py": b"raise SystemExit('run')",
    "goemotions_ekman/loader.py": b"raise SystemExit('run')",
    "goemotions_ekman/data.pkl": b"\x80\x02pickle",
    "README.md": b"# Ours",
}


@pytest.fixture
def hub() -> Iterator[Hub]:
    hub = Hub({"team/corpora": {**FILES, **OTHERS}, "team/empty": {"README.md": b"nothing"}})
    with HubServer(hub):
        yield hub


def test_the_text_files_of_known_corpora_arrive_and_can_be_read(tmp_path: Path, hub: Hub) -> None:
    files = pull_corpora(ADDRESS, tmp_path, endpoint_url=hub.url)
    assert files == {name: sha256(content) for name, content in FILES.items()}
    for name in OTHERS:
        assert not (tmp_path / name).exists()
    assert json.loads((tmp_path / RECORD_NAME).read_text()) == {
        "repository": "team/corpora",
        "commit": COMMIT,
        "files": dict(sorted(files.items())),
    }
    assert [one.labels for one in load("goemotions", "dev", tmp_path)] == [{"happiness", "surprise"}, {"anger"}]
    assert [one.labels for one in load("brighter-eng", "dev", tmp_path)] == [{"fear"}]


def test_what_is_whole_is_not_fetched_again(tmp_path: Path, hub: Hub) -> None:
    pull_corpora(ADDRESS, tmp_path, endpoint_url=hub.url)
    hub.requests.clear()
    pull_corpora(ADDRESS, tmp_path, endpoint_url=hub.url)
    assert not [one for one in hub.requests if one.startswith("GET") and "/resolve/" in one]


def test_a_name_that_leads_elsewhere_is_not_taken(tmp_path: Path, hub: Hub) -> None:
    hub.repositories["team/corpora"] |= {"xed/../../evil.tsv": b"x", "xed/.hidden.tsv": b"x"}
    assert set(pull_corpora(ADDRESS, tmp_path / "corpora", endpoint_url=hub.url)) == set(FILES)
    assert not (tmp_path / "evil.tsv").exists()


@pytest.mark.parametrize("address", ["team/corpora", "hub:team/corpora", "hub:team/corpora@main"])
def test_an_address_without_its_commit_is_refused(tmp_path: Path, address: str) -> None:
    with pytest.raises(InvalidRequestError, match="no address of the hub"):
        pull_corpora(address, tmp_path)


def test_a_data_set_without_corpora_says_what_it_has_to_hold(tmp_path: Path, hub: Hub) -> None:
    with pytest.raises(InvalidRequestError, match="holds no corpus") as refused:
        pull_corpora(f"hub:team/empty@{COMMIT}", tmp_path, endpoint_url=hub.url)
    assert "goemotions_ekman" in refused.value.fix


def test_a_data_set_that_is_not_there_and_a_hub_that_does_not_answer(tmp_path: Path, hub: Hub) -> None:
    with pytest.raises(ModelSourceError, match="RepositoryNotFound"):
        pull_corpora(f"hub:team/none@{COMMIT}", tmp_path, endpoint_url=hub.url)
    with pytest.raises(ModelSourceError):
        pull_corpora(ADDRESS, tmp_path, endpoint_url="http://127.0.0.1:9")


def test_on_the_command_line(tmp_path: Path, hub: Hub) -> None:
    def said(*arguments: str) -> str:
        command = [sys.executable, "-m", "emoscribe", "corpora", *arguments]
        environment = {**os.environ, "HF_ENDPOINT": hub.url, "COLUMNS": "200"}
        return subprocess.run(command, env=environment, capture_output=True, check=True, text=True).stdout

    assert "3 files" in said("pull", ADDRESS, "--out", str(tmp_path))
    assert load("goemotions", "dev", tmp_path)
    listed = said("list")
    assert "goemotions" in listed
    assert "isear" in listed
