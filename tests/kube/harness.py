"""What the API tests are made of: a reporter, and a client whose store is
compared with what the server holds."""
import json
import os
import subprocess
import threading
import time

from cluster import ApiError

# Kinds of the store, and where the server keeps them.
PATHS = {
    "Service": "/api/v1/services",
    "EndpointSlice": "/apis/discovery.k8s.io/v1beta1/endpointslices",
    "Node": "/api/v1/nodes",
    "Namespace": "/api/v1/namespaces",
    "Pod": "/api/v1/pods",
    "IPAddressPool": "/apis/heraldlb.io/v1beta1/ipaddresspools",
    "L2Advertisement": "/apis/heraldlb.io/v1beta1/l2advertisements",
}


class Failure(Exception):
    pass


def expect(ok, why):
    if not ok:
        raise Failure(why)


def until(check, what, sec=15, step=0.05):
    """Wait until check() is true; what it returned last goes into the reason."""
    end = time.monotonic() + sec
    while True:
        got = check()
        if got:
            return got
        if time.monotonic() > end:
            raise Failure(f"waited {sec} s for: {what() if callable(what) else what}")
        time.sleep(step)


class Report:
    def __init__(self):
        self.passed = self.failed = 0

    def run(self, name, fn, *args, **kw):
        start = time.monotonic()
        try:
            note = fn(*args, **kw)
        except Exception as e:		# a broken test is a failed one
            self.failed += 1
            print(f"FAIL  {name}: {type(e).__name__ + ': ' if not isinstance(e, Failure) else ''}{e}",
                  flush=True)
            return False
        self.passed += 1
        sec = time.monotonic() - start
        print(f"ok    {name} ({sec:.1f} s){': ' + note if note else ''}", flush=True)
        return True

    def end(self):
        print(f"{self.passed} passed, {self.failed} failed")
        return 0 if self.failed == 0 and self.passed > 0 else 1


class Dump:
    """tests/kube/storedump, and what it has said."""

    def __init__(self, program, source, kinds, log, ns="", node=None, group=None, env=None):
        self.kinds = kinds
        self.lock = threading.Lock()
        self.state, self.deleted, self.patches, self.metrics = {}, [], [], []
        self.details = {}       # what is told of an object besides
        self.nlines, self.is_synced, self.metrics_done = 0, False, False
        self.log = open(log, "w")
        self.log_path = log
        argv = [program, source, ",".join(kinds)] + ([ns] if ns or node else []) + (
            [node] if node else []) + ([group] if group else [])
        self.child = subprocess.Popen(argv, stdin=subprocess.PIPE, text=True,
                                      stdout=subprocess.PIPE, stderr=self.log,
                                      env=dict(os.environ, **(env or {})))
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        for line in self.child.stdout:
            with self.lock:
                self.line(line.rstrip("\n"))

    def line(self, line):
        self.nlines += 1
        what, _, rest = line.partition(" ")
        if what == "=":
            self.is_synced = True
        elif what == "+":
            kind, key, rv, *details = rest.split(" ", 3)
            self.state[kind, key] = rv
            self.details[kind, key] = details[0] if details else ""
        elif what == "-":
            kind, key = rest.split(" ")
            self.state.pop((kind, key), None)
            self.deleted.append((kind, key))
        elif what == "!":
            kind, key, error, *text = rest.split(" ", 3)
            self.patches.append((key, int(error), text[0] if text else ""))
        elif line == "# end":
            self.metrics_done = True
        else:
            self.metrics.append(line)

    def command(self, *words):
        self.child.stdin.write(" ".join(words) + "\n")
        self.child.stdin.flush()

    def patch(self, key, rv, body, kind="Service"):
        """Patch a status and wait for the outcome: (error, text)."""
        with self.lock:
            n = len(self.patches)
        ns, name = key.split("/")
        self.command("patch", kind, ns, name, rv or "-", json.dumps(body))
        until(lambda: len(self.patches) > n, f"the outcome of a patch of {key}", 60)
        return self.patches[n][1:]

    def write(self, *words):
        """A put or delete, and its outcome: (error, text)."""
        with self.lock:
            n = len(self.patches)
        self.command(*words)
        until(lambda: len(self.patches) > n, f"the outcome of {words}", 60)
        return self.patches[n][1:]

    def metric(self, name, **labels):
        """The sum over all series that have these labels."""
        with self.lock:
            self.metrics, self.metrics_done = [], False
        self.command("metrics")
        until(lambda: self.metrics_done, "metrics")
        return sum(float(m.rsplit(" ", 1)[1]) for m in self.metrics
                   if m.split("{")[0].split(" ")[0] == name and
                   all(f'{k}="{v}"' in m for k, v in labels.items()))

    def synced(self, sec=20):
        until(lambda: self.is_synced, lambda: "sync; the log says:\n" + self.log_text(), sec)

    def log_text(self):
        self.log.flush()
        with open(self.log_path, errors="replace") as f:
            return "".join(f.readlines()[-12:])

    def rss_kb(self):
        with open(f"/proc/{self.child.pid}/status") as f:
            return next(int(l.split()[1]) for l in f if l.startswith("VmRSS"))

    def stop(self):
        self.child.stdin.close()	# ends it the clean way
        try:
            rc = self.child.wait(10)
        except subprocess.TimeoutExpired:
            self.child.kill()
            rc = self.child.wait()
        self.thread.join(5)
        self.log.close()
        expect(rc == 0, f"storedump ended with {rc}: {self.log_tail()}")

    def log_tail(self):
        with open(self.log_path, errors="replace") as f:
            return "".join(f.readlines()[-40:])


