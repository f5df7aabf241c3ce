#!/usr/bin/python3
"""lab.py BIN [--demo] [--only NAME] [--part PART] [--shell] [--api CONFIG]: in the guest;
see run.sh.

With --api, the programs run against the API server that the file CONFIG names, and
the scenarios are those of api_scenarios.py; see tests/kube/speakers.py.
"""
import argparse
import contextlib
import glob
import os
import subprocess
import sys
import time
import traceback

import api
import api_scenarios
import beside_scenarios
import bgp_scenarios
import crowd_scenarios
import demo
import duplicate_scenarios
import health_scenarios
import kind_scenarios
import l2_scenarios
import life_scenarios
import load_scenarios
import move_scenarios
import objects
import packet_scenarios
import plane_scenarios
import proxy_scenarios
import report_scenarios
import scale_scenarios
import scenarios
import survival
import sync_scenarios
import tls_scenarios
from cluster import RESULTS, Lab
from measure import Failed
from stalls import Stalls

SOURCE = "/run/lab/source"


PARTS = ("first", "second", "v6", "long")


def split(rows):
    """Each thing once, and what is gone through again for IPv6."""
    names = {name for name, _fn, _family in rows}
    once, again = [], []
    for row in rows:
        is_again = row[0].endswith("6") and row[0][:-1] in names
        (again if is_again else once).append(row)
    return once, again


def part_of(suite, part):
    """The scenarios of one part, or without a name all of them, in their order.

    "first" and "second" are about as long as one another, and have each thing once: what
    they show for IPv4 "v6" shows for IPv6. "long" is what takes long and is of its own.
    Each begins with those of ALWAYS; the first ends with those that take the Services
    away and what needs them no longer.
    """
    rows = suite.SCENARIOS
    if suite is api_scenarios:
        end = [name for name, _fn, _family in rows].index("service_deleted")
        return rows[:end] + beside_scenarios.SCENARIOS + proxy_scenarios.SCENARIOS + rows[end:]
    always = [row for row in rows if row[0] in suite.ALWAYS]
    rows = [row for row in rows if row not in always]
    at = [name for name, _fn, _family in rows].index("hostile_rules")

    def rows_of(*modules):
        return [row for each in modules for row in each.SCENARIOS]

    middle = rows_of(plane_scenarios, report_scenarios)
    # Clients' ports come round, and what some scenarios leave open, upgrades must not meet.
    second = rows_of(
        duplicate_scenarios,
        load_scenarios,
        kind_scenarios,
        packet_scenarios,
        health_scenarios,
        life_scenarios,
        l2_scenarios,
        move_scenarios,
        survival) + [("never_translated", scenarios.never_translated, 4)]
    long = rows_of(tls_scenarios, sync_scenarios)
    begin = rows[:at] + middle + rows[at:at + 1]
    end = rows[at + 1:] + rows_of(bgp_scenarios)
    crowd = rows_of(scale_scenarios, crowd_scenarios)
    return always + {
        "first": split(begin + end)[0],
        "second": split(second)[0],
        "v6": split(begin + second + end)[1],
        "long": long + crowd,
        None: begin + second + long + end + crowd,
    }[part]


def load_modules(more=()):
    """IPVS and what goes with it, from the unpacked kernel package."""
    base = os.path.dirname(open("/proc/sys/kernel/modprobe").read().strip())
    subprocess.run(["modprobe", "-d", base, "-a", "ip_vs", "ip_vs_mh", "ipip", "ip6_tunnel",
                    "veth", "bridge", "nf_tables", "nft_ct", "nft_masq", "nft_nat",
                    "virtio_net", "sctp", *more],
                   check=True)


def free_network():
    """The one processor is all hosts and the LAN between them, which waits for none: it
    has a queue for what they all are about to receive, where each of its own would have
    as much for itself; and what is left to the kernel's thread for that goes before the
    hosts' threads, all of which might be of other hosts than the receiver's."""
    with open("/proc/sys/net/core/netdev_max_backlog", "w") as f:
        f.write("20000")
    for path in glob.glob("/proc/[0-9]*/comm"):
        with contextlib.suppress(FileNotFoundError), open(path) as f:
            if f.read().startswith("ksoftirqd/"):
                os.sched_setscheduler(int(path.split("/")[2]), os.SCHED_FIFO,
                                      os.sched_param(3))


