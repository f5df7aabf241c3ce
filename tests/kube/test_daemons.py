"""Herald's own programs against the API server: what is shipped works there,
with the rights that are shipped and no others."""
import contextlib
import glob
import json
import os
import re
import shutil
import tempfile
import time

import test_ha
from cluster import ApiError, Process, free_port
from harness import Failure, expect, service, until

NS = "herald-system"
SERVICE_ACCOUNTS = {"controller": f"{NS}:herald-controller",
                    "controller2": f"{NS}:herald-controller",
                    "speaker": f"{NS}:herald-speaker"}
DEPLOY = os.path.join(os.path.dirname(__file__), "..", "..", "deploy")
SERVICES = "/api/v1/namespaces/default/services"
POOLS = f"/apis/heraldlb.io/v1beta1/namespaces/{NS}/ipaddresspools"

# What the speaker reads, see speaker_io.c; it runs in the lab, not here.
SPEAKER_KINDS = ["Service", "EndpointSlice", "Node", "Pod", "IPAddressPool",
                 "L2Advertisement", "ForwardingProfile"]


class Daemons:
    def __init__(self, suite):
        self.s, self.c = suite, suite.c
        self.nlogs = 0
        self.restarted = self.restarted_until = ""

    def ready(self):
        """What is shipped is there, and a pool: for tests that are run alone."""
        if not getattr(self.s, "is_shipped", False):
            self.test_manifests()
        try:
            self.c.http("POST", POOLS, pool("first", {"addresses": ["192.0.2.0/24"]}))
        except ApiError as e:
            expect(e.status == 409, f"the pool: {e}")

    @contextlib.contextmanager
    def controller(self, port=None, ns=NS, more=()):
        self.ready()
        self.nlogs += 1
        log = os.path.join(self.s.log_dir, f"controller-{self.nlogs}.log")
        with contextlib.suppress(OSError):
            os.unlink(log)
        config = self.c.kubeconfig("controller", port, f"controller-{self.nlogs}")
        p = Process([self.s.programs["controller"], "--source", "kubeconfig:" + config,
                     "--namespace", ns, "--http", f"127.0.0.1:{free_port()}", *more], log)
        try:
            yield p
            expect(p.is_alive(), "the controller ended by itself:\n" + p.tail())
        except Failure as e:
            raise Failure(f"{e}; the controller says:\n{p.tail()}") from None
        finally:
            p.stop()
        expect(p.child.returncode == 0, f"it ended with {p.child.returncode}:\n{p.tail()}")

    def ips(self, name):
        s = self.c.http("GET", f"{SERVICES}/{name}")
        return [i["ip"] for i in s["status"]["loadBalancer"].get("ingress") or []]

    def events(self, name, reason):
        return [e for e in self.c.http("GET", "/api/v1/namespaces/default/events")["items"]
                if e["involvedObject"]["name"] == name and e["reason"] == reason]

    # --- what is shipped ----------------------------------------------------

    def apply(self, *args, stdin=None):
        """kubectl apply, with its own validation but for the one field that this
        old a kubectl does not know: CEL rules in a CRD."""
        r = self.c.kubectl("apply", *args, check=False, stdin=stdin)
        if r.returncode != 0 and "error validating" in r.stderr:
            unknown = set(re.findall(r'unknown field "([^"]*)"', r.stderr))
            expect(unknown == {"x-kubernetes-validations"}, r.stderr)
            expect(r.stderr.count("ValidationError") ==
                   r.stderr.count('unknown field "x-kubernetes-validations"'), r.stderr)
            r = self.c.kubectl("apply", "--validate=false", *args, check=False,
                               stdin=stdin)
        expect(r.returncode == 0, f"kubectl apply {' '.join(args)}: {r.stderr}")
        return r.stdout

    def kustomize(self, overlay):
        """What an overlay comes to. This old a kubectl knows neither folders among
        the resources nor patches with a path, but both under their older names."""
        tree = tempfile.mkdtemp(prefix="herald-deploy-")
        try:
            copy = shutil.copytree(DEPLOY, os.path.join(tree, "deploy"))
            for path in glob.glob(os.path.join(copy, "**", "[kK]ustomization*"),
                                  recursive=True):
                with open(path) as f:
                    text = f.read().replace("\npatches:", "\npatchesJson6902:")
                entries = re.findall(r"\n  - ([^:\n]*)(?=\n)", text)
                bases = [e for e in entries if not e.endswith(".yaml")]
                for e in bases:
                    text = text.replace(f"\n  - {e}\n", "\n", 1)
                with open(path, "w") as f:
                    f.write(text + f"bases: {json.dumps(bases)}\n")
            return self.c.kubectl("kustomize", os.path.join(copy, overlay)).stdout
        finally:
            shutil.rmtree(tree)

    def test_manifests(self):
        """Namespace and CRDs first: a dry run does not make what others need."""
        for f in ("base/namespace.yaml", "crds"):
            self.apply("-f", os.path.join(DEPLOY, f))
        for crd in self.c.http("GET", "/apis/apiextensions.k8s.io/v1/"
                               "customresourcedefinitions")["items"]:
            name = crd["metadata"]["name"]
            bad = [c["message"] for c in crd["status"].get("conditions") or []
                   if c["type"] == "NonStructuralSchema" and c["status"] == "True"]
            expect(not bad, f"{name}: {bad}")
        until(lambda: self.c.http("GET", POOLS), "the pools to be served", 20)
        # A PodDisruptionBudget is of policy/v1 since 1.21; before, of v1beta1.
        shipped = self.kustomize(".").replace(
            "apiVersion: policy/v1\n", "apiVersion: policy/v1beta1\n")
        listed = set(re.findall(r"\n  name: (\w+\.heraldlb\.io)\n", shipped))
        made = set(os.listdir(os.path.join(DEPLOY, "crds"))) - {"Kustomization"}
        expect(len(listed) == len(made), f"CRDs: {listed} of {made}")
        expect("policy/v1beta1" in shipped, "no PodDisruptionBudget is shipped")
        dry = self.apply("--dry-run=server", "-f", "-", stdin=shipped)
        for f in sorted(os.listdir(os.path.join(DEPLOY, "examples"))):
            dry += self.apply("--dry-run=server", "-f", os.path.join(DEPLOY, "examples", f))
        self.apply("-f", "-", stdin=shipped)
        keyed = self.kustomize("liveness-key").replace(
            "apiVersion: policy/v1\n", "apiVersion: policy/v1beta1\n")
        dry += self.apply("--dry-run=server", "-f", "-", stdin=keyed)
        dry += self.apply("--dry-run=server", "-f", "-", stdin=self.kustomize("cleanup"))
        expect("--liveness-key-file=/etc/herald/liveness/keys" in keyed and
               "secretName: herald-liveness" in keyed, "the overlay gives no key")
        self.s.is_shipped = True
        return f"{len(dry.splitlines())} objects accepted"

    def test_pool_schema(self):
        """The schema refuses what can be seen to be wrong."""
        for why, spec in (("no addresses", {}),
                          ("addresses that are no list", {"addresses": "192.0.2.0/24"})):
            try:
                self.c.http("POST", POOLS, pool("wrong", spec))
            except ApiError as e:
                expect(e.status == 422, f"{why}: {e}")
                continue
            raise Failure(f"a pool with {why} was accepted")

    # --- the controller -------------------------------------------------------

    def test_external_ip(self):
        with self.controller():
            start = time.monotonic()
            self.c.kubectl("create", "service", "loadbalancer", "web", "--tcp=80:8080")
            out = until(lambda: self.c.kubectl(
                "get", "service", "web", "-o",
                "jsonpath={.status.loadBalancer.ingress[0].ip}").stdout,
                "an EXTERNAL-IP", 15)
            sec = time.monotonic() - start
            expect(out.startswith("192.0.2."), f"EXTERNAL-IP is {out}")
            line = self.c.kubectl("get", "service", "web").stdout.splitlines()[1].split()
            expect(line[3] == out, f"kubectl shows {line[3]}")
            until(lambda: self.events("web", "IPAllocated"), "an Event IPAllocated")
            return f"{out} after {sec:.1f} s, kubectl's own time with it"

    def test_release(self):
        with self.controller():
            until(lambda: self.ips("web"), "the address")
            self.c.http("PATCH", f"{SERVICES}/web", {"spec": {"type": "ClusterIP"}},
                        ctype="application/merge-patch+json")
            until(lambda: not self.ips("web"), "the status to be empty again")

    def test_refused(self):
        with self.controller():
            s = service("outside", kind="LoadBalancer")
            s["spec"]["loadBalancerIP"] = "203.0.113.7"
            self.c.http("POST", SERVICES, s)
            got = until(lambda: self.events("outside", "AllocationFailed"),
                        "an Event AllocationFailed")
            expect("203.0.113.7" in got[0]["message"], got[0]["message"])
            expect(not self.ips("outside"), "it has an address all the same")
            return got[0]["message"]

    def all_have_one(self, names):
        got = {n: self.ips(n) for n in names}
        missing = [n for n in names if len(got[n]) != 1]
        if missing:
            return None
        ips = [ip for l in got.values() for ip in l]
        expect(len(set(ips)) == len(ips), f"an address was given twice: {sorted(ips)}")
        return ips

    def test_through_faults(self):
        proxy = self.s.proxy
        names = [f"faulty-{i}" for i in range(30)]
        faults = [proxy.add("busy", "write", times=5), proxy.add("error", "write", times=5),
                  proxy.add("drop", "write", times=5), proxy.add("cut", "watch", times=4),
                  proxy.add("gone", "watch", times=4),
                  proxy.add("gone_event", "watch", times=2),
                  proxy.add("half", "list", times=2), proxy.add("error", "list", times=2)]
        try:
            with self.controller(proxy.port):
                for n in names:
                    self.c.http("POST", SERVICES, service(n, kind="LoadBalancer"))
                    proxy.cut_all()
                until(lambda: self.all_have_one(names), "an address for each of 30", 60, 0.5)
        finally:
            with proxy.lock:
                proxy.faults = []
        return f"30 addresses through {sum(f.hits for f in faults)} faults"

    def test_restart_keeps(self):
        """A controller that starts takes over what is there, and writes nothing."""
        names = [f"faulty-{i}" for i in range(30)]
        before = {n: self.c.http("GET", f"{SERVICES}/{n}") for n in names}
        with self.controller():
            self.c.http("POST", SERVICES, service("late", kind="LoadBalancer"))
            until(lambda: self.ips("late"), "an address for a late one")
        for n in names:
            now = self.c.http("GET", f"{SERVICES}/{n}")
            expect(now["metadata"]["resourceVersion"] ==
                   before[n]["metadata"]["resourceVersion"], f"{n} was written: {now['status']}")

    def test_api_restarted(self):
        with self.controller():
            until(lambda: self.ips("late"), "the controller at work")
            self.c.stop_api()
            time.sleep(2)
            self.restarted = stamp()
            self.c.start_api()
            self.restarted_until = stamp()
            self.c.http("POST", SERVICES, service("after", kind="LoadBalancer"))
            until(lambda: self.ips("after"), "an address after the restart", 40)

    # --- rights ---------------------------------------------------------------

    def test_speaker_reads(self):
        with self.s.client(SPEAKER_KINDS, user="speaker", ns=NS, node="n1") as d:
            d.synced()
            d.command("event", "Service", "default", "late", "seen by the speaker")
            until(lambda: d.metric("herald_kube_requests_total", verb="create",
                                   code="201") == 1, lambda: "an Event:\n" + d.log_text())

    def test_secrets(self):
        """Of all Secrets a speaker gets those it may need, and no other."""
        password = {"username": "x", "password": "hunter2"}
        kinds = {"ours": (NS, "kubernetes.io/basic-auth", password),
                 "pair": (NS, "kubernetes.io/tls", {"tls.crt": "x", "tls.key": "hunter2"}),
                 "opaque": (NS, "Opaque", password),
                 "release": (NS, "helm.sh/release.v1", password),
                 "token": (NS, "bootstrap.kubernetes.io/token", {"token-id": "x"}),
                 "ssh": (NS, "kubernetes.io/ssh-auth", {"ssh-privatekey": "x"}),
                 "theirs": ("default", "kubernetes.io/basic-auth", password)}
        for name, (ns, kind, data) in kinds.items():
            self.c.http("POST", f"/api/v1/namespaces/{ns}/secrets", {
                "metadata": {"name": name}, "type": kind, "stringData": data})
        with self.s.client(["Secret"], user="speaker", ns=NS, node="n1") as d:
            d.synced()
            expect(sorted(k for _kind, k in d.state) == [f"{NS}/ours", f"{NS}/pair"],
                   f"it has {d.state}")
            for name in ("ours", "pair"):
                self.c.http("DELETE", f"/api/v1/namespaces/{NS}/secrets/{name}")
            until(lambda: not d.state, "it to be gone")
            expect("hunter2" not in d.log_tail(), "the log tells the password")

    def reports(self, kind="servicel2statuses"):
        items = self.c.http("GET", f"/apis/heraldlb.io/v1beta1/namespaces/{NS}/{kind}")["items"]
        return {r["metadata"]["name"]: r for r in items}

    def test_reports(self):
        """What a speaker writes of itself, with the rights of a speaker."""
        kind = "ServiceL2Status"
        node = self.c.http("POST", "/api/v1/nodes", {"metadata": {"name": "n1"}})
        with self.s.client(["Node", kind], user="speaker", ns=NS, node="n1") as d:
            d.synced()
            for name, on, word in (("a", "n1", "eth0"), ("b", "n2", "eth0"), ("a", "n1", "eth1")):
                error, text = d.write("put", kind, NS, name, on, word)
                expect(error == 0, f"put {name}: {error} {text}")
            got = self.reports()
            expect(got["a"]["status"] == {
                "node": "n1", "serviceName": "web", "serviceNamespace": "default",
                "interfaces": [{"name": "eth1"}]}, f"{got['a']['status']}")
            expect(got["a"]["metadata"]["labels"]["heraldlb.io/node"] == "n1", f"{got['a']}")
            owner, = got["a"]["metadata"]["ownerReferences"]
            expect((owner["kind"], owner["uid"]) == ("Node", node["metadata"]["uid"]), f"{owner}")
            until(lambda: [k for what, k in d.state if what == kind] == [f"{NS}/a"],
                  lambda: f"its own report alone, not {d.state}")
            self.conflict_is_kept(d)
            for _ in range(2):
                error, text = d.write("delete", kind, NS, "b")
                expect(error == 0, f"delete, there or not: {error} {text}")
            expect(list(self.reports()) == ["a"], f"there is {list(self.reports())}")
            start = time.monotonic()
            self.c.http("DELETE", "/api/v1/nodes/n1")
            until(lambda: not self.reports(), "the report to go with its Node", 60)
            gone = time.monotonic() - start
        with self.s.client(["Node"], user="nobody", ns=NS) as d:
            for verb, missing in (("put", "create"), ("delete", "delete")):
                error, text = d.write(verb, kind, NS, "c", "n1", "eth0")
                expect(error == -13 and f'verbs: ["{missing}"]' in text, f"{error} {text}")
        return f"gone {gone * 1000:.0f} ms after its Node, by the garbage collector"

    def conflict_is_kept(self, d):
        """The condition AddressConflict comes, is read back, goes, and kubectl shows it."""
        for said, status in (("10.0.0.1 on eth0 is used by another", "True"), ("-", "False")):
            error, text = d.write("put", "ServiceL2Status", NS, "a", "n1", "eth1", said)
            expect(error == 0, f"put with a condition: {error} {text}")
            found = self.reports()["a"]["status"].get("conditions")
            expect(found == [{"type": "AddressConflict", "status": status, "reason": "Tested",
                              "message": said, "lastTransitionTime": "2026-11-21T06:00:00Z"}],
                   f"the conditions are {found}")
            until(lambda s=status: d.details.get(("ServiceL2Status", f"{NS}/a")) ==
                  f"conflict={s}", lambda: f"it to be read back: {d.details}")
            shown = self.c.kubectl("get", "servicel2statuses", "-n", NS, "--no-headers", "a")
            expect(status in shown.stdout.split(), f"kubectl shows {shown.stdout}")

    def test_reports_through_faults(self):
        """Made, written and deleted once each, whatever becomes of the requests."""
        kind = "ServiceL2Status"
        faults = [self.s.proxy.add(what, "write") for what in ("busy", "error", "drop")]
        with self.s.client([kind], self.s.proxy.port, user="speaker", ns=NS, node="n1") as d:
            d.synced()
            error, text = d.write("put", kind, NS, "f", "n1", "eth0")
            expect(error == 0, f"put: {error} {text}")
            expect(self.reports()["f"]["status"]["interfaces"] == [{"name": "eth0"}],
                   f"{self.reports()}")
            faults += [self.s.proxy.add(what, "write") for what in ("error", "drop")]
            error, text = d.write("delete", kind, NS, "f")
            expect(error == 0 and not self.reports(), f"delete: {error} {text}")
        expect(all(f.hits for f in faults), "not every fault was met")
        return f"through {len(faults)} faults"

    def test_rights(self):
        """Nothing that was asked in the name of the two accounts was refused."""
        users = {f"system:serviceaccount:{sa}" for sa in SERVICE_ACCOUNTS.values()}

        def asked():
            return [e for e in self.c.audit_events() if e["user"].get("username") in users]
        with self.controller():
            until(lambda: {e["user"]["username"] for e in asked()} == users,
                  "both accounts to ask for something", 25)
        events = asked()
        refused = {(e["user"]["username"], e["verb"], e["requestURI"].split("?")[0])
                   for e in events if e.get("responseStatus", {}).get("code") in (401, 403)
                   # A server that starts refuses everything until it knows the roles.
                   and not self.restarted < e["requestReceivedTimestamp"] < self.restarted_until}
        expect(not refused, f"refused: {sorted(refused)}")
        return f"{len(events)} requests, none refused"

    def test_no_more_rights(self):
        """The accounts may not do what nothing of Herald needs."""
        for user in ("controller", "speaker"):
            for verb, what in (("get", "secrets"), ("delete", "services"),
                               ("list", "configmaps"),
                               ("create", "pods"), ("update", "nodes"),
                               ("*", "*")):
                r = self.c.kubectl("auth", "can-i", verb, what, "-n", "default",
                                   user=user, check=False)
                expect(r.stdout.strip() == "no", f"{user} may {verb} {what}")

    def test_metallb(self):
        """MetalLB's own objects, in its group and namespace, with deploy/metallb's
        rights. Its CRDs are stood in for by ours, which have its fields."""
        ns = "metallb-system"
        self.c.kubectl("create", "namespace", ns)
        for f in glob.glob(os.path.join(DEPLOY, "crds", "*.yaml")):
            with open(f) as crd:
                self.apply("-f", "-", stdin=crd.read().replace("heraldlb.io", "metallb.io"))
        overlay = self.kustomize("metallb")
        expect(overlay.count("--api-group=metallb.io") == 2 and
               overlay.count("--namespace=metallb-system") == 2, overlay)
        self.apply("-f", "-", stdin=overlay.replace("apiVersion: policy/v1\n",
                                                    "apiVersion: policy/v1beta1\n"))
        pools = f"/apis/metallb.io/v1beta1/namespaces/{ns}/ipaddresspools"
        until(lambda: self.c.http("GET", pools), "MetalLB's pools to be served", 20)
        theirs = pool("theirs", {"addresses": ["198.51.100.7-198.51.100.7"],
                                 "autoAssign": False})
        theirs["apiVersion"] = "metallb.io/v1beta1"
        theirs["metadata"]["namespace"] = ns
        self.c.http("POST", pools, theirs)
        s = service("of-metallb", kind="LoadBalancer")
        s["metadata"]["annotations"] = {"metallb.io/address-pool": "theirs"}
        self.c.http("POST", SERVICES, s)
        with self.controller(ns=ns, more=["--api-group", "metallb.io"]):
            until(lambda: self.ips("of-metallb") == ["198.51.100.7"], "its address", 25)
            until(lambda: self.c.http("GET", f"{pools}/theirs").get("status", {}).get(
                "assignedIPv4") == 1, "the pool's counters")
        # What a speaker writes: MetalLB's kind in its group, ours in ours.
        kinds = {"ServiceL2Status": ("metallb.io", "servicel2statuses"),
                 "BGPSessionState": ("heraldlb.io", "bgpsessionstates")}
        with self.s.client([*kinds, "Secret", "ConfigMap"], user="speaker", ns=ns, node="n1",
                           group="metallb.io") as d:
            d.synced()
            for kind, (group, plural) in kinds.items():
                error, text = d.write("put", kind, ns, "m", "n1", "eth0")
                expect(error == 0, f"put {kind}: {error} {text}")
                got = self.c.http("GET", f"/apis/{group}/v1beta1/namespaces/{ns}/{plural}/m")
                expect(got["metadata"]["labels"][f"{group}/node"] == "n1", f"{got}")
                until(lambda k=kind: (k, f"{ns}/m") in d.state, f"its own {kind}")
                error, text = d.write("delete", kind, ns, "m")
                expect(error == 0, f"delete {kind}: {error} {text}")


