"""cluster.py - Herald on the lab's nodes, and the objects it is given.

The objects are manifests in one directory that all nodes share; they are
written beside and renamed into place, as an editor or a deployer does it.
"""
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time

import echo
import topology
from measure import Failed, Not, arp_answers, ipvs_table, until
from netns import inside, output

SOURCE = "/run/lab/source"
LOGS = "/run/lab/logs"
RESULTS = "/run/lab/results"
TCP_PORT, UDP_PORT = 80, 7      # the Service's; the pods' are echo.py's
HTTP_PORT = 7472


class Process:
    """One of our programs, ended by its pid."""

    def __init__(self, label, netns, argv):
        self.label, self.netns, self.argv = label, netns, argv
        self.popen = None

    def start(self):
        log = open(f"{LOGS}/{self.label}.log", "ab")
        with log, inside(self.netns):
            self.popen = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL,
                                          stdout=log, stderr=log)

    def is_running(self):
        return self.popen is not None and self.popen.poll() is None

    def signal(self, sig):
        if self.is_running():
            self.popen.send_signal(sig)

    def kill(self):
        self.signal(signal.SIGKILL)
        if self.popen is not None:
            self.popen.wait()

    def log_tail(self, lines=25):
        try:
            with open(f"{LOGS}/{self.label}.log", errors="replace") as f:
                return "".join(f.readlines()[-lines:])
        except FileNotFoundError:
            return "(no log)\n"

    def memory_mb(self):
        """Resident in all, and what is its own: no library or program text."""
        with open(f"/proc/{self.popen.pid}/status") as f:
            text = f.read()
        return [int(re.search(rf"{key}:\s+(\d+)", text)[1]) / 1024
                for key in ("VmRSS", "RssAnon")]

    def get(self, path):
        """The body of an answer of its HTTP server."""
        with inside(self.netns):
            conn = socket.create_connection(("127.0.0.1", HTTP_PORT), timeout=5)
        with conn, conn.makefile("r", newline="") as answer:
            conn.send(f"GET {path} HTTP/1.0\r\n\r\n".encode())
            return answer.read().partition("\r\n\r\n")[2]

    def metrics(self):
        """{"name{labels}": value} of its /metrics."""
        lines = (line.rpartition(" ") for line in self.get("/metrics").splitlines()
                 if line[:1] not in ("#", ""))
        return {name: float(value) for name, _, value in lines}

    def status(self):
        """A speaker's view of things; {} while it cannot be asked."""
        try:
            return json.loads(self.get("/status"))
        except (OSError, ValueError):
            return {}


def pcap_tail(data, packets=300):
    """A capture file's header and its last packets."""
    starts, at = [], 24
    while at + 16 <= len(data):
        starts.append(at)
        at += 16 + int.from_bytes(data[at + 8:at + 12], "little")
    return data[:24] + (data[starts[-packets:][0]:] if starts else b"")


