# SPDX-License-Identifier: Apache-2.0
"""The part of tools/quickstart that runs once the packages are installed.

It builds Sluice, makes two hosts and a switch between them, sends traffic of three kinds and shows where
each was forwarded and why. All of it is private: namespaces and a run directory of its own; an Open vSwitch
that runs on this machine doesn't notice. However it ends, it takes away what it made.

    main.py      options, building, signals, the order of things
    plumbing.py  the hosts, the switch's ports, the daemons: in namespaces, or in a virtual machine
    show.py      rules and traffic, what became of it, and the account
    traffic.py   what runs inside a host
"""

import argparse
import fcntl
import json
import os
import signal
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
TREE = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(TREE, 'tests', 'lib'))
os.environ['SLUICE_BUILD'] = BUILD = os.path.join(TREE, 'build-quick')
import kernels  # noqa: E402
import modules  # noqa: E402
import netns  # noqa: E402

import plumbing  # noqa: E402
import show  # noqa: E402

PROGRAMS = ('slowpath/sluiced', 'ovsdb/sluice-ovsdb', 'tools/sluice')
VM_TIMEOUT = 900


class Interrupted(BaseException):
    pass


class Failed(Exception):
    pass


def on_signal(number, _frame):
    plumbing.ignore_signals()    # once is enough: what follows is cleaning up
    raise Interrupted(number)


def say(options, text):
    if not options.json:
        print(text, flush=True)


# -- building --------------------------------------------------------------------------------------


def run_quietly(what, command, environment):
    """Run a command in a group of its own; its output is shown only if it fails."""
    child = subprocess.Popen(command, cwd=TREE, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, text=True, errors='replace', start_new_session=True,
                             preexec_fn=netns.die_with_parent)
    try:
        output, _ = child.communicate()
    except BaseException:
        os.killpg(child.pid, signal.SIGINT)
        try:
            child.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
        raise
    if child.returncode:
        raise Failed('\n'.join(output.splitlines()[-60:] + [f'{what} failed']))


def build(options):
    os.makedirs(BUILD, exist_ok=True)
    environment = dict(os.environ)
    for name in ('CC', 'CFLAGS', 'LDFLAGS', 'DESTDIR'):
        environment.pop(name, None)
    with open(os.path.join(BUILD, '.quickstart'), 'w') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.exists(os.path.join(BUILD, 'build.ninja')):
            say(options, 'Building Sluice in build-quick; this takes about a minute, once.')
            wipe = ['--wipe'] if os.path.exists(os.path.join(BUILD, 'meson-private')) else []
            run_quietly('setting up the build', ['meson', 'setup', BUILD, '-Dtests=false'] + wipe, environment)
        run_quietly('the build', ['ninja', '-C', BUILD, *PROGRAMS], environment)


# -- here, or in a virtual machine -----------------------------------------------------------------


def show_here(options):
    """Plumbing, traffic, account; returns the exit status."""
    make = plumbing.SwitchingNic if options.inside else plumbing.Namespaces
    plumbing.forget_dead()
    with make(lasting=options.keep) as stage:
        stage.start()
        account = show.run(stage, None if options.json else lambda text: print(text, flush=True))
        if options.json:
            print(json.dumps(account.json(), indent=2), flush=True)
        else:
            print(account.text(), flush=True)
        if options.keep:
            stage.keep()
            say(options, stage.how_to_look())
    return 1 if account.problems else 0


def show_in_vm(options):
    """Run ourselves in a guest that has Debian's kernel, nicsim.ko and openvswitch.ko."""
    say(options, 'Preparing a virtual machine with Debian\'s kernel (fetched once) and the simulated NIC.')
    module = modules.build('drivers/nicsim/module', 'debian')
    command = [os.path.join(TREE, 'tests', 'vm', 'run'), '--timeout', str(VM_TIMEOUT), '--env', f'NICSIM_KO={module}',
               '--', '/usr/bin/python3', '-B', os.path.abspath(__file__), '--inside']
    child = subprocess.Popen(command + (['--json'] if options.json else []), stdin=subprocess.DEVNULL,
                             start_new_session=True, preexec_fn=netns.die_with_parent)
    try:
        return child.wait()
    except BaseException:
        child.terminate()
        child.wait()
        raise


def parse():
    parser = argparse.ArgumentParser(
        prog='tools/quickstart', formatter_class=argparse.RawDescriptionHelpFormatter,
        description='Show what Sluice does: two hosts on a bridge exchange ping, UDP and TCP; what the NIC can hold\n'
                    'moves there, and what it can\'t is forwarded in software and explained. Ends with 0 only if\n'
                    'everything arrived and both tiers forwarded. Run as root.')
    parser.add_argument('--keep', action='store_true', help='leave it running, to be looked at')
    parser.add_argument('--stop', action='store_true', help='end what --keep left running')
    parser.add_argument('--json', action='store_true', help='print the account as one JSON object')
    parser.add_argument('--vm', action='store_true', help='in a virtual machine, with tc-flower and openvswitch.ko '
                        'instead of the userspace datapath')
    parser.add_argument('--inside', action='store_true', help=argparse.SUPPRESS)    # we are in the guest
    options = parser.parse_args()
    if options.keep and options.vm:
        parser.error('--keep and --vm exclude each other: the virtual machine ends with its command')
    return options


def run(options):
    if options.stop:
        print(plumbing.stop_kept())
        return 0
    if options.inside:
        return show_here(options)
    build(options)
    return show_in_vm(options) if options.vm else show_here(options)


def main():
    options = parse()
    for number in plumbing.SIGNALS:
        signal.signal(number, on_signal)
    try:
        return run(options)
    except Interrupted as interrupted:
        print('tools/quickstart: interrupted', file=sys.stderr)
        return 128 + interrupted.args[0]
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)    # nobody reads; nothing is left to be flushed
        return 1
    except (Failed, kernels.KernelError, AssertionError, subprocess.SubprocessError, OSError) as error:
        print(f'tools/quickstart: {error}', file=sys.stderr)
        return 1


sys.exit(main())
