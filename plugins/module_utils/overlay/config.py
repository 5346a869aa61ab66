# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A node's overlay configuration: the content of /etc/podnet/overlay.json, strictly parsed.

{"node_name": "node1", "networks": ["10.244.0.0/16"],
 "backend": {"type": "vxlan", "vni": 1, "port": 8472, "direct_routing": false, "mtu": null},
 "masquerade": true, "not_masqueraded": [], "masquerade_nodes": false, "bridge": null,
 "service_networks": ["10.96.0.0/12"], "underlay_networks": []}
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from ..ipam.prefix import Prefix, parse_prefix
from .mac import parse_mac

BACKENDS = ("vxlan", "host-gw", "wireguard")
#: UDP ports by back end, as flannel's (vxlan: the kernel's own, older than IANA's 4789).
PORTS = {"vxlan": 8472, "host-gw": 8472, "wireguard": 51820}
MODES = ("separate", "auto", "ipv4", "ipv6")
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9])?")

_LINK = re.compile(r"[!-.0-9;-~]{1,15}")


class ConfigError(ValueError):
    """The configuration is invalid; the text has the key, its value and a valid one. For a single invalid value,
    ``key``, ``value`` and ``wanted`` are the same as data."""

    def __init__(self, text: str, key: str = "", value: object = None, wanted: str = "") -> None:
        super().__init__(text)
        self.key, self.value, self.wanted = key, value, wanted


def invalid(key: str, value: object, wanted: str) -> ConfigError:
    """The error for ``key`` whose ``value`` is not ``wanted``."""
    return ConfigError(f"{key}: {value!r} is not {wanted}", key, value, wanted)


class Backend(NamedTuple):
    """How pods' packets get to a peer. ``vni`` and ``direct_routing`` matter to vxlan only, ``port`` (UDP) to vxlan and
    wireguard, ``mode``, ``persistent_keepalive`` (seconds, 0: none) and ``private_key_file`` to wireguard; ``mtu`` is
    the pods' MTU in bytes, None: the underlay's less the back end's overhead. ``checksum_offload`` false has the kernel
    compute the checksums of what enters the vxlan device, for an underlay's card that spoils them; "auto" does so with
    a driver that is known for it (see ``offload``)."""

    type: str = "vxlan"
    vni: int = 1
    port: int = 8472
    direct_routing: bool = False
    mtu: int | None = None
    checksum_offload: bool | str = "auto"
    mode: str = "separate"
    persistent_keepalive: int = 0
    private_key_file: str = "/var/lib/podnet/wireguard.key"


class Config(NamedTuple):
    """One node's configuration. ``networks``: the pods' address blocks, one for each IP version at most;
    ``not_masqueraded``: further destinations that see pods by their own addresses; ``masquerade_nodes``: whether the
    other nodes' own addresses do not (for an underlay that drops pods' addresses); ``bridge``: the name of the pods'
    bridge that is kept with its addresses, None for none. ``service_networks``: the Services' address blocks;
    ``underlay_networks``: where nodes' own addresses may be, none: anywhere but among pods and Services. A peer that
    says otherwise is refused: its address is where others' packets would go, and who sees pods unmasqueraded.
    ``vtep_mac``: this node's tunnel device keeps this MAC address, as one that flanneld made; None: the lease's."""

    node_name: str
    networks: tuple[Prefix, ...]
    backend: Backend = Backend()
    masquerade: bool = True
    not_masqueraded: tuple[Prefix, ...] = ()
    masquerade_nodes: bool = False
    bridge: str | None = None
    service_networks: tuple[Prefix, ...] = ()
    underlay_networks: tuple[Prefix, ...] = ()
    vtep_mac: str | None = None

    def network(self, version: int) -> Prefix | None:
        """The pod network of IP ``version``, None if the cluster has none."""
        return next((network for network in self.networks if network.version == version), None)

    def as_json(self) -> dict[str, Any]:
        """The same as JSON-ready data; ``from_json`` reads it back."""
        return {
            "node_name": self.node_name,
            "networks": [str(network) for network in self.networks],
            "backend": dict(self.backend._asdict()),
            "masquerade": self.masquerade,
            "not_masqueraded": [str(block) for block in self.not_masqueraded],
            "masquerade_nodes": self.masquerade_nodes,
            "bridge": self.bridge,
            "service_networks": [str(block) for block in self.service_networks],
            "underlay_networks": [str(block) for block in self.underlay_networks],
            "vtep_mac": self.vtep_mac,
        }

    @staticmethod
    def from_json(data: object) -> Config:
        """As ``parse``."""
        return parse(data)


