/* The arrears clock: where the money ends, what happens then, what would prevent it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "meter/clock.h"

#define HOUR (3600LL * NS_PER_S)
#define DAY (24 * HOUR)
#define NOW (1793462400LL * NS_PER_S) /* 2026-11-01 */
#define YUAN MONEY_NANO

/* As tencent-cos has it: 24 h, destroyed 15 days after zero by one source, 120 by another. */
static const struct timetable table = {
    .stop_ns = 24 * HOUR, .destroy_earliest_ns = 15 * DAY, .destroy_latest_ns = 120 * DAY};

static struct clock_input with_cash(int64_t cash)
{
    return (struct clock_input){.now_ns = NOW, .cash_nano = cash, .timetable = &table};
}

static struct clock_answer project(const struct clock_input *in)
{
    struct clock_answer a;
    assert_int_equal(clock_project(in, &a), RC_OK);
    return a;
}

/* cmocka compares 64 bits. */
static void assert_in(__int128 got, int64_t want)
{
    assert_true(got < INT64_MAX);
    assert_int_equal((int64_t)got, want);
}

#define assert_never(x) assert_true((x) == CLOCK_NEVER)

#define GIVE(in, field, list) ((in)->field = (list), (in)->n_##field = sizeof(list) / sizeof((list)[0]))

/* ---- one rate ---- */

static void a_constant_burn_ends_where_division_says(void **state)
{
    struct clock_input in = with_cash(100 * YUAN);
    const struct clock_burn burn[] = {{0, 6 * YUAN}, {5, 4 * YUAN}};
    GIVE(&in, burn, burn);
    struct clock_answer a = project(&in);

    (void)state;
    assert_int_equal(a.burn_nano, 10 * YUAN);
    assert_in(a.zero_in_ns, 10 * DAY);
    assert_in(a.stop_in_ns, 11 * DAY);
    assert_in(a.destroy_in_ns, 130 * DAY);
    assert_int_equal(a.prevent_zero_nano, 1);
    assert_int_equal(a.prevent_stop_nano, 10 * YUAN);
    assert_int_equal(a.prevent_destroy_nano, 1200 * YUAN);
    assert_int_equal(a.n_events, 0);
    assert_true(clock_hours(a.zero_in_ns) == 240.0);
}

static void nothing_that_burns_never_ends(void **state)
{
    struct clock_input in = with_cash(1);
    struct clock_answer a = project(&in);

    (void)state;
    assert_int_equal(a.burn_nano, 0);
    assert_never(a.zero_in_ns);
    assert_never(a.stop_in_ns);
    assert_never(a.destroy_in_ns);
    assert_int_equal(a.prevent_zero_nano, 0);
    assert_int_equal(a.prevent_stop_nano, 0);
    assert_int_equal(a.prevent_destroy_nano, 0);
    in.cash_nano = 0;
    a = project(&in);
    assert_never(a.zero_in_ns);
}

static void hours_have_no_cap(void **state)
{
    struct clock_input in = with_cash(INT64_MAX);
    const struct clock_burn burn[] = {{0, 1}};
    GIVE(&in, burn, burn);
    struct clock_answer a = project(&in);

    (void)state;
    assert_true(a.zero_in_ns == (__int128)INT64_MAX * DAY);
    assert_true(a.stop_in_ns == a.zero_in_ns + DAY);
    assert_int_equal(a.prevent_stop_nano, 1);
}

static void credit_helps_and_a_reservation_takes(void **state)
{
    struct clock_input in = with_cash(100 * YUAN);
    const struct clock_burn burn[] = {{0, 10 * YUAN}};
    GIVE(&in, burn, burn);
    struct clock_answer a;

    (void)state;
    in.credit_nano = 50 * YUAN;
    a = project(&in);
    assert_in(a.zero_in_ns, 15 * DAY);
    in.reserved_nano = 120 * YUAN;
    a = project(&in);
    assert_in(a.zero_in_ns, 3 * DAY);
}

