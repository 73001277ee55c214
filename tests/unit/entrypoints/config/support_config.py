"""What the configuration's tests are made with."""

from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta

from talaria.entrypoints.config.decoding import convert
from talaria.entrypoints.config.sources import LoadContext

ENVIRON = {"PERSONAL_TOKEN": "personal-canary", "WIND_API_KEY": "wind-canary", "TALARIA_SERVICES_API_KEY": "up-canary"}

HERE = LoadContext(Path("/etc/talaria"), {})


def read(type: Any, value: object, context: LoadContext = HERE) -> Any:
    """What a value of the file becomes as this type, or as one that has nothing but this Meta."""
    return convert(value, Annotated[Any, type] if isinstance(type, Meta) else type, context)
