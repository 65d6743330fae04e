# SPDX-License-Identifier: Apache-2.0
"""The part of tests/check that runs once the packages are installed: build, run, count, close.

Everything that runs is a child in its own process group, so that an end of ours, by Ctrl-C or a signal,
ends it too, after it has cleaned up. A step that can't run (a build that fails, a pytest that dies)
counts as a failed test: nothing is lost from the closing line.
"""

import argparse
import ctypes
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as xml

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import daemons  # noqa: E402
import kernels  # noqa: E402
import netns  # noqa: E402

TREE = kernels.TREE
RESULTS = os.environ.get('SLUICE_RESULTS') or os.path.join(TREE, 'tests', 'results')
CI = os.environ.get('CI') == 'true'
KINDS = ('unit', 'net', 'vm')
BUILDS = {'build-check': 'address,undefined', 'build-tsan': 'thread'}
# Guests of tests/vm run in as many places at a time as the machine has for them.
VM_WORKERS = int(os.environ.get('SLUICE_VM_SLOTS', '2'))
STEP_TIMEOUT = 45 * 60

children = []


class Interrupted(BaseException):
    pass


class Tally:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.failures = []

    def add(self, name, result, why=''):
        """RESULT is passed, failed or skipped. In CI a skip fails, unless it is for want of the debug kernel."""
        if result == 'skipped' and CI and 'debug kernel' not in why:
            result, why = 'failed', f'skipped, which CI does not accept: {why}'
        setattr(self, result, getattr(self, result) + 1)
        if result == 'failed':
            self.failures.append(f'{name}: {why}' if why else name)
        elif result == 'skipped':
            print(f'skipped: {name}: {why}', flush=True)

    def close(self):
        for line in self.failures:
            print(f'failed: {line}')
        print(f'{self.passed} passed, {self.failed} failed, {self.skipped} skipped', flush=True)
        return 1 if self.failed else 0


def say(text):
    print(f'==> {text}', flush=True)


def in_child():
    os.setpgid(0, 0)
    # Whoever started us in the background may have had it ignored, which children inherit.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    # Should we be killed outright, the child is interrupted, and cleans up.
    ctypes.CDLL(None).prctl(1, signal.SIGINT)


def start(command, **options):
    child = subprocess.Popen(command, cwd=TREE, stdin=subprocess.DEVNULL, preexec_fn=in_child, **options)
    children.append(child)
    return child


def finish(child, timeout=STEP_TIMEOUT):
    """Wait for a child; one that takes too long is ended. Returns its exit status."""
    try:
        return child.wait(timeout)
    except subprocess.TimeoutExpired:
        say(f'{child.args[0]} has not ended after {timeout // 60} minutes and is ended')
        end(child)
        return child.returncode
    finally:
        if child.poll() is not None:
            children.remove(child)


def end(child):
    """Interrupt a child's group; what doesn't heed that is killed."""
    for number, wait in ((signal.SIGINT, 20), (signal.SIGTERM, 5), (signal.SIGKILL, 5)):
        try:
            os.killpg(child.pid, number)
            child.wait(wait)
            break
        except subprocess.TimeoutExpired:
            continue
        except ProcessLookupError:
            child.wait()
            break


def run_logged(name, command, tally, **options):
    """Run a command with its output in results/check/NAME.log, shown if it fails. True if it went well."""
    path = os.path.join(RESULTS, 'check', f'{name}.log')
    with open(path, 'wb') as log:
        status = finish(start(command, stdout=log, stderr=subprocess.STDOUT, **options))
    if status:
        with open(path, errors='replace') as log:
            sys.stdout.write(''.join(log.readlines()[-60:]))
        tally.add(name, 'failed', f'exit status {status}, see {os.path.relpath(path, TREE)}')
    return status == 0


# -- build -----------------------------------------------------------------------------------------


def build(folder, tally):
    say(f'building {folder} ({BUILDS[folder]})')
    if not os.path.exists(os.path.join(TREE, folder, 'build.ninja')):
        environment = dict(os.environ)
        environment.pop('CC', None)
        command = ['meson', 'setup', folder, f'-Db_sanitize={BUILDS[folder]}', '-Db_lundef=false']
        if os.path.isdir(os.path.join(TREE, folder)):
            command.append('--wipe')    # a set-up that was interrupted
        if not run_logged(f'setup-{folder}', command, tally, env=environment):
            return False
    return run_logged(f'ninja-{folder}', ['ninja', '-C', folder], tally)


# -- unit ------------------------------------------------------------------------------------------


