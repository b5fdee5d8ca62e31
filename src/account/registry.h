/* Holdfast: the writing side of the registry, for the reader that keeps it (src/meter). account.h has the reading side.
 *
 * Changes are idempotent and become visible to the next request. One thread writes. A revoked key stays known as
 * revoked, so that a record read again cannot bring it back. */
#ifndef HF_ACCOUNT_REGISTRY_H
#define HF_ACCOUNT_REGISTRY_H

#include "account/price.h"

/* keys may be NULL (tests): then no key has a secret. */
enum rc registry_new(struct keystore *keys, struct registry **ret) HF_MUST_USE;
void registry_free(struct registry *r);
/* Adds or renames nothing: the first call for an id counts, later ones only set timetable and offset. timetable is
 * borrowed for the registry's life. utc_offset_s: of the account's price book, where its days begin. */
enum rc registry_add_account(struct registry *r, uint64_t id, struct view name, struct view currency,
                             const struct timetable *timetable, int32_t utc_offset_s) HF_MUST_USE;
/* rule: what is allowed from now on, timetable_rule of the time since zero. STAGE_ALL while active, within a grace, and
 * always of an account at a cloud, which never refuses anything. Rules within a stage come with time: to be called at
 * each change and at each tick while below zero. available_nano: as far as it is known, for the message to a refused
 * client: below zero it is what a top-up must bring. Unknown ids are ignored. */
void registry_set_stage(struct registry *r, uint64_t id, enum stage stage, enum stage_rule rule,
                        int64_t available_nano);
/* The whole quota of the account (bucket empty) or of a bucket of it; all QUOTA_NONE = none. The account must be there
 * (RC_NOT_FOUND). A limit of a day holds for what is taken from now on and what registry_seed_day says. */
enum rc registry_set_quota(struct registry *r, uint64_t account, struct view bucket,
                           const uint64_t limit[QUOTA_LIMITS]) HF_MUST_USE;
/* What the account (bucket empty) or a bucket of it has used on this day, counted from 1970 in the account's zone:
 * registry_day(now, utc_offset_s). What was taken already is raised to it, never lowered; a day before the one
 * that is counted, or a place without a quota, changes nothing. To be called after registry_set_quota, at a start and
 * when a quota is set. */
void registry_seed_day(struct registry *r, uint64_t account, struct view bucket, int64_t day, uint64_t requests,
                       uint64_t egress_bytes);
int64_t registry_day(int64_t ns, int32_t utc_offset_s);
/* Does this account, or one of its buckets, have a quota? Lets others skip their counting; costs an atomic load while
 * nobody has one. */
bool registry_has_quota(struct registry *r, uint64_t account);
enum rc registry_add_key(struct registry *r, struct view access_key, uint64_t account) HF_MUST_USE;
enum rc registry_revoke_key(struct registry *r, struct view access_key) HF_MUST_USE;

#endif
