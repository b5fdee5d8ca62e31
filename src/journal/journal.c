/* Holdfast: opening and closing the journal, and what anybody may ask of it. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* pthread_cond_clockwait */
#endif
#include "journal/journal.h"

#include <stdlib.h>
#include <time.h>

#include "journal/journal_priv.h"

/* ---- opening ---- */

static enum rc journal_new(struct os *os, struct diskset *set, const struct journal_cfg *cfg, struct journal **ret,
                           struct err *e)
{
    struct journal *j = calloc(1, sizeof(*j));
    enum rc rc;

    if (!j)
        return err_set(e, RC_NOMEM, "no memory for the journal");
    j->os = os;
    j->set = set;
    j->seg_min = cfg && cfg->segment_min_bytes ? cfg->segment_min_bytes : SEG_MIN_DEFAULT;
    j->seg_max = cfg && cfg->segment_max_bytes ? cfg->segment_max_bytes : SEG_MAX_DEFAULT;
    j->seg_min = round_up(j->seg_min, BATCH_ALIGN);
    if (j->seg_max < j->seg_min)
        j->seg_max = j->seg_min;
    j->single_thread = cfg && cfg->single_thread;
    j->n_members = set->n < JOURNAL_MEMBERS_MAX ? set->n : JOURNAL_MEMBERS_MAX;
    pthread_mutex_init(&j->lock, NULL);
    pthread_cond_init(&j->moved, NULL);
    pthread_mutex_init(&j->epoch_lock, NULL);
    pthread_mutex_init(&j->heal_lock, NULL);
    pthread_mutex_init(&j->keeper.lock, NULL);
    pthread_cond_init(&j->keeper.wake, NULL);
    pthread_cond_init(&j->keeper.done, NULL);
    pthread_mutex_init(&j->files.lock, NULL);
    tree_root(&j->tree, j->root);
    for (unsigned i = 0; i < j->n_members; i++)
        member_init(j, i);
    rc = batch_init(&j->main, BATCH_ALIGN, JOURNAL_BATCH_RECORDS_MAX, e);
    if (rc == RC_OK)
        rc = batch_init(&j->own, BATCH_ALIGN, 0, e);
    if (rc == RC_OK)
        rc = image_init(&j->image, j, e);
    *ret = j; /* freed by the caller in any case */
    return rc;
}

static void journal_free(struct journal *j)
{
    if (!j)
        return;
    keeper_stop(j);
    workers_stop(j);
    for (unsigned i = 0; i < j->n_members; i++) {
        os_close(j->os, j->member[i].active);
        sem_destroy(&j->member[i].worker.go);
        sem_destroy(&j->member[i].worker.done);
    }
    files_free(j);
    batch_free(&j->main);
    batch_free(&j->own);
    image_free(&j->image);
    free(j->segs);
    pthread_cond_destroy(&j->keeper.done);
    pthread_cond_destroy(&j->keeper.wake);
    pthread_mutex_destroy(&j->keeper.lock);
    pthread_mutex_destroy(&j->heal_lock);
    pthread_mutex_destroy(&j->epoch_lock);
    pthread_cond_destroy(&j->moved);
    pthread_mutex_destroy(&j->lock);
    free(j);
}

/* Nothing was ever acknowledged: whatever stands there is what a first start left that did not get through. */
static enum rc create(struct journal *j, struct err *e)
{
    j->next_seq = 1;
    for (unsigned i = 0; i < j->n_members; i++) {
        struct member *m = &j->member[i];

        if (!disk_usable(m->disk))
            continue;
        HF_TRY(join_sweep(j, m, e));
        m->disk->state = DISK_OK;
        m->disk->journal_whole = true;
        m->in_epoch = true;
    }
    return epoch_first(j, e);
}

/* Disks that came back, or are new: a failure to join is theirs, not ours. */
static enum rc join_stale(struct journal *j, struct journal_report *r, struct err *e)
{
    for (unsigned i = 0; i < j->n_members; i++) {
        struct member *m = &j->member[i];
        struct err why = {{0}};

        if (m->in_epoch || !disk_usable(m->disk))
            continue;
        r->stale_members++;
        if (journal_join(j, i, &why) != RC_OK && j->dead)
            return err_set(e, RC_IO, "%s", why.text);
    }
    return RC_OK;
}

static enum rc go_on(struct journal *j, struct scan *s, struct authority *a, struct journal_report *r, struct err *e)
{
    HF_TRY(recover(j, s, a, r, e));
    if (a->changed)
        HF_TRY(epoch_begin(j, e));
    else if (j->cur.sealed)
        HF_TRY(segment_roll(j, BATCH_ALIGN, e));
    return epoch_settle(j, e);
}

