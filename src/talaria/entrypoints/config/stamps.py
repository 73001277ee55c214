"""In which state a file was: what a change of its content, or of where its name leads, makes another one."""

from collections.abc import Iterable, Mapping
from pathlib import Path

Stamp = tuple[int, int, int] | None
"""When it was written, which file it is, and how long. None: there is none that could be read."""


def stamp_of(file: Path) -> Stamp:
    """The state of this file now."""
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size


def stamps_of(files: Iterable[Path]) -> Mapping[Path, Stamp]:
    """The state of each of them now."""
    return {file: stamp_of(file) for file in files}
