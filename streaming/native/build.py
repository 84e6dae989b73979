"""Builds the native packet writer in place: `python -m streaming.native.build [--sanitize]`. Runs the C compiler."""

from __future__ import annotations

import sys
from pathlib import Path

from streaming.native.extension import Extension

_DEFINITIONS = """
#define WC_SLOT_BYTES ...
#define WC_BATCH ...
#define WC_BURST ...
#define WC_MAX_STREAMS ...
typedef int... socklen_t;
struct iovec { void *iov_base; size_t iov_len; ...; };
struct msghdr { void *msg_name; socklen_t msg_namelen; struct iovec *msg_iov; size_t msg_iovlen; ...; };
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
typedef struct { unsigned lane; unsigned bytes; unsigned payload_bytes; uint8_t data[...]; ...; } wc_slot;
typedef struct {
    uint64_t packets_sent, bytes_sent, dropped;
    unsigned pending_first, pending_end; int segmentation; uint64_t unsegmented; wc_slot slots[...]; ...;
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
unsigned wc_write(wc_writer *, const wc_packet *, unsigned, wc_lane *const *, unsigned, unsigned, int);
"""

PACKET_WRITER = Extension(
    title="native packet writer",
    package="streaming.native",
    folder=Path(__file__).parent,
    header="writer.h",
    sources=("srtp.h", "srtp.c", "writer.c"),
    definitions=_DEFINITIONS,
    libraries=("crypto",),
)

if __name__ == "__main__":
    sys.exit(PACKET_WRITER.main())
