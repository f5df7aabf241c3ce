"""A proxy in front of the API server that can misbehave in every way a client
must survive. One thread a connection, HTTP/1.1, TLS with the server's own
certificate.

A fault is a function of the request; it returns True where it has dealt with
it. They are taken from `faults` in turn, each for the requests it matches, and
leave the list when they have been used up.
"""
import http.client
import json
import socket
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

GONE = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": "too old resource version: 1 (2)", "reason": "Expired", "code": 410}


def status(code, message, reason):
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": message, "reason": reason, "code": code}


class Fault:
    """name; `match` a part of path and query; `verb` list, watch or write."""

    def __init__(self, name, verb, match="", times=1, **kw):
        self.name, self.verb, self.match = name, verb, match
        self.times, self.kw, self.hits = times, kw, 0


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def verb(self):
        if self.command != "GET":
            return "write"
        return "watch" if "watch=true" in self.path else "list"

    def answer(self, code, body, headers=()):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        for k, v in headers:
            self.send_header(k, v)
        self.end_headers()
        self.wfile.write(data)

    def chunk(self, data):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def cut(self):
        """End the connection without a word."""
        self.close_connection = True
        try:
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def upstream(self, body):
        proxy = self.server.proxy
        c = http.client.HTTPSConnection("127.0.0.1", proxy.target_of(self.path), timeout=700,
                                        context=ssl._create_unverified_context())
        keep = ("authorization", "content-type", "accept", "user-agent")
        c.request(self.command, self.path, body,
                  {k: v for k, v in self.headers.items() if k.lower() in keep})
        return c, c.getresponse()

    def handle_any(self):
        n = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(n) if n else None
        proxy = self.server.proxy
        fault = proxy.take(self.verb(), self.path)
        proxy.count(self.verb())
        if fault is not None and getattr(self, "do_" + fault.name)(fault):
            return
        self.forward(body, fault)

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = handle_any

    def forward(self, body, fault):
        proxy = self.server.proxy
        try:
            c, r = self.upstream(body)
        except OSError:
            self.cut()
            return
        with proxy.lock:
            proxy.open.add(self.connection)
        try:
            if self.verb() == "watch" and r.status == 200:
                self.stream(r, fault)
            else:
                self.copy(r, fault)
        except (OSError, http.client.HTTPException):
            self.cut()
        finally:
            with proxy.lock:
                proxy.open.discard(self.connection)
            c.close()

    def copy(self, r, fault):
        data = r.read()
        if fault is not None and fault.name == "half":
            self.send_response(r.status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data[:len(data) // 2])
            self.cut()
        elif fault is not None and fault.name == "slow":
            self.send_response(r.status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            step = max(1, len(data) // 20)
            for i in range(0, len(data), step):
                self.wfile.write(data[i:i + step])
                time.sleep(fault.kw.get("sec", 2) / 20)
        else:
            extra = [(k, v) for k, v in r.getheaders() if k == "Retry-After"]
            self.answer(r.status, data, extra)

    def stream(self, r, fault):
        """Pass a watch on, to the end or to where the fault cuts it."""
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        name = fault.name if fault is not None else ""
        proxy = self.server.proxy
        while True:
            line = r.readline()
            while proxy.is_stalled(self.path):
                time.sleep(0.02)
            if not line:
                self.wfile.write(b"0\r\n\r\n")
                return
            if name == "cut":		# in the middle of this event
                self.chunk(line[:len(line) // 2])
                self.cut()
                return
            if name == "dribble":	# event by event in tiny pieces
                for i in range(0, len(line), 7):
                    self.chunk(line[i:i + 7])
                continue
            self.chunk(line)

    # --- what can go wrong; True: dealt with --------------------------------

    def do_gone(self, fault):
        self.answer(410, GONE)
        return True

    def do_gone_event(self, fault):
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.chunk(json.dumps({"type": "ERROR", "object": GONE}).encode() + b"\n")
        self.wfile.write(b"0\r\n\r\n")
        return True

    def do_busy(self, fault):
        self.answer(429, status(429, "too many requests", "TooManyRequests"),
                    [("Retry-After", str(fault.kw.get("sec", 1)))])
        return True

    def do_error(self, fault):
        self.answer(fault.kw.get("code", 500),
                    status(500, "etcdserver: leader changed", "InternalError"))
        return True

    def do_garbage(self, fault):
        self.answer(200, b"<html><body>Welcome to the captive portal</body></html>")
        return True

    def do_drop(self, fault):
        self.cut()
        return True

    def do_denied(self, fault):
        self.answer(fault.kw.get("code", 401),
                    status(fault.kw.get("code", 401), "Unauthorized", "Unauthorized"))
        return True

    def do_cut(self, fault):
        return False

    do_half = do_slow = do_dribble = do_cut

    def do_hold(self, fault):
        """Not before the Event `until`."""
        fault.kw["until"].wait(60)
        return False


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass	# a client that went away


class Proxy:
    def __init__(self, target, cert, key, routes=None):
        """routes: {part of a path: the port that has it in place of target}"""
        self.target, self.routes = target, routes or {}
        self.stalled = None
        self.lock = threading.Lock()
        self.faults, self.used, self.open = [], [], set()
        self.requests = {"list": 0, "watch": 0, "write": 0}
        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.proxy = self
        ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        ctx.load_cert_chain(cert, key)
        self.server.socket = ctx.wrap_socket(self.server.socket, server_side=True,
                                             do_handshake_on_connect=False)
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def target_of(self, path):
        return next((port for part, port in self.routes.items() if part in path),
                    self.target)

    def add(self, name, verb, match="", times=1, **kw):
        fault = Fault(name, verb, match, times, **kw)
        with self.lock:
            self.faults.append(fault)
        return fault

    def take(self, verb, path):
        with self.lock:
            for f in self.faults:
                if f.verb == verb and f.match in path:
                    f.hits += 1
                    if f.hits >= f.times:
                        self.faults.remove(f)
                    return f
        return None

    def count(self, verb):
        with self.lock:
            self.requests[verb] += 1

    def is_stalled(self, path):
        """Watches of `stalled`, a part of their path, show nothing for now."""
        return self.stalled is not None and self.stalled in path

    def cut_all(self):
        """Break every stream that is being passed on."""
        with self.lock:
            victims = list(self.open)
        for s in victims:
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        return len(victims)

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
        self.cut_all()


class Tunnel:
    """An HTTP proxy that knows CONNECT alone, as proxy-url of a kubeconfig."""

    def __init__(self):
        self.asked = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client = self.listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        head = b""
        while b"\r\n\r\n" not in head:
            head += client.recv(4096)
        host = head.split(b" ")[1].decode()
        self.asked.append(host)
        name, port = host.rsplit(":", 1)
        server = socket.create_connection((name, int(port)))
        client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        threading.Thread(target=self.pump, args=(server, client), daemon=True).start()
        self.pump(client, server)

    @staticmethod
    def pump(src, dst):
        try:
            while data := src.recv(65536):
                dst.sendall(data)
            dst.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def stop(self):
        self.listener.close()
