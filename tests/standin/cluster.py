# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real API server, with etcd and the controllers that are asked for: no kubelet, no containers, on the loopback.

The programs are those of the lab's archive of Kubernetes, as `make lab` leaves it in the cache.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

from . import apiserver, client

#: By image.
PROGRAMS = {
    "etcd": ("etcd", "etcdctl", "etcdutl"),
    "kube-apiserver": ("kube-apiserver",),
    "kube-controller-manager": ("kube-controller-manager",),
}
START = 120


def archive() -> Path | None:
    """The archive's directory, None where there is none."""
    cache = Path(os.environ.get("PODNET_CACHE", "/var/cache/podnet")) / "kubernetes"
    found = [path.parent for path in cache.glob("*/manifest.json")]
    return max(found, key=lambda path: path.stat().st_mtime, default=None)


def unpack(source: Path, target: Path) -> None:
    """Takes the programs out of the archive's images, kubectl from its side."""
    for name, wanted in PROGRAMS.items():
        with tarfile.open(source / "images" / f"{name}.tar") as image:
            layers = [image.extractfile(each) for each in image.getmembers() if each.name.endswith("layer.tar")]
            for layer in layers:
                with tarfile.open(fileobj=io.BufferedReader(layer)) as files:  # type: ignore[arg-type]
                    for each in files:
                        program = target / Path(each.name).name
                        if program.name in wanted and each.isfile():
                            program.write_bytes(files.extractfile(each).read())  # type: ignore[union-attr]
                            program.chmod(0o755)
    (target / "kubectl").symlink_to(source / "bin/kubectl")
    (target / "manifest.json").symlink_to(source / "manifest.json")


class Cluster:
    """A running API server. ``admin`` speaks to it, ``kubectl`` runs the command."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.processes: list[subprocess.Popen] = []
        numbers = json.loads((directory / "manifest.json").read_text())["release"].split(".")
        self.release = (int(numbers[0]), int(numbers[1]))
        self.gates = {"feature_gates": "IPv6DualStack=true"} if self.release < (1, 21) else {}
        apiserver.authority(directory, "127.0.0.1")
        self.port, self.etcd = client.free_port(), client.free_port()
        self.admin = client.Admin(directory, "127.0.0.1", self.port)
        self.kubeconfig = directory / "admin.json"
        self.kubeconfig.write_text(json.dumps(apiserver.kubeconfig(directory, "admin", self.admin.server)))

    def start(self) -> None:
        """Returns when the server is ready and has made the namespace default, which it does some time after."""
        here, url = self.directory, f"http://127.0.0.1:{self.etcd}"
        peers = f"http://127.0.0.1:{client.free_port()}"
        self.run("etcd", data_dir=here / "etcd.data", listen_client_urls=url, advertise_client_urls=url,
                 listen_peer_urls=peers, initial_advertise_peer_urls=peers, initial_cluster=f"default={peers}",
                 unsafe_no_fsync="true")  # fmt: skip
        key, accounts = here / "server.key", here / "accounts.key"
        apiserver.openssl("genrsa", "-traditional", "-out", accounts, 2048)
        self.run("kube-apiserver", etcd_servers=url, secure_port=self.port, bind_address="127.0.0.1",
                 client_ca_file=here / "ca.crt", tls_cert_file=here / "server.crt", tls_private_key_file=key,
                 service_account_issuer="https://kubernetes", service_account_key_file=accounts,
                 service_account_signing_key_file=accounts, authorization_mode="Node,RBAC",
                 enable_admission_plugins="NodeRestriction", service_cluster_ip_range="10.96.0.0/16",
                 endpoint_reconciler_type="none", **self.gates)  # fmt: skip
        client.wait(self._ready, bool, START)
        client.wait(lambda: self.admin.call("GET", "/api/v1/namespaces/default")[0] == 200, bool, START)

    def controllers(self, names: str, **flags: object) -> subprocess.Popen:
        """Starts kube-controller-manager with these controllers only."""
        here = self.directory
        if self.release < (1, 24):  # it has a port without TLS, too
            flags["port"] = 0
        return self.run("kube-controller-manager", kubeconfig=self.kubeconfig, controllers=names, leader_elect="false",
                        cluster_signing_cert_file=here / "ca.crt", cluster_signing_key_file=here / "ca.key",
                        secure_port=0, **self.gates, **flags)  # fmt: skip

    def kubectl(self, *words: str) -> subprocess.CompletedProcess:
        """Runs kubectl as the administrator."""
        command = [self.directory / "kubectl", "--kubeconfig", self.kubeconfig, *words]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def run(self, name: str, **flags: object) -> subprocess.Popen:
        """Starts one of the programs; its output is in DIRECTORY/NAME.log."""
        words = [f"--{key.replace('_', '-')}={value}" for key, value in flags.items()]
        with open(self.directory / f"{name}.log", "ab") as log:
            process = subprocess.Popen([self.directory / name, *words], stdout=log, stderr=log)
        self.processes.append(process)
        return process

    def stop(self) -> None:
        """Ends everything, the server before its store."""
        for process in reversed(self.processes):
            process.terminate()
        for process in self.processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.processes.clear()

    def _ready(self) -> bool:
        dead = [process.args for process in self.processes if process.poll() is not None]
        assert not dead, f"ended: {dead}, see {self.directory}"
        try:
            return self.admin.call("GET", "/readyz?verbose")[0] == 200
        except json.JSONDecodeError:
            return True  # it says "ok" in words
        except OSError:
            time.sleep(0.2)
            return False


@contextlib.contextmanager
def running(directory: Path) -> Iterator[Cluster]:
    """A cluster that runs meanwhile; the programs must be in DIRECTORY (``unpack``)."""
    cluster = Cluster(directory)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
