/* Rooted entities: GlobalIds, references between them, aspects. Sections 3 and 6. */
#include <stdlib.h>

#include "scan.h"

#define ASPECTS 8
enum { IDENTITY, TYPE, PLACEMENT, GEOMETRY, PROPERTIES, MATERIAL, RELATIONS, OWNERSHIP };
#define FIRST_RELATED 4

/* The first parameter, if it is a sound GlobalId: mark, literal of "S" and the text. */
static int global_id(const scan *s, uint32_t entity, leaf *found) {
    cursor c = references_of(s, entity);
    if (c.end - c.at < 1 + 5 + 5 || c.at[1] != OP_LITERAL || c.at[6] != 'S') return 0;
    found->id_length = read_big32(c.at + 7);
    found->id = c.at + 11;
    if (load32(c.at + 2) != found->id_length + 5) return 0;
    rename_id(s, &found->id, &found->id_length);
    if (found->id_length < 1 || found->id_length > MAX_GLOBAL_ID) return 0;
    for (uint32_t i = 0; i < found->id_length; i++)
        if (found->id[i] < 0x21 || found->id[i] > 0x7e) return 0;
    return 1;
}

static int compare_ids(const void *context, uint32_t a, uint32_t b) {
    const leaf *x = (const leaf *)context + a, *y = (const leaf *)context + b;
    int order = memcmp(x->id, y->id, x->id_length < y->id_length ? x->id_length : y->id_length);
    return order ? order : (x->id_length > y->id_length) - (x->id_length < y->id_length);
}

void find_leaves(scan *s) {
    uint32_t refused = NONE;
    for (uint32_t x = 0; x < s->count; x++) s->leaf_count += (s->flags[x] & IS_ROOTED) != 0;
    leaf *found = s->scratch[0] = make(s, s->leaf_count, sizeof *found);
    s->leaves = make(s, s->leaf_count, sizeof *s->leaves);
    s->slots = make(s, s->count, sizeof *s->slots);
    s->keys.used = 0;
    sort_key *keys = (sort_key *)(void *)extend(s, &s->keys, s->leaf_count * sizeof *keys);
    for (uint32_t x = 0, i = 0; x < s->count; x++) {
        if (!(s->flags[x] & IS_ROOTED)) continue;
        uint8_t first[8] = {0};
        leaf *l = &found[i];
        l->entity = x;
        if (!global_id(s, x, l)) {
            if (s->offsets[x] < refused) refused = s->offsets[x];
            continue;
        }
        memcpy(first, l->id, l->id_length < 8 ? l->id_length : 8);
        keys[i] = (sort_key){big_prefix(first), i};
        i++;
    }
    if (refused != NONE) fail(s, BIM_GLOBAL_ID, refused);
    sort_keys(s, keys, s->leaf_count, compare_ids, found);
    for (uint32_t i = 0; i < s->leaf_count; i++) {
        s->leaves[i] = found[keys[i].id];
        s->slots[s->leaves[i].entity] = i;
        if (i > 0 && compare_ids(s->leaves, i - 1, i) == 0) {
            s->flags[s->leaves[i - 1].entity] |= IS_REPEATED;
            s->flags[s->leaves[i].entity] |= IS_REPEATED;
        }
    }
    free(found);
    s->scratch[0] = NULL;
}