static enum rc open_on(struct journal *j, struct journal_report *r, struct err *e)
{
    struct scan s;
    struct authority a;
    enum rc rc;

    HF_TRY(workers_start(j, e));
    HF_TRY(keeper_start(j, e));
    rc = scan_disks(j, &s, e);
    if (rc == RC_OK)
        rc = authority_decide(j, &s, &a, e);
    if (rc == RC_OK)
        rc = a.create ? create(j, e) : go_on(j, &s, &a, r, e);
    scan_free(&s);
    HF_TRY(rc);
    journal_publish(j);
    HF_TRY(join_stale(j, r, e));
    keeper_kick(j);
    r->last_seq = j->durable;
    return RC_OK;
}

enum rc journal_open(struct os *os, struct diskset *disks, const struct journal_cfg *cfg, struct journal **ret,
                     struct journal_report *ret_report, struct err *e)
{
    struct journal_report report = {0};
    struct journal *j = NULL;
    enum rc rc = journal_new(os, disks, cfg, &j, e);

    if (rc == RC_OK)
        rc = open_on(j, &report, e);
    if (rc != RC_OK) {
        journal_free(j);
        return rc;
    }
    if (ret_report)
        *ret_report = report;
    *ret = j;
    return RC_OK;
}

void journal_mark(struct journal *j)
{
    uint64_t before = j->set->acked;

    if (j->dead || before == j->durable)
        return;
    pthread_mutex_lock(&j->epoch_lock);
    j->set->acked = j->durable;
    if (diskset_witness(j->set, NULL) != RC_OK)
        j->set->acked = before;
    pthread_mutex_unlock(&j->epoch_lock);
}

void journal_close(struct journal *j)
{
    if (!j)
        return;
    pthread_mutex_lock(&j->lock);
    j->closing = true;
    pthread_cond_broadcast(&j->moved);
    while (j->waiters > 0)
        pthread_cond_wait(&j->moved, &j->lock);
    pthread_mutex_unlock(&j->lock);
    journal_mark(j);
    journal_free(j);
}

/* ---- questions ---- */

uint64_t journal_durable(const struct journal *j)
{
    return j->durable;
}

int64_t journal_last_time(const struct journal *j)
{
    return j->last_time;
}

uint64_t journal_epoch(const struct journal *j)
{
    return j->epoch;
}

void journal_head(struct journal *j, uint64_t *ret_size, uint8_t root[HASH_SIZE])
{
    pthread_mutex_lock(&j->lock);
    *ret_size = j->durable_n;
    memcpy(root, j->durable_root, HASH_SIZE);
    pthread_mutex_unlock(&j->lock);
}

static void deadline(struct timespec *t, int64_t timeout_ns)
{
    clock_gettime(CLOCK_MONOTONIC, t);
    t->tv_sec += timeout_ns / NS_PER_S;
    t->tv_nsec += timeout_ns % NS_PER_S;
    if (t->tv_nsec >= NS_PER_S) {
        t->tv_sec++;
        t->tv_nsec -= NS_PER_S;
    }
}

enum rc journal_wait(struct journal *j, uint64_t seq, int64_t timeout_ns)
{
    struct timespec until;
    bool late = timeout_ns <= 0;
    enum rc rc;

    if (j->durable >= seq)
        return RC_OK;
    deadline(&until, late ? 0 : timeout_ns);
    pthread_mutex_lock(&j->lock);
    j->waiters++;
    while (j->durable < seq && !j->closing && !late)
        late = pthread_cond_clockwait(&j->moved, &j->lock, CLOCK_MONOTONIC, &until) != 0;
    if (j->durable >= seq)
        rc = RC_OK;
    else
        rc = j->closing ? RC_CANCELLED : RC_END;
    j->waiters--;
    if (j->closing) /* close waits for us; nothing of j is touched after the lock is given back */
        pthread_cond_broadcast(&j->moved);
    pthread_mutex_unlock(&j->lock);
    return rc;
}

bool journal_full(const struct journal *j)
{
    return keeper_full((struct journal *)(uintptr_t)j);
}

uint64_t journal_bytes(const struct journal *j)
{
    return j->bytes_sealed + j->tail_off;
}

bool journal_is_sealed(struct journal *j, uint64_t segment)
{
    struct seg s;

    return index_get(j, segment, &s) && s.end != 0;
}

void journal_last_fault(struct journal *j, struct err *ret)
{
    pthread_mutex_lock(&j->lock);
    *ret = j->fault;
    pthread_mutex_unlock(&j->lock);
}
