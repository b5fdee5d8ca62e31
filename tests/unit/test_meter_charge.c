/* Who pays for an hour: packs, tiers, vouchers, cash; late fees, minimum sizes and days; each to the last unit. */
#include "meter_money_script.h"

#define EGRESS_NANO 500000000LL /* of a GB, at tencent-cos */

static void begin(struct walk *w)
{
    walk_begin(w);
    push_topup(&w->s, w->account, 1000 * YUAN, "");
    w->bucket = push_bucket(&w->s, w->account, "abc");
    advance(&w->s, HOUR_NS); /* the request of the bucket is behind us */
    walk_run(w);
}

static void read_gb(struct walk *w, uint64_t bucket, const char *name, int64_t bytes)
{
    push_reads(&w->s, w->account, bucket, name, 200, 0, (uint64_t)bytes, ITEM_EGRESS_INTERNET);
}

static int64_t balance_of(struct walk *w)
{
    int64_t nano;
    assert_int_equal(meter_balance(w->m, meter_account_of(w->m, w->account), w->s.now_ns, &nano), RC_OK);
    return nano;
}

static int64_t column(struct walk *w, const char *text)
{
    struct sql_stmt *q;
    assert_int_equal(sql_query(w->m->sql, NULL, &q, text, ""), RC_OK);
    assert_int_equal(sql_next(q, NULL), RC_OK);
    int64_t n = sql_i64(q, 0);
    sql_done(q);
    return n;
}

/* The ledger agrees with what is kept beside it. */
static void assert_whole(struct walk *w)
{
    const struct meter_account *a = meter_account_of(w->m, w->account);
    int64_t nano, left = 0;
    assert_int_equal(ledger_balance(w->m->sql, a->id, &nano, NULL), RC_OK);
    assert_int_equal(nano, a->balance_nano);
    for (size_t i = 0; i < a->n_vouchers; i++)
        left += a->voucher[i].left_nano;
    assert_int_equal(ledger_sum(w->m->sql, a->id, LEDGER_VOUCHER, &nano, NULL), RC_OK);
    assert_int_equal(nano, left);
    assert_int_equal(column(w, "SELECT COUNT(*) FROM (SELECT 1 FROM posting_line GROUP BY id >> 24 "
                               "HAVING SUM(amount_nano) <> 0)"),
                     0);
}

/* ---- packs ---- */

static void a_pack_that_runs_out_within_an_hour_covers_what_it_has(void **state)
{
    (void)state;
    struct walk w;
    begin(&w);
    int64_t before = balance_of(&w);
    push_pack(&w.s, w.account, "egress.internet", "2.5", 3 * YUAN, w.s.now_ns + 10 * DAY_NS);
    w.s.now_ns++;
    read_gb(&w, w.bucket, "abc", 2 * GIB);
    walk_run(&w);
    assert_int_equal(balance_of(&w), before - 3 * YUAN); /* the pack's price at once, nothing for what it covers */
    advance(&w.s, HOUR_NS);
    read_gb(&w, w.bucket, "abc", 2 * GIB);
    walk_run(&w);
    int64_t want = before - 3 * YUAN - 3 * EGRESS_NANO / 2; /* 0.5 GB was left of it */
    assert_int_equal(balance_of(&w), want);
    advance(&w.s, HOUR_NS);
    walk_run(&w);
    assert_int_equal(balance_of(&w), want);
    assert_int_equal(meter_account_of(w.m, w.account)->balance_nano, want);
    assert_int_equal(column(&w, "SELECT COUNT(*) FROM ledger WHERE item = 'egress.internet' AND ref > 0"), 2);
    assert_whole(&w);
    walk_end(&w);
}

