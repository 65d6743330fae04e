# SPDX-License-Identifier: Apache-2.0
"""The helpers that other tests stand on: that they do what they say, and that they can fail."""

import os
import subprocess
import sys

import pytest

import daemons as daemons_module
import netns
from wait import wait_until

LIB = os.path.dirname(os.path.abspath(netns.__file__))


def test_hosts_ping_over_bridge(net):
    """h1 -- switch (a Linux bridge) -- h2; a broken cable shows."""
    switch = net.namespace('switch')
    switch.run('ip', 'link', 'add', 'br0', 'type', 'bridge')
    switch.run('ip', 'link', 'set', 'br0', 'up')
    h1 = net.host(switch, 'h1', '10.0.0.1/24', mac='02:00:00:00:00:01')
    h2 = net.host(switch, 'h2', '10.0.0.2/24', mtu=9000)
    for port in ('h1', 'h2'):
        switch.run('ip', 'link', 'set', port, 'master', 'br0')
    assert sorted(switch.links()) == ['br0', 'h1', 'h2']
    assert h1.mac('eth0') == '02:00:00:00:00:01'
    assert h1.ping('10.0.0.2', count=2) == 2
    h2.run('ip', 'link', 'set', 'eth0', 'down')
    assert h1.ping('10.0.0.2', wait=1, check=False) == 0
    with pytest.raises(AssertionError, match='0 of 1 pings'):
        h1.ping('10.0.0.2', wait=1)


def test_namespace_ends_with_its_processes(net):
    ns = net.namespace('x')
    ns.popen('sleep', '1000')
    stray = ns.popen('sh', '-c', 'sleep 1000 & echo $!', stdout=subprocess.PIPE, text=True)
    pid = int(stray.stdout.readline())
    name = ns.name
    net.close()
    assert name not in netns.run('ip', 'netns', 'list')
    wait_until(lambda: not os.path.exists(f'/proc/{pid}') or 'Z' in open(f'/proc/{pid}/stat').read().split()[2],
               what='end of the stray process')


def test_leftovers_of_a_killed_run_go():
    """A test process that was killed leaves namespaces and run directories; the next one removes them."""
    script = ('import os, netns, daemons\n'
              'netns.Namespace("left")\n'
              'print(os.getpid(), daemons.Daemons("/tmp/sluicetest-none").rundir, flush=True)\n'
              'os.kill(os.getpid(), 9)\n')
    child = subprocess.run([sys.executable, '-B', '-c', script], cwd=LIB, stdout=subprocess.PIPE, text=True)
    pid, rundir = child.stdout.split()
    assert os.path.isdir(rundir)
    assert f'-{pid}-left' in netns.run('ip', 'netns', 'list')
    netns.forget_dead()
    daemons_module.forget_dead()
    os.rmdir('/tmp/sluicetest-none')
    assert not os.path.isdir(rundir)
    assert f'-{pid}-left' not in netns.run('ip', 'netns', 'list')


def test_failed_command_shows_its_output():
    with pytest.raises(netns.CommandFailed, match='exit status 3\nsome words') as caught:
        netns.run('sh', '-c', 'echo some words; exit 3')
    assert caught.value.status == 3


def test_wait_says_what_for():
    assert wait_until(lambda: 42, timeout=1) == 42
    with pytest.raises(AssertionError, match='no blue moon within 0.1 s: still grey'):
        def moon():
            assert False, 'still grey'
        wait_until(moon, timeout=0.1, what='blue moon')


def test_unexpected_log_lines_fail(results):
    judged = daemons_module.Daemons(results)
    with open(os.path.join(results, 'sluiced.log'), 'w') as file:
        file.write('2026-01-01T00:00:00.000Z|00001|bridge|INFO|a|WARN|ish word\n'
                   '2026-01-01T00:00:00.000Z|00002|bridge|WARN|cannot open device nosuch0\n'
                   '2026-01-01T00:00:00.000Z|00003|bridge|ERR|the sky falls\n')
    judged.allow('cannot open device')
    with pytest.raises(AssertionError, match='the sky falls') as caught:
        judged.stop()
    assert 'nosuch0' not in str(caught.value) and 'ish word' not in str(caught.value)
    assert not os.path.exists(judged.rundir)


def test_sanitizer_reports_fail(results):
    judged = daemons_module.Daemons(results)
    with open(os.path.join(results, 'sanitizer.123'), 'w') as file:
        file.write('==123==ERROR: AddressSanitizer: heap-buffer-overflow\n')
    with pytest.raises(AssertionError, match='heap-buffer-overflow'):
        judged.stop()


def test_database_in_namespace(net, daemons):
    """The database alone, inside a namespace, edited by an unmodified ovs-vsctl; kill and start again."""
    one = daemons(namespace=net.namespace('switch'), start=False)
    one.start_ovsdb()
    one.vsctl('--no-wait', 'add-br', 'br0')
    assert one.vsctl('list-br') == 'br0\n'
    one.kill('sluice-ovsdb')
    one.start_ovsdb()
    assert one.vsctl('list-br') == 'br0\n'
