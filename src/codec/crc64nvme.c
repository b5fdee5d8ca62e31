/* Holdfast: CRC-64/NVME, by carry-less multiplication where the processor has it, otherwise by tables.
 *
 * Folding. A 16-byte load X of the reflected stream is the polynomial lo(X) * x^64 + hi(X): bit i of the register is
 * the coefficient of x^(127 - i). To move X over D further bits of the stream, replace it by
 *
 *     lo(X) * (x^(D + 64) mod P) + hi(X) * (x^D mod P)
 *
 * which has 128 bits again and is added to the 16 bytes that lie there. A carry-less product of two reflected 64-bit
 * values comes out one place too high, that is, multiplied by x; hence the constants are those of D - 1. Eight such
 * accumulators run side by side, because the multiplier takes several cycles but starts one each cycle. What remains
 * at the end, 16 bytes congruent to all that was read, and fewer than 16 bytes more, goes through the tables. */
#include "codec/codec.h"

#include <pthread.h>

#include "codec/codec_priv.h"

#define LANES 8 /* 16-byte accumulators side by side */
#define LANE_BYTES 16
#define FOLD_BYTES (LANES * LANE_BYTES)

struct fold {
    uint64_t lo, hi; /* x^(D + 63), x^(D - 1) */
};

/* Written once by tables_make, constant afterwards. */
static struct {
    pthread_once_t once;
    uint64_t slice[8][256]; /* slice[k][b]: byte b followed by k zero bytes */
    struct fold far, near;  /* D = 8 * FOLD_BYTES and D = 8 * LANE_BYTES */
    bool clmul;
} tables = {.once = PTHREAD_ONCE_INIT};

static struct fold fold_over(unsigned bits)
{
    return (struct fold){crc_poly_xpow(&crc_poly_64nvme, bits + 63), crc_poly_xpow(&crc_poly_64nvme, bits - 1)};
}

#ifdef __x86_64__
static bool processor_has_clmul(void)
{
    return __builtin_cpu_supports("pclmul");
}
#else
static bool processor_has_clmul(void)
{
    return false;
}
#endif

static void tables_make(void)
{
    for (unsigned b = 0; b < 256; b++) {
        uint64_t reg = b;

        for (int i = 0; i < 8; i++)
            reg = reg >> 1 ^ (reg & 1 ? crc_poly_64nvme.poly : 0);
        tables.slice[0][b] = reg;
    }
    for (int k = 1; k < 8; k++) {
        for (unsigned b = 0; b < 256; b++) {
            uint64_t before = tables.slice[k - 1][b];

            tables.slice[k][b] = before >> 8 ^ tables.slice[0][before & 255];
        }
    }
    tables.far = fold_over(8 * FOLD_BYTES);
    tables.near = fold_over(8 * LANE_BYTES);
    tables.clmul = processor_has_clmul();
}

static void tables_ready(void)
{
    HF_ASSERT(pthread_once(&tables.once, tables_make) == 0);
}

bool crc64nvme_clmul_usable(void)
{
    tables_ready();
    return tables.clmul;
}

uint64_t crc64nvme_raw_table(uint64_t reg, const uint8_t *p, size_t n)
{
    tables_ready();
    for (; n >= 8; n -= 8, p += 8) {
        uint64_t w = reg ^ le64_get(p);

        reg = 0;
        for (int k = 0; k < 8; k++)
            reg ^= tables.slice[7 - k][w >> (8 * k) & 255];
    }
    for (; n > 0; n--, p++)
        reg = reg >> 8 ^ tables.slice[0][(reg ^ *p) & 255];
    return reg;
}

#ifdef __x86_64__

#include <immintrin.h>

#define CLMUL __attribute__((target("pclmul,sse2")))

CLMUL static inline __m128i load(const uint8_t *p)
{
    return _mm_loadu_si128((const __m128i *)(const void *)p);
}

CLMUL static inline __m128i fold_const(struct fold f)
{
    return _mm_set_epi64x((long long)f.hi, (long long)f.lo);
}

/* x moved over the distance of k, added to next. */
CLMUL static inline __m128i fold(__m128i x, __m128i k, __m128i next)
{
    __m128i lo = _mm_clmulepi64_si128(x, k, 0x00);
    __m128i hi = _mm_clmulepi64_si128(x, k, 0x11);

    return _mm_xor_si128(_mm_xor_si128(lo, hi), next);
}

CLMUL uint64_t crc64nvme_raw_clmul(uint64_t reg, const uint8_t *p, size_t n)
{
    __m128i lane[LANES];
    uint8_t rest[LANE_BYTES];

    if (n < FOLD_BYTES)
        return crc64nvme_raw_table(reg, p, n);
    tables_ready();
    for (int i = 0; i < LANES; i++)
        lane[i] = load(p + i * LANE_BYTES);
    lane[0] = _mm_xor_si128(lane[0], _mm_set_epi64x(0, (long long)reg));
    p += FOLD_BYTES;
    n -= FOLD_BYTES;

    __m128i far = fold_const(tables.far), near = fold_const(tables.near);
    for (; n >= FOLD_BYTES; n -= FOLD_BYTES, p += FOLD_BYTES) {
#pragma GCC unroll 8
        for (int i = 0; i < LANES; i++)
            lane[i] = fold(lane[i], far, load(p + i * LANE_BYTES));
    }
    for (int i = 1; i < LANES; i++)
        lane[i] = fold(lane[i - 1], near, lane[i]);
    __m128i x = lane[LANES - 1];
    for (; n >= LANE_BYTES; n -= LANE_BYTES, p += LANE_BYTES)
        x = fold(x, near, load(p));

    _mm_storeu_si128((__m128i *)(void *)rest, x);
    return crc64nvme_raw_table(crc64nvme_raw_table(0, rest, sizeof(rest)), p, n);
}

#else

uint64_t crc64nvme_raw_clmul(uint64_t reg, const uint8_t *p, size_t n)
{
    return crc64nvme_raw_table(reg, p, n);
}

#endif
