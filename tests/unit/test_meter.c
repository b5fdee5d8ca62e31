/* The meter: what the records cost, to the last unit, whenever and however often they are read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "meter/meter_priv.h"
#include "os/sim.h"

#define GIB ((int64_t)1 << 30)
#define HOUR_NS (3600 * NS_PER_S)
#define DAY_NS (24 * HOUR_NS)
#define TICK_NS (300 * NS_PER_S)
#define NOV_2026_CST 1793462400LL /* 2026-10-31T16:00:00Z: November begins in UTC+8 */

/* ---- records in memory ---- */

struct script {
    struct journal_rec *rec;
    size_t n, size;
    int64_t now_ns;
};

static uint64_t push(struct script *s, enum rec_type type, const struct buf *payload)
{
    if (s->n == s->size) {
        s->size = s->size ? 2 * s->size : 1024;
        s->rec = realloc(s->rec, s->size * sizeof(*s->rec));
        assert_non_null(s->rec);
    }
    char *copy = malloc(payload && payload->n ? payload->n : 1);
    assert_non_null(copy);
    if (payload && payload->n)
        memcpy(copy, payload->p, payload->n);
    struct journal_rec *r = &s->rec[s->n];
    *r = (struct journal_rec){.seq = s->n + 2, .time_ns = s->now_ns, .type = type,
                              .payload = view_of(copy, payload ? payload->n : 0)};
    s->n++;
    return r->seq;
}

static void script_free(struct script *s)
{
    for (size_t i = 0; i < s->n; i++)
        free((void *)s->rec[i].payload.p);
    free(s->rec);
}

static uint64_t push_account_rec(struct script *s, const struct account_rec *r)
{
    struct buf b = BUF(1 << 20);
    assert_int_equal(account_rec_encode(r, &b), RC_OK);
    uint64_t seq = push(s, r->type, &b);
    buf_free(&b);
    return seq;
}

static uint64_t push_account(struct script *s, const char *name)
{
    const struct account_rec r = {.type = REC_ACCOUNT, .name = view_cstr(name), .currency = VIEW("CNY"),
                                  .prices = VIEW("tencent-cos"), .timetable = VIEW("tencent-cos")};
    return push_account_rec(s, &r);
}

static uint64_t push_topup(struct script *s, uint64_t account, int64_t nano, const char *ref)
{
    const struct account_rec r = {.type = REC_TOPUP, .account = account, .amount_nano = nano, .ref = view_cstr(ref)};
    return push_account_rec(s, &r);
}

static uint64_t push_cat(struct script *s, const struct cat_rec *r)
{
    struct buf b = BUF(1 << 20);
    assert_int_equal(cat_rec_encode(r, &b), RC_OK);
    uint64_t seq = push(s, r->type, &b);
    buf_free(&b);
    return seq;
}

static uint64_t push_bucket(struct script *s, uint64_t account, const char *name)
{
    const struct cat_rec r = {.type = REC_BUCKET, .account = account, .bucket_name = view_cstr(name), .requests = 1};
    return push_cat(s, &r);
}

static void push_bytes(struct script *s, uint64_t account, uint64_t bucket, const char *name, enum storage_class class,
                       int64_t bytes, uint64_t requests)
{
    struct cat_rec r = {.type = bytes < 0 ? REC_DELETE : REC_OBJECT, .account = account, .bucket = bucket,
                        .bucket_name = view_cstr(name), .key = VIEW("k"), .class = class, .requests = requests,
                        .n_delta = 1};
    r.delta[0] = (struct cat_delta){.class = class, .bytes = bytes, .objects = bytes < 0 ? -1 : 1};
    push_cat(s, &r);
}

static void push_reads(struct script *s, uint64_t account, uint64_t bucket, const char *name, unsigned status,
                       uint64_t requests, uint64_t egress, enum price_item direction)
{
    const struct usage_line line = {.account = account, .bucket = bucket, .bucket_name = view_cstr(name),
                                    .access_key = VIEW("HFKEY"), .status = status, .requests = requests,
                                    .egress_bytes = egress, .egress = direction};
    const struct account_rec r = {.type = REC_USAGE, .usage = &line, .n_usage = 1};
    push_account_rec(s, &r);
}

static uint64_t push_tick(struct script *s)
{
    return push(s, REC_TICK, NULL);
}

/* Every tick up to now + by, as advancing the clock does. */
static void advance(struct script *s, int64_t by_ns)
{
    int64_t until = s->now_ns + by_ns;
    for (int64_t t = s->now_ns / TICK_NS * TICK_NS + TICK_NS; t <= until; t += TICK_NS) {
        s->now_ns = t;
        push_tick(s);
    }
    s->now_ns = until;
}

/* ---- meters ---- */

static struct meter *meter_in_memory(void)
{
    const struct meter_cfg cfg = {.inert = true};
    struct meter *m;
    struct err e = {.text = ""};
    if (meter_open(os_real(), NULL, NULL, &cfg, &m, &e) != RC_OK)
        fail_msg("%s", e.text);
    return m;
}

static void apply_from(struct meter *m, const struct script *s, size_t from, size_t to)
{
    struct err e = {.text = ""};
    for (size_t i = from; i < to; i++) {
        if (meter_apply(m, &s->rec[i], &e) != RC_OK)
            fail_msg("record %zu: %s", i, e.text);
    }
}

static struct meter *applied(const struct script *s)
{
    struct meter *m = meter_in_memory();
    apply_from(m, s, 0, s->n);
    assert_int_equal(meter_commit(m, NULL), RC_OK);
    return m;
}

static const char *text_of(const json_t *o, const char *key)
{
    const char *t = json_string_value(json_object_get(o, key));
    if (!t)
        fail_msg("no text %s", key);
    return t;
}

