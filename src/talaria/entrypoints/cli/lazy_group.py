"""A group that imports a command's module when the command runs, or when help lists it; not before."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import rich_click as click


class LazyGroup(click.RichGroup):
    """`modules`: the module of each command; its attribute `command` is the command."""

    def __init__(self, *arguments: Any, modules: Mapping[str, str], **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._modules = modules
        self.commands.update({name: click.Command(name) for name in modules})  # so that a name like it is known

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*sorted(self.commands.keys() - self._modules.keys()), *self._modules]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self._modules:
            return super().get_command(ctx, cmd_name)
        command = import_module(self._modules[cmd_name]).command
        return command if isinstance(command, click.Command) else None
