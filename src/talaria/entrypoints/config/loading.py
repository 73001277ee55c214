"""From a file and the environment to settings: read, override, decode, fill in, check."""

import os
import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from talaria.entrypoints.config import environment, rules, warnings
from talaria.entrypoints.config.adapters import read_adapters
from talaria.entrypoints.config.decoding import Decoder
from talaria.entrypoints.config.files import digest_of, files_of
from talaria.entrypoints.config.keys import read_keys
from talaria.entrypoints.config.lines import line_of, lines_of
from talaria.entrypoints.config.problems import ConfigurationError, Diagnostics, Problem
from talaria.entrypoints.config.settings import Settings
from talaria.entrypoints.config.sources import LoadContext
from talaria.entrypoints.config.tls import read_tls

_BYTE_ORDER_MARK = "\ufeff"
"""Some editors begin a file with it, and show nothing of it."""


def load(path: Path, environ: Mapping[str, str] = os.environ) -> Settings:
    """The settings in the TOML file at `path`, with the overrides in `environ`.

    Relative paths in the file start from its folder. The adapters that it names are imported. Raises
    ConfigurationError with every problem there is.
    """
    file = _File(path, environ)
    diagnostics = file.diagnostics
    settings = read_tls(read_keys(rules.fill_in(file.settings), diagnostics.refuse), diagnostics)
    settings = read_adapters(settings, diagnostics.refuse)
    rules.check(settings, diagnostics.refuse)
    file.raise_problems(diagnostics.problems)
    named = list(files_of(settings))
    warnings.warn(settings, named, diagnostics)
    return replace(
        settings,
        warnings=tuple(map(file.located, diagnostics.warnings)),
        files={each.file: file.context.versions[each.file] for each in named},
        digest=digest_of(file.tree, settings),
    )


def load_part(path: Path, keys: Collection[str]) -> Settings:
    """The settings, of which those at these key paths are good; another may be empty, for want of a secret as a rule.

    Read, overridden and decoded as by `load`. Raises ConfigurationError with what is wrong at `keys`.
    """
    file = _File(path, os.environ)
    file.raise_problems([one for one in file.diagnostics.problems if any(_concerns(one, key) for key in keys)])
    return file.settings


class _File:
    """A configuration file, read, overridden and decoded."""

    def __init__(self, path: Path, environ: Mapping[str, str]) -> None:
        text, self.tree = read_toml(path, "name another file with --config, or make one with: talaria init .")
        self._lines = lines_of(text)
        self.diagnostics = Diagnostics()
        self._sources = environment.override(self.tree, environ, self.diagnostics)
        # Not resolved: where the folder is a link that moves, what its names lead to changes.
        self.context = LoadContext(path.parent.absolute(), environ)
        self.settings = Decoder(self.context, self.diagnostics).table(self.tree, Settings)

    def raise_problems(self, problems: list[Problem]) -> None:
        """Raise ConfigurationError if there are any."""
        if problems:
            raise ConfigurationError([self.located(problem) for problem in problems])

    def located(self, problem: Problem) -> Problem:
        """The problem with its line, or with the variable that set the value."""
        for key, variable in self._sources.items():
            if problem.key == key or problem.key.startswith((f"{key}.", f"{key}[")):
                return replace(problem, wrong=f"{problem.wrong} (set by {variable})")
        return replace(problem, line=line_of(problem.key, self._lines))


def _concerns(problem: Problem, key: str) -> bool:
    """Whether it stands at the key, in it, or at a table that the key is in."""
    return problem.key == key or problem.key.startswith((f"{key}.", f"{key}[")) or key.startswith(f"{problem.key}.")


def read_toml(path: Path, other: str) -> tuple[str, dict[str, Any]]:
    """The text of a TOML file, and its tree. Raises ConfigurationError; `other` is what to do about a file that can't
    be read.
    """
    try:
        text = path.read_bytes().decode().removeprefix(_BYTE_ORDER_MARK)
        return text, tomllib.loads(text)
    except OSError as error:
        wrong, hint = f"{path} can't be read ({error.strerror})", other
    except UnicodeDecodeError as error:
        wrong, hint = f"{path} is not UTF-8 text (byte {error.start})", "save it as UTF-8"
    except ValueError as error:  # TOMLDecodeError; or of an integer with thousands of digits
        wrong, hint = f"{path} is not TOML: {error}", "put that line right; a text stands in quotes"
    except RecursionError:
        wrong, hint = f"{path} nests too deeply", "no setting has arrays in arrays"
    raise ConfigurationError([Problem("", wrong, hint)])
