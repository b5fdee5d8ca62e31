/* Holdfast store: writing one body to all copies (S1, S3).
 *
 * The caller's thread seals blocks and writes one copy; the others are written by the pool when the piece is large
 * enough to pay for waking a thread. Syncs are shared: who comes while one is under way waits for the next, which
 * covers everything written before it began. A copy whose write or sync failed is abandoned for all puts of that
 * volume. */
#include "store/store_priv.h"

#include <stdlib.h>

#define PARALLEL_MIN (256u << 10) /* copying this much takes about ten times as long as waking a thread */
#define FLUSH_EVERY (4ull << 20)  /* start writeback so often, so that the last sync finds little to do */

struct store_put {
    struct store *s;
    uint64_t size, written;
    size_t n;          /* extents */
    size_t at;         /* the one being written */
    uint64_t at_bytes; /* of it already written */
    uint64_t unflushed;
    bool failed;
    struct extent *extent;
    struct volume **volume; /* of each extent; NULL: not reserved */
};

static uint64_t random_owner(struct store *s)
{
    uint8_t raw[8];
    os_random(s->os, raw, sizeof raw);
    return be64_get(raw) >> 1;
}

static enum rc reserve_all(struct store_put *p, struct err *e)
{
    uint64_t rest = p->size;
    for (size_t i = 0; i < p->n; i++) {
        struct extent *x = &p->extent[i];
        *x = (struct extent){.kind = EXTENT_VOLUME, .length = rest < EXTENT_SIZE_MAX ? rest : EXTENT_SIZE_MAX};
        HF_TRY(reserve_extent(p->s, extent_end(x), &p->volume[i], &x->offset, e));
        x->container = p->volume[i]->id;
        x->owner = random_owner(p->s);
        rest -= x->length;
    }
    return RC_OK;
}

enum rc store_put_begin(struct store *s, uint64_t size, struct store_put **ret, struct err *e)
{
    if (size > STORE_PUT_SIZE_MAX)
        return err_set(e, RC_LIMIT, "a body of %llu bytes is larger than one put may be (%llu)",
                       (unsigned long long)size, (unsigned long long)STORE_PUT_SIZE_MAX);
    HF_TRY(slots_refresh(s, e));
    struct store_put *p = calloc(1, sizeof *p);
    if (!p)
        return err_set(e, RC_NOMEM, "out of memory while beginning to store a body");
    p->s = s;
    p->size = size;
    p->n = (size_t)((size + EXTENT_SIZE_MAX - 1) / EXTENT_SIZE_MAX);
    p->extent = calloc(p->n + 1, sizeof *p->extent); /* + 1: also of an empty body it is not NULL */
    p->volume = calloc(p->n + 1, sizeof(struct volume *));
    enum rc rc = p->extent && p->volume ? RC_OK : err_set(e, RC_NOMEM, "out of memory while beginning to store a body");
    if (rc == RC_OK)
        rc = reserve_all(p, e);
    if (rc != RC_OK) {
        store_put_free(p);
        return rc;
    }
    *ret = p;
    return RC_OK;
}

void store_put_free(struct store_put *p)
{
    if (!p)
        return;
    for (size_t i = 0; p->volume && i < p->n; i++)
        if (p->volume[i])
            volume_put_done(p->s, p->volume[i]);
    free(p->volume);
    free(p->extent);
    free(p);
}

/* ---- the same call on every copy ---- */

struct on_copies {
    struct store *s;
    struct volume *v;
    const struct iovec *iov;
    int n_iov;
    uint64_t offset;
    uint64_t flush_from, flush_n; /* n = 0: no hint now */
    bool is_sync;
    enum rc rc[DISKS_MAX];
    pthread_mutex_t lock;
    struct err *first; /* the first failure's words, or NULL */
    bool failed;
};

static void keep_first(struct on_copies *c, const struct err *e)
{
    pthread_mutex_lock(&c->lock);
    if (!c->failed && c->first)
        *c->first = *e;
    c->failed = true;
    pthread_mutex_unlock(&c->lock);
}

