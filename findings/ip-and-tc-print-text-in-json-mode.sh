#!/usr/bin/env bash
# `ip -j` and `tc -j` print text, or objects without anything in them, with some subcommands, and exit with 0.
#
# Seen with: iproute2 6.1.0-3 of Debian 12 and 6.15.0-1 of Debian 13, x86_64, Linux 6.18.
# Behaviour: -j is taken by every subcommand, but `ip xfrm policy`, `ip mptcp limits` and, in 6.1.0, `tc class` print
#   text with it. `ip xfrm state` prints nothing at all where there is nothing, not an empty list. And `ip address`
#   with a filter prints an empty object for each link that the filter leaves out, which is valid JSON: whoever takes
#   each entry's name fails with the first link that is down, and whoever counts entries counts all links.
# Output: for each command and version its exit status and what it printed: JSON, an empty object, text, or nothing.
# A good guess: that what has no JSON refuses -j, or that its output is JSON where the status is 0. ip(8) says "Output
#   results in JavaScript Object Notation (JSON)", without an exception.
# Instead: expect both of each call: parse, and drop entries without a name (ifname).
#
# Needs root, apt with Debian's keyring (debian-archive-keyring), python3, unshare (util-linux), and a kernel with veth,
# sch_htb, xfrm and mptcp. Works in a network namespace of its own.
# Exits with 0 if both still do this, with 1 if that has changed, with 2 if it could not be tried.
set -euo pipefail

folder=$(mktemp -d)
export folder
trap 'rm -rf "$folder"' EXIT

# Debian's archive, as this machine has it
# shellcheck disable=SC2016 # apt-get's own variable
archive=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 'Label: Debian' | head -n 1)
[ -n "$archive" ] || exit 2

# fetch SUITE PACKAGE...: unpacks packages, pinned as name=version where it matters
fetch() {
    local suite=$1 root=$folder/$1
    shift
    mkdir -p "$root"/lists/partial "$root"/cache/archives/partial "$root"/debs
    touch "$root/status"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $archive $suite main" \
        >"$root/sources.list"
    local apt=(apt-get -qq -o "Dir::Etc::SourceList=$root/sources.list" -o Dir::Etc::SourceParts=/dev/null
        -o "Dir::State::Lists=$root/lists" -o "Dir::Cache=$root/cache" -o "Dir::State::status=$root/status"
        -o APT::Sandbox::User=root)
    "${apt[@]}" update
    (cd "$root/debs" && "${apt[@]}" download "$@" libbpf1 libmnl0 libbsd0 libmd0 libcap2 libc6 libselinux1 \
        libpcre2-8-0 libxtables12 zlib1g libzstd1)
    for file in "$root"/debs/*.deb; do dpkg-deb --extract "$file" "$root"; done
}
fetch bookworm iproute2=6.1.0-3 libelf1 libtirpc3 libdb5.3 || exit 2
fetch trixie iproute2=6.15.0-1 libelf1t64 libtirpc3t64 libdb5.3t64 || exit 2

cat >"$folder/judge.py" <<'PYTHON'
import json
import sys

text = sys.stdin.read()
try:
    value = json.loads(text)
    print("JSON with an empty object" if {} in value else "JSON")
except ValueError:
    print(f"text, {text.split()[0]} ..." if text.strip() else "nothing")
PYTHON

cat >"$folder/try.sh" <<'TRY'
set -euo pipefail
run() { # run SUITE PROGRAM ARGUMENT...: that suite's program, with its own C library
    local root=$folder/$1 program=$2 libraries
    shift 2
    libraries=$root/usr/lib/x86_64-linux-gnu:$root/lib/x86_64-linux-gnu
    "$(find "$root" -name 'ld-linux-x86-64.so.2' -not -type l | head -n 1)" --library-path "$libraries" \
        "$(find "$root/usr" "$root/bin" "$root/sbin" -name "$program" -type f -path '*bin/*' 2>"$folder/error" | head -n 1)" "$@"
}
old() { run bookworm "$@"; }
old ip link add name left type veth peer name right
old ip link set left up
old tc qdisc add dev left root handle 1: htb default 1
old tc class add dev left parent 1: classid 1:1 htb rate 1mbit
old ip xfrm policy add src 192.0.2.0/24 dst 198.51.100.0/24 dir out \
    tmpl src 192.0.2.1 dst 198.51.100.1 proto esp mode tunnel
for suite in bookworm trixie; do
    run $suite ip -V | sed 's/.*\(iproute2-[0-9.]*\).*/\1/'
    for command in "tc -j qdisc show dev left" "tc -j class show dev left" "ip -j link show" "ip -j address show up" \
        "ip -j xfrm policy" "ip -j xfrm state" "ip -j mptcp limits" "ip -j rule"; do
        # shellcheck disable=SC2086 # words
        run $suite $command >"$folder/answer" && status=0 || status=$?
        echo "  $command: $status, $(python3 "$folder/judge.py" <"$folder/answer")"
    done
done
TRY

cat >"$folder/expected" <<'TEXT'
iproute2-6.1.0
  tc -j qdisc show dev left: 0, JSON
  tc -j class show dev left: 0, text, class ...
  ip -j link show: 0, JSON
  ip -j address show up: 0, JSON with an empty object
  ip -j xfrm policy: 0, text, src ...
  ip -j xfrm state: 0, nothing
  ip -j mptcp limits: 0, text, add_addr_accepted ...
  ip -j rule: 0, JSON
iproute2-6.15.0
  tc -j qdisc show dev left: 0, JSON
  tc -j class show dev left: 0, JSON
  ip -j link show: 0, JSON
  ip -j address show up: 0, JSON with an empty object
  ip -j xfrm policy: 0, text, src ...
  ip -j xfrm state: 0, nothing
  ip -j mptcp limits: 0, text, add_addr_accepted ...
  ip -j rule: 0, JSON
TEXT

unshare --net bash "$folder/try.sh" >"$folder/seen" || exit 2
cat "$folder/seen"
if diff "$folder/expected" "$folder/seen"; then
    echo "still so"
else
    echo "changed: the lines above with < were expected, those with > were seen"
    exit 1
fi
