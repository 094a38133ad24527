/* Decimal numbers to the nearest binary64, ties to even: the same values as Python's float(). */
#ifndef YUNSHANG_REAL_H
#define YUNSHANG_REAL_H

#include <stddef.h>
#include <stdint.h>

/* Convert a token `[+-]digits[.[digits]][(E|e)[+-]digits]`, which the caller has checked. −0 becomes 0.
 * Returns 0, or −1 where the value is beyond binary64. */
int real_parse(const uint8_t *text, size_t length, double *value);

#endif
