#!/usr/bin/python3
"""survival_bench.py BIN RESULT [CONNECTIONS]: the share of open connections that live,
mode x scheduler x event, in the lab's virtual machine; see run.sh and
tests/lab/survival.py. Ends with 1 where tunnel and mh lose more than they may.
"""
import json
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lab"))
import lab as lab_main
import objects
import scenarios
import survival
from cluster import Lab
from measure import Failed

KINDS = [("tunnel", "mh"), ("tunnel", "sh"), ("tunnel", "wrr"), ("tunnel", "wlc"),
         ("masquerade", "mh"), ("masquerade", "wrr")]


def measure(svc, nconns):
    """{event: {"mode scheduler": [open, due, alive]}}; what goes wrong is said in place."""
    figures = {name: {} for name, _make, _bound in survival.EVENTS}
    for mode, scheduler in KINDS:
        since = time.monotonic()
        survival.use_profile(svc, mode, scheduler)
        for name, make, _bound in survival.EVENTS:
            figures[name][f"{mode} {scheduler}"] = survival.survive(svc, make, nconns)
        print(f"    {mode} {scheduler}: {time.monotonic() - since:.0f} s", flush=True)
    return figures


def table(figures):
    yield ("alive of all open (of those whose pod lives on)",
           *(f"{mode} {scheduler}" for mode, scheduler in KINDS))
    for name, cells in figures.items():
        yield (name, *(f"{alive / n:.1%} ({alive / due:.1%})" if due < n else f"{alive / n:.1%}"
                       for n, due, alive in cells.values()))


def main():
    bin_dir, result = sys.argv[1:3]
    nconns = int(sys.argv[3]) if len(sys.argv) > 3 else 500
    sys.setswitchinterval(0.0005)
    lab_main.load_modules()
    lab = Lab(bin_dir, objects.Folder(lab_main.SOURCE))
    lab.start()
    web = lab.services[4]
    try:
        scenarios.first_light(web)
        figures = measure(web, nconns)
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
    rows = list(table(figures))
    wide = [max(len(r[i]) for r in rows) for i in range(len(rows[0]))]
    print(f"\n{nconns} open connections:")
    for r in rows:
        print("  ".join(f"{v:<{w}}" for v, w in zip(r, wide)).rstrip())
    over = [name for name, _make, bound in survival.EVENTS
            for _n, due, alive in [figures[name]["tunnel mh"]] if alive < due * (1 - bound)]
    for name in over:
        print(f"tunnel and mh lose more than they may: {name}")
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
