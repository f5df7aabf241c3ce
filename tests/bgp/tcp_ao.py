#!/usr/bin/env python3
"""tcp_ao.py BGP_PEER_TOOL: TCP-AO (RFC 5925) between two of our ends, and with BIRD.

What key protects a segment is read off the segments themselves, by a packet socket
beside one end. Needs root and a kernel with TCP-AO (see tcp_ao.sh); the rows with
BIRD need one that knows it (2.18 or later; $BIRD, else the one installed), and are
skipped, by name, without. Prints `N passed, N failed`; exit status 0 where nothing
failed.
"""
import os
import socket
import struct
import subprocess
import sys
import time

import daemons
from daemons import wait_for
from ours import Ours

AO = 29             # the TCP option's kind
ADDR = {4: ("192.0.2.1", "192.0.2.2"), 6: ("2001:db8::1", "2001:db8::2")}
BIRD = os.environ.get("BIRD", "bird")


class Wire:
    """The segments of port 179 that a namespace's end of the link sees."""

    def __init__(self, ns, dev):
        daemons.enter_namespace(ns)
        self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
        self.sock.bind((dev, 3))
        self.sock.setblocking(False)

    def segments(self):
        """(is it to port 179?, key ID, next key ID) of each since the last call, None
        for the IDs where there is no TCP-AO."""
        found = []
        while True:
            try:
                p = self.sock.recv(65536)
            except BlockingIOError:
                return found
            at = 40 if p[0] >> 4 == 6 else (p[0] & 15) * 4
            if p[6 if at == 40 else 9] != socket.IPPROTO_TCP:
                continue
            ports = struct.unpack_from("!HH", p, at)
            if 179 in ports:
                options = p[at + 20:at + (p[at + 12] >> 4) * 4]
                found.append((ports[1] == 179, *key_ids(options)))

    def keys(self):
        """The key IDs in use since the last call, either way."""
        return {key for _, key, _ in self.segments()}


def key_ids(options):
    at = 0
    while at < len(options) and options[at] != 0:
        if options[at] == 1:
            at += 1
            continue
        if options[at] == AO:
            # Two IDs and 96 bits of MAC.
            assert options[at + 1] == 16, f"TCP-AO of {options[at + 1]} bytes"
            return options[at + 2], options[at + 3]
        at += options[at + 1]
    return None, None


def peer(end, family, key=None, key_id=1, **more):
    """The line of our end 0 or 1. Hold time 3: what is not taken is soon noticed."""
    keys = {"addr": ADDR[family][1 - end], "source": ADDR[family][end],
            "as": 65001 + end, "peer-as": 65002 - end, "id": 1 + end, "families": 3,
            "connect": 1, "hold": 3, "keepalive": 1}
    if key is not None:
        keys.update({"ao": key, "key-id": key_id})
    keys.update(more)
    return "peer them " + " ".join(f"{k}={v}" for k, v in keys.items())


class Pair:
    """Two of our ends with a line each; end 0 dials."""

    def __init__(self, fds, program, *lines):
        self.wire = Wire(fds[0], "it-a")
        self.ends = [Ours(fds[i], program, line) for i, line in enumerate(lines)]
        for end in self.ends:
            end.announce(["route 198.51.100.1/32"])

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        for end in self.ends:
            end.stop()

    def up(self, times=1):
        for end in self.ends:
            wait_for("session up", lambda e=end: e.status()["state"] == "Established"
                     and e.status()["times"] == str(times), 15)

    def change(self, end, line):
        self.ends[end].say(line, "apply", "route 198.51.100.1/32", "announce")

    def stays(self, sec, times=1):
        """Longer than the hold time: each takes what the other sends."""
        end = time.monotonic() + sec
        while time.monotonic() < end:
            for e in self.ends:
                st = e.status()
                assert st["state"] == "Established" and st["times"] == str(times), st
            time.sleep(0.2)


def row_right(fds, program, family):
    with Pair(fds, program, peer(0, family, "secret"),
              peer(1, family, "secret", passive=1)) as p:
        p.up()
        p.stays(4)
        seen = p.wire.segments()
        assert len(seen) > 8 and {s[1:] for s in seen} == {(1, 1)}, seen


def row_wrong(fds, program, other):
    """No session, and not one segment of either is taken for good."""
    with Pair(fds, program, peer(0, 4, "secret"), peer(1, 4, **other)) as p:
        time.sleep(6)
        for e in p.ends:
            st = e.status()
            assert st["state"] != "Established" and st["times"] == "0", st
        assert p.wire.segments(), "nobody dialled"


