/* The file: header, entities, end. Section 2, items 1 to 3. What holds no reference is digested at once. */
#include <stdlib.h>

#include "scan.h"

static int is_word(const uint8_t *p, size_t length, const char *word) {
    if (strlen(word) != length) return 0;
    for (size_t i = 0; i < length; i++) {
        uint8_t byte = p[i];
        if (byte >= 'a' && byte <= 'z') byte = (uint8_t)(byte - 32);
        if (byte != (uint8_t)word[i]) return 0;
    }
    return 1;
}

static const uint8_t *section_word(scan *s, const uint8_t *p, const char *word) {
    p = behind_space(s, p);
    const uint8_t *end = word_end(s, p);
    if (!is_word(p, (size_t)(end - p), word)) unexpected(s, p, BIM_SECTIONS);
    return point(s, end, ';', BIM_SECTIONS);
}

static void set_window(scan *s, const uint8_t *begin) {
    s->limit = (uint64_t)(s->end - begin) > MAX_WINDOW ? begin + MAX_WINDOW : s->end;
}

static void begin_piece(scan *s) {
    (void)extend(s, &s->code, (4 - s->code.used % 4) % 4);
    s->piece = s->code.used;
    extend(s, &s->code, sizeof(piece_head));
    s->run = SIZE_MAX;
    s->items.used = 0;
}

/* Read parameters from behind the opening parenthesis; `known` may be NULL. Returns how many. */
typedef struct {
    uint32_t count, first_form, second_form, describing_form;
} shape;

static const uint8_t *read_parameters(scan *s, const uint8_t *p, const rule *known, int marked, shape *met) {
    *met = (shape){0, FORM_OTHER, FORM_OTHER, FORM_OTHER};
    p = behind_space(s, p);
    if (p < s->limit && *p == ')') return p + 1;
    for (;;) {
        uint32_t index = met->count++;
        int listed = known != NULL && index < known->count;
        if (marked) {
            end_run(s);
            *extend(s, &s->code, 1) = OP_PARAMETER;
        }
        p = read_value(s, p, listed ? known->kind[index] : ".", 0);
        if (s->form == FORM_NULL && listed && known->derived[index]) s->code.at[s->code.used - 1] = 'D';
        if (index == 0) met->first_form = s->form;
        if (index == 1) met->second_form = s->form;
        if (known != NULL && index == known->describes) met->describing_form = s->form;
        p = behind_space(s, p);
        if (p < s->limit && *p == ',') {
            p = behind_space(s, p + 1);
            continue;
        }
        if (p >= s->limit || *p != ')') unexpected(s, p, BIM_SYNTAX);
        return p + 1;
    }
}

static void schema_name(scan *s, const uint8_t *record, const shape *met) {
    const uint8_t *at = s->code.at + s->piece + sizeof(piece_head) + 5, *end = s->code.at + s->code.used;
    if (met->count != 1 || end - at < 11 || at[0] != 'L' || read_big32(at + 1) != 1 || at[5] != 'S' ||
        read_big32(at + 6) == 0)
        fail(s, BIM_SCHEMA_MISSING, (uint64_t)(record - s->step));
    uint32_t length = read_big32(at + 6);
    memcpy(extend(s, &s->schema, length), at + 10, length);
}

/* Returns the place behind `DATA;`. */
const uint8_t *read_header(scan *s) {
    static const char FIRST[] = "ISO-10303-21";
    const uint8_t *p = s->step, *end;
    int found = 0;
    if ((uint64_t)(s->end - s->step) > UINT32_MAX) fail(s, BIM_TOO_LARGE, UINT32_MAX);
    s->limit = s->end;
    if (s->end - p >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0) p += 3;
    p = behind_space(s, p);
    if ((size_t)(s->end - p) < sizeof FIRST - 1 || !is_word(p, sizeof FIRST - 1, FIRST))
        fail(s, BIM_NOT_STEP, (uint64_t)(p - s->step));
    p = point(s, p + sizeof FIRST - 1, ';', BIM_SECTIONS);
    p = section_word(s, p, "HEADER");
    for (;;) {
        shape met;
        p = behind_space(s, p);
        end = word_end(s, p);
        if (end == p) unexpected(s, p, BIM_SYNTAX);
        if (is_word(p, (size_t)(end - p), "ENDSEC")) break;
        set_window(s, p);
        if (end > s->limit) window_ends(s);
        s->converts = (uint32_t)is_word(p, (size_t)(end - p), "FILE_SCHEMA");
        begin_piece(s);
        const uint8_t *record = p;
        p = point(s, end, '(', BIM_SYNTAX);
        p = read_parameters(s, p, NULL, 0, &met);
        p = point(s, p, ';', BIM_SYNTAX);
        s->limit = s->end;
        end_run(s);
        if (s->converts) {
            if (found) fail(s, BIM_SCHEMA_MISSING, (uint64_t)(record - s->step));
            schema_name(s, record, &met);
            found = 1;
        }
        s->code.used = s->piece;
    }
    if (!found) fail(s, BIM_SCHEMA_MISSING, (uint64_t)(p - s->step));
    s->converts = 1;
    p = point(s, end, ';', BIM_SECTIONS);
    return section_word(s, p, "DATA");
}

