"""node.py CONFIG - in the guest: a node of a real cluster. Its kubelet and containerd
run Herald's image by Herald's manifests, kube-proxy is beside it; see
tests/kube/node.py.

    client 10.0.0.9 -- lan0 10.0.0.1 [the guest: node "node1"] -- cni0 -- pods
                                            |
                                          eth0 -- 10.0.2.2, the API server
"""
import http.client
import json
import os
import socket
import subprocess
import sys
import threading
import time
import traceback

import api
import netns
from measure import Failed, Not, until

NODE, NODE_IP, CLIENT_IP, VIP = "node1", "10.0.0.1", "10.0.0.9", "10.0.0.50"
NS = "herald-system"
LOGS = "/run/lab/results"
CNI = {"cniVersion": "0.4.0", "name": "pods", "plugins": [
    {"type": "bridge", "bridge": "cni0", "isGateway": True, "ipMasq": True,
     "hairpinMode": True, "ipam": {
         "type": "host-local", "ranges": [[{"subnet": "10.244.0.0/24"}]],
         "routes": [{"dst": "0.0.0.0/0"}]}}]}
CONTAINERD = """
version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/idle:test"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{bin}/usr/lib/cni"
    conf_dir = "/run/cni"
"""
KUBELET = {
    "apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration",
    "authentication": {"anonymous": {"enabled": True}, "webhook": {"enabled": False}},
    "authorization": {"mode": "AlwaysAllow"}, "cgroupDriver": "cgroupfs",
    "failSwapOn": False, "imageGCHighThresholdPercent": 100,
    "evictionHard": {"memory.available": "1Mi", "nodefs.available": "0%"}}


def run(*argv):
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as f:
        f.write(text)
    return path


def start(name, *argv, env=None):
    with open(f"{LOGS}/{name}.log", "w") as log:
        return subprocess.Popen(argv, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                                env=dict(os.environ, **(env or {})))


def make_host():
    """What a distribution has done before a kubelet starts."""
    modules = os.path.dirname(open("/proc/sys/kernel/modprobe").read().strip())
    run("modprobe", "-d", modules, "-a", "overlay", "br_netfilter", "veth", "bridge",
        "virtio_net", "af_packet")
    run("mount", "--make-rshared", "/")
    run("mount", "-t", "cgroup2", "cgroup2", "/sys/fs/cgroup")
    for d in ("/var/lib", "/var/log"):
        run("mount", "-t", "tmpfs", "-o", "mode=755", "tmp", d)
    os.makedirs("/run/lib/modules")
    run("mount", "-t", "overlay", "-o", "lowerdir=/usr/lib:/run/lib", "overlay", "/usr/lib")
    run("mount", "--bind", f"{modules}/lib/modules", "/usr/lib/modules")
    netns.create("client")
    run("ip", "link", "add", "lan0", "type", "veth", "peer", "name", "eth0", "netns",
        "client")
    netns.ip_batch("client", [f"addr add {CLIENT_IP}/24 dev eth0", "link set eth0 up"])
    subprocess.run(["ip", "-batch", "-"], text=True, check=True, input=f"""
        addr add {NODE_IP}/24 dev lan0
        link set lan0 up
        link set eth0 up
        addr add 10.0.2.15/24 dev eth0
        route add default via {api.HOST}""")
    for key in ("ipv4/ip_forward", "bridge/bridge-nf-call-iptables"):
        write(f"/proc/sys/net/{key}", "1")
    write("/run/cni/10-pods.conflist", json.dumps(CNI))


