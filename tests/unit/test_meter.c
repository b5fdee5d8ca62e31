/* The meter as a reader: the same result whatever the batching, the crash, the thread. */
#include "meter_script.h"

/* ---- replay ---- */

static void push_set(struct script *s, uint64_t account, unsigned seed)
{
    struct account_rec r = {.type = REC_ACCOUNT_SET, .account = account};
    switch (seed % 4) {
    case 0:
        r.has_credit = true;
        r.credit_nano = seed % 1000 * 1000000;
        break;
    case 1:
        r.has_late_fee = true;
        r.late_fee = seed % 8 ? VIEW("0.0005") : VIEW("0");
        break;
    case 2:
        r.prices = seed % 8 < 4 ? VIEW("aliyun-oss") : VIEW("tencent-cos");
        break;
    default:
        r.timetable = VIEW("aliyun-oss-cn");
    }
    push_account_rec(s, &r);
}

/* Every record of money there is, in and out of order: what cannot take effect is refused the same way each time. */
static void push_money(struct script *s, uint64_t account, unsigned seed)
{
    static const char *const scopes[] = {"", "storage", "egress.internet", "requests.STANDARD,egress"};
    static const char *const items[] = {"egress.internet", "storage.STANDARD", "requests.STANDARD"};
    static const char *const refs[] = {"r1", "r2", "r3"};
    struct account_rec r = {.type = REC_MONEY,
                            .account = account,
                            .money = (enum money_kind)(seed % MONEY_KINDS),
                            .amount_nano = seed % 3000000 + 1,
                            .note = VIEW("why")};
    int64_t until = s->now_ns + (int64_t)(seed % 50 + 1) * HOUR_NS + (seed % 2 ? 0 : 1234567);
    if (r.money == MONEY_VOUCHER) {
        r.scope = view_cstr(scopes[seed / 7 % 4]);
        r.until_ns = until;
    } else if (r.money == MONEY_PACK) {
        r.scope = view_cstr(items[seed / 7 % 3]);
        r.quantity = seed / 7 % 3 == 2 ? VIEW("20") : VIEW("0.001");
        r.from_ns = s->now_ns;
        r.until_ns = until;
    } else if (r.money == MONEY_RESERVE || r.money == MONEY_RELEASE) {
        r.ref = view_cstr(refs[seed / 7 % 3]);
        r.amount_nano = r.money == MONEY_RESERVE ? r.amount_nano : 0;
    }
    push_account_rec(s, &r);
    if (seed % 5 == 0) {
        const struct account_rec due = {.type = REC_DUE,
                                        .account = account,
                                        .amount_nano = 77,
                                        .until_ns = until,
                                        .monthly = seed % 2,
                                        .ref = view_cstr(seed % 3 ? "" : "due")};
        push_account_rec(s, &due);
    }
    if (seed % 11 == 0) {
        const struct account_rec grace = {
            .type = REC_GRACE, .account = account, .until_ns = until, .note = VIEW("ticket 7")};
        push_account_rec(s, &grace);
    }
    if (seed % 13 == 0) {
        const struct account_rec quota = {.type = REC_QUOTA,
                                          .account = account,
                                          .scope = VIEW("abc"),
                                          .quota = {1u << 30, QUOTA_NONE, 1000, QUOTA_NONE}};
        push_account_rec(s, &quota);
    }
}

/* A small object of a class with minimum size and days, now and then one that goes. */
static void push_cold(struct script *s, uint64_t account, uint64_t bucket, const char *name, unsigned seed)
{
    enum storage_class class = seed % 2 ? CLASS_STANDARD_IA : CLASS_ARCHIVE;
    uint64_t size = seed % 100 + 1;
    if (seed % 3)
        push_object(s, account, bucket, name, class, size);
    else
        push_gone(s, account, bucket, name, class, size, s->now_ns - (int64_t)(seed % 50) * DAY_NS);
}

static uint64_t push_cloud(struct script *s)
{
    const struct account_rec r = {.type = REC_ACCOUNT,
                                  .name = VIEW("cloud"),
                                  .currency = VIEW("CNY"),
                                  .prices = VIEW("tencent-cos"),
                                  .timetable = VIEW("tencent-cos"),
                                  .upstream = VIEW("tencent")};
    return push_account_rec(s, &r);
}

