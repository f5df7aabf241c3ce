"""scenarios.py - what Herald promises, shown with packets.

Each scenario takes a Service of the lab, raises Failed or returns its figures as
text. They run in this order in one boot, each from the settled state its
forerunner left; those for both families with IPv4 and then, as NAME6, with IPv6.
"""
import ipaddress
import os
import re
import time

import objects
import topology
from chance import flows_to_all
from cluster import write_keys
from ipvs import ipvs_table
from measure import Connections, Failed, Not, Prober, until
from netns import inside, output, set_link
from objects import TCP_PORT, UDP_PORT

SCENARIOS = []      # (name, function, 4 or 6)
ALWAYS = ("allocate", "allocate6")      # they make what all the others need


def scenario_adder(scenarios):
    """The decorator @scenario(4, 6) that adds to that list."""
    def scenario(*families):
        def add(fn):
            scenarios.extend((fn.__name__ + ("6" if f == 6 else ""), fn, f) for f in families)
            return fn
        return add
    return scenario


scenario = scenario_adder(SCENARIOS)


def ms(seconds):
    return f"{seconds * 1000:.1f} ms" if seconds < 0.1 else f"{seconds * 1000:.0f} ms"


def median(values):
    values = sorted(values)
    return values[len(values) // 2]


def spread(counts):
    return " ".join(f"{pod}:{n}" for pod, n in counts.items())


# --- steps that the demo takes too ----------------------------------------

def first_light(svc):
    """Pool, Service and endpoints appear; returns (vip, sec to it, sec to answer)."""
    svc.lab.wait_ready()
    svc.lab.write_pool()
    svc.write_slice()
    since = svc.write()
    vip = until("the Service to get an address in its status", svc.vip, 10)
    named = time.monotonic() - since

    def answers():
        c = Connections("client", vip, TCP_PORT, 1, limit_sec=0.3)
        c.close()
        return bool(c.socks) or Not(c.errors)
    until(f"{vip} port {TCP_PORT} to answer", answers, 10)
    return vip, named, time.monotonic() - since


def cut_off(lab, node):
    """The node's cable is pulled and its speaker dies. Returns the moment."""
    with inside("lan"):
        set_link(node.port(), False)
    now = time.monotonic()
    lab.speakers[node.name].kill()
    return now


def bring_back(lab, node):
    with inside("lan"):
        set_link(node.port(), True)
    lab.speakers[node.name].start()


class Takeover:
    """The owner of the VIP is cut off while probes and connections are under way.

    settled: what svc.settle() has said, where that cannot be asked again.
    """

    def __init__(self, svc, nconns=100, settled=None):
        vip, owner = settled or svc.settle()
        conns = Connections("client", vip, TCP_PORT, nconns)
        self.conns, self.owner = conns, owner
        if len(conns.socks) < nconns:
            raise Failed(f"{nconns} connections", f"{len(conns.socks)}: {conns.errors}", owner)
        prober = Prober("client", vip, UDP_PORT, 24)
        prober.drop_flows_to(owner.pods)    # they cannot answer, whoever owns
        with prober:
            until("probes to be answered", lambda: len(prober.answered) > 20, 5)
            self.when = cut_off(svc.lab, owner)
            conns.say(b"still there?")
            until(f"{vip} to answer after its owner {owner.name} was cut off",
                  lambda: prober.answered_since(self.when) > 20, 10)
        self.outage_sec = prober.outage_sec(self.when)
        on_dead = {s for s in conns.socks if conns.pods[s] in owner.pods}
        self.ndead = len(on_dead)
        self.expected = set(conns.socks) - on_dead
        # TCP may be waiting to retransmit for longer than the gap lasted.
        self.alive = conns.hear(b"still there?", 6, self.expected)
        self.new_owner = svc.owner(vip)

    def lost(self):
        return sorted(self.conns.pods[s] for s in self.expected - self.alive)


def programmed_dump(node):
    """What the kernel holds for us on a node, less what traffic changes."""
    text = "".join((
        output(node.director, "ipvsadm", "-Sn"),
        output(node.director, "nft", "-a", "list", "ruleset"),
        output(node.name, "nft", "-a", "list", "ruleset"),
        output(node.name, "ip", "rule"), output(node.name, "ip", "-6", "rule"),
        output(node.director, "ip", "-o", "addr"),
        output(node.director, "ip", "route", "show", "table", "local")))
    return re.sub(r"packets \d+ bytes \d+", "packets N bytes N", text)


# --- the scenarios ---------------------------------------------------------

@scenario(4, 6)
def allocate(svc):
    """A Service gets an address of the pool, and the client reaches it."""
    vip, named, answered = first_light(svc)
    low, high = (ipaddress.ip_address(a) for a in svc.pool.split("-"))
    if not low <= ipaddress.ip_address(vip) <= high:
        raise Failed(f"an address of the pool {svc.pool}", f"got {vip}")
    _vip, owner = svc.settle()
    return f"{vip} in status after {ms(named)}, answers after {ms(answered)}, at {owner.name}"


@scenario(4, 6)
def all_endpoints(svc):
    """Connections reach all six pods on all nodes; each sees the client's IP."""
    vip, owner = svc.settle()
    conns = Connections("client", vip, TCP_PORT, 60, pods=svc.members)
    conns.close()
    if conns.errors:
        raise Failed("all connections to be served", "; ".join(conns.errors), owner)
    counts = conns.by_pod()
    if sorted(counts) != sorted(svc.members):
        raise Failed(f"all of {svc.members} to be reached", f"reached {counts}", owner)
    seen = set(conns.seen_ip.values())
    if seen != {svc.client_ip}:
        raise Failed(f"every pod to see {svc.client_ip}", f"they saw {seen}", owner)
    return spread(counts)


@scenario(4, 6)
def through_router(svc):
    """A client beyond the router is served and seen just the same."""
    vip, owner = svc.settle()
    conns = Connections("far", vip, TCP_PORT, 40)
    conns.close()
    seen = set(conns.seen_ip.values())
    if conns.errors or seen != {svc.far_ip}:
        raise Failed(f"40 connections seen from {svc.far_ip}",
                     f"{len(conns.socks)} seen from {seen}; {conns.errors}", owner)
    return spread(conns.by_pod())


@scenario(4, 6)
def udp(svc):
    """UDP flows are answered by all pods, from the VIP's own address and port."""
    vip, owner = svc.settle()
    nflows = flows_to_all(len(svc.members))
    prober = Prober("client", vip, UDP_PORT, nflows)    # connected: others are refused
    pods = sorted(set(prober.pods.values()))
    if len(prober.socks) < nflows or pods != sorted(svc.members):
        raise Failed(f"{nflows} flows over {svc.members}", f"{len(prober.socks)} over {pods}",
                     owner)
    return f"{nflows} flows, {len(pods)} pods"


@scenario(4, 6)
def local_clients(svc):
    """From every node, the node itself and a pod of its own reach the VIP."""
    vip, _owner = svc.settle()
    total = 0
    for node in svc.lab.nodes:
        for who in (node.name, f"{node.name}-a"):
            conns = Connections(who, vip, TCP_PORT, 20, limit_sec=2, pods=svc.members)
            conns.close()
            total += len(conns.socks)
            if conns.errors:
                raise Failed(f"{who} always to reach {vip} port {TCP_PORT}",
                             f"{len(conns.socks)} times, then {conns.errors[0]}", node)
            if set(conns.by_pod()) != set(svc.members):
                raise Failed(f"{who} to reach all pods", f"reached {conns.by_pod()}", node)
    return f"3 nodes and 3 pods reach all pods, in {total} connections"


@scenario(4, 6)
def endpoint_latency(svc):
    """An endpoint added to or taken from the slice is so in IPVS at once."""
    vip, _owner = svc.settle()
    spare, members = "n2-c", list(svc.members)
    ip, key = svc.pod_ip(spare), ("TCP", vip, TCP_PORT)

    def wait(since, is_wanted):
        took, left = [], list(svc.lab.nodes)
        while left:
            for node in left[:]:
                rows = ipvs_table(node.director, key).get(key, [])
                if any(d.ip == ip and d.weight > 0 for d in rows) == is_wanted:
                    took.append(time.monotonic() - since)
                    left.remove(node)
            if time.monotonic() - since > 3:
                raise Failed(f"{spare} {'in' if is_wanted else 'gone from'} IPVS within 3 s",
                             f"not so on {[n.name for n in left]}", left[0])
            time.sleep(0.0005)
        return took

    added, removed = [], []
    for _ in range(5):
        added.append(wait(svc.write_slice([*members, spare]), True))
        svc.settle()
        removed.append(wait(svc.write_slice(members), False))
        svc.settle()
    first = median(t[0] for t in added + removed)
    every = median(t[-1] for t in added + removed)
    worst = max(t[-1] for t in added + removed)
    if every > 0.1:
        raise Failed("endpoint changes in IPVS within 100 ms (emulated)", f"median {ms(every)}")
    return f"first node {ms(first)}, all three {ms(every)} (medians of 10), worst {ms(worst)}"


@scenario(4, 6)
def speaker_restart(svc):
    """The owner's speaker dies and returns: no packet lost, nothing redone."""
    vip, owner = svc.settle()
    speaker = svc.lab.speakers[owner.name]
    before = programmed_dump(owner)
    conns = Connections("client", vip, TCP_PORT, 30)
    with Prober("client", vip, UDP_PORT, 24, spacing_sec=0.005) as prober:
        until("probes to be answered", lambda: len(prober.answered) > 20, 5)
        since = time.monotonic()
        speaker.kill()
        # Long enough for its peers to notice, and to act if they mean to; and for its
        # host, which refuses for it, to do so no more than once a second.
        until("three seconds to pass", lambda: time.monotonic() - since > 3, 4)
        speaker.start()
        svc.settle()
        until(f"{owner.name} to own {vip} again",
              lambda: svc.owners(vip) == {owner.name} or Not(svc.owners(vip)), 10, node=owner)
        conns.say(b"hello again")
        alive = conns.hear(b"hello again", 5)
    conns.close()
    lost, sent = prober.lost(since), len([t for t in prober.sent if t >= since])
    if lost:
        gone = sorted((prober.sent[n] - since) * 1000 for n in lost)
        raise Failed("no packet lost", f"{len(lost)} of {sent} were, "
                     f"{gone[0]:.0f} to {gone[-1]:.0f} ms after the kill", owner)
    if len(alive) < len(conns.socks):
        raise Failed("all connections alive", f"{len(alive)} of {len(conns.socks)}", owner)
    after = programmed_dump(owner)
    if after != before:
        old, new = before.splitlines(), after.splitlines()
        raise Failed("the node's IPVS and nft as they were",
                     f"gone: {[x for x in old if x not in new]}, "
                     f"new: {[x for x in new if x not in old]}", owner)
    metrics = speaker.metrics()
    changes = {k: v for k, v in metrics.items() if k.startswith("herald_director_changes") and v}
    if changes or not metrics.get("herald_director_syncs_total"):
        raise Failed("the new speaker to have compared and changed nothing",
                     f"{changes}, {metrics.get('herald_director_syncs_total')} syncs", owner)
    return f"0 of {sent} packets lost, {len(alive)} connections alive, 0 changes made"


@scenario(4)
def keys_changed(svc):
    """The key of the liveness mesh is changed step by step: no session notices."""
    vip, owner = svc.settle()

    def changes():
        return {n: {k: v for k, v in s.metrics().items() if k.startswith(
            ("herald_bfd_state_changes", "herald_bfd_dropped"))}
            for n, s in svc.lab.speakers.items()}

    def nsaid(speaker):
        return speaker.log_tail(10**6).count("liveness: ")

    before = changes()
    for keys in (("lab", "new"), ("new", "lab")):
        said = {n: nsaid(s) for n, s in svc.lab.speakers.items()}
        write_keys(*keys)
        for name, speaker in svc.lab.speakers.items():
            until(f"{name} to read {keys}", lambda n=name, s=speaker: nsaid(s) > said[n], 12,
                  node=svc.lab.by_name[name])
    write_keys("new")
    time.sleep(6)       # of this there is no news, for the old one is kept for a while
    if changes() != before:
        raise Failed("no session to change, no packet to be dropped",
                     f"{before} became {changes()}", owner)
    seconds = {s.metrics()["herald_liveness_detection_seconds"]
               for s in svc.lab.speakers.values()}
    if seconds != {0.3}:
        raise Failed("a detection time of 0.3 s", f"{seconds}", owner)
    # A speaker that starts now knows the new key only, and is heard.
    svc.lab.speakers[owner.name].kill()
    svc.lab.speakers[owner.name].start()
    svc.settle()
    return "added, sent with, the old one removed; detection in 0.3 s throughout"


@scenario(4)
def broken_manifest(svc):
    """A file that is no YAML is named, with its line, and disturbs nothing."""
    vip, owner = svc.settle()
    svc.lab.objects.put_text("broken.yaml", "apiVersion: v1\nkind: Service\nmetadata: {name: [}\n")
    for process in (svc.lab.controller, *svc.lab.speakers.values()):
        until(f"{process.label} to name broken.yaml and its line",
              lambda p=process: re.search(r"broken\.yaml:?.*\b3\b", p.log_tail(200)), 5,
              node=svc.lab.by_name.get(process.netns))
    os.unlink(f"{svc.lab.objects.path}/broken.yaml")
    conns = Connections("client", vip, TCP_PORT, 10)
    conns.close()
    if conns.errors or svc.settle()[1] is not owner:
        raise Failed(f"{vip} to be served as before", f"{conns.errors}", owner)
    return "named by the controller and three speakers"


@scenario(4)
def at_rest(svc):
    """With nothing to do, a speaker is small and idle.

    The limit is on what is its own (anonymous memory: heap, stacks, written data):
    the libraries and program text in its RSS are files' pages, shared by all that
    use them. All three measures of each speaker are printed. The aim is 5 MB; the
    limit leaves room for other releases' libraries (Debian 13's: 6.2 MB) and is
    there to find leaks.
    """
    svc.settle()
    speakers = svc.lab.speakers.values()
    before = [p.cpu_sec() for p in speakers]
    since = time.monotonic()
    time.sleep(2)       # the measure itself: how much is used in a while
    share = max(p.cpu_sec() - b for p, b in zip(speakers, before)) / (time.monotonic() - since)
    mb = {p.netns: p.memory_mb() for p in speakers}
    own = max(m["Anonymous"] for m in mb.values())
    if own > 10 or not 0 <= share < 0.25:
        raise Failed("under 10 MB anonymous and a quarter of an (emulated) processor",
                     f"{own:.1f} MB, {share:.0%}")
    return ("MB anonymous (aim 5) / PSS / RSS: " + ", ".join(
        f"{n} {m['Anonymous']:.1f} / {m['Pss']:.1f} / {m['Rss']:.1f}" for n, m in mb.items())
        + f"; {share:.1%} of an emulated processor (BFD at 100 ms)")


@scenario(4, 6)
def takeover(svc):
    """The owner's node dies: another answers, the open connections live on."""
    t = Takeover(svc)
    owner = t.owner
    try:
        if t.lost():
            raise Failed(f"the {len(t.expected)} connections to pods on live nodes to live",
                         f"{len(t.lost())} died, to {sorted(set(t.lost()))}", t.new_owner)
        if t.new_owner is owner:
            raise Failed("another owner", f"{owner.name} still answers", owner)
        return (f"VIP answers again after {ms(t.outage_sec)} ({owner.name} -> "
                f"{t.new_owner.name}), {len(t.alive)} of {len(t.conns.socks)} connections "
                f"alive, {t.ndead} were to the dead node")
    finally:
        bring_back(svc.lab, owner)
        t.conns.close()


@scenario(4, 6)
def rejoin(svc):
    """The dead node is back: the VIP may move again, and nothing is lost."""
    vip, owner = svc.settle(20)
    conns = Connections("client", vip, TCP_PORT, 60, pods=svc.members)
    conns.close()
    if conns.errors or set(conns.by_pod()) != set(svc.members):
        raise Failed("all pods to be reached", f"{conns.by_pod()}, {conns.errors}", owner)
    return f"at {owner.name}: {spread(conns.by_pod())}"


@scenario(4)
def dual_stack(svc):
    """A Service of both families gets an address of each, and answers on both."""
    both = objects.service("both", ["IPv4", "IPv6"])
    services, lab = svc.lab.services, svc.lab
    slices = [objects.endpoint_slice("both", s.family, s.endpoints()) for s in services.values()]
    for obj in (*slices, both):
        lab.objects.put(obj)
    try:
        vips = until("two addresses in the status", lambda: dict(zip(
            services, lab.objects.external_ips("both"))) if len(
            lab.objects.external_ips("both")) == 2 else None)
        for family, vip in vips.items():
            one = services[family]
            for node in lab.nodes:
                until(f"{node.name} to be programmed",
                      lambda n=node, o=one, v=vip: o.programmed(n, v), 5, node=node)
            owner = one.owner(vip)
            conns = Connections("client", vip, TCP_PORT, 20, pods=one.members)
            conns.close()
            seen = set(conns.seen_ip.values())
            if set(conns.by_pod()) != set(one.members) or seen != {one.client_ip}:
                raise Failed(f"all pods to be reached at {vip}, by {one.client_ip}",
                             f"{conns.by_pod()}, by {seen}; {conns.errors}", owner)
    finally:
        for obj in (both, *slices):
            lab.objects.remove(obj)
    for family, vip in vips.items():
        until(f"{vip} to fall silent", lambda f=family, v=vip: services[f].is_silent(v), 5)
    return " and ".join(vips.values())


def dnat_counts(lab):
    return {n.name: topology.hostile_counts(n)["kube_proxy_dnat"] for n in lab.nodes}


@scenario(4)
def hostile_rules(svc):
    """kube-proxy's, the CNI's and the firewall's rules never caught a packet."""
    for node in svc.lab.nodes:
        counts = topology.hostile_counts(node)
        if any(counts.values()):
            raise Failed("no packet in the hostile rules", f"{counts}", node)
    return "0 packets in DNAT, masquerade and INVALID-drop on 3 nodes, IPv4 and IPv6"


def never_translated(svc):
    """As hostile_rules, after nodes, pods and connections have died, but nobody's NAT has
    caught a packet. The firewall may have: a FIN that comes when its endpoint is gone goes
    to one that never had the connection, and conntrack there calls it INVALID."""
    ninvalid = 0
    for node in svc.lab.nodes:
        counts = topology.hostile_counts(node)
        ninvalid += counts["invalid_drop"]
        if counts["kube_proxy_dnat"] or counts["cni_masquerade"]:
            raise Failed("no packet in DNAT and masquerade", f"{counts}", node)
    return f"0 packets in DNAT and masquerade, {ninvalid} INVALID, on 3 nodes, IPv4 and IPv6"


@scenario(4, 6)
def service_deleted(svc):
    """A deleted Service falls silent and leaves nothing behind.

    A client that goes on, its neighbour table being old, then meets kube-proxy's
    DNAT at the last owner: the address is no longer ours to keep from it.
    """
    vip, owner = svc.settle()
    since = svc.delete()
    until("the VIP to fall silent", lambda: svc.is_silent(vip), 5)
    took = time.monotonic() - since
    for node in svc.lab.nodes:
        until(f"no trace of {vip} in IPVS of {node.name}",
              lambda n=node: no_trace(n, vip), 5, node=node)
        for where, argv in ((node.director, ["nft", "list", "ruleset"]),
                            (node.name, ["nft", "list", "table", "inet", "herald"]),
                            (node.director, ["ip", "-o", "addr"]),
                            (node.director, ["ip", "route", "show", "table", "all"])):
            if re.search(rf"\b{re.escape(vip)}\b", output(where, *argv)):
                raise Failed(f"no {vip} in `{' '.join(argv)}` of {where}", "it is there", node)
    before = dnat_counts(svc.lab)
    conns = Connections("client", vip, TCP_PORT, 1, limit_sec=0.5)
    if conns.socks:
        raise Failed(f"{vip} to be silent", "it accepted a connection")
    caught = {n: c - before[n] for n, c in dnat_counts(svc.lab).items() if c != before[n]}
    if set(caught) != {owner.name}:
        raise Failed(f"the packets to be left to kube-proxy's rules on {owner.name} now",
                     f"those caught {caught or 'none'}", owner)
    svc.write()
    vip, _owner = svc.settle()
    return (f"silent after {ms(took)}; a late client's {sum(caught.values())} packet fell to "
            f"kube-proxy; created again it has {vip}")


def no_trace(node, vip):
    """True when IPVS has neither vip nor a second tier without a first."""
    table = ipvs_table(node.director)
    mine = [key for key in table if vip in key]
    ntier1 = sum(key[0] != "FWM" for key in table)
    if mine or len(table) != 2 * ntier1:
        return Not(f"it has {mine}, {ntier1} services and {len(table) - ntier1} marks")
    return True
