"""health_scenarios.py - active health checks, shown with packets.

A pod dies silently here: its link is cut and no object says so.
"""
import contextlib
import json
import os
import socket
import statistics
import subprocess
import sys
import time

import echo
import objects
import sickness
import topology
from ipvs import ipvs_table
from measure import Connections, Failed, Not, until
from netns import inside, nft, set_link
from objects import TCP_PORT, UDP_PORT

SOURCE = "/run/lab/source"
SCENARIOS = []      # (name, function, 4 or 6), as in scenarios.py
INTERVAL_MS, TIMEOUT_MS, FALL, RISE = 200, 50, 3, 2
LIMIT_MS = INTERVAL_MS * FALL + 50
QUIET_PORT = 8446


def scenario(fn):
    SCENARIOS.extend((fn.__name__ + suffix, fn, f) for f, suffix in ((4, ""), (6, "6")))
    return fn


def profile(**spec):
    return {"apiVersion": "heraldlb.io/v1beta1", "kind": "ForwardingProfile",
            "metadata": {"name": "checked", "namespace": objects.NAMESPACE},
            "spec": {"namespaces": ["default"], "healthCheck": {
                "type": "tcp", "port": echo.TCP_PORT, "intervalMilliseconds": INTERVAL_MS,
                "timeoutMilliseconds": TIMEOUT_MS, "fall": FALL, "rise": RISE}, **spec}}


def events(reason, vip):
    """The messages of all such Events so far that name the VIP."""
    with open(f"{SOURCE}/.status/events.jsonl") as f:
        found = [json.loads(line) for line in f]
    return [e["message"] for e in found if e["reason"] == reason
            and f" {vip}:" in e["message"]]


def set_pod(pod, is_up):
    with inside(pod[:2]):
        set_link("p" + pod[-1], is_up)
    return time.monotonic()


class Checked:
    """The Service with a profile, until the end of the `with` block."""

    def __init__(self, svc, **spec):
        self.svc, self.lab, self.profile = svc, svc.lab, profile(**spec)
        self.vip, self.owner = svc.settle()
        self.key = ("TCP", self.vip, TCP_PORT)

    def __enter__(self):
        self.lab.objects.put(self.profile)
        for node in self.lab.nodes:
            until(f"{node.name} to check its own pods, and to find them up",
                  lambda n=node: self.checks_own(n), 10, node=node)
        return self

    def __exit__(self, *_exc):
        for pod in self.svc.members:
            set_pod(pod, True)
        self.lab.objects.remove(self.profile)
        until("all endpoints to be back without a profile", self.are_all_up, 10)

    def checks(self, node):
        """{address: check} that the node makes of this Service's endpoints."""
        ours = [self.svc.pod_ip(p) for p in self.svc.members]
        return {c["ip"]: c for c in self.lab.speakers[node.name].status().get("checks", [])
                if c["ip"] in ours}

    def checks_own(self, node):
        own = {self.svc.pod_ip(p) for p in self.svc.members if p[:2] == node.name}
        seen = self.checks(node)
        if set(seen) != own:
            return Not(f"{node.name} checks {sorted(seen)}, its own are {sorted(own)}")
        return all(c["up"] for c in seen.values()) or Not(f"{seen}")

    def weights(self, node, key=None):
        """[(address, weight)] in the order of the kernel's table, but for what drains
        since an earlier scenario."""
        key, own = key or self.key, {self.svc.pod_ip(p) for p in self.svc.members}
        return [(d.ip, d.weight) for d in ipvs_table(node.director, key).get(key, [])
                if d.weight or d.ip in own]

    def are_all_up(self):
        for node in self.lab.nodes:
            for key in (self.key, ("UDP", self.vip, UDP_PORT)):
                table = self.weights(node, key)
                if len(table) != len(self.svc.members) or any(w != 1 for _ip, w in table):
                    return Not(f"{node.name}: {key} has {table}")
        return True

    def until_weight(self, pod, weight, since, limit_sec=5):
        """Seconds from since until each node's table has it, by name of the node."""
        ip, took = self.svc.pod_ip(pod), {}

        def look():
            for node in self.lab.nodes:
                if node.name not in took and (ip, weight) in self.weights(node):
                    took[node.name] = time.monotonic() - since
            return len(took) == len(self.lab.nodes) or Not(f"so only on {sorted(took)}")
        until(f"{pod} to have weight {weight} in every node's table", look, limit_sec)
        return took


