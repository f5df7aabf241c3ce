"""The API server of a Kubernetes of today for custom resources, beside cluster.py's
old one, which knows the users, their rights and the namespaces.

The two have one certificate, so that a kubeconfig of the cluster with another port is
one of this server. What this server keeps is in the same etcd, under another prefix.
"""
import json
import os
import signal

from cluster import ApiError, Process, free_port

# Admission that asks the old server for what it does not have yet.
TOO_NEW = ("MutatingAdmissionPolicy,MutatingAdmissionWebhook,"
           "ValidatingAdmissionPolicy,ValidatingAdmissionWebhook")


class Next:
    """Stands in for a Cluster where custom resources are asked for."""

    def __init__(self, cluster, bin_dir):
        self.cluster, self.program = cluster, f"{bin_dir}/apiextensions-apiserver"
        self.port = free_port()
        self.server = None

    def start(self, *more):
        c = self.cluster
        admin = c.kubeconfig("admin", name="next-admin")
        self.server = Process(
            [self.program, f"--etcd-servers={c.etcd_url}", f"--secure-port={self.port}",
             "--bind-address=127.0.0.1",
             f"--tls-cert-file={c.ca}",
             f"--tls-private-key-file={c.path('certs/apiserver.key')}",
             f"--kubeconfig={admin}", f"--authentication-kubeconfig={admin}",
             f"--authorization-kubeconfig={admin}",
             "--enable-priority-and-fairness=false",
             f"--disable-admission-plugins={TOO_NEW}", *more],
            os.path.join(c.log_dir, "next.log"))
        c.wait(self.is_ready, "apiextensions-apiserver is ready", 60)

    def is_ready(self):
        if not self.server.is_alive():
            raise RuntimeError("apiextensions-apiserver ended:\n" + self.server.tail())
        return self.http("GET", "/readyz", raw=True) == b"ok"

    def stop(self, sig=signal.SIGKILL):
        if self.server is not None:
            self.server.stop(sig)

    def http(self, *args, **kw):
        return self.cluster.http(*args, port=self.port, **kw)

    def version(self):
        return self.http("GET", "/version")["gitVersion"]

    def create(self, path, text, user="admin"):
        """POST an object as YAML or JSON the strict way, as kubectl apply does: a field
        that the schema does not have is an error. What was made, and the warnings."""
        sep = "&" if "?" in path else "?"
        r, data = self.cluster.ask("POST", f"{path}{sep}fieldValidation=Strict", text,
                                   user, self.port, "application/yaml")
        if r.status >= 300:
            raise ApiError(r.status, data.decode(errors="replace"))
        return json.loads(data), r.headers.get_all("Warning") or []
