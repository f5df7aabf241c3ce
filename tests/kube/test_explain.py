"""heraldctl explain on the API server: with the rights of the shipped ClusterRole
herald-operator, and speakers asked by way of the server's proxy."""
import os
import subprocess

from harness import expect, service, until
from test_daemons import DEPLOY, NS, POOLS, SERVICES, Daemons, pool
from test_drain import ROLE, Speaker, own_ip

NODE, VIP = "explained", "203.0.113.205"
SLICES = "/apis/discovery.k8s.io/v1beta1/namespaces/default/endpointslices"


class Owner(Speaker):
    """A speaker that announces VIP."""

    def status(self):
        return {"node": NODE, "vips": [{"ip": VIP, "owner": NODE, "programmed": True,
                                        "announced": True}]}


class Explain:
    def __init__(self, suite):
        self.c = suite.c
        self.daemons = Daemons(suite)
        self.ctl = os.path.join(os.path.dirname(suite.programs["controller"]), "heraldctl")

    def run(self, *words):
        config = self.c.kubeconfig("nobody", None, "explain")
        r = subprocess.run([self.ctl, "explain", "--source", "kubeconfig:" + config, *words],
                           capture_output=True, text=True, timeout=90)
        return r.returncode, r.stdout + r.stderr

    def says(self, status, line, *words):
        """Until heraldctl ends so, with such a line."""
        def look():
            self.last = self.run(*words)
            return self.last[0] == status and line in self.last[1].splitlines()
        until(look, lambda: f"{line!r}, status {status}; it says {self.last}", 20, 0.3)

    def prepare(self):
        for what in ("base/namespace.yaml", "crds"):
            self.daemons.apply("-f", os.path.join(DEPLOY, what))
        self.c.kubectl("apply", "-f", ROLE)
        self.c.kubectl("create", "clusterrolebinding", "explainer",
                       "--clusterrole=herald-operator", "--user=nobody")
        self.c.http("POST", "/api/v1/nodes", {"metadata": {"name": NODE}})
        self.c.http("PATCH", f"/api/v1/nodes/{NODE}/status", {"status": {"addresses": [
            {"type": "InternalIP", "address": own_ip()}]}},
            ctype="application/merge-patch+json")
        until(lambda: self.c.http("GET", POOLS), "the pools to be served", 20)
        self.c.http("POST", POOLS, pool("explained", {"addresses": ["203.0.113.204/30"]}))

    def test_explain(self):
        """From a Service that is not there to one that is reached."""
        self.prepare()
        speaker = Owner(own_ip())
        what = ("--namespace", NS, "--port", str(speaker.port), "svc/default/explained")
        try:
            self.says(1, "STOP service     there is no Service default/explained; see "
                      "kubectl get services -A", *what)
            svc = service("explained", kind="LoadBalancer", selector={"app": "none"})
            svc["spec"]["loadBalancerIP"] = VIP
            self.c.http("POST", SERVICES, svc)
            self.says(1, f"STOP address     none, though {VIP} is to be had: no "
                      "herald-controller is at work, or it may not write services/status; "
                      "see its log, and the Lease herald-controller", *what)
            self.c.http("PATCH", f"{SERVICES}/explained/status", {"status": {"loadBalancer": {
                "ingress": [{"ip": VIP}]}}}, ctype="application/merge-patch+json")
            self.says(1, "traffic stops at: endpoints", *what)
            self.c.http("POST", SLICES, {
                "apiVersion": "discovery.k8s.io/v1beta1", "kind": "EndpointSlice",
                "metadata": {"name": "explained-x",
                             "labels": {"kubernetes.io/service-name": "explained"}},
                "addressType": "IPv4", "endpoints": [{"addresses": ["10.1.0.1"]}],
                "ports": [{"name": "", "port": 80, "protocol": "TCP"}]})
            self.says(0, f"ok   announced   {VIP} by {NODE} by ARP", *what)
            expect("nothing stops traffic" in self.last[1].splitlines(), self.last[1])
            return "four states of one Service, its speaker asked by way of the proxy"
        finally:
            speaker.stop()
            self.c.kubectl("delete", "clusterrolebinding", "explainer")
            self.c.http("DELETE", f"/api/v1/nodes/{NODE}")
            self.c.http("DELETE", f"{SERVICES}/explained")
            self.c.http("DELETE", f"{POOLS}/explained")


def run(suite, test):
    test("explain, with the operator's rights", Explain(suite).test_explain)
