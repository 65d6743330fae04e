# SPDX-License-Identifier: Apache-2.0
"""What `meson install` puts where, and that it works as installed: the units' own command lines, with no more
capabilities than the units leave, forward traffic; the man pages render and leave nothing out.

    h1 (10.0.0.1) -- p1 [ br0, userspace datapath ] p2 -- h2 (10.0.0.2)

A daemon that lacked a capability would say so in its log or not forward.
"""

import json
import os
import re
import shlex
import subprocess

import pytest

import daemons as daemons_module
import netns
from wait import wait_until

PROGRAMS = {'sbin/sluiced', 'sbin/sluice-ovsdb', 'bin/sluice'}
PAGES = {'sluiced': 'share/man/man8/sluiced.8', 'sluice-ovsdb': 'share/man/man1/sluice-ovsdb.1',
         'sluice': 'share/man/man8/sluice.8'}
UNITS = {'sluiced': 'lib/systemd/system/sluiced.service', 'sluice-ovsdb': 'lib/systemd/system/sluice-ovsdb.service'}


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    """The root of an installation."""
    top = str(tmp_path_factory.mktemp('root'))
    netns.run('meson', 'install', '-C', daemons_module.build_dir(), '--no-rebuild', '--destdir', top, timeout=300)
    return top


def prefix(root):
    """Where the programs are: the build's prefix within the root."""
    path, = (where for where, _, names in os.walk(root) if 'sluice-ovsdb' in names)
    return os.path.dirname(path)


def read(*path):
    with open(os.path.join(*path)) as file:
        return file.read()


def unit(root, name):
    """Settings of a unit: {name: [values]}."""
    settings = {}
    for line in read(prefix(root), UNITS[name]).replace('\\\n', ' ').splitlines():
        if '=' in line and not line.startswith('#'):
            key, value = line.split('=', 1)
            settings.setdefault(key, []).append(value)
    return settings


def test_files(root):
    files = {os.path.relpath(os.path.join(where, name), root) for where, _, names in os.walk(root) for name in names}
    inside = os.path.relpath(prefix(root), root)
    expected = {f'{inside}/{name}' for name in PROGRAMS | set(PAGES.values()) | set(UNITS.values())}
    assert files == expected | {'etc/logrotate.d/sluice'}
    for name in PROGRAMS:
        assert os.access(os.path.join(root, inside, name), os.X_OK)


# -- units -----------------------------------------------------------------------------------------


def test_units_are_right(root):
    done = netns.run('systemd-analyze', f'--root={root}', '--man=no', 'verify', 'sluiced.service', 'sluice-ovsdb.service',
                     check=False)
    # What it says of other units of the machine is not of interest.
    said = [line for line in (done.stdout + done.stderr).splitlines() if 'sluice' in line]
    assert not said, '\n'.join(said)


def test_units_keep_the_order_of_the_field(root):
    switch, database = unit(root, 'sluiced'), unit(root, 'sluice-ovsdb')
    assert 'sluice-ovsdb.service' in switch['After'][0] and switch['Requires'] == ['sluice-ovsdb.service']
    for settings in (switch, database):
        assert 'network.target' in settings['Before'][0]
        assert set(settings['Conflicts'][0].split()) == {'openvswitch-switch.service', 'ovs-vswitchd.service',
                                                         'ovsdb-server.service'}
    assert switch['CapabilityBoundingSet'] == ['CAP_NET_ADMIN CAP_NET_RAW']
    assert database['CapabilityBoundingSet'] == ['']


def confined(settings, root):
    """A unit's command line, with programs from ROOT, and with the unit's capabilities alone."""
    names = [name.removeprefix('CAP_').lower() for name in settings['CapabilityBoundingSet'][0].split()]
    command = settings['ExecStart'][0].split()
    return ['setpriv', '--no-new-privs', '--bounding-set', ','.join(['-all'] + [f'+{name}' for name in names]),
            root + command[0]] + [word for word in command[1:] if not word.startswith('$')]


