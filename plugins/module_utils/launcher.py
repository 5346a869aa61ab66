# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The launcher: the interpreter in the first line of a CNI executable. It asks the service on this node to do the work
(cni/exec/service.py), and executes Python with the script if the service does not.

Python alone takes ten times as long to start as all that a call does, so this is a program of some fifty machine
instructions, made here. ``program`` says what it does; below it, a class for each kind of processor says how its
instructions are written. It has no library, no writable memory but the stack that the kernel gave it, and makes no
system call but those in ``program``.

    python3 launcher.py [MACHINE]    lists the program, each line with its bytes
"""

from __future__ import annotations

import struct
import sys

# linux/socket.h, linux/un.h, asm-generic/socket.h, asm-generic/errno-base.h
AF_UNIX = 1
SOCK_SEQPACKET, SOCK_CLOEXEC = 5, 0o2000000
SOL_SOCKET, SCM_RIGHTS = 1, 1
SO_RCVTIMEO = 20
MSG_NOSIGNAL = 0x4000
EINTR, EAGAIN = 4, 11

#: Seconds to wait for the service to take the call, before Python does it.
PATIENCE = 10
DIED = b"podnet: the process that did this call's work died\n"

BASE = 0x400000  # where the file is mapped
HEADERS = 64 + 2 * 56  # the ELF header and two program headers (elf(5))
PT_LOAD, PT_GNU_STACK = 1, 0x6474E551
READ, WRITE, EXECUTE = 4, 2, 1

#: What an argument may be besides a number: where the program keeps the socket, reads an answer, and begins on entry.
SOCKET, ANSWER, ARGUMENTS, ENVIRONMENT = "socket", "answer", "arguments", "environment"


def program(machine: Machine, data: Data) -> None:
    """The launcher's steps, in order. If the service does not take the call, it continues at "python"."""
    call, otherwise = machine.call, machine.otherwise
    call("socket", AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0)
    machine.less_than(3, "python")  # an error, or the place of a standard descriptor that is closed
    machine.keep()  # the socket
    call("setsockopt", SOCKET, SOL_SOCKET, SO_RCVTIMEO, data["patience"], 16)
    otherwise(0, "python")
    call("connect", SOCKET, data["address"], data.length("address"))
    otherwise(0, "python")
    # The message: our version's name, and standard input, output and error. The rest is in /proc: who we are, the
    # socket informs the service, and as long as the socket is open we are still there.
    call("sendmsg", SOCKET, data["message"], MSG_NOSIGNAL)
    otherwise(data.length("version"), "python")
    # signal(7): a process that was stopped and continued finds a read that may time out interrupted.
    machine.label("begin")
    call("read", SOCKET, ANSWER, 1)  # one byte: it has begun
    machine.equal(-EINTR, "begin")
    otherwise(1, "python")
    machine.label("wait")
    call("read", SOCKET, ANSWER, 1)  # one byte: the exit status
    machine.equal(-EAGAIN, "wait")
    machine.equal(-EINTR, "wait")
    otherwise(1, "died")
    machine.take_answer()
    call("exit_group")
    machine.label("died")
    call("write", 2, data["died"], len(DIED))
    call("exit_group", 1)
    # The kernel started us as: launcher, script, arguments. Now it is: python3, -IS, script, arguments. The number of
    # the arguments lies before them on the stack (System V ABI, "Initial Process Stack"), which makes the room.
    machine.label("python")
    machine.find_environment()
    machine.store(0, data["python"])
    machine.store(1, data["options"])
    call("execve", data["python"], ARGUMENTS, ENVIRONMENT)
    call("exit_group", 127)


class Data:
    """The constants, and where in memory each of them is."""

    def __init__(self, base: int, version: str, socket: str, python: str) -> None:
        address = struct.pack("<H", AF_UNIX) + socket.encode() + b"\0"
        self.content = b""
        self.places: dict[str, tuple[int, int]] = {}
        self.base = base
        self._put("version", version.encode())
        self._put("python", python.encode() + b"\0")
        self._put("options", b"-IS\0")
        self._put("died", DIED)
        self._put("address", address)
        self._put("patience", struct.pack("<qq", PATIENCE, 0))  # struct timeval
        self._put("vector", struct.pack("<QQ", self["version"], self.length("version")))  # struct iovec
        # struct cmsghdr and what it carries: descriptors 0, 1 and 2
        self._put("control", struct.pack("<Qii3i4x", 16 + 12, SOL_SOCKET, SCM_RIGHTS, 0, 1, 2))
        control = self["control"], self.length("control")
        self._put("message", struct.pack("<QQQQQQQ", 0, 0, self["vector"], 1, *control, 0))  # struct msghdr

    def _put(self, name: str, content: bytes) -> None:
        self.places[name] = self.base + len(self.content), len(content)
        self.content += content + bytes(-len(content) % 8)

    def __getitem__(self, name: str) -> int:
        return self.places[name][0]

    def length(self, name: str) -> int:
        return self.places[name][1]


