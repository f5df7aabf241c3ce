#!/usr/bin/python3
"""director_bench.py DIRECTORCTL RESULT [TABLE...]: programming speed of the data plane.

In the lab's virtual machine: one node's director is given tables of several sizes
through directorctl; `ipvsadm -R` and keepalived the same tables, each in a namespace of
its own. Of keepalived it is the time from its start, reading its configuration included,
to the last row; of Herald until the VIPs' routes and nftables' sets are there, too, for
which the others have no use. So of both also that from the first row to the last.
keepalived has nothing to check. One that takes longer than LIMIT_SEC is ended. Prints a line for each
TABLE (1000x4mh, ...; all) and writes {name: figures} to RESULT as JSON.
"""
import json
import os
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lab"))
import lab as lab_main
from ipvs import ipvs_table, ipvs_watch
from netns import create, inside, ip_batch, output

TABLES = ((1000, 4, "mh"), (1000, 4, "wrr"), (1000, 100, "mh"), (1000, 100, "wrr"),
          (10000, 4, "mh"), (10000, 4, "wrr"))
LIMIT_SEC, QUIET_SEC = 300, 1   # of the guest's time
LOOK_SEC = 0.02


def memory_mb(pid):
    with open(f"/proc/{pid}/smaps_rollup") as f:
        lines = dict(line.split(":", 1) for line in f.read().splitlines()[1:])
    return {k: int(lines[k].split()[0]) / 1024 for k in ("Rss", "Anonymous")}


class Ctl:
    def __init__(self, program, name):
        create(name)
        ip_batch(name, ["link add eth0 type dummy", "addr add 10.0.0.1/24 dev eth0",
                        "link set eth0 up"])
        with inside(name):
            self.process = subprocess.Popen([program], stdin=subprocess.PIPE,
                                            stdout=subprocess.PIPE, text=True)
        self.write([f"director herald-{name} herald0"])

    def write(self, lines):
        self.process.stdin.write("\n".join(lines) + "\n")
        self.process.stdin.flush()

    def ask(self, verb):
        self.write([verb])
        return self.process.stdout.readline().strip()

    def sync(self, verb="sync"):
        answer = dict(w.split("=", 1) for w in self.ask(verb).split())
        if answer["result"] != "0":
            raise RuntimeError(answer)
        return answer


class RowsWatch(threading.Thread):
    """How long it takes from the first service's first row to the last one's last."""

    def __init__(self, netns, first, last, nrows):
        super().__init__(daemon=True)
        self.first, self.last = (ipvs_watch(netns, ip, 80) for ip in (first, last))
        self.nrows, self.ms = nrows, None

    @staticmethod
    def wait(rows, n):
        while True:
            try:
                if len(rows()) >= n:
                    return time.monotonic()
            except OSError:
                pass            # no such service yet
            time.sleep(LOOK_SEC)

    def run(self):
        since = self.wait(self.first, 1)
        self.ms = (self.wait(self.last, self.nrows) - since) * 1000


def vips(nservices):
    return [f"10.9.{1 + i // 250}.{1 + i % 250}" for i in range(nservices)]


def service_lines(nservices, nendpoints, sched, extra=None):
    """The want; extra: the service that has one endpoint more."""
    lines = ["node 10.0.0.1", *(f"vip {v}" for v in vips(nservices))]
    for i, vip in enumerate(vips(nservices)):
        lines.append(f"svc d/s{i}:80/TCP {vip} tcp 80 {sched} 0 cluster")
        n = nendpoints + (i == extra)
        lines += [f"ep 10.8.{k}.{1 + i % 250} 80 1 tunnel" for k in range(n)]
    return lines


def restore(name, text):
    create(name)
    with inside(name):
        since = time.monotonic()
        subprocess.run(["ipvsadm", "-R"], input=text, text=True, check=True)
        return (time.monotonic() - since) * 1000


def keepalived_config(table, sched):
    lines = []
    for (proto, ip, port), dests in table.items():
        lines += [f"virtual_server {ip} {port} {{", f"lvs_sched {sched}",
                  *(["mh-port", "mh-fallback"] if sched == "mh" else []),
                  "lvs_method TUN", f"protocol {proto}"]
        lines += [f"real_server {d.ip} {d.port} {{\nweight {d.weight}\n}}" for d in dests]
        lines.append("}")
    return "\n".join(lines) + "\n"


def run_sec(pid):
    """Processor seconds of a process and its children, None once it has ended."""
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as f:
            pids = [pid, *map(int, f.read().split())]
        total = 0
        for p in pids:
            with open(f"/proc/{p}/schedstat") as f:
                total += int(f.read().split()[0]) / 1e9
        return total
    except (FileNotFoundError, ProcessLookupError):
        return None


