# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Findings: what is wrong, as data. The trace, the checks, the preflight and podnetd make them; people read their text.

``codes`` names every kind of fault once, ``finding`` says of which object on which node it was found, ``texts`` has for
each code the message, the explanation and the fix, and ``render`` puts the words together. Nothing but what prints
imports ``render``: no code can look into a sentence that it never sees.
"""
