# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What podnetd answers to its own arguments."""

from __future__ import annotations

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.agent import daemon


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["--help"], 0, "usage: podnetd [--config DIR]"),
        (["--colour", "blue"], 2, "podnetd: unknown option --colour\nusage: "),
        (["--config"], 2, "podnetd: --config needs a value\nusage: "),
        (["--config=/dev/null", "--run", "/nowhere"], 2, "podnetd: /dev/null/podnetd.json: Not a directory"),
    ],
)
def test_the_agent_s_own_words(words, status, said, capsys):
    assert daemon.main(words) == status
    told = capsys.readouterr()
    assert said in told.out + told.err and "Traceback" not in told.err
