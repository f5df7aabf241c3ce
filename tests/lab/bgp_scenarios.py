"""bgp_scenarios.py - VIPs that a router learns by BGP from every node.

BIRD runs on the lab's router and hands what it learns to the kernel, which
spreads flows over all nodes (ECMP, by ports). The VIPs are of a net that is on no
link, so nothing but BGP leads to them.
"""
import os
import re
import signal
import socket
import subprocess
import time

import objects
import topology
from cluster import HTTP_PORT
from measure import Connections, Failed, Not, Prober, until
from netns import inside, ip_batch, output, sysctl
from objects import TCP_PORT
from scenarios import bring_back, cut_off, median, ms, spread

ROUTER_ASN, NODE_ASN = 64513, 64512
POOL = "198.51.100.0/28"
WITHDRAWALS, WITHDRAW_LIMIT_SEC = 10, 0.05
PASSWORD = "it is 2 miles"
SCENARIOS = []      # as in scenarios.py

CONFIG = """
log "/run/lab/logs/bird.log" all;
router id {router};
protocol device {{ }}
protocol bfd {{
	interface "*" {{ min rx interval 100 ms; min tx interval 100 ms; multiplier 3; }};
}}
protocol kernel {{
	merge paths on;
	ipv4 {{ import none; export where source = RTS_BGP; }};
}}
template bgp node {{
	local {router} as {asn};
	passive on;
	error wait time 1, 2;
	password "{password}";
	bfd on;
	ipv4 {{
		import filter {{
			if (65535, 0) ~ bgp_community then bgp_local_pref = 0; # RFC 8326
			accept;
		}};
		export none;
	}};
}}
"""


