#!/usr/bin/env bash
# Writes locks/cpu.txt and locks/gpu.txt: every package of the image, one version, with the hashes the index states;
# and locks/build.txt, what building needs and the image does not hold.
#
#   infra/container/lock.sh            needs uv (pip install uv==0.13.8) and the package index
#
# Run it after a change of pyproject.toml or constraints.txt; tests/infra/test_container.py says when that was forgotten.
set -euo pipefail
cd "$(dirname "$0")/../.."
HERE=infra/container
UV=${UV:-uv}
COMMON=(
  --constraint constraints.txt --python-version 3.11 --python-platform x86_64-manylinux_2_28 --only-binary :all:
  --generate-hashes --no-annotate --quiet --custom-compile-command infra/container/lock.sh
)

"$UV" pip compile pyproject.toml $HERE/image.in "${COMMON[@]}" \
  --extra serve --extra cpu --output-file $HERE/locks/cpu.txt
"$UV" pip compile pyproject.toml $HERE/image.in $HERE/gpu.in "${COMMON[@]}" \
  --extra serve --extra gpu --override $HERE/gpu.overrides --output-file $HERE/locks/gpu.txt
"$UV" pip compile $HERE/build.in "${COMMON[@]}" --output-file $HERE/locks/build.txt
