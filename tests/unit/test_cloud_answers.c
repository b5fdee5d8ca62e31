/* Holdfast: what clouds answer in XML. A page that cannot be trusted is never an empty list. */
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "cloud/cloud.h"
#include "cloud/cloud_priv.h"

#define NS " xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\""
#define ONE                                                                                                            \
    "<Contents><Key>a%20b%2B%E8%85%BE+c</Key><LastModified>2026-11-21T00:00:00.000Z</LastModified>"                    \
    "<ETag>&quot;abc&quot;</ETag><Size>5</Size><StorageClass>STANDARD</StorageClass></Contents>"

static struct arena arena;

static enum rc list(const char *xml, bool versions, struct cloud_listed *l)
{
    struct err e = {{0}};
    arena_free(&arena);
    arena = ARENA(1 << 20);
    enum rc rc = cloud_list_read(view_cstr(xml), versions, &arena, l, &e);
    assert_int_equal(rc == RC_OK, e.text[0] == 0);
    return rc;
}

static void a_page_gives_entries_and_where_it_goes_on(void **state)
{
    (void)state;
    struct cloud_listed l;
    assert_int_equal(list("<ListBucketResult" NS ">" ONE
                          "<EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>"
                          "<NextContinuationToken>t%20k</NextContinuationToken></ListBucketResult>",
                          false, &l),
                     RC_OK);
    assert_int_equal(l.n, 1);
    assert_true(view_eqs(l.entry[0].key, "a b+腾 c"));
    assert_true(view_eqs(l.entry[0].etag, "abc"));
    assert_true(view_eqs(l.entry[0].storage_class, "STANDARD"));
    assert_int_equal(l.entry[0].size, 5);
    assert_true(l.entry[0].latest && !l.entry[0].marker);
    assert_int_equal(l.entry[0].modified_ns, 1795219200LL * NS_PER_S);
    assert_true(l.truncated);
    assert_true(view_eqs(l.next, "t%20k")); /* a token is opaque: never decoded */
}

static void keys_that_are_not_encoded_stay_as_they_are(void **state)
{
    (void)state;
    struct cloud_listed l;
    assert_int_equal(list("<ListBucketResult>" ONE "<IsTruncated>true</IsTruncated></ListBucketResult>", false, &l),
                     RC_OK);
    assert_true(view_eqs(l.entry[0].key, "a%20b%2B%E8%85%BE+c"));
    assert_true(view_eqs(l.next, "a%20b%2B%E8%85%BE+c")); /* the last key, where NextMarker is left out */
}

static void versions_and_markers_are_told_apart(void **state)
{
    (void)state;
    struct cloud_listed l;
    assert_int_equal(
        list("<ListVersionsResult><IsTruncated>true</IsTruncated><NextKeyMarker>k</NextKeyMarker>"
             "<NextVersionIdMarker>v1</NextVersionIdMarker>"
             "<DeleteMarker><Key>k</Key><VersionId>v2</VersionId><IsLatest>true</IsLatest></DeleteMarker>"
             "<Version><Key>k</Key><VersionId>v1</VersionId><IsLatest>false</IsLatest><Size>0</Size></Version>"
             "</ListVersionsResult>",
             true, &l),
        RC_OK);
    assert_int_equal(l.n, 2);
    assert_true(l.entry[0].marker && l.entry[0].latest && view_eqs(l.entry[0].version, "v2"));
    assert_true(!l.entry[1].marker && !l.entry[1].latest && view_eqs(l.entry[1].version, "v1"));
    assert_true(view_eqs(l.next, "k") && view_eqs(l.next_version, "v1"));
}

static void an_empty_list_says_that_it_is_one(void **state)
{
    (void)state;
    struct cloud_listed l;
    assert_int_equal(list("<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>", false, &l), RC_OK);
    assert_int_equal(l.n, 0);
    assert_false(l.truncated);
}

