/* The ledger, the records and the registry: postings balance and come once, records refuse nonsense, gates open and
 * shut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "account/embedded.h"
#include "account/ledger.h"
#include "account/registry.h"
#include "os/sim.h"

/* ---- ledger ---- */

static int open_ledger(void **state)
{
    static const char *const migrations[] = {ledger_schema};
    struct sql *s;
    assert_int_equal(sql_open_memory(&s, NULL), RC_OK);
    assert_int_equal(sql_migrate(s, migrations, 1, NULL), RC_OK);
    *state = s;
    return 0;
}

static int close_ledger(void **state)
{
    sql_close(*state);
    return 0;
}

static int64_t balance_of(struct sql *s, uint64_t account)
{
    int64_t nano;
    assert_int_equal(ledger_balance(s, account, &nano, NULL), RC_OK);
    return nano;
}

static int64_t number(struct sql *s, const char *text)
{
    struct sql_stmt *q;
    assert_int_equal(sql_query(s, NULL, &q, text, ""), RC_OK);
    assert_int_equal(sql_next(q, NULL), RC_OK);
    int64_t n = sql_i64(q, 0);
    sql_done(q);
    return n;
}

static void every_posting_balances_and_the_prepaid_side_is_the_balance(void **state)
{
    struct sql *s = *state;
    const struct ledger_topup t = {.seq = 5, .account = 3, .time_ns = 1, .amount_nano = 100 * MONEY_NANO};
    assert_int_equal(ledger_topup(s, &t, NULL), RC_OK);
    assert_int_equal(balance_of(s, 3), 100 * MONEY_NANO);
    const struct ledger_line lines[] = {
        {.side = LEDGER_PREPAID, .amount_nano = -30},
        {.side = LEDGER_REVENUE, .amount_nano = 10, .metered = true, .bucket = 9, .cell = 0, .quantity = 77},
        {.side = LEDGER_REVENUE, .amount_nano = 20, .metered = true, .bucket = 9, .cell = CLASS_COUNT, .quantity = 20},
    };
    const struct ledger_posting p = {
        .seq = 6, .account = 3, .kind = LEDGER_USAGE, .time_ns = 2, .hour = 400000, .book = 1, .line = lines, .n = 3};
    assert_int_equal(ledger_post(s, &p, NULL), RC_OK);
    assert_int_equal(balance_of(s, 3), 100 * MONEY_NANO - 30);
    assert_int_equal(balance_of(s, 4), 0);
    assert_int_equal(number(s, "SELECT COUNT(*) FROM (SELECT 1 FROM posting_line GROUP BY seq, account "
                               "HAVING SUM(amount_nano) <> 0)"),
                     0);
    assert_int_equal(number(s, "SELECT variable_nano FROM posting WHERE seq = 6"), 20);
}

static void the_same_cause_cannot_post_twice(void **state)
{
    struct sql *s = *state;
    const struct ledger_line lines[] = {{.side = LEDGER_PREPAID, .amount_nano = -1},
                                        {.side = LEDGER_REVENUE, .amount_nano = 1, .metered = true, .quantity = 1}};
    const struct ledger_posting p = {.seq = 6, .account = 3, .kind = LEDGER_USAGE, .line = lines, .n = 2};
    assert_int_equal(ledger_post(s, &p, NULL), RC_OK);
    assert_int_equal(ledger_post(s, &p, NULL), RC_CONFLICT);
    assert_int_equal(balance_of(s, 3), -1);
}

static void a_ref_counts_once_per_account(void **state)
{
    struct sql *s = *state;
    struct ledger_topup t = {.seq = 5, .account = 3, .time_ns = 1, .amount_nano = 7, .ref = VIEW("R-1")};
    assert_int_equal(ledger_topup(s, &t, NULL), RC_OK);
    t.seq = 6;
    t.amount_nano = 9; /* another amount does not make it another payment */
    assert_int_equal(ledger_topup(s, &t, NULL), RC_EXISTS);
    assert_int_equal(balance_of(s, 3), 7);
    t.account = 4;
    assert_int_equal(ledger_topup(s, &t, NULL), RC_OK);
    assert_int_equal(balance_of(s, 4), 9);
    t.ref = VIEW("");
    t.seq = 7;
    assert_int_equal(ledger_topup(s, &t, NULL), RC_OK);
    t.seq = 8;
    assert_int_equal(ledger_topup(s, &t, NULL), RC_OK); /* no ref: each is a payment */
    assert_int_equal(balance_of(s, 4), 27);
}

