# SPDX-License-Identifier: Apache-2.0
"""The simulated NIC as tests see it: inserted, in switchdev mode, with a host behind each VF.

         h0         h1         h2                 wire           namespaces: hosts, and the cable's far end
       nic0vf0    nic0vf1    nic0vf2            nic0peer
          |          |          |                  |
     =====+==========+==========+==================+=======       eswitch: ports 1, 2, 3 and 0
          :          :          :                  :
       nic0rep0   nic0rep1   nic0rep2             nic0            representors and uplink, in the root namespace:
                                                                  here stands what switches misses, and tc
"""

import json
import os
import subprocess

import netns
from wait import wait_until

import frames

DEVLINK = 'platform/nicsim.0'
KNOBS = '/sys/kernel/debug/nicsim/nicsim.0'


def batch(*tool, lines, **options):
    """One call of ip or tc for many lines of its batch language."""
    return netns.run(*tool, '-batch', '-', stdin=None, input='\n'.join(lines) + '\n', **options)


def silence(device):
    """A device of the root namespace sends nothing by itself."""
    with open(f'/proc/sys/net/ipv6/conf/{device}/disable_ipv6', 'w') as file:
        file.write('1')


class Nic:
    def __init__(self, net, vfs=3, **parameters):
        self.net = net
        self.vfs = vfs
        self.hosts = {}
        self.undo = []  # what clean() calls
        self.blocks = False  # there are clsact qdiscs
        # tc repeats a request for which a module had to be loaded under rtnl, and tests of locking want it without.
        netns.run('modprobe', '-a', 'cls_flower', 'act_gact', 'act_mirred', 'act_vlan')
        netns.run('insmod', os.environ['NICSIM_KO'], f'vfs={vfs}', *[f'{k}={v}' for k, v in parameters.items()])

    def close(self):
        self.clean()
        for wire in self.hosts.values():
            wire.close()
        if os.path.exists('/sys/module/nicsim'):
            netns.run('rmmod', 'nicsim')

    def clean(self):
        """As it was after up(): no rules, no bridge, no faults, nothing in the hosts' ears."""
        while self.undo:
            self.undo.pop()()
        if os.path.exists(KNOBS):
            for name, value in (('hang_inserts', 0), ('insert_delay_us', 0), ('fail_inserts', 0), ('capacity', 65536),
                                ('cache_age_ms', 0)):
                self.knob(name, value)
        if self.blocks and os.path.exists(KNOBS):
            batch('tc', lines=[f'qdisc {do} dev {device} clsact' for device in self.devices() for do in ('del', 'add')])
        for wire in self.hosts.values():
            wire.drain(0)

    def mode(self, mode, **options):
        return netns.run('devlink', 'dev', 'eswitch', 'set', DEVLINK, 'mode', mode, **options)

    def host(self, label):
        """A namespace "h0" (with VF 0, 10.0.0.1), "h1", … or "wire" (with the peer, 10.0.0.9); returns its Wire. It
        is silent: no IPv6 until the test wants it."""
        device = 'nic0peer' if label == 'wire' else f'nic0vf{label[1:]}'
        number = 9 if label == 'wire' else int(label[1:]) + 1
        space = self.net.namespace(label)
        netns.run('ip', 'link', 'set', device, 'netns', space.name)
        space.run('sysctl', '-qw', f'net.ipv6.conf.{device}.disable_ipv6=1')
        batch('ip', '-n', space.name, lines=[f'addr add 10.0.0.{number}/24 dev {device}', f'link set {device} up'])
        wire = frames.Wire(space.name, device)
        wire.space, wire.device, wire.mac, wire.address = space, device, space.mac(device), f'10.0.0.{number}'
        self.hosts[label] = wire
        return wire

    def connect(self, labels):
        """The hosts of "h0 h1 wire". Everyone knows everyone, so that no ARP is among the frames that are counted."""
        hosts = [self.host(label) for label in labels.split()]
        self.make_known(hosts)
        return hosts

    def make_known(self, hosts):
        for a in hosts:
            batch('ip', '-n', a.space.name, lines=[f'neigh replace {b.address} lladdr {b.mac} dev {a.device}'
                                                   for b in hosts if b is not a])

    def get(self, labels):
        return [self.hosts[label] for label in labels.split()]

    def vlan_device(self, host, vid, address):
        """A VLAN device "vVID" of a host, with an address, until clean()."""
        batch('ip', '-n', host.space.name, lines=[f'link add link {host.device} name v{vid} type vlan id {vid}',
                                                  f'addr add {address} dev v{vid}', f'link set v{vid} up'])
        self.undo.append(lambda: host.space.run('ip', 'link', 'del', f'v{vid}'))

    def address(self, host, address):
        """Another address of a host, until clean()."""
        host.space.run('ip', 'addr', 'add', address, 'dev', host.device, 'nodad')
        self.undo.append(lambda: host.space.run('ip', 'addr', 'del', address, 'dev', host.device))

    def up(self):
        """Switchdev mode, all of the root namespace's side up and silent, with ingress blocks."""
        self.mode('switchdev')
        self.devices_up()
        batch('tc', lines=[f'qdisc add dev {device} clsact' for device in self.devices()])
        netns.run('ethtool', '-K', 'nic0', 'hw-tc-offload', 'on')
        self.blocks = True
        return self

    def devices_up(self):
        for device in self.devices():
            silence(device)
        batch('ip', lines=[f'link set {device} up' for device in self.devices()])

    def devices(self):
        return ['nic0'] + [f'nic0rep{n}' for n in range(self.vfs)]

    def bridge(self):
        """A Linux bridge over all ports: the miss path."""
        netns.run('ip', 'link', 'add', 'br0', 'type', 'bridge', 'mcast_snooping', '0')
        netns.run('sysctl', '-qw', 'net.ipv6.conf.br0.disable_ipv6=1')
        batch('ip', lines=[f'link set {device} master br0' for device in self.devices()] + ['link set br0 up'])
        self.undo.append(lambda: netns.run('ip', 'link', 'del', 'br0'))
        # Representors have carrier; the uplink only if somebody is at the cable's other end.
        wait_until(lambda: netns.run('bridge', 'link').count('state forwarding') >= self.vfs,
                   what='a forwarding bridge')

    def knob(self, name, value=None):
        path = os.path.join(KNOBS, name)
        if value is not None:
            with open(path, 'w') as file:
                file.write(str(value))
            return None
        with open(path) as file:
            return file.read()

    def counters(self):
        """Frames that each representor and the PF have seen, both ways."""
        found = {}
        for link in json.loads(netns.run('ip', '-s', '-j', 'link')):
            if link['ifname'] in self.devices():
                stats = link['stats64']
                found[link['ifname']] = stats['rx']['packets'] + stats['tx']['packets']
        return found