def ms(seconds):
    return f"{seconds * 1000:.0f} ms"


def die_and_come_back(svc, c):
    """Five pods one after another, each without a word."""
    out, back = [], []
    for pod in ("n1-a", "n2-a", "n3-a", "n1-b", "n2-b"):
        took = c.until_weight(pod, 0, set_pod(pod, False))
        tables = {n.name: c.weights(n) for n in svc.lab.nodes}
        if len({str(t) for t in tables.values()}) != 1:
            raise Failed("the same table on every node", f"there are {tables}")
        conns = Connections("client", c.vip, TCP_PORT, 30)
        conns.close()
        if len(conns.socks) != 30 or pod in conns.by_pod():
            raise Failed(f"30 new connections, none to {pod}",
                         f"{conns.by_pod()} {conns.errors}", c.owner)
        up = c.until_weight(pod, 1, set_pod(pod, True))
        out.append(max(took.values()))
        back.append(max(up.values()))
    # One of them may meet with a processor that the emulator has not got to run.
    if (statistics.median(out) * 1000 > LIMIT_MS
            or max(out) * 1000 > LIMIT_MS + INTERVAL_MS):
        raise Failed(f"out of all tables within {INTERVAL_MS} x {FALL} + 50 ms, and one "
                     f"interval more at most", f"it took {[ms(t) for t in out]}")
    return (f"out of all three tables after {ms(min(out))} to {ms(max(out))}, median "
            f"{ms(statistics.median(out))} of {len(out)} (checks each {INTERVAL_MS} ms, "
            f"fall {FALL}); back after {ms(min(back))} to {ms(max(back))}")


@scenario
def silent_death(svc):
    """An endpoint dies without a word: out of every node's table, and back."""
    with Checked(svc) as c:
        return die_and_come_back(svc, c)


class Quiet:
    """Listeners in pods that nobody accepts from: what became a connection waits."""

    def __init__(self, pods):
        self.socks = {}
        for pod in pods:
            self.listen(pod)

    def listen(self, pod):
        with inside(pod):
            s = socket.create_server(("::", QUIET_PORT), family=socket.AF_INET6,
                                     dualstack_ipv6=True)
        s.setblocking(False)
        self.socks[pod] = s
        return time.monotonic()

    def refuse(self, pod):
        self.socks.pop(pod).close()
        return time.monotonic()

    def close(self):
        for pod in list(self.socks):
            self.refuse(pod)

    def connected(self):
        """Who asked for a connection and has one."""
        found = []
        for pod, s in self.socks.items():
            try:
                found.append((pod, s.accept()[1][0]))
            except BlockingIOError:
                pass
        return found

    def half_open(self):
        """How many connections these pods believe to be coming about."""
        n = 0
        for pod in self.socks:
            with inside(pod):
                for name in ("tcp", "tcp6"):
                    with open(f"/proc/thread-self/net/{name}") as f:
                        rows = [line.split() for line in f][1:]
                    n += sum(r[3] == "03" and r[1].endswith(f":{QUIET_PORT:04X}")
                             for r in rows)
        return n


def invalid_drops(svc):
    return sum(topology.hostile_counts(n)["invalid_drop"] for n in svc.lab.nodes)


def expect_no_trace(svc, c, quiet):
    """For 4 s nobody but the checkers notices the checks."""
    before = invalid_drops(svc)
    time.sleep(4)
    checks = [row for n in svc.lab.nodes for row in c.checks(n).values()]
    wrong = [row for row in checks if "error" in row or not row["up"]]
    if wrong:
        raise Failed("no check to fail", str(wrong))
    if quiet.connected():
        raise Failed("no connection to come about", str(quiet.connected()))
    if quiet.half_open() > 1:       # one may be under way
        raise Failed("the pods to forget each SYN", f"{quiet.half_open()} are open")
    if invalid_drops(svc) != before:
        raise Failed("no packet of theirs that a firewall takes for invalid",
                     f"{invalid_drops(svc) - before} were dropped")


