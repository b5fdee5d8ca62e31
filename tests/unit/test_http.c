/* Holdfast: what src/http promises, seen by raw sockets. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

#include "http/http.h"
#include "os/os.h"

#define CLIENT_PATIENCE_S 20 /* a hang fails the test instead of holding it up */
#define STREAM_BYTES (3u << 20)
#define ANSWER_MAX (8u << 20)
#define HALF_HEADS 400

/* ---- the handler under test: the path says what it does ---- */

struct server {
    struct http_server *http;
    struct os_pool *pool;
    atomic_uint opened, closed, sent_whole, refused;
    atomic_ullong last_body_sent;
    atomic_size_t largest_piece;
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t changed;
    bool hold_open;   /* /hold and /hold-at-end requests may go on */
    unsigned holding; /* how many of them there are */
};

struct talk {
    struct os_job job;
    struct server *s;
    struct http_req *r;
    struct buf body;
    size_t pieces;
    bool waited;
};

static void job_resume(struct os_job *job)
{
    struct talk *t = (struct talk *)job;
    http_resume(t->r);
}

static void job_hold(struct os_job *job)
{
    struct talk *t = (struct talk *)job;
    pthread_mutex_lock(&t->s->lock);
    t->s->holding++;
    pthread_cond_broadcast(&t->s->changed);
    while (!t->s->hold_open)
        pthread_cond_wait(&t->s->changed, &t->s->lock);
    pthread_mutex_unlock(&t->s->lock);
    http_resume(t->r);
}

static void later(struct talk *t, void (*run)(struct os_job *))
{
    t->job.run = run;
    os_pool_submit(t->s->pool, &t->job);
    http_suspend(t->r);
}

static bool path_is(const struct http_req *r, const char *path)
{
    return view_eqs(http_path(r), path);
}

static int64_t fill_pattern(void *ctx, uint64_t offset, char *dst, size_t n)
{
    const struct talk *t = ctx;
    if (path_is(t->r, "/short") && offset >= STREAM_BYTES / 2)
        return -1;
    if (n > 100000)
        n = 100000;
    for (size_t i = 0; i < n; i++)
        dst[i] = (char)('a' + (offset + i) % 26);
    return (int64_t)n;
}

static void reply_text(struct http_req *r, unsigned status, const char *text)
{
    assert_int_equal(http_reply_header(r, "x-test", VIEW("yes")), RC_OK);
    http_reply(r, status, view_cstr(text));
}

static void on_request(void *ctx, struct http_req *r)
{
    struct server *s = ctx;
    struct talk *t = calloc(1, sizeof *t);
    assert_non_null(t);
    t->s = s;
    t->r = r;
    t->body = BUF(ANSWER_MAX);
    http_set_state(r, t);
    atomic_fetch_add(&s->opened, 1);
    if (path_is(r, "/deny"))
        reply_text(r, 403, "denied");
    else if (path_is(r, "/abort"))
        http_abort(r);
    else if (path_is(r, "/wait-first"))
        later(t, job_resume);
    else if (path_is(r, "/hold"))
        later(t, job_hold);
}

static void on_body(void *ctx, struct http_req *r, struct view data, size_t *consumed)
{
    struct server *s = ctx;
    struct talk *t = http_state(r);
    if (data.n > atomic_load(&s->largest_piece))
        atomic_store(&s->largest_piece, data.n);
    if (path_is(r, "/swallow")) {
        *consumed = data.n;
        return;
    }
    if (path_is(r, "/deny-late") && t->body.n > 1000) {
        reply_text(r, 400, "late");
        return;
    }
    bool slow = path_is(r, "/slow");
    if (slow && !t->waited) {
        t->waited = true;
        later(t, job_resume); /* takes nothing */
        return;
    }
    size_t n = slow && data.n > 7 && t->pieces % 2 ? data.n / 2 : data.n;
    assert_int_equal(buf_put(&t->body, data.p, n), RC_OK);
    *consumed = n;
    t->pieces++;
    t->waited = false;
    if (slow)
        later(t, job_resume); /* after having taken some, or all */
}

static void reply_facts(struct http_req *r)
{
    char text[512];
    struct view t = http_target(r), p = http_path(r), q = http_query(r), m = http_method(r);
    snprintf(text, sizeof text, "%.*s|%.*s|%.*s|%.*s|%zu|%s", (int)m.n, m.p, (int)t.n, t.p, (int)p.n, p.p, (int)q.n,
             q.p, http_header_count(r), http_peer(r));
    reply_text(r, 200, text);
}

static void reply_now(struct talk *t)
{
    struct http_req *r = t->r;
    if (path_is(r, "/stream") || path_is(r, "/short"))
        http_reply_stream(r, 200, STREAM_BYTES, fill_pattern, t);
    else if (path_is(r, "/head"))
        http_reply_head(r, 200, 123456789012ull);
    else if (path_is(r, "/204"))
        http_reply(r, 204, (struct view){NULL, 0});
    else if (path_is(r, "/304"))
        http_reply(r, 304, (struct view){NULL, 0});
    else if (path_is(r, "/facts"))
        reply_facts(r);
    else if (http_has_body(r))
        http_reply_buf(r, 200, &t->body);
    else
        reply_text(r, 200, "fine");
}

static void on_end(void *ctx, struct http_req *r)
{
    (void)ctx;
    struct talk *t = http_state(r);
    if (path_is(r, "/wait") || path_is(r, "/wait-first"))
        later(t, job_resume);
    else if (path_is(r, "/hold-at-end"))
        later(t, job_hold);
    else
        reply_now(t);
    t->pieces = SIZE_MAX; /* the end was seen */
}

