# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The annotations by which nodes report their leases: ours, and flannel's.

    podnet.cluster/lease                             {"address":"10.77.0.12","backend":"vxlan","vtep_mac":"02:…",…}
    flannel.alpha.coreos.com/kube-subnet-manager     true
    flannel.alpha.coreos.com/backend-type            vxlan
    flannel.alpha.coreos.com/backend-data            {"VNI":1,"VtepMAC":"02:…"}     (backend-v6-data: over IPv6)
    flannel.alpha.coreos.com/public-ip               10.77.0.12                     (public-ipv6)
    flannel.alpha.coreos.com/public-ip-overwrite     an administrator's, wins over public-ip (public-ipv6-overwrite)

An agent of ours writes both, so that nodes run by flanneld and nodes run by us form one network. Where the two differ,
flannel's are the younger: flanneld runs the node now, and knows nothing of ours. A node that has neither is reached at
its InternalIP, and by the MAC address that follows from its name.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ..findings.codes import Code
from ..ipam.ip import by_version, version_of
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

#: Keys that only an entry made here has; ``lease.parse`` does not know them. REFUSED: the arguments of a LeaseError.
BACKEND, VNI, REFUSED = "backend", "vni", "refused"


def relevant(annotations: object) -> dict[str, str]:
    """Those of a node's annotations that matter here."""
    if not isinstance(annotations, dict):
        return {}
    return {key: str(value) for key, value in annotations.items() if key == OWN or key.startswith(FLANNEL)}


def read(
    name: str, pod_cidrs: Sequence[str], internal: Sequence[str], annotations: Mapping[str, str]
) -> dict[str, Any]:
    """A lease's entry for the node ``name``, JSON-ready, as ``check`` takes it.

    ``internal``: its InternalIPs, ``annotations``: its relevant ones.
    """
    entry: dict[str, Any] = {"name": name, "pod_cidrs": list(pod_cidrs)}
    try:
        own = _decoded(annotations, OWN)
        data = {version: _decoded(annotations, key) for version, key in _DATA.items()}
    except LeaseError as error:
        return {**entry, REFUSED: [error.code.value, error.parameters]}
    addresses = by_version([*internal, *_texts(own.get("addresses"))])
    for version, key in _PUBLIC.items():
        public = annotations.get(key + _OVERWRITE) or annotations.get(key)
        if public:
            addresses[version] = public
    version = _version(own, data, internal)
    if version not in addresses:
        return {**entry, REFUSED: [Code.LEASE_ADDRESS_MISSING.value, {}]}
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
        (BACKEND, annotations.get(_TYPE) or own.get(BACKEND)),
        (VNI, mine.get("VNI")),
    ):
        if value is not None:
            entry[key] = value
    return entry


def check(config: Config, entry: Mapping[str, Any]) -> Lease:
    """``entry`` as a Lease of the overlay ``config``. Raises LeaseError where it is not one that this node could
    reach."""
    if REFUSED in entry:
        code, parameters = entry[REFUSED]
        raise LeaseError(Code(code), **parameters)
    backend, vni = entry.get(BACKEND), entry.get(VNI)
    if backend is not None and backend != config.backend.type:
        raise LeaseError(Code.LEASE_OTHER_BACKEND, actual=str(backend), expected=config.backend.type)
    if vni is not None and config.backend.type == "vxlan" and vni != config.backend.vni:
        raise LeaseError(Code.LEASE_OTHER_VNI, actual=str(vni), expected=config.backend.vni)
    return lease.parse({key: value for key, value in entry.items() if key not in (BACKEND, VNI)})


def write(config: Config, own: Lease) -> dict[str, str | None]:
    """What this node's annotations should be, None for those that should not exist."""
    backend = config.backend
    mine = {key: value for key, value in own.as_json().items() if key not in ("name", "pod_cidrs")}
    wanted: dict[str, str | None] = dict.fromkeys(WRITTEN)
    wanted[OWN] = _encoded({**mine, BACKEND: backend.type})
    wanted[_MANAGER] = "true"
    wanted[_TYPE] = backend.type
    addresses = by_version([own.address, *own.addresses])
    for version, address in addresses.items():
        wanted[_PUBLIC[version]] = address
    if backend.type == "vxlan":
        # flanneld looks for the tunnel of each IP version at the address of that version; ours ends at one address. A
        # dual-stack flanneld ignores a node that does not report both, even for IPv4.
        version = version_of(own.address)
        for each in {version, *(addresses if version == 4 and config.network(6) else ())}:
            wanted[_DATA[each]] = _encoded({"VNI": backend.vni, "VtepMAC": own.vtep_mac})
    else:
        key = mine.get("public_key")
        for version in addresses:
            wanted[_DATA[version]] = _encoded({"PublicKey": key} if key else None)
    return wanted


def difference(wanted: Mapping[str, str | None], annotations: Mapping[str, str]) -> dict[str, str | None]:
    """What of ``wanted`` the node's ``annotations`` differ from: the annotations of a merge patch (RFC 7396). An
    administrator's public-ip-overwrite is obeyed."""
    forced = {
        key: annotations[key + _OVERWRITE]
        for key in _PUBLIC.values()
        if wanted.get(key) and annotations.get(key + _OVERWRITE)
    }
    return {key: value for key, value in {**wanted, **forced}.items() if annotations.get(key) != value}


def _version(own: Mapping[str, Any], data: Mapping[int, Mapping[str, Any]], internal: Sequence[str]) -> int:
    """The IP version that tunnels to the node have."""
    if data[4] or data[6]:
        return 4 if data[4] else 6
    first = own.get("address") or (internal[0] if internal else "")
    return version_of(str(first))


def _texts(value: object) -> list[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def _decoded(annotations: Mapping[str, str], key: str) -> dict[str, Any]:
    text = annotations.get(key, "")
    if not text or text == "null":
        return {}
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise LeaseError(Code.LEASE_INVALID, error=f"annotation {key}: {text[:80]!r} is not a JSON object")
    return value


def _encoded(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), sort_keys=True)
