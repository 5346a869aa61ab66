# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""flannel: delegates to another plugin, usually bridge, with the node's subnet from subnet.env.

One call does the default chain's work: port mappings of the runtime are made here, too. Nothing is stored: DEL derives
what it needs from the configuration and the attachment.
"""

from __future__ import annotations

import posix

from ...ipam.ip import parse_subnet
from ..attach.undo import Undo, each
from ..exec import delegate
from ..spec import config
from ..spec.errors import IO, NOT_AVAILABLE, TRY_AGAIN, CniError, config_error
from ..spec.fastjson import loads

TYPE_CHECKING = False  # a type checker takes it for true; importing typing costs time
if TYPE_CHECKING:
    from ..spec.call import Call

SUBNET_FILE = "/run/flannel/subnet.env"
DATA_DIR = "/var/lib/cni/flannel"


def add(call: Call) -> dict | None:
    """Calls the delegate's ADD, and maps the pod's ports."""
    inner = _delegated(call, read_subnet(call, TRY_AGAIN))
    answer = delegate.call(inner.conf["type"], "ADD", inner)
    if not _has_ports(call):
        return answer
    with Undo() as undo:
        undo.append(lambda: delegate.call(inner.conf["type"], "DEL", inner))
        return delegate.call("portmap", "ADD", call.with_previous(answer))


def delete(call: Call) -> None:
    """Undoes ADD, even if subnet.env is gone or has another subnet by now."""
    each(
        lambda: _delete_delegated(call),
        lambda: delegate.call("portmap", "DEL", call) if _has_ports(call) else None,
    )


def _delete_delegated(call: Call) -> None:
    noted = _noted(call)
    inner = call.with_conf(noted) if noted else _delegated(call, _subnet_or_none(call))
    delegate.call(inner.conf["type"], "DEL", inner)
    if noted:
        posix.unlink(_note(call))


def _has_ports(call: Call) -> bool:
    """Whether there is a port to map; otherwise portmap is not loaded."""
    return bool(config.objects(call.runtime(), "portMappings"))


def restore(call: Call) -> None:
    """Restores what the delegate and portmap have in nftables."""
    noted = _noted(call)
    inner = call.with_conf(noted) if noted else _delegated(call, read_subnet(call, TRY_AGAIN))
    delegate.restore(inner.conf["type"], inner)
    if _has_ports(call):
        delegate.restore("portmap", call)


def check(call: Call) -> None:
    """The delegate's check, and the ports."""
    inner = _delegated(call, read_subnet(call, TRY_AGAIN))
    delegate.call(inner.conf["type"], "CHECK", inner)
    if _has_ports(call):
        delegate.call("portmap", "CHECK", call)


def status(call: Call) -> None:
    """Not available (50) until subnet.env exists."""
    inner = _delegated(call, read_subnet(call, NOT_AVAILABLE))
    delegate.call(inner.conf["type"], "STATUS", inner)


def gc(call: Call) -> None:
    """The delegate's GC, and the ports'; continues past errors and raises the first at the end."""
    inner = _delegated(call, _subnet_or_none(call))
    inner.conf["cni.dev/valid-attachments"] = [
        {"containerID": container, "ifname": ifname} for container, ifname in sorted(call.valid_attachments())
    ]
    each(
        lambda: delegate.call(inner.conf["type"], "GC", inner),
        lambda: delegate.call("portmap", "GC", call),
    )


class Subnet:
    """What subnet.env says: the node's subnets, the pod networks, the MTU, and whether the overlay masquerades."""

    def __init__(self, values: dict[str, str]) -> None:
        """`values` by their names without FLANNEL_, all of them there. ValueError for an invalid prefix."""
        self.subnets = [str(parse_subnet(values[key])) for key in ("SUBNET", "IPV6_SUBNET") if values.get(key)]
        networks = ",".join(values.get(key, "") for key in ("NETWORK", "IPV6_NETWORK"))
        self.networks = [str(parse_subnet(item)) for item in networks.split(",") if item]
        self.mtu = int(values["MTU"])
        self.masquerades = values["IPMASQ"].lower() == "true"


