"""How fast the controller gives addresses to many Services that are pending when
it starts, beside a client that does nothing but patch statuses, through the same
API server in the same run. Run by controller.sh."""
import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "kube"))
from cluster import USERS, Cluster, Process, free_port
from harness import service, until
from test_daemons import DEPLOY, NS, SERVICE_ACCOUNTS
from test_ha import POOLS, SERVICES, Client

IN_FLIGHT = 16		# as the controller: ACTIVE_MAX in kube/api_write_io.c


class Bench:
    def __init__(self, cluster, args):
        self.c, self.args, self.n = cluster, args, args.services
        self.names = [f"s{i}" for i in range(self.n)]

    def in_parallel(self, fn):
        def work(k):
            http = Client(self.c)
            for name in self.names[k::8]:
                fn(http, name)
        threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()

    def create(self, http, name):
        s = service(name, kind="LoadBalancer")
        s["spec"]["allocateLoadBalancerNodePorts"] = False
        http("POST", SERVICES, s)

    def prepare(self):
        for f in ("base/namespace.yaml", "crds", "rbac"):
            self.c.kubectl("apply", "--validate=false", "-f", os.path.join(DEPLOY, f))
        until(lambda: self.c.http("GET", POOLS), "the pools to be served", 20)
        self.c.http("POST", POOLS, {
            "apiVersion": "heraldlb.io/v1beta1", "kind": "IPAddressPool",
            "metadata": {"name": "all", "namespace": NS},
            "spec": {"addresses": ["10.128.0.0/9"]}})
        start = time.monotonic()
        self.in_parallel(self.create)
        print(f"{self.n} Services made in {time.monotonic() - start:.0f} s", flush=True)

    def server_cpu(self):
        """Of all that serves: it is as busy with whom it tells as with whom it answers."""
        return sum(self.cpu(p.pid) for p in (self.c.api, self.c.etcd, self.c.manager))

    def patch_all(self, body):
        """The yardstick: seconds it takes to patch every status like this, as the account
        that the controller has, and those of processors that the server takes."""
        with tempfile.TemporaryFile("w+") as f:
            for i, name in enumerate(self.names):
                f.write(f"{SERVICES}/{name}/status {json.dumps(body(i))}\n")
            f.seek(0)
            before = self.server_cpu()
            r = subprocess.run(
                [self.args.patcher, f"https://127.0.0.1:{self.c.port}",
                 USERS["controller"][0], str(IN_FLIGHT)], stdin=f, check=True,
                capture_output=True, text=True)
        return float(r.stdout.split()[2]), self.server_cpu() - before

    def plain(self):
        give = lambda i: {"status": {"loadBalancer": {"ingress": [
            {"ip": f"192.0.{i // 250 % 250}.{i % 250}"}]}}}
        clear = lambda i: {"status": {"loadBalancer": None}}
        return self.patch_all(give), self.patch_all(clear)

    def metrics(self, port):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as r:
                return dict(l.rsplit(" ", 1) for l in r.read().decode().splitlines()
                            if l and l[0] != "#")
        except OSError:
            return {}

    def controller(self):
        """Seconds to the last address, to the last Event, and memory."""
        port, before = free_port(), self.server_cpu()
        log = os.path.join(self.args.logs, "bench-controller.log")
        start = time.monotonic()
        p = Process([self.args.controller, "--kubeconfig", self.c.kubeconfig("controller"),
                     "--namespace", NS, "--log-level", "warn",
                     "--http", f"127.0.0.1:{port}"], log)
        try:
            ok = 'herald_status_writes_total{result="ok"}'
            until(lambda: float(self.metrics(port).get(ok, 0)) > 0,
                  lambda: "a first address:\n" + p.tail(), 600, 0.01)
            first = time.monotonic() - start
            until(lambda: float(self.metrics(port).get(ok, 0)) >= self.n,
                  lambda: "all addresses:\n" + p.tail(), 3600, 0.05)
            addressed = time.monotonic() - start
            cpu, server = self.cpu(p.pid), self.server_cpu() - before
            passes = float(self.metrics(port).get("herald_reconcile_seconds_total", 0))
            print(f"controller: first address after {first:.1f} s (to list everything "
                  f"comes before); {cpu:.1f} s of processor time until the last, "
                  f"{passes:.1f} s of it in passes", flush=True)
            peak = self.memory(p.pid, "VmHWM")
            created = 'herald_kube_requests_total{verb="create",code="201"}'
            until(lambda: float(self.metrics(port).get(created, 0)) >= self.n,
                  lambda: "all Events:\n" + p.tail(), 3600, 0.2)
            told = time.monotonic() - start
            dropped = float(self.metrics(port).get("herald_kube_events_dropped_total", 0))
            time.sleep(2)
            return first, addressed, server, told, dropped, peak, self.memory(p.pid, "VmRSS")
        finally:
            p.stop()

    @staticmethod
    def cpu(pid):
        with open(f"/proc/{pid}/stat") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    @staticmethod
    def memory(pid, field):
        with open(f"/proc/{pid}/status") as f:
            return next(int(l.split()[1]) / 1024 for l in f if l.startswith(field + ":"))

    def check(self):
        ips = [i["ip"] for s in self.c.http("GET", "/api/v1/services")["items"]
               for i in s["status"]["loadBalancer"].get("ingress") or []]
        if len(ips) != self.n or len(set(ips)) != self.n:
            raise RuntimeError(f"{len(ips)} addresses, {len(set(ips))} different, "
                               f"for {self.n} Services")

    def run(self):
        self.prepare()
        (give, cpu), (clear, _) = self.plain()
        first, sec, server, told, dropped, peak, rss = self.controller()
        self.check()
        (again, cpu_again), _ = self.plain()
        plain = (give + again) / 2
        print(f"plain parallel status patches: {self.n / give:.0f}/s before, "
              f"{self.n / again:.0f}/s after ({self.n / clear:.0f}/s for clearing them)")
        print(f"controller, from its start to the last address: {sec:.1f} s, "
              f"{self.n / sec:.0f}/s: {100 * plain / sec:.0f} % of the plain rate (aim: 90 %), "
              f"{100 * plain / (sec - first):.0f} % from the first on")
        print(f"the server's processor time: {1e3 * server / self.n:.2f} ms an address, "
              f"{1e3 * (cpu + cpu_again) / 2 / self.n:.2f} ms a plain patch")
        print(f"its last Event after {told:.1f} s, {dropped:.0f} dropped")
        print(f"its memory: {peak:.1f} MB at most while writing, {rss:.1f} MB after "
              "(aim: under 60 MB)")


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--bin", required=True, help="folder of the Kubernetes binaries")
    p.add_argument("--controller", required=True)
    p.add_argument("--patcher", required=True)
    p.add_argument("--logs", required=True)
    p.add_argument("--services", type=int, default=10000)
    args = p.parse_args()
    os.makedirs(args.logs, exist_ok=True)
    cluster = Cluster(args.bin, args.logs, SERVICE_ACCOUNTS)
    try:
        cluster.start()
        Bench(cluster, args).run()
    finally:
        cluster.stop()


if __name__ == "__main__":
    sys.exit(main())
