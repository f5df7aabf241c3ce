#!/usr/bin/python3
"""probes.py PROBE_TOOL: health probes against real servers: Python's HTTP and TLS,
gRPC's own, dnsmasq. Each row says what the server does and what the probe must say.
All on loopback, IPv4 and IPv6.
"""
import concurrent.futures
import http.server
import os
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

import grpc

TOOL = sys.argv[1]
REFUSED = "bad: connection refused: nothing listens there"
NO_RAW = "unknown: a raw socket takes CAP_NET_RAW, which this lacks"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        path, _, status = self.path.partition("?")
        body = {"/host": self.headers["Host"].encode(), "/agent":
                self.headers["User-Agent"].encode(), "/big": b"x" * 300000 + b"END",
                "/start": b"START" + b"x" * 300000}.get(path, b"all is well\n")
        self.send_response(int(status or 200))
        if path == "/endless":
            self.end_headers()
            try:
                while True:
                    self.wfile.write(b"x" * 4096)
            except OSError:
                return
        if status == "302":
            self.send_header("Location", "/elsewhere?500")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        try:
            self.wfile.write(body)
        except OSError:
            pass        # the probe has seen enough

    def log_message(self, *_args):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, _request, _address):
        pass


class Server6(Server):
    address_family = socket.AF_INET6


def serve_http(cls, address, context=None):
    server = cls((address, 0), Handler)
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True,
                                            do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]


def certificates(folder):
    """A CA, a certificate of shop.example and 127.0.0.1 by it, and another CA."""
    def run(*argv):
        subprocess.run(["openssl", *argv], check=True, capture_output=True, cwd=folder)
    for name in ("ca", "other"):
        run("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key",
            "-out", f"{name}.pem", "-subj", f"/CN={name}", "-days", "2")
    run("req", "-newkey", "rsa:2048", "-nodes", "-keyout", "server.key", "-out",
        "server.csr", "-subj", "/CN=shop.example")
    with open(f"{folder}/ext", "w") as f:
        f.write("subjectAltName=DNS:shop.example,IP:127.0.0.1")
    run("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
        "-CAcreateserial", "-out", "server.pem", "-days", "2", "-extfile", "ext")
    for name, bits in (("client", 2048), ("weak", 512)):
        run("req", "-newkey", f"rsa:{bits}", "-nodes", "-keyout", f"{name}.key", "-out",
            f"{name}.csr", "-subj", f"/CN={name}")
        run("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
            "-CAcreateserial", "-out", f"{name}.pem", "-days", "2")


# grpc.health.v1 by hand: field 1 of the request is the service, of the answer the status.
GRPC_SERVICES = {b"": b"\x08\x01", b"\x0a\x02up": b"\x08\x01", b"\x0a\x04down": b"\x08\x02",
                 b"\x0a\x05fancy": b"\x12\x03abc\x08\x01", b"\x0a\x04junk": b"\x12\x7f"}


def health_check(request, context):
    if request not in GRPC_SERVICES:
        context.abort(grpc.StatusCode.NOT_FOUND, "unknown service")
    return GRPC_SERVICES[request]


def serve_grpc(folder=None, has_health=True):
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(2))
    if has_health:
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(
            "grpc.health.v1.Health",
            {"Check": grpc.unary_unary_rpc_method_handler(health_check)}),))
    if folder is None:
        port = server.add_insecure_port("127.0.0.1:0")
    else:
        with open(f"{folder}/server.key", "rb") as key, open(f"{folder}/server.pem", "rb") as pem:
            port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials(
                [(key.read(), pem.read())]))
    server.start()
    serve_grpc.servers = getattr(serve_grpc, "servers", []) + [server]
    return port


def serve_udp():
    """Answers "ping" with "xx pong" and a junk datagram before it; nothing else."""
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("127.0.0.1", 0))

    def run():
        while True:
            data, peer = s.recvfrom(2048)
            if data == b"ping":
                s.sendto(b"junk", peer)
                s.sendto(b"xx pong", peer)
    threading.Thread(target=run, daemon=True).start()
    return s.getsockname()[1]


def free_port(kind=socket.SOCK_STREAM):
    with socket.socket(socket.AF_INET, kind) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def serve_nobody():
    """Listens, and never accepts."""
    s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    s.bind(("127.0.0.1", 0))
    s.listen(0)
    return s.getsockname()[1], s