static json_t *status_of(struct meter *m, const char *name, int64_t now_ns)
{
    json_t *o;
    struct err e = {.text = ""};
    if (meter_account_json(m, view_cstr(name), now_ns, &o, &e) != RC_OK)
        fail_msg("%s", e.text);
    return o;
}

static void assert_status(struct meter *m, const char *name, int64_t now_ns, const char *key, const char *want)
{
    json_t *o = status_of(m, name, now_ns);
    assert_string_equal(text_of(o, key), want);
    json_decref(o);
}

/* NaN stands for null. */
static void assert_hours(struct meter *m, const char *name, int64_t now_ns, const char *key, double want)
{
    json_t *o = status_of(m, name, now_ns), *h = json_object_get(o, key);
    if (want != want) {
        assert_true(json_is_null(h));
    } else {
        double got = json_number_value(h);
        assert_true(json_is_number(h));
        if (got < want - 1e-6 || got > want + 1e-6)
            fail_msg("%s: %f, not %f", key, got, want);
    }
    json_decref(o);
}
#define COMES_NEVER (0.0 / 0.0)

static json_t *statement_of(struct meter *m, const char *name, const char *month, int64_t now_ns)
{
    json_t *o;
    struct err e = {.text = ""};
    if (meter_statement_json(m, view_cstr(name), view_cstr(month), now_ns, &o, &e) != RC_OK)
        fail_msg("%s", e.text);
    return o;
}

/* NULL when there is none. */
static json_t *line_of(json_t *statement, const char *item, const char *bucket)
{
    json_t *lines = json_object_get(statement, "lines");
    for (size_t i = 0; i < json_array_size(lines); i++) {
        json_t *l = json_array_get(lines, i);
        if (strcmp(text_of(l, "item"), item) == 0 && strcmp(text_of(l, "bucket"), bucket) == 0)
            return l;
    }
    return NULL;
}

static void digest_of(struct meter *m, uint8_t digest[32])
{
    struct err e = {.text = ""};
    if (meter_digest(m, digest, &e) != RC_OK)
        fail_msg("%s", e.text);
}

/* ---- the hand-computed month ---- */

/* Half-up at 10^-9, from first principles: amount = quantity * nano_price / divisor. */
static int64_t by_hand(unsigned __int128 quantity, int64_t nano_price, unsigned __int128 divisor)
{
    return (int64_t)((quantity * (unsigned __int128)nano_price * 2 + divisor) / (divisor * 2));
}

#define STORAGE_DIVISOR ((unsigned __int128)30 * 288 * GIB)
#define STORAGE_NANO 118000000 /* 0.118 CNY */

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

static unsigned roll(unsigned *seed)
{
    *seed = *seed * 1103515245u + 12345u;
    return *seed >> 8;
}

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
            push_reads(&w->s, w->account, w->bucket[b], month_buckets[b], n % 2 ? 2 : 4, n, bytes, ITEM_EGRESS_INTERNET);
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
        w->s.now_ns = NOV_2026_CST * NS_PER_S + tick * TICK_NS + roll(&w->seed) % 3; /* the journal may raise it a little */
        push_tick(&w->s);
        for (unsigned b = 0; b < 2; b++) {
            if (tick % 12 == 0)
                hand_close(&w->hand[b]);
            if (tick < 30 * 288)
                w->hand[b].samples += (unsigned __int128)w->hand[b].stored;
        }
    }
}

