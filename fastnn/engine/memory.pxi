# Blocks of aligned memory. A part of native.pyx.

cdef ptrdiff_t HUGE_PAGE = 1 << 21
cdef ptrdiff_t MOST = sys.maxsize // 4  # bytes of anything: two of them can be added


cdef class AlignedBuffer:
    """Writable memory, aligned to 64 bytes (much of it: to huge pages) and zeroed, with the buffer protocol."""

    cdef void *block
    cdef char *data
    cdef readonly Py_ssize_t nbytes

    def __cinit__(self, Py_ssize_t nbytes):
        cdef ptrdiff_t room, alignment
        if nbytes < 0:
            raise ValueError(f"a buffer of {nbytes} bytes cannot be made")
        if nbytes > PTRDIFF_MAX - 2 * HUGE_PAGE:
            raise MemoryError(f"no memory for {nbytes} bytes")
        room, alignment = nbytes, 64
        if nbytes >= 4 * HUGE_PAGE:  # whole huge pages: first touched in one go each, at most a quarter more memory
            room, alignment = (nbytes + HUGE_PAGE - 1) // HUGE_PAGE * HUGE_PAGE, HUGE_PAGE
        self.block = calloc(<size_t>(room + alignment), 1)
        if self.block == NULL:
            raise MemoryError(f"no memory for {nbytes} bytes")
        self.data = <char *>((<uintptr_t>self.block + alignment - 1) & ~<uintptr_t>(alignment - 1))
        self.nbytes = nbytes
        fnn_use_huge_pages(self.data, room)

    def __dealloc__(self):
        free(self.block)

    def __getbuffer__(self, Py_buffer *view, int flags):
        PyBuffer_FillInfo(view, self, self.data, self.nbytes, 0, flags)

    def __len__(self):
        return self.nbytes


def aligned_empty(n_bytes):
    """Return n_bytes of writable memory with the buffer protocol, aligned to 64 bytes and zeroed."""
    return AlignedBuffer(n_bytes)
