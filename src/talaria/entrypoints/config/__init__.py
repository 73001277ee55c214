"""The configuration: a TOML file and the environment, parsed once into frozen settings, all problems listed at once.

loading         the steps: read, override, decode, fill in, check
  settings      the one list of keys, types and defaults
  types  secrets                how single values are written
  sources  files                where values come from; the files that settings name, and their digest
  environment   TALARIA__SECTION__KEY
  lines         on which line of the file a key stands
  decoding      a tree of TOML values -> settings, by msgspec, field by field
  keys  tls  rules  warnings    what no single value shows
  schema                        the same list as a JSON Schema
  without_secrets               what is in force, to be shown and compared
"""

from talaria.entrypoints.config.loading import load, load_part
from talaria.entrypoints.config.problems import ConfigurationError, Problem
from talaria.entrypoints.config.schema import schema
from talaria.entrypoints.config.secrets import Secret
from talaria.entrypoints.config.settings import Settings
from talaria.entrypoints.config.types import Address

__all__ = ["Address", "ConfigurationError", "Problem", "Secret", "Settings", "load", "load_part", "schema"]
