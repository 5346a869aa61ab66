#!/usr/bin/python
# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: progress
short_description: Run a long program on the controller and show its messages as they come
version_added: "0.1.0"
description:
  - Used by this collection's roles. Its options may change with any release.
  - M(ansible.builtin.command) shows what a program printed once it has ended; this shows each line of its standard
    error while it runs. For builds that take minutes.
  - Runs on the controller, whichever host the task is for. Fails if the program does.
extends_documentation_fragment:
  - podnet.cluster.attributes
author:
  - podnet.cluster contributors (@podnet)
options:
  argv:
    description: The program and its arguments; no shell reads them.
    type: list
    elements: str
    required: true
  environment:
    description: Variables to add to its environment.
    type: dict
    default: {}
attributes:
  check_mode:
    support: full
    details: The program is not run; the task is skipped.
  diff_mode:
    support: none
  idempotent:
    support: N/A
    details: That depends on the program. RV(ignore:changed) is false unless C(changed_when) says otherwise.
"""

EXAMPLES = r"""
- name: Build, or take what was built before
  podnet.cluster.progress:
    argv: [/usr/local/bin/build, --release, "1.37.2"]
    environment: {CACHE: /var/cache/build}
  register: built
  changed_when: built.stderr_lines | length > 0
"""

RETURN = r"""
stdout:
  description: What the program printed to its standard output.
  returned: success
  type: str
stdout_lines:
  description: The same by lines.
  returned: success
  type: list
  elements: str
stderr_lines:
  description: What it printed to its standard error, by lines.
  returned: success
  type: list
  elements: str
"""
