"""l2_scenarios.py - layer 2 in trouble: a LAN in two halves, strangers, floods.

They take part in `make lab` after those of scenarios.py; each leaves the lab as it
found it.
"""
import datetime
import json
import os
import re
import subprocess
import time

import objects
import topology
from measure import Connections, Failed, Not, pods_reached, until
from neighbour import Watch, who_has
from netns import create, exists, inside, ip_batch, output, set_link
from objects import TCP_PORT, UDP_PORT
from scenarios import ms, scenario_adder, spread

SCENARIOS = []      # as in scenarios.py
scenario = scenario_adder(SCENARIOS)


# --- a stranger with the same address -----------------------------------------

STRANGER_MAC = topology.lan_mac(66)


class Stranger:
    """A host on the LAN that is given addresses it should not have."""

    def __init__(self):
        if exists("stranger"):
            return
        create("stranger")
        ip_batch("lan", ["link add e-stranger type veth peer name eth0 address "
                         f"{STRANGER_MAC} netns stranger", "link set e-stranger master br0 up"])
        ip_batch("stranger", ["addr add 10.0.0.66/24 dev eth0",
                              "addr add fd00:a::42/64 dev eth0 nodad", "link set eth0 up"])

    @staticmethod
    def take(vip):
        # Without duplicate address detection: it would find the owner and give way.
        ip_batch("stranger", [f"addr add {vip}/128 dev eth0 nodad" if ":" in vip else
                              f"addr add {vip}/32 dev eth0"])

    @staticmethod
    def drop(vip):
        output("stranger", "ip", "addr", "flush", "to", vip)

    @staticmethod
    def speak(vip):
        """Say something as vip: whoever hears the question learns the sender's MAC."""
        if ":" in vip:
            argv = ["ndisc6", "-q", "-1", "-r", "1", "-w", "100", "-s", vip,
                    topology.CLIENT_IP6, "eth0"]
        else:
            argv = ["arping", "-q", "-c", "1", "-w", "1", "-U", "-s", vip, "-I", "eth0", vip]
        output("stranger", *argv)


def events(lab, reason, vip):
    """The messages of Events of that reason that speak of vip."""
    try:
        with open(f"{lab.objects.path}/.status/events.jsonl") as f:
            all_events = [json.loads(line) for line in f if line.endswith("\n")]
    except FileNotFoundError:
        return []
    return [e["message"] for e in all_events
            if e["reason"] == reason and re.search(rf"(^|\W){re.escape(vip)}\W", e["message"])]


def told_of_duplicate(lab, node, vip, nbefore):
    """Event, metrics and log of the owner all name the stranger: when its log did, by
    the clock of time.monotonic(); or a Not."""
    speaker = lab.speakers[node.name]
    said = events(lab, "DuplicateAddress", vip)
    if len(said) <= nbefore or STRANGER_MAC not in said[-1]:
        return Not(f"the Events are {said}")
    metrics = speaker.metrics()
    if metrics.get(f'herald_l2_conflict{{vip="{vip}",iface="eth0"}}') != 1:
        return Not("herald_l2_conflict is not 1")
    if not metrics.get('herald_vip_conflicts_total{rival="stranger"}'):
        return Not("herald_vip_conflicts_total counts none")
    logged = re.findall(rf"^(\S+)Z .*somebody else uses this address.*vip={re.escape(vip)} .*"
                        f"mac={STRANGER_MAC}", speaker.log_tail(60), re.M)
    if not logged:
        return Not("its log does not name the MAC")
    at = datetime.datetime.fromisoformat(logged[-1] + "+00:00").timestamp()
    return at - time.time() + time.monotonic()


