#!/usr/bin/env python3
"""malformed_bgp.py BGP_PEER_TOOL: what we, BIRD, FRR and GoBGP make of messages
that are wrong in one way each.

Each row is a message written from an RFC and what that RFC wants of it:

    "2/6"       the session ends with this NOTIFICATION
    "withdraw"  it stays, the routes count as withdrawn (RFC 7606)
    "discard"   it stays, the attribute is passed over, the routes are taken

A daemon that ends itself over a message has "died", and is started again.

We must do what the row says; what the others do is printed beside it, and a row
in which all of them agree against it must say why. Prints
`N passed, N failed`. Needs root and the daemons.
"""
import ctypes
import os
import socket
import struct
import subprocess
import sys
import threading
import time

import daemons
from daemons import make_namespaces, popen, wait_for

AS_US, AS_PLAYER = 65002, 65001
PREFIX = bytes([24, 198, 51, 100])      # 198.51.100.0/24
PREFIX_TEXT = "198.51.100.0/24"
OPEN, UPDATE, NOTIFICATION, KEEPALIVE, REFRESH = 1, 2, 3, 4, 5
MARKER = b"\xff" * 16


def msg(kind, body=b"", length=None, marker=MARKER):
    n = 19 + len(body) if length is None else length
    return marker + struct.pack(">HB", n, kind) + body


def cap(code, value=b""):
    return bytes([code, len(value)]) + value


MP4, MP6 = cap(1, bytes([0, 1, 0, 1])), cap(1, bytes([0, 2, 0, 1]))
AS4 = cap(65, struct.pack(">I", AS_PLAYER))
CAPS = MP4 + MP6 + cap(2) + cap(70) + AS4


def open_body(version=4, asn=AS_PLAYER, hold=90, ident=0xC0000209, params=None):
    if params is None:
        params = bytes([2, len(CAPS)]) + CAPS
    return struct.pack(">BHHIB", version, asn, hold, ident, len(params)) + params


def open_with(caps):
    return msg(OPEN, open_body(params=bytes([2, len(caps)]) + caps))


def attr(flags, kind, value, length=None):
    n = len(value) if length is None else length
    return bytes([flags, kind, n]) + value


def update(attrs, nlri=PREFIX, withdrawn=b"", withdrawn_len=None, attrs_len=None):
    return msg(UPDATE,
               struct.pack(">H", len(withdrawn) if withdrawn_len is None
                           else withdrawn_len) + withdrawn +
               struct.pack(">H", len(attrs) if attrs_len is None else attrs_len) +
               attrs + nlri)


ORIGIN = attr(0x40, 1, b"\0")
PATH = attr(0x40, 2, bytes([2, 1]) + struct.pack(">I", AS_PLAYER))
HOP = attr(0x40, 3, socket.inet_aton("192.0.2.9"))
GOOD = ORIGIN + PATH + HOP
V6_NLRI = bytes([64]) + socket.inet_pton(socket.AF_INET6, "2001:db8:9::")[:8]
V6_HOP = socket.inet_pton(socket.AF_INET6, "2001:db8::9")
REACH6 = attr(0x80, 14, bytes([0, 2, 1, 16]) + V6_HOP + b"\0" + V6_NLRI)


def good_and(*more):
    return update(GOOD + b"".join(more))


