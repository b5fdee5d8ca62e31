/* Holdfast: budgets: their steps as records, what was spent, which thresholds were passed. */
#include "meter/budget.h"

#include <stdlib.h>

#define TEXT_SHOWN 64

static int shown(struct view v)
{
    return (int)(v.n < TEXT_SHOWN ? v.n : TEXT_SHOWN);
}

/* ---- scopes ---- */

bool budget_scope_parse(struct view text, struct scope *ret)
{
    struct scope s = {.kind = SCOPE_ACCOUNT};

    if (text.n > SCOPE_MAX || !utf8_valid(text) || view_find(text, 0, 0) != SIZE_MAX)
        return false;
    if (view_starts(text, VIEW("bucket:"))) {
        s = (struct scope){.kind = SCOPE_BUCKET, .name = view_sub(text, 7, text.n)};
        if (s.name.n == 0 || s.name.n > BUCKET_NAME_MAX)
            return false;
    } else if (view_starts(text, VIEW("department:"))) {
        s = (struct scope){.kind = SCOPE_TAG, .name = VIEW("department"), .value = view_sub(text, 11, text.n)};
        if (s.value.n == 0)
            return false;
    } else if (view_starts(text, VIEW("tag:"))) {
        size_t eq = view_find(text, '=', 4);
        if (eq == SIZE_MAX || eq == 4)
            return false;
        s = (struct scope){
            .kind = SCOPE_TAG, .name = view_sub(text, 4, eq - 4), .value = view_sub(text, eq + 1, text.n)};
    } else if (!view_eqs(text, "account")) {
        return false;
    }
    *ret = s;
    return true;
}

/* ---- steps ---- */

static const char *const state_name[] = {"requested", "rejected", "approved", "active", "closed"};
static const char *const step_name[BUDGET_STEPS] = {"request", "review", "allocate", "close", "mark"};

const char *budget_state_name(enum budget_state s)
{
    return state_name[s];
}

const char *budget_step_name(enum budget_step s)
{
    HF_ASSERT((unsigned)s < BUDGET_STEPS);
    return step_name[s];
}

enum rc budget_row(struct sql_stmt *q, struct budget *ret, struct err *e)
{
    int64_t period = sql_i64(q, 3), state = sql_i64(q, 5);

    *ret = (struct budget){.id = (uint64_t)sql_i64(q, 0),
                           .account = (uint64_t)sql_i64(q, 1),
                           .period = (enum budget_period)period,
                           .amount_nano = sql_i64(q, 4),
                           .state = (enum budget_state)state};
    if (period < BUDGET_MONTH || period > BUDGET_QUARTER || state < BUDGET_REQUESTED || state > BUDGET_CLOSED ||
        !view_copy(sql_text(q, 2), ret->scope, sizeof(ret->scope)))
        return err_set(e, RC_CORRUPT, "control database: a budget could not be read; run `holdfast rebuild`");
    return RC_OK;
}

static enum rc find(const struct meter *m, uint64_t id, struct budget *ret, struct err *e)
{
    struct sql_stmt *q;

    HF_TRY(sql_query(m->sql, e, &q, "SELECT " BUDGET_COLUMNS " FROM budget WHERE id = ?", "i", (int64_t)id));
    enum rc rc = sql_next(q, e);
    if (rc != RC_OK)
        return rc == RC_END ? err_set(e, RC_NOT_FOUND, "there is no budget %llu; `holdfast budget list` shows them",
                                      (unsigned long long)id)
                            : rc;
    rc = budget_row(q, ret, e);
    sql_done(q);
    return rc;
}

static bool is_finance(struct view role)
{
    return view_eqs(role, "finance");
}

static bool may_allocate(struct view role)
{
    return is_finance(role) || view_eqs(role, "owner");
}

static enum rc check_request(const struct account_rec *r, struct err *e)
{
    struct scope s;

    if (!budget_scope_parse(r->scope, &s))
        return err_set(e, RC_INVALID,
                       "a budget's scope is account, bucket:NAME, department:NAME or tag:KEY=VALUE, not `%.*s`",
                       shown(r->scope), r->scope.p);
    if (r->amount_nano <= 0)
        return err_set(e, RC_INVALID, "a budget's amount must be above zero");
    if (r->period != BUDGET_MONTH && r->period != BUDGET_QUARTER)
        return err_set(e, RC_INVALID, "a budget is for a month or a quarter");
    return RC_OK;
}

