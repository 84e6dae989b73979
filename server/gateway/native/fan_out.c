#include "fan_out.h"

#include <sys/socket.h>

unsigned wc_fan_out(const int *descriptors, uint32_t *told, const uint8_t *windows, unsigned count, unsigned from,
                    uint32_t serial, wc_frame *frames, unsigned most, wc_left *left, unsigned *left_count) {
    unsigned place, done = 0, stayed = 0;
    for (place = from; place < count && done < most; place++) {
        if (told[place] == serial)
            continue;
        told[place] = serial;
        done++;
        if (descriptors[place] < 0) {
            left[stayed++] = (wc_left){place, -1};
            continue;
        }
        wc_frame *frame = &frames[windows[place] % WC_WINDOWS];
        ssize_t sent = send(descriptors[place], frame->data, frame->bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
        frame->written++;
        if (sent != (ssize_t)frame->bytes)
            left[stayed++] = (wc_left){place, sent > 0 ? (int)sent : 0};
    }
    *left_count = stayed;
    return place;
}
