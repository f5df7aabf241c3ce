"""daemons.py: other people's BGP daemons in a network namespace, for tests.

A test says what a session should be like in one dictionary (see DEFAULTS); each
class turns it into its daemon's configuration, and what its daemon shows of
routes and sessions into the same few words:

    routes()    {prefix: Route}
    is_up()     is the session to us Established?
    refresh()   ask us for our routes again
    bfd()       "up", "down" or None
    bandwidth(prefix)   bytes a second of its link bandwidth community
"""
import ctypes
import json
import os
import re
import shutil
import struct
import subprocess
import tempfile
import time
from collections import namedtuple

Route = namedtuple("Route", "next_hop path med communities large")

DEFAULTS = {
    "as": 65002, "peer_as": 4200000001, "local": "192.0.2.2", "peer": "192.0.2.1",
    "families": (4, 6), "password": None, "gr": False, "passive": True,
    "extended_next_hop": False, "bfd": False, "gtsm": False, "dev": "it-b",
    "unnumbered": False, "peer_port": 179, "role": None,
    "multihop": False, "echo": False,
    "no_as4": False,        # 2-byte AS numbers only
    "bfd_apart": False,     # BFD in a process of its own, which bfd_proc() is
    "cbit": False,          # that says so, by the C bit
}
WAIT_SEC = 40
WELL_KNOWN = {"no_export": (65535, 65281), "noexport": (65535, 65281),
              "graceful_shutdown": (65535, 0), "gracefulshutdown": (65535, 0)}


def community(text):
    """65001:100, or a name that a daemon has for one."""
    return WELL_KNOWN.get(text.lower()) or tuple(map(int, text.split(":")))


def nsh(ns, *cmd):
    return ["nsenter", "--net=/proc/self/fd/%d" % ns] + list(cmd)


def popen(ns, *cmd, **kw):
    return subprocess.Popen(nsh(ns, *cmd), pass_fds=[ns], **kw)


def run(ns, *cmd):
    """What a command says, "" where it fails: its daemon may not be there yet."""
    p = subprocess.run(nsh(ns, *cmd), pass_fds=[ns], capture_output=True, text=True,
                       timeout=60, check=False)
    return p.stdout if p.returncode == 0 else ""


def wait_for(what, test, sec=WAIT_SEC):
    """Until test() is true; an AssertionError that names `what` after sec."""
    end = time.monotonic() + sec
    while True:
        last = test()
        if last:
            return last
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {sec} s")
        time.sleep(0.2)


def new_namespace():
    """A network namespace, as a descriptor."""
    if ctypes.CDLL(None, use_errno=True).unshare(0x40000000) != 0:
        raise SystemExit("no network namespace: run as root")
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY)


def enter_namespace(ns):
    if ctypes.CDLL(None, use_errno=True).setns(ns, 0x40000000) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def configure(ns, *cmds):
    for cmd in cmds:
        subprocess.run(nsh(ns, *cmd.split()), pass_fds=[ns], check=True)


def join(ns_a, dev_a, ns_b, dev_b):
    """A link between the two, up, without addresses; both are routers, as FRR must
    be to send advertisements."""
    fd = "/proc/%d/fd/%d"
    subprocess.run(["ip", "link", "add", dev_a, "netns", fd % (os.getpid(), ns_a),
                    "type", "veth", "peer", "name", dev_b, "netns",
                    fd % (os.getpid(), ns_b)], check=True)
    for ns, dev in ((ns_a, dev_a), (ns_b, dev_b)):
        configure(ns, "ip link set lo up", f"ip link set {dev} addrgenmode none",
                  f"ip link set {dev} up", "sysctl -qw net.ipv4.ip_forward=1",
                  "sysctl -qw net.ipv6.conf.all.forwarding=1")


def make_namespaces(dev_a="it-a", dev_b="it-b"):
    """Two namespaces on one link with both families."""
    fds = [new_namespace(), new_namespace()]
    join(fds[0], dev_a, fds[1], dev_b)
    for fd, dev, n in ((fds[0], dev_a, 1), (fds[1], dev_b, 2)):
        configure(fd, f"ip addr add 192.0.2.{n}/24 dev {dev}",
                  f"ip addr add 2001:db8::{n}/64 dev {dev} nodad",
                  f"ip addr add fe80::{n}/64 dev {dev} nodad")
    return fds


