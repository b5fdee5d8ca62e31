/* Holdfast: arithmetic modulo a CRC's polynomial, to join CRCs and to derive the constants of folding.
 *
 * With the same value before and after (all ones), crc(a||b) = crc(a) * x^(8 * |b|) + crc(b): the inversions cancel. */
#include "codec/codec.h"

#include "codec/codec_priv.h"

const struct crc_poly crc_poly_32 = {32, 0xedb88320u};
const struct crc_poly crc_poly_32c = {32, 0x82f63b78u};
const struct crc_poly crc_poly_64ecma = {64, 0xc96c5795d7870f42u};
const struct crc_poly crc_poly_64nvme = {64, 0x9a6c9329ac4bc9b5u};

/* a * x */
static uint64_t times_x(const struct crc_poly *poly, uint64_t a)
{
    return a >> 1 ^ (a & 1 ? poly->poly : 0);
}

/* a * b */
static uint64_t times(const struct crc_poly *poly, uint64_t a, uint64_t b)
{
    uint64_t product = 0;

    for (uint64_t bit = 1ULL << (poly->width - 1); bit != 0; bit >>= 1) {
        if (a & bit)
            product ^= b;
        b = times_x(poly, b);
    }
    return product;
}

uint64_t crc_poly_xpow(const struct crc_poly *poly, uint64_t n)
{
    uint64_t power = 1ULL << (poly->width - 1); /* x^0 */
    uint64_t square = times_x(poly, power);     /* x^(2^i) */

    for (; n != 0; n >>= 1) {
        if (n & 1)
            power = times(poly, power, square);
        square = times(poly, square, square);
    }
    return power;
}

uint64_t crc_poly_combine(const struct crc_poly *poly, uint64_t a, uint64_t b, uint64_t len_b)
{
    /* The exponent counts bits: (x^len_b)^8, because 8 * len_b may not fit. */
    uint64_t shift = crc_poly_xpow(poly, len_b);

    for (int i = 0; i < 3; i++)
        shift = times(poly, shift, shift);
    return times(poly, a, shift) ^ b;
}
