/* Holdfast: copying segments to a member that lacks them, verified where they are read and where they are written. */
#include <inttypes.h>
#include <stdio.h>

#include "journal/journal_priv.h"

enum rc punched_mark(struct journal *j, struct member *m, uint64_t first, struct err *e)
{
    char path[OS_PATH_MAX];
    struct os_file *f;
    enum rc rc;

    if (!seg_path(m, first, PUNCHED_SUFFIX, path))
        return err_set(e, RC_LIMIT, "%s: the path is too long", m->dir);
    HF_TRY(os_open(j->os, path, OS_READ | OS_WRITE | OS_CREATE, &f, e));
    rc = os_datasync(j->os, f, e);
    os_close(j->os, f);
    return rc == RC_OK ? os_sync_dir(j->os, m->dir, e) : rc;
}

static enum rc block_of(struct journal *j, unsigned slot, uint64_t first, uint64_t off, uint8_t dst[BATCH_ALIGN])
{
    struct file_ref f;
    enum rc rc;

    HF_TRY(files_get(j, slot, first, &f, NULL));
    rc = read_padded(j->os, f.f, dst, BATCH_ALIGN, off, NULL);
    files_put(j, &f);
    return rc;
}

/* Header and seal between them name every byte: first sequence, place, tree before, tree after. */
bool heal_same(struct journal *j, const struct seg *s, struct member *m, struct member *like)
{
    const uint64_t at[] = {0, s->end - BATCH_ALIGN};
    uint8_t a[BATCH_ALIGN], b[BATCH_ALIGN];

    HF_ASSERT(s->end != 0);
    for (unsigned i = 0; i < sizeof(at) / sizeof(at[0]); i++)
        if (block_of(j, m->slot, s->first, at[i], a) != RC_OK || block_of(j, like->slot, s->first, at[i], b) != RC_OK ||
            memcmp(a, b, BATCH_ALIGN) != 0)
            return false;
    return true;
}

static enum rc header_from(struct journal *j, uint64_t first, unsigned from, uint8_t bytes[SEG_HEADER_SIZE],
                           struct err *e)
{
    struct seg_head h;
    enum rc rc = RC_CORRUPT;

    for (unsigned i = 0; i < j->n_members && rc != RC_OK; i++)
        if (from >> i & 1)
            rc = scan_head(j, i, first, bytes, &h, e);
    return rc;
}

static enum rc put(struct journal *j, struct os_file *f, const uint8_t *p, size_t n, uint64_t off, uint64_t *sum,
                   struct err *e)
{
    *sum = xxh64(p, n, *sum);
    return os_pwrite(j->os, f, p, n, off, e);
}

static enum rc copy_batches(struct journal *j, struct image *im, const struct seg *s, uint64_t end, unsigned from,
                            struct os_file *f, uint64_t *sum, struct err *e)
{
    struct image_expect x = {s->first, NULL};
    uint64_t off = SEG_HEADER_SIZE;

    while (off < end) {
        HF_TRY(image_read(im, from, s->first, off, end, s->punched, &x, e));
        HF_TRY(put(j, f, im->bytes, im->head.total, off, sum, e));
        off += im->head.total;
        x.first_seq += im->head.count;
    }
    return RC_OK;
}

/* What was written must come back: the same pieces, the same sum. */
static enum rc read_back(struct journal *j, struct image *im, const struct seg *s, uint64_t end, struct os_file *f,
                         uint64_t sum, struct err *e)
{
    uint64_t got = 0, off = 0;
    uint32_t n = SEG_HEADER_SIZE;
    struct batch_head h;

    while (off < end) {
        if (off > 0) {
            HF_TRY(os_pread(j->os, f, im->bytes, BATCH_HEADER_SIZE, off, e));
            if (batch_head_decode(im->bytes, s->first, off, end, &h) != RC_OK)
                break;
            n = h.total;
        }
        HF_TRY(os_pread(j->os, f, im->bytes, n, off, e));
        got = xxh64(im->bytes, n, got);
        off += n;
    }
    if (off == end && got == sum)
        return RC_OK;
    return err_set(e, RC_IO, "a copy of segment %016" PRIx64 " reads back differently", s->first);
}

static enum rc copy_to(struct journal *j, struct image *im, const struct seg *s, uint64_t end, unsigned from,
                       struct os_file *f, struct err *e)
{
    uint8_t header[SEG_HEADER_SIZE];
    uint64_t sum = 0;

