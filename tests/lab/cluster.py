"""cluster.py - Herald on the lab's nodes: its programs, and what a report shows."""
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess

import objects
import topology
from measure import Not, until
from netns import inside, output
from service import Service

LOGS = "/run/lab/logs"
RESULTS = "/run/lab/results"
KEYS = "/run/lab/keys"
HTTP_PORT = 7472


def write_keys(*keys):
    """The file that all speakers have their liveness keys from, put into place."""
    with open(KEYS + ".new", "w") as f:
        f.writelines(key + "\n" for key in keys)
    os.rename(KEYS + ".new", KEYS)


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
        """{"Rss", "Anonymous", "Pss", "VmHWM"}: all that is resident; what is its own
        and no file's; its own and its share of what it shares (libraries, program
        text); the most that was ever resident."""
        kb = {}
        for file in ("smaps_rollup", "status"):
            with open(f"/proc/{self.popen.pid}/{file}") as f:
                kb |= re.findall(r"^(\w+):\s+(\d+) kB", f.read(), re.M)
        return {key: int(kb[key]) / 1024 for key in ("Rss", "Anonymous", "Pss", "VmHWM")}

    def cpu_sec(self):
        """Time on a processor, of the main thread and the others."""
        total = 0
        for task in os.listdir(f"/proc/{self.popen.pid}/task"):
            with open(f"/proc/{self.popen.pid}/task/{task}/schedstat") as f:
                total += int(f.read().split()[0])
        return total / 1e9

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

    def __init__(self, bin_dir, source):
        """source: an objects.Folder, or what has its verbs."""
        os.makedirs(LOGS)
        self.nodes = topology.build()
        self.by_name = {n.name: n for n in self.nodes}
        self.objects = source
        self.controller = Process("controller", "router", [
            f"{bin_dir}/herald-controller", "--source", source.source("controller"),
            "--namespace", objects.NAMESPACE, "--http", f"127.0.0.1:{HTTP_PORT}"])
        self.speakers = {n.name: Process(f"{n.name}-speaker", n.name, [
            f"{bin_dir}/herald-speaker", "--node-name", n.name,
            "--source", source.source("speaker"), "--namespace", objects.NAMESPACE,
            "--director-name", n.director, "--director-link", "herald0",
            "--drain-time", "3",    # what leaves in one scenario is gone in the next
            "--liveness", "3x100ms", "--liveness-key-file", KEYS, "--http", f":{HTTP_PORT}"])
            for n in self.nodes}
        self.bin_dir = bin_dir
        write_keys("lab")
        self.captures = []
        self.services = {4: Service(self, "web", "IPv4"), 6: Service(self, "web6", "IPv6")}

    def start(self):
        for node in self.nodes:
            self.objects.put(objects.node(node))
            for pod in node.pods:
                self.objects.put(objects.pod(node, pod))
        self.controller.start()
        for speaker in self.speakers.values():
            speaker.start()

    def heraldctl(self, verb, what):
        """Exit status and output of a command of a person in front of the router."""
        with inside("router"):
            done = subprocess.run(
                [f"{self.bin_dir}/heraldctl", verb, "--source", self.objects.source("admin"),
                 "--port", str(HTTP_PORT), what],
                text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        return done.returncode, done.stdout

    def set_liveness(self, liveness):
        """Start the speakers anew with another --liveness."""
        for p in self.speakers.values():
            p.kill()
            p.argv[p.argv.index("--liveness") + 1] = liveness
            p.start()

    @contextlib.contextmanager
    def speakers_with(self, *options):
        """In the `with` block, all speakers run with these options more."""
        def start_anew():
            for p in self.speakers.values():
                p.signal(signal.SIGTERM)
            for p in self.speakers.values():
                p.popen.wait()
                p.start()
        for p in self.speakers.values():
            p.argv += options
        try:
            start_anew()
            yield
        finally:
            for p in self.speakers.values():
                del p.argv[-len(options):]
            start_anew()

    def write_pool(self):
        self.objects.put(objects.pool([topology.POOL, topology.POOL6]))
        self.objects.put(objects.advertisement())

    def capture(self):
        """Record packets on the client and the nodes, for failure reports."""
        for name in ("client", *self.by_name):
            with inside(name):
                self.captures.append(subprocess.Popen(
                    ["tcpdump", "-Z", "root", "-i", "any", "-n", "-s", "160",
                     "-w", f"{LOGS}/{name}.pcap"],
                    stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL))

    def stop_captures(self):
        """For good: where the machine has none to spare for them."""
        for c in self.captures:
            c.terminate()
            c.wait()
        self.captures = []

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

    # --- when it is not so

    def revive(self):
        """What a scenario that failed left dead or stopped goes on."""
        for p in (self.controller, *self.speakers.values()):
            p.signal(signal.SIGCONT)
            if not p.is_running():
                p.start()

    def save_logs(self):
        for name in os.listdir(LOGS):
            shutil.copy(f"{LOGS}/{name}", RESULTS)

    def state_of(self, node, is_full=False):
        """What a person wants to see of a node, as text."""
        show = [
            ("IPVS", (node.director, "ipvsadm", "-Ln")),
            ("nft in the director", (node.director, "nft", "list", "ruleset")),
            ("nft on the node", (node.name, "nft", "list", "table", "inet", "herald")),
            ("rules", (node.name, "ip", "rule")), ("rules6", (node.name, "ip", "-6", "rule"))]
        if is_full:
            show += [
                ("hostile rules", (node.name, "nft", "list", "table", "ip", "hostile")),
                ("hostile rules6", (node.name, "nft", "list", "table", "ip6", "hostile")),
                ("routes", (node.name, "ip", "route", "show", "table", "all")),
                ("routes6", (node.name, "ip", "-6", "route", "show", "table", "all")),
                ("links and addresses", (node.name, "ip", "-br", "address")),
                ("director's addresses", (node.director, "ip", "-br", "address"))]
        text = "".join(f"--- {node.name}: {title}\n{output(*what)}" for title, what in show)
        return text + (f"--- {node.name}: speaker's log\n"
                       f"{self.speakers[node.name].log_tail()}")

    def packets_seen(self, where, lines=30):
        """The last packets that a capture holds: to or from a VIP, tunnelled, ARP, NDP."""
        vips = [v for v in (s.vip() for s in self.services.values()) if v]
        wanted = " or ".join([*(f"host {v}" for v in vips), "arp", "ip proto 4", "ip6 proto 41",
                              "icmp6[0] == 135", "icmp6[0] == 136"])
        with open(f"{LOGS}/{where}.pcap", "rb") as f:
            done = subprocess.run(
                ["tcpdump", "-n", "-r", "-", wanted],
                input=pcap_tail(f.read()), capture_output=True)
        kept = done.stdout.decode().splitlines()[-lines:]
        return f"--- packets at {where}\n" + "\n".join(kept or ["(none)"]) + "\n"

    def flush_captures(self):
        for c in self.captures:
            c.send_signal(signal.SIGUSR2)

    def stop(self):
        for p in (self.controller, *self.speakers.values()):
            p.kill()
        self.stop_captures()
