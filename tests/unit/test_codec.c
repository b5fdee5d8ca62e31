/* Holdfast: hex, base64, URIs, UTF-8, checksums, digests and tagged fields keep their promises. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "codec/codec.h"
#include "codec/codec_priv.h"

#define ROUNDS 300
#define DATA_MAX 5000

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

static size_t rng_below(struct rng *r, size_t n)
{
    return (size_t)(rng_next(r) % n);
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

static void assert_hex(const uint8_t *p, size_t n, const char *want)
{
    char text[2 * DIGEST_MAX + 1];

    assert_true(n <= DIGEST_MAX);
    hex_encode(p, n, text);
    assert_string_equal(text, want);
}

/* ---- hex ---- */

static void hex_survives_a_round_trip(void **state)
{
    uint8_t in[64], out[64];
    char text[129];

    for (int i = 0; i < ROUNDS; i++) {
        size_t n = rng_below(*state, sizeof(in) + 1);

        rng_fill(*state, in, n);
        hex_encode(in, n, text);
        assert_int_equal(strlen(text), 2 * n);
        assert_int_equal(hex_decode(view_cstr(text), out, n), RC_OK);
        assert_memory_equal(in, out, n);
    }
}

static void hex_takes_either_case_and_nothing_else(void **state)
{
    uint8_t out[2] = {7, 7};

    (void)state;
    assert_int_equal(hex_decode(VIEW("aBcD"), out, 2), RC_OK);
    assert_int_equal(out[0], 0xab);
    assert_int_equal(out[1], 0xcd);
    out[0] = 7;
    assert_int_equal(hex_decode(VIEW("abc"), out, 2), RC_INVALID);
    assert_int_equal(hex_decode(VIEW("abcde"), out, 2), RC_INVALID);
    assert_int_equal(hex_decode(VIEW("ab"), out, 2), RC_INVALID);
    assert_int_equal(hex_decode(VIEW("ab 1"), out, 2), RC_INVALID);
    assert_int_equal(hex_decode(VIEW("abcg"), out, 2), RC_INVALID);
    assert_int_equal(hex_decode(VIEW("0x12"), out, 2), RC_INVALID);
    assert_int_equal(out[0], 7);
}

/* ---- base64 ---- */

static void base64_matches_rfc_4648(void **state)
{
    static const char *const pairs[][2] = {{"", ""},
                                           {"f", "Zg=="},
                                           {"fo", "Zm8="},
                                           {"foo", "Zm9v"},
                                           {"foob", "Zm9vYg=="},
                                           {"fooba", "Zm9vYmE="},
                                           {"foobar", "Zm9vYmFy"}};
    char text[16], back[16];

    (void)state;
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        size_t n = strlen(pairs[i][0]), back_n;

        base64_encode(pairs[i][0], n, text);
        assert_string_equal(text, pairs[i][1]);
        assert_int_equal(base64_size(n), strlen(text));
        assert_int_equal(base64_decode(view_cstr(text), back, sizeof(back), &back_n), RC_OK);
        assert_int_equal(back_n, n);
        assert_memory_equal(back, pairs[i][0], n);
    }
}

static void base64_survives_a_round_trip(void **state)
{
    uint8_t in[100], out[100];
    char text[140];

    for (int i = 0; i < ROUNDS; i++) {
        size_t n = rng_below(*state, sizeof(in) + 1), out_n;

        rng_fill(*state, in, n);
        base64_encode(in, n, text);
        assert_int_equal(base64_decode(view_cstr(text), out, n, &out_n), RC_OK);
        assert_int_equal(out_n, n);
        assert_memory_equal(in, out, n);
    }
}

static void base64_has_one_spelling_per_value(void **state)
{
    static const char *const wrong[] = {"Zg",   "Zg=",      "Zh==", "Zm9=", "Zg==\n", " Zg==",   "Z===",
                                        "====", "Zg==Zg==", "Zm-v", "Zm_v", "Zm=v",   "Z\200==", "Zm9vZg=A"};
    char out[16];
    size_t n = 99;

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_int_equal(base64_decode(view_cstr(wrong[i]), out, sizeof(out), &n), RC_INVALID);
    assert_int_equal(n, 99);
}

