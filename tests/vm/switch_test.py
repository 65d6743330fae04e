# SPDX-License-Identifier: Apache-2.0
"""sluiced over openvswitch.ko, tc-flower and the simulated NIC; see guest/switch_test.py."""

import modules
import pytest


@pytest.mark.parametrize('kernel', ['debian', 'test'])
def test_switch(vm, kernel):
    module = modules.build('drivers/nicsim/module', kernel)
    vm.pytest('switch_test.py', kernel=kernel, env={'NICSIM_KO': module}, timeout=900)


def test_owner(vm):
    vm.pytest('owner_test.py', timeout=300)
