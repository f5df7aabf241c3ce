#!/bin/bash
# bond.sh: bonds and VLANs under tests/arp/io_link_test.c, with the lab's kernel, for that
# of the machine may have neither.
set -eu
cd "$(dirname "$0")/../.."
build=build/${VARIANT:-release}
make -s "$build/tests/arp/io_link_test" >/dev/null
mkdir -p build/bond
# shellcheck disable=SC2016	# for the shell in the guest
exec tests/lab/vm.sh -r build/bond /bin/bash -c '
	modprobe -d "$(dirname "$(cat /proc/sys/kernel/modprobe)")" -a \
		bonding 8021q veth bridge af_packet
	out=$(CK_RUN_CASE=bond "$1") || { echo "$out"; exit 1; }
	echo "$out"
	# It says so where the kernel has none after all.
	[ "${out#*not tested}" = "$out" ]' bond "$PWD/$build/tests/arp/io_link_test"
