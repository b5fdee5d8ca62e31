/* What usage costs, to the last unit, and what happens to an account that does not pay. */
#include "meter_script.h"

/* ---- the hand-computed month ---- */

struct hand { /* one bucket */
    int64_t stored;
    unsigned __int128 samples, month_samples;
    uint64_t requests, month_requests;
    uint64_t egress, month_egress;
    int64_t storage_nano, requests_nano, egress_nano;
};

static void hand_close(struct hand *h)
{
    h->storage_nano += by_hand(h->samples, STORAGE_NANO, STORAGE_DIVISOR);
    h->requests_nano += by_hand(h->requests, 10000000, 10000); /* 0.01 CNY per 10 000 */
    h->egress_nano += by_hand(h->egress, 500000000, (unsigned __int128)GIB);
    h->month_samples += h->samples;
    h->month_requests += h->requests;
    h->month_egress += h->egress;
    h->samples = 0;
    h->requests = h->egress = 0;
}

struct month {
    struct script s;
    struct hand hand[2];
    uint64_t account, bucket[2];
    unsigned seed;
};
static const char *const month_buckets[2] = {"photos", "logs"};

static void month_events(struct month *w)
{
    for (unsigned b = 0; b < 2; b++) {
        struct hand *h = &w->hand[b];
        if (roll(&w->seed) % 3 == 0) {
            int64_t bytes = roll(&w->seed) % (4u << 20) + 1;
            if (h->stored > (64 << 20))
                bytes = -(h->stored / 2);
            push_bytes(&w->s, w->account, w->bucket[b], month_buckets[b], CLASS_STANDARD, bytes, 1);
            h->stored += bytes;
            h->requests++;
        }
        if (roll(&w->seed) % 7 == 0) {
            uint64_t n = roll(&w->seed) % 500, bytes = roll(&w->seed);
            push_reads(&w->s, w->account, w->bucket[b], month_buckets[b], n % 2 ? 200 : 404, n, bytes,
                       ITEM_EGRESS_INTERNET);
            h->requests += n;
            h->egress += bytes;
        }
    }
}

/* Thirty days of ticks from the first instant of November in UTC+8; events between them. */
static void month_play(struct month *w)
{
    w->s.now_ns = NOV_2026_CST * NS_PER_S;
    push_tick(&w->s);
    w->account = push_account(&w->s, "acme");
    push_topup(&w->s, w->account, 100 * MONEY_NANO, "R1");
    for (unsigned b = 0; b < 2; b++) {
        w->bucket[b] = push_bucket(&w->s, w->account, month_buckets[b]);
        w->hand[b].requests++;
    }
    for (unsigned tick = 1; tick <= 30 * 288; tick++) {
        month_events(w);
        w->s.now_ns =
            NOV_2026_CST * NS_PER_S + tick * TICK_NS + roll(&w->seed) % 3; /* the journal may raise it a little */
        push_tick(&w->s);
        for (unsigned b = 0; b < 2; b++) {
            if (tick % 12 == 0)
                hand_close(&w->hand[b]);
            if (tick < 30 * 288)
                w->hand[b].samples += (unsigned __int128)w->hand[b].stored;
        }
    }
}

