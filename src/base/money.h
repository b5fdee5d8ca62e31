/* Holdfast: money and exact decimals. Money is int64 in 10^-9 of the currency's unit (nano): ±9.2 thousand million
 * units. Never a float. Every operation that can overflow says RC_LIMIT and leaves its result alone. */
#ifndef HF_BASE_MONEY_H
#define HF_BASE_MONEY_H

#include <stdint.h>

#include "base/view.h"

#define MONEY_NANO 1000000000LL
#define MONEY_TEXT_MAX 32

enum rc money_add(int64_t a, int64_t b, int64_t *ret) HF_MUST_USE;
/* "12.34", "-0.5": at most 9 fraction digits, no exponent, no blanks; NaN, 1e5, 10^40 are RC_INVALID or RC_LIMIT. */
enum rc money_parse(struct view v, int64_t *ret_nano) HF_MUST_USE;
/* Full precision, at least two fraction digits, no more than needed: "99.98", "0.000000001", "-1.00". Returns buf,
 * which holds MONEY_TEXT_MAX bytes. */
const char *money_text(int64_t nano, char *buf);

/* An exact decimal num / 10^scale, as price books have it. */
struct decimal {
    int64_t num;
    uint8_t scale; /* 0..18 */
};
enum rc decimal_parse(struct view v, struct decimal *ret) HF_MUST_USE;
const char *decimal_text(struct decimal d, char *buf);

/* round_half_up(quantity * price / divisor) in nano, half away from zero. quantity and divisor are non-negative
 * 128-bit integers, divisor > 0. RC_LIMIT when it does not fit. */
enum rc money_rate(unsigned __int128 quantity, struct decimal price, unsigned __int128 divisor,
                   int64_t *ret_nano) HF_MUST_USE;

#endif
