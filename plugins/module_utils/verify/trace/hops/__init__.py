# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The hops of a path, each judged: actual against desired state, and a finding where they differ.

Every function views at one node's state (``NodeState``) and says what it makes of one hop. Nothing is sent. What
is desired is what the agent wants (``desired`` and ``drift`` of the state) and, for pods, what the CNI plugins noted.
"""
