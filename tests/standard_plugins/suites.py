# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The standard plugins' own test suites, run on our executables: suites.py [PLUGIN ...]

A copy of their module is changed in one point: the functions that carry out a verb (cmdAdd, cmdDel, cmdCheck,
cmdStatus, cmdGC) execute our plugin, as a runtime does, in the network namespace that the spec has entered. What a spec
asks of the plugin it then asks of ours; specs of Go functions stay specs of Go functions. Suites of links that this
kernel lacks run in QEMU (tests/guest/run.py). Exit status 1 if a spec fails that EXCEPTIONS gives no reason for, or if
a reason is for nothing.
"""

from __future__ import annotations

import inspect
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
from xml.etree import ElementTree

import standard_plugins

ROOT = standard_plugins.ROOT
sys.path.insert(0, str(ROOT / "build/collections"))
from ansible_collections.podnet.cluster.plugins.module_utils import install  # noqa: E402
from exceptions import EXCEPTIONS  # noqa: E402

#: Where a plugin's suite is. Those of portmap and firewall look at iptables' rules, of which ours has none; dhcp's
#: start Go's daemon.
SUITES = {
    "bandwidth": "meta", "bridge": "main", "dummy": "main", "host-device": "main", "host-local": "ipam",
    "ipvlan": "main", "loopback": "main", "macvlan": "main", "ptp": "main", "sbr": "meta", "static": "ipam",
    "tap": "main", "tuning": "meta", "vlan": "main", "vrf": "meta",
}  # fmt: skip
#: Those whose specs make links of kind dummy, which not every kernel has.
NEED_DUMMY = ("dummy", "host-device", "ipvlan", "macvlan", "sbr", "tuning", "vlan", "vrf")
#: The guest's time for them: what takes a second takes twenty there.
GUEST_SECONDS = "7200"
VERB = re.compile(r"^func cmd(Add|Del|Check|Status|GC)\(", re.MULTILINE)
#: How a suite has the plugin or another program compiled, where it executes that by itself.
COMPILES = re.compile(r'gexec\.Build\("([^"]+)"\)')
EXECUTE = (ROOT / "tests/standard_plugins/execute.go").read_text()
#: Runs a suite with directories of its own for what plugins and specs write.
SANDBOX = """
mount -t tmpfs tmpfs /run; mkdir -p /run/netns /run/lock /var/lib/cni; mount -t tmpfs tmpfs /var/lib/cni
ip link set lo up; cd "$1"; shift; exec "$@"
"""


def build(plugin: str) -> tuple[pathlib.Path, pathlib.Path]:
    """The suite of a plugin as a program, and the directory to run it in; built unless the cache has them."""
    changes = standard_plugins.build_modules.digest([EXECUTE, inspect.getsource(change)])
    target = standard_plugins.directory().with_name(f"suites-{standard_plugins.version()}-{changes}")
    directory, program = target / "plugins" / SUITES[plugin] / plugin, target / f"{plugin}.test"
    if program.exists():
        return program, directory
    go = standard_plugins.toolchain()
    if not target.exists():
        found = run(
            *go.command,
            "mod",
            "download",
            "-json",
            standard_plugins.MODULE,
            cwd=standard_plugins.HERE,
            env=go.environment,
        )
        source = re.search(r'"Dir": "([^"]+)"', found)
        assert source, found
        part = target.with_name(target.name + ".part")
        shutil.rmtree(part, ignore_errors=True)
        shutil.copytree(source[1], part)
        for path in [part, *part.rglob("*")]:
            path.chmod(path.stat().st_mode | 0o200)
        part.rename(target)
    environment = {**go.environment, "CGO_ENABLED": "0", "GOFLAGS": "-mod=mod"}
    for package in {} if (directory / "execute.go").exists() else change(directory, plugin):
        run(*go.command, "build", "-o", helper(target, package), package, cwd=directory, env=environment)
    run(*go.command, "test", "-vet=off", "-c", "-o", f"{program}.part", ".", cwd=directory, env=environment)
    os.rename(f"{program}.part", program)
    return program, directory


def helper(target: pathlib.Path, package: str) -> pathlib.Path:
    """Where a program that suites start lies: an echo server, and its client."""
    return target / package.rpartition("/pkg/")[2].replace("/", "-")


def change(directory: pathlib.Path, plugin: str) -> list[str]:
    """Makes a plugin's verbs execute ours, and its suite ours where it would compile Go's. Returns the packages of
    other programs that the suite starts."""
    verbs, packages = set(), []
    for path in directory.glob("*.go"):
        text = path.read_text()
        if path.name.endswith("_test.go"):
            for package in COMPILES.findall(text):
                where = f'os.Getenv("PLUGINS")+"/{plugin}"'
                if "/pkg/" in package:
                    packages.append(package)
                    where = f'"{helper(directory.parents[2], package)}"'
                text = text.replace(f'gexec.Build("{package}")', f"{where}, error(nil)")
            if "os.Getenv" in text and '"os"' not in text:
                text = re.sub(r"^(package .*)$", r'\1\n\nimport "os"', text, count=1, flags=re.MULTILINE)
        else:
            verbs |= set(VERB.findall(text))
            text = VERB.sub(r"func theirs\1(", text)
        path.write_text(text)
    functions = [
        f'\nfunc cmd{verb}(args *skel.CmdArgs) error {{ return execute("{verb.upper()}", args) }}\n'
        for verb in sorted(verbs)
    ]
    (directory / "execute.go").write_text(EXECUTE.replace("@PLUGIN@", plugin) + "".join(functions))
    return packages


def run(*command: object, **options) -> str:
    """A command's output. SystemExit with it if the command fails."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False, **options)
    if done.returncode:
        raise SystemExit(f"{command}: exit status {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-3000:]}")
    return done.stdout


