/* The yardstick of the HTTP rows: the same HTTP room without a store behind it. A PUT's body is taken and forgotten; a
 * GET is read from one file, hashed with XXH3-128 in the buffer that is sent, and sent. Nothing is authenticated.
 *
 *   bench_swallow FILE OBJECT-SIZE
 *
 * FILE holds objects of that size one behind another; the digits of the path, as one number, choose which. Prints its
 * address, runs until stdin ends. */
#include "codec/codec.h"
#include "http/http.h"
#include "os/os.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define DRAIN_MS 1000u
/* Objects up to this are answered from one buffer; larger ones stream. */
#define WHOLE_MAX (256u << 10)
/* What one checksum covers in Holdfast's store. */
#define PIECE (128u << 10)

struct yardstick {
    struct os_file *file;
    uint64_t object_size, objects;
};

struct reading {
    const struct yardstick *y;
    uint64_t at;
    uint64_t sum; /* so that no compiler drops the hashing */
};

static bool read_hashed(struct reading *g, uint64_t from, char *dst, size_t n)
{
    uint8_t hash[XXH_SIZE];
    struct err e;

    if (os_pread(os_real(), g->y->file, dst, n, g->at + from, &e) != RC_OK)
        return false;
    xxh128(dst, n, g->at + from, hash);
    g->sum ^= le64_get(hash);
    return true;
}

static int64_t fill(void *ctx, uint64_t offset, char *dst, size_t n)
{
    struct reading *g = ctx;

    if (n > PIECE)
        n = PIECE;
    return read_hashed(g, offset, dst, n) ? (int64_t)n : -1;
}

static uint64_t number_of(struct view path)
{
    uint64_t n = 0;

    for (size_t i = 0; i < path.n; i++)
        if (path.p[i] >= '0' && path.p[i] <= '9')
            n = n * 10 + (uint64_t)(path.p[i] - '0');
    return n;
}

static void answer_get(const struct yardstick *y, struct http_req *r)
{
    struct reading *g = arena_zalloc(http_arena(r), sizeof *g);
    char *whole = NULL;

    if (!g || y->objects == 0) {
        http_reply(r, 503, VIEW(""));
        return;
    }
    *g = (struct reading){y, number_of(http_path(r)) % y->objects * y->object_size, 0};
    if (y->object_size > WHOLE_MAX) {
        http_reply_stream(r, 200, y->object_size, fill, g);
        return;
    }
    whole = malloc(y->object_size);
    if (!whole || !read_hashed(g, 0, whole, y->object_size)) {
        free(whole);
        http_reply(r, 503, VIEW(""));
        return;
    }
    struct buf b = {whole, y->object_size, y->object_size, y->object_size};
    http_reply_buf(r, 200, &b);
}

static void on_request(void *ctx, struct http_req *r)
{
    (void)ctx;
    (void)r;
}

static void on_body(void *ctx, struct http_req *r, struct view data, size_t *consumed)
{
    (void)ctx;
    (void)r;
    *consumed = data.n;
}

static void on_end(void *ctx, struct http_req *r)
{
    if (view_eqs(http_method(r), "GET"))
        answer_get(ctx, r);
    else
        http_reply(r, 200, VIEW(""));
}

static void on_resume(void *ctx, struct http_req *r)
{
    (void)ctx;
    (void)r;
}

static void on_close(void *ctx, struct http_req *r, bool sent_whole, uint64_t body_bytes_sent)
{
    (void)ctx;
    (void)r;
    (void)sent_whole;
    (void)body_bytes_sent;
}

static enum rc open_file(struct yardstick *y, const char *path, const char *size, struct err *e)
{
    struct os_stat st;

    if (!view_u64(view_cstr(size), &y->object_size) || y->object_size == 0)
        return err_set(e, RC_INVALID, "%s: must be the size of an object in bytes", size);
    HF_TRY(os_open(os_real(), path, OS_READ, &y->file, e));
    HF_TRY(os_fstat(os_real(), y->file, &st, e));
    y->objects = st.size_bytes / y->object_size;
    return RC_OK;
}

static enum rc serve(struct yardstick *y, struct err *e)
{
    struct http_server *s = NULL;
    struct http_cfg cfg = {
        .listen = "127.0.0.1:0",
        .handler = {.on_request = on_request,
                    .on_body = on_body,
                    .on_end = on_end,
                    .on_resume = on_resume,
                    .on_close = on_close,
                    .ctx = y},
    };

    HF_TRY(http_open(&cfg, &s, e));
    printf("%s\n", http_address(s));
    fflush(stdout);
    while (getchar() != EOF)
        continue;
    http_close(s, DRAIN_MS);
    return RC_OK;
}

int main(int argc, char **argv)
{
    struct yardstick y = {0};
    struct err e = {""};

    if (argc != 3) {
        fputs("bench_swallow FILE OBJECT-SIZE\n", stderr);
        return 2;
    }
    enum rc rc = open_file(&y, argv[1], argv[2], &e);
    if (rc == RC_OK)
        rc = serve(&y, &e);
    if (rc != RC_OK)
        fprintf(stderr, "bench_swallow: %s\n", e.text);
    os_close(os_real(), y.file);
    return rc == RC_OK ? 0 : 1;
}
