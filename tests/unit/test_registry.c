/* Promises of the registry: what a stage's rule lets through, and quotas that no number of clients passes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>

#include "account/registry.h"

#define HOUR_NS (3600 * NS_PER_S)
#define UTC8_S (8 * 3600)
#define THREADS 8
#define ROUNDS 500

static const struct timetable timetable = {.words = "In arrears."};

static int set_up(void **state)
{
    struct registry *r;
    assert_int_equal(registry_new(NULL, &r), RC_OK);
    assert_int_equal(registry_add_account(r, 7, VIEW("acme"), VIEW("CNY"), &timetable, UTC8_S), RC_OK);
    *state = r;
    return 0;
}

static int tear_down(void **state)
{
    registry_free(*state);
    return 0;
}

static void set_quota(struct registry *r, const char *bucket, uint64_t bytes, uint64_t objects, uint64_t requests,
                      uint64_t egress)
{
    const uint64_t limit[QUOTA_LIMITS] = {bytes, objects, requests, egress};
    assert_int_equal(registry_set_quota(r, 7, view_cstr(bucket), limit), RC_OK);
}

static enum rc take(struct registry *r, const char *bucket, uint64_t requests, uint64_t egress, int64_t now_ns)
{
    struct err e;
    return registry_take(r, 7, view_cstr(bucket), requests, egress, now_ns, &e);
}

/* ---- gates ---- */

static void each_rule_lets_through_what_it_says(void **state)
{
    struct registry *r = *state;
    static const bool passes[STAGE_RULES][3] = {
        /* read, write, new bucket */
        [STAGE_ALL] = {true, true, true},
        [STAGE_NO_NEW_BUCKETS] = {true, true, false},
        [STAGE_READ_ONLY] = {true, false, false},
        [STAGE_NOTHING] = {false, false, false},
        [STAGE_KEYS_INVALID] = {false, false, false},
    };
    struct err e;
    for (int rule = 0; rule < STAGE_RULES; rule++) {
        registry_set_stage(r, 7, STAGE_STOP, (enum stage_rule)rule, -1);
        for (int what = GATE_READ; what <= GATE_NEW_BUCKET; what++)
            assert_int_equal(registry_gate(r, 7, (enum gate)what, &e), passes[rule][what] ? RC_OK : RC_DENIED);
    }
    registry_set_stage(r, 7, STAGE_ACTIVE, STAGE_ALL, 0);
    assert_int_equal(registry_gate(r, 7, GATE_NEW_BUCKET, &e), RC_OK);
    assert_int_equal(registry_gate(r, 8, GATE_READ, &e), RC_DENIED); /* no such account */
}

static void a_refusal_names_the_amount_that_lifts_it(void **state)
{
    struct registry *r = *state;
    struct err e;
    registry_set_stage(r, 7, STAGE_STOP, STAGE_NOTHING, -12340000001);
    assert_int_equal(registry_gate(r, 7, GATE_READ, &e), RC_DENIED);
    assert_non_null(strstr(e.text, "In arrears."));
    assert_non_null(strstr(e.text, "acme is 12.340000001 CNY below zero"));
    assert_non_null(strstr(e.text, "at least 12.35 CNY"));
}

/* ---- stored bytes and objects ---- */

