#!/bin/bash
# run.sh [SECTION...]: make bench (ONLY="SECTION..." there). Measures Herald, and
# keepalived, HAProxy, ipvsadm and other BGP daemons beside it in the same run. Each
# section prints its table when it is done, with the aims, and how long it took; one that
# fails is named, and the others go on. Without SECTION, all, in this order:
#
#	alloc		addresses the controller gives a second
#	plan		what one changed endpoint costs before the kernel is told
#	checks		20,000 TCP health checks a second, beside HAProxy and bare loops
#	checks_vm	2,000 of them in the virtual machine, where keepalived can run, too
#	mesh		the liveness mesh, by the number of nodes
#	lab		memory, an endpoint's way, a planned move
#	many		a whole speaker with 1,000 and 10,000 Services
#	director	programming tables, beside ipvsadm -R and keepalived
#	throughput	the way through the director, beside plain IPVS and iptables
#	failover	a failing owner, beside keepalived
#	survival	open connections, by mode, scheduler and what happens; some of
#			the rows with KINDS="tunnel-mh-4 tunnel-wrr-4-sync ..."
#	controller	against a real API server (built at first use, 10 minutes)
#	bgp bgp_vm bfd	BGP and BFD, beside other daemons
#
# All but alloc, plan, checks, mesh, controller, bgp and bfd need the lab's virtual
# machine. BENCH_RESULTS: where logs and figures go (build/bench).
set -eu
set -o pipefail
cd "$(dirname "$0")/../.."
build=build/${VARIANT:-release}
results=${BENCH_RESULTS:-build/bench}
sections="alloc plan checks checks_vm mesh lab many director throughput failover survival
	controller bgp bgp_vm bfd"
export PYTHONPYCACHEPREFIX=$PWD/build/pycache
sudo=$([ "$(id -u)" -eq 0 ] || echo sudo)

for section in "$@"; do
	grep -qw -- "$section" <<<"$sections" ||
		{ echo "run.sh: no section $section; there are: $sections" >&2; exit 2; }
done

packages=
for need in keepalived ipvsadm haproxy iptables ethtool bird:bird2 vtysh:frr gobgpd \
	bgpctl:openbgpd exabgp; do
	PATH=$PATH:/usr/sbin command -v "${need%:*}" >/dev/null || packages="$packages ${need#*:}"
done
if [ -n "$packages" ]; then
	echo "installing$packages"
	# Debian starts a daemon when it is installed; the bench starts its own.
	# shellcheck disable=SC2086
	$sudo env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
		apt-get install -y -qq --no-install-recommends $packages >/dev/null
fi

pkgs="libcurl libcjson libnl-3.0 libnl-genl-3.0 libnl-route-3.0 yaml-0.1 libmicrohttpd
	libnftables libcrypto libcap-ng"
speaker="speaker kube arp bgp ipvs lib"
mkdir -p "$build/tests/bench" "$results"