static void the_pack_that_ends_first_is_used_first(void **state)
{
    (void)state;
    struct walk w;
    begin(&w);
    uint64_t late = push_pack(&w.s, w.account, "egress.internet", "1", 0, w.s.now_ns + 9 * DAY_NS);
    uint64_t soon = push_pack(&w.s, w.account, "egress.internet", "1", 0, w.s.now_ns + 2 * DAY_NS);
    w.s.now_ns++;
    read_gb(&w, w.bucket, "abc", GIB / 4);
    advance(&w.s, HOUR_NS);
    walk_run(&w);
    const struct meter_account *a = meter_account_of(w.m, w.account);
    assert_int_equal(a->n_packs, 2);
    assert_int_equal(a->pack[0].seq, soon);
    assert_true(a->pack[0].left == (unsigned __int128)(3 * GIB / 4));
    assert_int_equal(a->pack[1].seq, late);
    assert_true(a->pack[1].left == (unsigned __int128)GIB);
    advance(&w.s, 2 * DAY_NS);
    walk_run(&w);
    a = meter_account_of(w.m, w.account);
    assert_int_equal(a->n_packs, 1); /* what was left of the other is gone with it */
    assert_int_equal(a->pack[0].seq, late);
    walk_end(&w);
}

static void a_pack_counts_for_the_hours_that_end_within_it(void **state)
{
    (void)state;
    struct walk w;
    begin(&w);
    int64_t before = balance_of(&w), hour = w.s.now_ns;
    assert_int_equal(hour % HOUR_NS, 0);
    push_pack(&w.s, w.account, "egress.internet", "100", 0, hour + 2 * HOUR_NS);
    for (unsigned i = 0; i < 3; i++) {
        read_gb(&w, w.bucket, "abc", GIB);
        advance(&w.s, HOUR_NS);
    }
    walk_run(&w);
    assert_int_equal(balance_of(&w), before - EGRESS_NANO); /* of the third hour */
    walk_end(&w);
}

/* ---- vouchers ---- */

static void vouchers_pay_in_the_order_of_their_ends_and_only_their_scope(void **state)
{
    (void)state;
    struct walk w;
    begin(&w);
    int64_t before = balance_of(&w);
    uint64_t all = push_voucher(&w.s, w.account, YUAN, "", w.s.now_ns + 9 * DAY_NS);
    uint64_t egress = push_voucher(&w.s, w.account, YUAN, "egress", w.s.now_ns + 2 * DAY_NS);
    w.s.now_ns++;
    read_gb(&w, w.bucket, "abc", GIB); /* 0.5: of the one that ends first */
    push_reads(&w.s, w.account, w.bucket, "abc", 200, 100, 0, ITEM_EGRESS_INTERNET); /* 0.0001: not in its scope */
    advance(&w.s, HOUR_NS);
    walk_run(&w);
    assert_int_equal(balance_of(&w), before);
    const struct meter_account *a = meter_account_of(w.m, w.account);
    assert_int_equal(a->voucher[0].seq, egress);
    assert_int_equal(a->voucher[0].left_nano, YUAN / 2);
    assert_int_equal(a->voucher[1].seq, all);
    assert_int_equal(a->voucher[1].left_nano, YUAN - 100000);
    read_gb(&w, w.bucket, "abc", 4 * GIB); /* 2.0: 0.5 + 0.9999 + cash */
    walk_run(&w);
    assert_int_equal(balance_of(&w), before - (2 * YUAN - YUAN / 2 - (YUAN - 100000)));
    advance(&w.s, HOUR_NS);
    walk_run(&w);
    assert_int_equal(balance_of(&w), before - (2 * YUAN - YUAN / 2 - (YUAN - 100000)));
    assert_whole(&w);
    walk_end(&w);
}

static void what_is_left_of_a_voucher_goes_back_at_the_first_tick_after_its_end(void **state)
{
    (void)state;
    struct walk w;
    begin(&w);
    int64_t before = balance_of(&w);
    push_voucher(&w.s, w.account, YUAN, "", w.s.now_ns + HOUR_NS);
    w.s.now_ns++;
    read_gb(&w, w.bucket, "abc", GIB);
    advance(&w.s, HOUR_NS - 1); /* the hour closes before the voucher ends */
    walk_run(&w);
    assert_int_equal(balance_of(&w), before);
    assert_int_equal(meter_account_of(w.m, w.account)->n_vouchers, 0);
    assert_int_equal(column(&w, "SELECT amount_nano FROM ledger WHERE kind = 'voucher-end' AND side = 'promotion'"),
                     YUAN / 2);
    read_gb(&w, w.bucket, "abc", GIB);
    advance(&w.s, HOUR_NS);
    walk_run(&w);
    assert_int_equal(balance_of(&w), before - EGRESS_NANO);
    assert_whole(&w);
    walk_end(&w);
}

