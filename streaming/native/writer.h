/* RTP packets to many peers: rewrite the header, protect, send in batches by sendmmsg; packets of one burst to one peer
 * go as one message that the kernel cuts apart (UDP segmentation offload). Does I/O on a socket it does not own. What
 * the socket does not take stays in the slots, for the caller to queue. */
#ifndef WC_WRITER_H
#define WC_WRITER_H

#include <sys/socket.h>

#include "srtp.h"

#define WC_BATCH 64 /* datagrams a system call: 64 slots of a usual packet stay within the second-level cache */
#define WC_BURST 8  /* packets that one call takes: the more go together, the fewer peers share a system call */

/* Takes up to `count` datagrams; how many it took, or minus errno when it took none. */
typedef int (*wc_send)(int descriptor, struct mmsghdr *messages, unsigned count);

/* One stream to one peer: offsets from a line of the broadcast, which change at keyframes only, and counters. */
typedef struct {
    wc_peer *peer;
    wc_stream *stream;
    uint32_t timestamp_delta;
    uint16_t sequence_delta;
    uint16_t picture_id_delta;
    uint8_t tl0_delta;
    uint8_t payload_type;
    uint8_t abs_send_time_id; /* 0: no extension */
    uint64_t packets;
    uint64_t octets;
} wc_lane;

/* The shared part of a packet. `abs_send_time` is the 24-bit 6.18 fixed-point second. The VP8 picture id (one or two
 * bytes at picture_id_at) and TL0PICIDX (at tl0_at) are rewritten for each lane; 0 bytes or offset 0: they stay. */
typedef struct {
    const uint8_t *payload;
    size_t payload_bytes;
    uint32_t timestamp;
    uint32_t abs_send_time;
    uint16_t sequence;
    uint16_t picture_id;
    uint8_t marker;
    uint8_t picture_id_bytes, picture_id_at;
    uint8_t tl0, tl0_at;
} wc_packet;

/* A protected datagram, the position of its lane in the caller's table, and how much of it was payload. */
typedef struct {
    unsigned lane;
    unsigned bytes;
    unsigned payload_bytes;
    uint8_t data[WC_SLOT_BYTES];
} wc_slot;

typedef struct {
    uint64_t packets_sent, bytes_sent, dropped;
    unsigned pending_first, pending_end; /* slots that the last call left unsent */
    int descriptor;
    int segmentation; /* whether this kernel cuts messages apart */
    uint64_t unsegmented; /* addresses whose way refused such a message */
    wc_send send;
    struct mmsghdr messages[WC_BATCH];
    struct iovec vectors[WC_BATCH]; /* one for each slot */
    union {
        struct cmsghdr header;
        uint8_t bytes[CMSG_SPACE(sizeof(uint16_t))];
    } controls[WC_BATCH];
    wc_slot slots[WC_BATCH];
    uint8_t rewritten[WC_BURST][WC_SLOT_BYTES]; /* payloads whose descriptor differs from lane to lane */
} wc_writer;

/* `send` NULL means sendmmsg(2); segmentation is used where the descriptor's kernel knows it (Linux 4.18), and with a
 * peer until the kernel answers EIO, as it does where a route cannot carry it. NULL when out of memory. */
wc_writer *wc_writer_new(int descriptor, wc_send send);
void wc_writer_free(wc_writer *writer);

/* Writes the packets, at most WC_BURST, to lanes[from..count), lane by lane. Returns the position to go on from, `count`
 * when done. Slots pending_first..pending_end hold what the socket did not take: the caller queues them and calls again
 * with `hold` set, which protects a batch and sends nothing. Lanes are counted when sent; the caller counts what it
 * queues. */
unsigned wc_write(wc_writer *writer, const wc_packet *packets, unsigned packet_count, wc_lane *const *lanes,
                  unsigned count, unsigned from, int hold);

#endif
