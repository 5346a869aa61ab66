# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What differs from one Kubernetes release to the next, as data.

Sources: the releases' changelogs, kubeadm's ``constants.go`` (pause) and its API packages (v1beta2 since 1.15, v1beta3
since 1.22, v1beta4 since 1.31). The kubelet's CRI flags are no matter here: kubeadm of each release writes its own.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

OLDEST = 20
NEWEST = 35
#: pkgs.k8s.io carries no older release.
OLDEST_PACKAGED = 24

_RELEASE = re.compile(r"v?1\.(0|[1-9]\d*)(?:\.(0|[1-9]\d*))?")
#: From this minor release on: (pause image's tag). kubeadm's constants.go, PauseVersion.
_PAUSE = {20: "3.2", 21: "3.4.1", 22: "3.5", 23: "3.6", 24: "3.7", 25: "3.8", 26: "3.9", 31: "3.10", 34: "3.10.1"}
_KUBEADM_API = {20: "v1beta2", 22: "v1beta3", 31: "v1beta4"}


class ReleaseError(ValueError):
    """The text names no Kubernetes release that is known here; it says what would be right."""


class Release(NamedTuple):
    """One Kubernetes release: minor and patch number (None: the newest patch there is) and what follows from them."""

    minor: int
    patch: int | None

    @property
    def name(self) -> str:
        """``1.31`` or ``1.31.4``."""
        return f"1.{self.minor}" if self.patch is None else f"1.{self.minor}.{self.patch}"

    @property
    def kubeadm_api(self) -> str:
        """The newest version of kubeadm's configuration API that the release reads."""
        return _since(_KUBEADM_API, self.minor)

    @property
    def image_registry(self) -> str:
        """Where the release's kubeadm expects its images."""
        return "k8s.gcr.io" if self.minor < 25 else "registry.k8s.io"

    @property
    def pause_image(self) -> str:
        """The sandbox image that kubeadm, and therefore containerd, uses."""
        return f"{self.image_registry}/pause:{_since(_PAUSE, self.minor)}"

    @property
    def cri_socket(self) -> str:
        """containerd's socket in the form the release's kubeadm writes without a warning: a URL since 1.24."""
        return ("unix://" if self.minor >= 24 else "") + "/run/containerd/containerd.sock"

    @property
    def cri_v1(self) -> bool:
        """Whether the kubelet speaks CRI v1; before, it speaks v1alpha2, which containerd 2 no longer does."""
        return self.minor >= 23

    @property
    def needs_crictl(self) -> bool:
        """Whether kubeadm calls the command crictl; since 1.32 it speaks to the socket itself."""
        return self.minor < 32

    @property
    def control_plane_taints(self) -> list[str]:
        """Keys of the taint that keeps pods off the control plane: ``master`` until 1.24, ``control-plane`` from
        1.24."""
        prefix = "node-role.kubernetes.io/"
        return [prefix + "master"] * (self.minor < 25) + [prefix + "control-plane"] * (self.minor > 23)

    def as_data(self) -> dict[str, Any]:
        """Everything above under its own name, for templates; ``version`` is ``v1.31.4``, None without a patch
        number."""
        return {
            "name": self.name,
            "minor": self.minor,
            "branch": f"v1.{self.minor}",
            "version": None if self.patch is None else f"v{self.name}",
            "kubeadm_api": self.kubeadm_api,
            "image_registry": self.image_registry,
            "pause_image": self.pause_image,
            "cri_socket": self.cri_socket,
            "cri_v1": self.cri_v1,
            "needs_crictl": self.needs_crictl,
            "control_plane_taints": self.control_plane_taints,
        }


def parse(value: object) -> Release:
    """``value`` ("1.31", "1.31.4", "v1.31.4") as a Release. Raises ReleaseError."""
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
    if not OLDEST <= release.minor <= NEWEST:
        raise ReleaseError(f"{value!r} is not a release that is known here: {known}")
    return release


def _since(table: dict[int, str], minor: int) -> str:
    return table[max(first for first in table if first <= minor)]
