/* The statement of a month: lines, who paid, the invoice's rounding, what is left of packs and vouchers. */
#include "meter_money_script.h"

#define REQUEST_NANO 1000 /* 0.01 CNY per 10 000 */
#define EGRESS_NANO 500000000LL

static json_t *the_statement(struct walk *w)
{
    return statement_of(w->m, "acme", "", w->s.now_ns);
}

static json_t *covered_line(json_t *statement, const char *item)
{
    json_t *lines = json_object_get(statement, "lines");
    for (size_t i = 0; i < json_array_size(lines); i++) {
        json_t *l = json_array_get(lines, i);
        if (strcmp(text_of(l, "item"), item) == 0 && json_is_string(json_object_get(l, "covered_by")))
            return l;
    }
    return NULL;
}

static void begin_with_bucket(struct walk *w)
{
    walk_begin(w);
    push_topup(&w->s, w->account, 100 * YUAN, "t1");
    w->bucket = push_bucket(&w->s, w->account, "photos");
    walk_run(w);
}

static void a_month_without_data_has_empty_lists(void **state)
{
    struct walk w;
    (void)state;
    walk_begin(&w);
    json_t *s = statement_of(w.m, "acme", "2024-02", w.s.now_ns);
    const char *const lists[] = {"lines", "topups", "money", "packs", "vouchers"};
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        assert_true(json_is_array(json_object_get(s, lists[i])));
        assert_int_equal(json_array_size(json_object_get(s, lists[i])), 0);
    }
    assert_string_equal(text_of(s, "total"), "0.00");
    assert_string_equal(text_of(json_object_get(s, "paid"), "cash"), "0.00");
    assert_string_equal(text_of(json_object_get(s, "invoice"), "total"), "0.00");
    assert_string_equal(text_of(s, "month"), "2024-02");
    json_decref(s);
    walk_end(&w);
}

static void a_wrong_month_or_account_is_refused(void **state)
{
    struct walk w;
    struct err e = {.text = ""};
    json_t *o;
    (void)state;
    walk_begin(&w);
    assert_int_equal(meter_statement_json(w.m, VIEW("acme"), VIEW("2026-13"), w.s.now_ns, &o, &e), RC_INVALID);
    assert_int_equal(meter_statement_json(w.m, VIEW("nobody"), VIEW(""), w.s.now_ns, &o, &e), RC_NOT_FOUND);
    assert_non_null(strstr(e.text, "nobody"));
    walk_end(&w);
}

/* Six hours of a GiB: five are posted, the sixth is open. */
static void lines_hold_closed_hours_and_the_open_one(void **state)
{
    struct walk w;
    (void)state;
    begin_with_bucket(&w);
    push_bytes(&w.s, w.account, w.bucket, "photos", CLASS_STANDARD, GIB, 1);
    advance(&w.s, 5 * HOUR_NS + HOUR_NS / 2);
    walk_run(&w);
    json_t *s = the_statement(&w), *line = line_of(s, "storage.STANDARD", "photos");
    int64_t hour = by_hand((unsigned __int128)GIB * 12, STORAGE_NANO, STORAGE_DIVISOR);
    int64_t first = by_hand((unsigned __int128)GIB * 11, STORAGE_NANO, STORAGE_DIVISOR); /* its tick came before */
    int64_t open = by_hand((unsigned __int128)GIB * 7, STORAGE_NANO, STORAGE_DIVISOR);
    assert_int_equal(nano_of(line, "amount"), first + 4 * hour + open);
    assert_string_equal(text_of(line, "unit"), "GB-month");
    assert_string_equal(text_of(line, "price"), "0.118");
    assert_true(json_is_null(json_object_get(line, "covered_by")));
    assert_int_equal(strlen(text_of(line, "book")), 16);
    line = line_of(s, "requests.STANDARD", "photos");
    assert_string_equal(text_of(line, "quantity"), "2");
    assert_int_equal(nano_of(line, "amount"), 2 * REQUEST_NANO);
    json_decref(s);
    walk_end(&w);
}

