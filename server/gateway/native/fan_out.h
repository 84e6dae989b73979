/* One shared frame to many sockets, without Python between the writes. Does I/O on sockets it does not own. */
#ifndef WC_FAN_OUT_H
#define WC_FAN_OUT_H

#include <stddef.h>
#include <stdint.h>

#define WC_WINDOWS 16 /* deflate windows by their bits, 0: none */

/* A frame as it is sent to connections of one window; `written` counts to how many it was. */
typedef struct {
    const uint8_t *data;
    size_t bytes;
    unsigned written;
} wc_frame;

/* A seat that did not take the whole frame; `sent` bytes of it went out, -1: nothing may be written here directly. */
typedef struct {
    unsigned place;
    int sent;
} wc_left;

/* Writes to seats[from..count) that `told` does not mark with this serial, marks them, and stops after `most`.
 * Returns the seat to go on from; `left` has room for `most`, `left_count` says how many it got. Never waits. */
unsigned wc_fan_out(const int *descriptors, uint32_t *told, const uint8_t *windows, unsigned count, unsigned from,
                    uint32_t serial, wc_frame *frames, unsigned most, wc_left *left, unsigned *left_count);

#endif
