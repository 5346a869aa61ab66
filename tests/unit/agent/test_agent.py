# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The agent's small parts: settings, what systemd and the journal are told, delays, reservations, names of links."""

from __future__ import annotations

import io
import json
import os
import resource
import select
import socket

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.agent import daemon, http_server, settings
from ansible_collections.podnet.cluster.plugins.module_utils.agent.backoff import Backoff
from ansible_collections.podnet.cluster.plugins.module_utils.agent.garbage import Sweeper
from ansible_collections.podnet.cluster.plugins.module_utils.agent.inotify import Watch
from ansible_collections.podnet.cluster.plugins.module_utils.agent.log import Log
from ansible_collections.podnet.cluster.plugins.module_utils.agent.sd_notify import Notifier
from ansible_collections.podnet.cluster.plugins.module_utils.findings.codes import Code
from ansible_collections.podnet.cluster.plugins.module_utils.findings.finding import Finding
from ansible_collections.podnet.cluster.plugins.module_utils.overlay import config
from ansible_collections.podnet.cluster.plugins.module_utils.overlay.config import ConfigError


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["--help"], 0, "usage: podnetd [--config DIR]"),
        (["--colour", "blue"], 2, "podnetd: unknown option --colour\nusage: "),
        (["--config"], 2, "podnetd: --config needs a value\nusage: "),
        (["--config=/dev/null", "--run", "/nowhere"], 2, "podnetd: /dev/null/podnetd.json: Not a directory"),
    ],
)
def test_the_agent_s_own_words(words, status, said, capsys):
    assert daemon.main(words) == status
    told = capsys.readouterr()
    assert said in told.out + told.err and "Traceback" not in told.err


def test_without_a_file_the_settings_are_the_defaults(tmp_path):
    assert settings.load(str(tmp_path)) == settings.Settings()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("{", "is not JSON"),
        ("[]", "is not an object with the keys source, "),
        ('{"colour": 1}', "colour: is not a setting of podnetd: it knows source"),
        ('{"source": "dns"}', "source: 'dns' is not a source: give one of file, kubernetes"),
        ('{"listen": "9441"}', "listen: '9441' is not an address with a port, such as"),
        ('{"listen": "127.0.0.1:99999"}', "is not an address with a port"),
        ('{"resync": 0}', "resync: 0 is not a number of seconds from 1 to 86400"),
        ('{"sweep": true}', "sweep: True is not a number of seconds"),
        ('{"cni": "here"}', "cni: 'here' is not the path of a directory"),
    ],
)
def test_a_wrong_setting_is_told_with_file_and_key(tmp_path, data, words):
    (tmp_path / "podnetd.json").write_text(data)
    with pytest.raises(ConfigError) as caught:
        settings.load(str(tmp_path))
    assert str(caught.value).startswith(f"{tmp_path}/podnetd.json: ") and words in str(caught.value)


def test_addresses_to_listen_at():
    assert http_server.endpoint("127.0.0.1:9441") == ("127.0.0.1", 9441)
    assert http_server.endpoint("[::1]:80") == ("::1", 80)


@pytest.mark.parametrize("name", ["", "a/b", "a b", "a:b", ".", "..", "a" * 16, 7, "ä"])
def test_no_link_has_such_a_name(name):
    with pytest.raises(ConfigError, match="bridge: "):
        config.parse({"node_name": "node1", "networks": ["10.244.0.0/16"], "bridge": name})


def test_delays_double_up_to_the_most_and_begin_anew():
    backoff = Backoff(first=1, most=8)
    for most in (1, 2, 4, 8, 8, 8):
        assert most / 2 <= backoff.next() <= most
    backoff.reset()
    assert backoff.next() <= 1


def test_what_is_said_again_is_counted_and_lines_stay_lines(monkeypatch):
    monkeypatch.delenv("JOURNAL_STREAM", raising=False)
    stream = io.StringIO()
    log = Log(stream, every=3600)
    same = Finding(Code.AGENT_SETTINGS_INVALID, "node1", "podnetd", {"error": "the same\nagain"})
    for _time in range(5):
        log.error(same)
    log.every = 0
    log.error(same)
    log.changes("why", ["add route"], 3)
    assert stream.getvalue().splitlines() == [
        "agent.settings-invalid: podnetd: the same again; keeping the running settings",
        "agent.settings-invalid: podnetd: the same again; keeping the running settings [repeated 4 times]",
        "add route (why)",
        "and 2 more (why)",
    ]


