/* Promises of the catalog: S3's rules for versions, conditions and multipart uploads, decided in commit order. */
#include "catalog_fixture.h"

#define MIB (1024u * 1024u)

static int set_up(void **state)
{
    struct fix *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    fix_open(f);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fix *f = *state;
    if (!f->batching)
        fix_check(f);
    fix_close(f);
    free(f);
    return 0;
}

static void expect_why(struct fix *f, const struct cat_op *op, enum rc rc, enum cat_why why)
{
    assert_int_equal(fix_run(f, op), rc);
    assert_int_equal(f->done.why, why);
}

static void expect_content(struct fix *f, uint64_t bucket, const char *key, const char *content)
{
    struct cat_version v;
    uint8_t md5[16];
    digest_once(DIGEST_MD5, content, strlen(content), md5);
    assert_int_equal(fix_get_latest(f, bucket, key, &v), RC_OK);
    assert_false(v.marker);
    assert_memory_equal(v.etag_md5, md5, 16);
}

static void expect_gone(struct fix *f, uint64_t bucket, const char *key)
{
    struct cat_version v;
    enum rc rc = fix_get_latest(f, bucket, key, &v);
    assert_true(rc == RC_NOT_FOUND || (rc == RC_OK && v.marker));
}

/* ---- buckets ---- */

static void a_bucket_has_one_owner(void **state)
{
    struct fix *f = *state;
    fix_bucket(f, "box");
    struct cat_op op = fix_op(CAT_BUCKET_CREATE, "box", "");
    expect_why(f, &op, RC_EXISTS, CAT_BUCKET_OWNED_BY_YOU);
    op.account = 99;
    expect_why(f, &op, RC_EXISTS, CAT_BUCKET_EXISTS);
    op = fix_op(CAT_PUT, "box", "k");
    op.account = 99;
    expect_why(f, &op, RC_DENIED, CAT_NOT_OWNER);
    op = fix_op(CAT_PUT, "nobox", "k");
    expect_why(f, &op, RC_NOT_FOUND, CAT_NO_SUCH_BUCKET);
    struct cat_bucket *list;
    size_t n;
    assert_int_equal(cat_list_buckets(f->c, FIX_ACCOUNT, &f->arena, &list, &n), RC_OK);
    assert_int_equal(n, 1);
    assert_string_equal(list[0].name, "box");
    assert_int_equal(cat_list_buckets(f->c, 99, &f->arena, &list, &n), RC_OK);
    assert_int_equal(n, 0);
}

static void only_an_empty_bucket_is_deleted(void **state)
{
    struct fix *f = *state;
    fix_bucket(f, "box");
    fix_put(f, "box", "k", 3, "abc");
    struct cat_op op = fix_op(CAT_BUCKET_DELETE, "box", "");
    expect_why(f, &op, RC_CONFLICT, CAT_BUCKET_NOT_EMPTY);
    fix_versioning(f, "box", VERSIONING_ON);
    fix_delete(f, "box", "k");
    uint64_t marker = f->done.seq;
    expect_why(f, &op, RC_CONFLICT, CAT_BUCKET_NOT_EMPTY); /* an old version and a marker */
    fix_delete_version(f, "box", "k", marker);
    fix_delete_version(f, "box", "k", 0);
    uint64_t up = fix_upload(f, "box", "left");
    assert_int_equal(fix_part(f, "box", "left", up, 1, 9 * MIB, "p"), RC_OK);
    assert_int_equal(fix_run(f, &op), RC_OK); /* unfinished uploads go along */
    struct cat_bucket b;
    assert_int_equal(cat_get_bucket(f->c, VIEW("box"), &f->arena, &b), RC_NOT_FOUND);
    fix_bucket(f, "box");
    assert_int_equal(cat_get_bucket(f->c, VIEW("box"), &f->arena, &b), RC_OK);
    assert_int_equal(b.versioning, VERSIONING_OFF);
}

static void a_bucket_filled_in_the_same_batch_is_not_empty(void **state)
{
    struct fix *f = *state;
    f->batching = true;
    fix_bucket(f, "box");
    fix_put(f, "box", "k", 3, "abc");
    struct cat_op op = fix_op(CAT_BUCKET_DELETE, "box", "");
    expect_why(f, &op, RC_CONFLICT, CAT_BUCKET_NOT_EMPTY);
    fix_delete(f, "box", "k");
    assert_int_equal(fix_run(f, &op), RC_OK);
    fix_commit(f);
    assert_int_equal(cat_objects(f->c), 0);
    f->batching = false;
}

static void bucket_settings_do_not_forget_each_other(void **state)
{
    struct fix *f = *state;
    fix_bucket(f, "box");
    struct cat_op op = fix_op(CAT_BUCKET_TAGS, "box", "");
    op.tags = VIEW("team=a&cost=b");
    assert_int_equal(fix_run(f, &op), RC_OK);
    fix_versioning(f, "box", VERSIONING_ON);
    struct cat_bucket b;
    assert_int_equal(cat_get_bucket(f->c, VIEW("box"), &f->arena, &b), RC_OK);
    assert_true(view_eqs(b.tags, "team=a&cost=b"));
    assert_int_equal(b.versioning, VERSIONING_ON);
    op.tags = VIEW("");
    assert_int_equal(fix_run(f, &op), RC_OK);
    assert_int_equal(cat_get_bucket(f->c, VIEW("box"), &f->arena, &b), RC_OK);
    assert_int_equal(b.tags.n, 0);
    assert_int_equal(b.versioning, VERSIONING_ON);
}

/* ---- versions ---- */

