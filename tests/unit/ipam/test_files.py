# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of a CNI call: whole, and never through a symbolic link."""

from __future__ import annotations

import os

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.ipam import files


def test_a_file_is_replaced_whole_and_for_root_alone(tmp_path):
    path = tmp_path / "new" / "deep" / "record"
    for content in (b"first", b"x"):
        files.replace(str(path), str(path.with_name(".record")), content)
        assert path.read_bytes() == content and path.stat().st_mode & 0o777 == 0o600
        assert os.listdir(path.parent) == ["record"]


def test_a_link_in_the_way_is_removed_and_not_followed(tmp_path):
    other = tmp_path / "other"
    other.write_text("of somebody else")
    for name in ("record", ".record"):
        (tmp_path / name).symlink_to(other)
    files.replace(str(tmp_path / "record"), str(tmp_path / ".record"), b"ours")
    assert other.read_text() == "of somebody else"
    assert not (tmp_path / "record").is_symlink() and (tmp_path / "record").read_text() == "ours"


def test_what_cannot_be_written_leaves_the_old_file(tmp_path):
    path = tmp_path / "record"
    path.write_text("old")
    (tmp_path / ".record").mkdir()
    with pytest.raises(OSError, match="directory"):
        files.replace(str(path), str(tmp_path / ".record"), b"new")
    assert path.read_text() == "old"


@pytest.mark.parametrize("size", [0, 1, files.PAGE, files.PAGE + 1, 3 * files.PAGE])
def test_a_file_is_read_whole(tmp_path, size):
    (tmp_path / "file").write_bytes(b"x" * size)
    assert files.read(str(tmp_path / "file")) == b"x" * size
    assert files.read(str(tmp_path / "none")) == b""


def test_names(tmp_path):
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    assert files.exists(str(tmp_path / "dangling")) and not files.exists(str(tmp_path / "nowhere"))
    files.unlink(str(tmp_path / "nowhere"))
    files.unlink(str(tmp_path / "dangling"))
    assert os.listdir(tmp_path) == []


def test_directories_are_not_for_everybody_to_write_whatever_the_umask(tmp_path):
    assert files.writable(str(tmp_path / "not" / "yet"))
    mask = os.umask(0)
    try:
        files.make_directory(str(tmp_path / "a" / "b"), 0o700)
        files.make_directory(str(tmp_path / "a" / "b"))
    finally:
        os.umask(mask)
    assert [(tmp_path / name).stat().st_mode & 0o777 for name in ("a", "a/b")] == [0o755, 0o700]
    (tmp_path / "file").touch()
    assert not files.writable(str(tmp_path / "file" / "below"))
