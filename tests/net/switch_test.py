# SPDX-License-Identifier: Apache-2.0
"""The switch on any host, driven by unmodified tools.

    h1 (10.0.0.1) -- p1 [ br0, userspace datapath ] p2 -- h2 (10.0.0.2)

Expected: NORMAL learns and forwards; a rule's counters equal the packets that the hosts sent, ARP included;
what the database asks for is done and written back. A missing count would mean that a packet was credited
twice or to nobody.
"""

import json
import re
import subprocess

from wait import wait_until


def two_hosts(net, daemons, **options):
    switch = net.namespace('sw')
    h1 = net.host(switch, 'h1', '10.0.0.1/24', port='p1')
    h2 = net.host(switch, 'h2', '10.0.0.2/24', port='p2')
    d = daemons(namespace=switch, **options)
    d.vsctl('add-br', 'br0', '--', 'set', 'bridge', 'br0', 'datapath_type=netdev')
    d.vsctl('add-port', 'br0', 'p1', '--', 'add-port', 'br0', 'p2')
    return d, h1, h2


def packets_of(d, match='NORMAL'):
    found = re.search(rf'n_packets=(\d+), n_bytes=(\d+).*{match}', d.ofctl('dump-flows', 'br0'))
    return int(found.group(1)), int(found.group(2))


def test_normal_counts_each_packet_once(net, daemons):
    d, h1, h2 = two_hosts(net, daemons)
    for host, other, ns in ((h1, '10.0.0.2', h2), (h2, '10.0.0.1', h1)):
        host.run('ip', 'neigh', 'replace', other, 'lladdr', ns.mac('eth0'), 'dev', 'eth0')
    h1.ping('10.0.0.2', count=5)
    assert packets_of(d) == (10, 10 * 98)


def test_tables_of_unmodified_tools(net, daemons):
    d, h1, h2 = two_hosts(net, daemons)
    h1.ping('10.0.0.2')
    assert re.search(r'^ +1 +0 +' + h1.mac('eth0'), d.appctl('fdb/show', 'br0'), re.M)
    assert 'in_port(' in d.appctl('dpctl/dump-flows')
    assert re.search(r'port \d+: p1$', d.appctl('dpctl/show'), re.M)
    assert '(current ' in d.appctl('upcall/show')
    assert 'br0' in d.appctl('ofproto/list')
    d.appctl('dpctl/del-flows')
    assert 'in_port(' not in d.appctl('dpctl/dump-flows')
    h1.ping('10.0.0.2')


def test_rules_change_traffic_at_once(net, daemons):
    d, h1, h2 = two_hosts(net, daemons)
    h1.ping('10.0.0.2')
    d.ofctl('add-flow', 'br0', 'priority=10,icmp,actions=drop')
    assert h1.ping('10.0.0.2', wait=1, check=False) == 0
    d.ofctl('del-flows', '--strict', 'br0', 'priority=10,icmp')
    h1.ping('10.0.0.2')


def test_status_is_written_back(net, daemons):
    d, h1, h2 = two_hosts(net, daemons)
    get = lambda table, row, column: d.vsctl('get', table, row, column).strip()
    assert get('Interface', 'p1', 'ofport') == '1'
    assert get('Interface', 'br0', 'ofport') == '65534'
    assert get('Interface', 'p1', 'link_state') == 'up'
    assert get('Interface', 'p1', 'admin_state') == 'up'
    assert get('Interface', 'p1', 'mtu') == '1500'
    assert re.fullmatch(r'"[0-9a-f:]{17}"', get('Interface', 'p1', 'mac_in_use'))
    assert get('Open_vSwitch', '.', 'ovs_version') == '"3.1.0"'
    assert get('Open_vSwitch', '.', 'datapath_types') == '[netdev, system]'
    assert re.fullmatch(r'"[0-9a-f]{16}"', get('Bridge', 'br0', 'datapath_id'))
    assert 'driver_name=veth' in get('Interface', 'p1', 'status')
    h1.ping('10.0.0.2')
    wait_until(lambda: int(get('Interface', 'p1', 'statistics:rx_packets')) > 0, what='statistics in the database')


