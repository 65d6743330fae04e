# SPDX-License-Identifier: Apache-2.0
"""The runner itself: what a test relies on when it says that something passed in a guest."""

import os
import signal
import subprocess
import sys
import time

import pytest

import kernels
import modules
from wait import wait_until

HERE = os.path.dirname(os.path.abspath(__file__))
RUN = os.path.join(HERE, 'run')
HELLO = 'tests/vm/guest/hello'
MODULES = ('openvswitch cls_flower cls_matchall sch_ingress act_mirred act_vlan act_pedit act_gact act_police '
           'act_ct act_tunnel_key act_csum act_skbedit vxlan geneve rdma_rxe veth')


def test_status_and_output(vm):
    result = vm('echo "to out"; echo "to err" >&2; echo "again" > /dev/stderr; exit 7', status=7)
    assert result.out == 'to out\n'
    # The runner itself says so when it has to wait for its turn.
    said = [line for line in result.err.splitlines() if not line.startswith('tests/vm/run: waiting')]
    assert said == ['to err', 'again']


def test_surroundings(vm):
    """The tree at its path, the same folder, a root file system that can be written without harm."""
    marker = os.path.join(kernels.TREE, 'tests', 'vm', 'marker')
    result = vm('pwd; id -u; test -x tests/vm/run; touch /etc/marker tests/vm/marker; echo kept > '
                '$SLUICE_RESULTS/marker; echo "$GREETING|$LANG"; ip netns add x; ip netns exec x true',
                env={'GREETING': "it's me"})
    lines = result.out.splitlines()
    assert lines[:2] == [os.getcwd(), '0'] and lines[2].startswith("it's me|")
    assert not os.path.exists('/etc/marker') and not os.path.exists(marker)
    kept = os.path.join(os.environ.get('SLUICE_RESULTS') or os.path.join(kernels.TREE, 'tests', 'results'), 'marker')
    with open(kept) as file:
        assert file.read() == 'kept\n'
    os.unlink(kept)


@pytest.mark.parametrize('kernel', ['debian', 'debian-6.12', 'test'])
def test_kernel_and_modules(vm, kernel):
    """Every module a test needs is there, and one of ours, built on the host, loads."""
    hello = modules.build(HELLO, kernel)
    result = vm(f'uname -r; for m in {MODULES}; do modprobe $m; done; insmod {hello}; '
                'dmesg | grep "hello from a module"', kernel=kernel)
    assert result.out.splitlines()[0] == kernels.get(kernel).release


def test_chains_in_test_kernel(vm):
    """What the test kernel is built for: tc can hand its chain on to the datapath."""
    vm('zcat /proc/config.gz | grep -x CONFIG_NET_TC_SKB_EXT=y; modprobe openvswitch', kernel='test')


def test_warning_fails(vm):
    result = vm(f'insmod {modules.build(HELLO)} warn=1; echo went on', status=99)
    assert result.out == 'went on\n'
    assert 'WARNING: ' in result.err and 'hello_init' in result.err


def test_panic_fails(vm):
    result = vm('echo c > /proc/sysrq-trigger; sleep 60', status=99)
    assert 'sysrq triggered crash' in result.err


def test_sanitizer_report_fails(vm):
    """Even when the program that it came from didn't bring the command down."""
    result = vm('echo "==1==ERROR: AddressSanitizer: heap-use-after-free on address" >&2', status=99)
    assert 'heap-use-after-free' in result.err


def test_timeout(vm):
    result = vm('echo begun; sleep 1000', status=124, timeout=60)
    assert result.out == 'begun\n' and 'time is up' in result.err


def test_two_hosts(vm):
    """A cable between two guests, and a folder that both see."""
    result = vm('ip addr add 10.9.8.$VM_HOST/24 dev eth0; touch $VM_SHARE/$VM_HOST; other=$((3 - VM_HOST)); '
                'until [ -e $VM_SHARE/$other ]; do sleep 0.1; done; '
                'ping -q -c 3 -i 0.2 -W 10 10.9.8.$other; hostname', hosts=2)
    for host in (1, 2):
        assert f'{host}| vm{host}\n' in result.out
        assert f'{host}| 3 packets transmitted, 3 received' in result.out


def test_first_failing_host_wins(vm):
    started = time.monotonic()
    vm('[ $VM_HOST = 1 ] && sleep 1000; exit 5', hosts=2, status=5)
    assert time.monotonic() - started < 200


def test_virtual_time(vm):
    """With --icount an idle hour passes in a moment."""
    vm('sleep 3600', arguments=['--icount'], timeout=120)


def test_guest_pytest(vm):
    vm.pytest('environment_test.py')


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_qemu_survives(number):
    runner = subprocess.Popen([sys.executable, RUN, '--', 'sleep', '1000'], stdin=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def children():
        with open(f'/proc/{runner.pid}/task/{runner.pid}/children') as file:
            return [int(pid) for pid in file.read().split()]

    qemu = wait_until(children, timeout=600, what='qemu under the runner')
    runner.send_signal(number)
    runner.wait(20)
    wait_until(lambda: not any(os.path.exists(f'/proc/{pid}') for pid in qemu), what='end of qemu')


def test_debug_kernel_finds_leak(vm, debug_kernel):
    """The debug kernel's own tools are awake: lost memory is reported, and an innocent run is not."""
    hello = modules.build(HELLO, debug_kernel)
    vm(f'insmod {hello}', kernel=debug_kernel, timeout=600)
    result = vm(f'insmod {hello} leak=1', kernel=debug_kernel, status=99, timeout=600)
    assert 'kmemleak' in result.err
