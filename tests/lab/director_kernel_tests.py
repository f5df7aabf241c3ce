"""director_kernel_tests.py - the kernel's tables: what others do to them, and faults.

Run by director_tests.py.
"""
import os
import re
import tempfile
from collections import Counter

import topology
from director import Ctl, Svc, TCP, UDP, VIP, VIP6, alive, dial, dial_many, expect
from ipvs import ipvs_table
from netns import output


def reopening_changes_nothing(lab):
    svcs = [Svc(lab.endpoints(v), v, ranges=r) for v, r in (
        (VIP, ("10.0.0.0/8", "10.1.0.0/16")), (VIP6, ("::/0",)))]
    svcs.append(Svc(lab.endpoints(port=UDP), VIP, "udp", UDP, affinity=60))
    lab.want(*svcs)
    lab.owner(lab.nodes[0])
    conns = dial_many(20, VIP)
    for ctl in lab.ctls:
        ctl.ask("close")
        changes = ctl.sync()
        took = changes.pop("ms")
        expect(changes == {"result": "0", "vips": "+0-0", "services": "+0-0~0",
                           "endpoints": "+0-0~0", "nft": "0", "repairs": "0"},
               f"{ctl.node.name}: {changes} in {took} ms")
    expect(alive(conns) == 20, "and no connection notices")


def meddling_is_repaired_and_counted(lab):
    lab.want(Svc(lab.endpoints(), VIP), Svc(lab.endpoints(VIP6), VIP6))
    lab.owner(lab.nodes[0])
    node, ctl = lab.nodes[0], lab.ctls[0]
    d = node.director
    for where, *command in (
            (node.name, "nft", "flush", "ruleset"),
            (d, "nft", "flush", "ruleset"),
            (d, "ipvsadm", "-C"),
            (d, "ipvsadm", "-d", "-t", f"{VIP}:{TCP}", "-r", "10.244.1.2:8080"),
            (d, "ipvsadm", "-A", "-t", "10.9.9.9:80", "-s", "rr"),
            (d, "ipvsadm", "-A", "-u", "[fd00:9::9]:80", "-s", "rr"),
            (d, "ipvsadm", "-A", "-f", "99", "-s", "rr"),
            (d, "ip", "route", "del", "local", VIP, "table", "local"),
            (d, "ip", "route", "del", topology.pod_ip6(node, node.pods["n1-b"])),
            (d, "ip", "-6", "rule", "del", "pref", "77"),
            (d, "ip", "link", "del", "tnl4"),
            (d, "ip", "link", "set", "du", "down"),
            (d, "sysctl", "-w", "net.ipv4.vs.sloppy_tcp=0"),
            (node.name, "ip", "rule", "del", "pref", "77"),
            (node.name, "ip", "route", "flush", "table", "7777"),
            (node.name, "ip", "link", "del", "herald0"),
            (node.name, "sysctl", "-w", "net.ipv4.conf.herald0.rp_filter=1")):
        while ctl.look()[0]:        # what we did ourselves
            ctl.sync()
        said = output(where, *command)
        if command[0] == "sysctl":      # found by reading all
            ctl.ask("recheck")
        else:
            expect(ctl.look()[0], f"{command}: seen at a look: {said}")
        changes = ctl.sync()
        expect(int(changes["repairs"]) > 0, f"{command}: {said} {changes}")
        if command[0] == "nft" and where == node.name:
            topology.nft(node.name, topology.hostile_rules(node))
        seen = Counter(c[1] for c in dial_many(12, VIP, pods=6))
        expect(len(seen) == 6, f"after {command}: {seen}")
        ctl.ask("recheck")
        changes = ctl.sync()
        expect(changes["repairs"] == "0", f"{command}: a second look: {changes}")