static void without_versioning_a_put_replaces_and_a_delete_removes(void **state)
{
    struct fix *f = *state;
    uint64_t b = fix_bucket(f, "box");
    fix_put(f, "box", "k", 100, "one");
    assert_true(f->done.null_version && !f->done.versioned);
    fix_put(f, "box", "k", 200, "two");
    expect_content(f, b, "k", "two");
    assert_int_equal(cat_objects(f->c), 1);
    assert_int_equal(f->bytes[CLASS_STANDARD], 200);
    fix_delete(f, "box", "k");
    assert_false(f->done.nothing_to_do);
    expect_gone(f, b, "k");
    fix_delete(f, "box", "k");
    assert_true(f->done.nothing_to_do);
    assert_int_equal(cat_objects(f->c), 0);
    assert_int_equal(f->bytes[CLASS_STANDARD], 0);
    assert_int_equal(fix_count(f, FAM_VERSION), 0);
}

static void with_versioning_everything_is_kept(void **state)
{
    struct fix *f = *state;
    uint64_t b = fix_bucket(f, "box");
    fix_versioning(f, "box", VERSIONING_ON);
    uint64_t v1 = fix_put(f, "box", "k", 100, "one");
    assert_true(f->done.versioned && !f->done.null_version);
    uint64_t v2 = fix_put(f, "box", "k", 100, "two");
    fix_delete(f, "box", "k");
    uint64_t marker = f->done.seq;
    assert_true(f->done.marker && !f->done.null_version);
    struct cat_version v;
    assert_int_equal(fix_get_latest(f, b, "k", &v), RC_OK);
    assert_true(v.marker && v.latest && v.seq == marker);
    assert_int_equal(fix_get(f, b, "k", (struct cat_want){.seq = v1}, &v), RC_OK);
    assert_int_equal(v.seq, v1);
    assert_int_equal(cat_objects(f->c), 0);
    assert_int_equal(f->objects[CLASS_STANDARD], 2);
    fix_delete_version(f, "box", "k", marker); /* the object is back */
    assert_true(f->done.marker && f->done.version == marker);
    expect_content(f, b, "k", "two");
    assert_int_equal(cat_objects(f->c), 1);
    fix_delete_version(f, "box", "k", v2);
    expect_content(f, b, "k", "one");
    fix_delete_version(f, "box", "k", v1);
    expect_gone(f, b, "k");
    assert_int_equal(f->objects[CLASS_STANDARD], 0);
    fix_delete_version(f, "box", "k", v1);
    assert_true(f->done.nothing_to_do);
}

static void removing_an_older_marker_changes_nothing_visible(void **state)
{
    struct fix *f = *state;
    uint64_t b = fix_bucket(f, "box");
    fix_versioning(f, "box", VERSIONING_ON);
    fix_put(f, "box", "k", 1, "one");
    fix_delete(f, "box", "k");
    uint64_t m1 = f->done.seq;
    fix_delete(f, "box", "k");
    uint64_t m2 = f->done.seq;
    fix_delete_version(f, "box", "k", m1);
    expect_gone(f, b, "k");
    uint64_t v2 = fix_put(f, "box", "k", 1, "two");
    fix_delete_version(f, "box", "k", m2);
    expect_content(f, b, "k", "two");
    fix_delete_version(f, "box", "k", v2);
    expect_content(f, b, "k", "one");
}

static void suspending_keeps_one_null_version(void **state)
{
    struct fix *f = *state;
    uint64_t b = fix_bucket(f, "box");
    fix_put(f, "box", "k", 10, "null-1");
    fix_versioning(f, "box", VERSIONING_ON);
    uint64_t v1 = fix_put(f, "box", "k", 20, "v1");
    struct cat_version v;
    assert_int_equal(fix_get(f, b, "k", (struct cat_want){.null_version = true}, &v), RC_OK);
    assert_int_equal(v.size, 10);
    fix_versioning(f, "box", VERSIONING_SUSPENDED);
    fix_put(f, "box", "k", 30, "null-2"); /* replaces null-1, which is not the newest */
    assert_true(f->done.versioned && f->done.null_version);
    assert_int_equal(f->bytes[CLASS_STANDARD], 50);
    assert_int_equal(fix_get(f, b, "k", (struct cat_want){.null_version = true}, &v), RC_OK);
    assert_int_equal(v.size, 30);
    assert_int_equal(fix_get(f, b, "k", (struct cat_want){.seq = v.seq}, &v), RC_NOT_FOUND);
    fix_put(f, "box", "k", 40, "null-3"); /* replaces null-2, which is the newest */
    assert_int_equal(f->bytes[CLASS_STANDARD], 60);
    fix_delete(f, "box", "k"); /* a null marker in place of null-3 */
    assert_true(f->done.marker && f->done.null_version);
    assert_int_equal(f->bytes[CLASS_STANDARD], 20);
    expect_gone(f, b, "k");
    fix_delete(f, "box", "k"); /* and again: still one */
    assert_int_equal(fix_count(f, FAM_VERSION), 2);
    fix_delete_version(f, "box", "k", 0); /* the null marker goes: v1 is the newest */
    assert_true(f->done.marker);
    expect_content(f, b, "k", "v1");
    assert_int_equal(fix_get(f, b, "k", (struct cat_want){.seq = v1}, &v), RC_OK);
    assert_true(v.latest);
}

static void a_null_version_can_be_older_than_a_marker(void **state)
{
    struct fix *f = *state;
    uint64_t b = fix_bucket(f, "box");
    fix_put(f, "box", "k", 10, "null");
    fix_versioning(f, "box", VERSIONING_ON);
    fix_delete(f, "box", "k");
    uint64_t marker = f->done.seq;
    expect_gone(f, b, "k");
    fix_delete_version(f, "box", "k", marker);
    expect_content(f, b, "k", "null");
    fix_delete(f, "box", "k");
    fix_versioning(f, "box", VERSIONING_SUSPENDED);
    fix_put(f, "box", "k", 20, "null-2");
    assert_int_equal(f->bytes[CLASS_STANDARD], 20);
    fix_delete_version(f, "box", "k", 0);
    expect_gone(f, b, "k"); /* the marker of before is the newest again */
    assert_int_equal(f->bytes[CLASS_STANDARD], 0);
}

