# SPDX-License-Identifier: Apache-2.0
"""Kernels for the VM tests: found, unpacked or built, and cached; never installed.

A kernel is a folder in the cache with

    vmlinuz  lib/modules/RELEASE/  release  headers (a link to what KDIR may be)

`debian` and `debian-6.12` are Debian's own packages, unpacked. `test` and `debug` are linux-source-6.1
built from `defconfig` and the fragments in tests/vm; their folder is named by a hash of source and
fragments, so that a changed fragment builds anew. A lock per kernel lets several runs ask at the same
time: one works, the others wait.
"""

import fcntl
import glob
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager

TREE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FRAGMENTS = {
    'test': ['test.config'],
    'debug': ['test.config', 'debug.config'],
}
PACKAGES = {
    'debian': ['linux-image-amd64', 'linux-headers-amd64'],
    'debian-6.12': ['linux-image-6.12-amd64', 'linux-headers-6.12-amd64'],
}
SOURCE_PACKAGE = 'linux-source-6.1'
NAMES = list(PACKAGES) + list(FRAGMENTS)

# What the guest needs before it can see the host's files; the test kernels have it built in.
INITRD_MODULES = ['virtio_pci', 'virtio_console', '9pnet_virtio', '9p', 'overlay']


class KernelError(Exception):
    pass


def cache_dir():
    path = os.environ.get('SLUICE_CACHE') or os.path.expanduser('~/.cache/sluice')
    os.makedirs(path, exist_ok=True)
    return os.path.realpath(path)


@contextmanager
def lock(name):
    """An exclusive lock on NAME among everyone who shares the cache."""
    folder = os.path.join(cache_dir(), 'locks')
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, name), 'w') as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def say(text):
    print(text, file=sys.stderr, flush=True)


def run(command, **options):
    """Run a command quietly; its output becomes the error message if it fails."""
    result = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True, **options)
    if result.returncode:
        tail = '\n'.join(result.stdout.splitlines()[-30:])
        raise KernelError(f'{" ".join(command)}: exit status {result.returncode}\n{tail}')
    return result.stdout


class Kernel:
    """A kernel in the cache that is ready to boot."""

    def __init__(self, name, folder):
        self.name = name
        self.folder = folder
        with open(os.path.join(folder, 'release')) as file:
            self.release = file.read().strip()
        self.image = os.path.join(folder, 'vmlinuz')
        self.modules = os.path.join(folder, 'lib', 'modules', self.release)
        self.needs_initrd = name in PACKAGES

    @property
    def headers(self):
        """What a module's build names as KDIR."""
        return os.path.realpath(os.path.join(self.folder, 'headers'))

    def initrd(self, init):
        """An initrd of busybox, the modules that reach the host's files, and the script INIT."""
        with open(init, 'rb') as file:
            key = hashlib.sha256(file.read()).hexdigest()[:16]
        path = os.path.join(self.folder, f'initrd-{key}')
        if os.path.exists(path):
            return path
        with lock('initrd'), tempfile.TemporaryDirectory(dir=self.folder) as work:
            if not os.path.exists(path):
                build_initrd(self, init, work)
                os.rename(os.path.join(work, 'initrd'), path)
        return path


def build_initrd(kernel, init, work):
    root = os.path.join(work, 'root')
    for folder in ('bin', 'lib', 'proc', 'dev', 'newroot'):
        os.makedirs(os.path.join(root, folder))
    busybox = shutil.which('busybox')
    if not busybox:
        raise KernelError('busybox is missing: apt-get install busybox-static')
    shutil.copy(busybox, os.path.join(root, 'bin', 'busybox'))
    shutil.copy(init, os.path.join(root, 'init'))
    os.chmod(os.path.join(root, 'init'), 0o755)
    order = []
    for module in INITRD_MODULES:
        shown = run(['modprobe', '-d', kernel.folder, '-S', kernel.release, '--show-depends', module])
        for line in shown.splitlines():
            words = line.split()
            if words[0] == 'insmod' and words[1] not in order:
                order.append(words[1])
    for path in order:
        shutil.copy(path, os.path.join(root, 'lib'))
    with open(os.path.join(root, 'lib', 'order'), 'w') as file:
        file.writelines(f'/lib/{os.path.basename(path)}\n' for path in order)
    run(['sh', '-c', 'cd root && find . | cpio -o -H newc --quiet > ../initrd'], cwd=work)


# -- Debian's kernels ------------------------------------------------------------------------------


def resolve(metapackages):
    """The concrete kernel packages behind metapackages, as apt's lists have them now."""
    out = run(['apt-cache', 'depends', '--recurse', '--no-recommends', '--no-suggests', '--no-conflicts',
               '--no-breaks', '--no-replaces', '--no-enhances'] + metapackages)
    names = set(re.findall(r'^(linux-(?:image|headers|kbuild)-\S+)$', out, re.M)) - set(metapackages)
    # Of an image's alternatives the signed one is meant.
    names = sorted(n for n in names if not re.search(r'unsigned|-dbg|cloud|-rt-', n))
    if not any(n.startswith('linux-image-') for n in names):
        raise KernelError(f'apt knows no kernel behind {metapackages[0]}; try apt-get update')
    return names


