# SPDX-License-Identifier: Apache-2.0
"""nicsim with plain tc, devlink and ping, and no daemon. The topology is drawn in nicsim.py.

What must hold: a frame that hits a rule goes from port to port and is counted by that rule alone; a frame that misses
arrives on the port's representor. So the counters of a representor that moves tell of a miss, and a rule's counter that
differs from what was sent tells of a frame lost, doubled or switched in software.
"""

import errno
import os
import re
import threading
import time

import netns
import pytest
from frames import ethernet, in_namespace, ipv4, ipv6, udp
from nicsim import Nic, batch, filters, frame, hangs, packets, rule, slow_insert, to
from wait import wait_until

IP, IPV6, ARP, VLAN, QINQ = 0x0800, 0x86dd, 0x0806, 0x8100, 0x88a8


@pytest.fixture(scope='module')
def standing():
    """One NIC for all tests of this file, in switchdev mode, with all hosts."""
    net = netns.Net()
    nic = Nic(net, cache_age_ms=0)
    try:
        nic.connect('h0 h1 h2 wire')
        yield nic.up()
    finally:
        nic.close()
        net.close()


@pytest.fixture
def nic(standing):
    yield standing
    standing.clean()
    assert standing.knob('used') == '0\n'


def test_miss_path(nic):
    """Without a rule everything crosses the representors."""
    h0, h1, wire = nic.get('h0 h1 wire')
    nic.bridge()
    before = nic.counters()
    h0.space.ping('10.0.0.2', count=5)
    h1.space.ping('10.0.0.9', count=5)
    for host in (h0, h1):
        host.space.run('sysctl', '-qw', f'net.ipv6.conf.{host.device}.disable_ipv6=0')
        nic.undo.append(lambda host=host: host.space.run('sysctl', '-qw', f'net.ipv6.conf.{host.device}.disable_ipv6=1'))
        nic.address(host, f'fd00::{host.address[-1]}/64')
    h0.space.ping('fd00::2', count=5)
    after = nic.counters()
    assert after['nic0rep0'] - before['nic0rep0'] >= 20
    assert after['nic0'] - before['nic0'] >= 10


def test_hits_pass_by_representors(nic):
    """20 pings: 40 frames in hardware, to the packet and the byte, and none in software."""
    h0, h1 = nic.get('h0 h1')
    nic.bridge()
    rule('nic0rep0', f'dst_mac {h1.mac} {to("nic0rep1")}')
    rule('nic0rep1', f'dst_mac {h0.mac} {to("nic0rep0")}')
    before = nic.counters()
    h0.space.ping('10.0.0.2', count=20)
    assert filters('nic0rep0') == {1: (True, 20, 20 * 98)}
    assert filters('nic0rep1') == {1: (True, 20, 20 * 98)}
    assert nic.counters() == before
    shown = netns.run('tc', '-s', 'filter', 'show', 'dev', 'nic0rep0', 'ingress')
    assert 'skip_sw' in shown and 'in_hw' in shown and 'used_hw_stats delayed' in shown
    # The same without skip_sw: in hardware too, and software's count stays 0.
    rule('nic0rep0', f'dst_mac {h1.mac} {to("nic0rep1")}', flags='', do='replace', handle=1)
    h0.space.ping('10.0.0.2', count=5)
    assert filters('nic0rep0') == {1: (True, 5, 5 * 98)}
    assert nic.counters() == before


def test_uplink(nic):
    """Rules of the PF's block act on what the cable brings; the PF is the way out."""
    h0, wire = nic.get('h0 wire')
    nic.bridge()
    netns.run('ethtool', '-K', 'nic0', 'hw-tc-offload', 'off')
    assert 'offload is disabled' in rule('nic0', to('nic0rep0'), check=False).stderr
    netns.run('ethtool', '-K', 'nic0', 'hw-tc-offload', 'on')
    rule('nic0', f'dst_mac {h0.mac} {to("nic0rep0")}')
    rule('nic0rep0', f'dst_mac {wire.mac} {to("nic0")}')
    assert netns.run('ethtool', '-K', 'nic0', 'hw-tc-offload', 'off', check=False).returncode
    before = nic.counters()
    wire.space.ping('10.0.0.1', count=10)
    assert packets('nic0') == 10 and packets('nic0rep0') == 10
    assert nic.counters() == before