static void an_account_at_exactly_zero_is_at_zero_only_when_it_burns(void **state)
{
    struct clock_input in = with_cash(0);
    const struct clock_burn burn[] = {{0, 10 * YUAN}};
    GIVE(&in, burn, burn);
    struct clock_answer a = project(&in);

    (void)state;
    assert_in(a.zero_in_ns, 0);
    assert_in(a.stop_in_ns, DAY);
}

/* ---- below zero ---- */

static void below_zero_the_stop_counts_from_when_it_began(void **state)
{
    struct clock_input in = with_cash(-5 * YUAN);
    const struct clock_burn burn[] = {{0, 24 * YUAN}};
    GIVE(&in, burn, burn);
    in.below = true;
    in.below_since_ns = NOW - 20 * HOUR;
    struct clock_answer a = project(&in);

    (void)state;
    assert_in(a.zero_in_ns, 0);
    assert_in(a.stop_in_ns, 4 * HOUR);
    assert_in(a.destroy_in_ns, 120 * DAY - 20 * HOUR);
    assert_int_equal(a.prevent_zero_nano, 5 * YUAN);
    assert_int_equal(a.prevent_stop_nano, 9 * YUAN);
}

static void once_stopped_it_costs_what_is_missing_now(void **state)
{
    struct clock_input in = with_cash(-5 * YUAN);
    const struct clock_burn burn[] = {{0, 24 * YUAN}};
    GIVE(&in, burn, burn);
    in.below = true;
    in.below_since_ns = NOW - 200 * DAY;
    struct clock_answer a = project(&in);

    (void)state;
    assert_in(a.stop_in_ns, 0);
    assert_in(a.destroy_in_ns, 0);
    assert_int_equal(a.prevent_stop_nano, 5 * YUAN);
    assert_int_equal(a.prevent_destroy_nano, 5 * YUAN);
}

static void at_a_cloud_the_earliest_date_counts(void **state)
{
    struct clock_input in = with_cash(10 * YUAN);
    const struct clock_burn burn[] = {{0, 10 * YUAN}};
    GIVE(&in, burn, burn);
    in.earliest = true;
    struct clock_answer a = project(&in);

    (void)state;
    assert_in(a.stop_in_ns, 2 * DAY);
    assert_in(a.destroy_in_ns, 16 * DAY);
    assert_int_equal(a.prevent_destroy_nano, 150 * YUAN);
}

static void a_grace_puts_the_stop_off_to_its_end(void **state)
{
    struct clock_input in = with_cash(10 * YUAN);
    const struct clock_burn burn[] = {{0, 10 * YUAN}};
    GIVE(&in, burn, burn);
    struct clock_answer a;

    (void)state;
    in.grace_until_ns = NOW + 5 * DAY;
    a = project(&in);
    assert_in(a.zero_in_ns, DAY);
    assert_in(a.stop_in_ns, 5 * DAY);
    assert_int_equal(a.prevent_stop_nano, 40 * YUAN);
    assert_in(a.destroy_in_ns, 121 * DAY);
    in.grace_until_ns = NOW + 200 * DAY;
    a = project(&in);
    assert_in(a.stop_in_ns, 200 * DAY);
    assert_in(a.destroy_in_ns, 200 * DAY);
    in.grace_until_ns = NOW - DAY;
    a = project(&in);
    assert_in(a.stop_in_ns, 2 * DAY);
}

/* ---- packs ---- */

