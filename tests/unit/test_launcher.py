# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The launcher, as a process: it hands its call to a service, and becomes Python where nobody takes it."""

from __future__ import annotations

import json
import os
import platform
import shutil
import socket
import subprocess
import sys
import threading

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils import launcher
from ansible_collections.podnet.cluster.plugins.module_utils.cni.exec import service
from ansible_collections.podnet.cluster.plugins.module_utils.install import SOCKET

#: What the launcher becomes Python with: tells how it was started.
SCRIPT = "import json, os, sys; print(json.dumps([sys.argv, sys.flags.isolated, os.environ.get('WORD'), input()]))"


@pytest.fixture(params=sorted(launcher.MACHINES))
def launch(request, tmp_path):
    """A function that runs a script with the launcher: the finished process. ``.socket`` is where it looks."""
    before = []
    if request.param != platform.machine():
        emulator = shutil.which(f"qemu-{request.param}") or shutil.which(f"qemu-{request.param}-static")
        if not emulator:
            pytest.skip(f"qemu-user is not installed: {request.param}'s instructions can't be run here")
        before = [emulator]
    path = str(tmp_path / "cni.sock")
    (tmp_path / "launch").write_bytes(launcher.build(request.param, "version-1", path, sys.executable))
    (tmp_path / "launch").chmod(0o755)
    (tmp_path / "script").write_text(SCRIPT)

    def run(*arguments, **more):
        return subprocess.run(
            [*before, tmp_path / "launch", tmp_path / "script", *arguments],
            env={"WORD": "wörd", "LANG": "C.UTF-8"},
            input=b"line\n",
            capture_output=True,
            check=False,
            **more,
        )

    run.socket, run.script = path, str(tmp_path / "script")
    return run


def became_python(done, launch, *arguments):
    assert done.returncode == 0, done
    assert json.loads(done.stdout) == [[launch.script, *arguments], 1, "wörd", "line"]
    assert not done.stderr
    return True


class Service:
    """Accepts one launcher, keeps what it sent, and answers with these bytes, one message each."""

    def __init__(self, path, *answers):
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listener.bind(path)
        self.listener.listen()
        self.answers = answers
        self.message, self.files = b"", []
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def serve(self):
        connection, _address = self.listener.accept()
        with connection:
            self.message, self.files, _flags, _address = socket.recv_fds(connection, 100, 3)
            for answer in self.answers:
                connection.send(answer)
        if len(self.answers) == 2:
            os.write(self.files[1], b"out of " + os.read(self.files[0], 100))
        for file in self.files:
            os.close(file)

    def end(self):
        self.thread.join()
        self.listener.close()


def test_without_service_it_becomes_python(launch):
    assert became_python(launch(), launch)
    assert became_python(launch("a", "b c"), launch, "a", "b c")


def test_where_nobody_listens_it_becomes_python(launch):
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as unheard:
        unheard.bind(launch.socket)
    assert became_python(launch(), launch)


def test_when_the_call_is_not_taken_it_becomes_python(launch):
    service = Service(launch.socket)
    assert became_python(launch(), launch)
    service.end()


@pytest.mark.parametrize("status", [0, 1, 200])
def test_the_service_does_it(launch, status):
    service = Service(launch.socket, b"\1", bytes([status]))
    done = launch()
    service.end()
    assert service.message == b"version-1"
    assert (done.returncode, done.stdout, done.stderr) == (status, b"out of line\n", b"")


def test_when_the_work_dies_it_says_so_and_fails(launch):
    service = Service(launch.socket, b"\1")
    done = launch()
    service.end()
    assert (done.returncode, done.stdout, done.stderr) == (1, b"", launcher.DIED)


def test_without_standard_input_it_becomes_python(launch, tmp_path):
    """The socket would have its number."""
    (tmp_path / "script").write_text("print('here')")
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(launch.socket)
        listener.listen()
        listener.setblocking(False)
        done = launch(preexec_fn=lambda: os.close(0))
        assert (done.returncode, done.stdout) == (0, b"here\n")
        with pytest.raises(BlockingIOError):
            listener.accept()


@pytest.mark.skipif(not shutil.which("objdump"), reason="objdump is not installed")
def test_the_listing_is_what_a_disassembler_reads(tmp_path):
    """Another's eyes on the machine code: system calls and jumps where the listing has them, and nothing illegible."""
    path = tmp_path / "launch"
    path.write_bytes(launcher.build("x86_64", "version", "/run/podnet/cni.sock", "/usr/bin/python3"))
    entry = int.from_bytes(path.read_bytes()[24:32], "little") - launcher.BASE
    command = ["objdump", "-D", "-b", "binary", "-m", "i386:x86-64", "-M", "intel", f"--start-address={entry}", path]
    read = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    lines = launcher.listing("x86_64").splitlines()
    assert read.count("syscall") == sum(line.endswith(": call") for line in lines) == 11
    assert sum(word in read for word in ("jl ", "jne ", "je ")) == 3
    assert "(bad)" not in read


def test_other_machines_have_none():
    assert launcher.build("vax", "version", "/s", "/p") is None


def test_a_path_that_no_socket_can_have():
    with pytest.raises(ValueError, match="107 bytes"):
        launcher.build("x86_64", "version", "/" + "x" * 107, "/p")


def test_launcher_and_service_agree_on_the_place():
    assert service.SOCKET == SOCKET
