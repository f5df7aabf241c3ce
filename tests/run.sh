#!/bin/sh
# run.sh PROGRAM...: run each test program, show what fails, sum up at the end.
export ASAN_OPTIONS="${ASAN_OPTIONS:-detect_leaks=1:abort_on_error=0}"
export UBSAN_OPTIONS="${UBSAN_OPTIONS:-print_stacktrace=1}"
export CK_VERBOSITY="${CK_VERBOSITY:-normal}"
out=$(mktemp)
trap 'rm -f "$out"' EXIT
passed=0 failed=0 skipped=0
for t in "$@"; do
	# A program's last summary is Check's "100%: Checks: N, Failures: F, Errors: E".
	timeout 600 "$t" >"$out" 2>&1
	rc=$?
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