/* ---- conditions ---- */

static void conditions_are_decided_against_what_was_sequenced_before(void **state)
{
    struct fix *f = *state;
    fix_bucket(f, "box");
    f->batching = true; /* nothing is written between */
    struct cat_op once = fix_op(CAT_PUT, "box", "k");
    once.if_none_match = VIEW("*");
    fix_body_set(f, &once, 3, "one");
    assert_int_equal(fix_run(f, &once), RC_OK);
    expect_why(f, &once, RC_PRECONDITION, CAT_PRECONDITION_FAILED);
    char etag[ETAG_TEXT_MAX];
    struct cat_op swap = fix_op(CAT_PUT, "box", "k");
    fix_body_set(f, &swap, 3, "two");
    swap.if_match = view_cstr(cat_etag_text(once.md5, 0, etag));
    assert_int_equal(fix_run(f, &swap), RC_OK);
    expect_why(f, &swap, RC_PRECONDITION, CAT_PRECONDITION_FAILED);
    swap.key = VIEW("other");
    expect_why(f, &swap, RC_NOT_FOUND, CAT_NO_SUCH_KEY);
    swap.key = VIEW("k");
    swap.if_match = VIEW("*");
    assert_int_equal(fix_run(f, &swap), RC_OK);
    struct cat_op gone = fix_op(CAT_DELETE, "box", "k");
    gone.if_match = view_cstr(etag);
    expect_why(f, &gone, RC_PRECONDITION, CAT_PRECONDITION_FAILED);
    char now[ETAG_TEXT_MAX];
    gone.if_match = view_cstr(cat_etag_text(swap.md5, 0, now));
    assert_int_equal(fix_run(f, &gone), RC_OK);
    assert_int_equal(fix_run(f, &once), RC_OK);
    fix_commit(f);
    f->batching = false;
}

static void a_marker_does_not_count_as_an_object_for_conditions(void **state)
{
    struct fix *f = *state;
    fix_bucket(f, "box");
    fix_versioning(f, "box", VERSIONING_ON);
    fix_put(f, "box", "k", 1, "one");
    fix_delete(f, "box", "k");
    struct cat_op op = fix_op(CAT_PUT, "box", "k");
    fix_body_set(f, &op, 1, "two");
    op.if_match = VIEW("*");
    expect_why(f, &op, RC_NOT_FOUND, CAT_NO_SUCH_KEY);
    op.if_match = VIEW("");
    op.if_none_match = VIEW("*");
    assert_int_equal(fix_run(f, &op), RC_OK);
}

/* ---- tags ---- */

static void tags_are_set_on_any_version_and_never_on_a_marker(void **state)
{
    struct fix *f = *state;
    uint64_t b = fix_bucket(f, "box");
    fix_versioning(f, "box", VERSIONING_ON);
    uint64_t v1 = fix_put(f, "box", "k", 1, "one");
    fix_put(f, "box", "k", 1, "two");
    struct cat_op op = fix_op(CAT_TAGS, "box", "k");
    op.tags = VIEW("a=1");
    op.version = (struct cat_want){.seq = v1};
    assert_int_equal(fix_run(f, &op), RC_OK);
    op.version = (struct cat_want){.any_latest = true};
    op.tags = VIEW("b=2");
    assert_int_equal(fix_run(f, &op), RC_OK);
    struct cat_version v;
    assert_int_equal(fix_get(f, b, "k", (struct cat_want){.seq = v1}, &v), RC_OK);
    assert_true(view_eqs(v.tags, "a=1"));
    assert_int_equal(fix_get_latest(f, b, "k", &v), RC_OK);
    assert_true(view_eqs(v.tags, "b=2"));
    assert_int_equal(v.n_extents, 1);
    fix_delete(f, "box", "k");
    op.version = (struct cat_want){.seq = f->done.seq};
    expect_why(f, &op, RC_CONFLICT, CAT_METHOD_NOT_ALLOWED);
    op.version = (struct cat_want){.any_latest = true};
    expect_why(f, &op, RC_NOT_FOUND, CAT_NO_SUCH_KEY);
    op.version = (struct cat_want){.seq = 12345678};
    expect_why(f, &op, RC_NOT_FOUND, CAT_NO_SUCH_VERSION);
}

/* ---- what is kept with an object ---- */