static void write_copy(void *ctx, unsigned slot)
{
    struct on_copies *c = ctx;
    struct err e = {""};
    struct os_file *f = c->v->w->f[slot];
    c->rc[slot] = os_pwritev(c->s->os, f, c->iov, c->n_iov, c->offset, &e);
    if (c->rc[slot] != RC_OK)
        keep_first(c, &e);
    else if (c->flush_n > 0)
        os_flush_hint(c->s->os, f, c->flush_from, c->flush_n);
}

static void sync_copy(void *ctx, unsigned slot)
{
    struct on_copies *c = ctx;
    struct err e = {""};
    c->rc[slot] = os_datasync(c->s->os, c->v->w->f[slot], &e);
    if (c->rc[slot] != RC_OK)
        keep_first(c, &e);
}

/* Abandons the copies that failed. What is not the disk's fault is the result: the disk stays in use, so the body may
 * not be acknowledged without it. A copy that could not be synced is abandoned whatever the reason. */
static enum rc judge(struct on_copies *c, uint32_t slots)
{
    enum rc result = RC_OK;
    for (unsigned i = 0; i < DISKS_MAX; i++) {
        if (!(slots & SLOT_BIT(i)) || c->rc[i] == RC_OK)
            continue;
        bool blamed = rc_blames_disk(c->rc[i]);
        if (blamed)
            slot_failed(c->s, i);
        else
            result = c->rc[i];
        if (blamed || c->is_sync)
            writer_lost(c->s, c->v, i, !blamed);
    }
    return result;
}

/* RC_OK: a copy is left, and each that is lost is so with its disk. */
static enum rc copies_left(struct store *s, struct volume *v, const char *why, struct err *e)
{
    if (writer_slots(s, v) == 0)
        return err_set(e, RC_IO, "no copy of volume %016llx is left: %s", (unsigned long long)v->id, why);
    pthread_mutex_lock(&s->lock);
    bool spoiled = v->w->spoiled;
    pthread_mutex_unlock(&s->lock);
    if (spoiled)
        return err_set(e, RC_UNAVAILABLE, "a copy of volume %016llx was given up: %s", (unsigned long long)v->id, why);
    return RC_OK;
}

static enum rc all_copies(struct on_copies *c, bool parallel, fan_fn *fn, struct err *e)
{
    uint32_t slots = writer_slots(c->s, c->v);
    struct err first = {"its disk was taken out of use, or was full"};
    c->first = &first;
    pthread_mutex_init(&c->lock, NULL);
    fan_out(parallel ? c->s->pool : NULL, slots, fn, c);
    pthread_mutex_destroy(&c->lock);
    enum rc rc = judge(c, slots);
    if (rc != RC_OK)
        return err_set(e, rc, "%s", first.text);
    return copies_left(c->s, c->v, first.text, e);
}

/* ---- writing ---- */

/* When it is time, asks for what was written since the last time, as far as it is in this extent. */
static void plan_flush(struct store_put *p, struct on_copies *c, uint64_t bytes)
{
    p->unflushed += bytes;
    if (p->unflushed < FLUSH_EVERY)
        return;
    uint64_t end = c->offset + bytes, begin = p->extent[p->at].offset;
    c->flush_from = end - begin > p->unflushed ? end - p->unflushed : begin;
    c->flush_n = end - c->flush_from;
    p->unflushed = 0;
}

/* At most RUN_BLOCKS blocks of the extent at hand. */
static enum rc write_run(struct store_put *p, const uint8_t *data, size_t n, struct err *e)
{
    const struct extent *x = &p->extent[p->at];
    uint8_t header[RUN_BLOCKS][BLOCK_HEADER_SIZE];
    struct iovec iov[2 * RUN_BLOCKS];
    uint64_t index = p->at_bytes / BLOCK_DATA_MAX;
    struct on_copies c = {.s = p->s, .v = p->volume[p->at], .iov = iov, .offset = block_offset(x, index)};
    size_t done = 0, bytes = 0;
    for (unsigned i = 0; done < n; i++, index++) {
        uint32_t size = block_data_size(x, index);
        block_seal(header[i], block_id_of(x, index), data + done, size);
        iov[c.n_iov++] = (struct iovec){header[i], BLOCK_HEADER_SIZE};
        /* struct iovec has no const form; writing does not change it */
        iov[c.n_iov++] = (struct iovec){(void *)(uintptr_t)(data + done), size};
        done += size;
        bytes += BLOCK_HEADER_SIZE + size;
    }
    HF_ASSERT(done == n);
    plan_flush(p, &c, bytes);
    HF_TRY(all_copies(&c, n >= PARALLEL_MIN, write_copy, e));
    p->at_bytes += n;
    p->written += n;
    if (p->at_bytes == x->length) {
        p->at++;
        p->at_bytes = 0;
        p->unflushed = 0;
    }
    return RC_OK;
}

