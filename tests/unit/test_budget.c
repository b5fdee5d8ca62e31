/* Budgets: the flow with its roles, what counts, thresholds told once, periods. */
#include "meter_money_script.h"

#define EGRESS_NANO 500000000LL /* of a GB */

static uint64_t push_step(struct walk *w, enum budget_step step, uint64_t budget, const char *role, int64_t amount)
{
    const struct account_rec r = {.type = REC_BUDGET,
                                  .account = w->account,
                                  .step = step,
                                  .budget = budget,
                                  .approved = step == BUDGET_REVIEW,
                                  .amount_nano = amount,
                                  .actor = VIEW("li"),
                                  .role = view_cstr(role)};
    return push_account_rec(&w->s, &r);
}

static uint64_t push_request(struct walk *w, const char *scope, enum budget_period period, int64_t amount)
{
    const struct account_rec r = {.type = REC_BUDGET,
                                  .account = w->account,
                                  .step = BUDGET_REQUEST,
                                  .scope = view_cstr(scope),
                                  .period = period,
                                  .amount_nano = amount,
                                  .actor = VIEW("wang"),
                                  .role = VIEW("tech"),
                                  .note = VIEW("photos of the year")};
    return push_account_rec(&w->s, &r);
}

static uint64_t push_active(struct walk *w, const char *scope, enum budget_period period, int64_t amount)
{
    uint64_t id = push_request(w, scope, period, amount);
    push_step(w, BUDGET_REVIEW, id, "finance", 0);
    push_step(w, BUDGET_ALLOCATE, id, "finance", amount);
    return id;
}

static json_t *budget_of(struct walk *w, uint64_t id)
{
    json_t *list, *one;
    struct err e = {.text = ""};
    if (meter_budgets_json(w->m, VIEW(""), id, w->s.now_ns, &list, &e) != RC_OK)
        fail_msg("%s", e.text);
    assert_int_equal(json_array_size(list), 1);
    one = json_incref(json_array_get(list, 0));
    json_decref(list);
    return one;
}

static void assert_budget(struct walk *w, uint64_t id, const char *key, const char *want)
{
    json_t *b = budget_of(w, id);
    assert_string_equal(text_of(b, key), want);
    json_decref(b);
}

static void push_egress(struct walk *w, uint64_t bucket, const char *name, int64_t gb)
{
    push_reads(&w->s, w->account, bucket, name, 200, 0, (uint64_t)(gb * GIB), ITEM_EGRESS_INTERNET);
}

static void push_tags(struct walk *w, uint64_t bucket, const char *name, const char *tags)
{
    const struct cat_rec r = {.type = REC_BUCKET_SET,
                              .account = w->account,
                              .bucket = bucket,
                              .bucket_name = view_cstr(name),
                              .tags = view_cstr(tags)};
    push_cat(&w->s, &r);
}

struct level {
    uint64_t budget, level;
};

/* Takes the marks that wait, and gives their records back to the meter. */
static size_t take_marks(struct walk *w, struct level *ret, size_t max)
{
    struct buf payload = BUF(1 << 16);
    struct arena arena = ARENA(1 << 16);
    enum rec_type type;
    size_t n = 0;
    while (meter_take_notes(w->m, &type, &payload) == RC_OK) {
        struct account_rec r;
        assert_int_equal(account_rec_decode(type, buf_view(&payload), &arena, &r), RC_OK);
        if (type == REC_BUDGET) {
            assert_true(n < max);
            assert_int_equal(r.step, BUDGET_MARK);
            ret[n++] = (struct level){r.budget, r.level};
        }
        push(&w->s, type, &payload);
        buf_clear(&payload);
    }
    walk_run(w);
    buf_free(&payload);
    arena_free(&arena);
    return n;
}

/* ---- the flow ---- */

