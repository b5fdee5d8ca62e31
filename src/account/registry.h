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
/* Adds or renames nothing: the first call for an id counts, later ones only set the timetable. timetable is borrowed
 * for the registry's life. */
enum rc registry_add_account(struct registry *r, uint64_t id, struct view name, struct view currency,
                             const struct timetable *timetable) HF_MUST_USE;
/* balance_nano: as far as it is known, for the message to a refused client. Unknown ids are ignored. */
void registry_set_stage(struct registry *r, uint64_t id, enum stage stage, int64_t balance_nano);
enum rc registry_add_key(struct registry *r, struct view access_key, uint64_t account) HF_MUST_USE;
enum rc registry_revoke_key(struct registry *r, struct view access_key) HF_MUST_USE;

#endif
