"""What the schemas of deploy/crds refuse, and what they must not, on the API server
of a Kubernetes of today."""
import json
import os
import re
import subprocess

from cluster import ApiError
from harness import Failure, expect
from test_daemons import DEPLOY, NS

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
VERSIONS = {"BGPPeer": "v1beta2"}
PLURALS = {"Community": "communities"}


def path_of(kind, name=""):
    plural = PLURALS.get(kind, kind.lower() + "s")
    version = VERSIONS.get(kind, "v1beta1")
    return f"/apis/heraldlb.io/{version}/namespaces/{NS}/{plural}" + (f"/{name}" if name else "")


def custom(kind, name, spec):
    return {"apiVersion": f"heraldlb.io/{VERSIONS.get(kind, 'v1beta1')}", "kind": kind,
            "metadata": {"name": name, "namespace": NS}, "spec": spec}


def peer(**spec):
    """None takes a field away."""
    spec = {"myASN": 64512, "peerASN": 64513, "peerAddress": "192.0.2.1", **spec}
    return "BGPPeer", {k: v for k, v in spec.items() if v is not None}


def pool(*addresses, **spec):
    return "IPAddressPool", {"addresses": list(addresses), **spec}


def profile(**spec):
    return "ForwardingProfile", spec


def check(type="tcp", **spec):
    return profile(healthCheck={"type": type, **spec})


def http(**spec):
    return check("http", http=spec)


def fallback(address, **spec):
    return profile(fallback=[{"address": address, **spec}])


def community(value):
    return "Community", {"communities": [{"name": "a", "value": value}]}


def by(operator, *values):
    """Selectors with one expression."""
    return [{"matchExpressions": [{"key": "a", "operator": operator,
                                   "values": list(values)}]}]


def adverts(kind, field, *expression):
    return kind, {field: by(*expression)}


def allocated(field, *expression):
    return pool("192.0.2.0/24", serviceAllocation={field: by(*expression)})


