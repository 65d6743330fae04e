# SPDX-License-Identifier: Apache-2.0
"""Network namespaces and veth pairs for tests: unique names, and nothing is left behind.

    net = Net()
    switch, h1 = net.namespace('sw'), net.namespace('h1')
    net.veth(h1, 'eth0', switch, 'p1', address='10.0.0.1/24')
    h1.run('ping', '-c1', '10.0.0.2')
    net.close()

Names of namespaces carry the test process's id, so that parallel runs don't meet and the leftovers of a
killed one are recognised: forget_dead() removes those.
"""

import ctypes
import os
import re
import signal
import subprocess

from wait import wait_until

PREFIX = 'sluicetest'


def die_with_parent():
    """For preexec_fn: the child is killed when the test process ends, however that happens."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


class CommandFailed(AssertionError):
    def __init__(self, command, result):
        super().__init__(f'{" ".join(command)}: exit status {result.returncode}\n'
                         f'{result.stdout}{result.stderr}')
        self.status = result.returncode
        self.out = result.stdout
        self.err = result.stderr


def run(*command, check=True, timeout=60, **options):
    """Run a command and return its output; with check=False the CompletedProcess."""
    command = [str(word) for word in command]
    options.setdefault('stdin', subprocess.DEVNULL)
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            timeout=timeout, **options)
    if not check:
        return result
    if result.returncode:
        raise CommandFailed(command, result)
    return result.stdout


class Namespace:
    """A network namespace. `name` is the real one; `label` is what the test called it."""

    def __init__(self, label, prefix=PREFIX):
        self.label = label
        self.name = f'{prefix}-{os.getpid()}-{label}'
        self.children = []
        run('ip', 'netns', 'add', self.name)
        # No IPv6 address configuration: its packets would be counted by tests that count packets.
        for name in ('default', 'all'):
            self.run('sysctl', '-qw', f'net.ipv6.conf.{name}.addr_gen_mode=1',
                     f'net.ipv6.conf.{name}.accept_ra=0', check=False)
        self.run('ip', 'link', 'set', 'lo', 'up')

    def command(self, *command):
        return ['ip', 'netns', 'exec', self.name] + [str(word) for word in command]

    def run(self, *command, **options):
        """Like netns.run, inside."""
        return run(*self.command(*command), **options)

    def popen(self, *command, **options):
        """A process inside, stopped when the namespace goes."""
        options.setdefault('stdin', subprocess.DEVNULL)
        options.setdefault('preexec_fn', die_with_parent)
        child = subprocess.Popen(self.command(*command), **options)
        self.children.append(child)
        return child

    def set_address(self, device, address):
        self.run('ip', 'addr', 'add', address, 'dev', device)

    def mac(self, device):
        return self.run('cat', f'/sys/class/net/{device}/address').strip()

    def links(self):
        """Names of the devices inside, except lo."""
        names = re.findall(r'^\d+: ([^:@]+)', self.run('ip', '-o', 'link'), re.M)
        return [name for name in names if name != 'lo']

    def ping(self, address, count=1, wait=5, check=True):
        """Ping; returns how many answers came."""
        result = self.run('ping', '-n', '-q', '-c', count, '-i', '0.2', '-W', wait, address, check=False,
                          timeout=60 + count)
        found = re.search(r'(\d+) received', result.stdout)
        received = int(found.group(1)) if found else 0
        if check:
            assert received == count, f'{self.label}: {received} of {count} pings of {address} answered'
        return received

    def close(self):
        for child in self.children:
            if child.poll() is None:
                child.kill()
            child.wait()
        delete(self.name)


def delete(name):
    """Delete a namespace and what runs in it. One that doesn't exist is fine."""
    if run('ip', 'netns', 'pids', name, check=False).returncode:
        return

    def emptied():
        pids = run('ip', 'netns', 'pids', name, check=False).stdout.split()
        for pid in pids:
            try:
                os.kill(int(pid), signal.SIGKILL)
            except ProcessLookupError:
                pass
        return not pids
    wait_until(emptied, what=f'end of the processes in namespace {name}')
    run('ip', 'netns', 'del', name, check=False)


def alive(pid):
    return os.path.exists(f'/proc/{pid}')


def forget_dead(prefix=PREFIX, spare=()):
    """Remove namespaces of test processes that are no more, except for the pids in SPARE (text)."""
    for line in run('ip', 'netns', 'list', check=False).stdout.splitlines():
        found = re.match(rf'({prefix}-(\d+)-\S+)', line)
        if found and found.group(2) not in spare and not alive(found.group(2)):
            delete(found.group(1))


class Net:
    """The namespaces of one test."""

    def __init__(self, prefix=PREFIX):
        self.prefix = prefix
        self.namespaces = {}

    def namespace(self, label):
        """A new namespace; each label once per test."""
        assert label not in self.namespaces
        self.namespaces[label] = Namespace(label, self.prefix)
        return self.namespaces[label]

    def veth(self, a, a_name, b, b_name, address=None, mac=None, mtu=None, offloads=True):
        """A veth pair between two namespaces, both ends up; address and mac are for the first end."""
        run('ip', 'link', 'add', a_name, 'netns', a.name, 'type', 'veth', 'peer', 'name', b_name, 'netns', b.name)
        if mac:
            a.run('ip', 'link', 'set', a_name, 'address', mac)
        for ns, name in ((a, a_name), (b, b_name)):
            if mtu:
                ns.run('ip', 'link', 'set', name, 'mtu', mtu)
            if not offloads:
                ns.run('ethtool', '-K', name, 'tx', 'off', 'rx', 'off', 'gso', 'off', 'tso', 'off', 'gro', 'off')
            ns.run('ip', 'link', 'set', name, 'up')
        if address:
            a.set_address(a_name, address)

    def host(self, switch, label, address, port=None, **options):
        """A namespace that stands for a host: eth0 inside, the other end PORT in the switch's namespace."""
        host = self.namespace(label)
        self.veth(host, 'eth0', switch, port or label, address=address, **options)
        return host

    def close(self):
        for namespace in self.namespaces.values():
            namespace.close()
        self.namespaces.clear()
