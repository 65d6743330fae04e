# SPDX-License-Identifier: Apache-2.0
"""What ovs-ofctl never says: wrong messages, several clients, slow ones, roles, controllers.

raw messages -- BRIDGE.mgmt -- openflow_bridge (agent, pipeline; no datapath)

Expected: each wrong message gets the error of its version and the connection lives on; only broken
framing closes it; no client delays another. A failure means that a bad client can hurt the switch.
"""

import socket
import struct
import time

import pytest

import openflow_helpers as of
from openflow_helpers import Bridge, Connection, OF10, OF13, message, wait_for


@pytest.fixture
def bridge(results):
    bridge = Bridge(results)
    yield bridge
    bridge.close()


def flow_mod13(match=b'', instructions=b'', command=0, table=0, **given):
    value = dict(cookie=0, cookie_mask=0, idle=0, hard=0, priority=1, buffer=0xffffffff, out_port=0xffffffff,
                 out_group=0xffffffff, flags=0)
    value.update(given)
    head = struct.pack('>QQBBHHHIIIHxx', value['cookie'], value['cookie_mask'], table, command, value['idle'],
                       value['hard'], value['priority'], value['buffer'], value['out_port'], value['out_group'],
                       value['flags'])
    body = struct.pack('>HH', 1, 4 + len(match)) + match
    return head + body + bytes(-len(body) % 8) + instructions


# The body of a request for all flows.
ALL_FLOWS = (struct.pack('>HHIB3xIIIQQ', 1, 0, 0, 0xff, 0xffffffff, 0xffffffff, 0, 0, 0) +
             struct.pack('>HHI', 1, 4, 0))


def test_wrong_messages(bridge):
    for version in (OF10, OF13):
        c = bridge.connect(version)
        stats = of.STATS_REQUEST[version]
        pad = bytes(4) if version == OF13 else b''
        # (type, body, error)
        cases = [
            (99, b'', (1, 1)),
            (of.FEATURES_REPLY, bytes(24), (1, 1)),
            (of.FEATURES_REQUEST, b'1234', (1, 6)),
            (of.VENDOR, b'', (1, 6)),
            (of.VENDOR, struct.pack('>II', 0x12345678, 1), (1, 3)),
            (of.VENDOR, struct.pack('>II', of.NX, 999), (1, 4)),
            (of.VENDOR, struct.pack('>II', of.NX, 12) + bytes(8), (1, 6)),
            (of.FLOW_MOD, bytes(20), (1, 6)),
            (of.FLOW_MOD, bytes(83), (1, 6)),
            (of.PACKET_OUT, bytes(4), (1, 6)),
            (stats, b'', (1, 6)),
            (stats, struct.pack('>HH', 99, 0) + pad, (1, 2)),
            (stats, struct.pack('>HH', 4, 0) + pad, (1, 6)),
            (stats, struct.pack('>HH', 0xffff, 0) + pad + struct.pack('>II', 0x1234, 0) + bytes(4), (1, 3)),
            (of.BARRIER_REQUEST[version], b'1', (1, 6)),
        ]
        for kind, body, error in cases:
            assert c.error(kind, body) == error, (version, kind, body)
        # The error quotes the request, 64 bytes of it at least.
        c.send(message(version, 99, bytes(range(100)), xid=77))
        reply = c.barrier()[0]
        assert reply.xid == 77 and reply.body[4:] == message(version, 99, bytes(range(100)), xid=77)
        c.close()


def test_wrong_version_afterwards(bridge):
    c = bridge.connect(OF13)
    c.send(message(OF10, of.FEATURES_REQUEST, xid=5))
    found = c.barrier()
    assert found[0].error() == (1, 0) and found[0].version == OF13 and found[0].xid == 5


def test_wrong_flow_mods(bridge):
    c = bridge.connect(OF13)
    in_port = struct.pack('>II', 0x80000004, 1)
    ip_src = struct.pack('>II', 0x80001604, 0x0a000001)
    for body, error in [
            (flow_mod13(), None),
            (flow_mod13(in_port), None),
            (flow_mod13(in_port + in_port), (4, 10)),
            (flow_mod13(ip_src), (4, 9)),
            (flow_mod13(struct.pack('>IH', 0x80000a02, 0x800) + struct.pack('>III', 0x80001708, 1, 0xffffff00)), (4, 5)),
            (flow_mod13(struct.pack('>II', 0x8000fe04, 1)), (4, 6)),
            (flow_mod13(struct.pack('>I', 0x80000004)), (4, 1)),
            (flow_mod13(command=9), (5, 6)),
            (flow_mod13(flags=0x100), (5, 7)),
            (flow_mod13(table=255), (5, 2)),
            (flow_mod13(table=254), (5, 2)),
            (flow_mod13(buffer=1), (1, 8)),
            (flow_mod13(instructions=struct.pack('>HHBxxx', 1, 8, 5), table=5), (3, 2)),
            (flow_mod13(instructions=struct.pack('>HHI', 9, 8, 0)), (3, 0)),
            (flow_mod13(instructions=struct.pack('>HHI', 6, 8, 1)), (3, 1)),
            (flow_mod13(instructions=struct.pack('>HHI', 5, 8, 0) * 2), (0x4f4e4600, 2600)),
            # set_field ip_src without a match on IP.
            (flow_mod13(instructions=struct.pack('>HHIHHIII', 4, 24, 0, 25, 16, 0x80001604, 1, 0)), (2, 10)),
    ]:
        found = c.ask(of.FLOW_MOD, body)
        assert [m.error() for m in found] == ([error] if error else []), (body.hex(), found)


