/* Holdfast store: reading, verified in the very buffer that is returned (S2). */
#include "store/store_priv.h"

#include <stdlib.h>

/* One store_read at work. */
struct reading {
    struct store *s;
    struct volume *v;
    const struct extent *x;
    unsigned slot;         /* DISKS_MAX: no copy can be opened; each block is looked for */
    struct vol_file *file; /* of slot */
    uint8_t *bounce;       /* for a block of which only a part is wanted */
};

static void choose_copy(struct reading *r)
{
    uint32_t except = 0;
    while ((r->slot = slot_to_read(r->s, r->v, r->x, except)) != DISKS_MAX) {
        if (file_get(r->s, r->v, r->slot, &r->file, NULL) == RC_OK)
            return;
        except |= SLOT_BIT(r->slot);
    }
}

/* n whole blocks into data. */
static enum rc read_blocks(struct reading *r, uint64_t index, unsigned n, uint8_t *data, struct err *e)
{
    struct run run = {.data = data, .bad = (1u << n) - 1};
    if (r->file) {
        enum rc rc = blocks_read(r->s->os, r->file->f, r->x, index, n, &run, e);
        if (rc == RC_OK)
            slot_read_good(r->s, r->slot);
        else if (rc_blames_disk(rc))
            slot_read_error(r->s, r->slot);
    }
    for (unsigned i = 0; i < n && run.bad; i++) {
        struct recovery rec = {.suspect = r->slot, .heal = UINT32_MAX};
        if (run.bad & (1u << i))
            HF_TRY(block_recover(r->s, r->v, r->x, index + i, data + (size_t)i * BLOCK_DATA_MAX, &rec, e));
    }
    return RC_OK;
}

static enum rc read_part(struct reading *r, uint64_t index, size_t skip, uint8_t *dst, size_t n, struct err *e)
{
    if (!r->bounce)
        r->bounce = malloc(BLOCK_DATA_MAX);
    if (!r->bounce)
        return err_set(e, RC_NOMEM, "out of memory while reading");
    HF_TRY(read_blocks(r, index, 1, r->bounce, e));
    memcpy(dst, r->bounce + skip, n);
    return RC_OK;
}

static enum rc read_range(struct reading *r, uint64_t from, uint8_t *dst, size_t n, struct err *e)
{
    while (n > 0) {
        uint64_t index = from / BLOCK_DATA_MAX;
        size_t skip = from % BLOCK_DATA_MAX, step = block_data_size(r->x, index);
        if (skip > 0 || n < step) {
            step = step - skip < n ? step - skip : n;
            HF_TRY(read_part(r, index, skip, dst, step, e));
        } else {
            unsigned blocks = 1;
            while (blocks < RUN_BLOCKS && step < n && n - step >= block_data_size(r->x, index + blocks))
                step += block_data_size(r->x, index + blocks++);
            HF_TRY(read_blocks(r, index, blocks, dst, e));
        }
        dst += step;
        from += step;
        n -= step;
    }
    return RC_OK;
}

static enum rc read_volume(struct store *s, const struct extent *x, uint64_t from, void *dst, size_t n, struct err *e)
{
    struct reading r = {.s = s, .x = x, .v = volume_find(s, x->container)};
    if (!r.v && usable_slots(s) != SLOT_BIT(s->n_slots) - 1)
        return err_set(e, RC_UNAVAILABLE, "volume %016llx is on no disk that is present; bring the missing disk back",
                       (unsigned long long)x->container);
    if (!r.v)
        return err_set(e, RC_CORRUPT, "volume %016llx is on no disk", (unsigned long long)x->container);
    choose_copy(&r);
    enum rc rc = read_range(&r, from, dst, n, e);
    file_put(s, r.file);
    free(r.bounce);
    volume_unref(s, r.v);
    return rc;
}

/* The journal reads a small body whole. */
static enum rc read_inline(struct store *s, const struct extent *x, uint64_t from, void *dst, size_t n, struct err *e)
{
    struct attach_loc loc = {x->container, x->offset, (uint32_t)x->length};
    if (x->length > JOURNAL_ATTACH_MAX)
        return err_set(e, RC_INVALID, "an inline body of %llu bytes cannot be", (unsigned long long)x->length);
    if (n == x->length)
        return journal_read_attach(s->journal, loc, x->owner, dst, e);
    uint8_t *whole = malloc(x->length);
    if (!whole)
        return err_set(e, RC_NOMEM, "out of memory while reading");
    enum rc rc = journal_read_attach(s->journal, loc, x->owner, whole, e);
    if (rc == RC_OK)
        memcpy(dst, whole + from, n);
    free(whole);
    return rc;
}

enum rc store_read(struct store *s, const struct extent *x, uint64_t from, void *dst, size_t n, struct err *e)
{
    if (from > x->length || n > x->length - from)
        return err_set(e, RC_INVALID, "bytes %llu to %llu are not in an extent of %llu", (unsigned long long)from,
                       (unsigned long long)from + n, (unsigned long long)x->length);
    if (n == 0)
        return RC_OK;
    enum rc rc = x->kind == EXTENT_INLINE ? read_inline(s, x, from, dst, n, e) : read_volume(s, x, from, dst, n, e);
    if (rc == RC_OK) {
        atomic_fetch_add_explicit(&s->reads, 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&s->read_bytes, n, memory_order_relaxed);
    }
    return rc;
}
