# SPDX-License-Identifier: Apache-2.0
"""The documents say what the code does: settings and their defaults, files that are named."""

import os
import re

from wait import wait_until

TREE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def read(path):
    with open(os.path.join(TREE, path)) as file:
        return file.read()


def test_every_setting_is_described_with_its_default():
    code, page = read('slowpath/config/conf.c'), read('docs/operations.md')
    settings = re.findall(r'replica_map\w*\(\w+, other, "([\w-]+)"((?:, [\w* ]+|, "")*)\)', code)
    assert len(settings) >= 9
    for key, arguments in settings:
        row = re.search(rf'^\| `{key}` \| ([^|]*) \|', page, re.M)
        assert row, f'{key} is not described'
        default = arguments.split(', ')[-1]
        assert default == '""' or row.group(1) == f'`{default}`', f'the default of {key} is {default}'


def test_other_columns_that_are_read_are_named():
    code, page = read('slowpath/config/conf.c'), read('docs/operations.md')
    columns = set(re.findall(r'db->(?:Bridge|Port|Interface)_(\w+)', code))
    assert len(columns) > 10
    for column in columns - {'name', 'ports', 'interfaces', 'other_config', 'target', 'options'}:
        assert f'`{column}`' in page, f'{column} is not named'


def test_files_that_the_documents_name_are_there():
    pages = ['README.md', 'tests/README.md'] + [f'docs/{name}' for name in os.listdir(os.path.join(TREE, 'docs'))
                                               if name.endswith('.md')]
    for page in pages:
        for target in re.findall(r'\]\(([^)#:]+)\)', read(page)):
            assert os.path.exists(os.path.join(TREE, os.path.dirname(page), target)), f'{page} names {target}'


def test_flows_are_saved_and_restored_as_the_page_says(net, daemons, tmp_path):
    page = read('docs/operations.md')
    save, restart, restore = re.search(r'restore them:\n\n((?:    .*\n)+)', page).group(1).split('\n')[:3]
    assert restart.strip() == 'systemctl restart sluiced'
    d = daemons(namespace=net.namespace('sw'))
    d.vsctl('add-br', 'br0', '--', 'set', 'bridge', 'br0', 'datapath_type=netdev')
    d.ofctl('add-flow', 'br0', 'priority=10,udp,tp_dst=53,actions=mod_nw_tos:32,NORMAL')
    d.ofctl('add-flow', 'br0', 'table=1,priority=5,dl_vlan=7,actions=strip_vlan,output:1')
    before = d.ofctl('--no-stats', 'dump-flows', 'br0')
    assert before.count('actions=') == 3
    d.tool('bash', '-ec', save, cwd=tmp_path)
    d.kill()
    d.start_sluiced()
    wait_until(lambda: d.ofctl('--no-stats', 'dump-flows', 'br0').count('actions=') == 1, what='the bridge as it begins')
    d.tool('bash', '-ec', restore, cwd=tmp_path)
    assert sorted(d.ofctl('--no-stats', 'dump-flows', 'br0').splitlines()) == sorted(before.splitlines())
