/* Holdfast: what an answer means: status and error code of each cloud, by class. */
#include "cloud/cloud_priv.h"

static const char *const class_names[CLOUD_CLASSES] = {
    [CLOUD_OK] = "ok",
    [CLOUD_RETRY] = "retry",
    [CLOUD_GONE] = "gone",
    [CLOUD_NO_BUCKET] = "no-bucket",
    [CLOUD_CONDITION] = "condition",
    [CLOUD_DENIED] = "denied",
    [CLOUD_SKEW] = "skew",
    [CLOUD_ARREARS] = "arrears",
    [CLOUD_THROTTLED] = "throttled",
    [CLOUD_CORRUPT] = "corrupt",
    [CLOUD_REFUSED] = "refused",
};

const char *cloud_class_name(enum cloud_class c)
{
    return (unsigned)c < CLOUD_CLASSES ? class_names[c] : "unknown";
}

#define S3 (1u << CLOUD_S3)
#define COS (1u << CLOUD_COS)
#define OSS (1u << CLOUD_OSS)
#define OBS (1u << CLOUD_OBS)
#define ALL (S3 | COS | OSS | OBS)

/* A code is taken from the cloud that has it. Where a status is named, only with that status. */
static const struct {
    const char *code;
    unsigned dialects, status;
    enum cloud_class class;
} codes[] = {
    {"UnavailableForLegalReasons", COS, 451, CLOUD_ARREARS},
    {"UserDisable", OSS, 403, CLOUD_ARREARS},
    {"InDebt", OSS, 403, CLOUD_ARREARS},
    {"InDebtOverdue", OSS, 403, CLOUD_ARREARS},
    {"InArrearOrInsufficientBalance", OBS, 403, CLOUD_ARREARS},
    {"DeregisterUserId", OBS, 403, CLOUD_ARREARS},
    {"AccountProblem", S3, 403, CLOUD_ARREARS},
    {"AllAccessDisabled", S3, 403, CLOUD_ARREARS},
    {"RequestTimeTooSkewed", ALL, 403, CLOUD_SKEW},
    {"RequestTimeTooSkewed", ALL, 400, CLOUD_SKEW},
    {"RequestExpired", ALL, 403, CLOUD_SKEW},
    {"SlowDown", ALL, 0, CLOUD_THROTTLED},
    {"SlowDownRead", ALL, 0, CLOUD_THROTTLED},
    {"SlowDownWrite", ALL, 0, CLOUD_THROTTLED},
    {"Throttling", ALL, 0, CLOUD_THROTTLED},
    {"ThrottlingException", ALL, 0, CLOUD_THROTTLED},
    {"TooManyRequests", ALL, 0, CLOUD_THROTTLED},
    {"RequestLimitExceeded", ALL, 0, CLOUD_THROTTLED},
    {"QpsLimitExceeded", ALL, 0, CLOUD_THROTTLED},
    {"DownloadTrafficRateLimitExceeded", OSS, 0, CLOUD_THROTTLED},
    {"UploadTrafficRateLimitExceeded", OSS, 0, CLOUD_THROTTLED},
    {"BadDigest", ALL, 0, CLOUD_CORRUPT},
    {"InvalidDigest", ALL, 0, CLOUD_CORRUPT},
    {"XAmzContentSHA256Mismatch", ALL, 0, CLOUD_CORRUPT},
    {"XAmzContentChecksumMismatch", ALL, 0, CLOUD_CORRUPT},
    {"IncompleteBody", ALL, 0, CLOUD_RETRY},
    {"RequestTimeout", ALL, 0, CLOUD_RETRY},
    {"RequestTimeOut", ALL, 0, CLOUD_RETRY},
    {"InternalError", ALL, 0, CLOUD_RETRY},
    {"ServiceUnavailable", ALL, 0, CLOUD_RETRY},
    {"OperationAborted", ALL, 409, CLOUD_RETRY},
    {"NoSuchBucket", ALL, 404, CLOUD_NO_BUCKET},
    {"PreconditionFailed", ALL, 0, CLOUD_CONDITION},
    {"ConditionalRequestConflict", S3, 409, CLOUD_CONDITION},
    {"FileAlreadyExists", OSS | COS, 409, CLOUD_CONDITION},
    {"InvalidAccessKeyId", ALL, 0, CLOUD_DENIED},
    {"SignatureDoesNotMatch", ALL, 0, CLOUD_DENIED},
    {"ExpiredToken", ALL, 400, CLOUD_DENIED},
    {"InvalidToken", ALL, 400, CLOUD_DENIED},
};

static enum cloud_class by_status(enum cloud_dialect d, unsigned status)
{
    if (status == 0 || status == 408)
        return CLOUD_RETRY;
    if (status >= 200 && status < 300)
        return CLOUD_OK;
    switch (status) {
    case 304:
    case 412:
        return CLOUD_CONDITION;
    case 401:
    case 403:
        return CLOUD_DENIED;
    case 404:
    case 405: /* a read of a delete marker */
    case 410:
        return CLOUD_GONE;
    case 429:
        return CLOUD_THROTTLED;
    case 451:
        return d == CLOUD_COS ? CLOUD_ARREARS : CLOUD_REFUSED;
    default:
        return status >= 500 ? CLOUD_RETRY : CLOUD_REFUSED;
    }
}

enum cloud_class cloud_classify(enum cloud_dialect d, unsigned status, struct view code)
{
    for (size_t i = 0; code.n > 0 && i < sizeof(codes) / sizeof(*codes); i++) {
        bool here = codes[i].dialects & 1u << d && (codes[i].status == 0 || codes[i].status == status);
        if (here && view_eqs(code, codes[i].code))
            return codes[i].class;
    }
    return by_status(d, status);
}
