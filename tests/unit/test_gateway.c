/* Holdfast: the gateway over a whole engine, seen from a socket: bodies come back as they were sent, refusals come
 * before bodies, and whoever goes away in the middle leaves nothing behind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "account/registry.h"
#include "gateway/auth.h"
#include "gateway/gateway_priv.h"

#define KEY_ID "HFTESTKEY"
#define SECRET "a-secret-of-the-test"
#define ANSWER_MAX (16u << 20)

struct place {
    char dir[64];
    struct engine *engine;
    struct gateway *gateway;
    char address[64];
};

static int set_up(void **state)
{
    struct place *p = calloc(1, sizeof *p);
    assert_non_null(p);
    snprintf(p->dir, sizeof p->dir, "/tmp/hf-gateway-XXXXXX");
    assert_non_null(mkdtemp(p->dir));
    struct engine_cfg cfg = {.disks = {.data_dir = p->dir}, .no_background = true, .memory_databases = true};
    struct err e = {""};
    if (engine_open(os_real(), &cfg, &p->engine, &e) != RC_OK)
        fail_msg("%s", e.text);
    char access[ACCESS_KEY_MAX + 1], secret[SECRET_KEY_MAX + 1];
    bool made;
    if (engine_first_key(p->engine, KEY_ID, SECRET, access, secret, &made, &e) != RC_OK)
        fail_msg("%s", e.text);
    struct gateway_cfg gw = {.listen = "127.0.0.1:0", .http_threads = 2, .worker_threads = 2};
    if (gateway_open(p->engine, &gw, &p->gateway, &e) != RC_OK)
        fail_msg("%s", e.text);
    assert_true(view_copy(view_cstr(gateway_address(p->gateway)), p->address, sizeof p->address));
    *state = p;
    return 0;
}

static int tear_down(void **state)
{
    struct place *p = *state;
    struct err e;
    gateway_close(p->gateway, 1000);
    engine_close(p->engine);
    assert_int_equal(os_remove_tree(os_real(), p->dir, &e), RC_OK);
    free(p);
    return 0;
}

/* ---- a client ---- */
static int connect_to(const struct place *p)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    at.sin_port = htons((uint16_t)strtoul(strrchr(p->address, ':') + 1, NULL, 10));
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
    return fd;
}

/* false: the other side has closed. */
static bool send_all(int fd, const char *p, size_t n)
{
    while (n > 0) {
        ssize_t put = send(fd, p, n, MSG_NOSIGNAL);
        if (put <= 0)
            return false;
        p += put;
        n -= (size_t)put;
    }
    return true;
}

struct asked {
    const char *method, *path, *query;
    struct view body;
    const char *hash;   /* x-amz-content-sha256; NULL = of the body */
    const char *header; /* one more, unsigned, whole line; NULL = none */
    uint64_t length;    /* Content-Length; 0 = the body's */
};

static void sign(const struct place *p, const struct asked *q, const char *hash, char date[TIME_TEXT_MAX],
                 struct buf *ret)
{
    (void)time_basic(clock_real_ns(os_clock()), date);
    struct cat_header headers[] = {{VIEW("host"), view_cstr(p->address)},
                                   {VIEW("x-amz-date"), view_cstr(date)},
                                   {VIEW("x-amz-content-sha256"), view_cstr(hash)}};
    struct auth_request r = {.method = view_cstr(q->method),
                             .path = view_cstr(q->path),
                             .query = view_cstr(q->query != NULL ? q->query : ""),
                             .headers = headers,
                             .n_headers = 3,
                             .now_ns = clock_real_ns(os_clock())};
    assert_int_equal(auth_sign(&r, VIEW(KEY_ID), VIEW(SECRET), VIEW("us-east-1"), view_cstr(hash), ret), RC_OK);
}

