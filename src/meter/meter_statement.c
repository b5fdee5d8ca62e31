/* Holdfast: the statement of a month: closed hours from the database, the open hour from memory. */
#include "meter/meter_priv.h"

#include <stdio.h>
#include <stdlib.h>

#define QUANTITY_PLACES 15 /* digits behind the point: one byte for 5 minutes is 1.08e-13 GB-month */
#define QUANTITY_UNIT 1000000000000000ULL
#define QUANTITY_TEXT_MAX 64
#define MONTH_YEAR_MIN 1970
#define MONTH_YEAR_MAX 9999
#define BUCKET_SHOWN_MAX (BUCKET_NAME_MAX + 1)

struct line {
    char bucket[BUCKET_SHOWN_MAX];
    unsigned cell;
    unsigned __int128 quantity;
    int64_t amount_nano;
};
struct statement {
    const struct meter_account *account;
    int64_t month; /* 202611 */
    struct line *line;
    size_t n, size;
    int64_t total_nano;
    json_t *topups;
};

static enum rc no_memory(struct err *e)
{
    return err_set(e, RC_NOMEM, "statement: out of memory");
}

/* ---- gathering ---- */

static enum rc add_line(struct statement *s, uint64_t bucket, struct view name, unsigned cell,
                        unsigned __int128 quantity, int64_t amount_nano)
{
    if (s->n == s->size) {
        size_t size = s->size > 0 ? 2 * s->size : 64;
        struct line *grown = realloc(s->line, size * sizeof(*grown));
        if (!grown)
            return RC_NOMEM;
        s->line = grown;
        s->size = size;
    }
    struct line *l = &s->line[s->n++];
    *l = (struct line){.cell = cell, .quantity = quantity, .amount_nano = amount_nano};
    if (name.n == 0 && bucket > 0) /* its name was never said */
        snprintf(l->bucket, sizeof(l->bucket), "#%llu", (unsigned long long)bucket);
    else if (!view_copy(name, l->bucket, sizeof(l->bucket)))
        return RC_CORRUPT;
    return RC_OK;
}

static enum rc add_closed(const struct meter *m, struct statement *s, struct err *e)
{
    struct sql_stmt *q;
    unsigned cell;
    enum rc rc;

    HF_TRY(sql_query(m->sql, e, &q,
                     "SELECT u.bucket, u.item, u.quantity_hi, u.quantity_lo, u.amount_nano, n.name FROM month_usage u "
                     "LEFT JOIN bucket_name n ON n.account = u.account AND n.bucket = u.bucket "
                     "WHERE u.account = ? AND u.month = ?",
                     "ii", (int64_t)s->account->id, s->month));
    while ((rc = sql_next(q, e)) == RC_OK) {
        rc = price_cell_parse(sql_text(q, 1), &cell) ? RC_OK : RC_CORRUPT;
        if (rc == RC_OK)
            rc = add_line(s, (uint64_t)sql_i64(q, 0), sql_text(q, 5), cell, ledger_join(sql_i64(q, 2), sql_i64(q, 3)),
                          sql_i64(q, 4));
        if (rc != RC_OK) {
            sql_done(q);
            return err_set(e, rc, "statement: %s", rc_name(rc));
        }
    }
    return rc == RC_END ? RC_OK : rc;
}

static enum rc add_open_row(struct meter *m, struct statement *s, struct meter_row *r)
{
    meter_row_settle(m, r);
    for (unsigned cell = 0; cell < PRICE_CELLS; cell++) {
        int64_t amount = 0;
        if (r->open[cell] == 0)
            continue;
        if (r->account->charged)
            HF_TRY(price_rate(r->account->prices, cell, r->open[cell], &amount));
        HF_TRY(add_line(s, r->bucket, view_cstr(r->name), cell, r->open[cell], amount));
    }
    return RC_OK;
}

static enum rc add_open_hour(struct meter *m, struct statement *s, struct err *e)
{
    const struct meter_account *a = s->account;