# RFC and section, what is wrong, in which state, the message, what should be.
# A sixth item is why we differ where all the others agree.
ROWS = [
    ("4271 6.1", "marker is not all ones", "open",
     msg(OPEN, open_body(), marker=b"\xff" * 15 + b"\xfe"), "1/1"),
    ("4271 6.1", "length below 19", "open", msg(OPEN, open_body(), length=18), "1/2"),
    ("4271 6.1", "length above 4096", "open", msg(OPEN, open_body(), length=4097), "1/2"),
    ("4271 6.1", "OPEN of 28 bytes", "open", msg(OPEN, b"\4" * 9), "1/2"),
    ("4271 6.1", "type 0", "open", msg(0, b""), "1/3"),
    ("4271 6.1", "type 99", "up", msg(99, b"hello"), "1/3"),
    ("4271 6.1", "KEEPALIVE with a byte too many", "up", msg(KEEPALIVE, b"\0"), "1/2"),
    ("4271 6.1", "UPDATE of 22 bytes", "up", msg(UPDATE, b"\0\0\0"), "1/2"),
    ("4271 6.1", "NOTIFICATION of 20 bytes", "up", msg(NOTIFICATION, b"\6"), "1/2"),
    ("4271 6.2", "version 3", "open", msg(OPEN, open_body(version=3)), "2/1"),
    ("4271 6.2", "an AS that is not configured", "open",
     open_with(MP4 + MP6 + cap(65, struct.pack(">I", 64999))), "2/2"),
    ("7607 2", "AS 0", "open",
     msg(OPEN, open_body(asn=0, params=b"")), "2/2"),
    ("6793 4.1", "AS 0 in the 4-byte capability", "open",
     open_with(MP4 + MP6 + cap(65, b"\0\0\0\0")), "2/2"),
    ("6286 2.2", "BGP identifier 0", "open", msg(OPEN, open_body(ident=0)), "2/3"),
    ("4271 6.2", "unknown optional parameter", "open",
     msg(OPEN, open_body(params=bytes([99, 2, 0, 0]))), "2/4"),
    ("4271 6.2", "hold time 1", "open", msg(OPEN, open_body(hold=1)), "2/6"),
    ("4271 6.2", "hold time 2", "open", msg(OPEN, open_body(hold=2)), "2/6"),
    ("4271 6.2", "parameters end before their length", "open",
     msg(OPEN, open_body()[:-3]), "2/0"),
    ("4271 6.2", "parameter longer than all of them", "open",
     msg(OPEN, open_body(params=bytes([2, 60]) + CAPS)), "2/0"),
    ("5492 4", "capability longer than its parameter", "open",
     open_with(CAPS + bytes([2, 9])), "2/0"),
    ("6793 3", "4-byte AS capability of 2 bytes", "open",
     open_with(MP4 + MP6 + cap(65, b"\xfd\xe9")), "2/0"),
    ("4271 8.2.2", "UPDATE instead of OPEN", "open", good_and(), "5/1"),
    ("4271 8.2.2", "KEEPALIVE instead of OPEN", "open", msg(KEEPALIVE), "5/1"),
    ("4271 8.2.2", "UPDATE before the first KEEPALIVE", "confirm", good_and(), "5/2"),
    ("4271 8.2.2", "OPEN in Established", "up", msg(OPEN, open_body()), "5/3"),
    ("4271 6.3", "withdrawn routes longer than the message", "up",
     update(GOOD, withdrawn_len=200), "3/1"),
    ("4271 6.3", "attributes longer than the message", "up",
     update(GOOD, attrs_len=200), "3/1"),
    ("7606 5.3", "withdrawn prefix of length 33", "up",
     update(b"", b"", withdrawn=bytes([33, 198, 51, 100, 0, 0])), "3/10"),
    ("7606 5.3", "announced prefix of length 33", "up",
     update(GOOD, bytes([33, 198, 51, 100, 0, 0])), "3/10"),
    ("7606 5.3", "announced prefix cut off", "up", update(GOOD, PREFIX[:2]), "3/10"),
    ("7606 7.1", "ORIGIN 3", "up", update(attr(0x40, 1, b"\3") + PATH + HOP), "withdraw"),
    ("7606 7.1", "ORIGIN of 2 bytes", "up",
     update(attr(0x40, 1, b"\0\0") + PATH + HOP), "withdraw"),
    ("7606 3 d", "no ORIGIN", "up", update(PATH + HOP), "withdraw"),
    ("7606 3 d", "no AS_PATH", "up", update(ORIGIN + HOP), "withdraw"),
    ("7606 3 d", "no NEXT_HOP", "up", update(ORIGIN + PATH), "withdraw"),
    ("7606 3 c", "ORIGIN with the Optional bit", "up",
     update(attr(0xC0, 1, b"\0") + PATH + HOP), "withdraw"),
    ("7606 7.2", "AS_PATH segment of an unknown type", "up",
     update(ORIGIN + attr(0x40, 2, bytes([9, 1]) + struct.pack(">I", AS_PLAYER)) + HOP),
     "withdraw"),
    ("7606 7.2", "AS_PATH segment longer than the attribute", "up",
     update(ORIGIN + attr(0x40, 2, bytes([2, 5]) + struct.pack(">I", AS_PLAYER)) + HOP),
     "withdraw"),
    ("7606 7.2", "empty AS_PATH segment", "up",
     update(ORIGIN + attr(0x40, 2, bytes([2, 1]) + struct.pack(">I", AS_PLAYER) +
                          bytes([2, 0])) + HOP), "withdraw"),
    ("7606 7.3", "NEXT_HOP of 3 bytes", "up",
     update(ORIGIN + PATH + attr(0x40, 3, b"\1\2\3")), "withdraw"),
    ("7606 7.4", "MED of 3 bytes", "up", good_and(attr(0x80, 4, b"\0\0\1")), "withdraw"),
    ("7606 7.5", "LOCAL_PREF from an external peer", "up",
     good_and(attr(0x40, 5, b"\0\0\0\1")), "discard"),
    ("7606 7.6", "ATOMIC_AGGREGATE of 1 byte", "up",
     good_and(attr(0x40, 6, b"\0")), "discard"),
    ("7606 7.7", "AGGREGATOR of 5 bytes", "up",
     good_and(attr(0xC0, 7, b"\0\0\0\0\0")), "discard"),
    ("7606 7.8", "COMMUNITIES of 5 bytes", "up",
     good_and(attr(0xC0, 8, b"\0\0\0\0\0")), "withdraw"),
    ("7606 7.8", "COMMUNITIES of no bytes", "up", good_and(attr(0xC0, 8, b"")),
     "withdraw"),
    ("7606 7.9", "ORIGINATOR_ID from an external peer", "up",
     good_and(attr(0x80, 9, b"\1\2\3\4")), "discard"),
    ("7606 7.14", "extended communities of 7 bytes", "up",
     good_and(attr(0xC0, 16, b"\0" * 7)), "withdraw"),
    ("8092 6", "large communities of 11 bytes", "up",
     good_and(attr(0xC0, 32, b"\0" * 11)), "withdraw"),
    ("9234 5", "OTC of 3 bytes", "up", good_and(attr(0xC0, 35, b"\0\0\1")), "withdraw"),
    ("7606 3 g", "ORIGIN twice", "up", good_and(attr(0x40, 1, b"\1")), "discard"),
    ("7606 3 g", "MP_REACH_NLRI twice", "up", good_and(REACH6, REACH6), "3/1"),
    ("7606 7.11", "MP_REACH_NLRI with a next hop of 5 bytes", "up",
     good_and(attr(0x80, 14, bytes([0, 2, 1, 5]) + V6_HOP[:5] + b"\0" + V6_NLRI)), "3/9"),
    ("7606 5.3", "MP_REACH_NLRI with a prefix of length 129", "up",
     good_and(attr(0x80, 14, bytes([0, 2, 1, 16]) + V6_HOP + b"\0\x81" + b"\0" * 17)),
     "3/9"),
    ("4760 7", "MP_UNREACH_NLRI of 2 bytes", "up", good_and(attr(0x80, 15, b"\0\2")),
     "3/9"),
    ("4271 6.3", "unknown well-known attribute", "up",
     good_and(attr(0x40, 99, b"\0")), "3/2"),
    ("7606 4", "last attribute longer than all of them", "up",
     good_and(attr(0x80, 4, b"\0\0\0\1", length=9)), "withdraw"),
    ("7313 5", "BoRR of 5 bytes", "up", msg(REFRESH, bytes([0, 1, 1, 1, 0])), "7/1"),
]


