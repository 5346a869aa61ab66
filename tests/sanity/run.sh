#!/usr/bin/env bash
# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# ansible-test sanity of a copy of the tree: it insists on a path .../ansible_collections/podnet/cluster.
# Its own environments go to the cache (they hold exact versions, so they are made once).
set -euo pipefail
cd "$(dirname "$0")/../.."

copy=build/ansible_collections/podnet/cluster
rm -rf "$copy" && mkdir -p "$copy"
git ls-files -z --cached --others --exclude-standard --deduplicate | # a file deleted but not yet committed is skipped
    while IFS= read -r -d '' file; do [ ! -e "$file" ] || printf '%s\0' "$file"; done |
    tar --create --null --files-from=- | tar --extract --directory="$copy"
git -C "$copy" init --quiet # ansible-test asks git which files count; build/ is ignored by the checkout's

export HOME="${PODNET_CACHE:-/var/cache/podnet}/ansible-test"
mkdir -p "$HOME/.ansible/test/cache"
for pip in 24_2 25_2; do # those of ansible-core 2.19, and of 2.20 and 2.21
    cp tests/sanity/get_pip.py "$HOME/.ansible/test/cache/get_pip_$pip.py"
done
version=$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
cd "$copy"
exec ansible-test sanity --local --python "$version" --color no "$@"
