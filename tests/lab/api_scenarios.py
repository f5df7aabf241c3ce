"""api_scenarios.py - scenarios with a real API server as the source.

Its Service is made by kubectl, its EndpointSlices by kube-controller-manager from
Pods; what Herald may do is what deploy/rbac says.
"""
import collections
import re
import signal
import time

import objects
from ipvs import ipvs_table
from measure import Connections, Failed, Not, Prober, until
from objects import TCP_PORT, UDP_PORT
from report_scenarios import bgp_status, status_objects, wait_told
from scenarios import (all_endpoints, bring_back, hostile_rules, local_clients, ms,
                       no_trace, programmed_dump, rejoin, spread, takeover, through_router,
                       Takeover)

SCENARIOS = []      # (name, function, 4)
ALWAYS = ("external_ip",)       # it makes what all the others need
SERVICE = "/api/v1/namespaces/default/services/web"


def scenario(fn):
    SCENARIOS.append((fn.__name__, fn, 4))
    return fn


@scenario
def external_ip(svc):
    """kubectl create service loadbalancer: it gets an EXTERNAL-IP and is reached."""
    lab = svc.lab
    lab.wait_ready()
    lab.write_pool()
    since = time.monotonic()
    lab.objects.kubectl("create", "service", "loadbalancer", "web", f"--tcp={TCP_PORT}:8080")
    vip = until("an address in status.loadBalancer", svc.vip, 15)
    named = time.monotonic() - since
    shown = lab.objects.kubectl("get", "service", "web", "--no-headers").split()
    if shown[3] != vip:
        raise Failed(f"kubectl to show EXTERNAL-IP {vip}", " ".join(shown))

    def reached():
        conns = Connections("client", vip, TCP_PORT, 60, limit_sec=1, pods=svc.members)
        conns.close()
        if set(conns.by_pod()) != set(svc.members):
            return Not(f"reached {conns.by_pod()}; {conns.errors}")
        if set(conns.seen_ip.values()) != {svc.client_ip}:
            return Not(f"pods saw {set(conns.seen_ip.values())}")
        return conns
    svc.members = [pod for n in lab.nodes for pod in n.pods]    # all with its label
    conns = until(f"{vip} to reach all pods, which see {svc.client_ip}", reached, 15)
    return f"EXTERNAL-IP {vip} {ms(named)} after kubectl began; {spread(conns.by_pod())}"


@scenario
def port_added(svc):
    """A port added to the Service is programmed on all nodes."""
    vip = svc.vip()
    since = svc.lab.objects.patch(SERVICE, {"spec": {"ports": [
        {"name": "tcp", "protocol": "TCP", "port": TCP_PORT, "targetPort": 8080},
        {"name": "udp", "protocol": "UDP", "port": UDP_PORT, "targetPort": 9090}]}})
    for node in svc.lab.nodes:
        until(f"{node.name} to be programmed", lambda n=node: svc.programmed(n, vip), 10, node=node)
    return f"in IPVS of three nodes after {ms(time.monotonic() - since)}"


for _fn in (all_endpoints, through_router, local_clients):
    scenario(_fn)


def takes_new(node, vip, pod_ip):
    """Does the node's IPVS give new connections to the endpoint?"""
    key = ("TCP", vip, TCP_PORT)
    return any(d.ip == pod_ip and d.weight > 0 for d in ipvs_table(node.director, key)[key])


@scenario
def pod_unready(svc):
    """A Pod that turns unready takes no connection any more; ready again, it does."""
    vip, _owner = svc.settle()
    lab, pod = svc.lab, "n2-b"
    node, took = lab.by_name["n2"], []
    for is_ready in (False, True):
        since = lab.objects.patch_status(objects.pod(node, pod, is_ready))
        for n in lab.nodes:
            until(f"{pod} {'in' if is_ready else 'gone from'} IPVS of {n.name}",
                  lambda n=n: takes_new(n, vip, svc.pod_ip(pod)) == is_ready, 10, 0.002, n)
        took.append(time.monotonic() - since)
        if not is_ready:
            conns = Connections("client", vip, TCP_PORT, 60)
            conns.close()
            if pod in conns.by_pod() or conns.errors:
                raise Failed(f"no connection to {pod}", f"{conns.by_pod()} {conns.errors}", node)
    return (f"gone from IPVS of three nodes {ms(took[0])} after the status patch was answered, "
            f"back {ms(took[1])} after the other (kube-controller-manager's time with it)")


