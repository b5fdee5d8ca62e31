/* Holdfast: how fast the meter rates usage and the ledger posts, beside SQLite taking the same rows by themselves. */
#include <stdio.h>
#include <stdlib.h>

#include "meter/meter_priv.h"

#define EVENTS 2000000
#define BUCKETS 100
#define LINES 200     /* of one posting */
#define POSTINGS 5000 /* of LINES lines: a million */
#define BATCH 64      /* postings in one transaction */

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

/* PUT records of one account over many buckets, a tick each 10 000, a commit each 30 000: a second of full load. */
static void bench_rating(const char *dir)
{
    struct err e = {.text = ""};
    struct buf payload[BUCKETS], none = BUF(1);
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
    for (uint64_t i = 1; i <= EVENTS; i++) {
        bool tick = i % 10000 == 0;
        const struct journal_rec rec = {.seq = i,
                                        .time_ns = 1800000000LL * NS_PER_S + (int64_t)(i / 10000) * TICK_S * NS_PER_S,
                                        .type = tick ? REC_TICK : REC_OBJECT,
                                        .payload = buf_view(tick ? &none : &payload[i % BUCKETS])};
        must(meter_apply(m, &rec, &e), &e);
        if (i % 30000 == 0)
            must(meter_commit(m, &e), &e);
    }
    must(meter_commit(m, &e), &e);
    double s = seconds_since(start);
    printf("rating: %.0f usage events/s (%d in %.2f s, one thread, commits included)\n", EVENTS / s, EVENTS, s);
    for (unsigned i = 0; i < BUCKETS; i++)
        buf_free(&payload[i]);
    meter_close(m);
}

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
    printf("ledger: %.0f posted lines/s (%d postings of %d lines, double entry, checked)\n", rate, POSTINGS, LINES);
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
    printf("yardstick: %.0f rows/s of four numbers into SQLite\n", rate);
    sql_close(s);
    return rate;
}

int main(void)
{
    char dir[] = "/tmp/holdfast-bench-meter-XXXXXX";
    struct err e = {.text = ""};

    if (!mkdtemp(dir)) {
        perror("bench_meter: mkdtemp");
        return 1;
    }
    bench_rating(dir);
    must(meter_destroy(os_real(), dir, &e), &e);
    double ledger = bench_ledger(dir), sqlite = bench_sqlite(dir);
    printf("ledger: %.2f x the yardstick\n", ledger / sqlite);
    must(os_remove_tree(os_real(), dir, &e), &e);
    return 0;
}