static void a_month_costs_what_the_price_list_says_to_the_last_unit(void **state)
{
    (void)state;
    struct month w = {.seed = 2026};
    char text[MONEY_TEXT_MAX];
    int64_t total = 0;
    month_play(&w);
    struct meter *m = applied(&w.s);
    json_t *st = statement_of(m, "acme", "2026-11", w.s.now_ns);
    for (unsigned b = 0; b < 2; b++) {
        const struct hand *h = &w.hand[b];
        char requests[32];
        assert_line(st, "storage.STANDARD", month_buckets[b], h->storage_nano, "GB-month");
        assert_line(st, "requests.STANDARD", month_buckets[b], h->requests_nano, "request");
        assert_line(st, "egress.internet", month_buckets[b], h->egress_nano, "GB");
        snprintf(requests, sizeof(requests), "%llu", (unsigned long long)h->month_requests);
        assert_string_equal(text_of(line_of(st, "requests.STANDARD", month_buckets[b]), "quantity"), requests);
        double gb_month = (double)h->month_samples / (double)STORAGE_DIVISOR;
        double shown = strtod(text_of(line_of(st, "storage.STANDARD", month_buckets[b]), "quantity"), NULL);
        assert_true(shown > gb_month - 1e-12 && shown < gb_month + 1e-12);
        total += h->storage_nano + h->requests_nano + h->egress_nano;
    }
    assert_int_equal(json_array_size(json_object_get(st, "lines")), 6);
    assert_string_equal(text_of(st, "total"), money_text(total, text));
    assert_string_equal(text_of(st, "time_zone"), "+08:00");
    assert_string_equal(text_of(st, "currency"), "CNY");
    assert_int_equal(json_array_size(json_object_get(st, "topups")), 1);
    /* December has begun with the last tick: its first sample is open, and November is closed. */
    int64_t sample = 0;
    for (unsigned b = 0; b < 2; b++)
        sample += by_hand((unsigned __int128)w.hand[b].stored, STORAGE_NANO, STORAGE_DIVISOR);
    assert_status(m, "acme", w.s.now_ns, "balance", money_text(100 * MONEY_NANO - total - sample, text));
    assert_string_equal(text_of(st, "balance"), text);
    json_decref(st);
    st = statement_of(m, "acme", "", w.s.now_ns);
    assert_string_equal(text_of(st, "month"), "2026-12");
    assert_string_equal(text_of(st, "total"), money_text(sample, text));
    json_decref(st);
    int64_t ledger;
    assert_int_equal(ledger_balance(m->sql, w.account, &ledger, NULL), RC_OK);
    assert_int_equal(ledger, 100 * MONEY_NANO - total);
    meter_close(m);
    script_free(&w.s);
}

static void months_without_data_and_wrong_months(void **state)
{
    (void)state;
    static const char *const wrong[] = {"2026-13", "2026-00", "2026", "11-2026", "2026-1", "1969-12", "2026-1x"};
    struct script s = {.now_ns = NOV_2026_CST * NS_PER_S};
    struct err e;
    push_account(&s, "acme");
    struct meter *m = applied(&s);
    json_t *st = statement_of(m, "acme", "2020-02", s.now_ns);
    assert_int_equal(json_array_size(json_object_get(st, "lines")), 0);
    assert_string_equal(text_of(st, "total"), "0.00");
    json_decref(st);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(meter_statement_json(m, VIEW("acme"), view_cstr(wrong[i]), 0, &st, &e), RC_INVALID);
        assert_non_null(strstr(e.text, wrong[i]));
    }
    assert_int_equal(meter_statement_json(m, VIEW("nobody"), VIEW(""), 0, &st, &e), RC_NOT_FOUND);
    meter_close(m);
    script_free(&s);
}

/* An hour of one bucket that holds exactly so much that its cost ends in half a nano. */
static void half_a_nano_is_rounded_up_per_bucket_and_hour(void **state)
{
    (void)state;
    struct script s = {.now_ns = NOV_2026_CST * NS_PER_S};
    uint64_t account = push_account(&s, "acme");
    push_topup(&s, account, MONEY_NANO, "");
    /* 1 / 2 nano of egress: 2^30 bytes cost 5 * 10^8 nano; no whole number of bytes costs half a nano, 1.07 is the
     * least that is rounded up from above half and 1 byte (0.4657 nano) is below. Two buckets of one byte stay at 0;
     * one bucket of two bytes costs 1. */
    for (unsigned i = 0; i < 2; i++) {
        uint64_t b = push_bucket(&s, account, i ? "b1" : "b0");
        push_reads(&s, account, b, i ? "b1" : "b0", 200, 0, 1, ITEM_EGRESS_INTERNET);
    }
    uint64_t c = push_bucket(&s, account, "c");
    push_reads(&s, account, c, "c", 200, 0, 1, ITEM_EGRESS_INTERNET);
    push_reads(&s, account, c, "c", 200, 0, 1, ITEM_EGRESS_INTERNET);
    advance(&s, HOUR_NS);
    struct meter *m = applied(&s);
    json_t *st = statement_of(m, "acme", "2026-11", s.now_ns);
    assert_line(st, "egress.internet", "b0", 0, "GB");
    assert_line(st, "egress.internet", "b1", 0, "GB");
    assert_line(st, "egress.internet", "c", 1, "GB");
    assert_line(st, "requests.STANDARD", "c", 1000, "request");
    assert_string_equal(text_of(st, "total"), "0.000003001");
    json_decref(st);
    meter_close(m);
    script_free(&s);
}