static void put_head(const struct place *p, const struct asked *q, struct buf *out)
{
    char hash[65], date[TIME_TEXT_MAX];
    uint8_t sum[32];
    struct buf authorization = BUF(4096);
    digest_once(DIGEST_SHA256, q->body.p, q->body.n, sum);
    hex_encode(sum, sizeof sum, hash);
    const char *said = q->hash != NULL ? q->hash : hash;
    sign(p, q, said, date, &authorization);
    assert_int_equal(buf_printf(out,
                                "%s %s%s%s HTTP/1.1\r\nHost: %s\r\nx-amz-date: %s\r\nx-amz-content-sha256: %s\r\n"
                                "Authorization: %.*s\r\nContent-Length: %llu\r\n%s\r\n",
                                q->method, q->path, q->query != NULL ? "?" : "", q->query != NULL ? q->query : "",
                                p->address, date, said, (int)authorization.n, authorization.p,
                                (unsigned long long)(q->length > 0 ? q->length : q->body.n),
                                q->header != NULL ? q->header : ""),
                     RC_OK);
    buf_free(&authorization);
}

static uint64_t length_of(struct view head)
{
    static const char name[] = "\r\nContent-Length: ";
    const char *at = memmem(head.p, head.n, name, sizeof name - 1);
    return at != NULL ? strtoull(at + sizeof name - 1, NULL, 10) : 0;
}

/* Reads one answer whole; *ret_body borrows from out. 0: the connection ended first. */
static unsigned read_answer(int fd, bool head_only, struct buf *out, struct view *ret_body)
{
    for (;;) {
        const char *end = out->n > 0 ? memmem(out->p, out->n, "\r\n\r\n", 4) : NULL;
        size_t head = end != NULL ? (size_t)(end - out->p) + 4 : 0;
        uint64_t n = end != NULL && !head_only ? length_of(view_of(out->p, head)) : 0;
        if (end != NULL && out->n >= head + n) {
            *ret_body = view_of(out->p + head, (size_t)n);
            return (unsigned)strtoul(out->p + sizeof "HTTP/1.1", NULL, 10);
        }
        assert_int_equal(buf_reserve(out, 65536), RC_OK);
        ssize_t got = recv(fd, out->p + out->n, 65536, 0);
        if (got <= 0)
            return 0;
        out->n += (size_t)got;
    }
}

static unsigned ask(const struct place *p, const struct asked *q, struct buf *out, struct view *ret_body)
{
    struct buf head = BUF(65536);
    int fd = connect_to(p);
    buf_clear(out);
    put_head(p, q, &head);
    (void)(send_all(fd, head.p, head.n) && send_all(fd, q->body.p, q->body.n));
    unsigned status = read_answer(fd, view_eqs(view_cstr(q->method), "HEAD"), out, ret_body);
    buf_free(&head);
    close(fd);
    return status;
}

static unsigned status_of(const struct place *p, struct asked q)
{
    struct buf out = BUF(ANSWER_MAX);
    struct view body;
    unsigned status = ask(p, &q, &out, &body);
    buf_free(&out);
    return status;
}

static void assert_refused(const struct place *p, struct asked q, unsigned status, const char *code)
{
    struct buf out = BUF(ANSWER_MAX);
    struct view body;
    assert_int_equal(ask(p, &q, &out, &body), status);
    char element[128];
    (void)snprintf(element, sizeof element, "<Code>%s</Code>", code);
    assert_non_null(memmem(body.p, body.n, element, strlen(element)));
    buf_free(&out);
}

static char *some_bytes(size_t n)
{
    char *p = malloc(n > 0 ? n : 1);
    assert_non_null(p);
    for (size_t i = 0; i < n; i++)
        p[i] = (char)(i * 2654435761u >> 13);
    return p;
}

/* ---- promises ---- */
static void bodies_of_every_size_come_back_as_they_were(void **state)
{
    static const size_t sizes[] = {0, 1, 4096, INLINE_SIZE_MAX, INLINE_SIZE_MAX + 1, 1 << 20, (5 << 20) + 3};
    struct place *p = *state;
    struct buf out = BUF(ANSWER_MAX);
    assert_int_equal(status_of(p, (struct asked){.method = "PUT", .path = "/bodies"}), 200);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        char *data = some_bytes(sizes[i]);
        struct view sent = view_of(data, sizes[i]), got;
        assert_int_equal(status_of(p, (struct asked){.method = "PUT", .path = "/bodies/k", .body = sent}), 200);
        assert_int_equal(ask(p, &(struct asked){.method = "GET", .path = "/bodies/k"}, &out, &got), 200);
        assert_true(view_eq(sent, got));
        free(data);
    }
    buf_free(&out);
}

