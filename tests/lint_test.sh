#!/bin/bash
# lint_test.sh: each rule of lint.sh finds a fault planted in a small tree.
set -u
here=$(cd "$(dirname "$0")" && pwd)
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
passed=0 failed=0

plant() {	# plant FILE TEXT...: the clean tree and this one file
	rm -rf "${tree:?}"/*
	mkdir -p "$tree"/{lib,kube,arp,bgp,speaker,tests}
	echo '#define X 1' >"$tree/lib/x.h"
	echo '#include "lib/x.h"' >"$tree/arp/arp.h"
	[ $# -lt 2 ] || { printf '%s\n' "${@:2}" >"$tree/$1"; }
}

expect() {	# expect WHY PATTERN: lint of the tree says PATTERN, "clean" when it is
	local said rc want=1
	said=$("$here/lint.sh" "$tree" 2>&1)
	rc=$?
	[ "$2" != clean ] || want=0
	if [ $rc -eq $want ] && grep -q -- "$2" <<<"$said"; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "FAIL $1: want \"$2\" and status $want, got $rc: $said"
	fi
}

plant
expect "the tree itself" clean
plant arp/a.h '' '#include "kube/types.h"'
expect "an engine knows no Kubernetes" 'arp/a.h:2: arp must not include kube/types.h'
plant arp/a.h '#include "bgp/bfd.h"'
expect "engines do not know one another" 'arp/a.h:1: arp must not'
plant lib/a.h '#include "arp/arp.h"'
expect "lib knows nobody" 'lib/a.h:1: lib must not'
plant speaker/plan.h '#include "arp/arp.h"'
expect "the speaker may know an engine" clean
plant speaker/plan.h '#include "plan_impl.h"'
expect "headers are named by their room" 'speaker/plan.h:1: include "ROOM/plan_impl.h"'
plant arp/arp.c '  #  include <ev.h>'
expect "an engine has no event loop" 'arp/arp.c:1: only \*_io.c and main.c include <ev.h>'
plant speaker/main.c '#include <ev.h>'
expect "main has" clean
plant arp/arp.c '#include "lib/clock.h"'
expect "an engine reads no clock" 'arp/arp.c:1: only .* read the clock'
plant arp/arp.c '#include <netlink/netlink.h>'
expect "netlink stays in its files" 'arp/arp.c:1: only \*_nl.c'
plant speaker/plan.h '#include <cjson/cJSON.h>'
expect "cJSON stays in decode files" 'speaker/plan.h:1: only decode and encode'
plant arp/other.c 'int x;'
expect "a .c has a header" 'arp/other.c:1: no header'
plant arp/arp.c 'int' 'arp_alone(void)' '{' '	return 1;' '}'
expect "nothing is exported for nobody" 'arp/arp.c:2: no other file calls arp_alone'
plant arp/arp.c 'static int' 'arp_alone(void)' '{' '	return 1;' '}'
expect "what is static is its file's" clean
plant arp/arp.c 'int' 'arp_called(void)' '{' '	return 1;' '}'
echo '	return arp_called();' >"$tree/tests/arp_test.c"
expect "a test is a caller" clean
plant arp/arp.h '#define M "herald_arp_total"'
expect "a metric is documented" 'no manual has the metric herald_arp_total'
plant arp/arp.8 '.It Sy herald_gone_total'
expect "what is documented is there" 'there is no metric herald_gone_total'
plant arp/arp.h 'int x; '
expect "blanks at the end" 'arp/arp.h:1: blank at the end'
plant arp/arp.h "$(printf '\t%093d' 0)"
expect "101 columns, the tab counts eight" 'arp/arp.h:1: 101 columns'
plant arp/arp.h "$(printf '\t%092d' 0)"
expect "100 columns are allowed" clean
plant tests/run.sh '#!/bin/sh' 'if true; then'
expect "a script that does not parse" 'run.sh'
plant tests/x.py 'import os' 'print(1)'
expect "Python that imports what it does not use" 'tests/x.py:1:1'
manual=('.Dd November 21, 2026' '.Dt X 8' .Os '.Sh NAME' '.Nm x' '.Nd is an example')
plant lib/x.8 "${manual[@]}"
expect "a manual" clean
plant lib/x.8 "${manual[@]}" '.Sh SEE ALSO' '.Xr y 8' '.Sh FILES' 'None.'
expect "its sections have an order" 'lib/x.8:9:2: WARNING: sections out of'

echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
