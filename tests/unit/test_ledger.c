/* The ledger: postings balance and come once, records of money have one ref, auditors read names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "account/ledger.h"

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
    const struct ledger_line topup[] = {{.side = LEDGER_PREPAID, .amount_nano = 100 * MONEY_NANO},
                                        {.side = LEDGER_CASH, .amount_nano = -100 * MONEY_NANO}};
    const struct ledger_posting t = {.seq = 5, .account = 3, .kind = LEDGER_TOPUP, .time_ns = 1, .line = topup, .n = 2};
    assert_int_equal(ledger_post(s, &t, NULL), RC_OK);
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
    assert_int_equal(number(s, "SELECT COUNT(*) FROM (SELECT 1 FROM posting_line GROUP BY id >> 24 "
                               "HAVING SUM(amount_nano) <> 0)"),
                     0);
    int64_t earned;
    assert_int_equal(ledger_sum(s, 3, LEDGER_REVENUE, &earned, NULL), RC_OK);
    assert_int_equal(earned, 30);
}

static void an_auditor_reads_names(void **state)
{
    struct sql *s = *state;
    const struct ledger_line lines[] = {
        {.side = LEDGER_PREPAID, .amount_nano = -10},
        {.side = LEDGER_VOUCHER, .amount_nano = -20, .ref = 4},
        {.side = LEDGER_REVENUE, .amount_nano = 30, .metered = true, .bucket = 9, .cell = 0, .quantity = 77},
    };
    const struct ledger_posting p = {
        .seq = 6, .account = 3, .kind = LEDGER_USAGE, .time_ns = 2, .hour = 400000, .book = 1, .line = lines, .n = 3};
    assert_int_equal(ledger_names(s, NULL), RC_OK);
    assert_int_equal(ledger_post(s, &p, NULL), RC_OK);
    assert_int_equal(number(s, "SELECT COUNT(*) FROM ledger WHERE kind = 'usage' AND seq = 6 AND account = 3"), 3);
    assert_int_equal(number(s, "SELECT amount_nano FROM ledger WHERE side = 'voucher' AND ref = 4 AND no = 1"), -20);
    assert_int_equal(number(s, "SELECT quantity_lo FROM ledger WHERE side = 'revenue' AND item = 'storage.STANDARD'"),
                     77);
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
    struct ledger_money t = {
        .seq = 5, .account = 3, .kind = LEDGER_TOPUP, .time_ns = 1, .amount_nano = 7, .ref = VIEW("R-1")};
    assert_int_equal(ledger_money_keep(s, &t, NULL), RC_OK);
    t.seq = 6;
    t.kind = LEDGER_CHARGE; /* another kind or amount does not make it another record */
    t.amount_nano = 9;
    assert_int_equal(ledger_money_keep(s, &t, NULL), RC_EXISTS);
    t.account = 4;
    assert_int_equal(ledger_money_keep(s, &t, NULL), RC_OK);
    t.ref = VIEW("");
    t.seq = 7;
    assert_int_equal(ledger_money_keep(s, &t, NULL), RC_OK);
    t.seq = 8;
    assert_int_equal(ledger_money_keep(s, &t, NULL), RC_OK); /* no ref: each counts */
    assert_int_equal(number(s, "SELECT COUNT(*) FROM money WHERE account = 3"), 1);
    assert_int_equal(number(s, "SELECT COUNT(*) FROM money WHERE account = 4"), 3);
}

static enum rc keep_last(void *ctx, const struct ledger_money *k)
{
    struct ledger_money *got = ctx;
    assert_true(view_eqs(k->note, "why"));
    *got = *k;
    return RC_OK;
}

static void a_record_of_money_is_found_by_its_ref_and_in_its_time(void **state)
{
    struct sql *s = *state;
    struct ledger_money got = {.seq = 0}, t = {.seq = 5,
                                               .account = 3,
                                               .kind = LEDGER_DUE,
                                               .time_ns = 100,
                                               .amount_nano = 7,
                                               .ref = VIEW("R-1"),
                                               .note = VIEW("why"),
                                               .until_ns = 900,
                                               .monthly = true};
    assert_int_equal(ledger_money_keep(s, &t, NULL), RC_OK);
    t.seq = 6;
    t.ref = VIEW("R-2");
    t.refused = true;
    assert_int_equal(ledger_money_keep(s, &t, NULL), RC_OK);
    assert_int_equal(ledger_money_find(s, 3, VIEW("R-1"), keep_last, &got, NULL), RC_OK);
    assert_int_equal(got.seq, 5);
    assert_int_equal(got.until_ns, 900);
    assert_true(got.monthly && !got.refused);
    assert_int_equal(ledger_money_find(s, 3, VIEW("R-2"), keep_last, &got, NULL), RC_OK);
    assert_true(got.refused);
    assert_int_equal(ledger_money_find(s, 3, VIEW("R-3"), keep_last, &got, NULL), RC_NOT_FOUND);
    assert_int_equal(ledger_money_find(s, 3, VIEW(""), keep_last, &got, NULL), RC_NOT_FOUND);
    got.seq = 0;
    assert_int_equal(ledger_money_each(s, 3, 100, 101, keep_last, &got, NULL), RC_OK);
    assert_int_equal(got.seq, 5); /* the refused one is left out */
    got.seq = 0;
    assert_int_equal(ledger_money_each(s, 3, 0, 100, keep_last, &got, NULL), RC_OK);
    assert_int_equal(got.seq, 0);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_posting_balances_and_the_prepaid_side_is_the_balance, open_ledger,
                                        close_ledger),
        cmocka_unit_test_setup_teardown(the_same_cause_cannot_post_twice, open_ledger, close_ledger),
        cmocka_unit_test_setup_teardown(a_ref_counts_once_per_account, open_ledger, close_ledger),
        cmocka_unit_test_setup_teardown(an_auditor_reads_names, open_ledger, close_ledger),
        cmocka_unit_test_setup_teardown(a_record_of_money_is_found_by_its_ref_and_in_its_time, open_ledger,
                                        close_ledger),
        cmocka_unit_test(large_sums_survive_the_split),
        cmocka_unit_test(amounts_that_are_no_payment_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