static void a_budget_goes_from_request_to_close(void **state)
{
    struct walk w;
    (void)state;
    walk_begin(&w);
    uint64_t id = push_request(&w, "account", BUDGET_MONTH, 500 * YUAN);
    walk_run(&w);
    assert_budget(&w, id, "state", "requested");
    push_step(&w, BUDGET_REVIEW, id, "finance", 0);
    walk_run(&w);
    assert_budget(&w, id, "state", "approved");
    push_step(&w, BUDGET_ALLOCATE, id, "owner", 400 * YUAN);
    walk_run(&w);
    assert_budget(&w, id, "state", "active");
    assert_budget(&w, id, "amount", "400.00");
    push_step(&w, BUDGET_CLOSE, id, "finance", 0);
    walk_run(&w);
    json_t *b = budget_of(&w, id), *history = json_object_get(b, "history");
    assert_string_equal(text_of(b, "state"), "closed");
    assert_int_equal(json_array_size(history), 4);
    assert_string_equal(text_of(json_array_get(history, 0), "step"), "request");
    assert_string_equal(text_of(json_array_get(history, 0), "actor"), "wang");
    assert_string_equal(text_of(json_array_get(history, 0), "note"), "photos of the year");
    assert_string_equal(text_of(json_array_get(history, 1), "step"), "approve");
    assert_string_equal(text_of(json_array_get(history, 2), "role"), "owner");
    assert_string_equal(text_of(json_array_get(history, 2), "amount"), "400.00");
    json_decref(b);
    walk_end(&w);
}

static void a_step_out_of_order_or_by_the_wrong_role_changes_nothing(void **state)
{
    struct walk w;
    (void)state;
    walk_begin(&w);
    uint64_t id = push_request(&w, "account", BUDGET_MONTH, 500 * YUAN);
    push_step(&w, BUDGET_ALLOCATE, id, "finance", 500 * YUAN);
    push_step(&w, BUDGET_REVIEW, id, "tech", 0);
    push_step(&w, BUDGET_REVIEW, 999, "finance", 0);
    walk_run(&w);
    assert_budget(&w, id, "state", "requested");
    push_step(&w, BUDGET_REVIEW, id, "finance", 0);
    push_step(&w, BUDGET_REVIEW, id, "finance", 0);
    push_step(&w, BUDGET_ALLOCATE, id, "tech", 500 * YUAN);
    walk_run(&w);
    json_t *b = budget_of(&w, id);
    assert_string_equal(text_of(b, "state"), "approved");
    assert_int_equal(json_array_size(json_object_get(b, "history")), 2);
    json_decref(b);
    walk_end(&w);
}

static enum rc check(struct walk *w, struct account_rec r, struct err *e)
{
    bool repeat;
    r.type = REC_BUDGET;
    return meter_check(w->m, VIEW("acme"), &r, &repeat, e);
}

static void the_check_says_what_comes_next_and_who_may(void **state)
{
    struct walk w;
    struct err e = {.text = ""};
    (void)state;
    walk_begin(&w);
    uint64_t id = push_request(&w, "account", BUDGET_MONTH, 500 * YUAN);
    walk_run(&w);
    struct account_rec r = {
        .step = BUDGET_ALLOCATE, .budget = id, .amount_nano = YUAN, .actor = VIEW("li"), .role = VIEW("finance")};
    assert_int_equal(check(&w, r, &e), RC_CONFLICT);
    assert_non_null(strstr(e.text, "review"));
    r = (struct account_rec){
        .step = BUDGET_REVIEW, .budget = id, .approved = true, .actor = VIEW("li"), .role = VIEW("tech")};
    assert_int_equal(check(&w, r, &e), RC_DENIED);
    assert_non_null(strstr(e.text, "finance"));
    r.role = VIEW("finance");
    assert_int_equal(check(&w, r, &e), RC_OK);
    r.budget = 999;
    assert_int_equal(check(&w, r, &e), RC_NOT_FOUND);
    walk_end(&w);
}

static void a_malformed_scope_is_refused(void **state)
{
    const char *const bad[] = {
        "", "bucket:", "bucket", "department:", "tag:", "tag:=x", "tag:k", "everything", "account "};
    const char *const good[] = {"account", "bucket:photos", "department:research", "tag:team=blue", "tag:team="};
    struct walk w;
    (void)state;
    walk_begin(&w);
    struct account_rec r = {.step = BUDGET_REQUEST, .amount_nano = YUAN, .actor = VIEW("li"), .role = VIEW("tech")};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct err e = {.text = ""};
        r.scope = view_cstr(bad[i]);
        if (check(&w, r, &e) != RC_INVALID)
            fail_msg("scope `%s` was taken", bad[i]);
    }
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct err e = {.text = ""};
        r.scope = view_cstr(good[i]);
        if (check(&w, r, &e) != RC_OK)
            fail_msg("scope `%s`: %s", good[i], e.text);
    }
    walk_end(&w);
}

