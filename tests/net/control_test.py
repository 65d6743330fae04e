# SPDX-License-Identifier: Apache-2.0
"""The common daemon options and the control socket, as unmodified ovs-appctl and the shell see them.

The daemon is build/tests/unit/io/daemon_probe, which is nothing but lib/io's daemon.
"""

import os
import pwd
import re
import shutil
import signal
import subprocess
import tempfile

import pytest

import daemons
from wait import wait_until

PROBE = os.path.join(daemons.build_dir(), 'tests', 'unit', 'io', 'daemon_probe')


class Probe:
    def __init__(self, results):
        self.dir = tempfile.mkdtemp(prefix=f'{daemons.RUNDIR_PREFIX}-{os.getpid()}-')
        os.chmod(self.dir, 0o755)
        self.results = results
        self.environment = dict(os.environ, OVS_RUNDIR=self.dir, OVS_LOGDIR=self.dir,
                                **daemons.sanitizer_environment(results))
        self.started = []

    def run(self, *arguments, check=True):
        """Run to the end: --detach returns, and so do errors."""
        done = subprocess.run([PROBE, '--syslog-method=null', *arguments], env=self.environment,
                              capture_output=True, text=True, timeout=30, cwd=self.dir)
        assert not check or done.returncode == 0, done.stderr
        return done

    def popen(self, *arguments):
        process = subprocess.Popen([PROBE, '--syslog-method=null', *arguments], env=self.environment,
                                   stderr=subprocess.PIPE, text=True, cwd=self.dir)
        self.started.append(process)
        return process

    def appctl(self, *arguments, target='ovs-probe', check=True):
        done = subprocess.run(['ovs-appctl', '--timeout=10', '-t', target, *arguments],
                              env=self.environment, capture_output=True, text=True, timeout=20)
        assert not check or done.returncode == 0, done.stderr
        return done.stdout if check else done

    def path(self, name):
        return os.path.join(self.dir, name)

    def read(self, name):
        with open(self.path(name)) as file:
            return file.read()

    def pid(self):
        return int(self.read('ovs-probe.pid'))

    def wait_gone(self, pid):
        wait_until(lambda: not running(pid), what=f'end of process {pid}')

    def close(self):
        if os.path.exists(self.path('ovs-probe.pid')):
            pid = self.pid()
            if running(pid):
                os.kill(pid, signal.SIGTERM)
                self.wait_gone(pid)
        for process in self.started:
            if process.poll() is None:
                process.terminate()
            process.communicate(timeout=20)
        shutil.rmtree(self.dir, ignore_errors=True)
        assert not daemons.sanitizer_reports(self.results)


def running(pid):
    """Whether a process lives; an ended one that nobody has waited for doesn't."""
    try:
        with open(f'/proc/{pid}/stat') as file:
            return file.read().rsplit(')', 1)[1].split()[0] != 'Z'
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.fixture
def probe(results):
    probe = Probe(results)
    yield probe
    probe.close()


def test_detached(probe):
    probe.run('--pidfile', '--detach', '--log-file', '--word=hello')
    pid = probe.pid()
    assert probe.appctl('word') == 'hello uid=%d in /\n' % os.getuid()
    assert probe.appctl('version') == 'ovs-probe (Open vSwitch) 3.1.0\nprobe 1\n'
    assert os.path.exists(probe.path(f'ovs-probe.{pid}.ctl'))
    # By path too, as tools may.
    assert 'hello' in probe.appctl('word', target=probe.path(f'ovs-probe.{pid}.ctl'))
    for fd in ('0', '1', '2'):
        assert os.readlink(f'/proc/{pid}/fd/{fd}') == '/dev/null'
    assert os.getsid(pid) == pid
    probe.appctl('exit')
    probe.wait_gone(pid)
    wait_until(lambda: not os.path.exists(probe.path('ovs-probe.pid')), what='removed pid file')
    assert not os.path.exists(probe.path(f'ovs-probe.{pid}.ctl'))
    lines = probe.read('ovs-probe.log').splitlines()
    form = re.compile(r'^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\|\d{5}\|\w+\|(INFO|WARN|ERR|DBG)\|.+$')
    assert lines and all(form.match(line) for line in lines), lines
    assert lines[0].split('|')[1:] == ['00001', 'vlog', 'INFO',
                                       f'opened log file {probe.path("ovs-probe.log")}']


