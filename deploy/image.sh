#!/bin/sh
# image.sh VERSION: build the container image herald:VERSION with whichever of
# docker, podman or buildah is there. ENGINE=... picks one.
set -eu
version=${1:?usage: image.sh VERSION}
cd "$(dirname "$0")/.."

engine=${ENGINE:-}
for e in docker podman buildah; do
	[ -n "$engine" ] && break
	# docker may be there without a daemon to talk to.
	if command -v "$e" >/dev/null && "$e" version >/dev/null 2>&1; then
		engine=$e
	fi
done
case $engine in
docker | podman)
	exec "$engine" build -f deploy/image/Containerfile -t "herald:$version" .
	;;
buildah)
	exec buildah bud -f deploy/image/Containerfile -t "herald:$version" .
	;;
'')
	echo "image.sh: none of docker, podman, buildah is installed and works;" \
		"install one (apt-get install buildah) or name it: ENGINE=..." >&2
	exit 1
	;;
*)
	echo "image.sh: ENGINE=$engine is not docker, podman or buildah" >&2
	exit 1
	;;
esac
