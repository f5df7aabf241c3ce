#!/usr/bin/python3
"""failover.py BIN RESULT [RUNS [EVENT]...]: how long a client is without a VIP whose owner
fails, beside keepalived; in the lab's virtual machine, see run.sh.

Both are put to the same in the same boot, in turn, one while the other is at rest:
3 x 100 ms and 3 x 10 ms of silence before a node is taken for dead (of VRRP: adverts at
that interval and the skew of a priority next to the highest, the least there is). What
happens to the owner:

    link cut    its port of the switch goes down: the node is lost
    SIGKILL     of the speaker, of keepalived's processes: the node itself lives
    SIGSTOP     the same, but they hang

With the last two a node goes on forwarding, Herald's by its director, keepalived's for
want of anybody to take the address away; so nobody should lose a packet, and what
counts is that the VIP moves. The client sends a datagram every millisecond and counts
what does not come back; the LAN is watched for the next owner's announcement.

Most of a gap is chance: how long before the failure the owner was last heard. So that is
not left to chance. The i-th of N runs has the owner fail so long after its last packet to
its heir as a moment picked at random is at the (i - 1/2)/N quantile, in an order that is
random. A thread under emulation may be late to do so: the sum of that time and the gap is
what does not vary, and for the ratio the gap is put right by the lateness. The error shown
is the sum's.
"""
import errno
import json
import os
import random
import select
import signal
import socket
import statistics
import struct
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lab"))
import echo
import lab as lab_main
import objects
import scenarios
import topology
from cluster import LOGS, Lab
from measure import Failed, Not, Prober, go_realtime, until
from neighbour import ETH_P_IP, LD_BYTE, LD_HALF, LD_WORD, Watch, recv_stamped, tap
from netns import create, inside, ip_batch, output, set_link, sysctl
from objects import UDP_PORT

RUNS = {"link cut": 10, "SIGKILL": 10, "SIGSTOP": 10}
INTERVALS_MS = (100, 10)
VRRP_VIP, VRRP_GROUP, IPPROTO_VRRP = "10.0.0.40", "224.0.0.18", 112
NFLOWS, SPACING_SEC = 24, 0.001
NSTEPS = 50
MEDIAN_FACTOR = 1.57     # the variance of a median by that of a mean
# The prober goes before all others: where it paused for longer, all nodes did, and the run
# is made again, twice at most. A virtual processor that is idle is woken late where others
# are busy.
STALL_SEC, TRIES = 0.01, 3


class Unheard(Failed):
    """The owner, before it is made to fail."""


class Heartbeat:
    """What a node's port of the switch lets in of its packets to one address; what others
    send there passes the port, too."""

    def __init__(self, port, mac, protocol, to):
        mac = bytes.fromhex(mac.replace(":", ""))
        self._sock = tap(port, (LD_WORD, 6, int.from_bytes(mac[:4], "big")),
                         (LD_HALF, 10, int.from_bytes(mac[4:], "big")),
                         (LD_HALF, 12, ETH_P_IP), (LD_BYTE, 23, protocol),
                         (LD_WORD, 30, struct.unpack("!I", socket.inet_aton(to))[0]))
        self.last = None            # when the last that was read came

    def __enter__(self):
        return self

    def __exit__(self, *_exc):
        self._sock.close()

    def wait(self):
        if not select.select([self._sock], [], [], 5)[0]:
            raise Unheard("a live owner to be heard", "it was not for 5 s")
        self.has_more()

    def has_more(self):
        try:
            self.last = recv_stamped(self._sock, 128, socket.MSG_DONTWAIT)[1]
        except BlockingIOError:
            return False
        except OSError as e:
            if e.errno != errno.ENETDOWN:       # told once; what came before is there
                raise
            return self.has_more()
        return True

    def steps(self):
        """Seconds between packets, in a sample."""
        times = []
        while len(times) <= NSTEPS:
            self.wait()
            times.append(self.last)
        return [b - a for a, b in zip(times, times[1:])]

    def wait_until_past(self, age_sec):
        """Return so long after a packet, and with none since."""
        while True:
            self.wait()
            time.sleep(max(0.0, self.last + age_sec - time.monotonic()))
            if not self.has_more():
                return


def age_at(quantile, steps):
    """How long ago the last packet was for so many of all moments at most."""
    low, high = 0.0, max(steps)
    for _ in range(30):
        age = (low + high) / 2
        if sum(min(age, s) for s in steps) < quantile * sum(steps):
            low = age
        else:
            high = age
    return low


def at_age(beat, age_sec, fail):
    """Call fail so long after the owner's last packet; returns the moment."""
    since = []

    def work():
        go_realtime()
        try:
            beat.wait_until_past(age_sec)
        except Unheard as e:
            since.append(e)
            return
        since.append(time.monotonic())
        fail()
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    if isinstance(since[0], Unheard):
        raise since[0]
    return since[0]