static void a_pack_hides_a_burn_until_it_is_used_up(void **state)
{
    struct clock_input in = with_cash(100 * YUAN);
    const struct clock_burn burn[] = {{3, 10 * YUAN}};
    struct clock_pack pack[] = {{.cell = 3, .worth_nano = 50 * YUAN, .until_ns = NOW + 90 * DAY, .name = 7}};
    GIVE(&in, burn, burn);
    GIVE(&in, pack, pack);
    struct clock_answer a = project(&in);

    (void)state;
    assert_int_equal(a.burn_nano, 0);
    assert_in(a.zero_in_ns, 15 * DAY);
    assert_in(a.stop_in_ns, 16 * DAY);
    assert_int_equal(a.n_events, 1);
    assert_int_equal(a.event[0].kind, CLOCK_PACK_USED_UP);
    assert_int_equal(a.event[0].name, 7);
    assert_int_equal(a.event[0].at_ns, NOW + 5 * DAY);
    assert_int_equal(a.event[0].burn_after_nano, 10 * YUAN);
}

static void a_pack_that_expires_is_a_cliff_too(void **state)
{
    struct clock_input in = with_cash(100 * YUAN);
    const struct clock_burn burn[] = {{3, 10 * YUAN}, {4, YUAN}};
    struct clock_pack pack[] = {{.cell = 3, .worth_nano = INT64_MAX, .until_ns = NOW + 2 * DAY, .name = 7}};
    GIVE(&in, burn, burn);
    GIVE(&in, pack, pack);
    struct clock_answer a = project(&in);

    (void)state;
    assert_int_equal(a.burn_nano, YUAN);
    assert_int_equal(a.n_events, 1);
    assert_int_equal(a.event[0].kind, CLOCK_PACK_EXPIRES);
    assert_int_equal(a.event[0].at_ns, NOW + 2 * DAY);
    assert_int_equal(a.event[0].burn_after_nano, 11 * YUAN);
    /* 2 days at 1, then 98 at 11. */
    assert_in(a.zero_in_ns, 2 * DAY + 98 * DAY / 11 + 1);
}

static void packs_follow_one_another(void **state)
{
    struct clock_input in = with_cash(0);
    const struct clock_burn burn[] = {{3, 10 * YUAN}};
    struct clock_pack pack[] = {
        {.cell = 3, .worth_nano = 20 * YUAN, .until_ns = NOW + 9 * DAY, .name = 1},
        {.cell = 3, .worth_nano = 90 * YUAN, .until_ns = NOW + 9 * DAY, .name = 2},
        {.cell = 2, .worth_nano = 90 * YUAN, .until_ns = NOW + DAY, .name = 3}, /* of another cell */
        {.cell = 3, .worth_nano = 90 * YUAN, .until_ns = NOW, .name = 4},       /* over already */
    };
    GIVE(&in, burn, burn);
    GIVE(&in, pack, pack);
    struct clock_answer a = project(&in);

    (void)state;
    assert_in(a.zero_in_ns, 9 * DAY);
    assert_int_equal(a.n_events, 3);
    assert_int_equal(a.event[0].name, 3);
    assert_int_equal(a.event[0].kind, CLOCK_PACK_EXPIRES);
    assert_int_equal(a.event[1].name, 1);
    assert_int_equal(a.event[1].at_ns, NOW + 2 * DAY);
    assert_int_equal(a.event[1].burn_after_nano, 0);
    assert_int_equal(a.event[2].name, 2);
    assert_int_equal(a.event[2].kind, CLOCK_PACK_EXPIRES);
}

static void a_pack_covers_nothing_before_it_begins(void **state)
{
    struct clock_input in = with_cash(100 * YUAN);
    const struct clock_burn burn[] = {{3, 10 * YUAN}};
    struct clock_pack pack[] = {
        {.cell = 3, .worth_nano = INT64_MAX, .from_ns = NOW + 4 * DAY, .until_ns = NOW + 9 * DAY}};
    GIVE(&in, burn, burn);
    GIVE(&in, pack, pack);
    struct clock_answer a = project(&in);

    (void)state;
    assert_int_equal(a.burn_nano, 10 * YUAN);
    assert_in(a.zero_in_ns, 15 * DAY); /* 4 at 10, 5 for nothing, 6 at 10 */
}

