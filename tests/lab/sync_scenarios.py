"""sync_scenarios.py - connection sync between directors (--sync-port), with packets."""
import contextlib
import glob
import os
import socket
import struct
import time

import survival
from ipvs import ipvs_table
from kind_scenarios import TCP, UDP, chosen, clients_of, kind
from measure import Connections, Failed, Not, family, until
from netns import inside, output, sysctl
from objects import TCP_PORT, profile
from scenarios import scenario_adder

SCENARIOS = []      # as in scenarios.py
scenario = scenario_adder(SCENARIOS)
PORT = 7849
TOLD = 'herald_sync_connections_total{kind="told"}'
TAKEN = 'herald_sync_connections_total{kind="taken"}'
AGE_SEC = 4         # the kernel keeps what it has to tell for up to two seconds, and some
NCONNS = 200
NPORTS = 150
KEPT = 0.9          # of connections: a client's port used again may meet an older one's end


def count(lab, metric):
    """The sum over all speakers."""
    return sum(p.metrics().get(metric, 0) for p in lab.speakers.values())


def moved(svc, events):
    """{event: share of those due that live}"""
    shares = {}
    for name, make, _bound in survival.EVENTS:
        if name in events:
            nopen, due, alive = survival.survive(svc, make, NCONNS, AGE_SEC)
            if due < nopen / 2:
                raise Failed(f"{name}: most of {nopen} to be due", f"{due} are")
            shares[name] = alive / due
    return shares


@scenario(4, 6)
def sync_keeps_connections(svc):
    """With wrr no node can compute another's choice: with sync connections live
    through a move, a crash, and a move after the endpoints have changed; without, not."""
    events = ("planned move", "owner crash", "endpoint added, then a move")
    own = survival.use_profile(svc, "tunnel", "wrr")
    without = moved(own, events[1:2])
    with svc.lab.speakers_with("--sync-port", str(PORT)):
        own.settle(30)
        shares = moved(own, events)
        ntold, ntaken = count(svc.lab, TOLD), count(svc.lab, TAKEN)
    survival.drop_profile(own)
    # Three quarters are: the new owner's endpoints', and what goes to the right one of
    # the two nodes that are left.
    if without["owner crash"] >= KEPT:
        raise Failed("connections to be lost without sync", f"{without} live")
    if min(shares.values()) < KEPT:
        raise Failed(f"{KEPT:.0%} of connections to live with sync", f"{shares} do")
    return (f"{', '.join(f'{name} {share:.1%}' for name, share in shares.items())}; "
            f"without sync {without['owner crash']:.0%}; {ntold:.0f} told, {ntaken:.0f} taken")


@contextlib.contextmanager
def few_ports(first):
    """The client's ports come round, a second after it has ended a connection."""
    with inside("client"), open("/proc/sys/net/ipv4/ip_local_port_range") as f:
        before = f.read().strip()
    sysctl("client", {"ipv4/ip_local_port_range": f"{first} {first + NPORTS + 9}",
                      "ipv4/tcp_tw_reuse": 1})
    try:
        yield
    finally:
        sysctl("client", {"ipv4/ip_local_port_range": before, "ipv4/tcp_tw_reuse": 2})


def used_again(svc, first):
    """Of connections from ports that were used a moment before the share that lives
    through a move. Half of those before had their endpoints on the next owner, which
    remembers them; a third of the new ones has another, of endpoints that came since."""
    members = list(svc.members)
    _vip, owner = svc.settle(30)
    with few_ports(first):
        svc.write_slice([p for p in members if p not in owner.pods])
        vip, _owner = svc.settle(30)
        Connections("client", vip, TCP_PORT, NPORTS, limit_sec=8).close()
        time.sleep(1.2)
        svc.write_slice(members)
        steps = survival.planned_move(svc)
        conns = Connections("client", next(steps), TCP_PORT, NPORTS, limit_sec=8)
        _nopen, due, alive = survival.survived(steps, conns, NPORTS, AGE_SEC)
    return alive / due


