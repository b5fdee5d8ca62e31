/* One batch: decide against the overlay, stage, commit, apply, answer. The sequencer's thread only. */
#include "sequence/seq_priv.h"

#include "account/registry.h"
#include "base/log.h"

/* Invariant 1: an answer leaves only from answer_all after journal_commit and the catalog's write, or with a failure.
 * The overlay (s->txn) and the sums for quotas (s->stored) always hold exactly the effects of the records staged since
 * the last commit, so no number of writers at once passes a quota. */

static void answer(struct seq *s, struct seq_req *r)
{
    if (r->rc != RC_OK)
        atomic_fetch_add(&s->n_refused, 1);
    r->done(r);
}

/* Why it was refused does not matter any more: what that was decided on did not become durable. */
static void fail(struct seq_req *r, enum rc rc, const char *why)
{
    r->cat.why = CAT_WHY_NONE;
    r->rc = err_set(&r->err, rc, "%s", why);
}

/* Answers what was decided in this batch; with rc other than RC_OK everything in it fails alike. */
static void answer_all(struct seq *s, enum rc rc, const char *why)
{
    struct seq_req *r = s->staged_head;

    s->staged_head = s->staged_tail = NULL;
    s->staged_records = 0;
    while (r) {
        struct seq_req *next = r->next;

        if (rc != RC_OK)
            fail(r, rc, why);
        answer(s, r);
        r = next;
    }
}

static void drop_batch(struct seq *s)
{
    if (s->batch_open)
        journal_abandon(s->journal);
    s->batch_open = false;
    cat_txn_reset(s->txn);
    stored_drop(s->stored);
}

/* After this nothing is committed any more: the durable history and what readers hold may differ until a restart
 * replays it. */
static void give_up(struct seq *s, const char *what, const struct err *e)
{
    log_error("sequence", "%s: %s. No more changes are taken; restart to recover", what, e->text);
    s->broken = what;
}

static enum rc begin(struct seq *s, struct err *e)
{
    if (s->batch_open)
        return RC_OK;
    if (s->broken)
        return err_set(e, RC_UNAVAILABLE, "%s: restart holdfast to recover", s->broken);
    enum rc rc = journal_begin(s->journal, false, e);
    s->batch_full = rc == RC_FULL;
    if (rc == RC_FULL)
        rc = journal_begin(s->journal, true, e);
    s->batch_open = rc == RC_OK;
    return rc;
}

enum rc seq_batch_commit(struct seq *s)
{
    struct err e = {""};
    enum rc rc = RC_OK;

    if (s->staged_records == 0) {
        drop_batch(s);
        answer_all(s, RC_OK, NULL);
        return RC_OK;
    }
    unsigned n = s->staged_records;
    rc = journal_commit(s->journal, &e);
    s->batch_open = false;
    if (rc != RC_OK) {
        cat_txn_reset(s->txn);
        stored_drop(s->stored);
        give_up(s, "the journal could not be written", &e);
    } else if ((rc = cat_txn_write(s->txn, &e)) != RC_OK) {
        /* Durable, but this process can no longer show it: the outcome is unknown to the client until a restart. */
        give_up(s, "the catalog could not be written", &e);
    }
    if (rc != RC_OK) {
        atomic_fetch_add(&s->n_failed, n);
        answer_all(s, RC_UNAVAILABLE, s->broken);
        return rc;
    }
    stored_commit(s->stored);
    atomic_fetch_add(&s->n_batches, 1);
    atomic_fetch_add(&s->n_records, n);
    answer_all(s, RC_OK, NULL);
    return RC_OK;
}

/* Stages one record and applies it to the overlay. RC_LIMIT: the batch is full, nothing was done. */
static enum rc stage(struct seq *s, enum rec_type type, int64_t time_ns, struct view payload, struct view attach,
                     struct journal_rec *ret, struct err *e)
{
    enum rc rc = journal_stage(s->journal, type, time_ns, payload, attach, ret, e);

    if (rc != RC_OK)
        return rc;
    rc = cat_apply(s->txn, ret, e);
    if (rc == RC_OK)
        s->staged_records++;
    return rc;
}

static void fail_batch(struct seq *s)
{
    drop_batch(s);
    answer_all(s, RC_UNAVAILABLE, "a record of the same batch could not be staged; try again");
}

/* As stage, with a new batch when the open one is full. Any failure drops the whole batch: the overlay could not be
 * unpicked. */
static enum rc stage_or_roll(struct seq *s, enum rec_type type, int64_t time_ns, struct view payload,
                             struct view attach, struct journal_rec *ret, struct err *e)
{
    enum rc rc = stage(s, type, time_ns, payload, attach, ret, e);

    if (rc == RC_LIMIT && s->staged_records > 0) {
        HF_TRY(seq_batch_commit(s));
        HF_TRY(begin(s, e));
        rc = stage(s, type, time_ns, payload, attach, ret, e);
    }
    if (rc != RC_OK)
        fail_batch(s);
    return rc;
}

static bool urgent(const struct seq_req *r)
{
    if (r->urgent || !r->op)
        return true;
    switch (r->op->kind) {
    case CAT_DELETE:
    case CAT_ABORT:
    case CAT_BUCKET_DELETE:
    case CAT_RECLAIM:
        return true;
    default:
        return false;
    }
}

static void keep(struct seq *s, struct seq_req *r)
{
    r->next = NULL;
    if (s->staged_tail)
        s->staged_tail->next = r;
    else
        s->staged_head = r;
    s->staged_tail = r;
}

enum rc seq_batch_quota(void *ctx, const struct cat_rec *r)
{
    struct seq *s = ctx;
    struct registry *registry = meter_registry(s->meter);
    struct quota_change c = {.bucket = r->bucket_name};
    struct stored_entry *x;
    int64_t bytes = 0, objects = 0;

