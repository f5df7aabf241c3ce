#!/usr/bin/python3
"""many_bench.py BIN RESULT [SERVICES...]: a whole speaker with many Services.

In the lab's virtual machine, on a node of its own and from a directory of manifests:
how long from its start until all is in IPVS, beside `ipvsadm -R` of what it made; its
memory then; what it takes at rest; how long until one endpoint more or less of one
Service is in IPVS, and what that costs, at moments that are any of the looks at the
table. Then the memory of a speaker that reads the same by the API (list_server.py) and
announces it: when all is in IPVS; a minute later, when it has looked at all of it; and
when it has written, and keeps, a report of each Service. Every endpoint has an address
of its own, and is on a node without a speaker: of all ways to reach it that takes the
most room. Writes {services: figures} to RESULT as JSON.
"""
import json
import os
import random
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lab"))
import lab as lab_main
import objects
import topology
from cluster import HTTP_PORT, LOGS, Process
from ipvs import ipvs_table, ipvs_watch
from measure import Failed, Not, until
from netns import create, inside, ip_batch, output

NENDPOINTS, NCHANGES = 4, 10
NTIMED = 30
REST_SEC = 10
API_PORT = 8123
LOOK_SEC = 0.5                  # the speaker's LOOK_MS


def name_of(i):
    return f"s{i:05}"


def vip_of(i):
    return f"10.9.{1 + i // 250}.{1 + i % 250}"


def slice_of(i, nendpoints):
    ips = [f"10.{16 + k}.{i // 250}.{1 + i % 250}" for k in range(nendpoints)]
    obj = objects.endpoint_slice(name_of(i), "IPv4", [(ip, "elsewhere") for ip in ips])
    obj["ports"] = obj["ports"][:1]
    return obj


def service_of(i):
    svc = objects.service(name_of(i), ["IPv4"])
    svc["spec"]["ports"] = svc["spec"]["ports"][:1]
    svc["status"] = {"loadBalancer": {"ingress": [{"ip": vip_of(i), "ipMode": "Proxy"}]}}
    return svc


def other_objects():
    node = objects.node(topology.Node("n1"))
    node["metadata"]["name"] = "big"
    return [node, objects.pool(["10.9.0.0/16"]), objects.advertisement()]


def write_objects(folder, nservices):
    for obj in other_objects():
        folder.put(obj)
    os.makedirs(f"{folder.path}/.status", exist_ok=True)
    folder.put_text("services.yaml", "\n---\n".join(
        json.dumps(service_of(i)) for i in range(nservices)))
    folder.put_text("slices.yaml", "\n---\n".join(
        json.dumps(slice_of(i, NENDPOINTS)) for i in range(1, nservices)))
    folder.put(slice_of(0, NENDPOINTS))


def wait_until_programmed(speaker, nservices):
    def programmed():
        try:
            made = speaker.metrics().get('herald_director_changes_total{kind="service_added"}', 0)
        except OSError:
            return Not("it cannot be asked yet")
        return made >= nservices or Not(f"{made:.0f} services so far")
    until(f"{nservices} services to be programmed", programmed, 300, 0.1)


def changes_of(speaker):
    """What it has done to the data plane so far, by kind."""
    return {name.partition('"')[2].rstrip('"}'): n for name, n in speaker.metrics().items()
            if name.startswith("herald_director_changes_total") and n > 0}


def check_changes(speaker, folder, director):
    """One endpoint more or less changes that in the data plane, and nothing else."""
    key = ("TCP", vip_of(0), objects.TCP_PORT)
    for i in range(NCHANGES):
        time.sleep(1)
        before = changes_of(speaker)
        n = NENDPOINTS + (i + 1) % 2
        since = folder.put(slice_of(0, n))
        # One that has left drains: it stays, with weight 0.
        while sum(d.weight > 0 for d in ipvs_table(director, key)[key]) != n:
            if time.monotonic() - since > 5:
                raise Failed("the endpoint in IPVS within 5 s", "it is not")
        now = changes_of(speaker)
        made = {k: v - before.get(k, 0) for k, v in now.items()
                if v != before.get(k, 0) and k != "nft_commit"}
        if made not in ({"endpoint_added": 1}, {"endpoint_changed": 1}):
            raise Failed("one endpoint added or changed", f"{made}")


def endpoint_changes(speaker, folder, director):
    """From an endpoint's news until it is in IPVS: seconds, and those of a processor that
    the speaker had meanwhile; both sorted."""
    destinations = ipvs_watch(director, vip_of(0), objects.TCP_PORT)
    delays, cpu, chance = [], [], random.Random(1)
    for i in range(NTIMED):
        time.sleep(LOOK_SEC * (1 + chance.random()))
        n = NENDPOINTS + (i + 1) % 2
        used = speaker.cpu_sec()
        since = folder.put(slice_of(0, n))
        while sum(d.weight > 0 for d in destinations()) != n:
            if time.monotonic() - since > 5:
                raise Failed("the endpoint in IPVS within 5 s", "it is not")
            time.sleep(0.0005)
        delays.append(time.monotonic() - since)
        cpu.append(speaker.cpu_sec() - used)
    return sorted(delays), sorted(cpu)


