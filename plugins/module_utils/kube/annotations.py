# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What nodes tell each other in their annotations: ours, and flannel's.

    podnet.cluster/lease                             {"address":"10.77.0.12","backend":"vxlan","vtep_mac":"02:…",…}
    flannel.alpha.coreos.com/kube-subnet-manager     true
    flannel.alpha.coreos.com/backend-type            vxlan
    flannel.alpha.coreos.com/backend-data            {"VNI":1,"VtepMAC":"02:…"}     (backend-v6-data: over IPv6)
    flannel.alpha.coreos.com/public-ip               10.77.0.12                     (public-ipv6)
    flannel.alpha.coreos.com/public-ip-overwrite     an administrator's word for public-ip (public-ipv6-overwrite)

An agent of ours writes both, so that nodes run by flanneld and nodes run by us form one network. Where the two differ,
flannel's are the younger: flanneld runs the node now, and knows nothing of ours. A node that has neither is reached at
its InternalIP, and by the MAC address that follows from its name.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ..overlay import lease
from ..overlay.config import Config
from ..overlay.lease import Lease, LeaseError

FLANNEL = "flannel.alpha.coreos.com/"
OWN = "podnet.cluster/lease"
#: By IP version.
_PUBLIC = {4: FLANNEL + "public-ip", 6: FLANNEL + "public-ipv6"}
_DATA = {4: FLANNEL + "backend-data", 6: FLANNEL + "backend-v6-data"}
_TYPE = FLANNEL + "backend-type"
_MANAGER = FLANNEL + "kube-subnet-manager"
_OVERWRITE = "-overwrite"
#: All that we write.
WRITTEN = (OWN, _MANAGER, _TYPE, *_PUBLIC.values(), *_DATA.values())

#: What only an entry made here has; ``lease.parse`` does not know it.
BACKEND, VNI, ERROR = "backend", "vni", "error"


def relevant(annotations: object) -> dict[str, str]:
    """Those of a node's annotations that matter here."""
    if not isinstance(annotations, dict):
        return {}
    return {key: str(value) for key, value in annotations.items() if key == OWN or key.startswith(FLANNEL)}


def read(name: str, pod_cidrs: Sequence[str], internal: Sequence[str], told: Mapping[str, str]) -> dict[str, Any]:
    """A lease's entry for the node ``name``, as ``check`` takes it.

    ``internal``: its InternalIPs, ``told``: its relevant annotations. What cannot be read is told under ``error``.
    """
    entry: dict[str, Any] = {"name": name, "pod_cidrs": list(pod_cidrs)}
    try:
        own = _decoded(told, OWN)
        data = {version: _decoded(told, key) for version, key in _DATA.items()}
    except LeaseError as error:
        return {**entry, ERROR: str(error)}
    addresses = _by_version([*internal, *_texts(own.get("addresses"))])
    for version, key in _PUBLIC.items():
        public = told.get(key + _OVERWRITE) or told.get(key)
        if public:
            addresses[version] = public
    version = _version(own, data, internal)
    if version not in addresses:
        return {**entry, ERROR: "it has no InternalIP, and no annotation tells an address"}
    mine = data[version] or data[10 - version]
    entry.update(
        {key: value for key, value in own.items() if key in lease.KEYS},
        name=name,
        pod_cidrs=list(pod_cidrs),
        address=addresses[version],
        addresses=[addresses[each] for each in (version, 10 - version) if each in addresses],
    )
    for key, value in (
        ("vtep_mac", mine.get("VtepMAC")),
        ("public_key", mine.get("PublicKey")),
        (BACKEND, told.get(_TYPE) or own.get(BACKEND)),
        (VNI, mine.get("VNI")),
    ):
        if value is not None:
            entry[key] = value
    return entry


def check(config: Config, entry: Mapping[str, Any]) -> Lease:
    """``entry`` as a Lease of the overlay ``config``. Raises LeaseError where it is not one that this node could
    reach."""
    if ERROR in entry:
        raise LeaseError(entry[ERROR])
    backend, vni = entry.get(BACKEND), entry.get(VNI)
    if backend is not None and backend != config.backend.type:
        raise LeaseError(f"backend: {backend!r} is what it runs, and this node runs {config.backend.type}")
    if vni is not None and config.backend.type == "vxlan" and vni != config.backend.vni:
        raise LeaseError(f"backend: its VNI is {vni!r}, and this node's is {config.backend.vni}")
    return lease.parse({key: value for key, value in entry.items() if key not in (BACKEND, VNI)})


def write(config: Config, own: Lease) -> dict[str, str | None]:
    """What this node's annotations must be, None for those that must not be there."""
    backend = config.backend
    mine = {key: value for key, value in own.as_json().items() if key not in ("name", "pod_cidrs")}
    wanted: dict[str, str | None] = dict.fromkeys(WRITTEN)
    wanted[OWN] = _encoded({**mine, BACKEND: backend.type})
    wanted[_MANAGER] = "true"
    wanted[_TYPE] = backend.type
    addresses = _by_version([own.address, *own.addresses])
    for version, address in addresses.items():
        wanted[_PUBLIC[version]] = address
    if backend.type == "vxlan":
        # flanneld looks for the tunnel of each IP version at the address of that version; ours ends at one address. A
        # dual-stack flanneld has no use for a node that does not tell both, not even for IPv4.
        version = 6 if ":" in own.address else 4
        for each in {version, *(addresses if version == 4 and config.network(6) else ())}:
            wanted[_DATA[each]] = _encoded({"VNI": backend.vni, "VtepMAC": own.vtep_mac})
    else:
        key = mine.get("public_key")
        for version in addresses:
            wanted[_DATA[version]] = _encoded({"PublicKey": key} if key else None)
    return wanted


def difference(wanted: Mapping[str, str | None], told: Mapping[str, str]) -> dict[str, str | None]:
    """What of ``wanted`` is not as the node's annotations ``told`` are: the annotations of a merge patch (RFC 7396). An
    administrator's public-ip-overwrite is obeyed."""
    forced = {key: told[key + _OVERWRITE] for key in _PUBLIC.values() if wanted.get(key) and told.get(key + _OVERWRITE)}
    return {key: value for key, value in {**wanted, **forced}.items() if told.get(key) != value}


def _version(own: Mapping[str, Any], data: Mapping[int, Mapping[str, Any]], internal: Sequence[str]) -> int:
    """The IP version that tunnels to the node have."""
    if data[4] or data[6]:
        return 4 if data[4] else 6
    first = own.get("address") or (internal[0] if internal else "")
    return 6 if ":" in str(first) else 4


def _by_version(addresses: Sequence[str]) -> dict[int, str]:
    """The first address of each IP version."""
    found: dict[int, str] = {}
    for address in addresses:
        found.setdefault(6 if ":" in address else 4, address)
    return found


def _texts(value: object) -> list[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def _decoded(told: Mapping[str, str], key: str) -> dict[str, Any]:
    text = told.get(key, "")
    if not text or text == "null":
        return {}
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise LeaseError(f"annotation {key}: {text[:80]!r} is not a JSON object")
    return value


def _encoded(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), sort_keys=True)