def start_node(config):
    """Containerd with the images, kubelet and kube-proxy."""
    packages, kube = config["packages"], config["kube"]
    os.environ["PATH"] = f"{packages}/usr/bin:{packages}/usr/sbin:" + os.environ["PATH"]
    conf = write("/run/containerd.toml", CONTAINERD.format(bin=packages))
    start("containerd", "containerd", "--config", conf)
    until("containerd to answer", lambda: subprocess.run(
        ["ctr", "version"], capture_output=True).returncode == 0, 60, 0.5)
    for image in config["images"]:
        run("ctr", "-n", "k8s.io", "images", "import", image)
    conf = write("/run/kubelet.json", json.dumps(KUBELET))
    start("kubelet", f"{kube}/kubelet", "--config", conf, "--kubeconfig",
          config["kubeconfig"], "--container-runtime=remote",
          "--container-runtime-endpoint=unix:///run/containerd/containerd.sock",
          f"--hostname-override={NODE}", f"--node-ip={NODE_IP}")
    start("kube-proxy", f"{kube}/kube-proxy", "--kubeconfig", config["kubeconfig"],
          f"--hostname-override={NODE}", "--proxy-mode=iptables",
          "--cluster-cidr=10.244.0.0/16", "--conntrack-max-per-core=0")


class Cluster(api.Server):
    """The API server, as its administrator."""

    def pods(self, component):
        path = (f"/api/v1/namespaces/{NS}/pods?labelSelector="
                f"app.kubernetes.io/component={component}")
        return self.request("GET", path)["items"]

    def ready(self, component, nwanted):
        """So many pods, all ready and none on its way out."""
        pods = self.pods(component)
        ready = [p for p in pods if "deletionTimestamp" not in p["metadata"] and any(
            c["type"] == "Ready" and c["status"] == "True"
            for c in p["status"].get("conditions") or [])]
        if len(pods) == len(ready) == nwanted:
            return [p["metadata"]["name"] for p in ready]
        return Not("; ".join(f"{p['metadata']['name']} {states(p)}" for p in pods) or
                   "there is none")


def states(pod):
    status = pod["status"]
    return [status.get("phase")] + [
        c["state"].get("waiting") or c["state"].get("terminated") or "running"
        for c in (status.get("initContainerStatuses") or []) +
        (status.get("containerStatuses") or [])]


def ask(vip=VIP, limit_sec=3):
    """GET / by the client: the pod that answered and the client as it saw it."""
    with netns.inside("client"):
        conn = http.client.HTTPConnection(vip, 80, timeout=limit_sec)
        try:
            conn.request("GET", "/cgi-bin/who")
            return conn.getresponse().read().decode().split()
        except (OSError, http.client.HTTPException) as e:
            return Not(f"the client: {e!r}")
        finally:
            conn.close()


class Echoes:
    """Connections of the client to port 7, each told a line now and then by a thread."""

    def __init__(self, count):
        self.errors, self.nsaid, self.socks = [], 0, []
        for _ in range(count):
            with netns.inside("client"):
                self.socks.append(socket.create_connection((VIP, 7), timeout=5))
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.talk, daemon=True)

    def talk(self):
        while not self.stop.wait(0.02):
            for s in list(self.socks):
                try:
                    s.sendall(b"%d\n" % self.nsaid)
                    if int(s.makefile().readline() or -1) != self.nsaid:
                        raise OSError("another answer")
                except (OSError, ValueError) as e:
                    self.errors.append(repr(e))
                    self.socks.remove(s)
                self.nsaid += 1

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_exc):
        self.stop.set()
        self.thread.join()
        for s in self.socks:
            s.close()


