/* The kernel's outside: runs the parts in their order and hands over what they made. */
#include "bim.h"

#include <stdlib.h>

#include "real.h"
#include "scan.h"

#ifndef BIM_SOURCE
#define BIM_SOURCE ""
#endif

const char *yunshang_bim_source(void) { return BIM_SOURCE; }

static void leave(scan *s) {
    void *blocks[] = {s->code.at,        s->items.at,       s->sorting.at,     s->text.at,      s->schema.at,
                      s->rules,          s->types,          s->rule_slots,     s->type_slots,   s->table_memory,
                      s->keyword_slots,  s->rename_at,      s->numbers,        s->offsets,      s->keyword_of,
                      s->pieces,         s->flags,          s->digests,        s->slots,        s->buckets,
                      s->describers,     s->fold_memory.at, s->states,         s->inverses,     s->inverse_slots,
                      s->tainted,        s->content,        s->frames.at,      s->leaves,       s->reference_begin,
                      s->references,     s->relation_begin, s->relation_mask,  s->relations.at, s->aspects,
                      s->own_colours,    s->colours,        s->colours_before, s->out.at,       s->keys.at,
                      s->digest_keys.at, s->places.at,      s->scratch[0],     s->scratch[1]};
    for (uint32_t i = s->rule_count; i < s->keyword_count; i++) free((void *)(uintptr_t)s->keywords[i].text);
    free(s->keywords);
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) free(blocks[i]);
    free(s);
}

static void hand_over(bim_result *result, uint32_t array, void *at, uint64_t length) {
    result->arrays[array] = at;
    result->bytes[array] = length;
}

/* Give memory back as soon as nothing needs it: the arrays that follow take its place. */
static void drop(void *slot) {
    void *block;
    memcpy(&block, slot, sizeof block);
    free(block);
    block = NULL;
    memcpy(slot, &block, sizeof block);
}

static int compare_keywords(const void *context, uint32_t a, uint32_t b) {
    const keyword *x = (const keyword *)context + a, *y = (const keyword *)context + b;
    uint32_t common = x->length < y->length ? x->length : y->length;
    int order = common ? memcmp(x->text, y->text, common) : 0;
    return order ? order : (x->length > y->length) - (x->length < y->length);
}

/* The keywords that occur, ascending and joined; `keyword_of` becomes their index. */
static void order_keywords(scan *s, bim_result *result) {
    uint32_t *place = s->scratch[0] = make(s, (size_t)s->keyword_count + 1, sizeof *place), count = 0;
    int complex = 0;
    for (uint32_t i = 0; i < s->count; i++) {
        if (s->keyword_of[i] == NONE)
            complex = 1;
        else
            place[s->keyword_of[i]] = 1;
    }
    s->keys.used = 0;
    for (uint32_t id = 0; id < s->keyword_count; id++) {
        uint8_t first[8] = {0};
        if (!place[id]) continue;
        memcpy(first, s->keywords[id].text, s->keywords[id].length < 8 ? s->keywords[id].length : 8);
        sort_key key = {big_prefix(first), id};
        memcpy(extend(s, &s->keys, sizeof key), &key, sizeof key);
        count++;
    }
    sort_key *keys = (sort_key *)(void *)s->keys.at;
    sort_keys(s, keys, count, compare_keywords, s->keywords);
    s->out.used = 0; /* the empty text comes first */
    for (uint32_t i = 0; i < count; i++) {
        const keyword *k = &s->keywords[keys[i].id];
        if (complex || i > 0) *extend(s, &s->out, 1) = '\n';
        put(s, k->text, k->length);
        place[keys[i].id] = i + (uint32_t)complex;
    }
    for (uint32_t i = 0; i < s->count; i++) s->keyword_of[i] = s->keyword_of[i] == NONE ? 0 : place[s->keyword_of[i]];
    result->keyword_count = count + (uint32_t)complex;
    hand_over(result, BIM_KEYWORDS, s->out.at, s->out.used);
    s->out = (bytes){NULL, 0, 0};
    drop(&s->scratch[0]);
}

