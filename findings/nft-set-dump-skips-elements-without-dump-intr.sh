#!/usr/bin/env bash
# A dump of an nftables set skips elements that are there all the time, if others are deleted meanwhile, without saying so.
#
# Seen with: Linux 6.18 (x86_64), nftables 1.0.6-2+deb12u2 of Debian 12.
# Behaviour: a long dump (NFT_MSG_GETSETELEM) comes in parts. The kernel goes on after as many elements as it has sent.
#   If k elements of the parts before are deleted in between, the next part begins k elements too late: those are in
#   the set before, during and after the dump, and not in it. With an interval set it is the same.
# Output: for both kinds of set how many elements were in it before, were deleted after the dump's first part, are in it
#   afterwards, and of these are missing in the dump; whether any message had NLM_F_DUMP_INTR; and how many generations
#   (res_id of struct nfgenmsg) the parts name.
# A good guess: that the kernel marks such a dump with NLM_F_DUMP_INTR, as it does those of links, addresses and routes,
#   so that who reads again on that flag has all elements. It never sets it here.
# Cause: nf_tables_dump_set() in net/netfilter/nf_tables_api.c skips args.skip = cb->args[0] elements of the walk, and
#   calls no nl_dump_check_consistent(). The part's generation is the only sign.
# Instead: compare the generations of all parts, and read again if they differ.
#
# Needs root, apt with Debian's keyring (debian-archive-keyring), python3, unshare (util-linux), and a kernel with
# nf_tables. Works in a network namespace of its own.
# Exits with 0 if the kernel still does this, with 1 if it has changed, with 2 if it could not be tried.
set -euo pipefail

folder=$(mktemp -d)
export folder
trap 'rm -rf "$folder"' EXIT

# Debian's archive, as this machine has it
# shellcheck disable=SC2016 # apt-get's own variable
archive=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 'Label: Debian' | head -n 1)
[ -n "$archive" ] || exit 2
mkdir -p "$folder"/lists/partial "$folder"/cache/archives/partial "$folder"/debs
touch "$folder/status"
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $archive bookworm main" >"$folder/sources.list"
apt=(apt-get -qq -o "Dir::Etc::SourceList=$folder/sources.list" -o Dir::Etc::SourceParts=/dev/null
    -o "Dir::State::Lists=$folder/lists" -o "Dir::Cache=$folder/cache" -o "Dir::State::status=$folder/status"
    -o APT::Sandbox::User=root)
"${apt[@]}" update || exit 2
(cd "$folder/debs" && "${apt[@]}" download nftables=1.0.6-2+deb12u2 libnftables1=1.0.6-2+deb12u2 libnftnl11 \
    libxtables12 libmnl0 libjansson4 libgmp10 libedit2 libc6 libbsd0 libtinfo6 libmd0) || exit 2
for file in "$folder"/debs/*.deb; do dpkg-deb --extract "$file" "$folder/root"; done

cat >"$folder/try.py" <<'PYTHON'
import os
import socket
import struct
import subprocess
from pathlib import Path

NFNETLINK, GETSETELEM, NEWSETELEM = 12, 10 << 8 | 13, 10 << 8 | 12
REQUEST, DUMP, DUMP_INTR, DONE = 1, 0x300, 0x10, 3
SET_ELEM_LIST_ELEMENTS, SET_ELEM_KEY, SET_ELEM_FLAGS = 3, 1, 3

root = Path(os.environ["folder"], "root")
loader = next(path for path in root.rglob("ld-linux-x86-64.so.2") if not path.is_symlink())
libraries = f"{root}/usr/lib/x86_64-linux-gnu:{root}/lib/x86_64-linux-gnu"


def nft(text):
    command = [loader, "--library-path", libraries, root / "usr/sbin/nft", "-f", "-"]
    subprocess.run(command, input=text, text=True, check=True)


def attributes(data):
    while data:
        length, kind = struct.unpack_from("HH", data)
        yield kind & 0x3FFF, data[4:length]
        data = data[length + 3 & ~3 :]


def addresses(body):
    for kind, elements in attributes(body):
        for _, element in attributes(elements) if kind == SET_ELEM_LIST_ELEMENTS else ():
            parts = dict(attributes(element))
            if not int.from_bytes(parts.get(SET_ELEM_FLAGS, b""), "big") & 1:  # an interval's end
                yield socket.inet_ntoa(parts[SET_ELEM_KEY][4:8])


def dump(between=None):
    """The set's addresses, whether a message has DUMP_INTR, and the generations."""
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NFNETLINK)
    names = b"".join(struct.pack("HH2s2x", 6, kind, name) for kind, name in ((1, b"t"), (2, b"s")))
    body = struct.pack("BBH", socket.AF_INET, 0, 0) + names
    sock.send(struct.pack("IHHII", 16 + len(body), GETSETELEM, REQUEST | DUMP, 1, 0) + body)
    found, interrupted, generations = [], False, set()
    while True:
        data = sock.recv(1 << 20)
        while data:
            length, kind, flags, _, _ = struct.unpack_from("IHHII", data)
            interrupted |= bool(flags & DUMP_INTR)
            if kind == DONE:
                return found, interrupted, generations
            assert kind == NEWSETELEM, kind
            generations.add(struct.unpack_from(">H", data, 18))
            found += addresses(data[20:length])
            data = data[length + 3 & ~3 :]
        if between:
            between(found)
            between = None


def delete(part):
    nft(f"delete element ip t s {{ {', '.join(part)} }}\n")


for kind, size, flags in ("hash set", 10000, ""), ("interval set", 2000, "flags interval;"):
    nft(f"table ip t\ndelete table ip t\ntable ip t {{\nset s {{\ntype ipv4_addr; {flags}\n}}\n}}\n")
    some = [f"10.0.{number // 256}.{number % 256}" for number in range(1, 2 * size, 2)]
    nft(f"add element ip t s {{ {', '.join(some)} }}\n")
    before, _, _ = dump()
    seen, interrupted, generations = dump(delete)
    after, _, _ = dump()
    missing = set(after) - set(seen)
    gone = len(before) - len(after)
    print(f"{kind} of {len(before)}: {'some' if gone else 'none'} deleted, the others are there afterwards;", end=" ")
    print(f"{'as many' if len(missing) == gone else len(missing)} of the others missing in the dump;", end=" ")
    print(f"NLM_F_DUMP_INTR: {interrupted}; generations: {len(generations)}")
PYTHON

cat >"$folder/expected" <<'TEXT'
hash set of 10000: some deleted, the others are there afterwards; as many of the others missing in the dump; NLM_F_DUMP_INTR: False; generations: 2
interval set of 2000: some deleted, the others are there afterwards; as many of the others missing in the dump; NLM_F_DUMP_INTR: False; generations: 2
TEXT

echo "Linux $(uname -r | cut -d. -f1,2), nftables 1.0.6"
timeout 60 unshare --net python3 "$folder/try.py" >"$folder/seen" || exit 2
cat "$folder/seen"
if diff -u "$folder/expected" "$folder/seen" >"$folder/difference"; then
    echo "as expected: elements that were never deleted are missing, and nothing says so but the generation"
else
    echo "changed: the kernel does not do what was seen with Linux 6.18:"
    cat "$folder/difference"
    exit 1
fi