def rule(device, words, prio=1, protocol='ip', flags='skip_sw', do='add', handle=None, check=True):
    """tc filter add: WORDS are flower's match and the actions, as on the command line."""
    place = ['dev', device, 'ingress'] if not str(device).isdigit() else ['block', device]
    more = ['handle', handle] if handle else []
    return netns.run('tc', 'filter', do, *place, 'prio', prio, 'protocol', protocol, *more, 'flower',
                     *flags.split(), *words.split(), check=check)


def to(device):
    return f'action mirred egress redirect dev {device}'


def filters(device):
    """Its flower filters: {prio: (in_hw, packets, bytes)}, of the first action, hardware's counters alone."""
    place = ['dev', device, 'ingress'] if not str(device).isdigit() else ['block', device]
    found = {}
    for one in json.loads(netns.run('tc', '-s', '-j', 'filter', 'show', *place)):
        options = one.get('options', {})
        if one['kind'] != 'flower' or 'actions' not in options:
            continue
        stats = options['actions'][0]['stats']
        found[one['pref']] = (options.get('in_hw', False), stats.get('hw_packets', 0), stats.get('hw_bytes', 0))
    return found


def packets(device, prio=1):
    return filters(device)[prio][1]


def frame(a, b, payload=None, kind=0x0800, tags=()):
    """From host A to host B; a UDP packet unless PAYLOAD says otherwise."""
    if payload is None:
        payload = frames.ipv4('10.0.0.1', '10.0.0.2', 17, frames.udp(1000, 2000, b'x' * 20))
    return frames.ethernet(b.mac, a.mac, kind, payload, tags)


def slow_insert(prio):
    return subprocess.Popen(['tc', 'filter', 'add', 'dev', 'nic0rep0', 'ingress', 'prio', str(prio), 'protocol', 'ip',
                             'flower', 'skip_sw', 'action', 'drop'], stderr=subprocess.PIPE, text=True)


def hangs(process):
    """It waits in the driver."""
    def state():
        with open(f'/proc/{process.pid}/stack') as file:
            return 'nicsim' in file.read()
    wait_until(state, what='an insert inside nicsim')
    return process.poll() is None
