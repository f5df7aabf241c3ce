"""director.py DIRECTORCTL [NAME...] - the director's promises, with packets.

Three nodes of topology.py, hostile rules and all, each with a directorctl in
place of a speaker; the client's neighbour table says who has the VIP. Every
test is a function below; it raises where a promise is broken.
"""
import contextlib
import errno
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter

import topology
from chance import flows_to_all
from ipvs import ipvs_table
from netns import inside, ip_batch, output, read, sysctl

VIP, VIP6 = "10.0.0.50", "fd00:a::50"
# linux/in.h and in6.h; a socket with these sends what its kernel thinks too large, too.
IP_MTU_DISCOVER, IPV6_MTU_DISCOVER, PMTUDISC_PROBE = 10, 23, 3
TCP, UDP = 8080, 9090


class Ctl:
    """One node's directorctl."""

    def __init__(self, program, node, nodes, **how):
        self.node, self.nodes = node, nodes
        with inside(node.name):
            self.process = subprocess.Popen([program], stdin=subprocess.PIPE,
                                            stdout=subprocess.PIPE, text=True, **how)
        self.configure()

    def configure(self, how=""):
        self._write([f"director {self.node.director} herald0 {how}"])

    def _write(self, lines):
        self.process.stdin.write("\n".join(lines) + "\n")
        self.process.stdin.flush()

    def ask(self, verb):
        self._write([verb])
        return self.process.stdout.readline().strip()

    def advice(self):
        self._write(["advise"])
        return "\n".join(iter(lambda: self.process.stdout.readline().strip(), "."))

    def look(self):
        """(has something changed?, {(service, family, tier, endpoint): counters})"""
        self._write(["look"])
        rows = {}
        while not (line := self.process.stdout.readline().strip()).startswith("changed="):
            words = dict(word.split("=", 1) for word in line.split())
            key = [words.pop(k) for k in ("svc", "family", "tier", "endpoint")]
            rows[tuple(key)] = {k: int(v) for k, v in words.items()}
        return line == "changed=1", rows

    def want(self, services, vips=(VIP, VIP6), is_synced=True):
        lines = ["clear"]
        lines += [f"vip {v}" for v in vips]
        lines += [f"node {self.node.ip}", f"node {self.node.ip6}"]
        for other in self.nodes:
            if other is not self.node:
                lines += [f"peer {other.ip}", f"peer {other.ip6}"]
        for pod, ip in self.node.pods.items():
            lines += [f"client {ip}", f"client {topology.pod_ip6(self.node, ip)}"]
        for svc in services:
            lines += svc.lines(self.node)
        self._write(lines)
        self.process.stdout.readline()      # clear's "done"
        return self.sync() if is_synced else None

    def sync(self):
        answer = self.ask("sync")
        changes = dict(word.split("=", 1) for word in answer.split())
        expect(changes.get("result") == "0", f"{self.node.name}: {answer}")
        return changes


class Svc:
    """A Service; endpoints are (node, ip, port), the same on every node."""

    def __init__(self, endpoints, vip=VIP, proto="tcp", port=TCP, affinity=0,
                 policy="cluster", ranges=(), masq=(), weights=None, sched="mh"):
        self.head = f"svc lab/{proto}-{port} {vip} {proto} {port} {sched} {affinity} {policy}"
        self.key = (vip, proto, port)
        self.endpoints = sorted(endpoints, key=lambda e: (socket.inet_pton(
            socket.AF_INET6 if ":" in e[1] else socket.AF_INET, e[1]), e[2]))
        self.ranges, self.masq, self.weights = ranges, masq, weights or {}

    def lines(self, here):
        lines = [self.head] + [f"range {r}" for r in self.ranges]
        for node, ip, port in self.endpoints:
            reach = "local" if node is here else "masq" if node in self.masq else "tunnel"
            lines.append(f"ep {ip} {port} {self.weights.get(ip, 1)} {reach}")
        return lines


def expect(ok, what):
    if not ok:
        raise AssertionError(what)


class Lab:
    def __init__(self, program):
        self.nodes = topology.build()
        self.program = program
        self.ctls = [Ctl(program, n, self.nodes) for n in self.nodes]

    def endpoints(self, vip=VIP, port=TCP, pods="ab", nodes=None):
        return [(n, topology.pod_ip6(n, ip) if ":" in vip else ip, port)
                for n in nodes or self.nodes for pod, ip in n.pods.items()
                if pod[-1] in pods]

    def want(self, *services):
        order = sorted(services, key=lambda s: (":" in s.key[0], s.key))
        return [c.want(order) for c in self.ctls]

    def owner(self, node, at="client"):
        """Who attracts the VIPs."""
        ip_batch(at, [f"neigh replace {vip} lladdr {node.mac} dev eth0 nud permanent"
                      for vip in (VIP, VIP6)])


def dial(vip, port=TCP, at="client", timeout=3, greeting=True, source=None,
         proto=socket.IPPROTO_TCP):
    """A connection and what the endpoint said: (socket, "n1-a", "10.0.0.100")."""
    with inside(at):
        s = socket.socket(socket.AF_INET6 if ":" in vip else socket.AF_INET,
                          socket.SOCK_STREAM, proto)
    s.settimeout(timeout)
    if source:
        s.bind((source, 0))
    s.connect((vip, port))
    if not greeting:
        return s, None, None
    pod, _, seen = s.recv(100).decode().strip().split()
    return s, pod, seen


def dial_many(n, vip, port=TCP, at="client", pods=0, **how):
    """n connections, and as many more as it takes until so many pods have answered, where
    chance lets that take longer."""
    conns, most = [], max(n, flows_to_all(pods))
    while len(conns) < most and (len(conns) < n or len({c[1] for c in conns}) < pods):
        conns.append(dial(vip, port, at, **how))
    return conns


def is_alive(conn):
    try:
        conn.sendall(b"ping")
        return conn.recv(100) == b"ping"
    except OSError:
        return False


def alive(conns):
    return sum(is_alive(c[0]) for c in conns)


def ask(s, data, tries=3):
    """Send a datagram until it is answered; b"" where it is not."""
    s.settimeout(0.5)
    for _ in range(tries):
        try:
            s.send(data)
            return s.recv(4096)
        except TimeoutError:
            pass
        except OSError as e:        # "packet too big": the next will be smaller
            if e.errno != errno.EMSGSIZE:
                raise
    return b""