class Machine:
    """Writes instructions one after the other; ``lines`` says in words what each is for."""

    ELF = 0  # e_machine
    NUMBERS: dict[str, int] = {}  # of system calls

    def __init__(self) -> None:
        self.code = b""
        self.lines: list[tuple[int, str]] = []
        self.labels: dict[str, int] = {}
        self.jumps: list[tuple[int, str]] = []

    def note(self, text: str) -> None:
        self.lines.append((len(self.code), text))

    def label(self, name: str) -> None:
        """The place to which jumps to `name` go."""
        self.labels[name] = len(self.code)

    def call(self, name: str, *arguments: int | str) -> None:
        """A system call."""
        for number, value in enumerate(arguments):
            self.note(f"{name}: argument {number} = {value:#x}" if isinstance(value, int) else f"{name}: the {value}")
            self.load(number, value)
        self.note(f"{name}: call")
        self.code += self.enter(self.NUMBERS[name])

    def otherwise(self, value: int, label: str) -> None:
        """Goes to `label` unless the last call returned `value`."""
        self.note(f"not {value}? to {label}")
        self.compare(value)
        self.jump("not equal", label)

    def equal(self, value: int, label: str) -> None:
        """Goes to `label` if the last call returned `value`."""
        self.note(f"{value}? to {label}")
        self.compare(value)
        self.jump("equal", label)

    def less_than(self, value: int, label: str) -> None:
        """Goes to `label` if the last call returned less than `value`."""
        self.note(f"less than {value}? to {label}")
        self.compare(value)
        self.jump("less", label)

    def jump(self, condition: str, label: str) -> None:
        self.jumps.append((len(self.code), label))
        self.code += self.branch(condition, 0)

    def finish(self) -> bytes:
        """The code, with its jumps filled in."""
        for position, label in self.jumps:
            there = self.code[position:]
            filled = self.target(there, self.labels[label] - position)
            self.code = self.code[:position] + filled + there[len(filled) :]
        return self.code

    # What processors differ in. Arguments and results are 32 bits wide or addresses below 4 GiB.
    def load(self, number: int, value: int | str) -> None:
        raise NotImplementedError

    def enter(self, number: int) -> bytes:
        raise NotImplementedError

    def keep(self) -> None:
        """The last call's result is SOCKET from now on."""
        raise NotImplementedError

    def take_answer(self) -> None:
        """The byte that was read is the next call's argument."""
        raise NotImplementedError

    def find_environment(self) -> None:
        """ENVIRONMENT is where it is on entry: behind the arguments and the zero that ends them."""
        raise NotImplementedError

    def store(self, slot: int, value: int) -> None:
        """Writes to ARGUMENTS, whose slot 0 is where their number was on entry."""
        raise NotImplementedError

    def compare(self, value: int) -> None:
        raise NotImplementedError

    def branch(self, condition: str, distance: int) -> bytes:
        raise NotImplementedError

    def target(self, code: bytes, distance: int) -> bytes:
        raise NotImplementedError


class X86(Machine):
    """x86_64: arguments in rdi, rsi, rdx, r10, r8; the call's number and result in rax (syscall(2))."""

    ELF = 62
    NUMBERS = {"read": 0, "write": 1, "socket": 41, "connect": 42, "sendmsg": 46, "setsockopt": 54, "execve": 59}
    NUMBERS["exit_group"] = 231
    REGISTERS = (b"\xbf", b"\xbe", b"\xba", b"\x41\xba", b"\x41\xb8")  # mov REGISTER, imm32
    JUMPS = {"not equal": b"\x0f\x85", "equal": b"\x0f\x84", "less": b"\x0f\x8c"}

    def load(self, number: int, value: int | str) -> None:
        if isinstance(value, int):
            self.code += self.REGISTERS[number] + struct.pack("<I", value)
        else:
            self.code += {
                (0, SOCKET): b"\x89\xdf",  # mov edi, ebx
                (1, ANSWER): b"\x48\x8d\x74\x24\xf0",  # lea rsi, [rsp - 16]
                (1, ARGUMENTS): b"\x48\x89\xe6",  # mov rsi, rsp
                (2, ENVIRONMENT): b"",  # find_environment put it there
            }[number, value]

    def enter(self, number: int) -> bytes:
        return b"\xb8" + struct.pack("<I", number) + b"\x0f\x05"  # mov eax, number; syscall

    def keep(self) -> None:
        self.code += b"\x89\xc3"  # mov ebx, eax

    def compare(self, value: int) -> None:
        self.code += b"\x3d" + struct.pack("<i", value)  # cmp eax, value

    def branch(self, condition: str, distance: int) -> bytes:
        return self.JUMPS[condition] + struct.pack("<i", distance)

    def target(self, code: bytes, distance: int) -> bytes:
        return code[:2] + struct.pack("<i", distance - 6)  # counted from the next instruction

    def take_answer(self) -> None:
        self.note("the answer is the argument")
        self.code += b"\x0f\xb6\x7c\x24\xf0"  # movzx edi, byte [rsp - 16]

    def find_environment(self) -> None:
        self.note("the environment begins behind the arguments and a zero")
        self.code += b"\x48\x8b\x04\x24\x48\x8d\x54\xc4\x10"  # mov rax, [rsp]; lea rdx, [rsp + rax * 8 + 16]

    def store(self, slot: int, value: int) -> None:
        self.note(f"argument {slot} of the next program")
        self.code += b"\x48\xc7\x44\x24" + struct.pack("<BI", 8 * slot, value)  # mov qword [rsp + 8 * slot], value