static enum rc check_role(const struct account_rec *r, struct err *e)
{
    if (r->step == BUDGET_REVIEW && !is_finance(r->role))
        return err_set(e, RC_DENIED, "a budget is reviewed in the role finance, not `%.*s`", shown(r->role), r->role.p);
    if ((r->step == BUDGET_ALLOCATE || r->step == BUDGET_CLOSE) && !may_allocate(r->role))
        return err_set(e, RC_DENIED, "a budget is allocated and closed in the role finance or owner, not `%.*s`",
                       shown(r->role), r->role.p);
    if (r->step == BUDGET_ALLOCATE && r->amount_nano <= 0)
        return err_set(e, RC_INVALID, "a budget's amount must be above zero");
    return RC_OK;
}

/* The order of the flow: where a step leads from a state. False: it is not the step's turn. */
static bool step_leads(enum budget_state from, const struct account_rec *r, enum budget_state *ret_to)
{
    switch (r->step) {
    case BUDGET_REVIEW:
        *ret_to = r->approved ? BUDGET_APPROVED : BUDGET_REJECTED;
        return from == BUDGET_REQUESTED;
    case BUDGET_ALLOCATE: /* again: another amount from here on */
        *ret_to = BUDGET_ACTIVE;
        return from == BUDGET_APPROVED || from == BUDGET_ACTIVE;
    case BUDGET_CLOSE:
        *ret_to = BUDGET_CLOSED;
        return from != BUDGET_REJECTED && from != BUDGET_CLOSED;
    default:
        return false;
    }
}

static const char *what_comes_next(enum budget_state s)
{
    static const char *const next[] = {
        "it waits for the review by finance", "request a new one", "it waits for its allocation",
        "it can be allocated anew or closed", "request a new one",
    };
    return next[s];
}

static enum rc check_step(const struct budget *b, const struct meter_account *a, const struct account_rec *r,
                          enum budget_state *ret_to, struct err *e)
{
    static const char *const done[BUDGET_STEPS] = {
        [BUDGET_REVIEW] = "reviewed", [BUDGET_ALLOCATE] = "allocated", [BUDGET_CLOSE] = "closed"};

    if (a && b->account != a->id)
        return err_set(e, RC_NOT_FOUND, "budget %llu is not of account %s", (unsigned long long)b->id, a->name);
    HF_TRY(check_role(r, e));
    if (!step_leads(b->state, r, ret_to))
        return err_set(e, RC_CONFLICT, "budget %llu is %s, so it cannot be %s: %s", (unsigned long long)b->id,
                       state_name[b->state], done[r->step] ? done[r->step] : "changed", what_comes_next(b->state));
    return RC_OK;
}

enum rc budget_check(const struct meter *m, const struct meter_account *a, struct account_rec *r, struct err *e)
{
    struct budget b;
    enum budget_state to;

    if (r->actor.n == 0 || r->actor.n > ACTOR_MAX || !utf8_valid(r->actor))
        return err_set(e, RC_INVALID, "a step of a budget says who takes it: 1 to %d bytes of UTF-8", ACTOR_MAX);
    if (r->step == BUDGET_MARK)
        return err_set(e, RC_INVALID, "thresholds are marked by the meter itself");
    if (r->step == BUDGET_REQUEST)
        return check_request(r, e);
    HF_TRY(find(m, r->budget, &b, e));
    HF_TRY(check_step(&b, a, r, &to, e));
    r->account = b.account;
    return RC_OK;
}

/* ---- applying ---- */

static enum rc keep_step(const struct meter *m, const struct journal_rec *rec, const struct account_rec *r,
                         uint64_t budget, struct err *e)
{
    return sql_exec(m->sql, e,
                    "INSERT INTO budget_step (seq, budget, step, approved, time_ns, actor, role, amount_nano, note) "
                    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    "iiiiivviv", (int64_t)rec->seq, (int64_t)budget, (int64_t)r->step, (int64_t)r->approved,
                    rec->time_ns, r->actor, r->role, r->amount_nano, r->note);
}

static enum rc apply_request(struct meter *m, const struct journal_rec *rec, const struct account_rec *r, struct err *e)
{
    struct err why = {.text = ""};

