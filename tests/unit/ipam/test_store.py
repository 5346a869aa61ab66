# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The store of pod addresses: host-local's directory, exact whatever happens to it."""

from __future__ import annotations

import errno
import os
import posix
import resource
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.ipam import files, index, records
from ansible_collections.podnet.cluster.plugins.module_utils.ipam import store as stores
from ansible_collections.podnet.cluster.plugins.module_utils.ipam.ip import parse_address, to_text
from ansible_collections.podnet.cluster.plugins.module_utils.ipam.ranges import parse_sets
from ansible_collections.podnet.cluster.plugins.module_utils.ipam.store import Exhausted, Refused, Store
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

BOOT = "11111111-2222-3333-4444-555555555555"
LATER = "99999999-2222-3333-4444-555555555555"
SMALL = tuple(parse_sets([[{"subnet": "10.1.0.0/29"}]]))  # .2 to .6: .1 is the gateway's
DUAL = parse_sets([[{"subnet": "10.1.0.0/24"}], [{"subnet": "fd00:1::/64"}]])


@pytest.fixture
def directory(tmp_path):
    return str(tmp_path / "networks" / "net")


def reserve(directory, container, sets=SMALL, wanted=None, boot=BOOT):
    with Store(directory, sets, boot) as store:
        got = store.reserve((container, "eth0"), wanted or {})
    return [to_text(ranges.family, address) for ranges, (address, _range) in zip(sets, got)]


def release(directory, container, sets=SMALL, ifname="eth0", boot=BOOT):
    with Store(directory, sets, boot) as store:
        return store.release((container, ifname))


def reservations(directory):
    """What a reader that knows host-local's layout and nothing else finds: address → content."""
    found = {}
    for name in os.listdir(directory):
        if name[0] != "." and name != "lock" and not name.startswith("last_reserved_ip"):
            with open(os.path.join(directory, name), newline="") as file:
                found[name] = file.read()
    return found


def test_layout_is_host_locals(directory):
    assert reserve(directory, "c1", DUAL) == ["10.1.0.2", "fd00:1::2"]
    assert reservations(directory) == {"10.1.0.2": "c1\r\neth0", "fd00:1::2": "c1\r\neth0"}
    with open(os.path.join(directory, "last_reserved_ip.0")) as file:
        assert file.read() == "10.1.0.2"
    assert os.path.exists(os.path.join(directory, "lock"))


def test_next_fit_goes_on_after_the_last_one(directory):
    assert [reserve(directory, f"c{number}")[0][-1] for number in range(3)] == ["2", "3", "4"]
    release(directory, "c0")
    assert [reserve(directory, f"d{number}")[0][-1] for number in range(3)] == ["5", "6", "2"]


def test_next_fit_goes_on_after_one_that_was_asked_for(directory):
    """As host-local's own does: the next pod gets the same address from either."""
    assert reserve(directory, "c1", wanted={0: 0x0A010004}) == ["10.1.0.4"]
    assert reserve(directory, "c2") == ["10.1.0.5"]


def test_exhausted_in_host_locals_words_and_a_freed_address_is_used_again(directory):
    for number in range(5):
        reserve(directory, f"c{number}")
    with pytest.raises(Exhausted) as caught:
        reserve(directory, "c9")
    text = "failed to allocate for range 0: no IP addresses available in range set: 10.1.0.1-10.1.0.6"
    assert str(caught.value) == text
    assert release(directory, "c3") == ["10.1.0.5"]
    assert reserve(directory, "c9") == ["10.1.0.5"]


def test_all_sets_or_none(directory):
    sets = parse_sets([[{"subnet": "10.1.0.0/24"}], [{"subnet": "fd00::/126"}]])
    for number in range(2):
        reserve(directory, f"c{number}", sets)
    before = reservations(directory)
    with pytest.raises(Exhausted, match="range 1"):
        reserve(directory, "c9", sets)
    assert reservations(directory) == before


def test_an_attachment_has_its_addresses_once(directory):
    reserve(directory, "c1")
    with pytest.raises(Refused, match=r"10\.1\.0\.2 has been allocated to c1, duplicate allocation is not allowed"):
        reserve(directory, "c1")