    if (m->open_hour == NO_HOUR || meter_month_of(m->open_hour, a->prices->utc_offset_s) != s->month)
        return RC_OK;
    for (size_t i = 0; i < a->n_rows; i++) {
        enum rc rc = add_open_row(m, s, a->row[i]);
        if (rc != RC_OK)
            return err_set(e, rc, "statement: the open hour: %s", rc_name(rc));
    }
    return RC_OK;
}

static int by_bucket_and_item(const void *x, const void *y)
{
    const struct line *a = x, *b = y;
    int c = strcmp(a->bucket, b->bucket);
    if (c != 0)
        return c;
    return a->cell < b->cell ? -1 : a->cell > b->cell;
}

/* Closed hours and the open one become one line; so do buckets of one name, one made after the other was deleted. */
static enum rc merge_lines(struct statement *s)
{
    size_t kept = 0;

    if (s->n > 1)
        qsort(s->line, s->n, sizeof(*s->line), by_bucket_and_item);
    for (size_t i = 0; i < s->n; i++) {
        HF_TRY(money_add(s->total_nano, s->line[i].amount_nano, &s->total_nano));
        if (kept > 0 && by_bucket_and_item(&s->line[kept - 1], &s->line[i]) == 0) {
            s->line[kept - 1].quantity += s->line[i].quantity;
            HF_TRY(money_add(s->line[kept - 1].amount_nano, s->line[i].amount_nano, &s->line[kept - 1].amount_nano));
        } else {
            s->line[kept++] = s->line[i];
        }
    }
    s->n = kept;
    return RC_OK;
}

/* ---- months ---- */

static enum rc month_parse(struct view v, int64_t *ret, struct err *e)
{
    uint64_t year, month;

    if (v.n != 7 || v.p[4] != '-' || !view_u64(view_sub(v, 0, 4), &year) || !view_u64(view_sub(v, 5, 2), &month) ||
        year < MONTH_YEAR_MIN || year > MONTH_YEAR_MAX || month < 1 || month > 12)
        return err_set(e, RC_INVALID, "a month is written like 2026-11, not `%.*s`", (int)(v.n < 32 ? v.n : 32), v.p);
    *ret = (int64_t)(year * 100 + month);
    return RC_OK;
}

/* The first instant of a month in a time zone; month 13 is January of the year after. */
static int64_t month_start_ns(int64_t year, int64_t month, int32_t utc_offset_s)
{
    const struct civil c = {
        .year = (int)(month > 12 ? year + 1 : year), .month = (int)(month > 12 ? 1 : month), .day = 1};
    return (civil_to_s(&c) - utc_offset_s) * NS_PER_S;
}

static enum rc add_topup(void *ctx, const struct ledger_topup *t)
{
    struct statement *s = ctx;
    char time[TIME_TEXT_MAX], amount[MONEY_TEXT_MAX];
    json_t *one = json_pack("{s:s, s:s, s:s%}", "time", time_rfc3339(t->time_ns, false, time), "amount",
                            money_text(t->amount_nano, amount), "ref", t->ref.p, t->ref.n);

    return json_array_append_new(s->topups, one) == 0 ? RC_OK : RC_NOMEM;
}

static enum rc add_topups(const struct meter *m, struct statement *s, struct err *e)
{
    int64_t year = s->month / 100, month = s->month % 100;
    int32_t offset = s->account->prices->utc_offset_s;

    return ledger_topups(m->sql, s->account->id, month_start_ns(year, month, offset),
                         month_start_ns(year, month + 1, offset), add_topup, s, e);
}

/* ---- as JSON ---- */

static void u128_text(unsigned __int128 v, char *buf)
{
    char digits[48];
    int n = 0;

    do {
        digits[n++] = (char)('0' + (int)(v % 10));
        v /= 10;
    } while (v > 0);
    for (int i = 0; i < n; i++)
        buf[i] = digits[n - 1 - i];
    buf[n] = 0;
}

