"""A real control plane on loopback: etcd, kube-apiserver, controller manager.

Everything lives in one temporary folder and dies with the Cluster, by pid.
There is no kubelet and no node: tests make the objects those would make. But for
node.py, whose node is real.
"""
import http.client
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time

# User, token and groups, as kube-apiserver's token file has them. Controllers and
# speaker stand for pods of Herald: they may do what deploy/rbac says and nothing
# more; proxy is kube-proxy, whose name the API server itself knows.
# Which of two controllers it was, the audit log tells by the uid: the user here.
USERS = {
    "admin": ("admin-token", "system:masters"),
    "nobody": ("nobody-token", ""),
    "controller": ("controller-token", "system:serviceaccounts"),
    "controller2": ("controller2-token", "system:serviceaccounts"),
    "speaker": ("speaker-token", "system:serviceaccounts"),
    "proxy": ("proxy-token", ""),
}

AUDIT_POLICY = """
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules: [{level: Metadata}]
"""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class ApiError(Exception):
    def __init__(self, status, text):
        super().__init__(f"HTTP {status}: {text[:300]}")
        self.status, self.text = status, text


class Process:
    """A child with its output in a file; stopped by pid, never by name."""

    def __init__(self, argv, log, **kw):
        self.argv, self.log = argv, log
        self.out = open(log, "ab")
        self.child = subprocess.Popen(argv, stdout=self.out, stderr=self.out,
                                      stdin=subprocess.DEVNULL, **kw)

    @property
    def pid(self):
        return self.child.pid

    def is_alive(self):
        return self.child.poll() is None

    def stop(self, sig=signal.SIGTERM):
        if self.is_alive():
            self.child.send_signal(sig)
            try:
                self.child.wait(10)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()
        self.out.close()

    def tail(self, n=15):
        with open(self.log, errors="replace") as f:
            return "".join(f.readlines()[-n:])


