/* Holdfast: the arrears clock: the course of the money from now on, from event to event. */
#include "meter/clock.h"

#define DAY_NS (24LL * 3600 * NS_PER_S)
#define HOUR_NS (3600LL * NS_PER_S)
#define MONTH_DAYS 30

/* Amounts are nano x DAY_NS, so that a rate in nano a day times nanoseconds is exact. Times count from now. A source
 * or the cash lasts to the first whole nanosecond by which it is used up; what was drawn past that is on cash. */
struct course {
    const struct clock_input *in;
    struct clock_answer *out;
    __int128 t;
    __int128 available;
    int64_t cash_rate;  /* nano a day */
    int64_t later_rate; /* monthly charges, past the horizon */
    bool zero, stop_told, destroy_told;
    __int128 stop_at, destroy_at; /* once zero */
    size_t n_filled;              /* events whose burn afterwards is known */
};

static __int128 from_now(const struct course *c, int64_t at_ns)
{
    return (__int128)at_ns - c->in->now_ns;
}

static __int128 div_up(__int128 a, __int128 b) /* a >= 0, b > 0 */
{
    return a / b + (a % b != 0);
}

static bool endless(const struct clock_pack *p)
{
    return p->worth_nano == INT64_MAX;
}

/* ---- events ---- */

static void tell(struct course *c, enum clock_event_kind kind, uint64_t name, int64_t nano)
{
    if (c->out->n_events == CLOCK_EVENTS_MAX || c->t > CLOCK_HORIZON_NS)
        return;
    c->out->event[c->out->n_events++] = (struct clock_event){
        .kind = kind, .at_ns = c->in->now_ns + (int64_t)(c->t > 0 ? c->t : 0), .name = name, .nano = nano};
}

static void end_packs(struct course *c)
{
    for (size_t i = 0; i < c->in->n_pack; i++) {
        struct clock_pack *p = &c->in->pack[i];
        if (p->source.ended)
            continue;
        if (!endless(p) && p->source.left == 0) {
            p->source.ended = true;
            tell(c, CLOCK_PACK_USED_UP, p->name, 0);
        } else if (from_now(c, p->until_ns) <= c->t) {
            p->source.ended = true;
            tell(c, CLOCK_PACK_EXPIRES, p->name, 0);
        }
    }
}

static void end_vouchers(struct course *c)
{
    for (size_t i = 0; i < c->in->n_voucher; i++) {
        struct clock_voucher *v = &c->in->voucher[i];
        if (v->source.ended)
            continue;
        if (v->source.left == 0) {
            v->source.ended = true;
            tell(c, CLOCK_VOUCHER_USED_UP, v->name, 0);
        } else if (from_now(c, v->until_ns) <= c->t) {
            v->source.ended = true;
            tell(c, CLOCK_VOUCHER_EXPIRES, v->name, (int64_t)(v->source.left / DAY_NS));
        }
    }
}

#define NO_MORE INT64_MAX

static int64_t month_later(int64_t at_ns)
{
    int64_t next;
    return __builtin_add_overflow(at_ns, MONTH_DAYS * DAY_NS, &next) ? NO_MORE : next;
}

static enum rc charge_dues(struct course *c)
{
    for (size_t i = 0; i < c->in->n_due; i++) {
        struct clock_due *d = &c->in->due[i];
        while (d->next_ns != NO_MORE && from_now(c, d->next_ns) <= c->t) {
            if (__builtin_sub_overflow(c->available, (__int128)d->nano * DAY_NS, &c->available))
                return RC_LIMIT;
            tell(c, CLOCK_DUE, d->name, d->nano);
            d->next_ns = d->monthly ? month_later(d->next_ns) : NO_MORE;
        }
    }
    return RC_OK;
}

/* From the horizon on monthly charges are a rate, so that the number of events has an end. */
static enum rc pass_horizon(struct course *c)
{
    if (c->t != CLOCK_HORIZON_NS || c->later_rate > 0)
        return RC_OK;
    for (size_t i = 0; i < c->in->n_due; i++) {
        struct clock_due *d = &c->in->due[i];
        if (!d->monthly)
            continue;
        d->next_ns = NO_MORE;
        HF_TRY(money_add(c->later_rate, (int64_t)div_up(d->nano, MONTH_DAYS), &c->later_rate));
    }
    return RC_OK;
}