static void large_sums_survive_the_split(void **state)
{
    (void)state;
    const unsigned __int128 values[] = {0, 1, 999999999999999999ULL, 1000000000000000000ULL,
                                        (unsigned __int128)UINT64_MAX * 8928 * 12345};
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        int64_t hi, lo;
        ledger_split(values[i], &hi, &lo);
        assert_true(hi >= 0 && lo >= 0);
        assert_true(ledger_join(hi, lo) == values[i]);
    }
}

/* ---- records ---- */

static void assert_view(struct view v, const char *s)
{
    assert_true(view_eqs(v, s));
}

static struct account_rec round_trip(const struct account_rec *r, struct buf *b, struct arena *a)
{
    struct account_rec got;
    buf_clear(b);
    assert_int_equal(account_rec_encode(r, b), RC_OK);
    assert_int_equal(account_rec_decode(r->type, buf_view(b), a, &got), RC_OK);
    return got;
}

static void records_read_back_as_written(void **state)
{
    (void)state;
    struct buf b = BUF(1 << 20);
    struct arena a = ARENA(1 << 20);
    const struct account_rec account = {.type = REC_ACCOUNT,
                                        .name = VIEW("acme"),
                                        .currency = VIEW("CNY"),
                                        .prices = VIEW("tencent-cos"),
                                        .timetable = VIEW("tencent-cos")};
    struct account_rec got = round_trip(&account, &b, &a);
    assert_view(got.name, "acme");
    assert_view(got.currency, "CNY");
    assert_view(got.prices, "tencent-cos");
    const struct account_rec topup = {.type = REC_TOPUP, .account = 9, .amount_nano = 12345, .ref = VIEW("R")};
    got = round_trip(&topup, &b, &a);
    assert_int_equal(got.account, 9);
    assert_int_equal(got.amount_nano, 12345);
    assert_view(got.ref, "R");
    const struct account_rec stage = {
        .type = REC_STAGE, .account = 9, .name = VIEW("acme"), .stage = STAGE_STOP, .cause = 77};
    got = round_trip(&stage, &b, &a);
    assert_int_equal(got.stage, STAGE_STOP);
    assert_int_equal(got.cause, 77);
    const struct usage_line lines[] = {{.account = 9,
                                        .bucket = 12,
                                        .bucket_name = VIEW("photos"),
                                        .access_key = VIEW("HFX"),
                                        .class = CLASS_ARCHIVE,
                                        .status = 4,
                                        .requests = 3,
                                        .egress_bytes = 1ULL << 40,
                                        .egress = ITEM_EGRESS_CDN},
                                       {.account = 1, .status = 2, .requests = 1, .egress = ITEM_EGRESS_INTERNET}};
    const struct account_rec usage = {.type = REC_USAGE, .usage = lines, .n_usage = 2};
    got = round_trip(&usage, &b, &a);
    assert_int_equal(got.n_usage, 2);
    assert_view(got.usage[0].bucket_name, "photos");
    assert_view(got.usage[0].access_key, "HFX");
    assert_int_equal(got.usage[0].class, CLASS_ARCHIVE);
    assert_int_equal(got.usage[0].egress_bytes, 1ULL << 40);
    assert_int_equal(got.usage[0].egress, ITEM_EGRESS_CDN);
    assert_int_equal(got.usage[1].account, 1);
    const struct account_rec prices = {
        .type = REC_PRICES, .name = VIEW("x"), .is_timetable = true, .text = VIEW("y: 1")};
    got = round_trip(&prices, &b, &a);
    assert_true(got.is_timetable);
    assert_view(got.text, "y: 1");
    buf_free(&b);
    arena_free(&a);
}