class Arm(Machine):
    """aarch64: arguments in x0 to x4, the result in x0, the call's number in x8 (syscall(2))."""

    ELF = 183
    NUMBERS = {"read": 63, "write": 64, "socket": 198, "connect": 203, "setsockopt": 208, "sendmsg": 211, "execve": 221}
    NUMBERS["exit_group"] = 94
    CONDITIONS = {"not equal": 1, "equal": 0, "less": 11}

    def word(self, *words: int) -> None:
        self.code += struct.pack(f"<{len(words)}I", *words)

    def constant(self, register: int, value: int) -> None:
        self.word(0xD2800000 | (value & 0xFFFF) << 5 | register)  # movz xN, low half
        if value >> 16:
            self.word(0xF2A00000 | value >> 16 << 5 | register)  # movk xN, high half, lsl 16

    def load(self, number: int, value: int | str) -> None:
        if isinstance(value, int):
            self.constant(number, value)
        elif value != ENVIRONMENT:  # which find_environment put there
            self.word(
                {
                    (0, SOCKET): 0xAA1303E0,  # mov x0, x19
                    (1, ANSWER): 0xD10043E1,  # sub x1, sp, 16
                    (1, ARGUMENTS): 0x910003E1,  # mov x1, sp
                }[number, value]
            )

    def enter(self, number: int) -> bytes:
        return struct.pack("<II", 0xD2800008 | number << 5, 0xD4000001)  # movz x8, number; svc 0

    def keep(self) -> None:
        self.word(0xAA0003F3)  # mov x19, x0

    def compare(self, value: int) -> None:
        self.word((0x7100001F | value << 10) if value >= 0 else (0x3100001F | -value << 10))  # cmp w0, v; cmn w0, -v

    def branch(self, condition: str, distance: int) -> bytes:
        return struct.pack("<I", 0x54000000 | (distance >> 2 & 0x7FFFF) << 5 | self.CONDITIONS[condition])

    def target(self, code: bytes, distance: int) -> bytes:
        return struct.pack("<I", struct.unpack_from("<I", code)[0] | (distance >> 2 & 0x7FFFF) << 5)

    def take_answer(self) -> None:
        self.note("the answer is the argument")
        self.word(0x385F03E0)  # ldurb w0, [sp, -16]

    def find_environment(self) -> None:
        self.note("the environment begins behind the arguments and a zero")
        # ldr x3, [sp]; add x2, sp, x3, lsl 3; add x2, x2, 16
        self.word(0xF94003E3, 0x8B236FE2, 0x91004042)

    def store(self, slot: int, value: int) -> None:
        self.note(f"argument {slot} of the next program")
        self.constant(4, value)
        self.word(0xF90003E4 | slot << 10)  # str x4, [sp, 8 * slot]


MACHINES: dict[str, type[Machine]] = {"x86_64": X86, "aarch64": Arm}


def build(machine: str, version: str, socket: str, python: str) -> bytes | None:
    """The launcher as an ELF file; None for a machine that it is not made for.

    `version` is what the service must be of, `socket` where it listens, `python` the interpreter. Raises ValueError
    for a socket's path that is too long (unix(7): 107 bytes).
    """
    if machine not in MACHINES:
        return None
    if len(socket.encode()) > 107:
        raise ValueError(f"{socket}: a socket's path has at most 107 bytes")
    data = Data(BASE + HEADERS, version, socket, python)
    code = MACHINES[machine]()
    program(code, data)
    entry = BASE + HEADERS + len(data.content)
    body = data.content + code.finish()
    size = HEADERS + len(body)
    header = struct.pack(
        "<16sHHIQQQIHHHHHH", b"\x7fELF\2\1\1", 2, code.ELF, 1, entry, 64, 0, 0, 64, 56, 2, 0, 0, 0
    )  # 64 bits, little endian, an executable at fixed addresses
    header += struct.pack("<IIQQQQQQ", PT_LOAD, READ | EXECUTE, 0, BASE, BASE, size, size, 0x10000)
    header += struct.pack("<IIQQQQQQ", PT_GNU_STACK, READ | WRITE, 0, 0, 0, 0, 0, 16)
    return header + body


def listing(machine: str) -> str:
    """The program as text: each instruction's bytes with their purpose."""
    code = MACHINES[machine]()
    program(code, Data(BASE + HEADERS, "VERSION", "/run/podnet/cni.sock", "/usr/bin/python3"))
    code.finish()
    ends = [start for start, _text in code.lines[1:]] + [len(code.code)]
    return "\n".join(
        f"{start:4x}  {code.code[start:end].hex(' '):<46}  {text}" for (start, text), end in zip(code.lines, ends)
    )


if __name__ == "__main__":
    print(listing(sys.argv[1] if len(sys.argv) > 1 else "x86_64"))
