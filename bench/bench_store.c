/* Holdfast bench: bodies of 64 MiB into the store and out again, beside what the same disks give to plain calls.
 *
 *   bench_store DIR [BODIES] [DIR2]    disks at DIR and DIR2 (default DIR); BODIES defaults to 8
 *
 * Each line: MB/s of the store, MB/s of the yardstick, ratio. Yardsticks move the same bytes in the same run, in turn:
 *   put   two threads, each pwrite + fdatasync of one file per body
 *   get   pread of 1 MiB + XXH3-128 of each 128 KiB, from the page cache, as the store's
 *   scrub pread of 1 MiB, one thread per disk, nothing else; cold and from the page cache */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "codec/codec.h"
#include "store/store.h"

#define MIB (1u << 20)
#define BODY ((size_t)64 * MIB)
#define PIECE ((size_t)MIB)
#define BODIES_MAX 64

struct bench {
    char root[2][512];
    unsigned bodies;
    uint8_t *data; /* one body */
    struct diskset *disks;
    struct store *s;
    struct extent x[BODIES_MAX];
};

static void must(enum rc rc, const struct err *e, const char *what)
{
    if (rc == RC_OK)
        return;
    fprintf(stderr, "%s: %s: %s\n", what, rc_name(rc), e ? e->text : "");
    exit(1);
}

static void must_sys(bool ok, const char *what)
{
    if (ok)
        return;
    perror(what);
    exit(1);
}

static double now_s(void)
{
    return (double)clock_mono_ns(os_clock()) / 1e9;
}

static void say(const char *what, double bytes, double ours_s, double plain_s)
{
    printf("%-34s %8.0f MB/s   yardstick %8.0f MB/s   ratio %.2f\n", what, bytes / ours_s / 1e6, bytes / plain_s / 1e6,
           plain_s / ours_s);
    fflush(stdout);
}

/* ---- yardsticks ---- */

struct plain {
    struct bench *b;
    unsigned disk;
    unsigned body;
    bool cold;
    pthread_t thread;
};

static void plain_path(const struct bench *b, unsigned disk, unsigned body, char *dst, size_t size)
{
    int n = snprintf(dst, size, "%s/plain-%u-%u", b->root[disk], disk, body);
    must_sys(n > 0 && (size_t)n < size, "path");
}

static void *plain_write(void *ctx)
{
    struct plain *p = ctx;
    char path[600];
    plain_path(p->b, p->disk, p->body, path, sizeof path);
    int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0600);
    must_sys(fd >= 0, path);
    for (size_t at = 0; at < BODY; at += PIECE)
        must_sys(pwrite(fd, p->b->data + at, PIECE, (off_t)at) == (ssize_t)PIECE, path);
    must_sys(fdatasync(fd) == 0, path);
    must_sys(close(fd) == 0, path);
    return NULL;
}

static void forget_pages(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    must_sys(fd >= 0, path);
    must_sys(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) == 0, path);
    must_sys(close(fd) == 0, path);
}

static void *plain_scan(void *ctx)
{
    struct plain *p = ctx;
    uint8_t *buf = malloc(PIECE);
    must_sys(buf != NULL, "memory");
    for (unsigned i = 0; i < p->b->bodies; i++) {
        char path[600];
        plain_path(p->b, p->disk, i, path, sizeof path);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        must_sys(fd >= 0, path);
        for (size_t at = 0; at < BODY; at += PIECE)
            must_sys(pread(fd, buf, PIECE, (off_t)at) == (ssize_t)PIECE, path);
        must_sys(close(fd) == 0, path);
    }
    free(buf);
    return NULL;
}

static double on_both(struct bench *b, unsigned body, void *(*fn)(void *))
{
    struct plain p[2] = {{.b = b, .disk = 0, .body = body}, {.b = b, .disk = 1, .body = body}};
    double from = now_s();
    for (unsigned i = 0; i < 2; i++)
        must(os_thread(&p[i].thread, "plain", fn, &p[i]), NULL, "thread");
    for (unsigned i = 0; i < 2; i++)
        must_sys(pthread_join(p[i].thread, NULL) == 0, "join");
    return now_s() - from;
}