static void push_said_balance(struct script *s, uint64_t account, unsigned seed)
{
    const struct account_rec r = {.type = REC_BALANCE,
                                  .account = account,
                                  .amount_nano = (int64_t)(seed % 5000) - 1000,
                                  .has_burn = seed % 2,
                                  .burn_nano = seed % 2 ? seed % 9000 : 0};
    push_account_rec(s, &r);
}

/* A busy fortnight: accounts, buckets that come and go, top-ups late and repeated, keys, classes. */
static void play_at_random(struct script *s, unsigned seed)
{
    uint64_t account[3], bucket[3][3] = {{0}};
    int64_t stored[3][3] = {{0}};
    static const char *const names[3] = {"a", "b", "c"};

    s->now_ns = NOV_2026_CST * NS_PER_S + 17 * NS_PER_S;
    for (unsigned i = 0; i < 3; i++)
        account[i] = push_account(s, names[i]);
    uint64_t cloud = push_cloud(s);
    for (unsigned step = 0; step < 1500; step++) {
        unsigned i = roll(&seed) % 3, j = roll(&seed) % 3;
        switch (roll(&seed) % 12) {
        case 0:
            push_topup(s, account[i], roll(&seed) % 2000000 + 1, roll(&seed) % 2 ? "" : names[j]);
            break;
        case 1:
            push_reads(s, account[i], bucket[i][j], "x", 200 + 102 * j, roll(&seed) % 9, roll(&seed),
                       ITEM_EGRESS_INTERNET + j);
            break;
        case 2:
            advance(s, (int64_t)(roll(&seed) % 30) * TICK_NS + (int64_t)roll(&seed) % 1000);
            break;
        case 3:
            if (bucket[i][j] && stored[i][j] == 0) {
                const struct cat_rec r = {.type = REC_BUCKET_DELETE,
                                          .account = account[i],
                                          .bucket = bucket[i][j],
                                          .bucket_name = view_cstr(names[j]),
                                          .requests = 1};
                push_cat(s, &r);
                bucket[i][j] = 0;
            }
            break;
        case 4:
            if (stored[i][j] > 0) {
                push_bytes(s, account[i], bucket[i][j], names[j], (enum storage_class)j, -stored[i][j], 1);
                stored[i][j] = 0;
            }
            break;
        case 5:
            push_money(s, account[i], roll(&seed));
            break;
        case 6:
            if (bucket[i][j])
                push_cold(s, account[i], bucket[i][j], names[j], roll(&seed));
            break;
        case 7:
            if (roll(&seed) % 2)
                push_set(s, account[i], roll(&seed));
            else
                push_said_balance(s, cloud, roll(&seed));
            break;
        default:
            if (!bucket[i][j])
                bucket[i][j] = push_bucket(s, account[i], names[j]);
            int64_t bytes = roll(&seed) % (1u << 22);
            push_bytes(s, account[i], bucket[i][j], names[j], (enum storage_class)j, bytes, 1);
            stored[i][j] += bytes;
        }
    }
    advance(s, 2 * HOUR_NS);
}

static void the_digest_does_not_depend_on_batching(void **state)
{
    (void)state;
    struct script s = {0};
    uint8_t want[32], got[32];
    play_at_random(&s, 11);
    struct meter *m = applied(&s);
    digest_of(m, want);
    meter_close(m);
    static const size_t batches[] = {1, 7, 100};
    for (size_t i = 0; i < sizeof(batches) / sizeof(batches[0]); i++) {
        m = meter_in_memory();
        for (size_t at = 0; at < s.n; at += batches[i]) {
            apply_from(m, &s, at, at + batches[i] < s.n ? at + batches[i] : s.n);
            assert_int_equal(meter_commit(m, NULL), RC_OK);
        }
        digest_of(m, got);
        assert_memory_equal(got, want, 32);
        meter_close(m);
    }
    script_free(&s);
}

