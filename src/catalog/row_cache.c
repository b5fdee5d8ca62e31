/* Hot rows in front of the database: buckets and newest versions, as every request asks for one of each.
 *
 * Invariants:
 *  R1 an answer that was given after a commit never shows a row from before it: whoever commits drops the rows it wrote
 *     (row_cache_drop) after the database has them and before anybody is answered
 *  R2 a row that was read before such a drop is not kept after it: row_cache_get hands out its shard's generation, and
 *     row_cache_put keeps nothing when a drop has moved it
 * Memory: SHARDS x SLOTS rows of at most ROW_MAX bytes: 16 MiB when all are as large as they may be. */
#include <pthread.h>
#include <stdlib.h>

#include "catalog/cat_priv.h"

#define SHARDS 64u
#define SLOTS 512u
#define ROW_MAX 512u

struct slot {
    uint64_t hash;
    uint16_t key_n, value_n;
    char *bytes; /* family, key, value; NULL = empty */
};
struct shard {
    pthread_mutex_t lock;
    uint64_t generation;
    struct slot slot[SLOTS];
};
struct row_cache {
    struct shard shard[SHARDS];
};

struct row_cache *row_cache_new(void)
{
    struct row_cache *c = calloc(1, sizeof(*c));
    for (unsigned i = 0; c && i < SHARDS; i++)
        pthread_mutex_init(&c->shard[i].lock, NULL);
    return c;
}

void row_cache_free(struct row_cache *c)
{
    if (!c)
        return;
    for (unsigned i = 0; i < SHARDS; i++) {
        for (unsigned k = 0; k < SLOTS; k++)
            free(c->shard[i].slot[k].bytes);
        pthread_mutex_destroy(&c->shard[i].lock);
    }
    free(c);
}

uint64_t row_cache_hash(enum cat_family f, struct view key)
{
    return xxh64(key.p, key.n, (uint64_t)f);
}

static struct shard *shard_of(struct row_cache *c, uint64_t hash)
{
    return &c->shard[hash % SHARDS];
}

static struct slot *slot_of(struct shard *s, uint64_t hash)
{
    return &s->slot[hash / SHARDS % SLOTS];
}

static bool is_row(const struct slot *s, uint64_t hash, enum cat_family f, struct view key)
{
    return s->bytes && s->hash == hash && s->bytes[0] == (char)f && view_eq(view_of(s->bytes + 1, s->key_n), key);
}

enum rc row_cache_get(struct row_cache *c, enum cat_family f, struct view key, struct buf *out,
                      uint64_t *ret_generation)
{
    uint64_t hash = row_cache_hash(f, key);
    struct shard *s = shard_of(c, hash);
    enum rc rc = RC_NOT_FOUND;
    pthread_mutex_lock(&s->lock);
    const struct slot *row = slot_of(s, hash);
    if (is_row(row, hash, f, key))
        rc = buf_put(out, row->bytes + 1 + row->key_n, row->value_n);
    *ret_generation = s->generation;
    pthread_mutex_unlock(&s->lock);
    return rc;
}

void row_cache_put(struct row_cache *c, enum cat_family f, struct view key, struct view value, uint64_t generation)
{
    if (1 + key.n + value.n > ROW_MAX)
        return;
    uint64_t hash = row_cache_hash(f, key);
    struct shard *s = shard_of(c, hash);
    char *bytes = malloc(1 + key.n + value.n);
    if (!bytes)
        return;
    bytes[0] = (char)f;
    memcpy(bytes + 1, key.p, key.n);
    memcpy(bytes + 1 + key.n, value.p, value.n);
    pthread_mutex_lock(&s->lock);
    char *old = bytes;
    if (s->generation == generation) {
        struct slot *row = slot_of(s, hash);
        old = row->bytes;
        *row = (struct slot){hash, (uint16_t)key.n, (uint16_t)value.n, bytes};
    }
    pthread_mutex_unlock(&s->lock);
    free(old);
}

void row_cache_drop(struct row_cache *c, uint64_t hash)
{
    struct shard *s = shard_of(c, hash);
    char *old = NULL;
    pthread_mutex_lock(&s->lock);
    s->generation++;
    struct slot *row = slot_of(s, hash);
    if (row->hash == hash) {
        old = row->bytes;
        row->bytes = NULL;
    }
    pthread_mutex_unlock(&s->lock);
    free(old);
}

enum rc cat_read_row(struct cat *c, enum cat_family f, struct view key, struct buf *out)
{
    uint64_t generation = 0;
    size_t from = out->n;
    enum rc rc = row_cache_get(c->rows, f, key, out, &generation);
    if (rc != RC_NOT_FOUND)
        return rc;
    HF_TRY(kv_get(c->kv, NULL, f, key, out));
    row_cache_put(c->rows, f, key, view_of(out->p + from, out->n - from), generation);
    return RC_OK;
}