static double plain_get(struct bench *b, unsigned body, uint8_t *dst)
{
    char path[600];
    uint8_t sum[XXH_SIZE];
    plain_path(b, 0, body, path, sizeof path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    must_sys(fd >= 0, path);
    double from = now_s();
    for (size_t at = 0; at < BODY; at += PIECE) {
        must_sys(pread(fd, dst + at, PIECE, (off_t)at) == (ssize_t)PIECE, path);
        for (size_t k = 0; k < PIECE; k += BLOCK_DATA_MAX)
            xxh128(dst + at + k, BLOCK_DATA_MAX, 0, sum);
    }
    double took = now_s() - from;
    must_sys(close(fd) == 0, path);
    return took;
}

/* ---- the store ---- */

static double store_put_body(struct bench *b, unsigned body)
{
    struct err e = {""};
    struct store_put *p;
    const struct extent *x;
    size_t n;
    double from = now_s();
    must(store_put_begin(b->s, BODY, &p, &e), &e, "begin");
    for (size_t at = 0; at < BODY; at += PIECE)
        must(store_put_write(p, b->data + at, PIECE, &e), &e, "write");
    must(store_put_finish(p, &x, &n, &e), &e, "finish");
    b->x[body] = x[0];
    store_put_free(p);
    return now_s() - from;
}

static double store_get_body(struct bench *b, unsigned body, uint8_t *dst)
{
    struct err e = {""};
    double from = now_s();
    for (size_t at = 0; at < BODY; at += PIECE)
        must(store_read(b->s, &b->x[body], at, dst + at, PIECE, &e), &e, "read");
    return now_s() - from;
}

struct live {
    struct bench *b;
    unsigned at;
};

static int by_place(const void *a, const void *b)
{
    const struct extent *x = a, *y = b;
    if (x->container != y->container)
        return x->container < y->container ? -1 : 1;
    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

static enum rc live_next(void *ctx, struct extent *ret)
{
    struct live *l = ctx;
    if (l->at == l->b->bodies)
        return RC_END;
    *ret = l->b->x[l->at++];
    return RC_OK;
}

static double scrub(struct bench *b)
{
    struct live l = {b, 0};
    struct extent_source source = {live_next, &l};
    struct scrub_count c = {0};
    struct err e = {""};
    double from = now_s();
    must(store_scrub(b->s, &source, NULL, &c, &e), &e, "scrub");
    must_sys(c.corrupt == 0, "scrub found damage");
    return now_s() - from;
}

static void forget_all(struct bench *b)
{
    for (unsigned disk = 0; disk < 2; disk++)
        for (unsigned i = 0; i < b->bodies; i++) {
            char path[1200];
            plain_path(b, disk, i, path, sizeof path);
            forget_pages(path);
            int n = snprintf(path, sizeof path, "%s/d%u/volumes/vol-%016llx", b->root[disk], disk,
                             (unsigned long long)b->x[i].container);
            must_sys(n > 0 && (size_t)n < sizeof path, "path");
            forget_pages(path);
        }
}

static void run(struct bench *b)
{
    double ours = 0, plain = 0, bytes = (double)BODY * b->bodies;
    uint8_t *dst = malloc(BODY);
    must_sys(dst != NULL, "memory");
    memset(dst, 1, BODY);
    for (unsigned i = 0; i < b->bodies; i++) {
        plain += on_both(b, i, plain_write);
        ours += store_put_body(b, i);
    }
    say("put 64 MiB, one stream, 2 copies", bytes, ours, plain);
    for (unsigned warm = 0; warm < 2; warm++) { /* the first round fills the page cache */
        ours = plain = 0;
        for (unsigned i = 0; i < b->bodies; i++) {
            plain += plain_get(b, i, dst);
            ours += store_get_body(b, i, dst);
            must_sys(memcmp(dst, b->data, BODY) == 0, "wrong bytes");
        }
    }
    say("get 64 MiB, verified, cached", bytes, ours, plain);
    qsort(b->x, b->bodies, sizeof b->x[0], by_place);
    forget_all(b);
    plain = on_both(b, 0, plain_scan);
    ours = scrub(b);
    say("scrub, both disks, cold", 2 * bytes, ours, plain);
    plain = on_both(b, 0, plain_scan);
    ours = scrub(b);
    say("scrub, both disks, cached", 2 * bytes, ours, plain);
    free(dst);
}

int main(int argc, char **argv)
{
    struct bench *b = calloc(1, sizeof *b);
    struct err e = {""};
    uint64_t bodies = 8;
    must_sys(b != NULL, "memory");
    if (argc < 2 || (argc > 2 && !view_u64(view_cstr(argv[2]), &bodies)) || bodies == 0 || bodies > BODIES_MAX) {
        fprintf(stderr, "usage: bench_store DIR [BODIES, at most %d] [DIR2]\n", BODIES_MAX);
        return 2;
    }
    b->bodies = (unsigned)bodies;
    char disk[2][600];
    for (unsigned i = 0; i < 2; i++) {
        const char *dir = i == 1 && argc > 3 ? argv[3] : argv[1];
        int n = snprintf(b->root[i], sizeof b->root[i], "%s/bench-store-XXXXXX", dir);
        must_sys(n > 0 && (size_t)n < sizeof b->root[i] && mkdtemp(b->root[i]) != NULL, dir);
        n = snprintf(disk[i], sizeof disk[i], "%s/d%u", b->root[i], i);
        must_sys(n > 0, "path");
    }
    b->data = malloc(BODY);
    must_sys(b->data != NULL, "memory");
    os_random(os_real(), b->data, BODY);
    char data_dir[600];
    must_sys(snprintf(data_dir, sizeof data_dir, "%s/data", b->root[0]) > 0, "path");
    const char *const paths[] = {disk[0], disk[1]};
    struct diskset_cfg dc = {.data_dir = data_dir, .paths = paths, .n_paths = 2, .copies = 2};
    struct store_cfg sc = {0};
    must(diskset_open(os_real(), &dc, &b->disks, &e), &e, "disks");
    must(store_open(os_real(), b->disks, NULL, &sc, &b->s, &e), &e, "store");
    run(b);
    store_close(b->s);
    diskset_free(b->disks);
    for (unsigned i = 0; i < 2; i++)
        must(os_remove_tree(os_real(), b->root[i], &e), &e, "clean up");
    free(b->data);
    free(b);
    return 0;
}
