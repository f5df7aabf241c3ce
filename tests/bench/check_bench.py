#!/usr/bin/python3
"""check_bench.py CHECK_BENCH RESULT [N [ROUNDS]]: what N (20,000) TCP health checks a
second cost.

To be run as root in a network namespace of its own (unshare -n), or in the lab's virtual
machine with an N that it can carry. On loopback, one after another, several rounds of:

    herald      the real checker, N addresses once a second
    half-open   likewise, by checks that make no connection
    HAProxy     likewise; half of them twice a second where too few files may be open
    keepalived  likewise, its TCP_CHECK; only where there is IPVS
    plain       a bare loop of socket, connect, epoll, getsockopt and close
    least       a bare loop of one socket that is connected and reset: no checker that
                makes connections can take less

Processor time of the one that checks, user and system. On loopback it pays for both
ends of each handshake, as a node does that checks its own endpoints. A contender is
measured once it makes nearly all its connections; those are counted by the kernel, of
half-open ones the resets.
Prints a table: medians, least and most of the rounds.
"""
import ipaddress
import json
import os
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lab"))
import lab as lab_main
from netns import set_link

PORT = 17800
FIRST = int(ipaddress.ip_address("127.16.0.0"))
SECONDS, START_SEC = 6, 60
TICKS = os.sysconf("SC_CLK_TCK")
HERALD = ("herald", "half-open")


def addresses(n):
    return [str(ipaddress.ip_address(FIRST + i)) for i in range(n)]


def haproxy_config(n):
    ms = 1000
    # It wants a descriptor for each server, if only in case.
    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < n + 1000:
        n, ms = n // 2, 500
    lines = ["global", "nbthread 1", "maxconn 100", "defaults", "mode tcp",
             *(f"timeout {what} 500ms" for what in ("connect", "check", "client",
                                                    "server")),
             "frontend idle", "bind 127.0.0.1:17801"]
    for i, ip in enumerate(addresses(n)):
        if i % 100 == 0:
            lines.append(f"backend b{i}")
        lines.append(f"server s{i} {ip}:{PORT} check inter {ms}ms rise 2 fall 3")
    return "\n".join(lines) + "\n"


def keepalived_config(n):
    lines = []
    for i, ip in enumerate(addresses(n)):
        if i % 4 == 0:
            lines += ["}"] * (i > 0) + [
                f"virtual_server {ipaddress.ip_address('10.99.0.0') + i} 80 {{",
                "lvs_sched rr", "lvs_method NAT", "protocol TCP", "delay_loop 1"]
        lines.append(f"real_server {ip} {PORT} {{\nweight 1\n"
                     "TCP_CHECK {\nconnect_timeout 1\n}\n}")
    return "\n".join([*lines, "}", ""])


def commands(tool, folder, n):
    for name, text in (("ha.cfg", haproxy_config(n)), ("ka.conf", keepalived_config(n))):
        with open(f"{folder}/{name}", "w") as f:
            f.write(text)
    todo = {**{what: [tool, what, str(n)] for what in HERALD},
            "HAProxy": ["haproxy", "-db", "-f", f"{folder}/ha.cfg"]}
    if os.path.exists("/proc/net/ip_vs"):
        todo["keepalived"] = ["keepalived", "-n", "-l", "-C", "-f", f"{folder}/ka.conf",
                              "-p", f"{folder}/ka.pid", "-c", f"{folder}/kac.pid"]
    return todo | {what: [tool, what, str(n)] for what in ("plain", "least")}


def family(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as f:
        return [pid, *map(int, f.read().split())]


def cpu_sec(pid):
    """User and system time of a process and its children."""
    both = [0, 0]
    for p in family(pid):
        with open(f"/proc/{p}/stat") as f:
            fields = f.read().rpartition(")")[2].split()
        for i in range(2):
            both[i] += int(fields[11 + i]) / TICKS
    return both


def nopened(name):
    with open("/proc/self/net/snmp") as f:
        names, values = (line.split() for line in f if line.startswith("Tcp:"))
    return int(values[names.index("OutRsts" if name == "half-open" else "ActiveOpens")])


def wait_until_at_pace(name, process, n):
    """Nearly all its connections within a second, and some for its caches to settle."""
    for _ in range(START_SEC):
        before = nopened(name)
        time.sleep(1)
        if process.poll() is not None:
            raise RuntimeError(f"{name} has ended")
        if nopened(name) - before >= 0.9 * n:
            time.sleep(2)
            return
    print(f"    {name} does not make {n} connections a second within {START_SEC} s")


def end(process, name, n):
    pids = family(process.pid)
    # keepalived would see each of its servers off first.
    for p in pids if name == "keepalived" else pids[:1]:
        os.kill(p, signal.SIGKILL if name == "keepalived" else signal.SIGTERM)
    told = process.communicate()[0]
    if name in HERALD and told.strip() != str(n):
        raise RuntimeError(f"of {n} addresses {told.strip()} are up")


def measure(name, command, n, log):
    process = subprocess.Popen(command, stdout=subprocess.PIPE if name in HERALD else log,
                               stderr=log, text=True)
    wait_until_at_pace(name, process, n)
    cpu, made, since = cpu_sec(process.pid), nopened(name), time.monotonic()
    time.sleep(SECONDS)
    cpu = [b - a for a, b in zip(cpu, cpu_sec(process.pid))]
    made, sec = nopened(name) - made, time.monotonic() - since
    end(process, name, n)
    if made == 0:
        raise RuntimeError(f"{name} makes no connections")
    figures = {"rate": made / sec, "core": sum(cpu) / sec, "us": sum(cpu) / made * 1e6,
               "user_us": cpu[0] / made * 1e6}
    print(f"    {name}: {figures['rate']:.0f} a second, {figures['us']:.1f} us each",
          flush=True)
    return figures


def spread(values, fmt):
    return (f"{statistics.median(values):{fmt}} "
            f"({min(values):{fmt}} - {max(values):{fmt}})")


def table(runs, n):
    least = statistics.median(r["us"] for r in runs["least"])
    yield ("", "checks a second", "us of a core for each", "of it in user mode",
           f"for {n:,} a second", "by the least")
    for name, rounds in runs.items():
        us = [r["us"] for r in rounds]
        yield (name, spread([r["rate"] for r in rounds], ".0f"), spread(us, ".1f"),
               spread([r["user_us"] for r in rounds], ".1f"),
               f"{statistics.median(us) * n / 1e4:.1f} % of a core",
               f"{statistics.median(us) / least:.2f}")


def main(tool, result, n="20000", nrounds="3"):
    n = int(n)
    if os.path.exists("/run/lab"):
        lab_main.load_modules()
    set_link("lo", True)
    folder = tempfile.mkdtemp()
    server = subprocess.Popen([tool, "serve"])
    try:
        todo = commands(tool, folder, n)
        runs = {name: [] for name in todo}
        with open(f"{folder}/log", "w") as log:
            for _ in range(int(nrounds)):
                for name, command in todo.items():
                    runs[name].append(measure(name, command, n, log))
    except RuntimeError as e:
        print(f"bench: {e}")
        subprocess.run(["tail", "-n", "20", f"{folder}/log"], check=False)
        return 1
    finally:
        server.kill()
        shutil.rmtree(folder)
    with open(result, "w") as f:
        json.dump(runs, f)
    rows = list(table(runs, n))
    wide = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        print("  ".join(f"{cell:<{w}}" for cell, w in zip(row, wide)).rstrip())
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