# Each rule: the field told, part of the message, what is refused, and what is beside it
# and passes.
RULES = [
    ("spec", "write either peerASN", peer(dynamicASN="external"), peer()),
    ("spec", "write either peerASN", peer(peerASN=None), peer(peerASN=None, dynamicASN="internal")),
    ("spec", "write either peerASN", peer(peerASN=0), peer(peerASN=0, dynamicASN="internal")),
    ("spec", "write either peerAddress", peer(interface="eth0"),
     peer(interface="eth0", peerAddress=None)),
    ("spec", "write either peerAddress", peer(peerAddress=None),
     peer(peerAddress="", interface="eth0")),
    ("spec", "passwordSecret goes not", peer(password="a", passwordSecret={"name": "b"}),
     peer(password="", passwordSecret={"name": "b"})),
    ("spec", "keepaliveTime is longer", peer(holdTime="1m30s", keepaliveTime="91s"),
     peer(holdTime="1m30s", keepaliveTime="90s")),
    ("spec", "ebgpMultiHop is for", peer(peerASN=64512, ebgpMultiHop=True),
     peer(ebgpMultiHop=True)),
    ("spec", "role is for", peer(peerASN=64512, role="peer"), peer(role="peer")),
    ("spec", "role is for", peer(peerASN=None, dynamicASN="internal", role="peer"),
     peer(peerASN=None, dynamicASN="external", role="peer")),
    ("spec", "strictRole goes with", peer(strictRole=True), peer(strictRole=True, role="peer")),
    ("spec", "ttlSecurity takes nothing", peer(ttlSecurity=True, ebgpMultiHop=True),
     peer(ttlSecurity=True, ebgpMultiHop=False)),
    ("spec", "TCP-AO needs a key", peer(authType="TCP-AO"),
     peer(authType="TCP-AO", passwordSecret={"name": "b"})),
    ("spec", "TCP-AO needs a key", peer(authType="TCP-AO", password=""),
     peer(authType="TCP-AO", password="a")),
    ("spec", "keyID is of TCP-AO", peer(keyID=1),
     peer(keyID=1, authType="TCP-AO", password="a")),
    ("spec.holdTime", "no hold time between", peer(holdTime="2999ms"), peer(holdTime="3s")),
    ("spec.holdTime", "no hold time between", peer(holdTime="1s"), peer(holdTime="0s")),
    ("spec.connectTime", "whole number of seconds", peer(connectTime="1500ms"),
     peer(connectTime="1s")),
    ("spec.connectTime", "whole number of seconds", peer(connectTime="0"),
     peer(connectTime="65535s")),
    ("spec.connectTime", "whole number of seconds", peer(connectTime="65536s"),
     peer(connectTime="1m")),
    ("spec.addresses[0]", "from 0 to 255", pool("192.0.2.256/32"), pool("192.0.2.255/32")),
    ("spec.addresses[1]", "from 0 to 255", pool("192.0.2.0/24", "10.0.0.1-10.0.300.1"),
     pool("192.0.2.0/24", "2001:db8:300::/48")),
    ("spec.addresses[0]", "without leading zeros", pool("192.168.001.0/24"),
     pool("192.168.0.0/24")),
    ("spec.reserved[0]", "from 0 to 255", pool("10.0.0.0/8", reserved=["10.0.0.1-10.0.0.999"]),
     pool("10.0.0.0/8", reserved=["10.0.0.1 - 10.0.0.99"])),
    ("spec.addresses[0]", "swap the two", pool("10.0.1.0-10.0.0.255"),
     pool("10.0.0.255-10.0.1.0")),
    ("spec.addresses[1]", "swap the two", pool("10.1.0.0/16", "10.0.0.9  - 10.0.0.8"),
     pool("10.1.0.0/16", "10.0.0.9 -  10.0.0.9")),
    ("spec.reserved[0]", "swap the two", pool("10.0.0.0/8", reserved=["10.2.0.0-9.255.0.0"]),
     pool("10.0.0.0/8", "fd00::/64", reserved=["9.255.0.0-10.2.0.0", "fd00::1 - fd00::2"])),
    ("spec.communities[0].value", "too large", community("65536:1"), community("65535:65535")),
    ("spec.communities[0].value", "too large", community("large:1:2:4294967296"),
     community("large:4294967295:65536:0")),
    ("spec", "delegate leaves", profile(mode="delegate", healthCheck={"type": "tcp"}),
     profile(mode="masquerade", healthCheck={"type": "tcp"})),
    ("spec", "delegate leaves", profile(mode="delegate", quorum={"up": 1}),
     profile(mode="delegate")),
    ("spec", "delegate leaves", profile(mode="delegate", drainSeconds=1),
     profile(mode="delegate", fallback=[])),
    ("spec", "delegate leaves",
     profile(mode="delegate", scheduler="wrr", slowStartSeconds=1),
     profile(mode="tunnel", scheduler="wrr", slowStartSeconds=1)),
    ("spec", "delegate leaves", profile(mode="delegate", topologyHints=True),
     profile(mode="delegate", topologyHints=False)),
    ("spec", "onePacket takes mode tunnel", profile(onePacket=True),
     profile(onePacket=True, scheduler="wrr")),
    ("spec", "onePacket takes mode tunnel", profile(onePacket=True, scheduler="lc"),
     profile(onePacket=False, scheduler="lc")),
    ("spec", "onePacket takes mode tunnel",
     profile(onePacket=True, scheduler="wrr", mode="masquerade"),
     profile(onePacket=True, scheduler="wrr", mode="tunnel")),
    ("spec", "deals out by weight", profile(slowStartSeconds=5),
     profile(slowStartSeconds=5, scheduler="wlc")),
    ("spec.healthCheck", "longer than intervalMilliseconds", check(timeoutMilliseconds=1001),
     check(timeoutMilliseconds=1000)),
    ("spec.healthCheck", "http says nothing", check(http={}), check("https", http={})),
    ("spec.healthCheck", "http says nothing", check("tcp-half-open", http={}),
     check("tcp-half-open", port=80)),
    ("spec.healthCheck", "tls says nothing", check("http", tls={}), check("grpc", tls={})),
    ("spec.healthCheck", "grpc says nothing", check("http", grpc={}), check("grpc", grpc={})),
    ("spec.healthCheck", "needs udp.send", check("udp"), check("udp", udp={"send": "a"})),
    ("spec.healthCheck", "needs udp.send", check(udp={"send": "a"}), check()),
    ("spec.healthCheck", "needs dns.name", check("dns"), check("dns", dns={"name": "a"})),
    ("spec.healthCheck.http.statuses[1]", "lower status goes first",
     http(statuses=["200", "299-200"]), http(statuses=["200", "200-299", "304-304"])),
    ("spec.healthCheck.tls", "can count",
     check("https", tls={"ca": "x", "caSecret": {"name": "a"}}),
     check("https", tls={"caConfigMap": {"name": "a"}, "clientSecret": {"name": "a"}})),
    ("spec.healthCheck.tls", "can count",
     check("https", tls={"caConfigMap": {"name": "a"}, "caSecret": {"name": "a"}}),
     check("https", tls={"caSecret": {"name": "a"}})),
    ("spec.quorum", "never lost", profile(quorum={"up": 2, "hysteresis": 2}),
     profile(quorum={"up": 2, "hysteresis": 1})),
    ("spec.fallback[0].address", "write one, or service.name", fallback("sorry.example"),
     fallback("192.0.2.80")),
    ("spec.fallback[0].address", "write one, or service.name", fallback("bad"),
     fallback("2001:db8::80")),
    ("spec.fallback[0]", "write either address", fallback("192.0.2.80", service={"name": "a"}),
     profile(fallback=[{"service": {"name": "a"}}])),
    ("spec.fallback[0]", "write either address", profile(fallback=[{"port": 80}]),
     fallback("192.0.2.80", port=80)),
    *((f"spec.{field}[0].matchExpressions[0]", "need values",
       adverts(kind, field, "In"), adverts(kind, field, "In", "b"))
      for kind in ("L2Advertisement", "BGPAdvertisement")
      for field in ("nodeSelectors", "serviceSelectors", "ipAddressPoolSelectors")),
    *((f"spec.serviceAllocation.{field}[0].matchExpressions[0]", "need values",
       allocated(field, "Exists", "b"), allocated(field, "Exists"))
      for field in ("namespaceSelectors", "serviceSelectors")),
    ("spec.nodeSelectors[0].matchExpressions[0]", "need values",
     peer(nodeSelectors=by("NotIn")), peer(nodeSelectors=by("NotIn", "b"))),
    ("spec.serviceSelectors[0].matchExpressions[0]", "need values",
     profile(serviceSelectors=by("DoesNotExist", "b")),
     profile(serviceSelectors=by("DoesNotExist"))),
    ("spec.preferredNodeSelectors[0].preference.matchExpressions[0]", "need values",
     ("L2Advertisement", {"preferredNodeSelectors": [{"weight": 1, "preference": by("In")[0]}]}),
     ("L2Advertisement", {"preferredNodeSelectors": [{"weight": 1, "preference": by("Exists")[0]}]})),
]

