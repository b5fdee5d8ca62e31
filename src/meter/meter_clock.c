/* Holdfast: an account's clock: what burns, what covers it, what is due; and how it is shown.
 *
 * What burns in a day: what is stored now, at the price of now; of requests, bytes and deletions the last 24 hours, the
 * open one included, or the median of the last seven whole days before it when that is more. An account that is younger
 * has what it has: nothing is extrapolated. */
#include "meter/forecast.h"
#include "meter/query.h"

#include <stdio.h>
#include <stdlib.h>

#define DAY_HOURS 24
#define WINDOWS (RECENT_HOURS / DAY_HOURS)

struct gather {
    struct meter *m;
    struct meter_account *a;
    int64_t now_ns, hour;
    struct charge open;
    int64_t burn_nano[PRICE_CELLS];
    struct clock_burn burn[PRICE_CELLS];
    struct clock_pack pack[MONEY_ITEMS_MAX];
    struct clock_voucher voucher[MONEY_ITEMS_MAX];
    struct clock_due due[MONEY_ITEMS_MAX];
    struct clock_input in;
};

/* ---- what burns ---- */

static unsigned __int128 stored_a_day(const struct gather *g, unsigned class)
{
    return (unsigned __int128)stored_billed(g->a->billed[class]) * g->a->prices->samples_per_day;
}

static enum rc add_stored(struct gather *g)
{
    for (unsigned c = 0; c < CLASS_COUNT; c++) {
        unsigned cell = price_cell(ITEM_STORAGE, c);
        HF_TRY(price_amount(g->a->prices, cell, g->hour, g->open.run[cell], stored_a_day(g, c), &g->burn_nano[cell]));
    }
    return RC_OK;
}

/* Hours in [from, to), per cell and together. */
static enum rc sum_window(const struct gather *g, int64_t from, int64_t to, int64_t cell_nano[PRICE_CELLS],
                          int64_t *ret_total)
{
    int64_t total = 0;

    memset(cell_nano, 0, PRICE_CELLS * sizeof(*cell_nano));
    for (size_t i = 0; i < g->a->n_recent; i++) {
        const struct recent_use *r = &g->a->recent[i];
        if (r->hour < from || r->hour >= to || r->cell >= PRICE_CELLS)
            continue;
        HF_TRY(money_add(cell_nano[r->cell], r->list_nano, &cell_nano[r->cell]));
        HF_TRY(money_add(total, r->list_nano, &total));
    }
    *ret_total = total;
    return RC_OK;
}

static enum rc add_open_hour(const struct gather *g, int64_t cell_nano[PRICE_CELLS], int64_t *total)
{
    for (unsigned cell = price_cell(ITEM_STORAGE, CLASS_COUNT - 1) + 1; cell < PRICE_CELLS; cell++) {
        int64_t nano;
        HF_TRY(price_amount(g->a->prices, cell, g->hour, g->a->run[cell], g->a->open[cell], &nano));
        HF_TRY(money_add(cell_nano[cell], nano, &cell_nano[cell]));
        HF_TRY(money_add(*total, nano, total));
    }
    return RC_OK;
}

struct window {
    int64_t begin, total_nano;
};

static int by_total(const void *x, const void *y)
{
    const struct window *a = x, *b = y;
    return a->total_nano < b->total_nano ? -1 : a->total_nano > b->total_nano;
}

/* Of the whole days before the open hour, the one in the middle (of two the dearer). False: there is none yet. */
static enum rc median_window(const struct gather *g, bool *ret_found, struct window *ret)
{
    int64_t first = hour_of(g->a->created_ns), cell_nano[PRICE_CELLS];
    struct window w[WINDOWS];
    size_t n = 0;

    for (int64_t k = 1; k <= WINDOWS && g->hour - k * DAY_HOURS >= first; k++, n++) {
        w[n].begin = g->hour - k * DAY_HOURS;
        HF_TRY(sum_window(g, w[n].begin, w[n].begin + DAY_HOURS, cell_nano, &w[n].total_nano));
    }
    *ret_found = n > 0;
    if (n == 0)
        return RC_OK;
    qsort(w, n, sizeof(w[0]), by_total);
    *ret = w[n / 2];
    return RC_OK;
}

