# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A backup's file: written whole, readable for its owner, refused where anything of it is wrong."""

from __future__ import annotations

import io
import stat
import subprocess
import tarfile
from pathlib import Path

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.findings import render
from ansible_collections.podnet.cluster.plugins.module_utils.findings.codes import Code
from ansible_collections.podnet.cluster.plugins.module_utils.provision import backup_file

UID = "6d2a0c0e-6a4e-4c1b-8ed0-0d5a3a1f2b3c"
OTHER = "00000000-6a4e-4c1b-8ed0-0d5a3a1f2b3c"
FACTS = {
    "cluster": UID, "node": "node1", "kubernetes": "1.37.2", "etcd": "3.7.0", "revision": 7, "hash": 1, "keys": 2,
    "size": 3, "time": 1_700_000_000,
}  # fmt: skip
SETTINGS = "resources:\n- providers:\n  - secretbox:\n      keys:\n      - name: a\n        secret: {}\n"


@pytest.fixture
def sources(tmp_path):
    """Files by their name in the backup."""
    files = {"kubernetes/pki/ca.key": b"key\n", backup_file.SNAPSHOT: bytes(range(256)) * 9000}
    files[backup_file.ENCRYPTION] = SETTINGS.format("old").encode()
    found = {}
    for number, (name, data) in enumerate(files.items()):
        (tmp_path / str(number)).write_bytes(data)
        found[name] = str(tmp_path / str(number))
    return found


@pytest.fixture
def backup(tmp_path, sources):
    path = tmp_path / backup_file.name(UID, FACTS["time"], False)
    backup_file.write(str(path), sources, FACTS, "")
    return path


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    """Private key and certificate by name."""
    directory = tmp_path_factory.mktemp("keys")
    made = {}
    for name in ("ours", "theirs"):
        made[name] = directory / f"{name}.key", directory / f"{name}.crt"
        command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}"]
        subprocess.run([*command, "-keyout", made[name][0], "-out", made[name][1]], check=True, capture_output=True)
    return made


def refusal(function, *given) -> Code:
    with pytest.raises(backup_file.BackupError) as caught:
        function(*given)
    return caught.value.finding.code


def test_what_was_written_is_read(backup, sources, tmp_path):
    assert backup.name == f"podnet-{UID}-20231114T221320Z.tar.gz"
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    manifest = backup_file.read(str(backup), str(tmp_path / "out"))
    assert manifest._replace(files={}) == backup_file.Manifest(**FACTS, files={})
    for name, source in sources.items():
        out = tmp_path / "out" / name
        assert out.read_bytes() == Path(source).read_bytes()
        assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert backup_file.text_of(str(backup), backup_file.ENCRYPTION) == SETTINGS.format("old")
    assert not list(tmp_path.glob(".*"))


def test_one_that_cannot_be_written_leaves_nothing(tmp_path, sources):
    path = tmp_path / "b.tar.gz"
    with pytest.raises(OSError, match="openssl"):
        backup_file.write(str(path), sources, FACTS, str(tmp_path / "no.crt"))
    assert not [each for each in tmp_path.iterdir() if "b.tar.gz" in each.name]


def test_only_the_recipient_opens_it(tmp_path, sources, keys):
    path = tmp_path / backup_file.name(UID, FACTS["time"], True)
    backup_file.write(str(path), sources, FACTS, str(keys["ours"][1]))
    assert backup_file.is_encrypted(str(path)) and b"ca.key" not in path.read_bytes()
    plain = str(tmp_path / "plain")
    assert refusal(backup_file.decrypt, str(path), str(keys["theirs"][0]), plain) == Code.BACKUP_NOT_DECRYPTED
    backup_file.decrypt(str(path), str(keys["ours"][0]), plain)
    assert stat.S_IMODE((tmp_path / "plain").stat().st_mode) == 0o600
    assert backup_file.read(plain).cluster == UID
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assert refusal(backup_file.decrypt, str(path), str(keys["ours"][0]), plain) == Code.BACKUP_NOT_DECRYPTED


