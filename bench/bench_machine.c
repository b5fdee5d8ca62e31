/* What the machine itself can do, for the rows that are measured against disk and digest: one JSON line.
 *
 *   bench_machine sync2 DIR1 DIR2 SECONDS   two files, 4 KiB each in parallel, written and fdatasynced: latency of both
 *   bench_machine md5 THREADS SECONDS       OpenSSL's MD5 on as many threads
 *   bench_machine read FILE...              sequential read, 1 MiB at a time; `hash` instead of `read` also runs
 *                                           XXH3-128 over each 128 KiB
 *   bench_machine write2 DIR1 DIR2 BYTES    the same bytes to two files in parallel, 1 MiB at a time, one fdatasync */
#include "load.h"

#include "codec/codec.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <openssl/evp.h>

#define RECORD 4096u
#define PIECE (1u << 20)
#define CHECKED (128u << 10)
#define THREADS_MAX 64u
/* The file is written ahead, zeros synced, as a journal's segment is. */
#define SEGMENT_BYTES (64u << 20)

static bool number(const char *text, uint64_t *ret)
{
    return view_u64(view_cstr(text), ret);
}

/* ---- two disks ---- */
struct writer {
    int fd;
    uint64_t bytes; /* write2: how many */
    int64_t end_ns; /* sync2: when to stop; the first writer decides */
    bool stop, failed;
    char *buffer;
    pthread_barrier_t *start, *done;
};

static int make_file(const char *dir, char *path, size_t path_n)
{
    snprintf(path, path_n, "%s/bench-machine.tmp", dir);
    int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
    if (fd >= 0)
        unlink(path);
    return fd;
}

static bool zero_ahead(int fd)
{
    char *zeros = calloc(1, PIECE);
    bool ok = zeros != NULL;

    for (uint64_t at = 0; ok && at < SEGMENT_BYTES; at += PIECE)
        ok = pwrite(fd, zeros, PIECE, (off_t)at) == (ssize_t)PIECE;
    free(zeros);
    return ok && fdatasync(fd) == 0;
}

static void *second_disk(void *ctx)
{
    struct writer *w = ctx;

    for (uint64_t at = 0;; at = (at + RECORD) % SEGMENT_BYTES) {
        pthread_barrier_wait(w->start);
        if (w->stop)
            return NULL;
        if (pwrite(w->fd, w->buffer, RECORD, (off_t)at) != (ssize_t)RECORD || fdatasync(w->fd) != 0)
            w->failed = true;
        pthread_barrier_wait(w->done);
    }
}

static bool sync2_loop(struct writer w[2], struct load_stats *s)
{
    pthread_t t;
    bool ok = pthread_create(&t, NULL, second_disk, &w[1]) == 0;

    if (!ok)
        return false;
    for (uint64_t at = 0; ok && load_now_ns() < w[0].end_ns; at = (at + RECORD) % SEGMENT_BYTES) {
        int64_t from_ns = load_now_ns();
        pthread_barrier_wait(w->start);
        ok = pwrite(w->fd, w->buffer, RECORD, (off_t)at) == (ssize_t)RECORD && fdatasync(w->fd) == 0;
        pthread_barrier_wait(w->done);
        ok = ok && !w[1].failed;
        int64_t now_ns = load_now_ns();
        load_stats_add(s, now_ns - from_ns, now_ns);
    }
    w[1].stop = true;
    pthread_barrier_wait(w->start);
    pthread_join(t, NULL);
    return ok;
}

static int sync2(char **dir, uint64_t seconds)
{
    static const char record[RECORD] = "x";
    struct load_stats *s = calloc(1, sizeof *s);
    pthread_barrier_t start, done;
    char path[4096];
    struct writer w[2] = {{.buffer = (char *)record, .start = &start, .done = &done},
                          {.buffer = (char *)record, .start = &start, .done = &done}};

    if (!s || pthread_barrier_init(&start, NULL, 2) != 0 || pthread_barrier_init(&done, NULL, 2) != 0)
        return 1;
    bool ok = true;
    for (int i = 0; i < 2; i++) {
        w[i].fd = make_file(dir[i], path, sizeof path);
        ok = ok && w[i].fd >= 0 && zero_ahead(w[i].fd);
    }
    w[0].end_ns = load_now_ns() + (int64_t)seconds * 1000000000LL;
    ok = ok && sync2_loop(w, s);
    if (ok)
        printf("{\"writes\": %" PRIu64 ", \"p50_us\": %.1f, \"p99_us\": %.1f, \"p999_us\": %.1f, \"max_us\": %.1f}\n",
               s->n, (double)load_stats_percentile(s, 0.50) / 1e3, (double)load_stats_percentile(s, 0.99) / 1e3,
               (double)load_stats_percentile(s, 0.999) / 1e3, (double)s->max_ns / 1e3);
    for (int i = 0; i < 2; i++)
        if (w[i].fd >= 0)
            close(w[i].fd);
    free(s);
    return ok ? 0 : 1;
}

static void *write_much(void *ctx)
{
    struct writer *w = ctx;

    for (uint64_t at = 0; at < w->bytes && !w->failed; at += PIECE)
        w->failed = pwrite(w->fd, w->buffer, PIECE, (off_t)at) != (ssize_t)PIECE;
    w->failed = w->failed || fdatasync(w->fd) != 0;
    return NULL;
}

