"""life_scenarios.py - endpoints that leave: who goes on, for how long, and who moves.

The pods live on throughout: only the EndpointSlice says that they go.
"""
import select
import socket
import time

import echo
import objects
from health_scenarios import set_pod
from ipvs import ipvs_table
from measure import Connections, Failed, Not, family, until
from netns import inside
from objects import TCP_PORT, UDP_PORT
from scenarios import ms, scenario_adder

SCENARIOS = []      # as in scenarios.py
scenario = scenario_adder(SCENARIOS)

DRAIN_SEC = 5
NCONNS = 60


class Profiled:
    """The Service with a ForwardingProfile of its own, until the end of the block."""

    def __init__(self, svc, **spec):
        self.svc, self.members = svc, list(svc.members)
        self.profile = objects.profile("life", spec)
        self.vip, self.owner = svc.settle()

    def __enter__(self):
        service = objects.service(self.svc.name, [self.svc.family])
        service["metadata"]["annotations"] = {"heraldlb.io/forwarding-profile": "life"}
        self.svc.lab.objects.put(self.profile)
        self.svc.lab.objects.put(service)
        self.svc.settle()
        return self

    def __exit__(self, *_exc):
        self.svc.write_slice(self.members)
        self.svc.write()
        self.svc.lab.objects.remove(self.profile)
        self.svc.settle(20)

    def victims(self):
        """A pod of the owner's node, and one of another."""
        other = next(n for n in self.svc.lab.nodes if n is not self.owner)
        return [f"{self.owner.name}-b", f"{other.name}-b"]

    def weights(self, node, pods, key):
        """{pod: weight in the node's table} of those that are in it."""
        table = {d.ip: d.weight for d in ipvs_table(node.director, key).get(key, [])}
        return {p: table[ip] for p in pods if (ip := self.svc.pod_ip(p)) in table}

    def until_weights(self, pods, want, since, proto="TCP"):
        """Wait until those pods, and no others of pods, have these weights in all tables."""
        key = (proto, self.vip, TCP_PORT if proto == "TCP" else UDP_PORT)

        def look():
            for node in self.svc.lab.nodes:
                seen = self.weights(node, pods, key)
                if seen != want:
                    return Not(f"{node.name} has {seen}")
            return True
        until(f"{proto} weights {want} of {pods} on all nodes", look, DRAIN_SEC + 5,
              node=self.owner)
        return time.monotonic() - since


def alive(conns, pods, word):
    """How many connections to those pods echo the word; and how many there are."""
    mine = {s for s in conns.socks if conns.pods[s] in pods}
    conns.say(word)
    return len(conns.hear(word, 3, mine)), len(mine)


def expect_alive(conns, pods, word, what, node):
    nalive, n = alive(conns, pods, word)
    if n < 2 or nalive < n:
        raise Failed(f"the connections to {pods} {what} to live", f"{nalive} of {n} do", node)
    return n


def expect_elsewhere(p, pods):
    """New connections come through, and none to those pods."""
    new = Connections("client", p.vip, TCP_PORT, 40)
    new.close()
    if new.errors or set(new.by_pod()) & set(pods):
        raise Failed(f"40 new connections, none to {pods}", f"{new.by_pod()} {new.errors}",
                     p.owner)


def expect_cut(conns, pods, node):
    nalive, n = alive(conns, pods, b"too late?")
    if nalive:
        raise Failed(f"the connections to {pods} to have ended", f"{nalive} of {n} live", node)


def draining(p):
    return {n: s.metrics().get("herald_endpoints_draining")
            for n, s in p.svc.lab.speakers.items()}


@scenario(4, 6)
def endpoint_leaves(svc):
    """Endpoints leave the slice: their connections go on for the drain time, even past a
    restart of the speaker, new ones never come to them; then they are cut."""
    with Profiled(svc, drainSeconds=DRAIN_SEC) as p:
        pods = p.victims()
        conns = Connections("client", p.vip, TCP_PORT, NCONNS)
        since = svc.write_slice([m for m in p.members if m not in pods])
        took = p.until_weights(pods, {pod: 0 for pod in pods}, since)
        n = expect_alive(conns, pods, b"draining", "that drain", p.owner)
        expect_elsewhere(p, pods)
        speaker = svc.lab.speakers[p.owner.name]
        speaker.kill()
        speaker.start()
        began = time.monotonic()
        svc.settle(20)
        if set(draining(p).values()) != {2 * 1.0}:
            raise Failed("herald_endpoints_draining 2 everywhere", f"{draining(p)}", p.owner)
        expect_alive(conns, pods, b"restarted", "past a restart", p.owner)
        ended = p.until_weights(pods, {}, since)
        if ended < DRAIN_SEC or time.monotonic() - began < DRAIN_SEC:
            raise Failed(f"them to drain for {DRAIN_SEC} s, and from the start of the speaker "
                         "anew on its node", f"out of all tables after {ended:.1f} s", p.owner)
        expect_cut(conns, pods, p.owner)
        rest = [m for m in p.members if m not in pods]
        expect_alive(conns, rest, b"still here", "that stay", p.owner)
        conns.close()
        return (f"weight 0 after {ms(took)}, {n} connections went on for {DRAIN_SEC} s and past "
                f"a restart, then ended; 40 new ones went elsewhere")


