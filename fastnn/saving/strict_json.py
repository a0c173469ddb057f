"""JSON from strangers: what Python's parser lets through is checked before and after it."""

import json
import math
import re

from fastnn.saving.errors import ModelFormatError

MAX_BYTES = 8 << 20
MAX_DEPTH = 100
MAX_STRING = 10_000
MAX_OBJECTS = 15_000  # dicts with a class_name: some 2,500 layers, built in a second
MAX_INTEGER = 1 << 64

# The last string may lack its end: without a match there, the search would begin again at each quote in it.
_STRING = re.compile(r'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)', re.DOTALL)
_BRACKET = re.compile(r"[\[\]{}]")


def parse(data, where):
    """Decode a JSON document.

    Parameters
    ----------
    data : bytes
    where : str
        File and member, for messages.

    Returns
    -------
    dict

    Raises
    ------
    ModelFormatError
        For what is not JSON, and for NaN, Infinity, numbers that overflow, duplicate keys, lone surrogates,
        names that look like paths, too much nesting, too long strings, and too many objects.
    """
    try:
        if len(data) > MAX_BYTES:
            raise ModelFormatError(f"longer than {MAX_BYTES} bytes")
        text = bytes(data).decode("utf-8")
        if text.count('"class_name"') > MAX_OBJECTS:  # before the time to parse it is spent
            raise ModelFormatError(f"more than {MAX_OBJECTS} objects")
        _check_depth(text)
        value = json.loads(
            text,
            parse_constant=_refuse_constant,
            parse_int=_parse_int,
            parse_float=_parse_float,
            object_pairs_hook=_parse_object,
        )
        check(value)
    except (ValueError, RecursionError) as error:
        raise ModelFormatError(f"{where}: {error}") from None
    return value


def _check_depth(text):
    depth = 0
    for bracket in _BRACKET.finditer(_STRING.sub("", text)):
        depth += 1 if bracket.group() in "[{" else -1
        if depth > MAX_DEPTH:
            raise ModelFormatError(f"nested more than {MAX_DEPTH} deep")


def _refuse_constant(name):
    raise ModelFormatError(f"{name} is not JSON")


def _parse_int(digits):
    if len(digits) > 21 or abs(int(digits)) > MAX_INTEGER:
        raise ModelFormatError(f"the integer {digits[:30]} is out of range")
    return int(digits)


def _parse_float(digits):
    value = float(digits) if len(digits) <= 100 else math.inf
    if not math.isfinite(value):
        raise ModelFormatError(f"the number {digits[:30]} is out of range")
    return value


def _parse_object(pairs):
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ModelFormatError("the same key stands twice in one object")
    return result


def check(document):
    """Raise ModelFormatError unless the value is a dict that `parse` would let through."""
    if not isinstance(document, dict):
        raise ModelFormatError("expected an object, { ... }")
    objects, stack = 0, [("", document)]
    while stack:
        key, value = stack.pop()
        if isinstance(value, dict):
            objects += "class_name" in value
            for text in value:
                _check_string(text)
            stack.extend(value.items())
        elif isinstance(value, (list, tuple)):
            stack.extend(("", entry) for entry in value)
        elif isinstance(value, str):
            _check_string(value)
            if key == "name":
                _check_name(value)
        elif isinstance(value, float) and not math.isfinite(value):
            raise ModelFormatError(f"{key}: {value} cannot be written as JSON")
    if objects > MAX_OBJECTS:
        raise ModelFormatError(f"more than {MAX_OBJECTS} objects")


def _check_string(text):
    if not isinstance(text, str):
        raise ModelFormatError(f"the key {text!r:.100} is not a string")
    if len(text) > MAX_STRING:
        raise ModelFormatError(f"a string of {len(text)} characters; at most {MAX_STRING} are allowed")
    if not text.isascii():
        text.encode("utf-8")  # a lone surrogate raises UnicodeEncodeError, a ValueError


def _check_name(name):
    if name in (".", "..") or any(sign in "/\\" or sign < " " for sign in name):
        raise ModelFormatError(f"the name {name[:100]!r} contains a slash or a control character")