@scenario(4, 6)
def sync_outdates_what_is_left(svc):
    """What the next owner remembers of a port's last connection takes the packets of the
    new one to where that was; unless it is told of the new one."""
    without = used_again(svc, 24000)
    with svc.lab.speakers_with("--sync-port", str(PORT)):
        svc.settle(30)
        share = used_again(svc, 24500)
    svc.settle(30)
    if share < 1 or without > 0.98:
        raise Failed("connections from ports used again to live with sync alone",
                     f"with {share:.1%}, without {without:.1%}")
    return f"{NPORTS} ports used again: {share:.0%} live; without sync {without:.0%}"


def affinity_kept(svc, mode):
    """Of the clients of a Service with affinity and wrr, the share that has the same pod
    after an owner's crash, of those whose pod lives on."""
    lab = svc.lab
    lab.objects.put(profile("sync", {"mode": mode, "scheduler": "wrr"}))
    spec = {"sessionAffinity": "ClientIP"}
    with kind(svc, "synced", [TCP, UDP], spec,
              {"heraldlb.io/forwarding-profile": "sync"}) as own:
        own.put_slice(own.pods("ab"))
        vip, owner = own.up()
        clients = clients_of(svc, 24)

        def pods():
            return {c: until(f"{c} to be served", lambda c=c: chosen(
                vip, 80, socket.SOCK_STREAM, c, False), 8) for c in clients}
        until(f"{owner.name} to masquerade", lambda: all(
            d.forward == "Masq" for d in ipvs_table(owner.director)[("TCP", vip, 80)]), 5)
        before = pods()
        if pods() != before:
            raise Failed("clients to keep their pods", "they do not even without a move")
        time.sleep(AGE_SEC)
        survival.cut_off(lab, owner)
        until("another owner", lambda: len(o := own.owners(vip, 0.05)) == 1 and
              o != {owner.name}, 10)
        after = pods()
        survival.bring_back(lab, owner)
        own.up()
    lab.objects.remove(profile("sync", {}))
    due = [c for c in clients if before[c] not in owner.pods]
    return sum(after[c] == before[c] for c in due) / len(due), len(due)


@scenario(4, 6)
def sync_keeps_affinity(svc):
    """In mode masquerade, too, where connections die with their owner: a client comes
    back to its pod, by whichever node; without sync, not all do."""
    without, _due = affinity_kept(svc, "masquerade")
    with svc.lab.speakers_with("--sync-port", str(PORT)):
        svc.settle(30)
        share, due = affinity_kept(svc, "masquerade")
    svc.settle(30)
    if share < 1 or without == 1:
        raise Failed("affinity to be kept with sync alone",
                     f"with {share:.0%}, without {without:.0%}")
    return f"{due} clients kept their pods; without sync {without:.0%}"


def forged(vip, endpoint, tail=b""):
    """A datagram that tells of a connection of 192.0.2.1 port 7 to the VIP."""
    is_v6 = ":" in vip
    af = socket.AF_INET6 if is_v6 else socket.AF_INET
    client = "2001:db8::1" if is_v6 else "192.0.2.1"
    addresses = b"".join(socket.inet_pton(af, a) for a in (client, vip, endpoint))
    conn = struct.pack("!BBHIHHHHII", int(is_v6), socket.IPPROTO_TCP,
                       24 + len(addresses), 0, 1, 7, TCP_PORT, 8080, 0, 900) + addresses
    msg = struct.pack("!BBHBBH", 0, 1, 8 + len(conn), 1, 1, 0) + conn
    return struct.pack("!IBBHQQ", 0x48434f4e, 1, 0, len(msg), 1 << 63, 1) + msg + tail


def daemons(node):
    """How many sync daemons a node's director has."""
    return output(node.director, "ipvsadm", "-l", "--daemon").count("sync daemon")


def threads():
    """How many there are on all nodes."""
    found = 0
    for path in glob.glob("/proc/[0-9]*/comm"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError), open(path) as f:
            found += f.read().startswith(("ipvs-m:", "ipvs-b:"))
    return found


