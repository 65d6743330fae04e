# SPDX-License-Identifier: Apache-2.0
"""sluice-ovsdb and the field's tools: ovs-vsctl, ovsdb-client, ovsdb-tool, ovs-appctl, the Python IDL.

No switch runs here: ovs-vsctl is told not to wait for one, except where the test plays the switch.
"""

import json
import os
import re
import signal
import subprocess
import textwrap

import pytest

import daemons as daemons_module
import netns
from ovsdb import Client
from wait import wait_until

SCHEMA = '/usr/share/openvswitch/vswitch.ovsschema'


@pytest.fixture
def db(daemons):
    """sluice-ovsdb alone, with an empty database."""
    d = daemons(start=False)
    d.start_ovsdb()
    return d


def vsctl(d, *arguments, **options):
    return d.vsctl('--no-wait', *arguments, **options)


def socket_of(d):
    return os.path.join(d.rundir, 'db.sock')


def client_tool(d, *arguments, **options):
    return d.tool('ovsdb-client', '--timeout=20', *arguments, **options)


def stop_ovsdb(d):
    """Ends the server in order."""
    d.appctl('-t', 'ovsdb-server', 'exit')
    assert d.ovsdb.process.wait(20) == 0, d.ovsdb.said()
    d.ovsdb = None


# -- ovs-vsctl --------------------------------------------------------------------------------------

def test_bridges_and_ports(db):
    vsctl(db, 'add-br', 'br0')
    vsctl(db, 'add-port', 'br0', 'p1', 'tag=5', '--', 'set', 'interface', 'p1', 'type=internal')
    vsctl(db, 'add-port', 'br0', 'p2')
    assert vsctl(db, 'list-br').split() == ['br0']
    assert vsctl(db, 'list-ports', 'br0').split() == ['p1', 'p2']
    assert vsctl(db, 'port-to-br', 'p1').strip() == 'br0'
    shown = vsctl(db, 'show')
    assert 'Bridge br0' in shown and 'tag: 5' in shown and 'type: internal' in shown
    assert vsctl(db, 'get', 'port', 'p1', 'tag').strip() == '5'
    internal = vsctl(db, '--bare', '--columns=name', 'find', 'interface', 'type=internal').split()
    assert sorted(internal) == ['br0', 'p1']
    assert 'name                : p2' in vsctl(db, 'list', 'interface', 'p2')
    assert vsctl(db, 'br-exists', 'br0', check=False).returncode == 0
    assert vsctl(db, 'br-exists', 'nope', check=False).returncode == 2

    vsctl(db, 'set', 'bridge', 'br0', 'fail_mode=secure', 'other_config:hwaddr=02:00:00:00:00:01')
    assert vsctl(db, 'get', 'bridge', 'br0', 'fail_mode', 'other_config:hwaddr').split() == [
        'secure', '"02:00:00:00:00:01"']
    vsctl(db, 'clear', 'bridge', 'br0', 'fail_mode')
    vsctl(db, 'remove', 'bridge', 'br0', 'other_config', 'hwaddr')
    assert vsctl(db, 'get', 'bridge', 'br0', 'fail_mode', 'other_config').split() == ['[]', '{}']

    vsctl(db, 'del-port', 'br0', 'p1')
    assert vsctl(db, 'list-ports', 'br0').split() == ['p2']
    vsctl(db, 'del-br', 'br0')
    assert vsctl(db, 'list-br') == ''
    # Interfaces and ports went with the last reference to them.
    assert vsctl(db, 'list', 'interface') == vsctl(db, 'list', 'port') == ''


