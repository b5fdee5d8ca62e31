/* Holdfast: the registry: keys, accounts and stages in memory, for every request. */
#include "account/registry_priv.h"

#include <stdio.h>
#include <stdlib.h>

#include "codec/codec.h"

#define FEN_NANO (MONEY_NANO / 100)

enum rc registry_new(struct keystore *keys, struct registry **ret)
{
    struct registry *r = calloc(1, sizeof(*r));

    if (!r)
        return RC_NOMEM;
    r->keys = keys;
    r->accounts_size = r->keys_size = TABLE_START;
    r->by_id = calloc(r->accounts_size, sizeof(*r->by_id));
    r->by_key = calloc(r->keys_size, sizeof(*r->by_key));
    HF_ASSERT(pthread_rwlock_init(&r->lock, NULL) == 0);
    if (!r->by_id || !r->by_key) {
        registry_free(r);
        return RC_NOMEM;
    }
    *ret = r;
    return RC_OK;
}

static void account_free(struct reg_account *a)
{
    pthread_mutex_destroy(&a->day_lock);
    free(a->quota);
    free(a);
}

void registry_free(struct registry *r)
{
    if (!r)
        return;
    registry_quotas_free(r);
    for (size_t i = 0; r->by_id && i < r->accounts_size; i++) {
        while (r->by_id[i]) {
            struct reg_account *a = r->by_id[i];
            r->by_id[i] = a->next;
            account_free(a);
        }
    }
    for (size_t i = 0; r->by_key && i < r->keys_size; i++) {
        while (r->by_key[i]) {
            struct reg_key *k = r->by_key[i];
            r->by_key[i] = k->next;
            free(k);
        }
    }
    free(r->by_id);
    free(r->by_key);
    pthread_rwlock_destroy(&r->lock);
    free(r);
}

/* ---- tables; the caller holds the lock ---- */

static size_t id_bucket(const struct registry *r, uint64_t id)
{
    return (size_t)((id * 0x9e3779b97f4a7c15u) >> 32) & (r->accounts_size - 1);
}

struct reg_account *registry_account(const struct registry *r, uint64_t id)
{
    struct reg_account *a = r->by_id[id_bucket(r, id)];
    while (a && a->id != id)
        a = a->next;
    return a;
}

static struct reg_key *find_key(const struct registry *r, struct view access_key, uint64_t hash)
{
    struct reg_key *k = r->by_key[hash & (r->keys_size - 1)];
    while (k && !(k->hash == hash && view_eqs(access_key, k->access_key)))
        k = k->next;
    return k;
}

static enum rc grow_accounts(struct registry *r)
{
    if (r->n_accounts < r->accounts_size)
        return RC_OK;
    struct reg_account **old = r->by_id;
    size_t old_size = r->accounts_size;
    struct reg_account **table = calloc(2 * old_size, sizeof(struct reg_account *));
    if (!table)
        return RC_NOMEM;
    r->by_id = table;
    r->accounts_size = 2 * old_size;
    for (size_t i = 0; i < old_size; i++) {
        while (old[i]) {
            struct reg_account *a = old[i];
            old[i] = a->next;
            a->next = table[id_bucket(r, a->id)];
            table[id_bucket(r, a->id)] = a;
        }
    }
    free(old);
    return RC_OK;
}

static enum rc grow_keys(struct registry *r)
{
    if (r->n_keys < r->keys_size)
        return RC_OK;
    struct reg_key **old = r->by_key;
    size_t old_size = r->keys_size, size = 2 * old_size;
    struct reg_key **table = calloc(size, sizeof(struct reg_key *));
    if (!table)
        return RC_NOMEM;
    for (size_t i = 0; i < old_size; i++) {
        while (old[i]) {
            struct reg_key *k = old[i];
            old[i] = k->next;
            k->next = table[k->hash & (size - 1)];
            table[k->hash & (size - 1)] = k;
        }
    }
    r->by_key = table;
    r->keys_size = size;
    free(old);
    return RC_OK;
}

/* ---- writing ---- */

static enum rc insert_account(struct registry *r, uint64_t id, struct view name, struct view currency,
                              const struct timetable *timetable, int32_t utc_offset_s)
{
    HF_TRY(grow_accounts(r));
    struct reg_account *a = calloc(1, sizeof(*a));
    if (!a)
        return RC_NOMEM;
    a->id = id;
    a->timetable = timetable;
    a->utc_offset_s = utc_offset_s;
    if (!view_copy(name, a->name, sizeof(a->name)) || !view_copy(currency, a->currency, sizeof(a->currency))) {
        free(a);
        return RC_INVALID;
    }
    HF_ASSERT(pthread_mutex_init(&a->day_lock, NULL) == 0);
    a->next = r->by_id[id_bucket(r, id)];
    r->by_id[id_bucket(r, id)] = a;
    r->n_accounts++;
    return RC_OK;
}

enum rc registry_add_account(struct registry *r, uint64_t id, struct view name, struct view currency,
                             const struct timetable *timetable, int32_t utc_offset_s)
{
    enum rc rc = RC_OK;

    pthread_rwlock_wrlock(&r->lock);
    struct reg_account *a = registry_account(r, id);
    if (a) {
        a->timetable = timetable;
        a->utc_offset_s = utc_offset_s;
    } else {
        rc = insert_account(r, id, name, currency, timetable, utc_offset_s);
    }
    pthread_rwlock_unlock(&r->lock);
    return rc;
}

void registry_set_stage(struct registry *r, uint64_t id, enum stage stage, enum stage_rule rule, int64_t available_nano)
{
    pthread_rwlock_wrlock(&r->lock);
    struct reg_account *a = registry_account(r, id);
    if (a) {
        a->stage = stage;
        a->rule = rule;
        a->available_nano = available_nano;
    }
    pthread_rwlock_unlock(&r->lock);
}