def test_units_run_with_their_capabilities(net, root, results):
    switch = net.namespace('switch')
    h1 = net.host(switch, 'h1', '10.0.0.1/24', port='p1')
    net.host(switch, 'h2', '10.0.0.2/24', port='p2')
    # Their usual folders, seen by them alone; what they log lies in the results.
    script = '\n'.join([
        'set -e', 'cd /',
        'mount -t tmpfs tmpfs /run', 'mkdir /run/openvswitch', 'mount -t tmpfs tmpfs /var/log',
        'mkdir -p /etc/openvswitch', 'mount -t tmpfs tmpfs /etc/openvswitch',
        'mkdir /var/log/sluice', f'mount --bind {shlex.quote(results)} /var/log/sluice',
        *(shlex.join(confined(unit(root, name), root)) for name in ('sluice-ovsdb', 'sluiced')),
        'ovs-vsctl --timeout=20 add-br br0 -- set bridge br0 datapath_type=netdev -- add-port br0 p1 -- add-port br0 p2',
        f'{shlex.quote(prefix(root))}/bin/sluice show --json', 'echo ready', 'cat'])
    shell = switch.popen('unshare', '--mount', 'bash', '-c', script, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, text=True,
                         env=dict(os.environ, **daemons_module.sanitizer_environment(results)))
    said = ''
    for line in shell.stdout:
        said += line
        if line == 'ready\n':
            break
    assert said.endswith('ready\n'), said
    h1.ping('10.0.0.2', count=3)
    # Both write their pid file where the unit says.
    for name, file in (('sluiced', 'ovs-vswitchd.pid'), ('sluice-ovsdb', 'ovsdb-server.pid')):
        assert unit(root, name)['PIDFile'] == [f'/run/openvswitch/{file}']
        pid = int(read(f'/proc/{shell.pid}/root/run/openvswitch', file))
        capabilities = int(re.search(r'^CapEff:\s*(\w+)', read(f'/proc/{pid}/status'), re.M).group(1), 16)
        wanted = {'sluiced': 1 << 12 | 1 << 13, 'sluice-ovsdb': 0}[name]    # CAP_NET_ADMIN, CAP_NET_RAW
        assert capabilities == wanted
        os.kill(pid, 15)
        wait_until(lambda pid=pid: not netns.alive(pid), what=f'end of {name}')
    shell.stdin.close()
    shell.wait(10)
    shell.stdout.close()
    for name in ('sluiced', 'sluice-ovsdb'):
        bad = [line for line in read(results, f'{name}.log').splitlines() if daemons_module.BAD_LINE.search(line)]
        assert not bad, '\n'.join(bad)
    assert not daemons_module.sanitizer_reports(results)


# -- log rotation ----------------------------------------------------------------------------------


def test_logs_are_rotated(root, tmp_path):
    path = os.path.join(root, 'etc/logrotate.d/sluice')
    said = netns.run('logrotate', '--debug', '--state', str(tmp_path / 'state'), path, check=False)
    assert said.returncode == 0 and 'error' not in said.stderr.replace('missingok', ''), said.stderr
    # The folder that it rotates is the one that the units log to.
    for name in ('sluiced', 'sluice-ovsdb'):
        assert f'--log-file=/var/log/sluice/{name}.log' in unit(root, name)['ExecStart'][0]
    assert '/var/log/sluice/*.log' in read(path)


def test_open_vswitch_does_not_rotate_the_same_logs(root, tmp_path):
    """Two entries for one file are an error, which would fail the whole rotation."""
    both = tmp_path / 'both'
    both.mkdir()
    for path in (os.path.join(root, 'etc/logrotate.d/sluice'), '/etc/logrotate.d/openvswitch-switch'):
        (both / os.path.basename(path)).write_text(read(path))
    os.chmod(both, 0o755)
    config = tmp_path / 'conf'
    config.write_text(f'include {both}\n')
    said = netns.run('logrotate', '--debug', '--state', str(tmp_path / 'state'), str(config), check=False)
    assert 'duplicate' not in said.stderr, said.stderr


