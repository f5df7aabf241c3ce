#!/bin/bash
# bird.sh: print how to call BIRD 2, the lab's router daemon. Debian's package is
# unpacked into the cache, not installed: that would start a router here.
set -eu
cache=${XDG_CACHE_HOME:-$HOME/.cache}/herald/lab/bird
sandbox=()
as_root() {
	if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}
# With the one library that the machine need not have: libssh, by each release's name.
fetch() {
	local ssh
	ssh=$(apt-cache depends bird2 2>/dev/null |
		awk '$1 == "Depends:" && $2 ~ /^libssh/ { print $2 }')
	[ -n "$ssh" ] && apt-get -qq "${sandbox[@]}" download bird2 "$ssh"
}
unpack() {
	local deb
	for deb in ./*.deb; do
		dpkg-deb -x "$deb" . && rm -f "$deb" || return
	done
}
[ "$(id -u)" -ne 0 ] || sandbox=(-o APT::Sandbox::User=root)
mkdir -p "$(dirname "$cache")"
exec 9>"$cache.lock"
flock 9
if ! [ -x "$cache/usr/sbin/bird" ]; then
	tmp=$cache.$$
	mkdir -p "$tmp"
	trap 'rm -rf "$tmp"' EXIT
	# An index that is missing or stale names no file that is there.
	(cd "$tmp" && { fetch || { as_root apt-get -qq update && fetch; }; } && unpack) >&2 ||
		{ echo "bird.sh: could not fetch bird2 with apt-get download" >&2; exit 1; }
	rm -rf "$cache"
	mv "$tmp" "$cache"
fi
echo "$cache"
