"""Lays out what BentoCloud builds from: the project by its include list, and the models beside it.

    python infra/bentocloud/stage.py FOLDER [PROFILE]        needs the command `emoscribe`; FOLDER must not exist

BentoCloud's machines fetch nothing when they start, so the models are part of the bento (173 MB for `embedded`).
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import yaml

ROOT: Final = Path(__file__).parents[2]
PULLED: Final = "models/pulled"


def copy_project(into: Path) -> None:
    """The files of bentofile.yaml, and that file with one line more."""
    bento = yaml.safe_load((ROOT / "bentofile.yaml").read_text(encoding="utf-8"))
    for pattern in bento["include"]:
        for path in ROOT.glob(pattern):
            if path.is_file() and "__pycache__" not in path.parts:
                target = into / path.relative_to(ROOT)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(path, target)
    bento["include"].append(f"{PULLED}/**")
    (into / "bentofile.yaml").write_text(yaml.safe_dump(bento, sort_keys=False), encoding="utf-8")
    shutil.copy2(Path(__file__).with_name("deployment.yaml"), into)  # BentoML reads no file outside the folder it is in


def pull_models(into: Path, profile: str) -> None:
    """Checked against the catalogue, as everywhere. Raises CalledProcessError."""
    command = [sys.executable, "-m", "emoscribe", "models", "pull", profile]
    environment = os.environ | {"EMOSCRIBE_MODELS_DIR": str(into)}
    subprocess.run(command, env=environment, cwd=ROOT, check=True)  # noqa: S603  # our own command
    shutil.rmtree(into / ".pull", ignore_errors=True)


def main(folder: Path, profile: str = "embedded") -> None:
    """Everything or an error."""
    folder.mkdir(parents=True)
    copy_project(folder)
    pull_models(folder / PULLED, profile)
    print(f"{folder} is ready: cd {folder} && bentoml deploy --config-file deployment.yaml")


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:3])
