/* Values: read, checked and encoded in one go; references stay open. Section 2, items 4 to 6, and section 4. */
#include "real.h"
#include "scan.h"

#define LITERAL_HEAD 5
#define SET_HEAD 9

/* Room for `length` bytes that are final. */
uint8_t *literal(scan *s, size_t length) {
    if (s->run == SIZE_MAX) {
        s->run = s->code.used;
        *extend(s, &s->code, LITERAL_HEAD) = OP_LITERAL;
    }
    return extend(s, &s->code, length);
}

void end_run(scan *s) {
    if (s->run == SIZE_MAX) return;
    store32(s->code.at + s->run + 1, (uint32_t)(s->code.used - s->run - LITERAL_HEAD));
    s->run = SIZE_MAX;
}

static void letter(scan *s, char value) { *literal(s, 1) = (uint8_t)value; }

static uint8_t *lettered(scan *s, char value, size_t length) {
    uint8_t *at = literal(s, length + 5);
    at[0] = (uint8_t)value;
    big32(at + 1, (uint32_t)length);
    return at + 5;
}

static void copy_upper(uint8_t *to, const uint8_t *from, size_t length) {
    for (size_t i = 0; i < length; i++) to[i] = (uint8_t)(from[i] - ((from[i] >= 'a' && from[i] <= 'z') ? 32 : 0));
}

/* Entity and reference numbers; p is behind the `#`. */
static const uint8_t *number_after(scan *s, const uint8_t *hash, uint64_t *number) {
    const uint8_t *p = hash + 1;
    uint64_t value = 0;
    int overflow = 0;
    for (; p < s->limit && BYTE_CLASS[*p] & CLASS_DIGIT; p++) {
        uint64_t digit = (uint64_t)(*p - '0');
        overflow |= value > UINT64_MAX / 10 || (value == UINT64_MAX / 10 && digit > UINT64_MAX % 10);
        value = value * 10 + digit;
    }
    if (p == hash + 1) unexpected(s, hash, BIM_SYNTAX);
    if (overflow && s->converts) unexpected(s, hash, BIM_NUMBER_OVERFLOW);
    *number = value;
    return p;
}

const uint8_t *read_entity_number(scan *s, const uint8_t *p, uint64_t *number) { return number_after(s, p, number); }

static const uint8_t *reference(scan *s, const uint8_t *p) {
    uint64_t number = 0;
    const uint8_t *end = number_after(s, p, &number);
    if (s->locates && entity_of(s, number) == NONE) fail(s, BIM_DANGLING_REFERENCE, (uint64_t)(p - s->step));
    end_run(s);
    s->references_read++;
    if (number <= UINT32_MAX) {
        uint8_t *at = extend(s, &s->code, 5);
        at[0] = OP_REFERENCE;
        store32(at + 1, (uint32_t)number);
        s->form = FORM_REFERENCE;
    } else {
        uint8_t *at = extend(s, &s->code, 9);
        at[0] = OP_FAR;
        memcpy(at + 1, &number, 8);
        s->form = FORM_FAR;
    }
    return end;
}

static void real_value(scan *s, const uint8_t *p, const uint8_t *end) {
    double value = 0.0;
    uint64_t bits;
    if (s->converts && real_parse(p, (size_t)(end - p), &value) != 0) unexpected(s, p, BIM_NUMBER_OVERFLOW);
    memcpy(&bits, &value, sizeof bits);
    uint8_t *at = literal(s, 9);
    at[0] = 'R';
    big32(at + 1, (uint32_t)(bits >> 32));
    big32(at + 5, (uint32_t)bits);
}

static void integer_value(scan *s, const uint8_t *p, const uint8_t *end, int as_real) {
    const uint8_t *digits = p + (*p == '+' || *p == '-');
    while (digits < end - 1 && *digits == '0') digits++;
    size_t length = (size_t)(end - digits);
    if (length > 308) {
        if (s->converts) unexpected(s, p, BIM_NUMBER_OVERFLOW);
        length = 1;
    }
    if (as_real) {
        real_value(s, p, end);
        return;
    }
    int negative = *p == '-' && *digits != '0';
    uint8_t *at = lettered(s, 'I', length + (size_t)negative);
    if (negative) *at++ = '-';
    memcpy(at, digits, length);
}

static const uint8_t *digits_end(const scan *s, const uint8_t *p) {
    while (p < s->limit && BYTE_CLASS[*p] & CLASS_DIGIT) p++;
    return p;
}

