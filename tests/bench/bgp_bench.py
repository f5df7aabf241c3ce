#!/usr/bin/env python3
"""bgp_bench.py BUILD [RUNS [NAME...]]: Herald's BGP beside BIRD, OpenBGPD, FRR, GoBGP
and ExaBGP.

Each in turn announces the same prefixes over a link between two network namespaces
to the same receiver, a BIRD that is started anew each time. Measured are the time
from the program's start until the session is up and until the receiver has all, the
time from the order to withdraw until it has none, and the memory of all its processes
while it has all. Every program may connect as early as its configuration allows,
which for BIRD is a second and for GoBGP five to ten: compare also what is left
without that. Medians of RUNS (3), of the rows that are NAMEd.

"Herald's BGP" is the shell and engine of bgp/ alone, told its routes by lines;
"Herald" is the speaker as users run it: it reads a Service and an EndpointSlice for
each prefix and has the kernel forward for each before it announces any. It needs IPIP
and IPVS of the kernel, and so the lab's machine.

Needs root; a daemon that is not installed is named and left out.
"""
import json
import os
import re
import shutil
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "bgp"))
from daemons import Frr, make_namespaces, nsh, popen, run  # noqa: E402

COUNTS = (1000, 10000)
LIMIT_SEC = 90
OURS, RECEIVER = "192.0.2.1", "192.0.2.2"
ASN, RECEIVER_ASN = 65001, 65002


def prefixes(n):
    return [f"198.{18 + (i >> 16)}.{i >> 8 & 255}.{i & 255}" for i in range(n)]


class Receiver:
    """BIRD, asked through its control socket: a fork for each look would count."""

    def __init__(self, ns, tmp):
        conf = os.path.join(tmp, "receiver.conf")
        with open(conf, "w") as f:
            f.write(f"""
router id {RECEIVER};
protocol device {{ }}
protocol bgp them {{
    local {RECEIVER} as {RECEIVER_ASN}; neighbor {OURS} as {ASN};
    passive on; error wait time 1, 1; ipv4 {{ import all; export none; }};
}}
""")
        ctl = os.path.join(tmp, "receiver.ctl")
        self.proc = popen(ns, "bird", "-f", "-c", conf, "-s", ctl)
        self.sock = socket.socket(socket.AF_UNIX)
        end = time.monotonic() + 10
        while True:
            try:
                self.sock.connect(ctl)
                break
            except OSError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.02)
        self.answer()

    def answer(self):
        text = b""
        while not re.search(rb"^\d{4} ", text, re.M):
            text += self.sock.recv(65536)
        return text

    def count(self):
        self.sock.send(b"show route count\n")
        return int(re.search(rb"(\d+) of", self.answer())[1])

    def wait_up(self):
        end = time.monotonic() + LIMIT_SEC
        while True:
            self.sock.send(b"show protocols them\n")
            if b"Established" in self.answer():
                return time.monotonic()
            if time.monotonic() > end:
                raise TimeoutError("no session")
            time.sleep(0.002)

    def wait(self, n):
        end = time.monotonic() + LIMIT_SEC
        while self.count() != n:
            if time.monotonic() > end:
                raise TimeoutError(f"{self.count()} of {n} prefixes")
            time.sleep(0.002)
        return time.monotonic()

    def stop(self):
        self.sock.close()
        self.proc.kill()
        self.proc.wait()


