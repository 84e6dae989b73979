"""Builds the native packet writer in place: `python -m streaming.native.build [--sanitize]`. Runs the C compiler.

Best effort by design: without Linux, a compiler, Python's or OpenSSL's headers it says what is missing and the
pure-Python writer serves. cffi writes the binding's source; the compiler is called here, so that no setuptools is
needed and the sanitizers' flags are ours.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
SOURCES = ("srtp.h", "srtp.c", "writer.h", "writer.c", "build.py")
MODULE = "_writer"
SANITIZED_MODULE = "_writer_sanitized"
_COMPILE_TIMEOUT_S = 120
_FLAGS = ("-O2", "-fPIC", "-shared", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-Wno-unused-parameter")
_FLAGS_SANITIZED = ("-g", "-O1", "-fno-omit-frame-pointer", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")

_DEFINITIONS = """
#define WC_SLOT_BYTES ...
#define WC_BATCH ...
#define WC_MAX_STREAMS ...
typedef int... socklen_t;
struct iovec { void *iov_base; size_t iov_len; ...; };
struct msghdr { void *msg_name; socklen_t msg_namelen; struct iovec *msg_iov; ...; };
struct mmsghdr { struct msghdr msg_hdr; unsigned int msg_len; ...; };
typedef int (*wc_send)(int, struct mmsghdr *, unsigned);
typedef struct {
    uint8_t rtp_key[32], rtp_auth[20], rtp_salt[14];
    uint8_t rtcp_key[32], rtcp_auth[20], rtcp_salt[14];
} wc_session_keys;
typedef struct { ...; } wc_peer;
typedef struct { ...; } wc_stream;
typedef struct {
    wc_peer *peer; wc_stream *stream;
    uint32_t timestamp_delta; uint16_t sequence_delta; uint16_t picture_id_delta; uint8_t tl0_delta;
    uint8_t payload_type; uint8_t abs_send_time_id;
    uint64_t packets, octets; ...;
} wc_lane;
typedef struct {
    const uint8_t *payload; size_t payload_bytes;
    uint32_t timestamp; uint32_t abs_send_time; uint16_t sequence; uint16_t picture_id; uint8_t marker;
    uint8_t picture_id_bytes, picture_id_at, tl0, tl0_at; ...;
} wc_packet;
typedef struct { unsigned lane; unsigned bytes; uint8_t data[...]; ...; } wc_slot;
typedef struct {
    uint64_t packets_sent, bytes_sent, dropped;
    unsigned pending_first, pending_end; wc_slot slots[...]; ...;
} wc_writer;
int wc_derive(int, const uint8_t *, size_t, wc_session_keys *);
wc_peer *wc_peer_new(int, const wc_session_keys *);
void wc_peer_free(wc_peer *);
int wc_peer_address(wc_peer *, const uint8_t *, size_t, uint16_t, uint32_t, uint32_t);
wc_stream *wc_stream_of(wc_peer *, uint32_t);
int wc_protect_rtp(wc_peer *, const uint8_t *, size_t, uint8_t *);
int wc_protect_rtcp(wc_peer *, const uint8_t *, size_t, uint8_t *);
wc_writer *wc_writer_new(int, wc_send);
void wc_writer_free(wc_writer *);
unsigned wc_write(wc_writer *, const wc_packet *, wc_lane *const *, unsigned, unsigned, int);
extern const char *const wc_source_digest;
"""


class BuildFailed(Exception):
    """The extension could not be built; the text says what is missing."""


def source_digest() -> str:
    """The digest that a module built from the sources beside this file carries."""
    digest = hashlib.sha256()
    for name in SOURCES:
        digest.update((HERE / name).read_bytes())
    return digest.hexdigest()


def module_path(name: str = MODULE) -> Path:
    """Where the built module lies."""
    return HERE / f"{name}{sysconfig.get_config_var('EXT_SUFFIX')}"


def build(*, sanitize: bool = False) -> Path:
    """Compile and put the module in place in one step; raises BuildFailed."""
    if sys.platform != "linux":
        raise BuildFailed("the native writer needs Linux's sendmmsg")
    try:
        from cffi import FFI
    except ImportError:
        raise BuildFailed("cffi is not installed") from None
    name = SANITIZED_MODULE if sanitize else MODULE
    binding = FFI()
    binding.cdef(_DEFINITIONS)
    binding.set_source(
        f"streaming.native.{name}",
        f'#include "writer.h"\nstatic const char *const wc_source_digest = "{source_digest()}";\n',
    )
    with tempfile.TemporaryDirectory(dir=HERE, prefix=".build-") as folder:
        generated, built = Path(folder, f"{name}.c"), Path(folder, "built.so")
        binding.emit_c_code(str(generated))
        _compile(generated, built, _FLAGS + (_FLAGS_SANITIZED if sanitize else ()))
        built.replace(module_path(name))
    return module_path(name)


def _compile(generated: Path, built: Path, flags: tuple[str, ...]) -> None:
    compiler = shlex.split(os.environ.get("CC") or "cc")
    command = [
        *compiler, *flags, "-D_GNU_SOURCE", f"-I{HERE}", f"-I{sysconfig.get_paths()['include']}",
        str(generated), str(HERE / "srtp.c"), str(HERE / "writer.c"), "-o", str(built), "-lcrypto",
    ]  # fmt: skip
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_COMPILE_TIMEOUT_S, check=False)
    except FileNotFoundError:
        raise BuildFailed(f"no C compiler ({compiler[0]}): install gcc") from None
    except subprocess.TimeoutExpired:
        raise BuildFailed(f"{compiler[0]} did not finish within {_COMPILE_TIMEOUT_S} s") from None
    if done.returncode != 0:
        raise BuildFailed(_explain(done.stderr))


def _explain(errors: str) -> str:
    if "Python.h" in errors:
        return "Python's headers are missing: install python3-dev"
    if "openssl/" in errors or "-lcrypto" in errors or "EVP_MAC" in errors:
        return "OpenSSL 3's headers are missing: install libssl-dev"
    return f"the compiler failed: {errors.strip()[-2000:]}"


def main() -> int:
    """Build; 0 when built, 1 when something is missing, which is said in one line."""
    try:
        print(f"native packet writer built: {build(sanitize='--sanitize' in sys.argv[1:]).name}")
    except (BuildFailed, OSError) as error:
        print(f"native packet writer not built: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
