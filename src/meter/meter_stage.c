/* Holdfast: the arrears stage of each account: decided by ticks and top-ups, published, queued for the audit record. */
#include "meter/meter_priv.h"

#include <stdlib.h>

/* What is allowed: all while a grace lasts, and of an account at a cloud always. */
static enum stage_rule rule_of(const struct meter_account *a, int64_t now_ns)
{
    if (!a->below || a->upstream[0] || a->grace_until_ns > now_ns)
        return STAGE_ALL;
    return timetable_rule(a->timetable, now_ns - a->below_since_ns);
}

void meter_publish(struct meter *m, struct meter_account *a, int64_t now_ns)
{
    registry_set_stage(m->registry, a->id, a->stage, rule_of(a, now_ns), meter_available_near(m, a, now_ns));
}

/* ---- the queue of what has no record yet ---- */

enum rc meter_queue_note(struct meter *m, const struct queued_note *n)
{
    enum rc rc = RC_OK;

    pthread_mutex_lock(&m->queue_lock);
    if (m->n_queued == m->queue_size) {
        size_t size = m->queue_size > 0 ? 2 * m->queue_size : 16;
        struct queued_note *grown = realloc(m->queue, size * sizeof(*grown));
        if (grown) {
            m->queue = grown;
            m->queue_size = size;
        } else {
            rc = RC_NOMEM;
        }
    }
    if (rc == RC_OK)
        m->queue[m->n_queued++] = *n;
    pthread_mutex_unlock(&m->queue_lock);
    return rc;
}

/* Caller holds queue_lock. */
static void dequeue_at(struct meter *m, size_t at)
{
    memmove(&m->queue[at], &m->queue[at + 1], (m->n_queued - at - 1) * sizeof(*m->queue));
    m->n_queued--;
}

static bool same_note(const struct queued_note *a, const struct queued_note *b)
{
    return a->type == b->type && a->account == b->account && a->cause == b->cause && a->budget == b->budget &&
           a->level == b->level;
}

void meter_note_recorded(struct meter *m, const struct queued_note *n)
{
    pthread_mutex_lock(&m->queue_lock);
    for (size_t i = 0; i < m->n_queued; i++) {
        if (same_note(&m->queue[i], n)) {
            dequeue_at(m, i);
            break;
        }
    }
    pthread_mutex_unlock(&m->queue_lock);
}

static struct account_rec record_of(const struct queued_note *n)
{
    if (n->type == REC_STAGE)
        return (struct account_rec){
            .type = REC_STAGE, .account = n->account, .name = view_cstr(n->name), .stage = n->stage, .cause = n->cause};
    return (struct account_rec){.type = REC_BUDGET,
                                .account = n->account,
                                .step = BUDGET_MARK,
                                .budget = n->budget,
                                .level = n->level,
                                .from_ns = n->from_ns,
                                .cause = n->cause};
}

enum rc meter_take_notes(struct meter *m, enum rec_type *ret_type, struct buf *payload)
{
    enum rc rc = RC_END;

    pthread_mutex_lock(&m->queue_lock);
    if (m->n_queued > 0) {
        const struct account_rec r = record_of(&m->queue[0]);
        rc = account_rec_encode(&r, payload);
        if (rc == RC_OK) {
            *ret_type = r.type;
            dequeue_at(m, 0);
        }
    }
    pthread_mutex_unlock(&m->queue_lock);
    return rc;
}

/* Changes that were committed and not yet seen as records; after a restart they are offered again, and the repeat of
 * one that was on its way is refused by its cause. */
enum rc meter_stages_load(struct meter *m, struct err *e)
{
    struct sql_stmt *q;
    enum rc rc;

    pthread_mutex_lock(&m->queue_lock);
    m->n_queued = 0;
    pthread_mutex_unlock(&m->queue_lock);
    HF_TRY(sql_query(m->sql, e, &q,
                     "SELECT account, cause, to_stage FROM stage_change WHERE recorded_seq IS NULL "
                     "ORDER BY cause, account",
                     ""));
    while ((rc = sql_next(q, e)) == RC_OK) {
        struct queued_note n = {.type = REC_STAGE,
                                .account = (uint64_t)sql_i64(q, 0),
                                .cause = (uint64_t)sql_i64(q, 1),
                                .stage = (enum stage)sql_i64(q, 2)};
        const struct meter_account *a = meter_account_of(m, n.account);
        if (!a)
            continue;
        memcpy(n.name, a->name, sizeof(n.name));
        rc = meter_queue_note(m, &n);
        if (rc != RC_OK) {
            sql_done(q);
            return err_set(e, rc, "meter: out of memory");
        }
    }
    return rc == RC_END ? RC_OK : rc;
}