class Bird:
    """The router daemon, ended by its pid."""

    def __init__(self, lab, more="", is_graceful=False):
        """more: configuration to add; is_graceful: routes outlive a restart."""
        where = os.environ["LAB_BIRD"]
        text = CONFIG.format(router=topology.ROUTER_IP, asn=ROUTER_ASN, password=PASSWORD)
        for n in lab.nodes:
            text += (f"protocol bgp {n.name} from node "
                     f"{{ neighbor {n.ip} as {NODE_ASN}; }}\n")
        text += more
        if is_graceful:
            text = text.replace("bfd on;", "bfd graceful; graceful restart on;")
        with open("/run/lab/bird.conf", "w") as f:
            f.write(text)
        libs = [root for root, _dirs, files in os.walk(where)
                if any(f.startswith("libssh") for f in files)]
        sysctl("router", {"ipv4/fib_multipath_hash_policy": 1})
        with inside("router"):
            self.popen = subprocess.Popen(
                [f"{where}/usr/sbin/bird", "-f", "-c", "/run/lab/bird.conf",
                 "-s", "/run/lab/bird.ctl"],
                env={**os.environ, "LD_LIBRARY_PATH": ":".join(libs)},
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    def ask(self, what):
        return output("router", f"{os.environ['LAB_BIRD']}/usr/sbin/birdc", "-s",
                      "/run/lab/bird.ctl", what)

    def marked(self):
        """The nodes whose routes are marked GRACEFUL_SHUTDOWN."""
        text = self.ask("show route where (65535, 0) ~ bgp_community")
        return set(re.findall(r"\[(\w+) ", text))

    def __enter__(self):
        return self

    def __exit__(self, *_exc):
        self.popen.kill()
        self.popen.wait()


def bgp_object(kind, version, name, spec):
    return {"apiVersion": f"heraldlb.io/{version}", "kind": kind,
            "metadata": {"name": name, "namespace": objects.NAMESPACE}, "spec": spec}


def bgp_objects():
    pool = objects.pool([POOL], "bgp")
    pool["spec"]["autoAssign"] = False     # other scenarios' Services are the LAN's
    return [
        pool,
        bgp_object("BFDProfile", "v1beta1", "fast", {
            "receiveInterval": 100, "transmitInterval": 100, "detectMultiplier": 3}),
        {"apiVersion": "v1", "kind": "Secret",
         "metadata": {"name": "router", "namespace": objects.NAMESPACE},
         "type": "kubernetes.io/basic-auth", "stringData": {"password": PASSWORD}},
        bgp_object("BGPPeer", "v1beta2", "router", {
            "myASN": NODE_ASN, "peerASN": ROUTER_ASN, "bfdProfile": "fast",
            "passwordSecret": {"name": "router"},
            "peerAddress": topology.ROUTER_IP}),
        bgp_object("BGPAdvertisement", "v1beta1", "bgp", {
            "ipAddressPools": ["bgp"], "communities": ["64512:100"]})]


def next_hops(vip):
    """The nodes that the router sends vip's packets to, by address."""
    text = output("router", "ip", "route", "show", vip)
    return set(re.findall(r"via (\S+)", text))


def wait_route(vip, nodes, limit_sec=15):
    want = {n.ip for n in nodes}

    def look():
        have = next_hops(vip)
        return have == want or Not(f"it has {sorted(have)}")
    until(f"the router to have next hops {sorted(want)} for {vip}", look, limit_sec,
          every_sec=0.02)
    return time.monotonic()


def put_service(svc):
    """A Service of the BGP pool before the same pods; returns (object, its VIP)."""
    obj = objects.service("web-bgp", ["IPv4"])
    obj["metadata"]["annotations"] = {"heraldlb.io/address-pool": "bgp"}
    obj["metadata"]["annotations"] = {"heraldlb.io/address-pool": "bgp"}
    svc.lab.objects.put(objects.endpoint_slice("web-bgp", "IPv4", svc.endpoints()))
    svc.lab.objects.put(obj)

    def vip():
        ips = svc.lab.objects.external_ips("web-bgp")
        return ips[0] if ips else None
    return obj, until("Service web-bgp to have an address", vip, 10)


def open_all(svc, vip, n):
    conns = Connections("far", vip, TCP_PORT, n, pods=svc.members)
    seen = set(conns.seen_ip.values())
    if conns.errors or seen != {svc.far_ip}:
        raise Failed(f"connections seen from {svc.far_ip}",
                     f"{len(conns.socks)} seen from {seen}; {conns.errors[:3]}")
    if sorted(conns.by_pod()) != sorted(svc.members):
        raise Failed(f"all of {svc.members} to be reached", f"reached {conns.by_pod()}")
    return conns


def lose_a_node(svc, vip, conns):
    """n2 is cut off; (sec until the router knows, connections due, alive)."""
    lab, dead = svc.lab, svc.lab.by_name["n2"]
    when = cut_off(lab, dead)
    known = wait_route(vip, [n for n in lab.nodes if n is not dead])
    expected = {s for s in conns.socks if conns.pods[s] not in dead.pods}
    conns.say(b"still there?")
    alive = conns.hear(b"still there?", 6, expected)
    bring_back(lab, dead)
    wait_route(vip, lab.nodes, 20)
    return known - when, expected, alive


def bgp_ecmp(svc):
    """The router spreads over three nodes; one dies, what is elsewhere lives."""
    svc.settle()
    lab = svc.lab
    with Bird(lab):
        for obj in bgp_objects():
            lab.objects.put(obj)
        obj, vip = put_service(svc)
        wait_route(vip, lab.nodes)
        conns = open_all(svc, vip, 200)
        counts = conns.by_pod()
        took, expected, alive = lose_a_node(svc, vip, conns)
        if alive < expected:
            raise Failed(f"{len(expected)} connections to live nodes to live",
                         f"{len(alive)} do")
        conns.say(b"back again")
        still = conns.hear(b"back again", 6, alive)
        if still < alive:
            raise Failed(f"{len(alive)} connections to outlive the node's return",
                         f"{len(still)} do")
        conns.close()
        gone = lab.objects.remove(obj)
        withdrawn = wait_route(vip, []) - gone
        for obj in bgp_objects()[1:]:
            lab.objects.remove(obj)
    svc.settle()
    return (f"{spread(counts)}; n2 out of the route after {ms(took)}, {len(alive)} of "
            f"{len(expected)} alive, and after its return; withdrawn after {ms(withdrawn)}")


def hand_over(svc, bird, vip, node, begin):
    """begin() has the node give its routes up: marked first, out of use, then gone."""
    others = [n for n in svc.lab.nodes if n is not node]
    begin()
    until(f"{node.name}'s route to be marked", lambda: node.name in bird.marked(), 5,
          every_sec=0.02, node=node)
    wait_route(vip, others, 2)
    if node.name not in bird.marked():
        raise Failed("the marked route to be out of use before it is withdrawn",
                     "it was withdrawn first", node)
    until(f"{node.name}'s route to be withdrawn", lambda: not bird.marked(), 8, node=node)


def ask_heraldctl(lab, node, vip):
    """heraldctl tells a person what this node's router was told."""
    speaker = lab.speakers[node.name]
    heraldctl = os.path.join(os.path.dirname(speaker.argv[0]), "heraldctl")
    for what, want in (("peers", f"{ROUTER_ASN} +Established"),
                       ("routes", f"{vip}/32 +announced +{node.ip}"),
                       ("messages", "UPDATE +[1-9]")):
        text = output(node.name, heraldctl, "bgp", what, f"127.0.0.1:{HTTP_PORT}")
        if not re.search(want, text):
            raise Failed(f"heraldctl bgp {what} to say {want}", text, node)


def bgp_handover(svc):
    """A node is drained, and a speaker ends: no packet and no connection is lost."""
    svc.settle()
    lab = svc.lab
    drained, leaver = lab.by_name["n2"], lab.by_name["n3"]
    with Bird(lab) as bird:
        for obj in bgp_objects():
            lab.objects.put(obj)
        obj, vip = put_service(svc)
        wait_route(vip, lab.nodes)
        ask_heraldctl(lab, drained, vip)
        conns = open_all(svc, vip, 60)
        with Prober("far", vip, objects.UDP_PORT, 24, spacing_sec=0.005) as prober:
            hand_over(svc, bird, vip, drained, lambda: lab.objects.put(
                objects.node(drained, {"heraldlb.io/drain": "true"})))
            lab.objects.put(objects.node(drained))
            wait_route(vip, lab.nodes)
            hand_over(svc, bird, vip, leaver,
                      lambda: lab.speakers[leaver.name].signal(signal.SIGTERM))
            until("the speaker to end", lambda: not lab.speakers[leaver.name].is_running(),
                  5, node=leaver)
            lab.speakers[leaver.name].start()
            wait_route(vip, lab.nodes, 20)
        conns.say(b"still there?")
        alive = conns.hear(b"still there?", 6)
        conns.close()
        for o in (obj, *bgp_objects()[1:]):
            lab.objects.remove(o)
        wait_route(vip, [])
    if prober.lost() or len(alive) < len(conns.socks):
        raise Failed(f"no packet lost and {len(conns.socks)} connections alive",
                     f"{len(prober.lost())} of {len(prober.sent)} lost, {len(alive)} alive")
    svc.settle()
    return f"0 of {len(prober.sent)} packets lost, {len(alive)} connections alive"


def heard_withdrawal(sock, node, vip, limit_sec=5):
    """When the withdrawal of vip was on the router's link, sent by the node."""
    # An UPDATE's type, 5 bytes of withdrawn routes, 32 bits of prefix.
    withdrawal = b"\x02\x00\x05\x20" + socket.inet_aton(vip)
    end = time.monotonic() + limit_sec
    while time.monotonic() < end:
        frame = sock.recv(65536)
        if frame[26:30] == socket.inet_aton(node.ip) and withdrawal in frame:
            return time.monotonic()
    raise Failed(f"{node.name} to withdraw {vip}", f"nothing for {limit_sec} s", node)


def bgp_withdraw(svc):
    """externalTrafficPolicy Local: a node that loses its endpoints says so at once."""
    svc.settle()
    lab, took = svc.lab, []
    loser = lab.by_name["n2"]
    with inside("router"):
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x800))
    sock.bind(("eth0", 0x800))
    sock.settimeout(5)
    without = objects.endpoint_slice("web-bgp", "IPv4", [
        e for e in svc.endpoints() if e[1] != loser.name])
    with Bird(lab), sock:
        for obj in bgp_objects():
            lab.objects.put(obj)
        obj, vip = put_service(svc)
        obj["spec"]["externalTrafficPolicy"] = "Local"
        lab.objects.put(obj)
        for _ in range(WITHDRAWALS):
            lab.objects.put(objects.endpoint_slice("web-bgp", "IPv4", svc.endpoints()))
            wait_route(vip, lab.nodes)
            time.sleep(0.5)
            since = lab.objects.put(without)
            took.append(heard_withdrawal(sock, loser, vip) - since)
        for o in (obj, *bgp_objects()[1:]):
            lab.objects.remove(o)
        wait_route(vip, [])
    svc.settle()
    if max(took) > WITHDRAW_LIMIT_SEC:
        raise Failed(f"a withdrawal within {ms(WITHDRAW_LIMIT_SEC)}",
                     " ".join(map(ms, took)), loser)
    return f"withdrawn {ms(median(took))} after the change, worst {ms(max(took))}"


