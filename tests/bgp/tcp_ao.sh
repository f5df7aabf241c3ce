#!/bin/bash
# tcp_ao.sh PROGRAM: tcp_ao.py with that bgp_peer_tool, under a kernel that has TCP-AO.
#
# Linux has it since 6.7, but Debian's kernels only since 7: where this machine's does
# not, it runs in the lab's virtual machine under the cloud kernel of Debian 13's
# backports, unpacked (not installed) under $XDG_CACHE_HOME/herald/tcp-ao. Needs root.
set -eu
program=${1:?usage: tcp_ao.sh PROGRAM}
here=$(dirname "$0")
cache=${XDG_CACHE_HOME:-$HOME/.cache}/herald/tcp-ao

die() { echo "tcp_ao.sh: $*" >&2; exit 1; }

# Deleting a key that is not there: "no such file", or "protocol not available".
has_ao() {
	python3 -c 'import errno, socket
try: socket.socket().setsockopt(6, 39, bytes(152))
except OSError as e: exit(e.errno == errno.ENOPROTOOPT)'
}

# apt-get and apt-cache with the backports as their one source, and no trace of it.
apt() {
	local tool=$1
	shift
	"apt-$tool" -o Dir::Etc::sourcelist="$cache/sources" -o Dir::Etc::sourceparts=- \
		-o Dir::State::lists="$cache/lists" -o Dir::Cache="$cache/apt" \
		-o APT::Sandbox::User=root -q "$@"
}

depends() {	# depends PACKAGE PATTERN: of what it depends on, what fits
	apt cache depends "$1" | awk -v p="$2" '$1 == "Depends:" && $2 ~ p { print $2 }'
}

fetch_kernel() {
	local tmp=$cache/unpack image version pkg
	local keys=/usr/share/keyrings/debian-archive-keyring.gpg
	rm -rf "$tmp"
	mkdir -p "$cache/lists/partial" "$cache/apt/archives/partial" "$tmp/boot"
	echo "deb [signed-by=$keys] http://deb.debian.org/debian trixie-backports main" \
		>"$cache/sources"
	apt get update >/dev/null || die "no package lists of Debian's backports"
	image=$(depends linux-image-cloud-amd64 '^linux-image-[0-9]' | head -n 1)
	version=${image#linux-image-}
	[ -n "$image" ] || die "Debian's backports have no linux-image-cloud-amd64"
	for pkg in "$image" $(depends "$image" '^linux-(base|binary|modules)-[0-9]'); do
		(cd "$tmp" && apt get download "$pkg" >/dev/null) || die "no $pkg"
	done
	for pkg in "$tmp"/*.deb; do
		dpkg-deb -x "$pkg" "$tmp"
		rm "$pkg"
	done
	[ -e "$tmp/lib" ] || ln -s usr/lib "$tmp/lib"
	[ -e "$tmp/boot/vmlinuz-$version" ] ||
		cp "$tmp/usr/lib/modules/$version/vmlinuz" "$tmp/boot/vmlinuz-$version"
	/usr/sbin/depmod -b "$tmp" "$version"
	# The guest's kernel calls this for a module it wants, as in vm.sh.
	printf '#!/bin/sh\nexec modprobe -d "%s" "$@"\n' "$cache/kernel" >"$tmp/modprobe"
	chmod 755 "$tmp/modprobe"
	mv "$tmp" "$cache/kernel"
}

if has_ao; then
	exec python3 "$here/tcp_ao.py" "$program"
fi
[ -x "$cache/kernel/modprobe" ] || fetch_kernel
cd "$here/../.."
exec tests/lab/vm.sh -t 900 -c "$cache" env PYTHONDONTWRITEBYTECODE=1 \
	${BIRD:+"BIRD=$BIRD"} ${KEEP_LOG:+"KEEP_LOG=$KEEP_LOG"} \
	python3 tests/bgp/tcp_ao.py "$program"