static const uint8_t *number_value(scan *s, const uint8_t *p, int as_real) {
    const uint8_t *first = p + (*p == '+' || *p == '-'), *end = digits_end(s, first);
    int real = 0;
    if (end == first) unexpected(s, p, BIM_SYNTAX);
    if (end < s->limit && *end == '.') {
        real = 1;
        end = digits_end(s, end + 1);
    }
    if (end < s->limit && (*end == 'E' || *end == 'e')) {
        const uint8_t *power = end + 1;
        if (power < s->limit && (*power == '+' || *power == '-')) power++;
        const uint8_t *behind = digits_end(s, power);
        if (behind > power) {
            real = 1;
            end = behind;
        }
    }
    if (real)
        real_value(s, p, end);
    else
        integer_value(s, p, end, as_real);
    return end;
}

static const uint8_t *string_value(scan *s, const uint8_t *p) {
    const uint8_t *q = p + 1;
    while (q < s->limit && BYTE_CLASS[*q] & CLASS_PLAIN) q++;
    s->form = FORM_STRING;
    if (q + 1 < s->limit && *q == '\'' && q[1] != '\'') { /* nothing to decode */
        size_t length = (size_t)(q - p - 1);
        memcpy(lettered(s, 'S', length), p + 1, length);
        return q + 1;
    }
    for (;; q += 2) {
        q = q < s->limit ? memchr(q, '\'', (size_t)(s->limit - q)) : NULL;
        if (q == NULL) window_ends(s);
        if (q + 1 >= s->limit || q[1] != '\'') break;
    }
    size_t length = s->converts ? (size_t)(q - p - 1) : 0;
    int octets = 0;
    size_t begin = s->code.used + (s->run == SIZE_MAX ? LITERAL_HEAD : 0);
    uint8_t *at = lettered(s, 'S', length);
    int64_t decoded = string_decode(s, p + 1, length, at, &octets);
    if (decoded < 0) unexpected(s, p, BIM_STRING_ENCODING);
    if (octets) s->form = FORM_OTHER, s->code.at[begin] = 'O';
    big32(s->code.at + begin + 1, (uint32_t)decoded);
    s->code.used = begin + 5 + (size_t)decoded;
    return q + 1;
}

/* Items of an unordered aggregate, or partial records: sorted at once where they hold no reference. */
size_t begin_items(scan *s, uint8_t op) {
    end_run(s);
    size_t begin = s->code.used;
    *extend(s, &s->code, SET_HEAD) = op;
    return begin;
}

void add_item(scan *s) {
    end_run(s);
    uint32_t place = (uint32_t)(s->code.used - s->piece);
    store32(extend(s, &s->items, 4), place);
    *extend(s, &s->code, 1) = OP_ITEM;
}

/* Items without references are one literal each: op, op, u32 length, bytes. */
static int compare_items(const void *context, uint32_t a, uint32_t b) {
    const uint8_t *x = (const uint8_t *)context + a + 2, *y = (const uint8_t *)context + b + 2;
    uint32_t x_length = load32(x), y_length = load32(y);
    int order = memcmp(x + 4, y + 4, x_length < y_length ? x_length : y_length);
    return order ? order : (x_length > y_length) - (x_length < y_length);
}

/* Records begin with str(keyword): by keyword, then by everything. */
static int compare_record_items(const void *context, uint32_t a, uint32_t b) {
    const uint8_t *x = (const uint8_t *)context + a + 6, *y = (const uint8_t *)context + b + 6;
    uint32_t x_length = read_big32(x), y_length = read_big32(y);
    int order = memcmp(x + 4, y + 4, x_length < y_length ? x_length : y_length);
    if (order == 0) order = (x_length > y_length) - (x_length < y_length);
    return order ? order : compare_items(context, a, b);
}

static void sort_items(scan *s, size_t begin, size_t base, size_t run, uint32_t count, int records) {
    const uint8_t *piece = s->code.at + s->piece;
    s->keys.used = 0;
    sort_key *keys = (sort_key *)(void *)extend(s, &s->keys, count * sizeof *keys);
    size_t length = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t place = load32(s->items.at + base + (size_t)i * 4), item_length = load32(piece + place + 2);
        uint8_t first[8] = {0};
        if (!records) memcpy(first, piece + place + 6, item_length < 8 ? item_length : 8);
        keys[i] = (sort_key){big_prefix(first), place};
        length += item_length;
    }
    sort_keys(s, keys, count, records ? compare_record_items : compare_items, piece);
    s->sorting.used = 0;
    uint8_t *sorted = extend(s, &s->sorting, length + 5), *at = sorted + 5;
    sorted[0] = records ? '(' : 'M';
    big32(sorted + 1, count);
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *item = piece + keys[i].id + 2;
        uint32_t item_length = load32(item);
        memcpy(at, item + 4, item_length);
        at += item_length;
    }
    s->code.used = begin;
    s->run = run;
    memcpy(literal(s, length + 5), sorted, length + 5);
}

