/* A large body on its way to the store: a ring of chunks that two lanes follow, each in a worker of its own: one
 * computes the MD5 (the ceiling of a large PUT), the other all the rest: checksums and the blocking writes.
 *
 * Invariants, under lock:
 *  U1 filled counts chunks handed to the lanes, lane.done those a lane has finished; done <= filled <= done + window
 * for both lanes, so slot `filled % window` belongs to the connection exactly while filled - min(done) < window U2 a
 * lane's job is queued or running exactly while lane.running; the job holds a reference of the request U3 finishing is
 * set once, after ended and when both lanes have done all; then no lane touches put, md5 or sums U4 waiting: the
 * connection is suspended for room; whoever makes room clears it and wakes, once */
#include <stdlib.h>

#include "gateway/gateway_priv.h"

#define CHUNK_SIZE (1u << 20)
#define CHUNKS_MAX (GATEWAY_WINDOW / CHUNK_SIZE)
_Static_assert(CHUNK_SIZE % BLOCK_DATA_MAX == 0, "the store takes whole blocks");

/* The window shrinks when many large bodies are on their way, so that all together stay below 512 MiB. */
#define UPLOADS_FULL_WINDOW 32u
#define UPLOADS_HALF_WINDOW 128u

enum { LANE_MD5, LANE_STORE, LANES };

struct chunk {
    char *data;
    size_t n, cap;
};
struct lane {
    struct os_job job;
    struct upload *upload;
    void (*work)(struct upload *u, const struct chunk *c);
    uint64_t done;
    bool running;
};
struct upload {
    struct gw_req *g;
    pthread_mutex_t lock;
    uint64_t size, put_bytes; /* the connection's own, as is fill_n: bytes in the slot being filled */
    size_t fill_n;
    struct chunk ring[CHUNKS_MAX];
    unsigned window;
    uint64_t filled;
    struct lane lane[LANES];
    bool ended, finishing, waiting, cancelled;
    enum rc rc; /* first failure */
    struct err err;
    struct digest *md5;
    struct gw_sums sums;
    struct store_put *put;
    struct gw_digests digests;
    const struct extent *extents;
    size_t n_extents;
};

static uint64_t all_done(const struct upload *u)
{
    uint64_t a = u->lane[LANE_MD5].done, b = u->lane[LANE_STORE].done;
    return a < b ? a : b;
}

/* Of the store lane and of finish, which follow each other; the others read rc under the lock. */
static void fail(struct upload *u, enum rc rc, const struct err *e)
{
    pthread_mutex_lock(&u->lock);
    if (u->rc == RC_OK) {
        u->rc = rc;
        u->err = *e;
    }
    pthread_mutex_unlock(&u->lock);
}

/* ---- the lanes' work, without the lock ---- */
static void work_md5(struct upload *u, const struct chunk *c)
{
    digest_update(u->md5, c->data, c->n);
}

static void work_store(struct upload *u, const struct chunk *c)
{
    struct err e = {""};
    enum rc rc = RC_OK;
    gw_sums_update(&u->sums, c->data, c->n);
    if (u->put == NULL)
        rc = store_put_begin(u->g->gw->engine->store, u->size, &u->put, &e);
    if (rc == RC_OK)
        rc = store_put_write(u->put, c->data, c->n, &e);
    if (rc != RC_OK)
        fail(u, rc, &e);
}

static void free_ring(struct upload *u)
{
    for (unsigned i = 0; i < CHUNKS_MAX; i++) {
        free(u->ring[i].data);
        u->ring[i].data = NULL;
    }
}

static void finish(struct upload *u, bool wanted)
{
    struct err e = {""};
    free_ring(u);
    if (!wanted)
        return;
    digest_final(u->md5, u->digests.md5);
    gw_sums_final(&u->sums, &u->digests);
    enum rc rc = store_put_finish(u->put, &u->extents, &u->n_extents, &e);
    if (rc != RC_OK)
        fail(u, rc, &e);
}

/* Under the lock: the next thing this lane can do. false: nothing, the lane rests. */
static bool lane_step(struct upload *u, struct lane *l)
{
    bool wanted = !u->cancelled && u->rc == RC_OK;
    if (l->done < u->filled) {
        const struct chunk *c = &u->ring[l->done % u->window];
        pthread_mutex_unlock(&u->lock);
        if (wanted)
            l->work(u, c);
        pthread_mutex_lock(&u->lock);
        l->done++;
        if (u->waiting && u->filled - all_done(u) < u->window) {
            u->waiting = false;
            gw_wake(u->g);
        }
        return true;
    }
    if (u->ended && !u->finishing && all_done(u) == u->filled) {
        u->finishing = true;
        pthread_mutex_unlock(&u->lock);
        finish(u, wanted);
        pthread_mutex_lock(&u->lock);
        gw_wake(u->g);
    }
    return false;
}

static void lane_run(struct os_job *job)
{
    struct lane *l = (struct lane *)(void *)((char *)job - offsetof(struct lane, job));
    struct upload *u = l->upload;
    struct gw_req *g = u->g;
    pthread_mutex_lock(&u->lock);
    while (lane_step(u, l))
        ;
    l->running = false;
    pthread_mutex_unlock(&u->lock);
    gw_unref(g);
}

