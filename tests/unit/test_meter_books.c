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
        cmocka_unit_test(an_override_with_a_mistake_stops_the_opening_with_its_place),
        cmocka_unit_test(keys_are_listed_with_their_times),
        cmocka_unit_test(gauges_show_bytes_balance_and_stage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