def share_at_rest(speaker):
    """Of a processor, where nothing changes: mostly looks at the table."""
    used, since = speaker.cpu_sec(), time.monotonic()
    time.sleep(REST_SEC)
    return (speaker.cpu_sec() - used) / (time.monotonic() - since)


def restore(text, netns):
    create(netns)
    with inside(netns):
        since = time.monotonic()
        subprocess.run(["ipvsadm", "-R"], input=text, text=True, check=True)
        return time.monotonic() - since


def make_speaker(bin_dir, netns, link, source):
    """In a netns of that name, with a director called herald-NETNS; not started yet."""
    create(netns)
    ip_batch(netns, [f"link add eth0 type {link}", "addr add 10.0.0.1/24 dev eth0",
                     "link set eth0 up"])
    return Process(netns, netns, [
        f"{bin_dir}/herald-speaker", "--node-name", "big", "--source", source,
        "--namespace", objects.NAMESPACE, "--director-name", f"herald-{netns}",
        "--director-link", "herald0", "--http", f"127.0.0.1:{HTTP_PORT}"])


def memory_by_api(bin_dir, nservices):
    """When all is in IPVS, a minute later, and when each Service has its report; with the
    number of reports by that minute."""
    netns, here = f"api{nservices}", os.path.dirname(os.path.abspath(__file__))
    config = f"/run/lab/{netns}.kubeconfig"
    with open(config, "w") as f:
        json.dump({"apiVersion": "v1", "kind": "Config", "current-context": "c",
                   "clusters": [{"name": "c", "cluster": {
                       "server": f"http://127.0.0.1:{API_PORT}"}}],
                   "users": [{"name": "u", "user": {"token": "none"}}],
                   "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}]}, f)
    create(f"{netns}-lan")
    speaker = make_speaker(bin_dir, netns, f"veth peer name eth1 netns {netns}-lan",
                           f"kubeconfig:{config}")
    ip_batch(f"{netns}-lan", ["link set eth1 up"])
    server = Process(f"{netns}-server", netns, [
        sys.executable, f"{here}/list_server.py", str(API_PORT), str(nservices)])
    server.start()
    with inside(netns):
        until("the list server to answer", lambda: is_listening(API_PORT), 120, 0.5)
    speaker.start()
    wait_until_programmed(speaker, nservices)
    time.sleep(5)
    memory = [speaker.memory_mb()]
    time.sleep(60)
    memory.append(speaker.memory_mb())
    reports = nreports(speaker)
    until("every Service's report", lambda: nreports(speaker) >= nservices or
          Not(f"{nreports(speaker):.0f} so far"), 600, 5)
    time.sleep(5)
    memory.append(speaker.memory_mb())
    speaker.kill()
    server.kill()
    return memory, reports


def nreports(speaker):
    return speaker.metrics().get('herald_reports_written_total{op="put",result="ok"}', 0)


def is_listening(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except OSError as e:
        return Not(f"{e}")
    return True


def measure(bin_dir, nservices):
    netns = f"big{nservices}"
    director = f"herald-{netns}"
    folder = objects.Folder(f"/run/lab/many{nservices}")
    write_objects(folder, nservices)
    # Nothing is announced there: what follows is about the data plane.
    speaker = make_speaker(bin_dir, netns, "dummy", folder.source(""))
    since = time.monotonic()
    speaker.start()
    wait_until_programmed(speaker, nservices)
    took = time.monotonic() - since
    table = ipvs_table(director)
    nrows = sum(map(len, table.values()))
    if len(table) != nservices or nrows != nservices * NENDPOINTS:
        raise Failed(f"{nservices} services x {NENDPOINTS}", f"{len(table)}, {nrows} rows")
    time.sleep(5)
    memory = speaker.memory_mb()
    print(f"    {nservices}: after {took:.2f} s; {memory}", flush=True)
    rest = share_at_rest(speaker)
    check_changes(speaker, folder, director)
    delays, cpu = endpoint_changes(speaker, folder, director)
    speaker.kill()
    plain = restore(output(director, "ipvsadm", "-Sn"), f"plain{nservices}")
    by_api, reports = memory_by_api(bin_dir, nservices)
    return {"speaker": took, "ipvsadm": plain, "memory": memory, "at_rest": rest,
            "endpoint_cpu": cpu, "endpoint_delays": delays, "memory_by_api": by_api,
            "reports": reports}


def main(bin_dir, result, *sizes):
    sys.setswitchinterval(0.0005)
    lab_main.load_modules()
    os.makedirs(LOGS, exist_ok=True)
    figures = {}
    for n in map(int, sizes or ("1000", "10000")):
        figures[n] = measure(bin_dir, n)
        print(f"    {n}: {figures[n]}", flush=True)
    with open(result, "w") as f:
        json.dump(figures, f)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(*sys.argv[1:]))
    except Failed as e:
        print(f"bench: {e}")
        subprocess.run(f"tail -n 20 {LOGS}/*.log", shell=True, check=False)
        sys.exit(1)
