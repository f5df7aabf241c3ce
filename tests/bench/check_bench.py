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
                makes connections can take less (apart: of as many as are under way)
    echo        an ICMP echo of each, sent many at a time, the answer dropped by a filter:
                no check that is answered can take less; a half-open one is three packets

On loopback the checker pays for both ends of each handshake, as a node does that checks
its own endpoints: the kernel answers for them within the call that asked. So there is a
second table, of endpoints in another namespace behind a gateway, at the other end of a
veth pair. Either end's packets are received by kernel threads of its own (veth's NAPI,
threaded): the checker's on the processor that the checker has, the endpoints' on
another. It takes two processors.

What is counted is run time, user and system, from schedstat of /proc/PID/task/*, which
the scheduler measures, however ticks are accounted for. The softirqs that a task's own
calls run are in it, unless the kernel has CONFIG_IRQ_TIME_ACCOUNTING, which Debian's have
not: then on loopback little more than the calls themselves is seen. User mode's share is
by utime in /proc/PID/stat, which is guessed from ticks where there is no
VIRT_CPU_ACCOUNTING: a hint, no more.

A contender is measured once it makes nearly all its connections; those are counted by
the kernel, of half-open ones the resets, of echoes the answers. Prints tables: medians, least and most of the
rounds.
"""
import dataclasses
import glob
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
LOOPBACK, APART = "127.16.0.0", "198.18.0.0"
LINK, GATEWAY = "bench", "10.98.0.1"
# The ring of a queue of veth's has 256 places, a second of a busy machine is more.
NQUEUES = 4
SECONDS, START_SEC = 6, 60
TICKS = os.sysconf("SC_CLK_TCK")
HERALD = ("herald", "half-open")


@dataclasses.dataclass
class Place:
    """Where the endpoints are: their first address, the kernel threads that receive for
    the checker and for them, and which processor the checker is bound to."""
    first: str
    ours: list = dataclasses.field(default_factory=list)
    theirs: list = dataclasses.field(default_factory=list)
    cpu: int = None


def addresses(place, n):
    first = ipaddress.ip_address(place.first)
    return [str(first + i) for i in range(n)]


def haproxy_config(place, n):
    ms = 1000
    # It wants a descriptor for each server, if only in case.
    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < n + 1000:
        n, ms = n // 2, 500
    lines = ["global", "nbthread 1", "maxconn 100", "defaults", "mode tcp",
             *(f"timeout {what} 500ms" for what in ("connect", "check", "client",
                                                    "server")),
             "frontend idle", "bind 127.0.0.1:17801"]
    for i, ip in enumerate(addresses(place, n)):
        if i % 100 == 0:
            lines.append(f"backend b{i}")
        lines.append(f"server s{i} {ip}:{PORT} check inter {ms}ms rise 2 fall 3")
    return "\n".join(lines) + "\n"


def keepalived_config(place, n):
    lines = []
    for i, ip in enumerate(addresses(place, n)):
        if i % 4 == 0:
            lines += ["}"] * (i > 0) + [
                f"virtual_server {ipaddress.ip_address('10.99.0.0') + i} 80 {{",
                "lvs_sched rr", "lvs_method NAT", "protocol TCP", "delay_loop 1"]
        lines.append(f"real_server {ip} {PORT} {{\nweight 1\n"
                     "TCP_CHECK {\nconnect_timeout 1\n}\n}")
    return "\n".join([*lines, "}", ""])


def commands(tool, folder, place, n):
    for name, text in (("ha.cfg", haproxy_config(place, n)),
                       ("ka.conf", keepalived_config(place, n))):
        with open(f"{folder}/{name}", "w") as f:
            f.write(text)
    bare = {name: name for name in (*HERALD, "plain", "least", "echo")}
    if place.ours:
        bare["least"] = "later"
    todo = {name: [tool, what, str(n), place.first] for name, what in bare.items()}
    todo["HAProxy"] = ["haproxy", "-db", "-f", f"{folder}/ha.cfg"]
    if os.path.exists("/proc/net/ip_vs"):
        todo["keepalived"] = ["keepalived", "-n", "-l", "-C", "-f", f"{folder}/ka.conf",
                              "-p", f"{folder}/ka.pid", "-c", f"{folder}/kac.pid"]
    return todo


def family(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as f:
        return [pid, *map(int, f.read().split())]


def run_sec(pids):
    total = 0
    for pid in pids:
        for path in glob.glob(f"/proc/{pid}/task/*/schedstat"):
            with open(path) as f:
                total += int(f.read().split()[0])
    return total / 1e9


