/* Deciding about buckets and about space to be given back. */
#include "catalog/cat_priv.h"

/* Deleting a bucket drops its unfinished uploads in one record; a bucket with more is not called empty. */
#define DROP_UPLOADS_MAX 1000u
#define DROP_PARTS_MAX 100000u

enum rc cat_decide_bucket_create(struct cat_txn *t, const struct cat_op *op, struct cat_rec *r, struct cat_done *done)
{
    const struct cat_txn_bucket *b;
    if (op->bucket.n == 0 || op->bucket.n > BUCKET_NAME_MAX)
        return RC_LIMIT;
    enum rc rc = cat_txn_bucket(t, op->bucket, &b);
    if (rc == RC_OK)
        return cat_refuse(done, b->account == op->account ? CAT_BUCKET_OWNED_BY_YOU : CAT_BUCKET_EXISTS);
    if (rc != RC_NOT_FOUND)
        return rc;
    struct cat_txn_bucket fresh = {.account = op->account};
    cat_rec_start(r, REC_BUCKET, op, &fresh);
    r->key = VIEW("");
    r->tags = op->tags;
    return RC_OK;
}

static enum rc family_empty(struct cat_txn *t, enum cat_family f, uint64_t bucket, bool *ret)
{
    struct cat_key prefix;
    struct kv_iter *it;
    struct view k, v;
    cat_key_u64(&prefix, bucket);
    HF_TRY(kv_txn_iter(t->kv, f, cat_key_view(&prefix), &it));
    enum rc rc = kv_iter_next(it, &k, &v);
    kv_iter_free(it);
    if (rc != RC_OK && rc != RC_END)
        return rc;
    *ret = rc == RC_END;
    return RC_OK;
}

static enum rc upload_freed(struct cat_txn *t, struct view k, struct view v, struct cat_rec *r, uint64_t *parts)
{
    struct cat_upload_row u;
    uint64_t bytes, n;
    if (k.n < 8)
        return RC_CORRUPT;
    HF_TRY(cat_upload_decode(v, &u));
    HF_TRY(cat_parts_bytes(t, be64_get((const uint8_t *)k.p + k.n - 8), &bytes, &n));
    cat_rec_delta(r, u.class, -(int64_t)bytes, 0);
    *parts += n;
    return RC_OK;
}

static enum rc uploads_freed(struct cat_txn *t, struct cat_rec *r, struct cat_done *done)
{
    struct cat_key prefix;
    struct kv_iter *it;
    struct view k, v;
    uint64_t uploads = 0, parts = 0;
    cat_key_u64(&prefix, r->bucket);
    HF_TRY(kv_txn_iter(t->kv, FAM_UPLOAD, cat_key_view(&prefix), &it));
    enum rc rc;
    while ((rc = kv_iter_next(it, &k, &v)) == RC_OK) {
        rc = upload_freed(t, k, v, r, &parts);
        if (rc == RC_OK && (++uploads > DROP_UPLOADS_MAX || parts > DROP_PARTS_MAX))
            rc = cat_refuse(done, CAT_BUCKET_NOT_EMPTY);
        if (rc != RC_OK)
            break;
    }
    kv_iter_free(it);
    return rc == RC_END ? RC_OK : rc;
}

enum rc cat_decide_bucket_delete(struct cat_txn *t, const struct cat_op *op, struct cat_rec *r, struct cat_done *done)
{
    const struct cat_txn_bucket *b;
    bool no_current, no_version = false;
    HF_TRY(cat_decide_bucket(t, op, &b, done));
    HF_TRY(family_empty(t, FAM_CURRENT, b->id, &no_current));
    if (no_current)
        HF_TRY(family_empty(t, FAM_VERSION, b->id, &no_version));
    if (!no_version)
        return cat_refuse(done, CAT_BUCKET_NOT_EMPTY);
    cat_rec_start(r, REC_BUCKET_DELETE, op, b);
    r->key = VIEW("");
    return uploads_freed(t, r, done);
}

/* The record carries the whole state, so it starts from the present one; its tags live in t->found. */
static enum rc bucket_set(struct cat_txn *t, const struct cat_op *op, struct cat_rec *r, struct cat_done *done)
{
    const struct cat_txn_bucket *b;
    struct cat_bucket_row row;
    HF_TRY(cat_decide_bucket(t, op, &b, done));
    buf_clear(&t->found);
    HF_TRY(kv_txn_get(t->kv, FAM_BUCKET, op->bucket, &t->found));
    HF_TRY(cat_bucket_decode(buf_view(&t->found), &row));
    cat_rec_start(r, REC_BUCKET_SET, op, b);
    r->key = VIEW("");
    r->tags = row.tags;
    return RC_OK;
}

enum rc cat_decide_bucket_versioning(struct cat_txn *t, const struct cat_op *op, struct cat_rec *r,
                                     struct cat_done *done)
{
    if (op->versioning == VERSIONING_OFF)
        return RC_INVALID; /* once on, it can only be suspended */
    HF_TRY(bucket_set(t, op, r, done));
    r->versioning = op->versioning;
    return RC_OK;
}

enum rc cat_decide_bucket_tags(struct cat_txn *t, const struct cat_op *op, struct cat_rec *r, struct cat_done *done)
{
    HF_TRY(bucket_set(t, op, r, done));
    r->tags = op->tags;
    return RC_OK;
}

/* ---- space ---- */

static enum rc only_dead(struct cat_txn *t, char kind, const uint64_t *ids, size_t n, const uint64_t **ret,
                         size_t *ret_n)
{
    uint64_t *kept = arena_alloc(&t->arena, n * sizeof(*kept));
    size_t n_kept = 0;
    if (!kept)
        return RC_NOMEM;
    for (size_t i = 0; i < n; i++) {
        bool is_dead;
        HF_TRY(cat_space_dead(t, kind, ids[i], &is_dead));
        if (is_dead)
            kept[n_kept++] = ids[i];
    }
    *ret = kept;
    *ret_n = n_kept;
    return RC_OK;
}

/* What came alive again since the caller looked is left out. */
enum rc cat_decide_reclaim(struct cat_txn *t, const struct cat_op *op, struct cat_rec *r, struct cat_done *done)
{
    r->type = REC_RECLAIM;
    HF_TRY(only_dead(t, 'V', op->volumes, op->n_volumes, &r->volumes, &r->n_volumes));
    HF_TRY(only_dead(t, 'S', op->segments, op->n_segments, &r->segments, &r->n_segments));
    done->nothing_to_do = r->n_volumes == 0 && r->n_segments == 0;
    return RC_OK;
}
