/* Holdfast: the inside of the registry, shared by its files: registry.c (accounts, keys, gates), quota.c. */
#ifndef HF_ACCOUNT_REGISTRY_PRIV_H
#define HF_ACCOUNT_REGISTRY_PRIV_H

#include "account/registry.h"

#include <pthread.h>
#include <stdatomic.h>

#define TABLE_START 64 /* a power of two */
#define HASH_SEED 0x72656769u

/* The limits of an account, or of one of its buckets, and what was used of those of a day. Made when the first limit is
 * set; stays. */
struct reg_quota {
    struct reg_quota *next; /* in its bucket of by_quota */
    uint64_t account, hash;
    char bucket[BUCKET_NAME_MAX + 1]; /* empty = the whole account */
    uint64_t limit[QUOTA_LIMITS];
    /* Guarded by the account's day_lock: */
    int64_t day;
    uint64_t requests, egress;
};

/* Invariant: but for what day_lock guards, every field below is written under the registry's lock held for writing, by
 * one thread, and read under it held for reading; nothing that a reader returned points into here. */
struct reg_account {
    struct reg_account *next; /* in its bucket of by_id */
    uint64_t id;
    char name[ACCOUNT_NAME_MAX + 1];
    char currency[BOOK_CURRENCY_LEN + 1];
    const struct timetable *timetable;
    int32_t utc_offset_s;
    enum stage stage;
    enum stage_rule rule;
    int64_t available_nano;
    struct reg_quota *quota; /* of the whole account; NULL = never had one */
    unsigned n_bucket_quotas;
    pthread_mutex_t day_lock; /* taken inside the registry's lock */
};
struct reg_key {
    struct reg_key *next; /* in its bucket of by_key */
    uint64_t account;
    uint64_t hash;
    bool revoked;
    char access_key[ACCESS_KEY_MAX + 1];
};
struct registry {
    struct keystore *keys;
    pthread_rwlock_t lock;
    struct reg_account **by_id;
    size_t n_accounts, accounts_size;
    struct reg_key **by_key;
    size_t n_keys, keys_size;
    struct reg_quota **by_quota; /* of buckets; NULL until there is one */
    size_t n_quotas, quotas_size;
    atomic_bool any_quota; /* without one the request's path takes no lock for quotas */
};

/* registry.c; the caller holds the lock. */
struct reg_account *registry_account(const struct registry *r, uint64_t id);
/* quota.c */
void registry_quotas_free(struct registry *r);

#endif
