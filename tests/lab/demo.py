"""demo.py - the path of a Service, step by step, for a person to watch."""
import os
import time

import topology
from measure import Connections
from objects import TCP_PORT
from scenarios import Takeover, bring_back, first_light, ms

NCONNS = 100


def _step(title):
    bold, plain = ("\033[1m", "\033[0m") if os.environ.get("LAB_COLOUR") else ("", "")
    print(f"\n{bold}{title}{plain}", flush=True)


def _row(label, value):
    print(f"    {label:<26} {value}", flush=True)


def _picture():
    print("""
    far ---- router ---+--- client          three nodes, two pods each, one LAN;
  203.0.113.2   .254   |     .100           no overlay, no virtual MAC, no SNAT.
          +------------+------------+       On every node: strict reverse-path
         n1 .1        n2 .2        n3 .3    filter, kube-proxy's DNAT, a CNI's
        a   b        a   b        a   b     masquerade, a firewall for INVALID.""")


def _pods(lab, conns):
    counts = conns.by_pod()
    for node in lab.nodes:
        mine = {pod: n for pod, n in counts.items() if pod in node.pods}
        _row(f"pods on {node.name}", ", ".join(f"{pod} {n}" for pod, n in mine.items()) or "none")
    _row("client IP the pods saw", ", ".join(sorted(set(conns.seen_ip.values()))))


def run(lab):
    began = time.monotonic()
    web = lab.services[4]
    print("Herald: a LoadBalancer for bare metal. This is a whole small network in one")
    print("virtual machine, with the real programs and the kernel's own IPVS.")
    _picture()

    _step("1. A pool of addresses and a Service of type LoadBalancer appear")
    vip, named, answered = first_light(web)
    _row("IPAddressPool lan", topology.POOL)
    _row("Service default/web", f"port {TCP_PORT}, six endpoints")
    _row("controller gave it", f"{vip}, {ms(named)} after the Service was written")
    _row("first answer on it", f"after {ms(answered)}")

    _step("2. One node owns the address: its speaker answers ARP for it")
    _vip, owner = web.settle()
    _row("owner", owner.name)
    _row(f"who has {vip}?", f"{owner.mac}, {owner.name}'s own card")
    _row("own memory per speaker", ", ".join(f"{n} {p.memory_mb()['Anonymous']:.1f} MB"
                                         for n, p in lab.speakers.items()))

    _step("3. A client connects: all pods on all nodes serve, and see who it is")
    conns = Connections("client", vip, TCP_PORT, 60)
    conns.close()
    _pods(lab, conns)
    far = Connections("far", vip, TCP_PORT, 20)
    far.close()
    _row("from beyond the router", f"{len(far.socks)} of 20 served, seen as "
         + ", ".join(sorted(set(far.seen_ip.values()))))

    _step(f"4. {NCONNS} connections are open when {owner.name} dies "
          "(cable pulled, speaker killed)")
    t = Takeover(web, NCONNS)
    _row("new owner", f"{t.new_owner.name}, {t.new_owner.mac}")
    _row("the address answers again", f"after {ms(t.outage_sec)} "
         "(3 x 100 ms of silence to be sure, then the move)")
    _row("connections alive", f"{len(t.alive)} of {NCONNS}: all {len(t.expected)} to pods on "
         "the nodes that live" if not t.lost() else
         f"{len(t.alive)}; {len(t.lost())} to pods on live nodes were lost")
    _row("connections gone", f"{t.ndead}: their pods died with {owner.name}")

    _step(f"5. {owner.name} returns")
    bring_back(lab, owner)
    _vip, now = web.settle(20)
    alive = t.conns.socks and _still_alive(t)
    _row("owner", now.name)
    _row("the same connections", f"{alive} of {len(t.alive)} still alive after the move back"
         if now is owner else f"{alive} of {len(t.alive)} still alive")
    good = not conns.errors and not far.errors and not t.lost() and alive == len(t.alive)
    print(f"\n    {time.monotonic() - began:.0f} s. Next: README.md; make lab runs "
          "all of this as tests.\n")
    return good


def _still_alive(t):
    """Of the connections that outlived the owner, how many outlive its return."""
    t.conns.socks = [s for s in t.conns.socks if s in t.alive]
    t.conns.say(b"and now?")
    return len(t.conns.hear(b"and now?", 5))