static void a_read_gives_back_what_was_put(void **state)
{
    struct fix *f = *state;
    uint64_t b = fix_bucket(f, "box");
    struct cat_header h[] = {{VIEW("content-type"), VIEW("text/plain")}, {VIEW("x-amz-meta-empty"), VIEW("")}};
    struct buf meta = BUF(1000);
    assert_int_equal(cat_headers_encode(h, 2, &meta), RC_OK);
    struct cat_op op = fix_op(CAT_PUT, "box", "dir/\xe4\xb8\xad");
    fix_body_set(f, &op, 200u * MIB, "big");
    op.meta = buf_view(&meta);
    op.tags = VIEW("x=y");
    op.class = CLASS_ARCHIVE;
    op.checksum = (struct checksum){.kind = CHECKSUM_CRC32, .size = 4, .value = {1, 2, 3, 4}};
    assert_int_equal(fix_run(f, &op), RC_OK);
    struct cat_version v;
    assert_int_equal(fix_get_latest(f, b, "dir/\xe4\xb8\xad", &v), RC_OK);
    assert_int_equal(v.size, 200u * MIB);
    assert_int_equal(v.class, CLASS_ARCHIVE);
    assert_int_equal(v.n_extents, 4);
    struct buf sent = BUF(1000), got_back = BUF(1000);
    assert_int_equal(cat_extent_pack(&sent, op.extents, 4), RC_OK);
    assert_int_equal(cat_extent_pack(&got_back, v.extents, 4), RC_OK);
    assert_true(view_eq(buf_view(&sent), buf_view(&got_back)));
    buf_free(&sent);
    buf_free(&got_back);
    assert_int_equal(v.n_parts, 0);
    assert_int_equal(v.crc64ecma, op.crc64ecma);
    assert_memory_equal(&v.checksum, &op.checksum, sizeof(v.checksum));
    assert_int_equal(v.modified_ns, f->now_ns);
    struct cat_header *got;
    size_t n;
    assert_int_equal(cat_headers_decode(v.meta, &f->arena, &got, &n), RC_OK);
    assert_int_equal(n, 2);
    assert_true(view_eqs(got[0].value, "text/plain") && view_eqs(got[1].name, "x-amz-meta-empty"));
    assert_int_equal(got[1].value.n, 0);
    buf_free(&meta);
}

static void an_empty_object_has_no_body_anywhere(void **state)
{
    struct fix *f = *state;
    uint64_t b = fix_bucket(f, "box");
    fix_put(f, "box", "k", 0, "");
    struct cat_version v;
    assert_int_equal(fix_get_latest(f, b, "k", &v), RC_OK);
    assert_int_equal(v.n_extents, 0);
    assert_int_equal(fix_count(f, FAM_SPACE), 0);
}

static void a_body_that_does_not_add_up_is_refused(void **state)
{
    struct fix *f = *state;
    fix_bucket(f, "box");
    struct cat_op op = fix_op(CAT_PUT, "box", "k");
    fix_body_set(f, &op, 10, "x");
    op.size = 11;
    expect_why(f, &op, RC_INVALID, CAT_WHY_NONE);
    static char key[KEY_MAX + 2];
    memset(key, 'k', KEY_MAX + 1);
    op = fix_op(CAT_PUT, "box", key);
    expect_why(f, &op, RC_LIMIT, CAT_WHY_NONE);
    op = fix_op(CAT_PUT, "box", "");
    expect_why(f, &op, RC_INVALID, CAT_WHY_NONE);
    key[KEY_MAX] = 0;
    op = fix_op(CAT_PUT, "box", key);
    assert_int_equal(fix_run(f, &op), RC_OK);
}

static void the_longest_key_of_zero_bytes_fits(void **state)
{
    struct fix *f = *state;
    uint64_t b = fix_bucket(f, "box");
    static const char zeros[KEY_MAX];
    struct cat_op op = fix_op(CAT_PUT, "box", "");
    op.key = view_of(zeros, KEY_MAX);
    fix_versioning(f, "box", VERSIONING_ON);
    assert_int_equal(fix_run(f, &op), RC_OK);
    assert_int_equal(fix_run(f, &op), RC_OK);
    struct cat_version v;
    assert_int_equal(cat_get_object(f->c, b, op.key, (struct cat_want){.any_latest = true}, &f->arena, &v), RC_OK);
    struct cat_list l = {.max = 10};
    struct cat_listed got;
    assert_int_equal(cat_list_versions(f->c, b, &l, &f->arena, &got), RC_OK);
    assert_int_equal(got.n_versions, 2);
    assert_true(view_eq(got.versions[1].key, op.key));
}

/* ---- multipart ---- */

static void a_multipart_object_is_the_sum_of_its_listed_parts(void **state)
{
    struct fix *f = *state;
    uint64_t b = fix_bucket(f, "box");
    fix_put(f, "box", "k", 50, "replaced");
    uint64_t up = fix_upload(f, "box", "k");
    assert_int_equal(fix_part(f, "box", "k", up, 1, 6 * MIB, "one"), RC_OK);
    assert_int_equal(fix_part(f, "box", "k", up, 2, 7 * MIB, "old two"), RC_OK);
    assert_int_equal(fix_part(f, "box", "k", up, 2, 70u * MIB, "two"), RC_OK);
    assert_int_equal(fix_part(f, "box", "k", up, 9, 8 * MIB, "unlisted"), RC_OK);
    assert_int_equal(fix_part(f, "box", "k", up, 10, 1000, "tail"), RC_OK);
    assert_int_equal(f->bytes[CLASS_STANDARD], 50 + (6 + 70 + 8) * MIB + 1000);
    fix_check(f);
    struct cat_part_ref refs[] = {fix_ref(1, "one"), fix_ref(2, "two"), fix_ref(10, "tail")};
    assert_int_equal(fix_complete(f, "box", "k", up, refs, 3), RC_OK);
    assert_int_equal(f->done.etag_parts, 3);
    uint8_t md5s[48], want[16];
    for (int i = 0; i < 3; i++)
        memcpy(md5s + 16 * i, refs[i].md5, 16);
    digest_once(DIGEST_MD5, md5s, sizeof(md5s), want);
    assert_memory_equal(f->done.etag_md5, want, 16);
    struct cat_version v;
    assert_int_equal(fix_get_latest(f, b, "k", &v), RC_OK);
    assert_int_equal(v.size, 76 * MIB + 1000);
    assert_int_equal(v.n_parts, 3);
    assert_true(v.part_sizes[0] == 6 * MIB && v.part_sizes[1] == 70u * MIB && v.part_sizes[2] == 1000);
    assert_int_equal(v.n_extents, 4);
    assert_int_equal(v.extents[3].kind, EXTENT_INLINE);
    assert_int_equal(f->bytes[CLASS_STANDARD], 76 * MIB + 1000);
    assert_int_equal(fix_count(f, FAM_PART), 0);
    assert_int_equal(fix_count(f, FAM_UPLOAD), 0);
    fix_delete(f, "box", "k");
    assert_int_equal(fix_count(f, FAM_LAYOUT), 0);
    assert_int_equal(fix_count(f, FAM_EXTENT), 0);
}

