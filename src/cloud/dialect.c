/* Holdfast: what the four dialects call the same things. */
#include "cloud/cloud_priv.h"

static const struct cloud_names names[] = {
    [CLOUD_S3] = {"s3", "x-amz-", NULL, true, true},
    [CLOUD_COS] = {"cos", "x-cos-", "x-cos-forbid-overwrite", false, false},
    [CLOUD_OSS] = {"oss", "x-oss-", "x-oss-forbid-overwrite", false, true},
    [CLOUD_OBS] = {"obs", "x-obs-", NULL, false, false},
};

const struct cloud_names *cloud_names(enum cloud_dialect d)
{
    HF_ASSERT((size_t)d < sizeof(names) / sizeof(*names));
    return &names[d];
}

/* The nearest class with the same promises on reading: what S3 gives at once must not need a restore elsewhere. */
static const struct {
    const char *s3, *cos, *oss, *obs;
} classes[] = {
    {"STANDARD", "STANDARD", "Standard", "STANDARD"},
    {"REDUCED_REDUNDANCY", "STANDARD", "Standard", "STANDARD"},
    {"INTELLIGENT_TIERING", "INTELLIGENT_TIERING", "Standard", "STANDARD"},
    {"STANDARD_IA", "STANDARD_IA", "IA", "WARM"},
    {"ONEZONE_IA", "STANDARD_IA", "IA", "WARM"},
    {"GLACIER_IR", "STANDARD_IA", "IA", "WARM"},
    {"GLACIER", "ARCHIVE", "Archive", "COLD"},
    {"DEEP_ARCHIVE", "DEEP_ARCHIVE", "ColdArchive", "COLD"},
};

const char *cloud_storage_class(enum cloud_dialect d, struct view s3_name)
{
    for (size_t i = 0; i < sizeof(classes) / sizeof(*classes); i++) {
        if (!view_eqs(s3_name, classes[i].s3))
            continue;
        switch (d) {
        case CLOUD_S3:
            return classes[i].s3;
        case CLOUD_COS:
            return classes[i].cos;
        case CLOUD_OSS:
            return classes[i].oss;
        case CLOUD_OBS:
            return classes[i].obs;
        }
    }
    return NULL;
}
