"""plane_scenarios.py - the data plane under running speakers: who mends it, what
it counts, what it forwards beside the plain case."""
import time

import objects
import topology
from ipvs import ipvs_table
from measure import Connections, Failed, Not, until
from netns import nft, output
from objects import TCP_PORT
from scenarios import median, ms, scenario_adder

SCENARIOS = []      # as in scenarios.py
scenario = scenario_adder(SCENARIOS)

REPAIRS = 'herald_director_changes_total{kind="repair"}'


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
             has(n, table, "goto steer_in4")),
            (d, ("nft", "flush", "ruleset"), has(d, table, "clamp")),
            (d, ("ipvsadm", "-C"), is_whole),
            (d, ("ipvsadm", "-d", "-t", f"{at}:{TCP_PORT}", "-r", f"{to}:8080"), is_whole),
            (d, (*ip, *(("addr", "del", vip, "dev", "lo") if is_v6 else
                        ("route", "del", "local", vip, "table", "local"))),
             has(d, (*ip, "route", "show", "table", "local"), f"local {vip} ")),
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


@scenario(4, 6)
def counters(svc):
    """What the kernel counts of a Service and its endpoints is in the metrics."""
    vip, owner = svc.settle()
    labels = f'service="default/{svc.name}:{TCP_PORT}/TCP",family="{svc.family.lower()}",tier="1"'
    name = f"herald_service_connections_total{{{labels}}}"
    endpoint = f"herald_endpoint_connections_total{{{labels},"

    def counted():
        """The metrics, and of them the Service's connections and each endpoint's."""
        m = svc.lab.speakers[owner.name].metrics()
        return m, m.get(name, 0), {k: v for k, v in m.items() if k.startswith(endpoint)}

    def more():
        m, total, each = counted()
        each = [v - ofeach.get(k, 0) for k, v in each.items()]
        return total - before == sum(each) == 40 and (m, each) or Not(
            f"{total - before:.0f}, by endpoint {each}")
    # The kernel adds its counters up every 2 s, and they are read each half second: an
    # earlier scenario's connections are to be in the metrics by now. Those that an IPVS
    # service had within 2 s of its deletion stay with its endpoints, which the kernel takes
    # into the next service (ip_vs_zero_stats): so what is compared is what is new.
    time.sleep(3)
    _, before, ofeach = counted()
    flows(svc, vip, 40)
    found, each = until("40 more connections in the owner's metrics, of the Service and in "
                        "all of its endpoints", more, 4, node=owner)
    if len(each) != len(svc.members):
        raise Failed(f"{len(svc.members)} endpoints", f"{each}", owner)
    sent = found[f'herald_service_bytes_total{{{labels},direction="in"}}']
    if not sent > 40 * 100:
        raise Failed("some bytes a connection", f"{sent}", owner)
    return f"{sum(each):.0f} connections over {len(each)} endpoints"


def use_profile(svc, spec):
    """The Service gets a profile of its own; without spec, none any more."""
    obj = objects.service(svc.name, [svc.family])
    if spec:
        svc.lab.objects.put(objects.profile("lab", spec))
        obj["metadata"]["annotations"] = {"heraldlb.io/forwarding-profile": "lab"}
    svc.lab.objects.put(obj)


def flows(svc, vip, count=48):
    """Where so many connections go, and whom the pods see."""
    conns = Connections("client", vip, TCP_PORT, count)
    conns.close()
    if conns.errors:
        raise Failed(f"{count} connections to {vip}", f"{conns.errors}")
    return conns


@scenario(4, 6)
def masquerade_mode(svc):
    """By profile: remote endpoints are reached by NAT, which they see; then as before."""
    vip, owner = svc.settle()
    use_profile(svc, {"mode": "masquerade", "scheduler": "wrr"})
    key = ("TCP", vip, TCP_PORT)
    for node in svc.lab.nodes:
        until(f"no tunnel on {node.name}", lambda n=node: {d.forward for d in ipvs_table(
            n.director, key).get(key, ())} == {"Masq"}, 5, node=node)
    conns = flows(svc, vip)
    here = owner.ip6 if ":" in vip else owner.ip
    for s in conns.socks:
        is_local = conns.pods[s].startswith(owner.name)
        if conns.seen_ip[s] != (svc.client_ip if is_local else here):
            raise Failed("remote pods to see the owner, its own the client",
                         f"{conns.pods[s]} saw {conns.seen_ip[s]}", owner)
    if sorted(conns.by_pod()) != sorted(svc.members):
        raise Failed("all pods to be reached", f"{conns.by_pod()}", owner)
    use_profile(svc, None)
    for node in svc.lab.nodes:
        nothers = sum(not member.startswith(node.name) for member in svc.members)
        until(f"tunnels again on {node.name}", lambda n=node, k=nothers: [
            d.forward for d in ipvs_table(n.director, key)[key]].count("Tunnel") == k, 5,
            node=node)
    if set(flows(svc, vip).seen_ip.values()) != {svc.client_ip}:
        raise Failed("all pods to see the client again", "they do not", owner)
    return f"{len(conns.socks)} connections by wrr and NAT"


@scenario(4, 6)
def delegate_mode(svc):
    """By profile: the VIP is announced, and what comes to it is left to kube-proxy."""
    vip, _owner = svc.settle()
    use_profile(svc, {"mode": "delegate"})
    until("ipMode VIP in the status", lambda: svc.lab.objects.ip_modes(svc.name) == ["VIP"], 5)
    for node in svc.lab.nodes:
        until(f"{node.name}'s director to have let go", lambda n=node: vip not in output(
            n.name, "nft", "list", "table", "inet", n.director) and
            ("TCP", vip, TCP_PORT) not in ipvs_table(n.director), 5, node=node)
    owner = svc.owner(vip)
    before = topology.hostile_counts(owner)["kube_proxy_dnat"]
    Connections("client", vip, TCP_PORT, 1, limit_sec=0.5).close()
    seen = topology.hostile_counts(owner)["kube_proxy_dnat"] - before
    if seen == 0:
        raise Failed("kube-proxy's rules to see the packets", "they saw none", owner)
    for node in svc.lab.nodes:      # hostile_rules expects to find nothing
        nft(node.name, "reset counters")
    use_profile(svc, None)
    until("ipMode Proxy in the status",
          lambda: svc.lab.objects.ip_modes(svc.name) == ["Proxy"], 5)
    svc.settle()
    flows(svc, vip)
    return f"announced by {owner.name}, {seen} packets to kube-proxy's rules, and back"
