/* Holdfast: how many durable appends a second the journal takes, beside raw writes of the same bytes to the same disks
 * with the same syncs, in the same run.
 *
 *   bench_journal [DIR]     two members below DIR (default: a new folder below /tmp) */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "journal/journal.h"

enum { BATCH = 64, PAYLOAD = 200, BODY = 4096, SECONDS = 3, MEMBERS = 2, FILE_BYTES = 64 << 20 };

struct figure {
    double records_per_s, batches_per_s;
    uint64_t batch_bytes;
};

static void must(enum rc rc, const struct err *e)
{
    if (rc == RC_OK)
        return;
    fprintf(stderr, "bench_journal: %s: %s\n", rc_name(rc), e->text);
    exit(1);
}

static int64_t now_ns(void)
{
    return clock_mono_ns(os_clock());
}

static double seconds_since(int64_t from)
{
    return (double)(now_ns() - from) / (double)NS_PER_S;
}

/* One thread, as the sequencer: begin, 64 records, commit. */
static struct figure bench_journal(struct journal *j, struct view body)
{
    static const char payload[PAYLOAD];
    struct figure f = {0};
    uint64_t batches = 0;
    struct err e;
    int64_t from = now_ns();

    while (seconds_since(from) < SECONDS) {
        struct journal_rec rec;

        must(journal_begin(j, false, &e), &e);
        for (unsigned i = 0; i < BATCH; i++) {
            enum rc rc = journal_stage(j, REC_OBJECT, 0, view_of(payload, PAYLOAD), body, &rec, &e);

            if (rc == RC_LIMIT) { /* the segment's end */
                must(journal_commit(j, &e), &e);
                must(journal_begin(j, false, &e), &e);
                rc = journal_stage(j, REC_OBJECT, 0, view_of(payload, PAYLOAD), body, &rec, &e);
            }
            must(rc, &e);
        }
        must(journal_commit(j, &e), &e);
        batches++;
    }
    f.batches_per_s = (double)batches / seconds_since(from);
    f.records_per_s = f.batches_per_s * BATCH;
    f.batch_bytes = (128 + (uint64_t)BATCH * (96 + PAYLOAD + (body.n ? body.n + 64 : 0)) + 4095) / 4096 * 4096;
    return f;
}

struct raw {
    struct os_file *f;
    const void *bytes;
    uint64_t n, off;
    pthread_barrier_t *start, *end;
    bool stop;
};

static void raw_write(struct raw *r)
{
    struct err e;

    must(os_pwrite(os_real(), r->f, r->bytes, r->n, r->off, &e), &e);
    must(os_datasync(os_real(), r->f, &e), &e);
}

static void *raw_main(void *ctx)
{
    struct raw *r = ctx;

    for (;;) {
        pthread_barrier_wait(r->start);
        if (r->stop)
            return NULL;
        raw_write(r);
        pthread_barrier_wait(r->end);
    }
}

static void raw_file(const char *dir, struct raw *r, const uint8_t *bytes)
{
    char path[OS_PATH_MAX];
    struct err e;

    if (!os_path(path, dir, "raw"))
        exit(1);
    must(os_open(os_real(), path, OS_READ | OS_WRITE | OS_CREATE | OS_TRUNCATE, &r->f, &e), &e);
    for (uint64_t off = 0; off < FILE_BYTES; off += 1 << 20)
        must(os_pwrite(os_real(), r->f, bytes, 1 << 20, off, &e), &e);
    must(os_datasync(os_real(), r->f, &e), &e);
}

/* The yardstick: the same bytes to two zeroed files, each with its fdatasync, by two threads. */
static struct figure bench_raw(const char *const dirs[MEMBERS], uint64_t n)
{
    uint8_t *bytes = calloc(1, 1 << 20);
    struct raw r[MEMBERS] = {0};
    pthread_barrier_t start, end;
    struct figure f = {.batch_bytes = n};
    uint64_t batches = 0;
    pthread_t t;
    int64_t from;

    if (!bytes)
        exit(1);
    pthread_barrier_init(&start, NULL, MEMBERS);
    pthread_barrier_init(&end, NULL, MEMBERS);
    for (unsigned i = 0; i < MEMBERS; i++) {
        r[i] = (struct raw){.bytes = bytes, .n = n, .start = &start, .end = &end};
        raw_file(dirs[i], &r[i], bytes);
    }
    if (os_thread(&t, "raw", raw_main, &r[1]) != RC_OK)
        exit(1);
    memset(bytes, 'x', n);
    from = now_ns();
    while (seconds_since(from) < SECONDS) {
        pthread_barrier_wait(&start);
        raw_write(&r[0]);
        pthread_barrier_wait(&end);
        batches++;
        for (unsigned i = 0; i < MEMBERS; i++)
            r[i].off = r[i].off + 2 * n <= FILE_BYTES ? r[i].off + n : 0;
    }
    f.batches_per_s = (double)batches / seconds_since(from);
    f.records_per_s = f.batches_per_s * BATCH;
    r[1].stop = true;
    pthread_barrier_wait(&start);
    pthread_join(t, NULL);
    for (unsigned i = 0; i < MEMBERS; i++)
        os_close(os_real(), r[i].f);
    free(bytes);
    return f;
}

static void show(const char *name, struct figure j, struct figure raw)
{
    printf("%-24s %9.0f records/s (%6.0f batches of %" PRIu64 " bytes)   raw %9.0f records/s   ratio %.2f\n", name,
           j.records_per_s, j.batches_per_s, j.batch_bytes, raw.records_per_s, j.records_per_s / raw.records_per_s);
}

int main(int argc, char **argv)
{
    static uint8_t body[BODY];
    char dir[OS_PATH_MAX / 2], a[OS_PATH_MAX], b[OS_PATH_MAX], data[OS_PATH_MAX];
    uint8_t id[8];
    struct diskset_cfg cfg = {0};
    const char *paths[MEMBERS] = {a, b};
    struct diskset *set;
    struct journal *j;
    struct figure f;
    struct err e;

    os_random(os_real(), id, sizeof(id));
    if (argc > 1)
        snprintf(dir, sizeof(dir), "%s", argv[1]);
    else
        snprintf(dir, sizeof(dir), "/tmp/holdfast-bench-%02x%02x%02x%02x", id[0], id[1], id[2], id[3]);
    if (!os_path(a, dir, "disk1") || !os_path(b, dir, "disk2") || !os_path(data, dir, "data"))
        return 1;
    cfg.data_dir = data;
    cfg.paths = paths;
    cfg.n_paths = MEMBERS;
    must(diskset_open(os_real(), &cfg, &set, &e), &e);
    must(journal_open(os_real(), set, NULL, &j, NULL, &e), &e);
    f = bench_journal(j, view_of(NULL, 0));
    show("records of 200 bytes", f, bench_raw(paths, f.batch_bytes));
    f = bench_journal(j, view_of(body, BODY));
    show("with bodies of 4 KiB", f, bench_raw(paths, f.batch_bytes));
    journal_close(j);
    diskset_free(set);
    must(os_remove_tree(os_real(), dir, &e), &e);
    return 0;
}
