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
from switch import REPS, Switch
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
    software = [packets for match, packets, actions in s.datapath() if 'dst=9001' in match or 'dst=9002' in match]
    assert software == [COUNT - 1] * 2, (s.datapath(), words)
    assert s.flow('dst=9003')['tier'] == 'tc'
    told = json.loads(s.d.sluice('--json', 'offload', 'explain'))
    assert {flow['refusal']['stage'] for flow in told['flows'] if flow['refusal']} == {'driver', 'check'}
    assert 'cannot match on ip_tos' in s.d.sluice('offload', 'explain')
