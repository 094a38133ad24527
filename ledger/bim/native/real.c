#include "real.h"

#include <float.h>
#include <string.h>

typedef unsigned __int128 u128;

#define KEPT_DIGITS 800 /* a number halfway between two doubles has at most 767 significant digits */
#define LIMBS 104

static const uint64_t POWER_OF_5[28] = {
    1ULL,
    5ULL,
    25ULL,
    125ULL,
    625ULL,
    3125ULL,
    15625ULL,
    78125ULL,
    390625ULL,
    1953125ULL,
    9765625ULL,
    48828125ULL,
    244140625ULL,
    1220703125ULL,
    6103515625ULL,
    30517578125ULL,
    152587890625ULL,
    762939453125ULL,
    3814697265625ULL,
    19073486328125ULL,
    95367431640625ULL,
    476837158203125ULL,
    2384185791015625ULL,
    11920928955078125ULL,
    59604644775390625ULL,
    298023223876953125ULL,
    1490116119384765625ULL,
    7450580596923828125ULL,
};
static const double POWER_OF_10[23] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                       1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

/* Round mantissa × 2^exponent (mantissa ≠ 0; `more`: plus a positive part less than one unit of it). */
static int rounded(u128 mantissa, int more, int64_t exponent, double *value) {
    uint64_t high = (uint64_t)(mantissa >> 64), low = (uint64_t)mantissa;
    int width = high ? 128 - __builtin_clzll(high) : 64 - __builtin_clzll(low);
    int64_t top = exponent + width - 1; /* the value is in [2^top, 2^(top+1)) */
    int kept = 53;
    uint64_t bits;
    if (top < -1022) kept = (int)(53 + (top + 1022) < -1 ? -1 : 53 + (top + 1022));
    if (kept < 0) {
        *value = 0.0;
        return 0;
    }
    if (width > kept) {
        int cut = width - kept;
        u128 half = (u128)1 << (cut - 1);
        u128 rest = cut == 128 ? mantissa : mantissa & (((u128)1 << cut) - 1);
        bits = cut == 128 ? 0 : (uint64_t)(mantissa >> cut);
        if (rest > half || (rest == half && (more || (bits & 1)))) bits++;
    } else {
        bits = low << (kept - width); /* exact: the callers give at least 54 bits where `more` is set */
    }
    if (top < -1022) { /* subnormal; a carry into bit 52 is the smallest normal number, whose bits are the same */
        memcpy(value, &bits, sizeof bits);
        return 0;
    }
    if (bits >> 53) bits >>= 1, top++;
    if (top > 1023) return -1;
    bits = (bits & 0xfffffffffffffULL) | (uint64_t)(top + 1023) << 52;
    memcpy(value, &bits, sizeof bits);
    return 0;
}

/* digits × 10^power for digits < 2^64 and |power| <= 27, by exact integers. */
static int by_word(uint64_t digits, int power, double *value) {
    if (power >= 0) return rounded((u128)digits * POWER_OF_5[power], 0, power, value);
    uint64_t divisor = POWER_OF_5[-power];
    int left = __builtin_clzll(digits), down = __builtin_clzll(divisor);
    u128 numerator = (u128)(digits << left) << 63;
    uint64_t wide = divisor << down;
    u128 quotient = numerator / wide; /* at least 2^62 */
    return rounded(quotient, numerator % wide != 0, (int64_t)-63 + down - left + power, value);
}

/* The same for −81 <= power < −27: floor(floor(n / a) / b) is floor(n / ab), so dividing again and again is exact. */
static int by_divisions(uint64_t digits, int power, double *value) {
    uint64_t words[4] = {digits << __builtin_clzll(digits), 0, 0, 0}; /* most significant first */
    int more = 0, first = 0;
    for (int left = -power; left > 0; left -= 27) {
        uint64_t divisor = POWER_OF_5[left < 27 ? left : 27];
        u128 rest = 0;
        for (int i = 0; i < 4; i++) {
            rest = rest << 64 | words[i];
            words[i] = (uint64_t)(rest / divisor);
            rest %= divisor;
        }
        more |= rest != 0;
    }
    while (words[first] == 0) first++; /* at least 66 bits stay, so that two words are left */
    for (int i = first + 2; i < 4; i++) more |= words[i] != 0;
    return rounded((u128)words[first] << 64 | words[first + 1], more,
                   (int64_t)power - __builtin_clzll(digits) - 64 * (first + 1), value);
}

static int by_words(uint64_t digits, int power, double *value) {
    return power < -27 ? by_divisions(digits, power, value) : by_word(digits, power, value);
}

/* Numbers of up to LIMBS words, least significant first. */
typedef struct {
    int used;
    uint32_t words[LIMBS];
} big;

static void big_multiply(big *number, uint32_t factor, uint32_t plus) {
    uint64_t carry = plus;
    for (int i = 0; i < number->used; i++) {
        carry += (uint64_t)number->words[i] * factor;
        number->words[i] = (uint32_t)carry;
        carry >>= 32;
    }
    if (carry && number->used < LIMBS) number->words[number->used++] = (uint32_t)carry;
}

static void big_power_of_5(big *number, int power) {
    for (; power >= 13; power -= 13) big_multiply(number, 1220703125u, 0);
    if (power > 0) big_multiply(number, (uint32_t)POWER_OF_5[power], 0);
}

static int big_width(const big *number) {
    return number->used ? 32 * number->used - __builtin_clz(number->words[number->used - 1]) : 0;
}