def download(packages, folder):
    """apt-get download, which needs no installation and no root."""
    try:
        run(['apt-get', 'download', '-q'] + packages, cwd=folder)
    except KernelError:
        run(['apt-get', 'update', '-q'])
        run(['apt-get', 'download', '-q'] + packages, cwd=folder)
    debs = glob.glob(os.path.join(folder, '*.deb'))
    if len(debs) != len(packages):
        raise KernelError(f'apt-get download brought {len(debs)} of {len(packages)} packages')
    return debs


def fetch_debian(name, folder):
    """Download and unpack one of Debian's kernels and its headers into FOLDER."""
    try:
        packages = resolve(PACKAGES[name])
    except KernelError:
        run(['apt-get', 'update', '-q'])
        packages = resolve(PACKAGES[name])
    say(f'fetching the kernel {name}: {" ".join(packages)}')
    for deb in download(packages, folder):
        run(['dpkg-deb', '-x', deb, folder])
        os.unlink(deb)
    images = glob.glob(os.path.join(folder, 'boot', 'vmlinuz-*'))
    if len(images) != 1:
        raise KernelError(f'{len(images)} kernel images in {folder}')
    release = os.path.basename(images[0])[len('vmlinuz-'):]
    os.link(images[0], os.path.join(folder, 'vmlinuz'))
    with open(os.path.join(folder, 'release'), 'w') as file:
        file.write(release + '\n')
    run(['depmod', '-b', folder, release])
    # Without it a module's build skips its BTF, which nobody here reads and which would need pahole.
    for path in glob.glob(os.path.join(folder, 'usr', 'src', 'linux-headers-*', 'vmlinux')):
        os.unlink(path)
    os.symlink(os.path.join('usr', 'src', f'linux-headers-{release}'), os.path.join(folder, 'headers'))


def relocate_headers(folder, final):
    """Headers expect to lie in /usr/src; make them name FINAL instead, where FOLDER will lie."""
    for path in glob.glob(os.path.join(folder, 'usr', 'src', 'linux-headers-*', 'Makefile')) + \
            glob.glob(os.path.join(folder, 'usr', 'src', 'linux-headers-*', '.kernelvariables')):
        with open(path) as file:
            text = file.read()
        with open(path, 'w') as file:
            file.write(re.sub(r'(?<![\w/)])/usr/(src|lib)/linux-', rf'{final}/usr/\1/linux-', text))
    for top in ('lib/modules', 'usr/src'):
        for where, folders, files in os.walk(os.path.join(folder, top)):
            for name in folders + files:
                path = os.path.join(where, name)
                if os.path.islink(path) and os.readlink(path).startswith('/usr/'):
                    target = final + os.readlink(path)
                    os.unlink(path)
                    os.symlink(target, path)


# -- the test kernels ------------------------------------------------------------------------------


def source_version():
    out = run(['apt-cache', 'policy', SOURCE_PACKAGE])
    found = re.search(r'Candidate: (\d\S+)', out)
    if not found:
        run(['apt-get', 'update', '-q'])
        found = re.search(r'Candidate: (\d\S+)', run(['apt-cache', 'policy', SOURCE_PACKAGE]))
    if not found:
        raise KernelError(f'apt knows no {SOURCE_PACKAGE}')
    return found.group(1)


def fragments(name):
    return [os.path.join(TREE, 'tests', 'vm', fragment) for fragment in FRAGMENTS[name]]


def cached_sources():
    """Source trees in the cache, the newest last."""
    found = glob.glob(os.path.join(cache_dir(), 'source-*', 'linux'))
    return sorted((os.path.dirname(path) for path in found), key=os.path.getmtime)


def fetch_source():
    """The unpacked kernel source; a cached one is kept until the cache is emptied."""
    with lock('source'):
        if cached_sources():
            return cached_sources()[-1]
        version = source_version()
        final = os.path.join(cache_dir(), f'source-{version}')
        say(f'fetching the kernel source {version}')
        with tempfile.TemporaryDirectory(dir=cache_dir()) as work:
            deb = download([SOURCE_PACKAGE], work)[0]
            run(['dpkg-deb', '-x', deb, work])
            os.mkdir(os.path.join(work, 'new'))
            run(['tar', '-xJf', os.path.join(work, 'usr', 'src', 'linux-source-6.1.tar.xz'), '-C', work])
            os.rename(os.path.join(work, 'linux-source-6.1'), os.path.join(work, 'new', 'linux'))
            os.rename(os.path.join(work, 'new'), final)
        return final


