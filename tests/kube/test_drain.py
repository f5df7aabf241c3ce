"""heraldctl drain and undrain on the API server: with the rights of the shipped
ClusterRole herald-operator, and a speaker's status by way of the server's proxy."""
import http.server
import json
import os
import re
import socket
import subprocess
import threading

from cluster import ApiError
from harness import Failure, expect, until

NODE = "drain-me"
ROLE = os.path.join(os.path.dirname(__file__), "..", "..", "deploy/rbac/operator.yaml")
DRAIN = "heraldlb.io/drain"


def own_ip():
    """An address of this machine that the proxy takes for a node's: not loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.connect(("198.51.100.1", 9))      # sends nothing
        return s.getsockname()[0]


class Speaker:
    """The HTTP server of a speaker whose /status is what status() returns."""

    def __init__(self, ip):
        speaker = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                body = json.dumps(speaker.status()).encode()
                self.send_response(200 if self.path == "/status" else 404)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_args):
                pass
        self.server = http.server.HTTPServer((ip, 0), Handler)
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


class DrainedSpeaker(Speaker):
    """One that hands over a VIP each time it is asked."""

    def __init__(self, ip, is_ordered, nvips):
        self.is_ordered, self.nvips, self.left, self.nstay = is_ordered, nvips, nvips, 0
        super().__init__(ip)

    def status(self):
        is_drained = self.is_ordered()
        if not is_drained:
            self.left = self.nvips
        elif self.left > self.nstay:
            self.left -= 1
        vips = [{"ip": f"192.0.2.{i + 1}", "owner": NODE if i < self.left and (
            not is_drained or i < self.nstay) else "other",
            "yielding": is_drained and self.nstay <= i < self.left}
            for i in range(self.nvips)]
        return {"node": NODE, "drained": is_drained, "vips": vips}


class Drain:
    def __init__(self, suite):
        self.c = suite.c
        self.ctl = os.path.join(os.path.dirname(suite.programs["controller"]), "heraldctl")

    def is_ordered(self):
        node = self.c.http("GET", f"/api/v1/nodes/{NODE}")
        return (node["metadata"].get("annotations") or {}).get(DRAIN) == "true"

    def run(self, verb, *more, user="nobody", node=NODE):
        """heraldctl as a person without rights but those that are bound to them."""
        config = self.c.kubeconfig(user, None, f"drain-{user}")
        r = subprocess.run([self.ctl, verb, "--source", "kubeconfig:" + config,
                            "--timeout", "20", *more, node],
                           capture_output=True, text=True, timeout=90)
        return r.returncode, r.stdout, r.stderr

    def test_drain(self):
        self.c.http("POST", "/api/v1/nodes", {"metadata": {"name": NODE, "annotations":
                                                            {"mine": "1"}}})
        self.c.http("PATCH", f"/api/v1/nodes/{NODE}/status", {"status": {"addresses": [
            {"type": "InternalIP", "address": own_ip()}]}},
            ctype="application/merge-patch+json")
        speaker = DrainedSpeaker(own_ip(), self.is_ordered, 5)
        port = ("--port", str(speaker.port))
        try:
            self.c.kubectl("apply", "-f", ROLE)
            self.c.kubectl("create", "clusterrolebinding", "drainer",
                           "--clusterrole=herald-operator", "--user=nobody")

            def may():
                try:
                    return self.c.http("GET", f"/api/v1/nodes/{NODE}", user="nobody")
                except ApiError:
                    return None
            until(may, "the binding to count")
            rc, out, err = self.run("drain", *port)
            expect(rc == 0 and self.is_ordered(), f"drain ended with {rc}: {out} {err}")
            lines = out.splitlines()
            expect(lines[0] == f"{NODE}: 5 VIPs to hand over", lines)
            expect(lines[-1] == f"{NODE}: 5 VIPs moved, 0 left", lines)
            left = [int(re.search(r"(\d+) left", line).group(1)) for line in lines[1:]]
            expect(left == sorted(left, reverse=True) and len(left) > 2, f"progress {left}")
            rc, out, err = self.run("undrain", *port)
            expect(rc == 0 and not self.is_ordered() and
                   out.splitlines()[-1] == f"{NODE}: in service, 5 VIPs", f"{rc}: {out} {err}")
            kept = self.c.http("GET", f"/api/v1/nodes/{NODE}")["metadata"]["annotations"]
            expect(kept.get("mine") == "1", f"annotations are {kept}")
            speaker.nstay = 2
            rc, out, err = self.run("drain", *port)
            expect(rc == 1 and "keeps 192.0.2.1, 192.0.2.2: no other node can have them"
                   in err and "3 VIPs moved, 2 left" in out, f"{rc}: {out} {err}")
            return lines[-1]
        finally:
            speaker.stop()

    def test_drain_troubles(self):
        """What went wrong is said, with what to do about it."""
        rc, _out, err = self.run("drain", node="nonesuch")
        expect(rc == 3 and 'no Node "nonesuch"' in err, f"{rc}: {err}")
        rc, _out, err = self.run("undrain", "--port", "1", "--timeout", "1")
        expect(rc == 3 and not self.is_ordered() and "cannot be asked" in err, f"{rc}: {err}")
        self.c.kubectl("delete", "clusterrolebinding", "drainer")
        self.c.kubectl("create", "clusterrole", "node-reader", "--verb=get,list,watch",
                       "--resource=nodes")
        self.c.kubectl("create", "clusterrolebinding", "node-reader",
                       "--clusterrole=node-reader", "--user=nobody")

        def refused():
            got = self.run("drain")
            return got if 'verbs: ["patch"]' in got[2] else None
        rc, _out, err = until(refused, "the refusal")
        expect(rc == 3 and 'resources: ["nodes/proxy"]' in err, f"{rc}: {err}")
        if self.is_ordered():
            raise Failure("the Node was marked without the right to")
        self.c.http("DELETE", f"/api/v1/nodes/{NODE}")


def run(suite, test):
    d = Drain(suite)
    test("drain and undrain, with the operator's rights", d.test_drain)
    test("what stands in a drain's way is said", d.test_drain_troubles)
