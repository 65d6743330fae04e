# SPDX-License-Identifier: Apache-2.0
"""What the quickstart shows: rules and traffic, where each kind was forwarded and why, the counts.

Three kinds of datagrams: the NIC takes the first; the NIC refuses the second, which needs a match that it
doesn't have; our own check refuses the third, which needs a rewrite that can't be put into words for a NIC.
The rules send only the second kind through a table that looks at DSCP: what a table looks at, the megaflows
that pass it match.

`sent` and `received` are read from the hosts' own network stacks (/proc/net/snmp), not from Sluice.
"""

import json
import os
import subprocess
import sys

from plumbing import BRIDGE
from wait import wait_until

HERE = os.path.dirname(os.path.abspath(__file__))
PINGS = 20
DATAGRAMS = 1000    # of each kind, from each host
TCP_PORT = 9100
KINDS = [
    {'name': 'plain', 'port': 9000, 'arrives': 9000, 'tos': 0},
    {'name': 'dscp', 'port': 9001, 'arrives': 9001, 'tos': 0xb8},
    {'name': 'rewritten', 'port': 9002, 'arrives': 9003, 'tos': 0},
]
RULES = """
priority=100,arp,actions=NORMAL
priority=100,icmp,actions=NORMAL
priority=100,tcp,actions=NORMAL
priority=100,udp,tp_dst=9000,actions=NORMAL
priority=100,udp,tp_dst=9001,actions=resubmit(,1)
priority=100,udp,tp_dst=9002,actions=mod_tp_dst:9003,NORMAL
table=1,priority=100,ip,nw_tos=184,actions=NORMAL
"""


class Account:
    """The outcome."""

    def __init__(self, stage):
        self.stage = stage
        self.sent = self.received = 0
        self.kinds = []        # (name, sent, received) for the table
        self.counted = 0       # by OpenFlow, ICMP and UDP
        self.hardware = None
        self.flows = []
        self.problems = []

    def hardware_packets(self):
        return sum(flow['hardware_packets'] for flow in self.flows)

    def software_packets(self):
        return sum(flow['packets'] - flow['hardware_packets'] for flow in self.flows)

    def json(self):
        members = ('match', 'actions', 'tier', 'packets', 'bytes', 'reason')
        return {'sent': self.sent, 'received': self.received, 'hardware_packets': self.hardware_packets(),
                'software_packets': self.software_packets(), 'hardware': self.hardware,
                'flows': [{name: flow[name] for name in members} for flow in self.flows]}

    def text(self):
        lines = ['', f'{"":28}{"sent":>10}{"received":>10}']
        lines += [f'{name:28}{sent:>10}{received:>10}' for name, sent, received in self.kinds]
        lines += [f'{"ICMP and UDP, by the hosts":28}{self.sent:>10}{self.received:>10}', '',
                  f'OpenFlow counted {self.counted} ICMP and UDP packets.',
                  f'The NIC ({self.hardware}) forwarded {self.hardware_packets()} packets of all kinds, '
                  f'software {self.software_packets()};',
                  'the first ones of each megaflow are in neither, the daemon itself forwarded them.', '']
        lines += [f'Problem: {problem}' for problem in self.problems] or \
                 ['Everything arrived, and both tiers forwarded.']
        return '\n'.join(lines)


# -- the hosts -------------------------------------------------------------------------------------


def snmp(host):
    """ICMP and UDP packets that a host has sent and received, by its own stack."""
    rows = [line.split() for line in host.space.run('cat', '/proc/net/snmp').splitlines()]
    values = {names[0] + name: int(value) for names, numbers in zip(rows[::2], rows[1::2])
              for name, value in zip(names[1:], numbers[1:])}
    return (values['Icmp:OutMsgs'] + values['Udp:OutDatagrams'], values['Icmp:InMsgs'] + values['Udp:InDatagrams'])


class Traffic:
    """traffic.py in both hosts."""

    def __init__(self, stage):
        self.children = []
        for host, peer in (stage.hosts, reversed(stage.hosts)):
            plan = {'peer': peer.address, 'kinds': KINDS, 'datagrams': DATAGRAMS, 'rate': stage.rate,
                    'tcp_port': TCP_PORT, 'tcp_bytes': stage.stream}
            self.children.append(host.space.popen(sys.executable, '-B', os.path.join(HERE, 'traffic.py'),
                                                  json.dumps(plan), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                                  text=True))
        for child in self.children:
            assert child.stdout.readline() == 'ready\n', 'a host did not come up'

    def order(self, word):
        """Both hosts do it at the same time; returns what each says."""
        for child in self.children:
            child.stdin.write(f'{word}\n')
            child.stdin.flush()
        answers = [child.stdout.readline() for child in self.children]
        assert all(answers), f'a host ended during {word}'
        return [json.loads(answer) for answer in answers]

    def end(self):
        for child in self.children:
            child.stdin.close()
            child.wait(10)
            child.stdout.close()


