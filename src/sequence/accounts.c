/* Accounts, money and keys: check, write the record, wait until the reader has it. One at a time: the caller holds
 * the control lock. */
#include "sequence/engine_priv.h"

#include <stdlib.h>
#include <string.h>

/* Writes one account record and waits for its effect. */
static enum rc record(struct engine *g, const struct account_rec *rec, uint64_t *ret_seq, struct err *e)
{
    struct buf payload = BUF(JOURNAL_PAYLOAD_MAX);
    struct seq_req req = {.type = rec->type, .urgent = true};

    enum rc rc = account_rec_encode(rec, &payload);
    if (rc != RC_OK) {
        buf_free(&payload);
        return err_set(e, rc, "the record could not be made");
    }
    req.payload = buf_view(&payload);
    rc = seq_call(g->seq, &req);
    buf_free(&payload);
    if (rc != RC_OK)
        return err_set(e, rc, "%s", req.err.text);
    *ret_seq = req.seq;
    HF_TRY(meter_wait(g->meter, req.seq, e));
    return meter_refusal(g->meter, req.seq, e);
}

static enum rc find(struct engine *g, struct view name, uint64_t *ret, struct err *e)
{
    if (registry_find(meter_registry(g->meter), name, ret) == RC_OK)
        return RC_OK;
    return err_set(e, RC_NOT_FOUND, "no account is called %.*s: `holdfast account list` shows those there are",
                   (int)name.n, name.p);
}

enum rc engine_account_record(struct engine *g, struct view account, struct account_rec *rec, uint64_t *ret_seq,
                              struct err *e)
{
    uint64_t seq = 0;
    bool repeat = false;

    HF_TRY(meter_check(g->meter, account, rec, &repeat, e));
    if (!repeat)
        HF_TRY(record(g, rec, &seq, e));
    if (ret_seq)
        *ret_seq = seq;
    return RC_OK;
}

enum rc engine_key_create(struct engine *g, struct view account, char ret_access[ACCESS_KEY_MAX + 1],
                          char ret_secret[SECRET_KEY_MAX + 1], struct err *e)
{
    struct account_rec rec = {.type = REC_KEY};
    uint64_t seq;

    HF_TRY(find(g, account, &rec.account, e));
    key_make(g->os, ret_access, ret_secret);
    HF_TRY(keystore_put(g->keys, ret_access, ret_secret, e));
    rec.access_key = view_cstr(ret_access);
    return record(g, &rec, &seq, e);
}

enum rc engine_key_revoke(struct engine *g, struct view access_key, struct err *e)
{
    struct account_rec rec = {.type = REC_KEY_REVOKE, .access_key = access_key};
    struct caller c;
    char name[ACCESS_KEY_MAX + 1];
    uint64_t seq;

    if (!view_copy(access_key, name, sizeof name) || registry_key(meter_registry(g->meter), access_key, &c) != RC_OK)
        return err_set(e, RC_NOT_FOUND, "no such key is in use: `holdfast key list` shows those there are");
    explicit_bzero(c.secret, sizeof c.secret);
    rec.account = c.account;
    HF_TRY(record(g, &rec, &seq, e));
    return keystore_delete(g->keys, name, e);
}

static bool key_text_ok(const char *s, size_t max)
{
    size_t n = strlen(s);

    if (n < 3 || n > max)
        return false;
    for (size_t i = 0; i < n; i++)
        if (s[i] <= ' ' || s[i] > '~' || s[i] == '/' || s[i] == ',')
            return false;
    return true;
}

/* The key of the environment is put again when its secret changed or the keystore lost it; the record is made once. */
static enum rc given_key(struct engine *g, const char *access_key, const char *secret, bool *ret_made, struct err *e)
{
    struct account_rec rec = {.type = REC_KEY, .account = ACCOUNT_DEFAULT, .access_key = view_cstr(access_key)};
    char have[SECRET_KEY_MAX + 1];
    struct caller c;
    uint64_t seq;

    if (!key_text_ok(access_key, ACCESS_KEY_MAX) || strlen(secret) < 8 || strlen(secret) > SECRET_KEY_MAX)
        return err_set(
            e, RC_INVALID,
            "HOLDFAST_ACCESS_KEY must be 3 to %d printable characters without / and comma, HOLDFAST_SECRET_KEY 8 "
            "to %d characters",
            ACCESS_KEY_MAX, SECRET_KEY_MAX);
    bool known = registry_key(meter_registry(g->meter), rec.access_key, &c) == RC_OK;
    bool same = keystore_get(g->keys, access_key, have) == RC_OK && strcmp(have, secret) == 0;
    if (!same)
        HF_TRY(keystore_put(g->keys, access_key, secret, e));
    *ret_made = !known;
    if (known && same)
        return RC_OK;
    return record(g, &rec, &seq, e);
}

enum rc engine_first_key(struct engine *g, const char *access_key, const char *secret,
                         char ret_access[ACCESS_KEY_MAX + 1], char ret_secret[SECRET_KEY_MAX + 1], bool *ret_made,
                         struct err *e)
{
    json_t *keys = NULL;

    *ret_made = false;
    ret_access[0] = ret_secret[0] = 0;
    if (access_key && secret)
        return given_key(g, access_key, secret, ret_made, e);
    if (access_key || secret)
        return err_set(e, RC_INVALID, "set both HOLDFAST_ACCESS_KEY and HOLDFAST_SECRET_KEY, or neither");
    HF_TRY(meter_keys_json(g->meter, view_cstr("default"), &keys, e));
    bool any = json_array_size(keys) > 0;
    json_decref(keys);
    if (any)
        return RC_OK;
    *ret_made = true;
    return engine_key_create(g, view_cstr("default"), ret_access, ret_secret, e);
}
