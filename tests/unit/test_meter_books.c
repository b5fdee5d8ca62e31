/* The meter's books, checks and answers: price books in force, what is refused, keys and gauges. */
#include "meter_script.h"

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
    static const enum rec_type types[] = {REC_ACCOUNT, REC_TOPUP,  REC_KEY,   REC_USAGE,
                                          REC_STAGE,   REC_PRICES, REC_OBJECT};
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

/* A line for each price, the old one first. */
static void assert_two_prices(struct meter *m, int64_t now_ns, int64_t old, int64_t later)
{
    char text[MONEY_TEXT_MAX];
    json_t *st = statement_of(m, "acme", "", now_ns), *lines = json_object_get(st, "lines");
    unsigned seen = 0;
    for (size_t i = 0; i < json_array_size(lines); i++) {
        json_t *l = json_array_get(lines, i);
        if (strcmp(text_of(l, "item"), "storage.STANDARD") != 0)
            continue;
        assert_string_equal(text_of(l, "price"), seen == 0 ? "0.118" : "0.236");
        assert_string_equal(text_of(l, "amount"), money_text(seen == 0 ? old : later, text));
        seen++;
    }
    assert_int_equal(seen, 2);
    json_decref(st);
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
    assert_true(taken > 2); /* all that are built in */
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
    int64_t later = by_hand((unsigned __int128)(1000 * GIB), 2 * STORAGE_NANO, STORAGE_DIVISOR);
    assert_two_prices(w.m, w.s.now_ns, hour, later);
    assert_int_equal(meter_reload(w.m, NULL), RC_OK);
    assert_two_prices(w.m, w.s.now_ns, hour, later);
    assert_int_equal(meter_take_prices(w.m, &b), RC_END); /* every text is known to the journal */
    free(dear);
    buf_free(&b);
    walk_end(&w);
}

static char *with_valid_from(const char *text, const char *date)
{
    size_t n = strlen(text) + 64;
    char *out = malloc(n);
    assert_non_null(out);
    snprintf(out, n, "%svalid_from: %s\n", text, date);
    return out;
}

static void push_prices(struct script *s, const char *text)
{
    const struct account_rec r = {.type = REC_PRICES, .name = VIEW("tencent-cos"), .text = view_cstr(text)};
    push_account_rec(s, &r);
}

static int64_t storage_price(struct meter *m)
{
    struct decimal d = price_of(meter_prices(m, VIEW("tencent-cos")), 0, 0);
    int64_t nano = d.num;
    for (unsigned i = d.scale; i < 9; i++)
        nano *= 10;
    return nano;
}

static void a_version_waits_for_its_day_and_the_newest_of_a_day_rules(void **state)
{
    (void)state;
    struct walk w;
    walk_begin(&w);
    char *now = embedded_book_with(w.m, "0.118");
    char *dear = embedded_book_with(w.m, "0.236"), *ahead = with_valid_from(dear, "2026-11-02");
    char *cheap = embedded_book_with(w.m, "0.059"), *other = with_valid_from(cheap, "2026-11-02");
    push_prices(&w.s, now);
    push_prices(&w.s, ahead);
    advance(&w.s, DAY_NS - HOUR_NS);
    walk_run(&w);
    assert_int_equal(storage_price(w.m), 118000000);
    push_prices(&w.s, now); /* said again: still only of a day before */
    advance(&w.s, HOUR_NS);
    walk_run(&w);
    assert_int_equal(storage_price(w.m), 236000000); /* midnight in the book's zone */
    push_prices(&w.s, other);
    walk_run(&w);
    assert_int_equal(storage_price(w.m), 236000000); /* not within an hour */
    advance(&w.s, HOUR_NS);
    walk_run(&w);
    assert_int_equal(storage_price(w.m), 59000000);
    assert_int_equal(meter_reload(w.m, NULL), RC_OK);
    assert_int_equal(storage_price(w.m), 59000000);
    free(now);
    free(dear);
    free(ahead);
    free(cheap);
    free(other);
    walk_end(&w);
}

static void a_text_that_is_no_book_is_refused_and_the_reader_goes_on(void **state)
{
    (void)state;
    struct walk w;
    struct err e = {.text = ""};
    bool repeat;
    walk_begin(&w);
    char *book = embedded_book_with(w.m, "0.118");
    char *at = strstr(book, "currency: CNY");
    assert_non_null(at);
    memcpy(at, "currency: USD", 13);
    push_prices(&w.s, "name: tencent-cos\nx: 1\n");
    push_prices(&w.s, book); /* another currency under the same name */
    advance(&w.s, HOUR_NS);
    walk_run(&w);
    struct sql_stmt *q;
    assert_int_equal(sql_query(w.m->sql, NULL, &q, "SELECT COUNT(*) FROM refused_record", ""), RC_OK);
    assert_int_equal(sql_next(q, NULL), RC_OK);
    assert_int_equal(sql_i64(q, 0), 2);
    sql_done(q);
    struct account_rec r = {.type = REC_PRICES, .text = view_cstr(book)};
    assert_int_equal(meter_check(w.m, VIEW(""), &r, &repeat, &e), RC_INVALID);
    assert_non_null(strstr(e.text, "cannot become USD"));
    memcpy(at, "currency: CNY", 13);
    r = (struct account_rec){.type = REC_PRICES, .text = view_cstr(book)};
    assert_int_equal(meter_check(w.m, VIEW(""), &r, &repeat, &e), RC_OK);
    assert_true(view_eqs(r.name, "tencent-cos"));
    assert_false(repeat);
    free(book);
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
    assert_int_equal(price_of(meter_prices(m, VIEW("tencent-cos")), 0, 0).num, 59);
    meter_close(m);
    assert_int_equal(os_write_file(os_sim_os(sim), "/data/prices/mine.yaml", VIEW("name: mine\nx: 1\n"), NULL), RC_OK);
    assert_int_equal(meter_open(os_sim_os(sim), NULL, NULL, &cfg, &m, &e), RC_INVALID);
    assert_non_null(strstr(e.text, "/data/prices/mine.yaml:"));
    free(cheap);
    os_sim_free(sim);
}

/* ---- keys, gauges ---- */

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_that_cannot_be_understood_is_corrupt_and_changes_nothing),
        cmocka_unit_test(a_recorded_price_holds_from_the_next_hour_on),
        cmocka_unit_test(a_version_waits_for_its_day_and_the_newest_of_a_day_rules),
        cmocka_unit_test(a_text_that_is_no_book_is_refused_and_the_reader_goes_on),
        cmocka_unit_test(an_override_with_a_mistake_stops_the_opening_with_its_place),
        cmocka_unit_test(keys_are_listed_with_their_times),
        cmocka_unit_test(gauges_show_bytes_balance_and_stage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