static void a_voucher_pays_no_late_fee_pack_or_charge(void **state)
{
    (void)state;
    struct walk w;
    begin(&w);
    int64_t before = balance_of(&w);
    push_voucher(&w.s, w.account, 100 * YUAN, "", w.s.now_ns + 9 * DAY_NS);
    const struct account_rec charge = {.type = REC_MONEY,
                                       .account = w.account,
                                       .money = MONEY_CHARGE,
                                       .amount_nano = 7 * YUAN,
                                       .note = VIEW("support")};
    const struct account_rec credit = {.type = REC_MONEY,
                                       .account = w.account,
                                       .money = MONEY_CREDIT,
                                       .amount_nano = 2 * YUAN,
                                       .note = VIEW("an outage")};
    push_account_rec(&w.s, &charge);
    push_account_rec(&w.s, &credit);
    push_pack(&w.s, w.account, "egress.cdn", "1", YUAN, w.s.now_ns + 9 * DAY_NS);
    walk_run(&w);
    assert_int_equal(balance_of(&w), before - 6 * YUAN);
    assert_whole(&w);
    walk_end(&w);
}

/* ---- tiers ---- */

static char *tiered_book(struct meter *m)
{
    static const char flat[] = "internet:     {value: 0.5,";
    static const char tiers[] =
        "internet:     {tiers: [{from: 0, value: 0}, {from: 1, value: 0.5}, {from: 3, value: 0.3}],";
    const struct price_book *b = meter_prices(m, VIEW("tencent-cos"));
    const char *at = strstr(b->id.text, flat);
    assert_non_null(at);
    char *out = malloc(b->id.text_n + sizeof(tiers));
    assert_non_null(out);
    snprintf(out, b->id.text_n + sizeof(tiers), "%.*s%s%s", (int)(at - b->id.text), b->id.text, tiers,
             at + strlen(flat));
    return out;
}

static void tiers_go_by_the_accounts_month_and_begin_anew_with_the_next(void **state)
{
    (void)state;
    struct walk w;
    walk_begin(&w);
    push_topup(&w.s, w.account, 1000 * YUAN, "");
    char *book = tiered_book(w.m);
    const struct account_rec r = {.type = REC_PRICES, .name = VIEW("tencent-cos"), .text = view_cstr(book)};
    push_account_rec(&w.s, &r);
    w.bucket = push_bucket(&w.s, w.account, "abc");
    uint64_t other = push_bucket(&w.s, w.account, "def");
    advance(&w.s, HOUR_NS);
    walk_run(&w);
    int64_t before = balance_of(&w);
    read_gb(&w, w.bucket, "abc", GIB / 2); /* free */
    read_gb(&w, other, "def", GIB);        /* 0.5 free, 0.5 at 0.5 */
    walk_run(&w);
    assert_int_equal(balance_of(&w), before - YUAN / 4);
    advance(&w.s, HOUR_NS);
    read_gb(&w, w.bucket, "abc", 3 * GIB); /* 1.5 at 0.5, 1.5 at 0.3 */
    push_pack(&w.s, w.account, "egress.internet", "1", 0, w.s.now_ns + DAY_NS);
    advance(&w.s, HOUR_NS);
    walk_run(&w);
    /* The pack took one of the three, and what a pack covers moves no tier. */
    assert_int_equal(balance_of(&w), before - YUAN / 4 - (3 * YUAN / 4 + 3 * YUAN / 20));
    assert_int_equal(meter_reload(w.m, NULL), RC_OK);
    read_gb(&w, other, "def", GIB);
    walk_run(&w);
    assert_int_equal(balance_of(&w), before - YUAN / 4 - (3 * YUAN / 4 + 3 * YUAN / 20) - 3 * YUAN / 10);
    int64_t november = balance_of(&w);
    w.s.now_ns = (NOV_2026_CST + 30LL * 86400) * NS_PER_S; /* December in UTC+8 */
    push_tick(&w.s);
    read_gb(&w, other, "def", GIB);
    walk_run(&w);
    assert_int_equal(balance_of(&w), november); /* the free quota is there again */
    assert_whole(&w);
    free(book);
    walk_end(&w);
}

