"""Templates are whole configurations, filled in by Jinja."""

from importlib.resources import files

from talaria.entrypoints.cli.render.facts import Facts
from talaria.entrypoints.cli.templates import templates


def fill(template: str, facts: Facts, **values: object) -> str:
    """The template of this name with the facts and these values. Raises UndefinedError for a name without a value."""
    return ENVIRONMENT.get_template(template).render(facts=facts, server=facts.settings.server, **values)


def script_path(name: str) -> str:
    """The path of a script that a rendered configuration loads."""
    return str(files(__package__).joinpath(name))


def _milliseconds(seconds: float) -> str:
    return f"{round(seconds * 1000)}ms"


def _seconds(seconds: float) -> str:
    return f"{seconds:g}s"


ENVIRONMENT = templates("render")
ENVIRONMENT.filters["ms"] = _milliseconds
ENVIRONMENT.filters["s"] = _seconds
ENVIRONMENT.filters["folded"] = lambda header: header.replace("-", "_")
