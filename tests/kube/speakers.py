"""The whole of Herald against the real API server: the control plane runs here, on
loopback; the nodes, with their speakers, in the lab's virtual machine.

The scenarios are tests/lab/api_scenarios.py. What they need of the outside, kubectl
and an API server killed and started again, a small control server here does for them.
"""
import argparse
import base64
import datetime
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import test_daemons
from cluster import USERS, Cluster
from harness import Report, expect

HERE = os.path.dirname(os.path.abspath(__file__))
DEPLOY, LAB = (os.path.join(HERE, "..", "..", d) for d in ("deploy", "tests/lab"))
HOST_IN_VM = "10.0.2.2"
LIMIT_SEC = 5400


def control_server(cluster, away):
    """Serve POST /kubectl {"words": [...]}, /kill and /start on loopback.

    away: a list that gets [from, to] of each time without a ready API server.
    """
    def kubectl(words):
        return cluster.kubectl(*words).stdout

    def kill():
        away.append([now(), None])
        cluster.stop_api(signal.SIGKILL)
        return ""

    def start():
        cluster.start_api()
        away[-1][1] = now()
        return ""

    verbs = {"/kubectl": kubectl, "/kill": kill, "/start": start}

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            args = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            try:
                status, text = 200, verbs[self.path](**args)
            except Exception as e:      # the guest says what became of it
                status, text = 500, str(e)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def now():
    """As audit events have it."""
    return datetime.datetime.utcnow().isoformat() + "Z"


def test_rights(cluster, away):
    """Every request of the two accounts was allowed; a server that is not ready yet
    refuses those of everybody, for it has not read the rules."""
    users = {f"system:serviceaccount:{sa}" for sa in test_daemons.SERVICE_ACCOUNTS.values()}
    events = [e for e in cluster.audit_events() if e["user"].get("username") in users]
    expect({e["user"]["username"] for e in events} == users, "one of them asked for nothing")
    refused = [e for e in events if e.get("responseStatus", {}).get("code") in (401, 403)]
    early = [e for e in refused
             if any(a <= e["requestReceivedTimestamp"] <= b for a, b in away)]
    wrong = {(e["user"]["username"], e["verb"], e["requestURI"].split("?")[0])
             for e in refused if e not in early}
    expect(not wrong, f"refused: {sorted(wrong)}")
    return f"{len(events)} requests, {len(early)} of them refused by a server not yet ready"


def write_kubeconfig(cluster, user, folder):
    """As a pod would have it, but for the address: the certificate is for others."""
    with open(cluster.ca, "rb") as f:
        ca = base64.b64encode(f.read()).decode()
    path = os.path.join(folder, f"{user}.kubeconfig")
    with open(path, "w") as f:
        json.dump({
            "apiVersion": "v1", "kind": "Config", "current-context": "lab",
            "clusters": [{"name": "lab", "cluster": {
                "server": f"https://{HOST_IN_VM}:{cluster.port}",
                "tls-server-name": "kubernetes.default.svc",
                "certificate-authority-data": ca}}],
            "users": [{"name": user, "user": {"token": USERS[user][0]}}],
            "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": user}}]}, f)
    return path


def run_guest(cluster, away, results, config, guest, options=()):
    """Boot a virtual machine against the cluster and run the command `guest` in it, the
    file of the config as its last argument; returns (passed, failed) as it has them."""
    control = control_server(cluster, away)
    path = os.path.join(results, "api.json")
    with open(path, "w") as f:
        json.dump({"port": cluster.port, "token": USERS["admin"][0],
                   "control": control.server_port, **config}, f)
    argv = [f"{LAB}/vm.sh", "-n", "-t", str(LIMIT_SEC), "-r", results, *options, *guest,
            path]
    vm = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    counts = None
    try:
        for line in vm.stdout:
            counts = re.match(r"(\d+) passed, (\d+) failed$", line) or counts
            if not re.match(r"\d+ passed, ", line):
                print(line, end="", flush=True)
        vm.wait()
    finally:
        vm.terminate()
        vm.wait()
        control.shutdown()
    if counts is None:
        print(f"FAIL  the lab ended without a result; see {results}")
        return 0, 1
    return int(counts[1]), int(counts[2])


def run_lab(cluster, away, bin_dir, results, only):
    config = {"kube_proxy": os.path.join(cluster.bin, "kube-proxy"),
              "kubeconfigs": {u: write_kubeconfig(cluster, u, results)
                              for u in ("admin", "controller", "speaker", "proxy")}}
    names = [word for name in only for word in ("--only", name)]
    bird = subprocess.run([f"{LAB}/bird.sh"], check=True, stdout=subprocess.PIPE,
                          text=True).stdout.strip()
    return run_guest(cluster, away, results, config, [
        "env", f"LAB_BIRD={bird}", f"LAB_SPARE={os.environ.get('LAB_SPARE', '0')}",
        "/usr/bin/python3", "-u",
        os.path.realpath(f"{LAB}/lab.py"), bin_dir, *names, "--api"])


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--bin", required=True, help="folder of the Kubernetes binaries")
    p.add_argument("--build", required=True, help="folder of Herald's binaries")
    p.add_argument("--results", required=True, help="where logs are kept")
    p.add_argument("--only", action="append", default=[], help="run only this scenario")
    args = p.parse_args()
    results = os.path.abspath(args.results)
    shutil.rmtree(results, ignore_errors=True)
    os.makedirs(results)
    signal.signal(signal.SIGTERM, lambda *a: sys.exit(1))
    report, away = Report(), []
    cluster = Cluster(args.bin, results, test_daemons.SERVICE_ACCOUNTS)
    try:
        cluster.start()
        daemons = test_daemons.Daemons(SimpleNamespace(c=cluster))
        for what in ("base/namespace.yaml", "crds", "rbac"):
            daemons.apply("-f", os.path.join(DEPLOY, what))
        print("The control plane is up; booting the virtual machine of the nodes.", flush=True)
        passed, failed = run_lab(cluster, away, os.path.abspath(args.build), results, args.only)
        report.passed += passed
        report.failed += failed
        report.run("no request of the two accounts was refused", test_rights,
                   cluster, away)
    finally:
        cluster.stop()
    return report.end()


if __name__ == "__main__":
    sys.exit(main())
