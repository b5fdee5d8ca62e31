/* Holdfast: an account's clock from its state: what burns, what covers it, what is due. */
#ifndef HF_METER_FORECAST_H
#define HF_METER_FORECAST_H

#include "meter/clock.h"
#include "meter/meter_priv.h"

struct forecast {
    bool unknown; /* an account at a cloud whose balance is not known: nothing below is */
    int64_t balance_nano, unsettled_nano, available_nano, vouchers_nano;
    struct clock_answer clock;
};
/* RC_LIMIT, RC_NOMEM. */
enum rc forecast_make(struct meter *m, struct meter_account *a, int64_t now_ns, struct forecast *ret,
                      struct err *e) HF_MUST_USE;
/* Hours, null when they cannot come; an amount, "unknown" when it is not known. */
json_t *forecast_hours_json(const struct forecast *f, __int128 in_ns);
json_t *forecast_money_json(const struct forecast *f, int64_t nano);

#endif
