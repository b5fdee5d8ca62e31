/* Holdfast: giving back the space of a sealed segment whose attachments are all dead.
 *
 * That it is punched is said by an empty file beside the segment, durable before the first hole. It cannot be said in
 * the segment, whose bytes never change, and zeros alone would not do: scrub could not tell them from damage, and would
 * put bodies back that were erased. The file is empty, so no bit of it can flip; if any member has it, it counts for
 * all, and scrub and copies put it where it is missing. */
#include <inttypes.h>

#include "journal/journal_priv.h"

struct punch {
    struct os_file *f[JOURNAL_MEMBERS_MAX];
    struct os_stat before[JOURNAL_MEMBERS_MAX];
    unsigned mask;
};

static enum rc punch_open(struct journal *j, const struct seg *s, struct punch *p, struct err *e)
{
    for (unsigned i = 0; i < j->n_members; i++) {
        char path[OS_PATH_MAX];

        if (!(p->mask >> i & 1))
            continue;
        HF_TRY(punched_mark(j, &j->member[i], s->first, e));
        if (!seg_path(&j->member[i], s->first, "", path))
            return err_set(e, RC_LIMIT, "%s: the path is too long", j->member[i].dir);
        HF_TRY(os_open(j->os, path, OS_READ | OS_WRITE, &p->f[i], e));
        HF_TRY(j->os->ops->fstat(j->os, p->f[i], &p->before[i], e));
    }
    return RC_OK;
}

/* Whole blocks inside the attachments: header and records share theirs with nothing that goes. */
static enum rc punch_batch(struct journal *j, const struct punch *p, struct err *e)
{
    const struct batch_head *h = &j->image.head;
    uint64_t from = round_up(h->offset + BATCH_HEADER_SIZE, BATCH_ALIGN);
    uint64_t to = (h->offset + BATCH_HEADER_SIZE + h->attach_size) / BATCH_ALIGN * BATCH_ALIGN;

    for (unsigned i = 0; i < j->n_members && from < to; i++)
        if (p->f[i])
            HF_TRY(j->os->ops->punch(j->os, p->f[i], from, to - from, e));
    return RC_OK;
}

static enum rc punch_all(struct journal *j, const struct seg *s, const struct punch *p, struct err *e)
{
    struct image_expect x = {s->first, NULL};

    for (uint64_t off = SEG_HEADER_SIZE; off < s->end; off += j->image.head.total) {
        HF_TRY(image_read(&j->image, s->have, s->first, off, s->end, true, &x, e));
        HF_TRY(punch_batch(j, p, e));
        x.first_seq += j->image.head.count;
    }
    return RC_OK;
}

static void punch_close(struct journal *j, struct punch *p)
{
    for (unsigned i = 0; i < j->n_members; i++) {
        struct os_stat after;

        if (p->f[i] && j->os->ops->fstat(j->os, p->f[i], &after, NULL) == RC_OK &&
            after.allocated_bytes < p->before[i].allocated_bytes)
            j->member[i].disk->bytes_used -= p->before[i].allocated_bytes - after.allocated_bytes;
        os_close(j->os, p->f[i]);
    }
}

enum rc journal_punch(struct journal *j, uint64_t segment, struct err *e)
{
    struct punch p = {0};
    struct seg s;
    enum rc rc;

    if (!index_get(j, segment, &s))
        return err_set(e, RC_NOT_FOUND, "there is no segment %016" PRIx64, segment);
    if (s.end == 0)
        return err_set(e, RC_CONFLICT, "segment %016" PRIx64 " is still written to", segment);
    pthread_mutex_lock(&j->heal_lock);
    p.mask = s.have & members_live(j);
    rc = punch_open(j, &s, &p, e);
    if (rc == RC_OK) {
        index_punched(j, segment);
        rc = punch_all(j, &s, &p, e);
    }
    punch_close(j, &p);
    pthread_mutex_unlock(&j->heal_lock);
    return rc;
}
