#include "writer.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <string.h>

static int system_send(int descriptor, struct mmsghdr *messages, unsigned count)
{
    int taken = sendmmsg(descriptor, messages, count, MSG_DONTWAIT);
    return taken < 0 ? -errno : taken;
}

wc_writer *wc_writer_new(int descriptor, wc_send send)
{
    wc_writer *writer = OPENSSL_zalloc(sizeof *writer);
    if (writer == NULL)
        return NULL;
    writer->descriptor = descriptor;
    writer->send = send != NULL ? send : system_send;
    for (unsigned i = 0; i < WC_BATCH; i++) {
        writer->vectors[i].iov_base = writer->slots[i].data;
        writer->messages[i].msg_hdr.msg_iov = &writer->vectors[i];
        writer->messages[i].msg_hdr.msg_iovlen = 1;
    }
    return writer;
}

void wc_writer_free(wc_writer *writer)
{
    OPENSSL_free(writer);
}

/* Lays out the lane's header: twelve bytes, and abs-send-time as one RFC 8285 one-byte element. Returns its length. */
static size_t lay_header(const wc_packet *packet, const wc_lane *lane, uint8_t *out)
{
    uint16_t sequence = (uint16_t)(packet->sequence + lane->sequence_delta);
    uint32_t timestamp = packet->timestamp + lane->timestamp_delta, ssrc = lane->stream->ssrc;
    out[0] = lane->abs_send_time_id != 0 ? 0x90 : 0x80;
    out[1] = (uint8_t)((packet->marker ? 0x80 : 0) | (lane->payload_type & 0x7f));
    out[2] = (uint8_t)(sequence >> 8);
    out[3] = (uint8_t)sequence;
    for (int i = 0; i < 4; i++) {
        out[4 + i] = (uint8_t)(timestamp >> (24 - 8 * i));
        out[8 + i] = (uint8_t)(ssrc >> (24 - 8 * i));
    }
    if (lane->abs_send_time_id == 0)
        return 12;
    out[12] = 0xbe;
    out[13] = 0xde;
    out[14] = 0;
    out[15] = 1;
    out[16] = (uint8_t)(lane->abs_send_time_id << 4 | 2);
    out[17] = (uint8_t)(packet->abs_send_time >> 16);
    out[18] = (uint8_t)(packet->abs_send_time >> 8);
    out[19] = (uint8_t)packet->abs_send_time;
    return 20;
}

/* Writes the lane's picture id and TL0PICIDX into `payload`, whose other bytes are the packet's (RFC 7741 section 4.2). */
static void lay_picture_ids(const wc_packet *packet, const wc_lane *lane, uint8_t *payload)
{
    unsigned picture_id = (unsigned)packet->picture_id + lane->picture_id_delta;
    uint8_t *at = payload + packet->picture_id_at;
    if (packet->picture_id_bytes == 1) {
        at[0] = picture_id & 0x7f;
    } else if (packet->picture_id_bytes == 2) {
        at[0] = (uint8_t)(0x80 | (picture_id >> 8 & 0x7f));
        at[1] = (uint8_t)picture_id;
    }
    if (packet->tl0_at != 0)
        payload[packet->tl0_at] = (uint8_t)(packet->tl0 + lane->tl0_delta);
}

/* Protects for lanes[*from..count) until the slots are full; returns how many slots are filled. */
static unsigned fill(wc_writer *writer, const wc_packet *packet, wc_lane *const *lanes, unsigned count, unsigned *from)
{
    unsigned filled = 0;
    const uint8_t *payload = packet->payload;
    int rewrites = packet->picture_id_bytes != 0 || packet->tl0_at != 0;
    if (rewrites && packet->payload_bytes <= sizeof writer->rewritten) { /* what is longer is refused below */
        memcpy(writer->rewritten, packet->payload, packet->payload_bytes);
        payload = writer->rewritten;
    }
    while (*from < count && filled < WC_BATCH) {
        wc_lane *lane = lanes[*from];
        wc_slot *slot = &writer->slots[filled];
        struct msghdr *header = &writer->messages[filled].msg_hdr;
        int bytes = -1;
        if (payload == writer->rewritten)
            lay_picture_ids(packet, lane, writer->rewritten);
        if (lane->peer->address_bytes != 0)
            bytes = wc_seal_rtp(lane->peer, lane->stream, slot->data, lay_header(packet, lane, slot->data),
                                payload, packet->payload_bytes);
        if (bytes < 0) {
            writer->dropped++;
        } else {
            slot->lane = *from;
            slot->bytes = (unsigned)bytes;
            writer->vectors[filled].iov_len = (size_t)bytes;
            header->msg_name = &lane->peer->address;
            header->msg_namelen = lane->peer->address_bytes;
            filled++;
        }
        ++*from;
    }
    return filled;
}

/* Sends slots [0, filled); returns the first one that the full socket did not take. */
static unsigned flush(wc_writer *writer, const wc_packet *packet, wc_lane *const *lanes, unsigned filled)
{
    unsigned done = 0, interruptions = 0;
    while (done < filled) {
        int taken = writer->send(writer->descriptor, &writer->messages[done], filled - done);
        if (taken > 0) {
            unsigned end = (unsigned)taken > filled - done ? filled : done + (unsigned)taken;
            for (; done < end; done++) {
                wc_lane *lane = lanes[writer->slots[done].lane];
                lane->packets++;
                lane->octets += packet->payload_bytes;
                writer->packets_sent++;
                writer->bytes_sent += writer->slots[done].bytes;
            }
        } else if (taken == -EINTR && ++interruptions < WC_BATCH) {
            continue;
        } else if (taken == 0 || taken == -EAGAIN || taken == -EWOULDBLOCK || taken == -EINTR) {
            break;
        } else {
            writer->dropped++; /* the kernel refuses this address: the others must not suffer */
            done++;
        }
    }
    return done;
}

unsigned wc_write(wc_writer *writer, const wc_packet *packet, wc_lane *const *lanes, unsigned count, unsigned from,
                  int hold)
{
    writer->pending_first = writer->pending_end = 0;
    while (from < count) {
        unsigned filled = fill(writer, packet, lanes, count, &from);
        unsigned done = hold ? 0 : flush(writer, packet, lanes, filled);
        if (done < filled) {
            writer->pending_first = done;
            writer->pending_end = filled;
            return from;
        }
    }
    return from;
}
