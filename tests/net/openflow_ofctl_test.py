# SPDX-License-Identifier: Apache-2.0
"""Unmodified ovs-ofctl against the OpenFlow agent with a real pipeline behind it.

ovs-ofctl -- BRIDGE.mgmt -- openflow_bridge (agent, pipeline; no datapath)

Expected: every command does what its manual says, in 1.0 (with NXM) and 1.3; what is not offered is
refused with OpenFlow's word for it. A failure means that users' scripts would break.
"""

import re
import subprocess

import pytest

from openflow_helpers import Bridge, wait_for

VERSIONS = ['OpenFlow10', 'OpenFlow13']

FLOWS = [
    # As given, and as 1.0 and 1.3 show it where that differs.
    ('priority=10,in_port=1,dl_src=00:11:22:33:44:55 actions=output:2',),
    ('in_port=LOCAL,dl_dst=01:00:00:00:00:00/01:00:00:00:00:00 actions=NORMAL',),
    ('dl_vlan=5,dl_vlan_pcp=3 actions=strip_vlan,output:1', None, 'dl_vlan=5,dl_vlan_pcp=3 actions=pop_vlan,output:1'),
    ('vlan_tci=0x1000/0x1000 actions=ALL',),
    ('dl_type=0x1234 actions=mod_vlan_vid:7,mod_vlan_pcp:2,FLOOD', None,
     'dl_type=0x1234 actions=push_vlan:0x8100,set_field:4103->vlan_vid,set_field:2->vlan_pcp,FLOOD'),
    ('arp,arp_spa=10.0.0.1,arp_tpa=10.0.0.0/24,arp_op=1,arp_sha=01:02:03:04:05:06 actions=LOCAL,IN_PORT',),
    ('ip,nw_src=10.0.0.0/8,nw_dst=10.1.2.3,nw_tos=8,nw_ttl=64 actions=mod_nw_src:1.2.3.4,mod_nw_tos:16,output:1',
     None, 'ip,nw_src=10.0.0.0/8,nw_dst=10.1.2.3,nw_tos=8,nw_ttl=64 '
           'actions=set_field:1.2.3.4->ip_src,set_field:4->ip_dscp,output:1'),
    ('ip,nw_ecn=1,nw_frag=later actions=drop',),
    ('ipv6,ipv6_src=2001:db8::/32,ipv6_dst=2001:db8::1,ipv6_label=0x00005 actions=CONTROLLER:128',),
    ('tcp,tp_src=1,tp_dst=0x50/0xfff0,tcp_flags=+syn-ack actions=mod_tp_dst:22,output:2', None,
     'tcp,tp_src=1,tp_dst=0x50/0xfff0,tcp_flags=+syn-ack actions=set_field:22->tcp_dst,output:2'),
    ('tcp6,tp_dst=443 actions=controller(reason=no_match,max_len=5,id=9)',),
    ('udp,tp_src=53 actions=mod_dl_src:01:02:03:04:05:06,output:2', None,
     'udp,tp_src=53 actions=set_field:01:02:03:04:05:06->eth_src,output:2'),
    ('icmp,icmp_type=8,icmp_code=0 actions=resubmit:3,resubmit(,7),resubmit(1,2)',),
    ('icmp6,icmp_type=135,nd_target=fe80::1,nd_sll=01:02:03:04:05:06 actions=drop',),
    ('reg0=0x5,reg15=0x10/0xf0,metadata=0x6/0x7 actions=load:0x1->NXM_NX_REG1[],load:0x3->NXM_NX_REG2[4..7],'
     'move:NXM_NX_REG1[0..3]->NXM_NX_REG2[4..7],write_metadata:0x3/0x7',),
    ('table=4,udp6 actions=goto_table:7', 'table=4,udp6 actions=resubmit(,7)',
     'table=4,udp6 actions=goto_table:7'),
    ('table=5,ip actions=clone(output:2),output:1',),
    ('table=6,priority=3,sctp,tp_dst=4 actions=output:1',),
]


@pytest.fixture
def bridge(results):
    bridge = Bridge(results)
    yield bridge
    bridge.close()