@scenario
def api_killed(svc):
    """The API server dies and returns: traffic goes on, nothing is programmed anew,
    later changes arrive."""
    vip, owner = svc.settle()
    lab = svc.lab
    changes = {n: changes_at_rest(p) for n, p in lab.speakers.items()}
    before = {n.name: programmed_dump(n) for n in lab.nodes}
    conns = Connections("client", vip, TCP_PORT, 40)
    with Prober("client", vip, UDP_PORT, 24, spacing_sec=0.01) as prober:
        since = time.monotonic()
        lab.objects.kill_api()
        until("five seconds without an API server", lambda: time.monotonic() - since > 5, 6, 0.05)
        late = Connections("client", vip, TCP_PORT, 40)
        late.close()
        lab.objects.start_api()
        watch_again(lab)
        away = time.monotonic() - since
    lost = prober.lost()
    conns.say(b"and now?")
    alive = conns.hear(b"and now?", 5)
    conns.close()
    if lost or late.errors or len(alive) < 40:
        raise Failed("traffic to go on", f"{len(lost)} of {len(prober.sent)} packets lost, "
                     f"{len(alive)} of 40 connections alive, new: {late.errors}", owner)
    for n in lab.nodes:
        if programmed_dump(n) != before[n.name]:
            raise Failed(f"IPVS and nft of {n.name} as they were", "they differ", n)
        made = {k: v for k, v in changes_made(lab.speakers[n.name]).items()
                if v != changes[n.name].get(k)}
        if made:
            raise Failed(f"no change on {n.name}", f"now {made}, before {changes[n.name]}", n)
    arrived = pod_unready(svc)
    return (f"all watches at work again {away:.1f} s after the kill: 0 of {len(prober.sent)} "
            "packets lost, 40 connections alive, 40 new ones served, 0 changes made; "
            f"then a Pod was {arrived}")


def changes_made(speaker):
    return {k: v for k, v in speaker.metrics().items()
            if k.startswith("herald_director_changes") and v}


def changes_at_rest(speaker):
    """The same, once what was under way is done."""
    seen = []

    def look():
        seen.append(changes_made(speaker))
        return len(seen) > 3 and seen[-1] == seen[-3] and seen
    return until(f"{speaker.label} to come to rest", look, 5, 0.1)[-1]


def held(process):
    """How many Services and EndpointSlices the process knows."""
    metrics = process.metrics()
    return [metrics.get(f'herald_kube_objects{{kind="{k}"}}') for k in
            ("Service", "EndpointSlice")]


def watch_again(lab):
    """Wait until all speakers have what is made only now: a Service and its slice."""
    put, remove = lab.objects.put, lab.objects.remove
    mark = {"apiVersion": "v1", "kind": "Service",
            "metadata": {"name": "mark", "namespace": "default"},
            "spec": {"selector": {"app": "nothing"}, "ports": [{"port": 9}]}}
    for change, by in ((put, 1), (remove, -1)):
        speakers = [p for p in lab.speakers.values() if p.is_running()]
        want = {p.label: [n + by for n in held(p)] for p in speakers}
        change(mark)
        for p in speakers:
            until(f"{p.label} to see a Service made after the API server's return",
                  lambda p=p: held(p) == want[p.label] or Not(f"{held(p)}, want {want[p.label]}"),
                  60, 0.1, lab.by_name[p.netns])


scenario(takeover)
scenario(rejoin)