@pytest.mark.parametrize("encrypted", [False, True])
def test_the_fix_shows_the_keys(tmp_path, sources, keys, encrypted):
    path = str(tmp_path / backup_file.name(UID, FACTS["time"], encrypted))
    manifest = backup_file.write(path, sources, FACTS, str(keys["ours"][1]) if encrypted else "")
    (found,) = backup_file.misfits(manifest, path, "", "1.37", (SETTINGS.format("old"), "[]"))
    command = render.fix(found).partition(": ")[2].replace("-inkey FILE", f"-inkey {keys['ours'][0]}")
    ran = subprocess.run(command, shell=True, capture_output=True, text=True, check=True)
    assert ran.stdout == SETTINGS.format("old")


def test_each_way_of_being_damaged(backup, tmp_path):
    data = backup.read_bytes()
    for cut in (0, 1, 20, len(data) // 2):
        backup.write_bytes(data[:cut])
        assert refusal(backup_file.read, str(backup)) == Code.BACKUP_DAMAGED, cut
    assert refusal(backup_file.is_encrypted, str(tmp_path / "nowhere")) == Code.BACKUP_DAMAGED


def changed(backup, change) -> None:
    """Writes the archive again with its members, as names and bytes, changed."""
    with tarfile.open(backup) as tar:
        members = [(each.name, tar.extractfile(each).read()) for each in tar]
    with tarfile.open(backup, "w:gz") as tar:
        for name, data in change(members):
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))


@pytest.mark.parametrize(
    "change",
    [
        lambda members: [(name, data.replace(b"key", b"kex")) for name, data in members],
        lambda members: members[:-1],
        lambda members: members[1:],
        lambda members: [*members, ("../../etc/passwd", b"root::0:0")],
        lambda members: [*members, ("more", b"")],
        lambda members: [(name, data.replace(b'"format": 1', b'"format": 2')) for name, data in members],
        lambda members: [],
    ],
    ids=["content", "a file less", "no manifest", "outside", "a file more", "another format", "empty"],
)
def test_what_is_not_as_its_manifest_says(backup, tmp_path, change):
    changed(backup, change)
    assert refusal(backup_file.read, str(backup), str(tmp_path / "out")) == Code.BACKUP_DAMAGED


@pytest.mark.parametrize(
    ("cluster", "release", "settings", "wanted"),
    [
        ("", "1.37", SETTINGS.format("old"), []),
        (UID, "1.37.9", SETTINGS.format("new") + SETTINGS.format("old"), []),
        (OTHER, "1.37", SETTINGS.format("old"), [Code.BACKUP_OF_OTHER_CLUSTER]),
        ("", "1.36.3", SETTINGS.format("old"), [Code.BACKUP_RELEASE_DIFFERS]),
        ("", "1.37", "[]", [Code.BACKUP_KEYS_MISSING]),
        (OTHER, "1.36", SETTINGS.format("new"),
         [Code.BACKUP_OF_OTHER_CLUSTER, Code.BACKUP_RELEASE_DIFFERS, Code.BACKUP_KEYS_MISSING]),
    ],
)  # fmt: skip
def test_what_does_not_fit(backup, cluster, release, settings, wanted):
    manifest = backup_file.read(str(backup))
    held = backup_file.text_of(str(backup), backup_file.ENCRYPTION)
    found = list(backup_file.misfits(manifest, str(backup), cluster, release, (held, settings)))
    assert [each.code for each in found] == wanted


def test_only_the_cluster_s_own_old_ones_go(tmp_path):
    def made(cluster, day, encrypted=False):
        name = backup_file.name(cluster, FACTS["time"] + day * 86400, encrypted)
        (tmp_path / name).touch()
        return str(tmp_path / name)

    ours = [made(UID, day, encrypted=day % 2 == 0) for day in range(4)]
    made(OTHER, 0)
    for name in ("notes", f"podnet-{UID}-20231114T221320Z.tar.gz.tmp", f"x-podnet-{UID}-20231114T221320Z.tar.gz"):
        (tmp_path / name).touch()
    assert backup_file.superfluous(str(tmp_path), UID, 2) == [ours[1], ours[0]]
    assert backup_file.superfluous(str(tmp_path), UID, 0) == [ours[2], ours[1], ours[0]], "one stays always"
    assert backup_file.superfluous(str(tmp_path), UID, 9) == []
