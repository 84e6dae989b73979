"""Builds the native fan-out in place: `python -m server.gateway.native.build [--sanitize]`. Runs the C compiler."""

from __future__ import annotations

import sys
from pathlib import Path

from streaming.native.extension import Extension

_DEFINITIONS = """
#define WC_WINDOWS ...
typedef struct { const uint8_t *data; size_t bytes; unsigned written; ...; } wc_frame;
typedef struct { unsigned place; int sent; ...; } wc_left;
unsigned wc_fan_out(const int *, uint32_t *, const uint8_t *, unsigned, unsigned, uint32_t, wc_frame *, unsigned,
                    wc_left *, unsigned *);
"""

FAN_OUT = Extension(
    title="native fan-out",
    package="server.gateway.native",
    folder=Path(__file__).parent,
    header="fan_out.h",
    sources=("fan_out.c",),
    definitions=_DEFINITIONS,
)

if __name__ == "__main__":
    sys.exit(FAN_OUT.main())