class Cluster:
    def __init__(self, bin_dir, log_dir, service_accounts, nodes_see=None):
        """service_accounts: {"controller": "NAMESPACE:NAME", "speaker": ...}

        nodes_see: the address that kubelets and pods have of this machine's loopback,
        where there are any: then with a scheduler, all of the controller manager, and
        tokens for service accounts.
        """
        self.nodes_see = nodes_see
        self.bin, self.log_dir = bin_dir, log_dir
        self.dir = tempfile.mkdtemp(prefix="herald-kube.")
        self.names = {u: u for u in USERS} | {"proxy": "system:kube-proxy"}
        for user, sa in service_accounts.items():
            self.names[user] = f"system:serviceaccount:{sa}"
        self.etcd = self.api = self.manager = self.scheduler = None
        self.etcd_url = f"http://127.0.0.1:{free_port()}"
        self.port = free_port()
        self.audit = self.path("audit.log")

    def path(self, name):
        return os.path.join(self.dir, name)

    def write(self, name, text, mode=0o600):
        with open(self.path(name), "w") as f:
            f.write(text)
        os.chmod(self.path(name), mode)
        return self.path(name)

    # --- start and stop ---------------------------------------------------

    def prepare(self):
        run = lambda *a: subprocess.run(a, check=True, capture_output=True)
        run("openssl", "genrsa", "-out", self.path("sa.key"), "2048")
        run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
            "-subj", "/CN=client-ca", "-keyout", self.path("client-ca.key"),
            "-out", self.path("client-ca.crt"))
        run("openssl", "req", "-newkey", "rsa:2048", "-nodes",
            "-subj", "/O=system:masters/CN=cert-admin",
            "-keyout", self.path("client.key"), "-out", self.path("client.csr"))
        run("openssl", "x509", "-req", "-days", "2", "-in", self.path("client.csr"),
            "-CA", self.path("client-ca.crt"), "-CAkey", self.path("client-ca.key"),
            "-CAcreateserial", "-out", self.path("client.crt"))
        self.write("audit.yaml", AUDIT_POLICY)
        self.write("tokens.csv", "".join(
            f'{token},{self.names[u]},{u},"{groups}"\n'
            for u, (token, groups) in USERS.items()))

    def start(self):
        self.prepare()
        peer = f"http://127.0.0.1:{free_port()}"
        self.etcd = Process(
            ["etcd", "--data-dir", self.path("etcd"), "--unsafe-no-fsync",
             "--listen-client-urls", self.etcd_url,
             "--advertise-client-urls", self.etcd_url,
             "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
             "--initial-cluster", f"default={peer}"], os.path.join(self.log_dir, "etcd.log"))
        self.start_api()
        self.kubeconfig("admin")
        admin = f"--kubeconfig={self.path('admin.kubeconfig')}"
        self.manager = Process(
            [f"{self.bin}/kube-controller-manager", admin,
             "--feature-gates=IPv6DualStack=true", "--leader-elect=false", "--port=0",
             f"--secure-port={free_port()}",
             "--bind-address=127.0.0.1", f"--cert-dir={self.path('cm-certs')}",
             *(["--controllers=*", f"--root-ca-file={self.ca}",
                f"--service-account-private-key-file={self.path('sa.key')}"]
               if self.nodes_see else
               ["--controllers=endpoint,endpointslice,namespace,garbagecollector"])],
            os.path.join(self.log_dir, "manager.log"))
        if self.nodes_see:
            self.scheduler = Process(
                [f"{self.bin}/kube-scheduler", admin, "--leader-elect=false", "--port=0",
                 f"--secure-port={free_port()}", "--bind-address=127.0.0.1",
                 f"--cert-dir={self.path('scheduler-certs')}"],
                os.path.join(self.log_dir, "scheduler.log"))

    def start_api(self):
        self.api = Process(
            [f"{self.bin}/kube-apiserver", f"--etcd-servers={self.etcd_url}",
             "--service-cluster-ip-range=10.96.0.0/16,fd00:96::/112",
             f"--secure-port={self.port}", "--bind-address=127.0.0.1",
             f"--cert-dir={self.path('certs')}",
             f"--client-ca-file={self.path('client-ca.crt')}",
             "--service-account-issuer=https://kubernetes.default.svc",
             f"--service-account-signing-key-file={self.path('sa.key')}",
             f"--service-account-key-file={self.path('sa.key')}",
             "--api-audiences=api", f"--token-auth-file={self.path('tokens.csv')}",
             "--allow-privileged=true", "--authorization-mode=RBAC",
             f"--advertise-address={self.nodes_see}" if self.nodes_see else
             "--disable-admission-plugins=ServiceAccount",
             "--feature-gates=IPv6DualStack=true,MixedProtocolLBService=true,"
             "ServiceLBNodePortControl=true",
             f"--audit-policy-file={self.path('audit.yaml')}",
             f"--audit-log-path={self.audit}"], os.path.join(self.log_dir, "apiserver.log"))
        self.wait(lambda: self.http("GET", "/readyz", raw=True) == b"ok",
                  "kube-apiserver is ready", 60)
        self.wait(lambda: self.http("GET", "/api/v1/namespaces/default"),
                  "namespace default is there", 30)

    def stop_api(self, sig=signal.SIGTERM):
        self.api.stop(sig)

    def stop(self):
        for p in (self.scheduler, self.manager, self.api, self.etcd):
            if p is not None:
                p.stop(signal.SIGKILL)
        shutil.rmtree(self.dir, ignore_errors=True)

    def wait(self, check, what, sec):
        end = time.monotonic() + sec
        while True:
            try:
                if check():
                    return
                why = "not yet"
            except (OSError, ApiError, http.client.HTTPException) as e:
                why = str(e)
            if self.api is not None and not self.api.is_alive():
                raise RuntimeError("kube-apiserver ended:\n" + self.api.tail())
            if time.monotonic() > end:
                raise RuntimeError(f"waited {sec} s until {what}: {why}")
            time.sleep(0.1)

    # --- using it ---------------------------------------------------------

    @property
    def ca(self):
        return self.path("certs/apiserver.crt")

    def kubeconfig(self, user, port=None, name=None, proxy_url=None):
        """A kubeconfig for one of USERS; `port` of what stands in for the API server."""
        return self.write(f"{name or user}.kubeconfig", json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "test",
            "clusters": [{"name": "test", "cluster": {
                "server": f"https://127.0.0.1:{port or self.port}",
                **({"proxy-url": proxy_url} if proxy_url else {}),
                "certificate-authority": "certs/apiserver.crt"}}],
            "users": [{"name": user, "user": {"token": USERS[user][0]}}],
            "contexts": [{"name": "test",
                          "context": {"cluster": "test", "user": user}}]}))

    def ask(self, method, path, data=None, user="admin", port=None,
            ctype="application/json"):
        """One request; the answer with its .status and headers, and its body."""
        ctx = ssl._create_unverified_context()
        c = http.client.HTTPSConnection("127.0.0.1", port or self.port, context=ctx,
                                        timeout=30)
        try:
            c.request(method, path, data, {"Authorization": "Bearer " + USERS[user][0],
                                           "Content-Type": ctype})
            r = c.getresponse()
            return r, r.read()
        finally:
            c.close()

    def http(self, method, path, body=None, user="admin", raw=False,
             ctype="application/json", port=None):
        r, data = self.ask(method, path, None if body is None else json.dumps(body),
                           user, port, ctype)
        if r.status >= 300:
            raise ApiError(r.status, data.decode(errors="replace"))
        return data if raw else json.loads(data)

    def kubectl(self, *args, user="admin", check=True, stdin=None):
        env = dict(os.environ, HOME=self.dir)
        env.pop("KUBECONFIG", None)
        r = subprocess.run(
            [f"{self.bin}/kubectl", f"--kubeconfig={self.kubeconfig(user)}", *args],
            capture_output=True, text=True, env=env, input=stdin)
        if check and r.returncode != 0:
            raise RuntimeError(f"kubectl {' '.join(args)}: {r.stderr.strip()}")
        return r

    def audit_events(self):
        with open(self.audit) as f:
            return [json.loads(line) for line in f if line.endswith("\n")]
