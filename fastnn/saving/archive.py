"""The `.keras` archive: three members in a ZIP file, read in memory and written without anything to spare.

Only the plainest ZIP structure passes: the members lie one after the other from the first byte to the
directory, the directory agrees with them and ends with the file.  So nothing can overlap, hide, or be read in
two ways.
"""

import stat
import struct
import zlib

from fastnn.saving.errors import ModelFormatError

METADATA, CONFIG, WEIGHTS = "metadata.json", "config.json", "model.weights.h5"
CAPS = {METADATA: 1 << 16, CONFIG: 8 << 20, WEIGHTS: (1 << 32) - 1}
MAX_RATIO = 100

_LOCAL = struct.Struct("<4s5H3L2H")
_ENTRY = struct.Struct("<4s6H3L5H2L")
_END = struct.Struct("<4s4H2LH")
_MAGIC_LOCAL, _MAGIC_ENTRY, _MAGIC_END = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
_STORED, _DEFLATED = 0, 8
_ALLOWED_FLAGS = 0x0806  # UTF-8 names, and how hard the compressor tried
_DATE = (0, 0x21)  # 1 January 1980: the date is in metadata.json
_MAX = (1 << 32) - 1


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
        if offset + size > _MAX - 4096:
            raise ValueError("A .keras file holds at most 4 GiB: use save_weights(), which has no limit.")
        fields = (20, 0, _STORED, *_DATE, zlib.crc32(data), size, size, len(label), 0)
        mode = (stat.S_IFREG | 0o600) << 16
        pieces += [_LOCAL.pack(_MAGIC_LOCAL, *fields) + label, data]
        directory.append(_ENTRY.pack(_MAGIC_ENTRY, 3 << 8 | 20, *fields, 0, 0, 0, mode, offset) + label)
        offset += _LOCAL.size + len(label) + size
    listing = b"".join(directory)
    count = len(directory)
    return [*pieces, listing, _END.pack(_MAGIC_END, 0, 0, count, count, len(listing), offset, 0)]


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
    end = _END.unpack_from(data, len(data) - _END.size)
    _require(end[0] == _MAGIC_END and end[7] == 0, "truncated archive, or data after its end")
    _, disk, first_disk, here, count, size, start, _ = end
    _require((disk, first_disk) == (0, 0) and here == count, "archives in several parts are not read")
    _require(count == len(CAPS), f"expected the members {', '.join(CAPS)} and no other, received {count}")
    _require(start + size == len(data) - _END.size, "the directory does not end where the archive ends")
    entries, position = [], start
    for _ in range(count):
        entry = _entry(data, position)
        position = entry["next"]
        entries.append(entry)
    _require(position == len(data) - _END.size, "the directory has a wrong length")
    _require({entry["name"] for entry in entries} == set(CAPS), f"expected the members {', '.join(CAPS)}")
    position = 0
    for entry in sorted(entries, key=lambda entry: entry["offset"]):
        _require(entry["offset"] == position, f"{entry['name']}: overlaps with another member, or a gap")
        position = _locate(data, entry)
    _require(position == start, "data before the directory that no member owns")
    return entries


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
    _require(_MAX not in (packed, size, offset), f"{name}: ZIP64 archives are not read")
    _require(size <= CAPS[name], f"{name}: {size} bytes; at most {CAPS[name]} are allowed")
    _require(size <= MAX_RATIO * packed + 1024, f"{name}: compressed more than {MAX_RATIO} times")
    _require(method == _DEFLATED or size == packed, f"{name}: stored with two different sizes")
    entry = {"name": name, "method": method, "crc": crc, "packed": packed, "size": size, "offset": offset}
    return entry | {"flags": flags, "next": begin + n_name + n_extra + n_comment}


def _locate(data, entry):
    """Compare a member's own header with its directory entry; where the next member has to begin."""
    name = entry["name"]
    fields = _LOCAL.unpack_from(data, entry["offset"])
    magic, _, flags, method, _, _, crc, packed, size, n_name, n_extra = fields
    begin = entry["offset"] + _LOCAL.size
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
