# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gives pip to ansible-test's environments from Python's own copy, so that no bootstrap script is downloaded."""

from __future__ import annotations

import ensurepip

ensurepip.bootstrap()