/* quantity / divisor, at most QUANTITY_PLACES digits behind the point, rounded half-up, no trailing zeros. */
static const char *quantity_text(unsigned __int128 quantity, unsigned __int128 divisor, char *buf)
{
    unsigned __int128 whole = quantity / divisor;
    unsigned __int128 part = (quantity % divisor * QUANTITY_UNIT + divisor / 2) / divisor;
    int places = QUANTITY_PLACES;

    if (part >= QUANTITY_UNIT) {
        part -= QUANTITY_UNIT;
        whole++;
    }
    u128_text(whole, buf);
    if (part == 0)
        return buf;
    for (; part % 10 == 0; places--)
        part /= 10;
    size_t n = strlen(buf);
    snprintf(buf + n, QUANTITY_TEXT_MAX - n, ".%0*llu", places, (unsigned long long)part);
    return buf;
}

static json_t *line_json(const struct statement *s, const struct line *l)
{
    const struct price_rate *rate = &s->account->prices->rate[l->cell];
    char quantity[QUANTITY_TEXT_MAX], price[MONEY_TEXT_MAX], amount[MONEY_TEXT_MAX];

    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "item", price_cell_name(l->cell), "bucket", l->bucket,
                     "quantity", quantity_text(l->quantity, rate->divisor, quantity), "unit", rate->unit, "price",
                     s->account->charged ? decimal_text(rate->price, price) : "0", "amount",
                     money_text(l->amount_nano, amount));
}

static json_t *lines_json(const struct statement *s)
{
    json_t *list = json_array();

    for (size_t i = 0; list && i < s->n; i++) {
        if (json_array_append_new(list, line_json(s, &s->line[i])) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static json_t *statement_json(const struct meter *m, const struct statement *s)
{
    char month[16], total[MONEY_TEXT_MAX], text[MONEY_TEXT_MAX];
    int64_t balance;

    if (meter_balance(m, s->account, &balance) != RC_OK)
        return NULL;
    snprintf(month, sizeof(month), "%04d-%02d", (int)(s->month / 100), (int)(s->month % 100));
    return json_pack("{s:s, s:s, s:s, s:s, s:o, s:s, s:s, s:O}", "account", s->account->name, "month", month,
                     "time_zone", s->account->prices->time_zone, "currency", s->account->prices->currency, "lines",
                     lines_json(s), "total", money_text(s->total_nano, total), "balance", money_text(balance, text),
                     "topups", s->topups);
}

static enum rc build(struct meter *m, struct statement *s, json_t **ret, struct err *e)
{
    s->topups = json_array();
    if (!s->topups)
        return no_memory(e);
    HF_TRY(add_closed(m, s, e));
    HF_TRY(add_open_hour(m, s, e));
    HF_TRY(add_topups(m, s, e));
    if (merge_lines(s) != RC_OK)
        return err_set(e, RC_LIMIT, "statement: the total passes the range of money");
    *ret = statement_json(m, s);
    return *ret ? RC_OK : no_memory(e);
}

static enum rc statement_of(struct meter *m, struct view name, struct view month, int64_t now_ns, json_t **ret,
                            struct err *e)
{
    struct statement s = {.account = meter_account_named(m, name)};
    json_t *made = NULL;

    if (!s.account)
        return err_set(e, RC_NOT_FOUND, "there is no account `%.*s`; `holdfast account list` shows them",
                       (int)(name.n < ACCOUNT_NAME_MAX ? name.n : ACCOUNT_NAME_MAX), name.p);
    if (month.n > 0)
        HF_TRY(month_parse(month, &s.month, e));
    else
        s.month = meter_month_of(now_ns / NS_PER_S / HOUR_S, s.account->prices->utc_offset_s);
    enum rc rc = build(m, &s, &made, e);
    free(s.line);
    json_decref(s.topups);
    if (rc == RC_OK)
        *ret = made;
    return rc;
}

enum rc meter_statement_json(struct meter *m, struct view name, struct view month, int64_t now_ns, json_t **ret,
                             struct err *e)
{
    meter_lock(m);
    enum rc rc = statement_of(m, name, month, now_ns, ret, e);
    meter_unlock(m);
    return rc;
}
