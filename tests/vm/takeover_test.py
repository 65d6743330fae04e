# SPDX-License-Identifier: Apache-2.0
"""Taking over from Open vSwitch with an installation, in its usual folders; see guest/takeover_test.py."""

import os

import daemons
import netns

RESULTS = os.environ.get('SLUICE_RESULTS') or os.path.join(daemons.TREE, 'tests', 'results')


def test_takeover(vm):
    root = os.path.join(RESULTS, 'vm', 'takeover-root')
    netns.run('meson', 'install', '-C', daemons.build_dir(), '--no-rebuild', '--destdir', root, timeout=300)
    prefix, = (os.path.dirname(where) for where, _, names in os.walk(root) if 'sluice-ovsdb' in names)
    vm.pytest('takeover_test.py', env={'VM_ROOT': prefix}, timeout=600)
