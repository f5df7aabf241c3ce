#!/bin/sh
# interop.sh DIR: BGP and BFD against other people's daemons, in namespaces; DIR
# has our two ends, bgp_peer_tool and bfd_peer. Sums up at the end. Needs root.
dir=${1:?usage: interop.sh DIR}
here=$(dirname "$0")
PATH=$PATH:/usr/sbin

packages=
for need in bird:bird2 vtysh:frr gobgpd:gobgpd bgpctl:openbgpd bgpdump:bgpdump; do
	command -v "${need%:*}" >/dev/null || packages="$packages ${need#*:}"
done
if [ -n "$packages" ]; then
	echo "installing$packages"
	# Debian starts a daemon when it is installed; the rows start their own.
	# shellcheck disable=SC2086	# a list of words
	DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
		apt-get install -y -qq --no-install-recommends $packages >/dev/null
fi
export PYTHONDONTWRITEBYTECODE=1
out=$(mktemp)
trap 'rm -f "$out"' EXIT

run() {
	echo "== $*"
	"$@" 2>&1 | tee -a "$out"
}

run python3 "$here/interop_bgp.py" "$dir/bgp_peer_tool"
run python3 "$here/malformed_bgp.py" "$dir/bgp_peer_tool"
run python3 "$here/interop_bfd.py" "$dir/bfd_peer"
run "$here/tcp_ao.sh" "$dir/bgp_peer_tool"
# A script that ended without its summary has failed.
awk '/^[0-9]+ passed, [0-9]+ failed$/ { p += $1; f += $3; n++ }
    END {
	if (n < 4)
		f += 4 - n
	print p + 0 " passed, " f + 0 " failed"
	exit f > 0 || p == 0
    }' "$out"