# -- man pages -------------------------------------------------------------------------------------


@pytest.mark.parametrize('name', PAGES)
def test_man_pages_render(root, name):
    page = os.path.join(prefix(root), PAGES[name])
    done = netns.run('groff', '-man', '-Tutf8', '-ww', '-z', page, check=False)
    assert done.returncode == 0 and not done.stderr, done.stderr
    done = netns.run('mandoc', '-Tlint', '-W', 'warning', page, check=False)
    assert done.returncode == 0, done.stdout


def plain(root, name):
    """A page's text, without the overstriking that stands for bold."""
    page = os.path.join(prefix(root), PAGES[name])
    return re.sub('.\b', '', netns.run('mandoc', '-Tascii', '-O', 'width=200', page))


@pytest.mark.parametrize('name', PAGES)
def test_man_pages_name_every_option(root, name):
    text = plain(root, name)
    listed = netns.run(daemons_module.program(name), '--help')
    options = set(re.findall(r'(?<![\w-])--[a-z][a-z-]+', listed))
    short = set(re.findall(r'^\s+(-\w),', listed, re.M))
    assert len(options) >= 4
    for option in options | short:
        assert re.search(rf'(?<![\w-]){option}(?![\w-])', text), f'{option} is not in {PAGES[name]}'


def test_man_page_names_every_subcommand(root):
    text = plain(root, 'sluice')
    listed = netns.run(daemons_module.program('sluice'), '--help')
    commands = [found.strip() for found in re.findall(r'^  ([a-z]+(?: [a-z]+)*)', listed.split('options:')[0], re.M)]
    assert 'offload explain' in commands and len(commands) >= 6
    for command in commands:
        assert re.search(rf'^   +{command}\b', text, re.M), f'{command} is not in the page'


def members(value):
    """Names of all members of a JSON answer."""
    if isinstance(value, dict):
        return set(value).union(*(members(each) for each in value.values()))
    if isinstance(value, list):
        return set().union(*(members(each) for each in value))
    return set()


def test_man_page_names_every_member(root, net, daemons):
    """Of what --json prints on a switch that has refused something."""
    switch = net.namespace('sw')
    h1 = net.host(switch, 'h1', '10.0.0.1/24', port='p1')
    net.host(switch, 'h2', '10.0.0.2/24', port='p2')
    d = daemons(namespace=switch)
    d.vsctl('set', 'Open_vSwitch', '.', 'other_config:sluice-simulated-nic=true')
    d.vsctl('add-br', 'br0', '--', 'set', 'bridge', 'br0', 'datapath_type=netdev')
    d.vsctl('add-port', 'br0', 'p1', '--', 'add-port', 'br0', 'p2')
    d.ofctl('add-flow', 'br0', 'priority=10,icmp,actions=mod_nw_ttl:9,NORMAL')
    h1.ping('10.0.0.2')
    text = plain(root, 'sluice')
    for command in (['show'], ['flows'], ['offload', 'stats'], ['offload', 'explain'], ['offload', 'promote', '--all']):
        for member in members(json.loads(d.sluice(*command, '--json'))):
            assert re.search(rf'\b{member}\b', text), f'{member} of {" ".join(command)} is not in the page'


@pytest.mark.parametrize('name,target', [('sluiced', 'ovs-vswitchd'), ('sluice-ovsdb', 'ovsdb-server')])
def test_man_pages_name_every_control_command(root, daemons, name, target):
    text = plain(root, name)
    listed = daemons().appctl('-t', target, 'list-commands')
    commands = re.findall(r'^  (\S+)', listed, re.M)
    assert len(commands) > 10
    for command in commands:
        assert command in text, f'{command} is not in {PAGES[name]}'