static enum rc add_variable(struct gather *g)
{
    int64_t cell_nano[PRICE_CELLS], total;
    struct window median = {0};
    bool found;

    HF_TRY(sum_window(g, g->hour - DAY_HOURS + 1, g->hour, cell_nano, &total));
    HF_TRY(add_open_hour(g, cell_nano, &total));
    HF_TRY(median_window(g, &found, &median));
    if (found && median.total_nano > total)
        HF_TRY(sum_window(g, median.begin, median.begin + DAY_HOURS, cell_nano, &total));
    for (unsigned cell = 0; cell < PRICE_CELLS; cell++)
        HF_TRY(money_add(g->burn_nano[cell], cell_nano[cell], &g->burn_nano[cell]));
    return RC_OK;
}

static enum rc gather_burn(struct gather *g)
{
    if (g->a->charged) {
        HF_TRY(add_stored(g));
        if (g->m->open_hour != NO_HOUR)
            HF_TRY(add_variable(g));
    } else if (g->a->upstream[0]) {
        g->burn_nano[0] = g->a->burn_nano;
    }
    for (unsigned cell = 0; cell < PRICE_CELLS; cell++) {
        if (g->burn_nano[cell] > 0)
            g->burn[g->in.n_burn++] = (struct clock_burn){cell, g->burn_nano[cell]};
    }
    return RC_OK;
}

/* ---- what covers it ---- */

static int64_t end_of(int64_t until_ns)
{
    return until_ns > 0 ? until_ns : INT64_MAX;
}

/* What is left as money: of storage in proportion to a day of it, so that the days come out; else at the price of now.
 * What costs nothing lasts until it ends. */
static int64_t pack_worth(const struct gather *g, const struct meter_pack *p, unsigned __int128 left)
{
    unsigned __int128 now, divisor = price_divisor(g->a->prices, p->cell, g->hour);
    int64_t worth, day = g->burn_nano[p->cell];
    enum rc rc;

    if (__builtin_mul_overflow(left, divisor, &now))
        return INT64_MAX;
    now /= p->divisor;
    if (price_cell_item(p->cell) == ITEM_STORAGE)
        rc = day == 0 ? RC_LIMIT
                      : money_rate(now, (struct decimal){day, 9}, stored_a_day(g, price_cell_class(p->cell)), &worth);
    else
        rc = price_amount(g->a->prices, p->cell, g->hour, g->open.run[p->cell], now, &worth);
    return rc != RC_OK || worth == 0 ? INT64_MAX : worth;
}

static void gather_packs(struct gather *g)
{
    for (size_t i = 0; i < g->a->n_packs; i++) {
        const struct meter_pack *p = &g->a->pack[i];
        unsigned __int128 left = g->open.pack_left ? g->open.pack_left[i] : p->left;
        if (left == 0)
            continue;
        g->pack[g->in.n_pack++] = (struct clock_pack){.cell = p->cell,
                                                      .worth_nano = pack_worth(g, p, left),
                                                      .from_ns = p->from_ns,
                                                      .until_ns = end_of(p->until_ns),
                                                      .name = p->seq};
    }
}

static enum rc gather_vouchers(struct gather *g, int64_t *ret_left)
{
    int64_t sum = 0;

    for (size_t i = 0; i < g->a->n_vouchers; i++) {
        const struct meter_voucher *v = &g->a->voucher[i];
        int64_t left = g->open.voucher_left ? g->open.voucher_left[i] : v->left_nano;
        HF_TRY(money_add(sum, left, &sum));
        g->voucher[g->in.n_voucher++] = (struct clock_voucher){.cells = v->cells,
                                                               .left_nano = left,
                                                               .from_ns = v->from_ns,
                                                               .until_ns = end_of(v->until_ns),
                                                               .name = v->seq};
    }
    *ret_left = sum;
    return RC_OK;
}

