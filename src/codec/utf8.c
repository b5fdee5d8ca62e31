/* Holdfast: strict UTF-8 (RFC 3629): no over-long forms, no surrogates, nothing past U+10FFFF. */
#include "codec/codec.h"

#include "codec/codec_priv.h"

#define ASCII_MASK 0x8080808080808080ULL

static bool is_continuation(char c)
{
    return ((uint8_t)c & 0xc0) == 0x80;
}

/* Length that a first byte announces, 0 when no character starts with it. */
static size_t announced_length(uint8_t c)
{
    if (c < 0x80)
        return 1;
    if (c >= 0xc2 && c <= 0xdf)
        return 2;
    if (c >= 0xe0 && c <= 0xef)
        return 3;
    if (c >= 0xf0 && c <= 0xf4)
        return 4;
    return 0;
}

/* Is cp one that needs exactly len bytes, and a scalar value? */
static bool scalar_of_length(uint32_t cp, size_t len)
{
    static const uint32_t smallest[5] = {0, 0, 0x80, 0x800, 0x10000};

    return cp >= smallest[len] && cp <= 0x10ffff && (cp < 0xd800 || cp > 0xdfff);
}

size_t utf8_next(const char *p, size_t n, uint32_t *ret_cp)
{
    uint8_t first = (uint8_t)p[0];
    size_t len = announced_length(first);

    if (len == 0 || len > n)
        return 0;
    uint32_t cp = len == 1 ? first : first & (0x7fu >> len);
    for (size_t i = 1; i < len; i++) {
        if (!is_continuation(p[i]))
            return 0;
        cp = cp << 6 | ((uint8_t)p[i] & 0x3f);
    }
    if (!scalar_of_length(cp, len))
        return 0;
    *ret_cp = cp;
    return len;
}

bool utf8_valid(struct view v)
{
    size_t i = 0;

    while (i < v.n) {
        uint64_t word;
        uint32_t cp;

        if (v.n - i >= sizeof(word)) {
            memcpy(&word, v.p + i, sizeof(word));
            if ((word & ASCII_MASK) == 0) {
                i += sizeof(word);
                continue;
            }
        }
        size_t len = utf8_next(v.p + i, v.n - i, &cp);
        if (len == 0)
            return false;
        i += len;
    }
    return true;
}
