# SPDX-License-Identifier: Apache-2.0
"""The key that lib/flow finds in a frame is the one that openvswitch.ko finds in it, broken frames included.

    sender (AF_PACKET) -> v1 ===== v0 -> openvswitch.ko -> upcall -> ovs-vswitchd, which logs the kernel's key

A frame that both read alike matches the same megaflows in either datapath. A difference would let a megaflow that the
kernel's key was translated to catch other packets than those it stands for.
"""

import os
import re
import socket
import subprocess
import time

import daemons
import pytest
from wait import wait_until

FRAMES = 400


@pytest.fixture
def switch(tmp_path):
    """An Open vSwitch on the kernel's datapath that sends every packet to its handlers; the path of its log."""
    # Started within 10 s of boot it counts no CPUs and loses every upcall.
    wait_until(lambda: time.clock_gettime(time.CLOCK_BOOTTIME) > 12, 60, 'time since boot')
    environment = dict(os.environ, **{f'OVS_{name}DIR': str(tmp_path) for name in ('RUN', 'LOG', 'DB', 'SYSCONF')})
    subprocess.run(['modprobe', 'openvswitch'], check=True)
    subprocess.run(['ip', 'link', 'add', 'v0', 'type', 'veth', 'peer', 'name', 'v1'], check=True)
    for device in ('v0', 'v1'):
        with open(f'/proc/sys/net/ipv6/conf/{device}/disable_ipv6', 'w') as file:
            file.write('1')
        subprocess.run(['ip', 'link', 'set', device, 'up'], check=True)
        subprocess.run(['ethtool', '-K', device, 'rxvlan', 'off', 'txvlan', 'off'], capture_output=True)

    def run(*command):
        return subprocess.run(command, env=environment, check=True, capture_output=True, text=True, timeout=60)

    options = dict(env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    run('ovsdb-tool', 'create', f'{tmp_path}/conf.db', '/usr/share/openvswitch/vswitch.ovsschema')
    running = [subprocess.Popen(['ovsdb-server', f'--remote=punix:{tmp_path}/db.sock', f'--unixctl={tmp_path}/db.ctl',
                                 f'{tmp_path}/conf.db'], **options),
               subprocess.Popen(['ovs-vswitchd', f'--unixctl={tmp_path}/switch.ctl', f'--log-file={tmp_path}/log',
                                 f'unix:{tmp_path}/db.sock'], **options)]
    try:
        wait_until(lambda: (tmp_path / 'switch.ctl').exists() and (tmp_path / 'db.sock').exists(), what='Open vSwitch')
        run('ovs-vsctl', f'--db=unix:{tmp_path}/db.sock', 'add-br', 'br0', '--', 'set', 'bridge', 'br0', 'fail-mode=secure',
            '--', 'add-port', 'br0', 'v0')
        run('ovs-ofctl', 'add-flow', f'unix:{tmp_path}/br0.mgmt', 'actions=controller')
        run('ovs-appctl', '-t', f'{tmp_path}/switch.ctl', 'vlog/disable-rate-limit')
        run('ovs-appctl', '-t', f'{tmp_path}/switch.ctl', 'vlog/set', 'dpif:file:dbg')
        yield tmp_path / 'log'
    finally:
        for process in reversed(running):
            process.kill()
            process.wait()
        subprocess.run(['ip', 'link', 'del', 'v0'])
        subprocess.run(['ovs-dpctl', 'del-dp', 'ovs-system'], capture_output=True)


def headers(text):
    """The headers of the frame itself, as both sides write them."""
    parts, depth, start = [], 0, 0
    for at, character in enumerate(text + ','):
        depth += (character == '(') - (character == ')')
        if character == ',' and not depth:
            parts.append(text[start:at])
            start = at + 1
    metadata = ('recirc_id', 'dp_hash', 'skb_', 'in_port', 'ct_', 'packet_type')
    text = ','.join(part for part in parts if not part.startswith(metadata))
    text = re.sub(r',?eth_type\(0/0xffff\)', '', text)  # the kernel says nothing
    text = re.sub(r',nd_ext\([^)]*\)', '', text)  # what the kernel doesn't look at
    return re.sub(r',key\d+\([^)]*\)', '', text)  # what this ovs-vswitchd doesn't know


def test_keys_are_the_kernels(switch):
    helper = os.path.join(daemons.build_dir(), 'tests', 'unit', 'flow', 'flow_text')
    asked = ''.join(f'wild {seed}\n' for seed in range(1, FRAMES + 1))
    answers = subprocess.run([helper], input=asked, capture_output=True, text=True, check=True, timeout=60).stdout
    ours = {}
    sender = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    sender.bind(('v1', 0))
    for line in answers.splitlines():
        frame, key = line.split('\t')
        sender.send(bytes.fromhex(frame))
        ours[re.search(r'eth\(src=([0-9a-f:]+)', key).group(1)] = (frame, headers(key))
        time.sleep(0.002)  # the queue to user space is short

    def theirs():
        keys = re.findall(r'^recirc_id\(.*', switch.read_text(errors='replace'), re.MULTILINE)
        return {re.search(r'eth\(src=([0-9a-f:]+)', key).group(1): headers(key) for key in keys}

    # A few are dropped before the datapath sees them: tags that are cut short.
    wait_until(lambda: len(theirs()) >= FRAMES * 95 // 100, 60, 'upcalls', interval=0.5)
    found = theirs()
    # The kernel's netlink can't say all that its keys can: an inner tag cut short, a label stack without end.
    unsaid = re.compile(r'encap\(eth_type\(0x(8100|88a8)\)\)|eth_type\(0x884[78]\).*bos=0\)')
    different = [f'{frame}\n    ours:   {key}\n    kernel: {found[mac]}' for mac, (frame, key) in ours.items()
                 if mac in found and found[mac] != key and not unsaid.search(key)]
    assert not different, f'{len(different)} of {len(found)} differ:\n' + '\n'.join(different[:10])
