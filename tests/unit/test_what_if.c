/* The same usage by another book, class or currency, and what moving there costs once. */
#include "meter_money_script.h"

#include "meter/query.h"

static json_t *ask(struct walk *w, struct what_if q)
{
    json_t *o;
    struct err e = {.text = ""};
    q.account = VIEW("acme");
    if (meter_what_if_json(w->m, &q, w->s.now_ns, &o, &e) != RC_OK)
        fail_msg("%s", e.text);
    return o;
}

/* A book of our own, told by record as `price load` does. */
static void push_book(struct walk *w, const char *name, enum book_kind kind, const char *text)
{
    const struct account_rec r = {.type = REC_PRICES, .name = view_cstr(name), .book = kind, .text = view_cstr(text)};
    push_account_rec(&w->s, &r);
    advance(&w->s, HOUR_NS); /* books change when an hour begins */
}

static void begin_with_usage(struct walk *w)
{
    walk_begin(w);
    push_topup(&w->s, w->account, 1000 * YUAN, "t1");
    w->bucket = push_bucket(&w->s, w->account, "photos");
    push_bytes(&w->s, w->account, w->bucket, "photos", CLASS_STANDARD, 100 * GIB, 1);
    push_reads(&w->s, w->account, w->bucket, "photos", 200, 9, 10 * (uint64_t)GIB, ITEM_EGRESS_INTERNET);
    push_reads(&w->s, w->account, w->bucket, "photos", 404, 90, 0, ITEM_EGRESS_INTERNET);
    advance(&w->s, 3 * DAY_NS);
    walk_run(w);
}

static json_t *line(json_t *o, const char *side, const char *item)
{
    json_t *l = line_of(json_object_get(o, side), item, "*");
    if (!l)
        fail_msg("no line %s %s", side, item);
    return l;
}

static void the_left_side_is_what_the_statement_says(void **state)
{
    struct walk w;
    (void)state;
    begin_with_usage(&w);
    json_t *o = ask(&w, (struct what_if){.to = VIEW("aliyun-oss")}), *s = statement_of(w.m, "acme", "", w.s.now_ns);
    assert_string_equal(text_of(json_object_get(o, "from"), "total"), text_of(s, "total"));
    assert_string_equal(text_of(json_object_get(o, "from"), "prices"), "tencent-cos");
    assert_string_equal(text_of(json_object_get(o, "to"), "prices"), "aliyun-oss");
    json_decref(s);
    json_decref(o);
    walk_end(&w);
}

static void the_same_book_makes_no_difference_and_moves_nothing(void **state)
{
    struct walk w;
    (void)state;
    begin_with_usage(&w);
    json_t *o = ask(&w, (struct what_if){0});
    assert_string_equal(text_of(o, "difference"), "0.00");
    assert_string_equal(text_of(json_object_get(o, "moving"), "total"), "0.00");
    assert_true(json_is_null(json_object_get(o, "rate")));
    json_decref(o);
    walk_end(&w);
}

/* Storage at 0.12 with 24 samples a day; failed requests are free; at night egress costs half. */
static void another_cloud_counts_by_its_own_rules(void **state)
{
    struct walk w;
    (void)state;
    begin_with_usage(&w);
    json_t *o = ask(&w, (struct what_if){.to = VIEW("aliyun-oss")}), *l = line(o, "to", "storage.STANDARD");
    const struct price_book *b = meter_prices(w.m, VIEW("aliyun-oss"));
    unsigned __int128 divisor = price_divisor(b, 0, w.m->open_hour);
    /* 3 days less the first 5 minutes, in the other book's samples. */
    unsigned __int128 metered = (unsigned __int128)100 * GIB * (3 * 288) * b->samples_per_day / 288;
    assert_int_equal(nano_of(l, "amount"), by_hand(metered, 120000000, divisor));
    assert_string_equal(text_of(l, "price"), "0.12");
    assert_string_equal(text_of(line(o, "to", "requests.STANDARD"), "quantity"), "11");
    assert_string_equal(text_of(line(o, "from", "requests.STANDARD"), "quantity"), "101");
    /* It was midnight in UTC+8. */
    assert_string_equal(text_of(line(o, "to", "egress.internet"), "price"), "0.25");
    assert_string_equal(text_of(line(o, "to", "egress.internet"), "amount"), "2.50");
    assert_int_equal(nano_of(o, "difference"),
                     nano_of(json_object_get(o, "to"), "total") - nano_of(json_object_get(o, "from"), "total"));
    json_decref(o);
    walk_end(&w);
}