/* Under the lock. */
static void kick(struct upload *u)
{
    for (int i = 0; i < LANES; i++) {
        struct lane *l = &u->lane[i];
        if (l->running)
            continue;
        l->running = true;
        gw_ref(u->g);
        os_pool_submit(u->g->gw->pool, &l->job);
    }
}

/* ---- the connection's side ---- */
static unsigned window_for(unsigned uploads)
{
    if (uploads <= UPLOADS_FULL_WINDOW)
        return CHUNKS_MAX;
    return uploads <= UPLOADS_HALF_WINDOW ? CHUNKS_MAX / 2 : 1;
}

enum rc upload_new(struct gw_req *g, uint64_t size, const struct gw_checks *checks, struct upload **ret)
{
    unsigned uploads = atomic_fetch_add(&g->gw->large_uploads, 1) + 1;
    struct upload *u = uploads > LARGE_UPLOADS_MAX ? NULL : calloc(1, sizeof *u);
    if (u == NULL) {
        atomic_fetch_sub(&g->gw->large_uploads, 1);
        return RC_UNAVAILABLE;
    }
    u->g = g;
    u->size = size;
    u->window = window_for(uploads);
    pthread_mutex_init(&u->lock, NULL);
    u->lane[LANE_MD5] = (struct lane){.job = {.run = lane_run}, .upload = u, .work = work_md5};
    u->lane[LANE_STORE] = (struct lane){.job = {.run = lane_run}, .upload = u, .work = work_store};
    u->md5 = digest_new(DIGEST_MD5);
    enum rc rc = u->md5 != NULL ? gw_sums_init(&u->sums, checks->kind, checks->has_sha256) : RC_NOMEM;
    if (rc != RC_OK) {
        upload_free(u);
        return rc;
    }
    *ret = u;
    return RC_OK;
}

size_t upload_room(struct upload *u)
{
    size_t room;
    pthread_mutex_lock(&u->lock);
    uint64_t busy = u->filled - all_done(u);
    if (busy >= u->window) {
        room = 0;
        u->waiting = true;
        http_suspend(u->g->http);
    } else {
        room = (size_t)(u->window - busy) * CHUNK_SIZE - u->fill_n;
    }
    pthread_mutex_unlock(&u->lock);
    return room;
}

static bool chunk_open(struct upload *u, struct chunk *c)
{
    if (c->data != NULL)
        return true;
    uint64_t left = u->size - u->put_bytes;
    c->cap = left < CHUNK_SIZE ? (size_t)left : CHUNK_SIZE;
    c->data = malloc(c->cap);
    return c->data != NULL;
}

static void hand_over(struct upload *u, struct chunk *c)
{
    c->n = u->fill_n;
    u->fill_n = 0;
    pthread_mutex_lock(&u->lock);
    u->filled++;
    kick(u);
    pthread_mutex_unlock(&u->lock);
}

void upload_put(struct upload *u, const void *p, size_t n)
{
    const char *from = p;
    while (n > 0) {
        pthread_mutex_lock(&u->lock);
        bool swallow = u->rc != RC_OK || u->cancelled;
        pthread_mutex_unlock(&u->lock);
        if (swallow)
            return;
        struct chunk *c = &u->ring[u->filled % u->window];
        if (!chunk_open(u, c)) {
            fail(u, RC_NOMEM, &(struct err){"out of memory"});
            return;
        }
        size_t piece = n < c->cap - u->fill_n ? n : c->cap - u->fill_n;
        memcpy(c->data + u->fill_n, from, piece);
        u->fill_n += piece;
        from += piece;
        n -= piece;
        u->put_bytes += piece;
        if (u->fill_n == c->cap || u->put_bytes == u->size)
            hand_over(u, c);
    }
}

void upload_end(struct upload *u)
{
    pthread_mutex_lock(&u->lock);
    u->ended = true;
    kick(u);
    pthread_mutex_unlock(&u->lock);
}

enum rc upload_result(struct upload *u, struct gw_digests *ret, struct err *e)
{
    pthread_mutex_lock(&u->lock);
    enum rc rc = u->cancelled ? RC_CANCELLED : u->rc;
    if (rc == RC_OK)
        *ret = u->digests;
    else
        *e = u->err;
    pthread_mutex_unlock(&u->lock);
    return rc;
}

void upload_extents(const struct upload *u, const struct extent **ret, size_t *ret_n)
{
    *ret = u->extents;
    *ret_n = u->n_extents;
}

void upload_cancel(struct upload *u)
{
    pthread_mutex_lock(&u->lock);
    u->cancelled = true;
    pthread_mutex_unlock(&u->lock);
}

void upload_free(struct upload *u)
{
    atomic_fetch_sub(&u->g->gw->large_uploads, 1);
    store_put_free(u->put);
    free_ring(u);
    digest_free(u->md5);
    gw_sums_free(&u->sums);
    pthread_mutex_destroy(&u->lock);
    free(u);
}
