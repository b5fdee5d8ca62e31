/* Holdfast: the running minute: reads and refused requests, summed until they become one record. */
#include "meter/meter_priv.h"

#include <stdlib.h>

#include "codec/codec.h"

#define SHARDS 16
#define PLACES 1024          /* of a shard's table; a power of two */
#define SHARD_LINES_MAX 4096 /* different sums in a shard in one minute; more lose their key, not their money */
#define HASH_SEED 0x6e6f7465u
#define TAKE_LINES_MAX 512 /* in one record */

struct note_key {
    uint64_t account, bucket;
    enum storage_class class;
    enum request_kind kind;
    unsigned status;
    enum price_item egress;
    char bucket_name[BUCKET_NAME_MAX + 1];
    char access_key[ACCESS_KEY_MAX + 1];
};
struct note {
    struct note_key key; /* zeroed before it is filled: compared as bytes */
    uint64_t hash;
    uint64_t requests, egress_bytes, retrieved_bytes;
    uint32_t next; /* index + 1 in its place's chain; 0 ends it */
};
/* Invariant: line[0..n) are the sums; head[h] begins the chain of those whose hash falls there. Nothing is ever lost
 * but what a crash takes, or what finds no memory: both in the customer's favour. */
struct shard {
    pthread_mutex_t lock;
    struct note *line;
    uint32_t n, size;
    uint32_t head[PLACES];
};
struct notes {
    struct shard shard[SHARDS];
};

enum rc notes_new(struct notes **ret)
{
    struct notes *n = calloc(1, sizeof(*n));

    if (!n)
        return RC_NOMEM;
    for (unsigned i = 0; i < SHARDS; i++)
        HF_ASSERT(pthread_mutex_init(&n->shard[i].lock, NULL) == 0);
    *ret = n;
    return RC_OK;
}

void notes_free(struct notes *n)
{
    if (!n)
        return;
    for (unsigned i = 0; i < SHARDS; i++) {
        free(n->shard[i].line);
        pthread_mutex_destroy(&n->shard[i].lock);
    }
    free(n);
}

static struct note *find(struct shard *s, const struct note_key *key, uint64_t hash)
{
    uint32_t at = s->head[hash & (PLACES - 1)];
    while (at > 0) {
        struct note *n = &s->line[at - 1];
        if (n->hash == hash && memcmp(&n->key, key, sizeof(*key)) == 0)
            return n;
        at = n->next;
    }
    return NULL;
}

static bool grow(struct shard *s)
{
    uint32_t size = s->size > 0 ? 2 * s->size : 32;
    struct note *line = realloc(s->line, size * sizeof(*line));
    if (!line)
        return false;
    s->line = line;
    s->size = size;
    return true;
}

static struct note *add(struct shard *s, const struct note_key *key, uint64_t hash)
{
    if (s->n == s->size && !grow(s))
        return NULL;
    uint32_t *head = &s->head[hash & (PLACES - 1)];
    struct note *n = &s->line[s->n++];
    *n = (struct note){.key = *key, .hash = hash, .next = *head};
    *head = s->n;
    return n;
}

static uint64_t hash_of(const struct note_key *key)
{
    return xxh64(key, sizeof(*key), HASH_SEED);
}

static struct shard *shard_of(struct notes *n, uint64_t hash)
{
    return &n->shard[hash >> 60 & (SHARDS - 1)];
}

/* True when the event was counted. With may_grow false only an existing sum takes it. */
static bool count(struct notes *notes, const struct note_key *key, const struct meter_event *ev, uint32_t lines_max)
{
    uint64_t hash = hash_of(key);
    struct shard *s = shard_of(notes, hash);

    pthread_mutex_lock(&s->lock);
    struct note *n = find(s, key, hash);
    if (!n && s->n < lines_max)
        n = add(s, key, hash);
    if (n) {
        n->requests += ev->requests;
        n->egress_bytes += ev->egress_bytes;
        n->retrieved_bytes += ev->retrieved_bytes;
    }
    pthread_mutex_unlock(&s->lock);
    return n != NULL;
}

void meter_note(struct meter *m, const struct meter_event *ev)
{
    struct note_key key;

    if (ev->account == 0) /* nobody to charge: the request proved no identity */
        return;
    HF_ASSERT(ev->kind > REQUEST_ALL && ev->kind < REQUEST_KINDS && ev->requests <= 1);
    memset(&key, 0, sizeof(key));
    key.account = ev->account;
    key.bucket = ev->bucket;
    key.class = ev->class;
    key.kind = ev->kind;
    key.status = ev->http_status;
    key.egress = ev->egress >= ITEM_EGRESS_INTERNET ? ev->egress : ITEM_EGRESS_INTERNET;
    if (ev->bucket > 0)
        memcpy(key.bucket_name, ev->bucket_name.p,
               ev->bucket_name.n < BUCKET_NAME_MAX ? ev->bucket_name.n : BUCKET_NAME_MAX);
    if (ev->access_key.n <= ACCESS_KEY_MAX && ev->access_key.n > 0)
        memcpy(key.access_key, ev->access_key.p, ev->access_key.n);
    if (count(m->notes, &key, ev, SHARD_LINES_MAX))
        return;
    memset(key.access_key, 0, sizeof(key.access_key));
    (void)count(m->notes, &key, ev, 2 * SHARD_LINES_MAX);
}

/* ---- handing out ---- */

static struct usage_line usage_of(const struct note *n)
{
    return (struct usage_line){.account = n->key.account,
                               .bucket = n->key.bucket,
                               .bucket_name = view_cstr(n->key.bucket_name),
                               .access_key = view_cstr(n->key.access_key),
                               .class = n->key.class,
                               .kind = n->key.kind,
                               .status = n->key.status,
                               .requests = n->requests,
                               .egress_bytes = n->egress_bytes,
                               .egress = n->key.egress,
                               .retrieved_bytes = n->retrieved_bytes};
}

/* Takes out the last `taken` lines. */
static void forget(struct shard *s, uint32_t taken)
{
    for (; taken > 0; taken--) {
        const struct note *n = &s->line[--s->n];
        /* Lines are added at the head of their chain, so the last one is the first of its own. */
        HF_ASSERT(s->head[n->hash & (PLACES - 1)] == s->n + 1);
        s->head[n->hash & (PLACES - 1)] = n->next;
    }
}

static enum rc take_from(struct shard *s, struct buf *payload)
{
    struct usage_line line[TAKE_LINES_MAX];
    uint32_t n = s->n < TAKE_LINES_MAX ? s->n : TAKE_LINES_MAX;

    if (n == 0)
        return RC_END;
    for (uint32_t i = 0; i < n; i++)
        line[i] = usage_of(&s->line[s->n - 1 - i]);
    const struct account_rec r = {.type = REC_USAGE, .usage = line, .n_usage = n};
    enum rc rc = account_rec_encode(&r, payload);
    if (rc == RC_OK)
        forget(s, n);
    return rc;
}

enum rc meter_take_usage(struct meter *m, struct buf *payload)
{
    enum rc rc = RC_END;

    for (unsigned i = 0; rc == RC_END && i < SHARDS; i++) {
        struct shard *s = &m->notes->shard[i];
        pthread_mutex_lock(&s->lock);
        rc = take_from(s, payload);
        pthread_mutex_unlock(&s->lock);
    }
    return rc;
}
