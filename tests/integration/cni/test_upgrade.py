# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The installed tree is swapped while ADDs and DELs run, as the role cni does it; none of them fails."""

from __future__ import annotations

import json
import os
import subprocess
import threading

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils import install

FILES = install.read_tree(os.path.dirname(install.__file__))
PODS = 3


def version(number):
    """The library's files of one version."""
    return {**FILES, "cni/extra.py": b"# version %d\n" % number}


class Calls:
    """ADD and DEL of pods, over and over, each pod by a thread of its own. ``done`` counts, ``failures`` tells."""

    def __init__(self, host):
        self.host = host
        self.done = 0
        self.failures = []
        self.stop = threading.Event()
        pods = [host.pod() for _number in range(PODS)]
        self.threads = [threading.Thread(target=self.run, args=item) for item in enumerate(pods)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_failure):
        self.stop.set()
        for thread in self.threads:
            thread.join()

    def run(self, number, pod):
        while not self.stop.is_set():
            for command in ("ADD", "DEL"):
                words, env = self.host.command("bridge", command, f"c{number}", pod)
                conf = json.dumps(self.host.conf(ipMasq=True))
                done = subprocess.run(words, input=conf, env=env, capture_output=True, text=True, check=False)
                if done.returncode or done.stderr:
                    self.failures.append((command, done.stdout, done.stderr))
                self.done += 1

    def more(self, count):
        """Waits until so many more calls are done."""
        end = self.done + count
        while self.done < end and not self.failures:
            self.stop.wait(0.05)


@pytest.fixture
def root(host, way, tmp_path, start_service):
    """Where the plugins are installed; with the service's way, one runs from there."""
    root = tmp_path / "opt"
    socket = str(root / "cni.sock")
    install.install(version(0), str(root), socket=socket)
    host.bin_dir = str(root / "current/bin")
    host.service = start_service(root) if way == "service" else None
    return root


def test_upgrades_while_calls_run(host, root, empty):
    """Three new versions and one that was there before, with the service restarted after each as systemd does."""
    socket = str(root / "cni.sock")
    with Calls(host) as calls:
        for number in (1, 2, 3, 0):
            calls.more(2 * PODS)
            install.install(version(number), str(root), socket=socket)
            calls.more(2 * PODS)  # with the service of the version before
            if host.service:
                host.service.process.terminate()
                host.service.process.wait()
                calls.more(2 * PODS)
                host.service.start()
        calls.more(2 * PODS)
    assert not calls.failures, calls.failures[0]
    assert calls.done >= 4 * 4 * PODS
    assert host.state() == empty


def test_a_call_outlives_the_version_that_it_began_with(host, root, tmp_path, empty):
    """An ADD waits for somebody else's address management while the version is replaced twice, and goes on."""
    (tmp_path / "bin").mkdir()
    slow = tmp_path / "bin/slow"
    slow.write_text(
        f"""#!/bin/sh
[ $CNI_COMMAND = ADD ] || exit 0
touch {tmp_path}/waiting
while [ ! -e {tmp_path}/go ]; do sleep 0.05; done
echo '{{"cniVersion": "1.1.0", "ips": [{{"address": "10.9.0.7/24"}}]}}'
"""
    )
    slow.chmod(0o755)
    pod = host.pod()
    conf = host.conf(ipMasq=True, ipam={"type": "slow"})
    words, env = host.command("bridge", "ADD", "c1", pod, path=f"{tmp_path}/bin")
    call = subprocess.Popen(words, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    call.stdin.write(json.dumps(conf))
    call.stdin.close()
    while not (tmp_path / "waiting").exists():
        assert call.poll() is None
    for number in (1, 2):
        install.install(version(number), str(root), socket=str(root / "cni.sock"))
    if host.service:
        host.service.process.terminate()
        host.service.process.wait()
        host.service.start()
    (tmp_path / "go").touch()
    result = json.loads(call.stdout.read())
    assert call.wait() == 0
    assert result["ips"][0]["address"] == "10.9.0.7/24"
    told = {**conf, "prevResult": result}
    host.call("bridge", "CHECK", told, "c1", pod, path=f"{tmp_path}/bin")
    host.call("bridge", "DEL", told, "c1", pod, path=f"{tmp_path}/bin")
    assert host.state() == empty