static void base64_does_not_pass_the_end_of_its_output(void **state)
{
    char out[4] = "xxx";
    size_t n = 99;

    (void)state;
    assert_int_equal(base64_decode(VIEW("Zm9v"), out, 2, &n), RC_LIMIT);
    assert_string_equal(out, "xxx");
    assert_int_equal(n, 99);
}

/* ---- URIs ---- */

static void uri_encode_spells_as_sigv4_wants(void **state)
{
    struct buf b = BUF(1000);

    (void)state;
    assert_int_equal(uri_encode(VIEW("AZaz09-._~/ +%=&\xe4\xb8\xad"), true, &b), RC_OK);
    assert_true(view_eqs(buf_view(&b), "AZaz09-._~/%20%2B%25%3D%26%E4%B8%AD"));
    buf_clear(&b);
    assert_int_equal(uri_encode(VIEW("a/b"), false, &b), RC_OK);
    assert_true(view_eqs(buf_view(&b), "a%2Fb"));
    buf_free(&b);
}

static void uri_decode_undoes_encode_for_any_bytes(void **state)
{
    struct buf text = BUF(10000), back = BUF(10000);
    uint8_t in[200];

    for (int i = 0; i < ROUNDS; i++) {
        size_t n = rng_below(*state, sizeof(in) + 1);

        rng_fill(*state, in, n);
        buf_clear(&text);
        buf_clear(&back);
        assert_int_equal(uri_encode(view_of(in, n), i % 2, &text), RC_OK);
        assert_int_equal(uri_decode(buf_view(&text), i % 3 == 0, &back), RC_OK);
        assert_true(view_eq(buf_view(&back), view_of(in, n)));
    }
    buf_free(&text);
    buf_free(&back);
}

static void uri_decode_reads_plus_only_when_told(void **state)
{
    struct buf b = BUF(100);

    (void)state;
    assert_int_equal(uri_decode(VIEW("a+b%2bc%2F"), false, &b), RC_OK);
    assert_int_equal(uri_decode(VIEW("|a+b%2bc"), true, &b), RC_OK);
    assert_true(view_eqs(buf_view(&b), "a+b+c/|a b+c"));
    buf_free(&b);
}

static void uri_decode_refuses_broken_escapes_and_keeps_its_output(void **state)
{
    static const char *const wrong[] = {"%", "%4", "a%4", "%4g", "%g4", "%%41", "ok%", "% 1", "%-1"};
    struct buf b = BUF(100);

    (void)state;
    assert_int_equal(buf_puts(&b, "kept"), RC_OK);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_int_equal(uri_decode(view_cstr(wrong[i]), true, &b), RC_INVALID);
    assert_true(view_eqs(buf_view(&b), "kept"));
    buf_free(&b);
}

static void uri_output_stops_at_its_maximum(void **state)
{
    struct buf b = BUF(5);

    (void)state;
    assert_int_equal(uri_encode(VIEW("  "), false, &b), RC_LIMIT);
    assert_int_equal(b.n, 0);
    assert_int_equal(uri_encode(VIEW("ab "), false, &b), RC_OK);
    assert_int_equal(uri_decode(VIEW("%41"), false, &b), RC_LIMIT);
    assert_int_equal(b.n, 5);
    buf_free(&b);
}

/* ---- UTF-8 ---- */

static void utf8_takes_every_length(void **state)
{
    (void)state;
    assert_true(utf8_valid(VIEW("")));
    assert_true(utf8_valid(VIEW("plain ascii, long enough for a word\x7f")));
    assert_true(utf8_valid(VIEW("12345678\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf\xf0\x90\x80\x80\xf4\x8f\xbf\xbf")));
    assert_true(utf8_valid(VIEW("\xed\x9f\xbf\xee\x80\x80")));
    assert_true(utf8_valid(view_of("\0", 1)));
}