def report(lab, name, failure):
    """Print the state of the node concerned; all of all nodes goes to a file."""
    lab.flush_captures()
    shown = [failure.node] if failure.node else []
    short = "".join(lab.state_of(n) for n in shown)
    full = "".join(lab.state_of(n, is_full=True) for n in lab.nodes)
    time.sleep(1.2)     # tcpdump hands over what it holds within a second
    for where in ["client", *lab.by_name]:
        packets = lab.packets_seen(where)
        full += packets
        if where == "client" or where in [n.name for n in shown]:
            short += packets
    tail = "".join(f"--- {p.label}'s log\n{p.log_tail(8)}"
                   for p in (lab.controller, *lab.speakers.values()))
    with open(f"{RESULTS}/{name}.report", "w") as f:
        f.write(full + tail)
    print(short + tail)
    print(f"expected: {failure.expected}\nhappened: {failure.happened}\n"
          f"more in {name}.report", flush=True)


def attempt(lab, name, fn, svc):
    """Go through one scenario; None where it held, else the failure."""
    since = time.monotonic()
    try:
        figures = fn(svc)
        print(f"ok {name} ({time.monotonic() - since:.1f} s) {figures}", flush=True)
        return None
    except Failed as e:
        failure = e
    except Exception as e:
        traceback.print_exc(file=sys.stdout)
        failure = Failed("the scenario to run through", repr(e))
    report(lab, name, failure)
    lab.revive()
    return failure


def run(lab, rows, always, only, spare):
    """Go through the rows; spare: how many may fail once, if they hold when they are gone
    through again."""
    passed, failed, unsteady = 0, 0, []
    stalls = Stalls()
    for name, fn, family in rows:
        if only and name not in only and name not in always:
            continue
        since = time.monotonic()
        failure = attempt(lab, name, fn, lab.services[family])
        if failure and (stall := stalls.since(since)):
            print(f"again {name}: the machine below stood still for "
                  f"{scenarios.ms(stall)} meanwhile; {failure}", flush=True)
            failure = attempt(lab, name, fn, lab.services[family])
        if failure and len(unsteady) < spare:
            print(f"unsteady {name}: {failure}", flush=True)
            unsteady.append(name)
            os.rename(f"{RESULTS}/{name}.report", f"{RESULTS}/{name}.unsteady.report")
            failure = attempt(lab, name, fn, lab.services[family])
        passed += not failure
        failed += bool(failure)
        lab.save_logs()
        if failure:
            print(f"FAIL {name}: {failure} ({time.monotonic() - since:.1f} s)", flush=True)
        if failure and name in always:      # nothing else can be true
            rest = [n for n, _fn, _f in rows if n != name and (not only or n in only)]
            failed += len(rest)
            print(f"not run, for want of {name}: {', '.join(rest)}")
            break
    print(f"{time.monotonic():.0f} s since the kernel began")
    if unsteady:
        print(f"unsteady, a fault to be traced: {', '.join(unsteady)}")
    print(f"{passed} passed, {failed} failed", flush=True)
    return failed == 0 and passed > 0


def shell():
    subprocess.run(["stty", "sane"])
    print("Namespaces: lan client router far n1 n2 n3 n1-a..n3-c, herald-n1..3 (directors).\n"
          "Objects go to /run/lab/source, logs are in /run/lab/logs. Ctrl-D ends the lab.",
          flush=True)
    return subprocess.run(["/bin/bash", "--norc", "-i"]).returncode == 0


def main():
    args = argparse.ArgumentParser()
    args.add_argument("bin")
    args.add_argument("--demo", action="store_true")
    args.add_argument("--only", action="append")
    args.add_argument("--part", choices=PARTS)
    args.add_argument("--shell", action="store_true")
    args.add_argument("--api")
    args = args.parse_args()
    suite = api_scenarios if args.api else scenarios
    rows = part_of(suite, args.part)
    names = [name for name, _fn, _family in rows]
    for name in args.only or []:
        if name not in names:
            sys.exit(f"lab: no scenario {name}; there are {', '.join(names)}")
    # The measuring thread must not wait for its turn for 5 ms, the default.
    sys.setswitchinterval(0.0005)
    load_modules(proxy_scenarios.MODULES if args.api else ())
    free_network()
    lab = Lab(args.bin, api.Server(args.api) if args.api else objects.Folder(SOURCE))
    if args.api:
        api.connect_network()
    if not args.demo:
        lab.capture()
    lab.start()
    print(f"The network is built and the programs run, {time.monotonic():.0f} s after "
          "the kernel began.", flush=True)
    try:
        if args.demo:
            ok = demo.run(lab)
        elif args.shell:
            lab.wait_ready()
            ok = shell()
        else:
            ok = run(lab, rows, suite.ALWAYS, args.only,
                     int(os.environ.get("LAB_SPARE", "0")))
    finally:
        lab.stop()
        lab.save_logs()
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