/* ---- late fees, credit, reservations ---- */

static void the_first_tick_of_a_day_charges_the_debt_below_the_credit_limit(void **state)
{
    (void)state;
    struct walk w;
    walk_begin(&w); /* midnight in the book's zone */
    const struct account_rec set = {.type = REC_ACCOUNT_SET,
                                    .account = w.account,
                                    .has_credit = true,
                                    .credit_nano = 10 * YUAN,
                                    .has_late_fee = true,
                                    .late_fee = VIEW("0.0005")};
    const struct account_rec charge = {.type = REC_MONEY,
                                       .account = w.account,
                                       .money = MONEY_CHARGE,
                                       .amount_nano = 30 * YUAN + 7,
                                       .note = VIEW("x")};
    push_account_rec(&w.s, &set);
    push_account_rec(&w.s, &charge);
    advance(&w.s, DAY_NS - TICK_NS);
    walk_run(&w);
    assert_int_equal(balance_of(&w), -30 * YUAN - 7); /* not within the day */
    advance(&w.s, TICK_NS);
    walk_run(&w);
    int64_t fee = (2 * (20 * YUAN + 7) * 5 + 10000) / 20000; /* x 0.0005, half-up */
    assert_int_equal(balance_of(&w), -30 * YUAN - 7 - fee);
    advance(&w.s, TICK_NS);
    w.s.now_ns += 3 * DAY_NS; /* days without a tick cost nothing */
    push_tick(&w.s);
    walk_run(&w);
    int64_t second = (2 * (20 * YUAN + 7 + fee) * 5 + 10000) / 20000;
    assert_int_equal(balance_of(&w), -30 * YUAN - 7 - fee - second);
    assert_int_equal(column(&w, "SELECT COUNT(*) FROM ledger WHERE item = 'late-fee'"), 2);
    assert_whole(&w);
    walk_end(&w);
}

static enum rc check_money(struct walk *w, enum money_kind kind, int64_t nano, const char *ref)
{
    struct account_rec r = {
        .type = REC_MONEY, .money = kind, .amount_nano = nano, .ref = view_cstr(ref), .note = VIEW("x")};
    struct err e = {.text = ""};
    bool repeat;
    return meter_check(w->m, VIEW("acme"), &r, &repeat, &e);
}

static void push_kind(struct walk *w, enum money_kind kind, int64_t nano, const char *ref)
{
    const struct account_rec r = {.type = REC_MONEY,
                                  .account = w->account,
                                  .money = kind,
                                  .amount_nano = nano,
                                  .ref = view_cstr(ref),
                                  .note = VIEW("x")};
    push_account_rec(&w->s, &r);
    walk_run(w);
}