static void one_sample_in_five_minutes_however_many_ticks_and_none_for_a_tick_that_never_came(void **state)
{
    (void)state;
    struct script s = {.now_ns = NOV_2026_CST * NS_PER_S};
    uint64_t account = push_account(&s, "acme");
    uint64_t b = push_bucket(&s, account, "b");
    push_bytes(&s, account, b, "b", CLASS_STANDARD, GIB, 1);
    push_tick(&s);
    s.now_ns += 7 * NS_PER_S; /* a deadline between two samples */
    push_tick(&s);
    s.now_ns += 3 * TICK_NS; /* two were never written */
    push_tick(&s);
    struct meter *m = applied(&s);
    json_t *st = statement_of(m, "acme", "", s.now_ns);
    assert_line(st, "storage.STANDARD", "b", by_hand((unsigned __int128)GIB * 2, STORAGE_NANO, STORAGE_DIVISOR),
                "GB-month");
    json_decref(st);
    meter_close(m);
    script_free(&s);
}

static void directions_classes_and_failed_requests_have_their_own_lines(void **state)
{
    (void)state;
    struct script s = {.now_ns = NOV_2026_CST * NS_PER_S};
    uint64_t account = push_account(&s, "acme");
    uint64_t b = push_bucket(&s, account, "b");
    push_reads(&s, account, b, "b", 200, 10, (uint64_t)GIB, ITEM_EGRESS_CDN);
    push_reads(&s, account, b, "b", 404, 5, 0, ITEM_EGRESS_INTERNET); /* failed requests cost at COS */
    push_reads(&s, account, b, "b", 503, 5, (uint64_t)GIB, ITEM_EGRESS_INTERNAL);
    push_reads(&s, account, 0, "", 200, 3, 0, ITEM_EGRESS_INTERNET); /* ListBuckets names no bucket */
    push_bytes(&s, account, b, "b", CLASS_DEEP_ARCHIVE, GIB, 1);
    push_tick(&s);
    struct meter *m = applied(&s);
    json_t *st = statement_of(m, "acme", "", s.now_ns);
    assert_line(st, "requests.STANDARD", "b", 21 * 1000, "request");
    assert_line(st, "requests.STANDARD", "", 3 * 1000, "request");
    assert_line(st, "requests.DEEP_ARCHIVE", "b", 50000, "request");
    assert_line(st, "egress.cdn", "b", 150000000, "GB");
    assert_line(st, "egress.internal", "b", 0, "GB");
    assert_line(st, "storage.DEEP_ARCHIVE", "b", by_hand((unsigned __int128)GIB, 10000000, STORAGE_DIVISOR),
                "GB-month");
    assert_null(line_of(st, "egress.internet", "b"));
    assert_string_equal(text_of(line_of(st, "egress.cdn", "b"), "quantity"), "1");
    assert_string_equal(text_of(line_of(st, "egress.cdn", "b"), "price"), "0.15");
    json_decref(st);
    meter_close(m);
    script_free(&s);
}

/* ---- stages ---- */

static void assert_stage(struct walk *w, const char *stage, double to_stop, double to_destroy)
{
    assert_status(w->m, "acme", w->s.now_ns, "stage", stage);
    assert_hours(w->m, "acme", w->s.now_ns, "hours_to_stop", to_stop);
    assert_hours(w->m, "acme", w->s.now_ns, "hours_to_destroy", to_destroy);
}