static enum rc settle(struct course *c)
{
    end_packs(c);
    end_vouchers(c);
    HF_TRY(charge_dues(c));
    return pass_horizon(c);
}

/* ---- who pays what from here on ---- */

static struct clock_source *payer(const struct course *c, unsigned cell)
{
    for (size_t i = 0; i < c->in->n_pack; i++) {
        struct clock_pack *p = &c->in->pack[i];
        if (p->cell == cell && !p->source.ended && from_now(c, p->from_ns) <= c->t)
            return &p->source;
    }
    for (size_t i = 0; i < c->in->n_voucher; i++) {
        struct clock_voucher *v = &c->in->voucher[i];
        if ((v->cells >> cell & 1) && !v->source.ended && from_now(c, v->from_ns) <= c->t)
            return &v->source;
    }
    return NULL;
}

static enum rc flow(struct course *c)
{
    for (size_t i = 0; i < c->in->n_pack; i++)
        c->in->pack[i].source.drawn = 0;
    for (size_t i = 0; i < c->in->n_voucher; i++)
        c->in->voucher[i].source.drawn = 0;
    c->cash_rate = c->later_rate;
    for (size_t i = 0; i < c->in->n_burn; i++) {
        const struct clock_burn *b = &c->in->burn[i];
        struct clock_source *s = payer(c, b->cell);
        int64_t *rate = s ? &s->drawn : &c->cash_rate;
        HF_TRY(money_add(*rate, b->nano_per_day, rate));
    }
    for (; c->n_filled < c->out->n_events; c->n_filled++)
        c->out->event[c->n_filled].burn_after_nano = c->cash_rate;
    return RC_OK;
}

/* ---- zero, stop, destruction ---- */

static enum rc missing(const struct course *c, int64_t *ret_nano)
{
    __int128 nano = c->available < 0 ? div_up(-c->available, DAY_NS) : 0;

    if (nano > INT64_MAX)
        return RC_LIMIT;
    *ret_nano = (int64_t)nano;
    return RC_OK;
}

static __int128 later_of(__int128 a, __int128 b)
{
    return a > b ? a : b;
}

static enum rc find_zero(struct course *c)
{
    const struct timetable *table = c->in->timetable;
    __int128 since = c->t, grace = from_now(c, c->in->grace_until_ns);

    if (c->zero || c->available > 0 || (c->available == 0 && c->cash_rate == 0))
        return RC_OK;
    if (c->t == 0 && c->in->below && c->available < 0)
        since = from_now(c, c->in->below_since_ns);
    c->zero = true;
    c->stop_at = later_of(since + table->stop_ns, grace);
    c->destroy_at =
        later_of(since + (c->in->earliest ? table->destroy_earliest_ns : table->destroy_latest_ns), c->stop_at);
    c->out->zero_in_ns = c->t;
    c->out->stop_in_ns = later_of(c->stop_at, 0);
    c->out->destroy_in_ns = later_of(c->destroy_at, 0);
    HF_TRY(missing(c, &c->out->prevent_zero_nano));
    if (c->out->prevent_zero_nano == 0)
        c->out->prevent_zero_nano = 1;
    return RC_OK;
}

static enum rc tell_prevention(struct course *c)
{
    if (c->zero && !c->stop_told && c->t >= c->stop_at) {
        HF_TRY(missing(c, &c->out->prevent_stop_nano));
        c->stop_told = true;
    }
    if (c->zero && !c->destroy_told && c->t >= c->destroy_at) {
        HF_TRY(missing(c, &c->out->prevent_destroy_nano));
        c->destroy_told = true;
    }
    return RC_OK;
}

/* ---- from one event to the next ---- */

static void sooner(const struct course *c, __int128 at, __int128 *next)
{
    if (at > c->t && at < *next)
        *next = at;
}

static void sooner_used_up(const struct course *c, const struct clock_source *s, __int128 *next)
{
    if (s->drawn > 0)
        sooner(c, c->t + div_up(s->left, s->drawn), next);
}

static __int128 next_source(const struct course *c, __int128 next)
{
    for (size_t i = 0; i < c->in->n_pack; i++) {
        const struct clock_pack *p = &c->in->pack[i];
        if (p->source.ended)
            continue;
        sooner(c, from_now(c, p->from_ns), &next);
        sooner(c, from_now(c, p->until_ns), &next);
        if (!endless(p))
            sooner_used_up(c, &p->source, &next);
    }
    for (size_t i = 0; i < c->in->n_voucher; i++) {
        const struct clock_voucher *v = &c->in->voucher[i];
        if (v->source.ended)
            continue;
        sooner(c, from_now(c, v->from_ns), &next);
        sooner(c, from_now(c, v->until_ns), &next);
        sooner_used_up(c, &v->source, &next);
    }
    return next;
}