/* ---- vouchers ---- */

static void a_voucher_pays_only_what_it_is_for(void **state)
{
    struct clock_input in = with_cash(10 * YUAN);
    const struct clock_burn burn[] = {{0, YUAN}, {1, 4 * YUAN}};
    struct clock_voucher voucher[] = {
        {.cells = 1u << 1, .left_nano = 20 * YUAN, .until_ns = NOW + 90 * DAY, .name = 5}};
    GIVE(&in, burn, burn);
    GIVE(&in, voucher, voucher);
    struct clock_answer a = project(&in);

    (void)state;
    assert_int_equal(a.burn_nano, YUAN);
    assert_int_equal(a.n_events, 1);
    assert_int_equal(a.event[0].kind, CLOCK_VOUCHER_USED_UP);
    assert_int_equal(a.event[0].at_ns, NOW + 5 * DAY);
    assert_int_equal(a.event[0].burn_after_nano, 5 * YUAN);
    assert_in(a.zero_in_ns, 6 * DAY);
}

static void what_a_voucher_loses_when_it_ends_is_told(void **state)
{
    struct clock_input in = with_cash(10 * YUAN);
    const struct clock_burn burn[] = {{1, 4 * YUAN}};
    struct clock_voucher voucher[] = {
        {.cells = UINT64_MAX, .left_nano = 20 * YUAN, .until_ns = NOW + 2 * DAY, .name = 5},
        {.cells = UINT64_MAX, .left_nano = 4 * YUAN, .until_ns = NOW + 90 * DAY, .name = 6}};
    GIVE(&in, burn, burn);
    GIVE(&in, voucher, voucher);
    struct clock_answer a = project(&in);

    (void)state;
    assert_int_equal(a.n_events, 2);
    assert_int_equal(a.event[0].kind, CLOCK_VOUCHER_EXPIRES);
    assert_int_equal(a.event[0].nano, 12 * YUAN);
    assert_int_equal(a.event[0].burn_after_nano, 0);
    assert_int_equal(a.event[1].kind, CLOCK_VOUCHER_USED_UP);
    assert_int_equal(a.event[1].name, 6);
    assert_in(a.zero_in_ns, 3 * DAY + 10 * DAY / 4);
}

static void packs_come_before_vouchers(void **state)
{
    struct clock_input in = with_cash(0);
    const struct clock_burn burn[] = {{1, 4 * YUAN}};
    struct clock_pack pack[] = {{.cell = 1, .worth_nano = 8 * YUAN, .until_ns = NOW + 90 * DAY, .name = 1}};
    struct clock_voucher voucher[] = {{.cells = 2, .left_nano = 8 * YUAN, .until_ns = NOW + 3 * DAY, .name = 2}};
    GIVE(&in, burn, burn);
    GIVE(&in, pack, pack);
    GIVE(&in, voucher, voucher);
    struct clock_answer a = project(&in);

    (void)state;
    assert_in(a.zero_in_ns, 3 * DAY);
    assert_int_equal(a.event[0].name, 1);
    assert_int_equal(a.event[1].name, 2);
    assert_int_equal(a.event[1].nano, 4 * YUAN);
}

/* ---- dues ---- */

static void a_due_is_a_step(void **state)
{
    struct clock_input in = with_cash(100 * YUAN);
    const struct clock_burn burn[] = {{0, 10 * YUAN}};
    struct clock_due due[] = {{.at_ns = NOW + 5 * DAY, .nano = 80 * YUAN, .name = 9}};
    GIVE(&in, burn, burn);
    GIVE(&in, due, due);
    struct clock_answer a = project(&in);

    (void)state;
    assert_in(a.zero_in_ns, 5 * DAY);
    assert_int_equal(a.prevent_zero_nano, 30 * YUAN);
    assert_int_equal(a.prevent_stop_nano, 40 * YUAN);
    assert_int_equal(a.event[0].kind, CLOCK_DUE);
    assert_int_equal(a.event[0].nano, 80 * YUAN);
    assert_int_equal(a.event[0].burn_after_nano, 10 * YUAN);
}

