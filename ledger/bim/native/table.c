/* What is known of the schema, as Python hands it over, and the keywords of the file.
 *
 * The table, little endian: "YBT1"; u32 entities; each: str8 keyword; u8 flags (1 rooted, 2 relationship, 4 property
 * definition); u8 inverse aspect; u8 describes, u8 parent placement, u8 placement, u8 keeps (255: none); u8 attributes;
 * each: str8 kind, u8 derived, u8 aspect. u32 defined types; each: str8 keyword, str8 kind. str8: one byte of length,
 * bytes. */
#include <stdlib.h>

#include "scan.h"

typedef struct {
    const uint8_t *at, *end;
} source;

static const uint8_t *taken(scan *s, source *from, size_t length) {
    if ((size_t)(from->end - from->at) < length) fail(s, BIM_BAD_TABLE, 0);
    const uint8_t *at = from->at;
    from->at += length;
    return at;
}

static uint32_t taken32(scan *s, source *from) { return load32(taken(s, from, 4)); }

static uint32_t index_or_none(uint8_t value) { return value == 255 ? NONE : value; }

/* Kinds are few: these texts end in zero, which the table's don't. */
static const char *kind_text(scan *s, const uint8_t *text, size_t length) {
    static const char *const KINDS[] = {".",   "r",   "S.",  "B.",  "L.",  "A.",  "Sr",  "Br",  "Lr",
                                        "Ar",  "LL.", "LLr", "LA.", "LAr", "AL.", "ALr", "AA.", "AAr",
                                        "SL.", "SLr", "LS.", "LSr", "SS.", "SSr", "AS.", "SA."};
    for (size_t i = 0; i < sizeof KINDS / sizeof *KINDS; i++)
        if (strlen(KINDS[i]) == length && memcmp(KINDS[i], text, length) == 0) return KINDS[i];
    fail(s, BIM_BAD_TABLE, 0);
}

static uint32_t mix(const uint8_t *text, uint32_t length) {
    uint32_t hash = 2166136261u;
    for (uint32_t i = 0; i < length; i++) hash = (hash ^ text[i]) * 16777619u;
    return hash ^ hash >> 15;
}

static uint32_t mask_for(uint32_t count) {
    uint32_t mask = 15;
    while (mask < count * 2) mask = mask * 2 + 1;
    return mask;
}

static uint32_t *slots_for(scan *s, uint32_t mask) {
    uint32_t *slots = make(s, (size_t)mask + 1, sizeof *slots);
    memset(slots, 0xff, ((size_t)mask + 1) * sizeof *slots);
    return slots;
}

static void read_rule(scan *s, source *from, rule *known, uint8_t *spare, const char **kinds, size_t *used,
                      size_t room) {
    known->keyword_length = *taken(s, from, 1);
    known->keyword = taken(s, from, known->keyword_length);
    const uint8_t *fixed = taken(s, from, 7);
    known->rooted = fixed[0] & 1, known->relationship = fixed[0] >> 1 & 1, known->definition = fixed[0] >> 2 & 1;
    known->inverse_aspect = fixed[1];
    known->describes = index_or_none(fixed[2]), known->parent = index_or_none(fixed[3]);
    known->placement = index_or_none(fixed[4]), known->keeps = index_or_none(fixed[5]);
    known->count = fixed[6];
    if (known->inverse_aspect > 7 || known->count > 32 || known->count > room - *used) fail(s, BIM_BAD_TABLE, 0);
    known->kind = kinds + *used;
    known->derived = spare + *used * 2;
    known->aspect = spare + *used * 2 + known->count;
    for (uint32_t i = 0; i < known->count; i++) {
        uint8_t length = *taken(s, from, 1);
        known->kind[i] = kind_text(s, taken(s, from, length), length);
        const uint8_t *rest = taken(s, from, 2);
        if (rest[1] > 7) fail(s, BIM_BAD_TABLE, 0);
        spare[*used * 2 + i] = rest[0];
        spare[*used * 2 + known->count + i] = rest[1];
    }
    *used += known->count;
}

void read_table(scan *s, const uint8_t *table, uint64_t length) {
    source from = {table, table + length};
    if (memcmp(taken(s, &from, 4), "YBT1", 4) != 0) fail(s, BIM_BAD_TABLE, 0);
    uint32_t count = taken32(s, &from);
    if (count > length / 9 || length > UINT32_MAX) fail(s, BIM_BAD_TABLE, 0);
    s->rules = make(s, count, sizeof *s->rules);
    size_t room = (size_t)length / 3, used = 0;
    s->table_memory = make(s, room + 1, sizeof(const char *) + 2);
    const char **kinds = s->table_memory;
    uint8_t *spare = (uint8_t *)(kinds + room + 1);
    s->rule_count = count;
    s->rule_mask = mask_for(count);
    s->rule_slots = slots_for(s, s->rule_mask);
    for (uint32_t i = 0; i < count; i++) {
        read_rule(s, &from, &s->rules[i], spare, kinds, &used, room);
        uint32_t slot = mix(s->rules[i].keyword, s->rules[i].keyword_length) & s->rule_mask;
        while (s->rule_slots[slot] != NONE) slot = (slot + 1) & s->rule_mask;
        s->rule_slots[slot] = i;
    }
    s->type_count = taken32(s, &from);
    if (s->type_count > length / 2) fail(s, BIM_BAD_TABLE, 0);
    s->types = make(s, s->type_count, sizeof *s->types);
    s->type_mask = mask_for(s->type_count);
    s->type_slots = slots_for(s, s->type_mask);
    for (uint32_t i = 0; i < s->type_count; i++) {
        defined_type *type = &s->types[i];
        type->keyword_length = *taken(s, &from, 1);
        type->keyword = taken(s, &from, type->keyword_length);
        uint8_t kind_length = *taken(s, &from, 1);
        type->kind = kind_text(s, taken(s, &from, kind_length), kind_length);
        uint32_t slot = mix(type->keyword, type->keyword_length) & s->type_mask;
        while (s->type_slots[slot] != NONE) slot = (slot + 1) & s->type_mask;
        s->type_slots[slot] = i;
    }
    if (from.at != from.end) fail(s, BIM_BAD_TABLE, 0);
    s->keyword_count = s->keyword_room = count;
    s->keywords = make(s, count, sizeof *s->keywords);
    for (uint32_t i = 0; i < count; i++)
        s->keywords[i] = (keyword){s->rules[i].keyword, s->rules[i].keyword_length, &s->rules[i]};
    s->keyword_mask = 255;
    s->keyword_slots = slots_for(s, s->keyword_mask);
}

