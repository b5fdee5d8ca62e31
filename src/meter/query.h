/* Holdfast: what the meter's answers share: months, quantities as text, lines of a month. */
#ifndef HF_METER_QUERY_H
#define HF_METER_QUERY_H

#include "meter/meter_priv.h"

#define QUANTITY_TEXT_MAX 64
#define BUCKET_SHOWN_MAX (BUCKET_NAME_MAX + 1)

enum rc query_no_memory(struct err *e);
/* RC_NOT_FOUND with what to do. */
enum rc query_account(const struct meter *m, struct view name, struct meter_account **ret, struct err *e) HF_MUST_USE;
/* Months are numbers like 202611. Empty = the one of now_ns in the account's zone. */
enum rc query_month(const struct meter_account *a, struct view text, int64_t now_ns, int64_t *ret,
                    struct err *e) HF_MUST_USE;
int64_t month_after(int64_t month);
int64_t month_start_ns(int64_t month, int32_t utc_offset_s);
static inline int64_t month_first_hour(int64_t month, int32_t utc_offset_s)
{
    return hour_of(month_start_ns(month, utc_offset_s));
}
#define MONTH_TEXT_MAX 16
const char *month_text(int64_t month, char *buf);
/* quantity / divisor, at most 15 digits behind the point, rounded half-up, no trailing zeros. */
const char *quantity_text(unsigned __int128 quantity, unsigned __int128 divisor, char *buf);
/* "GB-month", "request", "GB", also where the book has no price. cell < PRICE_CELLS. */
const char *cell_unit(const struct price_book *b, unsigned cell);
json_t *money_json(int64_t nano);
json_t *time_json(int64_t ns);
json_t *view_json(struct view v);
/* Takes over value, also when it fails; false: out of memory. */
static inline bool put_json(json_t *object, const char *key, json_t *value)
{
    return json_object_set_new(object, key, value) == 0;
}
static inline bool push_json(json_t *list, json_t *value)
{
    return json_array_append_new(list, value) == 0;
}

/* A line of a month's statement. */
struct month_line {
    char bucket[BUCKET_SHOWN_MAX]; /* "#id" when its name was never said; "" = none */
    uint64_t bucket_id;            /* of one of that name */
    unsigned cell;
    uint64_t book, rate, ref; /* as month_usage has them */
    int64_t order;            /* in time, among the lines of a cell */
    unsigned __int128 quantity;
    int64_t amount_nano;
};
struct month_lines {
    struct month_line *line;
    size_t n, size;
};
/* Closed hours and the open one, merged, in the statement's order. month_lines_free in any case. */
enum rc month_lines_load(struct meter *m, struct meter_account *a, int64_t month, struct month_lines *ret,
                         struct err *e) HF_MUST_USE;
void month_lines_free(struct month_lines *l);
/* A pack covered it: it cost nothing. */
static inline bool line_covered(const struct month_line *l)
{
    return l->cell < PRICE_CELLS && l->ref != 0;
}

#endif
