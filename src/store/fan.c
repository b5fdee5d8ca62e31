/* Holdfast store: the same work on several disks at once. */
#include "store/store_priv.h"

struct fan {
    pthread_mutex_t lock;
    pthread_cond_t done;
    unsigned pending;
    fan_fn *fn;
    void *ctx;
};

struct fan_job {
    struct os_job job; /* first: the pool gives it back */
    struct fan *fan;
    unsigned slot;
};

static void fan_run(struct os_job *job)
{
    struct fan_job *mine = (struct fan_job *)(void *)job;
    struct fan *fan = mine->fan;
    fan->fn(fan->ctx, mine->slot);
    pthread_mutex_lock(&fan->lock);
    if (--fan->pending == 0)
        pthread_cond_signal(&fan->done);
    pthread_mutex_unlock(&fan->lock);
}

static void run_here(uint32_t slots, fan_fn *fn, void *ctx)
{
    for (unsigned i = 0; i < DISKS_MAX; i++)
        if (slots & SLOT_BIT(i))
            fn(ctx, i);
}

void fan_out(struct os_pool *pool, uint32_t slots, fan_fn *fn, void *ctx)
{
    if (!pool || (slots & (slots - 1)) == 0) {
        run_here(slots, fn, ctx);
        return;
    }
    struct fan fan = {.fn = fn, .ctx = ctx};
    struct fan_job job[DISKS_MAX];
    pthread_mutex_init(&fan.lock, NULL);
    pthread_cond_init(&fan.done, NULL);
    uint32_t mine = slots & (~slots + 1); /* the lowest */
    fan.pending = (unsigned)__builtin_popcount(slots & ~mine);
    for (unsigned i = 0; i < DISKS_MAX; i++) {
        if (!(slots & ~mine & SLOT_BIT(i)))
            continue;
        job[i] = (struct fan_job){.job = {.run = fan_run}, .fan = &fan, .slot = i};
        os_pool_submit(pool, &job[i].job);
    }
    run_here(mine, fn, ctx);
    pthread_mutex_lock(&fan.lock);
    while (fan.pending > 0)
        pthread_cond_wait(&fan.done, &fan.lock);
    pthread_mutex_unlock(&fan.lock);
    pthread_cond_destroy(&fan.done);
    pthread_mutex_destroy(&fan.lock);
}
