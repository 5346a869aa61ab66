# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files, directories and links as specified: what is done, what is shown, and that it is done once."""

from __future__ import annotations

import os
import stat

from ansible_collections.podnet.cluster.plugins.module_utils.converge import paths
from ansible_collections.podnet.cluster.plugins.module_utils.converge.plan import Plan


def spec(path, **values):
    """A file's spec, as the module hands it over."""
    return {"path": str(path), "state": "file", "content": "", "mode": None, **values}


def bring(*specs, check_mode=False):
    """Brings paths to ``specs``; returns the changes."""
    changes = [change for each in specs for change in paths.plan(each)]
    if not check_mode:
        assert Plan(then=changes).apply() == []
    return changes


def test_a_file_is_made_with_its_directories_and_then_left_alone(tmp_path):
    wanted = spec(tmp_path / "a/b/file", content="text\n", mode="0640")
    (change,) = bring(wanted)
    assert change.diffs() == [(wanted["path"], "", "text\n")]
    assert (tmp_path / "a/b/file").read_text() == "text\n"
    assert stat.S_IMODE(os.stat(wanted["path"]).st_mode) == 0o640
    assert bring(wanted) == []


def test_check_mode_does_nothing(tmp_path):
    assert len(bring(spec(tmp_path / "file", content="text"), check_mode=True)) == 1
    assert not (tmp_path / "file").exists()


def test_an_empty_file_is_made(tmp_path):
    assert len(bring(spec(tmp_path / "file"))) == 1
    assert bring(spec(tmp_path / "file")) == []


def test_content_changes_and_the_mode_stays(tmp_path):
    path = tmp_path / "file"
    path.write_text("old\n")
    path.chmod(0o600)
    (change,) = bring(spec(path, content="new\n"))
    assert (change.before, change.after) == ("old\n", "new\n")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_mode_alone(tmp_path):
    path = tmp_path / "file"
    path.write_text("text")
    path.chmod(0o600)
    (change,) = bring(spec(path, content="text", mode="0644"))
    assert (change.before, change.after) == ("mode 0600\n", "mode 0644\n")
    assert bring(spec(path, content="text", mode="0644")) == []


def test_a_secret_is_not_shown(tmp_path):
    (tmp_path / "file").write_text("hush before")
    (change,) = bring(spec(tmp_path / "file", content="hush after", secret=True))
    assert "hush" not in change.before + change.after + change.text


def test_a_block_in_a_file_of_others(tmp_path):
    path = tmp_path / "hosts"
    path.write_text("127.0.0.1 localhost\n")
    bring(spec(path, block="nodes", content="10.0.0.1 a\n"))
    path.write_text(path.read_text() + "10.9.9.9 mine\n")
    bring(spec(path, block="nodes", content="10.0.0.1 a\n10.0.0.2 b\n"))
    assert path.read_text() == (
        "127.0.0.1 localhost\n# BEGIN nodes: managed by podnet.cluster\n10.0.0.1 a\n10.0.0.2 b\n"
        "# END nodes: managed by podnet.cluster\n10.9.9.9 mine\n"
    )
    assert bring(spec(path, block="nodes", content="10.0.0.1 a\n10.0.0.2 b\n")) == []
    bring(spec(path, block="nodes"))
    assert path.read_text() == "127.0.0.1 localhost\n10.9.9.9 mine\n"
    assert bring(spec(path, block="nodes")) == []


def test_half_a_block_is_text_like_any_other():
    begin = paths.MARK.format("BEGIN", "x")
    assert paths.with_block(f"{begin}\nrest\n", "x", "") == f"{begin}\nrest\n"


def test_links(tmp_path):
    path = tmp_path / "link"
    wanted = spec(path, state="link", target="/nowhere")
    assert len(bring(wanted)) == 1
    assert os.readlink(path) == "/nowhere"
    assert bring(wanted) == []
    assert len(bring(spec(path, state="link", target="/elsewhere"))) == 1
    assert os.readlink(path) == "/elsewhere"
    assert os.listdir(tmp_path) == ["link"]


def test_a_file_takes_a_link_s_place_and_leaves_the_target(tmp_path):
    (tmp_path / "target").write_text("theirs")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    bring(spec(tmp_path / "link", content="ours"))
    assert (tmp_path / "target").read_text() == "theirs"
    assert not (tmp_path / "link").is_symlink()


def test_absent_takes_directories_with_all_that_is_in_them(tmp_path):
    (tmp_path / "d/e").mkdir(parents=True)
    (tmp_path / "d/e/f").write_text("")
    assert len(bring(spec(tmp_path / "d", state="absent"))) == 1
    assert bring(spec(tmp_path / "d", state="absent")) == []
    assert bring(spec(tmp_path / "file/below", state="absent")) == []


def test_what_was_there_before_is_kept_and_restored(tmp_path):
    path = tmp_path / "config"
    path.write_text("theirs\n")
    path.chmod(0o640)
    bring(spec(path, content="# by podnet.cluster\n1\n", backup=True))
    bring(spec(path, content="# by podnet.cluster\n2\n", backup=True))
    assert path.read_text() == "# by podnet.cluster\n2\n"
    bring(spec(path, state="restored"))
    assert path.read_text() == "theirs\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert os.listdir(tmp_path) == ["config"]
    assert bring(spec(path, state="restored")) == []


def test_restored_where_nothing_was_before_means_gone_but_only_what_is_ours(tmp_path):
    bring(spec(tmp_path / "ours", content="# by podnet.cluster\n", backup=True))
    (tmp_path / "theirs").write_text("theirs")
    bring(spec(tmp_path / "ours", state="restored"), spec(tmp_path / "theirs", state="restored"))
    assert os.listdir(tmp_path) == ["theirs"]


def test_a_link_is_restored_to_the_file_it_replaced(tmp_path):
    path = tmp_path / "config"
    path.write_text("theirs")
    bring(spec(path, state="link", target="/ours", backup=True))
    bring(spec(path, state="restored", target="/ours"))
    assert path.read_text() == "theirs"
    bring(spec(tmp_path / "new", state="link", target="/ours", backup=True))
    bring(spec(tmp_path / "new", state="restored", target="/ours"))
    assert os.listdir(tmp_path) == ["config"]


def test_a_secret_of_ours_goes_when_it_is_restored_to_nothing(tmp_path):
    bring(spec(tmp_path / "ours", content="# by podnet.cluster\n", secret=True))
    bring(spec(tmp_path / "ours", state="restored", secret=True))
    assert os.listdir(tmp_path) == []
