#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Sluice beside Open vSwitch on the userspace datapath, in one run, the two in turn.

    tests/bench/switch_bench.py [--runs N] [--build DIR] [--only sluice|ovs] [--quick]

       gen (namespace) -- p1 [ br0 ] p2 -- sink (namespace)

Measures: new flows a second at several offered rates, with CPU per flow set up; forwarding of one flow and of 1,000; the
time from a changed rule to its effect with 10,000 megaflows installed. Prints median (min - max) and the ratio. DIR is
a release build (meson setup build-release --buildtype=release). Root. The machine should be quiet.
"""

import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

TREE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TREE, 'tests', 'lib'))
import netns  # noqa: E402
from wait import wait_until  # noqa: E402

MANY = 2000000000
MEGAFLOWS = ['table=0,priority=10,udp,in_port=1,actions=move:NXM_OF_UDP_SRC[]->NXM_NX_REG0[0..15],'
             'move:NXM_OF_IP_SRC[]->NXM_NX_REG1[],resubmit(,1)',
             'table=1,priority=1,actions=output:2']


class Switch:
    """One running switch of either make between two namespaces."""

    def __init__(self, kind, build, pktgen):
        self.kind, self.pktgen = kind, pktgen
        self.net = netns.Net()
        self.dir = tempfile.mkdtemp(prefix='switchbench-')
        self.env = dict(os.environ, OVS_RUNDIR=self.dir, OVS_DBDIR=self.dir, OVS_LOGDIR=self.dir)
        self.ns = self.net.namespace(f'{kind}sw')
        self.gen = self.net.host(self.ns, f'{kind}gen', '10.0.0.1/8', port='p1', offloads=False)
        self.sink = self.net.host(self.ns, f'{kind}sink', '10.200.0.2/8', port='p2', offloads=False)
        self.sink.run('ip', 'link', 'set', 'eth0', 'arp', 'off')
        self.processes = []
        db = f'{self.dir}/conf.db'
        if kind == 'ovs':
            self.tool('ovsdb-tool', 'create', db, '/usr/share/openvswitch/vswitch.ovsschema')
        server = 'ovsdb-server' if kind == 'ovs' else f'{build}/ovsdb/sluice-ovsdb'
        daemon = 'ovs-vswitchd' if kind == 'ovs' else f'{build}/slowpath/sluiced'
        self.start(server, f'--remote=punix:{self.dir}/db.sock', '--pidfile', db)
        wait_until(lambda: os.path.exists(f'{self.dir}/db.sock'), what='database')
        self.tool('ovs-vsctl', '--no-wait', 'init')
        self.switch = self.start(daemon, f'unix:{self.dir}/db.sock', '--pidfile')
        self.tool('ovs-vsctl', '--', 'add-br', 'br0', '--', 'set', 'bridge', 'br0', 'datapath_type=netdev',
                  'fail_mode=secure', '--', 'set', 'open_vswitch', '.', 'other_config:flow-limit=1000000',
                  'other_config:max-idle=60000')
        for number in (1, 2):
            self.tool('ovs-vsctl', 'add-port', 'br0', f'p{number}', '--', 'set', 'interface', f'p{number}',
                      f'ofport_request={number}')

    def start(self, *command):
        log = open(f'{self.dir}/{os.path.basename(command[0])}.out', 'w')
        child = subprocess.Popen(self.ns.command(*command), env=self.env, stdin=subprocess.DEVNULL, stdout=log,
                                 stderr=log, preexec_fn=netns.die_with_parent)
        self.processes.append(child)
        return child

    def tool(self, *command, **options):
        return netns.run(*self.ns.command(*command), env=self.env, **options)

    def appctl(self, *words):
        return self.tool('ovs-appctl', *words)

    def rules(self, *rules):
        self.tool('ovs-ofctl', 'del-flows', 'br0')
        for rule in rules:
            self.tool('ovs-ofctl', 'add-flow', 'br0', rule)

    def cpu(self):
        with open(f'/proc/{self.switch.pid}/stat') as file:
            fields = file.read().rsplit(')', 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')

    def received(self):
        return int(self.sink.run('cat', '/sys/class/net/eth0/statistics/rx_packets'))

    def flows(self):
        return int(re.search(r'current (\d+)', self.appctl('upcall/show')).group(1))

    def send(self, pps, seconds, flows, first=0):
        """(offered a second, received a second, switch CPU in us per received frame)"""
        frames, cpu = self.received(), self.cpu()
        offered = float(self.gen.run(self.pktgen, 'eth0', pps, seconds, flows, first, timeout=seconds + 60))
        stable = [-1, self.received()]
        while stable[0] != stable[1]:  # queues run empty
            time.sleep(0.1)
            stable = [stable[1], self.received()]
        got = stable[1] - frames
        return offered, got / seconds, (self.cpu() - cpu) * 1e6 / max(1, got)

    def clear(self):
        def empty():  # packets that still wait in queues set up flows anew
            self.appctl('dpctl/del-flows')
            return self.flows() == 0
        wait_until(empty, what='empty flow table', interval=0.3)
        self.appctl('upcall/set-flow-limit', '1000000')

    def close(self):
        for child in reversed(self.processes):
            child.terminate()
            child.wait(20)
        self.net.close()
        shutil.rmtree(self.dir, ignore_errors=True)


def setup_rate(switch, offered, state):
    switch.clear()
    state['first'] = state.get('first', 0) + 5000000
    _, rate, cpu = switch.send(offered, 2, MANY, state['first'])
    return {f'flow set-ups/s, {offered or "as many as possible"} offered': rate,
            f'  us of CPU per set-up, {offered or "as many as possible"} offered': cpu}


def forward(switch, flows):
    if flows == 1:
        switch.rules('priority=1,in_port=1,actions=output:2')
    else:
        switch.rules(*MEGAFLOWS)
    switch.clear()
    switch.send(5000, 1, flows)
    _, rate, cpu = switch.send(0, 3, flows)
    return {f'forwarded/s, {flows} flows': rate, f'  us of CPU per packet, {flows} flows': cpu}


def change_latency(switch, megaflows):
    """From the barrier of a rule change until the first packet obeys it, with `megaflows` installed."""
    switch.rules(*MEGAFLOWS)
    switch.clear()
    for _ in range(8):  # Open vSwitch's own limit starts low and grows
        switch.appctl('upcall/set-flow-limit', '1000000')
        switch.send(5000, megaflows / 5000 + 0.2, megaflows)
        if switch.flows() >= megaflows * 0.98:
            break
    assert switch.flows() >= megaflows * 0.85, f'{switch.kind}: only {switch.flows()} megaflows'
    sender = switch.gen.popen(switch.pktgen, 'eth0', '5000', '6', str(megaflows), stdout=subprocess.DEVNULL)
    time.sleep(1)
    before = switch.received()
    start = time.monotonic()
    switch.tool('ovs-ofctl', 'add-flow', 'br0', 'table=1,priority=100,actions=drop')
    told = time.monotonic()
    last, quiet = switch.received(), time.monotonic()
    while time.monotonic() < quiet + 0.3 and time.monotonic() < told + 4:
        now = switch.received()
        if now != last:
            last, quiet = now, time.monotonic()
    sender.wait(20)
    assert last > before
    return {f'ms from a changed rule to its effect, {megaflows} megaflows': max(0.0, (quiet - told) * 1000),
            '  ms that ovs-ofctl took': (told - start) * 1000}


def measure(switch, quick, state):
    found = {}
    switch.rules(*MEGAFLOWS)
    for offered in (20000,) if quick else (20000, 60000, 100000, 0):
        found.update(setup_rate(switch, offered, state))
    for flows in (1, 1000):
        found.update(forward(switch, flows))
    found.update(change_latency(switch, 10000))
    return found


def figure(values):
    return f'{statistics.median(values):12,.1f} ({min(values):,.1f} - {max(values):,.1f})'


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--runs', type=int, default=3)
    parser.add_argument('--build', default=os.path.join(TREE, 'build-release'))
    parser.add_argument('--only', choices=['sluice', 'ovs'])
    parser.add_argument('--quick', action='store_true')
    options = parser.parse_args()
    work = tempfile.mkdtemp(prefix='switchbench-')
    pktgen = os.path.join(work, 'pktgen')
    netns.run('cc', '-O2', '-D_GNU_SOURCE', '-o', pktgen, os.path.join(TREE, 'tests', 'bench', 'pktgen.c'))
    results, state = {}, {}
    try:
        for run in range(options.runs):
            for kind in (options.only,) if options.only else ('sluice', 'ovs'):
                switch = Switch(kind, options.build, pktgen)
                try:
                    for name, value in measure(switch, options.quick, state).items():
                        results.setdefault(name, {}).setdefault(kind, []).append(value)
                finally:
                    switch.close()
                print(f'run {run + 1} of {kind} done', file=sys.stderr)
    finally:
        shutil.rmtree(work)
    for name, kinds in results.items():
        print(name)
        for kind, values in kinds.items():
            print(f'    {kind:8} {figure(values)}')
        if len(kinds) == 2:
            print(f'    ratio    {statistics.median(kinds["sluice"]) / max(1e-9, statistics.median(kinds["ovs"])):12.2f}')


if __name__ == '__main__':
    main()
