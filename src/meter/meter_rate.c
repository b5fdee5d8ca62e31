/* Holdfast: what things cost: the open hour, the balance, the burn. */
#include "meter/meter_priv.h"

#include <stdlib.h>

/* amount += the cell's price for quantity. */
static enum rc add_rated(const struct price_book *b, unsigned cell, unsigned __int128 quantity, int64_t *amount)
{
    int64_t nano;

    if (quantity == 0)
        return RC_OK;
    HF_TRY(price_rate(b, cell, quantity, &nano));
    return money_add(*amount, nano, amount);
}

/* One row as it would be posted: each cell rounded on its own, the samples since it was last touched included. */
static enum rc add_row(const struct meter *m, const struct meter_row *r, int64_t *amount)
{
    const struct price_book *b = r->account->prices;
    uint64_t n = m->samples - r->sampled;

    for (unsigned cell = 0; cell < PRICE_CELLS; cell++) {
        unsigned __int128 quantity = r->open[cell];
        if (cell < CLASS_COUNT)
            quantity += (unsigned __int128)stored_billed(r->stored[cell]) * n;
        HF_TRY(add_rated(b, cell, quantity, amount));
    }
    return RC_OK;
}

enum rc meter_unsettled(const struct meter *m, const struct meter_account *a, int64_t *ret_nano)
{
    int64_t sum = 0;

    for (size_t i = 0; a->charged && i < a->n_rows; i++)
        HF_TRY(add_row(m, a->row[i], &sum));
    *ret_nano = sum;
    return RC_OK;
}

enum rc meter_balance(const struct meter *m, const struct meter_account *a, int64_t *ret_nano)
{
    int64_t open;

    HF_TRY(meter_unsettled(m, a, &open));
    return money_add(a->balance_nano, -open, ret_nano);
}

enum rc meter_balance_near(const struct meter_account *a, int64_t *ret_nano)
{
    int64_t open = 0;

    for (unsigned cell = 0; a->charged && cell < PRICE_CELLS; cell++)
        HF_TRY(add_rated(a->prices, cell, a->open[cell], &open));
    return money_add(a->balance_nano, -open, ret_nano);
}

/* Rounding moves a line by at most half a nano, so the sum of rounded lines and the rounded sums differ by less than
 * one nano per line and one per cell. Only within that of zero must each row be looked at. */
enum rc meter_below_zero(const struct meter *m, const struct meter_account *a, bool *ret)
{
    int64_t near, exact, slack = (int64_t)(a->n_rows + 1) * PRICE_CELLS;

    HF_TRY(meter_balance_near(a, &near));
    if (near >= slack || near < -slack) {
        *ret = near < 0;
        return RC_OK;
    }
    HF_TRY(meter_balance(m, a, &exact));
    *ret = exact < 0;
    return RC_OK;
}

static enum rc add_recent(const struct meter *m, const struct meter_account *a, int64_t *amount)
{
    for (size_t i = 0; i < RECENT_HOURS; i++) {
        const struct recent_hour *h = &a->recent[i];
        if (h->hour != NO_HOUR && h->hour > m->open_hour - RECENT_HOURS && h->hour < m->open_hour)
            HF_TRY(money_add(*amount, h->variable_nano, amount));
    }
    for (unsigned cell = price_cell(ITEM_REQUESTS, 0); cell < PRICE_CELLS; cell++)
        HF_TRY(add_rated(a->prices, cell, a->open[cell], amount));
    return RC_OK;
}

enum rc meter_burn(const struct meter *m, const struct meter_account *a, int64_t *ret_nano)
{
    int64_t burn = 0;

    if (a->charged) {
        for (unsigned c = 0; c < CLASS_COUNT; c++) {
            unsigned __int128 day = (unsigned __int128)a->stored[c] * SAMPLES_PER_DAY;
            HF_TRY(add_rated(a->prices, price_cell(ITEM_STORAGE, c), day, &burn));
        }
        if (m->open_hour != NO_HOUR)
            HF_TRY(add_recent(m, a, &burn));
    }
    *ret_nano = burn;
    return RC_OK;
}
