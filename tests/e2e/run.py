# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kubernetes' own tests against the running lab: run.py [--suite network|conformance|policy] [--focus REGEX] [--build]

Builds e2e.test, ginkgo and agnhost from the Go modules of the release, makes the images that the tests run, hands all
to the nodes, and runs the tests on node1. Prints how many passed, failed and were skipped, each of the latter with its
reason; build/e2e-SUITE.json has the same. Ends with 0 only if tests passed and none failed.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tarfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.dont_write_bytecode = True
sys.path[:0] = [str(ROOT / each) for each in ("build/collections", "roles/kubernetes/files", "tests/e2e")]

import build_modules  # noqa: E402
import images  # noqa: E402
import outcome  # noqa: E402
import projects  # noqa: E402
from ansible_collections.podnet.cluster.plugins.module_utils.provision.artifacts import IMPORT  # noqa: E402
from golang import Go  # noqa: E402
from host import run  # noqa: E402

SUITES = {
    "network": r"\[sig-network\].*\[Conformance\]",
    "conformance": r"\[Conformance\]",
    "policy": r"Netpol",
}
#: Tests that cannot run here, by a part of their names, each with the reason.
SKIPPED = {
    "support the 1.17 Sample API Server": "its image sample-apiserver is a program of its own, which is not built here",
    "Feature:SCTPConnectivity": "the lab's kernel may lack SCTP",
}
#: Where the lab's nodes have what they are given: gone with their next boot.
PLACE = "/run/podnet-e2e"
#: Where an image lies until it is imported: too large for /run.
IMAGE = "/var/tmp/podnet-e2e.tar"
PROGRAMS = ("e2e.test", "ginkgo")


def build(release: str) -> tuple[pathlib.Path, list[pathlib.Path]]:
    """The directory with the programs of a minor release's tests, and their images; built unless they are there."""
    folder = projects.RELEASES[release][0]
    built = build_modules.programs_directory(folder)
    programs = built.with_name(built.name.replace("programs-", "tests-"))
    architecture = run("dpkg", "--print-architecture").strip()
    go = Go(build_modules.CACHE / "go", architecture)
    if not all((programs / name).exists() for name in (*PROGRAMS, "agnhost")):
        _compile(go, folder, programs)
    coredns = next(each for each in projects.RELEASES[release] if each.startswith("coredns-"))
    binaries = {
        "agnhost": programs / "agnhost",
        "coredns": build_modules.programs_directory(coredns) / "coredns",
    }
    listed = images.names(run(programs / "e2e.test", "--list-images").split())
    sources = go.directory(folder) / "test/images"
    return programs, images.write(built.with_name("test-images"), listed, binaries, sources, architecture)


