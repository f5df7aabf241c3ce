"""load_scenarios.py - floods, an upgrade under traffic, a death at the wrong moment. They
leave the lab as they found it.
"""
import collections
import signal
import socket
import struct
import threading
import time

import objects
from duplicate_scenarios import STRANGER_MAC, Stranger
from measure import Failed, Not, Prober, family, pods_reached, until
from neighbour import solicitation
from netns import inside
from objects import TCP_PORT, UDP_PORT
from scale_scenarios import POOL, one_service, owned
from scenarios import bring_back, cut_off, ms, scenario_adder

SCENARIOS = []      # as in scenarios.py
scenario = scenario_adder(SCENARIOS)


# --- floods ---------------------------------------------------------------------

FLOOD_PER_SEC, FLOOD_SEC = 10000, 3
BFD_PORT, ETH_P_ARP = 7847, 0x0806


def _hw(mac):
    return bytes.fromhex(mac.replace(":", ""))


def arp_frames(vip, owner, _peer):
    """Questions for the VIP, claims to have it, and what is no ARP, all to one node."""
    def arp(op, sha, spa, tha, tpa):
        return (_hw(owner.mac) + sha + struct.pack("!HHHBBH", ETH_P_ARP, 1, 0x0800, 6, 4, op)
                + sha + socket.inet_aton(spa) + tha + socket.inet_aton(tpa))
    frames = []
    for i in range(64):
        sha = b"\x02\x66\x00\x00\x00" + bytes([i])
        ask = arp(1, sha, f"10.0.0.{170 + i}", bytes(6), vip)
        frames += [ask, arp(2, sha, vip, sha, vip), ask[:14 + i % 28],
                   ask + bytes(1400), ask[:18] + bytes([i, 255]) + ask[20:]]
    return frames


def ndp_frames(vip, owner, _peer):
    """The same for neighbour discovery."""
    frames = []
    for i in range(64):
        mac = b"\x02\x66\x00\x00\x00" + bytes([i])
        ask = _hw(owner.mac) + solicitation(mac, f"fd00:a::{0x1000 + i:x}", vip)[6:]
        frames += [ask, ask[:14 + i % 72], ask + bytes(1300),
                   ask[:54] + b"\x88" + ask[55:], ask[:78] + bytes([1, i % 3]) + ask[80:]]
    return frames


def bfd_frames(_vip, owner, peer):
    """BFD of a peer, as far as one can make it up who has not seen its packets."""
    frames = []
    for i in range(64):
        bodies = (struct.pack("!BBBBIIIII", 0x20, 0x40 | i, 3, 24, i + 1, i * 7, 1000, 1000, 0),
                  struct.pack("!BBBBIIIII", 0x20, 0x40, 1, 24, i + 1, 0, 1, 1, 0),
                  bytes([0x20, 0xC0, 3, 24])[:i % 5], bytes(1200),
                  bytes([0x20, 0xC4, 3, 52]) + bytes(range(48)))
        for body in bodies:
            udp = struct.pack("!HHHH", BFD_PORT, BFD_PORT, 8 + len(body), 0) + body
            ip = bytearray(struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 255, 17, 0,
                                       socket.inet_aton(peer.ip), socket.inet_aton(owner.ip)))
            total = sum(struct.unpack("!10H", ip))
            ip[10:12] = struct.pack("!H", ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF)
            frames.append(_hw(owner.mac) + _hw(STRANGER_MAC) + b"\x08\x00" + bytes(ip) + udp)
    return frames


def flood(frames):
    """Send them round and round, ten a millisecond; returns frames a second."""
    with inside("stranger"):
        s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        s.bind(("eth0", 0))
    since, sent, n = time.monotonic(), 0, len(frames)
    with s:
        while (now := time.monotonic()) < since + FLOOD_SEC:
            for _ in range(min(int((now - since) * FLOOD_PER_SEC) - sent, 100)):
                try:
                    s.send(frames[sent % n])
                except OSError:     # its queue is full
                    pass
                sent += 1
            time.sleep(0.0005)
    return sent / (time.monotonic() - since)


@scenario(4, 6)
def floods(svc):
    """ARP or neighbour discovery, and BFD, made up, cut short and overlong, at 10,000
    frames a second to the owner: it stays the owner, nobody is taken for dead, and
    what it costs is bounded."""
    lab = svc.lab
    vip, owner = svc.settle()
    Stranger()
    peer = next(n for n in lab.nodes if n is not owner)
    speaker, told = lab.speakers[owner.name], []
    kinds = {"ARP": arp_frames, "BFD": bfd_frames} if svc.family == "IPv4" else {
        "neighbour discovery": ndp_frames}
    for kind, make in kinds.items():
        time.sleep(1)
        before, began = speaker.cpu_sec(), time.monotonic()
        changes = bfd_changes(speaker)
        rate = flood(make(vip, owner, peer))
        share = (speaker.cpu_sec() - before) / (time.monotonic() - began)
        if rate < 0.9 * FLOOD_PER_SEC:
            raise Failed(f"a flood of {FLOOD_PER_SEC} a second", f"{rate:.0f} could be sent")
        said = speaker.status()
        owners = [v.get("owner") for v in said.get("vips", []) if v["ip"] == vip]
        down = [n["name"] for n in said.get("nodes", []) if n["state"] != "up"]
        if not speaker.is_running() or owners != [owner.name] or down:
            raise Failed(f"{owner.name} to be up, the owner, and to see the others up",
                         f"owner {owners}, not up: {down}", owner)
        if bfd_changes(speaker) != changes:
            raise Failed("no BFD session to change", "one did", owner)
        if share > 0.6:
            raise Failed("at most 60 % of the (emulated) processor", f"{share:.0%}", owner)
        told.append(f"{kind} {rate:.0f}/s: {share:.0%} of the emulated processor, "
                    f"{share / rate * 1e6:.0f} us each")
    until("the client to be served again", lambda: set(pods_reached(
        "client", vip, UDP_PORT, len(svc.members))) == set(svc.members) or Not("not by all pods"), 5, node=owner)
    if svc.settle()[1] is not owner:
        raise Failed(f"{owner.name} to stay the owner", "another is", owner)
    return "; ".join(told)


