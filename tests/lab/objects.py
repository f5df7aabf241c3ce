"""objects.py - the Kubernetes objects of the lab, and the folder they are put in.

The functions make objects; a Folder is the source `dir:PATH` of the programs: an
object is written beside and renamed into place, as an editor or a deployer does
it. api.py has the same verbs for a real API server.
"""
import json
import os
import time

import echo
import topology

NAMESPACE = "herald-system"         # of pools and advertisements
TCP_PORT, UDP_PORT = 80, 7          # the Services'; the pods' are echo.py's


def node(n, annotations=None):
    return {
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"name": n.name, "labels": {"kubernetes.io/hostname": n.name},
                     "annotations": annotations or {}},
        "spec": {"podCIDR": f"10.244.{n.index}.0/24",
                 "podCIDRs": [f"10.244.{n.index}.0/24", f"fd00:{n.index}::/64"]},
        "status": {
            "addresses": [{"type": "InternalIP", "address": n.ip},
                          {"type": "InternalIP", "address": n.ip6},
                          {"type": "Hostname", "address": n.name}],
            "conditions": [{"type": "Ready", "status": "True"}]}}


def pod(n, name, is_ready=True):
    ip = n.pods[name]
    return {
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", "labels": {"app": "web"}},
        "spec": {"nodeName": n.name, "containers": [{"name": "web", "image": "web"}]},
        "status": {"phase": "Running", "podIP": ip,
                   "podIPs": [{"ip": ip}, {"ip": topology.pod_ip6(n, ip)}],
                   "conditions": [{"type": "Ready", "status": str(bool(is_ready))}]}}


def pool(addresses, name="lan"):
    return {"apiVersion": "heraldlb.io/v1beta1", "kind": "IPAddressPool",
            "metadata": {"name": name, "namespace": NAMESPACE},
            "spec": {"addresses": list(addresses)}}


def advertisement(name="lan"):
    return {"apiVersion": "heraldlb.io/v1beta1", "kind": "L2Advertisement",
            "metadata": {"name": name, "namespace": NAMESPACE},
            "spec": {"ipAddressPools": [name]}}


def profile(name, spec):
    return {"apiVersion": "heraldlb.io/v1beta1", "kind": "ForwardingProfile",
            "metadata": {"name": name, "namespace": NAMESPACE}, "spec": spec}


def service(name, families):
    """families: some of "IPv4" and "IPv6", in the order wanted."""
    cluster_ips = [{"IPv4": "10.96.0.", "IPv6": "fd00:96::"}[f] + str(10 + len(name))
                   for f in families]
    return {
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": name, "namespace": "default", "uid": f"uid-{name}"},
        "spec": {
            "type": "LoadBalancer", "clusterIP": cluster_ips[0], "clusterIPs": cluster_ips,
            "ipFamilies": list(families), "externalTrafficPolicy": "Cluster",
            "ipFamilyPolicy": "RequireDualStack" if len(families) > 1 else "SingleStack",
            "selector": {"app": "web"},
            "ports": [{"name": "tcp", "protocol": "TCP", "port": TCP_PORT,
                       "targetPort": echo.TCP_PORT},
                      {"name": "udp", "protocol": "UDP", "port": UDP_PORT,
                       "targetPort": echo.UDP_PORT}]}}


def endpoint_slice(name, family, endpoints, draining=()):
    """endpoints: (address, name of its node) of each, all ready but the addresses in
    draining, which only serve what they have."""
    return {
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": {"name": f"{name}-{family.lower()}", "namespace": "default",
                     "labels": {"kubernetes.io/service-name": name}},
        "addressType": family,
        "ports": [{"name": "tcp", "protocol": "TCP", "port": echo.TCP_PORT},
                  {"name": "udp", "protocol": "UDP", "port": echo.UDP_PORT}],
        "endpoints": [{"addresses": [ip], "nodeName": on,
                       "conditions": {"ready": ip not in draining, "serving": True,
                                      "terminating": ip in draining}}
                      for ip, on in endpoints]}


class Folder:
    """Manifests in one directory that all nodes share."""

    def __init__(self, path):
        self.path = path
        os.makedirs(path)

    def source(self, _user):
        """What a program's --source is."""
        return f"dir:{self.path}"

    @staticmethod
    def _file(obj):
        return f"{obj['kind']}-{obj['metadata']['name']}".lower()

    def put_text(self, file, text):
        """Put a file into place; returns the moment of the rename."""
        hidden = f"{self.path}/.{file}.new"
        with open(hidden, "w") as f:
            f.write(text)
        os.rename(hidden, f"{self.path}/{file}")
        return time.monotonic()

    def put(self, obj):
        return self.put_text(f"{self._file(obj)}.json", json.dumps(obj, indent=1))

    def remove(self, obj):
        os.unlink(f"{self.path}/{self._file(obj)}.json")
        return time.monotonic()

    def _ingress(self, name):
        try:
            with open(f"{self.path}/.status/Service_default_{name}.json") as f:
                status = json.load(f)["status"]
        except FileNotFoundError:
            return []
        return status["loadBalancer"].get("ingress", [])

    def external_ips(self, name):
        """The addresses in the status of Service default/NAME."""
        return [i["ip"] for i in self._ingress(name)]

    def ip_modes(self, name):
        """Who is to forward for each, as the status has it."""
        return [i.get("ipMode") for i in self._ingress(name)]

    def reports(self, kind):
        """What speakers have written of that kind."""
        found = []
        for name in sorted(os.listdir(f"{self.path}/.status")):
            if name.startswith(f"{kind}_"):
                try:
                    with open(f"{self.path}/.status/{name}") as f:
                        found.append(json.load(f))
                except FileNotFoundError:
                    pass        # gone just now
        return found

    def remove_report(self, obj):
        meta = obj["metadata"]
        os.unlink(f"{self.path}/.status/{obj['kind']}_{meta['namespace']}_{meta['name']}.json")
