# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kubernetes' package repository and image registry, as a site's own: of the same layout, over https with an authority
of its own. What they serve is an archive's content (roles/kubernetes/files/build_modules.py)."""
