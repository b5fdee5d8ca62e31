/* Holdfast: what was spent of a budget, which thresholds that passes, and how budgets are shown. */
#include "meter/budget.h"
#include "meter/query.h"

#include <stdlib.h>

#include "codec/codec.h"

#define FORECAST_LEVEL 101
#define QUARTER_MONTHS 3
#define TAG_TEXT_MAX (64u << 10)

static const uint64_t levels[] = {50, 80, 100};
#define LEVELS (sizeof(levels) / sizeof(levels[0]))

/* ---- the buckets of a scope ---- */

struct members {
    bool all;         /* of the account, and what has no bucket */
    uint64_t *bucket; /* ascending */
    size_t n, size;
};

static enum rc add_member(struct members *s, uint64_t bucket)
{
    if (s->n == s->size) {
        size_t size = s->size > 0 ? 2 * s->size : 16;
        uint64_t *grown = realloc(s->bucket, size * sizeof(*grown));
        if (!grown)
            return RC_NOMEM;
        s->bucket = grown;
        s->size = size;
    }
    s->bucket[s->n++] = bucket;
    return RC_OK;
}

static bool decoded_is(struct view encoded, struct view want)
{
    struct buf text = BUF(TAG_TEXT_MAX);
    bool is = uri_decode(encoded, true, &text) == RC_OK && view_eq(buf_view(&text), want);

    buf_free(&text);
    return is;
}

/* tags: url-encoded, k=v&k=v. */
static bool has_tag(struct view tags, struct view key, struct view value)
{
    for (size_t at = 0; at < tags.n;) {
        size_t end = view_find(tags, '&', at);
        if (end == SIZE_MAX)
            end = tags.n;
        struct view one = view_sub(tags, at, end - at);
        size_t eq = view_find(one, '=', 0);
        if (eq != SIZE_MAX && decoded_is(view_sub(one, 0, eq), key) && decoded_is(view_sub(one, eq + 1, one.n), value))
            return true;
        at = end + 1;
    }
    return false;
}

static bool in_scope(const struct scope *s, struct view name, struct view tags)
{
    return s->kind == SCOPE_BUCKET ? view_eq(name, s->name) : has_tag(tags, s->name, s->value);
}

static enum rc members_of(const struct meter *m, const struct budget *b, struct members *ret, struct err *e)
{
    struct scope s;
    struct sql_stmt *q;
    enum rc rc;

    if (!budget_scope_parse(view_cstr(b->scope), &s))
        return err_set(e, RC_CORRUPT,
                       "control database: budget %llu has a scope that cannot be; run `holdfast rebuild`",
                       (unsigned long long)b->id);
    ret->all = s.kind == SCOPE_ACCOUNT;
    if (ret->all)
        return RC_OK;
    HF_TRY(sql_query(m->sql, e, &q, "SELECT bucket, name, tags FROM bucket WHERE account = ? ORDER BY bucket", "i",
                     (int64_t)b->account));
    while ((rc = sql_next(q, e)) == RC_OK) {
        if (in_scope(&s, sql_text(q, 1), sql_text(q, 2)) && add_member(ret, (uint64_t)sql_i64(q, 0)) != RC_OK) {
            sql_done(q);
            return query_no_memory(e);
        }
    }
    return rc == RC_END ? RC_OK : rc;
}

static bool is_member(const struct members *s, uint64_t bucket)
{
    size_t low = 0, high = s->n;

    while (!s->all && low < high) {
        size_t mid = (low + high) / 2;
        if (s->bucket[mid] == bucket)
            return true;
        if (s->bucket[mid] < bucket)
            low = mid + 1;
        else
            high = mid;
    }
    return s->all;
}

/* ---- periods ---- */

struct period {
    int64_t first, last; /* months, like 202611 */
    int64_t begin_ns, end_ns;
};

static struct period period_of(const struct meter_account *a, enum budget_period kind, int64_t hour)
{
    int64_t month = meter_month_of(hour, a->prices->utc_offset_s);
    struct period p = {.first = month, .last = month};

