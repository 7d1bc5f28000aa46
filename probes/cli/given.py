"""Options and arguments that are given empty, as by a variable of the shell that is not set: they would be taken for
the working directory, or for not being given, so they are refused.
"""

from typing import Any

import typer
from typer.core import TyperCommand

MAY_BE_EMPTY = ("server",)
"""Parameters of which nothing means something: no header field Server is sent."""
TOLD_BY_VERB = ("target", "ranges")
"""Those whose verb says what may stand there."""


class Command(TyperCommand):
    """A verb."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401  # its class is private to typer
        """As typer has it. Raises BadParameter for what is given empty."""
        given, _, _ = self.make_parser(ctx).parse_args(list(args))
        rest = super().parse_args(ctx, args)
        for parameter in self.params:
            texts = given.get(str(parameter.name))
            is_empty = "" in (texts if isinstance(texts, list | tuple) else [texts])
            if is_empty and parameter.name not in (*MAY_BE_EMPTY, *TOLD_BY_VERB) and not ctx.resilient_parsing:
                what = (parameter.metavar or str(parameter.name)).strip("[]")
                leave = "" if parameter.required else ", or leave it out"
                raise typer.BadParameter(f"it is empty: give {what}{leave}.", ctx, parameter)
        return rest
