"""director_path_tests.py - packets of all sizes, and paths that do not take them.

Run by director_tests.py.
"""
import errno
import os
import socket
from collections import Counter

import topology
from director import (
    IPV6_MTU_DISCOVER, IP_MTU_DISCOVER, PMTUDISC_PROBE, Svc, UDP, ask, both, dial, dial_many,
    expect)
from netns import inside, ip_batch, read


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


TESTS = [
    path_mtu_is_found_by_any_way_in, datagrams_of_all_sizes_pass, answers_fit_a_smaller_path,
    clients_that_probe_are_told, links_may_be_smaller_or_larger, megabytes_both_ways,
]
