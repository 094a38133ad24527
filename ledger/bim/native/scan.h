/* What the parts of the kernel share. */
#ifndef YUNSHANG_SCAN_H
#define YUNSHANG_SCAN_H

#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "bim.h"
#include "sha256.h"

#define NONE UINT32_MAX
#define MAX_DEPTH 64
#define MAX_WINDOW ((uint64_t)1 << 27)
#define MAX_GLOBAL_ID 64

/* Bytes that grow. */
typedef struct {
    uint8_t *at;
    size_t used, room;
} bytes;

/* What is known of an entity: docs/bim-fingerprint.md section 3. `kind`, `derived`, `aspect`: by attribute. */
typedef struct {
    const uint8_t *keyword;
    uint32_t keyword_length;
    uint8_t rooted, relationship, definition, inverse_aspect;
    uint32_t describes, parent, placement, keeps, count; /* NONE where there is none */
    const char **kind;
    const uint8_t *derived, *aspect;
} rule;

typedef struct {
    const uint8_t *keyword;
    uint32_t keyword_length;
    const char *kind;
} defined_type;

/* A keyword of the file; `known` is NULL outside the table. */
typedef struct {
    const uint8_t *text;
    uint32_t length;
    const rule *known;
} keyword;

typedef struct {
    uint64_t prefix; /* begins the order */
    uint32_t id;
} sort_key;

/* A rooted entity, by leaf position. */
typedef struct {
    const uint8_t *id;
    uint32_t id_length;
    uint32_t entity;
} leaf;

/* By entity. */
enum {
    IS_ROOTED = 1,
    IS_DEFINITION = 2,  /* of properties, rooted */
    IS_COMPLEX = 4,     /* several partial records */
    DESCRIBES = 8,      /* its describing attribute is sound */
    IS_REFERENCED = 16, /* in a way that counts for looseness */
    KEPT_OUT = 32,      /* of a target, by the cycle rule */
    IS_REPEATED = 64,   /* its GlobalId occurs more than once */
    IS_DESCRIBED = 128,
};

/* By node: a node below `count` is the digest (or plain digest) of an entity, the others are inverse forms. */
enum { ACTIVE = 1, DONE = 2, TAINTED = 4 };

/* An entity's parameters, read and encoded, lie in `code` as a `piece_head` and these operations. What a digest needs
 * of other entities stays a reference; everything else is the final bytes. */
enum {
    OP_LITERAL = 1, /* u32 length, bytes */
    OP_REFERENCE,   /* u32 number, then entity */
    OP_FAR,         /* u64 number, then entity in the first four bytes */
    OP_PARAMETER,   /* a parameter begins; only where the rules ask for single parameters */
    OP_SET,         /* u32 count, u32 bytes that follow: an unordered aggregate with references */
    OP_REFERENCES,  /* u32 count, u32 numbers, then entities: an unordered aggregate of references alone */
    OP_RECORDS,     /* as OP_SET: partial records with references */
    OP_ITEM,        /* an item of OP_SET or OP_RECORDS begins */
};
typedef struct {
    uint32_t length; /* of the operations */
    uint32_t parameters;
} piece_head;

/* How references are encoded. */
typedef enum { AS_ROOT, AS_PLAIN, AS_PROPERTIES, AS_CONTENT } manner;