static void moving_reads_here_and_writes_there(void **state)
{
    struct walk w;
    (void)state;
    begin_with_usage(&w);
    json_t *o = ask(&w, (struct what_if){.to = VIEW("aliyun-oss")}), *m = json_object_get(o, "moving");
    assert_string_equal(text_of(m, "currency"), "CNY");
    assert_string_equal(text_of(m, "egress"), "50.00"); /* 100 GB at 0.5 */
    assert_string_equal(text_of(m, "requests"), "0.000002");
    assert_string_equal(text_of(m, "retrieval"), "0.00");
    assert_string_equal(text_of(m, "early_delete"), "0.00");
    assert_string_equal(text_of(m, "total"), "50.000002");
    json_decref(o);
    walk_end(&w);
}

static void cold_data_pays_to_be_read_and_at_most_its_minimum_days(void **state)
{
    struct walk w;
    (void)state;
    walk_begin(&w);
    w.bucket = push_bucket(&w.s, w.account, "photos");
    push_bytes(&w.s, w.account, w.bucket, "photos", CLASS_STANDARD_IA, 100 * GIB, 1);
    walk_run(&w);
    json_t *o = ask(&w, (struct what_if){.to = VIEW("aliyun-oss")}), *m = json_object_get(o, "moving");
    assert_string_equal(text_of(m, "retrieval"), "2.00"); /* 0.02 a GB */
    /* 30 days are a month of 0.08; the object's record says size 0, so the minimum size comes on top. */
    assert_in_range(nano_of(m, "early_delete"), 8 * YUAN, 8 * YUAN + YUAN / 10000);
    assert_true(json_array_size(json_object_get(o, "notes")) >= 3);
    json_decref(o);
    walk_end(&w);
}

/* 100 000 bytes are above the one book's minimum and below the other's. */
static void small_objects_count_by_the_other_books_minimum(void **state)
{
    struct walk w;
    char want[QUANTITY_TEXT_MAX];
    (void)state;
    walk_begin(&w);
    w.bucket = push_bucket(&w.s, w.account, "photos");
    push_object(&w.s, w.account, w.bucket, "photos", CLASS_STANDARD_IA, 100000);
    advance(&w.s, DAY_NS);
    walk_run(&w);
    const struct price_book *from = meter_prices(w.m, VIEW("tencent-cos")), *to = meter_prices(w.m, VIEW("aws-s3"));
    unsigned __int128 min = to->min_size[CLASS_STANDARD_IA];
    assert_true(from->min_size[CLASS_STANDARD_IA] < 100000 && min > 100000);
    json_t *o = ask(&w, (struct what_if){.to = VIEW("aws-s3")});
    quantity_text((unsigned __int128)100000 * 288, price_divisor(from, CLASS_STANDARD_IA, w.m->open_hour), want);
    assert_string_equal(text_of(line(o, "from", "storage.STANDARD_IA"), "quantity"), want);
    quantity_text(min * to->samples_per_day, price_divisor(to, CLASS_STANDARD_IA, w.m->open_hour), want);
    assert_string_equal(text_of(line(o, "to", "storage.STANDARD_IA"), "quantity"), want);
    json_decref(o);
    walk_end(&w);
}

