# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""glibc's allocator, tuned to this process: mallopt(3), malloc_trim(3). Another C library has neither."""

from __future__ import annotations

import ctypes

# malloc.h
M_MMAP_THRESHOLD, M_ARENA_MAX = -3, -8


def frugal() -> None:
    """One heap for all threads, half a megabyte less; and what is needed for a moment leaves no holes in it."""
    _call("mallopt", M_ARENA_MAX, 1)
    _call("mallopt", M_MMAP_THRESHOLD, 64 << 10)


def trim() -> None:
    """Gives back what is free: after work with thousands of objects."""
    _call("malloc_trim", 0)


def _call(function: str, *arguments: int) -> None:
    try:
        getattr(ctypes.CDLL(None), function)(*arguments)
    except (AttributeError, OSError):
        pass
