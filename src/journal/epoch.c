/* Holdfast: epochs: who is a member, so that there is never a second history.
 *
 * An epoch change is: (1) the witness, with the new epoch's number and members; (2) a REC_EPOCH record, durable on the
 * members; (3) only then is anything acknowledged that was written without the member that left.
 *
 * Why the witness first. Let S be the members that stay and B the one that leaves at epoch E.
 *  - Crash before (1): witness and all disks say E. S and B are whole. Everything acknowledged under E is on all of
 *    them, so each may go on alone; what only S or only B has beyond that was never acknowledged.
 *  - Crash between (1) and (2): the witness says E+1 without B; the journals say E. B alone is refused, because the
 *    witness does not count it whole. S is whole for the witness and holds all that was acknowledged, so it starts,
 *    though its own epoch is older than the witness's: that is no reason to refuse, its absence from the witness is.
 *  - Crash between (2) and (3): S says E+1 too. B alone is refused as before.
 *  - If the record came first, a crash behind it would leave a witness that still calls B whole: B could start alone,
 *    also under E+1, and there would be two.
 * Every start that changes the members takes witness + 1 and never reuses a number, so two different sets never write
 * under the same epoch. With the witness lost, the newest epoch in a journal decides, and only when no member is
 * missing (authority.c). The first epoch is the other way round: until the witness says 1 nothing was ever
 * acknowledged, and a start makes the journal anew.
 *
 * tests/unit/test_journal_crash.c crashes at each step and boots each half. */
#include "journal/journal_priv.h"

enum { EPOCH_PAYLOAD_MAX = 2048 };
/* An operator's confirmation without a witness may contradict another disk that also went on: never the same number. */
enum { EPOCH_CONFIRMED_STEP = 1024 };

enum rc journal_die(struct journal *j, struct err *e)
{
    struct err why;

    j->dead = true;
    pthread_mutex_lock(&j->lock);
    why = j->fault;
    pthread_mutex_unlock(&j->lock);
    return err_set(e, RC_IO, "no disk with the whole journal is left to write to; the last error was: %s", why.text);
}

void table_of_set(const struct diskset *set, struct disk_table *ret)
{
    memset(ret, 0, sizeof(*ret));
    ret->epoch = set->epoch;
    ret->n = set->n;
    for (unsigned i = 0; i < set->n; i++) {
        memcpy(ret->disk[i].uuid, set->disk[i].uuid, 16);
        ret->disk[i].state = set->disk[i].state;
        ret->disk[i].whole = set->disk[i].journal_whole;
    }
}

static bool any_failed(const struct journal *j)
{
    for (unsigned i = 0; i < j->n_members; i++)
        if (j->member[i].in_epoch && j->member[i].failed)
            return true;
    return false;
}

/* Its file is abandoned: neither written nor synced again. */
static void leave_out_failed(struct journal *j)
{
    for (unsigned i = 0; i < j->n_members; i++) {
        struct member *m = &j->member[i];

        if (!m->failed || !m->in_epoch)
            continue;
        m->in_epoch = false;
        m->disk->journal_whole = false;
        m->disk->state = DISK_QUARANTINED;
        os_close(j->os, m->active);
        m->active = NULL;
    }
}

/* Step 1. */
static enum rc witness_step(struct journal *j, struct err *e)
{
    struct diskset *set = j->set;
    uint64_t newest = set->epoch > j->epoch ? set->epoch : j->epoch;
    enum rc rc;

    pthread_mutex_lock(&j->epoch_lock);
    leave_out_failed(j);
    set->epoch = newest + (set->confirm_epoch && !set->witness_found ? EPOCH_CONFIRMED_STEP : 1);
    set->acked = j->durable;
    rc = members_whole(j) ? diskset_witness(set, e) : journal_die(j, e);
    if (rc == RC_OK) {
        set->witness_found = true;
        j->epoch = set->epoch;
    }
    pthread_mutex_unlock(&j->epoch_lock);
    if (rc != RC_OK)
        j->dead = true;
    return rc;
}