def test_wrong_packet_outs(bridge):
    c = bridge.connect(OF13)
    frame = bytes(60)
    output = struct.pack('>HHIH6x', 0, 16, 1, 0)

    def packet_out(buffer=0xffffffff, port=1, length=16, actions=output, data=frame):
        return struct.pack('>IIH6x', buffer, port, length) + actions + data
    for body, error in [
            (packet_out(buffer=5), (1, 8)),
            (packet_out(port=0xfffffffa), (1, 11)),
            (packet_out(length=200), (1, 6)),
            (packet_out(length=12), (2, 1)),
            (packet_out(data=b'short'), (1, 12)),
    ]:
        assert c.error(of.PACKET_OUT, body) == error
    assert c.ask(of.PACKET_OUT, packet_out()) == []


def test_multipart_requests_in_parts_are_refused(bridge):
    c = bridge.connect(OF13)
    assert c.error(of.STATS_REQUEST[OF13], struct.pack('>HHI', 13, 1, 0)) == (1, 13)
    assert c.error(of.STATS_REQUEST[OF13], struct.pack('>HHI', 12, 0, 0) + bytes(64)) == (13, 5)


def test_negotiation(bridge):
    def talk(data):
        c = Connection(bridge.path, OF13, say_hello=False)
        assert c.receive().kind == of.HELLO
        c.send(data)
        return c
    # A bitmap decides, whatever the header says.
    for first, version in [(of.hello(6, 1 << 6 | 1 << 4 | 1 << 1), 4), (of.hello(6, 1 << 6 | 1 << 1), 1),
                           (of.hello(4, 0), 4), (of.hello(6, 0), 4), (of.hello(1, 0), 1)]:
        c = talk(first + message(version, of.FEATURES_REQUEST))
        reply = c.receive()
        assert (reply.version, reply.kind) == (version, of.FEATURES_REPLY), first
        c.close()
    for first in (of.hello(6, 1 << 6), of.hello(2, 0), of.hello(3, 0)):
        c = talk(first)
        assert c.receive().error() == (0, 0)
        c.close()
    # Only what the bridge allows.
    bridge.do('versions 2')
    c = talk(of.hello(4))
    assert c.receive().error() == (0, 0)
    c = talk(of.hello(4, 1 << 4 | 1 << 1) + message(1, of.ECHO_REQUEST, b'x'))
    assert c.receive().version == 1
    # Elements that aren't known are skipped; broken ones are as if there were none.
    bridge.do('versions 12')
    c = talk(message(4, of.HELLO, struct.pack('>HHI', 9, 7, 0) + bytes(0) + struct.pack('>HHI', 1, 8, 1 << 1)) +
             message(1, of.ECHO_REQUEST))
    assert c.receive().version == 1


def test_versions_that_are_no_longer_allowed_are_closed(bridge):
    old, new = bridge.connect(OF10), bridge.connect(OF13)
    bridge.do('versions 10')
    assert old.receive() is None
    assert new.barrier() == []


def test_broken_framing_closes(bridge):
    for data in (b'\4\2\0\7\0\0\0\0', b'\4\2\0\0\0\0\0\0'):
        c = bridge.connect(OF13)
        c.send(data)
        assert c.receive() is None
    c = Connection(bridge.path, OF13, say_hello=False)
    assert c.receive().kind == of.HELLO
    c.send(message(OF13, of.FEATURES_REQUEST))
    assert c.receive() is None
    assert bridge.connect(OF13).barrier() == []


def test_messages_in_pieces(bridge):
    c = bridge.connect(OF13)
    data = message(OF13, of.ECHO_REQUEST, b'payload', xid=3) + message(OF13, of.FLOW_MOD, flow_mod13(), xid=4)
    for byte in data:
        c.send(bytes([byte]))
    found = c.barrier()
    assert [(m.kind, m.body) for m in found] == [(of.ECHO_REPLY, b'payload')]
    # And many at once, the biggest ones too.
    big = message(OF13, of.ECHO_REQUEST, bytes(65527))
    c.send(big * 3 + message(OF13, of.ECHO_REQUEST) * 1000)
    assert len(c.barrier()) == 1003