    if (!registry_has_quota(registry, r->account))
        return RC_OK;
    for (unsigned i = 0; i < r->n_delta; i++) {
        bytes += r->delta[i].bytes;
        objects += r->delta[i].objects;
    }
    HF_TRY(stored_find(s->stored, r->account, r->bucket, &x));
    stored_with(x, bytes, objects, &c);
    return registry_quota(registry, &c, &s->deciding->err);
}

static enum rc gate(struct seq *s, struct seq_req *r)
{
    enum gate what = r->op->kind == CAT_BUCKET_CREATE ? GATE_NEW_BUCKET : GATE_WRITE;

    return registry_gate(meter_registry(s->meter), r->op->account, what, &r->err);
}

/* RC_OK with *ret_record: there is a record to stage. Refusals are kept until what they were decided on is durable. */
static enum rc decide(struct seq *s, struct seq_req *r, enum rec_type *type, struct view *payload, bool *ret_record)
{
    *ret_record = true;
    if (s->batch_full && !urgent(r))
        return err_set(&r->err, RC_FULL, "the disks are full: add space or delete objects; nothing was written");
    if (!r->op) {
        *type = r->type;
        *payload = r->payload;
        return RC_OK;
    }
    if (r->check_stage)
        HF_TRY(gate(s, r));
    buf_clear(&s->payload);
    s->deciding = r;
    HF_TRY(cat_decide(s->txn, r->op, type, &s->payload, &r->cat));
    *ret_record = !r->cat.nothing_to_do;
    *payload = buf_view(&s->payload);
    return RC_OK;
}

/* The decided record of a request, into the overlay and the sums for quotas. */
static enum rc stage_decided(struct seq *s, struct seq_req *r, enum rec_type type, struct view payload)
{
    struct view attach = r->op ? r->op->body : (struct view){NULL, 0};
    struct stored_entry *x = NULL;
    struct journal_rec rec;

    if (r->cat.bucket != 0 && stored_find(s->stored, r->cat.account, r->cat.bucket, &x) != RC_OK) {
        fail_batch(s);
        return err_set(&r->err, RC_NOMEM, "out of memory");
    }
    HF_TRY(stage_or_roll(s, type, seq_now(s), payload, attach, &rec, &r->err));
    if (x)
        stored_stage(s->stored, x, r->cat.bytes, r->cat.objects, type == REC_BUCKET_DELETE);
    r->seq = r->cat.seq = rec.seq;
    r->cat.time_ns = rec.time_ns;
    return RC_OK;
}

void seq_batch_take(struct seq *s, struct seq_req *r)
{
    enum rec_type type = 0;
    struct view payload = {NULL, 0};
    bool has_record = false;

    r->rc = begin(s, &r->err);
    if (r->rc != RC_OK) {
        answer(s, r);
        return;
    }
    r->rc = decide(s, r, &type, &payload, &has_record);
    if (r->rc == RC_OK && has_record) {
        r->rc = stage_decided(s, r, type, payload);
        if (r->rc != RC_OK) {
            answer(s, r);
            return;
        }
    }
    keep(s, r);
}

enum rc seq_batch_record(struct seq *s, enum rec_type type, int64_t time_ns, struct view payload)
{
    struct err e = {""};
    struct journal_rec rec;

    enum rc rc = begin(s, &e);
    if (rc == RC_OK)
        rc = stage_or_roll(s, type, time_ns, payload, (struct view){NULL, 0}, &rec, &e);
    if (rc != RC_OK && !s->broken)
        log_error("sequence", "a record of type %d was not written: %s", (int)type, e.text);
    return rc;
}

enum rc seq_batch_ticks(struct seq *s, int64_t to_ns, unsigned max, bool *ret_more)
{
    for (unsigned i = 0; i < max && s->next_tick_ns <= to_ns; i++) {
        HF_TRY(seq_batch_record(s, REC_TICK, s->next_tick_ns, (struct view){NULL, 0}));
        s->next_tick_ns += TICK_NS;
    }
    *ret_more = s->next_tick_ns <= to_ns;
    return RC_OK;
}

typedef enum rc take_fn(struct meter *m, enum rec_type *ret_type, struct buf *payload);

static enum rc write_all(struct seq *s, take_fn *take)
{
    struct buf b = BUF(PAYLOAD_MAX);
    struct err e = {""};
    enum rec_type type = 0;
    enum rc rc = begin(s, &e);

    if (rc != RC_OK) /* what is taken is gone from where it was: not while nothing can be written */
        return rc;
    while ((rc = take(s->meter, &type, &b)) == RC_OK) {
        rc = seq_batch_record(s, type, seq_now(s), buf_view(&b));
        if (rc != RC_OK)
            break;
        buf_clear(&b);
    }
    buf_free(&b);
    if (s->staged_records == 0 && !s->staged_head)
        drop_batch(s);
    return rc == RC_END ? RC_OK : rc;
}

static enum rc take_usage(struct meter *m, enum rec_type *ret_type, struct buf *payload)
{
    *ret_type = REC_USAGE;
    return meter_take_usage(m, payload);
}

static enum rc take_prices(struct meter *m, enum rec_type *ret_type, struct buf *payload)
{
    *ret_type = REC_PRICES;
    return meter_take_prices(m, payload);
}

enum rc seq_batch_usage(struct seq *s)
{
    return write_all(s, take_usage);
}

enum rc seq_batch_prices(struct seq *s)
{
    return write_all(s, take_prices);
}

enum rc seq_batch_notes(struct seq *s)
{
    return write_all(s, meter_take_notes);
}
