"""Numbers as options of a command."""

import math
from typing import Any

import click


class Between(click.FloatRange):
    """A number within bounds; `nan`, which is neither above nor below them, is none."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        number = float(super().convert(value, param, ctx))
        if math.isnan(number):
            self.fail(f"{value} is no number.", param, ctx)
        return number
