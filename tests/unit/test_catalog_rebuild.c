/* All of the catalog is derived (invariant 3): random operations of every kind, then the records alone give the same
 * rows again: into a fresh catalog, in other batches, and on from a prefix that a crash left. The seed is printed
 * (HOLDFAST_TEST_SEED sets it). */
#include <dirent.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "catalog_fixture.h"

#define OPS 4000
#define UPLOADS_OPEN 12
#define PARTS_SENT 6

struct open_upload {
    uint64_t seq;
    char bucket[8], key[16];
    unsigned sent[PARTS_SENT]; /* content of each part + 1; 0 = not sent */
};
struct world {
    struct fix *f;
    uint64_t rng;
    struct open_upload up[UPLOADS_OPEN];
};

static uint64_t seed_of_run(void)
{
    const char *s = getenv("HOLDFAST_TEST_SEED");
    uint64_t seed = 424242;
    if (s && !view_u64(view_cstr(s), &seed))
        fail_msg("HOLDFAST_TEST_SEED is no number");
    print_message("seed %" PRIu64 "\n", seed);
    return seed ? seed : 1;
}

static uint64_t dice(struct world *w, uint64_t n)
{
    return fix_random(&w->rng) % n;
}

static void random_bucket(struct world *w, char *dst, size_t n)
{
    snprintf(dst, n, "box-%d", (int)dice(w, 4));
}

static void random_key(struct world *w, char *dst, size_t n)
{
    snprintf(dst, n, "%s%d", dice(w, 2) ? "dir/" : "", (int)dice(w, 30));
}

static uint64_t random_size(struct world *w)
{
    static const uint64_t sizes[] = {0, 1, 1000, INLINE_SIZE_MAX, INLINE_SIZE_MAX + 1, 6u << 20, 300u << 20};
    return sizes[dice(w, 7)];
}

static void bucket_step(struct world *w)
{
    static const enum cat_op_kind kinds[] = {CAT_BUCKET_CREATE, CAT_BUCKET_CREATE, CAT_BUCKET_DELETE,
                                             CAT_BUCKET_VERSIONING, CAT_BUCKET_TAGS};
    char name[8];
    random_bucket(w, name, sizeof(name));
    struct cat_op op = fix_op(kinds[dice(w, 5)], name, "");
    op.versioning = dice(w, 2) ? VERSIONING_ON : VERSIONING_SUSPENDED;
    op.tags = dice(w, 2) ? VIEW("k=v") : VIEW("");
    enum rc rc = fix_run(w->f, &op);
    assert_true(rc == RC_OK || w->f->done.why != CAT_WHY_NONE);
}

static void object_step(struct world *w)
{
    static const enum cat_op_kind kinds[] = {CAT_PUT, CAT_PUT, CAT_PUT, CAT_DELETE, CAT_DELETE, CAT_TAGS};
    char name[8], key[16];
    random_bucket(w, name, sizeof(name));
    random_key(w, key, sizeof(key));
    struct cat_op op = fix_op(kinds[dice(w, 6)], name, key);
    op.class = (enum storage_class)dice(w, CLASS_COUNT);
    op.tags = dice(w, 3) ? VIEW("") : VIEW("a=b");
    op.meta = dice(w, 3) ? VIEW("")
                         : VIEW("\x01\x01"
                                "a\x02\x01"
                                "b");
    if (op.kind == CAT_PUT)
        fix_body_set(w->f, &op, random_size(w), "body");
    if (op.kind != CAT_PUT && dice(w, 2))
        op.version = (struct cat_want){.null_version = dice(w, 3) == 0, .seq = 1 + dice(w, w->f->seq + 1)};
    if (dice(w, 8) == 0)
        op.if_none_match = VIEW("*");
    enum rc rc = fix_run(w->f, &op);
    assert_true(rc == RC_OK || w->f->done.why != CAT_WHY_NONE);
}

static void upload_begin(struct world *w, struct open_upload *u)
{
    memset(u, 0, sizeof(*u));
    random_bucket(w, u->bucket, sizeof(u->bucket));
    random_key(w, u->key, sizeof(u->key));
    struct cat_op op = fix_op(CAT_UPLOAD, u->bucket, u->key);
    op.class = (enum storage_class)dice(w, CLASS_COUNT);
    op.checksum.kind = dice(w, 2) ? CHECKSUM_CRC64NVME : CHECKSUM_NONE;
    if (fix_run(w->f, &op) == RC_OK)
        u->seq = w->f->done.seq;
}

static void upload_part(struct world *w, struct open_upload *u)
{
    unsigned at = (unsigned)dice(w, PARTS_SENT), content = (unsigned)dice(w, 100);
    char text[16];
    snprintf(text, sizeof(text), "%u", content);
    struct cat_op op = fix_op(CAT_PART, u->bucket, u->key);
    op.upload = u->seq;
    op.part = at * 3 + 1;
    fix_body_set(w->f, &op, at == PARTS_SENT - 1 ? 100 : (5u << 20) + dice(w, 100) * 1000000, text);
    op.checksum = (struct checksum){.kind = CHECKSUM_CRC64NVME, .size = 8, .value = {(uint8_t)content}};
    if (fix_run(w->f, &op) == RC_OK)
        u->sent[at] = content + 1;
    else
        u->seq = 0; /* its bucket was deleted */
}

