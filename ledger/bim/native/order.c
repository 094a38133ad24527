/* Entities in the order of their numbers, and references as entity indexes. */
#include <stdlib.h>

#include "scan.h"

static void *permuted(scan *s, void *from, size_t size, const sort_key *keys) {
    uint8_t *to = malloc((size_t)s->count * size);
    if (to == NULL) fail(s, BIM_NO_MEMORY, 0);
    for (uint32_t i = 0; i < s->count; i++) memcpy(to + i * size, (uint8_t *)from + keys[i].id * size, size);
    free(from);
    return to;
}

static void sort_entities(scan *s) {
    s->keys.used = 0;
    sort_key *keys = (sort_key *)(void *)extend(s, &s->keys, s->count * sizeof *keys);
    for (uint32_t i = 0; i < s->count; i++) keys[i] = (sort_key){s->numbers[i], i};
    sort_keys(s, keys, s->count, NULL, NULL);
    uint32_t repeated = NONE; /* of equal numbers the first of the file comes first */
    for (uint32_t i = 1; i < s->count; i++)
        if (keys[i].prefix == keys[i - 1].prefix && keys[i].id < repeated) repeated = keys[i].id;
    if (repeated != NONE) fail(s, BIM_DUPLICATE_ENTITY, s->offsets[repeated]);
    s->room = s->count;
    s->numbers = permuted(s, s->numbers, sizeof *s->numbers, keys);
    s->offsets = permuted(s, s->offsets, sizeof *s->offsets, keys);
    s->keyword_of = permuted(s, s->keyword_of, sizeof *s->keyword_of, keys);
    s->pieces = permuted(s, s->pieces, sizeof *s->pieces, keys);
    s->flags = permuted(s, s->flags, 1, keys);
    s->digests = permuted(s, s->digests, 32, keys);
}

void order_entities(scan *s) {
    uint32_t i = 1;
    while (i < s->count && s->numbers[i - 1] < s->numbers[i]) i++;
    if (i < s->count) sort_entities(s);
    if (s->count == 0) return;
    /* The first entity of each of about `count` equal ranges of numbers. */
    uint64_t last = s->numbers[s->count - 1];
    while (s->bucket_shift < 63 && last >> s->bucket_shift >= s->count) s->bucket_shift++;
    uint32_t buckets = (uint32_t)(last >> s->bucket_shift) + 1, entity = 0;
    s->buckets = make(s, (size_t)buckets + 1, sizeof *s->buckets);
    for (uint32_t b = 0; b <= buckets; b++) {
        while (entity < s->count && s->numbers[entity] >> s->bucket_shift < b) entity++;
        s->buckets[b] = entity;
    }
}

uint32_t entity_of(const scan *s, uint64_t number) {
    if (s->count == 0 || number > s->numbers[s->count - 1]) return NONE;
    uint32_t bucket = (uint32_t)(number >> s->bucket_shift);
    uint32_t low = s->buckets[bucket], high = s->buckets[bucket + 1];
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (s->numbers[middle] == number) return middle;
        if (s->numbers[middle] < number)
            low = middle + 1;
        else
            high = middle;
    }
    return NONE;
}

_Noreturn static void dangling(scan *s, size_t piece) {
    for (uint32_t i = 0; i < s->count; i++)
        if (s->pieces[i] == piece / 4) locate_dangling(s, s->offsets[i]);
    fail(s, BIM_DANGLING_REFERENCE, 0);
}

static void resolve_piece(scan *s, size_t piece, uint8_t *at, const uint8_t *end) {
    while (at < end) {
        uint32_t found, count;
        uint64_t number;
        switch (*at) {
        case OP_LITERAL:
            at += 5 + (size_t)load32(at + 1);
            break;
        case OP_REFERENCE:
            if ((found = entity_of(s, load32(at + 1))) == NONE) dangling(s, piece);
            store32(at + 1, found);
            at += 5;
            break;
        case OP_FAR:
            memcpy(&number, at + 1, sizeof number);
            if ((found = entity_of(s, number)) == NONE) dangling(s, piece);
            store32(at + 1, found);
            at += 9;
            break;
        case OP_REFERENCES:
            count = load32(at + 1);
            for (at += 5; count > 0; count--, at += 4) {
                if ((found = entity_of(s, load32(at))) == NONE) dangling(s, piece);
                store32(at, found);
            }
            break;
        case OP_SET:
        case OP_RECORDS:
            at += 9;
            break;
        default:
            at += 1;
            break;
        }
    }
}

/* The pieces lie in the order of the file, so the first that fails is the one the format names. */
void resolve_references(scan *s) {
    for (size_t piece = 0; piece < s->code.used;) {
        piece_head head;
        memcpy(&head, s->code.at + piece, sizeof head);
        uint8_t *at = s->code.at + piece + sizeof head;
        resolve_piece(s, piece, at, at + head.length);
        piece = (piece + sizeof head + head.length + 3) & ~(size_t)3;
    }
    free(s->buckets);
    s->buckets = NULL;
}
