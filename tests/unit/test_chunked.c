/* Holdfast: aws-chunked bodies: AWS's published streaming examples, every split of the input, every changed byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "catalog/catalog.h"
#include "gateway/auth.h"

#define EXAMPLE_BYTES 66560
#define SECRET "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
#define BODY_MAX (1u << 20)

static enum rc lookup(void *ctx, struct view access_key, struct caller *ret)
{
    (void)ctx;
    *ret = (struct caller){.account = 7};
    assert_true(view_copy(access_key, ret->access_key, sizeof ret->access_key));
    assert_true(view_copy(VIEW(SECRET), ret->secret, sizeof ret->secret));
    return RC_OK;
}

/* The published request; with_trailer chooses between the two pages. */
static struct auth_result example_auth(bool with_trailer)
{
    const char *scope = "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,";
    char text[600];
    snprintf(text, sizeof text, "%s%s", scope,
             with_trailer
                 ? "SignedHeaders=content-encoding;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;"
                   "x-amz-storage-class;x-amz-trailer,"
                   "Signature=106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e"
                 : "SignedHeaders=content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;"
                   "x-amz-decoded-content-length;x-amz-storage-class,"
                   "Signature=4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9");
    struct cat_header h[] = {
        {VIEW("Host"), VIEW("s3.amazonaws.com")},
        {VIEW("x-amz-date"), VIEW("20130524T000000Z")},
        {VIEW("x-amz-storage-class"), VIEW("REDUCED_REDUNDANCY")},
        {VIEW("Authorization"), view_cstr(text)},
        {VIEW("x-amz-content-sha256"),
         view_cstr(with_trailer ? "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER" : "STREAMING-AWS4-HMAC-SHA256-PAYLOAD")},
        {VIEW("Content-Encoding"), VIEW("aws-chunked")},
        {VIEW("x-amz-decoded-content-length"), VIEW("66560")},
        with_trailer ? (struct cat_header){VIEW("x-amz-trailer"), VIEW("x-amz-checksum-crc32c")}
                     : (struct cat_header){VIEW("Content-Length"), VIEW("66824")},
    };
    struct auth_request q = {.method = VIEW("PUT"),
                             .path = VIEW("/examplebucket/chunkObject.txt"),
                             .query = VIEW(""),
                             .headers = h,
                             .n_headers = sizeof h / sizeof *h,
                             .now_ns = 1369353600 * NS_PER_S};
    struct arena scratch = ARENA(1 << 20);
    struct auth_result r;
    const char *code = "none";
    struct err e = {""};
    if (auth_check(&q, lookup, NULL, &scratch, &r, &code, &e) != RC_OK)
        fail_msg("%s: %s", code, e.text);
    arena_free(&scratch);
    return r;
}

static void put_chunk(struct buf *b, size_t n, const char *signature)
{
    assert_int_equal(buf_printf(b, "%zx;chunk-signature=%s\r\n", n, signature), RC_OK);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(buf_put(b, "a", 1), RC_OK);
}

static struct buf example_body(void)
{
    struct buf b = BUF(BODY_MAX);
    put_chunk(&b, 65536, "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648");
    assert_int_equal(buf_puts(&b, "\r\n"), RC_OK);
    put_chunk(&b, 1024, "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497");
    assert_int_equal(buf_puts(&b, "\r\n"), RC_OK);
    put_chunk(&b, 0, "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9");
    assert_int_equal(buf_puts(&b, "\r\n"), RC_OK);
    return b;
}

#define EXAMPLE_TRAILER "x-amz-checksum-crc32c:sOO8/Q=="
#define EXAMPLE_TRAILER_SIGNATURE                                                                                      \
    "x-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435"

static struct buf example_trailer_body(const char *end)
{
    struct buf b = BUF(BODY_MAX);
    put_chunk(&b, 65536, "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2");
    assert_int_equal(buf_puts(&b, "\r\n"), RC_OK);
    put_chunk(&b, 1024, "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7");
    assert_int_equal(buf_puts(&b, "\r\n"), RC_OK);
    put_chunk(&b, 0, "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992");
    assert_int_equal(buf_puts(&b, end), RC_OK);
    return b;
}

struct decoded {
    enum rc rc;
    const char *code;
    struct buf data;
    char crc32c[64];
};

