"""The `.keras` archive: three members in a ZIP file, read in memory and written without anything to spare.

Only the plainest ZIP structure passes: the members lie one after the other from the first byte to the
directory, the directory agrees with them and ends with the file.  So nothing can overlap, hide, or be read in
two ways.  From 4 GiB on sizes and offsets stand in the ZIP64 fields (APPNOTE 6.3.10, sections 4.3.14, 4.3.15, 4.5.3).
"""

import stat
import struct
import zlib

from fastnn.saving.errors import ModelFormatError

METADATA, CONFIG, WEIGHTS = "metadata.json", "config.json", "model.weights.h5"
CAPS = {METADATA: 1 << 16, CONFIG: 8 << 20, WEIGHTS: 1 << 48}
MAX_RATIO = 100  # of a member's size to what it takes in the file
MAX_LARGE_RATIO = 4  # the same beyond 4 GiB

_LOCAL = struct.Struct("<4s5H3L2H")
_ENTRY = struct.Struct("<4s6H3L5H2L")
_END = struct.Struct("<4s4H2LH")
_END64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR64 = struct.Struct("<4sLQL")
_MAGIC_LOCAL, _MAGIC_ENTRY, _MAGIC_END = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
_MAGIC_END64, _MAGIC_LOCATOR64 = b"PK\x06\x06", b"PK\x06\x07"
_STORED, _DEFLATED = 0, 8
_ALLOWED_FLAGS = 0x0806  # UTF-8 names, and how hard the compressor tried
_DATE = (0, 0x21)  # 1 January 1980: the date is in metadata.json
_MAX = (1 << 32) - 1  # says that the number stands in a ZIP64 field
_LIMIT = _MAX  # numbers from here on are written into ZIP64 fields
_EXTRA64 = 1


def pack(members):
    """The bytes of an archive, as a list of pieces.

    Parameters
    ----------
    members : dict of str to bytes-like

    Returns
    -------
    list of bytes-like
    """
    pieces, directory, offset = [], [], 0
    for name, data in members.items():
        size, label = memoryview(data).nbytes, name.encode("ascii")
        checksum, mode = zlib.crc32(data), (stat.S_IFREG | 0o600) << 16
        sizes, extra = _narrowed([size, size])
        needed = 45 if extra else 20
        fields = (needed, 0, _STORED, *_DATE, checksum, *sizes, len(label), len(extra))
        pieces += [_LOCAL.pack(_MAGIC_LOCAL, *fields) + label + extra, data]
        (*sizes, place), large = _narrowed([size, size, offset])
        fields = (45 if large else 20, 0, _STORED, *_DATE, checksum, *sizes, len(label), len(large))
        directory.append(_ENTRY.pack(_MAGIC_ENTRY, 3 << 8 | 45, *fields, 0, 0, 0, mode, place) + label + large)
        offset += _LOCAL.size + len(label) + len(extra) + size
    listing = b"".join(directory)
    return [*pieces, listing, *_ends(len(directory), len(listing), offset)]


def _narrowed(values):
    """32-bit fields for some numbers, and the extra field for those that do not fit."""
    large = [value for value in values if value >= _LIMIT]
    extra = struct.pack(f"<2H{len(large)}Q", _EXTRA64, 8 * len(large), *large) if large else b""
    return [_MAX if value >= _LIMIT else value for value in values], extra


def _ends(count, size, start):
    """The end record, after the two of ZIP64 if the directory begins too late for it."""
    (narrow,), large = _narrowed([start])
    if large:
        version = (3 << 8 | 45, 45)
        yield _END64.pack(_MAGIC_END64, _END64.size - 12, *version, 0, 0, count, count, size, start)
        yield _LOCATOR64.pack(_MAGIC_LOCATOR64, 0, start + size, 1)
    yield _END.pack(_MAGIC_END, 0, 0, count, count, size, narrow, 0)


def unpack(data, where):
    """The members of an archive.

    Parameters
    ----------
    data : bytes
    where : str
        The file, for messages.

    Returns
    -------
    dict of str to bytes
        ``metadata.json``, ``config.json``, ``model.weights.h5``, decompressed and checked (CRC-32).

    Raises
    ------
    ModelFormatError
        For everything but exactly these three in a plain archive.
    """
    try:
        entries = _directory(data)
        return {entry["name"]: _member(data, entry) for entry in entries}
    except ModelFormatError as error:
        raise ModelFormatError(f"{where}: {error}") from None
    except (struct.error, zlib.error, UnicodeDecodeError) as error:
        raise ModelFormatError(f"{where}: damaged archive ({error})") from None


def _require(condition, message):
    if not condition:
        raise ModelFormatError(message)


def _directory(data):
    _require(data[:4] == _MAGIC_LOCAL, "not a .keras archive: it does not start as a ZIP file does")
    _require(len(data) >= _END.size, "truncated archive")
    count, size, start, stop = _directory_place(data)
    _require(count == len(CAPS), f"expected the members {', '.join(CAPS)} and no other, received {count}")
    _require(start + size == stop, "the directory does not end where the archive ends")
    entries, position = [], start
    for _ in range(count):
        entry = _entry(data, position)
        position = entry["next"]
        entries.append(entry)
    _require(position == stop, "the directory has a wrong length")
    _require({entry["name"] for entry in entries} == set(CAPS), f"expected the members {', '.join(CAPS)}")
    position = 0
    for entry in sorted(entries, key=lambda entry: entry["offset"]):
        _require(entry["offset"] == position, f"{entry['name']}: overlaps with another member, or a gap")
        position = _locate(data, entry)
    _require(position == start, "data before the directory that no member owns")
    return entries