@scenario(4, 6)
def endpoint_terminates(svc):
    """Endpoints are terminating: TCP connections and UDP flows go on for the drain time,
    new ones never come to them; then connections are cut, and flows move."""
    with Profiled(svc, drainSeconds=DRAIN_SEC) as p:
        pods = p.victims()
        conns = Connections("client", p.vip, TCP_PORT, NCONNS)
        flows = Flows(p.vip, NCONNS)
        since = svc.write_slice(p.members, draining=pods)
        p.until_weights(pods, {pod: 0 for pod in pods}, since)
        n = expect_alive(conns, pods, b"terminating", "that terminate", p.owner)
        expect_elsewhere(p, pods)
        moved = [s for s, pod in flows.ask().items() if pod != flows.pods[s]]
        nudp = sum(pod in pods for pod in flows.pods.values())
        if moved or nudp < 2 or set(flows.pods) != set(flows.ask()):
            raise Failed("all UDP flows to stay where they are meanwhile",
                         f"{len(moved)} moved; {nudp} are to {pods}", p.owner)
        if time.monotonic() - since > DRAIN_SEC - 0.5:
            raise Failed("all of that within the drain time", "it took longer", p.owner)
        ended = p.until_weights(pods, {}, since)
        p.until_weights(pods, {}, since, "UDP")
        if ended < DRAIN_SEC:
            raise Failed(f"them to drain for {DRAIN_SEC} s", f"it was {ended:.1f} s", p.owner)
        expect_cut(conns, pods, p.owner)
        conns.close()
        now = flows.ask()
        if set(now) != set(flows.pods) or set(now.values()) & set(pods):
            raise Failed("all UDP flows to be answered by others", f"{sorted(now.values())}",
                         p.owner)
        flows.close()
        return (f"{n} connections and {nudp} UDP flows went on; after {ended:.1f} s (of "
                f"{DRAIN_SEC}) connections were cut and flows had moved")


class Flows:
    """UDP flows from the client, each of them to the pod that answers it first."""

    def __init__(self, vip, count):
        self.vip, self.socks = vip, []
        with inside("client"):
            for _ in range(count):
                s = socket.socket(family(vip), socket.SOCK_DGRAM)
                s.connect((vip, UDP_PORT))
                self.socks.append(s)
        self.pods = self.ask()
        if len(self.pods) < count:
            raise Failed(f"{count} UDP flows to be answered", f"{len(self.pods)} were")

    def ask(self, wait_sec=0.5):
        """{socket: pod} of the answers to one datagram on each."""
        answers, waiting = {}, set(self.socks)
        for s in self.socks:
            self._drop_late(s)
            s.send(b"who")
        deadline = time.monotonic() + wait_sec
        while waiting and (left := deadline - time.monotonic()) > 0:
            for s in select.select(waiting, [], [], left)[0]:
                waiting.discard(s)
                try:
                    answers[s] = s.recv(2048).split()[0].decode()
                except OSError:
                    pass        # refused
        return answers

    @staticmethod
    def _drop_late(s):
        try:
            while s.recv(2048, socket.MSG_DONTWAIT):
                pass
        except OSError:
            pass

    def until_off(self, pods, since):
        """Seconds since then until every flow is answered, and none by those pods."""
        def look():
            now = self.ask(0.1)
            on = [p for p in now.values() if p in pods]
            return len(now) == len(self.socks) and not on or Not(
                f"{len(self.socks) - len(now)} unanswered, {len(on)} by {pods}")
        until(f"all UDP flows to be off {pods}", look, 5, every_sec=0.005)
        return time.monotonic() - since

    def close(self):
        for s in self.socks:
            s.close()


