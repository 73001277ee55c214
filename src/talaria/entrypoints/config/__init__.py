"""The configuration: a TOML file and the environment, parsed once into frozen settings, all problems listed at once.

loading         the steps: read, override, decode, fill in, check
  settings      the one list of keys, defaults and forms; `shape` reads it for the others
  values  addresses  secrets      how single values are written
  environment   TALARIA__SECTION__KEY
  decode        a tree of TOML values -> settings
  keys  tls  rules  callers  warnings     what no single value shows
  files         which files the settings were read from, and their digest
  schema                the same list as a JSON Schema
"""

from talaria.entrypoints.config.addresses import Address
from talaria.entrypoints.config.loading import load, load_part
from talaria.entrypoints.config.problems import ConfigurationError, Problem
from talaria.entrypoints.config.schema import schema
from talaria.entrypoints.config.secrets import Secret
from talaria.entrypoints.config.settings import Settings

__all__ = ["Address", "ConfigurationError", "Problem", "Secret", "Settings", "load", "load_part", "schema"]
