"""An address as a table has it -> where its bytes lie, a mark that changes with them, the bytes.

Files of this machine are read with pathlib; addresses like `s3://` through fsspec and whatever it
has been given to speak with; http(s) is not read here, because one file only speaks it.
"""

from __future__ import annotations

import errno
import re
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from omnihuman_blocks.domain.addresses import is_web, without_credentials
from omnihuman_blocks.errors import Transient

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_MARKS = (
    *("ETag", "etag", "md5Hash", "content_md5", "crc32c", "generation", "version_id"),
    *("mtime", "LastModified", "last_modified", "updated", "created"),
)
"""What the various stores tell about a file that changes with its content."""
SETTLED_SECONDS = 2.0
"""A file younger than this could change again without its time showing it."""
SHOWN_CHARS = 200
OUR_TROUBLE = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO, errno.EAGAIN, errno.EINTR}
"""The machine's trouble, not the table's: it may be gone the next time."""

NO_KEYS = {"NoCredentialsError", "PartialCredentialsError", "DefaultCredentialsError"}
"""What the stores' own packages call it that they were given no keys."""


class Unusable(Exception):
    """No bytes can be had from an address, and the table's author must do something about it."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where some bytes lie. `mark` changes when they do; None where nothing tells."""

    address: str
    size: int
    mark: str | None
    read: Callable[[], bytes]


def locate(uri: str, base: Path | str) -> str:
    """The whole address: a relative one starts at the folder of its table."""
    uri = uri.strip()
    if not uri:
        raise Unusable("is empty; give the address of a file")
    if uri.lower().startswith("data:"):
        raise Unusable("holds the file itself; save it as a file and give its address")
    if uri.lower().startswith("file:"):
        return str(_path_of(uri))
    if _SCHEME.match(uri):
        return uri
    if _SCHEME.match(str(base)) and not Path(uri).is_absolute():
        folder = str(base)
        if folder.lower().startswith("file:"):
            return str(_path_of(folder) / uri)
        return f"{folder.rstrip('/')}/{uri}"
    return str((Path(base) / uri).absolute())


def _path_of(uri: str) -> Path:
    parts = urlsplit(uri)
    if parts.netloc not in ("", "localhost"):
        raise Unusable(f"names a file on another machine, {parts.netloc}; copy it to this one")
    return Path(unquote(parts.path)).absolute()


def shown(address: str) -> str:
    """An address fit for a message."""
    bare = without_credentials(address)
    return bare if len(bare) <= SHOWN_CHARS else bare[:SHOWN_CHARS] + "…"


def is_near(address: str) -> bool:
    """Whether it names a file of this machine."""
    return _SCHEME.match(address) is None


def find(address: str) -> Place:
    """Looks an address up, without reading it. Unusable or Transient where that cannot be done."""
    if is_web(address):
        raise ValueError("An http address is read by `edges/http.py`.")
    return _find_here(Path(address)) if is_near(address) else _find_elsewhere(address)


def _find_here(path: Path) -> Place:
    def read() -> bytes:
        try:
            return path.read_bytes()
        except OSError as error:
            raise _judged(error) from error

    try:
        status = path.stat()
    except (OSError, ValueError) as error:
        raise _judged(error) from error
    if not stat.S_ISREG(status.st_mode):
        raise Unusable("is a folder or a device and not a file; correct the address")
    is_settled = time.time() - max(status.st_mtime, status.st_ctime) > SETTLED_SECONDS
    # The change time too: it cannot be set by hand, as the modification time can.
    mark = f"{status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}" if is_settled else None
    return Place(address=str(path), size=status.st_size, mark=mark, read=read)


def _judged(error: Exception) -> Exception:
    """Whose trouble it is that a file of this machine cannot be read."""
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return Unusable("is not there; put the file there or correct the address")
    if isinstance(error, PermissionError):
        return Unusable("may not be read by this user; change its permissions")
    if isinstance(error, OSError) and error.errno in OUR_TROUBLE:
        return Transient(f"A file cannot be read now: {error}. Run again.")
    why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return Unusable(f"cannot be read ({why}); correct the address")


def _find_elsewhere(address: str) -> Place:
    scheme = address.partition(":")[0]
    try:
        import fsspec  # noqa: PLC0415 - optional, and slow to import
    except ImportError:
        raise Unusable(f"needs fsspec to be read: pip install fsspec, for {scheme}://") from None
    try:
        system, path = fsspec.core.url_to_fs(address)
        about = system.info(path)
    except Exception as error:  # every store has errors of its own
        raise _judged_elsewhere(error, scheme) from error
    if about.get("type") == "directory":
        raise Unusable("is a folder and not a file; correct the address")

    def read() -> bytes:
        try:
            content: bytes = system.cat_file(path)
        except Exception as error:  # every store has errors of its own
            raise _judged_elsewhere(error, scheme) from error
        return content

    marks = [f"{name}={about[name]}" for name in _MARKS if about.get(name) is not None]
    size = int(about.get("size") or 0)
    mark = f"{size} {' '.join(marks)}" if marks else None
    return Place(address=address, size=size, mark=mark, read=read)


def _judged_elsewhere(error: Exception, scheme: str) -> Exception:
    if isinstance(error, ImportError | ValueError):  # fsspec's words name the package to install
        return Unusable(f"cannot be read: {error}")
    if isinstance(error, FileNotFoundError | NotADirectoryError | PermissionError):
        return _judged(error)
    if type(error).__name__ in NO_KEYS:
        return Unusable(f"needs the keys of {scheme}:// in the environment ({error})")
    return Transient(
        f"{scheme}:// cannot be read now ({type(error).__name__}: {error}). Run again."
    )
