#!/usr/bin/env python3
"""interop_bfd.py BFD_PEER [WORD]: our BFD against BIRD's, in two network namespaces.

Each row sets one session up, checks what both ends say of it, then stops the
peer in one way and checks what the other end makes of that, and how fast.
WORD picks the rows that have it in their name. Needs root, bird2 and iproute2. Exit
status 0 where every row passed.
"""
import ctypes
import os
import signal
import subprocess
import sys
import tempfile
import time

PORT = 3784
WAIT_SEC = 8

BIRD_CONF = """
router id 192.0.2.2;
protocol device {{ }}
protocol bfd {{
	interface "*" {{
		min rx interval {ms} ms; min tx interval {ms} ms;
		idle tx interval 300 ms; multiplier {mult};
		{auth}
	}};
	neighbor {peer} dev "ib-b";
}}
"""
AUTH = 'authentication {kind}; password "{key}" {{ id {kid}; }};'


def sh(cmd):
    subprocess.run(cmd, shell=True, check=True)


def nsh(ns, *cmd):
    return ["nsenter", "--net=/proc/self/fd/%d" % ns] + list(cmd)


def popen(ns, *cmd, **kw):
    return subprocess.Popen(nsh(ns, *cmd), pass_fds=[ns], **kw)


def make_namespaces():
    """Two namespaces as descriptors, joined by a veth pair with both families."""
    libc = ctypes.CDLL(None, use_errno=True)
    fds = []
    for _ in range(2):
        if libc.unshare(0x40000000) != 0:
            sys.exit("interop_bfd: no network namespace: run as root")
        fds.append(os.open("/proc/self/ns/net", os.O_RDONLY))
    sh(f"ip link add ib-b type veth peer name ib-a netns /proc/{os.getpid()}/fd/{fds[0]}")
    for fd, dev, n in ((fds[0], "ib-a", 1), (fds[1], "ib-b", 2)):
        for cmd in ("ip link set lo up", f"ip link set {dev} up",
                    f"ip addr add 192.0.2.{n}/24 dev {dev}",
                    f"ip addr add 2001:db8::{n}/64 dev {dev} nodad",
                    # We kill more often than a host answers port unreachable.
                    "sysctl -qw net.ipv4.icmp_ratelimit=0"):
            subprocess.run(nsh(fd, *cmd.split()), pass_fds=[fd], check=True)
    return fds


class Ours:
    """Our end: what it printed, with times on the monotonic clock."""

    def __init__(self, ns, program, peer, ms, mult, key):
        cmd = [program, str(PORT), peer, str(ms * 1000), str(mult)]
        cmd += ["7", key] if key else []
        self.proc = popen(ns, *cmd, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL)
        os.set_blocking(self.proc.stdout.fileno(), False)
        self.events = []

    def poll(self):
        for line in self.proc.stdout.readlines():
            ns, state, detect = line.split()
            self.events.append((int(ns), state.decode(), int(detect)))
        return self.events

    def wait(self, state):
        end = time.monotonic() + WAIT_SEC
        while time.monotonic() < end:
            if self.poll() and self.events[-1][1] == state:
                return self.events[-1][0]
            time.sleep(0.002)
        raise AssertionError(f"ours never said {state}: {self.events}")

    def stop(self):
        if self.proc.poll() is None:
            self.proc.send_signal(signal.SIGCONT)
            self.proc.kill()
        self.proc.wait()


class Bird:
    def __init__(self, ns, tmp, **conf):
        self.ns, self.sock = ns, os.path.join(tmp, "ctl")
        with open(os.path.join(tmp, "conf"), "w") as f:
            f.write(BIRD_CONF.format(**conf))
        # Real-time, as ours: a busy test machine must not look like a dead peer.
        self.proc = popen(ns, "chrt", "-f", "1", "bird", "-f", "-c", f.name, "-s", self.sock)

    def session(self):
        """The session's line: address, interface, state, since, interval, timeout."""
        out = subprocess.run(["birdc", "-s", self.sock, "show bfd sessions"],
                             capture_output=True, text=True).stdout
        return [line for line in out.splitlines() if "ib-b" in line]

    def wait(self, *words):
        end = time.monotonic() + WAIT_SEC
        while time.monotonic() < end:
            lines = self.session()
            if lines and all(w in lines[0].split() for w in words):
                return
            time.sleep(0.05)
        raise AssertionError(f"BIRD never showed {words}: {self.session()}")

    def stop(self):
        if self.proc.poll() is None:
            self.proc.send_signal(signal.SIGCONT)
            self.proc.kill()
        self.proc.wait()


