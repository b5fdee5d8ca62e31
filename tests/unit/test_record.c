/* Promises of record payloads: what is encoded comes back, unknown fields are skipped, nonsense is corrupt. */
#include "catalog_fixture.h"

static struct cat_rec full_object(const struct extent *x, size_t n)
{
    struct cat_rec r = {.type = REC_OBJECT,
                        .account = 3,
                        .bucket = 1ull << 40,
                        .bucket_name = VIEW("box"),
                        .key = VIEW("dir/key"),
                        .null_version = true,
                        .etag_md5 = {1, 2, 3},
                        .crc64ecma = UINT64_MAX,
                        .checksum = {.kind = CHECKSUM_SHA256, .composite = true, .size = 32, .value = {7}},
                        .class = CLASS_DEEP_ARCHIVE,
                        .versioning = VERSIONING_SUSPENDED,
                        .meta = VIEW("meta"),
                        .tags = VIEW("a=b"),
                        .extents = x,
                        .n_extents = n,
                        .requests = 1,
                        .egress_bytes = 5,
                        .actor = VIEW("HFKEY"),
                        .delta = {{CLASS_DEEP_ARCHIVE, 100, 1}, {CLASS_STANDARD, INT64_MIN, -1}},
                        .n_delta = 2,
                        .gone = {{CLASS_STANDARD_IA, UINT64_MAX, -1}, {CLASS_ARCHIVE, 0, INT64_MAX}},
                        .n_gone = 2,
                        .egress = 7};
    for (size_t i = 0; i < n; i++)
        r.size += x[i].length;
    return r;
}

static void encode(const struct cat_rec *r, struct buf *out)
{
    buf_clear(out);
    assert_int_equal(cat_rec_encode(r, out), RC_OK);
}

static void an_object_record_comes_back_as_it_went_in(void **state)
{
    (void)state;
    struct extent x[] = {{EXTENT_VOLUME, 5, 4096, EXTENT_SIZE_MAX, 9}, {EXTENT_VOLUME, 6, 8192, 77, UINT64_MAX}};
    struct cat_rec r = full_object(x, 2), got;
    struct buf b = BUF(1 << 20), again = BUF(1 << 20);
    struct arena a = ARENA(1 << 20);
    encode(&r, &b);
    assert_int_equal(cat_rec_decode(REC_OBJECT, buf_view(&b), &a, &got), RC_OK);
    assert_true(got.account == 3 && got.bucket == 1ull << 40 && view_eqs(got.key, "dir/key"));
    assert_true(got.null_version && !got.marker && got.size == r.size && got.crc64ecma == UINT64_MAX);
    assert_memory_equal(got.checksum.value, r.checksum.value, 32);
    assert_true(got.class == CLASS_DEEP_ARCHIVE && got.versioning == VERSIONING_SUSPENDED);
    assert_true(got.n_extents == 2 && got.extents[1].offset == 8192 && got.extents[1].owner == UINT64_MAX);
    assert_true(got.n_delta == 2 && got.delta[1].bytes == INT64_MIN && got.delta[1].objects == -1);
    assert_true(got.egress_bytes == 5 && got.egress == 7 && view_eqs(got.actor, "HFKEY"));
    assert_true(got.n_gone == 2 && got.gone[0].class == CLASS_STANDARD_IA && got.gone[0].size == UINT64_MAX);
    assert_true(got.gone[0].created_ns == -1 && got.gone[1].created_ns == INT64_MAX);
    encode(&got, &again);
    assert_true(view_eq(buf_view(&b), buf_view(&again)));
    buf_free(&b);
    buf_free(&again);
    arena_free(&a);
}

static void a_field_of_a_later_version_is_skipped(void **state)
{
    (void)state;
    struct cat_rec r = full_object(NULL, 0), got;
    struct buf b = BUF(1 << 20);
    struct arena a = ARENA(1 << 20);
    encode(&r, &b);
    assert_int_equal(tlv_put(&b, 999, VIEW("new")), RC_OK);
    assert_int_equal(cat_rec_decode(REC_OBJECT, buf_view(&b), &a, &got), RC_OK);
    assert_true(view_eqs(got.key, "dir/key"));
    buf_free(&b);
    arena_free(&a);
}

static void lists_of_parts_are_kept_as_ranges(void **state)
{
    (void)state;
    uint32_t list[] = {1, 2, 3, 7, 9, 10, 10000};
    struct cat_rec r = full_object(NULL, 0), got;
    struct buf b = BUF(1 << 20);
    struct arena a = ARENA(1 << 20);
    r.upload = 44;
    r.size = 12345;
    r.part_list = list;
    r.n_parts = 7;
    encode(&r, &b);
    assert_int_equal(cat_rec_decode(REC_OBJECT, buf_view(&b), &a, &got), RC_OK);
    assert_int_equal(got.n_parts, 7);
    assert_memory_equal(got.part_list, list, sizeof(list));
    buf_free(&b);
    arena_free(&a);
}

