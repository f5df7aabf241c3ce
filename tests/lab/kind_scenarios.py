"""kind_scenarios.py - Services of every kind, from their objects to packets.

Each scenario has a Service of its own beside the two of all others.
"""
import contextlib
import os
import signal
import socket
import threading

import objects
from chance import flows_to_all
from director import ping, refusal
from measure import Connections, Failed, Not, family, until
from netns import inside, ip_batch
from scenarios import bring_back, cut_off, scenario_adder
from service import Service

SCENARIOS = []      # as in scenarios.py
scenario = scenario_adder(SCENARIOS)
BIG = 3000          # bytes: more than any link of the lab takes at once


class Kind(Service):
    """A Service whose spec and slices a scenario makes up."""

    def __init__(self, svc, name, ports, spec=None, annotations=None):
        """ports: (name, "TCP", port, port of the pods)"""
        super().__init__(svc.lab, f"{name}-{svc.family.lower()}", svc.family)
        self.ports, self.slices, self.annotations = ports, [], annotations or {}
        self.change(spec or {})

    def change(self, spec):
        obj = objects.service(self.name, [self.family])
        obj["spec"].update({"ports": [
            {"name": name, "protocol": proto, "port": port, "targetPort": name}
            for name, proto, port, _target in self.ports], **spec})
        obj["metadata"]["annotations"] = self.annotations
        if spec.get("selector", True) is None:
            del obj["spec"]["selector"]
        self.lab.objects.put(obj)

    def put_slice(self, endpoints, suffix="a", target=None, conditions=None):
        """endpoints: (address, name of its node or None); target: the pods' port, where
        not that of the Service's ports."""
        obj = objects.endpoint_slice(f"{self.name}-{suffix}", self.family, [])
        obj["metadata"]["labels"]["kubernetes.io/service-name"] = self.name
        obj["ports"] = [{"name": name, "protocol": proto, "port": target or to}
                        for name, proto, _port, to in self.ports]
        obj["endpoints"] = [
            {"addresses": [ip], "conditions": conditions or {"ready": True},
             **({"nodeName": node} if node else {})} for ip, node in endpoints]
        self.lab.objects.put(obj)
        self.slices = [s for s in self.slices
                       if s["metadata"]["name"] != obj["metadata"]["name"]] + [obj]

    def pods(self, letters):
        return [(self.pod_ip(pod), n.name) for n in self.lab.nodes for pod in n.pods
                if pod[-1] in letters]

    def up(self):
        """(VIP, owner), when it is announced."""
        vip = until(f"Service {self.name} to have an address", self.vip, 10)
        return vip, until(f"one owner of {vip}", lambda: self.agreed_owner(vip), 15, 0.05)

    def reached(self, vip, port, want, at="client"):
        """{pod: the client it saw}; all of want must be reached, in time."""
        def look():
            conns = Connections(at, vip, port, 20, limit_sec=2, pods=want)
            conns.close()
            seen = {conns.pods[s]: conns.seen_ip[s] for s in conns.socks}
            if conns.errors or set(seen) != set(want):
                return Not(f"{sorted(seen)} were, {conns.errors[:1]}")
            return seen
        return until(f"{sorted(want)} to be reached at {vip} port {port} from {at}", look, 8)

    def remove(self):
        for obj in self.slices:
            self.lab.objects.remove(obj)
        self.lab.objects.remove(objects.service(self.name, [self.family]))


@contextlib.contextmanager
def kind(svc, name, ports, spec=None, annotations=None):
    made = Kind(svc, name, ports, spec, annotations)
    try:
        yield made
    finally:
        made.remove()


TCP = ("tcp", "TCP", 80, 8080)
UDP = ("udp", "UDP", 7, 9090)


def clients_of(svc, n):
    """More addresses of the client's, which it takes only where asked to."""
    is_v6 = svc.family == "IPv6"
    clients = [f"fd00:a::2:{i}" if is_v6 else f"10.0.0.{i}" for i in range(150, 150 + n)]
    ip_batch("client", [f"addr replace {c}/{128 if is_v6 else 32} dev eth0" +
                        (" nodad preferred_lft 0" if is_v6 else "") for c in clients])
    return clients


