"""stalls.py - when the machine beneath the virtual one stood still.

The guest's clock counts instructions, and only while the guest is idle does it follow
the host's. So where a busy host leaves the virtual machine without a processor for a
while, the guest, if it was idle, wakes up to a clock that has leapt: every timer is due
at once, and what must come each 100 ms has not come for long. No program can be right
then. It shows as a sleep that took too long though nobody else had the processor.
"""
import os
import threading
import time

STEP_SEC, STALL_SEC = 0.02, 0.1
_TICK_SEC = 1 / os.sysconf("SC_CLK_TCK")


def _idle_sec():
    with open("/proc/stat") as f:
        return int(f.readline().split()[4]) * _TICK_SEC


class Stalls:
    """Watches from now on."""

    def __init__(self):
        self.seen = []      # (when it ended, seconds)
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self):
        while True:
            began, idle = time.monotonic(), _idle_sec()
            time.sleep(STEP_SEC)
            took = time.monotonic() - began
            if took > STALL_SEC and _idle_sec() - idle > 0.8 * took:
                self.seen.append((time.monotonic(), took))

    def since(self, then):
        """The longest in seconds; 0: there was none."""
        return max((took for when, took in self.seen if when > then), default=0)
