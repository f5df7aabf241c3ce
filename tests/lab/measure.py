"""measure.py - look at the data plane from outside, and time it.

A Prober tells for how long a VIP did not answer and what was lost; Connections
tells which of many TCP connections live. Both are for IPv4 and IPv6, as the VIP
is.
"""
import collections
import math
import os
import select
import socket
import threading
import time

from chance import flows_to_all
from netns import inside


class Failed(Exception):
    """An expectation not met. node: whose state the report shows."""

    def __init__(self, expected, happened, node=None):
        super().__init__(f"expected {expected}; {happened}")
        self.expected, self.happened, self.node = expected, happened, node


class Not(str):
    """Why something is not so (yet); false in a condition."""
    def __bool__(self):
        return False


def until(expected, look, limit_sec=10.0, every_sec=0.01, node=None):
    """Poll look() until what it returns is true. It may return a Not."""
    deadline = time.monotonic() + limit_sec
    while True:
        seen = look()
        if seen:
            return seen
        if time.monotonic() > deadline:
            why = str(seen) if isinstance(seen, Not) else "it is not so"
            raise Failed(expected, f"after {limit_sec:g} s: {why}", node)
        time.sleep(every_sec)


def go_realtime():
    """Let this thread go before the speakers' main ones: on the one processor that all
    nodes share, what it sees would otherwise be late by their work for other nodes."""
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(2))


def family(ip):
    """AF_INET or AF_INET6."""
    return socket.AF_INET6 if ":" in ip else socket.AF_INET


def pods_reached(netns, vip, port, npods, wait_sec=0.5):
    """{pod: flows that it answered} of so many UDP flows, asked all at once, that none of
    npods pods is missed by chance."""
    with inside(netns):
        socks = [socket.socket(family(vip), socket.SOCK_DGRAM)
                 for _ in range(flows_to_all(npods))]
    poll = select.poll()
    for s in socks:
        s.connect((vip, port))
        s.send(b"hello")
        poll.register(s, select.POLLIN)
    by_fd = {s.fileno(): s for s in socks}
    pods, deadline = collections.Counter(), time.monotonic() + wait_sec
    while by_fd and (left := deadline - time.monotonic()) > 0:
        for fd, _what in poll.poll(left * 1000):
            poll.unregister(fd)
            try:
                pods[by_fd.pop(fd).recv(2048).split()[0].decode()] += 1
            except OSError:
                pass        # refused
    for s in socks:
        s.close()
    return dict(sorted(pods.items()))


# --- UDP probes ----------------------------------------------------------

class Prober:
    """Datagrams to VIP:port over some flows in turn, one every spacing_sec.

    Every flow has a source port of its own and so an endpoint of its own.
    """

    def __init__(self, netns, vip, port, nflows, spacing_sec=0.003):
        self.vip, self.spacing_sec = (vip, port), spacing_sec
        self.socks, self.pods = [], {}
        self.sent, self.answered = [], {}   # [when], {number: when}
        self._stop = threading.Event()
        self._thread = None
        with inside(netns):
            for _ in range(nflows):
                s = socket.socket(family(vip), socket.SOCK_DGRAM)
                s.connect(self.vip)
                self.socks.append(s)
        self._ask_pods()

    def _ask_pods(self):
        """Learn which pod answers each flow; flows nobody answers are dropped."""
        for s in self.socks:
            s.send(b"hello")
            if select.select([s], [], [], 1.0)[0]:
                self.pods[s] = s.recv(2048).split()[0].decode()
        self.socks = [s for s in self.socks if s in self.pods]
        if not self.socks:
            raise Failed(f"UDP {self.vip[0]}:{self.vip[1]} to answer", "no flow got an answer")

    def drop_flows_to(self, pods):
        self.socks = [s for s in self.socks if self.pods[s] not in pods]

    def __enter__(self):
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_exc):
        self._stop.set()
        self._thread.join()

    def _run(self):
        go_realtime()
        # Stopped, it sends no more but gives the last ones a second to return.
        ends, due = None, time.monotonic()
        poll = select.poll()
        for s in self.socks:
            s.setblocking(False)
            poll.register(s, select.POLLIN)
        by_fd = {s.fileno(): s for s in self.socks}
        while ends is None or (time.monotonic() < ends and len(self.answered) < len(self.sent)):
            now = time.monotonic()
            if ends is None and self._stop.is_set():
                ends = now + 1.0
            if ends is None and now >= due:
                self._send(len(self.sent), now)
                due = max(due + self.spacing_sec, now)
            wait = due - time.monotonic() if ends is None else 0.02
            for fd, _what in poll.poll(max(0.0, wait) * 1000):
                self._receive(by_fd[fd])

    def _send(self, number, now):
        self.sent.append(now)
        try:
            self.socks[number % len(self.socks)].send(b"%d" % number)
        except OSError:
            pass        # no neighbour yet, or an ICMP error of an earlier one

    def _receive(self, s):
        try:
            number = int(s.recv(2048).split()[-1])
        except (OSError, ValueError):
            return
        self.answered.setdefault(number, time.monotonic())

    def lost(self, since=0.0):
        return [n for n, t in enumerate(self.sent) if t >= since and n not in self.answered]

    def outage_sec(self, since):
        """From `since` to the first answer to a probe sent after the last loss.

        None while nothing has been answered yet.
        """
        lost = [n for n in self.lost(since) if any(m > n for m in self.answered)]
        first = lost[-1] + 1 if lost else next(
            (n for n, t in enumerate(self.sent) if t >= since), 0)
        times = [t for n, t in self.answered.items() if n >= first]
        return min(times) - since if times else None

    def gap_sec(self, since=0.0, end=math.inf):
        """The longest span of sending times with no answer; 0 where none was lost. A late
        answer is no gap. Each end lies midway between the probe that got an answer and the
        one that got none: without bias, however long the prober itself paused there."""
        sent, gap, first = list(self.sent), 0.0, None
        for n, t in enumerate(sent):
            if n not in self.answered:
                first = n if first is None and since <= t < end else first
                continue
            if first:
                gap = max(gap, (t + sent[n - 1] - sent[first] - sent[first - 1]) / 2)
            first = None
        return gap

    def round_trip_sec(self, since=0.0, end=math.inf):
        """The longest."""
        return max((t - self.sent[n] for n, t in list(self.answered.items())
                    if since <= self.sent[n] < end), default=math.inf)

    def answered_since(self, since):
        return sum(1 for n in list(self.answered) if self.sent[n] >= since)


