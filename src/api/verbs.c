/* The verbs of the control socket, one function each: status, keys, disks, clock; and the tables that find them all. */
#include "api/api_priv.h"

#include "codec/codec.h"
#include "os/sock.h"

#include <string.h>

enum rc control_made(struct control_call *c, json_t *v, json_t **ret)
{
    if (!v)
        return err_set(&c->err, RC_NOMEM, "out of memory");
    *ret = v;
    return RC_OK;
}

enum rc control_settle(struct control_call *c)
{
    return seq_settle(c->engine->seq, &c->err);
}

int64_t control_now(const struct control_call *c)
{
    return seq_now(c->engine->seq);
}

enum rc control_account(struct control_call *c, json_t **ret)
{
    HF_TRY(control_settle(c));
    return meter_account_json(c->engine->meter, control_arg(c, "account"), control_now(c), ret, &c->err);
}

/* ---- status ---- */

static json_t *disks_json(struct engine *g)
{
    json_t *list = json_array();

    store_account_space(g->store);
    for (unsigned i = 0; list && i < g->disks->n; i++) {
        struct disk *k = &g->disks->disk[i];

        json_array_append_new(list, json_pack("{s:s,s:s,s:I,s:i}", "path", k->path, "state", disk_state_name(k->state),
                                              "bytes_used", (json_int_t)k->bytes_used, "slot", (int)k->slot));
    }
    return list;
}

static json_t *journal_json(struct engine *g)
{
    uint8_t root[HASH_SIZE];
    char hex[2 * HASH_SIZE + 1];
    uint64_t size = 0;

    journal_head(g->journal, &size, root);
    hex_encode(root, sizeof root, hex);
    return json_pack("{s:I,s:s,s:I}", "sequence", (json_int_t)size, "root", hex, "epoch",
                     (json_int_t)journal_epoch(g->journal));
}

static json_t *scrub_json(struct engine *g)
{
    struct engine_scrub_report r;
    char text[TIME_TEXT_MAX];

    engine_scrub_report(g, &r);
    return json_pack("{s:o,s:I,s:I,s:I,s:I}", "last_pass",
                     r.last_pass_ns ? json_string(time_rfc3339(r.last_pass_ns, false, text)) : json_null(),
                     "done_bytes", (json_int_t)r.done_bytes, "total_bytes", (json_int_t)r.total_bytes, "corrupt",
                     (json_int_t)r.total.corrupt, "unrepairable", (json_int_t)r.total.unrepairable);
}

static enum rc verb_status(struct control_call *c, json_t **ret)
{
    struct engine *g = c->engine;
    json_t *accounts = NULL;
    char now[TIME_TEXT_MAX];

    HF_TRY(control_settle(c));
    HF_TRY(meter_accounts_json(g->meter, control_now(c), &accounts, &c->err));
    return control_made(c,
                        json_pack("{s:o,s:o,s:I,s:o,s:o,s:s,s:b}", "accounts", accounts, "disks", disks_json(g),
                                  "objects", (json_int_t)cat_objects(g->cat), "journal", journal_json(g), "scrub",
                                  scrub_json(g), "now", time_rfc3339(control_now(c), false, now), "full",
                                  journal_full(g->journal)),
                        ret);
}

/* ---- keys ---- */

static enum rc verb_key_create(struct control_call *c, json_t **ret)
{
    char access[ACCESS_KEY_MAX + 1], secret[SECRET_KEY_MAX + 1];

    HF_TRY(engine_key_create(c->engine, control_arg_or(c, "account", "default"), access, secret, &c->err));
    json_t *v = json_pack("{s:s,s:s}", "access_key", access, "secret_key", secret);
    explicit_bzero(secret, sizeof secret);
    return control_made(c, v, ret);
}

static enum rc verb_key_list(struct control_call *c, json_t **ret)
{
    return meter_keys_json(c->engine->meter, control_arg(c, "account"), ret, &c->err);
}

static enum rc verb_key_revoke(struct control_call *c, json_t **ret)
{
    HF_TRY(engine_key_revoke(c->engine, control_arg(c, "access_key"), &c->err));
    return control_made(c, json_object(), ret);
}

