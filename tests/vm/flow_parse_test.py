# SPDX-License-Identifier: Apache-2.0
"""lib/flow's parser against the kernel's; see guest/flow_parse_test.py."""

import pytest


@pytest.mark.parametrize('kernel', ['debian', 'debian-6.12'])
def test_parse(vm, kernel):
    vm.pytest('flow_parse_test.py', kernel=kernel, timeout=300)
