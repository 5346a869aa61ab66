# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kubernetes' own tests of the network against the running lab: run.py [--focus REGEX] [--skip REGEX] [--build]

Builds e2e.test and agnhost from the Go modules of the release, makes the images that the tests run, hands all to the
nodes, and runs the tests of [sig-network] that are [Conformance] on node1. The report is build/e2e.xml (JUnit).
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "roles/kubernetes/files"))

import build_modules  # noqa: E402
import contents  # noqa: E402
import image  # noqa: E402
import projects  # noqa: E402
from golang import Go  # noqa: E402
from host import run, say  # noqa: E402

FOCUS = r"\[sig-network\].*\[Conformance\]"
#: Tests that cannot run here, each with the reason.
SKIPPED = {
    "should create Endpoints for Pods matching a Service": "it runs the image nginx, which is in no reachable registry",
    "should create Endpoints and EndpointSlices for Pods matching a Service": "it runs the image nginx as well",
}
REGISTRY = "registry.k8s.io/e2e-test-images"


def build(release: str) -> pathlib.Path:
    """The directory with e2e.test and the images of a minor release; built unless it is there."""
    folder = projects.RELEASES[release][0]
    programs = build_modules.programs_directory(folder)
    target = programs.with_name(programs.name.replace("programs-", "tests-"))
    if target.is_dir():
        return target
    os.nice(build_modules.NICENESS)
    architecture = run("dpkg", "--print-architecture").strip()
    go = Go(build_modules.CACHE / "go", architecture)
    part = target.with_name(target.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    go.compile(folder, ["k8s.io/kubernetes/test/e2e", "k8s.io/kubernetes/test/images/agnhost"], f"{part}/")
    say("linking e2e.test")
    go.compile_test(folder, "k8s.io/kubernetes/test/e2e", f"{part}/e2e.test")
    coredns = next(each for each in projects.RELEASES[release] if each.startswith("coredns-"))
    binaries = {"agnhost": part / "agnhost", "coredns": build_modules.programs_directory(coredns) / "coredns"}
    for name, content in contents.TEST_IMAGES.items():
        say(f"image {name}")
        version = (go.directory(folder) / f"test/images/{name}/VERSION").read_text().strip()
        tree = part / "tree"
        tree.mkdir()
        contents.fill(name, tree, binaries)
        full_name = f"{REGISTRY}/{name}:{version}"
        image.write(part / f"{name}.tar", full_name, tree, architecture, content.command, content.entrypoint)
        shutil.rmtree(tree)
    part.rename(target)
    return target


def on(node: str, *command: str, **options) -> subprocess.CompletedProcess:
    """Runs a command on a node of the lab."""
    words = [str(ROOT / "inventories/lab/nodes.py"), "--exec", node, "--", *command]
    return subprocess.run(words, check=options.pop("check", False), **options)


def install(directory: pathlib.Path, nodes: list[str]) -> None:
    """Gives the nodes the images, and the first one the tests."""
    for node in nodes:
        for path in sorted(directory.glob("*.tar")):
            with open(path, "rb") as file:
                on(node, "ctr", "--namespace", "k8s.io", "images", "import", "-", stdin=file, check=True)
    with open(directory / "e2e.test", "rb") as file:
        on(nodes[0], "sh", "-c", "cat > /run/e2e.test && chmod 755 /run/e2e.test", stdin=file, check=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--focus", default=FOCUS, help="regular expression of the tests to run")
    parser.add_argument("--skip", default="|".join(SKIPPED), help="regular expression of the tests to leave out")
    parser.add_argument("--release", default=projects.CURRENT, help="the minor release of the lab")
    parser.add_argument("--build", action="store_true", help="only build the tests")
    given = parser.parse_args()
    directory = build(given.release)
    if given.build:
        print(directory)
        return 0
    inventory = json.loads(run(ROOT / "inventories/lab/nodes.py", "--list"))
    nodes = inventory["control_plane"]["hosts"] + inventory["workers"]["hosts"]
    if not nodes:
        raise SystemExit("run.py: no lab is up: run make lab")
    install(directory, nodes)
    tests = on(
        nodes[0], "/run/e2e.test", "--provider=local", "--kubeconfig=/etc/kubernetes/admin.conf", "--num-nodes=2",
        "--kubectl-path=/usr/bin/kubectl", "--prepull-images=false", "--disable-log-dump", "--report-dir=/run/e2e",
        f"--ginkgo.focus={given.focus}", f"--ginkgo.skip={given.skip}", "--ginkgo.v=false", "--ginkgo.no-color",
    )  # fmt: skip
    report = ROOT / "build/e2e.xml"
    report.parent.mkdir(exist_ok=True)
    with open(report, "wb") as file:
        on(nodes[0], "sh", "-c", "cat /run/e2e/junit*.xml", stdout=file, check=False)
    print(f"\nskipped by name: {json.dumps(SKIPPED, indent=1)}\nreport: {report}")
    return tests.returncode


if __name__ == "__main__":
    sys.exit(main())