static void what_is_reserved_is_held_until_it_is_released(void **state)
{
    (void)state;
    struct walk w;
    walk_begin(&w);
    push_topup(&w.s, w.account, 10 * YUAN, "");
    walk_run(&w);
    assert_int_equal(check_money(&w, MONEY_RESERVE, 11 * YUAN, "h1"), RC_INVALID);
    assert_int_equal(check_money(&w, MONEY_RESERVE, 8 * YUAN, ""), RC_INVALID);
    assert_int_equal(check_money(&w, MONEY_RESERVE, 8 * YUAN, "h1"), RC_OK);
    push_kind(&w, MONEY_RESERVE, 8 * YUAN, "h1");
    push_kind(&w, MONEY_RESERVE, 3 * YUAN, "h2"); /* past what is available: refused when it is applied too */
    int64_t available;
    struct meter_account *a = meter_account_of(w.m, w.account);
    assert_int_equal(meter_available(w.m, a, w.s.now_ns, &available), RC_OK);
    assert_int_equal(available, 2 * YUAN);
    assert_int_equal(balance_of(&w), 10 * YUAN);
    assert_int_equal(check_money(&w, MONEY_REFUND, 3 * YUAN, "b1"), RC_INVALID);
    assert_int_equal(check_money(&w, MONEY_RELEASE, 0, "h2"), RC_NOT_FOUND);
    assert_int_equal(check_money(&w, MONEY_RESERVE, 1 * YUAN, "h2"), RC_CONFLICT); /* that ref was refused */
    push_kind(&w, MONEY_RELEASE, 0, "h1");
    push_kind(&w, MONEY_RELEASE, 0, "h1"); /* a repeat releases nothing more */
    push_kind(&w, MONEY_REFUND, 3 * YUAN, "b1");
    push_kind(&w, MONEY_REFUND, 3 * YUAN, "b1");
    assert_int_equal(balance_of(&w), 7 * YUAN);
    assert_int_equal(meter_available(w.m, meter_account_of(w.m, w.account), w.s.now_ns, &available), RC_OK);
    assert_int_equal(available, 7 * YUAN);
    assert_int_equal(meter_reload(w.m, NULL), RC_OK);
    assert_int_equal(meter_available(w.m, meter_account_of(w.m, w.account), w.s.now_ns, &available), RC_OK);
    assert_int_equal(available, 7 * YUAN);
    assert_whole(&w);
    walk_end(&w);
}

/* ---- minimum size and days ---- */

static void a_small_object_counts_as_the_minimum_of_the_book_in_force(void **state)
{
    (void)state;
    struct walk w;
    begin(&w);
    push_object(&w.s, w.account, w.bucket, "abc", CLASS_STANDARD_IA, 1000);
    push_object(&w.s, w.account, w.bucket, "abc", CLASS_STANDARD_IA, 1000);
    push_object(&w.s, w.account, w.bucket, "abc", CLASS_STANDARD_IA, 65536);
    push_object(&w.s, w.account, w.bucket, "abc", CLASS_STANDARD, 10);
    walk_run(&w);
    const struct meter_account *a = meter_account_of(w.m, w.account);
    assert_int_equal(a->stored[CLASS_STANDARD_IA], 67536);
    assert_int_equal(a->billed[CLASS_STANDARD_IA], 3 * 65536);
    assert_int_equal(a->billed[CLASS_STANDARD], 10);
    push_gone(&w.s, w.account, w.bucket, "abc", CLASS_STANDARD_IA, 1000, w.s.now_ns - 40 * DAY_NS);
    walk_run(&w);
    assert_int_equal(a->billed[CLASS_STANDARD_IA], 2 * 65536);
    assert_int_equal(meter_reload(w.m, NULL), RC_OK);
    a = meter_account_of(w.m, w.account);
    assert_int_equal(a->billed[CLASS_STANDARD_IA], 2 * 65536);
    /* Another minimum from the next hour on. */
    const struct price_book *b = a->prices;
    char *half = malloc(b->id.text_n + 1);
    assert_non_null(half);
    memcpy(half, b->id.text, b->id.text_n + 1);
    char *at = strstr(half, "value: 65536");
    assert_non_null(at);
    memcpy(at, "value: 32768", 12);
    const struct account_rec now = {
        .type = REC_PRICES, .name = VIEW("tencent-cos"), .text = view_of(b->id.text, b->id.text_n)};
    const struct account_rec r = {.type = REC_PRICES, .name = VIEW("tencent-cos"), .text = view_cstr(half)};
    push_account_rec(&w.s, &now);
    push_account_rec(&w.s, &r);
    push_object(&w.s, w.account, w.bucket, "abc", CLASS_STANDARD_IA, 40000);
    walk_run(&w);
    assert_int_equal(a->billed[CLASS_STANDARD_IA], 3 * 65536);
    advance(&w.s, HOUR_NS);
    walk_run(&w);
    assert_int_equal(a->billed[CLASS_STANDARD_IA], 65536 + 32768 + 40000);
    unsigned __int128 padding;
    assert_int_equal(meter_flush(w.m, NULL), RC_OK);
    assert_int_equal(meter_small_padding(w.m, a, CLASS_STANDARD_IA, 131072, &padding, NULL), RC_OK);
    assert_true(padding == 131072 - 1000 + 131072 - 65536 + 131072 - 40000);
    free(half);
    walk_end(&w);
}

