"""plane_scenarios.py - the data plane under running speakers: who mends it, what
it counts, what it forwards beside the plain case."""
import time

from ipvs import ipvs_table
from measure import Connections, Failed, Not, until
from netns import output
from objects import TCP_PORT
from scenarios import median, ms

SCENARIOS = []      # as in scenarios.py

REPAIRS = 'herald_director_changes_total{kind="repair"}'


def scenario(*families):
    def add(fn):
        SCENARIOS.extend((fn.__name__ + ("6" if f == 6 else ""), fn, f) for f in families)
        return fn
    return add


@scenario(4, 6)
def meddling(svc):
    """What others take from the data plane is back within a second, and counted."""
    vip, owner = svc.settle()
    is_v6 = ":" in vip
    ip = ("ip", "-6") if is_v6 else ("ip",)
    key, rows = ("TCP", vip, TCP_PORT), len(svc.members)
    at = f"[{vip}]" if is_v6 else vip
    to = f"[{svc.pod_ip('n1-a')}]" if is_v6 else svc.pod_ip("n1-a")
    table = ("nft", "list", "table", "inet", owner.director)

    def has(where, command, word):
        return lambda: word in output(where, *command)

    def is_whole():
        return len(ipvs_table(owner.director, key).get(key, ())) == rows
    d, n = owner.director, owner.name
    took = []
    for where, command, is_back in (
            (n, ("nft", "delete", "table", "inet", d), has(n, table, "steer_in")),
            (n, ("nft", "flush", "chain", "inet", d, "steer_in"),
             has(n, table, "meta mark set")),
            (d, ("nft", "flush", "ruleset"), has(d, table, "clamp")),
            (d, ("ipvsadm", "-C"), is_whole),
            (d, ("ipvsadm", "-d", "-t", f"{at}:{TCP_PORT}", "-r", f"{to}:8080"), is_whole),
            (d, (*ip, "addr", "del", vip, "dev", "lo"),
             has(d, (*ip, "addr", "show", "dev", "lo"), vip)),
            (n, (*ip, "rule", "del", "pref", "77"), has(n, (*ip, "rule"), "lookup 7777")),
            (n, (*ip, "route", "flush", "table", "7777"),
             has(n, (*ip, "route", "show", "table", "7777"), "default")),
            (n, ("ip", "link", "del", "herald0"),
             has(n, (*ip, "route", "show", "table", "7777"), "default"))):
        before = svc.lab.speakers[n].metrics().get(REPAIRS, 0)
        said = output(where, *command)
        since = time.monotonic()
        until(f"what `{' '.join(command)}` took away to be back", is_back, 5, node=owner)
        took.append(time.monotonic() - since)
        if took[-1] > 1.2:
            raise Failed("it to be back within a second", f"{' '.join(command)}: "
                         f"{ms(took[-1])} {said}", owner)
        until("the repair to be counted", lambda b=before: svc.lab.speakers[n].metrics().get(
            REPAIRS, 0) > b or Not("it was not"), 3, node=owner)
    conns = Connections("client", vip, TCP_PORT, 20)
    conns.close()
    if conns.errors:
        raise Failed("20 connections afterwards", f"{conns.errors}", owner)
    return f"{len(took)} kinds: median {ms(median(took))}, worst {ms(max(took))}"