/* ---- what counts ---- */

static void a_scope_counts_its_buckets_and_the_open_hour(void **state)
{
    struct walk w;
    (void)state;
    walk_begin(&w);
    uint64_t photos = push_bucket(&w.s, w.account, "photos"), logs = push_bucket(&w.s, w.account, "logs");
    uint64_t other = push_bucket(&w.s, w.account, "other");
    advance(&w.s, HOUR_NS);
    push_tags(&w, photos, "photos", "team=blue&department=R%26D%20one");
    push_tags(&w, logs, "logs", "department=R%26D%20one");
    push_tags(&w, other, "other", "team=red&departments=R%26D%20one");
    uint64_t all = push_active(&w, "account", BUDGET_MONTH, 100 * YUAN);
    uint64_t one = push_active(&w, "bucket:photos", BUDGET_MONTH, 100 * YUAN);
    uint64_t department = push_active(&w, "department:R&D one", BUDGET_MONTH, 100 * YUAN);
    uint64_t tag = push_active(&w, "tag:team=blue", BUDGET_MONTH, 100 * YUAN);
    uint64_t none = push_active(&w, "bucket:nothing", BUDGET_MONTH, 100 * YUAN);
    push_egress(&w, photos, "photos", 2);
    push_egress(&w, logs, "logs", 4);
    push_egress(&w, other, "other", 8);
    advance(&w.s, HOUR_NS);
    push_egress(&w, photos, "photos", 16);
    walk_run(&w);
    /* Each bucket cost a request in its first hour. */
    assert_budget(&w, one, "spent", "9.000001");
    assert_budget(&w, tag, "spent", "9.000001");
    assert_budget(&w, department, "spent", "11.000002");
    assert_budget(&w, none, "spent", "0.00");
    json_t *b = budget_of(&w, all);
    assert_true(nano_of(b, "spent") >= 15 * YUAN && nano_of(b, "spent") < 15 * YUAN + 10000);
    assert_near(number_of(b, "percent"), 15);
    json_decref(b);
    walk_end(&w);
}

static void what_vouchers_pay_is_spent_too(void **state)
{
    struct walk w;
    (void)state;
    walk_begin(&w);
    uint64_t photos = push_bucket(&w.s, w.account, "photos");
    uint64_t id = push_active(&w, "bucket:photos", BUDGET_MONTH, 100 * YUAN);
    push_voucher(&w.s, w.account, 50 * YUAN, "", w.s.now_ns + 20 * DAY_NS);
    push_egress(&w, photos, "photos", 20);
    advance(&w.s, 2 * HOUR_NS);
    walk_run(&w);
    assert_budget(&w, id, "spent", "10.000001");
    walk_end(&w);
}

/* ---- thresholds ---- */

static void each_threshold_is_told_once_in_a_period(void **state)
{
    struct walk w;
    struct level l[8];
    (void)state;
    walk_begin(&w);
    advance(&w.s, 25 * DAY_NS);
    uint64_t photos = push_bucket(&w.s, w.account, "photos");
    uint64_t id = push_active(&w, "bucket:photos", BUDGET_MONTH, 10 * YUAN);
    push_egress(&w, photos, "photos", 9); /* 4.5 */
    advance(&w.s, HOUR_NS);
    walk_run(&w);
    assert_int_equal(take_marks(&w, l, 8), 0);
    push_egress(&w, photos, "photos", 2); /* 5.5 */
    advance(&w.s, HOUR_NS);
    walk_run(&w);
    assert_int_equal(take_marks(&w, l, 8), 1);
    assert_true(l[0].budget == id && l[0].level == 50);
    advance(&w.s, 3 * HOUR_NS);
    walk_run(&w);
    assert_int_equal(take_marks(&w, l, 8), 0);
    push_egress(&w, photos, "photos", 12); /* 11.5: passes two, and so does the forecast */
    advance(&w.s, HOUR_NS);
    walk_run(&w);
    assert_int_equal(take_marks(&w, l, 8), 3);
    assert_true(l[0].level == 80 && l[1].level == 100 && l[2].level == 101);
    json_t *b = budget_of(&w, id);
    assert_int_equal(json_integer_value(json_object_get(b, "level")), 100);
    assert_true(json_is_true(json_object_get(b, "forecast_over")));
    json_decref(b);
    /* Another month, another count. */
    advance(&w.s, 7 * DAY_NS);
    walk_run(&w);
    assert_int_equal(take_marks(&w, l, 8), 0);
    assert_budget(&w, id, "spent", "0.00");
    push_egress(&w, photos, "photos", 11);
    advance(&w.s, HOUR_NS);
    walk_run(&w);
    assert_true(take_marks(&w, l, 8) >= 1 && l[0].level == 50);
    walk_end(&w);
}

