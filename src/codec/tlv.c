/* Holdfast: tagged fields. Varints are canonical (no leading zero groups), so a value has exactly one spelling and a
 * record's hash does not depend on who wrote it. */
#include "codec/codec.h"

#define VARINT_MAX 10 /* bytes of a 64-bit varint */
#define VARINT_MORE 0x80

static size_t varint_put(uint8_t dst[VARINT_MAX], uint64_t v)
{
    size_t n = 0;

    for (; v >= VARINT_MORE; v >>= 7)
        dst[n++] = (uint8_t)(v | VARINT_MORE);
    dst[n++] = (uint8_t)v;
    return n;
}

/* Bytes that the varint at the head of v takes; 0 when there is none, it passes 64 bits, or it is not canonical. */
static size_t varint_get(struct view v, uint64_t *ret)
{
    uint64_t value = 0;

    for (size_t i = 0; i < v.n && i < VARINT_MAX; i++) {
        uint8_t c = (uint8_t)v.p[i];

        if (i == VARINT_MAX - 1 && c > 1)
            return 0;
        value |= (uint64_t)(c & (VARINT_MORE - 1)) << (7 * i);
        if (c & VARINT_MORE)
            continue;
        if (c == 0 && i > 0)
            return 0;
        *ret = value;
        return i + 1;
    }
    return 0;
}

enum rc tlv_put(struct buf *b, uint32_t tag, struct view v)
{
    uint8_t head[2 * VARINT_MAX];

    HF_ASSERT(tag > 0);
    size_t n = varint_put(head, tag);
    n += varint_put(head + n, v.n);
    if (v.n > SIZE_MAX - n)
        return RC_LIMIT;
    HF_TRY(buf_reserve(b, n + v.n));
    memcpy(b->p + b->n, head, n);
    if (v.n > 0)
        memcpy(b->p + b->n + n, v.p, v.n);
    b->n += n + v.n;
    return RC_OK;
}

enum rc tlv_put_u64(struct buf *b, uint32_t tag, uint64_t v)
{
    uint8_t value[VARINT_MAX];

    return tlv_put(b, tag, view_of(value, varint_put(value, v)));
}

enum rc tlv_put_i64(struct buf *b, uint32_t tag, int64_t v)
{
    uint64_t sign = v < 0 ? UINT64_MAX : 0;

    return tlv_put_u64(b, tag, (uint64_t)v << 1 ^ sign);
}

enum rc tlv_next(struct tlv *t, uint32_t *ret_tag, struct view *ret_value)
{
    struct view rest = t->rest;
    uint64_t tag, len;

    if (rest.n == 0)
        return RC_END;
    size_t n = varint_get(rest, &tag);
    if (n == 0 || tag == 0 || tag > UINT32_MAX)
        return RC_CORRUPT;
    rest = view_sub(rest, n, rest.n);
    n = varint_get(rest, &len);
    if (n == 0 || len > rest.n - n)
        return RC_CORRUPT;
    *ret_tag = (uint32_t)tag;
    *ret_value = view_sub(rest, n, (size_t)len);
    t->rest = view_sub(rest, n + (size_t)len, rest.n);
    return RC_OK;
}

enum rc tlv_u64(struct view value, uint64_t *ret)
{
    uint64_t v;
    size_t n = varint_get(value, &v);

    if (n == 0 || n != value.n)
        return RC_CORRUPT;
    *ret = v;
    return RC_OK;
}

enum rc tlv_i64(struct view value, int64_t *ret)
{
    uint64_t v;

    HF_TRY(tlv_u64(value, &v));
    *ret = (int64_t)(v >> 1 ^ (v & 1 ? UINT64_MAX : 0));
    return RC_OK;
}