static void utf8_refuses_what_is_not_strict(void **state)
{
    static const char *const wrong[] = {
        "\x80",             /* a continuation alone */
        "\xc0\x80",         /* over-long */
        "\xc1\xbf",         /* over-long */
        "\xe0\x9f\xbf",     /* over-long */
        "\xf0\x8f\xbf\xbf", /* over-long */
        "\xed\xa0\x80",     /* surrogate */
        "\xed\xbf\xbf",     /* surrogate */
        "\xf4\x90\x80\x80", /* past U+10FFFF */
        "\xf5\x80\x80\x80", /* no such first byte */
        "\xff",             /* no such byte */
        "\xc2",             /* cut short */
        "\xe4\xb8",         /* cut short */
        "\xf0\x90\x80",     /* cut short */
        "\xe4\x41\x80",     /* a letter inside */
        "seven..\xc2",      /* at a word's end */
        "12345678\x80zz345678",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_false(utf8_valid(view_cstr(wrong[i])));
}

/* ---- checksums ---- */

/* Bit by bit, from the definition: all ones before and after, reflected polynomial. */
static uint64_t crc_bitwise(const struct crc_poly *poly, uint64_t crc, const uint8_t *p, size_t n)
{
    uint64_t ones = poly->width == 64 ? UINT64_MAX : UINT32_MAX;

    crc ^= ones;
    for (size_t i = 0; i < n; i++) {
        crc ^= p[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? poly->poly : 0);
    }
    return crc ^ ones;
}

static uint64_t update32(uint64_t crc, const void *p, size_t n)
{
    return crc32_update((uint32_t)crc, p, n);
}

static uint64_t update32c(uint64_t crc, const void *p, size_t n)
{
    return crc32c_update((uint32_t)crc, p, n);
}

static uint64_t combine32(uint64_t a, uint64_t b, uint64_t len_b)
{
    return crc32_combine((uint32_t)a, (uint32_t)b, len_b);
}

static uint64_t combine32c(uint64_t a, uint64_t b, uint64_t len_b)
{
    return crc32c_combine((uint32_t)a, (uint32_t)b, len_b);
}

static uint64_t nvme_by_table(uint64_t crc, const void *p, size_t n)
{
    return ~crc64nvme_raw_table(~crc, p, n);
}

struct crc_case {
    const char *name;
    const struct crc_poly *poly;
    uint64_t check; /* of "123456789" */
    uint64_t (*update)(uint64_t crc, const void *p, size_t n);
    uint64_t (*combine)(uint64_t a, uint64_t b, uint64_t len_b);
};

static const struct crc_case crcs[] = {
    {"crc32", &crc_poly_32, 0xcbf43926, update32, combine32},
    {"crc32c", &crc_poly_32c, 0xe3069283, update32c, combine32c},
    {"crc64ecma", &crc_poly_64ecma, 0x995dc9bbdf1939fa, crc64ecma_update, crc64ecma_combine},
    {"crc64nvme", &crc_poly_64nvme, 0xae8b14860a799888, crc64nvme_update, crc64nvme_combine},
    {"crc64nvme by table", &crc_poly_64nvme, 0xae8b14860a799888, nvme_by_table, crc64nvme_combine},
};
#define CRCS (sizeof(crcs) / sizeof(crcs[0]))

static void crcs_give_the_published_check_values(void **state)
{
    (void)state;
    for (size_t i = 0; i < CRCS; i++) {
        assert_int_equal(crcs[i].update(0, "123456789", 9), crcs[i].check);
        assert_int_equal(crcs[i].update(0, NULL, 0), 0);
        assert_int_equal(crcs[i].update(crcs[i].check, NULL, 0), crcs[i].check);
    }
}

static void crcs_equal_a_bitwise_one_at_every_length_and_alignment(void **state)
{
    uint8_t data[1200];

    rng_fill(*state, data, sizeof(data));
    for (size_t i = 0; i < CRCS; i++) {
        for (size_t n = 0; n < 1100; n += n < 300 ? 1 : 37) {
            size_t from = rng_below(*state, 64);

            assert_int_equal(crcs[i].update(0, data + from, n), crc_bitwise(crcs[i].poly, 0, data + from, n));
        }
    }
}

static void crcs_chain_over_any_split(void **state)
{
    uint8_t data[DATA_MAX];

    rng_fill(*state, data, sizeof(data));
    for (size_t i = 0; i < CRCS; i++) {
        uint64_t whole = crcs[i].update(0, data, sizeof(data));

        for (int round = 0; round < 50; round++) {
            uint64_t crc = 0;

            for (size_t at = 0; at < sizeof(data);) {
                size_t n = 1 + rng_below(*state, 700);

                n = n < sizeof(data) - at ? n : sizeof(data) - at;
                crc = crcs[i].update(crc, data + at, n);
                at += n;
            }
            assert_int_equal(crc, whole);
        }
    }
}

static void combine_gives_the_crc_of_the_joined_parts(void **state)
{
    uint8_t data[DATA_MAX];

    rng_fill(*state, data, sizeof(data));
    for (size_t i = 0; i < CRCS; i++) {
        for (int round = 0; round < 60; round++) {
            size_t n = rng_below(*state, sizeof(data) + 1), cut = rng_below(*state, n + 1);
            uint64_t a = crcs[i].update(0, data, cut), b = crcs[i].update(0, data + cut, n - cut);

            assert_int_equal(crcs[i].combine(a, b, n - cut), crcs[i].update(0, data, n));
        }
    }
}

/* Lengths that no test could hash: combining must stay associative, and an empty second part must change nothing. */
static void combine_holds_for_lengths_up_to_2_to_the_64(void **state)
{
    for (size_t i = 0; i < CRCS; i++) {
        uint64_t mask = crcs[i].poly->width == 64 ? UINT64_MAX : UINT32_MAX;

        for (int round = 0; round < 20; round++) {
            uint64_t a = rng_next(*state) & mask, b = rng_next(*state) & mask, c = rng_next(*state) & mask;
            uint64_t bn = rng_next(*state) >> 1, cn = rng_next(*state) >> 1;
            uint64_t left = crcs[i].combine(crcs[i].combine(a, b, bn), c, cn);
            uint64_t right = crcs[i].combine(a, crcs[i].combine(b, c, cn), bn + cn);

            assert_int_equal(left, right);
            assert_int_equal(crcs[i].combine(a, 0, 0), a);
        }
    }
}

static void combine_crosses_two_gibibytes_of_zeros(void **state)
{
    static const uint8_t zeros[1 << 16];

    (void)state;
    for (size_t i = 0; i < CRCS; i++) {
        uint64_t crc = crcs[i].update(0, zeros, sizeof(zeros)), len = sizeof(zeros);

        for (; len < 1u << 31; len *= 2)
            crc = crcs[i].combine(crc, crc, len);
        /* The same by powers of x: from all ones, 2^34 zero bits later. */
        uint64_t ones = crcs[i].poly->width == 64 ? UINT64_MAX : UINT32_MAX;
        assert_int_equal(crcs[i].combine(ones, ones, 1u << 31), crc);
    }
}

static void xxh3_is_the_canonical_form(void **state)
{
    uint8_t out[XXH_SIZE], other[XXH_SIZE];

    (void)state;
    xxh128("", 0, 0, out);
    assert_hex(out, sizeof(out), "99aa06d3014798d86001c324468d497f");
    assert_int_equal(xxh64("", 0, 0), 0x2d06800538d394c2);
    xxh128("", 0, 1, other);
    assert_memory_not_equal(out, other, sizeof(out));
}

static void xxh3_depends_on_every_byte_and_on_the_seed(void **state)
{
    uint8_t data[DATA_MAX], whole[XXH_SIZE], other[XXH_SIZE];

    rng_fill(*state, data, sizeof(data));
    xxh128(data, sizeof(data), 42, whole);
    for (int i = 0; i < ROUNDS; i++) {
        size_t at = rng_below(*state, sizeof(data));

        data[at] ^= 1;
        xxh128(data, sizeof(data), 42, other);
        assert_memory_not_equal(whole, other, sizeof(whole));
        data[at] ^= 1;
    }
    xxh128(data, sizeof(data), 42, other);
    assert_memory_equal(whole, other, sizeof(whole));
    xxh128(data, sizeof(data), 43, other);
    assert_memory_not_equal(whole, other, sizeof(whole));
}

/* ---- digests ---- */

static void digests_give_the_published_values(void **state)
{
    static const struct {
        enum digest_kind kind;
        const char *in, *want;
    } cases[] = {
        {DIGEST_MD5, "", "d41d8cd98f00b204e9800998ecf8427e"},
        {DIGEST_MD5, "abc", "900150983cd24fb0d6963f7d28e17f72"},
        {DIGEST_SHA1, "", "da39a3ee5e6b4b0d3255bfef95601890afd80709"},
        {DIGEST_SHA1, "abc", "a9993e364706816aba3e25717850c26c9cd0d89d"},
        {DIGEST_SHA256, "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {DIGEST_SHA256, "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
    };
    uint8_t out[DIGEST_MAX];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        digest_once(cases[i].kind, cases[i].in, strlen(cases[i].in), out);
        assert_int_equal(2 * digest_size(cases[i].kind), strlen(cases[i].want));
        assert_hex(out, digest_size(cases[i].kind), cases[i].want);
    }
}

static void a_digest_in_pieces_equals_one_at_once(void **state)
{
    uint8_t data[DATA_MAX], whole[DIGEST_MAX], pieces[DIGEST_MAX];

    rng_fill(*state, data, sizeof(data));
    for (int kind = DIGEST_MD5; kind <= DIGEST_SHA256; kind++) {
        struct digest *d = digest_new((enum digest_kind)kind);
        size_t size = digest_size((enum digest_kind)kind);

        assert_non_null(d);
        /* The second round proves that final starts again. */
        for (int round = 0; round < 20; round++) {
            size_t n = rng_below(*state, sizeof(data) + 1), cut = rng_below(*state, n + 1);

            digest_once((enum digest_kind)kind, data, n, whole);
            digest_update(d, data, cut);
            digest_update(d, data + cut, n - cut);
            digest_final(d, pieces);
            assert_memory_equal(whole, pieces, size);
            digest_once2((enum digest_kind)kind, data, cut, data + cut, n - cut, pieces);
            assert_memory_equal(whole, pieces, size);
        }
        digest_free(d);
    }
    digest_free(NULL);
}

static void *hash_in_a_thread(void *ctx)
{
    uint8_t *out = ctx;

    for (int i = 0; i < 2000; i++)
        digest_once(DIGEST_SHA256, "abc", 3, out);
    return NULL;
}

static void threads_hash_without_disturbing_each_other(void **state)
{
    pthread_t threads[4];
    uint8_t out[4][DIGEST_MAX], want[DIGEST_MAX];

    (void)state;
    digest_once(DIGEST_SHA256, "abc", 3, want);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, hash_in_a_thread, out[i]), 0);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_memory_equal(out[i], want, sizeof(want));
    }
}