static void a_range_of_a_large_body_is_exactly_that(void **state)
{
    struct place *p = *state;
    struct buf out = BUF(ANSWER_MAX);
    size_t n = (3 << 20) + 5;
    char *data = some_bytes(n);
    struct view got;
    assert_int_equal(status_of(p, (struct asked){.method = "PUT", .path = "/ranges"}), 200);
    assert_int_equal(status_of(p, (struct asked){.method = "PUT", .path = "/ranges/k", .body = view_of(data, n)}), 200);
    struct asked q = {.method = "GET", .path = "/ranges/k", .header = "Range: bytes=131000-2000000\r\n"};
    assert_int_equal(ask(p, &q, &out, &got), 206);
    assert_true(view_eq(got, view_of(data + 131000, 2000000 - 131000 + 1)));
    free(data);
    buf_free(&out);
}

static void a_body_that_is_not_what_was_signed_is_not_kept(void **state)
{
    static const size_t sizes[] = {100, (2 << 20) + 1};
    static const char wrong[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    struct place *p = *state;
    assert_int_equal(status_of(p, (struct asked){.method = "PUT", .path = "/wrong"}), 200);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        char *data = some_bytes(sizes[i]);
        struct asked q = {.method = "PUT", .path = "/wrong/k", .body = view_of(data, sizes[i]), .hash = wrong};
        assert_refused(p, q, 400, "XAmzContentSHA256Mismatch");
        q.hash = NULL;
        q.header = "Content-MD5: AAAAAAAAAAAAAAAAAAAAAA==\r\n";
        assert_refused(p, q, 400, "BadDigest");
        free(data);
    }
    assert_refused(p, (struct asked){.method = "GET", .path = "/wrong/k"}, 404, "NoSuchKey");
}

/* The answer to the head must come although no byte of the body is ever sent. */
static void refusals_come_before_the_body_is_asked_for(void **state)
{
    static const struct {
        struct asked q;
        unsigned status;
    } cases[] = {
        {{.method = "PUT", .path = "/nobody/k", .length = 10}, 404},
        {{.method = "PUT", .path = "/early/k", .length = OBJECT_PUT_MAX + 1}, 400},
        {{.method = "PUT", .path = "/early/k", .query = "partNumber=1&uploadId=x", .length = 10}, 404},
        {{.method = "PUT", .path = "/early", .query = "policy", .length = 10}, 501},
    };
    struct place *p = *state;
    assert_int_equal(status_of(p, (struct asked){.method = "PUT", .path = "/early"}), 200);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct asked q = cases[i].q;
        struct buf head = BUF(65536), out = BUF(ANSWER_MAX);
        struct view body;
        q.hash = "UNSIGNED-PAYLOAD";
        q.header = "Expect: 100-continue\r\n";
        int fd = connect_to(p);
        put_head(p, &q, &head);
        assert_true(send_all(fd, head.p, head.n));
        assert_int_equal(read_answer(fd, false, &out, &body), cases[i].status);
        close(fd);
        buf_free(&head);
        buf_free(&out);
    }
}

static void strangers_are_told_nothing(void **state)
{
    struct place *p = *state;
    struct buf out = BUF(ANSWER_MAX);
    struct view body;
    static const char request[] = "GET /no-such-bucket/k HTTP/1.1\r\nHost: x\r\n\r\n";
    int fd = connect_to(p);
    assert_true(send_all(fd, request, sizeof request - 1));
    assert_int_equal(read_answer(fd, false, &out, &body), 403);
    assert_non_null(memmem(body.p, body.n, "AccessDenied", sizeof "AccessDenied" - 1));
    close(fd);
    buf_free(&out);
}

