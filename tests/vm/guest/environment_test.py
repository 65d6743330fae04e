# SPDX-License-Identifier: Apache-2.0
"""The fixtures work inside a guest: namespaces, veth pairs, the results folder, kernel modules."""

import os

import netns


def test_hosts_ping_over_bridge(net, results):
    """h1 -- switch (a Linux bridge) -- h2; a broken cable shows."""
    switch = net.namespace('switch')
    switch.run('ip', 'link', 'add', 'br0', 'type', 'bridge')
    switch.run('ip', 'link', 'set', 'br0', 'up')
    h1 = net.host(switch, 'h1', '10.0.0.1/24')
    h2 = net.host(switch, 'h2', '10.0.0.2/24')
    for port in ('h1', 'h2'):
        switch.run('ip', 'link', 'set', port, 'master', 'br0')
    assert h1.ping('10.0.0.2', count=2) == 2
    h2.run('ip', 'link', 'set', 'eth0', 'down')
    assert h1.ping('10.0.0.2', wait=1, check=False) == 0
    with open(os.path.join(results, 'note'), 'w') as file:
        file.write('done')


def test_datapath_module():
    netns.run('modprobe', 'openvswitch')
    assert 'ovs_datapath' in netns.run('genl', 'ctrl', 'list')
