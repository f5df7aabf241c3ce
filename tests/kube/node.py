"""Herald as it is installed: its image, built by deploy/image.sh, and its manifests on
a real node, with kubelet, containerd and kube-proxy, in a virtual machine.

The control plane runs here, on loopback. See tests/lab/node.py for the node's side.
"""
import argparse
import json
import os
import shutil
import signal
import sys
from types import SimpleNamespace

import speakers
import test_daemons
from cluster import Cluster

MEMORY_MB = 3000

# The client's side of it is in tests/lab/node.py.
WEB = {
    "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
    "spec": {"replicas": 3, "selector": {"matchLabels": {"app": "web"}}, "template": {
        "metadata": {"labels": {"app": "web"}}, "spec": {
            "terminationGracePeriodSeconds": 1, "containers": [{
                "name": "web", "image": "localhost/idle:test",
                "command": ["/bin/busybox", "sh", "-c", """
                    mkdir -p /w/cgi-bin
                    printf '#!/bin/sh\\necho; echo $HOSTNAME $REMOTE_ADDR\\n' >/w/cgi-bin/who
                    chmod +x /w/cgi-bin/who
                    nc -ll -p 7 -e cat &
                    exec httpd -f -p 8080 -h /w"""]}]}}}}
OBJECTS = [
    WEB,
    {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
     "spec": {"type": "LoadBalancer", "selector": {"app": "web"}, "ports": [
         {"name": "http", "port": 80, "targetPort": 8080},
         {"name": "echo", "port": 7}]}},
    {"apiVersion": "heraldlb.io/v1beta1", "kind": "IPAddressPool",
     "metadata": {"name": "lan", "namespace": test_daemons.NS},
     "spec": {"addresses": ["10.0.0.50-10.0.0.59"]}},
    {"apiVersion": "heraldlb.io/v1beta1", "kind": "L2Advertisement",
     "metadata": {"name": "lan", "namespace": test_daemons.NS}, "spec": {}},
]


def install(cluster, results):
    """kubectl apply -k deploy, for a kubectl and an API server of 1.20."""
    daemons = test_daemons.Daemons(SimpleNamespace(c=cluster))
    daemons.test_manifests()
    daemons.apply("-f", "-", stdin=json.dumps(
        {"apiVersion": "v1", "kind": "List", "items": OBJECTS}))
    cleanup = os.path.join(results, "cleanup.yaml")
    with open(cleanup, "w") as f:
        f.write(daemons.kustomize("cleanup"))
    return cleanup


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--bin", required=True, help="folder of the Kubernetes binaries")
    p.add_argument("--packages", required=True, help="folder of containerd and its friends")
    p.add_argument("--image", action="append", required=True, help="archives of images")
    p.add_argument("--results", required=True, help="where logs are kept")
    args = p.parse_args()
    results = os.path.abspath(args.results)
    shutil.rmtree(results, ignore_errors=True)
    os.makedirs(results)
    signal.signal(signal.SIGTERM, lambda *a: sys.exit(1))
    cluster = Cluster(args.bin, results, test_daemons.SERVICE_ACCOUNTS,
                      nodes_see=speakers.HOST_IN_VM)
    try:
        cluster.start()
        cleanup = install(cluster, results)
        print("The control plane is up; booting the node.", flush=True)
        passed, failed = speakers.run_guest(cluster, [], results, {
            "packages": os.path.abspath(args.packages), "kube": args.bin,
            "images": [os.path.abspath(i) for i in args.image],
            "kubeconfig": speakers.write_kubeconfig(cluster, "admin", results),
            "cleanup": cleanup}, ["/usr/bin/python3", "-u",
                                   os.path.realpath(f"{speakers.LAB}/node.py")],
            ["-m", str(MEMORY_MB)])
    finally:
        cluster.stop()
    print(f"{passed} passed, {failed} failed")
    return failed != 0 or passed == 0


if __name__ == "__main__":
    sys.exit(main())
