"""service.py - one Service of the lab in one family, and what is so of it.

Everything that a scenario waits for is asked of those who must know: the
Service's status, the kernel's tables on every node, the LAN, the speakers.
"""
import objects
import topology
from ipvs import ipvs_table
from measure import Failed, Not, until
from neighbour import who_has
from objects import TCP_PORT, UDP_PORT


class Service:
    def __init__(self, lab, name, family):
        self.lab, self.name, self.family = lab, name, family
        self.members = [pod for n in lab.nodes for pod in n.pods
                        if pod[-1] in topology.PODS_PER_NODE]
        is_v4 = family == "IPv4"
        self.pool = topology.POOL if is_v4 else topology.POOL6
        self.client_ip = topology.CLIENT_IP if is_v4 else topology.CLIENT_IP6
        self.far_ip = topology.FAR_IP if is_v4 else topology.FAR_IP6

    def pod_ip(self, pod):
        node = self.lab.by_name[pod[:2]]
        ip = node.pods[pod]
        return ip if self.family == "IPv4" else topology.pod_ip6(node, ip)

    def endpoints(self):
        """(address, name of its node) of each member."""
        return [(self.pod_ip(pod), pod[:2]) for pod in self.members]

    # --- objects; each returns the moment it was in place

    def write(self):
        return self.lab.objects.put(objects.service(self.name, [self.family]))

    def write_slice(self, members=None, draining=()):
        """Pods in the slice (as they were), and those of them that are to go."""
        if members is not None:
            self.members = list(members)
        return self.lab.objects.put(objects.endpoint_slice(
            self.name, self.family, self.endpoints(), {self.pod_ip(p) for p in draining}))

    def delete(self):
        return self.lab.objects.remove(objects.service(self.name, [self.family]))

    # --- what is so

    def vip(self):
        """The address in the Service's status, or None."""
        ips = self.lab.objects.external_ips(self.name)
        return ips[0] if ips else None

    def programmed(self, node, vip):
        """True, or a Not that says what IPVS of the node's director lacks."""
        want = sorted(map(self.pod_ip, self.members))
        table = ipvs_table(node.director)
        for proto, port in (("TCP", TCP_PORT), ("UDP", UDP_PORT)):
            have = table.get((proto, vip, port))
            if have is None:
                return Not(f"{node.name}: IPVS has no {proto} {vip}:{port}")
            # Others may be there for what they still have.
            if sorted(d.ip for d in have if d.weight > 0 or d.ip in want) != want:
                return Not(f"{node.name}: IPVS {proto} {vip}:{port} has "
                           f"{[d.ip for d in have]}, want {want}")
        return True

    def owners(self, vip, wait_sec=0.25):
        """Names of the nodes that answer for vip on the LAN within wait_sec."""
        macs = who_has("client", topology.lan_mac(100), self.client_ip, vip, wait_sec)
        names = {n.mac: n.name for n in self.lab.nodes}
        return {names.get(mac, mac) for mac in macs}

    def owner(self, vip):
        """The one node that answers for vip."""
        def look():
            who = self.owners(vip)
            return list(who) if len(who) == 1 else Not(f"answered by {sorted(who) or 'nobody'}")
        name = until(f"one node to answer for {vip}", look, 10)[0]
        if name not in self.lab.by_name:
            raise Failed(f"a node to answer for {vip}", f"{name} did")
        return self.lab.by_name[name]

    def agreed_owner(self, vip):
        """The node that all speakers, all up and of one mind, and the LAN name; or a Not."""
        said = {}
        for name, speaker in self.lab.speakers.items():
            status = speaker.status()
            down = [n["name"] for n in status.get("nodes", []) if n["state"] != "up"]
            if down or len(status.get("nodes", [])) < len(self.lab.nodes) - 1:
                return Not(f"{name} does not see {down or 'the others'} up")
            said[name] = [v.get("owner") for v in status["vips"] if v["ip"] == vip]
        if len({str(owner) for owner in said.values()}) != 1:
            return Not(f"the speakers disagree on the owner of {vip}: {said}")
        who = self.owners(vip)
        if not who or [*who] != said[name]:
            return Not(f"{said[name]} should answer for {vip}, {sorted(who)} do")
        return self.lab.by_name[who.pop()]

    def settle(self, limit_sec=15):
        """Wait until every node is up and programmed and one owns the VIP.

        Returns the VIP and its owner.
        """
        for node in self.lab.nodes:
            speaker = self.lab.speakers[node.name]
            if not speaker.is_running():
                raise Failed("the speaker to run", f"{node.name}'s has ended: "
                             f"status {speaker.popen.returncode}", node)
        vip = until(f"Service {self.name} to have an address", self.vip, limit_sec)
        for node in self.lab.nodes:
            until(f"{node.name} to be programmed",
                  lambda n=node: self.programmed(n, vip), limit_sec, node=node)
        return vip, until("all speakers to agree", lambda: self.agreed_owner(vip), limit_sec,
                          every_sec=0.05)

    def is_silent(self, vip):
        """True when nobody on the LAN answers for vip."""
        owners = self.owners(vip, 0.1)
        return not owners or Not(f"{sorted(owners)} still answer for {vip}")
