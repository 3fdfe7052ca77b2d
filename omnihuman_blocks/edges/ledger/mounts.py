"""A folder in, the network file system that it lies on out.

SQLite's write-ahead log needs memory that all its readers share, which only one machine has.
Between two machines its locks would hold nobody back.
"""

from __future__ import annotations

from pathlib import Path

MOUNTS = Path("/proc/self/mountinfo")
NETWORK = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "ceph", "lustre", "glusterfs", "beegfs", "gpfs"}
)
FUSE_NETWORK = frozenset(
    {"fuse.sshfs", "fuse.glusterfs", "fuse.ceph-fuse", "fuse.s3fs", "fuse.rclone"}
)


def network_file_system(folder: Path) -> str | None:
    """Its kind; None where the folder is local or this platform does not tell."""
    try:
        lines = MOUNTS.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
        wanted = folder.resolve()
    except OSError:
        return None
    mounts = [_mount(line) for line in lines if " - " in line]
    # The deepest one; of several at the same place, the last one covers the others.
    around = [(len(place.parts), n) for n, (place, _) in enumerate(mounts) if _holds(place, wanted)]
    kind = mounts[max(around)[1]][1] if around else ""
    return kind if kind in NETWORK | FUSE_NETWORK else None


def _holds(place: Path, folder: Path) -> bool:
    return folder.is_relative_to(place)


def _mount(line: str) -> tuple[Path, str]:
    """Where it is mounted, and what kind it is: the fifth field, and the first after a dash."""
    before, _, after = line.partition(" - ")
    place = before.split(" ")[4]
    for escaped, plain in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        place = place.replace(escaped, plain)
    return Path(place), after.split(" ")[0]