def programs():
    """(name, pid) of Herald's programs, whatever container they are in."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/comm") as f:
                name = f.read().strip()
        except OSError:
            continue            # it has just ended
        if name.startswith("herald-"):
            yield name, pid


def installed(cluster):
    """What is shipped starts, and its pods are ready, controllers beside speaker."""
    until("the speaker's pod to be ready", lambda: cluster.ready("speaker", 1), 180, 1)
    until("both controllers' pods to be ready", lambda: cluster.ready("controller", 2),
          60, 1)
    usage = {}
    for component, pid in programs():
        with open(f"/proc/{pid}/status") as f:
            usage[component] = next(int(line.split()[1]) for line in f
                                    if line.startswith("RssAnon:")) / 1000
    return ", ".join(f"{name} {mb:.1f} MB" for name, mb in sorted(usage.items())) + " (anonymous)"


def served(cluster):
    """A Service's address answers from all pods, and they see the client's."""
    until(f"{VIP} to answer", ask, 60, 0.5)
    seen = {}
    for _ in range(40):
        answer = ask()
        if not answer:
            raise Failed(f"{VIP} to answer", str(answer))
        seen[answer[0]] = seen.get(answer[0], 0) + 1
        if answer[1].strip("[]").removeprefix("::ffff:") != CLIENT_IP:
            raise Failed(f"the pod to see {CLIENT_IP}", f"it saw {answer[1]}")
    if len(seen) != 3:
        raise Failed("three pods to be reached", f"{seen}")
    return ", ".join(f"{n} {seen[n]}" for n in sorted(seen))


def speaker_replaced(cluster):
    """The speaker's pod is deleted and made anew: nothing is lost."""
    old = cluster.ready("speaker", 1)[0]
    nasked, since = 0, time.monotonic()
    with Echoes(10) as echoes:
        cluster.request("DELETE", f"/api/v1/namespaces/{NS}/pods/{old}")
        while not (new := cluster.ready("speaker", 1)) or new[0] == old:
            answer = ask()
            if not answer:
                raise Failed("each request to be answered", str(answer))
            nasked += 1
            if time.monotonic() > since + 120:
                raise Failed("a new pod within two minutes", str(new))
        took = time.monotonic() - since
    if echoes.errors:
        raise Failed("ten connections to live on", f"{echoes.errors}")
    return (f"ready again after {took:.1f} s; {nasked} requests and {echoes.nsaid} words on "
            "10 open connections answered")


def cleaned_up(cluster):
    """Without Herald and after deploy/cleanup nothing of it is on the node."""
    for kind in ("daemonset", "deployment"):
        cluster.kubectl("-n", NS, "delete", kind, "--all", "--timeout=60s")
    if "herald" not in run("ip", "netns"):
        raise Failed("the director to outlive its speaker", "it is gone")
    cluster.kubectl("apply", "-f", cluster.config["cleanup"])
    until("the cleanup's pod to be ready", lambda: cluster.ready("cleanup", 1), 60, 1)
    left = {" ".join(look): text for look in (
        ("ip", "netns"), ("nft", "list", "tables"), ("ip", "rule"), ("ip", "-6", "rule"),
        ("ip", "-o", "link"), ("ip", "route", "show", "table", "all"))
        if "herald" in (text := run(*look)) or "7777" in text}
    if left:
        raise Failed("no trace of Herald", f"{left}")
    return "no namespace, link, rule, route or table of ours is left"


SCENARIOS = [installed, served, speaker_replaced, cleaned_up]


def explain(cluster):
    for component in ("controller", "speaker", "cleanup"):
        for pod in cluster.pods(component):
            print(f"--- {pod['metadata']['name']} {states(pod)}")
    for folder, _dirs, files in os.walk("/var/log/pods"):
        for name in files:
            print(f"--- {folder}/{name}\n" + run("tail", "-n", "12", f"{folder}/{name}"))
    for log in ("containerd", "kubelet", "kube-proxy"):
        print(f"--- {log}\n" + run("tail", "-n", "12", f"{LOGS}/{log}.log"))


def main():
    cluster = Cluster(sys.argv[1])
    make_host()
    start_node(cluster.config)
    print(f"The node's programs run, {time.monotonic():.0f} s after the kernel began.",
          flush=True)
    passed = failed = 0
    for scenario in SCENARIOS:
        since = time.monotonic()
        try:
            figures = scenario(cluster)
            passed += 1
            print(f"ok    {scenario.__name__} ({time.monotonic() - since:.1f} s) {figures}",
                  flush=True)
        except Exception as e:
            failed += 1
            if not isinstance(e, Failed):
                traceback.print_exc(file=sys.stdout)
            print(f"FAIL  {scenario.__name__}: {e}", flush=True)
            if failed == 1:
                explain(cluster)
    print(f"{passed} passed, {failed} failed", flush=True)
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
