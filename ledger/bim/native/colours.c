/* Rounds of colours: section 7. */
#include <stdlib.h>

#include "scan.h"

#define LAST_ROUND 4

/* Of equal prefixes the attribute is equal too. */
static int compare_colours(const void *context, uint32_t a, uint32_t b) {
    const scan *s = context;
    return memcmp(s->colours_before + (size_t)s->references[(size_t)a * 2] * 32,
                  s->colours_before + (size_t)s->references[(size_t)b * 2] * 32, 32);
}

static void put_back_references(scan *s, uint32_t position) {
    uint32_t begin = s->reference_begin[position], count = s->reference_begin[position + 1] - begin;
    if (s->round == 0) count = 0;
    put32(s, count);
    if (count == 0) return;
    s->keys.used = 0;
    sort_key *keys = (sort_key *)(void *)extend(s, &s->keys, count * sizeof *keys);
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t *reference = s->references + (size_t)(begin + i) * 2;
        uint64_t first = read_big32(s->colours_before + (size_t)reference[0] * 32);
        keys[i] = (sort_key){(uint64_t)reference[1] << 32 | first, begin + i};
    }
    sort_keys(s, keys, count, compare_colours, s);
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t *reference = s->references + (size_t)keys[i].id * 2;
        put32(s, reference[1]);
        put(s, s->colours_before + (size_t)reference[0] * 32, 32);
    }
}

static void digest_colour(scan *s, uint32_t position, uint8_t *digest) {
    uint32_t entity = s->leaves[position].entity;
    cursor c = references_of(s, entity);
    piece_head head;
    memcpy(&head, piece_of(s, entity), sizeof head);
    begin_digest(s, 'k');
    put_keyword(s, entity);
    put32(s, head.parameters);
    put_parameters(s, c.at, c.end, 0, 2, 'X', AS_CONTENT);
    put_folded(s, entity, AS_CONTENT);
    put_back_references(s, position);
    end_digest(s, digest);
}

void colour_leaves(scan *s) {
    s->own_colours = make(s, s->leaf_count, 32);
    s->colours = make(s, s->leaf_count, 32);
    s->colours_before = make(s, s->leaf_count, 32);
    for (s->round = 0; s->round <= LAST_ROUND; s->round++) {
        for (uint32_t i = 0; i < s->tainted_count; i++)
            digest_node(s, s->tainted[i], AS_CONTENT, s->content + (size_t)i * 32);
        for (uint32_t i = 0; i < s->leaf_count; i++) digest_colour(s, i, s->colours + (size_t)i * 32);
        if (s->round == 0) memcpy(s->own_colours, s->colours, (size_t)s->leaf_count * 32);
        if (s->round == LAST_ROUND) break;
        uint8_t *older = s->colours_before;
        s->colours_before = s->colours;
        s->colours = older;
    }
}
