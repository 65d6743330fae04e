# SPDX-License-Identifier: Apache-2.0
"""The main job on any host: a NIC, simulated in process, above the userspace datapath.

    h1 (10.0.0.1) -- p1 [ simulated NIC | softdp | br0 ] p2 -- h2 (10.0.0.2)

Expected physics: what the NIC holds is counted by it and not by softdp; what it refuses forwards as well; moving a
megaflow up or down, or changing its rule, neither loses nor doubles a packet, and once the hosts are quiet the rules'
counters equal what the hosts sent. A difference of one proves that a packet was credited twice or to nobody.
"""

import json
import os
import re

import daemons as daemons_module
import pytest
from wait import wait_until

TIMES = 100  # moves, and changes, at least


def rate():
    """Datagrams a second. A sanitized build forwards fewer than the real one."""
    with open(os.path.join(daemons_module.build_dir(), 'meson-info', 'intro-buildoptions.json')) as file:
        options = {option['name']: option['value'] for option in json.load(file)}
    return 20000 if options['b_sanitize'] == 'none' else 2000


# Sends `count` datagrams; with a count of 0 until its input ends, and then says how many.
SENDER = '''
import select, socket, sys, time
address, port, count, rate, tos = sys.argv[1], *map(int, sys.argv[2:])
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, tos)
s.connect((address, port))
start = time.monotonic()
i = 0
while i < count or not count:
    late = start + i / rate - time.monotonic()
    if late > 0:
        time.sleep(late)  # a pace, not a condition
    if not count and i % 100 == 0 and select.select([0], [], [], 0)[0]:
        break
    s.send(b'%08d' % i + bytes(92))
    i += 1
print(i, flush=True)
'''
RECEIVER = '''
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, 33, 1 << 26)  # SO_RCVBUFFORCE
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
    def __init__(self, net, daemons):
        self.net = net
        space = net.namespace('sw')
        self.h1 = net.host(space, 'h1', '10.0.0.1/24', port='p1', offloads=False)
        self.h2 = net.host(space, 'h2', '10.0.0.2/24', port='p2', offloads=False)
        for host, other, address in ((self.h1, self.h2, '10.0.0.2'), (self.h2, self.h1, '10.0.0.1')):
            host.run('ip', 'neigh', 'replace', address, 'lladdr', other.mac('eth0'), 'dev', 'eth0')
        self.d = d = daemons(namespace=space)
        d.vsctl('set', 'open_vswitch', '.', 'other_config:sluice-simulated-nic=true')
        d.vsctl('add-br', 'br0', '--', 'set', 'bridge', 'br0', 'datapath_type=netdev', 'fail_mode=secure')
        d.vsctl('add-port', 'br0', 'p1', '--', 'add-port', 'br0', 'p2')
        # Directions are told by rules of their own, so that each host's packets have a counter.
        for n, out in ((1, 2), (2, 1)):
            d.ofctl('add-flow', 'br0', f'priority=5,in_port={n},actions=output:{out}')

    def rules(self):
        return self.d.ofctl('dump-flows', 'br0')

    def counted(self, match):
        """n_packets of the one rule whose text contains MATCH."""
        found = re.findall(rf'n_packets=(\d+),[^\n]*{match}', self.rules())
        assert len(found) == 1, (match, self.rules())
        return int(found[0])

    def flows(self):
        return json.loads(self.d.sluice('flows', '--json'))['flows']

    def flow(self, *words):
        found = [flow for flow in self.flows() if all(word in flow['match'] for word in words)]
        assert len(found) == 1, (words, self.flows())
        return found[0]

    def receiver(self, port, quiet=2):
        child = self.h2.popen('/usr/bin/python3', '-c', RECEIVER, port, quiet, stdout=-1, text=True)
        assert child.stdout.readline() == 'ready\n'
        return child

    def sender(self, port, count, rate, tos=0):
        return self.h1.popen('/usr/bin/python3', '-c', SENDER, '10.0.0.2', port, count, rate, tos, stdin=-1, stdout=-1, text=True)

    def under_traffic(self, step):
        """Numbered datagrams from h1 to h2 while STEP(n) is done TIMES times. All arrive once; returns how many."""
        receiver, sender = self.receiver(9000), self.sender(9000, 0, rate())
        for n in range(TIMES):
            step(n)
        sent = int(sender.communicate('', timeout=20)[0])
        received = tuple(map(int, receiver.communicate(timeout=60)[0].split()))
        assert received == (sent, sent), f'{sent} sent, (received, distinct) {received}: {self.d.appctl("dpctl/show")}'
        return sent

    def udp(self, port, count, rate=1000, tos=0, listen=None):
        """Numbered datagrams from h1 to h2: (received, distinct)."""
        receiver = self.receiver(listen or port)
        self.sender(port, count, rate, tos).communicate(timeout=60)
        return tuple(map(int, receiver.communicate(timeout=60)[0].split()))


@pytest.fixture
def switch(net, daemons):
    return Switch(net, daemons)


def test_what_the_nic_holds_is_counted_by_the_nic(switch):
    switch.h1.ping('10.0.0.2', count=2)
    wait_until(lambda: {flow['tier'] for flow in switch.flows()} == {'simulated'}, what='megaflows in the NIC')
    hit = int(re.search(r'hit:(\d+)', switch.d.appctl('dpctl/show')).group(1))
    switch.h1.ping('10.0.0.2', count=20)
    assert int(re.search(r'hit:(\d+)', switch.d.appctl('dpctl/show')).group(1)) == hit, 'softdp forwarded some'
    for match in ('in_port=1', 'in_port=2'):
        wait_until(lambda: switch.counted(match) == 22, what=f'22 packets of {match}')
    assert sum(flow['hardware_packets'] for flow in switch.flows()) >= 40


def test_refusals_tell_stage_culprit_and_sentence(switch):
    for rule in ('priority=20,in_port=1,udp,tp_dst=9001,actions=resubmit(,1)',
                 'table=1,priority=1,udp,nw_tos=184,actions=output:2',
                 'priority=20,in_port=1,udp,tp_dst=9002,actions=mod_tp_dst:9000,output:2'):
        switch.d.ofctl('add-flow', 'br0', rule)
    assert switch.udp(9001, 20, tos=184) == (20, 20)
    assert switch.udp(9002, 20, listen=9000) == (20, 20)
    assert switch.udp(9003, 20) == (20, 20)
    by_nic, by_check = switch.flow('dst=9001'), switch.flow('dst=9002')
    assert (by_nic['tier'], by_nic['refusal']['stage'], by_nic['refusal']['culprit']) == ('softdp', 'driver', 'field nw_tos')
    assert by_nic['refusal']['sentence'].startswith('nicsim: ')
    assert (by_check['tier'], by_check['refusal']['stage']) == ('softdp', 'check')
    assert 'udp_dst' in by_check['refusal']['culprit']
    text = switch.d.sluice('offload', 'explain')
    assert "the NIC's driver refused it" in text and 'our own check refused it' in text
    assert switch.counted('tp_dst=9002') == 20


def test_changes_lose_double_and_miscount_nothing(switch):
    """Its rule changes, and with it the megaflow, in place: h3 gets a copy, or not."""
    switch.net.host(switch.d.namespace, 'h3', '10.0.0.3/24', port='p3', offloads=False)
    switch.d.vsctl('add-port', 'br0', 'p3')
    rule = 'priority=20,in_port=1,udp'
    switch.d.ofctl('add-flow', 'br0', f'{rule},actions=output:2')
    sent = switch.under_traffic(lambda n: switch.d.ofctl(
        'mod-flows', '--strict', 'br0', f'{rule},actions={"output:2" if n % 2 else "output:3,output:2"}'))
    assert switch.flow('proto=17')['tier'] == 'simulated'
    wait_until(lambda: switch.counted('udp,in_port=1') == sent, what='OpenFlow counters to the packet')


def test_moves_lose_and_double_nothing(switch):
    """The megaflow goes up and down. A demotion under traffic takes the NIC's last counters from its cache: what that may
    have cost is reported, and it is not more."""
    d = switch.d
    d.ofctl('add-flow', 'br0', 'priority=20,in_port=1,udp,actions=output:2')

    def tiers(wanted):
        def there():
            flows = switch.flows()
            assert flows and all(flow['tier'] == wanted for flow in flows), flows
            return True
        wait_until(there, what=f'megaflows in {wanted}')

    def move(n):
        tiers('simulated')
        d.sluice('offload', 'demote', '--all')
        tiers('softdp')
        d.sluice('offload', 'promote', '--all')

    sent = switch.under_traffic(move)
    d.appctl('revalidator/wait')
    last = [tier for tier in json.loads(d.sluice('offload', 'stats', '--json'))['tiers'] if tier['hardware']][0]['last_counters']
    bound = last['short_by'] + last['cached'] * last['cached_ms'] * rate() / 1000
    missing = sent - switch.counted('udp,in_port=1')
    assert 0 <= missing <= bound, (missing, last)


def test_expiry_keeps_counts(switch):
    d = switch.d
    d.vsctl('set', 'open_vswitch', '.', 'other_config:max-idle=1500')
    for total in (10, 20, 30):
        switch.h1.ping('10.0.0.2', count=10)
        wait_until(lambda: switch.flows() == [], what='expired megaflows')
        assert switch.counted('in_port=1') == total
        assert switch.counted('in_port=2') == total


def test_hw_offload_off_empties_the_nic(switch):
    d = switch.d
    switch.h1.ping('10.0.0.2')
    wait_until(lambda: {flow['tier'] for flow in switch.flows()} == {'simulated'}, what='megaflows in the NIC')
    d.vsctl('set', 'open_vswitch', '.', 'other_config:hw-offload=false')
    wait_until(lambda: {flow['tier'] for flow in switch.flows()} == {'softdp'}, what='an empty NIC')
    switch.h1.ping('10.0.0.2', count=5)
    d.vsctl('remove', 'open_vswitch', '.', 'other_config', 'hw-offload')
    wait_until(lambda: {flow['tier'] for flow in switch.flows()} == {'simulated'}, what='megaflows in the NIC again')
    switch.h1.ping('10.0.0.2', count=5)
    wait_until(lambda: switch.counted('in_port=1') == 11, what='11 packets')
