# SPDX-License-Identifier: Apache-2.0
"""The main job on a kernel and a NIC: OpenFlow rules end up in the NIC through tc-flower, what it can't hold in
openvswitch.ko, and nothing is lost or counted twice. The kernel's own view (tc, ovs-dpctl) is the witness.

       h0            h1                        hosts behind VFs, 10.0.0.1 and 10.0.0.2
     nic0vf0       nic0vf1       nic0vf2
    ====+=============+=============+=====     eswitch of the simulated NIC
        :             :             :
     nic0rep0      nic0rep1      nic0rep2      ports 1, 2, 3 of br0, datapath_type=system
"""

import json

import netns
import pytest
from switch import OpenFlow, Switch
from wait import wait_until

COUNT = 20


@pytest.fixture
def switch(net, daemons):
    made = []

    def make(*settings, **options):
        made.append(Switch(net, daemons, **options))
        made[0].add_bridge(*settings)
        return made[0]
    yield make
    if made:
        made[0].d.stop()
        made[0].close()


def test_main_job(switch):
    """Expected: once both directions are in the NIC, ping, UDP and TCP don't touch representors or openvswitch.ko, and
    the NIC's counters are OpenFlow's. A frame on a representor would mean that a filter matches less than its twin."""
    s = switch()
    s.rules('priority=1,actions=NORMAL')
    s.ping(3)
    s.wait_hardware()
    seen, software = s.nic.counters(), s.datapath_packets()
    s.ping(COUNT)
    s.udp(9000, COUNT)
    assert s.nic.counters() == seen, 'packets in hardware do not touch representors'
    assert s.datapath_packets() == software, 'nor the software datapath'
    s.assert_counted('ping and UDP in hardware')
    assert sum(s.hardware().values()) == s.sent - software
    assert {flow['tier'] for flow in s.flows()} == {'tc'}
    s.tcp(4 << 20)
    assert s.nic.counters() == seen and s.datapath_packets() == software
    refusals(s)


def refusals(s):
    """DSCP is refused by the NIC's driver, a rewritten port by our own check: both stay in openvswitch.ko and forward."""
    s.rules('priority=1,actions=NORMAL', 'priority=20,udp,tp_dst=9001,actions=resubmit(,1)',
            'table=1,priority=20,udp,nw_tos=184,actions=NORMAL', 'table=1,priority=1,actions=NORMAL',
            'priority=20,udp,tp_dst=9002,actions=mod_tp_dst:9102,NORMAL')
    s.udp(9001, COUNT, tos=184)
    s.udp(9002, COUNT, listen=9102)
    s.udp(9003, COUNT)
    s.assert_counted('refused megaflows')
    words = s.ctl.json('sluice/explain')
    refused = {flow['refusal']['stage']: flow for flow in words['flows'] if flow['refusal']}
    assert set(refused) == {'driver', 'check'}, words
    driver, check = refused['driver']['refusal'], refused['check']['refusal']
    assert driver['culprit'] == 'field nw_tos' and driver['sentence'] == 'nicsim: cannot match on ip_tos (DSCP and ECN)'
    assert 'tp_dst' in check['culprit'] or 'udp_dst' in check['culprit'], check
    assert all(flow['tier'] == 'kernel' for flow in refused.values())
    assert s.flow('dst=9003')['tier'] == 'tc'
    in_nic, software = sum(s.hardware().values()), packets_for(s, 'dst=9001', 'dst=9002')
    s.udp(9001, COUNT, tos=184)
    s.udp(9002, COUNT, listen=9102)
    assert packets_for(s, 'dst=9001', 'dst=9002') == software + 2 * COUNT, 'the software datapath forwards them'
    s.assert_counted('refused megaflows again')
    assert sum(s.hardware().values()) == in_nic, 'and the NIC none'
    told = json.loads(s.d.sluice('--json', 'offload', 'explain'))
    assert {flow['refusal']['stage'] for flow in told['flows'] if flow['refusal']} == {'driver', 'check'}
    assert 'cannot match on ip_tos' in s.d.sluice('offload', 'explain')


def packets_for(s, *words):
    return sum(packets for match, packets, actions in s.datapath() if any(word in match for word in words))


FORTH = 'priority=1,in_port=1,actions=output:2'
BACK = 'priority=1,in_port=2,actions=output:1'


