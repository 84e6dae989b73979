"""Compiles `reader.c` and reads many viewers' sockets through it on the event loop. I/O: a compiler, sockets."""

from __future__ import annotations

import asyncio
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from cffi import FFI

_SOURCE: Final = Path(__file__).with_name("reader.c")
_COMPILE_TIMEOUT_S: Final = 60.0
_CAPACITY: Final = 16_384
_DECLARATIONS: Final = """
typedef struct {
    uint64_t received, octets, missing, late, first_frame_ns;
    uint32_t ssrc[4];
    uint16_t last[4];
    uint32_t streams;
    int descriptor;
} viewer;
typedef struct { uint64_t arrived_ns; uint32_t viewer, bytes; uint8_t data[2048]; } handed;
typedef struct {
    int epoll;
    unsigned sample_every, capacity, count;
    uint8_t frame_end;
    handed out[128];
    viewer viewers[];
} reader;
reader *reader_new(unsigned capacity, unsigned sample_every, uint8_t frame_end);
void reader_free(reader *self);
int reader_add(reader *self, int descriptor);
unsigned reader_read(reader *self);
void reader_reset(reader *self);
"""

Take = Callable[[memoryview, int], None]
"""What gets a datagram, valid during the call, and the nanosecond since 1970 at which the kernel got it, 0 unknown."""


class ReaderUnavailable(Exception):
    """There is no C compiler to build the reader with; the text says so in one line."""


class Reader:
    """All sockets of a process; needs a C compiler, as the floor does (raises ReaderUnavailable).

    Each viewer's `Take` gets what is not media and one packet of media in `sample_every`; all are counted in C.
    """

    def __init__(self, sample_every: int, frame_end: int) -> None:
        self._ffi = FFI()
        self._ffi.cdef(_DECLARATIONS)
        with tempfile.TemporaryDirectory() as folder:
            library = str(Path(folder, "reader.so"))
            command = ["cc", "-O2", "-shared", "-fPIC", "-o", library, str(_SOURCE)]
            try:
                subprocess.run(command, check=True, timeout=_COMPILE_TIMEOUT_S)
            except (OSError, subprocess.SubprocessError) as error:
                raise ReaderUnavailable(
                    f"many viewers are read in C, and cc failed (apt install gcc): {error}"
                ) from None
            self._lib: Any = self._ffi.dlopen(library)
        self._c = self._ffi.gc(self._lib.reader_new(_CAPACITY, sample_every, frame_end), self._lib.reader_free)
        self._takes: list[Take] = []
        asyncio.get_running_loop().add_reader(self._c.epoll, self._readable)

    def add(self, descriptor: int, take: Take) -> Any:
        """Read this socket from now on; gives its counters, which live in C."""
        number = self._lib.reader_add(self._c, descriptor)
        if number < 0:
            raise OSError("the reader takes no more sockets")
        self._takes.append(take)
        return self._c.viewers[number]

    def reset(self) -> None:
        """Begin to count anew; sequence numbers go on."""
        self._lib.reader_reset(self._c)

    def _readable(self) -> None:
        for position in range(self._lib.reader_read(self._c)):
            given = self._c.out[position]
            self._takes[given.viewer](memoryview(self._ffi.buffer(given.data, given.bytes)), given.arrived_ns)

    def close(self) -> None:
        """Read no more."""
        asyncio.get_running_loop().remove_reader(self._c.epoll)
