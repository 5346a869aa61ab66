# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The agent's settings."""

from __future__ import annotations

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.agent import settings
from ansible_collections.podnet.cluster.plugins.module_utils.overlay.config import ConfigError


def test_without_a_file_the_settings_are_the_defaults(tmp_path):
    assert settings.load(str(tmp_path)) == settings.Settings()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("{", "is not JSON"),
        ("[]", "is not an object with the keys source, "),
        ('{"colour": 1}', "colour: is not a setting of podnetd: it knows source"),
        ('{"source": "dns"}', "source: 'dns' is not a source: give one of file, kubernetes"),
        ('{"listen": "9441"}', "listen: '9441' is not an address with a port, such as"),
        ('{"listen": "127.0.0.1:99999"}', "is not an address with a port"),
        ('{"resync": 0}', "resync: 0 is not a number of seconds from 1 to 86400"),
        ('{"sweep": true}', "sweep: True is not a number of seconds"),
        ('{"cni": "here"}', "cni: 'here' is not the path of a directory"),
    ],
)
def test_a_wrong_setting_is_told_with_file_and_key(tmp_path, data, words):
    (tmp_path / "podnetd.json").write_text(data)
    with pytest.raises(ConfigError) as caught:
        settings.load(str(tmp_path))
    assert str(caught.value).startswith(f"{tmp_path}/podnetd.json: ") and words in str(caught.value)
