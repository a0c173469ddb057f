"""JSON from strangers."""

import json
import time

import pytest

from fastnn.saving import ModelFormatError, strict_json


def parse(text):
    return strict_json.parse(text if isinstance(text, bytes) else text.encode(), "file")


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"a": [1, -2.5e-3, True, None, "ä\u2028"]},
        {"seed": 2**63},
        {"name": "dense_1"},
        {"nested": [[[[]]]]},
    ],
)
def test_plain_documents_pass(document):
    assert parse(json.dumps(document)) == document


REFUSED = {
    "empty": "",
    "yaml": "!!python/object/new:os.system [true]",
    "not utf-8": b'{"a": "\xff"}',
    "bom": "\ufeff{}",
    "list": "[]",
    "number": "3",
    "trailing": "{} {}",
    "nan": '{"a": NaN}',
    "infinity": '{"a": Infinity}',
    "minus infinity": '{"a": -Infinity}',
    "overflow": '{"a": 1e999}',
    "long integer": '{"a": ' + "9" * 5000 + "}",
    "large integer": '{"a": 18446744073709551617}',
    "long float": '{"a": 0.' + "1" * 1000 + "}",
    "duplicate": '{"a": 1, "a": 2}',
    "deep duplicate": '{"a": [{"b": 1, "b": 1}]}',
    "surrogate": '{"a": "\\ud800"}',
    "surrogate key": '{"\\udfff": 1}',
    "long string": json.dumps({"a": "x" * 20_000}),
    "long key": json.dumps({"x" * 20_000: 1}),
    "long name": json.dumps({"name": "x" * 1_000_000}),
    "parent": '{"name": ".."}',
    "path": '{"layers": [{"config": {"name": "a/../../b"}}]}',
    "absolute": '{"name": "/etc/passwd"}',
    "backslash": '{"name": "a\\\\b"}',
    "nul": '{"name": "a\\u0000b"}',
    "deep": '{"a":' + "[" * 200 + "]" * 200 + "}",
    "very deep": '{"a":' + "[" * 1_000_000,
    "very deep objects": '{"a":' * 100_000,
    "closed too often": "]" * 1_000_000,
    "many objects": json.dumps({"layers": [{"class_name": "Flatten"}] * 60_000}),
    "long": b" " * (strict_json.MAX_BYTES + 1),
}


@pytest.mark.parametrize("name", REFUSED)
def test_other_documents_are_refused(name):
    start = time.perf_counter()
    with pytest.raises(ModelFormatError, match=r"^file: "):
        parse(REFUSED[name])
    assert time.perf_counter() - start < 1


def test_messages_stay_short():
    with pytest.raises(ModelFormatError) as caught:
        parse(REFUSED["long name"])
    assert len(str(caught.value)) < 500


def test_brackets_in_strings_do_not_count():
    document = {"a": "[" * 1000, 'b"\\': '\\"' + "{" * 500}
    assert parse(json.dumps(document)) == document
