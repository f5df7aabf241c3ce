#!/usr/bin/python3
"""failover.py BIN RESULT [RUNS [EVENT]]: how long a client is without a VIP whose owner
fails, beside keepalived; in the lab's virtual machine, see run.sh.

Both are put to the same in the same boot, one while the other is at rest: 3 x 100 ms
and 3 x 10 ms of silence before a node is taken for dead (of VRRP: adverts at that
interval and the skew of a priority next to the highest, the least there is). What
happens to the owner:

    link cut    its port of the switch goes down: the node is lost
    SIGKILL     of the speaker, of keepalived's processes: the node itself lives
    SIGSTOP     the same, but they hang

With the last two a node goes on forwarding, Herald's by its director, keepalived's for
want of anybody to take the address away; so nobody should lose a packet, and what
counts is that the VIP moves. The client sends a datagram every millisecond and counts
what does not come back: the gap is the longest span of sending times without an answer,
from the last probe that got one to the next that did, and 0 where none was lost. That
none was sent for a while is no gap: the prober shares Python's lock and the processor.
The LAN is watched for the next owner's announcement.
"""
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lab"))
import echo
import lab as lab_main
import objects
import scenarios
import topology
from cluster import LOGS, Lab
from measure import Failed, Not, Prober, until
from neighbour import Watch
from netns import create, inside, ip_batch, output, set_link, sysctl
from objects import UDP_PORT

RUNS = {"link cut": 20, "SIGKILL": 10, "SIGSTOP": 10}
INTERVALS_MS = (100, 10)
VRRP_VIP = "10.0.0.40"
NFLOWS, SPACING_SEC = 24, 0.001


def one_failure(vip, port, unused_pods, old_mac, fail, interval_ms):
    """What the client and the LAN saw of it, in seconds and packets.

    fail: called to make the owner fail; its MAC is old_mac, its pods are not asked.
    """
    prober = Prober("client", vip, port, NFLOWS, SPACING_SEC)
    prober.drop_flows_to(unused_pods)
    with Watch("client", vip) as watch, prober:
        until("probes to be answered", lambda: len(prober.answered) > 100, 5)
        # At any moment of the interval alike.
        time.sleep(random.uniform(0, interval_ms / 1000))
        since = time.monotonic()
        fail()

        def moved():
            return [t for t, mac in watch.claims if t >= since and mac != old_mac]
        until(f"{vip} to move", moved, 10)
        until("probes to be answered again",
              lambda: prober.answered_since(moved()[0]) > 100, 5)
        time.sleep(0.1)
    return {"gap": prober.gap_sec(since - 0.05),
            "moved": moved()[0] - since, "lost": len(prober.lost(since - 0.05))}


def set_port(port, is_up):
    """Of the LAN's switch."""
    with inside("lan"):
        set_link(port, is_up)


class Herald:
    """The lab as it is."""

    def __init__(self, lab):
        self.lab, self.svc = lab, lab.services[4]
        scenarios.first_light(self.svc)

    def prepare(self, interval_ms):
        self.lab.set_liveness(f"3x{interval_ms}ms")

    def fail(self, event, interval_ms):
        vip, owner = self.svc.settle(20)
        speaker = self.lab.speakers[owner.name]
        is_cut = event == "link cut"

        def fail():
            if is_cut:
                set_port(owner.port(), False)
            else:
                speaker.signal(getattr(signal, event))
        seen = one_failure(vip, UDP_PORT, owner.pods, owner.mac, fail, interval_ms)
        if is_cut:
            set_port(owner.port(), True)
        elif event == "SIGSTOP":
            speaker.signal(signal.SIGCONT)
        else:
            speaker.kill()      # it has gone; take note of it
            speaker.start()
        return seen

    def end(self):
        self.svc.settle(20)
        for p in self.lab.speakers.values():
            p.kill()


