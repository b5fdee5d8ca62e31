/* Values of the catalog's rows, as tagged fields. Zero and empty fields are not written; unknown ones are skipped. */
#include "catalog/cat_priv.h"

/* ---- versions ---- */
enum row_tag {
    R_SEQ = 1,
    R_FLAGS = 2,
    R_SIZE = 3,
    R_MODIFIED = 4,
    R_MD5 = 5,
    R_ETAG_PARTS = 6,
    R_CRC64 = 7,
    R_CHECKSUM = 8,
    R_CLASS = 9,
    R_META = 10,
    R_TAGS = 11,
    R_EXTENTS = 12,
    R_UPLOAD = 13,
};
#define ROW_NULL 1u
#define ROW_MARKER 2u
#define ROW_LAYOUT_APART 4u

enum rc cat_row_encode(const struct cat_row *r, struct buf *out)
{
    uint64_t flags =
        (r->null_version ? ROW_NULL : 0) | (r->marker ? ROW_MARKER : 0) | (r->layout_apart ? ROW_LAYOUT_APART : 0);
    buf_clear(out);
    HF_TRY(tlv_put_u64(out, R_SEQ, r->seq));
    HF_TRY(cat_put_u64(out, R_FLAGS, flags));
    HF_TRY(cat_put_u64(out, R_SIZE, r->size));
    HF_TRY(tlv_put_i64(out, R_MODIFIED, r->modified_ns));
    HF_TRY(cat_put_md5(out, R_MD5, r->etag_md5));
    HF_TRY(cat_put_u64(out, R_ETAG_PARTS, r->etag_parts));
    HF_TRY(cat_put_u64(out, R_CRC64, r->crc64ecma));
    HF_TRY(cat_put_checksum(out, R_CHECKSUM, &r->checksum));
    HF_TRY(cat_put_u64(out, R_CLASS, r->class));
    HF_TRY(cat_put_view(out, R_META, r->meta));
    HF_TRY(cat_put_view(out, R_TAGS, r->tags));
    HF_TRY(cat_put_view(out, R_EXTENTS, r->extents));
    return cat_put_u64(out, R_UPLOAD, r->upload);
}

static enum rc row_flags(struct view v, struct cat_row *r)
{
    uint64_t flags;
    HF_TRY(tlv_u64(v, &flags));
    r->null_version = flags & ROW_NULL;
    r->marker = flags & ROW_MARKER;
    r->layout_apart = flags & ROW_LAYOUT_APART;
    return RC_OK;
}

static enum rc row_etag_parts(struct view v, struct cat_row *r)
{
    uint64_t n;
    HF_TRY(cat_get_bounded(v, PARTS_MAX, &n));
    r->etag_parts = (uint32_t)n;
    return RC_OK;
}

static enum rc row_field(uint32_t tag, struct view v, struct cat_row *r)
{
    switch (tag) {
    case R_SEQ:
        return tlv_u64(v, &r->seq);
    case R_FLAGS:
        return row_flags(v, r);
    case R_SIZE:
        return tlv_u64(v, &r->size);
    case R_MODIFIED:
        return tlv_i64(v, &r->modified_ns);
    case R_MD5:
        return cat_get_md5(v, r->etag_md5);
    case R_ETAG_PARTS:
        return row_etag_parts(v, r);
    case R_CRC64:
        return tlv_u64(v, &r->crc64ecma);
    case R_CHECKSUM:
        return cat_get_checksum(v, &r->checksum);
    case R_CLASS:
        return cat_get_class(v, &r->class);
    case R_META:
        r->meta = v;
        return RC_OK;
    case R_TAGS:
        r->tags = v;
        return RC_OK;
    case R_EXTENTS:
        r->extents = v;
        return cat_extent_check(v);
    case R_UPLOAD:
        return tlv_u64(v, &r->upload);
    default:
        return RC_OK;
    }
}

enum rc cat_row_decode(struct view v, struct cat_row *ret)
{
    struct cat_row r = {0};
    struct tlv t = {v};
    uint32_t tag;
    struct view field;
    enum rc rc;
    while ((rc = tlv_next(&t, &tag, &field)) == RC_OK)
        HF_TRY(row_field(tag, field, &r));
    if (rc != RC_END || r.seq == 0)
        return RC_CORRUPT;
    *ret = r;
    return RC_OK;
}

/* ---- layouts ---- */
enum layout_tag { L_EXTENTS = 1, L_PART_SIZES = 2 };

enum rc cat_layout_encode(const struct cat_layout *l, struct buf *out)
{
    buf_clear(out);
    HF_TRY(cat_put_view(out, L_EXTENTS, l->extents));
    return cat_put_view(out, L_PART_SIZES, l->part_sizes);
}

enum rc cat_layout_decode(struct view v, struct cat_layout *ret)
{
    struct cat_layout l = {{NULL, 0}, {NULL, 0}};
    struct tlv t = {v};
    uint32_t tag;
    struct view field;
    enum rc rc;
    while ((rc = tlv_next(&t, &tag, &field)) == RC_OK) {
        if (tag == L_EXTENTS)
            l.extents = field;
        else if (tag == L_PART_SIZES)
            l.part_sizes = field;
    }
    if (rc != RC_END || cat_extent_check(l.extents) != RC_OK || l.part_sizes.n % 8 != 0)
        return RC_CORRUPT;
    *ret = l;
    return RC_OK;
}