def test_requests_are_obeyed(net, daemons):
    d, h1, h2 = two_hosts(net, daemons)
    d.vsctl('set', 'interface', 'p2', 'ofport_request=7')
    assert d.vsctl('get', 'interface', 'p2', 'ofport').strip() == '7'
    d.vsctl('set', 'bridge', 'br0', 'other-config:datapath-id=0000000000abcdef')
    assert d.vsctl('get', 'bridge', 'br0', 'datapath_id').strip() == '"0000000000abcdef"'
    d.vsctl('add-port', 'br0', 'int0', '--', 'set', 'interface', 'int0', 'type=internal', 'mtu_request=1400')
    wait_until(lambda: d.vsctl('get', 'interface', 'int0', 'mtu').strip() == '1400', what='MTU of int0')
    d.vsctl('set', 'bridge', 'br0', 'protocols=OpenFlow13')
    assert 'OFPST' in d.ofctl('-O', 'OpenFlow13', 'dump-flows', 'br0')
    d.allow('version negotiation', 'OpenFlow')
    assert d.ofctl('-O', 'OpenFlow10', 'dump-flows', 'br0', check=False).returncode != 0


def test_errors_reach_the_person(net, daemons):
    d, h1, h2 = two_hosts(net, daemons)
    d.allow('nosuch0', 'system0', 'odd0')
    result = d.vsctl('add-port', 'br0', 'nosuch0', check=False)
    assert 'nosuch0' in result.stderr and 'No such device' in result.stderr
    result = d.vsctl('add-port', 'br0', 'odd0', '--', 'set', 'interface', 'odd0', 'type=odd', check=False)
    assert 'no interfaces of type odd' in result.stderr
    h1.ping('10.0.0.2')
    if not json.loads(d.sluice('--json', 'show'))['datapaths'][0]['type'] == 'system':
        d.vsctl('add-br', 'system0', '--', 'set', 'bridge', 'system0', 'datapath_type=system', check=False)
        assert 'openvswitch module' in d.vsctl('get', 'interface', 'system0', 'error')
    h1.ping('10.0.0.2')


def test_a_port_that_vanishes_and_returns(net, daemons):
    d, h1, h2 = two_hosts(net, daemons)
    d.allow('No such device')
    h1.ping('10.0.0.2')
    h2.run('ip', 'link', 'del', 'eth0')
    wait_until(lambda: d.vsctl('get', 'interface', 'p2', 'ofport').strip() == '-1', what='error of p2')
    h3 = net.host(d.namespace, 'h3', '10.0.0.3/24', port='p3')
    d.vsctl('add-port', 'br0', 'p3')
    h1.ping('10.0.0.3')
    net.veth(h2, 'eth0', d.namespace, 'p2', address='10.0.0.2/24')
    wait_until(lambda: d.vsctl('get', 'interface', 'p2', 'ofport').strip() != '-1', what='return of p2')
    h1.run('ip', 'neigh', 'flush', 'all')  # the new device has another address
    h1.ping('10.0.0.2')
    h3.ping('10.0.0.2')


def test_vlans(net, daemons):
    """Access ports of VLAN 10 and 20 and a trunk: hosts of one VLAN meet, tags appear on the trunk alone."""
    switch = net.namespace('sw')
    a = net.host(switch, 'a', '10.0.0.1/24', port='pa')
    b = net.host(switch, 'b', '10.0.0.2/24', port='pb')
    c = net.host(switch, 'c', '10.0.0.3/24', port='pc')
    t = net.host(switch, 't', None, port='pt')
    d = daemons(namespace=switch)
    d.vsctl('add-br', 'br0', '--', 'set', 'bridge', 'br0', 'datapath_type=netdev')
    for port, settings in (('pa', 'tag=10'), ('pb', 'tag=10'), ('pc', 'tag=20'), ('pt', 'trunks=[10,20]')):
        d.vsctl('add-port', 'br0', port, '--', 'set', 'port', port, settings)
    a.ping('10.0.0.2')
    assert a.ping('10.0.0.3', wait=1, check=False) == 0
    assert seen(t, 'arp', a, '10.0.0.77') == ['10'], 'a broadcast leaves the trunk with its VLAN'
    assert seen(t, 'arp', c, '10.0.0.78') == ['20']
    assert seen(b, 'arp', a, '10.0.0.79') == ['none'], 'an access port is untagged'
    d.vsctl('set', 'port', 'pc', 'tag=10')
    a.ping('10.0.0.3')


def seen(host, what, sender, target):
    """The VLANs with which HOST sees the ARP request that SENDER makes for TARGET."""
    sniffer = host.popen('/usr/bin/python3', '-c', f'''
from scapy.all import sniff, ARP, Dot1Q
sniff(iface="eth0", started_callback=lambda: print("ready", flush=True), timeout=20,
      stop_filter=lambda p: ARP in p and p[ARP].pdst == "{target}" and
      (print(p[Dot1Q].vlan if Dot1Q in p else "none", flush=True) or True))''', stdout=-1, text=True)
    assert sniffer.stdout.readline() == 'ready\n'
    sender.ping(target, wait=1, check=False)
    vlans = sniffer.stdout.readline().split()
    sniffer.wait(20)
    return vlans


