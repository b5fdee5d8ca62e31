/* Applying what happens to versions.
 *
 * Invariants (tests/unit/test_catalog.c, test_catalog_list.c):
 *  C1 FAM_CURRENT holds a key's newest version exactly when it is no delete marker; all others are in FAM_VERSION
 *  C2 a key has at most one null version; FAM_NULL names it exactly when it is in FAM_VERSION
 *  C3 every extent of every version and part is counted in FAM_SPACE, and no other */
#include "catalog/cat_priv.h"

/* ---- the older versions of a key ---- */

static enum rc version_put(struct cat_txn *t, const struct cat_rec *r, const struct cat_row *row, struct view value)
{
    struct cat_key k;
    cat_key_version(&k, r->bucket, r->key, row->seq);
    HF_TRY(cat_txn_put(t, FAM_VERSION, &k, value));
    if (!row->null_version)
        return RC_OK;
    uint8_t seq[8];
    be64_put(seq, row->seq);
    cat_key_object(&k, r->bucket, r->key);
    return cat_txn_put(t, FAM_NULL, &k, view_of(seq, sizeof(seq)));
}

/* The row leaves FAM_VERSION; its bodies are another matter. */
static enum rc version_take(struct cat_txn *t, const struct cat_rec *r, uint64_t seq, bool null_version)
{
    struct cat_key k;
    cat_key_version(&k, r->bucket, r->key, seq);
    HF_TRY(cat_txn_delete(t, FAM_VERSION, &k));
    if (!null_version)
        return RC_OK;
    cat_key_object(&k, r->bucket, r->key);
    return cat_txn_delete(t, FAM_NULL, &k);
}

/* The null version goes, when it is an older one; none is fine. */
static enum rc null_drop(struct cat_txn *t, const struct cat_rec *r, int64_t now_ns)
{
    struct cat_row row;
    bool current;
    enum rc rc = cat_txn_find(t, r->bucket, r->key, 0, true, &row, &current);
    if (rc == RC_NOT_FOUND || (rc == RC_OK && current))
        return RC_OK;
    if (rc != RC_OK)
        return rc;
    HF_TRY(cat_row_die(t, &row, now_ns));
    return version_take(t, r, row.seq, true);
}

static enum rc current_delete(struct cat_txn *t, const struct cat_rec *r)
{
    struct cat_key k;
    cat_key_object(&k, r->bucket, r->key);
    HF_ASSERT(t->objects > 0);
    t->objects--;
    return cat_txn_delete(t, FAM_CURRENT, &k);
}

/* The newest version makes room for a newer one: a null version that a null version replaces dies, any other becomes
 * an older version. */
static enum rc current_retire(struct cat_txn *t, const struct cat_rec *r, int64_t now_ns, bool *ret_had)
{
    struct cat_row cur;
    enum rc rc = cat_txn_current(t, r->bucket, r->key, &cur);
    *ret_had = rc == RC_OK;
    if (rc == RC_OK && r->null_version && cur.null_version)
        return cat_row_die(t, &cur, now_ns);
    if (rc == RC_OK)
        HF_TRY(version_put(t, r, &cur, buf_view(&t->memo.value)));
    else if (rc != RC_NOT_FOUND)
        return rc;
    /* A bucket that never kept versions has no older ones to look for. */
    return r->null_version && r->versioning != VERSIONING_OFF ? null_drop(t, r, now_ns) : RC_OK;
}

/* ---- put ---- */

/* Extents and part sizes of the new version, packed in t->extents and t->layout. */
static enum rc object_layout(struct cat_txn *t, const struct journal_rec *rec, const struct cat_rec *r)
{
    buf_clear(&t->extents);
    buf_clear(&t->layout);
    if (r->n_parts > 0)
        return cat_apply_complete(t, rec, r, &t->extents, &t->layout);
    HF_TRY(cat_rec_extents(rec, r, &t->extents));
    return cat_extents_born(t, buf_view(&t->extents));
}

static enum rc layout_put(struct cat_txn *t, struct cat_row *row)
{
    row->extents = buf_view(&t->extents);
    if (t->layout.n == 0 && cat_extent_count(row->extents) <= ROW_EXTENTS_MAX)
        return RC_OK;
    struct cat_layout l = {row->extents, buf_view(&t->layout)};
    struct cat_key k;
    cat_key_u64(&k, row->seq);
    HF_TRY(cat_layout_encode(&l, &t->row));
    row->extents = VIEW("");
    row->layout_apart = true;
    return cat_txn_put(t, FAM_LAYOUT, &k, buf_view(&t->row));
}