@scenario(4, 6)
def duplicate_at_claim(svc):
    """A Service gets an address that a stranger has. The first probe finds it: the VIP
    is not announced, and Event, metric and log have the MAC; once the stranger is
    gone, it is."""
    lab = svc.lab
    vip = "fd00:a::59" if svc.family == "IPv6" else "10.0.0.59"
    stranger = Stranger()
    stranger.take(vip)
    obj = objects.service("dup", [svc.family])
    obj["spec"]["loadBalancerIP"] = vip
    try:
        with Watch("client", vip) as watch, Watch("stranger", vip) as asked:
            lab.objects.put(obj)
            until(f"a speaker to probe for {vip}", lambda: asked.probes, 10)
            when, mac = asked.probes[0]
            node = next(n for n in lab.nodes if n.mac == mac)
            told = until("Event, metric and log to name the stranger",
                         lambda: told_of_duplicate(lab, node, vip, 0), 3, node=node) - when
            nprobes = len(asked.probes)
            claimed = {m for _t, m in watch.claims} - {STRANGER_MAC}
            if claimed:
                raise Failed(f"nobody to claim {vip} but the stranger", f"{claimed} did", node)
            if nprobes != 1:
                raise Failed("one probe to find the stranger", f"{nprobes} were sent", node)
            stranger.drop(vip)
            gone = time.monotonic()
            until(f"{node.name} to announce {vip} now that it is free",
                  lambda: any(m == node.mac for _t, m in watch.claims), 10, node=node)
            free = time.monotonic() - gone
        until("an Event that it is settled",
              lambda: events(lab, "DuplicateAddressSettled", vip), 3, node=node)
    finally:
        stranger.drop(vip)
        lab.objects.remove(obj)
    until(f"{vip} to fall silent", lambda: svc.is_silent(vip), 5)
    return (f"found by the first probe, told {ms(told)} after it; announced {ms(free)} after "
            "the stranger had gone")


@scenario(4, 6)
def duplicate_later(svc):
    """A stranger takes a VIP that is announced. What it first says is answered at once,
    one probe makes sure, and Event, metric and log have its MAC; the client stays
    with the owner."""
    lab = svc.lab
    vip, owner = svc.settle()
    speaker, stranger = lab.speakers[owner.name], Stranger()
    before = len(events(lab, "DuplicateAddress", vip))
    time.sleep(1.5)     # the owner's first announcements, and the probe after them
    with Watch("client", vip) as watch, Watch("stranger", vip) as asked:
        stranger.take(vip)
        try:
            stranger.speak(vip)
            heard = until("the stranger to be heard", lambda: [
                t for t, m in watch.claims if m == STRANGER_MAC], 5)[0]
            until("the owner to defend", lambda: [
                t for t, m in watch.claims if m == owner.mac and t >= heard], 2, node=owner)
            defended = next(t for t, m in watch.claims if m == owner.mac and t >= heard) - heard
            told = until("Event, metric and log to name the stranger",
                         lambda: told_of_duplicate(lab, owner, vip, before), 3,
                         node=owner) - heard
            nprobes = len(asked.probes)
        finally:
            stranger.drop(vip)
    if nprobes != 1:
        raise Failed("one probe to make sure", f"{nprobes} were sent", owner)
    conns = Connections("client", vip, TCP_PORT, 20)
    conns.close()
    if conns.errors:
        raise Failed("the client to stay with the owner", f"{conns.errors}", owner)
    defences = {k: v for k, v in speaker.metrics().items() if "defences" in k}
    if svc.settle()[1] is not owner or not defences:
        raise Failed(f"{owner.name} to keep and defend {vip}", f"{defences}", owner)
    return (f"defended after {ms(defended)}, found by one probe and told {ms(told)} after its "
            f"first word, {owner.name} keeps it")


# --- a partition -------------------------------------------------------------

class TwoSwitches:
    """In the `with` block the nodes of `there` and the router are at a switch of their
    own, and a cable joins the two. Where that is cut there are two LANs, and no
    node's own link goes down by it."""

    def __init__(self, there):
        self.ports = [f"e-{name}" for name in (*there, "router")]

    def __enter__(self):
        ip_batch("lan", [
            "link add br1 type bridge", "link set br1 up",
            "link add cable0 type veth peer name cable1",
            "link set cable0 master br0 up", "link set cable1 master br1 up",
            *(f"link set {port} master br1" for port in self.ports)])
        return self

    def __exit__(self, *_exc):
        ip_batch("lan", [*(f"link set {port} master br0" for port in self.ports),
                         "link del cable0", "link del br1"])

    @staticmethod
    def join(is_joined):
        """Cut the cable, or mend it; returns the moment."""
        with inside("lan"):
            set_link("cable0", is_joined)
        return time.monotonic()


ASKERS = {"client": (100, topology.CLIENT_IP, topology.CLIENT_IP6),
          "router": (254, topology.ROUTER_IP, topology.ROUTER_IP6)}


