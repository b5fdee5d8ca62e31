/* Holdfast: the kernel's clocks. */
#include "os/os_priv.h"

#include <time.h>

static int64_t read_clock(clockid_t id)
{
    struct timespec t;
    if (clock_gettime(id, &t) != 0)
        HF_BUG("a clock that every Linux has cannot be read");
    return (int64_t)t.tv_sec * NS_PER_S + t.tv_nsec;
}

static int64_t kernel_real_ns(void *ctx)
{
    (void)ctx;
    return read_clock(CLOCK_REALTIME);
}

static int64_t kernel_mono_ns(void *ctx)
{
    (void)ctx;
    return read_clock(CLOCK_MONOTONIC);
}

const struct clock os_kernel_clock = {kernel_real_ns, kernel_mono_ns, NULL};

const struct clock *os_clock(void)
{
    return &os_kernel_clock;
}
