/* Applying records: dispatch, cursor, buckets, reclaimed space. The result depends on the record and the database
 * alone, so replay and rebuild give what the live commit gave. */
#include "catalog/cat_priv.h"

static cat_apply_fn *apply_of(enum rec_type type)
{
    switch (type) {
    case REC_BUCKET:
        return cat_apply_bucket;
    case REC_BUCKET_DELETE:
        return cat_apply_bucket_delete;
    case REC_BUCKET_SET:
        return cat_apply_bucket_set;
    case REC_OBJECT:
        return cat_apply_object;
    case REC_DELETE:
        return cat_apply_delete;
    case REC_OBJECT_SET:
        return cat_apply_object_set;
    case REC_UPLOAD:
        return cat_apply_upload;
    case REC_PART:
        return cat_apply_part;
    case REC_UPLOAD_ABORT:
        return cat_apply_abort;
    case REC_RECLAIM:
        return cat_apply_reclaim;
    default:
        return NULL; /* another room's: only the cursor moves */
    }
}

enum rc cat_apply(struct cat_txn *t, const struct journal_rec *rec, struct err *e)
{
    if (rec->seq <= t->cursor)
        return RC_OK; /* applied before: exactly once inside (invariant 4) */
    cat_apply_fn *fn = apply_of(rec->type);
    if (fn) {
        struct cat_rec r;
        enum rc rc = cat_rec_decode(rec->type, rec->payload, &t->arena, &r);
        if (rc == RC_OK)
            rc = fn(t, rec, &r);
        arena_free(&t->arena);
        /* A record that names what is not there cannot have been decided on this database. */
        if (rc == RC_NOT_FOUND)
            rc = RC_CORRUPT;
        if (rc != RC_OK)
            return err_set(e, rc,
                           "catalog: record %llu (type %d) cannot be applied: %s; `holdfast rebuild` makes the "
                           "catalog anew",
                           (unsigned long long)rec->seq, (int)rec->type, rc_name(rc));
    }
    t->cursor = rec->seq;
    return RC_OK;
}

/* ---- buckets ---- */

static enum rc bucket_put(struct cat_txn *t, struct view name, const struct cat_bucket_row *b)
{
    HF_TRY(cat_bucket_encode(b, &t->row));
    cat_txn_forget_buckets(t);
    HF_TRY(cat_txn_touch(t, FAM_BUCKET, name));
    return kv_txn_put(t->kv, FAM_BUCKET, name, buf_view(&t->row));
}

enum rc cat_apply_bucket(struct cat_txn *t, const struct journal_rec *rec, const struct cat_rec *r)
{
    struct cat_bucket_row b = {.id = rec->seq,
                               .account = r->account,
                               .created_ns = rec->time_ns,
                               .versioning = r->versioning,
                               .tags = r->tags};
    struct cat_key id;
    cat_key_u64(&id, rec->seq);
    HF_TRY(bucket_put(t, r->bucket_name, &b));
    return cat_txn_put(t, FAM_BUCKETID, &id, r->bucket_name);
}

/* Uploads that were never finished go with their bucket. */
static enum rc bucket_drop_uploads(struct cat_txn *t, uint64_t bucket, int64_t now_ns)
{
    struct cat_key prefix;
    struct kv_iter *it;
    struct view k, v, rest;
    char key[KEY_MAX];
    size_t n;
    cat_key_u64(&prefix, bucket);
    HF_TRY(kv_txn_iter(t->kv, FAM_UPLOAD, cat_key_view(&prefix), &it));
    enum rc rc;
    while ((rc = kv_iter_next(it, &k, &v)) == RC_OK) {
        rc = cat_key_decode(k, key, &n, &rest);
        if (rc == RC_OK && rest.n != 8)
            rc = RC_CORRUPT;
        if (rc == RC_OK)
            rc = cat_upload_drop(t, bucket, view_of(key, n), be64_get((const uint8_t *)rest.p), now_ns);
        if (rc != RC_OK)
            break;
    }
    kv_iter_free(it);
    return rc == RC_END ? RC_OK : rc;
}

enum rc cat_apply_bucket_delete(struct cat_txn *t, const struct journal_rec *rec, const struct cat_rec *r)
{
    struct cat_key id;
    cat_key_u64(&id, r->bucket);
    HF_TRY(bucket_drop_uploads(t, r->bucket, rec->time_ns));
    cat_txn_forget_buckets(t);
    HF_TRY(cat_txn_delete(t, FAM_BUCKETID, &id));
    HF_TRY(cat_txn_touch(t, FAM_BUCKET, r->bucket_name));
    return kv_txn_delete(t->kv, FAM_BUCKET, r->bucket_name);
}

enum rc cat_apply_bucket_set(struct cat_txn *t, const struct journal_rec *rec, const struct cat_rec *r)
{
    struct cat_bucket_row b;
    HF_ASSERT(rec->type == REC_BUCKET_SET);
    buf_clear(&t->found);
    HF_TRY(kv_txn_get(t->kv, FAM_BUCKET, r->bucket_name, &t->found));
    HF_TRY(cat_bucket_decode(buf_view(&t->found), &b));
    if (b.id != r->bucket)
        return RC_CORRUPT;
    b.versioning = r->versioning;
    b.tags = r->tags;
    return bucket_put(t, r->bucket_name, &b);
}

/* ---- space ---- */

enum rc cat_apply_reclaim(struct cat_txn *t, const struct journal_rec *rec, const struct cat_rec *r)
{
    HF_ASSERT(rec->type == REC_RECLAIM);
    for (size_t i = 0; i < r->n_volumes; i++)
        HF_TRY(cat_space_reclaim(t, 'V', r->volumes[i]));
    for (size_t i = 0; i < r->n_segments; i++)
        HF_TRY(cat_space_reclaim(t, 'S', r->segments[i]));
    return RC_OK;
}
