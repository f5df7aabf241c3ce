#!/bin/bash
# build-apiserver.sh: build a real Kubernetes control plane from Debian's source
# package, once, and print the directory that holds the binaries.
#
# Debian packages only kubectl, but its source package carries the whole tree
# with its dependencies. The result is cached outside the work tree, by version.
# With --cached nothing is built: fails where the cache is empty.
set -eu

programs="kube-apiserver kube-controller-manager kube-scheduler kubectl kube-proxy kubelet"
suite=bookworm		# the last release whose source package builds all of them
revision=3		# of this script's result: a new one makes everybody build anew
cache=${XDG_CACHE_HOME:-$HOME/.cache}/herald
say() { echo "build-apiserver: $*" >&2; }

# A deb-src view of the machine's own mirror, apart from its apt configuration.
# Its index is kept in the cache: a second run needs no network at all.
if [ -f "$cache/kube/version.$revision" ]; then
	version=$(cat "$cache/kube/version.$revision")
	if [ -x "$cache/kube/$version/kubelet" ]; then
		echo "$cache/kube/$version"
		exit 0
	fi
fi
[ "${1-}" != --cached ] || exit 1

# One builds, others wait for it and find it done.
mkdir -p "$cache/kube"
if [ -z "${BUILD_APISERVER_LOCKED-}" ]; then
	BUILD_APISERVER_LOCKED=1 exec flock "$cache/kube/lock" "$0"
fi
build=$(mktemp -d "$cache/kube/build.XXXXXX")
trap 'rm -rf "$build"' EXIT
apt_dir=$build/apt
mkdir -p "$apt_dir/lists/partial"
# shellcheck disable=SC2016	# apt's own names
mirror=$(apt-get indextargets --format '$(REPO_URI) $(ORIGIN)' 'Created-By: Packages' |
	awk '$2 == "Debian" && $1 !~ /security/ { print $1; exit }')
[ -n "$mirror" ] || { say "no Debian mirror in the apt configuration: run apt-get update"; exit 1; }
for type in deb deb-src; do
	echo "$type [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main"
done >"$apt_dir/sources.list"
apt_src() {
	apt-get -q -o Dir::Etc::SourceList="$apt_dir/sources.list" -o Dir::Etc::SourceParts=- \
		-o Dir::State::Lists="$apt_dir/lists" -o APT::Sandbox::User=root "$@" >&2
}
say "fetching the source (34 MB)"
apt_src update
cd "$build"
apt_src source --download-only kubernetes
dpkg-source --no-check -x kubernetes_*.dsc src >&2
version=$(dpkg-parsechangelog -l src/debian/changelog -S Version)-$revision

# The vendored reflect2 1.0.1 walks maps by Go's innards as they were before 1.18:
# built with a later Go, the API server dies at the first custom resource. Debian's
# reflect2 is the one that follows.
apt_src source --download-only golang-github-modern-go-reflect2
dpkg-source --no-check -x golang-github-modern-go-reflect2_*.dsc reflect2 >&2
vendored=src/vendor/github.com/modern-go/reflect2
rm -f "$vendored"/*.go "$vendored"/*.s
cp reflect2/*.go reflect2/*.s "$vendored/"
rm -f "$vendored"/*_test.go

# The tree wants the Go of its suite. Where another is installed (Debian 13), that
# one is unpacked beside the sources; nothing is installed.
case $(go version 2>/dev/null) in
*go1.19*) ;;
*)
	apt_src download golang-1.19-go golang-1.19-src
	for deb in golang-1.19-*.deb; do dpkg -x "$deb" "$build/go"; done
	PATH=$build/go/usr/lib/go-1.19/bin:$PATH
	export GOROOT=$build/go/usr/lib/go-1.19 GOTOOLCHAIN=local
	;;
esac

say "building $programs $version: about 10 minutes on two cores, once"
cd src
mkdir -p .go/src/k8s.io
ln -sfn ../../.. .go/src/k8s.io/kubernetes
what=
for p in $programs; do what="$what cmd/$p"; done
env HOME="$build/home" GOPATH="$PWD/.go" GOCACHE="$build/gocache" CGO_ENABLED=0 \
	make WHAT="${what# }" >"$build/log" 2>&1 ||
	{ tail -n 30 "$build/log" >&2; say "the build failed, see above"; exit 1; }

out=$cache/kube/$version
mkdir -p "$out.new"
for p in $programs; do cp "_output/local/bin/linux/$(go env GOARCH)/$p" "$out.new/"; done
rm -rf "$out"
mv "$out.new" "$out"
echo "$version" >"$cache/kube/version.$revision"
echo "$out"
