/* Holdfast: the arrears clock of one account: when the money ends, what happens then, what would prevent it.
 *
 * A function of its input alone: no clock, no database, no allocation (the sources' `left` is its working memory).
 * Money is integers; the rates between two events are constant, so the course of the cash is a broken line: what burns
 * is what is metered at list price, less what packs and vouchers cover while they last. Where one runs out or ends, the
 * burn rises: a cliff ahead, not zero burn. Dated charges are steps. Hours are the only non-integers, made last.
 *
 * zero: available (cash + credit - reserved) goes below zero. stop, destroy: the timetable's spans after that; once
 * below zero they count from `below_since`. Accounts at a cloud take the earliest date of destruction that any source
 * gives, own tenants the latest. A grace puts off the stop and what comes behind it to its end at the earliest.
 *
 * to_prevent: the smallest payment, made now, with which available is not below zero at the instant of the stop (or
 * destruction): what is missing by then, rounded up; 0 when it cannot come. Once stopped: what is missing now. To
 * prevent zero itself it is at least 10^-9: less than nothing is missing at that instant. */
#ifndef HF_METER_CLOCK_H
#define HF_METER_CLOCK_H

#include "account/price.h"

#define CLOCK_EVENTS_MAX 64 /* the first; later ones are left out of `event` but not of the sum */
/* Events past it are not told, and monthly charges count as a thirtieth a day from then on. */
#define CLOCK_HORIZON_NS (3650LL * 24 * 3600 * NS_PER_S)

/* What burns: one per cell that costs. A pack covers one cell, a voucher those of its mask. */
struct clock_burn {
    unsigned cell;
    int64_t nano_per_day; /* at list price, packs not considered */
};
struct clock_source { /* working memory */
    __int128 left;    /* nano x nanoseconds of a day */
    int64_t drawn;    /* nano a day */
    bool ended;
};
struct clock_pack {
    unsigned cell;
    int64_t worth_nano; /* what is left of it, at the cell's list price of now; INT64_MAX: lasts until it ends */
    int64_t from_ns;    /* covers nothing before */
    int64_t until_ns;
    uint64_t name; /* seq */
    struct clock_source source;
};
struct clock_voucher {
    uint64_t cells; /* bit per cell */
    int64_t left_nano;
    int64_t from_ns; /* pays nothing before */
    int64_t until_ns;
    uint64_t name;
    struct clock_source source;
};
struct clock_due {
    int64_t at_ns, nano;
    bool monthly; /* again every 30 days, to the safe side of any month but February */
    uint64_t name;
    int64_t next_ns; /* working memory */
};
struct clock_input {
    int64_t now_ns;
    int64_t cash_nano, credit_nano, reserved_nano; /* cash: what is unsettled is already taken off */
    const struct clock_burn *burn;
    size_t n_burn;
    struct clock_pack *pack; /* in the order they are used in */
    size_t n_pack;
    struct clock_voucher *voucher; /* likewise */
    size_t n_voucher;
    struct clock_due *due; /* not before now, unless not settled yet: those count at once */
    size_t n_due;
    const struct timetable *timetable;
    bool earliest; /* an account at a cloud */
    bool below;    /* available is below zero, since below_since_ns */
    int64_t below_since_ns;
    int64_t grace_until_ns; /* 0 = none */
};
enum clock_event_kind {
    CLOCK_PACK_EXPIRES,
    CLOCK_PACK_USED_UP,
    CLOCK_VOUCHER_EXPIRES,
    CLOCK_VOUCHER_USED_UP,
    CLOCK_DUE
};
struct clock_event {
    enum clock_event_kind kind;
    int64_t at_ns;
    uint64_t name;
    int64_t nano;            /* of a due; of a voucher that expires: what is lost */
    int64_t burn_after_nano; /* cash a day, from then on */
};
#define CLOCK_NEVER ((__int128)1 << 126)
struct clock_answer {
    int64_t burn_nano; /* cash a day, now */
    /* 0 = reached, CLOCK_NEVER = cannot come. Wider than an instant: hours have no cap. */
    __int128 zero_in_ns, stop_in_ns, destroy_in_ns;
    int64_t prevent_zero_nano, prevent_stop_nano, prevent_destroy_nano;
    struct clock_event event[CLOCK_EVENTS_MAX]; /* in time order, within the horizon */
    size_t n_events;
};
/* RC_LIMIT when a sum passes the range of money. */
enum rc clock_project(const struct clock_input *in, struct clock_answer *ret) HF_MUST_USE;
double clock_hours(__int128 in_ns);

#endif