def stamp():
    """Now, as the audit log writes it."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime()) + ".000000Z"


def pool(name, spec):
    return {"apiVersion": "heraldlb.io/v1beta1", "kind": "IPAddressPool",
            "metadata": {"name": name, "namespace": NS}, "spec": spec}


def run(suite, test):
    d = Daemons(suite)
    test("shipped: manifests are accepted", d.test_manifests)
    test("shipped: the schema of pools", lambda: (d.ready(), d.test_pool_schema())[1])
    test("controller: kubectl create service loadbalancer", d.test_external_ip)
    test("controller: address released", d.test_release)
    test("controller: a request that cannot be met", d.test_refused)
    test("controller: 30 Services through faults", d.test_through_faults)
    test("controller: a restart writes nothing", d.test_restart_keeps)
    test("controller: API server restarted", d.test_api_restarted)
    test_ha.run(suite, test)
    test("controller: MetalLB's objects as they are", d.test_metallb)
    test("shipped: the speaker's rights", d.test_speaker_reads)
    test("shipped: the speaker's Secrets", d.test_secrets)
    test("shipped: what the speaker writes", d.test_reports)
    test("shipped: and writes through faults", d.test_reports_through_faults)
    test("shipped: no request was refused", d.test_rights)
    test("shipped: and no further rights", d.test_no_more_rights)
