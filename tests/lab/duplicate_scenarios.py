"""duplicate_scenarios.py - somebody else has a VIP: before it is claimed, and later."""
import datetime
import json
import re
import time

import objects
import topology
from measure import Connections, Failed, Not, until
from neighbour import Watch
from netns import create, exists, ip_batch, output
from objects import TCP_PORT
from scenarios import ms, scenario_adder

SCENARIOS = []      # as in scenarios.py
scenario = scenario_adder(SCENARIOS)


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
    if metrics.get(f'herald_l2_conflict{{vip="{vip}",iface="eth0",mac="{STRANGER_MAC}"}}') != 1:
        return Not("herald_l2_conflict is not 1")
    if not metrics.get('herald_vip_conflicts_total{rival="stranger"}'):
        return Not("herald_vip_conflicts_total counts none")
    logged = re.findall(rf"^(\S+)Z .*somebody else uses this address.*vip={re.escape(vip)} .*"
                        f"mac={STRANGER_MAC}", speaker.log_tail(60), re.M)
    if not logged:
        return Not("its log does not name the MAC")
    at = datetime.datetime.fromisoformat(logged[-1] + "+00:00").timestamp()
    return at - time.time() + time.monotonic()


def conflict_of(svc, name, node):
    """The condition AddressConflict that the node's ServiceL2Status of a Service has, as
    (status, reason, message), and the interfaces; or a Not."""
    for r in svc.lab.objects.reports("ServiceL2Status"):
        s = r.get("status", {})
        if (s.get("serviceName"), s.get("node")) == (name, node.name):
            for c in s.get("conditions", []):
                if c["type"] == "AddressConflict":
                    return ((c["status"], c["reason"], c["message"]),
                            [i["name"] for i in s["interfaces"]])
            return Not(f"{s} has no such condition")
    return Not("there is no such report")


def wait_conflict(svc, name, node, vip, interfaces):
    """Wait until the condition names the stranger (vip None: nobody) and the report those
    interfaces. A speaker that has just started tells after 10 s."""
    def look():
        told = conflict_of(svc, name, node)
        if not told:
            return told
        (status, reason, message), on = told
        want = ("True", "DuplicateAddress") if vip else ("False", "NoOtherUser")
        is_named = not vip or f"{vip} on eth0 is used by {STRANGER_MAC}" in message
        return (on == interfaces and (status, reason) == want and is_named) or Not(f"{told}")
    until(f"ServiceL2Status of {name} at {node.name} to say that {vip or 'nobody'} is in "
          f"conflict, on {interfaces}", look, 15, 0.05, node)


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
            wait_conflict(svc, "dup", node, vip, [])
            stranger.drop(vip)
            gone = time.monotonic()
            until(f"{node.name} to announce {vip} now that it is free",
                  lambda: any(m == node.mac for _t, m in watch.claims), 10, node=node)
            free = time.monotonic() - gone
        until("an Event that it is settled",
              lambda: events(lab, "DuplicateAddressSettled", vip), 3, node=node)
        wait_conflict(svc, "dup", node, None, ["eth0"])
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
            wait_conflict(svc, svc.name, owner, vip, ["eth0"])
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


@scenario(4, 6)
def duplicate_withheld(svc):
    """With --l2-conflict withhold, a stranger takes a VIP that is announced: once a probe
    has made sure, the owner is silent, no other node takes over, and Event, metric and
    condition say why. When the stranger has gone, the VIP is announced and reached."""
    lab, stranger = svc.lab, Stranger()
    with lab.speakers_with("--l2-conflict", "withhold"):
        vip, owner = svc.settle()
        before = len(events(lab, "DuplicateAddress", vip))
        wait_conflict(svc, svc.name, owner, None, ["eth0"])
        with Watch("client", vip) as watch:
            stranger.take(vip)
            try:
                stranger.speak(vip)
                heard = until("the stranger to be heard", lambda: [
                    t for t, m in watch.claims if m == STRANGER_MAC], 5)[0]
                told = until("Event, metric and log to name the stranger",
                             lambda: told_of_duplicate(lab, owner, vip, before), 5,
                             node=owner) - heard
                wait_conflict(svc, svc.name, owner, vip, [])
                since = time.monotonic()
                time.sleep(2)
                alone = svc.owners(vip)
                claimed = {m for t, m in watch.claims if t >= since} - {STRANGER_MAC}
                if alone != {STRANGER_MAC} or claimed:
                    raise Failed(f"{vip} to be the stranger's alone", f"{alone} answer for it, "
                                 f"{claimed or 'nobody'} claimed it", owner)
            finally:
                stranger.drop(vip)
            gone = time.monotonic()
            # A probe each 1, 2, 4 ... seconds, whatever has been found.
            until(f"{owner.name} to announce {vip} again", lambda: any(
                m == owner.mac and t >= gone for t, m in watch.claims), 30, node=owner)
            free = time.monotonic() - gone
        wait_conflict(svc, svc.name, owner, None, ["eth0"])
        conns = Connections("client", vip, TCP_PORT, 20)
        conns.close()
    if conns.errors:
        raise Failed("the client to reach it again", f"{conns.errors}", owner)
    svc.settle()
    return (f"told {ms(told)} after the stranger's first word and silent since; announced "
            f"{free:.1f} s after it had gone")
