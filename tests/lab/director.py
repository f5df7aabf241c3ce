"""director.py - the data plane alone: what director_tests.py and benches drive.

Three nodes of topology.py, hostile rules and all, each with a directorctl in
place of a speaker; the client's neighbour table says who has the VIP.
"""
import contextlib
import errno
import socket
import subprocess
import time

import topology
from chance import flows_to_all
from netns import inside, ip_batch, output

VIP, VIP6 = "10.0.0.50", "fd00:a::50"
# linux/in.h and in6.h; a socket with these sends what its kernel thinks too large, too.
IP_MTU_DISCOVER, IPV6_MTU_DISCOVER, PMTUDISC_PROBE = 10, 23, 3
TCP, UDP = 8080, 9090


class Ctl:
    """One node's directorctl."""

    def __init__(self, program, node, nodes, **how):
        self.node, self.nodes = node, nodes
        self.longest_ms = 0.0
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
        """(has something changed?, {(service, family, tier, endpoint): counters});
        self.longest_ms: of its pieces."""
        self._write(["look"])
        rows = {}
        while not (line := self.process.stdout.readline().split())[0].startswith("changed="):
            words = dict(word.split("=", 1) for word in line)
            key = [words.pop(k) for k in ("svc", "family", "tier", "endpoint")]
            rows[tuple(key)] = {k: int(v) for k, v in words.items()}
        self.longest_ms = float(line[1].removeprefix("longest_ms="))
        return line[0] == "changed=1", rows

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
                 policy="cluster", ranges=(), masq=(), weights=None, sched="mh", how=""):
        self.head = (f"svc lab/{proto}-{port} {vip} {proto} {port} {sched} {affinity} {policy} "
                     f"{how}")
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


def finish(conns):
    """End them in good order while the directors know them. A FIN that comes when their
    endpoint is gone goes to one that never had the connection, and the firewall there
    drops it for the first packet of none: conntrack says INVALID."""
    for conn in conns:
        conn[0].shutdown(socket.SHUT_WR)
    for conn in conns:
        conn[0].settimeout(1)
        while conn[0].recv(100):
            pass
        conn[0].close()


def ask(s, data, tries=3):
    """Send a datagram until it is answered; b"" where it is not."""
    s.settimeout(0.5)
    for _ in range(tries):
        try:
            s.send(data)
            return s.recv(1 << 16)
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


def both(fn):
    """Run a test for IPv4, then for IPv6."""
    def test(lab):
        for vip in (VIP, VIP6):
            fn(lab, vip)
    test.__name__ = fn.__name__
    return test


def explain(lab):
    for node in lab.nodes:
        print(f"--- {node.name}", topology.hostile_counts(node))
        print(output(node.director, "ipvsadm", "-Ln"))
    node = lab.nodes[0]
    print(output(node.name, "nft", "list", "table", "inet", node.director))
    print(output(node.director, "nft", "list", "table", "inet", node.director))
    print(output(node.director, "ip", "addr"))
