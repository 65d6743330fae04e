# SPDX-License-Identifier: Apache-2.0
"""The simulated NIC as a kernel module, on each kernel it is built for; see guest/nicsim_test.py and
guest/nicsim_life_test.py."""

import os

import kernels
import modules
import pytest

FOLDER = os.path.join(kernels.TREE, 'tests', 'vm', 'guest', '')


@pytest.mark.parametrize('kernel', ['debian', 'debian-6.12', 'test'])
def test_nicsim(vm, kernel):
    module = modules.build('drivers/nicsim/module', kernel)
    vm.pytest('nicsim_test.py', FOLDER + 'nicsim_life_test.py', kernel=kernel, env={'NICSIM_KO': module}, timeout=900)


def test_nicsim_debug(vm, debug_kernel):
    """Under KASAN, lockdep, PROVE_RCU and kmemleak."""
    module = modules.build('drivers/nicsim/module', debug_kernel)
    vm.pytest('nicsim_test.py', FOLDER + 'nicsim_life_test.py', kernel=debug_kernel, env={'NICSIM_KO': module},
              timeout=2400)
