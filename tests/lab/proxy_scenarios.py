"""proxy_scenarios.py - beside the real kube-proxy, in iptables and in ipvs mode.

kube-proxy 1.20 knows no ipMode: it programs every VIP it reads in a Service's status,
by rules of the nat table or, in ipvs mode, as an address of the host.
"""
import json
import os
import re
import shutil
import subprocess

import objects
import topology
from cluster import HTTP_PORT, Process
from measure import Connections, Failed, Not, Prober, until
from netns import inside, ip_batch, nft, output
from objects import TCP_PORT, UDP_PORT

SCENARIOS = []      # as in api_scenarios.py
# What kube-proxy looks for before it takes to ipvs mode; and what kubeadm asks every
# node to have, so that packets of one bridge's pods pass iptables, too.
MODULES = ("nf_conntrack", "ip_vs_rr", "ip_vs_wrr", "ip_vs_sh", "br_netfilter")
OURS = "heraldlb.io/v1beta1"
PORTS = objects.service("any", ["IPv4"])["spec"]["ports"]


def scenario(fn):
    SCENARIOS.append((fn.__name__, fn, 4))
    return fn


def path_of(svc):
    return f"/api/v1/namespaces/default/services/{svc.name}"


def has_ports(svc):
    """Those of PORTS, so that nothing is to be written: with a list of ports without node
    ports the API server of 1.20 allocates others, and each kube-proxy writes its rules anew."""
    there = svc.lab.objects.request("GET", path_of(svc))["spec"]["ports"]
    return [{k: v for k, v in p.items() if k != "nodePort"} for p in there] == PORTS


def both_services(svc):
    """(Service, VIP, owner) for each family; what is not there is made."""
    lab = svc.lab
    for each in lab.services.values():
        each.members = [pod for n in lab.nodes for pod in n.pods]
        if not each.vip():
            each.write()
        elif not has_ports(each):
            lab.objects.patch(path_of(each), {"spec": {"ports": PORTS}})
    return [(each, *each.settle()) for each in lab.services.values()]


class KubeProxies:
    """One on each node, in the place of the rules that play its part elsewhere."""

    def __init__(self, lab, mode, *options):
        config = lab.objects.config
        self.lab, self.mode = lab, mode
        argv = [config["kube_proxy"], "--kubeconfig", config["kubeconfigs"]["proxy"],
                "--proxy-mode", mode, "--feature-gates", "IPv6DualStack=true",
                "--cluster-cidr", "10.244.0.0/16,fd00::/32",
                # The kernel's limits are for all namespaces, and not these to set.
                "--conntrack-max-per-core", "0", "--conntrack-min", "0",
                "--conntrack-tcp-timeout-established", "0s",
                "--conntrack-tcp-timeout-close-wait", "0s",
                "--oom-score-adj", "0", "--v", "2", *options]
        self.by_node = {n.name: Process(f"{n.name}-kube-proxy-{mode}", n.name, [
            *argv, "--hostname-override", n.name]) for n in lab.nodes}

    def start(self):
        for node in self.lab.nodes:
            nft(node.name, WITHOUT_OURS)
            # With br_netfilter a pod that is sent to itself is so by its bridge.
            ip_batch(node.name, [f"link set p{pod[-1]} type bridge_slave hairpin on"
                                 for pod in node.pods])
        for p in self.by_node.values():
            p.start()

    def stop(self):
        """For good: with what they leave behind."""
        for name, p in self.by_node.items():
            p.kill()
            output(name, *p.argv, "--cleanup")
            if self.mode == "ipvs":
                output(name, "ipvsadm", "-C")
                output(name, "ip", "link", "del", "kube-ipvs0")
        for node in self.lab.nodes:
            nft(node.name, "delete table ip hostile\ndelete table ip6 hostile\n" +
                topology.hostile_rules(node))


# Of hostile_rules() what is kube-proxy's part.
WITHOUT_OURS = "".join(f"delete chain {ip} hostile {chain}\n" for ip in ("ip", "ip6")
                       for chain in ("kube_proxy", "kube_proxy_local"))
running = None


def proxies(svc, mode, *options):
    """kube-proxy in that mode on each node, knowing all VIPs; those in another end."""
    global running
    if running is None or running.mode != mode:
        if running is not None:
            stop(running)
        running = KubeProxies(svc.lab, mode, *options)
        running.start()
    return running


def stop(kube_proxies):
    global running
    kube_proxies.stop()
    running = None


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


def attempt(svc, vip, who):
    """As served(), or a Not."""
    try:
        return served(svc, vip, None, who)
    except Failed as e:
        return Not(str(e))


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


def known(svc, vip):
    for node in svc.lab.nodes:
        until(f"kube-proxy of {node.name} to know {vip}",
              lambda n=node: nat_rules(n, vip)[0] >= 2, 60, 0.2, node)


