/* Reads and counts the datagrams of many viewers' sockets: so cheap that a benchmark measures the server and not its
 * own viewers. Media are counted and checked for order here; what is not media, and one media packet in `sample_every`,
 * is handed out whole with the kernel's time of its arrival. Compiled when a benchmark starts; see reader.py. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { STREAMS = 4, BATCH = 32, HANDED = 128, EVENTS = 256, DATAGRAM = 2048, CONTROL = 64 };

typedef struct {
    uint64_t received, octets, missing, late;
    uint64_t first_frame_ns; /* when the first video packet with the marker came, since 1970 */
    uint32_t ssrc[STREAMS];
    uint16_t last[STREAMS];
    uint32_t streams;
    int descriptor;
} viewer;

typedef struct {
    uint64_t arrived_ns;
    uint32_t viewer, bytes;
    uint8_t data[DATAGRAM];
} handed;

typedef struct {
    int epoll;
    unsigned sample_every, capacity, count;
    uint8_t frame_end; /* the second header byte of a packet that ends a frame of video */
    handed out[HANDED];
    viewer viewers[];
} reader;

reader *reader_new(unsigned capacity, unsigned sample_every, uint8_t frame_end)
{
    reader *made = calloc(1, sizeof *made + capacity * sizeof(viewer));
    if (made == NULL)
        return NULL;
    made->capacity = capacity;
    made->sample_every = sample_every;
    made->frame_end = frame_end;
    made->epoll = epoll_create1(EPOLL_CLOEXEC);
    return made;
}

void reader_free(reader *self)
{
    close(self->epoll);
    free(self);
}

/* The new viewer's number, or -1. */
int reader_add(reader *self, int descriptor)
{
    int on = 1;
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = self->count};
    if (self->count == self->capacity || setsockopt(descriptor, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on) != 0 ||
        epoll_ctl(self->epoll, EPOLL_CTL_ADD, descriptor, &event) != 0)
        return -1;
    self->viewers[self->count].descriptor = descriptor;
    return (int)self->count++;
}

static uint64_t arrival(struct msghdr *header)
{
    for (struct cmsghdr *part = CMSG_FIRSTHDR(header); part != NULL; part = CMSG_NXTHDR(header, part)) {
        if (part->cmsg_level == SOL_SOCKET && part->cmsg_type == SCM_TIMESTAMPNS) {
            struct timespec at;
            memcpy(&at, CMSG_DATA(part), sizeof at);
            return (uint64_t)at.tv_sec * 1000000000u + (uint64_t)at.tv_nsec;
        }
    }
    return 0;
}

static int is_media(const uint8_t *data, unsigned bytes)
{
    return bytes >= 12 && data[0] >> 6 == 2 && !(data[1] >= 192 && data[1] <= 223);
}

static void count_packet(viewer *one, const uint8_t *data)
{
    uint32_t ssrc = (uint32_t)data[8] << 24 | (uint32_t)data[9] << 16 | (uint32_t)data[10] << 8 | data[11];
    uint16_t sequence = (uint16_t)(data[2] << 8 | data[3]), step;
    unsigned stream = 0;
    while (stream < one->streams && one->ssrc[stream] != ssrc)
        stream++;
    if (stream == one->streams) {
        if (stream == STREAMS)
            return;
        one->streams++;
        one->ssrc[stream] = ssrc;
        one->last[stream] = (uint16_t)(sequence - 1);
    }
    step = (uint16_t)(sequence - one->last[stream]);
    if (step == 0 || step >= 0x8000) {
        one->late++;
        return;
    }
    one->missing += step - 1u;
    one->last[stream] = sequence;
}

/* Takes what one socket holds, at most a batch; returns how many it handed out. */
static unsigned take(reader *self, uint32_t number, unsigned from)
{
    static uint8_t data[BATCH][DATAGRAM], control[BATCH][CONTROL];
    static struct iovec vectors[BATCH];
    static struct mmsghdr messages[BATCH];
    viewer *one = &self->viewers[number];
    unsigned given = 0;
    for (int i = 0; i < BATCH; i++) {
        vectors[i] = (struct iovec){data[i], DATAGRAM};
        messages[i].msg_hdr =
            (struct msghdr){.msg_iov = &vectors[i], .msg_iovlen = 1, .msg_control = control[i], .msg_controllen = CONTROL};
    }
    int got = recvmmsg(one->descriptor, messages, BATCH, MSG_DONTWAIT, NULL);
    for (int i = 0; i < got; i++) {
        unsigned bytes = messages[i].msg_len;
        int media = is_media(data[i], bytes);
        if (media) {
            one->received++;
            one->octets += bytes;
            if (one->first_frame_ns == 0 && data[i][1] == self->frame_end)
                one->first_frame_ns = arrival(&messages[i].msg_hdr);
            count_packet(one, data[i]);
        }
        if (!media || one->received % self->sample_every == 0) {
            handed *out = &self->out[from + given++];
            out->viewer = number;
            out->bytes = bytes;
            out->arrived_ns = arrival(&messages[i].msg_hdr);
            memcpy(out->data, data[i], bytes);
        }
    }
    return given;
}

/* Reads what the sockets hold; returns how many datagrams stand in `out`. What is left shows in the epoll again. */
unsigned reader_read(reader *self)
{
    struct epoll_event events[EVENTS];
    unsigned given = 0;
    int ready = epoll_wait(self->epoll, events, EVENTS, 0);
    for (int i = 0; i < ready && given + BATCH <= HANDED; i++)
        given += take(self, events[i].data.u32, given);
    return given;
}

/* Begins to count anew; sequence numbers go on. */
void reader_reset(reader *self)
{
    for (unsigned i = 0; i < self->count; i++) {
        viewer *one = &self->viewers[i];
        one->received = one->octets = one->missing = one->late = 0;
    }
}
