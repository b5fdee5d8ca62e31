/* Holdfast: what the tests of the meter share: records in memory, a meter that takes them, prices by hand. Each test
 * uses some of it. */
#ifndef HF_TESTS_METER_SCRIPT_H
#define HF_TESTS_METER_SCRIPT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "meter/meter_priv.h"
#include "os/sim.h"

#define GIB ((int64_t)1 << 30)
#define HOUR_NS (3600 * NS_PER_S)
#define TICK_NS (300 * NS_PER_S)
#define NOV_2026_CST 1793462400LL /* 2026-10-31T16:00:00Z: November begins in UTC+8 */

/* ---- records in memory ---- */

struct script {
    struct journal_rec *rec;
    size_t n, size;
    int64_t now_ns;
};

static inline uint64_t push(struct script *s, enum rec_type type, const struct buf *payload)
{
    if (s->n == s->size) {
        s->size = s->size ? 2 * s->size : 1024;
        s->rec = realloc(s->rec, s->size * sizeof(*s->rec));
        assert_non_null(s->rec);
    }
    char *copy = malloc(payload && payload->n ? payload->n : 1);
    assert_non_null(copy);
    if (payload && payload->n)
        memcpy(copy, payload->p, payload->n);
    struct journal_rec *r = &s->rec[s->n];
    *r = (struct journal_rec){
        .seq = s->n + 2, .time_ns = s->now_ns, .type = type, .payload = view_of(copy, payload ? payload->n : 0)};
    s->n++;
    return r->seq;
}

static inline void script_free(struct script *s)
{
    for (size_t i = 0; i < s->n; i++)
        free((void *)s->rec[i].payload.p);
    free(s->rec);
}

static inline uint64_t push_account_rec(struct script *s, const struct account_rec *r)
{
    struct buf b = BUF(1 << 20);
    assert_int_equal(account_rec_encode(r, &b), RC_OK);
    uint64_t seq = push(s, r->type, &b);
    buf_free(&b);
    return seq;
}

static inline uint64_t push_account(struct script *s, const char *name)
{
    const struct account_rec r = {.type = REC_ACCOUNT,
                                  .name = view_cstr(name),
                                  .currency = VIEW("CNY"),
                                  .prices = VIEW("tencent-cos"),
                                  .timetable = VIEW("tencent-cos")};
    return push_account_rec(s, &r);
}

static inline uint64_t push_topup(struct script *s, uint64_t account, int64_t nano, const char *ref)
{
    const struct account_rec r = {.type = REC_TOPUP, .account = account, .amount_nano = nano, .ref = view_cstr(ref)};
    return push_account_rec(s, &r);
}

static inline uint64_t push_cat(struct script *s, const struct cat_rec *r)
{
    struct buf b = BUF(1 << 20);
    assert_int_equal(cat_rec_encode(r, &b), RC_OK);
    uint64_t seq = push(s, r->type, &b);
    buf_free(&b);
    return seq;
}

static inline uint64_t push_bucket(struct script *s, uint64_t account, const char *name)
{
    const struct cat_rec r = {.type = REC_BUCKET, .account = account, .bucket_name = view_cstr(name), .requests = 1};
    return push_cat(s, &r);
}

static inline void push_bytes(struct script *s, uint64_t account, uint64_t bucket, const char *name,
                              enum storage_class class, int64_t bytes, uint64_t requests)
{
    struct cat_rec r = {.type = bytes < 0 ? REC_DELETE : REC_OBJECT,
                        .account = account,
                        .bucket = bucket,
                        .bucket_name = view_cstr(name),
                        .key = VIEW("k"),
                        .class = class,
                        .requests = requests,
                        .n_delta = 1};
    static const uint32_t parts[] = {1};
    if (bytes > 0) { /* of an upload: any size */
        r.size = (uint64_t)bytes;
        r.upload = 1;
        r.part_list = parts;
        r.n_parts = 1;
    }
    r.delta[0] = (struct cat_delta){.class = class, .bytes = bytes, .objects = bytes < 0 ? -1 : 1};
    push_cat(s, &r);
}

