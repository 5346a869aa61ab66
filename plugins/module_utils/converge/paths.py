# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files, directories and symbolic links as they should be, with mode and owner, and what changes them to that."""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import stat
from collections.abc import Iterator
from functools import partial
from typing import Any

from ..ipam.files import make_directory
from . import files
from .files import SECRET
from .plan import Change, StateError

#: What stands around the part of a file that is ours; {} is "BEGIN" or "END" and the block's name.
MARK = "# {} {}: managed by podnet.cluster"
#: What a backup's name ends in, and the word by which a file that we wrote is known from one that must be kept.
BACKUP = ".before-podnet"
OURS = "podnet.cluster"


def plan(spec: dict[str, Any]) -> Iterator[Change]:
    """What brings one path to ``spec``: path, state (file, directory, link, absent, restored), content, block, target,
    mode (octal text), owner, group, backup, secret. Raises StateError for a path that cannot be brought there."""
    path = spec["path"]
    if not path.startswith("/"):
        raise StateError(f"{path!r} is not an absolute path: give one that starts with /")
    state = spec["state"]
    try:
        found = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        found = None
    if state == "restored":
        yield from _restore(path, found, spec)
        return
    if state == "absent":
        if found:
            yield Change("file", path, f"remove {path}", _shown(path, found, spec), "", partial(remove, path))
        return
    if state == "link":
        yield from _link(path, found, spec["target"], bool(spec.get("backup")))
        return
    if state == "directory":
        if found and not stat.S_ISDIR(found.st_mode):
            raise StateError(f"{path} exists and is not a directory: move it away")
        if not found:
            make = partial(make_directory, path)
            yield Change("file", path, f"create directory {path}", "", "directory\n", make)
    else:
        yield from _content(path, found, spec)
    yield from _attributes(path, found, spec)


def _content(path: str, found: os.stat_result | None, spec: dict[str, Any]) -> Iterator[Change]:
    if found and stat.S_ISDIR(found.st_mode):
        raise StateError(f"{path} exists and is a directory, not a file: move it away")
    before = files.read(path) or ""
    after = with_block(before, spec["block"], spec["content"]) if spec.get("block") else spec["content"]
    if before == after and (not stat.S_ISLNK(found.st_mode) if found else spec.get("block")):
        return
    mode = int(spec["mode"] or "0644", 8) if spec["mode"] or not found else stat.S_IMODE(found.st_mode)
    owner, group = _ids(spec)

    def write() -> None:
        if found and spec.get("backup") and OURS not in before and not os.path.exists(path + BACKUP):
            os.rename(path, path + BACKUP)
        files.write(path, after, mode)
        kept = (found.st_uid, found.st_gid) if found else (0, 0)
        os.chown(path, kept[0] if owner is None else owner, kept[1] if group is None else group)

    shown = (SECRET, SECRET) if spec.get("secret") else (before, after)
    verb = "change" if found else "write"
    yield Change("file", path, f"{verb} file {path}", shown[0] if found else "", shown[1], write)


def _restore(path: str, found: os.stat_result | None, spec: dict[str, Any]) -> Iterator[Change]:
    """Brings back what was there before; where nothing was, removes the file or link, unless it isn't ours."""
    before = _shown(path, found, spec) if found else ""
    if os.path.lexists(path + BACKUP):
        after = files.read(path + BACKUP) or ""
        yield Change("file", path, f"restore {path}", before, after, partial(os.rename, path + BACKUP, path))
    elif found and _is_ours(path, found, spec):
        yield Change("file", path, f"remove {path}", before, "", partial(remove, path))


def _is_ours(path: str, found: os.stat_result, spec: dict[str, Any]) -> bool:
    if stat.S_ISLNK(found.st_mode):
        return os.readlink(path) == spec.get("target")
    return stat.S_ISREG(found.st_mode) and OURS in (files.read(path) or "")


