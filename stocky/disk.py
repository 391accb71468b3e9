"""Files and directories: operations that some file systems lack, each with a fallback, and what cannot be written.

exFAT has no hard links, some network mounts have no flock, and others cannot sync a directory. `move_new` never
replaces a file on any file system.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import re
import shlex
import shutil
import struct
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

from stocky.errors import OutOfSpace, Unavailable

# Errors for an unsupported operation; exFAT and others answer EPERM to a hard link.
_NO_LINKS = frozenset({errno.EPERM, errno.EACCES, errno.ENOSYS, errno.EOPNOTSUPP, errno.EMLINK})
_NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL, errno.EBADF})
_NO_SYNC = frozenset({errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EBADF})
# A full disk, and one that cannot be written at all.
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_NOT_WRITABLE = frozenset({errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EIO})
_AT_FDCWD, _RENAME_NOREPLACE = -100, 1
# struct flock: a write lock on the whole file, which belongs to the open file, as with flock.
_WHOLE_FILE = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)

NO_LOCKS = (
    "The file system of the database has no file locks, which SQLite needs: put the database on a local disk, or use"
    " Postgres"
)


class NoLocks(OSError):
    """The file system has no locks of any kind."""


@contextmanager
def disk_errors() -> Iterator[None]:
    """Translates errors of writing files: a full disk to OutOfSpace, a read-only or failing one to Unavailable."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise OutOfSpace from error
        if error.errno in _NOT_WRITABLE:
            raise Unavailable(
                f"A file cannot be written ({os.strerror(error.errno)}), and nothing was changed; check the owner of"
                " the data and backup directories, and whether their disk is read-only",
                retry_after=60,
            ) from error
        raise


def require_space(directory: Path, needed: int) -> None:
    """Raises OutOfSpace unless `needed` bytes are free in the directory."""
    free = shutil.disk_usage(directory).free
    if free < needed:
        raise OutOfSpace(
            f"Not enough disk space: this needs about {needed // 2**20 + 1} MiB in {directory},"
            f" and {free // 2**20} MiB are free; nothing was changed. Free some and try again"
        )


def move_new(source: Path, target: Path) -> None:
    """Renames a finished file within its file system. Raises FileExistsError where the name is taken."""
    try:
        # A link never replaces a file that another process has created meanwhile.
        os.link(source, target)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        _move_without_link(source, target)
    else:
        source.unlink()


def _move_without_link(source: Path, target: Path) -> None:
    rename = _renameat2()
    if rename is not None and rename(_AT_FDCWD, os.fsencode(source), _AT_FDCWD, os.fsencode(target), _RENAME_NOREPLACE):
        failed = ctypes.get_errno()
        if failed not in (errno.EINVAL, errno.ENOSYS, errno.EPERM, errno.EOPNOTSUPP):
            raise OSError(failed, os.strerror(failed), str(target))
    elif rename is not None:
        return
    # An empty file reserves the name until the finished one replaces it: only its creator gets here.
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        source.replace(target)
    except BaseException:
        target.unlink(missing_ok=True)
        raise


@cache
def _renameat2() -> Any:
    """The C library's renameat2, which Python does not expose; None where it is missing."""
    with suppress(AttributeError, OSError):
        return ctypes.CDLL(None, use_errno=True).renameat2
    return None


def sync_directory(directory: Path) -> None:
    """Makes renames in a directory survive a power cut, where the file system supports it."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise
    finally:
        os.close(descriptor)


def lock(descriptor: int, *, wait: bool) -> None:
    """An exclusive lock on an open file, which ends with its process: flock, or fcntl where there is no flock.

    Raises BlockingIOError when another has it and `wait` is false, NoLocks where the file system has neither.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        raise
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        _lock_by_fcntl(descriptor, wait=wait)


@contextmanager
def locked_directory(directory: Path) -> Iterator[None]:
    """Excludes other processes that enter this, where the directory exists and its file system has locks.

    It cannot be entered twice at once, and leaves no file. Blocks.
    """
    with ExitStack() as stack:
        with suppress(OSError):
            descriptor = os.open(directory, os.O_RDONLY)
            stack.callback(os.close, descriptor)
            lock(descriptor, wait=True)
        yield