def read_subnet(call: Call, code: int) -> Subnet:
    """The content of subnet.env; CniError `code` if it is missing or invalid."""
    path = config.string(call.conf, "subnetFile", SUBNET_FILE)
    try:
        with open(path, encoding="utf-8") as file:
            lines = file.read(1 << 16).splitlines()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise CniError(code, f"{path}: {reason}", "has the overlay been set up on this node?") from None
    found: dict[str, str] = {}
    for line in lines:
        key, equals, value = line.strip().partition("=")
        if equals and key.startswith("FLANNEL_"):
            found[key[len("FLANNEL_") :]] = value.strip().strip('"')
    missing = [f"FLANNEL_{key}" for key in ("MTU", "IPMASQ") if key not in found]
    if not found.get("SUBNET") and not found.get("IPV6_SUBNET"):
        missing.append("FLANNEL_SUBNET or FLANNEL_IPV6_SUBNET")
    if missing:
        raise CniError(code, f"{path} is missing {', '.join(missing)}")
    if not found["MTU"].isdecimal():
        raise CniError(code, f"{path}: FLANNEL_MTU must be a whole number, not {found['MTU']!r}")
    try:
        return Subnet(found)
    except ValueError as error:
        raise CniError(code, f"{path}: {error}") from None


def _subnet_or_none(call: Call) -> Subnet | None:
    try:
        return read_subnet(call, TRY_AGAIN)
    except CniError:
        return None


def _delegated(call: Call, subnet: Subnet | None) -> Call:
    """The call for the delegate; without `subnet` it is good for removal only."""
    conf = dict(config.mapping(call.conf, "delegate"))
    for key in ("name", "ipam"):
        if key in conf:
            raise config_error(f"'delegate' dictionary must not have '{key}' field, it'll be set by flannel")
    conf.setdefault("type", "bridge")
    if not isinstance(conf["type"], str) or conf["type"] == "flannel":
        raise config_error(f"'delegate' dictionary, if present, must have (string) 'type' field, not {conf['type']!r}")
    if conf["type"] == "bridge":
        conf.setdefault("isGateway", True)
    ipam = {"type": "host-local", **config.mapping(call.conf, "ipam")}
    if subnet:
        # Either the overlay masquerades or the plugin does, not both.
        conf.setdefault("ipMasq", not subnet.masquerades)
        conf.setdefault("mtu", subnet.mtu)
        ranges = ipam.get("ranges") or []
        if not isinstance(ranges, list):
            raise config_error(f"ranges must be a list of lists of objects, not {ranges!r}")
        ipam["ranges"] = [*ranges, *[[{"subnet": item}] for item in subnet.subnets]]
        families = {":" in item for item in subnet.subnets}
        routes = [{"dst": item} for item in subnet.networks if (":" in item) in families]
        ipam["routes"] = [*config.objects(ipam, "routes"), *routes]
    else:
        conf.setdefault("ipMasq", True)  # the plugin itself sees whether there is something to remove
    conf["ipam"] = ipam
    for key in ("runtimeConfig", "args", "dns", "cni.dev/valid-attachments", "cni.dev/attachments"):
        if key in call.conf:
            conf.setdefault(key, call.conf[key])
    return call.with_conf(conf)


def _note(call: Call) -> str:
    return f"{config.string(call.conf, 'dataDir', DATA_DIR)}/{call.env.container_id}"


def _noted(call: Call) -> dict | None:
    """The delegate's configuration in the file of flannel's own plugin, for pods that it has attached. CniError where
    that is there and cannot be read: no other place has it."""
    try:
        with open(_note(call), "rb") as file:
            conf = loads(file.read(1 << 20))
    except (FileNotFoundError, ValueError):
        return None
    except OSError as error:
        raise CniError(IO, f"{_note(call)}: {error.strerror}") from None
    return conf if isinstance(conf, dict) and isinstance(conf.get("type"), str) and conf["type"] != "flannel" else None
