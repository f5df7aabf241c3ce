#!/usr/bin/env python3
"""Herald's resources and its client against the API server of a Kubernetes of today,
as far as Debian has it: what serves custom resources. Run by next.sh."""
import argparse
import contextlib
import json
import os
import shutil
import signal
import sys
import threading
import time
import urllib.request

import next_rules
import test_daemons
from cluster import ApiError, Cluster
from faultproxy import Proxy, Tunnel
from harness import (PATHS, Churn, Dump, Report, expect, same_as_server, service, until)
from next_rules import custom, path_of
from next_server import Next
from test_daemons import NS, SERVICES

KINDS = ["IPAddressPool", "L2Advertisement", "BGPAdvertisement", "BGPPeer", "Community",
         "BFDProfile", "ForwardingProfile"]
REPORTS = {"ServiceL2Status": "servicel2statuses", "ServiceBGPStatus": "servicebgpstatuses",
           "BGPSessionState": "bgpsessionstates"}
POOLS = path_of("IPAddressPool")
MANY = 1100	# three pages of 500
PATHS.update({kind: path_of(kind) for kind in KINDS})
SLOW_KB = 200	# of an annotation; a hundred such events fill every buffer there is


def pool(name, third=0, **meta):
    o = custom("IPAddressPool", name, {"addresses": [f"10.{third}.0.0/24"]})
    o["metadata"].update(meta)
    return o


class PoolChurn(Churn):
    """Pools that come, change and go; those called pinned-* never go."""

    def step(self, i):
        name, pinned = f"churn-{i % 7}", f"pinned-{i % 5}"
        for verb, path, n in (("POST", POOLS, name), ("POST", POOLS, pinned)):
            self.tolerant(verb, path, pool(n, i % 250))
        self.tolerant("PATCH", f"{POOLS}/{pinned}", {"spec": {"priority": None,
                      "addresses": [f"10.{i % 250}.1.0/24"]}}, "admin", False,
                      "application/merge-patch+json")
        if i % 3 == 0:
            self.tolerant("DELETE", f"{POOLS}/churn-{(i + 3) % 7}")


class Daemons(test_daemons.Daemons):
    def ready(self):
        """What is shipped is there: nothing else is tested."""


