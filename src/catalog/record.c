/* Payloads of the catalog's records: classes by name, encoding, decoding with every limit checked. */
#include "catalog/record.h"

#include "catalog/cat_priv.h"

/* Tags on disk: never reuse one. Fields that are zero or empty are not written. */
enum rec_tag {
    T_ACCOUNT = 1,
    T_BUCKET = 2,
    T_BUCKET_NAME = 3,
    T_KEY = 4,
    T_VERSION = 5,
    T_FLAGS = 6,
    T_SIZE = 7,
    T_MD5 = 8,
    T_ETAG_PARTS = 9,
    T_CRC64 = 10,
    T_CHECKSUM = 11,
    T_CLASS = 12,
    T_VERSIONING = 13,
    T_META = 14,
    T_TAGS = 15,
    T_EXTENTS = 16,
    T_UPLOAD = 17,
    T_PART = 18,
    T_PART_RANGES = 19, /* pairs of u32: first number, how many follow one another */
    T_REQUESTS = 20,
    T_EGRESS = 21,
    T_ACTOR = 22,
    T_DELTA = 23, /* repeated: class, i64 bytes, i64 objects */
    T_VOLUMES = 24,
    T_SEGMENTS = 25,
    T_EGRESS_DIRECTION = 26,
    T_GONE = 27, /* repeated: class, u64 size, i64 created */
};
#define FLAG_NULL 1u
#define FLAG_MARKER 2u
#define FLAG_INLINE 4u
#define DELTA_BYTES 17u
#define GONE_BYTES 17u
#define EGRESS_DIRECTION_MAX 255u /* which of these are known is the meter's matter */
#define RECLAIM_IDS_MAX 65536u

static const char *const class_names[CLASS_COUNT] = {"STANDARD", "STANDARD_IA", "ARCHIVE", "DEEP_ARCHIVE"};

const char *class_name(enum storage_class c)
{
    HF_ASSERT(c < CLASS_COUNT);
    return class_names[c];
}

bool class_parse(struct view v, enum storage_class *ret)
{
    static const struct {
        const char *name;
        enum storage_class class;
    } others[] = {{"GLACIER", CLASS_ARCHIVE},
                  {"REDUCED_REDUNDANCY", CLASS_STANDARD},
                  {"INTELLIGENT_TIERING", CLASS_STANDARD},
                  {"ONEZONE_IA", CLASS_STANDARD_IA},
                  {"GLACIER_IR", CLASS_STANDARD_IA}};
    for (unsigned i = 0; i < CLASS_COUNT; i++) {
        if (view_eqs(v, class_names[i])) {
            *ret = (enum storage_class)i;
            return true;
        }
    }
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        if (view_eqs(v, others[i].name)) {
            *ret = others[i].class;
            return true;
        }
    }
    return false;
}

/* ---- encoding ---- */

static enum rc put_deltas(const struct cat_rec *r, struct buf *out)
{
    for (unsigned i = 0; i < r->n_delta; i++) {
        const struct cat_delta *d = &r->delta[i];
        uint8_t bytes[DELTA_BYTES];
        if (d->bytes == 0 && d->objects == 0)
            continue;
        bytes[0] = (uint8_t)d->class;
        le64_put(bytes + 1, (uint64_t)d->bytes);
        le64_put(bytes + 9, (uint64_t)d->objects);
        HF_TRY(tlv_put(out, T_DELTA, view_of(bytes, sizeof(bytes))));
    }
    return RC_OK;
}

static enum rc put_gone(const struct cat_rec *r, struct buf *out)
{
    for (unsigned i = 0; i < r->n_gone; i++) {
        uint8_t bytes[GONE_BYTES];
        bytes[0] = (uint8_t)r->gone[i].class;
        le64_put(bytes + 1, r->gone[i].size);
        le64_put(bytes + 9, (uint64_t)r->gone[i].created_ns);
        HF_TRY(tlv_put(out, T_GONE, view_of(bytes, sizeof(bytes))));
    }
    return RC_OK;
}

static enum rc put_extents(const struct cat_rec *r, struct buf *out)
{
    if (r->n_extents == 0)
        return RC_OK;
    struct buf packed = BUF((size_t)OBJECT_EXTENTS_MAX * EXTENT_PACKED);
    enum rc rc = cat_extent_pack(&packed, r->extents, r->n_extents);
    if (rc == RC_OK)
        rc = tlv_put(out, T_EXTENTS, buf_view(&packed));
    buf_free(&packed);
    return rc;
}