# What the schemas refuse without a rule: the field told, and the object.
SCHEMAS = [
    ("spec.addresses", pool()),
    ("spec.addresses", ("IPAddressPool", {"addresses": "192.0.2.0/24"})),
    ("spec.addresses[0]", pool("192.0.2.1")),
    ("spec.strategy", pool("192.0.2.0/24", strategy="random")),
    ("spec.myASN", peer(myASN=None)),
    ("spec.myASN", peer(myASN=0)),
    ("spec.peerAddress", peer(peerAddress="router")),
    ("spec.peerPort", peer(peerPort=65536)),
    ("spec.holdTime", peer(holdTime="90")),
    ("spec.aggregationLength", ("BGPAdvertisement", {"aggregationLength": 33})),
    ("spec.receiveInterval", ("BFDProfile", {"receiveInterval": 5})),
    ("spec.communities[0].value", community("b")),
    ("spec.communities[1]", ("Community", {"communities": [
        {"name": "a", "value": "1:1"}, {"name": "a", "value": "1:2"}]})),
    ("spec.healthCheck.type", profile(healthCheck={"port": 80})),
    ("spec.healthCheck.type", check("exec")),
    ("spec.healthCheck.http.path", http(path="x")),
    ("spec.healthCheck.http.statuses[0]", http(statuses=["2xx"])),
    ("spec.preferredNodeSelectors[0].weight", ("L2Advertisement", {"preferredNodeSelectors": [
        {"preference": {}}]})),
]

