/* Latencies in a histogram of logarithmic steps. */
#include "load.h"

#include <time.h>

int64_t load_now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

/* Values below 64 have a bucket each; above, the six bits behind the highest one choose the step. */
static unsigned bucket_of(uint64_t ns)
{
    if (ns < (1u << STATS_SUB_BITS))
        return (unsigned)ns;
    unsigned shift = 63u - (unsigned)__builtin_clzll(ns) - STATS_SUB_BITS;
    return ((shift + 1) << STATS_SUB_BITS) + (unsigned)((ns >> shift) & ((1u << STATS_SUB_BITS) - 1));
}

static int64_t upper_bound(unsigned bucket)
{
    if (bucket < (1u << STATS_SUB_BITS))
        return bucket;
    unsigned shift = (bucket >> STATS_SUB_BITS) - 1;
    uint64_t step = bucket & ((1u << STATS_SUB_BITS) - 1);
    return (int64_t)((((1u << STATS_SUB_BITS) + step + 1) << shift) - 1);
}

void load_stats_add(struct load_stats *s, int64_t latency_ns, int64_t now_ns)
{
    s->bucket[bucket_of((uint64_t)latency_ns)]++;
    s->n++;
    if (latency_ns > s->max_ns)
        s->max_ns = latency_ns;
    if (s->last_done_ns && now_ns - s->last_done_ns > s->longest_gap_ns)
        s->longest_gap_ns = now_ns - s->last_done_ns;
    s->last_done_ns = now_ns;
}

int64_t load_stats_percentile(const struct load_stats *s, double share)
{
    uint64_t seen = 0, wanted = (uint64_t)(share * (double)s->n);

    for (unsigned i = 0; i < STATS_BUCKETS; i++) {
        seen += s->bucket[i];
        if (seen > wanted)
            return upper_bound(i) < s->max_ns ? upper_bound(i) : s->max_ns;
    }
    return s->max_ns;
}