static void a_repeated_complete_succeeds_again_and_only_that_one(void **state)
{
    struct fix *f = *state;
    uint64_t b = fix_bucket(f, "box");
    fix_versioning(f, "box", VERSIONING_ON);
    uint64_t up = fix_upload(f, "box", "k");
    assert_int_equal(fix_part(f, "box", "k", up, 1, 6 * MIB, "one"), RC_OK);
    assert_int_equal(fix_part(f, "box", "k", up, 2, 1, "two"), RC_OK);
    struct cat_part_ref refs[] = {fix_ref(1, "one"), fix_ref(2, "two")};
    assert_int_equal(fix_complete(f, "box", "k", up, refs, 2), RC_OK);
    struct cat_done first = f->done;
    fix_put(f, "box", "k", 5, "newer"); /* even when it is no more the newest */
    assert_int_equal(fix_complete(f, "box", "k", up, refs, 2), RC_OK);
    assert_true(f->done.nothing_to_do);
    assert_int_equal(f->done.seq, first.seq);
    assert_memory_equal(f->done.etag_md5, first.etag_md5, 16);
    assert_int_equal(f->done.etag_parts, 2);
    assert_int_equal(f->done.size, 6 * MIB + 1);
    expect_content(f, b, "k", "newer");
    assert_int_equal(fix_complete(f, "box", "k", up, refs, 1), RC_NOT_FOUND);
    assert_int_equal(f->done.why, CAT_NO_SUCH_UPLOAD);
    fix_delete_version(f, "box", "k", first.seq);
    assert_int_equal(fix_complete(f, "box", "k", up, refs, 2), RC_NOT_FOUND);
}

static void a_wrong_list_of_parts_is_refused_and_names_the_part(void **state)
{
    struct fix *f = *state;
    fix_bucket(f, "box");
    uint64_t up = fix_upload(f, "box", "k");
    assert_int_equal(fix_part(f, "box", "k", up, 1, 6 * MIB, "one"), RC_OK);
    assert_int_equal(fix_part(f, "box", "k", up, 2, 100, "two"), RC_OK);
    assert_int_equal(fix_part(f, "box", "k", up, 5, 100, "five"), RC_OK);
    const struct {
        struct cat_part_ref refs[3];
        size_t n;
        enum cat_why why;
        uint32_t bad;
    } cases[] = {
        {{{0}}, 0, CAT_INVALID_PART, 0},
        {{fix_ref(2, "two"), fix_ref(1, "one")}, 2, CAT_INVALID_PART_ORDER, 1},
        {{fix_ref(1, "one"), fix_ref(1, "one")}, 2, CAT_INVALID_PART_ORDER, 1},
        {{fix_ref(1, "wrong"), fix_ref(5, "five")}, 2, CAT_INVALID_PART, 1},
        {{fix_ref(1, "one"), fix_ref(3, "three"), fix_ref(5, "five")}, 3, CAT_INVALID_PART, 3},
        {{fix_ref(1, "one"), fix_ref(7, "seven")}, 2, CAT_INVALID_PART, 7},
        {{fix_ref(1, "one"), fix_ref(2, "two"), fix_ref(5, "five")}, 3, CAT_PART_TOO_SMALL, 2},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(fix_complete(f, "box", "k", up, cases[i].refs, cases[i].n), RC_INVALID);
        assert_int_equal(f->done.why, cases[i].why);
        assert_int_equal(f->done.bad_part, cases[i].bad);
    }
    struct cat_part_ref good[] = {fix_ref(1, "one"), fix_ref(5, "five")};
    assert_int_equal(fix_complete(f, "box", "k", up, good, 2), RC_OK);
}

static void an_unknown_upload_is_refused_everywhere(void **state)
{
    struct fix *f = *state;
    fix_bucket(f, "box");
    uint64_t up = fix_upload(f, "box", "k");
    struct cat_op op = fix_op(CAT_ABORT, "box", "k");
    op.upload = up + 100;
    expect_why(f, &op, RC_NOT_FOUND, CAT_NO_SUCH_UPLOAD);
    op.upload = up;
    op.key = VIEW("other");
    expect_why(f, &op, RC_NOT_FOUND, CAT_NO_SUCH_UPLOAD);
    op.key = VIEW("k");
    assert_int_equal(fix_part(f, "box", "k", up, 3, 8 * MIB, "p"), RC_OK);
    assert_int_equal(fix_run(f, &op), RC_OK);
    assert_int_equal(f->bytes[CLASS_STANDARD], 0);
    expect_why(f, &op, RC_NOT_FOUND, CAT_NO_SUCH_UPLOAD);
    assert_int_equal(fix_part(f, "box", "k", up, 1, 1, "p"), RC_NOT_FOUND);
    struct cat_part_ref ref = fix_ref(1, "p");
    assert_int_equal(fix_complete(f, "box", "k", up, &ref, 1), RC_NOT_FOUND);
}