def expect_rejected(svc, c, pod):
    """A firewall's ICMP error counts at once, and says why."""
    nft(pod, f"""
    table inet wall {{
        chain input {{
            type filter hook input priority filter;
            tcp dport {QUIET_PORT} reject with icmpx type host-unreachable
        }}
    }}""")
    try:
        c.until_weight(pod, 0, time.monotonic())
        why = c.checks(svc.lab.by_name[pod[:2]])[svc.pod_ip(pod)]["error"]
        if why != "there is no way to it":
            raise Failed("the ICMP error as reason in /status", why)
    finally:
        nft(pod, "delete table inet wall")
    c.until_weight(pod, 1, time.monotonic())


@scenario
def half_open(svc):
    """Checks that make no connection, past connection tracking and a firewall for what is
    invalid: without a trace; who refuses, is walled off or falls silent leaves the tables."""
    quiet = Quiet(svc.members)
    check = {**profile()["spec"]["healthCheck"], "type": "tcp-half-open",
             "port": QUIET_PORT}
    patient = {**check, "timeoutMilliseconds": INTERVAL_MS}
    try:
        with Checked(svc, healthCheck=patient) as c:
            expect_no_trace(svc, c, quiet)
        with Checked(svc, healthCheck=check) as c:
            pod = "n3-b"
            took = c.until_weight(pod, 0, quiet.refuse(pod))
            why = c.checks(svc.lab.by_name["n3"])[svc.pod_ip(pod)]["error"]
            if why != "connection refused: nothing listens there":
                raise Failed("the reason in /status", why)
            c.until_weight(pod, 1, quiet.listen(pod))
            expect_rejected(svc, c, "n1-b")
            return (f"no trace in 4 s; who refuses is out after {ms(max(took.values()))}; who "
                    f"falls silent: {die_and_come_back(svc, c)}")
    finally:
        quiet.close()


@scenario
def fallback(svc):
    """No quorum: the fallback serves, and stops when the endpoints are back."""
    with Checked(svc, quorum={"up": 3, "hysteresis": 1}, fallback=[
            {"address": svc.far_ip, "port": echo.TCP_PORT}]) as c:
        before = {why: len(events(why, c.vip)) for why in ("EndpointsLost", "EndpointsBack")}
        for pod in svc.members[:4]:
            set_pod(pod, False)
        until("2 of 6 to serve still, within the hysteresis", lambda: all(
            sum(w for _ip, w in c.weights(n)) == 2 and len(c.weights(n)) == 6
            for n in svc.lab.nodes), 5)
        since = set_pod(svc.members[4], False)
        until("the fallback in every table, and alone", lambda: all(
            {ip for ip, w in c.weights(n) if w} == {svc.far_ip} for n in svc.lab.nodes), 5)
        took = time.monotonic() - since
        conns = Connections("client", c.vip, TCP_PORT, 10)
        conns.close()
        if conns.by_pod() != {"far": 10}:
            raise Failed("10 connections answered by far", f"{conns.by_pod()} {conns.errors}",
                         c.owner)
        q = [q for q in svc.lab.speakers["n1"].status()["quorums"] if q["vip"] == c.vip]
        if [(x["up"], x["needed"], x["served"]) for x in q] != [(1, 3, "fallback")] * 2:
            raise Failed("/status to tell of both ports", str(q))
        lost = events("EndpointsLost", c.vip)[before["EndpointsLost"]:]
        if len(lost) != 2 or "the fallback serves" not in lost[0]:
            raise Failed("one Event EndpointsLost for each port", f"{lost}")
        for pod in svc.members[:2]:
            set_pod(pod, True)
        until("the endpoints alone in every table", lambda: all(
            svc.far_ip not in [ip for ip, _w in c.weights(n)] for n in svc.lab.nodes), 5)
        conns = Connections("client", c.vip, TCP_PORT, 10)
        conns.close()
        if "far" in conns.by_pod() or len(conns.socks) != 10:
            raise Failed("connections to the endpoints again", f"{conns.by_pod()}", c.owner)
        back = events("EndpointsBack", c.vip)[before["EndpointsBack"]:]
        if len(back) != 2:
            raise Failed("one Event EndpointsBack for each port", f"{back}")
        return f"serves {ms(took)} after the last endpoint of the quorum died"


