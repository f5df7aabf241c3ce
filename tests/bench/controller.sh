#!/bin/bash
# controller.sh: many Services pending at the controller's start, against a real
# API server: rate, beside plain parallel patches in the same run, and memory.
# SERVICES (10000) says how many; BUILD (build/release) where Herald's programs are.
set -eu
cd "$(dirname "$0")/../.."
build=${BUILD:-build/release}
mkdir -p "$build/tests/bench"
# shellcheck disable=SC2046	# a list of words
${CC:-cc} -std=gnu11 -D_GNU_SOURCE -O2 -Wall -Wextra -o "$build/tests/bench/patcher" \
	tests/bench/patcher.c $(pkg-config --cflags --libs libcurl)
bin=$(tests/kube/build-apiserver.sh)
exec python3 tests/bench/controller.py --bin "$bin" --logs "$build/tests/bench/logs" \
	--controller "$build/herald-controller" --patcher "$build/tests/bench/patcher" \
	--services "${SERVICES:-10000}"