def parse(data: object) -> Config:
    """``data`` (decoded JSON) as a Config; keys left out take their defaults. Raises ConfigError."""
    values = _mapping(data, "the overlay's configuration", ("node_name", "networks"), Config._fields)
    return Config(
        node_name(values["node_name"], "node_name"),
        _networks(values["networks"]),
        parse_backend(values.get("backend", {})),
        _boolean(values.get("masquerade", True), "masquerade"),
        _blocks(values.get("not_masqueraded", []), "not_masqueraded"),
        _boolean(values.get("masquerade_nodes", False), "masquerade_nodes"),
        _bridge(values.get("bridge")),
        _blocks(values.get("service_networks", []), "service_networks"),
        _blocks(values.get("underlay_networks", []), "underlay_networks"),
        _mac(values.get("vtep_mac")),
    )


def node_name(value: object, key: str) -> str:
    """``value`` if it can name a node (letters, digits, "-", "_" and "."). Raises ConfigError."""
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise invalid(key, value, 'a node name: letters, digits, "-", "_" and ".", such as "node1"')
    return value


def _networks(value: object) -> tuple[Prefix, ...]:
    networks = _blocks(value, "networks")
    if not networks:
        raise ConfigError('networks: is empty: give the pod network, such as ["10.244.0.0/16"]')
    versions = [network.version for network in networks]
    for version in set(versions):
        if versions.count(version) > 1:
            raise ConfigError(f"networks: {value!r} has more than one IPv{version} block: give one for each IP version")
    return networks


def parse_backend(value: object) -> Backend:
    """``value`` (decoded JSON) as a Backend; keys left out take their defaults. Raises ConfigError."""
    values = _mapping(value, "backend", (), Backend._fields)
    kind = values.get("type", "vxlan")
    if kind not in BACKENDS:
        raise invalid("backend.type", kind, f"one of {', '.join(BACKENDS)}")
    mtu = values.get("mtu")
    mode = values.get("mode", "separate")
    if mode not in MODES:
        raise invalid("backend.mode", mode, f"one of {', '.join(MODES)}")
    path = values.get("private_key_file", Backend().private_key_file)
    if not isinstance(path, str) or not path.startswith("/") or "\0" in path:
        raise invalid("backend.private_key_file", path, "the absolute path of a file")
    return Backend(
        kind,
        _integer(values.get("vni", 1), "backend.vni", 1, (1 << 24) - 1),
        _integer(PORTS[kind] if values.get("port") is None else values["port"], "backend.port", 1, 65534),
        _boolean(values.get("direct_routing", False), "backend.direct_routing"),
        None if mtu is None else _integer(mtu, "backend.mtu", 576, 65535),
        _auto(values.get("checksum_offload", "auto"), "backend.checksum_offload"),
        mode,
        _integer(values.get("persistent_keepalive", 0), "backend.persistent_keepalive", 0, 65535),
        path,
    )


def _bridge(value: object) -> str | None:
    """None, or a link name that the kernel accepts (dev_valid_name)."""
    if value is None:
        return None
    if not isinstance(value, str) or not _LINK.fullmatch(value) or value in (".", ".."):
        raise invalid("bridge", value, 'the name of a link, such as "cni0", or null')
    return value


def _mac(value: object) -> str | None:
    try:
        return None if value is None else parse_mac(value)
    except ValueError as error:
        raise ConfigError(f"vtep_mac: {error}") from None


def _blocks(value: object, key: str) -> tuple[Prefix, ...]:
    if not isinstance(value, (list, tuple)):
        raise invalid(key, value, 'a list of address blocks such as ["10.244.0.0/16"]')
    try:
        return tuple(parse_prefix(block) for block in value)
    except ValueError as error:
        raise ConfigError(f"{key}: {error}") from None


def _mapping(value: object, key: str, required: tuple[str, ...], known: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise invalid(key, value, f"an object with the keys {', '.join(known)}")
    for name in required:
        if value.get(name) is None:
            raise ConfigError(f"{name}: is missing from {key}")
    for name in value:
        if name not in known:
            raise ConfigError(
                f"{name}: is not a key of {key}: it knows {', '.join(known)}",
                key,
                value,
                f"an object with no other keys than {', '.join(known)}",
            )
    return value


def _integer(value: object, key: str, least: int, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise invalid(key, value, f"an integer from {least} to {most}")
    return value


def _auto(value: object, key: str) -> bool | str:
    if value != "auto" and not isinstance(value, bool):
        raise invalid(key, value, 'true, false or "auto"')
    return "auto" if value == "auto" else bool(value)


def _boolean(value: object, key: str) -> bool:
    if not isinstance(value, bool):
        raise invalid(key, value, "true or false")
    return value
