/* Strings: docs/bim-fingerprint.md section 2, item 6. */
#include "scan.h"

static int hex_value(uint8_t byte) {
    if (byte >= '0' && byte <= '9') return byte - '0';
    if (byte >= 'a' && byte <= 'f') return byte - 'a' + 10;
    if (byte >= 'A' && byte <= 'F') return byte - 'A' + 10;
    return -1;
}

/* UTF-8 as Unicode defines it: shortest forms, no surrogates, up to 10FFFF. */
static int is_utf8(const uint8_t *p, size_t length) {
    const uint8_t *end = p + length;
    while (p < end) {
        uint8_t first = *p++;
        if (first < 0x80) continue;
        int more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : 1;
        if (first < 0xc2 || first > 0xf4 || end - p < more) return 0;
        uint8_t low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
        uint8_t high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
        if (*p < low || *p > high) return 0;
        for (int i = 1; i < more; i++)
            if ((p[i] & 0xc0) != 0x80) return 0;
        p += more;
    }
    return 1;
}

static uint8_t *put_utf8(uint8_t *out, uint32_t character) {
    if (character < 0x80) {
        *out++ = (uint8_t)character;
    } else if (character < 0x800) {
        *out++ = (uint8_t)(0xc0 | character >> 6);
        *out++ = (uint8_t)(0x80 | (character & 63));
    } else if (character < 0x10000) {
        *out++ = (uint8_t)(0xe0 | character >> 12);
        *out++ = (uint8_t)(0x80 | (character >> 6 & 63));
        *out++ = (uint8_t)(0x80 | (character & 63));
    } else {
        *out++ = (uint8_t)(0xf0 | character >> 18);
        *out++ = (uint8_t)(0x80 | (character >> 12 & 63));
        *out++ = (uint8_t)(0x80 | (character >> 6 & 63));
        *out++ = (uint8_t)(0x80 | (character & 63));
    }
    return out;
}

/* Apostrophes and line ends; never longer than before. */
static size_t resolve_bytes(const uint8_t *raw, size_t length, uint8_t *out) {
    size_t used = 0;
    for (size_t i = 0; i < length; i++) {
        uint8_t byte = raw[i];
        if (byte == '\'') {
            i++; /* the second of two */
        } else if (byte == '\r') {
            byte = '\n';
            if (i + 1 < length && raw[i + 1] == '\n') i++;
        }
        out[used++] = byte;
    }
    return used;
}

/* `\X2\` or `\X4\` from behind its second backslash; NULL where it is odd. */
static const uint8_t *unit_run(const uint8_t *p, const uint8_t *end, int digits, uint8_t **out) {
    uint32_t high = 0;
    for (;;) {
        if (p < end && *p == '\\') break;
        if (end - p < digits) return NULL;
        uint32_t unit = 0;
        for (int i = 0; i < digits; i++) {
            int value = hex_value(p[i]);
            if (value < 0) return NULL;
            unit = unit << 4 | (uint32_t)value;
        }
        p += digits;
        int surrogate = unit >= 0xd800 && unit <= 0xdfff;
        if (digits == 8) {
            if (surrogate || unit > 0x10ffff) return NULL;
        } else if (surrogate) {
            if (unit < 0xdc00) {
                if (high) return NULL;
                high = unit;
                continue;
            }
            if (!high) return NULL;
            unit = 0x10000 + ((high - 0xd800) << 10) + (unit - 0xdc00);
            high = 0;
        } else if (high) {
            return NULL;
        }
        *out = put_utf8(*out, unit);
    }
    if (high || end - p < 4 || memcmp(p, "\\X0\\", 4) != 0) return NULL;
    return p + 4;
}

/* What a directive stands for is never longer than the directive, so `out` may be where `p` is. */
static int64_t resolve_directives(const scan *s, const uint8_t *p, size_t length, uint8_t *out) {
    const uint8_t *end = p + length, *begin = out;
    unsigned page = 0;
    while (p < end) {
        if (*p != '\\') {
            *out++ = *p++;
            continue;
        }
        size_t left = (size_t)(end - p);
        if (left >= 2 && p[1] == '\\') {
            *out++ = '\\';
            p += 2;
        } else if (left >= 5 && p[1] == 'X' && p[2] == '\\' && hex_value(p[3]) >= 0 && hex_value(p[4]) >= 0) {
            uint32_t character = (uint32_t)(hex_value(p[3]) << 4 | hex_value(p[4]));
            out = put_utf8(out, character);
            p += 5;
        } else if (left >= 4 && p[1] == 'X' && (p[2] == '2' || p[2] == '4') && p[3] == '\\') {
            p = unit_run(p + 4, end, p[2] == '2' ? 4 : 8, &out);
            if (p == NULL) return -1;
        } else if (left >= 4 && p[1] == 'S' && p[2] == '\\' && p[3] >= 0x20 && p[3] <= 0x7e) {
            const uint8_t *place = s->pages + ((size_t)page * 95 + (p[3] - 0x20u)) * 2;
            uint32_t character = (uint32_t)place[0] | (uint32_t)place[1] << 8;
            if (character == 0) return -1;
            out = put_utf8(out, character);
            p += 4;
        } else if (left >= 4 && p[1] == 'P' && p[2] >= 'A' && p[2] <= 'I' && p[3] == '\\') {
            page = (unsigned)(p[2] - 'A');
            p += 4;
        } else if (left >= 3 && (p[1] == 'N' || p[1] == 'F') && p[2] == '\\') {
            p += 3;
        } else {
            *out++ = *p++;
        }
    }
    return out - begin;
}

int64_t string_decode(scan *s, const uint8_t *raw, size_t length, uint8_t *out, int *octets) {
    *octets = !is_utf8(raw, length);
    size_t used = resolve_bytes(raw, length, out);
    if (*octets || memchr(out, '\\', used) == NULL) return (int64_t)used;
    return resolve_directives(s, out, used, out);
}
