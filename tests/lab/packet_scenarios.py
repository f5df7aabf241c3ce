"""packet_scenarios.py - onePacket: datagrams of UDP that are scheduled one by one.

The client's socket is connected, so it takes answers from the VIP and its port alone.
"""
import contextlib
import re
import socket
import threading
from collections import Counter

import objects
from kind_scenarios import kind
from measure import Failed, Not, family, until
from netns import inside
from scenarios import scenario_adder

SCENARIOS = []      # as in scenarios.py
scenario = scenario_adder(SCENARIOS)
DNS = ("dns", "UDP", 53, 9090)
HEAVY = 2           # the weight of the second node's endpoints, which is else 1


class Asker:
    """One client port, whose datagrams are all to be answered."""

    def __init__(self, vip, at="client"):
        with inside(at):
            self.sock = socket.socket(family(vip), socket.SOCK_DGRAM)
        self.sock.settimeout(2)
        self.sock.connect((vip, DNS[2]))
        self.nsent, self.at = 0, at

    def ask(self, n):
        """{pod: how many of n it has answered}"""
        pods = Counter()
        for _ in range(n):
            self.nsent += 1
            data = b"%d" % self.nsent
            try:
                self.sock.send(data)
                while True:
                    pod, _seen, back = self.sock.recv(1 << 12).split(b" ", 2)
                    if back == data:
                        break
            except OSError as e:
                raise Failed(f"an answer to datagram {self.nsent} from {self.at}",
                             f"{type(e).__name__} {e}") from e
            pods[pod.decode()] += 1
        return pods


@contextlib.contextmanager
def weighted(lab, node):
    lab.objects.put(objects.node(node, {"heraldlb.io/weight": str(HEAVY)}))
    try:
        yield
    finally:
        lab.objects.put(objects.node(node))


def dealt_out(got, weights):
    """Is it by weight, within one of each? The schedulers of both tiers go on from where
    they are."""
    n, total = sum(got.values()), sum(weights.values())
    far = {p: (got[p], n * w / total) for p, w in weights.items()
           if abs(got[p] - n * w / total) > 1}
    return not far and set(got) <= set(weights) or Not(f"got and due: {far or dict(got)}")


def moved(svc, asker, owner, vip):
    """The owner is drained and freed; how many datagrams were answered meanwhile."""
    lab, is_over, seen, faults = svc.lab, threading.Event(), Counter(), []

    def keep_asking():
        try:
            while not is_over.is_set():
                seen.update(asker.ask(1))
        except Failed as e:
            faults.append(e)
    thread = threading.Thread(target=keep_asking)
    thread.start()
    try:
        for verb, says in (("drain", r"VIPs moved, 0 left$"), ("undrain", "in service")):
            status, text = lab.heraldctl(verb, owner.name)
            if status != 0 or not re.search(says, text, re.M):
                raise Failed(f"heraldctl {verb} to say {says!r}", f"{status}, {text!r}", owner)
            until(f"{verb} to move {vip}", lambda d=verb:
                  (svc.owners(vip, 0.05) == {owner.name}) != (d == "drain"), 8, node=owner)
    finally:
        is_over.set()
        thread.join()
    if faults:
        raise faults[0]
    return sum(seen.values())


def spread_over(asker, weights, what):
    """Until the nodes know: then not a datagram goes elsewhere."""
    def look():
        got = asker.ask(10 * sum(weights.values()))
        return dealt_out(got, weights) and got
    return until(f"{what}: datagrams by weight", look, 15)


def explained(k):
    return k.lab.heraldctl("explain", f"svc/default/{k.name}")[1]


@scenario(4, 6)
def one_packet(svc):
    """The datagrams of one client port are dealt out by weight over the endpoints of all
    nodes, each answered by the VIP, also while it moves; one that drains or leaves gets
    none; local clients are answered; what cannot be had is said, and served by flow."""
    lab, profile = svc.lab, objects.profile("packet", {"scheduler": "wrr", "onePacket": True})
    nodes = lab.nodes
    weights = {p: HEAVY if n is nodes[1] else 1 for n in nodes for p in n.pods if p[-1] in "ab"}
    with weighted(lab, nodes[1]), kind(svc, "packet", [DNS], annotations={
            "heraldlb.io/forwarding-profile": "packet"}) as k:
        try:
            lab.objects.put(profile)
            k.put_slice(k.pods("ab"))
            vip, owner = k.up()
            asker = Asker(vip)
            spread_over(asker, weights, "at first")
            nmoved = moved(k, asker, owner, vip)
            spread_over(asker, weights, "after the moves")
            victim, fewer = "n2-a", dict(weights)
            del fewer[victim]
            obj = k.slices[0]
            ep = next(e for e in obj["endpoints"] if e["addresses"] == [k.pod_ip(victim)])
            ep["conditions"] = {"ready": False, "serving": True, "terminating": True}
            lab.objects.put(obj)
            spread_over(asker, fewer, f"{victim} drains")
            obj["endpoints"].remove(ep)
            lab.objects.put(obj)
            spread_over(asker, fewer, f"{victim} has left")
            k.put_slice(k.pods("ab"))
            spread_over(asker, weights, f"{victim} is back")
            for at in (owner.name, f"{owner.name}-a", f"{owner.name}-c"):
                for _ in range(6):
                    Asker(vip, at).ask(4)
            ntold = told_by_flow(k, vip)
        finally:
            lab.objects.remove(profile)
    return (f"{asker.nsent} datagrams of one port answered, {nmoved} of them while the VIP "
            f"moved twice; {ntold} ways by flow, explained")


def told_by_flow(k, vip):
    """Affinity, and an endpoint on no node: each is told, and undone."""
    stranger = (k.far_ip, None)
    ways = (
        ("sessionAffinity ClientIP", lambda: k.change({"sessionAffinity": "ClientIP"}),
         lambda: k.change({})),
        ("is on no node with a speaker", lambda: k.put_slice([stranger], "b"),
         lambda: k.put_slice([], "b")))
    for what, begin, end in ways:
        begin()
        until(f"explain to tell of {what}",
              lambda w=what: w in explained(k) or Not(explained(k)), 10, 0.3)
        until("a flow to have one endpoint",
              lambda: len(got := Asker(vip).ask(12)) == 1 or Not(got), 10)
        end()
        until(f"explain to tell no more of {what}",
              lambda w=what: w not in explained(k) or Not(explained(k)), 10, 0.3)
        until("datagrams to be dealt out again",
              lambda: len(got := Asker(vip).ask(12)) == 6 or Not(got), 10)
    return len(ways)
