# SPDX-License-Identifier: Apache-2.0
"""Tests in virtual machines. A test runs something in a guest through the fixture `vm`:

    def test_modules(vm):
        vm('modprobe openvswitch && lsmod | grep openvswitch', kernel='debian-6.12')

    def test_offload(vm):
        vm.pytest('offload.py', kernel='test', modules=['drivers/nicsim/module'])

What runs inside lies in tests/vm/guest; pytest files there are collected in a guest only.
"""

import os
import re
import shlex
import subprocess
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..', 'lib'))
import kernels  # noqa: E402
import modules as modules_module  # noqa: E402

IN_GUEST = 'VM_HOST' in os.environ
collect_ignore = [] if IN_GUEST else ['guest']


class Result:
    def __init__(self, status, out, err):
        self.status = status
        self.out = out
        self.err = err

    def __str__(self):
        return f'exit status {self.status}\n--- stdout\n{self.out}--- stderr\n{self.err}'


class VM:
    def __init__(self, name):
        self.name = name
        self.runs = 0

    def __call__(self, command, kernel='debian', hosts=1, timeout=300, status=0, env=None, arguments=(),
                 modules=()):
        """Run COMMAND, a list, or a string for bash -e, in a guest, and assert its exit status (None:
        any). MODULES are folders of the tree: built for the kernel and inserted first, in this order."""
        if modules:
            insert = ' && '.join(f'insmod {modules_module.build(folder, kernel)}' for folder in modules)
            inner = command if isinstance(command, str) else shlex.join(command)
            command = f'{insert}\n{inner}'
        if isinstance(command, str):
            command = ['bash', '-ec', command]
        name = self.name if not self.runs else f'{self.name}.{self.runs}'
        self.runs += 1
        words = [os.path.join(HERE, 'run'), '--name', name, '--kernel', kernel, '--hosts', str(hosts),
                 '--timeout', str(timeout), *arguments]
        for key, value in (env or {}).items():
            words += ['--env', f'{key}={value}']
        done = subprocess.run(words + ['--', *command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, errors='replace')
        # That a run had to wait its turn is no part of what the guest said.
        result = Result(done.returncode, done.stdout, re.sub(r'^tests/vm/run: waiting .*\n', '', done.stderr))
        assert status is None or result.status == status, f'in the guest (see tests/results/vm/{name}): {result}'
        return result

    def pytest(self, file, *arguments, **options):
        """Run a pytest file of tests/vm/guest in a guest."""
        path = os.path.join(HERE, 'guest', file)
        return self(['/usr/bin/python3', '-B', '-m', 'pytest', '-q', '-p', 'no:cacheprovider', path, *arguments],
                    **options)


@pytest.fixture
def vm(request):
    """Runs commands in guests; see VM.__call__."""
    return VM(re.sub(r'[^\w.=-]+', '_', f'{request.node.fspath.purebasename}.{request.node.name}'))


@pytest.fixture
def debug_kernel():
    """Skips the test unless the debug kernel is in the cache: it takes too long to build it on the way."""
    if not kernels.cached('debug'):
        pytest.skip('the debug kernel is not built (tests/vm/kernel debug)')
    return 'debug'
