"""Several controllers, of which one leads: killed, stopped, hung, while Services
come and go. That no address is held twice is seen in a watch, which has every
version of every Service in the one order in which they were written."""
import contextlib
import http.client
import json
import os
import random
import signal
import ssl
import threading
import time
import urllib.request

from cluster import USERS, ApiError, Process, free_port
from harness import Failure, expect, service, until

NS = "herald-system"
SERVICES = "/api/v1/namespaces/default/services"
POOLS = f"/apis/heraldlb.io/v1beta1/namespaces/{NS}/ipaddresspools"
LEASE = f"/apis/coordination.k8s.io/v1/namespaces/{NS}/leases/herald-controller"
SHARE = "heraldlb.io/allow-shared-ip"
KILLS = int(os.environ.get("HERALD_KILLS", "200"))
LIVE_MAX = 55		# Services at a time; the pool has 64 addresses


class Client:
    """One connection that stays open: a hundred requests a second and more."""

    def __init__(self, cluster):
        self.c = http.client.HTTPSConnection("127.0.0.1", cluster.port, timeout=60,
                                             context=ssl._create_unverified_context())

    def __call__(self, method, path, body=None, ctype="application/json"):
        self.c.request(method, path, None if body is None else json.dumps(body),
                       {"Authorization": "Bearer " + USERS["admin"][0],
                        "Content-Type": ctype})
        r = self.c.getresponse()
        data = r.read()
        if r.status >= 300:
            raise ApiError(r.status, data.decode(errors="replace"))
        return json.loads(data)


class Controller(Process):
    def __init__(self, ha, user, sec, number, through=None):
        self.user, self.port = user, free_port()
        super().__init__(
            [ha.s.programs["controller"], "--kubeconfig",
             ha.c.kubeconfig(user, through, f"ha-{number}"),
             "--namespace", NS, "--lease-duration", str(sec),
             "--http", f"127.0.0.1:{self.port}"],
            os.path.join(ha.s.log_dir, f"ha-{number}-{user}.log"))

    def get(self, path):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}",
                                        timeout=2) as r:
                return r.read().decode()
        except OSError:
            return ""

    def leads(self):
        return "\nherald_controller_leader 1\n" in self.get("/metrics")

    def is_ready(self):
        return self.get("/readyz") == "ok\n"

    def kill(self):
        self.stop(signal.SIGKILL)


class Witness:
    """Follows the Services and remembers the first address held by two that may
    not share it."""

    def __init__(self, cluster):
        self.held, self.double, self.error = {}, None, None
        self.ngiven = self.nevents = 0
        self.client = Client(cluster)
        got = self.client("GET", "/api/v1/services")
        for s in got["items"]:
            self.see("ADDED", s)
        self.client.c.request(
            "GET", "/api/v1/services?watch=true&timeoutSeconds=3600&resourceVersion=" +
            got["metadata"]["resourceVersion"], None,
            {"Authorization": "Bearer " + USERS["admin"][0]})
        self.stream = self.client.c.getresponse()
        self.client.c.sock.settimeout(None)
        self.stopping = False
        self.thread = threading.Thread(target=self.follow, daemon=True)
        self.thread.start()

    def follow(self):
        try:
            while line := self.stream.readline():
                e = json.loads(line)
                if e["type"] == "ERROR":
                    raise Failure(f"the watch broke off: {e['object']}")
                self.see(e["type"], e["object"])
                self.nevents += 1
            if not self.stopping:
                raise Failure("the watch ended")
        except Exception as e:
            if not self.stopping:
                self.error = e

    @staticmethod
    def may_share(a, b):
        return a["key"] is not None and a["key"] == b["key"] and a["port"] != b["port"]

    def see(self, what, s):
        m = s["metadata"]
        name = f"{m['namespace']}/{m['name']}"
        old = self.held.pop(name, None)
        if what == "DELETED":
            return
        new = {"ips": {i["ip"] for i in s["status"]["loadBalancer"].get("ingress") or []},
               "key": (m.get("annotations") or {}).get(SHARE),
               "port": s["spec"]["ports"][0]["port"]}
        for other, o in self.held.items():
            if new["ips"] & o["ips"] and not self.may_share(new, o) and not self.double:
                self.double = (f"{new['ips'] & o['ips']} is held by {name} and {other} "
                               f"at version {m['resourceVersion']}")
        if new["ips"] - (old["ips"] if old else set()):
            self.ngiven += 1
        self.held[name] = new

    def check(self):
        expect(self.error is None, f"the witness failed: {self.error}")
        expect(self.double is None, f"an address was given twice: {self.double}")

    def stop(self):
        self.stopping = True
        with contextlib.suppress(OSError):
            self.client.c.sock.shutdown(2)
        self.thread.join(5)


