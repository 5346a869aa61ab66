# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection as a package: it builds, installs and is usable by name; its roles say what they take."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
ROLES = sorted(path.parent.parent.name for path in ROOT.glob("roles/*/meta/main.yml"))
#: Has no tasks of its own: the other roles depend on it for the variables that they share.
SHARED = "cluster"
PLAYBOOKS = sorted(
    path.relative_to(ROOT / "playbooks")
    for path in ROOT.glob("playbooks/**/*.yml")
    if "vars" not in path.parts and "tasks" not in path.parts
)


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The directory of collections into which a freshly built archive was installed, and the archive."""
    directory = tmp_path_factory.mktemp("galaxy")
    galaxy = Path(sys.executable).with_name("ansible-galaxy")
    subprocess.run(
        [galaxy, "collection", "build", "--output-path", directory], cwd=ROOT, check=True, capture_output=True
    )
    (archive,) = directory.glob("podnet-cluster-*.tar.gz")
    subprocess.run(
        [galaxy, "collection", "install", archive, "--offline", "-p", directory / "collections"],
        cwd=directory,
        check=True,
        capture_output=True,
    )
    return directory / "collections", archive


def test_archive_holds_what_users_need_and_nothing_else(installed):
    with tarfile.open(installed[1]) as archive:
        top = {name.split("/")[0] for name in archive.getnames()}
    assert {"plugins", "roles", "playbooks", "meta", "README.md", "COPYING", "CHANGELOG.rst"} <= top
    assert not top & {"build", "bench", "tests", "molecule", ".venv", ".git", ".ci", "Makefile"}


@pytest.mark.parametrize("playbook", PLAYBOOKS, ids=str)
def test_playbook_by_name(installed, ansible, tmp_path, playbook):
    name = "podnet.cluster." + ".".join(playbook.with_suffix("").parts)
    inventory = tmp_path / "hosts.yml"
    (tmp_path / "ansible.cfg").touch()
    inventory.write_text("cluster: {children: {control_plane: {hosts: {a: }}, workers: {hosts: {b: }}}}\n")
    settings = {"ANSIBLE_COLLECTIONS_PATH": str(installed[0]), "ANSIBLE_CONFIG": str(tmp_path / "ansible.cfg")}
    result = ansible("ansible-playbook", "-i", str(inventory), name, "--syntax-check", cwd=tmp_path, env=settings)
    assert result.returncode == 0, result.stdout + result.stderr


#: The modules for users' own playbooks; the others serve the collection's.
PUBLIC = {
    "address", "cni_attachment", "conflist", "fdb", "link", "neighbour", "node_runtime", "overlay", "pod_cidrs_info",
    "probe", "route",
}  # fmt: skip


@pytest.mark.parametrize("module", sorted((ROOT / "plugins/modules").glob("*.py")), ids=lambda path: path.stem)
def test_a_module_for_the_collection_itself_says_so_first(module):
    constants = {
        node.targets[0].id: node.value.value
        for node in ast.parse(module.read_text()).body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
    }
    first = yaml.safe_load(constants["DOCUMENTATION"])["description"][0]
    assert first.startswith("Used by ") == (module.stem not in PUBLIC)
    assert yaml.safe_load(constants["EXAMPLES"]) and yaml.safe_load(constants["RETURN"])


@pytest.mark.parametrize("role", ROLES)
def test_role_declares_its_variables(role):
    """Every default is declared with the same value, everything declared optional has its default."""
    directory = ROOT / "roles" / role
    specs = yaml.safe_load((directory / "meta/argument_specs.yml").read_text())["argument_specs"]
    defaults_file = directory / "defaults/main.yml"
    defaults = (yaml.safe_load(defaults_file.read_text()) or {}) if defaults_file.exists() else {}
    main = specs["variables" if role == SHARED else "main"]
    assert main.get("short_description")
    declared = {}
    for spec in specs.values():
        declared.update(spec.get("options") or {})
    assert sorted(set(defaults) - set(declared)) == [], "defaults that are not declared"
    for name, option in declared.items():
        assert option.get("description"), f"{name} has no description"
        assert option.get("type"), f"{name} has no type"
        # Documentation has no place for a default of a type other than text that is computed; the description tells it.
        computed = "{{" in str(defaults.get(name)) and option["type"] not in ("str", "path", "raw", "list")
        if "default" in option:
            assert name in defaults, f"{name}: default declared but not in defaults/main.yml"
            assert not computed, f"{name}: a computed {option['type']} has no default here; describe it"
        if name in defaults and not computed and not option.get("required"):
            assert option.get("default") == defaults[name], f"{name}: the default differs"


@pytest.mark.parametrize("role", ROLES)
def test_role_names_are_its_own(role):
    """Variables bear the role's name, so that two roles never share one by accident."""
    defaults_file = ROOT / "roles" / role / "defaults/main.yml"
    defaults = (yaml.safe_load(defaults_file.read_text()) or {}) if defaults_file.exists() else {}
    names = ROLES if role == SHARED else [role]
    assert [name for name in defaults if not re.match(rf"_?({'|'.join(names)})(_|$)", name)] == []


def test_what_roles_share_has_one_default():
    """No other role gives a shared variable a default again; those that read one depend on the role that does."""
    shared = yaml.safe_load((ROOT / "roles" / SHARED / "defaults/main.yml").read_text())
    again = re.compile(rf"\b({'|'.join(shared)})\b *\| *default\(|^({'|'.join(shared)}):", re.MULTILINE)
    reads = re.compile(rf"\b({'|'.join(set(shared) - {'kubernetes_source'})})\b")
    for role in set(ROLES) - {SHARED, "lab"}:
        directory = ROOT / "roles" / role
        depends = SHARED in (directory / "meta/main.yml").read_text()
        for path in [*directory.glob("*/*.yml"), *directory.glob("templates/*")]:
            if path.parent.name == "meta":
                continue
            assert not again.search(path.read_text()), path
            assert depends or not reads.search(path.read_text()), path


def test_what_sanity_ignores_with_the_pinned_ansible_core_it_ignores_with_newer_ones():
    """Only the pinned one's runs in every test run; imports differ, because their rules name releases of Python."""
    pinned, *newer = (
        {line.partition(" #")[0] for line in path.read_text().splitlines() if " import-" not in line}
        for path in sorted(ROOT.glob("tests/sanity/ignore-2.*.txt"))
    )
    assert newer and [pinned - each for each in newer] == [set()] * len(newer)