static void what_is_asked_in_between_changes_nothing(void **state)
{
    (void)state;
    struct script s = {0};
    uint8_t want[32], got[32];
    play_at_random(&s, 12);
    struct meter *m = applied(&s);
    digest_of(m, want);
    meter_close(m);
    m = meter_in_memory();
    for (size_t i = 0; i < s.n; i++) {
        apply_from(m, &s, i, i + 1);
        if (i % 50 == 49) {
            json_t *o = statement_of(m, "default", "", s.rec[i].time_ns);
            json_decref(o);
            assert_int_equal(meter_accounts_json(m, s.rec[i].time_ns, &o, NULL), RC_OK);
            json_decref(o);
            digest_of(m, got);
        }
    }
    digest_of(m, got);
    assert_memory_equal(got, want, 32);
    meter_close(m);
    script_free(&s);
}

static void a_crash_at_any_point_replays_to_the_same_digest(void **state)
{
    (void)state;
    struct script s = {0};
    uint8_t want[32], got[32];
    unsigned seed = 99;
    play_at_random(&s, 13);
    struct meter *m = applied(&s);
    digest_of(m, want);
    meter_close(m);
    m = meter_in_memory();
    for (size_t at = 0; at < s.n;) {
        size_t to = at + roll(&seed) % 40 + 1;
        if (to > s.n)
            to = s.n;
        apply_from(m, &s, at, to);
        if (roll(&seed) % 3 == 0) { /* what was not committed is gone; memory with it */
            assert_int_equal(meter_reload(m, NULL), RC_OK);
            to = (size_t)(m->cursor > 0 ? m->cursor - 1 : 0);
        } else if (roll(&seed) % 3 == 0) {
            assert_int_equal(meter_commit(m, NULL), RC_OK);
        }
        at = to;
    }
    digest_of(m, got);
    assert_memory_equal(got, want, 32);
    meter_close(m);
    script_free(&s);
}

static void assert_ledger_is_whole(struct meter *m)
{
    struct sql_stmt *q;
    assert_int_equal(sql_query(m->sql, NULL, &q,
                               "SELECT COUNT(*) FROM (SELECT 1 FROM posting_line GROUP BY id >> 24 "
                               "HAVING SUM(amount_nano) <> 0)",
                               ""),
                     RC_OK);
    assert_int_equal(sql_next(q, NULL), RC_OK);
    assert_int_equal(sql_i64(q, 0), 0);
    sql_done(q);
    for (size_t i = 0; i < m->n_accounts; i++) {
        int64_t nano;
        assert_int_equal(ledger_balance(m->sql, m->account[i]->id, &nano, NULL), RC_OK);
        assert_int_equal(nano, m->account[i]->balance_nano);
        int64_t left = 0;
        for (size_t j = 0; j < m->account[i]->n_vouchers; j++)
            left += m->account[i]->voucher[j].left_nano;
        assert_int_equal(ledger_sum(m->sql, m->account[i]->id, LEDGER_VOUCHER, &nano, NULL), RC_OK);
        assert_int_equal(nano, left);
    }
}

/* The state at record k is the same whether a live run stops there or a replay of k records makes it. */
static void any_prefix_of_the_journal_gives_the_state_of_that_moment(void **state)
{
    (void)state;
    struct script s = {0};
    uint8_t live[32], replay[32];
    play_at_random(&s, 17);
    struct meter *m = meter_in_memory();
    for (size_t at = 0; at < s.n;) {
        size_t to = at + s.n / 7 + 1 < s.n ? at + s.n / 7 + 1 : s.n;
        apply_from(m, &s, at, to);
        digest_of(m, live);
        struct meter *again = meter_in_memory();
        apply_from(again, &s, 0, to);
        digest_of(again, replay);
        meter_close(again);
        assert_memory_equal(live, replay, 32);
        at = to;
    }
    meter_close(m);
    script_free(&s);
}

static void every_posting_balances_and_sums_to_the_balance(void **state)
{
    (void)state;
    struct script s = {0};
    play_at_random(&s, 14);
    struct meter *m = applied(&s);
    assert_ledger_is_whole(m);
    meter_close(m);
    script_free(&s);
}

