"""Pools, advertisements and peers on the API server: what the schemas refuse,
what the controller writes into conditions, and heraldctl beside it."""
import json
import os
import subprocess

from cluster import ApiError
from harness import Failure, expect, service, until
from test_daemons import NS, SERVICES, Daemons, pool

BASE = f"/apis/heraldlb.io/v1beta1/namespaces/{NS}"
PEERS = f"/apis/heraldlb.io/v1beta2/namespaces/{NS}/bgppeers"


def ours(kind, name, spec, version="v1beta1"):
    return {"apiVersion": f"heraldlb.io/{version}", "kind": kind,
            "metadata": {"name": name, "namespace": NS}, "spec": spec}


def peer(name, **spec):
    return ours("BGPPeer", name, {"myASN": 64512, "peerASN": 64513,
                                  "peerAddress": "192.0.2.1", **spec}, "v1beta2")


def advert(name, **spec):
    return ours("BGPAdvertisement", name, spec)


def checked(name, **check):
    return ours("ForwardingProfile", name, {"healthCheck": check})


class Pools:
    def __init__(self, suite):
        self.d, self.c, self.s = Daemons(suite), suite.c, suite
        self.ctl = os.path.join(os.path.dirname(suite.programs["controller"]), "heraldctl")

    def accepted(self, path):
        """The condition Accepted, or {} while there is none."""
        status = self.c.http("GET", path).get("status") or {}
        return next((c for c in status.get("conditions") or []
                     if c["type"] == "Accepted"), {})

    def heraldctl(self, *args):
        config = self.c.kubeconfig("admin", None, "heraldctl")
        r = subprocess.run([self.ctl, *args, "--source", "kubeconfig:" + config],
                           capture_output=True, text=True, timeout=60)
        expect(r.returncode in (0, 1), f"heraldctl {args}: {r.returncode}: {r.stderr}")
        return r

    def test_schemas(self):
        """Rules (x-kubernetes-validations) are not for this server: see next_rules.py."""
        adverts, pools = f"{BASE}/bgpadvertisements", f"{BASE}/ipaddresspools"
        wrong = (
            ("a strategy that is none", pools,
             pool("w", {"addresses": ["10.9.0.0/24"], "strategy": "random"})),
            ("a scope that is none", pools,
             pool("w", {"addresses": ["10.9.0.0/24"], "sharing": "Everywhere"})),
            ("a reserve that is no range", pools,
             pool("w", {"addresses": ["10.9.0.0/24"], "reserved": ["10.9.0.1"]})),
            ("a prefix of 33 bits", adverts, advert("w", aggregationLength=33)),
            ("a preference of 33 bits", adverts, advert("w", localPref=1 << 32)),
            ("AS 0", PEERS, peer("w", myASN=0)),
            ("port 0", PEERS, peer("w", peerPort=0)),
            ("a name for an address", PEERS, peer("w", peerAddress="router")),
            ("a time without unit", PEERS, peer("w", holdTime="90")),
            ("an interval of 5 ms", f"{BASE}/bfdprofiles",
             ours("BFDProfile", "w", {"receiveInterval": 5})),
            ("a community that is none", f"{BASE}/communities",
             ours("Community", "w", {"communities": [{"name": "a", "value": "b"}]})),
            ("a check by a command", f"{BASE}/forwardingprofiles",
             checked("w", type="exec", command=["true"])),
            ("a check without a type", f"{BASE}/forwardingprofiles", checked("w", port=80)),
            ("a path that is none", f"{BASE}/forwardingprofiles",
             checked("w", type="http", http={"path": "x"})),
            ("a certificate without a name", f"{BASE}/forwardingprofiles",
             checked("w", type="https", tls={"clientSecret": {}})),
            ("a fallback without a name", f"{BASE}/forwardingprofiles",
             ours("ForwardingProfile", "w", {"fallback": [{"service": {"namespace": "a"}}]})),
            ("a status class", f"{BASE}/forwardingprofiles",
             checked("w", type="http", http={"statuses": ["2xx"]})),
        )
        for why, path, body in wrong:
            try:
                self.c.http("POST", path + "?dryRun=All", body)
            except ApiError as e:
                expect(e.status == 422, f"{why}: {e}")
                continue
            raise Failure(f"{why} was accepted")
        self.c.http("POST", f"{BASE}/forwardingprofiles?dryRun=All",
                    ours("ForwardingProfile", "w", {"mode": "delegate"}))
        unnumbered = peer("w", interface="eth0")
        del unnumbered["spec"]["peerAddress"]
        for body in (unnumbered, peer("w", peerASN=0, dynamicASN="internal"),
                     peer("w", passwordSecret={"name": "b"}), peer("w", password="a")):
            self.c.http("POST", PEERS + "?dryRun=All", body)
        return f"{len(wrong)} refused"

    def test_profiles(self):
        """A ForwardingProfile: accepted, refused with what no schema sees, doubted."""
        path = f"{BASE}/forwardingprofiles"
        self.c.http("POST", path + "?dryRun=All", checked("f-h", type="tcp-half-open"))
        good = {"type": "http", "http": {"path": "/z", "statuses": ["200-299"]}}
        self.c.http("POST", path, checked("f-a", **good))
        with self.d.controller():
            got = until(lambda: (a := self.accepted(f"{path}/f-a")).get("reason") and a,
                        "the condition", 25)
            expect(got["reason"] == "Accepted", got)
            kept = self.c.http("GET", f"{path}/f-a")["spec"]["healthCheck"]
            expect((kept["intervalMilliseconds"], kept["fall"]) == (1000, 3), kept)
            self.c.http("PATCH", f"{path}/f-a", {"spec": {"healthCheck": {
                "timeoutMilliseconds": 2000}}}, ctype="application/merge-patch+json")
            got = until(lambda: (a := self.accepted(f"{path}/f-a"))["status"] == "False" and a,
                        "the refusal", 25)
            expect("spec.healthCheck.timeoutMilliseconds: 2000: is longer than the interval"
                   in got["message"], got)
            self.c.http("PATCH", f"{path}/f-a", {"spec": {"healthCheck": {
                "timeoutMilliseconds": 200}}}, ctype="application/merge-patch+json")
            until(lambda: self.accepted(f"{path}/f-a")["status"] == "True",
                  "the acceptance", 25)
            self.c.http("POST", SERVICES, service("f-svc", kind="LoadBalancer"))
            for name in ("f-b", "f-c"):
                self.c.http("POST", path, ours("ForwardingProfile", name, {
                    "namespaces": ["default"]}))
            got = until(lambda: (a := self.accepted(f"{path}/f-c")).get("reason") ==
                        "Doubtful" and a, "the doubt", 25)
            expect('ForwardingProfile \"f-b\"' in got["message"], got)
            self.c.http("PATCH", f"{path}/f-b", {"spec": {"fallback": [
                {"service": {"name": "f-sorry"}}]}}, ctype="application/merge-patch+json")
            got = until(lambda: (a := self.accepted(f"{path}/f-b")).get("reason") ==
                        "Doubtful" and a, "the doubt about the fallback", 25)
            expect("spec.fallback[0].service: there is no Service default/f-sorry"
                   in got["message"], got)
            self.c.http("POST", SERVICES, service("f-sorry"))
            until(lambda: self.accepted(f"{path}/f-b").get("reason") == "Accepted",
                  "the Service to be seen", 25)
        for name in ("f-a", "f-b", "f-c"):
            self.c.http("DELETE", f"{path}/{name}")
        for name in ("f-svc", "f-sorry"):
            self.c.http("DELETE", f"{SERVICES}/{name}")

    def test_conditions(self):
        """Doubtful, then mended; what is right is Accepted."""
        l2, b = f"{BASE}/l2advertisements", f"{BASE}/bgpadvertisements"
        self.c.http("POST", l2, ours("L2Advertisement", "c-l2", {"ipAddressPools": ["gone"]}))
        self.c.http("POST", b, advert("c-bgp", peers=["c-peer"]))
        self.c.http("POST", PEERS, peer("c-peer", holdTime="1m30s", bfdProfile="c-bfd"))
        with self.d.controller():
            got = until(lambda: self.accepted(f"{l2}/c-l2"), "the condition", 25)
            expect((got["status"], got["reason"]) == ("True", "Doubtful"), got)
            expect('no IPAddressPool "gone"' in got["message"], got["message"])
            until(lambda: self.accepted(f"{PEERS}/c-peer").get("reason") == "Doubtful",
                  "the peer to be doubted")
            until(lambda: self.accepted(f"{b}/c-bgp").get("reason") == "Accepted",
                  "the BGPAdvertisement to be accepted")
            self.c.http("POST", f"{BASE}/bfdprofiles", ours("BFDProfile", "c-bfd", {}))
            until(lambda: self.accepted(f"{PEERS}/c-peer").get("reason") == "Accepted",
                  "the peer to be accepted")
            self.c.http("POST", f"{BASE}/ipaddresspools",
                        pool("gone", {"addresses": ["203.0.113.0/28"], "autoAssign": False}))
            mended = until(lambda: (a := self.accepted(f"{l2}/c-l2"))["reason"] ==
                           "Accepted" and a, "the L2Advertisement to be accepted")
            expect(mended["lastTransitionTime"] == got["lastTransitionTime"],
                   "it was True all the time")

    def test_refused(self):
        """What no schema sees: its owner is told, nobody loses an address, not even
        to a controller that starts after the mistake."""
        path = f"{BASE}/ipaddresspools/torn"

        def write(*addresses):
            self.c.http("PATCH", path, {"spec": {"addresses": addresses}},
                        ctype="application/merge-patch+json")

        def is_told(what):
            return until(lambda: (a := self.accepted(path)).get("status") == what and a,
                         f"Accepted to be {what}", 25)
        self.c.http("POST", f"{BASE}/ipaddresspools",
                    pool("torn", {"addresses": ["203.0.113.64-203.0.113.70"],
                                  "autoAssign": False}))
        mine = service("p-torn", kind="LoadBalancer")
        late = service("p-torn-late", kind="LoadBalancer")
        for s in mine, late:
            s["metadata"]["annotations"] = {"heraldlb.io/address-pool": "torn"}
        with self.d.controller():
            self.c.http("POST", SERVICES, mine)
            ip = until(lambda: self.d.ips("p-torn"), "an address", 25)
            is_told("True")
            write("203.0.113.70-203.0.113.64")
            said = is_told("False")
            expect(said["reason"] == "Refused", said)
            expect("spec.addresses[0]" in said["message"] and "swap" in said["message"],
                   said["message"])
            events = [e for e in self.c.http("GET", f"/api/v1/namespaces/{NS}/events")["items"]
                      if e["involvedObject"]["name"] == "torn" and e["reason"] == "Refused"]
            expect(len(events) == 1 and events[0]["count"] == 1, f"Events: {events}")
            self.c.http("POST", SERVICES, service("p-torn-other", kind="LoadBalancer"))
            until(lambda: self.d.ips("p-torn-other"), "an address of another pool", 25)
        with self.d.controller():
            self.c.http("POST", SERVICES, late)
            got = until(lambda: self.d.events("p-torn-late", "AllocationFailed"),
                        "an Event AllocationFailed", 25)
            expect("has to be corrected" in got[0]["message"], got[0]["message"])
            expect(self.d.ips("p-torn") == ip, "it lost its address")
            write("203.0.113.64-203.0.113.70")
            is_told("True")
            until(lambda: self.d.ips("p-torn-late"), "an address for who waited", 25)
            expect(self.d.ips("p-torn") == ip, "it lost its address")
        return said["message"]

    def test_denied(self):
        """A condition that could not be written is, once it can be."""
        path = f"{BASE}/l2advertisements"
        proxy = self.s.proxy
        fault = proxy.add("denied", "write", "l2advertisements", times=1, code=403)
        try:
            with self.d.controller(proxy.port):
                self.c.http("POST", path, ours("L2Advertisement", "c-denied", {}))
                until(lambda: fault.hits, "the write to be refused", 25)
                expect(not self.accepted(f"{path}/c-denied"), "the fault has let it pass")
                until(lambda: self.accepted(f"{path}/c-denied"), "the condition", 25)
        finally:
            with proxy.lock:
                proxy.faults = []

    def test_restart(self):
        """Who starts anew finds the statuses as they should be."""
        paths = [f"{BASE}/l2advertisements/c-l2", f"{BASE}/bgpadvertisements/c-bgp",
                 f"{PEERS}/c-peer", f"{BASE}/ipaddresspools/gone"]
        before = [self.c.http("GET", p)["metadata"]["resourceVersion"] for p in paths]
        with self.d.controller():
            self.c.http("POST", SERVICES, service("p-late", kind="LoadBalancer"))
            until(lambda: self.d.ips("p-late"), "the controller at work", 25)
            self.c.http("POST", f"{BASE}/l2advertisements",
                        ours("L2Advertisement", "c-late", {}))
            until(lambda: self.accepted(f"{BASE}/l2advertisements/c-late"),
                  "statuses to be written")
        after = [self.c.http("GET", p)["metadata"]["resourceVersion"] for p in paths]
        expect(before == after, f"written: {before} {after}")

    def test_reserved(self):
        s = service("p-reserved", kind="LoadBalancer")
        s["metadata"]["annotations"] = {"heraldlb.io/loadBalancerIPs": "203.0.113.33"}
        self.c.http("POST", f"{BASE}/ipaddresspools",
                    pool("kept", {"addresses": ["203.0.113.32/29"], "autoAssign": False,
                                  "reserved": ["203.0.113.33-203.0.113.34"]}))
        with self.d.controller():
            self.c.http("POST", SERVICES, s)
            got = until(lambda: self.d.events("p-reserved", "AllocationFailed"),
                        "an Event AllocationFailed", 25)
            expect("IPAddressPool kept reserves it" in got[0]["message"], got[0]["message"])

    def test_plan(self):
        """What the plan says is what comes of it."""
        ip = self.d.ips("p-late")[0]
        change = pool("first", {"addresses": ["192.0.2.0/24"], "reserved": [ip + "/32"]})
        path = os.path.join(self.s.log_dir, "change.json")
        with open(path, "w") as f:
            json.dump(change, f)
        before = self.c.http("GET", f"{SERVICES}/p-late")["metadata"]["resourceVersion"]
        r = self.heraldctl("plan", "--json", "-f", path)
        said = {v["service"]: v for v in json.loads(r.stdout)["services"]}
        expect(r.returncode == 1, f"ended with {r.returncode}")
        v = said["default/p-late"]
        expect((v["change"], v["before"]) == ("move", [ip]), v)
        expect(self.c.http("GET", f"{SERVICES}/p-late")["metadata"]["resourceVersion"] ==
               before, "the plan has written something")
        self.c.http("PATCH", f"{BASE}/ipaddresspools/first", {"spec": change["spec"]},
                    ctype="application/merge-patch+json")
        with self.d.controller():
            until(lambda: self.d.ips("p-late") == v["after"], f"{v['after']}", 25)
        return f"{len(said)} Services, p-late from {ip} to {v['after'][0]}"


def run(suite, test):
    p = Pools(suite)

    def pools_test(name, fn):
        test("pools: " + name, lambda: (p.d.ready(), fn())[1])
    pools_test("what schemas refuse", p.test_schemas)
    pools_test("conditions of ForwardingProfiles", p.test_profiles)
    pools_test("conditions tell what is doubtful", p.test_conditions)
    pools_test("what the controller refuses", p.test_refused)
    pools_test("a condition that is refused once", p.test_denied)
    pools_test("a restart writes no status", p.test_restart)
    pools_test("a reserved address asked for", p.test_reserved)
    pools_test("heraldctl plan, and what comes of it", p.test_plan)