static void amounts_that_are_no_payment_are_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "-1", "NaN", "1e5", "10000000000000000000000000000000000000000", "", "1,00", "+1", "0.0000000001", "inf", " 1"};
    struct buf b = BUF(1024);
    struct arena a = ARENA(1024);
    struct account_rec r = {.type = REC_TOPUP, .account = 9}, got;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        int64_t nano = 0;
        enum rc rc = money_parse(view_cstr(texts[i]), &nano);
        assert_true(rc == RC_INVALID || rc == RC_LIMIT || nano < 0);
    }
    static const int64_t amounts[] = {0, -1, INT64_MIN};
    for (size_t i = 0; i < sizeof(amounts) / sizeof(amounts[0]); i++) {
        r.amount_nano = amounts[i];
        buf_clear(&b);
        assert_int_equal(account_rec_encode(&r, &b), RC_INVALID);
        assert_int_equal(b.n, 0);
        assert_int_equal(tlv_put_u64(&b, 1, 9), RC_OK); /* the same, written by somebody else */
        assert_int_equal(tlv_put_i64(&b, 6, amounts[i]), RC_OK);
        assert_int_equal(account_rec_decode(REC_TOPUP, buf_view(&b), &a, &got), RC_CORRUPT);
    }
    buf_free(&b);
    arena_free(&a);
}

static void truncated_records_are_corrupt(void **state)
{
    (void)state;
    struct buf b = BUF(4096);
    struct arena a = ARENA(1 << 20);
    const struct usage_line line = {.account = 9,
                                    .bucket = 12,
                                    .bucket_name = VIEW("photos"),
                                    .status = 2,
                                    .requests = 3,
                                    .egress_bytes = 4,
                                    .egress = ITEM_EGRESS_INTERNET};
    const struct account_rec r = {.type = REC_USAGE, .usage = &line, .n_usage = 1};
    struct account_rec got;
    assert_int_equal(account_rec_encode(&r, &b), RC_OK);
    for (size_t n = 0; n < b.n; n++)
        assert_int_equal(account_rec_decode(REC_USAGE, view_of(b.p, n), &a, &got), RC_CORRUPT);
    buf_free(&b);
    arena_free(&a);
}

/* ---- registry ---- */

struct gate {
    struct os_sim *sim;
    struct diskset disks;
    struct keystore *keys;
    struct registry *registry;
    struct timetable *timetable;
};

static struct timetable *built_in_timetable(void)
{
    struct timetable *t = NULL;
    for (size_t i = 0; i < embedded_count; i++) {
        const struct embedded_file *f = &embedded_files[i];
        if (strcmp(f->name, "timetables/tencent-cos.yaml") == 0)
            assert_int_equal(timetable_parse(f->name, view_of(f->text, f->size), &t, NULL), RC_OK);
    }
    assert_non_null(t);
    return t;
}

static int open_gate(void **state)
{
    struct gate *g = calloc(1, sizeof(*g));
    assert_non_null(g);
    assert_int_equal(os_sim_new(1, &g->sim), RC_OK);
    g->disks.os = os_sim_os(g->sim);
    g->disks.n = 1;
    assert_true(view_copy(VIEW("/disk1"), g->disks.disk[0].path, sizeof(g->disks.disk[0].path)));
    g->disks.disk[0].state = DISK_OK;
    assert_int_equal(os_mkdirs(g->disks.os, "/disk1", NULL), RC_OK);
    assert_int_equal(keystore_open(g->disks.os, &g->disks, &g->keys, NULL), RC_OK);
    assert_int_equal(registry_new(g->keys, &g->registry), RC_OK);
    g->timetable = built_in_timetable();
    *state = g;
    return 0;
}

static int close_gate(void **state)
{
    struct gate *g = *state;
    registry_free(g->registry);
    timetable_free(g->timetable);
    keystore_close(g->keys);
    os_sim_free(g->sim);
    free(g);
    return 0;
}

static void a_key_needs_its_record_and_its_secret(void **state)
{
    struct gate *g = *state;
    struct caller c;
    assert_int_equal(registry_add_account(g->registry, 7, VIEW("acme"), VIEW("CNY"), g->timetable), RC_OK);
    assert_int_equal(keystore_put(g->keys, "HFA", "secret-of-a", NULL), RC_OK);
    assert_int_equal(registry_key(g->registry, VIEW("HFA"), &c), RC_NOT_FOUND); /* no record yet */
    assert_int_equal(registry_add_key(g->registry, VIEW("HFA"), 7), RC_OK);
    assert_int_equal(registry_key(g->registry, VIEW("HFA"), &c), RC_OK);
    assert_int_equal(c.account, 7);
    assert_string_equal(c.account_name, "acme");
    assert_string_equal(c.access_key, "HFA");
    assert_string_equal(c.secret, "secret-of-a");
    assert_int_equal(registry_add_key(g->registry, VIEW("HFB"), 7), RC_OK);
    assert_int_equal(registry_key(g->registry, VIEW("HFB"), &c), RC_NOT_FOUND); /* no secret */
    assert_int_equal(registry_revoke_key(g->registry, VIEW("HFA")), RC_OK);
    assert_int_equal(registry_key(g->registry, VIEW("HFA"), &c), RC_NOT_FOUND);
    assert_int_equal(registry_add_key(g->registry, VIEW("HFA"), 7), RC_OK); /* read again */
    assert_int_equal(registry_key(g->registry, VIEW("HFA"), &c), RC_NOT_FOUND);
    assert_int_equal(registry_revoke_key(g->registry, VIEW("HFZ")), RC_NOT_FOUND);
}