def _attributes(path: str, found: os.stat_result | None, spec: dict[str, Any]) -> Iterator[Change]:
    """Mode and owner, where the file is there already or they are not a new one's."""
    owner, group = _ids(spec)
    is_new = found is None and spec["state"] == "directory"
    if spec["mode"] and (is_new or (found and stat.S_IMODE(found.st_mode) != int(spec["mode"], 8))):
        before = f"mode {stat.S_IMODE(found.st_mode):04o}\n" if found else ""
        mode = int(spec["mode"], 8)
        text = f"set mode {mode:04o} of {path}"
        yield Change("file", path, text, before, f"mode {mode:04o}\n", partial(os.chmod, path, mode))
    wanted = (owner if owner is not None else -1, group if group is not None else -1)
    actual = (found.st_uid, found.st_gid) if found else (0, 0)
    if any(want not in (-1, have) for want, have in zip(wanted, actual)):
        name = f"{spec.get('owner') or ''}:{spec.get('group') or ''}"
        before = f"owner {actual[0]}:{actual[1]}\n"
        give = partial(os.chown, path, *wanted)
        yield Change("file", path, f"set owner {name} of {path}", before, f"owner {name}\n", give)


def _link(path: str, found: os.stat_result | None, target: str, backup: bool) -> Iterator[Change]:
    is_link = found is not None and stat.S_ISLNK(found.st_mode)
    before = os.readlink(path) if is_link else None
    if before == target:
        return
    if found and stat.S_ISDIR(found.st_mode):
        raise StateError(f"{path} exists and is a directory, not a link to {target}: move it away")

    def link() -> None:
        make_directory(os.path.dirname(path))
        if found and not is_link and backup:
            os.rename(path, path + BACKUP)
        temporary = f"{path}.{os.getpid()}.tmp"
        os.symlink(target, temporary)
        os.rename(temporary, path)

    shown = f"link to {before}\n" if before else "file\n" if found else ""
    yield Change("file", path, f"link {path} to {target}", shown, f"link to {target}\n", link)


def block(text: str, name: str) -> str:
    """The content of the block ``name`` in ``text``, "" where there is none."""
    begin, end = MARK.format("BEGIN", name), MARK.format("END", name)
    lines = text.splitlines()
    if begin not in lines or end not in lines[lines.index(begin) :]:
        return ""
    first = lines.index(begin)
    return "".join(f"{line}\n" for line in lines[first + 1 : lines.index(end, first)])


def with_block(text: str, name: str, content: str) -> str:
    """``text`` with the block ``name`` made ``content`` (taken away where that is empty), the rest as it was."""
    begin, end = MARK.format("BEGIN", name), MARK.format("END", name)
    lines = text.splitlines()
    if begin in lines and end in lines[lines.index(begin) :]:
        first = lines.index(begin)
        last = lines.index(end, first)
        rest, place = lines[:first] + lines[last + 1 :], first
    else:
        rest, place = lines, len(lines)
    block = [begin, *content.splitlines(), end] if content else []
    result = rest[:place] + block + rest[place:]
    return "".join(f"{line}\n" for line in result)


def _ids(spec: dict[str, Any]) -> tuple[int | None, int | None]:
    try:
        owner = pwd.getpwnam(spec["owner"]).pw_uid if spec.get("owner") else None
        group = grp.getgrnam(spec["group"]).gr_gid if spec.get("group") else None
    except KeyError as error:
        raise StateError(f"{spec['path']}: unknown user or group ({error.args[0]}): create it first") from None
    return owner, group


def remove(path: str) -> None:
    """Removes a file, a link, or a directory with all that is in it. Raises OSError."""
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    else:
        os.unlink(path)


def _shown(path: str, found: os.stat_result, spec: dict[str, Any]) -> str:
    if stat.S_ISDIR(found.st_mode):
        return "directory\n"
    if stat.S_ISLNK(found.st_mode):
        return f"link to {os.readlink(path)}\n"
    return SECRET if spec.get("secret") or not stat.S_ISREG(found.st_mode) else files.read(path) or ""