def specs(program: pathlib.Path, directory: pathlib.Path, plugins: str, *chosen: str) -> dict[str, str]:
    """Runs a suite on the executables in `plugins`: spec → "" or how it failed, without those that skip themselves.
    `chosen` are Ginkgo's options for some of the specs. SystemExit if the suite ends without a report."""
    with tempfile.TemporaryDirectory() as place:
        report = f"{place}/report.xml"
        words = ["unshare", "--mount", "--net", "sh", "-ec", SANDBOX, "sh", directory, program]
        words += [f"--ginkgo.junit-report={report}", "--ginkgo.no-color", "--ginkgo.timeout=90m"]
        words += chosen
        environment = {**os.environ, "PLUGINS": plugins, "PATH": f"{plugins}:{os.environ['PATH']}"}
        done = subprocess.run(
            [str(word) for word in words], env=environment, capture_output=True, text=True, check=False
        )
        if not os.path.exists(report):
            raise SystemExit(f"{program}: exit status {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        found = {}
        for case in ElementTree.parse(report).getroot().iter("testcase"):
            name = re.sub(r"^\[It\] ", "", case.get("name", ""))
            if case.find("skipped") is None and not name.startswith("["):
                failure = case.find("failure") if case.find("failure") is not None else case.find("error")
                found[name] = (
                    "" if failure is None else " ".join((failure.text or failure.get("message") or "?").split())
                )
        return found


def examine(plugin: str, plugins: str, *chosen: str) -> int:
    """Runs one suite and prints what came of it; returns how much of that is wrong."""
    found = specs(*build(plugin), plugins, *chosen)
    reasons = EXCEPTIONS.get(plugin, {})
    failed = {name: text for name, text in found.items() if text}
    unexplained = {name: text for name, text in failed.items() if not any(part in name for part in reasons)}
    stale = [part for part in reasons if not any(part in name for name in failed)]
    if chosen:  # what the reason is for may be among the others
        stale = [part for part in stale if any(part in name for name in found)]
    print(f"{plugin}: {len(found)} specs, {len(failed)} failed, {len(unexplained)} of them without a reason")
    for name, text in unexplained.items():
        print(f"  {name}\n    {text[:300]}")
    for part in stale:
        print(f"  a reason for nothing: {part}")
    return len(unexplained) + len(stale) + (not found)


def has(*kind: str) -> bool:
    """Whether this kernel has links of that kind, with these values."""
    probe = ["unshare", "--net", "ip", "link", "add", "name", "probe", "type", *kind]
    return not subprocess.run(probe, stderr=subprocess.DEVNULL, check=False).returncode


def main(wanted: list[str]) -> int:
    """Runs the suites; returns the exit status."""
    if unknown := sorted(set(wanted) - set(SUITES)):
        print(f"{', '.join(unknown)}: no such suite; there are {', '.join(sorted(SUITES))}", file=sys.stderr)
        return 2
    guest, filters = "PODNET_GUEST" in os.environ, has("bridge", "vlan_filtering", "1")
    bad, elsewhere = 0, []
    with tempfile.TemporaryDirectory(prefix="podnet-suites-") as place:
        install.install(install.read_tree(os.path.dirname(install.__file__)), place)
        for plugin in wanted or sorted(SUITES):
            if plugin in NEED_DUMMY and not (guest or has("dummy")):
                elsewhere.append(plugin)
                continue
            chosen = []
            if plugin == "bridge" and (guest or not filters):
                chosen = [f"--ginkgo.{'focus' if guest else 'skip'}=(?i)vlan"]
                elsewhere += [] if guest else [plugin]
            bad += examine(plugin, f"{place}/current/bin", *chosen)
    return 1 if (elsewhere and in_guest(elsewhere)) or bad else 0


def in_guest(suites: list[str]) -> int:
    """Runs suites in QEMU, which has no network: what they need is built before. Returns the exit status."""
    for plugin in suites:
        build(plugin)
    words = [ROOT / "tests/guest/run.py", "--command", sys.executable, __file__, *suites]
    environment = {"PODNET_GUEST_TIMEOUT": GUEST_SECONDS, **os.environ}
    return subprocess.run([sys.executable, *map(str, words)], env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
