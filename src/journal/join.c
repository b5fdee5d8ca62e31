/* Holdfast: a member joins: a new disk, or one that comes back with old data. */
#include <stdlib.h>

#include "journal/journal_priv.h"

enum { NAMES_FIRST = 64 };

struct names {
    char (*v)[SEG_NAME_MAX];
    size_t n, cap;
};

static enum rc collect(void *ctx, const char *name, bool is_dir)
{
    struct names *l = ctx;

    if (is_dir || strlen(name) >= SEG_NAME_MAX)
        return RC_OK;
    if (l->n == l->cap) {
        size_t cap = l->cap ? l->cap * 2 : NAMES_FIRST;
        char(*v)[SEG_NAME_MAX] = realloc(l->v, cap * sizeof(*v));

        if (!v)
            return RC_NOMEM;
        l->v = v;
        l->cap = cap;
    }
    memcpy(l->v[l->n++], name, strlen(name) + 1);
    return RC_OK;
}

/* A sealed segment of ours that the member has as we do. */
static bool keeps(struct journal *j, struct member *m, const char *name)
{
    uint8_t bytes[8];
    struct seg s;
    uint64_t first;

    if (!view_starts(view_cstr(name), VIEW("seg-")) ||
        hex_decode(view_sub(view_cstr(name), 4, SEG_NAME_MAX), bytes, sizeof(bytes)) != RC_OK)
        return false;
    first = be64_get(bytes);
    if (!index_get(j, first, &s) || s.end == 0)
        return false;
    for (unsigned i = 0; i < j->n_members; i++)
        if (i != m->slot && (s.have >> i & 1) && heal_same(j, &s, m, &j->member[i])) {
            index_have(j, first, m->slot, true);
            return true;
        }
    return false;
}

/* The sidecar stays when its segment does; it comes in any order, so it is asked for by name. */
static bool keeps_sidecar(struct journal *j, struct member *m, const char *name)
{
    struct view v = view_cstr(name);
    size_t n = sizeof(PUNCHED_SUFFIX) - 1;
    char segment[SEG_NAME_MAX];

    return v.n > n && view_eqs(view_sub(v, v.n - n, n), PUNCHED_SUFFIX) &&
           view_copy(view_sub(v, 0, v.n - n), segment, sizeof(segment)) && keeps(j, m, segment);
}

enum rc join_sweep(struct journal *j, struct member *m, struct err *e)
{
    struct names l = {0};
    struct seg s;
    enum rc rc;

    for (size_t i = 0; index_at(j, i, &s); i++)
        index_have(j, s.first, m->slot, false);
    rc = os_mkdirs(j->os, m->dir, e);
    if (rc == RC_OK)
        rc = os_list(j->os, m->dir, collect, &l, e);
    for (size_t i = 0; rc == RC_OK && i < l.n; i++) {
        char path[OS_PATH_MAX];

        if (keeps(j, m, l.v[i]) || keeps_sidecar(j, m, l.v[i]) || !member_path(m, l.v[i], path))
            continue;
        rc = os_unlink(j->os, path, e);
    }
    if (rc == RC_OK && l.n > 0)
        rc = os_sync_dir(j->os, m->dir, e);
    free(l.v);
    files_drop(j, m->slot, 0);
    return rc;
}

/* Makes the member ready to take a segment. What it held that we do not is gone after this: nothing of it counts, the
 * witness says that it is not whole. */
static enum rc prepare(struct journal *j, struct member *m, struct err *e)
{
    enum rc rc;

    HF_TRY(join_sweep(j, m, e));
    pthread_mutex_lock(&j->keeper.lock);
    m->spare_size = 0;
    j->keeper.joining |= 1u << m->slot;
    pthread_mutex_unlock(&j->keeper.lock);
    rc = keeper_wait(j, 0, e);
    if (rc == RC_OK && m->failed)
        rc = err_set(e, RC_IO, "%s", j->fault.text);
    return rc;
}

/* The old members learn of the epoch in their segment, which then ends; the next is on the new member too. */
static enum rc enter(struct journal *j, struct member *m, struct err *e)
{
    HF_TRY(epoch_begin(j, e));
    HF_TRY(epoch_settle(j, e));
    m->in_epoch = true;
    HF_TRY(segment_roll(j, BATCH_ALIGN, e));
    return epoch_settle(j, e);
}

static void joining_done(struct journal *j, struct member *m)
{
    pthread_mutex_lock(&j->keeper.lock);
    j->keeper.joining &= ~(1u << m->slot);
    pthread_mutex_unlock(&j->keeper.lock);
}

static enum rc join(struct journal *j, struct member *m, struct err *e)
{
    enum rc rc;

    if (!(members_whole(j) & ~(1u << m->slot)))
        return err_set(e, RC_CONFLICT, "%s cannot join: no other disk has the whole journal", m->disk->path);
    pthread_mutex_lock(&j->heal_lock); /* nobody copies to the old place while it changes */
    m->in_epoch = false;
    keeper_idle(j);
    os_close(j->os, m->active);
    m->active = NULL;
    m->failed = false;
    member_rehome(m);
    pthread_mutex_unlock(&j->heal_lock);
    m->disk->journal_whole = false;
    m->disk->state = DISK_REBUILDING;
    rc = prepare(j, m, e);
    if (rc == RC_OK)
        rc = enter(j, m, e);
    joining_done(j, m);
    if (!m->in_epoch && rc != RC_FULL)
        m->disk->state = DISK_QUARANTINED;
    if (!j->dead)
        journal_publish(j);
    return rc;
}

enum rc journal_join(struct journal *j, unsigned slot, struct err *e)
{
    struct member *m = &j->member[slot];

    HF_ASSERT(slot < j->set->n && !j->main.open);
    if (j->dead)
        return err_set(e, RC_UNAVAILABLE, "the journal stopped after an error: restart when the disks are well");
    if (slot >= j->n_members) {
        HF_TRY(epoch_begin(j, e));
        HF_TRY(epoch_settle(j, e));
        journal_publish(j);
        return RC_OK;
    }
    if (m->in_epoch && !m->failed && memcmp(m->uuid, m->disk->uuid, sizeof(m->uuid)) == 0)
        return RC_OK;
    return join(j, m, e);
}