def assigned(svc):
    """How many Events nodeAssigned of the Service each node has written."""
    about = svc.lab.objects.request("GET", SERVICE)["metadata"]
    events = svc.lab.objects.request(
        "GET", "/api/v1/namespaces/default/events?fieldSelector=reason%3DnodeAssigned,"
        f"involvedObject.kind%3DService,involvedObject.uid%3D{about['uid']}")["items"]
    nodes = collections.Counter()
    for e in events:
        told = re.fullmatch(r'announcing from node "(\w+)" with protocol "layer2"', e["message"])
        if not told or e["type"] != "Normal" or e["source"] != {
                "component": "herald-speaker", "host": told[1]}:
            raise Failed("an Event nodeAssigned as MetalLB writes it", f"{e}")
        nodes[told[1]] += 1
    return nodes


@scenario
def node_assigned(svc):
    """Events on the Service tell which node announces it: one for each move, no more."""
    _vip, owner = svc.settle()
    speaker = svc.lab.speakers[owner.name]
    until(f"an Event that {owner.name} announces the Service",
          lambda: assigned(svc)[owner.name], 10, 0.1, owner)
    before = assigned(svc)
    speaker.signal(signal.SIGTERM)
    until("the speaker to end", lambda: not speaker.is_running(), 10, node=owner)
    away = until("an Event of another node",
                 lambda: assigned(svc) - before or Not(f"there are {assigned(svc)}"), 10, 0.1)
    if away[owner.name] or away.total() != 1:
        raise Failed("one Event, of another node", f"{dict(away)}", owner)
    speaker.start()
    _vip, now = svc.settle(20)
    until(f"an Event that {now.name} announces it again",
          lambda: (assigned(svc) - before - away)[now.name], 10, 0.1, now)
    time.sleep(1)       # for what should not be written
    more = assigned(svc) - before - away
    if more.total() != 1:
        raise Failed(f"one more Event, of {now.name}", f"{dict(more)}", now)
    return f"{owner.name} -> {[*away][0]} -> {now.name}: one Event each"


@scenario
def takeover_without_api(svc):
    """The owner's node dies while no API server runs."""
    lab, settled = svc.lab, svc.settle()
    lab.objects.kill_api()
    t = None
    try:
        t = Takeover(svc, 60, settled)
    finally:
        lab.objects.start_api()
        if t is not None:
            bring_back(lab, t.owner)
            t.conns.close()
    if t.lost() or t.new_owner is t.owner:
        raise Failed("another owner and connections that live",
                     f"{t.new_owner.name} after {t.owner.name}; lost: {t.lost()}", t.new_owner)
    lab.wait_ready()
    watch_again(lab)
    svc.settle()
    return f"VIP answers again after {ms(t.outage_sec)}, {len(t.alive)} of 60 connections alive"


scenario(status_objects)


def put_bgp_service(svc):
    """As bgp_scenarios.put_service(); its EndpointSlice is kube-controller-manager's."""
    put, ips = svc.lab.objects.put, svc.lab.objects.external_ips
    obj = {"apiVersion": "v1", "kind": "Service",
           "metadata": {"name": "web-bgp", "namespace": "default",
                        "annotations": {"heraldlb.io/address-pool": "bgp"}},
           "spec": {"type": "LoadBalancer", "selector": {"app": "web"},
                    "ports": [{"port": TCP_PORT, "targetPort": 8080}]}}
    put(obj)
    return obj, until("Service web-bgp to have an address",
                      lambda: next(iter(ips("web-bgp")), None), 15)


@scenario
def bgp_resources(svc):
    """BIRD for router: ServiceBGPStatus and BGPSessionState in the API tell what it does,
    and a Secret of the API opens and ends its sessions."""
    return bgp_status(svc, put_bgp_service)


scenario(hostile_rules)


@scenario
def service_deleted(svc):
    """kubectl delete service: the VIP is silent, nothing is left."""
    vip, _owner = svc.settle()
    svc.lab.objects.kubectl("delete", "service", "web")
    since = time.monotonic()
    until("the VIP to fall silent", lambda: svc.is_silent(vip), 5)
    took = time.monotonic() - since
    for node in svc.lab.nodes:
        until(f"no trace of {vip} in IPVS of {node.name}", lambda n=node: no_trace(n, vip), 5,
              node=node)
    told = wait_told(svc, [], 10) - since
    return f"silent {ms(took)} after kubectl returned, its ServiceL2Status gone after {ms(told)}"
