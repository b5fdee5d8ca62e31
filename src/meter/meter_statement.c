/* Holdfast: the statement of a month: closed hours from the database, the open hour as it would be closed now. */
#include "meter/query.h"

#include <stdio.h>
#include <stdlib.h>

struct statement {
    struct meter *m;
    struct meter_account *account;
    int64_t month, begin_ns, end_ns;
    struct month_lines lines;
    struct charge open; /* of the present hour, for what is left of packs and vouchers */
    int64_t total_nano;
    json_t *out;
};

/* ---- lines ---- */

/* What makes one unit of the quantity, and what it is called. */
struct line_shape {
    unsigned __int128 divisor;
    const char *unit;
    char price[MONEY_TEXT_MAX], unit_made[2 * BOOK_CURRENCY_LEN + 8];
};

static void shape_priced(const struct statement *s, const struct month_line *l, const struct price_book *b,
                         struct line_shape *ret)
{
    int64_t hour = month_first_hour(s->month, s->account->prices->utc_offset_s);

    ret->divisor = price_divisor(b, l->cell, hour);
    ret->unit = cell_unit(b, l->cell);
    if (s->account->charged && !line_covered(l))
        decimal_text(price_of(b, l->cell, (unsigned)l->rate), ret->price);
}

/* A share of 10^-9 as the decimal it was written as. */
static void shape_late_fee(const struct statement *s, const struct month_line *l, struct line_shape *ret)
{
    struct decimal share = {.num = (int64_t)l->rate, .scale = 9};

    for (; share.scale > 0 && share.num % 10 == 0; share.scale--)
        share.num /= 10;
    decimal_text(share, ret->price);
    ret->divisor = MONEY_NANO;
    snprintf(ret->unit_made, sizeof(ret->unit_made), "%s-day", s->account->prices->currency);
    ret->unit = ret->unit_made;
}

static void shape_of(const struct statement *s, const struct month_line *l, const struct price_book *b,
                     struct line_shape *ret)
{
    *ret = (struct line_shape){.divisor = 1, .price = "0"};
    if (l->cell < PRICE_CELLS) {
        shape_priced(s, l, b, ret);
    } else if (l->cell == CELL_LATE_FEE) {
        shape_late_fee(s, l, ret);
    } else {
        ret->unit = price_cell_name(l->cell);
        money_text(l->amount_nano, ret->price);
    }
}

static json_t *book_json(const struct month_line *l)
{
    char text[24];

    if (l->cell >= PRICE_CELLS)
        return json_null();
    snprintf(text, sizeof(text), "%016llx", (unsigned long long)l->book);
    return json_string(text);
}

static json_t *covered_json(const struct month_line *l)
{
    char text[24];

    if (!line_covered(l))
        return json_null();
    snprintf(text, sizeof(text), "%llu", (unsigned long long)l->ref);
    return json_string(text);
}

static json_t *line_json(const struct statement *s, const struct month_line *l)
{
    const struct price_book *b = meter_prices_by_id(s->m, l->book);
    char quantity[QUANTITY_TEXT_MAX];
    struct line_shape shape;

    shape_of(s, l, b ? b : s->account->prices, &shape);
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:o}", "item", price_cell_name(l->cell), "bucket", l->bucket,
                     "quantity", quantity_text(l->quantity, shape.divisor, quantity), "unit", shape.unit, "price",
                     shape.price, "amount", money_json(l->amount_nano), "book", book_json(l), "covered_by",
                     covered_json(l));
}

static bool put_lines(struct statement *s)
{
    json_t *list = json_array();

    if (!put_json(s->out, "lines", list))
        return false;
    for (size_t i = 0; i < s->lines.n; i++) {
        if (!push_json(list, line_json(s, &s->lines.line[i])))
            return false;
    }
    return put_json(s->out, "total", money_json(s->total_nano));
}

