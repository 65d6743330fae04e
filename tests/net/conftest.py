# SPDX-License-Identifier: Apache-2.0
"""Tests in network namespaces of this host: see tests/lib for the fixtures net, daemons and results."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from fixtures import *  # noqa: E402,F401,F403
