"""move_scenarios.py - planned moves of a VIP, and off a link that is lost: what the
client sees of them, packet by packet.

The gap is what counts of the packets: the span of sending times that got no answer. An
answer that is late is no gap; the longest round trip is printed beside that at rest,
for the one processor that all nodes share is another's now and then.
"""
import contextlib
import re
import signal
import socket
import threading
import time

import objects
from l2_scenarios import BFD_PORT
from measure import Connections, Failed, Prober, until
from neighbour import ETH_P_IP, LD_BYTE, LD_HALF, Watch, recv_stamped, tap
from netns import inside, ip_batch, set_link, sysctl
from objects import TCP_PORT, UDP_PORT
from scenarios import ms, scenario_adder

SCENARIOS = []      # as in scenarios.py
scenario = scenario_adder(SCENARIOS)

GAP_LIMIT_SEC = 0.005
NLOSSES = 5             # of a link
SYN_AGAIN_SEC = 0.9     # TCP's first retransmission comes after a second


class Traffic:
    """From __enter__ to __exit__: probes each millisecond, open connections, new ones."""

    def __init__(self, svc, vip, nconns=30):
        self.vip, self.nconns = vip, nconns
        self.conns = Connections("client", vip, TCP_PORT, nconns)
        self.prober = Prober("client", vip, UDP_PORT, 24, spacing_sec=0.001)
        self.connects, self.errors = [], []     # seconds that each took
        self.spans = {}                         # what happened: [(begin, end)]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._connect, daemon=True)

    def __enter__(self):
        self.prober.__enter__()
        self._thread.start()
        until("probes to be answered", lambda: len(self.prober.answered) > 100, 5)
        with self.span("at rest"):
            time.sleep(1)
        return self

    def __exit__(self, *exc):
        self._stop.set()
        self._thread.join()
        self.prober.__exit__(*exc)

    def _connect(self):
        while not self._stop.is_set():
            began = time.monotonic()
            one = Connections("client", self.vip, TCP_PORT, 1)
            self.connects.append(time.monotonic() - began)
            self.errors += one.errors
            one.close(0)
            time.sleep(0.02)

    @contextlib.contextmanager
    def span(self, what):
        began = time.monotonic()
        yield began
        time.sleep(0.3)         # for what comes late
        self.spans.setdefault(what, []).append((began, time.monotonic()))
        time.sleep(0.05)        # what is under way is not for what comes next to lose

    def gaps(self, what):
        return [self.prober.gap_sec(*span) for span in self.spans[what]]

    def gaps_told(self):
        """Once all answers are in."""
        said = []
        for what, spans in self.spans.items():
            trip = max(self.prober.round_trip_sec(*span) for span in spans)
            said.append(f"{what} {', '.join(map(ms, self.gaps(what)))} ({ms(trip)})")
        return "gaps (longest round trips): " + "; ".join(said)

    def expect_alive(self, owner):
        """All connections live, once the prober has come to rest."""
        self.conns.say(b"still here")
        alive = self.conns.hear(b"still here", 5)
        self.conns.close()
        if len(alive) < self.nconns or self.conns.errors:
            raise Failed(f"{self.nconns} connections alive",
                         f"{len(alive)}, {self.conns.errors}", owner)

    def expect_nothing_lost(self, owner):
        """Neither probe nor SYN nor connection."""
        self.expect_alive(owner)
        lost = self.prober.lost()
        slow = [t for t in self.connects if t > SYN_AGAIN_SEC]
        if lost:
            raise Failed("no packet lost in a planned move", f"{len(lost)} of "
                         f"{len(self.prober.sent)} were; {self.gaps_told()}", owner)
        if slow or self.errors:
            raise Failed("no SYN lost", f"of {len(self.connects)} connections {len(slow)} "
                         f"took up to {ms(max(self.connects))}; {self.errors}", owner)
        return (f"0 of {len(self.prober.sent)} packets lost; {self.gaps_told()}; "
                f"{self.nconns} connections alive, {len(self.connects)} made meanwhile, each "
                f"within {ms(max(self.connects))}")


@scenario(4, 6)
def speaker_leaves(svc):
    """The owner's speaker is asked to end: the VIP moves, and comes back with it."""
    vip, owner = svc.settle()
    speaker = svc.lab.speakers[owner.name]
    with Traffic(svc, vip) as traffic:
        with traffic.span("away") as since:
            speaker.signal(signal.SIGTERM)
            until(f"another owner than {owner.name}",
                  lambda: svc.owners(vip, 0.05) not in (set(), {owner.name}), 5, node=owner)
            moved = time.monotonic() - since
            until("the speaker to end", lambda: not speaker.is_running(), 10, node=owner)
        with traffic.span("back"):
            speaker.start()
            svc.settle()
    return f"moved within {ms(moved)}; {traffic.expect_nothing_lost(owner)}"


@scenario(4, 6)
def drained(svc):
    """heraldctl drains the owner, and frees it: the VIP moves and comes back."""
    vip, owner = svc.settle()
    with Traffic(svc, vip) as traffic:
        for verb, what, says in (("drain", "away", r": [1-9]\d* VIPs moved, 0 left$"),
                                 ("undrain", "back", r": in service, ")):
            with traffic.span(what):
                status, text = svc.lab.heraldctl(verb, owner.name)
                if status != 0 or not re.search(says, text, re.M):
                    raise Failed(f"heraldctl {verb} to say {says!r}", f"{status}, {text!r}",
                                 owner)
                until(f"{owner.name} to {'lose' if verb == 'drain' else 'own'} {vip}",
                      lambda d=verb: (svc.owners(vip, 0.05) == {owner.name}) != (d == "drain"),
                      5, node=owner)
    return traffic.expect_nothing_lost(owner)


