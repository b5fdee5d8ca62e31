/* Holdfast: begin, stage, commit. */
#include <inttypes.h>

#include "journal/journal_priv.h"

/* A batch that finds less room than this part of its segment begins in the next one. */
enum { ROOM_PART = 16 };

static enum rc refuse_dead(const struct journal *j, struct err *e)
{
    if (!j->dead)
        return RC_OK;
    return err_set(e, RC_UNAVAILABLE, "the journal stopped after an error on its disks: restart when they are well");
}

/* Members that failed since the last batch (in the background, or in the store) are left out before anything new. */
static enum rc settle_failed(struct journal *j, struct err *e)
{
    uint64_t before = j->epoch;

    HF_TRY(epoch_settle(j, e));
    if (j->epoch != before)
        journal_publish(j);
    return RC_OK;
}

static enum rc roll(struct journal *j, uint64_t need, struct err *e)
{
    HF_TRY(segment_roll(j, need, e));
    HF_TRY(epoch_settle(j, e));
    journal_publish(j);
    return RC_OK;
}

/* Without a spare only what is urgent goes on; anybody's begin looks whether space came back. */
static enum rc check_full(struct journal *j, bool urgent, struct err *e)
{
    if (!keeper_full(j) || urgent)
        return RC_OK;
    return keeper_wait(j, 0, e);
}

/* The buffer is as large as a segment lets batches be: small folders need little memory. */
static enum rc place(struct journal *j, struct err *e)
{
    uint64_t room = segment_room(j);

    HF_TRY(batch_grow(&j->main, room < JOURNAL_BATCH_MAX ? room : JOURNAL_BATCH_MAX, e));
    batch_place(j, &j->main, TAIL_RESERVE);
    return RC_OK;
}

enum rc journal_begin(struct journal *j, bool urgent, struct err *e)
{
    enum rc rc;

    HF_ASSERT(!j->main.open);
    HF_TRY(refuse_dead(j, e));
    HF_TRY(check_full(j, urgent, e));
    HF_TRY(settle_failed(j, e));
    if (segment_room(j) < j->cur.size / ROOM_PART) {
        rc = roll(j, BATCH_ALIGN, e);
        if (rc != RC_OK && !(rc == RC_FULL && urgent && segment_room(j) >= BATCH_ALIGN))
            return rc;
    }
    return place(j, e);
}

/* An empty batch that its first record does not fit in moves on to a segment where it does. */
static enum rc move_on(struct journal *j, uint64_t need, struct err *e)
{
    j->main.open = false;
    HF_TRY(roll(j, need, e));
    return place(j, e);
}

enum rc journal_stage(struct journal *j, enum rec_type type, int64_t time_ns, struct view payload, struct view attach,
                      struct journal_rec *ret, struct err *e)
{
    enum rc rc;

    HF_TRY(refuse_dead(j, e));
    HF_ASSERT(j->main.open && type > 0 && type <= UINT16_MAX);
    if (payload.n > JOURNAL_PAYLOAD_MAX || attach.n > JOURNAL_ATTACH_MAX)
        return err_set(e, RC_INVALID, "a record has at most %u bytes and carries at most %u", JOURNAL_PAYLOAD_MAX,
                       JOURNAL_ATTACH_MAX);
    rc = batch_stage(j, &j->main, type, time_ns, payload, attach, ret);
    if (rc == RC_LIMIT && j->main.count == 0) {
        rc = move_on(j, batch_need(payload, attach), e);
        if (rc != RC_OK) {
            if (!j->dead)
                batch_place(j, &j->main, TAIL_RESERVE); /* as it was: the caller abandons it, or stages a smaller one */
            return rc;
        }
        rc = batch_stage(j, &j->main, type, time_ns, payload, attach, ret);
        HF_ASSERT(rc == RC_OK);
    }
    if (rc == RC_LIMIT)
        return err_set(e, rc, "the batch is full after %" PRIu32 " records", j->main.count);
    return rc;
}

enum rc journal_commit(struct journal *j, struct err *e)
{
    HF_TRY(refuse_dead(j, e));
    HF_ASSERT(j->main.open);
    if (j->main.count == 0) {
        j->main.open = false;
        return RC_OK;
    }
    HF_TRY(batch_append(j, &j->main, e));
    HF_TRY(epoch_settle(j, e)); /* a member failed: the epoch without it first (J2) */
    journal_publish(j);
    return RC_OK;
}

void journal_abandon(struct journal *j)
{
    j->main.open = false;
}
