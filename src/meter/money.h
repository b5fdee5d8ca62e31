/* Holdfast: what the meter's files about money share: meter_money.c, meter_money_db.c, meter_check.c. */
#ifndef HF_METER_MONEY_H
#define HF_METER_MONEY_H

#include "meter/meter_priv.h"

#define PACK_QUANTITY_MAX ((unsigned __int128)1 << 110) /* so that sums and the split into two columns hold */

/* May this record take effect at this time? RC_OK, or why not: RC_INVALID, RC_NOT_FOUND, RC_LIMIT, RC_CONFLICT are
 * refusals, anything else is a failure. The same for apply and for the check before. Refs are not looked at. */
enum rc meter_money_allowed(struct meter *m, struct meter_account *a, const struct account_rec *r, int64_t time_ns,
                            struct err *e) HF_MUST_USE;
enum ledger_kind meter_money_kind(const struct account_rec *r);
/* What is held under this ref; RC_NOT_FOUND. */
enum rc meter_reservation(struct meter *m, const struct meter_account *a, struct view ref, int64_t *ret_nano,
                          struct err *e) HF_MUST_USE;
/* Index in a->due; SIZE_MAX when there is none. */
size_t meter_due_find(const struct meter_account *a, struct view ref);
/* "0.0005": share per day, 0..1, as 10^-9. */
enum rc meter_late_fee_parse(struct view text, int64_t *ret_nano) HF_MUST_USE;
enum rc meter_pack_write(struct meter *m, const struct meter_account *a, const struct meter_pack *p, bool ended,
                         struct err *e) HF_MUST_USE;

#endif
