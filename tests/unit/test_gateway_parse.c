/* Holdfast: what clients send is understood as S3 understands it: routes, ranges, copy sources, tags, XML bodies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/parse_priv.h"

#define ARENA_MAX (1u << 20)

/* ---- routing ---- */
struct routed {
    enum rc rc;
    struct route route;
    const char *code;
};

static struct routed route_at(struct arena *a, const char *method, const char *host, const char *path,
                              const char *query, bool copies)
{
    struct params params;
    struct routed r = {.rc = gw_params_parse(view_cstr(query), a, &params)};
    assert_int_equal(r.rc, RC_OK);
    struct route_request q = {view_cstr(method), view_cstr(path), view_cstr(host), "localhost", &params, copies};
    r.rc = gw_route(&q, a, &r.route, &r.code);
    return r;
}

static void assert_op(const char *method, const char *path, const char *query, enum gw_op op)
{
    struct arena a = ARENA(ARENA_MAX);
    struct routed r = route_at(&a, method, "127.0.0.1:9000", path, query, false);
    assert_int_equal(r.rc, RC_OK);
    assert_int_equal(r.route.op, op);
    arena_free(&a);
}

static void assert_refused(const char *method, const char *path, const char *query, const char *code)
{
    struct arena a = ARENA(ARENA_MAX);
    struct routed r = route_at(&a, method, "127.0.0.1:9000", path, query, false);
    assert_int_equal(r.rc, RC_INVALID);
    assert_string_equal(r.code, code);
    arena_free(&a);
}

static void assert_key(const char *host, const char *path, const char *bucket, const char *key)
{
    struct arena a = ARENA(ARENA_MAX);
    struct routed r = route_at(&a, "GET", host, path, "", false);
    assert_int_equal(r.rc, RC_OK);
    assert_true(view_eqs(r.route.bucket, bucket));
    assert_true(view_eqs(r.route.key, key));
    arena_free(&a);
}

static void each_verb_and_subresource_finds_its_operation(void **state)
{
    (void)state;
    assert_op("GET", "/", "", OP_BUCKETS_LIST);
    assert_op("PUT", "/bucket", "", OP_BUCKET_CREATE);
    assert_op("PUT", "/bucket/", "x-id=CreateBucket", OP_BUCKET_CREATE);
    assert_op("GET", "/bucket", "", OP_LIST_V1);
    assert_op("GET", "/bucket/", "list-type=2&prefix=&delimiter=%2F", OP_LIST_V2);
    assert_op("GET", "/bucket", "versions", OP_LIST_VERSIONS);
    assert_op("GET", "/bucket", "uploads=", OP_LIST_UPLOADS);
    assert_op("POST", "/bucket", "delete", OP_DELETE_MANY);
    assert_op("HEAD", "/bucket", "", OP_BUCKET_HEAD);
    assert_op("PUT", "/bucket/key", "x-id=PutObject", OP_OBJECT_PUT);
    assert_op("GET", "/bucket/key", "versionId=null&response-content-type=text%2Fplain", OP_OBJECT_GET);
    assert_op("PUT", "/bucket/key", "partNumber=1&uploadId=abc", OP_UPLOAD_PART);
    assert_op("POST", "/bucket/key", "uploads", OP_UPLOAD_CREATE);
    assert_op("POST", "/bucket/key", "uploadId=abc", OP_UPLOAD_COMPLETE);
    assert_op("DELETE", "/bucket/key", "uploadId=abc", OP_UPLOAD_ABORT);
    assert_op("DELETE", "/bucket/key", "tagging", OP_OBJECT_TAGS_DELETE);
    assert_op("GET", "/bucket/key", "attributes", OP_OBJECT_ATTRIBUTES);
    assert_op("OPTIONS", "/bucket/key", "", OP_PREFLIGHT);
}

static void a_copy_source_makes_a_put_a_copy(void **state)
{
    (void)state;
    struct arena a = ARENA(ARENA_MAX);
    assert_int_equal(route_at(&a, "PUT", "h", "/bucket/key", "", true).route.op, OP_OBJECT_COPY);
    assert_int_equal(route_at(&a, "PUT", "h", "/bucket/key", "partNumber=2&uploadId=u", true).route.op,
                     OP_UPLOAD_PART_COPY);
    arena_free(&a);
}

