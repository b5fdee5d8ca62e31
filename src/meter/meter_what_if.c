/* Holdfast: the month's usage by another price book, class or cloud, and what moving there costs. */
#include "meter/what_if.h"

#include <stdio.h>
#include <stdlib.h>

enum rc what_if_note(struct comparison *c, const char *text, struct err *e)
{
    return push_json(c->notes, json_string(text)) ? RC_OK : query_no_memory(e);
}

enum rc what_if_convert(struct comparison *c, const char *from, const char *to, int64_t nano, int64_t *ret,
                        struct err *e)
{
    const struct rates *rates = meter_rates(c->m);

    if (strcmp(from, to) == 0) {
        *ret = nano;
        return RC_OK;
    }
    enum rc rc = rates ? rates_convert(rates, from, to, c->now_ns, nano, ret, c->rate, sizeof(c->rate)) : RC_NOT_FOUND;
    if (rc == RC_NOT_FOUND)
        return err_set(
            e, rc, "there is no exchange rate from %s to %s: give one in a file of rates (`holdfast price load FILE`)",
            from, to);
    return rc == RC_OK ? RC_OK : err_set(e, rc, "from %s to %s: %s", from, to, rc_name(rc));
}

/* ---- one side as JSON ---- */

static json_t *line_json(const struct comparison *c, const struct what_if_line *l, int64_t nano)
{
    unsigned __int128 divisor = price_divisor(l->book, l->cell, month_first_hour(c->month, l->book->utc_offset_s));
    char quantity[QUANTITY_TEXT_MAX], price[MONEY_TEXT_MAX];

    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:o}", "item", price_cell_name(l->cell), "bucket", "*", "quantity",
                     quantity_text(l->quantity, divisor, quantity), "unit", cell_unit(l->book, l->cell), "price",
                     decimal_text(price_of(l->book, l->cell, l->rate), price), "amount", money_json(nano));
}

static int in_order(const void *x, const void *y)
{
    const struct what_if_line *a = x, *b = y;
    if (a->cell != b->cell)
        return a->cell < b->cell ? -1 : 1;
    return a->rate < b->rate ? -1 : a->rate > b->rate;
}

static enum rc fill_side(struct comparison *c, struct what_if_side *s, const char *own, const char *currency,
                         json_t *lines, int64_t *ret_total, struct err *e)
{
    int64_t nano, total = 0;

    if (s->n > 1)
        qsort(s->line, s->n, sizeof(*s->line), in_order);
    for (size_t i = 0; i < s->n; i++) {
        HF_TRY(what_if_convert(c, own, currency, s->line[i].nano, &nano, e));
        if (!push_json(lines, line_json(c, &s->line[i], nano)))
            return query_no_memory(e);
        if (money_add(total, nano, &total) != RC_OK)
            return err_set(e, RC_LIMIT, "account %s: a total passes the range of money", c->a->name);
    }
    *ret_total = total;
    return RC_OK;
}

static enum rc put_side(struct comparison *c, json_t *out, const char *key, int64_t *ret_total, struct err *e)
{
    bool left = strcmp(key, "from") == 0;
    const struct price_book *b = left ? c->from : c->to;
    const char *currency = left ? c->from_currency : c->to_currency;
    json_t *lines = json_array(), *side;

    if (!lines)
        return query_no_memory(e);
    enum rc rc = fill_side(c, left ? &c->left : &c->right, b->currency, currency, lines, ret_total, e);
    if (rc != RC_OK) {
        json_decref(lines);
        return rc;
    }
    side = json_pack("{s:s, s:s, s:o, s:o}", "prices", b->id.name, "currency", currency, "total",
                     money_json(*ret_total), "lines", lines);
    return put_json(out, key, side) ? RC_OK : query_no_memory(e);
}

/* ---- both ---- */

static enum rc put_difference(struct comparison *c, json_t *out, int64_t from, int64_t to, struct err *e)
{
    int64_t there, difference;
    enum rc rc = what_if_convert(c, c->to_currency, c->from_currency, to, &there, NULL);
    json_t *shown = NULL;

    if (rc == RC_NOT_FOUND)
        shown = json_null();
    else if (rc == RC_OK && money_add(there, -from, &difference) == RC_OK)
        shown = money_json(difference);
    else
        return err_set(e, RC_LIMIT, "account %s: the difference passes the range of money", c->a->name);
    return put_json(out, "difference", shown) ? RC_OK : query_no_memory(e);
}

static bool has_covered(const struct comparison *c)
{
    return c->a->n_packs > 0 || c->a->n_vouchers > 0;
}

static enum rc put_notes(struct comparison *c, struct err *e)
{
    bool other_days = false;