def _compile(go: Go, folder: str, target: pathlib.Path) -> None:
    os.nice(build_modules.NICENESS)
    part = target.with_name(target.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    packages = ["k8s.io/kubernetes/test/images/agnhost", "github.com/onsi/ginkgo/v2/ginkgo"]
    go.compile(folder, packages, f"{part}/")
    go.compile_test(folder, "k8s.io/kubernetes/test/e2e", f"{part}/e2e.test")
    shutil.rmtree(target, ignore_errors=True)
    part.rename(target)


def on(node: str, *command: str, **options) -> subprocess.CompletedProcess:
    """Runs a command on a node of the lab."""
    words = [str(ROOT / "inventories/lab/nodes.py"), "--exec", node, "--", *command]
    return subprocess.run(words, check=options.pop("check", False), **options)


def install(programs: pathlib.Path, made: list[pathlib.Path], runtimes: dict[str, str]) -> None:
    """Gives the nodes (each with its runtime) the images, and the first one the tests."""
    for node, runtime in runtimes.items():
        for path in made:
            _import(node, runtime, path)
    for name in PROGRAMS:
        _copy(next(iter(runtimes)), programs / name, f"{PLACE}/{name}")


def _import(node: str, runtime: str, path: pathlib.Path) -> None:
    with tarfile.open(path) as archive:
        (image,) = json.load(archive.extractfile("manifest.json"))
    _copy(node, path, IMAGE)
    words = {name: [word.format(file=IMAGE, name=name) for word in IMPORT[runtime]] for name in image["RepoTags"]}
    for command in dict.fromkeys(map(tuple, words.values())):  # skopeo takes one name at a time
        done = on(node, *command, capture_output=True)
        if done.returncode:
            raise SystemExit(f"run.py: {node}: {path.name}: {done.stderr.decode()}")
    on(node, "rm", IMAGE, check=True)


def _copy(node: str, path: pathlib.Path, target: str) -> None:
    with open(path, "rb") as file:
        script = f"mkdir -p {os.path.dirname(target)} && cat > {target} && chmod 755 {target}"
        on(node, "sh", "-c", script, stdin=file, check=True)


def archived(release: str, name: str) -> pathlib.Path:
    """An image of the archive that the lab's cluster was made from."""
    return build_modules.archive_directory(release) / f"images/{name}.tar"


def run_tests(node: str, workers: int, focus: str, skip: str, processes: int) -> list[dict]:
    """Runs the tests on ``node``, and ends those that an interruption leaves; returns ginkgo's report."""
    options = [
        f"--procs={processes}", f"--focus={focus}", f"--skip={skip}", "--timeout=6h", "--no-color",
        "--json-report=report.json", f"--output-dir={PLACE}",
    ]  # fmt: skip
    cluster = [
        "--provider=local", "--kubeconfig=/etc/kubernetes/admin.conf", f"--num-nodes={workers}",
        "--kubectl-path=/usr/bin/kubectl", "--prepull-images=false", "--disable-log-dump",
    ]  # fmt: skip
    on(node, "rm", "-f", f"{PLACE}/report.json")
    try:
        on(node, f"{PLACE}/ginkgo", *options, f"{PLACE}/e2e.test", "--", *cluster)
    finally:
        on(node, "sh", "-c", "pkill --exact ginkgo; pkill --signal KILL --exact e2e.test")
        on(node, "kubectl", "delete", "namespace", "--selector=e2e-framework", "--wait=false")
    told = on(node, "cat", f"{PLACE}/report.json", capture_output=True)
    if told.returncode:
        raise SystemExit("run.py: the tests ended without a report")
    return json.loads(told.stdout)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--suite", choices=SUITES, default="network")
    parser.add_argument("--focus", help="regular expression of the tests to run, instead of the suite's")
    parser.add_argument("--skip", help="regular expression of tests to leave out beside those that cannot run here")
    parser.add_argument("--processes", type=int, default=4, help="how many tests run at a time")
    parser.add_argument("--release", default=projects.CURRENT, help="the minor release of the lab")
    parser.add_argument("--build", action="store_true", help="only build the tests")
    given = parser.parse_args()
    programs, made = build(given.release)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what runs on the node is ended
    if given.build:
        print(programs, *made, sep="\n")
        return 0
    inventory = json.loads(run(ROOT / "inventories/lab/nodes.py", "--list"))
    nodes = inventory["control_plane"]["hosts"] + inventory["workers"]["hosts"]
    if len(nodes) < 3:
        raise SystemExit("run.py: the tests need a lab with two workers: run make lab NODES=3")
    about = inventory["_meta"]["hostvars"]
    runtimes = {node: about[node].get("container_runtime", "containerd") for node in nodes}
    install(programs, [*made, archived(given.release, "etcd")], runtimes)
    skip = "|".join([*map(re.escape, SKIPPED), *filter(None, [given.skip])])
    focus = given.focus or SUITES[given.suite]
    told = run_tests(nodes[0], len(nodes) - 1, focus, skip, given.processes)
    specs = outcome.read(told, focus, SKIPPED)
    report = ROOT / f"build/e2e-{given.suite}.json"
    report.parent.mkdir(exist_ok=True)
    report.write_text(json.dumps([spec._asdict() for spec in specs], indent=1) + "\n")
    print(outcome.summary(specs), f"report: {report}", sep="\n")
    return 0 if outcome.passed(specs) else 1


if __name__ == "__main__":
    sys.exit(main())