def bfd_changes(speaker):
    return sum(v for k, v in speaker.metrics().items()
               if k.startswith("herald_bfd_state_changes_total"))


# --- an upgrade under traffic -----------------------------------------------------

REQUESTS_PER_SEC, NCLIENTS = 200, 10


class Requests:
    """REQUESTS_PER_SEC new connections a second to vip, each greeted and ended."""

    def __init__(self, netns, vip, port):
        self.netns, self.to, self.pods = netns, (vip, port), collections.Counter()
        self.took, self.errors = [], []
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(i,), daemon=True)
                         for i in range(NCLIENTS)]

    def __enter__(self):
        for t in self._threads:
            t.start()
        return self

    def __exit__(self, *_exc):
        self._stop.set()
        for t in self._threads:
            t.join()

    def _run(self, number):
        every = NCLIENTS / REQUESTS_PER_SEC
        due = time.monotonic() + every * number / NCLIENTS
        with inside(self.netns):
            while not self._stop.wait(max(0, due - time.monotonic())):
                due = max(due + every, time.monotonic() - 1)
                since = time.monotonic()
                try:
                    self._request()
                    self.took.append(time.monotonic() - since)
                except (OSError, ValueError, IndexError) as e:
                    self.errors.append((since, f"{e or type(e).__name__}"))

    def _request(self):
        with socket.socket(family(self.to[0]), socket.SOCK_STREAM) as s:
            s.settimeout(3)
            s.connect(self.to)
            self.pods[s.recv(200).decode().split()[0]] += 1
            s.shutdown(socket.SHUT_WR)
            if s.recv(200):
                raise ValueError("more than the greeting")


@scenario(4, 6)
def rolling_upgrade(svc):
    """All speakers are ended and started anew, one after the other, while a client makes
    200 requests a second: none fails."""
    lab = svc.lab
    vip, _owner = svc.settle()
    owners, since = [], time.monotonic()
    with Requests("client", vip, TCP_PORT) as requests:
        for node in lab.nodes:
            speaker = lab.speakers[node.name]
            speaker.signal(signal.SIGTERM)
            until(f"{node.name}'s speaker to end", lambda s=speaker: not s.is_running(), 10,
                  node=node)
            speaker.start()
            owners.append(svc.settle(20)[1].name)
        time.sleep(0.5)
        lasted = time.monotonic() - since
    done, took = len(requests.took), sorted(requests.took)
    if requests.errors:
        when, what = requests.errors[0]
        raise Failed("no request to fail", f"{len(requests.errors)} of "
                     f"{done + len(requests.errors)} did; the first {when - since:.1f} s after "
                     f"the first SIGTERM: {what}", lab.by_name[owners[0]])
    if done < 0.9 * REQUESTS_PER_SEC * lasted or set(requests.pods) != set(svc.members):
        raise Failed(f"{REQUESTS_PER_SEC} requests a second, by all pods",
                     f"{done} in {lasted:.1f} s by {dict(requests.pods)}")
    return (f"0 of {done} requests failed in {lasted:.1f} s; owners {' -> '.join(owners)}; "
            f"{ms(took[done // 2])} median, {ms(took[-1])} longest")


# --- a death at the wrong moment ----------------------------------------------------

NMANY = 300


@scenario(4)
def takeover_while_busy(svc):
    """The owner dies while the other nodes are programming 300 Services that have just
    been made: its VIP does not wait for that."""
    lab = svc.lab
    vip, owner = svc.settle()
    others = [lab.speakers[n.name] for n in lab.nodes if n is not owner]
    pool = objects.pool([POOL], "many")
    pool["spec"]["autoAssign"] = False
    services = {"apiVersion": "v1", "kind": "List", "metadata": {"name": "many"},
                "items": [one_service(i) for i in range(NMANY)]}
    prober = Prober("client", vip, UDP_PORT, 24)
    prober.drop_flows_to(owner.pods)
    lab.objects.put(pool)
    try:
        with prober:
            until("probes to be answered", lambda: len(prober.answered) > 20, 5)
            lab.objects.put(services)
            until("the others to be at work", lambda: all(
                owned(lab, s).total() > NMANY / 20 for s in others), 30)
            since = cut_off(lab, owner)
            until(f"{vip} to answer after {owner.name} has died",
                  lambda: prober.answered_since(since) > 20, 20)
            done = [owned(lab, s).total() for s in others]
        outage = prober.outage_sec(since)
        if max(done) >= NMANY:
            raise Failed("the others still to be at work then", f"they had {done} VIPs", owner)
        if outage > 0.6:
            raise Failed(f"{vip} to answer within 600 ms", f"it took {ms(outage)}", owner)
    finally:
        bring_back(lab, owner)
        lab.objects.remove(services)
        lab.objects.remove(pool)
        until("the Services to be gone", lambda: not any(
            owned(lab, s).total() for s in lab.speakers.values()), 60, 0.2)
    svc.settle(30)
    return (f"VIP answers again after {ms(outage)}, with {done[0]} and {done[1]} of {NMANY} "
            "Services programmed")
