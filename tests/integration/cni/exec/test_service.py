# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The service: what it takes over from the executable that asks, and what becomes of calls when one of them is gone.

The other tests of the plugins run with it, too; these are about the service itself.
"""

from __future__ import annotations

import concurrent.futures
import json
import os
import shutil
import signal
import stat
import subprocess
import threading
import time
from pathlib import Path

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils import install

#: An IPAM plugin of somebody else's: tells on standard error how it was called.
FOREIGN = """#!/bin/sh
cat > /dev/null
echo "$PWD $WORD $CNI_COMMAND" >&2
[ $CNI_COMMAND != ADD ] || echo '{"cniVersion": "1.1.0", "ips": [{"address": "10.9.0.7/24"}]}'
"""


@pytest.fixture
def with_service(host, service):
    """The host, with executables that have a service of the test's own."""
    host.bin_dir = str(service.bin_dir)
    return host


def test_it_is_for_root_alone(service):
    assert stat.S_IMODE(os.stat(service.socket).st_mode) == 0o600


def test_a_call_finds_what_the_runtime_gave_it(host, way, tmp_path, empty):
    """Environment, directory, standard error, and a file as standard input, from where it has been read to."""
    (tmp_path / "bin").mkdir()
    foreign = tmp_path / "bin/foreign"
    foreign.write_text(FOREIGN)
    foreign.chmod(0o755)
    pod = host.pod()
    conf = tmp_path / "conf"
    conf.write_text("skipped" + json.dumps(host.conf(ipam={"type": "foreign"})))
    for command in ("ADD", "DEL"):
        words, env = host.command("bridge", command, "c1", pod, path=f"{tmp_path}/bin")
        with conf.open() as stdin:
            os.lseek(stdin.fileno(), len("skipped"), os.SEEK_SET)
            done = subprocess.run(
                words, stdin=stdin, env={**env, "WORD": way}, cwd=tmp_path, capture_output=True, text=True, check=False
            )
        assert (done.returncode, done.stderr) == (0, f"{tmp_path} {way} {command}\n"), done.stdout
        if command == "ADD":
            assert json.loads(done.stdout)["ips"][0]["address"] == "10.9.0.7/24"
    assert host.state() == empty


def test_our_plugin_below_a_foreign_one_has_its_callers_turn(host, way, tmp_path, empty):
    """flannel → a wrapper that isn't ours → bridge: nobody waits for himself."""
    (tmp_path / "bin").mkdir()
    wrapper = tmp_path / "bin/wrapper"
    wrapper.write_text(f'#!/bin/sh\nsed \'s/"wrapper"/"bridge"/\' | {host.bin_dir}/bridge\n')
    wrapper.chmod(0o755)
    (tmp_path / "subnet.env").write_text("FLANNEL_SUBNET=10.244.3.1/24\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n")
    conf = {"cniVersion": "1.1.0", "name": "net", "type": "flannel", "subnetFile": str(tmp_path / "subnet.env")}
    conf.update(ipam={"dataDir": str(host.data)}, delegate={"type": "wrapper", "isGateway": True, "bridge": "br0"})
    pod = host.pod()
    result = host.call("flannel", "ADD", conf, "c1", pod, path=f"{tmp_path}/bin:{host.bin_dir}")
    assert result["ips"][0]["address"] == "10.244.3.2/24"
    host.call("flannel", "DEL", {**conf, "prevResult": result}, "c1", pod, path=f"{tmp_path}/bin:{host.bin_dir}")
    assert host.state() == empty


def test_workers_serve_call_after_call_and_keep_nothing(with_service, service, empty):
    host, pod = with_service, with_service.pod()
    host.call("bridge", "DEL", host.conf(), "c1", pod)
    before = service.workers()
    for number in range(20):
        host.call("bridge", "ADD", host.conf(), f"c{number}", pod)
        host.call("bridge", "DEL", host.conf(), f"c{number}", pod)
    assert host.state() == empty
    kept = set(before) & set(service.workers())  # one alone has stayed where calls came slowly
    assert kept
    for worker in kept:
        # standard input, output, error; the socket to the service, /dev/null, the log
        for _attempt in range(100):  # the kernel may hold a link's removal back for a moment
            if len(os.listdir(f"/proc/{worker}/fd")) == 6:
                break
            time.sleep(0.05)
        else:
            pytest.fail(f"open descriptors: {os.listdir(f'/proc/{worker}/fd')}")


def test_one_worker_stays_after_a_burst(with_service, service, empty):
    host, pods = with_service, [with_service.pod() for _each in range(6)]
    with concurrent.futures.ThreadPoolExecutor(len(pods)) as pool:
        for command in ("ADD", "DEL"):
            work = [(f"c{number}", pod) for number, pod in enumerate(pods)]
            list(pool.map(lambda item, command=command: host.call("bridge", command, host.conf(), *item), work))
    assert host.state() == empty
    until = time.monotonic() + 30
    while len(service.workers()) > 1:
        assert time.monotonic() < until, service.workers()
        time.sleep(0.1)
    host.call("bridge", "ADD", host.conf(), "c0", pods[0])


