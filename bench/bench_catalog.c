/* Holdfast: how fast the catalog decides, applies, reads and lists; prints one figure per line.
 * usage: bench_catalog [KEYS]   (default 1000000; the folder is made below TMPDIR or /tmp, and removed) */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "catalog/catalog.h"
#include "codec/codec.h"

#define BATCH 64
#define KEYS_SMALL 10000
#define READS 200000
#define LISTS 50
#define SETTLE_S 5

struct bench {
    struct cat *c;
    struct cat_txn *t;
    uint64_t seq, rng;
    unsigned in_batch;
    struct buf payload;
};

static void must(enum rc rc, const char *what, const struct err *e)
{
    if (rc == RC_OK)
        return;
    fprintf(stderr, "%s: %s: %s\n", what, rc_name(rc), e ? e->text : "");
    exit(1);
}

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Of this thread alone: what a figure costs when others use the machine too. */
static double cpu_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static uint64_t next_random(struct bench *b)
{
    b->rng ^= b->rng << 13;
    b->rng ^= b->rng >> 7;
    b->rng ^= b->rng << 17;
    return b->rng;
}

static void commit(struct bench *b)
{
    struct err e = {""};
    must(cat_txn_write(b->t, &e), "write", &e);
    b->in_batch = 0;
}

static void run(struct bench *b, const struct cat_op *op)
{
    struct err e = {""};
    struct cat_done done;
    enum rec_type type;
    buf_clear(&b->payload);
    must(cat_decide(b->t, op, &type, &b->payload, &done), "decide", NULL);
    if (done.nothing_to_do)
        return;
    b->seq++;
    struct journal_rec rec = {
        .seq = b->seq, .time_ns = (int64_t)b->seq * 1000, .type = type, .payload = buf_view(&b->payload)};
    if (op->body.n)
        rec.attach =
            (struct attach_loc){.segment = 1 + b->seq / 16384, .offset = b->seq * 4224, .size = (uint32_t)op->body.n};
    must(cat_apply(b->t, &rec, &e), "apply", &e);
    if (++b->in_batch == BATCH)
        commit(b);
}

static struct view key_text(char *dst, size_t size, uint64_t i)
{
    /* Spread, so that inserts come in random order; a thousand common prefixes. */
    uint64_t x = i * 0x9e3779b97f4a7c15ull;
    int n = snprintf(dst, size, "p%03u/%016llx", (unsigned)(x >> 40) % 1000, (unsigned long long)x);
    return view_of(dst, (size_t)n);
}

static struct cat_op op_of(enum cat_op_kind kind, struct view bucket, struct view key)
{
    return (struct cat_op){.kind = kind,
                           .account = 1,
                           .bucket = bucket,
                           .key = key,
                           .actor = VIEW("HFBENCHBENCHBENCH234"),
                           .requests = 1,
                           .version.any_latest = true};
}

static void put_keys(struct bench *b, struct view bucket, uint64_t from, uint64_t to, const char *what)
{
    static const char body[4096];
    double start = now_s(), cpu = cpu_s(), worst = 0;
    for (uint64_t i = from; i < to; i++) {
        char key[64];
        struct cat_op op = op_of(CAT_PUT, bucket, key_text(key, sizeof(key), i));
        be64_put(op.md5, i + 1);
        op.crc64ecma = i;
        op.size = sizeof(body);
        op.body = view_of(body, sizeof(body));
        op.meta = VIEW("\x01\x0c"
                       "content-type\x02\x18"
                       "application/octet-stream");
        double before = now_s();
        run(b, &op);
        double took = now_s() - before;
        worst = took > worst ? took : worst;
    }
    commit(b);
    double s = now_s() - start;
    printf("%-28s %10.0f /s   %6.2f us of cpu each   longest %.1f ms\n", what, (double)(to - from) / s,
           (cpu_s() - cpu) * 1e6 / (double)(to - from), worst * 1e3);
}

static void delete_keys(struct bench *b, struct view bucket, uint64_t n, uint64_t keep_every)
{
    double start = now_s(), cpu = cpu_s();
    for (uint64_t i = 0; i < n; i++) {
        char key[64];
        if (i % keep_every == 0)
            continue;
        struct cat_op op = op_of(CAT_DELETE, bucket, key_text(key, sizeof(key), i));
        run(b, &op);
    }
    commit(b);
    printf("%-28s %10.0f /s   %6.2f us of cpu each\n", "deletes", (double)n / (now_s() - start),
           (cpu_s() - cpu) * 1e6 / (double)n);
}

