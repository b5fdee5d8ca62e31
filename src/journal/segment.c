/* Holdfast: going from one segment to the next: seal, header, name. */
#include "journal/journal_priv.h"

struct roll {
    bool seal;
    uint64_t seal_off;
    uint64_t first;
    uint8_t seal_bytes[BATCH_ALIGN];
    uint8_t header[SEG_HEADER_SIZE];
};

uint64_t segment_room(const struct journal *j)
{
    uint64_t used = j->cur.off + TAIL_RESERVE;

    return used < j->cur.size ? j->cur.size - used : 0;
}

static void seal_encode(const struct journal *j, struct roll *r)
{
    struct batch_head h = {.flags = BATCH_SEAL,
                           .epoch = j->epoch,
                           .segment = j->cur.first,
                           .offset = j->cur.off,
                           .first_seq = j->next_seq,
                           .total = BATCH_ALIGN};

    memcpy(h.head, j->root, HASH_SIZE);
    memset(r->seal_bytes, 0, sizeof(r->seal_bytes));
    batch_head_encode(r->seal_bytes, &h, r->seal_bytes + BATCH_HEADER_SIZE, j->set->store_uuid);
    r->seal_off = j->cur.off;
}

/* The seal is durable before the next segment exists, and the header before its name: a segment that can be found has
 * a header, and the one before it an end. */
static enum rc roll_part(struct journal *j, struct member *m, void *ctx, struct err *e)
{
    const struct roll *r = ctx;
    char spare[OS_PATH_MAX], path[OS_PATH_MAX];
    enum rc rc;

    if (!member_path(m, JOURNAL_SPARE, spare) || !seg_path(m, r->first, "", path))
        return err_set(e, RC_LIMIT, "%s: the path is too long", m->dir);
    if (r->seal && m->active) {
        HF_TRY(os_pwrite(j->os, m->active, r->seal_bytes, sizeof(r->seal_bytes), r->seal_off, e));
        HF_TRY(os_datasync(j->os, m->active, e));
    }
    if (m->active)
        os_close(j->os, m->active);
    m->active = NULL;
    HF_TRY(os_open(j->os, spare, OS_READ | OS_WRITE, &m->active, e));
    rc = os_pwrite(j->os, m->active, r->header, sizeof(r->header), 0, e);
    if (rc == RC_OK)
        rc = os_datasync(j->os, m->active, e);
    if (rc == RC_OK)
        rc = os_rename(j->os, spare, path, e);
    if (rc == RC_OK)
        rc = os_sync_dir(j->os, m->dir, e);
    return rc;
}

/* The header says what every member has room for. */
static uint64_t roll_size(struct journal *j, unsigned mask)
{
    uint64_t size = UINT64_MAX;

    pthread_mutex_lock(&j->keeper.lock);
    for (unsigned i = 0; i < j->n_members; i++)
        if ((mask >> i & 1) && j->member[i].spare_size < size)
            size = j->member[i].spare_size;
    pthread_mutex_unlock(&j->keeper.lock);
    return size;
}

static void spares_used(struct journal *j, unsigned mask)
{
    pthread_mutex_lock(&j->keeper.lock);
    for (unsigned i = 0; i < j->n_members; i++)
        if (mask >> i & 1)
            j->member[i].spare_size = 0;
    pthread_mutex_unlock(&j->keeper.lock);
    for (unsigned i = 0; i < j->n_members; i++)
        if (mask >> i & 1)
            files_drop(j, i, j->next_seq); /* an empty segment of this name may have been replaced */
}

/* The old segment is closed in the index, the new one is in it. */
static enum rc roll_index(struct journal *j, uint64_t size, unsigned have, struct err *e)
{
    struct seg s = {.first = j->next_seq, .size = size, .have = (uint8_t)have};

    pthread_mutex_lock(&j->lock);
    if (j->n_segs > 0 && j->segs[j->n_segs - 1].first != s.first && j->segs[j->n_segs - 1].end == 0) {
        struct seg *last = &j->segs[j->n_segs - 1];

        last->end = j->cur.off + (j->cur.sealed ? 0 : BATCH_ALIGN);
        j->bytes_sealed += last->end;
    }
    pthread_mutex_unlock(&j->lock);
    return index_add(j, &s, e);
}

/* An empty segment is not sealed but replaced: two segments cannot begin with the same sequence. */
static void roll_prepare(struct journal *j, struct roll *r, struct seg_head *h)
{
    bool empty = j->cur.first == j->next_seq;

    r->seal = !empty && !j->cur.sealed && j->cur.first != 0;
    if (r->seal)
        seal_encode(j, r);
    r->first = h->first = j->next_seq;
    if (empty) {
        h->prev_first = j->cur.prev_first;
        h->prev_end = j->cur.prev_end;
    } else {
        h->prev_first = j->cur.first;
        h->prev_end = j->cur.first == 0 ? 0 : j->cur.off + (j->cur.sealed ? 0 : BATCH_ALIGN);
    }
    h->last_time = j->last_time;
    tree_copy(&h->tree, &j->tree);
    table_of_set(j->set, &h->table);
    h->table.epoch = j->epoch;
}

enum rc segment_roll(struct journal *j, uint64_t need, struct err *e)
{
    struct seg_head h;
    struct roll r;
    unsigned mask, ok, whole;

    HF_TRY(keeper_wait(j, SEG_HEADER_SIZE + need + TAIL_RESERVE, e));
    mask = members_live(j);
    whole = members_whole(j);
    if (!whole)
        return journal_die(j, e);
    roll_prepare(j, &r, &h);
    h.size = roll_size(j, mask);
    seg_head_encode(r.header, &h, j->set->store_uuid);
    ok = members_run(j, mask, roll_part, &r);
    spares_used(j, mask);
    if (!(ok & whole))
        return journal_die(j, e);
    HF_TRY(roll_index(j, h.size, ok, e));
    if (h.prev_end != 0)
        keeper_trim(j, h.prev_first, h.prev_end);
    j->cur.first = h.first;
    j->cur.size = h.size;
    j->cur.off = SEG_HEADER_SIZE;
    j->cur.prev_first = h.prev_first;
    j->cur.prev_end = h.prev_end;
    j->cur.sealed = false;
    j->tail_off = j->cur.off;
    keeper_kick(j);
    return RC_OK;
}