def listed_tests(folder, suite):
    """Names as meson takes them, of the tests of a suite."""
    done = subprocess.run(['meson', 'test', '-C', folder, '--list', '--suite', suite], cwd=TREE, text=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    # "project:suite / name", or the bare name.
    return [line.split(' / ')[-1].strip() for line in done.stdout.splitlines()
            if line.strip() and not line.startswith(('ninja:', 'No ', '['))]


def meson_tests(folder, suite, pattern, tally):
    names = [name for name in listed_tests(folder, suite) if pattern.lower() in name.lower()]
    if not names:
        return
    say(f'{len(names)} tests of suite {suite} in {folder}')
    log = os.path.join(TREE, folder, 'meson-logs', f'check-{suite}.json')
    if os.path.exists(log):
        os.unlink(log)
    environment = dict(os.environ)
    suppressions = os.path.join(TREE, 'tests', 'tsan.supp')
    if os.path.exists(suppressions):
        environment['TSAN_OPTIONS'] = f'suppressions={suppressions}:halt_on_error=1'
    finish(start(['meson', 'test', '-C', folder, '--no-rebuild', '--suite', suite, '--logbase', f'check-{suite}',
                  '--print-errorlogs', '--quiet'] + names, env=environment))
    seen = 0
    if os.path.exists(log):
        with open(log, errors='replace') as file:
            for line in file:
                test = json.loads(line)
                seen += 1
                result = {'OK': 'passed', 'EXPECTEDFAIL': 'passed', 'SKIP': 'skipped'}.get(test['result'], 'failed')
                tally.add(f'{folder}/{test["name"]}', result, test['result'].lower())
    if seen < len(names):
        tally.add(f'{folder} suite {suite}', 'failed', f'{len(names) - seen} tests gave no result')


def unit(pattern, tally):
    lint = os.path.join(TREE, 'tests', 'lint', 'run')
    if os.path.exists(lint) and pattern.lower() in 'lint':
        if run_logged('lint', [lint], tally):
            tally.add('lint', 'passed')
    for folder, suite in (('build-check', 'unit'), ('build-tsan', 'tsan')):
        if build(folder, tally):
            meson_tests(folder, suite, pattern, tally)


# -- pytest ----------------------------------------------------------------------------------------


def pytest(kind, pattern, tally, workers=1):
    report = os.path.join(RESULTS, 'check', f'{kind}.xml')
    if os.path.exists(report):
        os.unlink(report)
    say(f'tests/{kind}')
    command = ['/usr/bin/python3', '-B', '-m', 'pytest', '-q', '-ra', '-p', 'no:cacheprovider', '--tb=short',
               f'--rootdir={TREE}', f'--junitxml={report}', f'tests/{kind}']
    command += ['-v'] if CI else []
    command += ['-k', pattern] if pattern else []
    command += ['-n', str(workers)] if workers > 1 else []
    environment = dict(os.environ, SLUICE_BUILD=os.path.join(TREE, 'build-check'), SLUICE_RESULTS=RESULTS,
                       PYTHONDONTWRITEBYTECODE='1')
    status = finish(start(command, env=environment))
    if status == 5:    # nothing to run, which only a pattern excuses
        if not pattern:
            tally.add(f'tests/{kind}', 'failed', 'has no tests')
        return
    results = junit_results(report)
    for name, (result, why) in results.items():
        tally.add(name, result, why)
    if status not in (0, 1) or (status == 1 and not any(r == 'failed' for r, _ in results.values())):
        tally.add(f'tests/{kind}', 'failed', f'pytest ended with {status}')


def junit_results(path):
    """{name: (result, why)}: a test whose teardown fails is listed twice, and fails."""
    results = {}
    if not os.path.exists(path):
        return results
    for case in xml.parse(path).iter('testcase'):
        name = f'{case.get("classname", "").replace(".", "/")}::{case.get("name")}'
        result, why = 'passed', ''
        for child in case:
            text = (child.get('message') or '').strip().splitlines()
            if child.tag in ('failure', 'error'):
                result, why = 'failed', text[0] if text else ''
            elif child.tag == 'skipped' and result == 'passed':
                result, why = 'skipped', text[0] if text else ''
        if results.get(name, ('passed',))[0] != 'failed':
            results[name] = (result, why)
    return results


# -- all -------------------------------------------------------------------------------------------


def kernel_in_background(tally):
    """The test kernel takes minutes: start it first, at low priority, and need it last."""
    if kernels.cached('test'):
        return None
    say('building the test kernel in the background (once; some minutes)')
    log = open(os.path.join(RESULTS, 'check', 'kernel.log'), 'wb')
    return start([os.path.join(TREE, 'tests', 'vm', 'kernel'), 'test'], stdout=log, stderr=subprocess.STDOUT)


def run(kinds, pattern, tally):
    kernel = kernel_in_background(tally) if 'vm' in kinds else None
    if 'unit' in kinds:
        unit(pattern, tally)
    elif not build('build-check', tally):
        return
    if 'net' in kinds:
        pytest('net', pattern, tally)
    if kernel:
        say('waiting for the test kernel')
        if finish(kernel):
            with open(os.path.join(RESULTS, 'check', 'kernel.log'), errors='replace') as log:
                sys.stdout.write(''.join(log.readlines()[-30:]))
            tally.add('the test kernel', 'failed', 'see tests/results/check/kernel.log')
    if 'vm' in kinds:
        pytest('vm', pattern, tally, VM_WORKERS)


def interrupt(number, _frame):
    raise Interrupted(number)


def main():
    parser = argparse.ArgumentParser(prog='tests/check')
    parser.add_argument('-k', dest='pattern', default='', metavar='PATTERN')
    parser.add_argument('kinds', nargs='*', metavar='unit|net|vm')
    options = parser.parse_args()
    unknown = [kind for kind in options.kinds if kind not in KINDS]
    if unknown:
        parser.error(f'no tests are called {unknown[0]}; there are {", ".join(KINDS)}')
    os.makedirs(os.path.join(RESULTS, 'check'), exist_ok=True)
    lock = open(os.path.join(RESULTS, 'check', 'lock'), 'w')
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say('another tests/check runs in this tree; waiting for it')
        fcntl.flock(lock, fcntl.LOCK_EX)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
    tally = Tally()
    started = time.monotonic()
    try:
        run(options.kinds or KINDS, options.pattern, tally)
        if not (tally.passed or tally.failed or tally.skipped):
            tally.add('tests/check', 'failed', f'no test is called {options.pattern}')
    except Interrupted as interrupted:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        say('interrupted; cleaning up')
        for child in list(children):
            end(child)
        clean()
        return 128 + interrupted.args[0]
    clean()
    say(f'done in {time.monotonic() - started:.0f} s; logs in {os.path.relpath(RESULTS, TREE)}')
    return tally.close()


def clean():
    """What tests would have cleaned up if they had not been killed."""
    netns.forget_dead()
    daemons.forget_dead()


sys.exit(main())
