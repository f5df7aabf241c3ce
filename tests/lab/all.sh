#!/bin/bash
# all.sh [long]: the lab (make lab), or with `long` the rest of it: all again for IPv6, and
# what takes long (make lab-long). It is bound by the emulated processor, of which a
# virtual machine has one: so there are two, side by side.
set -u -o pipefail -m	# each lane is a process group, to be ended as one
cd "$(dirname "$0")/../.." || exit

lane() {	# lane PART [COMMAND]: then that part; each line after its name
	bash -e -c "${2-}
		LAB_RESULTS=build/lab/$1 tests/lab/run.sh --part $1" 2>&1 </dev/null |
		sed -u "s/^/$1: /"
}

# Those who are not root are asked for sudo's password once, before two would ask.
[ "$(id -u)" -eq 0 ] || sudo -v || exit 1
if [ "${1-}" = long ]; then
	lane v6 'tests/lab/director.sh --long' & one=$!
	lane long & other=$!
else
	lane first 'tests/lab/director.sh; tests/lab/bond.sh' & one=$!
	lane second & other=$!
fi
trap 'kill -- -$one -$other; exit 130' INT TERM
rc=0
wait $one || rc=1
wait $other || rc=1
exit $rc
