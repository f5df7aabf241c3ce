"""beside_scenarios.py - beside network policies, strict source checks, and other
people's packet marks; the API server is the source."""
import os
import subprocess
import time

import echo
import objects
from measure import Connections, Failed, Not, pods_reached, until
from netns import inside, nft, output, read, sysctl
from objects import TCP_PORT, UDP_PORT
from proxy_scenarios import all_served, attempt, both_services, explain, told, use_profile
from scenarios import ms

SCENARIOS = []      # as in api_scenarios.py
DIRECTORS = {4: "169.254.77.2", 6: "fd48:6572:616c:64::2"}


def scenario(fn):
    SCENARIOS.append((fn.__name__, fn, 4))
    return fn


# What a CNI makes of a NetworkPolicy for all pods: only these may begin to talk to them.

def nft_policy(sources):
    return f"""
        add table inet lab_policy
        delete table inet lab_policy
        table inet lab_policy {{
            chain to_pods {{
                type filter hook forward priority filter;
                oifname != "cni0" accept
                ct state established,related accept
                ip saddr {{ {", ".join(sources[4])} }} accept
                ip6 saddr {{ {", ".join(sources[6])} }} accept
                counter drop
            }}
        }}
        """


def iptables_policy(sources):
    accepts = "".join(f"-A LAB-POLICY -s {ip} -j ACCEPT\n" for ip in sources)
    return f"""*filter
:LAB-POLICY - [0:0]
-A FORWARD -o cni0 -j LAB-POLICY
-A LAB-POLICY -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
{accepts}-A LAB-POLICY -j DROP
COMMIT
"""


IPTABLES_END = """*filter
-D FORWARD -o cni0 -j LAB-POLICY
-F LAB-POLICY
-X LAB-POLICY
COMMIT
"""


def set_policy(nodes, tool, sources):
    """tool: nft, iptables-nft or iptables-legacy. sources: {4: [addresses], 6: [...]}
    that may reach pods; None: everybody. What is established is forgotten, or a
    later flow that has an earlier one's port would be taken for it."""
    for node in nodes:
        output(node.name, "conntrack", "-F")
        if tool == "nft":
            nft(node.name, nft_policy(sources) if sources else "delete table inet lab_policy")
            continue
        for number, prefix in ((4, "ip"), (6, "ip6")):
            text = iptables_policy(sources[number]) if sources else IPTABLES_END
            name = f"{prefix}{tool.removeprefix('ip')}-restore"
            with inside(node.name):
                done = subprocess.run([name, "-n"], input=text, text=True,
                                      capture_output=True)
            if done.returncode:
                raise RuntimeError(f"{name} on {node.name}: {done.stderr}")


def clients_of(both):
    return {number: [each.client_ip] for number, (each, _vip, _owner) in zip(DIRECTORS, both)}


@scenario
def network_policy(svc):
    """Rules in FORWARD that say who may reach pods hold for what comes by a VIP."""
    both = both_services(svc)
    for tool in ("nft", "iptables-nft", "iptables-legacy"):
        set_policy(svc.lab.nodes, tool, clients_of(both))
        try:
            for each, vip, owner in both:
                allowed = pods_reached("client", vip, UDP_PORT, len(each.members))
                if sorted(allowed) != sorted(each.members):
                    raise Failed(f"{tool}: all pods to answer whom the policy lets in",
                                 f"{allowed}", owner)
                denied = pods_reached("far", vip, UDP_PORT, len(each.members))
                if denied:
                    raise Failed(f"{tool}: no pod to answer anybody else", f"{denied}", owner)
        finally:
            set_policy(svc.lab.nodes, tool, None)
        for each, vip, owner in both:
            pods = pods_reached("far", vip, UDP_PORT, len(each.members))
            if sorted(pods) != sorted(each.members):
                raise Failed("all pods to answer without a policy", f"{pods}", owner)
    return "nft, iptables-nft and iptables-legacy, IPv4 and IPv6: 9 pods and none"


@scenario
def network_policy_pods(svc):
    """A policy sees a pod that uses the VIP as itself, but on its own node the director."""
    both, pod = both_services(svc), "n1-a"
    elsewhere = [p for p in svc.members if p[:2] != "n1"]
    sources = {number: [each.pod_ip(pod)] for number, (each, _vip, _owner) in
               zip(DIRECTORS, both)}
    try:
        for admitted, want in ((sources, elsewhere), (
                {k: [*v, DIRECTORS[k]] for k, v in sources.items()}, svc.members)):
            set_policy(svc.lab.nodes, "nft", admitted)
            for each, vip, owner in both:
                pods = pods_reached(pod, vip, UDP_PORT, len(each.members))
                if sorted(pods) != sorted(want):
                    raise Failed(f"{pod} to reach {want}, {admitted} being let in", f"{pods}",
                                 owner)
    finally:
        set_policy(svc.lab.nodes, "nft", None)
    return f"{len(elsewhere)} pods of other nodes; with the directors let in, all"


def verdicts(lab):
    return [c["up"] for s in lab.speakers.values() for c in s.status().get("checks", [])]