class Suite:
    def __init__(self, cluster, server, programs, log_dir):
        self.c, self.s, self.programs, self.log_dir = cluster, server, programs, log_dir
        self.nlogs = 0

    @contextlib.contextmanager
    def client(self, kinds, port=None, user="admin", tunnel=None, **kw):
        self.nlogs += 1
        log = os.path.join(self.log_dir, f"storedump-{self.nlogs}.log")
        config = self.c.kubeconfig(user, port or self.s.port, f"client-{self.nlogs}",
                                   tunnel and f"http://127.0.0.1:{tunnel.port}")
        d = Dump(self.programs["storedump"], "kubeconfig:" + config, kinds, log, **kw)
        try:
            yield d
        except BaseException:
            d.child.kill()
            raise
        d.stop()

    def pin(self):
        """The pools that never go are there."""
        for i in range(5):
            try:
                self.s.http("POST", POOLS, pool(f"pinned-{i}", i))
            except ApiError as e:
                expect(e.status == 409, f"a pool: {e}")

    def nothing_lost(self, d):
        lost = [x for x in d.deleted if "/pinned-" in x[1]]
        expect(not lost, f"seen to go, though it never went: {lost}")

    # --- what is shipped ----------------------------------------------------

    def test_crds(self):
        names = next_rules.install(self.s)
        for name in names:
            until(lambda n=name: next_rules.wrong_with(self.crd(n)) is None,
                  lambda n=name: f"{n}: {next_rules.wrong_with(self.crd(n))}", 20)
        for kind in KINDS:
            until(lambda k=kind: "items" in self.s.http("GET", path_of(k)), kind)
        return f"{len(names)} accepted without a warning"

    def crd(self, name):
        return self.s.http("GET", f"{next_rules.CRDS}/{name}")

    # --- reading --------------------------------------------------------------

    def test_kinds(self):
        made = [("IPAddressPool", {"addresses": ["10.0.0.0/24"]}), ("L2Advertisement", {}),
                ("BGPAdvertisement", {}), next_rules.peer(), next_rules.community("1:1"),
                ("BFDProfile", {}), next_rules.check()]
        for kind, spec in made:
            self.s.http("POST", path_of(kind), custom(kind, "one", spec))
        with self.client(KINDS, ns=NS) as d:
            d.synced()
            expect(same_as_server(d, self.s) == len(KINDS), f"it has {sorted(d.state)}")
        for kind, _ in made:
            self.s.http("DELETE", path_of(kind, "one"))

    def test_pages(self):
        for i in range(MANY):
            self.s.http("POST", POOLS, pool(f"many-{i}", i % 250))
        with self.client(["IPAddressPool"]) as d:
            d.synced()
            n = same_as_server(d, self.s)
            npages = d.metric("herald_kube_requests_total", verb="list", code="200")
            expect((n, npages) == (MANY, 3), f"{n} objects in {npages} pages")
        self.s.http("DELETE", POOLS)
        return f"{n} objects in {npages:.0f} pages"

    def test_follow(self):
        with self.client(["IPAddressPool", "L2Advertisement"]) as d:
            d.synced()
            with PoolChurn(self.s) as churn:
                until(lambda: churn.n >= 100, "100 rounds of churn", 60)
            same_as_server(d, self.s)
            self.nothing_lost(d)
            nlists = d.metric("herald_kube_relists_total", kind="IPAddressPool")
            expect(nlists == 1, f"the pools were listed {nlists} times")
            return f"{d.nlines} changes seen"

    def test_restart(self, sig):
        """The server goes and comes back, and things go on changing."""
        with self.client(["IPAddressPool", "L2Advertisement"]) as d:
            d.synced()
            with PoolChurn(self.s) as churn:
                until(lambda: churn.n > 20, "some churn", 30)
                self.s.stop(sig)
                time.sleep(1)
                n = d.nlines
                self.s.start()
                start = time.monotonic()
                until(lambda: d.nlines > n, "the first change after the restart", 30)
                sec = time.monotonic() - start
                n = churn.n
                until(lambda: churn.n > n + 20, "churn after the restart", 30)
            same_as_server(d, self.s)
            self.nothing_lost(d)
            return f"following again {sec:.1f} s after the server was ready; {self.told(d)}"

    def test_goaway(self):
        """A server that ends HTTP/2 connections to spread its clients (GOAWAY), as is
        usual where there are several: no watch is lost by it, no list is made anew."""
        self.s.stop()
        self.s.start("--goaway-chance=0.02")
        self.pin()
        tunnel = Tunnel()
        try:
            with self.client(["IPAddressPool"], tunnel=tunnel) as d:
                d.synced()
                status = {"status": {"assignedIPv4": 0}}
                for i in range(200):
                    status["status"]["assignedIPv4"] = i
                    error, text = d.patch(f"{NS}/pinned-{i % 5}", None, status, "IPAddressPool")
                    expect(error == 0, f"patch {i}: {error} {text}")
                same_as_server(d, self.s)
                self.nothing_lost(d)
                nlists = d.metric("herald_kube_relists_total")
                failed = d.metric("herald_kube_requests_total", code="0")
                expect((nlists, failed) == (1, 0), f"{nlists} lists, {failed} failed")
                nconn = len(tunnel.asked)
                expect(nconn > 1, "no connection was ended")
                return f"200 patches over {nconn} connections; {self.told(d)}"
        finally:
            tunnel.stop()
            self.s.stop()
            self.s.start()

    def test_continue_compacted(self):
        """History goes between two pages of a list: whatever the server makes of the
        token, the list that counts is a whole one."""
        for i in range(600):
            self.s.http("POST", POOLS, pool(f"many-{i}", i % 250))
        proxy = Proxy(self.s.port, self.c.ca, self.c.path("certs/apiserver.key"))
        try:
            go_on = threading.Event()
            held = proxy.add("hold", "list", "continue=", until=go_on)
            with self.client(["IPAddressPool"], proxy.port) as d:
                until(lambda: held.hits > 0, "the second page to be asked for")
                self.s.http("DELETE", f"{POOLS}/many-0")
                self.s.http("DELETE", f"{POOLS}/many-599")
                self.compact(self.s.http("GET", POOLS + "?limit=1")["metadata"][
                    "resourceVersion"])
                self.s.stop()
                self.s.start()
                go_on.set()
                d.synced(40)
                n = same_as_server(d, self.s)
                ngone = d.metric("herald_kube_requests_total", verb="list", code="410")
                expect(ngone == 1, f"{ngone} tokens had expired:\n{d.log_text()}")
                return f"{n} objects, after a token that had expired"
        finally:
            proxy.stop()
            self.s.http("DELETE", POOLS)

    def told(self, d):
        return (f"{d.metric('herald_kube_relists_total'):.0f} lists, "
                f"{d.metric('herald_kube_watches_total'):.0f} watches")

    def test_compacted(self):
        """What the client knows last is older than all that etcd still has: a 410 of
        the server's own, a new list, and nothing seen to go that has not gone."""
        proxy = Proxy(self.s.port, self.c.ca, self.c.path("certs/apiserver.key"))
        try:
            self.pin()
            self.s.http("POST", POOLS, pool("doomed"))
            held = proxy.add("error", "watch", times=10 ** 6, code=503)
            with self.client(["IPAddressPool"], proxy.port) as d:
                d.synced()
                same_as_server(d, self.s)
                until(lambda: held.hits > 0, "the watch to be held off")
                for i in range(5):
                    self.s.http("PATCH", f"{POOLS}/pinned-0", {"spec": {
                        "addresses": [f"10.0.{i}.0/24"]}}, ctype="application/merge-patch+json")
                self.s.http("DELETE", f"{POOLS}/doomed")
                self.compact(self.s.http("GET", POOLS)["metadata"]["resourceVersion"])
                self.s.stop()
                self.s.start()
                with proxy.lock:
                    proxy.faults = []
                same_as_server(d, self.s)
                self.nothing_lost(d)
                nlists = d.metric("herald_kube_relists_total")
                expect(nlists == 2, f"{nlists} lists; the log says:\n{d.log_text()}")
                expect(("IPAddressPool", f"{NS}/doomed") in d.deleted, "doomed is not gone")
        finally:
            proxy.stop()

    def compact(self, revision):
        body = json.dumps({"revision": revision, "physical": True}).encode()
        urllib.request.urlopen(f"{self.c.etcd_url}/v3/kv/compaction", body, 30).close()

    def test_slow(self):
        """A client that hangs, while more changes than all buffers between hold."""
        self.pin()
        with self.client(["IPAddressPool"]) as d:
            d.synced()
            same_as_server(d, self.s)
            d.child.send_signal(signal.SIGSTOP)
            start = time.monotonic()
            try:
                for i in range(150):
                    self.s.http("PATCH", f"{POOLS}/pinned-{i % 5}", {"metadata": {
                        "annotations": {"big": f"{i:03}" * (SLOW_KB * 1024 // 3)}}},
                        ctype="application/merge-patch+json")
            finally:
                d.child.send_signal(signal.SIGCONT)
            sec = time.monotonic() - start
            same_as_server(d, self.s)
            self.nothing_lost(d)
            self.unbloat()
            same_as_server(d, self.s)
            return f"150 changes of {SLOW_KB} KB in {sec:.1f} s; {self.told(d)}"

    def unbloat(self):
        for i in range(5):
            self.s.http("PATCH", f"{POOLS}/pinned-{i}", {"metadata": {"annotations": None}},
                        ctype="application/merge-patch+json")

    # --- writing --------------------------------------------------------------

    def test_patch(self):
        self.s.http("POST", POOLS, pool("patched"))
        status = {"status": {"assignedIPv4": 3, "availableIPv4": 253, "conditions": [
            {"type": "Accepted", "status": "True", "reason": "Accepted", "message": "",
             "lastTransitionTime": "2026-11-21T06:00:00Z", "observedGeneration": 1}]}}
        with self.client(["IPAddressPool"], user="controller", ns=NS) as d:
            d.synced()
            rv = d.state["IPAddressPool", f"{NS}/patched"]
            for why, key, version, body, want in (
                    ("with the version it has", "patched", rv, status, 0),
                    ("with a version of the past", "patched", rv, {"status": {}}, -116),
                    ("without a version", "patched", None, status, 0),
                    ("of what does not exist", "absent", None, status, -2),
                    ("with nonsense in it", "patched", None,
                     {"status": {"assignedIPv4": "three"}}, -22)):
                error, text = d.patch(f"{NS}/{key}", version, body, "IPAddressPool")
                expect(error == want, f"a patch {why}: {error} ({text}), not {want}")
        got = self.s.http("GET", f"{POOLS}/patched")
        expect(got["status"] == status["status"], f"the server's status is {got['status']}")
        expect(got["metadata"]["generation"] == 1, "the spec was touched")

    def test_applied(self):
        """A person's server-side apply and our status get along."""
        def apply(addresses):
            body = custom("IPAddressPool", "patched", {"addresses": addresses})
            return self.s.http("PATCH", f"{POOLS}/patched?fieldManager=person&force=true",
                               body, ctype="application/apply-patch+yaml")
        apply(["10.7.0.0/24"])
        with self.client(["IPAddressPool"], user="controller", ns=NS) as d:
            d.synced()
            error, text = d.patch(f"{NS}/patched", None, {"status": {"assignedIPv4": 4}},
                                  "IPAddressPool")
            expect(error == 0, f"{error} {text}")
        got = apply(["10.8.0.0/24"])
        expect(got["status"]["assignedIPv4"] == 4, f"{got}")
        managers = {m["manager"] for m in got["metadata"]["managedFields"]
                    if m.get("subresource") == "status"}
        expect("storedump" in managers, f"the status is {managers}'s")
        self.s.http("DELETE", f"{POOLS}/patched")

    def test_reports(self):
        """What a speaker writes of itself, with the rights of a speaker."""
        with self.client(list(REPORTS), user="speaker", ns=NS, node="n1") as d:
            d.synced()
            for kind, plural in REPORTS.items():
                path = f"/apis/heraldlb.io/v1beta1/namespaces/{NS}/{plural}"
                for name, on, word in (("a", "n1", "x"), ("b", "n2", "x"), ("a", "n1", "y")):
                    error, text = d.write("put", kind, NS, name, on, word)
                    expect(error == 0, f"put {kind} {name}: {error} {text}")
                got = {o["metadata"]["name"]: o for o in self.s.http("GET", path)["items"]}
                expect("y" in json.dumps(got["a"]["status"]), f"{kind}: {got['a']}")
                until(lambda k=kind: [n for w, n in d.state if w == k] == [f"{NS}/a"],
                      lambda k=kind: f"its own {k} alone, not {d.state}")
                for name in ("a", "b", "b"):
                    error, text = d.write("delete", kind, NS, name)
                    expect(error == 0, f"delete {kind} {name}: {error} {text}")
                expect(not self.s.http("GET", path)["items"], "something is left")

    def test_denied(self):
        with self.client(["IPAddressPool"], user="nobody") as d:
            until(lambda: 'resources: ["ipaddresspools"], verbs: ["get", "list", "watch"]'
                  in d.log_text(), lambda: "the missing rule in the log:\n" + d.log_text(), 10)

    # --- the controller -------------------------------------------------------

    def test_controller(self):
        """Services of the old server, pools of the new one, behind one address: a
        Service gets its VIP, the pool its counters and conditions."""
        self.s.http("DELETE", POOLS)
        front = Proxy(self.c.port, self.c.ca, self.c.path("certs/apiserver.key"),
                      routes={"/apis/heraldlb.io/": self.s.port})
        try:
            daemons = Daemons(self)
            with daemons.controller(front.port):
                self.s.http("POST", POOLS, pool("live", 200))
                self.s.http("POST", POOLS, pool("live-too", 200))	# overlaps
                self.c.http("POST", SERVICES, service("web", kind="LoadBalancer"))
                ip = until(lambda: daemons.ips("web"), "an address", 25)[0]
                expect(ip.startswith("10.200.0."), ip)
                until(lambda: self.s.http("GET", f"{POOLS}/live").get("status", {}).get(
                    "assignedIPv4") == 1, "the pool's counters")
                until(lambda: self.accepted("live-too") == "False", "the overlap to be told")
                self.s.stop(signal.SIGTERM)
                self.s.start()
                self.s.http("DELETE", f"{POOLS}/live-too")
                self.c.http("POST", SERVICES, service("late", kind="LoadBalancer"))
                until(lambda: daemons.ips("late"), "an address after the restart", 40)
                until(lambda: self.s.http("GET", f"{POOLS}/live")["status"][
                    "assignedIPv4"] == 2, "the counters after the restart", 40)
            return ip
        finally:
            front.stop()

    def accepted(self, name):
        conditions = self.s.http("GET", f"{POOLS}/{name}").get("status", {}).get(
            "conditions", [])
        return next((c["status"] for c in conditions if c["type"] == "Accepted"), None)


def run(suite, report, only):
    def test(name, fn, *args):
        if only is None or any(o in name for o in only.split(",")):
            report.run(name, fn, *args)
    rules = next_rules.Rules(suite.s, suite.programs["heraldctl"], suite.log_dir)
    report.run("shipped: the CRDs are accepted", suite.test_crds)
    test("shipped: the examples are accepted", rules.test_examples)
    test("shipped: rules refuse, and only what is wrong", rules.test_rules)
    test("shipped: rules and daemons agree", rules.test_alike)
    test("shipped: schemas name the field", rules.test_schemas)
    test("shipped: what MetalLB takes is taken", rules.test_metallb)
    test("shipped: defaults and unknown fields", rules.test_fields)
    test("client: every kind is read", suite.test_kinds)
    test("client: a list in pages", suite.test_pages)
    test("client: changes are followed", suite.test_follow)
    test("client: server restarted", suite.test_restart, signal.SIGTERM)
    test("client: server killed", suite.test_restart, signal.SIGKILL)
    test("client: history compacted", suite.test_compacted)
    test("client: connections told to go away", suite.test_goaway)
    test("client: history compacted between pages", suite.test_continue_compacted)
    test("client: a watch that is not read", suite.test_slow)
    test("client: status patches and their outcomes", suite.test_patch)
    test("client: beside server-side apply", suite.test_applied)
    test("client: what a speaker writes", suite.test_reports)
    test("client: a missing RBAC rule is named", suite.test_denied)
    test("controller: pools of the new server", suite.test_controller)


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--bin", required=True, help="folder of the old Kubernetes' binaries")
    p.add_argument("--next", required=True, help="folder of apiextensions-apiserver")
    p.add_argument("--build", required=True, help="folder of Herald's binaries")
    p.add_argument("--logs", required=True, help="where logs are kept")
    p.add_argument("--only", help="run only tests with one of these, separated by commas, in their name")
    args = p.parse_args()
    shutil.rmtree(args.logs, ignore_errors=True)
    os.makedirs(args.logs)
    programs = {"storedump": os.path.join(args.build, "tests/kube/storedump"),
                "controller": os.path.join(args.build, "herald-controller"),
                "heraldctl": os.path.join(args.build, "heraldctl")}
    report = Report()
    cluster = Cluster(args.bin, args.logs, test_daemons.SERVICE_ACCOUNTS)
    server = Next(cluster, args.next)
    signal.signal(signal.SIGTERM, lambda *a: sys.exit(1))
    try:
        cluster.start()
        server.start()
        print(f"API server of {server.version()} is up", flush=True)
        cluster.kubectl("create", "namespace", NS)
        suite = Suite(cluster, server, programs, args.logs)
        cluster.kubectl("apply", "-f", "-", stdin=Daemons(suite).kustomize("rbac"))
        run(suite, report, args.only)
    finally:
        server.stop()
        cluster.stop()
    return report.end()


if __name__ == "__main__":
    sys.exit(main())
