/* Holdfast: any k of k + m shards give all back, and the parity is the one the disks hold: checked with arithmetic of
 * its own, bit by bit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "codec/ec.h"

#define SMALL_SHARDS 9
#define ROUNDS 200
#define SIZE_MAX_ODD 300
#define SIZE_LARGE 65536
#define SIZE_TYPICAL 97 /* one wide step of any instruction set, and a rest */
#define SKEW_MAX 64
#define GUARD 32
#define GUARD_BYTE 0xc5

/* HOLDFAST_SEED repeats a run that failed. */
static uint64_t seed_of_run(void)
{
    const char *given = getenv("HOLDFAST_SEED");
    uint64_t seed = given ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);

    printf("HOLDFAST_SEED=%llu\n", (unsigned long long)seed);
    return seed;
}

struct rng {
    uint64_t state;
};

/* splitmix64 */
static uint64_t rng_next(struct rng *r)
{
    uint64_t z = r->state += 0x9e3779b97f4a7c15u;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static unsigned rng_below(struct rng *r, unsigned n)
{
    return (unsigned)(rng_next(r) % n);
}

static void rng_fill(struct rng *r, uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t)rng_next(r);
}

static int setup(void **state)
{
    static struct rng rng;

    rng.state = seed_of_run();
    *state = &rng;
    return 0;
}

/* ---- the field, bit by bit ---- */

static uint8_t slow_mul(uint8_t a, uint8_t b)
{
    unsigned x = a, sum = 0;

    for (unsigned bit = 0; bit < 8; bit++) {
        if (b >> bit & 1)
            sum ^= x;
        x <<= 1;
        if (x & 0x100)
            x ^= 0x11d;
    }
    return (uint8_t)sum;
}

static uint8_t slow_inverse(uint8_t a)
{
    for (unsigned b = 1; b < 256; b++) {
        if (slow_mul(a, (uint8_t)b) == 1)
            return (uint8_t)b;
    }
    fail_msg("%u has no inverse", a);
    return 0;
}

static void slow_parity(unsigned k, unsigned row, uint8_t *const shard[], size_t size, uint8_t *out)
{
    memset(out, 0, size);
    for (unsigned i = 0; i < k; i++) {
        uint8_t coefficient = slow_inverse((uint8_t)(row ^ i));
        for (size_t at = 0; at < size; at++)
            out[at] ^= slow_mul(coefficient, shard[i][at]);
    }
}

/* ---- a stripe: shards at uneven addresses, bytes around each that nobody may touch ---- */

struct stripe {
    unsigned k, m;
    size_t size;
    struct ec *ec;
    uint8_t *block[EC_SHARDS_MAX];
    uint8_t *shard[EC_SHARDS_MAX];
    uint8_t *whole[EC_SHARDS_MAX]; /* what each should hold */
};

static void *must_alloc(size_t n)
{
    void *p = malloc(n > 0 ? n : 1);
    assert_non_null(p);
    return p;
}

static void open_stripe(struct stripe *s, struct rng *r, unsigned k, unsigned m, size_t size)
{
    *s = (struct stripe){.k = k, .m = m, .size = size};
    assert_int_equal(ec_new(k, m, &s->ec), RC_OK);
    for (unsigned i = 0; i < k + m; i++) {
        unsigned skew = rng_below(r, SKEW_MAX);
        s->block[i] = must_alloc(skew + size + 2 * GUARD);
        memset(s->block[i], GUARD_BYTE, skew + size + 2 * GUARD);
        s->shard[i] = s->block[i] + skew + GUARD;
        s->whole[i] = must_alloc(size);
        if (i < k)
            rng_fill(r, s->shard[i], size);
    }
    ec_encode(s->ec, size, s->shard);
    for (unsigned i = 0; i < k + m; i++)
        memcpy(s->whole[i], s->shard[i], size);
}

static void assert_guarded(const struct stripe *s)
{
    for (unsigned i = 0; i < s->k + s->m; i++) {
        const uint8_t *before = s->shard[i] - GUARD, *behind = s->shard[i] + s->size;
        for (unsigned at = 0; at < GUARD; at++) {
            assert_int_equal(before[at], GUARD_BYTE);
            assert_int_equal(behind[at], GUARD_BYTE);
        }
    }
}

static void close_stripe(struct stripe *s)
{
    assert_guarded(s);
    for (unsigned i = 0; i < s->k + s->m; i++) {
        free(s->block[i]);
        free(s->whole[i]);
    }
    ec_free(s->ec);
}

static void assert_whole(const struct stripe *s)
{
    for (unsigned i = 0; i < s->k + s->m; i++)
        assert_memory_equal(s->shard[i], s->whole[i], s->size);
}

static unsigned bits(uint32_t set)
{
    return (unsigned)__builtin_popcount(set);
}

/* Loses the set, asks for `want` of it; what is not wanted has no memory. */
static void lose_and_rebuild(struct stripe *s, uint32_t missing, uint32_t want)
{
    uint8_t *given[EC_SHARDS_MAX];

    for (unsigned i = 0; i < s->k + s->m; i++) {
        given[i] = missing >> i & 1 && !(want >> i & 1) ? NULL : s->shard[i];
        if (want >> i & 1)
            memset(s->shard[i], 0xee, s->size);
    }
    assert_int_equal(ec_rebuild(s->ec, s->size, given, missing, want), RC_OK);
    assert_whole(s);
}

