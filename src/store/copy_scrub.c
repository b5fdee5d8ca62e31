/* Holdfast store: verifying one copy of a volume, block by block, and healing it from the others. */
#include "store/store_priv.h"

#include <stdlib.h>

/* A list of live extents that was asked for this long after the last put ended has every extent of the volume. */
#define QUIET_NS 100000000LL

struct checking {
    struct scrub_work *k;
    struct store *s;
    struct volume *v;
    unsigned slot;
    struct os_file *f;
    struct run run;
    struct scrub_count *c;
};

static void count(struct checking *h, bool repaired, bool lost)
{
    h->c->corrupt++;
    h->c->repaired += repaired;
    h->c->unrepairable += lost;
    if (!repaired)
        atomic_fetch_or(&h->k->unhealed, SLOT_BIT(h->slot));
}

/* Overwrites n bytes at off, durably, and compares what is read back. For what no block covers. */
static enum rc rewrite_plain(struct checking *h, const uint8_t *good, size_t n, uint64_t off, struct err *e)
{
    char path[OS_PATH_MAX];
    uint8_t back[VOLUME_HEADER_SIZE];
    struct os_file *f;
    HF_ASSERT(n <= sizeof back);
    volume_path(h->s, h->slot, h->v->id, "", path);
    HF_TRY(os_open(h->s->os, path, OS_READ | OS_WRITE, &f, e));
    enum rc rc = os_pwrite(h->s->os, f, good, n, off, e);
    if (rc == RC_OK)
        rc = os_datasync(h->s->os, f, e);
    if (rc_blames_disk(rc))
        slot_failed(h->s, h->slot);
    if (rc == RC_OK)
        rc = os_pread(h->s->os, f, back, n, off, e);
    if (rc == RC_OK && memcmp(back, good, n) != 0)
        rc = err_set(e, RC_CORRUPT, "%s: what was repaired does not read back", path);
    os_close(h->s->os, f);
    return rc;
}

/* A place that must hold exactly these bytes; a file that ends before them counts as zeros when they are zeros. */
static void check_plain(struct checking *h, const uint8_t *good, size_t n, uint64_t off, bool may_end)
{
    uint8_t got[VOLUME_HEADER_SIZE];
    HF_ASSERT(n <= sizeof got);
    for (unsigned times = 0; times < 2; times++) { /* twice, as of blocks (fault 12) */
        memset(got, 0, n);
        enum rc rc = os_pread(h->s->os, h->f, got, n, off, NULL);
        if ((rc == RC_OK || (rc == RC_END && may_end)) && memcmp(got, good, n) == 0)
            return;
        if (rc != RC_OK && rc != RC_END)
            slot_read_error(h->s, h->slot);
    }
    atomic_fetch_add(&h->s->corrupt_found, 1);
    bool repaired = slot_usable(h->s, h->slot) && rewrite_plain(h, good, n, off, NULL) == RC_OK;
    if (repaired)
        atomic_fetch_add(&h->s->corrupt_repaired, 1);
    count(h, repaired, false);
}

static void check_header(struct checking *h)
{
    uint8_t header[VOLUME_HEADER_SIZE];
    pthread_mutex_lock(&h->s->lock);
    uint32_t slots = h->v->slots;
    pthread_mutex_unlock(&h->s->lock);
    header_fill(h->s, h->v->id, slots, header);
    check_plain(h, header, sizeof header, 0, false);
    h->c->blocks++;
    h->c->bytes += sizeof header;
}

/* What lies between the extent's last block and the next extent is zero on every copy. */
static void check_padding(struct checking *h, const struct extent *x)
{
    static const uint8_t zeros[EXTENT_ALIGN];
    uint64_t from = x->offset + extent_bytes(x->length);
    if (extent_end(x) > from)
        check_plain(h, zeros, (size_t)(extent_end(x) - from), from, true);
}

static enum rc heal_block(struct checking *h, const struct extent *x, uint64_t index, uint8_t *data, struct err *e)
{
    struct recovery r = {.suspect = h->slot, .heal = SLOT_BIT(h->slot)};
    enum rc rc = block_recover(h->s, h->v, x, index, data, &r, e);
    if (rc == RC_NOMEM)
        return rc;
    if (rc != RC_OK)
        count(h, false, true);
    else if (r.damaged & SLOT_BIT(h->slot))
        count(h, r.healed != 0, false);
    return RC_OK;
}

