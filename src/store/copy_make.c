/* Holdfast store: making the copy of a volume that a disk lacks.
 *
 * The live extents come at the offsets they have elsewhere, with holes for what is dead, under a temporary name. Every
 * block is verified where it is read, and the whole copy is synced and read back before it gets its name: a file under
 * its name is a whole copy. */
#include "store/store_priv.h"

#include <stdlib.h>

struct making_copy {
    struct scrub_work *k;
    struct store *s;
    struct volume *v;
    unsigned slot; /* to be made */
    struct os_file *f;
    struct run run;
    uint64_t holes; /* blocks of which no copy is whole */
    struct scrub_count *c;
};

/* From the copy that is preferred, at once; what is bad there, block by block from wherever it is whole. */
static enum rc fetch(struct making_copy *m, const struct extent *x, uint64_t index, unsigned n, struct err *e)
{
    struct vol_file *h;
    unsigned from = slot_to_read(m->s, m->v, x, SLOT_BIT(m->slot));
    m->run.bad = (1u << n) - 1;
    if (from < DISKS_MAX && file_get(m->s, m->v, from, &h, e) == RC_OK) {
        if (rc_blames_disk(blocks_read(m->s->os, h->f, x, index, n, &m->run, e)))
            slot_read_error(m->s, from);
        file_put(m->s, h);
    }
    for (unsigned i = 0; i < n && m->run.bad; i++) {
        struct recovery r = {.suspect = DISKS_MAX, .heal = UINT32_MAX};
        if (!(m->run.bad & (1u << i)))
            continue;
        enum rc rc = block_recover(m->s, m->v, x, index + i, m->run.data + (size_t)i * BLOCK_DATA_MAX, &r, e);
        if (rc == RC_CORRUPT) { /* lost everywhere: the rest of the volume shall not wait for it */
            m->holes++;
            continue;
        }
        HF_TRY(rc); /* a source that cannot be read now is no reason to call the copy whole */
        memcpy(m->run.header[i], r.header, BLOCK_HEADER_SIZE);
        m->run.bad &= ~(1u << i);
    }
    return RC_OK;
}

/* A failure of the new copy's disk. */
static enum rc target_failed(struct making_copy *m, enum rc rc)
{
    if (rc_blames_disk(rc))
        slot_failed(m->s, m->slot);
    return rc;
}

static enum rc copy_extent(struct making_copy *m, const struct extent *x, struct err *e)
{
    for (uint64_t index = 0; index < extent_blocks(x->length); index += RUN_BLOCKS) {
        unsigned n = run_at(x, index);
        HF_TRY(fetch(m, x, index, n, e));
        HF_TRY(target_failed(m, blocks_write(m->s->os, m->f, x, index, n, &m->run, e)));
        uint64_t bytes = blocks_data_bytes(x, index, n);
        m->c->blocks += n;
        m->c->bytes += bytes;
        HF_TRY(scrub_tick(m->k, bytes));
    }
    return RC_OK;
}

static enum rc read_back(struct making_copy *m, const struct extent_list *live, struct err *e)
{
    uint64_t bad = 0;
    for (size_t i = 0; i < live->n; i++) {
        const struct extent *x = &live->x[i];
        for (uint64_t index = 0; index < extent_blocks(x->length); index += RUN_BLOCKS) {
            HF_TRY(target_failed(m, blocks_read(m->s->os, m->f, x, index, run_at(x, index), &m->run, e)));
            bad += (unsigned)__builtin_popcount(m->run.bad);
        }
    }
    if (bad > m->holes)
        return err_set(e, RC_CORRUPT, "%llu blocks of a new copy on %s do not read back; check that disk",
                       (unsigned long long)(bad - m->holes), m->s->disks->disk[m->slot].path);
    return RC_OK;
}

static enum rc fill(struct making_copy *m, const struct extent_list *live, struct err *e)
{
    for (size_t i = 0; i < live->n; i++)
        HF_TRY(copy_extent(m, &live->x[i], e));
    HF_TRY(target_failed(m, os_datasync(m->s->os, m->f, e)));
    HF_TRY(read_back(m, live, e));
    return target_failed(m, volume_file_commit(m->s, m->slot, m->v->id, m->f, e));
}

static void note_copy(struct making_copy *m)
{
    pthread_mutex_lock(&m->s->lock);
    m->v->have |= SLOT_BIT(m->slot);
    m->v->checked |= SLOT_BIT(m->slot);
    pthread_mutex_unlock(&m->s->lock);
}

/* What cannot be removed now is removed at the next start. */
static void discard(struct making_copy *m)
{
    char temp[OS_PATH_MAX];
    volume_path(m->s, m->slot, m->v->id, ".tmp", temp);
    enum rc rc = os_unlink(m->s->os, temp, NULL);
    if (rc != RC_OK && rc != RC_NOT_FOUND)
        slot_degraded(m->s, m->slot);
}

enum rc copy_make(struct scrub_work *k, struct volume *v, unsigned slot, const struct extent_list *live,
                  struct scrub_count *c, struct err *e)
{
    struct making_copy m = {.k = k, .s = k->s, .v = v, .slot = slot, .c = c};
    m.run.data = malloc(RUN_BLOCKS * BLOCK_DATA_MAX);
    if (!m.run.data)
        return err_set(e, RC_NOMEM, "out of memory while copying a volume");
    enum rc rc = target_failed(&m, volume_file_begin(m.s, slot, v->id, v->slots, &m.f, e));
    if (rc == RC_OK) {
        rc = fill(&m, live, e);
        os_close(m.s->os, m.f);
    }
    uint64_t blocks = live_blocks(live) + 1; /* the header too */
    if (rc == RC_OK) {
        note_copy(&m);
        c->repaired += blocks - m.holes;
        c->unrepairable += m.holes;
        atomic_fetch_add(&m.s->corrupt_repaired, blocks - m.holes);
    } else {
        discard(&m);
    }
    c->corrupt += blocks;
    atomic_fetch_add(&m.s->corrupt_found, blocks);
    free(m.run.data);
    return rc;
}
