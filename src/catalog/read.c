/* Reads: buckets, versions with their layout, uploads, parts. */
#include "catalog/cat_priv.h"

#include <stdlib.h>

#define BUCKETS_LISTED_MAX 100000u

static enum rc dup(struct arena *a, struct view v, struct view *ret)
{
    struct view kept = arena_dup(a, v);
    if (!kept.p)
        return RC_NOMEM;
    *ret = kept;
    return RC_OK;
}

/* ---- buckets ---- */

static enum rc bucket_fill(struct view name, struct view value, struct arena *a, struct cat_bucket *ret)
{
    struct cat_bucket_row row;
    HF_TRY(cat_bucket_decode(value, &row));
    struct cat_bucket b = {
        .id = row.id, .account = row.account, .created_ns = row.created_ns, .versioning = row.versioning};
    if (!view_copy(name, b.name, sizeof(b.name)))
        return RC_CORRUPT;
    HF_TRY(dup(a, row.tags, &b.tags));
    *ret = b;
    return RC_OK;
}

enum rc cat_get_bucket(struct cat *c, struct view name, struct arena *a, struct cat_bucket *ret)
{
    struct buf value = BUF(KV_VALUE_MAX);
    if (name.n == 0 || name.n > BUCKET_NAME_MAX)
        return RC_NOT_FOUND;
    enum rc rc = cat_read_row(c, FAM_BUCKET, name, &value);
    if (rc == RC_OK)
        rc = bucket_fill(name, buf_view(&value), a, ret);
    buf_free(&value);
    return rc;
}

static enum rc bucket_append(struct view name, struct view value, uint64_t account, struct arena *a, struct buf *list)
{
    struct cat_bucket_row row;
    struct cat_bucket b;
    HF_TRY(cat_bucket_decode(value, &row));
    if (row.account != account)
        return RC_OK;
    HF_TRY(bucket_fill(name, value, a, &b));
    return buf_put(list, &b, sizeof(b));
}

enum rc cat_list_buckets(struct cat *c, uint64_t account, struct arena *a, struct cat_bucket **ret, size_t *ret_n)
{
    struct buf list = BUF(BUCKETS_LISTED_MAX * sizeof(struct cat_bucket));
    struct kv_iter *it;
    struct view k, v;
    HF_TRY(kv_iter_new(c->kv, NULL, FAM_BUCKET, VIEW(""), &it));
    enum rc rc;
    while ((rc = kv_iter_next(it, &k, &v)) == RC_OK) {
        rc = bucket_append(k, v, account, a, &list);
        if (rc != RC_OK)
            break;
    }
    kv_iter_free(it);
    if (rc == RC_END) {
        struct view kept;
        rc = dup(a, buf_view(&list), &kept);
        if (rc == RC_OK) {
            *ret = (struct cat_bucket *)kept.p;
            *ret_n = list.n / sizeof(struct cat_bucket);
        }
    }
    buf_free(&list);
    return rc;
}

/* ---- versions ---- */

enum rc cat_version_fill(const struct cat_row *row, bool want_meta, struct arena *a, struct cat_version *ret)
{
    struct cat_version v = {.seq = row->seq,
                            .null_version = row->null_version,
                            .marker = row->marker,
                            .size = row->size,
                            .modified_ns = row->modified_ns,
                            .etag_parts = row->etag_parts,
                            .crc64ecma = row->crc64ecma,
                            .checksum = row->checksum,
                            .class = row->class};
    memcpy(v.etag_md5, row->etag_md5, sizeof(v.etag_md5));
    if (want_meta) {
        HF_TRY(dup(a, row->meta, &v.meta));
        HF_TRY(dup(a, row->tags, &v.tags));
    }
    *ret = v;
    return RC_OK;
}

/* A read that needs more than one row looks at one moment. */
struct reader {
    struct cat *c;
    struct kv_snap *snap; /* NULL = now */
    uint64_t bucket;
    struct view key;
    struct buf value; /* of the row found */
};

static enum rc get_current(struct reader *r, struct cat_row *ret)
{
    struct cat_key k;
    cat_key_object(&k, r->bucket, r->key);
    buf_clear(&r->value);
    HF_TRY(r->snap ? kv_get(r->c->kv, r->snap, FAM_CURRENT, cat_key_view(&k), &r->value)
                   : cat_read_row(r->c, FAM_CURRENT, cat_key_view(&k), &r->value));
    return cat_row_decode(buf_view(&r->value), ret);
}

static enum rc get_version(struct reader *r, uint64_t seq, struct cat_row *ret)
{
    struct cat_key k;
    cat_key_version(&k, r->bucket, r->key, seq);
    buf_clear(&r->value);
    HF_TRY(kv_get(r->c->kv, r->snap, FAM_VERSION, cat_key_view(&k), &r->value));
    return cat_row_decode(buf_view(&r->value), ret);
}