static void a_complete_obeys_conditions_at_the_commit(void **state)
{
    struct fix *f = *state;
    fix_bucket(f, "box");
    uint64_t up = fix_upload(f, "box", "k");
    assert_int_equal(fix_part(f, "box", "k", up, 1, 1, "one"), RC_OK);
    fix_put(f, "box", "k", 1, "other");
    struct cat_part_ref ref = fix_ref(1, "one");
    struct cat_op op = fix_op(CAT_COMPLETE, "box", "k");
    op.upload = up;
    op.parts = &ref;
    op.n_parts = 1;
    op.if_none_match = VIEW("*");
    expect_why(f, &op, RC_PRECONDITION, CAT_PRECONDITION_FAILED);
    fix_delete(f, "box", "k");
    assert_int_equal(fix_run(f, &op), RC_OK);
    char etag[ETAG_TEXT_MAX];
    op = fix_op(CAT_DELETE, "box", "k");
    op.if_match = view_cstr(cat_etag_text(f->done.etag_md5, 1, etag));
    assert_int_equal(etag[32], '-');
    assert_int_equal(fix_run(f, &op), RC_OK);
}

/* Sends "first…" and "second…" as parts with real checksums; returns the upload. */
static uint64_t upload_with_sums(struct fix *f, const char *key, struct checksum kind, bool with_sums)
{
    static char first[6 * MIB], second[100];
    memset(first, 'a', sizeof(first));
    memset(second, 'b', sizeof(second));
    struct cat_op op = fix_op(CAT_UPLOAD, "box", key);
    op.checksum = kind;
    assert_int_equal(fix_run(f, &op), RC_OK);
    uint64_t up = f->done.seq;
    for (uint32_t i = 1; i <= 2; i++) {
        const char *p = i == 1 ? first : second;
        size_t n = i == 1 ? sizeof(first) : sizeof(second);
        op = fix_op(CAT_PART, "box", key);
        op.upload = up;
        op.part = i;
        fix_body_set(f, &op, n, i == 1 ? "one" : "two");
        op.crc64ecma = crc64ecma_update(0, p, n);
        op.checksum = (struct checksum){.kind = kind.kind, .size = cat_checksum_size(kind.kind)};
        uint8_t wide[8];
        switch (kind.kind) {
        case CHECKSUM_CRC32:
            be64_put(wide, crc32_update(0, p, n));
            memcpy(op.checksum.value, wide + 4, 4);
            break;
        case CHECKSUM_CRC64NVME:
            be64_put(op.checksum.value, crc64nvme_update(0, p, n));
            break;
        default:
            digest_once(DIGEST_SHA256, p, n, op.checksum.value);
        }
        if (!with_sums)
            op.checksum = (struct checksum){.kind = CHECKSUM_NONE};
        assert_int_equal(fix_run(f, &op), RC_OK);
    }
    return up;
}

static void checksums_of_the_whole_are_made_from_the_parts(void **state)
{
    struct fix *f = *state;
    uint64_t b = fix_bucket(f, "box");
    static char all[6 * MIB + 100];
    memset(all, 'a', 6 * MIB);
    memset(all + 6 * MIB, 'b', 100);
    struct cat_part_ref refs[] = {fix_ref(1, "one"), fix_ref(2, "two")};
    struct cat_version v;
    uint8_t want[32], two[64];

    uint64_t up = upload_with_sums(f, "nvme", (struct checksum){.kind = CHECKSUM_CRC64NVME}, true);
    assert_int_equal(fix_complete(f, "box", "nvme", up, refs, 2), RC_OK);
    assert_int_equal(fix_get_latest(f, b, "nvme", &v), RC_OK);
    be64_put(want, crc64nvme_update(0, all, sizeof(all)));
    assert_false(v.checksum.composite);
    assert_memory_equal(v.checksum.value, want, 8);
    assert_true(v.crc64ecma == crc64ecma_update(0, all, sizeof(all)));

    up = upload_with_sums(f, "full", (struct checksum){.kind = CHECKSUM_CRC32, .composite = false}, true);
    struct cat_op op = fix_op(CAT_COMPLETE, "box", "full");
    op.upload = up;
    op.parts = refs;
    op.n_parts = 2;
    op.checksum = (struct checksum){.kind = CHECKSUM_CRC32, .size = 4, .value = {9, 9, 9, 9}};
    expect_why(f, &op, RC_INVALID, CAT_BAD_CHECKSUM);
    be64_put(want, crc32_update(0, all, sizeof(all)));
    memcpy(op.checksum.value, want + 4, 4);
    assert_int_equal(fix_run(f, &op), RC_OK);
    assert_false(f->done.checksum.composite);
    assert_memory_equal(f->done.checksum.value, want + 4, 4);

    up = upload_with_sums(f, "sha", (struct checksum){.kind = CHECKSUM_SHA256, .composite = true}, true);
    assert_int_equal(fix_complete(f, "box", "sha", up, refs, 2), RC_OK);
    digest_once(DIGEST_SHA256, all, 6 * MIB, two);
    digest_once(DIGEST_SHA256, all + 6 * MIB, 100, two + 32);
    digest_once(DIGEST_SHA256, two, 64, want);
    assert_true(f->done.checksum.composite);
    assert_memory_equal(f->done.checksum.value, want, 32);

    up = upload_with_sums(f, "none", (struct checksum){.kind = CHECKSUM_SHA256, .composite = true}, false);
    assert_int_equal(fix_complete(f, "box", "none", up, refs, 2), RC_OK);
    assert_int_equal(f->done.checksum.kind, CHECKSUM_NONE);
}

static void a_part_named_with_another_checksum_is_refused(void **state)
{
    struct fix *f = *state;
    fix_bucket(f, "box");
    uint64_t up = upload_with_sums(f, "k", (struct checksum){.kind = CHECKSUM_CRC32, .composite = true}, true);
    struct cat_part_ref refs[] = {fix_ref(1, "one"), fix_ref(2, "two")};
    refs[1].checksum = (struct checksum){.kind = CHECKSUM_CRC32, .size = 4, .value = {1, 1, 1, 1}};
    assert_int_equal(fix_complete(f, "box", "k", up, refs, 2), RC_INVALID);
    assert_int_equal(f->done.why, CAT_INVALID_PART);
    assert_int_equal(f->done.bad_part, 2);
}

