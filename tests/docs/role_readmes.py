# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables of variables in the roles' README.md, made from meta/argument_specs.yml.

python tests/docs/role_readmes.py [--write]
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
BEGIN = "<!-- Written by tests/docs/role_readmes.py --write from meta/argument_specs.yml. -->"
END = "<!-- End of what is written. -->"
#: A default that is longer is to be looked up in the role's defaults.
LONGEST = 60


def roles() -> list[Path]:
    """The directories of all roles."""
    return sorted(path.parents[1] for path in ROOT.glob("roles/*/meta/argument_specs.yml"))


def variables() -> set[str]:
    """The names of all roles' variables."""
    specs = [yaml.safe_load((role / "meta/argument_specs.yml").read_text())["argument_specs"] for role in roles()]
    return {name for entries in specs for entry in entries.values() for name in entry.get("options") or ()}


def page(role: Path) -> str:
    """The role's README.md with its tables as they should be. Raises ValueError where the marks are missing."""
    text = (role / "README.md").read_text(encoding="utf-8")
    if BEGIN not in text or END not in text:
        raise ValueError(f"{role.name}/README.md lacks the two lines between which the tables stand: {BEGIN} {END}")
    before, _mark, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    return f"{before}{BEGIN}\n\n{tables(role)}\n{END}{after}"


def tables(role: Path) -> str:
    """A table for each entry point that has variables no earlier one has."""
    entries = yaml.safe_load((role / "meta/argument_specs.yml").read_text(encoding="utf-8"))["argument_specs"]
    seen: set[str] = set()
    parts = []
    for name, entry in entries.items():
        options = {key: value for key, value in (entry.get("options") or {}).items() if key not in seen}
        seen |= set(options)
        if not options:
            continue
        title = "" if name in ("main", "variables") else f"With `tasks_from: {name}`:\n\n"
        rows = "\n".join(" | ".join(["", *cells, ""]).strip() for cells in _rows(options))
        parts.append(f"{title}| Variable | Type | Default | |\n| --- | --- | --- | --- |\n{rows}\n")
    return "\n".join(parts)


def _rows(options: dict[str, Any], prefix: str = "") -> Iterator[list[str]]:
    for name, option in options.items():
        kind = option["type"] + (f" of {option['elements']}" if "elements" in option else "")
        default = "required" if option.get("required") else _default(option.get("default"))
        words = option["description"]
        text = _plain(" ".join(words) if isinstance(words, list) else words)
        if "choices" in option:
            text += f" One of {', '.join(f'`{choice}`' for choice in option['choices'])}."
        yield [f"`{prefix}{name}`", kind, default, text.replace("|", "\\|")]
        yield from _rows(option.get("options") or {}, f"{prefix}{name}.")


def _default(value: Any) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value)
    return f"`{text}`" if 0 < len(text) <= LONGEST else '`""`' if not text else "see `defaults/main.yml`"


def _plain(text: str) -> str:
    """Ansible's markup (V(…), C(…), O(…), M(…), P(…)) as Markdown's."""
    text = re.sub(r"\b[VCO]\(([^)]*)\)", r"`\1`", text)
    return re.sub(r"\b[MP]\(([^)#]*)[^)]*\)", r"`\1`", text)


def main(arguments: list[str]) -> int:
    wrong = []
    for role in roles():
        path = role / "README.md"
        wanted = page(role)
        if path.read_text(encoding="utf-8") != wanted:
            wrong.append(str(path.relative_to(ROOT)))
            if arguments == ["--write"]:
                path.write_text(wanted, encoding="utf-8")
    print(*wrong, sep="\n", end="\n" if wrong else "")
    return int(bool(wrong) and arguments != ["--write"])


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