/* References from rooted to rooted entities, by target: (referrer, attribute) ascending, each once. */
static void find_references(scan *s) {
    uint32_t *begin = s->reference_begin = make(s, (size_t)s->leaf_count + 1, sizeof *begin), target;
    uint64_t total = 0;
    for (uint32_t i = 0; i < s->leaf_count; i++) {
        cursor c = references_of(s, s->leaves[i].entity);
        while ((target = next_reference(&c)) != NONE)
            if (s->flags[target] & IS_ROOTED) begin[s->slots[target]]++, total++;
    }
    if (total > UINT32_MAX / 2) fail(s, BIM_NO_MEMORY, 0);
    uint32_t *references = s->references = make(s, total, 2 * sizeof *references), sum = 0;
    for (uint32_t i = 0; i <= s->leaf_count; i++) {
        uint32_t own = begin[i];
        begin[i] = sum;
        sum += own;
    }
    for (uint32_t i = 0; i < s->leaf_count; i++) {
        cursor c = references_of(s, s->leaves[i].entity);
        while ((target = next_reference(&c)) != NONE) {
            if (!(s->flags[target] & IS_ROOTED)) continue;
            uint32_t place = begin[s->slots[target]]++;
            references[(size_t)place * 2] = i;
            references[(size_t)place * 2 + 1] = c.parameter;
        }
    }
    uint32_t kept = 0, from = 0; /* begin[i] is now the end of i's */
    for (uint32_t i = 0; i < s->leaf_count; i++) {
        uint32_t first = kept, end = begin[i];
        for (; from < end; from++) {
            const uint32_t *next = references + (size_t)from * 2;
            if (kept > first && memcmp(references + (size_t)(kept - 1) * 2, next, 8) == 0) continue;
            memmove(references + (size_t)kept * 2, next, 8);
            kept++;
        }
        begin[i] = first;
    }
    begin[s->leaf_count] = kept;
}

/* Inverse digests of relationships */

static int holds_rooted(const scan *s, const uint8_t *at, const uint8_t *end, int *direct) {
    cursor c = {at, end, 0, NONE};
    uint32_t target;
    *direct = (at[1] == OP_REFERENCE && end == at + 6) || (at[1] == OP_FAR && end == at + 10);
    while ((target = next_reference(&c)) != NONE)
        if (s->flags[target] & IS_ROOTED) return 1;
    return 0;
}

/* "N" and "D" are the only encodings of one byte. */
static int says_nothing(const uint8_t *at) { return at[1] == OP_LITERAL && load32(at + 2) == 1; }

/* rel(q, j); returns 0 where there is none. */
static int relation(scan *s, uint32_t entity, const rule *known, uint32_t related, uint8_t *digest) {
    cursor c = references_of(s, entity);
    piece_head head;
    int says = 0, direct;
    memcpy(&head, piece_of(s, entity), sizeof head);
    begin_digest(s, 'i');
    put_keyword(s, entity);
    put32(s, head.parameters);
    for (uint32_t index = 0; c.at < c.end; index++) {
        const uint8_t *at = c.at;
        c.at = behind_parameter(at, c.end);
        if (index < FIRST_RELATED) {
            put(s, "X", 1);
        } else if (index == related) {
            put(s, "Z", 1);
        } else if (index != known->keeps && holds_rooted(s, at, c.at, &direct) && !direct) {
            put(s, "X", 1);
        } else {
            says |= !says_nothing(at);
            put_operations(s, at, c.at, known->keeps != NONE ? AS_PROPERTIES : AS_ROOT);
        }
    }
    if (says) end_digest(s, digest);
    return says;
}

static void find_relations(scan *s) {
    s->relation_begin = make(s, s->leaf_count, sizeof *s->relation_begin);
    s->relation_mask = make(s, s->leaf_count, sizeof *s->relation_mask);
    for (uint32_t i = 0; i < s->leaf_count; i++) {
        uint32_t entity = s->leaves[i].entity;
        const rule *known = rule_of(s, entity);
        if (known == NULL || !known->relationship) continue;
        cursor c = references_of(s, entity);
        uint32_t index = 0;
        uint8_t digest[32];
        int direct;
        s->relation_begin[i] = (uint32_t)(s->relations.used / 32);
        for (; c.at < c.end && index < known->count; index++) {
            const uint8_t *at = c.at;
            c.at = behind_parameter(at, c.end);
            if (index < FIRST_RELATED || !holds_rooted(s, at, c.at, &direct)) continue;
            if (!relation(s, entity, known, index, digest)) continue;
            s->relation_mask[i] |= (uint32_t)1 << index;
            memcpy(extend(s, &s->relations, 32), digest, 32);
        }
    }
}

/* Aspects */

static int compare_inverses(const void *context, uint32_t a, uint32_t b) {
    const uint8_t *digests = context;
    return memcmp(digests + (size_t)a * 32, digests + (size_t)b * 32, 32);
}

