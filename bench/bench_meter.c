/* Holdfast: how fast the meter rates usage, the ledger posts and a month's statement comes, beside SQLite taking and
 * summing the same rows by themselves.
 *
 *   bench_meter [EVENTS]   usage events of the statement's month (default 1 000 000)
 *
 * Event i is the same for all who take it (bench/duckdb.mjs too): bucket i % 100, key (i / 100) % 10, one read that was
 * answered with 200 and sent i * 7919 % 65536 bytes. */
#include <stdio.h>
#include <stdlib.h>

#include "meter/meter_priv.h"

#define PUTS 1000000
#define EVENTS_DEFAULT 1000000
#define BUCKETS 100
#define KEYS 10
#define RECORD_LINES 1000 /* of one REC_USAGE */
#define READS 2000000     /* at full load, in one hour */
#define READS_COMMIT 250000
#define HOURS 720 /* of the month */
#define STATEMENTS 5
#define LINES 200     /* of one posting */
#define POSTINGS 5000 /* of LINES lines: a million */
#define BATCH 64      /* postings in one transaction */
#define ROWS_BATCH 100000
#define NOVEMBER_S 1793462400LL /* 2026-11-01T00:00:00+08:00 */

static void must(enum rc rc, const struct err *e)
{
    if (rc != RC_OK) {
        fprintf(stderr, "bench_meter: %s: %s\n", rc_name(rc), e->text);
        exit(1);
    }
}

static double seconds_since(int64_t start_ns)
{
    return (double)(clock_mono_ns(os_clock()) - start_ns) / (double)NS_PER_S;
}

static struct meter *meter_on(const char *dir)
{
    const struct meter_cfg cfg = {.data_dir = dir, .inert = true};
    struct meter *m;
    struct err e = {.text = ""};
    must(meter_open(os_real(), NULL, NULL, &cfg, &m, &e), &e);
    return m;
}

static void apply(struct meter *m, uint64_t seq, int64_t time_ns, enum rec_type type, struct view payload)
{
    struct err e = {.text = ""};
    const struct journal_rec rec = {.seq = seq, .time_ns = time_ns, .type = type, .payload = payload};
    must(meter_apply(m, &rec, &e), &e);
}

/* ---- writes ---- */

/* PUT records of one account over many buckets, a tick each 10 000, a commit each 30 000: a second of full load. */
static void bench_puts(const char *dir)
{
    struct err e = {.text = ""};
    struct buf payload[BUCKETS];
    struct meter *m = meter_on(dir);
    char name[16];

    for (unsigned i = 0; i < BUCKETS; i++) {
        snprintf(name, sizeof(name), "bucket%u", i);
        struct cat_rec r = {.type = REC_OBJECT,
                            .account = ACCOUNT_DEFAULT,
                            .bucket = 10 + i,
                            .bucket_name = view_cstr(name),
                            .key = VIEW("a/key/of/usual/length"),
                            .size = 4096,
                            .actor = VIEW("HFABCDEFGHIJKLMNOPQR"),
                            .has_inline = true,
                            .requests = 1,
                            .n_delta = 1};
        r.delta[0] = (struct cat_delta){.class = CLASS_STANDARD, .bytes = 4096, .objects = 1};
        payload[i] = BUF(4096);
        must(cat_rec_encode(&r, &payload[i]), &e);
    }
    int64_t start = clock_mono_ns(os_clock());
    for (uint64_t i = 1; i <= PUTS; i++) {
        bool tick = i % 10000 == 0;
        apply(m, i, (NOVEMBER_S + (int64_t)(i / 10000) * TICK_S) * NS_PER_S, tick ? REC_TICK : REC_OBJECT,
              tick ? (struct view){NULL, 0} : buf_view(&payload[i % BUCKETS]));
        if (i % 30000 == 0)
            must(meter_commit(m, &e), &e);
    }
    must(meter_commit(m, &e), &e);
    double s = seconds_since(start);
    printf("rating of puts: %.0f usage events/s (%d in %.2f s, one thread, commits included)\n", PUTS / s, PUTS, s);
    for (unsigned i = 0; i < BUCKETS; i++)
        buf_free(&payload[i]);
    meter_close(m);
}

