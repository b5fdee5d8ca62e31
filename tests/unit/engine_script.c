/* The scripted run and its model. */
#include "engine_script.h"

#include "base/money.h"
#include "codec/codec.h"
#include "sequence/seq_priv.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define PART_MIN (5u << 20)

const struct step script_steps[] = {
    {STEP_BUCKET, NULL, 0},    {STEP_PUT, "a", 100},    {STEP_PUT, "b", 5000},
    {STEP_PUT, "big", 300000}, {STEP_ACCOUNT, NULL, 0}, {STEP_PUT, "a", 131072},
    {STEP_DELETE, "b", 0},     {STEP_PUT, "zero", 0},   {STEP_TOPUP, NULL, 0},
    {STEP_PUT, "big", 200001}, {STEP_KEY, NULL, 0},     {STEP_VERSIONING, NULL, 0},
    {STEP_PUT, "a", 10},       {STEP_DELETE, "a", 0},   {STEP_MULTIPART, "multi", PART_MIN + 77},
    {STEP_PUT, "b", 4096},     {STEP_TAGS, "b", 0},     {STEP_TOPUP, NULL, 0},
    {STEP_PUT, "last", 70000},
};
const size_t script_n = sizeof script_steps / sizeof script_steps[0];

static const char *const keys[SCRIPT_KEYS] = {"a", "b", "big", "zero", "multi", "last"};

static int key_index(const char *key)
{
    for (int i = 0; i < SCRIPT_KEYS; i++)
        if (strcmp(keys[i], key) == 0)
            return i;
    HF_BUG("no such key in the script");
}

/* The bytes that step i writes: no two steps' are alike at any place. */
static void content(size_t step, uint8_t *dst, size_t n)
{
    for (size_t i = 0; i < n; i++)
        dst[i] = (uint8_t)(step * 37 + i * 11 + (i >> 8));
}

void script_model(size_t steps, struct script_state *ret)
{
    *ret = (struct script_state){.bucket = false};
    for (int i = 0; i < SCRIPT_KEYS; i++)
        ret->writer[i] = -1;
    for (size_t i = 0; i < steps; i++) {
        const struct step *s = &script_steps[i];

        if (s->kind == STEP_BUCKET)
            ret->bucket = true;
        else if (s->kind == STEP_ACCOUNT)
            ret->account = true;
        else if (s->kind == STEP_TOPUP)
            ret->balance_nano += MONEY_NANO;
        else if (s->kind == STEP_PUT || s->kind == STEP_MULTIPART)
            ret->writer[key_index(s->key)] = (int)i;
        else if (s->kind == STEP_DELETE)
            ret->writer[key_index(s->key)] = -1;
    }
}

enum rc script_open(struct os *os, struct engine **ret, struct err *e)
{
    static const char *const disks[] = {"/disk1", "/disk2"};
    struct engine_cfg cfg = {
        .disks = {.data_dir = "/data", .paths = disks, .n_paths = 2, .copies = 2},
        .no_background = true,
        .memory_databases = true,
    };

    return engine_open(os, &cfg, ret, e);
}

static enum rc submit(struct engine *g, struct cat_op *op, struct cat_done *ret)
{
    struct seq_req r = {.op = op};

    op->account = ACCOUNT_DEFAULT;
    op->bucket = VIEW("bucket");
    op->requests = 1;
    enum rc rc = seq_call(g->seq, &r);
    if (ret)
        *ret = r.cat;
    return rc;
}

static enum rc put(struct engine *g, struct cat_op *op, size_t step, size_t from, size_t size)
{
    uint8_t *body = malloc(size + 1), *all = malloc(from + size + 1);
    struct store_put *p = NULL;
    struct err e;
    enum rc rc = RC_OK;

    HF_ASSERT(body && all);
    content(step, all, from + size);
    memcpy(body, all + from, size);
    op->size = size;
    digest_once(DIGEST_MD5, body, size, op->md5);
    op->crc64ecma = crc64ecma_update(0, body, size);
    if (size <= INLINE_SIZE_MAX) {
        op->body = view_of(body, size);
    } else {
        rc = store_put_begin(g->store, size, &p, &e);
        if (rc == RC_OK)
            rc = store_put_write(p, body, size, &e);
        if (rc == RC_OK)
            rc = store_put_finish(p, &op->extents, &op->n_extents, &e);
    }
    if (rc == RC_OK)
        rc = submit(g, op, NULL);
    if (p)
        store_put_free(p);
    free(body);
    free(all);
    return rc;
}

static enum rc multipart(struct engine *g, const struct step *s, size_t step)
{
    struct cat_op start = {.kind = CAT_UPLOAD, .key = view_cstr(s->key)};
    struct cat_part_ref parts[2] = {{.number = 1}, {.number = 2}};
    struct cat_done done;

    HF_TRY(submit(g, &start, &done));
    struct cat_op one = {.kind = CAT_PART, .key = start.key, .upload = done.seq, .part = 1};
    struct cat_op two = {.kind = CAT_PART, .key = start.key, .upload = done.seq, .part = 2};
    HF_TRY(put(g, &one, step, 0, PART_MIN));
    HF_TRY(put(g, &two, step, PART_MIN, s->size - PART_MIN));
    memcpy(parts[0].md5, one.md5, sizeof one.md5);
    memcpy(parts[1].md5, two.md5, sizeof two.md5);
    struct cat_op finish = {.kind = CAT_COMPLETE, .key = start.key, .upload = done.seq, .parts = parts, .n_parts = 2};
    return submit(g, &finish, NULL);
}

static enum rc run_step(struct engine *g, size_t i)
{
    const struct step *s = &script_steps[i];
    struct cat_op op = {.key = s->key ? view_cstr(s->key) : view_of("", 0)};
    char access[ACCESS_KEY_MAX + 1], secret[SECRET_KEY_MAX + 1];
    struct account_rec account;
    struct err e;

