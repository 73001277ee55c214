"""From a file and the environment to settings: read, override, decode, fill in, check."""

import os
import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from talaria.adapters import partners
from talaria.entrypoints.config import environment, rules, warnings
from talaria.entrypoints.config.decode import decode
from talaria.entrypoints.config.files import digest_of, files_of
from talaria.entrypoints.config.findings import Findings
from talaria.entrypoints.config.keys import read_keys
from talaria.entrypoints.config.problems import ConfigurationError, Problem
from talaria.entrypoints.config.settings import Settings
from talaria.entrypoints.config.shape import table_shape
from talaria.entrypoints.config.tls import read_tls
from talaria.entrypoints.config.values import Surroundings

_BYTE_ORDER_MARK = "\ufeff"
"""Some editors begin a file with it, and nobody sees it there."""


def load(
    path: Path, environ: Mapping[str, str] = os.environ, known_adapters: Collection[str] | None = None
) -> Settings:
    """The settings in the TOML file at `path`, with the overrides in `environ`.

    Relative paths in the file start from its folder. `known_adapters` are the partners' adapters that exist; the
    registry's by default. Raises ConfigurationError with every problem there is.
    """
    tree = _read(path)
    sources, unmatched = environment.override(tree, table_shape(Settings), environ)
    around = Surroundings(path.parent.resolve(), environ)
    settings, problems = decode(tree, Settings, around)
    findings = Findings([*unmatched, *problems])
    settings = read_tls(read_keys(rules.fill_in(settings), findings), findings)
    rules.check(settings, partners.known() if known_adapters is None else known_adapters, findings)
    if findings.problems:
        raise ConfigurationError([_with_source(problem, sources) for problem in findings.problems])
    warnings.look(settings, findings)
    read, digest = {file: around.stamps[file] for file in files_of(settings)}, digest_of(tree, settings)
    return replace(settings, warnings=tuple(findings.warnings), files=read, digest=digest)


def load_part(path: Path, keys: Collection[str], environ: Mapping[str, str] = os.environ) -> Settings:
    """The settings at these key paths, for who needs no more: the others may be BROKEN, for want of a secret as a rule.

    Read, overridden and decoded as by `load`. Raises ConfigurationError with what is wrong at `keys`.
    """
    tree = _read(path)
    sources, _ = environment.override(tree, table_shape(Settings), environ)
    settings, problems = decode(tree, Settings, Surroundings(path.parent.resolve(), environ))
    found = [problem for problem in problems if any(_concerns(problem, key) for key in keys)]
    if found:
        raise ConfigurationError([_with_source(problem, sources) for problem in found])
    return settings


def _concerns(problem: Problem, key: str) -> bool:
    """Whether it stands at the key, in it, or at a table that the key is in."""
    return problem.key == key or problem.key.startswith((f"{key}.", f"{key}[")) or key.startswith(f"{problem.key}.")


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_bytes().decode().removeprefix(_BYTE_ORDER_MARK))
    except OSError as error:
        wrong = f"{path} can't be read ({error.strerror})"
        instead = "name another file with --config, or make one with: talaria init ."
    except UnicodeDecodeError as error:
        wrong, instead = f"{path} is not UTF-8 text (byte {error.start})", "save it as UTF-8"
    except tomllib.TOMLDecodeError as error:
        wrong, instead = f"{path} is not TOML: {error}", "put that line right"
    except RecursionError:
        wrong, instead = f"{path} nests too deeply", "no setting has arrays in arrays"
    raise ConfigurationError([Problem("", wrong, instead)])


def _with_source(problem: Problem, sources: Mapping[str, str]) -> Problem:
    for key, variable in sources.items():
        if problem.key == key or problem.key.startswith((f"{key}.", f"{key}[")):
            return replace(problem, wrong=f"{problem.wrong} (set by {variable})")
    return problem
