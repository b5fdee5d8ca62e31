/* Holdfast store: a place for an extent: the next bytes of the open volume, allocated on every copy beforehand, so that
 * a full disk is found before the first byte of the body is taken.
 *
 * Invariant: a volume hands out each range once. Offsets come from v->tail under store.lock; puts then write their own
 * ranges without knowing of each other. */
#include "store/store_priv.h"

#define RESERVE_AHEAD (16ull << 20) /* allocated at a time, so that most puts ask the file system nothing */
#define TRIES_MAX (4 * DISKS_MAX)   /* each try but a race leaves a failed or full disk out */

void writer_lost(struct store *s, struct volume *v, unsigned slot, bool spoiled)
{
    pthread_mutex_lock(&s->lock);
    if (v->w)
        v->w->lost |= SLOT_BIT(slot);
    if (v->w && spoiled)
        v->w->spoiled = true;
    v->checked &= ~SLOT_BIT(slot);
    struct writer *idle = volume_seal_locked(s, v);
    pthread_mutex_unlock(&s->lock);
    writer_close(s, idle);
}

uint32_t writer_slots(struct store *s, struct volume *v)
{
    uint32_t usable = usable_slots(s), slots = 0;
    pthread_mutex_lock(&s->lock);
    for (unsigned i = 0; i < s->n_slots; i++) {
        if (!v->w->f[i])
            continue;
        if (!(usable & SLOT_BIT(i))) {
            v->w->lost |= SLOT_BIT(i);
            v->checked &= ~SLOT_BIT(i);
        }
        if (!(v->w->lost & SLOT_BIT(i)))
            slots |= SLOT_BIT(i);
    }
    pthread_mutex_unlock(&s->lock);
    return slots;
}

/* Does the volume still have all the copies that can be had? */
static bool placement_holds_locked(const struct store *s, const struct volume *v, uint32_t usable)
{
    unsigned can = (unsigned)__builtin_popcount(usable);
    unsigned want = can < s->disks->copies ? can : s->disks->copies;
    uint32_t good = v->have & usable & ~v->w->lost;
    return v->have == good && (unsigned)__builtin_popcount(good) >= want && want > 0;
}

/* A new volume takes one extent however low the target is. */
static bool is_used_up(const struct store *s, const struct volume *v)
{
    return v->tail > VOLUME_HEADER_SIZE && v->tail >= s->cfg.volume_size_target;
}

static struct volume *take_from_open(struct store *s, uint64_t bytes, uint32_t full, uint64_t *ret_offset)
{
    uint32_t usable = usable_slots(s);
    pthread_mutex_lock(&s->lock);
    struct volume *v = s->open;
    if (v && (is_used_up(s, v) || (v->have & full) || !placement_holds_locked(s, v, usable)))
        v = NULL;
    if (v) {
        *ret_offset = v->tail;
        v->tail += bytes;
        v->puts++;
        v->refs++;
    }
    pthread_mutex_unlock(&s->lock);
    return v;
}

/* Adds to *full what is found full. */
static enum rc take(struct store *s, uint64_t bytes, uint32_t *full, struct volume **ret, uint64_t *ret_offset,
                    struct err *e)
{
    struct volume *v = take_from_open(s, bytes, *full, ret_offset);
    enum rc rc = RC_OK;
    if (!v) {
        pthread_mutex_lock(&s->grow_lock);
        v = take_from_open(s, bytes, *full, ret_offset); /* another thread may have made one */
        uint32_t on, should;
        if (!v) {
            rc = place(s, bytes + VOLUME_HEADER_SIZE, *full, &on, &should, e);
            if (rc == RC_OK)
                rc = volume_create(s, on, should, full, e);
            if (rc == RC_OK)
                v = take_from_open(s, bytes, *full, ret_offset);
        }
        pthread_mutex_unlock(&s->grow_lock);
    }
    if (rc == RC_OK && !v)
        rc = err_set(e, RC_IO, "a disk failed while a volume was made");
    if (rc == RC_OK)
        *ret = v;
    return rc;
}

static void give_back(struct store *s, struct volume *v, uint64_t offset, uint64_t bytes)
{
    pthread_mutex_lock(&s->lock);
    if (v->tail == offset + bytes)
        v->tail = offset; /* nothing was written there */
    pthread_mutex_unlock(&s->lock);
    volume_put_done(s, v);
}

static enum rc allocate_copy(struct store *s, struct volume *v, unsigned slot, uint64_t end, uint64_t ahead,
                             struct err *e)
{
    uint64_t more = end + ahead > v->w->reserved ? end + ahead - v->w->reserved : 0, room;
    if (!slot_has_room(s, slot, more, &room))
        return err_set(e, RC_FULL, "disk %s is full; add space", s->disks->disk[slot].path);
    enum rc rc = os_reserve(s->os, v->w->f[slot], end + ahead, e);
    return rc == RC_UNSUPPORTED ? RC_OK : rc; /* then a write may still meet a full disk */
}

/* On every copy. *ret_full: the slots that are full. */
static enum rc allocate_copies(struct store *s, struct volume *v, uint64_t end, uint64_t ahead, uint32_t *ret_full,
                               struct err *e)
{
    uint32_t slots = writer_slots(s, v);
    if (slots == 0)
        return err_set(e, RC_IO, "no copy of the volume is left");
    for (unsigned i = 0; i < s->n_slots; i++) {
        if (!(slots & SLOT_BIT(i)))
            continue;
        enum rc rc = allocate_copy(s, v, i, end, ahead, e);
        if (rc == RC_FULL)
            *ret_full |= SLOT_BIT(i);
        if (rc_blames_disk(rc)) {
            slot_failed(s, i);
            writer_lost(s, v, i, false);
        }
        HF_TRY(rc);
    }
    v->w->reserved = end + ahead;
    return RC_OK;
}

static enum rc allocate(struct store *s, struct volume *v, uint64_t end, uint32_t *ret_full, struct err *e)
{
    struct writer *w = v->w;
    enum rc rc = RC_OK;
    pthread_mutex_lock(&w->reserve_lock);
    if (end > w->reserved) {
        uint32_t full = 0;
        uint64_t left = s->cfg.volume_size_target > end ? s->cfg.volume_size_target - end : 0;
        rc = allocate_copies(s, v, end, left < RESERVE_AHEAD ? left : RESERVE_AHEAD, &full, e);
        if (rc == RC_FULL) /* not so much ahead, then */
            rc = allocate_copies(s, v, end, 0, ret_full, e);
    }
    pthread_mutex_unlock(&w->reserve_lock);
    return rc;
}

enum rc reserve_extent(struct store *s, uint64_t bytes, struct volume **ret, uint64_t *ret_offset, struct err *e)
{
    uint32_t full = 0;
    enum rc rc = RC_UNAVAILABLE;
    if (usable_slots(s) == 0)
        return err_set(e, rc, "no disk is left to write to; replace or repair one");
    for (unsigned tries = 0; tries < TRIES_MAX; tries++) {
        struct volume *v;
        uint64_t offset;
        uint32_t was_full = full;
        rc = take(s, bytes, &full, &v, &offset, e);
        if (rc == RC_OK) {
            rc = allocate(s, v, offset + bytes, &full, e);
            if (rc == RC_OK) {
                *ret = v;
                *ret_offset = offset;
                return RC_OK;
            }
            give_back(s, v, offset, bytes);
        }
        if (rc == RC_FULL ? full == was_full : !rc_blames_disk(rc))
            return rc;
        if (usable_slots(s) == 0)
            return err_wrap(e, RC_IO, "every disk failed");
    }
    return rc;
}
