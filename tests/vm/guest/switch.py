# SPDX-License-Identifier: Apache-2.0
"""The switch over openvswitch.ko, tc-flower and the simulated NIC, as tests drive and watch it.

What is asked often goes over sockets that stay open (the control socket, OpenFlow), because a process costs
a second under software emulation. The witnesses are the kernel's own: tc, ovs-dpctl, `ip -s link`.
"""

import json
import os
import re
import socket
import struct

import frames
import netns
import nicsim
from wait import wait_until

REPS = ('nic0rep0', 'nic0rep1', 'nic0rep2')
SO_RCVBUFFORCE = 33

SENDER = '''
import signal, socket, struct, sys, time
address, port, count, rate, tos = sys.argv[1], *map(int, sys.argv[2:])
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, tos)
due = time.monotonic()
sent = 0
signal.signal(signal.SIGTERM, lambda *_: globals().update(count=0))
while sent < count:
    while time.monotonic() < due:
        time.sleep(0.0002)
    s.sendto(struct.pack('!I', sent) + bytes(96), (address, port))
    sent += 1
    due = max(due + 1 / rate, time.monotonic() - 0.01)  # no bursts to catch up
print(sent)
'''


class Control:
    """The daemon's control socket, one connection for all commands."""

    def __init__(self, rundir):
        with open(os.path.join(rundir, 'ovs-vswitchd.pid')) as file:
            pid = int(file.read())
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(60)
        self.socket.connect(os.path.join(rundir, f'ovs-vswitchd.{pid}.ctl'))
        self.decoder = json.JSONDecoder()
        self.text = ''

    def __call__(self, command, *arguments):
        self.socket.sendall(json.dumps({'method': command, 'params': list(map(str, arguments)), 'id': 1}).encode())
        while True:
            try:
                reply, end = self.decoder.raw_decode(self.text)
                break
            except ValueError:
                more = self.socket.recv(1 << 20)
                assert more, 'the daemon closed its control socket'
                self.text += more.decode()
        self.text = self.text[end:].lstrip()
        assert reply['error'] is None, reply
        return reply['result']

    def json(self, command, *arguments):
        return json.loads(self(command, *arguments))


class OpenFlow:
    """An OpenFlow 1.0 connection that changes the actions of rules again and again."""

    def __init__(self, rundir, bridge='br0'):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(60)
        self.socket.connect(os.path.join(rundir, f'{bridge}.mgmt'))
        self.socket.sendall(struct.pack('!BBHI', 1, 0, 8, 1))
        self.until(0)

    def until(self, kind):
        while True:
            _, got, length, _ = struct.unpack('!BBHI', self.exactly(8))
            body = self.exactly(length - 8)
            assert got != 1, f'OpenFlow error {body[:4].hex()}'
            if got == kind:
                return
            if got == 2:
                self.socket.sendall(struct.pack('!BBHI', 1, 3, 8, 0))

    def exactly(self, n):
        data = b''
        while len(data) < n:
            data += self.socket.recv(n - len(data))
        return data

    def modify(self, in_port, *ports):
        """mod-flows: rules for IN_PORT output to PORTS. Returns when the switch has done it."""
        actions = b''.join(struct.pack('!HHHH', 0, 8, port, 0) for port in ports)
        match = struct.pack('!IH', 0x3ffffe, in_port) + bytes(34)
        body = match + struct.pack('!QHHHHIHH', 0, 1, 0, 0, 0, 0xffffffff, 0xffff, 0) + actions
        self.socket.sendall(struct.pack('!BBHI', 1, 14, 8 + len(body), 2) + body + struct.pack('!BBHI', 1, 18, 8, 3))
        self.until(19)


