/* Holdfast: base64 (RFC 4648 §4), padded; decoding is strict, so that a value has exactly one spelling. */
#include "codec/codec.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

size_t base64_size(size_t n)
{
    return (n / 3 + (n % 3 != 0)) * 4;
}

void base64_encode(const void *p, size_t n, char *dst)
{
    const uint8_t *s = p;

    for (; n >= 3; n -= 3, s += 3, dst += 4) {
        uint32_t w = (uint32_t)s[0] << 16 | (uint32_t)s[1] << 8 | s[2];

        dst[0] = alphabet[w >> 18];
        dst[1] = alphabet[w >> 12 & 63];
        dst[2] = alphabet[w >> 6 & 63];
        dst[3] = alphabet[w & 63];
    }
    if (n > 0) {
        uint32_t w = (uint32_t)s[0] << 16 | (n == 2 ? (uint32_t)s[1] << 8 : 0);

        dst[0] = alphabet[w >> 18];
        dst[1] = alphabet[w >> 12 & 63];
        dst[2] = n == 2 ? alphabet[w >> 6 & 63] : '=';
        dst[3] = '=';
        dst += 4;
    }
    *dst = 0;
}

/* Value of one character, or a value with bit 6 or above set when it is none of the alphabet. */
static uint32_t sextet(char c)
{
    if (c >= 'A' && c <= 'Z')
        return (uint32_t)(c - 'A');
    if (c >= 'a' && c <= 'z')
        return (uint32_t)(c - 'a') + 26;
    if (c >= '0' && c <= '9')
        return (uint32_t)(c - '0') + 52;
    if (c == '+')
        return 62;
    return c == '/' ? 63 : 64;
}

/* Padding characters of a text whose length is a positive multiple of 4: 0..2. */
static size_t padding(struct view v)
{
    if (v.p[v.n - 1] != '=')
        return 0;
    return v.p[v.n - 2] == '=' ? 2 : 1;
}

/* Every character that carries data is of the alphabet, and the bits that padding leaves over are 0. */
static bool canonical(struct view v, size_t pad)
{
    for (size_t i = 0; i < v.n - pad; i++) {
        if (sextet(v.p[i]) > 63)
            return false;
    }
    if (pad == 0)
        return true;
    return (sextet(v.p[v.n - pad - 1]) & (pad == 1 ? 3 : 15)) == 0;
}

/* One group of four characters: three bytes, fewer when padded. */
static void decode_group(const char *s, size_t pad, uint8_t *out)
{
    out[0] = (uint8_t)(sextet(s[0]) << 2 | sextet(s[1]) >> 4);
    if (pad < 2)
        out[1] = (uint8_t)(sextet(s[1]) << 4 | sextet(s[2]) >> 2);
    if (pad < 1)
        out[2] = (uint8_t)(sextet(s[2]) << 6 | sextet(s[3]));
}

enum rc base64_decode(struct view v, void *dst, size_t dst_max, size_t *ret_n)
{
    uint8_t *out = dst;

    if (v.n == 0) {
        *ret_n = 0;
        return RC_OK;
    }
    if (v.n % 4 != 0)
        return RC_INVALID;
    size_t pad = padding(v);
    size_t n = v.n / 4 * 3 - pad;
    if (!canonical(v, pad))
        return RC_INVALID;
    if (n > dst_max)
        return RC_LIMIT;
    for (size_t i = 0; i < v.n; i += 4, out += 3)
        decode_group(v.p + i, i + 4 == v.n ? pad : 0, out);
    *ret_n = n;
    return RC_OK;
}