def auth(kind, key="correct horse"):
    return AUTH.format(kind=kind, key=key, kid=7)


MET = "meticulous keyed sha1"
# name, IPv6, interval, our key, BIRD's authentication, how BIRD stops, what we
# must say of it, within how many ms (None: not timed)
ROWS = [
    ("no authentication, silence", 0, 10, None, "", "STOP", "down", 35),
    ("meticulous SHA-1, silence", 0, 10, "correct horse", auth(MET), "STOP", "down", 35),
    ("IPv6, meticulous SHA-1, silence", 1, 10, "correct horse", auth(MET), "STOP",
     "down", 35),
    ("3 x 100 ms, silence", 0, 100, "correct horse", auth(MET), "STOP", "down", 310),
    ("BIRD killed, its host lives", 0, 100, "correct horse", auth(MET), "KILL",
     "refused", 310),
    ("another key", 0, 50, "correct horse", auth(MET, "wrong"), None, None, None),
    ("simple password on their side", 0, 50, "correct horse", auth("simple"), None,
     None, None),
    ("no key on our side", 0, 50, None, auth(MET), None, None, None),
]
RUNS = 5    # of timed rows


def run_row(fds, program, row):
    name, is_v6, ms, key, bird_auth, how, want, limit_ms = row
    ours_addr, bird_addr = (("2001:db8::1", "2001:db8::2") if is_v6 else
                            ("192.0.2.1", "192.0.2.2"))
    with tempfile.TemporaryDirectory() as tmp:
        bird = Bird(fds[1], tmp, ms=ms, mult=3, auth=bird_auth, peer=ours_addr)
        ours = Ours(fds[0], program, bird_addr, ms, 3, key)
        try:
            if how is None:
                time.sleep(1.5)
                assert "up" not in [e[1] for e in ours.poll()], "came up"
                return None
            ours.wait("up")
            bird.wait("Up", f"{ms / 1000:.3f}", f"{3 * ms / 1000:.3f}")
            time.sleep(0.3)
            ups = [e[1] for e in ours.poll() if e[1] != "refused"]  # before BIRD began
            assert ups == ["up"], f"flapped: {ours.events}"
            start = time.monotonic_ns()
            bird.proc.send_signal(getattr(signal, "SIG" + how))
            took_ms = (ours.wait(want) - start) / 1e6
            if how == "STOP":
                # Its kernel still has the packets; awake again, it must see us.
                bird.proc.send_signal(signal.SIGCONT)
                ours.wait("up")
                bird.wait("Up")
            return took_ms
        finally:
            ours.stop()
            bird.stop()


def ours_stops(fds, program):
    """The other way round: BIRD's view of our planned exit and of our death."""
    for sig, state in ((signal.SIGTERM, "Down"), (signal.SIGKILL, "Down")):
        with tempfile.TemporaryDirectory() as tmp:
            bird = Bird(fds[1], tmp, ms=50, mult=3, auth=auth(MET), peer="192.0.2.1")
            ours = Ours(fds[0], program, "192.0.2.2", 50, 3, "correct horse")
            try:
                ours.wait("up")
                bird.wait("Up")
                ours.proc.send_signal(sig)
                bird.wait(state)
                # A restart at once: the numbers go on upwards or are forgotten.
                again = Ours(fds[0], program, "192.0.2.2", 50, 3, "correct horse")
                try:
                    again.wait("up")
                finally:
                    again.stop()
            finally:
                ours.stop()
                bird.stop()


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    word = sys.argv[2] if len(sys.argv) > 2 else ""
    program = os.path.abspath(sys.argv[1])
    fds = make_namespaces()
    passed = failed = 0
    for row in (r for r in ROWS if word in r[0]):
        name, limit_ms = row[0], row[-1]
        try:
            took = [run_row(fds, program, row) for _ in range(RUNS if limit_ms else 1)]
            text = ""
            if limit_ms:
                text = ": " + " ".join(f"{t:.1f}" for t in took) + " ms"
                assert max(took) <= limit_ms, f"{text} > {limit_ms} ms"
            print(f"ok    {name}{text}", flush=True)
            passed += 1
        except AssertionError as e:
            print(f"FAIL  {name}: {e}", flush=True)
            failed += 1
    try:
        if word in "we leave, die and come back":
            ours_stops(fds, program)
            print("ok    we leave, die and come back, as BIRD sees it")
            passed += 1
    except AssertionError as e:
        print(f"FAIL  we leave, die and come back: {e}")
        failed += 1
    print(f"{passed} passed, {failed} failed")
    sys.exit(failed != 0)


main()