@scenario
def network_policy_checks(svc):
    """A policy that does not let the directors in stops health checks, which is said;
    one that does lets them pass."""
    both, lab = both_services(svc), svc.lab
    sources = clients_of(both)
    lab.objects.put(objects.profile("checked", {"healthCheck": {
        "type": "tcp", "port": echo.TCP_PORT, "intervalMilliseconds": 200,
        "timeoutMilliseconds": 100, "fall": 2, "rise": 2}}))
    try:
        for each, _vip, _owner in both:
            use_profile(each, "checked")
        n = len(both) * len(svc.members)
        until("all pods to be checked, and up", lambda: verdicts(lab) == [True] * n or Not(
            verdicts(lab)), 20, 0.1)
        set_policy(lab.nodes, "nft", sources)
        until("all pods to be down", lambda: verdicts(lab) == [False] * n, 10, 0.1)
        for each, _vip, owner in both:
            until("heraldctl explain to name the addresses to let in", lambda e=each: (
                f"and let NetworkPolicies admit {DIRECTORS[4]} and {DIRECTORS[6]}" in explain(e)
            ) or Not(explain(e)), 5, 0.2, owner)
        set_policy(lab.nodes, "nft", {k: [*v, DIRECTORS[k]] for k, v in sources.items()})
        until("all pods to be up again", lambda: verdicts(lab) == [True] * n, 10, 0.1)
        for each, vip, owner in both:
            until(f"all pods to answer at {vip}", lambda e=each, v=vip: sorted(pods_reached(
                "client", v, UDP_PORT, len(e.members))) == sorted(e.members), 5, 0.1, owner)
    finally:
        set_policy(lab.nodes, "nft", None)
        for each, _vip, _owner in both:
            use_profile(each, None)
        lab.objects.remove(objects.profile("checked", {}))
    return f"{n} endpoints: down, explained, and up with {' and '.join(DIRECTORS.values())} let in"


def until_mended(node, key, spoilt, right):
    """Set a parameter on the node; returns how long it stays so."""
    sysctl(node.name, {key: spoilt})
    since = time.monotonic()
    until(f"{key} of {node.name} to be {right} again", lambda: read(
        node.name, f"/proc/sys/net/{key}").strip() == str(right), 1.5, 0.01, node)
    return time.monotonic() - since


@scenario
def strict_sources(svc):
    """rp_filter 1 on all links is no trouble; on the director's own it is undone."""
    both, took = both_services(svc), []
    for node in svc.lab.nodes:
        with inside(node.name):
            names = set(os.listdir("/proc/sys/net/ipv4/conf")) - {"herald0"}
        sysctl(node.name, {f"ipv4/conf/{name}/rp_filter": 1 for name in names})
        took.append(until_mended(node, "ipv4/conf/herald0/rp_filter", 1, 2))
        took.append(until_mended(node, "ipv4/ip_forward", 0, 1))
        loose = [n for n in names if read(
            node.name, f"/proc/sys/net/ipv4/conf/{n}/rp_filter").strip() != "1"]
        if loose:
            raise Failed("the others' to stay 1", f"{loose} of {names}", node)
    for each, vip, owner in both:
        all_served(each, vip, owner)
    return f"clients, nodes and pods served; herald0's and ip_forward back in {ms(max(took))}"


def clear(svc, node):
    until(f"nothing to be in the way of {node.name}", lambda: svc.lab.speakers[
        node.name].metrics()["herald_host_obstacles"] == 0, 5, 0.1, node)


def start_anew(svc, node):
    svc.lab.speakers[node.name].kill()
    svc.lab.speakers[node.name].start()
    return svc.settle(20)


@scenario
def mark_taken_later(svc):
    """A CNI begins to test our mark bit: told within a second or so, avoided at the next
    start, and nothing of the old one is left."""
    both = both_services(svc)
    node = both[0][2]
    output(node.name, "ip", "rule", "add", "pref", "50", "fwmark", "0x10/0x10", "lookup", "253")
    since = time.monotonic()
    told(svc, node, "tests mark bit 0x10, which Herald sets on VIP traffic: start with "
         "--fwmark 0x20")
    took = time.monotonic() - since
    start_anew(svc, node)
    for family in ("-4", "-6"):
        rules = output(node.name, "ip", family, "rule")
        if "fwmark 0x20/0x20 lookup 7777" not in rules or \
                "fwmark 0x10/0x10 lookup 7777" in rules:
            raise Failed("a rule for mark 0x20, and none for 0x10", rules, node)
    clear(svc, node)
    for each, vip, owner in both_services(svc):
        all_served(each, vip, owner)
    output(node.name, "ip", "rule", "del", "pref", "50")
    return f"told everywhere after {ms(took)}"


@scenario
def in_the_way(svc):
    """A firewall that drops by default, and a check of sources by mark: both are told."""
    both = both_services(svc)
    node = both[0][2]
    nft(node.name, """
        table inet firewall {
            chain forward {
                type filter hook forward priority filter; policy drop;
                iifname { herald0, cni0 } accept
                oifname { herald0, cni0 } accept
            }
        }""")
    sysctl(node.name, {"ipv4/conf/eth0/src_valid_mark": 1})
    start_anew(svc, node)
    told(svc, node, "the host's firewall drops what it forwards by default")
    told(svc, node, "link eth0 drops what clients send to VIPs: its strict check")
    if "\ntraffic stops at: host\n" not in explain(svc):
        raise Failed("explain to say that traffic stops at the host", explain(svc), node)
    if Connections("client", both[0][1], TCP_PORT, 1, limit_sec=1).socks:
        raise Failed("clients to be dropped, as is told", "they are not", node)
    sysctl(node.name, {"ipv4/conf/eth0/src_valid_mark": 0})
    for each, vip, owner in both:       # with what the firewall was told to accept
        until(f"{vip} to be served", lambda e=each, v=vip: attempt(e, v, "client"), 5, 0.1,
              owner)
    nft(node.name, "delete table inet firewall")
    start_anew(svc, node)
    clear(svc, node)
    return "told by log, metric, Event and explain"
