#!/bin/bash
# run.sh [--only NAME]: the API tests. Installs and builds what they need (the
# control plane once, cached), runs them, cleans up. Last line: N passed, N failed.
set -eu
cd "$(dirname "$0")/../.."

packages=
need() { command -v "$1" >/dev/null 2>&1 || packages="$packages $2"; }
need etcd etcd-server
need openssl openssl
need python3 python3
if ! tests/kube/build-apiserver.sh --cached >/dev/null; then
	need gcc gcc
	need make make
	need jq jq
	need rsync rsync
	need dpkg-source dpkg-dev
fi
if [ -n "$packages" ]; then
	echo "installing$packages"
	sudo=$([ "$(id -u)" -eq 0 ] || echo sudo)
	$sudo apt-get update -qq
	# Debian starts etcd when it is installed; the tests start one of their own.
	# shellcheck disable=SC2086
	$sudo env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
		apt-get install -y -qq --no-install-recommends $packages >/dev/null
fi

build=build/release
make --no-print-directory "$build/tests/kube/storedump"
bin=$(tests/kube/build-apiserver.sh)
exec python3 tests/kube/kube_tests.py --bin "$bin" --build "$build" \
	--logs "$build/tests/kube/logs" "$@"
