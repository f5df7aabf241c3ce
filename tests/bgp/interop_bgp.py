#!/usr/bin/env python3
"""interop_bgp.py BGP_PEER_TOOL [NAME...]: our BGP against BIRD, FRR, GoBGP and
OpenBGPD, in two network namespaces.

Each row brings up one session with one daemon and checks what the daemon has of
our routes: prefixes, next hops, AS path, MED, communities, large communities.
NAMEs pick rows or daemons by a word of theirs. Needs root and the daemons; one
that is not installed is named and counts as failed. Prints
`N passed, N failed`; exit status 0 where nothing failed.
"""
import os
import signal
import subprocess
import sys
import time

import daemons
from daemons import ALL, Route, run, wait_for
from ours import Ours

ASN = 4200000001
US4, US6, LL = "192.0.2.1", "2001:db8::1", "fe80::1"

ROUTES = [
    "route 198.51.100.1/32 community=65001:100 community=65535:65281 "
    "large=4200000001:1:2 med=5",
    "route 198.51.100.2/32 prepend=2",
    "route 203.0.113.0/24",
    "route 2001:db8:1::1/128 community=65001:200 large=1:2:3",
    "route 2001:db8:2::/64 med=7 prepend=1",
]


def expected(o, hop4=US4, hop6=US6):
    """What a daemon should show of ROUTES."""
    path = lambda n: [o["peer_as"]] * n if o["peer_as"] != o["as"] else []
    rows = {
        "198.51.100.1/32": Route(hop4, path(1), 5, {(65001, 100), (65535, 65281)},
                                 {(4200000001, 1, 2)}),
        "198.51.100.2/32": Route(hop4, path(3), None, set(), set()),
        "203.0.113.0/24": Route(hop4, path(1), None, set(), set()),
        "2001:db8:1::1/128": Route(hop6, path(1), None, {(65001, 200)}, {(1, 2, 3)}),
        "2001:db8:2::/64": Route(hop6, path(2), 7, set(), set()),
    }
    return {p: r for p, r in rows.items() if (6 if ":" in p else 4) in o["families"]}


def differences(have, want):
    """In words; [] where a daemon has just what it should."""
    out = [f"no {p}" for p in want if p not in have]
    out += [f"{p} is there" for p in have if p not in want]
    for p in set(have) & set(want):
        for field in Route._fields:
            h, w = getattr(have[p], field), getattr(want[p], field)
            if field == "med" and w is None and h in (None, 0):
                continue        # FRR and OpenBGPD show no MED as 0
            if h != w:
                out.append(f"{p} {field} is {h}, not {w}")
    return out


def wait_routes(d, want, sec=daemons.WAIT_SEC):
    last = []

    def is_so():
        last[:] = differences(d.routes(), want)
        return not last

    try:
        wait_for("routes", is_so, sec)
    except AssertionError:
        raise AssertionError("; ".join(last)) from None


