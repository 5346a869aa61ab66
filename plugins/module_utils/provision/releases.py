# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What differs from one Kubernetes release to the next, as data: a new release is a new row.

Sources: kubeadm's ``cmd/kubeadm/app/constants/constants.go`` of each release (``PauseVersion``), and the go.mod files
in ``files/modules`` of the role kubernetes: Go's module proxy does not serve every patch release.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple


class Minor(NamedTuple):
    """A minor release: the pause image's tag, and the patch release that can be built from Go modules, if any."""

    pause: str
    modules: str | None


MINORS = {
    34: Minor("3.10.1", None),
    35: Minor("3.10.1", None),
    36: Minor("3.10.2", "1.36.3"),
    37: Minor("3.10.2", "1.37.2"),
}
OLDEST, NEWEST = min(MINORS), max(MINORS)
#: kubeadm's configuration API that all of them read (kubeadm-config.v1beta4).
KUBEADM_API = "v1beta4"
REGISTRY = "registry.k8s.io"

_RELEASE = re.compile(r"v?1\.(0|[1-9]\d*)(?:\.(0|[1-9]\d*))?")


class ReleaseError(ValueError):
    """The text names no Kubernetes release that is known here; it says what would be right."""


class Release(NamedTuple):
    """One Kubernetes release: minor and patch number (None: the newest patch there is) and what follows from them."""

    minor: int
    patch: int | None

    @property
    def name(self) -> str:
        """``1.37`` or ``1.37.2``."""
        return f"1.{self.minor}" if self.patch is None else f"1.{self.minor}.{self.patch}"

    @property
    def pause_image(self) -> str:
        """The sandbox image that kubeadm, and therefore containerd, uses."""
        return f"{REGISTRY}/pause:{MINORS[self.minor].pause}"

    @property
    def has_modules(self) -> bool:
        """Whether the release, or a patch release of it where it names none, can be built from Go modules."""
        served = MINORS[self.minor].modules
        return served is not None and (self.patch is None or self.name == served)

    def as_data(self) -> dict[str, Any]:
        """Everything above under its own name, for templates; ``version`` is ``v1.37.2``, None without a patch
        number."""
        return {
            "name": self.name,
            "minor": self.minor,
            "branch": f"v1.{self.minor}",
            "version": None if self.patch is None else f"v{self.name}",
            "kubeadm_api": KUBEADM_API,
            "pause_image": self.pause_image,
        }


def parse(value: object) -> Release:
    """``value`` ("1.37", "1.37.2", "v1.37.2") as a Release. Raises ReleaseError."""
    known = f'give one from "1.{OLDEST}" to "1.{NEWEST}", with or without its patch number ("1.{NEWEST}.0")'
    if isinstance(value, float):
        raise ReleaseError(
            f"{value!r} is a number, which drops a trailing zero (1.30 becomes 1.3): put it in quotes; {known}"
        )
    if not isinstance(value, str):
        raise ReleaseError(f"{value!r} is not text: {known}")
    match = _RELEASE.fullmatch(value.strip())
    if not match:
        raise ReleaseError(f"{value!r} is not a Kubernetes release: {known}")
    release = Release(int(match[1]), None if match[2] is None else int(match[2]))
    if release.minor not in MINORS:
        raise ReleaseError(f"{value!r} is not a supported release: {known}")
    return release
