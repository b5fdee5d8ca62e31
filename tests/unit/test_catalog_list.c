/* Listing against a naive model: random keys, prefixes, delimiters, pages and versions, from a printed seed
 * (HOLDFAST_TEST_SEED sets it). */
#include <inttypes.h>
#include <stdlib.h>

#include "catalog_fixture.h"

#define MODEL_VERSIONS 4000
#define ITEMS_MAX 5000

struct model_version {
    char key[40];
    size_t n;
    uint64_t seq;
    bool marker, null;
};
struct model {
    struct model_version v[MODEL_VERSIONS]; /* in order of sequence */
    size_t n;
};
/* One thing that a listing shows, in order. */
struct item {
    struct view text;
    bool prefix, latest, marker;
    uint64_t seq;
};
struct items {
    struct item i[ITEMS_MAX];
    size_t n;
};

static uint64_t seed_of_run(void)
{
    const char *s = getenv("HOLDFAST_TEST_SEED");
    uint64_t seed = 20261121;
    if (s && !view_u64(view_cstr(s), &seed))
        fail_msg("HOLDFAST_TEST_SEED is no number");
    print_message("seed %" PRIu64 "\n", seed);
    return seed ? seed : 1;
}

/* ---- the model ---- */

static int version_order(const void *a, const void *b)
{
    const struct model_version *x = a, *y = b;
    int c = view_cmp(view_of(x->key, x->n), view_of(y->key, y->n));
    if (c)
        return c;
    return x->seq < y->seq ? 1 : x->seq > y->seq ? -1 : 0;
}

static struct view group_of(struct view key, struct view prefix, struct view delimiter)
{
    if (delimiter.n == 0)
        return VIEW("");
    for (size_t i = prefix.n; i + delimiter.n <= key.n; i++)
        if (memcmp(key.p + i, delimiter.p, delimiter.n) == 0)
            return view_sub(key, 0, i + delimiter.n);
    return VIEW("");
}

/* Everything that a listing without end would show. */
static void model_items(const struct model *m, struct view prefix, struct view delimiter, bool versions,
                        struct items *out)
{
    static struct model_version sorted[MODEL_VERSIONS];
    memcpy(sorted, m->v, m->n * sizeof(*sorted));
    qsort(sorted, m->n, sizeof(*sorted), version_order);
    out->n = 0;
    for (size_t i = 0; i < m->n; i++) {
        struct model_version *v = &sorted[i];
        struct view key = view_of(v->key, v->n);
        bool latest = i == 0 || !view_eq(view_of(sorted[i - 1].key, sorted[i - 1].n), key);
        if (!view_starts(key, prefix) || (!versions && (!latest || v->marker)))
            continue;
        struct view group = group_of(key, prefix, delimiter);
        struct item *last = out->n ? &out->i[out->n - 1] : NULL;
        if (group.n && last && last->prefix && view_eq(last->text, group))
            continue;
        assert_true(out->n < ITEMS_MAX);
        out->i[out->n++] = (struct item){
            .text = group.n ? group : key, .prefix = group.n > 0, .latest = latest, .marker = v->marker, .seq = v->seq};
    }
}

/* ---- random histories ---- */

static void random_key(uint64_t *rng, struct model_version *v)
{
    static const char *const pieces[] = {"a", "b", "/", "//", "a/", "\xff", "\x01", "--", "-", "\xe4\xb8\xad", "z"};
    v->n = 0;
    size_t n = 1 + fix_random(rng) % 5;
    for (size_t i = 0; i < n; i++) {
        const char *p = pieces[fix_random(rng) % (sizeof(pieces) / sizeof(pieces[0]))];
        memcpy(v->key + v->n, p, strlen(p));
        v->n += strlen(p);
        if (fix_random(rng) % 16 == 0)
            v->key[v->n++] = 0; /* allowed in the catalog, whatever clients do */
    }
}

static void model_drop(struct model *m, size_t i)
{
    memmove(&m->v[i], &m->v[i + 1], (m->n - i - 1) * sizeof(*m->v));
    m->n--;
}