enum rc cat_apply_object(struct cat_txn *t, const struct journal_rec *rec, const struct cat_rec *r)
{
    bool had;
    HF_TRY(current_retire(t, r, rec->time_ns, &had));
    HF_TRY(object_layout(t, rec, r));
    struct cat_row row = {.seq = rec->seq,
                          .null_version = r->null_version,
                          .size = r->size,
                          .modified_ns = rec->time_ns,
                          .etag_parts = r->etag_parts,
                          .crc64ecma = r->crc64ecma,
                          .checksum = r->checksum,
                          .class = r->class,
                          .meta = r->meta,
                          .tags = r->tags,
                          .upload = r->upload};
    struct cat_key k;
    memcpy(row.etag_md5, r->etag_md5, sizeof(row.etag_md5));
    HF_TRY(layout_put(t, &row));
    HF_TRY(cat_row_encode(&row, &t->row));
    cat_key_object(&k, r->bucket, r->key);
    t->objects += !had;
    return cat_txn_put(t, FAM_CURRENT, &k, buf_view(&t->row));
}

/* ---- delete ---- */

static enum rc marker_make(struct cat_txn *t, const struct journal_rec *rec, const struct cat_rec *r)
{
    struct cat_row row = {
        .seq = rec->seq, .null_version = r->null_version, .marker = true, .modified_ns = rec->time_ns};
    bool had;
    HF_TRY(current_retire(t, r, rec->time_ns, &had));
    if (had)
        HF_TRY(current_delete(t, r));
    HF_TRY(cat_row_encode(&row, &t->row));
    return version_put(t, r, &row, buf_view(&t->row));
}

/* There is no current version now: the newest of the others takes its place, unless it is a marker. */
static enum rc promote(struct cat_txn *t, const struct cat_rec *r)
{
    struct cat_key k;
    struct kv_iter *it;
    struct view key, value;
    struct cat_row row = {0};
    cat_key_object(&k, r->bucket, r->key);
    HF_TRY(kv_txn_iter(t->kv, FAM_VERSION, cat_key_view(&k), &it));
    enum rc rc = kv_iter_next(it, &key, &value);
    if (rc == RC_OK)
        rc = cat_row_decode(value, &row);
    if (rc == RC_OK && !row.marker)
        rc = cat_txn_put(t, FAM_CURRENT, &k, value);
    kv_iter_free(it);
    if (rc != RC_OK || row.marker)
        return rc == RC_END ? RC_OK : rc;
    t->objects++;
    return version_take(t, r, row.seq, row.null_version);
}

static enum rc version_remove(struct cat_txn *t, const struct journal_rec *rec, const struct cat_rec *r)
{
    struct cat_row row, cur;
    bool current;
    HF_TRY(cat_txn_find(t, r->bucket, r->key, r->version, r->null_version, &row, &current));
    HF_TRY(cat_row_die(t, &row, rec->time_ns));
    if (current) {
        HF_TRY(current_delete(t, r));
        return r->versioning == VERSIONING_OFF ? RC_OK : promote(t, r);
    }
    HF_TRY(version_take(t, r, row.seq, row.null_version));
    enum rc rc = cat_txn_current(t, r->bucket, r->key, &cur);
    return rc == RC_NOT_FOUND ? promote(t, r) : rc;
}

enum rc cat_apply_delete(struct cat_txn *t, const struct journal_rec *rec, const struct cat_rec *r)
{
    return r->marker ? marker_make(t, rec, r) : version_remove(t, rec, r);
}

/* ---- tags ---- */

enum rc cat_apply_object_set(struct cat_txn *t, const struct journal_rec *rec, const struct cat_rec *r)
{
    struct cat_row row;
    struct cat_key k;
    bool current;
    HF_ASSERT(rec->type == REC_OBJECT_SET);
    HF_TRY(cat_txn_find(t, r->bucket, r->key, r->version, r->null_version, &row, &current));
    row.tags = r->tags;
    HF_TRY(cat_row_encode(&row, &t->row));
    if (current)
        cat_key_object(&k, r->bucket, r->key);
    else
        cat_key_version(&k, r->bucket, r->key, row.seq);
    return cat_txn_put(t, current ? FAM_CURRENT : FAM_VERSION, &k, buf_view(&t->row));
}