static enum rc get_newest_version(struct reader *r, struct cat_row *ret)
{
    struct cat_key k;
    struct kv_iter *it;
    struct view key, value;
    cat_key_object(&k, r->bucket, r->key);
    HF_TRY(kv_iter_new(r->c->kv, r->snap, FAM_VERSION, cat_key_view(&k), &it));
    enum rc rc = kv_iter_next(it, &key, &value);
    buf_clear(&r->value);
    if (rc == RC_OK)
        rc = buf_putv(&r->value, value);
    kv_iter_free(it);
    if (rc == RC_OK)
        rc = cat_row_decode(buf_view(&r->value), ret);
    return rc == RC_END ? RC_NOT_FOUND : rc;
}

static enum rc get_null(struct reader *r, struct cat_row *ret)
{
    struct cat_key k;
    cat_key_object(&k, r->bucket, r->key);
    buf_clear(&r->value);
    HF_TRY(kv_get(r->c->kv, r->snap, FAM_NULL, cat_key_view(&k), &r->value));
    if (r->value.n != 8)
        return RC_CORRUPT;
    return get_version(r, be64_get((const uint8_t *)r->value.p), ret);
}

static bool wanted(const struct cat_row *row, const struct cat_want *w)
{
    if (w->any_latest)
        return true;
    return w->null_version ? row->null_version : !row->null_version && row->seq == w->seq;
}

static enum rc get_row(struct reader *r, const struct cat_want *w, struct cat_row *ret, bool *ret_latest)
{
    enum rc rc = get_current(r, ret);
    *ret_latest = true;
    if (rc != RC_NOT_FOUND && (rc != RC_OK || wanted(ret, w)))
        return rc;
    *ret_latest = w->any_latest;
    if (w->any_latest)
        return get_newest_version(r, ret);
    HF_TRY(w->null_version ? get_null(r, ret) : get_version(r, w->seq, ret));
    return wanted(ret, w) ? RC_OK : RC_NOT_FOUND;
}

static enum rc extents_fill(struct view packed, struct arena *a, struct cat_version *v)
{
    size_t n = cat_extent_count(packed);
    struct extent *x = arena_alloc(a, n * sizeof(*x));
    if (!x)
        return RC_NOMEM;
    for (size_t i = 0; i < n; i++)
        x[i] = cat_extent_at(packed, i);
    v->extents = x;
    v->n_extents = n;
    return RC_OK;
}

static enum rc sizes_fill(struct view packed, struct arena *a, struct cat_version *v)
{
    uint64_t *sizes = arena_alloc(a, packed.n);
    if (!sizes)
        return RC_NOMEM;
    for (size_t i = 0; i < packed.n / 8; i++)
        sizes[i] = le64_get((const uint8_t *)packed.p + i * 8);
    v->part_sizes = sizes;
    v->n_parts = packed.n / 8;
    return RC_OK;
}

static enum rc layout_fill(struct reader *r, const struct cat_row *row, struct arena *a, struct cat_version *v)
{
    if (!row->layout_apart)
        return extents_fill(row->extents, a, v);
    struct buf value = BUF(KV_VALUE_MAX);
    struct cat_layout l;
    struct cat_key k;
    cat_key_u64(&k, row->seq);
    enum rc rc = kv_get(r->c->kv, r->snap, FAM_LAYOUT, cat_key_view(&k), &value);
    if (rc == RC_NOT_FOUND)
        rc = RC_CORRUPT;
    if (rc == RC_OK)
        rc = cat_layout_decode(buf_view(&value), &l);
    if (rc == RC_OK)
        rc = extents_fill(l.extents, a, v);
    if (rc == RC_OK)
        rc = sizes_fill(l.part_sizes, a, v);
    buf_free(&value);
    return rc;
}

static enum rc version_make(struct reader *r, const struct cat_row *row, const struct cat_want *w, bool latest,
                            struct arena *a, struct cat_version *ret)
{
    struct cat_version v;
    HF_TRY(cat_version_fill(row, true, a, &v));
    if (w->layout)
        HF_TRY(layout_fill(r, row, a, &v));
    HF_TRY(dup(a, r->key, &v.key));
    v.latest = latest;
    *ret = v;
    return RC_OK;
}

static enum rc get_from_snapshot(struct reader *r, const struct cat_want *w, struct arena *a, struct cat_version *ret)
{
    struct cat_row row;
    bool latest;
    HF_TRY(kv_snap_new(r->c->kv, &r->snap));
    enum rc rc = get_row(r, w, &row, &latest);
    if (rc == RC_OK)
        rc = version_make(r, &row, w, latest, a, ret);
    kv_snap_free(r->c->kv, r->snap);
    return rc;
}

