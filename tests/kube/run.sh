#!/bin/bash
# run.sh [--only NAME | --speakers]: the API tests. Installs and builds what they need
# (the control plane once, cached), runs them, cleans up. Last line: N passed, N failed.
# --only runs some of kube_tests.py, --speakers only what takes the lab's VM.
set -eu -o pipefail
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
run() {
	local status=0
	if [ "${1-}" != --speakers ]; then
		python3 tests/kube/kube_tests.py --bin "$bin" --build "$build" \
			--logs "$build/tests/kube/logs" "$@" || status=1
	fi
	if [ "${1-}" != --only ]; then
		python3 tests/kube/speakers.py --bin "$bin" --build "$build" \
			--results build/kube-lab || status=1
	fi
	return $status
}
# Both parts end with their own count.
run "$@" | {
	passed=0 failed=0
	while IFS= read -r line; do
		if [[ $line =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed$ ]]; then
			passed=$((passed + BASH_REMATCH[1]))
			failed=$((failed + BASH_REMATCH[2]))
		else
			printf '%s\n' "$line"
		fi
	done
	echo "$passed passed, $failed failed"
}
