# SPDX-License-Identifier: Apache-2.0
"""Sluice takes over from Open vSwitch in the usual folders, as its units start it, and ends as they end it.

    h1 (10.0.0.1) -- p1 [ br0: openvswitch.ko ] p2 -- h2 (10.0.0.2)          p1 and p2 in the root namespace

Expected: bridges and port numbers stay; packets are forwarded by our rules, not by megaflows that somebody
left in the kernel; what the kernel holds goes on forwarding while no daemon runs, and goes with --cleanup.
"""

import os
import re
import time

import netns
import pytest
from wait import wait_until

UNITS = os.path.join(os.environ.get('VM_ROOT', ''), 'lib/systemd/system')


def unit_command(name):
    with open(f'{UNITS}/{name}.service') as file:
        line = re.search(r'^ExecStart=(.*)', file.read().replace('\\\n', ' '), re.M).group(1)
    program, *words = line.split()
    folder = os.path.join(os.environ['VM_ROOT'], os.path.basename(os.path.dirname(program)))
    return [os.path.join(folder, os.path.basename(program))] + [word for word in words if word[0] != '$']


def pid_of(name):
    with open(f'/run/openvswitch/{name}.pid') as file:
        return int(file.read())


def end(name, *arguments):
    pid = pid_of(name)
    if arguments:
        netns.run('ovs-appctl', '-t', name, 'exit', *arguments)
    else:
        os.kill(pid, 15)
    wait_until(lambda: not netns.alive(pid), what=f'end of {name}')


def start_ours():
    netns.run(*unit_command('sluice-ovsdb'))
    netns.run(*unit_command('sluiced'))


def end_ours(*arguments):
    end('ovs-vswitchd', *arguments)
    end('ovsdb-server')


@pytest.fixture
def hosts(net):
    """The two hosts, with their ports in the root namespace."""
    found = []
    for number in (1, 2):
        host = net.namespace(f'h{number}')
        netns.run('ip', 'link', 'add', f'p{number}', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', host.name)
        netns.run('ip', 'link', 'set', f'p{number}', 'up')
        host.set_address('eth0', f'10.0.0.{number}/24')
        host.run('ip', 'link', 'set', 'eth0', 'up')
        found.append(host)
    return found


@pytest.fixture
def open_vswitch():
    """Debian's, with a bridge. Within ten seconds of boot it counts no CPUs and loses upcalls."""
    for folder in ('/run/openvswitch', '/var/log/sluice', '/etc/openvswitch'):
        os.makedirs(folder, exist_ok=True)
    time.sleep(max(0, 15 - time.clock_gettime(time.CLOCK_BOOTTIME)))
    netns.run('/usr/share/openvswitch/scripts/ovs-ctl', 'start', '--system-id=random', '--no-record-hostname')
    yield
    # Whoever runs by now, so that the next test finds nobody.
    for name in ('ovs-vswitchd', 'ovsdb-server'):
        if os.path.exists(f'/run/openvswitch/{name}.pid'):
            end(name)


def ports():
    return re.findall(r'^ (\w+)\((\w+)\)', netns.run('ovs-ofctl', 'show', 'br0'), re.M)


def test_take_over(hosts, open_vswitch):
    h1, _ = hosts
    netns.run('ovs-vsctl', '--timeout=20', 'add-br', 'br0', '--', 'add-port', 'br0', 'p2', '--', 'add-port', 'br0', 'p1')
    before = ports()
    assert len(before) == 3
    h1.ping('10.0.0.2', count=3)
    end('ovs-vswitchd')
    end('ovsdb-server')
    assert 'ovs-system' in netns.run('ovs-dpctl', 'show')

    start_ours()
    wait_until(lambda: ports() == before, what=f'ports as they were, {before}')
    h1.ping('10.0.0.2', count=3)
    shown = netns.run(os.path.join(os.environ['VM_ROOT'], 'bin/sluice'), 'show')
    assert 'datapath system, hardware tc' in shown and 'error' not in shown
    # What Open vSwitch left in the kernel would let the pings pass.
    netns.run('ovs-ofctl', 'add-flow', 'br0', 'priority=10,icmp,actions=drop')
    assert h1.ping('10.0.0.2', count=2, wait=1, check=False) == 0
    netns.run('ovs-ofctl', '--strict', 'del-flows', 'br0', 'priority=10,icmp')
    h1.ping('10.0.0.2', count=3)

    # Restarted: forwarding goes on meanwhile, and our own leftovers don't count afterwards.
    end_ours()
    h1.ping('10.0.0.2', count=2)
    start_ours()
    wait_until(lambda: ports() == before, what=f'ports as they were, {before}')
    netns.run('ovs-ofctl', 'add-flow', 'br0', 'priority=10,icmp,actions=drop')
    assert h1.ping('10.0.0.2', count=2, wait=1, check=False) == 0

    end_ours('--cleanup')
    assert 'ovs-system' not in netns.run('ovs-dpctl', 'show', check=False).stdout