    HF_TRY(what_if_note(c, "list prices, all buckets together; packs, vouchers and discounts are not considered", e));
    if (!c->a->charged)
        HF_TRY(what_if_note(c, "nothing of this account is charged here: the left side costs nothing", e));
    for (unsigned k = 0; k < CLASS_COUNT; k++)
        other_days = other_days || c->from->min_days[k] != c->to->min_days[k];
    if (c->asked->has_class && c->to->min_size[c->asked->class] > 0 && c->a->stored[CLASS_STANDARD] > 0)
        HF_TRY(what_if_note(
            c, "the sizes of STANDARD objects are not kept: what a minimum size adds to small ones is left out", e));
    if (c->asked->has_class && c->to->min_days[c->asked->class] > 0)
        HF_TRY(what_if_note(c, "what would be deleted before the class's minimum days is left out", e));
    else if (!c->asked->has_class && other_days)
        HF_TRY(what_if_note(c, "early deletion is taken as metered here, though minimum days differ there", e));
    if (has_covered(c))
        return what_if_note(c, "what packs covered is on both sides at list price", e);
    return RC_OK;
}

static enum rc put_all(struct comparison *c, json_t *out, struct err *e)
{
    int64_t from = 0, to = 0;
    json_t *moving = NULL;

    HF_TRY(put_side(c, out, "from", &from, e));
    HF_TRY(put_side(c, out, "to", &to, e));
    HF_TRY(put_difference(c, out, from, to, e));
    HF_TRY(put_notes(c, e));
    HF_TRY(what_if_moving(c, &moving, e));
    bool whole = put_json(out, "moving", moving) && json_object_set(out, "notes", c->notes) == 0 &&
                 put_json(out, "rate", c->rate[0] ? json_string(c->rate) : json_null());
    return whole ? RC_OK : query_no_memory(e);
}

/* ---- what was asked ---- */

static enum rc choose_books(struct comparison *c, struct err *e)
{
    struct view to = c->asked->to;

    c->from = c->a->prices;
    c->to = to.n > 0 ? meter_prices(c->m, to) : c->from;
    if (!c->to)
        return err_set(e, RC_NOT_FOUND, "there is no price book `%.*s`; `holdfast price list` shows them",
                       (int)(to.n < BOOK_NAME_MAX ? to.n : BOOK_NAME_MAX), to.p);
    return RC_OK;
}

static enum rc choose_currency(struct comparison *c, char text[BOOK_CURRENCY_LEN + 1], struct err *e)
{
    struct view v = c->asked->currency;

    if (v.n > 0 && (v.n != BOOK_CURRENCY_LEN || !view_copy(v, text, BOOK_CURRENCY_LEN + 1)))
        return err_set(e, RC_INVALID, "a currency is three letters, like CNY, not `%.*s`", (int)(v.n < 32 ? v.n : 32),
                       v.p);
    c->from_currency = v.n > 0 ? text : c->from->currency;
    c->to_currency = v.n > 0 ? text : c->to->currency;
    return RC_OK;
}

static enum rc compare(struct comparison *c, json_t **ret, struct err *e)
{
    char month[MONTH_TEXT_MAX];

    HF_TRY(meter_flush(c->m, e));
    HF_TRY(what_if_price(c, e));
    json_t *out = json_pack("{s:s, s:s}", "account", c->a->name, "month", month_text(c->month, month));
    if (!out)
        return query_no_memory(e);
    enum rc rc = put_all(c, out, e);
    if (rc == RC_OK)
        *ret = out;
    else
        json_decref(out);
    return rc;
}

static enum rc what_if_of(struct meter *m, const struct what_if *w, int64_t now_ns, json_t **ret, struct err *e)
{
    struct comparison c = {.m = m, .asked = w, .now_ns = now_ns};
    char currency[BOOK_CURRENCY_LEN + 1];

    HF_TRY(query_account(m, w->account, &c.a, e));
    HF_TRY(query_month(c.a, w->month, now_ns, &c.month, e));
    HF_TRY(choose_books(&c, e));
    HF_TRY(choose_currency(&c, currency, e));
    c.hour = m->open_hour != NO_HOUR ? m->open_hour : hour_of(now_ns);
    c.notes = json_array();
    enum rc rc = c.notes ? compare(&c, ret, e) : query_no_memory(e);
    free(c.left.line);
    free(c.right.line);
    json_decref(c.notes);
    return rc;
}

enum rc meter_what_if_json(struct meter *m, const struct what_if *w, int64_t now_ns, json_t **ret, struct err *e)
{
    meter_lock(m);
    enum rc rc = what_if_of(m, w, now_ns, ret, e);
    meter_unlock(m);
    return rc;
}