/* The whole database on a disk that loses power at every so many-th step of writing. */
static void power_cuts_lose_nothing_and_price_nothing_twice(void **state)
{
    (void)state;
    struct script s = {0};
    struct os_sim *sim;
    struct meter *m = NULL;
    struct meter_cfg cfg = {.data_dir = "/data", .inert = true};
    uint8_t want[32], got[32];
    unsigned seed = 5;
    size_t n;
    play_at_random(&s, 15);
    n = s.n < 4000 ? s.n : 4000;
    m = meter_in_memory();
    apply_from(m, &s, 0, n);
    digest_of(m, want);
    meter_close(m);
    assert_int_equal(os_sim_new(3, &sim), RC_OK);
    assert_int_equal(os_mkdirs(os_sim_os(sim), "/data", NULL), RC_OK);
    size_t cuts = 0;
    for (size_t at = 0; at < n; cuts++) {
        struct err e = {.text = ""};
        if (meter_open(os_sim_os(sim), NULL, NULL, &cfg, &m, &e) != RC_OK)
            fail_msg("after %zu cuts: %s", cuts, e.text);
        at = (size_t)(m->cursor > 0 ? m->cursor - 1 : 0);
        if (cuts < 60)
            os_sim_crash_at(sim, roll(&seed) % 60 + 1);
        enum rc rc = RC_OK;
        while (rc == RC_OK && at < n) {
            rc = meter_apply(m, &s.rec[at], &e);
            at += rc == RC_OK;
            if (rc == RC_OK && at % 64 == 0)
                rc = meter_commit(m, &e);
        }
        if (rc == RC_OK && meter_commit(m, &e) == RC_OK) {
            os_sim_crash_at(sim, 0);
            digest_of(m, got);
        } else {
            m->failed = RC_IO; /* the process is dead: no last commit */
            at = 0;
        }
        meter_close(m);
        os_sim_power_cut(sim, cuts % 2 ? OS_SIM_LOSE_SOME : OS_SIM_LOSE_ALL);
        os_sim_crash_at(sim, 0);
    }
    assert_true(cuts > 20);
    assert_memory_equal(got, want, 32);
    assert_int_equal(meter_destroy(os_sim_os(sim), "/data", NULL), RC_OK);
    struct os_stat st;
    assert_int_equal(os_stat(os_sim_os(sim), "/data/control.db", &st, NULL), RC_NOT_FOUND);
    os_sim_free(sim);
    script_free(&s);
}

/* ---- notes ---- */

#define NOTE_THREADS 4
#define NOTES_EACH 20000

static void *note_many(void *ctx)
{
    struct meter *m = ctx;
    char key[16], bucket[16];
    for (unsigned i = 0; i < NOTES_EACH; i++) {
        snprintf(key, sizeof(key), "HF%u", i % 7);
        snprintf(bucket, sizeof(bucket), "b%u", i % 5);
        const struct meter_event ev = {.account = 1 + i % 2,
                                       .bucket = 10 + i % 5,
                                       .bucket_name = view_cstr(bucket),
                                       .access_key = view_cstr(key),
                                       .kind = REQUEST_READ,
                                       .requests = 1,
                                       .http_status = 200 + 100 * (i % 3),
                                       .egress_bytes = i % 3,
                                       .egress = ITEM_EGRESS_INTERNET};
        meter_note(m, &ev);
    }
    return NULL;
}

static void take_all(struct meter *m, uint64_t *requests, uint64_t *bytes)
{
    struct buf b = BUF(JOURNAL_PAYLOAD_MAX);
    struct arena a = ARENA(16 << 20);
    struct account_rec r;
    enum rc rc;
    while ((rc = meter_take_usage(m, &b)) == RC_OK) {
        assert_int_equal(account_rec_decode(REC_USAGE, buf_view(&b), &a, &r), RC_OK);
        for (size_t i = 0; i < r.n_usage; i++) {
            *requests += r.usage[i].requests;
            *bytes += r.usage[i].egress_bytes;
        }
        buf_clear(&b);
    }
    assert_int_equal(rc, RC_END);
    buf_free(&b);
    arena_free(&a);
}