def test_references_between_new_rows(db):
    vsctl(db, 'add-br', 'br0')
    vsctl(db, 'add-port', 'br0', 'p1')
    vsctl(db, '--', 'set', 'port', 'p1', 'qos=@q', '--', '--id=@q', 'create', 'qos', 'type=linux-htb',
          'other-config:max-rate=1000000', 'queues:1=@q1', '--', '--id=@q1', 'create', 'queue',
          'other-config:min-rate=100')
    assert 'linux-htb' in vsctl(db, 'list', 'qos')
    vsctl(db, '--', '--id=@p', 'get', 'port', 'p1', '--', '--id=@m', 'create', 'mirror', 'name=m0',
          'select-dst-port=@p', '--', 'add', 'bridge', 'br0', 'mirrors', '@m')
    vsctl(db, 'del-port', 'br0', 'p1')
    # A weak reference goes with the port, the mirror stays.
    assert vsctl(db, 'get', 'mirror', 'm0', 'select_dst_port').strip() == '[]'


def test_bad_values_are_told(db):
    vsctl(db, 'add-br', 'br0')

    def refused(*arguments):
        result = vsctl(db, *arguments, check=False)
        assert result.returncode == 1
        return result.stderr

    assert 'not in the valid range 1 to 65279' in refused('set', 'interface', 'br0', 'ofport_request=99999')
    assert 'foo is not one of the allowed values' in refused('set', 'bridge', 'br0', 'fail_mode=foo')
    # These only the server can judge.
    said = refused('set', 'bridge', 'br0', 'name=br1')
    assert 'name' in said and ('read-only' in said or 'immutable' in said)
    said = refused('--', '--id=@b', 'create', 'bridge', 'name=br0', '--', 'add', 'open_vswitch', '.',
                   'bridges', '@b')
    assert 'constraint violation' in said and 'identical values (br0) for index' in said
    said = refused('set', 'open_vswitch', '.', 'bridges=550e8400-e29b-41d4-a716-446655440000')
    assert 'referential integrity violation' in said and 'nonexistent row' in said
    said = refused('create', 'open_vswitch', 'next_cfg=1')
    assert 'limit of 1 row' in said
    assert vsctl(db, 'list-br').split() == ['br0']


def test_waits_for_the_switch(db):
    """ovs-vsctl without --no-wait ends when cur_cfg has caught up with next_cfg."""
    asking = subprocess.Popen(['ovs-vsctl', '--timeout=20', 'add-br', 'br0'], env=db.environment)
    client = Client(socket_of(db))

    def next_cfg():
        return client.transact('Open_vSwitch', {'op': 'select', 'table': 'Open_vSwitch', 'where': [],
                                                'columns': ['next_cfg']})[0]['rows'][0]['next_cfg']

    wait_until(lambda: next_cfg() == 1, what='next_cfg')
    assert asking.poll() is None
    client.transact('Open_vSwitch', {'op': 'update', 'table': 'Open_vSwitch', 'where': [],
                                     'row': {'cur_cfg': 1}})
    assert asking.wait(20) == 0
    assert vsctl(db, 'wait-until', 'bridge', 'br0', 'name=br0') == ''


# -- ovsdb-client -----------------------------------------------------------------------------------

def test_ovsdb_client(db):
    server = f'unix:{socket_of(db)}'
    assert client_tool(db, 'list-dbs', server).split() == ['Open_vSwitch', '_Server']
    assert client_tool(db, 'get-schema-version', server).strip() == '8.3.1'
    with open(SCHEMA, encoding='utf-8') as file:
        theirs = json.load(file)
    ours = json.loads(client_tool(db, 'get-schema', server))
    assert ours['tables'].keys() == theirs['tables'].keys()
    assert ours['cksum'] == theirs['cksum']
    for name in theirs['tables']:
        assert ours['tables'][name]['columns'].keys() == theirs['tables'][name]['columns'].keys()
    vsctl(db, 'add-br', 'br0')
    assert 'br0' in client_tool(db, 'dump', server, 'Open_vSwitch', 'Bridge', 'name')
    assert 'standalone' in client_tool(db, 'dump', server, '_Server', 'Database', 'model')
    client_tool(db, 'wait', server, 'Open_vSwitch', 'connected')
    answer = json.loads(client_tool(db, 'transact', server, json.dumps(
        ['Open_vSwitch', {'op': 'wait', 'table': 'Bridge', 'where': [], 'columns': ['name'], 'until': '==',
                          'rows': [{'name': 'br0'}], 'timeout': 0},
         {'op': 'mutate', 'table': 'Bridge', 'where': [['name', '==', 'br0']],
          'mutations': [['external_ids', 'insert', ['map', [['k', 'v']]]]]}])))
    assert answer == [{}, {'count': 1}]
    saved = client_tool(db, 'backup', server)
    assert '"Bridge"' in saved


