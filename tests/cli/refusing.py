"""A process whose kernel refuses some system calls, as the file systems of exFAT, FUSE and NFS mounts do.

`python -m tests.cli.refusing CALLS COMMAND...` runs the command under a seccomp filter; CALLS is a comma-separated list
of `link`, `renameat2`, `flock` and `fcntl_locks`. Exit status 77 where the kernel has no such filter.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
import sys

UNSUPPORTED = 77
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _FILTER = 38, 22, 2
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
# By machine: seccomp's name of the architecture, and the numbers of the calls.
_MACHINES = {
    "x86_64": (0xC000003E, {"link": [86, 265], "renameat2": [316], "flock": [73], "fcntl_locks": [72]}),
    "aarch64": (0xC00000B7, {"link": [37], "renameat2": [276], "flock": [32], "fcntl_locks": [25]}),
}
_ANSWERS = {"link": errno.EPERM, "renameat2": errno.EINVAL, "flock": errno.ENOLCK, "fcntl_locks": errno.ENOLCK}
# F_OFD_SETLK and F_OFD_SETLKW; SQLite's locks use other commands and still work.
_OFD_COMMANDS = (37, 38)


def refuse(calls: list[str]) -> bool:
    """Makes the kernel refuse these calls of this process and its children; False where it cannot."""
    machine = _MACHINES.get(platform.machine())
    if machine is None or not sys.platform.startswith("linux"):
        return False
    architecture, numbers = machine
    program = [_load(4), _jump_if(architecture, 1, 0), _return(_ALLOW), _load(0)]
    for call in calls:
        answer = _return(_ERRNO | _ANSWERS[call])
        for number in numbers[call]:
            if call == "fcntl_locks":
                # The command is the second argument.
                program += [_jump_if(number, 0, 5), _load(24), _jump_if(_OFD_COMMANDS[0], 1, 0)]
                program += [_jump_if(_OFD_COMMANDS[1], 0, 1), answer, _load(0)]
            else:
                program += [_jump_if(number, 0, 1), answer]
    program.append(_return(_ALLOW))
    code = ctypes.create_string_buffer(b"".join(program))
    filter_program = struct.pack("HxxxxxxP", len(program), ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    return (
        libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
        and libc.prctl(_PR_SET_SECCOMP, _FILTER, ctypes.create_string_buffer(filter_program), 0, 0) == 0
    )


def _instruction(code: int, true: int, false: int, operand: int) -> bytes:
    return struct.pack("HBBI", code, true, false, operand)


def _load(offset: int) -> bytes:
    return _instruction(0x20, 0, 0, offset)


def _jump_if(operand: int, true: int, false: int) -> bytes:
    """Skips `true` instructions where the loaded value is `operand`, else `false`."""
    return _instruction(0x15, true, false, operand)


def _return(answer: int) -> bytes:
    return _instruction(0x06, 0, 0, answer)


if __name__ == "__main__":
    if not refuse(sys.argv[1].split(",")):
        sys.exit(UNSUPPORTED)
    os.execvp(sys.argv[2], sys.argv[2:])