static void ten_thousand_parts_become_one_object(void **state)
{
    struct fix *f = *state;
    uint64_t b = fix_bucket(f, "box");
    uint64_t up = fix_upload(f, "box", "k");
    struct cat_part_ref *refs = calloc(PARTS_MAX, sizeof(*refs));
    assert_non_null(refs);
    f->batching = true;
    for (uint32_t i = 1; i <= PARTS_MAX; i++) {
        assert_int_equal(fix_part(f, "box", "k", up, i, 5 * MIB, "p"), RC_OK);
        refs[i - 1] = fix_ref(i, "p");
    }
    fix_commit(f);
    f->batching = false;
    assert_int_equal(fix_complete(f, "box", "k", up, refs, PARTS_MAX), RC_OK);
    assert_true(f->log[f->n_log - 1].rec.payload.n < 500); /* the record only names them */
    struct cat_version v;
    assert_int_equal(fix_get_latest(f, b, "k", &v), RC_OK);
    assert_int_equal(v.n_extents, PARTS_MAX);
    assert_true(v.size == 5ull * MIB * PARTS_MAX);
    free(refs);
}

/* ---- uploads and parts listed ---- */

static void parts_are_listed_in_pages(void **state)
{
    struct fix *f = *state;
    uint64_t b = fix_bucket(f, "box");
    uint64_t up = fix_upload(f, "box", "k"), other = fix_upload(f, "box", "k");
    for (uint32_t i = 1; i <= 5; i++)
        assert_int_equal(fix_part(f, "box", "k", up, i * 10, i, "p"), RC_OK);
    assert_int_equal(fix_part(f, "box", "k", other, 1, 1, "p"), RC_OK);
    struct cat_part_info *p;
    size_t n;
    bool more;
    assert_int_equal(cat_list_parts(f->c, up, 0, 2, &f->arena, &p, &n, &more), RC_OK);
    assert_true(n == 2 && more && p[1].number == 20 && p[1].size == 2);
    assert_int_equal(cat_list_parts(f->c, up, 20, 3, &f->arena, &p, &n, &more), RC_OK);
    assert_true(n == 3 && !more && p[2].number == 50);
    assert_int_equal(cat_list_parts(f->c, up, 50, 3, &f->arena, &p, &n, &more), RC_OK);
    assert_true(n == 0 && !more);
    struct cat_upload u;
    assert_int_equal(cat_get_upload(f->c, b, VIEW("k"), up, &f->arena, &u), RC_OK);
    assert_int_equal(cat_get_upload(f->c, b, VIEW("j"), up, &f->arena, &u), RC_NOT_FOUND);
}

/* ---- space ---- */

static void dead_space_is_known_with_the_time_of_its_death(void **state)
{
    struct fix *f = *state;
    fix_bucket(f, "box");
    fix_put(f, "box", "small", 100, "s");
    uint64_t segment = f->log[f->n_log - 1].rec.attach.segment;
    fix_put(f, "box", "big", 9 * MIB, "b");
    int64_t since = -1;
    assert_false(cat_volume_dead(f->c, 1, &since));
    assert_false(cat_segment_dead(f->c, segment, &since));
    assert_true(cat_volume_dead(f->c, 77, &since));
    assert_int_equal(since, 0);
    fix_delete(f, "box", "big");
    assert_true(cat_volume_dead(f->c, 1, &since));
    assert_int_equal(since, f->now_ns);
    fix_delete(f, "box", "small");
    uint64_t dead[4];
    size_t n;
    assert_int_equal(cat_dead_segments(f->c, f->now_ns, dead, 4, &n), RC_OK);
    assert_int_equal(n, 0); /* not before that instant */
    assert_int_equal(cat_dead_segments(f->c, f->now_ns + 1, dead, 4, &n), RC_OK);
    assert_int_equal(n, 1);
    assert_int_equal(dead[0], segment);
    uint64_t volumes[] = {1};
    struct cat_op op = {.kind = CAT_RECLAIM, .volumes = volumes, .n_volumes = 1, .segments = dead, .n_segments = 1};
    assert_int_equal(fix_run(f, &op), RC_OK);
    assert_int_equal(fix_count(f, FAM_SPACE), 0);
}

static void space_that_lives_again_is_not_reclaimed(void **state)
{
    struct fix *f = *state;
    fix_bucket(f, "box");
    fix_put(f, "box", "big", 9 * MIB, "b");
    uint64_t volumes[] = {1};
    struct cat_op op = {.kind = CAT_RECLAIM, .volumes = volumes, .n_volumes = 1};
    assert_int_equal(fix_run(f, &op), RC_OK);
    assert_true(f->done.nothing_to_do);
}

static void live_extents_of_one_volume_come_in_order(void **state)
{
    struct fix *f = *state;
    fix_bucket(f, "box");
    for (int i = 0; i < 30; i++) {
        char key[16];
        snprintf(key, sizeof(key), "k%d", i);
        fix_put(f, "box", key, 100u * MIB, key);
    }
    fix_delete(f, "box", "k3");
    struct cat_extents *x;
    struct extent e;
    uint64_t last = 0, n = 0;
    assert_int_equal(cat_extents_open(f->c, 2, &x), RC_OK);
    while (cat_extents_next(x, &e) == RC_OK) {
        assert_true(e.container == 2 && e.offset > last);
        last = e.offset;
        n++;
    }
    assert_true(n > 5);
    cat_extents_close(x);
}

/* ---- ids ---- */