def cpu_sec(pid, place):
    """Of a process and its children, user and system time; of it, user time; of the
    threads that receive for it, and for the endpoints."""
    user = 0
    for p in family(pid):
        with open(f"/proc/{p}/stat") as f:
            user += int(f.read().rpartition(")")[2].split()[11]) / TICKS
    return [run_sec(family(pid)), user, run_sec(place.ours), run_sec(place.theirs)]


def nmade(name):
    protocol, what = {"half-open": ("Tcp:", "OutRsts"), "echo": ("Icmp:", "InEchoReps")}.get(
        name, ("Tcp:", "ActiveOpens"))
    with open("/proc/self/net/snmp") as f:
        names, values = (line.split() for line in f if line.startswith(protocol))
    return int(values[names.index(what)])


def wait_until_at_pace(name, process, n):
    """Nearly all its connections within a second, and some for its caches to settle;
    False where it never comes to that."""
    for _ in range(START_SEC):
        before = nmade(name)
        time.sleep(1)
        if process.poll() is not None:
            raise RuntimeError(f"{name} has ended")
        if nmade(name) - before >= 0.9 * n:
            time.sleep(2)
            return True
    print(f"    {name} does not make {n} checks a second within {START_SEC} s")
    return False


def end(process, name, n, is_at_pace):
    pids = family(process.pid)
    # keepalived would see each of its servers off first.
    for p in pids if name == "keepalived" else pids[:1]:
        os.kill(p, signal.SIGKILL if name == "keepalived" else signal.SIGTERM)
    told = process.communicate()[0]
    # On a machine that is too busy for the pace, endpoints miss their time, too.
    if name in HERALD and int(told) < 0.99 * n and is_at_pace:
        raise RuntimeError(f"of {n} addresses {told.strip()} are up")


def measure(name, command, place, n, log):
    bound = [] if place.cpu is None else ["taskset", "-c", str(place.cpu)]
    process = subprocess.Popen(
        [*bound, *command], stdout=subprocess.PIPE if name in HERALD else log, stderr=log,
        text=True)
    is_at_pace = wait_until_at_pace(name, process, n)
    cpu, made, since = cpu_sec(process.pid, place), nmade(name), time.monotonic()
    time.sleep(SECONDS)
    cpu = [b - a for a, b in zip(cpu, cpu_sec(process.pid, place))]
    made, sec = nmade(name) - made, time.monotonic() - since
    end(process, name, n, is_at_pace)
    if made == 0:
        raise RuntimeError(f"{name} makes no checks")
    figures = {"rate": made / sec} | {
        key: c / made * 1e6 for key, c in zip(("us", "user_us", "ours_us", "theirs_us"), cpu)}
    print(f"    {name}: {figures['rate']:.0f} a second, {figures['us']:.1f} us each" +
          (f", {figures['ours_us']:.1f} receiving, {figures['theirs_us']:.1f} the endpoints'"
           if place.ours else ""), flush=True)
    return figures


def spread(values, fmt):
    return (f"{statistics.median(values):{fmt}} "
            f"({min(values):{fmt}} - {max(values):{fmt}})")


def table(runs, n):
    """On loopback: us of the checker with both ends of the handshake."""
    least = statistics.median(r["us"] for r in runs["least"])
    yield ("", "checks a second", "us of a core for each", "of it in user mode",
           f"for {n:,} a second", "by the least")
    for name, rounds in runs.items():
        us = [r["us"] for r in rounds]
        yield (name, spread([r["rate"] for r in rounds], ".0f"), spread(us, ".1f"),
               spread([r["user_us"] for r in rounds], ".1f"),
               f"{statistics.median(us) * n / 1e4:.1f} % of a core",
               f"{statistics.median(us) / least:.2f}")


def table_apart(runs, n):
    yield ("", "checks a second", "us of the checker", "receiving for it", "both",
           f"for {n:,} a second", "us of the endpoints' kernel")
    for name, rounds in runs.items():
        both = [r["us"] + r["ours_us"] for r in rounds]
        yield (name, spread([r["rate"] for r in rounds], ".0f"),
               *(spread([r[key] for r in rounds], ".1f") for key in ("us", "ours_us")),
               spread(both, ".1f"), f"{statistics.median(both) * n / 1e4:.1f} % of a core",
               spread([r["theirs_us"] for r in rounds], ".1f"))


def show(heading, rows):
    rows = list(rows)
    wide = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    print(heading)
    for row in rows:
        print("  ".join(f"{cell:<{w}}" for cell, w in zip(row, wide)).rstrip())