class Load:
    """Services that come, change what they ask for, and go."""

    def __init__(self, cluster, rng):
        self.http, self.rng = Client(cluster), rng
        self.live, self.n, self.stopping, self.error = [], 0, False, None
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        try:
            while not self.stopping:
                try:
                    self.step()
                except ApiError as e:
                    if e.status != 409:		# a controller wrote just then
                        raise
                time.sleep(0.004)
        except Exception as e:
            self.error = e

    def step(self):
        dice = self.rng.random()
        if len(self.live) < LIVE_MAX and dice < 0.5:
            self.create()
        elif self.live and dice < 0.9:
            i = self.rng.randrange(len(self.live))
            self.http("DELETE", f"{SERVICES}/{self.live[i]}")
            self.live.pop(i)
        elif self.live:		# wants another address: its own may be given away
            ip = f"10.20.0.{self.rng.randrange(64)}" if self.rng.random() < 0.5 else None
            self.http("PATCH", f"{SERVICES}/{self.rng.choice(self.live)}",
                      {"spec": {"loadBalancerIP": ip}}, "application/merge-patch+json")

    def create(self):
        self.n += 1
        s = service(f"k{self.n}", 1 + self.n % 60000, kind="LoadBalancer")
        s["spec"]["allocateLoadBalancerNodePorts"] = False
        if self.rng.random() < 0.2:
            s["metadata"]["annotations"] = {SHARE: self.rng.choice("ab")}
            s["spec"]["ports"][0]["port"] = self.rng.choice((80, 81, 82))
        self.http("POST", SERVICES, s)
        self.live.append(f"k{self.n}")

    def stop(self):
        self.stopping = True
        self.thread.join()
        if self.error is not None:
            raise self.error


