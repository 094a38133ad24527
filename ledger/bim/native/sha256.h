/* SHA-256 (FIPS 180-4). Own because hashlib can't be called from C without Python for each entity. */
#ifndef YUNSHANG_SHA256_H
#define YUNSHANG_SHA256_H

#include <stddef.h>
#include <stdint.h>

typedef void (*sha256_blocks)(uint32_t state[8], const uint8_t *data, size_t blocks);

typedef struct {
    uint32_t state[8];
    uint64_t length;
    sha256_blocks compress;
    uint8_t rest[64];
} sha256_context;

/* The fastest compression this CPU has. */
sha256_blocks sha256_fastest(void);
sha256_blocks sha256_portable(void);

void sha256_begin(sha256_context *context, sha256_blocks compress);
void sha256_add(sha256_context *context, const void *bytes, size_t length);
void sha256_end(sha256_context *context, uint8_t digest[32]);

#endif
