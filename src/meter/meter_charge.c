/* Holdfast: what the open hour costs and who pays: packs, tiers, vouchers, cash. The hour's closing keeps what comes
 * out of it, everybody else only looks (M5). */
#include "meter/meter_priv.h"

#include <stdlib.h>

#define PARTS_START 64

static int64_t hour_end_ns(const struct meter *m)
{
    return (m->open_hour + 1) * HOUR_S * NS_PER_S;
}

static bool counts(int64_t from_ns, int64_t until_ns, int64_t end_ns)
{
    return from_ns < end_ns && until_ns >= end_ns;
}

/* ---- one run over the rows ---- */

struct run {
    const struct meter_account *a;
    struct charge *c;
    int64_t hour, end_ns;
    bool collect; /* the parts, not only their sums */
};

static enum rc add_part(const struct run *r, const struct charge_part *part)
{
    struct charge *c = r->c;

    if (!r->collect)
        return RC_OK;
    if (c->n == c->size) {
        size_t size = c->size > 0 ? 2 * c->size : PARTS_START;
        struct charge_part *grown = realloc(c->part, size * sizeof(*grown));
        if (!grown)
            return RC_NOMEM;
        c->part = grown;
        c->size = size;
    }
    c->part[c->n++] = *part;
    return RC_OK;
}

/* Takes what packs cover off *quantity. */
static enum rc cover(const struct run *r, struct meter_row *row, unsigned cell, unsigned __int128 *quantity)
{
    for (size_t i = 0; i<r->a->n_packs && * quantity> 0; i++) {
        const struct meter_pack *p = &r->a->pack[i];
        unsigned __int128 *left = &r->c->pack_left[i];
        if (p->cell != cell || *left == 0 || !counts(p->from_ns, p->until_ns, r->end_ns))
            continue;
        unsigned __int128 take = *left < *quantity ? *left : *quantity;
        const struct charge_part part = {
            .row = row, .cell = cell, .rate = CHARGE_COVERED, .pack = p->seq, .quantity = take};
        HF_TRY(add_part(r, &part));
        *left -= take;
        *quantity -= take;
    }
    return RC_OK;
}

/* What vouchers leave of the amount for cash. */
static int64_t pay(const struct run *r, unsigned cell, int64_t nano)
{
    for (size_t i = 0; i < r->a->n_vouchers && nano > 0; i++) {
        const struct meter_voucher *v = &r->a->voucher[i];
        int64_t *left = &r->c->voucher_left[i];
        if (!(v->cells >> cell & 1) || !counts(v->from_ns, v->until_ns, r->end_ns))
            continue;
        int64_t take = *left < nano ? *left : nano;
        *left -= take;
        nano -= take;
    }
    return nano;
}

static enum rc price_rest(const struct run *r, struct meter_row *row, unsigned cell, unsigned __int128 quantity)
{
    struct price_part part[PRICE_TIERS_MAX];
    int64_t nano = 0;
    unsigned n;

    HF_TRY(price_parts(r->a->prices, cell, r->hour, r->c->run[cell], quantity, part, &n));
    r->c->run[cell] += quantity;
    for (unsigned i = 0; i < n; i++) {
        const struct charge_part p = {
            .row = row, .cell = cell, .rate = part[i].rate, .quantity = part[i].quantity, .nano = part[i].nano};
        HF_TRY(add_part(r, &p));
        HF_TRY(money_add(nano, part[i].nano, &nano));
    }
    HF_TRY(money_add(r->c->total_nano, nano, &r->c->total_nano));
    return money_add(r->c->cash_nano, pay(r, cell, nano), &r->c->cash_nano);
}

static enum rc charge_cell(const struct run *r, struct meter_row *row, unsigned cell)
{
    unsigned __int128 quantity = row->open[cell];

    if (!r->a->charged) {
        const struct charge_part p = {.row = row, .cell = cell, .quantity = quantity};
        return add_part(r, &p);
    }
    HF_TRY(cover(r, row, cell, &quantity));
    return quantity > 0 ? price_rest(r, row, cell, quantity) : RC_OK;
}

