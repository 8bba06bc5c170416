"""Generated sentences that each mean one object of an annotated photograph, made from its annotations."""

from cris.data.expressions.category_stats import CategoryStats
from cris.data.expressions.expression import Expression
from cris.data.expressions.generate import Wishes, expressions_of

__all__ = ["CategoryStats", "Expression", "Wishes", "expressions_of"]