static void a_page_that_cannot_be_trusted_is_corrupt(void **state)
{
    (void)state;
    static const char *const pages[] = {
        "",
        "OK",
        "<html><body>welcome</body></html>",
        "<ListBucketResult/>",
        "<ListBucketResult><IsTruncated>false</IsTruncated>",
        "<ListBucketResult>" ONE "</ListBucketResult>",
        "<ListBucketResult><IsTruncated>maybe</IsTruncated></ListBucketResult>",
        "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>",
        "<ListVersionsResult><IsTruncated>false</IsTruncated></ListVersionsResult>",
        "<Error><Code>InternalError</Code></Error>",
        "<ListBucketResult><Contents><Size>1</Size></Contents><IsTruncated>false</IsTruncated></ListBucketResult>",
        "<ListBucketResult><Contents><Key>k</Key></Contents><IsTruncated>false</IsTruncated></ListBucketResult>",
        "<ListBucketResult><Contents><Key>k</Key><Size>x</Size></Contents><IsTruncated>false</IsTruncated></"
        "ListBucketResult>",
        "<ListBucketResult><Contents><Key>k%2</Key><Size>1</Size></Contents><IsTruncated>false</IsTruncated>"
        "<EncodingType>url</EncodingType></ListBucketResult>",
        "<!DOCTYPE a><ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>"};
    for (size_t i = 0; i < sizeof(pages) / sizeof(*pages); i++) {
        struct cloud_listed l = {.n = 77};
        if (list(pages[i], false, &l) != RC_CORRUPT)
            fail_msg("taken: %s", pages[i]);
        assert_int_equal(l.n, 77);
    }
    struct cloud_listed l;
    assert_int_equal(
        list("<ListVersionsResult><IsTruncated>true</IsTruncated><Version><Key>k</Key><Size>1</Size></Version>"
             "</ListVersionsResult>",
             true, &l),
        RC_CORRUPT);
}

static void small_answers_give_their_one_word(void **state)
{
    (void)state;
    char text[64];
    bool on = false;
    struct buf tags = BUF(4096);
    struct err e;
    assert_int_equal(cloud_upload_read(VIEW("<InitiateMultipartUploadResult><Bucket>b</Bucket><UploadId>u-1</UploadId>"
                                            "</InitiateMultipartUploadResult>"),
                                       text, sizeof(text), &e),
                     RC_OK);
    assert_string_equal(text, "u-1");
    assert_int_equal(cloud_complete_read(VIEW("<CompleteMultipartUploadResult><ETag>\"e-2\"</ETag>"
                                              "</CompleteMultipartUploadResult>"),
                                         text, sizeof(text), &e),
                     RC_OK);
    assert_string_equal(text, "e-2");
    assert_int_equal(cloud_versioning_read(VIEW("<VersioningConfiguration><Status>Enabled</Status>"
                                                "</VersioningConfiguration>"),
                                           &on, &e),
                     RC_OK);
    assert_true(on);
    assert_int_equal(cloud_versioning_read(VIEW("<VersioningConfiguration/>"), &on, &e), RC_OK);
    assert_false(on);
    assert_int_equal(cloud_tags_read(VIEW("<Tagging><TagSet><Tag><Key>a b</Key><Value>1&amp;2</Value></Tag><Tag><Key>c"
                                          "</Key><Value/></Tag></TagSet></Tagging>"),
                                     &tags, &e),
                     RC_OK);
    assert_true(view_eqs(buf_view(&tags), "a%20b=1%262&c="));
    assert_int_equal(
        cloud_tags_read(VIEW("<Tagging><TagSet><Tag><Value>1</Value></Tag></TagSet></Tagging>"), &tags, &e),
        RC_CORRUPT);
    assert_true(view_eqs(buf_view(&tags), "a%20b=1%262&c="));
    buf_free(&tags);
    assert_int_equal(cloud_upload_read(VIEW("<InitiateMultipartUploadResult/>"), text, sizeof(text), &e), RC_CORRUPT);
    assert_int_equal(cloud_upload_read(VIEW("<Error><Code>x</Code></Error>"), text, sizeof(text), &e), RC_CORRUPT);
    assert_int_equal(cloud_versioning_read(VIEW("<html/>"), &on, &e), RC_CORRUPT);
}

static void errors_give_code_and_a_message_fit_for_a_log(void **state)
{
    (void)state;
    struct cloud_fault f;
    assert_true(
        cloud_fault_read(VIEW("<Error><Code>SlowDown</Code><Message>line\nline</Message><RequestId>r</RequestId>"
                              "</Error>"),
                         &f));
    assert_string_equal(f.code, "SlowDown");
    assert_string_equal(f.message, "line line");
    assert_string_equal(f.request_id, "r");
    assert_false(cloud_fault_read(VIEW(""), &f));
    assert_false(cloud_fault_read(VIEW("<html><Code>SlowDown</Code></html>"), &f));
}

/* ---- requests ---- */
static bool has(const struct cloud_header *h, size_t n, const char *name, const char *value)
{
    for (size_t i = 0; i < n; i++)
        if (view_eqs(h[i].name, name))
            return value ? view_eqs(h[i].value, value) : true;
    return false;
}