static enum rc sink(void *ctx, struct view data)
{
    return buf_putv(ctx, data);
}

/* Feeds body in the pieces that cut_a and cut_b make of it. */
static struct decoded decode(const struct auth_result *auth, uint64_t size, struct view body, size_t cut_a,
                             size_t cut_b)
{
    struct chunked *c;
    struct decoded d = {.code = "none", .data = BUF(BODY_MAX)};
    struct err e;
    assert_int_equal(chunked_new(auth, size, &c), RC_OK);
    struct view pieces[] = {view_sub(body, 0, cut_a), view_sub(body, cut_a, cut_b - cut_a),
                            view_sub(body, cut_b, body.n)};
    for (int i = 0; i < 3 && d.rc == RC_OK; i++)
        d.rc = chunked_feed(c, pieces[i], sink, &d.data, &d.code, &e);
    if (d.rc == RC_OK)
        d.rc = chunked_end(c, &d.code, &e);
    else
        assert_int_equal(chunked_end(c, &d.code, &e), d.rc); /* an error is final */
    struct view v = chunked_trailer(c, "x-amz-checksum-crc32c");
    assert_true(view_copy(v.p ? v : VIEW("none"), d.crc32c, sizeof d.crc32c));
    chunked_free(c);
    return d;
}

static void expect(const struct auth_result *auth, uint64_t size, struct view body, enum rc rc, const char *code)
{
    struct decoded d = decode(auth, size, body, body.n, body.n);
    if (d.rc != rc || strcmp(d.code, code) != 0)
        fail_msg("%.*s: %s %s, expected %s %s", (int)body.n, body.p, rc_name(d.rc), d.code, rc_name(rc), code);
    buf_free(&d.data);
}

static void published_signed_chunks_decode(void **state)
{
    (void)state;
    struct auth_result auth = example_auth(false);
    assert_int_equal(auth.payload, AUTH_PAYLOAD_CHUNKS);
    struct buf body = example_body();
    assert_int_equal(body.n, 66824);
    struct decoded d = decode(&auth, EXAMPLE_BYTES, buf_view(&body), body.n, body.n);
    assert_int_equal(d.rc, RC_OK);
    assert_int_equal(d.data.n, EXAMPLE_BYTES);
    for (size_t i = 0; i < d.data.n; i++)
        assert_int_equal(d.data.p[i], 'a');
    buf_free(&d.data);
    buf_free(&body);
}

static void published_signed_trailer_decodes(void **state)
{
    (void)state;
    struct auth_result auth = example_auth(true);
    assert_int_equal(auth.payload, AUTH_PAYLOAD_CHUNKS_TRAILER);
    const char *good[] = {EXAMPLE_TRAILER "\r\n" EXAMPLE_TRAILER_SIGNATURE "\r\n\r\n",
                          EXAMPLE_TRAILER "\n\r\n" EXAMPLE_TRAILER_SIGNATURE "\r\n\r\n", /* as minio-go writes it */
                          "X-Amz-Checksum-CRC32C:  sOO8/Q== \r\n" EXAMPLE_TRAILER_SIGNATURE "\r\n\r\n"};
    for (int i = 0; i < 3; i++) {
        struct buf body = example_trailer_body(good[i]);
        struct decoded d = decode(&auth, EXAMPLE_BYTES, buf_view(&body), 5, 70000);
        assert_int_equal(d.rc, RC_OK);
        assert_int_equal(d.data.n, EXAMPLE_BYTES);
        assert_string_equal(d.crc32c, "sOO8/Q==");
        buf_free(&d.data);
        buf_free(&body);
    }
}