class Announcer:
    needs = ""

    @staticmethod
    def is_possible(_ns):
        return True

    def __init__(self, ns, tmp, n):
        self.ns, self.tmp, self.n, self.procs = ns, tmp, n, []
        self.log = open(self.path("log"), "w")
        self.prepare()

    def path(self, name):
        return os.path.join(self.tmp, name)

    def write(self, name, text, mode=0o644):
        with open(self.path(name), "w") as f:
            f.write(text)
        os.chmod(f.name, mode)
        return f.name

    def spawn(self, *cmd, **kw):
        kw = {"stdout": self.log, "stderr": self.log, **kw}
        self.procs.append(popen(self.ns, *cmd, start_new_session=True, **kw))
        return self.procs[-1]

    def rss_mb(self):
        """Of the processes of our sessions: daemons have children."""
        sessions = {p.pid for p in self.procs}
        total = 0
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                if os.getsid(int(pid)) in sessions:
                    with open(f"/proc/{pid}/statm") as f:
                        total += int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
            except (OSError, ProcessLookupError):
                pass
        return total / 1e6

    def stop(self):
        for p in self.procs:
            try:
                os.killpg(p.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            p.wait()
        self.log.close()


class Herald(Announcer):
    """bgp_peer_tool."""
    program = ""

    def prepare(self):
        pass

    def start(self):
        tool = self.spawn(self.program, stdin=subprocess.PIPE, text=True)
        self.tell = tool.stdin
        self.say(f"peer them addr={RECEIVER} as={ASN} peer-as={RECEIVER_ASN} "
                 f"id={0xc0000201}", "apply", f"fill 198.18.0.0 {self.n}", "announce")

    def say(self, *lines):
        self.tell.write("".join(line + "\n" for line in lines))
        self.tell.flush()

    def withdraw(self):
        self.say("announce")


class Speaker(Announcer):
    """An advertisement that goes is the order to withdraw."""
    program = ""

    @staticmethod
    def is_possible(ns):
        tunnel = ("ip", "link", "add", "probe", "type", "ipip", "local", "127.0.0.2")
        if subprocess.run(nsh(ns, *tunnel), pass_fds=[ns], stderr=subprocess.DEVNULL,
                          check=False).returncode != 0:
            return False
        run(ns, "ip", "link", "del", "probe")
        return True

    def prepare(self):
        group, ns = "heraldlb.io/v1beta1", "herald-system"
        name = lambda name: {"name": name, "namespace": ns}
        objects = [
            {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"},
             "status": {"addresses": [{"type": "InternalIP", "address": OURS}],
                        "conditions": [{"type": "Ready", "status": "True"}]}},
            {"apiVersion": group, "kind": "IPAddressPool", "metadata": name("all"),
             "spec": {"addresses": ["198.18.0.0/15"]}},
            {"apiVersion": "heraldlb.io/v1beta2", "kind": "BGPPeer",
             "metadata": name("them"),
             "spec": {"myASN": ASN, "peerASN": RECEIVER_ASN, "peerAddress": RECEIVER,
                      "connectTime": "1s"}},
        ]
        for i, p in enumerate(prefixes(self.n)):
            objects += self.service(f"s{i}", p)
        os.mkdir(self.path("source"))
        self.write("source/all.yaml", "\n---\n".join(map(json.dumps, objects)))
        self.advertisement = self.write("source/advertisement.yaml", json.dumps(
            {"apiVersion": group, "kind": "BGPAdvertisement", "metadata": name("all"),
             "spec": {}}))

    @staticmethod
    def service(name, vip):
        return [
            {"apiVersion": "v1", "kind": "Service",
             "metadata": {"name": name, "namespace": "default", "uid": name},
             "spec": {"type": "LoadBalancer", "ipFamilies": ["IPv4"],
                      "ports": [{"port": 80, "protocol": "TCP"}]},
             "status": {"loadBalancer": {"ingress": [{"ip": vip}]}}},
            {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
             "metadata": {"name": name, "namespace": "default",
                          "labels": {"kubernetes.io/service-name": name}},
             "addressType": "IPv4", "ports": [{"port": 80, "protocol": "TCP"}],
             "endpoints": [{"addresses": ["10.0.0.1"], "nodeName": "n1",
                            "conditions": {"ready": True}}]}]

    def start(self):
        self.spawn(self.program, "--node-name", "n1", "--source",
                   "dir:" + self.path("source"), "--status-resources", "no")

    def withdraw(self):
        os.unlink(self.advertisement)

    def stop(self):
        super().stop()
        run(self.ns, "ip", "netns", "del", "herald")    # what outlives it


class BirdAnnouncer(Announcer):
    needs = "bird"

    def prepare(self):
        routes = "\n".join(f"route {p}/32 blackhole;" for p in prefixes(self.n))
        self.conf = self.write("bird.conf", f"""
router id {OURS};
protocol device {{ }}
protocol static nets {{ ipv4; {routes} }}
protocol bgp them {{
    local {OURS} as {ASN}; neighbor {RECEIVER} as {RECEIVER_ASN};
    connect delay time 1; connect retry time 1;
    ipv4 {{ import none; export all; next hop self; }};
}}
""")

    def start(self):
        self.spawn("bird", "-f", "-c", self.conf, "-s", self.path("ctl"))

    def withdraw(self):
        run(self.ns, "birdc", "-s", self.path("ctl"), "disable nets")


class Openbgpd(Announcer):
    needs = "bgpctl"

    def config(self, nets):
        return self.write("bgpd.conf", f"""
AS {ASN}
router-id {OURS}
fib-update no
socket "{self.path("ctl")}"
{nets}
neighbor {RECEIVER} {{
    remote-as {RECEIVER_ASN}
    local-address {OURS}
    announce IPv4 unicast
    announce IPv6 none
}}
allow to any
""", 0o600)

    def prepare(self):
        os.makedirs("/run/openbgpd", exist_ok=True)
        self.conf = self.config("\n".join(f"network {p}/32" for p in prefixes(self.n)))

    def start(self):
        self.spawn("/usr/sbin/bgpd", "-d", "-f", self.conf)

    def withdraw(self):
        self.config("")
        run(self.ns, "bgpctl", "-s", self.path("ctl"), "reload")


class FrrAnnouncer(Announcer):
    needs = Frr.bin + "/bgpd"

    def prepare(self):
        nets = "\n  ".join(f"network {p}/32" for p in prefixes(self.n))
        self.conf = self.write("frr.conf", f"""
hostname frr
bgp route-map delay-timer 0
router bgp {ASN}
 bgp router-id {OURS}
 no bgp ebgp-requires-policy
 no bgp network import-check
 neighbor {RECEIVER} remote-as {RECEIVER_ASN}
 neighbor {RECEIVER} timers connect 1
 neighbor {RECEIVER} advertisement-interval 0
 address-family ipv4 unicast
  neighbor {RECEIVER} route-map OUT out
  {nets}
 exit-address-family
exit
route-map OUT permit 10
exit
""")
        shutil.chown(self.tmp, "frr", "frr")

    def start(self):
        self.spawn(Frr.bin + "/bgpd", "-Z", "-S", "-z", self.path("zserv"), "--vty_socket",
                   self.tmp, "-i", self.path("bgpd.pid"), "-A", "127.0.0.1", "-P", "0",
                   "-f", self.conf)

    def withdraw(self):
        run(self.ns, "vtysh", "--vty_socket", self.tmp, "-c", "configure terminal",
            "-c", "no route-map OUT permit 10",
            "-c", "route-map OUT deny 10", "-c", "end", "-c", "clear bgp ipv4 * soft out")


class Gobgp(Announcer):
    """It takes many routes by a table dump (MRT), which is read once it is up."""
    needs = "gobgpd"

    def prepare(self):
        self.conf = self.write("conf", f"""
[global.config]
as = {ASN}
router-id = "{OURS}"
port = -1
[[neighbors]]
[neighbors.config]
neighbor-address = "{RECEIVER}"
peer-as = {RECEIVER_ASN}
[neighbors.timers.config]
connect-retry = 1
idle-hold-time-after-reset = 1
""")
        addr = socket.inet_aton(OURS)
        # TABLE_DUMP_V2 (RFC 6396, 4.3): a peer index, then a record for each prefix.
        index = addr + struct.pack(">HH", 0, 1) + b"\x02" + addr + addr + struct.pack(
            ">I", ASN)
        dump = struct.pack(">IHHI", 0, 13, 1, len(index)) + index
        attrs = b"\x40\x01\x01\x00\x40\x02\x00\x40\x03\x04" + addr
        # `gobgp mrt inject` may end before its last ones are sent: all twice.
        for i, p in enumerate(prefixes(self.n) + prefixes(self.n)):
            rib = (struct.pack(">I", i) + b"\x20" + socket.inet_aton(p) +
                   struct.pack(">HHIH", 1, 0, 0, len(attrs)) + attrs)
            dump += struct.pack(">IHHI", 0, 13, 2, len(rib)) + rib
        with open(self.path("dump"), "wb") as f:
            f.write(dump)

    def start(self):
        self.spawn("gobgpd", "-f", self.conf, "--api-hosts", "127.0.0.1:50051",
                   "--pprof-disable")
        end = time.monotonic() + 20
        while not run(self.ns, "gobgp", "global") and time.monotonic() < end:
            time.sleep(0.02)
        for _ in range(5):
            run(self.ns, "gobgp", "mrt", "inject", "global", self.path("dump"))
            if f"Destination: {self.n}," in run(self.ns, "gobgp", "global", "rib", "summary"):
                break

    def withdraw(self):
        run(self.ns, "gobgp", "global", "rib", "del", "all")


class Exabgp(Announcer):
    """A process of its own tells it what to announce, line by line."""
    needs = "exabgp"

    def prepare(self):
        self.go = self.path("withdraw")
        program = self.write("routes.py", f"""#!/usr/bin/python3 -u
import os, time, sys
lines = ["%s route {{}}/32 next-hop self\\n".format(p) for p in {prefixes(self.n)!r}]
sys.stdout.write("".join(x % "announce" for x in lines))
sys.stdout.flush()
while not os.path.exists({self.go!r}):
    time.sleep(0.01)
sys.stdout.write("".join(x % "withdraw" for x in lines))
sys.stdout.flush()
time.sleep(3600)
""", 0o755)
        self.conf = self.write("exabgp.conf", f"""
process routes {{ run {program}; encoder text; }}
neighbor {RECEIVER} {{
    router-id {OURS}; local-address {OURS}; local-as {ASN}; peer-as {RECEIVER_ASN};
    family {{ ipv4 unicast; }}
    group-updates true;
    api {{ processes [ routes ]; }}
}}
""")

    def start(self):
        env = {**os.environ, "exabgp.api.ack": "false", "exabgp.log.level": "CRIT",
               "exabgp.daemon.user": "root", "exabgp.api.cli": "false"}
        self.spawn("exabgp", self.conf, env=env)

    def withdraw(self):
        open(self.go, "w").close()


OURSELVES = {"Herald's BGP": Herald, "Herald": Speaker}
AIMS = {"Herald's BGP": "aim: at most 1", "Herald": "and has programmed the kernel"}
ALL = {**OURSELVES, "OpenBGPD": Openbgpd, "ExaBGP": Exabgp, "BIRD": BirdAnnouncer,
       "FRR": FrrAnnouncer, "GoBGP": Gobgp}


def measure(cls, fds, n):
    """(sec to session up, to all received, from order to all withdrawn, MB)"""
    with tempfile.TemporaryDirectory(prefix="bgp-bench-") as tmp:
        os.chmod(tmp, 0o755)
        receiver = Receiver(fds[1], tmp)
        announcer = cls(fds[0], tmp, n)
        try:
            begin = time.monotonic()
            announcer.start()
            up = receiver.wait_up() - begin
            full = receiver.wait(n) - begin
            time.sleep(0.5)
            rss = announcer.rss_mb()
            begin = time.monotonic()
            announcer.withdraw()
            return up, full, receiver.wait(0) - begin, rss
        finally:
            announcer.stop()
            receiver.stop()


def row(name, n, runs, fds):
    """(a line of the table, or why there is none; its figures or None)"""
    cls = ALL[name]
    title = f"{name}, {n} prefixes"
    if cls.needs and not shutil.which(cls.needs):
        return f"{title}: not installed", None
    if not cls.is_possible(fds[0]):
        return f"{title}: not with this kernel; see the lab's machine", None
    try:
        up, full, down, rss = (statistics.median(c) for c in
                               zip(*(measure(cls, fds, n) for _ in range(runs))))
    except (TimeoutError, OSError) as e:
        return f"{title}: {e}", None
    text = (f"{title:<30}{up * 1e3:>9.0f} ms{full * 1e3:>12.0f} ms"
            f"{(full - up) * 1e3:>13.0f} ms{down * 1e3:>14.1f} ms{rss:>9.1f} MB")
    return text, {"all received": full, "all withdrawn": down, "memory": rss}


def ratios(figures):
    """Ours by the least of the others', measure by measure."""
    others = {name: f for name, f in figures.items() if name not in OURSELVES}
    for name in OURSELVES:
        if name not in figures or not others:
            continue
        by = []
        for what, value in figures[name].items():
            least = min(others, key=lambda o, w=what: others[o][w])
            by.append(f"{what} {value / others[least][what]:.2f} ({least})")
        yield f"  {name} by the least of the others ({AIMS[name]}): {', '.join(by)}"


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    build = os.path.abspath(sys.argv[1])
    Herald.program = build + "/tests/bgp/bgp_peer_tool"
    Speaker.program = build + "/herald-speaker"
    runs = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    os.environ["PATH"] += ":/usr/sbin"
    fds = make_namespaces()
    print(f"{'BGP, to one BIRD receiver':<30}{'session up':>12}{'all received':>15}"
          f"{'of it after up':>16}{'all withdrawn':>17}{'memory':>12}")
    for n in COUNTS:
        figures = {}
        for name in sys.argv[3:] or ALL:
            text, seen = row(name, n, runs, fds)
            print(text, flush=True)
            if seen:
                figures[name] = seen
        for text in ratios(figures):
            print(text, flush=True)


if __name__ == "__main__":
    main()
