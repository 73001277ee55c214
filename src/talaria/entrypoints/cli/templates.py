"""Text files to be filled in, by Jinja."""

from jinja2 import Environment, PackageLoader, StrictUndefined


def templates(folder: str) -> Environment:
    """Those of a folder beside this file. A name without a value raises UndefinedError."""
    return Environment(  # noqa: S701 - none of them is HTML
        loader=PackageLoader("talaria.entrypoints.cli", folder),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
