# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Kubernetes is built from: the go.mod files, the table of projects and the table of releases agree."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.provision.releases import MINORS

FILES = Path(__file__).resolve().parents[3] / "roles/kubernetes/files"


@pytest.fixture(scope="module", autouse=True)
def build():
    """The role's files as modules, as build_modules.py finds them."""
    sys.path.insert(0, str(FILES))
    import cache
    import contents
    import golang
    import image
    import projects

    yield {"projects": projects, "contents": contents, "image": image, "cache": cache, "golang": golang}
    sys.path.remove(str(FILES))


FOLDERS = sorted(path.parent.name for path in FILES.glob("modules/*-*/go.mod"))


def requirements(folder):
    """The go.mod's requirements, {module: version}, and its replacements, {module: (module, version)}."""
    text = (FILES / "modules" / folder / "go.mod").read_text()
    required = dict(re.findall(r"(?m)^(?:require )?\s*(\S+\.\S+/\S+) (v\S+)", text))
    replaced = {old: (new, version) for old, new, version in re.findall(r"(?m)^\s*(\S+) => (\S+) (v\S+)$", text)}
    return required, replaced


def test_every_folder_is_used_and_every_release_has_one_of_each_project(build):
    releases = build["projects"].RELEASES
    others = build["projects"].RUNTIMES.values()
    assert sorted({folder for folders in releases.values() for folder in folders}.union(others)) == FOLDERS
    for folders in releases.values():
        projects = [folder.rpartition("-")[0] for folder in [*folders, *others]]
        assert projects == list(build["projects"].PROJECTS)
    assert max(releases) == build["projects"].CURRENT


def test_the_releases_that_users_are_told_of_are_those_that_are_built(build):
    projects = build["projects"]
    told = {f"1.{minor}": row.modules for minor, row in MINORS.items() if row.modules}
    assert told == {release: projects.version(folders[0]) for release, folders in projects.RELEASES.items()}


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_folder_is_named_after_its_project_and_version(folder, build):
    assert build["projects"].version(folder).startswith(folder.rpartition("-")[2] + ".")


@pytest.mark.parametrize("folder", FOLDERS)
def test_go_mod_requires_what_is_built_and_go_sum_has_its_checksum(folder, build):
    project, text = build["projects"].project(folder), (FILES / "modules" / folder / "go.mod").read_text()
    required, _replaced = requirements(folder)
    sums = (FILES / "modules" / folder / "go.sum").read_text()
    assert f"{project.module} {required[project.module]} h1:" in sums
    tools = set(re.findall(r"(?m)^(?:tool )?\s*(\S+/\S+)$", text))
    assert set(project.packages) <= tools, "go mod tidy would drop what they need"


@pytest.mark.parametrize("folder", [folder for folder in FOLDERS if folder.startswith("kubernetes-")])
def test_all_of_kubernetes_is_of_one_version(folder, build):
    """k8s.io/kubernetes requires its staging modules as v0.0.0, which no proxy has."""
    release = build["projects"].version(folder)
    _required, replaced = requirements(folder)
    assert len(replaced) == 33
    assert set(replaced.values()) == {(name, "v0" + release[1:]) for name in replaced}


def test_the_toolchain_is_new_enough_for_every_folder():
    """A `go` line above the toolchain's version fails: GOTOOLCHAIN is local."""
    sums = (FILES / "modules/toolchain/go.sum").read_text()
    versions = set(re.findall(r"-go(\d+)\.(\d+)\.(\d+)\.linux-(?:amd64|arm64) h1:", sums))
    assert len(versions) == 1, "one toolchain for both kinds of processor"
    (toolchain,) = ([int(part) for part in version] for version in versions)
    for folder in FOLDERS:
        text = (FILES / "modules" / folder / "go.mod").read_text()
        assert [int(part) for part in re.search(r"(?m)^go (\S+)$", text)[1].split(".")] <= toolchain, folder