enum rc store_put_write(struct store_put *p, const void *data, size_t n, struct err *e)
{
    if (p->failed)
        return err_set(e, RC_CONFLICT, "this body has failed to be stored before");
    if (n > p->size - p->written || (n % BLOCK_DATA_MAX != 0 && p->written + n != p->size))
        return err_set(e, RC_INVALID, "%zu bytes after %llu do not fit a body of %llu", n,
                       (unsigned long long)p->written, (unsigned long long)p->size);
    const uint8_t *at = data;
    while (n > 0) {
        uint64_t run = p->extent[p->at].length - p->at_bytes;
        if (run > RUN_BLOCKS * BLOCK_DATA_MAX)
            run = RUN_BLOCKS * BLOCK_DATA_MAX;
        if (run > n)
            run = n;
        enum rc rc = write_run(p, at, (size_t)run, e);
        if (rc != RC_OK) {
            p->failed = true;
            return rc;
        }
        at += run;
        n -= (size_t)run;
    }
    return RC_OK;
}

/* ---- syncing ---- */

static enum rc sync_now(struct store *s, struct volume *v, struct err *e)
{
    struct on_copies c = {.s = s, .v = v, .is_sync = true};
    return all_copies(&c, true, sync_copy, e);
}

/* Everything that was written to the volume before the call is durable on the copies that are left. A failed sync is
 * never repeated on a copy: it is lost then, and who waited learns of it from writer_slots. */
static enum rc volume_sync(struct store *s, struct volume *v, struct err *e)
{
    struct writer *w = v->w;
    enum rc rc = RC_OK;
    pthread_mutex_lock(&w->sync_lock);
    uint64_t wanted = w->sync_started + 1;
    while (rc == RC_OK && w->sync_done < wanted) {
        if (w->syncing) {
            pthread_cond_wait(&w->sync_cond, &w->sync_lock);
            continue;
        }
        w->syncing = true;
        uint64_t mine = ++w->sync_started;
        pthread_mutex_unlock(&w->sync_lock);
        rc = sync_now(s, v, e);
        pthread_mutex_lock(&w->sync_lock);
        w->syncing = false;
        if (rc == RC_OK)
            w->sync_done = mine;
        pthread_cond_broadcast(&w->sync_cond);
    }
    pthread_mutex_unlock(&w->sync_lock);
    return rc;
}

static enum rc sync_all(struct store_put *p, struct err *e)
{
    for (size_t i = 0; i < p->n; i++)
        if (i == 0 || p->volume[i] != p->volume[i - 1])
            HF_TRY(volume_sync(p->s, p->volume[i], e));
    /* A disk may have gone since its own sync: what was on it alone is not kept. */
    for (size_t i = 0; i < p->n; i++)
        HF_TRY(copies_left(p->s, p->volume[i], "its disk failed while the body was stored", e));
    return RC_OK;
}

enum rc store_put_finish(struct store_put *p, const struct extent **ret, size_t *ret_n, struct err *e)
{
    if (p->failed)
        return err_set(e, RC_CONFLICT, "this body has failed to be stored before");
    if (p->written != p->size)
        return err_set(e, RC_INVALID, "the body has %llu bytes, but %llu were said", (unsigned long long)p->written,
                       (unsigned long long)p->size);
    enum rc rc = sync_all(p, e);
    if (rc != RC_OK) {
        p->failed = true;
        return rc;
    }
    *ret = p->extent;
    *ret_n = p->n;
    return RC_OK;
}
