#!/bin/bash
# vm.sh [-t SECONDS] [-r RESULTS] [-m MB] [-n] COMMAND [ARG...]
#
# Run COMMAND under Debian's stock cloud kernel, in QEMU's software emulation,
# with this machine's file system as the guest's root, and exit with COMMAND's
# status. Nothing of the machine itself is used but its files: not its kernel,
# modules, KVM or network.
#
# The guest cannot change the machine: the root is mounted read-only, /run, /tmp
# and /var/tmp are its own, in memory. Only RESULTS is shared for writing; in the
# guest it is also /run/lab/results. What COMMAND prints goes to our stdout, the
# kernel's console to RESULTS/console.log. With -n the guest has a network card,
# eth0, not configured; behind it this machine's loopback is 10.0.2.2. A guest that
# takes longer than SECONDS (3600) is ended and its console shown; the status is
# then 124. The time is this machine's, which may have much else to do.
#
# The kernel is Debian's package linux-image-cloud-amd64, unpacked (not installed)
# under $XDG_CACHE_HOME/herald/lab; once it is there, no network is needed.
set -eu

die() { echo "vm.sh: $*" >&2; exit 125; }

limit=3600 results='' mem_mb=1536 nic=none
cache=${XDG_CACHE_HOME:-$HOME/.cache}/herald/lab
usage="usage: vm.sh [-t SECONDS] [-r RESULTS] [-m MB] [-n] COMMAND [ARG...]"
while getopts t:r:m:nc: opt; do
	case $opt in
	t) limit=$OPTARG ;;
	r) results=$OPTARG ;;
	m) mem_mb=$OPTARG ;;
	n) nic=user,model=virtio-net-pci ;;
	c) cache=$OPTARG ;;	# how the sudo call below finds the user's cache
	*) die "$usage" ;;
	esac