class Stream:
    """Numbered datagrams from h0 to h1: a process sends, a socket of ours receives."""

    def __init__(self, switch, port, count, rate, tos=0, listen=None):
        self.switch, self.count = switch, count

        def bind():
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            s.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 96 << 20)
            s.bind(('', listen or port))
            return s
        self.socket = frames.in_namespace(switch.h1.name, bind)
        self.sender = switch.h0.popen('/usr/bin/python3', '-c', SENDER, '10.0.0.2', str(port), str(count), str(rate),
                                      str(tos), stdout=-1, text=True)

    def running(self):
        return self.sender.poll() is None

    def end(self):
        """Wait for the end; the numbers that arrived."""
        sent = int(self.sender.communicate(timeout=180)[0])
        self.switch.sent -= self.count - sent  # it was told to stop
        self.count = sent
        numbers = []
        try:
            while True:
                self.socket.settimeout(5 if len(numbers) < sent else 0.2)  # what comes beyond was doubled
                numbers.append(struct.unpack('!I', self.socket.recv(2048)[:4])[0])
        except TimeoutError:
            self.socket.close()
        return numbers

    def assert_each_once(self):
        numbers = self.end()
        missing = sorted(set(range(self.count)) - set(numbers))
        doubled = len(numbers) - len(set(numbers))
        assert not missing and not doubled, \
            f'{len(missing)} of {self.count} datagrams are missing ({missing[:10]}…), {doubled} came twice'


