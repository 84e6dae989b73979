#include "writer.h"

#include <errno.h>
#include <netinet/in.h>
#include <openssl/crypto.h>
#include <string.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103 /* linux/udp.h; C libraries name it since 2.28 */
#endif

static int system_send(int descriptor, struct mmsghdr *messages, unsigned count)
{
    int taken = sendmmsg(descriptor, messages, count, MSG_DONTWAIT);
    return taken < 0 ? -errno : taken;
}

wc_writer *wc_writer_new(int descriptor, wc_send send)
{
    wc_writer *writer = OPENSSL_zalloc(sizeof *writer);
    int none = 0;
    if (writer == NULL)
        return NULL;
    writer->descriptor = descriptor;
    writer->segmentation = setsockopt(descriptor, IPPROTO_UDP, UDP_SEGMENT, &none, sizeof none) == 0;
    writer->send = send != NULL ? send : system_send;
    for (unsigned i = 0; i < WC_BATCH; i++)
        writer->vectors[i].iov_base = writer->slots[i].data;
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

static int rewrites(const wc_packet *packet)
{
    return packet->picture_id_bytes != 0 || packet->tl0_at != 0;
}

/* Protects one packet for one lane into a slot; whether there is something to send. */
static int seal(wc_writer *writer, const wc_packet *packet, uint8_t *rewritten, wc_lane *lane, wc_slot *slot)
{
    const uint8_t *payload = packet->payload;
    int bytes = -1;
    if (rewrites(packet) && packet->payload_bytes <= WC_SLOT_BYTES) { /* what is longer is refused below */
        lay_picture_ids(packet, lane, rewritten);
        payload = rewritten;
    }
    if (lane->peer->address_bytes != 0)
        bytes = wc_seal_rtp(lane->peer, lane->stream, slot->data, lay_header(packet, lane, slot->data), payload,
                            packet->payload_bytes);
    if (bytes < 0) {
        writer->dropped++;
        return 0;
    }
    slot->bytes = (unsigned)bytes;
    slot->payload_bytes = (unsigned)packet->payload_bytes;
    return 1;
}

/* Protects for lanes[*from..count) while a whole lane fits into the slots; returns how many slots are filled. */
static unsigned fill(wc_writer *writer, const wc_packet *packets, unsigned packet_count, wc_lane *const *lanes,
                     unsigned count, unsigned *from)
{
    unsigned filled = 0;
    for (; *from < count && filled + packet_count <= WC_BATCH; ++*from) {
        for (unsigned i = 0; i < packet_count; i++) {
            wc_slot *slot = &writer->slots[filled];
            if (!seal(writer, &packets[i], writer->rewritten[i], lanes[*from], slot))
                continue;
            slot->lane = *from;
            writer->vectors[filled++].iov_len = slot->bytes;
        }
    }
    return filled;
}

/* Where the message ends that begins at slot `at`: the kernel cuts equal pieces, of which the last may be shorter. */
static unsigned message_end(const wc_writer *writer, unsigned at, unsigned filled)
{
    const wc_slot *slots = writer->slots;
    unsigned end = at + 1;
    while (end < filled && slots[end].lane == slots[at].lane && slots[end - 1].bytes == slots[at].bytes &&
           slots[end].bytes <= slots[at].bytes)
        end++;
    return end;
}

/* Lays out messages for slots [at, filled), those before `singly` one by one; returns how many there are. */
static unsigned lay_messages(wc_writer *writer, wc_lane *const *lanes, unsigned at, unsigned singly, unsigned filled)
{
    unsigned count = 0;
    while (at < filled) {
        wc_peer *peer = lanes[writer->slots[at].lane]->peer;
        int whole = writer->segmentation && !peer->unsegmented && at >= singly;
        unsigned end = whole ? message_end(writer, at, filled) : at + 1;
        struct msghdr *header = &writer->messages[count].msg_hdr;
        header->msg_name = &peer->address;
        header->msg_namelen = peer->address_bytes;
        header->msg_iov = &writer->vectors[at];
        header->msg_iovlen = end - at;
        header->msg_control = NULL;
        header->msg_controllen = 0;
        if (end - at > 1) {
            uint16_t piece = (uint16_t)writer->slots[at].bytes;
            struct cmsghdr *control = &writer->controls[count].header;
            control->cmsg_level = IPPROTO_UDP;
            control->cmsg_type = UDP_SEGMENT;
            control->cmsg_len = CMSG_LEN(sizeof piece);
            memcpy(CMSG_DATA(control), &piece, sizeof piece);
            header->msg_control = writer->controls[count].bytes;
            header->msg_controllen = sizeof writer->controls[count].bytes;
        }
        count++;
        at = end;
    }
    return count;
}

static void count_sent(wc_writer *writer, wc_lane *const *lanes, unsigned from, unsigned end)
{
    for (; from < end; from++) {
        const wc_slot *slot = &writer->slots[from];
        lanes[slot->lane]->packets++;
        lanes[slot->lane]->octets += slot->payload_bytes;
        writer->packets_sent++;
        writer->bytes_sent += slot->bytes;
    }
}

/* Sends slots [0, filled); returns the first one that the full socket did not take. */
static unsigned flush(wc_writer *writer, wc_lane *const *lanes, unsigned filled)
{
    unsigned done = 0, next = 0, interruptions = 0, messages = lay_messages(writer, lanes, 0, 0, filled);
    while (done < filled) {
        unsigned pieces = (unsigned)writer->messages[next].msg_hdr.msg_iovlen;
        int taken = writer->send(writer->descriptor, &writer->messages[next], messages - next);
        if (taken > 0) {
            unsigned from = done;
            for (; taken > 0 && next < messages; taken--)
                done += (unsigned)writer->messages[next++].msg_hdr.msg_iovlen;
            count_sent(writer, lanes, from, done);
        } else if (taken == -EINTR && ++interruptions < WC_BATCH) {
            continue;
        } else if (taken == 0 || taken == -EAGAIN || taken == -EWOULDBLOCK || taken == -EINTR) {
            break;
        } else if (pieces > 1) { /* this way takes no segments, or the address is refused: one by one will tell */
            if (taken == -EIO) {
                lanes[writer->slots[done].lane]->peer->unsegmented = 1;
                writer->unsegmented++;
            }
            messages = lay_messages(writer, lanes, done, done + pieces, filled);
            next = 0;
        } else {
            writer->dropped++; /* the kernel refuses this address: the others must not suffer */
            done++;
            next++;
        }
    }
    return done;
}

unsigned wc_write(wc_writer *writer, const wc_packet *packets, unsigned packet_count, wc_lane *const *lanes,
                  unsigned count, unsigned from, int hold)
{
    writer->pending_first = writer->pending_end = 0;
    if (packet_count > WC_BURST)
        packet_count = WC_BURST;
    for (unsigned i = 0; i < packet_count; i++) {
        if (rewrites(&packets[i]) && packets[i].payload_bytes <= WC_SLOT_BYTES)
            memcpy(writer->rewritten[i], packets[i].payload, packets[i].payload_bytes);
    }
    while (from < count) {
        unsigned filled = fill(writer, packets, packet_count, lanes, count, &from);
        unsigned done = hold ? 0 : flush(writer, lanes, filled);
        if (done < filled) {
            writer->pending_first = done;
            writer->pending_end = filled;
            return from;
        }
    }
    return from;
}
