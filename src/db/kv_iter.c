/* Iterators: over the database within one prefix, merged with a transaction's sorted overlay when there is one. */
#include "db/kv_priv.h"

#include <stdlib.h>

enum kv_iter_state { KV_ITER_START, KV_ITER_BASE, KV_ITER_OVER, KV_ITER_END };

/* At KV_ITER_BASE the base iterator stands on the pair last given, at KV_ITER_OVER entry `pos` is it (and the base
 * stands past that key). */
struct kv_iter {
    struct kv *kv;
    rocksdb_iterator_t *base;
    rocksdb_readoptions_t *read;
    struct kv_key prefix, bound;
    struct kv_entry *over;
    size_t n_over, pos;
    enum kv_iter_state state;
};

/* First key after all that begin with the prefix. There is one: the family byte is never 0xff. */
static void bound_make(struct kv_key *bound, const struct kv_key *prefix)
{
    size_t n = prefix->n;
    while (n > 1 && (uint8_t)prefix->p[n - 1] == 0xff)
        n--;
    memcpy(bound->p, prefix->p, n);
    bound->p[n - 1] = (char)((uint8_t)bound->p[n - 1] + 1);
    bound->n = n;
}

enum rc kv_iter_over(struct kv *kv, struct kv_snap *s, unsigned family, struct view prefix, struct kv_entry *over,
                     size_t n, struct kv_iter **ret)
{
    struct kv_iter *it = malloc(sizeof(*it));
    if (!it) {
        free(over);
        return RC_NOMEM;
    }
    it->kv = kv;
    it->base = NULL;
    it->over = over;
    it->n_over = n;
    it->pos = 0;
    it->state = KV_ITER_START;
    it->read = rocksdb_readoptions_create();
    enum rc rc = it->read ? kv_key_make(&it->prefix, family, prefix) : RC_NOMEM;
    if (rc == RC_OK) {
        bound_make(&it->bound, &it->prefix);
        rocksdb_readoptions_set_verify_checksums(it->read, 1);
        rocksdb_readoptions_set_iterate_upper_bound(it->read, it->bound.p, it->bound.n);
        if (s)
            rocksdb_readoptions_set_snapshot(it->read, kv_snap_at(s));
        it->base = rocksdb_create_iterator(kv->db, it->read);
        rc = it->base ? RC_OK : RC_NOMEM;
    }
    if (rc != RC_OK) {
        kv_iter_free(it);
        return rc;
    }
    *ret = it;
    return RC_OK;
}

enum rc kv_iter_new(struct kv *kv, struct kv_snap *s, unsigned family, struct view prefix, struct kv_iter **ret)
{
    kv_deletes_check(kv, true);
    return kv_iter_over(kv, s, family, prefix, NULL, 0, ret);
}

void kv_iter_free(struct kv_iter *it)
{
    if (!it)
        return;
    if (it->base)
        rocksdb_iter_destroy(it->base);
    if (it->read)
        rocksdb_readoptions_destroy(it->read);
    free(it->over);
    free(it);
}

static struct view base_key(const struct kv_iter *it)
{
    struct view k;
    k.p = rocksdb_iter_key(it->base, &k.n);
    return k;
}

static enum rc give_base(struct kv_iter *it, struct view *ret_key, struct view *ret_value)
{
    struct view k = base_key(it), v;
    v.p = rocksdb_iter_value(it->base, &v.n);
    it->state = KV_ITER_BASE;
    *ret_key = view_of(k.p + 1, k.n - 1);
    *ret_value = v;
    return RC_OK;
}

static enum rc give_over(struct kv_iter *it, struct view *ret_key, struct view *ret_value)
{
    const struct kv_entry *x = &it->over[it->pos];
    it->state = KV_ITER_OVER;
    *ret_key = view_of(x->key.p + 1, x->key.n - 1);
    *ret_value = x->value;
    return RC_OK;
}

/* The smaller of both sides; an overlay entry hides the base's pair of the same key. */
static enum rc settle(struct kv_iter *it, struct view *ret_key, struct view *ret_value)
{
    for (;;) {
        bool base = rocksdb_iter_valid(it->base);
        if (!base) {
            char *message = NULL;
            rocksdb_iter_get_error(it->base, &message);
            if (message)
                return kv_fail(it->kv, message, NULL);
        }
        if (it->pos >= it->n_over) {
            if (base)
                return give_base(it, ret_key, ret_value);
            it->state = KV_ITER_END;
            return RC_END;
        }
        int order = base ? view_cmp(it->over[it->pos].key, base_key(it)) : -1;
        if (order > 0)
            return give_base(it, ret_key, ret_value);
        if (order == 0)
            rocksdb_iter_next(it->base);
        if (!it->over[it->pos].deleted)
            return give_over(it, ret_key, ret_value);
        it->pos++;
    }
}

/* Index of the first entry >= key. */
static size_t over_find(const struct kv_iter *it, struct view key)
{
    size_t lo = 0, hi = it->n_over;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (view_cmp(it->over[mid].key, key) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static enum rc seek(struct kv_iter *it, struct view full, struct view *ret_key, struct view *ret_value)
{
    rocksdb_iter_seek(it->base, full.p, full.n);
    it->pos = over_find(it, full);
    return settle(it, ret_key, ret_value);
}

enum rc kv_iter_seek(struct kv_iter *it, struct view key, struct view *ret_key, struct view *ret_value)
{
    struct kv_key k;
    HF_TRY(kv_key_make(&k, (uint8_t)it->prefix.p[0], key));
    struct view full = view_of(k.p, k.n), prefix = view_of(it->prefix.p, it->prefix.n);
    return seek(it, view_cmp(full, prefix) < 0 ? prefix : full, ret_key, ret_value);
}

enum rc kv_iter_next(struct kv_iter *it, struct view *ret_key, struct view *ret_value)
{
    switch (it->state) {
    case KV_ITER_START:
        return seek(it, view_of(it->prefix.p, it->prefix.n), ret_key, ret_value);
    case KV_ITER_BASE:
        rocksdb_iter_next(it->base);
        return settle(it, ret_key, ret_value);
    case KV_ITER_OVER:
        it->pos++;
        return settle(it, ret_key, ret_value);
    case KV_ITER_END:
        return RC_END;
    }
    HF_BUG("kv_iter: no such state");
}