def test_vlan_edits(nic):
    """A tag is pushed, modified and popped on the way, with its priority; two tags as well."""
    h0, h1, h2 = nic.get('h0 h1 h2')
    rule('nic0rep0', f'dst_mac {h1.mac} action vlan push id 100 priority 3 {to("nic0rep1")}')
    rule('nic0rep1', f'vlan_id 100 action vlan pop {to("nic0rep0")}', protocol='802.1q')
    rule('nic0rep0', f'dst_mac {h2.mac} vlan_id 7 vlan_prio 2 vlan_ethtype ip '
                     f'action vlan modify id 8 priority 5 {to("nic0rep2")}', protocol='802.1q', prio=2)
    rule('nic0rep2', f'vlan_id 9 action vlan push protocol 802.1ad id 50 {to("nic0rep0")}', protocol='802.1q', prio=3)
    h0.send(frame(h0, h1))
    assert h1.receive() == frame(h0, h1, tags=[(VLAN, 3 << 13 | 100)])
    h1.send(frame(h1, h0, tags=[(VLAN, 5 << 13 | 100)]))
    assert h0.receive() == frame(h1, h0)
    h0.send(frame(h0, h2, tags=[(VLAN, 2 << 13 | 7)]))
    assert h2.receive() == frame(h0, h2, tags=[(VLAN, 5 << 13 | 8)])
    h2.send(frame(h2, h0, tags=[(VLAN, 9)]))
    assert h0.receive() == frame(h2, h0, tags=[(QINQ, 50), (VLAN, 9)])
    # The tag counts as bytes where it was matched.
    size = len(frame(h0, h1))
    assert filters('nic0rep0') == {1: (True, 1, size), 2: (True, 1, size + 4)}
    assert filters('nic0rep1')[1] == (True, 1, size + 4)
    # Another tag, priority or none at all is a miss.
    before = nic.counters()['nic0rep0']
    for tags in ([(VLAN, 2 << 13 | 6)], [(VLAN, 3 << 13 | 7)], [(QINQ, 2 << 13 | 7)], []):
        h0.send(frame(h0, h2, tags=tags))
    assert h2.drain() == [] and nic.counters()['nic0rep0'] == before + 4


def test_vlan_devices(nic):
    """A host's VLAN device hands its tag over beside the frame; it is matched and popped just the same."""
    h0, h1 = nic.get('h0 h1')
    nic.vlan_device(h0, 5, '10.5.0.1/24')
    nic.address(h1, '10.5.0.2/24')
    rule('nic0rep0', f'vlan_id 5 action vlan pop {to("nic0rep1")}', protocol='802.1q')
    rule('nic0rep1', f'dst_mac {h0.mac} action vlan push id 5 {to("nic0rep0")}', protocol='all')
    rule('nic0rep1', f'dst_mac ff:ff:ff:ff:ff:ff action vlan push id 5 {to("nic0rep0")}', protocol='all', prio=2)
    before = nic.counters()
    h0.space.ping('10.5.0.2', count=5)
    assert nic.counters() == before
    assert packets('nic0rep0') >= 5


MATCHES = {
    'all': ('all', '', ('ip', 'ip6', 'arp', 'tagged', 'icmp', 'first', 'later')),
    'ip': ('ip', '', ('ip', 'icmp', 'first', 'later')),
    'ipv6': ('ipv6', '', ('ip6',)),
    'arp': ('arp', '', ('arp',)),
    'source': ('ip', 'src_ip 10.0.0.0/30', ('ip', 'icmp', 'first', 'later')),
    'other source': ('ip', 'src_ip 10.0.0.4/30', ()),
    'source6': ('ipv6', 'src_ip fd00::/64', ('ip6',)),
    'other destination6': ('ipv6', 'dst_ip fd00:1::/64', ()),
    'protocol': ('ip', 'ip_proto udp', ('ip', 'first', 'later')),
    'ports': ('ip', 'ip_proto udp src_port 1000 dst_port 2000', ('ip', 'first')),
    'other port': ('ip', 'ip_proto udp dst_port 2001', ()),
    'masked port': ('ip', 'ip_proto udp dst_port 2001/0xfff0', ('ip', 'first')),
    'port6': ('ipv6', 'ip_proto udp dst_port 53', ('ip6',)),
    'icmp': ('ip', 'ip_proto icmp type 8 code 0', ('icmp',)),
    'other icmp': ('ip', 'ip_proto icmp type 0', ()),
    'fragment': ('ip', 'ip_flags frag', ('first', 'later')),
    'no fragment': ('ip', 'ip_flags nofrag', ('ip', 'icmp')),
    'first': ('ip', 'ip_flags frag/firstfrag', ('first',)),
    'later': ('ip', 'ip_flags frag/nofirstfrag', ('later',)),
    'tag': ('802.1q', '', ('tagged',)),
    'tag and type': ('802.1q', 'vlan_id 5 vlan_ethtype ip ip_proto udp', ('tagged',)),
    'tag and other type': ('802.1q', 'vlan_id 5 vlan_ethtype arp', ()),
    'other tag': ('802.1q', 'vlan_id 6', ()),
    'own device': ('ip', 'indev nic0rep0', ('ip', 'icmp', 'first', 'later')),
}