static void hmac_matches_rfc_4231(void **state)
{
    uint8_t out[32], key[131];

    (void)state;
    memset(key, 0x0b, 20);
    hmac_sha256(key, 20, "Hi There", 8, out);
    assert_hex(out, 32, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    hmac_sha256("Jefe", 4, "what do ya want for nothing?", 28, out);
    assert_hex(out, 32, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    memset(key, 0xaa, sizeof(key));
    hmac_sha256(key, sizeof(key), "Test Using Larger Than Block-Size Key - Hash Key First", 54, out);
    assert_hex(out, 32, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    hmac_sha256(NULL, 0, NULL, 0, out);
    assert_hex(out, 32, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

static void hmac_sha1_matches_rfc_2202(void **state)
{
    uint8_t out[20], key[80];

    (void)state;
    memset(key, 0x0b, 20);
    hmac_sha1(key, 20, "Hi There", 8, out);
    assert_hex(out, 20, "b617318655057264e28bc0b6fb378c8ef146be00");
    hmac_sha1("Jefe", 4, "what do ya want for nothing?", 28, out);
    assert_hex(out, 20, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
    memset(key, 0xaa, sizeof(key));
    hmac_sha1(key, sizeof(key), "Test Using Larger Than Block-Size Key - Hash Key First", 54, out);
    assert_hex(out, 20, "aa4ae5e15272d00e95705637ce8a3b55ed402112");
}

static void an_hmac_may_replace_its_own_key(void **state)
{
    uint8_t key[32] = {1, 2, 3}, copy[32] = {1, 2, 3}, want[32];

    (void)state;
    hmac_sha256(copy, 32, "20261121", 8, want);
    hmac_sha256(key, 32, "20261121", 8, key);
    assert_memory_equal(key, want, 32);
}

static void constant_time_comparison_tells_equal_from_different(void **state)
{
    (void)state;
    assert_true(bytes_equal_ct(NULL, NULL, 0));
    assert_true(bytes_equal_ct("abc", "abc", 3));
    assert_false(bytes_equal_ct("abc", "abd", 3));
    assert_false(bytes_equal_ct("abc", "bbc", 3));
}

/* ---- tagged fields ---- */

static void fields_come_back_as_they_were_put(void **state)
{
    static const uint64_t numbers[] = {0, 1, 127, 128, 16383, 16384, UINT32_MAX, INT64_MAX, UINT64_MAX};
    struct buf b = BUF(10000);
    struct view value;
    uint32_t tag;

    (void)state;
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        assert_int_equal(tlv_put_u64(&b, 1 + (uint32_t)i, numbers[i]), RC_OK);
        assert_int_equal(tlv_put_i64(&b, UINT32_MAX, (int64_t)numbers[i]), RC_OK);
        assert_int_equal(tlv_put_i64(&b, UINT32_MAX, (int64_t)~numbers[i]), RC_OK);
    }
    assert_int_equal(tlv_put(&b, 300, VIEW("")), RC_OK);
    struct tlv t = {buf_view(&b)};
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        uint64_t u;
        int64_t s;

        assert_int_equal(tlv_next(&t, &tag, &value), RC_OK);
        assert_int_equal(tag, 1 + i);
        assert_int_equal(tlv_u64(value, &u), RC_OK);
        assert_true(u == numbers[i]);
        assert_int_equal(tlv_next(&t, &tag, &value), RC_OK);
        assert_true(tag == UINT32_MAX);
        assert_int_equal(tlv_i64(value, &s), RC_OK);
        assert_true(s == (int64_t)numbers[i]);
        assert_int_equal(tlv_next(&t, &tag, &value), RC_OK);
        assert_int_equal(tlv_i64(value, &s), RC_OK);
        assert_true(s == (int64_t)~numbers[i]);
    }
    assert_int_equal(tlv_next(&t, &tag, &value), RC_OK);
    assert_int_equal(tag, 300);
    assert_int_equal(value.n, 0);
    assert_int_equal(tlv_next(&t, &tag, &value), RC_END);
    buf_free(&b);
}

static void signed_numbers_of_small_size_stay_small(void **state)
{
    struct buf b = BUF(100);

    (void)state;
    assert_int_equal(tlv_put_i64(&b, 1, -1), RC_OK);
    assert_true(view_eq(buf_view(&b), view_of("\x01\x01\x01", 3)));
    buf_free(&b);
}

static void a_field_cut_short_is_corrupt_at_every_byte(void **state)
{
    struct buf b = BUF(1000);

    (void)state;
    assert_int_equal(tlv_put(&b, 1000, VIEW("some value of a field")), RC_OK);
    for (size_t n = 1; n < b.n; n++) {
        struct tlv t = {view_sub(buf_view(&b), 0, n)};
        struct view value = VIEW("untouched");
        uint32_t tag = 7;

        assert_int_equal(tlv_next(&t, &tag, &value), RC_CORRUPT);
        assert_int_equal(tag, 7);
        assert_true(view_eqs(value, "untouched"));
        assert_int_equal(t.rest.n, n);
    }
    buf_free(&b);
}

static void bad_varints_are_corrupt(void **state)
{
    static const struct {
        const char *p;
        size_t n;
    } wrong[] = {
        {"", 0},                                              /* none */
        {"\x80", 1},                                          /* cut short */
        {"\x80\x00", 2},                                      /* a second spelling of 0 */
        {"\xff\x00", 2},                                      /* a second spelling of 127 */
        {"\x01\x01", 2},                                      /* more than one */
        {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 10},     /* past 64 bits */
        {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x81\x00", 11}, /* past 64 bits */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        uint64_t u = 7;
        int64_t s = 7;

        assert_int_equal(tlv_u64(view_of(wrong[i].p, wrong[i].n), &u), RC_CORRUPT);
        assert_int_equal(tlv_i64(view_of(wrong[i].p, wrong[i].n), &s), RC_CORRUPT);
        assert_int_equal(u, 7);
        assert_int_equal(s, 7);
    }
}

static void bad_tags_and_lengths_are_corrupt(void **state)
{
    static const struct {
        const char *p;
        size_t n;
    } wrong[] = {
        {"\x00\x00", 2},                                      /* tag 0 */
        {"\x80\x80\x80\x80\x10\x00", 6},                      /* tag of 33 bits */
        {"\x01\x02\x41", 3},                                  /* longer than what there is */
        {"\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11}, /* longer than memory */
        {"\x01", 1},                                          /* no length */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct tlv t = {view_of(wrong[i].p, wrong[i].n)};
        struct view value;
        uint32_t tag;

        assert_int_equal(tlv_next(&t, &tag, &value), RC_CORRUPT);
    }
}

static void a_put_past_the_maximum_leaves_the_buffer_alone(void **state)
{
    struct buf b = BUF(6);

    (void)state;
    assert_int_equal(tlv_put(&b, 1, VIEW("ab")), RC_OK);
    assert_int_equal(tlv_put(&b, 1, VIEW("c")), RC_LIMIT);
    assert_int_equal(tlv_put(&b, 1, view_of("", SIZE_MAX)), RC_LIMIT);
    assert_true(view_eqs(buf_view(&b), "\x01\x02"
                                       "ab"));
    assert_int_equal(tlv_put(&b, 1, VIEW("")), RC_OK);
    buf_free(&b);
}

static void fixed_width_numbers_lie_in_the_order_they_say(void **state)
{
    uint8_t p[9] = {0};

    (void)state;
    be64_put(p + 1, 0x0102030405060708u);
    assert_memory_equal(p + 1, "\1\2\3\4\5\6\7\10", 8);
    assert_true(be64_get(p + 1) == 0x0102030405060708u);
    le64_put(p + 1, 0x0102030405060708u);
    assert_memory_equal(p + 1, "\10\7\6\5\4\3\2\1", 8);
    assert_true(le64_get(p + 1) == 0x0102030405060708u);
    le32_put(p + 1, 0xfffefdfcu);
    assert_memory_equal(p + 1, "\xfc\xfd\xfe\xff", 4);
    assert_true(le32_get(p + 1) == 0xfffefdfcu);
    le16_put(p + 1, 0xfffe);
    assert_memory_equal(p + 1, "\xfe\xff", 2);
    assert_int_equal(le16_get(p + 1), 0xfffe);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hex_survives_a_round_trip),
        cmocka_unit_test(hex_takes_either_case_and_nothing_else),
        cmocka_unit_test(base64_matches_rfc_4648),
        cmocka_unit_test(base64_survives_a_round_trip),
        cmocka_unit_test(base64_has_one_spelling_per_value),
        cmocka_unit_test(base64_does_not_pass_the_end_of_its_output),
        cmocka_unit_test(uri_encode_spells_as_sigv4_wants),
        cmocka_unit_test(uri_decode_undoes_encode_for_any_bytes),
        cmocka_unit_test(uri_decode_reads_plus_only_when_told),
        cmocka_unit_test(uri_decode_refuses_broken_escapes_and_keeps_its_output),
        cmocka_unit_test(uri_output_stops_at_its_maximum),
        cmocka_unit_test(utf8_takes_every_length),
        cmocka_unit_test(utf8_refuses_what_is_not_strict),
        cmocka_unit_test(crcs_give_the_published_check_values),
        cmocka_unit_test(crcs_equal_a_bitwise_one_at_every_length_and_alignment),
        cmocka_unit_test(crcs_chain_over_any_split),
        cmocka_unit_test(combine_gives_the_crc_of_the_joined_parts),
        cmocka_unit_test(combine_holds_for_lengths_up_to_2_to_the_64),
        cmocka_unit_test(combine_crosses_two_gibibytes_of_zeros),
        cmocka_unit_test(xxh3_is_the_canonical_form),
        cmocka_unit_test(xxh3_depends_on_every_byte_and_on_the_seed),
        cmocka_unit_test(digests_give_the_published_values),
        cmocka_unit_test(a_digest_in_pieces_equals_one_at_once),
        cmocka_unit_test(threads_hash_without_disturbing_each_other),
        cmocka_unit_test(hmac_matches_rfc_4231),
        cmocka_unit_test(hmac_sha1_matches_rfc_2202),
        cmocka_unit_test(an_hmac_may_replace_its_own_key),
        cmocka_unit_test(constant_time_comparison_tells_equal_from_different),
        cmocka_unit_test(fields_come_back_as_they_were_put),
        cmocka_unit_test(signed_numbers_of_small_size_stay_small),
        cmocka_unit_test(a_field_cut_short_is_corrupt_at_every_byte),
        cmocka_unit_test(bad_varints_are_corrupt),
        cmocka_unit_test(bad_tags_and_lengths_are_corrupt),
        cmocka_unit_test(a_put_past_the_maximum_leaves_the_buffer_alone),
        cmocka_unit_test(fixed_width_numbers_lie_in_the_order_they_say),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