/* Reading from a class that has no price for it is metered (another class or cloud may have one), and is no line. */
static bool nothing_to_say(const struct statement *s, const struct month_line *l)
{
    const struct price_book *b = meter_prices_by_id(s->m, l->book);

    return l->cell < PRICE_CELLS && price_cell_item(l->cell) == ITEM_RETRIEVAL && b &&
           b->rate[l->cell].n_schedules == 0;
}

static void drop_silent_lines(struct statement *s)
{
    size_t kept = 0;

    for (size_t i = 0; i < s->lines.n; i++) {
        if (!nothing_to_say(s, &s->lines.line[i]))
            s->lines.line[kept++] = s->lines.line[i];
    }
    s->lines.n = kept;
}

static enum rc sum_lines(struct statement *s)
{
    for (size_t i = 0; i < s->lines.n; i++)
        HF_TRY(money_add(s->total_nano, s->lines.line[i].amount_nano, &s->total_nano));
    return RC_OK;
}

/* As an invoice of the cloud would be: each line rounded, then their sum. */
static enum rc put_invoice(struct statement *s)
{
    const struct price_book *b = s->account->prices;
    json_t *list = json_array(), *invoice;
    int64_t total = 0;
    bool whole = list != NULL;

    for (size_t i = 0; whole && i < s->lines.n; i++) {
        int64_t nano = price_round(s->lines.line[i].amount_nano, b->line_places, b->line_rounding);
        whole = push_json(list, money_json(nano));
        if (money_add(total, nano, &total) != RC_OK) {
            json_decref(list);
            return RC_LIMIT;
        }
    }
    total = price_round(total, b->total_places, b->total_rounding);
    invoice = json_pack("{s:i, s:i, s:o, s:o}", "lines_places", (int)b->line_places, "total_places",
                        (int)b->total_places, "total", money_json(total), "lines", list);
    return put_json(s->out, "invoice", invoice) && whole ? RC_OK : RC_NOMEM;
}

/* ---- who paid ---- */

static bool holds_open_hour(const struct statement *s)
{
    return s->m->open_hour != NO_HOUR && meter_month_of(s->m->open_hour, s->account->prices->utc_offset_s) == s->month;
}

/* The account's cash is one of the first two lines of a posting. */
static enum rc paid_in_cash(const struct statement *s, int64_t *ret, struct err *e)
{
    struct sql_stmt *q;

    HF_TRY(sql_query(s->m->sql, e, &q,
                     "SELECT COALESCE(SUM(l.amount_nano), 0) FROM posting p JOIN posting_line l "
                     "ON l.id BETWEEN (p.id << 24) AND (p.id << 24) + 1 "
                     "WHERE p.account = ? AND l.side = ? AND (p.kind = ? AND p.hour >= ? AND p.hour < ? OR "
                     "p.kind IN (?, ?, ?, ?) AND p.time_ns >= ? AND p.time_ns < ?)",
                     "iiiiiiiiiii", (int64_t)s->account->id, (int64_t)LEDGER_PREPAID, (int64_t)LEDGER_USAGE,
                     hour_of(s->begin_ns), hour_of(s->end_ns), (int64_t)LEDGER_PACK, (int64_t)LEDGER_CHARGE,
                     (int64_t)LEDGER_CREDIT, (int64_t)LEDGER_LATE_FEE, s->begin_ns, s->end_ns));
    enum rc rc = sql_next(q, e);
    if (rc != RC_OK)
        return rc == RC_END ? RC_CORRUPT : rc;
    *ret = -sql_i64(q, 0);
    sql_done(q);
    return RC_OK;
}

static enum rc put_paid(struct statement *s, struct err *e)
{
    int64_t cash, vouchers;

    HF_TRY(paid_in_cash(s, &cash, e));
    if ((holds_open_hour(s) && money_add(cash, s->open.cash_nano, &cash) != RC_OK) ||
        money_add(s->total_nano, -cash, &vouchers) != RC_OK)
        return err_set(e, RC_LIMIT, "account %s: what was paid passes the range of money", s->account->name);
    json_t *paid = json_pack("{s:o, s:o}", "cash", money_json(cash), "vouchers", money_json(vouchers));
    return put_json(s->out, "paid", paid) ? RC_OK : query_no_memory(e);
}