static void ids_are_opaque_and_come_back(void **state)
{
    (void)state;
    char a[VERSION_TEXT_MAX], b[UPLOAD_TEXT_MAX];
    uint64_t seq;
    bool null;
    for (uint64_t i = 1; i < 2000; i += 7) {
        cat_version_text(i, false, a);
        assert_int_equal(strlen(a), 32);
        assert_true(cat_version_parse(view_cstr(a), &seq, &null));
        assert_true(seq == i && !null);
        assert_false(cat_upload_parse(view_cstr(a), &seq)); /* one kind is not the other */
        cat_upload_text(i, b);
        assert_true(cat_upload_parse(view_cstr(b), &seq));
        assert_int_equal(seq, i);
        b[5] = b[5] == 'a' ? 'b' : 'a';
        assert_false(cat_upload_parse(view_cstr(b), &seq));
    }
    assert_string_equal(cat_version_text(5, true, a), "null");
    assert_true(cat_version_parse(VIEW("null"), &seq, &null));
    assert_true(null);
    assert_false(cat_version_parse(VIEW(""), &seq, &null));
    assert_false(cat_version_parse(VIEW("0123456789abcdef0123456789abcdef"), &seq, &null));
}

/* ---- records ---- */

static void a_record_is_applied_once(void **state)
{
    struct fix *f = *state;
    fix_bucket(f, "box");
    fix_put(f, "box", "k", 10, "x");
    uint8_t before[32], after[32];
    fix_dump(f->c, before);
    for (size_t i = 0; i < f->n_log; i++)
        assert_int_equal(cat_apply(f->t, &f->log[i].rec, NULL), RC_OK);
    fix_commit(f);
    fix_dump(f->c, after);
    assert_memory_equal(before, after, 32);
}

static void records_of_other_rooms_only_move_the_cursor(void **state)
{
    struct fix *f = *state;
    struct journal_rec rec = {.seq = 5, .time_ns = 1, .type = REC_TICK, .payload = VIEW("junk")};
    assert_int_equal(cat_apply(f->t, &rec, NULL), RC_OK);
    assert_int_equal(cat_cursor(f->c), 0);
    fix_commit(f);
    assert_int_equal(cat_cursor(f->c), 5);
    f->seq = 5;
}

static void a_record_that_does_not_fit_is_corrupt(void **state)
{
    struct fix *f = *state;
    fix_bucket(f, "box");
    struct cat_rec r = {.type = REC_DELETE, .bucket = f->seq, .key = VIEW("nothing"), .null_version = true};
    struct buf payload = BUF(1000);
    struct err e = {""};
    assert_int_equal(cat_rec_encode(&r, &payload), RC_OK);
    struct journal_rec rec = {.seq = 9, .time_ns = 1, .type = REC_DELETE, .payload = buf_view(&payload)};
    assert_int_equal(cat_apply(f->t, &rec, &e), RC_CORRUPT);
    assert_non_null(strstr(e.text, "record 9"));
    rec.payload = VIEW("\xff\xff");
    assert_int_equal(cat_apply(f->t, &rec, &e), RC_CORRUPT);
    cat_txn_reset(f->t);
    buf_free(&payload);
}

static void what_is_not_written_is_forgotten_by_a_reset(void **state)
{
    struct fix *f = *state;
    uint64_t b = fix_bucket(f, "box");
    struct cat_version v;
    f->batching = true;
    fix_put(f, "box", "k", 10, "x");
    assert_int_equal(fix_get_latest(f, b, "k", &v), RC_NOT_FOUND);
    cat_txn_reset(f->t);
    assert_int_equal(cat_cursor(f->c), 1);
    struct cat_op op = fix_op(CAT_PUT, "box", "k");
    op.if_match = VIEW("*");
    expect_why(f, &op, RC_NOT_FOUND, CAT_NO_SUCH_KEY);
    fix_commit(f);
    assert_int_equal(cat_objects(f->c), 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_bucket_has_one_owner),
        T(only_an_empty_bucket_is_deleted),
        T(a_bucket_filled_in_the_same_batch_is_not_empty),
        T(bucket_settings_do_not_forget_each_other),
        T(without_versioning_a_put_replaces_and_a_delete_removes),
        T(with_versioning_everything_is_kept),
        T(removing_an_older_marker_changes_nothing_visible),
        T(suspending_keeps_one_null_version),
        T(a_null_version_can_be_older_than_a_marker),
        T(conditions_are_decided_against_what_was_sequenced_before),
        T(a_marker_does_not_count_as_an_object_for_conditions),
        T(tags_are_set_on_any_version_and_never_on_a_marker),
        T(a_read_gives_back_what_was_put),
        T(an_empty_object_has_no_body_anywhere),
        T(a_body_that_does_not_add_up_is_refused),
        T(the_longest_key_of_zero_bytes_fits),
        T(a_multipart_object_is_the_sum_of_its_listed_parts),
        T(a_repeated_complete_succeeds_again_and_only_that_one),
        T(a_wrong_list_of_parts_is_refused_and_names_the_part),
        T(an_unknown_upload_is_refused_everywhere),
        T(a_complete_obeys_conditions_at_the_commit),
        T(checksums_of_the_whole_are_made_from_the_parts),
        T(a_part_named_with_another_checksum_is_refused),
        T(ten_thousand_parts_become_one_object),
        T(parts_are_listed_in_pages),
        T(dead_space_is_known_with_the_time_of_its_death),
        T(space_that_lives_again_is_not_reclaimed),
        T(live_extents_of_one_volume_come_in_order),
        cmocka_unit_test(ids_are_opaque_and_come_back),
        T(a_record_is_applied_once),
        T(records_of_other_rooms_only_move_the_cursor),
        T(a_record_that_does_not_fit_is_corrupt),
        T(what_is_not_written_is_forgotten_by_a_reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
