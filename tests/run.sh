#!/bin/sh
# run.sh PROGRAM...: run each test program, show what fails, sum up at the end.
export ASAN_OPTIONS="${ASAN_OPTIONS:-detect_leaks=1:abort_on_error=0}"
export UBSAN_OPTIONS="${UBSAN_OPTIONS:-print_stacktrace=1}"
export CK_VERBOSITY="${CK_VERBOSITY:-normal}"
out=$(mktemp)
trap 'rm -f "$out"' EXIT

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
		timeout 1800 chrt -r 1 "$1"
	else
		timeout 1800 "$1"
	fi
}

passed=0 failed=0 skipped=0
for t in "$@"; do
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
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