def refuse_strangers(svc, vip, owner, victim):
    """What strangers, and nodes without the key, tell the victim of is none of its."""
    speaker, is_v6 = svc.lab.speakers[victim.name], ":" in vip
    endpoint = svc.pod_ip(next(iter(owner.pods)))

    def count(kind_of):
        return speaker.metrics().get(f'herald_sync_datagrams_total{{kind="{kind_of}"}}', 0)
    # A node's speaker is known by the address that its BFD comes from.
    for at, ip, tail, heard in (
            ("client", victim.ip6 if is_v6 else victim.ip, b"", "stranger"),
            ("client", victim.ip6 if is_v6 else victim.ip, os.urandom(16), "stranger"),
            (owner.name, victim.ip, b"", "unsigned"),
            (owner.name, victim.ip, os.urandom(16), "unsigned")):
        before = count(heard)
        with inside(at), socket.socket(family(ip), socket.SOCK_DGRAM) as s:
            s.sendto(forged(vip, endpoint, tail), (ip, PORT))
        until(f"a datagram from {at} to count as {heard}",
              lambda h=heard, b=before: count(h) == b + 1, 3, node=victim)
    with inside("client"), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF,
                     socket.inet_aton("10.0.0.100"))
        s.sendto(forged(vip, endpoint)[24:], ("224.0.0.81", 8848))
    time.sleep(0.3)
    for node in svc.lab.nodes:
        conns = output(node.director, "ipvsadm", "-Lcn")
        if "2001:db8::1" in conns or "192.0.2.1" in conns:
            raise Failed("no connection of a stranger's", conns, node)


def mend(svc, vip, victim):
    """Daemons and link are taken away, one by one, and come back; then sync goes on.
    Returns the longest that took."""
    took = []
    for how in (("ipvsadm", "--stop-daemon", "master"),
                ("ipvsadm", "--stop-daemon", "backup"), ("ip", "link", "del", "sync-k")):
        since = time.monotonic()
        output(victim.director, *how)
        until(f"{' '.join(how)} to be mended", lambda: daemons(victim) == 2 and
              "sync-k" in output(victim.director, "ip", "link"), 3, 0.05, victim)
        took.append(time.monotonic() - since)
    metrics = svc.lab.speakers[victim.name].metrics
    before = metrics().get(TAKEN, 0)

    def takes():
        conns = Connections("client", vip, TCP_PORT, 20)
        conns.close()
        now = metrics().get(TAKEN, 0)
        return now > before or Not(f"{now} taken")
    until("sync to go on", takes, 12, 0.5, victim)
    return max(took)


def clean_up(svc, victim):
    """--cleanup ends what the kernel runs for the director."""
    speaker, before = svc.lab.speakers[victim.name], threads()
    speaker.kill()
    said = output(victim.name, *speaker.argv, "--cleanup")
    until(f"two of {before} threads to end with the director of {victim.name}",
          lambda: threads() == before - 2 or Not(f"{threads()}: {said}"), 5)
    speaker.start()
    svc.settle(30)


@scenario(4, 6)
def sync_lets_nobody_in(svc):
    """Connections of strangers, of nodes without the key, and such as somebody injects by
    multicast are none of ours. A daemon or link that somebody takes away is back within a
    second; neither --cleanup nor a start without the option leaves any."""
    with svc.lab.speakers_with("--sync-port", str(PORT)):
        vip, owner = svc.settle(30)
        victim = next(n for n in svc.lab.nodes if n is not owner)
        refuse_strangers(svc, vip, owner, victim)
        took = mend(svc, vip, victim)
        clean_up(svc, victim)
    svc.settle(30)
    for node in svc.lab.nodes:
        until(f"nothing to be left on {node.name}", lambda n=node: daemons(n) == 0 and
              "sync-" not in output(n.director, "ip", "link"), 5, 0.1, node)
    return f"4 kinds of datagrams refused; mended in {took:.1f} s"
