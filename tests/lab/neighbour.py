"""neighbour.py - ask the LAN who has an address, by ARP or neighbour solicitation.

The question goes out of a packet socket, so that no kernel's neighbour table has
a part in it, and every answer is told, not only the first.
"""
import ctypes
import ipaddress
import select
import socket
import struct
import threading
import time

from measure import go_realtime
from netns import inside

ETH_P_IP, ETH_P_ARP, ETH_P_IPV6 = 0x0800, 0x0806, 0x86DD
ETH_P_ALL, SO_ATTACH_FILTER, SO_RCVBUFFORCE, SO_TIMESTAMPNS = 3, 26, 33, 35
LD_BYTE, LD_HALF, LD_WORD, JUMP_EQUAL, RETURN = 0x30, 0x28, 0x20, 0x15, 0x06    # of BPF
ICMPV6, ND_SOLICIT, ND_ADVERTISE, OPT_TARGET_MAC = 58, 135, 136, 2


def stamp_frames(sock):
    """Have the kernel say when each frame came, for recv_stamped()."""
    sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)


def tap(port, *tests):
    """A socket for the frames at a port of the LAN's switch that pass all the tests, each
    (how much to load, from what offset, what it must be); see recv_stamped()."""
    with inside("lan"):
        # Of all protocols: those of one are seen by ports that have an address.
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        sock.bind((port, ETH_P_ALL))
    left, code = 2 * len(tests), []
    for load, offset, value in tests:
        left -= 2
        code += [(load, 0, 0, offset), (JUMP_EQUAL, 0, left + 1, value)]
    code = b"".join(struct.pack("HBBI", *op) for op in (
        *code, (RETURN, 0, 0, 128), (RETURN, 0, 0, 0)))
    keep = ctypes.create_string_buffer(code, len(code))
    sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack(
        "HL", len(code) // 8, ctypes.addressof(keep)))
    sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20)
    stamp_frames(sock)
    try:
        while True:                 # of before there was a filter
            sock.recv(128, socket.MSG_DONTWAIT)
    except BlockingIOError:
        return sock


def recv_stamped(sock, size=2048, flags=0):
    """A frame, and when it came, as time.monotonic() has it: a thread under emulation
    hears late."""
    frame, extra, _flags, _from = sock.recvmsg(size, 64, flags)
    sec, nsec = struct.unpack("qq", extra[0][2][:16])
    return frame, sec + nsec / 1e9 - time.time() + time.monotonic()


def _hw(mac):
    return bytes.fromhex(mac.replace(":", ""))


def _arp_request(mac, sender_ip, target_ip):
    return (b"\xff" * 6 + mac + struct.pack("!HHHBBH", ETH_P_ARP, 1, 0x0800, 6, 4, 1)
            + mac + socket.inet_aton(sender_ip) + b"\0" * 6 + socket.inet_aton(target_ip))


def _arp_reply(frame, target_ip):
    """The MAC that claims target_ip in the frame, or None."""
    if frame[20:22] == b"\0\2" and frame[28:32] == socket.inet_aton(target_ip):
        return frame[22:28]
    return None


def _checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def solicitation(mac, sender_ip, target_ip):
    """RFC 4861, section 4.3, to the target's solicited-node group."""
    sender, target = (ipaddress.ip_address(ip).packed for ip in (sender_ip, target_ip))
    group = ipaddress.ip_address("ff02::1:ff00:0").packed[:13] + target[13:]
    body = struct.pack("!I", 0) + target + b"\1\1" + mac
    pseudo = sender + group + struct.pack("!II", len(body) + 4, ICMPV6)
    check = _checksum(pseudo + struct.pack("!BBH", ND_SOLICIT, 0, 0) + body)
    return (b"\x33\x33" + group[12:] + mac + struct.pack("!HIHBB", ETH_P_IPV6, 6 << 28,
            len(body) + 4, ICMPV6, 255) + sender + group
            + struct.pack("!BBH", ND_SOLICIT, 0, check) + body)


def _advertisement(frame, target_ip):
    """The MAC that claims target_ip in the frame, or None."""
    if frame[20] != ICMPV6 or frame[54] != ND_ADVERTISE:
        return None
    if frame[62:78] != ipaddress.ip_address(target_ip).packed:
        return None
    return frame[80:86] if frame[78:79] == bytes([OPT_TARGET_MAC]) else frame[6:12]


class Watch:
    """What is said on the LAN of one address, from __enter__ to __exit__.

    claims, probes: [(when, MAC)] of those that say they have it, by an announcement
    or an answer, and of those that ask whether anybody has (RFC 5227, RFC 4862).
    """

    def __init__(self, netns, ip):
        self.ip, self.claims, self.probes = ip, [], []
        proto, self._sort = (ETH_P_IPV6, self._sort6) if ":" in ip else (ETH_P_ARP, self._sort4)
        with inside(netns):
            self._sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(proto))
            self._sock.bind(("eth0", proto))
        stamp_frames(self._sock)
        self._packed = ipaddress.ip_address(ip).packed
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_exc):
        self._stop.set()
        self._thread.join()
        self._sock.close()

    def _sort4(self, frame):
        sender, target = frame[28:32], frame[38:42]
        if sender == self._packed:
            return self.claims, frame[22:28]
        if sender == bytes(4) and target == self._packed:
            return self.probes, frame[22:28]
        return None

    def _sort6(self, frame):
        if claimed := _advertisement(frame, self.ip):
            return self.claims, claimed
        if frame[20] != ICMPV6 or frame[54] != ND_SOLICIT:
            return None
        sender, target = frame[22:38], frame[62:78]
        if sender == self._packed:
            return self.claims, frame[6:12]
        if sender == bytes(16) and target == self._packed:
            return self.probes, frame[6:12]
        return None

    def _run(self):
        go_realtime()
        while not self._stop.is_set():
            if not select.select([self._sock], [], [], 0.1)[0]:
                continue
            frame, when = recv_stamped(self._sock)
            if said := self._sort(frame):
                said[0].append((when, said[1].hex(":")))


def who_has(netns, mac, sender_ip, target_ip, wait_sec=0.25):
    """Ask from netns, whose eth0 has mac; returns the set of MACs that answered."""
    if ":" in target_ip:
        proto, question, claim = ETH_P_IPV6, solicitation, _advertisement
    else:
        proto, question, claim = ETH_P_ARP, _arp_request, _arp_reply
    with inside(netns):
        s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(proto))
        s.bind(("eth0", proto))
    answers = set()
    with s:
        s.send(question(_hw(mac), sender_ip, target_ip))
        deadline = time.monotonic() + wait_sec
        while (left := deadline - time.monotonic()) > 0:
            if not select.select([s], [], [], left)[0]:
                break
            frame = s.recv(2048)
            if frame[:6] == _hw(mac) and (claimed := claim(frame, target_ip)):
                answers.add(claimed.hex(":"))
    return answers
