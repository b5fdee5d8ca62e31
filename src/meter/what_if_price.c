/* Holdfast: a month's usage by another price book. Of all buckets together: tiers are the account's, and hours of the
 * day (night traffic) are only kept so. */
#include "meter/what_if.h"

#include <stdlib.h>

static enum rc add_line(struct what_if_side *s, const struct what_if_line *l)
{
    for (size_t i = 0; i < s->n; i++) {
        struct what_if_line *to = &s->line[i];
        if (to->cell != l->cell || to->rate != l->rate || to->book != l->book)
            continue;
        to->quantity += l->quantity;
        return money_add(to->nano, l->nano, &to->nano);
    }
    if (s->n == s->size) {
        size_t size = s->size > 0 ? 2 * s->size : 32;
        struct what_if_line *grown = realloc(s->line, size * sizeof(*grown));
        if (!grown)
            return RC_NOMEM;
        s->line = grown;
        s->size = size;
    }
    s->line[s->n++] = *l;
    return RC_OK;
}

static enum rc price(struct what_if_side *s, const struct price_book *b, unsigned cell, int64_t hour,
                     unsigned __int128 quantity)
{
    struct price_part part[PRICE_TIERS_MAX];
    unsigned n = 0;

    if (quantity == 0)
        return RC_OK;
    HF_TRY(price_parts(b, cell, hour, s->before[cell], quantity, part, &n));
    s->before[cell] += quantity;
    for (unsigned i = 0; i < n; i++) {
        const struct what_if_line l = {
            .cell = cell, .rate = part[i].rate, .book = b, .quantity = part[i].quantity, .nano = part[i].nano};
        HF_TRY(add_line(s, &l));
    }
    return RC_OK;
}

static enum rc failed(const struct comparison *c, enum rc rc, struct err *e)
{
    if (rc == RC_NOMEM)
        return query_no_memory(e);
    return err_set(e, rc, "account %s: the usage by %s cannot be priced: %s", c->a->name, c->to->id.name,
                   rc == RC_LIMIT ? "a sum passes the range of money" : rc_name(rc));
}

/* ---- as it was ---- */

static enum rc add_posted(struct comparison *c, const struct month_lines *lines, bool covered)
{
    for (size_t i = 0; i < lines->n; i++) {
        const struct month_line *l = &lines->line[i];
        if (l->cell >= PRICE_CELLS || line_covered(l) != covered)
            continue;
        const struct price_book *b = meter_prices_by_id(c->m, l->book);
        b = b ? b : c->from;
        if (covered) {
            HF_TRY(price(&c->left, b, l->cell, month_first_hour(c->month, b->utc_offset_s), l->quantity));
            continue;
        }
        const struct what_if_line line = {
            .cell = l->cell, .rate = (unsigned)l->rate, .book = b, .quantity = l->quantity, .nano = l->amount_nano};
        HF_TRY(add_line(&c->left, &line));
        c->left.before[l->cell] += l->quantity;
    }
    return RC_OK;
}

/* ---- storage ---- */

/* bytes x 5 minutes, whatever the books' sampling was. */
struct stored_time {
    unsigned __int128 storage[CLASS_COUNT], early[CLASS_COUNT];
};

static void sum_storage(const struct comparison *c, const struct month_lines *lines, struct stored_time *ret)
{
    *ret = (struct stored_time){0};
    for (size_t i = 0; i < lines->n; i++) {
        const struct month_line *l = &lines->line[i];
        if (l->cell >= PRICE_CELLS)
            continue;
        const struct price_book *b = meter_prices_by_id(c->m, l->book);
        unsigned __int128 q = l->quantity * (SAMPLES_PER_DAY / (b ? b : c->from)->samples_per_day);
        if (price_cell_item(l->cell) == ITEM_STORAGE)
            ret->storage[price_cell_class(l->cell)] += q;
        else if (price_cell_item(l->cell) == ITEM_EARLY_DELETE)
            ret->early[price_cell_class(l->cell)] += q;
    }
}

/* q * num / den, rounded half-up. */
static enum rc scale(unsigned __int128 q, unsigned __int128 num, unsigned __int128 den, unsigned __int128 *ret)
{
    unsigned __int128 product;

