# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What CRI-O and cri-dockerd say of their network: their configuration, and whether it is ready."""

from __future__ import annotations

import socket
import threading

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.verify.model.runtimes import RUNTIMES, of_crictl
from ansible_collections.podnet.cluster.plugins.module_utils.verify.observe import cri_status, proc
from standin.cri import TRAILERS, condition, frame, text

#: As CRI-O 1.34 writes it at /config, in part.
CONFIG = """[crio]
  root = "/var/lib/crio/storage"
  [crio.network]
    cni_default_network = ""
    network_dir = "/etc/cni/net.d/"
    plugin_dirs = ["/opt/other", "/opt/podnet/current/bin"]
"""


class Multiplexed:
    """A socket for gRPC and HTTP/1 alike, as CRI-O's: NetworkReady is false for the reason ``error``."""

    def __init__(self, path, config, error=""):
        self.body, self.error = config, error
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen()
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                connection, _peer = self.listener.accept()
            except OSError:
                return
            with connection:
                asked = connection.recv(1 << 16)
                if asked.startswith(b"GET /config "):
                    connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n" + self.body.encode())
                elif asked.startswith(b"GET "):
                    connection.sendall(b"HTTP/1.0 404 Not Found\r\n\r\n")
                else:
                    message = text(1, condition("RuntimeReady", "") + condition("NetworkReady", self.error))
                    data = bytes(1) + len(message).to_bytes(4, "big") + message
                    head = frame(4, 0, 0, b"") + frame(1, 4, 1, b"\x88")
                    connection.sendall(head + frame(0, 0, 1, data) + frame(1, 5, 1, TRAILERS))
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(1 << 16):  # what acknowledges the frames
                    pass

    def close(self):
        self.listener.close()


@pytest.fixture
def serve(tmp_path):
    served = []

    def start(config, error=""):
        served.append(Multiplexed(tmp_path / "s.sock", config, error))
        return str(tmp_path / "s.sock")

    yield start
    for each in served:
        each.close()


def test_crio(serve):
    found = cri_status.ask(serve(CONFIG, "no CNI configuration"), {}, RUNTIMES["crio"])
    assert (found.unit, found.conf_dir) == ("crio", "/etc/cni/net.d")
    assert found.bin_dirs == ["/opt/other", "/opt/podnet/current/bin"]
    assert (found.loaded, found.loaded_ours, found.error) == ([], None, "no CNI configuration")


def test_a_crio_that_does_not_say_its_directories(serve):
    assert cri_status.ask(serve("[crio]"), {}, RUNTIMES["crio"]) is None


@pytest.mark.parametrize(
    ("words", "conf_dir", "bin_dirs"),
    [
        ([], "/etc/cni/net.d", ["/opt/cni/bin"]),
        (["--cni-conf-dir=/etc/a/", "--cni-bin-dir", "/opt/a,/opt/b"], "/etc/a", ["/opt/a", "/opt/b"]),
    ],
)
def test_docker(serve, monkeypatch, words, conf_dir, bin_dirs):
    monkeypatch.setattr(proc, "command_line", lambda name: ["/usr/bin/" + name, *words])
    found = cri_status.ask(serve(""), {}, RUNTIMES["docker"])
    assert (found.unit, found.conf_dir, found.bin_dirs) == ("cri-docker", conf_dir, bin_dirs)


def test_a_cri_dockerd_that_has_ended(serve, monkeypatch):
    monkeypatch.setattr(proc, "command_line", lambda _name: [])
    assert cri_status.ask(serve(""), {}, RUNTIMES["docker"]) is None


@pytest.mark.parametrize(
    ("text_of_file", "name"),
    [
        ("", "containerd"),
        ("runtime-endpoint: unix:///run/crio/crio.sock\n", "crio"),
        ("timeout: 2\nruntime-endpoint: 'unix:///var/run/crio/crio.sock'\n", "crio"),
        ("runtime-endpoint: /run/cri-dockerd.sock\n", "docker"),
        ("runtime-endpoint: unix:///run/other.sock\n", "containerd"),
    ],
)
def test_the_runtime_that_crictl_asks(text_of_file, name):
    assert of_crictl(text_of_file) is RUNTIMES[name]


def test_a_process_is_found_by_its_name():
    with open("/proc/self/comm") as file:
        assert proc.command_line(file.read().strip())
    assert proc.command_line("no-such-process") == []