@pytest.mark.parametrize(
    ("wanted", "text"),
    [
        ("10.1.0.1", "requested ip 10.1.0.1 is subnet's gateway"),
        ("10.1.0.7", "requested IP address 10.1.0.7 is not available in range set 10.1.0.1-10.1.0.6: it is outside"),
        ("10.1.0.4", "requested IP address 10.1.0.4 is not available in range set 10.1.0.1-10.1.0.6: c1 eth0 has it"),
    ],
)
def test_wanted_address_refused(directory, wanted, text):
    reserve(directory, "c1", wanted={0: 0x0A010004})
    number = int.from_bytes(bytes(map(int, wanted.split("."))), "big")
    with pytest.raises(Refused) as caught:
        reserve(directory, "c2", wanted={0: number})
    assert str(caught.value).endswith(text)


@pytest.mark.parametrize(
    ("subnet", "start", "end", "given", "kept"),
    [
        (
            "192.0.2.0/29",
            "192.0.2.0",
            "192.0.2.7",
            [f"192.0.2.{last}" for last in range(2, 7)],
            {"192.0.2.7": "broadcast"},
        ),
        ("192.0.2.8/30", "192.0.2.8", "192.0.2.11", ["192.0.2.10"], {"192.0.2.8": "its subnet's own"}),
        ("fd00::/126", "fd00::", "fd00::3", ["fd00::2", "fd00::3"], {"fd00::": "its subnet's own"}),
        ("10.1.0.0/16", "10.1.0.254", "10.1.1.1", [f"10.1.{each}" for each in ("0.254", "0.255", "1.0", "1.1")], {}),
    ],
)
def test_a_subnets_own_and_its_broadcast_address_are_no_pods(directory, subnet, start, end, given, kept):
    """As wide as a range is: neither in turn nor on demand. Within a wider subnet they are addresses as others."""
    sets = parse_sets([[{"subnet": subnet, "rangeStart": start, "rangeEnd": end}]])
    assert [reserve(directory, f"c{number}", sets)[0] for number in range(len(given))] == given
    with pytest.raises(Exhausted):
        reserve(directory, "more", sets)
    for text, words in kept.items():
        with pytest.raises(Refused, match=words):
            reserve(directory, "more", sets, {0: parse_address(text)[1]})


def test_release_is_repeatable_and_nobody_elses(directory):
    reserve(directory, "c1")
    reserve(directory, "c2")
    assert release(directory, "c1", ifname="eth1") == []
    assert release(directory, "c1") == ["10.1.0.2"]
    assert release(directory, "c1") == []
    assert list(reservations(directory)) == ["10.1.0.3"]


def test_a_file_without_an_interface_is_its_containers(directory):
    """The form of host-local before 0.8; another container's stays."""
    (address,) = reserve(directory, "c1")
    (other,) = reserve(directory, "c2")
    Path(directory, address).write_text("c1")
    Path(directory, other).write_text("c3")
    release(directory, "c1")
    release(directory, "c2")
    assert reservations(directory) == {other: "c3"}


@pytest.mark.defect("host-local: addresses leak on reboot")
def test_another_boots_reservations_are_void(directory):
    reserve(directory, "c1", DUAL)
    reserve(directory, "c2", DUAL)
    assert reserve(directory, "c9", DUAL, boot=LATER) == ["10.1.0.4", "fd00:1::4"]
    assert set(reservations(directory).values()) == {"c9\r\neth0"}
    assert os.listdir(os.path.join(directory, records.RECORDS)) == ["c9,eth0"]


@pytest.mark.parametrize("damage", [b"", b"garbage", b"x" * 300, b"0" * 20 + b" foo 10.1.0.1-10.1.0.6\n\xff"])
def test_a_damaged_index_frees_nothing(directory, damage):
    """A wrong boot frees everything, so that garbage must never be taken for one."""
    reserve(directory, "c1")
    with open(os.path.join(directory, index.INDEX), "wb") as file:
        file.write(damage)
    assert reserve(directory, "c2") == ["10.1.0.3"]
    assert len(reservations(directory)) == 2


@pytest.mark.parametrize("earlier", ["", "11111111-2222-3333-4444-555555555555.7"])
def test_a_boot_that_cannot_be_told_is_the_same(directory, earlier, monkeypatch):
    """Before or now: of a boot ID that can't be read, and of the form in which versions before this one noted it."""
    reserve(directory, "c1", boot=earlier or BOOT)
    if not earlier:
        monkeypatch.setattr(stores, "read", lambda path: b"")
    assert reserve(directory, "c2", boot=None if not earlier else BOOT) == ["10.1.0.3"]
    assert set(reservations(directory).values()) == {"c1\r\neth0", "c2\r\neth0"}