def test_commands(probe):
    probe.run('--pidfile', '--detach', '--no-chdir', '--log-file', '-vconsole:off')
    commands = probe.appctl('list-commands').splitlines()
    assert commands[0] == 'The available commands are:'
    names = [line.split()[0] for line in commands[1:]]
    assert names == sorted(names)
    for name in ('version', 'vlog/list', 'vlog/set', 'vlog/reopen', 'coverage/show', 'word', 'exit'):
        assert name in names
    assert 'time/stop' not in names
    assert f'in {probe.dir}\n' in probe.appctl('word')

    assert re.search(r'^probe +OFF +INFO +INFO$', probe.appctl('vlog/list'), re.M)
    assert probe.appctl('vlog/set', 'probe:file:dbg', 'ANY:syslog:err') == ''
    assert re.search(r'^probe +OFF +ERR +DBG$', probe.appctl('vlog/list'), re.M)
    done = probe.appctl('vlog/set', 'nonsense', check=False)
    assert done.returncode == 2
    assert done.stderr.startswith('no destination, level, or module "nonsense"\n')
    done = probe.appctl('word', 'too', 'many', check=False)
    assert done.returncode == 2
    assert '"word" command takes at most 0 arguments' in done.stderr
    done = probe.appctl('nope', check=False)
    assert '"nope" is not a valid command (use "list-commands" to see a list of valid commands)' \
        in done.stderr

    assert 'probe_commands' in probe.appctl('coverage/show')
    assert probe.appctl('coverage/read-counter', 'probe_commands') == '1\n'
    assert 'No such counter' in probe.appctl('coverage/read-counter', 'x', check=False).stderr

    os.rename(probe.path('ovs-probe.log'), probe.path('old.log'))
    probe.appctl('vlog/reopen')
    assert 'opened log file' in probe.read('ovs-probe.log')


def test_time(probe):
    probe.run('--pidfile', '--detach', '--allow-time-commands')
    assert probe.appctl('time/stop') == ''
    assert probe.appctl('time/warp', '100000', '20000') == 'warped\n'
    assert probe.appctl('time/warp', '10') == 'warped\n'
    assert probe.appctl('time/warp', 'x', check=False).returncode == 2


def test_pid_file_owner(probe):
    probe.run('--pidfile', '--detach')
    pid = probe.pid()
    done = probe.run('--pidfile', '--detach', check=False)
    assert done.returncode == 1
    assert f'already running as pid {pid}' in done.stderr
    # Killed, it leaves a stale file, which is replaced.
    os.kill(pid, signal.SIGKILL)
    probe.wait_gone(pid)
    assert probe.pid() == pid
    probe.run('--pidfile', '--detach')
    second = probe.pid()
    assert second != pid
    # Overwritten, the first one must not remove the second one's file.
    probe.run('--pidfile', '--overwrite-pidfile', '--detach')
    third = probe.pid()
    assert third != second
    probe.appctl('exit', target=probe.path(f'ovs-probe.{second}.ctl'))
    probe.wait_gone(second)
    assert probe.pid() == third
    assert probe.appctl('word')


def test_pid_file_elsewhere(probe):
    probe.run(f'--pidfile={probe.dir}/sub.pid', f'--unixctl={probe.dir}/sub.ctl', '--detach')
    assert probe.appctl('word', target=probe.path('sub.ctl'))
    with open(probe.path('sub.pid')) as file:
        pid = int(file.read())
    probe.appctl('exit', target=probe.path('sub.ctl'))
    probe.wait_gone(pid)


