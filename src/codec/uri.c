/* Holdfast: percent-encoding (RFC 3986), as SigV4 spells it. Each function looks at the whole input first, so that the
 * output grows once, to its exact size, and only on success. */
#include "codec/codec.h"

#include "codec/codec_priv.h"

/* Decoded size; false on an escape that is cut short or not hexadecimal. */
static bool decoded_size(struct view v, size_t *ret_n)
{
    size_t n = 0;

    for (size_t i = 0; i < v.n; i++, n++) {
        if (v.p[i] != '%')
            continue;
        if (v.n - i < 3 || hex_digit(v.p[i + 1]) < 0 || hex_digit(v.p[i + 2]) < 0)
            return false;
        i += 2;
    }
    *ret_n = n;
    return true;
}

enum rc uri_decode(struct view v, bool plus, struct buf *out)
{
    size_t n;

    if (!decoded_size(v, &n))
        return RC_INVALID;
    HF_TRY(buf_reserve(out, n));
    for (size_t i = 0; i < v.n; i++) {
        char c = v.p[i];

        if (c == '%') {
            c = (char)(hex_digit(v.p[i + 1]) << 4 | hex_digit(v.p[i + 2]));
            i += 2;
        } else if (c == '+' && plus) {
            c = ' ';
        }
        out->p[out->n++] = c;
    }
    return RC_OK;
}

/* 1 for the characters that stay as they are; '/' is the caller's choice. */
static const uint8_t unreserved[256] = {
    ['-'] = 1, ['.'] = 1, ['_'] = 1, ['~'] = 1, ['0' ... '9'] = 1, ['A' ... 'Z'] = 1, ['a' ... 'z'] = 1,
};

static bool stays(char c, bool keep_slash)
{
    return unreserved[(uint8_t)c] || (c == '/' && keep_slash);
}

enum rc uri_encode(struct view v, bool keep_slash, struct buf *out)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t n = 0;

    for (size_t i = 0; i < v.n; i++)
        n += stays(v.p[i], keep_slash) ? 1 : 3;
    HF_TRY(buf_reserve(out, n));
    for (size_t i = 0; i < v.n; i++) {
        uint8_t c = (uint8_t)v.p[i];

        if (stays(v.p[i], keep_slash)) {
            out->p[out->n++] = v.p[i];
            continue;
        }
        out->p[out->n++] = '%';
        out->p[out->n++] = digits[c >> 4];
        out->p[out->n++] = digits[c & 15];
    }
    return RC_OK;
}
