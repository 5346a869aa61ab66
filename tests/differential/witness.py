# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ip, bridge, tc, nft and iptables tell of a side, as {path: value}, with names and MAC addresses made the same.

A host's end of a pod's link is called "port1" (of the first pod) whatever its name; a MAC address is called by whose it
is, unless the configuration names it; link-local addresses follow from MAC addresses and are called so.
"""

from __future__ import annotations

import json
import re
import subprocess
from typing import Any

from side import Side

#: One shell tells everything of a namespace; the answers are parted by this. Each answer of `ip -batch` is a line.
PART = "--- part ---"
SCRIPT = f"""
printf 'link\\naddress\\n' | ip -j -d -batch -
printf 'route show table all\\nrule\\n' | ip -4 -j -d -batch -
printf 'route show table all\\nrule\\n' | ip -6 -j -d -batch -; echo '{PART}'
bridge -j vlan show; echo '{PART}'; tc -j -d qdisc show; echo '{PART}'
cd /proc/sys/net
grep -H . ipv4/ip_forward ipv6/conf/all/forwarding ipv4/conf/*/arp_notify ipv4/conf/*/route_localnet \
    ipv4/conf/*/proxy_arp ipv4/conf/*/rp_filter ipv6/conf/*/disable_ipv6 ipv6/conf/*/keep_addr_on_down \
    ipv6/conf/*/accept_dad ipv6/conf/*/ndisc_notify ipv6/conf/*/accept_ra core/somaxconn; echo '{PART}'
"""
FIREWALL = f"nft -j list ruleset; echo '{PART}'; iptables-save; echo '{PART}'; ip6tables-save"
#: What the kernel counts or derives from MAC addresses.
VOLATILE = re.compile(r"timer|_id$|^id$|^no$|designated|bridge_id|root_|_cnt$|gc_|topology|address|last_member|usec")
FLAGS = ("UP", "PROMISC", "ALLMULTI", "NOARP", "MULTICAST")
MAC = re.compile(r"^([0-9a-f]{2}:){5}[0-9a-f]{2}$")
#: What kernels before 6.x print of every bridge port or link and no plugin of either side sets.
LINK_KEYS = ("mtu", "txqlen", "ifalias", "master", "group")


class State:
    """A side's state when it is made: ``flat`` is it, ``name`` what the answers' MAC addresses and links are called."""

    def __init__(self, side: Side, pods: list[int]) -> None:
        self.side = side
        self.flat: dict[str, Any] = {}
        self.macs: dict[str, str] = {}
        self.links: dict[str, str] = {}
        told = {"host": _ask(side.netns)}
        told.update({f"pod{number}": _ask(side.pods[number - 1]) for number in pods})
        self._learn(told)
        for place, parts in told.items():
            self._links(place, parts[0])
            self._addresses(place, parts[1])
            self._routes(place, parts[2] + parts[4])
            self._rules(place, parts[3] + parts[5])
            self._vlans(place, parts[6])
            self._queues(place, parts[7])
            self._sysctls(place, parts[8])
        self._firewall()
        self._store()

    # -- names ---------------------------------------------------------------------------------------------------

    def _learn(self, told: dict[str, list]) -> None:
        """Finds out which link of the host leads to which pod, and whose the MAC addresses are."""
        inside = {
            link["link_index"]: place
            for place, parts in told.items()
            for link in parts[0]
            if place != "host" and link.get("link_index") and link.get("linkinfo", {}).get("info_kind") == "veth"
        }
        spoken = json.dumps([self.side.case.chain, self.side.case.capabilities, self.side.case.args]).lower()
        for place, parts in told.items():
            limiters = [link["ifname"] for link in parts[0] if link.get("linkinfo", {}).get("info_kind") == "ifb"]
            for link in parts[0]:
                name = link["ifname"]
                if name in limiters:  # bandwidth's, whose name the plugin chooses
                    self.links[name] = name = f"limiter{limiters.index(name) + 1}"
                if place == "host" and link["ifindex"] in inside and "link_netnsid" in link:
                    name = "port" + inside[link["ifindex"]][3:]
                    self.links[link["ifname"]] = name
                mac = link.get("address", "")
                if MAC.match(mac) and mac not in spoken and mac != "00:00:00:00:00:00":
                    self.macs[mac] = f"MAC of {place}'s {name}"

    def named(self, value: Any) -> Any:
        """`value` with links, MAC addresses, namespaces and directories under the names that both sides share."""
        if isinstance(value, dict):
            return {key: self.named(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.named(item) for item in value]
        if not isinstance(value, str):
            return value
        if value in self.links:
            return self.links[value]
        if value.lower() in self.macs:
            return self.macs[value.lower()]
        return value.replace(self.side.netns, "NETNS").replace(str(self.side.directory), "DIR")

    def _put(self, path: str, values: dict[str, Any]) -> None:
        for key, value in values.items():
            if value not in (None, [], {}):
                self.flat[f"{path}/{key}"] = self.named(value)

    # -- one kind of object each ---------------------------------------------------------------------------------

    def _links(self, place: str, links: list[dict]) -> None:
        for link in links:
            path = f"{place}/link/{self.named(link['ifname'])}"
            info = link.get("linkinfo", {})
            self._put(path, {"kind": info.get("info_kind", "device"), "mac": link.get("address")})
            self._put(path, {key: link.get(key) for key in LINK_KEYS})
            # Carrier (LOWER_UP, operstate) is left out: the kernel tells of it a moment later.
            self._put(path, {"flags": " ".join(flag for flag in FLAGS if flag in link["flags"])})
            for part in ("info_data", "info_slave_data"):
                told = info.get(part, {})
                self._put(f"{path}/{part}", {key: told[key] for key in told if not VOLATILE.search(key)})

    def _addresses(self, place: str, links: list[dict]) -> None:
        for link in links:
            for item in link.get("addr_info", []):
                local = item["local"]
                if local.startswith("fe80:"):
                    continue
                path = f"{place}/address/{self.named(link['ifname'])}/{local}/{item['prefixlen']}"
                kept = ("scope", "broadcast", "nodad", "tentative", "noprefixroute", "dynamic", "address", "label")
                self._put(path, {key: item.get(key) for key in kept})

    def _routes(self, place: str, routes: list[dict]) -> None:
        for route in routes:
            if route.get("table") == "local" or route["dst"].startswith(("fe80:", "ff00:")):
                continue
            device = self.named(route.get("dev", route.get("type", "")))
            path = f"{place}/route/{route.get('table', 'main')}/{route['dst'].replace('/', '_')} {device}"
            for key in ("gateway", "scope", "prefsrc", "metric", "metrics", "protocol", "type", "flags"):
                flags = [flag for flag in route.get("flags", []) if flag != "linkdown"]
                self._put(path, {key: flags if key == "flags" else route.get(key)})

    def _rules(self, place: str, rules: list[dict]) -> None:
        for rule in rules:
            if rule.get("table") not in ("local", "main", "default"):
                path = f"{place}/rule/{rule.get('table', 'VRF')}/{rule.get('src')} {rule.get('dst', '')}"
                self._put(path, {key: rule.get(key) for key in ("priority", "iif", "oif", "fwmark")})

    def _vlans(self, place: str, links: list[dict]) -> None:
        for link in links:
            for item in link.get("vlans", []):
                words = f"{item['vlan']}-{item.get('vlanEnd', item['vlan'])}"
                self._put(f"{place}/vlan/{self.named(link['ifname'])}", {words: " ".join(item.get("flags", ["-"]))})

    def _queues(self, place: str, queues: list[dict]) -> None:
        for item in queues:
            if item["kind"] not in ("noqueue", "pfifo_fast", "fq_codel", "mq"):
                path = f"{place}/queue/{self.named(item['dev'])}/{item['kind']}"
                self._put(path, {"parent": item.get("parent") or "root", **item.get("options", {})})

    def _sysctls(self, place: str, lines: list[str]) -> None:
        for line in lines:
            name, _colon, value = line.partition(":")
            words = [self.named(word) for word in name.split("/")]
            self.flat[f"{place}/sysctl/{'/'.join(words)}"] = value

    # -- translation and filtering: what it comes to, in one vocabulary ---------------------------------------------

    def _firewall(self) -> None:
        texts = _run(self.side.netns, FIREWALL).split(PART)
        nft = json.loads(texts[0])["nftables"] if texts[0].strip() else []
        self._elements(nft)
        for family, text in ((4, texts[1]), (6, texts[2])):
            self._rules_of_iptables(family, text)
        for item in nft:
            if "table" in item and item["table"]["name"] not in ("podnet", "nat", "filter", "mangle", "raw"):
                self.flat[f"host/table/{item['table']['family']} {item['table']['name']}"] = True

    def _elements(self, nft: list[dict]) -> None:
        """Ours: elements of the table ``inet podnet``."""
        sets: dict[str, list] = {}
        for item in nft:
            for kind in ("set", "map"):
                if kind in item and item[kind]["table"] == "podnet":
                    sets[item[kind]["name"]] = [_plain(element) for element in item[kind].get("elem", [])]
        for family in (4, 6):
            for element, chain in sets.get(f"masquerade_from{family}", []):
                self._masqueraded(element, [_subnet_of(chain)])
            self._accepted_by_sets(family, sets)
            everywhere = {tuple(element) for element in sets.get(f"hostport_masq_all{family}", [])}
            own = {tuple(element): _subnet_of(chain) for element, chain in sets.get(f"hostport_hairpin{family}", [])}
            for name in (f"hostports{family}", f"hostports_at{family}"):
                for key, target in sets.get(name, []):
                    address, protocol, port = key if len(key) == 3 else ("", *key)
                    seen = (protocol, port, target[0])
                    sources = {"everywhere"} if seen in everywhere else set()
                    if seen in own and not sources:
                        sources = {own[seen], *(["127.0.0.1/32"] if family == 4 else [])}
                    self._host_port(family, protocol, address, port, target, sources)

    def _accepted_by_sets(self, family: int, sets: dict[str, list]) -> None:
        """The firewall plugin of ours: an address in one set, and in another the operator's chain for it."""
        accepted = sets.get(f"firewall_pods{family}", [])
        for element in accepted:
            self.flat[f"host/forward/from {element}"] = "accepted"
            self.flat[f"host/forward/to {element}"] = "answers accepted"
        if accepted and {element for element, _jump in sets[f"firewall_admin{family}"]} == set(accepted):
            self.flat[f"host/forward/IPv{family}"] = "the operator's chain comes first"

    def _rules_of_iptables(self, family: int, text: str) -> None:
        """Go's: a chain for each attachment in the table nat; what it means is told by its rules."""
        chains: dict[str, list[str]] = {}
        for line in text.splitlines():
            if line.startswith("-A "):
                chains.setdefault(line.split(" ", 2)[1], []).append(line)
        for line in chains.get("POSTROUTING", []):
            source, chain = _word(line, "-s"), _word(line, "-j")
            if source and chain.startswith("CNI-") and any("-j MASQUERADE" in one for one in chains.get(chain, [])):
                inside = [_word(one, "-d") for one in chains[chain] if "-j ACCEPT" in one]
                self._masqueraded(source.partition("/")[0], inside)
        for name, lines in chains.items():
            if not name.startswith("CNI-DN-"):
                continue
            for line in lines:
                if "-j DNAT" not in line:
                    continue
                protocol, port, address = _word(line, "-p"), int(_word(line, "--dport")), _word(line, "-d")
                target = _word(line, "--to-destination").rpartition(":")
                same = [
                    one
                    for one in lines
                    if "SETMARK" in one
                    and _word(one, "--dport") == str(port)
                    and _word(one, "-p") == protocol
                    and _word(one, "-d") == address
                ]
                sources = {_word(one, "-s") or "everywhere" for one in same}
                sources = {"everywhere"} if "everywhere" in sources else sources
                destination = [target[0].strip("[]"), int(target[2])]
                self._host_port(family, protocol, address.partition("/")[0], port, destination, sources)
        self._accepted_by_iptables(family, chains.get("CNI-FORWARD", []))

    def _accepted_by_iptables(self, family: int, lines: list[str]) -> None:
        """The firewall plugin of Go's: the operator's chain comes first, then two rules for each address."""
        for line in lines:
            source, destination = _word(line, "-s").partition("/")[0], _word(line, "-d").partition("/")[0]
            if _word(line, "-j") == "CNI-ADMIN" and line == lines[0]:
                self.flat[f"host/forward/IPv{family}"] = "the operator's chain comes first"
            elif _word(line, "-j") == "ACCEPT" and source:
                self.flat[f"host/forward/from {source}"] = "accepted"
            elif _word(line, "-j") == "ACCEPT" and destination and "RELATED,ESTABLISHED" in line:
                self.flat[f"host/forward/to {destination}"] = "answers accepted"
            else:
                self.flat[f"host/forward/{line}"] = "unknown"

    def _masqueraded(self, address: str, inside: list[str]) -> None:
        self.flat[f"host/masquerade/{address}"] = f"but to {', '.join(inside)} and multicast"

    def _host_port(self, family: int, protocol: str, address: str, port: int, target: list, sources: set) -> None:
        path = f"host/port/IPv{family} {protocol} {address or '*'}:{port}"
        self.flat[path] = f"{target[0]}:{target[1]}"
        self.flat[f"{path}/masqueraded from"] = sorted(sources)

    # -- files ------------------------------------------------------------------------------------------------------

    def _store(self) -> None:
        data = self.side.directory / "data"
        for path in sorted(data.rglob("*")):
            name = f"store/{path.relative_to(data)}"
            if path.is_symlink():
                self.flat[name] = "-> " + str(path.readlink())
            elif path.is_file():
                content = path.read_bytes()
                self.flat[name] = content.decode() if path.name not in (".index", "lock") else "…"


def _ask(netns: str) -> list:
    """Links, links with addresses, routes and rules of IPv4, those of IPv6, VLANs, queues, and lines of sysctls."""
    ip, vlans, queues, sysctls, _end = _run(netns, SCRIPT).split(PART)
    told = [json.loads(line) for line in ip.split("\n") if line]
    assert len(told) == 6, f"ip tells less of {netns} than it was asked: {ip}"
    return [*told, *[json.loads(part.strip() or "[]") for part in (vlans, queues)], sysctls.split()]


def _run(netns: str, script: str) -> str:
    words = ["nsenter", f"--net=/run/netns/{netns}", "--", "sh", "-c", script]
    return subprocess.run(words, capture_output=True, text=True, check=False).stdout


def _word(line: str, option: str) -> str:
    words = line.split()
    return words[words.index(option) + 1] if option in words else ""


def _plain(element: Any) -> Any:
    """An element without its comment, a concatenation as a list, a map's as [key, value]."""
    if isinstance(element, dict):
        if "elem" in element:
            return _plain(element["elem"]["val"])
        if "concat" in element:
            return [_plain(item) for item in element["concat"]]
    if isinstance(element, list):
        return [_plain(item) for item in element]
    return element


def _subnet_of(verdict: Any) -> str:
    """The subnet that a chain of ours, to which an element of a map leads, is named after."""
    return str(verdict["jump"]["target"].partition("-")[2].replace("_", ":"))