def test_patch_ports_and_local(net, daemons):
    """h1 - br0 ==patch== br1 - h2, and the host itself on br0's own port."""
    switch = net.namespace('sw')
    h1 = net.host(switch, 'h1', '10.0.0.1/24', port='p1')
    h2 = net.host(switch, 'h2', '10.0.0.2/24', port='p2')
    d = daemons(namespace=switch)
    for bridge, port in (('br0', 'p1'), ('br1', 'p2')):
        d.vsctl('add-br', bridge, '--', 'set', 'bridge', bridge, 'datapath_type=netdev', '--', 'add-port', bridge, port)
    for bridge, name, peer in (('br0', 'x0', 'x1'), ('br1', 'x1', 'x0')):
        d.vsctl('add-port', bridge, name, '--', 'set', 'interface', name, 'type=patch', f'options:peer={peer}')
    h1.ping('10.0.0.2', count=3)
    switch.run('ip', 'addr', 'add', '10.0.0.9/24', 'dev', 'br0')
    switch.run('ip', 'link', 'set', 'br0', 'up')
    h2.ping('10.0.0.9', count=3)


def test_tcp_with_offloads_on(net, daemons):
    """8 MB over TCP arrive whole: 64 kB frames with unfinished checksums cross the switch as they are."""
    d, h1, h2 = two_hosts(net, daemons)
    server = h2.popen('python3', '-c', 'import socket,hashlib\n'
                      's=socket.create_server(("10.0.0.2",5000));print("ready",flush=True);c,_=s.accept();h=hashlib.sha256();n=0\n'
                      'while True:\n b=c.recv(65536)\n if not b: break\n h.update(b);n+=len(b)\n'
                      'print(n,h.hexdigest(),flush=True)', stdout=-1, text=True)
    assert server.stdout.readline() == 'ready\n'
    sent = h1.run('python3', '-c', 'import socket,hashlib,os\n'
                  'c=socket.create_connection(("10.0.0.2",5000));h=hashlib.sha256()\n'
                  'for i in range(128):\n b=os.urandom(65536);h.update(b);c.sendall(b)\n'
                  'c.close();print(8388608,h.hexdigest())')
    assert server.stdout.readline() == sent


def test_restart_keeps_the_configuration(net, daemons):
    d, h1, h2 = two_hosts(net, daemons)
    h1.ping('10.0.0.2')
    # A number that nobody asks for any more is kept, and not given to a port that comes in between.
    d.vsctl('set', 'interface', 'p2', 'ofport_request=7')
    d.vsctl('del-port', 'p1', '--', 'clear', 'interface', 'p2', 'ofport_request')
    assert d.vsctl('get', 'interface', 'p2', 'ofport').strip() == '7'
    d.kill()
    d.vsctl('--no-wait', 'add-port', 'br0', 'p1', '--', 'set', 'interface', 'p1', 'ofport_request=7')
    d.start_sluiced()
    wait_until(lambda: d.vsctl('get', 'interface', 'p1', 'ofport').strip() == '1', what='a number for p1')
    assert d.vsctl('get', 'interface', 'p2', 'ofport').strip() == '7'
    d.vsctl('set', 'open_vswitch', '.', 'external_ids:again=1')
    h1.ping('10.0.0.2')


def test_fail_mode_says_whose_the_flow_table_is(net, daemons):
    """As ovs-vswitchd: who was in charge takes its flows along. An own NORMAL flow that stayed below a controller's
    would forward what the controller did not allow."""
    d, h1, h2 = two_hosts(net, daemons)
    flows = lambda: [line for line in d.ofctl('--no-stats', 'dump-flows', 'br0').splitlines() if 'actions=' in line]
    assert flows() == [' priority=0 actions=NORMAL']
    d.ofctl('add-flow', 'br0', 'priority=7,udp,actions=drop')
    d.vsctl('set-fail-mode', 'br0', 'secure')
    assert flows() == []
    assert h1.ping('10.0.0.2', wait=1, check=False) == 0
    d.vsctl('set-fail-mode', 'br0', 'standalone')
    assert flows() == [' priority=0 actions=NORMAL']
    d.vsctl('set-controller', 'br0', f'unix:{d.rundir}/nobody')
    assert flows() == []
    d.ofctl('add-flow', 'br0', 'arp,actions=NORMAL')
    d.vsctl('set-fail-mode', 'br0', 'secure')
    assert flows() == [' arp actions=NORMAL']
    d.vsctl('set-fail-mode', 'br0', 'standalone', '--', 'del-controller', 'br0')
    assert flows() == [' priority=0 actions=NORMAL']
    h1.ping('10.0.0.2')