def owners_at(where, svc, vip, wait_sec=0.05):
    """Names of the nodes that answer for vip where the client or the router is."""
    host, ip4, ip6 = ASKERS[where]
    macs = who_has(where, topology.lan_mac(host), ip6 if ":" in vip else ip4, vip, wait_sec)
    return {n.name for n in svc.lab.nodes if n.mac in macs}


def served_on_both_sides(svc, vip, sides):
    """{asker: (owner, {pod: flows})} once each side has its own."""
    served = {}
    for asker, names in sides.items():
        owners = until(f"one of {names} to answer for {vip} at the {asker}'s side",
                       lambda a=asker, n=names: next(
                           (o for o in [owners_at(a, svc, vip)] if len(o) == 1 and o <= n),
                           None), 5, 0)
        mine = {pod for pod in svc.members if pod[:2] in names}

        def reached(asker=asker, mine=mine):
            pods = pods_reached(asker, vip, UDP_PORT)
            return pods if set(pods) == mine else Not(f"reached {pods}")
        served[asker] = owners.pop(), until(f"the {asker} to reach {sorted(mine)}", reached, 5)
    return served


def one_owner_after(svc, vip, healed, want, quiet_sec=1.0):
    """Seconds from `healed` until nobody but `want` answered any more, at most."""
    alone = healed
    while time.monotonic() < alone + quiet_sec:
        if owners_at("client", svc, vip, 0.02) != {want}:
            alone = time.monotonic()
        if alone > healed + 10:
            raise Failed(f"{want} alone to answer for {vip}", "two do, 10 s after the healing",
                         svc.lab.by_name[want])
    return alone - healed


@scenario(4, 6)
def split_brain(svc):
    """The LAN falls in two and is whole again, three times. Each side is served by an
    owner of its own, with the pods it has; then there is one owner, soon, and the
    connections that were open before all live."""
    vip, owner = svc.settle()
    names = {n.name for n in svc.lab.nodes}
    sides = {"client": {owner.name}, "router": names - {owner.name}}
    conns, took, alone = Connections("client", vip, TCP_PORT, 40), [], []
    with TwoSwitches(sides["router"]) as switches:
        for _ in range(3):
            svc.settle()
            cut = switches.join(False)
            served = served_on_both_sides(svc, vip, sides)
            took.append(time.monotonic() - cut)
            alone.append(one_owner_after(svc, vip, switches.join(True), owner.name))
        conns.say(b"whole again")
        alive = conns.hear(b"whole again", 8)
        conns.close()
        for where in ("client", "router"):
            def reached(where=where):
                pods = pods_reached(where, vip, UDP_PORT)
                return set(pods) == set(svc.members) or Not(f"reached {pods}")
            until(f"the {where} to reach all pods", reached, 3)
    svc.settle()
    if max(alone) > 0.2:
        raise Failed("one owner within 200 ms of healing", f"it took {ms(max(alone))}", owner)
    if len(alive) < 40:
        raise Failed("40 connections to outlive the split", f"{len(alive)} do", owner)
    return (f"both sides served within {ms(max(took))} ("
            + "; ".join(f"{a} by {o}: {spread(p)}" for a, (o, p) in served.items())
            + f"); one owner {', '.join(map(ms, alone))} after healing, 40 connections alive")


# --- what other people's tools make of it ----------------------------------------

BFD_PORT = 7847
WARNING = 0x600000      # of tshark's expert information: this or worse


def run_in(netns, *argv):
    with inside(netns):
        return subprocess.run(argv, text=True, capture_output=True)


def arping_agrees(vip, owner, taken):
    """arping and arping -D see the owner, and nobody where the VIP is not taken."""
    asked = run_in("client", "arping", "-c", "2", "-w", "3", "-I", "eth0", vip)
    macs = set(re.findall(r"\[([0-9A-F:]{17})\]", asked.stdout))
    if {m.lower() for m in macs} != {owner.mac}:
        raise Failed(f"arping to be answered by {owner.mac}", asked.stdout, owner)
    for ip, is_free in ((vip, False), (taken, True)):
        found = run_in("client", "arping", "-D", "-c", "2", "-w", "2", "-I", "eth0", ip)
        if (found.returncode == 0) != is_free:
            raise Failed(f"arping -D to find {ip} {'free' if is_free else 'in use'}",
                         f"status {found.returncode}: {found.stdout}", owner)
    return f"arping: {owner.mac}; arping -D: in use, a free address free"