def send_everything(stage, account):
    """Ping, datagrams, a stream; notes what arrived and what did not."""
    first, second = stage.hosts
    traffic = Traffic(stage)
    before = [snmp(host) for host in stage.hosts]
    answered = first.space.ping(second.address, count=PINGS, check=False)
    account.kinds.append(('ping', PINGS, answered))
    answers = traffic.order('udp')
    for kind in KINDS:
        # What one host sends, the other receives.
        sent = sum(answer[kind['name']]['sent'] for answer in answers)
        received = sum(answer[kind['name']]['received'] for answer in answers)
        distinct = sum(answer[kind['name']]['distinct'] for answer in answers)
        account.kinds.append((f'UDP to port {kind["port"]}', sent, received))
        if distinct != sent or received != sent:
            account.problems.append(f'of {sent} datagrams to port {kind["port"]}, {sent - distinct} are missing and '
                                    f'{received - distinct} came twice')
    after = [snmp(host) for host in stage.hosts]
    account.sent = sum(a[0] - b[0] for a, b in zip(after, before))
    account.received = sum(a[1] - b[1] for a, b in zip(after, before))
    if answered != PINGS or account.sent != account.received:
        account.problems.append(f'the hosts sent {account.sent} packets and received {account.received}')
    streams = traffic.order('tcp')
    account.kinds.append(('TCP, bytes', sum(s['sent'] for s in streams), sum(s['received'] for s in streams)))
    if not all(s['intact'] and s['received'] == stage.stream for s in streams):
        account.problems.append(f'TCP did not bring everything as it was: {streams}')
    traffic.end()


# -- Sluice ----------------------------------------------------------------------------------------


def counted_by_openflow(stage):
    """n_packets of the first table's rules for ICMP and UDP."""
    total = 0
    for line in stage.daemons.ofctl('dump-flows', BRIDGE, 'table=0').splitlines():
        if ',icmp' in line or ',udp' in line:
            total += int(line.split('n_packets=')[1].split(',')[0])
    return total


def await_counts(stage, account):
    """Counters follow the packets: those of a NIC are read from time to time."""
    try:
        wait_until(lambda: counted_by_openflow(stage) == account.sent, what='agreement of counters')
    except AssertionError:
        account.problems.append(f'OpenFlow counted {counted_by_openflow(stage)} packets, not {account.sent}')
    account.counted = counted_by_openflow(stage)


def judge(account):
    """What must be seen for this to be the main job."""
    stages = {flow['refusal']['stage'] for flow in account.flows if flow['refusal']}
    for stage, who in (('driver', 'the NIC'), ('check', 'our own check')):
        if stage not in stages:
            account.problems.append(f'no megaflow was refused by {who}')
    if account.hardware != account.stage.hardware:
        account.problems.append(f'the hardware is "{account.hardware}", not "{account.stage.hardware}"')
    for tier, packets in (('hardware', account.hardware_packets()), ('software', account.software_packets())):
        if not packets:
            account.problems.append(f'the {tier} tier forwarded nothing')


def busiest_refused(account):
    """Of each who refused, the megaflow with the most packets."""
    for stage in ('driver', 'check'):
        refused = [flow for flow in account.flows if flow['refusal'] and flow['refusal']['stage'] == stage]
        if refused:
            yield max(refused, key=lambda flow: flow['packets'])['ufid']


def print_commands(stage, account, out):
    """The same questions as a person would ask them."""
    commands = [['ovs-vsctl', 'show'], ['sluice', 'show'], ['ovs-ofctl', 'dump-flows', BRIDGE], ['sluice', 'flows']]
    commands += [['sluice', 'offload', 'explain', ufid] for ufid in busiest_refused(account)]
    for command in commands:
        out(f'\n$ {" ".join(command)}')
        run = stage.daemons.sluice if command[0] == 'sluice' else stage.daemons.tool
        out(run(*(command[1:] if command[0] == 'sluice' else command)).rstrip())
    for command in getattr(stage, 'kernels_own_view', list)():
        out(f'\n$ {" ".join(command)}')
        out(stage.daemons.tool(*command).rstrip())


def run(stage, out=None):
    """Do all of it and return the Account; OUT takes lines for people, None for none."""
    daemons, account = stage.daemons, Account(stage)
    daemons.ofctl('del-flows', BRIDGE)
    daemons.ofctl('add-flows', BRIDGE, '-', stdin=None, input=RULES)
    # Megaflows are to be seen at the end, so they don't expire on the way.
    daemons.vsctl('set', 'Open_vSwitch', '.', 'other_config:max-idle=120000')
    if out:
        out(f'Sluice runs on {stage.title}.')
        out(f'Two hosts on the bridge {BRIDGE} exchange ping, three kinds of numbered datagrams and TCP.')
    send_everything(stage, account)
    await_counts(stage, account)
    account.flows = json.loads(daemons.sluice('flows', '--json'))['flows']
    account.hardware = next((dp['hardware'] for dp in json.loads(daemons.sluice('show', '--json'))['datapaths']), None)
    judge(account)
    if out:
        print_commands(stage, account, out)
    daemons.vsctl('remove', 'Open_vSwitch', '.', 'other_config', 'max-idle')
    return account