# What MetalLB takes in its own group, odd as it looks: it moves over as it is.
METALLB = [
    peer(password="", passwordSecret={"name": "b", "namespace": "c"}),
    peer(password="a", passwordSecret={}),
    peer(peerAddress="192.0.2.1", interface=""),
    peer(peerASN=0, dynamicASN="external", ebgpMultiHop=True),
    peer(holdTime="300ms"),			# rounded, it is none
    peer(holdTime="20h"),
    peer(keepaliveTime="10m"),			# of a hold time three times that
    peer(peerAddress="2001:db8::1", sourceAddress="192.0.2.9"),
    peer(nodeSelectors=[{"matchLabels": {}, "matchExpressions": []}, {}]),
    pool("192.0.2.10  -  192.0.2.20", "2001:DB8::1-2001:db8::ffff", "::ffff:0:0/96"),
    pool("192.0.2.0/24", serviceAllocation={"priority": 0, "namespaces": []}),
    ("L2Advertisement", {"ipAddressPools": [], "nodeSelectors": [], "interfaces": []}),
    ("L2Advertisement", {"preferredNodeSelectors": [
        {"weight": 100, "preference": {"matchLabels": {"node-role": "edge"}}},
        {"weight": 1, "preference": {}}]}),
    ("BGPAdvertisement", {"communities": ["large:1:2:3", "65535:65281", "a-name"],
                          "localPref": 4294967295, "aggregationLength": 1}),
    ("BGPAdvertisement", {"communities": ["70000:1"]}),		# might be a name
    ("Community", {"communities": []}),
    ("BFDProfile", {"minimumTtl": 254, "echoMode": True, "passiveMode": True}),
]


def refusal(server, kind, spec):
    """The causes of a refusal as (field, message); none where it is accepted."""
    body = json.dumps(custom(kind, "tried", spec))
    try:
        server.create(path_of(kind) + "?dryRun=All", body)
    except ApiError as e:
        expect(e.status == 422, f"{kind} {spec}: {e}")
        return [(c["field"], c["message"]) for c in json.loads(e.text)["details"]["causes"]]
    return []


def rule_messages(node):
    """The messages of all rules in a schema, or in whatever is part of one."""
    if isinstance(node, list):
        return set().union(*map(rule_messages, node)) if node else set()
    if not isinstance(node, dict):
        return set()
    here = {r["message"] for r in node.get("x-kubernetes-validations", [])
            if isinstance(r, dict)}
    return here | rule_messages(list(node.values()))


def crd_files():
    folder = os.path.join(DEPLOY, "crds")
    for f in sorted(os.listdir(folder)):
        if f.endswith(".yaml"):
            with open(os.path.join(folder, f), "rb") as text:
                yield f, text.read()


def wrong_with(crd):
    """What is wrong with a CRD that has been accepted, None for nothing."""
    have = {c["type"]: c for c in crd.get("status", {}).get("conditions") or []}
    for kind, want in (("NamesAccepted", "True"), ("Established", "True"),
                       ("NonStructuralSchema", "False")):
        got = have.get(kind, {"status": "False", "message": "not told"})
        if got["status"] != want:
            return f"{kind}: {got['message']}"
    return None