def _directory_place(data):
    """(number of members, length, begin, end) of the directory by the end records."""
    stop = len(data) - _END.size
    magic, disk, first_disk, here, count, size, start, comment = _END.unpack_from(data, stop)
    _require(magic == _MAGIC_END and comment == 0, "truncated archive, or data after its end")
    _require((disk, first_disk) == (0, 0) and here == count, "archives in several parts are not read")
    if start + size == stop or data[stop - _LOCATOR64.size : stop][:4] != _MAGIC_LOCATOR64:
        return count, size, start, stop
    stop -= _LOCATOR64.size + _END64.size
    _require(stop >= 0, "truncated archive")
    magic, length, _, _, disk, first_disk, *wide = _END64.unpack_from(data, stop)
    locator = _LOCATOR64.unpack_from(data, stop + _END64.size)
    plain = (magic, length, disk, first_disk, locator) == (
        _MAGIC_END64, _END64.size - 12, 0, 0, (_MAGIC_LOCATOR64, 0, stop, 1),
    )  # fmt: skip
    same = wide[:3] == [here, count, size] and start in (_MAX, wide[3])
    _require(plain and same, "the ZIP64 records contradict the end record")
    return count, size, wide[3], stop


def _widened(values, extra, name):
    """The numbers of 32-bit fields, from the ZIP64 field where they did not fit."""
    missing = values.count(_MAX)
    position, found = 0, ()
    while missing and position + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, position)
        if kind == _EXTRA64:
            _require(length == 8 * missing and not found, f"{name}: a ZIP64 field of another length")
            found = struct.unpack_from(f"<{missing}Q", extra, position + 4)
        position += 4 + length
    _require(len(found) == missing, f"{name}: the ZIP64 field is missing")
    wide = iter(found)
    return [next(wide) if value == _MAX else value for value in values]


def _entry(data, position):
    fields = _ENTRY.unpack_from(data, position)
    magic, _, _, flags, method, _, _, crc, packed, size, n_name, n_extra, n_comment, disk, _, mode, offset = fields
    _require(magic == _MAGIC_ENTRY, "damaged directory")
    begin = position + _ENTRY.size
    name = bytes(data[begin : begin + n_name]).decode("ascii")
    _require(name in CAPS, f"unexpected member {name[:100]!r}")
    _require(flags & ~_ALLOWED_FLAGS == 0, f"{name}: encrypted or streamed members are not read")
    _require(method in (_STORED, _DEFLATED), f"{name}: compression method {method} is not read")
    _require(stat.S_IFMT(mode >> 16) in (0, stat.S_IFREG), f"{name}: not a regular file")
    _require(disk == 0, f"{name}: archives in several parts are not read")
    extra = bytes(data[begin + n_name : begin + n_name + n_extra])
    size, packed, offset = _widened([size, packed, offset], extra, name)
    _require(size <= CAPS[name], f"{name}: {size} bytes; at most {CAPS[name]} are allowed")
    ratio = MAX_RATIO if size <= _MAX else MAX_LARGE_RATIO
    _require(size <= ratio * packed + 1024, f"{name}: compressed more than {ratio} times")
    _require(method == _DEFLATED or size == packed, f"{name}: stored with two different sizes")
    entry = {"name": name, "method": method, "crc": crc, "packed": packed, "size": size, "offset": offset}
    return entry | {"flags": flags, "next": begin + n_name + n_extra + n_comment}


def _locate(data, entry):
    """Compare a member's own header with its directory entry; where the next member has to begin."""
    name = entry["name"]
    fields = _LOCAL.unpack_from(data, entry["offset"])
    magic, _, flags, method, _, _, crc, packed, size, n_name, n_extra = fields
    begin = entry["offset"] + _LOCAL.size
    size, packed = _widened([size, packed], bytes(data[begin + n_name : begin + n_name + n_extra]), name)
    same = (magic, flags, method, crc, packed, size, bytes(data[begin : begin + n_name]))
    expected = [entry[key] for key in ("flags", "method", "crc", "packed", "size")]
    _require(same == (_MAGIC_LOCAL, *expected, name.encode()), f"{name}: differs from its directory entry")
    entry["begin"] = begin + n_name + n_extra
    return entry["begin"] + packed


def _member(data, entry):
    name, size = entry["name"], entry["size"]
    result = data[entry["begin"] : entry["begin"] + entry["packed"]]
    if entry["method"] == _DEFLATED:
        inflate = zlib.decompressobj(-zlib.MAX_WBITS)
        result = inflate.decompress(result, size + 1)
        _require(inflate.eof and not inflate.unused_data, f"{name}: compressed data of another length")
    _require(len(result) == size, f"{name}: {len(result)} bytes, its header says {size}")
    _require(zlib.crc32(result) == entry["crc"], f"{name}: the checksum is wrong, the file is damaged")
    return result