/* The digests of the last leaf, for both trees. */
static void find_loose(scan *s, bim_result *result) {
    static const char OWNER_HISTORY[] = "IFCOWNERHISTORY";
    uint8_t *folded = s->scratch[0] = make(s, s->describer_count, 1);
    uint32_t describer = 0;
    bytes *loose = &s->places, *content = &s->text;
    loose->used = content->used = 0;
    for (size_t i = 0; i < s->fold_count; i++) folded[(uint32_t)s->folds[i]] = 1;
    for (uint32_t x = 0; x < s->count; x++) {
        int describes = describer < s->describer_count && s->describers[describer] == x;
        int used = s->flags[x] & IS_REFERENCED || (describes && folded[describer]);
        describer += (uint32_t)describes;
        if (s->flags[x] & IS_ROOTED || (used && !(s->flags[x] & KEPT_OUT))) continue;
        memcpy(extend(s, loose, 32), s->digests + (size_t)x * 32, 32);
        if (!(s->flags[x] & IS_COMPLEX)) {
            const keyword *k = &s->keywords[s->keyword_of[x]];
            if (k->length == sizeof OWNER_HISTORY - 1 && memcmp(k->text, OWNER_HISTORY, k->length) == 0) continue;
        }
        const uint8_t *digest =
            s->states[x] & TAINTED ? s->content + (size_t)s->slots[x] * 32 : s->digests + (size_t)x * 32;
        memcpy(extend(s, content, 32), digest, 32);
    }
    sort_digests(s, loose->at, loose->used / 32);
    sort_digests(s, content->at, content->used / 32);
    hand_over(result, BIM_LOOSE, loose->at, loose->used);
    hand_over(result, BIM_CONTENT_LOOSE, content->at, content->used);
    *loose = *content = (bytes){NULL, 0, 0};
    drop(&s->scratch[0]);
}

static void *reserve(scan *s, bim_result *result, uint32_t array, uint64_t count, size_t size) {
    void *made = make(s, count, size);
    hand_over(result, array, made, count * size);
    return made;
}

static void list_leaves(scan *s, bim_result *result) {
    uint32_t *rooted = reserve(s, result, BIM_ROOTED, s->leaf_count, sizeof *rooted);
    uint64_t length = 0;
    for (uint32_t i = 0; i < s->leaf_count; i++) {
        rooted[i] = s->leaves[i].entity;
        length += (uint64_t)s->leaves[i].id_length + (i > 0);
    }
    uint8_t *ids = reserve(s, result, BIM_GLOBAL_IDS, length, 1);
    for (uint32_t i = 0; i < s->leaf_count; i++) {
        if (i > 0) *ids++ = '\n';
        memcpy(ids, s->leaves[i].id, s->leaves[i].id_length);
        ids += s->leaves[i].id_length;
    }
    result->rooted_count = s->leaf_count;
}

static void list_pairs(scan *s, bim_result *result) {
    uint32_t total = s->reference_begin[s->leaf_count];
    uint32_t *references = reserve(s, result, BIM_REFERENCES, total, 3 * sizeof *references);
    for (uint32_t target = 0; target < s->leaf_count; target++)
        for (uint32_t i = s->reference_begin[target]; i < s->reference_begin[target + 1]; i++) {
            *references++ = target;
            *references++ = s->references[(size_t)i * 2];
            *references++ = s->references[(size_t)i * 2 + 1];
        }
    uint32_t *describers = reserve(s, result, BIM_DESCRIBERS, s->fold_count, 2 * sizeof *describers);
    for (size_t i = 0; i < s->fold_count; i++) {
        *describers++ = (uint32_t)(s->folds[i] >> 32);
        *describers++ = s->describers[(uint32_t)s->folds[i]];
    }
}

static void scan_everything(scan *s, const uint8_t *table, uint64_t table_length, bim_result *result) {
    const uint8_t *data = read_header(s);
    read_table(s, table, table_length);
    read_data(s, data);
    order_entities(s);
    resolve_references(s);
    resolve_parents(s);
    find_describers(s);
    find_leaves(s); /* their GlobalIds point into what grows no more */
    digest_everything(s);
    digest_leaves(s);
    colour_leaves(s);
    find_loose(s, result);
    list_leaves(s, result);
    list_pairs(s, result);
    drop(&s->code.at);
    drop(&s->content);
    drop(&s->tainted);
    drop(&s->states);
    drop(&s->slots);
    drop(&s->pieces);
    order_keywords(s, result);
    uint64_t count = s->count, leaves = s->leaf_count;
    hand_over(result, BIM_NUMBERS, s->numbers, count * sizeof *s->numbers);
    uint64_t *offsets = reserve(s, result, BIM_OFFSETS, count, sizeof *offsets);
    for (uint64_t i = 0; i < count; i++) offsets[i] = s->offsets[i];
    drop(&s->offsets);
    hand_over(result, BIM_KEYWORD_OF, s->keyword_of, count * sizeof *s->keyword_of);
    hand_over(result, BIM_DIGESTS, s->digests, count * 32);
    hand_over(result, BIM_ASPECTS, s->aspects, leaves * 256);
    hand_over(result, BIM_OWN_COLOURS, s->own_colours, leaves * 32);
    hand_over(result, BIM_COLOURS, s->colours, leaves * 32);
    hand_over(result, BIM_SCHEMA, s->schema.at, s->schema.used);
    s->numbers = NULL, s->keyword_of = NULL, s->digests = NULL;
    s->aspects = s->own_colours = s->colours = NULL;
    s->schema = (bytes){NULL, 0, 0};
}

