/* Values into digests: section 4. What lies in `code` was made by this kernel, not by the file. */
#include "scan.h"

#define FLUSH ((size_t)1 << 16)

/* Walking a piece */

cursor references_of(const scan *s, uint32_t entity) {
    piece_head head;
    cursor c = {NULL, NULL, 0, NONE};
    if (s->pieces[entity] == NONE) return c;
    const uint8_t *piece = piece_of(s, entity);
    memcpy(&head, piece, sizeof head);
    c.at = piece + sizeof head;
    c.end = c.at + head.length;
    return c;
}

uint32_t next_reference(cursor *c) {
    if (c->left > 0) {
        uint32_t found = load32(c->at);
        c->at += 4, c->left--;
        return found;
    }
    while (c->at < c->end) {
        const uint8_t *at = c->at;
        switch (*at) {
        case OP_LITERAL:
            c->at = at + 5 + load32(at + 1);
            break;
        case OP_REFERENCE:
            c->at = at + 5;
            return load32(at + 1);
        case OP_FAR:
            c->at = at + 9;
            return load32(at + 1);
        case OP_PARAMETER:
            c->parameter++;
            c->at = at + 1;
            break;
        case OP_REFERENCES:
            c->at = at + 9;
            c->left = load32(at + 1) - 1;
            return load32(at + 5);
        case OP_SET:
        case OP_RECORDS:
            c->at = at + 9;
            break;
        default:
            c->at = at + 1;
            break;
        }
    }
    return NONE;
}

static const uint8_t *behind_operation(const uint8_t *at) {
    switch (*at) {
    case OP_LITERAL:
        return at + 5 + load32(at + 1);
    case OP_REFERENCE:
        return at + 5;
    case OP_FAR:
        return at + 9;
    case OP_REFERENCES:
        return at + 5 + (size_t)load32(at + 1) * 4;
    case OP_SET:
    case OP_RECORDS:
        return at + 9 + (size_t)load32(at + 5);
    default:
        return at + 1;
    }
}

/* `at` is the mark of a parameter; the next mark, or the end. */
const uint8_t *behind_parameter(const uint8_t *at, const uint8_t *end) {
    at++;
    while (at < end && *at != OP_PARAMETER) at = behind_operation(at);
    return at;
}

/* Putting bytes */

void put(scan *s, const void *from, size_t length) {
    if (length > 0) memcpy(extend(s, &s->out, length), from, length);
}

void put32(scan *s, uint32_t value) { big32(extend(s, &s->out, 4), value); }

void begin_digest(scan *s, char letter) {
    s->out.used = 0;
    s->open_sets = 0;
    sha256_begin(&s->hash, s->compress);
    put(s, &letter, 1);
}

void end_digest(scan *s, uint8_t *digest) {
    sha256_add(&s->hash, s->out.at, s->out.used);
    sha256_end(&s->hash, digest);
}

static void flush(scan *s) {
    if (s->open_sets > 0 || s->out.used < FLUSH) return;
    sha256_add(&s->hash, s->out.at, s->out.used);
    s->out.used = 0;
}

void put_keyword(scan *s, uint32_t entity) {
    const keyword *k = &s->keywords[s->keyword_of[entity]];
    put32(s, k->length);
    put(s, k->text, k->length);
}

/* References */

typedef struct {
    const uint8_t *id, *digest; /* either may be NULL */
    uint32_t id_length;
    uint8_t letter;
} reference_form;

static const uint8_t ZERO[32];

static reference_form form_of(const scan *s, uint32_t entity, manner how) {
    uint8_t flags = s->flags[entity];
    if (!(flags & IS_ROOTED)) {
        const uint8_t *digest = how == AS_CONTENT && s->states[entity] & TAINTED
                                    ? s->content + (size_t)s->slots[entity] * 32
                                    : s->digests + (size_t)entity * 32;
        return (reference_form){NULL, digest, 0, 'H'};
    }
    uint32_t place = s->slots[entity];
    if (how == AS_CONTENT)
        return (reference_form){NULL, s->round == 0 ? ZERO : s->colours_before + (size_t)place * 32, 0, 'W'};
    const uint8_t *plain = s->digests + (size_t)entity * 32;
    if (how == AS_PROPERTIES && flags & IS_DEFINITION) return (reference_form){NULL, plain, 0, 'H'};
    const leaf *l = &s->leaves[place];
    if (how != AS_PLAIN && flags & IS_REPEATED) return (reference_form){l->id, plain, l->id_length, 'Q'};
    return (reference_form){l->id, NULL, l->id_length, 'G'};
}

static void put_form(scan *s, const reference_form *form) {
    uint8_t *at = extend(s, &s->out, 1 + (form->id ? 4 + (size_t)form->id_length : 0) + (form->digest ? 32 : 0));
    *at++ = form->letter;
    if (form->id != NULL) {
        big32(at, form->id_length);
        memcpy(at + 4, form->id, form->id_length);
        at += 4 + form->id_length;
    }
    if (form->digest != NULL) memcpy(at, form->digest, 32);
}

typedef struct {
    const scan *s;
    const uint8_t *first; /* the references, then of items: where each begins in `out` */
    manner how;
} set_context;

static int compare_references(const void *context, uint32_t a, uint32_t b) {
    const set_context *set = context;
    reference_form x = form_of(set->s, load32(set->first + (size_t)a * 4), set->how);
    reference_form y = form_of(set->s, load32(set->first + (size_t)b * 4), set->how);
    int order = 0;
    if (x.letter != y.letter) return x.letter < y.letter ? -1 : 1;
    if (x.id != NULL) {
        if (x.id_length != y.id_length) return x.id_length < y.id_length ? -1 : 1;
        order = memcmp(x.id, y.id, x.id_length);
    }
    if (order == 0 && x.digest != NULL) order = memcmp(x.digest, y.digest, 32);
    return order;
}

