#!/usr/bin/python3
"""survival_bench.py BIN RESULT [CONNECTIONS [KIND...]]: the share of open connections
that live, mode x scheduler x event, in the lab's virtual machine; see run.sh and
tests/lab/survival.py. KIND: of KINDS, or made as they are; all of them without.
Ends with 1 where tunnel and mh lose more than they may; what has been measured when
something fails is printed all the same.
"""
import contextlib
import json
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lab"))
import lab as lab_main
import objects
import scenarios
import survival
from chance import least
from cluster import Lab
from measure import Failed

SYNC = ("--sync-port", "7849")
AGE_SEC = 4     # what is younger may not have been told of
SCHEDULERS = ["mh", "sh", "wrr", "wlc", "lc", "fo"]
KINDS = (["tunnel-mh-4", "tunnel-mh-6"] + [f"tunnel-{s}-4" for s in SCHEDULERS[1:]] +
         [f"tunnel-{s}-4-sync" for s in SCHEDULERS] +
         [f"masquerade-{s}-4" for s in SCHEDULERS] +
         ["masquerade-mh-4-sync", "delegate-proxy-4"])


def measure_kind(services, kind, nconns):
    """{event: (open, due, alive)}"""
    mode, scheduler, family, *sync = kind.split("-")
    svc = services[int(family)]
    figures = {}
    with svc.lab.speakers_with(*SYNC) if sync else contextlib.nullcontext():
        svc.settle(60)
        svc = survival.use_profile(svc, mode, scheduler)
        for name, make, _bound in survival.EVENTS:
            survival.start_afresh(svc)
            figures[name] = survival.survive(svc, make, nconns, AGE_SEC if sync else 0)
            print(f"    {kind}, {name}: {figures[name]}", flush=True)
        survival.drop_profile(svc)
    return figures


def cell(_nopen, due, alive):
    """Per cent of those whose pod lives on."""
    return f"{100 * alive / due:.1f}".removesuffix(".0") if due else "-"


def table(figures):
    """SURVIVAL.md's: one row for each kind, one column for each event."""
    yield "mode, scheduler", *(name for name, _make, _bound in survival.EVENTS)
    yield ("---",) * (1 + len(survival.EVENTS))
    for kind, row in figures.items():
        mode, scheduler, family, *sync = kind.split("-")
        name = mode if mode == "delegate" else f"{mode}, {scheduler}"
        yield (name + ", IPv6" * (family == "6") + ", sync" * len(sync),
               *(cell(*figure) for figure in row.values()))


def main():
    bin_dir, result = sys.argv[1:3]
    nconns = int(sys.argv[3]) if len(sys.argv) > 3 else 500
    kinds = sys.argv[4:] or KINDS
    sys.setswitchinterval(0.0005)
    lab_main.load_modules()
    lab = Lab(bin_dir, objects.Folder(lab_main.SOURCE))
    lab.start()
    figures = {}    # {kind: {event: (open, due, alive)}}
    try:
        for family in sorted({int(kind.split("-")[2]) for kind in kinds}):
            scenarios.first_light(lab.services[family])
        for kind in kinds:
            since = time.monotonic()
            figures[kind] = measure_kind(lab.services, kind, nconns)
            print(f"    {kind}: {time.monotonic() - since:.0f} s", flush=True)
    except Failed as e:
        print(f"survival: {e}")
        if e.node:
            print(lab.state_of(e.node))
        return 1
    finally:
        lab.stop()
        lab.save_logs()
        with open(result, "w") as f:
            json.dump(figures, f)
        print(f"\n{nconns} open connections, per cent of those whose pod lives on:")
        for row in table(figures):
            print("|", " | ".join(row), "|", flush=True)
    over = [f"{kind}, {name}: {alive} of {due} live, expected {1 - bound:.1%}"
            for kind, row in figures.items() if kind.startswith("tunnel-mh")
            for name, _make, bound in survival.EVENTS for _n, due, alive in [row[name]]
            if alive < least(due, 1 - bound)]
    for what in over:
        print(f"tunnel and mh lose more than they may: {what}")
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