static void get_keys(struct bench *b, uint64_t bucket, uint64_t n)
{
    struct arena a = ARENA(1 << 20);
    double start = now_s(), cpu = cpu_s();
    for (unsigned i = 0; i < READS; i++) {
        char key[64];
        struct cat_version v;
        struct cat_want want = {.any_latest = true, .layout = true};
        must(cat_get_object(b->c, bucket, key_text(key, sizeof(key), next_random(b) % n), want, &a, &v), "get", NULL);
        arena_free(&a);
    }
    printf("%-28s %10.0f /s   %6.2f us of cpu each\n", "random gets", READS / (now_s() - start),
           (cpu_s() - cpu) * 1e6 / READS);
}

static int by_time(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void list_keys(struct bench *b, uint64_t bucket, struct view delimiter, const char *what)
{
    double took[LISTS], cpu = cpu_s();
    size_t items = 0;
    for (unsigned i = 0; i < LISTS; i++) {
        struct arena a = ARENA(16 << 20);
        struct cat_listed got;
        char after[64];
        struct cat_list l = {.delimiter = delimiter, .max = CAT_LIST_MAX};
        if (delimiter.n == 0)
            l.after = key_text(after, sizeof(after), next_random(b) % KEYS_SMALL);
        double start = now_s();
        must(cat_list_objects(b->c, bucket, &l, &a, &got), "list", NULL);
        took[i] = now_s() - start;
        items += got.n_versions + got.n_prefixes;
        arena_free(&a);
    }
    qsort(took, LISTS, sizeof(took[0]), by_time);
    printf("%-28s %10.2f ms   %6.2f ms of cpu each   longest %.1f ms, %zu items\n", what, took[LISTS / 2] * 1e3,
           (cpu_s() - cpu) * 1e3 / LISTS, took[LISTS - 1] * 1e3, items / LISTS);
}

static uint64_t bucket_make(struct bench *b, struct view name)
{
    struct cat_op op = op_of(CAT_BUCKET_CREATE, name, VIEW(""));
    run(b, &op);
    commit(b);
    return b->seq;
}

static void bench_run(struct bench *b, uint64_t keys)
{
    uint64_t small = bucket_make(b, VIEW("small")), large = bucket_make(b, VIEW("large"));
    put_keys(b, VIEW("small"), 0, KEYS_SMALL, "first puts");
    list_keys(b, small, VIEW(""), "list 1000 of 10k");
    list_keys(b, small, VIEW("/"), "list prefixes of 10k");
    put_keys(b, VIEW("large"), 0, keys, "puts, new keys");
    put_keys(b, VIEW("large"), 0, keys / 4, "puts, overwriting");
    get_keys(b, large, keys);
    list_keys(b, large, VIEW(""), "list 1000 of all");
    list_keys(b, large, VIEW("/"), "list prefixes of all");
    delete_keys(b, VIEW("large"), keys, 100);
    list_keys(b, large, VIEW(""), "list 1000 after deletes");
    list_keys(b, large, VIEW("/"), "list prefixes after deletes");
    sleep(SETTLE_S); /* deletions are compacted away in the background */
    list_keys(b, large, VIEW(""), "list 1000, settled");
    list_keys(b, large, VIEW("/"), "list prefixes, settled");
    printf("%-28s %10.1f MiB\n", "database memory", (double)cat_memory_bytes(b->c) / (1 << 20));
}

static void reopen(struct bench *b, const char *dir)
{
    struct err e = {""};
    cat_txn_free(b->t);
    double start = now_s();
    cat_close(b->c);
    double closed = now_s();
    must(cat_open(dir, false, &b->c, &e), "open", &e);
    printf("%-28s %10.1f ms; close %.1f ms\n", "open again", (now_s() - closed) * 1e3, (closed - start) * 1e3);
}

int main(int argc, char **argv)
{
    struct bench b = {.rng = 88172645463325252ull, .payload = BUF(1 << 20)};
    struct err e = {""};
    uint64_t keys = 1000000;
    char dir[512];
    const char *tmp = getenv("TMPDIR");
    if (argc > 1 && !view_u64(view_cstr(argv[1]), &keys)) {
        fprintf(stderr, "usage: bench_catalog [KEYS]\n");
        return 2;
    }
    snprintf(dir, sizeof(dir), "%s/hf-bench-catalog-XXXXXX", tmp ? tmp : "/tmp");
    if (!mkdtemp(dir)) {
        perror(dir);
        return 1;
    }
    must(cat_open(dir, false, &b.c, &e), "open", &e);
    must(cat_txn_new(b.c, &b.t), "txn", NULL);
    bench_run(&b, keys);
    reopen(&b, dir);
    cat_close(b.c);
    buf_free(&b.payload);
    must(cat_destroy(dir, &e), "destroy", &e);
    rmdir(dir);
    return 0;
}
