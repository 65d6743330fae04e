# SPDX-License-Identifier: Apache-2.0
"""pytest fixtures shared by tests/net and by what runs inside the guests of tests/vm."""

import os
import re
import shutil

import pytest

import daemons as daemons_module
import netns


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failure shows the ends of the logs that the test left."""
    report = (yield).get_result()
    folder = getattr(item, 'funcargs', {}).get('results')
    if report.failed and folder and os.path.isdir(folder):
        for name in sorted(os.listdir(folder)):
            path = os.path.join(folder, name)
            if name.endswith(('.log', '.out')) or name.startswith('sanitizer.'):
                with open(path, errors='replace') as file:
                    report.sections.append((path, ''.join(file.readlines()[-60:])))


@pytest.fixture(scope='session', autouse=True)
def leftovers():
    """What a killed run left behind is removed, before and after."""
    netns.forget_dead()
    daemons_module.forget_dead()
    yield
    netns.forget_dead()
    daemons_module.forget_dead()


@pytest.fixture
def results(request):
    """A folder for this test's logs, empty at the start; kept."""
    top = os.environ.get('SLUICE_RESULTS') or os.path.join(daemons_module.TREE, 'tests', 'results')
    where = os.path.basename(os.path.dirname(str(request.node.fspath)))
    name = re.sub(r'[^\w.=-]+', '_', f'{request.node.fspath.purebasename}.{request.node.name}')
    path = os.path.join(top, where, name)
    shutil.rmtree(path, ignore_errors=True)
    os.makedirs(path)
    return path


@pytest.fixture
def net():
    """A netns.Net whose namespaces are gone after the test, whatever happens."""
    net = netns.Net()
    try:
        yield net
    finally:
        net.close()


@pytest.fixture
def daemons(results, net):
    """A factory of Daemons; all are stopped and judged at the end, before the namespaces go.

        d = daemons(namespace=switch)        # started
        d = daemons(start=False)             # not yet
    """
    made = []

    def make(namespace=None, start=True, **options):
        folder = results if not made else os.path.join(results, str(len(made)))
        made.append(daemons_module.Daemons(folder, namespace, **options))
        return made[-1].start() if start else made[-1]

    yield make
    errors = []
    for one in reversed(made):
        try:
            one.stop()
        except AssertionError as error:
            errors.append(str(error))
    assert not errors, '\n'.join(errors)
