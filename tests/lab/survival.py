"""survival.py - which of many open connections live through what may happen to a VIP,
its nodes and its endpoints: by mode and scheduler of a ForwardingProfile.

An event is a generator: made ready it yields the VIP and is sent the connections; when
it has happened it yields those that are due to live, all but those whose own pod is
gone; then it is undone.
"""
import contextlib
import itertools
import random
import signal
import time

import objects
from chance import least
from echo import TCP_PORT as POD_PORT
from ipvs import ipvs_table
from measure import Connections, Failed, Not, until
from netns import ip_batch, nft, output
from objects import TCP_PORT
from scenarios import bring_back, cut_off, scenario_adder
from service import Service

SCENARIOS = []  # as in scenarios.py
EVENTS = []     # (name, generator, probability of death for each due, with tunnel and mh)
SPARE, VICTIM = "n2-c", "n2-b"
WORD = b"still there?"
# The client's other addresses, one for each event of the whole bench.
UNUSED = {"IPv4": (f"10.0.0.{i}" for i in (*range(110, 250), *range(10, 50), *range(70, 100))),
          "IPv6": (f"fd00:a::2:{i:x}" for i in itertools.count())}


def event(name, bound=0.0):
    def add(fn):
        EVENTS.append((name, fn, bound))
        return fn
    return add


def not_to(conns, pods):
    return {s for s in conns.socks if conns.pods[s] not in pods}


def wait_other_owner(svc, vip, owner):
    until(f"another node than {owner.name} to answer for {vip}",
          lambda: len(o := svc.owners(vip, 0.05)) == 1 and o != {owner.name}, 10, node=owner)


def move(svc, vip, owner):
    """The owner's speaker ends in good order, and is started again by move_back()."""
    speaker = svc.lab.speakers[owner.name]
    speaker.signal(signal.SIGTERM)
    wait_other_owner(svc, vip, owner)
    until("the speaker to end", lambda: not speaker.is_running(), 10, node=owner)


def move_back(svc, owner):
    svc.lab.speakers[owner.name].start()
    svc.settle(30)


def drop_director(node):
    """While its speaker is down."""
    output(node.name, "ip", "link", "del", "herald0")
    output(node.name, "ip", "netns", "del", node.director)


def start_afresh(svc):
    """All nodes as after a boot: by wlc and lc a choice depends on all that a node has
    had, and remembers for a quarter of an hour."""
    for node in svc.lab.nodes:
        svc.lab.speakers[node.name].signal(signal.SIGTERM)
    for node in svc.lab.nodes:
        svc.lab.speakers[node.name].popen.wait()
        drop_director(node)
    for node in svc.lab.nodes:
        svc.lab.speakers[node.name].start()
    svc.settle(60)


@event("planned move")
def planned_move(svc):
    vip, owner = svc.settle(30)
    conns = yield vip
    move(svc, vip, owner)
    yield set(conns.socks)
    move_back(svc, owner)


@event("owner crash")
def owner_crash(svc):
    """Its pods die with it."""
    vip, owner = svc.settle(30)
    conns = yield vip
    cut_off(svc.lab, owner)
    wait_other_owner(svc, vip, owner)
    yield not_to(conns, owner.pods)
    bring_back(svc.lab, owner)
    svc.settle(30)


@event("speaker crash")
def speaker_crash(svc):
    vip, owner = svc.settle(30)
    conns = yield vip
    svc.lab.speakers[owner.name].kill()
    wait_other_owner(svc, vip, owner)
    yield set(conns.socks)
    move_back(svc, owner)


def change_endpoints(svc, members, draining=(), gone=(), is_moved=False):
    """The slice changes while connections are open, and the VIP may move then."""
    before = list(svc.members)
    vip, owner = svc.settle(30)
    conns = yield vip
    svc.write_slice(members, draining)
    svc.settle(30)
    if is_moved:
        move(svc, vip, owner)
    yield not_to(conns, gone)
    if is_moved:
        svc.lab.speakers[owner.name].start()
    svc.write_slice(before)
    svc.settle(30)


