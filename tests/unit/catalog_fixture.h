/* What the catalog's tests share: a catalog in memory, a stand-in for sequencer and journal that keeps every record,
 * a dump of all rows, and a check of the invariants that tie rows, space and the meter's deltas together. */
#ifndef HF_TESTS_CATALOG_FIXTURE_H
#define HF_TESTS_CATALOG_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "catalog/cat_priv.h"

#define FIX_ACCOUNT 7u
#define FIX_RECORDS_MAX 20000u
#define FIX_SEGMENT_RECORDS 64u /* records of one pretended segment */

struct fix_rec {
    struct journal_rec rec;
    char *payload;
};
struct fix {
    struct cat *c;
    struct cat_txn *t;
    struct fix_rec *log;
    size_t n_log;
    uint64_t seq;
    int64_t now_ns;
    bool batching; /* the test writes by itself */
    struct cat_done done;
    int64_t bytes[CLASS_COUNT], objects[CLASS_COUNT];   /* sums of all deltas */
    int64_t kept_bytes[CLASS_COUNT], kept[CLASS_COUNT]; /* objects made less `gone`, of all classes but STANDARD */
    struct cat_rec last;                                /* only gone, delta and their numbers */
    uint64_t next_offset;                               /* of pretended extents */
    struct arena arena;
};

static inline void fix_open(struct fix *f)
{
    struct err e = {""};
    *f = (struct fix){.now_ns = 1000, .arena = ARENA(256u << 20)};
    f->log = calloc(FIX_RECORDS_MAX, sizeof(*f->log));
    assert_non_null(f->log);
    assert_int_equal(cat_open("unused", true, &f->c, &e), RC_OK);
    assert_int_equal(cat_txn_new(f->c, &f->t), RC_OK);
}

static inline void fix_close(struct fix *f)
{
    cat_txn_free(f->t);
    cat_close(f->c);
    for (size_t i = 0; i < f->n_log; i++)
        free(f->log[i].payload);
    free(f->log);
    arena_free(&f->arena);
}

static inline void fix_sum(struct fix *f, const struct journal_rec *rec)
{
    struct cat_rec r;
    struct arena a = ARENA(64u << 20);
    assert_int_equal(cat_rec_decode(rec->type, rec->payload, &a, &r), RC_OK);
    for (unsigned i = 0; i < r.n_delta; i++) {
        f->bytes[r.delta[i].class] += r.delta[i].bytes;
        f->objects[r.delta[i].class] += r.delta[i].objects;
    }
    if (r.type == REC_OBJECT && r.class != CLASS_STANDARD) {
        f->kept[r.class]++;
        f->kept_bytes[r.class] += (int64_t)r.size;
    }
    for (unsigned i = 0; i < r.n_gone; i++) {
        f->kept[r.gone[i].class]--;
        f->kept_bytes[r.gone[i].class] -= (int64_t)r.gone[i].size;
    }
    f->last = (struct cat_rec){.type = r.type, .n_gone = r.n_gone};
    memcpy(f->last.gone, r.gone, sizeof(r.gone));
    arena_free(&a);
}

static inline void fix_commit(struct fix *f)
{
    struct err e = {""};
    if (cat_txn_write(f->t, &e) != RC_OK)
        fail_msg("%s", e.text);
}

/* Stages the record as the journal would, and applies it. */
static inline void fix_stage(struct fix *f, enum rec_type type, struct view payload, struct view body)
{
    struct err e = {""};
    struct fix_rec *kept = &f->log[f->n_log++];
    assert_true(f->n_log < FIX_RECORDS_MAX);
    kept->payload = malloc(payload.n + 1);
    assert_non_null(kept->payload);
    memcpy(kept->payload, payload.p, payload.n);
    kept->rec = (struct journal_rec){
        .seq = ++f->seq, .time_ns = f->now_ns += 10, .type = type, .payload = view_of(kept->payload, payload.n)};
    if (body.n)
        kept->rec.attach = (struct attach_loc){
            .segment = f->seq - f->seq % FIX_SEGMENT_RECORDS + 1, .offset = f->seq * 4096, .size = (uint32_t)body.n};
    fix_sum(f, &kept->rec);
    if (cat_apply(f->t, &kept->rec, &e) != RC_OK)
        fail_msg("%s", e.text);
    if (!f->batching)
        fix_commit(f);
}

