"""tls_scenarios.py - health checks over TLS, with keys and certificates from objects."""
import time

import objects
import sickness
from health_scenarios import Checked
from measure import Failed, Not, until
from scenarios import scenario_adder

SCENARIOS = []      # as in scenarios.py
scenario = scenario_adder(SCENARIOS)


class Certificates:
    """The objects that a profile's tls names, put and taken away."""

    def __init__(self, folder):
        self.folder, self.there = folder, []

    def __enter__(self):
        return self

    def __exit__(self, *_exc):
        for obj in list(self.there):
            self.remove(obj)

    def _put(self, obj):
        self.there = [o for o in self.there if o["kind"] != obj["kind"]] + [obj]
        self.folder.put(obj)
        return obj

    def put_ca(self, *files):
        return self._put({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {
                "name": "shop-ca", "namespace": objects.NAMESPACE},
            "data": {"ca.crt": sickness.pem(*files)}})

    def put_client(self, name):
        return self._put({
            "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls", "metadata": {
                "name": "shop-client", "namespace": objects.NAMESPACE},
            "stringData": {"tls.crt": sickness.pem(f"{name}.pem"),
                           "tls.key": sickness.pem(f"{name}.key")}})

    def remove(self, obj):
        self.there.remove(obj)
        self.folder.remove(obj)


@scenario(4, 6)
def tls_objects(svc):
    """A check that trusts a ConfigMap's CA and shows a Secret's certificate: without
    them nothing changes; they are followed as they change."""
    sickness.serve_tls(svc.members)
    # Under emulation a handshake takes tenths of a second, and there are twelve.
    check = {"type": "https", "port": sickness.TLS_PORT, "intervalMilliseconds": 2000,
             "timeoutMilliseconds": 2000, "fall": 2, "rise": 1, "tls": {
                 "serverName": "shop.example", "caConfigMap": {"name": "shop-ca"},
                 "clientSecret": {"name": "shop-client"}}}
    pod, sick, missing = "n3-b", svc.pod_ip("n3-b"), "there is no ConfigMap"

    def until_up(c, want):
        until(f"{want or 'none'} up in every table", lambda: all(
            {ip for ip, w in c.weights(n) if w} == want or Not(f"{n.name}: {c.weights(n)}")
            for n in svc.lab.nodes), 30)

    with Certificates(svc.lab.objects) as certs, Checked(svc, healthCheck=check) as c:
        every = {ip for ip, _w in c.weights(c.owner)}

        def warned():
            return [w for w in svc.lab.speakers["n3"].status()["warnings"] if missing in w]
        sickness.set_sick(pod, True)
        time.sleep(3)
        why = c.checks(svc.lab.by_name["n3"])[sick]
        if not why["up"] or missing not in why["error"] or len(warned()) == 0:
            raise Failed("nothing to change, and the reason to be told", f"{why} {warned()}")
        certs.put_client("client")
        ca = certs.put_ca("ca.pem")
        until_up(c, every - {sick})
        if warned():
            raise Failed("no warning any more", str(warned()))
        certs.remove(ca)
        until("the missing ConfigMap to be told", warned, 5)
        sickness.set_sick(pod, False)
        time.sleep(3)
        until_up(c, every - {sick})
        certs.put_ca("ca.pem")
        until_up(c, every)
        certs.put_ca("other.pem")
        until_up(c, set())
        certs.put_ca("other.pem", "ca.pem")
        until_up(c, every)
        certs.put_client("other")
        until_up(c, set())
        certs.put_client("client")
        until_up(c, every)
    return "missing: as it was; another CA, another certificate: down; the right ones: up"