class Player:
    """The other end of a session, that writes its own bytes."""

    def __init__(self, ns, addr):
        self.ns, self.addr, self.buf = ns, addr, b""
        self.libc = ctypes.CDLL(None, use_errno=True)

    def connect(self):
        if self.libc.setns(self.ns, 0) != 0:
            raise OSError("setns")
        self.buf = b""
        self.sock = socket.create_connection((self.addr, 179), 5)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def read(self, sec=15):
        """(type, body), or (None, why)."""
        end = time.monotonic() + sec
        while True:
            if len(self.buf) >= 19:
                n = struct.unpack(">H", self.buf[16:18])[0]
                if len(self.buf) >= n:
                    one, self.buf = self.buf[:n], self.buf[n:]
                    return one[18], one[19:]
            self.sock.settimeout(max(0.01, end - time.monotonic()))
            try:
                got = self.sock.recv(65536)
            except socket.timeout:
                return None, "silence"
            except OSError:
                return None, "reset"
            if not got:
                return None, "closed"
            self.buf += got

    def wait(self, *kinds):
        while True:
            kind, body = self.read()
            if kind is None:
                raise ConnectionError(body)
            if kind in kinds:
                return body
            if kind == NOTIFICATION:
                raise ConnectionError(f"NOTIFICATION {body[0]}/{body[1]}")

    def reach(self, state):
        """Into a state, as often as it takes: daemons are slow after an error."""
        end = time.monotonic() + 30
        while True:
            try:
                self.connect()
                if state == "open":
                    self.wait(OPEN)
                    return
                self.sock.sendall(msg(OPEN, open_body()))
                self.wait(OPEN)
                if state == "confirm":
                    return
                self.sock.sendall(msg(KEEPALIVE))
                self.wait(KEEPALIVE)
                return
            except (OSError, ConnectionError):
                if time.monotonic() > end:
                    raise
                time.sleep(0.5)

    def answer(self, sec):
        """The NOTIFICATION that comes, as "2/6"; or how it ends without one."""
        end = time.monotonic() + sec
        while True:
            kind, body = self.read(max(0.01, end - time.monotonic()))
            if kind == NOTIFICATION:
                return f"{body[0]}/{body[1]}"
            if kind is None:
                return body


