/* The clock of an account from what the meter knows: burn, packs ahead, dues, accounts at a cloud. */
#include "meter_money_script.h"

static void a_new_account_burns_nothing_and_never_ends(void **state)
{
    struct walk w;
    (void)state;
    walk_begin(&w);
    json_t *c = clock_of(w.m, "acme", w.s.now_ns);
    assert_string_equal(text_of(c, "burn_per_day"), "0.00");
    assert_string_equal(text_of(c, "stage"), "active");
    assert_true(json_is_null(json_object_get(c, "zero_in_hours")));
    assert_true(json_is_null(json_object_get(c, "stop_in_hours")));
    assert_string_equal(text_of(json_object_get(c, "to_prevent"), "stop"), "0.00");
    assert_int_equal(json_array_size(json_object_get(c, "ahead")), 0);
    json_decref(c);
    walk_end(&w);
}

static void stored_bytes_burn_at_once(void **state)
{
    struct walk w;
    (void)state;
    walk_begin(&w);
    push_topup(&w.s, w.account, 10 * YUAN, "t1");
    w.bucket = push_bucket(&w.s, w.account, "photos");
    push_bytes(&w.s, w.account, w.bucket, "photos", CLASS_STANDARD, 1000 * GIB, 0);
    walk_run(&w);
    json_t *c = clock_of(w.m, "acme", w.s.now_ns);
    int64_t day = by_hand((unsigned __int128)1000 * GIB * 288, STORAGE_NANO, STORAGE_DIVISOR);
    int64_t burn = nano_of(c, "burn_per_day"), balance = nano_of(c, "balance");
    assert_in_range(burn, day, day + 2000); /* and the request that made the bucket */
    assert_near(number_of(c, "zero_in_hours"), (double)balance * 24 / (double)burn);
    assert_near(number_of(c, "stop_in_hours"), number_of(c, "zero_in_hours") + 24);
    assert_near(number_of(c, "destroy_in_hours"), number_of(c, "zero_in_hours") + 120 * 24);
    assert_string_equal(text_of(c, "destroy_date"), "latest");
    /* A day's burn more than there is, at the stop. */
    assert_in_range(nano_of(json_object_get(c, "to_prevent"), "stop"), burn - 1, burn + 1);
    json_decref(c);
    walk_end(&w);
}

static void begin_burning(struct walk *w)
{
    walk_begin(w);
    push_topup(&w->s, w->account, YUAN, "t1");
    w->bucket = push_bucket(&w->s, w->account, "photos");
    push_bytes(&w->s, w->account, w->bucket, "photos", CLASS_STANDARD, 100 * GIB, 0);
    advance(&w->s, DAY_NS);
    walk_run(w);
}

/* The stage is decided by ticks, so it comes with the one behind the instant. */
static void the_stop_comes_when_the_clock_said(void **state)
{
    struct walk w;
    (void)state;
    begin_burning(&w);
    json_t *c = clock_of(w.m, "acme", w.s.now_ns);
    int64_t stop_ns = (int64_t)(number_of(c, "stop_in_hours") * (double)HOUR_NS);
    json_decref(c);
    advance(&w.s, stop_ns / TICK_NS * TICK_NS - TICK_NS);
    walk_run(&w);
    assert_status(w.m, "acme", w.s.now_ns, "stage", "warn");
    advance(&w.s, 3 * TICK_NS);
    walk_run(&w);
    assert_status(w.m, "acme", w.s.now_ns, "stage", "stop");
    assert_hours(w.m, "acme", w.s.now_ns, "hours_to_stop", 0);
    walk_end(&w);
}

static void what_prevents_the_stop_prevents_it(void **state)
{
    struct walk w;
    (void)state;
    begin_burning(&w);
    json_t *c = clock_of(w.m, "acme", w.s.now_ns);
    int64_t stop_ns = (int64_t)(number_of(c, "stop_in_hours") * (double)HOUR_NS);
    int64_t pay = nano_of(json_object_get(c, "to_prevent"), "stop");
    json_decref(c);
    push_topup(&w.s, w.account, pay, "t2");
    advance(&w.s, stop_ns + 3 * TICK_NS);
    walk_run(&w);
    assert_status(w.m, "acme", w.s.now_ns, "stage", "warn"); /* as of a moment ago */
    c = clock_of(w.m, "acme", w.s.now_ns);
    assert_true(number_of(c, "stop_in_hours") > 23);
    json_decref(c);
    walk_end(&w);
}

static void requests_and_egress_burn_as_in_the_last_day(void **state)
{
    struct walk w;
    (void)state;
    walk_begin(&w);
    w.bucket = push_bucket(&w.s, w.account, "photos");
    push_topup(&w.s, w.account, 1000 * YUAN, "t1");
    for (unsigned day = 0; day < 3; day++) {
        push_reads(&w.s, w.account, w.bucket, "photos", 200, 0, 10 * (uint64_t)GIB, ITEM_EGRESS_INTERNET);
        advance(&w.s, DAY_NS);
    }
    walk_run(&w);
    json_t *c = clock_of(w.m, "acme", w.s.now_ns);
    assert_int_equal(nano_of(c, "burn_per_day"), 5 * YUAN);
    json_decref(c);
    /* More in the last day counts at once. */
    push_reads(&w.s, w.account, w.bucket, "photos", 200, 0, 30 * (uint64_t)GIB, ITEM_EGRESS_INTERNET);
    walk_run(&w);
    c = clock_of(w.m, "acme", w.s.now_ns);
    assert_int_equal(nano_of(c, "burn_per_day"), 15 * YUAN);
    json_decref(c);
    walk_end(&w);
}

