/* Promises of the catalog about what goes: the meter hears of every object of a class with minimum days, once, with the
 * time its version was made; and a quota is asked before anything is touched. */
#include "catalog_fixture.h"

#define MIB (1024u * 1024u)

static int set_up(void **state)
{
    struct fix *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    fix_open(f);
    fix_bucket(f, "box");
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fix *f = *state;
    fix_check(f);
    fix_close(f);
    free(f);
    return 0;
}

/* Sequence of the version made; its business time is in f->now_ns. */
static uint64_t put_class(struct fix *f, const char *key, uint64_t size, enum storage_class class)
{
    struct cat_op op = fix_op(CAT_PUT, "box", key);
    fix_body_set(f, &op, size, key);
    op.class = class;
    assert_int_equal(fix_run(f, &op), RC_OK);
    return f->done.seq;
}

static void expect_went(const struct fix *f, enum storage_class class, uint64_t size, int64_t created_ns)
{
    assert_int_equal(f->last.n_gone, 1);
    assert_int_equal(f->last.gone[0].class, class);
    assert_int_equal(f->last.gone[0].size, size);
    assert_int_equal(f->last.gone[0].created_ns, created_ns);
}

static void an_overwrite_says_what_it_replaced(void **state)
{
    struct fix *f = *state;
    put_class(f, "k", 100, CLASS_STANDARD_IA);
    assert_int_equal(f->last.n_gone, 0);
    int64_t made = f->now_ns;
    put_class(f, "k", 200, CLASS_STANDARD_IA); /* nothing changes in the number of objects */
    expect_went(f, CLASS_STANDARD_IA, 100, made);
    made = f->now_ns;
    put_class(f, "k", 300, CLASS_STANDARD);
    expect_went(f, CLASS_STANDARD_IA, 200, made);
    put_class(f, "k", 300, CLASS_ARCHIVE); /* STANDARD goes for nothing */
    assert_int_equal(f->last.n_gone, 0);
    made = f->now_ns;
    fix_delete(f, "box", "k");
    expect_went(f, CLASS_ARCHIVE, 300, made);
    fix_delete(f, "box", "k");
    assert_true(f->done.nothing_to_do);
}

static void with_versioning_a_version_goes_only_by_its_own_delete(void **state)
{
    struct fix *f = *state;
    fix_versioning(f, "box", VERSIONING_ON);
    uint64_t first = put_class(f, "k", 100, CLASS_DEEP_ARCHIVE);
    int64_t made = f->now_ns;
    put_class(f, "k", 200, CLASS_DEEP_ARCHIVE);
    assert_int_equal(f->last.n_gone, 0);
    fix_delete(f, "box", "k"); /* a marker */
    uint64_t marker = f->done.seq;
    assert_int_equal(f->last.n_gone, 0);
    fix_delete_version(f, "box", "k", first);
    expect_went(f, CLASS_DEEP_ARCHIVE, 100, made);
    fix_delete_version(f, "box", "k", marker);
    assert_int_equal(f->last.n_gone, 0);
}

static void while_suspended_the_null_version_goes_with_a_put_or_a_marker(void **state)
{
    struct fix *f = *state;
    put_class(f, "k", 100, CLASS_STANDARD_IA);
    int64_t made = f->now_ns;
    fix_versioning(f, "box", VERSIONING_ON);
    put_class(f, "k", 150, CLASS_STANDARD_IA); /* stays */
    fix_versioning(f, "box", VERSIONING_SUSPENDED);
    put_class(f, "k", 200, CLASS_ARCHIVE); /* the null version below goes */
    expect_went(f, CLASS_STANDARD_IA, 100, made);
    made = f->now_ns;
    fix_delete(f, "box", "k"); /* a null marker in its place */
    expect_went(f, CLASS_ARCHIVE, 200, made);
    fix_delete(f, "box", "k");
    assert_int_equal(f->last.n_gone, 0);
}

static uint64_t begin_ia(struct fix *f, const char *key)
{
    struct cat_op op = fix_op(CAT_UPLOAD, "box", key);
    op.class = CLASS_STANDARD_IA;
    assert_int_equal(fix_run(f, &op), RC_OK);
    return f->done.seq;
}

static void a_complete_replaces_and_parts_that_go_are_no_objects(void **state)
{
    struct fix *f = *state;
    put_class(f, "k", 100, CLASS_STANDARD_IA);
    int64_t made = f->now_ns;
    uint64_t up = begin_ia(f, "k");
    assert_int_equal(fix_part(f, "box", "k", up, 1, 6 * MIB, "one"), RC_OK);
    assert_int_equal(fix_part(f, "box", "k", up, 1, 7 * MIB, "again"), RC_OK);
    assert_int_equal(f->last.n_gone, 0);
    assert_int_equal(fix_part(f, "box", "k", up, 2, 8 * MIB, "unlisted"), RC_OK);
    struct cat_part_ref ref = fix_ref(1, "again");
    assert_int_equal(fix_complete(f, "box", "k", up, &ref, 1), RC_OK);
    expect_went(f, CLASS_STANDARD_IA, 100, made);
    made = f->now_ns;
    fix_delete(f, "box", "k");
    expect_went(f, CLASS_STANDARD_IA, 7 * MIB, made);
    up = begin_ia(f, "k");
    assert_int_equal(fix_part(f, "box", "k", up, 1, 6 * MIB, "one"), RC_OK);
    struct cat_op op = fix_op(CAT_ABORT, "box", "k");
    op.upload = up;
    assert_int_equal(fix_run(f, &op), RC_OK);
    assert_int_equal(f->last.n_gone, 0);
}