static void make_room(scan *s) {
    uint32_t room = s->room + s->room / 4 + 1024;
    if (room < s->room) fail(s, BIM_NO_MEMORY, 0);
    s->numbers = make_again(s, s->numbers, room, sizeof *s->numbers);
    s->offsets = make_again(s, s->offsets, room, sizeof *s->offsets);
    s->keyword_of = make_again(s, s->keyword_of, room, sizeof *s->keyword_of);
    s->pieces = make_again(s, s->pieces, room, sizeof *s->pieces);
    s->flags = make_again(s, s->flags, room, sizeof *s->flags);
    s->digests = make_again(s, s->digests, room, 32);
    s->room = room;
}

/* A GlobalId as unknown entities show it: the first parameter is the literal behind the first mark. */
static int looks_rooted(const scan *s, const shape *met) {
    if (met->count < 4 || met->first_form != FORM_STRING) return 0;
    if (met->second_form != FORM_REFERENCE && met->second_form != FORM_FAR && met->second_form != FORM_NULL) return 0;
    const uint8_t *text = s->code.at + s->piece + sizeof(piece_head) + 1 + 5;
    if (text[0] != 'S' || read_big32(text + 1) != 22) return 0;
    for (int i = 0; i < 22; i++)
        if (!(BYTE_CLASS[text[5 + i]] & CLASS_WORD) && text[5 + i] != '$') return 0;
    return 1;
}

static int describes_soundly(const rule *known, const shape *met) {
    if (known->describes >= known->count || known->describes >= met->count) return 0;
    const char *kind = known->kind[known->describes];
    if (*kind == '.' || *kind == 'r') return met->describing_form == FORM_REFERENCE || met->describing_form == FORM_FAR;
    return (kind[1] == '.' || kind[1] == 'r') && met->describing_form == FORM_REFERENCES;
}

static const uint8_t *read_partials(scan *s, const uint8_t *p) {
    shape met;
    uint32_t count = 0;
    uint64_t before = s->references_read;
    size_t begin = begin_items(s, OP_RECORDS);
    p = behind_space(s, p);
    do {
        const uint8_t *end = word_end(s, p);
        uint32_t length = (uint32_t)(end - p);
        if (length == 0) unexpected(s, p, BIM_SYNTAX);
        add_item(s);
        uint8_t *name = literal(s, (size_t)length + 8);
        big32(name, length);
        for (uint32_t i = 0; i < length; i++) name[4 + i] = (uint8_t)(p[i] - ((p[i] >= 'a' && p[i] <= 'z') ? 32 : 0));
        size_t place = s->code.used - 4;
        p = point(s, end, '(', BIM_SYNTAX);
        p = read_parameters(s, p, NULL, 0, &met);
        big32(s->code.at + place, met.count);
        count++;
        p = behind_space(s, p);
    } while (p >= s->limit || *p != ')');
    end_items(s, begin, 0, SIZE_MAX, before, count, 0);
    return p + 1;
}