typedef struct scan {
    jmp_buf failed;
    uint32_t error;
    uint64_t error_offset;

    /* reader.c, value.c */
    const uint8_t *step, *end, *limit; /* limit: the window's end */
    uint32_t form;                     /* of the value that was read last */
    uint32_t converts, locates;        /* locates: look for the first reference to no entity */
    uint64_t references_read;
    size_t piece, run;    /* in `code`: where the entity and the open literal begin */
    const uint8_t *pages; /* of ISO 8859 */
    bytes code, items, sorting, text;
    bytes schema;

    /* table.c */
    rule *rules;
    defined_type *types;
    uint32_t rule_count, type_count, *rule_slots, *type_slots, rule_mask, type_mask;
    void *table_memory;
    keyword *keywords;
    uint32_t keyword_count, keyword_room, *keyword_slots, keyword_mask;
    bytes keyword_texts;
    uint8_t seed[32];
    const uint8_t *renames, **rename_at;
    uint32_t rename_count;

    /* by entity */
    uint32_t count, room, sorted;
    uint64_t *numbers;
    uint32_t *offsets, *keyword_of, *pieces; /* pieces: in words of four bytes; NONE: digest known, nothing kept */
    uint8_t *flags, *digests;
    uint32_t *slots; /* of a rooted entity its leaf position, of a tainted one its place in `content` */
    uint32_t *buckets, bucket_shift;

    /* graph.c */
    uint32_t *describers, describer_count; /* entities that describe, ascending */
    uint64_t *folds;                       /* target << 32 | place in `describers`, ascending */
    size_t fold_count;
    bytes fold_memory;
    void *scratch[2];
    uint32_t parent_cycle; /* the first entity on a cycle of parent placements, NONE */
    uint8_t *states, *inverses;
    uint32_t *inverse_slots;
    uint32_t *tainted, tainted_count;
    uint8_t *content;
    bytes frames;

    /* leaves.c */
    leaf *leaves;
    uint32_t leaf_count;
    uint32_t *reference_begin; /* leaf_count + 1 places in `references` */
    uint32_t *references;      /* referrer, attribute: by target */
    uint32_t *relation_begin;  /* by leaf: place of its inverse digests in `relations` */
    uint32_t *relation_mask;   /* by leaf: for which attributes there is one */
    bytes relations;
    uint8_t *aspects, *own_colours, *colours, *colours_before;
    uint32_t round;

    /* encode.c */
    sha256_blocks compress;
    sha256_context hash;
    bytes out;
    uint32_t open_sets;
    bytes keys, digest_keys, places;
} scan;

/* memory.c: everything ends in `fail` where memory does, so results need no check. */
_Noreturn void fail(scan *s, uint32_t error, uint64_t offset);
void *make(scan *s, size_t count, size_t size); /* zeroed */
void *make_again(scan *s, void *old, size_t count, size_t size);
void grow(scan *s, bytes *b, size_t more);
void sort_keys(scan *s, sort_key *keys, size_t count, int (*compare)(const void *, uint32_t, uint32_t),
               const void *context);
void sort_words(scan *s, uint64_t *words, size_t count);
void sort_digests(scan *s, uint8_t *digests, size_t count);

static inline uint8_t *extend(scan *s, bytes *b, size_t more) {
    if (more > b->room - b->used) grow(s, b, more);
    uint8_t *at = b->at + b->used;
    b->used += more;
    return at;
}
static inline uint32_t load32(const uint8_t *p) {
    uint32_t value;
    memcpy(&value, p, 4);
    return value;
}
static inline void store32(uint8_t *p, uint32_t value) { memcpy(p, &value, 4); }
static inline void big32(uint8_t *p, uint32_t value) {
    p[0] = (uint8_t)(value >> 24), p[1] = (uint8_t)(value >> 16), p[2] = (uint8_t)(value >> 8), p[3] = (uint8_t)value;
}
static inline uint32_t read_big32(const uint8_t *p) {
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}
static inline uint64_t big_prefix(const uint8_t *p) { return (uint64_t)read_big32(p) << 32 | read_big32(p + 4); }

/* table.c */
void read_table(scan *s, const uint8_t *table, uint64_t length);
void read_renames(scan *s, const uint8_t *renames, uint64_t length);
void rename_id(const scan *s, const uint8_t **id, uint32_t *length);
uint32_t keyword_id(scan *s, const uint8_t *text, uint32_t length);
const char *type_kind(const scan *s, const uint8_t *text, uint32_t length);

/* string.c: decode what stands between apostrophes into at least `length` bytes at `out`. Returns the length, −1 for
 * what can't be decoded; `*octets` is set where the bytes aren't UTF-8. */
int64_t string_decode(scan *s, const uint8_t *raw, size_t length, uint8_t *out, int *octets);

