# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page that lists the faults is that of the tests as they are."""

from __future__ import annotations

import subprocess
import sys


def test_the_page_of_faults_is_the_tests(root):
    listing = root / "tests/faults/listing.py"
    made = subprocess.run([sys.executable, listing], text=True, capture_output=True, check=True).stdout
    told = (root / "docs/faults.md").read_text()
    assert told.rstrip() == made.rstrip(), "python tests/faults/listing.py --write renews it"
