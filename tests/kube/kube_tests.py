#!/usr/bin/env python3
"""The API tests: Herald against a real kube-apiserver, and against a proxy that
makes it misbehave. Run by run.sh; see README.md for how to look inside."""
import argparse
import contextlib
import os
import shutil
import signal
import sys
import time

import test_daemons
import test_drain
import test_explain
import test_pools
from cluster import ApiError, Cluster
from faultproxy import Proxy, Tunnel
from harness import (Churn, Dump, Report, endpoint_slice, expect, same_as_server,
                     service, until)

CORE = ["Service", "EndpointSlice", "Node", "Namespace"]
MANY = 1100	# nodes: three pages of 500


class Suite:
    def __init__(self, cluster, programs, log_dir):
        self.c, self.programs, self.log_dir = cluster, programs, log_dir
        self.proxy = None
        self.nlogs = 0

    @contextlib.contextmanager
    def client(self, kinds, port=None, user="admin", config=None, **kw):
        """A storedump that has synced; at the end it must stop cleanly."""
        self.nlogs += 1
        log = os.path.join(self.log_dir, f"storedump-{self.nlogs}.log")
        config = config or self.c.kubeconfig(user, port, f"client-{self.nlogs}")
        d = Dump(self.programs["storedump"], "kubeconfig:" + config, kinds, log, **kw)
        try:
            yield d
        except BaseException:
            d.child.kill()
            raise
        d.stop()

    def start_proxy(self):
        self.proxy = Proxy(self.c.port, self.c.ca, self.c.path("certs/apiserver.key"))

    # --- a well-behaved server ---------------------------------------------

    def test_pages(self):
        for i in range(MANY):
            self.c.http("POST", "/api/v1/nodes", {"metadata": {"name": f"node-{i}"}})
        with self.client(["Node"]) as d:
            d.synced()
            n = same_as_server(d, self.c)
            expect(n == MANY, f"{n} nodes, not {MANY}")
            npages = d.metric("herald_kube_requests_total", verb="list", code="200")
            expect(npages == 3, f"{npages} list requests for three pages")
        self.c.http("DELETE", "/api/v1/nodes")
        return f"{MANY} objects in {npages:.0f} pages"

    def test_follow(self):
        with self.client(CORE) as d:
            d.synced()
            with Churn(self.c) as churn:
                until(lambda: churn.n >= 100, "100 rounds of churn", 60)
            same_as_server(d, self.c)
            nlists = d.metric("herald_kube_relists_total", kind="Service")
            expect(nlists == 1, f"Services were listed {nlists} times")
            return f"{d.nlines} changes seen"

    def test_latency(self):
        """From before a write until the client has the object: the server's part,
        most of it, is in it."""
        with self.client(["Service"]) as d:
            d.synced()
            took = []
            for i in range(20):
                start = time.monotonic()
                self.c.http("POST", Churn.SERVICES, service(f"lat-{i}"))
                until(lambda: ("Service", f"default/lat-{i}") in d.state,
                      "the new Service", 5, 0.0005)
                took.append(time.monotonic() - start)
            took.sort()
            expect(took[10] < 0.1, f"half of the changes took over {took[10] * 1e3:.1f} ms")
            return f"median {took[10] * 1e3:.1f} ms, worst {took[-1] * 1e3:.1f} ms"

    def test_v1beta1(self):
        with self.client(["EndpointSlice"]) as d:
            d.synced()
            n404 = d.metric("herald_kube_requests_total", verb="list", code="404")
            expect(n404 == 1, f"v1 was asked for {n404} times and refused")
            same_as_server(d, self.c)

    def test_custom_absent(self):
        """No CRDs: not synced, says what to do; and goes on when they come."""
        with self.client(["Namespace", "IPAddressPool"], ns="default") as d:
            until(lambda: "apply deploy/crds" in d.log_text(), "the remedy in the log", 10)
            expect(not d.is_synced, "synced without having listed the pools")
            self.c.http("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
                        POOL_CRD)
            d.synced(30)
            same_as_server(d, self.c)
        self.c.http("DELETE", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/"
                    "ipaddresspools.heraldlb.io")

    def test_pods_of_node(self):
        for name, node in (("here", "n1"), ("there", "n2")):
            self.c.http("POST", "/api/v1/namespaces/default/pods", {
                "metadata": {"name": name},
                "spec": {"nodeName": node, "containers": [{"name": "c", "image": "i"}]}})
        with self.client(["Pod"], node="n1") as d:
            d.synced()
            expect(list(d.state) == [("Pod", "default/here")], f"pods: {list(d.state)}")
        self.c.http("DELETE", "/api/v1/namespaces/default/pods?gracePeriodSeconds=0")

    # --- writes -------------------------------------------------------------

    def make_patched(self):
        """The Service that writes are tried on."""
        with contextlib.suppress(ApiError):		# there already
            self.c.http("POST", Churn.SERVICES, service("patched", kind="LoadBalancer"))

    def test_patch(self):
        lb = {"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.7"}]}}}
        with self.client(["Service"]) as d:
            d.synced()
            rv = d.state["Service", "default/patched"]
            cases = [
                ("with the version it has", "default/patched", rv, lb, 0),
                ("with a version of the past", "default/patched", rv,
                 {"status": {"loadBalancer": None}}, -116),
                ("without a version", "default/patched", None, lb, 0),
                ("of what does not exist", "default/absent", None, lb, -2),
                ("with nonsense in it", "default/patched", None,
                 {"status": {"loadBalancer": {"ingress": [{"ip": "no address"}]}}}, -22),
            ]
            for why, key, version, body, want in cases:
                error, text = d.patch(key, version, body)
                expect(error == want, f"a patch {why}: {error} ({text}), not {want}")
            got = self.c.http("GET", Churn.SERVICES + "/patched")["status"]
            expect(got == lb["status"], f"the server's status is {got}")

    def test_patch_order(self):
        """Many patches of one object at once: the last one given stands."""
        with self.client(["Service"]) as d:
            d.synced()
            for i in range(60):
                d.command("patch", "Service", "default", "patched", "-",
                          '{"status":{"loadBalancer":{"ingress":[{"ip":"192.0.2.%d"}]}}}' % i)
            until(lambda: len(d.patches) == 60, "60 outcomes", 30)
            expect(all(p[1] == 0 for p in d.patches), f"some failed: {d.patches[:3]}")
        ip = self.c.http("GET", Churn.SERVICES + "/patched")["status"]
        expect(ip["loadBalancer"]["ingress"][0]["ip"] == "192.0.2.59", f"the last is {ip}")

    def test_patch_faults(self):
        """429, 500 and dropped connections are tried again, a 403 is not."""
        faults = [self.proxy.add("busy", "write", sec=1), self.proxy.add("error", "write"),
                  self.proxy.add("drop", "write")]
        lb = {"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.9"}]}}}
        with self.client(["Service"], self.proxy.port) as d:
            d.synced()
            start = time.monotonic()
            error, text = d.patch("default/patched", None, lb)
            sec = time.monotonic() - start
            expect(error == 0, f"{error} ({text})")
            expect(all(f.hits for f in faults), "not every fault was met")
            expect(sec >= 1, f"Retry-After of 1 s not kept: {sec:.2f} s")
            return f"through three faults in {sec:.1f} s"

    def test_denied(self):
        """Who may do nothing is told which rule is missing."""
        with self.client(["Service"], user="nobody") as d:
            until(lambda: 'resources: ["services"], verbs: ["get", "list", "watch"]'
                  in d.log_text(), lambda: "the missing rule in the log:\n" + d.log_text(), 10)
            error, text = d.patch("default/patched", None, {"status": {}})
            expect(error == -13, f"a patch: {error}")
            expect('resources: ["services/status"], verbs: ["patch"]' in text, text)

    def test_event(self):
        with self.client(["Service"]) as d:
            d.synced()
            d.command("event", "Service", "default", "patched",
                      'quotes " and \\ and \u00fcmlauts')
            d.command("event", "Node", "-", "node-0", "a cluster-scoped one")

            def seen():
                return {e["involvedObject"]["name"]: e for e in self.c.http(
                    "GET", "/api/v1/namespaces/default/events")["items"]
                    if e["reason"] == "Tested"}
            until(lambda: len(seen()) == 2, lambda: f"two Events, not {list(seen())}")
            e = seen()["patched"]
            expect(e["message"] == 'quotes " and \\ and \u00fcmlauts', e["message"])
            expect(e["source"]["component"] == "storedump", str(e["source"]))

    # --- who we are -----------------------------------------------------------

    def test_token_rotated(self):
        """A token that expires is replaced by the file's new one."""
        path = self.c.write("token", "expired-token")
        config = self.edited("rotated", ('"token": "admin-token"', f'"tokenFile": "{path}"'))
        with self.client(["Service"], config=config) as d:
            until(lambda: "does not know us" in d.log_text(), "a 401 in the log", 10)
            os.rename(self.c.write("token.new", "admin-token\n"), path)
            d.synced(20)
            same_as_server(d, self.c)

    def test_client_certificate(self):
        config = self.edited("cert", (
            '"token": "admin-token"',
            '"client-certificate": "client.crt", "client-key": "client.key"'))
        with self.client(["Service"], config=config) as d:
            d.synced()
            same_as_server(d, self.c)

    def edited(self, name, *changes):
        """The admin's kubeconfig with pieces of its text replaced."""
        with open(self.c.kubeconfig("admin")) as f:
            text = f.read()
        for old, new in changes:
            expect(old in text, f"{old} is not in the kubeconfig")
            text = text.replace(old, new)
        return self.c.write(name + ".kubeconfig", text)

    def test_tls_server_name(self):
        """The certificate is checked for that name, not for the URL's host."""
        ca = '"certificate-authority"'
        good = self.edited("sni", (ca, '"tls-server-name": "kubernetes.default", ' + ca))
        with self.client(["Service"], config=good) as d:
            d.synced()
            same_as_server(d, self.c)
        bad = self.edited("bad-sni", (ca, '"tls-server-name": "other.example", ' + ca))
        with self.client(["Service"], config=bad) as d:
            until(lambda: "other.example" in d.log_text(), lambda: d.log_text(), 10)
            expect(not d.is_synced, "a certificate of another name was accepted")

    def test_proxy_url(self):
        tunnel = Tunnel()
        ca = '"certificate-authority"'
        config = self.edited("proxied", (
            ca, f'"proxy-url": "http://127.0.0.1:{tunnel.port}", ' + ca))
        try:
            with self.client(["Service"], config=config) as d:
                d.synced()
                same_as_server(d, self.c)
            expect(tunnel.asked == [f"127.0.0.1:{self.c.port}"], str(tunnel.asked))
        finally:
            tunnel.stop()

    def test_wrong_ca(self):
        config = self.edited("wrong-ca", ("certs/apiserver.crt", "client-ca.crt"))
        with self.client(["Service"], config=config) as d:
            until(lambda: "check `certificate-authority`" in d.log_text(),
                  lambda: "the remedy in the log:\n" + d.log_text(), 10)
            expect(not d.is_synced, "it spoke to a server it cannot trust")

    # --- faults -----------------------------------------------------------------

    def add_faults(self, faults):
        return [self.proxy.add(f[0], f[1], f[2] if len(f) > 2 else "",
                               **(f[3] if len(f) > 3 else {})) for f in faults]

    def meet(self, faults, sec=40):
        """Wait until every fault has been met as often as it was to be. Watches
        are cut again and again so that they are asked for anew."""
        def met():
            if all(f.hits >= f.times for f in faults):
                return True
            if any(f.verb == "watch" for f in faults):
                self.proxy.cut_all()
            return False
        try:
            until(met, lambda: "the faults to be met: " + str(
                [(f.name, f.hits) for f in faults]), sec, 1)
        finally:
            with self.proxy.lock:
                self.proxy.faults = []

    def pin(self):
        for i in range(5):
            with contextlib.suppress(ApiError):
                self.c.http("POST", Churn.SLICES,
                            endpoint_slice(f"pinned-{i}", "p", ["10.2.0.1"]))

    def test_fault(self, faults, resumes):
        """Objects come and go while the proxy misbehaves: none missed, none
        invented, and what was always there never seen to go."""
        self.pin()
        is_list = faults[0][1] == "list"
        added = self.add_faults(faults) if is_list else []
        with self.client(CORE, self.proxy.port) as d:
            with Churn(self.c):
                if not is_list:
                    d.synced()
                    before = d.metric("herald_kube_relists_total")
                    added = self.add_faults(faults)
                self.meet(added)
                d.synced(40)
                time.sleep(0.5)
            n = same_as_server(d, self.c)
            lost = [x for x in d.deleted if "/pinned-" in x[1]]
            expect(not lost, f"seen to go, though it never went: {lost}")
            if resumes:
                more = d.metric("herald_kube_relists_total") - before
                expect(more == 0, f"{more:.0f} relists where resuming would do")
            return f"{n} objects the same, {d.nlines} changes seen"

    def test_gone_sweeps(self):
        """What was deleted while we could not see it goes at the relist, not
        before; what was made meanwhile comes."""
        with self.client(["Service"], self.proxy.port) as d:
            d.synced()
            for i in range(3):
                self.c.http("POST", Churn.SERVICES, service(f"doomed-{i}"))
            same_as_server(d, self.c)
            self.proxy.add("error", "watch", times=3)
            self.proxy.add("gone", "watch")
            half = self.proxy.add("half", "list", times=2)
            self.proxy.cut_all()
            for i in range(3):
                self.c.http("DELETE", f"{Churn.SERVICES}/doomed-{i}")
            self.c.http("POST", Churn.SERVICES, service("newborn"))
            until(lambda: half.hits == 2, "two lists that broke off", 20)
            same_as_server(d, self.c)
            gone = [x for x in d.deleted if "doomed" in x[1]]
            expect(len(gone) == 3, f"deletions seen: {d.deleted}")

    def test_retry_after(self):
        """A 429 on the list is obeyed: nothing is asked before its time."""
        self.proxy.add("busy", "list", sec=2)
        with self.client(["Service"], self.proxy.port) as d:
            start = time.monotonic()
            d.synced()
            sec = time.monotonic() - start
            expect(2 <= sec < 4, f"synced after {sec:.2f} s, asked to wait for 2")
            return f"synced after {sec:.2f} s"

    def test_continue_expired(self):
        for i in range(600):
            self.c.http("POST", "/api/v1/nodes", {"metadata": {"name": f"node-{i}"}})
        fault = self.proxy.add("gone", "list", "continue=", times=2)
        with self.client(["Node"], self.proxy.port) as d:
            d.synced(30)
            same_as_server(d, self.c)
            expect(fault.hits == 2, f"{fault.hits} tokens expired")
        self.c.http("DELETE", "/api/v1/nodes")

    def test_restart(self, sig):
        """The API server is restarted while objects come and go. (Its watch
        cache is new then: it may say 410 to a version from before.)"""
        self.pin()
        with self.client(CORE) as d:
            d.synced()
            with Churn(self.c) as churn:
                until(lambda: churn.n > 20, "churn")
                self.c.stop_api(sig)
                time.sleep(3)
                n = d.nlines
                self.c.start_api()
                start = time.monotonic()
                until(lambda: d.nlines > n, "the first change after the restart", 30)
                sec = time.monotonic() - start
                n = churn.n
                until(lambda: churn.n > n + 20, "churn after the restart")
            same_as_server(d, self.c)
            lost = [x for x in d.deleted if "/pinned-" in x[1]]
            expect(not lost, f"seen to go, though it never went: {lost}")
            return f"following again {sec:.1f} s after the server was ready"

    # --- cost -------------------------------------------------------------------

    def test_idle(self):
        """Bytes and memory of a client with nothing to do."""
        with self.client(CORE) as d:
            d.synced()
            time.sleep(1)
            nreq = d.metric("herald_kube_requests_total")
            time.sleep(10)
            more = d.metric("herald_kube_requests_total") - nreq
            expect(more == 0, f"{more:.0f} requests in 10 s with nothing to do")
            anon = memory_kb(d.child.pid, "RssAnon")
            return (f"{more:.0f} requests in 10 s, RSS {d.rss_kb()} kB "
                    f"({anon} kB of its own) with {len(d.state)} objects")

    def test_big(self):
        """2,000 Services with an EndpointSlice each: what they cost."""
        for i in range(2000):
            self.c.http("POST", Churn.SERVICES, service(f"big-{i}"))
            self.c.http("POST", Churn.SLICES,
                        endpoint_slice(f"big-{i}", f"big-{i}", ["10.3.0.1", "10.3.0.2"]))
        with self.client(["Service", "EndpointSlice"]) as d:
            start = time.monotonic()
            d.synced(60)
            sec = time.monotonic() - start
            same_as_server(d, self.c)
            anon = memory_kb(d.child.pid, "RssAnon")
            expect(anon < 40000, f"{anon} kB for 4,000 objects")
            return f"synced in {sec:.2f} s, {anon} kB of memory of its own"


