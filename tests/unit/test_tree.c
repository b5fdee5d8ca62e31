/* Holdfast: the incremental tree against RFC 6962's own recursive definition. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "journal/format_priv.h"

enum { LEAVES = 260 };

static void make_leaf(unsigned i, uint8_t leaf[HASH_SIZE])
{
    uint8_t header[RECORD_HEADER_SIZE] = {0};

    le64_put(header, i);
    tree_leaf(header, leaf);
}

/* MTH(D[from:to]) as §2.1 writes it down: split at the largest power of two below n. */
static void naive(unsigned from, unsigned to, uint8_t out[HASH_SIZE])
{
    uint8_t in[1 + 2 * HASH_SIZE];
    unsigned n = to - from, k = 1;

    if (n == 0) {
        digest_once(DIGEST_SHA256, "", 0, out);
        return;
    }
    if (n == 1) {
        uint8_t leaf[1 + RECORD_HEADER_SIZE] = {0};

        le64_put(leaf + 1, from);
        digest_once(DIGEST_SHA256, leaf, sizeof(leaf), out);
        return;
    }
    while (k * 2 < n)
        k *= 2;
    in[0] = 1;
    naive(from, from + k, in + 1);
    naive(from + k, to, in + 1 + HASH_SIZE);
    digest_once(DIGEST_SHA256, in, sizeof(in), out);
}

static void root_is_that_of_the_recursive_definition(void **state)
{
    struct tree t = {0};
    uint8_t root[HASH_SIZE], want[HASH_SIZE], leaf[HASH_SIZE];

    (void)state;
    for (unsigned n = 0; n <= LEAVES; n++) {
        tree_root(&t, root);
        naive(0, n, want);
        assert_memory_equal(root, want, HASH_SIZE);
        make_leaf(n, leaf);
        tree_add(&t, leaf);
    }
}

static void root_of_nothing_is_the_hash_of_nothing(void **state)
{
    struct tree t = {0};
    uint8_t root[HASH_SIZE], want[HASH_SIZE];

    (void)state;
    assert_int_equal(hex_decode(VIEW("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"), want, 32),
                     RC_OK);
    tree_root(&t, root);
    assert_memory_equal(root, want, HASH_SIZE);
}

static void a_copied_frontier_goes_on_alike(void **state)
{
    struct tree t = {0}, copy = {0};
    uint8_t root[HASH_SIZE], want[HASH_SIZE], leaf[HASH_SIZE];

    (void)state;
    for (unsigned n = 0; n < LEAVES; n++) {
        tree_copy(&copy, &t);
        make_leaf(n, leaf);
        tree_add(&t, leaf);
        tree_add(&copy, leaf);
        tree_root(&t, want);
        tree_root(&copy, root);
        assert_memory_equal(root, want, HASH_SIZE);
    }
}

static void a_segment_header_carries_the_frontier_and_knows_any_flip(void **state)
{
    const uint8_t store[16] = "sixteen bytes...";
    struct seg_head h = {.size = 1 << 20, .prev_first = 3, .prev_end = 8192, .last_time = -5}, back;
    uint8_t bytes[SEG_HEADER_SIZE], leaf[HASH_SIZE], root[HASH_SIZE], want[HASH_SIZE];

    (void)state;
    for (unsigned n = 0; n < 37; n++) {
        make_leaf(n, leaf);
        tree_add(&h.tree, leaf);
    }
    h.first = 38;
    h.table = (struct disk_table){.epoch = 9, .n = 2, .disk = {{.whole = true}, {.state = DISK_MISSING}}};
    seg_head_encode(bytes, &h, store);
    assert_int_equal(seg_head_decode(bytes, store, 38, &back), RC_OK);
    tree_root(&h.tree, want);
    tree_root(&back.tree, root);
    assert_memory_equal(root, want, HASH_SIZE);
    assert_int_equal(back.table.epoch, 9);
    assert_true(back.table.disk[0].whole);
    assert_int_equal(back.table.disk[1].state, DISK_MISSING);
    assert_int_equal(back.last_time, -5);
    assert_int_equal(seg_head_decode(bytes, store, 39, &back), RC_CORRUPT);
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] ^= 1;
        assert_int_equal(seg_head_decode(bytes, store, 38, &back), RC_CORRUPT);
        bytes[i] ^= 1;
    }
}

static void a_block_verifies_only_in_its_own_place(void **state)
{
    const struct block_id id = {1, 4224, 7, 0};
    const struct block_id others[] = {{2, 4224, 7, 0}, {1, 4288, 7, 0}, {1, 4224, 8, 0}, {1, 4224, 7, 1}};
    uint8_t header[BLOCK_HEADER_SIZE], data[100] = "a body";

    (void)state;
    block_seal(header, id, data, sizeof(data));
    assert_int_equal(block_verify(header, id, data, sizeof(data)), RC_OK);
    assert_int_equal(block_verify(header, id, data, sizeof(data) - 1), RC_CORRUPT);
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        assert_int_equal(block_verify(header, others[i], data, sizeof(data)), RC_CORRUPT);
    for (size_t i = 0; i < sizeof(header); i++) {
        header[i] ^= 4;
        assert_int_equal(block_verify(header, id, data, sizeof(data)), RC_CORRUPT);
        header[i] ^= 4;
    }
    for (size_t i = 0; i < sizeof(data); i++) {
        data[i] ^= 4;
        assert_int_equal(block_verify(header, id, data, sizeof(data)), RC_CORRUPT);
        data[i] ^= 4;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(root_is_that_of_the_recursive_definition),
        cmocka_unit_test(root_of_nothing_is_the_hash_of_nothing),
        cmocka_unit_test(a_copied_frontier_goes_on_alike),
        cmocka_unit_test(a_segment_header_carries_the_frontier_and_knows_any_flip),
        cmocka_unit_test(a_block_verifies_only_in_its_own_place),
    };

    return cmocka_run_group_tests_name("tree", tests, NULL, NULL);
}
