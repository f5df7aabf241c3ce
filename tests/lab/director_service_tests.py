"""director_service_tests.py - every kind of Service, and who reaches it.

Run by director_tests.py.
"""
import contextlib
import re
import socket
from collections import Counter

import topology
from chance import flows_to_all
from director import Svc, TCP, UDP, VIP, alive, both, dial, dial_many, expect, ping, refusal
from netns import inside, read


def table_of(node, vip):
    """The destinations of vip's TCP service, as the node's kernel lists them."""
    text = read(node.director, "/proc/thread-self/net/ip_vs")
    start = "TCP  [" if ":" in vip else "TCP  "
    block = [b for b in re.split(r"\n(?=TCP|UDP|FWM)", text) if b.startswith(start)][0]
    return [line for line in block.splitlines() if "->" in line]


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


TESTS = [
    pods_and_nodes_reach_the_vip, udp_is_spread_and_answered, schedulers_all_work,
    sctp_is_spread_and_survives_moves, ranges_shut_others_out,
    nothing_behind_is_refused_at_once, unknown_ports_are_dropped_where_asked,
    a_node_without_director_is_masqueraded, endpoints_in_front_do_not_hurt,
    local_policy_serves_from_here, host_network_endpoints,
]
