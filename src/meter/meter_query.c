/* Holdfast: what the meter's answers share. */
#include "meter/query.h"

#include <stdio.h>
#include <stdlib.h>

#define QUANTITY_PLACES 15 /* digits behind the point: one byte for 5 minutes is 1.08e-13 GB-month */
#define QUANTITY_UNIT 1000000000000000ULL
#define MONTH_YEAR_MIN 1970
#define MONTH_YEAR_MAX 9999
#define NS_YEAR_MAX 2261 /* the last whole year before 2^63 ns; what begins later begins there */

enum rc query_no_memory(struct err *e)
{
    return err_set(e, RC_NOMEM, "meter: out of memory");
}

enum rc query_account(const struct meter *m, struct view name, struct meter_account **ret, struct err *e)
{
    struct meter_account *a = meter_account_named(m, name);

    if (!a)
        return err_set(e, RC_NOT_FOUND, "there is no account `%.*s`; `holdfast account list` shows them",
                       (int)(name.n < ACCOUNT_NAME_MAX ? name.n : ACCOUNT_NAME_MAX), name.p);
    *ret = a;
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

enum rc query_month(const struct meter_account *a, struct view text, int64_t now_ns, int64_t *ret, struct err *e)
{
    if (text.n > 0)
        return month_parse(text, ret, e);
    *ret = meter_month_of(hour_of(now_ns), a->prices->utc_offset_s);
    return RC_OK;
}

int64_t month_after(int64_t month)
{
    return month % 100 == 12 ? month + 89 : month + 1;
}

int64_t month_start_ns(int64_t month, int32_t utc_offset_s)
{
    if (month / 100 > NS_YEAR_MAX)
        return INT64_MAX;
    const struct civil c = {.year = (int)(month / 100), .month = (int)(month % 100), .day = 1};
    return (civil_to_s(&c) - utc_offset_s) * NS_PER_S;
}

const char *month_text(int64_t month, char *buf)
{
    snprintf(buf, MONTH_TEXT_MAX, "%04d-%02d", (int)(month / 100), (int)(month % 100));
    return buf;
}

/* ---- as text and JSON ---- */

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

const char *quantity_text(unsigned __int128 quantity, unsigned __int128 divisor, char *buf)
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

const char *cell_unit(const struct price_book *b, unsigned cell)
{
    enum price_item item = price_cell_item(cell);

    if (b->rate[cell].unit)
        return b->rate[cell].unit;
    if (item == ITEM_REQUESTS)
        return "request";
    return item == ITEM_STORAGE || item == ITEM_EARLY_DELETE ? "GB-month" : "GB";
}

json_t *money_json(int64_t nano)
{
    char text[MONEY_TEXT_MAX];
    return json_string(money_text(nano, text));
}

json_t *time_json(int64_t ns)
{
    char text[TIME_TEXT_MAX];
    return json_string(time_rfc3339(ns, false, text));
}

json_t *view_json(struct view v)
{
    return json_stringn(v.n > 0 ? v.p : "", v.n);
}

/* ---- the lines of a month ---- */

static enum rc add_line(struct month_lines *s, const struct month_line *l, struct view name)
{
    if (s->n == s->size) {
        size_t size = s->size > 0 ? 2 * s->size : 64;
        struct month_line *grown = realloc(s->line, size * sizeof(*grown));
        if (!grown)
            return RC_NOMEM;
        s->line = grown;
        s->size = size;
    }
    struct month_line *to = &s->line[s->n++];
    *to = *l;
    if (name.n == 0 && l->bucket_id > 0)
        snprintf(to->bucket, sizeof(to->bucket), "#%llu", (unsigned long long)l->bucket_id);
    else if (!view_copy(name, to->bucket, sizeof(to->bucket)))
        return RC_CORRUPT;
    return RC_OK;
}

static enum rc read_line(struct month_lines *s, struct sql_stmt *q)
{
    const struct month_line l = {.bucket_id = (uint64_t)sql_i64(q, 0),
                                 .cell = (unsigned)sql_i64(q, 1),
                                 .book = (uint64_t)sql_i64(q, 2),
                                 .rate = (uint64_t)sql_i64(q, 3),
                                 .ref = (uint64_t)sql_i64(q, 4),
                                 .quantity = ledger_join(sql_i64(q, 5), sql_i64(q, 6)),
                                 .amount_nano = sql_i64(q, 7),
                                 .order = sql_i64(q, 8)};

    return sql_i64(q, 1) < 0 || sql_i64(q, 1) >= CELL_COUNT ? RC_CORRUPT : add_line(s, &l, sql_text(q, 9));
}

static enum rc add_closed(const struct meter *m, const struct meter_account *a, int64_t month, struct month_lines *s,
                          struct err *e)
{
    struct sql_stmt *q;
    enum rc rc;

