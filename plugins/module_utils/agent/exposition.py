# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How metrics are written: by prometheus_client where the node has it, which also writes OpenMetrics, else by ourselves
in the text format 0.0.4. Both write the same samples.

The library costs memory, so it is loaded by the first scrape and not before.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator
from typing import Any

from .metrics import Family

TEXT = "text/plain; version=0.0.4; charset=utf-8"
PLAIN = "plain text"

#: From families and the request's Accept to the content type and the body.
Write = Callable[[list[Family], str], tuple[str, bytes]]


def render(families: list[Family], accept: str) -> tuple[str, str, bytes]:
    """The writer, in words; the content type; the body."""
    writer, write = _writer()
    try:
        return (writer, *write(families, accept))
    except Exception as error:  # a library that fails must not end the agent
        return (f"{PLAIN}, since {writer} failed: {type(error).__name__}: {error}", *plain(families))


@functools.cache
def _writer() -> tuple[str, Write]:
    """The writer, in words, and its function; found out once."""
    try:
        where, write = _library()
    except ModuleNotFoundError as error:
        absent = error.name == "prometheus_client"
        return PLAIN if absent else f"{PLAIN}, since prometheus_client cannot be loaded: {error}", plain
    except Exception as error:  # whatever a broken installation brings forth
        return f"{PLAIN}, since prometheus_client cannot be loaded: {type(error).__name__}: {error}", plain
    return f"prometheus_client in {where}", write


def plain(families: list[Family], accept: str = "") -> tuple[str, bytes]:
    """The text format 0.0.4, whatever is accepted."""
    lines = []
    for family in families:
        text = family.help.replace("\\", "\\\\").replace("\n", "\\n")
        lines += [f"# HELP {family.name} {text}", f"# TYPE {family.name} {family.kind}"]
        for labels, value in family.samples:
            names = ",".join(f'{key}="{_escaped(label)}"' for key, label in labels.items())
            lines.append(f"{family.name}{{{names}}} {float(value)!r}" if names else f"{family.name} {float(value)!r}")
    return TEXT, ("\n".join(lines) + "\n").encode()


def _escaped(label: str) -> str:
    return label.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _library() -> tuple[str, Write]:
    """Where the library is, and a function that writes with it. Raises ImportError where it is missing."""
    import site  # for this alone

    former = list(sys.path)
    # podnetd runs with -S: packages are not on its path
    sys.path += [directory for directory in site.getsitepackages() if directory not in former]
    try:
        from prometheus_client import __file__ as where
        from prometheus_client.core import CollectorRegistry, Metric
        from prometheus_client.exposition import choose_encoder
    finally:
        sys.path[:] = former

    class Collector:
        """Families as the library's own."""

        def __init__(self, families: list[Family]) -> None:
            self.families = families

        def collect(self) -> Iterator[Any]:
            for family in self.families:
                metric = Metric(family.name.removesuffix("_total"), family.help, family.kind)
                for labels, value in family.samples:
                    metric.add_sample(family.name, labels, float(value))
                yield metric

    def write(families: list[Family], accept: str) -> tuple[str, bytes]:
        registry = CollectorRegistry()  # of its own: what the library counts of processes by itself stays out
        registry.register(Collector(families))
        encode, kind = choose_encoder(accept)
        return kind, encode(registry)

    return where.rpartition("/")[0], write
