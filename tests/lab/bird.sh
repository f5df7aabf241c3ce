#!/bin/bash
# bird.sh: print how to call BIRD 2, the lab's router daemon. Debian's package is
# unpacked into the cache, not installed: that would start a router here.
set -eu
cache=${XDG_CACHE_HOME:-$HOME/.cache}/herald/lab/bird
sandbox=()
as_root() {
	if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}
fetch() {
	apt-get -qq "${sandbox[@]}" download bird2 libssh-gcrypt-4
}
[ "$(id -u)" -ne 0 ] || sandbox=(-o APT::Sandbox::User=root)
mkdir -p "$(dirname "$cache")"
exec 9>"$cache.lock"
flock 9
if ! [ -x "$cache/usr/sbin/bird" ]; then
	tmp=$cache.$$
	mkdir -p "$tmp"
	trap 'rm -rf "$tmp"' EXIT
	(
		cd "$tmp"
		# An index that is missing or stale names no file that is there.
		{ fetch || { as_root apt-get -qq update && fetch; }; } >&2
		for deb in ./*.deb; do dpkg-deb -x "$deb" .; done
		rm -f ./*.deb
	) || { echo "bird.sh: could not fetch bird2 with apt-get download" >&2; exit 1; }
	rm -rf "$cache"
	mv "$tmp" "$cache"
fi
echo "$cache"