/* ---- records of money ---- */

struct money_lists {
    json_t *topups, *money;
};

static enum rc add_money(void *ctx, const struct ledger_money *r)
{
    struct money_lists *l = ctx;
    json_t *one = json_pack("{s:o, s:o, s:o}", "time", time_json(r->time_ns), "amount", money_json(r->amount_nano),
                            "ref", view_json(r->kind == LEDGER_TOPUP || r->ref.n > 0 ? r->ref : r->names));

    if (r->kind == LEDGER_TOPUP)
        return push_json(l->topups, one) ? RC_OK : RC_NOMEM;
    bool whole =
        put_json(one, "kind", json_string(ledger_kind_name(r->kind))) && put_json(one, "note", view_json(r->note));
    return push_json(l->money, one) && whole ? RC_OK : RC_NOMEM;
}

static enum rc put_money(struct statement *s, struct err *e)
{
    struct money_lists l = {json_array(), json_array()};
    bool whole = put_json(s->out, "topups", l.topups);

    if (!put_json(s->out, "money", l.money) || !whole)
        return query_no_memory(e);
    enum rc rc = ledger_money_each(s->m->sql, s->account->id, s->begin_ns, s->end_ns, add_money, &l, e);
    return rc == RC_NOMEM ? query_no_memory(e) : rc;
}

/* ---- packs and vouchers that had not ended before the month, with what is left of them now ---- */

static json_t *end_json(int64_t until_ns)
{
    return until_ns > 0 ? time_json(until_ns) : json_null();
}

/* Memory has those that still can have an effect; of the others the database knows. */
static size_t pack_at(const struct statement *s, uint64_t seq)
{
    size_t i = 0;
    while (i < s->account->n_packs && s->account->pack[i].seq != seq)
        i++;
    return i;
}

static size_t voucher_at(const struct statement *s, uint64_t seq)
{
    size_t i = 0;
    while (i < s->account->n_vouchers && s->account->voucher[i].seq != seq)
        i++;
    return i;
}

static json_t *pack_json(const struct statement *s, struct sql_stmt *q)
{
    struct meter_pack p = {.cell = (unsigned)sql_i64(q, 1),
                           .quantity = ledger_join(sql_i64(q, 4), sql_i64(q, 5)),
                           .left = ledger_join(sql_i64(q, 6), sql_i64(q, 7)),
                           .divisor = ledger_join(sql_i64(q, 8), sql_i64(q, 9))};
    size_t at = pack_at(s, (uint64_t)sql_i64(q, 0));
    char quantity[QUANTITY_TEXT_MAX], remaining[QUANTITY_TEXT_MAX];

    if (at < s->account->n_packs) {
        p = s->account->pack[at];
        if (s->open.pack_left) /* the open hour's use is taken off */
            p.left = s->open.pack_left[at];
    }
    return json_pack("{s:s, s:s, s:s, s:s, s:o, s:o}", "item", price_cell_name(p.cell), "quantity",
                     quantity_text(p.quantity, p.divisor, quantity), "remaining",
                     quantity_text(p.left, p.divisor, remaining), "unit", cell_unit(s->account->prices, p.cell), "from",
                     time_json(sql_i64(q, 2)), "until", end_json(sql_i64(q, 3)));
}

static json_t *voucher_json(const struct statement *s, struct sql_stmt *q)
{
    size_t at = voucher_at(s, (uint64_t)sql_i64(q, 0));
    int64_t left = sql_i64(q, 2);

    if (at < s->account->n_vouchers)
        left = s->open.voucher_left ? s->open.voucher_left[at] : s->account->voucher[at].left_nano;
    return json_pack("{s:o, s:o, s:o, s:o}", "amount", money_json(sql_i64(q, 1)), "remaining", money_json(left),
                     "until", end_json(sql_i64(q, 3)), "scope", view_json(sql_text(q, 4)));
}