@event("endpoint added")
def endpoint_added(svc):
    return change_endpoints(svc, [*svc.members, SPARE])


@event("endpoint removed")
def endpoint_removed(svc):
    return change_endpoints(svc, [m for m in svc.members if m != VICTIM], gone={VICTIM})


@event("endpoint drained")
def endpoint_drained(svc):
    return change_endpoints(svc, svc.members, draining={VICTIM})


# The new owner has the new table only, and with mh one in seven of its places is the
# newcomer's; beyond that Maglev moves about 1 % at this size.
@event("endpoint added, then a move", 1 / 7 + 0.04)
def added_and_moved(svc):
    return change_endpoints(svc, [*svc.members, SPARE], is_moved=True)


@event("endpoint removed, then a move", 0.04)
def removed_and_moved(svc):
    return change_endpoints(svc, [m for m in svc.members if m != VICTIM], gone={VICTIM},
                            is_moved=True)


@event("node added")
def node_added(svc):
    """A node that has never forwarded joins, and is elected owner."""
    lab, before = svc.lab, list(svc.members)
    vip, joiner = svc.settle(30)
    move(svc, vip, joiner)
    lab.objects.remove(objects.node(joiner))
    svc.write_slice([m for m in before if m not in joiner.pods])
    drop_director(joiner)
    for node in lab.nodes:
        if node is not joiner:
            until(f"{node.name} to be programmed", lambda n=node: svc.programmed(n, vip), 15,
                  node=node)
    conns = yield vip
    lab.objects.put(objects.node(joiner))
    lab.speakers[joiner.name].start()
    until(f"{joiner.name} to answer for {vip}",
          lambda: svc.owners(vip, 0.05) == {joiner.name} or Not("it does not"), 20, node=joiner)
    yield set(conns.socks)
    svc.write_slice(before)
    svc.settle(30)


class Delegated(Service):
    """A Service that is left to kube-proxy, whose part rules play that do as its do: a
    ready pod at random, which sees the node."""

    def __init__(self, svc):
        super().__init__(svc.lab, svc.name, svc.family)
        self.members = list(svc.members)
        self.write_rules(self.members)

    def write_slice(self, members=None, draining=()):
        when = super().write_slice(members, draining)
        self.write_rules([p for p in self.members if p not in draining])
        return when

    def write_rules(self, ready):
        ip = "ip" if self.family == "IPv4" else "ip6"
        pods = ", ".join(f"{i} : {self.pod_ip(p)} . {POD_PORT}" for i, p in enumerate(ready))
        rules = f"""
            table {ip} delegated {{ }}
            delete table {ip} delegated
            table {ip} delegated {{
                chain to_pods {{
                    type nat hook prerouting priority dstnat - 1;
                    {ip} daddr {self.vip()} tcp dport {TCP_PORT} dnat {ip} addr . port to \
                        numgen random mod {len(ready)} map {{ {pods} }}
                }}
                chain as_node {{
                    type nat hook postrouting priority srcnat - 1;
                    ct status dnat masquerade
                }}
            }}"""
        for node in self.lab.nodes:
            nft(node.name, rules)

    def drop_rules(self):
        for node in self.lab.nodes:
            nft(node.name, f"delete table {'ip' if self.family == 'IPv4' else 'ip6'} delegated")

    def programmed(self, node, vip):
        return (("TCP", vip, TCP_PORT) not in ipvs_table(node.director) or
                Not(f"{node.name}: IPVS still has {vip}"))