def test_a_wait_is_woken_by_a_change(db):
    waiting, changing = Client(socket_of(db)), Client(socket_of(db))
    wait = {'op': 'wait', 'table': 'Bridge', 'where': [], 'columns': ['name'], 'until': '==',
            'rows': [{'name': 'br0'}]}
    waiting.send('transact', ['Open_vSwitch', wait, {'op': 'comment', 'comment': 'woken'}], 'w')
    waiting.send('transact', ['Open_vSwitch', dict(wait, timeout=50)], 'late')
    assert waiting.receive_answer('late')['result'][0]['error'] == 'timed out'
    vsctl(db, 'add-br', 'br0')
    assert waiting.receive_answer('w')['result'] == [{}, {}]

    waiting.send('transact', ['Open_vSwitch', dict(wait, until='!=')], 'c')
    waiting.send('cancel', ['c'], None)
    assert waiting.receive_answer('c')['error'] == 'canceled'
    changing.close()


@pytest.mark.parametrize('method', ['monitor', 'monitor-cond', 'monitor-cond-since'])
def test_monitor(db, method):
    vsctl(db, 'add-br', 'br0')
    arguments = {'monitor': ['Open_vSwitch', 'Bridge', 'name,fail_mode'],
                 'monitor-cond': ['Open_vSwitch', '[["name","==","br0"]]', 'Bridge', 'name,fail_mode'],
                 'monitor-cond-since': ['Open_vSwitch', '00000000-0000-0000-0000-000000000000',
                                        '[["name","==","br0"]]', 'Bridge', 'name,fail_mode']}[method]
    out = os.path.join(db.results, 'monitor.out')
    with open(out, 'w', encoding='utf-8') as file:
        monitor = subprocess.Popen(['ovsdb-client', '--timeout=20', '-f', 'csv', method,
                                    f'unix:{socket_of(db)}', *arguments], env=db.environment, stdout=file)

    def told():
        with open(out, encoding='utf-8') as file:
            return file.read()

    wait_until(lambda: 'initial,br0' in told(), what='the initial contents')
    vsctl(db, 'set', 'bridge', 'br0', 'fail_mode=secure')
    wait_until(lambda: 'secure' in told(), what='the change')
    vsctl(db, 'add-br', 'br1')
    vsctl(db, 'del-br', 'br0')
    wait_until(lambda: 'delete' in told(), what='the removal')
    assert ('br1' in told()) == (method == 'monitor')
    monitor.send_signal(signal.SIGTERM)
    monitor.wait(20)


def test_monitor_since_takes_up_where_it_left_off(db):
    request = {'Bridge': [{'columns': ['name']}]}
    zero = '00000000-0000-0000-0000-000000000000'
    first = Client(socket_of(db))
    found, last, rows = first.request('monitor_cond_since', ['Open_vSwitch', 'm', request, zero])['result']
    assert (found, rows) == (False, {})
    vsctl(db, 'add-br', 'br0')
    told = first.notifications()
    assert [message['method'] for message in told] == ['update3']
    last = told[0]['params'][1]
    first.close()

    vsctl(db, 'add-br', 'br1')
    second = Client(socket_of(db))
    found, _, rows = second.request('monitor_cond_since', ['Open_vSwitch', 'm', request, last])['result']
    assert found
    assert [list(row.values()) for row in rows['Bridge'].values()] == [[{'name': 'br1'}]]
    second.close()


