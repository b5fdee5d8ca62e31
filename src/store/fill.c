/* Holdfast store: filling a disk that came new or late with the volumes it should hold. */
#include "store/store_priv.h"

#include <stdlib.h>
#include <time.h>

#define HEAL_WAIT_NS 200000000LL /* for a put to end before its volume can be copied */

enum lack { LACK_NOTHING, LACK_VOLUME, LACK_BUSY };

/* Does the slot lack it, and may it be copied now? */
static enum lack lacks(struct store *s, struct volume *v, unsigned slot)
{
    pthread_mutex_lock(&s->lock);
    bool should = v->slots & SLOT_BIT(slot), checked = v->checked & SLOT_BIT(slot);
    struct writer *idle = NULL;
    enum lack lack = !should || checked ? LACK_NOTHING : v->puts > 0 ? LACK_BUSY : LACK_VOLUME;
    if (lack != LACK_NOTHING)
        idle = volume_seal_locked(s, v); /* so that it comes to rest */
    pthread_mutex_unlock(&s->lock);
    writer_close(s, idle);
    return lack;
}

/* The first volume that the slot lacks, referenced, or NULL; *ret_busy: another one is still written to. */
static enum rc find_lacking(struct store *s, unsigned slot, struct volume **ret, bool *ret_busy, struct err *e)
{
    uint64_t *ids;
    size_t n;
    HF_TRY(volume_ids(s, &ids, &n, e));
    enum rc rc = RC_OK;
    *ret = NULL;
    *ret_busy = false;
    for (size_t i = 0; i < n && rc == RC_OK && !*ret; i++) {
        struct volume *v = volume_find(s, ids[i]);
        if (!v)
            continue;
        rc = volume_learn(s, v, e);
        enum lack lack = rc == RC_OK ? lacks(s, v, slot) : LACK_NOTHING;
        *ret_busy |= lack == LACK_BUSY;
        if (lack == LACK_VOLUME)
            *ret = v;
        else
            volume_unref(s, v);
    }
    free(ids);
    return rc;
}

static enum rc heal_volume(struct store *s, struct volume *v, unsigned slot, struct extent_source *source,
                           uint64_t *ret_bytes, struct err *e)
{
    struct live_cursor u = {.source = source};
    struct extent_list live = {0};
    struct scrub_count c = {0};
    struct scrub_work k;
    scrub_work_init(&k, s, NULL);
    k.list_is_fresh = true;
    enum rc rc = live_next(&u, e);
    if (rc == RC_OK)
        rc = live_collect(&u, v->id, &live, e);
    if (rc == RC_OK)
        rc = copy_scrub(&k, v, slot, &live, &c, e);
    if (rc == RC_OK && !slot_usable(s, slot))
        rc = err_set(e, RC_IO, "disk %s failed while volumes were copied to it", s->disks->disk[slot].path);
    if (rc == RC_OK) {
        pthread_mutex_lock(&s->lock);
        v->checked |= SLOT_BIT(slot);
        pthread_mutex_unlock(&s->lock);
        *ret_bytes = c.bytes;
    }
    free(live.x);
    scrub_work_done(&k);
    return rc;
}

/* Until a put ends, or a while. */
static enum rc wait_quiet(struct store *s, uint64_t *ret_bytes)
{
    int64_t until = clock_real_ns(os_clock()) + HEAL_WAIT_NS;
    struct timespec at = {.tv_sec = until / NS_PER_S, .tv_nsec = until % NS_PER_S};
    pthread_mutex_lock(&s->lock);
    (void)pthread_cond_timedwait(&s->quiet, &s->lock, &at); /* either way the caller looks again */
    pthread_mutex_unlock(&s->lock);
    *ret_bytes = 0;
    return RC_OK;
}

enum rc store_heal_step(struct store *s, unsigned slot,
                        enum rc (*open_live)(void *ctx, uint64_t volume, struct extent_source *ret), void *ctx,
                        uint64_t *ret_bytes, struct err *e)
{
    struct extent_source source;
    struct volume *v;
    bool busy;
    HF_ASSERT(slot < s->n_slots);
    HF_TRY(slots_refresh(s, e));
    if (!slot_usable(s, slot))
        return err_set(e, RC_UNAVAILABLE, "disk %s cannot be filled: it is %s", s->disks->disk[slot].path,
                       disk_state_name(atomic_load(&s->disks->disk[slot].state)));
    HF_TRY(find_lacking(s, slot, &v, &busy, e));
    if (!v)
        return busy ? wait_quiet(s, ret_bytes) : RC_END;
    enum rc rc = open_live(ctx, v->id, &source);
    if (rc != RC_OK)
        rc = err_set(e, rc, "the live extents of volume %016llx cannot be listed", (unsigned long long)v->id);
    else
        rc = heal_volume(s, v, slot, &source, ret_bytes, e);
    volume_unref(s, v);
    return rc;
}