def everything(directory):
    """All that a file system tells of the directory but access times."""
    found = {}
    for place, directories, names in os.walk(directory):
        for name in [".", *directories, *names]:
            path = os.path.join(place, name)
            status = os.lstat(path)
            content = Path(path).read_bytes() if stat.S_ISREG(status.st_mode) else b""
            found[path] = (status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_mode, content)
    return found


@pytest.mark.parametrize("gone", ["lock", ".index", ".attachments/c1,eth0", "10.1.0.2", None])
@pytest.mark.parametrize("boot", [BOOT, LATER])
def test_who_reads_writes_nothing(directory, gone, boot):
    """And knows what is so: of this boot from the reservations alone, of a later one, where the index tells of which
    they are, that there are none."""
    reserve(directory, "c1")
    reserve(directory, "c2")
    with open(os.path.join(directory, "10.1.0.6"), "w"):
        pass
    if gone:
        os.unlink(os.path.join(directory, gone))
    before = everything(directory)
    store = Store(directory, SMALL, boot)
    assert store.open(write=False)
    found = store.addresses(("c2", "eth0")), ("c1", "eth0") in store.owners()
    store.close()
    assert everything(directory) == before
    same = boot == BOOT or gone == ".index"
    assert found == (["10.1.0.3"] if same else [], same and gone != "10.1.0.2")


def test_a_time_of_ours_is_no_other_changes(directory):
    """The kernel's clock goes by ticks of up to 10 ms: two changes within one have the same time."""
    for number in range(3):
        reserve(directory, f"c{number}")
        now = time.clock_gettime_ns(time.CLOCK_REALTIME)
        assert now - 3 * 10**9 < os.stat(directory).st_mtime_ns < now - 10**9 // 2
    first = os.stat(directory).st_mtime_ns
    release(directory, "c0")
    assert os.stat(directory).st_mtime_ns != first


def test_another_implementation_in_the_same_tick(directory):
    for round in range(50):
        (address,) = reserve(directory, f"c{round}")
        os.unlink(os.path.join(directory, address))
        with Store(directory, SMALL, BOOT) as store:
            assert (store.owners(), store.index.next(0, 0)) == ({}, 1)


def descriptors(most):
    """From now on no descriptor from `most` on is given."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))


@pytest.mark.parametrize("lost", [".index", None])
def test_without_descriptors_nothing_is_lost(directory, lost):
    """However many are left: an address is freed, or it isn't and the caller is told so."""
    usual = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    probe = os.open("/", os.O_RDONLY)
    os.close(probe)
    failed = 0
    for left in range(8):
        (address,) = reserve(directory, f"c{left}")
        if lost:
            os.unlink(os.path.join(directory, lost))
        try:
            descriptors(probe + left)
            release(directory, f"c{left}")
        except OSError as error:
            failed += 1
            assert error.errno == errno.EMFILE
            descriptors(usual)
            assert address in reservations(directory)
            assert release(directory, f"c{left}") == [address]
        finally:
            descriptors(usual)
        assert reservations(directory) == {}
        assert os.listdir(os.path.join(directory, records.RECORDS)) == []
    assert failed