static void a_due_that_is_not_settled_counts_at_once(void **state)
{
    struct clock_input in = with_cash(10 * YUAN);
    struct clock_due due[] = {{.at_ns = NOW - 5 * DAY, .nano = 80 * YUAN, .name = 9}};
    GIVE(&in, due, due);
    struct clock_answer a = project(&in);

    (void)state;
    assert_in(a.zero_in_ns, 0);
    assert_in(a.stop_in_ns, DAY);
    assert_int_equal(a.prevent_stop_nano, 70 * YUAN);
    assert_int_equal(a.event[0].at_ns, NOW);
}

static void a_monthly_due_comes_again(void **state)
{
    struct clock_input in = with_cash(100 * YUAN);
    struct clock_due due[] = {{.at_ns = NOW + DAY, .nano = 30 * YUAN, .monthly = true, .name = 9}};
    GIVE(&in, due, due);
    struct clock_answer a = project(&in);

    (void)state;
    assert_in(a.zero_in_ns, DAY + 90 * DAY); /* the fourth */
    assert_int_equal(a.prevent_zero_nano, 20 * YUAN);
    assert_int_equal(a.n_events, CLOCK_EVENTS_MAX);
    /* Far beyond what is simulated charge by charge: as a rate. */
    in.cash_nano = 30 * 1000 * YUAN;
    a = project(&in);
    int64_t days = (int64_t)(a.zero_in_ns / DAY);
    assert_in_range(days, 29900, 30031);
}

static void a_sum_past_the_range_of_money_is_refused(void **state)
{
    struct clock_input in = with_cash(1);
    const struct clock_burn burn[] = {{0, INT64_MAX}, {1, 1}};
    struct clock_answer a = {.burn_nano = 42};
    GIVE(&in, burn, burn);

    (void)state;
    assert_int_equal(clock_project(&in, &a), RC_LIMIT);
    assert_int_equal(a.burn_nano, 42);
}

/* ---- properties, over random accounts ---- */

struct random_account {
    struct clock_input in;
    struct timetable table;
    struct clock_burn burn[4];
    struct clock_pack pack[4];
    struct clock_voucher voucher[3];
    struct clock_due due[3];
};

static uint64_t roll(uint64_t *seed, uint64_t below)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (*seed >> 16) % below;
}

static int64_t random_hour(uint64_t *seed)
{
    return NOW + (1 + (int64_t)roll(seed, 24 * 40)) * HOUR;
}

/* Whole hours and rates that divide by 24, so that hour by hour can be counted by hand. Vouchers cover everything. */
static void make_random(struct random_account *r, uint64_t seed)
{
    memset(r, 0, sizeof(*r));
    r->in = with_cash((int64_t)roll(&seed, 500 * (uint64_t)YUAN));
    r->table = (struct timetable){.stop_ns = (int64_t)roll(&seed, 72) * HOUR,
                                  .destroy_earliest_ns = (72 + (int64_t)roll(&seed, 100)) * HOUR,
                                  .destroy_latest_ns = 500 * HOUR};
    r->in.timetable = &r->table;
    r->in.earliest = roll(&seed, 2) == 0;
    r->in.credit_nano = (int64_t)roll(&seed, 3) * 10 * YUAN;
    r->in.reserved_nano = (int64_t)roll(&seed, 3) * 7 * YUAN;
    r->in.grace_until_ns = roll(&seed, 4) == 0 ? random_hour(&seed) : 0;
    r->in.burn = r->burn;
    r->in.n_burn = roll(&seed, 5);
    for (unsigned i = 0; i < 4; i++)
        r->burn[i] = (struct clock_burn){i, 24 * (int64_t)roll(&seed, YUAN)};
    r->in.pack = r->pack;
    r->in.n_pack = roll(&seed, 5);
    for (unsigned i = 0; i < 4; i++)
        r->pack[i] = (struct clock_pack){.cell = (unsigned)roll(&seed, 4),
                                         .worth_nano = (int64_t)roll(&seed, 200 * (uint64_t)YUAN),
                                         .from_ns = roll(&seed, 3) == 0 ? random_hour(&seed) : 0,
                                         .until_ns = random_hour(&seed)};
    r->in.voucher = r->voucher;
    r->in.n_voucher = roll(&seed, 4);
    for (unsigned i = 0; i < 3; i++)
        r->voucher[i] = (struct clock_voucher){.cells = UINT64_MAX,
                                               .left_nano = (int64_t)roll(&seed, 200 * (uint64_t)YUAN),
                                               .until_ns = random_hour(&seed)};
    r->in.due = r->due;
    r->in.n_due = roll(&seed, 4);
    for (unsigned i = 0; i < 3; i++)
        r->due[i] = (struct clock_due){.at_ns = random_hour(&seed),
                                       .nano = (int64_t)roll(&seed, 100 * (uint64_t)YUAN),
                                       .monthly = roll(&seed, 3) == 0};
}