/* What is left of them would be found by gateway_close, which waits for every request, and by the leak checker. */
static void clients_that_leave_in_the_middle_leave_nothing(void **state)
{
    struct place *p = *state;
    size_t n = 3 << 20;
    char *data = some_bytes(n);
    assert_int_equal(status_of(p, (struct asked){.method = "PUT", .path = "/gone"}), 200);
    for (size_t sent = 0; sent < n; sent += 500000) {
        struct asked q = {.method = "PUT", .path = "/gone/k", .hash = "UNSIGNED-PAYLOAD", .length = n};
        struct buf head = BUF(65536);
        int fd = connect_to(p);
        put_head(p, &q, &head);
        assert_true(send_all(fd, head.p, head.n) && send_all(fd, data, sent));
        close(fd);
        buf_free(&head);
    }
    assert_refused(p, (struct asked){.method = "GET", .path = "/gone/k"}, 404, "NoSuchKey");
    free(data);
}

static void a_setting_that_is_not_built_is_refused_and_read_as_never_set(void **state)
{
    struct place *p = *state;
    assert_int_equal(status_of(p, (struct asked){.method = "PUT", .path = "/unbuilt"}), 200);
    struct view policy = VIEW("{}");
    struct asked put = {.method = "PUT", .path = "/unbuilt", .query = "policy", .body = policy};
    assert_refused(p, put, 501, "NotImplemented");
    assert_refused(p, (struct asked){.method = "GET", .path = "/unbuilt", .query = "policy"}, 404,
                   "NoSuchBucketPolicy");
    assert_int_equal(status_of(p, (struct asked){.method = "GET", .path = "/unbuilt", .query = "acl"}), 200);
}

static void checksums_of_pieces_are_those_of_the_whole(void **state)
{
    (void)state;
    size_t n = 300001;
    char *data = some_bytes(n);
    for (enum checksum_kind k = CHECKSUM_NONE; k <= CHECKSUM_SHA256; k++) {
        struct gw_digests whole, pieces = {0};
        struct gw_sums sums;
        assert_int_equal(gw_digest_once(data, n, k, true, &whole), RC_OK);
        assert_int_equal(gw_sums_init(&sums, k, true), RC_OK);
        for (size_t at = 0; at < n; at += 100000)
            gw_sums_update(&sums, data + at, n - at < 100000 ? n - at : 100000);
        gw_sums_final(&sums, &pieces);
        gw_sums_free(&sums);
        assert_int_equal(whole.crc64ecma, pieces.crc64ecma);
        assert_memory_equal(whole.sha256, pieces.sha256, sizeof whole.sha256);
        assert_int_equal(whole.checksum.size, gw_checksum_size(k));
        assert_memory_equal(&whole.checksum, &pieces.checksum, sizeof whole.checksum);
        struct gw_checks c = {.given = whole.checksum};
        assert_null(gw_checks_verify(&c, &pieces).code);
        if (k == CHECKSUM_NONE)
            continue;
        c.given.value[0] ^= 1;
        assert_string_equal(gw_checks_verify(&c, &pieces).code, "BadDigest");
    }
    free(data);
}

/* ---- quotas and stages ---- */

static void set_quota(const struct place *p, const char *bucket, enum quota_limit which, uint64_t limit)
{
    uint64_t all[QUOTA_LIMITS] = {QUOTA_NONE, QUOTA_NONE, QUOTA_NONE, QUOTA_NONE};
    all[which] = limit;
    struct registry *r = meter_registry(p->engine->meter);
    assert_int_equal(registry_set_quota(r, ACCOUNT_DEFAULT, view_cstr(bucket), all), RC_OK);
}