def test_matches(nic):
    """Each match takes exactly the frames it should."""
    h0, h1 = nic.get('h0 h1')
    packet = udp(1000, 2000, b'x' * 20)
    samples = {
        'ip': frame(h0, h1),
        'ip6': frame(h0, h1, ipv6('fd00::1', 'fd00::2', 17, udp(9, 53, b'y' * 12)), IPV6),
        'arp': frame(h0, h1, b'\0' * 46, ARP),
        'tagged': frame(h0, h1, tags=[(VLAN, 5)]),
        'icmp': frame(h0, h1, ipv4('10.0.0.1', '10.0.0.2', 1, b'\x08\0' + b'\0' * 22)),
        'first': frame(h0, h1, ipv4('10.0.0.1', '10.0.0.2', 17, packet, fragment=0x2000)),
        'later': frame(h0, h1, ipv4('10.0.0.1', '10.0.0.2', 17, packet, fragment=0x0002)),
    }
    for name, (protocol, words, takes) in MATCHES.items():
        rule('nic0rep0', f'{words} {to("nic0rep1")}', protocol=protocol)
        h1.drain(0)
        for sample in samples.values():
            h0.send(sample)
        wait_until(lambda: nic.knob('used') == '1\n')
        assert h1.drain(0.1) == [samples[sample] for sample in samples if sample in takes], name
        assert packets('nic0rep0') == len(takes), name
        netns.run('tc', 'filter', 'del', 'dev', 'nic0rep0', 'ingress')
        assert nic.knob('used') == '0\n'


def test_priority(nic):
    h0, h1, h2 = nic.get('h0 h1 h2')
    rule('nic0rep0', to('nic0rep1'), prio=20)
    rule('nic0rep0', f'ip_proto udp {to("nic0rep2")}', prio=10)
    rule('nic0rep0', f'dst_mac {h2.mac} action drop', prio=5)
    h0.send(frame(h0, h1))
    assert h2.receive() == frame(h0, h1)
    h0.send(frame(h0, h2))
    h0.send(frame(h0, h1, ipv4('10.0.0.1', '10.0.0.2', 6, b'\0' * 20)))
    assert h1.receive() and h2.drain() == []
    assert {prio: hits for prio, (_, hits, _) in filters('nic0rep0').items()} == {5: 1, 10: 1, 20: 1}
    # The best goes, the next one acts.
    netns.run('tc', 'filter', 'del', 'dev', 'nic0rep0', 'ingress', 'prio', 5)
    h0.send(frame(h0, h2))
    assert h2.receive() == frame(h0, h2)


def test_mirror(nic):
    """Copies leave as the frame is at that point of the list."""
    h0, h1, h2, wire = nic.get('h0 h1 h2 wire')
    rule('nic0rep0', f'dst_mac {h1.mac} action mirred egress mirror dev nic0rep1 pipe '
                     f'action vlan push id 4 pipe action mirred egress mirror dev nic0rep2 pipe '
                     f'action vlan pop pipe {to("nic0")}')
    h0.send(frame(h0, h1))
    assert h1.receive() == frame(h0, h1)
    assert h2.receive() == frame(h0, h1, tags=[(VLAN, 4)])
    assert wire.receive() == frame(h0, h1)
    assert filters('nic0rep0') == {1: (True, 1, len(frame(h0, h1)))}