class HA:
    def __init__(self, suite):
        self.s, self.c = suite, suite.c
        self.nstarted = 0

    def start(self, user, sec, through=None):
        self.nstarted += 1
        return Controller(self, user, sec, self.nstarted, through)

    @contextlib.contextmanager
    def pair(self, sec):
        """Two controllers: the one that leads and the one that stands by."""
        self.release_lease()
        both = [self.start(u, sec) for u in ("controller", "controller2")]
        try:
            until(lambda: any(p.leads() for p in both), "a leader")
            until(lambda: all(p.is_ready() for p in both), "both to be ready")
            expect(sum(p.leads() for p in both) == 1, "both lead")
            both.sort(key=lambda p: not p.leads())
            yield both
        except Failure as e:
            logs = "\n".join(f"--- {p.user}:\n{p.tail(8)}" for p in both)
            raise Failure(f"{e}\n{logs}") from None
        finally:
            for p in both:
                with contextlib.suppress(ProcessLookupError):
                    p.child.send_signal(signal.SIGCONT)
                p.stop()

    def release_lease(self):
        """What a controller that was killed has left behind."""
        with contextlib.suppress(ApiError):
            self.c.http("DELETE", LEASE)

    def lease(self):
        return self.c.http("GET", LEASE)["spec"]

    def address(self, name):
        s = self.c.http("GET", f"{SERVICES}/{name}")
        return [i["ip"] for i in s["status"]["loadBalancer"].get("ingress") or []]

    def make(self, name):
        self.c.http("POST", SERVICES, service(name, kind="LoadBalancer"))

    def drop(self, *names):
        for n in names:
            self.c.http("DELETE", f"{SERVICES}/{n}")

    def pool(self):
        with contextlib.suppress(ApiError):
            self.c.http("POST", POOLS, {
                "apiVersion": "heraldlb.io/v1beta1", "kind": "IPAddressPool",
                "metadata": {"name": "ha", "namespace": NS},
                "spec": {"addresses": ["10.20.0.0/26"]}})

    # --- takeover -----------------------------------------------------------

    def takeover(self, how, sec, limit):
        """How long there is nobody: from the end of the leader until the other has
        given an address to a Service that was made meanwhile."""
        self.pool()
        with self.pair(sec) as (leader, other):
            self.make("ha-before")
            until(lambda: self.address("ha-before"), "the leader's address")
            first = self.lease()
            time.sleep(random.random() * 2)
            start = time.monotonic()
            leader.child.send_signal(how)
            self.make("ha-after")
            until(other.leads, "the other to lead", limit + 10, 0.02)
            led = time.monotonic() - start
            until(lambda: self.address("ha-after"), "its address", 10, 0.02)
            wrote = time.monotonic() - start
            expect(self.address("ha-after") != self.address("ha-before"), "twice")
            leader.child.wait(10)
            now = self.lease()
            expect(now["leaseTransitions"] == first["leaseTransitions"] + 1, str(now))
            expect(now["leaseDurationSeconds"] == sec, str(now))
            expect(led <= limit, f"led only after {led:.2f} s, not {limit} s")
        self.drop("ha-before", "ha-after")
        return f"leads after {led:.2f} s, its first address after {wrote:.2f} s"

    def test_killed(self):
        # Its duration, and what a busy machine and this test's looking take.
        return self.takeover(signal.SIGKILL, 15, 15.5)

    def test_stopped(self):
        return self.takeover(signal.SIGTERM, 15, 1.5)

    def writes_of(self, user, since):
        """What it wrote to anything but the Lease, by the server's audit log."""
        return [e for e in self.c.audit_events()
                if e["user"].get("uid") == user and
                e["verb"] in ("create", "update", "patch", "delete") and
                e["objectRef"]["resource"] != "leases" and
                e["requestReceivedTimestamp"] > since]

    def test_hung(self):
        """The leader stands still in the middle of its writes, for longer than its
        Lease lasts, and goes on: it writes nothing more, and is of use again."""
        self.pool()
        names = [f"hung-{i}" for i in range(40)]
        http_ = Client(self.c)
        with self.pair(3) as (leader, other):
            for n in names:
                http_("POST", SERVICES, service(n, kind="LoadBalancer"))
                if n == names[20]:
                    leader.child.send_signal(signal.SIGSTOP)
            until(other.leads, "the other to lead", 10)
            until(lambda: all(self.address(n) for n in names), "all addresses", 20, 0.2)
            before = {n: self.c.http("GET", f"{SERVICES}/{n}")["metadata"]["resourceVersion"]
                      for n in names}
            expect(self.writes_of(leader.user, ""), "the audit log lacks the leader's writes")
            since = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime()) + ".999999Z"
            time.sleep(1)
            leader.child.send_signal(signal.SIGCONT)
            until(leader.is_ready, "it to be back")
            time.sleep(4)
            expect(not leader.leads(), "it leads again")
            after = self.writes_of(leader.user, since)
            expect(not after, f"it wrote: {[e['requestURI'] for e in after]}")
            expect(self.writes_of(other.user, ""), "the audit log lacks the other's writes")
            for n in names:
                now = self.c.http("GET", f"{SERVICES}/{n}")["metadata"]["resourceVersion"]
                expect(now == before[n], f"{n} was written")
            other.kill()
            self.make("hung-late")
            until(lambda: self.address("hung-late"), "it to lead again", 10)
        self.drop("hung-late", *names)

    def one_address_pool(self, name, ip):
        self.c.http("POST", POOLS, {
            "apiVersion": "heraldlb.io/v1beta1", "kind": "IPAddressPool",
            "metadata": {"name": name, "namespace": NS},
            "spec": {"addresses": [f"{ip}/32"], "autoAssign": False}})

    def test_behind(self):
        """The one that takes over is behind with the Services, though not with the
        pools: by its cache the only address of a new pool is free, and the Service
        that waits for it has not changed since."""
        proxy = self.s.proxy
        ip = "10.21.0.1"
        self.release_lease()
        self.c.http("POST", SERVICES, service("behind-older"))	# no load balancer yet
        waiting = service("behind-waiting", kind="LoadBalancer")
        waiting["spec"]["loadBalancerIP"] = ip
        leader = other = None
        try:
            leader = self.start("controller", 3)
            until(leader.leads, "the leader")
            self.c.http("POST", SERVICES, waiting)
            other = self.start("controller2", 3, proxy.port)
            until(other.is_ready, "the other to be ready")
            proxy.stalled = "/services?"
            self.c.http("PATCH", f"{SERVICES}/behind-older",
                        {"spec": {"type": "LoadBalancer", "loadBalancerIP": ip}},
                        ctype="application/merge-patch+json")
            self.one_address_pool("behind", ip)
            until(lambda: self.address("behind-older"), "the older one's address")
            leader.kill()
            until(other.leads, "the other to lead", 10)
            # It works: a pool it has not seen before is given a status.
            self.one_address_pool("behind-late", "10.21.0.2")
            until(lambda: "status" in self.c.http("GET", f"{POOLS}/behind-late"),
                  "the new leader at work", 10)
            expect(self.address("behind-older") == [ip], "the older one lost its address")
            expect(not self.address("behind-waiting"), "the address was given twice")
        finally:
            proxy.stalled = None
            for p in (leader, other):
                if p is not None:
                    p.stop()
            self.drop("behind-older", "behind-waiting")
            for name in ("behind", "behind-late"):
                with contextlib.suppress(ApiError):
                    self.c.http("DELETE", f"{POOLS}/{name}")

    # --- kill -9 --------------------------------------------------------------

    def test_kills(self):
        """One of two, or both, killed at random moments."""
        self.pool()
        self.release_lease()
        rng = random.Random(4711)
        witness, load = Witness(self.c), Load(self.c, rng)
        both = {u: self.start(u, 1) for u in ("controller", "controller2")}
        start = time.monotonic()
        nled = 0
        try:
            for i in range(KILLS):
                # Half of them a random while after somebody has written something.
                if i % 2 == 0:
                    given = witness.ngiven
                    end = time.monotonic() + 2.5
                    while witness.ngiven == given and time.monotonic() < end:
                        time.sleep(0.002)
                    time.sleep(rng.random() * 0.3)
                else:
                    time.sleep(rng.random() * 1.2)
                leaders = [u for u, p in both.items() if p.leads()]
                nled += bool(leaders)
                victims = leaders[:1] or [rng.choice(list(both))]
                if rng.random() < 0.15:
                    victims = list(both)
                for u in victims:
                    both[u].kill()
                    both[u] = self.start(u, 1)
                witness.check()
                if load.error is not None:
                    raise load.error
            sec = time.monotonic() - start
            load.stop()
            self.settle(load)
            witness.check()
        finally:
            load.stopping = True
            for p in both.values():
                p.stop()
            witness.stop()
            for n in load.live:
                with contextlib.suppress(ApiError):
                    self.c.http("DELETE", f"{SERVICES}/{n}")
        expect(nled > KILLS / 2, f"only {nled} of those killed led")
        return (f"{KILLS} kills in {sec:.0f} s, {nled} of a leader, {load.n} Services made, "
                f"{witness.ngiven} addresses given in {witness.nevents} versions")

    def settle(self, load):
        """In the end each has what it asked for, or is told why not."""
        def waiting():
            items = [s for s in self.c.http("GET", SERVICES)["items"]
                     if s["metadata"]["name"] in load.live]
            return [s["metadata"]["name"] for s in items
                    if not s["spec"].get("loadBalancerIP") and
                    not s["status"]["loadBalancer"].get("ingress")]
        until(lambda: not waiting(), lambda: f"addresses for {waiting()}", 30, 0.5)


def run(suite, test):
    ha = HA(suite)
    test("ha: the leader is stopped", ha.test_stopped)
    test("ha: the leader is killed", ha.test_killed)
    test("ha: the leader hangs and goes on", ha.test_hung)
    test("ha: the one that takes over is behind", ha.test_behind)
    test("ha: kill -9 at random moments", ha.test_kills)
