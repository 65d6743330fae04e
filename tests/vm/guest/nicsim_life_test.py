# SPDX-License-Identifier: Apache-2.0
"""nicsim's coming and going with plain tc and devlink: modes, names, carrier, blocks that outlive a port, unloading under
load. The topology is drawn in nicsim.py. Every test has a NIC of its own."""

import json
import subprocess

import netns
import pytest
from nicsim import DEVLINK, Nic, batch, filters, frame, hangs, packets, rule, silence, slow_insert, to
from wait import wait_until


@pytest.fixture
def nic(net):
    nic = Nic(net, cache_age_ms=0)
    try:
        yield nic
    finally:
        nic.close()


def test_legacy_switches_by_mac(nic):
    assert 'mode legacy' in netns.run('devlink', 'dev', 'eswitch', 'show', DEVLINK)
    links = netns.run('ip', '-o', 'link')
    assert 'nic0vf2' in links and 'nic0peer' in links and 'rep' not in links
    silence('nic0')
    netns.run('ip', 'link', 'set', 'nic0', 'up')
    netns.run('ip', 'addr', 'add', '10.0.0.8/24', 'dev', 'nic0')
    h0, h1, h2, wire = nic.connect('h0 h1 h2 wire')
    for address in ('10.0.0.2', '10.0.0.3', '10.0.0.8', '10.0.0.9'):
        h0.space.ping(address)  # 10.0.0.8 is asked for by ARP, which goes to all
    wire.space.ping('10.0.0.8')
    # Unicast goes to its addressee alone.
    for host in nic.hosts.values():
        host.drain(0.1)
    h0.send(frame(h0, h2))
    assert h2.receive() == frame(h0, h2)
    assert h1.drain(0.2) == [] and wire.drain(0.2) == []

    netns.run('tc', 'qdisc', 'add', 'dev', 'nic0', 'clsact')
    netns.run('ethtool', '-K', 'nic0', 'hw-tc-offload', 'on')
    assert 'nicsim: the eswitch is in legacy mode' in rule('nic0', 'action drop', check=False).stderr


def test_modes_and_names(nic):
    for _ in range(3):
        nic.mode('switchdev')
        assert 'mode switchdev' in netns.run('devlink', 'dev', 'eswitch', 'show', DEVLINK)
        ids = set()
        for device, name in (('nic0', 'p0'), ('nic0rep0', 'pf0vf0'), ('nic0rep2', 'pf0vf2')):
            with open(f'/sys/class/net/{device}/phys_port_name') as file:
                assert file.read().strip() == name
            with open(f'/sys/class/net/{device}/phys_switch_id') as file:
                ids.add(file.read().strip())
        assert len(ids) == 1 and len(ids.pop()) == 16
        ports = json.loads(netns.run('devlink', '-j', 'port', 'show'))['port']
        flavours = {port['netdev']: (port['flavour'], port.get('vfnum')) for port in ports.values()}
        assert flavours == {'nic0': ('physical', None), 'nic0rep0': ('pcivf', 0), 'nic0rep1': ('pcivf', 1),
                            'nic0rep2': ('pcivf', 2)}
        assert 'driver: nicsim_rep' in netns.run('ethtool', '-i', 'nic0rep0')
        nic.mode('legacy')
        assert 'rep' not in netns.run('ip', '-o', 'link')
    result = nic.mode('switchdev_inactive', check=False)
    assert result.returncode


def test_carrier_follows_representor_and_cable(nic):
    def carrier(where, device):
        run = where.space.run if where else netns.run
        return 'LOWER_UP' in run('ip', '-o', 'link', 'show', device)

    h0, wire = nic.connect('h0 wire')
    assert carrier(h0, 'nic0vf0') and not carrier(wire, 'nic0peer')
    nic.up()
    assert carrier(h0, 'nic0vf0') and carrier(wire, 'nic0peer') and carrier(None, 'nic0')
    netns.run('ip', 'link', 'set', 'nic0rep0', 'down')
    assert not carrier(h0, 'nic0vf0')
    wire.space.run('ip', 'link', 'set', 'nic0peer', 'down')
    assert not carrier(None, 'nic0')


def test_shared_block(nic):
    """One block on two ports: a rule for each, their counters summed."""
    nic.mode('switchdev')
    nic.devices_up()
    batch('tc', lines=[f'qdisc add dev {device} ingress_block 22 clsact' for device in ('nic0rep0', 'nic0rep1')])
    h0, h1, h2 = nic.connect('h0 h1 h2')
    rule(22, to('nic0rep2'))
    assert nic.knob('used') == '2\n'
    assert 'in_hw_count 2' in netns.run('tc', 'filter', 'show', 'block', 22)
    h0.send(frame(h0, h2))
    h1.send(frame(h1, h2))
    assert len(h2.drain()) == 2
    assert filters(22) == {1: (True, 2, 2 * len(frame(h0, h2)))}
    netns.run('tc', 'qdisc', 'del', 'dev', 'nic0rep1', 'ingress_block', 22, 'clsact')
    assert nic.knob('used') == '1\n'


def test_unload_under_load(nic):
    """The module goes with rules in the table, a hung insert, and traffic on hit and miss paths."""
    h0, h1, h2 = nic.connect('h0 h1 h2')
    nic.up().bridge()
    rule('nic0rep0', f'dst_mac {h1.mac} {to("nic0rep1")}')
    rule('nic0rep1', f'dst_mac {h0.mac} {to("nic0rep0")}', flags='')
    rule('nic0rep1', to('nic0rep2'), prio=7)
    floods = [h0.space.popen('ping', '-f', '10.0.0.2', stdout=subprocess.DEVNULL),
              h2.space.popen('ping', '-f', '10.0.0.1', stdout=subprocess.DEVNULL)]
    wait_until(lambda: packets('nic0rep0') > 50)
    nic.knob('hang_inserts', 1)
    hung = slow_insert(9)
    assert hangs(hung)
    netns.run('rmmod', 'nicsim')
    assert hung.wait(10)
    for flood in floods:
        flood.kill()
    assert 'nic0' not in netns.run('ip', '-o', 'link')


def test_namespace_of_a_vf_goes(nic):
    """A VF returns to the root namespace when its own is deleted, and works on."""
    h0, h1 = nic.connect('h0 h1')
    nic.up()
    rule('nic0rep0', to('nic0rep1'))
    h1.close()
    del nic.hosts['h1']
    h1.space.close()
    del nic.net.namespaces['h1']
    wait_until(lambda: 'nic0vf1' in netns.run('ip', '-o', 'link'))
    h1 = nic.host('h1')
    h0.send(frame(h0, h1))
    assert h1.receive() == frame(h0, h1)
