# SPDX-License-Identifier: Apache-2.0
"""Sluice's daemons for a test: started in a private run directory, asked through unmodified tools.

    daemons = Daemons(results, namespace=switch)
    daemons.start()
    daemons.vsctl('add-br', 'br0', '--', 'set', 'bridge', 'br0', 'datapath_type=netdev')
    daemons.ofctl('dump-flows', 'br0')
    daemons.allow(r'cannot open device nosuch0')
    daemons.stop()

stop() fails the test if a daemon didn't end well, logged a WARN, ERR or EMER that the test didn't
allow, or if a sanitizer reported. Logs and reports stay in the results folder.
"""

import glob
import os
import re
import shutil
import signal
import subprocess
import tempfile

import netns
from wait import wait_until

TREE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# TIME|NUMBER|MODULE|LEVEL|TEXT, the module perhaps with a thread's name.
BAD_LINE = re.compile(r'^[^|]*\|[^|]*\|[^|]*\|(WARN|ERR|EMER)\|')
RUNDIR_PREFIX = 'sluicetest'


def build_dir():
    """The build under test: $SLUICE_BUILD, or build/ of this tree."""
    return os.environ.get('SLUICE_BUILD') or os.path.join(TREE, 'build')


def program(name):
    """The path of one of our programs in the build under test."""
    folder = {'sluiced': 'slowpath', 'sluice-ovsdb': 'ovsdb', 'sluice': 'tools'}[name]
    return os.path.join(build_dir(), folder, name)


def sanitizer_environment(results):
    """Environment that makes sanitizers report into files in RESULTS; see sanitizer_reports()."""
    log = os.path.join(results, 'sanitizer')
    common = f'log_path={log}:exitcode=86:abort_on_error=0'
    suppressions = os.path.join(TREE, 'tests', 'tsan.supp')
    tsan = f'{common}:halt_on_error=0:second_deadlock_stack=1'
    if os.path.exists(suppressions):
        tsan += f':suppressions={suppressions}'
    return {
        'ASAN_OPTIONS': f'{common}:detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1',
        'UBSAN_OPTIONS': f'{common}:print_stacktrace=1:halt_on_error=1',
        'TSAN_OPTIONS': tsan,
    }


def sanitizer_reports(results):
    """What sanitizers reported into RESULTS, '' if nothing."""
    text = ''
    for path in sorted(glob.glob(os.path.join(results, 'sanitizer.*'))):
        with open(path, errors='replace') as file:
            text += file.read()
    return text


def forget_dead():
    """Remove run directories of test processes that are no more."""
    for path in glob.glob(os.path.join(tempfile.gettempdir(), f'{RUNDIR_PREFIX}-*-*')):
        found = re.match(rf'{RUNDIR_PREFIX}-(\d+)-', os.path.basename(path))
        if found and not netns.alive(found.group(1)):
            shutil.rmtree(path, ignore_errors=True)


class Daemon:
    """One running program, with its log."""

    def __init__(self, name, command, environment, results, lasting=False):
        self.name = name
        self.log = os.path.join(results, f'{name}.log')
        self.output = os.path.join(results, f'{name}.out')
        with open(self.output, 'ab') as output:
            self.process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL,
                                            stdout=output, stderr=output, start_new_session=True,
                                            preexec_fn=None if lasting else netns.die_with_parent)

    def said(self):
        """The end of its log and output, for messages."""
        text = ''
        for path in (self.log, self.output):
            if os.path.exists(path):
                with open(path, errors='replace') as file:
                    text += ''.join(file.readlines()[-40:])
        return text

    def alive(self):
        return self.process.poll() is None

    def assert_alive(self):
        assert self.alive(), f'{self.name} ended with {self.process.returncode}\n{self.said()}'