static void an_unpaid_account_walks_to_purgeable_and_a_topup_lifts_it_at_once(void **state)
{
    (void)state;
    struct walk w;
    char text[MONEY_TEXT_MAX];
    walk_begin(&w);
    assert_stage(&w, "active", COMES_NEVER, COMES_NEVER); /* nothing used, nothing owed */
    w.bucket = push_bucket(&w.s, w.account, "b");
    push_bytes(&w.s, w.account, w.bucket, "b", CLASS_STANDARD, GIB, 1);
    walk_run(&w);
    assert_status(w.m, "acme", w.s.now_ns, "stage", "active"); /* until a tick looks */
    advance(&w.s, TICK_NS);
    walk_run(&w);
    assert_stage(&w, "warn", 24, 120 * 24);
    assert_hours(w.m, "acme", w.s.now_ns, "runway_hours", 0);
    assert_int_equal(gate(w.m, w.account), RC_OK);
    advance(&w.s, DAY_NS - TICK_NS);
    walk_run(&w);
    assert_stage(&w, "warn", 300.0 / 3600, 119 * 24 + 300.0 / 3600);
    advance(&w.s, TICK_NS);
    walk_run(&w);
    assert_stage(&w, "stop", 0, 119 * 24);
    assert_int_equal(gate(w.m, w.account), RC_DENIED);
    advance(&w.s, 14 * DAY_NS);
    walk_run(&w);
    assert_stage(&w, "retention", 0, 105 * 24);
    assert_int_equal(gate(w.m, w.account), RC_DENIED);
    advance(&w.s, 105 * DAY_NS);
    walk_run(&w);
    assert_stage(&w, "purgeable", 0, 0);
    /* Storage went on billing: 120 days of a GiB, plus the requests, are owed. Less than that lifts nothing. */
    int64_t owed;
    assert_int_equal(meter_balance(w.m, meter_account_of(w.m, w.account), w.s.now_ns, &owed), RC_OK);
    assert_true(owed < -4 * 118000000 && owed > -4 * 118000000 - 100000);
    push_topup(&w.s, w.account, -owed - 1, "");
    walk_run(&w);
    assert_status(w.m, "acme", w.s.now_ns, "stage", "purgeable");
    assert_status(w.m, "acme", w.s.now_ns, "balance", "-0.000000001");
    push_topup(&w.s, w.account, 1, "");
    walk_run(&w);
    assert_status(w.m, "acme", w.s.now_ns, "stage", "active");
    assert_status(w.m, "acme", w.s.now_ns, "balance", money_text(0, text));
    assert_int_equal(gate(w.m, w.account), RC_OK);
    /* The next tick finds it below zero again: a new warning, a new day. */
    advance(&w.s, TICK_NS);
    walk_run(&w);
    assert_stage(&w, "warn", 24, 120 * 24);
    walk_end(&w);
}

static void hours_follow_the_balance_and_the_burn(void **state)
{
    (void)state;
    struct walk w;
    walk_begin(&w);
    push_topup(&w.s, w.account, 118 * 100 * MONEY_NANO, "");
    walk_run(&w);
    assert_stage(&w, "active", COMES_NEVER, COMES_NEVER);
    assert_hours(w.m, "acme", w.s.now_ns, "runway_hours", COMES_NEVER);
    w.bucket = push_bucket(&w.s, w.account, "b");
    push_bytes(&w.s, w.account, w.bucket, "b", CLASS_STANDARD, 3000 * GIB, 0);
    walk_run(&w);
    /* At once: 3000 GiB x 0.118 / 30 = 11.8 a day, and one request (0.000001). */
    assert_status(w.m, "acme", w.s.now_ns, "burn_per_day", "11.800001");
    double runway = (11800 - 0.000001) / 11.800001 * 24;
    assert_hours(w.m, "acme", w.s.now_ns, "runway_hours", runway);
    assert_stage(&w, "active", runway + 24, runway + 120 * 24);
    /* What is read counts for 24 hours. */
    push_reads(&w.s, w.account, w.bucket, "b", 200, 0, (uint64_t)(2 * GIB), ITEM_EGRESS_INTERNET);
    walk_run(&w);
    assert_status(w.m, "acme", w.s.now_ns, "burn_per_day", "12.800001");
    advance(&w.s, 23 * HOUR_NS);
    walk_run(&w);
    assert_status(w.m, "acme", w.s.now_ns, "burn_per_day", "12.800001");
    advance(&w.s, 3 * DAY_NS); /* by then it is neither of the last day nor of most days */
    walk_run(&w);
    assert_status(w.m, "acme", w.s.now_ns, "burn_per_day", "11.80");
    assert_int_equal(meter_reload(w.m, NULL), RC_OK);
    assert_status(w.m, "acme", w.s.now_ns, "burn_per_day", "11.80");
    walk_end(&w);
}

