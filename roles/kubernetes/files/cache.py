# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cache forgets what has not been used for a month: a new version of the collection, or of Kubernetes, leaves what
was built before under another name."""

from __future__ import annotations

import os
import pathlib
import re
import shutil
import time

UNUSED_SECONDS = 30 * 86400
#: What is built is named by its content: 1.37.2-3aa1edc47804, programs-etcd-3.7-2f212c001947; some are interrupted.
_BUILT = re.compile(r".+-[0-9a-f]{12}(\.tar)?(\.part)?")
LABS = pathlib.Path("/run/podnet-lab")


def use(path: pathlib.Path) -> None:
    """Notes that ``path`` is used now."""
    os.utime(path)


def clean(directory: pathlib.Path, labs: pathlib.Path = LABS) -> list[pathlib.Path]:
    """Removes from ``directory`` what was built and has not been used for long; returns it. Running labs, whose records
    lie in ``labs``, keep the archives that their nodes have."""
    in_use = "".join(path.read_text() for path in labs.glob("*.json"))
    removed = []
    for path in sorted(directory.iterdir()):
        unused = time.time() - path.stat().st_mtime > UNUSED_SECONDS
        if unused and _BUILT.fullmatch(path.name) and str(path) not in in_use:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
            removed.append(path)
    return removed