    if (num == den || den == 0) {
        *ret = q;
        return RC_OK;
    }
    if (__builtin_mul_overflow(q, num, &product) || __builtin_add_overflow(product, den / 2, &product))
        return RC_LIMIT;
    *ret = product / den;
    return RC_OK;
}

/* What was charged held the minimum size of the one book; of the other it is taken in the proportion of what is stored
 * now. */
static enum rc repad(struct comparison *c, struct stored_time *t, struct err *e)
{
    unsigned __int128 padding, all[CLASS_COUNT] = {0}, stored[CLASS_COUNT] = {0}, padded[CLASS_COUNT] = {0};
    bool told = false;

    for (unsigned k = 0; k < CLASS_COUNT; k++) {
        enum storage_class there = class_there(c, k);
        unsigned __int128 raw, here = (unsigned __int128)stored_billed(c->a->stored[k]);
        HF_TRY(scale(t->storage[k], here, (unsigned __int128)stored_billed(c->a->billed[k]), &raw));
        padding = 0;
        if (k != CLASS_STANDARD)
            HF_TRY(meter_small_padding(c->m, c->a, k, c->to->min_size[there], &padding, e));
        all[there] += raw;
        stored[there] += here;
        padded[there] += here + padding;
        told = told || padding > 0 || c->a->billed[k] != c->a->stored[k];
    }
    for (unsigned k = 0; k < CLASS_COUNT; k++)
        HF_TRY(scale(all[k], padded[k], stored[k], &t->storage[k]));
    if (told)
        return what_if_note(c,
                            "objects below the minimum size: what they add is taken in the proportion of the objects "
                            "stored now",
                            e);
    return RC_OK;
}

static enum rc price_storage(struct comparison *c, const struct stored_time *t)
{
    int64_t hour = month_first_hour(c->month, c->to->utc_offset_s);
    unsigned __int128 q;

    for (unsigned k = 0; k < CLASS_COUNT; k++) {
        HF_TRY(scale(t->storage[k], c->to->samples_per_day, SAMPLES_PER_DAY, &q));
        HF_TRY(price(&c->right, c->to, price_cell(ITEM_STORAGE, k), hour, q));
    }
    for (unsigned k = 0; k < CLASS_COUNT && !c->asked->has_class; k++) {
        HF_TRY(scale(t->early[k], c->to->samples_per_day, SAMPLES_PER_DAY, &q));
        HF_TRY(price(&c->right, c->to, price_cell(ITEM_EARLY_DELETE, k), hour, q));
    }
    return RC_OK;
}

/* ---- requests: by kind and result, so that the other book's rules decide what costs ---- */

static enum rc sum_requests(struct comparison *c, unsigned __int128 sum[PRICE_CELLS], struct err *e)
{
    struct sql_stmt *q;
    enum rc rc;

    HF_TRY(sql_query(c->m->sql, e, &q,
                     "SELECT cell, status, quantity_hi, quantity_lo FROM month_key_usage WHERE account = ? AND "
                     "month = ? AND cell >= ? AND cell < ?",
                     "iiii", (int64_t)c->a->id, c->month, (int64_t)price_request_cell(0, 0),
                     (int64_t)price_request_cell(CLASS_COUNT, 0)));
    while ((rc = sql_next(q, e)) == RC_OK) {
        unsigned cell = (unsigned)sql_i64(q, 0);
        enum storage_class class = class_there(c, price_cell_class(cell));
        enum request_kind kind = (enum request_kind)((cell - price_request_cell(0, 0)) % REQUEST_KINDS);
        if (price_status_billed(c->to, (unsigned)sql_i64(q, 1)))
            sum[price_cell_of_request(c->to, class, kind)] += ledger_join(sql_i64(q, 2), sql_i64(q, 3));
    }
    return rc == RC_END ? RC_OK : rc;
}

static enum rc price_requests(struct comparison *c, struct err *e)
{
    int64_t hour = month_first_hour(c->month, c->to->utc_offset_s);
    unsigned __int128 sum[PRICE_CELLS] = {0};