def test_capacity(nic):
    nic.knob('capacity', 3)
    for prio in (1, 2, 3):
        rule('nic0rep0', 'action drop', prio=prio)
    result = rule('nic0rep0', 'action drop', prio=4, check=False)
    assert 'nicsim: the table is full' in result.stderr
    # Without skip_sw the kernel keeps it in software, and says why it is only there if it is asked to.
    result = rule('nic0rep0', 'action drop', prio=4, flags='verbose', check=False)
    assert 'nicsim: the table is full' in result.stderr and not result.returncode
    assert filters('nic0rep0')[4][0] is False
    netns.run('tc', 'filter', 'del', 'dev', 'nic0rep0', 'ingress', 'prio', 1)
    rule('nic0rep0', 'action drop', prio=5)
    assert 'the mode cannot change' in nic.mode('legacy', check=False).stderr


REFUSALS = [
    ('ip', 'ip_tos 4 action drop', 'cannot match on ip_tos (DSCP and ECN)'),
    ('ip', 'ip_ttl 4 action drop', 'cannot match on ip_ttl'),
    ('ip', 'ip_proto tcp tcp_flags 2 action drop', 'cannot match on tcp_flags'),
    ('ip', 'ip_proto sctp dst_port 5 action drop', 'ports can only be matched for TCP and UDP'),
    ('ip', 'ip_proto udp dst_port 5-7 action drop', 'cannot match on ranges of ports'),
    ('ip', 'ct_state +trk action drop', 'cannot match on ct_state'),
    ('ip', 'enc_key_id 5 action drop', 'cannot match on enc_key_id'),
    ('ip', 'indev nic0rep1 action drop', 'cannot match on indev'),
    ('arp', 'arp_op request action drop', 'cannot match on arp_op'),
    ('802.1q', 'vlan_id 5 vlan_ethtype 802.1q cvlan_id 6 action drop', 'cannot match on cvlan_id'),
    ('802.1q', 'num_of_vlans 1 action drop', 'cannot match on num_of_vlans'),
    ('mpls_uc', 'mpls_label 5 action drop', 'cannot match on mpls'),
    ('ip', 'action pass', 'action pass is not supported'),
    ('ip', 'action goto chain 2', 'goto chain is not supported'),
    ('ip', 'chain 3 action drop', 'only chain 0'),
    ('ip', 'action pedit ex munge eth dst set 02:00:00:00:00:01 pipe action mirred egress redirect dev nic0rep1',
     'action pedit is not supported'),
    ('ip', 'action csum ip pipe action mirred egress redirect dev nic0rep1', 'action csum is not supported'),
    ('ip', 'action skbedit priority 1:1 pipe action mirred egress redirect dev nic0rep1',
     'action skbedit priority is not supported'),
    ('ip', 'action police rate 1mbit burst 10k conform-exceed drop/pipe action mirred egress redirect dev nic0rep1',
     'action police is not supported'),
    ('ip', 'action ct pipe action mirred egress redirect dev nic0rep1', 'action ct is not supported'),
    ('ip', 'action mirred egress redirect dev lo', 'needs a representor or the uplink'),
    ('ip', 'action mirred ingress redirect dev nic0rep1', 'mirred ingress redirect is not supported'),
    ('ip', 'action mirred egress mirror dev nic0rep1', 'must end in a drop or redirect'),
    ('ip', 'action vlan pop pipe action mirred egress redirect dev nic0rep1', 'vlan pop needs a match on a tag'),
    ('802.1q', 'vlan_id 5 action vlan modify id 6 pipe action mirred egress redirect dev nic0rep1',
     'vlan modify needs a priority'),
    ('ip', 'action drop hw_stats immediate', 'does not support selected HW stats type'),
]


def test_refusals(nic):
    """What the NIC can't hold is refused with a sentence that names it; nothing is left behind."""
    for protocol, words, sentence in REFUSALS:
        chain = []
        if words.startswith('chain '):
            _, number, words = words.split(' ', 2)
            chain = ['chain', number]
        result = netns.run('tc', 'filter', 'add', 'dev', 'nic0rep0', 'ingress', *chain, 'prio', 1, 'protocol', protocol,
                           'flower', 'skip_sw', *words.split(), check=False)
        assert result.returncode and sentence in result.stderr, f'{words}: {result.stderr}'
        assert 'nicsim: ' in result.stderr
    result = netns.run('tc', 'filter', 'add', 'dev', 'nic0rep0', 'ingress', 'matchall', 'skip_sw', 'action', 'drop',
                       check=False)
    assert 'matchall filters cannot be offloaded' in result.stderr
    assert nic.knob('used') == '0\n'


