"""scale_scenarios.py - many VIPs at once; VIPs that stay where they went."""
import collections
import datetime
import re
import select
import socket
import threading
import time

import objects
from measure import Failed, Not, until
from neighbour import ETH_P_ARP, LD_HALF, recv_stamped, tap
from report_scenarios import wait_told
from scenarios import bring_back, cut_off, ms, scenario_adder

SCENARIOS = []      # as in scenarios.py
scenario = scenario_adder(SCENARIOS)
NVIPS = 300
LIMIT_SEC = 0.1
POOL = "10.0.4.0/23"
NDEATHS = 3


class Claims:
    """In the `with` block: when a node first announced each address, as its frames reach
    the switch's port. .first is {address: when}."""

    def __init__(self, node):
        self.first, self._stop = {}, threading.Event()
        self._mac = node.mac
        self._sock = tap(node.port(), (LD_HALF, 12, ETH_P_ARP))
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_exc):
        self._stop.set()
        self._thread.join()
        self._sock.close()

    def _run(self):
        while not self._stop.is_set():
            if not select.select([self._sock], [], [], 0.1)[0]:
                continue
            frame, when = recv_stamped(self._sock, 128)
            # Gratuitous ARP: sender and target are the same.
            if frame[28:32] == frame[38:42] and frame[22:28].hex(":") == self._mac:
                self.first.setdefault(socket.inet_ntoa(frame[28:32]), when)


def detected(speaker, ip):
    """When the speaker's log last said that the node at ip is down."""
    found = re.findall(rf"^(\S+)Z warn .*peer={re.escape(ip)} bfd=down(?: repeats=\d+)?$",
                       speaker.log_tail(10**6), re.M)
    when = datetime.datetime.fromisoformat(found[-1] + "+00:00").timestamp()
    return when - time.time() + time.monotonic()


def one_service(i):
    svc = objects.service(f"m{i:03}", ["IPv4"])
    svc["metadata"]["uid"] = f"uid-m{i:03}"
    svc["metadata"]["annotations"] = {"heraldlb.io/address-pool": "many"}
    svc["spec"]["ports"] = svc["spec"]["ports"][:1]
    return svc


def owned(lab, asked):
    """{owner: VIPs of the pool} as one speaker has it."""
    vips = [v for v in asked.status().get("vips", []) if v["pool"] == "many"]
    return collections.Counter(v.get("owner") for v in vips if v["programmed"])


@scenario(4)
def failback_never(svc):
    """With --failback-delay never, a VIP stays where it went when its owner died."""
    lab = svc.lab
    with lab.speakers_with("--failback-delay", "never"):
        vip, first = svc.settle(30)
        told = []
        wait_told(svc, [first.name], 30)
        cut_off(lab, first)
        heir = until("another owner", lambda: [*(svc.owners(vip, 0.05) - {first.name})], 10)[0]
        wait_told(svc, [heir], 20)
        bring_back(lab, first)
        vip, now = svc.settle(30)
        end = time.monotonic() + 15     # past the time that old reports are left alone for
        while time.monotonic() < end:
            told.append(svc.agreed_owner(vip))
            time.sleep(0.5)
        if {n.name for n in [now, *told] if n} != {heir} or not all(told):
            raise Failed(f"{vip} to stay at {heir}", f"{now.name}, then {told}", first)
        cut_off(lab, now)
        last = until("another owner", lambda: [*(svc.owners(vip, 0.05) - {heir})], 10)[0]
        bring_back(lab, now)
        svc.settle(30)
    svc.settle(30)
    return f"{first.name} -> {heir}, stays there with {first.name} back; -> {last} when that died"


def wait_owned(lab, victim):
    for n in lab.nodes:
        until(f"{n.name} to have programmed {NVIPS} VIPs of {victim.name}'s",
              lambda s=lab.speakers[n.name]: owned(lab, s) == {victim.name: NVIPS} or
              Not(owned(lab, s)), 60, every_sec=0.2, node=n)
    time.sleep(3)       # the last of their announcements are through


def death(lab, victim):
    """Seconds from each survivor's detection to the last that either announced, and how
    many each did; then the victim is back."""
    others = [n for n in lab.nodes if n is not victim]
    wait_owned(lab, victim)
    with Claims(others[0]) as one, Claims(others[1]) as two:
        cut_off(lab, victim)
        until("the others to have announced them all", lambda: len(
            one.first.keys() | two.first.keys()) >= NVIPS, 10, every_sec=0.05)
    late = [t - detected(lab.speakers[n.name], victim.ip)
            for n, claims in zip(others, (one, two)) for t in claims.first.values()]
    bring_back(lab, victim)
    return max(late), [len(one.first), len(two.first)]


@scenario(4)
def many_vips(svc):
    """A node dies that has 300 VIPs: others announce them all, within 100 ms of detection;
    and again when it has come back, twice."""
    svc.settle()
    svc.lab.stop_captures()     # each frame costs them more than it costs us
    lab, victim = svc.lab, svc.lab.nodes[0]
    advert = objects.advertisement("many")
    advert["spec"]["preferredNodeSelectors"] = [{"weight": 1, "preference": {
        "matchLabels": {"kubernetes.io/hostname": victim.name}}}]
    pool = objects.pool([POOL], "many")
    pool["spec"]["autoAssign"] = False
    lab.objects.put(pool)
    lab.objects.put(advert)
    lab.objects.put({"apiVersion": "v1", "kind": "List",
                     "metadata": {"name": "many"},
                     "items": [one_service(i) for i in range(NVIPS)]})
    took, shares = [], []
    try:
        for _ in range(NDEATHS):
            late, share = death(lab, victim)
            took.append(late)
            shares.append(" and ".join(map(str, share)))
    finally:
        lab.objects.remove({"kind": "List", "metadata": {"name": "many"}})
        lab.objects.remove(advert)
        lab.objects.remove(pool)
    svc.settle(30)
    said = ", ".join(f"{ms(late)} ({share})" for late, share in zip(took, shares))
    if max(took) > LIMIT_SEC:
        raise Failed(f"the last announcement within {ms(LIMIT_SEC)} of each detection", said)
    return f"{NVIPS} of {victim.name}'s announced by the other two, after detection: {said}"