static void many_keys_and_accounts_are_all_found(void **state)
{
    struct gate *g = *state;
    char name[32];
    uint64_t id;
    for (uint64_t i = 2; i < 500; i++) {
        int n = snprintf(name, sizeof(name), "a%llu", (unsigned long long)i);
        assert_int_equal(registry_add_account(g->registry, i, view_of(name, (size_t)n), VIEW("CNY"), g->timetable),
                         RC_OK);
    }
    for (uint64_t i = 2; i < 500; i++) {
        char found[ACCOUNT_NAME_MAX + 1];
        snprintf(name, sizeof(name), "a%llu", (unsigned long long)i);
        assert_true(registry_name(g->registry, i, found));
        assert_string_equal(found, name);
        assert_int_equal(registry_find(g->registry, view_cstr(name), &id), RC_OK);
        assert_int_equal(id, i);
    }
    assert_int_equal(registry_find(g->registry, VIEW("nobody"), &id), RC_NOT_FOUND);
}

static void the_gate_follows_the_stage_and_says_what_to_pay(void **state)
{
    struct gate *g = *state;
    struct err e = {.text = ""};
    assert_int_equal(registry_gate(g->registry, 7, false, &e), RC_DENIED); /* no such account */
    assert_int_equal(registry_add_account(g->registry, 7, VIEW("acme"), VIEW("CNY"), g->timetable), RC_OK);
    assert_int_equal(registry_gate(g->registry, 7, true, &e), RC_OK);
    registry_set_stage(g->registry, 7, STAGE_WARN, -1);
    assert_int_equal(registry_gate(g->registry, 7, true, &e), RC_OK);
    registry_set_stage(g->registry, 7, STAGE_STOP, -12340000001);
    assert_int_equal(registry_gate(g->registry, 7, false, &e), RC_DENIED);
    assert_int_equal(registry_gate(g->registry, 7, true, &e), RC_DENIED);
    assert_non_null(strstr(e.text, "Due to your account is arrears, it is unavailable until you recharge."));
    assert_non_null(strstr(e.text, "Account acme is 12.340000001 CNY below zero"));
    assert_non_null(strstr(e.text, "at least 12.35 CNY"));
    registry_set_stage(g->registry, 7, STAGE_PURGEABLE, INT64_MIN);
    assert_int_equal(registry_gate(g->registry, 7, false, &e), RC_DENIED);
    registry_set_stage(g->registry, 7, STAGE_ACTIVE, 0);
    assert_int_equal(registry_gate(g->registry, 7, true, &e), RC_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_posting_balances_and_the_prepaid_side_is_the_balance, open_ledger,
                                        close_ledger),
        cmocka_unit_test_setup_teardown(the_same_cause_cannot_post_twice, open_ledger, close_ledger),
        cmocka_unit_test_setup_teardown(a_ref_counts_once_per_account, open_ledger, close_ledger),
        cmocka_unit_test(large_sums_survive_the_split),
        cmocka_unit_test(records_read_back_as_written),
        cmocka_unit_test(amounts_that_are_no_payment_are_refused),
        cmocka_unit_test(truncated_records_are_corrupt),
        cmocka_unit_test_setup_teardown(a_key_needs_its_record_and_its_secret, open_gate, close_gate),
        cmocka_unit_test_setup_teardown(many_keys_and_accounts_are_all_found, open_gate, close_gate),
        cmocka_unit_test_setup_teardown(the_gate_follows_the_stage_and_says_what_to_pay, open_gate, close_gate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