def refusal(vip, port, at="client", timeout=2):
    """How long until a connection was refused; None where it was not."""
    t0 = time.monotonic()
    try:
        dial(vip, port, at, timeout, greeting=False)[0].close()
    except ConnectionRefusedError:
        return time.monotonic() - t0
    except OSError:
        pass
    return None


def ping(vip, at):
    """One echo request; is there a reply?"""
    is_v6 = ":" in vip
    with inside(at):
        s = socket.socket(socket.AF_INET6 if is_v6 else socket.AF_INET, socket.SOCK_RAW,
                          socket.IPPROTO_ICMPV6 if is_v6 else socket.IPPROTO_ICMP)
    s.settimeout(2)
    # The kernel fills in ICMPv6's checksum; this is that of an IPv4 echo request.
    s.sendto(bytes([128 if is_v6 else 8, 0, 0, 0, 0, 1, 0, 1]) if is_v6 else
             bytes([8, 0, 0xf7, 0xfd, 0, 1, 0, 1]), (vip, 0))
    reply = 129 if is_v6 else 0
    with contextlib.suppress(TimeoutError):
        while True:
            data, peer = s.recvfrom(1500)
            if peer[0] == vip and data[0 if is_v6 else 20] == reply:
                return True
    return False


def table_of(node, vip):
    """The destinations of vip's TCP service, as the node's kernel lists them."""
    text = read(node.director, "/proc/thread-self/net/ip_vs")
    start = "TCP  [" if ":" in vip else "TCP  "
    block = [b for b in re.split(r"\n(?=TCP|UDP|FWM)", text) if b.startswith(start)][0]
    return [line for line in block.splitlines() if "->" in line]


def both(fn):
    """Run a test for IPv4, then for IPv6."""
    def test(lab):
        for vip in (VIP, VIP6):
            fn(lab, vip)
    test.__name__ = fn.__name__
    return test


@both
def connections_survive_moves(lab, vip):
    lab.want(Svc(lab.endpoints(vip), vip))
    lab.owner(lab.nodes[0])
    conns = dial_many(60, vip, pods=6)
    client = "fd00:a::64" if ":" in vip else topology.CLIENT_IP
    pods = Counter(c[1] for c in conns)
    expect(len(pods) == 6, f"all six pods are hit: {pods}")
    expect({c[2] for c in conns} == {client}, "every pod sees the client")
    for n in (1, 2, 0):
        lab.owner(lab.nodes[n])
        got = alive(conns)
        expect(got == len(conns), f"{got} of {len(conns)} alive on {lab.nodes[n].name}")


def dial_at_once(vip, ports, timeout):
    """A connection from each of the client's ports: {port: (socket, pod)}."""
    with inside("client"):
        socks = {p: socket.socket(socket.AF_INET6 if ":" in vip else socket.AF_INET)
                 for p in ports}
    deadline, conns = time.monotonic() + timeout, {}
    for port, s in socks.items():
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("", port))
        s.setblocking(False)
        s.connect_ex((vip, TCP))
    for port, s in socks.items():
        s.settimeout(max(deadline - time.monotonic(), 0.01))
        with contextlib.suppress(OSError):
            conns[port] = (s, s.recv(100).decode().split()[0])
    return conns


@both
def ports_used_again_do_not_go_round(lab, vip):
    """What two nodes remember of a port's last connection points at one another."""
    sysctl("client", {"ipv4/tcp_tw_reuse": 1})
    ports = range(21000, 21040)
    old = lab.endpoints(vip, pods="a", nodes=lab.nodes[:1])
    lab.want(Svc(old, vip))
    lab.owner(lab.nodes[1])
    conns = dial_at_once(vip, ports, 3)
    expect({c[1] for c in conns.values()} == {"n1-a"} and len(conns) == 40, f"{conns}")
    lab.owner(lab.nodes[0])             # so the second node never sees their end
    lab.want(Svc(old + lab.endpoints(vip, pods="a", nodes=lab.nodes[1:2]), vip))
    for s, _ in conns.values():
        s.close()
    time.sleep(1.2)                     # until a port in TIME_WAIT may be used again
    again = dial_at_once(vip, ports, 2.5)
    pods = Counter(c[1] for c in again.values())
    expect(len(again) == 40, f"all forty to be served by their second SYN, not {pods}")
    expect(pods["n2-a"] >= 5, f"some to be chosen anew: {pods}")


@both
def ports_used_again_may_take_a_detour(lab, vip):
    """What the chosen node remembers leads on to an endpoint that serves: so be it."""
    sysctl("client", {"ipv4/tcp_tw_reuse": 1})
    ports = range(23000, 23040)
    old = lab.endpoints(vip, pods="a", nodes=lab.nodes[:1])
    lab.want(Svc(old, vip))
    lab.owner(lab.nodes[1])
    conns = dial_at_once(vip, ports, 3)
    expect(len(conns) == 40, f"{len(conns)} of 40")
    lab.owner(lab.nodes[0])             # so the second node never sees their end
    for s, _ in conns.values():
        s.close()
    lab.want(Svc(old + lab.endpoints(vip, pods="a", nodes=lab.nodes[1:2]), vip))
    time.sleep(1.2)
    lab.owner(lab.nodes[2])             # which knows nothing of them
    again = dial_at_once(vip, ports, 0.9)
    expect(len(again) == 40, f"{len(again)} of 40 by their first SYN")
    got = alive(again.values())
    expect(got == 40, f"{got} of 40 alive")


@both
def ports_used_again_are_placed_anew(lab, vip):
    """A SYN takes nothing from the connection before it, whose end was seen: after a
    move the new owner, which does not know that one, would choose otherwise."""
    sysctl("client", {"ipv4/tcp_tw_reuse": 1})
    ports = range(22000, 22040)
    old = lab.endpoints(vip, pods="a", nodes=lab.nodes[:1])
    lab.want(Svc(old, vip))
    lab.owner(lab.nodes[1])
    for s, _ in dial_at_once(vip, ports, 3).values():
        s.close()
    lab.want(Svc(lab.endpoints(vip), vip))
    time.sleep(1.2)                     # until a port in TIME_WAIT may be used again
    again = dial_at_once(vip, ports, 2.5)
    lab.owner(lab.nodes[2])
    got = alive(again.values())
    expect(got == 40, f"{got} of 40 alive after a move")