/* Step 2. The record's time is the business time that was, or the wall's for the very first record. */
static enum rc record_step(struct journal *j, struct err *e)
{
    struct buf payload = BUF(EPOCH_PAYLOAD_MAX);
    struct disk_table table;
    struct journal_rec rec;
    enum rc rc;

    table_of_set(j->set, &table);
    table.epoch = j->epoch;
    rc = table_encode(&table, &payload);
    if (rc == RC_OK) {
        batch_place(j, &j->own, 0);
        rc = batch_stage(j, &j->own, REC_EPOCH, j->next_seq == 1 ? clock_real_ns(j->os->clock) : 0, buf_view(&payload),
                         view_of(NULL, 0), &rec);
    }
    buf_free(&payload);
    if (rc != RC_OK) {
        j->own.open = false;
        j->dead = true; /* the witness has moved on: only a new start can tell the journal */
        return err_set(e, rc, "the new epoch's record could not be written: %s", rc_name(rc));
    }
    return batch_append(j, &j->own, e);
}

/* A full disk must not stop an epoch: the reserve at the end of the active segment is for this. */
static enum rc make_room(struct journal *j, struct err *e)
{
    enum rc rc;

    if (!j->cur.sealed && segment_room(j) >= BATCH_ALIGN)
        return RC_OK;
    rc = segment_roll(j, BATCH_ALIGN, e);
    return rc == RC_FULL && !j->cur.sealed && j->cur.size - j->cur.off >= 2 * BATCH_ALIGN ? RC_OK : rc;
}

enum rc epoch_begin(struct journal *j, struct err *e)
{
    HF_TRY(make_room(j, e));
    HF_TRY(witness_step(j, e));
    return record_step(j, e);
}

enum rc epoch_settle(struct journal *j, struct err *e)
{
    /* Each turn leaves at least one member out. */
    while (any_failed(j)) {
        HF_TRY(witness_step(j, e));
        HF_TRY(record_step(j, e));
    }
    return RC_OK;
}

enum rc epoch_first(struct journal *j, struct err *e)
{
    struct diskset *set = j->set;

    j->epoch = 1;
    HF_TRY(segment_roll(j, BATCH_ALIGN, e));
    HF_TRY(record_step(j, e));
    HF_TRY(epoch_settle(j, e));
    if (set->epoch >= j->epoch) /* a member was left out on the way, and the witness knows */
        return RC_OK;
    set->epoch = j->epoch;
    set->acked = j->next_seq - 1;
    HF_TRY(diskset_witness(set, e));
    set->witness_found = true;
    return RC_OK;
}

void journal_publish(struct journal *j)
{
    pthread_mutex_lock(&j->lock);
    memcpy(j->durable_root, j->root, HASH_SIZE);
    j->durable_n = j->tree.n;
    j->tail_seg = j->cur.first;
    j->tail_off = j->cur.off;
    j->durable = j->next_seq - 1;
    if (j->waiters > 0)
        pthread_cond_broadcast(&j->moved);
    pthread_mutex_unlock(&j->lock);
}

/* ---- changes that are asked for ---- */

enum rc journal_expel(struct journal *j, unsigned slot, struct err *e)
{
    const struct err why = {"it was left out because it failed elsewhere"};
    struct member *m;

    HF_ASSERT(slot < j->set->n && !j->main.open);
    if (j->dead)
        return err_set(e, RC_UNAVAILABLE, "the journal stopped after an error: restart when the disks are well");
    m = slot < j->n_members ? &j->member[slot] : NULL;
    if (m ? !m->in_epoch : !disk_usable(&j->set->disk[slot]))
        return RC_OK;
    if (m && !(members_whole(j) & ~(1u << slot)))
        return err_set(e, RC_UNAVAILABLE, "%s is the last disk with the whole journal and cannot be left out",
                       m->disk->path);
    HF_TRY(make_room(j, e));
    if (m) {
        member_fault(m, &why);
        HF_TRY(epoch_settle(j, e));
    } else {
        j->set->disk[slot].state = DISK_QUARANTINED;
        HF_TRY(epoch_begin(j, e));
        HF_TRY(epoch_settle(j, e));
    }
    journal_publish(j);
    return RC_OK;
}