/* Parts are nearly always 1..n: one range. */
static enum rc put_part_ranges(const struct cat_rec *r, struct buf *out)
{
    struct buf ranges = BUF(8u * PARTS_MAX);
    enum rc rc = r->n_parts <= PARTS_MAX ? RC_OK : RC_LIMIT;
    for (size_t i = 0; rc == RC_OK && i < r->n_parts;) {
        size_t run = 1;
        while (i + run < r->n_parts && r->part_list[i + run] == r->part_list[i] + run)
            run++;
        uint8_t pair[8];
        le32_put(pair, r->part_list[i]);
        le32_put(pair + 4, (uint32_t)run);
        rc = buf_put(&ranges, pair, sizeof(pair));
        i += run;
    }
    if (rc == RC_OK)
        rc = cat_put_view(out, T_PART_RANGES, buf_view(&ranges));
    buf_free(&ranges);
    return rc;
}

static enum rc put_ids(struct buf *out, uint32_t tag, const uint64_t *ids, size_t n)
{
    if (n > RECLAIM_IDS_MAX)
        return RC_LIMIT;
    struct buf packed = BUF(8u * RECLAIM_IDS_MAX);
    enum rc rc = RC_OK;
    for (size_t i = 0; rc == RC_OK && i < n; i++) {
        uint8_t bytes[8];
        le64_put(bytes, ids[i]);
        rc = buf_put(&packed, bytes, sizeof(bytes));
    }
    if (rc == RC_OK)
        rc = cat_put_view(out, tag, buf_view(&packed));
    buf_free(&packed);
    return rc;
}

static enum rc put_object_fields(const struct cat_rec *r, struct buf *out)
{
    HF_TRY(cat_put_u64(out, T_SIZE, r->size));
    HF_TRY(cat_put_md5(out, T_MD5, r->etag_md5));
    HF_TRY(cat_put_u64(out, T_ETAG_PARTS, r->etag_parts));
    HF_TRY(cat_put_u64(out, T_CRC64, r->crc64ecma));
    HF_TRY(cat_put_checksum(out, T_CHECKSUM, &r->checksum));
    HF_TRY(cat_put_u64(out, T_CLASS, r->class));
    HF_TRY(cat_put_u64(out, T_VERSIONING, r->versioning));
    HF_TRY(cat_put_view(out, T_META, r->meta));
    HF_TRY(cat_put_view(out, T_TAGS, r->tags));
    return put_extents(r, out);
}

enum rc cat_rec_encode(const struct cat_rec *r, struct buf *out)
{
    HF_ASSERT(r->n_delta <= CLASS_COUNT && r->n_gone <= GONE_MAX);
    uint64_t flags =
        (r->null_version ? FLAG_NULL : 0) | (r->marker ? FLAG_MARKER : 0) | (r->has_inline ? FLAG_INLINE : 0);
    HF_TRY(cat_put_u64(out, T_ACCOUNT, r->account));
    HF_TRY(cat_put_u64(out, T_BUCKET, r->bucket));
    HF_TRY(cat_put_view(out, T_BUCKET_NAME, r->bucket_name));
    HF_TRY(cat_put_view(out, T_KEY, r->key));
    HF_TRY(cat_put_u64(out, T_VERSION, r->version));
    HF_TRY(cat_put_u64(out, T_FLAGS, flags));
    HF_TRY(put_object_fields(r, out));
    HF_TRY(cat_put_u64(out, T_UPLOAD, r->upload));
    HF_TRY(cat_put_u64(out, T_PART, r->part));
    HF_TRY(put_part_ranges(r, out));
    HF_TRY(cat_put_u64(out, T_REQUESTS, r->requests));
    HF_TRY(cat_put_u64(out, T_EGRESS, r->egress_bytes));
    HF_TRY(cat_put_view(out, T_ACTOR, r->actor));
    HF_TRY(put_deltas(r, out));
    HF_TRY(put_gone(r, out));
    HF_TRY(cat_put_u64(out, T_EGRESS_DIRECTION, r->egress));
    HF_TRY(put_ids(out, T_VOLUMES, r->volumes, r->n_volumes));
    return put_ids(out, T_SEGMENTS, r->segments, r->n_segments);
}

/* ---- decoding ---- */