def first_and_last_row(process, netns, table):
    """When it made its first row, and when it last did anything, once it rests with all
    in IPVS; None: too long."""
    want = (len(table), sum(map(len, table.values())))
    since = last = time.monotonic()
    first, used = None, 0
    while time.monotonic() - since < LIMIT_SEC:
        time.sleep(LOOK_SEC)
        now, sec = time.monotonic(), run_sec(process.pid)
        if sec is None:
            raise RuntimeError("keepalived has ended")
        if first is None and ipvs_table(netns, next(iter(table))):
            first = now
        # Its loop may wake for nothing.
        if sec - used > 0.001:
            used, last = sec, now
        elif now - last > QUIET_SEC:
            made = ipvs_table(netns)
            if (len(made), sum(map(len, made.values()))) == want:
                return first, last
            last = now
    return None


def keepalived(name, table, sched):
    """(ms from its start until all is programmed, and from its first row), or Nones."""
    create(name)
    config, log = f"/run/lab/{name}.conf", f"/run/lab/results/{name}.log"
    with open(config, "w") as f:
        f.write(keepalived_config(table, sched))
    with inside(name), open(log, "w") as out:
        since = time.monotonic()
        process = subprocess.Popen(
            ["keepalived", "-n", "-l", "-C", "-f", config, "-p", f"/run/lab/{name}.pid",
             "-c", f"/run/lab/{name}.checkers.pid"], stdout=out, stderr=out)
    try:
        rows = first_and_last_row(process, name, table)
    finally:
        # Not SIGTERM: it would take its table away first, row by row.
        with open(f"/proc/{process.pid}/task/{process.pid}/children") as f:
            children = [int(p) for p in f.read().split()]
        for p in (process.pid, *children):
            os.kill(p, signal.SIGKILL)
        process.wait()
    if rows is None:
        return None, None
    return (rows[1] - since) * 1000, (rows[1] - rows[0]) * 1000


def line(name, f):
    ours, theirs = f["herald_ms"], f["keepalived_ms"]
    text = (f"{name}: Herald {ours:.0f} ms, {f['herald_rows_ms']:.0f} of it from its first row "
            f"to its last; ipvsadm -R {f['ipvsadm_ms']:.0f} ms, of which "
            f"Herald takes {ours / f['ipvsadm_ms']:.2f}; keepalived ")
    if theirs is None:
        text += f"over {LIMIT_SEC} s"
    else:
        rows = f["keepalived_rows_ms"]
        text += (f"{theirs:.0f} ms, {rows:.0f} of it from its first row on, of which Herald "
                 f"takes {ours / theirs:.2f} and {f['herald_rows_ms'] / rows:.2f}")
    return (f"{text}; the same again {f['same_ms']:.1f} ms, one endpoint more "
            f"{f['one_endpoint_ms']:.1f} ms")


def measure(program, nservices, nendpoints, sched):
    name = f"b{nservices}x{nendpoints}{sched}"
    ctl = Ctl(program, name)
    ctl.sync()                                  # an empty one, to be there
    ctl.write(service_lines(nservices, nendpoints, sched))
    watch = RowsWatch(f"herald-{name}", vips(nservices)[0], vips(nservices)[-1], nendpoints)
    watch.start()
    first = ctl.sync()
    watch.join(1)
    table = ipvs_table(f"herald-{name}")
    rows = sum(map(len, table.values()))
    if len(table) != nservices or rows != nservices * nendpoints:
        raise RuntimeError(f"{len(table)} services, {rows} rows")
    same = ctl.sync()
    ctl.ask("clear")
    ctl.write(service_lines(nservices, nendpoints, sched, extra=nservices // 2))
    one = ctl.sync("update")
    if one["endpoints"] != "+1-0~0" or one["services"] != "+0-0~0" or one["nft"] != "0":
        raise RuntimeError(f"one endpoint more is no more than that: {one}")
    memory = memory_mb(ctl.process.pid)
    saved = output(f"herald-{name}", "ipvsadm", "-Sn")
    ctl.ask("destroy")
    ctl.process.stdin.close()
    ctl.process.wait()
    plain = restore(f"p{name}", saved)
    theirs, rows_ms = keepalived(f"k{name}", table, sched)
    for netns in (f"p{name}", f"k{name}"):
        subprocess.run(["ip", "netns", "del", netns], check=False)
    figures = {"herald_ms": float(first["ms"]), "herald_rows_ms": watch.ms,
               "ipvsadm_ms": plain, "keepalived_ms": theirs,
               "keepalived_rows_ms": rows_ms, "same_ms": float(same["ms"]),
               "one_endpoint_ms": float(one["ms"]), "memory_mb": memory}
    print(line(f"{nservices} x {nendpoints} {sched}", figures), flush=True)
    return figures


def main(program, result, *only):
    lab_main.load_modules()
    figures = {}
    for n, m, sched in TABLES:
        name = f"{n}x{m}{sched}"
        if not only or name in only:
            figures[name] = measure(program, n, m, sched)
            with open(result, "w") as f:
                json.dump(figures, f)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
