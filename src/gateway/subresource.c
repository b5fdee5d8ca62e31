/* Subresources that are not built, and what a read of each is answered. */
#include "gateway/parse_priv.h"

static const struct not_made table[] = {
    {"acl", true, true, NEUTRAL_ACL, NULL},
    {"policy", true, false, NEUTRAL_ERROR, "NoSuchBucketPolicy"},
    {"policyStatus", true, false, NEUTRAL_ERROR, "NoSuchBucketPolicy"},
    {"cors", true, false, NEUTRAL_ERROR, "NoSuchCORSConfiguration"},
    {"lifecycle", true, false, NEUTRAL_ERROR, "NoSuchLifecycleConfiguration"},
    {"encryption", true, false, NEUTRAL_ERROR, "ServerSideEncryptionConfigurationNotFoundError"},
    {"object-lock", true, false, NEUTRAL_ERROR, "ObjectLockConfigurationNotFoundError"},
    {"website", true, false, NEUTRAL_ERROR, "NoSuchWebsiteConfiguration"},
    {"replication", true, false, NEUTRAL_ERROR, "ReplicationConfigurationNotFoundError"},
    {"publicAccessBlock", true, false, NEUTRAL_ERROR, "NoSuchPublicAccessBlockConfiguration"},
    {"ownershipControls", true, false, NEUTRAL_ERROR, "OwnershipControlsNotFoundError"},
    {"logging", true, false, NEUTRAL_EMPTY, "BucketLoggingStatus"},
    {"notification", true, false, NEUTRAL_EMPTY, "NotificationConfiguration"},
    {"accelerate", true, false, NEUTRAL_EMPTY, "AccelerateConfiguration"},
    {"abac", true, false, NEUTRAL_EMPTY, "AbacStatus"},
    {"requestPayment", true, false, NEUTRAL_PAYER, NULL},
    {"analytics", true, false, NEUTRAL_LIST, "ListBucketAnalyticsConfigurationsResult"},
    {"inventory", true, false, NEUTRAL_LIST, "ListInventoryConfigurationsResult"},
    {"metrics", true, false, NEUTRAL_LIST, "ListMetricsConfigurationsResult"},
    {"intelligent-tiering", true, false, NEUTRAL_LIST, "ListBucketIntelligentTieringConfigurationsResult"},
    {"metadataTable", true, false, NEUTRAL_ERROR, "NoSuchConfiguration"},
    {"metadataConfiguration", true, false, NEUTRAL_ERROR, "NoSuchConfiguration"},
    {"session", true, false, NEUTRAL_NOT_READ, NULL},
    {"legal-hold", false, true, NEUTRAL_ERROR, "InvalidRequest"},
    {"retention", false, true, NEUTRAL_ERROR, "InvalidRequest"},
    {"torrent", false, true, NEUTRAL_NOT_READ, NULL},
    {"restore", false, true, NEUTRAL_NOT_READ, NULL},
    {"select", false, true, NEUTRAL_NOT_READ, NULL},
    {"append", false, true, NEUTRAL_NOT_READ, NULL},
    {"renameObject", false, true, NEUTRAL_NOT_READ, NULL},
};

const struct not_made *gw_not_made(struct view name, bool object)
{
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if ((object ? table[i].object : table[i].bucket) && view_eqs(name, table[i].name))
            return &table[i];
    return NULL;
}
