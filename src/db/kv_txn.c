/* The overlay of a transaction: a hash table of what was put and deleted, over the database.
 *
 * An own table and not RocksDB's indexed batch: a put of an object asks the overlay several times and iterates hardly
 * ever, so lookups are hashed and an iterator sorts what it needs. Bytes of replaced values stay until the reset. */
#include <stdlib.h>

#include "codec/codec.h"
#include "db/kv_priv.h"

#define TXN_SLOTS_MIN 256u
#define TXN_ENTRIES_MAX (4u << 20)

struct kv_txn {
    struct kv *kv;
    rocksdb_writebatch_t *batch;
    struct arena bytes;
    struct kv_entry *entry;
    size_t n, cap;
    uint32_t *slot; /* index of the entry + 1; 0 = free */
    size_t n_slots; /* a power of two, at least twice the entries */
};

enum rc kv_txn_new(struct kv *kv, struct kv_txn **ret)
{
    struct kv_txn *t = calloc(1, sizeof(*t));
    if (!t)
        return RC_NOMEM;
    t->kv = kv;
    t->bytes = ARENA(KV_TXN_BYTES_MAX);
    t->n_slots = TXN_SLOTS_MIN;
    t->slot = calloc(t->n_slots, sizeof(*t->slot));
    t->batch = rocksdb_writebatch_create();
    if (!t->slot || !t->batch) {
        kv_txn_free(t);
        return RC_NOMEM;
    }
    *ret = t;
    return RC_OK;
}

void kv_txn_free(struct kv_txn *t)
{
    if (!t)
        return;
    if (t->batch)
        rocksdb_writebatch_destroy(t->batch);
    arena_free(&t->bytes);
    free(t->entry);
    free(t->slot);
    free(t);
}

void kv_txn_reset(struct kv_txn *t)
{
    if (t->n)
        memset(t->slot, 0, t->n_slots * sizeof(*t->slot));
    t->n = 0;
    arena_free(&t->bytes);
    t->bytes = ARENA(KV_TXN_BYTES_MAX);
}

size_t kv_txn_count(const struct kv_txn *t)
{
    return t->n;
}

size_t kv_txn_bytes(const struct kv_txn *t)
{
    return t->bytes.used;
}

/* The slot that holds the key, or the free one where it belongs. */
static uint32_t *slot_of(const struct kv_txn *t, struct view key, uint64_t hash)
{
    size_t mask = t->n_slots - 1, i = (size_t)hash & mask;
    while (t->slot[i]) {
        const struct kv_entry *x = &t->entry[t->slot[i] - 1];
        if (x->hash == hash && view_eq(x->key, key))
            break;
        i = (i + 1) & mask;
    }
    return &t->slot[i];
}

static enum rc grow_slots(struct kv_txn *t)
{
    uint32_t *bigger = calloc(t->n_slots * 2, sizeof(*bigger));
    if (!bigger)
        return RC_NOMEM;
    free(t->slot);
    t->slot = bigger;
    t->n_slots *= 2;
    for (size_t i = 0; i < t->n; i++)
        *slot_of(t, t->entry[i].key, t->entry[i].hash) = (uint32_t)i + 1;
    return RC_OK;
}

static enum rc grow(struct kv_txn *t)
{
    if (t->n >= TXN_ENTRIES_MAX)
        return RC_LIMIT;
    if (t->n == t->cap) {
        size_t cap = t->cap ? t->cap * 2 : TXN_SLOTS_MIN / 2;
        struct kv_entry *bigger = realloc(t->entry, cap * sizeof(*bigger));
        if (!bigger)
            return RC_NOMEM;
        t->entry = bigger;
        t->cap = cap;
    }
    return (t->n + 1) * 2 > t->n_slots ? grow_slots(t) : RC_OK;
}

static enum rc put(struct kv_txn *t, unsigned family, struct view key, struct view value, bool deleted)
{
    HF_ASSERT(family < t->kv->n_families);
    if (value.n > KV_VALUE_MAX)
        return RC_LIMIT;
    struct kv_key k;
    HF_TRY(kv_key_make(&k, family, key));
    HF_TRY(grow(t));
    uint64_t hash = xxh64(k.p, k.n, 0);
    uint32_t *slot = slot_of(t, view_of(k.p, k.n), hash);
    struct view kept_key = *slot ? t->entry[*slot - 1].key : arena_dup(&t->bytes, view_of(k.p, k.n));
    struct view kept = deleted ? VIEW("") : arena_dup(&t->bytes, value);
    if (!kept_key.p || !kept.p)
        return RC_NOMEM;
    if (!*slot)
        *slot = (uint32_t)++t->n;
    t->entry[*slot - 1] = (struct kv_entry){.key = kept_key, .value = kept, .hash = hash, .deleted = deleted};
    return RC_OK;
}

