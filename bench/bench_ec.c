/* Holdfast bench: Reed–Solomon 4+2 on one core, beside memcpy of the same bytes of data, in turn; medians.
 *
 * GB/s of data: four shards' bytes over the processor time of the thread, whether parity is made of them, compared with
 * them, or one of the four is made from what is left. Stripes of 4 x 128 KiB. "in cache": one again and again, as when
 * its bytes have just been read or checked; "from memory": in turn over 64 MiB. */
#include <stdio.h>
#include <time.h>

#include "codec/ec.h"

#define DATA 4u
#define PARITY 2u
#define SHARDS (DATA + PARITY)
#define SHARD_BYTES ((size_t)128 << 10)
#define STRIPES 128u
#define ROUNDS 11
#define LOST 1u
#define ALIGN 4096u /* as buffers for disks are */

struct bench {
    struct ec *ec;
    unsigned stripes; /* different ones */
    uint8_t *memory, *copy, *scratch;
};
typedef void work_fn(struct bench *b, uint8_t *const shard[SHARDS], unsigned stripe);

static void must(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "bench_ec: %s\n", what);
    exit(1);
}

static double cpu_s(void)
{
    struct timespec t;
    must(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t) == 0, "no clock of the thread's processor time");
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void encode(struct bench *b, uint8_t *const shard[SHARDS], unsigned stripe)
{
    (void)stripe;
    ec_encode(b->ec, SHARD_BYTES, shard);
}

static void rebuild(struct bench *b, uint8_t *const shard[SHARDS], unsigned stripe)
{
    (void)stripe;
    must(ec_rebuild(b->ec, SHARD_BYTES, shard, 1u << LOST, 1u << LOST) == RC_OK, "rebuild");
}

static void verify(struct bench *b, uint8_t *const shard[SHARDS], unsigned stripe)
{
    (void)stripe;
    must(ec_verify(b->ec, SHARD_BYTES, shard, b->scratch), "the parity does not fit");
}

static void copy(struct bench *b, uint8_t *const shard[SHARDS], unsigned stripe)
{
    for (unsigned i = 0; i < DATA; i++)
        memcpy(b->copy + ((size_t)stripe * DATA + i) * SHARD_BYTES, shard[i], SHARD_BYTES);
}

static double time_of(struct bench *b, work_fn *work)
{
    double from = cpu_s();
    for (unsigned n = 0; n < STRIPES; n++) {
        uint8_t *shard[SHARDS];
        unsigned stripe = n % b->stripes;
        for (unsigned i = 0; i < SHARDS; i++)
            shard[i] = b->memory + ((size_t)stripe * SHARDS + i) * SHARD_BYTES;
        work(b, shard, stripe);
    }
    return cpu_s() - from;
}

static int by_time(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void row(struct bench *b, const char *what, work_fn *work)
{
    double ours[ROUNDS], plain[ROUNDS], bytes = (double)SHARD_BYTES * DATA * STRIPES;

    for (unsigned i = 0; i < ROUNDS; i++) {
        plain[i] = time_of(b, copy);
        ours[i] = time_of(b, work);
    }
    qsort(ours, ROUNDS, sizeof(ours[0]), by_time);
    qsort(plain, ROUNDS, sizeof(plain[0]), by_time);
    double o = ours[ROUNDS / 2], p = plain[ROUNDS / 2];
    printf("%-32s %6.1f GB/s of data per core   yardstick %6.1f GB/s memcpy   ratio %.2f\n", what, bytes / o / 1e9,
           bytes / p / 1e9, p / o);
    fflush(stdout);
}

/* All pages are touched before the first clock. */
static void begin(struct bench *b)
{
    size_t bytes = SHARD_BYTES * STRIPES;
    b->memory = aligned_alloc(ALIGN, bytes * SHARDS);
    b->copy = aligned_alloc(ALIGN, bytes * DATA);
    b->scratch = aligned_alloc(ALIGN, SHARD_BYTES * PARITY);
    must(b->memory && b->copy && b->scratch, "out of memory");
    must(ec_new(DATA, PARITY, &b->ec) == RC_OK, "no code");
    for (size_t i = 0; i < bytes * SHARDS; i++)
        b->memory[i] = (uint8_t)(i * 0x9e3779b97f4a7c15u >> 56);
    memset(b->copy, 1, bytes * DATA);
    memset(b->scratch, 1, SHARD_BYTES * PARITY);
}

int main(void)
{
    struct bench b = {.stripes = 1};

    begin(&b);
    row(&b, "encode 4+2, in cache", encode);
    row(&b, "rebuild one of 4+2, in cache", rebuild);
    b.stripes = STRIPES;
    row(&b, "encode 4+2, from memory", encode);
    row(&b, "rebuild one of 4+2, from memory", rebuild);
    row(&b, "verify 4+2, from memory", verify);
    ec_free(b.ec);
    free(b.memory);
    free(b.copy);
    free(b.scratch);
    return 0;
}