    if (check_request(r, &why) != RC_OK)
        return meter_refuse(m, rec, why.text, e);
    HF_TRY(meter_txn(m, e));
    HF_TRY(sql_exec(m->sql, e,
                    "INSERT INTO budget (id, account, scope, period, amount_nano, state) VALUES (?, ?, ?, ?, ?, ?)",
                    "iiviii", (int64_t)rec->seq, (int64_t)r->account, r->scope, (int64_t)r->period, r->amount_nano,
                    (int64_t)BUDGET_REQUESTED));
    return keep_step(m, rec, r, rec->seq, e);
}

static enum rc apply_step(struct meter *m, const struct journal_rec *rec, const struct account_rec *r, struct err *e)
{
    struct budget b;
    enum budget_state to;
    struct err why = {.text = ""};
    enum rc rc = find(m, r->budget, &b, &why);

    if (rc == RC_OK)
        rc = check_step(&b, meter_account_of(m, r->account), r, &to, &why);
    if (rc == RC_NOT_FOUND || rc == RC_DENIED || rc == RC_INVALID || rc == RC_CONFLICT)
        return meter_refuse(m, rec, why.text, e);
    if (rc != RC_OK)
        return err_set(e, rc, "%s", why.text);
    HF_TRY(meter_txn(m, e));
    HF_TRY(sql_exec(m->sql, e, "UPDATE budget SET state = ?, amount_nano = ? WHERE id = ?", "iii", (int64_t)to,
                    r->step == BUDGET_ALLOCATE ? r->amount_nano : b.amount_nano, (int64_t)b.id));
    return keep_step(m, rec, r, b.id, e);
}

struct queued_note budget_mark_note(uint64_t account, uint64_t budget, int64_t from_ns, uint64_t level, uint64_t cause)
{
    return (struct queued_note){
        .type = REC_BUDGET, .account = account, .cause = cause, .budget = budget, .level = level, .from_ns = from_ns};
}

static enum rc apply_mark(struct meter *m, const struct journal_rec *rec, const struct account_rec *r, struct err *e)
{
    const struct queued_note n = budget_mark_note(r->account, r->budget, r->from_ns, r->level, r->cause);

    HF_TRY(meter_txn(m, e));
    HF_TRY(sql_exec(m->sql, e,
                    "UPDATE budget_mark SET recorded_seq = ? WHERE budget = ? AND from_ns = ? AND level = ? AND "
                    "recorded_seq IS NULL",
                    "iiii", (int64_t)rec->seq, (int64_t)r->budget, r->from_ns, (int64_t)r->level));
    meter_note_recorded(m, &n);
    return RC_OK;
}

enum rc budget_apply(struct meter *m, const struct journal_rec *rec, const struct account_rec *r, struct err *e)
{
    if (!meter_account_of(m, r->account))
        return meter_refuse(m, rec, "it names an account that does not exist", e);
    if (r->step == BUDGET_MARK)
        return apply_mark(m, rec, r, e);
    return r->step == BUDGET_REQUEST ? apply_request(m, rec, r, e) : apply_step(m, rec, r, e);
}

/* ---- digest ---- */

static enum rc feed_rows(struct sql_stmt *q, struct digest *d, int numbers, int texts, struct err *e)
{
    enum rc rc;

    while ((rc = sql_next(q, e)) == RC_OK) {
        for (int i = 0; i < numbers; i++)
            ledger_feed_i64(d, sql_i64(q, i));
        for (int i = 0; i < texts; i++)
            ledger_feed_view(d, sql_text(q, numbers + i));
    }
    return rc == RC_END ? RC_OK : rc;
}

/* Whether a threshold has its record yet depends on when it was written, not on what happened: it is left out. */
enum rc budget_digest(const struct meter *m, struct digest *d, struct err *e)
{
    struct sql_stmt *q;

    HF_TRY(
        sql_query(m->sql, e, &q, "SELECT id, account, period, amount_nano, state, scope FROM budget ORDER BY id", ""));
    HF_TRY(feed_rows(q, d, 5, 1, e));
    HF_TRY(sql_query(m->sql, e, &q,
                     "SELECT seq, budget, step, approved, time_ns, amount_nano, actor, role, note FROM budget_step "
                     "ORDER BY seq",
                     ""));
    HF_TRY(feed_rows(q, d, 6, 3, e));
    HF_TRY(sql_query(m->sql, e, &q,
                     "SELECT budget, from_ns, level, cause FROM budget_mark ORDER BY budget, from_ns, level", ""));
    return feed_rows(q, d, 4, 0, e);
}