class Lab:
    """The whole of it: network, programs and objects."""

    def __init__(self, bin_dir):
        for d in (SOURCE, LOGS):
            os.makedirs(d)
        self.nodes = topology.build()
        self.by_name = {n.name: n for n in self.nodes}
        self.bin_dir = bin_dir
        self.controller = Process("controller", "router", [
            f"{bin_dir}/herald-controller", "--source", f"dir:{SOURCE}",
            "--namespace", "herald-system", "--http", f"127.0.0.1:{HTTP_PORT}"])
        self.speakers = {n.name: Process(f"{n.name}-speaker", n.name, [
            f"{bin_dir}/herald-speaker", "--node-name", n.name,
            "--source", f"dir:{SOURCE}", "--namespace", "herald-system",
            "--director-name", n.director, "--director-link", "herald0",
            "--liveness", "3x100ms", "--http", f"127.0.0.1:{HTTP_PORT}"])
            for n in self.nodes}
        self.captures = []
        self.members = [pod for n in self.nodes for pod in n.pods
                        if pod[-1] in topology.PODS_PER_NODE]

    def start(self):
        for node in self.nodes:
            self.write_node(node)
        self.controller.start()
        for speaker in self.speakers.values():
            speaker.start()

    def capture(self):
        """Record packets on the client and the nodes, for failure reports."""
        for name in ("client", *self.by_name):
            with inside(name):
                self.captures.append(subprocess.Popen(
                    ["tcpdump", "-Z", "root", "-i", "any", "-n", "-s", "160",
                     "-w", f"{LOGS}/{name}.pcap"],
                    stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL))

    def pod_ip(self, pod):
        return self.by_name[pod[:2]].pods[pod]

    # --- objects

    def write(self, name, obj):
        """Put an object into place; returns the moment of the rename."""
        hidden = f"{SOURCE}/.{name}.new"
        with open(hidden, "w") as f:
            json.dump(obj, f, indent=1)
        os.rename(hidden, f"{SOURCE}/{name}.json")
        return time.monotonic()

    def write_text(self, name, text):
        hidden = f"{SOURCE}/.{name}.new"
        with open(hidden, "w") as f:
            f.write(text)
        os.rename(hidden, f"{SOURCE}/{name}.yaml")

    def delete(self, name):
        os.unlink(f"{SOURCE}/{name}.json")
        return time.monotonic()

    def write_node(self, node):
        self.write(f"node-{node.name}", {
            "apiVersion": "v1", "kind": "Node",
            "metadata": {"name": node.name, "labels": {"kubernetes.io/hostname": node.name}},
            "spec": {"podCIDRs": [f"10.244.{node.index}.0/24", f"fd00:{node.index}::/64"]},
            "status": {
                "addresses": [{"type": "InternalIP", "address": node.ip},
                              {"type": "InternalIP", "address": node.ip6},
                              {"type": "Hostname", "address": node.name}],
                "conditions": [{"type": "Ready", "status": "True"}]}})
        for pod, ip in node.pods.items():
            self.write(f"pod-{pod}", {
                "apiVersion": "v1", "kind": "Pod",
                "metadata": {"name": pod, "namespace": "default", "labels": {"app": "web"}},
                "spec": {"nodeName": node.name},
                "status": {"phase": "Running", "podIP": ip,
                           "podIPs": [{"ip": ip}, {"ip": topology.pod_ip6(node, ip)}]}})

    def write_pool(self):
        self.write_text("pool", f"""\
apiVersion: heraldlb.io/v1beta1
kind: IPAddressPool
metadata:
  name: lan
  namespace: herald-system
spec:
  addresses:
  - {topology.POOL}
---
apiVersion: heraldlb.io/v1beta1
kind: L2Advertisement
metadata:
  name: lan
  namespace: herald-system
spec:
  ipAddressPools: [lan]
""")

    def write_service(self, name="web"):
        return self.write(f"service-{name}", {
            "apiVersion": "v1", "kind": "Service",
            "metadata": {"name": name, "namespace": "default", "uid": f"uid-{name}"},
            "spec": {
                "type": "LoadBalancer", "clusterIP": "10.96.0.10",
                "clusterIPs": ["10.96.0.10"], "ipFamilies": ["IPv4"],
                "ipFamilyPolicy": "SingleStack", "externalTrafficPolicy": "Cluster",
                "selector": {"app": "web"},
                "ports": [
                    {"name": "tcp", "protocol": "TCP", "port": TCP_PORT,
                     "targetPort": echo.TCP_PORT},
                    {"name": "udp", "protocol": "UDP", "port": UDP_PORT,
                     "targetPort": echo.UDP_PORT}]}})

    def write_slice(self, members=None, name="web"):
        """The EndpointSlice of a Service; returns the moment of the rename."""
        if members is not None:
            self.members = list(members)
        return self.write(f"slice-{name}", {
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
            "metadata": {"name": f"{name}-x1", "namespace": "default",
                         "labels": {"kubernetes.io/service-name": name}},
            "addressType": "IPv4",
            "ports": [{"name": "tcp", "protocol": "TCP", "port": echo.TCP_PORT},
                      {"name": "udp", "protocol": "UDP", "port": echo.UDP_PORT}],
            "endpoints": [{"addresses": [self.pod_ip(pod)], "nodeName": pod[:2],
                           "conditions": {"ready": True, "serving": True,
                                          "terminating": False}}
                          for pod in self.members]})

    # --- what is so

    def vip(self, name="web"):
        """The address in the Service's status, or None."""
        for folder, _dirs, files in os.walk(f"{SOURCE}/.status"):
            for file in files:
                with open(f"{folder}/{file}", errors="replace") as f:
                    text = f.read()
                if name in f"{folder}/{file}" and "ingress" in text:
                    found = re.search(r'"?ip"?:\s*"?([0-9a-f.:]+)"?', text)
                    if found:
                        return found[1]
        return None

    def programmed(self, node, vip, members=None):
        """True, or a Not that says what IPVS of the node's director lacks."""
        want = sorted(self.pod_ip(p) for p in (self.members if members is None else members))
        table = ipvs_table(node.director)
        for proto, port in (("TCP", TCP_PORT), ("UDP", UDP_PORT)):
            have = table.get((proto, vip, port))
            if have is None:
                return Not(f"{node.name}: IPVS has no {proto} {vip}:{port}")
            if sorted(d.ip for d in have) != want:
                return Not(f"{node.name}: IPVS {proto} {vip}:{port} has "
                           f"{[d.ip for d in have]}, want {want}")
        return True

    def owners(self, vip, wait_sec=0.25):
        """Names of the nodes that answer ARP for vip within wait_sec."""
        macs = arp_answers("client", topology.lan_mac(100), topology.CLIENT_IP, vip, wait_sec)
        names = {n.mac: n.name for n in self.nodes}
        return {names.get(mac, mac) for mac in macs}

    def owner(self, vip):
        """The one node that answers for vip."""
        def look():
            who = self.owners(vip)
            return list(who) if len(who) == 1 else Not(f"answered by {sorted(who) or 'nobody'}")
        name = until(f"one node to answer ARP for {vip}", look, 10)[0]
        if name not in self.by_name:
            raise Failed("a node to answer ARP", f"{name} answered for {vip}")
        return self.by_name[name]

    def wait_ready(self):
        """Wait until all programs run and the speakers see one another."""
        def look():
            for p in (self.controller, *self.speakers.values()):
                if not p.is_running():
                    return Not(f"{p.label} has ended, status {p.popen.returncode}")
            for name, speaker in self.speakers.items():
                seen = speaker.status().get("nodes", [])
                if [n["state"] for n in seen] != ["up"] * (len(self.nodes) - 1):
                    return Not(f"{name} sees {seen or 'nobody'}")
            return True
        until("the controller and the speakers to be up", look, 20, every_sec=0.05)

    def agreed_owner(self, vip):
        """The node that all speakers, all up and of one mind, and ARP name; or a Not."""
        said = {}
        for name, speaker in self.speakers.items():
            status = speaker.status()
            down = [n["name"] for n in status.get("nodes", []) if n["state"] != "up"]
            if down or len(status.get("nodes", [])) < len(self.nodes) - 1:
                return Not(f"{name} does not see {down or 'the others'} up")
            said[name] = [v.get("owner") for v in status["vips"] if v["ip"] == vip]
        if len({str(owner) for owner in said.values()}) != 1:
            return Not(f"the speakers disagree on the owner of {vip}: {said}")
        who = self.owners(vip)
        if [*who] != said[name]:
            return Not(f"{said[name]} should answer ARP for {vip}, {sorted(who)} do")
        return self.by_name[who.pop()]

    def settle(self, limit_sec=15):
        """Wait until every node is up and programmed and one owns the VIP.

        Returns the VIP and its owner.
        """
        for node in self.nodes:
            if not self.speakers[node.name].is_running():
                raise Failed("the speaker to run", f"{node.name}'s has ended: "
                             f"status {self.speakers[node.name].popen.returncode}", node)
        vip = until("the Service to have an address", self.vip, limit_sec)
        for node in self.nodes:
            until(f"{node.name} to be programmed",
                  lambda n=node: self.programmed(n, vip), limit_sec, node=node)
        return vip, until("all speakers to agree", lambda: self.agreed_owner(vip), limit_sec,
                          every_sec=0.05)

    # --- when it is not so

    def save_logs(self):
        for name in os.listdir(LOGS):
            shutil.copy(f"{LOGS}/{name}", RESULTS)

    def state_of(self, node, is_full=False):
        """What a person wants to see of a node, as text."""
        show = [
            ("IPVS", (node.director, "ipvsadm", "-Ln")),
            ("nft in the director", (node.director, "nft", "list", "ruleset")),
            ("nft on the node", (node.name, "nft", "list", "table", "inet", "herald")),
            ("rules", (node.name, "ip", "rule"))]
        if is_full:
            show += [
                ("hostile rules", (node.name, "nft", "list", "table", "ip", "hostile")),
                ("routes", (node.name, "ip", "route", "show", "table", "all")),
                ("links and addresses", (node.name, "ip", "-br", "address")),
                ("director's addresses", (node.director, "ip", "-br", "address"))]
        text = "".join(f"--- {node.name}: {title}\n{output(*what)}" for title, what in show)
        return text + (f"--- {node.name}: speaker's log\n"
                       f"{self.speakers[node.name].log_tail()}")

    def packets_seen(self, where, vip, lines=30):
        """The last packets to or from vip that a capture holds."""
        with open(f"{LOGS}/{where}.pcap", "rb") as f:
            done = subprocess.run(
                ["tcpdump", "-n", "-r", "-", f"host {vip} or arp or ip proto 4"],
                input=pcap_tail(f.read()), capture_output=True)
        kept = done.stdout.decode().splitlines()[-lines:]
        return f"--- packets at {where}\n" + "\n".join(kept or ["(none)"]) + "\n"

    def flush_captures(self):
        for c in self.captures:
            c.send_signal(signal.SIGUSR2)

    def stop(self):
        for p in (self.controller, *self.speakers.values()):
            p.kill()
        for c in self.captures:
            c.terminate()
            c.wait()