static enum rc get_flags(struct view v, struct cat_rec *r)
{
    uint64_t flags;
    HF_TRY(tlv_u64(v, &flags));
    r->null_version = flags & FLAG_NULL;
    r->marker = flags & FLAG_MARKER;
    r->has_inline = flags & FLAG_INLINE;
    return RC_OK;
}

static enum rc get_text(struct view v, size_t max, struct view *ret)
{
    if (v.n > max)
        return RC_CORRUPT;
    *ret = v;
    return RC_OK;
}

static enum rc get_delta(struct view v, struct cat_rec *r)
{
    if (v.n != DELTA_BYTES || (uint8_t)v.p[0] >= CLASS_COUNT || r->n_delta >= CLASS_COUNT)
        return RC_CORRUPT;
    const uint8_t *p = (const uint8_t *)v.p;
    r->delta[r->n_delta++] = (struct cat_delta){
        .class = (enum storage_class)p[0], .bytes = (int64_t)le64_get(p + 1), .objects = (int64_t)le64_get(p + 9)};
    return RC_OK;
}

static enum rc get_gone(struct view v, struct cat_rec *r)
{
    if (v.n != GONE_BYTES || (uint8_t)v.p[0] == CLASS_STANDARD || (uint8_t)v.p[0] >= CLASS_COUNT ||
        r->n_gone >= GONE_MAX)
        return RC_CORRUPT;
    const uint8_t *p = (const uint8_t *)v.p;
    r->gone[r->n_gone++] = (struct cat_gone){
        .class = (enum storage_class)p[0], .size = le64_get(p + 1), .created_ns = (int64_t)le64_get(p + 9)};
    return RC_OK;
}

static enum rc get_extents(struct view v, struct arena *a, struct cat_rec *r)
{
    HF_TRY(cat_extent_check(v));
    size_t n = cat_extent_count(v);
    struct extent *x = arena_alloc(a, n * sizeof(*x));
    if (!x)
        return RC_NOMEM;
    for (size_t i = 0; i < n; i++)
        x[i] = cat_extent_at(v, i);
    r->extents = x;
    r->n_extents = n;
    return RC_OK;
}

static enum rc get_part_ranges(struct view v, struct arena *a, struct cat_rec *r)
{
    if (v.n == 0 || v.n % 8 != 0 || v.n > 8u * PARTS_MAX)
        return RC_CORRUPT;
    uint32_t *list = arena_alloc(a, PARTS_MAX * sizeof(*list));
    if (!list)
        return RC_NOMEM;
    uint32_t last = 0;
    size_t n = 0;
    for (size_t i = 0; i < v.n; i += 8) {
        uint32_t first = le32_get((const uint8_t *)v.p + i), run = le32_get((const uint8_t *)v.p + i + 4);
        if (first <= last || run == 0 || first > PARTS_MAX || run > PARTS_MAX - first + 1)
            return RC_CORRUPT;
        for (uint32_t k = 0; k < run; k++)
            list[n++] = first + k;
        last = first + run - 1;
    }
    r->part_list = list;
    r->n_parts = n;
    return RC_OK;
}

static enum rc get_ids(struct view v, struct arena *a, const uint64_t **ret, size_t *ret_n)
{
    if (v.n % 8 != 0 || v.n > 8u * RECLAIM_IDS_MAX)
        return RC_CORRUPT;
    uint64_t *ids = arena_alloc(a, v.n);
    if (!ids)
        return RC_NOMEM;
    for (size_t i = 0; i < v.n / 8; i++)
        ids[i] = le64_get((const uint8_t *)v.p + i * 8);
    *ret = ids;
    *ret_n = v.n / 8;
    return RC_OK;
}

static enum rc get_small(uint32_t tag, struct view v, struct cat_rec *r)
{
    uint64_t x = 0;
    HF_TRY(cat_get_bounded(v, tag == T_VERSIONING ? VERSIONING_SUSPENDED : PARTS_MAX, &x));
    if (tag == T_VERSIONING)
        r->versioning = (enum versioning)x;
    else if (tag == T_ETAG_PARTS)
        r->etag_parts = (uint32_t)x;
    else
        r->part = (uint32_t)x;
    return RC_OK;
}

