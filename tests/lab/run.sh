#!/bin/bash
# run.sh [--demo] [--shell] [--part first|second|v6|long] [--only SCENARIO]...: the lab.
#
# Boots the virtual machine of vm.sh and runs lab.py in it, which makes three
# nodes, their pods, clients and a router, starts the built programs on them and
# goes through scenarios.py. Logs, packet captures and reports of failures are
# left in build/lab, or in LAB_RESULTS where that is set: two runs at once must
# not share a folder. --shell: start everything and give a shell in the guest.
# --part: all.sh runs first and second side by side, or v6 and long: lab.py has what they are.
# LAB_SPARE=N: up to N scenarios may fail once if they hold the second time.
set -eu
cd "$(dirname "$0")/../.."
results=build/lab limit=5400
for arg; do
	[ "$arg" != --shell ] || limit=86400
	[ "$arg" != --demo ] || results=build/demo
done
results=${LAB_RESULTS:-$results}
bin=$PWD/build/${VARIANT:-release}
for program in herald-controller herald-speaker; do
	[ -x "$bin/$program" ] || { echo "run.sh: no $bin/$program; run make first" >&2; exit 1; }
done
mkdir -p "$(dirname "$results")"
exec 9>"$results.lock"
flock -n 9 || {
	echo "run.sh: another run is at work in $results; set LAB_RESULTS to a folder of your own" >&2
	exit 1
}
rm -rf "${results:?}"
mkdir -p "$results"
# Compiling the Python here takes a tenth of what it takes in the guest.
export PYTHONPYCACHEPREFIX=$PWD/build/pycache
/usr/bin/python3 -m compileall -q tests/lab
colour=''
[ ! -t 1 ] || colour=1
LAB_BIRD=$(tests/lab/bird.sh)
echo "Booting a virtual machine with Debian's kernel; the lab is up in half a minute."
exec tests/lab/vm.sh -t "$limit" -r "$results" \
	env PYTHONPYCACHEPREFIX="$PYTHONPYCACHEPREFIX" LAB_COLOUR=$colour \
	LAB_BIRD="$LAB_BIRD" LAB_SPARE="${LAB_SPARE:-0}" \
	/usr/bin/python3 -u tests/lab/lab.py "$bin" "$@"
