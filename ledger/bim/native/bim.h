/* The fingerprint of a BIM model: the kernel's outside. Normative page: docs/bim-fingerprint.md.
 *
 * Thread-safe, no state between calls, no input or output. Every pointer in a result belongs to the result until
 * `yunshang_bim_take` hands it to the caller, who frees it with `yunshang_bim_free`. */
#ifndef YUNSHANG_BIM_H
#define YUNSHANG_BIM_H

#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32)
#define BIM_API __declspec(dllexport)
#else
#define BIM_API __attribute__((visibility("default")))
#endif

/* Errors in the order of bim_native.py. */
enum {
    BIM_OK = 0,
    BIM_TOO_LARGE,
    BIM_NOT_STEP,
    BIM_SECTIONS,
    BIM_SYNTAX,
    BIM_DEPTH,
    BIM_NUMBER_OVERFLOW,
    BIM_STRING_ENCODING,
    BIM_SCHEMA_MISSING,
    BIM_TRUNCATED,
    BIM_ENTITY_TOO_LONG,
    BIM_DUPLICATE_ENTITY,
    BIM_DANGLING_REFERENCE,
    BIM_GLOBAL_ID,
    BIM_CYCLE,
    BIM_NO_MEMORY,
    BIM_BAD_TABLE,
};

/* What a scan gives, by the names of ledger/bim/scan.py. Texts are joined by line feeds, no text holds one. */
enum {
    BIM_NUMBERS = 0, /* uint64_t */
    BIM_OFFSETS,     /* uint64_t */
    BIM_KEYWORDS,    /* text */
    BIM_KEYWORD_OF,  /* uint32_t */
    BIM_DIGESTS,
    BIM_ROOTED,     /* uint32_t */
    BIM_GLOBAL_IDS, /* text */
    BIM_ASPECTS,
    BIM_OWN_COLOURS,
    BIM_COLOURS,
    BIM_REFERENCES, /* three uint32_t each */
    BIM_DESCRIBERS, /* two uint32_t each */
    BIM_LOOSE,
    BIM_CONTENT_LOOSE,
    BIM_SCHEMA, /* text */
    BIM_ARRAYS,
};

typedef struct {
    uint32_t error;
    uint32_t reserved;
    uint64_t offset; /* of the error */
    uint64_t keyword_count;
    uint64_t rooted_count;
    void *arrays[BIM_ARRAYS];
    uint64_t bytes[BIM_ARRAYS]; /* length of each */
} bim_result;

/* The digest of the sources this was built from, lower-case hex. */
BIM_API const char *yunshang_bim_source(void);

/* What stands at 0xA0 to 0xFE of ISO 8859-1 to -9: 9 × 95 u16, little endian, 0 for nothing. */
#define BIM_PAGES_LENGTH (9 * 95 * 2)

/* Read the header: fills BIM_SCHEMA or the error. */
BIM_API void yunshang_bim_header(const uint8_t *step, uint64_t length, const uint8_t *pages, bim_result *result);

/* Read everything. `table`: see table.c. `renames`: u32 count, then for each u32 length, bytes of the old and of the
 * new one, little endian, sorted by the old ones. `seed`: 32 random bytes that keep anyone from choosing keywords that
 * collide. */
BIM_API void yunshang_bim_scan(const uint8_t *step, uint64_t length, const uint8_t *pages, const uint8_t *table,
                               uint64_t table_length, const uint8_t *renames, uint64_t renames_length,
                               const uint8_t *seed, bim_result *result);

BIM_API void *yunshang_bim_take(bim_result *result, uint32_t array);
BIM_API void yunshang_bim_free(void *array);
BIM_API void yunshang_bim_release(bim_result *result);

/* For tests: SHA-256 (portable != 0: without instructions of the CPU), and a real of the format.
 * yunshang_bim_real returns 0, or 1 for what isn't a number, 2 for overflow. */
BIM_API void yunshang_bim_sha256(const uint8_t *bytes, uint64_t length, uint32_t portable, uint8_t *digest);
BIM_API uint32_t yunshang_bim_real(const uint8_t *text, uint64_t length, double *value);

#endif