/* Read one entity into a piece at the end of `code`. Returns the place behind its semicolon. */
static const uint8_t *read_piece(scan *s, const uint8_t *p, uint64_t *number, uint32_t *keyword_of, uint8_t *flags) {
    shape met = {0, 0, 0, 0};
    set_window(s, p);
    p = read_entity_number(s, p, number);
    p = point(s, p, '=', BIM_SYNTAX);
    p = behind_space(s, p);
    begin_piece(s);
    if (p < s->limit && *p == '(') {
        *keyword_of = NONE;
        *flags = IS_COMPLEX;
        p = read_partials(s, p + 1);
    } else {
        uint8_t short_name[64], *name = short_name;
        const uint8_t *end = word_end(s, p);
        size_t length = (size_t)(end - p);
        if (length == 0) unexpected(s, p, BIM_SYNTAX);
        if (length > sizeof short_name) {
            s->text.used = 0;
            name = extend(s, &s->text, length);
        }
        for (size_t i = 0; i < length; i++) name[i] = (uint8_t)(p[i] - ((p[i] >= 'a' && p[i] <= 'z') ? 32 : 0));
        p = point(s, end, '(', BIM_SYNTAX);
        *keyword_of = keyword_id(s, name, (uint32_t)length);
        const rule *known = s->keywords[*keyword_of].known;
        int marked = known == NULL || known->rooted || known->describes != NONE || known->parent != NONE;
        p = read_parameters(s, p, known, marked, &met);
        *flags = 0;
        if (known == NULL) {
            if (looks_rooted(s, &met)) *flags = IS_ROOTED;
        } else if (known->rooted) {
            *flags = (uint8_t)(IS_ROOTED | (known->definition ? IS_DEFINITION : 0));
        } else if (describes_soundly(known, &met)) {
            *flags = DESCRIBES;
        }
    }
    p = point(s, p, ';', BIM_SYNTAX);
    s->limit = s->end;
    end_run(s);
    size_t length = s->code.used - s->piece - sizeof(piece_head);
    if (length > UINT32_MAX || s->piece / 4 >= NONE) fail(s, BIM_NO_MEMORY, 0);
    piece_head head = {(uint32_t)length, met.count};
    memcpy(s->code.at + s->piece, &head, sizeof head);
    return p;
}

static const uint8_t *read_entity(scan *s, const uint8_t *p) {
    uint64_t number, before = s->references_read;
    uint32_t keyword_of, offset = (uint32_t)(p - s->step), entity = s->count;
    uint8_t flags;
    p = read_piece(s, p, &number, &keyword_of, &flags);
    if (entity == s->room) make_room(s);
    s->numbers[entity] = number;
    s->offsets[entity] = offset;
    s->keyword_of[entity] = keyword_of;
    s->flags[entity] = flags;
    s->pieces[entity] = (uint32_t)(s->piece / 4);
    s->count++;
    if (s->references_read == before && !(flags & (IS_ROOTED | DESCRIBES))) {
        digest_node(s, entity, AS_ROOT, s->digests + (size_t)entity * 32);
        s->code.used = s->piece;
        s->pieces[entity] = NONE;
    }
    return p;
}

void read_again(scan *s, uint32_t entity) {
    uint64_t number;
    uint32_t keyword_of;
    uint8_t flags;
    if (s->pieces[entity] != NONE) return;
    uint64_t before = s->references_read;
    read_piece(s, s->step + s->offsets[entity], &number, &keyword_of, &flags);
    /* A mapped file may be written while it is read: what had no references must still have none. */
    if (s->references_read != before) fail(s, BIM_SYNTAX, s->offsets[entity]);
    s->pieces[entity] = (uint32_t)(s->piece / 4);
}

void locate_dangling(scan *s, uint64_t offset) {
    uint64_t number;
    uint32_t keyword_of;
    uint8_t flags;
    s->locates = 1;
    read_piece(s, s->step + offset, &number, &keyword_of, &flags);
    s->locates = 0;
}

static void read_end(scan *s, const uint8_t *p) {
    static const char LAST[] = "END-ISO-10303-21";
    p = behind_space(s, p);
    size_t left = (size_t)(s->end - p);
    if (left < sizeof LAST - 1) {
        char beginning[sizeof LAST] = {0};
        memcpy(beginning, LAST, left);
        if (is_word(p, left, beginning)) window_ends(s);
        unexpected(s, p, BIM_SECTIONS);
    }
    if (!is_word(p, sizeof LAST - 1, LAST)) unexpected(s, p, BIM_SECTIONS);
    p = point(s, p + sizeof LAST - 1, ';', BIM_SECTIONS);
    p = behind_space(s, p);
    if (p < s->end) fail(s, BIM_SECTIONS, (uint64_t)(p - s->step));
}

void read_data(scan *s, const uint8_t *p) {
    for (;;) {
        p = behind_space(s, p);
        if (p < s->limit && *p == '#') {
            const uint8_t *digit = p + 1;
            if (digit >= s->limit || !(BYTE_CLASS[*digit] & CLASS_DIGIT)) unexpected(s, p, BIM_SYNTAX);
            p = read_entity(s, p);
            continue;
        }
        const uint8_t *end = word_end(s, p);
        if (!is_word(p, (size_t)(end - p), "ENDSEC")) unexpected(s, p, BIM_SYNTAX);
        p = point(s, end, ';', BIM_SECTIONS);
        break;
    }
    read_end(s, p);
}