void end_items(scan *s, size_t begin, size_t base, size_t run, uint64_t references_before, uint32_t count,
               int all_references) {
    int records = s->code.at[begin] == OP_RECORDS;
    end_run(s);
    if (s->references_read == references_before) {
        sort_items(s, begin, base, run, count, records);
    } else if (all_references) { /* each item is two operations, six bytes: keep the numbers */
        uint8_t *to = s->code.at + begin + 5;
        const uint8_t *from = s->code.at + begin + SET_HEAD + 2;
        s->code.at[begin] = OP_REFERENCES;
        store32(s->code.at + begin + 1, count);
        for (uint32_t i = 0; i < count; i++, to += 4, from += 6) memmove(to, from, 4);
        s->code.used = begin + 5 + (size_t)count * 4;
    } else {
        store32(s->code.at + begin + 1, count);
        store32(s->code.at + begin + 5, (uint32_t)(s->code.used - begin - SET_HEAD));
    }
    s->items.used = base;
}

static const uint8_t *aggregate(scan *s, const uint8_t *p, const char *kind, uint32_t depth) {
    if (depth >= MAX_DEPTH) unexpected(s, p, BIM_DEPTH);
    int known = *kind == 'S' || *kind == 'B' || *kind == 'L' || *kind == 'A';
    int unordered = *kind == 'S' || *kind == 'B';
    const char *inner = known ? kind + 1 : ".";
    uint64_t references_before = s->references_read;
    size_t run = s->run, base = s->items.used, begin;
    uint32_t count = 0;
    int all_near = 1, all_references = 1;
    if (unordered) {
        begin = begin_items(s, OP_SET);
    } else {
        lettered(s, 'L', 0);
        begin = s->code.used - 4;
    }
    p = behind_space(s, p + 1);
    if (p < s->limit && *p == ')') {
        p++;
    } else {
        for (;;) {
            if (unordered) add_item(s);
            p = read_value(s, p, inner, depth + 1);
            all_near &= s->form == FORM_REFERENCE;
            all_references &= s->form == FORM_REFERENCE || s->form == FORM_FAR;
            count++;
            p = behind_space(s, p);
            if (p < s->limit && *p == ',') {
                p = behind_space(s, p + 1);
                continue;
            }
            if (p >= s->limit || *p != ')') unexpected(s, p, BIM_SYNTAX);
            p++;
            break;
        }
    }
    if (unordered)
        end_items(s, begin, base, run, references_before, count, all_near && count > 0);
    else
        big32(s->code.at + begin, count);
    s->form = all_references ? FORM_REFERENCES : FORM_OTHER;
    return p;
}

static const uint8_t *typed(scan *s, const uint8_t *p, uint32_t depth) {
    const uint8_t *end = word_end(s, p);
    size_t length = (size_t)(end - p);
    if (length == 0) unexpected(s, p, BIM_SYNTAX);
    uint8_t *name = lettered(s, 'T', length);
    copy_upper(name, p, length);
    const char *kind = type_kind(s, name, (uint32_t)length);
    p = behind_space(s, end);
    if (p >= s->limit || *p != '(') unexpected(s, p, BIM_SYNTAX);
    if (depth >= MAX_DEPTH) unexpected(s, p, BIM_DEPTH);
    p = behind_space(s, p + 1);
    p = read_value(s, p, kind, depth + 1);
    s->form = FORM_OTHER;
    return point(s, p, ')', BIM_SYNTAX);
}

/* A name between two bytes: an enumeration or a binary. */
static const uint8_t *enclosed(scan *s, const uint8_t *p, char first, uint8_t class, int empty) {
    const uint8_t *end = p + 1;
    while (end < s->limit && BYTE_CLASS[*end] & class) end++;
    if (end >= s->limit || *end != *p || (end == p + 1 && !empty)) unexpected(s, p, BIM_SYNTAX);
    size_t length = (size_t)(end - p - 1);
    copy_upper(lettered(s, first, length), p + 1, length);
    return end + 1;
}

/* Read the value whose first byte is at p. `kind`: what the table says from here inwards. `depth`: parentheses open.
 * Calls itself at most 64 deep. */
const uint8_t *read_value(scan *s, const uint8_t *p, const char *kind, uint32_t depth) {
    if (p >= s->limit) window_ends(s);
    switch (*p) {
    case '#':
        return reference(s, p);
    case '(':
        return aggregate(s, p, kind, depth);
    case '\'':
        return string_value(s, p);
    default:
        break;
    }
    s->form = FORM_OTHER;
    switch (*p) {
    case '$':
        letter(s, 'N');
        s->form = FORM_NULL;
        return p + 1;
    case '*':
        letter(s, 'D');
        return p + 1;
    case '.':
        return enclosed(s, p, 'E', CLASS_WORD, 0);
    case '"':
        return enclosed(s, p, 'B', CLASS_HEX, 1);
    case '+':
    case '-':
        return number_value(s, p, *kind == 'r');
    default:
        if (BYTE_CLASS[*p] & CLASS_DIGIT) return number_value(s, p, *kind == 'r');
        return typed(s, p, depth);
    }
}
