/* The overlay of everything sequenced and not yet written: rows through kv_txn, live space, cursor and count. */
#include <stdlib.h>

#include "catalog/cat_priv.h"

#define TXN_ARENA_MAX (64u << 20) /* a Complete of 10000 parts, a record with 400000 extents */

enum rc cat_txn_new(struct cat *c, struct cat_txn **ret)
{
    struct cat_txn *t = calloc(1, sizeof(*t));
    if (!t)
        return RC_NOMEM;
    t->c = c;
    t->row = t->found = t->extents = t->layout = t->memo.value = t->space.row = BUF(KV_VALUE_MAX);
    t->touched = BUF(KV_TXN_BYTES_MAX);
    t->arena = ARENA(TXN_ARENA_MAX);
    enum rc rc = kv_txn_new(c->kv, &t->kv);
    if (rc != RC_OK) {
        free(t);
        return rc;
    }
    cat_txn_reset(t);
    *ret = t;
    return RC_OK;
}

void cat_txn_reset(struct cat_txn *t)
{
    kv_txn_reset(t->kv);
    cat_space_reset(&t->space);
    cat_txn_forget_buckets(t);
    t->memo.valid = false;
    buf_clear(&t->touched);
    arena_free(&t->arena);
    t->cursor = cat_cursor(t->c);
    t->objects = cat_objects(t->c);
}

size_t cat_txn_bytes(const struct cat_txn *t)
{
    return kv_txn_bytes(t->kv) + t->arena.used + t->touched.n;
}

void cat_txn_free(struct cat_txn *t)
{
    if (!t)
        return;
    kv_txn_free(t->kv);
    free(t->space.slot);
    buf_free(&t->space.row);
    arena_free(&t->arena);
    buf_free(&t->row);
    buf_free(&t->found);
    buf_free(&t->extents);
    buf_free(&t->layout);
    buf_free(&t->memo.value);
    buf_free(&t->touched);
    free(t);
}

void cat_txn_on_quota(struct cat_txn *t, cat_quota_fn *fn, void *ctx)
{
    t->quota = fn;
    t->quota_ctx = ctx;
}

/* Rows that the cache may hold from before (row_cache.c, R1). */
enum rc cat_txn_touch(struct cat_txn *t, enum cat_family f, struct view key)
{
    uint64_t hash = row_cache_hash(f, key);
    return buf_put(&t->touched, &hash, sizeof(hash));
}

static void drop_touched(struct cat_txn *t)
{
    for (size_t at = 0; at < t->touched.n; at += sizeof(uint64_t)) {
        uint64_t hash;
        memcpy(&hash, t->touched.p + at, sizeof(hash));
        row_cache_drop(t->c->rows, hash);
    }
}

enum rc cat_txn_write(struct cat_txn *t, struct err *e)
{
    uint8_t state[16];
    be64_put(state, t->cursor);
    be64_put(state + 8, t->objects);
    enum rc rc = cat_space_write(t);
    if (rc == RC_OK)
        rc = kv_txn_put(t->kv, FAM_META, VIEW("state"), view_of(state, sizeof(state)));
    if (rc != RC_OK)
        return err_set(e, rc, "catalog: the batch up to record %llu cannot be kept", (unsigned long long)t->cursor);
    rc = kv_txn_write(t->kv, e);
    drop_touched(t); /* also after a failure: what the database holds then is not known */
    if (rc != RC_OK)
        return rc;
    atomic_store(&t->c->cursor, t->cursor);
    atomic_store(&t->c->objects, t->objects);
    cat_txn_reset(t);
    return RC_OK;
}

/* ---- rows ---- */

enum rc cat_txn_get(struct cat_txn *t, enum cat_family f, const struct cat_key *k, struct view *ret)
{
    buf_clear(&t->found);
    HF_TRY(kv_txn_get(t->kv, f, cat_key_view(k), &t->found));
    *ret = buf_view(&t->found);
    return RC_OK;
}

enum rc cat_txn_put(struct cat_txn *t, enum cat_family f, const struct cat_key *k, struct view v)
{
    if (f == FAM_CURRENT) {
        t->memo.valid = false;
        HF_TRY(cat_txn_touch(t, f, cat_key_view(k)));
    }
    return kv_txn_put(t->kv, f, cat_key_view(k), v);
}

