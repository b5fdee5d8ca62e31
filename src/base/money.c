/* Holdfast: money in integers, exact decimals, and the one rounding. */
#include "base/money.h"

#include <stdbool.h>
#include <stdio.h>

#define NANO_DIGITS 9
#define DECIMAL_SCALE_MAX 18
/* money_rate doubles a remainder that is below the divisor and adds one more: three of them must fit in 128 bits. */
#define RATE_DIVISOR_MAX ((unsigned __int128)1 << 126)

static uint64_t pow10_u64(unsigned n)
{
    uint64_t p = 1;
    while (n-- > 0)
        p *= 10;
    return p;
}

/* The sign is put back last; only int64's lowest value has no positive counterpart. */
static bool with_sign(uint64_t magnitude, bool negative, int64_t *ret)
{
    if (negative && magnitude == (uint64_t)INT64_MAX + 1) {
        *ret = INT64_MIN;
        return true;
    }
    if (magnitude > INT64_MAX)
        return false;
    *ret = negative ? -(int64_t)magnitude : (int64_t)magnitude;
    return true;
}

static uint64_t magnitude_of(int64_t v)
{
    return v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
}

enum rc money_add(int64_t a, int64_t b, int64_t *ret)
{
    int64_t sum;
    if (__builtin_add_overflow(a, b, &sum))
        return RC_LIMIT;
    *ret = sum;
    return RC_OK;
}

/* "-12.34" into sign, all digits as one number, and how many of them were behind the point. */
struct digits {
    bool negative;
    uint64_t value;
    unsigned scale;
};

static bool push_digit(struct digits *d, char c)
{
    return !__builtin_mul_overflow(d->value, 10u, &d->value) &&
           !__builtin_add_overflow(d->value, (uint64_t)(c - '0'), &d->value);
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static enum rc digits_parse(struct view v, unsigned scale_max, struct digits *ret)
{
    struct digits d = {0};
    size_t at = 0, whole = 0;
    bool fits = true;
    if (v.n > 0 && v.p[0] == '-') {
        d.negative = true;
        at = 1;
    }
    for (; at < v.n && is_digit(v.p[at]); at++, whole++)
        fits = fits && push_digit(&d, v.p[at]);
    if (whole == 0)
        return RC_INVALID;
    if (at < v.n) {
        if (v.p[at++] != '.' || at == v.n)
            return RC_INVALID;
        for (; at < v.n && is_digit(v.p[at]) && d.scale < scale_max; at++, d.scale++)
            fits = fits && push_digit(&d, v.p[at]);
        if (at < v.n)
            return RC_INVALID;
    }
    if (!fits)
        return RC_LIMIT;
    *ret = d;
    return RC_OK;
}

enum rc money_parse(struct view v, int64_t *ret_nano)
{
    struct digits d;
    uint64_t nano;
    HF_TRY(digits_parse(v, NANO_DIGITS, &d));
    if (__builtin_mul_overflow(d.value, pow10_u64(NANO_DIGITS - d.scale), &nano) ||
        !with_sign(nano, d.negative, ret_nano))
        return RC_LIMIT;
    return RC_OK;
}

const char *money_text(int64_t nano, char *buf)
{
    struct decimal d = {nano, NANO_DIGITS};
    while (d.scale > 2 && d.num % 10 == 0) {
        d.num /= 10;
        d.scale--;
    }
    return decimal_text(d, buf);
}

enum rc decimal_parse(struct view v, struct decimal *ret)
{
    struct digits d;
    int64_t num;
    HF_TRY(digits_parse(v, DECIMAL_SCALE_MAX, &d));
    if (!with_sign(d.value, d.negative, &num))
        return RC_LIMIT;
    *ret = (struct decimal){num, (uint8_t)d.scale};
    return RC_OK;
}

const char *decimal_text(struct decimal d, char *buf)
{
    HF_ASSERT(d.scale <= DECIMAL_SCALE_MAX);
    uint64_t m = magnitude_of(d.num), unit = pow10_u64(d.scale);
    int n = snprintf(buf, MONEY_TEXT_MAX, "%s%llu", d.num < 0 ? "-" : "", (unsigned long long)(m / unit));
    if (d.scale == 0)
        return buf;
    /* At most a sign, 19 digits and the point. */
    buf[n++] = '.';
    for (uint64_t rest = m % unit; unit > 1; rest %= unit) {
        unit /= 10;
        buf[n++] = (char)('0' + rest / unit);
    }
    buf[n] = 0;
    return buf;
}

/* quantity * factor / divisor exactly, though the product may need more than 128 bits: long multiplication by the bits
 * of factor, keeping quotient and remainder apart. Invariant: what was multiplied so far = q * divisor + r, r <
 * divisor. False when the rounded quotient passes 64 bits. */
static bool mul_div_round(unsigned __int128 quantity, unsigned __int128 factor, unsigned __int128 divisor,
                          uint64_t *ret)
{
    unsigned __int128 q = 0, r = 0, unit_q = quantity / divisor, unit_r = quantity % divisor;
    if (unit_q > UINT64_MAX && factor > 0)
        return false;
    for (int bit = 127; bit >= 0; bit--) {
        bool one = (factor >> bit) & 1;
        q = 2 * q + (one ? unit_q : 0);
        r = 2 * r + (one ? unit_r : 0);
        q += r / divisor;
        r %= divisor;
        if (q > UINT64_MAX)
            return false;
    }
    if (r >= divisor - r)
        q++;
    if (q > UINT64_MAX)
        return false;
    *ret = (uint64_t)q;
    return true;
}

enum rc money_rate(unsigned __int128 quantity, struct decimal price, unsigned __int128 divisor, int64_t *ret_nano)
{
    HF_ASSERT(divisor > 0 && price.scale <= DECIMAL_SCALE_MAX);
    unsigned __int128 factor = magnitude_of(price.num), product;
    if (price.scale <= NANO_DIGITS)
        factor *= pow10_u64(NANO_DIGITS - price.scale);
    else if (__builtin_mul_overflow(divisor, (unsigned __int128)pow10_u64(price.scale - NANO_DIGITS), &divisor))
        return RC_LIMIT;
    if (divisor >= RATE_DIVISOR_MAX)
        return RC_LIMIT;

    uint64_t nano;
    if (!__builtin_mul_overflow(quantity, factor, &product)) {
        unsigned __int128 q = product / divisor, r = product % divisor;
        q += r >= divisor - r;
        if (q > UINT64_MAX)
            return RC_LIMIT;
        nano = (uint64_t)q;
    } else if (!mul_div_round(quantity, factor, divisor, &nano)) {
        return RC_LIMIT;
    }
    return with_sign(nano, price.num < 0, ret_nano) ? RC_OK : RC_LIMIT;
}