    if (kind == BUDGET_QUARTER) {
        p.first = month / 100 * 100 + (month % 100 - 1) / QUARTER_MONTHS * QUARTER_MONTHS + 1;
        p.last = p.first + QUARTER_MONTHS - 1;
    }
    p.begin_ns = month_start_ns(p.first, a->prices->utc_offset_s);
    p.end_ns = month_start_ns(month_after(p.last), a->prices->utc_offset_s);
    return p;
}

/* ---- what was spent ---- */

static enum rc add_closed(const struct meter *m, const struct meter_account *a, const struct members *s,
                          const struct period *p, int64_t *spent, struct err *e)
{
    struct sql_stmt *q;
    enum rc rc;

    HF_TRY(sql_query(m->sql, e, &q,
                     "SELECT bucket, SUM(amount_nano) FROM month_usage WHERE account = ? AND month BETWEEN ? AND ? "
                     "GROUP BY bucket",
                     "iii", (int64_t)a->id, p->first, p->last));
    while ((rc = sql_next(q, e)) == RC_OK) {
        if (is_member(s, (uint64_t)sql_i64(q, 0)) && money_add(*spent, sql_i64(q, 1), spent) != RC_OK) {
            sql_done(q);
            return RC_LIMIT;
        }
    }
    return rc == RC_END ? RC_OK : rc;
}

static enum rc add_open(const struct charge *c, const struct members *s, int64_t *spent)
{
    for (size_t i = 0; i < c->n; i++) {
        if (is_member(s, c->part[i].row->bucket))
            HF_TRY(money_add(*spent, c->part[i].nano, spent));
    }
    return RC_OK;
}

/* open: NULL = closed hours only. */
static enum rc spent_of(const struct meter *m, const struct meter_account *a, const struct budget *b,
                        const struct period *p, const struct charge *open, int64_t *ret, struct err *e)
{
    struct members s = {0};
    int64_t spent = 0;
    enum rc rc = members_of(m, b, &s, e);

    if (rc == RC_OK)
        rc = add_closed(m, a, &s, p, &spent, e);
    if (rc == RC_OK && open)
        rc = add_open(open, &s, &spent);
    free(s.bucket);
    if (rc == RC_LIMIT)
        return err_set(e, rc, "budget %llu: what was spent passes the range of money", (unsigned long long)b->id);
    if (rc == RC_OK)
        *ret = spent;
    return rc;
}

/* What was spent so far, and as much an hour until the period ends; until_ns: what is spent is known up to here. Of an
 * account that is younger than the period, its own hours count. */
static int64_t forecast_of(const struct meter_account *a, const struct period *p, int64_t until_ns, int64_t spent)
{
    int64_t begin_ns =
        a->created_ns > p->begin_ns ? a->created_ns / (HOUR_S * NS_PER_S) * (HOUR_S * NS_PER_S) : p->begin_ns;
    int64_t elapsed = until_ns < p->end_ns ? until_ns - begin_ns : p->end_ns - begin_ns;
    int64_t left = p->end_ns - begin_ns - elapsed;

    if (elapsed <= 0 || spent <= 0)
        return spent;
    __int128 more = ((__int128)spent * left + elapsed / 2) / elapsed;
    return more > INT64_MAX - spent ? INT64_MAX : spent + (int64_t)more;
}

static bool reaches(int64_t spent, int64_t amount, uint64_t level)
{
    return (__int128)spent * 100 >= (__int128)amount * (int64_t)level;
}

/* ---- thresholds ---- */

static enum rc mark(struct meter *m, const struct budget *b, const struct period *p, uint64_t level, uint64_t cause,
                    struct err *e)
{
    const struct queued_note n = budget_mark_note(b->account, b->id, p->begin_ns, level, cause);

    HF_TRY(sql_exec(m->sql, e, "INSERT OR IGNORE INTO budget_mark (budget, from_ns, level, cause) VALUES (?, ?, ?, ?)",
                    "iiii", (int64_t)b->id, p->begin_ns, (int64_t)level, (int64_t)cause));
    if (sql_changes(m->sql) == 0)
        return RC_OK;
    return meter_queue_note(m, &n) == RC_OK ? RC_OK : query_no_memory(e);
}

static enum rc watch(struct meter *m, const struct budget *b, int64_t hour, uint64_t cause, struct err *e)
{
    const struct meter_account *a = meter_account_of(m, b->account);
    int64_t spent;