@scenario
def fallback_service(svc):
    """A Service as fallback: its ready endpoints serve, seeing the client, on whatever
    nodes; they are followed while they serve; without the Service nobody does."""
    spare = {n.name: f"{n.name}-{topology.SPARE_POD}" for n in svc.lab.nodes}
    sorry = objects.service("sorry", [svc.family])
    sorry["spec"]["type"] = "ClusterIP"

    def put_slice(pods):
        svc.lab.objects.put(objects.endpoint_slice("sorry", svc.family, [
            (svc.pod_ip(p), p[:2]) for p in pods]))

    def served_by(c, pods):
        want = {svc.pod_ip(p) for p in pods}
        until(f"{sorted(pods)} in every table, and nobody else", lambda: all(
            {ip for ip, w in c.weights(n) if w} == want for n in svc.lab.nodes), 5)

    def by_pod(c, count):
        conns = Connections("client", c.vip, TCP_PORT, count)
        conns.close()
        seen = {conns.seen_ip[s] for s in conns.socks}
        if len(conns.socks) != count or seen != {svc.client_ip}:
            raise Failed(f"{count} connections that see {svc.client_ip}",
                         f"{conns.by_pod()} {seen} {conns.errors}", c.owner)
        return set(conns.by_pod())

    svc.lab.objects.put(sorry)
    put_slice(spare.values())
    try:
        with Checked(svc, fallback=[{"service": {"name": "sorry"}}]) as c:
            for pod in svc.members:
                since = set_pod(pod, False)
            served_by(c, spare.values())
            took = time.monotonic() - since
            if by_pod(c, 30) != set(spare.values()):
                raise Failed("connections to all of the fallback", str(by_pod(c, 30)))
            kept = Connections("client", c.vip, TCP_PORT, 20)
            gone = spare.pop("n1")
            put_slice(spare.values())
            served_by(c, spare.values())
            if by_pod(c, 30) != set(spare.values()):
                raise Failed(f"none to {gone}, which has left", str(by_pod(c, 30)))
            kept.say(b"on.")
            alive = kept.hear(b"on.", 3)
            if len(alive) != 20:
                raise Failed("20 connections to the fallback to go on", f"{len(alive)} did")
            kept.close()
            svc.lab.objects.remove(sorry)
            served_by(c, ())
            svc.lab.objects.put(sorry)
            served_by(c, spare.values())
            for pod in svc.members:
                set_pod(pod, True)
            served_by(c, svc.members)
            if not by_pod(c, 30) <= set(svc.members):
                raise Failed("connections to the endpoints again", str(by_pod(c, 30)))
    finally:
        svc.lab.objects.remove(objects.endpoint_slice("sorry", svc.family, []))
        svc.lab.objects.remove(sorry)
    return f"three endpoints on three nodes serve {ms(took)} after the last own one died"


@scenario
def checker_restart(svc):
    """A speaker is killed and started while a pod of its node is dead: nobody else
    believes it alive meanwhile."""
    with Checked(svc) as c:
        node = next(n for n in svc.lab.nodes if n is not c.owner)
        others = [n for n in svc.lab.nodes if n is not node]
        pod, speaker = f"{node.name}-a", svc.lab.speakers[node.name]
        ip = svc.pod_ip(pod)
        c.until_weight(pod, 0, set_pod(pod, False))
        speaker.kill()
        speaker.start()
        since = time.monotonic()

        def is_sure():
            for other in others:
                if (ip, 0) not in c.weights(other):
                    raise Failed(f"{other.name} to keep {pod} at weight 0",
                                 f"{time.monotonic() - since:.3f} s after the start it has "
                                 f"{c.weights(other)}", other)
            checks = c.checks(node)
            return (ip in checks and not checks[ip]["up"] and (ip, 0) in c.weights(node)
                    ) or Not(f"{checks}")
        until(f"{node.name}'s new speaker to find {pod} dead", is_sure, 10)
        took = time.monotonic() - since
        up = c.until_weight(pod, 1, set_pod(pod, True))
        return (f"at weight 0 on the others throughout; known again {ms(took)} after the "
                f"start; back everywhere {ms(max(up.values()))} after it lives")


