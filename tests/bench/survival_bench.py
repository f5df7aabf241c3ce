#!/usr/bin/python3
"""survival_bench.py BIN RESULT [CONNECTIONS [KIND...]]: the share of open connections
that live, mode x scheduler x event, in the lab's virtual machine; see run.sh and
tests/lab/survival.py. KIND: one of "tunnel-mh-4", "tunnel-wrr-4-sync",
"delegate-proxy-4", ...; all without.
Ends with 1 where tunnel and mh lose more than they may.
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
         [f"masquerade-{s}-4" for s in SCHEDULERS] + ["delegate-proxy-4"] +
         [f"tunnel-{s}-4-sync" for s in ("mh", "wrr", "wlc", "lc")] +
         ["masquerade-wrr-4-sync"])


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


def measure(services, kinds, nconns):
    """{event: {kind: (open, due, alive)}}"""
    figures = {name: {} for name, _make, _bound in survival.EVENTS}
    for kind in kinds:
        since = time.monotonic()
        for name, figure in measure_kind(services, kind, nconns).items():
            figures[name][kind] = figure
        print(f"    {kind}: {time.monotonic() - since:.0f} s", flush=True)
    return figures


def cell(nopen, due, alive):
    """Of all; and of those whose pod lives on, where some do not."""
    text = f"{alive / nopen:.1%}"
    if due == nopen:
        return text
    return f"{text} ({alive / due:.1%})" if due else f"{text} (-)"


def table(figures, kinds):
    """One row for each kind, one column for each event; then what mh may lose."""
    yield "alive of all (of those whose pod lives on)", *figures
    for kind in kinds:
        mode, scheduler, family, *sync = kind.split("-")
        name = mode if mode == "delegate" else f"{mode}, {scheduler}"
        yield (name + (" (IPv6)" if family == "6" else "") + (", sync" if sync else ""),
               *(cell(*figures[event][kind]) for event in figures))
    yield ("least for tunnel, mh, of those whose pod lives on",
           *(f"{1 - bound:.1%}" for _name, _make, bound in survival.EVENTS))


def main():
    bin_dir, result = sys.argv[1:3]
    nconns = int(sys.argv[3]) if len(sys.argv) > 3 else 500
    kinds = sys.argv[4:] or KINDS
    sys.setswitchinterval(0.0005)
    lab_main.load_modules()
    lab = Lab(bin_dir, objects.Folder(lab_main.SOURCE))
    lab.start()
    try:
        for family in sorted({int(kind.split("-")[2]) for kind in kinds}):
            scenarios.first_light(lab.services[family])
        figures = measure(lab.services, kinds, nconns)
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
    rows = list(table(figures, kinds))
    wide = [max(len(r[i]) for r in rows) for i in range(len(rows[0]))]
    print(f"\n{nconns} open connections:")
    for r in rows:
        print("  ".join(f"{v:<{w}}" for v, w in zip(r, wide)).rstrip())
    over = [f"{kind}, {name}" for name, _make, bound in survival.EVENTS for kind in kinds
            if kind.startswith("tunnel-mh") for _n, due, alive in [figures[name][kind]]
            if alive < least(due, 1 - bound)]
    for what in over:
        print(f"tunnel and mh lose more than they may: {what}")
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