static void what_is_not_built_is_never_taken_for_the_plain_operation(void **state)
{
    (void)state;
    static const char *const names[] = {"policy", "cors", "lifecycle", "acl", "encryption", "object-lock", "website"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        assert_op("GET", "/bucket", names[i], OP_NOT_MADE_READ);
        assert_op("PUT", "/bucket", names[i], OP_NOT_MADE);
        assert_op("DELETE", "/bucket", names[i], OP_NOT_MADE);
    }
    assert_op("PUT", "/bucket/key", "retention", OP_NOT_MADE);
    assert_op("DELETE", "/bucket", "something-new", OP_NOT_MADE);
    assert_op("PUT", "/bucket/key", "append", OP_NOT_MADE);
    assert_op("POST", "/bucket", "", OP_NOT_MADE);
}

static void bucket_and_key_come_from_path_or_virtual_host(void **state)
{
    (void)state;
    assert_key("127.0.0.1:9000", "/bucket/a/b", "bucket", "a/b");
    assert_key("localhost:9000", "/bucket/a", "bucket", "a");
    assert_key("bucket.localhost:9000", "/a/b", "bucket", "a/b");
    assert_key("My.Bucket.LocalHost", "/", "my.bucket", "");
    assert_key("bucket.example.com", "/other/a", "other", "a");
    assert_key("[::1]:9000", "/bucket/a", "bucket", "a");
}

static void keys_are_bytes_decoded_once(void **state)
{
    (void)state;
    assert_key("h", "/bucket/a//b", "bucket", "a//b");
    assert_key("h", "/bucket/../x", "bucket", "../x");
    assert_key("h", "/bucket/.", "bucket", ".");
    assert_key("h", "/bucket//", "bucket", "/");
    assert_key("h", "/bucket/a+b%20c", "bucket", "a+b c");
    assert_key("h", "/bucket/%252F%2F", "bucket", "%2F/");
    assert_key("h", "/bucket/%E4%B8%AD", "bucket", "\xE4\xB8\xAD");
}

static void bad_uris_names_and_keys_are_refused_by_name(void **state)
{
    (void)state;
    char longest[2 + 6 + KEY_MAX + 2];
    memset(longest, 'k', sizeof longest);
    memcpy(longest, "/bucket/", 8);
    longest[8 + KEY_MAX] = 0;
    assert_op("GET", longest, "", OP_OBJECT_GET);
    longest[8 + KEY_MAX] = 'k';
    longest[8 + KEY_MAX + 1] = 0;
    assert_refused("GET", longest, "", "KeyTooLongError");
    assert_refused("GET", "/bucket/%ff", "", "InvalidURI");
    assert_refused("GET", "/bucket/%00", "", "InvalidURI");
    assert_refused("GET", "/bucket/%4", "", "InvalidURI");
    assert_refused("GET", "*", "", "InvalidURI");
    assert_refused("PUT", "/Bucket", "", "InvalidBucketName");
    assert_refused("PUT", "/ab", "", "InvalidBucketName");
    assert_refused("PUT", "/192.168.5.4", "", "InvalidBucketName");
    assert_refused("PUT", "/a..b", "", "InvalidBucketName");
    assert_refused("PATCH", "/bucket/key", "", "MethodNotAllowed");
    assert_refused("POST", "/bucket/key", "", "MethodNotAllowed");
    assert_refused("GET", "/bucket", "list-type=3", "InvalidArgument");
}

/* ---- headers ---- */
static void assert_range(const char *header, uint64_t size, uint64_t first, uint64_t last)
{
    uint64_t a = 0, b = 0;
    assert_int_equal(gw_range(view_cstr(header), size, &a, &b), RANGE_OK);
    assert_int_equal(a, first);
    assert_int_equal(b, last);
}

static void ranges_are_cut_to_the_object(void **state)
{
    (void)state;
    uint64_t a, b;
    assert_range("bytes=0-0", 10, 0, 0);
    assert_range("bytes=3-", 10, 3, 9);
    assert_range("bytes=3-99", 10, 3, 9);
    assert_range("bytes=-4", 10, 6, 9);
    assert_range("bytes=-99", 10, 0, 9);
    assert_range("Bytes= 1-2", 10, 1, 2);
    assert_int_equal(gw_range(VIEW("bytes=10-"), 10, &a, &b), RANGE_UNSATISFIABLE);
    assert_int_equal(gw_range(VIEW("bytes=-0"), 10, &a, &b), RANGE_UNSATISFIABLE);
    assert_int_equal(gw_range(VIEW("bytes=0-"), 0, &a, &b), RANGE_UNSATISFIABLE);
}

