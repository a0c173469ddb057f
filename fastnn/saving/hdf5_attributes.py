"""Texts that stand in the attributes of HDF5 groups, taken from the bytes of the file.

libhdf5 copies a text of variable length into a buffer of the length that the attribute claims, without looking at the
length of what it copies. So the few structures that such a text needs are read here: object headers, their attribute
messages, and the global heap (sections IV.A.1, IV.A.2.m and III.E of the HDF5 File Format Specification, version 3).
"""

import math
import struct

from fastnn.saving.errors import ModelFormatError

_ATTRIBUTE, _CONTINUATION = 0x0C, 0x10
_STRING, _VARIABLE_LENGTH = 3, 9  # classes of datatypes
_HEADER = struct.Struct("<BxHII4x")
_MESSAGE = struct.Struct("<HHB3x")
_HEAP_OBJECT = struct.Struct("<HH4xQ")
_REFERENCE = struct.Struct("<IQI")


class Attributes:
    """The text attributes of the groups of one file.

    Parameters
    ----------
    data : bytes
        The whole file; its offsets and lengths have eight bytes.
    """

    def __init__(self, data):
        self.data = memoryview(data)
        self._left = 3 * len(data)  # bytes that may still be looked at and come out: a bound on time and memory
        self._heaps = {}

    def read(self, address):
        """The texts of the object at an address.

        Parameters
        ----------
        address : int

        Returns
        -------
        dict of str to str or list of str
            Attributes of other kinds are left out.

        Raises
        ------
        ModelFormatError
            For structures that contradict themselves or reach beyond the file.
        """
        try:
            found = [self._attribute(*message) for message in self._messages(address)]
        except (struct.error, UnicodeDecodeError) as error:
            raise ModelFormatError(f"damaged attributes ({error})") from None
        return {name: value for name, value in found if value is not None}

    def _take(self, begin, size):
        _require(size >= 0 and begin + size <= len(self.data), "reach beyond the end of the file")
        self._left -= size
        _require(self._left >= 0, "take more than the file holds")
        return self.data[begin : begin + size]

    def _messages(self, address):
        """(flags, content) of the attribute messages of an object header and of its continuations."""
        version, count, _, size = _HEADER.unpack(self._take(address, _HEADER.size))
        _require(version == 1, "are kept in the newer form of object headers, which Keras does not write")
        blocks, found = [(address + _HEADER.size, size)], []
        while blocks and count:
            block, position = self._take(*blocks.pop(0)), 0
            while count and position + _MESSAGE.size <= len(block):
                kind, length, flags = _MESSAGE.unpack_from(block, position)
                content = block[position + _MESSAGE.size :][:length]
                position, count = position + _MESSAGE.size + length, count - 1
                if kind == _CONTINUATION:
                    blocks.append(struct.unpack("<QQ", content))
                elif kind == _ATTRIBUTE:
                    found.append((flags, content))
        return found

    def _attribute(self, flags, content):
        version, inner, *lengths = struct.unpack_from("<BBHHH", content)
        _require(version in (1, 2, 3) and not flags & 2 and (version == 1 or inner == 0), "are shared or unknown")
        position, parts = 8 + (version == 3), []
        for length in lengths:
            parts.append(content[position : position + length])
            position += -(-length // 8) * 8 if version == 1 else length
        name, datatype, dataspace = parts
        count = _count(dataspace)
        kind, size = datatype[0] & 15, struct.unpack_from("<I", datatype, 4)[0]
        values = content[position : position + count * size]
        _require(len(values) == count * size, "are shorter than their shape")
        if kind == _VARIABLE_LENGTH and datatype[1] & 15 == 1 and size == _REFERENCE.size:
            texts = [self._from_heap(*_REFERENCE.unpack_from(values, i * size)) for i in range(count)]
        elif kind == _STRING:
            texts = [bytes(values[i * size : (i + 1) * size]) for i in range(count)]
        else:
            return _text(name), None if count else []  # Keras writes an empty list as an array of floats
        texts = [_text(text) for text in texts]
        return _text(name), texts if dataspace[1] else texts[0]

    def _from_heap(self, length, address, index):
        if length == 0:
            return b""
        if address not in self._heaps:
            self._heaps[address] = self._heap(address)
        begin, size = self._heaps[address].get(index, (0, 0))
        _require(length <= size, "have a text that the file does not hold")
        return self._take(begin, length)

    def _heap(self, address):
        """Where the objects of a global heap collection lie: index to (begin, size)."""
        magic, version, size = struct.unpack("<4sB3xQ", self._take(address, 16))
        _require(magic == b"GCOL" and version == 1, "have their texts in a damaged heap")
        self._take(address, size)
        objects, position, end = {}, address + 16, address + size
        while position + _HEAP_OBJECT.size <= end:
            index, _, length = _HEAP_OBJECT.unpack_from(self.data, position)
            if index == 0:  # the free space at the end
                break
            position += _HEAP_OBJECT.size
            _require(position + length <= end, "have their texts in a damaged heap")
            objects[index] = position, length
            position += -(-length // 8) * 8
        return objects


def _count(dataspace):
    version, rank = dataspace[0], dataspace[1]
    if version == 2 and dataspace[3] == 2:  # no elements at all
        return 0
    return math.prod(struct.unpack_from(f"<{rank}Q", dataspace, 8 if version == 1 else 4))


def _text(data):
    return bytes(data).split(b"\0", 1)[0].decode("utf-8")


def _require(condition, message):
    if not condition:
        raise ModelFormatError(f"the attributes {message}")