static void an_object_that_goes_early_pays_the_rest_of_its_days_to_the_sample(void **state)
{
    (void)state;
    struct walk w;
    begin(&w);
    int64_t born = w.s.now_ns;
    push_object(&w.s, w.account, w.bucket, "abc", CLASS_STANDARD_IA, 1000);
    push_object(&w.s, w.account, w.bucket, "abc", CLASS_ARCHIVE, 100000);
    advance(&w.s, 2 * DAY_NS + 17 * TICK_NS + NS_PER_S);
    push_gone(&w.s, w.account, w.bucket, "abc", CLASS_STANDARD_IA, 1000, born);
    push_gone(&w.s, w.account, w.bucket, "abc", CLASS_ARCHIVE, 100000, w.s.now_ns - 90 * DAY_NS); /* its time is over */
    walk_run(&w);
    const struct meter_account *a = meter_account_of(w.m, w.account);
    unsigned __int128 rest = (unsigned __int128)65536 * (30 * 288 - 2 * 288 - 17);
    assert_true(a->open[price_cell(ITEM_EARLY_DELETE, CLASS_STANDARD_IA)] == rest);
    assert_true(a->open[price_cell(ITEM_EARLY_DELETE, CLASS_ARCHIVE)] == 0);
    json_t *st = statement_of(w.m, "acme", "", w.s.now_ns);
    assert_line(st, "early-delete.STANDARD_IA", "abc", by_hand(rest, 80000000, STORAGE_DIVISOR), "GB-month");
    json_decref(st);
    walk_end(&w);
}

/* ---- the quick look and the exact one ---- */

static void a_tick_finds_below_zero_what_the_exact_sum_finds(void **state)
{
    (void)state;
    struct walk w;
    unsigned seed = 4711, below_seen = 0, above_seen = 0;
    begin(&w);
    uint64_t other = push_bucket(&w.s, w.account, "def");
    for (unsigned i = 0; i < 300; i++) {
        int64_t until = w.s.now_ns + (int64_t)(roll(&seed) % 30 + 1) * HOUR_NS;
        switch (roll(&seed) % 5) {
        case 0:
            push_voucher(&w.s, w.account, roll(&seed) % 900 + 1, roll(&seed) % 2 ? "egress" : "", until);
            break;
        case 1:
            push_pack(&w.s, w.account, "egress.internet", "0.000001", 0, until);
            break;
        case 2:
            read_gb(&w, roll(&seed) % 2 ? w.bucket : other, roll(&seed) % 2 ? "abc" : "def", roll(&seed) % 3000);
            break;
        default:
            advance(&w.s, (int64_t)(roll(&seed) % 20) * TICK_NS);
        }
        walk_run(&w);
        struct meter_account *a = meter_account_of(w.m, w.account);
        a->reserved_nano = 0;
        int64_t exact;
        bool below;
        assert_int_equal(meter_available(w.m, a, w.s.now_ns, &exact), RC_OK);
        int64_t hold = exact + (int64_t)(roll(&seed) % 2000) - 1000; /* so that it is near zero, on either side */
        a->reserved_nano = hold;
        assert_int_equal(meter_below_zero(w.m, a, w.s.now_ns, &below), RC_OK);
        assert_int_equal(below, exact - hold < 0);
        a->reserved_nano = 0;
        below_seen += below;
        above_seen += !below;
    }
    assert_true(below_seen > 50 && above_seen > 50);
    walk_end(&w);
}

/* ---- accounts at a cloud ---- */