const char *type_kind(const scan *s, const uint8_t *text, uint32_t length) {
    if (s->type_slots == NULL) return "."; /* in the header */
    for (uint32_t slot = mix(text, length) & s->type_mask; s->type_slots[slot] != NONE;
         slot = (slot + 1) & s->type_mask) {
        const defined_type *type = &s->types[s->type_slots[slot]];
        if (type->keyword_length == length && memcmp(type->keyword, text, length) == 0) return type->kind;
    }
    return ".";
}

/* A file can choose the keywords that the table doesn't have: their hash has a secret. */
static uint32_t secret_mix(scan *s, const uint8_t *text, uint32_t length) {
    sha256_context hash;
    uint8_t digest[32];
    sha256_begin(&hash, s->compress);
    sha256_add(&hash, s->seed, sizeof s->seed);
    sha256_add(&hash, text, length);
    sha256_end(&hash, digest);
    return load32(digest);
}

static void rehash_keywords(scan *s) {
    uint32_t mask = s->keyword_mask * 2 + 1, *slots = slots_for(s, mask);
    free(s->keyword_slots);
    s->keyword_slots = slots;
    s->keyword_mask = mask;
    for (uint32_t id = s->rule_count; id < s->keyword_count; id++) {
        uint32_t slot = secret_mix(s, s->keywords[id].text, s->keywords[id].length) & mask;
        while (slots[slot] != NONE) slot = (slot + 1) & mask;
        slots[slot] = id;
    }
}

uint32_t keyword_id(scan *s, const uint8_t *text, uint32_t length) {
    for (uint32_t slot = mix(text, length) & s->rule_mask; s->rule_slots[slot] != NONE;
         slot = (slot + 1) & s->rule_mask) {
        const rule *known = &s->rules[s->rule_slots[slot]];
        if (known->keyword_length == length && memcmp(known->keyword, text, length) == 0) return s->rule_slots[slot];
    }
    uint32_t slot = secret_mix(s, text, length) & s->keyword_mask;
    for (; s->keyword_slots[slot] != NONE; slot = (slot + 1) & s->keyword_mask) {
        const keyword *met = &s->keywords[s->keyword_slots[slot]];
        if (met->length == length && memcmp(met->text, text, length) == 0) return s->keyword_slots[slot];
    }
    if (s->keyword_count == s->keyword_room) {
        uint32_t room = s->keyword_room + s->keyword_room / 2 + 64;
        if (room < s->keyword_room) fail(s, BIM_NO_MEMORY, 0);
        s->keywords = make_again(s, s->keywords, room, sizeof *s->keywords);
        s->keyword_room = room;
    }
    uint8_t *kept = malloc(length ? length : 1);
    if (kept == NULL) fail(s, BIM_NO_MEMORY, 0);
    memcpy(kept, text, length);
    uint32_t id = s->keyword_count++;
    s->keywords[id] = (keyword){kept, length, NULL};
    s->keyword_slots[slot] = id;
    if ((s->keyword_count - s->rule_count) * 2 > s->keyword_mask) rehash_keywords(s);
    return id;
}

static int compare_texts(const uint8_t *a, size_t a_length, const uint8_t *b, size_t b_length) {
    size_t common = a_length < b_length ? a_length : b_length;
    int order = common ? memcmp(a, b, common) : 0;
    return order ? order : (a_length > b_length) - (a_length < b_length);
}

void read_renames(scan *s, const uint8_t *renames, uint64_t length) {
    if (length == 0) return;
    source from = {renames, renames + length};
    s->rename_count = taken32(s, &from);
    if (s->rename_count > length / 8) fail(s, BIM_BAD_TABLE, 0);
    s->rename_at = make(s, s->rename_count, sizeof *s->rename_at);
    for (uint32_t i = 0; i < s->rename_count; i++) {
        s->rename_at[i] = from.at;
        taken(s, &from, taken32(s, &from));
        taken(s, &from, taken32(s, &from));
    }
}

/* What a text is to be read as, itself as a rule. */
void rename_id(const scan *s, const uint8_t **id, uint32_t *length) {
    uint32_t low = 0, high = s->rename_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const uint8_t *entry = s->rename_at[middle];
        uint32_t old_length = load32(entry);
        int order = compare_texts(entry + 4, old_length, *id, *length);
        if (order == 0) {
            *length = load32(entry + 4 + old_length);
            *id = entry + 8 + old_length;
            return;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
}