static void expect_corrupt(enum rec_type type, const struct cat_rec *r)
{
    struct cat_rec got;
    struct buf b = BUF(1 << 20);
    struct arena a = ARENA(1 << 20);
    encode(r, &b);
    assert_int_equal(cat_rec_decode(type, buf_view(&b), &a, &got), RC_CORRUPT);
    buf_free(&b);
    arena_free(&a);
}

static void what_cannot_be_is_corrupt(void **state)
{
    (void)state;
    struct extent x[] = {{EXTENT_VOLUME, 5, 4096, 10, 9}};
    struct cat_rec r = full_object(x, 1);
    r.size = 11; /* extents do not add up */
    expect_corrupt(REC_OBJECT, &r);
    r = full_object(x, 1);
    r.key = VIEW("");
    expect_corrupt(REC_OBJECT, &r);
    r = full_object(x, 1);
    r.has_inline = true;
    expect_corrupt(REC_OBJECT, &r);
    x[0].kind = EXTENT_INLINE; /* only its own attachment is inline */
    r = full_object(x, 1);
    expect_corrupt(REC_OBJECT, &r);
    uint32_t unordered[] = {5, 4};
    r = full_object(NULL, 0);
    r.upload = 1;
    r.part_list = unordered;
    r.n_parts = 2;
    expect_corrupt(REC_OBJECT, &r);
    r = full_object(NULL, 0);
    r.gone[0].class = CLASS_STANDARD; /* costs nothing to delete: never said */
    expect_corrupt(REC_OBJECT, &r);
    r.gone[0].class = CLASS_COUNT;
    expect_corrupt(REC_OBJECT, &r);
    r = full_object(NULL, 0);
    expect_corrupt(REC_PART, &r);
    r = full_object(NULL, 0);
    expect_corrupt(REC_UPLOAD_ABORT, &r);
    expect_corrupt(REC_TOPUP, &r);
}

/* Every cut and every changed byte is decoded or refused, never read past its end (ASan looks on). */
static void damaged_payloads_are_harmless(void **state)
{
    (void)state;
    struct extent x[] = {{EXTENT_VOLUME, 5, 4096, 10, 9}};
    struct cat_rec r = full_object(x, 1), got;
    struct buf b = BUF(1 << 20);
    struct arena a = ARENA(4 << 20);
    encode(&r, &b);
    for (size_t i = 0; i < b.n; i++) {
        char *cut = malloc(i ? i : 1);
        assert_non_null(cut);
        memcpy(cut, b.p, i);
        enum rc rc = cat_rec_decode(REC_OBJECT, view_of(cut, i), &a, &got);
        assert_true(rc == RC_OK || rc == RC_CORRUPT);
        free(cut);
        for (unsigned bit = 0; bit < 8; bit++) {
            b.p[i] = (char)(b.p[i] ^ (1 << bit));
            rc = cat_rec_decode(REC_OBJECT, buf_view(&b), &a, &got);
            assert_true(rc == RC_OK || rc == RC_CORRUPT);
            b.p[i] = (char)(b.p[i] ^ (1 << bit));
        }
        arena_free(&a);
    }
    buf_free(&b);
}

static void storage_classes_have_names_and_s3s_aliases(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        enum storage_class class;
    } names[] = {{"STANDARD", CLASS_STANDARD},
                 {"STANDARD_IA", CLASS_STANDARD_IA},
                 {"ARCHIVE", CLASS_ARCHIVE},
                 {"DEEP_ARCHIVE", CLASS_DEEP_ARCHIVE},
                 {"GLACIER", CLASS_ARCHIVE},
                 {"REDUCED_REDUNDANCY", CLASS_STANDARD},
                 {"ONEZONE_IA", CLASS_STANDARD_IA},
                 {"GLACIER_IR", CLASS_STANDARD_IA},
                 {"INTELLIGENT_TIERING", CLASS_STANDARD}};
    enum storage_class c;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        assert_true(class_parse(view_cstr(names[i].name), &c));
        assert_int_equal(c, names[i].class);
    }
    assert_false(class_parse(VIEW("standard"), &c));
    assert_false(class_parse(VIEW(""), &c));
    for (unsigned i = 0; i < CLASS_COUNT; i++) {
        assert_true(class_parse(view_cstr(class_name((enum storage_class)i)), &c));
        assert_int_equal(c, i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_object_record_comes_back_as_it_went_in),
        cmocka_unit_test(a_field_of_a_later_version_is_skipped),
        cmocka_unit_test(lists_of_parts_are_kept_as_ranges),
        cmocka_unit_test(what_cannot_be_is_corrupt),
        cmocka_unit_test(damaged_payloads_are_harmless),
        cmocka_unit_test(storage_classes_have_names_and_s3s_aliases),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