static void an_account_at_a_cloud_warns_and_refuses_nothing(void **state)
{
    (void)state;
    struct walk w;
    walk_begin(&w);
    w.account = push_upstream(&w.s, "prod");
    advance(&w.s, HOUR_NS);
    walk_run(&w);
    const struct meter_account *a = meter_account_of(w.m, w.account);
    assert_true(account_unknown(a, w.s.now_ns));
    push_balance(&w.s, w.account, 10 * YUAN, 240 * YUAN);
    advance(&w.s, 2 * HOUR_NS); /* 20 of 10 are gone */
    walk_run(&w);
    assert_int_equal(a->stage, STAGE_WARN);
    assert_int_equal(balance_of(&w), -10 * YUAN);
    for (unsigned i = 0; i < 4; i++) {
        push_balance(&w.s, w.account, -YUAN, 0); /* the burn said before holds */
        advance(&w.s, 12 * HOUR_NS);
    }
    walk_run(&w);
    assert_int_equal(a->stage, STAGE_STOP);
    assert_int_equal(gate(w.m, w.account), RC_OK);
    advance(&w.s, 30 * DAY_NS); /* too old to know: nothing is triggered */
    walk_run(&w);
    assert_int_equal(a->stage, STAGE_STOP);
    push_topup(&w.s, w.account, 5 * YUAN, "");
    push_balance(&w.s, w.account, 100 * YUAN, 0);
    walk_run(&w);
    assert_int_equal(a->stage, STAGE_ACTIVE);
    assert_int_equal(a->balance_nano, 100 * YUAN);
    assert_whole(&w);
    walk_end(&w);
}

static void a_grace_keeps_the_stage_at_warn_until_its_end(void **state)
{
    (void)state;
    struct walk w;
    walk_begin(&w);
    push_kind(&w, MONEY_CHARGE, YUAN, "");
    advance(&w.s, 30 * HOUR_NS);
    walk_run(&w);
    const struct meter_account *a = meter_account_of(w.m, w.account);
    assert_int_equal(a->stage, STAGE_STOP);
    assert_int_equal(gate(w.m, w.account), RC_DENIED);
    const struct account_rec grace = {
        .type = REC_GRACE, .account = w.account, .until_ns = w.s.now_ns + 5 * HOUR_NS, .note = VIEW("ticket 1")};
    push_account_rec(&w.s, &grace);
    walk_run(&w);
    assert_int_equal(a->stage, STAGE_WARN); /* at once */
    assert_int_equal(gate(w.m, w.account), RC_OK);
    advance(&w.s, 5 * HOUR_NS - TICK_NS);
    walk_run(&w);
    assert_int_equal(a->stage, STAGE_WARN);
    advance(&w.s, TICK_NS);
    walk_run(&w);
    assert_int_equal(a->stage, STAGE_STOP);
    assert_int_equal(gate(w.m, w.account), RC_DENIED);
    walk_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pack_that_runs_out_within_an_hour_covers_what_it_has),
        cmocka_unit_test(the_pack_that_ends_first_is_used_first),
        cmocka_unit_test(a_pack_counts_for_the_hours_that_end_within_it),
        cmocka_unit_test(vouchers_pay_in_the_order_of_their_ends_and_only_their_scope),
        cmocka_unit_test(what_is_left_of_a_voucher_goes_back_at_the_first_tick_after_its_end),
        cmocka_unit_test(a_voucher_pays_no_late_fee_pack_or_charge),
        cmocka_unit_test(tiers_go_by_the_accounts_month_and_begin_anew_with_the_next),
        cmocka_unit_test(the_first_tick_of_a_day_charges_the_debt_below_the_credit_limit),
        cmocka_unit_test(what_is_reserved_is_held_until_it_is_released),
        cmocka_unit_test(a_small_object_counts_as_the_minimum_of_the_book_in_force),
        cmocka_unit_test(an_object_that_goes_early_pays_the_rest_of_its_days_to_the_sample),
        cmocka_unit_test(a_tick_finds_below_zero_what_the_exact_sum_finds),
        cmocka_unit_test(an_account_at_a_cloud_warns_and_refuses_nothing),
        cmocka_unit_test(a_grace_keeps_the_stage_at_warn_until_its_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
