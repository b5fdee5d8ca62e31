/* Holdfast: what it costs once to move what is stored now: read out of the source, written to the target. */
#include "meter/what_if.h"

struct moving {
    int64_t egress, requests, retrieval, early_delete; /* nano of the source's currency */
};

static int64_t objects_of(const struct meter_account *a, enum storage_class class)
{
    int64_t n = 0;

    for (size_t i = 0; i < a->n_rows; i++)
        n += stored_billed(a->row[i]->objects[class]);
    return n;
}

static enum rc add_price(const struct price_book *b, unsigned cell, int64_t hour, unsigned __int128 before,
                         unsigned __int128 quantity, int64_t *sum)
{
    int64_t nano;

    HF_TRY(price_amount(b, cell, hour, before, quantity, &nano));
    return money_add(*sum, nano, sum);
}

/* One read of each object here; bytes out of a class that charges for reading; at most the whole minimum of days. */
static enum rc add_class(const struct comparison *c, enum storage_class class, struct moving *r)
{
    const struct price_book *b = c->from;
    const struct meter_account *a = c->a;
    unsigned read = price_cell_of_request(b, class, REQUEST_READ), back = price_cell(ITEM_RETRIEVAL, class);
    unsigned __int128 bytes = (unsigned __int128)stored_billed(a->stored[class]);

    HF_TRY(add_price(b, read, c->hour, a->run[read], (unsigned __int128)objects_of(a, class), &r->requests));
    HF_TRY(add_price(b, back, c->hour, a->run[back], bytes, &r->retrieval));
    return add_price(b, price_cell(ITEM_EARLY_DELETE, class), c->hour, 0,
                     (unsigned __int128)stored_billed(a->billed[class]) * b->min_days[class] * b->samples_per_day,
                     &r->early_delete);
}

static bool moves(const struct comparison *c, enum storage_class class)
{
    return !stays(c) || class_there(c, class) != class;
}

static enum rc sum_source(const struct comparison *c, struct moving *r)
{
    unsigned out = price_cell(ITEM_EGRESS_INTERNET, CLASS_STANDARD);
    unsigned __int128 bytes = 0;

    for (unsigned k = 0; k < CLASS_COUNT; k++) {
        if (!moves(c, k))
            continue;
        bytes += (unsigned __int128)stored_billed(c->a->stored[k]);
        HF_TRY(add_class(c, k, r));
    }
    return stays(c) ? RC_OK : add_price(c->from, out, c->hour, c->a->run[out], bytes, &r->egress);
}

/* One write of each object there. */
static enum rc sum_target(const struct comparison *c, int64_t *ret)
{
    unsigned __int128 before[PRICE_CELLS] = {0};

    for (unsigned k = 0; k < CLASS_COUNT; k++) {
        unsigned cell = price_cell_of_request(c->to, class_there(c, k), REQUEST_WRITE);
        unsigned __int128 n = moves(c, k) ? (unsigned __int128)objects_of(c->a, k) : 0;
        HF_TRY(add_price(c->to, cell, c->hour, before[cell], n, ret));
        before[cell] += n;
    }
    return RC_OK;
}

static enum rc convert_all(struct comparison *c, struct moving *r, struct err *e)
{
    const char *from = c->from->currency, *to = c->from_currency;

    HF_TRY(what_if_convert(c, from, to, r->egress, &r->egress, e));
    HF_TRY(what_if_convert(c, from, to, r->requests, &r->requests, e));
    HF_TRY(what_if_convert(c, from, to, r->retrieval, &r->retrieval, e));
    return what_if_convert(c, from, to, r->early_delete, &r->early_delete, e);
}

static enum rc too_large(const struct comparison *c, enum rc rc, struct err *e)
{
    return err_set(e, rc, "account %s: what moving costs cannot be told: %s", c->a->name,
                   rc == RC_LIMIT ? "a sum passes the range of money" : rc_name(rc));
}

static enum rc tell(struct comparison *c, const struct moving *r, bool writes_known, struct err *e)
{
    HF_TRY(what_if_note(c, "moving: one read and one write for each object; an object in parts needs one for each part",
                        e));
    if (r->early_delete > 0)
        HF_TRY(
            what_if_note(c,
                         "moving: early_delete is the most it can be, as if every object were new; how old each is, is "
                         "not kept",
                         e));
    if (!writes_known)
        return what_if_note(
            c, "moving: the writes at the target are left out, as no exchange rate of its currency is known", e);
    return RC_OK;
}

enum rc what_if_moving(struct comparison *c, json_t **ret, struct err *e)
{
    struct moving r = {0};
    int64_t writes = 0, total = 0;
    enum rc rc = sum_source(c, &r);

    if (rc == RC_OK)
        rc = sum_target(c, &writes);
    if (rc != RC_OK)
        return too_large(c, rc, e);
    HF_TRY(convert_all(c, &r, e));
    rc = what_if_convert(c, c->to->currency, c->from_currency, writes, &writes, NULL);
    bool known = rc == RC_OK;
    if (!known && rc != RC_NOT_FOUND)
        return too_large(c, rc, e);
    if ((known && money_add(r.requests, writes, &r.requests) != RC_OK) ||
        money_add(r.egress, r.requests, &total) != RC_OK || money_add(total, r.retrieval, &total) != RC_OK ||
        money_add(total, r.early_delete, &total) != RC_OK)
        return too_large(c, RC_LIMIT, e);
    HF_TRY(tell(c, &r, known, e));
    *ret = json_pack("{s:s, s:o, s:o, s:o, s:o, s:o}", "currency", c->from_currency, "egress", money_json(r.egress),
                     "requests", money_json(r.requests), "retrieval", money_json(r.retrieval), "early_delete",
                     money_json(r.early_delete), "total", money_json(total));
    return *ret ? RC_OK : query_no_memory(e);
}
