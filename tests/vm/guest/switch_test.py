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
import os

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
        try:
            made[0].d.stop()
        finally:
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
    before = now = s.tier()
    while min(now['installed'] - before['installed'], now['removed'] - before['removed']) < 100:
        s.ctl('sluice/demote', '--all')
        s.ctl('sluice/promote', '--all')
        now = s.tier()
    of = OpenFlow(s.d.rundir)
    for i in range(100):
        of.modify(1, *((3, 2) if i % 2 == 0 else (2,)))
    assert stream.running(), 'the traffic ended too early'
    stream.sender.terminate()
    stream.assert_each_once()


def test_faults(switch):
    """Whatever the NIC or the kernel does, packets go on, OpenFlow answers, and it is said what is wrong."""
    s = switch()
    s.rules('priority=1,actions=NORMAL', 'priority=5,udp,tp_dst=9001,actions=NORMAL')
    full_table(s)
    failing_inserts(s)
    hanging_inserts(s)
    offload_off_and_on(s)
    killed(s)
    ports_vanish(s)
    clean_exit(s)


def anew(s):
    """No megaflows; those of the next packets are offered afresh."""
    s.ctl('dpctl/del-flows')
    s.wait_hardware(0)


def full_table(s):
    anew(s)
    s.nic.knob('capacity', 1)
    s.ping(COUNT)
    s.udp(9001, COUNT)
    wait_until(lambda: [f['refusal']['stage'] for f in s.flows() if f['refusal']] == ['capacity'] * 2, what='full table')
    assert len(s.hardware()) == 1
    full = next(flow for flow in s.flows() if flow['refusal'])
    assert full['refusal']['error'] == 'ENOSPC' and full['tier'] == 'kernel', full
    s.nic.knob('capacity', 65536)
    s.wait_hardware(3)
    s.assert_counted('a full table')


def failing_inserts(s):
    anew(s)
    s.nic.knob('fail_errno', 5)
    s.nic.knob('fail_inserts', 2)
    s.ping(COUNT)
    wait_until(lambda: [f['refusal']['error'] for f in s.flows() if f['refusal']] == ['EIO'] * 2, what='refusals')
    s.wait_hardware(2)
    s.assert_counted('failing inserts')


def hanging_inserts(s):
    """The inserter sits in the kernel; nobody waits for it, and when it is back, so is the NIC."""
    anew(s)
    s.nic.knob('hang_inserts', 1)
    s.ping(COUNT)
    wait_until(lambda: s.tier()['health'] == 'hung', what='declared hung')
    assert s.tier()['hangs'] == 1
    assert {f['refusal']['stage'] for f in s.flows() if f['refusal']} == {'timeout'}, s.flows()
    s.ping(COUNT)
    s.udp(9001, COUNT)
    s.d.ofctl('add-flow', 'br0', 'priority=7,udp,tp_dst=9007,actions=NORMAL')
    s.udp(9007, COUNT)
    s.nic.knob('hang_inserts', 0)
    wait_until(lambda: s.tier()['health'] == 'good', what='health of the NIC')
    s.ping(COUNT)
    s.wait_hardware(4)
    s.assert_counted('hanging inserts')


def offload_off_and_on(s):
    s.d.vsctl('set', 'open_vswitch', '.', 'other_config:hw-offload=false')
    s.wait_hardware(0)
    s.ping(COUNT)
    assert {f['refusal']['stage'] for f in s.flows()} == {'policy'}
    s.d.vsctl('set', 'open_vswitch', '.', 'other_config:hw-offload=true')
    s.wait_hardware(4)
    s.ping(COUNT)
    s.assert_counted('offload off and on')


def vports():
    return sorted(line.strip() for line in netns.run('ovs-dpctl', 'show', 'ovs-system').splitlines() if ' port ' in line)


def killed(s):
    """A new process takes over datapath and ports, and removes megaflows of the old one, in the NIC too."""
    before = vports()
    s.d.kill()
    assert len(s.hardware()) == 4, 'the NIC goes on'
    s.h1.run('true')
    s.d.start_sluiced()
    s.connect()
    wait_until(lambda: vports() == before, what='the same ports')
    assert not s.hardware() and not s.datapath()
    s.rules('priority=1,actions=NORMAL')
    s.ping(COUNT)
    s.wait_hardware(2)
    s.ping(COUNT)
    s.assert_counted('restart')
    assert vports() == before and len(s.datapath()) == 2


def ports_vanish(s):
    """The NIC is pulled with filters in it, and comes back."""
    s.d.allow('No such device')
    state = lambda: s.d.vsctl('--columns=ofport', '--no-heading', 'list', 'interface').split()
    s.unplug()
    wait_until(lambda: state().count('-1') == 3, what='errors of the ports')
    assert 'No such device' in s.d.vsctl('get', 'interface', 'nic0rep1', 'error')
    assert len(vports()) == 2, vports()
    wait_until(lambda: not s.flows(), what='end of their megaflows')
    s.plug()
    wait_until(lambda: '-1' not in state(), what='return of the ports')
    s.ping(COUNT)
    s.wait_hardware(2)


def clean_exit(s):
    s.d.appctl('exit', '--cleanup')
    s.d.sluiced.process.wait(30)
    s.d.sluiced = None
    assert not s.hardware()
    assert 'clsact' not in netns.run('tc', 'qdisc')
    assert 'ovs-system' not in netns.run('ovs-dpctl', 'show', check=False).stdout
    assert 'br0' not in netns.run('ip', 'link')


def test_without_the_module(net, daemons):
    """`system` is an error in the bridge's row; where the type is left open, `show` says what is used instead."""
    netns.run('rmmod', 'openvswitch', check=False)
    netns.run('modprobe', 'tun')
    netns.run('sh', '-c', 'mkdir -p /etc/modprobe.d && echo install openvswitch /bin/false >/etc/modprobe.d/none.conf')
    try:
        d = daemons()
        d.allow('openvswitch')
        d.vsctl('add-br', 'br1', '--', 'set', 'bridge', 'br1', 'datapath_type=system', check=False)
        assert 'openvswitch module' in d.vsctl('get', 'interface', 'br1', 'error')
        d.vsctl('add-br', 'br2')
        shown = {bridge['name']: bridge for bridge in json.loads(d.sluice('--json', 'show'))['bridges']}
        assert shown['br2']['datapath'] == 'netdev' and 'openvswitch module' in shown['br2']['note'], shown
        assert 'openvswitch module' in d.sluice('show')
        d.stop()
    finally:
        os.unlink('/etc/modprobe.d/none.conf')


def test_tc_in_software(switch):
    """tc-policy=skip_hw: filters serve in tc's software classifier, before openvswitch.ko, and count all the same."""
    s = switch('other_config:tc-policy=skip_hw')
    s.rules('priority=1,actions=NORMAL')
    s.ping(3)
    wait_until(lambda: len(s.filters()) == 2, what='filters in tc')
    assert all(one.get('skip_hw') and not one.get('in_hw') for one in s.filters())
    software = s.datapath_packets()
    s.ping(COUNT)
    s.udp(9000, COUNT)
    assert s.datapath_packets() == software
    s.assert_counted('tc in software')