#define SEEDS 3000

static void paying_what_prevents_the_stop_does_and_a_nano_less_does_not(void **state)
{
    unsigned came = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct random_account r;
        make_random(&r, seed);
        const int64_t cash = r.in.cash_nano;
        struct clock_answer a = project(&r.in), b;
        if (a.zero_in_ns == CLOCK_NEVER)
            continue;
        assert_true(a.prevent_stop_nano <= a.prevent_destroy_nano);
        r.in.cash_nano = cash + a.prevent_stop_nano;
        b = project(&r.in);
        if (b.zero_in_ns < a.stop_in_ns)
            fail_msg("seed %llu: it goes below zero before the stop that was paid off", (unsigned long long)seed);
        if (a.prevent_stop_nano == 0)
            continue;
        came++;
        /* A stop at the same instant as before asks for exactly the nano that is missing. */
        r.in.cash_nano = cash + a.prevent_stop_nano - 1;
        r.in.grace_until_ns = 0;
        r.table.stop_ns = 0;
        b = project(&r.in);
        assert_true(b.zero_in_ns <= a.stop_in_ns);
        r.table.stop_ns = (int64_t)(a.stop_in_ns - b.zero_in_ns);
        r.table.destroy_earliest_ns = r.table.destroy_latest_ns = r.table.stop_ns;
        b = project(&r.in);
        assert_true(b.stop_in_ns == a.stop_in_ns);
        assert_int_equal(b.prevent_stop_nano, 1);
    }
    assert_true(came > SEEDS / 4);
}

/* One hour for cell i: packs, then vouchers, then cash. */
static void spend_hour(struct random_account *r, int64_t at, int64_t rest[4], int64_t *cash)
{
    for (unsigned i = 0; i < r->in.n_burn; i++) {
        for (unsigned p = 0; p < r->in.n_pack; p++) {
            struct clock_pack *k = &r->pack[p];
            if (k->cell != i || k->from_ns > at || k->until_ns <= at)
                continue;
            int64_t used = rest[i] < k->worth_nano ? rest[i] : k->worth_nano;
            k->worth_nano -= used;
            rest[i] -= used;
        }
        for (unsigned v = 0; v < r->in.n_voucher; v++) {
            struct clock_voucher *k = &r->voucher[v];
            if (k->until_ns <= at)
                continue;
            int64_t used = rest[i] < k->left_nano ? rest[i] : k->left_nano;
            k->left_nano -= used;
            rest[i] -= used;
        }
        *cash -= rest[i];
    }
}