static void on_resume(void *ctx, struct http_req *r)
{
    (void)ctx;
    struct talk *t = http_state(r);
    if (t->pieces == SIZE_MAX)
        reply_now(t);
}

static void on_close(void *ctx, struct http_req *r, bool sent_whole, uint64_t body_bytes_sent)
{
    struct server *s = ctx;
    struct talk *t = http_state(r);
    if (sent_whole)
        atomic_fetch_add(&s->sent_whole, 1);
    atomic_store(&s->last_body_sent, body_bytes_sent);
    buf_free(&t->body);
    free(t);
    pthread_mutex_lock(&s->lock);
    atomic_fetch_add(&s->closed, 1);
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

static void on_refused(void *ctx, unsigned status, const char *what, struct buf *body, const char **content_type)
{
    struct server *s = ctx;
    atomic_fetch_add(&s->refused, 1);
    *content_type = "application/xml";
    assert_int_equal(buf_printf(body, "<Refused status=\"%u\">%s</Refused>", status, what), RC_OK);
}

static struct server *server_open(unsigned idle_timeout_s)
{
    struct server *s = calloc(1, sizeof *s);
    assert_non_null(s);
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->changed, NULL);
    assert_int_equal(os_pool_new(2, "resumer", &s->pool), RC_OK);
    struct http_cfg cfg = {.listen = "127.0.0.1:0",
                           .idle_timeout_s = idle_timeout_s,
                           .handler = {on_request, on_body, on_end, on_resume, on_close, on_refused, s}};
    struct err e;
    assert_int_equal(http_open(&cfg, &s->http, &e), RC_OK);
    return s;
}

static void server_free(struct server *s)
{
    assert_int_equal(atomic_load(&s->opened), atomic_load(&s->closed));
    os_pool_free(s->pool);
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

static void server_close(struct server *s)
{
    http_close(s->http, 5000);
    server_free(s);
}

static void wait_closed(struct server *s, unsigned n)
{
    pthread_mutex_lock(&s->lock);
    while (atomic_load(&s->closed) < n)
        pthread_cond_wait(&s->changed, &s->lock);
    pthread_mutex_unlock(&s->lock);
}

/* ---- the client ---- */

static int client(const struct server *s)
{
    const char *port = strrchr(http_address(s->http), ':') + 1;
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((uint16_t)strtoul(port, NULL, 10)),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    struct timeval patience = {.tv_sec = CLIENT_PATIENCE_S};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    return fd;
}

static bool say_n(int fd, const void *p, size_t n)
{
    for (const char *at = p; n > 0;) {
        ssize_t w = send(fd, at, n, MSG_NOSIGNAL);
        if (w <= 0)
            return false;
        at += w;
        n -= (size_t)w;
    }
    return true;
}

static void say(int fd, const char *text)
{
    assert_true(say_n(fd, text, strlen(text)));
}

/* The end of the connection travels with the last byte, so that the server learns of both at once. */
static void say_last(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL | MSG_MORE), (ssize_t)strlen(text));
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
}

struct answer {
    unsigned status;
    char head[8192];
    uint64_t declared; /* Content-Length */
    bool has_length, closed_short;
    struct buf body;
};

/* Reads one answer; a body only when there may be one. */
static void hear_body(int fd, struct answer *a, bool body)
{
    memset(a, 0, sizeof *a);
    a->body = BUF(ANSWER_MAX);
    size_t n = 0;
    while (n < 4 || memcmp(a->head + n - 4, "\r\n\r\n", 4) != 0) {
        assert_true(n + 1 < sizeof a->head);
        ssize_t got = recv(fd, a->head + n, 1, 0);
        if (got <= 0)
            fail_msg("no answer: %s", got < 0 ? strerror(errno) : "the connection ended");
        n++;
    }
    a->head[n] = 0;
    assert_int_equal(memcmp(a->head, "HTTP/1.1 ", 9), 0);
    a->status = (unsigned)strtoul(a->head + 9, NULL, 10);
    const char *length = strstr(a->head, "\r\nContent-Length:");
    a->has_length = length != NULL;
    a->declared = length ? strtoull(length + 17, NULL, 10) : 0;
    char piece[16384];
    while (body && a->body.n < a->declared) {
        size_t want = a->declared - a->body.n < sizeof piece ? a->declared - a->body.n : sizeof piece;
        ssize_t got = recv(fd, piece, want, 0);
        if (got <= 0) {
            a->closed_short = true;
            return;
        }
        assert_int_equal(buf_put(&a->body, piece, (size_t)got), RC_OK);
    }
}

static void hear(int fd, struct answer *a)
{
    hear_body(fd, a, true);
}

static bool body_is(const struct answer *a, const char *text)
{
    return view_eqs(buf_view(&a->body), text);
}

static bool at_end(int fd)
{
    char c;
    ssize_t n = recv(fd, &c, 1, 0);
    return n == 0 || (n < 0 && errno == ECONNRESET);
}

static void expect_status(int fd, unsigned status)
{
    struct answer a;
    hear(fd, &a);
    assert_int_equal(a.status, status);
    buf_free(&a.body);
}

static char *pattern(size_t n)
{
    char *p = malloc(n);
    assert_non_null(p);
    for (size_t i = 0; i < n; i++)
        p[i] = (char)(i * 7 + i / 251);
    return p;
}