static inline enum rc fix_run(struct fix *f, const struct cat_op *op)
{
    struct buf payload = BUF(16u << 20);
    enum rec_type type;
    enum rc rc = cat_decide(f->t, op, &type, &payload, &f->done);
    if (rc == RC_OK && !f->done.nothing_to_do) {
        fix_stage(f, type, buf_view(&payload), op->body);
        f->done.seq = f->seq;
    } else if (!f->batching) {
        cat_txn_reset(f->t);
    }
    buf_free(&payload);
    return rc;
}

/* ---- operations ---- */

static inline struct cat_op fix_op(enum cat_op_kind kind, const char *bucket, const char *key)
{
    return (struct cat_op){.kind = kind,
                           .account = FIX_ACCOUNT,
                           .bucket = view_cstr(bucket),
                           .key = view_cstr(key),
                           .actor = VIEW("HFTEST"),
                           .requests = 1,
                           .version.any_latest = true};
}

static inline uint64_t fix_bucket(struct fix *f, const char *name)
{
    struct cat_op op = fix_op(CAT_BUCKET_CREATE, name, "");
    assert_int_equal(fix_run(f, &op), RC_OK);
    return f->done.seq;
}

static inline void fix_versioning(struct fix *f, const char *name, enum versioning v)
{
    struct cat_op op = fix_op(CAT_BUCKET_VERSIONING, name, "");
    op.versioning = v;
    assert_int_equal(fix_run(f, &op), RC_OK);
}

static const char fix_body[INLINE_SIZE_MAX];

/* Small bodies ride along, larger ones get extents of at most 64 MiB in a pretended volume. */
static inline void fix_body_set(struct fix *f, struct cat_op *op, uint64_t size, const char *content)
{
    op->size = size;
    digest_once(DIGEST_MD5, content, strlen(content), op->md5);
    op->crc64ecma = crc64ecma_update(0, content, strlen(content));
    if (size <= INLINE_SIZE_MAX) {
        op->body = view_of(fix_body, (size_t)size);
        return;
    }
    size_t n = (size_t)((size + EXTENT_SIZE_MAX - 1) / EXTENT_SIZE_MAX);
    struct extent *x = arena_alloc(&f->arena, n * sizeof(*x));
    assert_non_null(x);
    for (size_t i = 0; i < n; i++) {
        uint64_t length = size - i * EXTENT_SIZE_MAX < EXTENT_SIZE_MAX ? size - i * EXTENT_SIZE_MAX : EXTENT_SIZE_MAX;
        f->next_offset += length;
        x[i] = (struct extent){.kind = EXTENT_VOLUME,
                               .container = 1 + f->next_offset / VOLUME_SIZE_TARGET,
                               .offset = f->next_offset,
                               .length = length,
                               .owner = f->next_offset ^ 0x5555};
    }
    op->extents = x;
    op->n_extents = n;
}

static inline uint64_t fix_put(struct fix *f, const char *bucket, const char *key, uint64_t size, const char *content)
{
    struct cat_op op = fix_op(CAT_PUT, bucket, key);
    fix_body_set(f, &op, size, content);
    assert_int_equal(fix_run(f, &op), RC_OK);
    return f->done.seq;
}

static inline void fix_delete(struct fix *f, const char *bucket, const char *key)
{
    struct cat_op op = fix_op(CAT_DELETE, bucket, key);
    assert_int_equal(fix_run(f, &op), RC_OK);
}

static inline void fix_delete_version(struct fix *f, const char *bucket, const char *key, uint64_t seq)
{
    struct cat_op op = fix_op(CAT_DELETE, bucket, key);
    op.version = (struct cat_want){.seq = seq, .null_version = seq == 0};
    assert_int_equal(fix_run(f, &op), RC_OK);
}

static inline uint64_t fix_upload(struct fix *f, const char *bucket, const char *key)
{
    struct cat_op op = fix_op(CAT_UPLOAD, bucket, key);
    assert_int_equal(fix_run(f, &op), RC_OK);
    return f->done.seq;
}

