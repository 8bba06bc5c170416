"""Generated sentences that each mean one object of an annotated photograph, made from its annotations."""

from cris.data.expressions.census import Census
from cris.data.expressions.expression import Expression
from cris.data.expressions.generate import Wishes, expressions_of

__all__ = ["Census", "Expression", "Wishes", "expressions_of"]