def others_services_are_found_among_many(lab):
    """With more services than a look reads, those that others add are met on the way
    round, and taken out without reading the others."""
    node, nservices, errors = lab.nodes[0], 1100, tempfile.TemporaryFile("w+")
    ctl = faulty_ctl(lab, errors)
    ctl.want([Svc(lab.endpoints(nodes=lab.nodes[1:2], pods="a"), port=1000 + i, sched="wrr")
              for i in range(nservices)])
    ours = ipvs_table(node.director)
    added = (("-t", "10.9.9.9:80"), ("-u", "[fd00:9::9]:80"), ("-f", "99"))
    for what in added:
        output(node.director, "ipvsadm", "-A", *what, "-s", "rr")
    expect(len(ipvs_table(node.director)) > len(ours) == nservices, "there they are")
    looks, nremoved, longest_ms = 0, 0, 0.0
    while nremoved < len(added):
        ctl.ask("fault 0")
        while not ctl.look()[0]:
            looks += 1
        looks += 1
        longest_ms = max(longest_ms, ctl.longest_ms)
        nread = int(ctl.ask("fault 0"))
        changes = ctl.sync()
        nsent = int(ctl.ask("fault 0"))
        n = int(changes["repairs"])
        expect(changes["services"] == f"+0-{n}~0" and changes["endpoints"] == "+0-0~0" and
               n > 0, f"those of others alone are taken out: {changes}")
        expect(nsent < 60, f"{nsent} messages, to take out {n} of {nservices}")
        nremoved += n
    # Twice round at most, 512 at a look, for what is behind where it is; and three
    # looks that end with what they have found.
    expect(looks <= 2 * 3 + len(added), f"{looks} looks")
    expect(ipvs_table(node.director) == ours, "ours are as they were")
    expect(not ctl.look()[0], "and nothing is left to repair")
    ctl.ask("destroy")
    ctl.process.stdin.close()
    ctl.process.wait()
    print(f"      {looks} looks, {nread} messages for the last, {nsent} to take it out; "
          f"a piece of a look took {longest_ms:.1f} ms at most")


def a_recheck_does_not_grow(lab):
    """With more services than a look reads, a recheck makes sure of all that is neither
    a service's nor an endpoint's, and no change waits for more."""
    node, nservices, errors = lab.nodes[0], 1100, tempfile.TemporaryFile("w+")
    ctl = faulty_ctl(lab, errors)

    def recheck():
        """(is a sync due?, milliseconds, messages)"""
        ctl.ask("fault 0")
        due, ms = ctl.ask("recheck").split()
        return due == "due=1", float(ms.removeprefix("ms=")), int(ctl.ask("fault 0"))
    few = [Svc(lab.endpoints(nodes=lab.nodes[1:2], pods="a"), port=1000 + i, sched="wrr")
           for i in range(nservices)]
    ctl.want(few[:600])
    is_due, _ms, before = recheck()
    expect(not is_due, "nothing has changed")
    ctl.want(few)
    is_due, ms, after = recheck()
    expect(not is_due and after == before, f"{before} messages for 600, {after} for 1,100")
    expect(ms < 30, f"{ms} ms")
    for where, *command in (
            (node.director, "sysctl", "-w", "net.ipv4.vs.sloppy_tcp=0"),
            (node.name, "sysctl", "-w", "net.ipv4.conf.herald0.rp_filter=1"),
            (node.director, "ip", "-6", "rule", "del", "pref", "77"),
            (node.name, "ip", "rule", "del", "pref", "77")):
        said = output(where, *command)
        is_due, _ms, _n = recheck()
        changes = ctl.sync()
        expect(is_due and int(changes["repairs"]) > 0, f"{command}: {said} {changes}")
        is_due, _ms, _n = recheck()
        expect(not is_due, f"{command}: all was repaired")
    ctl.ask("destroy")
    ctl.process.stdin.close()
    ctl.process.wait()
    print(f"      {after} messages, {ms:.1f} ms of a processor")


def programmed(node):
    """All that a director is, less what the kernel numbers, and less its own link-local
    routes: they come when an address is no longer tentative, in any order."""
    text = "".join(output(*what) for what in (
        (node.director, "ipvsadm", "-Sn"),
        (node.director, "nft", "list", "table", "inet", node.director),
        (node.name, "nft", "list", "table", "inet", node.director),
        (node.name, "ip", "rule"), (node.name, "ip", "-6", "rule"),
        (node.name, "ip", "route", "show", "table", "7777"),
        (node.director, "ip", "-6", "route", "show", "table", "all", "proto", "static"),
        (node.director, "ip", "route", "show", "table", "local", "proto", "static"),
        (node.director, "ip", "-br", "addr", "show", "dev", "lo"),
        (node.director, "ip", "-br", "link", "show", "type", "ipip")))
    # The seal counts what the kernel chose, see nft_io.c.
    return re.sub(r"s_[0-9a-f]+", "s_", re.sub(r"@if\d+", "", text))


def faulty_ctl(lab, errors):
    """A directorctl of the first node of which netlink messages can be made to fail."""
    lab.ctls[0].ask("destroy")
    return Ctl(lab.program, lab.nodes[0], lab.nodes, stderr=errors,
               env={**os.environ, "LD_PRELOAD": f"{os.path.dirname(lab.program)}/nlfault.so"})