def use_profile(svc, mode, scheduler):
    """Give the Service a profile of its own, and wait until no node differs. Returns the
    Service as it is to be looked at from now on."""
    obj = objects.service(svc.name, [svc.family])
    obj["metadata"]["annotations"] = {"heraldlb.io/forwarding-profile": "survival"}
    spec = {"mode": mode} if mode == "delegate" else {"mode": mode, "scheduler": scheduler}
    svc.lab.objects.put(objects.profile("survival", spec))
    svc.lab.objects.put(obj)
    if mode == "delegate":
        until("ipMode VIP", lambda: svc.lab.objects.ip_modes(svc.name) == ["VIP"], 10)
        return Delegated(svc)
    vip, _owner = svc.settle(30)
    key, want = ("TCP", vip, TCP_PORT), "Tunnel" if mode == "tunnel" else "Masq"
    for node in svc.lab.nodes:
        until(f"{node.name} to reach other nodes by {want}",
              lambda n=node: all(d.forward == want for d in ipvs_table(n.director, key)[key]
                                 if d.ip not in {svc.pod_ip(p) for p in n.pods}), 10, node=node)
        at = f"[{vip}]" if ":" in vip else vip
        until(f"{node.name} to have {scheduler}", lambda n=node: f"{at}:{TCP_PORT} {scheduler}"
              in output(n.director, "ipvsadm", "-Ln"), 10, 0.1, node)
    return svc


def drop_profile(svc):
    if isinstance(svc, Delegated):
        svc.drop_rules()
    svc = Service(svc.lab, svc.name, svc.family)
    svc.lab.objects.put(objects.service(svc.name, [svc.family]))
    svc.lab.objects.remove(objects.profile("survival", {}))
    svc.settle(30)


@contextlib.contextmanager
def unused_address(vip):
    """The client comes from an address that nobody has seen: a port that comes round
    may meet what a node remembers of its last connection, which is not what is asked."""
    is_v6 = ":" in vip
    addr = next(UNUSED["IPv6" if is_v6 else "IPv4"])
    bits = 128 if is_v6 else 32
    flags = " nodad preferred_lft 0" if is_v6 else ""
    route = f"route {{}} {vip}/{bits} dev eth0"
    ip_batch("client", [f"addr add {addr}/{bits} dev eth0{flags}",
                        route.format("add") + f" src {addr}"])
    try:
        yield
    finally:
        ip_batch("client", [route.format("del"), f"addr del {addr}/{bits} dev eth0"])


def survive(svc, make, nconns, age_sec=0):
    """Have the event happen to nconns open connections, the last of them age_sec old:
    (open, due to live, alive)."""
    steps = make(svc)
    vip = next(steps)
    with unused_address(vip):
        return survived(steps, Connections("client", vip, TCP_PORT, nconns, limit_sec=8),
                        nconns, age_sec)


def survived(steps, conns, nconns, age_sec):
    if len(conns.socks) < nconns:
        raise Failed(f"{nconns} connections", f"{len(conns.socks)}: {conns.errors[:3]}")
    # In the order in which they were opened, wrr would deal them out as before.
    random.shuffle(conns.socks)
    time.sleep(age_sec)
    due = steps.send(conns)
    conns.say(WORD)
    # TCP may be waiting to retransmit for longer than a gap lasted.
    alive = conns.hear(WORD, 6, due)
    conns.close()
    time.sleep(0.2)
    next(steps, None)
    return nconns, len(due), len(alive)


@scenario_adder(SCENARIOS)(4, 6)
def survival(svc):
    """100 connections are open while nodes, speakers and endpoints come and go: those
    whose pod lives on live on, but for the few that Maglev moves where the VIP moves
    after its endpoints have changed. make bench has the other modes and schedulers."""
    told = []
    for name, make, bound in EVENTS:
        nopen, due, alive = survive(svc, make, 100)
        if alive < least(due, 1 - bound):
            raise Failed(f"{name}: {due} of {nopen} connections to live, but about {bound:.0%}",
                         f"{alive} do")
        told.append(f"{name} {alive}/{due}")
    return ", ".join(told)