def make_routed_namespaces():
    """Two namespaces with a router between them: 10.1.0.1 and 10.2.0.2."""
    a, router, b = new_namespace(), new_namespace(), new_namespace()
    join(a, "ir-a", router, "ir-1")
    join(router, "ir-2", b, "it-b")
    configure(router, "ip addr add 10.1.0.254/24 dev ir-1",
              "ip addr add 10.2.0.254/24 dev ir-2")
    configure(a, "ip addr add 10.1.0.1/24 dev ir-a",
              "ip route add 10.2.0.0/24 via 10.1.0.254")
    configure(b, "ip addr add 10.2.0.2/24 dev it-b",
              "ip route add 10.1.0.0/24 via 10.2.0.254")
    return [a, b]       # the links keep the router's alive


class Daemon:
    name = ""
    lacks = ()          # what of DEFAULTS' keys, or which rows, it cannot do
    max_password = 80
    sends_refresh = True
    takes_echo = False  # does its BFD want to be sent Echo packets?
    renews_bfd = False  # a new BFD session in place of the first, once BGP's is up?

    def __init__(self, ns, **options):
        self.ns, self.o = ns, dict(DEFAULTS, **options)
        self.tmp = tempfile.mkdtemp(prefix="bgp-interop-")
        os.chmod(self.tmp, 0o755)
        self.procs = []
        self.log = open(os.path.join(self.tmp, "log"), "w", encoding="utf-8")
        try:
            self.start()
        except BaseException:
            self.stop()
            raise

    def path(self, name):
        return os.path.join(self.tmp, name)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as f:
            f.write(text)
        return self.path(name)

    def spawn(self, *cmd):
        self.procs.append(popen(self.ns, *cmd, stdout=self.log, stderr=self.log,
                                start_new_session=True))
        return self.procs[-1]

    def stop(self):
        for p in reversed(self.procs):
            if p.poll() is None:
                p.terminate()
            try:
                p.wait(10)
            except subprocess.TimeoutExpired:
                p.kill()
                p.wait()
        self.log.close()
        shutil.rmtree(self.tmp, ignore_errors=True)

    def bfd(self):
        return None

    def heard(self):
        """What holds our word of a session's end: its log."""
        with open(self.path("log"), encoding="utf-8", errors="replace") as f:
            return f.read()


class Bird(Daemon):
    name = "BIRD"
    lacks = ("unnumbered", "echo", "bfd_apart")

    def channel(self, family):
        o = self.o
        extra = "extended next hop on;" if family == 4 and o["extended_next_hop"] else ""
        return f"ipv{family} {{ import all; export none; {extra} }};"

    def start(self):
        o = self.o
        on = lambda key: "on" if o[key] else "off"
        session = f"interface \"{o['dev']}\";" if o["peer"].startswith("fe80") else ""
        if o["password"]:
            session += f'password "{o["password"]}";'
        if o["bfd"]:
            session += "bfd graceful;" if o["gr"] else "bfd on;"
        if o["role"]:
            session += f'local role {o["role"]}; require roles on;'
        them = f"as {o['peer_as']}"
        if o["no_as4"]:
            session += "enable as4 off;"
            them = "external"   # a long number is none that it could be told
        conf = self.write("conf", f"""
router id 192.0.2.2;
protocol device {{ }}
protocol bfd {{ interface "*" {{ min rx interval 100 ms; min tx interval 100 ms;
    idle tx interval 300 ms; multiplier 3; }};
    multihop {{ min rx interval 100 ms; min tx interval 100 ms;
    idle tx interval 300 ms; multiplier 3; }}; }}
protocol bgp ours {{
    local {"" if session.startswith("interface") else o["local"]} as {o["as"]};
    neighbor {o["peer"]} port {o["peer_port"]} {them};
    {"multihop 2" if o["multihop"] else "direct"}; passive {on("passive")}; graceful restart {on("gr")};
    ttl security {on("gtsm")}; connect retry time 2; connect delay time 1;
    error wait time 1, 2;
    {session}
    {" ".join(self.channel(f) for f in o["families"])}
}}
""")
        self.spawn("bird", "-f", "-c", conf, "-s", self.path("ctl"))

    def ask(self, what):
        return run(self.ns, "birdc", "-s", self.path("ctl"), what)

    def is_up(self):
        return re.search(r"^ours .*Established", self.ask("show protocols"), re.M)

    def refresh(self):
        self.ask("reload in ours")

    def bfd(self):
        out = self.ask("show bfd sessions")
        line = [x for x in out.splitlines() if x.startswith(self.o["peer"])]
        return line[0].split()[2].lower() if line else None

    def heard(self):
        return self.ask("show protocols all ours")

    def bandwidth(self, prefix):
        out = self.ask(f"show route {prefix} all")
        m = re.search(r"BGP.ext_community: \(unknown 0x4, \d+, (\d+)\)", out)
        return struct.unpack(">f", struct.pack(">I", int(m[1])))[0] if m else None

    def routes(self):
        found, prefix = {}, None
        for line in self.ask("show route all").splitlines():
            m = re.match(r"(\S+/\d+) +(?:unicast|unreachable) \[ours", line)
            if m:
                prefix, attrs = m[1], {}
            m = re.match(r"\s+BGP\.(\w+): ?(.*)", line)
            if m and prefix:
                attrs[m[1]] = m[2]
                found[prefix] = attrs
        return {p: Route(
            a.get("next_hop", "").split()[0],
            [int(x) for x in a.get("as_path", "").split()],
            int(a["med"]) if "med" in a else None,
            {tuple(map(int, x)) for x in
             re.findall(r"\((\d+),(\d+)\)", a.get("community", ""))},
            {tuple(map(int, x)) for x in
             re.findall(r"\((\d+), (\d+), (\d+)\)", a.get("large_community", ""))},
        ) for p, a in found.items()}