static void notes_from_many_threads_are_all_in_the_sums(void **state)
{
    (void)state;
    struct meter *m = meter_in_memory();
    pthread_t t[NOTE_THREADS];
    uint64_t requests = 0, bytes = 0;
    for (unsigned i = 0; i < NOTE_THREADS; i++)
        assert_int_equal(os_thread(&t[i], "notes", note_many, m), RC_OK);
    for (unsigned i = 0; i < 20; i++)
        take_all(m, &requests, &bytes);
    for (unsigned i = 0; i < NOTE_THREADS; i++)
        pthread_join(t[i], NULL);
    take_all(m, &requests, &bytes);
    assert_int_equal(requests, NOTE_THREADS * NOTES_EACH);
    assert_int_equal(bytes, (uint64_t)NOTE_THREADS * (NOTES_EACH - (NOTES_EACH + 2) / 3 + NOTES_EACH / 3));
    meter_close(m);
}

static void more_sums_than_a_minute_may_hold_keep_their_money(void **state)
{
    (void)state;
    struct meter *m = meter_in_memory();
    uint64_t requests = 0, bytes = 0;
    const unsigned n = 150000;
    char key[16];
    for (unsigned i = 0; i < n; i++) {
        snprintf(key, sizeof(key), "HF%u", i);
        const struct meter_event ev = {.account = 1,
                                       .bucket = 9,
                                       .bucket_name = VIEW("b"),
                                       .access_key = view_cstr(key),
                                       .kind = REQUEST_READ,
                                       .requests = 1,
                                       .http_status = 200,
                                       .egress_bytes = 3,
                                       .egress = ITEM_EGRESS_INTERNET};
        meter_note(m, &ev);
    }
    const struct meter_event nobody = {.http_status = 403};
    meter_note(m, &nobody); /* no account: nobody pays */
    take_all(m, &requests, &bytes);
    assert_int_equal(requests, n);
    assert_int_equal(bytes, 3 * n);
    meter_close(m);
}

/* ---- with a journal ---- */

struct world {
    struct os_sim *sim;
    struct os *os;
    struct diskset *disks;
    struct journal *journal;
};

static void world_open(struct world *w)
{
    static const char *const paths[] = {"/disk1", "/disk2"};
    const struct diskset_cfg cfg = {.data_dir = "/data", .paths = paths, .n_paths = 2};
    struct journal_report report;
    struct err e = {.text = ""};
    if (diskset_open(w->os, &cfg, &w->disks, &e) != RC_OK ||
        journal_open(w->os, w->disks, NULL, &w->journal, &report, &e) != RC_OK)
        fail_msg("%s", e.text);
}

static void world_append(struct world *w, const struct script *s, size_t from, size_t to)
{
    struct journal_rec got;
    for (size_t i = from; i < to;) {
        assert_int_equal(journal_begin(w->journal, false, NULL), RC_OK);
        for (size_t end = i + 100 < to ? i + 100 : to; i < end; i++)
            assert_int_equal(
                journal_stage(w->journal, s->rec[i].type, s->rec[i].time_ns, s->rec[i].payload, VIEW(""), &got, NULL),
                RC_OK);
        assert_int_equal(journal_commit(w->journal, NULL), RC_OK);
    }
}

static void *ask_all_the_time(void *ctx)
{
    struct meter *m = ctx;
    for (unsigned i = 0; i < 200; i++) {
        struct caller c;
        struct err e;
        json_t *o;
        assert_int_equal(meter_accounts_json(m, NOV_2026_CST * NS_PER_S, &o, NULL), RC_OK);
        json_decref(o);
        assert_int_equal(registry_key(meter_registry(m), VIEW("HFNONE"), &c), RC_NOT_FOUND);
        assert_int_equal(registry_gate(meter_registry(m), ACCOUNT_DEFAULT, GATE_WRITE, &e), RC_OK);
    }
    return NULL;
}