static inline enum rc fix_part(struct fix *f, const char *bucket, const char *key, uint64_t upload, uint32_t part,
                               uint64_t size, const char *content)
{
    struct cat_op op = fix_op(CAT_PART, bucket, key);
    op.upload = upload;
    op.part = part;
    fix_body_set(f, &op, size, content);
    return fix_run(f, &op);
}

static inline struct cat_part_ref fix_ref(uint32_t number, const char *content)
{
    struct cat_part_ref r = {.number = number};
    digest_once(DIGEST_MD5, content, strlen(content), r.md5);
    return r;
}

static inline enum rc fix_complete(struct fix *f, const char *bucket, const char *key, uint64_t upload,
                                   const struct cat_part_ref *parts, size_t n)
{
    struct cat_op op = fix_op(CAT_COMPLETE, bucket, key);
    op.upload = upload;
    op.parts = parts;
    op.n_parts = n;
    return fix_run(f, &op);
}

/* ---- looking ---- */

static inline enum rc fix_get(struct fix *f, uint64_t bucket, const char *key, struct cat_want want,
                              struct cat_version *ret)
{
    return cat_get_object(f->c, bucket, view_cstr(key), want, &f->arena, ret);
}

static inline enum rc fix_get_latest(struct fix *f, uint64_t bucket, const char *key, struct cat_version *ret)
{
    return fix_get(f, bucket, key, (struct cat_want){.any_latest = true, .layout = true}, ret);
}

/* SHA-256 over every row of every family. */
static inline void fix_dump(struct cat *c, uint8_t sha[32])
{
    struct digest *d = digest_new(DIGEST_SHA256);
    assert_non_null(d);
    for (unsigned fam = 0; fam < FAM_COUNT; fam++) {
        struct kv_iter *it;
        struct view k, v;
        assert_int_equal(kv_iter_new(c->kv, NULL, fam, VIEW(""), &it), RC_OK);
        while (kv_iter_next(it, &k, &v) == RC_OK) {
            uint8_t head[24];
            be64_put(head, fam);
            be64_put(head + 8, k.n);
            be64_put(head + 16, v.n);
            digest_update(d, head, sizeof(head));
            digest_update(d, k.p, k.n);
            digest_update(d, v.p, v.n);
        }
        kv_iter_free(it);
    }
    digest_final(d, sha);
    digest_free(d);
}

/* ---- invariants ---- */

struct fix_tally {
    struct fix *f;
    int64_t bytes[CLASS_COUNT], objects[CLASS_COUNT], part_bytes[CLASS_COUNT];
    uint64_t currents, volume_extents, volume_bytes, all_extents, all_bytes;
};

static inline void fix_tally_extents(struct fix_tally *t, struct view packed)
{
    for (size_t i = 0; i < cat_extent_count(packed); i++) {
        struct extent x = cat_extent_at(packed, i);
        t->all_extents++;
        t->all_bytes += x.length;
        t->volume_extents += x.kind == EXTENT_VOLUME;
        t->volume_bytes += x.kind == EXTENT_VOLUME ? x.length : 0;
    }
}

static inline void fix_tally_row(struct fix_tally *t, struct view value)
{
    struct cat_row row;
    assert_int_equal(cat_row_decode(value, &row), RC_OK);
    if (row.marker)
        return;
    t->bytes[row.class] += (int64_t)row.size;
    t->objects[row.class]++;
    fix_tally_extents(t, row.extents);
    if (row.layout_apart) {
        struct buf b = BUF(KV_VALUE_MAX);
        struct cat_key k;
        struct cat_layout l;
        cat_key_u64(&k, row.seq);
        assert_int_equal(kv_get(t->f->c->kv, NULL, FAM_LAYOUT, cat_key_view(&k), &b), RC_OK);
        assert_int_equal(cat_layout_decode(buf_view(&b), &l), RC_OK);
        fix_tally_extents(t, l.extents);
        buf_free(&b);
    }
}