@both
def pods_and_nodes_reach_the_vip(lab, vip):
    lab.want(Svc(lab.endpoints(vip), vip))
    for at in ("n1-a", "n2-b", "n3-c", "n1", "n3"):
        pods = Counter(c[1] for c in dial_many(12, vip, at=at, pods=6))
        expect(len(pods) == 6, f"from {at}: {pods}")


@both
def udp_is_spread_and_answered(lab, vip):
    lab.want(Svc(lab.endpoints(vip, UDP), vip, "udp", UDP))
    lab.owner(lab.nodes[1])
    pods = Counter()
    for _ in range(flows_to_all(6)):
        with inside("client"):
            s = socket.socket(socket.AF_INET6 if ":" in vip else socket.AF_INET,
                              socket.SOCK_DGRAM)
        s.settimeout(2)
        s.sendto(b"x", (vip, UDP))
        data, peer = s.recvfrom(100)
        expect(peer[0] == vip, f"the answer comes from the VIP, not {peer[0]}")
        pods[data.split()[0]] += 1
    expect(len(pods) == 6, f"{pods}")


def datagram_socket(vip, port=UDP, at="client", source=None):
    with inside(at):
        s = socket.socket(socket.AF_INET6 if ":" in vip else socket.AF_INET,
                          socket.SOCK_DGRAM)
    if source:
        s.bind((source, 0))
    s.connect((vip, port))
    return s


def one_to_each_pod(vip, npods=6, at="client"):
    """{pod: a socket whose datagrams go there}"""
    socks = {}
    for _ in range(npods * 20):
        s = datagram_socket(vip, at=at)
        socks.setdefault(ask(s, b"who", 10).split()[0].decode(), s)
        if len(socks) == npods:
            return socks
    raise AssertionError(f"{npods} pods to answer, not {list(socks)}")