/* ---- reads ---- */

struct month {
    struct meter *m;
    uint64_t seq, events, done;
    int64_t now_ns, last_tick_ns;
    char bucket[BUCKETS][16], key[KEYS][ACCESS_KEY_MAX + 1];
    struct usage_line line[RECORD_LINES];
    struct buf payload;
    double rated_s; /* meter_apply and meter_commit only: making the records is not the meter's work */
};

static uint64_t event_egress(uint64_t i)
{
    return i * 7919 % 65536;
}

static void timed_apply(struct month *w, enum rec_type type, struct view payload)
{
    int64_t start = clock_mono_ns(os_clock());
    apply(w->m, ++w->seq, w->now_ns, type, payload);
    w->rated_s += seconds_since(start);
}

static void month_begin(struct month *w, const char *dir, uint64_t events)
{
    struct err e = {.text = ""};
    const struct account_rec acme = {.type = REC_ACCOUNT,
                                     .name = VIEW("acme"),
                                     .currency = VIEW("CNY"),
                                     .prices = VIEW("tencent-cos"),
                                     .timetable = VIEW("tencent-cos")};

    *w = (struct month){.m = meter_on(dir),
                        .seq = 1,
                        .events = events,
                        .now_ns = NOVEMBER_S * NS_PER_S,
                        .last_tick_ns = NOVEMBER_S * NS_PER_S,
                        .payload = BUF(4u << 20)};
    for (unsigned i = 0; i < BUCKETS; i++)
        snprintf(w->bucket[i], sizeof(w->bucket[i]), "bucket%02u", i);
    for (unsigned i = 0; i < KEYS; i++)
        snprintf(w->key[i], sizeof(w->key[i]), "HFABCDEFGHIJKLMNOPQ%u", i);
    timed_apply(w, REC_TICK, (struct view){NULL, 0});
    must(account_rec_encode(&acme, &w->payload), &e);
    timed_apply(w, REC_ACCOUNT, buf_view(&w->payload)); /* sequence 3 */
}

static void month_record(struct month *w)
{
    struct err e = {.text = ""};
    size_t n = 0;

    for (; n < RECORD_LINES && w->done < w->events; n++, w->done++) {
        uint64_t i = w->done;
        w->line[n] = (struct usage_line){.account = 3,
                                         .bucket = 10 + i % BUCKETS,
                                         .bucket_name = view_cstr(w->bucket[i % BUCKETS]),
                                         .access_key = view_cstr(w->key[i / BUCKETS % KEYS]),
                                         .kind = REQUEST_READ,
                                         .status = 200,
                                         .requests = 1,
                                         .egress_bytes = event_egress(i),
                                         .egress = ITEM_EGRESS_INTERNET};
    }
    const struct account_rec r = {.type = REC_USAGE, .usage = w->line, .n_usage = n};
    buf_clear(&w->payload);
    must(account_rec_encode(&r, &w->payload), &e);
    timed_apply(w, REC_USAGE, buf_view(&w->payload));
}

static void month_commit(struct month *w)
{
    struct err e = {.text = ""};
    int64_t start = clock_mono_ns(os_clock());
    must(meter_commit(w->m, &e), &e);
    w->rated_s += seconds_since(start);
}

/* Full load: what comes in two seconds at the goal, with a tick and some commits between. Events/s. */
static double bench_reads(const char *dir)
{
    static struct month w;
    struct err e = {.text = ""};

    month_begin(&w, dir, READS);
    w.rated_s = 0;
    while (w.done < w.events) {
        month_record(&w);
        if (w.done % READS_COMMIT == 0)
            month_commit(&w);
    }
    w.now_ns += TICK_S * NS_PER_S;
    timed_apply(&w, REC_TICK, (struct view){NULL, 0});
    month_commit(&w);
    meter_close(w.m);
    buf_free(&w.payload);
    must(meter_destroy(os_real(), dir, &e), &e);
    return READS / w.rated_s;
}