def dump(bridge, version, *match):
    """Flows as texts, without what changes."""
    text = bridge.ofctl('--no-stats', 'dump-flows', '@', *match, version=version)
    flows = []
    for line in text.splitlines():
        if 'actions=' in line:
            line = re.sub(r'(reset_counts|check_overlap) |idle_age=\d+, |cookie=0x0, ', '', line)
            flows.append(re.sub(r'(table=\d+), ', r'\1,', line).strip())
    return sorted(flows)


@pytest.mark.parametrize('version', VERSIONS)
def test_flows_come_back_as_they_went(bridge, version):
    for flow, *_ in FLOWS:
        bridge.ofctl('add-flow', '@', flow, version=version)
    column = VERSIONS.index(version) + 1
    shown = dump(bridge, version)
    want = sorted(flow[column] or flow[0] if len(flow) > 1 else flow[0] for flow in FLOWS)
    assert shown == want


def test_both_versions_show_the_same_flows(bridge):
    for flow, *_ in FLOWS:
        bridge.ofctl('add-flow', '@', flow)
    assert len(dump(bridge, 'OpenFlow10')) == len(dump(bridge, 'OpenFlow13')) == len(FLOWS)
    # A dump in one version, added again in the other, is the same set.
    for line in dump(bridge, 'OpenFlow13'):
        bridge.ofctl('add-flow', '@', line, version='OpenFlow13')
    assert len(dump(bridge, 'OpenFlow10')) == len(FLOWS)


@pytest.mark.parametrize('version', VERSIONS)
def test_modify_and_delete(bridge, version, tmp_path):
    flows = tmp_path / 'flows'
    flows.write_text('priority=5,tcp,nw_src=10.0.0.0/8 actions=output:1\n'
                     'priority=6,udp actions=output:2\n'
                     'table=1,priority=6,arp,cookie=0x1234 actions=NORMAL\n')
    bridge.ofctl('add-flows', '@', str(flows), version=version)
    assert len(dump(bridge, version)) == 3
    bridge.ofctl('mod-flows', '@', 'ip actions=drop', version=version)
    assert dump(bridge, version, 'tcp') == ['priority=5,tcp,nw_src=10.0.0.0/8 actions=drop']
    bridge.ofctl('--strict', 'mod-flows', '@', 'priority=6,udp actions=output:7', version=version)
    assert dump(bridge, version, 'udp') == ['priority=6,udp actions=output:7']
    # Modifying what isn't there adds it in 1.0 and does nothing from 1.1 on.
    bridge.ofctl('mod-flows', '@', 'sctp actions=drop', version=version)
    assert len(dump(bridge, version, 'sctp')) == (version == 'OpenFlow10')
    bridge.ofctl('del-flows', '@', 'sctp', version=version)
    bridge.ofctl('--strict', 'del-flows', '@', 'priority=7,udp', version=version)
    assert len(dump(bridge, version)) == 3
    bridge.ofctl('--strict', 'del-flows', '@', 'priority=6,udp', version=version)
    assert len(dump(bridge, version)) == 2
    assert len(dump(bridge, version, 'cookie=0x1234/-1')) == 1
    bridge.ofctl('del-flows', '@', 'cookie=0x1234/-1', version=version)
    assert dump(bridge, version) == ['priority=5,tcp,nw_src=10.0.0.0/8 actions=drop']
    bridge.ofctl('add-flow', '@', 'arp actions=output:2', version=version)
    assert dump(bridge, version, 'out_port=2') == ['arp actions=output:2']
    bridge.ofctl('del-flows', '@', 'out_port=2', version=version)
    assert len(dump(bridge, version)) == 1
    if version == 'OpenFlow10':  # where ovs-ofctl can't say tables in these commands
        flows.write_text('priority=5,tcp,nw_src=10.0.0.0/8 actions=output:1\npriority=6,udp actions=output:2\n')
    bridge.ofctl('replace-flows', '@', str(flows), version=version)
    assert bridge.ofctl('diff-flows', '@', str(flows), version=version) == ''
    assert len(dump(bridge, version)) == (2 if version == 'OpenFlow10' else 3)
    bridge.ofctl('del-flows', '@', version=version)
    assert dump(bridge, version) == []