static void assert_line(json_t *statement, const char *item, const char *bucket, int64_t amount, const char *unit)
{
    char text[MONEY_TEXT_MAX];
    json_t *l = line_of(statement, item, bucket);
    if (!l)
        fail_msg("no line %s of %s", item, bucket);
    assert_string_equal(text_of(l, "amount"), money_text(amount, text));
    assert_string_equal(text_of(l, "unit"), unit);
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
    /* 1 / 2 nano of egress: 2^30 bytes cost 5 * 10^8 nano; no whole number of bytes costs half a nano, 1.07 is the least
     * that is rounded up from above half and 1 byte (0.4657 nano) is below. Two buckets of one byte stay at 0; one
     * bucket of two bytes costs 1. */
    for (unsigned i = 0; i < 2; i++) {
        uint64_t b = push_bucket(&s, account, i ? "b1" : "b0");
        push_reads(&s, account, b, i ? "b1" : "b0", 2, 0, 1, ITEM_EGRESS_INTERNET);
    }
    uint64_t c = push_bucket(&s, account, "c");
    push_reads(&s, account, c, "c", 2, 0, 1, ITEM_EGRESS_INTERNET);
    push_reads(&s, account, c, "c", 2, 0, 1, ITEM_EGRESS_INTERNET);
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

static void directions_classes_and_failed_requests_have_their_own_lines(void **state)
{
    (void)state;
    struct script s = {.now_ns = NOV_2026_CST * NS_PER_S};
    uint64_t account = push_account(&s, "acme");
    uint64_t b = push_bucket(&s, account, "b");
    push_reads(&s, account, b, "b", 2, 10, (uint64_t)GIB, ITEM_EGRESS_CDN);
    push_reads(&s, account, b, "b", 4, 5, 0, ITEM_EGRESS_INTERNET); /* failed requests cost at COS */
    push_reads(&s, account, b, "b", 5, 5, (uint64_t)GIB, ITEM_EGRESS_INTERNAL);
    push_reads(&s, account, 0, "", 2, 3, 0, ITEM_EGRESS_INTERNET); /* ListBuckets names no bucket */
    push_bytes(&s, account, b, "b", CLASS_DEEP_ARCHIVE, GIB, 1);
    push_tick(&s);
    struct meter *m = applied(&s);
    json_t *st = statement_of(m, "acme", "", s.now_ns);
    assert_line(st, "requests.STANDARD", "b", 21 * 1000, "request");
    assert_line(st, "requests.STANDARD", "", 3 * 1000, "request");
    assert_line(st, "requests.DEEP_ARCHIVE", "b", 50000, "request");
    assert_line(st, "egress.cdn", "b", 150000000, "GB");
    assert_line(st, "egress.internal", "b", 0, "GB");
    assert_line(st, "storage.DEEP_ARCHIVE", "b", by_hand((unsigned __int128)GIB, 10000000, STORAGE_DIVISOR), "GB-month");
    assert_null(line_of(st, "egress.internet", "b"));
    assert_string_equal(text_of(line_of(st, "egress.cdn", "b"), "quantity"), "1");
    assert_string_equal(text_of(line_of(st, "egress.cdn", "b"), "price"), "0.15");
    json_decref(st);
    meter_close(m);
    script_free(&s);
}

/* ---- stages ---- */

static enum rc gate(struct meter *m, uint64_t account)
{
    struct err e;
    return registry_gate(meter_registry(m), account, false, &e);
}

struct walk {
    struct script s;
    struct meter *m;
    uint64_t account, bucket;
    size_t done;
};

static void walk_run(struct walk *w)
{
    apply_from(w->m, &w->s, w->done, w->s.n);
    w->done = w->s.n;
    assert_int_equal(meter_commit(w->m, NULL), RC_OK);
}

static void walk_begin(struct walk *w)
{
    *w = (struct walk){.s = {.now_ns = NOV_2026_CST * NS_PER_S}, .m = meter_in_memory()};
    push_tick(&w->s);
    w->account = push_account(&w->s, "acme");
    walk_run(w);
}

static void walk_end(struct walk *w)
{
    meter_close(w->m);
    script_free(&w->s);
}

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
    assert_int_equal(meter_balance(w.m, meter_account_of(w.m, w.account), &owed), RC_OK);
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
    push_reads(&w.s, w.account, w.bucket, "b", 2, 0, (uint64_t)(2 * GIB), ITEM_EGRESS_INTERNET);
    walk_run(&w);
    assert_status(w.m, "acme", w.s.now_ns, "burn_per_day", "12.800001");
    advance(&w.s, 23 * HOUR_NS);
    walk_run(&w);
    assert_status(w.m, "acme", w.s.now_ns, "burn_per_day", "12.800001");
    advance(&w.s, HOUR_NS);
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
    walk_begin(&w);
    assert_int_equal(meter_take_stage(w.m, &b), RC_END);
    push_bucket(&w.s, w.account, "b");
    advance(&w.s, TICK_NS);
    uint64_t cause = w.s.rec[w.s.n - 1].seq;
    walk_run(&w);
    assert_int_equal(meter_take_stage(w.m, &b), RC_OK);
    assert_int_equal(account_rec_decode(REC_STAGE, buf_view(&b), &a, &r), RC_OK);
    assert_int_equal(r.account, w.account);
    assert_int_equal(r.stage, STAGE_WARN);
    assert_int_equal(r.cause, cause);
    assert_true(view_eqs(r.name, "acme"));
    assert_int_equal(meter_take_stage(w.m, &b), RC_END);
    assert_int_equal(meter_reload(w.m, NULL), RC_OK); /* a restart before the record was written: offered again */
    buf_clear(&b);
    assert_int_equal(meter_take_stage(w.m, &b), RC_OK);
    uint64_t first = push(&w.s, REC_STAGE, &b);
    push(&w.s, REC_STAGE, &b);
    walk_run(&w);
    struct sql_stmt *q;
    assert_int_equal(sql_query(w.m->sql, NULL, &q, "SELECT recorded_seq FROM stage_change", ""), RC_OK);
    assert_int_equal(sql_next(q, NULL), RC_OK);
    assert_int_equal(sql_i64(q, 0), first);
    sql_done(q);
    assert_int_equal(meter_reload(w.m, NULL), RC_OK);
    assert_int_equal(meter_take_stage(w.m, &b), RC_END);
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

static void a_topup_past_the_range_of_money_is_refused_and_poisons_nothing(void **state)
{
    (void)state;
    struct walk w;
    uint64_t id = 0;
    struct err e = {.text = ""};
    walk_begin(&w);
    assert_int_equal(meter_check_topup(w.m, VIEW("acme"), INT64_MAX, VIEW("R"), &id, &e), RC_OK);
    assert_int_equal(id, w.account);
    push_topup(&w.s, w.account, INT64_MAX, "");
    walk_run(&w);
    assert_int_equal(meter_check_topup(w.m, VIEW("acme"), 1, VIEW(""), &id, &e), RC_LIMIT);
    push_topup(&w.s, w.account, 1, "");
    walk_run(&w);
    assert_status(w.m, "acme", w.s.now_ns, "balance", "9223372036.854775807");
    assert_int_equal(meter_check_topup(w.m, VIEW("acme"), 0, VIEW(""), &id, &e), RC_INVALID);
    assert_int_equal(meter_check_topup(w.m, VIEW("acme"), -5, VIEW(""), &id, &e), RC_INVALID);
    assert_int_equal(meter_check_topup(w.m, VIEW("nobody"), 5, VIEW(""), &id, &e), RC_NOT_FOUND);
    assert_int_equal(meter_check_topup(w.m, VIEW("default"), 5, VIEW(""), &id, &e), RC_INVALID);
    walk_end(&w);
}

static void accounts_are_checked_before_they_are_recorded(void **state)
{
    (void)state;
    struct walk w;
    struct err e;
    const struct view cos = VIEW("tencent-cos"), cny = VIEW("CNY");
    walk_begin(&w);
    assert_int_equal(meter_check_account(w.m, VIEW("new"), cny, cos, cos, &e), RC_OK);
    assert_int_equal(meter_check_account(w.m, VIEW("acme"), cny, cos, cos, &e), RC_EXISTS);
    assert_int_equal(meter_check_account(w.m, VIEW("default"), cny, cos, cos, &e), RC_EXISTS);
    static const char *const bad[] = {"", "Acme", "-a", "a b", "a/b", "äcme",
                                      "0123456789012345678901234567890123456789012345678901234567890123"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(meter_check_account(w.m, view_cstr(bad[i]), cny, cos, cos, &e), RC_INVALID);
    assert_int_equal(meter_check_account(w.m, VIEW("new"), VIEW("USD"), cos, cos, &e), RC_INVALID);
    assert_int_equal(meter_check_account(w.m, VIEW("new"), cny, VIEW("x"), cos, &e), RC_INVALID);
    assert_int_equal(meter_check_account(w.m, VIEW("new"), cny, cos, VIEW("x"), &e), RC_INVALID);
    walk_end(&w);
}

/* ---- records that cannot be ---- */

static void a_record_that_cannot_be_understood_is_corrupt_and_changes_nothing(void **state)
{
    (void)state;
    struct walk w;
    struct buf b = BUF(1024);
    struct err e;
    uint8_t before[32], after[32];
    walk_begin(&w);
    digest_of(w.m, before);
    static const enum rec_type types[] = {REC_ACCOUNT, REC_TOPUP, REC_KEY, REC_USAGE, REC_STAGE, REC_PRICES, REC_OBJECT};
    assert_int_equal(buf_put(&b, "\x01\xff", 2), RC_OK);
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        const struct journal_rec rec = {
            .seq = w.m->cursor + 1, .time_ns = w.s.now_ns, .type = types[i], .payload = buf_view(&b)};
        assert_int_equal(meter_apply(w.m, &rec, &e), RC_CORRUPT);
        assert_non_null(strstr(e.text, "record "));
        assert_int_equal(meter_reload(w.m, NULL), RC_OK);
    }
    buf_clear(&b);
    const struct account_rec stranger = {.type = REC_TOPUP, .account = 4711, .amount_nano = 1};
    assert_int_equal(account_rec_encode(&stranger, &b), RC_OK);
    const struct journal_rec rec = {
        .seq = w.m->cursor + 1, .time_ns = w.s.now_ns, .type = REC_TOPUP, .payload = buf_view(&b)};
    assert_int_equal(meter_apply(w.m, &rec, &e), RC_CORRUPT);
    assert_int_equal(meter_reload(w.m, NULL), RC_OK);
    digest_of(w.m, after);
    assert_memory_equal(before, after, 32);
    buf_free(&b);
    walk_end(&w);
}

/* ---- replay ---- */

/* A busy fortnight: accounts, buckets that come and go, top-ups late and repeated, keys, classes. */
static void play_at_random(struct script *s, unsigned seed)
{
    uint64_t account[3], bucket[3][3] = {{0}};
    int64_t stored[3][3] = {{0}};
    static const char *const names[3] = {"a", "b", "c"};

    s->now_ns = NOV_2026_CST * NS_PER_S + 17 * NS_PER_S;
    for (unsigned i = 0; i < 3; i++)
        account[i] = push_account(s, names[i]);
    for (unsigned step = 0; step < 1500; step++) {
        unsigned i = roll(&seed) % 3, j = roll(&seed) % 3;
        switch (roll(&seed) % 8) {
        case 0:
            push_topup(s, account[i], roll(&seed) % 2000000 + 1, roll(&seed) % 2 ? "" : names[j]);
            break;
        case 1:
            push_reads(s, account[i], bucket[i][j], "x", 2 + j, roll(&seed) % 9, roll(&seed), ITEM_EGRESS_INTERNET + j);
            break;
        case 2:
            advance(s, (int64_t)(roll(&seed) % 30) * TICK_NS + (int64_t)roll(&seed) % 1000);
            break;
        case 3:
            if (bucket[i][j] && stored[i][j] == 0) {
                const struct cat_rec r = {.type = REC_BUCKET_DELETE, .account = account[i], .bucket = bucket[i][j],
                                          .requests = 1};
                push_cat(s, &r);
                bucket[i][j] = 0;
            }
            break;
        case 4:
            if (stored[i][j] > 0) {
                push_bytes(s, account[i], bucket[i][j], names[j], (enum storage_class)j, -stored[i][j], 1);
                stored[i][j] = 0;
            }
            break;
        default:
            if (!bucket[i][j])
                bucket[i][j] = push_bucket(s, account[i], names[j]);
            int64_t bytes = roll(&seed) % (1u << 22);
            push_bytes(s, account[i], bucket[i][j], names[j], (enum storage_class)j, bytes, 1);
            stored[i][j] += bytes;
        }
    }
    advance(s, 2 * HOUR_NS);
}

static void the_digest_does_not_depend_on_batching(void **state)
{
    (void)state;
    struct script s = {0};
    uint8_t want[32], got[32];
    play_at_random(&s, 11);
    struct meter *m = applied(&s);
    digest_of(m, want);
    meter_close(m);
    static const size_t batches[] = {1, 7, 100};
    for (size_t i = 0; i < sizeof(batches) / sizeof(batches[0]); i++) {
        m = meter_in_memory();
        for (size_t at = 0; at < s.n; at += batches[i]) {
            apply_from(m, &s, at, at + batches[i] < s.n ? at + batches[i] : s.n);
            assert_int_equal(meter_commit(m, NULL), RC_OK);
        }
        digest_of(m, got);
        assert_memory_equal(got, want, 32);
        meter_close(m);
    }
    script_free(&s);
}

static void what_is_asked_in_between_changes_nothing(void **state)
{
    (void)state;
    struct script s = {0};
    uint8_t want[32], got[32];
    play_at_random(&s, 12);
    struct meter *m = applied(&s);
    digest_of(m, want);
    meter_close(m);
    m = meter_in_memory();
    for (size_t i = 0; i < s.n; i++) {
        apply_from(m, &s, i, i + 1);
        if (i % 50 == 49) {
            json_t *o = statement_of(m, "default", "", s.rec[i].time_ns);
            json_decref(o);
            assert_int_equal(meter_accounts_json(m, s.rec[i].time_ns, &o, NULL), RC_OK);
            json_decref(o);
            digest_of(m, got);
        }
    }
    digest_of(m, got);
    assert_memory_equal(got, want, 32);
    meter_close(m);
    script_free(&s);
}

static void a_crash_at_any_point_replays_to_the_same_digest(void **state)
{
    (void)state;
    struct script s = {0};
    uint8_t want[32], got[32];
    unsigned seed = 99;
    play_at_random(&s, 13);
    struct meter *m = applied(&s);
    digest_of(m, want);
    meter_close(m);
    m = meter_in_memory();
    for (size_t at = 0; at < s.n;) {
        size_t to = at + roll(&seed) % 40 + 1;
        if (to > s.n)
            to = s.n;
        apply_from(m, &s, at, to);
        if (roll(&seed) % 3 == 0) { /* what was not committed is gone; memory with it */
            assert_int_equal(meter_reload(m, NULL), RC_OK);
            to = (size_t)(m->cursor > 0 ? m->cursor - 1 : 0);
        } else if (roll(&seed) % 3 == 0) {
            assert_int_equal(meter_commit(m, NULL), RC_OK);
        }
        at = to;
    }
    digest_of(m, got);
    assert_memory_equal(got, want, 32);
    meter_close(m);
    script_free(&s);
}

static void assert_ledger_is_whole(struct meter *m)
{
    struct sql_stmt *q;
    assert_int_equal(sql_query(m->sql, NULL, &q, "SELECT COUNT(*) FROM (SELECT 1 FROM posting_line GROUP BY seq, account "
                                                 "HAVING SUM(amount_nano) <> 0)",
                               ""),
                     RC_OK);
    assert_int_equal(sql_next(q, NULL), RC_OK);
    assert_int_equal(sql_i64(q, 0), 0);
    sql_done(q);
    for (size_t i = 0; i < m->n_accounts; i++) {
        int64_t nano;
        assert_int_equal(ledger_balance(m->sql, m->account[i]->id, &nano, NULL), RC_OK);
        assert_int_equal(nano, m->account[i]->balance_nano);
    }
}

static void every_posting_balances_and_sums_to_the_balance(void **state)
{
    (void)state;
    struct script s = {0};
    play_at_random(&s, 14);
    struct meter *m = applied(&s);
    assert_ledger_is_whole(m);
    meter_close(m);
    script_free(&s);
}

/* The whole database on a disk that loses power at every so many-th step of writing. */
static void power_cuts_lose_nothing_and_price_nothing_twice(void **state)
{
    (void)state;
    struct script s = {0};
    struct os_sim *sim;
    struct meter *m = NULL;
    struct meter_cfg cfg = {.data_dir = "/data", .inert = true};
    uint8_t want[32], got[32];
    unsigned seed = 5;
    size_t n;
    play_at_random(&s, 15);
    n = s.n < 4000 ? s.n : 4000;
    m = meter_in_memory();
    apply_from(m, &s, 0, n);
    digest_of(m, want);
    meter_close(m);
    assert_int_equal(os_sim_new(3, &sim), RC_OK);
    assert_int_equal(os_mkdirs(os_sim_os(sim), "/data", NULL), RC_OK);
    for (size_t at = 0, cuts = 0; at < n; cuts++) {
        struct err e = {.text = ""};
        if (meter_open(os_sim_os(sim), NULL, NULL, &cfg, &m, &e) != RC_OK)
            fail_msg("after %zu cuts: %s", cuts, e.text);
        at = (size_t)(m->cursor > 0 ? m->cursor - 1 : 0);
        if (cuts < 60)
            os_sim_crash_at(sim, roll(&seed) % 60 + 1);
        enum rc rc = RC_OK;
        while (rc == RC_OK && at < n) {
            rc = meter_apply(m, &s.rec[at], &e);
            at += rc == RC_OK;
            if (rc == RC_OK && at % 64 == 0)
                rc = meter_commit(m, &e);
        }
        if (rc == RC_OK && meter_commit(m, &e) == RC_OK) {
            os_sim_crash_at(sim, 0);
            digest_of(m, got);
        } else {
            m->failed = RC_IO; /* the process is dead: no last commit */
            at = 0;
        }
        meter_close(m);
        os_sim_power_cut(sim, cuts % 2 ? OS_SIM_LOSE_SOME : OS_SIM_LOSE_ALL);
        os_sim_crash_at(sim, 0);
    }
    assert_memory_equal(got, want, 32);
    assert_int_equal(meter_destroy(os_sim_os(sim), "/data", NULL), RC_OK);
    struct os_stat st;
    assert_int_equal(os_stat(os_sim_os(sim), "/data/control.db", &st, NULL), RC_NOT_FOUND);
    os_sim_free(sim);
    script_free(&s);
}

/* ---- books ---- */

static char *embedded_book_with(struct meter *m, const char *price)
{
    const struct price_book *b = meter_prices(m, VIEW("tencent-cos"));
    const char *at = strstr(b->id.text, "value: 0.118");
    assert_non_null(at);
    char *out = malloc(b->id.text_n + 64);
    assert_non_null(out);
    int n = snprintf(out, b->id.text_n + 64, "%.*svalue: %s%s", (int)(at - b->id.text), b->id.text, price,
                     at + strlen("value: 0.118"));
    assert_true(n > 0);
    return out;
}

static void a_recorded_price_holds_from_the_next_hour_on(void **state)
{
    (void)state;
    struct walk w;
    walk_begin(&w);
    struct buf b = BUF(1 << 20);
    unsigned taken = 0;
    while (meter_take_prices(w.m, &b) == RC_OK) {
        push(&w.s, REC_PRICES, &b);
        buf_clear(&b);
        taken++;
    }
    assert_int_equal(taken, 2); /* a price book and a timetable are built in */
    walk_run(&w);
    assert_int_equal(meter_take_prices(w.m, &b), RC_END);
    w.bucket = push_bucket(&w.s, w.account, "b");
    push_bytes(&w.s, w.account, w.bucket, "b", CLASS_STANDARD, 1000 * GIB, 0);
    advance(&w.s, 30 * 60 * NS_PER_S);
    char *dear = embedded_book_with(w.m, "0.236");
    const struct account_rec r = {.type = REC_PRICES, .name = VIEW("tencent-cos"), .text = view_cstr(dear)};
    push_account_rec(&w.s, &r);
    advance(&w.s, 30 * 60 * NS_PER_S - 1);
    walk_run(&w);
    /* Eleven samples at the old price so far: the hour that was open keeps it. */
    int64_t hour = by_hand((unsigned __int128)(1000 * GIB) * 11, STORAGE_NANO, STORAGE_DIVISOR);
    json_t *st = statement_of(w.m, "acme", "", w.s.now_ns);
    assert_line(st, "storage.STANDARD", "b", hour, "GB-month");
    json_decref(st);
    advance(&w.s, 1);
    walk_run(&w);
    hour += by_hand((unsigned __int128)(1000 * GIB), 2 * STORAGE_NANO, STORAGE_DIVISOR);
    st = statement_of(w.m, "acme", "", w.s.now_ns);
    assert_line(st, "storage.STANDARD", "b", hour, "GB-month");
    json_decref(st);
    assert_int_equal(meter_reload(w.m, NULL), RC_OK);
    st = statement_of(w.m, "acme", "", w.s.now_ns);
    assert_line(st, "storage.STANDARD", "b", hour, "GB-month");
    json_decref(st);
    buf_clear(&b); /* the built-in text is not what the journal said last, so it is offered once more */
    w.m->slot[0].offered = w.m->slot[1].offered = 0;
    assert_int_equal(meter_take_prices(w.m, &b), RC_OK);
    free(dear);
    buf_free(&b);
    walk_end(&w);
}

static void an_override_with_a_mistake_stops_the_opening_with_its_place(void **state)
{
    (void)state;
    struct os_sim *sim;
    struct meter *m;
    struct meter_cfg cfg = {.data_dir = "/data", .inert = true};
    struct err e = {.text = ""};
    assert_int_equal(os_sim_new(3, &sim), RC_OK);
    assert_int_equal(os_mkdirs(os_sim_os(sim), "/data/prices", NULL), RC_OK);
    m = meter_in_memory();
    char *cheap = embedded_book_with(m, "0.059");
    meter_close(m);
    assert_int_equal(os_write_file(os_sim_os(sim), "/data/prices/tencent-cos.yaml", view_cstr(cheap), NULL), RC_OK);
    assert_int_equal(meter_open(os_sim_os(sim), NULL, NULL, &cfg, &m, &e), RC_OK);
    assert_int_equal(meter_prices(m, VIEW("tencent-cos"))->rate[0].price.num, 59);
    meter_close(m);
    assert_int_equal(os_write_file(os_sim_os(sim), "/data/prices/mine.yaml", view_cstr(cheap), NULL), RC_OK);
    assert_int_equal(meter_open(os_sim_os(sim), NULL, NULL, &cfg, &m, &e), RC_INVALID); /* its name says otherwise */
    assert_non_null(strstr(e.text, "/data/prices/mine.yaml:1:1"));
    assert_int_equal(os_write_file(os_sim_os(sim), "/data/prices/mine.yaml", VIEW("name: mine\nx: 1\n"), NULL), RC_OK);
    assert_int_equal(meter_open(os_sim_os(sim), NULL, NULL, &cfg, &m, &e), RC_INVALID);
    assert_non_null(strstr(e.text, "/data/prices/mine.yaml:"));
    free(cheap);
    os_sim_free(sim);
}

/* ---- keys, gauges, notes ---- */

static void keys_are_listed_with_their_times(void **state)
{
    (void)state;
    struct walk w;
    json_t *keys;
    struct err e;
    walk_begin(&w);
    const struct account_rec a = {.type = REC_KEY, .account = w.account, .access_key = VIEW("HFA")};
    const struct account_rec b = {.type = REC_KEY, .account = ACCOUNT_DEFAULT, .access_key = VIEW("HFB")};
    const struct account_rec gone = {.type = REC_KEY_REVOKE, .access_key = VIEW("HFA")};
    push_account_rec(&w.s, &a);
    push_account_rec(&w.s, &b);
    w.s.now_ns += NS_PER_S;
    push_account_rec(&w.s, &gone);
    walk_run(&w);
    assert_int_equal(meter_keys_json(w.m, VIEW(""), &keys, &e), RC_OK);
    assert_int_equal(json_array_size(keys), 2);
    assert_string_equal(text_of(json_array_get(keys, 0), "access_key"), "HFA");
    assert_string_equal(text_of(json_array_get(keys, 0), "account"), "acme");
    assert_string_equal(text_of(json_array_get(keys, 0), "created"), "2026-10-31T16:00:00Z");
    assert_string_equal(text_of(json_array_get(keys, 0), "revoked"), "2026-10-31T16:00:01Z");
    assert_true(json_is_null(json_object_get(json_array_get(keys, 1), "revoked")));
    json_decref(keys);
    assert_int_equal(meter_keys_json(w.m, VIEW("acme"), &keys, &e), RC_OK);
    assert_int_equal(json_array_size(keys), 1);
    json_decref(keys);
    assert_int_equal(meter_keys_json(w.m, VIEW("nobody"), &keys, &e), RC_NOT_FOUND);
    walk_end(&w);
}

static void gauges_show_bytes_balance_and_stage(void **state)
{
    (void)state;
    struct walk w;
    struct arena a = ARENA(1 << 16);
    struct meter_gauge *g;
    size_t n;
    walk_begin(&w);
    push_topup(&w.s, w.account, 5, "");
    w.bucket = push_bucket(&w.s, w.account, "b");
    push_bytes(&w.s, w.account, w.bucket, "b", CLASS_STANDARD, 100, 0);
    push_bytes(&w.s, w.account, w.bucket, "b", CLASS_ARCHIVE, 11, 0);
    walk_run(&w);
    assert_int_equal(meter_gauges(w.m, &a, &g, &n), RC_OK);
    assert_int_equal(n, 2);
    assert_string_equal(g[0].name, "default");
    assert_string_equal(g[1].name, "acme");
    assert_string_equal(g[1].currency, "CNY");
    assert_int_equal(g[1].stored_bytes, 111);
    assert_int_equal(g[1].balance_nano, 5 - 1000);
    arena_free(&a);
    walk_end(&w);
}

#define NOTE_THREADS 4
#define NOTES_EACH 20000

static void *note_many(void *ctx)
{
    struct meter *m = ctx;
    char key[16], bucket[16];
    for (unsigned i = 0; i < NOTES_EACH; i++) {
        snprintf(key, sizeof(key), "HF%u", i % 7);
        snprintf(bucket, sizeof(bucket), "b%u", i % 5);
        const struct meter_event ev = {.account = 1 + i % 2, .bucket = 10 + i % 5, .bucket_name = view_cstr(bucket),
                                       .access_key = view_cstr(key), .http_status = 200 + 100 * (i % 3),
                                       .egress_bytes = i % 3, .egress = ITEM_EGRESS_INTERNET};
        meter_note(m, &ev);
    }
    return NULL;
}

static void take_all(struct meter *m, uint64_t *requests, uint64_t *bytes)
{
    struct buf b = BUF(JOURNAL_PAYLOAD_MAX);
    struct arena a = ARENA(16 << 20);
    struct account_rec r;
    enum rc rc;
    while ((rc = meter_take_usage(m, &b)) == RC_OK) {
        assert_int_equal(account_rec_decode(REC_USAGE, buf_view(&b), &a, &r), RC_OK);
        for (size_t i = 0; i < r.n_usage; i++) {
            *requests += r.usage[i].requests;
            *bytes += r.usage[i].egress_bytes;
        }
        buf_clear(&b);
    }
    assert_int_equal(rc, RC_END);
    buf_free(&b);
    arena_free(&a);
}

static void notes_from_many_threads_are_all_in_the_sums(void **state)
{
    (void)state;
    struct meter *m = meter_in_memory();
    pthread_t t[NOTE_THREADS];
    uint64_t requests = 0, bytes = 0;
    for (unsigned i = 0; i < NOTE_THREADS; i++)
        assert_int_equal(os_thread(&t[i], "notes", note_many, m), RC_OK);
    for (unsigned i = 0; i < 20; i++)
        take_all(m, &requests, &bytes);
    for (unsigned i = 0; i < NOTE_THREADS; i++)
        pthread_join(t[i], NULL);
    take_all(m, &requests, &bytes);
    assert_int_equal(requests, NOTE_THREADS * NOTES_EACH);
    assert_int_equal(bytes, (uint64_t)NOTE_THREADS * (NOTES_EACH - (NOTES_EACH + 2) / 3 + NOTES_EACH / 3));
    meter_close(m);
}

static void more_sums_than_a_minute_may_hold_keep_their_money(void **state)
{
    (void)state;
    struct meter *m = meter_in_memory();
    uint64_t requests = 0, bytes = 0;
    const unsigned n = 150000;
    char key[16];
    for (unsigned i = 0; i < n; i++) {
        snprintf(key, sizeof(key), "HF%u", i);
        const struct meter_event ev = {.account = 1, .bucket = 9, .bucket_name = VIEW("b"), .access_key = view_cstr(key),
                                       .http_status = 200, .egress_bytes = 3, .egress = ITEM_EGRESS_INTERNET};
        meter_note(m, &ev);
    }
    const struct meter_event nobody = {.http_status = 403};
    meter_note(m, &nobody); /* no account: nobody pays */
    take_all(m, &requests, &bytes);
    assert_int_equal(requests, n);
    assert_int_equal(bytes, 3 * n);
    meter_close(m);
}

/* ---- with a journal ---- */

struct store_world {
    struct os_sim *sim;
    struct os *os;
    struct diskset *disks;
    struct journal *journal;
};

static void store_open(struct store_world *w)
{
    static const char *const paths[] = {"/disk1", "/disk2"};
    const struct diskset_cfg cfg = {.data_dir = "/data", .paths = paths, .n_paths = 2};
    struct journal_report report;
    struct err e = {.text = ""};
    if (diskset_open(w->os, &cfg, &w->disks, &e) != RC_OK ||
        journal_open(w->os, w->disks, NULL, &w->journal, &report, &e) != RC_OK)
        fail_msg("%s", e.text);
}

static void store_append(struct store_world *w, const struct script *s, size_t from, size_t to)
{
    struct journal_rec got;
    for (size_t i = from; i < to;) {
        assert_int_equal(journal_begin(w->journal, false, NULL), RC_OK);
        for (size_t end = i + 100 < to ? i + 100 : to; i < end; i++)
            assert_int_equal(journal_stage(w->journal, s->rec[i].type, s->rec[i].time_ns, s->rec[i].payload, VIEW(""), &got,
                                           NULL),
                             RC_OK);
        assert_int_equal(journal_commit(w->journal, NULL), RC_OK);
    }
}

static void *ask_all_the_time(void *ctx)
{
    struct meter *m = ctx;
    for (unsigned i = 0; i < 200; i++) {
        struct caller c;
        struct err e;
        json_t *o;
        assert_int_equal(meter_accounts_json(m, NOV_2026_CST * NS_PER_S, &o, NULL), RC_OK);
        json_decref(o);
        (void)registry_key(meter_registry(m), VIEW("HFNONE"), &c);
        (void)registry_gate(meter_registry(m), ACCOUNT_DEFAULT, true, &e);
    }
    return NULL;
}

static void the_thread_follows_the_journal_and_a_replay_agrees(void **state)
{
    (void)state;
    struct store_world w = {0};
    struct script s = {0};
    struct meter *m;
    struct meter_cfg live = {.data_dir = "/data"}, replay = {.inert = true};
    uint8_t a[32], b[32];
    pthread_t asker;
    assert_int_equal(os_sim_new(3, &w.sim), RC_OK);
    w.os = os_sim_os(w.sim);
    store_open(&w);
    uint64_t base = journal_durable(w.journal);
    s.now_ns = NOV_2026_CST * NS_PER_S;
    uint64_t account = base + 1; /* ids are sequences, and the journal has made records of its own */
    push_account(&s, "acme");
    push_topup(&s, account, 1000000, "R");
    for (unsigned i = 0; i < 40; i++) {
        push_bytes(&s, account, 500, "b", CLASS_STANDARD, GIB, 1);
        advance(&s, HOUR_NS);
    }
    assert_int_equal(meter_open(w.os, w.journal, NULL, &live, &m, NULL), RC_OK);
    assert_int_equal(os_thread(&asker, "asker", ask_all_the_time, m), RC_OK);
    for (size_t at = 0; at < s.n; at += 97) {
        store_append(&w, &s, at, at + 97 < s.n ? at + 97 : s.n);
        if (at % 2)
            assert_int_equal(meter_wait(m, journal_durable(w.journal), NULL), RC_OK);
    }
    assert_int_equal(meter_wait(m, journal_durable(w.journal), NULL), RC_OK);
    assert_int_equal(meter_cursor(m), journal_durable(w.journal));
    pthread_join(asker, NULL);
    assert_status(m, "acme", s.now_ns, "stage", "stop");
    meter_close(m);
    assert_int_equal(meter_open(w.os, w.journal, NULL, &live, &m, NULL), RC_OK); /* goes on where it was */
    assert_int_equal(meter_wait(m, journal_durable(w.journal), NULL), RC_OK);
    digest_of(m, a);
    meter_close(m);
    assert_int_equal(meter_open(w.os, w.journal, NULL, &replay, &m, NULL), RC_OK);
    while (meter_step(m, 10, NULL) == RC_OK)
        ;
    assert_int_equal(meter_cursor(m), journal_durable(w.journal));
    digest_of(m, b);
    assert_memory_equal(a, b, 32);
    meter_close(m);
    journal_close(w.journal);
    diskset_free(w.disks);
    os_sim_free(w.sim);
    script_free(&s);
}

static void a_bad_record_stops_the_reader_and_those_who_wait_are_told(void **state)
{
    (void)state;
    struct store_world w = {0};
    struct script s = {.now_ns = NOV_2026_CST * NS_PER_S};
    struct meter *m;
    struct meter_cfg live = {0};
    struct err e = {.text = ""};
    struct buf junk = BUF(16);
    assert_int_equal(os_sim_new(3, &w.sim), RC_OK);
    w.os = os_sim_os(w.sim);
    store_open(&w);
    assert_int_equal(meter_open(w.os, w.journal, NULL, &live, &m, NULL), RC_OK);
    push_account(&s, "acme");
    assert_int_equal(buf_put(&junk, "\xff", 1), RC_OK);
    push(&s, REC_TOPUP, &junk);
    store_append(&w, &s, 0, s.n);
    assert_int_equal(meter_wait(m, journal_durable(w.journal), &e), RC_IO);
    assert_non_null(strstr(e.text, "record "));
    meter_close(m);
    journal_close(w.journal);
    diskset_free(w.disks);
    os_sim_free(w.sim);
    buf_free(&junk);
    script_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_month_costs_what_the_price_list_says_to_the_last_unit),
        cmocka_unit_test(months_without_data_and_wrong_months),
        cmocka_unit_test(half_a_nano_is_rounded_up_per_bucket_and_hour),
        cmocka_unit_test(directions_classes_and_failed_requests_have_their_own_lines),
        cmocka_unit_test(an_unpaid_account_walks_to_purgeable_and_a_topup_lifts_it_at_once),
        cmocka_unit_test(hours_follow_the_balance_and_the_burn),
        cmocka_unit_test(default_is_metered_and_never_charged),
        cmocka_unit_test(each_change_of_stage_is_handed_out_once_and_its_record_is_refused_twice),
        cmocka_unit_test(a_repeated_ref_is_paid_once),
        cmocka_unit_test(a_topup_past_the_range_of_money_is_refused_and_poisons_nothing),
        cmocka_unit_test(accounts_are_checked_before_they_are_recorded),
        cmocka_unit_test(a_record_that_cannot_be_understood_is_corrupt_and_changes_nothing),
        cmocka_unit_test(the_digest_does_not_depend_on_batching),
        cmocka_unit_test(what_is_asked_in_between_changes_nothing),
        cmocka_unit_test(a_crash_at_any_point_replays_to_the_same_digest),
        cmocka_unit_test(every_posting_balances_and_sums_to_the_balance),
        cmocka_unit_test(power_cuts_lose_nothing_and_price_nothing_twice),
        cmocka_unit_test(a_recorded_price_holds_from_the_next_hour_on),
        cmocka_unit_test(an_override_with_a_mistake_stops_the_opening_with_its_place),
        cmocka_unit_test(keys_are_listed_with_their_times),
        cmocka_unit_test(gauges_show_bytes_balance_and_stage),
        cmocka_unit_test(notes_from_many_threads_are_all_in_the_sums),
        cmocka_unit_test(more_sums_than_a_minute_may_hold_keep_their_money),
        cmocka_unit_test(the_thread_follows_the_journal_and_a_replay_agrees),
        cmocka_unit_test(a_bad_record_stops_the_reader_and_those_who_wait_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
