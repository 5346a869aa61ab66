# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The library's installation: complete or not at all, and never in the way of a call that runs."""

from __future__ import annotations

import errno
import json
import os
import platform
import shutil
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from ansible_collections.podnet.cluster.plugins.module_utils import install, launcher

SOURCE = os.path.dirname(install.__file__)
FILES = install.read_tree(SOURCE)


def versions(root):
    return sorted(name for name in os.listdir(root) if name[0] != "." and name != "current")


def test_version_is_the_collections(root):
    with open(root / "galaxy.yml") as file:
        assert yaml.safe_load(file)["version"] == install.VERSION


def test_what_is_installed(tmp_path):
    version = install.install(FILES, str(tmp_path))
    assert install.installed(str(tmp_path)) == version
    assert os.readlink(tmp_path / "current") == version
    for name in (*install.PLUGINS, *install.COMMANDS):
        mode = (tmp_path / "current/bin" / name).stat().st_mode
        assert stat.S_IMODE(mode) == 0o755
    assert (tmp_path / "current/lib/podnet/netlink/wire.py").read_bytes() == FILES["netlink/wire.py"]
    assert list((tmp_path / "current/lib/podnet/netlink/__pycache__").glob("wire.*.pyc"))
    for command in install.COMMANDS:
        subprocess.run([tmp_path / "current/bin" / command, "--help"], check=True, stdout=subprocess.DEVNULL)


def test_a_link_to_an_executable_is_as_good(tmp_path):
    """Where somebody links them into a directory that the runtime knows; with the service absent, too."""
    install.install(FILES, str(tmp_path), socket=str(tmp_path / "none.sock"))
    (tmp_path / "bridge").symlink_to("current/bin/bridge")
    env = {"CNI_COMMAND": "VERSION"}
    done = subprocess.run(["./bridge"], cwd=tmp_path, env=env, input=b"", capture_output=True, check=True)
    assert b"supportedVersions" in done.stdout


def test_a_copy_of_an_executable_says_what_it_misses(tmp_path):
    install.install(FILES, str(tmp_path / "there"), socket=str(tmp_path / "none.sock"))
    (tmp_path / "bin").mkdir()
    for name in ("bridge", "podnetctl"):
        shutil.copy(tmp_path / "there/current/bin" / name, tmp_path / "bin")
        env = {"CNI_COMMAND": "VERSION"}
        done = subprocess.run([tmp_path / "bin" / name], env=env, capture_output=True, text=True, check=False)
        told = json.loads(done.stdout)["msg"] if name == "bridge" else done.stderr
        assert done.returncode == 1
        assert "Traceback" not in done.stderr
        assert told.startswith(f"{name}: no library at {tmp_path}/lib/podnet: link to the installed")


