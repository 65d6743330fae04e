# SPDX-License-Identifier: Apache-2.0
"""Twins: random transactions, lawful and not, go to sluice-ovsdb and to Debian's ovsdb-server; results,
notifications of all kinds of monitors and the final contents must agree.

Rows get their UUIDs from the test, so that both servers speak of the same rows. Of an error its tag
counts, not its sentence. SEEDS=100 in the environment tries more; one is run again by pytest -k 'seed3'.
Their server now and then leaves a weak reference to a row that is gone (in a row that the same
transaction changes otherwise); a seed ends where that shows.
"""

import json
import os
import random
import subprocess
import uuid

import pytest

import netns
from daemons import program, sanitizer_environment, sanitizer_reports
from ovsdb import Client
from wait import wait_until

UNLIMITED = {'min': 0, 'max': 'unlimited'}
SCHEMA = {'name': 'twin', 'version': '1.0.0', 'tables': {
    'root': {'isRoot': True, 'maxRows': 5, 'columns': {
        'name': {'type': 'string'},
        'kids': {'type': {'key': {'type': 'uuid', 'refTable': 'kid'}, **UNLIMITED}},
        'by_name': {'type': {'key': 'string', 'value': {'type': 'uuid', 'refTable': 'kid'}, **UNLIMITED}},
        'favourite': {'type': {'key': {'type': 'uuid', 'refTable': 'kid', 'refType': 'weak'}, 'min': 0}}}},
    'kid': {'indexes': [['name'], ['i', 'b']], 'columns': {
        'name': {'type': 'string'},
        'fixed': {'type': 'string', 'mutable': False},
        'i': {'type': {'key': {'type': 'integer', 'minInteger': -5, 'maxInteger': 20}}},
        'big': {'type': 'integer'},
        'b': {'type': 'boolean'},
        'r': {'type': {'key': {'type': 'real', 'maxReal': 100}, 'min': 0}},
        'kind': {'type': {'key': {'type': 'string', 'enum': ['set', ['', 'x', 'y']]}}},
        'opt': {'type': {'key': 'integer', 'min': 0}},
        'numbers': {'type': {'key': 'integer', 'min': 0, 'max': 4}},
        'some': {'type': {'key': {'type': 'string', 'maxLength': 2}, 'min': 1, 'max': 3}},
        'map': {'type': {'key': 'string', 'value': 'string', **UNLIMITED}},
        'status': {'type': {'key': 'string', 'value': 'integer', **UNLIMITED}, 'ephemeral': True},
        'next': {'type': {'key': {'type': 'uuid', 'refTable': 'kid'}, 'min': 0}},
        'friends': {'type': {'key': {'type': 'uuid', 'refTable': 'kid', 'refType': 'weak'}, **UNLIMITED}}}},
    'fan': {'isRoot': True, 'columns': {
        'idols': {'type': {'key': {'type': 'uuid', 'refTable': 'kid', 'refType': 'weak'},
                           'min': 1, 'max': 2}}}}}}


class Server:
    def __init__(self, command, file, results):
        self.file = file
        self.socket = f'{file}.sock'
        with open(os.path.join(results, os.path.basename(file) + '.out'), 'a', encoding='utf-8') as out:
            self.process = subprocess.Popen(
                [*command, f'--remote=punix:{self.socket}', f'--unixctl={file}.ctl', file],
                env=dict(os.environ, **sanitizer_environment(results)), stdout=out, stderr=out,
                preexec_fn=netns.die_with_parent)
        wait_until(lambda: self.process.poll() is not None or self.answers(), what=self.socket)

    def answers(self):
        try:
            Client(self.socket).close()
            return True
        except OSError:
            return False

    def stop(self):
        self.process.terminate()
        return self.process.wait(20)


@pytest.fixture
def twins(tmp_path, results):
    """Our server and theirs, each on a new file of the schema."""
    servers = []
    schema = tmp_path / 'schema'
    schema.write_text(json.dumps(SCHEMA))
    for command in ([program('sluice-ovsdb')], ['ovsdb-server']):
        file = str(tmp_path / ('ours.db' if not servers else 'theirs.db'))
        netns.run('ovsdb-tool', 'create', file, schema)
        servers.append(Server(command, file, results))
    yield servers
    for server in servers:
        server.stop()
    assert sanitizer_reports(results) == ''