@pytest.mark.parametrize('version', VERSIONS)
def test_statistics(bridge, version):
    bridge.ofctl('add-flow', '@', 'table=2,ip actions=drop', version=version)
    bridge.ofctl('add-flow', '@', 'tcp,idle_timeout=5,hard_timeout=7 actions=drop', version=version)
    assert 'flow_count=2' in bridge.ofctl('dump-aggregate', '@', version=version)
    assert 'flow_count=1' in bridge.ofctl('dump-aggregate', '@', 'table=2', version=version)
    text = bridge.ofctl('dump-flows', '@', 'tcp', version=version)
    assert re.search(r'duration=\d+\.\d+s, table=0, n_packets=0, n_bytes=0, idle_timeout=5, hard_timeout=7', text)
    assert re.search(r'table 2.*:\n    active=1, lookup=0, matched=0', bridge.ofctl('dump-tables', '@', version=version))
    ports = bridge.ofctl('dump-ports', '@', version=version)
    assert '3 ports' in ports and 'rx pkts=1, bytes=1000, drop=?, errs=?' in ports
    assert ('duration=5.000000007s' in ports) == (version == 'OpenFlow13')
    assert '1 ports' in bridge.ofctl('dump-ports', '@', 'p2', version=version)
    assert '0 queues' in bridge.ofctl('queue-stats', '@', version=version)
    assert '1(p1): addr:02:00:00:00:00:01' in bridge.ofctl('dump-ports-desc', '@', version=version)
    assert 'Manufacturer: Sluice' in bridge.ofctl('dump-desc', '@', version=version)
    show = bridge.ofctl('show', '@', version=version)
    assert 'dpid:0000123456789abc' in show and 'LOCAL(br0)' in show and 'n_tables:254' in show
    assert 'current:    10GB-FD COPPER' in show and 'frags=normal' in show
    bridge.ofctl('dump-groups', '@', version=version)
    bridge.ofctl('dump-group-stats', '@', version=version)
    bridge.ofctl('probe', '@', version=version)


def test_table_features(bridge):
    text = bridge.ofctl('dump-table-features', '@', version='OpenFlow13')
    assert 'tables 1...252: ditto' in text
    assert re.search(r'arbitrary mask: .*metadata', text)
    assert re.search(r'instructions: apply_actions clear_actions write_actions write_metadata goto_table', text)


@pytest.mark.parametrize('version', VERSIONS)
def test_ports_and_configuration(bridge, version):
    bridge.ofctl('mod-port', '@', 'p1', 'no-receive', version=version)
    assert 'NO_RECV' in bridge.ofctl('show', '@', version=version)
    assert 'port-mod 1 config=4 mask=4' in bridge.said
    assert bridge.ofctl('mod-port', '@', '9', 'up', version=version, check=False).returncode
    bridge.ofctl('set-frags', '@', 'drop', version=version)
    assert bridge.ofctl('get-frags', '@', version=version) == 'drop\n'
    assert bridge.ofctl('set-frags', '@', 'reassemble', version=version, check=False).returncode
    bridge.ofctl('packet-out', '@', 'in_port=controller packet=ffffffffffff0011223344550800 actions=output:1,output:2',
                 version=version)
    bridge.wait(lambda: 'packet-out in_port=4294967293 actions=2 frame=ffffffffffff0011223344550800' in bridge.said)


REFUSED = [
    ('dec_ttl', 'OFPBAC_BAD_VENDOR_TYPE', 'OFPBAC_BAD_TYPE'),
    ('learn(table=1)', 'OFPBAC_BAD_VENDOR_TYPE', 'OFPBAC_BAD_VENDOR_TYPE'),
    ('ct(commit)', 'OFPBAC_BAD_VENDOR_TYPE', 'OFPBAC_BAD_VENDOR_TYPE'),
    ('group:5', 'OFPBAC_BAD_OUT_GROUP', 'OFPBAC_BAD_OUT_GROUP'),
    ('enqueue:1:2', 'OFPBAC_BAD_TYPE', 'OFPBAC_BAD_TYPE'),
    ('meter:1', None, 'OFPBIC_UNSUP_INST'),
]


