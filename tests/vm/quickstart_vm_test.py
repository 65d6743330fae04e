# SPDX-License-Identifier: Apache-2.0
"""tools/quickstart --vm as a user runs it: the main job on openvswitch.ko, tc-flower and a simulated NIC."""

import json
import os
import subprocess

TREE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def test_main_job_in_a_virtual_machine():
    done = subprocess.run([os.path.join(TREE, 'tools', 'quickstart'), '--vm', '--json'], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=1500)
    assert done.returncode == 0, done.stdout + done.stderr
    account = json.loads(done.stdout)
    assert account['sent'] == account['received'] == 2 * 20 + 3 * 2 * 1000
    assert account['hardware'] == 'tc'
    assert account['hardware_packets'] > 1000 and account['software_packets'] > 3000
    tiers = {flow['tier'] for flow in account['flows']}
    assert tiers == {'tc', 'kernel'}
    reasons = ' '.join(flow['reason'] or '' for flow in account['flows'])
    assert 'nicsim: ' in reasons and 'tc cannot write udp_dst' in reasons
