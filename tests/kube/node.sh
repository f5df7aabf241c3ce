#!/bin/bash
# node.sh: Herald's image and manifests on a real node (make node): kubelet, containerd
# and kube-proxy in a virtual machine, see node.py. What it takes is installed, or
# where installing would start it, unpacked into the cache; built once, and kept.
set -eu -o pipefail
cd "$(dirname "$0")/../.."
cache=${XDG_CACHE_HOME:-$HOME/.cache}/herald/node
say() { echo "node.sh: $*" >&2; }
# Images are made of files of any owner, in chroots.
[ "$(id -u)" -eq 0 ] || exec sudo env HOME="$HOME" PATH="$PATH" "$0" "$@"

packages=
need() { command -v "$1" >/dev/null || packages="$packages $2"; }
need etcd etcd-server
need openssl openssl
need buildah buildah
need debootstrap debootstrap
need iptables iptables
need conntrack conntrack
if ! tests/kube/build-apiserver.sh --cached >/dev/null; then
	need jq jq
	need rsync rsync
	need dpkg-source dpkg-dev
fi
if [ -n "$packages" ]; then
	say "installing$packages"
	apt-get update -qq
	# Debian starts etcd when it is installed; the test starts one of its own.
	# shellcheck disable=SC2086
	DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
		apt-get install -y -qq --no-install-recommends $packages >/dev/null
fi
make -s build/release/tests/kube/storedump
kube=$(tests/kube/build-apiserver.sh)
mkdir -p "$cache"

if ! [ -d "$cache/packages" ]; then
	rm -rf "$cache/packages.new"
	mkdir "$cache/packages.new"
	(cd "$cache/packages.new"
	apt-get -qq -o APT::Sandbox::User=root download containerd runc \
		containernetworking-plugins
	for deb in ./*.deb; do dpkg-deb -x "$deb" .; done
	rm -f ./*.deb)
	mv "$cache/packages.new" "$cache/packages"
fi

# The images, in a store of their own.
cat >"$cache/storage.conf" <<-CONF
	[storage]
	driver = "overlay"
	graphroot = "$cache/store"
	runroot = "$cache/run"
CONF
export CONTAINERS_STORAGE_CONF=$cache/storage.conf BUILDAH_ISOLATION=chroot BUILDAH_LAYERS=true

# What deploy/image builds on, which a registry would give, as Debian's mirror has it.
base=docker.io/library/debian:bookworm-slim
if ! buildah images -q $base >/dev/null 2>&1; then
	say "making $base"
	tree=$cache/base
	# shellcheck disable=SC2016	# apt's own names
	mirror=$(apt-get indextargets --format '$(REPO_URI) $(ORIGIN)' 'Created-By: Packages' |
		awk '$2 == "Debian" && $1 !~ /security/ { print $1; exit }')
	rm -rf "$tree"
	debootstrap --variant=minbase bookworm "$tree" "$mirror" >"$cache/base.log" ||
		{ tail "$cache/base.log" >&2; exit 1; }
	# The machine's way to its mirror is the image's.
	cp /etc/apt/apt.conf.d/* "$tree/etc/apt/apt.conf.d/"
	rm -rf "$tree"/var/cache/apt/archives/*.deb "$tree"/var/lib/apt/lists/*
	c=$(buildah from scratch)
	buildah add -q "$c" "$tree" / >/dev/null
	buildah config --cmd bash "$c"
	buildah commit -q "$c" $base >/dev/null
	buildah rm "$c" >/dev/null
	rm -rf "$tree"
fi
if ! [ -f "$cache/idle.tar" ]; then
	c=$(buildah from scratch)
	dir=$(mktemp -d)
	mkdir "$dir/bin"
	cp "$(command -v busybox)" "$dir/bin/"
	for applet in sh sleep cat nc httpd mkdir chmod; do
		ln -s busybox "$dir/bin/$applet"
	done
	buildah add -q "$c" "$dir" / >/dev/null
	buildah config --entrypoint '["/bin/sleep", "infinity"]' --env PATH=/bin "$c"
	buildah commit -q "$c" localhost/idle:test >/dev/null
	buildah rm "$c" >/dev/null
	rm -rf "$dir"
	buildah push -q localhost/idle:test "docker-archive:$cache/idle.tar.new:localhost/idle:test"
	mv "$cache/idle.tar.new" "$cache/idle.tar"
fi

version=$(make -s version)
say "building herald:$version"
ENGINE=buildah deploy/image.sh "$version" >"$cache/image.log" 2>&1 ||
	{ tail -n 30 "$cache/image.log" >&2; exit 1; }
rm -f "$cache/herald.tar"
buildah push -q "localhost/herald:$version" \
	"docker-archive:$cache/herald.tar:docker.io/library/herald:$version"
python3 tests/kube/node.py --bin "$kube" --packages "$cache/packages" \
	--image "$cache/idle.tar" --image "$cache/herald.tar" --results build/node
