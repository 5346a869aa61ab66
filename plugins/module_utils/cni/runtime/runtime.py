# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The runtime's side: executes the plugins of a configuration list, as libcni does.

The cache of results is libcni's too, in place and form: ``<cache>/results/<network>-<container>-<interface>``.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from typing import Any

from ...ipam.files import make_directory
from ...netlink.netns import is_netns
from ..exec import delegate
from ..exec.attachment_lock import Turn
from ..spec import result
from ..spec.call import VALID_ATTACHMENTS, Call
from ..spec.config import previous_result
from ..spec.conflist import Conflist
from ..spec.environment import Environment, identifier, interface_name
from ..spec.errors import ENVIRONMENT, INCOMPATIBLE_VERSION, INTERNAL, CniError
from ..spec.result import at_least

CACHE = "/var/lib/cni"
BIN_DIRS = ("/opt/podnet/current/bin",)
KIND = "cniCacheV1"
#: The executable that no other implementation has.
TOOL = "podnet-cni"


class Attachment:
    """A container's interface on a network: ``netns`` is a path, ``args`` become CNI_ARGS, ``capabilities`` what
    ``runtimeConfig`` is made from ({"portMappings": […]})."""

    def __init__(
        self,
        container_id: str,
        netns: str = "",
        ifname: str = "eth0",
        args: Mapping[str, str] | None = None,
        capabilities: Mapping[str, Any] | None = None,
    ) -> None:
        self.container_id = container_id
        self.netns = netns
        self.ifname = ifname
        self.args = dict(args or {})
        self.capabilities = dict(capabilities or {})