def serve_full():
    """Likewise, and there is no room for another connection."""
    port, s = serve_nobody()
    waiting = [socket.socket(socket.AF_INET, socket.SOCK_STREAM) for _ in range(3)]
    for w in waiting:
        w.setblocking(False)
        w.connect_ex(("127.0.0.1", port))
    return port, [s, *waiting]


def serve_dns():
    port = free_port(socket.SOCK_DGRAM)
    process = subprocess.Popen([
        "dnsmasq", "--keep-in-foreground", f"--port={port}", "--no-resolv", "--no-hosts",
        "--conf-file=/dev/null", "--bind-interfaces", "--listen-address=127.0.0.1",
        "--pid-file=", "--user=root", "--host-record=up.example,192.0.2.1", "--local=/example/",
        "--txt-record=txt.example,hello", "--cname=alias.example,up.example"])
    for _ in range(100):
        if probe("dns", "127.0.0.1", port, "name=up.example") == "good":
            break
        time.sleep(0.05)
    return port, process


def probe(kind, address, port, *options):
    done = subprocess.run([TOOL, kind, address, str(port), *options], text=True,
                          capture_output=True, timeout=20)
    return (done.stdout + done.stderr).strip()


def half_open_rows(web, web6, closed):
    half, v4 = "tcp-half-open", "127.0.0.1"
    if os.geteuid() != 0:
        yield f"{half}: not for anyone", NO_RAW, half, v4, web
        return
    yield f"{half}: a listener", "good", half, v4, web
    yield f"{half}: a listener, IPv6", "good", half, "::1", web6
    yield f"{half}: nobody", REFUSED, half, v4, closed
    yield f"{half}: nobody, IPv6", REFUSED, half, "::1", closed
    port, full = serve_full()
    yield f"{half}: one whose queue of connections is full", "silent", half, v4, port
    yield "tcp: likewise", "silent", "tcp", v4, port
    for s in full:
        s.close()
    port, quiet = serve_nobody()
    yield f"{half}: one that never accepts", "good", half, v4, port
    quiet.settimeout(0.2)
    try:
        raise AssertionError(f"{half}: a connection came of it: {quiet.accept()}")
    except TimeoutError:
        pass


