#!/usr/bin/env bash
# Builds an image with docker, podman or buildah, whichever is there (ENGINE= to choose).
#
#   infra/container/build.sh [cpu|gpu] [serving|with-models|models-pull] [options of the builder...]
#
#   BASE=image        the base, by default python:3.11-slim-bookworm (local-base.sh makes one from Debian's packages)
#   NAME=emoscribe    the image becomes NAME:cpu, NAME:cpu-with-models, NAME:cpu-models-pull; the same for gpu
set -euo pipefail
cd "$(dirname "$0")/../.."
DEVICE=${1:-cpu}
TARGET=${2:-serving}
shift $(($# < 2 ? $# : 2))

for engine in docker podman buildah; do
  if [ -z "${ENGINE:-}" ] && $engine info >/dev/null 2>&1; then ENGINE=$engine; fi
done
: "${ENGINE:?neither docker nor podman nor buildah works here}"

TAG=${NAME:-emoscribe}:$DEVICE
[ "$TARGET" = serving ] || TAG=$TAG-$TARGET
VERSION=$(sed -n 's/^__version__ = "\(.*\)"/\1/p' emoscribe/__init__.py)
ARGUMENTS=(
  --file infra/container/Containerfile --target "$TARGET" --tag "$TAG"
  --build-arg "DEVICE=$DEVICE" --build-arg "VERSION=$VERSION"
  --build-arg "REVISION=$(git rev-parse HEAD 2>/dev/null || echo unknown)"
)
[ -z "${BASE:-}" ] || ARGUMENTS+=(--build-arg "BASE=$BASE")

case $ENGINE in
  docker) DOCKER_BUILDKIT=1 docker build "${ARGUMENTS[@]}" "$@" . ;;
  # the format is Docker's because OCI's has no health check
  *) "$ENGINE" build --layers --format docker --ignorefile infra/container/Containerfile.dockerignore \
       "${ARGUMENTS[@]}" "$@" . ;;
esac
echo "$TAG"
