"""The classifier that the settings name: of the catalogue, or a folder of one's own."""

import shutil
from pathlib import Path
from typing import get_args

import pytest

from emoscribe.catalog import locate
from emoscribe.errors import InvalidRequestError, ModelMissingError
from emoscribe.local_stages import EMOTION, WHISPER, load_classifier, locate_emotion_model
from emoscribe.model_store.entry import default_catalog
from emoscribe.settings import load_settings
from emoscribe.types import EmotionRequest, EmotionScores, Profile


def test_a_name_is_a_model_of_the_catalogue(tmp_path: Path) -> None:
    folder, info = locate_emotion_model("emotion", tmp_path)
    assert folder == locate("emotion", tmp_path)
    assert (info.role, info.name, info.license) == ("emotion", "emotion", "Apache-2.0")


@pytest.mark.parametrize("profile", get_args(Profile))
def test_a_profile_names_its_models_as_the_catalogue_does(profile: Profile) -> None:
    models = default_catalog().models
    by_role = {models[name].role: name for name in default_catalog().profiles[profile]}
    assert (by_role["transcription"], by_role["emotion"]) == (WHISPER[profile], EMOTION[profile])


@pytest.mark.parametrize(("profile", "name"), [("embedded", "emotion"), ("fast", "emotion-fast")])
def test_the_profile_chooses_the_model_unless_a_setting_does(
    profile: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMOSCRIBE_PROFILE", profile)
    assert [info.name for info in load_classifier(load_settings()).models] == [name]
    monkeypatch.setenv("EMOSCRIBE_EMOTION_MODEL", "emotion-fast")
    assert [info.name for info in load_classifier(load_settings()).models] == ["emotion-fast"]


def test_a_folder_is_served_and_named_by_its_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path / "mine"
    shutil.copytree(locate("emotion", tmp_path), own)
    monkeypatch.setenv("EMOSCRIBE_EMOTION_MODEL", str(own))
    classifier = load_classifier(load_settings())
    [scores] = classifier.classify([EmotionRequest("I love you!")])
    assert isinstance(scores, EmotionScores)
    [info] = classifier.models
    assert (info.name, info.license) == ("mine", "unknown")
    assert info.version == info.sha256[:12]
    (own / "tokenizer.json").write_bytes((own / "tokenizer.json").read_bytes() + b" ")
    assert locate_emotion_model(str(own), tmp_path)[1].sha256 != info.sha256


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(ModelMissingError, match="no folder"):
        locate_emotion_model(str(tmp_path / "nowhere"), tmp_path)
    with pytest.raises(InvalidRequestError, match="nonesuch"):
        locate_emotion_model("nonesuch", tmp_path)