static void default_is_metered_and_never_charged(void **state)
{
    (void)state;
    struct script s = {.now_ns = NOV_2026_CST * NS_PER_S};
    uint64_t b = push_bucket(&s, ACCOUNT_DEFAULT, "mine");
    push_bytes(&s, ACCOUNT_DEFAULT, b, "mine", CLASS_STANDARD, 500 * GIB, 1);
    advance(&s, 200 * DAY_NS);
    struct meter *m = applied(&s);
    assert_status(m, "default", s.now_ns, "balance", "0.00");
    assert_status(m, "default", s.now_ns, "burn_per_day", "0.00");
    assert_status(m, "default", s.now_ns, "stage", "active");
    assert_hours(m, "default", s.now_ns, "hours_to_destroy", COMES_NEVER);
    json_t *st = statement_of(m, "default", "2026-11", s.now_ns);
    assert_line(st, "storage.STANDARD", "mine", 0, "GB-month");
    /* From the first tick, five minutes into the month, to its end. */
    double want = 500.0 * (30 * 288 - 1) / (30 * 288);
    double got = strtod(text_of(line_of(st, "storage.STANDARD", "mine"), "quantity"), NULL);
    assert_true(got > want - 1e-9 && got < want + 1e-9);
    json_decref(st);
    meter_close(m);
    script_free(&s);
}

static void each_change_of_stage_is_handed_out_once_and_its_record_is_refused_twice(void **state)
{
    (void)state;
    struct walk w;
    struct buf b = BUF(4096);
    struct arena a = ARENA(4096);
    struct account_rec r;
    enum rec_type type = REC_TICK;
    walk_begin(&w);
    assert_int_equal(meter_take_notes(w.m, &type, &b), RC_END);
    push_bucket(&w.s, w.account, "b");
    advance(&w.s, TICK_NS);
    uint64_t cause = w.s.rec[w.s.n - 1].seq;
    walk_run(&w);
    assert_int_equal(meter_take_notes(w.m, &type, &b), RC_OK);
    assert_int_equal(account_rec_decode(REC_STAGE, buf_view(&b), &a, &r), RC_OK);
    assert_int_equal(r.account, w.account);
    assert_int_equal(r.stage, STAGE_WARN);
    assert_int_equal(r.cause, cause);
    assert_true(view_eqs(r.name, "acme"));
    assert_int_equal(meter_take_notes(w.m, &type, &b), RC_END);
    assert_int_equal(meter_reload(w.m, NULL), RC_OK); /* a restart before the record was written: offered again */
    buf_clear(&b);
    assert_int_equal(meter_take_notes(w.m, &type, &b), RC_OK);
    uint64_t first = push(&w.s, REC_STAGE, &b);
    push(&w.s, REC_STAGE, &b);
    walk_run(&w);
    struct sql_stmt *q;
    assert_int_equal(sql_query(w.m->sql, NULL, &q, "SELECT recorded_seq FROM stage_change", ""), RC_OK);
    assert_int_equal(sql_next(q, NULL), RC_OK);
    assert_int_equal(sql_i64(q, 0), first);
    sql_done(q);
    assert_int_equal(meter_reload(w.m, NULL), RC_OK);
    assert_int_equal(meter_take_notes(w.m, &type, &b), RC_END);
    buf_free(&b);
    arena_free(&a);
    walk_end(&w);
}

/* ---- top-ups ---- */

static void a_repeated_ref_is_paid_once(void **state)
{
    (void)state;
    struct walk w;
    walk_begin(&w);
    push_topup(&w.s, w.account, 5 * MONEY_NANO, "R-7");
    push_topup(&w.s, w.account, 5 * MONEY_NANO, "R-7");
    walk_run(&w);
    push_topup(&w.s, w.account, 5 * MONEY_NANO, "R-7");
    push_topup(&w.s, w.account, MONEY_NANO, "R-8");
    walk_run(&w);
    assert_status(w.m, "acme", w.s.now_ns, "balance", "6.00");
    walk_end(&w);
}

static enum rc check_topup(struct meter *m, const char *name, int64_t nano, const char *ref, bool *repeat,
                           struct err *e)
{
    struct account_rec r = {.type = REC_TOPUP, .amount_nano = nano, .ref = view_cstr(ref)};
    return meter_check(m, view_cstr(name), &r, repeat, e);
}

static void a_topup_past_the_range_of_money_is_refused_and_poisons_nothing(void **state)
{
    (void)state;
    struct walk w;
    bool repeat;
    struct err e = {.text = ""};
    walk_begin(&w);
    assert_int_equal(check_topup(w.m, "acme", INT64_MAX, "R", &repeat, &e), RC_OK);
    assert_false(repeat);
    push_topup(&w.s, w.account, INT64_MAX, "");
    walk_run(&w);
    assert_int_equal(check_topup(w.m, "acme", 1, "", &repeat, &e), RC_LIMIT);
    push_topup(&w.s, w.account, 1, "");
    walk_run(&w);
    assert_status(w.m, "acme", w.s.now_ns, "balance", "9223372036.854775807");
    assert_int_equal(check_topup(w.m, "acme", 0, "", &repeat, &e), RC_INVALID);
    assert_int_equal(check_topup(w.m, "acme", -5, "", &repeat, &e), RC_INVALID);
    assert_int_equal(check_topup(w.m, "nobody", 5, "", &repeat, &e), RC_NOT_FOUND);
    assert_int_equal(check_topup(w.m, "default", 5, "", &repeat, &e), RC_INVALID);
    walk_end(&w);
}

