/* What each account and bucket stores, to the byte, with everything staged: what quotas are asked about. */
#include "sequence/seq_priv.h"

#include <stdlib.h>

#define TABLE_START 64u /* a power of two */

/* Invariants: table and entries change only in the sequencer's thread; the table under lock held for writing, so that
 * others may look in it under lock. An entry's staged changes are not zero only while it is in the list of dirty ones.
 */
struct stored_entry {
    struct stored_entry *next;
    struct stored_entry *of;        /* the account of a bucket; NULL = this is one */
    uint64_t account, bucket;       /* bucket 0 = the account's sum */
    _Atomic int64_t bytes, objects; /* durable */
    int64_t staged_bytes, staged_objects;
    struct stored_entry *next_dirty;
    bool dirty, removed; /* removed: a staged record deletes the bucket */
};
struct stored {
    pthread_rwlock_t lock;
    struct stored_entry **table;
    size_t size, n;
    struct stored_entry *dirty;
};

static size_t slot_of(uint64_t account, uint64_t bucket, size_t size)
{
    return (size_t)((account * 0x9e3779b97f4a7c15u ^ bucket * 0xc2b2ae3d27d4eb4fu) >> 32) & (size - 1);
}

static struct stored_entry *look(const struct stored *t, uint64_t account, uint64_t bucket)
{
    struct stored_entry *x = t->table[slot_of(account, bucket, t->size)];
    while (x && !(x->account == account && x->bucket == bucket))
        x = x->next;
    return x;
}

enum rc stored_new(struct stored **ret)
{
    struct stored *t = calloc(1, sizeof *t);

    if (!t)
        return RC_NOMEM;
    t->size = TABLE_START;
    t->table = calloc(t->size, sizeof(struct stored_entry *));
    if (!t->table) {
        free(t);
        return RC_NOMEM;
    }
    pthread_rwlock_init(&t->lock, NULL);
    *ret = t;
    return RC_OK;
}

void stored_free(struct stored *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < t->size; i++) {
        while (t->table[i]) {
            struct stored_entry *x = t->table[i];
            t->table[i] = x->next;
            free(x);
        }
    }
    free(t->table);
    pthread_rwlock_destroy(&t->lock);
    free(t);
}

/* Caller holds lock for writing. */
static enum rc grow(struct stored *t)
{
    if (t->n < t->size)
        return RC_OK;
    size_t size = 2 * t->size;
    struct stored_entry **table = calloc(size, sizeof(struct stored_entry *));
    if (!table)
        return RC_NOMEM;
    for (size_t i = 0; i < t->size; i++) {
        while (t->table[i]) {
            struct stored_entry *x = t->table[i];
            size_t at = slot_of(x->account, x->bucket, size);
            t->table[i] = x->next;
            x->next = table[at];
            table[at] = x;
        }
    }
    free(t->table);
    t->table = table;
    t->size = size;
    return RC_OK;
}

static enum rc insert(struct stored *t, uint64_t account, uint64_t bucket, struct stored_entry *of,
                      struct stored_entry **ret)
{
    struct stored_entry *x = calloc(1, sizeof *x);

    if (!x)
        return RC_NOMEM;
    x->account = account;
    x->bucket = bucket;
    x->of = of;
    pthread_rwlock_wrlock(&t->lock);
    enum rc rc = grow(t);
    if (rc == RC_OK) {
        size_t at = slot_of(account, bucket, t->size);
        x->next = t->table[at];
        t->table[at] = x;
        t->n++;
    }
    pthread_rwlock_unlock(&t->lock);
    if (rc != RC_OK) {
        free(x);
        return rc;
    }
    *ret = x;
    return RC_OK;
}

enum rc stored_find(struct stored *t, uint64_t account, uint64_t bucket, struct stored_entry **ret)
{
    struct stored_entry *of;

    *ret = look(t, account, bucket);
    if (*ret)
        return RC_OK;
    of = look(t, account, 0);
    if (!of)
        HF_TRY(insert(t, account, 0, NULL, &of));
    return insert(t, account, bucket, of, ret);
}

enum rc stored_seed(struct stored *t, const struct meter_stored *s)
{
    struct stored_entry *x;

    HF_TRY(stored_find(t, s->account, s->bucket, &x));
    x->bytes += s->bytes;
    x->objects += s->objects;
    x->of->bytes += s->bytes;
    x->of->objects += s->objects;
    return RC_OK;
}

void stored_with(const struct stored_entry *x, int64_t bytes, int64_t objects, struct quota_change *ret)
{
    const struct stored_entry *of = x->of;

    ret->account = x->account;
    ret->bytes = bytes;
    ret->objects = objects;
    ret->bucket_bytes = x->bytes + x->staged_bytes + bytes;
    ret->bucket_objects = x->objects + x->staged_objects + objects;
    ret->account_bytes = of->bytes + of->staged_bytes + bytes;
    ret->account_objects = of->objects + of->staged_objects + objects;
}

static void change(struct stored *t, struct stored_entry *x, int64_t bytes, int64_t objects)
{
    x->staged_bytes += bytes;
    x->staged_objects += objects;
    if (x->dirty)
        return;
    x->dirty = true;
    x->next_dirty = t->dirty;
    t->dirty = x;
}

void stored_stage(struct stored *t, struct stored_entry *x, int64_t bytes, int64_t objects, bool removed)
{
    x->removed = removed;
    change(t, x, bytes, objects);
    change(t, x->of, bytes, objects);
}

static void unlink_entry(struct stored *t, struct stored_entry *x)
{
    pthread_rwlock_wrlock(&t->lock);
    struct stored_entry **at = &t->table[slot_of(x->account, x->bucket, t->size)];
    while (*at != x)
        at = &(*at)->next;
    *at = x->next;
    t->n--;
    pthread_rwlock_unlock(&t->lock);
    free(x);
}

/* Takes the staged changes off the list, and into the durable sums when they are. */
static void settle(struct stored *t, bool durable)
{
    while (t->dirty) {
        struct stored_entry *x = t->dirty;

        t->dirty = x->next_dirty;
        if (durable) {
            x->bytes += x->staged_bytes;
            x->objects += x->staged_objects;
        }
        x->staged_bytes = x->staged_objects = 0;
        x->dirty = false;
        if (durable && x->removed)
            unlink_entry(t, x);
        else
            x->removed = false;
    }
}

void stored_commit(struct stored *t)
{
    settle(t, true);
}

void stored_drop(struct stored *t)
{
    settle(t, false);
}

void stored_peek(struct stored *t, uint64_t account, uint64_t bucket, int64_t bytes, int64_t objects,
                 struct quota_change *ret)
{
    *ret = (struct quota_change){.account = account, .bytes = bytes, .objects = objects};
    pthread_rwlock_rdlock(&t->lock);
    const struct stored_entry *x = look(t, account, bucket), *of = look(t, account, 0);
    ret->bucket_bytes = (x ? x->bytes : 0) + bytes;
    ret->bucket_objects = (x ? x->objects : 0) + objects;
    ret->account_bytes = (of ? of->bytes : 0) + bytes;
    ret->account_objects = (of ? of->objects : 0) + objects;
    pthread_rwlock_unlock(&t->lock);
}