static void the_total_is_the_sum_of_the_lines_and_cash_and_vouchers_pay_it(void **state)
{
    struct walk w;
    (void)state;
    begin_with_bucket(&w);
    push_voucher(&w.s, w.account, 2 * YUAN, "egress", w.s.now_ns + 100 * DAY_NS);
    push_bytes(&w.s, w.account, w.bucket, "photos", CLASS_STANDARD, 100 * GIB, 1);
    push_reads(&w.s, w.account, w.bucket, "photos", 200, 10, 10 * (uint64_t)GIB, ITEM_EGRESS_INTERNET);
    advance(&w.s, 30 * HOUR_NS);
    push_reads(&w.s, w.account, w.bucket, "photos", 200, 10, 3 * (uint64_t)GIB, ITEM_EGRESS_INTERNET);
    walk_run(&w);
    json_t *s = the_statement(&w), *line;
    int64_t sum = 0;
    size_t i;
    json_array_foreach(json_object_get(s, "lines"), i, line) sum += nano_of(line, "amount");
    assert_int_equal(nano_of(s, "total"), sum);
    assert_int_equal(nano_of(json_object_get(s, "paid"), "vouchers"), 2 * YUAN);
    assert_int_equal(nano_of(json_object_get(s, "paid"), "cash"), sum - 2 * YUAN);
    assert_int_equal(nano_of(s, "balance"), 100 * YUAN - (sum - 2 * YUAN));
    line = json_array_get(json_object_get(s, "vouchers"), 0);
    if (line)
        assert_string_equal(text_of(line, "remaining"), "0.00");
    assert_int_equal(json_array_size(json_object_get(s, "topups")), 1);
    assert_int_equal(json_array_size(json_object_get(s, "money")), 1);
    assert_string_equal(text_of(json_array_get(json_object_get(s, "money"), 0), "kind"), "voucher");
    json_decref(s);
    walk_end(&w);
}

static void what_a_pack_covers_is_a_line_of_its_own(void **state)
{
    struct walk w;
    char seq[24];
    (void)state;
    begin_with_bucket(&w);
    uint64_t pack = push_pack(&w.s, w.account, "egress.internet", "4", 3 * YUAN / 2, w.s.now_ns + 100 * DAY_NS);
    push_reads(&w.s, w.account, w.bucket, "photos", 200, 1, 10 * (uint64_t)GIB, ITEM_EGRESS_INTERNET);
    advance(&w.s, 2 * HOUR_NS);
    walk_run(&w);
    snprintf(seq, sizeof(seq), "%llu", (unsigned long long)pack);
    json_t *s = the_statement(&w), *line = covered_line(s, "egress.internet");
    assert_non_null(line);
    assert_string_equal(text_of(line, "covered_by"), seq);
    assert_string_equal(text_of(line, "quantity"), "4");
    assert_string_equal(text_of(line, "price"), "0");
    assert_string_equal(text_of(line, "amount"), "0.00");
    assert_int_equal(json_array_size(json_object_get(s, "lines")), 4); /* and the rest, the request, the pack */
    line = line_of(s, "pack", "");
    assert_string_equal(text_of(line, "amount"), "1.50");
    assert_string_equal(text_of(line, "quantity"), "1");
    assert_true(nano_of(s, "total") == 6 * EGRESS_NANO + 3 * YUAN / 2 + 2 * REQUEST_NANO);
    json_decref(s);
    walk_end(&w);
}

static void what_is_left_of_a_pack_counts_the_open_hour(void **state)
{
    struct walk w;
    (void)state;
    begin_with_bucket(&w);
    push_pack(&w.s, w.account, "egress.internet", "4", 0, w.s.now_ns + 100 * DAY_NS);
    push_reads(&w.s, w.account, w.bucket, "photos", 200, 1, (uint64_t)GIB / 2, ITEM_EGRESS_INTERNET);
    walk_run(&w);
    json_t *s = the_statement(&w), *pack = json_array_get(json_object_get(s, "packs"), 0);
    assert_string_equal(text_of(pack, "item"), "egress.internet");
    assert_string_equal(text_of(pack, "quantity"), "4");
    assert_string_equal(text_of(pack, "remaining"), "3.5");
    assert_string_equal(text_of(pack, "unit"), "GB");
    json_decref(s);
    walk_end(&w);
}

