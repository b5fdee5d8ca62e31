/* Holdfast store: a block that did not verify: read again, from the other copies, and repair what was wrong.
 *
 * S4 holds because the bytes that are written over a bad block are the ones whose checksum was verified just before,
 * under the header that was verified with them, and because what was written is read back and verified. */
#include "store/store_priv.h"

#include <stdio.h>
#include <stdlib.h>

unsigned slot_to_read(struct store *s, struct volume *v, const struct extent *x, uint32_t except)
{
    unsigned choice[DISKS_MAX], n = 0;
    int best = -1;
    pthread_mutex_lock(&s->lock);
    uint32_t have = v->have & ~except;
    pthread_mutex_unlock(&s->lock);
    for (unsigned i = 0; i < s->n_slots; i++) {
        if (!(have & SLOT_BIT(i)) || !slot_usable(s, i))
            continue;
        enum disk_state state = atomic_load(&s->disks->disk[i].state);
        int rank = state == DISK_OK ? 2 : state == DISK_DEGRADED ? 1 : 0;
        if (rank > best) {
            best = rank;
            n = 0;
        }
        if (rank == best)
            choice[n++] = i;
    }
    /* By the extent, not in turn: all disks share the load and yet each body is cached from one disk only. */
    return n == 0 ? DISKS_MAX : choice[(x->owner ^ (x->offset / EXTENT_ALIGN)) % n];
}

/* One copy of one block. RC_CORRUPT: read, but wrong. */
static enum rc try_copy(struct store *s, struct volume *v, unsigned slot, const struct extent *x, uint64_t index,
                        struct run *run, struct err *e)
{
    struct vol_file *h;
    enum rc rc = file_get(s, v, slot, &h, e);
    if (rc == RC_OK) {
        rc = blocks_read(s->os, h->f, x, index, 1, run, e);
        file_put(s, h);
    }
    if (rc == RC_NOT_FOUND) { /* the file went away under us: a scrub makes it anew */
        slot_degraded(s, slot);
        return rc;
    }
    if (rc != RC_OK) {
        if (rc_blames_disk(rc))
            slot_read_error(s, slot);
        return rc;
    }
    slot_read_good(s, slot);
    return run->bad ? RC_CORRUPT : RC_OK;
}

/* The good block over the bad one, durably, and read back into scratch. */
static enum rc rewrite(struct store *s, struct volume *v, unsigned slot, const struct extent *x, uint64_t index,
                       const struct run *good, uint8_t *scratch, struct err *e)
{
    char path[OS_PATH_MAX];
    struct os_file *f;
    struct run back = {.data = scratch};
    volume_path(s, slot, v->id, "", path);
    HF_TRY(os_open(s->os, path, OS_READ | OS_WRITE, &f, e));
    enum rc rc = blocks_read(s->os, f, x, index, 1, &back, e);
    bool healed_already = rc == RC_OK && back.bad == 0;
    if (!healed_already) {
        rc = blocks_write(s->os, f, x, index, 1, good, e);
        if (rc == RC_OK)
            rc = os_datasync(s->os, f, e);
        if (rc_blames_disk(rc))
            slot_failed(s, slot);
        if (rc == RC_OK)
            rc = blocks_read(s->os, f, x, index, 1, &back, e);
        if (rc == RC_OK && back.bad)
            rc = err_set(e, RC_CORRUPT, "%s: a repaired block does not read back whole", path);
    }
    os_close(s->os, f);
    return rc;
}

static void repair(struct store *s, struct volume *v, const struct extent *x, uint64_t index, const struct run *good,
                   struct recovery *r)
{
    uint8_t *scratch = malloc(BLOCK_DATA_MAX);
    if (!scratch)
        return; /* the next read or scrub meets it again */
    pthread_mutex_lock(&s->heal_lock);
    for (unsigned i = 0; i < s->n_slots; i++) {
        if (!(r->damaged & r->heal & SLOT_BIT(i)) || !slot_usable(s, i))
            continue;
        if (rewrite(s, v, i, x, index, good, scratch, NULL) == RC_OK) {
            r->healed |= SLOT_BIT(i);
            atomic_fetch_add(&s->corrupt_repaired, 1);
        } else {
            slot_degraded(s, i);
        }
    }
    pthread_mutex_unlock(&s->heal_lock);
    free(scratch);
}

struct attempt {
    bool found, corrupt, io, nomem;
};

/* Twice: a bit may have flipped in memory (fault 12). */
static void try_twice(struct store *s, struct volume *v, unsigned slot, const struct extent *x, uint64_t index,
                      struct run *run, struct recovery *r, struct attempt *a, struct err *e)
{
    enum rc rc = RC_CORRUPT;
    for (unsigned times = slot == r->suspect ? 1 : 0; times < 2 && rc == RC_CORRUPT; times++)
        rc = try_copy(s, v, slot, x, index, run, e);
    if (rc == RC_OK) {
        a->found = true;
        return;
    }
    if (rc == RC_CORRUPT) {
        a->corrupt = true;
        atomic_fetch_add(&s->corrupt_found, 1);
    }
    a->nomem |= rc == RC_NOMEM;
    a->io |= rc_blames_disk(rc) && rc != RC_CORRUPT && rc != RC_NOT_FOUND;
    if (rc == RC_CORRUPT || (rc_blames_disk(rc) && rc != RC_NOT_FOUND))
        r->damaged |= SLOT_BIT(slot);
}

static enum rc not_found(struct store *s, const struct volume *v, const struct extent *x, uint64_t index,
                         const struct attempt *a, struct err *e)
{
    char where[96];
    snprintf(where, sizeof where, "volume %016llx, block %llu of the extent at %llu", (unsigned long long)v->id,
             (unsigned long long)index, (unsigned long long)x->offset);
    if (a->corrupt)
        return err_set(e, RC_CORRUPT, "%s: no copy is whole", where);
    if (a->nomem)
        return err_set(e, RC_NOMEM, "%s: out of memory", where);
    if (a->io)
        return err_set(e, RC_IO, "%s: no copy can be read", where);
    if (usable_slots(s) != SLOT_BIT(s->n_slots) - 1)
        return err_set(e, RC_UNAVAILABLE, "%s: no disk that is present has it; bring the missing disk back", where);
    return err_set(e, RC_CORRUPT, "%s: no disk has it", where);
}

enum rc block_recover(struct store *s, struct volume *v, const struct extent *x, uint64_t index, uint8_t *data,
                      struct recovery *r, struct err *e)
{
    struct run run = {.data = data};
    struct attempt a = {0};
    uint32_t tried = 0;
    unsigned slot = r->suspect;
    r->damaged = r->healed = 0;
    if (slot == DISKS_MAX)
        slot = slot_to_read(s, v, x, 0);
    while (slot < DISKS_MAX && !a.found) {
        try_twice(s, v, slot, x, index, &run, r, &a, e);
        tried |= SLOT_BIT(slot);
        slot = slot_to_read(s, v, x, tried);
    }
    if (!a.found)
        return not_found(s, v, x, index, &a, e);
    if (r->damaged & r->heal)
        repair(s, v, x, index, &run, r);
    memcpy(r->header, run.header[0], BLOCK_HEADER_SIZE);
    return RC_OK;
}