def server_state(cluster, kinds):
    state = {}
    for kind in kinds:
        for o in cluster.http("GET", PATHS[kind])["items"]:
            m = o["metadata"]
            key = f"{m['namespace']}/{m['name']}" if "namespace" in m else m["name"]
            state[kind, key] = m["resourceVersion"]
    return state


def difference(have, want):
    missed = sorted(set(want) - set(have))
    invented = sorted(set(have) - set(want))
    stale = sorted(k for k in set(want) & set(have) if want[k] != have[k])
    return (f"{len(missed)} missed {missed[:3]}, {len(invented)} invented "
            f"{invented[:3]}, {len(stale)} stale {stale[:3]}")


def same_as_server(dump, cluster, sec=30):
    """The client's store is the server's, object by object, version by version."""
    want = server_state(cluster, dump.kinds)

    def check():
        nonlocal want
        with dump.lock:
            have = dict(dump.state)
        if have == want:
            return True
        want = server_state(cluster, dump.kinds)	# things may still move
        return have == want

    def why():
        with dump.lock:
            return ("the store to be the server's: " + difference(dump.state, want) +
                    "; the log says:\n" + dump.log_text())
    until(check, why, sec, 0.2)
    return len(want)


def service(name, port=80, selector=None, kind="ClusterIP"):
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
            "spec": {"type": kind, "selector": selector,
                     "ports": [{"port": port, "targetPort": port}]}}


def endpoint_slice(name, svc, ips):
    return {"apiVersion": "discovery.k8s.io/v1beta1", "kind": "EndpointSlice",
            "metadata": {"name": name,
                         "labels": {"kubernetes.io/service-name": svc}},
            "addressType": "IPv4",
            "endpoints": [{"addresses": [ip]} for ip in ips],
            "ports": [{"name": "", "port": 8080, "protocol": "TCP"}]}


class Churn:
    """Services and EndpointSlices that come, change and go, until stopped.
    Those called pinned-* are changed but never deleted."""

    SERVICES = "/api/v1/namespaces/default/services"
    SLICES = "/apis/discovery.k8s.io/v1beta1/namespaces/default/endpointslices"

    def __init__(self, cluster, rate_sec=0.01):
        self.cluster, self.rate = cluster, rate_sec
        self.n, self.stopping, self.error = 0, False, None
        self.thread = threading.Thread(target=self.run, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *exc):
        self.stopping = True
        self.thread.join()
        if self.error is not None and exc[0] is None:
            raise self.error

    def run(self):
        try:
            while not self.stopping:
                self.step(self.n)
                self.n += 1
                time.sleep(self.rate)
        except Exception as e:
            self.error = e

    def tolerant(self, *args):
        try:
            return self.cluster.http(*args)
        except (ApiError, OSError):
            return None		# gone already, or the server is away

    def step(self, i):
        name = f"churn-{i % 7}"
        pinned = f"pinned-{i % 5}"
        self.tolerant("POST", self.SERVICES, service(name, 1 + i % 60000))
        self.tolerant("POST", self.SLICES,
                      endpoint_slice(name, name, [f"10.1.{i % 250}.{1 + i % 200}"]))
        self.tolerant("POST", self.SLICES, endpoint_slice(pinned, pinned, ["10.2.0.1"]))
        self.tolerant("PUT", f"{self.SLICES}/{pinned}",
                      endpoint_slice(pinned, pinned, [f"10.2.{i % 250}.{i // 250 % 250 + 1}"]))
        if i % 3 == 0:
            self.tolerant("DELETE", f"{self.SERVICES}/churn-{(i + 3) % 7}")
            self.tolerant("DELETE", f"{self.SLICES}/churn-{(i + 3) % 7}")