/* ---- disks, scrub ---- */

static enum rc verb_disk_list(struct control_call *c, json_t **ret)
{
    return control_made(c, disks_json(c->engine), ret);
}

static void bytes_progress(void *ctx, uint64_t done, uint64_t total)
{
    control_progress(ctx, done, total, "bytes", "");
}

static enum rc verb_disk_replace(struct control_call *c, json_t **ret)
{
    char old_path[OS_PATH_MAX], new_path[OS_PATH_MAX];

    if (!view_copy(control_arg(c, "old"), old_path, sizeof old_path) ||
        !view_copy(control_arg(c, "new"), new_path, sizeof new_path))
        return err_set(&c->err, RC_LIMIT, "the path is too long");
    HF_TRY(engine_disk_replace(c->engine, old_path, new_path, bytes_progress, c, &c->err));
    return control_made(c, disks_json(c->engine), ret);
}

static bool scrub_stop(void *ctx)
{
    struct control_call *c = ctx;

    return os_sock_gone(c->fd);
}

static enum rc verb_scrub(struct control_call *c, json_t **ret)
{
    struct scrub_pace pace = {.bytes_per_s = 0, .stop = scrub_stop, .progress = bytes_progress, .ctx = c};
    struct scrub_count n = {0};

    engine_bg_take(c->engine);
    enum rc rc = engine_scrub(c->engine, &pace, &n, &c->err);
    engine_bg_release(c->engine);
    if (rc != RC_OK)
        return rc;
    return control_made(c,
                        json_pack("{s:I,s:I,s:I,s:I,s:I}", "blocks", (json_int_t)n.blocks, "bytes", (json_int_t)n.bytes,
                                  "corrupt", (json_int_t)n.corrupt, "repaired", (json_int_t)n.repaired, "unrepairable",
                                  (json_int_t)n.unrepairable),
                        ret);
}

/* ---- clock ---- */

static enum rc verb_clock_show(struct control_call *c, json_t **ret)
{
    char now[TIME_TEXT_MAX];

    return control_made(c, json_pack("{s:s}", "now", time_rfc3339(control_now(c), false, now)), ret);
}

static void advance_progress(void *ctx, int64_t done_ns, int64_t total_ns)
{
    control_progress(ctx, (uint64_t)(done_ns / NS_PER_S), (uint64_t)(total_ns / NS_PER_S), "s", "business time");
}

static enum rc verb_clock_advance(struct control_call *c, json_t **ret)
{
    int64_t ns = 0;

    HF_TRY(control_span(c, "by", &ns));
    HF_TRY(seq_advance(c->engine->seq, ns, advance_progress, c, &c->err));
    return verb_clock_show(c, ret);
}

/* ---- the table ---- */

static const struct control_verb house_verbs[] = {
    {"status", false, verb_status},
    {"key.create", true, verb_key_create},
    {"key.list", false, verb_key_list},
    {"key.revoke", true, verb_key_revoke},
    {"disk.list", false, verb_disk_list},
    {"disk.replace", true, verb_disk_replace},
    {"scrub", false, verb_scrub},
    {"clock.show", false, verb_clock_show},
    {"clock.advance", true, verb_clock_advance},
    {NULL, false, NULL},
};

static const struct control_verb *find(const struct control_verb *v, const char *name)
{
    while (v->name && strcmp(v->name, name) != 0)
        v++;
    return v->name ? v : NULL;
}

enum rc control_run(struct control_call *c, const char *verb, json_t **ret_result)
{
    const struct control_verb *const tables[] = {house_verbs, money_verbs, price_verbs, budget_verbs};
    const struct control_verb *v = NULL;

    for (size_t i = 0; !v && i < sizeof tables / sizeof tables[0]; i++)
        v = find(tables[i], verb);
    if (!v)
        return err_set(&c->err, RC_UNSUPPORTED, "%s: this daemon knows no such verb; is it of another version?", verb);
    if (v->changes)
        pthread_mutex_lock(&c->api->change);
    enum rc rc = v->run(c, ret_result);
    if (v->changes)
        pthread_mutex_unlock(&c->api->change);
    return rc;
}