    HF_TRY(sum_requests(c, sum, e));
    for (unsigned cell = 0; cell < PRICE_CELLS; cell++) {
        enum rc rc = price(&c->right, c->to, cell, hour, sum[cell]);
        if (rc != RC_OK)
            return failed(c, rc, e);
    }
    return RC_OK;
}

/* ---- bytes: hour by hour, as the day's hours may have their prices ---- */

static enum rc price_bytes(struct comparison *c, int64_t hour, unsigned cell, unsigned __int128 quantity)
{
    enum price_item item = price_cell_item(cell);

    if (item == ITEM_RETRIEVAL)
        return price(&c->right, c->to, price_cell(item, class_there(c, price_cell_class(cell))), hour, quantity);
    if (item >= ITEM_EGRESS_INTERNET)
        return price(&c->right, c->to, cell, hour, quantity);
    return RC_OK;
}

static enum rc price_closed_hours(struct comparison *c, struct err *e)
{
    int32_t offset = c->a->prices->utc_offset_s;
    struct sql_stmt *q;
    enum rc rc;

    HF_TRY(sql_query(c->m->sql, e, &q,
                     "SELECT hour, cell, quantity_hi, quantity_lo FROM hour_usage WHERE account = ? AND hour >= ? AND "
                     "hour < ? AND cell >= ? AND cell < ? ORDER BY hour, cell",
                     "iiiii", (int64_t)c->a->id, month_first_hour(c->month, offset),
                     month_first_hour(month_after(c->month), offset), (int64_t)price_cell(ITEM_RETRIEVAL, 0),
                     (int64_t)PRICE_CELLS));
    while ((rc = sql_next(q, e)) == RC_OK) {
        rc = price_bytes(c, sql_i64(q, 0), (unsigned)sql_i64(q, 1), ledger_join(sql_i64(q, 2), sql_i64(q, 3)));
        if (rc != RC_OK) {
            sql_done(q);
            return failed(c, rc, e);
        }
    }
    return rc == RC_END ? RC_OK : rc;
}

static enum rc price_open_hour(struct comparison *c)
{
    if (c->m->open_hour == NO_HOUR || meter_month_of(c->m->open_hour, c->a->prices->utc_offset_s) != c->month)
        return RC_OK;
    for (unsigned cell = 0; cell < PRICE_CELLS; cell++)
        HF_TRY(price_bytes(c, c->m->open_hour, cell, c->a->open[cell]));
    return RC_OK;
}

/* ---- */

/* Nothing would change: the other side is this one, not a second way to round it. */
static enum rc copy_side(struct comparison *c)
{
    for (size_t i = 0; i < c->left.n; i++)
        HF_TRY(add_line(&c->right, &c->left.line[i]));
    return RC_OK;
}

static enum rc price_other(struct comparison *c, const struct month_lines *lines, struct err *e)
{
    struct stored_time t;

    sum_storage(c, lines, &t);
    enum rc rc = repad(c, &t, e);
    if (rc == RC_OK)
        rc = price_storage(c, &t);
    if (rc != RC_OK)
        return failed(c, rc, e);
    HF_TRY(price_requests(c, e));
    HF_TRY(price_closed_hours(c, e));
    rc = price_open_hour(c);
    return rc == RC_OK ? RC_OK : failed(c, rc, e);
}

static enum rc price_sides(struct comparison *c, const struct month_lines *lines, struct err *e)
{
    bool same = stays(c) && !c->asked->has_class;
    enum rc rc = add_posted(c, lines, false);

    if (rc == RC_OK)
        rc = add_posted(c, lines, true);
    if (rc == RC_OK && same)
        rc = copy_side(c);
    if (rc != RC_OK)
        return failed(c, rc, e);
    return same ? RC_OK : price_other(c, lines, e);
}

enum rc what_if_price(struct comparison *c, struct err *e)
{
    struct month_lines lines;
    enum rc rc = month_lines_load(c->m, c->a, c->month, &lines, e);

    if (rc == RC_OK)
        rc = price_sides(c, &lines, e);
    month_lines_free(&lines);
    return rc;
}
