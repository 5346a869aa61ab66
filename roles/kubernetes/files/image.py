# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Container images without a container engine: a directory tree becomes a docker-archive tar, as `docker save` writes
it (https://github.com/moby/docker-image-spec, v1.2), which `ctr images import` reads."""

from __future__ import annotations

import hashlib
import io
import json
import pathlib
import tarfile
from collections.abc import Sequence


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """The same tree gives the same tar: owner and time are not part of an image's content."""
    member.uid = member.gid = member.mtime = 0
    member.uname = member.gname = ""
    return member


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    archive.addfile(member, io.BytesIO(data))


def write(
    path: pathlib.Path,
    names: Sequence[str],
    tree: pathlib.Path,
    architecture: str,
    command: Sequence[str],
    entrypoint: Sequence[str] = (),
    user: str = "",
) -> None:
    """Writes an image to `path`: one layer, the content of `tree`. `names` are all that it goes by, with their tags;
    `entrypoint` and `command` are what it runs, and `user` as whom, as in a Dockerfile."""
    process = {"Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]}
    process |= {"Entrypoint": list(entrypoint)} if entrypoint else {}
    process |= {"Cmd": list(command)} if command else {}
    process |= {"User": user} if user else {}
    layer = path.with_suffix(".layer")
    with tarfile.open(layer, "w", format=tarfile.PAX_FORMAT) as archive:
        for entry in sorted(tree.iterdir()):
            archive.add(entry, entry.name, filter=_plain)
    with layer.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    config = json.dumps(
        {
            "architecture": architecture,
            "os": "linux",
            "config": process,
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
            "history": [{"created_by": "podnet.cluster"}],
        }
    ).encode()
    config_name = hashlib.sha256(config).hexdigest() + ".json"
    manifest = [{"Config": config_name, "RepoTags": list(names), "Layers": [f"{digest}/layer.tar"]}]
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
        _add(archive, config_name, config)
        archive.add(layer, f"{digest}/layer.tar", filter=_plain)
        _add(archive, "manifest.json", json.dumps(manifest).encode())
    layer.unlink()