enum rc meter_stage_recorded(struct meter *m, const struct account_rec *r, uint64_t seq, struct err *e)
{
    HF_TRY(meter_txn(m, e));
    HF_TRY(sql_exec(m->sql, e,
                    "UPDATE stage_change SET recorded_seq = ? WHERE account = ? AND cause = ? AND recorded_seq IS NULL",
                    "iii", (int64_t)seq, (int64_t)r->account, (int64_t)r->cause));
    const struct queued_note n = {.type = REC_STAGE, .account = r->account, .cause = r->cause};
    meter_note_recorded(m, &n);
    return RC_OK;
}

/* ---- deciding ---- */

static enum rc change_stage(struct meter *m, struct meter_account *a, enum stage to, uint64_t cause, int64_t now_ns,
                            struct err *e)
{
    struct queued_note n = {.type = REC_STAGE, .account = a->id, .cause = cause, .stage = to};

    if (to == a->stage)
        return RC_OK;
    HF_TRY(meter_txn(m, e));
    HF_TRY(sql_exec(m->sql, e,
                    "INSERT INTO stage_change (account, cause, from_stage, to_stage, time_ns) VALUES (?, ?, ?, ?, ?)",
                    "iiiii", (int64_t)a->id, (int64_t)cause, (int64_t)a->stage, (int64_t)to, now_ns));
    memcpy(n.name, a->name, sizeof(n.name));
    if (meter_queue_note(m, &n) != RC_OK)
        return err_set(e, RC_NOMEM, "meter: out of memory");
    a->stage = to;
    a->dirty = true;
    return RC_OK;
}

/* A grace puts off the stop and what comes behind it. */
static enum stage stage_of(const struct meter_account *a, int64_t now_ns)
{
    if (!a->below)
        return STAGE_ACTIVE;
    enum stage s = timetable_stage(a->timetable, now_ns - a->below_since_ns);
    return a->grace_until_ns > now_ns && s > STAGE_WARN ? STAGE_WARN : s;
}

static enum rc below_zero(struct meter *m, struct meter_account *a, int64_t now_ns, bool *ret, struct err *e)
{
    if (meter_below_zero(m, a, now_ns, ret) != RC_OK)
        return err_set(e, RC_LIMIT, "account %s: the balance passes the range of money", a->name);
    return RC_OK;
}

/* Has a stage at all, and one that is known now. */
static bool has_stage(const struct meter_account *a, int64_t now_ns)
{
    return a->id != ACCOUNT_DEFAULT && !account_unknown(a, now_ns);
}

enum rc meter_stage_tick(struct meter *m, struct meter_account *a, uint64_t cause, int64_t now_ns, struct err *e)
{
    bool below;

    if (!has_stage(a, now_ns))
        return RC_OK;
    HF_TRY(below_zero(m, a, now_ns, &below, e));
    if (below != a->below) {
        a->below = below;
        a->below_since_ns = below ? now_ns : 0;
        a->dirty = true;
    }
    enum stage to = stage_of(a, now_ns);
    bool changed = to != a->stage;
    HF_TRY(change_stage(m, a, to, cause, now_ns, e));
    if (below || changed)
        meter_publish(m, a, now_ns);
    return RC_OK;
}

enum rc meter_stage_paid(struct meter *m, struct meter_account *a, uint64_t cause, int64_t now_ns, struct err *e)
{
    bool below;

    if (!has_stage(a, now_ns))
        return RC_OK;
    HF_TRY(below_zero(m, a, now_ns, &below, e));
    if (!below && a->below) {
        a->below = false;
        a->below_since_ns = 0;
        a->dirty = true;
    }
    enum stage to = stage_of(a, now_ns);
    if (to < a->stage)
        HF_TRY(change_stage(m, a, to, cause, now_ns, e));
    meter_publish(m, a, now_ns);
    return RC_OK;
}