def row_roll(fds, program, first):
    """From key 1 to key 2, and to another key 1, the one or the other end first."""
    with Pair(fds, program, peer(0, 4, "one"), peer(1, 4, "one", passive=1)) as p:
        p.up()
        for key, key_id, old in (("two", 2, 1), ("three", 1, 2)):
            p.change(first, peer(first, 4, key, key_id, passive=first))
            p.stays(2)
            p.wire.keys()
            p.stays(2)
            seen = p.wire.keys()
            assert seen == {old}, f"one end alone has changed: {seen}"
            p.change(1 - first, peer(1 - first, 4, key, key_id, passive=1 - first))
            p.stays(3)
            p.wire.keys()
            p.stays(4)
            seen = p.wire.keys()
            assert seen == {key_id}, f"both ends have changed: {seen}"
        # And both ends dial by the new one alone.
        p.ends[0].say("reset them moved")
        p.up(2)
        assert p.wire.keys() == {1}


def row_same_id(fds, program, _):
    """Another key under the same ID cannot stand beside the first: a new session."""
    with Pair(fds, program, peer(0, 4, "one"), peer(1, 4, "one", passive=1)) as p:
        p.up()
        p.change(0, peer(0, 4, "two"))
        p.change(1, peer(1, 4, "two", passive=1))
        wait_for("another session", lambda: all(
            e.status()["state"] == "Established" for e in p.ends), 15)


BIRD_CONF = """
router id 192.0.2.2;
protocol device {{ }}
protocol bgp ours {{
    local 192.0.2.2 as 65002; neighbor 192.0.2.1 as 65001; direct; passive on;
    hold time 3; authentication ao;
    keys {{ {keys} }};
    ipv4 {{ import all; export none; }};
}}
"""
BIRD_KEY = 'key {{ id {id}; secret "{key}"; algorithm hmac sha1; {more} }};'


def has_bird():
    """Is there a BIRD that takes such a configuration?"""
    with open("/tmp/bird.conf", "w", encoding="utf-8") as f:
        f.write(BIRD_CONF.format(keys=BIRD_KEY.format(id=1, key="one", more="")))
    try:
        done = subprocess.run([BIRD, "-p", "-c", f.name], capture_output=True, text=True,
                              check=False)
        if done.returncode != 0 and os.environ.get("KEEP_LOG"):
            print(done.stderr)
        return done.returncode == 0
    except OSError:
        return False


def row_bird(fds, program, _):
    """Routes arrive; BIRD takes a second key and prefers it; then we do likewise."""
    def configure(*keys):
        with open("/tmp/bird.conf", "w", encoding="utf-8") as f:
            f.write(BIRD_CONF.format(keys=" ".join(keys)))

    def ask(*what):
        return subprocess.run([BIRD + "c", "-s", "/tmp/bird.ctl", *what], text=True,
                              capture_output=True, check=False).stdout

    one = BIRD_KEY.format(id=1, key="one", more="")
    two = BIRD_KEY.format(id=2, key="two", more="preferred;")
    configure(one)
    wire = Wire(fds[0], "it-a")
    bird = daemons.popen(fds[1], BIRD, "-f", "-c", "/tmp/bird.conf", "-s", "/tmp/bird.ctl")
    ours = Ours(fds[0], program, peer(0, 4, "one"))
    try:
        ours.announce(["route 198.51.100.1/32"])
        wait_for("the route", lambda: "198.51.100.1/32" in ask("show", "route"), 20)
        assert wire.keys() == {1}
        configure(one, two)
        ask("configure")
        time.sleep(2)
        ours.say(peer(0, 4, "two", 2), "apply", "route 198.51.100.1/32", "announce")
        time.sleep(3)
        wire.keys()
        time.sleep(4)
        assert wire.keys() == {2}, "the key was not changed"
        st = ours.status()
        assert st["state"] == "Established" and st["times"] == "1", st
        assert "198.51.100.1/32" in ask("show", "route")
    finally:
        ours.stop()
        bird.kill()
        bird.wait()


ROWS = [
    ("the same key, IPv4", row_right, 4),
    ("the same key, IPv6", row_right, 6),
    ("another key", row_wrong, {"key": "wrong"}),
    ("another key ID", row_wrong, {"key": "secret", "key_id": 2}),
    ("no key at the other end", row_wrong, {}),
    ("MD5 at the other end", row_wrong, {"md5": "secret"}),
    ("a key changed, by the dialling end first", row_roll, 0),
    ("a key changed, by the other end first", row_roll, 1),
    ("another key under the same ID", row_same_id, None),
    ("BIRD, and a key changed", row_bird, None),
]


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    program = os.path.abspath(sys.argv[1])
    fds = daemons.make_namespaces()
    passed = failed = 0
    for name, func, arg in ROWS:
        if len(sys.argv) > 2 and sys.argv[2] not in name:
            continue
        if func == row_bird and not has_bird():
            print(f"skip  TCP-AO: {name}: no BIRD here that knows it")
            continue
        try:
            func(fds, program, arg)
            print(f"ok    TCP-AO: {name}", flush=True)
            passed += 1
        except (AssertionError, OSError) as e:
            print(f"FAIL  TCP-AO: {name}: {e!r}", flush=True)
            failed += 1
    print(f"{passed} passed, {failed} failed")
    sys.exit(failed != 0 or passed == 0)


main()