/* CLOCK_NEVER: nothing changes any more. */
static __int128 next_change(const struct course *c)
{
    __int128 next = next_source(c, CLOCK_NEVER);

    for (size_t i = 0; i < c->in->n_due; i++) {
        if (c->in->due[i].next_ns != NO_MORE)
            sooner(c, from_now(c, c->in->due[i].next_ns), &next);
    }
    sooner(c, CLOCK_HORIZON_NS, &next);
    if (c->zero) {
        sooner(c, c->stop_at, &next);
        sooner(c, c->destroy_at, &next);
    } else if (c->cash_rate > 0) {
        sooner(c, c->t + div_up(c->available, c->cash_rate), &next);
    }
    return next;
}

static enum rc spend(struct course *c, __int128 amount)
{
    return __builtin_sub_overflow(c->available, amount, &c->available) ? RC_LIMIT : RC_OK;
}

static enum rc draw(struct course *c, struct clock_source *s, __int128 span)
{
    __int128 amount = (__int128)s->drawn * span;

    if (amount <= s->left) {
        s->left -= amount;
        return RC_OK;
    }
    amount -= s->left;
    s->left = 0;
    return spend(c, amount);
}

static enum rc advance(struct course *c, __int128 to)
{
    __int128 span = to - c->t;

    HF_TRY(spend(c, (__int128)c->cash_rate * span));
    for (size_t i = 0; i < c->in->n_pack; i++) {
        if (!endless(&c->in->pack[i]))
            HF_TRY(draw(c, &c->in->pack[i].source, span));
    }
    for (size_t i = 0; i < c->in->n_voucher; i++)
        HF_TRY(draw(c, &c->in->voucher[i].source, span));
    c->t = to;
    return RC_OK;
}

static bool all_told(const struct course *c)
{
    return c->destroy_told && c->stop_told && (c->t >= CLOCK_HORIZON_NS || c->out->n_events == CLOCK_EVENTS_MAX);
}

static enum rc run(struct course *c)
{
    for (;;) {
        HF_TRY(settle(c));
        HF_TRY(flow(c));
        if (c->t == 0)
            c->out->burn_nano = c->cash_rate;
        HF_TRY(find_zero(c));
        HF_TRY(tell_prevention(c));
        __int128 next = next_change(c);
        if (next == CLOCK_NEVER || all_told(c))
            return RC_OK;
        HF_TRY(advance(c, next));
    }
}

static void load(const struct clock_input *in)
{
    for (size_t i = 0; i < in->n_pack; i++) {
        struct clock_pack *p = &in->pack[i];
        p->source = (struct clock_source){.left = (__int128)p->worth_nano * DAY_NS,
                                          .ended = p->worth_nano <= 0 || p->until_ns <= in->now_ns};
    }
    for (size_t i = 0; i < in->n_voucher; i++) {
        struct clock_voucher *v = &in->voucher[i];
        v->source = (struct clock_source){.left = (__int128)v->left_nano * DAY_NS,
                                          .ended = v->left_nano <= 0 || v->until_ns <= in->now_ns};
    }
    for (size_t i = 0; i < in->n_due; i++)
        in->due[i].next_ns = in->due[i].at_ns;
}

enum rc clock_project(const struct clock_input *in, struct clock_answer *ret)
{
    struct clock_answer out = {.zero_in_ns = CLOCK_NEVER, .stop_in_ns = CLOCK_NEVER, .destroy_in_ns = CLOCK_NEVER};
    struct course c = {
        .in = in, .out = &out, .available = ((__int128)in->cash_nano + in->credit_nano - in->reserved_nano) * DAY_NS};

    for (size_t i = 0; i < in->n_burn; i++)
        HF_ASSERT(in->burn[i].nano_per_day >= 0 && in->burn[i].cell < PRICE_CELLS);
    load(in);
    HF_TRY(run(&c));
    *ret = out;
    return RC_OK;
}

double clock_hours(__int128 in_ns)
{
    return (double)in_ns / (double)HOUR_NS;
}