static void add_inverse(scan *s, uint32_t aspect, const uint8_t *digest) {
    sort_key key = {(uint64_t)aspect << 56 | big_prefix(digest) >> 8, (uint32_t)(s->digest_keys.used / 32)};
    memcpy(extend(s, &s->digest_keys, 32), digest, 32);
    memcpy(extend(s, &s->keys, sizeof key), &key, sizeof key);
}

/* The inverse digests of a leaf into digest_keys; the keys put them in order, the aspect in the first byte. */
static const sort_key *find_inverses(scan *s, uint32_t position, size_t *count) {
    uint32_t entity = s->leaves[position].entity;
    s->keys.used = s->digest_keys.used = 0;
    for (uint32_t i = s->reference_begin[position]; i < s->reference_begin[position + 1]; i++) {
        uint32_t referrer = s->references[(size_t)i * 2], index = s->references[(size_t)i * 2 + 1];
        if (s->flags[entity] & IS_REPEATED) {
            const leaf *l = &s->leaves[referrer];
            uint8_t named[32];
            begin_digest(s, 'q');
            put32(s, index);
            put32(s, l->id_length);
            put(s, l->id, l->id_length);
            end_digest(s, named);
            add_inverse(s, RELATIONS, named);
        }
        uint32_t mask = s->relation_mask[referrer];
        if (index >= 32 || !(mask >> index & 1)) continue;
        uint32_t place =
            s->relation_begin[referrer] + (uint32_t)__builtin_popcount(mask & (((uint32_t)1 << index) - 1));
        add_inverse(s, rule_of(s, s->leaves[referrer].entity)->inverse_aspect, s->relations.at + (size_t)place * 32);
    }
    if (s->flags[entity] & IS_DESCRIBED) {
        for (size_t i = first_fold(s, entity); i < s->fold_count && s->folds[i] >> 32 == entity; i++) {
            add_inverse(s, RELATIONS, inverse_digest(s, (uint32_t)s->folds[i], AS_ROOT));
        }
    }
    sort_key *keys = (sort_key *)(void *)s->keys.at;
    *count = s->keys.used / sizeof *keys;
    sort_keys(s, keys, *count, compare_inverses, s->digest_keys.at);
    return keys;
}

static uint32_t aspect_of(const rule *known, uint32_t index) {
    if (known == NULL) return index == 1 ? OWNERSHIP : IDENTITY;
    if (index < known->count) return known->aspect[index];
    return known->relationship ? RELATIONS : IDENTITY;
}

static void put_own(scan *s, const leaf *l, const rule *known, uint32_t aspect) {
    cursor c = references_of(s, l->entity);
    for (uint32_t index = 0; c.at < c.end; index++) {
        const uint8_t *at = c.at;
        c.at = behind_parameter(at, c.end);
        if (aspect_of(known, index) != aspect) continue;
        put32(s, index);
        if (index == 0) {
            put(s, "S", 1);
            put32(s, l->id_length);
            put(s, l->id, l->id_length);
        } else {
            put_operations(s, at, c.at, aspect == PROPERTIES ? AS_PROPERTIES : AS_ROOT);
        }
    }
}

static void begin_aspect(scan *s, uint32_t aspect) {
    uint8_t number = (uint8_t)aspect;
    begin_digest(s, 'a');
    put(s, &number, 1);
}