def normal(value):
    """A JSON value in a form that doesn't depend on the order of sets, rows and names."""
    if isinstance(value, dict):
        if 'error' in value and value['error'] and isinstance(value['error'], str):
            return {'error': value['error']}
        if 'rows' in value:
            return {'rows': sorted((normal(row) for row in value['rows']), key=json.dumps)}
        return {name: normal(value[name]) for name in sorted(value) if name != '_version'}
    if isinstance(value, list):
        if len(value) == 2 and value[0] in ('set', 'map') and isinstance(value[1], list):
            return [value[0], sorted((normal(item) for item in value[1]), key=json.dumps)]
        return [normal(item) for item in value]
    if isinstance(value, float) and value == int(value):
        return int(value)
    return value


# An operation with several faults is refused for the one that a server happens to see first.
REFUSALS = {'syntax error', 'ovsdb error', 'unknown column', 'unknown function', 'unknown mutator',
            'constraint violation', 'domain error', 'range error'}


def outcome(results, operations):
    """Results, comparable; an error of the commit itself stands behind those of the operations."""
    for i, result in enumerate(results[:len(operations)]):
        if isinstance(result, dict) and result.get('error') in REFUSALS:
            results[i] = {'error': 'refused'}
    return normal(results)


class Generator:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.rows = {'root': [], 'kid': [], 'fan': []}
        self.count = 0

    def chance(self, percent):
        return self.random.randrange(100) < percent

    def uuid(self, table):
        """Mostly of a row that is or was there."""
        if self.rows[table] and not self.chance(7):
            return ['uuid', self.random.choice(self.rows[table][-12:])]
        return ['uuid', str(uuid.UUID(int=self.random.getrandbits(128), version=4))]

    def atom(self, base):
        name = base if isinstance(base, str) else base['type']
        if self.chance(2):
            return self.random.choice([1, 'x', True, 1.5, ['uuid', 'x'], None, {}])
        if name == 'uuid':
            return self.uuid('kid')
        if name == 'integer':
            return self.random.randrange(-6, 22)
        if name == 'real':
            return self.random.choice([0, 1.5, -2.25, 99, 100.5])
        if name == 'boolean':
            return self.chance(50)
        return self.random.choice(['', 'x', 'y', 'z', 'ab', 'abc', 'é'])

    def value(self, kind, more=False):
        if isinstance(kind, str):
            return self.atom(kind)
        high = kind.get('max', 1)
        limit = 4 if high == 'unlimited' else high + self.chance(3)
        low = 0 if more else kind.get('min', 1) - self.chance(1)
        n = self.random.randrange(max(low, 0), limit + 1)
        if 'value' in kind:
            return ['map', [[self.atom(kind['key']), self.atom(kind['value'])] for _ in range(n)]]
        if n == 1 and self.chance(50):
            return self.atom(kind['key'])
        return ['set', [self.atom(kind['key']) for _ in range(n)]]

    def column(self, table):
        if self.chance(1):
            return 'nope', 'integer'
        name = self.random.choice(sorted(SCHEMA['tables'][table]['columns']))
        return name, SCHEMA['tables'][table]['columns'][name]['type']

    def row(self, table):
        row = {}
        for _ in range(self.random.randrange(4)):
            name, kind = self.column(table)
            row[name] = self.value(kind)
        return row

    def where(self, table):
        clauses = []
        if self.chance(60):
            clauses.append(['_uuid', '==', self.uuid(table)])
        while self.chance(30):
            name, kind = self.column(table)
            function = self.random.choice(['==', '!=', 'includes', 'excludes', '<', '<=', '>', '>=', '=='])
            if function in '<=>=' and function != '==' and not self.chance(5):
                name = self.random.choice(['i', 'opt', 'r']) if table == 'kid' else '_uuid'
                kind = 'real' if name == 'r' else 'integer'
            clauses.append([name, function, self.value(kind, function in ('includes', 'excludes'))])
        if self.chance(2):
            clauses.append(self.chance(50))
        return clauses

    def insert(self, table):
        new = str(uuid.UUID(int=self.random.getrandbits(128), version=4))
        row = self.row(table)
        if table == 'kid':
            self.count += 1
            row.setdefault('name', f'k{self.count}')
            row['i'] = row.get('i', self.count % 20)
            row['some'] = row.get('some', 'x')
        if table == 'fan':
            row['idols'] = self.uuid('kid')
        self.rows[table].append(new)
        operation = {'op': 'insert', 'table': table, 'row': row, 'uuid': new}
        if self.chance(20):
            operation['uuid-name'] = f'n{self.random.randrange(4)}'
        return operation, new

    def mutate(self, table):
        mutations = []
        for _ in range(self.random.randrange(1, 3)):
            name, kind = self.column(table)
            mutator = self.random.choice(['+=', '-=', '*=', '/=', '%=', 'insert', 'delete', 'insert'])
            if mutator[1] == '=' and table == 'kid' and not self.chance(5):
                name = self.random.choice(['i', 'big', 'opt', 'numbers', 'r'])
                # Their server dies of a multiplication by 0, takes some products for too large that are
                # not, and writes 15 digits of a real.
                argument = self.random.choice([0, 1, 2, -3] if mutator != '*=' else [1, 2, -3])
                if name == 'big' and mutator != '*=' and self.chance(30):
                    argument = 2**62 + 1
            elif mutator == 'delete' and isinstance(kind, dict) and 'value' in kind and self.chance(50):
                argument = ['set', [self.atom(kind['key'])]]
            else:
                argument = self.value(kind, True)
            mutations.append([name, mutator, argument])
        return {'op': 'mutate', 'table': table, 'where': self.where(table), 'mutations': mutations}

    def operations(self):
        operations = []
        for _ in range(self.random.randrange(1, 6)):
            table = self.random.choice(['kid', 'kid', 'kid', 'root', 'fan'])
            kind = self.random.randrange(100)
            if kind < 35:
                operation, new = self.insert(table)
                operations.append(operation)
                if table == 'kid' and not self.chance(10):
                    operations.append({'op': 'mutate', 'table': 'root', 'where': [],
                                       'mutations': [['kids', 'insert', ['uuid', new]]]})
            elif kind < 55:
                operations.append({'op': 'update', 'table': table, 'where': self.where(table),
                                   'row': self.row(table)})
            elif kind < 75:
                operations.append(self.mutate(table))
            elif kind < 83:
                operations.append({'op': 'mutate', 'table': 'root', 'where': self.where('root'),
                                   'mutations': [['kids', 'delete', self.uuid('kid')]]})
            elif kind < 87:
                operations.append({'op': 'delete', 'table': table, 'where': self.where(table)})
            elif kind < 94:
                operations.append({'op': 'select', 'table': table, 'where': self.where(table), **(
                    {'columns': [self.column(table)[0]]} if self.chance(70) else {})})
            elif kind < 96:
                name = self.column(table)[0]
                operations.append({'op': 'wait', 'table': table, 'where': self.where(table), 'timeout': 0,
                                   'columns': [name], 'until': self.random.choice(['==', '!=']), 'rows': []})
            else:
                operations.append(self.random.choice([
                    {'op': 'comment', 'comment': 'a'}, {'op': 'commit', 'durable': self.chance(50)},
                    {'op': 'abort'}, {'op': 'assert', 'lock': 'l'}, {'op': 'dance'}, 5, {},
                    {'op': 'select', 'table': 'nope', 'where': []}, {'op': 'select', 'table': 'kid'},
                    {'op': 'comment', 'comment': 'a', 'more': 1},
                    {'op': 'mutate', 'table': 'kid', 'where': [], 'mutations': [['i', '^', 1]]},
                    {'op': 'select', 'table': 'kid', 'where': [['i', '~', 1]]}]))
        return operations


