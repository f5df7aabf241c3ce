"""ipvs.py - what IPVS of a network namespace holds, asked over genetlink.

Not /proc/net/ip_vs: beyond its first page that file loses lines when several
namespaces have services, for the kernel's iterator counts those of all.
"""
import collections
import ipaddress
import socket
import struct

from netns import exists, inside

Destination = collections.namedtuple("Destination", "ip port forward weight")

NETLINK_GENERIC, GENL_ID_CTRL, CTRL_GETFAMILY = 16, 16, 3
CTRL_ATTR_FAMILY_ID, CTRL_ATTR_FAMILY_NAME = 1, 2
NLM_F_REQUEST, NLM_F_DUMP, NLMSG_ERROR, NLMSG_DONE = 1, 0x300, 2, 3
GET_SERVICE, GET_DEST = 4, 8            # enum IPVS_CMD, linux/ip_vs.h
ATTR_SERVICE, ATTR_DEST = 1, 2
SVC_AF, SVC_PROTOCOL, SVC_ADDR, SVC_PORT, SVC_FWMARK = 1, 2, 3, 4, 5
DEST_ADDR, DEST_PORT, DEST_FORWARD, DEST_WEIGHT, DEST_FAMILY = 1, 2, 3, 4, 11
PROTOCOLS = {socket.IPPROTO_TCP: "TCP", socket.IPPROTO_UDP: "UDP"}
FORWARD = {0: "Masq", 1: "Local", 2: "Tunnel", 3: "Route"}


def _attr(kind, data):
    return struct.pack("=HH", len(data) + 4, kind) + data + b"\0" * (-len(data) % 4)


def _attrs(data):
    """{type: payload} of a run of attributes."""
    found, at = {}, 0
    while at + 4 <= len(data):
        size, kind = struct.unpack_from("=HH", data, at)
        found[kind & 0x3FFF] = data[at + 4:at + size]
        at += (size + 3) & ~3
    return found


def _ask(s, family, command, attrs=b"", flags=NLM_F_DUMP, version=1):
    """The attributes of every answer to one request."""
    body = struct.pack("=BBH", command, version, 0) + attrs
    s.send(struct.pack("=IHHII", 16 + len(body), family, NLM_F_REQUEST | flags, 1, 0) + body)
    answers = []
    while True:
        data = s.recv(1 << 16)
        while data:
            size, kind = struct.unpack_from("=IH", data)
            if kind == NLMSG_DONE:
                return answers
            if kind == NLMSG_ERROR:
                error = struct.unpack_from("=i", data, 16)[0]
                raise OSError(-error, f"netlink command {command}")
            answers.append(_attrs(data[20:size]))
            data = data[(size + 3) & ~3:]
        if not flags & NLM_F_DUMP:
            return answers


def _ip(family, packed):
    return str(ipaddress.ip_address(packed[:4 if family == socket.AF_INET else 16]))


def _key(svc):
    if SVC_FWMARK in svc:
        return ("FWM", struct.unpack("=I", svc[SVC_FWMARK])[0])
    return (PROTOCOLS[struct.unpack("=H", svc[SVC_PROTOCOL])[0]],
            _ip(struct.unpack("=H", svc[SVC_AF])[0], svc[SVC_ADDR]),
            struct.unpack("!H", svc[SVC_PORT])[0])


def _destination(dest):
    return Destination(_ip(struct.unpack("=H", dest[DEST_FAMILY])[0], dest[DEST_ADDR]),
                       struct.unpack("!H", dest[DEST_PORT])[0],
                       FORWARD[struct.unpack("=I", dest[DEST_FORWARD])[0] & 7],
                       struct.unpack("=i", dest[DEST_WEIGHT])[0])


def _open(netns):
    """A socket, and the family's number."""
    with inside(netns):
        s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_GENERIC)
    name = _attr(CTRL_ATTR_FAMILY_NAME, b"IPVS\0")
    answer = _ask(s, GENL_ID_CTRL, CTRL_GETFAMILY, name, flags=0)
    return s, struct.unpack("=H", answer[0][CTRL_ATTR_FAMILY_ID])[0]


def _destinations(s, family, svc):
    return [_destination(_attrs(a[ATTR_DEST])) for a in _ask(
        s, family, GET_DEST, _attr(ATTR_SERVICE | 0x8000, svc))]


def ipvs_watch(netns, ip, port):
    """A function that says what destinations a TCP service of IPv4 has now.

    It asks for no other service's, so that it may be called every millisecond.
    """
    s, family = _open(netns)
    svc = (_attr(SVC_AF, struct.pack("=H", socket.AF_INET)) +
           _attr(SVC_PROTOCOL, struct.pack("=H", socket.IPPROTO_TCP)) +
           _attr(SVC_ADDR, socket.inet_aton(ip) + bytes(12)) +
           _attr(SVC_PORT, struct.pack("!H", port)))
    return lambda: _destinations(s, family, svc)


def ipvs_table(netns, only=None):
    """{("TCP", ip, port) or ("FWM", mark): [Destination, ...]} of a namespace.

    only: ask for the destinations of this one alone. {} where there is no such
    namespace.
    """
    if not exists(netns):
        return {}
    s, family = _open(netns)
    with s:
        table = {}
        for answer in _ask(s, family, GET_SERVICE):
            svc = _attrs(answer[ATTR_SERVICE])
            if only is not None and _key(svc) != only:
                continue
            asked = b"".join(_attr(k, v) for k, v in svc.items() if k <= SVC_FWMARK)
            table[_key(svc)] = _destinations(s, family, asked)
        return table