/* The null version of the key, if any, goes: a null one takes its place. */
static void model_drop_null(struct model *m, const struct model_version *v)
{
    for (size_t i = 0; i < m->n; i++) {
        if (m->v[i].null && m->v[i].n == v->n && memcmp(m->v[i].key, v->key, v->n) == 0) {
            model_drop(m, i);
            return;
        }
    }
}

static void do_put(struct fix *f, struct model *m, uint64_t *rng, enum versioning versioning)
{
    struct model_version v = {.null = false};
    if (m->n && fix_random(rng) % 2)
        v = m->v[fix_random(rng) % m->n]; /* a key that has a history */
    else
        random_key(rng, &v);
    v.marker = false;
    v.null = versioning != VERSIONING_ON;
    struct cat_op op = fix_op(CAT_PUT, "box", "");
    op.key = view_of(v.key, v.n);
    fix_body_set(f, &op, fix_random(rng) % 100, "x");
    assert_int_equal(fix_run(f, &op), RC_OK);
    if (v.null)
        model_drop_null(m, &v);
    v.seq = f->done.seq;
    assert_true(m->n < MODEL_VERSIONS);
    m->v[m->n++] = v;
}

static void do_delete(struct fix *f, struct model *m, uint64_t *rng, enum versioning versioning)
{
    if (m->n == 0)
        return;
    struct model_version v = m->v[fix_random(rng) % m->n];
    struct cat_op op = fix_op(CAT_DELETE, "box", "");
    op.key = view_of(v.key, v.n);
    assert_int_equal(fix_run(f, &op), RC_OK);
    v.marker = true;
    v.null = versioning != VERSIONING_ON;
    if (v.null)
        model_drop_null(m, &v);
    v.seq = f->done.seq;
    if (versioning != VERSIONING_OFF)
        m->v[m->n++] = v;
}

static void do_delete_version(struct fix *f, struct model *m, uint64_t *rng)
{
    if (m->n == 0)
        return;
    size_t at = fix_random(rng) % m->n;
    struct model_version v = m->v[at];
    struct cat_op op = fix_op(CAT_DELETE, "box", "");
    op.key = view_of(v.key, v.n);
    op.version = (struct cat_want){.seq = v.null ? 0 : v.seq, .null_version = v.null};
    assert_int_equal(fix_run(f, &op), RC_OK);
    assert_false(f->done.nothing_to_do);
    model_drop(m, at);
}

static void history(struct fix *f, struct model *m, uint64_t *rng, unsigned steps, bool versioned)
{
    enum versioning versioning = VERSIONING_OFF;
    f->batching = true;
    for (unsigned i = 0; i < steps; i++) {
        uint64_t dice = fix_random(rng) % 100;
        if (versioned && dice < 3) {
            versioning = fix_random(rng) % 3 ? VERSIONING_ON : VERSIONING_SUSPENDED;
            fix_versioning(f, "box", versioning);
        } else if (dice < 60) {
            do_put(f, m, rng, versioning);
        } else if (dice < 85) {
            do_delete(f, m, rng, versioning);
        } else {
            do_delete_version(f, m, rng);
        }
        if (fix_random(rng) % 20 == 0)
            fix_commit(f);
    }
    fix_commit(f);
    f->batching = false;
    fix_check(f);
}

/* ---- comparing ---- */

/* Merges a page's versions and prefixes back into one order and compares it with the model from *at on. */
static void expect_page(const struct cat_listed *got, const struct items *want, size_t *at, bool versions)
{
    size_t v = 0, p = 0;
    while (v < got->n_versions || p < got->n_prefixes) {
        assert_true(*at < want->n);
        const struct item *w = &want->i[(*at)++];
        if (w->prefix) {
            assert_true(p < got->n_prefixes && view_eq(got->prefixes[p], w->text));
            p++;
        } else {
            assert_true(v < got->n_versions && view_eq(got->versions[v].key, w->text));
            assert_int_equal(got->versions[v].seq, w->seq);
            if (versions) {
                assert_int_equal(got->versions[v].latest, w->latest);
                assert_int_equal(got->versions[v].marker, w->marker);
            }
            v++;
        }
    }
}

