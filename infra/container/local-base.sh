#!/usr/bin/env bash
# Makes localhost/emoscribe-base:bookworm, a base image from Debian's packages, where no image registry can be reached.
#
#   infra/container/local-base.sh      needs root, mmdebstrap and buildah; then: BASE=localhost/emoscribe-base:bookworm
#
# Debian's Python 3.11 in the place of python:3.11-slim-bookworm. Made once; remove the image to make it anew.
set -euo pipefail
NAME=${NAME:-localhost/emoscribe-base:bookworm}
export BUILDAH_ISOLATION=chroot

if buildah inspect --type image "$NAME" >/dev/null 2>&1; then
  echo "$NAME is there"
  exit
fi
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
mmdebstrap --variant=minbase --include=ca-certificates,python3,python3-venv \
  --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
  --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/man/*' \
  --customize-hook='rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/* "$1"/var/log/*' \
  bookworm "$WORK/root.tar"
container=$(buildah from scratch)
buildah add --quiet "$container" "$WORK/root.tar" / >/dev/null
buildah config --env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin --cmd python3 "$container"
buildah commit --quiet "$container" "$NAME" >/dev/null
buildah rm "$container" >/dev/null
echo "$NAME made"
