#!/bin/bash
# next.sh [--only NAME]: the API tests on what Debian has of a Kubernetes of today.
# Installs and builds what they need (both servers once, cached), runs them, cleans up.
# Last line: N passed, N failed.
set -eu -o pipefail
cd "$(dirname "$0")/../.."

packages=
need() { command -v "$1" >/dev/null 2>&1 || packages="$packages $2"; }
need etcd etcd-server
need openssl openssl
need python3 python3
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
make -s "$build/tests/kube/storedump" all
next=$(tests/kube/build-apiextensions.sh)
bin=$(tests/kube/build-apiserver.sh)
exec python3 tests/kube/next_tests.py --bin "$bin" --next "$next" --build "$build" \
	--logs "$build/tests/kube/next-logs" "$@"
