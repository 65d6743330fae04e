# SPDX-License-Identifier: Apache-2.0
"""What one of the two hosts of tools/quickstart does: numbered datagrams and a stream, both ways.

Runs inside the host's namespace, with a JSON description as its argument (see main.py). It says "ready"
when its sockets listen; then each line on its input is an order, answered by one JSON line:

    udp    send the datagrams, take those of the other host  -> {kind: {sent, received, distinct}}
    tcp    send a stream, take the other host's              -> {sent, received, intact}

Both hosts get the same order at about the same time. Every number that arrives is noted: what is missing
or came twice shows in `received` and `distinct`.
"""

import hashlib
import json
import random
import selectors
import signal
import socket
import sys
import threading
import time

IP_TOS = 1
SILENCE = 5    # seconds without a datagram after which no more is expected
PAYLOAD = 200
CHUNK = 1 << 16


class Host:
    def __init__(self, plan):
        self.plan = plan
        self.sockets = {}
        for kind in plan['kinds']:
            receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            receiver.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)    # SO_RCVBUFFORCE
            receiver.bind(('', kind['arrives']))
            self.sockets[kind['name']] = receiver
        self.listener = socket.create_server(('', plan['tcp_port']))

    # -- datagrams ---------------------------------------------------------------------------------

    def send_datagrams(self, sent):
        """All kinds in turn, at the plan's rate for each."""
        plan = self.plan
        senders = []
        for kind in plan['kinds']:
            sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            sender.setsockopt(socket.IPPROTO_IP, IP_TOS, kind['tos'])
            sender.connect((plan['peer'], kind['port']))
            senders.append((kind['name'], sender))
        start = time.monotonic()
        for number in range(plan['datagrams']):
            wait = start + number / plan['rate'] - time.monotonic()
            if wait > 0:
                time.sleep(wait)
            for name, sender in senders:
                sender.send(f'{name} {number}'.encode().ljust(PAYLOAD))
                sent[name] += 1
        for _, sender in senders:
            sender.close()

    def udp(self):
        names = list(self.sockets)
        sent = dict.fromkeys(names, 0)
        seen = {name: [] for name in names}
        thread = threading.Thread(target=self.send_datagrams, args=(sent,), daemon=True)
        thread.start()
        selector = selectors.DefaultSelector()
        for name, receiver in self.sockets.items():
            selector.register(receiver, selectors.EVENT_READ, name)
        missing = len(names) * self.plan['datagrams']
        while missing > 0:
            events = selector.select(SILENCE)
            if not events and not thread.is_alive():
                break
            for key, _ in events:
                name, number = key.fileobj.recv(2048).decode().split()
                if name == key.data:
                    seen[name].append(int(number))
                    missing -= 1
        thread.join()
        self.take_late(seen)
        return {name: {'sent': sent[name], 'received': len(seen[name]), 'distinct': len(set(seen[name]))}
                for name in names}

    def take_late(self, seen):
        """What came beyond the expected number: doubled datagrams."""
        for name, receiver in self.sockets.items():
            receiver.setblocking(False)
            try:
                while True:
                    seen[name].append(int(receiver.recv(2048).decode().split()[1]))
            except BlockingIOError:
                receiver.setblocking(True)

    # -- the stream --------------------------------------------------------------------------------

    def send_stream(self, result):
        """Random bytes, their digest at the end."""
        generator = random.Random(self.plan['peer'])
        digest = hashlib.sha256()
        with socket.create_connection((self.plan['peer'], self.plan['tcp_port']), timeout=60) as stream:
            left = self.plan['tcp_bytes']
            while left:
                data = generator.randbytes(min(left, CHUNK))
                digest.update(data)
                stream.sendall(data)
                left -= len(data)
                result['sent'] += len(data)
            stream.sendall(digest.digest())

    def tcp(self):
        result = {'sent': 0, 'received': 0, 'intact': False}
        thread = threading.Thread(target=self.send_stream, args=(result,), daemon=True)
        thread.start()
        self.listener.settimeout(60)
        stream, _ = self.listener.accept()
        received = bytearray()
        with stream:
            stream.settimeout(60)
            while data := stream.recv(CHUNK):
                received += data
        thread.join()
        size = hashlib.sha256().digest_size
        result['received'] = max(0, len(received) - size)
        result['intact'] = hashlib.sha256(received[:-size]).digest() == received[-size:]
        return result


def main():
    signal.signal(signal.SIGINT, signal.SIG_DFL)    # quietly
    host = Host(json.loads(sys.argv[1]))
    print('ready', flush=True)
    for line in sys.stdin:
        print(json.dumps(getattr(host, line.strip())()), flush=True)


main()