    HF_TRY(header_from(j, s->first, from, header, e));
    HF_TRY(put(j, f, header, sizeof(header), 0, &sum, e));
    HF_TRY(copy_batches(j, im, s, end, from, f, &sum, e));
    if (s->end == 0)
        HF_TRY(zero_range(j->os, f, end, s->size, e));
    HF_TRY(os_datasync(j->os, f, e));
    return read_back(j, im, s, end, f, sum, e);
}

enum rc heal_copy(struct journal *j, struct image *im, const struct seg *s, uint64_t end_active, unsigned from,
                  struct member *to, struct err *e)
{
    char tmp[OS_PATH_MAX], path[OS_PATH_MAX];
    struct os_file *f;
    enum rc rc;

    if (!seg_path(to, s->first, ".tmp", tmp) || !seg_path(to, s->first, "", path))
        return err_set(e, RC_LIMIT, "%s: the path is too long", to->dir);
    if (s->punched)
        HF_TRY(punched_mark(j, to, s->first, e));
    HF_TRY(os_open(j->os, tmp, OS_READ | OS_WRITE | OS_CREATE | OS_TRUNCATE, &f, e));
    rc = copy_to(j, im, s, s->end ? s->end : end_active, from, f, e);
    os_close(j->os, f);
    if (rc == RC_OK)
        rc = os_rename(j->os, tmp, path, e);
    if (rc == RC_OK)
        rc = os_sync_dir(j->os, to->dir, e);
    if (rc != RC_OK) {
        file_forget(j->os, tmp);
        return err_wrap(e, rc, "copying segment %016" PRIx64 " to %s", s->first, to->disk->path);
    }
    files_drop(j, to->slot, s->first);
    to->disk->bytes_used += s->end ? s->end : s->size;
    return RC_OK;
}

/* ---- in the background ---- */

/* A sealed segment that a member of the epoch lacks. */
static bool next_missing(struct journal *j, struct seg *ret, struct member **ret_to)
{
    for (size_t i = 0; index_at(j, i, ret); i++)
        for (unsigned k = 0; k < j->n_members && ret->end != 0; k++)
            if ((members_live(j) >> k & 1) && !(ret->have >> k & 1)) {
                *ret_to = &j->member[k];
                return true;
            }
    return false;
}

/* Every segment, the active one included: a member that is just joining lacks that until it rolls. */
static bool has_all(struct journal *j, unsigned slot)
{
    struct seg s;

    for (size_t i = 0; index_at(j, i, &s); i++)
        if (!(s.have >> slot & 1))
            return false;
    return true;
}

/* Under epoch_lock, so that a member that fails meanwhile is not called whole again. The disk stays rebuilding: its
 * volumes are not the journal's to know, and a witness that called it ok would be believed after a crash. */
static enum rc become_whole(struct journal *j, struct err *e)
{
    bool changed = false;
    enum rc rc = RC_OK;

    pthread_mutex_lock(&j->epoch_lock);
    for (unsigned i = 0; i < j->n_members; i++) {
        struct disk *k = j->member[i].disk;

        if (!(members_live(j) >> i & 1) || k->journal_whole || !has_all(j, i))
            continue;
        k->journal_whole = true;
        changed = true;
    }
    if (changed)
        rc = diskset_witness(j->set, e);
    pthread_mutex_unlock(&j->epoch_lock);
    return rc;
}

static enum rc heal_one(struct journal *j, struct err *e)
{
    struct member *to;
    struct seg s;
    enum rc rc;

    if (!next_missing(j, &s, &to)) {
        HF_TRY(become_whole(j, e));
        return RC_END;
    }
    /* A member that was left out may still be read: what verifies is right. */
    rc = heal_copy(j, &j->image, &s, 0, s.have, to, e);
    if (rc == RC_OK)
        index_have(j, s.first, to->slot, true);
    else if (rc == RC_IO || rc == RC_UNAVAILABLE || rc == RC_DENIED)
        member_fault(to, e);
    return rc;
}

enum rc journal_heal_step(struct journal *j, struct err *e)
{
    struct err own;
    enum rc rc;

    own.text[0] = '\0';
    pthread_mutex_lock(&j->heal_lock);
    rc = heal_one(j, e ? e : &own);
    pthread_mutex_unlock(&j->heal_lock);
    return rc;
}