enum rc kv_txn_put(struct kv_txn *t, unsigned family, struct view key, struct view value)
{
    return put(t, family, key, value, false);
}

enum rc kv_txn_delete(struct kv_txn *t, unsigned family, struct view key)
{
    return put(t, family, key, VIEW(""), true);
}

enum rc kv_txn_get(struct kv_txn *t, unsigned family, struct view key, struct buf *out)
{
    struct kv_key k;
    HF_TRY(kv_key_make(&k, family, key));
    uint64_t hash = xxh64(k.p, k.n, 0);
    uint32_t slot = *slot_of(t, view_of(k.p, k.n), hash);
    if (!slot && t->kv->bulk && !kv_bulk_may_have(t->kv->bulk, hash))
        return RC_NOT_FOUND;
    if (!slot)
        return kv_get(t->kv, NULL, family, key, out);
    const struct kv_entry *x = &t->entry[slot - 1];
    return x->deleted ? RC_NOT_FOUND : buf_putv(out, x->value);
}

static int entry_order(const void *a, const void *b)
{
    const struct kv_entry *x = a, *y = b;
    return view_cmp(x->key, y->key);
}

enum rc kv_txn_iter(struct kv_txn *t, unsigned family, struct view prefix, struct kv_iter **ret)
{
    struct kv_key k;
    HF_TRY(kv_key_make(&k, family, prefix));
    struct view full = view_of(k.p, k.n);
    size_t n = 0;
    for (size_t i = 0; i < t->n; i++)
        n += view_starts(t->entry[i].key, full);
    struct kv_entry *over = NULL;
    if (n) {
        over = malloc(n * sizeof(*over));
        if (!over)
            return RC_NOMEM;
        size_t at = 0;
        for (size_t i = 0; i < t->n; i++)
            if (view_starts(t->entry[i].key, full))
                over[at++] = t->entry[i];
        qsort(over, n, sizeof(*over), entry_order);
    }
    return kv_iter_over(t->kv, NULL, family, prefix, over, n, ret);
}

static uint64_t batch_fill(struct kv_txn *t)
{
    uint64_t deletes = 0;
    struct view low = {NULL, 0}, high = {NULL, 0};
    rocksdb_writebatch_clear(t->batch);
    for (size_t i = 0; i < t->n; i++) {
        const struct kv_entry *x = &t->entry[i];
        if (x->deleted)
            rocksdb_writebatch_delete(t->batch, x->key.p, x->key.n);
        else
            rocksdb_writebatch_put(t->batch, x->key.p, x->key.n, x->value.p, x->value.n);
        if (!x->deleted)
            continue;
        low = deletes == 0 || view_cmp(x->key, low) < 0 ? x->key : low;
        high = deletes == 0 || view_cmp(x->key, high) > 0 ? x->key : high;
        deletes++;
    }
    if (deletes)
        kv_gap_note(t->kv->gap, low, high, deletes);
    return deletes;
}

/* The slots say nothing of sorted entries: the overlay is emptied, or, when the write failed, of no more use. */
static enum rc write_as_file(struct kv_txn *t, struct err *e)
{
    qsort(t->entry, t->n, sizeof(*t->entry), entry_order);
    enum rc rc = kv_bulk_write(t->kv, t->entry, t->n, e);
    kv_txn_reset(t);
    return rc;
}

enum rc kv_txn_write(struct kv_txn *t, struct err *e)
{
    struct kv *kv = t->kv;
    kv_bulk_note(kv, t->entry, t->n);
    if (kv_bulk_wants(kv, t->n))
        return write_as_file(t, e);
    uint64_t deletes = batch_fill(t), writes = t->n;
    char *message = NULL;
    rocksdb_write(kv->db, kv->write, t->batch, &message);
    if (message)
        return kv_fail(kv, message, e);
    kv_txn_reset(t);
    atomic_fetch_add_explicit(&kv->deletes_unflushed, deletes, memory_order_relaxed);
    kv_deletes_check(kv, false);
    kv_writes_check(kv, writes);
    return RC_OK;
}
