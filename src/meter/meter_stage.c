/* Holdfast: the arrears stage of each account: decided by ticks and top-ups, published, queued for the audit record. */
#include "meter/meter_priv.h"

#include <stdlib.h>

void meter_publish(struct meter *m, const struct meter_account *a)
{
    int64_t balance;

    if (meter_balance_near(a, &balance) != RC_OK)
        balance = a->balance_nano;
    registry_set_stage(m->registry, a->id, a->stage, balance);
}

/* ---- the queue for REC_STAGE ---- */

static enum rc queue_stage(struct meter *m, const struct stage_note *n)
{
    enum rc rc = RC_OK;

    pthread_mutex_lock(&m->stage_lock);
    if (m->n_stages == m->stages_size) {
        size_t size = m->stages_size > 0 ? 2 * m->stages_size : 16;
        struct stage_note *grown = realloc(m->stage, size * sizeof(*grown));
        if (grown) {
            m->stage = grown;
            m->stages_size = size;
        } else {
            rc = RC_NOMEM;
        }
    }
    if (rc == RC_OK)
        m->stage[m->n_stages++] = *n;
    pthread_mutex_unlock(&m->stage_lock);
    return rc;
}

/* Caller holds stage_lock. */
static void dequeue_at(struct meter *m, size_t at)
{
    memmove(&m->stage[at], &m->stage[at + 1], (m->n_stages - at - 1) * sizeof(*m->stage));
    m->n_stages--;
}

static void dequeue_recorded(struct meter *m, uint64_t account, uint64_t cause)
{
    pthread_mutex_lock(&m->stage_lock);
    for (size_t i = 0; i < m->n_stages; i++) {
        if (m->stage[i].account == account && m->stage[i].cause == cause) {
            dequeue_at(m, i);
            break;
        }
    }
    pthread_mutex_unlock(&m->stage_lock);
}

enum rc meter_take_stage(struct meter *m, struct buf *payload)
{
    enum rc rc = RC_END;

    pthread_mutex_lock(&m->stage_lock);
    if (m->n_stages > 0) {
        const struct stage_note *n = &m->stage[0];
        const struct account_rec r = {
            .type = REC_STAGE, .account = n->account, .name = view_cstr(n->name), .stage = n->stage, .cause = n->cause};
        rc = account_rec_encode(&r, payload);
        if (rc == RC_OK)
            dequeue_at(m, 0);
    }
    pthread_mutex_unlock(&m->stage_lock);
    return rc;
}

/* Changes that were committed and not yet seen as records; after a restart they are offered again, and the repeat of
 * one that was on its way is refused by its cause. */
enum rc meter_stages_load(struct meter *m, struct err *e)
{
    struct sql_stmt *q;
    enum rc rc;

    pthread_mutex_lock(&m->stage_lock);
    m->n_stages = 0;
    pthread_mutex_unlock(&m->stage_lock);
    HF_TRY(sql_query(m->sql, e, &q,
                     "SELECT account, cause, to_stage FROM stage_change WHERE recorded_seq IS NULL "
                     "ORDER BY cause, account",
                     ""));
    while ((rc = sql_next(q, e)) == RC_OK) {
        struct stage_note n = {
            .account = (uint64_t)sql_i64(q, 0), .cause = (uint64_t)sql_i64(q, 1), .stage = (enum stage)sql_i64(q, 2)};
        const struct meter_account *a = meter_account_of(m, n.account);
        if (!a)
            continue;
        memcpy(n.name, a->name, sizeof(n.name));
        rc = queue_stage(m, &n);
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
    dequeue_recorded(m, r->account, r->cause);
    return RC_OK;
}

/* ---- deciding ---- */

static enum rc change_stage(struct meter *m, struct meter_account *a, enum stage to, uint64_t cause, int64_t now_ns,
                            struct err *e)
{
    struct stage_note n = {.account = a->id, .cause = cause, .stage = to};

    if (to == a->stage)
        return RC_OK;
    HF_TRY(meter_txn(m, e));
    HF_TRY(sql_exec(m->sql, e,
                    "INSERT INTO stage_change (account, cause, from_stage, to_stage, time_ns) VALUES (?, ?, ?, ?, ?)",
                    "iiiii", (int64_t)a->id, (int64_t)cause, (int64_t)a->stage, (int64_t)to, now_ns));
    memcpy(n.name, a->name, sizeof(n.name));
    if (queue_stage(m, &n) != RC_OK)
        return err_set(e, RC_NOMEM, "meter: out of memory");
    a->stage = to;
    a->dirty = true;
    return RC_OK;
}

enum rc meter_stage_tick(struct meter *m, struct meter_account *a, uint64_t cause, int64_t now_ns, struct err *e)
{
    bool below;

    if (!a->charged)
        return RC_OK;
    if (meter_below_zero(m, a, &below) != RC_OK)
        return err_set(e, RC_LIMIT, "account %s: the balance passes the range of money", a->name);
    if (below != a->below) {
        a->below = below;
        a->below_since_ns = below ? now_ns : 0;
        a->dirty = true;
    }
    enum stage to = below ? timetable_stage(a->timetable, now_ns - a->below_since_ns) : STAGE_ACTIVE;
    bool changed = to != a->stage;
    HF_TRY(change_stage(m, a, to, cause, now_ns, e));
    if (below || changed)
        meter_publish(m, a);
    return RC_OK;
}

enum rc meter_stage_paid(struct meter *m, struct meter_account *a, uint64_t cause, int64_t now_ns, struct err *e)
{
    bool below;

    if (!a->charged)
        return RC_OK;
    if (meter_below_zero(m, a, &below) != RC_OK)
        return err_set(e, RC_LIMIT, "account %s: the balance passes the range of money", a->name);
    if (!below) {
        a->below = false;
        a->below_since_ns = 0;
        HF_TRY(change_stage(m, a, STAGE_ACTIVE, cause, now_ns, e));
    }
    meter_publish(m, a);
    return RC_OK;
}
