# SPDX-License-Identifier: Apache-2.0
"""The main job on a kernel and a NIC: OpenFlow rules end up in the NIC through tc-flower, what it can't hold in
openvswitch.ko, and nothing is lost or counted twice. The kernel's own view (tc, ovs-dpctl) is the witness.

       h0            h1                        hosts behind VFs, 10.0.0.1 and 10.0.0.2
     nic0vf0       nic0vf1
    ====+=============+=====                   eswitch of the simulated NIC
        :             :
     nic0rep0      nic0rep1                    ports of br0, datapath_type=system
"""

import json
import re

import netns
import nicsim
import pytest
from wait import wait_until

COUNT = 20
SENDER = '''
import socket, sys, time
address, port, count, rate, tos = sys.argv[1], *map(int, sys.argv[2:])
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, tos)
start = time.monotonic()
for i in range(count):
    while time.monotonic() < start + i / rate:
        pass
    s.sendto(b'%08d' % i + bytes(92), (address, port))
'''
RECEIVER = '''
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUFFORCE, 1 << 24)
s.bind(('', int(sys.argv[1])))
print('ready', flush=True)
numbers = []
s.settimeout(float(sys.argv[2]))
try:
    while True:
        numbers.append(int(s.recv(2048)[:8]))
except TimeoutError:
    pass
print(len(numbers), len(set(numbers)), flush=True)
'''


class Switch:
    def __init__(self, nic, d, h0, h1):
        self.nic, self.d, self.h0, self.h1 = nic, d, h0.space, h1.space

    def rule_packets(self, match):
        """n_packets of the OpenFlow rule whose text contains MATCH."""
        found = [line for line in self.d.ofctl('dump-flows', 'br0').splitlines() if match in line]
        assert len(found) == 1, found
        return int(re.search(r'n_packets=(\d+)', found[0]).group(1))

    def flows(self):
        return json.loads(self.d.sluice('flows', '--json'))['flows']

    def flow(self, *words):
        """The megaflow whose match contains all WORDS."""
        found = [flow for flow in self.flows() if all(word in flow['match'] for word in words)]
        assert len(found) == 1, (words, self.flows())
        return found[0]

    def hardware(self):
        """Filters in the NIC and the packets that it counted, as tc sees them."""
        seen = {}
        for device in ('nic0rep0', 'nic0rep1'):
            for one in json.loads(netns.run('tc', '-s', '-j', 'filter', 'show', 'dev', device, 'ingress')):
                options = one.get('options', {})
                if one['kind'] == 'flower' and 'actions' in options:
                    assert options.get('in_hw'), one
                    stats = options['actions'][0]['stats']
                    seen[device, one['pref'], options['handle']] = stats.get('hw_packets', 0)
        return seen

    def udp(self, port, count=COUNT, rate=1000, tos=0, listen=None):
        """Numbered datagrams from h0 to h1: (received, distinct)."""
        receiver = self.h1.popen('/usr/bin/python3', '-c', RECEIVER, listen or port, 3, stdout=-1, text=True)
        assert receiver.stdout.readline() == 'ready\n'
        self.h0.run('/usr/bin/python3', '-c', SENDER, '10.0.0.2', port, count, rate, tos, timeout=120)
        return tuple(map(int, receiver.communicate(timeout=60)[0].split()))


@pytest.fixture
def switch(net, daemons):
    nic = nicsim.Nic(net, vfs=2)
    try:
        nic.mode('switchdev')
        nic.devices_up()
        h0, h1 = nic.connect('h0 h1')
        d = daemons()
        d.vsctl('add-br', 'br0', '--', 'set', 'bridge', 'br0', 'datapath_type=system', 'fail_mode=secure')
        d.vsctl('add-port', 'br0', 'nic0rep0', '--', 'add-port', 'br0', 'nic0rep1')
        d.ofctl('add-flow', 'br0', 'priority=1,actions=NORMAL')
        yield Switch(nic, d, h0, h1)
        d.stop()
    finally:
        nic.close()


def test_ping_moves_to_the_nic(switch):
    switch.h0.ping('10.0.0.2', count=3)
    wait_until(lambda: len(switch.hardware()) == 2, what='two filters in the NIC')
    before = switch.nic.counters()
    switch.h0.ping('10.0.0.2', count=COUNT)
    assert switch.nic.counters() == before, 'packets in hardware do not touch representors'
    assert all(count >= COUNT for count in switch.hardware().values()) or wait_until(
        lambda: all(count >= COUNT for count in switch.hardware().values()), what='hardware counters')
    wait_until(lambda: switch.rule_packets('NORMAL') == 2 * (COUNT + 3), what='OpenFlow counters')
    assert {flow['tier'] for flow in switch.flows() if flow['packets']} == {'tc'}
