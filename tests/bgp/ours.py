"""ours.py: bgp_peer_tool in a network namespace, for tests."""
import os
import signal
import subprocess
import tempfile

from daemons import popen


class Ours:
    """Our end, driven by lines."""

    def __init__(self, ns, program, peer, *first, listen=True):
        self.said = tempfile.TemporaryFile("w+", encoding="utf-8")
        self.proc = popen(ns, program, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=self.said, text=True, bufsize=1)
        if listen:
            self.say("listen 179")
        self.say(*first, peer, "apply")

    def say(self, *lines):
        for line in lines:
            self.proc.stdin.write(line + "\n")

    def announce(self, routes):
        self.say(*routes, "announce")

    def status(self):
        """state, families, sent4, sent6, established, bfd, echo, local, reason"""
        self.say("status")
        line = self.proc.stdout.readline().split(" ", 10)
        assert self.proc.stdout.readline() == ".\n"
        return dict(zip(("name", "state", "addr", "families", "sent4", "sent6",
                         "times", "bfd", "echo", "local", "reason"),
                        (x.strip() for x in line)))

    def counts(self):
        """How often it was asked for its routes, how many UPDATEs it has sent."""
        self.say("counts")
        words = self.proc.stdout.readline().split()
        assert self.proc.stdout.readline() == ".\n"
        return int(words[4]), int(words[5])

    def log(self):
        self.said.seek(0)
        return self.said.read()

    def stop(self, sig=signal.SIGKILL):
        if self.proc.poll() is None:
            self.proc.send_signal(sig)
        self.proc.wait()
        self.proc.stdin.close()
        self.proc.stdout.close()
        if os.environ.get("KEEP_LOG"):
            print(self.log(), end="")
        self.said.close()