static void a_put_speaks_each_dialect(void **state)
{
    (void)state;
    static const char *const urls[] = {"s3://127.0.0.1:1/bucket", "cos://bucket-1250000000.ap-beijing",
                                       "oss://bucket.cn-hangzhou", "obs://bucket.cn-north-4"};
    static const char *const prefix[] = {"x-amz-", "x-cos-", "x-oss-", "x-obs-"};
    static const char *const class[] = {"STANDARD_IA", "STANDARD_IA", "IA", "WARM"};
    const struct cloud_keys k = {"AK", "SK", "token"};
    const struct cloud_header meta = {VIEW("Color"), VIEW("blue")}, type = {VIEW("Content-Type"), VIEW("text/plain")};
    struct cloud_request r = {.op = CLOUD_PUT,
                              .key = VIEW("k"),
                              .headers = &type,
                              .n_headers = 1,
                              .meta = &meta,
                              .n_meta = 1,
                              .storage_class = VIEW("STANDARD_IA"),
                              .tags = VIEW("a=1")};
    for (size_t d = 0; d < 4; d++) {
        struct cloud_target t;
        struct cloud_wire w;
        struct err e = {{0}};
        char name[64];
        assert_int_equal(cloud_target_parse(view_cstr(urls[d]), NULL, &t, &e), RC_OK);
        assert_int_equal(cloud_wire_make(&t, &k, &r, 1700000000LL * NS_PER_S, &w, &e), RC_OK);
        assert_string_equal(w.method, "PUT");
        assert_true(has(w.headers, w.n_headers, "content-type", "text/plain"));
        const struct {
            const char *name, *value;
        } want[] = {
            {"meta-color", "blue"}, {"storage-class", class[d]}, {"tagging", "a=1"}, {"security-token", "token"}};
        for (size_t i = 0; i < 4; i++) {
            snprintf(name, sizeof(name), "%s%s", prefix[d], want[i].name);
            assert_true(has(w.headers, w.n_headers, name, want[i].value));
        }
        cloud_wire_free(&w);
    }
}

static void what_a_cloud_would_overlook_is_never_asked(void **state)
{
    (void)state;
    const struct cloud_keys k = {"AK", "SK", ""};
    struct cloud_target t;
    struct cloud_wire w;
    struct err e = {{0}};
    struct cloud_request r = {.op = CLOUD_PUT, .key = VIEW("k"), .if_match = VIEW("abc")};
    assert_int_equal(cloud_target_parse(VIEW("oss://bucket.cn-hangzhou"), NULL, &t, &e), RC_OK);
    assert_int_equal(cloud_wire_make(&t, &k, &r, 0, &w, &e), RC_UNSUPPORTED);
    r.if_match = VIEW("");
    r.if_none_match = VIEW("*");
    assert_int_equal(cloud_wire_make(&t, &k, &r, 0, &w, &e), RC_OK);
    assert_true(has(w.headers, w.n_headers, "x-oss-forbid-overwrite", "true"));
    cloud_wire_free(&w);
    assert_int_equal(cloud_target_parse(VIEW("obs://bucket.cn-north-4"), NULL, &t, &e), RC_OK);
    assert_int_equal(cloud_wire_make(&t, &k, &r, 0, &w, &e), RC_UNSUPPORTED);
    r.if_none_match = VIEW("");
    r.storage_class = VIEW("NEVER_HEARD");
    assert_int_equal(cloud_wire_make(&t, &k, &r, 0, &w, &e), RC_INVALID);
    r.storage_class = VIEW("");
    r.key = VIEW("");
    assert_int_equal(cloud_wire_make(&t, &k, &r, 0, &w, &e), RC_INVALID);
    const struct cloud_header split = {VIEW("x"), VIEW("a\r\nx-amz-acl: public-read")};
    r.key = VIEW("k");
    r.headers = &split;
    r.n_headers = 1;
    assert_int_equal(cloud_wire_make(&t, &k, &r, 0, &w, &e), RC_INVALID);
}

static int drop_arena(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_page_gives_entries_and_where_it_goes_on),
        cmocka_unit_test(keys_that_are_not_encoded_stay_as_they_are),
        cmocka_unit_test(versions_and_markers_are_told_apart),
        cmocka_unit_test(an_empty_list_says_that_it_is_one),
        cmocka_unit_test(a_page_that_cannot_be_trusted_is_corrupt),
        cmocka_unit_test(small_answers_give_their_one_word),
        cmocka_unit_test(errors_give_code_and_a_message_fit_for_a_log),
        cmocka_unit_test(a_put_speaks_each_dialect),
        cmocka_unit_test(what_a_cloud_would_overlook_is_never_asked),
    };
    return cmocka_run_group_tests(tests, NULL, drop_arena);
}