def echoed(s, size):
    """How many of a few datagrams it took until one came back whole; 0: none did."""
    s.settimeout(0.2)
    for n in range(1, 6):
        what = (os.urandom(8) * (size // 8 + 1))[:size]
        try:
            s.send(what)
            while not s.recv(1 << 16).endswith(what):
                pass        # an earlier one
            return n
        except TimeoutError:
            pass
        except OSError as e:        # "packet too big": by now the kernel knows
            if e.errno != errno.EMSGSIZE:
                raise
    return 0


SIZES = (1232, 1400, 1412, 1413, 1452, 1472, 1473, 1900, 2900, 4000, 8000)


@both
def datagrams_of_all_sizes_pass(lab, vip):
    """To endpoints of the VIP's owner and of other nodes, and back, in fragments where
    need be; over IPv6 a client is told once of the tunnel's MTU."""
    lab.want(Svc(lab.endpoints(vip, UDP), vip, "udp", UDP))
    lab.owner(lab.nodes[0])
    tries = Counter()
    for pod, s in one_to_each_pod(vip).items():
        for size in SIZES:
            n = echoed(s, size)
            expect(n > 0, f"{size} bytes to {pod} and back")
            tries[n] += 1
    # The client's kernel remembers what it was told by the first.
    expect(tries[1] >= len(SIZES) * 6 - 3, f"datagrams by their tries: {tries}")
    lab.owner(lab.nodes[1])
    for pod, s in one_to_each_pod(vip).items():
        expect(echoed(s, 3000), f"3000 bytes to {pod} after a move")


@both
def schedulers_all_work(lab, vip):
    for sched in ("wrr", "wlc", "lc", "sh"):
        lab.want(Svc(lab.endpoints(vip), vip, sched=sched))
        lab.owner(lab.nodes[0])
        pods = Counter(c[1] for c in dial_many(36, vip, pods=6))
        expect(len(pods) == 6, f"{sched}: {pods}")
    best = lab.endpoints(vip)[3]
    lab.want(Svc(lab.endpoints(vip), vip, sched="fo", weights={best[1]: 9}))
    pods = Counter(c[1] for c in dial_many(12, vip))
    expect(len(pods) == 1, f"fo takes the one of the highest weight: {pods}")


@both
def sh_and_fo_choose_alike(lab, vip):
    """Connections survive a move to a node that has not seen the endpoints come in the
    same order: their place decides, by sh and among equals by fo, too."""
    eps = lab.endpoints(vip)
    for sched, ports in (("sh", range(24000, 24040)), ("fo", range(24100, 24140))):
        lab.want()
        for ctl in lab.ctls[:2]:
            ctl.want([Svc(eps[:2] + eps[3:], vip, sched=sched)])
        lab.want(Svc(eps, vip, sched=sched))
        lab.owner(lab.nodes[0])
        conns = dial_at_once(vip, ports, 3)
        expect(len(conns) == 40, f"{sched}: {len(conns)} of 40")
        lab.owner(lab.nodes[2])
        got = alive(conns.values())
        expect(got == 40, f"{sched}: {got} of 40 alive after a move")


@both
def sctp_is_spread_and_survives_moves(lab, vip):
    lab.want(Svc(lab.endpoints(vip), vip, "sctp"))
    lab.owner(lab.nodes[0])
    conns = dial_many(30, vip, pods=6, proto=socket.IPPROTO_SCTP)
    client = "fd00:a::64" if ":" in vip else topology.CLIENT_IP
    pods = Counter(c[1] for c in conns)
    expect(len(pods) == 6, f"associations are spread: {pods}")
    expect({c[2] for c in conns} == {client}, "every pod sees the client")
    for n in (1, 0):
        lab.owner(lab.nodes[n])
        got = alive(conns)
        expect(got == len(conns), f"{got} of {len(conns)} alive on {lab.nodes[n].name}")


def too_big_told(at):
    """How often a namespace has told a sender of a smaller MTU, in both families."""
    v4 = [line.split() for line in read(at, "/proc/thread-self/net/snmp").splitlines()
          if line.startswith("Icmp:")]
    v6 = dict(line.split() for line in read(at, "/proc/thread-self/net/snmp6").splitlines())
    return int(dict(zip(*v4))["OutDestUnreachs"]) + int(v6["Icmp6OutPktTooBigs"])


def far_clients(vip, first, n):
    """Addresses of the client beyond the router, n of them. For each test its own: what
    fits the way to one is remembered for ten minutes."""
    is_v6 = ":" in vip
    sources = [f"fd00:f::1:{i}" if is_v6 else f"203.0.113.{i}"
               for i in range(first, first + n)]
    ip_batch("far", [f"addr replace {a}/{64 if is_v6 else 24} dev eth0" +
                     (" nodad" if is_v6 else "") for a in sources])
    return sources


@both
def path_mtu_is_found_by_any_way_in(lab, vip):
    """Behind the router is a link of 1300 bytes of which the client knows nothing; what
    the router says of it comes to a VIP, at whichever node that is."""
    lab.want(Svc(lab.endpoints(vip), vip))
    ip_batch("router", ["link set eth1 mtu 1300"])
    sources = far_clients(vip, 110, 30)
    blob = bytes(range(256)) * 64       # 16 kB
    before = too_big_told("router")
    try:
        for i, source in enumerate(sources):
            owner, other = lab.nodes[i % 3], lab.nodes[(i + 1 + i // 3 % 2) % 3]
            lab.owner(owner, "router")
            s, pod, seen = dial(vip, at="far", source=source)
            expect(seen == source, f"{pod} sees {seen}")
            lab.owner(other, "router")
            s.settimeout(4)
            s.sendall(blob)
            back = bytearray()
            while len(back) < len(blob):
                back += s.recv(len(blob))
            expect(back == blob, "other bytes came back")
            s.close()
    except TimeoutError:
        raise AssertionError(f"{pod}, owner {owner.name}, ICMP by {other.name}: stalled after "
                             f"{len(back)} of {len(blob)} bytes") from None
    finally:
        ip_batch("router", ["link set eth1 mtu 1500"])
    told = too_big_told("router") - before
    expect(told >= 20, f"the router had to tell {told} times")


def set_mtu(lab, lan, pods):
    """Of the LAN and all on it, and of the pods' links; the directors look anew."""
    hosts = ("client", "router", *(n.name for n in lab.nodes))
    ip_batch("lan", [f"link set e-{h} mtu {lan}" for h in hosts] + [f"link set br0 mtu {lan}"])
    for h in hosts:
        ip_batch(h, [f"link set eth0 mtu {lan}"])
    for node, ctl in zip(lab.nodes, lab.ctls):
        for pod in node.pods:
            ip_batch(pod, [f"link set eth0 mtu {pods}"])
        ip_batch(node.name, [f"link set p{pod[-1]} mtu {pods}" for pod in node.pods])
        ctl.ask("recheck")
        ctl.sync()


@both
def links_may_be_smaller_or_larger(lab, vip):
    """Jumbo frames everywhere are made use of; below pods of 1,500 a network of 1,400, as
    clouds have, where endpoints learn from their node what fits."""
    lab.want(Svc(lab.endpoints(vip), vip), Svc(lab.endpoints(vip, UDP), vip, "udp", UDP))
    lab.owner(lab.nodes[0])
    client = topology.CLIENT_IP6 if ":" in vip else topology.CLIENT_IP
    for lan, pods in ((9000, 9000), (1400, 1500)):
        try:
            set_mtu(lab, lan, pods)
            for pod, s in one_to_each_pod(vip).items():
                for size in (*SIZES, 1300, 1350, 1380, 8900, 20000):
                    expect(echoed(s, size), f"MTU {lan}: {size} bytes to {pod} and back")
            s, pod, seen = dial(vip)
            expect(seen == client, f"{pod} sees {seen}")
            mss = s.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG)
            expect(lan - 200 < mss < lan - 60, f"MTU {lan}: MSS {mss}")
        finally:
            set_mtu(lab, 1500, 1500)


@both
def answers_fit_a_smaller_path(lab, vip):
    """Datagrams of a client who knows that its link takes 1280 bytes, as the endpoints do
    not: what the router tells of the first answer comes in by a node of its own."""
    lab.want(Svc(lab.endpoints(vip, UDP), vip, "udp", UDP))
    sources = iter(far_clients(vip, 140, 18))
    gateway = "fd00:f::1" if ":" in vip else "203.0.113.1"
    before, pods = too_big_told("router"), Counter()
    try:
        ip_batch("far", [f"route replace {vip} via {gateway} mtu 1280"])
        for mtu in (1400, 1280):
            ip_batch("router", [f"link set eth1 mtu {mtu}"])
            for i in range(9):
                owner, other = lab.nodes[i % 3], lab.nodes[(i + 1 + i // 3 % 2) % 3]
                lab.owner(owner, "router")
                s = datagram_socket(vip, at="far", source=next(sources))
                pod, seen, _ = ask(s, b"who").decode().split()
                expect(seen == s.getsockname()[0], f"{pod} sees {seen}")
                pods[pod] += 1
                lab.owner(other, "router")
                for size in (1400, 3000, 8000):
                    expect(echoed(s, size), f"{size} bytes to {pod} and back over {mtu}, "
                           f"owner {owner.name}, ICMP by {other.name}")
    finally:
        ip_batch("router", ["link set eth1 mtu 1500"])
        ip_batch("far", [f"route del {vip}"])
    told = too_big_told("router") - before
    # Fewer than three of six pods for 18 flows: once in 25 million runs.
    expect(len(pods) >= 3 and told >= 18, f"{pods}, the router had to tell {told} times")


@both
def clients_that_probe_are_told(lab, vip):
    """A client that forbids fragments is told what is too large over IPv6, and of nothing
    over IPv4, where the tunnel's own packets are cut; all that is smaller passes."""
    lab.want(Svc(lab.endpoints(vip, UDP), vip, "udp", UDP))
    lab.owner(lab.nodes[0])
    level, what = ((socket.IPPROTO_IPV6, IPV6_MTU_DISCOVER) if ":" in vip else
                   (socket.IPPROTO_IP, IP_MTU_DISCOVER))
    for pod, s in one_to_each_pod(vip).items():
        s.setsockopt(level, what, PMTUDISC_PROBE)
        is_tunnelled = ":" in vip and pod[:2] != "n1"
        for size in (1400, 1412, 1413, 1452) if ":" in vip else (1400, 1472):
            s.send(b"x" * size)
            try:
                got = len(s.recv(1 << 16)) > size
            except OSError as e:
                got = errno.errorcode[e.errno]
            expect(got == ("EMSGSIZE" if is_tunnelled and size > 1412 else True),
                   f"{size} bytes to {pod}: {got}")


@both
def megabytes_both_ways(lab, vip):
    lab.want(Svc(lab.endpoints(vip), vip))
    lab.owner(lab.nodes[0])
    blob = bytes(range(256)) * 4096     # 1 MB
    step = 16384    # the pods' servers do not wait for room to answer in
    one_each = {pod: s for s, pod, _ in dial_many(6, vip, pods=6, timeout=5)}
    expect(len(one_each) == 6, f"local and remote endpoints: {list(one_each)}")
    for pod, s in one_each.items():
        mss = s.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG)
        limit = 1400 if ":" in vip else 1440
        expect(mss <= limit, f"MSS {mss} leaves no room for the tunnel")
        for at in range(0, len(blob), step):
            s.sendall(blob[at:at + step])
            back = bytearray()
            while len(back) < step:
                back += s.recv(step)
            expect(back == blob[at:at + step], f"{pod}: other bytes came back at {at}")


@both
def ranges_shut_others_out(lab, vip):
    mine = "fd00:a::/64" if ":" in vip else "10.0.0.0/24"
    other = "2001:db8::/32" if ":" in vip else "192.0.2.0/24"
    lab.owner(lab.nodes[0])
    lab.want(Svc(lab.endpoints(vip), vip, ranges=(other,)))
    try:
        dial(vip, timeout=1)
        raise AssertionError("a client outside the ranges was let in")
    except TimeoutError:
        pass
    lab.want(Svc(lab.endpoints(vip), vip, ranges=(other, mine)))
    expect(len(Counter(c[1] for c in dial_many(12, vip))) > 1, "a client inside is let in")
    with contextlib.suppress(TimeoutError):
        dial(vip, at="n1-a", timeout=1)
        raise AssertionError("a pod outside the ranges was let in")
    lab.want(Svc(lab.endpoints(vip), vip))
    dial(vip)


@both
def nothing_behind_is_refused_at_once(lab, vip):
    lab.want(Svc((), vip, port=8082), Svc(lab.endpoints(vip), vip))
    lab.owner(lab.nodes[2])
    for port, what in ((8082, "no endpoints"), (9999, "no such port"), (22, "nor here")):
        for at in ("client", "n1-a", "n2"):
            took = refusal(vip, port, at)
            expect(took is not None and took < 0.5, f"{what}, from {at}: {took}")
    for at in ("client", "n1-a", "n2"):
        expect(ping(vip, at), f"the VIP answers a ping from {at}")


@both
def unknown_ports_are_dropped_where_asked(lab, vip):
    lab.want(Svc((), vip, port=8082), Svc(lab.endpoints(vip), vip))
    lab.owner(lab.nodes[2])
    ctl = lab.ctls[2]
    try:
        for how, is_refused in (("drop", False), ("", True)):
            ctl.ask("close")
            ctl.configure(how)
            ctl.sync()
            for at in ("client", "n1-a"):
                took = refusal(vip, 9999, at, 0.5)
                # A pod's own node is its way in: that one refuses.
                expect((took is not None) == (is_refused or at == "n1-a"),
                       f"{how or 'reject'} from {at}: {took}")
            expect(refusal(vip, 8082, timeout=1) is not None, "no endpoints is still refused")
            expect(len(dial_many(6, vip)) == 6, "and what is served is served")
            expect(ping(vip, "client"), "and a ping answered")
    finally:
        ctl.ask("close")
        ctl.configure("")
        ctl.sync()


@both
def a_node_without_director_is_masqueraded(lab, vip):
    a, b, c = lab.nodes
    ctl = lab.ctls[1]
    lab.want(Svc(lab.endpoints(vip), vip))
    ctl.want((), vips=())       # b serves nothing
    svc = Svc(lab.endpoints(vip), vip, masq=(b,))
    lab.ctls[0].want([svc])
    lab.ctls[2].want([svc])
    lab.owner(a)
    seen = {c[1]: c[2] for c in dial_many(40, vip, pods=6)}
    expect(len(seen) == 6, f"all pods: {seen}")
    client = "fd00:a::64" if ":" in vip else topology.CLIENT_IP
    node = a.ip6 if ":" in vip else a.ip
    for pod, source in seen.items():
        expect(source == (node if pod.startswith("n2") else client), f"{pod} sees {source}")
    seen = Counter(c[1] for c in dial_many(30, vip, at="n1-a", pods=6))
    expect(len(seen) == 6, f"from a pod of the owner's: {seen}")


@both
def affinity_holds_across_a_move(lab, vip):
    """Two dozen clients: each has one endpoint, whoever owns the VIP."""
    is_v6 = ":" in vip
    clients = [f"fd00:a::1:{i}" if is_v6 else f"10.0.0.{i}" for i in range(110, 134)]
    ip_batch("client", [f"addr add {c}/{128 if is_v6 else 32} dev eth0" +
                        (" nodad" if is_v6 else "") for c in clients])
    lab.want(Svc(lab.endpoints(vip), vip, affinity=600))
    chosen = {}
    for owner in (0, 1, 2, 0):
        lab.owner(lab.nodes[owner])
        for client in clients:
            for _ in range(2):
                s, pod, seen = dial(vip, source=client)
                s.close()
                expect(seen == client, f"{pod} sees {seen}")
                expect(chosen.setdefault(client, pod) == pod,
                       f"{client}: {chosen[client]}, then {pod}, owner n{owner + 1}")
    expect(len(set(chosen.values())) >= 5, f"clients are spread: {Counter(chosen.values())}")


@both
def endpoints_in_front_do_not_hurt(lab, vip):
    """One that belongs before all others makes those change places."""
    late = [e for e in lab.endpoints(vip) if e[0] is not lab.nodes[0]]
    lab.want(Svc(late, vip))
    lab.owner(lab.nodes[1])
    conns = dial_many(80, vip)
    changes = lab.want(Svc(lab.endpoints(vip), vip))
    expect(changes[1]["endpoints"] == "+2-0~0", f"moves are no news: {changes[1]}")
    expect(alive(conns) == 80, f"{alive(conns)} of 80 alive")
    pods = Counter(c[1] for c in dial_many(40, vip, pods=6))
    expect(len(pods) == 6, f"the new ones are used: {pods}")
    # ipvsadm lists in the order of its own choice, the kernel's file does not.
    orders = {tuple(line.split()[1] for line in table_of(n, vip)) for n in lab.nodes}
    expect(len(orders) == 1, f"the same order on every node: {orders}")


@both
def drained_endpoints_keep_their_connections(lab, vip):
    eps = lab.endpoints(vip)
    lab.want(Svc(eps, vip))
    lab.owner(lab.nodes[0])
    conns = dial_many(60, vip, pods=6)
    drained = eps[2]        # on the second node
    changes = lab.want(Svc(eps, vip, weights={drained[1]: 0}))
    expect(changes[0]["endpoints"] == "+0-0~1", f"{changes[0]}")
    expect(alive(conns) == len(conns), "open connections go on")
    # 99 where all is well, as all six never answer: enough for the five.
    new = Counter(c[1] for c in dial_many(60, vip, pods=6))
    name = [p for p, ip in drained[0].pods.items()
            if drained[1] in (ip, topology.pod_ip6(drained[0], ip))][0]
    expect(name not in new and len(new) == 5, f"no new ones for {name}: {new}")
    lab.want(Svc([e for e in eps if e is not drained], vip))
    live = [c for c in conns if c[1] != name]
    expect(alive(live) == len(live), "the others go on when it leaves")


def local_policy_serves_from_here(lab):
    lab.want(Svc(lab.endpoints(nodes=lab.nodes[:2]), policy="local"))
    lab.owner(lab.nodes[2])
    try:
        dial(VIP, timeout=1)
        raise AssertionError("a node without endpoints forwards")
    except TimeoutError:
        pass        # silent: the client tries again, by then elsewhere
    for k in (0, 1):
        lab.owner(lab.nodes[k])
        seen = Counter((c[1][:2], c[2]) for c in dial_many(16, VIP))
        expect(set(seen) == {(lab.nodes[k].name, topology.CLIENT_IP)}, f"{seen}")


def host_network_endpoints(lab):
    """Endpoints with the nodes' own addresses; IPIP between nodes goes on."""
    import echo
    echo.start([n.name for n in lab.nodes])
    eps = [(n, n.ip, TCP) for n in lab.nodes]
    lab.want(Svc(eps, port=8088))
    lab.owner(lab.nodes[0])
    seen = Counter(c[1] for c in dial_many(24, VIP, 8088, pods=3))
    expect(set(seen) == {"n1", "n2", "n3"}, f"{seen}")
    conns = dial_many(30, VIP, 8088)
    lab.owner(lab.nodes[1])
    expect(alive(conns) == 30, f"{alive(conns)} of 30 alive after a move")
    seen = Counter(c[1] for c in dial_many(24, VIP, 8088, at="n1-a", pods=3))
    expect(set(seen) == {"n1", "n2", "n3"}, f"from a pod: {seen}")


def reopening_changes_nothing(lab):
    svcs = [Svc(lab.endpoints(v), v, ranges=r) for v, r in (
        (VIP, ("10.0.0.0/8", "10.1.0.0/16")), (VIP6, ("::/0",)))]
    svcs.append(Svc(lab.endpoints(port=UDP), VIP, "udp", UDP, affinity=60))
    lab.want(*svcs)
    lab.owner(lab.nodes[0])
    conns = dial_many(20, VIP)
    for ctl in lab.ctls:
        ctl.ask("close")
        changes = ctl.sync()
        took = changes.pop("ms")
        expect(changes == {"result": "0", "vips": "+0-0", "services": "+0-0~0",
                           "endpoints": "+0-0~0", "nft": "0", "repairs": "0"},
               f"{ctl.node.name}: {changes} in {took} ms")
    expect(alive(conns) == 20, "and no connection notices")


def meddling_is_repaired_and_counted(lab):
    lab.want(Svc(lab.endpoints(), VIP), Svc(lab.endpoints(VIP6), VIP6))
    lab.owner(lab.nodes[0])
    node, ctl = lab.nodes[0], lab.ctls[0]
    d = node.director
    for where, *command in (
            (node.name, "nft", "flush", "ruleset"),
            (d, "nft", "flush", "ruleset"),
            (d, "ipvsadm", "-C"),
            (d, "ipvsadm", "-d", "-t", f"{VIP}:{TCP}", "-r", "10.244.1.2:8080"),
            (d, "ipvsadm", "-A", "-t", "10.9.9.9:80", "-s", "rr"),
            (d, "ip", "route", "del", "local", VIP, "table", "local"),
            (d, "ip", "route", "del", topology.pod_ip6(node, node.pods["n1-b"])),
            (d, "ip", "-6", "rule", "del", "pref", "77"),
            (d, "ip", "link", "del", "tnl4"),
            (d, "ip", "link", "set", "du", "down"),
            (d, "sysctl", "-w", "net.ipv4.vs.sloppy_tcp=0"),
            (node.name, "ip", "rule", "del", "pref", "77"),
            (node.name, "ip", "route", "flush", "table", "7777"),
            (node.name, "ip", "link", "del", "herald0"),
            (node.name, "sysctl", "-w", "net.ipv4.conf.herald0.rp_filter=1")):
        while ctl.look()[0]:        # what we did ourselves
            ctl.sync()
        said = output(where, *command)
        if command[0] == "sysctl" or "-A" in command:   # found by reading all
            ctl.ask("recheck")
        else:
            expect(ctl.look()[0], f"{command}: seen at a look: {said}")
        changes = ctl.sync()
        expect(int(changes["repairs"]) > 0, f"{command}: {said} {changes}")
        if command[0] == "nft" and where == node.name:
            topology.nft(node.name, topology.hostile_rules(node))
        seen = Counter(c[1] for c in dial_many(12, VIP, pods=6))
        expect(len(seen) == 6, f"after {command}: {seen}")
        ctl.ask("recheck")
        changes = ctl.sync()
        expect(changes["repairs"] == "0", f"{command}: a second look: {changes}")


def programmed(node):
    """All that a director is, less what the kernel numbers."""
    text = "".join(output(*what) for what in (
        (node.director, "ipvsadm", "-Sn"),
        (node.director, "nft", "list", "table", "inet", node.director),
        (node.name, "nft", "list", "table", "inet", node.director),
        (node.name, "ip", "rule"), (node.name, "ip", "-6", "rule"),
        (node.name, "ip", "route", "show", "table", "7777"),
        (node.director, "ip", "-6", "route", "show", "table", "all", "type", "unicast"),
        (node.director, "ip", "route", "show", "table", "local", "proto", "static"),
        (node.director, "ip", "-br", "addr", "show", "dev", "lo"),
        (node.director, "ip", "-br", "link", "show", "type", "ipip")))
    # The seal counts what the kernel chose, see nft_io.c.
    return re.sub(r"s_[0-9a-f]+", "s_", re.sub(r"@if\d+", "", text))


def faulty_ctl(lab, errors):
    """A directorctl of the first node of which netlink messages can be made to fail."""
    lab.ctls[0].ask("destroy")
    return Ctl(lab.program, lab.nodes[0], lab.nodes, stderr=errors,
               env={**os.environ, "LD_PRELOAD": f"{os.path.dirname(lab.program)}/nlfault.so"})


def netlink_failures_are_reported_and_mended(lab):
    """Each message in turn fails, from nothing to everything: it is said, what does not
    depend on it is there all the same, and the next try brings the rest."""
    node = lab.nodes[0]
    services = [Svc(lab.endpoints(), VIP), Svc((), VIP, port=8082),
                Svc(lab.endpoints(port=UDP), VIP, "udp", UDP, ranges=("10.0.0.0/8",)),
                Svc(lab.endpoints(VIP6), VIP6)]
    services.sort(key=lambda s: (":" in s.key[0], s.key[1] == "udp", s.key))
    errors = tempfile.TemporaryFile("w+")
    ctl = faulty_ctl(lab, errors)
    ctl.want(services, is_synced=False)
    ctl.ask("fault 0")
    ctl.sync()
    whole, table = programmed(node), ipvs_table(node.director)
    nservices = len(table)
    total = int(ctl.ask("fault 0"))
    expect(total > 60 and nservices == 7, f"{total} messages, {nservices} services")
    said = Counter()
    for n in range(1, total + 1):
        ctl.ask("destroy")
        ctl.ask(f"fault {n}")
        errors.seek(0)
        errors.truncate()
        first = ctl.ask("sync")
        if first == "result=-1":
            kind = "opening"
        elif "result=0" in first:
            kind = "nothing"    # asked again at once, or not needed
        else:
            kind = "a sync"
        errors.seek(0)
        text = errors.read()
        if kind == "a sync" and "svc lab/" in text:
            kind = "one service"
            there = len(ipvs_table(node.director))
            expect(there >= nservices - 1, f"message {n}: {there} of {nservices} services")
        said[kind] += 1
        expect((text != "") == (kind != "nothing"), f"message {n}: {first}: {text!r}")
        tries = 0
        while "result=0" not in (last := ctl.ask("sync")) and tries < 3:
            tries += 1
        expect("result=0" in last and tries == 0, f"message {n}: {text}{last} after {tries}")
        expect(ipvs_table(node.director) == table, f"message {n}: {text}{table}")
    now = programmed(node)
    expect(now == whole, f"{now}\n{whole}")
    ctl.ask("destroy")
    ctl.process.stdin.close()
    ctl.process.wait()
    print(f"      {total} messages: {dict(said)}")


def updates_leave_what_a_sync_leaves(lab):
    """Endpoints come and go by director_update(): no message but for them; each in turn
    fails, which is said and mended by the next try."""
    node, errors = lab.nodes[0], tempfile.TemporaryFile("w+")

    def services(pods, others=()):
        there = sorted([Svc(lab.endpoints(pods=pods), VIP),
                        Svc(lab.endpoints(VIP6, pods=pods), VIP6),
                        Svc(others, VIP, port=8082),
                        Svc(lab.endpoints(port=UDP), VIP, "udp", UDP)],
                       key=lambda s: (":" in s.key[0], s.key[1] == "udp", s.key))
        return there
    ctl = faulty_ctl(lab, errors)
    before, after = services("ab"), services("b", lab.endpoints(port=8082, pods="c"))
    ctl.want(after)
    whole = programmed(node)
    total = n = 0
    kinds = Counter()
    while n <= total:
        ctl.want(before)
        ctl.want(after, is_synced=False)
        ctl.ask(f"fault {n}")
        errors.seek(0)
        errors.truncate()
        said = ctl.ask("update")
        errors.seek(0)
        text = errors.read()
        if n == 0:
            total = int(ctl.ask("fault 0"))
            expect("result=0" in said and "services=+1-0~0 endpoints=+4-8~0" in said, said)
            expect(5 < total < 40, f"{total} messages")
        else:
            kinds[said.split()[0]] += 1
            expect((text != "") == ("result=0" not in said), f"message {n}: {said}: {text!r}")
            said = ctl.ask("update")
            expect("result=0" in said, f"message {n}: {text}{said}")
        now = programmed(node)
        expect(now == whole, f"message {n}: {text}{now}\n{whole}")
        n += 1
    ctl.want(after, is_synced=False)
    expect("vips=+0-0 services=+0-0~0 endpoints=+0-0~0 nft=0" in (said := ctl.ask("update")),
           f"nothing new: {said}")
    ctl.ask("destroy")
    ctl.process.stdin.close()
    ctl.process.wait()
    print(f"      {total} messages: {dict(kinds)}")


def what_is_in_the_way_is_said(lab):
    node, ctl = lab.nodes[0], lab.ctls[0]
    lab.want(Svc(lab.endpoints(), VIP))
    lab.owner(node)
    expect(ctl.advice() == "", f"nothing, to begin with: {ctl.advice()}")

    def is_answered():
        """By a pod: a server of the node's own is none of ours."""
        try:
            conn, who, _ = dial(VIP, timeout=0.7)
        except OSError:
            return False
        conn.close()
        return "-" in who
    def steered():
        return VIP in output(node.name, "nft", "list", "set", "inet", node.director, "vips4")

    def notice(is_told):
        """As a speaker does, some times a second; of addresses and rules there is news."""
        has_news = ctl.look()[0]
        expect(has_news == is_told, f"news: {has_news}")
        ctl.sync()

    for word, breaks, is_told, spoils, mends in (
            ("--fwmark 0x20", False, True, ("ip", "rule", "add", "pref", "50", "fwmark", "0x10/0x10",
                                      "lookup", "253"), ("ip", "rule", "del", "pref", "50")),
            ("policy drop", True, False,
             ("nft", "add table ip fw; add chain ip fw f "
              "{ type filter hook forward priority 0; policy drop; }"),
             ("nft", "delete table ip fw")),
            ("kube-proxy in ipvs mode", True, True,
             ("sh", "-c", f"ip link add kube-ipvs0 type dummy; ip addr add {VIP}/32 dev "
              "kube-ipvs0"), ("ip", "link", "del", "kube-ipvs0")),
            ("strict check", True, False, ("sysctl", "-w", "net.ipv4.conf.all.src_valid_mark=1"),
             ("sysctl", "-w", "net.ipv4.conf.all.src_valid_mark=0"))):
        said = output(node.name, *spoils)
        notice(is_told)
        advice = ctl.advice()
        expect(steered() == (word != "kube-proxy in ipvs mode"), f"{word}: {steered()}")
        expect(word in advice and len(advice.splitlines()) == 1, f"{word}: {said}{advice}")
        expect(is_answered() != breaks, f"{word}: in the way?")
        said = output(node.name, *mends)
        notice(is_told)
        expect(steered() and ctl.advice() == "" and is_answered(),
               f"{word}, mended: {said}{ctl.advice()}")


def a_mark_in_use_is_avoided(lab):
    node, ctl = lab.nodes[0], lab.ctls[0]
    lab.want(Svc(lab.endpoints(), VIP))
    lab.owner(node)
    output(node.name, "ip", "rule", "add", "pref", "50", "fwmark", "0x10/0x10", "lookup", "253")
    try:
        ctl.ask("close")
        ctl.configure("auto")
        ctl.sync()
        rules = output(node.name, "ip", "rule")
        expect("fwmark 0x20/0x20 lookup 7777" in rules and
               "fwmark 0x10/0x10 lookup 7777" not in rules, rules)
        expect(ctl.advice() == "", ctl.advice())
        expect(len(dial_many(6, VIP)) == 6, "by another mark")
        ctl.ask("close")
        expect(ctl.sync()["repairs"] == "0", "the next start keeps it")
        ctl.ask("close")
        ctl.configure("0x40")
        ctl.sync()
        for ip in (("ip",), ("ip", "-6")):
            rules = output(node.name, *ip, "rule")
            expect("fwmark 0x40/0x40 lookup 7777" in rules and
                   "fwmark 0x20/0x20" not in rules, f"another by hand: {rules}")
        expect(len(dial_many(6, VIP)) == 6, "by the mark chosen by hand")
        ctl.ask("close")
        ctl.configure("0x80")
        ctl.ask("destroy")
        expect("7777" not in output(node.name, "ip", "rule"), "whatever mark it had")
    finally:
        ctl.ask("destroy")
        output(node.name, "ip", "rule", "del", "pref", "50")
        ctl.configure("")


def destroying_leaves_nothing(lab):
    lab.want(Svc(lab.endpoints(), VIP), Svc(lab.endpoints(VIP6), VIP6))
    before = output("n1", "nft", "list", "table", "ip", "hostile")
    for ctl in lab.ctls:
        expect(ctl.ask("destroy") == "done", "destroyed")
        name = ctl.node.name
        expect("hostile" in output(name, "nft", "list", "tables") and
               "inet" not in output(name, "nft", "list", "tables"), "our table is gone")
        for command in (("ip", "rule"), ("ip", "-6", "rule"), ("ip", "link")):
            text = output(name, *command)
            expect("7777" not in text and "herald" not in text, text)
        expect(ctl.node.director not in output(name, "ls", "/run/netns"), "namespace")
    expect(before.count("chain") == output(
        "n1", "nft", "list", "table", "ip", "hostile").count("chain"), "others' rules stay")
    lab.want(Svc(lab.endpoints(), VIP))
    lab.owner(lab.nodes[0])
    expect(len(dial_many(10, VIP)) == 10, "and can be made again")


TESTS = [
    connections_survive_moves, ports_used_again_do_not_go_round,
    ports_used_again_are_placed_anew, ports_used_again_may_take_a_detour,
    pods_and_nodes_reach_the_vip, udp_is_spread_and_answered,
    schedulers_all_work, sh_and_fo_choose_alike,
    sctp_is_spread_and_survives_moves, path_mtu_is_found_by_any_way_in,
    datagrams_of_all_sizes_pass, answers_fit_a_smaller_path, clients_that_probe_are_told,
    links_may_be_smaller_or_larger, megabytes_both_ways, ranges_shut_others_out,
    nothing_behind_is_refused_at_once, unknown_ports_are_dropped_where_asked, a_node_without_director_is_masqueraded,
    affinity_holds_across_a_move, endpoints_in_front_do_not_hurt,
    drained_endpoints_keep_their_connections, local_policy_serves_from_here,
    host_network_endpoints, reopening_changes_nothing, meddling_is_repaired_and_counted,
    netlink_failures_are_reported_and_mended, updates_leave_what_a_sync_leaves,
    what_is_in_the_way_is_said, a_mark_in_use_is_avoided, destroying_leaves_nothing,
]


def explain(lab):
    for node in lab.nodes:
        print(f"--- {node.name}", topology.hostile_counts(node))
        print(output(node.director, "ipvsadm", "-Ln"))
    node = lab.nodes[0]
    print(output(node.name, "nft", "list", "table", "inet", node.director))
    print(output(node.director, "nft", "list", "table", "inet", node.director))
    print(output(node.director, "ip", "addr"))


def main(program, *names):
    lab = Lab(program)
    passed = failed = 0
    for test in TESTS:
        if names and test.__name__ not in names:
            continue
        t0 = time.monotonic()
        try:
            test(lab)
            passed += 1
            print(f"ok    {test.__name__} ({time.monotonic() - t0:.1f} s)")
        except Exception:           # pylint: disable=broad-except
            failed += 1
            print(f"FAIL  {test.__name__}")
            traceback.print_exc(file=sys.stdout)
            if failed == 1:
                explain(lab)
    for node in lab.nodes:
        counts = topology.hostile_counts(node)
        if any(counts.values()):
            print(f"note  {node.name}: hostile rules saw {counts}")
    print(f"{passed} passed, {failed} failed")
    return failed != 0 or passed == 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