static void lines_stand_by_bucket_then_item(void **state)
{
    struct walk w;
    (void)state;
    begin_with_bucket(&w);
    uint64_t other = push_bucket(&w.s, w.account, "archive");
    push_bytes(&w.s, w.account, w.bucket, "photos", CLASS_STANDARD, GIB, 1);
    push_bytes(&w.s, w.account, other, "archive", CLASS_ARCHIVE, GIB, 1);
    push_reads(&w.s, w.account, w.bucket, "photos", 200, 1, 1000, ITEM_EGRESS_INTERNET);
    advance(&w.s, 3 * HOUR_NS);
    walk_run(&w);
    json_t *s = the_statement(&w), *lines = json_object_get(s, "lines");
    unsigned before = 0, cell;
    for (size_t i = 0; i < json_array_size(lines); i++) {
        json_t *l = json_array_get(lines, i);
        assert_true(price_cell_parse(view_cstr(text_of(l, "item")), &cell));
        if (i > 0) {
            int c = strcmp(text_of(json_array_get(lines, i - 1), "bucket"), text_of(l, "bucket"));
            assert_true(c < 0 || (c == 0 && before <= cell));
        }
        before = cell;
    }
    assert_string_equal(text_of(json_array_get(lines, 0), "bucket"), "archive");
    json_decref(s);
    walk_end(&w);
}

/* Two buckets of one name, one made after the other went, are one line. */
static void buckets_of_one_name_are_one_line(void **state)
{
    struct walk w;
    (void)state;
    begin_with_bucket(&w);
    push_reads(&w.s, w.account, w.bucket, "photos", 200, 3, 0, ITEM_EGRESS_INTERNET);
    advance(&w.s, HOUR_NS);
    uint64_t again = push_bucket(&w.s, w.account, "photos");
    push_reads(&w.s, w.account, again, "photos", 200, 4, 0, ITEM_EGRESS_INTERNET);
    advance(&w.s, HOUR_NS);
    walk_run(&w);
    json_t *s = the_statement(&w);
    assert_int_equal(json_array_size(json_object_get(s, "lines")), 1);
    assert_string_equal(text_of(line_of(s, "requests.STANDARD", "photos"), "quantity"), "9");
    json_decref(s);
    walk_end(&w);
}

/* As an invoice does: each line in the book's places, then the sum. */
static void the_invoice_rounds_lines_then_their_sum(void **state)
{
    struct walk w;
    (void)state;
    begin_with_bucket(&w);
    uint64_t other = push_bucket(&w.s, w.account, "other");
    push_bytes(&w.s, w.account, w.bucket, "photos", CLASS_STANDARD, 7 * GIB + 12345, 1);
    push_bytes(&w.s, w.account, other, "other", CLASS_STANDARD, 3 * GIB + 999, 1);
    push_reads(&w.s, w.account, other, "other", 200, 77, 123456789, ITEM_EGRESS_INTERNET);
    advance(&w.s, 9 * DAY_NS);
    walk_run(&w);
    json_t *s = the_statement(&w), *invoice = json_object_get(s, "invoice"), *lines = json_object_get(s, "lines");
    const struct price_book *b = meter_prices(w.m, VIEW("tencent-cos"));
    int64_t sum = 0;
    assert_int_equal(json_array_size(json_object_get(invoice, "lines")), json_array_size(lines));
    for (size_t i = 0; i < json_array_size(lines); i++) {
        int64_t exact = nano_of(json_array_get(lines, i), "amount"), rounded;
        const char *text = json_string_value(json_array_get(json_object_get(invoice, "lines"), i));
        assert_int_equal(money_parse(view_cstr(text), &rounded), RC_OK);
        assert_int_equal(rounded, price_round(exact, b->line_places, b->line_rounding));
        sum += rounded;
    }
    assert_int_equal(nano_of(invoice, "total"), price_round(sum, b->total_places, b->total_rounding));
    assert_int_equal(json_integer_value(json_object_get(invoice, "total_places")), b->total_places);
    json_decref(s);
    walk_end(&w);
}