def test_a_caller_with_other_mounts_is_left_to_itself(with_service, tmp_path, empty):
    """It names a pod that only it sees."""
    host, pod = with_service, with_service.pod()
    (tmp_path / "pod").touch()
    for command in ("ADD", "DEL"):
        words, env = host.command("bridge", command, "c1", str(tmp_path / "pod"))
        mount = f"mount --bind {pod.path} {tmp_path}/pod && exec {words[-1]}"
        words = [*words[:-1], "unshare", "--mount", "sh", "-c", mount]
        done = subprocess.run(
            words, input=json.dumps(host.conf()), env=env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert len(pod.ip("link")) == (2 if command == "ADD" else 1)
    assert host.state() == empty


def test_executables_of_another_version_are_left_to_themselves(host, service, tmp_path, empty):
    files = {**install.read_tree(os.path.dirname(install.__file__)), "cni/extra.py": b"# another version\n"}
    install.install(files, str(tmp_path / "other"), socket=service.socket)
    host.bin_dir = str(tmp_path / "other/current/bin")
    pod = host.pod()
    host.call("bridge", "ADD", host.conf(), "c1", pod)
    host.call("bridge", "DEL", host.conf(), "c1", pod)
    assert host.state() == empty


def test_calls_go_on_while_the_service_comes_and_goes(with_service, service, empty):
    """Killed at any moment, started again: a call that it has taken is finished, any other finds its way."""
    host = with_service
    pods = [host.pod() for _number in range(3)]
    failures, stop = [], threading.Event()

    def calls(number):
        while not stop.is_set():
            for command in ("ADD", "DEL"):
                words, env = host.command("bridge", command, f"c{number}", pods[number])
                done = subprocess.run(
                    words, input=json.dumps(host.conf()), env=env, capture_output=True, text=True, check=False
                )
                if done.returncode or done.stderr:
                    failures.append((command, done.stdout, done.stderr))

    threads = [threading.Thread(target=calls, args=(number,)) for number in range(len(pods))]
    for thread in threads:
        thread.start()
    for _again in range(4):
        time.sleep(0.2)
        service.process.send_signal(signal.SIGKILL)
        service.process.wait()
        time.sleep(0.1)
        service.start()
    stop.set()
    for thread in threads:
        thread.join()
    assert not failures, failures[0]
    assert host.state() == empty


def stop_and_continue(launcher, _worker):
    """As at a terminal, by a freezer, by whoever traces it."""
    os.kill(launcher, signal.SIGSTOP)
    os.kill(launcher, signal.SIGCONT)


def tell_of_what_was_read(_launcher, worker):
    """The kernel may tell a worker by SIGIO of the launcher's message when it has been read already."""
    os.kill(worker, signal.SIGIO)


@pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")
@pytest.mark.parametrize("disturb", [stop_and_continue, tell_of_what_was_read])
def test_a_call_goes_on_whoever_is_disturbed(with_service, service, empty, disturb):
    """It is done once, by its worker, which is held up for a moment."""
    host, pod = with_service, with_service.pod()
    strace = ["strace", "-qq", "-o", "/dev/null", "-e", "trace=sendto", "-e", "inject=sendto:delay_exit=300000:when=3"]
    (worker,) = service.workers()
    tracer = subprocess.Popen([*strace, f"-p{worker}"])
    while "TracerPid:\t0\n" in Path(f"/proc/{worker}/status").read_text():
        time.sleep(0.02)
    words, env = host.command("bridge", "ADD", "c1", pod)
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env) as called:
        called.stdin.write(json.dumps(host.conf()).encode())
        called.stdin.close()
        while called.poll() is None:
            disturb(called.pid, worker)
            time.sleep(0.02)
        answer = json.load(called.stdout)
    tracer.terminate()
    tracer.wait()
    assert (called.returncode, answer["ips"][0]["address"]) == (0, "10.9.0.2/24")
    host.call("bridge", "DEL", host.conf(), "c1", pod)
    assert host.state() == empty


@pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")
@pytest.mark.parametrize("number", range(1, 9))
def test_the_launcher_is_killed_while_its_worker_works(with_service, service, empty, number):
    """The worker is held up in its ``number``-th change of the kernel's state; DEL comes at once and cleans up."""
    host, pod = with_service, with_service.pod()
    conf = host.conf(ipMasq=True)
    workers = service.workers()
    strace = ["strace", "-qq", "-o", "/dev/null", "-e", "trace=sendto", "-e"]
    strace += [f"inject=sendto:delay_exit=300000:when={number + 1}", *[f"-p{worker}" for worker in workers]]
    tracer = subprocess.Popen(strace)
    words, env = host.command("bridge", "ADD", "c1", pod)
    launcher = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env)
    launcher.stdin.write(json.dumps(conf).encode())
    launcher.stdin.close()
    time.sleep(0.02 * number)
    launcher.kill()
    launcher.wait()
    launcher.stdout.close()
    host.call("bridge", "DEL", conf, "c1", pod)
    assert host.state() == empty
    tracer.terminate()
    tracer.wait()
    assert host.state() == empty
    assert [link["ifname"] for link in pod.ip("link")] == ["lo"]
    host.call("bridge", "ADD", conf, "c1", pod)


@pytest.mark.parametrize("plugin", ["bridge", "ptp", "macvlan", "host-device", "loopback", "sbr", "tuning"])
def test_del_leaves_the_namespace_to_its_runtime(with_service, plugin, tmp_path):
    """As soon as DEL has answered the path can be unmounted: the kernel refuses that while a worker has it open."""
    host = with_service
    host.netns.run("ip link add up0 type veth peer name up1")
    keys = {"macvlan": {"master": "up0"}, "host-device": {"device": "up0"}, "tuning": {"dataDir": str(tmp_path)}}
    conf = host.conf(type=plugin, **keys.get(plugin, {}))
    for number in range(3):
        pod = host.pod()
        container, chained = f"c{number}", plugin in ("sbr", "tuning")
        result = host.call("bridge", "ADD", host.conf(), container, pod) if chained else None
        given = {**conf, "prevResult": result} if chained else conf
        host.call(plugin, "ADD", given, container, pod)
        host.call(plugin, "DEL", given, container, pod)
        done = subprocess.run(["umount", pod.path], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