@scenario
def kube_proxy_iptables(svc):
    """Its rules for the VIPs are there and never see a packet; its own Services work."""
    lab, both = svc.lab, both_services(svc)
    proxies(svc, "iptables")
    for each, vip, owner in both:
        known(each, vip)
        all_served(each, vip, owner)
    for _each, vip, _owner in both:
        for node in lab.nodes:
            caught = nat_rules(node, vip)[1]
            if caught:
                raise Failed("no packet to a VIP in kube-proxy's rules",
                             f"{caught} to {vip}", node)
    for each, _vip, _owner in both:
        ip = lab.objects.request("GET", path_of(each))["spec"]["clusterIP"]
        until(f"kube-proxy's rules of n1 to count what a pod sends to {ip}",
              lambda s=each, i=ip: served(s, i, None, "n1-a") and
              nat_rules(lab.by_name["n1"], i)[1] > 0, 10, 0.2)
    return "VIPs of both families: client, router, nodes and pods served, 0 packets in its rules"


def use_profile(svc, name):
    svc.lab.objects.patch(path_of(svc), {"metadata": {"annotations": {
        "heraldlb.io/forwarding-profile": name}}})


def steered(node, vip):
    number = 6 if ":" in vip else 4
    return vip in output(node.name, "nft", "list", "set", "inet", node.director,
                         f"vips{number}")


def until_steered(svc, vip, is_steered):
    for node in svc.lab.nodes:
        until(f"{node.name} {'to steer' if is_steered else 'to leave'} {vip}",
              lambda n=node: steered(n, vip) == is_steered, 10, 0.1, node)


def is_by_kube_proxy(svc, vip, owner):
    """Connections come masqueraded, and its rules have counted some; false where they
    have not, for they count from 0 whenever it writes them anew."""
    seen = set(served(svc, vip, owner).seen_ip.values())
    if svc.client_ip in seen:
        raise Failed("kube-proxy to masquerade", f"pods saw {seen}", owner)
    return nat_rules(owner, vip)[1] > 0


@scenario
def kube_proxy_delegated(svc):
    """Mode delegate: the same rules take over, pods do not see the client; and back."""
    proxies(svc, "iptables")
    both = both_services(svc)
    svc.lab.objects.put(objects.profile("left", {"mode": "delegate"}))
    try:
        for each, vip, owner in both:
            known(each, vip)
            use_profile(each, "left")
            until_steered(each, vip, False)
            until(f"kube-proxy's rules of {owner.name} to count what goes to {vip}",
                  lambda s=each, v=vip, o=owner: is_by_kube_proxy(s, v, o), 10, 0.2, owner)
    finally:
        for each, _vip, _owner in both:
            use_profile(each, None)
    for each, vip, owner in both:
        until_steered(each, vip, True)
        seen_as(each, vip, owner, "client", each.client_ip)
    svc.lab.objects.remove(objects.profile("left", {}))
    return "served by kube-proxy's rules, then by Herald again"


def nsynced(proxy):
    return proxy.log_tail(10**6).count("syncProxyRules took")


def restart(svc, node, order, wipe=None):
    """Kill the node's speaker and kube-proxy, and start them in that order, the second
    when the first has done its work."""
    parts = {"speaker": svc.lab.speakers[node.name], "kube-proxy": running.by_node[node.name]}
    for p in parts.values():
        p.kill()
    if wipe:
        wipe(node)
    for name in order:
        p, before = parts[name], nsynced(parts["kube-proxy"])
        p.start()
        if name == "speaker":
            until(f"{p.label} to be in step",
                  lambda p=p: any(v["programmed"] for v in p.status().get("vips", [])), 20,
                  0.05, node)
        else:
            until(f"{p.label} to write its rules", lambda p=p, b=before: nsynced(p) > b, 30,
                  0.1, node)


ORDERS = (("speaker", "kube-proxy"), ("kube-proxy", "speaker"))


@scenario
def kube_proxy_restarts(svc):
    """Speaker and kube-proxy of the owner die and return, in either order: no loss."""
    proxies(svc, "iptables")
    both_services(svc)
    said = []
    for order in ORDERS:
        vip, owner = svc.settle(20)
        known(svc, vip)
        conns = Connections("client", vip, TCP_PORT, 30)
        with Prober("client", vip, UDP_PORT, 24, spacing_sec=0.01) as prober:
            until("probes to be answered", lambda: len(prober.answered) > 20, 5)
            restart(svc, owner, order)
            conns.say(b"still here")
            alive = conns.hear(b"still here", 5)
        conns.close()
        lost = prober.lost()
        if lost or len(alive) < 30:
            raise Failed("no packet and no connection lost", f"{len(lost)} of "
                         f"{len(prober.sent)} packets, {len(alive)} of 30 connections alive, "
                         f"{', '.join(order)}", owner)
        said.append(f"{order[0]} first: 0 of {len(prober.sent)} packets lost")
    return "; ".join(said)


