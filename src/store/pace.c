/* Holdfast store: how fast a scrub goes. */
#include "store/store_priv.h"

#include <time.h>

#define WAIT_SLICE_NS 100000000LL /* a stop is noticed so soon */

void scrub_work_init(struct scrub_work *k, struct store *s, const struct scrub_pace *pace)
{
    pthread_condattr_t attr;
    *k = (struct scrub_work){.s = s, .pace = pace, .share = 1, .began_ns = clock_mono_ns(s->os->clock)};
    pthread_mutex_init(&k->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&k->never, &attr);
    pthread_condattr_destroy(&attr);
}

void scrub_work_done(struct scrub_work *k)
{
    pthread_cond_destroy(&k->never);
    pthread_mutex_destroy(&k->lock);
}

static bool stop_locked(struct scrub_work *k)
{
    if (!k->stopped && k->pace && k->pace->stop)
        k->stopped = k->pace->stop(k->pace->ctx);
    return k->stopped;
}

/* Other threads may take the lock meanwhile. */
static void wait_locked(struct scrub_work *k, int64_t ns)
{
    int64_t until = clock_mono_ns(os_clock()) + ns;
    struct timespec at = {.tv_sec = until / NS_PER_S, .tv_nsec = until % NS_PER_S};
    while (pthread_cond_timedwait(&k->never, &k->lock, &at) == 0)
        ; /* nobody signals it; a spurious wake-up waits on */
}

enum rc scrub_tick(struct scrub_work *k, uint64_t bytes)
{
    pthread_mutex_lock(&k->lock);
    k->done_bytes += bytes;
    if (k->done_bytes > k->total_bytes)
        k->total_bytes = k->done_bytes;
    if (k->pace && k->pace->progress)
        k->pace->progress(k->pace->ctx, k->done_bytes, k->total_bytes);
    bool stop = stop_locked(k);
    if (k->pace && k->pace->bytes_per_s > 0) {
        int64_t left = (int64_t)(bytes * k->share * NS_PER_S / k->pace->bytes_per_s); /* a run is small */
        for (; left > 0 && !stop; left -= WAIT_SLICE_NS) {
            wait_locked(k, left < WAIT_SLICE_NS ? left : WAIT_SLICE_NS);
            stop = stop_locked(k);
        }
    }
    pthread_mutex_unlock(&k->lock);
    return stop ? RC_CANCELLED : RC_OK;
}
