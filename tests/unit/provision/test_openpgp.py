# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""OpenPGP keys: their fingerprints as gpg shows them, their armor."""

from __future__ import annotations

import base64

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.provision import openpgp
from provisioning import PUBLIC_KEY

ARMORED = PUBLIC_KEY.encode()
BINARY = base64.b64decode(b"".join(ARMORED.split(b"\n")[2:-3]))
FINGERPRINT, EXPIRES = "FBFDA8FB6EDDC39F4FFE812F4246BEDE093C8687", 1769817600
#: A key packet of the old format and of version 4, whose material is of no matter to its fingerprint.
OTHER = b"\x99\x00\x0a" + b"\x04" + bytes(4) + b"\x16\x01\x02\x03\x04"


@pytest.mark.parametrize("data", [ARMORED, BINARY, ARMORED.replace(b"\n", b"\r\n"), b"a comment\n" + ARMORED])
def test_fingerprint_and_expiry(data):
    assert openpgp.keys(data) == [openpgp.Key(FINGERPRINT, EXPIRES)]


def test_several_keys():
    first, second = openpgp.keys(BINARY + OTHER)
    assert first.fingerprint == FINGERPRINT and second.expires == 0
    assert [key.fingerprint for key in openpgp.keys(ARMORED + ARMORED)] == [FINGERPRINT] * 2


@pytest.mark.parametrize(
    "data", [b"", b"<html>not found</html>", BINARY[:20], ARMORED[:200] + b"\n-----END", b"\x99\x00\x02\x03\x00"]
)
def test_what_is_not_a_key(data):
    with pytest.raises(ValueError):
        openpgp.keys(data)


def test_armor():
    assert openpgp.armored(ARMORED) == ARMORED.decode()
    assert openpgp.keys(openpgp.armored(BINARY).encode()) == openpgp.keys(BINARY)