def peer_line(o, **more):
    """The tool's line for the peer that o describes, seen from our side."""
    keys = {"addr": o["local"], "as": o["peer_as"], "peer-as": o["as"],
            "id": 0xc0000201, "families": sum(f // 4 + (f == 6) for f in o["families"]),
            "connect": 2}
    if o["password"]:
        keys["md5"] = o["password"]
    if o["gr"]:
        keys["restart"] = 120
    if o["gtsm"]:
        keys["gtsm"] = 1
    if o["extended_next_hop"]:
        keys["v6-next-hop"] = 1
    if o["bfd"]:
        keys.update({"bfd-us": 100000, "bfd-mult": 3})
    if not o["passive"]:
        keys["passive"] = 1
    if o["local"].startswith("fe80"):
        keys["iface"] = "it-a"
    keys.update(more)
    return "peer them " + " ".join(f"{k}={v}" for k, v in keys.items())


class Session:
    """A daemon and our end of a session with it, both stopped at the end."""

    def __init__(self, fds, program, cls, **options):
        self.fds, self.program = fds, program
        self.more = options.pop("ours", {})
        if options.get("password"):
            options["password"] = options["password"][:cls.max_password]
        self.d = cls(fds[1], **options)
        self.o = self.d.o
        self.ours = None

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        try:
            if self.ours:
                self.ours.stop()
            if exc[0] is not None and os.environ.get("KEEP_LOG"):
                with open(self.d.path("log"), encoding="utf-8") as f:
                    print(f.read()[-4000:])
        finally:
            self.d.stop()

    def line(self):
        line = peer_line(self.o, **self.more)
        if self.o["unnumbered"]:
            line = line.replace("addr=" + self.o["local"] + " ", "") + " iface=it-a"
        return line

    def start(self, *first, routes=tuple(ROUTES)):
        self.ours = Ours(self.fds[0], self.program, self.line(), *first)
        self.ours.announce(routes)

    def up(self):
        def is_up():
            s = self.ours.status()
            return s["state"] == "Established" and self.d.is_up()
        try:
            wait_for("session up", is_up)
        except AssertionError as e:
            raise AssertionError(f"{e}: {self.ours.status()}") from None

    def up_with_bfd(self):
        """Returns how often it has come up: once, but where the peer renews BFD's."""
        def is_up():
            return self.d.bfd() == "up" and self.ours.status()["bfd"] == "up"
        self.up()
        wait_for("BFD up", is_up)
        if self.d.renews_bfd:
            time.sleep(2)
            self.up()
            wait_for("BFD up", is_up)
        times = int(self.ours.status()["times"])
        assert times <= 1 + self.d.renews_bfd, self.ours.status()
        return times


def row_routes(s):
    """All attributes arrive; a change and a withdrawal follow; refresh; the end."""
    hop4 = {"hop4": US6} if s.o["extended_next_hop"] else {}
    s.start()
    s.up()
    want = expected(s.o, **hop4)
    wait_routes(s.d, want)
    # One withdrawn, one with another attribute, the rest untouched.
    s.ours.announce([ROUTES[0].replace("med=5", "med=6"), *ROUTES[2:]])
    del want["198.51.100.2/32"]
    want["198.51.100.1/32"] = want["198.51.100.1/32"]._replace(med=6)
    wait_routes(s.d, want)
    asked, sent = s.ours.counts()
    s.d.refresh()
    if s.d.sends_refresh:
        wait_for("another request for all, and the answer", lambda:
                 (lambda now: now[0] > asked and now[1] > sent)(s.ours.counts()), 10)
    wait_routes(s.d, want)
    st = s.ours.status()
    assert st["times"] == "1", f"the session fell: {st}"
    s.ours.say("shutdown leave 0 moving to rack 7")
    wait_for("end of the session", lambda: not s.d.is_up())
    wait_for("word of why", lambda: "moving to rack 7" in s.d.heard(), 5)
    wait_routes(s.d, {})
    wait_for("our exit", lambda: s.ours.proc.poll() is not None)
    assert s.ours.proc.returncode == 0, f"exit status {s.ours.proc.returncode}"


def row_drain(s):
    """Leaving: GRACEFUL_SHUTDOWN first, the end later."""
    s.start()
    s.up()
    want = expected(s.o)
    wait_routes(s.d, want)
    s.ours.say("shutdown leave 6000 bye")
    wait_routes(s.d, {p: r._replace(communities=r.communities | {(65535, 0)})
                      for p, r in want.items()}, 6)
    assert s.d.is_up()
    wait_routes(s.d, {})


def row_restart(s):
    """Our process dies and comes back: not one route is missed in between."""
    s.start()
    s.up()
    want = expected(s.o)
    wait_routes(s.d, want)
    for how in ("dies", "leaves"):
        if how == "dies":
            s.ours.stop()
        else:
            s.ours.say("shutdown restart 0")
            wait_for("our exit", lambda: s.ours.proc.poll() is not None)
        for _ in range(3):
            missing = differences(s.d.routes(), want)
            assert not missing, f"it {how} and the peer has {missing}"
            time.sleep(0.3)
        s.start("restarting")
        for _ in range(8):
            missing = differences(s.d.routes(), want)
            assert not missing, f"back after it {how}, the peer has {missing}"
            time.sleep(0.2)
        s.up()
        wait_routes(s.d, want)
    # What a restarted process does not announce again goes with End-of-RIB.
    s.ours.stop()
    s.start("restarting", routes=ROUTES[1:])
    s.up()
    del want["198.51.100.1/32"]
    wait_routes(s.d, want)


def row_bfd(s):
    """BFD comes up; its silence ends the session long before the hold time."""
    want = expected(s.o, hop4=s.o["peer"] if s.o["multihop"] else US4)
    s.start()
    s.up_with_bfd()
    wait_routes(s.d, want)
    for p in s.d.procs:
        p.send_signal(signal.SIGSTOP)
    try:
        wait_for("fall with BFD", lambda: s.ours.status()["state"] != "Established", 10)
        assert "BFD" in s.ours.status()["reason"], s.ours.status()["reason"]
    finally:
        for p in s.d.procs:
            p.send_signal(signal.SIGCONT)
    s.up()
    wait_routes(s.d, want)


def row_bfd_falls(s):
    """BFD's process stands still, BGP's goes on: a NOTIFICATION (RFC 9384), unless the
    peer may be restarting and its BFD with it (RFC 5882, 4.3.2): then its routes stay."""
    want = expected(s.o)
    s.start()
    s.up_with_bfd()
    wait_routes(s.d, want)
    is_told = s.o["cbit"] or not s.o["gr"]
    s.d.bfd_proc().send_signal(signal.SIGSTOP)
    try:
        wait_for("fall with BFD", lambda: s.ours.status()["bfd"] != "up", 10)
        # It may dial again at once: the reason is of the session before.
        text = "BFD down (6/10)" if is_told else "BFD session down"
        wait_for(f"word of it: {text}", lambda: text in s.ours.log(), 5)
        if not is_told:
            assert "6/10" not in s.ours.log(), "it was told"
            missing = differences(s.d.routes(), want)
            assert not missing, f"the peer has {missing}"
    finally:
        s.d.bfd_proc().send_signal(signal.SIGCONT)
    s.up()
    wait_routes(s.d, want)


def row_echo(s):
    """The router's echo packets come back to it, by our kernel's forwarding."""
    s.start()
    times = str(s.up_with_bfd())
    wait_for("50 echo packets back", lambda: s.d.echoes()[1] >= 50, 10)
    sent, back = s.d.echoes()
    assert sent - back <= 2, f"{back} of {sent} came back"
    assert s.ours.status()["bfd"] == "up" and s.ours.status()["times"] == times


def row_own_echo(s):
    """Ours come back by the router's forwarding, where it wants any; once that is
    broken, though its BFD goes on speaking, the session falls."""
    s.start()
    times = str(s.up_with_bfd())
    echo = lambda: s.ours.status()["echo"]
    if not s.d.takes_echo:
        wait_for("word that it takes none", lambda: echo() == "not-taken", 5)
        return ""
    wait_for("echo packets back", lambda: echo() == "active", 5)
    time.sleep(2)
    assert echo() == "active" and s.ours.status()["times"] == times, s.ours.status()
    daemons.configure(s.fds[1], "nft add table inet cut", "nft add chain inet cut c "
                      "{ type filter hook forward priority 0 ; }",
                      "nft add rule inet cut c udp dport 3785 drop")
    cut = time.monotonic()
    try:
        while s.ours.status()["state"] == "Established":
            assert time.monotonic() - cut < 3, "the session stays"
            time.sleep(0.002)
        took_ms = (time.monotonic() - cut) * 1000
        assert "BFD" in s.ours.status()["reason"], s.ours.status()["reason"]
        # 3.5 intervals of 100 ms; how late we ask is the rest.
        assert took_ms < 500, f"{took_ms:.0f} ms"
    finally:
        daemons.configure(s.fds[1], "nft delete table inet cut")
    s.up()
    wait_for("echo packets back again", lambda: echo() == "active", 5)
    return f", down {took_ms:.0f} ms after forwarding was cut"


def row_wrong_password(s):
    """No session, and we say what TCP does."""
    s.start()
    time.sleep(5)
    st = s.ours.status()
    assert st["state"] != "Established" and not s.d.is_up(), "came up"
    assert st["times"] == "0"


def row_bandwidth(s):
    """The link bandwidth community, as the daemon reads it."""
    s.start(routes=["route 203.0.113.0/24 bandwidth=65001:0:1000000"])
    s.up()
    wait_for("its bandwidth", lambda: s.d.bandwidth("203.0.113.0/24") is not None, 10)
    got = s.d.bandwidth("203.0.113.0/24")
    assert got == 1000000, f"{got}, not 1000000"


def row_mrt(s):
    """Our dump of a session, as bgpdump reads it: both directions, all states."""
    dump = s.d.path("mrt")
    s.start("mrt " + dump)
    s.up()
    want = expected(s.o)
    wait_routes(s.d, want)
    s.ours.say("shutdown leave 0 bye")
    wait_for("our exit", lambda: s.ours.proc.poll() is not None)
    text = run(s.fds[0], "bgpdump", "-v", dump)
    for prefix in want:
        assert prefix in text, f"no {prefix}"
    for word in ("STATE: Idle/Connect", "STATE: Openconfirm/Established",
                 "MESSAGE/Open", "MESSAGE/Keepalive", "MESSAGE_LOCAL/Update",
                 "MESSAGE_LOCAL/Notify", f"FROM: {s.o['local']} AS{s.o['as']}"):
        assert word in text, f"no {word}"


def row_wrong_role(s):
    """Both would be customers: no session, and we say why."""
    s.start()
    wait_for("a refusal", lambda: "role" in s.ours.status()["reason"], 10)
    assert not s.d.is_up() and s.ours.status()["times"] == "0"


def row_unnumbered(s):
    """Found by router advertisements; IPv4 by IPv6 next hops."""
    s.start()
    s.up()
    wait_routes(s.d, expected(s.o, hop4=US6))


# name, what to do, the daemon's options, ours
V6 = {"local": "2001:db8::2", "peer": US6}
ROUTED = {"multihop": True, "bfd": True, "families": (4,), "local": "10.2.0.2",
          "peer": "10.1.0.1"}
# Control packets that would take long: only Echo can be so quick.
OWN_ECHO = {"bfd-echo-us": 100000, "bfd-us": 500000}
ROWS = [
    ("IPv4 session, both families", row_routes, {}, {}),
    ("IPv6 session, both families", row_routes, V6, {}),
    ("2-byte AS", row_routes, {"peer_as": 65001}, {}),
    ("AS4_PATH to a peer with 2-byte AS numbers", row_routes, {"no_as4": True}, {}),
    ("they dial us", row_routes, {"passive": False}, {}),
    ("both dial", row_routes, {"passive": False}, {"passive": 0}),
    ("MD5 over IPv4, the longest key, they dial us", row_routes,
     {"password": "k" * 80, "passive": False}, {}),
    ("MD5 over IPv4, we dial", row_routes, {"password": "k" * 80}, {}),
    ("MD5 over IPv6, they dial us", row_routes,
     dict(V6, password="secret", passive=False), {}),
    ("another password", row_wrong_password, {"password": "right"}, {"md5": "wrong"}),
    ("GTSM over IPv4", row_routes, {"gtsm": True}, {}),
    ("GTSM over IPv6", row_routes, dict(V6, gtsm=True), {}),
    ("large messages", row_routes, {}, {"extended": 1}),
    ("extended next hop", row_routes, dict(V6, extended_next_hop=True), {}),
    ("link bandwidth", row_bandwidth, {}, {}),
    ("roles", row_routes, {"role": "customer"}, {"role": 0}),
    ("roles that do not fit", row_wrong_role, {"role": "customer"}, {"role": 3}),
    ("MRT dump", row_mrt, {}, {}),
    ("graceful restart", row_restart, {"gr": True}, {}),
    # Slow enough for a busy machine, quick enough to fall while we are away.
    ("graceful restart beside BFD", row_restart, {"gr": True, "bfd": True},
     {"bfd-us": 300000}),
    ("graceful shutdown", row_drain, {}, {}),
    ("BFD", row_bfd, {"bfd": True}, {}),
    ("BFD over IPv6", row_bfd, dict(V6, bfd=True), {}),
    ("BFD falls, BGP lives", row_bfd_falls, {"bfd": True, "bfd_apart": True}, {}),
    ("BFD falls beside graceful restart", row_bfd_falls,
     {"bfd": True, "bfd_apart": True, "gr": True}, {}),
    ("BFD falls, though it outlives BGP (C bit)", row_bfd_falls,
     {"bfd": True, "bfd_apart": True, "gr": True, "cbit": True}, {}),
    ("BFD over two hops", row_bfd, ROUTED, {"hops": 2}),
    ("BFD echo", row_echo, {"bfd": True, "echo": True}, {"bfd-echo-us": 50000}),
    ("echo of ours, BFD", row_own_echo, {"bfd": True}, OWN_ECHO),
    ("echo of ours, BFD over IPv6", row_own_echo, dict(V6, bfd=True), OWN_ECHO),
    ("unnumbered", row_unnumbered, {"unnumbered": True, "extended_next_hop": True}, {}),
]


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    program, picks = os.path.abspath(sys.argv[1]), sys.argv[2:]
    link, routed = daemons.make_namespaces(), daemons.make_routed_namespaces()
    passed = failed = 0
    for cls in ALL:
        for name, func, options, ours in ROWS:
            title = f"{cls.name}: {name}"
            if picks and not all(p in title for p in picks):
                continue
            if any(options.get(k) for k in cls.lacks) or name in cls.lacks:
                continue
            begin = time.monotonic()
            try:
                assert daemons.is_installed(cls), "not installed (make deps)"
                fds = routed if options.get("multihop") else link
                with Session(fds, program, cls, ours=dict(ours), **options) as s:
                    said = func(s) or ""
                print(f"ok    {title} ({time.monotonic() - begin:.1f} s){said}",
                      flush=True)
                passed += 1
            except (AssertionError, OSError, subprocess.TimeoutExpired, KeyError,
                    IndexError, ValueError) as e:
                print(f"FAIL  {title}: {e!r}", flush=True)
                failed += 1
    print(f"{passed} passed, {failed} failed")
    sys.exit(failed != 0 or passed == 0)


main()