@scenario(4, 6)
def udp_moves_on(svc):
    """UDP flows of an endpoint that leaves the slice, that is not ready, or whose check
    fails, move to others at once, though their sockets stay the same."""
    told = []
    check = {"type": "udp", "port": echo.UDP_PORT, "udp": {"send": "well?"},
             "intervalMilliseconds": 200, "timeoutMilliseconds": 50, "fall": 2, "rise": 2}
    for what, spec, act, undo in (
            ("left", {}, lambda pods: svc.write_slice(
                [m for m in svc.members if m not in pods]), None),
            ("not ready", {}, lambda pods: svc.lab.objects.put(unready_slice(svc, pods)), None),
            ("dead", {"healthCheck": check}, lambda pods: set_pods(pods, False),
             lambda pods: set_pods(pods, True))):
        for _attempt in range(3):
            deaths = bfd_changes(svc)
            n, took, moved = move_on(svc, spec, act, undo)
            # A busy machine may take a node for dead, whose flows move then as well.
            if not moved or bfd_changes(svc) == deaths:
                break
        if moved:
            raise Failed("flows to other pods to stay", f"{what}: {moved} moved")
        told.append(f"{what}: {n} flows after {ms(took)}")
    return "; ".join(told)


def move_on(svc, spec, act, undo):
    """How many flows were due to move; seconds until they had; how many others did."""
    with Profiled(svc, **spec) as p:
        pods, flows = p.victims(), Flows(p.vip, 40)
        stay = {s for s, pod in flows.pods.items() if pod not in pods}
        if spec:
            until("the endpoints to be checked", lambda: all(len(s.status().get(
                "checks", [])) >= 2 for s in svc.lab.speakers.values()), 5)
            time.sleep(0.5)     # each has had its first verdicts
        since = act(pods)
        try:
            took = flows.until_off(pods, since)
            now = flows.ask()
        finally:
            if undo:
                undo(pods)
        moved = [s for s, pod in now.items() if s in stay and pod != flows.pods[s]]
        flows.close()
        return len(flows.socks) - len(stay), took, len(moved)


def bfd_changes(svc):
    return sum(v for s in svc.lab.speakers.values() for k, v in s.metrics().items()
               if k.startswith("herald_bfd_state_changes_total"))


def unready_slice(svc, pods):
    obj = objects.endpoint_slice(svc.name, svc.family, svc.endpoints())
    gone = {svc.pod_ip(p) for p in pods}
    for ep in obj["endpoints"]:
        if ep["addresses"][0] in gone:
            ep["conditions"] = {"ready": False, "serving": False, "terminating": False}
    return obj


def set_pods(pods, is_up):
    return max(set_pod(pod, is_up) for pod in pods)


SLOW_START_SEC, NSHARE = 12, 140


@scenario(4, 6)
def slow_start(svc):
    """With slowStartSeconds and wrr, an endpoint that comes to others gets hardly any
    connections at first, and its whole share in the end."""
    spare = "n2-c"
    with Profiled(svc, scheduler="wrr", slowStartSeconds=SLOW_START_SEC) as p:
        key = ("TCP", p.vip, TCP_PORT)
        until("weights of 100", lambda: set(p.weights(p.owner, p.members, key).values())
              == {100}, 5, node=p.owner)
        since = svc.write_slice([*p.members, spare])
        until(f"{spare} to be there", lambda: p.weights(p.owner, [spare], key), 5, node=p.owner)
        shares, weights = [], []
        for at in (0, SLOW_START_SEC + 2):
            time.sleep(max(0, since + at - time.monotonic()))
            weights.append(p.weights(p.owner, [spare], key)[spare])
            conns = Connections("client", p.vip, TCP_PORT, NSHARE)
            conns.close()
            if conns.errors:
                raise Failed(f"{NSHARE} connections", f"{conns.errors}", p.owner)
            shares.append(conns.by_pod().get(spare, 0))
        fair = NSHARE / 7
        if weights[1] != 100 or shares[0] > fair / 3 or not fair / 2 < shares[1] < fair * 2:
            raise Failed(f"a share well under {fair:.0f} of {NSHARE} at first, about that in the "
                         "end, with weight 100", f"{shares}, weights {weights}", p.owner)
        return (f"of {NSHARE} connections {shares[0]} at weight {weights[0]}, {shares[1]} at "
                f"weight {weights[1]} after {SLOW_START_SEC} s (even share {fair:.0f})")