# One that ends every session: what is said of it shows that there still was one.
LAST = msg(KEEPALIVE, length=18)


def play(player, target, row):
    """What target makes of the row's message."""
    state, bad, want = row[2:5]
    player.reach(state)
    try:
        before = None if "/" in want else target.before(player)
        player.sock.sendall(bad)
        verdict = "goes on" if "/" in want else target.verdict(before)
        got = player.answer(1.2)
        if got != "silence":
            return got
        player.sock.sendall(LAST)
        got = player.answer(10)
        return verdict if got == "1/2" else got
    finally:
        player.sock.close()


class UsTarget:
    name = "Herald"

    def __init__(self, fds, program):
        self.proc = popen(fds[1], program, stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          text=True, bufsize=1)
        self.proc.stdin.write(
            "listen 179\n"
            f"peer them addr=192.0.2.1 as={AS_US} peer-as={AS_PLAYER} id=2 families=3 "
            "passive=1\napply\nroute 203.0.113.0/24\nannounce\n")

    def counts(self):
        self.proc.stdin.write("counts\n")
        line = self.proc.stdout.readline().split()
        self.proc.stdout.readline()
        return [int(x) for x in line[1:3]]

    def before(self, player):
        return self.counts()

    def verdict(self, before):
        end = time.monotonic() + 2
        while time.monotonic() < end:
            now = self.counts()
            if now[0] > before[0]:
                return "discard"
            if now[1] > before[1]:
                return "withdraw"
            time.sleep(0.02)
        return "taken"

    def is_dead(self):
        return self.proc.poll() is not None

    def stop(self):
        self.proc.kill()
        self.proc.wait()


class DaemonTarget:
    def __init__(self, fds, cls):
        self.name = cls.name
        self.d = cls(fds[1], **{"as": AS_US, "peer_as": AS_PLAYER})

    def has_route(self):
        return PREFIX_TEXT in self.d.routes()

    def before(self, player):
        """It has the route, which the row's message announces again."""
        player.sock.sendall(good_and())
        wait_for("route", self.has_route, 10)

    def verdict(self, before):
        time.sleep(1)
        return "discard" if self.has_route() else "withdraw"

    def is_dead(self):
        return any(p.poll() is not None for p in self.d.procs)

    def stop(self):
        self.d.stop()


def run_target(make, results):
    target = None
    try:
        fds = make_namespaces()
        target = make(fds)
        player = Player(fds[0], "192.0.2.2")
        for i, row in enumerate(ROWS):
            try:
                results[i] = play(player, target, row)
            except (OSError, AssertionError) as e:
                results[i] = f"? {e}"
            if target.is_dead():
                results[i] = "died"
                target.stop()
                target = make(fds)
    except (OSError, AssertionError) as e:
        results[:] = [f"? {e}"] * len(ROWS)
    finally:
        if target is not None:
            target.stop()


def is_against(row, ours, others):
    """All the others agree, and not with us."""
    seen = {r for r in others if not r.startswith("?")}
    return len(seen) == 1 and ours not in seen and len(row) < 6


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    program = os.path.abspath(sys.argv[1])
    makers = [lambda fds: UsTarget(fds, program)]
    names = ["Herald"]
    for cls in (daemons.Bird, daemons.Frr, daemons.Gobgp):
        if not daemons.is_installed(cls):
            sys.exit(f"malformed_bgp: {cls.name} is not installed (make deps)")
        makers.append(lambda fds, cls=cls: DaemonTarget(fds, cls))
        names.append(cls.name)
    results = [["? not run"] * len(ROWS) for _ in makers]
    threads = [threading.Thread(target=run_target, args=(m, r))
               for m, r in zip(makers, results)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    print(f"{'':5} {'RFC':11} {'':44} {'wants':9}" + "".join(f"{n:10}" for n in names))
    failed = 0
    for i, row in enumerate(ROWS):
        ours, others = results[0][i], [r[i] for r in results[1:]]
        is_bad = ours != row[4] or is_against(row, ours, others)
        failed += is_bad
        print(f"{'FAIL' if is_bad else 'ok':5} {row[0]:11} {row[1]:44} {row[4]:9}" +
              "".join(f"{r[i]:10}" for r in results) +
              (f" ({row[5]})" if len(row) > 5 else ""))
    print(f"{len(ROWS) - failed} passed, {failed} failed")
    sys.exit(failed != 0)


main()
