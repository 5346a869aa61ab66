# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where leases come from: the files that the overlay role writes to /etc/podnet."""

from __future__ import annotations

import json
import os

from ..overlay import config as configs
from ..overlay import lease
from ..overlay.config import Config, ConfigError
from ..overlay.lease import Leases

DIRECTORY = "/etc/podnet"
CONFIG = "overlay.json"
LEASES = "leases.json"


class FileSource:
    """Reads overlay.json (this node's configuration) and leases.json (``{"leases": [...]}``) in ``directory``."""

    def __init__(self, directory: str = DIRECTORY) -> None:
        self.config_path = os.path.join(directory, CONFIG)
        self.leases_path = os.path.join(directory, LEASES)

    def read(self) -> tuple[Config, Leases]:
        """Both files, checked. Raises ConfigError, which names the file, for one that is missing, is no JSON, or whose
        content cannot be right for this node; a peer that is wrong is among the refused ones instead."""
        config = self.config()
        data = _load(self.leases_path)
        try:
            if not isinstance(data, dict) or set(data) != {"leases"}:
                raise ConfigError('there must be an object with one key: {"leases": [...]}')
            return config, lease.admit(config, data["leases"])
        except ConfigError as error:
            raise ConfigError(f"{self.leases_path}: {error}") from None

    def config(self) -> Config:
        """overlay.json alone. Raises ConfigError, which names the file."""
        data = _load(self.config_path)
        try:
            return configs.parse(data)
        except ConfigError as error:
            raise ConfigError(f"{self.config_path}: {error}") from None


def texts(config: Config, entries: list[object]) -> tuple[str, str]:
    """The text of overlay.json and leases.json for ``config`` and the list of leases ``entries``, as ``FileSource``
    reads it."""
    return _dump(config.as_json()), _dump({"leases": entries})


def _dump(data: object) -> str:
    return json.dumps(data, indent=1, sort_keys=True) + "\n"


def _load(path: str) -> object:
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no such file; the overlay role writes it") from None
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(f"{path}: is not JSON: {error}") from None
