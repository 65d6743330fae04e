# SPDX-License-Identifier: Apache-2.0
"""A bridge of our own without a datapath (openflow_bridge.c), and raw OpenFlow messages to it."""

import os
import shutil
import socket
import struct
import subprocess
import tempfile
import threading
import time

import daemons
import netns

OF10, OF13 = 1, 4
HELLO, ERROR, ECHO_REQUEST, ECHO_REPLY, VENDOR = 0, 1, 2, 3, 4
FEATURES_REQUEST, FEATURES_REPLY = 5, 6
PACKET_IN, FLOW_REMOVED, PORT_STATUS, PACKET_OUT, FLOW_MOD = 10, 11, 12, 13, 14
BARRIER_REQUEST = {OF10: 18, OF13: 20}
BARRIER_REPLY = {OF10: 19, OF13: 21}
STATS_REQUEST = {OF10: 16, OF13: 18}
STATS_REPLY = {OF10: 17, OF13: 19}
NX = 0x2320


class Bridge:
    """The running test program."""

    def __init__(self, results, controller=None):
        self.results = results
        self.rundir = tempfile.mkdtemp(prefix=f'{daemons.RUNDIR_PREFIX}-{os.getpid()}-')
        self.path = os.path.join(self.rundir, 'br0.mgmt')
        self.errors = open(os.path.join(results, 'bridge.out'), 'wb')
        environment = dict(os.environ, OVS_RUNDIR=self.rundir, **daemons.sanitizer_environment(results))
        command = [os.path.join(daemons.build_dir(), 'tests', 'net', 'openflow_bridge'), f'punix:{self.path}']
        self.process = subprocess.Popen(command + ([controller] if controller else []), env=environment,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors,
                                        text=True, preexec_fn=netns.die_with_parent)
        self.environment = environment
        self.said = []  # what it was asked to do
        self.lines = threading.Condition()
        self.answers = 0
        threading.Thread(target=self.listen, daemon=True).start()
        self.wait(lambda: self.answers)

    def listen(self):
        for line in self.process.stdout:
            with self.lines:
                if line.strip() in ('ready', 'ok', 'bad command'):
                    self.answers += 1
                self.said.append(line.strip())
                self.lines.notify_all()

    def wait(self, condition, timeout=30):
        with self.lines:
            assert self.lines.wait_for(condition, timeout), '\n'.join(self.said[-20:])

    def do(self, command):
        """Carry out a command; what it printed on the way."""
        before, start = self.answers, len(self.said)
        self.process.stdin.write(command + '\n')
        self.process.stdin.flush()
        self.wait(lambda: self.answers > before)
        assert self.said[-1] != 'bad command', command
        return self.said[start:-1]

    def ofctl(self, *arguments, version='OpenFlow10', check=True):
        command = ['timeout', '30', 'ovs-ofctl', '-O', version, *arguments]
        done = subprocess.run([word.replace('@', f'unix:{self.path}') if word == '@' else word for word in command],
                              env=self.environment, text=True, capture_output=True)
        if check:
            assert done.returncode == 0, f'{arguments}: {done.stdout}{done.stderr}'
            return done.stdout
        return done

    def connect(self, version=OF13):
        return Connection(self.path, version)

    def close(self):
        self.process.stdin.close()
        try:
            status = self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait()
        shutil.rmtree(self.rundir, ignore_errors=True)
        self.errors.close()
        report = daemons.sanitizer_reports(self.results)
        assert status == 0 and not report, f'openflow_bridge ended with {status}\n{report}'


def message(version, kind, body=b'', xid=1):
    return struct.pack('>BBHI', version, kind, 8 + len(body), xid) + body


def hello(version, bitmap=None):
    bitmap = 1 << version if bitmap is None else bitmap
    return message(version, HELLO, struct.pack('>HHI', 1, 8, bitmap) if bitmap else b'', 0)


class Message:
    def __init__(self, data):
        self.version, self.kind, self.length, self.xid = struct.unpack('>BBHI', data[:8])
        self.body = data[8:]

    def error(self):
        """(type, code), or (vendor, type, code) of an extension's."""
        assert self.kind == ERROR, self
        kind, code = struct.unpack('>HH', self.body[:4])
        if kind == 0xb0c2:
            return struct.unpack('>IHH', self.body[4:12])
        if kind == 0xffff:
            return struct.unpack('>I', self.body[4:8])[0], code
        return kind, code

    def __repr__(self):
        return f'<version {self.version} type {self.kind} xid {self.xid} {self.body[:64].hex()}>'


class Connection:
    """A client that says exactly what it is told to."""

    def __init__(self, path_or_socket, version, say_hello=True):
        self.version = version
        self.data = b''
        if isinstance(path_or_socket, str):
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(20)
            self.socket.connect(path_or_socket)
        else:
            self.socket = path_or_socket
            self.socket.settimeout(20)
        if say_hello:
            self.send(hello(version))
            assert self.receive().kind == HELLO

    def send(self, data):
        self.socket.sendall(data)

    def receive(self):
        """The next message, or None at the end."""
        while len(self.data) < 8 or len(self.data) < struct.unpack('>H', self.data[2:4])[0]:
            more = self.socket.recv(1 << 20)
            if not more:
                return None
            self.data += more
        length = struct.unpack('>H', self.data[2:4])[0]
        data, self.data = self.data[:length], self.data[length:]
        return Message(data)

    def barrier(self):
        """All messages up to the reply of a barrier sent now."""
        self.send(message(self.version, BARRIER_REQUEST[self.version], xid=0xbaa))
        found = []
        while True:
            reply = self.receive()
            assert reply, 'the connection was closed'
            if reply.kind == BARRIER_REPLY[self.version] and reply.xid == 0xbaa:
                return found
            found.append(reply)

    def ask(self, kind, body=b''):
        self.send(message(self.version, kind, body))
        return self.barrier()

    def nicira(self, subtype, body):
        return self.ask(VENDOR, struct.pack('>II', NX, subtype) + body)

    def error(self, kind, body=b''):
        """The error that a message is answered with."""
        found = self.ask(kind, body)
        assert len(found) == 1, found
        return found[0].error()

    def close(self):
        self.socket.close()


def wait_for(condition, what, timeout=20):
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end, f'waited in vain for {what}'
        time.sleep(0.01)