def one_failure(vip, port, unused_pods, old_mac, fail, beat, age_sec):
    """What the client and the LAN saw of it, in seconds and packets.

    fail: called to make the owner fail age_sec after its last packet that `beat` hears;
    its MAC is old_mac, its pods are not asked.
    """
    prober = Prober("client", vip, port, NFLOWS, SPACING_SEC)
    prober.drop_flows_to(unused_pods)
    with Watch("client", vip) as watch, prober, beat:
        until("probes to be answered", lambda: len(prober.answered) > 100, 5)
        since = at_age(beat, age_sec, fail)

        def moved():
            return [c for c in watch.claims if c[0] >= since and c[1] != old_mac]
        until(f"{vip} to move", moved, 10)
        while beat.has_more():      # those that got out before it took effect
            pass
        until("probes to be answered again",
              lambda: prober.answered_since(moved()[0][0]) > 100, 5)
        time.sleep(0.1)
    at, heir_mac = moved()[0]
    late_sec = since - beat.last - age_sec
    sent = [t for t in prober.sent if since - 0.05 <= t <= at + 0.05]
    return {"gap": prober.gap_sec(since - 0.05), "lost": len(prober.lost(since - 0.05)),
            "moved": at - since, "silence": at - beat.last, "age": age_sec, "late": late_sec,
            "pause": max(b - a for a, b in zip(sent, sent[1:])), "heir": heir_mac}


def set_port(port, is_up):
    """Of the LAN's switch."""
    with inside("lan"):
        set_link(port, is_up)


class Herald:
    """The lab as it is."""

    def __init__(self, lab):
        self.lab, self.svc, self.heirs = lab, lab.services[4], {}
        scenarios.first_light(self.svc)

    def prepare(self, interval_ms):
        self.lab.set_liveness(f"3x{interval_ms}ms")

    def rest(self):
        self.signal_all(signal.SIGSTOP)

    def rise(self):
        self.signal_all(signal.SIGCONT)
        time.sleep(1.5)     # who stood still keeps silent for a second

    def signal_all(self, sig):
        for p in (self.lab.controller, *self.lab.speakers.values()):
            p.signal(sig)

    def heartbeat(self, owner):
        heir = self.heirs.get(owner.name) or next(n for n in self.lab.nodes if n is not owner)
        return Heartbeat(owner.port(), owner.mac, socket.IPPROTO_UDP, heir.ip)

    def steps(self):
        with self.heartbeat(self.svc.settle(20)[1]) as beat:
            return beat.steps()

    def fail(self, event, age_sec):
        vip, owner = self.svc.settle(20)
        speaker = self.lab.speakers[owner.name]
        is_cut = event == "link cut"

        def fail():
            if is_cut:
                set_port(owner.port(), False)
            else:
                speaker.signal(getattr(signal, event))
        seen = one_failure(vip, UDP_PORT, owner.pods, owner.mac, fail,
                           self.heartbeat(owner), age_sec)
        if is_cut:
            set_port(owner.port(), True)
        elif event == "SIGSTOP":
            speaker.signal(signal.SIGCONT)
        else:
            speaker.kill()      # it has gone; take note of it
            speaker.start()
        self.heirs.setdefault(owner.name, next(
            n for n in self.lab.nodes if n.mac == seen["heir"]))
        return seen

    def end(self):
        self.svc.settle(20)
        for p in self.lab.speakers.values():
            p.kill()