/* Sunday is quiet; the week is not. */
static void one_quiet_day_does_not_hide_the_burn(void **state)
{
    struct walk w;
    (void)state;
    walk_begin(&w);
    w.bucket = push_bucket(&w.s, w.account, "photos");
    push_topup(&w.s, w.account, 1000 * YUAN, "t1");
    for (unsigned day = 0; day < 6; day++) {
        advance(&w.s, 12 * HOUR_NS);
        push_reads(&w.s, w.account, w.bucket, "photos", 200, 0, 10 * (uint64_t)GIB, ITEM_EGRESS_INTERNET);
        advance(&w.s, 12 * HOUR_NS);
    }
    advance(&w.s, DAY_NS);
    walk_run(&w);
    json_t *c = clock_of(w.m, "acme", w.s.now_ns);
    assert_int_equal(nano_of(c, "burn_per_day"), 5 * YUAN);
    json_decref(c);
    walk_end(&w);
}

static void a_pack_that_covers_all_shows_the_cliff_ahead(void **state)
{
    struct walk w;
    (void)state;
    walk_begin(&w);
    w.bucket = push_bucket(&w.s, w.account, "photos");
    push_topup(&w.s, w.account, 10 * YUAN, "t1");
    push_pack(&w.s, w.account, "egress.internet", "100", 0, w.s.now_ns + 300 * DAY_NS);
    push_reads(&w.s, w.account, w.bucket, "photos", 200, 0, 10 * (uint64_t)GIB, ITEM_EGRESS_INTERNET);
    walk_run(&w);
    json_t *c = clock_of(w.m, "acme", w.s.now_ns), *ahead = json_array_get(json_object_get(c, "ahead"), 0);
    assert_string_equal(text_of(ahead, "what"), "pack-used-up");
    assert_true(nano_of(c, "burn_per_day") < 2000);
    assert_in_range(nano_of(ahead, "burn_per_day_after"), 5 * YUAN, 5 * YUAN + 2000);
    /* 90 of 100 GB are left: 9 days, and then 2 days of cash. */
    assert_true(number_of(c, "zero_in_hours") > 24 * 10.9 && number_of(c, "zero_in_hours") < 24 * 11.1);
    json_decref(c);
    walk_end(&w);
}

static void a_storage_pack_lasts_as_long_as_the_bytes_say(void **state)
{
    struct walk w;
    (void)state;
    walk_begin(&w);
    w.bucket = push_bucket(&w.s, w.account, "photos");
    push_topup(&w.s, w.account, YUAN, "t1");
    push_pack(&w.s, w.account, "storage.STANDARD", "10", 0, w.s.now_ns + 300 * DAY_NS);
    push_bytes(&w.s, w.account, w.bucket, "photos", CLASS_STANDARD, 30 * GIB, 0);
    walk_run(&w);
    /* 10 GB-months are 10 days of 30 GiB. */
    json_t *c = clock_of(w.m, "acme", w.s.now_ns), *ahead = json_array_get(json_object_get(c, "ahead"), 0);
    char at[TIME_TEXT_MAX];
    assert_string_equal(text_of(ahead, "what"), "pack-used-up");
    assert_string_equal(text_of(ahead, "at"), time_rfc3339(w.s.now_ns + 10 * DAY_NS, false, at));
    json_decref(c);
    walk_end(&w);
}

static void a_voucher_and_a_due_are_told_ahead(void **state)
{
    struct walk w;
    (void)state;
    walk_begin(&w);
    push_topup(&w.s, w.account, 10 * YUAN, "t1");
    push_voucher(&w.s, w.account, 3 * YUAN, "", w.s.now_ns + 5 * DAY_NS);
    push_due(&w.s, w.account, 40 * YUAN, "renewal-7", w.s.now_ns + 2 * DAY_NS);
    walk_run(&w);
    json_t *c = clock_of(w.m, "acme", w.s.now_ns), *ahead = json_object_get(c, "ahead");
    assert_int_equal(json_array_size(ahead), 2);
    assert_string_equal(text_of(json_array_get(ahead, 0), "what"), "due");
    assert_string_equal(text_of(json_array_get(ahead, 0), "name"), "renewal-7");
    assert_string_equal(text_of(json_array_get(ahead, 0), "amount"), "40.00");
    assert_string_equal(text_of(json_array_get(ahead, 1), "what"), "voucher-expires");
    assert_string_equal(text_of(json_array_get(ahead, 1), "amount"), "3.00");
    assert_near(number_of(c, "zero_in_hours"), 48);
    assert_near(number_of(c, "stop_in_hours"), 72);
    assert_string_equal(text_of(json_object_get(c, "to_prevent"), "stop"), "30.00");
    assert_status(w.m, "acme", w.s.now_ns, "vouchers", "3.00");
    assert_hours(w.m, "acme", w.s.now_ns, "runway_hours", 48);
    json_decref(c);
    walk_end(&w);
}

