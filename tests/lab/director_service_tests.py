"""director_service_tests.py - every kind of Service, and who reaches it.

Run by director_tests.py.
"""
import contextlib
import re
import socket
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import topology
from chance import flows_to_all
from director import (Svc, TCP, UDP, VIP, alive, ask, both, dial, dial_many, expect, ping,
                      refusal)
from netns import inside, output, read

ONE_PACKET = 9053
SO_NO_CHECK = 11        # asm-generic/socket.h


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


def client_socket(vip, at="client"):
    """It takes answers from the VIP's port alone."""
    with inside(at):
        s = socket.socket(socket.AF_INET6 if ":" in vip else socket.AF_INET,
                          socket.SOCK_DGRAM)
    s.connect((vip, ONE_PACKET))
    return s


def answers(s, n, data=b"x"):
    """Which pods answer n datagrams of one socket, each of which is answered."""
    pods = Counter()
    for i in range(n):
        s.settimeout(2)
        s.send(data)
        pod, _, rest = s.recv(1 << 16).split(b" ", 2)
        expect(rest == data, f"answer {i} is to another: {pod} {rest[:20]}")
        pods[pod.decode()] += 1
    return pods


def spread_exactly(pods, weights, of):
    n = sum(pods.values())
    for pod, w in weights.items():
        expect(abs(pods[pod] - n * w / sum(weights.values())) <= 1, f"{of}: {pod}: {pods}")


def pod_names(lab):
    return [f"{node.name}-{letter}" for node in lab.nodes for letter in "ab"]


def one_packet(endpoints, vip, how="one-packet", **more):
    """At another port than the endpoints', so that it has to be put back, too."""
    return Svc(endpoints, vip, "udp", ONE_PACKET, sched="wrr", how=how, **more)


@both
def datagrams_are_scheduled_one_by_one(lab, vip):
    """Those of one client's port go to all endpoints, by weight, from whatever owner."""
    endpoints = lab.endpoints(vip, UDP)
    pods = {ip: f"{node.name}-{'ab'[i % 2]}" for i, (node, ip, _) in enumerate(endpoints)}
    heavy = endpoints[2][1]
    lab.want(one_packet(endpoints, vip, weights={heavy: 2}))
    weights = {pod: 1 + (ip == heavy) for ip, pod in pods.items()}
    s = client_socket(vip)
    for owner in lab.nodes:
        lab.owner(owner)
        for _ in range(6):
            ask(s, b"whoever has just been started looks for its neighbours")
    for owner in (*lab.nodes, lab.nodes[0]):
        lab.owner(owner)
        spread_exactly(answers(s, 70), weights, f"owner {owner.name}")
    for size in (1300, 3000, 20000):
        for _ in range(6):
            expect(ask(s, b"y" * size).endswith(b"y" * size), f"{size} bytes and back")
    if vip == VIP:
        s.setsockopt(socket.SOL_SOCKET, SO_NO_CHECK, 1)
        expect(len(answers(s, 70)) == 6, "datagrams without checksum")
    lab.want(one_packet(endpoints, vip, weights={heavy: 0}))
    got = answers(s, 50)
    expect(len(got) == 5 and pods[heavy] not in got, f"one drains: {got}")
    lab.want(one_packet([e for e in endpoints if e[1] != heavy], vip))
    spread_exactly(answers(s, 50), {p: 1 for ip, p in pods.items() if ip != heavy}, "one less")
    for ctl in lab.ctls:
        ctl.ask("close")
        changes = ctl.sync()
        expect(changes["nft"] == changes["repairs"] == "0" and
               changes["services"] == "+0-0~0", f"a start: {changes}")


@both
def one_packet_comes_and_goes(lab, vip):
    """The flag is changed in place, with traffic on: not one datagram is unanswered."""
    endpoints = lab.endpoints(vip, UDP)
    lab.owner(lab.nodes[0])
    lab.want(one_packet(endpoints, vip, how=""))
    old = client_socket(vip)
    expect(len(answers(old, 12)) == 1, "a flow has one endpoint")
    with ThreadPoolExecutor() as pool:
        sockets = [client_socket(vip) for _ in range(4)]
        running = [pool.submit(answers, s, 300) for s in sockets]
        for how in ("one-packet", "", "one-packet"):
            changes = lab.want(one_packet(endpoints, vip, how=how))[0]
            expect(changes["services"] == ("+1-0~2" if how else "+0-1~2"), f"{how}: {changes}")
        for r in running:
            r.result()
    spread_exactly(answers(client_socket(vip), 60), {p: 1 for p in pod_names(lab)}, "new flow")
    expect(len(answers(old, 12)) == 1, "the old flow is as it was while it does not pause")
    for node in lab.nodes:
        table = output(node.director, "ipvsadm", "-Sn")
        expect(table.count(" -s wrr -o\n") == 2, f"{node.name}: {table}")


@both
def local_clients_of_one_packet_have_flows(lab, vip):
    """A node and its pods are answered, too: their flows keep to a node, whose second tier
    deals out the datagrams."""
    lab.want(one_packet(lab.endpoints(vip, UDP), vip))
    lab.owner(lab.nodes[0])
    for at in ("n1-a", "n1-c", "n1", "n2-b"):
        nodes = Counter()
        for _ in range(6):
            got = answers(client_socket(vip, at), 4)
            where = {pod[:2] for pod in got}
            expect(len(where) == 1 and (len(got) == 1) == (at[:2] in where),
                   f"from {at}: {got}")
            nodes[where.pop()] += 1
        expect(nodes == {"n1": 2, "n2": 2, "n3": 2}, f"from {at}: {nodes}")
    spread_exactly(answers(client_socket(vip), 60), {p: 1 for p in pod_names(lab)}, "others")
    lab.want(one_packet(lab.endpoints(vip, UDP), vip, policy="local"))
    for owner in lab.nodes[:2]:
        lab.owner(owner)
        got = answers(client_socket(vip), 20)
        expect(got == {f"{owner.name}-a": 10, f"{owner.name}-b": 10}, f"policy Local: {got}")


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
    pods_and_nodes_reach_the_vip, udp_is_spread_and_answered,
    datagrams_are_scheduled_one_by_one, one_packet_comes_and_goes,
    local_clients_of_one_packet_have_flows, schedulers_all_work,
    sctp_is_spread_and_survives_moves, ranges_shut_others_out,
    nothing_behind_is_refused_at_once, unknown_ports_are_dropped_where_asked,
    a_node_without_director_is_masqueraded, endpoints_in_front_do_not_hurt,
    local_policy_serves_from_here, host_network_endpoints,
]
