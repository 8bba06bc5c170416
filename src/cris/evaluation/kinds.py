"""Kinds of sentences that people wrote, by rule: English words, the first rule that fits."""

import re

KINDS_BY_RULE = ("negation", "ordinal", "relational", "spatial", "attribute", "plain")
"""Kinds in the order in which their rules are tried; "plain" is all that no rule takes."""

_COLOURS = (
    "red green blue yellow orange purple violet pink brown black white grey gray silver gold golden "
    "beige tan turquoise teal maroon navy blond blonde brunette dark light bright pale colou?red "
    "colou?rful"
)
_LOOKS = (
    "big bigger biggest small smaller smallest large larger largest tall taller tallest short shorter "
    "shortest long longer longest little tiny huge giant fat thin wide narrow thick old older oldest "
    "young younger youngest bald bearded striped stripes plaid checkered chequered spotted dotted polka "
    "plain shiny wooden metal plastic glass leather fuzzy furry fluffy blurry blurred round square "
    "empty full open closed naked shirtless adult male female whole broken cut half ripe wet dirty "
    "clean"
)
_STATES = (
    "wearing wears dressed holding holds carrying eating drinking sitting seated standing stands lying "
    "laying walking running riding looking facing smiling talking sleeping playing jumping bending "
    "leaning crouching kneeling hat cap shirt tshirt t-shirt jacket coat dress skirt pants jeans shorts "
    "tie glasses sunglasses helmet hoodie sweater vest suit uniform scarf hair beard mustache moustache"
)
_SIDES = (
    "left right top bottom upper lower middle center centre front back rear foreground background "
    "corner edge side leftmost rightmost topmost bottommost lft rgt closest nearest farthest furthest "
    "nearer closer near far lowest highest upside inside outside"
)
_ORDINALS = "first second third fourth fifth sixth seventh last 1st 2nd 3rd 4th 5th 6th 7th"
_RELATIONS = (
    r"next to|beside|besides|between|behind|in front of|in back of|under|underneath|beneath|below|above|"
    r"over|on top of|across from|opposite|adjacent to|close to|closer to|closest to|nearest to|nearest the|"
    r"near|by|against|around|inside|outside of|facing|touching|"
    r"(?:to the )?(?:left|right) of(?! (?:the )?(?:picture|photo|image|pic|screen|frame)\b)|"
    r"(?:on|in|at|from) (?:an?|the|his|her|its|their) (?!(?:[\w-]+ ){0,3}(?:left|right|top|bottom|middle|"
    r"center|centre|front|back|rear|foreground|background|corner|side|edge|picture|photo|image|pic|screen|"
    r"frame|hat|cap|shirt|t-?shirt|top|jacket|coat|dress|skirt|pants|jeans|shorts|suit|uniform|sweater|hoodie|vest|outfit|"
    r"helmet|glasses)\b)"
)


def _any(words: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w-])(?:{'|'.join(words.split())})(?![\w-])", re.IGNORECASE)


_RULES = (
    (
        "negation",
        re.compile(
            r"\b(?:not|no|without|nobody|none|isn'?t|doesn'?t|aren'?t|don'?t|other than|except)\b|n[’']t\b",
            re.IGNORECASE,
        ),
    ),
    ("ordinal", _any(_ORDINALS)),
    ("relational", re.compile(rf"\b(?:{_RELATIONS})", re.IGNORECASE)),
    ("spatial", _any(_SIDES)),
    ("attribute", _any(f"{_COLOURS} {_LOOKS} {_STATES}")),
)


def kind_of(sentence: str) -> str:
    """Return one of KINDS_BY_RULE: of several that a sentence relies on, the one that is harder to follow."""
    return next((kind for kind, rule in _RULES if rule.search(sentence)), KINDS_BY_RULE[-1])


def count_words(sentence: str) -> int:
    """Return the number of runs of letters and digits, apostrophes and hyphens within them."""
    return len(re.findall(r"[^\W_]+(?:['’-][^\W_]+)*", sentence))
