"""sickness.py - HTTP and HTTPS servers in pods that can be made to answer 500."""
import http.server
import os
import socket
import ssl
import subprocess
import threading
import time

from netns import inside

PORT, TLS_PORT = 8099, 8443
CERTS = "/run/lab/certs"
_served = set()


def _flag(pod):
    return f"/run/lab/sick-{pod}"


def set_sick(pod, is_sick):
    if is_sick:
        open(_flag(pod), "w").close()
    else:
        os.unlink(_flag(pod))
    return time.monotonic()


class _Server(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6
    daemon_threads = True

    def handle_error(self, _request, _address):
        pass


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        is_sick = os.path.exists(_flag(self.server.pod))
        body = b"sick\n" if is_sick else b"well\n"
        self.send_response(500 if is_sick else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args):
        pass


def make_certs():
    """ca.pem has issued server.pem (of shop.example) and client.pem; other.pem neither."""
    def run(*argv):
        subprocess.run(["openssl", *argv], check=True, capture_output=True, cwd=CERTS)
    if os.path.exists(CERTS):
        return
    os.mkdir(CERTS)
    new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    for name in ("ca", "other"):
        run("req", "-x509", *new, "-keyout", f"{name}.key", "-out", f"{name}.pem",
            "-subj", f"/CN={name}", "-days", "2")
    with open(f"{CERTS}/ext", "w") as f:
        f.write("subjectAltName=DNS:shop.example")
    for name in ("server", "client"):
        run("req", *new, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj",
            f"/CN={name}")
        run("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
            "-CAcreateserial", "-out", f"{name}.pem", "-days", "2", "-extfile", "ext")


def pem(*names):
    """The text of those files."""
    text = ""
    for name in names:
        with open(f"{CERTS}/{name}") as f:
            text += f.read()
    return text


def serve(pods):
    """In each of these, from a process of its own, until we are gone."""
    _serve(pods, PORT, None)


def serve_tls(pods):
    """The same over TLS, to those who show a certificate of the CA's."""
    make_certs()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f"{CERTS}/server.pem", f"{CERTS}/server.key")
    context.load_verify_locations(f"{CERTS}/ca.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    _serve(pods, TLS_PORT, context)


def _serve(pods, port, context):
    servers = []
    for pod in sorted({pod for pod in pods if (pod, port) not in _served}):
        with inside(pod):
            server = _Server(("::", port), _Handler)
        if context:
            server.socket = context.wrap_socket(server.socket, server_side=True,
                                                do_handshake_on_connect=False)
        server.pod = pod
        servers.append(server)
    _served.update((pod, port) for pod in pods)
    if not servers or os.fork():
        for server in servers:
            server.socket.close()
        return
    for server in servers[1:]:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    servers[0].serve_forever()