static void walk(struct fix *f, uint64_t bucket, const struct items *want, struct cat_list l, bool versions)
{
    size_t at = 0, pages = 0;
    for (;;) {
        struct cat_listed got;
        struct arena a = ARENA(16u << 20);
        enum rc rc =
            versions ? cat_list_versions(f->c, bucket, &l, &a, &got) : cat_list_objects(f->c, bucket, &l, &a, &got);
        assert_int_equal(rc, RC_OK);
        assert_true(got.n_versions + got.n_prefixes <= l.max);
        expect_page(&got, want, &at, versions);
        assert_int_equal(got.truncated, at < want->n);
        if (got.truncated) {
            assert_int_equal(got.n_versions + got.n_prefixes, l.max);
            l.after = arena_dup(&f->arena, got.next);
            /* Every other page relies on the catalog to find out by itself. */
            l.after_is_prefix = pages++ % 2 ? got.next_is_prefix : false;
            l.after_version = got.next_version;
        }
        arena_free(&a);
        if (at >= want->n)
            break;
    }
}

static void compare(struct fix *f, const struct model *m, uint64_t bucket, uint64_t *rng, bool versions)
{
    static struct items want;
    static const char *const delimiters[] = {"", "", "/", "//", "-", "--", "a/", "\xff", "\xe4\xb8\xad"};
    for (unsigned i = 0; i < 120; i++) {
        struct model_version some;
        random_key(rng, &some);
        struct cat_list l = {.prefix = view_of(some.key, fix_random(rng) % 3 ? 0 : fix_random(rng) % (some.n + 1)),
                             .delimiter = view_cstr(delimiters[fix_random(rng) % 9]),
                             .max = (unsigned)(1 + fix_random(rng) % (fix_random(rng) % 4 ? 20 : CAT_LIST_MAX))};
        model_items(m, l.prefix, l.delimiter, versions, &want);
        walk(f, bucket, &want, l, versions);
    }
}

static void random_listing(unsigned steps, bool versioned)
{
    static struct model m;
    uint64_t rng = seed_of_run();
    struct fix f;
    fix_open(&f);
    m.n = 0;
    fix_bucket(&f, "aaa");
    fix_put(&f, "aaa", "\xff\xff\xff", 1, "neighbour");
    uint64_t bucket = fix_bucket(&f, "box");
    fix_bucket(&f, "ccc");
    fix_put(&f, "ccc", "a", 1, "neighbour");
    history(&f, &m, &rng, steps, versioned);
    compare(&f, &m, bucket, &rng, false);
    compare(&f, &m, bucket, &rng, true);
    fix_close(&f);
}

static void lists_of_an_unversioned_bucket_agree_with_the_model(void **state)
{
    (void)state;
    random_listing(900, false);
}

static void lists_of_a_versioned_bucket_agree_with_the_model(void **state)
{
    (void)state;
    random_listing(1500, true);
}

/* ---- particular cases ---- */

static void list(struct fix *f, uint64_t b, struct cat_list l, struct cat_listed *ret)
{
    assert_int_equal(cat_list_objects(f->c, b, &l, &f->arena, ret), RC_OK);
}

static void pages_of_none_and_prefixes_of_nothing_are_empty(void **state)
{
    (void)state;
    struct fix f;
    struct cat_listed got;
    static char longest[KEY_MAX + 100];
    memset(longest, 'z', sizeof(longest));
    fix_open(&f);
    uint64_t b = fix_bucket(&f, "box");
    fix_put(&f, "box", "k", 1, "x");
    list(&f, b, (struct cat_list){.max = 0}, &got);
    assert_true(got.n_versions == 0 && !got.truncated);
    list(&f, b, (struct cat_list){.max = 10, .prefix = VIEW("nothing")}, &got);
    assert_true(got.n_versions == 0 && !got.truncated);
    list(&f, b, (struct cat_list){.max = 10, .prefix = view_of(longest, sizeof(longest))}, &got);
    assert_int_equal(got.n_versions, 0);
    list(&f, b, (struct cat_list){.max = 10, .after = view_of(longest, sizeof(longest))}, &got);
    assert_int_equal(got.n_versions, 0);
    list(&f, b, (struct cat_list){.max = 5000, .after = VIEW("a")}, &got);
    assert_int_equal(got.n_versions, 1);
    fix_close(&f);
}