    if (!a)
        return RC_OK;
    struct period p = period_of(a, b->period, hour);
    HF_TRY(spent_of(m, a, b, &p, NULL, &spent, e));
    for (size_t i = 0; i < LEVELS; i++) {
        if (reaches(spent, b->amount_nano, levels[i]))
            HF_TRY(mark(m, b, &p, levels[i], cause, e));
    }
    if (forecast_of(a, &p, (hour + 1) * HOUR_S * NS_PER_S, spent) > b->amount_nano)
        HF_TRY(mark(m, b, &p, FORECAST_LEVEL, cause, e));
    return RC_OK;
}

struct budgets {
    struct budget *list;
    size_t n, size;
};

static enum rc add_budget(struct budgets *l, struct sql_stmt *q, struct err *e)
{
    if (l->n == l->size) {
        size_t size = l->size > 0 ? 2 * l->size : 16;
        struct budget *grown = realloc(l->list, size * sizeof(*grown));
        if (!grown)
            return query_no_memory(e);
        l->list = grown;
        l->size = size;
    }
    HF_TRY(budget_row(q, &l->list[l->n], e));
    l->n++;
    return RC_OK;
}

static enum rc collect(struct sql_stmt *q, struct budgets *l, struct err *e)
{
    enum rc rc;

    while ((rc = sql_next(q, e)) == RC_OK) {
        rc = add_budget(l, q, e);
        if (rc != RC_OK) {
            sql_done(q);
            return rc;
        }
    }
    return rc == RC_END ? RC_OK : rc;
}

enum rc budget_hour_closed(struct meter *m, int64_t hour, uint64_t cause, struct err *e)
{
    struct budgets l = {0};
    struct sql_stmt *q;

    HF_TRY(sql_query(m->sql, e, &q, "SELECT " BUDGET_COLUMNS " FROM budget WHERE state = ? ORDER BY id", "i",
                     (int64_t)BUDGET_ACTIVE));
    enum rc rc = collect(q, &l, e);
    for (size_t i = 0; rc == RC_OK && i < l.n; i++)
        rc = watch(m, &l.list[i], hour, cause, e);
    free(l.list);
    return rc;
}

enum rc budget_load(struct meter *m, struct err *e)
{
    struct sql_stmt *q;
    enum rc rc;

    HF_TRY(
        sql_query(m->sql, e, &q,
                  "SELECT b.account, k.budget, k.from_ns, k.level, k.cause FROM budget_mark k "
                  "JOIN budget b ON b.id = k.budget WHERE k.recorded_seq IS NULL ORDER BY k.cause, k.budget, k.level",
                  ""));
    while ((rc = sql_next(q, e)) == RC_OK) {
        const struct queued_note n = budget_mark_note((uint64_t)sql_i64(q, 0), (uint64_t)sql_i64(q, 1), sql_i64(q, 2),
                                                      (uint64_t)sql_i64(q, 3), (uint64_t)sql_i64(q, 4));
        if (meter_queue_note(m, &n) != RC_OK) {
            sql_done(q);
            return query_no_memory(e);
        }
    }
    return rc == RC_END ? RC_OK : rc;
}

/* ---- as JSON ---- */

static json_t *step_json(struct sql_stmt *q)
{
    int64_t step = sql_i64(q, 0);
    const char *name = step >= 0 && step < BUDGET_STEPS ? budget_step_name((enum budget_step)step) : "";
    bool pays = step == BUDGET_REQUEST || step == BUDGET_ALLOCATE;

    if (step == BUDGET_REVIEW)
        name = sql_i64(q, 1) != 0 ? "approve" : "reject";
    return json_pack("{s:o, s:s, s:o, s:o, s:o, s:o}", "time", time_json(sql_i64(q, 2)), "step", name, "actor",
                     view_json(sql_text(q, 3)), "role", view_json(sql_text(q, 4)), "amount",
                     pays ? money_json(sql_i64(q, 5)) : json_null(), "note", view_json(sql_text(q, 6)));
}

static enum rc put_history(const struct meter *m, const struct budget *b, json_t *out, struct err *e)
{
    json_t *list = json_array();
    struct sql_stmt *q;
    enum rc rc;