def netlink_failures_are_reported_and_mended(lab):
    """Each message in turn fails, from nothing to everything: it is said, what does not
    depend on it is there all the same, and the next try brings the rest."""
    node = lab.nodes[0]
    services = [Svc(lab.endpoints(), VIP), Svc((), VIP, port=8082),
                Svc(lab.endpoints(port=UDP), VIP, "udp", UDP, ranges=("10.0.0.0/8",)),
                Svc(lab.endpoints(VIP6), VIP6)]
    services.sort(key=lambda s: (":" in s.key[0], s.key[1] == "udp", s.key))
    errors = tempfile.TemporaryFile("w+")
    ctl = faulty_ctl(lab, errors)
    ctl.want(services, is_synced=False)
    ctl.ask("fault 0")
    ctl.sync()
    whole, table = programmed(node), ipvs_table(node.director)
    nservices = len(table)
    total = int(ctl.ask("fault 0"))
    expect(total > 60 and nservices == 7, f"{total} messages, {nservices} services")
    said = Counter()
    for n in range(1, total + 1):
        ctl.ask("destroy")
        ctl.ask(f"fault {n}")
        errors.seek(0)
        errors.truncate()
        first = ctl.ask("sync")
        if first == "result=-1":
            kind = "opening"
        elif "result=0" in first:
            kind = "nothing"    # asked again at once, or not needed
        else:
            kind = "a sync"
        errors.seek(0)
        text = errors.read()
        if kind == "a sync" and "svc lab/" in text:
            kind = "one service"
            there = len(ipvs_table(node.director))
            expect(there >= nservices - 1, f"message {n}: {there} of {nservices} services")
        said[kind] += 1
        expect((text != "") == (kind != "nothing"), f"message {n}: {first}: {text!r}")
        tries = 0
        while "result=0" not in (last := ctl.ask("sync")) and tries < 3:
            tries += 1
        expect("result=0" in last and tries == 0, f"message {n}: {text}{last} after {tries}")
        expect(ipvs_table(node.director) == table, f"message {n}: {text}{table}")
    now = programmed(node)
    expect(now == whole, f"{now}\n{whole}")
    ctl.ask("destroy")
    ctl.process.stdin.close()
    ctl.process.wait()
    print(f"      {total} messages: {dict(said)}")


def updates_leave_what_a_sync_leaves(lab):
    """Endpoints come and go by director_update(): no message but for them; each in turn
    fails, which is said and mended by the next try."""
    node, errors = lab.nodes[0], tempfile.TemporaryFile("w+")

    def services(pods, others=()):
        there = sorted([Svc(lab.endpoints(pods=pods), VIP),
                        Svc(lab.endpoints(VIP6, pods=pods), VIP6),
                        Svc(others, VIP, port=8082),
                        Svc(lab.endpoints(port=UDP), VIP, "udp", UDP)],
                       key=lambda s: (":" in s.key[0], s.key[1] == "udp", s.key))
        return there
    ctl = faulty_ctl(lab, errors)
    before, after = services("ab"), services("b", lab.endpoints(port=8082, pods="c"))
    ctl.want(after)
    whole = programmed(node)
    total = n = 0
    kinds = Counter()
    while n <= total:
        ctl.want(before)
        ctl.want(after, is_synced=False)
        ctl.ask(f"fault {n}")
        errors.seek(0)
        errors.truncate()
        said = ctl.ask("update")
        errors.seek(0)
        text = errors.read()
        if n == 0:
            total = int(ctl.ask("fault 0"))
            expect("result=0" in said and "services=+1-0~0 endpoints=+4-8~0" in said, said)
            expect(5 < total < 40, f"{total} messages")
        else:
            kinds[said.split()[0]] += 1
            expect((text != "") == ("result=0" not in said), f"message {n}: {said}: {text!r}")
            said = ctl.ask("update")
            expect("result=0" in said, f"message {n}: {text}{said}")
        now = programmed(node)
        expect(now == whole, f"message {n}: {text}{now}\n{whole}")
        n += 1
    ctl.want(after, is_synced=False)
    expect("vips=+0-0 services=+0-0~0 endpoints=+0-0~0 nft=0" in (said := ctl.ask("update")),
           f"nothing new: {said}")
    ctl.ask("destroy")
    ctl.process.stdin.close()
    ctl.process.wait()
    print(f"      {total} messages: {dict(kinds)}")


