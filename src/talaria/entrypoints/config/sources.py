"""Where values come from: the configuration file's folder, the environment, and which version of a file was read."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

FileVersion = tuple[int, int, int] | None
"""When it was written, which file it is, and how long. None: there is none that could be read."""


def version_of(file: Path) -> FileVersion:
    """The version of this file now: another one after a change of its content, or of where its name leads."""
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size


def versions_of(files: Iterable[Path]) -> Mapping[Path, FileVersion]:
    """The version of each of them now."""
    return {file: version_of(file) for file in files}


@dataclass(frozen=True, slots=True)
class LoadContext:
    """What a value may refer to. `versions`: each file that a value has named, as it was before it was read."""

    folder: Path
    environ: Mapping[str, str]
    versions: dict[Path, FileVersion] = field(default_factory=dict, compare=False)

    def file(self, name: str) -> Path:
        """The file that a value names. From now on a change of it can be told from what is read."""
        file = self.folder / name
        self.versions.setdefault(file, version_of(file))
        return file