def test_cached_counters(nic):
    """With an age, a reading lags behind the wire; in the end nothing is missing."""
    h0, h1 = nic.get('h0 h1')
    nic.knob('cache_age_ms', 3600000)
    rule('nic0rep0', to('nic0rep1'))
    for _ in range(7):
        h0.send(frame(h0, h1))
    assert len(h1.drain()) == 7
    assert packets('nic0rep0') == 0 and ' frames 7 ' in nic.knob('rules')
    nic.knob('cache_age_ms', 1000)
    wait_until(lambda: packets('nic0rep0') == 7)
    h0.send(frame(h0, h1))
    wait_until(lambda: packets('nic0rep0') == 8)
    # A reset takes back what the wire has seen, and tc's sum never goes back.
    nic.knob('reset_counters', 1)
    h0.send(frame(h0, h1))
    wait_until(lambda: packets('nic0rep0') == 9)
    assert ' frames 1 ' in nic.knob('rules')


def test_reset_of_the_nic(nic):
    """The NIC forgets its rules: frames take the miss path, and tc can still delete and add."""
    h0, h1 = nic.get('h0 h1')
    rule('nic0rep0', to('nic0rep1'))
    nic.knob('flush', 1)
    before = nic.counters()['nic0rep0']
    h0.send(frame(h0, h1))
    wait_until(lambda: nic.counters()['nic0rep0'] == before + 1)
    assert filters('nic0rep0') == {1: (True, 0, 0)}
    netns.run('tc', 'filter', 'del', 'dev', 'nic0rep0', 'ingress', 'prio', 1)
    rule('nic0rep0', to('nic0rep1'))
    h0.send(frame(h0, h1))
    assert h1.receive() == frame(h0, h1)


def test_faults(nic):
    nic.knob('fail_errno', errno.EBUSY)
    nic.knob('fail_inserts', 2)
    for _ in range(2):
        result = rule('nic0rep0', 'action drop', check=False)
        assert 'insert failed on demand' in result.stderr
    rule('nic0rep0', 'action drop')
    with pytest.raises(OSError):
        nic.knob('fail_errno', 0)

    nic.knob('insert_delay_us', 700000)
    began = time.monotonic()
    rule('nic0rep0', 'action drop', prio=2)
    assert time.monotonic() - began >= 0.7
    nic.knob('insert_delay_us', 0)


def test_hanging_inserts(nic):
    """A hung insert holds up neither rtnl nor statistics, can be killed, and goes on when the NIC wakes."""
    h0, h1 = nic.get('h0 h1')
    rule('nic0rep0', f'dst_mac {h1.mac} {to("nic0rep1")}')
    nic.knob('hang_inserts', 1)
    first, second = slow_insert(2), slow_insert(3)
    assert hangs(first) and hangs(second)
    netns.run('ip', 'link', 'add', 'd0', 'type', 'dummy', timeout=10)
    netns.run('ip', 'link', 'del', 'd0', timeout=10)
    h0.send(frame(h0, h1))
    assert h1.receive() and packets('nic0rep0') == 1
    first.kill()
    assert first.wait(10)
    assert second.poll() is None
    nic.knob('hang_inserts', 0)
    assert second.wait(10) == 0
    assert nic.knob('used') == '2\n'


def test_replace_under_traffic(nic):
    """300 replacements of one rule and 300 moves between two priorities, under numbered frames: each arrives once."""
    h0, h1 = nic.get('h0 h1')
    place = 'dev nic0rep0 ingress'
    words = f'protocol ip flower skip_sw dst_mac {h1.mac} {to("nic0rep1")}'
    rule('nic0rep0', f'dst_mac {h1.mac} {to("nic0rep1")}', prio=10, handle=1)
    lines = [f'filter replace {place} prio 10 handle 1 {words}'] * 100
    for _ in range(50):
        lines += [f'filter add {place} prio 9 handle 1 {words}', f'filter del {place} prio 10 handle 1 flower',
                  f'filter add {place} prio 10 handle 1 {words}', f'filter del {place} prio 9 handle 1 flower']
    stop = threading.Event()
    sent = []

    def send():
        while not stop.is_set():
            number = len(sent).to_bytes(4, 'big')
            h0.send(frame(h0, h1, ipv4('10.0.0.1', '10.0.0.2', 17, udp(1, 2, number))))
            sent.append(number)
            stop.wait(0.0005)

    before = nic.counters()['nic0rep0']
    sender = threading.Thread(target=send)
    sender.start()
    wait_until(lambda: len(sent) > 50)
    for _ in range(3):
        batch('tc', lines=lines)
    stop.set()
    sender.join()
    arrived = [f[42:46] for f in h1.drain() if f[12:14] == b'\x08\0']
    assert len(sent) > 300
    assert arrived == sent
    assert nic.counters()['nic0rep0'] == before


