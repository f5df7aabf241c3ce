"""echo.py - the pods' servers: one forked process serves every pod.

TCP 8080: greets with "POD sees CLIENT\n", then echoes what it is sent.
SCTP 8080: the same, where the kernel has it.
UDP 9090: answers every datagram with "POD CLIENT " and the datagram.
A process of its own, so that its work does not hold the interpreter lock of the
process that measures.
"""
import os
import resource
import selectors
import socket

from measure import go_realtime
from netns import inside

TCP_PORT, UDP_PORT = 8080, 9090


def _client(address):
    return address[0].removeprefix("::ffff:")


def _accept(sel, listener, pod):
    conn, peer = listener.accept()
    conn.setblocking(False)
    try:
        conn.send(f"{pod} sees {_client(peer)}\n".encode())
    except OSError:     # a health check, which has hung up already
        conn.close()
        return
    sel.register(conn, selectors.EVENT_READ, _echo)


def _echo(sel, conn):
    try:
        data = conn.recv(4096)
        if data:
            conn.send(data)
            return
    except OSError:
        pass
    sel.unregister(conn)
    conn.close()


def _answer(_sel, sock, pod):
    data, peer = sock.recvfrom(1 << 16)
    try:
        sock.sendto(f"{pod} {_client(peer)} ".encode() + data, peer)
    except OSError:
        pass        # the way back is cut, as a scenario wants it


def _sctp(ip, family):
    """A listener, or None on a kernel without SCTP."""
    try:
        sctp = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_SCTP)
    except OSError:
        return None
    sctp.bind((ip, TCP_PORT))
    sctp.listen(64)
    return sctp


def start(pods, ip="::"):
    """Serve in each namespace of pods until we are gone; returns when it does.

    ip: the address served; "::" is all of both families.
    """
    family = socket.AF_INET6 if ":" in ip else socket.AF_INET
    sel = selectors.DefaultSelector()
    for pod in pods:
        with inside(pod):
            tcp = socket.create_server((ip, TCP_PORT), family=family, backlog=512,
                                       dualstack_ipv6=ip == "::")
            # _echo() does not wait for room: 16 kB must fit while nothing is acknowledged.
            tcp.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 17)
            udp = socket.socket(family, socket.SOCK_DGRAM)
            udp.bind((ip, UDP_PORT))
            sctp = _sctp(ip, family)
        sel.register(tcp, selectors.EVENT_READ,
                     lambda sel, sock, pod=pod: _accept(sel, sock, pod))
        if sctp is not None:
            sel.register(sctp, selectors.EVENT_READ,
                         lambda sel, sock, pod=pod: _accept(sel, sock, pod))
        sel.register(udp, selectors.EVENT_READ,
                     lambda sel, sock, pod=pod: _answer(sel, sock, pod))
    if os.fork():
        for key in list(sel.get_map().values()):
            key.fileobj.close()
        return
    go_realtime()
    # Connections whose client is cut off stay here for ever.
    resource.setrlimit(resource.RLIMIT_NOFILE, (65536, 65536))
    while True:
        for key, _events in sel.select():
            key.data(sel, key.fileobj)