static void upload_complete(struct world *w, struct open_upload *u)
{
    struct cat_part_ref refs[PARTS_SENT];
    size_t n = 0;
    for (unsigned i = 0; i < PARTS_SENT; i++) {
        char text[16];
        if (!u->sent[i] || dice(w, 5) == 0)
            continue;
        snprintf(text, sizeof(text), "%u", u->sent[i] - 1);
        refs[n++] = fix_ref(i * 3 + 1, text);
    }
    enum rc rc = fix_complete(w->f, u->bucket, u->key, u->seq, refs, n);
    assert_true(rc == RC_OK || w->f->done.why != CAT_WHY_NONE);
    if (rc == RC_OK && dice(w, 2))
        return; /* stays known here, so it is completed again */
    u->seq = 0;
}

static void upload_step(struct world *w)
{
    struct open_upload *u = &w->up[dice(w, UPLOADS_OPEN)];
    uint64_t what = dice(w, 10);
    if (!u->seq) {
        upload_begin(w, u);
    } else if (what < 7) {
        upload_part(w, u);
    } else if (what < 9) {
        upload_complete(w, u);
    } else {
        struct cat_op op = fix_op(CAT_ABORT, u->bucket, u->key);
        op.upload = u->seq;
        enum rc rc = fix_run(w->f, &op);
        assert_true(rc == RC_OK || w->f->done.why != CAT_WHY_NONE);
        u->seq = 0;
    }
}

static void reclaim_step(struct world *w)
{
    uint64_t volumes[5], segments[50];
    size_t n;
    for (unsigned i = 0; i < 5; i++)
        volumes[i] = 1 + dice(w, 1 + w->f->next_offset / VOLUME_SIZE_TARGET);
    assert_int_equal(cat_dead_segments(w->f->c, w->f->now_ns, segments, 50, &n), RC_OK);
    struct cat_op op = {.kind = CAT_RECLAIM, .volumes = volumes, .n_volumes = 5, .segments = segments, .n_segments = n};
    assert_int_equal(fix_run(w->f, &op), RC_OK);
}

static void live(struct fix *f, uint64_t seed)
{
    struct world w = {.f = f, .rng = seed};
    f->batching = true;
    for (unsigned i = 0; i < OPS; i++) {
        uint64_t d = dice(&w, 100);
        if (d < 6)
            bucket_step(&w);
        else if (d < 60)
            object_step(&w);
        else if (d < 98)
            upload_step(&w);
        else
            reclaim_step(&w);
        if (dice(&w, 30) == 0)
            fix_commit(f);
    }
    fix_commit(f);
    fix_check(f);
}

/* Applies the log from the catalog's cursor on (and a little before it), in batches of this size. */
static void replay(const struct fix *f, struct cat *c, size_t to, size_t batch)
{
    struct cat_txn *t;
    struct err e = {""};
    uint64_t from = cat_cursor(c);
    assert_int_equal(cat_txn_new(c, &t), RC_OK);
    for (size_t i = from > 10 ? (size_t)from - 10 : 0; i < to; i++) {
        if (cat_apply(t, &f->log[i].rec, &e) != RC_OK)
            fail_msg("%s", e.text);
        if (i % batch == batch - 1)
            assert_int_equal(cat_txn_write(t, &e), RC_OK);
    }
    assert_int_equal(cat_txn_write(t, &e), RC_OK);
    cat_txn_free(t);
}

static void expect_same(struct fix *f, struct cat *c)
{
    uint8_t a[32], b[32];
    fix_dump(f->c, a);
    fix_dump(c, b);
    assert_memory_equal(a, b, 32);
    assert_int_equal(cat_cursor(c), cat_cursor(f->c));
    assert_int_equal(cat_objects(c), cat_objects(f->c));
}

static void records_alone_give_the_same_rows(void **state)
{
    (void)state;
    static const size_t batches[] = {1, 7, 1024};
    struct fix f;
    fix_open(&f);
    live(&f, seed_of_run());
    assert_true(f.n_log > OPS / 3);
    for (size_t i = 0; i < sizeof(batches) / sizeof(batches[0]); i++) {
        struct cat *c;
        assert_int_equal(cat_open("unused", true, &c, NULL), RC_OK);
        replay(&f, c, f.n_log, batches[i]);
        expect_same(&f, c);
        cat_close(c);
    }
    fix_close(&f);
}

static void remove_folder(const char *path)
{
    assert_int_equal(cat_destroy(path, NULL), RC_OK);
    DIR *d = opendir(path);
    for (struct dirent *x; d && (x = readdir(d));) {
        char file[600];
        snprintf(file, sizeof(file), "%s/%s", path, x->d_name);
        if (x->d_name[0] != '.')
            unlink(file);
    }
    if (d)
        closedir(d);
    rmdir(path);
}

static void replay_goes_on_from_what_was_flushed(void **state)
{
    (void)state;
    char top[] = "/tmp/hf-test-rebuild-XXXXXX", dir[64];
    assert_non_null(mkdtemp(top));
    snprintf(dir, sizeof(dir), "%s/catalog", top);
    struct fix f;
    struct cat *c;
    fix_open(&f);
    live(&f, seed_of_run() + 1);
    for (size_t cut = 0; cut <= f.n_log; cut += f.n_log / 3) {
        assert_int_equal(cat_open(dir, false, &c, NULL), RC_OK);
        assert_true(cat_cursor(c) <= cut);
        replay(&f, c, cut, 64);
        assert_int_equal(cat_flush(c, NULL), RC_OK);
        cat_close(c);
        assert_int_equal(cat_open(dir, false, &c, NULL), RC_OK);
        assert_int_equal(cat_cursor(c), cut);
        cat_close(c);
    }
    assert_int_equal(cat_open(dir, false, &c, NULL), RC_OK);
    replay(&f, c, f.n_log, 64);
    expect_same(&f, c);
    cat_close(c);
    fix_close(&f);
    remove_folder(dir);
    rmdir(top);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_alone_give_the_same_rows),
        cmocka_unit_test(replay_goes_on_from_what_was_flushed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