static scan *enter_scan(const uint8_t *step, uint64_t length, const uint8_t *pages, bim_result *result) {
    static const uint8_t NOTHING[1] = {0};
    memset(result, 0, sizeof *result);
    scan *s = calloc(1, sizeof *s);
    if (s == NULL) {
        result->error = BIM_NO_MEMORY;
        return NULL;
    }
    s->step = step != NULL ? step : NOTHING;
    s->end = s->limit = s->step + length;
    s->pages = pages;
    s->run = SIZE_MAX;
    s->parent_cycle = NONE;
    s->compress = sha256_fastest();
    return s;
}

static void refuse(scan *s, bim_result *result) {
    uint32_t error = s->error;
    uint64_t offset = s->error_offset;
    yunshang_bim_release(result);
    result->error = error;
    result->offset = offset;
}

void yunshang_bim_header(const uint8_t *step, uint64_t length, const uint8_t *pages, bim_result *result) {
    scan *s = enter_scan(step, length, pages, result);
    if (s == NULL) return;
    if (setjmp(s->failed) == 0) {
        read_header(s);
        hand_over(result, BIM_SCHEMA, s->schema.at, s->schema.used);
        s->schema.at = NULL;
    } else {
        refuse(s, result);
    }
    leave(s);
}

void yunshang_bim_scan(const uint8_t *step, uint64_t length, const uint8_t *pages, const uint8_t *table,
                       uint64_t table_length, const uint8_t *renames, uint64_t renames_length, const uint8_t *seed,
                       bim_result *result) {
    scan *s = enter_scan(step, length, pages, result);
    if (s == NULL) return;
    memcpy(s->seed, seed, sizeof s->seed);
    if (setjmp(s->failed) == 0) {
        read_renames(s, renames, renames_length);
        scan_everything(s, table, table_length, result);
    } else {
        refuse(s, result);
    }
    leave(s);
}

void *yunshang_bim_take(bim_result *result, uint32_t array) {
    if (array >= BIM_ARRAYS) return NULL;
    void *at = result->arrays[array];
    result->arrays[array] = NULL;
    return at;
}

void yunshang_bim_free(void *array) { free(array); }

void yunshang_bim_release(bim_result *result) {
    for (int i = 0; i < BIM_ARRAYS; i++) free(result->arrays[i]);
    memset(result, 0, sizeof *result);
}

void yunshang_bim_sha256(const uint8_t *bytes, uint64_t length, uint32_t portable, uint8_t *digest) {
    sha256_context context;
    sha256_begin(&context, portable ? sha256_portable() : sha256_fastest());
    sha256_add(&context, bytes, length);
    sha256_end(&context, digest);
}

static int is_digit(uint8_t byte) { return byte >= '0' && byte <= '9'; }

uint32_t yunshang_bim_real(const uint8_t *text, uint64_t length, double *value) {
    const uint8_t *p = text, *end = text + length;
    if (p < end && (*p == '+' || *p == '-')) p++;
    if (p == end || !is_digit(*p)) return 1;
    while (p < end && is_digit(*p)) p++;
    if (p < end && *p == '.') p++;
    while (p < end && is_digit(*p)) p++;
    if (p < end && (*p == 'E' || *p == 'e')) {
        p++;
        if (p < end && (*p == '+' || *p == '-')) p++;
        if (p == end || !is_digit(*p)) return 1;
        while (p < end && is_digit(*p)) p++;
    }
    if (p != end) return 1;
    return real_parse(text, length, value) == 0 ? 0 : 2;
}
