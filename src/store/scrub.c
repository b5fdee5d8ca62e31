/* Holdfast store: scrubbing all volumes against the live extents. */
#include "store/store_priv.h"

#include <stdlib.h>

/* ---- one volume on all its disks ---- */

struct volume_scrub {
    struct scrub_work *k;
    struct volume *v;
    const struct extent_list *live;
    struct scrub_count count[DISKS_MAX];
    enum rc rc[DISKS_MAX];
    struct err err[DISKS_MAX];
};

static void scrub_copy_job(void *ctx, unsigned slot)
{
    struct volume_scrub *w = ctx;
    w->rc[slot] = copy_scrub(w->k, w->v, slot, w->live, &w->count[slot], &w->err[slot]);
}

static void count_add(struct scrub_count *sum, const struct scrub_count *c)
{
    sum->blocks += c->blocks;
    sum->bytes += c->bytes;
    sum->corrupt += c->corrupt;
    sum->repaired += c->repaired;
    sum->unrepairable += c->unrepairable;
}

/* A failure of one disk's copy is not one of the scrub. */
static bool ends_scrub(enum rc rc)
{
    return rc == RC_NOMEM || rc == RC_CANCELLED;
}

static enum rc scrub_volume(struct scrub_work *k, struct os_pool *pool, struct volume *v,
                            const struct extent_list *live, struct scrub_count *add, struct err *e)
{
    HF_TRY(volume_learn(k->s, v, e));
    struct volume_scrub *w = calloc(1, sizeof *w);
    if (!w)
        return err_set(e, RC_NOMEM, "out of memory while scrubbing");
    w->k = k;
    w->v = v;
    w->live = live;
    pthread_mutex_lock(&k->s->lock);
    uint32_t slots = v->slots;
    bool writing = !v->sealed;
    if (writing)
        slots = v->have; /* a copy that the open volume never had is made once it is sealed */
    pthread_mutex_unlock(&k->s->lock);
    slots &= usable_slots(k->s);
    k->share = slots ? (unsigned)__builtin_popcount(slots) : 1;
    fan_out(pool, slots, scrub_copy_job, w);
    enum rc rc = RC_OK;
    for (unsigned i = 0; i < DISKS_MAX; i++) {
        count_add(add, &w->count[i]);
        if (w->rc[i] != RC_OK)
            atomic_fetch_or(&k->unhealed, SLOT_BIT(i));
        if (rc == RC_OK && ends_scrub(w->rc[i]))
            rc = err_set(e, w->rc[i], "%s", w->rc[i] == RC_CANCELLED ? "stopped" : w->err[i].text);
    }
    if (slots == 0) {
        add->corrupt += live_blocks(live);
        add->unrepairable += live_blocks(live);
    }
    free(w);
    return rc;
}

/* ---- all volumes ---- */

static uint64_t bytes_to_read(struct store *s, const uint64_t *ids, size_t n)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++) {
        struct volume *v = volume_find(s, ids[i]);
        if (!v)
            continue;
        pthread_mutex_lock(&s->lock);
        unsigned copies = (unsigned)__builtin_popcount(v->have);
        pthread_mutex_unlock(&s->lock);
        sum += volume_size(s, v) * copies;
        volume_unref(s, v);
    }
    return sum;
}

uint64_t store_bytes(struct store *s)
{
    uint64_t *ids, sum = 0;
    size_t n;
    if (volume_ids(s, &ids, &n, NULL) == RC_OK) {
        sum = bytes_to_read(s, ids, n);
        free(ids);
    }
    return sum;
}

static enum rc scrub_one(struct scrub_work *k, struct os_pool *pool, uint64_t id, const struct extent_list *live,
                         struct scrub_count *add, struct err *e)
{
    struct volume *v = volume_find(k->s, id);
    if (!v) { /* dropped since it was listed, or lost with all its live extents */
        add->corrupt += live_blocks(live);
        add->unrepairable += live_blocks(live);
        return RC_OK;
    }
    enum rc rc = scrub_volume(k, pool, v, live, add, e);
    volume_unref(k->s, v);
    return rc;
}

/* Volumes that are there and volumes that extents name, merged in order. */
static enum rc scrub_volumes(struct scrub_work *k, struct os_pool *pool, struct live_cursor *u, const uint64_t *ids,
                             size_t n, struct scrub_count *add, struct err *e)
{
    struct extent_list live = {0};
    enum rc rc = RC_OK;
    for (size_t i = 0; rc == RC_OK && (i < n || u->has);) {
        uint64_t id = i < n && (!u->has || ids[i] <= u->ahead.container) ? ids[i] : u->ahead.container;
        if (i < n && ids[i] == id)
            i++;
        rc = live_collect(u, id, &live, e);
        if (rc == RC_OK)
            rc = scrub_one(k, pool, id, &live, add, e);
    }
    free(live.x);
    return rc;
}

/* A whole pass left nothing damaged there: what we called degraded is well again. */
static void absolve(struct scrub_work *k)
{
    for (unsigned i = 0; i < k->s->n_slots; i++) {
        if (atomic_load(&k->unhealed) & SLOT_BIT(i))
            continue;
        pthread_mutex_lock(&k->s->lock);
        bool ours = k->s->slot[i].degraded;
        k->s->slot[i].degraded = false;
        pthread_mutex_unlock(&k->s->lock);
        enum disk_state was = DISK_DEGRADED;
        if (ours)
            (void)atomic_compare_exchange_strong(&k->s->disks->disk[i].state, &was, DISK_OK);
    }
}

enum rc store_scrub(struct store *s, const struct extent_source *live, const struct scrub_pace *pace,
                    struct scrub_count *add, struct err *e)
{
    struct os_pool *pool = NULL; /* of its own: puts do not wait behind a volume */
    struct scrub_work k;
    struct live_cursor u = {.source = live};
    uint64_t *ids = NULL;
    size_t n = 0;
    HF_TRY(slots_refresh(s, e));
    if (s->n_slots > 1 && os_pool_new(s->n_slots - 1, "scrub", &pool) != RC_OK)
        pool = NULL; /* one disk after the other, then */
    scrub_work_init(&k, s, pace);
    enum rc rc = volume_ids(s, &ids, &n, e);
    if (rc == RC_OK) {
        k.total_bytes = bytes_to_read(s, ids, n);
        rc = live_next(&u, e);
    }
    if (rc == RC_OK)
        rc = scrub_volumes(&k, pool, &u, ids, n, add, e);
    if (rc == RC_OK)
        absolve(&k);
    if (rc == RC_OK && pace && pace->progress)
        pace->progress(pace->ctx, k.total_bytes, k.total_bytes);
    scrub_work_done(&k);
    if (pool)
        os_pool_free(pool);
    free(ids);
    return rc;
}