TCP_BYTES = 8 << 20


def tcp_transfer(a, b, address):
    """Sends TCP_BYTES from A to B; returns whether the same came out."""
    import hashlib
    import socket
    server = in_namespace(b.space.name, lambda: socket.create_server((address, 5001)))
    client = in_namespace(a.space.name, lambda: socket.create_connection((address, 5001), timeout=30))
    connection, _ = server.accept()
    connection.settimeout(30)
    data = os.urandom(1 << 16) * (TCP_BYTES >> 16)
    received = hashlib.sha256()

    def send():
        client.sendall(data)
        client.close()

    sender = threading.Thread(target=send)
    sender.start()
    while True:
        part = connection.recv(1 << 20)
        if not part:
            break
        received.update(part)
    sender.join()
    connection.close()
    server.close()
    return received.digest() == hashlib.sha256(data).digest()


def test_tcp_with_offloads(nic):
    """GSO frames with partial checksums cross the eswitch, with a tag put on and off; the NIC counts wire frames."""
    h0, h1 = nic.get('h0 h1')
    nic.bridge()
    assert tcp_transfer(h0, h1, '10.0.0.2'), 'by the miss path'
    assert 'tcp-segmentation-offload: on' in h0.space.run('ethtool', '-k', h0.device)
    rule('nic0rep0', f'dst_mac {h1.mac} {to("nic0rep1")}')
    rule('nic0rep1', f'dst_mac {h0.mac} {to("nic0rep0")}')
    before = nic.counters()
    assert tcp_transfer(h0, h1, '10.0.0.2')
    assert nic.counters() == before
    _, hits, total = filters('nic0rep0')[1]
    # 1448 bytes in a frame of 1514; the ends of GSO frames may be shorter.
    assert TCP_BYTES / 1448 <= hits <= TCP_BYTES / 1448 * 1.2
    # Every frame has its own header; a few are sent twice, or carry more options.
    assert TCP_BYTES <= total - hits * 66 <= TCP_BYTES * 1.05


def test_tcp_through_vlan(nic):
    """The same with a VLAN device at one end: tags beside GSO frames."""
    h0, h1 = nic.get('h0 h1')
    nic.vlan_device(h1, 5, '10.5.0.2/24')
    nic.address(h0, '10.5.0.1/24')
    rule('nic0rep0', f'action vlan push id 5 {to("nic0rep1")}', protocol='all')
    rule('nic0rep1', f'vlan_id 5 action vlan pop {to("nic0rep0")}', protocol='802.1q')
    before = nic.counters()
    assert tcp_transfer(h0, h1, '10.5.0.2')
    assert tcp_transfer(h1, h0, '10.5.0.1')
    assert nic.counters() == before


def test_many_rules(nic):
    """2,000 rules in one batch; their frames find them."""
    h0, h1 = nic.get('h0 h1')
    place = 'dev nic0rep0 ingress prio 1 protocol ip'
    lines = [f'filter add {place} handle {n + 1} flower skip_sw ip_proto udp dst_port {n + 1} {to("nic0rep1")}'
             for n in range(2000)]
    batch('tc', lines=lines, timeout=120)
    assert nic.knob('used') == '2000\n'
    for port in (1, 700, 2000):
        h0.send(frame(h0, h1, ipv4('10.0.0.1', '10.0.0.2', 17, udp(9, port))))
        assert h1.receive()
    shown = nic.knob('rules')
    assert len(re.findall(r'dport (?:1|700|2000)/.* frames 1 ', shown)) == 3 and shown.count(' frames 0 ') == 1997
