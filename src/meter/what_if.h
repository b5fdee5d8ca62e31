/* Holdfast: what another price book, class or cloud would cost: one side of the comparison, and the moving. */
#ifndef HF_METER_WHAT_IF_H
#define HF_METER_WHAT_IF_H

#include "meter/query.h"

struct what_if_line {
    unsigned cell, rate;
    const struct price_book *book;
    unsigned __int128 quantity;
    int64_t nano;
};
struct what_if_side {
    struct what_if_line *line;
    size_t n, size;
    unsigned __int128 before[PRICE_CELLS]; /* of the month, for the tiers */
};

struct comparison {
    struct meter *m;
    struct meter_account *a;
    const struct what_if *asked;
    int64_t month, now_ns, hour; /* hour: the present one */
    const struct price_book *from, *to;
    const char *from_currency, *to_currency; /* as shown */
    char rate[128];                          /* the last one used; "" = none */
    struct what_if_side left, right;
    json_t *notes;
};

static inline enum storage_class class_there(const struct comparison *c, enum storage_class here)
{
    return c->asked->has_class ? c->asked->class : here;
}
/* The same book: nothing leaves the cloud. */
static inline bool stays(const struct comparison *c)
{
    return strcmp(c->from->id.name, c->to->id.name) == 0;
}
enum rc what_if_note(struct comparison *c, const char *text, struct err *e) HF_MUST_USE;
/* By the dated rates; RC_NOT_FOUND when none is known (e says so). */
enum rc what_if_convert(struct comparison *c, const char *from, const char *to, int64_t nano, int64_t *ret,
                        struct err *e) HF_MUST_USE;

/* ---- what_if_price.c ---- */
/* left: as posted, what packs covered at list price; right: the month's usage by c->to. */
enum rc what_if_price(struct comparison *c, struct err *e) HF_MUST_USE;
/* ---- what_if_moving.c ---- */
enum rc what_if_moving(struct comparison *c, json_t **ret, struct err *e) HF_MUST_USE;

#endif