class RouteWatch:
    """What becomes of the router's route to vip, told by the kernel as it happens."""

    def __init__(self, vip):
        self.vip, self.changes = vip, []

    def __enter__(self):
        with inside("router"):
            self.popen = subprocess.Popen(["ip", "-o", "monitor", "route"], text=True,
                                          stdout=subprocess.PIPE)
        return self

    def __exit__(self, *_exc):
        self.popen.terminate()
        self.changes = [line for line in self.popen.stdout.read().splitlines()
                        if self.vip in line]
        self.popen.wait()


def bgp_restart(svc):
    """A speaker ends and comes back, with graceful restart: no route is touched."""
    svc.settle()
    lab, restarter = svc.lab, svc.lab.by_name["n2"]
    speaker = lab.speakers[restarter.name]
    objs = bgp_objects()
    objs[3]["spec"]["enableGracefulRestart"] = True
    with Bird(lab, is_graceful=True) as bird:
        for obj in objs:
            lab.objects.put(obj)
        obj, vip = put_service(svc)
        wait_route(vip, lab.nodes)
        conns = open_all(svc, vip, 60)
        with RouteWatch(vip) as watch, Prober("far", vip, objects.UDP_PORT, 24,
                                              spacing_sec=0.005) as prober:
            time.sleep(0.2)
            speaker.signal(signal.SIGTERM)
            until("the speaker to end", lambda: not speaker.is_running(), 5, node=restarter)
            time.sleep(1)       # longer than BFD's detection
            speaker.start()
            until("a session again", lambda: re.search(
                rf"{restarter.name} .*Established", bird.ask("show protocols")) or Not(
                    bird.ask("show protocols")), 15, node=restarter)
            time.sleep(1)       # End-of-RIB, and what comes of it
        conns.say(b"still there?")
        alive = conns.hear(b"still there?", 6)
        conns.close()
        for o in (obj, *objs[1:]):
            lab.objects.remove(o)
        wait_route(vip, [])
    if watch.changes or prober.lost() or len(alive) < len(conns.socks):
        raise Failed("the route untouched, no packet and no connection lost",
                     f"{watch.changes}, {len(prober.lost())} of {len(prober.sent)} lost, "
                     f"{len(alive)} of {len(conns.socks)} alive", restarter)
    svc.settle()
    return (f"route untouched, 0 of {len(prober.sent)} packets lost, "
            f"{len(alive)} connections alive")