static int write2(char **dir, uint64_t bytes)
{
    char path[4096], *buffer = malloc(PIECE);
    struct writer w[2] = {{.fd = -1}, {.fd = -1}};
    pthread_t t[2];
    unsigned begun = 0;
    bool ok = buffer != NULL;

    if (ok)
        memset(buffer, 'x', PIECE);
    int64_t from_ns = load_now_ns();
    for (; ok && begun < 2; begun++) {
        w[begun] = (struct writer){.fd = make_file(dir[begun], path, sizeof path), .bytes = bytes, .buffer = buffer};
        ok = w[begun].fd >= 0 && pthread_create(&t[begun], NULL, write_much, &w[begun]) == 0;
        if (!ok)
            break;
    }
    for (unsigned i = 0; i < begun; i++) {
        pthread_join(t[i], NULL);
        ok = ok && !w[i].failed;
    }
    if (ok)
        printf("{\"bytes_per_s\": %.0f}\n", (double)bytes * 1e9 / (double)(load_now_ns() - from_ns));
    for (int i = 0; i < 2; i++)
        if (w[i].fd >= 0)
            close(w[i].fd);
    free(buffer);
    return ok ? 0 : 1;
}

/* ---- MD5 ---- */
struct hasher {
    int64_t end_ns;
    uint64_t bytes;
    bool failed;
};

static void *hash_on(void *ctx)
{
    struct hasher *h = ctx;
    unsigned char out[EVP_MAX_MD_SIZE];
    char *data = calloc(1, PIECE);
    EVP_MD *md5 = EVP_MD_fetch(NULL, "MD5", NULL);
    EVP_MD_CTX *c = EVP_MD_CTX_new();

    h->failed = !data || !md5 || !c || EVP_DigestInit_ex2(c, md5, NULL) != 1;
    while (!h->failed && load_now_ns() < h->end_ns) {
        h->failed = EVP_DigestUpdate(c, data, PIECE) != 1;
        h->bytes += PIECE;
    }
    h->failed = h->failed || EVP_DigestFinal_ex(c, out, NULL) != 1;
    EVP_MD_CTX_free(c);
    EVP_MD_free(md5);
    free(data);
    return NULL;
}

static int md5(uint64_t threads, uint64_t seconds)
{
    struct hasher h[THREADS_MAX] = {0};
    pthread_t t[THREADS_MAX];
    uint64_t bytes = 0, begun = 0;
    int64_t from_ns = load_now_ns();

    for (; begun < threads && begun < THREADS_MAX; begun++) {
        h[begun].end_ns = from_ns + (int64_t)seconds * 1000000000LL;
        if (pthread_create(&t[begun], NULL, hash_on, &h[begun]) != 0)
            return 1;
    }
    for (uint64_t i = 0; i < begun; i++) {
        pthread_join(t[i], NULL);
        bytes += h[i].bytes;
        if (h[i].failed)
            return 1;
    }
    printf("{\"bytes_per_s\": %.0f}\n", (double)bytes * 1e9 / (double)(load_now_ns() - from_ns));
    return 0;
}

/* ---- sequential read ---- */
static bool read_file(const char *path, char *buffer, bool hash, uint64_t *bytes, uint64_t *sum)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = 1;

    if (fd < 0)
        return false;
    while (n > 0) {
        n = read(fd, buffer, PIECE);
        for (ssize_t at = 0; hash && at < n; at += CHECKED) {
            uint8_t h[XXH_SIZE];
            xxh128(buffer + at, (size_t)(n - at < (ssize_t)CHECKED ? n - at : (ssize_t)CHECKED), 0, h);
            *sum ^= le64_get(h);
        }
        *bytes += n > 0 ? (uint64_t)n : 0;
    }
    close(fd);
    return n == 0;
}

static int read_all(char **path, int n, bool hash)
{
    char *buffer = malloc(PIECE);
    uint64_t bytes = 0, sum = 0;
    int64_t from_ns = load_now_ns();
    bool ok = buffer != NULL;

    for (int i = 0; ok && i < n; i++)
        ok = read_file(path[i], buffer, hash, &bytes, &sum);
    int64_t took_ns = load_now_ns() - from_ns;
    if (ok)
        printf("{\"bytes\": %" PRIu64 ", \"bytes_per_s\": %.0f, \"sum\": %" PRIu64 "}\n", bytes,
               (double)bytes * 1e9 / (double)took_ns, sum);
    free(buffer);
    return ok ? 0 : 1;
}

int main(int argc, char **argv)
{
    uint64_t a = 0, b = 0;
    int code = 2;

    if (argc == 5 && strcmp(argv[1], "sync2") == 0 && number(argv[4], &a))
        code = sync2(argv + 2, a);
    else if (argc == 5 && strcmp(argv[1], "write2") == 0 && number(argv[4], &a))
        code = write2(argv + 2, a);
    else if (argc == 4 && strcmp(argv[1], "md5") == 0 && number(argv[2], &a) && number(argv[3], &b))
        code = md5(a, b);
    else if (argc > 2 && (strcmp(argv[1], "read") == 0 || strcmp(argv[1], "hash") == 0))
        code = read_all(argv + 2, argc - 2, argv[1][0] == 'h');
    if (code == 2)
        fputs("bench_machine sync2 DIR1 DIR2 SECONDS | write2 DIR1 DIR2 BYTES | md5 THREADS SECONDS | read FILE... | "
              "hash "
              "FILE...\n",
              stderr);
    else if (code == 1)
        fprintf(stderr, "bench_machine %s: failed: %s\n", argv[1], strerror(errno));
    return code;
}