static uint32_t random_set(struct rng *r, unsigned of, unsigned n)
{
    uint32_t set = 0;

    while (bits(set) < n)
        set |= 1u << rng_below(r, of);
    return set;
}

/* ---- the parity ---- */

static void assert_slow_parity(const struct stripe *s)
{
    uint8_t *want = must_alloc(s->size);

    for (unsigned row = s->k; row < s->k + s->m; row++) {
        slow_parity(s->k, row, s->shard, s->size, want);
        assert_memory_equal(s->shard[row], want, s->size);
    }
    free(want);
}

static void parity_of_every_code_is_cauchys(void **state)
{
    for (unsigned k = 1; k < EC_SHARDS_MAX; k++) {
        for (unsigned m = 1; k + m <= EC_SHARDS_MAX; m++) {
            struct stripe s;
            open_stripe(&s, *state, k, m, SIZE_TYPICAL);
            assert_slow_parity(&s);
            close_stripe(&s);
        }
    }
}

static void parity_of_every_size_is_cauchys(void **state)
{
    struct stripe s;

    for (size_t size = 1; size <= SIZE_MAX_ODD; size++) {
        open_stripe(&s, *state, 4, 2, size);
        assert_slow_parity(&s);
        close_stripe(&s);
    }
    open_stripe(&s, *state, 4, 2, SIZE_LARGE);
    assert_slow_parity(&s);
    close_stripe(&s);
}

/* What is on the disks was made so; another matrix would make it unreadable. */
static void parity_never_changes(void **state)
{
    uint8_t shard[6][1] = {{1}, {2}, {3}, {0x80}, {0}, {0}};
    uint8_t *all[6];
    struct ec *ec;

    (void)state;
    for (unsigned i = 0; i < 6; i++)
        all[i] = shard[i];
    assert_int_equal(ec_new(4, 2, &ec), RC_OK);
    ec_encode(ec, 1, all);
    assert_int_equal(shard[4][0], 0xc5);
    assert_int_equal(shard[5][0], 0x31);
    ec_free(ec);
}

/* ---- what comes back ---- */

static void every_erasure_set_gives_all_back(void **state)
{
    for (unsigned k = 1; k < SMALL_SHARDS; k++) {
        for (unsigned m = 1; k + m <= SMALL_SHARDS; m++) {
            struct stripe s;
            open_stripe(&s, *state, k, m, SIZE_TYPICAL);
            for (uint32_t missing = 0; missing < 1u << (k + m); missing++) {
                if (bits(missing) <= m)
                    lose_and_rebuild(&s, missing, missing);
            }
            close_stripe(&s);
        }
    }
}

static void random_erasures_of_wide_codes_give_all_back(void **state)
{
    for (unsigned round = 0; round < ROUNDS; round++) {
        unsigned n = SMALL_SHARDS + 1 + rng_below(*state, EC_SHARDS_MAX - SMALL_SHARDS);
        unsigned m = 1 + rng_below(*state, n - 1);
        struct stripe s;
        open_stripe(&s, *state, n - m, m, 1 + rng_below(*state, SIZE_MAX_ODD));
        for (unsigned i = 0; i < 20; i++) {
            uint32_t missing = random_set(*state, n, rng_below(*state, m + 1));
            lose_and_rebuild(&s, missing, missing);
        }
        close_stripe(&s);
    }
}

static void shards_of_every_size_come_back(void **state)
{
    for (size_t size = 0; size <= SIZE_MAX_ODD + 1; size++) {
        struct stripe s;
        open_stripe(&s, *state, 4, 2, size <= SIZE_MAX_ODD ? size : SIZE_LARGE);
        for (unsigned i = 0; i < 6; i++)
            lose_and_rebuild(&s, 1u << i, 1u << i);
        uint32_t missing = random_set(*state, 6, 2);
        lose_and_rebuild(&s, missing, missing);
        close_stripe(&s);
    }
}

static void only_what_is_wanted_is_made(void **state)
{
    struct stripe s;

    open_stripe(&s, *state, 4, 3, SIZE_TYPICAL);
    for (uint32_t missing = 0; missing < 1u << 7; missing++) {
        for (uint32_t want = missing; bits(missing) <= 3 && want > 0; want = (want - 1) & missing)
            lose_and_rebuild(&s, missing, want);
    }
    close_stripe(&s);
}

/* Also where there is memory for it. */
static void what_is_not_wanted_is_not_written(void **state)
{
    struct stripe s;

    open_stripe(&s, *state, 4, 2, SIZE_TYPICAL);
    memset(s.shard[1], 0xee, s.size);
    memset(s.shard[5], 0xee, s.size);
    assert_int_equal(ec_rebuild(s.ec, s.size, s.shard, 1u << 1 | 1u << 5, 1u << 1), RC_OK);
    assert_memory_equal(s.shard[1], s.whole[1], s.size);
    memset(s.whole[5], 0xee, s.size);
    assert_whole(&s);
    assert_int_equal(ec_rebuild(s.ec, s.size, s.shard, 1u << 5, 0), RC_OK);
    assert_whole(&s);
    close_stripe(&s);
}

