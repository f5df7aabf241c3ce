"""proxy_scenarios.py - beside the real kube-proxy, in iptables and in ipvs mode.

kube-proxy 1.20 knows no ipMode: it programs every VIP it reads in a Service's status,
by rules of the nat table or, in ipvs mode, as an address of the host.
"""
import re

import objects
import topology
from cluster import Process
from measure import Connections, Failed, until
from netns import nft, output
from objects import TCP_PORT

SCENARIOS = []      # as in api_scenarios.py
# What kube-proxy looks for before it takes to ipvs mode; and what kubeadm asks every
# node to have, so that packets of one bridge's pods pass iptables, too.
MODULES = ("nf_conntrack", "ip_vs_rr", "ip_vs_wrr", "ip_vs_sh", "br_netfilter")
PORTS = objects.service("any", ["IPv4"])["spec"]["ports"]


def scenario(fn):
    SCENARIOS.append((fn.__name__, fn, 4))
    return fn


def path_of(svc):
    return f"/api/v1/namespaces/default/services/{svc.name}"


def both_services(svc):
    """(Service, VIP, owner) for each family; what is not there is made."""
    lab = svc.lab
    for each in lab.services.values():
        each.members = [pod for n in lab.nodes for pod in n.pods]
        if not each.vip():
            each.write()
        else:
            lab.objects.patch(path_of(each), {"spec": {"ports": PORTS}})
    return [(each, *each.settle()) for each in lab.services.values()]


class KubeProxies:
    """One on each node, in the place of the rules that play its part elsewhere."""

    def __init__(self, lab, mode, *options):
        config = lab.objects.config
        self.lab = lab
        self.processes = {n.name: Process(f"{n.name}-kube-proxy-{mode}", n.name, [
            config["kube_proxy"], "--kubeconfig", config["kubeconfigs"]["proxy"],
            "--hostname-override", n.name, "--proxy-mode", mode,
            "--feature-gates", "IPv6DualStack=true",
            "--cluster-cidr", "10.244.0.0/16,fd00::/32",
            # The kernel's limits are for all namespaces, and not these to set.
            "--conntrack-max-per-core", "0", "--conntrack-min", "0",
            "--conntrack-tcp-timeout-established", "0s",
            "--conntrack-tcp-timeout-close-wait", "0s",
            "--oom-score-adj", "0", "--v", "2", *options]) for n in lab.nodes}

    def __enter__(self):
        for node in self.lab.nodes:
            nft(node.name, "delete chain ip hostile kube_proxy\n"
                "delete chain ip hostile kube_proxy_local\n"
                "delete chain ip6 hostile kube_proxy\n"
                "delete chain ip6 hostile kube_proxy_local")
        for p in self.processes.values():
            p.start()
        return self

    def __exit__(self, *_exc):
        for p in self.processes.values():
            p.kill()
        for node in self.lab.nodes:
            nft(node.name, "delete table ip hostile\ndelete table ip6 hostile\n" +
                topology.hostile_rules(node))


def nat_rules(node, vip):
    """kube-proxy's own for the VIP: how many there are, and packets that met them."""
    tool = "ip6tables-save" if ":" in vip else "iptables-save"
    counts = re.findall(rf"^\[(\d+):\d+\] -A KUBE-SERVICES -d {re.escape(vip)}/.*$",
                        output(node.name, tool, "-c", "-t", "nat"), re.M)
    return len(counts), sum(map(int, counts))


def served(svc, vip, owner, who="client", count=20):
    """So many connections from there, none refused; returns them, closed."""
    conns = Connections(who, vip, TCP_PORT, count, limit_sec=2)
    conns.close()
    if conns.errors:
        raise Failed(f"{who} to be served at {vip} {count} times",
                     f"{len(conns.socks)} times: {conns.errors}", owner)
    return conns


def seen_as(svc, vip, owner, who, ip):
    """The same, and all pods see that address."""
    seen = set(served(svc, vip, owner, who).seen_ip.values())
    if seen != {ip}:
        raise Failed(f"pods to see {who} as {ip}", f"they saw {seen}", owner)


def all_served(svc, vip, owner):
    seen_as(svc, vip, owner, "client", svc.client_ip)
    seen_as(svc, vip, owner, "far", svc.far_ip)
    for node in svc.lab.nodes:
        served(svc, vip, owner, node.name)
        served(svc, vip, owner, f"{node.name}-a")


@scenario
def kube_proxy_iptables(svc):
    """Its rules for the VIPs are there and never see a packet; its own Services work."""
    lab, both = svc.lab, both_services(svc)
    with KubeProxies(lab, "iptables"):
        for _each, vip, _owner in both:
            for node in lab.nodes:
                until(f"kube-proxy of {node.name} to know {vip}",
                      lambda n=node, v=vip: nat_rules(n, v)[0] >= 2, 60, 0.2, node)
        for each, vip, owner in both:
            all_served(each, vip, owner)
        for _each, vip, _owner in both:
            for node in lab.nodes:
                caught = nat_rules(node, vip)[1]
                if caught:
                    raise Failed("no packet to a VIP in kube-proxy's rules",
                                 f"{caught} to {vip}", node)
        for each, _vip, owner in both:
            ip = lab.objects.request("GET", path_of(each))["spec"]["clusterIP"]
            served(each, ip, owner, "n1-a")
            if not nat_rules(lab.by_name["n1"], ip)[1]:
                raise Failed(f"kube-proxy's rules to take a pod to {ip}", "they saw nothing")
    return "VIPs of both families: client, router, nodes and pods served, 0 packets in its rules"
