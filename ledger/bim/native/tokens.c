/* White space, punctuation, and which error a byte is: docs/bim-fingerprint.md section 2, "Errors" 3. */
#include "scan.h"

#define D (CLASS_DIGIT | CLASS_WORD | CLASS_HEX | CLASS_PLAIN)
#define H (CLASS_WORD | CLASS_FIRST | CLASS_HEX | CLASS_PLAIN)
#define W (CLASS_WORD | CLASS_FIRST | CLASS_PLAIN)
#define P CLASS_PLAIN
#define S (CLASS_SPACE | CLASS_PLAIN)
#define C CLASS_SPACE /* a control byte: CR is not plain, and these are rare */
/* Plain: a byte that stands for itself in a string and is ASCII. */
const uint8_t BYTE_CLASS[256] = {
    S, S, S, S, S, S, S, S, S, S, S, S, S, C, S, S, S, S, S, S, S, S, S, S, S, S, S, S, S, S, S, S,
    S, P, P, P, P, P, P, 0, P, P, P, P, P, P, P, P, D, D, D, D, D, D, D, D, D, D, P, P, P, P, P, P,
    P, H, H, H, H, H, H, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, P, 0, P, P, W,
    P, H, H, H, H, H, H, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, P, P, P, P, P,
};
#undef D
#undef H
#undef W
#undef P
#undef S
#undef C

/* More must come, and doesn't. */
_Noreturn void window_ends(scan *s) {
    fail(s, s->limit < s->end ? BIM_ENTITY_TOO_LONG : BIM_TRUNCATED, (uint64_t)(s->limit - s->step));
}

const uint8_t *behind_space_slowly(scan *s, const uint8_t *p) {
    for (;;) {
        while (p < s->limit && *p <= 0x20) p++;
        if (s->limit - p < 2 || p[0] != '/' || p[1] != '*') return p;
        for (p += 2;; p++) {
            p = s->limit - p < 2 ? NULL : memchr(p, '*', (size_t)(s->limit - p - 1));
            if (p == NULL) window_ends(s);
            if (p[1] == '/') break;
        }
        p += 2;
    }
}

static const uint8_t *while_class(const scan *s, const uint8_t *p, uint8_t class) {
    while (p < s->limit && BYTE_CLASS[*p] & class) p++;
    return p;
}

const uint8_t *word_end(const scan *s, const uint8_t *p) {
    const uint8_t *first = p < s->limit && *p == '!' ? p + 1 : p;
    if (first >= s->limit || !(BYTE_CLASS[*first] & CLASS_FIRST)) return p;
    return while_class(s, first, CLASS_WORD);
}

/* Whether a token, or the beginning of one, goes on up to the window's end, so that it can't be judged. */
static int touches_limit(const scan *s, const uint8_t *p) {
    const uint8_t *limit = s->limit;
    if (p >= limit) return 1;
    if ((*p == '!' && p + 1 == limit) || (word_end(s, p) != p && word_end(s, p) == limit)) return 1;
    switch (*p) {
    case '\'':
        for (p++;; p += 2) {
            p = memchr(p, '\'', (size_t)(limit - p));
            if (p == NULL || p + 1 == limit) return 1;
            if (p[1] != '\'') return 0;
            if (p + 2 >= limit) return 1;
        }
    case '#':
        return while_class(s, p + 1, CLASS_DIGIT) == limit;
    case '/':
        return p + 1 == limit;
    case '"':
        p = while_class(s, p + 1, CLASS_HEX);
        return p == limit || (*p == '"' && p + 1 == limit);
    case '.':
        p = while_class(s, p + 1, CLASS_WORD);
        return p == limit || (*p == '.' && p + 1 == limit);
    case 'E':
    case 'e':
        return limit - p == 2 && (p[1] == '+' || p[1] == '-');
    default:
        break;
    }
    if (*p == '+' || *p == '-') {
        if (++p == limit) return 1;
    }
    const uint8_t *digits = while_class(s, p, CLASS_DIGIT);
    if (digits == p) return 0;
    p = digits;
    if (p < limit && *p == '.') p = while_class(s, p + 1, CLASS_DIGIT);
    if (p < limit && (*p == 'E' || *p == 'e')) {
        p++;
        if (p < limit && (*p == '+' || *p == '-')) p++;
        p = while_class(s, p, CLASS_DIGIT);
    }
    return p == limit;
}

_Noreturn void unexpected(scan *s, const uint8_t *at, uint32_t error) {
    if (touches_limit(s, at)) window_ends(s);
    fail(s, error, (uint64_t)(at - s->step));
}

const uint8_t *point(scan *s, const uint8_t *p, uint8_t expected, uint32_t error) {
    p = behind_space(s, p);
    if (p >= s->limit || *p != expected) unexpected(s, p, error);
    return p + 1;
}
