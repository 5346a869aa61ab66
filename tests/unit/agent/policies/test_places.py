# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where enforcement leaves something: all of it goes, whatever is there."""

from __future__ import annotations

import os

from ansible_collections.podnet.cluster.plugins.module_utils.agent.policies.places import Places


def test_nothing_is_left(tmp_path):
    directory, run = tmp_path / "policy", tmp_path / "run"
    places = Places(str(directory), str(run))
    places.remove()  # where nothing is
    os.makedirs(places.records)
    directory.mkdir()
    for path in (places.gate, places.program, places.socket, f"{places.records}/c1-eth0"):
        with open(path, "w", encoding="utf-8"):
            pass
    places.remove()
    assert not directory.exists() and os.listdir(run) == []


def test_what_is_not_ours_stays(tmp_path):
    (tmp_path / "policy").mkdir()
    (tmp_path / "policy/other").write_text("")
    Places(str(tmp_path / "policy"), str(tmp_path / "run")).remove()
    assert os.listdir(tmp_path / "policy") == ["other"]
