#!/bin/bash
# run.sh: make bench. Measures Herald, and keepalived, ipvsadm and other BGP daemons
# beside it in the same run, and prints tables with the aims. BENCH_RESULTS: where
# logs and figures go (build/bench). At the end the controller's rate, controller.sh,
# and BGP and BFD, bgp_bench.py.
set -eu
cd "$(dirname "$0")/../.."
build=build/${VARIANT:-release}
results=${BENCH_RESULTS:-build/bench}

packages=
for need in keepalived ipvsadm iptables bird:bird2 vtysh:frr gobgpd bgpctl:openbgpd exabgp; do
	PATH=$PATH:/usr/sbin command -v "${need%:*}" >/dev/null || packages="$packages ${need#*:}"
done
if [ -n "$packages" ]; then
	echo "installing$packages"
	sudo=$([ "$(id -u)" -eq 0 ] || echo sudo)
	# Debian starts a daemon when it is installed; the bench starts its own, in a VM.
	# shellcheck disable=SC2086
	$sudo env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
		apt-get install -y -qq --no-install-recommends $packages >/dev/null
fi

make --no-print-directory "$build/controller.a" "$build/kube.a" "$build/lib.a" >/dev/null
mkdir -p "$build/tests/bench" "$results"
# shellcheck disable=SC2046	# a list of words
${CC:-cc} -std=gnu11 -D_GNU_SOURCE -I. -O2 -Wall -Wextra -o "$build/tests/bench/alloc_bench" \
	tests/bench/alloc_bench.c "$build/controller.a" "$build/kube.a" "$build/lib.a" \
	$(pkg-config --libs libcurl libcjson yaml-0.1 libmicrohttpd libcrypto) -lev
"$build/tests/bench/alloc_bench" >"$results/alloc.txt"

pkgs="libcurl libcjson libnl-3.0 libnl-genl-3.0 libnl-route-3.0 yaml-0.1 libmicrohttpd
	libnftables libcrypto libcap-ng"
rooms=
for room in speaker kube arp bgp ipvs lib; do rooms="$rooms $build/$room.a"; done
# shellcheck disable=SC2086	# lists of words
make --no-print-directory $rooms >/dev/null
# shellcheck disable=SC2046,SC2086
${CC:-cc} -std=gnu11 -D_GNU_SOURCE -I. -O2 -Wall -Wextra $(pkg-config --cflags $pkgs) \
	-o "$build/tests/bench/plan_bench" tests/bench/plan_bench.c $rooms \
	$(pkg-config --libs $pkgs) -lev -lpthread -lm
echo "What one changed endpoint costs a speaker before the kernel is told:"
"$build/tests/bench/plan_bench" 10000 4
"$build/tests/bench/plan_bench" 1000 4
# shellcheck disable=SC2046,SC2086
${CC:-cc} -std=gnu11 -D_GNU_SOURCE -I. -O2 -Wall -Wextra \
	-o "$build/tests/bench/check_bench" tests/bench/check_bench.c "$build/ipvs.a" \
	"$build/lib.a" $(pkg-config --libs $pkgs) -lev -lpthread -lm
echo "Health checks on loopback; the aim is 10 % of a core for 20,000 a second:"
"$build/tests/bench/check_bench" 1000 1000 10
"$build/tests/bench/check_bench" 20000 1000 10
# shellcheck disable=SC2046,SC2086
${CC:-cc} -std=gnu11 -D_GNU_SOURCE -I. -O2 -Wall -Wextra $(pkg-config --cflags $pkgs) \
	-o "$build/tests/bench/mesh_bench" tests/bench/mesh_bench.c $rooms \
	$(pkg-config --libs $pkgs) -lev -lpthread -lm
echo "The liveness mesh, 3 x 100 ms with a key; the budget is 10 % of a core:"
for peers in 2 9 99 299 999; do
	"$build/tests/bench/mesh_bench" "$peers" 10 || [ $? -eq 2 ]
done
tests/lab/director.sh --build
${CC:-cc} -std=gnu11 -D_GNU_SOURCE -O2 -Wall -Wextra -o "$build/tests/bench/load_tool" \
	tests/bench/load_tool.c

export PYTHONPYCACHEPREFIX=$PWD/build/pycache
/usr/bin/python3 -m compileall -q tests/lab tests/bench
echo "Measuring in a virtual machine; this takes some minutes."
rc=0
part() {	# part WHAT COMMAND...: one that fails is named, and the others go on
	"${@:2}" || { rc=1; echo "bench: $1 has failed"; }
}
# in_vm NAME SECONDS [OPTION...]: tests/bench/NAME.py, its figures in NAME.json. The guest's
# clock counts instructions; the limit is of the machine's time, which others may share.
in_vm() {
	part "$1" tests/lab/vm.sh -t "$2" -r "$results" "${@:3}" \
		env PYTHONPYCACHEPREFIX="$PYTHONPYCACHEPREFIX" /usr/bin/python3 -u \
		"tests/bench/$1.py" "$PWD/$build" "/run/lab/results/$1.json"
}
in_vm lab_bench 1200
in_vm many_bench 3000 -m 3000
mkdir -p "$results/director"
part director_bench tests/lab/vm.sh -t 6000 -m 3000 -r "$results/director" env \
	PYTHONPYCACHEPREFIX="$PYTHONPYCACHEPREFIX" /usr/bin/python3 -u \
	tests/bench/director_bench.py "$PWD/$build/directorctl" /run/lab/results/tables.json
part "the table of these" python3 tests/bench/table.py "$results/lab_bench.json" \
	"$results/many_bench.json" "$results/alloc.txt"
echo
echo "The way through the director, beside IPVS on the node and kube-proxy's iptables rules:"
in_vm throughput_bench 1800
echo
echo "A failing owner, beside keepalived; some more minutes."
in_vm failover 3000
echo
echo "Open connections, by mode, scheduler and what happens; some more minutes."
in_vm survival_bench 6000
echo
echo "The controller against a real API server (built at first use, 10 minutes):"
part "the controller's bench" tests/bench/controller.sh
echo
make --no-print-directory "$build/tests/bgp/bgp_peer_tool" "$build/tests/bgp/bfd_peer" \
	>/dev/null
set -o pipefail
# shellcheck disable=SC2317	# part calls it
bgp() {	# bgp FILE COMMAND...
	"${@:2}" | tee "$results/$1"
}
part "the BGP bench" bgp bgp.txt python3 tests/bench/bgp_bench.py "$build"
echo "The same in the lab's machine, where the whole speaker can run:"
part "the BGP bench there" bgp bgp_vm.txt tests/lab/vm.sh -t 3000 \
	env PYTHONPYCACHEPREFIX="$PYTHONPYCACHEPREFIX" \
	/usr/bin/python3 -u tests/bench/bgp_bench.py "$PWD/$build" 1
echo "BFD at 3 x 10 ms, from BIRD's silence to Down; the aim is 35 ms at most:"
part "BFD beside BIRD" bgp bfd.txt python3 tests/bgp/interop_bfd.py \
	"$build/tests/bgp/bfd_peer" "authentication, silence"
exit "$rc"