static void a_grace_puts_the_stop_off(void **state)
{
    struct walk w;
    (void)state;
    walk_begin(&w);
    const struct account_rec charge = {.type = REC_MONEY,
                                       .account = w.account,
                                       .money = MONEY_CHARGE,
                                       .amount_nano = 10 * YUAN,
                                       .note = VIEW("set-up")};
    const struct account_rec grace = {.type = REC_GRACE,
                                      .account = w.account,
                                      .until_ns = w.s.now_ns + 9 * DAY_NS,
                                      .note = VIEW("letter of 1 November")};
    push_account_rec(&w.s, &charge);
    push_tick(&w.s);
    push_account_rec(&w.s, &grace);
    walk_run(&w);
    json_t *c = clock_of(w.m, "acme", w.s.now_ns);
    assert_near(number_of(c, "zero_in_hours"), 0);
    assert_near(number_of(c, "stop_in_hours"), 9 * 24);
    assert_true(json_is_string(json_object_get(c, "grace_until")));
    assert_string_equal(text_of(json_object_get(c, "to_prevent"), "zero"), "10.00");
    json_decref(c);
    walk_end(&w);
}

static void an_account_at_a_cloud_is_unknown_until_it_is_said_and_when_that_is_old(void **state)
{
    struct walk w;
    (void)state;
    walk_begin(&w);
    uint64_t id = push_upstream(&w.s, "tc-prod");
    walk_run(&w);
    json_t *c = clock_of(w.m, "tc-prod", w.s.now_ns);
    assert_string_equal(text_of(c, "balance"), "unknown");
    assert_string_equal(text_of(c, "burn_per_day"), "unknown");
    assert_string_equal(text_of(c, "stage"), "unknown");
    assert_true(json_is_null(json_object_get(c, "zero_in_hours")));
    assert_true(json_is_null(json_object_get(c, "balance_as_of")));
    json_decref(c);
    push_balance(&w.s, id, 1200 * YUAN, 80 * YUAN);
    walk_run(&w);
    c = clock_of(w.m, "tc-prod", w.s.now_ns);
    assert_string_equal(text_of(c, "balance"), "1200.00");
    assert_near(number_of(c, "zero_in_hours"), 360);
    assert_near(number_of(c, "destroy_in_hours"), 360 + 15 * 24); /* the earliest date that a source gives */
    assert_string_equal(text_of(c, "destroy_date"), "earliest");
    json_decref(c);
    c = clock_of(w.m, "tc-prod", w.s.now_ns + 12 * HOUR_NS);
    assert_string_equal(text_of(c, "balance"), "1160.00");
    json_decref(c);
    assert_status(w.m, "tc-prod", w.s.now_ns, "upstream", "tencent");
    assert_status(w.m, "tc-prod", w.s.now_ns + 2 * DAY_NS, "balance", "unknown");
    assert_hours(w.m, "tc-prod", w.s.now_ns + 2 * DAY_NS, "hours_to_stop", COMES_NEVER);
    walk_end(&w);
}

static void default_is_metered_and_never_ends(void **state)
{
    struct walk w;
    (void)state;
    walk_begin(&w);
    uint64_t bucket = push_bucket(&w.s, ACCOUNT_DEFAULT, "mine");
    push_bytes(&w.s, ACCOUNT_DEFAULT, bucket, "mine", CLASS_STANDARD, 1000 * GIB, 1);
    advance(&w.s, DAY_NS);
    walk_run(&w);
    assert_status(w.m, "default", w.s.now_ns, "balance", "0.00");
    assert_status(w.m, "default", w.s.now_ns, "burn_per_day", "0.00");
    assert_hours(w.m, "default", w.s.now_ns, "runway_hours", COMES_NEVER);
    walk_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_account_burns_nothing_and_never_ends),
        cmocka_unit_test(stored_bytes_burn_at_once),
        cmocka_unit_test(the_stop_comes_when_the_clock_said),
        cmocka_unit_test(what_prevents_the_stop_prevents_it),
        cmocka_unit_test(requests_and_egress_burn_as_in_the_last_day),
        cmocka_unit_test(one_quiet_day_does_not_hide_the_burn),
        cmocka_unit_test(a_pack_that_covers_all_shows_the_cliff_ahead),
        cmocka_unit_test(a_storage_pack_lasts_as_long_as_the_bytes_say),
        cmocka_unit_test(a_voucher_and_a_due_are_told_ahead),
        cmocka_unit_test(a_grace_puts_the_stop_off),
        cmocka_unit_test(an_account_at_a_cloud_is_unknown_until_it_is_said_and_when_that_is_old),
        cmocka_unit_test(default_is_metered_and_never_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