/* ---- buckets ---- */
enum bucket_tag { B_ID = 1, B_ACCOUNT = 2, B_CREATED = 3, B_VERSIONING = 4, B_TAGS = 5 };

enum rc cat_bucket_encode(const struct cat_bucket_row *b, struct buf *out)
{
    buf_clear(out);
    HF_TRY(tlv_put_u64(out, B_ID, b->id));
    HF_TRY(cat_put_u64(out, B_ACCOUNT, b->account));
    HF_TRY(tlv_put_i64(out, B_CREATED, b->created_ns));
    HF_TRY(cat_put_u64(out, B_VERSIONING, b->versioning));
    return cat_put_view(out, B_TAGS, b->tags);
}

static enum rc bucket_field(uint32_t tag, struct view v, struct cat_bucket_row *b)
{
    uint64_t x = 0;
    switch (tag) {
    case B_ID:
        return tlv_u64(v, &b->id);
    case B_ACCOUNT:
        return tlv_u64(v, &b->account);
    case B_CREATED:
        return tlv_i64(v, &b->created_ns);
    case B_VERSIONING:
        HF_TRY(cat_get_bounded(v, VERSIONING_SUSPENDED, &x));
        b->versioning = (enum versioning)x;
        return RC_OK;
    case B_TAGS:
        b->tags = v;
        return RC_OK;
    default:
        return RC_OK;
    }
}

enum rc cat_bucket_decode(struct view v, struct cat_bucket_row *ret)
{
    struct cat_bucket_row b = {0};
    struct tlv t = {v};
    uint32_t tag;
    struct view field;
    enum rc rc;
    while ((rc = tlv_next(&t, &tag, &field)) == RC_OK)
        HF_TRY(bucket_field(tag, field, &b));
    if (rc != RC_END || b.id == 0)
        return RC_CORRUPT;
    *ret = b;
    return RC_OK;
}

/* ---- uploads ---- */
enum upload_tag { U_CREATED = 1, U_CLASS = 2, U_META = 3, U_TAGS = 4, U_CHECKSUM = 5 };

enum rc cat_upload_encode(const struct cat_upload_row *u, struct buf *out)
{
    buf_clear(out);
    HF_TRY(tlv_put_i64(out, U_CREATED, u->created_ns));
    HF_TRY(cat_put_u64(out, U_CLASS, u->class));
    HF_TRY(cat_put_view(out, U_META, u->meta));
    HF_TRY(cat_put_view(out, U_TAGS, u->tags));
    return cat_put_checksum(out, U_CHECKSUM, &u->checksum);
}

static enum rc upload_field(uint32_t tag, struct view v, struct cat_upload_row *u)
{
    switch (tag) {
    case U_CREATED:
        return tlv_i64(v, &u->created_ns);
    case U_CLASS:
        return cat_get_class(v, &u->class);
    case U_META:
        u->meta = v;
        return RC_OK;
    case U_TAGS:
        u->tags = v;
        return RC_OK;
    case U_CHECKSUM:
        return cat_get_checksum(v, &u->checksum);
    default:
        return RC_OK;
    }
}

enum rc cat_upload_decode(struct view v, struct cat_upload_row *ret)
{
    struct cat_upload_row u = {0};
    struct tlv t = {v};
    uint32_t tag;
    struct view field;
    enum rc rc;
    while ((rc = tlv_next(&t, &tag, &field)) == RC_OK)
        HF_TRY(upload_field(tag, field, &u));
    if (rc != RC_END)
        return RC_CORRUPT;
    *ret = u;
    return RC_OK;
}

/* ---- parts ---- */
enum part_tag { P_SIZE = 1, P_MD5 = 2, P_CRC64 = 3, P_CHECKSUM = 4, P_MODIFIED = 5, P_EXTENTS = 6 };

enum rc cat_part_encode(const struct cat_part_row *p, struct buf *out)
{
    buf_clear(out);
    HF_TRY(cat_put_u64(out, P_SIZE, p->size));
    HF_TRY(cat_put_md5(out, P_MD5, p->md5));
    HF_TRY(cat_put_u64(out, P_CRC64, p->crc64ecma));
    HF_TRY(cat_put_checksum(out, P_CHECKSUM, &p->checksum));
    HF_TRY(tlv_put_i64(out, P_MODIFIED, p->modified_ns));
    return cat_put_view(out, P_EXTENTS, p->extents);
}

static enum rc part_field(uint32_t tag, struct view v, struct cat_part_row *p)
{
    switch (tag) {
    case P_SIZE:
        return tlv_u64(v, &p->size);
    case P_MD5:
        return cat_get_md5(v, p->md5);
    case P_CRC64:
        return tlv_u64(v, &p->crc64ecma);
    case P_CHECKSUM:
        return cat_get_checksum(v, &p->checksum);
    case P_MODIFIED:
        return tlv_i64(v, &p->modified_ns);
    case P_EXTENTS:
        p->extents = v;
        return cat_extent_check(v);
    default:
        return RC_OK;
    }
}

enum rc cat_part_decode(struct view v, struct cat_part_row *ret)
{
    struct cat_part_row p = {0};
    struct tlv t = {v};
    uint32_t tag;
    struct view field;
    enum rc rc;
    while ((rc = tlv_next(&t, &tag, &field)) == RC_OK)
        HF_TRY(part_field(tag, field, &p));
    if (rc != RC_END)
        return RC_CORRUPT;
    *ret = p;
    return RC_OK;
}
