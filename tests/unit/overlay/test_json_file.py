# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A file of JSON: whatever stands at its path, it is read in bounded time and space or refused with its name."""

from __future__ import annotations

import os

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.overlay import json_file
from ansible_collections.podnet.cluster.plugins.module_utils.overlay.config import ConfigError


def test_json(tmp_path):
    path = tmp_path / "file"
    path.write_text('{"ä": [1]}', encoding="utf-8")
    assert json_file.read_json(str(path)) == {"ä": [1]}


def fifo(path):
    os.mkfifo(path)


def directory(path):
    path.mkdir()


@pytest.mark.parametrize(
    ("make", "words", "cause"),
    [
        (lambda path: None, "file does not exist", FileNotFoundError),
        (fifo, "is not a regular file", type(None)),
        (directory, "Is a directory", type(None)),
        (lambda path: path.write_text("{"), "is not JSON", ValueError),
        (lambda path: path.write_bytes(b"\xff"), "is not JSON", ValueError),
        (lambda path: path.write_text("[" * 100_000), "is not JSON", RecursionError),
        (lambda path: path.write_text("9" * 10_000), "is not JSON", ValueError),
        (lambda path: path.write_text(" " * 101), "has more than 0 MiB", type(None)),
        (lambda path: path.symlink_to("/dev/zero"), "is not a regular file", type(None)),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_with_the_file_s_name(tmp_path, monkeypatch, make, words, cause):
    if "more than" in words:
        monkeypatch.setattr(json_file, "LARGEST", 100)
    path = tmp_path / "file"
    make(path)
    with pytest.raises(ConfigError) as caught:
        json_file.read_json(str(path))
    assert str(caught.value).startswith(f"{path}: ") and words in str(caught.value)
    assert isinstance(caught.value.__cause__, cause)