    if (!put_json(out, "history", list))
        return query_no_memory(e);
    HF_TRY(sql_query(m->sql, e, &q,
                     "SELECT step, approved, time_ns, actor, role, amount_nano, note FROM budget_step "
                     "WHERE budget = ? ORDER BY seq",
                     "i", (int64_t)b->id));
    while ((rc = sql_next(q, e)) == RC_OK) {
        if (!push_json(list, step_json(q))) {
            sql_done(q);
            return query_no_memory(e);
        }
    }
    return rc == RC_END ? RC_OK : rc;
}

/* Hundredths of a percent, rounded down, so that 100 is never said too early. */
static json_t *percent_json(int64_t spent, int64_t amount)
{
    __int128 hundredths = amount > 0 ? (__int128)spent * 10000 / amount : 0;
    return json_real((double)hundredths / 100);
}

static json_t *budget_json(const struct meter_account *a, const struct budget *b, const struct period *p,
                           int64_t now_ns, int64_t spent)
{
    int64_t forecast = forecast_of(a, p, now_ns, spent), level = 0;

    for (size_t i = 0; i < LEVELS; i++) {
        if (reaches(spent, b->amount_nano, levels[i]))
            level = (int64_t)levels[i];
    }
    return json_pack("{s:I, s:s, s:s, s:s, s:o, s:s, s:o, s:o, s:o, s:I, s:b, s:o, s:o}", "id", (json_int_t)b->id,
                     "account", a->name, "scope", b->scope, "period", b->period == BUDGET_MONTH ? "month" : "quarter",
                     "amount", money_json(b->amount_nano), "state", budget_state_name(b->state), "spent",
                     money_json(spent), "percent", percent_json(spent, b->amount_nano), "forecast",
                     money_json(forecast), "level", (json_int_t)level, "forecast_over", forecast > b->amount_nano,
                     "period_start", time_json(p->begin_ns), "period_end", time_json(p->end_ns));
}

static enum rc show(struct meter *m, const struct budget *b, int64_t now_ns, json_t *list, struct err *e)
{
    struct meter_account *a = meter_account_of(m, b->account);
    struct charge open = {0};
    int64_t spent;

    if (!a)
        return RC_OK;
    struct period p = period_of(a, b->period, hour_of(now_ns));
    bool has_open = m->open_hour != NO_HOUR && m->open_hour >= hour_of(p.begin_ns) && m->open_hour < hour_of(p.end_ns);
    enum rc rc = has_open ? meter_charge(m, a, &open) : RC_OK;
    if (rc != RC_OK)
        err_set(e, rc, "account %s: the open hour: %s", a->name, rc_name(rc));
    else
        rc = spent_of(m, a, b, &p, &open, &spent, e);
    charge_free(&open);
    HF_TRY(rc);
    json_t *one = budget_json(a, b, &p, now_ns, spent);
    rc = one ? put_history(m, b, one, e) : query_no_memory(e);
    if (rc != RC_OK) {
        json_decref(one);
        return rc;
    }
    return push_json(list, one) ? RC_OK : query_no_memory(e);
}

static enum rc budgets_of(struct meter *m, struct view account, uint64_t id, int64_t now_ns, json_t *list,
                          struct err *e)
{
    struct meter_account *a = NULL;
    struct budgets l = {0};
    struct sql_stmt *q;

    if (account.n > 0)
        HF_TRY(query_account(m, account, &a, e));
    HF_TRY(sql_query(m->sql, e, &q,
                     "SELECT " BUDGET_COLUMNS " FROM budget WHERE ? IN (0, account) AND ? IN (0, id) ORDER BY id", "ii",
                     (int64_t)(a ? a->id : 0), (int64_t)id));
    enum rc rc = collect(q, &l, e);
    for (size_t i = 0; rc == RC_OK && i < l.n; i++)
        rc = show(m, &l.list[i], now_ns, list, e);
    free(l.list);
    return rc;
}

enum rc meter_budgets_json(struct meter *m, struct view account, uint64_t id, int64_t now_ns, json_t **ret,
                           struct err *e)
{
    json_t *list = json_array();

    if (!list)
        return query_no_memory(e);
    meter_lock(m);
    enum rc rc = budgets_of(m, account, id, now_ns, list, e);
    meter_unlock(m);
    if (rc == RC_OK)
        *ret = list;
    else
        json_decref(list);
    return rc;
}