/* All hours of the month, with their share of the events and every tick; a commit an hour. */
static void month_live(struct month *w)
{
    for (uint64_t hour = 0; hour < HOURS; hour++) {
        while (w->done * HOURS < w->events * (hour + 1))
            month_record(w);
        for (unsigned i = 0; i < HOUR_S / TICK_S; i++) {
            w->last_tick_ns += TICK_S * NS_PER_S;
            w->now_ns = w->last_tick_ns;
            timed_apply(w, REC_TICK, (struct view){NULL, 0});
        }
        month_commit(w);
    }
}

/* Seconds of one statement, the median of several. */
static double month_statement(struct month *w)
{
    double took[STATEMENTS];
    struct err e = {.text = ""};
    json_t *o;

    for (unsigned i = 0; i < STATEMENTS; i++) {
        int64_t start = clock_mono_ns(os_clock());
        must(meter_statement_json(w->m, VIEW("acme"), VIEW("2026-11"), w->now_ns, &o, &e), &e);
        double s = seconds_since(start);
        unsigned at = i;
        for (; at > 0 && took[at - 1] > s; at--)
            took[at] = took[at - 1];
        took[at] = s;
        json_decref(o);
    }
    return took[STATEMENTS / 2];
}

/* ---- the same rows in SQLite, by themselves ---- */

struct rows {
    double rate, sum_s;
};

static void rows_insert(struct sql *s, uint64_t events)
{
    struct err e = {.text = ""};

    for (uint64_t i = 0; i < events; i++) {
        if (i % ROWS_BATCH == 0)
            must(sql_begin(s, &e), &e);
        must(sql_exec(s, &e, "INSERT INTO t VALUES (?, ?, ?, ?, ?)", "iiiii", (int64_t)(10 + i % BUCKETS),
                      (int64_t)(i / BUCKETS % KEYS), (int64_t)200, (int64_t)1, (int64_t)event_egress(i)),
             &e);
        if (i % ROWS_BATCH == ROWS_BATCH - 1 || i + 1 == events)
            must(sql_commit(s, &e), &e);
    }
}

static struct rows bench_rows(const char *dir, uint64_t events)
{
    static const char *const schema[] = {"CREATE TABLE t (bucket INTEGER, access_key INTEGER, status INTEGER, "
                                         "requests INTEGER, egress INTEGER);"};
    struct err e = {.text = ""};
    char path[OS_PATH_MAX];
    struct rows found;
    struct sql_stmt *q;
    struct sql *s;
    enum rc rc;

    HF_ASSERT(os_path(path, dir, "rows.db"));
    must(sql_open(os_real(), path, &s, &e), &e);
    must(sql_migrate(s, schema, 1, &e), &e);
    int64_t start = clock_mono_ns(os_clock());
    rows_insert(s, events);
    found.rate = (double)events / seconds_since(start);
    start = clock_mono_ns(os_clock());
    must(sql_query(s, &e, &q, "SELECT bucket, SUM(requests), SUM(egress) FROM t GROUP BY bucket ORDER BY bucket", ""),
         &e);
    while ((rc = sql_next(q, &e)) == RC_OK)
        HF_ASSERT(sql_i64(q, 1) > 0);
    must(rc == RC_END ? RC_OK : rc, &e);
    found.sum_s = seconds_since(start);
    sql_close(s);
    return found;
}

static void bench_month(const char *dir, uint64_t events)
{
    static struct month w;
    struct err e = {.text = ""};
    double rate = bench_reads(dir);

    month_begin(&w, dir, events);
    month_live(&w);
    double statement_s = month_statement(&w);
    meter_close(w.m);
    buf_free(&w.payload);
    must(meter_destroy(os_real(), dir, &e), &e);
    struct rows sqlite = bench_rows(dir, events);
    printf(
        "rating of reads: %.0f usage events/s (%d, of %d buckets and %d keys, one thread, commits included)  yardstick "
        "%.0f rows/s inserted by SQLite  ratio %.2f\n",
        rate, READS, BUCKETS, KEYS, sqlite.rate, rate / sqlite.rate);
    printf("a month of %llu reads: %.2f s with %d hours closed and committed, %d lines each  yardstick %.2f s for "
           "SQLite to "
           "insert the events  ratio %.2f\n",
           (unsigned long long)events, w.rated_s, HOURS, 2 * BUCKETS, (double)events / sqlite.rate,
           w.rated_s * sqlite.rate / (double)events);
    printf("statement of a month with %llu usage events: %.4f s  yardstick %.3f s for SQLite to sum them by bucket  "
           "ratio %.4f\n",
           (unsigned long long)events, statement_s, sqlite.sum_s, statement_s / sqlite.sum_s);
}

