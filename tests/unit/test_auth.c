/* Holdfast: who asks? AWS's published examples of Signature Version 4 and of version 2's presigned URLs, and what
 * happens when anything in them is changed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "catalog/catalog.h"
#include "gateway/auth.h"
#include "gateway/sigv2.h"

#define KEY "AKIAIOSFODNN7EXAMPLE"
#define SECRET "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
#define EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define SCOPE "20130524/us-east-1/s3/aws4_request"
#define CREDENTIAL "AWS4-HMAC-SHA256 Credential=" KEY "/" SCOPE
#define MAY_24_S 1369353600LL /* 2013-05-24T00:00:00Z */
#define HEADERS_MAX 16
#define DOMAIN ".s3.amazonaws.com"

struct request {
    const char *method, *path, *query;
    const char *h[2 * HEADERS_MAX + 1]; /* name, value, …, NULL */
    int64_t late_s;                     /* arrives this long after the examples' time */
};

struct outcome {
    enum rc rc;
    const char *code;
    struct err e;
    struct auth_result r;
};

static enum rc lookup(void *ctx, struct view access_key, struct caller *ret)
{
    (void)ctx;
    if (view_eqs(access_key, "OUTOFMEMORY"))
        return RC_NOMEM;
    if (!view_eqs(access_key, KEY))
        return RC_NOT_FOUND;
    *ret = (struct caller){.account = 7};
    assert_true(view_copy(access_key, ret->access_key, sizeof ret->access_key));
    assert_true(view_copy(VIEW(SECRET), ret->secret, sizeof ret->secret));
    return RC_OK;
}

/* What the gateway makes of the host. */
static struct view bucket_of(struct view host)
{
    size_t domain_n = sizeof DOMAIN - 1;
    bool below = host.n > domain_n && view_eqs(view_sub(host, host.n - domain_n, host.n), DOMAIN);
    return below ? view_sub(host, 0, host.n - domain_n) : VIEW("");
}

static struct auth_request make(const struct request *t, struct cat_header *headers)
{
    struct auth_request q = {.method = view_cstr(t->method),
                             .path = view_cstr(t->path),
                             .query = view_cstr(t->query ? t->query : ""),
                             .headers = headers,
                             .now_ns = (MAY_24_S + t->late_s) * NS_PER_S};
    for (size_t i = 0; t->h[i]; i += 2) {
        headers[q.n_headers++] = (struct cat_header){view_cstr(t->h[i]), view_cstr(t->h[i + 1])};
        if (strcmp(t->h[i], "Host") == 0)
            q.host_bucket = bucket_of(view_cstr(t->h[i + 1]));
    }
    return q;
}

static struct outcome check(const struct request *t)
{
    struct cat_header headers[HEADERS_MAX];
    struct auth_request q = make(t, headers);
    struct arena scratch = ARENA(1 << 20);
    struct outcome o = {.code = "none"};
    o.rc = auth_check(&q, lookup, NULL, &scratch, &o.r, &o.code, &o.e);
    arena_free(&scratch);
    return o;
}

static void expect_ok(const struct request *t)
{
    struct outcome o = check(t);
    if (o.rc != RC_OK)
        fail_msg("%s %s: %s: %s", t->method, t->path, o.code, o.e.text);
    assert_int_equal(o.r.caller.account, 7);
    auth_wipe(&o.r);
    assert_int_equal(o.r.caller.secret[0], 0);
}

static void expect_denied(const struct request *t, const char *code)
{
    struct outcome o = check(t);
    assert_int_equal(o.rc, RC_DENIED);
    if (strcmp(o.code, code) != 0)
        fail_msg("%s %s?%s: %s (%s), expected %s", t->method, t->path, t->query, o.code, o.e.text, code);
    assert_true(o.e.text[0] != 0);
    assert_int_equal(o.r.caller.account, 0); /* untouched */
}

#define GET_AUTH                                                                                                       \
    CREDENTIAL ",SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,"                                            \
               "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"

static struct request get_object(void)
{
    return (struct request){"GET",
                            "/test.txt",
                            NULL,
                            {"Host", "examplebucket.s3.amazonaws.com", "Authorization", GET_AUTH, "Range", "bytes=0-9",
                             "x-amz-content-sha256", EMPTY, "x-amz-date", "20130524T000000Z", NULL},
                            0};
}

static void set(struct request *t, const char *name, const char *value)
{
    for (size_t i = 0; t->h[i]; i += 2)
        if (strcmp(t->h[i], name) == 0) {
            t->h[i + 1] = value;
            return;
        }
    fail_msg("no header %s", name);
}

static void rename_header(struct request *t, const char *name, const char *to)
{
    for (size_t i = 0; t->h[i]; i += 2)
        if (strcmp(t->h[i], name) == 0)
            t->h[i] = to;
}

static void add(struct request *t, const char *name, const char *value)
{
    size_t n = 0;
    while (t->h[n])
        n++;
    t->h[n] = name;
    t->h[n + 1] = value;
    t->h[n + 2] = NULL;
}

