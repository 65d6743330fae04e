# SPDX-License-Identifier: Apache-2.0
"""Tests don't sleep: they wait for what they need, and say what that was when it doesn't come."""

import time

# Software emulation and sanitizers are slow: what is normal in a second may take ten.
TIMEOUT = 20


def wait_until(condition, timeout=TIMEOUT, what=None, interval=0.02):
    """Wait until CONDITION() is true and return its value; AssertionError saying WHAT after TIMEOUT.

    An AssertionError that CONDITION itself raises counts as "not yet", and the last one is told.
    """
    deadline = time.monotonic() + timeout
    while True:
        # The clock is read first, so that the condition is tried once more after a long pause.
        late = time.monotonic() > deadline
        told = ''
        try:
            value = condition()
            if value:
                return value
        except AssertionError as error:
            told = f': {error}'
        if late:
            raise AssertionError(f'no {what or condition} within {timeout} s{told}')
        time.sleep(interval)
        interval = min(interval * 1.5, 0.5)