static enum rc get_number(uint32_t tag, struct view v, struct cat_rec *r)
{
    switch (tag) {
    case T_ACCOUNT:
        return tlv_u64(v, &r->account);
    case T_BUCKET:
        return tlv_u64(v, &r->bucket);
    case T_VERSION:
        return tlv_u64(v, &r->version);
    case T_SIZE:
        return tlv_u64(v, &r->size);
    case T_CRC64:
        return tlv_u64(v, &r->crc64ecma);
    case T_UPLOAD:
        return tlv_u64(v, &r->upload);
    case T_REQUESTS:
        return tlv_u64(v, &r->requests);
    case T_EGRESS:
        return tlv_u64(v, &r->egress_bytes);
    default:
        return get_small(tag, v, r);
    }
}

static enum rc get_direction(struct view v, struct cat_rec *r)
{
    uint64_t x = 0;
    HF_TRY(cat_get_bounded(v, EGRESS_DIRECTION_MAX, &x));
    r->egress = (unsigned)x;
    return RC_OK;
}

static enum rc get_field(uint32_t tag, struct view v, struct arena *a, struct cat_rec *r)
{
    switch (tag) {
    case T_BUCKET_NAME:
        return get_text(v, BUCKET_NAME_MAX, &r->bucket_name);
    case T_KEY:
        return get_text(v, KEY_MAX, &r->key);
    case T_FLAGS:
        return get_flags(v, r);
    case T_MD5:
        return cat_get_md5(v, r->etag_md5);
    case T_CHECKSUM:
        return cat_get_checksum(v, &r->checksum);
    case T_CLASS:
        return cat_get_class(v, &r->class);
    case T_META:
        return get_text(v, REC_META_MAX, &r->meta);
    case T_TAGS:
        return get_text(v, REC_TEXT_MAX, &r->tags);
    case T_ACTOR:
        return get_text(v, REC_TEXT_MAX, &r->actor);
    case T_EXTENTS:
        return get_extents(v, a, r);
    case T_PART_RANGES:
        return get_part_ranges(v, a, r);
    case T_DELTA:
        return get_delta(v, r);
    case T_GONE:
        return get_gone(v, r);
    case T_EGRESS_DIRECTION:
        return get_direction(v, r);
    case T_VOLUMES:
        return get_ids(v, a, &r->volumes, &r->n_volumes);
    case T_SEGMENTS:
        return get_ids(v, a, &r->segments, &r->n_segments);
    default:
        return tag < T_SEGMENTS ? get_number(tag, v, r) : RC_OK; /* a later version's field */
    }
}

static bool body_adds_up(const struct cat_rec *r)
{
    uint64_t sum = 0;
    if (r->n_parts > 0) /* the parts' rows say */
        return r->n_extents == 0 && !r->has_inline && r->upload != 0;
    if (r->has_inline)
        return r->n_extents == 0 && r->size > 0 && r->size <= INLINE_SIZE_MAX;
    for (size_t i = 0; i < r->n_extents; i++) {
        uint64_t length = r->extents[i].length;
        if (r->extents[i].kind != EXTENT_VOLUME || length == 0 || length > EXTENT_SIZE_MAX)
            return false;
        sum += length;
    }
    return sum == r->size;
}

static bool rec_whole(const struct cat_rec *r)
{
    switch (r->type) {
    case REC_BUCKET:
        return r->bucket_name.n > 0;
    case REC_BUCKET_DELETE:
    case REC_BUCKET_SET:
        return r->bucket != 0 && r->bucket_name.n > 0;
    case REC_OBJECT:
        return r->bucket != 0 && r->key.n > 0 && body_adds_up(r);
    case REC_DELETE:
    case REC_OBJECT_SET:
    case REC_UPLOAD:
        return r->bucket != 0 && r->key.n > 0;
    case REC_PART:
        return r->bucket != 0 && r->upload != 0 && r->part != 0 && r->n_parts == 0 && body_adds_up(r);
    case REC_UPLOAD_ABORT:
        return r->bucket != 0 && r->key.n > 0 && r->upload != 0;
    case REC_RECLAIM:
        return true;
    default:
        return false;
    }
}

enum rc cat_rec_decode(enum rec_type type, struct view payload, struct arena *a, struct cat_rec *ret)
{
    struct cat_rec r = {.type = type};
    struct tlv t = {payload};
    uint32_t tag;
    struct view v;
    enum rc rc;
    while ((rc = tlv_next(&t, &tag, &v)) == RC_OK)
        HF_TRY(get_field(tag, v, a, &r));
    if (rc != RC_END)
        return rc;
    if (!rec_whole(&r))
        return RC_CORRUPT;
    *ret = r;
    return RC_OK;
}