static void only_growth_past_a_limit_is_refused(void **state)
{
    struct registry *r = *state;
    struct quota_change c = {.account = 7,
                             .bucket = VIEW("photos"),
                             .bucket_bytes = 100,
                             .account_bytes = 150,
                             .bucket_objects = 1,
                             .account_objects = 1,
                             .bytes = 60,
                             .objects = 1};
    struct err e;
    assert_int_equal(registry_quota(r, &c, &e), RC_OK);
    set_quota(r, "photos", 100, QUOTA_NONE, QUOTA_NONE, QUOTA_NONE);
    assert_int_equal(registry_quota(r, &c, &e), RC_OK); /* exactly full */
    c.bucket_bytes = 101;
    assert_int_equal(registry_quota(r, &c, &e), RC_DENIED);
    assert_non_null(strstr(e.text, "bucket photos of account acme is 100 bytes: 59 are left, this needs 60"));
    assert_non_null(strstr(e.text, "holdfast quota set --account acme --bucket photos --bytes"));
    c.bytes = 0; /* above it already, by an older limit: what does not grow passes */
    assert_int_equal(registry_quota(r, &c, &e), RC_OK);
    c.bytes = -5;
    assert_int_equal(registry_quota(r, &c, &e), RC_OK);
    c.bucket = VIEW("other");
    c.bytes = 60;
    assert_int_equal(registry_quota(r, &c, &e), RC_OK);
    set_quota(r, "", 149, QUOTA_NONE, QUOTA_NONE, QUOTA_NONE); /* of the account: every bucket */
    assert_int_equal(registry_quota(r, &c, &e), RC_DENIED);
    assert_non_null(strstr(e.text, "the whole account acme is 149 bytes"));
    set_quota(r, "", QUOTA_NONE, 0, QUOTA_NONE, QUOTA_NONE);
    assert_int_equal(registry_quota(r, &c, &e), RC_DENIED);
    assert_non_null(strstr(e.text, "0 objects: 0 are left, this needs 1"));
    set_quota(r, "", QUOTA_NONE, QUOTA_NONE, QUOTA_NONE, QUOTA_NONE);
    assert_int_equal(registry_quota(r, &c, &e), RC_OK);
}

/* ---- requests and egress of a day ---- */

static void a_days_limit_holds_until_the_accounts_next_day(void **state)
{
    struct registry *r = *state;
    int64_t evening = 23 * HOUR_NS - UTC8_S * NS_PER_S + 40LL * 24 * HOUR_NS; /* 23:00 at UTC+8 */
    struct err e;
    assert_false(registry_has_quota(r, 7));
    assert_int_equal(take(r, "photos", 1000, 1000, evening), RC_OK);
    set_quota(r, "photos", QUOTA_NONE, QUOTA_NONE, 3, QUOTA_NONE);
    assert_true(registry_has_quota(r, 7));
    for (int i = 0; i < 3; i++)
        assert_int_equal(take(r, "photos", 1, 0, evening), RC_OK);
    assert_int_equal(registry_take(r, 7, VIEW("photos"), 1, 0, evening, &e), RC_DENIED);
    assert_non_null(strstr(e.text, "3 requests per day: 0 are left until 1970-02-10T16:00:00Z, this needs 1"));
    assert_int_equal(take(r, "photos", 0, 50, evening), RC_OK); /* egress has no limit */
    assert_int_equal(take(r, "other", 1, 0, evening), RC_OK);
    assert_int_equal(take(r, "photos", 1, 0, evening + HOUR_NS - 1), RC_DENIED);
    assert_int_equal(take(r, "photos", 1, 0, evening + HOUR_NS), RC_OK);
}

static void what_is_refused_takes_nothing(void **state)
{
    struct registry *r = *state;
    set_quota(r, "", QUOTA_NONE, QUOTA_NONE, QUOTA_NONE, 100);
    set_quota(r, "photos", QUOTA_NONE, QUOTA_NONE, QUOTA_NONE, 1000);
    assert_int_equal(take(r, "photos", 1, 60, 0), RC_OK);
    assert_int_equal(take(r, "photos", 1, 41, 0), RC_DENIED); /* by the account; the bucket's stays as it was */
    assert_int_equal(take(r, "photos", 1, UINT64_MAX, 0), RC_DENIED);
    assert_int_equal(take(r, "photos", 1, 40, 0), RC_OK);
    set_quota(r, "", QUOTA_NONE, QUOTA_NONE, QUOTA_NONE, QUOTA_NONE);
    assert_int_equal(take(r, "photos", 1, 901, 0), RC_DENIED);
    assert_int_equal(take(r, "photos", 1, 900, 0), RC_OK);
}

