/* Pieces that records and rows write alike: digests, checksums, classes, extents. */
#include "catalog/cat_priv.h"

enum rc cat_put_u64(struct buf *out, uint32_t tag, uint64_t v)
{
    return v ? tlv_put_u64(out, tag, v) : RC_OK;
}

enum rc cat_put_view(struct buf *out, uint32_t tag, struct view v)
{
    return v.n ? tlv_put(out, tag, v) : RC_OK;
}

enum rc cat_put_md5(struct buf *out, uint32_t tag, const uint8_t md5[16])
{
    static const uint8_t none[16];
    return memcmp(md5, none, sizeof(none)) == 0 ? RC_OK : tlv_put(out, tag, view_of(md5, sizeof(none)));
}

enum rc cat_get_md5(struct view v, uint8_t md5[16])
{
    if (v.n != 16)
        return RC_CORRUPT;
    memcpy(md5, v.p, 16);
    return RC_OK;
}

enum rc cat_get_bounded(struct view v, uint64_t max, uint64_t *ret)
{
    uint64_t x;
    HF_TRY(tlv_u64(v, &x));
    if (x > max)
        return RC_CORRUPT;
    *ret = x;
    return RC_OK;
}

enum rc cat_get_class(struct view v, enum storage_class *ret)
{
    uint64_t x;
    HF_TRY(cat_get_bounded(v, CLASS_COUNT - 1, &x));
    *ret = (enum storage_class)x;
    return RC_OK;
}

uint8_t cat_checksum_size(enum checksum_kind k)
{
    switch (k) {
    case CHECKSUM_NONE:
        return 0;
    case CHECKSUM_CRC32:
    case CHECKSUM_CRC32C:
        return 4;
    case CHECKSUM_CRC64NVME:
        return 8;
    case CHECKSUM_SHA1:
        return 20;
    case CHECKSUM_SHA256:
        return 32;
    }
    HF_BUG("no such checksum kind");
}

bool cat_checksum_eq(const struct checksum *a, const struct checksum *b)
{
    return a->kind == b->kind && a->size == b->size && memcmp(a->value, b->value, a->size) == 0;
}

/* kind, composite, value; an upload's has no value yet. */
enum rc cat_put_checksum(struct buf *out, uint32_t tag, const struct checksum *c)
{
    if (c->kind == CHECKSUM_NONE)
        return RC_OK;
    HF_ASSERT(c->size == 0 || c->size == cat_checksum_size(c->kind));
    uint8_t bytes[2 + CHECKSUM_MAX];
    bytes[0] = (uint8_t)c->kind;
    bytes[1] = c->composite;
    memcpy(bytes + 2, c->value, c->size);
    return tlv_put(out, tag, view_of(bytes, 2 + (size_t)c->size));
}

enum rc cat_get_checksum(struct view v, struct checksum *ret)
{
    if (v.n < 2 || v.p[0] < CHECKSUM_CRC32 || v.p[0] > CHECKSUM_SHA256 || (uint8_t)v.p[1] > 1)
        return RC_CORRUPT;
    enum checksum_kind kind = (enum checksum_kind)v.p[0];
    size_t size = v.n - 2;
    if (size != 0 && size != cat_checksum_size(kind))
        return RC_CORRUPT;
    *ret = (struct checksum){.kind = kind, .composite = v.p[1] != 0, .size = (uint8_t)size};
    memcpy(ret->value, v.p + 2, size);
    return RC_OK;
}

enum rc cat_extent_pack(struct buf *out, const struct extent *x, size_t n)
{
    if (n > OBJECT_EXTENTS_MAX)
        return RC_LIMIT;
    HF_TRY(buf_reserve(out, n * EXTENT_PACKED));
    for (size_t i = 0; i < n; i++) {
        uint8_t *p = (uint8_t *)out->p + out->n;
        p[0] = (uint8_t)x[i].kind;
        le64_put(p + 1, x[i].container);
        le64_put(p + 9, x[i].offset);
        le64_put(p + 17, x[i].length);
        le64_put(p + 25, x[i].owner);
        out->n += EXTENT_PACKED;
    }
    return RC_OK;
}

struct extent cat_extent_at(struct view packed, size_t i)
{
    const uint8_t *p = (const uint8_t *)packed.p + i * EXTENT_PACKED;
    return (struct extent){.kind = (enum extent_kind)p[0],
                           .container = le64_get(p + 1),
                           .offset = le64_get(p + 9),
                           .length = le64_get(p + 17),
                           .owner = le64_get(p + 25)};
}

enum rc cat_extent_check(struct view packed)
{
    if (packed.n % EXTENT_PACKED != 0 || cat_extent_count(packed) > OBJECT_EXTENTS_MAX)
        return RC_CORRUPT;
    for (size_t i = 0; i < packed.n; i += EXTENT_PACKED)
        if (packed.p[i] != EXTENT_VOLUME && packed.p[i] != EXTENT_INLINE)
            return RC_CORRUPT;
    return RC_OK;
}
