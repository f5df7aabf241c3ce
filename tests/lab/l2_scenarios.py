"""l2_scenarios.py - layer 2 in trouble: a LAN in two halves; and other people's tools.

They take part in `make lab` after those of scenarios.py; each leaves the lab as it
found it.
"""
import os
import re
import subprocess
import time

import objects
import topology
from measure import Connections, Failed, Not, pods_reached, until
from neighbour import who_has
from netns import inside, ip_batch, set_link
from objects import TCP_PORT, UDP_PORT
from scenarios import ms, scenario_adder, spread

SCENARIOS = []      # as in scenarios.py
scenario = scenario_adder(SCENARIOS)


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
            pods = pods_reached(asker, vip, UDP_PORT, len(mine))
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
                pods = pods_reached(where, vip, UDP_PORT, len(svc.members))
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
    what = (f"arp.src.proto_ipv4=={new} || arp.dst.proto_ipv4=={new}" if is_v4 else
            f"icmpv6.nd.na.target_address=={new} || icmpv6.nd.ns.target_address=={new}")
    # With one VIP more, another may move for balance: tshark calls that a duplicate.
    bad = tshark(pcap, "-Y", f"(_ws.malformed || _ws.expert.severity >= {WARNING}) && "
                 f"({what} || udp.port=={BFD_PORT})",
                 "-T", "fields", "-e", "frame.number", "-e", "_ws.col.Info",
                 "-e", "_ws.expert.message")
    if bad:
        raise Failed("nothing for tshark to complain of", "; ".join(bad[:5]), owner)
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
