"""topology.py - the lab's network: three nodes, their pods, a client, a router.

    far ---- router ---+--- client        LAN 10.0.0.0/24, fd00:a::/64
  203.0.113.2   .254   |     .100         (far fd00:f::2, router ::fe, client ::64)
          +------------+------------+
         n1 .1        n2 .2        n3 .3      pods 10.244.N.0/24, fd00:N::/64
        a  b  c      a  b  c      a  b  c     .2 .3 .4; routed, no overlay

Each node is as unfriendly as a real one can be: strict reverse-path filter,
kube-proxy's DNAT for every VIP, a CNI's masquerade, and a firewall that drops
what conntrack calls invalid. Each of those counts what it catches.
"""
import concurrent.futures
import re
import subprocess

import echo
from netns import create, inside, ip_batch, nft, sysctl

NODES = ("n1", "n2", "n3")
PODS_PER_NODE = ("a", "b")      # behind the Service from the start
SPARE_POD = "c"                 # joins later
POOL = "10.0.0.50-10.0.0.59"
POOL6 = "fd00:a::50-fd00:a::59"
CLIENT_IP, FAR_IP, ROUTER_IP = "10.0.0.100", "203.0.113.2", "10.0.0.254"
CLIENT_IP6, FAR_IP6, ROUTER_IP6 = "fd00:a::64", "fd00:f::2", "fd00:a::fe"


class Node:
    def __init__(self, name):
        self.name = name
        self.index = int(name[1:])
        self.ip = f"10.0.0.{self.index}"
        self.ip6 = f"fd00:a::{self.index}"
        self.mac = lan_mac(self.index)
        self.pods = {f"{name}-{letter}": f"10.244.{self.index}.{2 + i}"
                     for i, letter in enumerate((*PODS_PER_NODE, SPARE_POD))}
        self.director = f"herald-{name}"    # its namespace, made by the speaker

    def port(self):
        """Of the LAN switch, towards this node."""
        return f"e-{self.name}"


def lan_mac(host):
    return f"02:00:00:00:00:{host:02x}"


def pod_ip6(node, ip):
    """fd00:1::20 of 10.244.1.2. Not fd00:1::2: the kernel's mh scheduler takes the four
    words of an IPv6 address by XOR, so that fd00:1::3 and fd00:2::0 are one to it; twins
    share their places, and where one goes half of the other's are dealt anew."""
    return f"fd00:{node.index}::{ip.rsplit('.', 1)[1]}0"


def hostile_rules(node):
    """kube-proxy, CNI and firewall; named counters, so that tests can look.

    The masquerade leaves out what a node's own bridge says to routers: it reports
    the group of all snoopers (224.0.0.106) to 224.0.0.22 by IGMP, from an address
    of the pods' net. Over IPv6 such reports come from link-local addresses.
    """
    k = node.index
    return _hostile_table("ip", POOL, "10.244.99.9:9", f"10.244.{k}.0/24", "10.244.0.0/16",
                          f"ip saddr 10.244.{k}.1 ip daddr 224.0.0.22 ip protocol igmp return"
                          ) + _hostile_table(
        "ip6", POOL6, "[fd00:99::9]:9", f"fd00:{k}::/64",
        "{ fd00:1::/64, fd00:2::/64, fd00:3::/64 }", "")


def _hostile_table(ip, vips, elsewhere, own_pods, all_pods, exempt):
    dnat = "\n".join(f"{ip} daddr {vips} meta l4proto {proto} "
                     f"counter name kube_proxy_dnat dnat to {elsewhere}"
                     for proto in ("tcp", "udp"))
    return f"""
    table {ip} hostile {{
        counter kube_proxy_dnat {{ }}
        counter cni_masquerade {{ }}
        counter invalid_drop {{ }}
        chain kube_proxy {{
            type nat hook prerouting priority dstnat;
            {dnat}
        }}
        chain kube_proxy_local {{
            type nat hook output priority -100;
            {dnat}
        }}
        chain cni {{
            type nat hook postrouting priority srcnat;
            {exempt}
            {ip} saddr {own_pods} {ip} daddr != {all_pods} counter name cni_masquerade masquerade
        }}
        chain firewall {{
            type filter hook forward priority filter;
            ct state invalid counter name invalid_drop drop
        }}
    }}
    """