class Rules:
    def __init__(self, server, heraldctl, folder):
        self.s, self.ctl, self.folder = server, heraldctl, folder

    def lint(self, kind, spec):
        """Why heraldctl, who reads as the daemons do, refuses an object; "" where it
        does not, doubt it as it may."""
        path = os.path.join(self.folder, "tried.json.yaml")	# JSON is YAML
        with open(path, "w") as f:
            json.dump(custom(kind, "tried", spec), f)
        r = subprocess.run([self.ctl, "lint", path], capture_output=True, text=True,
                           timeout=20)
        expect(r.returncode in (0, 1), f"heraldctl lint: {r.returncode}: {r.stderr}")
        return r.stdout if r.stdout.endswith("\n0 objects, 1 problem\n") else ""

    def test_rules(self):
        """Each refuses with its message at its field, and takes what is right."""
        missing = set()
        for crd in self.s.http("GET", CRDS)["items"]:
            missing |= rule_messages(crd["spec"])
        nrules = len(missing)
        for field, part, bad, good in RULES:
            got = refusal(self.s, *bad)
            found = [m for f, m in got if f == field and part in m]
            expect(found, f"{part}: {bad} is refused with {got}")
            missing = {m for m in missing if m not in found[0]}
            expect(len(got) == 1, f"{part}: {bad} is refused for more: {got}")
            got = refusal(self.s, *good)
            expect(not got, f"{part}: {good} is refused: {got}")
        expect(nrules and not missing, f"of {nrules} rules no row shows {missing}")
        return f"{nrules} rules, {len(RULES)} objects refused, as many accepted"

    def test_alike(self):
        """What is refused here the daemons would refuse, and take what rules take."""
        for field, part, bad, good in RULES:
            expect(self.lint(*bad), f"{part}: heraldctl takes {bad}")
            expect(not self.lint(*good), f"{part}: {good}: {self.lint(*good)}")
        for _field, bad in SCHEMAS:
            expect(self.lint(*bad), f"heraldctl takes {bad}")
        return f"{2 * len(RULES) + len(SCHEMAS)} objects"

    def test_schemas(self):
        for field, bad in SCHEMAS:
            got = refusal(self.s, *bad)
            expect(field in [f for f, _ in got], f"{bad}: {field} is not in {got}")
        return f"{len(SCHEMAS)} objects refused"

    def test_metallb(self):
        for kind, spec in METALLB:
            got = refusal(self.s, kind, spec)
            expect(not got, f"{kind} {spec} is refused: {got}")
        return f"{len(METALLB)} objects accepted"

    def test_examples(self):
        """Of our kinds: those of the core are another server's."""
        n = 0
        folder = os.path.join(DEPLOY, "examples")
        for f in sorted(os.listdir(folder)):
            with open(os.path.join(folder, f)) as text:
                docs = text.read().split("\n---\n")
            for doc in docs:
                kind = re.search(r"^kind: (\w+)$", doc, re.M)[1]
                if "\napiVersion: heraldlb.io/" not in "\n" + doc:
                    continue
                _, warnings = self.s.create(path_of(kind) + "?dryRun=All", doc.encode())
                expect(not warnings, f"{f}: {warnings}")
                n += 1
        expect(n >= 10, f"only {n} examples")
        return f"{n} objects"

    def test_fields(self):
        """Defaults are filled in; a field that does not exist is told, or dropped."""
        kind, spec = peer(holdTme="9s")
        body = json.dumps(custom(kind, "typo", spec))
        try:
            self.s.create(path_of(kind), body)
            raise Failure("a misspelt field was accepted")
        except ApiError as e:
            said = json.loads(e.text)["message"]
            expect('unknown field "spec.holdTme"' in said, said)
        made = self.s.http("POST", path_of(kind) + "?dryRun=All", json.loads(body))["spec"]
        expect("holdTme" not in made and made["peerPort"] == 179, made)


def install(server):
    """Every CRD is accepted without a warning, and served."""
    names = []
    for f, text in crd_files():
        crd, warnings = server.create(CRDS, text)
        expect(not warnings, f"{f}: {warnings}")
        names.append(crd["metadata"]["name"])
    return names