static enum rc charge_row(const struct run *r, struct meter_row *row)
{
    meter_row_settle(row);
    for (unsigned cell = 0; cell < PRICE_CELLS; cell++) {
        if (row->open[cell] > 0)
            HF_TRY(charge_cell(r, row, cell));
    }
    return RC_OK;
}

static enum rc charge_begin(const struct meter_account *a, struct charge *c)
{
    memset(c, 0, sizeof(*c));
    memcpy(c->run, a->run, sizeof(c->run));
    if (a->n_packs > 0) {
        c->pack_left = calloc(a->n_packs, sizeof(*c->pack_left));
        if (!c->pack_left)
            return RC_NOMEM;
        for (size_t i = 0; i < a->n_packs; i++)
            c->pack_left[i] = a->pack[i].left;
    }
    if (a->n_vouchers > 0) {
        c->voucher_left = calloc(a->n_vouchers, sizeof(*c->voucher_left));
        if (!c->voucher_left)
            return RC_NOMEM;
        for (size_t i = 0; i < a->n_vouchers; i++)
            c->voucher_left[i] = a->voucher[i].left_nano;
    }
    return RC_OK;
}

static enum rc charge(const struct meter *m, struct meter_account *a, bool collect, struct charge *c)
{
    const struct run r = {.a = a, .c = c, .hour = m->open_hour, .end_ns = hour_end_ns(m), .collect = collect};

    HF_TRY(charge_begin(a, c));
    meter_account_sort(a);
    for (size_t i = 0; i < a->n_rows; i++)
        HF_TRY(charge_row(&r, a->row[i]));
    return RC_OK;
}

enum rc meter_charge(struct meter *m, struct meter_account *a, struct charge *ret)
{
    memset(ret, 0, sizeof(*ret));
    return m->open_hour == NO_HOUR ? charge_begin(a, ret) : charge(m, a, true, ret);
}

void charge_free(struct charge *c)
{
    free(c->part);
    free(c->pack_left);
    free(c->voucher_left);
    memset(c, 0, sizeof(*c));
}

/* ---- what is left then ---- */

enum rc meter_unsettled(struct meter *m, struct meter_account *a, int64_t *ret_nano)
{
    struct charge c;

    *ret_nano = 0;
    if (!a->charged || m->open_hour == NO_HOUR)
        return RC_OK;
    enum rc rc = charge(m, a, false, &c);
    if (rc == RC_OK)
        *ret_nano = c.cash_nano;
    charge_free(&c);
    return rc;
}

/* What has burned at a cloud since the balance was set. */
static __int128 burned_since(const struct meter_account *a, int64_t now_ns)
{
    int64_t age_ns = now_ns > a->balance_ns ? now_ns - a->balance_ns : 0;

    return a->has_balance ? (__int128)a->burn_nano * age_ns / DAY_NS : 0;
}

/* At the edge of what money can count the figures stop there: one account out of range must not stop the others. */
static int64_t in_range(__int128 nano)
{
    return nano > INT64_MAX ? INT64_MAX : nano < -INT64_MAX ? -INT64_MAX : (int64_t)nano;
}

static enum rc balance_of(struct meter *m, struct meter_account *a, int64_t now_ns, __int128 *ret)
{
    int64_t open = 0;

    if (!a->upstream[0])
        HF_TRY(meter_unsettled(m, a, &open));
    *ret = (__int128)a->balance_nano - (a->upstream[0] ? burned_since(a, now_ns) : open);
    return RC_OK;
}

enum rc meter_balance(struct meter *m, struct meter_account *a, int64_t now_ns, int64_t *ret_nano)
{
    __int128 nano;

    HF_TRY(balance_of(m, a, now_ns, &nano));
    *ret_nano = in_range(nano);
    return RC_OK;
}

