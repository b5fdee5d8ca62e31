/* The parts of an upload as the txn sees them: walking them, adding them up, dropping them with the upload. */
#include "catalog/cat_priv.h"

static enum rc part_of(struct view k, struct view v, uint32_t *ret_number, struct cat_part_row *ret)
{
    if (k.n != 12)
        return RC_CORRUPT;
    uint8_t wide[8] = {0};
    memcpy(wide + 4, k.p + 8, 4);
    *ret_number = (uint32_t)be64_get(wide);
    return cat_part_decode(v, ret);
}

enum rc cat_each_part(struct cat_txn *t, uint64_t upload, cat_part_fn *fn, void *ctx)
{
    struct cat_key prefix;
    struct kv_iter *it;
    struct view k, v;
    cat_key_u64(&prefix, upload);
    HF_TRY(kv_txn_iter(t->kv, FAM_PART, cat_key_view(&prefix), &it));
    enum rc rc;
    while ((rc = kv_iter_next(it, &k, &v)) == RC_OK) {
        uint32_t number;
        struct cat_part_row p;
        rc = part_of(k, v, &number, &p);
        if (rc == RC_OK)
            rc = fn(ctx, number, &p);
        if (rc != RC_OK)
            break;
    }
    kv_iter_free(it);
    return rc == RC_END ? RC_OK : rc;
}

struct parts_sum {
    uint64_t bytes, n;
};

static enum rc part_sum(void *ctx, uint32_t number, const struct cat_part_row *p)
{
    struct parts_sum *s = ctx;
    HF_ASSERT(number > 0);
    s->bytes += p->size;
    s->n++;
    return RC_OK;
}

enum rc cat_parts_bytes(struct cat_txn *t, uint64_t upload, uint64_t *ret_bytes, uint64_t *ret_n)
{
    struct parts_sum s = {0, 0};
    HF_TRY(cat_each_part(t, upload, part_sum, &s));
    *ret_bytes = s.bytes;
    *ret_n = s.n;
    return RC_OK;
}

struct parts_drop {
    struct cat_txn *t;
    uint64_t upload;
    int64_t now_ns;
};

static enum rc part_drop(void *ctx, uint32_t number, const struct cat_part_row *p)
{
    struct parts_drop *d = ctx;
    struct cat_key k;
    HF_TRY(cat_extents_die(d->t, p->extents, d->now_ns));
    cat_key_part(&k, d->upload, number);
    return cat_txn_delete(d->t, FAM_PART, &k);
}

enum rc cat_upload_drop(struct cat_txn *t, uint64_t bucket, struct view key, uint64_t upload, int64_t now_ns)
{
    struct parts_drop d = {t, upload, now_ns};
    struct cat_key k;
    HF_TRY(cat_each_part(t, upload, part_drop, &d));
    cat_key_upload(&k, bucket, key, upload);
    return cat_txn_delete(t, FAM_UPLOAD, &k);
}
