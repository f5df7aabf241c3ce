"""netns.py - network namespaces from within one Python process.

Under emulation a fork and exec costs up to 90 ms, so namespaces are entered with
setns(2) by the calling thread, links and addresses are made by one `ip -batch`
per namespace, and what must happen at a known moment is an ioctl.
"""
import contextlib
import ctypes
import fcntl
import os
import socket
import struct
import subprocess
import threading

CLONE_NEWNET = 0x40000000
MS_BIND = 4096
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1

_libc = ctypes.CDLL(None, use_errno=True)
_entered = threading.local()


def _check(rc, what):
    if rc != 0:
        e = ctypes.get_errno()
        raise OSError(e, f"{what}: {os.strerror(e)}")


def _setns(path):
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _check(_libc.setns(fd, CLONE_NEWNET), f"setns {path}")
    finally:
        os.close(fd)


def create(name):
    """Make /run/netns/NAME, as `ip netns add` does; lo is up."""
    path = f"/run/netns/{name}"
    open(path, "w").close()

    def work():
        _check(_libc.unshare(CLONE_NEWNET), "unshare")
        _check(_libc.mount(b"/proc/thread-self/ns/net", path.encode(), b"none",
                           MS_BIND, None), f"mount {path}")
        set_link("lo", True)
    t = threading.Thread(target=work)
    t.start()
    t.join()


def exists(name):
    """It can be entered: its file is there and, which comes later, it is mounted on it."""
    try:
        return os.stat(f"/run/netns/{name}").st_dev != os.stat("/run/netns").st_dev
    except FileNotFoundError:
        return False


@contextlib.contextmanager
def inside(name):
    """In the `with` block, this thread (and what it spawns) is in NAME."""
    outer = getattr(_entered, "name", None)
    _setns(f"/run/netns/{name}")
    _entered.name = name
    try:
        yield
    finally:
        _setns(f"/run/netns/{outer}" if outer else "/proc/1/ns/net")
        _entered.name = outer


def set_link(ifname, is_up):
    """Link up or down in this thread's namespace, at once."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        req = struct.pack("16sH14x", ifname.encode(), 0)
        flags = struct.unpack("16sH14x", fcntl.ioctl(s, SIOCGIFFLAGS, req))[1]
        flags = flags | IFF_UP if is_up else flags & ~IFF_UP
        fcntl.ioctl(s, SIOCSIFFLAGS, struct.pack("16sH14x", ifname.encode(), flags))


def ip_batch(name, lines):
    with inside(name):
        done = subprocess.run(["ip", "-batch", "-"], input="\n".join(lines) + "\n",
                              text=True, capture_output=True)
    if done.returncode:
        raise RuntimeError(f"ip -batch in {name}: {done.stderr}")


def nft(name, rules):
    with inside(name):
        done = subprocess.run(["nft", "-f", "-"], input=rules, text=True,
                              capture_output=True)
    if done.returncode:
        raise RuntimeError(f"nft in {name}: {done.stderr}")


def output(name, *argv):
    """What a command in NAME prints, errors included; for reports and dumps."""
    if not exists(name):
        return f"(no namespace {name})\n"
    with inside(name):
        done = subprocess.run(argv, text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT)
    return done.stdout


def read(name, path):
    """A file under /proc as NAME sees it; write /proc/thread-self/net/..."""
    with inside(name), open(path) as f:
        return f.read()


def sysctl(name, settings):
    """Write {"ipv4/ip_forward": 1, ...} under /proc/sys/net in NAME."""
    with inside(name):
        for key, value in settings.items():
            with open(f"/proc/sys/net/{key}", "w") as f:
                f.write(f"{value}\n")
