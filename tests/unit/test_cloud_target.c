/* Holdfast: a target's URL and its key file: what they mean, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "cloud/cloud.h"

static struct cloud_target good(const char *url, const char *region)
{
    struct cloud_target t = {0};
    struct err e = {{0}};
    if (cloud_target_parse(view_cstr(url), region, &t, &e) != RC_OK)
        fail_msg("%s: %s", url, e.text);
    return t;
}

static void is(const char *url, const char *region, enum cloud_dialect d, bool tls, bool path, const char *host,
               unsigned port, const char *bucket, const char *want_region)
{
    struct cloud_target t = good(url, region);
    assert_int_equal(t.dialect, d);
    assert_int_equal(t.tls, tls);
    assert_int_equal(t.path_style, path);
    assert_string_equal(t.host, host);
    assert_int_equal(t.port, port);
    assert_string_equal(t.bucket, bucket);
    assert_string_equal(t.region, want_region);
}

static void s3_is_plain_for_an_address_or_a_port_and_tls_otherwise(void **state)
{
    (void)state;
    is("s3://127.0.0.1:17480/photos-copy", NULL, CLOUD_S3, false, true, "127.0.0.1", 17480, "photos-copy", "us-east-1");
    is("s3://10.0.0.7/photos", NULL, CLOUD_S3, false, true, "10.0.0.7", 80, "photos", "us-east-1");
    is("s3://nas:9000/photos/", "eu-west-1", CLOUD_S3, false, true, "nas", 9000, "photos", "eu-west-1");
    is("s3://[::1]:9000/photos", NULL, CLOUD_S3, false, true, "[::1]", 9000, "photos", "us-east-1");
    is("s3://s3.example.com/photos", NULL, CLOUD_S3, true, true, "s3.example.com", 443, "photos", "us-east-1");
    is("s3s://s3.example.com/photos", NULL, CLOUD_S3, true, true, "s3.example.com", 443, "photos", "us-east-1");
    is("s3s://127.0.0.1:9000/photos", NULL, CLOUD_S3, true, true, "127.0.0.1", 9000, "photos", "us-east-1");
}

static void vendors_have_their_public_hosts_over_tls(void **state)
{
    (void)state;
    is("s3://photos", "eu-central-1", CLOUD_S3, true, false, "photos.s3.eu-central-1.amazonaws.com", 443, "photos",
       "eu-central-1");
    is("s3://my.photos", "cn-north-1", CLOUD_S3, true, true, "s3.cn-north-1.amazonaws.com.cn", 443, "my.photos",
       "cn-north-1");
    is("cos://photos-1250000000.ap-beijing", NULL, CLOUD_COS, true, false,
       "photos-1250000000.cos.ap-beijing.myqcloud.com", 443, "photos-1250000000", "ap-beijing");
    is("oss://photos.cn-hangzhou", NULL, CLOUD_OSS, true, false, "photos.oss-cn-hangzhou.aliyuncs.com", 443, "photos",
       "cn-hangzhou");
    is("obs://photos.cn-north-4", NULL, CLOUD_OBS, true, false, "photos.obs.cn-north-4.myhuaweicloud.com", 443,
       "photos", "cn-north-4");
    is("obs://photos", "cn-north-4", CLOUD_OBS, true, false, "photos.obs.cn-north-4.myhuaweicloud.com", 443, "photos",
       "cn-north-4");
    is("cos://127.0.0.1:7000/photos-1250000000", "ap-beijing", CLOUD_COS, false, true, "127.0.0.1", 7000,
       "photos-1250000000", "ap-beijing");
}

static void what_is_wrong_is_said_and_nothing_is_set(void **state)
{
    (void)state;
    static const char *const urls[] = {"",
                                       "photos",
                                       "http://h/photos",
                                       "s3://127.0.0.1:0/photos",
                                       "s3://127.0.0.1:65536/photos",
                                       "s3://127.0.0.1:x/photos",
                                       "s3://127.0.0.1:9000",
                                       "s3://127.0.0.1:9000/",
                                       "s3://127.0.0.1:9000/ab",
                                       "s3://127.0.0.1:9000/Photos",
                                       "s3://127.0.0.1:9000/photos/prefix",
                                       "s3://h/photos?x=1",
                                       "s3://[::1/photos",
                                       "s3://h h:1/photos",
                                       "cos://photos-1250000000",
                                       "cos://photos.AP",
                                       "obs://.cn-north-4"};
    for (size_t i = 0; i < sizeof(urls) / sizeof(*urls); i++) {
        struct cloud_target t = {.port = 7};
        struct err e = {{0}};
        if (cloud_target_parse(view_cstr(urls[i]), NULL, &t, &e) != RC_INVALID)
            fail_msg("%s was taken", urls[i]);
        assert_true(strlen(e.text) > 10);
        assert_int_equal(t.port, 7);
    }
    struct cloud_target t;
    struct err e = {{0}};
    assert_int_equal(cloud_target_parse(VIEW("oss://photos.cn-hangzhou"), "cn-beijing", &t, &e), RC_INVALID);
}

static void keys_in_the_url_are_refused_and_not_repeated(void **state)
{
    (void)state;
    struct cloud_target t;
    struct err e = {{0}};
    assert_int_equal(cloud_target_parse(VIEW("s3://AKIA:sEcReT@h:9000/photos"), NULL, &t, &e), RC_INVALID);
    assert_null(strstr(e.text, "sEcReT"));
    assert_non_null(strstr(e.text, "--key-file"));
}

static enum rc read_keys(const char *text, mode_t mode, struct cloud_keys *k, struct err *e)
{
    char path[] = "/tmp/holdfast-keys-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    assert_int_equal(fchmod(fd, mode), 0);
    assert_int_equal(close(fd), 0);
    enum rc rc = cloud_keys_read(os_real(), path, k, e);
    assert_int_equal(unlink(path), 0);
    return rc;
}

static void keys_are_read_from_a_file_of_the_owner_alone(void **state)
{
    (void)state;
    struct cloud_keys k = {{0}, {0}, {0}};
    struct err e = {{0}};
    assert_int_equal(read_keys("access_key: AK\nsecret_key: \"s3/+\"\nsession_token: t\n", 0600, &k, &e), RC_OK);
    assert_string_equal(k.access_key, "AK");
    assert_string_equal(k.secret_key, "s3/+");
    assert_string_equal(k.token, "t");
    cloud_keys_wipe(&k);
    assert_int_equal(k.secret_key[0], 0);
    assert_int_equal(read_keys("access_key: AK\nsecret_key: s\n", 0640, &k, &e), RC_DENIED);
    assert_non_null(strstr(e.text, "chmod 600"));
    assert_int_equal(read_keys("access_key: AK\nsecret_key: s\n", 0604, &k, &e), RC_DENIED);
}

static void a_wrong_key_file_is_refused_by_place_without_the_secret(void **state)
{
    (void)state;
    static const char *const texts[] = {"secret_key: hUsH\n",
                                        "access_key: hUsH\n",
                                        "access_key: AK\nsecret_key: [hUsH]\n",
                                        "access_key: AK\nsecret_key: \"hUsH with blanks\"\n",
                                        "access_key: AK\nsecret_key: \"\"\n",
                                        "access_key: AK\nsecret_key: hUsH\nsecret_key: hUsH\n",
                                        "- hUsH\n",
                                        "access_key: AK\nsecret_key: &hUsH x\n",
                                        "access_key: 'AK\nsecret_key: hUsH\n"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        struct cloud_keys k = {"untouched", "", ""};
        struct err e = {{0}};
        assert_int_equal(read_keys(texts[i], 0600, &k, &e), RC_INVALID);
        assert_null(strstr(e.text, "hUsH"));
        assert_true(strlen(e.text) > 10);
        assert_string_equal(k.access_key, "untouched");
    }
    struct cloud_keys k;
    struct err e = {{0}};
    assert_int_equal(cloud_keys_read(os_real(), "/nowhere/keys", &k, &e), RC_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(s3_is_plain_for_an_address_or_a_port_and_tls_otherwise),
        cmocka_unit_test(vendors_have_their_public_hosts_over_tls),
        cmocka_unit_test(what_is_wrong_is_said_and_nothing_is_set),
        cmocka_unit_test(keys_in_the_url_are_refused_and_not_repeated),
        cmocka_unit_test(keys_are_read_from_a_file_of_the_owner_alone),
        cmocka_unit_test(a_wrong_key_file_is_refused_by_place_without_the_secret),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
