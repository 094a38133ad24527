#include "sha256.h"

#include <string.h>

#if (defined(__x86_64__) || defined(__i386__)) && (defined(__GNUC__) || defined(__clang__))
#define SHA256_X86 1
#include <cpuid.h>
#include <immintrin.h>
#endif

static const uint32_t ROUND[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static inline uint32_t turn(uint32_t word, unsigned bits) { return (word >> bits) | (word << (32 - bits)); }

static inline uint32_t big_endian(const uint8_t *bytes) {
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static void compress_portable(uint32_t state[8], const uint8_t *data, size_t blocks) {
    for (; blocks > 0; blocks--, data += 64) {
        uint32_t w[64];
        for (int t = 0; t < 16; t++) w[t] = big_endian(data + 4 * t);
        for (int t = 16; t < 64; t++) {
            uint32_t s0 = turn(w[t - 15], 7) ^ turn(w[t - 15], 18) ^ (w[t - 15] >> 3);
            uint32_t s1 = turn(w[t - 2], 17) ^ turn(w[t - 2], 19) ^ (w[t - 2] >> 10);
            w[t] = w[t - 16] + s0 + w[t - 7] + s1;
        }
        uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
        uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
        for (int t = 0; t < 64; t++) {
            uint32_t t1 = h + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + ((e & f) ^ (~e & g)) + ROUND[t] + w[t];
            uint32_t t2 = (turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
            h = g, g = f, f = e, e = d + t1, d = c, c = b, b = a, a = t1 + t2;
        }
        state[0] += a, state[1] += b, state[2] += c, state[3] += d;
        state[4] += e, state[5] += f, state[6] += g, state[7] += h;
    }
}

#ifdef SHA256_X86
/* Four rounds a step; `low` holds A B E F, `high` C D G H, as the instructions want it. */
__attribute__((target("sha,sse4.1"))) static void compress_x86(uint32_t state[8], const uint8_t *data, size_t blocks) {
    const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
    __m128i first = _mm_loadu_si128((const __m128i *)(const void *)state);
    __m128i second = _mm_loadu_si128((const __m128i *)(const void *)(state + 4));
    first = _mm_shuffle_epi32(first, 0xb1);
    second = _mm_shuffle_epi32(second, 0x1b);
    __m128i low = _mm_alignr_epi8(first, second, 8);
    __m128i high = _mm_blend_epi16(second, first, 0xf0);
    for (; blocks > 0; blocks--, data += 64) {
        const __m128i low_before = low, high_before = high;
        __m128i w[4];
        for (int t = 0; t < 4; t++)
            w[t] = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(const void *)(data + 16 * t)), swap);
#if defined(__clang__)
#pragma clang loop unroll(full)
#elif defined(__GNUC__)
#pragma GCC unroll 16
#endif
        for (int t = 0; t < 16; t++) {
            __m128i words = w[t & 3];
            __m128i sum = _mm_add_epi32(words, _mm_loadu_si128((const __m128i *)(const void *)(ROUND + 4 * t)));
            high = _mm_sha256rnds2_epu32(high, low, sum);
            low = _mm_sha256rnds2_epu32(low, high, _mm_shuffle_epi32(sum, 0x0e));
            if (t < 12) {
                __m128i next = _mm_sha256msg1_epu32(words, w[(t + 1) & 3]);
                next = _mm_add_epi32(next, _mm_alignr_epi8(w[(t + 3) & 3], w[(t + 2) & 3], 4));
                w[t & 3] = _mm_sha256msg2_epu32(next, w[(t + 3) & 3]);
            }
        }
        low = _mm_add_epi32(low, low_before);
        high = _mm_add_epi32(high, high_before);
    }
    first = _mm_shuffle_epi32(low, 0x1b);
    second = _mm_shuffle_epi32(high, 0xb1);
    _mm_storeu_si128((__m128i *)(void *)state, _mm_blend_epi16(first, second, 0xf0));
    _mm_storeu_si128((__m128i *)(void *)(state + 4), _mm_alignr_epi8(second, first, 8));
}

static int has_instructions(void) {
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & (1u << 19)) || !(c & (1u << 9))) return 0; /* SSE4.1, SSSE3 */
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & (1u << 29));
}
#endif

sha256_blocks sha256_portable(void) { return compress_portable; }

sha256_blocks sha256_fastest(void) {
#ifdef SHA256_X86
    if (has_instructions()) return compress_x86;
#endif
    return compress_portable;
}

void sha256_begin(sha256_context *context, sha256_blocks compress) {
    static const uint32_t START[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    memcpy(context->state, START, sizeof START);
    context->length = 0;
    context->compress = compress;
}

void sha256_add(sha256_context *context, const void *bytes, size_t length) {
    const uint8_t *data = bytes;
    size_t held = (size_t)(context->length & 63);
    if (length == 0) return;
    context->length += length;
    if (held > 0) {
        size_t room = 64 - held;
        if (length < room) {
            memcpy(context->rest + held, data, length);
            return;
        }
        memcpy(context->rest + held, data, room);
        context->compress(context->state, context->rest, 1);
        data += room, length -= room;
    }
    if (length >= 64) {
        context->compress(context->state, data, length / 64);
        data += length & ~(size_t)63, length &= 63;
    }
    if (length > 0) memcpy(context->rest, data, length);
}

void sha256_end(sha256_context *context, uint8_t digest[32]) {
    size_t held = (size_t)(context->length & 63);
    uint64_t bits = context->length * 8;
    context->rest[held++] = 0x80;
    if (held > 56) {
        memset(context->rest + held, 0, 64 - held);
        context->compress(context->state, context->rest, 1);
        held = 0;
    }
    memset(context->rest + held, 0, 56 - held);
    for (int i = 0; i < 8; i++) context->rest[56 + i] = (uint8_t)(bits >> (56 - 8 * i));
    context->compress(context->state, context->rest, 1);
    for (int i = 0; i < 8; i++) {
        digest[4 * i] = (uint8_t)(context->state[i] >> 24);
        digest[4 * i + 1] = (uint8_t)(context->state[i] >> 16);
        digest[4 * i + 2] = (uint8_t)(context->state[i] >> 8);
        digest[4 * i + 3] = (uint8_t)context->state[i];
    }
}