def test_nothing_changes_the_second_time(tmp_path):
    install.install(FILES, str(tmp_path))
    before = {path: path.lstat().st_mtime_ns for path in tmp_path.rglob("*")}
    install.install(FILES, str(tmp_path))
    assert {path: path.lstat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_versions_before_are_kept_for_an_hour(tmp_path):
    """From when they aren't current any more, not from when they were installed."""
    names = []
    for number in range(4):
        if number:  # current for two hours by now
            long_ago = time.time() - 7200
            os.utime(tmp_path / names[-1], (long_ago, long_ago))
        names.append(install.install({**FILES, "cni/extra.py": b"# %d\n" % number}, str(tmp_path)))
        assert versions(tmp_path) == sorted(names)
        assert os.readlink(tmp_path / "current") == names[-1]
    for name in names[:2]:
        os.utime(tmp_path / name, (long_ago, long_ago))
    install.install({**FILES, "cni/extra.py": b"# 3\n"}, str(tmp_path))
    assert versions(tmp_path) == sorted(names[2:])


def test_library_that_does_not_compile_is_not_installed(tmp_path):
    version = install.install(FILES, str(tmp_path))
    with pytest.raises(OSError, match="cannot compile"):
        install.install({**FILES, "cni/broken.py": b"def\n"}, str(tmp_path))
    assert os.readlink(tmp_path / "current") == version
    assert sorted(os.listdir(tmp_path)) == sorted([version, "current"])


def test_archive_is_deterministic_and_read_again():
    assert install.pack(FILES) == install.pack(dict(reversed(FILES.items())) and FILES)
    assert install.unpack(install.pack(FILES)) == FILES


@pytest.mark.parametrize("name", ["/etc/x", "../x", "a/../../x"])
def test_archive_that_leads_elsewhere_is_refused(name):
    with pytest.raises(ValueError, match="is not a file of the library"):
        install.unpack(install.pack({name: b""}))


def test_a_runtime_may_have_made_its_plugin_directory_before(tmp_path):
    """CRI-O makes those of its configuration when it starts; what is in them is somebody's."""
    (tmp_path / "current/bin").mkdir(parents=True)
    version = install.install(FILES, str(tmp_path))
    assert os.readlink(tmp_path / "current") == version
    (tmp_path / "current").unlink()
    (tmp_path / "current/bin").mkdir(parents=True)
    install.remove(str(tmp_path))
    assert not tmp_path.exists()
    (tmp_path / "current/bin").mkdir(parents=True)
    (tmp_path / "current/bin/mine").touch()
    with pytest.raises(OSError, match=f"{tmp_path}/current/bin is not empty: move away") as raised:
        install.install(FILES, str(tmp_path))
    assert raised.value.errno == errno.ENOTEMPTY
    assert (tmp_path / "current/bin/mine").exists() and not list(tmp_path.glob(".current*"))


def test_removal_leaves_others_alone(tmp_path):
    root = tmp_path / "opt"
    install.install(FILES, str(root))
    (root / "notes").mkdir()
    assert install.present(str(root))
    install.remove(str(root))
    assert os.listdir(root) == ["notes"]
    assert not install.present(str(root))


def test_make_cni(root, tmp_path):
    """The target for packagers."""
    script = root / "plugins/module_utils/install.py"
    done = subprocess.run(["/usr/bin/python3", script, tmp_path], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"{tmp_path}/opt/podnet/current/bin"
    assert os.access(tmp_path / "opt/podnet/current/bin/bridge", os.X_OK)
    assert subprocess.run(["/usr/bin/python3", script], capture_output=True, check=False).returncode == 2
    subprocess.run(["/usr/bin/python3", script, tmp_path / "package", "--package"], capture_output=True, check=True)
    first_line = (tmp_path / "package/opt/podnet/current/bin/bridge").read_text().splitlines()[0]
    assert first_line.startswith(f"#!/opt/podnet/{install.VERSION}-")
    assert (tmp_path / "package" / first_line[3:]).is_file() == (platform.machine() in launcher.MACHINES)


def test_three_installations_at_once(root, tmp_path):
    """Each ends well, and what is there is one version, whole."""
    command = [sys.executable, root / "plugins/module_utils/install.py", tmp_path]
    several = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) for _number in range(3)]
    said = {each.communicate()[0].decode() for each in several}
    assert said == {f"{tmp_path}/opt/podnet/current/bin\n"} and not any(each.returncode for each in several)
    directory = tmp_path / "opt/podnet"
    (version,) = {path.name for path in directory.iterdir()} - {"current"}
    assert (directory / "current").readlink() == Path(version)
    done = subprocess.run([directory / "current/bin/bridge"], env={"CNI_COMMAND": "VERSION"}, input=b"", check=True)
    assert done.returncode == 0


def test_nobody_else_may_write_there_whatever_the_umask(root, tmp_path):
    script = 'umask 000; exec "$@"'
    command = [sys.executable, root / "plugins/module_utils/install.py", tmp_path]
    subprocess.run(["sh", "-c", script, "sh", *command], check=True, stdout=subprocess.DEVNULL)
    for path in (tmp_path / "opt").rglob("*"):
        assert path.is_symlink() or not path.stat().st_mode & 0o022, path
