# SPDX-License-Identifier: Apache-2.0
"""The simulated NIC as a kernel module, on each kernel it is built for; see guest/nicsim_test.py."""

import modules
import pytest


@pytest.mark.parametrize('kernel', ['debian', 'debian-6.12', 'test'])
def test_nicsim(vm, kernel):
    module = modules.build('drivers/nicsim/module', kernel)
    vm.pytest('nicsim_test.py', kernel=kernel, env={'NICSIM_KO': module}, timeout=600)


def test_nicsim_debug(vm, debug_kernel):
    """Under KASAN, lockdep, PROVE_RCU and kmemleak."""
    module = modules.build('drivers/nicsim/module', debug_kernel)
    vm.pytest('nicsim_test.py', kernel=debug_kernel, env={'NICSIM_KO': module}, timeout=1800)