class VrrpHost:
    """A host on the LAN with keepalived, VRRPv3; echo answers at the VIP."""

    def __init__(self, index, priority):
        self.name, self.process, self.priority = f"k{index}", None, priority
        self.mac = topology.lan_mac(40 + index)
        create(self.name)
        ip_batch("lan", [f"link add e-{self.name} type veth peer name eth0 "
                         f"address {self.mac} netns {self.name}",
                         f"link set e-{self.name} master br0 up"])
        ip_batch(self.name, [f"addr add 10.0.0.{40 + index}/24 dev eth0", "link set eth0 up"])
        sysctl(self.name, {"ipv4/ip_nonlocal_bind": 1})
        self.config = f"/run/lab/{self.name}.conf"

    def configure(self, interval_ms):
        with open(self.config, "w") as f:
            f.write(f"""
global_defs {{
    vrrp_version 3
    vrrp_garp_master_refresh 0
}}
vrrp_instance lan {{
    state BACKUP
    nopreempt
    interface eth0
    virtual_router_id 51
    priority {self.priority}
    advert_int {interval_ms / 1000}
    virtual_ipaddress {{
        {VRRP_VIP}/24
    }}
}}
""")

    def start(self):
        log = open(f"{LOGS}/{self.name}.log", "ab")
        with log, inside(self.name):
            self.process = subprocess.Popen(
                ["keepalived", "-n", "-l", "-D", "-P", "-f", self.config, "-p",
                 f"/run/lab/{self.name}.pid", "-r", f"/run/lab/{self.name}.vrrp.pid"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def signal(self, sig):
        """To the parent and its children, at once."""
        pid = self.process.pid
        with open(f"/proc/{pid}/task/{pid}/children") as f:
            children = f.read().split()
        for p in (pid, *map(int, children)):
            os.kill(p, sig)

    def end(self):
        """Whatever its state, as if it had never run."""
        if self.process.poll() is None:
            self.signal(signal.SIGKILL)
        self.process.wait()
        subprocess.run(["ip", "-n", self.name, "addr", "flush", "to", VRRP_VIP], check=True)

    def has_vip(self):
        return f" {VRRP_VIP}/" in output(self.name, "ip", "-o", "addr")


class Keepalived:
    """Two hosts with it, and a VIP."""

    def __init__(self):
        self.hosts = [VrrpHost(1, 254), VrrpHost(2, 253)]
        echo.start([h.name for h in self.hosts], VRRP_VIP)

    def prepare(self, interval_ms):
        for h in self.hosts:
            if h.process is not None:
                h.end()
            h.configure(interval_ms)
            h.start()

    def master(self):
        have = [h for h in self.hosts if h.has_vip()]
        return have[0] if len(have) == 1 else Not(f"{[h.name for h in have]} have it")

    def fail(self, event, interval_ms):
        master = until("one keepalived to be master", self.master, 20, 0.2)
        time.sleep(1)       # the other has to have heard it

        def fail():
            if event == "link cut":
                set_port(f"e-{master.name}", False)
            else:
                master.signal(getattr(signal, event))
        seen = one_failure(VRRP_VIP, echo.UDP_PORT, (), master.mac, fail, interval_ms)
        master.end()
        set_port(f"e-{master.name}", True)
        master.start()
        return seen

    def end(self):
        for h in self.hosts:
            h.end()


def measure(what, nruns, only):
    """[{"event", "interval_ms", "runs"}, ...]"""
    rows, name = [], type(what).__name__
    for interval_ms in INTERVALS_MS:
        what.prepare(interval_ms)
        for event, n in RUNS.items():
            if only not in (None, event):
                continue
            since = time.monotonic()
            rows.append({"event": event, "interval_ms": interval_ms, "runs": [
                what.fail(event, interval_ms) for _ in range(nruns or n)]})
            print(f"    {name}, {event}, 3 x {interval_ms} ms: "
                  f"{time.monotonic() - since:.0f} s", flush=True)
    what.end()
    return rows


def cell(runs, key):
    values = [r[key] * 1000 for r in runs]
    return f"{statistics.median(values):.1f} ({min(values):.1f} - {max(values):.1f})"


def table(ours, theirs):
    yield ("owner", "silence", "client's gap, ms", "", "VIP announced after, ms", "",
           "packets lost", "", "ratio")
    yield ("", "", *("Herald", "keepalived") * 3, "(aim: 1)")
    for a, b in zip(ours, theirs):
        # Where the node lives on there is no gap to compare, only the move.
        key = "gap" if a["event"] == "link cut" else "moved"
        median = {(who, k): statistics.median(r[k] for r in row["runs"])
                  for who, row in (("a", a), ("b", b)) for k in (key, "lost")}
        yield (a["event"], f"3 x {a['interval_ms']} ms",
               cell(a["runs"], "gap"), cell(b["runs"], "gap"),
               cell(a["runs"], "moved"), cell(b["runs"], "moved"),
               f"{median['a', 'lost']:g}", f"{median['b', 'lost']:g}",
               f"{median['a', key] / median['b', key]:.2f}")


def main():
    bin_dir, result = sys.argv[1:3]
    nruns = int(sys.argv[3]) if len(sys.argv) > 3 else None
    only = sys.argv[4] if len(sys.argv) > 4 else None
    sys.setswitchinterval(0.0005)
    lab_main.load_modules()
    lab = Lab(bin_dir, objects.Folder(lab_main.SOURCE))
    lab.start()
    figures = {}
    try:
        figures["herald"] = measure(Herald(lab), nruns, only)
        figures["keepalived"] = measure(Keepalived(), nruns, only)
    except Failed as e:
        print(f"failover: {e}")
        return 1
    finally:
        lab.stop()
        lab.save_logs()
    with open(result, "w") as f:
        json.dump(figures, f)
    rows = list(table(figures["herald"], figures["keepalived"]))
    wide = [max(len(r[i]) for r in rows) for i in range(len(rows[0]))]
    print("\nAn owner that fails; medians (least - most):")
    for r in rows:
        print("  ".join(f"{v:<{w}}" for v, w in zip(r, wide)).rstrip())
    return 0


if __name__ == "__main__":
    sys.exit(main())