static void another_class_takes_all_storage_and_stays_in_the_cloud(void **state)
{
    struct walk w;
    (void)state;
    begin_with_usage(&w);
    json_t *o = ask(&w, (struct what_if){.has_class = true, .class = CLASS_ARCHIVE});
    assert_null(line_of(json_object_get(o, "to"), "storage.STANDARD", "*"));
    assert_string_equal(text_of(line(o, "to", "storage.ARCHIVE"), "price"), "0.033");
    assert_string_equal(text_of(line(o, "to", "storage.ARCHIVE"), "quantity"),
                        text_of(line(o, "from", "storage.STANDARD"), "quantity"));
    assert_string_equal(text_of(json_object_get(o, "moving"), "egress"), "0.00");
    assert_true(nano_of(json_object_get(o, "moving"), "requests") > 0);
    json_decref(o);
    walk_end(&w);
}

static void a_currency_without_a_rate_is_refused(void **state)
{
    struct walk w;
    json_t *o;
    struct err e = {.text = ""};
    const struct what_if q = {.account = VIEW("acme"), .to = VIEW("aws-s3"), .currency = VIEW("JPY")};
    (void)state;
    begin_with_usage(&w);
    assert_int_equal(meter_what_if_json(w.m, &q, w.s.now_ns, &o, &e), RC_NOT_FOUND);
    assert_non_null(strstr(e.text, "JPY"));
    walk_end(&w);
}

static const char *const rates_text = "name: rates\n"
                                      "rates:\n"
                                      "  - {from: USD, to: CNY, value: 7, as_of: 2026-10-01, source: test}\n"
                                      "  - {from: USD, to: CNY, value: 8, as_of: 2027-01-01, source: test}\n";

static void currencies_are_converted_at_the_rate_of_the_day(void **state)
{
    struct walk w;
    (void)state;
    begin_with_usage(&w);
    push_book(&w, "rates", BOOK_RATES, rates_text);
    walk_run(&w);
    json_t *o = ask(&w, (struct what_if){.to = VIEW("aws-s3")});
    int64_t from = nano_of(json_object_get(o, "from"), "total"), to = nano_of(json_object_get(o, "to"), "total");
    assert_string_equal(text_of(json_object_get(o, "to"), "currency"), "USD");
    assert_int_equal(nano_of(o, "difference"), 7 * to - from);
    assert_non_null(strstr(text_of(o, "rate"), "7"));
    json_decref(o);
    o = ask(&w, (struct what_if){.to = VIEW("aws-s3"), .currency = VIEW("CNY")});
    assert_string_equal(text_of(json_object_get(o, "to"), "currency"), "CNY");
    assert_int_equal(nano_of(o, "difference"), nano_of(json_object_get(o, "to"), "total") - from);
    json_decref(o);
    walk_end(&w);
}

static void an_unknown_book_is_refused_by_name(void **state)
{
    struct walk w;
    json_t *o;
    struct err e = {.text = ""};
    const struct what_if q = {.account = VIEW("acme"), .to = VIEW("nowhere")};
    (void)state;
    walk_begin(&w);
    assert_int_equal(meter_what_if_json(w.m, &q, w.s.now_ns, &o, &e), RC_NOT_FOUND);
    assert_non_null(strstr(e.text, "nowhere"));
    walk_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_left_side_is_what_the_statement_says),
        cmocka_unit_test(the_same_book_makes_no_difference_and_moves_nothing),
        cmocka_unit_test(another_cloud_counts_by_its_own_rules),
        cmocka_unit_test(moving_reads_here_and_writes_there),
        cmocka_unit_test(cold_data_pays_to_be_read_and_at_most_its_minimum_days),
        cmocka_unit_test(small_objects_count_by_the_other_books_minimum),
        cmocka_unit_test(another_class_takes_all_storage_and_stays_in_the_cloud),
        cmocka_unit_test(a_currency_without_a_rate_is_refused),
        cmocka_unit_test(currencies_are_converted_at_the_rate_of_the_day),
        cmocka_unit_test(an_unknown_book_is_refused_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
