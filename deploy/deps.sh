#!/bin/sh
# Install the Debian packages that building and testing Herald need (Debian 12
# and 13). Quick where all are there; needs root or sudo where not.
set -eu

packages='build-essential gcc make pkg-config git
	libcurl4-openssl-dev libcjson-dev libnl-3-dev libnl-genl-3-dev
	libnl-route-3-dev libev-dev check libyaml-dev libmicrohttpd-dev
	libnftables-dev uthash-dev libssl-dev libcap-ng-dev libseccomp-dev
	qemu-system-x86 busybox-static kmod cpio
	iproute2 iptables ipset conntrack iputils-arping ndisc6 procps nftables
	ipvsadm python3 tcpdump tshark
	python3-grpcio dnsmasq-base openssl
	shellcheck mandoc pyflakes3'

is_installed() {
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

is_known() {
	[ -n "$(apt-cache policy "$1" 2>/dev/null | sed -n 's/.*Candidate: \([^(]*\)$/\1/p')" ]
}

if ! command -v dpkg-query >/dev/null; then
	echo "deps.sh: no Debian; install by hand what this script lists" >&2
	exit 1
fi

# Debian 12 has virtiofsd inside qemu-system-common, Debian 13 by itself.
needs_virtiofsd() {
	! [ -x /usr/lib/qemu/virtiofsd ] && ! is_installed virtiofsd
}

missing=
for p in $packages; do
	is_installed "$p" || missing="$missing $p"
done
if [ -z "$missing" ] && ! needs_virtiofsd; then
	exit 0
fi

sudo=
if [ "$(id -u)" -ne 0 ]; then
	if ! command -v sudo >/dev/null; then
		echo "deps.sh: run as root, or install sudo; missing:$missing" >&2
		exit 1
	fi
	sudo=sudo
fi
$sudo apt-get -q update
if is_known virtiofsd && needs_virtiofsd; then
	missing="$missing virtiofsd"
fi
# shellcheck disable=SC2086 # a list of words
$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends $missing
