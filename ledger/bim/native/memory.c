/* Memory that can't run out unnoticed, and sorting without a worst case. */
#include <stdlib.h>

#include "scan.h"

_Noreturn void fail(scan *s, uint32_t error, uint64_t offset) {
    s->error = error;
    s->error_offset = offset;
    longjmp(s->failed, 1);
}

void *make(scan *s, size_t count, size_t size) {
    void *made = calloc(count ? count : 1, size);
    if (made == NULL) fail(s, BIM_NO_MEMORY, 0);
    return made;
}

/* On failure the old block stays whose it was. */
void *make_again(scan *s, void *old, size_t count, size_t size) {
    if (size != 0 && count > SIZE_MAX / size) fail(s, BIM_NO_MEMORY, 0);
    void *made = realloc(old, count ? count * size : 1);
    if (made == NULL) fail(s, BIM_NO_MEMORY, 0);
    return made;
}

void grow(scan *s, bytes *b, size_t more) {
    if (more > SIZE_MAX / 4 - b->used) fail(s, BIM_NO_MEMORY, 0);
    size_t room = b->room < 4096 ? 4096 : b->room + b->room / 4;
    if (room < b->used + more) room = b->used + more;
    b->at = make_again(s, b->at, room, 1);
    b->room = room;
}

/* Merge sort from below, with insertion sort for the first runs; `compare` decides between equal prefixes. */
#define RUN 12

static inline int key_less(const sort_key *a, const sort_key *b, int (*compare)(const void *, uint32_t, uint32_t),
                           const void *context) {
    if (a->prefix != b->prefix) return a->prefix < b->prefix;
    return compare != NULL && compare(context, a->id, b->id) < 0;
}

void sort_keys(scan *s, sort_key *keys, size_t count, int (*compare)(const void *, uint32_t, uint32_t),
               const void *context) {
    for (size_t begin = 0; begin < count; begin += RUN) {
        size_t end = count - begin < RUN ? count : begin + RUN;
        for (size_t i = begin + 1; i < end; i++) {
            sort_key key = keys[i];
            size_t j = i;
            for (; j > begin && key_less(&key, &keys[j - 1], compare, context); j--) keys[j] = keys[j - 1];
            keys[j] = key;
        }
    }
    if (count <= RUN) return;
    if (count > SIZE_MAX / sizeof *keys) fail(s, BIM_NO_MEMORY, 0);
    s->sorting.used = 0;
    sort_key *from = keys, *to = (sort_key *)(void *)extend(s, &s->sorting, count * sizeof *keys);
    for (size_t width = RUN; width < count; width *= 2) {
        for (size_t begin = 0; begin < count; begin += 2 * width) {
            size_t middle = count - begin < width ? count : begin + width;
            size_t end = count - begin < 2 * width ? count : begin + 2 * width;
            size_t i = begin, j = middle, k = begin;
            while (i < middle && j < end)
                to[k++] = key_less(&from[j], &from[i], compare, context) ? from[j++] : from[i++];
            memcpy(to + k, from + i, (middle - i) * sizeof *keys);
            k += middle - i;
            memcpy(to + k, from + j, (end - j) * sizeof *keys);
        }
        sort_key *other = from;
        from = to, to = other;
    }
    if (from != keys) memcpy(keys, from, count * sizeof *keys);
}

/* By eight bits at a time, least significant first; bytes that are the same everywhere are passed over. */
void sort_words(scan *s, uint64_t *words, size_t count) {
    if (count < 2) return;
    size_t already = 1;
    while (already < count && words[already - 1] <= words[already]) already++;
    if (already == count) return;
    if (count > SIZE_MAX / sizeof *words) fail(s, BIM_NO_MEMORY, 0);
    s->sorting.used = 0;
    uint64_t *from = words, *to = (uint64_t *)(void *)extend(s, &s->sorting, count * sizeof *words);
    for (unsigned shift = 0; shift < 64; shift += 8) {
        size_t begins[257] = {0};
        for (size_t i = 0; i < count; i++) begins[(from[i] >> shift & 255) + 1]++;
        if (begins[(from[0] >> shift & 255) + 1] == count) continue;
        for (int i = 0; i < 256; i++) begins[i + 1] += begins[i];
        for (size_t i = 0; i < count; i++) to[begins[from[i] >> shift & 255]++] = from[i];
        uint64_t *other = from;
        from = to, to = other;
    }
    if (from != words) memcpy(words, from, count * sizeof *words);
}

static int compare_rest(const void *context, uint32_t a, uint32_t b) {
    const uint8_t *digests = context;
    return memcmp(digests + (size_t)a * 32 + 8, digests + (size_t)b * 32 + 8, 24);
}

void sort_digests(scan *s, uint8_t *digests, size_t count) {
    if (count < 2) return;
    s->keys.used = 0;
    sort_key *keys = (sort_key *)(void *)extend(s, &s->keys, count * sizeof *keys);
    for (size_t i = 0; i < count; i++) keys[i] = (sort_key){big_prefix(digests + i * 32), (uint32_t)i};
    sort_keys(s, keys, count, compare_rest, digests);
    s->sorting.used = 0;
    uint8_t *sorted = extend(s, &s->sorting, count * 32);
    for (size_t i = 0; i < count; i++) memcpy(sorted + i * 32, digests + (size_t)keys[i].id * 32, 32);
    memcpy(digests, sorted, count * 32);
}
