# SPDX-License-Identifier: Apache-2.0
"""Frames, and sockets that send and receive them inside a namespace while the test stays where it is."""

import ctypes
import errno
import os
import socket
import struct
import threading

ETH_P_ALL = 3
SOL_PACKET = 263
PACKET_AUXDATA = 8
SO_RCVBUFFORCE = 33
TP_STATUS_VLAN_VALID = 1 << 4
TP_STATUS_VLAN_TPID_VALID = 1 << 6
PACKET_OUTGOING = 4
libc = ctypes.CDLL(None, use_errno=True)


def mac(text):
    return bytes.fromhex(text.replace(':', ''))


def ip(text):
    return socket.inet_pton(socket.AF_INET6 if ':' in text else socket.AF_INET, text)


def checksum(data):
    if len(data) % 2:
        data += b'\0'
    total = sum(struct.unpack(f'!{len(data) // 2}H', data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def udp(src_port, dst_port, payload=b''):
    return struct.pack('!HHHH', src_port, dst_port, 8 + len(payload), 0) + payload


def ipv4(src, dst, proto, payload, fragment=0, tos=0):
    header = struct.pack('!BBHHHBBH4s4s', 0x45, tos, 20 + len(payload), 1, fragment, 64, proto, 0, ip(src), ip(dst))
    return header[:10] + struct.pack('!H', checksum(header)) + header[12:] + payload


def ipv6(src, dst, proto, payload):
    return struct.pack('!IHBB16s16s', 6 << 28, len(payload), proto, 64, ip(src), ip(dst)) + payload


def ethernet(dst, src, kind, payload, tags=()):
    """TAGS: (tpid, tci), the outer one first."""
    frame = mac(dst) + mac(src)
    for tpid, tci in tags:
        frame += struct.pack('!HH', tpid, tci)
    return frame + struct.pack('!H', kind) + payload


def in_namespace(name, function):
    """FUNCTION() in a thread that stands in namespace NAME; what it opens stays there."""
    result = []

    def run():
        with open(f'/run/netns/{name}') as file:
            if libc.setns(file.fileno(), 0):
                raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        result.append(function())

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return result[0]


class Wire:
    """A device inside a namespace, frame by frame. Received frames have their tags in place."""

    def __init__(self, namespace, device):
        def make():
            s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
            s.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
            s.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 32 << 20)
            s.bind((device, ETH_P_ALL))
            return s
        self.socket = in_namespace(namespace, make)
        self.socket.settimeout(10)

    def send(self, frame):
        self.socket.send(frame)

    def receive(self, wait=10):
        """The next frame that came in, or None."""
        self.socket.settimeout(wait)
        while True:
            try:
                frame, control, _, address = self.socket.recvmsg(65536, 256)
            except (TimeoutError, BlockingIOError):
                return None
            except OSError as error:
                # Said once when the device goes down; what came before it can still be read.
                if error.errno != errno.ENETDOWN:
                    raise
                continue
            if address[2] == PACKET_OUTGOING:
                continue
            for level, kind, data in control:
                if (level, kind) == (SOL_PACKET, PACKET_AUXDATA):
                    status, _, _, _, _, tci, tpid = struct.unpack('IIIHHHH', data[:20])
                    if status & TP_STATUS_VLAN_VALID:
                        tpid = tpid if status & TP_STATUS_VLAN_TPID_VALID else 0x8100
                        frame = frame[:12] + struct.pack('!HH', tpid, tci) + frame[12:]
            return frame

    def drain(self, wait=0.3):
        """All that has come in, until nothing comes for WAIT seconds."""
        found = []
        while True:
            frame = self.receive(wait)
            if frame is None:
                return found
            found.append(frame)

    def close(self):
        self.socket.close()
