# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that are there whole or not at all."""

from __future__ import annotations

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.converge import files
from ansible_collections.podnet.cluster.plugins.module_utils.converge.plan import Plan


def test_files_are_replaced_whole(tmp_path):
    path = tmp_path / "deep" / "file"
    files.write(str(path), "one\n")
    before = path.stat().st_ino
    files.write(str(path), "two\n")
    assert path.read_text() == "two\n" and path.stat().st_ino != before
    assert path.stat().st_mode & 0o777 == 0o644
    assert [each.name for each in path.parent.iterdir()] == ["file"]
    files.remove(str(path))
    assert not path.parent.exists()
    files.remove(str(path))


def test_a_file_that_cannot_be_written_leaves_the_old_one_and_no_rubbish(tmp_path):
    (tmp_path / "file").mkdir()
    with pytest.raises(OSError):
        files.write(str(tmp_path / "file"), "x")
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


def test_a_plan_changes_what_differs_only(tmp_path):
    paths = [str(tmp_path / name) for name in ("same", "other", "new", "old")]
    for path, text in zip(paths, ("1\n", "1\n", None, "1\n")):
        if text:
            files.write(path, text)
    wanted = dict(zip(paths, ("1\n", "2\n", "3", None)))
    plan = Plan(files.plan(wanted))
    assert plan.describe() == [f"change file {paths[1]}", f"write file {paths[2]}", f"remove file {paths[3]}"]
    assert plan.diffs() == [(paths[1], "1\n", "2\n"), (paths[2], "", "3\n"), (paths[3], "1\n", "")]
    assert plan.apply() == []
    assert not Plan(files.plan(wanted))
    assert sorted(each.name for each in tmp_path.iterdir()) == ["new", "other", "same"]


def test_the_mode_alone_is_set_where_one_is_wanted(tmp_path):
    path = tmp_path / "file"
    path.write_text("1\n")
    path.chmod(0o640)
    assert not Plan(files.plan({str(path): "1\n"}))
    plan = Plan(files.plan({str(path): "1\n"}, 0o600))
    assert plan.describe() == [f"set mode 0600 of {path}"]
    assert plan.diffs() == [(str(path), "mode 0640\n", "mode 0600\n")]
    assert plan.apply() == [] and path.stat().st_mode & 0o777 == 0o600
    assert not Plan(files.plan({str(path): "1\n"}, 0o600)) and not Plan(files.plan({f"{path}2": None}, 0o600))


def test_a_secret_is_written_for_its_owner_alone_and_not_shown(tmp_path):
    path = tmp_path / "key"
    path.write_text("1st password\n")
    plan = Plan(files.plan({str(path): "2nd password\n"}, 0o600, secret=True))
    assert "password" not in "".join([*plan.describe(), *plan.diffs()[0]])
    assert plan.apply() == []
    assert path.read_text() == "2nd password\n" and path.stat().st_mode & 0o777 == 0o600