static inline void push_usage(struct script *s, const struct usage_line *line)
{
    const struct account_rec r = {.type = REC_USAGE, .usage = line, .n_usage = 1};
    push_account_rec(s, &r);
}

static inline void push_reads(struct script *s, uint64_t account, uint64_t bucket, const char *name, unsigned status,
                              uint64_t requests, uint64_t egress, enum price_item direction)
{
    const struct usage_line line = {.account = account,
                                    .bucket = bucket,
                                    .bucket_name = view_cstr(name),
                                    .access_key = VIEW("HFKEY"),
                                    .kind = REQUEST_READ,
                                    .status = status,
                                    .requests = requests,
                                    .egress_bytes = egress,
                                    .egress = direction};
    push_usage(s, &line);
}

/* The record of an object that came (size) or went (created_ns). */
static inline void push_object(struct script *s, uint64_t account, uint64_t bucket, const char *name,
                               enum storage_class class, uint64_t size)
{
    struct cat_rec r = {.type = REC_OBJECT,
                        .account = account,
                        .bucket = bucket,
                        .bucket_name = view_cstr(name),
                        .key = VIEW("k"),
                        .class = class,
                        .size = size,
                        .has_inline = true,
                        .actor = VIEW("HFKEY"),
                        .requests = 1,
                        .n_delta = 1};
    r.delta[0] = (struct cat_delta){.class = class, .bytes = (int64_t)size, .objects = 1};
    push_cat(s, &r);
}

static inline void push_gone(struct script *s, uint64_t account, uint64_t bucket, const char *name,
                             enum storage_class class, uint64_t size, int64_t created_ns)
{
    struct cat_rec r = {.type = REC_DELETE,
                        .account = account,
                        .bucket = bucket,
                        .bucket_name = view_cstr(name),
                        .key = VIEW("k"),
                        .class = class,
                        .actor = VIEW("HFKEY"),
                        .requests = 1,
                        .n_delta = 1};
    r.delta[0] = (struct cat_delta){.class = class, .bytes = -(int64_t)size, .objects = -1};
    if (class != CLASS_STANDARD) {
        r.n_gone = 1;
        r.gone[0] = (struct cat_gone){.class = class, .size = size, .created_ns = created_ns};
    }
    push_cat(s, &r);
}

static inline uint64_t push_tick(struct script *s)
{
    return push(s, REC_TICK, NULL);
}

/* Every tick up to now + by, as advancing the clock does. */
static inline void advance(struct script *s, int64_t by_ns)
{
    int64_t until = s->now_ns + by_ns;
    for (int64_t t = s->now_ns / TICK_NS * TICK_NS + TICK_NS; t <= until; t += TICK_NS) {
        s->now_ns = t;
        push_tick(s);
    }
    s->now_ns = until;
}

/* ---- meters ---- */

static inline struct meter *meter_in_memory(void)
{
    const struct meter_cfg cfg = {.inert = true};
    struct meter *m;
    struct err e = {.text = ""};
    if (meter_open(os_real(), NULL, NULL, &cfg, &m, &e) != RC_OK)
        fail_msg("%s", e.text);
    return m;
}

static inline void apply_from(struct meter *m, const struct script *s, size_t from, size_t to)
{
    struct err e = {.text = ""};
    for (size_t i = from; i < to; i++) {
        if (meter_apply(m, &s->rec[i], &e) != RC_OK)
            fail_msg("record %zu: %s", i, e.text);
    }
}

static inline struct meter *applied(const struct script *s)
{
    struct meter *m = meter_in_memory();
    apply_from(m, s, 0, s->n);
    assert_int_equal(meter_commit(m, NULL), RC_OK);
    return m;
}

static const char *text_of(const json_t *o, const char *key)
{
    const char *t = json_string_value(json_object_get(o, key));
    if (!t)
        fail_msg("no text %s", key);
    return t;
}