def test_changing_a_condition(db):
    for name in ('br0', 'br1'):
        vsctl(db, 'add-br', name)
    client = Client(socket_of(db))
    rows = client.request('monitor_cond', ['Open_vSwitch', 'm', {'Bridge': [
        {'columns': ['name'], 'where': [['name', '==', 'br0']]}]}])['result']['Bridge']
    assert list(rows.values()) == [{'initial': {'name': 'br0'}}]
    client.request('monitor_cond_change', ['m', 'n', {'Bridge': [{'where': [['name', '==', 'br1']]}]}])
    told = client.notifications()
    assert [message['params'][0] for message in told] == ['n']
    assert sorted(map(str, told[0]['params'][1]['Bridge'].values())) == [
        "{'delete': None}", "{'insert': {'name': 'br1'}}"]
    client.close()


def test_a_client_that_does_not_read(db):
    """Its updates merge instead of piling up; what it reads at last is the truth."""
    slow, busy = Client(socket_of(db)), Client(socket_of(db))
    slow.request('monitor', ['Open_vSwitch', 'm', {'Open_vSwitch': {'columns': ['other_config']}}])
    rounds = 300
    for i in range(rounds):
        value = ['map', [['big', str(i) * 20000]]]
        assert busy.transact('Open_vSwitch', {'op': 'update', 'table': 'Open_vSwitch', 'where': [],
                                              'row': {'other_config': value}}) == [{'count': 1}]
    slow.transact('Open_vSwitch')  # whose reply comes behind all updates
    told = slow.heard
    assert 1 < len(told) < rounds
    last = list(told[-1]['params'][1]['Open_vSwitch'].values())[0]
    assert last['new']['other_config'] == value
    for before, after in zip(told, told[1:]):
        assert list(after['params'][1]['Open_vSwitch'].values())[0]['old'] == {
            'other_config': list(before['params'][1]['Open_vSwitch'].values())[0]['new']['other_config']}
    slow.close()
    busy.close()


def test_locks(db):
    a, b = Client(socket_of(db)), Client(socket_of(db))
    assert a.request('lock', ['l'])['result'] == {'locked': True}
    assert b.request('lock', ['l'])['result'] == {'locked': False}
    assert a.transact('Open_vSwitch', {'op': 'assert', 'lock': 'l'}) == [{}]
    assert b.transact('Open_vSwitch', {'op': 'assert', 'lock': 'l'})[0]['error'] == 'not owner'
    assert 'unlock' in a.request('lock', ['l'])['error']['details']
    a.request('unlock', ['l'])
    assert [(m['method'], m['params']) for m in b.notifications()] == [('locked', ['l'])]
    assert a.request('steal', ['l'])['result'] == {'locked': True}
    assert [(m['method'], m['params']) for m in b.notifications()] == [('stolen', ['l'])]
    a.close()
    wait_until(lambda: [m['method'] for m in b.notifications()] == ['locked'], what='the lock back')
    b.close()


def test_the_servers_own_database_is_read_only(db):
    client = Client(socket_of(db))
    result = client.transact('_Server', {'op': 'delete', 'table': 'Database', 'where': []})
    assert result[0]['error'] == 'not allowed'
    rows = client.transact('_Server', {'op': 'select', 'table': 'Database', 'where': []})[0]['rows']
    assert sorted(row['name'] for row in rows) == ['Open_vSwitch', '_Server']
    client.close()


def test_nonsense_ends_one_session_only(db):
    good, bad = Client(socket_of(db)), Client(socket_of(db))
    assert bad.request('dance', [])['error'] == 'unknown method'
    assert bad.request('monitor', ['Open_vSwitch'])['error']['error'] == 'syntax error'
    assert bad.request('get_schema', ['nope'])['error']['error'] == 'unknown database'
    bad.socket.sendall(b'{"method":"echo",]')
    with pytest.raises((EOFError, ConnectionError)):
        while True:
            bad.receive()
    assert good.request('echo', ['still here'])['result'] == ['still here']
    good.close()


# -- the file ---------------------------------------------------------------------------------------

