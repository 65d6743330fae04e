# SPDX-License-Identifier: Apache-2.0
"""Two switches on one host: ours leaves a kernel datapath alone that a live one serves, and says so."""

import os
import subprocess

import netns
from wait import wait_until


def test_a_served_datapath_is_left_alone(daemons, results):
    netns.run('modprobe', '-a', 'openvswitch', 'tun')
    folder = '/tmp/theirs'
    os.makedirs(folder)
    environment = dict(os.environ, OVS_RUNDIR=folder, OVS_DBDIR=folder, OVS_LOGDIR=folder)
    netns.run('ovsdb-tool', 'create', f'{folder}/conf.db', '/usr/share/openvswitch/vswitch.ovsschema')
    theirs = [subprocess.Popen(['ovsdb-server', f'--remote=punix:{folder}/db.sock', f'{folder}/conf.db'], env=environment)]
    wait_until(lambda: os.path.exists(f'{folder}/db.sock'), what='their database')
    netns.run('ovs-vsctl', '--no-wait', 'init', env=environment)
    theirs.append(subprocess.Popen(['ovs-vswitchd', f'unix:{folder}/db.sock', '--pidfile'], env=environment))
    netns.run('ovs-vsctl', '--timeout=60', 'add-br', 'theirs', env=environment, timeout=70)

    d = daemons()
    d.allow('served by another process')
    d.vsctl('add-br', 'ours', '--', 'set', 'bridge', 'ours', 'datapath_type=system', check=False)
    assert 'served by another process' in d.vsctl('get', 'interface', 'ours', 'error')
    d.vsctl('add-br', 'ours2')
    assert 'served by another process' in d.sluice('show')
    assert 'theirs' in netns.run('ovs-dpctl', 'show')

    for process in reversed(theirs):
        process.terminate()
        process.wait(20)
    d.vsctl('set', 'bridge', 'ours', 'external_ids:again=1')
    wait_until(lambda: d.vsctl('get', 'interface', 'ours', 'ofport').strip() == '65534', what='our bridge on the kernel')
