#!/usr/bin/python3
"""lab_bench.py BIN RESULT: measures in the lab's virtual machine; see run.sh.

Writes {name: figures} to RESULT as JSON; table.py makes the table of it.
"""
import json
import os
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lab"))
import lab as lab_main
import objects
import scenarios
from cluster import Lab
from ipvs import ipvs_table
from measure import Failed, Prober, until
from objects import TCP_PORT, UDP_PORT

NMOVES, NCHANGES = 5, 10
QUIET_SEC = 1           # before a move, for comparison


def say(text):
    print(f"    {text}", flush=True)


# --- Herald ----------------------------------------------------------------

def memory(lab):
    """Of each speaker at rest, the largest of each measure."""
    lab.services[4].settle()
    time.sleep(2)
    each = [p.memory_mb() for p in lab.speakers.values()]
    return {key: max(m[key] for m in each) for key in each[0]}


def endpoint_changes(svc):
    """Seconds from the slice's rename to IPVS, on the first and on the last node."""
    vip, _owner = svc.settle()
    key, members, ip = ("TCP", vip, TCP_PORT), list(svc.members), svc.pod_ip("n2-c")
    first, last = [], []
    for i in range(2 * NCHANGES):
        is_added = i % 2 == 0
        since = svc.write_slice([*members, "n2-c"] if is_added else members)
        left, took = list(svc.lab.nodes), []
        while left:
            for node in left[:]:
                # One that has left drains: it stays, with weight 0.
                if is_added == any(d.ip == ip and d.weight > 0
                                   for d in ipvs_table(node.director, key)[key]):
                    took.append(time.monotonic() - since)
                    left.remove(node)
            if time.monotonic() - since > 3:
                raise Failed("the change in IPVS within 3 s", f"not on {left[0].name}", left[0])
        first.append(took[0])
        last.append(took[-1])
        svc.settle()
    return {"first": first, "last": last}


def gap_sec(prober, since, until_sec):
    """The longest time without an answer in that time."""
    times = sorted(t for t in prober.answered.values() if since <= t <= until_sec)
    return max(b - a for a, b in zip(times, times[1:]))


def planned_moves(svc):
    gaps, quiet, lost, sent = [], [], 0, 0
    for _ in range(NMOVES):
        vip, owner = svc.settle(20)
        speaker = svc.lab.speakers[owner.name]
        with Prober("client", vip, UDP_PORT, 24) as prober:
            until("probes to be answered", lambda: len(prober.answered) > 20, 5)
            before = time.monotonic()
            time.sleep(QUIET_SEC)
            since = time.monotonic()
            speaker.signal(signal.SIGTERM)
            until("the speaker to end", lambda: not speaker.is_running(), 10, node=owner)
        quiet.append(gap_sec(prober, before, since))
        gaps.append(gap_sec(prober, since, time.monotonic()))
        lost += len(prober.lost(since))
        sent += len(prober.sent)
        speaker.start()
        svc.settle(20)
    return {"gap": gaps, "quiet": quiet, "lost": lost, "sent": sent}


def main():
    bin_dir, result = sys.argv[1:3]
    sys.setswitchinterval(0.0005)
    lab_main.load_modules()
    lab = Lab(bin_dir, objects.Folder(lab_main.SOURCE))
    lab.start()
    figures = {}
    web = lab.services[4]
    try:
        scenarios.first_light(web)
        for name, measure in (
                ("memory", lambda: memory(lab)),
                ("endpoint", lambda: endpoint_changes(web)),
                ("planned", lambda: planned_moves(web))):
            since = time.monotonic()
            figures[name] = measure()
            say(f"{name}: {time.monotonic() - since:.0f} s")
    except Failed as e:
        print(f"bench: {e}")
        return 1
    finally:
        lab.stop()
        lab.save_logs()
        with open(result, "w") as f:
            json.dump(figures, f)
    return 0


if __name__ == "__main__":
    sys.exit(main())