static void a_start_before_the_prefix_begins_with_the_prefix(void **state)
{
    (void)state;
    struct fix f;
    struct cat_listed got;
    fix_open(&f);
    uint64_t b = fix_bucket(&f, "box");
    fix_put(&f, "box", "a", 1, "x");
    fix_put(&f, "box", "p/1", 1, "x");
    fix_put(&f, "box", "p/2", 1, "x");
    list(&f, b, (struct cat_list){.max = 10, .prefix = VIEW("p/"), .after = VIEW("b")}, &got);
    assert_int_equal(got.n_versions, 2);
    list(&f, b, (struct cat_list){.max = 10, .prefix = VIEW("p/"), .after = VIEW("p/1")}, &got);
    assert_int_equal(got.n_versions, 1);
    list(&f, b, (struct cat_list){.max = 10, .prefix = VIEW("p/"), .after = VIEW("q")}, &got);
    assert_int_equal(got.n_versions, 0);
    /* A start within a common prefix shows it while something in it is left. */
    list(&f, b, (struct cat_list){.max = 10, .delimiter = VIEW("/"), .after = VIEW("p/1")}, &got);
    assert_int_equal(got.n_prefixes, 1);
    list(&f, b, (struct cat_list){.max = 10, .delimiter = VIEW("/"), .after = VIEW("p/2")}, &got);
    assert_int_equal(got.n_prefixes, 0);
    fix_close(&f);
}

static void uploads_are_listed_by_key_then_age_with_common_prefixes(void **state)
{
    (void)state;
    struct fix f;
    struct cat_uploads_listed got;
    fix_open(&f);
    uint64_t b = fix_bucket(&f, "box");
    uint64_t k1 = fix_upload(&f, "box", "k"), k2 = fix_upload(&f, "box", "k");
    fix_upload(&f, "box", "dir/a");
    fix_upload(&f, "box", "dir/b");
    uint64_t z = fix_upload(&f, "box", "z");
    struct cat_list l = {.delimiter = VIEW("/"), .max = 2};
    assert_int_equal(cat_list_uploads(f.c, b, &l, &f.arena, &got), RC_OK);
    assert_true(got.n_prefixes == 1 && view_eqs(got.prefixes[0], "dir/"));
    assert_true(got.n_uploads == 1 && got.uploads[0].seq == k1 && got.truncated);
    assert_true(view_eqs(got.next_key, "k") && got.next_upload == k1);
    l.after = got.next_key;
    l.after_version = got.next_upload;
    assert_int_equal(cat_list_uploads(f.c, b, &l, &f.arena, &got), RC_OK);
    assert_true(got.n_uploads == 2 && got.uploads[0].seq == k2 && got.uploads[1].seq == z && !got.truncated);
    l = (struct cat_list){.delimiter = VIEW("/"), .max = 1};
    assert_int_equal(cat_list_uploads(f.c, b, &l, &f.arena, &got), RC_OK);
    assert_true(got.n_prefixes == 1 && got.truncated && got.next_upload == 0);
    l.after = got.next_key;
    assert_int_equal(cat_list_uploads(f.c, b, &l, &f.arena, &got), RC_OK);
    assert_true(got.n_prefixes == 0 && got.uploads[0].seq == k1);
    l = (struct cat_list){.prefix = VIEW("dir/"), .max = 10};
    assert_int_equal(cat_list_uploads(f.c, b, &l, &f.arena, &got), RC_OK);
    assert_int_equal(got.n_uploads, 2);
    fix_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_of_an_unversioned_bucket_agree_with_the_model),
        cmocka_unit_test(lists_of_a_versioned_bucket_agree_with_the_model),
        cmocka_unit_test(pages_of_none_and_prefixes_of_nothing_are_empty),
        cmocka_unit_test(a_start_before_the_prefix_begins_with_the_prefix),
        cmocka_unit_test(uploads_are_listed_by_key_then_age_with_common_prefixes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
