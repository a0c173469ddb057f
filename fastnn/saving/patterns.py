r"""Regular expressions that stand in files, matched in a time that grows with their length and the text's alone.

`re` tries one way after the other, of which ``(a|a)*b`` has 2ⁿ and ``.*.*.*.*b`` n⁴.  A pattern from a file may be made
of characters (also ``.``, ``[a-z]``, ``\d``), repeated or not, of groups and alternatives that are not repeated but may
be optional, and of ``^`` and ``$``.  All its matches are followed at once: the places reached in the text are the bits
of a number, and each part of the pattern moves all of them in a few operations, a repeat by the carries of an addition
(R. D. Cameron et al., Bitwise Data Parallelism in Regular Expression Matching, PACT 2014).

Patterns in a user's own code are not restricted: they go to `re`.
"""

import re

from fastnn.saving.errors import ModelFormatError

MAX_LENGTH = 1000  # of all the patterns of one object
MAX_COUNT = 20
MAX_DEPTH = 20

_TOKEN = re.compile(r"\\.|\[\^?\]?(?:[^\]\\]|\\.)*\]|\(\?:|\{\d*,?\d*\}|.", re.DOTALL)
_REPEATS = {"*": (0, None), "+": (1, None), "?": (0, 1)}
_ESCAPES = set("dDsSwWtnrfv")


def from_file(texts, what):
    """The patterns of an object that is read from a file, or will be.

    Parameters
    ----------
    texts : iterable of str
    what : str
        The object and its argument, for messages.

    Returns
    -------
    list of FilePattern

    Raises
    ------
    ModelFormatError
        For patterns of other forms than the module describes, and too long ones.
    """
    texts = list(texts)
    if not all(isinstance(text, str) for text in texts):
        raise ModelFormatError(f"{what}: patterns must be strings")
    length = sum(map(len, texts))
    if length > MAX_LENGTH:
        raise ModelFormatError(f"{what}: patterns of {length} characters in a file; at most {MAX_LENGTH} are allowed")
    return [FilePattern(text, what) for text in texts]


def fullmatch(pattern, text):
    """Whether a pattern, from a file or of the user's own, matches a whole text."""
    return pattern.fullmatch(text) if isinstance(pattern, FilePattern) else bool(re.fullmatch(pattern, text))


def search(pattern, text):
    """Whether a pattern, from a file or of the user's own, matches a part of a text."""
    return pattern.search(text) if isinstance(pattern, FilePattern) else bool(re.search(pattern, text))


class FilePattern(str):
    """A pattern that came from a file: a string, with its parts.

    Parameters
    ----------
    text : str
    what : str
        For messages.
    """

    __slots__ = ("_tree",)

    def __new__(cls, text, what):
        self = super().__new__(cls, text)
        try:
            tokens = _TOKEN.findall(text)[::-1]
            self._tree = _alternatives(tokens, MAX_DEPTH)
            if tokens:
                raise ValueError("a parenthesis too many")
        except (ValueError, re.error) as error:
            raise ModelFormatError(
                f"{what}: the pattern {text[:100]!r} cannot be kept in a file ({error}): use characters, classes and "
                "their repeats, and groups and alternatives that are not repeated"
            ) from None
        return self

    def __getnewargs__(self):
        return str(self), "pattern"

    def fullmatch(self, text):
        """Whether it matches the whole text."""
        return bool(_ends(self._tree, 1, text, {}) >> len(text))

    def search(self, text):
        """Whether it matches a part of the text."""
        return bool(_ends(self._tree, (2 << len(text)) - 1, text, {}))


# --- reading: nested tuples, from the tokens in reverse order -----------------------------------------
def _alternatives(tokens, depth):
    if depth == 0:
        raise ValueError(f"groups more than {MAX_DEPTH} deep")
    found = [_sequence(tokens, depth)]
    while tokens and tokens[-1] == "|":
        tokens.pop()
        found.append(_sequence(tokens, depth))
    return "alternatives", found


def _sequence(tokens, depth):
    parts = []
    while tokens and tokens[-1] not in ("|", ")"):
        token = tokens.pop()
        if token in ("(", "(?:"):
            part = _alternatives(tokens, depth - 1)
            if not tokens or tokens.pop() != ")":
                raise ValueError("a parenthesis too few")
        else:
            part = _one(token)
        parts.append(_repeated(part, tokens))
    return "sequence", parts


def _one(token):
    if token in ("^", "$"):
        return token, None
    known = token[0] != "\\" or not token[1:].isalnum() or token[1:] in _ESCAPES
    if token[0] in "*+?{" or token in ("[", "\\") or not known:
        raise ValueError(f"{token!r} is not known here")
    return "character", re.compile(token)


def _repeated(part, tokens):
    token = tokens[-1] if tokens else ""
    if token[:1] == "{":
        least, comma, most = token[1:-1].partition(",")
        counts = int(least or 0), (int(most) if most else None) if comma else int(least)
    elif token in _REPEATS:
        counts = _REPEATS[token]
    else:
        return part
    tokens.pop()
    if tokens and tokens[-1] == "?":  # as few as possible: the same texts match
        tokens.pop()
    if tokens and (tokens[-1] in _REPEATS or tokens[-1][0] == "{"):
        raise ValueError("a repeat of a repeat")
    if part[0] != "character" and counts != (0, 1):
        raise ValueError("a group is repeated")
    if max(counts[0], counts[1] or 0) > MAX_COUNT or counts[0] > (counts[1] or MAX_COUNT):
        raise ValueError(f"the repeat {token!r}")
    return "repeat", (part, *counts)


# --- matching ---------------------------------------------------------------------------------------
def _ends(node, starts, text, masks):
    """Where matches that begin at some places end; places are bits, `masks` has those of each character."""
    kind, content = node
    if kind == "character":
        return (starts & _mask(content, text, masks)) << 1
    if kind == "sequence":
        for part in content:
            starts = _ends(part, starts, text, masks)
        return starts
    if kind == "alternatives":
        ends = 0
        for part in content:
            ends |= _ends(part, starts, text, masks)
        return ends
    if kind == "repeat":
        return _repeat_ends(content, starts, text, masks)
    if kind == "^":
        return starts & 1
    return starts & (1 << len(text) | (1 << len(text) - 1 if text.endswith("\n") else 0))


def _repeat_ends(content, starts, text, masks):
    part, least, most = content
    for _ in range(least):
        starts = _ends(part, starts, text, masks)
    if most is None:
        mask = _mask(part[1], text, masks)
        return ((starts & mask) + mask ^ mask) | starts  # a carry runs through all the characters that fit
    ends = starts
    for _ in range(most - least):
        starts = _ends(part, starts, text, masks)
        ends |= starts
    return ends


def _mask(character, text, masks):
    if character not in masks:
        masks[character] = sum(1 << match.start() for match in character.finditer(text))
    return masks[character]
