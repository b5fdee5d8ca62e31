/* Holdfast: quotas: the limits of accounts and buckets, and what was used of those of a day. */
#include "account/registry_priv.h"

#include <stdio.h>
#include <stdlib.h>

#include "codec/codec.h"

#define DAY_NS (24LL * 3600 * NS_PER_S)

/* What a limit is called: to a client, and to `holdfast quota set`. */
static const struct {
    const char *what, *option;
} limits[QUOTA_LIMITS] = {
    [QUOTA_BYTES] = {"bytes", "--bytes"},
    [QUOTA_OBJECTS] = {"objects", "--objects"},
    [QUOTA_REQUESTS_DAY] = {"requests per day", "--requests-per-day"},
    [QUOTA_EGRESS_DAY] = {"bytes of egress per day", "--egress-per-day"},
};

int64_t registry_day(int64_t ns, int32_t utc_offset_s)
{
    int64_t local = ns + utc_offset_s * NS_PER_S;

    return local / DAY_NS - (local % DAY_NS < 0);
}

/* ---- the table of buckets' quotas; the caller holds the lock ---- */

static uint64_t hash_of(uint64_t account, struct view bucket)
{
    return xxh64(bucket.p, bucket.n, HASH_SEED ^ account);
}

static struct reg_quota *find_bucket(const struct registry *r, uint64_t account, struct view bucket)
{
    if (r->quotas_size == 0)
        return NULL;
    uint64_t hash = hash_of(account, bucket);
    struct reg_quota *q = r->by_quota[hash & (r->quotas_size - 1)];
    while (q && !(q->hash == hash && q->account == account && view_eqs(bucket, q->bucket)))
        q = q->next;
    return q;
}

static enum rc grow(struct registry *r)
{
    if (r->n_quotas < r->quotas_size)
        return RC_OK;
    size_t old_size = r->quotas_size, size = old_size > 0 ? 2 * old_size : TABLE_START;
    struct reg_quota **old = r->by_quota, **table = calloc(size, sizeof(struct reg_quota *));
    if (!table)
        return RC_NOMEM;
    for (size_t i = 0; i < old_size; i++) {
        while (old[i]) {
            struct reg_quota *q = old[i];
            old[i] = q->next;
            q->next = table[q->hash & (size - 1)];
            table[q->hash & (size - 1)] = q;
        }
    }
    free(old);
    r->by_quota = table;
    r->quotas_size = size;
    return RC_OK;
}

void registry_quotas_free(struct registry *r)
{
    for (size_t i = 0; i < r->quotas_size; i++) {
        while (r->by_quota[i]) {
            struct reg_quota *q = r->by_quota[i];
            r->by_quota[i] = q->next;
            free(q);
        }
    }
    free(r->by_quota);
}

static struct reg_quota *find(const struct registry *r, const struct reg_account *a, struct view bucket)
{
    if (bucket.n == 0)
        return a->quota;
    return a->n_bucket_quotas > 0 ? find_bucket(r, a->id, bucket) : NULL;
}

static enum rc insert(struct registry *r, struct reg_account *a, struct view bucket, struct reg_quota **ret)
{
    if (bucket.n > BUCKET_NAME_MAX)
        return RC_INVALID;
    HF_TRY(grow(r));
    struct reg_quota *q = calloc(1, sizeof(*q));
    if (!q)
        return RC_NOMEM;
    q->account = a->id;
    q->hash = hash_of(a->id, bucket);
    HF_ASSERT(view_copy(bucket, q->bucket, sizeof(q->bucket)));
    if (bucket.n == 0) {
        a->quota = q;
    } else {
        q->next = r->by_quota[q->hash & (r->quotas_size - 1)];
        r->by_quota[q->hash & (r->quotas_size - 1)] = q;
        r->n_quotas++;
        a->n_bucket_quotas++;
    }
    *ret = q;
    return RC_OK;
}

static bool limits_anything(const uint64_t limit[QUOTA_LIMITS])
{
    for (unsigned i = 0; i < QUOTA_LIMITS; i++)
        if (limit[i] != QUOTA_NONE)
            return true;
    return false;
}

enum rc registry_set_quota(struct registry *r, uint64_t account, struct view bucket, const uint64_t limit[QUOTA_LIMITS])
{
    enum rc rc = RC_OK;

    pthread_rwlock_wrlock(&r->lock);
    struct reg_account *a = registry_account(r, account);
    struct reg_quota *q = a ? find(r, a, bucket) : NULL;
    if (!a)
        rc = RC_NOT_FOUND;
    else if (!q && limits_anything(limit))
        rc = insert(r, a, bucket, &q);
    if (rc == RC_OK && q) {
        memcpy(q->limit, limit, sizeof(q->limit));
        atomic_store(&r->any_quota, true);
    }
    pthread_rwlock_unlock(&r->lock);
    return rc;
}

bool registry_has_quota(struct registry *r, uint64_t account)
{
    if (!atomic_load_explicit(&r->any_quota, memory_order_relaxed))
        return false;
    pthread_rwlock_rdlock(&r->lock);
    const struct reg_account *a = registry_account(r, account);
    bool has = a && (a->quota || a->n_bucket_quotas > 0);
    pthread_rwlock_unlock(&r->lock);
    return has;
}

/* ---- refusing ---- */