    switch (s->kind) {
    case STEP_BUCKET:
        op.kind = CAT_BUCKET_CREATE;
        return submit(g, &op, NULL);
    case STEP_PUT:
        op.kind = CAT_PUT;
        return put(g, &op, i, 0, s->size);
    case STEP_DELETE:
        op.kind = CAT_DELETE;
        op.version.any_latest = true;
        return submit(g, &op, NULL);
    case STEP_VERSIONING:
        op.kind = CAT_BUCKET_VERSIONING;
        op.versioning = VERSIONING_ON;
        return submit(g, &op, NULL);
    case STEP_TAGS:
        op.kind = CAT_TAGS;
        op.version.any_latest = true;
        op.tags = VIEW("a=b");
        return submit(g, &op, NULL);
    case STEP_MULTIPART:
        return multipart(g, s, i);
    case STEP_ACCOUNT:
        account = (struct account_rec){.type = REC_ACCOUNT,
                                       .name = VIEW("acme"),
                                       .currency = VIEW("CNY"),
                                       .prices = VIEW("tencent-cos"),
                                       .timetable = VIEW("tencent-cos")};
        return engine_account_record(g, VIEW(""), &account, NULL, &e);
    case STEP_TOPUP:
        account = (struct account_rec){.type = REC_TOPUP, .amount_nano = MONEY_NANO};
        return engine_account_record(g, VIEW("acme"), &account, NULL, &e);
    case STEP_KEY:
        return engine_key_create(g, VIEW("acme"), access, secret, &e);
    }
    HF_BUG("no such step");
}

size_t script_run(struct engine *g, size_t first)
{
    size_t i = first;

    while (i < script_n && run_step(g, i) == RC_OK)
        i++;
    return i;
}

/* ---- comparing ---- */

static bool body_matches(struct engine *g, const struct cat_version *v, size_t step, struct err *why)
{
    uint8_t *got = malloc(v->size + 1), *want = malloc(v->size + 1);
    size_t at = 0;
    bool same = got && want && v->size == script_steps[step].size;
    struct err e = {""};

    for (size_t i = 0; same && i < v->n_extents; i++) {
        same = store_read(g->store, &v->extents[i], 0, got + at, v->extents[i].length, &e) == RC_OK;
        at += v->extents[i].length;
    }
    if (same) {
        content(step, want, v->size);
        same = at == v->size && memcmp(got, want, v->size) == 0;
    }
    free(got);
    free(want);
    if (!same)
        err_set(why, RC_CORRUPT, "the body of step %zu is not whole: %s", step, e.text);
    return same;
}

static bool key_matches(struct engine *g, uint64_t bucket, int key, int writer, struct err *why)
{
    struct arena a = ARENA(8u << 20);
    struct cat_version v;

    enum rc rc = cat_get_object(g->cat, bucket, view_cstr(keys[key]),
                                (struct cat_want){.any_latest = true, .layout = true}, &a, &v);
    bool there = rc == RC_OK && !v.marker, ok = there == (writer >= 0);
    if (!ok)
        err_set(why, RC_CORRUPT, "%s is %s", keys[key], there ? "there and should not be" : "lost");
    else if (there)
        ok = body_matches(g, &v, (size_t)writer, why);
    arena_free(&a);
    return ok;
}

static bool account_matches(struct engine *g, const struct script_state *want, struct err *why)
{
    json_t *v = NULL;
    struct err e;
    int64_t balance = -1;

    enum rc rc = meter_account_json(g->meter, VIEW("acme"), seq_now(g->seq), &v, &e);
    if ((rc == RC_OK) != want->account) {
        json_decref(v);
        err_set(why, RC_CORRUPT, "the account is %s", rc == RC_OK ? "there too early" : "lost");
        return false;
    }
    bool ok = !want->account ||
              (money_parse(view_cstr(json_string_value(json_object_get(v, "balance"))), &balance) == RC_OK &&
               balance == want->balance_nano);
    json_decref(v);
    if (!ok)
        err_set(why, RC_CORRUPT, "the balance is %lld, not %lld", (long long)balance, (long long)want->balance_nano);
    return ok;
}

struct comparing {
    struct engine *g;
    bool same;
};

static void compare_stored(void *ctx, const struct meter_stored *s)
{
    struct comparing *c = ctx;
    struct quota_change now;

    stored_peek(c->g->seq->stored, s->account, s->bucket, 0, 0, &now);
    c->same &= now.bucket_bytes == s->bytes && now.bucket_objects == s->objects;
}

/* What quotas go by is what the meter has read. */
static bool stored_matches(struct engine *g, struct err *why)
{
    struct comparing c = {g, true};

    if (meter_each_stored(g->meter, compare_stored, &c) == RC_OK && c.same)
        return true;
    err_set(why, RC_CORRUPT, "the sequencer and the meter do not agree on what is stored");
    return false;
}

bool script_matches(struct engine *g, const struct script_state *want, struct err *why)
{
    struct arena a = ARENA(1u << 20);
    struct cat_bucket b;
    struct err e;

    HF_ASSERT(meter_wait(g->meter, journal_durable(g->journal), &e) == RC_OK);
    bool bucket = cat_get_bucket(g->cat, VIEW("bucket"), &a, &b) == RC_OK, ok = bucket == want->bucket;
    if (!ok)
        err_set(why, RC_CORRUPT, "the bucket is %s", bucket ? "there too early" : "lost");
    for (int i = 0; ok && bucket && i < SCRIPT_KEYS; i++)
        ok = key_matches(g, b.id, i, want->writer[i], why);
    arena_free(&a);
    return ok && account_matches(g, want, why) && stored_matches(g, why);
}
