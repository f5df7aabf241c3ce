#!/bin/bash
# run.sh SECONDS [NAME...]: build the fuzz targets tests/fuzz/ROOM_WHAT_fuzz.c with
# clang's libFuzzer, ASan and UBSan, and run each for SECONDS from its seeds in
# seeds/ROOM_WHAT. What it learns is kept in build/fuzz/corpus, so that the next
# run begins where this one ended; a crash is left in build/fuzz/crashes, by name.
set -eu
cd "$(dirname "$0")/../.."
seconds=${1:?usage: run.sh SECONDS [NAME...]}
shift
command -v clang >/dev/null || { echo "fuzz: no clang here; apt-get install clang" >&2; exit 1; }

needs() {	# the rooms a room is linked with, as in the Makefile
	case $1 in
	lib) echo lib ;;
	controller) echo controller kube lib ;;
	speaker) echo speaker kube arp bgp ipvs lib ;;
	ctl) echo ctl controller kube lib ;;
	*) echo "$1" lib ;;
	esac
}

pkgs='libcurl libcjson libnl-3.0 libnl-genl-3.0 libnl-route-3.0 yaml-0.1 libmicrohttpd
	libnftables libcrypto libcap-ng'
# shellcheck disable=SC2086	# a list of words
libs="$(pkg-config --libs $pkgs) -lev -lpthread -lm"
san='-O1 -g -fno-omit-frame-pointer -fno-sanitize-recover=undefined'

build() {	# build NAME: into build/fuzz/NAME
	local name=$1 room=${1%%_*} archives=() r
	for r in $(needs "$room"); do
		[ -z "$(find "$r" -maxdepth 1 -name '*.c' ! -name main.c -print -quit)" ] ||
			archives+=("build/fuzz/$r.a")
	done
	make -s -j2 VARIANT=fuzz CC=clang \
		CFLAGS="$san -fsanitize=fuzzer-no-link,address,undefined" "${archives[@]}" \
		"build/fuzz/tests/fuzz/${name}_fuzz.o" >/dev/null
	# shellcheck disable=SC2086
	clang $san -fsanitize=fuzzer,address,undefined -o "build/fuzz/$name" \
		"build/fuzz/tests/fuzz/${name}_fuzz.o" "${archives[@]}" $libs
}

fuzz() {	# fuzz NAME: run it; its own words only when it fails
	local name=$1 corpus=build/fuzz/corpus/$1 log=build/fuzz/$1.log
	local seeds=tests/fuzz/seeds/$name
	mkdir -p "$corpus" build/fuzz/crashes
	[ -d "$seeds" ] || { echo "FAIL  $name: no seeds in $seeds"; return 1; }
	if "build/fuzz/$name" -max_total_time="$seconds" -timeout=5 -rss_limit_mb=1024 \
		-print_final_stats=1 -artifact_prefix="build/fuzz/crashes/$name-" \
		"$corpus" "$seeds" >"$log" 2>&1; then
		echo "ok    $name ($(awk '/number_of_executed_units/ { print $2 }' "$log") runs," \
			"$(find "$corpus" "$seeds" -type f | wc -l) inputs kept)"
	else
		echo "FAIL  $name"
		tail -n 40 "$log"
		return 1
	fi
}

passed=0 failed=0
[ $# -gt 0 ] || for f in tests/fuzz/*_fuzz.c; do
	[ -e "$f" ] || { echo "fuzz: no targets in tests/fuzz" >&2; exit 1; }
	f=$(basename "$f")
	set -- "$@" "${f%_fuzz.c}"
done
for name; do
	if build "$name" && fuzz "$name"; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
	fi
done
echo "$passed passed, $failed failed"
[ $failed -eq 0 ] && [ $passed -gt 0 ]