class Frr(Daemon):
    name = "FRR"
    takes_echo = True
    lacks = ("no_as4",)
    bin = "/usr/lib/frr"

    def neighbor(self):
        o, n = self.o, self.o["peer"]
        if o["unnumbered"]:
            n = o["dev"]
            lines = [f"neighbor {n} interface remote-as {o['peer_as']}"]
        else:
            lines = [f"neighbor {n} remote-as {o['peer_as']}"]
            if n.startswith("fe80"):
                lines.append(f"neighbor {n} interface {o['dev']}")
        lines.append(f"neighbor {n} timers connect 2")
        if o["peer_port"] != 179:
            lines.append(f"neighbor {n} port {o['peer_port']}")
        if o["password"]:
            lines.append(f"neighbor {n} password {o['password']}")
        if o["passive"] and not o["unnumbered"]:
            lines.append(f"neighbor {n} passive")
        if o["gtsm"]:
            lines.append(f"neighbor {n} ttl-security hops 1")
        if o["extended_next_hop"]:
            lines.append(f"neighbor {n} capability extended-nexthop")
        if o["multihop"]:
            lines += [f"neighbor {n} ebgp-multihop 2", f"neighbor {n} update-source {o['local']}"]
        if o["bfd"]:
            lines.append(f"neighbor {n} bfd" + (" profile echo" if o["echo"] else
                                                " 3 100 100"))
        if o["cbit"]:
            lines.append(f"neighbor {n} bfd check-control-plane-failure")
        if o["gr"]:
            lines.append(f"neighbor {n} graceful-restart-helper")
        if o["role"]:
            lines.append(f"neighbor {n} local-role {o['role']} strict-mode")
        for f in (4, 6):
            verb = "" if f in o["families"] else "no "
            lines += [f"address-family ipv{f} unicast", f"{verb}neighbor {n} activate"]

            lines.append("exit-address-family")
        return "\n ".join(lines)

    def start(self):
        o = self.o
        conf = self.write("frr.conf", f"""
hostname frr
interface {o["dev"]}
 no ipv6 nd suppress-ra
 ipv6 nd ra-interval 4
exit
router bgp {o["as"]}
 bgp router-id 192.0.2.2
 no bgp ebgp-requires-policy
 no bgp default ipv4-unicast
 bgp graceful-restart stalepath-time 120
 {self.neighbor()}
exit
""")
        bfd_conf = self.write("bfdd.conf", """
bfd
 profile echo
  echo-mode
  echo transmit-interval 50
  echo receive-interval 50
 exit
exit
""")
        shutil.chown(self.tmp, "frr", "frr")
        ask = lambda *what: run(self.ns, f"{self.bin}/bfdd", *what)
        # A socket of FRR 8 (Debian 12) that FRR 10 (Debian 13) has no longer.
        has_bfdctl = "--bfdctl" in ask("--help")
        # Its bgpd learns its own address only then, which names the session (FRR's issue
        # 17337): the new one is Down, and whoever heeds BFD ends BGP's, the first time.
        self.renews_bfd = int(re.search(r"version (\d+)", ask("--version"))[1]) >= 10
        for prog in ("zebra", "bfdd", "bgpd"):
            cmd = [f"{self.bin}/{prog}", "-z", self.path("zserv"),
                   "--vty_socket", self.tmp, "-i", self.path(prog + ".pid"),
                   "-A", "127.0.0.1", "-P", "0", "--log", "stdout", "-f",
                   bfd_conf if prog == "bfdd" else conf]
            if prog == "bfdd" and has_bfdctl:
                cmd += ["--bfdctl", self.path("bfdd.sock")]
            self.spawn(*cmd)
            wait_for(prog, lambda p=prog: os.path.exists(self.path(p + ".vty")))

    def ask(self, what):
        # Of bgpd alone: another one may stand still.
        out = run(self.ns, "vtysh", "--vty_socket", self.tmp, "-d", "bgpd", "-c", what)
        return json.loads(out) if out.strip().startswith("{") else {}

    def neighbor_key(self):
        return self.o["dev"] if self.o["unnumbered"] else self.o["peer"]

    def is_up(self):
        n = self.ask(f"show bgp neighbors {self.neighbor_key()} json")
        return n.get(self.neighbor_key(), {}).get("bgpState") == "Established"

    def refresh(self):
        run(self.ns, "vtysh", "--vty_socket", self.tmp, "-c",
            f"clear bgp ipv4 unicast {self.neighbor_key()} soft in")

    def bfd(self):
        n = self.ask(f"show bgp neighbors {self.neighbor_key()} json")
        s = n.get(self.neighbor_key(), {}).get("peerBfdInfo", {})
        return s.get("status", "").lower() or None

    def heard(self):
        return str(self.ask(f"show bgp neighbors {self.neighbor_key()} json"))

    def bfd_proc(self):
        return self.procs[1]

    def echoes(self):
        """How many BFD echo packets it sent, and how many came back."""
        text = run(self.ns, "vtysh", "--vty_socket", self.tmp, "-c",
                   "show bfd peers counters")
        return [int(re.search(rf"Echo packet {way}: (\d+)", text)[1])
                for way in ("output", "input")]

    def bandwidth(self, prefix):
        one = self.ask(f"show bgp ipv4 unicast {prefix} json")
        text = str([p.get("extendedCommunity") for p in one.get("paths", [])])
        m = re.search(r"LB:\d+:(\d+)", text)
        return float(m[1]) if m else None

    def routes(self):
        found = {}
        for f in self.o["families"]:
            table = self.ask(f"show bgp ipv{f} unicast json").get("routes", {})
            for prefix in table:
                one = self.ask(f"show bgp ipv{f} unicast {prefix} json")
                for p in one.get("paths", []):
                    found[prefix] = Route(
                        p["nexthops"][0]["ip"],
                        [int(x) for x in p["aspath"]["string"].split()
                         if x != "Local"],
                        p.get("metric"),
                        {community(c) for c in p.get("community", {}).get("list", [])},
                        {tuple(map(int, c.split(":"))) for c in
                         p.get("largeCommunity", {}).get("list", [])})
        return found