static void a_repeat_is_told_from_a_ref_that_was_used_for_something_else(void **state)
{
    (void)state;
    struct walk w;
    bool repeat;
    struct err e = {.text = ""};
    walk_begin(&w);
    push_topup(&w.s, w.account, 5 * MONEY_NANO, "R-7");
    walk_run(&w);
    assert_int_equal(check_topup(w.m, "acme", 5 * MONEY_NANO, "R-7", &repeat, &e), RC_OK);
    assert_true(repeat);
    assert_int_equal(check_topup(w.m, "acme", 6 * MONEY_NANO, "R-7", &repeat, &e), RC_CONFLICT);
    assert_non_null(strstr(e.text, "R-7"));
    struct account_rec r = {.type = REC_MONEY,
                            .money = MONEY_CHARGE,
                            .amount_nano = 5 * MONEY_NANO,
                            .ref = VIEW("R-7"),
                            .note = VIEW("support")};
    assert_int_equal(meter_check(w.m, VIEW("acme"), &r, &repeat, &e), RC_CONFLICT);
    walk_end(&w);
}

static enum rc check_account(struct meter *m, struct view name, struct view currency, struct view prices,
                             struct view timetable, struct err *e)
{
    struct account_rec r = {
        .type = REC_ACCOUNT, .name = name, .currency = currency, .prices = prices, .timetable = timetable};
    bool repeat;
    return meter_check(m, VIEW(""), &r, &repeat, e);
}

static void accounts_are_checked_before_they_are_recorded(void **state)
{
    (void)state;
    struct walk w;
    struct err e;
    const struct view cos = VIEW("tencent-cos"), cny = VIEW("CNY");
    walk_begin(&w);
    assert_int_equal(check_account(w.m, VIEW("new"), cny, cos, cos, &e), RC_OK);
    assert_int_equal(check_account(w.m, VIEW("acme"), cny, cos, cos, &e), RC_EXISTS);
    assert_int_equal(check_account(w.m, VIEW("default"), cny, cos, cos, &e), RC_EXISTS);
    static const char *const bad[] = {
        "", "Acme", "-a", "a b", "a/b", "äcme", "0123456789012345678901234567890123456789012345678901234567890123"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(check_account(w.m, view_cstr(bad[i]), cny, cos, cos, &e), RC_INVALID);
    assert_int_equal(check_account(w.m, VIEW("new"), VIEW("USD"), cos, cos, &e), RC_INVALID);
    assert_int_equal(check_account(w.m, VIEW("new"), cny, VIEW("x"), cos, &e), RC_INVALID);
    assert_int_equal(check_account(w.m, VIEW("new"), cny, cos, VIEW("x"), &e), RC_INVALID);
    walk_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_month_costs_what_the_price_list_says_to_the_last_unit),
        cmocka_unit_test(months_without_data_and_wrong_months),
        cmocka_unit_test(half_a_nano_is_rounded_up_per_bucket_and_hour),
        cmocka_unit_test(one_sample_in_five_minutes_however_many_ticks_and_none_for_a_tick_that_never_came),
        cmocka_unit_test(directions_classes_and_failed_requests_have_their_own_lines),
        cmocka_unit_test(an_unpaid_account_walks_to_purgeable_and_a_topup_lifts_it_at_once),
        cmocka_unit_test(hours_follow_the_balance_and_the_burn),
        cmocka_unit_test(default_is_metered_and_never_charged),
        cmocka_unit_test(each_change_of_stage_is_handed_out_once_and_its_record_is_refused_twice),
        cmocka_unit_test(a_repeated_ref_is_paid_once),
        cmocka_unit_test(a_topup_past_the_range_of_money_is_refused_and_poisons_nothing),
        cmocka_unit_test(a_repeat_is_told_from_a_ref_that_was_used_for_something_else),
        cmocka_unit_test(accounts_are_checked_before_they_are_recorded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
