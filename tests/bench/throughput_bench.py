#!/usr/bin/python3
"""throughput_bench.py BUILD RESULT [ROUNDS]: what the way through the director costs.

In the lab's virtual machine, hostile rules and all: a client on the LAN, an endpoint on
the node that has the VIP or on another, and between them in turn

    nothing         routes alone
    IPVS            a service in the node's own namespace, NAT; for an endpoint on
                    another node masqueraded, as kube-proxy's ipvs mode does
    iptables        the rules that kube-proxy's iptables mode writes for one Service
    Herald          the director: NAT to its own endpoints, a tunnel to others'

Requests a second, each by a connection of its own, and MB a second by one connection.
The machine's one processor does the work of all hosts, so a rate tells how much work
there is in a way as a whole. Herald's rules for the node, which all its packets meet, are
there for Herald only; kube-proxy's are there for all, as on a node.

ROUNDS (5) take turns. Prints medians, least and most, and what a request costs more than
by routes alone: the price of the way.
"""
import json
import os
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lab"))
import director
import lab as lab_main
import proxy_scenarios
from director import VIP, Svc
from netns import inside, ip_batch, sysctl

SECONDS = 0.4
# Of each way its own, for what one leaves in the endpoint's TIME_WAIT is not another's.
PORTS = {"nothing": 8090, "IPVS": 8091, "iptables": 8092, "Herald": 8093}
IPVS_VIP, IPTABLES_VIP = {"own": "10.0.0.70", "other": "10.0.0.71"}, \
    {"own": "10.0.0.72", "other": "10.0.0.73"}
WHERE = {"own": ("n1-a", 0), "other": ("n2-a", 1)}      # pod, index of its node


def run(netns, *argv, text=None):
    with inside(netns):
        return subprocess.run(argv, input=text, text=True, check=True,
                              capture_output=True).stdout


def plain_ipvs(node, ip, vip):
    port = PORTS["IPVS"]
    run(node.name, "ipvsadm", "-A", "-t", f"{vip}:{port}", "-s", "mh", "-b", "mh-port")
    run(node.name, "ipvsadm", "-a", "-t", f"{vip}:{port}", "-r", f"{ip}:{port}", "-m")


def kube_proxy_rules(ways):
    """As its iptables mode writes them, for Services with one endpoint each."""
    port = PORTS["iptables"]
    lines = ["*nat", *(f":KUBE-{name} - [0:0]" for name in ("SERVICES", "POSTROUTING",
                                                             "MARK-MASQ"))]
    for i in range(len(ways)):
        lines += [f":KUBE-{kind}-{i} - [0:0]" for kind in ("EXT", "SVC", "SEP")]
    lines += ["-A PREROUTING -j KUBE-SERVICES", "-A OUTPUT -j KUBE-SERVICES",
              "-A POSTROUTING -j KUBE-POSTROUTING",
              "-A KUBE-MARK-MASQ -j MARK --or-mark 0x4000",
              "-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN",
              "-A KUBE-POSTROUTING -j MARK --xor-mark 0x4000",
              "-A KUBE-POSTROUTING -j MASQUERADE --random-fully"]
    for i, (vip, ip) in enumerate(ways):
        lines += [f"-A KUBE-SERVICES -d {vip}/32 -p tcp -m tcp --dport {port} -j KUBE-EXT-{i}",
                  f"-A KUBE-EXT-{i} -j KUBE-MARK-MASQ", f"-A KUBE-EXT-{i} -j KUBE-SVC-{i}",
                  f"-A KUBE-SVC-{i} -j KUBE-SEP-{i}",
                  f"-A KUBE-SEP-{i} -s {ip}/32 -j KUBE-MARK-MASQ",
                  f"-A KUBE-SEP-{i} -p tcp -m tcp -j DNAT --to-destination {ip}:{port}"]
    return "\n".join([*lines, "COMMIT", ""])


def ipvs_masquerade(vips):
    """What kube-proxy's ipvs mode adds, so that answers come back to this node."""
    return "\n".join(["*nat", *(
        f"-A POSTROUTING -m ipvs --vaddr {vip} --vport {PORTS['IPVS']} -j MASQUERADE "
        "--random-fully" for vip in vips), "COMMIT", ""])