/* ---- quotas ---- */

struct asked {
    unsigned times;
    enum rc answer;
    int64_t bytes, objects;
};

static enum rc ask(void *ctx, const struct cat_rec *r)
{
    struct asked *a = ctx;
    a->times++;
    a->bytes = a->objects = 0;
    for (unsigned i = 0; i < r->n_delta; i++) {
        a->bytes += r->delta[i].bytes;
        a->objects += r->delta[i].objects;
    }
    return a->answer;
}

static void a_quota_is_asked_about_growth_and_can_refuse_it(void **state)
{
    struct fix *f = *state;
    struct asked a = {.answer = RC_OK};
    uint8_t before[32], after[32];
    cat_txn_on_quota(f->t, ask, &a);
    put_class(f, "k", 100, CLASS_STANDARD);
    assert_true(a.times == 1 && a.bytes == 100 && a.objects == 1);
    assert_true(f->done.bytes == 100 && f->done.objects == 1 && f->done.account == FIX_ACCOUNT && f->done.bucket != 0);
    fix_dump(f->c, before);
    a.answer = RC_DENIED;
    struct cat_op op = fix_op(CAT_PUT, "box", "k");
    fix_body_set(f, &op, 130, "larger");
    assert_int_equal(fix_run(f, &op), RC_DENIED);
    assert_int_equal(f->done.why, CAT_QUOTA);
    assert_true(a.times == 2 && a.bytes == 30 && a.objects == 0);
    fix_dump(f->c, after);
    assert_memory_equal(before, after, 32);
    uint64_t up = fix_upload(f, "box", "m"); /* keeps no bytes yet */
    assert_int_equal(a.times, 2);
    assert_int_equal(fix_part(f, "box", "m", up, 1, 6 * MIB, "one"), RC_DENIED);
    assert_int_equal(f->done.why, CAT_QUOTA);
    a.answer = RC_IO; /* the asking itself failed */
    assert_int_equal(fix_run(f, &op), RC_IO);
    assert_int_equal(f->done.why, CAT_WHY_NONE);
}

static void what_frees_space_is_never_refused(void **state)
{
    struct fix *f = *state;
    struct asked a = {.answer = RC_DENIED};
    put_class(f, "k", 100, CLASS_STANDARD_IA);
    put_class(f, "l", 100, CLASS_STANDARD);
    uint64_t up = fix_upload(f, "box", "m");
    assert_int_equal(fix_part(f, "box", "m", up, 1, 6 * MIB, "one"), RC_OK);
    cat_txn_on_quota(f->t, ask, &a);
    put_class(f, "k", 90, CLASS_STANDARD);
    assert_true(f->done.bytes == -10 && f->done.objects == 0);
    fix_delete(f, "box", "k");
    fix_delete(f, "box", "l");
    struct cat_op op = fix_op(CAT_ABORT, "box", "m");
    op.upload = up;
    assert_int_equal(fix_run(f, &op), RC_OK);
    assert_true(f->done.bytes == -(int64_t)(6 * MIB));
    op = fix_op(CAT_BUCKET_DELETE, "box", "");
    assert_int_equal(fix_run(f, &op), RC_OK);
    assert_int_equal(a.times, 0);
}

static void a_complete_is_one_object_of_bytes_that_are_there(void **state)
{
    struct fix *f = *state;
    struct asked a = {.answer = RC_OK};
    cat_txn_on_quota(f->t, ask, &a);
    uint64_t up = fix_upload(f, "box", "m");
    assert_int_equal(fix_part(f, "box", "m", up, 1, 6 * MIB, "one"), RC_OK);
    assert_true(a.bytes == (int64_t)(6 * MIB) && a.objects == 0);
    struct cat_part_ref ref = fix_ref(1, "one");
    assert_int_equal(fix_complete(f, "box", "m", up, &ref, 1), RC_OK);
    assert_true(a.times == 2 && a.bytes == 0 && a.objects == 1);
    assert_int_equal(fix_complete(f, "box", "m", up, &ref, 1), RC_OK); /* repeated: no record */
    assert_int_equal(a.times, 2);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(an_overwrite_says_what_it_replaced),
        T(with_versioning_a_version_goes_only_by_its_own_delete),
        T(while_suspended_the_null_version_goes_with_a_put_or_a_marker),
        T(a_complete_replaces_and_parts_that_go_are_no_objects),
        T(a_quota_is_asked_about_growth_and_can_refuse_it),
        T(what_frees_space_is_never_refused),
        T(a_complete_is_one_object_of_bytes_that_are_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