VRF_BIRD = f"""
protocol bgp red from node {{
	local 172.31.0.254 as {ROUTER_ASN};
	neighbor 172.31.0.1 as {NODE_ASN};
}}
"""


def make_vrf(node):
    """A VRF on the node with a link to the router of its own."""
    ip_batch(node.name, [
        "link add red type vrf table 1001", "link set red up",
        "link add red0 type veth peer name red0 netns router",
        "link set red0 master red", "addr add 172.31.0.1/24 dev red0", "link set red0 up"])
    ip_batch("router", ["addr add 172.31.0.254/24 dev red0", "link set red0 up"])


def bgp_vrf(svc):
    """A session, and its BFD, in a VRF of one node, beside those of none: the route points
    into it."""
    svc.settle()
    lab = svc.lab
    node = lab.by_name["n1"]
    make_vrf(node)
    peer = bgp_object("BGPPeer", "v1beta2", "red", {
        "myASN": NODE_ASN, "peerASN": ROUTER_ASN, "peerAddress": "172.31.0.254",
        "vrf": "red", "bfdProfile": "fast", "passwordSecret": {"name": "router"},
        "nodeSelectors": [{"matchLabels": {"kubernetes.io/hostname": node.name}}]})
    with Bird(lab, VRF_BIRD) as bird:
        for obj in (*bgp_objects(), peer):
            lab.objects.put(obj)
        obj, vip = put_service(svc)

        def is_there():
            text = bird.ask(f"show route {vip}/32 protocol red")
            return "via 172.31.0.1 on red0" in text or Not(text)
        until(f"the router to have {vip} by the VRF", is_there, 15, node=node)

        def is_watched():
            text = bird.ask("show bfd sessions")
            return all(re.search(rf"{re.escape(ip)} +{link} +Up", text) for ip, link in
                       (("172.31.0.1", "red0"), (node.ip, "eth0"))) or Not(text)
        until("BFD to be up in the VRF and out of it", is_watched, 10, node=node)
        for o in (obj, peer, *bgp_objects()[1:]):
            lab.objects.remove(o)
        wait_route(vip, [])
    ip_batch(node.name, ["link del red0", "link del red"])
    svc.settle()
    return f"{vip} by 172.31.0.1 of VRF red, BFD up there and out of it"


SCENARIOS.append(("bgp_ecmp", bgp_ecmp, 4))
SCENARIOS.append(("bgp_restart", bgp_restart, 4))
SCENARIOS.append(("bgp_vrf", bgp_vrf, 4))
SCENARIOS.append(("bgp_withdraw", bgp_withdraw, 4))
SCENARIOS.append(("bgp_handover", bgp_handover, 4))
