"""api.py - a real API server as the lab's source, and the way to it.

The server runs on the machine that runs the VM, beside a small control server
that does for us what a person there would do: kubectl, and killing the API server.
See tests/kube/speakers.py.
"""
import http.client
import json
import ssl
import subprocess
import time

from netns import ip_batch
from objects import NAMESPACE

HOST = "10.0.2.2"       # the machine's loopback, as its VM sees it
PLURALS = {"Node": "nodes", "Pod": "pods", "Service": "services",
           "Event": "events", "EndpointSlice": "endpointslices",
           "IPAddressPool": "ipaddresspools", "L2Advertisement": "l2advertisements",
           "ForwardingProfile": "forwardingprofiles",
           "ServiceL2Status": "servicel2statuses", "Secret": "secrets",
           "ConfigMap": "configmaps", "Community": "communities",
           "BGPPeer": "bgppeers", "BGPAdvertisement": "bgpadvertisements",
           "BFDProfile": "bfdprofiles", "BGPSessionState": "bgpsessionstates",
           "ServiceBGPStatus": "servicebgpstatuses"}


def connect_network():
    """Everything in the lab reaches HOST by its default route: through the router,
    from there to the guest's own namespace and its network card."""
    subprocess.run(["ip", "-batch", "-"], text=True, check=True, input="""
        link set eth0 up
        addr add 10.0.2.15/24 dev eth0
        link add lab0 type veth peer name api0 netns router
        addr add 192.168.77.1/30 dev lab0
        link set lab0 up
        route add 10.0.0.0/24 via 192.168.77.2""")
    ip_batch("router", ["addr add 192.168.77.2/30 dev api0", "link set api0 up",
                        f"route add {HOST} via 192.168.77.1"])
    with open("/proc/sys/net/ipv4/ip_forward", "w") as f:
        f.write("1")
    subprocess.run(["nft", "-f", "-"], text=True, check=True, input="""
        table ip lab {
            chain out {
                type nat hook postrouting priority srcnat;
                oifname eth0 masquerade
            }
        }""")


class ApiError(Exception):
    def __init__(self, code, text):
        super().__init__(f"HTTP {code}: {text[:300]}")
        self.code = code


def path_of(obj):
    """Of the collection an object is in."""
    group, _, version = obj["apiVersion"].rpartition("/")
    ns = obj["metadata"].get("namespace")
    return (f"/apis/{group}/{version}" if group else f"/api/{version}") + (
        f"/namespaces/{ns}" if ns else "") + "/" + PLURALS[obj["kind"]]


class Server:
    """Verbs of objects.Folder for the API server, as its administrator."""

    def __init__(self, config):
        with open(config) as f:
            self.config = json.load(f)
        self.conn = None

    def source(self, user):
        return "kubeconfig:" + self.config["kubeconfigs"][user]

    def request(self, method, path, body=None, kind="application/json"):
        """The answer's object; ApiError where it is refused."""
        if self.conn is None:
            self.conn = http.client.HTTPSConnection(
                HOST, self.config["port"], timeout=20, context=ssl._create_unverified_context())
        try:
            self.conn.request(method, path, None if body is None else json.dumps(body), {
                "Authorization": "Bearer " + self.config["token"], "Content-Type": kind})
            answer = self.conn.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException):
            self.conn = None
            raise
        if answer.status >= 300:
            raise ApiError(answer.status, text.decode())
        return json.loads(text)

    def put(self, obj):
        """Create or change an object, with its status; returns when it was done."""
        try:
            self.request("POST", path_of(obj), obj)
        except ApiError as e:
            if e.code != 409:
                raise
            self.patch(f"{path_of(obj)}/{obj['metadata']['name']}", obj)
        return self.patch_status(obj) if "status" in obj else time.monotonic()

    def remove(self, obj):
        self.request("DELETE", f"{path_of(obj)}/{obj['metadata']['name']}")
        return time.monotonic()

    def patch_status(self, obj):
        return self.patch(f"{path_of(obj)}/{obj['metadata']['name']}/status",
                          {"status": obj["status"]})

    def patch(self, path, body):
        """A merge patch; returns when it was answered."""
        self.request("PATCH", path, body, "application/merge-patch+json")
        return time.monotonic()

    def external_ips(self, name):
        try:
            svc = self.request("GET", f"/api/v1/namespaces/default/services/{name}")
        except ApiError as e:
            if e.code != 404:
                raise
            return []
        return [i["ip"] for i in svc["status"]["loadBalancer"].get("ingress") or []]

    def items(self, version, kind, ns=None):
        """All objects of a kind, in a namespace or in all, each complete."""
        path = path_of({"apiVersion": version, "kind": kind, "metadata": {"namespace": ns}})
        return [dict(r, apiVersion=version, kind=kind)
                for r in self.request("GET", path)["items"]]

    def reports(self, kind):
        """What speakers have written of that kind."""
        return self.items("heraldlb.io/v1beta1", kind, NAMESPACE)

    def remove_report(self, obj):
        self.remove(obj)

    # --- on the machine outside

    def _control(self, what, **args):
        conn = http.client.HTTPConnection(HOST, self.config["control"], timeout=120)
        conn.request("POST", f"/{what}", json.dumps(args))
        answer = conn.getresponse()
        text = answer.read().decode()
        conn.close()
        if answer.status != 200:
            raise RuntimeError(f"{what}: {text}")
        return text

    def kubectl(self, *words):
        return self._control("kubectl", words=words)

    def kill_api(self):
        self._control("kill")
        self.conn = None

    def start_api(self):
        """Returns when the server is ready."""
        self._control("start")
