"""crowd_scenarios.py - one Service with more endpoints than its scheduler takes."""
import signal
import time

import objects
import topology
from ipvs import ipvs_table
from measure import Connections, Failed, Not, until
from netns import ip_batch
from objects import TCP_PORT
from scenarios import ms, scenario_adder

SCENARIOS = []      # as in scenarios.py
scenario = scenario_adder(SCENARIOS)
NENDPOINTS, NSERVING, PER_SLICE = 10000, 2046, 1000
NCONNS = 60


def net_of(node, family):
    """Of a node's crowd: all of its addresses are one pod's."""
    return f"10.{200 + node.index}.0.0/16" if family == "IPv4" else f"fd00:20{node.index}::/64"


def address(node, family, k):
    """The k-th of a node's. mh takes the words of an IPv6 address by XOR: see pod_ip6()."""
    if family == "IPv4":
        return f"10.{200 + node.index}.{k // 250}.{k % 250 + 1}"
    return f"fd00:20{node.index}::{k + 1:x}:0"


class Crowd:
    """In the `with` block: the Service "crowd", one pod a node with thousands of addresses."""

    def __init__(self, svc):
        self.lab, self.family = svc.lab, svc.family
        nodes = self.lab.nodes
        self.all = [(address(nodes[i % 3], self.family, i // 3), nodes[i % 3].name)
                    for i in range(NENDPOINTS)]
        self.service = objects.service("crowd", [self.family])
        self.service["spec"]["ports"] = self.service["spec"]["ports"][:1]

    def _routes(self, verb):
        for node in self.lab.nodes:
            net, pod = net_of(node, self.family), f"{node.name}-{topology.SPARE_POD}"
            v4 = self.family == "IPv4"
            ip = node.pods[pod] if v4 else topology.pod_ip6(node, node.pods[pod])
            ip_batch(pod, [f"route {verb} local {net} dev lo"])
            ip_batch(node.name, [f"route {verb} {net} via {ip}"])
            for other in self.lab.nodes:
                if other is not node:
                    ip_batch(other.name,
                             [f"route {verb} {net} via {node.ip if v4 else node.ip6}"])

    def slice(self, i, without=()):
        members = [e for e in self.all[i * PER_SLICE:(i + 1) * PER_SLICE]
                   if e[0] not in without]
        obj = objects.endpoint_slice("crowd", self.family, members)
        obj["metadata"]["name"] += f"-{i}"
        return obj

    def __enter__(self):
        self._routes("add")
        for i in range(NENDPOINTS // PER_SLICE):
            self.lab.objects.put(self.slice(i))
        self.since = self.lab.objects.put(self.service)
        return self

    def __exit__(self, *_exc):
        self.lab.objects.remove(self.service)
        for i in range(NENDPOINTS // PER_SLICE):
            self.lab.objects.remove(self.slice(i))
        until("the nodes to forget them", lambda: all(
            ("TCP", self.vip, TCP_PORT) not in ipvs_table(n.director)
            for n in self.lab.nodes), 30, every_sec=0.5)
        self._routes("del")

    def serving(self, node):
        """The addresses that take connections, in the table's order; None: no table."""
        key = "TCP", self.vip, TCP_PORT
        table = ipvs_table(node.director, key).get(key)
        return table and [d.ip for d in table if d.weight > 0]

    def wait_same(self, without=()):
        """Until all nodes serve the same ones, without some. Returns them."""
        def same():
            each = [self.serving(n) for n in self.lab.nodes]
            if any(not one or len(one) != NSERVING for one in each):
                return Not(f"{[one and len(one) for one in each]} serve")
            if any(set(one) != set(each[0]) for one in each) or set(without) & set(each[0]):
                return Not("they differ")
            if any(one != each[0] for one in each):
                return Not("their order differs")
            return each[0]
        return until(f"{NSERVING} endpoints, the same on all nodes", same, 60, every_sec=0.05)

    def owner(self):
        def agreed():
            said = {v.get("owner") for s in self.lab.speakers.values()
                    for v in s.status().get("vips", []) if v["ip"] == self.vip}
            return self.lab.by_name.get(said.pop()) if len(said) == 1 else Not(f"{said}")
        return until("the speakers to agree on an owner", agreed, 20, every_sec=0.2)


def connect_all(crowd, svc):
    conns = Connections("client", crowd.vip, TCP_PORT, NCONNS)
    pods = {f"{n.name}-{topology.SPARE_POD}" for n in svc.lab.nodes}
    if len(conns.socks) < NCONNS or set(conns.by_pod()) != pods or (
            set(conns.seen_ip.values()) != {svc.client_ip}):
        raise Failed(f"{NCONNS} connections, on all nodes' pods, by {svc.client_ip}",
                     f"{conns.by_pod()}, by {set(conns.seen_ip.values())}, {conns.errors}")
    return conns


@scenario(4, 6)
def ten_thousand_endpoints(svc):
    """Of 10,000 endpoints 2,046 serve, on all nodes the same; connections survive a move."""
    svc.settle()
    lab = svc.lab
    with Crowd(svc) as crowd:
        crowd.vip = until("an address in the status", lambda: (
            lab.objects.external_ips("crowd") or [None])[0], 10)
        first = crowd.wait_same()
        took = time.monotonic() - crowd.since
        until("the Service to be announced", lambda: any(
            v["announced"] for s in lab.speakers.values()
            for v in s.status().get("vips", []) if v["ip"] == crowd.vip), 20)
        conns = connect_all(crowd, svc)
        owner = crowd.owner()
        _rc, said = lab.heraldctl("explain", "svc/default/crowd")
        if f"{NSERVING} of {NENDPOINTS} endpoints serve" not in said:
            raise Failed("heraldctl explain to say how many serve", said)
        lab.speakers[owner.name].signal(signal.SIGTERM)
        until("another owner", lambda: crowd.owner() is not owner, 20)
        conns.say(b"still there?")
        lived = len(conns.hear(b"still there?", 8))
        lab.speakers[owner.name].popen.wait()
        lab.speakers[owner.name].start()
        if lived < NCONNS:
            raise Failed(f"{NCONNS} connections to survive the move", f"{lived} did", owner)
        conns.close()
        gone = first[len(first) // 3]
        at = next(i for i in range(NENDPOINTS // PER_SLICE) if any(
            ip == gone for ip, _on in crowd.all[i * PER_SLICE:(i + 1) * PER_SLICE]))
        crowd.wait_same()
        since = lab.objects.put(crowd.slice(at, [gone]))
        then = crowd.wait_same([gone])
        replaced = time.monotonic() - since
        new = set(then) - set(first)
        if len(new) != 1:
            raise Failed("one endpoint in the place of the one that left", f"{len(new)}")
        connect_all(crowd, svc).close()
    svc.settle(30)
    return (f"{NSERVING} of {NENDPOINTS} on 3 nodes after {took:.1f} s; one for another after "
            f"{ms(replaced)}; {lived} of {NCONNS} connections survived a move")