def counts(s, cache_age_ms):
    """OpenFlow counts each packet once, whatever the megaflow goes through meanwhile, and however late the NIC's counters
    are. A packet too few: a copy went before its last counters were known; too many: a reading was taken for another's."""
    s.nic.knob('cache_age_ms', cache_age_ms)
    s.rules(FORTH, BACK)
    s.udp(9000, 200)
    s.ping(COUNT)
    s.assert_counted('installation')
    s.ctl('sluice/demote', '--all')
    s.wait_hardware(0)
    stream = s.stream(9000, 500, 250)
    s.ctl('sluice/promote', '--all')
    s.wait_hardware(2)
    stream.assert_each_once()
    s.assert_counted('promotion under traffic')
    climbs(s)
    s.d.vsctl('set', 'open_vswitch', '.', 'other_config:max-idle=500')
    s.wait_hardware(0)
    assert not s.datapath()
    s.assert_counted('expiry')
    s.d.vsctl('set', 'open_vswitch', '.', 'other_config:max-idle=60000')
    removal_under_traffic(s)


def climbs(s):
    """Each change of actions enters on a better priority, the filter before it is read to the end."""
    before = s.tier()
    of = OpenFlow(s.d.rundir)
    stream = s.stream(9000, 600, 400)
    wait_until(lambda: s.hardware(), what='traffic in the NIC')
    for i in range(8):
        of.modify(1, *((3, 2) if i % 2 == 0 else (2,)))
        wait_until(lambda: s.tier()['modified'] > before['modified'] + i, what='change in the NIC')
    stream.assert_each_once()
    s.assert_counted('changes that climb')
    s.wait_hardware(2)
    assert s.tier()['modified'] - before['modified'] == 8
    assert s.tier()['last_counters'] == before['last_counters'], 'no copy was removed'
    # What a rule's packets were is told even if the NIC learns of them after another rule took over.
    s.udp(9000, COUNT)
    s.d.ofctl('add-flow', 'br0', 'priority=9,in_port=1,actions=output:3,output:2')
    s.udp(9000, 7)
    s.assert_counted('a rule that takes over')
    assert 'n_packets=7,' in s.d.ofctl('dump-flows', 'br0', 'in_port=1').split('priority=9')[0].splitlines()[-1]
    s.d.ofctl('del-flows', '--strict', 'br0', 'priority=9,in_port=1')
    s.sent -= 7


def removal_under_traffic(s):
    """What a removal under traffic may have missed is said before, and not more than that."""
    rate = 500
    s.udp(9000, COUNT)
    s.wait_hardware(1)
    before = s.tier()['last_counters']
    stream = s.stream(9000, 2 * rate, rate)
    wait_until(lambda: sum(s.hardware().values()) > COUNT, what='traffic in the NIC')
    s.ctl('sluice/demote', '--all')
    stream.assert_each_once()
    s.wait_hardware(0)
    last = s.tier()['last_counters']
    assert last['cached'] == before['cached'] + 1 and last['exact'] == before['exact'], last
    bound = last['cached_ms'] * rate / 1000 * 1.1 + 1
    s.settled(s.sent - bound)
    assert s.sent - bound <= s.counted() <= s.sent, (s.counted(), s.sent, last)
    s.ctl('sluice/promote', '--all')


def test_counts_to_the_packet(switch):
    s = switch()
    counts(s, 1000)
    counts(s, 0)


def test_no_packet_is_lost_or_doubled(switch):
    """A thousand datagrams a second arrive once each across a hundred installs, promotions, demotions and rule changes."""
    s = switch()
    s.rules(FORTH, BACK)
    s.ping(3)
    stream = s.stream(9000, 60000, 1000)
    before = s.tier('kernel')['installed']
    while s.tier('kernel')['installed'] < before + 100:
        s.ctl('dpctl/del-flows')
    before = s.tier()
    while s.tier()['installed'] < before['installed'] + 100:
        s.ctl('sluice/demote', '--all')
        s.ctl('sluice/promote', '--all')
    assert s.tier()['removed'] >= before['removed'] + 99
    of = OpenFlow(s.d.rundir)
    for i in range(100):
        of.modify(1, *((3, 2) if i % 2 == 0 else (2,)))
    assert stream.running(), 'the traffic ended too early'
    stream.sender.terminate()
    stream.assert_each_once()
