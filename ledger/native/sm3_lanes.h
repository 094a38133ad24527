/* SM3 (GB/T 32905-2016) of eight messages at a time: each is in a lane of its own of the processor's vectors.
 *
 * Thread-safe, no state between calls, no memory of its own beyond the stack, no input or output. */
#ifndef YUNSHANG_SM3_LANES_H
#define YUNSHANG_SM3_LANES_H

#include <stddef.h>
#include <stdint.h>

#define SM3_API __attribute__((visibility("default")))

/* With which instructions, each with all of the one before. */
enum { SM3_NONE = 0, SM3_AVX2 = 1, SM3_AVX512 = 2 };

/* The best this processor and its operating system have. */
SM3_API int yunshang_sm3_best(void);

/* Take blocks of 64 bytes of `count` messages into their running states, eight words each. Padding is the caller's.
 * `kind` is at most the best. Messages of about one length fill the lanes best; whatever their order, a lane whose
 * message ends takes the next one. */
SM3_API void yunshang_sm3_run(uint32_t *states, const uint8_t *const *messages, const size_t *blocks, size_t count,
                              int kind);

/* The SHA-256 of the sources this was built from. */
SM3_API const char *yunshang_sm3_source(void);

#endif
