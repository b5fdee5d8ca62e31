/* Holdfast: reading one small body, verified in the buffer that is handed out (invariant 2). */
#include <inttypes.h>

#include "journal/journal_priv.h"

/* Bits on their way through memory flip too: a bad block is read once more before the disk is blamed (fault 12). */
enum { TRIES = 2 };

static enum rc read_one(struct journal *j, unsigned slot, const struct attach_loc *loc, uint64_t owner, uint8_t *header,
                        void *dst, struct err *e)
{
    const struct block_id id = {loc->segment, loc->offset, owner, 0};
    struct iovec iov[2] = {{header, BLOCK_HEADER_SIZE}, {dst, loc->size}};
    struct file_ref f;
    size_t n;
    enum rc rc;

    HF_TRY(files_get(j, slot, loc->segment, &f, e));
    for (unsigned i = 0; i < TRIES; i++) {
        rc = os_preadv(j->os, f.f, iov, 2, loc->offset, &n, e);
        if (rc == RC_OK && n < BLOCK_HEADER_SIZE + (size_t)loc->size)
            rc = RC_CORRUPT;
        if (rc == RC_OK)
            rc = block_verify(header, id, dst, loc->size);
        if (rc == RC_OK)
            break;
    }
    files_put(j, &f);
    return rc;
}

static void mend_one(struct journal *j, struct member *m, const struct attach_loc *loc, const uint8_t *header,
                     const void *data)
{
    const struct iovec iov[2] = {{(void *)(uintptr_t)header, BLOCK_HEADER_SIZE}, {(void *)(uintptr_t)data, loc->size}};
    struct err why = {{0}};
    char path[OS_PATH_MAX];
    struct os_file *f;
    enum rc rc;

    if (!seg_path(m, loc->segment, "", path))
        return;
    rc = os_open(j->os, path, OS_READ | OS_WRITE, &f, &why);
    if (rc == RC_OK) {
        rc = os_pwritev(j->os, f, iov, 2, loc->offset, &why);
        if (rc == RC_OK)
            rc = os_datasync(j->os, f, &why);
        os_close(j->os, f);
    }
    /* A file that is gone is copied back whole by the scrub. */
    if (rc != RC_OK && rc != RC_NOT_FOUND)
        member_fault(m, &why);
}

/* Writes the good block where it was bad and reads it back, into the buffer that already holds the same bytes. */
static enum rc mend(struct journal *j, unsigned bad, const struct attach_loc *loc, uint64_t owner, uint8_t *header,
                    void *dst, unsigned good, struct err *e)
{
    pthread_mutex_lock(&j->heal_lock);
    for (unsigned i = 0; i < j->n_members; i++)
        if (bad & members_live(j) & (1u << i))
            mend_one(j, &j->member[i], loc, header, dst);
    pthread_mutex_unlock(&j->heal_lock);
    for (unsigned i = 0; i < j->n_members; i++) {
        struct err why;

        if (!(bad & members_live(j) & (1u << i)))
            continue;
        why.text[0] = '\0';
        if (read_one(j, i, loc, owner, header, dst, &why) != RC_OK) {
            err_set(&why, RC_IO, "%s: a repaired block reads back differently", j->member[i].disk->path);
            member_fault(&j->member[i], &why);
        }
    }
    return read_one(j, good, loc, owner, header, dst, e);
}

enum rc journal_read_attach(struct journal *j, struct attach_loc loc, uint64_t owner_seq, void *dst, struct err *e)
{
    uint8_t header[BLOCK_HEADER_SIZE];
    unsigned bad = 0, start, order;
    struct seg s;

    if (loc.size == 0 || loc.size > BLOCK_DATA_MAX || !index_get(j, loc.segment, &s))
        return err_set(e, RC_NOT_FOUND, "segment %016" PRIx64 " has no such body", loc.segment);
    if (s.punched)
        return err_set(e, RC_NOT_FOUND, "the bodies of segment %016" PRIx64 " were given back", loc.segment);
    start = (unsigned)(owner_seq % j->n_members); /* all disks take their share of reads */
    /* Members of the epoch first; those that were left out may still have what nobody else has. */
    for (order = 0; order < 2 * j->n_members; order++) {
        unsigned i = (start + order) % j->n_members;
        bool live = members_live(j) >> i & 1;

        if (!(s.have >> i & 1) || live != (order < j->n_members))
            continue;
        if (read_one(j, i, &loc, owner_seq, header, dst, e) == RC_OK)
            return bad ? mend(j, bad, &loc, owner_seq, header, dst, i, e) : RC_OK;
        bad |= 1u << i;
    }
    return err_set(e, RC_CORRUPT,
                   "the body of record %" PRIu64 " is damaged on every disk (segment %016" PRIx64 ", offset %" PRIu64
                   ")",
                   owner_seq, loc.segment, loc.offset);
}