def test_kernel_key(name, source):
    key = hashlib.sha256(os.path.basename(source).encode())
    for path in fragments(name):
        with open(path, 'rb') as file:
            key.update(file.read())
    return key.hexdigest()[:16]


def cached_test_kernel(name):
    """The folder where a test kernel lies or would lie, None when its source isn't here yet."""
    sources = cached_sources()
    if not sources:
        return None
    return os.path.join(cache_dir(), f'{name}-{test_kernel_key(name, sources[-1])}')


def build_test_kernel(name, source, folder):
    """Build into FOLDER, which stays where it is: a build tree doesn't move."""
    tree = os.path.join(source, 'linux')
    build = os.path.join(folder, 'build')
    os.makedirs(build)
    make = ['nice', '-n', '10', 'make', '-C', tree, f'O={build}', f'-j{os.cpu_count()}', 'ARCH=x86_64']
    if shutil.which('ccache'):
        make += ['CC=ccache gcc', 'KBUILD_BUILD_TIMESTAMP=0']
    say(f'building the {name} kernel in {folder} (some minutes)')
    run(make + ['defconfig'])
    run([os.path.join(tree, 'scripts', 'kconfig', 'merge_config.sh'), '-m', '-O', build,
         os.path.join(build, '.config')] + fragments(name), cwd=tree)
    run(make + ['olddefconfig'])
    missing = missing_options(name, os.path.join(build, '.config'))
    if missing:
        raise KernelError('the kernel configuration dropped ' + ', '.join(missing))
    run(make + ['bzImage', 'modules'])
    run(make + ['modules_install', f'INSTALL_MOD_PATH={folder}'])
    release = run(make + ['-s', '--no-print-directory', 'kernelrelease']).strip()
    os.link(os.path.join(build, 'arch', 'x86', 'boot', 'bzImage'), os.path.join(folder, 'vmlinuz'))
    os.symlink('build', os.path.join(folder, 'headers'))
    os.makedirs(os.path.join(folder, 'lib', 'modules', release), exist_ok=True)
    drop_objects(build)
    # The last file written is what says that the kernel is whole.
    with open(os.path.join(folder, 'release.new'), 'w') as file:
        file.write(release + '\n')
    os.rename(os.path.join(folder, 'release.new'), os.path.join(folder, 'release'))


def missing_options(name, config):
    """Options of the fragments that didn't survive olddefconfig."""
    with open(config) as file:
        have = set(file.read().splitlines())
    wanted = {}
    for path in fragments(name):
        with open(path) as file:
            for line in file.read().splitlines():
                found = re.match(r'(?:# )?(CONFIG_\w+)[ =]', line)
                if found:
                    wanted[found.group(1)] = line
    return [line for line in wanted.values()
            if line not in have and not (line.startswith('# ') and line.endswith(' is not set') and
                                         not any(h.startswith(line.split()[1] + '=') for h in have))]


def drop_objects(build):
    """A module's build needs the tools and headers of a kernel, not its objects."""
    for where, folders, files in os.walk(build):
        if where == build:
            folders[:] = [f for f in folders if f not in ('scripts', 'tools')]
        for name in files:
            if name.endswith(('.o', '.a', '.ko', '.cmd', '.mod', '.mod.c')) and name != 'module.lds':
                os.unlink(os.path.join(where, name))
    for name in ('vmlinux', 'vmlinux.o'):
        path = os.path.join(build, name)
        if os.path.exists(path):
            os.unlink(path)


# -- the one door ----------------------------------------------------------------------------------


def cached(name):
    """The kernel if it is in the cache and ready, else None; never downloads nor builds."""
    if name in PACKAGES:
        folder = os.path.join(cache_dir(), name)
    else:
        folder = cached_test_kernel(name)
    if folder and os.path.exists(os.path.join(folder, 'release')):
        return Kernel(name, folder)
    return None


def get(name):
    """The kernel NAME, made ready if need be. May take minutes. Raises KernelError."""
    if name not in NAMES:
        raise KernelError(f'no kernel is called {name}; there are {", ".join(NAMES)}')
    kernel = cached(name)
    if kernel:
        return kernel
    with lock(f'kernel-{name}'):
        kernel = cached(name)
        if kernel:
            return kernel
        if name in PACKAGES:
            final = os.path.join(cache_dir(), name)
            with tempfile.TemporaryDirectory(dir=cache_dir()) as work:
                new = os.path.join(work, 'new')
                os.mkdir(new)
                fetch_debian(name, new)
                relocate_headers(new, final)
                os.rename(new, final)
        else:
            source = fetch_source()
            folder = os.path.join(cache_dir(), f'{name}-{test_kernel_key(name, source)}')
            shutil.rmtree(folder, ignore_errors=True)
            build_test_kernel(name, source, folder)
    return cached(name)
