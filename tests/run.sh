#!/bin/bash
# run.sh PROGRAM...: run each test program, show what fails, sum up at the end. There are
# two lanes, side by side: the tests that time things by this machine's clock, which
# mostly wait, and the others.
set -m	# a lane in the background is a process group, to be ended as one
export ASAN_OPTIONS="${ASAN_OPTIONS:-detect_leaks=1:abort_on_error=0}"
export UBSAN_OPTIONS="${UBSAN_OPTIONS:-print_stacktrace=1}"
export CK_VERBOSITY="${CK_VERBOSITY:-normal}"
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# What happens within so many milliseconds by this machine's clock. Such a test cannot
# tell a slow program from a machine that has no time for it, so it goes first where that
# is permitted; and where more wants to run than there are processors, it may try again.
is_timed() {
	case ${1##*/} in
	*io_*test | bgp_hostile_test | bgp_several_test) return 0 ;;
	esac
	return 1
}

is_busy() {
	awk -v n="$(nproc)" '{ exit $1 <= n }' /proc/loadavg
}

run() {
	if is_timed "$1" && chrt -r 1 true 2>/dev/null; then
		timeout --foreground 1800 chrt -r 1 "$1"
	else
		timeout --foreground 1800 "$1"
	fi
}

lane() {	# lane NAME PROGRAM...: how many passed, failed and were skipped goes to its file
	name=$1 out=$tmp/$1.out
	shift
	passed=0 failed=0 skipped=0
	for t; do
		run "$t" >"$out" 2>&1
		rc=$?
		tries=1
		while [ "$rc" -ne 0 ] && [ "$rc" -ne 77 ] && [ "$tries" -lt 3 ] && is_timed "$t" && is_busy; do
			echo "again ${t#build/}: it failed while others had the processors"
			run "$t" >"$out" 2>&1
			rc=$?
			tries=$((tries + 1))
		done
		# A program's last summary is Check's "100%: Checks: N, Failures: F, Errors: E".
		counts=$(sed -n 's/^[0-9]*%: Checks: \([0-9]*\), Failures: \([0-9]*\), Errors: \([0-9]*\)$/\1 \2 \3/p' "$out" |
			awk '{ c += $1; f += $2 + $3 } END { print c + 0, f + 0 }')
		c=${counts% *} f=${counts#* }
		if [ "$rc" -eq 77 ]; then	# says why it cannot run here (no root, ...)
			echo "skip  ${t#build/}: $(head -n 1 "$out")"
			skipped=$((skipped + 1))
			continue
		elif [ "$rc" -ne 0 ] || [ "$c" -eq 0 ]; then
			echo "FAIL  ${t#build/} (exit $rc)"
			cat "$out"
			[ "$f" -gt 0 ] || f=1
			[ "$c" -gt 0 ] || c=1
		else
			echo "ok    ${t#build/} ($c)"
		fi
		passed=$((passed + c - f)) failed=$((failed + f))
	done
	echo "$passed $failed $skipped" >"$tmp/$name.counts"
}

timed='' others=''
for t; do
	if is_timed "$t"; then timed="$timed $t"; else others="$others $t"; fi
done
# shellcheck disable=SC2086	# lists of words
lane timed $timed &
trap 'kill -- -$!; exit 130' INT TERM
# shellcheck disable=SC2086
lane others $others
wait
cat "$tmp"/*.counts | awk '{ p += $1; f += $2; s += $3 }
	END { print p " passed, " f " failed, " s + 0 " skipped"; exit NR < 2 || f > 0 || p == 0 }'
