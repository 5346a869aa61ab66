# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The agent's own settings: the content of /etc/podnet/podnetd.json, strictly read; a missing file is all defaults.

{"source": "file", "kubernetes": {}, "listen": null, "resync": 60, "sweep": 600,
 "cni": "/var/lib/cni", "probe": 0, "policy": null}
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any, NamedTuple

from ..overlay.config import ConfigError
from ..overlay.json_file import read_json
from .sources.source import CREDENTIALS, DIRECTORY, FileSource, Source

if TYPE_CHECKING:
    from .log import Log
    from .loop import Loop
    from .policies.enforcer import Enforcer
    from .policies.service import PolicyService
    from .prober import Prober

FILE = "podnetd.json"
SOURCES = ("file", "kubernetes")


class Settings(NamedTuple):
    """``source``: where leases come from; ``kubernetes``: what the source of that name needs to know; ``listen``:
    "ADDRESS:PORT" for health and metrics, None for none; ``resync`` and ``sweep``: seconds between two full
    reconciliations, and between two checks for leaked reservations; ``cni``: where addresses are reserved, and libcni
    caches attachments; ``probe``: seconds between two echo requests to the same peer, 0 for none; ``policy``: how
    NetworkPolicies are enforced (policies/options.py), None where they are not."""

    source: str = "file"
    kubernetes: dict[str, Any] = {}
    listen: str | None = None
    resync: float = 60.0
    sweep: float = 600.0
    cni: str = "/var/lib/cni"
    probe: float = 0.0
    policy: dict[str, Any] | None = None


def load(directory: str = DIRECTORY) -> Settings:
    """The settings in ``directory``. Raises ConfigError, which names the file and the key."""
    path = os.path.join(directory, FILE)
    try:
        data = read_json(path)
    except ConfigError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            return Settings()
        raise
    try:
        return parse(data)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def parse(data: object) -> Settings:
    """``data`` (decoded JSON) as Settings. Raises ConfigError."""
    if not isinstance(data, dict):
        raise ConfigError(f"{data!r:.80} is not an object with the keys {', '.join(Settings._fields)}")
    for key in data:
        if key not in Settings._fields:
            raise ConfigError(f"{key}: is not a setting of podnetd: it knows {', '.join(Settings._fields)}")
    settings = Settings(**data)
    if settings.source not in SOURCES:
        raise ConfigError(f"source: {settings.source!r} is not a source: give one of {', '.join(SOURCES)}")
    if not isinstance(settings.kubernetes, dict):
        raise ConfigError(f"kubernetes: {settings.kubernetes!r} is not an object")
    if settings.listen is not None:
        from . import http_server  # what only some nodes use is loaded where it is used

        try:
            http_server.endpoint(str(settings.listen))
        except ValueError as error:
            raise ConfigError(f"listen: {error}") from None
    if not isinstance(settings.cni, str) or not settings.cni.startswith("/"):
        raise ConfigError(f"cni: {settings.cni!r} is not the path of a directory")
    if settings.policy is not None:
        from .policies import options as policies

        policies.parse(settings.policy)
    for key, least in (("resync", 1), ("sweep", 1), ("probe", 0)):
        value = getattr(settings, key)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= 86400:
            raise ConfigError(f"{key}: {value!r} is not a number of seconds from {least} to 86400")
    return settings


def open_prober(settings: Settings) -> Prober | None:
    """The prober, where the settings want one. Raises OSError when it gets no socket."""
    if not settings.probe:
        return None
    from .prober import Prober  # loaded where it is used only

    return Prober(settings.probe)


def open_enforcer(settings: Settings, directory: str, run: str, log: Log) -> Enforcer | None:
    """What enforces NetworkPolicies, where the settings want that. Raises OSError when it gets no socket."""
    if settings.policy is None:
        return None
    # loaded where it is used only, as the API's client
    module = importlib.import_module(f"{__package__}.policies.enforcer")
    policies = importlib.import_module(f"{__package__}.policies.options")
    credentials = settings.kubernetes.get("credentials", os.path.join(directory, CREDENTIALS))
    enforcer: Enforcer = module.Enforcer(policies.parse(settings.policy), str(credentials), run, log)
    return enforcer


def serve_policies(enforcer: Enforcer | None, loop: Loop) -> PolicyService | None:
    """The enforcer in the agent's loop."""
    if enforcer is None:
        return None
    service: PolicyService = importlib.import_module(f"{__package__}.policies.service").PolicyService(enforcer, loop)
    return service


def open_source(settings: Settings, directory: str = DIRECTORY) -> Source:
    """The source that the settings name, not started. Raises ConfigError when its own settings are wrong."""
    if settings.source == "file":
        return FileSource(directory)
    # loaded where it is used only: its HTTP and TLS would cost every other node some megabytes
    module = importlib.import_module(f"{__package__}.sources.kubernetes")
    source: Source = module.open_source(directory, settings.kubernetes)
    return source