static void published_examples_are_accepted(void **state)
{
    (void)state;
    struct request get = get_object();
    expect_ok(&get);
    struct outcome o = check(&get);
    assert_int_equal(o.r.payload, AUTH_PAYLOAD_SHA256);
    char hex[65];
    hex_encode(o.r.sha256, 32, hex);
    assert_string_equal(hex, EMPTY);
    assert_string_equal(o.r.scope_date, "20130524");
    assert_string_equal(o.r.scope_region, "us-east-1");
    assert_string_equal(o.r.amz_date, "20130524T000000Z");
    assert_false(o.r.presigned);
    hex_encode(o.r.signing_key, 32, hex);
    assert_string_equal(hex, "dbb893acc010964918f1fd433add87c70e8b0db6be30c1fbeafefa5ec6ba8378");
    const struct request put = {
        "PUT",
        "/test$file.text",
        NULL,
        {"Host", "examplebucket.s3.amazonaws.com", "Date", "Fri, 24 May 2013 00:00:00 GMT", "Authorization",
         CREDENTIAL ", SignedHeaders=date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class,\t"
                    "Signature=98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
         "x-amz-content-sha256", "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072", "x-amz-date",
         "20130524T000000Z", "x-amz-storage-class", "REDUCED_REDUNDANCY", NULL},
        0};
    expect_ok(&put);
    const struct request lifecycle = {"GET",
                                      "/",
                                      "lifecycle",
                                      {"Host", "examplebucket.s3.amazonaws.com", "Authorization",
                                       CREDENTIAL
                                       ",SignedHeaders=host;x-amz-content-sha256;x-amz-date,"
                                       "Signature=fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
                                       "x-amz-content-sha256", EMPTY, "x-amz-date", "20130524T000000Z", NULL},
                                      0};
    expect_ok(&lifecycle);
    struct request list = lifecycle;
    list.query = "prefix=J&max-keys=2";
    set(&list, "Authorization",
        CREDENTIAL ",SignedHeaders=host;x-amz-content-sha256;x-amz-date,"
                   "Signature=34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
    expect_ok(&list);
}

#define PRESIGNED(date, expires, signature)                                                                            \
    "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=" KEY "%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"             \
    "&X-Amz-Date=" date "&X-Amz-Expires=" expires "&X-Amz-SignedHeaders=host&X-Amz-Signature=" signature
#define PRESIGNED_SIGNATURE "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"

static void published_presigned_example_is_accepted_until_it_expires(void **state)
{
    (void)state;
    struct request t = {"GET",
                        "/test.txt",
                        PRESIGNED("20130524T000000Z", "86400", PRESIGNED_SIGNATURE),
                        {"Host", "examplebucket.s3.amazonaws.com", NULL},
                        0};
    expect_ok(&t);
    struct outcome o = check(&t);
    assert_true(o.r.presigned);
    assert_int_equal(o.r.payload, AUTH_PAYLOAD_UNSIGNED);
    t.late_s = 86400;
    expect_ok(&t);
    t.late_s = 86401;
    expect_denied(&t, "AccessDenied");
    assert_string_equal(check(&t).e.text, "Request has expired");
    t.late_s = -900;
    expect_ok(&t);
    t.late_s = -901;
    expect_denied(&t, "AccessDenied");
    t.late_s = 0;
    t.path = "/test2.txt";
    expect_denied(&t, "SignatureDoesNotMatch");
    t.path = "/test.txt";
    t.query = PRESIGNED("20130524T000000Z", "86399", PRESIGNED_SIGNATURE);
    expect_denied(&t, "SignatureDoesNotMatch");
    t.query = PRESIGNED("20130524T000000Z", "604801", PRESIGNED_SIGNATURE);
    expect_denied(&t, "AuthorizationQueryParametersError");
    t.query = PRESIGNED("20130524T000000Z", "-1", PRESIGNED_SIGNATURE);
    expect_denied(&t, "AuthorizationQueryParametersError");
    t.query = PRESIGNED("20130524", "86400", PRESIGNED_SIGNATURE);
    expect_denied(&t, "AuthorizationQueryParametersError");
    t.query = PRESIGNED("20130525T000000Z", "86400", PRESIGNED_SIGNATURE);
    expect_denied(&t, "AuthorizationQueryParametersError");
    t.query = PRESIGNED("20130524T000000Z", "86400", "");
    expect_denied(&t, "AuthorizationQueryParametersError");
    t.query = PRESIGNED("20130524T000000Z", "86400", PRESIGNED_SIGNATURE "&X-Amz-Date=20130524T000000Z");
    expect_denied(&t, "AuthorizationQueryParametersError");
    t.query = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=" PRESIGNED_SIGNATURE;
    expect_denied(&t, "AuthorizationQueryParametersError");
    t.query = PRESIGNED("20130524T000000Z", "86400", PRESIGNED_SIGNATURE) "&versionId=1";
    expect_denied(&t, "SignatureDoesNotMatch");
    t.query = PRESIGNED("20130524T000000Z", "86400", PRESIGNED_SIGNATURE);
    add(&t, "x-amz-acl", "public-read");
    expect_denied(&t, "AccessDenied");
}

static void each_changed_part_of_a_signed_request_is_noticed(void **state)
{
    (void)state;
    const struct request good = get_object();
    struct request t = good;
    t.method = "PUT";
    expect_denied(&t, "SignatureDoesNotMatch");
    t = good;
    t.path = "/Test.txt";
    expect_denied(&t, "SignatureDoesNotMatch");
    t = good;
    t.path = "//test.txt";
    expect_denied(&t, "SignatureDoesNotMatch");
    t = good;
    t.path = "/./test.txt";
    expect_denied(&t, "SignatureDoesNotMatch");
    t = good;
    t.query = "acl";
    expect_denied(&t, "SignatureDoesNotMatch");
    t = good;
    set(&t, "Host", "other.s3.amazonaws.com");
    expect_denied(&t, "SignatureDoesNotMatch");
    t = good;
    set(&t, "Range", "bytes=0-8");
    expect_denied(&t, "SignatureDoesNotMatch");
    t = good;
    add(&t, "Range", "bytes=0-9");
    expect_denied(&t, "SignatureDoesNotMatch");
    t = good;
    rename_header(&t, "Range", "X-Range");
    expect_denied(&t, "SignatureDoesNotMatch");
    t = good;
    set(&t, "x-amz-content-sha256", "UNSIGNED-PAYLOAD");
    expect_denied(&t, "SignatureDoesNotMatch");
    t = good;
    set(&t, "x-amz-date", "20130524T000001Z");
    expect_denied(&t, "SignatureDoesNotMatch");
    t = good;
    add(&t, "X-Amz-Acl", "public-read");
    expect_denied(&t, "AccessDenied");
    t = good;
    add(&t, "Expect", "100-continue"); /* needs no signature */
    add(&t, "Content-Type", "text/plain");
    expect_ok(&t);
}

static void each_digit_of_a_signature_counts(void **state)
{
    (void)state;
    const char *at = strstr(GET_AUTH, "Signature=");
    for (size_t i = 10; at[i]; i++) {
        char text[sizeof GET_AUTH];
        memcpy(text, GET_AUTH, sizeof text);
        size_t k = (size_t)(at - GET_AUTH) + i;
        text[k] = text[k] == '0' ? '1' : '0';
        struct request t = get_object();
        set(&t, "Authorization", text);
        expect_denied(&t, "SignatureDoesNotMatch");
    }
    struct request t = get_object();
    set(&t, "Authorization", GET_AUTH "0");
    expect_denied(&t, "SignatureDoesNotMatch");
}

static void equal_spellings_of_a_request_have_one_signature(void **state)
{
    (void)state;
    struct request t = get_object();
    t.path = "/%74est%2Etxt";
    expect_ok(&t);
    t = get_object();
    set(&t, "Range", "  bytes=0-9\t ");
    rename_header(&t, "Range", "rANGE");
    expect_ok(&t);
    t = get_object();
    set(&t, "Authorization",
        "AWS4-HMAC-SHA256  Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41 ,   "
        "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, Credential=" KEY "/" SCOPE);
    expect_ok(&t);
}

static void time_may_differ_by_fifteen_minutes(void **state)
{
    (void)state;
    struct request t = get_object();
    const int64_t good[] = {900, -900}, bad[] = {901, -901, 1000000, -1000000};
    for (int i = 0; i < 2; i++) {
        t.late_s = good[i];
        expect_ok(&t);
    }
    for (int i = 0; i < 4; i++) {
        t.late_s = bad[i];
        expect_denied(&t, "RequestTimeTooSkewed");
    }
}

static void malformed_authorization_says_what_is_wrong(void **state)
{
    (void)state;
    const char *sh = ",SignedHeaders=host;x-amz-content-sha256;x-amz-date,Signature=00";
    const struct {
        const char *credential, *code;
    } cases[] = {
        {"AWS4-HMAC-SHA256 Credential=" KEY "/20130524/us-east-1/ec2/aws4_request", "AuthorizationHeaderMalformed"},
        {"AWS4-HMAC-SHA256 Credential=" KEY "/20130524/us-east-1/s3/aws4", "AuthorizationHeaderMalformed"},
        {"AWS4-HMAC-SHA256 Credential=" KEY "/20130525/us-east-1/s3/aws4_request", "AuthorizationHeaderMalformed"},
        {"AWS4-HMAC-SHA256 Credential=" KEY "/20130524//s3/aws4_request", "AuthorizationHeaderMalformed"},
        {"AWS4-HMAC-SHA256 Credential=/20130524/us-east-1/s3/aws4_request", "AuthorizationHeaderMalformed"},
        {"AWS4-HMAC-SHA256 Credential=s3/aws4_request", "AuthorizationHeaderMalformed"},
        {"AWS4-HMAC-SHA256 Credential", "AuthorizationHeaderMalformed"},
        {"AWS4-HMAC-SHA256 Credentials=a", "AuthorizationHeaderMalformed"},
        {"AWS4-HMAC-SHA256 Credential=a,Credential=b", "AuthorizationHeaderMalformed"},
        {"AWS4-HMAC-SHA256 Credential=NOBODY/" SCOPE, "InvalidAccessKeyId"},
        {"AWS4-HMAC-SHA256Credential=" KEY "/" SCOPE, "InvalidArgument"},
        {"AWS " KEY ":frJIUN8DYpKDtOLCwo//yllqDzg=", "InvalidRequest"},
        {"AWS4-ECDSA-P256-SHA256 Credential=" KEY "/" SCOPE, "InvalidRequest"},
        {"Basic dXNlcjpwYXNz", "InvalidArgument"},
        {"", "InvalidArgument"},
        {CREDENTIAL, "SignatureDoesNotMatch"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[600];
        snprintf(text, sizeof text, "%s%s", cases[i].credential, sh);
        struct request t = get_object();
        rename_header(&t, "Range", "A");
        set(&t, "Authorization", cases[i].credential[0] ? text : "");
        expect_denied(&t, cases[i].code);
    }
    struct request t = get_object();
    set(&t, "Authorization", CREDENTIAL ",SignedHeaders=host");
    expect_denied(&t, "AuthorizationHeaderMalformed");
    set(&t, "Authorization", CREDENTIAL ",SignedHeaders=,Signature=00");
    expect_denied(&t, "AuthorizationHeaderMalformed");
    set(&t, "Authorization", CREDENTIAL ",SignedHeaders=host;;range,Signature=00");
    expect_denied(&t, "AuthorizationHeaderMalformed");
    set(&t, "Authorization", CREDENTIAL ",SignedHeaders=range;x-amz-content-sha256;x-amz-date,Signature=00");
    expect_denied(&t, "AccessDenied");
    set(&t, "Authorization",
        "AWS4-HMAC-SHA256 Credential=OUTOFMEMORY/" SCOPE
        ",SignedHeaders=host;x-amz-content-sha256;x-amz-date,Signature=00");
    assert_int_equal(check(&t).rc, RC_NOMEM);
}

static void missing_and_doubled_credentials_are_refused(void **state)
{
    (void)state;
    struct request t = get_object();
    rename_header(&t, "Authorization", "X-Nothing");
    expect_denied(&t, "AccessDenied");
    t = get_object();
    add(&t, "authorization", GET_AUTH);
    expect_denied(&t, "InvalidArgument");
    t = get_object();
    t.query = PRESIGNED("20130524T000000Z", "86400", PRESIGNED_SIGNATURE);
    expect_denied(&t, "InvalidArgument");
    t = get_object();
    rename_header(&t, "Authorization", "X-Nothing");
    t = get_object();
    set(&t, "Authorization", "AWS " KEY ":vjbyPxybdZaNmGa+yT272YEAiv4=");
    expect_denied(&t, "InvalidRequest");
    t = get_object();
    rename_header(&t, "x-amz-content-sha256", "X-Nothing");
    expect_denied(&t, "InvalidRequest");
    t = get_object();
    set(&t, "x-amz-content-sha256", "e3b0");
    expect_denied(&t, "InvalidArgument");
    t = get_object();
    rename_header(&t, "x-amz-date", "X-Nothing");
    expect_denied(&t, "AccessDenied");
    t = get_object();
    t.path = "/test%2";
    expect_denied(&t, "InvalidURI");
    t = get_object();
    t.query = "prefix=%zz";
    expect_denied(&t, "InvalidURI");
}

/* Signs t with auth_sign and gives it to auth_check. */
static struct outcome sign_and_check(struct request t, const char *region, const char *payload)
{
    struct cat_header headers[HEADERS_MAX];
    struct auth_request q = make(&t, headers);
    struct buf b = BUF(4096);
    assert_int_equal(auth_sign(&q, VIEW(KEY), VIEW(SECRET), view_cstr(region), view_cstr(payload), &b), RC_OK);
    char text[4097];
    assert_true(view_copy(buf_view(&b), text, sizeof text));
    buf_free(&b);
    add(&t, "Authorization", text);
    return check(&t);
}

static void signed_by_us_is_accepted_by_us(void **state)
{
    (void)state;
    const char *paths[] = {"/", "/b/a%20b", "/b/%E4%BD%A0%2F", "/b//../x", "/b/~a!*'()", "/b/a+b%2B"};
    const char *queries[] = {
        "", "list-type=2&prefix=a%2Fb&delimiter=%2F", "uploads", "b=2&a=1&a=0&&b", "prefix=a+b", "X-Amz-Meta=%7E~"};
    const char *payloads[] = {EMPTY, "UNSIGNED-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
                              "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"};
    const enum auth_payload kinds[] = {AUTH_PAYLOAD_SHA256, AUTH_PAYLOAD_UNSIGNED, AUTH_PAYLOAD_UNSIGNED_TRAILER,
                                       AUTH_PAYLOAD_CHUNKS, AUTH_PAYLOAD_CHUNKS_TRAILER};
    for (int p = 0; p < 6; p++)
        for (int u = 0; u < 6; u++)
            for (int k = 0; k < 5; k++) {
                struct request t = {"PUT",
                                    paths[p],
                                    queries[u],
                                    {"host", "127.0.0.1:9000", "X-Amz-Date", "20130524T000000Z", "x-amz-content-sha256",
                                     payloads[k], "x-amz-meta-a", "  b   c ", "X-Amz-Meta-A", "d", NULL},
                                    0};
                struct outcome o = sign_and_check(t, "cn-north-1", payloads[k]);
                if (o.rc != RC_OK)
                    fail_msg("%s?%s: %s", paths[p], queries[u], o.code);
                assert_int_equal(o.r.payload, kinds[k]);
                assert_string_equal(o.r.scope_region, "cn-north-1");
            }
}

static void arguments_may_come_in_any_order_and_spelling(void **state)
{
    (void)state;
    struct request t = {"GET",
                        "/b",
                        "prefix=a%20b&max-keys=1",
                        {"host", "h", "x-amz-date", "20130524T000000Z", "x-amz-content-sha256", EMPTY, NULL},
                        0};
    struct cat_header headers[HEADERS_MAX];
    struct auth_request q = make(&t, headers);
    struct buf b = BUF(4096);
    assert_int_equal(auth_sign(&q, VIEW(KEY), VIEW(SECRET), VIEW("r"), VIEW(EMPTY), &b), RC_OK);
    char text[4097];
    assert_true(view_copy(buf_view(&b), text, sizeof text));
    buf_free(&b);
    add(&t, "Authorization", text);
    const char *same[] = {"max-keys=1&prefix=a%20b", "max-keys=1&prefix=a+b", "max%2Dkeys=%31&prefix=%61%20b"};
    for (int i = 0; i < 3; i++) {
        t.query = same[i];
        expect_ok(&t);
    }
    const char *other[] = {"max-keys=1&prefix=a%2Bb", "max-keys=1", "max-keys=1&prefix=a%20b&prefix=a%20b"};
    for (int i = 0; i < 3; i++) {
        t.query = other[i];
        expect_denied(&t, "SignatureDoesNotMatch");
    }
}

static void date_header_stands_in_for_x_amz_date(void **state)
{
    (void)state;
    /* Signed by hand: the string to sign has the Date in its basic form. */
    struct request t = {
        "GET", "/", "", {"host", "h", "x-amz-date", "20130524T000000Z", "x-amz-content-sha256", EMPTY, NULL}, 0};
    struct outcome o = sign_and_check(t, "r", EMPTY);
    assert_int_equal(o.rc, RC_OK);
    struct request with_date = {
        "GET",
        "/",
        "",
        {"host", "h", "date", "Fri, 24 May 2013 00:00:00 GMT", "x-amz-content-sha256", EMPTY, "Authorization",
         CREDENTIAL ",SignedHeaders=date;host;x-amz-content-sha256,"
                    "Signature=f83ff667fc7426a813f7b3b3c73e4754f389899a683cbf75441a4e4444c9079a",
         NULL},
        0};
    expect_ok(&with_date);
    set(&with_date, "date", "Fri, 24 May 2013 00:00:01 GMT");
    expect_denied(&with_date, "SignatureDoesNotMatch");
    set(&with_date, "date", "yesterday");
    expect_denied(&with_date, "AccessDenied");
}

static void endless_lists_are_refused(void **state)
{
    (void)state;
    struct buf b = BUF(1 << 20);
    assert_int_equal(buf_puts(&b, CREDENTIAL ",SignedHeaders=host;x-amz-content-sha256;x-amz-date"), RC_OK);
    for (int i = 0; i < 200; i++)
        assert_int_equal(buf_puts(&b, ";range"), RC_OK);
    assert_int_equal(buf_puts(&b, ",Signature=00"), RC_OK);
    assert_int_equal(buf_put(&b, "", 1), RC_OK);
    struct request t = get_object();
    set(&t, "Authorization", b.p);
    expect_denied(&t, "AuthorizationHeaderMalformed");
    buf_clear(&b);
    char *range = malloc(8001);
    assert_non_null(range);
    memset(range, 'r', 8000);
    range[8000] = 0;
    t = get_object();
    set(&t, "Range", range);
    set(&t, "Authorization",
        CREDENTIAL ",SignedHeaders=host;range;range;range;range;x-amz-content-sha256;x-amz-date,Signature=00");
    expect_denied(&t, "AuthorizationHeaderMalformed");
    for (int i = 0; i < 3000; i++)
        assert_int_equal(buf_printf(&b, "a%d=%d&", i % 7, i), RC_OK);
    assert_int_equal(buf_put(&b, "", 1), RC_OK);
    t = get_object();
    t.query = b.p;
    expect_denied(&t, "SignatureDoesNotMatch");
    free(range);
    buf_free(&b);
}

/* ---- version 2 ---- */

#define PUPPY_EXPIRES 1175139620LL
#define PUPPY_SIGNATURE "NpgCjnDzrM%2BWFzoENXmpNDUsSn8%3D"
#define PUPPY_QUERY(key, signature, expires) "AWSAccessKeyId=" key "&Signature=" signature "&Expires=" expires
#define PUPPY PUPPY_QUERY(KEY, PUPPY_SIGNATURE, "1175139620")

static struct request get_puppy(void)
{
    return (struct request){
        "GET", "/photos/puppy.jpg", PUPPY, {"Host", "johnsmith" DOMAIN, NULL}, PUPPY_EXPIRES - MAY_24_S};
}

static void published_version_2_url_is_accepted_until_it_expires(void **state)
{
    (void)state;
    struct request t = get_puppy();
    expect_ok(&t);
    struct outcome o = check(&t);
    assert_true(o.r.presigned);
    assert_int_equal(o.r.payload, AUTH_PAYLOAD_UNSIGNED);
    assert_string_equal(o.r.scope_region, "");
    t.late_s++;
    expect_denied(&t, "AccessDenied");
    assert_string_equal(check(&t).e.text, "Request has expired");
    t.late_s = 0; /* years later */
    expect_denied(&t, "AccessDenied");
    t.late_s = -MAY_24_S; /* years before */
    expect_ok(&t);
    /* The same object, path style. */
    t = get_puppy();
    t.path = "/johnsmith/photos/puppy.jpg";
    set(&t, "Host", "s3.amazonaws.com");
    expect_ok(&t);
}

static void each_changed_part_of_a_version_2_url_is_noticed(void **state)
{
    (void)state;
    struct request t = get_puppy();
    t.method = "HEAD";
    expect_denied(&t, "SignatureDoesNotMatch");
    t = get_puppy();
    t.path = "/photos/kitten.jpg";
    expect_denied(&t, "SignatureDoesNotMatch");
    t = get_puppy();
    set(&t, "Host", "mary" DOMAIN);
    expect_denied(&t, "SignatureDoesNotMatch");
    t = get_puppy();
    set(&t, "Host", "s3.amazonaws.com");
    expect_denied(&t, "SignatureDoesNotMatch");
    const char *queries[] = {PUPPY_QUERY(KEY, PUPPY_SIGNATURE, "1175139621"),
                             PUPPY_QUERY(KEY, PUPPY_SIGNATURE, "01175139620"),
                             PUPPY_QUERY(KEY, "NpgCjnDzrM%2BWFzoENXmpNDUsSn9%3D", "1175139620"),
                             PUPPY_QUERY(KEY, "npgCjnDzrM%2BWFzoENXmpNDUsSn8%3D", "1175139620"),
                             PUPPY_QUERY(KEY, "NpgCjnDzrM%2BWFzoENXmpNDUsSn8", "1175139620"),
                             PUPPY "&x-amz-acl=public-read",
                             PUPPY "&X-AMZ-Copy-Source=%2Fb%2Fk",
                             PUPPY "&content-type=text%2Fhtml",
                             PUPPY "&response-content-type=text%2Fhtml",
                             PUPPY "&Content-MD5=x"};
    for (size_t i = 0; i < sizeof queries / sizeof *queries; i++) {
        t = get_puppy();
        t.query = queries[i];
        expect_denied(&t, "SignatureDoesNotMatch");
    }
    const char *headers[] = {"X-Amz-Acl", "content-type", "Content-MD5", "x-amz-copy-source"};
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        t = get_puppy();
        add(&t, headers[i], "x");
        expect_denied(&t, "SignatureDoesNotMatch");
    }
    t = get_puppy();
    t.query = PUPPY_QUERY("AKIANOBODY", PUPPY_SIGNATURE, "1175139620");
    expect_denied(&t, "InvalidAccessKeyId");
    t.query = PUPPY_QUERY("OUTOFMEMORY", PUPPY_SIGNATURE, "1175139620");
    assert_int_equal(check(&t).rc, RC_NOMEM);
}

/* Nothing that makes the gateway do something else can be appended to somebody's URL. */
static void no_subresource_can_be_added_to_a_version_2_url(void **state)
{
    (void)state;
    const char *names[] = {"abac",
                           "accelerate",
                           "acl",
                           "analytics",
                           "append",
                           "attributes",
                           "cors",
                           "delete",
                           "encryption",
                           "inventory",
                           "intelligent-tiering",
                           "legal-hold",
                           "lifecycle",
                           "location",
                           "logging",
                           "metadataConfiguration",
                           "metadataTable",
                           "metrics",
                           "notification",
                           "object-lock",
                           "ownershipControls",
                           "partNumber",
                           "policy",
                           "policyStatus",
                           "publicAccessBlock",
                           "renameObject",
                           "replication",
                           "requestPayment",
                           "restore",
                           "retention",
                           "select",
                           "session",
                           "tagging",
                           "torrent",
                           "uploadId",
                           "uploads",
                           "versionId",
                           "versioning",
                           "versions",
                           "website",
                           "%61cl",
                           "version%49d"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *forms[] = {PUPPY "&%s", PUPPY "&%s=", PUPPY "&%s=1"};
        for (size_t k = 0; k < 3; k++) {
            char query[256];
            const char *f = forms[k];
            size_t n = strlen(PUPPY "&");
            memcpy(query, f, n);
            snprintf(query + n, sizeof query - n, "%s%s", names[i], f + n + 2);
            struct request t = get_puppy();
            t.query = query;
            expect_denied(&t, "SignatureDoesNotMatch");
        }
    }
    struct request t = get_puppy();
    t.query = "x-id=GetObject&" PUPPY "&foo=bar&prefix=a";
    expect_ok(&t);
}

/* The signature that version 2 gives t; expires is a date in AWS's examples, which are of its header form. */
static void sign_2(const struct request *t, const char *expires, char signature[SIGV2_SIGNATURE_N + 1])
{
    struct cat_header headers[HEADERS_MAX];
    struct auth_request q = make(t, headers);
    struct arena scratch = ARENA(1 << 20);
    struct view to_sign;
    assert_int_equal(sigv2_to_sign(&q, view_cstr(expires), &scratch, &to_sign), RC_OK);
    sigv2_sign(VIEW(SECRET), to_sign, signature);
    arena_free(&scratch);
}

static void version_2_arithmetic_agrees_with_the_published_examples(void **state)
{
    (void)state;
    char signature[SIGV2_SIGNATURE_N + 1];
    const struct request upload = {"PUT",
                                   "/db-backup.dat.gz",
                                   NULL,
                                   {"Host", "static.johnsmith.net" DOMAIN, "x-amz-acl", "public-read", "content-type",
                                    "application/x-download", "Content-MD5",
                                    "4gJE4saaMU4BqNR0kLY+lw==", "X-Amz-Meta-ReviewedBy", "joe@johnsmith.net",
                                    "X-Amz-Meta-ReviewedBy", "jane@johnsmith.net", "X-Amz-Meta-FileChecksum",
                                    "0x02661779", "X-Amz-Meta-ChecksumAlgorithm", "crc32", NULL},
                                   0};
    sign_2(&upload, "Tue, 27 Mar 2007 21:06:08 +0000", signature);
    assert_string_equal(signature, "ilyl83RwaSoYIEdixDQcA4OnAnc=");
    const struct request acl = {"GET", "/", "acl", {"Host", "johnsmith" DOMAIN, NULL}, 0};
    sign_2(&acl, "Tue, 27 Mar 2007 19:44:46 +0000", signature);
    assert_string_equal(signature, "c2WLPFtWHVgbEmeEG93a4cG37dM=");
    const struct request unicode = {
        "GET", "/dictionary/fran%C3%A7ais/pr%c3%a9f%c3%a8re", NULL, {"Host", "s3.amazonaws.com", NULL}, 0};
    sign_2(&unicode, "Wed, 28 Mar 2007 01:49:49 +0000", signature);
    assert_string_equal(signature, "DNEZGsoieTZ92F3bUfSPQcbGmlM=");
}

#define LATER "1400000000" /* after MAY_24_S */

/* Signs t, whose query has no credentials yet, and checks it with them. */
static struct outcome sign_2_and_check(struct request t, const char *more_query)
{
    char signature[SIGV2_SIGNATURE_N + 1], query[512];
    sign_2(&t, LATER, signature);
    /* A raw '+' in the signature is taken too. */
    snprintf(query, sizeof query, "%s%s&AWSAccessKeyId=" KEY "&Expires=" LATER "&Signature=%s", t.query, more_query,
             signature);
    t.query = query;
    return check(&t);
}

static void version_2_signs_what_it_should(void **state)
{
    (void)state;
    const char *equal[][2] = {
        {"versionId=1&acl", ""},
        {"acl", "&prefix=x&marker=y"},
        {"response-content-type=text%2Fplain&response-cache-control=no%20store", ""},
        {"uploadId=a%2Bb&partNumber=7", "&max-parts=2"},
        {"content-type=text%2Fplain&x-amz-meta-a=%20b&x-amz-acl=private", ""},
    };
    struct request t = {"PUT", "/bkt/a%20b", NULL, {"Host", "h", NULL}, 0};
    for (size_t i = 0; i < sizeof equal / sizeof *equal; i++) {
        t.query = equal[i][0];
        struct outcome o = sign_2_and_check(t, equal[i][1]);
        if (o.rc != RC_OK)
            fail_msg("%s: %s", t.query, o.e.text);
    }
    /* An argument and the header it stands for are the same thing. */
    char by_query[SIGV2_SIGNATURE_N + 1], by_header[SIGV2_SIGNATURE_N + 1];
    t.query = "Content-Type=text%2Fplain&X-Amz-Meta-A=b";
    sign_2(&t, LATER, by_query);
    t.query = "";
    add(&t, "Content-Type", "text/plain");
    add(&t, "x-amz-meta-a", " b ");
    sign_2(&t, LATER, by_header);
    assert_string_equal(by_query, by_header);
    /* The declared hash of the body is kept. */
    t = (struct request){"PUT", "/bkt/k", "x", {"Host", "h", "x-amz-content-sha256", EMPTY, NULL}, 0};
    struct outcome o = sign_2_and_check(t, "");
    assert_int_equal(o.rc, RC_OK);
    assert_int_equal(o.r.payload, AUTH_PAYLOAD_SHA256);
    assert_int_equal(o.r.sha256[0], 0xe3);
    set(&t, "x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER");
    assert_int_equal(sign_2_and_check(t, "").rc, RC_OK);
    set(&t, "x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD");
    o = sign_2_and_check(t, "");
    assert_int_equal(o.rc, RC_DENIED);
    assert_string_equal(o.code, "InvalidRequest");
}

static void incomplete_and_doubled_version_2_urls_are_refused(void **state)
{
    (void)state;
    struct request t = get_puppy();
    const struct {
        const char *query, *code;
    } bad[] = {
        {"AWSAccessKeyId=" KEY, "AccessDenied"},
        {"Signature=" PUPPY_SIGNATURE "&Expires=1175139620", "AccessDenied"},
        {"AWSAccessKeyId=" KEY "&Signature=" PUPPY_SIGNATURE, "AccessDenied"},
        {PUPPY_QUERY(KEY, "", "1175139620"), "AccessDenied"},
        {PUPPY_QUERY(KEY, PUPPY_SIGNATURE, ""), "AccessDenied"},
        {PUPPY_QUERY(KEY, PUPPY_SIGNATURE, "tomorrow"), "AccessDenied"},
        {PUPPY_QUERY(KEY, PUPPY_SIGNATURE, "-1"), "AccessDenied"},
        {PUPPY_QUERY(KEY, PUPPY_SIGNATURE, "18446744073709551615"), "AccessDenied"},
        {PUPPY_QUERY(KEY, PUPPY_SIGNATURE, "99999999999999999999999"), "AccessDenied"},
        {PUPPY "&Expires=1175139620", "AccessDenied"},
        {PUPPY "&AWSAccessKeyId=" KEY, "AccessDenied"},
        {PUPPY "&Signature=" PUPPY_SIGNATURE, "AccessDenied"},
        {PUPPY "&" PRESIGNED("20130524T000000Z", "86400", PRESIGNED_SIGNATURE), "InvalidArgument"},
        {PUPPY "&a=%zz", "InvalidURI"},
        {PUPPY "&content-type=a%0Ab", "InvalidURI"},
        {PUPPY "&response-expires=a%0Ab", "InvalidURI"},
        {PUPPY "&x-amz-acl=a%0Ab", "InvalidURI"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        t.query = bad[i].query;
        expect_denied(&t, bad[i].code);
    }
    t = get_puppy();
    add(&t, "Authorization", GET_AUTH);
    expect_denied(&t, "InvalidArgument");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_examples_are_accepted),
        cmocka_unit_test(published_presigned_example_is_accepted_until_it_expires),
        cmocka_unit_test(each_changed_part_of_a_signed_request_is_noticed),
        cmocka_unit_test(each_digit_of_a_signature_counts),
        cmocka_unit_test(equal_spellings_of_a_request_have_one_signature),
        cmocka_unit_test(time_may_differ_by_fifteen_minutes),
        cmocka_unit_test(malformed_authorization_says_what_is_wrong),
        cmocka_unit_test(missing_and_doubled_credentials_are_refused),
        cmocka_unit_test(signed_by_us_is_accepted_by_us),
        cmocka_unit_test(arguments_may_come_in_any_order_and_spelling),
        cmocka_unit_test(date_header_stands_in_for_x_amz_date),
        cmocka_unit_test(endless_lists_are_refused),
        cmocka_unit_test(published_version_2_url_is_accepted_until_it_expires),
        cmocka_unit_test(each_changed_part_of_a_version_2_url_is_noticed),
        cmocka_unit_test(no_subresource_can_be_added_to_a_version_2_url),
        cmocka_unit_test(version_2_arithmetic_agrees_with_the_published_examples),
        cmocka_unit_test(version_2_signs_what_it_should),
        cmocka_unit_test(incomplete_and_doubled_version_2_urls_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