static enum rc check_extent(struct checking *h, const struct extent *x, struct err *e)
{
    for (uint64_t index = 0; index < extent_blocks(x->length) && slot_usable(h->s, h->slot); index += RUN_BLOCKS) {
        unsigned n = run_at(x, index);
        enum rc rc = blocks_read(h->s->os, h->f, x, index, n, &h->run, e);
        if (rc == RC_OK)
            slot_read_good(h->s, h->slot);
        else if (rc_blames_disk(rc))
            slot_read_error(h->s, h->slot);
        uint32_t bad = h->run.bad;
        for (unsigned i = 0; i < n; i++)
            if (bad & (1u << i))
                HF_TRY(heal_block(h, x, index + i, h->run.data + (size_t)i * BLOCK_DATA_MAX, e));
        uint64_t bytes = blocks_data_bytes(x, index, n);
        h->c->blocks += n;
        h->c->bytes += bytes;
        HF_TRY(scrub_tick(h->k, bytes));
    }
    check_padding(h, x);
    return RC_OK;
}

static enum rc check_all(struct checking *h, const struct extent_list *live, struct err *e)
{
    h->run.data = malloc(RUN_BLOCKS * BLOCK_DATA_MAX);
    if (!h->run.data)
        return err_set(e, RC_NOMEM, "out of memory while verifying a volume");
    check_header(h);
    enum rc rc = RC_OK;
    for (size_t i = 0; i < live->n && rc == RC_OK && slot_usable(h->s, h->slot); i++)
        rc = check_extent(h, &live->x[i], e);
    free(h->run.data);
    if (!slot_usable(h->s, h->slot))
        atomic_fetch_or(&h->k->unhealed, SLOT_BIT(h->slot));
    return rc;
}

/* The file is not there. Nobody writes to it or reads from it any more. Is the list of live extents sure to be whole?
 */
static bool give_up_copy(struct checking *h)
{
    struct store *s = h->s;
    struct volume *v = h->v;
    writer_lost(s, v, h->slot, true);
    pthread_mutex_lock(&s->lock);
    v->have &= ~SLOT_BIT(h->slot);
    bool quiet = v->puts == 0 && (h->k->list_is_fresh || v->quiet_ns == 0 || h->k->began_ns - v->quiet_ns >= QUIET_NS);
    pthread_mutex_unlock(&s->lock);
    volume_file_forget(s, v, h->slot);
    return quiet;
}

static enum rc copy_missing(struct checking *h, const struct extent_list *live, struct err *e)
{
    bool may_copy = give_up_copy(h);
    pthread_mutex_lock(&h->s->lock);
    bool elsewhere = h->v->have != 0;
    pthread_mutex_unlock(&h->s->lock);
    if (live->n == 0)
        return RC_OK; /* a start that was cut off, or all dead: the volume will be dropped */
    if (may_copy && elsewhere)
        return copy_make(h->k, h->v, h->slot, live, h->c, e);
    slot_degraded(h->s, h->slot);
    atomic_fetch_or(&h->k->unhealed, SLOT_BIT(h->slot));
    h->c->corrupt += live_blocks(live);
    if (!elsewhere)
        h->c->unrepairable += live_blocks(live);
    return RC_OK;
}

enum rc copy_scrub(struct scrub_work *k, struct volume *v, unsigned slot, const struct extent_list *live,
                   struct scrub_count *c, struct err *e)
{
    struct checking h = {.k = k, .s = k->s, .v = v, .slot = slot, .c = c};
    char path[OS_PATH_MAX];
    volume_file_forget(h.s, v, slot); /* what is looked at is what has the name now */
    volume_path(h.s, slot, v->id, "", path);
    enum rc rc = os_open(h.s->os, path, OS_READ, &h.f, e);
    if (rc == RC_NOT_FOUND)
        return copy_missing(&h, live, e);
    if (rc_blames_disk(rc)) {
        slot_read_error(h.s, slot);
        atomic_fetch_or(&k->unhealed, SLOT_BIT(slot));
        return RC_OK; /* the other volumes do not wait for it */
    }
    HF_TRY(rc);
    pthread_mutex_lock(&h.s->lock);
    v->have |= SLOT_BIT(slot);
    pthread_mutex_unlock(&h.s->lock);
    rc = check_all(&h, live, e);
    os_close(h.s->os, h.f);
    return rc;
}