static void a_restart_goes_on_from_what_the_day_had(void **state)
{
    struct registry *r = *state;
    int64_t day = registry_day(0, UTC8_S);
    set_quota(r, "photos", QUOTA_NONE, QUOTA_NONE, 10, 100);
    registry_seed_day(r, 7, VIEW("photos"), day, 9, 99);
    registry_seed_day(r, 7, VIEW("photos"), day - 1, 10, 100); /* yesterday's says nothing */
    registry_seed_day(r, 7, VIEW("photos"), day, 3, 3);        /* never lowered */
    registry_seed_day(r, 7, VIEW("nowhere"), day, 10, 100);
    assert_int_equal(take(r, "photos", 1, 1, 0), RC_OK);
    assert_int_equal(take(r, "photos", 1, 0, 0), RC_DENIED);
    assert_int_equal(take(r, "photos", 0, 1, 0), RC_DENIED);
    assert_int_equal(take(r, "photos", 1, 1, 24 * HOUR_NS), RC_OK);
}

static void days_before_1970_are_days_too(void **state)
{
    (void)state;
    assert_int_equal(registry_day(0, 0), 0);
    assert_int_equal(registry_day(-1, 0), -1);
    assert_int_equal(registry_day(-24 * HOUR_NS, 0), -1);
    assert_int_equal(registry_day(0, -3600), -1);
    assert_int_equal(registry_day(16 * HOUR_NS, UTC8_S), 1);
}

struct taker {
    struct registry *r;
    uint64_t requests, egress;
};

static void *take_all(void *ctx)
{
    struct taker *t = ctx;
    for (unsigned i = 0; i < ROUNDS; i++) {
        t->requests += take(t->r, "photos", 1, 0, 0) == RC_OK;
        if (take(t->r, "photos", 0, 7, 0) == RC_OK)
            t->egress += 7;
    }
    return NULL;
}

static void no_number_of_clients_passes_a_days_limit(void **state)
{
    struct registry *r = *state;
    pthread_t thread[THREADS];
    struct taker t[THREADS];
    uint64_t requests = 0, egress = 0;
    set_quota(r, "", QUOTA_NONE, QUOTA_NONE, QUOTA_NONE, 7 * 1000 + 3);
    set_quota(r, "photos", QUOTA_NONE, QUOTA_NONE, 1234, QUOTA_NONE);
    for (int i = 0; i < THREADS; i++) {
        t[i] = (struct taker){.r = r};
        assert_int_equal(pthread_create(&thread[i], NULL, take_all, &t[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(thread[i], NULL);
        requests += t[i].requests;
        egress += t[i].egress;
    }
    assert_int_equal(requests, 1234);
    assert_int_equal(egress, 7 * 1000);
}

static void many_buckets_keep_their_own_limits(void **state)
{
    struct registry *r = *state;
    char name[32];
    const uint64_t none[QUOTA_LIMITS] = {0};
    for (unsigned i = 0; i < 300; i++) {
        (void)snprintf(name, sizeof name, "bucket-%u", i);
        set_quota(r, name, QUOTA_NONE, QUOTA_NONE, i, QUOTA_NONE);
    }
    for (unsigned i = 0; i < 300; i++) {
        (void)snprintf(name, sizeof name, "bucket-%u", i);
        assert_int_equal(take(r, name, i, 0, 0), RC_OK);
        assert_int_equal(take(r, name, 1, 0, 0), RC_DENIED);
    }
    assert_int_equal(registry_set_quota(r, 99, VIEW("photos"), none), RC_NOT_FOUND);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(each_rule_lets_through_what_it_says), T(a_refusal_names_the_amount_that_lifts_it),
        T(only_growth_past_a_limit_is_refused), T(a_days_limit_holds_until_the_accounts_next_day),
        T(what_is_refused_takes_nothing),       T(a_restart_goes_on_from_what_the_day_had),
        T(days_before_1970_are_days_too),       T(no_number_of_clients_passes_a_days_limit),
        T(many_buckets_keep_their_own_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