enum rc cat_txn_delete(struct cat_txn *t, enum cat_family f, const struct cat_key *k)
{
    if (f == FAM_CURRENT) {
        t->memo.valid = false;
        HF_TRY(cat_txn_touch(t, f, cat_key_view(k)));
    }
    return kv_txn_delete(t->kv, f, cat_key_view(k));
}

enum rc cat_txn_current(struct cat_txn *t, uint64_t bucket, struct view key, struct cat_row *ret)
{
    struct cat_memo *m = &t->memo;
    struct cat_key k;
    cat_key_object(&k, bucket, key);
    if (!m->valid || !view_eq(cat_key_view(&m->key), cat_key_view(&k))) {
        m->valid = false;
        buf_clear(&m->value);
        enum rc rc = kv_txn_get(t->kv, FAM_CURRENT, cat_key_view(&k), &m->value);
        if (rc != RC_OK && rc != RC_NOT_FOUND)
            return rc;
        m->found = rc == RC_OK;
        m->key.n = k.n;
        memcpy(m->key.p, k.p, k.n);
        m->valid = true;
    }
    return m->found ? cat_row_decode(buf_view(&m->value), ret) : RC_NOT_FOUND;
}

static enum rc find_version(struct cat_txn *t, uint64_t bucket, struct view key, uint64_t seq, struct cat_row *ret)
{
    struct cat_key k;
    struct view v;
    cat_key_version(&k, bucket, key, seq);
    HF_TRY(cat_txn_get(t, FAM_VERSION, &k, &v));
    return cat_row_decode(v, ret);
}

enum rc cat_txn_find(struct cat_txn *t, uint64_t bucket, struct view key, uint64_t seq, bool null_version,
                     struct cat_row *ret, bool *ret_current)
{
    struct cat_row row;
    enum rc rc = cat_txn_current(t, bucket, key, &row);
    if (rc != RC_OK && rc != RC_NOT_FOUND)
        return rc;
    *ret_current = rc == RC_OK && row.null_version == null_version && (null_version || row.seq == seq);
    if (!*ret_current && null_version) {
        struct cat_key k;
        struct view v;
        cat_key_object(&k, bucket, key);
        HF_TRY(cat_txn_get(t, FAM_NULL, &k, &v));
        if (v.n != 8)
            return RC_CORRUPT;
        seq = be64_get((const uint8_t *)v.p);
    }
    if (!*ret_current)
        HF_TRY(find_version(t, bucket, key, seq, &row));
    /* A null version is only found as such, not by its sequence. */
    if (row.null_version != null_version)
        return RC_NOT_FOUND;
    *ret = row;
    return RC_OK;
}

enum rc cat_txn_upload(struct cat_txn *t, uint64_t bucket, struct view key, uint64_t upload, struct cat_upload_row *ret)
{
    struct cat_key k;
    struct view v;
    cat_key_upload(&k, bucket, key, upload);
    HF_TRY(cat_txn_get(t, FAM_UPLOAD, &k, &v));
    return cat_upload_decode(v, ret);
}

/* ---- buckets of this batch ---- */

void cat_txn_forget_buckets(struct cat_txn *t)
{
    for (unsigned i = 0; i < TXN_BUCKETS; i++)
        t->bucket[i].id = 0;
}

enum rc cat_txn_bucket(struct cat_txn *t, struct view name, const struct cat_txn_bucket **ret)
{
    for (unsigned i = 0; i < TXN_BUCKETS; i++) {
        if (t->bucket[i].id && view_eqs(name, t->bucket[i].name)) {
            *ret = &t->bucket[i];
            return RC_OK;
        }
    }
    if (name.n == 0 || name.n > BUCKET_NAME_MAX)
        return RC_NOT_FOUND;
    struct cat_bucket_row row;
    buf_clear(&t->found);
    HF_TRY(kv_txn_get(t->kv, FAM_BUCKET, name, &t->found));
    HF_TRY(cat_bucket_decode(buf_view(&t->found), &row));
    struct cat_txn_bucket *b = &t->bucket[t->next_bucket++ % TXN_BUCKETS];
    if (!view_copy(name, b->name, sizeof(b->name)))
        return RC_NOT_FOUND;
    b->id = row.id;
    b->account = row.account;
    b->versioning = row.versioning;
    *ret = b;
    return RC_OK;
}