def set_up(lab, tool):
    """{(way, where): address for the client}."""
    node = lab.nodes[0]
    ips = {where: lab.nodes[i].pods[pod] for where, (pod, i) in WHERE.items()}
    for pod, _i in WHERE.values():
        for port in PORTS.values():
            with inside(pod):
                subprocess.Popen([tool, "serve", str(port)])
    vips = [*IPVS_VIP.values(), *IPTABLES_VIP.values()]
    sysctl(node.name, {"ipv4/vs/conntrack": 1})
    ip_batch(node.name, ["link add dummy0 type dummy", "link set dummy0 up",
                         *(f"addr add {vip}/32 dev dummy0" for vip in IPVS_VIP.values())])
    for where, ip in ips.items():
        plain_ipvs(node, ip, IPVS_VIP[where])
    run(node.name, "iptables-restore", "-n", text=ipvs_masquerade([IPVS_VIP["other"]]))
    run(node.name, "iptables-restore", "-n", text=kube_proxy_rules(
        [(IPTABLES_VIP[where], ip) for where, ip in ips.items()]))
    ip_batch("client", [f"neigh replace {vip} lladdr {node.mac} dev eth0 nud permanent"
                        for vip in vips])
    ip_batch("client", [f"route add {ip}/32 via {lab.nodes[WHERE[where][1]].ip}"
                        for where, ip in ips.items()])
    lab.want()
    lab.owner(node)
    return {("nothing", w): ips[w] for w in WHERE} | {
        ("IPVS", w): IPVS_VIP[w] for w in WHERE} | {
        ("iptables", w): IPTABLES_VIP[w] for w in WHERE} | {
        ("Herald", w): VIP for w in WHERE}


def without_herald(lab):
    for ctl in lab.ctls:
        with inside(ctl.node.name):
            subprocess.run(["nft", "delete", "table", "inet", ctl.node.director], check=False,
                           stderr=subprocess.DEVNULL)
        ctl.ask("recheck")      # the next want finds its rules gone, and puts them back


def measure(lab, tool, ways, rounds):
    """{"way where": {"requests": [...], "bytes": [...]}}"""
    figures = {f"{way} {where}": {"requests": [], "bytes": []} for way, where in ways}
    for _ in range(rounds):
        for where, (pod, i) in WHERE.items():
            for way, port in PORTS.items():
                if way == "Herald":
                    node = lab.nodes[i]
                    lab.want(Svc([(node, node.pods[pod], port)], VIP, port=port))
                else:
                    without_herald(lab)
                for what in ("requests", "bytes"):
                    rate = run("client", tool, what, ways[way, where], str(port),
                               str(SECONDS))
                    figures[f"{way} {where}"][what].append(float(rate))
    return figures


def spread(rates):
    return f"{statistics.median(rates):.0f} ({min(rates):.0f} - {max(rates):.0f})"


def rows(figures):
    yield ("", *PORTS, "Herald by IPVS", "by iptables")
    for what, unit in (("requests", "requests a second"), ("bytes", "MB a second")):
        for where in WHERE:
            rates = {way: figures[f"{way} {where}"][what] for way in PORTS}
            mid = {way: statistics.median(r) for way, r in rates.items()}
            at = f"endpoint on {'its own' if where == 'own' else 'another'} node"
            yield (f"{unit}, {at}", *map(spread, rates.values()),
                   f"{mid['Herald'] / mid['IPVS']:.2f}",
                   f"{mid['Herald'] / mid['iptables']:.2f}")
            if what == "requests":
                yield ("  more than routes alone, us each", "0", *(
                    f"{1e6 / mid[way] - 1e6 / mid['nothing']:.0f}"
                    for way in list(PORTS)[1:]), "", "")


def table(figures):
    lines = list(rows(figures))
    wide = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    for line in lines:
        print("  ".join(f"{cell:<{w}}" for cell, w in zip(line, wide)).rstrip())


def main(build, result, rounds="5"):
    lab_main.load_modules(proxy_scenarios.MODULES)
    lab = director.Lab(f"{build}/directorctl")
    tool = f"{build}/tests/bench/load_tool"
    ways = set_up(lab, tool)
    time.sleep(0.5)
    try:
        figures = measure(lab, tool, ways, int(rounds))
    except subprocess.CalledProcessError as e:
        director.explain(lab)
        print(run("n1", "iptables-save", "-c"), f"bench: {e}\n{e.stderr}")
        return 1
    with open(result, "w") as f:
        json.dump(figures, f)
    table(figures)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
