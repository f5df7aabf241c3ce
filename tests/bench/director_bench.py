#!/usr/bin/python3
"""director_bench.py DIRECTORCTL RESULT: programming speed of the data plane.

In the lab's virtual machine: one node's director is given tables of several sizes
through directorctl, and `ipvsadm -R` the same tables in a namespace of its own.
Writes {name: figures} to RESULT as JSON.
"""
import json
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lab"))
import lab as lab_main
from ipvs import ipvs_table
from netns import create, inside, ip_batch, output

TABLES = ((1000, 4, "mh"), (1000, 4, "wrr"), (1000, 100, "mh"), (1000, 100, "wrr"),
          (10000, 4, "mh"), (10000, 4, "wrr"))


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


def service_lines(nservices, nendpoints, sched, extra=None):
    """The want; extra: the service that has one endpoint more."""
    lines = ["node 10.0.0.1"]
    vips = [f"10.9.{1 + i // 250}.{1 + i % 250}" for i in range(nservices)]
    lines += [f"vip {v}" for v in vips]
    for i, vip in enumerate(vips):
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


def measure(program, nservices, nendpoints, sched):
    name = f"b{nservices}x{nendpoints}{sched}"
    ctl = Ctl(program, name)
    ctl.sync()                                  # an empty one, to be there
    ctl.write(service_lines(nservices, nendpoints, sched))
    first = ctl.sync()
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
    subprocess.run(["ip", "netns", "del", f"p{name}"], check=False)
    figures = {"herald_ms": float(first["ms"]), "ipvsadm_ms": plain,
               "same_ms": float(same["ms"]), "one_endpoint_ms": float(one["ms"]),
               "memory_mb": memory}
    print(f"    {nservices} x {nendpoints} {sched}: {figures}", flush=True)
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