static void a_month_that_is_over_stands_still(void **state)
{
    struct walk w;
    (void)state;
    begin_with_bucket(&w);
    push_bytes(&w.s, w.account, w.bucket, "photos", CLASS_STANDARD, GIB, 1);
    advance(&w.s, 31 * DAY_NS);
    walk_run(&w);
    json_t *before = statement_of(w.m, "acme", "2026-11", w.s.now_ns);
    push_reads(&w.s, w.account, w.bucket, "photos", 200, 5, GIB, ITEM_EGRESS_INTERNET);
    push_voucher(&w.s, w.account, YUAN, "", w.s.now_ns + DAY_NS);
    advance(&w.s, 2 * DAY_NS);
    walk_run(&w);
    json_t *after = statement_of(w.m, "acme", "2026-11", w.s.now_ns);
    const char *const same[] = {"lines", "total", "paid", "invoice", "topups", "money"};
    for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++)
        assert_true(json_equal(json_object_get(before, same[i]), json_object_get(after, same[i])));
    json_decref(before);
    json_decref(after);
    walk_end(&w);
}

/* The lines of an item, in their order. */
static json_t *nth_line(json_t *statement, const char *item, size_t nth)
{
    json_t *l;
    size_t i;
    json_array_foreach(json_object_get(statement, "lines"), i, l)
    {
        if (strcmp(text_of(l, "item"), item) == 0 && nth-- == 0)
            return l;
    }
    fail_msg("no such line %s", item);
    return NULL;
}

static void a_tier_that_the_month_reaches_makes_another_line(void **state)
{
    struct walk w;
    (void)state;
    walk_begin(&w);
    const struct account_rec r = {.type = REC_ACCOUNT,
                                  .name = VIEW("blue"),
                                  .currency = VIEW("USD"),
                                  .prices = VIEW("aws-s3"),
                                  .timetable = VIEW("aws")};
    w.account = push_account_rec(&w.s, &r);
    w.bucket = push_bucket(&w.s, w.account, "photos");
    push_reads(&w.s, w.account, w.bucket, "photos", 200, 0, 10000 * (uint64_t)GIB, ITEM_EGRESS_INTERNET);
    advance(&w.s, 2 * HOUR_NS);
    push_reads(&w.s, w.account, w.bucket, "photos", 200, 0, 1000 * (uint64_t)GIB, ITEM_EGRESS_INTERNET);
    walk_run(&w);
    json_t *s = statement_of(w.m, "blue", "", w.s.now_ns);
    assert_string_equal(text_of(nth_line(s, "egress.internet", 0), "quantity"), "10240");
    assert_string_equal(text_of(nth_line(s, "egress.internet", 0), "price"), "0.09");
    assert_string_equal(text_of(nth_line(s, "egress.internet", 0), "amount"), "921.60");
    assert_string_equal(text_of(nth_line(s, "egress.internet", 1), "quantity"), "760");
    assert_string_equal(text_of(nth_line(s, "egress.internet", 1), "price"), "0.085");
    assert_string_equal(text_of(nth_line(s, "egress.internet", 1), "amount"), "64.60");
    json_decref(s);
    walk_end(&w);
}

static void old_usage_keeps_old_prices(void **state)
{
    struct walk w;
    (void)state;
    begin_with_bucket(&w);
    push_bytes(&w.s, w.account, w.bucket, "photos", CLASS_STANDARD, GIB, 1);
    advance(&w.s, 2 * HOUR_NS);
    walk_run(&w);
    char *text = strdup(meter_prices(w.m, VIEW("tencent-cos"))->id.text), *at = text ? strstr(text, "0.118") : NULL;
    assert_non_null(at);
    at[2] = '2';
    const struct account_rec r = {
        .type = REC_PRICES, .name = VIEW("tencent-cos"), .book = BOOK_PRICES, .text = view_cstr(text)};
    push_account_rec(&w.s, &r);
    free(text);
    advance(&w.s, 3 * HOUR_NS);
    walk_run(&w);
    json_t *s = the_statement(&w), *old = nth_line(s, "storage.STANDARD", 0), *new = nth_line(s, "storage.STANDARD", 1);
    assert_string_equal(text_of(old, "price"), "0.118");
    assert_string_equal(text_of(new, "price"), "0.218");
    assert_string_not_equal(text_of(old, "book"), text_of(new, "book"));
    json_decref(s);
    walk_end(&w);
}