def test_their_tools_read_our_file(db):
    vsctl(db, 'add-br', 'br0')
    vsctl(db, 'set', 'bridge', 'br0', 'external_ids:a=1', 'external_ids:b=2')
    vsctl(db, 'remove', 'bridge', 'br0', 'external_ids', 'a')
    stop_ovsdb(db)

    assert db.tool('ovsdb-tool', 'db-version', db.database).strip() == '8.3.1'
    assert db.tool('ovsdb-tool', 'needs-conversion', db.database, SCHEMA).strip() == 'no'
    log = db.tool('ovsdb-tool', 'show-log', '-m', db.database)
    assert 'add-br br0' in log and 'insert row "br0"' in log
    query = json.dumps(['Open_vSwitch', {'op': 'select', 'table': 'Bridge', 'where': [],
                                         'columns': ['name', 'external_ids']}])
    answer = json.loads(db.tool('ovsdb-tool', 'query', db.database, query))
    assert answer == [{'rows': [{'name': 'br0', 'external_ids': ['map', [['b', '2']]]}]}]
    db.tool('ovsdb-tool', 'compact', db.database)
    db.start_ovsdb()
    assert vsctl(db, 'get', 'bridge', 'br0', 'external_ids').strip() == '{b="2"}'


def test_our_compacted_file(db):
    for i in range(30):
        vsctl(db, '--may-exist', 'add-br', 'br0', '--', 'set', 'bridge', 'br0', f'external_ids:k{i}=v')
    before = os.path.getsize(db.database)
    db.appctl('-t', 'ovsdb-server', 'ovsdb-server/compact')
    assert os.path.getsize(db.database) < before
    vsctl(db, 'add-br', 'br1')
    stop_ovsdb(db)
    assert 'br1' in db.tool('ovsdb-tool', 'show-log', '-m', db.database)
    db.start_ovsdb()
    assert vsctl(db, 'list-br').split() == ['br0', 'br1']


@pytest.fixture
def their_server(results):
    """Debian's ovsdb-server as a factory: (database, socket)."""
    running = []

    def start(database, socket, **options):
        command = ['ovsdb-server', f'--remote=punix:{socket}', f'--unixctl={socket}.ctl',
                   f'--log-file={results}/theirs.log', '-vconsole:off', database]
        running.append(subprocess.Popen(command, preexec_fn=netns.die_with_parent, **options))
        wait_until(lambda: os.path.exists(socket) or running[-1].poll() is not None, what='their server')
        return running[-1]

    yield start
    for process in running:
        process.terminate()
        process.wait(20)


def test_we_read_their_file_and_they_ours(daemons, their_server):
    d = daemons(start=False)
    socket = os.path.join(d.rundir, 'their.sock')
    d.tool('ovsdb-tool', 'create', d.database, SCHEMA)
    server = their_server(d.database, socket)
    d.vsctl(f'--db=unix:{socket}', '--no-wait', 'init', '--', 'add-br', 'br0', '--', 'set', 'bridge', 'br0',
            'external_ids:a=1', 'external_ids:b=2')
    d.vsctl(f'--db=unix:{socket}', '--no-wait', 'remove', 'bridge', 'br0', 'external_ids', 'a')
    server.terminate()
    server.wait(20)

    d.start_ovsdb()
    assert vsctl(d, 'get', 'bridge', 'br0', 'external_ids').strip() == '{b="2"}'
    vsctl(d, 'add-br', 'br1', '--', 'set', 'bridge', 'br0', 'external_ids:c=3')
    stop_ovsdb(d)

    server = their_server(d.database, socket)
    assert d.vsctl(f'--db=unix:{socket}', '--no-wait', 'list-br').split() == ['br0', 'br1']
    assert d.vsctl(f'--db=unix:{socket}', '--no-wait', 'get', 'bridge', 'br0',
                   'external_ids').strip() == '{b="2", c="3"}'


@pytest.mark.parametrize('relative', [False, True])
def test_a_missing_file_that_links_lead_to(daemons, tmp_path, relative):
    """As Debian has it: conf.db is a link into another folder, and the file isn't there yet."""
    d = daemons(start=False)
    target = tmp_path / 'conf.db'
    os.symlink(os.path.relpath(target, d.rundir) if relative else target, d.database)
    os.symlink(tmp_path / '.conf.db.~lock~', os.path.join(d.rundir, '.conf.db.~lock~'))
    d.start_ovsdb()
    d.vsctl('--no-wait', 'add-br', 'br0')
    assert os.path.islink(d.database) and not os.path.islink(target)
    assert netns.run('ovsdb-tool', 'db-name', target).strip() == 'Open_vSwitch'