def test_standalone_without_its_controller_switches_by_itself(net, daemons):
    d, h1, h2 = two_hosts(net, daemons, arguments=['--allow-time-commands'])
    d.allow('switching by itself')
    d.vsctl('set-controller', 'br0', f'unix:{d.rundir}/nobody')
    assert h1.ping('10.0.0.2', wait=1, check=False) == 0
    d.appctl('time/warp', '20000', '5000')
    wait_until(lambda: 'actions=NORMAL' in d.ofctl('dump-flows', 'br0'), what='the flow of a bridge left alone')
    h1.ping('10.0.0.2')


def test_bridges_share_a_controller(net, daemons):
    d, h1, h2 = two_hosts(net, daemons)
    d.vsctl('add-br', 'br1', '--', 'set', 'bridge', 'br1', 'datapath_type=netdev')
    target = f'unix:{d.rundir}/nobody'
    d.vsctl('set-controller', 'br0', target, '--', 'set-controller', 'br1', target)
    wait_until(lambda: d.vsctl('get', 'controller', 'br0', 'status:state') and
               d.vsctl('get', 'controller', 'br1', 'status:state'), what='the state of both rows')


def test_a_bridge_name_is_no_path(net, daemons):
    d, h1, h2 = two_hosts(net, daemons)
    d.allow('ignoring bridge')
    d.vsctl('add-br', '../escape', check=False)
    assert '../escape' not in d.appctl('ofproto/list')
    h1.ping('10.0.0.2')


def test_a_port_that_is_down_has_no_link(net, daemons):
    d, h1, h2 = two_hosts(net, daemons)
    state = lambda: d.vsctl('get', 'interface', 'br0', 'admin_state', 'link_state').split()
    assert state() == ['down', 'down']
    d.namespace.run('ip', 'link', 'set', 'br0', 'up')
    wait_until(lambda: state() == ['up', 'up'], what='link of br0')


def test_a_datapath_goes_while_it_is_dumped(net, daemons):
    """A dump goes in slices; turning the simulated NIC on takes the datapath away between two of them."""
    d, h1, h2 = two_hosts(net, daemons)
    d.ofctl('add-flow', 'br0', 'priority=5,udp,actions=move:NXM_OF_UDP_SRC[]->NXM_NX_REG0[0..15],resubmit(,1)')
    d.ofctl('add-flow', 'br0', 'table=1,reg0=1,actions=drop')
    h1.run('python3', '-c', '''
import socket
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(('eth0', 0))
head = bytes.fromhex('0200000000020200000000010800' '4500001c00010000401166ce0a0000010a000002')
for port in range(20000, 24000):
    s.send(head + port.to_bytes(2, 'big') + bytes.fromhex('000100080000'))
''')
    wait_until(lambda: d.appctl('dpctl/dump-flows').count('in_port(') > 3500, what='megaflows')
    asked = [d.namespace.popen('ovs-appctl', 'dpctl/dump-flows', '-m', env=d.environment, stdout=subprocess.DEVNULL) for _ in range(30)]
    d.vsctl('set', 'open_vswitch', '.', 'other_config:sluice-simulated-nic=true')
    for process in asked:
        process.communicate(timeout=30)
    h1.ping('10.0.0.2')


def test_an_mtu_that_the_device_refuses_is_told_once(net, daemons):
    d, h1, h2 = two_hosts(net, daemons)
    d.allow('MTU 999999 of p1')
    d.vsctl('set', 'interface', 'p1', 'mtu_request=999999')
    d.vsctl('set', 'bridge', 'br0', 'external_ids:a=b')
    d.vsctl('set', 'bridge', 'br0', 'other_config:a=b')
    with open(f'{d.results}/sluiced.log') as log:
        assert log.read().count('MTU 999999 of p1') == 1
    d.vsctl('set', 'interface', 'p1', 'mtu_request=1400')
    wait_until(lambda: d.vsctl('get', 'interface', 'p1', 'mtu').strip() == '1400', what='MTU of p1')