class Runtime:
    """Invokes configuration lists. ``bin_dirs`` is where the plugins are, ``cache`` where results are kept."""

    def __init__(self, bin_dirs: Iterable[str] = BIN_DIRS, cache: str = CACHE) -> None:
        self.bin_dirs = [os.fspath(directory) for directory in bin_dirs]
        self.cache = cache

    # -- the verbs -----------------------------------------------------------------------------------------------

    def add(self, network: Conflist, to: Attachment) -> dict[str, Any]:
        """Attaches; returns the chain's result as its last plugin printed it. Raises CniError (the plugin's)."""
        self._check_names(to)
        previous: dict[str, Any] | None = None
        for plugin in network.plugins:
            previous = self._execute("ADD", network, plugin, to, previous)
        self._keep(network, to, previous or {})
        return previous or {}

    def delete(self, network: Conflist, of: Attachment) -> None:
        """Detaches, last plugin first; stops at the first that fails. A missing attachment is no error.

        By the list that ADD had, whatever the present one says: what a plugin made it alone removes.
        """
        self._check_names(of)
        entry = self.cached(network.name, of)
        network = _list_of(entry) or network if entry else network
        cached = entry if at_least(network.version, "0.4.0") else None
        previous = _in_version(cached["result"], network.version) if cached else None
        if cached:
            # Capabilities that the runtime does not repeat are those of ADD.
            of.args = of.args or dict(cached.get("cniArgs") or [])
            of.capabilities = of.capabilities or cached.get("capabilityArgs") or {}
        for plugin in reversed(network.plugins):
            self._execute("DEL", network, plugin, of, previous)
        self._forget(network.name, of)

    def check(self, network: Conflist, of: Attachment) -> None:
        """Calls CHECK of every plugin. Raises CniError for the first difference."""
        self._check_names(of)
        if not at_least(network.version, "0.4.0"):
            raise CniError(
                INCOMPATIBLE_VERSION, f"configuration version {network.version!r} does not support CHECK command"
            )
        if network.disable_check:
            return
        cached = self.cached(network.name, of)
        if cached is None:
            raise CniError(INTERNAL, f"no cached result for {of.container_id} {of.ifname} on {network.name}")
        of.args = of.args or dict(cached.get("cniArgs") or [])
        of.capabilities = of.capabilities or cached.get("capabilityArgs") or {}
        previous = _in_version(cached["result"], network.version)
        for plugin in network.plugins:
            self._execute("CHECK", network, plugin, of, previous)

    def status(self, network: Conflist) -> None:
        """Raises CniError (50, 51) if a plugin is not ready. Does nothing below version 1.1.0, which has no STATUS."""
        if not at_least(network.version, "1.1.0"):
            return
        for plugin in network.plugins:
            self._execute("STATUS", network, plugin, Attachment(""), None)

    def collect(self, network: Conflist, valid: Iterable[tuple[str, str]]) -> list[str]:
        """Garbage collection: removes every attachment but the ``valid`` ones, (container ID, interface) each.

        First the cached ones by DEL, then by GC of every plugin. Continues past failures and returns them. Does
        nothing for a network with ``disableGC``, to which another runtime may have attachments. Raises CniError for an
        invalid entry in ``valid``.
        """
        keep = set(valid)
        for container, ifname in keep:  # a wrong entry here would remove a live attachment
            self._check_names(Attachment(container, ifname=ifname))
        failures: list[str] = []
        if network.disable_gc:
            return failures
        for entry in self.attachments(network.name):
            if (entry["containerId"], entry["ifName"]) in keep:
                continue
            try:
                netns = entry.get("netns", "")
                self.delete(network, Attachment(entry["containerId"], netns, entry["ifName"]))
            except CniError as error:
                failures.append(f"DEL {entry['containerId']} {entry['ifName']}: {error}")
        if not at_least(network.version, "1.1.0"):
            return failures
        listed = [{"containerID": container, "ifname": ifname} for container, ifname in sorted(keep)]
        keys = dict.fromkeys(VALID_ATTACHMENTS, listed)
        for plugin in network.plugins:
            try:
                self._execute("GC", network, {**plugin, **keys}, Attachment(""), None)
            except CniError as error:
                failures.append(f"GC {plugin['type']}: {error}")
        return failures

    def restore(self, network: Conflist) -> list[str]:
        """Adds the nftables elements of all live attachments again, after their tables were deleted: host ports,
        masquerade, firewall, MAC spoof check. Foreign plugins are passed over.

        Continues past failures and returns them.
        """
        failures: list[str] = []
        for entry in self.attachments(network.name):
            inside = (each.get("sandbox") for each in entry["result"].get("interfaces") or [])
            netns = entry.get("netns") or next(filter(None, inside), "")
            args, capabilities = dict(entry.get("cniArgs") or []), entry.get("capabilityArgs") or {}
            of = Attachment(entry["containerId"], netns, entry["ifName"], args, capabilities)
            if not is_netns(netns):
                continue
            env = Environment(self._environment("ADD", of))
            for plugin in filter(self._is_ours, network.plugins):
                conf = self._conf(network, plugin, of, entry["result"])
                try:
                    with Turn(env):
                        delegate.restore(plugin["type"], Call(env, conf, previous_result(conf)))
                except CniError as error:
                    failures.append(f"{of.container_id} {of.ifname}: {plugin['type']}: {error}")
            if self.cached(network.name, of) is None:  # it was deleted meanwhile
                for plugin in reversed(network.plugins):
                    self._execute("DEL", network, plugin, of, entry["result"])
        return failures

    def _is_ours(self, plugin: dict) -> bool:
        """Whether a plugin's executable is ours: podnet-cni is in the same directory."""
        try:
            return os.path.exists(os.path.join(os.path.dirname(delegate.find(plugin["type"], self.bin_dirs)), TOOL))
        except CniError:
            return False

    def version(self, plugin: str) -> list[str]:
        """The specification versions that a plugin supports."""
        answer = self._run(plugin, "VERSION", {"cniVersion": result.VERSIONS[-1]}, Attachment(""))
        return list((answer or {}).get("supportedVersions", ["0.1.0"]))

    # -- one plugin ----------------------------------------------------------------------------------------------

    def _execute(
        self, command: str, network: Conflist, plugin: dict, attachment: Attachment, previous: dict | None
    ) -> dict[str, Any] | None:
        return self._run(plugin["type"], command, self._conf(network, plugin, attachment, previous), attachment)

    @staticmethod
    def _conf(network: Conflist, plugin: dict, attachment: Attachment, previous: dict | None) -> dict[str, Any]:
        conf = {key: value for key, value in plugin.items() if key != "capabilities"}
        conf = {"cniVersion": network.version, "name": network.name, **conf}
        conf["cniVersion"], conf["name"] = network.version, network.name
        wanted = plugin.get("capabilities") or {}
        supplied = {key: attachment.capabilities[key] for key in attachment.capabilities if wanted.get(key)}
        if supplied:
            conf["runtimeConfig"] = supplied
        if previous is not None:
            conf["prevResult"] = previous
        return conf

    def _environment(self, command: str, attachment: Attachment) -> dict[str, str]:
        return {
            "CNI_COMMAND": command,
            "CNI_CONTAINERID": attachment.container_id,
            "CNI_NETNS": attachment.netns,
            "CNI_IFNAME": attachment.ifname if attachment.container_id else "",
            "CNI_PATH": ":".join(self.bin_dirs),
            "CNI_ARGS": ";".join(f"{key}={value}" for key, value in attachment.args.items()),
        }

    def _run(self, plugin: str, command: str, conf: dict, attachment: Attachment) -> dict[str, Any] | None:
        path = delegate.find(plugin, self.bin_dirs)
        env = {**os.environ, **self._environment(command, attachment)}
        done = subprocess.run([path], input=json.dumps(conf).encode(), stdout=subprocess.PIPE, env=env, check=False)
        if not done.returncode and command not in ("ADD", "VERSION"):  # no result is expected
            return None
        try:
            answer = json.loads(done.stdout) if done.stdout.strip() else None
        except ValueError:
            raise CniError(INTERNAL, f"plugin {plugin} printed invalid JSON: {done.stdout[:200]!r}") from None
        if done.returncode:
            if isinstance(answer, dict) and "code" in answer:
                raise CniError(answer["code"], answer.get("msg", ""), answer.get("details", ""))
            raise CniError(INTERNAL, f"plugin {plugin} failed with exit status {done.returncode} and no error message")
        return answer

    @staticmethod
    def _check_names(attachment: Attachment) -> None:
        if not identifier(attachment.container_id):
            raise CniError(ENVIRONMENT, f"invalid container ID {attachment.container_id!r}")
        if not interface_name(attachment.ifname):
            raise CniError(ENVIRONMENT, f"invalid interface name {attachment.ifname!r}")

    # -- the cache -----------------------------------------------------------------------------------------------

    def _path(self, network: str, attachment: Attachment) -> str:
        return os.path.join(self.cache, "results", f"{network}-{attachment.container_id}-{attachment.ifname}")

    def _keep(self, network: Conflist, to: Attachment, answer: dict[str, Any]) -> None:
        entry = {
            "kind": KIND,
            "containerId": to.container_id,
            # with the plugins of drop-in files, which may be others by the time of DEL
            "config": base64.b64encode(
                json.dumps({**network.content, "plugins": network.plugins, "loadOnlyInlinedPlugins": True}).encode()
            ).decode(),
            "ifName": to.ifname,
            "networkName": network.name,
            "netns": to.netns,
            "cniArgs": [[key, value] for key, value in to.args.items()],
            "capabilityArgs": to.capabilities,
            "result": answer,
        }
        path = self._path(network.name, to)
        make_directory(os.path.dirname(path), 0o700)
        descriptor, fresh = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".")
        try:
            with open(descriptor, "w", encoding="utf-8") as file:
                json.dump(entry, file)
            os.rename(fresh, path)
        except OSError:
            os.unlink(fresh)  # the disk is full: not by us
            raise

    def _forget(self, network: str, attachment: Attachment) -> None:
        try:
            os.unlink(self._path(network, attachment))
        except FileNotFoundError:
            pass

    def cached(self, network: str, attachment: Attachment) -> dict[str, Any] | None:
        """An attachment's cache entry, None if it is missing or damaged. OSError for one that cannot be read: by
        another list DEL would leave what ADD made."""
        return self._read(self._path(network, attachment))

    def attachments(self, network: str) -> list[dict[str, Any]]:
        """The cache entries of all attachments to a network."""
        directory = os.path.join(self.cache, "results")
        try:
            names = sorted(os.listdir(directory))
        except FileNotFoundError:
            return []
        entries = []
        for name in names:
            with contextlib.suppress(OSError):  # the others count all the same
                entries.append(None if name.startswith(".") else self._read(os.path.join(directory, name)))
        return [entry for entry in entries if entry and entry.get("networkName") == network]

    @staticmethod
    def _read(path: str) -> dict[str, Any] | None:
        try:
            with open(path, encoding="utf-8") as file:
                entry = json.load(file)
        except (FileNotFoundError, ValueError):
            return None
        if not isinstance(entry, dict) or entry.get("kind") != KIND or not isinstance(entry.get("result"), dict):
            return None
        return entry


def _list_of(entry: dict[str, Any]) -> Conflist | None:
    """The configuration list in a cache entry; None if it has no valid one of its network."""
    try:
        found = Conflist(json.loads(base64.b64decode(entry.get("config") or "")))
    except (ValueError, TypeError):
        return None
    return found if found.name == entry.get("networkName") else None


def _in_version(noted: dict[str, Any], version: str) -> dict[str, Any]:
    """A cached result in the configuration's present version; unchanged if it is invalid."""
    if noted.get("cniVersion") == version:
        return noted
    try:
        return result.render(result.parse(noted, version), version)
    except ValueError:
        return noted
