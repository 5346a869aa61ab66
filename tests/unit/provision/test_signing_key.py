# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys of package repositories: their fingerprints as gpg shows them, and which are trusted."""

from __future__ import annotations

import base64
import json
import threading
from functools import partial
from http.server import HTTPServer, SimpleHTTPRequestHandler

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.converge.plan import Plan, StateError
from ansible_collections.podnet.cluster.plugins.module_utils.provision import openpgp, signing_key
from provisioning import PUBLIC_KEY

ARMORED = PUBLIC_KEY.encode()
BINARY = base64.b64decode(b"".join(ARMORED.split(b"\n")[2:-3]))
FINGERPRINT, EXPIRES = "FBFDA8FB6EDDC39F4FFE812F4246BEDE093C8687", 1769817600
#: A key packet of the old format and of version 4, whose material is of no matter to its fingerprint.
OTHER = b"\x99\x00\x0a" + b"\x04" + bytes(4) + b"\x16\x01\x02\x03\x04"


def test_only_expected_keys_are_trusted():
    spaced = " ".join(FINGERPRINT[at : at + 4] for at in range(0, 40, 4)).lower()
    assert signing_key.judge(ARMORED, [spaced], "URL")
    assert signing_key.judge(ARMORED, [], "URL")
    with pytest.raises(StateError, match=rf"URL has the key {FINGERPRINT}, expected 0{{40}}"):
        signing_key.judge(ARMORED, ["0" * 40], "URL")
    with pytest.raises(StateError, match="is not trusted"):  # a second key beside the expected one
        signing_key.judge(BINARY + OTHER, [FINGERPRINT], "URL")


def test_a_key_of_a_former_run_will_do_until_it_expires():
    assert signing_key.is_usable(ARMORED, [FINGERPRINT], EXPIRES - 1)
    assert not signing_key.is_usable(ARMORED, [FINGERPRINT], EXPIRES + 1)
    assert not signing_key.is_usable(ARMORED, ["0" * 40], EXPIRES - 1)
    assert not signing_key.is_usable(b"", [FINGERPRINT], EXPIRES - 1)


def test_a_renewed_key_replaces_the_former_one(tmp_path):
    path = tmp_path / "keyrings/site.asc"
    assert Plan(signing_key.plan(str(path), ARMORED)).apply() == []
    assert path.read_bytes() == ARMORED and path.stat().st_mode & 0o777 == 0o644
    assert not Plan(signing_key.plan(str(path), ARMORED))
    renewed = Plan(signing_key.plan(str(path), BINARY))
    assert renewed.describe() == [f"write file {path}"] and renewed.apply() == []
    assert openpgp.keys(path.read_bytes()) == openpgp.keys(ARMORED)


@pytest.fixture
def repository(tmp_path):
    """The URL of a key on this machine."""
    (tmp_path / "Release.key").write_bytes(ARMORED)
    server = HTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=tmp_path))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://localhost:{server.server_port}/Release.key"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(("no_proxy", "is_had"), [("", False), ("a.example,localhost", True)])
def test_a_repository_that_is_reached_without_the_proxy(ansible, repository, tmp_path, no_proxy, is_had):
    """Nobody answers at the proxy; the login's own list does not count for it."""
    given = {"url": repository, "path": f"{tmp_path}/key.asc", "proxy": "http://127.0.0.1:1", "no_proxy": no_proxy}
    words = ["ansible", "localhost", "-m", "podnet.cluster.signing_key", "-a", json.dumps(given)]
    done = ansible(*words, env={"NO_PROXY": "localhost", "no_proxy": "localhost"})
    assert (not done.returncode) == (tmp_path / "key.asc").exists() == is_had, done.stdout + done.stderr