class Switch:
    """br0 on datapath type system with the representors of VFs 0, 1, 2 as OpenFlow ports 1, 2, 3; hosts h0 and h1."""

    def __init__(self, net, daemons, **options):
        self.nic = nicsim.Nic(net, vfs=3)
        self.nic.mode('switchdev')
        self.nic.devices_up()
        wires = self.nic.connect('h0 h1')
        self.h0, self.h1 = wires[0].space, wires[1].space
        self.d = daemons(**options)
        self.sent = 0

    def add_bridge(self, *settings):
        self.d.vsctl('add-br', 'br0', '--', 'set', 'bridge', 'br0', 'datapath_type=system', 'fail_mode=secure', '--',
                     'set', 'open_vswitch', '.', 'other_config:max-idle=60000', *settings,
                     *[word for port in REPS for word in ('--', 'add-port', 'br0', port)])
        self.connect()

    def connect(self):
        self.ctl = Control(self.d.rundir)

    def unplug(self):
        netns.run('rmmod', 'nicsim')

    def plug(self):
        netns.run('insmod', os.environ['NICSIM_KO'], 'vfs=3')
        self.nic.mode('switchdev')
        self.nic.devices_up()
        macs = []
        for number, space in enumerate((self.h0, self.h1)):
            device = f'nic0vf{number}'
            netns.run('ip', 'link', 'set', device, 'netns', space.name)
            space.set_address(device, f'10.0.0.{number + 1}/24')
            space.run('sysctl', '-qw', f'net.ipv6.conf.{device}.disable_ipv6=1')
            space.run('ip', 'link', 'set', device, 'up')
            macs.append(space.mac(device))
        for number, space in enumerate((self.h0, self.h1)):
            space.run('ip', 'neigh', 'replace', f'10.0.0.{2 - number}', 'lladdr', macs[1 - number], 'dev', f'nic0vf{number}')

    def rules(self, *lines):
        """These rules and no others; all counters start anew."""
        self.d.ofctl('del-flows', 'br0')
        self.d.ofctl('add-flows', 'br0', '-', stdin=None, input='\n'.join(lines) + '\n')
        self.sent = 0

    def close(self):
        self.nic.close()

    # -- traffic ------------------------------------------------------------------------------------

    def ping(self, count=20, interval=0.02, check=True):
        out = self.h0.run('ping', '-n', '-q', '-c', count, '-i', interval, '-W', 5, '10.0.0.2', check=False, timeout=120)
        received = int(re.search(r'(\d+) received', out.stdout).group(1))
        if check:
            assert received == count, f'{received} of {count} pings answered'
        self.sent += count + received
        return received

    def stream(self, port, count, rate, **options):
        self.sent += count
        return Stream(self, port, count, rate, **options)

    def udp(self, port, count=20, rate=500, **options):
        self.stream(port, count, rate, **options).assert_each_once()

    def tcp(self, size):
        """SIZE bytes from h0 to h1: whether they came as they were sent, by digest."""
        server = self.h1.popen('/usr/bin/python3', '-c', 'import socket,hashlib\n'
                               's=socket.create_server(("10.0.0.2",5000));print("ready",flush=True);c,_=s.accept();'
                               'h=hashlib.sha256();n=0\n'
                               'while True:\n b=c.recv(65536)\n if not b: break\n h.update(b);n+=len(b)\n'
                               'print(n,h.hexdigest(),flush=True)', stdout=-1, text=True)
        assert server.stdout.readline() == 'ready\n'
        sent = self.h0.run('/usr/bin/python3', '-c', 'import socket,hashlib,os\n'
                           'c=socket.create_connection(("10.0.0.2",5000));h=hashlib.sha256()\n'
                           f'for i in range({size // 65536}):\n b=os.urandom(65536);h.update(b);c.sendall(b)\n'
                           f'c.close();print({size},h.hexdigest())')
        assert server.stdout.readline() == sent
        assert server.wait(20) == 0

    # -- what the kernel says -----------------------------------------------------------------------

    def filters(self):
        """All flower filters as tc tells them."""
        found = []
        for device in REPS:
            for one in json.loads(netns.run('tc', '-s', '-j', 'filter', 'show', 'dev', device, 'ingress', check=False).stdout or '[]'):
                if one['kind'] == 'flower' and 'actions' in one.get('options', {}):
                    found.append({'dev': device, 'prio': one['pref'], **one['options']})
        return found

    def hardware(self):
        """{(device, destination or so): packets} of what is in the NIC, by the NIC's counters."""
        counts = {}
        for one in self.filters():
            assert one.get('in_hw') and one.get('skip_sw'), one
            counts[one['dev'], one['prio'], one['handle']] = one['actions'][0]['stats'].get('hw_packets', 0)
        return counts

    def datapath(self):
        """Megaflows of openvswitch.ko: [(match, packets, actions)]."""
        out = netns.run('ovs-dpctl', 'dump-flows', 'ovs-system')
        return [(line, int(re.search(r'packets:(\d+)', line).group(1)), line.split('actions:')[1])
                for line in out.splitlines()]

    def datapath_packets(self):
        out = netns.run('ovs-dpctl', 'show', 'ovs-system')
        hit, missed = re.search(r'hit:(\d+) missed:(\d+)', out).groups()
        return int(hit) + int(missed)

    # -- what Sluice says ---------------------------------------------------------------------------

    def flows(self):
        return self.ctl.json('sluice/flows')['flows']

    def flow(self, *words):
        """The megaflow whose match contains all WORDS."""
        found = [flow for flow in self.flows() if all(word in flow['match'] for word in words)]
        assert len(found) == 1, (words, self.flows())
        return found[0]

    def tier(self, name='tc'):
        return next(tier for tier in self.ctl.json('sluice/offload-stats')['tiers'] if tier['tier'] == name)

    def counted(self, table=0):
        """Packets that the rules of a table have counted."""
        out = self.d.ofctl('dump-aggregate', 'br0', f'table={table}')
        return int(re.search(r'packet_count=(\d+)', out).group(1))

    def assert_counted(self, what):
        """Once quiet, OpenFlow's counters equal what was sent."""
        wait_until(lambda: self.counted() == self.sent, timeout=15, interval=0.3,
                   what=f'count of {self.sent} after {what} (counted: {self.counted()})')

    def settled(self, least):
        """Wait until OpenFlow has counted at least LEAST, and then for two readings that are the same."""
        seen = [0]

        def steady():
            seen.append(self.counted())
            return seen[-1] >= least and seen[-1] == seen[-2]
        wait_until(steady, what=f'count of {least}', interval=0.6)

    def wait_hardware(self, n=2):
        wait_until(lambda: len(self.hardware()) == n, what=f'{n} filters in the NIC', interval=0.1)