# --- TCP connections -----------------------------------------------------

class Connections:
    """TCP connections to VIP:port, each greeted by a pod: count, and as many more as it
    takes to be greeted by each of `pods`, where chance lets that take longer."""

    def __init__(self, netns, vip, port, count, limit_sec=3.0, pods=()):
        self.socks, self.pods, self.seen_ip, self.errors = [], {}, {}, []
        self._backlog = {}
        for i in range(max(count, flows_to_all(len(pods)))):
            if i >= count and set(pods) <= set(self.pods.values()):
                break
            with inside(netns):
                s = socket.socket(family(vip), socket.SOCK_STREAM)
            s.settimeout(limit_sec)
            try:
                s.connect((vip, port))
                pod, _sees, client = s.recv(200).decode().split()
            except (OSError, ValueError) as e:
                self.errors.append(f"{vip}:{port}: {e or type(e).__name__}")
                s.close()
                if len(self.errors) == 3:
                    break           # no more to learn from a hundred time-outs
                continue
            self.socks.append(s)
            self.pods[s], self.seen_ip[s] = pod, client

    def by_pod(self):
        return dict(sorted(collections.Counter(self.pods.values()).items()))

    def say(self, word):
        """Send on all; the answers are for hear()."""
        for s in self.socks:
            try:
                s.send(word)
            except OSError:
                pass

    def hear(self, word, limit_sec, await_only=None):
        """The connections that echo word within the limit."""
        wanted = self.socks if await_only is None else await_only
        alive, waiting = set(), {s.fileno(): s for s in wanted}
        got = collections.defaultdict(bytes)
        poll = select.poll()
        for fd in waiting:
            poll.register(fd, select.POLLIN)
        deadline = time.monotonic() + limit_sec
        while waiting and (left := deadline - time.monotonic()) > 0:
            for fd, _what in poll.poll(left * 1000):
                s = waiting[fd]
                try:
                    data = s.recv(4096)
                except OSError:
                    data = b""
                got[s] += data
                if got[s].endswith(word):
                    alive.add(s)
                if not data or s in alive:
                    poll.unregister(fd)
                    del waiting[fd]
        return alive

    def close(self, limit_sec=0.5):
        """End them in good order: both FINs are through, or limit_sec has passed.

        A FIN that comes when its Service is gone is a stray to the node's firewall.
        """
        left = set(self.socks)
        for s in self.socks:
            try:
                s.shutdown(socket.SHUT_WR)
            except OSError:
                left.discard(s)
        deadline = time.monotonic() + limit_sec
        while left and time.monotonic() < deadline:
            for s in select.select(left, [], [], deadline - time.monotonic())[0]:
                try:
                    if s.recv(4096):
                        continue
                except OSError:
                    pass
                left.discard(s)
        for s in self.socks:
            s.close()
