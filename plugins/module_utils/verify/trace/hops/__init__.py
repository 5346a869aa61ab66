# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The hops of a packet's way, each judged: what is there, what must be there; where they differ, cause and cure.

Every function looks at one node's state (``state.collect``) and says what it makes of one hop. Nothing is sent. What
must be there is what the agent wants (``wanted`` and ``drift`` of the state) and, for pods, what the CNI plugins noted.
"""