@scenario(4)
def cordoned(svc):
    """With --yield-on-cordon, the owner's Node is cordoned, and uncordoned."""
    lab = svc.lab
    with lab.speakers_with("--yield-on-cordon"):
        vip, owner = svc.settle(30)
        obj = objects.node(owner)
        with Traffic(svc, vip) as traffic:
            for is_cordoned, what in ((True, "away"), (False, "back")):
                obj["spec"]["unschedulable"] = is_cordoned
                with traffic.span(what):
                    lab.objects.put(obj)
                    until(f"{owner.name} to {'lose' if is_cordoned else 'own'} {vip}",
                          lambda c=is_cordoned: (svc.owners(vip, 0.05) == {owner.name}) != c,
                          5, node=owner)
        told = traffic.expect_nothing_lost(owner)
    svc.settle(30)
    return told


@contextlib.contextmanager
def second_links(svc):
    """Each node has a second link to the LAN, up1, and the Services are announced on
    that alone; the nodes go on hearing one another by the first. {MAC: node}."""
    lab = svc.lab
    macs = {f"02:00:00:00:01:{n.index:02x}": n for n in lab.nodes}
    for mac, n in macs.items():
        ip_batch("lan", [f"link add u-{n.name} type veth peer name up1 address {mac} "
                         f"netns {n.name}", f"link set u-{n.name} master br0 up"])
        ip_batch(n.name, ["link set up1 up"])
        # Routes to the LAN lead out of eth0, so a strict check lets nothing in here.
        # Nor does a loose one, where the link has no IPv4 address.
        sysctl(n.name, {"ipv4/conf/up1/rp_filter": 2})
        ip_batch(n.name, [f"addr add 10.0.9.{n.index}/32 dev up1"])
    advert = objects.advertisement()
    advert["spec"]["interfaces"] = ["up1"]
    lab.objects.put(advert)
    try:
        yield macs
    finally:
        lab.objects.put(objects.advertisement())
        for n in lab.nodes:
            ip_batch("lan", [f"link del u-{n.name}"])


def set_second_link(node, is_up):
    with inside("lan"):
        set_link(f"u-{node.name}", is_up)


class Words:
    """What a node's speaker says to the others of the links that it lacks: in BFD's
    Required Min Echo RX Interval, 0 where there are none."""

    def __init__(self, node):
        self._sock = tap(node.port(), (LD_HALF, 12, ETH_P_IP), (LD_BYTE, 23, socket.IPPROTO_UDP),
                         (LD_HALF, 36, BFD_PORT))

    def first_since(self, since):
        """When it first said so."""
        with contextlib.suppress(BlockingIOError):
            while True:
                frame, when = recv_stamped(self._sock, 128, socket.MSG_DONTWAIT)
                if when >= since and any(frame[62:66]):
                    return when
        return float("nan")

    def close(self):
        self._sock.close()


def in_service(lab):
    return all(n["state"] == "up" for s in lab.speakers.values() for n in s.status()["nodes"])


@scenario(4, 6)
def link_lost(svc):
    """A VIP of one interface moves off a node whose interface goes down, and back with
    it, five times. What is under way to a dead link is lost, so here is a gap."""
    lab = svc.lab
    vip, _owner = svc.settle()
    with second_links(svc) as macs:
        def owner():
            who = svc.owners(vip, 0.02)
            return macs.get(next(iter(who))) if len(who) == 1 else None

        time.sleep(1.5)         # a link that comes takes a second to be seen
        until("all nodes to be in service", lambda: in_service(lab), 5)
        first = until(f"{vip} to be answered for on up1", owner, 5)
        told, claimed = [], []
        with (Watch("client", vip) as watch, contextlib.closing(Words(first)) as words,
              Traffic(svc, vip) as traffic):
            for _ in range(NLOSSES):
                with traffic.span("away") as since:
                    set_second_link(first, False)
                    heir = until("another node", lambda: (o := owner()) and o is not first and o,
                                 5, node=first)
                told.append(words.first_since(since) - since)
                claimed.append(next(t for t, mac in watch.claims if t >= since and
                                    macs.get(mac) is heir) - since)
                with traffic.span("back"):
                    set_second_link(first, True)
                    until(f"{first.name} again", lambda: owner() is first, 5, node=first)
        traffic.expect_alive(first)
        until("all nodes to be in service", lambda: in_service(lab), 5, node=first)
    svc.settle()
    # Of it the kernel takes half a millisecond to tell of the link, and the leaver, on the
    # one processor, another to tell both others, before the heir has its turn.
    if max(traffic.gaps("away")) >= GAP_LIMIT_SEC or any(traffic.gaps("at rest")):
        raise Failed(f"gaps under {ms(GAP_LIMIT_SEC)}", f"told after "
                     f"{', '.join(map(ms, told))}, announced after "
                     f"{', '.join(map(ms, claimed))}; {traffic.gaps_told()}", first)
    return (f"{first.name} -> {heir.name}: told after {', '.join(map(ms, told))}, announced "
            f"after {', '.join(map(ms, claimed))}; {traffic.gaps_told()}; {traffic.nconns} "
            "connections alive")