def test_kill_and_torn_tail(db):
    vsctl(db, 'add-br', 'br0')
    size = os.path.getsize(db.database)
    vsctl(db, 'add-br', 'br1')
    db.kill('sluice-ovsdb')
    os.truncate(db.database, os.path.getsize(db.database) - 7)
    db.allow(r'record at byte \d+ is cut off')
    db.start_ovsdb()
    assert f'record at byte {size} is cut off' in db.ovsdb.said()
    assert vsctl(db, 'list-br').split() == ['br0']
    vsctl(db, 'add-br', 'br2')
    stop_ovsdb(db)
    db.start_ovsdb()
    assert vsctl(db, 'list-br').split() == ['br0', 'br2']


def test_a_second_server_is_refused(db, their_server):
    ours = db.tool(daemons_module.program('sluice-ovsdb'), db.database, check=False)
    assert ours.returncode == 1
    assert f'process {db.ovsdb.process.pid} serves this database already' in ours.stderr
    theirs = their_server(db.database, os.path.join(db.rundir, 'their.sock'))
    assert theirs.wait(20) != 0
    # And the other way: the socket of a living server is not taken either.
    other = os.path.join(db.rundir, 'other.db')
    ours = db.tool(daemons_module.program('sluice-ovsdb'), f'--remote=punix:{socket_of(db)}', other,
                   check=False)
    assert ours.returncode == 1
    assert vsctl(db, 'list-br') == ''


def test_no_database(db):
    path = os.path.join(db.rundir, 'text')
    with open(path, 'w', encoding='utf-8') as file:
        file.write('hello\n')
    result = db.tool(daemons_module.program('sluice-ovsdb'), path, check=False)
    assert result.returncode == 1 and 'record at byte 0' in result.stderr
    result = db.tool(daemons_module.program('sluice-ovsdb'), '/nonexistent/dir/db', check=False)
    assert result.returncode == 1 and 'No such file or directory' in result.stderr


# -- remotes and control ----------------------------------------------------------------------------

def test_managers(daemons):
    d = daemons(start=False, ovsdb_arguments=['--remote=db:Open_vSwitch,Open_vSwitch,manager_options'])
    d.start_ovsdb()
    vsctl(d, 'set-manager', 'ptcp:0:127.0.0.1')

    def port():
        return vsctl(d, '--if-exists', 'get', 'manager', '.', 'status:bound_port').strip().strip('"')

    wait_until(port, what='the bound port')
    assert vsctl(d, 'get', 'manager', '.', 'is_connected').strip() == 'false'
    out = d.tool('ovs-vsctl', '--timeout=20', f'--db=tcp:127.0.0.1:{port()}', '--no-wait', 'add-br', 'br0')
    assert out == '' and vsctl(d, 'list-br').split() == ['br0']

    # The other way round: the server connects to its manager.
    listener = subprocess.Popen(
        ['/usr/bin/python3', '-c', textwrap.dedent('''
            import socket
            s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen()
            print(s.getsockname()[1], flush=True)
            c, _ = s.accept()
            c.sendall(b'{"method":"list_dbs","params":[],"id":0}')
            print(c.recv(1000).decode(), flush=True)
            input()''')], stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True)
    target = f'tcp:127.0.0.1:{listener.stdout.readline().strip()}'
    vsctl(d, 'set-manager', target)
    assert 'Open_vSwitch' in listener.stdout.readline()
    wait_until(lambda: vsctl(d, 'get', 'manager', '.', 'is_connected').strip() == 'true',
               what='is_connected')
    vsctl(d, 'del-manager')
    listener.communicate('\n', timeout=20)