def what_is_in_the_way_is_said(lab):
    node, ctl = lab.nodes[0], lab.ctls[0]
    lab.want(Svc(lab.endpoints(), VIP))
    lab.owner(node)
    expect(ctl.advice() == "", f"nothing, to begin with: {ctl.advice()}")

    def is_answered():
        """By a pod: a server of the node's own is none of ours."""
        try:
            conn, who, _ = dial(VIP, timeout=0.7)
        except OSError:
            return False
        conn.close()
        return "-" in who
    def steered():
        return VIP in output(node.name, "nft", "list", "set", "inet", node.director, "vips4")

    def notice(is_told):
        """As a speaker does, some times a second; of addresses and rules there is news."""
        has_news = ctl.look()[0]
        expect(has_news == is_told, f"news: {has_news}")
        ctl.sync()

    for word, breaks, is_told, spoils, mends in (
            ("--fwmark 0x20", False, True, ("ip", "rule", "add", "pref", "50", "fwmark", "0x10/0x10",
                                      "lookup", "253"), ("ip", "rule", "del", "pref", "50")),
            ("policy drop", True, False,
             ("nft", "add table ip fw; add chain ip fw f "
              "{ type filter hook forward priority 0; policy drop; }"),
             ("nft", "delete table ip fw")),
            ("kube-proxy in ipvs mode", True, True,
             ("sh", "-c", f"ip link add kube-ipvs0 type dummy; ip addr add {VIP}/32 dev "
              "kube-ipvs0"), ("ip", "link", "del", "kube-ipvs0")),
            ("strict check", True, False, ("sysctl", "-w", "net.ipv4.conf.all.src_valid_mark=1"),
             ("sysctl", "-w", "net.ipv4.conf.all.src_valid_mark=0"))):
        said = output(node.name, *spoils)
        notice(is_told)
        advice = ctl.advice()
        expect(steered() == (word != "kube-proxy in ipvs mode"), f"{word}: {steered()}")
        expect(word in advice and len(advice.splitlines()) == 1, f"{word}: {said}{advice}")
        expect(is_answered() != breaks, f"{word}: in the way?")
        said = output(node.name, *mends)
        notice(is_told)
        expect(steered() and ctl.advice() == "" and is_answered(),
               f"{word}, mended: {said}{ctl.advice()}")


def a_mark_in_use_is_avoided(lab):
    node, ctl = lab.nodes[0], lab.ctls[0]
    lab.want(Svc(lab.endpoints(), VIP))
    lab.owner(node)
    output(node.name, "ip", "rule", "add", "pref", "50", "fwmark", "0x10/0x10", "lookup", "253")
    try:
        ctl.ask("close")
        ctl.configure("auto")
        ctl.sync()
        rules = output(node.name, "ip", "rule")
        expect("fwmark 0x20/0x20 lookup 7777" in rules and
               "fwmark 0x10/0x10 lookup 7777" not in rules, rules)
        expect(ctl.advice() == "", ctl.advice())
        expect(len(dial_many(6, VIP)) == 6, "by another mark")
        ctl.ask("close")
        expect(ctl.sync()["repairs"] == "0", "the next start keeps it")
        ctl.ask("close")
        ctl.configure("0x40")
        ctl.sync()
        for ip in (("ip",), ("ip", "-6")):
            rules = output(node.name, *ip, "rule")
            expect("fwmark 0x40/0x40 lookup 7777" in rules and
                   "fwmark 0x20/0x20" not in rules, f"another by hand: {rules}")
        expect(len(dial_many(6, VIP)) == 6, "by the mark chosen by hand")
        ctl.ask("close")
        ctl.configure("0x80")
        ctl.ask("destroy")
        expect("7777" not in output(node.name, "ip", "rule"), "whatever mark it had")
    finally:
        ctl.ask("destroy")
        output(node.name, "ip", "rule", "del", "pref", "50")
        ctl.configure("")


def destroying_leaves_nothing(lab):
    lab.want(Svc(lab.endpoints(), VIP), Svc(lab.endpoints(VIP6), VIP6))
    before = output("n1", "nft", "list", "table", "ip", "hostile")
    for ctl in lab.ctls:
        expect(ctl.ask("destroy") == "done", "destroyed")
        name = ctl.node.name
        expect("hostile" in output(name, "nft", "list", "tables") and
               "inet" not in output(name, "nft", "list", "tables"), "our table is gone")
        for command in (("ip", "rule"), ("ip", "-6", "rule"), ("ip", "link")):
            text = output(name, *command)
            expect("7777" not in text and "herald" not in text, text)
        expect(ctl.node.director not in output(name, "ls", "/run/netns"), "namespace")
    expect(before.count("chain") == output(
        "n1", "nft", "list", "table", "ip", "hostile").count("chain"), "others' rules stay")
    lab.want(Svc(lab.endpoints(), VIP))
    lab.owner(lab.nodes[0])
    expect(len(dial_many(10, VIP)) == 10, "and can be made again")


TESTS = [
    reopening_changes_nothing, meddling_is_repaired_and_counted,
    others_services_are_found_among_many, a_recheck_does_not_grow,
    netlink_failures_are_reported_and_mended, updates_leave_what_a_sync_leaves,
    what_is_in_the_way_is_said, a_mark_in_use_is_avoided, destroying_leaves_nothing,
]