static void changed_trailers_are_refused(void **state)
{
    (void)state;
    struct auth_result auth = example_auth(true);
    const struct {
        const char *end;
        enum rc rc;
        const char *code;
    } cases[] = {
        {"x-amz-checksum-crc32c:sOO8/A==\r\n" EXAMPLE_TRAILER_SIGNATURE "\r\n\r\n", RC_DENIED, "SignatureDoesNotMatch"},
        {"x-amz-checksum-crc32:sOO8/Q==\r\n" EXAMPLE_TRAILER_SIGNATURE "\r\n\r\n", RC_DENIED, "SignatureDoesNotMatch"},
        {EXAMPLE_TRAILER "\r\na:b\r\n" EXAMPLE_TRAILER_SIGNATURE "\r\n\r\n", RC_DENIED, "SignatureDoesNotMatch"},
        {EXAMPLE_TRAILER "\r\n" EXAMPLE_TRAILER_SIGNATURE "\r\na:b\r\n\r\n", RC_INVALID, "MalformedTrailerError"},
        {EXAMPLE_TRAILER "\r\n" EXAMPLE_TRAILER "\r\n" EXAMPLE_TRAILER_SIGNATURE "\r\n\r\n", RC_INVALID,
         "MalformedTrailerError"},
        {EXAMPLE_TRAILER "\r\n" EXAMPLE_TRAILER_SIGNATURE "\r\n", RC_INVALID, "IncompleteBody"},
        {EXAMPLE_TRAILER "\r\n\r\n", RC_INVALID, "IncompleteBody"}, /* its signature may still come */
        {"\r\n", RC_DENIED, "SignatureDoesNotMatch"},
        {"", RC_INVALID, "IncompleteBody"},
        {"nonsense\r\n\r\n", RC_INVALID, "MalformedTrailerError"},
        {": x\r\n\r\n", RC_INVALID, "MalformedTrailerError"},
        {EXAMPLE_TRAILER "\r\n" EXAMPLE_TRAILER_SIGNATURE "\r\n\r\nx", RC_INVALID, "InvalidRequest"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf body = example_trailer_body(cases[i].end);
        struct decoded d = decode(&auth, EXAMPLE_BYTES, buf_view(&body), body.n, body.n);
        if (d.rc != cases[i].rc || strcmp(d.code, cases[i].code) != 0)
            fail_msg("case %zu: %s %s", i, rc_name(d.rc), d.code);
        buf_free(&d.data);
        buf_free(&body);
    }
}

/* ---- small signed bodies, made here ---- */

static struct auth_result own_auth(enum auth_payload payload)
{
    struct auth_result a = {.payload = payload};
    memset(a.signing_key, 'k', sizeof a.signing_key);
    memset(a.seed_signature, '0', 64);
    memcpy(a.scope_date, "20261121", 9);
    memcpy(a.scope_region, "eu", 3);
    memcpy(a.amz_date, "20261121T000000Z", 17);
    return a;
}

static void sign(const struct auth_result *a, const char *algorithm, const char *middle, struct view content,
                 char *previous)
{
    uint8_t sum[32], mac[32];
    char hex[65], text[512];
    digest_once(DIGEST_SHA256, content.p, content.n, sum);
    hex_encode(sum, 32, hex);
    int n = snprintf(text, sizeof text, "%s\n20261121T000000Z\n20261121/eu/s3/aws4_request\n%s\n%s%s", algorithm,
                     previous, middle, hex);
    hmac_sha256(a->signing_key, 32, text, (size_t)n, mac);
    hex_encode(mac, 32, previous);
}

static struct buf own_body(const struct auth_result *a, const char *const *chunks)
{
    struct buf b = BUF(BODY_MAX);
    char previous[65];
    memcpy(previous, a->seed_signature, 65);
    for (size_t i = 0;; i++) {
        struct view v = view_cstr(chunks[i] ? chunks[i] : "");
        sign(a, "AWS4-HMAC-SHA256-PAYLOAD", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n", v,
             previous);
        assert_int_equal(buf_printf(&b, "%zX;chunk-signature=%s\r\n", v.n, previous), RC_OK);
        if (!chunks[i])
            break;
        assert_int_equal(buf_putv(&b, v), RC_OK);
        assert_int_equal(buf_puts(&b, "\r\n"), RC_OK);
    }
    if (a->payload == AUTH_PAYLOAD_CHUNKS_TRAILER) {
        sign(a, "AWS4-HMAC-SHA256-TRAILER", "", VIEW("x-amz-checksum-crc32c:AAAA\nx-b:c\n"), previous);
        assert_int_equal(
            buf_printf(&b, "x-amz-checksum-crc32c:AAAA\r\nx-b:c\r\nx-amz-trailer-signature:%s\r\n", previous), RC_OK);
    }
    assert_int_equal(buf_puts(&b, "\r\n"), RC_OK);
    return b;
}

static const char *const small_chunks[] = {"hello ", "w", "orld, this is chunked", NULL};
#define SMALL "hello world, this is chunked"

static void input_may_be_split_anywhere(void **state)
{
    (void)state;
    const enum auth_payload kinds[] = {AUTH_PAYLOAD_CHUNKS, AUTH_PAYLOAD_CHUNKS_TRAILER};
    for (int k = 0; k < 2; k++) {
        struct auth_result auth = own_auth(kinds[k]);
        struct buf body = own_body(&auth, small_chunks);
        for (size_t a = 0; a <= body.n; a++)
            for (size_t b = a; b <= body.n; b += 1 + (b - a) / 16) {
                struct decoded d = decode(&auth, strlen(SMALL), buf_view(&body), a, b);
                if (d.rc != RC_OK || !view_eqs(buf_view(&d.data), SMALL))
                    fail_msg("split at %zu and %zu: %s", a, b, d.code);
                assert_string_equal(d.crc32c, k ? "AAAA" : "none");
                buf_free(&d.data);
            }
        buf_free(&body);
    }
}

static void input_may_come_byte_by_byte(void **state)
{
    (void)state;
    struct auth_result auth = example_auth(false);
    struct buf body = example_body(), out = BUF(BODY_MAX);
    struct chunked *c;
    const char *code = "none";
    struct err e;
    assert_int_equal(chunked_new(&auth, EXAMPLE_BYTES, &c), RC_OK);
    for (size_t i = 0; i < body.n; i++)
        assert_int_equal(chunked_feed(c, view_of(body.p + i, 1), sink, &out, &code, &e), RC_OK);
    assert_int_equal(chunked_end(c, &code, &e), RC_OK);
    assert_int_equal(out.n, EXAMPLE_BYTES);
    chunked_free(c);
    buf_free(&out);
    buf_free(&body);
}

static void any_changed_byte_is_noticed(void **state)
{
    (void)state;
    const enum auth_payload kinds[] = {AUTH_PAYLOAD_CHUNKS, AUTH_PAYLOAD_CHUNKS_TRAILER};
    for (int k = 0; k < 2; k++) {
        struct auth_result auth = own_auth(kinds[k]);
        struct buf body = own_body(&auth, small_chunks);
        for (size_t i = 0; i < body.n; i++)
            for (int bit = 0; bit < 8; bit++) {
                body.p[i] = (char)(body.p[i] ^ 1 << bit);
                struct decoded d = decode(&auth, strlen(SMALL), buf_view(&body), body.n, body.n);
                /* The same in other bytes: a letter of a size or of a trailer's name in its other case; a blank where
                 * a trailer's CR was. */
                bool same = bit == 5 || body.p[i] == '\t';
                if (d.rc == RC_OK && (!same || !view_eqs(buf_view(&d.data), SMALL)))
                    fail_msg("bit %d of byte %zu", bit, i);
                buf_free(&d.data);
                body.p[i] = (char)(body.p[i] ^ 1 << bit);
            }
        for (size_t n = 0; n < body.n; n++) {
            struct decoded d = decode(&auth, strlen(SMALL), view_of(body.p, n), n, n);
            assert_int_not_equal(d.rc, RC_OK);
            buf_free(&d.data);
        }
        buf_free(&body);
    }
}

static void other_key_seed_date_or_region_is_refused(void **state)
{
    (void)state;
    struct auth_result auth = own_auth(AUTH_PAYLOAD_CHUNKS);
    struct buf body = own_body(&auth, small_chunks);
    struct auth_result wrong[] = {auth, auth, auth, auth};
    wrong[0].signing_key[0] ^= 1;
    wrong[1].seed_signature[0] = '1';
    wrong[2].amz_date[15] = 'z';
    wrong[3].scope_region[0] = 'f';
    for (int i = 0; i < 4; i++)
        expect(&wrong[i], strlen(SMALL), buf_view(&body), RC_DENIED, "SignatureDoesNotMatch");
    buf_free(&body);
}

static void swapped_chunks_are_refused(void **state)
{
    (void)state;
    struct auth_result auth = own_auth(AUTH_PAYLOAD_CHUNKS);
    const char *const chunks[] = {"aaaa", "bbbb", NULL};
    struct buf body = own_body(&auth, chunks);
    size_t one = 1 + 17 + 64 + 2 + 4 + 2;
    struct buf swapped = BUF(BODY_MAX);
    assert_int_equal(buf_put(&swapped, body.p + one, one), RC_OK);
    assert_int_equal(buf_put(&swapped, body.p, one), RC_OK);
    assert_int_equal(buf_put(&swapped, body.p + 2 * one, body.n - 2 * one), RC_OK);
    expect(&auth, 8, buf_view(&swapped), RC_DENIED, "SignatureDoesNotMatch");
    buf_free(&swapped);
    buf_free(&body);
}

static void declared_size_must_be_met(void **state)
{
    (void)state;
    struct auth_result auth = own_auth(AUTH_PAYLOAD_CHUNKS);
    struct buf body = own_body(&auth, small_chunks);
    expect(&auth, strlen(SMALL), buf_view(&body), RC_OK, "none");
    expect(&auth, strlen(SMALL) - 1, buf_view(&body), RC_INVALID, "IncompleteBody");
    expect(&auth, strlen(SMALL) + 1, buf_view(&body), RC_INVALID, "IncompleteBody");
    expect(&auth, 0, buf_view(&body), RC_INVALID, "IncompleteBody");
    buf_free(&body);
}

static void unsigned_chunks_with_a_trailer_decode(void **state)
{
    (void)state;
    struct auth_result auth = own_auth(AUTH_PAYLOAD_UNSIGNED_TRAILER);
    const char *good[] = {"5\r\nhello\r\n0\r\nx-amz-checksum-crc32c:mnG7TA==\r\n\r\n",
                          "2;any=thing\r\nhe\r\n0003\r\nllo\r\n0\r\nX-Amz-Checksum-Crc32c: mnG7TA==\r\n\r\n",
                          "5\r\nhello\r\n0\r\nx-amz-trailer-signature:0\r\nx-amz-checksum-crc32c:mnG7TA==\r\n\r\n"};
    for (int i = 0; i < 3; i++) {
        struct view body = view_cstr(good[i]);
        for (size_t a = 0; a <= body.n; a++) {
            struct decoded d = decode(&auth, 5, body, a, body.n);
            assert_int_equal(d.rc, RC_OK);
            assert_true(view_eqs(buf_view(&d.data), "hello"));
            assert_string_equal(d.crc32c, "mnG7TA==");
            buf_free(&d.data);
        }
    }
    expect(&auth, 5, VIEW("5\r\nhello\r\n0\r\n\r\n"), RC_OK, "none");
    expect(&auth, 0, VIEW("0\r\n\r\n"), RC_OK, "none");
}

static void malformed_framing_is_refused(void **state)
{
    (void)state;
    struct auth_result auth = own_auth(AUTH_PAYLOAD_UNSIGNED_TRAILER), is_signed = own_auth(AUTH_PAYLOAD_CHUNKS);
    const struct {
        const char *body, *code;
    } cases[] = {
        {"", "IncompleteBody"},
        {"5", "IncompleteBody"},
        {"5\r\nhell", "IncompleteBody"},
        {"5\r\nhello", "IncompleteBody"},
        {"5\r\nhello\r\n", "IncompleteBody"},
        {"5\r\nhello\r\n0\r\n", "IncompleteBody"},
        {"\r\nhello\r\n0\r\n\r\n", "InvalidRequest"},
        {"x\r\nhello\r\n0\r\n\r\n", "InvalidRequest"},
        {"-5\r\nhello\r\n0\r\n\r\n", "InvalidRequest"},
        {" 5\r\nhello\r\n0\r\n\r\n", "InvalidRequest"},
        {"0x5\r\nhello\r\n0\r\n\r\n", "InvalidRequest"},
        {"5\nhello\r\n0\r\n\r\n", "InvalidRequest"},
        {"5\r\r\nhello\r\n0\r\n\r\n", "InvalidRequest"},
        {"5\r\nhello0\r\n\r\n", "InvalidRequest"},
        {"5\r\nhello\n0\r\n\r\n", "InvalidRequest"},
        {"5\r\nhello!\r\n0\r\n\r\n", "InvalidRequest"},
        {"4\r\nhello\r\n0\r\n\r\n", "InvalidRequest"},
        {"6\r\nhello\r\n0\r\n\r\n", "IncompleteBody"},
        {"10000000000000005\r\nhello\r\n0\r\n\r\n", "InvalidRequest"},
        {"ffffffffffffffff\r\nhello\r\n0\r\n\r\n", "IncompleteBody"},
        {"5\r\nhello\r\n0\r\n\r\n\r\n", "InvalidRequest"},
        {"5\r\nhello\r\n0\r\na: b\n\r\n", "InvalidRequest"},
        {"5\r\nhello\r\n0\r\na: b\r\na: c\r\n\r\n", "MalformedTrailerError"},
        {"5\r\nhello\r\n0\r\na b: c\r\n\r\n", "MalformedTrailerError"},
        {"5\r\nhello\r\n0\r\n1:\r\n2:\r\n3:\r\n4:\r\n5:\r\n6:\r\n7:\r\n8:\r\n9:\r\n\r\n", "MalformedTrailerError"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect(&auth, 5, view_cstr(cases[i].body), RC_INVALID, cases[i].code);
    expect(&is_signed, 5, VIEW("5\r\nhello\r\n0\r\n\r\n"), RC_INVALID, "InvalidRequest");
    expect(&is_signed, 5, VIEW("5;chunk-signature=\r\nhello\r\n0\r\n\r\n"), RC_DENIED, "SignatureDoesNotMatch");
    expect(&is_signed, 5, VIEW("5;signature=00\r\nhello\r\n0\r\n\r\n"), RC_INVALID, "InvalidRequest");
}

static void endless_lines_are_refused(void **state)
{
    (void)state;
    struct auth_result auth = own_auth(AUTH_PAYLOAD_UNSIGNED_TRAILER);
    struct buf b = BUF(BODY_MAX);
    assert_int_equal(buf_puts(&b, "5;"), RC_OK);
    for (int i = 0; i < CHUNKED_LINE_MAX; i++)
        assert_int_equal(buf_put(&b, "x", 1), RC_OK);
    expect(&auth, 5, buf_view(&b), RC_INVALID, "InvalidRequest");
    buf_clear(&b);
    assert_int_equal(buf_puts(&b, "0\r\n"), RC_OK);
    for (int k = 0; k < 4; k++) {
        assert_int_equal(buf_printf(&b, "x%d:", k), RC_OK);
        for (int i = 0; i < CHUNKED_LINE_MAX - 10; i++)
            assert_int_equal(buf_put(&b, "x", 1), RC_OK);
        assert_int_equal(buf_puts(&b, "\r\n"), RC_OK);
    }
    expect(&auth, 0, buf_view(&b), RC_INVALID, "MalformedTrailerError");
    buf_free(&b);
}

static enum rc refusing_sink(void *ctx, struct view data)
{
    (void)ctx;
    (void)data;
    return RC_FULL;
}

static void trouble_of_the_sink_passes_through(void **state)
{
    (void)state;
    struct auth_result auth = own_auth(AUTH_PAYLOAD_UNSIGNED_TRAILER);
    struct chunked *c;
    const char *code = "none";
    assert_int_equal(chunked_new(&auth, 5, &c), RC_OK);
    assert_int_equal(chunked_feed(c, VIEW("5\r\nhello\r\n"), refusing_sink, NULL, &code, NULL), RC_FULL);
    assert_string_equal(code, "none");
    assert_int_equal(chunked_feed(c, VIEW("0\r\n\r\n"), refusing_sink, NULL, &code, NULL), RC_FULL);
    assert_int_equal(chunked_end(c, &code, NULL), RC_FULL);
    chunked_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_signed_chunks_decode),
        cmocka_unit_test(published_signed_trailer_decodes),
        cmocka_unit_test(changed_trailers_are_refused),
        cmocka_unit_test(input_may_be_split_anywhere),
        cmocka_unit_test(input_may_come_byte_by_byte),
        cmocka_unit_test(any_changed_byte_is_noticed),
        cmocka_unit_test(other_key_seed_date_or_region_is_refused),
        cmocka_unit_test(swapped_chunks_are_refused),
        cmocka_unit_test(declared_size_must_be_met),
        cmocka_unit_test(unsigned_chunks_with_a_trailer_decode),
        cmocka_unit_test(malformed_framing_is_refused),
        cmocka_unit_test(endless_lines_are_refused),
        cmocka_unit_test(trouble_of_the_sink_passes_through),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
