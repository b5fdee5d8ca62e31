/* Holdfast: hexadecimal text. */
#include "codec/codec.h"

#include "codec/codec_priv.h"

int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

void hex_encode(const void *p, size_t n, char *dst)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *src = p;

    for (size_t i = 0; i < n; i++) {
        dst[2 * i] = digits[src[i] >> 4];
        dst[2 * i + 1] = digits[src[i] & 15];
    }
    dst[2 * n] = 0;
}

/* True when v is nothing but digits, so that dst is written only on success. */
static bool all_hex(struct view v)
{
    for (size_t i = 0; i < v.n; i++) {
        if (hex_digit(v.p[i]) < 0)
            return false;
    }
    return true;
}

enum rc hex_decode(struct view v, void *dst, size_t dst_n)
{
    uint8_t *out = dst;

    if (v.n % 2 != 0 || v.n / 2 != dst_n || !all_hex(v))
        return RC_INVALID;
    for (size_t i = 0; i < dst_n; i++)
        out[i] = (uint8_t)(hex_digit(v.p[2 * i]) << 4 | hex_digit(v.p[2 * i + 1]));
    return RC_OK;
}