static void gather_dues(struct gather *g)
{
    for (size_t i = 0; i < g->a->n_dues; i++) {
        const struct meter_due *d = &g->a->due[i];
        g->due[g->in.n_due++] =
            (struct clock_due){.at_ns = d->at_ns, .nano = d->nano, .monthly = d->monthly, .name = d->seq};
    }
}

/* ---- */

/* As meter_balance and meter_available, out of the one run over the open hour. */
static enum rc gather_cash(const struct gather *g, struct forecast *f)
{
    struct meter_account *a = g->a;

    if (a->upstream[0]) {
        HF_TRY(meter_balance(g->m, a, g->now_ns, &f->balance_nano));
    } else {
        f->unsettled_nano = g->open.cash_nano;
        HF_TRY(money_add(a->balance_nano, -f->unsettled_nano, &f->balance_nano));
    }
    HF_TRY(money_add(f->balance_nano, -a->reserved_nano, &f->available_nano));
    return money_add(f->available_nano, a->credit_nano, &f->available_nano);
}

static enum rc gather_all(struct gather *g, struct forecast *f)
{
    struct meter_account *a = g->a;

    HF_TRY(meter_charge(g->m, a, &g->open));
    HF_TRY(gather_cash(g, f));
    HF_TRY(gather_burn(g));
    if (a->charged)
        gather_packs(g);
    HF_TRY(gather_vouchers(g, &f->vouchers_nano));
    gather_dues(g);
    g->in = (struct clock_input){.now_ns = g->now_ns,
                                 .cash_nano = f->balance_nano,
                                 .credit_nano = a->credit_nano,
                                 .reserved_nano = a->reserved_nano,
                                 .burn = g->burn,
                                 .n_burn = g->in.n_burn,
                                 .pack = g->pack,
                                 .n_pack = g->in.n_pack,
                                 .voucher = g->voucher,
                                 .n_voucher = a->charged ? g->in.n_voucher : 0,
                                 .due = g->due,
                                 .n_due = g->in.n_due,
                                 .timetable = a->timetable,
                                 .earliest = a->upstream[0] != 0,
                                 .below = a->below,
                                 .below_since_ns = a->below_since_ns,
                                 .grace_until_ns = a->grace_until_ns};
    return clock_project(&g->in, &f->clock);
}

enum rc forecast_make(struct meter *m, struct meter_account *a, int64_t now_ns, struct forecast *ret, struct err *e)
{
    struct forecast f = {.unknown = account_unknown(a, now_ns)};
    struct gather *g;

    f.clock.zero_in_ns = f.clock.stop_in_ns = f.clock.destroy_in_ns = CLOCK_NEVER;
    if (!f.unknown && (a->charged || a->upstream[0])) {
        g = calloc(1, sizeof(*g));
        if (!g)
            return query_no_memory(e);
        g->m = m;
        g->a = a;
        g->now_ns = now_ns;
        g->hour = m->open_hour != NO_HOUR ? m->open_hour : hour_of(now_ns);
        enum rc rc = gather_all(g, &f);
        charge_free(&g->open);
        free(g);
        /* Where a sum passes the range of money nothing is known of this account, and all of the others. */
        if (rc == RC_LIMIT)
            f = (struct forecast){
                .unknown = true,
                .clock = {.zero_in_ns = CLOCK_NEVER, .stop_in_ns = CLOCK_NEVER, .destroy_in_ns = CLOCK_NEVER}};
        else if (rc != RC_OK)
            return err_set(e, rc, "account %s: its clock cannot be told: %s", a->name, rc_name(rc));
    }
    *ret = f;
    return RC_OK;
}

/* ---- as JSON ---- */

json_t *forecast_hours_json(const struct forecast *f, __int128 in_ns)
{
    return f->unknown || in_ns == CLOCK_NEVER ? json_null() : json_real(clock_hours(in_ns));
}