done
shift $((OPTIND - 1))
[ $# -gt 0 ] || die "$usage"
PATH=$PATH:/usr/sbin:/sbin

[ "$(uname -m)" = x86_64 ] || die "the lab runs on amd64 only, this is $(uname -m)"
need() {	# need COMMAND PACKAGE
	command -v "$1" >/dev/null || die "no $1 here; apt-get install $2 (or: make deps)"
}
need qemu-system-x86_64 qemu-system-x86
need busybox busybox-static
need modprobe kmod
need cpio cpio
need flock util-linux

# virtiofsd: C and part of QEMU up to Debian 12, Rust and on its own since 13.
if [ -x /usr/libexec/virtiofsd ]; then
	virtiofsd() {
		exec /usr/libexec/virtiofsd --socket-path="$1" --shared-dir=/ \
			--cache=always --sandbox=chroot --inode-file-handles=never
	}
elif [ -x /usr/lib/qemu/virtiofsd ]; then
	virtiofsd() {
		exec /usr/lib/qemu/virtiofsd --socket-path="$1" -o source=/ \
			-o cache=always -o sandbox=chroot
	}
else
	die "no virtiofsd here; apt-get install virtiofsd (Debian 12: qemu-system-common)"
fi

as_root() {
	if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

# The kernel package's name, say linux-image-6.1.0-30-cloud-amd64.
kernel_package() {
	apt-cache depends linux-image-cloud-amd64 2>/dev/null |
		awk '$1 == "Depends:" && $2 ~ /^linux-image-[0-9]/ { print $2; exit }'
}

fetch_kernel() {	# into $cache
	local pkg tmp=$cache/unpack.$$ sandbox=()
	pkg=$(kernel_package)
	if [ -z "$pkg" ]; then
		as_root apt-get -qq update || die "apt-get update failed"
		pkg=$(kernel_package)
	fi
	[ -n "$pkg" ] ||
		die "apt knows no linux-image-cloud-amd64; is Debian main among its sources?"
	# apt's own user may not write here; said beforehand, it does not warn.
	[ "$(id -u)" -ne 0 ] || sandbox=(-o APT::Sandbox::User=root)
	mkdir -p "$tmp"
	download() { (cd "$tmp" && apt-get -qq "${sandbox[@]}" download "$(kernel_package)"); }
	# A stale index names files long gone.
	download || { as_root apt-get -qq update && download; } ||
		die "could not fetch $pkg with apt-get download"
	dpkg-deb -x "$tmp"/*.deb "$tmp" && rm -f "$tmp"/*.deb
	# kmod looks in lib/ or usr/lib/, by release, and so does the package.
	mkdir -p "$tmp/usr/lib" "$tmp/lib"
	[ -e "$tmp/lib/modules" ] || ln -s ../usr/lib/modules "$tmp/lib/modules"
	[ -e "$tmp/usr/lib/modules" ] || ln -s ../../lib/modules "$tmp/usr/lib/modules"
	depmod -b "$tmp" "$(kernel_version "$tmp")"
	# The guest's kernel calls this for a module it wants (see guest_init).
	printf '#!/bin/sh\nexec modprobe -d "%s" "$@"\n' "$cache/kernel" >"$tmp/modprobe"
	chmod 755 "$tmp/modprobe"
	rm -rf "$cache/kernel"
	mv "$tmp" "$cache/kernel"
}

kernel_version() {	# kernel_version TREE
	basename "$1"/boot/vmlinuz-* | sed 's/^vmlinuz-//'
}

# The guest's first program: mount the machine's / and hand over to guest_main.
guest_init() {
	cat <<-'INIT'
	#!/bin/sh
	mount -t proc proc /proc
	mount -t devtmpfs dev /dev
	while read -r m; do insmod "/$m"; done </modules
	for w in $(cat /proc/cmdline); do
		case $w in
		lab.results=*) results=${w#*=} ;;
		lab.kernel=*) kernel=${w#*=} ;;
		lab.work=*) work=${w#*=} ;;
		esac
	done
	mount -t virtiofs host /host || { echo "no virtiofs"; poweroff -f; }
	# A read-only view of the machine; only the results stay writable.
	view() { mkdir -p "/new$1"; mount --bind "/host$1" "/new$1" && mount -o remount,bind,ro "/new$1"; }
	view /
	mount -t proc proc /new/proc
	mount -t sysfs sys /new/sys
	mount -t devtmpfs dev /new/dev
	mkdir -p /new/dev/pts /new/dev/shm && mount -t devpts pts /new/dev/pts
	for d in dev/shm run tmp var/tmp; do mount -t tmpfs -o mode=1777 tmp /new/$d; done
	for d in "$kernel" "$work"; do	# where those have just been covered
		case $d in /tmp/* | /var/tmp/* | /run/* | /dev/shm/*) view "$d" ;; esac
	done
	mkdir -p /new/run/lab/results /new/run/netns
	mount --bind "/host$results" /new/run/lab/results
	cp /bin/busybox /guest-main /new/run/lab/
	echo "$kernel/modprobe" >/proc/sys/kernel/modprobe
	exec switch_root /new /run/lab/guest-main
	INIT
}

# Runs the command, reports its status, powers off. Nothing returns from here.
guest_main() {
	cat <<-'MAIN'
	#!/bin/sh
	export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp LANG=C.UTF-8 TERM=vt100
	/run/lab/busybox ip link set lo up
	/run/lab/busybox stty -F /dev/ttyS1 -opost -echo
	/run/lab/busybox setsid -c /bin/bash /run/lab/results/command \
		</dev/ttyS1 >/dev/ttyS1 2>&1
	echo $? >/run/lab/results/status
	sync
	exec /run/lab/busybox poweroff -f
	MAIN
}

# An initrd with busybox and just the modules that mounting / takes.
build_initrd() {
	local kernel=$cache/kernel version tmp=$cache/initrd.$$ m file
	version=$(kernel_version "$kernel")
	mkdir -p "$tmp"/{bin,proc,dev,host,new}
	cp "$(command -v busybox)" "$tmp/bin/"
	for m in $("$tmp/bin/busybox" --list); do
		[ -e "$tmp/bin/$m" ] || ln -s busybox "$tmp/bin/$m"
	done
	: >"$tmp/modules"	# stays empty where the kernel has them built in: Debian 13's
	for m in virtio_pci virtiofs; do
		modprobe -d "$kernel" -S "$version" --show-depends "$m"
	done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' | while read -r file; do
		m=$(basename "$file" .xz)
		case $file in *.xz) xz -dc "$file" ;; *) cat "$file" ;; esac >"$tmp/$m"
		echo "$m" >>"$tmp/modules"
	done
	guest_init >"$tmp/init"
	guest_main >"$tmp/guest-main"
	chmod 755 "$tmp/init" "$tmp/guest-main"
	(cd "$tmp" && find . | cpio -o -H newc --quiet | gzip -1) >"$cache/initrd.new"
	mv "$cache/initrd.new" "$initrd"
	find "$cache" -maxdepth 1 -name 'initrd*' -mtime +7 -delete
	rm -rf "$tmp"
}

mkdir -p "$cache"
cache=$(realpath "$cache")
case $cache in *[[:space:]]*) die "the cache's path must have no blanks: $cache" ;; esac
# This script makes it: what another version has made, in the same cache, is another.
initrd=$cache/initrd.$(cksum <"$0" | cut -d' ' -f1).gz
(
	flock 9
	[ -x "$cache/kernel/modprobe" ] || fetch_kernel
	[ "$initrd" -nt "$cache/kernel" ] || build_initrd
) 9>"$cache/lock"

# virtiofsd serves the whole of /, so from here on it takes root.
if [ "$(id -u)" -ne 0 ]; then
	command -v sudo >/dev/null || die "must be run as root, or with sudo installed"
	[ $nic = none ] || set -- -n "$@"
	exec sudo "$0" -t "$limit" ${results:+-r "$results"} -m "$mem_mb" -c "$cache" "$@"
fi

run=$(mktemp -d)
fs=''
# shellcheck disable=SC2317	# called by the trap
cleanup() {
	[ -z "$fs" ] || kill "$fs" 2>/dev/null || true
	rm -rf "$run"
	{ echo 0 >/proc/self/autogroup; } 2>/dev/null || true
}
trap cleanup EXIT
trap 'exit 130' INT TERM

[ -n "$results" ] || results=$run/results
mkdir -p "$results"
results=$(realpath "$results")
case $results$(pwd -P) in
*[[:space:]]*) die "paths with blanks do not pass a kernel's command line: $results, $PWD" ;;
esac
rm -f "$results/status"
{ printf 'cd %q\n' "$(pwd -P)"; printf '%q ' "$@"; echo; } >"$results/command"

virtiofsd "$run/fs" >"$results/virtiofsd.log" 2>&1 &
fs=$!
for _ in $(seq 100); do
	[ ! -S "$run/fs" ] || break
	kill -0 "$fs" 2>/dev/null || break
	sleep 0.05
done
[ -S "$run/fs" ] || { cat "$results/virtiofsd.log" >&2; die "virtiofsd did not start"; }

version=$(kernel_version "$cache/kernel")
paths="lab.results=$results lab.kernel=$cache/kernel lab.work=$(pwd -P)"
rc=0
# tcg by name: where /dev/kvm exists it need not work. One processor whose clock
# counts instructions, two nanoseconds each: however busy this machine is, the
# guest does not notice, and its timers and timings are those of a processor with
# 500 million instructions a second. While it is idle its clock follows ours, and
# then it would notice: so it goes before others, where that is permitted; and so does
# what was started with it, for the kernel shares out processors by session first.
{ echo -10 >/proc/self/autogroup; } 2>/dev/null || true
timeout --foreground -k 5 "$limit" nice -n -10 qemu-system-x86_64 \
	-M pc,memory-backend=mem -accel tcg,thread=single -icount shift=1 -smp 1 -m "$mem_mb" \
	-object memory-backend-memfd,id=mem,size="$mem_mb"M,share=on \
	-chardev socket,id=fs,path="$run/fs" \
	-device vhost-user-fs-pci,chardev=fs,tag=host \
	-display none -monitor none -no-reboot -nic "$nic" \
	-serial file:"$results/console.log" \
	-chardev stdio,id=out,signal=off -serial chardev:out \
	-kernel "$cache/kernel/boot/vmlinuz-$version" -initrd "$initrd" \
	-append "console=ttyS0 quiet panic=-1 $paths" ||
	rc=$?

[ -z "${SUDO_UID:-}" ] || chown -R "$SUDO_UID:${SUDO_GID:-$SUDO_UID}" "$results"
if [ $rc -eq 124 ]; then
	echo "vm.sh: the guest did not finish within $limit s; the end of its console:" >&2
	tail -n 40 "$results/console.log" >&2
	exit 124
fi
if [ ! -s "$results/status" ]; then
	echo "vm.sh: the guest ended without a status; the end of its console:" >&2
	tail -n 40 "$results/console.log" >&2
	exit 125
fi
exit "$(cat "$results/status")"