static void the_late_fee_is_a_line_in_currency_days(void **state)
{
    struct walk w;
    (void)state;
    walk_begin(&w);
    const struct account_rec set = {
        .type = REC_ACCOUNT_SET, .account = w.account, .has_late_fee = true, .late_fee = VIEW("0.0005")};
    const struct account_rec charge = {.type = REC_MONEY,
                                       .account = w.account,
                                       .money = MONEY_CHARGE,
                                       .amount_nano = 10 * YUAN,
                                       .note = VIEW("set-up")};
    push_account_rec(&w.s, &set);
    push_account_rec(&w.s, &charge);
    advance(&w.s, DAY_NS + HOUR_NS);
    walk_run(&w);
    json_t *s = the_statement(&w), *line = line_of(s, "late-fee", "");
    assert_non_null(line);
    assert_string_equal(text_of(line, "quantity"), "10");
    assert_string_equal(text_of(line, "unit"), "CNY-day");
    assert_string_equal(text_of(line, "price"), "0.0005");
    assert_string_equal(text_of(line, "amount"), "0.005");
    line = line_of(s, "charge", "");
    assert_string_equal(text_of(line, "amount"), "10.00");
    assert_string_equal(text_of(json_object_get(s, "paid"), "cash"), "10.005");
    json_decref(s);
    walk_end(&w);
}

/* ---- usage: who did it ---- */

static json_t *usage_of(struct walk *w)
{
    json_t *o;
    struct err e = {.text = ""};
    if (meter_usage_json(w->m, VIEW("acme"), VIEW(""), w->s.now_ns, &o, &e) != RC_OK)
        fail_msg("%s", e.text);
    return o;
}

static void usage_is_told_by_bucket_key_and_result_with_the_open_hour(void **state)
{
    struct walk w;
    unsigned seen = 0;
    (void)state;
    begin_with_bucket(&w);
    push_reads(&w.s, w.account, w.bucket, "photos", 200, 5, (uint64_t)GIB / 4, ITEM_EGRESS_CDN);
    advance(&w.s, 2 * HOUR_NS);
    push_reads(&w.s, w.account, w.bucket, "photos", 403, 7, 0, ITEM_EGRESS_INTERNET);
    push_reads(&w.s, w.account, w.bucket, "photos", 200, 1, 0, ITEM_EGRESS_INTERNET);
    walk_run(&w);
    json_t *o = usage_of(&w), *l;
    size_t i;
    json_array_foreach(json_object_get(o, "lines"), i, l)
    {
        if (strcmp(text_of(l, "access_key"), "HFKEY") != 0)
            continue;
        const char *item = text_of(l, "item"), *quantity = text_of(l, "quantity");
        json_int_t status = json_integer_value(json_object_get(l, "status"));
        assert_string_equal(text_of(l, "bucket"), "photos");
        if (strcmp(item, "egress.cdn") == 0) {
            assert_string_equal(quantity, "0.25");
            assert_string_equal(text_of(l, "unit"), "GB");
        } else {
            assert_string_equal(item, "requests.STANDARD.read");
            assert_string_equal(quantity, status == 403 ? "7" : "6");
            assert_string_equal(text_of(l, "unit"), "request");
        }
        seen++;
    }
    assert_int_equal(seen, 3);
    json_decref(o);
    walk_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_month_without_data_has_empty_lists),
        cmocka_unit_test(a_wrong_month_or_account_is_refused),
        cmocka_unit_test(lines_hold_closed_hours_and_the_open_one),
        cmocka_unit_test(the_total_is_the_sum_of_the_lines_and_cash_and_vouchers_pay_it),
        cmocka_unit_test(what_a_pack_covers_is_a_line_of_its_own),
        cmocka_unit_test(what_is_left_of_a_pack_counts_the_open_hour),
        cmocka_unit_test(lines_stand_by_bucket_then_item),
        cmocka_unit_test(buckets_of_one_name_are_one_line),
        cmocka_unit_test(the_invoice_rounds_lines_then_their_sum),
        cmocka_unit_test(a_month_that_is_over_stands_still),
        cmocka_unit_test(a_tier_that_the_month_reaches_makes_another_line),
        cmocka_unit_test(old_usage_keeps_old_prices),
        cmocka_unit_test(the_late_fee_is_a_line_in_currency_days),
        cmocka_unit_test(usage_is_told_by_bucket_key_and_result_with_the_open_hour),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
