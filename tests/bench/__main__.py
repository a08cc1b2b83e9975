"""The benchmarks, by name or all: `python -m tests.bench [--list] [NAME...]`.

Each runs in a process of its own, so that none meets what another left in memory. All take over an hour.
"""

import argparse
import ast
import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT

HELPERS = {"__init__", "__main__", "output", "short_recordings"}


def main() -> int:
    about = benchmarks()
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(about)}; none: all")
    parser.add_argument("--list", action="store_true", help="say what there is, and run nothing")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(about):
        parser.error(f"there is no {', '.join(sorted(unknown))}; --list says what there is")
    names = arguments.names or list(about)
    if arguments.list:
        print("\n".join(f"{name:20} {about[name]}" for name in names))
        return 0
    if not (ROOT.parent / "shared" / "data").is_dir():
        print("The benchmarks read ../shared/data, which is not on this machine.", file=sys.stderr)
        return 1
    failed = [name for name in names if not _run(name)]
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def benchmarks() -> dict[str, str]:
    """Name and first line of each."""
    modules = sorted(path for path in Path(__file__).parent.glob("*.py") if path.stem not in HELPERS)
    documents = {path.stem: ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) for path in modules}
    return {name: (document or "").partition("\n")[0] for name, document in documents.items()}


def _run(name: str) -> bool:
    print(f"--- {name}", flush=True)
    return subprocess.run([sys.executable, "-m", f"tests.bench.{name}"], check=False).returncode == 0


if __name__ == "__main__":
    sys.exit(main())
