# SPDX-License-Identifier: Apache-2.0
"""Kernel modules of this tree, built on the host against the very kernel that a guest boots.

A module is built in a copy in the cache, named by a hash of its sources and of the kernel: the tree
stays clean, several kernels and several runs don't meet, and what hasn't changed isn't built again.
"""

import glob
import hashlib
import os
import shutil
import tempfile

import kernels

# Sources that a module folder may share with its neighbours: the folder above it is copied as a whole.
SUFFIXES = ('.c', '.h', '.S', 'Kbuild', 'Makefile')


def sources(top):
    """Paths below TOP, relative, of what a build may read."""
    found = []
    for where, folders, files in os.walk(top):
        folders[:] = sorted(f for f in folders if not f.startswith('.'))
        for name in sorted(files):
            if name.endswith(SUFFIXES) and not name.endswith('.mod.c'):
                found.append(os.path.relpath(os.path.join(where, name), top))
    return found


def build(folder, kernel='debian'):
    """Build the module in FOLDER (relative to the tree) for a kernel; returns the path of its .ko."""
    kernel = kernels.get(kernel)
    room = os.path.dirname(folder)
    top = os.path.join(kernels.TREE, room)
    names = sources(top)
    key = hashlib.sha256(f'{kernel.folder} {os.stat(kernel.image).st_mtime_ns} {folder}'.encode())
    for name in names:
        with open(os.path.join(top, name), 'rb') as file:
            key.update(f'\0{name}\0'.encode() + file.read())
    final = os.path.join(kernels.cache_dir(), 'modules', key.hexdigest()[:16])
    with kernels.lock('module-' + key.hexdigest()[:16]):
        if not os.path.isdir(final):
            os.makedirs(os.path.dirname(final), exist_ok=True)
            with tempfile.TemporaryDirectory(dir=os.path.dirname(final)) as work:
                make(folder, room, names, kernel, work)
                os.rename(os.path.join(work, 'new'), final)
    built = glob.glob(os.path.join(final, folder, '*.ko'))
    if len(built) != 1:
        raise kernels.KernelError(f'{folder} built {len(built)} modules, not one')
    return built[0]


def make(folder, room, names, kernel, work):
    """Build in WORK/new, which has the tree's layout: includes from the tree's root work there."""
    new = os.path.join(work, 'new')
    for name in names:
        target = os.path.join(new, room, name)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        shutil.copy(os.path.join(kernels.TREE, room, name), target)
    kernels.run(['make', '-C', kernel.headers, f'M={os.path.join(new, folder)}', 'modules'])