def rows(folder):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f"{folder}/server.pem", f"{folder}/server.key")
    web, web6 = serve_http(Server, "127.0.0.1"), serve_http(Server6, "::1")
    tls, closed = serve_http(Server, "127.0.0.1", context), free_port()
    ca, other = f"ca={folder}/ca.pem", f"ca={folder}/other.pem"
    v4 = "127.0.0.1"
    yield "tcp: a listener", "good", "tcp", v4, web
    yield "tcp: a listener, IPv6", "good", "tcp", "::1", web6
    yield from half_open_rows(web, web6, closed)
    yield "tcp: nobody", "bad: connection refused", "tcp", v4, closed
    yield "http: 200", "good", "http", v4, web
    yield "http: IPv6", "good", "http", "::1", web6
    yield "http: 500", "bad: answers with status 500", "http", v4, web, "path=/?500"
    yield "http: a redirect is good and not followed", "good", "http", v4, web, "path=/?302"
    yield ("http: but not where it is not wanted", "bad: answers with status 302", "http",
           v4, web, "path=/?302", "statuses=200-299")
    yield "http: nobody", "bad: connection refused", "http", v4, closed
    yield "http: who is no HTTP server", "bad: ", "http", v4, tls
    yield ("http: the Host header", "good", "http", v4, web, "path=/host",
           "host=shop.example", "body_regex=^shop\\.example$")
    yield ("http: without one, the address", "good", "http", v4, web, "path=/host",
           f"body_regex=^127\\.0\\.0\\.1:{web}$")
    yield ("http: says who asks", "good", "http", v4, web, "path=/agent",
           "body_regex=^herald-speaker/")
    yield ("http: a body that does not match", "bad: the body does not match", "http", v4,
           web, "body_regex=sick")
    yield ("http: a match at the start of a long body", "good", "http", v4, web,
           "path=/start", "body_regex=^START")
    yield ("http: beyond 64 KB nobody looks", "bad: the body does not match", "http", v4,
           web, "path=/big", "body_regex=END")
    yield "http: an endless body is not waited for", "good", "http", v4, web, "path=/endless"
    yield ("http: nor with a regex", "good", "http", v4, web, "path=/endless",
           "body_regex=^x+$")
    yield "https: any certificate", "good", "https", v4, tls
    yield "https: by its CA, for its address", "good", "https", v4, tls, ca
    yield ("https: by its CA, for its name", "good", "https", v4, tls, ca,
           "tls_name=shop.example")
    yield ("https: for the Host header's", "good", "https", v4, tls, ca,
           "host=shop.example:8443")
    yield "https: for another", "bad: SSL", "https", v4, tls, ca, "tls_name=blog.example"
    yield "https: by another CA", "bad: SSL", "https", v4, tls, other
    yield "https: who speaks no TLS", "bad: ", "https", v4, web

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f"{folder}/server.pem", f"{folder}/server.key")
    context.load_verify_locations(f"{folder}/ca.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    strict = serve_http(Server, "127.0.0.1", context)

    def shows(name):
        return f"cert={folder}/{name}.pem", f"key={folder}/{name}.key"
    yield "https: who wants a certificate", "good", "https", v4, strict, ca, *shows("client")
    yield "https: and gets none", "bad: ", "https", v4, strict, ca
    yield "https: and gets another CA's", "bad: ", "https", v4, strict, ca, *shows("other")
    yield "https: one that nobody asks for", "good", "https", v4, tls, ca, *shows("client")
    yield ("https: one that is too weak for our own TLS speaks against nobody",
           "unknown: the client certificate cannot be used", "https", v4, strict, ca,
           *shows("weak"))
    yield ("https: what is missing speaks against nobody", "unknown: there is no ConfigMap",
           "https", v4, tls, "fault=there is no ConfigMap")

    plain, secure, without = serve_grpc(), serve_grpc(folder), serve_grpc(has_health=False)
    yield "grpc: the server", "good", "grpc", v4, plain
    yield "grpc: a service", "good", "grpc", v4, plain, "service=up"
    yield ("grpc: one that is not serving", "bad: says it is not serving (2)", "grpc", v4,
           plain, "service=down")
    yield ("grpc: one it does not know", "bad: answers with gRPC status 5: it knows no such",
           "grpc", v4, plain, "service=nosuch")
    yield "grpc: fields we do not know", "good", "grpc", v4, plain, "service=fancy"
    yield ("grpc: an answer that is none", "bad: its answer is no HealthCheckResponse",
           "grpc", v4, plain, "service=junk")
    yield ("grpc: no health service", "bad: answers with gRPC status 12: it has no health",
           "grpc", v4, without)
    yield "grpc: over TLS", "good", "grpcs", v4, secure, ca
    yield "grpc: over TLS, by another CA", "bad: SSL", "grpcs", v4, secure, other
    yield "grpc: an HTTP/1 server", "bad: ", "grpc", v4, web
    yield "grpc: nobody", "bad: connection refused", "grpc", v4, closed

    udp = serve_udp()
    yield "udp: an answer", "good", "udp", v4, udp, "send=ping"
    yield ("udp: the one expected, after another", "good", "udp", v4, udp, "send=ping",
           "expect=pong")
    yield "udp: another", "silent", "udp", v4, udp, "send=ping", "expect=gong"
    yield "udp: none", "silent", "udp", v4, udp, "send=hello"
    yield ("udp: nobody", "bad: connection refused", "udp", v4, free_port(socket.SOCK_DGRAM),
           "send=x")

    dns, process = serve_dns()
    try:
        yield "dns: an address", "good", "dns", v4, dns, "name=up.example"
        yield "dns: an alias", "good", "dns", v4, dns, "name=alias.example"
        yield "dns: text", "good", "dns", v4, dns, "name=txt.example", "type=16"
        yield ("dns: no such record", "bad: answers without such a record", "dns", v4, dns,
               "name=up.example", "type=28")
        yield ("dns: no such name", "bad: answers NXDOMAIN", "dns", v4, dns,
               "name=down.example")
        yield ("dns: not its business", "bad: answers REFUSED", "dns", v4, dns,
               "name=elsewhere.test")
        yield "dns: nobody", "bad: connection refused", "dns", v4, closed, "name=a"
    finally:
        process.terminate()
        process.wait()


def main():
    os.environ["http_proxy"] = "http://127.0.0.1:1"     # must not be heeded
    passed = failed = 0
    with tempfile.TemporaryDirectory() as folder:
        certificates(folder)
        for why, expect, *args in rows(folder):
            got = probe(*args)
            is_good = got == expect or (expect.startswith("bad: ") and got.startswith(expect))
            passed, failed = passed + is_good, failed + (not is_good)
            if not is_good:
                print(f"FAIL  {why}: got {got!r}, want {expect!r}")
    print(f"{passed} passed, {failed} failed")
    return failed == 0 and passed > 0


OK = main()
sys.stdout.flush()
os._exit(0 if OK else 1)      # gRPC's threads do not end