def test_start_fails(probe):
    done = probe.run('--pidfile', '--detach', '--fail', check=False)
    assert done.returncode == 1
    assert 'asked to fail' in done.stderr
    assert 'ended before it was ready: exit status 1' in done.stderr
    assert not os.path.exists(probe.path('ovs-probe.pid'))
    done = probe.run('--log-file=/nonexistent/x.log', check=False)
    assert done.returncode == 1
    assert '/nonexistent/x.log' in done.stderr


def test_monitor(probe):
    """Killed by a crash, the daemon comes back; ended, it doesn't, and the supervisor ends too."""
    probe.run('--pidfile', '--detach', '--monitor', '--log-file')
    first = probe.pid()
    with open(f'/proc/{first}/stat') as file:
        supervisor = int(file.read().rsplit(')', 1)[1].split()[1])
    probe.appctl('crash', check=False)
    wait_until(lambda: 'restarting' in probe.read('ovs-probe.log'), what='restart in the log')
    assert re.search(r'\|daemon\(monitor\)\|ERR\|1 crashes: pid %d died, killed \(Segmentation fault\)'
                     % first, probe.read('ovs-probe.log'))
    wait_until(lambda: os.path.exists(probe.path('ovs-probe.pid')) and probe.pid() != first and
               probe.appctl('word', check=False).returncode == 0, what='second daemon')
    second = probe.pid()
    probe.appctl('exit')
    probe.wait_gone(second)
    probe.wait_gone(supervisor)


def test_foreground(probe):
    process = probe.popen('--pidfile', '-vfile:off')
    wait_until(lambda: os.path.exists(probe.path('ovs-probe.pid')) and
               probe.appctl('word', check=False).returncode == 0, what='answer')
    assert probe.pid() == process.pid
    process.terminate()
    assert process.wait(20) == 0
    said = process.stderr.read()
    assert re.search(r'^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\|\d{5}\|probe\|INFO\|terminating on signal 15$',
                     said, re.M)


def test_user(probe):
    if os.getuid():
        pytest.skip('needs root')
    nobody = pwd.getpwnam('nobody')
    os.chown(probe.dir, nobody.pw_uid, nobody.pw_gid)
    probe.run('--pidfile', '--detach', '--log-file', '--user=nobody')
    assert f'uid={nobody.pw_uid} ' in probe.appctl('word')
    with open(f'/proc/{probe.pid()}/status') as file:
        status = file.read()
    # CAP_NET_BIND_SERVICE 10, NET_BROADCAST 11, NET_ADMIN 12, NET_RAW 13, IPC_LOCK 14
    assert int(re.search(r'CapEff:\s+(\w+)', status).group(1), 16) == 0b11111 << 10
    probe.appctl('vlog/reopen')
    assert 'no user nosuchuser' in probe.run('--user=nosuchuser', check=False).stderr


def test_options(probe):
    text = probe.run('--help').stdout
    for option in ('--pidfile', '--detach', '--monitor', '--log-file', '--unixctl', '-v, --verbose',
                   '-p, --private-key', '--word=WORD', '-x, --xray'):
        assert option in text
    assert probe.run('-V').stdout == 'ovs-probe (Open vSwitch) 3.1.0\nprobe 1\n'
    for arguments, sentence in ((('--nope',), '--nope'), (('--word',), 'needs an argument'),
                                (('extra',), 'no arguments are taken'),
                                (('-vnonsense',), '"nonsense"'),
                                (('--word', 'x' * 40), 'too long'),
                                (('--private-key=/nonexistent',), 'TLS needs')):
        done = probe.run(*arguments, check=False)
        assert done.returncode == 1
        assert sentence in done.stderr, done.stderr
    probe.run('--pidfile', '--detach', '-x', '-v', '--unixctl=ctl')
    assert probe.appctl('word', target=probe.path('ctl')).startswith('xray')
