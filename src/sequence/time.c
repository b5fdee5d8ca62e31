/* Business time: the wall clock held to the monotonic one, or a virtual clock that moves only when told. */
#include "sequence/seq_priv.h"

#include "base/log.h"

/* The instant of the first tick after ns. */
int64_t seq_time_tick_after(int64_t ns)
{
    return (ns / TICK_NS + 1) * TICK_NS;
}

void seq_time_init(struct seq *s)
{
    int64_t last = journal_last_time(s->journal), real = clock_real_ns(s->os->clock);
    bool fresh = journal_durable(s->journal) == 0 || s->disks->fresh;

    /* A virtual clock starts at wall time, on a whole second, and afterwards stands where the journal left it. */
    s->virtual_ns = fresh ? real / NS_PER_S * NS_PER_S : last;
    if (s->virtual_ns < last)
        s->virtual_ns = last;
    s->base_business_ns = real > last ? real : last;
    s->base_mono_ns = clock_mono_ns(s->os->clock);
    s->last_given_ns = s->base_business_ns;
    if (fresh || last == 0)
        s->next_tick_ns = seq_time_tick_after(s->cfg.virtual_clock ? s->virtual_ns : s->base_business_ns);
    else
        s->next_tick_ns = seq_time_tick_after(last);
}

static int64_t real_business(struct seq *s)
{
    int64_t real = clock_real_ns(s->os->clock);
    int64_t steady = s->base_business_ns + (clock_mono_ns(s->os->clock) - s->base_mono_ns);
    int64_t apart = real - steady;
    int64_t now = real;

    if (apart > CLOCK_JUMP_MAX_NS || apart < -CLOCK_JUMP_MAX_NS) {
        if (!s->jumped)
            log_warn(
                "sequence",
                "the wall clock is %lld s away from the monotonic clock; business time goes on without it. Correct "
                "the system clock, or restart to accept it",
                (long long)(apart / NS_PER_S));
        s->jumped = true;
        now = steady;
    } else {
        s->jumped = false;
    }
    if (now < s->last_given_ns)
        now = s->last_given_ns;
    s->last_given_ns = now;
    return now;
}

int64_t seq_now(struct seq *s)
{
    pthread_mutex_lock(&s->time_lock);
    int64_t now = s->cfg.virtual_clock ? s->virtual_ns : real_business(s);
    pthread_mutex_unlock(&s->time_lock);
    return now;
}

void seq_time_set_virtual(struct seq *s, int64_t ns)
{
    pthread_mutex_lock(&s->time_lock);
    HF_ASSERT(ns >= s->virtual_ns);
    s->virtual_ns = ns;
    pthread_mutex_unlock(&s->time_lock);
}
