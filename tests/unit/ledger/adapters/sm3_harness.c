/* Takes the library's functions through memory that ends where the messages end: under sanitisers, a byte too far stops it.
 *
 * Input: kind, then for each message its length in blocks (32 bits little-endian) and its bytes. Output: the states. */
#include "sm3_lanes.h"

#include <stdio.h>
#include <stdlib.h>

#define MOST 4096

int main(void) {
    static const uint8_t *messages[MOST];
    static size_t blocks[MOST];
    static uint32_t states[8 * MOST];
    size_t count = 0;
    uint8_t head[4];
    int kind = getchar();
    while (fread(head, 1, 4, stdin) == 4 && count < MOST) {
        blocks[count] = head[0] | (size_t)head[1] << 8;
        uint8_t *message = malloc(64 * blocks[count] + !blocks[count]);
        if (message == NULL || fread(message, 1, 64 * blocks[count], stdin) != 64 * blocks[count]) return 2;
        messages[count++] = message;
    }
    if (kind > yunshang_sm3_best()) return 3;
    yunshang_sm3_run(states, messages, blocks, count, kind);
    fwrite(states, sizeof *states, 8 * count, stdout);
    for (size_t i = 0; i < count; i++) free((void *)(uintptr_t)messages[i]);
    return 0;
}