@pytest.mark.parametrize("call", ["open", "read"])
@pytest.mark.parametrize("number", [errno.EIO, errno.ENFILE, errno.EMFILE, errno.ENOMEM])
def test_a_reservation_that_cannot_be_read_is_kept(directory, monkeypatch, call, number):
    reserve(directory, "c1")
    usual = getattr(posix, call)

    def fails(what, *arguments):
        path = what if isinstance(what, str) else os.readlink(f"/proc/self/fd/{what}")
        if path.endswith("10.1.0.2"):
            raise OSError(number, "")
        return usual(what, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(posix, call, fails)
        for lost in (False, True):
            if lost:
                files.unlink(os.path.join(directory, index.INDEX))
            with pytest.raises(OSError):
                release(directory, "c1")
    assert release(directory, "c1") == ["10.1.0.2"]


def test_another_implementation_on_the_same_directory(directory):
    """What it reserves is never given away, and what it reserved for an attachment our DEL frees."""
    reserve(directory, "c1")
    for name in ("10.1.0.3", "10.1.0.4"):
        with open(os.path.join(directory, name), "w", newline="") as file:
            file.write(f"go-{name[-1]}\r\neth0")
    assert reserve(directory, "c2") == ["10.1.0.5"]
    assert release(directory, "go-3") == ["10.1.0.3"]
    os.unlink(os.path.join(directory, "10.1.0.4"))
    assert [reserve(directory, f"d{number}")[0] for number in range(3)] == ["10.1.0.6", "10.1.0.3", "10.1.0.4"]


def test_reservation_without_interface_goes_with_its_container(directory):
    os.makedirs(directory)
    with open(os.path.join(directory, "10.1.0.3"), "w") as file:
        file.write("old")
    assert release(directory, "old") == ["10.1.0.3"]


def test_a_gateway_that_changes_is_not_given_away(directory):
    before, after = [parse_sets([[{"subnet": "10.1.0.0/29", "gateway": text}]]) for text in ("10.1.0.6", "10.1.0.2")]
    assert reserve(directory, "a", before) == ["10.1.0.1"]
    assert reserve(directory, "b", after) == ["10.1.0.3"]
    assert [reserve(directory, name, after) for name in "cde"] == [["10.1.0.4"], ["10.1.0.5"], ["10.1.0.6"]]
    with pytest.raises(Exhausted):
        reserve(directory, "f", after)


@pytest.mark.parametrize("content", ["", "\r\n", "\n"])
@pytest.mark.defect("host-local: a crash between create and write leaves an empty reservation for ever")
def test_empty_reservation_is_nobodys(directory, content):
    os.makedirs(directory)
    with open(os.path.join(directory, "10.1.0.2"), "w", newline="") as file:
        file.write(content)
    assert reserve(directory, "c1") == ["10.1.0.2"]


@pytest.mark.parametrize("content", ["../../x\r\neth0", "a,b\r\neth0", "c\r\n../x", "\0\r\n\0"])
def test_no_content_leads_out_of_the_directory(directory, content):
    os.makedirs(directory)
    with open(os.path.join(directory, "10.1.0.2"), "w", newline="") as file:
        file.write(content)
    assert reserve(directory, "c1") == ["10.1.0.3"]
    assert os.listdir(os.path.join(directory, records.RECORDS)) == ["c1,eth0"]
    assert sorted(os.listdir(os.path.dirname(directory))) == ["net"]


def test_records_lead_nowhere_else(directory, tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("c1\r\neth0")
    reserve(directory, "c1")
    record = os.path.join(directory, records.RECORDS, "c1,eth0")
    os.unlink(record)
    os.symlink(f"../../victim,{victim}", record)
    release(directory, "c1")
    assert victim.exists()


@pytest.mark.parametrize("name", ["lock", "last_reserved_ip.0", ".index", ".new", "10.1.0.3", ".attachments/c2,eth0"])
def test_links_in_the_place_of_files_lead_nowhere(directory, tmp_path, name):
    """Whoever could put one there is root; what it leads to stays as it is all the same."""
    assert reserve(directory, "c1") == ["10.1.0.2"]
    victim = tmp_path / "victim"
    victim.write_text("10.1.0.4")
    path = os.path.join(directory, name)
    if os.path.lexists(path):
        os.unlink(path)
    os.symlink(victim, path)
    (address,) = reserve(directory, "c2")
    assert address != "10.1.0.2"
    assert release(directory, "c2") == [address]
    assert victim.read_text() == "10.1.0.4"
    os.unlink(victim)
    reserve(directory, "c3")
    assert not victim.exists()


def test_fresh_file_of_a_dead_process_is_not_written_through(directory):
    """After link and before unlink it is a second name of a live reservation."""
    reserve(directory, "c1")
    os.link(os.path.join(directory, "10.1.0.2"), os.path.join(directory, stores.FRESH))
    assert reserve(directory, "c2") == ["10.1.0.3"]
    assert reservations(directory) == {"10.1.0.2": "c1\r\neth0", "10.1.0.3": "c2\r\neth0"}


def test_garbage_collection(directory):
    for number in range(3):
        reserve(directory, f"c{number}", DUAL)
    with Store(directory, DUAL, BOOT) as store:
        freed = store.release_all_but({("c1", "eth0")})
    assert sorted(freed) == ["10.1.0.2", "10.1.0.4", "fd00:1::2", "fd00:1::4"]
    assert set(reservations(directory).values()) == {"c1\r\neth0"}


def test_directory_appears_only_for_add(directory):
    assert not Store(directory, SMALL, BOOT).open(create=False)
    assert not os.path.exists(directory)


@pytest.mark.defect("host-local: ADD and DEL read every reservation")
def test_time_does_not_grow_with_reservations(directory):
    """Counted in system calls, not in seconds: the same number with 10 and with 3,000 reservations of a /20."""
    script = (
        "import sys, types; package = types.ModuleType('podnet'); package.__path__ = [sys.argv[1]]; "
        "sys.modules['podnet'] = package; from podnet.ipam.store import Store; "
        "from podnet.ipam.ranges import parse_sets; sets = parse_sets([[{'subnet': '10.1.0.0/20'}]]); "
        "store = Store(sys.argv[2], sets); store.open(True); store.reserve((sys.argv[3], 'e'), {}); store.close(); "
        "store.open(True); store.release((sys.argv[3], 'e')); store.close()"
    )
    source = os.path.dirname(os.path.dirname(stores.__file__))
    counts = []
    sets = parse_sets([[{"subnet": "10.1.0.0/20"}]])
    for target in (10, 3000):
        with Store(directory, sets) as store:
            for number in range(len(store.owners()), target):
                store.reserve((f"c{number}", "e"), {})
        command = ["strace", "-f", "-qq", "-e", "trace=%file,read,write,pwrite64,getdents64", "-o", "/dev/stdout"]
        try:
            traced = subprocess.run(
                [*command, sys.executable, "-IS", "-c", script, source, directory, "probe"],
                capture_output=True,
                text=True,
                check=True,
            )
        except FileNotFoundError:
            pytest.skip("strace is not installed")
        counts.append(sum(directory in line or "pwrite64" in line for line in traced.stdout.splitlines()))
    assert counts[0] == counts[1]


class Model(RuleBasedStateMachine):
    """Any sequence of calls, interruptions and interference: no duplicate, no leak, and index and files agree."""

    def __init__(self):
        super().__init__()
        import tempfile

        self.place = tempfile.TemporaryDirectory()
        self.directory = os.path.join(self.place.name, "net")
        self.held = {}

    def teardown(self):
        self.place.cleanup()

    @rule(container=st.integers(0, 9))
    def add(self, container):
        owner = f"c{container}"
        try:
            got = reserve(self.directory, owner)[0]
        except Exhausted:
            assert len(self.held) == 5
        except Refused:
            assert owner in self.held
        else:
            assert owner not in self.held
            assert got not in self.held.values()
            self.held[owner] = got

    @rule(container=st.integers(0, 9))
    def delete(self, container):
        owner = f"c{container}"
        assert release(self.directory, owner) == ([self.held.pop(owner)] if owner in self.held else [])

    @rule(container=st.integers(0, 9))
    def removed_by_hand(self, container):
        owner = f"c{container}"
        if owner in self.held:
            os.unlink(os.path.join(self.directory, self.held.pop(owner)))

    @rule()
    def index_lost(self):
        files.unlink(os.path.join(self.directory, index.INDEX))

    @rule()
    def records_lost(self):
        import shutil

        shutil.rmtree(os.path.join(self.directory, records.RECORDS), ignore_errors=True)
        if os.path.isdir(self.directory):
            os.utime(self.directory, ns=(1, 1))

    @rule(number=st.integers(2, 6))
    def crash_after_link(self, number):
        """As if killed between link and record, under the lock: the index says that it isn't to be trusted."""
        name = f"10.1.0.{number}"
        if name in self.held.values() or not os.path.isdir(self.directory) or "lost" in self.held:
            return
        with open(os.path.join(self.directory, name), "w", newline="") as file:
            file.write("lost\r\neth0")
        with Store(self.directory, SMALL, BOOT) as store:
            store.index.wipe()
        self.held["lost"] = name

    @rule()
    def delete_lost(self):
        if "lost" in self.held:
            assert release(self.directory, "lost") == [self.held.pop("lost")]

    @invariant()
    def files_are_what_is_held(self):
        if os.path.isdir(self.directory):
            found = {content.split("\r\n")[0]: name for name, content in reservations(self.directory).items()}
            assert found == self.held


Model.TestCase.settings = settings(max_examples=60, stateful_step_count=25)
TestModel = Model.TestCase