def chosen(vip, port, kind_of, source, is_seen=True):
    """The pod that answers source, by TCP with its greeting, by UDP in fragments; or a
    Not. It must see the client, if that is to be so."""
    with inside("client"):
        s = socket.socket(family(vip), kind_of)
    with s:
        s.settimeout(1)
        s.bind((source, 0))
        try:
            s.connect((vip, port))
            if kind_of == socket.SOCK_STREAM:
                pod, _sees, seen = s.recv(200).decode().split()
            else:
                data = os.urandom(BIG)
                s.send(data)
                pod, seen, back = s.recv(1 << 16).split(b" ", 2)
                pod, seen = pod.decode(), seen.decode()
                if back != data:
                    return Not(f"{pod} sent {len(back)} other bytes back")
        except OSError as e:
            return Not(f"{source}: {e or type(e).__name__}")
    if is_seen and seen != source:
        raise Failed(f"{pod} to see {source}", f"it saw {seen}")
    return pod


@scenario(4, 6)
def affinity(svc):
    """sessionAffinity: each client keeps its pod, by TCP and by UDP in fragments, when
    the VIP moves as planned and when its owner dies, unless the pod dies with it."""
    spec = {"sessionAffinity": "ClientIP",
            "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 600}}}
    lab = svc.lab
    with kind(svc, "sticky", [TCP, UDP], spec) as own:
        own.put_slice(own.pods("ab"))
        vip, owner = own.up()
        had = {}

        def all_keep(dead=()):
            for source in clients:
                for port, kind_of in ((80, socket.SOCK_STREAM), (7, socket.SOCK_DGRAM)):
                    pod = until(f"{source} to be served at port {port}",
                                lambda s=source, p=port, k=kind_of: chosen(vip, p, k, s), 8)
                    was = had.setdefault((source, port), pod)
                    if was != pod and was[:2] not in dead:
                        raise Failed(f"{source} to keep {was} at port {port}", f"got {pod}")
        clients = clients_of(svc, 16)
        all_keep()
        all_keep()
        if len(set(had.values())) < 4:
            raise Failed("16 clients to be spread", f"{set(had.values())}")
        lab.speakers[owner.name].signal(signal.SIGTERM)
        until("another owner", lambda: len(o := own.owners(vip, 0.05)) == 1 and
              o != {owner.name}, 10)
        all_keep()
        until("the speaker to end", lambda: not lab.speakers[owner.name].is_running(), 10)
        lab.speakers[owner.name].start()
        vip, owner = own.up()
        all_keep()
        cut_off(lab, owner)
        until("another owner", lambda: len(o := own.owners(vip, 0.05)) == 1 and
              o != {owner.name}, 10)
        all_keep(dead={owner.name})
        kept = sum(pod[:2] != owner.name for pod in had.values())
        bring_back(lab, owner)
        own.up()
    return f"16 clients x 2 kept their pods over a planned move, {kept} over a crash"


def serve(pod, ip, port):
    """One more TCP server in a pod: the name of a port, another number."""
    with inside(pod):
        listener = socket.create_server((ip, port), family=family(ip), backlog=64)

    def work():
        with contextlib.suppress(OSError):
            while True:
                conn, peer = listener.accept()
                with conn:
                    conn.send(f"{pod} sees {peer[0]}\n".encode())
    threading.Thread(target=work, daemon=True).start()
    return listener


@scenario(4, 6)
def many_ports(svc):
    """30 TCP ports, UDP and SCTP at one VIP; targetPort is a name, which is another
    number in other pods."""
    ports = [(f"p{i}", "TCP", 8000 + i, 8080) for i in range(30)] + [UDP]
    lab = svc.lab
    late = [(n, pod) for n in lab.nodes for pod in n.pods if pod[-1] == "c"]
    listeners = [serve(pod, svc.pod_ip(pod), 8081) for _n, pod in late]
    with kind(svc, "many", ports) as own, \
            kind(svc, "sctp", [("sctp", "SCTP", 8080, 8080)]) as sctp:
        own.put_slice(own.pods("ab"))
        own.put_slice(own.pods("c"), "b", target=8081)
        sctp.put_slice(sctp.pods("ab"))
        vip, _owner = own.up()
        every = [pod for n in lab.nodes for pod in n.pods]
        for port in (8000, 8029):
            own.reached(vip, port, every)
        for port in range(8001, 8029):
            conns = Connections("client", vip, port, 2)
            conns.close()
            if conns.errors or set(conns.seen_ip.values()) != {svc.client_ip}:
                raise Failed(f"port {port} to answer", f"{conns.errors} {conns.seen_ip}")
        pods, seen = set(), set()
        vip, _owner = sctp.up()

        def associate():
            with inside("client"):
                s = socket.socket(family(vip), socket.SOCK_STREAM, socket.IPPROTO_SCTP)
            with s:
                s.settimeout(1)
                try:
                    s.connect((vip, 8080))
                    return s.recv(200).decode().split()
                except OSError as e:
                    return Not(e or type(e).__name__)
        for _ in range(flows_to_all(6)):
            pod, _sees, who = until("SCTP to be answered", associate, 8)
            pods.add(pod)
            seen.add(who)
        if pods != {p for n in lab.nodes for p in n.pods if p[-1] in "ab"} or \
                seen != {svc.client_ip}:
            raise Failed("SCTP to reach six pods", f"{sorted(pods)}, which saw {seen}")
    for listener in listeners:
        listener.close()
    return "30 TCP ports over 9 pods, two numbers of one name; SCTP over 6"


@scenario(4, 6)
def hand_made(svc):
    """No selector, slices made by hand: pods whose node nobody names, a server outside
    the cluster; internalTrafficPolicy does not matter to a VIP, nor does a cluster IP:
    headless, which an API server refuses for this type, from manifests it is served."""
    lab = svc.lab
    spec = {"selector": None, "internalTrafficPolicy": "Local", "clusterIP": "None",
            "clusterIPs": ["None"]}
    with kind(svc, "manual", [TCP, UDP], spec) as own:
        own.put_slice([*((ip, None) for ip, _node in own.pods("a")), (svc.far_ip, None)])
        own.put_slice(own.pods("b"), "b")
        vip, owner = own.up()
        pods = {p for n in lab.nodes for p in n.pods if p[-1] in "ab"}
        seen = own.reached(vip, 80, {*pods, "far"})
        node_ip = owner.ip6 if ":" in vip else owner.ip
        for pod, who in seen.items():
            is_named = pod[-1] == "b"
            if (who == svc.client_ip) != is_named and who != node_ip:
                raise Failed("who has a node to see the client, others the owner",
                             f"{pod} saw {who}", owner)
        for node in lab.nodes:
            own.reached(vip, 80, {*pods, "far"}, at=f"{node.name}-c")
    return f"6 pods and a server beyond the router; without a node they see {owner.name}"


@scenario(4, 6)
def not_ready(svc):
    """Pods that are not ready serve where publishNotReadyAddresses says so; else nobody
    does, and that is said at once, by TCP and by UDP."""
    with kind(svc, "early", [TCP, UDP], {"publishNotReadyAddresses": True}) as own:
        unready = {"ready": False, "serving": False, "terminating": False}
        own.put_slice(own.pods("ab"), conditions=unready)
        vip, _owner = own.up()
        pods = {p for n in svc.lab.nodes for p in n.pods if p[-1] in "ab"}
        own.reached(vip, 80, pods)
        own.change({})

        def refused():
            took = refusal(vip, 80, timeout=1)
            return f"{took * 1000:.1f} ms" if took is not None else Not("no reset")
        told = until("connections to be refused", refused, 8)
        until("datagrams to be refused", lambda: refused_udp(vip, 7, "client"), 8)
        for at in ("far", "n1", "n2-a"):
            took = refusal(vip, 80, at, timeout=1)
            if took is None or took > 0.3:
                raise Failed(f"{at} to be refused at once", f"after {took}")
            if not refused_udp(vip, 7, at):
                raise Failed(f"{at}'s datagrams to be refused", "they were not")
        own.change({"publishNotReadyAddresses": True})
        own.reached(vip, 80, pods)
    return f"served, refused in {told}, served again"


def refused_udp(vip, port, at):
    """Is a datagram answered by ICMP port unreachable?"""
    with inside(at):
        s = socket.socket(family(vip), socket.SOCK_DGRAM)
    with s:
        s.settimeout(1)
        s.connect((vip, port))
        try:
            s.send(b"anybody?")
            s.recv(100)
        except ConnectionRefusedError:
            return True
        except OSError:
            pass
    return False


@scenario(4, 6)
def unknown_ports(svc):
    """A VIP's port that no Service has is refused, though the nodes listen there; a ping
    is answered; no packet of either reaches a node's own servers."""
    vip, _owner = svc.settle()
    listeners = [serve(n.name, "::" if ":" in vip else "0.0.0.0", 2222)
                 for n in svc.lab.nodes]
    try:
        for at in ("client", "far", "n1", "n3-a"):
            took = refusal(vip, 2222, at, timeout=1)
            if took is None or took > 0.3:
                raise Failed(f"{at} to be refused at once", f"after {took}")
            if not refused_udp(vip, 2222, at):
                raise Failed(f"{at}'s datagrams to be refused", "they were not")
            if not ping(vip, at):
                raise Failed(f"{vip} to answer {at}'s ping", "it did not")
    finally:
        for listener in listeners:
            listener.close()
    return "refused and pinged from client, far, a node and a pod"


def put_zones(lab, zones):
    """zones: that of each node, in order; none: their labels go."""
    for node, zone in zip(lab.nodes, zones):
        obj = objects.node(node)
        if zone:
            obj["metadata"]["labels"]["topology.kubernetes.io/zone"] = zone
        lab.objects.put(obj)


@scenario(4, 6)
def zone_hints(svc):
    """With topologyHints a node sends to its own zone, wherever the client is; what lacks
    a hint, even one endpoint, has all serve again."""
    nodes, zones = svc.lab.nodes, ("east", "east", "west")
    profile = objects.profile("hinted", {"topologyHints": True})

    def hinted(endpoints, zones):
        return [{"addresses": [ip], "conditions": {"ready": True}, "nodeName": name,
                 "hints": {"forZones": [{"name": zones[int(name[1:]) - 1]}]}}
                for ip, name in endpoints]

    with kind(svc, "hinted", [TCP],
              annotations={"heraldlb.io/forwarding-profile": "hinted"}) as k:
        try:
            put_zones(svc.lab, zones)
            svc.lab.objects.put(profile)
            k.put_slice(k.pods("ab"))
            vip, owner = k.up()
            obj = k.slices[0]
            obj["endpoints"] = hinted(k.pods("ab"), zones)
            svc.lab.objects.put(obj)
            pods = {z: {p for n, at in zip(nodes, zones) if at == z
                        for p in n.pods if p[-1] in "ab"} for z in zones}
            mine = pods[zones[owner.index - 1]]
            until("the client to reach the owner's zone alone",
                  lambda: set(k.reached(vip, 80, mine)) == mine, 10)
            for n, zone in zip(nodes, zones):       # each by its own director
                got = set(k.reached(vip, 80, pods[zone], n.name))
                if got != pods[zone]:
                    raise Failed(f"{n.name} to reach {sorted(pods[zone])}", f"{sorted(got)}", n)
            _rc, said = svc.lab.heraldctl("explain", f"svc/default/{k.name}")
            named = [zones[int(at[1:]) - 1] == zone for n, zone in zip(nodes, zones)
                     for ip, at in k.pods("ab") if f"{ip} port {TCP[3]} by {n.name}" in said]
            if any(named) or len(named) != 6:       # of eight; it lists so many
                raise Failed("heraldctl explain to name endpoints of the other zone", said)
            del obj["endpoints"][0]["hints"]
            svc.lab.objects.put(obj)
            every = pods["east"] | pods["west"]
            until("all to serve", lambda: set(k.reached(vip, 80, every)) == every, 10)
        finally:
            svc.lab.objects.remove(profile)
            put_zones(svc.lab, (None,) * 3)
    return f"{len(mine)} pods in the zone of {owner.name}, 3 nodes each to its own zone"


def is_let_in(vip, at, source=None):
    """Does TCP port 80 of the VIP answer within a second?"""
    with inside(at), socket.socket(family(vip), socket.SOCK_STREAM) as s:
        s.settimeout(1)
        if source:
            s.bind((source, 0))
        try:
            s.connect((vip, 80))
            return bool(s.recv(200))
        except TimeoutError:
            return False


@scenario(4, 6)
def source_ranges(svc):
    """loadBalancerSourceRanges, and where there are none the annotation: who is within is
    served, on the link and beyond the router, others hear nothing."""
    bits = "128" if svc.family == "IPv6" else "32"
    client, far = f"{svc.client_ip}/{bits}", f"{svc.far_ip}/{bits}"
    elsewhere = "192.0.2.0/24, 2001:db8::/32"
    annotation = "service.beta.kubernetes.io/load-balancer-source-ranges"
    with kind(svc, "ranged", [TCP, UDP]) as own:
        own.put_slice(own.pods("ab"))
        vip, _owner = own.up()
        own.reached(vip, 80, {p for n in svc.lab.nodes for p in n.pods if p[-1] in "ab"})
        for annotated, ranges, let_in in (
                (f" {client} , {elsewhere}", [], "client"), (far, [], "far"),
                (elsewhere, [client], "client"), (client, [far, "192.0.2.0/24"], "far"),
                (f"{client},{far}", [], "client far"), (elsewhere, [], ""), ("", [], "client far")):
            own.annotations = {annotation: annotated} if annotated else {}
            own.change({"loadBalancerSourceRanges": ranges} if ranges else {})
            until(f"only {let_in or 'nobody'} to be let in by {annotated} {ranges}",
                  lambda want=let_in: all(is_let_in(vip, at) == (at in want.split())
                                          for at in ("client", "far")), 8)
    return "by the field, by the annotation, the field before the annotation"
