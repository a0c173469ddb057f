"""Safetensors files that a weights file must not be: bytes by name."""

import json

NUMBERS = bytes(range(48))
PLAIN = {"dtype": "F32", "shape": [12], "data_offsets": [0, 48]}


def made(header, numbers=NUMBERS, length=None):
    """The bytes of a file with a header (a dict, or its text)."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text + numbers


def with_entry(name="vars/0", **changes):
    return made({name: {**PLAIN, **changes}})


HOSTILE = {
    "st empty": b"",
    "st short": b"\x08\0\0",
    "st header of 2**63": made({"vars/0": PLAIN}, length=2**63),
    "st header past the end": made({"vars/0": PLAIN}, length=10**6),
    "st header cut": made({"vars/0": PLAIN}, length=10),
    "st no header": made(b""),
    "st list": made(b"[]"),
    "st pickle": made(b"\x80\x04\x8c\x05posix\x94"),
    "st yaml": made(b"!!python/object/new:os.system [true]"),
    "st deep": made(b'{"a":' * 100_000),
    "st nan": made(b'{"vars/0": NaN}'),
    "st twice": made(b'{"vars/0": 1, "vars/0": 2}'),
    "st digits": made(b'{"a": ' + b"7" * 5000 + b"}"),
    "st surrogate": made(b'{"\\ud800": 1}'),
    "st entry text": made({"vars/0": "F32"}),
    "st entry more": with_entry(path="/etc/passwd"),
    "st entry less": made({"vars/0": {"dtype": "F32", "shape": [12]}}),
    "st dtype path": with_entry(dtype="/etc/passwd"),
    "st dtype object": with_entry(dtype="O"),
    "st dtype list": with_entry(dtype=["F32"]),
    "st shape text": with_entry(shape="12"),
    "st shape true": with_entry(shape=[True, 12]),
    "st shape half": with_entry(shape=[12.0]),
    "st shape negative": with_entry(shape=[-3, -4]),
    "st shape petabyte": with_entry(shape=[2**50]),
    "st shape overflow": with_entry(shape=[2**32, 2**32, 12]),
    "st shape empty but huge": with_entry(shape=[0, 2**62], data_offsets=[0, 0]),
    "st shape of 1000 axes": with_entry(shape=[1] * 999 + [12]),
    "st offsets reversed": with_entry(data_offsets=[48, 0]),
    "st offsets past the end": with_entry(shape=[13], data_offsets=[0, 52]),
    "st offsets negative": with_entry(data_offsets=[-48, 0]),
    "st offsets 2**63": with_entry(data_offsets=[2**63, 2**63 + 48]),
    "st offsets three": with_entry(data_offsets=[0, 48, 48]),
    "st gap": with_entry(shape=[11], data_offsets=[4, 48]),
    "st tail": with_entry(shape=[11], data_offsets=[0, 44]),
    "st overlap": made({"vars/0": PLAIN, "vars/1": PLAIN}),
    "st size differs": with_entry(shape=[11]),
    "st name parent": with_entry("../../x"),
    "st name absolute": with_entry("/etc/passwd"),
    "st name empty": with_entry(""),
    "st name control": with_entry("vars/0\0"),
    "st name backslash": with_entry("vars\\0"),
    "st name long": with_entry("x" * 1_000_000),
    "st metadata list": made({"__metadata__": [], "vars/0": PLAIN}),
    "st metadata number": made({"__metadata__": {"a": 1}, "vars/0": PLAIN}),
    "st checksum": made({"__metadata__": {"fastnn_crc32": "00000000"}, "vars/0": PLAIN}),
    "st bool": with_entry(dtype="BOOL", shape=[48]),
    "st other model": with_entry("layers/dense/vars/0"),
    "st hdf5": b"\x89HDF\r\n\x1a\n" + NUMBERS,
    "st archive": b"PK\x03\x04" + NUMBERS,
}