static void ranges_that_are_none_give_the_whole_object(void **state)
{
    (void)state;
    static const char *const none[] = {
        "bytes=2-1", "bytes=0-1,3-4", "bytes=", "bytes=-", "bytes=a-b", "items=0-1", "bytes=99999999999999999999-", ""};
    uint64_t a, b;
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        assert_int_equal(gw_range(view_cstr(none[i]), 10, &a, &b), RANGE_NONE);
}

static void copy_ranges_need_both_ends_inside_the_source(void **state)
{
    (void)state;
    uint64_t a, b;
    assert_int_equal(gw_copy_range(VIEW("bytes=2-9"), 10, &a, &b), RC_OK);
    assert_int_equal(a, 2);
    assert_int_equal(b, 9);
    assert_int_equal(gw_copy_range(VIEW("bytes=2-10"), 10, &a, &b), RC_INVALID);
    assert_int_equal(gw_copy_range(VIEW("bytes=2-"), 10, &a, &b), RC_INVALID);
    assert_int_equal(gw_copy_range(VIEW("bytes=-2"), 10, &a, &b), RC_INVALID);
}

static void copy_sources_are_decoded_and_their_version_is_kept(void **state)
{
    (void)state;
    struct arena a = ARENA(ARENA_MAX);
    struct copy_source s;
    assert_int_equal(gw_copy_source(VIEW("/bucket/a%20b+c"), &a, &s), RC_OK);
    assert_true(view_eqs(s.bucket, "bucket"));
    assert_true(view_eqs(s.key, "a b+c"));
    assert_true(!s.has_version && s.version.any_latest);
    assert_int_equal(gw_copy_source(VIEW("bucket%2Fkey?versionId=null"), &a, &s), RC_OK);
    assert_true(view_eqs(s.key, "key") && s.has_version && s.version.null_version);
    assert_int_equal(gw_copy_source(VIEW("bucket/a%3FversionId=x"), &a, &s), RC_OK);
    assert_true(view_eqs(s.key, "a?versionId=x"));
    static const char *const bad[] = {
        "", "/", "bucket", "bucket/", "/bucket/a?other=1", "bucket/%zz", "BUCKET/a", "bucket/a?versionId=what"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(gw_copy_source(view_cstr(bad[i]), &a, &s), RC_INVALID);
    arena_free(&a);
}

static void entity_tags_match_in_lists(void **state)
{
    (void)state;
    assert_true(gw_etag_listed(VIEW("\"abc\""), "abc"));
    assert_true(gw_etag_listed(VIEW("\"x\", W/\"abc\""), "abc"));
    assert_true(gw_etag_listed(VIEW("abc"), "abc"));
    assert_true(gw_etag_listed(VIEW("*"), "abc"));
    assert_false(gw_etag_listed(VIEW("\"abcd\""), "abc"));
    assert_false(gw_etag_listed(VIEW(""), "abc"));
}

static void continuation_tokens_come_back_as_they_were(void **state)
{
    (void)state;
    struct arena a = ARENA(ARENA_MAX);
    struct view token, next;
    bool prefix;
    assert_int_equal(gw_token_encode(VIEW("a/\x01"), true, &a, &token), RC_OK);
    assert_int_equal(gw_token_decode(token, &a, &next, &prefix), RC_OK);
    assert_true(view_eqs(next, "a/\x01") && prefix);
    assert_int_equal(gw_token_decode(VIEW("AAAA"), &a, &next, &prefix), RC_INVALID);
    assert_int_equal(gw_token_decode(VIEW("not base64"), &a, &next, &prefix), RC_INVALID);
    arena_free(&a);
}

/* ---- tags ---- */
static void tags_are_kept_in_one_spelling(void **state)
{
    (void)state;
    struct arena a = ARENA(ARENA_MAX);
    struct tag_list t;
    const char *code, *message;
    struct view text;
    assert_int_equal(gw_tags_parse(VIEW("a=1&b+c=%C3%A9&d="), TAGS_MAX, &a, &t, &code, &message), RC_OK);
    assert_int_equal(t.n, 3);
    assert_int_equal(gw_tags_text(&t, &a, &text), RC_OK);
    assert_true(view_eqs(text, "a=1&b%20c=%C3%A9&d="));
    arena_free(&a);
}

static void tags_past_s3s_limits_are_refused(void **state)
{
    (void)state;
    struct arena a = ARENA(ARENA_MAX);
    struct tag_list t;
    const char *code, *message;
    assert_int_equal(gw_tags_parse(VIEW("a=1&a=2"), TAGS_MAX, &a, &t, &code, &message), RC_INVALID);
    assert_string_equal(code, "InvalidArgument");
    assert_int_equal(gw_tags_parse(VIEW("a%3F=1"), TAGS_MAX, &a, &t, &code, &message), RC_INVALID);
    assert_string_equal(code, "InvalidTag");
    assert_int_equal(gw_tags_parse(VIEW("a&b&c&d&e&f&g&h&i&j&k"), TAGS_MAX, &a, &t, &code, &message), RC_INVALID);
    assert_string_equal(code, "BadRequest");
    assert_int_equal(gw_tags_parse(VIEW("aws:x=1"), TAGS_MAX, &a, &t, &code, &message), RC_INVALID);
    assert_int_equal(gw_tags_parse(VIEW("=1"), TAGS_MAX, &a, &t, &code, &message), RC_INVALID);
    assert_int_equal(gw_tags_parse(VIEW("a=%zz"), TAGS_MAX, &a, &t, &code, &message), RC_INVALID);
    arena_free(&a);
}

/* ---- checksums ---- */
static void checksums_are_read_and_shown_by_kind(void **state)
{
    (void)state;
    struct checksum c;
    char text[CHECKSUM_TEXT_MAX];
    assert_int_equal(gw_checksum_kind(VIEW("crc32C")), CHECKSUM_CRC32C);
    assert_int_equal(gw_checksum_kind(VIEW("md5")), CHECKSUM_NONE);
    assert_int_equal(gw_checksum_parse(CHECKSUM_CRC32, VIEW("AAAAAQ=="), &c), RC_OK);
    assert_int_equal(c.value[3], 1);
    assert_string_equal(gw_checksum_text(&c, 0, text), "AAAAAQ==");
    assert_int_equal(gw_checksum_parse(CHECKSUM_CRC32, VIEW("AAAAAQ==-12"), &c), RC_OK);
    assert_true(c.composite);
    assert_string_equal(gw_checksum_text(&c, 12, text), "AAAAAQ==-12");
    assert_int_equal(gw_checksum_parse(CHECKSUM_SHA256, VIEW("AAAAAQ=="), &c), RC_INVALID);
    assert_int_equal(gw_checksum_parse(CHECKSUM_CRC32, VIEW("????"), &c), RC_INVALID);
}

/* ---- XML bodies ---- */
static void delete_lists_are_read(void **state)
{
    (void)state;
    struct arena a = ARENA(ARENA_MAX);
    struct delete_list l;
    assert_int_equal(
        gw_xml_delete(VIEW("<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Object><Key>a &amp; b"
                           "</Key></Object><Object><Key> c </Key><VersionId>null</VersionId></Object>"
                           "<Quiet>true</Quiet></Delete>"),
                      &a, &l),
        RC_OK);
    assert_int_equal(l.n, 2);
    assert_true(l.quiet);
    assert_true(view_eqs(l.items[0].key, "a & b"));
    assert_null(l.items[0].version.p);
    assert_true(view_eqs(l.items[1].key, " c ") && view_eqs(l.items[1].version, "null"));
    arena_free(&a);
}

static void delete_lists_that_are_none_are_refused(void **state)
{
    (void)state;
    struct arena a = ARENA(ARENA_MAX);
    struct delete_list l;
    static const char *const bad[] = {"",
                                      "<Delete/>",
                                      "<Delete><Object/></Delete>",
                                      "<Delete><Object><Key/></Object></Delete>",
                                      "<Other><Object><Key>a</Key></Object></Other>",
                                      "<Delete><Object><Key>a</Key>",
                                      "<Delete><Object><Key>a</Key></Object><Quiet>maybe</Quiet></Delete>"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(gw_xml_delete(view_cstr(bad[i]), &a, &l), RC_INVALID);
    arena_free(&a);
}

static void a_delete_list_has_at_most_a_thousand_keys(void **state)
{
    (void)state;
    for (unsigned n = DELETE_MANY_MAX; n <= DELETE_MANY_MAX + 1; n++) {
        struct arena a = ARENA(ARENA_MAX);
        struct buf doc = BUF(ARENA_MAX);
        struct delete_list l;
        assert_int_equal(buf_puts(&doc, "<Delete>"), RC_OK);
        for (unsigned i = 0; i < n; i++)
            assert_int_equal(buf_printf(&doc, "<Object><Key>%u</Key></Object>", i), RC_OK);
        assert_int_equal(buf_puts(&doc, "</Delete>"), RC_OK);
        assert_int_equal(gw_xml_delete(buf_view(&doc), &a, &l), n == DELETE_MANY_MAX ? RC_OK : RC_INVALID);
        buf_free(&doc);
        arena_free(&a);
    }
}

static void part_lists_are_read_with_their_checksums(void **state)
{
    (void)state;
    struct arena a = ARENA(ARENA_MAX);
    struct part_list l;
    assert_int_equal(gw_xml_complete(VIEW("<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>"
                                          "\"00112233445566778899aabbccddeeff\"</ETag><ChecksumCRC32>AAAAAQ=="
                                          "</ChecksumCRC32></Part><Part><ETag>00112233445566778899aabbccddeeff</ETag>"
                                          "<PartNumber>10000</PartNumber></Part></CompleteMultipartUpload>"),
                                     &a, &l),
                     RC_OK);
    assert_int_equal(l.n, 2);
    assert_int_equal(l.parts[0].number, 1);
    assert_int_equal(l.parts[0].md5[15], 0xff);
    assert_int_equal(l.parts[0].checksum.kind, CHECKSUM_CRC32);
    assert_int_equal(l.parts[1].number, 10000);
    assert_int_equal(l.parts[1].checksum.kind, CHECKSUM_NONE);
    arena_free(&a);
}

static void part_lists_that_are_none_are_refused(void **state)
{
    (void)state;
    struct arena a = ARENA(ARENA_MAX);
    struct part_list l;
    static const char *const bad[] = {
        "<CompleteMultipartUpload/>",
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber></Part></CompleteMultipartUpload>",
        "<CompleteMultipartUpload><Part><PartNumber>0</PartNumber><ETag>x</ETag></Part></CompleteMultipartUpload>",
        "<CompleteMultipartUpload><Part><PartNumber>10001</PartNumber><ETag>x</ETag></Part></CompleteMultipartUpload>"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(gw_xml_complete(view_cstr(bad[i]), &a, &l), RC_INVALID);
    assert_int_equal(
        gw_xml_complete(VIEW("<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>x</ETag></Part>"
                             "</CompleteMultipartUpload>"),
                        &a, &l),
        RC_NOT_FOUND);
    arena_free(&a);
}

static void tag_sets_are_read(void **state)
{
    (void)state;
    struct arena a = ARENA(ARENA_MAX);
    struct tag_list t;
    const char *code, *message;
    assert_int_equal(gw_xml_tagging(VIEW("<Tagging><TagSet><Tag><Key>a</Key><Value/></Tag></TagSet></Tagging>"),
                                    TAGS_MAX, &a, &t, &code, &message),
                     RC_OK);
    assert_int_equal(t.n, 1);
    assert_int_equal(gw_xml_tagging(VIEW("<Tagging><TagSet/></Tagging>"), TAGS_MAX, &a, &t, &code, &message), RC_OK);
    assert_int_equal(t.n, 0);
    assert_int_equal(gw_xml_tagging(VIEW("<Tagging/>"), TAGS_MAX, &a, &t, &code, &message), RC_INVALID);
    assert_string_equal(code, "MalformedXML");
    assert_int_equal(gw_xml_tagging(VIEW("<Tagging><TagSet><Tag><Key>a</Key></Tag></TagSet></Tagging>"), TAGS_MAX, &a,
                                    &t, &code, &message),
                     RC_INVALID);
    arena_free(&a);
}

static void versioning_is_on_or_suspended_and_never_with_mfa(void **state)
{
    (void)state;
    enum versioning v;
    assert_int_equal(
        gw_xml_versioning(VIEW("<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"), &v),
        RC_OK);
    assert_int_equal(v, VERSIONING_ON);
    assert_int_equal(
        gw_xml_versioning(VIEW("<VersioningConfiguration><Status>Suspended</Status><MfaDelete>Disabled</MfaDelete>"
                               "</VersioningConfiguration>"),
                          &v),
        RC_OK);
    assert_int_equal(v, VERSIONING_SUSPENDED);
    assert_int_equal(
        gw_xml_versioning(VIEW("<VersioningConfiguration><Status>Enabled</Status><MfaDelete>Enabled</MfaDelete>"
                               "</VersioningConfiguration>"),
                          &v),
        RC_UNSUPPORTED);
    assert_int_equal(gw_xml_versioning(VIEW("<VersioningConfiguration/>"), &v), RC_INVALID);
    assert_int_equal(
        gw_xml_versioning(VIEW("<VersioningConfiguration><Status>On</Status></VersioningConfiguration>"), &v),
        RC_INVALID);
}

static void the_location_of_a_new_bucket_is_read(void **state)
{
    (void)state;
    struct arena a = ARENA(ARENA_MAX);
    struct view v;
    assert_int_equal(
        gw_xml_location(VIEW("<CreateBucketConfiguration><LocationConstraint>eu-west-1</LocationConstraint>"
                             "</CreateBucketConfiguration>"),
                        &a, &v),
        RC_OK);
    assert_true(view_eqs(v, "eu-west-1"));
    assert_int_equal(gw_xml_location(VIEW("<Other/>"), &a, &v), RC_INVALID);
    arena_free(&a);
}

/* ---- errors, networks ---- */
static void an_error_names_its_code_and_place_in_xml(void **state)
{
    (void)state;
    struct buf out = BUF(4096);
    struct s3_error_place at = {VIEW("/b/<k>"), VIEW("b"), VIEW("<k>"), "ID", "HOST"};
    const struct s3_error *x = gw_s3_error("NoSuchKey");
    assert_int_equal(x->status, 404);
    assert_int_equal(gw_s3_error_xml(x, NULL, &at, &out), RC_OK);
    assert_true(view_eqs(buf_view(&out),
                         "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>NoSuchKey</Code>"
                         "<Message>The specified key does not exist.</Message><BucketName>b</BucketName>"
                         "<Key>&lt;k&gt;</Key><Resource>/b/&lt;k&gt;</Resource><RequestId>ID</RequestId>"
                         "<HostId>HOST</HostId></Error>"));
    assert_int_equal(gw_s3_error("no such code")->status, 500);
    buf_free(&out);
}

static void networks_hold_their_addresses(void **state)
{
    (void)state;
    struct cidr c;
    assert_int_equal(gw_cidr_parse("10.0.0.0/9", &c), RC_OK);
    assert_true(gw_cidr_has(&c, "10.127.1.2"));
    assert_true(gw_cidr_has(&c, "::ffff:10.1.1.2"));
    assert_false(gw_cidr_has(&c, "10.128.0.1"));
    assert_false(gw_cidr_has(&c, "::1"));
    assert_int_equal(gw_cidr_parse("fd00::/8", &c), RC_OK);
    assert_true(gw_cidr_has(&c, "fd12::1"));
    assert_int_equal(gw_cidr_parse("10.0.0.0/33", &c), RC_INVALID);
    assert_int_equal(gw_cidr_parse("ten", &c), RC_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_verb_and_subresource_finds_its_operation),
        cmocka_unit_test(a_copy_source_makes_a_put_a_copy),
        cmocka_unit_test(what_is_not_built_is_never_taken_for_the_plain_operation),
        cmocka_unit_test(bucket_and_key_come_from_path_or_virtual_host),
        cmocka_unit_test(keys_are_bytes_decoded_once),
        cmocka_unit_test(bad_uris_names_and_keys_are_refused_by_name),
        cmocka_unit_test(ranges_are_cut_to_the_object),
        cmocka_unit_test(ranges_that_are_none_give_the_whole_object),
        cmocka_unit_test(copy_ranges_need_both_ends_inside_the_source),
        cmocka_unit_test(copy_sources_are_decoded_and_their_version_is_kept),
        cmocka_unit_test(entity_tags_match_in_lists),
        cmocka_unit_test(continuation_tokens_come_back_as_they_were),
        cmocka_unit_test(tags_are_kept_in_one_spelling),
        cmocka_unit_test(tags_past_s3s_limits_are_refused),
        cmocka_unit_test(checksums_are_read_and_shown_by_kind),
        cmocka_unit_test(delete_lists_are_read),
        cmocka_unit_test(delete_lists_that_are_none_are_refused),
        cmocka_unit_test(a_delete_list_has_at_most_a_thousand_keys),
        cmocka_unit_test(part_lists_are_read_with_their_checksums),
        cmocka_unit_test(part_lists_that_are_none_are_refused),
        cmocka_unit_test(tag_sets_are_read),
        cmocka_unit_test(versioning_is_on_or_suspended_and_never_with_mfa),
        cmocka_unit_test(the_location_of_a_new_bucket_is_read),
        cmocka_unit_test(an_error_names_its_code_and_place_in_xml),
        cmocka_unit_test(networks_hold_their_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
