#include "sm3_lanes.h"

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#include <cpuid.h>
#include <immintrin.h>
#include <string.h>

#define LANES 8
#define WORDS 8
#define BLOCK_BYTES 64

/* Of each round: the standard's constant, turned by the round's number. */
static const uint32_t ROUND[64] = {
    0x79cc4519, 0xf3988a32, 0xe7311465, 0xce6228cb, 0x9cc45197, 0x3988a32f, 0x7311465e, 0xe6228cbc,
    0xcc451979, 0x988a32f3, 0x311465e7, 0x6228cbce, 0xc451979c, 0x88a32f39, 0x11465e73, 0x228cbce6,
    0x9d8a7a87, 0x3b14f50f, 0x7629ea1e, 0xec53d43c, 0xd8a7a879, 0xb14f50f3, 0x629ea1e7, 0xc53d43ce,
    0x8a7a879d, 0x14f50f3b, 0x29ea1e76, 0x53d43cec, 0xa7a879d8, 0x4f50f3b1, 0x9ea1e762, 0x3d43cec5,
    0x7a879d8a, 0xf50f3b14, 0xea1e7629, 0xd43cec53, 0xa879d8a7, 0x50f3b14f, 0xa1e7629e, 0x43cec53d,
    0x879d8a7a, 0x0f3b14f5, 0x1e7629ea, 0x3cec53d4, 0x79d8a7a8, 0xf3b14f50, 0xe7629ea1, 0xcec53d43,
    0x9d8a7a87, 0x3b14f50f, 0x7629ea1e, 0xec53d43c, 0xd8a7a879, 0xb14f50f3, 0x629ea1e7, 0xc53d43ce,
    0x8a7a879d, 0x14f50f3b, 0x29ea1e76, 0x53d43cec, 0xa7a879d8, 0x4f50f3b1, 0x9ea1e762, 0x3d43cec5,
};
static const uint8_t NOTHING[BLOCK_BYTES];

/* One word of every lane. */
typedef __m256i vector;

/* The running digests: word by word, in each the lanes side by side. */
typedef union {
    vector vectors[WORDS];
    uint32_t words[WORDS][LANES];
} state;

/* A lane: what is left of its message. */
typedef struct {
    const uint8_t *next;
    size_t left;
    size_t message;
    int is_busy;
} slot;

#define ADD(x, y) _mm256_add_epi32(x, y)

/* A round, in place: what was D is the new A, what was H the new E, so that the next one takes them one place on. */
#define STEP(A, B, C, D, E, F, G, H, j, FF, GG)                                                                        \
    do {                                                                                                               \
        vector turned = TURN(A, 12);                                                                                    \
        vector sum = ADD(ADD(E, _mm256_set1_epi32((int)ROUND[j])), turned);                                             \
        sum = TURN(sum, 7);                                                                                            \
        D = ADD(ADD(D, _mm256_xor_si256(w[j], w[(j) + 4])), FF(A, B, C));                                              \
        D = ADD(D, _mm256_xor_si256(sum, turned));                                                                     \
        H = ADD(ADD(ADD(H, w[j]), GG(E, F, G)), sum);                                                                  \
        H = XOR(H, TURN(H, 9), TURN(H, 17));                                                                           \
        B = TURN(B, 9);                                                                                                \
        F = TURN(F, 19);                                                                                               \
    } while (0)
#define FOUR_STEPS(j, FF, GG)                                                                                          \
    do {                                                                                                               \
        STEP(a, b, c, d, e, f, g, h, j, FF, GG);                                                                       \
        STEP(d, a, b, c, h, e, f, g, (j) + 1, FF, GG);                                                                 \
        STEP(c, d, a, b, g, h, e, f, (j) + 2, FF, GG);                                                                 \
        STEP(b, c, d, a, f, g, h, e, (j) + 3, FF, GG);                                                                 \
    } while (0)

#define NAMED(name) name##_avx512
#define TARGET __attribute__((target("avx2,avx512f,avx512vl")))
#define TURN(x, bits) _mm256_rol_epi32(x, bits)
#define XOR(x, y, z) _mm256_ternarylogic_epi32(x, y, z, 0x96)
#define MOST(x, y, z) _mm256_ternarylogic_epi32(x, y, z, 0xe8)
#define EITHER(x, y, z) _mm256_ternarylogic_epi32(x, y, z, 0xca)
#include "sm3_lanes.inc"
#undef NAMED
#undef TARGET
#undef TURN
#undef XOR
#undef MOST
#undef EITHER

#define NAMED(name) name##_avx2
#define TARGET __attribute__((target("avx2")))
#define TURN(x, bits) _mm256_or_si256(_mm256_slli_epi32(x, bits), _mm256_srli_epi32(x, 32 - (bits)))
#define XOR(x, y, z) _mm256_xor_si256(_mm256_xor_si256(x, y), z)
#define MOST(x, y, z) _mm256_or_si256(_mm256_and_si256(x, y), _mm256_and_si256(_mm256_or_si256(x, y), z))
#define EITHER(x, y, z) _mm256_xor_si256(z, _mm256_and_si256(x, _mm256_xor_si256(y, z)))
#include "sm3_lanes.inc"

int yunshang_sm3_best(void) {
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & 1u << 27)) return SM3_NONE;
    uint32_t saved, high; /* which registers the operating system keeps for us */
    __asm__("xgetbv" : "=a"(saved), "=d"(high) : "c"(0));
    if ((saved & 0x06) != 0x06 || !__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(b & 1u << 5)) return SM3_NONE;
    return (b & 1u << 16) && (b & 1u << 31) && (saved & 0xe6) == 0xe6 ? SM3_AVX512 : SM3_AVX2;
}

void yunshang_sm3_run(uint32_t *states, const uint8_t *const *messages, const size_t *blocks, size_t count, int kind) {
    if (kind == SM3_AVX512) {
        run_avx512(states, messages, blocks, count);
    } else if (kind == SM3_AVX2) {
        run_avx2(states, messages, blocks, count);
    }
}
#else
int yunshang_sm3_best(void) { return SM3_NONE; }

void yunshang_sm3_run(uint32_t *states, const uint8_t *const *messages, const size_t *blocks, size_t count, int kind) {
    (void)states, (void)messages, (void)blocks, (void)count, (void)kind;
}
#endif

const char *yunshang_sm3_source(void) { return SM3_SOURCE; }