def hostile_counts(node):
    """{"kube_proxy_dnat": packets, ...} summed over IPv4 and IPv6."""
    with inside(node.name):
        text = subprocess.run(["nft", "list", "counters"], text=True,
                              capture_output=True, check=True).stdout
    counts = {}
    for name, packets in re.findall(r"counter (\w+) \{\s*packets (\d+)", text):
        counts[name] = counts.get(name, 0) + int(packets)
    return {k: counts[k] for k in ("kube_proxy_dnat", "cni_masquerade", "invalid_drop")}


def _build_lan(nodes):
    lines = ["link add br0 type bridge", "link set br0 up"]
    for host, name in ((1, "n1"), (2, "n2"), (3, "n3"), (100, "client"), (254, "router")):
        lines += [f"link add e-{name} type veth peer name eth0 address {lan_mac(host)}"
                  f" netns {name}", f"link set e-{name} master br0 up"]
    ip_batch("lan", lines)
    ip_batch("client", [
        f"addr add {CLIENT_IP}/24 dev eth0", f"addr add {CLIENT_IP6}/64 dev eth0 nodad",
        "link set eth0 up", f"route add default via {ROUTER_IP}",
        f"route add ::/0 via {ROUTER_IP6}"])
    ip_batch("router", [
        f"addr add {ROUTER_IP}/24 dev eth0", f"addr add {ROUTER_IP6}/64 dev eth0 nodad",
        "link set eth0 up", "link add eth1 type veth peer name eth0 netns far",
        "addr add 203.0.113.1/24 dev eth1", "addr add fd00:f::1/64 dev eth1 nodad",
        "link set eth1 up"])
    ip_batch("far", [
        f"addr add {FAR_IP}/24 dev eth0", f"addr add {FAR_IP6}/64 dev eth0 nodad",
        "link set eth0 up", "route add default via 203.0.113.1",
        "route add ::/0 via fd00:f::1"])
    sysctl("router", {"ipv4/ip_forward": 1, "ipv6/conf/all/forwarding": 1})


def _build_node(node, nodes):
    k = node.index
    sysctl(node.name, {
        "ipv4/ip_forward": 1, "ipv6/conf/all/forwarding": 1,
        "ipv4/conf/all/rp_filter": 1, "ipv4/conf/default/rp_filter": 1,
        "ipv4/conf/eth0/rp_filter": 1})
    lines = [
        f"addr add {node.ip}/24 dev eth0", f"addr add {node.ip6}/64 dev eth0 nodad",
        "link set eth0 up", f"route add default via {ROUTER_IP}",
        f"route add ::/0 via {ROUTER_IP6}",
        "link add cni0 type bridge", f"addr add 10.244.{k}.1/24 dev cni0",
        f"addr add fd00:{k}::1/64 dev cni0 nodad", "link set cni0 up"]
    for pod in node.pods:
        port = "p" + pod[-1]
        lines += [f"link add {port} type veth peer name eth0 netns {pod}",
                  f"link set {port} master cni0 up"]
    for other in nodes:
        if other is not node:
            lines += [f"route add 10.244.{other.index}.0/24 via {other.ip}",
                      f"route add fd00:{other.index}::/64 via {other.ip6}"]
    ip_batch(node.name, lines)
    for pod, ip in node.pods.items():
        ip_batch(pod, [
            f"addr add {ip}/24 dev eth0", f"addr add {pod_ip6(node, ip)}/64 dev eth0 nodad",
            "link set eth0 up", f"route add default via 10.244.{k}.1",
            f"route add ::/0 via fd00:{k}::1"])
    nft(node.name, hostile_rules(node))


def at_once(fn, items):
    """fn(item) for each in a thread of its own; the first exception is raised."""
    with concurrent.futures.ThreadPoolExecutor(len(items)) as pool:
        list(pool.map(fn, items))


def build():
    """Make it all; returns the three Nodes."""
    nodes = [Node(name) for name in NODES]
    for name in ("lan", "client", "router", "far", *NODES):
        create(name)
    for node in nodes:
        for pod in node.pods:
            create(pod)
    _build_lan(nodes)
    at_once(lambda node: _build_node(node, nodes), nodes)
    echo.start([pod for node in nodes for pod in node.pods] + ["far"])
    return nodes
