/* Holdfast: what the files of codec share among themselves. */
#ifndef HF_CODEC_PRIV_H
#define HF_CODEC_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Value of a hexadecimal digit of either case, -1 for anything else. */
int hex_digit(char c);

/* One strict UTF-8 character at p: its length 1..4 and the code point, or 0 when the n bytes (n > 0) start with none.
 */
size_t utf8_next(const char *p, size_t n, uint32_t *ret_cp);

/* A reflected CRC polynomial: in a register, x^0 is the top bit and x^(width - 1) is bit 0. */
struct crc_poly {
    unsigned width; /* 32 or 64 */
    uint64_t poly;  /* reflected, without the leading x^width */
};
extern const struct crc_poly crc_poly_32;
extern const struct crc_poly crc_poly_32c;
extern const struct crc_poly crc_poly_64ecma;
extern const struct crc_poly crc_poly_64nvme;

/* x^n modulo the polynomial. */
uint64_t crc_poly_xpow(const struct crc_poly *poly, uint64_t n);
/* CRC of a||b from both CRCs and b's length in bytes. */
uint64_t crc_poly_combine(const struct crc_poly *poly, uint64_t a, uint64_t b, uint64_t len_b);

/* The two ways to compute CRC-64/NVME, open for the tests. They work on the raw register (no inversion). The fast one
 * may be called only where crc64nvme_clmul_usable() says so. */
uint64_t crc64nvme_raw_table(uint64_t reg, const uint8_t *p, size_t n);
uint64_t crc64nvme_raw_clmul(uint64_t reg, const uint8_t *p, size_t n);
bool crc64nvme_clmul_usable(void);

#endif
