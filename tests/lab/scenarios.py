"""scenarios.py - what Herald promises, shown with packets.

Each scenario takes the Lab, raises Failed or returns its figures as text. They
run in this order in one boot, each from the settled state its forerunner left.
"""
import ipaddress
import os
import re
import signal
import time

import topology
from cluster import SOURCE, TCP_PORT, UDP_PORT
from measure import Connections, Failed, Not, Prober, ipvs_table, until
from netns import inside, output, set_link

SCENARIOS = []


def scenario(fn):
    SCENARIOS.append((fn.__name__, fn))
    return fn


def ms(seconds):
    return f"{seconds * 1000:.1f} ms" if seconds < 0.1 else f"{seconds * 1000:.0f} ms"


def median(values):
    values = sorted(values)
    return values[len(values) // 2]


def spread(counts):
    return " ".join(f"{pod}:{n}" for pod, n in counts.items())


# --- steps that the demo takes too ----------------------------------------

def first_light(lab):
    """Pool, Service and endpoints appear; returns (vip, sec to it, sec to answer)."""
    lab.wait_ready()
    lab.write_pool()
    lab.write_slice()
    since = lab.write_service()
    vip = until("the Service to get an address in its status", lab.vip, 10)
    named = time.monotonic() - since

    def answers():
        c = Connections("client", vip, TCP_PORT, 1, limit_sec=0.3)
        c.close()
        return bool(c.socks) or Not(c.errors)
    until(f"{vip}:{TCP_PORT} to answer", answers, 10)
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
    """The owner of vip is cut off while probes and connections are under way."""

    def __init__(self, lab, vip, owner, nconns=100):
        conns = Connections("client", vip, TCP_PORT, nconns)
        self.conns, self.owner = conns, owner
        if len(conns.socks) < nconns:
            raise Failed(f"{nconns} connections", f"{len(conns.socks)}: {conns.errors}", owner)
        prober = Prober("client", vip, UDP_PORT, 24)
        prober.drop_flows_to(owner.pods)    # they cannot answer, whoever owns
        with prober:
            until("probes to be answered", lambda: len(prober.answered) > 20, 5)
            self.when = cut_off(lab, owner)
            conns.say(b"still there?")
            until(f"{vip} to answer after its owner {owner.name} was cut off",
                  lambda: prober.answered_since(self.when) > 20, 10)
        self.outage_sec = prober.outage_sec(self.when)
        on_dead = {s for s in conns.socks if conns.pods[s] in owner.pods}
        self.ndead = len(on_dead)
        self.expected = set(conns.socks) - on_dead
        # TCP may be waiting to retransmit for longer than the gap lasted.
        self.alive = conns.hear(b"still there?", 6, self.expected)
        self.new_owner = lab.owner(vip)

    def lost(self):
        return sorted(self.conns.pods[s] for s in self.expected - self.alive)


def programmed_dump(node):
    """What the kernel holds for us on a node, less what traffic changes."""
    text = "".join((
        output(node.director, "ipvsadm", "-Sn"),
        output(node.director, "nft", "-a", "list", "ruleset"),
        output(node.name, "nft", "-a", "list", "ruleset"),
        output(node.name, "ip", "rule"), output(node.director, "ip", "-o", "addr")))
    return re.sub(r"packets \d+ bytes \d+", "packets N bytes N", text)


def silent(lab, vip):
    """True when nobody on the LAN answers ARP for vip."""
    owners = lab.owners(vip, 0.1)
    return not owners or Not(f"{sorted(owners)} still answer ARP for {vip}")


# --- the scenarios ---------------------------------------------------------

@scenario
def allocate(lab):
    """A Service gets an address of the pool, and the client reaches it."""
    vip, named, answered = first_light(lab)
    low, high = (ipaddress.ip_address(a) for a in topology.POOL.split("-"))
    if not low <= ipaddress.ip_address(vip) <= high:
        raise Failed(f"an address of the pool {topology.POOL}", f"got {vip}")
    _vip, owner = lab.settle()
    return f"{vip} in status after {ms(named)}, answers after {ms(answered)}, at {owner.name}"


@scenario
def all_endpoints(lab):
    """Connections reach all six pods on all nodes; each sees the client's IP."""
    vip, owner = lab.settle()
    conns = Connections("client", vip, TCP_PORT, 120)
    conns.close()
    if conns.errors:
        raise Failed("120 connections", "; ".join(conns.errors), owner)
    counts = conns.by_pod()
    if sorted(counts) != sorted(lab.members):
        raise Failed(f"all of {lab.members} to be reached", f"reached {counts}", owner)
    seen = set(conns.seen_ip.values())
    if seen != {topology.CLIENT_IP}:
        raise Failed(f"every pod to see {topology.CLIENT_IP}", f"they saw {seen}", owner)
    return spread(counts)


@scenario
def through_router(lab):
    """A client beyond the router is served and seen just the same."""
    vip, owner = lab.settle()
    conns = Connections("far", vip, TCP_PORT, 40)
    conns.close()
    seen = set(conns.seen_ip.values())
    if conns.errors or seen != {topology.FAR_IP}:
        raise Failed(f"40 connections seen from {topology.FAR_IP}",
                     f"{len(conns.socks)} seen from {seen}; {conns.errors}", owner)
    return spread(conns.by_pod())


@scenario
def udp(lab):
    """UDP flows are answered by all pods, from the VIP's own address and port."""
    vip, owner = lab.settle()
    prober = Prober("client", vip, UDP_PORT, 60)    # connected: others are refused
    pods = sorted(set(prober.pods.values()))
    if len(prober.socks) < 60 or pods != sorted(lab.members):
        raise Failed(f"60 flows over {lab.members}", f"{len(prober.socks)} over {pods}", owner)
    return f"60 flows, {len(pods)} pods"


@scenario
def local_clients(lab):
    """From every node, the node itself and a pod of its own reach the VIP."""
    vip, _owner = lab.settle()
    for node in lab.nodes:
        for who in (node.name, f"{node.name}-a"):
            conns = Connections(who, vip, TCP_PORT, 30, limit_sec=2)
            conns.close()
            if conns.errors:
                raise Failed(f"{who} to reach {vip}:{TCP_PORT} 30 times",
                             f"{len(conns.socks)} times: {conns.errors[0]}", node)
            if set(conns.by_pod()) != set(lab.members):
                raise Failed(f"{who} to reach all pods", f"reached {conns.by_pod()}", node)
    return "3 nodes and 3 pods, 30 connections each"


@scenario
def endpoint_latency(lab):
    """An endpoint added to or taken from the slice is so in IPVS at once."""
    vip, _owner = lab.settle()
    spare, members = "n2-c", list(lab.members)
    ip = lab.pod_ip(spare)

    def wait(since, is_wanted):
        took, left = [], list(lab.nodes)
        while left:
            for node in left[:]:
                rows = ipvs_table(node.director).get(("TCP", vip, TCP_PORT), [])
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
        added.append(wait(lab.write_slice([*members, spare]), True))
        lab.settle()
        removed.append(wait(lab.write_slice(members), False))
        lab.settle()
    first = median(t[0] for t in added + removed)
    every = median(t[-1] for t in added + removed)
    worst = max(t[-1] for t in added + removed)
    if every > 0.1:
        raise Failed("endpoint changes in IPVS within 100 ms (emulated)", f"median {ms(every)}")
    return f"first node {ms(first)}, all three {ms(every)} (medians of 10), worst {ms(worst)}"


@scenario
def speaker_restart(lab):
    """The owner's speaker dies and returns: no packet lost, nothing redone."""
    vip, owner = lab.settle()
    speaker = lab.speakers[owner.name]
    before = programmed_dump(owner)
    conns = Connections("client", vip, TCP_PORT, 30)
    with Prober("client", vip, UDP_PORT, 24, spacing_sec=0.005) as prober:
        until("probes to be answered", lambda: len(prober.answered) > 20, 5)
        since = time.monotonic()
        speaker.kill()
        # Long enough for its peers to notice, and to act if they mean to.
        until("a second to pass", lambda: time.monotonic() - since > 1, 2)
        speaker.start()
        lab.settle()
        until(f"{owner.name} to own {vip} again",
              lambda: lab.owners(vip) == {owner.name} or Not(lab.owners(vip)), 10, node=owner)
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


@scenario
def speaker_leaves(lab):
    """The owner's speaker is asked to end: the VIP moves and no packet is lost."""
    vip, owner = lab.settle()
    with Prober("client", vip, UDP_PORT, 24, spacing_sec=0.005) as prober:
        until("probes to be answered", lambda: len(prober.answered) > 20, 5)
        since = time.monotonic()
        lab.speakers[owner.name].signal(signal.SIGTERM)
        until(f"another owner than {owner.name}",
              lambda: lab.owners(vip, 0.05) not in (set(), {owner.name}), 5, node=owner)
        moved = time.monotonic() - since
        until("the speaker to end", lambda: not lab.speakers[owner.name].is_running(), 10,
              node=owner)
        lab.speakers[owner.name].start()
        lab.settle()
    lost = prober.lost(since)
    if lost:
        raise Failed("no packet lost in a planned move", f"{len(lost)} were", owner)
    return f"moved within {ms(moved)}, 0 of {len(prober.sent)} packets lost"


@scenario
def broken_manifest(lab):
    """A file that is no YAML is named, with its line, and disturbs nothing."""
    vip, owner = lab.settle()
    lab.write_text("broken", "apiVersion: v1\nkind: Service\nmetadata: {name: [}\n")
    for process in (lab.controller, *lab.speakers.values()):
        until(f"{process.label} to name broken.yaml and its line",
              lambda p=process: re.search(r"broken\.yaml:?.*\b3\b", p.log_tail(200)), 5,
              node=lab.by_name.get(process.netns))
    os.unlink(f"{SOURCE}/broken.yaml")
    conns = Connections("client", vip, TCP_PORT, 10)
    conns.close()
    if conns.errors or lab.settle()[1] is not owner:
        raise Failed(f"{vip} to be served as before", f"{conns.errors}", owner)
    return "named by the controller and three speakers"


@scenario
def at_rest(lab):
    """With nothing to do, a speaker is small and idle."""
    lab.settle()

    def cpu_sec(process):
        with open(f"/proc/{process.popen.pid}/stat") as f:
            fields = f.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    speakers = lab.speakers.values()
    before = [cpu_sec(p) for p in speakers]
    since = time.monotonic()
    time.sleep(2)       # the measure itself: how much is used in a while
    share = max(cpu_sec(p) - b for p, b in zip(speakers, before)) / (time.monotonic() - since)
    whole, own = (max(p.memory_mb()[i] for p in speakers) for i in (0, 1))
    if own > 5 or share > 0.25:
        raise Failed("under 5 MB of its own and a quarter of an (emulated) processor",
                     f"{own:.1f} MB, {share:.0%}")
    return (f"{own:.1f} MB of its own ({whole:.1f} MB with shared libraries), "
            f"{share:.1%} of an emulated processor (BFD at 100 ms)")


@scenario
def takeover(lab):
    """The owner's node dies: another answers, the open connections live on."""
    vip, owner = lab.settle()
    t = Takeover(lab, vip, owner)
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
        bring_back(lab, owner)
        t.conns.close()


@scenario
def rejoin(lab):
    """The dead node is back: the VIP may move again, and nothing is lost."""
    vip, owner = lab.settle(20)
    conns = Connections("client", vip, TCP_PORT, 60)
    conns.close()
    if conns.errors or set(conns.by_pod()) != set(lab.members):
        raise Failed("all pods to be reached", f"{conns.by_pod()}, {conns.errors}", owner)
    return f"at {owner.name}: {spread(conns.by_pod())}"


@scenario
def hostile_rules(lab):
    """kube-proxy's, the CNI's and the firewall's rules never caught a packet."""
    for node in lab.nodes:
        counts = topology.hostile_counts(node)
        if any(counts.values()):
            raise Failed("no packet in the hostile rules", f"{counts}", node)
    return "0 packets in DNAT, masquerade and INVALID-drop on 3 nodes"


@scenario
def service_deleted(lab):
    """A deleted Service falls silent and leaves nothing behind."""
    vip, _owner = lab.settle()
    since = lab.delete("service-web")
    until("the VIP to fall silent", lambda: silent(lab, vip), 5)
    took = time.monotonic() - since
    conns = Connections("client", vip, TCP_PORT, 1, limit_sec=0.5)
    if conns.socks:
        raise Failed(f"{vip} to be silent", "it accepted a connection")
    for node in lab.nodes:
        until(f"no trace of {vip} in IPVS",
              lambda n=node: not ipvs_table(n.director) or Not(ipvs_table(n.director)),
              5, node=node)
        for where, argv in ((node.director, ["nft", "list", "ruleset"]),
                            (node.name, ["nft", "list", "table", "inet", "herald"]),
                            (node.director, ["ip", "-o", "addr"])):
            if re.search(rf"\b{re.escape(vip)}\b", output(where, *argv)):
                raise Failed(f"no {vip} in `{' '.join(argv)}` of {where}", "it is there", node)
    lab.write_service()
    vip, _owner = lab.settle()
    return f"silent after {ms(took)}; created again it has {vip}"