def test_the_programs_of_images_and_nodes_are_built(build):
    projects = build["projects"]
    built = [name for folder in projects.RELEASES[projects.CURRENT] for name in projects.programs(folder)]
    assert len(set(built)) == len(built)
    assert {name for content in build["contents"].IMAGES.values() for name in content.programs} <= set(built)
    assert {"etcd", "etcdctl", "etcdutl", "runc", "containerd", "crictl"} <= set(built)


def test_an_image(build, tmp_path):
    """As `docker save` writes it: a configuration, one layer, and the manifest that names both."""
    tree = tmp_path / "tree"
    (tree / "bin").mkdir(parents=True)
    (tree / "bin/tool").write_text("tool")
    build["image"].write(
        tmp_path / "a.tar", ["example.org/tool:1", "example.org/tool:2"], tree, "amd64", ("serve",), ("/bin/tool",), "7"
    )
    with tarfile.open(tmp_path / "a.tar") as archive:
        (manifest,) = json.load(archive.extractfile("manifest.json"))
        config = json.load(archive.extractfile(manifest["Config"]))
        with tarfile.open(fileobj=archive.extractfile(manifest["Layers"][0])) as layer:
            assert "bin/tool" in layer.getnames()
    assert manifest["RepoTags"] == ["example.org/tool:1", "example.org/tool:2"]
    assert config["config"]["User"] == "7"
    assert (config["config"]["Entrypoint"], config["config"]["Cmd"]) == (["/bin/tool"], ["serve"])
    assert config["architecture"] == "amd64"


def test_the_cache_forgets_what_has_not_been_used_for_a_month(build, tmp_path):
    cache = tmp_path / "kubernetes"
    labs = tmp_path / "labs"
    labs.mkdir()
    names = ["1.36.3-0123456789ab", "1.37.2-0123456789ab", "programs-etcd-3.7-0123456789ab.part", "kept-by-a-user"]
    for name in names:
        (cache / name / "bin").mkdir(parents=True)
        os.utime(cache / name, (0, 0))
    (cache / "agnhost-0123456789ab.tar").write_text("")
    (labs / "lab.json").write_text(json.dumps({"binds": [f"ro:{cache / names[0]}:/srv/kubernetes"]}))
    removed = build["cache"].clean(cache, labs)
    assert [path.name for path in removed] == names[1:3]
    assert sorted(path.name for path in cache.iterdir()) == [names[0], "agnhost-0123456789ab.tar", names[3]]

    build["cache"].use(cache / names[0])
    (labs / "lab.json").unlink()
    assert build["cache"].clean(cache, labs) == []


@pytest.mark.skipif(not shutil.which("gcc"), reason="needs gcc")
def test_pause_ends_at_once_where_kubeadm_asks_it_to(build, tmp_path):
    """`kubeadm upgrade` waits for a Job of `pause -v`; as the PID 1 of a sandbox it stays, until SIGTERM."""
    build["contents"].fill("pause", build["contents"].IMAGES["pause"], tmp_path, {})
    assert subprocess.run([tmp_path / "pause", "-v"], check=False, timeout=10).returncode == 0
    with subprocess.Popen([tmp_path / "pause"]) as pod:
        with pytest.raises(subprocess.TimeoutExpired):
            pod.wait(0.3)
        pod.terminate()
        assert pod.wait(10) == 0


def test_what_a_build_started_ends_with_it(build):
    """Even where the build is killed and cannot say so."""
    words = [*build["golang"].END_WITH_PARENT, "sleep", "600"]
    script = f"import subprocess, time; print(subprocess.Popen({words!r}).pid, flush=True); time.sleep(600)"
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as parent:
        child = Path("/proc", parent.stdout.readline().strip())
        wait(lambda: (child / "comm").read_text().strip() == "sleep")
        parent.kill()
    wait(lambda: not child.exists() or "(zombie)" in (child / "status").read_text())


def wait(true) -> None:
    """Waits until ``true()`` holds, ten seconds at most."""
    end = time.monotonic() + 10
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)