def test_the_journal_is_told_the_level(monkeypatch):
    monkeypatch.setenv("JOURNAL_STREAM", "8:1")
    stream = io.StringIO()
    log = Log(stream)
    log.warning(Finding(Code.AGENT_LOCK_HELD, "node1", "podnetd"))
    log.info("done")
    warning, info = stream.getvalue().splitlines()
    assert warning.startswith("<4>agent.lock-held: podnetd: the namespace lock is held") and "; fix: fuser" in warning
    assert info == "<6>done"


def test_systemd_is_told_on_its_socket(tmp_path, monkeypatch):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "30000000")
        monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
        notifier = Notifier()
        notifier.tell("READY=1")
        notifier.status("level")
        notifier.status("level")
        notifier.tell("WATCHDOG=1")
        assert [systemd.recv(100).decode() for _message in range(3)] == ["READY=1", "STATUS=level", "WATCHDOG=1"]
        assert notifier.watchdog() == 15
    monkeypatch.setenv("WATCHDOG_PID", "1")
    assert notifier.watchdog() is None


def test_a_watch_sees_files_that_are_put_in_place_and_a_directory_that_comes(tmp_path):
    watch = Watch(str(tmp_path / "etc"))
    assert not watch.active
    (tmp_path / "etc").mkdir()
    watch.clear()
    assert watch.active
    (tmp_path / "new").write_text("x")
    assert not select.select([watch], [], [], 0)[0]
    (tmp_path / "new").rename(tmp_path / "etc" / "file")
    assert select.select([watch], [], [], 10)[0]
    watch.clear()
    assert not select.select([watch], [], [], 0)[0]
    watch.close()


def test_a_watch_that_the_node_cannot_give_is_had_later(tmp_path):
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.dup(0)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free + 1, limits[1]))
    try:
        watch = Watch(str(tmp_path))
        assert not watch.able() and not watch.active and "Too many open files" in watch.reason
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    watch.clear()
    assert watch.able() and watch.active and not watch.reason
    (tmp_path / "file").write_text("x")
    assert select.select([watch], [], [], 10)[0]
    watch.close()


def test_only_networks_whose_pods_have_a_link_on_the_host_are_swept(tmp_path, monkeypatch):
    def conflist(name: str, **plugin) -> None:
        (directory / f"{name}.conflist").write_text(json.dumps({"name": name, "plugins": [plugin]}))

    directory = tmp_path / "net.d"
    directory.mkdir()
    conflist("pods", type="flannel")
    conflist("plain", type="bridge")
    conflist("mac", type="macvlan")
    conflist("other", type="flannel", delegate={"type": "ipvlan"})
    (directory / "garbage.conflist").write_text("{")
    monkeypatch.setenv("NETCONFPATH", str(directory))
    for name in ("pods", "mac"):
        (tmp_path / "cni/networks" / name).mkdir(parents=True)
        (tmp_path / "cni/networks" / name / "10.1.2.3").write_bytes(b"abc\r\neth1")
        (tmp_path / "cni/networks" / name / "last_reserved_ip.0").write_text("10.1.2.3")
    sweeper = Sweeper(str(tmp_path / "cni"), Log(io.StringIO()), grace=-1)
    assert sorted(sweeper.networks()) == ["plain", "pods"]
    assert sweeper.reservations() == [("pods", "abc", "eth1")]
    assert Sweeper(str(tmp_path / "cni"), Log(io.StringIO())).reservations() == []


def test_what_podnet_cni_cannot_do_is_reported(tmp_path):
    """A DEL that fails, host ports that do not come back, and a program that is missing."""
    stream = io.StringIO()
    sweeper = Sweeper(str(tmp_path), Log(stream), "/bin/false")
    sweeper._running[sweeper._spawn("del")] = ("pods", "abc", "eth0")
    sweeper._restoring[sweeper._spawn("restore")] = "pods"
    while sweeper._running or sweeper._restoring:
        assert sweeper.reap() == 0
    Sweeper(str(tmp_path), Log(stream), str(tmp_path / "nothing"))._spawn("restore")
    codes = [line.partition(": ")[0] for line in stream.getvalue().splitlines()]
    assert sorted(codes) == ["agent.action-failed", "agent.release-failed", "agent.restore-failed"]
