# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""host-local: addresses from ranges of this node, kept in files (see ipam/store.py)."""

from __future__ import annotations

from ...ipam.files import writable
from ...ipam.ip import parse_address, to_text
from ...ipam.ranges import RangeSet, parse_sets
from ...ipam.store import Exhausted, Refused, Store
from ..spec import config, result
from ..spec.environment import known_args
from ..spec.errors import INTERNAL, IO, NOT_AVAILABLE, TRY_AGAIN, CniError, config_error
from ..spec.result import at_least

TYPE_CHECKING = False  # a type checker takes it for true; importing typing costs time
if TYPE_CHECKING:
    from ..spec.call import Call

DATA_DIR = "/var/lib/cni/networks"
RESOLV_CONF_MAX = 1 << 16
RANGE = ("subnet", "rangeStart", "rangeEnd", "gateway")


def add(call: Call) -> dict:
    """Reserves an address from each range set."""
    sets = range_sets(call)
    if not sets:
        raise config_error("no IP ranges specified")
    if not at_least(call.version, "0.3.0"):
        families = [item.family for item in sets]
        if len(families) != len(set(families)):
            raise config_error(f"CNI version {call.version} does not support more than 1 address per family")
    known_args(call.env.args)
    wanted = requested(call, sets)
    answer = result.new()
    answer["routes"] = config.routes(ipam(call))
    answer["dns"] = dns(call)
    store = Store(directory(call), sets)
    try:
        with store:
            got = store.reserve(call.owner, wanted)
    except Exhausted as error:
        raise CniError(TRY_AGAIN, str(error)) from None
    except Refused as error:
        raise CniError(INTERNAL, str(error)) from None
    except OSError as error:
        raise _io(error) from None
    for ranges, (number, source) in zip(sets, got):
        kind = ranges.family
        item = {"address": f"{to_text(kind, number)}/{source.subnet.length}", "gateway": to_text(kind, source.gateway)}
        answer["ips"].append(item)
    return answer


def delete(call: Call) -> None:
    """Releases the attachment's addresses."""
    _with_store(call, lambda store: store.release(call.owner))


def check(call: Call) -> None:
    """The attachment's addresses are reserved for it."""
    held = _with_store(call, lambda store: store.addresses(call.owner), write=False) or []
    addresses = [item["address"].partition("/")[0] for item in call.previous["ips"]] if call.previous else []
    ranges = range_sets(call)
    for text in addresses:
        address = parse_address(text)
        ours = any(item.position(address) is not None for item in ranges)
        if ours and to_text(*address) not in held:
            raise CniError(INTERNAL, f"host-local: {text} is not reserved for {' '.join(call.owner)}")
    if not held:
        raise CniError(INTERNAL, f"host-local: Failed to find address added by container {call.env.container_id}")


def status(call: Call) -> None:
    """Not available (50) without a range, unless the runtime can supply one, or where no reservation can be written.

    A full range is no such state: containerd turns every error into a node that is NotReady, with all its pods well.
    It asks every few seconds, so this reads no reservation and waits for no lock.
    """
    # libcni leaves the key "capabilities" in the configuration; ADD brings the ranges
    if not range_sets(call) and not config.mapping(call.conf, "capabilities").get("ipRanges"):
        raise CniError(NOT_AVAILABLE, "no IP ranges specified")
    where = directory(call)
    if not writable(where):
        raise CniError(NOT_AVAILABLE, f"host-local: cannot write to {where}")


def gc(call: Call) -> None:
    """Releases the addresses of all but the valid attachments."""
    valid = call.valid_attachments()
    _with_store(call, lambda store: store.release_all_but(valid))


def ipam(call: Call) -> dict:
    """The ``ipam`` section."""
    section = config.mapping(call.conf, "ipam")
    if not section:
        raise config_error("IPAM config missing 'ipam' key")
    return section


def directory(call: Call) -> str:
    """The directory of this network's reservations."""
    return f"{config.string(ipam(call), 'dataDir', DATA_DIR).rstrip('/')}/{call.network}"


def range_sets(call: Call) -> list[RangeSet]:
    """The configured range sets, after those of the runtime. CniError 7 for an invalid one."""
    section = ipam(call)
    sets = []
    if config.value(section, "subnet"):  # the old form: one range, inline
        sets.append([section])
    sets = _lists(call.runtime(), "ipRanges") + sets + _lists(section, "ranges")
    sets = [[{key: config.string(item, key) for key in RANGE} for item in items] for items in sets]
    try:
        return parse_sets(sets)
    except ValueError as error:
        raise config_error(f"invalid range: {error}") from None


def _lists(section: dict, key: str) -> list[list[dict]]:
    value = config.value(section, key)
    if value is None:
        return []
    if not isinstance(value, list) or not all(
        isinstance(items, list) and all(isinstance(item, dict) for item in items) for items in value
    ):
        raise config_error(f"{key} must be a list of lists of objects, not {value!r}")
    return value


def requested(call: Call, sets: list[RangeSet]) -> dict[int, int]:
    """The requested addresses: range set's number → address.

    CNI_ARGS's IP, then args.cni.ips, then runtimeConfig.ips; for each range set the last source that has one wins.
    """
    by_args = [call.env.args["IP"]] if call.env.args.get("IP") else []
    wanted: dict[int, int] = {}
    for texts in (by_args, config.strings(call.args(), "ips"), config.strings(call.runtime(), "ips")):
        wanted.update(_in_sets(texts, sets))
    return wanted


def _in_sets(texts: list[str], sets: list[RangeSet]) -> dict[int, int]:
    """Range set's number → address, for one source's addresses, each of which must have a set for itself."""
    found: dict[int, int] = {}
    for text in texts:
        try:
            address = parse_address(text.partition("/")[0])
        except ValueError as error:
            raise config_error(f"requested IP: {error}") from None
        for number, ranges in enumerate(sets):
            if number not in found and any(address in part.subnet for part in ranges):
                found[number] = address[1]
                break
        else:
            raise config_error(f"failed to allocate all requested IPs: {text}")
    return found


def dns(call: Call) -> dict:
    """The file ``resolvConf`` as a result's dns."""
    path = config.string(ipam(call), "resolvConf")
    if not path:
        return {}
    found: dict = {"nameservers": [], "search": [], "options": [], "domain": ""}
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            lines = file.read(RESOLV_CONF_MAX).splitlines()
    except (OSError, ValueError) as error:
        raise CniError(IO, f"resolvConf {path}: {error}") from None
    for line in lines:
        words = line.split()
        if len(words) < 2 or words[0][0] in "#;":
            continue
        if words[0] == "nameserver":
            found["nameservers"].append(words[1])
        elif words[0] == "domain":
            found["domain"] = words[1]
        elif words[0] in ("search", "options"):
            found[words[0]] += words[1:]
    return found


def _with_store(call: Call, work, write: bool = True):
    """Does `work` on the locked store; None if there is no store. CHECK and STATUS do not `write`."""
    try:
        sets = range_sets(call)
    except CniError:
        sets = []  # DEL releases reservations even if the ranges are invalid by now
    store = Store(directory(call), sets)
    try:
        if not store.open(write=write):
            return None
        try:
            return work(store)
        finally:
            store.close()
    except OSError as error:
        raise _io(error) from None


def _io(error: OSError) -> CniError:
    return CniError(IO, f"host-local: {error.strerror or error}", str(error))
