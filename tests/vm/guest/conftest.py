# SPDX-License-Identifier: Apache-2.0
"""Tests that run inside a guest, started by a test in tests/vm with vm.pytest(). The fixtures are those
of tests/net; the guest has kernel modules besides, and nothing of the host to break."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..', 'lib'))
from fixtures import *  # noqa: E402,F401,F403