def receive_by_threads(link, cpu):
    """What arrives at this link is received by kernel threads on that processor, ahead
    of whatever else runs there. Returns them."""
    # veth asks NAPI only for what comes from a link that cannot segment.
    subprocess.run(["ethtool", "-K", link, "tso", "off", "gro", "on"], check=True,
                   stdout=subprocess.DEVNULL)
    with open(f"/sys/class/net/{link}/threaded", "w") as f:
        f.write("1")
    pids = [int(p) for p in os.listdir("/proc") if p.isdigit() and comm(p).startswith(
        f"napi/{link}-")]
    if not pids:
        raise RuntimeError(f"the kernel has no threads that receive for {link}")
    for pid in pids:
        os.sched_setaffinity(pid, {cpu})
        os.setpriority(os.PRIO_PROCESS, pid, -20)
    return pids


def comm(pid):
    try:
        with open(f"/proc/{pid}/comm") as f:
            return f.read()
    except OSError:
        return ""


def far_end(cpu):
    """In a namespace of the endpoints: their side of the link, up to their server. Run
    by this script itself; prints the threads that receive."""
    subprocess.run(["mount", "-t", "sysfs", "none", "/sys"], check=True)
    subprocess.run(["ip", "-batch", "-"], check=True, text=True, input=f"""
        link set lo up
        link set {LINK}1 up
        address add {GATEWAY}/24 dev {LINK}1
        route add local {APART}/16 dev lo
        """)
    print(json.dumps(receive_by_threads(f"{LINK}1", int(cpu))))


def place_apart(tool, cpus):
    """The endpoints in another namespace, and their server; with the latter."""
    subprocess.run(["mount", "-t", "sysfs", "none", "/sys"], check=True)
    server = subprocess.Popen(["unshare", "-nm", "taskset", "-c", str(cpus[1]), tool,
                               "serve"])
    while os.readlink(f"/proc/{server.pid}/ns/net") == os.readlink("/proc/self/ns/net"):
        time.sleep(0.01)
    queues = f"numrxqueues {NQUEUES} numtxqueues {NQUEUES}"
    subprocess.run(["ip", "-batch", "-"], check=True, text=True, input=f"""
        link add {LINK}0 {queues} type veth peer name {LINK}1 {queues} netns {server.pid}
        address add 10.98.0.2/24 dev {LINK}0
        link set {LINK}0 up
        route add {APART}/16 via {GATEWAY}
        """)
    theirs = json.loads(subprocess.run(
        ["nsenter", "-t", str(server.pid), "-n", "-m", sys.executable, __file__, "far_end",
         str(cpus[1])], check=True, stdout=subprocess.PIPE).stdout)
    return Place(APART, receive_by_threads(f"{LINK}0", cpus[0]), theirs, cpus[0]), server


def measure_all(tool, folder, place, n, nrounds):
    todo = commands(tool, folder, place, n)
    runs = {name: [] for name in todo}
    with open(f"{folder}/log", "w") as log:
        for _ in range(nrounds):
            for name, command in todo.items():
                runs[name].append(measure(name, command, place, n, log))
    return runs


def main(tool, result, n="20000", nrounds="3"):
    n, nrounds = int(n), int(nrounds)
    cpus = sorted(os.sched_getaffinity(0))
    if os.path.exists("/run/lab"):
        lab_main.load_modules()
    set_link("lo", True)
    # Ahead of what else a shared machine does, contenders and servers alike.
    os.setpriority(os.PRIO_PROCESS, 0, -20)
    folder = tempfile.mkdtemp()
    runs, servers = {}, [subprocess.Popen([tool, "serve"])]
    try:
        runs["loopback"] = measure_all(tool, folder, Place(LOOPBACK), n, nrounds)
        show("On loopback; us of the checker, in which is the endpoint's end of each check:",
             table(runs["loopback"], n))
        if len(cpus) > 1:
            place, server = place_apart(tool, cpus)
            servers.append(server)
            runs["apart"] = measure_all(tool, folder, place, n, nrounds)
            show("Endpoints apart, their end of each check on another processor; us of the "
                 "checker\nand of the kernel's threads that receive for it:",
                 table_apart(runs["apart"], n))
        else:
            print("One processor: the endpoints' end cannot be told apart here.")
    except RuntimeError as e:
        print(f"bench: {e}")
        subprocess.run(["tail", "-n", "20", f"{folder}/log"], check=False)
        return 1
    finally:
        for server in servers:
            server.kill()
        shutil.rmtree(folder)
    with open(result, "w") as f:
        json.dump(runs, f)
    return 0


if __name__ == "__main__":
    sys.exit(far_end(*sys.argv[2:]) if sys.argv[1] == "far_end" else main(*sys.argv[1:]))
