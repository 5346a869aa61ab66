# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""podnetd's figures as Prometheus reads them: written by prometheus_client where a node has it, else by podnetd."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import prometheus_client
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse

OPENMETRICS = "application/openmetrics-text; version=1.0.0"
#: What is another at each scrape.
RESTLESS = ("_bytes", "cpu_seconds_total", "_seconds", "reconcile_total", "requests_total", "lost_total", "reachable")


@pytest.fixture(scope="module")
def podnetd(root, tmp_path_factory):
    """The installed command, and what its interpreter is told not to look for: its directories of packages."""
    directory = tmp_path_factory.mktemp("installed")
    subprocess.run([sys.executable, root / "plugins/module_utils/install.py", directory], check=True)
    program = directory / "opt/podnet/current/bin/podnetd"
    interpreter, flags = program.read_text().splitlines()[0][2:].split()
    told = subprocess.run(
        [interpreter, flags, "-c", "import site; print(*site.getsitepackages())"],
        text=True, capture_output=True, check=True,
    )  # fmt: skip
    return str(program), [path for path in told.stdout.split() if os.path.isdir(path)]


def over(directories: list[str], source: Path, program: str) -> list[str]:
    """The words that run PROGRAM where SOURCE is all that the DIRECTORIES have."""
    mounts = "".join(f"mount --bind '{source}' '{path}' && " for path in directories)
    return ["unshare", "--mount", "sh", "-c", f'{mounts}exec "$@"', "sh", program]


def scrape(agent, accept: str = "") -> tuple[str, str]:
    """Content type and body, as curl has them."""
    words = ["curl", "-sf", "-H", f"Accept: {accept}", "-w", "%{content_type}\n"]
    socket = agent.node.directory / "run" / "podnetd.sock"
    body = subprocess.run(
        [*words, "--unix-socket", socket, "http://podnetd/metrics"], text=True, capture_output=True, check=True
    ).stdout
    text, _newline, kind = body.rstrip("\n").rpartition("\n")
    return kind, text + "\n"


def samples(families) -> dict:
    """Kind and help of each family, its samples, and the values of those that keep still."""
    return {
        family.name: (
            family.type,
            family.documentation,
            {
                (sample.name, *sorted(sample.labels.items())): not sample.name.endswith(RESTLESS) and sample.value
                for sample in family.samples
            },
        )
        for family in families
    }


def test_the_figures_are_the_same_with_the_library_and_without(make_nodes, eventually, podnetd, tmp_path):
    program, directories = podnetd
    (node, peer), _switch = make_nodes(2)
    node.write([node.lease(), peer.lease(), {"name": 'odd "one"\\\n', "address": "", "pod_cidrs": []}])
    for each in (node, peer):
        each.ctl("apply")
    (node.directory / "podnetd.json").write_text('{"probe": 0.2}')
    library = tmp_path / "with"
    (tmp_path / "without").mkdir()
    shutil.copytree(Path(prometheus_client.__file__).parent, library / "prometheus_client")
    told = {}
    for name in ("without", "with"):
        agent = node.start(*over(directories, tmp_path / name, program))
        assert agent.status()["metrics"] == "not scraped yet"
        node.netns.run("ip route del 10.244.2.0/24")
        eventually("it is back", lambda agent=agent: agent.status()["drift"] == {"route": 1})
        eventually("the peer answered", lambda agent=agent: "peer_reachable{" in scrape(agent)[1])
        kind, text = scrape(agent)
        assert kind == "text/plain; version=0.0.4; charset=utf-8"
        told[name] = samples(parse(text))
        assert told[name]["podnet_peers"][2] == {("podnet_peers",): 1}
        kind, text = scrape(agent, OPENMETRICS)
        if name == "with":
            assert agent.status()["metrics"] == f"prometheus_client in {directories[0]}/prometheus_client"
            assert kind.startswith(OPENMETRICS) and text.endswith("# EOF\n")
            assert samples(parse_openmetrics(text)).keys() == told[name].keys()
        else:
            assert agent.status()["metrics"] == "plain text" and kind.startswith("text/plain; version=0.0.4;")
        assert agent.log().count("metrics are written by") == 1 + (name == "with")
        agent.stop()
    assert told["with"] == told["without"]


def test_a_broken_library_is_told_and_done_without(make_nodes, podnetd, tmp_path):
    program, directories = podnetd
    (node, _peer), _switch = make_nodes(2)
    (tmp_path / "broken/prometheus_client").mkdir(parents=True)
    (tmp_path / "broken/prometheus_client/__init__.py").write_text("raise RuntimeError('of another time')")
    agent = node.start(*over(directories, tmp_path / "broken", program))
    assert samples(parse(scrape(agent)[1]))["podnet_in_sync"][2] == {("podnet_in_sync",): 1}
    assert agent.status()["metrics"] == (
        "plain text, since prometheus_client cannot be loaded: RuntimeError: of another time"
    )