static void big_shift(big *number, int bits) {
    int words = bits / 32, rest = bits % 32;
    if (number->used == 0 || number->used + words + 1 > LIMBS) return;
    memmove(number->words + words, number->words, (size_t)number->used * 4);
    memset(number->words, 0, (size_t)words * 4);
    number->used += words;
    if (rest) {
        uint32_t carry = 0;
        for (int i = words; i < number->used; i++) {
            uint32_t word = number->words[i];
            number->words[i] = word << rest | carry;
            carry = word >> (32 - rest);
        }
        if (carry) number->words[number->used++] = carry;
    }
}

static int big_less(const big *a, const big *b) {
    if (a->used != b->used) return a->used < b->used;
    for (int i = a->used - 1; i >= 0; i--)
        if (a->words[i] != b->words[i]) return a->words[i] < b->words[i];
    return 0;
}

static void big_subtract(big *a, const big *b) {
    int64_t borrow = 0;
    for (int i = 0; i < a->used; i++) {
        int64_t word = (int64_t)a->words[i] - (i < b->used ? b->words[i] : 0) + borrow;
        a->words[i] = (uint32_t)word;
        borrow = word >> 32;
    }
    while (a->used && a->words[a->used - 1] == 0) a->used--;
}

/* Any number of digits: 0.d1d2d3… × 10^point, exactly. `digits` are significant ones, d1 ≠ 0, without points. */
static int by_long_division(const uint8_t *digits, int count, int64_t point, double *value) {
    if (point > 309) return -1;
    if (point < -323) { /* less than half of the smallest double */
        *value = 0.0;
        return 0;
    }
    big numerator = {0}, divisor = {0};
    for (int i = 0; i < count; i++) {
        if (numerator.used == 0)
            numerator.words[numerator.used++] = digits[i];
        else
            big_multiply(&numerator, 10, digits[i]);
    }
    divisor.words[divisor.used++] = 1;
    int power = (int)point - count;
    if (power >= 0)
        big_power_of_5(&numerator, power);
    else
        big_power_of_5(&divisor, -power);
    /* quotient × 2^scale, of 64 or 65 bits */
    int scale = big_width(&numerator) - big_width(&divisor) - 64;
    if (scale < 0)
        big_shift(&numerator, -scale);
    else
        big_shift(&divisor, scale);
    big_shift(&divisor, 64);
    u128 quotient = 0;
    for (int i = 0; i <= 64; i++) {
        quotient <<= 1;
        if (!big_less(&numerator, &divisor)) {
            big_subtract(&numerator, &divisor);
            quotient |= 1;
        }
        big_shift(&numerator, 1);
    }
    return rounded(quotient, numerator.used != 0, (int64_t)scale + power, value);
}

static int slowly(const uint8_t *text, const uint8_t *end, int64_t exponent, double *value) {
    uint8_t digits[KEPT_DIGITS + 1];
    int count = 0, more = 0, behind = 0;
    int64_t point = exponent; /* of the first significant digit */
    for (; text < end; text++) {
        if (*text == '.') {
            behind = 1;
            continue;
        }
        int digit = *text - '0';
        if (count == 0 && digit == 0) {
            point -= behind;
            continue;
        }
        point += !behind;
        if (count < KEPT_DIGITS)
            digits[count++] = (uint8_t)digit;
        else
            more |= digit != 0;
    }
    while (count > 1 && !more && digits[count - 1] == 0) count--;
    if (more) digits[count++] = 1; /* beyond every digit that decides a tie */
    return by_long_division(digits, count, point, value);
}

int real_parse(const uint8_t *text, size_t length, double *value) {
    const uint8_t *end = text + length, *p = text;
    int negative = 0, kept = 0, behind = 0, dropped = 0, status;
    uint64_t digits = 0;
    int64_t power = 0, exponent = 0;
    if (p < end && (*p == '+' || *p == '-')) negative = *p++ == '-';
    const uint8_t *start = p;
    for (; p < end && *p != 'E' && *p != 'e'; p++) {
        if (*p == '.') {
            behind = 1;
        } else if (kept < 19) {
            digits = digits * 10 + (uint64_t)(*p - '0');
            kept += digits != 0;
            power -= behind;
        } else {
            dropped |= *p != '0';
            power += !behind;
        }
    }
    const uint8_t *stop = p;
    if (p < end) {
        int below = 0;
        p++;
        if (p < end && (*p == '+' || *p == '-')) below = *p++ == '-';
        for (; p < end; p++)
            if (exponent < (int64_t)1 << 40) exponent = exponent * 10 + (*p - '0');
        if (below) exponent = -exponent;
    }
    *value = 0.0;
    if (digits == 0) return 0;
    power += exponent;
#if FLT_EVAL_METHOD == 0
    if (!dropped && digits <= (uint64_t)1 << 53 && power >= -22 && power <= 22) {
        double exact = (double)digits;
        exact = power < 0 ? exact / POWER_OF_10[-power] : exact * POWER_OF_10[power];
        *value = negative ? -exact : exact;
        return 0;
    }
#endif
    if (power >= -81 && power <= 27) {
        status = by_words(digits, (int)power, value);
        if (dropped) { /* between digits and digits + 1: certain if both give the same */
            double above = 0.0;
            int other = by_words(digits + 1, (int)power, &above);
            if (status != other || memcmp(value, &above, sizeof above) != 0)
                status = slowly(start, stop, exponent, value);
        }
    } else {
        status = slowly(start, stop, exponent, value);
    }
    if (status == 0 && negative && *value != 0.0) *value = -*value;
    return status;
}