enum rc cat_get_object(struct cat *c, uint64_t bucket, struct view key, struct cat_want want, struct arena *a,
                       struct cat_version *ret)
{
    struct reader r = {.c = c, .bucket = bucket, .key = key, .value = BUF(KV_VALUE_MAX)};
    struct cat_row row;
    if (key.n > KEY_MAX)
        return RC_NOT_FOUND;
    /* The usual read is of one row, which needs no snapshot. */
    enum rc rc = get_current(&r, &row);
    if (rc == RC_OK && wanted(&row, &want) && !(want.layout && row.layout_apart))
        rc = version_make(&r, &row, &want, true, a, ret);
    else if (rc == RC_OK || rc == RC_NOT_FOUND)
        rc = get_from_snapshot(&r, &want, a, ret);
    buf_free(&r.value);
    return rc;
}

/* ---- uploads and parts ---- */

static enum rc upload_fill(struct view value, struct arena *a, struct cat_upload *ret)
{
    struct cat_upload_row row;
    HF_TRY(cat_upload_decode(value, &row));
    ret->created_ns = row.created_ns;
    ret->class = row.class;
    ret->checksum_kind = row.checksum.kind;
    ret->checksum_composite = row.checksum.composite;
    HF_TRY(dup(a, row.meta, &ret->meta));
    return dup(a, row.tags, &ret->tags);
}

enum rc cat_get_upload(struct cat *c, uint64_t bucket, struct view key, uint64_t upload, struct arena *a,
                       struct cat_upload *ret)
{
    struct buf value = BUF(KV_VALUE_MAX);
    struct cat_upload u = {.seq = upload};
    struct cat_key k;
    if (key.n > KEY_MAX)
        return RC_NOT_FOUND;
    cat_key_upload(&k, bucket, key, upload);
    enum rc rc = kv_get(c->kv, NULL, FAM_UPLOAD, cat_key_view(&k), &value);
    if (rc == RC_OK)
        rc = upload_fill(buf_view(&value), a, &u);
    if (rc == RC_OK)
        rc = dup(a, key, &u.key);
    buf_free(&value);
    if (rc == RC_OK)
        *ret = u;
    return rc;
}

static enum rc part_fill(struct view k, struct view v, struct cat_part_info *ret)
{
    struct cat_part_row p;
    uint8_t wide[8] = {0};
    if (k.n != 12)
        return RC_CORRUPT;
    HF_TRY(cat_part_decode(v, &p));
    memcpy(wide + 4, k.p + 8, 4);
    *ret = (struct cat_part_info){
        .number = (uint32_t)be64_get(wide), .size = p.size, .checksum = p.checksum, .modified_ns = p.modified_ns};
    memcpy(ret->md5, p.md5, sizeof(ret->md5));
    return RC_OK;
}

static enum rc parts_read(struct kv_iter *it, const struct cat_key *from, struct cat_part_info *list, unsigned max,
                          size_t *n, bool *truncated)
{
    struct view k, v;
    enum rc rc = kv_iter_seek(it, cat_key_view(from), &k, &v);
    while (rc == RC_OK && *n < max) {
        HF_TRY(part_fill(k, v, &list[*n]));
        ++*n;
        rc = kv_iter_next(it, &k, &v);
    }
    *truncated = rc == RC_OK && max > 0;
    return rc == RC_END ? RC_OK : rc;
}

enum rc cat_list_parts(struct cat *c, uint64_t upload, uint32_t after, unsigned max, struct arena *a,
                       struct cat_part_info **ret, size_t *ret_n, bool *ret_truncated)
{
    struct cat_key prefix, from;
    struct kv_iter *it;
    size_t n = 0;
    bool truncated = false;
    if (max > CAT_LIST_MAX)
        max = CAT_LIST_MAX;
    struct cat_part_info *list = arena_alloc(a, max * sizeof(*list));
    if (!list)
        return RC_NOMEM;
    cat_key_u64(&prefix, upload);
    cat_key_part(&from, upload, after < PARTS_MAX ? after + 1 : PARTS_MAX + 1);
    HF_TRY(kv_iter_new(c->kv, NULL, FAM_PART, cat_key_view(&prefix), &it));
    enum rc rc = parts_read(it, &from, list, max, &n, &truncated);
    kv_iter_free(it);
    if (rc != RC_OK)
        return rc;
    *ret = list;
    *ret_n = n;
    *ret_truncated = truncated;
    return RC_OK;
}