static enum rc insert_key(struct registry *r, struct view access_key, uint64_t hash, uint64_t account)
{
    HF_TRY(grow_keys(r));
    struct reg_key *k = calloc(1, sizeof(*k));
    if (!k)
        return RC_NOMEM;
    k->account = account;
    k->hash = hash;
    if (!view_copy(access_key, k->access_key, sizeof(k->access_key))) {
        free(k);
        return RC_INVALID;
    }
    k->next = r->by_key[hash & (r->keys_size - 1)];
    r->by_key[hash & (r->keys_size - 1)] = k;
    r->n_keys++;
    return RC_OK;
}

enum rc registry_add_key(struct registry *r, struct view access_key, uint64_t account)
{
    uint64_t hash = xxh64(access_key.p, access_key.n, HASH_SEED);
    enum rc rc = RC_OK;

    pthread_rwlock_wrlock(&r->lock);
    if (!find_key(r, access_key, hash))
        rc = insert_key(r, access_key, hash, account);
    pthread_rwlock_unlock(&r->lock);
    return rc;
}

enum rc registry_revoke_key(struct registry *r, struct view access_key)
{
    uint64_t hash = xxh64(access_key.p, access_key.n, HASH_SEED);

    pthread_rwlock_wrlock(&r->lock);
    struct reg_key *k = find_key(r, access_key, hash);
    if (k)
        k->revoked = true;
    pthread_rwlock_unlock(&r->lock);
    return k ? RC_OK : RC_NOT_FOUND;
}

/* ---- reading ---- */

enum rc registry_key(struct registry *r, struct view access_key, struct caller *ret)
{
    uint64_t hash = xxh64(access_key.p, access_key.n, HASH_SEED);
    enum rc rc = RC_NOT_FOUND;

    pthread_rwlock_rdlock(&r->lock);
    const struct reg_key *k = find_key(r, access_key, hash);
    const struct reg_account *a = k && !k->revoked ? registry_account(r, k->account) : NULL;
    if (a) {
        ret->account = a->id;
        ret->suspended = a->rule == STAGE_KEYS_INVALID;
        memcpy(ret->account_name, a->name, sizeof(ret->account_name));
        memcpy(ret->access_key, k->access_key, sizeof(ret->access_key));
        rc = r->keys ? keystore_get(r->keys, k->access_key, ret->secret) : RC_NOT_FOUND;
    }
    pthread_rwlock_unlock(&r->lock);
    return rc;
}

/* What must be paid so that what is available is not below zero, rounded up to a hundredth: the amount goes on growing
 * while storage is billed, so more digits would only pretend. */
static int64_t amount_to_lift(int64_t available_nano)
{
    int64_t debt = available_nano == INT64_MIN ? INT64_MAX : -available_nano;
    int64_t fen = debt / FEN_NANO + (debt % FEN_NANO != 0);
    return fen > INT64_MAX / FEN_NANO ? debt : fen * FEN_NANO;
}

static enum rc refuse(const struct reg_account *a, struct err *ret_message)
{
    char below[MONEY_TEXT_MAX], pay[MONEY_TEXT_MAX];

    if (a->available_nano >= 0)
        return err_set(ret_message, RC_DENIED, "%s Account %s is in stage %s.", a->timetable->words, a->name,
                       stage_name(a->stage));
    int64_t debt = a->available_nano == INT64_MIN ? INT64_MAX : -a->available_nano;
    return err_set(ret_message, RC_DENIED,
                   "%s Account %s is %s %s below zero (stage %s); a top-up of at least %s %s lifts this at once.",
                   a->timetable->words, a->name, money_text(debt, below), a->currency, stage_name(a->stage),
                   money_text(amount_to_lift(a->available_nano), pay), a->currency);
}

static bool allowed(enum stage_rule rule, enum gate what)
{
    switch (rule) {
    case STAGE_ALL:
        return true;
    case STAGE_NO_NEW_BUCKETS:
        return what != GATE_NEW_BUCKET;
    case STAGE_READ_ONLY:
        return what == GATE_READ;
    default:
        return false;
    }
}

enum rc registry_gate(struct registry *r, uint64_t account, enum gate what, struct err *ret_message)
{
    enum rc rc = RC_OK;

    pthread_rwlock_rdlock(&r->lock);
    const struct reg_account *a = registry_account(r, account);
    if (!a)
        rc = err_set(ret_message, RC_DENIED, "There is no account %llu.", (unsigned long long)account);
    else if (!allowed(a->rule, what))
        rc = refuse(a, ret_message);
    pthread_rwlock_unlock(&r->lock);
    return rc;
}

bool registry_name(struct registry *r, uint64_t account, char name[ACCOUNT_NAME_MAX + 1])
{
    pthread_rwlock_rdlock(&r->lock);
    const struct reg_account *a = registry_account(r, account);
    if (a)
        memcpy(name, a->name, sizeof(a->name));
    pthread_rwlock_unlock(&r->lock);
    return a != NULL;
}

enum rc registry_find(struct registry *r, struct view name, uint64_t *ret_account)
{
    const struct reg_account *found = NULL;

    pthread_rwlock_rdlock(&r->lock);
    for (size_t i = 0; !found && i < r->accounts_size; i++) {
        const struct reg_account *a = r->by_id[i];
        while (a && !view_eqs(name, a->name))
            a = a->next;
        found = a;
    }
    if (found)
        *ret_account = found->id;
    pthread_rwlock_unlock(&r->lock);
    return found ? RC_OK : RC_NOT_FOUND;
}
