# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The library and its executables on a node: ``<root>/<version>/{lib/podnet,bin}``, ``<root>/current`` → the version.

A version is built beside the others and renamed into place when it is complete; ``current`` is swapped by one rename.
The versions before stay for an hour, for the calls that run from them. Nothing here is imported from the library:
``make cni`` runs this file by itself.

A CNI executable is a script whose first line names the launcher (launcher.py) as interpreter: it hands the call to the
service, and executes Python if the service is not there. On a machine without launcher the first line names Python.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import subprocess
import sys
import tarfile
import time

if __package__:
    from . import launcher
else:
    import launcher  # type: ignore[import-not-found,no-redef]

VERSION = "0.2.0"
ROOT = "/opt/podnet"
INTERPRETER = "/usr/bin/python3"
#: Where the service listens.
SOCKET = "/run/podnet/cni.sock"
#: The parts of module_utils that a node needs.
PARTS = (
    "agent",
    "cli",
    "cni",
    "converge",
    "findings",
    "install.py",
    "ipam",
    "kube",
    "launcher.py",
    "nat",
    "netlink",
    "overlay",
    "packets",
    "policy",
    "provision",
    "records",
    "verify",
)
#: The CNI executables: one name for each plugin type of ours. A test compares them with the plugins.
PLUGINS = (
    "bandwidth",
    "bridge",
    "dhcp",
    "dummy",
    "firewall",
    "flannel",
    "host-device",
    "host-local",
    "ipvlan",
    "loopback",
    "macvlan",
    "portmap",
    "ptp",
    "sample",
    "sbr",
    "static",
    "tap",
    "tuning",
    "vlan",
    "vrf",
)
#: Commands for people: name → module whose ``main()`` returns the exit status.
COMMANDS = {
    "podnetctl": "cli.podnetctl",
    "podnetd": "agent.daemon",
    "podnet-cni": "cni.runtime.tool",
    "podnet-dhcp": "cni.plugins.dhcp.daemon",
}

PLUGIN_SCRIPT = """\
#!{interpreter}
# {what}. It follows the links to its version once, so that an upgrade meanwhile mixes nothing.
import gc
import posix
import sys
from marshal import loads

gc.disable()  # nothing lives long enough here to be worth a search for it
script = posix.open(sys.argv[0], posix.O_RDONLY)
home = posix.readlink("/proc/self/fd/%d" % script).rsplit("/", 2)[0]
posix.close(script)
podnet = type(sys)("podnet")
podnet.__path__ = [home + "/lib/podnet"]
sys.modules["podnet"] = podnet


class Bundle:
    # All modules in one file: to find and open them one by one takes longer than what they do.
    def __init__(self, modules):
        self.modules = modules

    def find_spec(self, name, path, target=None):
        if name in self.modules:
            return type(sys.__spec__)(name, self, is_package=self.modules[name][0])

    def create_module(self, spec):
        pass

    def exec_module(self, module):
        exec(loads(self.modules[module.__name__][1]), module.__dict__)


try:
    bundle = posix.open(home + "/lib/podnet." + sys.implementation.cache_tag, posix.O_RDONLY)
    sys.meta_path.insert(0, Bundle(loads(posix.read(bundle, posix.fstat(bundle).st_size))))
    posix.close(bundle)
except OSError:
    pass  # this interpreter came after the installation: the files it is

try:
    from podnet.cni.exec.{module} import main
except ImportError as error:
    from json import dumps

    fix = "link to the installed executable instead of copying it, or install it again"
    report = {{"code": 999, "msg": "{name}: no library at %s/lib/podnet: %s" % (home, fix), "details": str(error)}}
    print(dumps({{"cniVersion": "1.1.0", **report}}))
    sys.exit(1)

main("{name}")
"""

#: The service's script, beside the library: the command podnet-cni executes it.
SERVICE = "serve"
LAUNCHER = "launch"
#: How long a version stays that isn't current any more, in seconds: longer than any call takes.
KEPT = 3600
#: How long a script's first line may be (linux/binfmts.h, BINPRM_BUF_SIZE, until Linux 5.1).
FIRST_LINE_MAX = 127

#: How the library is compiled: without docstrings, which would be a quarter of a megabyte of each podnetd. The compiled
#: files are valid by themselves ("unchecked"): what they are made from never changes in place. Tracebacks name the
#: place where the files will be.
COMPILE = """
import importlib.util, os, py_compile, sys
library = sys.argv[1]
mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
for directory, _directories, files in os.walk(library):
    for path in (os.path.join(directory, name) for name in files if name.endswith(".py")):
        compiled = importlib.util.cache_from_source(path, optimization="")
        place = os.path.join("podnet", os.path.relpath(path, library))
        py_compile.compile(path, compiled, place, doraise=True, optimize=2, invalidation_mode=mode)
"""