def _lock_by_fcntl(descriptor: int, *, wait: bool) -> None:
    # Locks of the open file, not of the process: closing another descriptor of the file does not end them.
    command = getattr(fcntl, "F_OFD_SETLKW" if wait else "F_OFD_SETLK", None)
    if command is None:
        raise NoLocks(errno.ENOLCK, os.strerror(errno.ENOLCK))
    try:
        fcntl.fcntl(descriptor, command, _WHOLE_FILE)
    except OSError as error:
        if error.errno in (errno.EAGAIN, errno.EACCES):
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN)) from error
        if error.errno in _NO_LOCKS:
            raise NoLocks(errno.ENOLCK, os.strerror(errno.ENOLCK)) from error
        raise


def network_mount(path: Path) -> str | None:
    """The kind of network mount that `path` is on, such as `NFS`; None for a local disk or an unknown one."""
    return _NETWORK_TYPES.get(mount_type(path))


# Spaces and a few other characters of paths, as escaped in /proc/self/mountinfo.
_OCTAL = re.compile(rb"\\([0-7]{3})")


# By type in /proc/self/mountinfo; other FUSE mounts may be local.
_NETWORK_TYPES = {
    "nfs": "NFS",
    "nfs4": "NFS",
    "cifs": "SMB",
    "smb3": "SMB",
    "smbfs": "SMB",
    "ncpfs": "NCP",
    "afs": "AFS",
    "ceph": "CephFS",
    "9p": "9P",
    "glusterfs": "GlusterFS",
    "fuse.sshfs": "SSHFS",
    "fuse.glusterfs": "GlusterFS",
    "fuse.s3fs": "S3",
    "fuse.rclone": "rclone",
    "fuse.ceph-fuse": "CephFS",
    "fuse.davfs": "WebDAV",
    "davfs": "WebDAV",
}


def mount_type(path: Path) -> str:
    """The type of the file system of `path`, or of its nearest existing parent; empty where unknown."""
    there = next(each for each in (path, *path.parents) if each.exists()).resolve()
    best, kind = Path(), ""
    with suppress(OSError):
        for line in Path("/proc/self/mountinfo").read_bytes().splitlines():
            before, _, after = line.partition(b" - ")
            escaped = before.split(b" ")[4]
            point = Path(os.fsdecode(_OCTAL.sub(lambda found: bytes([int(found[1], 8)]), escaped)))
            # Of several mounts on one directory, the last one is visible.
            if there.is_relative_to(point) and len(point.parts) >= len(best.parts):
                best, kind = point, os.fsdecode(after.split(b" ")[0])
    return kind


def size_of(directory: Path, *, without: Path | None = None, most_files: int = 200_000) -> int:
    """The bytes of the files below a directory, except those below `without`. After `most_files` it stops counting.

    Files that are removed meanwhile, or cannot be read, count nothing.
    """
    size = files = 0
    waiting = [directory]
    while waiting and files < most_files:
        with suppress(OSError), os.scandir(waiting.pop()) as entries:
            for entry in entries:
                with suppress(OSError):
                    if not entry.is_dir(follow_symlinks=False):
                        size += entry.stat(follow_symlinks=False).st_size
                        files += 1
                    elif without is None or Path(entry.path) != without:
                        waiting.append(Path(entry.path))
    return size


def find_unwritable(wanted: Mapping[str, Path]) -> list[str]:
    """A line for each setting whose path cannot be written, except paths below one that is listed already."""
    found: list[tuple[Path, str]] = []
    for name, path in wanted.items():
        why = why_not_writable(path)
        if why is not None and not any(path.is_relative_to(other) for other, _ in found):
            found.append((path, f"{name}: {why}"))
    return [line for _, line in found]


def why_not_writable(path: Path) -> str | None:
    """Why a directory or file, or the directory to create it in, cannot be written; None where it can."""
    there = path
    while not there.exists() and there != there.parent:
        there = there.parent
    if os.access(there, os.W_OK | (os.X_OK if there.is_dir() else os.R_OK)):
        return None
    if os.statvfs(there).f_flag & os.ST_RDONLY:
        return f"{there} is on a file system that is mounted read-only; mount it writable, or set another path"
    owner = f"{os.getuid()}:{os.getgid()}"
    make = "" if there == path else f"mkdir -p {shlex.quote(str(path))} && "
    return (
        f"{there} cannot be written by this process (uid {os.getuid()}); as an administrator run:"
        f" {make}chown -R {owner} {shlex.quote(str(path))}"
    )
