#!/bin/bash
# build-apiextensions.sh: build the API server of a Kubernetes of today, as far as it
# serves CustomResourceDefinitions, and print the directory that holds the binary.
#
# Debian sid packages the libraries of a new Kubernetes, though no server: but one of
# them, k8s.io/apiextensions-apiserver, has a main() that is what kube-apiserver does
# with custom resources. Go and the libraries are unpacked, not installed. The result is
# cached outside the work tree; sid moves, so remove the cache to follow it.
set -eu

suite=sid
revision=1		# of this script's result: a new one makes everybody build anew
cache=${XDG_CACHE_HOME:-$HOME/.cache}/herald/kube-next
say() { echo "build-apiextensions: $*" >&2; }
die() { say "$*"; exit 1; }

if [ -f "$cache/version.$revision" ]; then
	out=$cache/$(cat "$cache/version.$revision")
	if [ -x "$out/apiextensions-apiserver" ]; then
		echo "$out"
		exit 0
	fi
fi

# One builds, others wait for it and find it done.
mkdir -p "$cache"
if [ -z "${BUILD_APIEXTENSIONS_LOCKED-}" ]; then
	BUILD_APIEXTENSIONS_LOCKED=1 exec flock "$cache/lock" "$0"
fi
build=$(mktemp -d "$cache/build.XXXXXX")
# Go leaves folders that cannot be written to.
trap 'chmod -R u+w "$build"; rm -rf "$build"' EXIT

# A view of sid as of a machine where nothing is installed, so that apt resolves all
# that is needed and touches nothing of this machine's.
apt_dir=$build/apt
mkdir -p "$apt_dir/lists/partial" "$apt_dir/cache/archives/partial"
: >"$apt_dir/status"
# shellcheck disable=SC2016	# apt's own names
mirror=$(apt-get indextargets --format '$(REPO_URI) $(ORIGIN)' 'Created-By: Packages' |
	awk '$2 == "Debian" && $1 !~ /security/ { print $1; exit }')
[ -n "$mirror" ] || die "no Debian mirror in the apt configuration: run apt-get update"
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main" \
	>"$apt_dir/sources.list"
apt_sid() {
	apt-get -q -o Dir::Etc::SourceList="$apt_dir/sources.list" -o Dir::Etc::SourceParts=- \
		-o Dir::State::Lists="$apt_dir/lists" -o Dir::State::status="$apt_dir/status" \
		-o Dir::Cache="$apt_dir/cache" -o Debug::NoLocking=1 \
		-o APT::Sandbox::User=root -o Acquire::Languages=none "$@" >"$build/log" 2>&1 ||
		{ tail -n 20 "$build/log" >&2; return 1; }
}
apt_sid update || die "no index of $suite at $mirror, see above: it must mirror $suite, too"
say "fetching Go and the libraries (350 MB)"
apt_sid install -y --download-only --no-install-recommends \
	golang-go golang-k8s-apiextensions-apiserver-dev ||
	die "$suite has no installable golang-k8s-apiextensions-apiserver-dev now, see above"
for deb in "$apt_dir"/cache/archives/golang-*.deb; do
	dpkg -x "$deb" "$build/root"
done
for deb in "$apt_dir"/cache/archives/golang-k8s-apiextensions-apiserver-dev_*.deb; do
	version=$(dpkg-deb -f "$deb" Version)-$revision
done

say "building apiextensions-apiserver $version: about 10 minutes on two cores, once"
go=$(echo "$build"/root/usr/lib/go-*/bin/go)
kubernetes=v1.${version#0.}
env HOME="$build/home" GOROOT="${go%/bin/go}" GOPATH="$build/root/usr/share/gocode" \
	GO111MODULE=off GOTOOLCHAIN=local GOCACHE="$build/gocache" CGO_ENABLED=0 \
	"$go" build -o "$build/apiextensions-apiserver" \
	-ldflags "-X k8s.io/component-base/version.gitVersion=${kubernetes%%-*}" \
	k8s.io/apiextensions-apiserver >"$build/log" 2>&1 ||
	{ tail -n 30 "$build/log" >&2; die "the build failed, see above"; }

mkdir -p "$cache/$version"
mv "$build/apiextensions-apiserver" "$cache/$version/"
echo "$version" >"$cache/version.$revision"
echo "$cache/$version"
