"""report_scenarios.py - what the speakers write of themselves into the source."""
import re
import time

import objects
from bgp_scenarios import PASSWORD, Bird, bgp_objects, put_service, wait_route
from measure import Failed, Not, until
from scenarios import ms

SCENARIOS = []      # as in scenarios.py


def announcers(svc, kind, name=None):
    """The nodes whose reports of that kind name the Service, and on what or to whom."""
    return {s["node"]: sorted(i["name"] if isinstance(i, dict) else i
                              for i in s.get("interfaces", s.get("peers", [])))
            for s in (r.get("status", {}) for r in svc.lab.objects.reports(kind))
            if (s.get("serviceNamespace"), s.get("serviceName")) == (
                "default", name or svc.name)}


def wait_told(svc, want, limit_sec, kind="ServiceL2Status"):
    """Wait until exactly the nodes in want say so; returns when that was."""
    def look():
        have = announcers(svc, kind)
        return sorted(have) == want or Not(f"it is told by {have or 'nobody'}")
    until(f"{kind} of {svc.name} to be told by {want or 'nobody'}", look, limit_sec, 0.01)
    return time.monotonic()


def versions(svc):
    return sorted((r["metadata"]["name"], r["metadata"].get("resourceVersion"), str(r["status"]))
                  for r in svc.lab.objects.reports("ServiceL2Status"))


def status_objects(svc):
    """ServiceL2Status names the owner, follows it when it dies, and goes with the Service."""
    lab = svc.lab
    vip, owner = svc.settle()
    wait_told(svc, [owner.name], 15)    # speakers leave the old ones alone for 10 s
    on = announcers(svc, "ServiceL2Status")[owner.name]
    if on != ["eth0"]:
        raise Failed("the VIP to be announced on eth0", f"it says {on}", owner)
    # From outside: a report that is not true is taken away, one that is comes back.
    report = next(r for r in lab.objects.reports("ServiceL2Status")
                  if r["status"]["node"] == owner.name and r["status"]["serviceName"] == svc.name)
    lab.objects.remove_report(report)
    wait_told(svc, [owner.name], 15)
    since = time.monotonic()
    lab.speakers[owner.name].kill()
    heir = until("another owner", lambda: (svc.owners(vip, 0.05) - {owner.name}) or Not("none"),
                 10, 0.01).pop()
    moved = time.monotonic() - since
    told = wait_told(svc, [heir], 10) - since
    lab.speakers[owner.name].start()
    vip, owner = svc.settle()
    wait_told(svc, [owner.name], 25)
    before = versions(svc)
    time.sleep(3)
    if versions(svc) != before:
        raise Failed("reports that are true to be left alone", f"{before}, now {versions(svc)}")
    return (f"{owner.name} on {on[0]}; killed, it was told {ms(told)} later that {heir} announces "
            f"(who did by {ms(moved)}); the same after its return")


def status_gone(svc):
    """Without the Service there is no report on it."""
    svc.settle()
    svc.delete()
    since = time.monotonic()
    took = wait_told(svc, [], 10) - since
    svc.write()
    vip, owner = svc.settle()
    wait_told(svc, [owner.name], 10)
    return f"gone after {ms(took)}, and back with {vip}"


def wait_sessions(lab, want, limit_sec=30):
    """Wait until BGPSessionState has of every node want: (bgpStatus, bfdStatus), or None."""
    want = {n.name: want for n in lab.nodes if want is not None}

    def look():
        have = {s["node"]: (s["bgpStatus"], s["bfdStatus"]) for s in
                (r["status"] for r in lab.objects.reports("BGPSessionState"))}
        return have == want or Not(f"it has {have}")
    until(f"BGPSessionState to have {want}", look, limit_sec, 0.05)
    return time.monotonic()


def secret(password):
    found, = (o for o in bgp_objects() if o["kind"] == "Secret")
    return dict(found, stringData={"password": password})


def bgp_status(svc, put_service=put_service):
    """ServiceBGPStatus and BGPSessionState follow sessions, whose password is a Secret's."""
    svc.settle()
    lab, took = svc.lab, []
    with Bird(lab):
        for obj in bgp_objects():
            lab.objects.put(obj)
        obj, vip = put_service(svc)
        wait_route(vip, lab.nodes)
        wait_sessions(lab, ("Established", "up"))
        peers = {n.name: ["router"] for n in lab.nodes}
        until("all nodes to say that they announce it to the router", lambda: announcers(
            svc, "ServiceBGPStatus", "web-bgp") == peers, 10)
        for change, state, nodes in (
                (lambda: lab.objects.put(secret("another")), ("Active", "up"), []),
                (lambda: lab.objects.put(secret(PASSWORD)), ("Established", "up"), lab.nodes),
                (lambda: lab.objects.remove(secret("")), ("Idle", "down"), []),
                (lambda: lab.objects.put(secret(PASSWORD)), ("Established", "up"), lab.nodes)):
            since = change()
            wait_route(vip, nodes, 40)
            took.append(wait_sessions(lab, state) - since)
            if state[0] == "Idle":
                why, = lab.speakers["n1"].status()["bgp"]
                if "there is no Secret herald-system/router" not in why["reason"]:
                    raise Failed("the speaker to say what is missing", f"{why}")
        for o in (obj, *bgp_objects()[1:]):
            lab.objects.remove(o)
        wait_sessions(lab, None)
        until("no node to say that it announces it", lambda: not announcers(
            svc, "ServiceBGPStatus", "web-bgp"), 10)
    svc.settle()
    return ("three sessions told of; with another password down after {}, up again after {}; "
            "without the Secret given up after {}, back after {}").format(*map(ms, took))


def wait_explained(svc, status, step, text, limit_sec=10):
    """Wait until heraldctl explain ends with that status and has such a line."""
    def look():
        code, said = svc.lab.heraldctl("explain", f"svc/default/{svc.name}")
        want = re.compile(rf"^{step} +{text}", re.M)
        return (code == status and want.search(said)) or Not(f"status {code}:\n{said}")
    until(f"heraldctl explain to say {step} {text}", look, limit_sec, 0.1)


def explained(svc):
    """heraldctl explain finds nothing wrong, then each of three things that are."""
    vip, owner = svc.settle()
    lab, members = svc.lab, svc.members
    wait_told(svc, [owner.name], 15)
    wait_explained(svc, 0, "ok   announced", f"{vip} by {owner.name} by ARP on eth0$")
    svc.write_slice([])
    wait_explained(svc, 1, "STOP endpoints", "none: no Pod matches its selector")
    svc.write_slice(members)
    wait_explained(svc, 0, "ok   endpoints", r"\d+ of \d+ are ready$")
    lab.objects.remove(objects.advertisement())
    wait_explained(svc, 1, "STOP owner", f"{vip}: nobody announces it: no L2Advertisement "
                   "covers its pool and Service$")
    lab.objects.put(objects.advertisement())
    vip, owner = svc.settle()
    lab.speakers[owner.name].kill()
    wait_explained(svc, 0, "warn speakers", f"1 of 3 do not answer: {owner.name}: ")
    lab.speakers[owner.name].start()
    svc.settle()
    wait_explained(svc, 0, "ok   forwarding", f"{vip} is programmed on 3 of 3 nodes asked$")
    return "no endpoint, no advertisement and a speaker away: each named, with the remedy"


SCENARIOS.append(("status_objects", status_objects, 4))
SCENARIOS.append(("status_objects6", status_objects, 6))
SCENARIOS.append(("status_gone", status_gone, 4))
SCENARIOS.append(("explained", explained, 4))
SCENARIOS.append(("bgp_status", bgp_status, 4))