/* ---- the ledger ---- */

/* Lines of hourly postings; each line is what one bucket's item earned. */
static double bench_ledger(const char *dir)
{
    struct err e = {.text = ""};
    struct ledger_line line[LINES] = {{.side = LEDGER_PREPAID, .amount_nano = -(LINES - 1)}};
    struct meter *m = meter_on(dir);

    for (unsigned i = 1; i < LINES; i++)
        line[i] = (struct ledger_line){.side = LEDGER_REVENUE,
                                       .amount_nano = 1,
                                       .metered = true,
                                       .bucket = i,
                                       .cell = i % PRICE_CELLS,
                                       .quantity = 123456789};
    int64_t start = clock_mono_ns(os_clock());
    for (uint64_t i = 0; i < POSTINGS; i++) {
        const struct ledger_posting p = {.seq = i + 1,
                                         .account = 2,
                                         .kind = LEDGER_USAGE,
                                         .time_ns = (int64_t)i,
                                         .hour = (int64_t)i,
                                         .book = 1,
                                         .line = line,
                                         .n = LINES};
        must(meter_txn(m, &e), &e);
        must(ledger_post(m->sql, &p, &e), &e);
        if (i % BATCH == BATCH - 1)
            must(meter_commit(m, &e), &e);
    }
    must(meter_commit(m, &e), &e);
    double rate = (double)POSTINGS * (LINES - 1) / seconds_since(start);
    meter_close(m);
    return rate;
}

/* The yardstick: the least that SQLite could be asked to keep of the same lines. */
static double bench_sqlite(const char *dir)
{
    static const char *const schema[] = {
        "CREATE TABLE t (a INTEGER, b INTEGER, c INTEGER, d INTEGER, PRIMARY KEY (a, b)) WITHOUT ROWID;"};
    struct err e = {.text = ""};
    char path[OS_PATH_MAX];
    struct sql *s;

    HF_ASSERT(os_path(path, dir, "yardstick.db"));
    must(sql_open(os_real(), path, &s, &e), &e);
    must(sql_migrate(s, schema, 1, &e), &e);
    int64_t start = clock_mono_ns(os_clock());
    for (int64_t i = 0; i < POSTINGS; i++) {
        if (i % BATCH == 0)
            must(sql_begin(s, &e), &e);
        for (int64_t j = 1; j < LINES; j++)
            must(sql_exec(s, &e, "INSERT INTO t VALUES (?, ?, ?, ?)", "iiii", i, j, j, (int64_t)123456789), &e);
        if (i % BATCH == BATCH - 1 || i == POSTINGS - 1)
            must(sql_commit(s, &e), &e);
    }
    double rate = (double)POSTINGS * (LINES - 1) / seconds_since(start);
    sql_close(s);
    return rate;
}

int main(int argc, char **argv)
{
    char dir[] = "/tmp/holdfast-bench-meter-XXXXXX";
    struct err e = {.text = ""};
    uint64_t events = EVENTS_DEFAULT;

    if (argc > 2 || (argc == 2 && (!view_u64(view_cstr(argv[1]), &events) || events < HOURS))) {
        fprintf(stderr, "usage: bench_meter [EVENTS]   (from %d on)\n", HOURS);
        return 2;
    }
    if (!mkdtemp(dir)) {
        perror("bench_meter: mkdtemp");
        return 1;
    }
    bench_puts(dir);
    must(meter_destroy(os_real(), dir, &e), &e);
    bench_month(dir, events);
    double ledger = bench_ledger(dir), sqlite = bench_sqlite(dir);
    printf(
        "ledger: %.0f posted lines/s (%d postings of %d lines, double entry, checked)  yardstick %.0f rows/s of four "
        "numbers into SQLite  ratio %.2f\n",
        ledger, POSTINGS, LINES, sqlite, ledger / sqlite);
    must(os_remove_tree(os_real(), dir, &e), &e);
    return 0;
}
