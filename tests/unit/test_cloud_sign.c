/* Holdfast: signatures against values that the vendors publish. tests/clients/test_cloud_sign.py compares many more
 * with their own SDKs. */
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "cloud/sign.h"

#define H(n, v)                                                                                                        \
    {                                                                                                                  \
        VIEW(n), VIEW(v)                                                                                               \
    }
#define COUNT(a) (sizeof(a) / sizeof(*(a)))

/* docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html */
static const struct cloud_keys aws_keys = {"AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", ""};
#define AWS_TIME (1369353600LL * NS_PER_S) /* 20130524T000000Z */
#define EMPTY_SHA "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static void check(const struct cloud_sign *s, const struct cloud_keys *k, const char *want)
{
    struct buf b = BUF(1 << 16);

    assert_int_equal(cloud_sign_header(s, k, &b), RC_OK);
    assert_int_equal(buf_put(&b, "", 1), RC_OK);
    assert_string_equal(b.p, want);
    buf_free(&b);
}

static void aws_get_object_with_a_range(void **state)
{
    (void)state;
    const struct cloud_header h[] = {H("host", "examplebucket.s3.amazonaws.com"), H("range", "bytes=0-9"),
                                     H("x-amz-content-sha256", EMPTY_SHA), H("x-amz-date", "20130524T000000Z")};
    struct cloud_sign s = {CLOUD_S3,          "GET",           VIEW("/test.txt"), NULL, 0, h, COUNT(h), VIEW(""),
                           VIEW("us-east-1"), VIEW(EMPTY_SHA), AWS_TIME,          0};
    check(&s, &aws_keys,
          "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "
          "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, "
          "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
}

static void aws_put_object(void **state)
{
    (void)state;
#define PUT_SHA "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"
    const struct cloud_header h[] = {H("date", "Fri, 24 May 2013 00:00:00 GMT"),
                                     H("host", "examplebucket.s3.amazonaws.com"), H("x-amz-content-sha256", PUT_SHA),
                                     H("x-amz-date", "20130524T000000Z"),
                                     H("x-amz-storage-class", "REDUCED_REDUNDANCY")};
    struct cloud_sign s = {CLOUD_S3, "PUT",    VIEW("/test$file.text"), NULL,          0,        h,
                           COUNT(h), VIEW(""), VIEW("us-east-1"),       VIEW(PUT_SHA), AWS_TIME, 0};
    check(&s, &aws_keys,
          "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "
          "SignedHeaders=date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class, "
          "Signature=98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
}

static void aws_subresource_without_a_value(void **state)
{
    (void)state;
    const struct cloud_header h[] = {H("host", "examplebucket.s3.amazonaws.com"), H("x-amz-content-sha256", EMPTY_SHA),
                                     H("x-amz-date", "20130524T000000Z")};
    const struct cloud_header q[] = {{VIEW("lifecycle"), {NULL, 0}}};
    struct cloud_sign s = {CLOUD_S3,          "GET",           VIEW("/"), q, 1, h, COUNT(h), VIEW(""),
                           VIEW("us-east-1"), VIEW(EMPTY_SHA), AWS_TIME,  0};
    check(&s, &aws_keys,
          "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "
          "SignedHeaders=host;x-amz-content-sha256;x-amz-date, "
          "Signature=fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
}

static void aws_list_with_parameters_in_any_order(void **state)
{
    (void)state;
    const struct cloud_header h[] = {H("x-amz-date", "20130524T000000Z"), H("host", "examplebucket.s3.amazonaws.com"),
                                     H("x-amz-content-sha256", EMPTY_SHA)};
    const struct cloud_header q[] = {H("prefix", "J"), H("max-keys", "2")};
    struct cloud_sign s = {CLOUD_S3,          "GET",           VIEW("/"), q, 2, h, COUNT(h), VIEW(""),
                           VIEW("us-east-1"), VIEW(EMPTY_SHA), AWS_TIME,  0};
    check(&s, &aws_keys,
          "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "
          "SignedHeaders=host;x-amz-content-sha256;x-amz-date, "
          "Signature=34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}

/* cloud.tencent.com/document/product/436/7778 with the example's published keys. */
static const struct cloud_keys cos_keys = {"AKIDQjz3ltompVjBni5LitkWHFlFpwkn9U5q", "BQYIM75p8x0iWVFSIgqEKwFprpRSVHlz",
                                           ""};

static void cos_put_object_with_a_chinese_name(void **state)
{
    (void)state;
    const struct cloud_header h[] = {H("date", "Thu, 16 May 2019 06:45:51 GMT"),
                                     H("host", "examplebucket-1250000000.cos.ap-beijing.myqcloud.com"),
                                     H("content-type", "text/plain"),
                                     H("content-length", "13"),
                                     H("content-md5", "mQ/fVh815F3k6TAUm8m0eg=="),
                                     H("x-cos-acl", "private"),
                                     H("x-cos-grant-read", "uin=\"100000000011\"")};
    struct cloud_sign s = {CLOUD_COS,          "PUT",    VIEW("/exampleobject(腾讯云)"), NULL, 0, h, COUNT(h), VIEW(""),
                           VIEW("ap-beijing"), VIEW(""), 1557989151LL * NS_PER_S,        7200};
    check(
        &s, &cos_keys,
        "q-sign-algorithm=sha1&q-ak=AKIDQjz3ltompVjBni5LitkWHFlFpwkn9U5q&q-sign-time=1557989151;1557996351&q-key-time="
        "1557989151;1557996351&q-header-list=content-length;content-md5;content-type;date;host;x-cos-acl;x-cos-grant-"
        "read&q-url-param-list=&q-signature=3b8851a11a569213c17ba8fa7dcf2abec6935172");
}

static void cos_get_object_with_parameters(void **state)
{
    (void)state;
    const struct cloud_header h[] = {H("date", "Thu, 16 May 2019 06:55:53 GMT"),
                                     H("host", "examplebucket-1250000000.cos.ap-beijing.myqcloud.com")};
    const struct cloud_header q[] = {H("response-content-type", "application/octet-stream"),
                                     H("response-cache-control", "max-age=600")};
    struct cloud_sign s = {CLOUD_COS,          "GET",    VIEW("/exampleobject(腾讯云)"), q,   2, h, COUNT(h), VIEW(""),
                           VIEW("ap-beijing"), VIEW(""), 1557989753LL * NS_PER_S,        7200};
    check(
        &s, &cos_keys,
        "q-sign-algorithm=sha1&q-ak=AKIDQjz3ltompVjBni5LitkWHFlFpwkn9U5q&q-sign-time=1557989753;1557996953&q-key-time="
        "1557989753;1557996953&q-header-list=date;host&q-url-param-list=response-cache-control;response-content-type"
        "&q-signature=01681b8c9d798a678e43b685a9f1bba0f6c0e012");
}

/* TestV4AuthHeader of aliyun/alibabacloud-oss-go-sdk-v2, oss/signer: the vendor's own vector. */
static void oss_v4_vector_of_the_vendors_sdks(void **state)
{
    (void)state;
    static const struct cloud_keys keys = {"ak", "sk", ""};
    const struct cloud_header h[] = {H("x-oss-head1", "value"),
                                     H("abc", "value"),
                                     H("zabc", "value"),
                                     H("xyz", "value"),
                                     H("content-type", "text/plain"),
                                     H("x-oss-content-sha256", "UNSIGNED-PAYLOAD"),
                                     H("x-oss-date", "20231216T162057Z")};
    const struct cloud_header q[] = {H("param1", "value1"),        H("+param1", "value3"),
                                     H("|param1", "value4"),       {VIEW("+param2"), {NULL, 0}},
                                     {VIEW("|param2"), {NULL, 0}}, {VIEW("param2"), {NULL, 0}}};
    struct cloud_sign s = {CLOUD_OSS,
                           "PUT",
                           VIEW("/1234+-/123/1.txt"),
                           q,
                           COUNT(q),
                           h,
                           COUNT(h),
                           VIEW("bucket"),
                           VIEW("cn-hangzhou"),
                           VIEW("UNSIGNED-PAYLOAD"),
                           1702743657LL * NS_PER_S,
                           0};
    check(&s, &keys,
          "OSS4-HMAC-SHA256 Credential=ak/20231216/cn-hangzhou/oss/aliyun_v4_request,"
          "Signature=e21d18daa82167720f9b1047ae7e7f1ce7cb77a31e8203a7d5f4624fa0284afe");
}

/* OBS signs what S3's version 2 signed; this is the REST authentication page's "Object GET". */
static void obs_signs_as_s3_version_2_did(void **state)
{
    (void)state;
    const struct cloud_header h[] = {H("host", "awsexamplebucket1.us-west-1.s3.amazonaws.com"),
                                     H("date", "Tue, 27 Mar 2007 19:36:42 +0000")};
    struct cloud_sign s = {CLOUD_OBS, "GET",    VIEW("/photos/puppy.jpg"), NULL,     0,
                           h,         COUNT(h), VIEW("awsexamplebucket1"), VIEW(""), VIEW(""),
                           0,         0};
    check(&s, &aws_keys, "OBS AKIAIOSFODNN7EXAMPLE:qgk2+6Sv9/oM7G3qLEjTH1a1l1g=");
}

static void url_is_encoded_once_and_bare_parameters_stay_bare(void **state)
{
    (void)state;
    const struct cloud_header q[] = {{VIEW("uploads"), {NULL, 0}}, H("prefix", "a b+c/ü"), H("empty", "")};
    struct cloud_sign s = {CLOUD_S3, "POST",   VIEW("/k y/腾+%"), q,        COUNT(q), NULL,
                           0,        VIEW(""), VIEW(""),          VIEW(""), 0,        0};
    struct buf b = BUF(4096);
    assert_int_equal(cloud_sign_url(&s, &b), RC_OK);
    assert_int_equal(buf_put(&b, "", 1), RC_OK);
    assert_string_equal(b.p, "/k%20y/%E8%85%BE%2B%25?uploads&prefix=a%20b%2Bc%2F%C3%BC&empty=");
    buf_free(&b);
}

static void a_full_buffer_is_left_as_it_was(void **state)
{
    (void)state;
    struct buf b = BUF(16);
    const struct cloud_header h[] = {H("host", "h")};
    struct cloud_sign s = {CLOUD_S3, "GET", VIEW("/"), NULL, 0, h, 1, VIEW(""), VIEW("r"), VIEW(EMPTY_SHA), 0, 0};
    assert_int_equal(buf_puts(&b, "before"), RC_OK);
    for (int d = CLOUD_S3; d <= CLOUD_OBS; d++) {
        s.dialect = (enum cloud_dialect)d;
        assert_int_equal(cloud_sign_header(&s, &aws_keys, &b), RC_LIMIT);
        assert_int_equal(b.n, 6);
    }
    buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(aws_get_object_with_a_range),
        cmocka_unit_test(aws_put_object),
        cmocka_unit_test(aws_subresource_without_a_value),
        cmocka_unit_test(aws_list_with_parameters_in_any_order),
        cmocka_unit_test(cos_put_object_with_a_chinese_name),
        cmocka_unit_test(cos_get_object_with_parameters),
        cmocka_unit_test(oss_v4_vector_of_the_vendors_sdks),
        cmocka_unit_test(obs_signs_as_s3_version_2_did),
        cmocka_unit_test(url_is_encoded_once_and_bare_parameters_stay_bare),
        cmocka_unit_test(a_full_buffer_is_left_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