def memory_kb(pid, field):
    with open(f"/proc/{pid}/status") as f:
        return next(int(l.split()[1]) for l in f if l.startswith(field + ":"))


POOL_CRD = {
    "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
    "metadata": {"name": "ipaddresspools.heraldlb.io"},
    "spec": {"group": "heraldlb.io", "scope": "Namespaced",
             "names": {"plural": "ipaddresspools", "kind": "IPAddressPool"},
             "versions": [{"name": "v1beta1", "served": True, "storage": True,
                           "schema": {"openAPIV3Schema": {
                               "type": "object",
                               "x-kubernetes-preserve-unknown-fields": True}}}]}}

# Name, whether watches resume without a new list, and the faults met at the same
# time: (fault, verb, part of path, options).
FAULTS = [
    ("410 as HTTP status of a watch", False,
     [("gone", "watch", "services"), ("gone", "watch", "endpointslices")]),
    ("410 as an ERROR event in a watch", False,
     [("gone_event", "watch", "services"), ("gone_event", "watch", "endpointslices")]),
    ("410 for ten watches in a row", False, [("gone", "watch", "", {"times": 10})]),
    ("429 with Retry-After on watches", True, [("busy", "watch", "", {"times": 4})]),
    ("429 with Retry-After on lists", False, [("busy", "list", "", {"times": 4})]),
    ("500 on watches", True, [("error", "watch", "", {"times": 8})]),
    ("503 on lists", False, [("error", "list", "", {"times": 8, "code": 503})]),
    ("watches cut in mid-object", True, [("cut", "watch", "", {"times": 12})]),
    ("watches in pieces of seven bytes", True, [("dribble", "watch", "", {"times": 4})]),
    ("lists that break off half-way", False, [("half", "list", "", {"times": 6})]),
    ("lists that trickle", False, [("slow", "list", "", {"times": 4, "sec": 3})]),
    ("garbage instead of a watch", False, [("garbage", "watch", "", {"times": 6})]),
    ("garbage instead of a list", False, [("garbage", "list", "", {"times": 6})]),
    ("connections dropped in a watch", True, [("drop", "watch", "", {"times": 6})]),
    ("connections dropped in a list", False, [("drop", "list", "", {"times": 6})]),
    ("401 for a moment", False, [("denied", "watch", "", {"times": 4})]),
    ("403 for a moment", False, [("denied", "watch", "", {"times": 4, "code": 403})]),
]