MONITORS = [
    ('monitor', 'all', {name: {} for name in SCHEMA['tables']}),
    ('monitor', 'some', {'kid': [{'columns': ['name', 'numbers'], 'select': {'initial': False}},
                                 {'columns': ['map', 'opt'], 'select': {'delete': False, 'modify': False}}]}),
    ('monitor_cond', 'cond', {'kid': [{'columns': ['name', 'i', 'numbers', 'map', 'opt', 'status'],
                                       'where': [['i', '<', 8], ['b', '==', True]]}],
                              'root': [{}]}),
    ('monitor_cond_since', 'since', {name: [{}] for name in SCHEMA['tables']}),
]


def open_monitors(client):
    answers = []
    for method, name, request in MONITORS:
        # _version differs between the servers, of course.
        request = json.loads(json.dumps(request))
        for table, wanted in request.items():
            for one in wanted if isinstance(wanted, list) else [wanted]:
                one.setdefault('columns', sorted(SCHEMA['tables'][table]['columns']))
        params = ['twin', name, request]
        if method == 'monitor_cond_since':
            params.append('00000000-0000-0000-0000-000000000000')
        answer = client.request(method, params)
        assert not answer.get('error'), answer
        result = answer['result']
        answers.append(normal(result[2] if method == 'monitor_cond_since' else result))
    return answers