#: How the modules that CNI executables may import get into one file, run by their interpreter.
BUNDLED = ("cni", "ipam", "nat", "netlink")
BUNDLE = """
import marshal, os, sys
library, modules = sys.argv[1], {}
# what only commands use stays out
OUTSIDE = ["cni/spec/conflist.py", "cni/runtime/"]
OUTSIDE += ["cni/plugins/dhcp/%s.py" % name for name in ("daemon", "lease", "message", "socket")]
for part in sys.argv[2:]:
    names = []
    for directory, directories, files in os.walk(os.path.join(library, part)):
        directories.sort()
        inside = os.path.relpath(directory, library)
        names += [inside + "/" + name for name in sorted(files) if name.endswith(".py")]
    for name in names:
        if name.startswith(tuple(OUTSIDE)):
            continue
        with open(os.path.join(library, name), "rb") as file:
            code = compile(file.read(), "podnet/" + name, "exec", dont_inherit=True, optimize=2)
        package = name.endswith("/__init__.py")
        dotted = "podnet." + (name[:-12] if package else name[:-3]).replace("/", ".")
        modules[dotted] = package, marshal.dumps(code)
with open(library + "." + sys.implementation.cache_tag, "wb") as file:
    file.write(marshal.dumps(modules))
"""

COMMAND_SCRIPT = """\
#!{interpreter} -IS
# The command {name}.
import gc
import os
import sys

home = os.path.dirname(os.path.dirname(os.path.realpath(sys.argv[0])))
sys.path.insert(0, os.path.join(home, "lib"))

gc.disable()  # what is imported stays, and no search for garbage needs to see it
try:
    from podnet.{module} import main
except ImportError as error:
    sys.exit("{name}: no library at %s/lib/podnet: link to the installed command instead of copying it, or install it "
             "again (%s)" % (home, error))

gc.freeze()
gc.enable()
sys.exit(main())
"""


def read_tree(source: str) -> dict[str, bytes]:
    """The library's files below the directory `source` (a module_utils): path → content, in order."""
    files = {}
    for part in PARTS:
        path = os.path.join(source, part)
        if os.path.isfile(path):
            files[part] = _read(path)
            continue
        for directory, directories, names in os.walk(path):
            directories[:] = [name for name in directories if name != "__pycache__"]
            inside = os.path.relpath(directory, source)
            for name in names:
                if name.endswith(".py"):
                    files[f"{inside}/{name}"] = _read(f"{directory}/{name}")
    return dict(sorted(files.items()))


def own_tree() -> dict[str, bytes]:
    """The files of the library that this one is of. Raises OSError."""
    return read_tree(os.path.dirname(os.path.abspath(__file__)))


def digest(files: dict[str, bytes], interpreter: str = INTERPRETER) -> str:
    """The digest of the library's state, with everything that executables are made from."""
    checksum = hashlib.sha256()
    parts = [VERSION, interpreter, PLUGIN_SCRIPT, COMMAND_SCRIPT, BUNDLE, repr(BUNDLED), repr(PLUGINS), repr(COMMANDS)]
    parts += [launcher.listing(machine) for machine in launcher.MACHINES]
    for part in parts:
        checksum.update(part.encode() + b"\0")
    for name, content in files.items():
        checksum.update(f"{name}\0{len(content)}\0".encode() + content)
    return checksum.hexdigest()


def version_name(checksum: str) -> str:
    """The directory's name of the state with that digest."""
    return f"{VERSION}-{checksum[:12]}"


def pack(files: dict[str, bytes]) -> bytes:
    """The files as a tar archive that depends on nothing but them."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            entry.mode = 0o644
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def unpack(data: bytes) -> dict[str, bytes]:
    """The files in an archive of ``pack``. Raises ValueError for anything that isn't a plain file below it."""
    files = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
            for entry in archive:
                content = archive.extractfile(entry)
                if content is None or entry.name.startswith("/") or ".." in entry.name.split("/"):
                    raise ValueError(f"the archive holds {entry.name!r}, which is not a file of the library")
                files[entry.name] = content.read()
    except tarfile.TarError as error:
        raise ValueError(f"the archive cannot be read: {error}") from None
    return dict(sorted(files.items()))


def installed(root: str = ROOT) -> str:
    """The name of the version to which ``current`` leads; empty if it is missing or incomplete."""
    try:
        name = os.readlink(os.path.join(root, "current"))
    except OSError:
        return ""
    return name if os.path.isdir(os.path.join(root, name, "lib", "podnet")) else ""


def install(
    files: dict[str, bytes], root: str = ROOT, interpreter: str = INTERPRETER, socket: str = SOCKET, final: str = ""
) -> str:
    """Installs the files below `root` and makes them current; returns the version's name. Raises OSError.

    `interpreter` is what the executables run with; it must be there, since it compiles the library. `socket` is where
    they find the service. `final` is what `root` will be when the tree is used elsewhere, in a package.
    """
    mask = os.umask(0o022)  # only the owner may write there, whatever the caller's mask
    try:
        return _install(files, root, interpreter, socket, final)
    finally:
        os.umask(mask)