def run(suite, report, only):
    suite.make_patched()

    def test(name, fn, *args):
        if only is None or any(o in name for o in only.split(",")):
            report.run(name, fn, *args)
    test("a list in pages", suite.test_pages)
    test("changes are followed", suite.test_follow)
    test("how fast a change arrives", suite.test_latency)
    test("EndpointSlice falls back to v1beta1", suite.test_v1beta1)
    test("custom resources not installed", suite.test_custom_absent)
    test("pods of one node", suite.test_pods_of_node)
    test("status patches and their outcomes", suite.test_patch)
    test("patches of one object keep their order", suite.test_patch_order)
    test("patches through faults", suite.test_patch_faults)
    test("Events", suite.test_event)
    test("a missing RBAC rule is named", suite.test_denied)
    test("a rotated token", suite.test_token_rotated)
    test("a client certificate", suite.test_client_certificate)
    test("a server of another CA", suite.test_wrong_ca)
    test("tls-server-name", suite.test_tls_server_name)
    test("proxy-url", suite.test_proxy_url)
    test("Retry-After is obeyed", suite.test_retry_after)
    test("a continue token that expires", suite.test_continue_expired)
    for name, resumes, faults in FAULTS:
        test("fault: " + name, suite.test_fault, faults, resumes)
    test("deletions unseen are found by the relist", suite.test_gone_sweeps)
    test("API server restarted", suite.test_restart, signal.SIGTERM)
    test("API server killed", suite.test_restart, signal.SIGKILL)
    test("cost at rest", suite.test_idle)
    test("cost of 4,000 objects", suite.test_big)
    test_daemons.run(suite, test)
    test_pools.run(suite, test)
    test_drain.run(suite, test)
    test_explain.run(suite, test)


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--bin", required=True, help="folder of the Kubernetes binaries")
    p.add_argument("--build", required=True, help="folder of Herald's binaries")
    p.add_argument("--logs", required=True, help="where logs are kept")
    p.add_argument("--only", help="run only tests with one of these, separated by commas, in their name")
    args = p.parse_args()
    shutil.rmtree(args.logs, ignore_errors=True)
    os.makedirs(args.logs)
    programs = {"storedump": os.path.join(args.build, "tests/kube/storedump"),
                "controller": os.path.join(args.build, "herald-controller"),
                "speaker": os.path.join(args.build, "herald-speaker")}
    report = Report()
    cluster = Cluster(args.bin, args.logs, test_daemons.SERVICE_ACCOUNTS)
    signal.signal(signal.SIGTERM, lambda *a: sys.exit(1))
    suite = Suite(cluster, programs, args.logs)
    try:
        start = time.monotonic()
        cluster.start()
        print(f"control plane is up ({time.monotonic() - start:.1f} s)", flush=True)
        suite.start_proxy()
        run(suite, report, args.only)
    finally:
        if suite.proxy is not None:
            suite.proxy.stop()
        cluster.stop()
    return report.end()


if __name__ == "__main__":
    sys.exit(main())