def test_what_was_sent_before_closing_counts(bridge):
    c = bridge.connect(OF13)
    count = 20000
    c.send(b''.join(message(OF13, of.FLOW_MOD, flow_mod13(struct.pack('>IQ', 0x80000408, i)))
                    for i in range(count)))
    c.close()
    wait_for(lambda: f'flow_count={count}' in bridge.ofctl('dump-aggregate', '@'), 'all flows')
    # Behind a dump that nobody reads, and a barrier that waits for it, too.
    c = bridge.connect(OF13)
    c.send(message(OF13, of.STATS_REQUEST[OF13], ALL_FLOWS) + message(OF13, of.BARRIER_REQUEST[OF13]) +
           message(OF13, of.FLOW_MOD, flow_mod13(table=8)) * 100 +
           message(OF13, of.STATS_REQUEST[OF13], ALL_FLOWS) + message(OF13, of.BARRIER_REQUEST[OF13]) +
           message(OF13, of.FLOW_MOD, flow_mod13(table=9)) * 100)
    c.close()
    wait_for(lambda: f'flow_count={count + 2}' in bridge.ofctl('dump-aggregate', '@'), 'the last flows')


def test_a_long_dump_delays_nobody(bridge):
    """An echo is answered within 100 ms while 300,000 flows are dumped, on the same connection and another."""
    count = 300000
    bridge.do(f'fill {count}')
    c, other = bridge.connect(OF13), bridge.connect(OF10)
    c.send(message(OF13, of.STATS_REQUEST[OF13], ALL_FLOWS, xid=9))
    c.send(message(OF13, of.BARRIER_REQUEST[OF13], xid=10))
    flows, worst, parts, more, last = 0, 0, 0, True, time.monotonic()
    while more:
        if parts % 50 == 0:
            start = time.monotonic()
            other.send(message(OF10, of.ECHO_REQUEST))
            assert other.receive().kind == of.ECHO_REPLY
            worst = max(worst, time.monotonic() - start)
        if parts == 20:
            last = time.monotonic()
            c.send(message(OF13, of.ECHO_REQUEST, xid=11))
        part = c.receive()
        if part.kind == of.ECHO_REPLY:
            # Behind what was under way already, and before the rest of the dump.
            echo_after = flows
            continue
        assert part.kind == of.STATS_REPLY[OF13] and part.xid == 9
        parts += 1
        more = struct.unpack('>H', part.body[2:4])[0] & 1
        body = part.body[8:]
        while body:
            length = struct.unpack('>H', body[:2])[0]
            body = body[length:]
            flows += 1
    assert flows == count
    assert echo_after < count, last
    assert worst < 0.1
    assert c.receive().xid == 10  # the barrier comes behind the dump


def test_a_client_that_does_not_read(bridge):
    bridge.do('fill 200000')
    slow, other = bridge.connect(OF13), bridge.connect(OF13)
    for _ in range(20):
        slow.send(message(OF13, of.STATS_REQUEST[OF13], ALL_FLOWS))
    for _ in range(20):
        assert other.barrier() == []
    with open(f'/proc/{bridge.process.pid}/statm') as file:
        before = int(file.read().split()[1])
    # Echo requests without reading the replies: it stops reading ours.
    slow.socket.settimeout(0.5)
    try:
        for _ in range(2000):
            slow.send(message(OF13, of.ECHO_REQUEST, bytes(60000)))
        raise AssertionError('everything was taken')
    except socket.timeout:
        pass
    assert other.barrier() == []
    with open(f'/proc/{bridge.process.pid}/statm') as file:
        assert int(file.read().split()[1]) - before < 20000  # pages: not 120 MB of replies
    slow.close()
    assert other.barrier() == []