# compile NAME [ROOM...]: tests/bench/NAME.c with these rooms, callers first
compile() {
	local name=$1 archives=
	shift
	for room in "$@"; do archives="$archives $build/$room.a"; done
	# shellcheck disable=SC2086	# lists of words
	[ $# -eq 0 ] || make --no-print-directory $archives >/dev/null
	# shellcheck disable=SC2046,SC2086
	${CC:-cc} -std=gnu11 -D_GNU_SOURCE -I. -O2 -Wall -Wextra $(pkg-config --cflags $pkgs) \
		-o "$build/tests/bench/$name" "tests/bench/$name.c" $archives \
		$(pkg-config --libs $pkgs) -lev -lpthread -lm
}

# in_vm SCRIPT SECONDS [VM OPTION...] -- [ARG...]: tests/bench/SCRIPT.py. The guest's clock
# counts instructions; the limit is of the machine's time, which others may share.
in_vm() {
	local script=$1 limit=$2 options=()
	shift 2
	while [ "$1" != -- ]; do options+=("$1"); shift; done
	/usr/bin/python3 -m compileall -q tests/lab tests/bench
	mkdir -p "$results/$section"
	tests/lab/vm.sh -t "$limit" -r "$results/$section" "${options[@]}" \
		env PYTHONPYCACHEPREFIX="$PYTHONPYCACHEPREFIX" /usr/bin/python3 -u \
		"tests/bench/$script.py" "${@:2}"
}

# --- the sections ------------------------------------------------------------

alloc() {
	compile alloc_bench controller kube lib
	"$build/tests/bench/alloc_bench" >"$results/alloc.txt"
	python3 tests/bench/table.py alloc "$results/alloc.txt"
}

plan() {
	# shellcheck disable=SC2086
	compile plan_bench $speaker
	"$build/tests/bench/plan_bench" 10000 4
	"$build/tests/bench/plan_bench" 1000 4
}

checks() {
	compile check_bench ipvs lib
	echo "The aim is 10 % of a core."
	$sudo unshare -nm env PYTHONPYCACHEPREFIX="$PYTHONPYCACHEPREFIX" python3 -u \
		tests/bench/check_bench.py "$build/tests/bench/check_bench" "$results/checks.json"
}

checks_vm() {
	compile check_bench ipvs lib
	in_vm check_bench 1200 -- "$build/tests/bench/check_bench" \
		/run/lab/results/checks.json 2000 1
}

mesh() {
	local rc=0
	# shellcheck disable=SC2086
	compile mesh_bench $speaker
	echo "3 x 100 ms with a key; the budget is 10 % of a core:"
	for peers in 2 9 99 299 999; do
		"$build/tests/bench/mesh_bench" "$peers" 10 || [ $? -eq 2 ] || rc=1
	done
	return $rc
}

lab() {
	in_vm lab_bench 1200 -- "$PWD/$build" /run/lab/results/lab.json
	python3 tests/bench/table.py lab "$results/lab/lab.json"
}

many() {
	in_vm many_bench 3000 -m 3000 -- "$PWD/$build" /run/lab/results/many.json
	python3 tests/bench/table.py many "$results/many/many.json"
}

director() {
	tests/lab/director.sh --build
	in_vm director_bench 6000 -m 3000 -- "$PWD/$build/directorctl" \
		/run/lab/results/tables.json
}

throughput() {
	tests/lab/director.sh --build
	compile load_tool
	in_vm throughput_bench 3000 -- "$PWD/$build" /run/lab/results/throughput.json
}

failover() {
	in_vm failover 3000 -- "$PWD/$build" /run/lab/results/failover.json
}

survival() {
	# shellcheck disable=SC2086	# a list of words
	in_vm survival_bench 12000 -- "$PWD/$build" /run/lab/results/survival.json 500 \
		${KINDS:-}
}

controller() {
	tests/bench/controller.sh
}

bgp() {
	make --no-print-directory "$build/tests/bgp/bgp_peer_tool" >/dev/null
	python3 tests/bench/bgp_bench.py "$build" | tee "$results/bgp.txt"
}

bgp_vm() {	# where the whole speaker can run
	make --no-print-directory "$build/tests/bgp/bgp_peer_tool" >/dev/null
	in_vm bgp_bench 3000 -- "$PWD/$build" 1 | tee "$results/bgp_vm.txt"
}

bfd() {
	make --no-print-directory "$build/tests/bgp/bfd_peer" >/dev/null
	echo "3 x 10 ms, from BIRD's silence to Down; the aim is 35 ms at most:"
	python3 tests/bgp/interop_bfd.py "$build/tests/bgp/bfd_peer" \
		"authentication, silence" | tee "$results/bfd.txt"
}

# -----------------------------------------------------------------------------

# shellcheck disable=SC2086	# a list of words
[ $# -gt 0 ] || set -- $sections
failed=
set +e	# but within a section
for section in "$@"; do
	echo
	echo "== $section, $(date +%T)"
	since=$SECONDS
	(set -e; "$section")
	rc=$?
	[ $rc -eq 0 ] || failed="$failed $section"
	echo "== $section: $((SECONDS - since)) s$([ $rc -eq 0 ] || echo ", failed")"
done
[ -z "$failed" ] || echo "bench: failed:$failed"
[ -z "$failed" ]