static inline json_t *status_of(struct meter *m, const char *name, int64_t now_ns)
{
    json_t *o;
    struct err e = {.text = ""};
    if (meter_account_json(m, view_cstr(name), now_ns, &o, &e) != RC_OK)
        fail_msg("%s", e.text);
    return o;
}

static inline void assert_status(struct meter *m, const char *name, int64_t now_ns, const char *key, const char *want)
{
    json_t *o = status_of(m, name, now_ns);
    assert_string_equal(text_of(o, key), want);
    json_decref(o);
}

/* NaN stands for null. */
static inline void assert_hours(struct meter *m, const char *name, int64_t now_ns, const char *key, double want)
{
    json_t *o = status_of(m, name, now_ns), *h = json_object_get(o, key);
    if (want != want) {
        assert_true(json_is_null(h));
    } else {
        double got = json_number_value(h);
        assert_true(json_is_number(h));
        if (got < want - 1e-6 || got > want + 1e-6)
            fail_msg("%s: %f, not %f", key, got, want);
    }
    json_decref(o);
}
#define COMES_NEVER (0.0 / 0.0)

static inline json_t *statement_of(struct meter *m, const char *name, const char *month, int64_t now_ns)
{
    json_t *o;
    struct err e = {.text = ""};
    if (meter_statement_json(m, view_cstr(name), view_cstr(month), now_ns, &o, &e) != RC_OK)
        fail_msg("%s", e.text);
    return o;
}

/* NULL when there is none. */
static inline json_t *line_of(json_t *statement, const char *item, const char *bucket)
{
    json_t *lines = json_object_get(statement, "lines");
    for (size_t i = 0; i < json_array_size(lines); i++) {
        json_t *l = json_array_get(lines, i);
        if (strcmp(text_of(l, "item"), item) == 0 && strcmp(text_of(l, "bucket"), bucket) == 0)
            return l;
    }
    return NULL;
}

static inline void digest_of(struct meter *m, uint8_t digest[32])
{
    struct err e = {.text = ""};
    if (meter_digest(m, digest, &e) != RC_OK)
        fail_msg("%s", e.text);
}

/* ---- an account that lives through time ---- */

static inline enum rc gate(struct meter *m, uint64_t account)
{
    struct err e;
    return registry_gate(meter_registry(m), account, GATE_READ, &e);
}

struct walk {
    struct script s;
    struct meter *m;
    uint64_t account, bucket;
    size_t done;
};

static inline void walk_run(struct walk *w)
{
    apply_from(w->m, &w->s, w->done, w->s.n);
    w->done = w->s.n;
    assert_int_equal(meter_commit(w->m, NULL), RC_OK);
}

static inline void walk_begin(struct walk *w)
{
    *w = (struct walk){.s = {.now_ns = NOV_2026_CST * NS_PER_S}, .m = meter_in_memory()};
    push_tick(&w->s);
    w->account = push_account(&w->s, "acme");
    walk_run(w);
}

static inline void walk_end(struct walk *w)
{
    meter_close(w->m);
    script_free(&w->s);
}

static inline unsigned roll(unsigned *seed)
{
    *seed = *seed * 1103515245u + 12345u;
    return *seed >> 8;
}

/* ---- prices by hand ---- */

/* Half-up at 10^-9, from first principles: amount = quantity * nano_price / divisor. */
static inline int64_t by_hand(unsigned __int128 quantity, int64_t nano_price, unsigned __int128 divisor)
{
    return (int64_t)((quantity * (unsigned __int128)nano_price * 2 + divisor) / (divisor * 2));
}

#define STORAGE_DIVISOR ((unsigned __int128)30 * 288 * GIB)
#define STORAGE_NANO 118000000 /* 0.118 CNY */

static inline void assert_line(json_t *statement, const char *item, const char *bucket, int64_t amount,
                               const char *unit)
{
    char text[MONEY_TEXT_MAX];
    json_t *l = line_of(statement, item, bucket);
    if (!l)
        fail_msg("no line %s of %s", item, bucket);
    assert_string_equal(text_of(l, "amount"), money_text(amount, text));
    assert_string_equal(text_of(l, "unit"), unit);
}

#endif