class VrrpHost:
    """A host on the LAN with keepalived, VRRPv3; echo answers at the VIP."""

    def __init__(self, index, priority):
        self.name, self.process, self.priority = f"k{index}", None, priority
        self.mac, self.port = topology.lan_mac(40 + index), f"e-k{index}"
        create(self.name)
        ip_batch("lan", [f"link add {self.port} type veth peer name eth0 "
                         f"address {self.mac} netns {self.name}",
                         f"link set {self.port} master br0 up"])
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
                ["keepalived", "-n", "-l", "-G", "-P", "-f", self.config, "-p",
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
            h.configure(interval_ms)

    def rest(self):
        for h in self.hosts:
            h.end()

    def rise(self):
        """The one of the highest priority is the backup: it has the least skew."""
        heir, owner = self.hosts
        owner.start()
        until("the first keepalived to be master", owner.has_vip, 20, 0.2)
        heir.start()

    def master(self):
        have = [h for h in self.hosts if h.has_vip()]
        return have[0] if len(have) == 1 else Not(f"{[h.name for h in have]} have it")

    def settle(self):
        until("one keepalived to be master", self.master, 20, 0.2)
        time.sleep(1)       # the other has to have heard it
        return until("one keepalived to be master still", self.master, 20, 0.2)

    def heartbeat(self, master):
        return Heartbeat(master.port, master.mac, IPPROTO_VRRP, VRRP_GROUP)

    def steps(self):
        with self.heartbeat(self.settle()) as beat:
            return beat.steps()

    def fail(self, event, age_sec):
        master = self.settle()

        def fail():
            if event == "link cut":
                set_port(master.port, False)
            else:
                master.signal(getattr(signal, event))
        seen = one_failure(VRRP_VIP, echo.UDP_PORT, (), master.mac, fail,
                           self.heartbeat(master), age_sec)
        set_port(master.port, True)
        return seen

    def end(self):
        self.rest()


def run(what, event, age_sec):
    what.rise()
    try:
        return what.fail(event, age_sec)
    finally:
        what.rest()


def run_undisturbed(what, event, age_sec, row):
    """Until it is, or for the last time. At 3 x 10 ms a pause of the machine may make
    another node the owner before it is to fail."""
    for left in reversed(range(TRIES)):
        seen = None
        try:
            seen = run(what, event, age_sec)
        except Unheard:
            if left == 0:
                raise
        if seen and seen["pause"] <= STALL_SEC:
            break
        row["stalled"] += 1
    return seen


def measure(ours, theirs, nruns, only):
    """{"event", "interval_ms", "herald", "keepalived"}, ...: the runs of each row."""
    both = (("herald", ours), ("keepalived", theirs))
    for interval_ms in INTERVALS_MS:
        steps = {}
        for name, what in both:
            what.prepare(interval_ms)
            what.rise()
            steps[name] = what.steps()
            what.rest()
            run(what, "link cut", 0.0)      # nothing is paged in any more, and heirs known
        for event, n in RUNS.items():
            if only and event not in only:
                continue
            n = nruns or n
            row, since = {"event": event, "interval_ms": interval_ms}, time.monotonic()
            order = random.sample(range(n), n)
            row["stalled"] = 0
            for name, what in both * n:
                runs = row.setdefault(name, [])
                age_sec = age_at((order[len(runs)] + 0.5) / n, steps[name])
                runs.append(run_undisturbed(what, event, age_sec, row))
            print(f"    {event}, 3 x {interval_ms} ms: {time.monotonic() - since:.0f} s; "
                  f"in {row['stalled']} runs the whole machine stood still; ratio "
                  f"{ratio(row)}", flush=True)
            yield row


def cell(runs, key):
    values = [r[key] * 1000 for r in runs]
    return f"{statistics.median(values):.1f} ({min(values):.1f} - {max(values):.1f})"


def ratio(row):
    """Of the medians, and its standard error. Where the node lives on there is no gap to
    compare, only the move; Herald need not wait for silence to know of a SIGKILL."""
    key = "gap" if row["event"] == "link cut" else "moved"
    medians, error = [], 0.0
    for runs in (row["herald"], row["keepalived"]):
        is_by_silence = row["event"] != "SIGKILL" or runs is row["keepalived"]
        values = [r[key] + is_by_silence * r["late"] for r in runs]
        medians.append(statistics.median(values))
        if len(runs) > 1:
            sums = [v + is_by_silence * r["age"] for v, r in zip(values, runs)]
            error += statistics.variance(sums) / len(runs) * MEDIAN_FACTOR / medians[-1] ** 2
    return f"{medians[0] / medians[1]:.3f} +- {medians[0] / medians[1] * error ** 0.5:.3f}"


def table(rows):
    yield ("owner", "silence", "runs", "client's gap, ms", "", "VIP announced after, ms", "",
           "and after it was last heard, ms", "", "packets lost", "", "ratio")
    yield ("", "", "", *("Herald", "keepalived") * 4, "(aim: 1)")
    for row in rows:
        a, b = row["herald"], row["keepalived"]
        yield (row["event"], f"3 x {row['interval_ms']} ms", f"{len(a)}",
               *(cell(runs, k) for k in ("gap", "moved", "silence") for runs in (a, b)),
               *(f"{statistics.median(r['lost'] for r in runs):g}" for runs in (a, b)),
               ratio(row))


def main():
    bin_dir, result = sys.argv[1:3]
    nruns = int(sys.argv[3]) if len(sys.argv) > 3 else None
    only = sys.argv[4:]
    sys.setswitchinterval(0.0005)
    lab_main.load_modules()
    lab_main.free_network()
    lab = Lab(bin_dir, objects.Folder(lab_main.SOURCE))
    lab.start()
    rows, status = [], 0
    try:
        ours, theirs = Herald(lab), Keepalived()
        for row in measure(ours, theirs, nruns, only):
            rows.append(row)
            with open(result, "w") as f:
                json.dump(rows, f)
        theirs.end()
        ours.rise()
        ours.end()
    except Failed as e:
        print(f"failover: {e}")
        status = 1
    finally:
        lab.stop()
        lab.save_logs()
    cells = list(table(rows))
    wide = [max(len(r[i]) for r in cells) for i in range(len(cells[0]))]
    print("\nAn owner that fails; medians (least - most):")
    for r in cells:
        print("  ".join(f"{v:<{w}}" for v, w in zip(r, wide)).rstrip())
    return status


if __name__ == "__main__":
    sys.exit(main())
