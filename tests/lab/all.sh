#!/bin/bash
# all.sh: the lab but for what takes long (make lab). It is bound by the emulated
# processor, of which a virtual machine has one: so there are two, side by side.
set -u -o pipefail -m	# each lane is a process group, to be ended as one
cd "$(dirname "$0")/../.." || exit

lane() {	# lane NAME COMMAND: what it prints, each line after its name
	bash -e -c "$2" 2>&1 </dev/null | sed -u "s/^/$1: /"
}

# Those who are not root are asked for sudo's password once, before two would ask.
[ "$(id -u)" -eq 0 ] || sudo -v || exit 1
lane first 'tests/lab/director.sh; tests/lab/bond.sh
	LAB_RESULTS=build/lab/first tests/lab/run.sh --part first' &
first=$!
lane second 'LAB_RESULTS=build/lab/second tests/lab/run.sh --part second' &
second=$!
trap 'kill -- -$first -$second; exit 130' INT TERM
rc=0
wait $first || rc=1
wait $second || rc=1
exit $rc
