"""sickness.py - HTTP servers in pods that can be made to answer 500."""
import http.server
import os
import socket
import threading
import time

from netns import inside

PORT = 8099
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


def serve(pods):
    """In each of these, from a process of its own, until we are gone."""
    servers = []
    for pod in sorted(set(pods) - _served):
        with inside(pod):
            server = _Server(("::", PORT), _Handler)
        server.pod = pod
        servers.append(server)
    _served.update(pods)
    if not servers or os.fork():
        for server in servers:
            server.socket.close()
        return
    for server in servers[1:]:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    servers[0].serve_forever()