static enum rc refuse(const struct reg_account *a, const struct reg_quota *q, enum quota_limit which, uint64_t used,
                      uint64_t more, const char *until, struct err *ret_message)
{
    uint64_t limit = q->limit[which];
    bool of_bucket = q->bucket[0] != 0;

    return err_set(ret_message, RC_DENIED,
                   "The quota of %s%s%s account %s is %llu %s: %llu are left%s, this needs %llu. Whoever operates this "
                   "service can raise it: holdfast quota set --account %s%s%s %s N",
                   of_bucket ? "bucket " : "", q->bucket, of_bucket ? " of" : "the whole", a->name,
                   (unsigned long long)limit, limits[which].what, (unsigned long long)(used < limit ? limit - used : 0),
                   until, (unsigned long long)more, a->name, of_bucket ? " --bucket " : "", q->bucket,
                   limits[which].option);
}

/* ---- requests and egress of a day ---- */

static void begin_day(struct reg_quota *q, int64_t day)
{
    if (day <= q->day)
        return;
    q->day = day;
    q->requests = q->egress = 0;
}

static bool passes(uint64_t limit, uint64_t used, uint64_t more)
{
    return more > 0 && limit != QUOTA_NONE && (used > limit || more > limit - used);
}

static enum rc check_day(const struct reg_account *a, const struct reg_quota *q, uint64_t requests, uint64_t egress,
                         struct err *ret_message)
{
    bool too_many = passes(q->limit[QUOTA_REQUESTS_DAY], q->requests, requests);
    char at[TIME_TEXT_MAX], until[TIME_TEXT_MAX + 16];

    if (!too_many && !passes(q->limit[QUOTA_EGRESS_DAY], q->egress, egress))
        return RC_OK;
    time_rfc3339((q->day + 1) * DAY_NS - a->utc_offset_s * NS_PER_S, false, at);
    (void)snprintf(until, sizeof(until), " until %s", at);
    if (too_many)
        return refuse(a, q, QUOTA_REQUESTS_DAY, q->requests, requests, until, ret_message);
    return refuse(a, q, QUOTA_EGRESS_DAY, q->egress, egress, until, ret_message);
}

/* Under day_lock: all or nothing. */
static enum rc take(const struct reg_account *a, struct reg_quota *const of[2], uint64_t requests, uint64_t egress,
                    int64_t day, struct err *ret_message)
{
    for (unsigned i = 0; i < 2; i++) {
        if (!of[i])
            continue;
        begin_day(of[i], day);
        HF_TRY(check_day(a, of[i], requests, egress, ret_message));
    }
    for (unsigned i = 0; i < 2; i++) {
        if (!of[i])
            continue;
        of[i]->requests += requests;
        of[i]->egress += egress;
    }
    return RC_OK;
}

enum rc registry_take(struct registry *r, uint64_t account, struct view bucket, uint64_t requests,
                      uint64_t egress_bytes, int64_t now_ns, struct err *ret_message)
{
    enum rc rc = RC_OK;

    if (!atomic_load_explicit(&r->any_quota, memory_order_relaxed))
        return RC_OK;
    pthread_rwlock_rdlock(&r->lock);
    struct reg_account *a = registry_account(r, account);
    if (a) {
        struct reg_quota *const of[2] = {bucket.n > 0 ? find(r, a, bucket) : NULL, a->quota};
        if (of[0] || of[1]) {
            pthread_mutex_lock(&a->day_lock);
            rc = take(a, of, requests, egress_bytes, registry_day(now_ns, a->utc_offset_s), ret_message);
            pthread_mutex_unlock(&a->day_lock);
        }
    }
    pthread_rwlock_unlock(&r->lock);
    return rc;
}

void registry_seed_day(struct registry *r, uint64_t account, struct view bucket, int64_t day, uint64_t requests,
                       uint64_t egress_bytes)
{
    pthread_rwlock_rdlock(&r->lock);
    struct reg_account *a = registry_account(r, account);
    struct reg_quota *q = a ? find(r, a, bucket) : NULL;
    if (q) {
        pthread_mutex_lock(&a->day_lock);
        begin_day(q, day);
        if (day == q->day && q->requests < requests)
            q->requests = requests;
        if (day == q->day && q->egress < egress_bytes)
            q->egress = egress_bytes;
        pthread_mutex_unlock(&a->day_lock);
    }
    pthread_rwlock_unlock(&r->lock);
}

/* ---- bytes and objects ---- */

static enum rc check_stored(const struct reg_account *a, const struct reg_quota *q, const struct quota_change *c,
                            int64_t bytes, int64_t objects, struct err *ret_message)
{
    if (!q)
        return RC_OK;
    if (c->bytes > 0 && bytes > 0 && (uint64_t)bytes > q->limit[QUOTA_BYTES])
        return refuse(a, q, QUOTA_BYTES, (uint64_t)(bytes - c->bytes), (uint64_t)c->bytes, "", ret_message);
    if (c->objects > 0 && objects > 0 && (uint64_t)objects > q->limit[QUOTA_OBJECTS])
        return refuse(a, q, QUOTA_OBJECTS, (uint64_t)(objects - c->objects), (uint64_t)c->objects, "", ret_message);
    return RC_OK;
}

enum rc registry_quota(struct registry *r, const struct quota_change *c, struct err *ret_message)
{
    enum rc rc = RC_OK;

    if (!atomic_load_explicit(&r->any_quota, memory_order_relaxed))
        return RC_OK;
    pthread_rwlock_rdlock(&r->lock);
    const struct reg_account *a = registry_account(r, c->account);
    if (a) {
        rc = check_stored(a, find(r, a, c->bucket), c, c->bucket_bytes, c->bucket_objects, ret_message);
        if (rc == RC_OK)
            rc = check_stored(a, a->quota, c, c->account_bytes, c->account_objects, ret_message);
    }
    pthread_rwlock_unlock(&r->lock);
    return rc;
}