def test_roles(bridge):
    a, b = bridge.connect(OF13), bridge.connect(OF13)

    def role(c, role, generation):
        found = c.ask(24, struct.pack('>IIQ', role, 0, generation))
        assert len(found) == 1
        return found[0].error() if found[0].kind == of.ERROR else struct.unpack('>IIQ', found[0].body)
    assert role(a, 0, 0) == (1, 0, 2**64 - 1)
    assert role(a, 2, 5) == (2, 0, 5)
    assert role(b, 2, 6) == (2, 0, 6)
    assert role(a, 0, 0) == (3, 0, 6)  # a was made a slave
    assert a.error(of.FLOW_MOD, flow_mod13()) == (1, 10)
    assert a.error(of.PACKET_OUT, struct.pack('>IIH6x', 0xffffffff, 1, 0) + bytes(60)) == (1, 10)
    assert b.ask(of.FLOW_MOD, flow_mod13()) == []
    assert role(a, 2, 5) == (11, 0)  # stale
    assert role(a, 9, 7) == (11, 2)
    assert role(a, 1, 0) == (1, 0, 6)
    assert a.ask(of.FLOW_MOD, flow_mod13()) == []
    old = bridge.connect(OF10)
    assert old.nicira(10, struct.pack('>I', 2))[0].body[8:] == struct.pack('>I', 2)
    found = old.ask(of.FLOW_MOD, bytes(64))
    assert [m.error() for m in found] == [(1, 5)]


def test_asynchronous_configuration(bridge):
    c = bridge.connect(OF13)
    assert struct.unpack('>6I', c.ask(26)[0].body) == (3, 0, 7, 7, 15, 0)
    assert c.ask(28, struct.pack('>6I', 0, 0, 1 << 0, 0, 0, 0)) == []
    assert struct.unpack('>6I', c.ask(26)[0].body) == (0, 0, 1, 0, 0, 0)
    bridge.do('port-add 7 p7')
    bridge.do('port-del 7')
    bridge.do('packet-in 2 1 0 100 ffffffffffff0011223344550800')
    found = c.barrier()
    assert [m.kind for m in found] == [of.PORT_STATUS]
    assert found[0].body[0] == 0


def test_packet_in_lengths_and_ids(bridge):
    c = bridge.connect(OF13)
    assert c.ask(9, struct.pack('>HH', 0, 20)) == []  # miss_send_len
    frame = '00' * 100

    def lengths(reason, max_len, cookie='0', c=c):
        bridge.do(f'packet-in 1 {reason} {cookie} {max_len} {frame}')
        return [(struct.unpack('>IHBB', m.body[:8])[1], m.length) for m in c.barrier()]
    (total, whole), = lengths(1, 65535)
    assert total == 100
    assert lengths(1, 30) == [(100, whole - 70)]
    assert lengths(128, 30) == [(100, whole - 70)]  # of a flow for misses
    # No flow at all: 1.0 is told, as long as its miss_send_len says; 1.3 isn't.
    assert lengths(0, 65535, 'ffffffffffffffff') == []
    old = bridge.connect(OF10)
    assert old.ask(9, struct.pack('>HH', 0, 20)) == []
    bridge.do(f'packet-in 1 0 ffffffffffffffff 65535 {frame}')
    bridge.do(f'packet-in 1 128 0 65535 {frame}')
    assert [(m.kind, m.length, m.body[8]) for m in old.barrier()] == [(10, 38, 0), (10, 118, 1)]
    assert [m.body[6] for m in c.barrier()] == [0]
    assert c.nicira(20, struct.pack('>6xH', 5)) == []
    assert lengths(1, 30) == []  # not for this controller's id
    assert [m.error() for m in c.nicira(20, b'1' * 8)] == [(of.NX, 4)]


def test_active_controller(results):
    """We connect to it, it is told everything by default, it is probed, and tried again when it goes."""
    listener = socket.socket(socket.AF_INET)
    listener.bind(('127.0.0.1', 0))
    listener.listen()
    listener.settimeout(20)
    bridge = Bridge(results, f'tcp:127.0.0.1:{listener.getsockname()[1]}')
    try:
        c = Connection(listener.accept()[0], OF13)
        assert c.barrier() == []
        bridge.do('port-add 7 p7')
        assert [m.kind for m in c.barrier()] == [of.PORT_STATUS]
        assert 'ACTIVE other' in bridge.do('controllers')[0]
        bridge.do('warp 6000')
        probe = c.receive()
        assert probe.kind == of.ECHO_REQUEST
        c.send(message(OF13, of.ECHO_REPLY, probe.body, probe.xid))
        assert c.barrier() == []
        bridge.do('warp 6000')
        assert c.receive().kind == of.ECHO_REQUEST
        bridge.do('warp 6000')
        assert c.receive() is None  # silent for too long
        wait_for(lambda: 'BACKOFF' in bridge.do('controllers')[0], 'the end of the connection')
        assert 'silent' in bridge.do('controllers')[0]
        bridge.do('warp 10000')
        again = Connection(listener.accept()[0], OF10)
        assert again.barrier() == []
        again.close()
        listener.close()
        wait_for(lambda: 'BACKOFF' in bridge.do('controllers')[0], 'the end of the connection')
        for _ in range(3):
            bridge.do('warp 10000')
        wait_for(lambda: 'refused' in bridge.do('controllers')[0].lower(), 'a refusal')
    finally:
        bridge.close()