@pytest.mark.parametrize('version', VERSIONS)
def test_what_is_not_offered_is_refused(bridge, version):
    for action, *errors in REFUSED:
        error = errors[VERSIONS.index(version)]
        done = bridge.ofctl('add-flow', '@', f'ip actions={action}', version=version, check=False)
        assert done.returncode, action
        if error:
            assert error in done.stderr, action
    for flow, error in (('check_overlap,tcp actions=output:1', 'OFPFMFC_OVERLAP'),
                        ('table=254,ip actions=drop', 'BAD_TABLE_ID')):
        bridge.ofctl('add-flow', '@', 'ip actions=drop', version=version)
        done = bridge.ofctl('add-flow', '@', flow, version=version, check=False)
        assert done.returncode and error in done.stderr, flow
    done = bridge.ofctl('add-group', '@', 'group_id=1,type=all,bucket=output:1', version=version, check=False)
    assert done.returncode and 'OFPGMFC_OUT_OF_GROUPS' in done.stderr
    assert len(dump(bridge, version)) == 1


def test_bundles_are_refused(bridge, tmp_path):
    flows = tmp_path / 'flows'
    flows.write_text('ip actions=drop\n')
    done = bridge.ofctl('--bundle', 'add-flows', '@', str(flows), version='OpenFlow13', check=False)
    assert done.returncode and 'OFPBRC_BAD_VENDOR' in done.stderr
    done = bridge.ofctl('--bundle', 'add-flows', '@', str(flows), version='OpenFlow14', check=False)
    assert done.returncode and 'no usable' in done.stderr.lower() or 'failed to connect' in done.stderr


def monitor(bridge, results, *arguments, version='OpenFlow10'):
    """ovs-ofctl monitor, running; its output so far by calling what is returned."""
    path = f'{results}/monitor.out'
    with open(path, 'wb') as output:
        process = subprocess.Popen(['ovs-ofctl', '-O', version, *arguments, 'monitor', f'unix:{bridge.path}', '65534'],
                                   env=bridge.environment, stdout=output, stderr=output, stdin=subprocess.DEVNULL)
    return process, lambda: open(path).read()


@pytest.mark.parametrize('version', VERSIONS)
@pytest.mark.parametrize('form', ['standard', 'nxt_packet_in', 'nxt_packet_in2'])
def test_monitor(bridge, results, version, form):
    process, said = monitor(bridge, results, '-P', form, version=version)
    try:
        connection = bridge.connect()
        frame = 'ffffffffffff0011223344550800' + '00' * 46

        def packet_in_seen():
            bridge.do(f'packet-in 2 1 0xabc 65535 {frame}')
            return 'PACKET_IN' in said()
        wait_for(packet_in_seen, 'packet-in')  # it takes a moment until the monitor has asked
        wait_for(lambda: 'total_len=60 in_port=2' in said() or 'total_len=60' in said() and 'in_port=2' in said(),
                 said())
        assert '(via action)' in said()
        if version == 'OpenFlow13' or form != 'standard':
            assert 'cookie=0xabc' in said() and 'reg1=0x1234' in said() and 'table_id=3' in said()
        bridge.do('port-add 7 p7')
        wait_for(lambda: re.search(r'PORT_STATUS.*ADD: 7\(p7\)', said(), re.S), said())
        bridge.ofctl('add-flow', '@', 'send_flow_rem,idle_timeout=3,cookie=0x77,ip actions=drop')
        bridge.do('warp 60000')
        wait_for(lambda: re.search(r'FLOW_REMOVED.*: ip reason=idle table_id=0 cookie:0x77 ', said()) or
                 version == 'OpenFlow10' and re.search(r'FLOW_REMOVED.*: ip reason=idle ', said()), said())
        connection.close()
    finally:
        process.terminate()
        process.wait()


def test_service_connections_are_told_nothing_unasked(bridge):
    connection = bridge.connect()
    bridge.do('port-add 7 p7')
    bridge.do('packet-in 2 1 0 100 ffffffffffff0011223344550800')
    assert connection.barrier() == []


def test_switch_to_nxm_only_for_flow_removed(bridge, results):
    """1.0 clients that speak NXM are told of removed flows in NXM."""
    connection = bridge.connect(1)
    assert connection.nicira(12, b'\0\0\0\2') == []  # flow format NXM
    assert connection.ask(9, b'\0\0\0\x80') == []  # set-config: now it wants to hear
    bridge.ofctl('add-flow', '@', 'send_flow_rem,table=3,reg1=7 actions=drop')
    bridge.ofctl('del-flows', '@')
    found = connection.barrier()
    assert [m.kind for m in found] == [4]
    assert found[0].body[:8] == b'\0\0\x23\x20\0\0\0\x0e'
    assert found[0].body[8 + 11] == 4  # table + 1
