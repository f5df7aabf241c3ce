"""director_move_tests.py - what survives when the VIP moves or endpoints change.

Run by director_tests.py.
"""
import contextlib
import socket
import time
from collections import Counter

import topology
from director import Svc, TCP, alive, both, dial, dial_many, expect, finish
from netns import inside, ip_batch, sysctl


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


def open_unended(lab, vip, ports):
    """A connection from each of 40 ports to n1-a, of which n2, by which they were made,
    will never see the end: the one endpoint, and what dial_at_once() gives."""
    sysctl("client", {"ipv4/tcp_tw_reuse": 1})
    only = lab.endpoints(vip, pods="a", nodes=lab.nodes[:1])
    lab.want(Svc(only, vip))
    lab.owner(lab.nodes[1])
    conns = dial_at_once(vip, ports, 3)
    expect({c[1] for c in conns.values()} == {"n1-a"} and len(conns) == 40, f"{conns}")
    lab.owner(lab.nodes[0])
    return only, conns


@both
def ports_used_again_do_not_go_round(lab, vip):
    """What two nodes remember of a port's last connection points at one another."""
    ports = range(21000, 21040)
    old, conns = open_unended(lab, vip, ports)
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
    ports = range(23000, 23040)
    old, conns = open_unended(lab, vip, ports)
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
        finish(conns.values())


@both
def affinity_holds_across_a_move(lab, vip):
    """Two dozen clients: each has one endpoint, whoever owns the VIP."""
    is_v6 = ":" in vip
    clients = [f"fd00:a::1:{i}" if is_v6 else f"10.0.0.{i}" for i in range(110, 134)]
    ip_batch("client", [f"addr add {c}/{128 if is_v6 else 32} dev eth0" +
                        (" nodad preferred_lft 0" if is_v6 else "") for c in clients])
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
    finish([c for c in conns if c[1] == name])
    lab.want(Svc([e for e in eps if e is not drained], vip))
    live = [c for c in conns if c[1] != name]
    expect(alive(live) == len(live), "the others go on when it leaves")


TESTS = [
    connections_survive_moves, ports_used_again_do_not_go_round,
    ports_used_again_are_placed_anew, ports_used_again_may_take_a_detour,
    sh_and_fo_choose_alike, affinity_holds_across_a_move,
    drained_endpoints_keep_their_connections,
]