enum rc meter_available(struct meter *m, struct meter_account *a, int64_t now_ns, int64_t *ret_nano)
{
    __int128 nano;

    HF_TRY(balance_of(m, a, now_ns, &nano));
    *ret_nano = in_range(nano - a->reserved_nano + a->credit_nano);
    return RC_OK;
}

/* ---- the same at every tick, without a look at each row ---- */

static unsigned __int128 uncovered(const struct meter *m, const struct meter_account *a, unsigned cell)
{
    unsigned __int128 quantity = a->open[cell];

    for (size_t i = 0; i < a->n_packs; i++) {
        const struct meter_pack *p = &a->pack[i];
        if (p->cell == cell && counts(p->from_ns, p->until_ns, hour_end_ns(m)))
            quantity -= p->left < quantity ? p->left : quantity;
    }
    return quantity;
}

/* Vouchers can pay no more than is left of them, nor more than the usage in their scopes. */
static __int128 vouchers_at_most(const struct meter *m, const struct meter_account *a, const int64_t nano[PRICE_CELLS])
{
    __int128 left = 0, usage = 0;
    uint64_t cells = 0;

    for (size_t i = 0; i < a->n_vouchers; i++) {
        const struct meter_voucher *v = &a->voucher[i];
        if (!counts(v->from_ns, v->until_ns, hour_end_ns(m)))
            continue;
        left += v->left_nano;
        cells |= v->cells;
    }
    for (unsigned cell = 0; cell < PRICE_CELLS; cell++)
        usage += cells >> cell & 1 ? nano[cell] : 0;
    return left < usage ? left : usage;
}

/* What is available lies between the two, to within a nano per row and cell. */
static enum rc available_near(const struct meter *m, const struct meter_account *a, __int128 *ret_low,
                              __int128 *ret_high)
{
    __int128 low = (__int128)a->balance_nano - a->reserved_nano + a->credit_nano;
    int64_t nano[PRICE_CELLS] = {0};

    *ret_low = *ret_high = low;
    if (!a->charged || m->open_hour == NO_HOUR)
        return RC_OK;
    for (unsigned cell = 0; cell < PRICE_CELLS; cell++) {
        unsigned __int128 quantity = a->open[cell] > 0 ? uncovered(m, a, cell) : 0;
        if (quantity > 0)
            HF_TRY(price_amount(a->prices, cell, m->open_hour, a->run[cell], quantity, &nano[cell]));
        low -= nano[cell];
    }
    *ret_low = low;
    *ret_high = low + (a->n_vouchers > 0 ? vouchers_at_most(m, a, nano) : 0);
    return RC_OK;
}

/* Rounding moves a line by at most half a nano, so the sum of rounded lines and the rounded sums differ by less than
 * one nano per line and one per cell; packs and tiers are the account's, so which row they fall to changes nothing of
 * the sum. Only where that or the vouchers leave it open must each row be looked at. */
enum rc meter_below_zero(struct meter *m, struct meter_account *a, int64_t now_ns, bool *ret)
{
    __int128 low, high, slack = (__int128)(a->n_rows + 1) * PRICE_CELLS;
    int64_t exact;

    if (!a->upstream[0]) {
        HF_TRY(available_near(m, a, &low, &high));
        if (low >= slack || high < -slack) {
            *ret = low >= slack ? false : true;
            return RC_OK;
        }
    }
    HF_TRY(meter_available(m, a, now_ns, &exact));
    *ret = exact < 0;
    return RC_OK;
}

int64_t meter_available_near(struct meter *m, struct meter_account *a, int64_t now_ns)
{
    __int128 low, high;
    int64_t exact;

    if (a->upstream[0] && meter_available(m, a, now_ns, &exact) == RC_OK)
        return exact;
    if (a->upstream[0] || available_near(m, a, &low, &high) != RC_OK)
        return a->balance_nano;
    return high > INT64_MAX ? INT64_MAX : high < INT64_MIN ? INT64_MIN : (int64_t)high;
}