static uint64_t reference_prefix(const reference_form *form) {
    uint64_t first;
    if (form->id == NULL) {
        first = big_prefix(form->digest) >> 8;
    } else {
        uint8_t id[8] = {0};
        memcpy(id, form->id, form->id_length < 6 ? form->id_length : 6);
        first = (uint64_t)form->id_length << 48 | big_prefix(id) >> 16;
    }
    return (uint64_t)form->letter << 56 | first;
}

static void put_reference_set(scan *s, const uint8_t *first, uint32_t count, manner how) {
    set_context set = {s, first, how};
    put(s, "M", 1);
    put32(s, count);
    s->keys.used = 0;
    sort_key *keys = (sort_key *)(void *)extend(s, &s->keys, count * sizeof *keys);
    for (uint32_t i = 0; i < count; i++) {
        reference_form form = form_of(s, load32(first + (size_t)i * 4), how);
        keys[i] = (sort_key){reference_prefix(&form), i};
    }
    sort_keys(s, keys, count, compare_references, &set);
    for (uint32_t i = 0; i < count; i++) {
        reference_form form = form_of(s, load32(first + (size_t)keys[i].id * 4), how);
        put_form(s, &form);
        flush(s);
    }
}

/* Other sets, and records */

static size_t place_at(const set_context *set, uint32_t index) {
    size_t place;
    memcpy(&place, set->first + (size_t)index * sizeof place, sizeof place);
    return place;
}

static int compare_spans(const uint8_t *x, size_t x_length, const uint8_t *y, size_t y_length) {
    int order = memcmp(x, y, x_length < y_length ? x_length : y_length);
    return order ? order : (x_length > y_length) - (x_length < y_length);
}

static int compare_items(const void *context, uint32_t a, uint32_t b) {
    const set_context *set = context;
    const uint8_t *out = set->s->out.at;
    size_t x = place_at(set, a), y = place_at(set, b);
    return compare_spans(out + x, place_at(set, a + 1) - x, out + y, place_at(set, b + 1) - y);
}

static int compare_records(const void *context, uint32_t a, uint32_t b) {
    const set_context *set = context;
    const uint8_t *x = set->s->out.at + place_at(set, a), *y = set->s->out.at + place_at(set, b);
    int order = compare_spans(x + 4, read_big32(x), y + 4, read_big32(y)); /* the keyword first */
    return order ? order : compare_items(context, a, b);
}

static void put_items(scan *s, const uint8_t *at, const uint8_t *end, uint32_t count, manner how, int records) {
    put(s, records ? "(" : "M", 1);
    put32(s, count);
    size_t from = s->out.used, base = s->places.used;
    s->open_sets++;
    while (at < end) {
        const uint8_t *item = at + 1;
        do at = behind_operation(at);
        while (at < end && *at != OP_ITEM);
        memcpy(extend(s, &s->places, sizeof(size_t)), &s->out.used, sizeof(size_t));
        put_operations(s, item, at, how);
    }
    memcpy(extend(s, &s->places, sizeof(size_t)), &s->out.used, sizeof(size_t));
    set_context set = {s, s->places.at + base, how};
    s->keys.used = 0;
    sort_key *keys = (sort_key *)(void *)extend(s, &s->keys, count * sizeof *keys);
    for (uint32_t i = 0; i < count; i++) {
        uint8_t first[8] = {0};
        size_t place = place_at(&set, i), length = place_at(&set, i + 1) - place;
        if (!records) memcpy(first, s->out.at + place, length < 8 ? length : 8);
        keys[i] = (sort_key){big_prefix(first), i};
    }
    sort_keys(s, keys, count, records ? compare_records : compare_items, &set);
    s->sorting.used = 0;
    uint8_t *sorted = extend(s, &s->sorting, s->out.used - from), *to = sorted;
    for (uint32_t i = 0; i < count; i++) {
        size_t place = place_at(&set, keys[i].id), length = place_at(&set, keys[i].id + 1) - place;
        memcpy(to, s->out.at + place, length);
        to += length;
    }
    memcpy(s->out.at + from, sorted, s->out.used - from);
    s->places.used = base;
    s->open_sets--;
}

/* Calls itself as deep as aggregates are nested: at most 64. */
void put_operations(scan *s, const uint8_t *at, const uint8_t *end, manner how) {
    reference_form form;
    while (at < end) {
        switch (*at) {
        case OP_LITERAL:
            put(s, at + 5, load32(at + 1));
            break;
        case OP_REFERENCE:
        case OP_FAR:
            form = form_of(s, load32(at + 1), how);
            put_form(s, &form);
            break;
        case OP_REFERENCES:
            put_reference_set(s, at + 5, load32(at + 1), how);
            break;
        case OP_SET:
        case OP_RECORDS:
            put_items(s, at + 9, at + 9 + load32(at + 5), load32(at + 1), how, *at == OP_RECORDS);
            break;
        default:
            break;
        }
        flush(s);
        at = behind_operation(at);
    }
}

void put_sorted(scan *s) {
    size_t count = s->digest_keys.used / 32;
    sort_digests(s, s->digest_keys.at, count);
    put32(s, (uint32_t)count);
    put(s, s->digest_keys.at, count * 32);
}