class Gobgp(Daemon):
    name = "GoBGP"
    lacks = ("bfd", "unnumbered", "role", "no_as4")
    sends_refresh = False       # it keeps what it was told, and looks at that again

    def start(self):
        o = self.o
        yes = lambda key: "true" if o[key] else "false"
        peer = o["peer"] + ("%" + o["dev"] if o["peer"].startswith("fe80") else "")
        conf = f"""
[global.config]
as = {o["as"]}
router-id = "192.0.2.2"
port = {179 if o["passive"] else -1}
[[neighbors]]
[neighbors.config]
neighbor-address = "{peer}"
peer-as = {o["peer_as"]}
auth-password = "{o["password"] or ""}"
[neighbors.timers.config]
connect-retry = 2
idle-hold-time-after-reset = 2
[neighbors.transport.config]
passive-mode = {yes("passive")}
remote-port = {o["peer_port"]}
[neighbors.graceful-restart.config]
enabled = {yes("gr")}
restart-time = 120
"""
        if o["gtsm"]:
            conf += "[neighbors.ttl-security.config]\nenabled = true\nttl-min = 255\n"
        for f in o["families"]:
            conf += f"""[[neighbors.afi-safis]]
[neighbors.afi-safis.config]
afi-safi-name = "ipv{f}-unicast"
[neighbors.afi-safis.mp-graceful-restart.config]
enabled = {yes("gr")}
"""
        self.neighbor = peer
        self.spawn("gobgpd", "-f", self.write("conf", conf), "--api-hosts",
                   "127.0.0.1:50051", "--pprof-disable")

    def ask(self, *what):
        out = run(self.ns, "gobgp", "-j", *what)
        try:
            return json.loads(out)
        except ValueError:
            return {}

    def is_up(self):
        # PeerState_ESTABLISHED of its API
        n = self.ask("neighbor", self.neighbor)
        return bool(n) and n.get("state", {}).get("session_state") in (6, "ESTABLISHED")

    def refresh(self):
        run(self.ns, "gobgp", "neighbor", self.neighbor, "softresetin")

    def bandwidth(self, prefix):
        for path in self.ask("global", "rib", prefix).get(prefix, []):
            for a in path["attrs"]:
                for c in a.get("value") or () if a["type"] == 16 else ():
                    if c.get("subtype") == 4:
                        return float(c.get("bandwidth", -1))
        return None

    def routes(self):
        found = {}
        for f in self.o["families"]:
            table = self.ask("global", "rib", "-a", f"ipv{f}")
            for prefix, paths in (table or {}).items():
                a = {x["type"]: x for x in paths[0]["attrs"]}
                reach = a.get(14, {})
                found[prefix] = Route(
                    a[3]["nexthop"] if 3 in a else reach.get("nexthop"),
                    [n for s in a.get(2, {}).get("as_paths", []) for n in s["asns"]],
                    a[4]["metric"] if 4 in a else None,
                    {(c >> 16, c & 0xffff) for c in a.get(8, {}).get("communities") or ()},
                    {(c["ASN"], c["LocalData1"], c["LocalData2"])
                     for c in a.get(32, {}).get("value", [])})
        return found