static void more_missing_than_parity_is_refused_and_nothing_written(void **state)
{
    struct stripe s;

    open_stripe(&s, *state, 4, 2, SIZE_TYPICAL);
    for (uint32_t missing = 0; missing < 1u << 6; missing++) {
        if (bits(missing) <= 2)
            continue;
        assert_int_equal(ec_rebuild(s.ec, s.size, s.shard, missing, missing), RC_CORRUPT);
        assert_int_equal(ec_rebuild(s.ec, s.size, s.shard, missing, missing & -missing), RC_CORRUPT);
        assert_whole(&s);
    }
    close_stripe(&s);
}

/* ---- verify ---- */

static void verify_finds_any_changed_byte(void **state)
{
    struct stripe s;

    for (size_t size = 1; size <= SIZE_MAX_ODD; size += 1 + rng_below(*state, 40)) {
        uint8_t *scratch = must_alloc(3 * size);
        open_stripe(&s, *state, 5, 3, size);
        assert_true(ec_verify(s.ec, size, s.shard, scratch));
        for (size_t at = 0; at < 8 * size; at++) {
            uint8_t *byte = &s.shard[at / size][at % size];
            uint8_t change = (uint8_t)(1 + rng_below(*state, 255));
            *byte ^= change;
            assert_false(ec_verify(s.ec, size, s.shard, scratch));
            *byte ^= change;
        }
        assert_true(ec_verify(s.ec, size, s.shard, scratch));
        assert_whole(&s);
        close_stripe(&s);
        free(scratch);
    }
}

/* ---- limits ---- */

static void codes_out_of_range_are_refused(void **state)
{
    static const unsigned bad[][2] = {{0, 0},  {0, 1}, {1, 0},  {16, 0},         {16, 1},
                                      {1, 16}, {8, 9}, {17, 1}, {UINT32_MAX, 2}, {2, UINT32_MAX}};
    struct ec *ec = NULL;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(ec_new(bad[i][0], bad[i][1], &ec), RC_INVALID);
        assert_null(ec);
    }
    assert_int_equal(ec_new(10, 6, &ec), RC_OK);
    assert_int_equal(ec_data(ec), 10);
    assert_int_equal(ec_parity(ec), 6);
    ec_free(ec);
    ec_free(NULL);
}

/* A page for each shard between two that must not be touched; the shard at its end, or at its beginning. */
static void map_shards(uint8_t **ret_map, size_t page, unsigned n)
{
    uint8_t *map = mmap(NULL, (2 * n + 1) * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    assert_true(map != MAP_FAILED);
    for (unsigned i = 0; i < n; i++)
        assert_int_equal(mprotect(map + (2 * i + 1) * page, page, PROT_READ | PROT_WRITE), 0);
    *ret_map = map;
}

static void no_byte_beside_a_shard_is_read(void **state)
{
    enum { SHARDS = 6 };
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uint8_t *map, *shard[SHARDS], scratch[2 * SIZE_MAX_ODD], was[SIZE_MAX_ODD];
    struct ec *ec;

    map_shards(&map, page, SHARDS);
    assert_int_equal(ec_new(4, 2, &ec), RC_OK);
    for (size_t size = 1; size <= SIZE_MAX_ODD; size++) {
        for (unsigned at_end = 0; at_end < 2; at_end++) {
            for (unsigned i = 0; i < SHARDS; i++)
                shard[i] = map + (2 * i + 1) * page + (at_end ? page - size : 0);
            for (unsigned i = 0; i < 4; i++)
                rng_fill(*state, shard[i], size);
            ec_encode(ec, size, shard);
            assert_true(ec_verify(ec, size, shard, scratch));
            memcpy(was, shard[2], size);
            memset(shard[2], 0, size);
            assert_int_equal(ec_rebuild(ec, size, shard, 1u << 2 | 1u << 4, 1u << 2), RC_OK);
            assert_memory_equal(shard[2], was, size);
        }
    }
    ec_free(ec);
    assert_int_equal(munmap(map, (2 * SHARDS + 1) * page), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parity_of_every_code_is_cauchys),
        cmocka_unit_test(parity_of_every_size_is_cauchys),
        cmocka_unit_test(parity_never_changes),
        cmocka_unit_test(every_erasure_set_gives_all_back),
        cmocka_unit_test(random_erasures_of_wide_codes_give_all_back),
        cmocka_unit_test(shards_of_every_size_come_back),
        cmocka_unit_test(only_what_is_wanted_is_made),
        cmocka_unit_test(what_is_not_wanted_is_not_written),
        cmocka_unit_test(more_missing_than_parity_is_refused_and_nothing_written),
        cmocka_unit_test(verify_finds_any_changed_byte),
        cmocka_unit_test(codes_out_of_range_are_refused),
        cmocka_unit_test(no_byte_beside_a_shard_is_read),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