def _install(files: dict[str, bytes], root: str, interpreter: str, socket: str, final: str) -> str:
    before = installed(root)
    version = version_name(digest(files, interpreter))
    target = os.path.join(root, version)
    if not os.path.isdir(target):
        os.makedirs(root, mode=0o755, exist_ok=True)
        fresh = os.path.join(root, f".{version}.{os.getpid()}")
        try:
            _build(files, fresh, interpreter)
            _add_executables(fresh, os.path.join(final or root, version), version, interpreter, socket)
            os.rename(fresh, target)
        except OSError:
            if not os.path.isdir(target):  # else another installation was first
                raise
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    if before != version:
        if before:
            os.utime(os.path.join(root, before))  # since when it isn't current
        link = os.path.join(root, f".current.{os.getpid()}")
        os.symlink(version, link)
        try:
            _make_way(root)
            os.rename(link, os.path.join(root, "current"))
        except OSError:
            os.unlink(link)
            raise
    _prune(root, version)
    return version


def remove(root: str = ROOT) -> None:
    """Removes everything that ``install`` makes below `root`, and `root` if it is empty then."""
    for name in _versions(root):
        shutil.rmtree(os.path.join(root, name))
    _make_way(root)
    try:
        os.unlink(os.path.join(root, "current"))
    except FileNotFoundError:
        pass
    try:
        os.rmdir(root)
    except OSError:
        pass


def _make_way(root: str) -> None:
    """Removes the empty directories that CRI-O makes of ``current/bin`` where it starts before the library is there.
    Raises OSError where something is in them."""
    current = os.path.join(root, "current")
    if not os.path.islink(current):
        for directory, _directories, _files in os.walk(current, topdown=False):
            try:
                os.rmdir(directory)
            except OSError as error:
                raise OSError(error.errno, f"{directory} is not empty: move away what is in it") from None


def present(root: str = ROOT) -> bool:
    """Whether ``remove`` would find anything."""
    return bool(_versions(root)) or os.path.islink(os.path.join(root, "current"))


def _build(files: dict[str, bytes], directory: str, interpreter: str) -> None:
    library = os.path.join(directory, "lib", "podnet")
    for name, content in {"__init__.py": b"", **files}.items():
        _write(os.path.join(library, name), content, 0o644)
    for step in ([COMPILE, library], [BUNDLE, library, *BUNDLED]):
        # Python 3.11 and later would add to each instruction the columns that it was made from.
        command = [interpreter, "-X", "no_debug_ranges", "-I", "-c", *step]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        if done.returncode:
            raise OSError(f"{interpreter} cannot compile the library: {done.stdout.decode(errors='replace').strip()}")


def _add_executables(directory: str, place: str, version: str, interpreter: str, socket: str) -> None:
    """The executables of the version in `directory`, which will be `place`."""
    first_line = f"{interpreter} -IS"
    elf = launcher.build(os.uname().machine, version, socket, interpreter)
    path = os.path.join(place, "lib", LAUNCHER)
    if elf and len(path) + 2 < FIRST_LINE_MAX and not set(path) & set(" \t"):
        _write(os.path.join(directory, "lib", LAUNCHER), elf, 0o755)
        first_line = path
    scripts = {"lib/" + SERVICE: (f"{interpreter} -IS", "The service of the CNI plugins", "service", version)}
    for name in PLUGINS:
        scripts["bin/" + name] = (first_line, f"The CNI plugin {name}", "main", name)
    for script, (line, what, module, name) in scripts.items():
        text = PLUGIN_SCRIPT.format(interpreter=line, what=what, module=module, name=name)
        _write(os.path.join(directory, script), text.encode(), 0o755)
    for name, module in COMMANDS.items():
        text = COMMAND_SCRIPT.format(interpreter=interpreter, name=name, module=module)
        _write(os.path.join(directory, "bin", name), text.encode(), 0o755)


def _prune(root: str, current: str) -> None:
    """Removes versions that no call can be using any more."""
    for name in _versions(root):
        path = os.path.join(root, name)
        if name != current and time.time() - os.stat(path).st_mtime > KEPT:
            shutil.rmtree(path, ignore_errors=True)


def _versions(root: str) -> list[str]:
    """The versions below `root`: directories with a library."""
    try:
        names = os.listdir(root)
    except OSError:
        return []
    return [
        name
        for name in names
        if not os.path.islink(os.path.join(root, name)) and os.path.isdir(os.path.join(root, name, "lib", "podnet"))
    ]


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _write(path: str, content: bytes, mode: int) -> None:
    os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
    with open(path, "wb") as file:
        file.write(content)
    os.chmod(path, mode)


def main(arguments: list[str]) -> int:
    """``install.py DESTDIR``: what a node has at ROOT, below DESTDIR; with ``--package``, to be used at ROOT."""
    if len(arguments) not in (1, 2) or arguments[1:] not in ([], ["--package"]):
        print(
            "usage: install.py DESTDIR [--package]\nThe tree goes to DESTDIR/opt/podnet and works there, or with "
            "--package where it is unpacked as /opt/podnet.",
            file=sys.stderr,
        )
        return 2
    root = os.path.join(os.path.abspath(arguments[0]), ROOT.lstrip("/"))
    try:
        files = own_tree()
        install(files, root, final=ROOT if arguments[1:] else "")
    except OSError as error:
        print(f"install.py: {error}", file=sys.stderr)
        return 1
    print(os.path.join(root, "current", "bin"))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
