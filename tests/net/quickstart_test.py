# SPDX-License-Identifier: Apache-2.0
"""tools/quickstart as a new user runs it, twice, and interrupted in the middle.

Its build is a plain one of its own (build-quick). Whatever happens, no namespace, process, run directory or
device of it is left; one that was would show that an end of ours skips the cleaning up.
"""

import glob
import json
import os
import signal
import subprocess
import tempfile

import pytest

import netns
from wait import wait_until

TREE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAM = os.path.join(TREE, 'tools', 'quickstart')
PREFIX = 'sluicequick'
MARK = 'QUICKSTART_TEST'


def start(*options, **environment):
    """All that it starts inherits the environment, and is known by MARK."""
    environment = dict(os.environ, **environment)
    environment[MARK] = str(os.getpid())
    return subprocess.Popen([PROGRAM, *options], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True, env=environment, preexec_fn=netns.die_with_parent)


def processes():
    """The commands of processes that a quickstart of ours has started."""
    found = []
    for path in glob.glob('/proc/[0-9]*'):
        try:
            with open(f'{path}/environ', 'rb') as file:
                ours = f'{MARK}={os.getpid()}\0'.encode() in file.read()
            with open(f'{path}/cmdline', 'rb') as file:
                command = file.read().replace(b'\0', b' ').decode(errors='replace')
        except OSError:
            continue
        if ours and command:
            found.append(command)
    return found


def wait_for_traffic(child):
    wait_until(lambda: child.poll() is not None or any('traffic.py' in command for command in processes()),
               timeout=300, what='traffic of the quickstart')


def leftovers(pid):
    """What a quickstart that had this process id left behind."""
    namespaces = [line for line in netns.run('ip', 'netns', 'list', check=False).stdout.splitlines()
                  if line.startswith(f'{PREFIX}-{pid}-')]
    return namespaces + processes() + glob.glob(f'{tempfile.gettempdir()}/{PREFIX}-{pid}-*')


def devices_here():
    return set(os.listdir('/sys/class/net'))


@pytest.mark.parametrize('turn', [1, 2])
def test_main_job(turn):
    before = devices_here()
    child = start('--json')
    out, err = child.communicate(timeout=600)
    assert child.returncode == 0, out + err
    account = json.loads(out)
    assert list(account) == ['sent', 'received', 'hardware_packets', 'software_packets', 'hardware', 'flows']
    # 20 pings and their answers; three kinds of 1000 datagrams from each host.
    assert account['sent'] == account['received'] == 2 * 20 + 3 * 2 * 1000
    assert account['hardware'] == 'simulated'
    assert account['hardware_packets'] > 2000 and account['software_packets'] > 3000
    for flow in account['flows']:
        assert list(flow) == ['match', 'actions', 'tier', 'packets', 'bytes', 'reason']
        assert (flow['tier'] == 'simulated') == (flow['reason'] is None), flow
    reasons = {flow['reason'] for flow in account['flows']}
    assert any('nicsim: cannot match on ip_tos' in reason for reason in reasons if reason)
    assert any('a rewrite of udp_dst' in reason for reason in reasons if reason)
    assert leftovers(child.pid) == [] and devices_here() == before


def test_account_for_people():
    child = start()
    out, err = child.communicate(timeout=600)
    assert child.returncode == 0, out + err
    for wanted in ('SIMULATED', '$ ovs-ofctl dump-flows br0', "the NIC's driver refused it", 'our own check refused it',
                   'Everything arrived, and both tiers forwarded.'):
        assert wanted in out
    assert leftovers(child.pid) == []


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_interrupted(number):
    child = start('--json')
    wait_for_traffic(child)
    child.send_signal(number)
    out, err = child.communicate(timeout=60)
    assert child.returncode == 128 + number and out == '' and err == 'tools/quickstart: interrupted\n'
    assert leftovers(child.pid) == []


def test_killed():
    """What a killed one left, the next takes away."""
    child = start('--json')
    wait_for_traffic(child)
    child.kill()
    child.communicate()
    other = start('--json')
    out, err = other.communicate(timeout=600)
    assert other.returncode == 0, out + err
    assert leftovers(child.pid) == leftovers(other.pid) == []


def test_kept():
    child = start('--keep')
    out, err = child.communicate(timeout=600)
    try:
        assert child.returncode == 0, out + err
        rundir, = glob.glob(f'{tempfile.gettempdir()}/{PREFIX}-{child.pid}-*')
        shown = netns.run('ovs-vsctl', '--timeout=10', 'show', env=dict(os.environ, OVS_RUNDIR=rundir))
        assert 'Bridge br0' in shown
        host = netns.run('ip', 'netns', 'exec', f'{PREFIX}-{child.pid}-h1', 'ping', '-c1', '-W5', '10.0.0.2')
        assert '1 received' in host
    finally:
        netns.run(PROGRAM, '--stop')
    assert leftovers(child.pid) == []


def test_another_switch_is_left_alone():
    """The environment of another switch's user doesn't lead us to that switch."""
    child = start('--json', OVS_RUNDIR='/nonexistent', OVS_DBDIR='/nonexistent')
    out, err = child.communicate(timeout=600)
    assert child.returncode == 0, out + err


def test_packages_of_the_quickstart_are_those_of_the_tests():
    def packages(path):
        with open(os.path.join(TREE, path)) as file:
            return {line.strip() for line in file if line.strip() and not line.startswith('#')}

    implied = {'gcc', 'libc6-dev'}    # by build-essential
    assert packages('tools/packages') | packages('tools/packages.vm') <= packages('tests/packages') | implied