    HF_TRY(sql_query(m->sql, e, &q,
                     "SELECT u.bucket, u.cell, u.book, u.rate, u.ref, u.quantity_hi, u.quantity_lo, u.amount_nano, "
                     "u.first_seq, b.name FROM month_usage u "
                     "LEFT JOIN bucket b ON b.account = u.account AND b.bucket = u.bucket "
                     "WHERE u.account = ? AND u.month = ?",
                     "ii", (int64_t)a->id, month));
    while ((rc = sql_next(q, e)) == RC_OK) {
        rc = read_line(s, q);
        if (rc != RC_OK) {
            sql_done(q);
            return err_set(e, rc, "statement: %s", rc_name(rc));
        }
    }
    return rc == RC_END ? RC_OK : rc;
}

static enum rc add_open_parts(const struct meter_account *a, const struct charge *c, struct month_lines *s)
{
    for (size_t i = 0; i < c->n; i++) {
        const struct charge_part *p = &c->part[i];
        const struct month_line l = {.bucket_id = p->row->bucket,
                                     .cell = p->cell,
                                     .book = a->prices->id.id,
                                     .rate = p->rate == CHARGE_COVERED ? 0 : p->rate,
                                     .ref = p->pack,
                                     .quantity = p->quantity,
                                     .amount_nano = p->nano,
                                     .order = INT64_MAX};
        HF_TRY(add_line(s, &l, view_cstr(p->row->name)));
    }
    return RC_OK;
}

static enum rc add_open(struct meter *m, struct meter_account *a, int64_t month, struct month_lines *s, struct err *e)
{
    struct charge c = {0};

    if (m->open_hour == NO_HOUR || meter_month_of(m->open_hour, a->prices->utc_offset_s) != month)
        return RC_OK;
    enum rc rc = meter_charge(m, a, &c);
    if (rc == RC_OK)
        rc = add_open_parts(a, &c, s);
    charge_free(&c);
    return rc == RC_OK ? RC_OK : err_set(e, rc, "account %s: the open hour: %s", a->name, rc_name(rc));
}

static int compare(uint64_t a, uint64_t b)
{
    return a < b ? -1 : a > b;
}

static int by_place(const struct month_line *a, const struct month_line *b)
{
    int c = strcmp(a->bucket, b->bucket);
    return c != 0 ? c : compare(a->cell, b->cell);
}

static int by_price(const struct month_line *a, const struct month_line *b)
{
    int c = by_place(a, b);
    if (c == 0)
        c = compare(a->book, b->book);
    if (c == 0)
        c = compare(a->rate, b->rate);
    return c != 0 ? c : compare(a->ref, b->ref);
}

static int in_merging_order(const void *x, const void *y)
{
    return by_price(x, y);
}

static int in_order(const void *x, const void *y)
{
    const struct month_line *a = x, *b = y;
    int c = by_place(a, b);
    if (c == 0)
        c = a->order < b->order ? -1 : a->order > b->order;
    return c != 0 ? c : by_price(a, b);
}

/* Closed hours and the open one become one line; so do buckets of one name, one made after the other was deleted. */
static enum rc merge(struct month_lines *s)
{
    size_t kept = 0;

    if (s->n == 0)
        return RC_OK;
    qsort(s->line, s->n, sizeof(*s->line), in_merging_order);
    for (size_t i = 0; i < s->n; i++) {
        struct month_line *to = kept > 0 ? &s->line[kept - 1] : NULL;
        if (!to || by_price(to, &s->line[i]) != 0) {
            s->line[kept++] = s->line[i];
            continue;
        }
        to->quantity += s->line[i].quantity;
        if (s->line[i].order < to->order)
            to->order = s->line[i].order;
        HF_TRY(money_add(to->amount_nano, s->line[i].amount_nano, &to->amount_nano));
    }
    s->n = kept;
    qsort(s->line, s->n, sizeof(*s->line), in_order);
    return RC_OK;
}

enum rc month_lines_load(struct meter *m, struct meter_account *a, int64_t month, struct month_lines *ret,
                         struct err *e)
{
    *ret = (struct month_lines){0};
    HF_TRY(add_closed(m, a, month, ret, e));
    HF_TRY(add_open(m, a, month, ret, e));
    if (merge(ret) != RC_OK)
        return err_set(e, RC_LIMIT, "account %s: a line's amount passes the range of money", a->name);
    return RC_OK;
}

void month_lines_free(struct month_lines *l)
{
    free(l->line);
    *l = (struct month_lines){0};
}