static void the_forecast_goes_on_as_the_hours_so_far(void **state)
{
    struct walk w;
    struct level l[8];
    (void)state;
    walk_begin(&w);
    uint64_t photos = push_bucket(&w.s, w.account, "photos");
    uint64_t id = push_active(&w, "account", BUDGET_MONTH, 100 * YUAN);
    for (unsigned day = 0; day < 3; day++) {
        push_egress(&w, photos, "photos", 8);
        advance(&w.s, DAY_NS);
    }
    walk_run(&w);
    /* 12 in 3 of 30 days. */
    json_t *b = budget_of(&w, id);
    assert_true(nano_of(b, "forecast") >= 120 * YUAN && nano_of(b, "forecast") < 120 * YUAN + YUAN / 1000);
    assert_true(json_is_true(json_object_get(b, "forecast_over")));
    assert_int_equal(json_integer_value(json_object_get(b, "level")), 0);
    json_decref(b);
    assert_int_equal(take_marks(&w, l, 8), 1);
    assert_int_equal(l[0].level, 101);
    walk_end(&w);
}

static void a_mark_without_its_record_is_offered_again_after_a_restart(void **state)
{
    struct walk w;
    struct buf payload = BUF(1 << 16);
    enum rec_type type;
    struct level l[8];
    (void)state;
    walk_begin(&w);
    uint64_t photos = push_bucket(&w.s, w.account, "photos");
    push_active(&w, "account", BUDGET_MONTH, 10 * YUAN);
    push_egress(&w, photos, "photos", 11);
    advance(&w.s, HOUR_NS);
    walk_run(&w);
    while (meter_take_notes(w.m, &type, &payload) == RC_OK)
        buf_clear(&payload); /* handed out, and lost on the way */
    buf_free(&payload);
    assert_int_equal(meter_reload(w.m, NULL), RC_OK);
    assert_true(take_marks(&w, l, 8) > 0);
    assert_int_equal(meter_reload(w.m, NULL), RC_OK);
    assert_int_equal(take_marks(&w, l, 8), 0);
    walk_end(&w);
}

/* ---- periods ---- */

static void a_quarter_is_the_calendars_in_the_books_zone(void **state)
{
    struct walk w;
    (void)state;
    walk_begin(&w);
    uint64_t photos = push_bucket(&w.s, w.account, "photos");
    uint64_t id = push_active(&w, "bucket:photos", BUDGET_QUARTER, 100 * YUAN);
    push_egress(&w, photos, "photos", 2);
    advance(&w.s, 31 * DAY_NS); /* December */
    push_egress(&w, photos, "photos", 4);
    walk_run(&w);
    assert_budget(&w, id, "spent", "3.000001");
    assert_budget(&w, id, "period", "quarter");
    assert_budget(&w, id, "period_start", "2026-09-30T16:00:00Z");
    assert_budget(&w, id, "period_end", "2026-12-31T16:00:00Z");
    advance(&w.s, 31 * DAY_NS); /* January */
    walk_run(&w);
    assert_budget(&w, id, "spent", "0.00");
    assert_budget(&w, id, "period_start", "2026-12-31T16:00:00Z");
    walk_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_budget_goes_from_request_to_close),
        cmocka_unit_test(a_step_out_of_order_or_by_the_wrong_role_changes_nothing),
        cmocka_unit_test(the_check_says_what_comes_next_and_who_may),
        cmocka_unit_test(a_malformed_scope_is_refused),
        cmocka_unit_test(a_scope_counts_its_buckets_and_the_open_hour),
        cmocka_unit_test(what_vouchers_pay_is_spent_too),
        cmocka_unit_test(each_threshold_is_told_once_in_a_period),
        cmocka_unit_test(the_forecast_goes_on_as_the_hours_so_far),
        cmocka_unit_test(a_mark_without_its_record_is_offered_again_after_a_restart),
        cmocka_unit_test(a_quarter_is_the_calendars_in_the_books_zone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