static inline uint64_t fix_count(struct fix *f, enum cat_family fam)
{
    struct kv_iter *it;
    struct view k, v;
    uint64_t n = 0;
    assert_int_equal(kv_iter_new(f->c->kv, NULL, fam, VIEW(""), &it), RC_OK);
    while (kv_iter_next(it, &k, &v) == RC_OK)
        n++;
    kv_iter_free(it);
    return n;
}

/* Parts count in the class of their upload. */
static inline void fix_tally_parts(struct fix_tally *t)
{
    struct kv_iter *it, *parts;
    struct view k, v, pk, pv;
    assert_int_equal(kv_iter_new(t->f->c->kv, NULL, FAM_UPLOAD, VIEW(""), &it), RC_OK);
    uint64_t seen = 0;
    while (kv_iter_next(it, &k, &v) == RC_OK) {
        struct cat_upload_row u;
        assert_int_equal(cat_upload_decode(v, &u), RC_OK);
        assert_int_equal(kv_iter_new(t->f->c->kv, NULL, FAM_PART, view_sub(k, k.n - 8, 8), &parts), RC_OK);
        while (kv_iter_next(parts, &pk, &pv) == RC_OK) {
            struct cat_part_row p;
            assert_int_equal(cat_part_decode(pv, &p), RC_OK);
            t->bytes[u.class] += (int64_t)p.size;
            t->part_bytes[u.class] += (int64_t)p.size;
            fix_tally_extents(t, p.extents);
            seen++;
        }
        kv_iter_free(parts);
    }
    kv_iter_free(it);
    assert_int_equal(seen, fix_count(t->f, FAM_PART)); /* none without its upload */
}

static inline void fix_tally_family(struct fix_tally *t, enum cat_family fam)
{
    struct kv_iter *it;
    struct view k, v;
    assert_int_equal(kv_iter_new(t->f->c->kv, NULL, fam, VIEW(""), &it), RC_OK);
    while (kv_iter_next(it, &k, &v) == RC_OK) {
        t->currents += fam == FAM_CURRENT;
        fix_tally_row(t, v);
    }
    kv_iter_free(it);
}

static inline void fix_check_space(const struct fix_tally *t)
{
    struct kv_iter *it;
    struct view k, v;
    uint64_t bytes = 0, extents = 0;
    assert_int_equal(kv_iter_new(t->f->c->kv, NULL, FAM_SPACE, VIEW(""), &it), RC_OK);
    while (kv_iter_next(it, &k, &v) == RC_OK) {
        bytes += be64_get((const uint8_t *)v.p);
        extents += be64_get((const uint8_t *)v.p + 8);
    }
    kv_iter_free(it);
    assert_int_equal(bytes, t->all_bytes);
    assert_int_equal(extents, t->all_extents);
}

static inline void fix_check_live_extents(const struct fix_tally *t)
{
    struct cat_extents *x;
    struct extent e, last = {0};
    uint64_t n = 0, bytes = 0;
    assert_int_equal(cat_extents_open(t->f->c, 0, &x), RC_OK);
    while (cat_extents_next(x, &e) == RC_OK) {
        assert_true(e.container > last.container || e.offset > last.offset);
        last = e;
        n++;
        bytes += e.length;
    }
    cat_extents_close(x);
    assert_int_equal(n, t->volume_extents);
    assert_int_equal(bytes, t->volume_bytes);
}

/* Everything stored is what the meter was told, by deltas and by what went, what the space rows say, what the extents
 * say. */
static inline void fix_check(struct fix *f)
{
    struct fix_tally t = {.f = f};
    fix_tally_family(&t, FAM_CURRENT);
    fix_tally_family(&t, FAM_VERSION);
    fix_tally_parts(&t);
    fix_check_space(&t);
    fix_check_live_extents(&t);
    assert_int_equal(t.currents, cat_objects(f->c));
    for (unsigned i = 0; i < CLASS_COUNT; i++) {
        assert_true(t.bytes[i] == f->bytes[i]);
        assert_true(t.objects[i] == f->objects[i]);
        assert_true(i == CLASS_STANDARD || t.objects[i] == f->kept[i]);
        assert_true(i == CLASS_STANDARD || t.bytes[i] - t.part_bytes[i] == f->kept_bytes[i]);
    }
}

/* xorshift: the same run from the same seed. */
static inline uint64_t fix_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

#endif