def told(client):
    """Notifications, without the ids of transactions and independent of the monitors' order.

    Theirs tell that nothing changed ("old": {}, "modify": {}) when only columns did that nobody asked for.
    """
    heard = []
    for message in client.notifications():
        tables = {name: {row: update for row, update in rows.items() if update.get('old') != {} and update.get('modify') != {}}
                  for name, rows in message['params'][-1].items()}
        tables = {name: rows for name, rows in tables.items() if rows}
        if tables:  # nothing but such rows: nothing at all
            heard.append([message['method'], message['params'][0], normal(tables)])
    return sorted(heard, key=json.dumps)


def contents(client):
    return normal(client.transact('twin', *[{'op': 'select', 'table': name, 'where': []}
                                            for name in sorted(SCHEMA['tables'])]))


def dangling(tables):
    """Weak references to rows that aren't there."""
    fans, kids, roots = (table['rows'] for table in tables)
    there = [row['_uuid'] for row in kids]
    referring = [row['friends'] for row in kids] + [row['idols'] for row in fans] + [
        row['favourite'] for row in roots]
    named = []
    for value in referring:
        named += value[1] if value[0] == 'set' else [value]
    return [uuid for uuid in named if uuid not in there]


@pytest.mark.parametrize('seed', range(int(os.environ.get('SEEDS', '6'))), ids=lambda seed: f'seed{seed}')
def test_twins(seed, twins, results):
    ours, theirs = [Client(server.socket) for server in twins]
    generator = Generator(seed)
    good = bad = 0
    assert open_monitors(ours) == open_monitors(theirs)
    for number in range(400):
        operations = generator.operations()
        got, expected = (outcome(client.transact('twin', *operations), operations)
                         for client in (ours, theirs))
        where = f'transaction {number}: {json.dumps(operations)}'
        assert got == expected, where
        if told(ours) != told(theirs):
            difference = (contents(ours), contents(theirs))
            assert dangling(difference[1]) and not dangling(difference[0]), where
            return
        failed = any(isinstance(result, dict) and 'error' in result for result in got)
        good, bad = good + (not failed), bad + failed
        if number % 50 == 49:
            assert contents(ours) == contents(theirs), where
            again = [Client(server.socket) for server in twins]
            assert open_monitors(again[0]) == open_monitors(again[1])
            for client in again:
                client.close()
    assert good > 40 and bad > 40, (good, bad)

    # Both files, read again: theirs by us, ours by us and by their tool. (Their tool refuses their own
    # file now and then: it judges a difference by the limits of a value.)
    query = ['twin', *[{'op': 'select', 'table': name, 'where': [], 'columns': sorted(
        column for column, schema in SCHEMA['tables'][name]['columns'].items()
        if not schema.get('ephemeral'))} for name in sorted(SCHEMA['tables'])]]
    in_memory = normal(ours.transact(*query))
    assert twins[0].stop() == 0
    twins[1].stop()
    our_file, their_file = [server.file for server in twins]
    assert normal(json.loads(netns.run('ovsdb-tool', 'query', our_file, json.dumps(query)))) == in_memory
    for file in (our_file, their_file):
        server = Server([program('sluice-ovsdb')], file, results)
        assert normal(Client(server.socket).transact(*query)) == in_memory, file
        assert server.stop() == 0