json_t *forecast_money_json(const struct forecast *f, int64_t nano)
{
    return f->unknown ? json_string("unknown") : money_json(nano);
}

static json_t *prevent_json(const struct forecast *f, int64_t nano)
{
    return f->unknown ? json_null() : money_json(nano);
}

static json_t *instant_json(bool given, int64_t ns)
{
    return given ? time_json(ns) : json_null();
}

static json_t *name_json(const struct meter_account *a, const struct clock_event *ev)
{
    char text[24];

    for (size_t i = 0; ev->kind == CLOCK_DUE && i < a->n_dues; i++) {
        if (a->due[i].seq == ev->name && a->due[i].ref[0])
            return json_string(a->due[i].ref);
    }
    snprintf(text, sizeof(text), "%llu", (unsigned long long)ev->name);
    return json_string(text);
}

static json_t *event_json(const struct meter_account *a, const struct clock_event *ev)
{
    static const char *const what[] = {"pack-expires", "pack-used-up", "voucher-expires", "voucher-used-up", "due"};
    bool has_amount = ev->kind == CLOCK_DUE || ev->kind == CLOCK_VOUCHER_EXPIRES;

    return json_pack("{s:o, s:s, s:o, s:o, s:o}", "at", time_json(ev->at_ns), "what", what[ev->kind], "name",
                     name_json(a, ev), "amount", has_amount ? money_json(ev->nano) : json_null(), "burn_per_day_after",
                     money_json(ev->burn_after_nano));
}

static json_t *ahead_json(const struct meter_account *a, const struct forecast *f)
{
    json_t *list = json_array();

    for (size_t i = 0; list && i < f->clock.n_events; i++) {
        if (!push_json(list, event_json(a, &f->clock.event[i]))) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static json_t *clock_json(const struct meter_account *a, const struct forecast *f)
{
    const struct clock_answer *c = &f->clock;
    json_t *prevent =
        json_pack("{s:o, s:o, s:o}", "zero", prevent_json(f, c->prevent_zero_nano), "stop",
                  prevent_json(f, c->prevent_stop_nano), "destroy", prevent_json(f, c->prevent_destroy_nano));

    return json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:s, s:o, s:o, s:o, s:o, s:s, s:s, s:o}", "account",
                     a->name, "currency", a->prices->currency, "balance", forecast_money_json(f, f->balance_nano),
                     "burn_per_day", forecast_money_json(f, c->burn_nano), "zero_in_hours",
                     forecast_hours_json(f, c->zero_in_ns), "stop_in_hours", forecast_hours_json(f, c->stop_in_ns),
                     "destroy_in_hours", forecast_hours_json(f, c->destroy_in_ns), "to_prevent", prevent, "stage",
                     f->unknown ? "unknown" : stage_name(a->stage), "available",
                     forecast_money_json(f, f->available_nano), "unsettled", money_json(f->unsettled_nano),
                     "grace_until", instant_json(a->grace_until_ns > 0, a->grace_until_ns), "balance_as_of",
                     instant_json(a->upstream[0] && a->has_balance, a->balance_ns), "timetable", a->timetable_name,
                     "destroy_date", a->upstream[0] ? "earliest" : "latest", "ahead", ahead_json(a, f));
}

static enum rc clock_of(struct meter *m, struct view name, int64_t now_ns, json_t **ret, struct err *e)
{
    struct meter_account *a;
    struct forecast f;

    HF_TRY(query_account(m, name, &a, e));
    HF_TRY(forecast_make(m, a, now_ns, &f, e));
    json_t *made = clock_json(a, &f);
    if (!made)
        return query_no_memory(e);
    *ret = made;
    return RC_OK;
}

enum rc meter_clock_json(struct meter *m, struct view name, int64_t now_ns, json_t **ret, struct err *e)
{
    meter_lock(m);
    enum rc rc = clock_of(m, name, now_ns, ret, e);
    meter_unlock(m);
    return rc;
}