def ndisc_agrees(vip, owner, free):
    asked = run_in("client", "ndisc6", "-q", "-m", "-r", "2", "-w", "500", vip, "eth0")
    macs = {m.lower() for m in asked.stdout.split()}
    if macs != {owner.mac}:
        raise Failed(f"ndisc6 to be answered by {owner.mac} alone", f"{asked}", owner)
    nobody = run_in("client", "ndisc6", "-q", "-r", "1", "-w", "500", free, "eth0")
    if nobody.returncode == 0:
        raise Failed(f"ndisc6 to find nobody at {free}", nobody.stdout, owner)
    return f"ndisc6: {owner.mac}; of a free address: nobody"


def tshark(pcap, *args):
    done = subprocess.run(["tshark", "-n", "-r", pcap, "-d", f"udp.port=={BFD_PORT},bfd", *args],
                          text=True, capture_output=True)
    if done.returncode:
        raise Failed("tshark to read the capture", done.stderr)
    return done.stdout.splitlines()


@scenario(4, 6)
def tools_agree(svc):
    """arping, arping -D and ndisc6 find the owner and nobody where there is none; tshark
    knows each frame that speakers send from a Service's coming to its going, and has
    nothing to complain of."""
    lab = svc.lab
    vip, owner = svc.settle()
    is_v4 = svc.family == "IPv4"
    if is_v4:
        agreed = arping_agrees(vip, owner, "10.0.0.58")
    else:
        agreed = ndisc_agrees(vip, owner, "fd00:a::58")
    pcap = f"/run/lab/logs/tools{svc.family[-1]}.pcap"
    # Ours alone: the kernels' own questions are not what is looked at.
    macs = " or ".join(f"ether src {n.mac}" for n in lab.nodes)
    with inside("client"):
        dump = subprocess.Popen(
            ["tcpdump", "-Z", "root", "-i", "eth0", "-n", "-U", "-w", pcap,
             f"({macs}) and (arp or icmp6 or udp port {BFD_PORT})"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until("tcpdump to begin", lambda: os.path.exists(pcap) and os.path.getsize(pcap) > 0, 10)
    obj = objects.service("tools", [svc.family])
    new = until("a second VIP", lambda: put_and_name(lab, obj), 10)
    until(f"one node to answer for {new}", lambda: len(svc.owners(new)) == 1, 10)
    time.sleep(1.5)     # the rest of the burst
    lab.objects.remove(obj)
    until(f"{new} to fall silent", lambda: svc.is_silent(new), 5)
    dump.terminate()
    dump.wait()
    bad = tshark(pcap, "-Y", f"_ws.malformed || _ws.expert.severity >= {WARNING}",
                 "-T", "fields", "-e", "frame.number", "-e", "_ws.col.Info",
                 "-e", "_ws.expert.message")
    if bad:
        raise Failed("nothing for tshark to complain of", "; ".join(bad[:5]), owner)
    what = (f"arp.src.proto_ipv4=={new} || arp.dst.proto_ipv4=={new}" if is_v4 else
            f"icmpv6.nd.na.target_address=={new} || icmpv6.nd.ns.target_address=={new}")
    kinds = tshark(pcap, "-Y", what, "-T", "fields", "-e", "_ws.col.Info")
    count = {word: sum(word in k for k in kinds) for word in (
        ("ARP Probe", "ARP Announcement", "Gratuitous ARP") if is_v4 else
        ("Neighbor Solicitation", "Neighbor Advertisement"))}
    if not all(count.values()):
        raise Failed("tshark to know probes and announcements", f"{count} of {kinds}", owner)
    return (f"{agreed}; tshark: " + ", ".join(f"{n} x {w}" for w, n in count.items())
            + ", nothing malformed, no warning")


def put_and_name(lab, obj):
    """The address of the Service, which is put where it is not yet there."""
    ips = lab.objects.external_ips(obj["metadata"]["name"])
    if not ips:
        lab.objects.put(obj)
    return ips[0] if ips else None