def forget(node):
    """All that a boot takes away."""
    nft(node.name, "flush ruleset\n" + topology.hostile_rules(node) + WITHOUT_OURS)
    output(node.name, "ip", "link", "del", "herald0")
    for family in ("-4", "-6"):
        output(node.name, "ip", family, "rule", "del", "pref", "77")
    output(node.name, "ip", "netns", "del", node.director)


@scenario
def kube_proxy_boot(svc):
    """A node boots, with speaker or kube-proxy first: it serves as before."""
    proxies(svc, "iptables")
    both_services(svc)
    for order in ORDERS:
        vip, owner = svc.settle(20)
        known(svc, vip)
        restart(svc, owner, order, forget)
        until(f"{owner.name} to own {vip} again",
              lambda v=vip, o=owner: svc.owners(v) == {o.name} or Not(svc.owners(v)), 30, 0.1,
              owner)
        for each, vip, owner in both_services(svc):
            all_served(each, vip, owner)
    return "twice"


def held(node, vip):
    return vip in output(node.name, "ip", "-o", "addr", "show", "dev", "kube-ipvs0")


def explain(svc):
    """What heraldctl explain says of the Service, in front of the router. The API server
    has no way to the nodes here, so it is given what there is as files."""
    folder = "/run/lab/explained"
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    for version, kind in (("v1", "Service"), ("v1", "Node"), (OURS, "IPAddressPool"),
                          (OURS, "L2Advertisement"), (OURS, "ForwardingProfile"),
                          ("discovery.k8s.io/v1beta1", "EndpointSlice")):
        items = svc.lab.objects.items(version, kind)
        with open(f"{folder}/{kind}.json", "w") as f:
            json.dump({"apiVersion": "v1", "kind": "List", "items": items}, f)
    with inside("router"):
        return subprocess.run(
            [f"{svc.lab.bin_dir}/heraldctl", "explain", "--source", f"dir:{folder}", "--port",
             str(HTTP_PORT), f"svc/default/{svc.name}"], text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT).stdout


def told(svc, node, words):
    """Wait until the node's log, metric and /status, an Event on the Node and heraldctl
    explain say so."""
    speaker = svc.lab.speakers[node.name]
    until(f"{node.name}'s log to say {words!r}", lambda: words in speaker.log_tail(10**6), 5,
          0.1, node)
    status = speaker.status()["obstacles"]
    if not any(words in o["text"] for o in status) or \
            speaker.metrics()["herald_host_obstacles"] != len(status):
        raise Failed(f"/status to say {words!r} and the metric to count it", f"{status}", node)
    until("an Event on the Node", lambda: any(
        words in e["message"] for e in svc.lab.objects.items("v1", "Event", "default")
        if e["reason"] == "HostInTheWay" and e["involvedObject"]["name"] == node.name), 5, 0.1,
        node)
    text = explain(svc)
    line = re.search(rf"^(?:warn|STOP) +host .*\b{node.name}\b.*{re.escape(words)}", text, re.M)
    if not line:
        raise Failed(f"heraldctl explain to name {node.name} and {words!r}", text, node)


@scenario
def kube_proxy_ipvs(svc):
    """It makes VIPs addresses of its hosts: that is told, and it serves them itself."""
    both = both_services(svc)
    proxies(svc, "ipvs", "--ipvs-strict-arp")
    for each, vip, owner in both:
        for node in svc.lab.nodes:
            until(f"kube-proxy of {node.name} to hold {vip}", lambda n=node, v=vip: held(n, v),
                  60, 0.2, node)
        until_steered(each, vip, False)
        for who in ("client", "far", "n1", "n1-a"):
            conns = until(f"{who} to be served at {vip}", lambda w=who, e=each, v=vip: attempt(
                e, v, w), 10, 0.2, owner)
            if who == "client" and each.client_ip in conns.seen_ip.values():
                raise Failed("kube-proxy to masquerade", f"{conns.seen_ip}", owner)
        told(each, owner, f"vip {both[0][1]} and others: kube-proxy in ipvs mode")
    stop(running)
    for each, vip, owner in both:
        until_steered(each, vip, True)
        seen_as(each, vip, owner, "client", each.client_ip)
    for node in svc.lab.nodes:
        until(f"nothing to be in the way of {node.name}", lambda n=node: svc.lab.speakers[
            n.name].metrics()["herald_host_obstacles"] == 0, 5, 0.1, node)
    return "told by log, metric, Event and explain; served by kube-proxy, then by Herald again"