static void the_thread_follows_the_journal_and_a_replay_agrees(void **state)
{
    (void)state;
    struct world w = {0};
    struct script s = {0};
    struct meter *m;
    struct meter_cfg live = {.data_dir = "/data"}, replay = {.inert = true};
    uint8_t a[32], b[32];
    pthread_t asker;
    assert_int_equal(os_sim_new(3, &w.sim), RC_OK);
    w.os = os_sim_os(w.sim);
    world_open(&w);
    uint64_t base = journal_durable(w.journal);
    s.now_ns = journal_last_time(w.journal) + 1; /* the journal never lets time go back */
    uint64_t account = base + 1;                 /* ids are sequences, and the journal has made records of its own */
    push_account(&s, "acme");
    push_topup(&s, account, 1000000, "R");
    for (unsigned i = 0; i < 40; i++) {
        push_bytes(&s, account, 500, "b", CLASS_STANDARD, GIB, 1);
        advance(&s, HOUR_NS);
    }
    assert_int_equal(meter_open(w.os, w.journal, NULL, &live, &m, NULL), RC_OK);
    assert_int_equal(os_thread(&asker, "asker", ask_all_the_time, m), RC_OK);
    for (size_t at = 0; at < s.n; at += 97) {
        world_append(&w, &s, at, at + 97 < s.n ? at + 97 : s.n);
        if (at % 2)
            assert_int_equal(meter_wait(m, journal_durable(w.journal), NULL), RC_OK);
    }
    assert_int_equal(meter_wait(m, journal_durable(w.journal), NULL), RC_OK);
    assert_int_equal(meter_cursor(m), journal_durable(w.journal));
    pthread_join(asker, NULL);
    assert_status(m, "acme", s.now_ns, "stage", "stop");
    meter_close(m);
    assert_int_equal(meter_open(w.os, w.journal, NULL, &live, &m, NULL), RC_OK); /* goes on where it was */
    assert_int_equal(meter_wait(m, journal_durable(w.journal), NULL), RC_OK);
    digest_of(m, a);
    meter_close(m);
    assert_int_equal(meter_open(w.os, w.journal, NULL, &replay, &m, NULL), RC_OK);
    while (meter_step(m, 10, NULL) == RC_OK)
        ;
    assert_int_equal(meter_cursor(m), journal_durable(w.journal));
    digest_of(m, b);
    assert_memory_equal(a, b, 32);
    meter_close(m);
    journal_close(w.journal);
    diskset_free(w.disks);
    os_sim_free(w.sim);
    script_free(&s);
}

static void a_bad_record_stops_the_reader_and_those_who_wait_are_told(void **state)
{
    (void)state;
    struct world w = {0};
    struct script s = {.now_ns = NOV_2026_CST * NS_PER_S};
    struct meter *m;
    struct meter_cfg live = {0};
    struct err e = {.text = ""};
    struct buf junk = BUF(16);
    assert_int_equal(os_sim_new(3, &w.sim), RC_OK);
    w.os = os_sim_os(w.sim);
    world_open(&w);
    assert_int_equal(meter_open(w.os, w.journal, NULL, &live, &m, NULL), RC_OK);
    push_account(&s, "acme");
    assert_int_equal(buf_put(&junk, "\xff", 1), RC_OK);
    push(&s, REC_TOPUP, &junk);
    world_append(&w, &s, 0, s.n);
    assert_int_equal(meter_wait(m, journal_durable(w.journal), &e), RC_IO);
    assert_non_null(strstr(e.text, "record "));
    meter_close(m);
    journal_close(w.journal);
    diskset_free(w.disks);
    os_sim_free(w.sim);
    buf_free(&junk);
    script_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_digest_does_not_depend_on_batching),
        cmocka_unit_test(what_is_asked_in_between_changes_nothing),
        cmocka_unit_test(a_crash_at_any_point_replays_to_the_same_digest),
        cmocka_unit_test(any_prefix_of_the_journal_gives_the_state_of_that_moment),
        cmocka_unit_test(every_posting_balances_and_sums_to_the_balance),
        cmocka_unit_test(power_cuts_lose_nothing_and_price_nothing_twice),
        cmocka_unit_test(notes_from_many_threads_are_all_in_the_sums),
        cmocka_unit_test(more_sums_than_a_minute_may_hold_keep_their_money),
        cmocka_unit_test(the_thread_follows_the_journal_and_a_replay_agrees),
        cmocka_unit_test(a_bad_record_stops_the_reader_and_those_who_wait_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
