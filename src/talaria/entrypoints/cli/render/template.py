"""Templates are whole configurations, filled in by Jinja."""

from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined

from talaria.entrypoints.cli.render.facts import Facts


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


ENVIRONMENT = Environment(  # noqa: S701 - what is rendered is no HTML
    loader=PackageLoader("talaria.entrypoints.cli", "render"),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)
ENVIRONMENT.filters["ms"] = _milliseconds
ENVIRONMENT.filters["s"] = _seconds
ENVIRONMENT.filters["folded"] = lambda header: header.replace("-", "_")