/* ---- tests ---- */

static void one_connection_serves_many_requests(void **state)
{
    (void)state;
    struct server *s = server_open(0);
    int fd = client(s);
    for (int i = 0; i < 100; i++) {
        say(fd, "GET /facts?x=%20&b=+%2F&c HTTP/1.1\r\nHost: h\r\nA: b\r\n\r\n");
        struct answer a;
        hear(fd, &a);
        assert_int_equal(a.status, 200);
        assert_true(body_is(&a, "GET|/facts?x=%20&b=+%2F&c|/facts|x=%20&b=+%2F&c|2|127.0.0.1"));
        assert_non_null(strstr(a.head, "x-test: yes\r\n"));
        buf_free(&a.body);
    }
    assert_int_equal(http_connections(s->http), 1);
    close(fd);
    wait_closed(s, 100);
    assert_int_equal(atomic_load(&s->sent_whole), 100);
    server_close(s);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
    (void)state;
    struct server *s = server_open(0);
    int fd = client(s);
    for (int i = 0; i < 20; i++)
        say(fd, "PUT /wait HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabcGET /facts HTTP/1.1\r\nHost: h\r\n\r\n");
    for (int i = 0; i < 20; i++) {
        struct answer a;
        hear(fd, &a);
        assert_true(body_is(&a, "abc"));
        buf_free(&a.body);
        hear(fd, &a);
        assert_true(body_is(&a, "GET|/facts|/facts||1|127.0.0.1"));
        buf_free(&a.body);
    }
    close(fd);
    server_close(s);
}