static void a_full_bucket_takes_nothing_more_and_says_so_before_the_body(void **state)
{
    struct place *p = *state;
    char *data = some_bytes(200000);
    struct asked put = {.method = "PUT", .path = "/full/k", .body = view_of(data, 200000)};
    assert_int_equal(status_of(p, (struct asked){.method = "PUT", .path = "/full"}), 200);
    assert_int_equal(status_of(p, put), 200);
    set_quota(p, "full", QUOTA_BYTES, 200001);
    struct asked large = {.method = "PUT",
                          .path = "/full/l",
                          .length = 1u << 30,
                          .hash = "UNSIGNED-PAYLOAD",
                          .header = "Expect: 100-continue\r\n"};
    assert_refused(p, large, 403, "QuotaExceeded");
    assert_refused(p, (struct asked){.method = "PUT", .path = "/full/l", .header = "x-amz-copy-source: /full/k\r\n"},
                   403, "AccessDenied");      /* not signed: that comes first */
    assert_int_equal(status_of(p, put), 200); /* in its own place it takes no more room */
    put.path = "/full/one";
    put.body = VIEW("1");
    assert_int_equal(status_of(p, put), 200);
    put.path = "/full/two";
    assert_refused(p, put, 403, "QuotaExceeded");
    set_quota(p, "full", QUOTA_OBJECTS, 2);
    put.body = VIEW("");
    assert_refused(p, put, 403, "QuotaExceeded");
    put.path = "/full/one";
    assert_int_equal(status_of(p, put), 200);
    set_quota(p, "full", QUOTA_OBJECTS, QUOTA_NONE);
    free(data);
}

static void a_days_quota_is_taken_before_the_work(void **state)
{
    struct place *p = *state;
    struct asked get = {.method = "GET", .path = "/daily/k"};
    assert_int_equal(status_of(p, (struct asked){.method = "PUT", .path = "/daily"}), 200);
    assert_int_equal(status_of(p, (struct asked){.method = "PUT", .path = "/daily/k", .body = VIEW("0123456789")}),
                     200);
    set_quota(p, "daily", QUOTA_EGRESS_DAY, 25);
    assert_int_equal(status_of(p, get), 200);
    assert_int_equal(status_of(p, get), 200);
    assert_refused(p, get, 403, "QuotaExceeded");
    assert_refused(p, (struct asked){.method = "GET", .path = "/daily"}, 403,
                   "QuotaExceeded"); /* a list is egress too */
    assert_int_equal(status_of(p, (struct asked){.method = "HEAD", .path = "/daily/k"}), 200);
    get.header = "Range: bytes=0-4\r\n";
    assert_int_equal(status_of(p, get), 206);
    assert_refused(p, get, 403, "QuotaExceeded");
    set_quota(p, "daily", QUOTA_REQUESTS_DAY, 0);
    assert_refused(p, get, 403, "QuotaExceeded");
    assert_refused(p, (struct asked){.method = "DELETE", .path = "/daily/k"}, 403, "QuotaExceeded");
    assert_int_equal(status_of(p, (struct asked){.method = "GET", .path = "/"}), 200); /* names no bucket */
    set_quota(p, "daily", QUOTA_REQUESTS_DAY, QUOTA_NONE);
    assert_int_equal(status_of(p, get), 206);
}

static void a_stage_takes_new_buckets_first_and_the_keys_last(void **state)
{
    struct place *p = *state;
    struct registry *r = meter_registry(p->engine->meter);
    struct asked put = {.method = "PUT", .path = "/stages/k", .body = VIEW("x")},
                 get = {.method = "GET", .path = "/stages/k"}, make = {.method = "PUT", .path = "/stages2"};
    assert_int_equal(status_of(p, (struct asked){.method = "PUT", .path = "/stages"}), 200);
    registry_set_stage(r, ACCOUNT_DEFAULT, STAGE_WARN, STAGE_NO_NEW_BUCKETS, -1);
    assert_int_equal(status_of(p, put), 200);
    assert_refused(p, make, 403, "AccountProblem");
    registry_set_stage(r, ACCOUNT_DEFAULT, STAGE_STOP, STAGE_READ_ONLY, -1);
    assert_refused(p, put, 403, "AccountProblem");
    assert_int_equal(status_of(p, get), 200);
    registry_set_stage(r, ACCOUNT_DEFAULT, STAGE_STOP, STAGE_NOTHING, -1);
    assert_refused(p, get, 403, "AccountProblem");
    registry_set_stage(r, ACCOUNT_DEFAULT, STAGE_STOP, STAGE_KEYS_INVALID, -1);
    assert_refused(p, get, 403, "InvalidAccessKeyId");
    registry_set_stage(r, ACCOUNT_DEFAULT, STAGE_ACTIVE, STAGE_ALL, 0);
    assert_int_equal(status_of(p, make), 200);
}