@scenario
def sick(svc):
    """An application that accepts connections and answers 500 leaves the tables."""
    sickness.serve(svc.members)
    check = {"type": "http", "port": sickness.PORT, "http": {
        "path": "/healthz", "statuses": ["200"], "bodyRegex": "^well"}}
    with Checked(svc, healthCheck={**profile()["spec"]["healthCheck"], **check,
                                   "timeoutMilliseconds": 100}) as c:
        pod = "n3-b"
        took = c.until_weight(pod, 0, sickness.set_sick(pod, True))
        why = c.checks(svc.lab.by_name["n3"])[svc.pod_ip(pod)]["error"]
        if why != "answers with status 500":
            raise Failed("the reason in /status", why)
        conns = Connections("client", c.vip, TCP_PORT, 20)
        conns.close()
        if len(conns.socks) != 20 or pod in conns.by_pod():
            raise Failed(f"20 connections, none to {pod}", f"{conns.by_pod()}", c.owner)
        up = c.until_weight(pod, 1, sickness.set_sick(pod, False))
        return f"out after {ms(max(took.values()))}, back after {ms(max(up.values()))}"


@contextlib.contextmanager
def starved(speaker):
    """The thread that programs the kernel, which sleeps on a futex where the others wait
    for packets, gets a hundredth of the processor."""
    def workers():
        tasks = f"/proc/{speaker.popen.pid}/task"
        for tid in os.listdir(tasks):
            with open(f"{tasks}/{tid}/wchan") as f:
                if f.read().startswith("futex"):
                    yield int(tid)
    tids = until("the worker to be idle", lambda: list(workers()), 5)
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as rival:
        try:
            for tid in tids:
                os.sched_setscheduler(tid, os.SCHED_IDLE, os.sched_param(0))
            yield
        finally:
            for tid in tids:
                os.sched_setscheduler(tid, os.SCHED_OTHER, os.sched_param(0))
            rival.kill()


@scenario
def local_policy(svc):
    """externalTrafficPolicy Local: a node whose endpoints are all down hands over, even
    while it is still at work on the first one's death."""
    with Checked(svc) as c:
        changed = objects.service(svc.name, [svc.family])
        changed["spec"]["externalTrafficPolicy"] = "Local"
        svc.lab.objects.put(changed)
        try:
            owner = until("all speakers to agree", lambda: svc.agreed_owner(c.vip), 10)
            own = [p for p in svc.members if p[:2] == owner.name]
            with starved(svc.lab.speakers[owner.name]):
                for pod in own:
                    since = set_pod(pod, False)
                new = until("another owner", lambda: [o for o in svc.owners(c.vip, 0.1)
                                                      if o != owner.name], 5)[0]
                took = time.monotonic() - since
                # Who has no endpoint any more would refuse what comes to it.
                if (said := svc.owners(c.vip, 0.1)) != {new}:
                    raise Failed(f"{new} alone to answer for {c.vip}", f"{sorted(said)} do",
                                 owner)
                conns = Connections("client", c.vip, TCP_PORT, 10)
                conns.close()
            if {p[:2] for p in conns.by_pod()} != {new} or len(conns.socks) != 10:
                raise Failed(f"10 connections to the pods of {new}",
                             f"{conns.by_pod()} {conns.errors}", svc.lab.by_name[new])
            for pod in own:
                set_pod(pod, True)
        finally:
            svc.write()
        return f"from {owner.name} to {new} {ms(took)} after its last pod died"