class Openbgpd(Daemon):
    name = "OpenBGPD"
    # 7.7 on Linux does not give its IPv4 listener the keys it has.
    lacks = ("bfd", "unnumbered", "extended_next_hop", "role", "link bandwidth",
             "MD5 over IPv4, we dial")
    max_password = 79

    def start(self):
        o = self.o
        yes = lambda key: "yes" if o[key] else "no"
        peer = o["peer"] + ("%" + o["dev"] if o["peer"].startswith("fe80") else "")
        extra = ""
        if o["password"]:
            extra += f'tcp md5sig password "{o["password"]}"\n'
        if o["passive"]:
            extra += "passive\n"
        if o["no_as4"]:
            extra += "announce as-4byte no\n"
        self.peer = peer
        self.sock = self.path("ctl")
        conf = self.write("conf", f"""
AS {o["as"]}
router-id 192.0.2.2
fib-update no
connect-retry 2
socket "{self.sock}"
{"listen on " + o["local"] if o["passive"] else ""}
neighbor {peer} {{
    remote-as {o["peer_as"]}
    local-address {o["local"]}
    port {o["peer_port"]}
    announce IPv4 {"unicast" if 4 in o["families"] else "none"}
    announce IPv6 {"unicast" if 6 in o["families"] else "none"}
    announce restart {yes("gr")}
    announce enhanced refresh yes
    ttl-security {yes("gtsm")}
    {extra}
}}
allow from any
""")
        os.chmod(conf, 0o600)
        os.makedirs("/run/openbgpd", exist_ok=True)     # it changes its root there
        self.spawn("/usr/sbin/bgpd", "-d", "-f", conf)

    def ask(self, *what):
        out = run(self.ns, "bgpctl", "-j", "-s", self.sock, *what)
        try:
            return json.loads(out)
        except ValueError:
            return {}

    def is_up(self):
        n = self.ask("show", "neighbor", self.peer).get("neighbors", [{}])
        return bool(n) and n[0].get("state") == "Established"

    def refresh(self):
        run(self.ns, "bgpctl", "-s", self.sock, "neighbor", self.peer, "refresh")

    def routes(self):
        found = {}
        for r in self.ask("show", "rib", "detail").get("rib", []):
            found[r["prefix"]] = Route(
                r.get("exit_nexthop"), [int(x) for x in r.get("aspath", "").split()],
                int(r.get("metric", 0)),
                {community(c) for c in r.get("communities", [])},
                {tuple(map(int, c.split(":"))) for c in r.get("large_communities", [])})
        return found


ALL = (Bird, Frr, Gobgp, Openbgpd)


def is_installed(cls):
    program = {"BIRD": "bird", "FRR": Frr.bin + "/bgpd", "GoBGP": "gobgpd",
               "OpenBGPD": "bgpctl"}[cls.name]
    return shutil.which(program) is not None
