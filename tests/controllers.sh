#!/usr/bin/env bash
# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# controllers.sh [CORE…]: every playbook's syntax, the unit tests and sanity with other releases of ansible-core than the
# pinned one (by default 2.20 and 2.21), which want Python 3.12 or newer: PYTHON, or the newest that is found.
# PARTS chooses among them: "syntax unit sanity".
set -euo pipefail
cd "$(dirname "$0")/.."

find_python() {
    local name
    for name in "${PYTHON:-}" python3.14 python3.13 python3.12 python3; do
        if [ -n "$name" ] && "$name" -c 'import sys; sys.exit(sys.version_info < (3, 12))' 2>/dev/null; then
            command -v "$name"
            return
        fi
    done
    echo "controllers.sh: no Python 3.12 or newer: give PYTHON=/path/to/python3.13" >&2
    return 1
}

python=$(find_python)
[ $# -gt 0 ] || set -- 2.20 2.21
for core; do
    # the other pins are those of every other run
    pins=$(grep --invert-match '^ansible-core==' requirements.txt)
    key=$({ "$python" -c 'import sys; print(sys.base_prefix, sys.version)'; echo "$core $pins"; } | sha256sum | cut -c1-12)
    venv=${PODNET_CACHE:-/var/cache/podnet}/controller-$core-$key
    if [ ! -e "$venv/ready" ]; then
        "$python" -m venv --clear "$venv"
        "$venv/bin/pip" install --quiet --requirement <(echo "$pins") "ansible-core==$core.*"
        touch "$venv/ready"
    fi
    export PATH="$venv/bin:$PATH"
    ansible --version | sed -n 1p
    for part in ${PARTS:-syntax unit sanity}; do
        case $part in
        syntax)
            for inventory in inventories/cloud inventories/lab; do
                ansible-playbook --syntax-check --inventory "$inventory" playbooks/*.yml playbooks/lab/*.yml >/dev/null
            done ;;
        unit) pytest tests/unit --numprocesses 2 -p no:cacheprovider ;;
        sanity) bash tests/sanity/run.sh ;;
        *) echo "controllers.sh: $part is not syntax, unit or sanity" >&2; exit 2 ;;
        esac
        echo "ansible-core $core: $part passed"
    done
done