/* ---- directions ---- */

static void the_narrowest_network_gives_the_direction(void **state)
{
    (void)state;
    static const char *const internal[] = {"10.0.0.0/8", "fd00::/8"}, *const cdn[] = {"10.9.0.0/16", "2001:db8::/32"},
                             *const other[] = {"10.9.1.7", "172.16.0.0/12"};
    struct gateway_cfg cfg = {
        .egress_internal = {internal, 2}, .egress_cdn = {cdn, 2}, .egress_cross_region = {other, 2}};
    struct gateway w = {0};
    struct err e = {""};
    assert_int_equal(gw_direction(&w, "10.1.2.3"), ITEM_EGRESS_INTERNET); /* no networks are named */
    assert_int_equal(gw_nets_init(&w, &cfg, &e), RC_OK);
    assert_int_equal(gw_direction(&w, "10.1.2.3"), ITEM_EGRESS_INTERNAL);
    assert_int_equal(gw_direction(&w, "10.9.2.3"), ITEM_EGRESS_CDN);
    assert_int_equal(gw_direction(&w, "::ffff:10.9.2.3"), ITEM_EGRESS_CDN);
    assert_int_equal(gw_direction(&w, "10.9.1.7"), ITEM_EGRESS_CROSS_REGION);
    assert_int_equal(gw_direction(&w, "172.31.255.255"), ITEM_EGRESS_CROSS_REGION);
    assert_int_equal(gw_direction(&w, "172.32.0.0"), ITEM_EGRESS_INTERNET);
    assert_int_equal(gw_direction(&w, "fd12::1"), ITEM_EGRESS_INTERNAL);
    assert_int_equal(gw_direction(&w, "2001:db8:1::1"), ITEM_EGRESS_CDN);
    assert_int_equal(gw_direction(&w, "2001:db9::1"), ITEM_EGRESS_INTERNET);
    free(w.net);
}

static void networks_that_make_no_sense_are_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {"10.0.0.0/33"}, *const once[] = {"10.0.0.0/8"},
                             *const again[] = {"10.77.0.0/8"};
    struct gateway_cfg cfg = {.egress_cdn = {wrong, 1}};
    struct gateway w = {0};
    struct err e = {""};
    assert_int_equal(gw_nets_init(&w, &cfg, &e), RC_INVALID);
    assert_non_null(strstr(e.text, "egress cdn: \"10.0.0.0/33\""));
    free(w.net);
    w = (struct gateway){0};
    cfg = (struct gateway_cfg){.egress_cdn = {once, 1}, .egress_internal = {again, 1}};
    assert_int_equal(gw_nets_init(&w, &cfg, &e), RC_INVALID);
    free(w.net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(checksums_of_pieces_are_those_of_the_whole),
        cmocka_unit_test(bodies_of_every_size_come_back_as_they_were),
        cmocka_unit_test(a_range_of_a_large_body_is_exactly_that),
        cmocka_unit_test(a_body_that_is_not_what_was_signed_is_not_kept),
        cmocka_unit_test(refusals_come_before_the_body_is_asked_for),
        cmocka_unit_test(strangers_are_told_nothing),
        cmocka_unit_test(clients_that_leave_in_the_middle_leave_nothing),
        cmocka_unit_test(a_setting_that_is_not_built_is_refused_and_read_as_never_set),
        cmocka_unit_test(a_full_bucket_takes_nothing_more_and_says_so_before_the_body),
        cmocka_unit_test(a_days_quota_is_taken_before_the_work),
        cmocka_unit_test(a_stage_takes_new_buckets_first_and_the_keys_last),
        cmocka_unit_test(the_narrowest_network_gives_the_direction),
        cmocka_unit_test(networks_that_make_no_sense_are_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
