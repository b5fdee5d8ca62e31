/* Holdfast: time is passed in (invariant 8).
 *
 * real is the wall clock: for signatures, TLS and people. mono never goes back and is for durations only. Business time
 * (versions, money, stages, holds) is not here: it is the sequencer's, comes from records, and stands still in a drill
 * until it is advanced. All in nanoseconds; real since 1970-01-01T00:00:00Z. The function pointers may be called from
 * any thread. Implementations: os_clock() in os/, the simulated one in os/sim.h, and tests' own. */
#ifndef HF_BASE_CLOCK_H
#define HF_BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/view.h"

#define NS_PER_S 1000000000LL

struct clock {
    int64_t (*real_ns)(void *ctx);
    int64_t (*mono_ns)(void *ctx);
    void *ctx;
};

static inline int64_t clock_real_ns(const struct clock *c)
{
    return c->real_ns(c->ctx);
}
static inline int64_t clock_mono_ns(const struct clock *c)
{
    return c->mono_ns(c->ctx);
}

/* Proleptic Gregorian UTC. */
struct civil {
    int year, month, day, hour, minute, second; /* month 1-12, day 1-31 */
    int weekday;                                /* 0 = Sunday */
};
void civil_from_s(int64_t unix_s, struct civil *ret);
int64_t civil_to_s(const struct civil *c);

#define TIME_TEXT_MAX 40
/* "2026-11-21T00:00:00Z"; with millis "2026-11-21T00:00:00.000Z". buf holds TIME_TEXT_MAX bytes; returns buf. */
const char *time_rfc3339(int64_t ns, bool millis, char *buf);
/* RFC 9110 IMF-fixdate: "Sat, 21 Nov 2026 00:00:00 GMT". */
const char *time_http(int64_t ns, char *buf);
/* "20261121T000000Z", as SigV4 has it. */
const char *time_basic(int64_t ns, char *buf);
enum rc time_parse_rfc3339(struct view v, int64_t *ret_ns) HF_MUST_USE;
/* IMF-fixdate, RFC 850 or asctime. */
enum rc time_parse_http(struct view v, int64_t *ret_ns) HF_MUST_USE;
enum rc time_parse_basic(struct view v, int64_t *ret_ns) HF_MUST_USE;
/* "90s", "25h", "5m", "3d", "1h30m": a positive span. */
enum rc duration_parse(struct view v, int64_t *ret_ns) HF_MUST_USE;

#endif
