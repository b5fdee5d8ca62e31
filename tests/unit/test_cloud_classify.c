/* Holdfast: what each cloud's answers mean. */
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "cloud/cloud.h"

static void is(enum cloud_dialect d, unsigned status, const char *code, enum cloud_class want)
{
    enum cloud_class got = cloud_classify(d, status, view_cstr(code));
    if (got != want)
        fail_msg("dialect %d, %u %s: %s, not %s", (int)d, status, code, cloud_class_name(got), cloud_class_name(want));
}

static void arrears_are_known_by_each_clouds_own_words(void **state)
{
    (void)state;
    is(CLOUD_COS, 451, "UnavailableForLegalReasons", CLOUD_ARREARS);
    is(CLOUD_COS, 451, "", CLOUD_ARREARS); /* a HEAD */
    is(CLOUD_OSS, 403, "UserDisable", CLOUD_ARREARS);
    is(CLOUD_OSS, 403, "InDebt", CLOUD_ARREARS);
    is(CLOUD_OSS, 403, "InDebtOverdue", CLOUD_ARREARS);
    is(CLOUD_OBS, 403, "InArrearOrInsufficientBalance", CLOUD_ARREARS);
    is(CLOUD_OBS, 403, "DeregisterUserId", CLOUD_ARREARS);
    is(CLOUD_S3, 403, "AccountProblem", CLOUD_ARREARS);
    is(CLOUD_S3, 403, "AllAccessDisabled", CLOUD_ARREARS);
}

static void anothers_word_for_arrears_is_a_plain_denial(void **state)
{
    (void)state;
    is(CLOUD_S3, 403, "UserDisable", CLOUD_DENIED);
    is(CLOUD_OSS, 403, "AccountProblem", CLOUD_DENIED);
    is(CLOUD_S3, 451, "", CLOUD_REFUSED);
}

static void the_rest_goes_by_code_then_status(void **state)
{
    (void)state;
    for (int d = CLOUD_S3; d <= CLOUD_OBS; d++) {
        is(d, 200, "", CLOUD_OK);
        is(d, 204, "", CLOUD_OK);
        is(d, 206, "", CLOUD_OK);
        is(d, 0, "", CLOUD_RETRY);
        is(d, 500, "InternalError", CLOUD_RETRY);
        is(d, 502, "", CLOUD_RETRY);
        is(d, 503, "", CLOUD_RETRY);
        is(d, 409, "OperationAborted", CLOUD_RETRY);
        is(d, 400, "RequestTimeout", CLOUD_RETRY);
        is(d, 503, "SlowDown", CLOUD_THROTTLED);
        is(d, 429, "", CLOUD_THROTTLED);
        is(d, 503, "QpsLimitExceeded", CLOUD_THROTTLED);
        is(d, 404, "NoSuchKey", CLOUD_GONE);
        is(d, 404, "NoSuchUpload", CLOUD_GONE);
        is(d, 404, "NoSuchVersion", CLOUD_GONE);
        is(d, 404, "NoSuchBucket", CLOUD_NO_BUCKET);
        is(d, 410, "", CLOUD_GONE);
        is(d, 412, "PreconditionFailed", CLOUD_CONDITION);
        is(d, 304, "", CLOUD_CONDITION);
        is(d, 401, "", CLOUD_DENIED);
        is(d, 403, "AccessDenied", CLOUD_DENIED);
        is(d, 403, "SignatureDoesNotMatch", CLOUD_DENIED);
        is(d, 403, "RequestTimeTooSkewed", CLOUD_SKEW);
        is(d, 400, "BadDigest", CLOUD_CORRUPT);
        is(d, 400, "EntityTooLarge", CLOUD_REFUSED);
        is(d, 409, "BucketNotEmpty", CLOUD_REFUSED);
        is(d, 301, "PermanentRedirect", CLOUD_REFUSED);
    }
}

static void every_class_has_a_name(void **state)
{
    (void)state;
    for (int c = CLOUD_OK; c < CLOUD_CLASSES; c++)
        assert_true(strlen(cloud_class_name((enum cloud_class)c)) > 1);
    assert_string_equal(cloud_class_name(CLOUD_CLASSES), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arrears_are_known_by_each_clouds_own_words),
        cmocka_unit_test(anothers_word_for_arrears_is_a_plain_denial),
        cmocka_unit_test(the_rest_goes_by_code_then_status),
        cmocka_unit_test(every_class_has_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