static enum rc put_each(const struct statement *s, const char *query,
                        json_t *(*one)(const struct statement *, struct sql_stmt *), json_t *list, struct err *e)
{
    struct sql_stmt *q;
    enum rc rc;

    HF_TRY(sql_query(s->m->sql, e, &q, query, "ii", (int64_t)s->account->id, s->begin_ns));
    while ((rc = sql_next(q, e)) == RC_OK) {
        if (!push_json(list, one(s, q))) {
            sql_done(q);
            return query_no_memory(e);
        }
    }
    return rc == RC_END ? RC_OK : rc;
}

static enum rc put_packs(struct statement *s, struct err *e)
{
    json_t *packs = json_array(), *vouchers = json_array();
    bool whole = put_json(s->out, "packs", packs);

    if (!put_json(s->out, "vouchers", vouchers) || !whole)
        return query_no_memory(e);
    HF_TRY(put_each(s,
                    "SELECT p.seq, p.cell, p.from_ns, p.until_ns, p.quantity_hi, p.quantity_lo, p.left_hi, p.left_lo, "
                    "p.divisor_hi, p.divisor_lo FROM pack p "
                    "WHERE p.account = ? AND p.until_ns > ? ORDER BY p.until_ns, p.seq",
                    pack_json, packs, e));
    return put_each(s,
                    "SELECT v.seq, v.amount_nano, v.left_nano, v.until_ns, m.scope FROM voucher v JOIN money m ON "
                    "m.account = v.account AND m.seq = v.seq WHERE v.account = ? AND v.until_ns > ? "
                    "ORDER BY v.until_ns, v.seq",
                    voucher_json, vouchers, e);
}

/* ---- */

static enum rc put_head(struct statement *s, int64_t now_ns, struct err *e)
{
    const struct price_book *b = s->account->prices;
    char month[MONTH_TEXT_MAX];
    json_t *balance;
    int64_t nano;

    if (account_unknown(s->account, now_ns)) {
        balance = json_string("unknown");
    } else {
        if (meter_balance(s->m, s->account, now_ns, &nano) != RC_OK)
            return err_set(e, RC_LIMIT, "account %s: the balance passes the range of money", s->account->name);
        balance = money_json(nano);
    }
    s->out = json_pack("{s:s, s:s, s:s, s:s, s:o}", "account", s->account->name, "month", month_text(s->month, month),
                       "time_zone", b->time_zone, "currency", b->currency, "balance", balance);
    return s->out ? RC_OK : query_no_memory(e);
}

static enum rc build(struct statement *s, int64_t now_ns, struct err *e)
{
    HF_TRY(month_lines_load(s->m, s->account, s->month, &s->lines, e));
    drop_silent_lines(s);
    if (sum_lines(s) != RC_OK)
        return err_set(e, RC_LIMIT, "account %s: the total passes the range of money", s->account->name);
    enum rc rc = meter_charge(s->m, s->account, &s->open);
    if (rc != RC_OK)
        return err_set(e, rc, "account %s: the open hour: %s", s->account->name, rc_name(rc));
    HF_TRY(put_head(s, now_ns, e));
    if (!put_lines(s))
        return query_no_memory(e);
    rc = put_invoice(s);
    if (rc != RC_OK)
        return err_set(e, rc, "account %s: the invoice: %s", s->account->name, rc_name(rc));
    HF_TRY(put_paid(s, e));
    HF_TRY(put_money(s, e));
    return put_packs(s, e);
}

static enum rc statement_of(struct meter *m, struct view name, struct view month, int64_t now_ns, json_t **ret,
                            struct err *e)
{
    struct statement s = {.m = m};

    HF_TRY(query_account(m, name, &s.account, e));
    HF_TRY(query_month(s.account, month, now_ns, &s.month, e));
    s.begin_ns = month_start_ns(s.month, s.account->prices->utc_offset_s);
    s.end_ns = month_start_ns(month_after(s.month), s.account->prices->utc_offset_s);
    enum rc rc = build(&s, now_ns, e);
    month_lines_free(&s.lines);
    charge_free(&s.open);
    if (rc == RC_OK)
        *ret = s.out;
    else
        json_decref(s.out);
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