static void digest_aspects(scan *s, uint32_t position, const uint8_t *nothing, uint8_t *digests) {
    const leaf *l = &s->leaves[position];
    const rule *known = rule_of(s, l->entity);
    uint32_t own[ASPECTS] = {0};
    size_t inverse_count, i = 0;
    piece_head head;
    memcpy(&head, piece_of(s, l->entity), sizeof head);
    for (uint32_t index = 0; index < head.parameters; index++) own[aspect_of(known, index)]++;
    const sort_key *keys = find_inverses(s, position, &inverse_count);
    /* put_own needs the room where the keys are: what is sorted moves away first. */
    s->places.used = 0;
    uint8_t *inverses = extend(s, &s->places, inverse_count * 32);
    uint32_t counts[ASPECTS] = {0};
    for (; i < inverse_count; i++) {
        counts[keys[i].prefix >> 56]++;
        memcpy(inverses + i * 32, s->digest_keys.at + (size_t)keys[i].id * 32, 32);
    }
    size_t inverse_at = 0;
    for (uint32_t aspect = 0; aspect < ASPECTS; aspect++) {
        if (own[aspect] == 0 && counts[aspect] == 0) {
            memcpy(digests + (size_t)aspect * 32, nothing + (size_t)aspect * 32, 32);
            continue;
        }
        begin_aspect(s, aspect);
        if (aspect == IDENTITY) put_keyword(s, l->entity);
        put32(s, own[aspect]);
        if (own[aspect] > 0) put_own(s, l, known, aspect);
        put32(s, counts[aspect]);
        put(s, s->places.at + inverse_at, (size_t)counts[aspect] * 32);
        inverse_at += (size_t)counts[aspect] * 32;
        end_digest(s, digests + (size_t)aspect * 32);
    }
    s->places.used = 0;
}

/* Leaves of one GlobalId are in the order of their aspects. */
static int compare_aspects(const void *context, uint32_t a, uint32_t b) {
    const uint8_t *aspects = context;
    return memcmp(aspects + (size_t)a * 32 * ASPECTS, aspects + (size_t)b * 32 * ASPECTS, 32 * ASPECTS);
}

static int order_repeated(scan *s, uint32_t first, uint32_t count) {
    leaf *leaves = s->leaves + first;
    uint8_t *aspects = s->aspects + (size_t)first * 32 * ASPECTS;
    int moved = 0;
    s->keys.used = 0;
    sort_key *keys = (sort_key *)(void *)extend(s, &s->keys, count * sizeof *keys);
    for (uint32_t i = 0; i < count; i++) keys[i] = (sort_key){0, i};
    sort_keys(s, keys, count, compare_aspects, aspects);
    s->places.used = 0;
    uint8_t *sorted = extend(s, &s->places, count * (32 * ASPECTS + sizeof *leaves));
    leaf *sorted_leaves = (leaf *)(void *)(sorted + (size_t)count * 32 * ASPECTS);
    for (uint32_t i = 0; i < count; i++) {
        moved |= keys[i].id != i;
        memcpy(sorted + (size_t)i * 32 * ASPECTS, aspects + (size_t)keys[i].id * 32 * ASPECTS, 32 * ASPECTS);
        sorted_leaves[i] = leaves[keys[i].id];
    }
    memcpy(aspects, sorted, (size_t)count * 32 * ASPECTS);
    memcpy(leaves, sorted_leaves, count * sizeof *leaves);
    for (uint32_t i = 0; i < count; i++) s->slots[leaves[i].entity] = first + i;
    s->places.used = 0;
    return moved;
}

void digest_leaves(scan *s) {
    uint8_t nothing[32 * ASPECTS];
    int moved = 0;
    for (uint32_t aspect = 0; aspect < ASPECTS; aspect++) {
        begin_aspect(s, aspect);
        put32(s, 0);
        put32(s, 0);
        end_digest(s, nothing + (size_t)aspect * 32);
    }
    find_references(s);
    find_relations(s);
    s->aspects = make(s, s->leaf_count, 32 * ASPECTS);
    for (uint32_t i = 0; i < s->leaf_count; i++) digest_aspects(s, i, nothing, s->aspects + (size_t)i * 32 * ASPECTS);
    free(s->relation_begin);
    free(s->relation_mask);
    free(s->relations.at);
    s->relation_begin = s->relation_mask = NULL;
    s->relations = (bytes){NULL, 0, 0};
    for (uint32_t i = 0, end; i < s->leaf_count; i = end) {
        for (end = i + 1; end < s->leaf_count && compare_ids(s->leaves, i, end) == 0;) end++;
        if (end - i > 1) moved |= order_repeated(s, i, end - i);
    }
    if (!moved) return;
    free(s->reference_begin);
    free(s->references);
    s->reference_begin = s->references = NULL;
    find_references(s);
}
