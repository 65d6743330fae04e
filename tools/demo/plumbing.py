# SPDX-License-Identifier: Apache-2.0
"""The stage of the quickstart: two hosts, ports of a bridge that lead to them, the daemons.

    Namespaces     h1 ---veth--- p1 [ br0: userspace datapath, NIC simulated in process ] p2 ---veth--- h2
    SwitchingNic   h1 = VF 0 .. nic0rep0 [ br0: openvswitch.ko, tc-flower ] nic0rep1 .. VF 1 = h2

In the second the hosts hang on VFs of a simulated NIC (nicsim.ko), the ports are their representors, and
what the NIC forwards goes from VF to VF; only in a virtual machine.

Namespaces and run directories carry our process's id, so that two of us don't meet, and what a killed one
left is recognised (forget_dead). One that is to stay has a file "kept" in its run directory.
"""

import glob
import os
import re
import shutil
import signal
import tempfile

import daemons
import netns

PREFIX = 'sluicequick'
BRIDGE = 'br0'
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def ignore_signals():
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


class Host:
    def __init__(self, space, device, address):
        self.space = space
        self.device = device
        self.address = address


class Stage:
    """As a context: what start() made is gone afterwards, unless keep() was called."""
    title = datapath = hardware = None
    settings = {}          # other_config
    ports = ()
    rate = 500             # datagrams a second, of each kind and direction
    stream = 8 << 20       # bytes of the TCP stream
    namespace = None       # of the switch

    def __init__(self, lasting=False):
        self.lasting = lasting
        self.kept = False
        self.net = netns.Net(PREFIX)
        self.rundir = tempfile.mkdtemp(prefix=f'{PREFIX}-{os.getpid()}-')
        self.daemons = None
        self.hosts = []

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if self.kept:
            return
        ignore_signals()    # nothing stops the cleaning up
        try:
            if self.daemons:
                self.daemons.stop()
        except AssertionError as problem:
            # What went wrong first is told, not what came of it.
            if not kind:
                raise
            if issubclass(kind, Exception):
                error.args = (f'{error}\n{problem}',)
        finally:
            self.net.close()
            self.unplug()
            shutil.rmtree(self.rundir, ignore_errors=True)

    def start(self):
        self.plug()
        self.daemons = daemons.Daemons(os.path.join(self.rundir, 'log'), self.namespace, rundir=self.rundir,
                                       lasting=self.lasting)
        self.daemons.start()
        for name, value in self.settings.items():
            self.daemons.vsctl('set', 'Open_vSwitch', '.', f'other_config:{name}={value}')
        self.daemons.vsctl('add-br', BRIDGE, '--', 'set', 'bridge', BRIDGE, f'datapath_type={self.datapath}')
        for port in self.ports:
            self.daemons.vsctl('add-port', BRIDGE, port)

    def keep(self):
        with open(os.path.join(self.rundir, 'kept'), 'w'):
            self.kept = True

    def plug(self):
        """Make hosts and ports."""
        raise NotImplementedError

    def unplug(self):
        """Take away what closing the namespaces doesn't."""


class Namespaces(Stage):
    title = 'the userspace datapath, with a NIC that is simulated in process'
    datapath = 'netdev'
    hardware = 'simulated'
    settings = {'sluice-simulated-nic': 'true'}
    ports = ('p1', 'p2')

    def plug(self):
        self.namespace = self.net.namespace('switch')
        for number, port in enumerate(self.ports, 1):
            address = f'10.0.0.{number}'
            space = self.net.host(self.namespace, f'h{number}', f'{address}/24', port=port)
            self.hosts.append(Host(self.net.namespaces[f'h{number}'], 'eth0', address))

    def how_to_look(self):
        switch = self.namespace.name
        return f"""
It is still running. To look at it:

    export OVS_RUNDIR={self.rundir} PATH=$PATH:{os.path.join(daemons.build_dir(), 'tools')}
    ovs-vsctl show; ovs-ofctl dump-flows {BRIDGE}; sluice show; sluice flows
    ip netns exec {self.hosts[0].space.name} ping {self.hosts[1].address}

The switch is in namespace {switch}, its logs in {self.rundir}/log.
`tools/quickstart --stop` ends it.
"""


class SwitchingNic(Stage):
    title = 'the kernel module openvswitch.ko, with a simulated NIC behind tc-flower'
    datapath = 'system'
    hardware = 'tc'
    ports = ('nic0rep0', 'nic0rep1')
    rate = 100
    stream = 2 << 20

    def plug(self):
        netns.run('modprobe', 'openvswitch')
        netns.run('insmod', os.environ['NICSIM_KO'], 'vfs=2')
        netns.run('devlink', 'dev', 'eswitch', 'set', 'platform/nicsim.0', 'mode', 'switchdev')
        netns.run('ethtool', '-K', 'nic0', 'hw-tc-offload', 'on')
        for number, port in enumerate(self.ports):
            self.silence(port)
            netns.run('ip', 'link', 'set', port, 'up')
            space, device = self.net.namespace(f'h{number + 1}'), f'nic0vf{number}'
            netns.run('ip', 'link', 'set', device, 'netns', space.name)
            address = f'10.0.0.{number + 1}'
            space.set_address(device, f'{address}/24')
            space.run('ip', 'link', 'set', device, 'up')
            self.hosts.append(Host(space, device, address))

    @staticmethod
    def silence(device):
        with open(f'/proc/sys/net/ipv6/conf/{device}/disable_ipv6', 'w') as file:
            file.write('1')

    def unplug(self):
        netns.run('rmmod', 'nicsim', check=False)

    def kernels_own_view(self):
        """Commands that show it without asking Sluice."""
        return [['tc', '-s', 'filter', 'show', 'dev', port, 'ingress'] for port in self.ports] + \
               [['ovs-dpctl', 'dump-flows']]


# -- what earlier ones left ------------------------------------------------------------------------


def run_dirs():
    """[(pid as text, path)]"""
    found = []
    for path in glob.glob(os.path.join(tempfile.gettempdir(), f'{PREFIX}-*-*')):
        match = re.match(rf'{PREFIX}-(\d+)-', os.path.basename(path))
        if match:
            found.append((match.group(1), path))
    return found


def has_namespaces(pid):
    return f'{PREFIX}-{pid}-' in netns.run('ip', 'netns', 'list', check=False).stdout


def is_kept(pid, path):
    return os.path.exists(os.path.join(path, 'kept')) and has_namespaces(pid)


def forget_dead():
    """Remove what a killed quickstart left; what is kept and what belongs to a live one stays."""
    kept = [pid for pid, path in run_dirs() if is_kept(pid, path)]
    netns.forget_dead(PREFIX, spare=kept)
    for pid, path in run_dirs():
        if pid not in kept and not netns.alive(pid):
            shutil.rmtree(path, ignore_errors=True)


def stop_kept():
    """End what --keep left running; returns a sentence."""
    stopped = 0
    for pid, path in run_dirs():
        if is_kept(pid, path):
            os.unlink(os.path.join(path, 'kept'))
            stopped += 1
    forget_dead()
    return f'{stopped} ended' if stopped else 'nothing was running'