class Daemons:
    """RUNDIR is a folder of the caller's to use instead of a temporary one; LASTING daemons outlive us."""

    def __init__(self, results, namespace=None, arguments=(), ovsdb_arguments=(), rundir=None, lasting=False):
        self.results = results
        self.namespace = namespace
        self.arguments = list(arguments)
        self.ovsdb_arguments = list(ovsdb_arguments)
        self.ovsdb = None
        self.sluiced = None
        self.allowed = []
        os.makedirs(results, exist_ok=True)
        # Socket paths are limited to 107 bytes, so this is not in the results folder.
        self.own_rundir = rundir is None
        self.rundir = rundir or tempfile.mkdtemp(prefix=f'{RUNDIR_PREFIX}-{os.getpid()}-')
        self.lasting = lasting
        self.database = os.path.join(self.rundir, 'conf.db')
        self.environment = dict(os.environ, OVS_RUNDIR=self.rundir, OVS_DBDIR=self.rundir,
                                OVS_LOGDIR=results, **sanitizer_environment(results))
        self.environment.pop('LD_PRELOAD', None)

    def allow(self, *patterns):
        """Log lines that this test provokes: regular expressions, searched for in the line."""
        self.allowed += [re.compile(pattern) for pattern in patterns]

    # -- starting and stopping ----------------------------------------------------------------------

    def start(self):
        self.start_ovsdb()
        self.start_sluiced()
        return self

    def command(self, *command):
        return self.namespace.command(*command) if self.namespace else [str(word) for word in command]

    def start_ovsdb(self):
        socket = os.path.join(self.rundir, 'db.sock')
        self.ovsdb = Daemon('sluice-ovsdb', self.command(
            program('sluice-ovsdb'), f'--remote=punix:{socket}', '--pidfile',
            f'--log-file={self.results}/sluice-ovsdb.log', *self.ovsdb_arguments, self.database),
            self.environment, self.results, self.lasting)

        self.wait(self.ovsdb, lambda: self.tool('ovs-vsctl', '--no-wait', '--timeout=5', 'init',
                                                check=False).returncode == 0, 'answer from sluice-ovsdb')

    def start_sluiced(self):
        self.sluiced = Daemon('sluiced', self.command(
            program('sluiced'), '--pidfile', f'--log-file={self.results}/sluiced.log', *self.arguments,
            f'unix:{self.rundir}/db.sock'), self.environment, self.results, self.lasting)
        self.wait(self.sluiced, lambda: self.tool('ovs-appctl', '--timeout=5', 'version',
                                                  check=False).returncode == 0, 'answer from sluiced')

    def wait(self, daemon, condition, what):
        """Wait for CONDITION as long as DAEMON lives."""
        if wait_until(lambda: not daemon.alive() or condition(), what=what):
            daemon.assert_alive()

    def stop(self):
        """Stop both, remove the run directory, and fail if anything was wrong."""
        problems = []
        for daemon, target in ((self.sluiced, 'ovs-vswitchd'), (self.ovsdb, 'ovsdb-server')):
            if daemon:
                problems += self.stop_one(daemon, target)
        self.sluiced = self.ovsdb = None
        if self.own_rundir:
            shutil.rmtree(self.rundir, ignore_errors=True)
        problems += self.bad_log_lines()
        reports = sanitizer_reports(self.results)
        if reports:
            problems.append(reports)
        assert not problems, 'the daemons are not in order:\n' + '\n'.join(problems)

    def stop_one(self, daemon, target):
        if not daemon.alive():
            return [f'{daemon.name} had ended with {daemon.process.returncode}\n{daemon.said()}']
        self.tool('ovs-appctl', '--timeout=10', '-t', target, 'exit', check=False)
        try:
            daemon.process.wait(20)
        except subprocess.TimeoutExpired:
            # SIGABRT: a sanitizer build then says where it stands.
            daemon.process.send_signal(signal.SIGABRT)
            try:
                daemon.process.wait(10)
            except subprocess.TimeoutExpired:
                daemon.process.kill()
                daemon.process.wait()
            return [f'{daemon.name} did not end after "exit"\n{daemon.said()}']
        if daemon.process.returncode:
            return [f'{daemon.name} ended with {daemon.process.returncode}\n{daemon.said()}']
        return []

    def kill(self, name='sluiced', number=signal.SIGKILL):
        """Kill one daemon in mid-air; the test starts it again with start_sluiced or start_ovsdb."""
        daemon = self.sluiced if name == 'sluiced' else self.ovsdb
        # Inside a namespace the process is still ours: ip netns exec replaces itself by the program.
        daemon.process.send_signal(number)
        daemon.process.wait(20)
        if name == 'sluiced':
            self.sluiced = None
        else:
            self.ovsdb = None

    def bad_log_lines(self):
        lines = []
        for name in ('sluice-ovsdb', 'sluiced'):
            path = os.path.join(self.results, f'{name}.log')
            if os.path.exists(path):
                with open(path, errors='replace') as file:
                    lines += [f'{name}: {line.strip()}' for line in file if BAD_LINE.search(line) and
                              not any(pattern.search(line) for pattern in self.allowed)]
        return lines

    # -- asking -------------------------------------------------------------------------------------

    def tool(self, *command, check=True, **options):
        """Run any command with the daemons' environment, inside the namespace."""
        options.setdefault('env', self.environment)
        return netns.run(*self.command(*command), check=check, **options)

    def vsctl(self, *arguments, **options):
        return self.tool('ovs-vsctl', '--timeout=20', *arguments, **options)

    def ofctl(self, *arguments, **options):
        return self.tool('ovs-ofctl', *arguments, **options)

    def appctl(self, *arguments, **options):
        return self.tool('ovs-appctl', '--timeout=20', *arguments, **options)

    def sluice(self, *arguments, **options):
        return self.tool(program('sluice'), *arguments, **options)