static void chunked_upload_arrives_without_its_framing(void **state)
{
    (void)state;
    struct server *s = server_open(0);
    int fd = client(s);
    say(fd, "PUT /slow HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: Chunked\r\n\r\n");
    const char *rest = "5\r\nhello\r\n1;x=y\r\n \r\n00a\r\n0123456789\r\n0\r\nTrailer: t\r\n\r\n";
    for (const char *p = rest; *p; p++)
        assert_true(say_n(fd, p, 1));
    struct answer a;
    hear(fd, &a);
    assert_int_equal(a.status, 200);
    assert_true(body_is(&a, "hello 0123456789"));
    buf_free(&a.body);
    say(fd, "PUT /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
    hear(fd, &a);
    assert_int_equal(a.status, 200);
    assert_int_equal(a.body.n, 0);
    say(fd, "PUT /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n");
    expect_status(fd, 400);
    close(fd);
    server_close(s);
}

static void continue_is_sent_before_the_body_and_only_when_wanted(void **state)
{
    (void)state;
    struct server *s = server_open(0);
    const char *paths[] = {"/echo", "/wait-first", "/slow"};
    for (int i = 0; i < 3; i++) {
        int fd = client(s);
        char text[200];
        snprintf(text, sizeof text, "PUT %s HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n",
                 paths[i]);
        say(fd, text);
        expect_status(fd, 100);
        say(fd, "12345");
        struct answer a;
        hear(fd, &a);
        assert_int_equal(a.status, 200);
        assert_true(body_is(&a, "12345"));
        buf_free(&a.body);
        close(fd);
    }
    int fd = client(s);
    say(fd, "PUT /deny HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999\r\nExpect: 100-continue\r\n\r\n");
    expect_status(fd, 403);
    assert_true(at_end(fd));
    close(fd);
    server_close(s);
}

static void denied_small_body_is_read_and_the_connection_goes_on(void **state)
{
    (void)state;
    struct server *s = server_open(0);
    int fd = client(s);
    char *body = pattern(1 << 20);
    say(fd, "PUT /deny HTTP/1.1\r\nHost: h\r\nContent-Length: 1048576\r\n\r\n");
    assert_true(say_n(fd, body, 1 << 20));
    expect_status(fd, 403);
    say(fd, "PUT /deny-late HTTP/1.1\r\nHost: h\r\nContent-Length: 1048576\r\n\r\n");
    assert_true(say_n(fd, body, 1 << 20));
    expect_status(fd, 400);
    say(fd, "GET /deny HTTP/1.1\r\nHost: h\r\n\r\nGET /facts HTTP/1.1\r\nHost: h\r\n\r\n");
    expect_status(fd, 403);
    expect_status(fd, 200);
    close(fd);
    free(body);
    server_close(s);
}

static void denied_large_body_is_answered_at_once_and_readably(void **state)
{
    (void)state;
    struct server *s = server_open(0);
    char *body = pattern(1 << 20);
    /* The answer comes before the body was sent. */
    int fd = client(s);
    say(fd, "PUT /deny HTTP/1.1\r\nHost: h\r\nContent-Length: 8388608\r\n\r\nx");
    expect_status(fd, 403);
    close(fd);
    /* A client that sends everything before it reads. */
    const char *heads[] = {"PUT /deny HTTP/1.1\r\nHost: h\r\nContent-Length: 8388608\r\n\r\n",
                           "PUT /deny-late HTTP/1.1\r\nHost: h\r\nContent-Length: 8388608\r\n\r\n"};
    const unsigned status[] = {403, 400};
    for (int k = 0; k < 2; k++) {
        fd = client(s);
        say(fd, heads[k]);
        for (int i = 0; i < 8; i++)
            assert_true(say_n(fd, body, 1 << 20));
        struct answer a;
        hear(fd, &a);
        assert_int_equal(a.status, status[k]);
        assert_non_null(strstr(a.head, "Connection: close"));
        assert_non_null(strstr(a.head, "x-test: yes"));
        assert_true(body_is(&a, k ? "late" : "denied"));
        buf_free(&a.body);
        assert_true(at_end(fd));
        close(fd);
    }
    wait_closed(s, 3);
    assert_true(atomic_load(&s->sent_whole) >= 2);
    free(body);
    server_close(s);
}

struct hammer {
    const struct server *s;
    const char *path;
    unsigned requests;
};

static void *hammer_run(void *arg)
{
    const struct hammer *h = arg;
    int fd = client(h->s);
    char text[200];
    snprintf(text, sizeof text, "PUT %s HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n0123456789", h->path);
    for (unsigned i = 0; i < h->requests; i++) {
        say(fd, text);
        struct answer a;
        hear(fd, &a);
        assert_int_equal(a.status, 200);
        assert_true(body_is(&a, "0123456789"));
        buf_free(&a.body);
    }
    close(fd);
    return NULL;
}

static void no_resume_is_lost_in_thousands_of_suspended_requests(void **state)
{
    (void)state;
    struct server *s = server_open(0);
    struct hammer h[6];
    pthread_t t[6];
    const char *paths[] = {"/wait", "/slow", "/wait-first"};
    for (int i = 0; i < 6; i++) {
        h[i] = (struct hammer){s, paths[i % 3], 500};
        assert_int_equal(pthread_create(&t[i], NULL, hammer_run, &h[i]), 0);
    }
    for (int i = 0; i < 6; i++)
        pthread_join(t[i], NULL);
    wait_closed(s, 3000);
    server_close(s);
}

/* Waits so long for the other side to end the connection. */
static bool hung_up(int fd, int ms)
{
    struct pollfd p = {.fd = fd, .events = POLLIN | POLLRDHUP};
    return poll(&p, 1, ms) == 1;
}

/* A byte now and then keeps no connection open for ever: the head has a deadline of its own. */
static void a_head_that_trickles_in_ends_its_connection(void **state)
{
    (void)state;
    struct server *s = server_open(1);
    unsigned opened = atomic_load(&s->opened);

    for (int after_a_request = 0; after_a_request < 2; after_a_request++) {
        int fd = client(s), sent = 0;
        struct answer a;

        if (after_a_request) {
            say(fd, "GET /echo HTTP/1.1\r\nHost: h\r\n\r\n");
            hear(fd, &a);
            buf_free(&a.body);
            opened++;
        }
        say(fd, "GET /echo HTTP/1.1\r\nHost: h\r\nx-filler: ");
        while (sent < 1000 && send(fd, "a", 1, MSG_NOSIGNAL) == 1 && !hung_up(fd, 20))
            sent++;
        assert_in_range(sent, 1, 999);
        close(fd);
    }
    assert_int_equal(atomic_load(&s->opened), opened);
    server_close(s);
}

static void slow_upload_with_backpressure_arrives_whole(void **state)
{
    (void)state;
    struct server *s = server_open(0);
    int fd = client(s);
    size_t n = 3u << 20;
    char *body = pattern(n);
    say(fd, "PUT /slow HTTP/1.1\r\nHost: h\r\nContent-Length: 3145728\r\n\r\n");
    assert_true(say_n(fd, body, n));
    struct answer a;
    hear(fd, &a);
    assert_int_equal(a.status, 200);
    assert_int_equal(a.body.n, n);
    assert_memory_equal(a.body.p, body, n);
    buf_free(&a.body);
    free(body);
    close(fd);
    server_close(s);
}

static void stream_is_sent_whole_and_a_failing_one_ends_short(void **state)
{
    (void)state;
    struct server *s = server_open(0);
    int fd = client(s);
    struct answer a;
    for (int k = 0; k < 3; k++) {
        say(fd, "GET /stream HTTP/1.1\r\nHost: h\r\n\r\n");
        hear(fd, &a);
        assert_int_equal(a.declared, STREAM_BYTES);
        assert_int_equal(a.body.n, STREAM_BYTES);
        for (size_t i = 0; i < a.body.n; i++)
            if (a.body.p[i] != (char)('a' + i % 26))
                fail_msg("byte %zu is wrong", i);
        buf_free(&a.body);
    }
    wait_closed(s, 3);
    assert_int_equal(atomic_load(&s->last_body_sent), STREAM_BYTES);
    say(fd, "HEAD /stream HTTP/1.1\r\nHost: h\r\n\r\n");
    hear_body(fd, &a, false);
    assert_int_equal(a.declared, STREAM_BYTES);
    say(fd, "GET /short HTTP/1.1\r\nHost: h\r\n\r\n");
    hear(fd, &a);
    assert_int_equal(a.declared, STREAM_BYTES);
    assert_true(a.closed_short);
    assert_true(a.body.n < STREAM_BYTES);
    buf_free(&a.body);
    wait_closed(s, 5);
    assert_int_equal(atomic_load(&s->sent_whole), 4);
    close(fd);
    server_close(s);
}

static void answers_without_body_keep_the_connection_in_step(void **state)
{
    (void)state;
    struct server *s = server_open(0);
    int fd = client(s);
    struct answer a;
    for (int k = 0; k < 3; k++) {
        say(fd, "HEAD /head HTTP/1.1\r\nHost: h\r\n\r\n");
        hear_body(fd, &a, false);
        assert_int_equal(a.status, 200);
        assert_int_equal(a.declared, 123456789012ull);
        say(fd, "HEAD /x HTTP/1.1\r\nHost: h\r\n\r\n");
        hear_body(fd, &a, false);
        assert_int_equal(a.declared, 4);
        say(fd, "DELETE /204 HTTP/1.1\r\nHost: h\r\n\r\n");
        hear(fd, &a);
        assert_int_equal(a.status, 204);
        assert_false(a.has_length);
        say(fd, "GET /304 HTTP/1.1\r\nHost: h\r\n\r\n");
        hear_body(fd, &a, false);
        assert_int_equal(a.status, 304);
    }
    close(fd);
    server_close(s);
}

/* libmicrohttpd 0.9.75 itself refuses these, and writes the head of its answer twice: status and end are what counts.
 */
static void expect_library_refuses(struct server *s, const char *what, const char *text)
{
    int fd = client(s);
    unsigned opened = atomic_load(&s->opened);
    say(fd, text);
    struct answer a;
    hear(fd, &a);
    if (a.status < 400 || a.status > 499)
        fail_msg("%s: answered %u", what, a.status);
    buf_free(&a.body);
    while (!at_end(fd))
        continue;
    close(fd);
    assert_int_equal(atomic_load(&s->opened), opened);
}

static void expect_refused(struct server *s, const char *what, const char *text, size_t n, unsigned low, unsigned high)
{
    int fd = client(s);
    unsigned opened = atomic_load(&s->opened);
    say_n(fd, text, n);
    struct answer a;
    hear(fd, &a);
    if (a.status < low || a.status > high)
        fail_msg("%s: answered %u", what, a.status);
    buf_free(&a.body);
    if (!at_end(fd))
        fail_msg("%s: the connection goes on", what);
    close(fd);
    if (atomic_load(&s->opened) != opened)
        fail_msg("%s: reached the handler", what);
}

#define REFUSED(what, text) expect_refused(s, what, text, sizeof(text) - 1, 400, 499)

static void heads_that_can_be_misread_are_refused(void **state)
{
    (void)state;
    struct server *s = server_open(0);
    REFUSED("CL and TE", "PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nabc");
    REFUSED("two CL", "PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc");
    expect_library_refuses(s, "CL list", "PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: 3, 3\r\n\r\nabc");
    expect_library_refuses(s, "CL signed", "PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: +3\r\n\r\nabc");
    expect_library_refuses(s, "CL negative", "PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: -3\r\n\r\nabc");
    expect_library_refuses(s, "CL hex", "PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: 0x3\r\n\r\nabc");
    expect_library_refuses(s, "CL empty", "PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length:\r\n\r\nabc");
    expect_library_refuses(s, "CL huge",
                           "PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999999999999\r\n\r\nabc");
    REFUSED("CL max", "PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: 18446744073709551615\r\n\r\nabc");
    REFUSED("TE other", "PUT /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip\r\n\r\n");
    REFUSED("TE list", "PUT /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n");
    REFUSED("TE twice",
            "PUT /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
    REFUSED("TE in 1.0", "PUT /a HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
    REFUSED("name with blank", "GET /a HTTP/1.1\r\nHost: h\r\nContent-Length : 3\r\n\r\nabc");
    REFUSED("name with byte", "GET /a HTTP/1.1\r\nHost: h\r\nX\x01Y: 3\r\n\r\n");
    REFUSED("empty name", "GET /a HTTP/1.1\r\nHost: h\r\n: 3\r\n\r\n");
    REFUSED("no colon", "GET /a HTTP/1.1\r\nHost: h\r\nnonsense\r\n\r\n");
    REFUSED("control in value", "GET /a HTTP/1.1\r\nHost: h\r\nX: a\x02"
                                "b\r\n\r\n");
    REFUSED("CR in value", "GET /a HTTP/1.1\r\nHost: h\r\nX: a\rContent-Length: 3\r\n\r\n");
    REFUSED("NUL in value", "GET /a HTTP/1.1\r\nHost: h\r\nX: a\0b\r\n\r\n");
    REFUSED("NUL in name", "GET /a HTTP/1.1\r\nHost: h\r\nX\0Y: ab\r\n\r\n");
    REFUSED("NUL as line", "GET /a HTTP/1.1\r\nHost: h\r\n\0X: ab\r\n\r\n");
    REFUSED("NUL in last value", "GET /a HTTP/1.1\r\nHost: h\0zzz\r\n\r\n");
    REFUSED("NUL in target", "GET /a\0b HTTP/1.1\r\nHost: h\r\n\r\n");
    REFUSED("folded line", "GET /a HTTP/1.1\r\nHost: h\r\nX: a\r\n b\r\n\r\n");
    REFUSED("folded first line", "GET /a HTTP/1.1\r\n Host: h\r\nX: a\r\n\r\n");
    REFUSED("no Host", "GET /a HTTP/1.1\r\n\r\n");
    REFUSED("no Host but lines", "GET /a HTTP/1.1\r\nA: b\r\n\r\n");
    REFUSED("two Hosts", "GET /a HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n");
    REFUSED("blank in target", "GET /a b HTTP/1.1\r\nHost: h\r\n\r\n");
    REFUSED("no slash", "GET a HTTP/1.1\r\nHost: h\r\n\r\n");
    REFUSED("no target", "GET HTTP/1.1\r\nHost: h\r\n\r\n");
    REFUSED("no version", "GET /a\r\nHost: h\r\n\r\n");
    REFUSED("bad method", "G(T /a HTTP/1.1\r\nHost: h\r\n\r\n");
    REFUSED("garbage", "garbage\r\n\r\n");
    REFUSED("TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 \r\n\r\n");
    expect_refused(s, "version 2", "GET /a HTTP/2.0\r\nHost: h\r\n\r\n", 28, 505, 505);
    server_close(s);
}

static void oversized_heads_are_refused(void **state)
{
    (void)state;
    struct server *s = server_open(0);
    struct buf b = BUF(1 << 20);
    assert_int_equal(buf_puts(&b, "GET /a HTTP/1.1\r\nHost: h\r\n"), RC_OK);
    for (unsigned i = 0; i < HTTP_HEADERS_MAX; i++)
        assert_int_equal(buf_printf(&b, "a%u: b\r\n", i), RC_OK);
    assert_int_equal(buf_puts(&b, "\r\n"), RC_OK);
    expect_refused(s, "too many lines", b.p, b.n, 431, 431);
    buf_clear(&b);
    assert_int_equal(buf_puts(&b, "GET /a HTTP/1.1\r\nHost: h\r\na: "), RC_OK);
    for (unsigned i = 0; i < HTTP_HEAD_MAX; i++)
        assert_int_equal(buf_put(&b, "x", 1), RC_OK);
    assert_int_equal(buf_puts(&b, "\r\n\r\n"), RC_OK);
    expect_refused(s, "large line", b.p, b.n, 431, 431);
    buf_clear(&b);
    assert_int_equal(buf_puts(&b, "GET /"), RC_OK);
    for (unsigned i = 0; i < 8 * HTTP_HEAD_MAX; i++)
        assert_int_equal(buf_put(&b, "x", 1), RC_OK);
    expect_refused(s, "large target", b.p, b.n, 414, 414);
    buf_free(&b);
    server_close(s);
}

static void largest_allowed_head_is_served(void **state)
{
    (void)state;
    struct server *s = server_open(0);
    int fd = client(s);
    struct buf b = BUF(1 << 20);
    for (int k = 0; k < 3; k++) {
        buf_clear(&b);
        assert_int_equal(buf_puts(&b, "GET /facts HTTP/1.1\r\nHost: h\r\n"), RC_OK);
        for (unsigned i = 0; i + 2 < HTTP_HEADERS_MAX; i++)
            assert_int_equal(buf_printf(&b, "a%03u: %s\r\n", i, "0123456789012345678901234567890123456789"), RC_OK);
        assert_int_equal(buf_puts(&b, "fill: "), RC_OK);
        while (b.n < HTTP_HEAD_MAX - 4)
            assert_int_equal(buf_put(&b, "y", 1), RC_OK);
        assert_int_equal(buf_puts(&b, "\r\n\r\n"), RC_OK);
        assert_int_equal(b.n, HTTP_HEAD_MAX);
        assert_true(say_n(fd, b.p, b.n));
        struct answer a;
        hear(fd, &a);
        assert_int_equal(a.status, 200);
        assert_true(body_is(&a, "GET|/facts|/facts||200|127.0.0.1"));
        buf_free(&a.body);
    }
    buf_free(&b);
    close(fd);
    server_close(s);
}

static void idle_connections_do_not_hold_up_a_shutdown(void **state)
{
    (void)state;
    struct server *s = server_open(0);
    int fd[40];
    for (int i = 0; i < 40; i++) {
        fd[i] = client(s);
        if (i % 2) {
            say(fd[i], "GET /facts HTTP/1.1\r\nHost: h\r\n\r\n");
            expect_status(fd[i], 200);
        } else {
            say(fd[i], "GET /facts HT"); /* in the middle of a head */
        }
    }
    http_close(s->http, 600000);
    for (int i = 0; i < 40; i++) {
        close(fd[i]);
    }
    server_free(s);
}

static void wait_holding(struct server *s, unsigned n)
{
    pthread_mutex_lock(&s->lock);
    while (s->holding < n)
        pthread_cond_wait(&s->changed, &s->lock);
    pthread_mutex_unlock(&s->lock);
}

static void *release_holders(void *arg)
{
    struct server *s = arg;
    pthread_mutex_lock(&s->lock);
    s->hold_open = true;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

static void shutdown_with_held(unsigned grace_ms, bool answered)
{
    struct server *s = server_open(0);
    int fd[2];
    for (int i = 0; i < 2; i++) {
        fd[i] = client(s);
        say(fd[i], "GET /hold HTTP/1.1\r\nHost: h\r\n\r\n");
    }
    wait_holding(s, 2);
    pthread_t t;
    assert_int_equal(pthread_create(&t, NULL, release_holders, s), 0);
    http_close(s->http, grace_ms);
    pthread_join(t, NULL);
    for (int i = 0; i < 2; i++) {
        if (answered) {
            struct answer a;
            hear(fd[i], &a);
            assert_int_equal(a.status, 200);
            buf_free(&a.body);
        }
        close(fd[i]);
    }
    server_free(s);
}

static void shutdown_lets_suspended_requests_end(void **state)
{
    (void)state;
    shutdown_with_held(600000, true);
}

static void shutdown_without_grace_still_waits_for_who_holds_a_request(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++)
        shutdown_with_held(0, false);
}

static void client_that_leaves_in_the_middle_is_cleaned_up(void **state)
{
    (void)state;
    struct server *s = server_open(0);
    const char *heads[] = {"PUT /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nabc",
                           "PUT /slow HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nabc",
                           "PUT /wait HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc",
                           "GET /stream HTTP/1.1\r\nHost: h\r\n\r\n", "GET /abort HTTP/1.1\r\nHost: h\r\n\r\n"};
    for (unsigned i = 0; i < 100; i++) {
        int fd = client(s);
        say(fd, heads[i % 5]);
        close(fd);
    }
    wait_closed(s, 100);
    server_close(s);
}

/* A connection that was used: the server's first look at a new one is another one. */
static int used_client(const struct server *s)
{
    int fd = client(s);
    say(fd, "GET /facts HTTP/1.1\r\nHost: h\r\n\r\n");
    expect_status(fd, 200);
    return fd;
}

static void client_that_will_send_nothing_more_is_answered_and_closed(void **state)
{
    (void)state;
    struct server *s = server_open(0);
    const char *requests[] = {"GET /facts HTTP/1.1\r\nHost: h\r\n\r\n",
                              "DELETE /wait HTTP/1.1\r\nHost: h\r\n\r\n",
                              "PUT /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello",
                              "PUT /wait HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello",
                              "PUT /wait HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
                              "PUT /deny HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"};
    const unsigned status[] = {200, 200, 200, 200, 200, 403};
    for (int i = 0; i < 6; i++) {
        int fd[2] = {client(s), used_client(s)};
        for (int k = 0; k < 2; k++) {
            say_last(fd[k], requests[i]);
            expect_status(fd[k], status[i]);
            assert_true(at_end(fd[k])); /* would be cut off by the client's patience otherwise, here and below */
            close(fd[k]);
        }
    }
    int fd = used_client(s);
    say_last(fd, "GET /facts HTTP/1.1\r\nHost: h\r\n\r\nPUT /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx");
    expect_status(fd, 200);
    expect_status(fd, 200);
    assert_true(at_end(fd));
    close(fd);
    server_close(s);
}

static void client_that_will_send_nothing_more_is_answered_after_a_suspension(void **state)
{
    (void)state;
    struct server *s = server_open(0);
    int fd[2] = {client(s), used_client(s)};
    say_last(fd[0], "PUT /hold-at-end HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello");
    say_last(fd[1], "DELETE /hold-at-end HTTP/1.1\r\nHost: h\r\n\r\n");
    wait_holding(s, 2);
    release_holders(s);
    for (int i = 0; i < 2; i++) {
        expect_status(fd[i], 200);
        assert_true(at_end(fd[i]));
        close(fd[i]);
    }
    server_close(s);
}

static void expect_left(const struct server *s, const char *what, const char *first, const char *last)
{
    int fd = used_client(s);
    say(fd, first);
    say_last(fd, last);
    char byte;
    ssize_t n = recv(fd, &byte, 1, 0);
    if (n != 0 && !(n < 0 && errno == ECONNRESET))
        fail_msg("%s: %s", what, n < 0 ? strerror(errno) : "answered");
    close(fd);
}

#define PUT_HEAD "PUT /swallow HTTP/1.1\r\nHost: h\r\n"

static void client_that_leaves_in_the_middle_of_a_request_does_not_stay_until_it_is_idle(void **state)
{
    (void)state;
    struct server *s = server_open(0);
    expect_left(s, "half a line", "", "GET /x HT");
    expect_left(s, "half a line in two", "GET /", "x HT");
    expect_left(s, "half a head", "", "GET /x HTTP/1.1\r\nHost: h\r\nA");
    expect_left(s, "half a head in two", "GET /x HTTP/1.1\r\nHo", "st: h\r\n");
    expect_left(s, "no body", "", PUT_HEAD "Content-Length: 100\r\n\r\n");
    expect_left(s, "part of a body", "", PUT_HEAD "Content-Length: 100\r\n\r\n123456789");
    expect_left(s, "part of a body later", PUT_HEAD "Content-Length: 100\r\n\r\n", "123456789");
    expect_left(s, "part of a denied body", "PUT /deny HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\n", "12345");
    expect_left(s, "no last chunk", PUT_HEAD "Transfer-Encoding: chunked\r\n\r\n", "5\r\nhello\r\n");
    expect_left(s, "half a chunk", PUT_HEAD "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", "5\r\nhe");
    expect_left(s, "half a chunk's head", PUT_HEAD "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", "5\r");
    expect_left(s, "half a trailer", PUT_HEAD "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", "0\r\nA: b");
    server_close(s);
}

static void answer_to_a_client_that_will_send_nothing_more_is_not_cut(void **state)
{
    (void)state;
    struct server *s = server_open(0);
    int fd = used_client(s);
    say_last(fd, "GET /stream HTTP/1.1\r\nHost: h\r\n\r\n");
    /* Each of these makes the server look at all connections once more. */
    for (int i = 0; i < 3; i++)
        expect_left(s, "half a line", "", "GET /x HT");
    struct answer a;
    hear(fd, &a);
    assert_int_equal(a.body.n, STREAM_BYTES);
    buf_free(&a.body);
    assert_true(at_end(fd));
    close(fd);
    server_close(s);
}

static void client_killed_in_the_middle_of_a_large_upload_leaves_nothing(void **state)
{
    (void)state;
    struct server *s = server_open(0);
    char *body = pattern(1 << 20);
    const char *paths[] = {"/swallow", "/slow"};
    for (int i = 0; i < 4; i++) {
        int fd = client(s);
        char head[200];
        snprintf(head, sizeof head, "PUT %s HTTP/1.1\r\nHost: h\r\nContent-Length: 104857600\r\n\r\n", paths[i % 2]);
        say(fd, head);
        for (int k = 0; k < 4; k++)
            assert_true(say_n(fd, body, 1 << 20));
        const struct linger at_once = {.l_onoff = i < 2, .l_linger = 0};
        assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
        close(fd);
    }
    wait_closed(s, 4);
    assert_int_equal(atomic_load(&s->sent_whole), 0);
    free(body);
    server_close(s);
}

static void half_sent_heads_do_not_stop_others(void **state)
{
    (void)state;
    struct server *s = server_open(0);
    int fd[HALF_HEADS];
    for (int i = 0; i < HALF_HEADS; i++) {
        fd[i] = client(s);
        say(fd[i], i % 2 ? "GET /facts HTTP/1.1\r\nHos" : "G");
    }
    int other = used_client(s);
    for (int i = 0; i < HALF_HEADS; i++) {
        say(fd[i], i % 2 ? "t:" : "E"); /* and they go on slowly */
        say(other, "GET /facts HTTP/1.1\r\nHost: h\r\n\r\n");
        expect_status(other, 200);
    }
    close(other);
    for (int i = 0; i < HALF_HEADS; i++)
        close(fd[i]);
    server_close(s);
}

static void abort_ends_the_connection_without_an_answer(void **state)
{
    (void)state;
    struct server *s = server_open(0);
    int fd = client(s);
    say(fd, "GET /abort HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_true(at_end(fd));
    close(fd);
    server_close(s);
}

static void idle_connection_is_closed_after_its_time(void **state)
{
    (void)state;
    struct server *s = server_open(1);
    int fd = client(s);
    say(fd, "GET /facts HTTP/1.1\r\nHost: h\r\n\r\n");
    expect_status(fd, 200);
    assert_true(at_end(fd)); /* would be cut off by the client's patience otherwise */
    close(fd);
    server_close(s);
}

static void whole_urls_and_old_clients_are_understood(void **state)
{
    (void)state;
    struct server *s = server_open(0);
    int fd = client(s);
    struct answer a;
    say(fd, "\r\nGET http://other:80/facts?q HTTP/1.1\r\nHost: h\r\n\r\n");
    hear(fd, &a);
    assert_true(body_is(&a, "GET|http://other:80/facts?q|/facts|q|1|127.0.0.1"));
    buf_free(&a.body);
    say(fd, "GET /facts HTTP/1.0\r\n\r\n");
    hear(fd, &a);
    assert_int_equal(a.status, 200);
    buf_free(&a.body);
    assert_true(at_end(fd));
    close(fd);
    server_close(s);
}

static void bad_addresses_are_errors_that_say_so(void **state)
{
    (void)state;
    struct server *s = server_open(0);
    const char *bad[] = {"", "127.0.0.1", "127.0.0.1:x", "127.0.0.1:70000", "::1:9000", http_address(s->http)};
    for (unsigned i = 0; i < 6; i++) {
        struct http_cfg cfg = {.listen = bad[i],
                               .handler = {on_request, on_body, on_end, on_resume, on_close, NULL, s}};
        struct http_server *h = NULL;
        struct err e = {""};
        assert_int_not_equal(http_open(&cfg, &h, &e), RC_OK);
        assert_null(h);
        assert_true(strlen(e.text) > 10);
    }
    server_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_connection_serves_many_requests),
        cmocka_unit_test(pipelined_requests_are_answered_in_order),
        cmocka_unit_test(chunked_upload_arrives_without_its_framing),
        cmocka_unit_test(continue_is_sent_before_the_body_and_only_when_wanted),
        cmocka_unit_test(denied_small_body_is_read_and_the_connection_goes_on),
        cmocka_unit_test(denied_large_body_is_answered_at_once_and_readably),
        cmocka_unit_test(no_resume_is_lost_in_thousands_of_suspended_requests),
        cmocka_unit_test(a_head_that_trickles_in_ends_its_connection),
        cmocka_unit_test(slow_upload_with_backpressure_arrives_whole),
        cmocka_unit_test(stream_is_sent_whole_and_a_failing_one_ends_short),
        cmocka_unit_test(answers_without_body_keep_the_connection_in_step),
        cmocka_unit_test(heads_that_can_be_misread_are_refused),
        cmocka_unit_test(oversized_heads_are_refused),
        cmocka_unit_test(largest_allowed_head_is_served),
        cmocka_unit_test(idle_connections_do_not_hold_up_a_shutdown),
        cmocka_unit_test(shutdown_lets_suspended_requests_end),
        cmocka_unit_test(shutdown_without_grace_still_waits_for_who_holds_a_request),
        cmocka_unit_test(client_that_leaves_in_the_middle_is_cleaned_up),
        cmocka_unit_test(client_that_will_send_nothing_more_is_answered_and_closed),
        cmocka_unit_test(client_that_will_send_nothing_more_is_answered_after_a_suspension),
        cmocka_unit_test(client_that_leaves_in_the_middle_of_a_request_does_not_stay_until_it_is_idle),
        cmocka_unit_test(answer_to_a_client_that_will_send_nothing_more_is_not_cut),
        cmocka_unit_test(client_killed_in_the_middle_of_a_large_upload_leaves_nothing),
        cmocka_unit_test(half_sent_heads_do_not_stop_others),
        cmocka_unit_test(abort_ends_the_connection_without_an_answer),
        cmocka_unit_test(idle_connection_is_closed_after_its_time),
        cmocka_unit_test(whole_urls_and_old_clients_are_understood),
        cmocka_unit_test(bad_addresses_are_errors_that_say_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