def test_control_commands(db):
    def control(*arguments, **options):
        return db.appctl('-t', 'ovsdb-server', *arguments, **options)

    assert control('ovsdb-server/list-dbs').split() == ['Open_vSwitch', '_Server']
    other = f'punix:{db.rundir}/other.sock'
    control('ovsdb-server/add-remote', other)
    assert control('ovsdb-server/list-remotes').split() == sorted([other, f'punix:{socket_of(db)}'])
    assert d_list(db, f'unix:{db.rundir}/other.sock') == ['Open_vSwitch', '_Server']
    control('ovsdb-server/remove-remote', other)
    assert not os.path.exists(f'{db.rundir}/other.sock')
    for bad in ('nonsense', 'db:a,b,c', other.replace('punix', 'unixx')):
        assert control('ovsdb-server/add-remote', bad, check=False).returncode
    assert control('ovsdb-server/remove-remote', other, check=False).returncode
    assert control('ovsdb-server/compact', 'nope', check=False).returncode
    assert re.search(r'atoms:\d+ cells:\d+ monitors:\d+', control('memory/show'))
    assert 'ovsdb-server (Open vSwitch) 3.1.0' in control('version')
    control('vlog/set', 'dbg')
    assert 'DBG' in control('vlog/list')


def d_list(d, server):
    return client_tool(d, 'list-dbs', server).split()


def test_nothing_is_left_after_exit(daemons):
    """Detached, with a relative file: everything is where the tools look for it, and goes with it."""
    d = daemons(start=False)
    program = daemons_module.program('sluice-ovsdb')
    d.tool(program, '--remote=punix:db.sock', '--pidfile', '--detach', '--log-file', 'conf.db', cwd=d.rundir)
    assert os.path.exists(d.database)
    with open(os.path.join(d.rundir, 'ovsdb-server.pid'), encoding='utf-8') as file:
        pid = int(file.read())
    assert sorted(name for name in os.listdir(d.rundir) if not name.startswith('.')) == [
        'conf.db', 'db.sock', f'ovsdb-server.{pid}.ctl', 'ovsdb-server.pid']
    vsctl(d, 'init')
    d.appctl('-t', 'ovsdb-server', 'exit')
    wait_until(lambda: not os.path.exists(f'/proc/{pid}'), what='the end of the server')
    assert sorted(name for name in os.listdir(d.rundir) if not name.startswith('.')) == ['conf.db']


# -- the Python IDL ---------------------------------------------------------------------------------

IDL = '''
import sys
import ovs.db.idl, ovs.poller
helper = ovs.db.idl.SchemaHelper(location=sys.argv[2])
helper.register_all()
idl = ovs.db.idl.Idl(sys.argv[1], helper)
def until(condition):
    while not condition():
        idl.run()
        if condition():
            return
        poller = ovs.poller.Poller()
        idl.wait(poller)
        poller.block()
until(lambda: idl.tables["Open_vSwitch"].rows)
root = next(iter(idl.tables["Open_vSwitch"].rows.values()))
txn = ovs.db.idl.Transaction(idl)
iface = txn.insert(idl.tables["Interface"]); iface.name = "idl0"
port = txn.insert(idl.tables["Port"]); port.name = "idl0"; port.interfaces = [iface]
bridge = txn.insert(idl.tables["Bridge"]); bridge.name = "idl0"; bridge.ports = [port]
root.addvalue("bridges", bridge)
root.setkey("external_ids", "from", "idl")
assert txn.commit_block() == ovs.db.idl.Transaction.SUCCESS, txn.get_error()
until(lambda: any(b.name == "idl0" for b in idl.tables["Bridge"].rows.values()))
print(sorted(b.name for b in idl.tables["Bridge"].rows.values()))
idl.close()
'''


def test_python_idl(db):
    vsctl(db, 'add-br', 'br0')
    out = db.tool('/usr/bin/python3', '-c', IDL, f'unix:{socket_of(db)}', SCHEMA, timeout=40)
    assert out.strip() == "['br0', 'idl0']"
    assert vsctl(db, 'get', 'open_vswitch', '.', 'external_ids:from').strip() == 'idl'