/* Available at the end of so many hours, steps at that instant included. */
static int64_t hour_by_hour(const struct random_account *r0, int64_t hours)
{
    struct random_account r = *r0;
    int64_t cash = r.in.cash_nano + r.in.credit_nano - r.in.reserved_nano;

    for (int64_t h = 0; h < hours; h++) {
        int64_t rest[4];
        for (unsigned i = 0; i < 4; i++)
            rest[i] = r.burn[i].nano_per_day / 24;
        spend_hour(&r, NOW + h * HOUR, rest, &cash);
    }
    for (unsigned i = 0; i < r.in.n_due; i++) {
        for (int64_t at = r.due[i].at_ns; at <= NOW + hours * HOUR; at += 30 * DAY) {
            cash -= r.due[i].nano;
            if (!r.due[i].monthly)
                break;
        }
    }
    return cash;
}

static int64_t distance(int64_t a, int64_t b)
{
    return a > b ? a - b : b - a;
}

static void the_course_is_what_counting_hour_by_hour_gives(void **state)
{
    unsigned came = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS / 10; seed++) {
        struct random_account r;
        make_random(&r, seed);
        struct random_account fresh = r;
        r.table.stop_ns = 0;
        r.in.grace_until_ns = 0;
        struct clock_answer a = project(&r.in);
        if (a.zero_in_ns == CLOCK_NEVER) {
            assert_true(hour_by_hour(&fresh, 24L * 60) >= -4);
            continue;
        }
        if (a.zero_in_ns > 3000 * HOUR)
            continue;
        came++;
        int64_t before = (int64_t)(a.zero_in_ns / HOUR);
        assert_true(hour_by_hour(&fresh, before) >= -4 || a.zero_in_ns == before * HOUR);
        assert_true(hour_by_hour(&fresh, before + 1) <= 4);
        /* What a stop some whole hours after zero would take to prevent. */
        r.table.stop_ns = (int64_t)((before + 50) * HOUR - a.zero_in_ns);
        r.table.destroy_earliest_ns = r.table.destroy_latest_ns = r.table.stop_ns;
        a = project(&r.in);
        int64_t left = hour_by_hour(&fresh, before + 50);
        assert_true(distance(a.prevent_stop_nano, left < 0 ? -left : 0) <= 4); /* each source's last nanosecond */
    }
    assert_true(came > SEEDS / 40);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_constant_burn_ends_where_division_says),
        cmocka_unit_test(nothing_that_burns_never_ends),
        cmocka_unit_test(hours_have_no_cap),
        cmocka_unit_test(credit_helps_and_a_reservation_takes),
        cmocka_unit_test(an_account_at_exactly_zero_is_at_zero_only_when_it_burns),
        cmocka_unit_test(below_zero_the_stop_counts_from_when_it_began),
        cmocka_unit_test(once_stopped_it_costs_what_is_missing_now),
        cmocka_unit_test(at_a_cloud_the_earliest_date_counts),
        cmocka_unit_test(a_grace_puts_the_stop_off_to_its_end),
        cmocka_unit_test(a_pack_hides_a_burn_until_it_is_used_up),
        cmocka_unit_test(a_pack_that_expires_is_a_cliff_too),
        cmocka_unit_test(packs_follow_one_another),
        cmocka_unit_test(a_pack_covers_nothing_before_it_begins),
        cmocka_unit_test(a_voucher_pays_only_what_it_is_for),
        cmocka_unit_test(what_a_voucher_loses_when_it_ends_is_told),
        cmocka_unit_test(packs_come_before_vouchers),
        cmocka_unit_test(a_due_is_a_step),
        cmocka_unit_test(a_due_that_is_not_settled_counts_at_once),
        cmocka_unit_test(a_monthly_due_comes_again),
        cmocka_unit_test(a_sum_past_the_range_of_money_is_refused),
        cmocka_unit_test(paying_what_prevents_the_stop_does_and_a_nano_less_does_not),
        cmocka_unit_test(the_course_is_what_counting_hour_by_hour_gives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