/* tokens.c */
_Noreturn void unexpected(scan *s, const uint8_t *at, uint32_t error);
_Noreturn void window_ends(scan *s);
const uint8_t *behind_space_slowly(scan *s, const uint8_t *p);
extern const uint8_t BYTE_CLASS[256];
enum { CLASS_DIGIT = 1, CLASS_WORD = 2, CLASS_FIRST = 4, CLASS_HEX = 8, CLASS_PLAIN = 16, CLASS_SPACE = 32 };
static inline const uint8_t *behind_space(scan *s, const uint8_t *p) {
    if (p < s->limit && *p > 0x20 && *p != '/') return p;
    return behind_space_slowly(s, p);
}
const uint8_t *point(scan *s, const uint8_t *p, uint8_t expected, uint32_t error);
const uint8_t *word_end(const scan *s,
                        const uint8_t *p); /* behind the keyword that begins at p; p where there is none */

/* value.c */
enum { FORM_OTHER, FORM_NULL, FORM_REFERENCE, FORM_FAR, FORM_REFERENCES, FORM_STRING };
const uint8_t *read_value(scan *s, const uint8_t *p, const char *kind, uint32_t depth);
const uint8_t *read_entity_number(scan *s, const uint8_t *p, uint64_t *number);
void end_run(scan *s);
uint8_t *literal(scan *s, size_t length);
size_t begin_items(scan *s, uint8_t op);
void add_item(scan *s);
void end_items(scan *s, size_t begin, size_t base, size_t run, uint64_t references_before, uint32_t count,
               int all_references);

/* reader.c */
const uint8_t *read_header(scan *s);
void read_data(scan *s, const uint8_t *p);
void read_again(scan *s, uint32_t entity); /* makes the piece of an entity whose digest came first */
void locate_dangling(scan *s, uint64_t offset);

/* order.c: entities by number, references by entity */
void order_entities(scan *s);
void resolve_references(scan *s);
uint32_t entity_of(const scan *s, uint64_t number);

/* encode.c */
typedef struct {
    const uint8_t *at, *end;
    uint32_t left, parameter; /* left: of OP_REFERENCES; parameter: NONE before the first */
} cursor;
static inline const uint8_t *piece_of(const scan *s, uint32_t entity) {
    return s->code.at + (size_t)s->pieces[entity] * 4;
}
cursor references_of(const scan *s, uint32_t entity);
uint32_t next_reference(cursor *c); /* NONE at the end */
const uint8_t *behind_parameter(const uint8_t *at, const uint8_t *end);
void begin_digest(scan *s, char letter);
void end_digest(scan *s, uint8_t *digest);
void put(scan *s, const void *from, size_t length);
void put32(scan *s, uint32_t value);
void put_keyword(scan *s, uint32_t entity);
void put_operations(scan *s, const uint8_t *at, const uint8_t *end, manner how);
void put_sorted(scan *s); /* the digests in digest_keys: count and digests, sorted */
static inline const rule *rule_of(const scan *s, uint32_t entity) {
    return s->flags[entity] & IS_COMPLEX ? NULL : s->keywords[s->keyword_of[entity]].known;
}

/* graph.c */
typedef struct {
    cursor references;
    size_t fold;
    uint32_t node;
    uint32_t taint;
} frame;
frame enter(const scan *s, uint32_t node);
uint32_t next_child(const scan *s, frame *f); /* NONE at the end */
void find_describers(scan *s);
void digest_everything(scan *s);
void digest_node(scan *s, uint32_t node, manner how, uint8_t *digest);
void put_parameters(scan *s, const uint8_t *at, const uint8_t *end, uint32_t from, uint32_t to, char letter,
                    manner how);
void put_folded(scan *s, uint32_t entity, manner how);
size_t first_fold(const scan *s, uint32_t target);
static inline uint32_t node_entity(const scan *s, uint32_t node) {
    return node < s->count ? node : s->describers[node - s->count];
}
const uint8_t *inverse_digest(const scan *s, uint32_t describer, manner how);

/* cycles.c */
void resolve_parents(scan *s);
void unfold_cycles(scan *s);
uint32_t lowest_on_cycle(scan *s);

/* leaves.c, colours.c */
void find_leaves(scan *s);
void digest_leaves(scan *s);
void colour_leaves(scan *s);

#endif
