# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An archive's programs and images, and the same under a newer patch release's number."""

from __future__ import annotations

import hashlib
import io
import json
import pathlib
import tarfile
from typing import NamedTuple


class Archive(NamedTuple):
    """What ``build_modules.py`` made; ``renumbered`` is the patch release that it passes for, if not its own."""

    directory: pathlib.Path
    renumbered: str = ""

    @property
    def built(self) -> str:
        return json.loads((self.directory / "manifest.json").read_text())["release"]

    @property
    def release(self) -> str:
        """Like 1.37.2."""
        return self.renumbered or self.built

    @property
    def branch(self) -> str:
        """Like v1.37."""
        return "v" + self.release.rpartition(".")[0]

    def program(self, name: str) -> bytes:
        return self._stamped((self.directory / "bin" / name).read_bytes())

    def images(self) -> dict[str, pathlib.Path]:
        """The docker-archives by the images' names. An image of Kubernetes itself has the release as its tag."""
        manifest = json.loads((self.directory / "manifest.json").read_text())
        return {each["name"]: self.directory / each["file"] for each in manifest["images"]}

    def stamp_image(self, source: pathlib.Path, target: pathlib.Path) -> None:
        """Copies a docker-archive, with the release's number in its programs and the layers' new digests in its
        configuration: a runtime takes a layer of a known digest for one that it has."""
        with tarfile.open(source) as old:
            members = [(each, old.extractfile(each).read() if each.isfile() else b"") for each in old]
        digests = {}
        for member, data in members:
            if member.name.endswith("layer.tar"):
                digests[hashlib.sha256(data).hexdigest()] = hashlib.sha256(self._stamped(data)).hexdigest()
        with tarfile.open(target, "w") as new:
            for member, data in members:
                if member.name.endswith("layer.tar"):
                    data = self._stamped(data)
                elif member.name != "manifest.json":  # it names files, which keep their names
                    for before, after in digests.items():
                        data = data.replace(before.encode(), after.encode())
                new.addfile(member, io.BytesIO(data))

    def _stamped(self, data: bytes) -> bytes:
        """Both numbers are of the same length: nothing in a program moves."""
        old, new = f"v{self.built}".encode(), f"v{self.release}".encode()
        if len(old) != len(new):
            raise ValueError(f"{self.built} cannot pass for {self.release}: their lengths differ")
        return data.replace(old, new)
