/* Holdfast: the double-entry ledger in the control database, for the reader that writes it (src/meter).
 *
 * A posting is a set of lines on ledgers; amounts are nano of the account's currency, credit positive, debit negative,
 * and sum to 0 (invariant 5). `prepaid` is what we owe the account, so its sum is the account's balance; `revenue` is
 * what the account's usage earned; `cash` is what came in. A top-up debits cash and credits prepaid; an hour's usage
 * debits prepaid and credits revenue, one line per (bucket, cell), each rounded on its own.
 *
 * A posting is named by the sequence of the record that caused it and the account, so the same record read again cannot
 * post twice (RC_CONFLICT). Postings are never changed or deleted. Everything runs in the caller's transaction and
 * thread. Sums over 2^63 are kept as two columns: value = hi * 10^18 + lo. */
#ifndef HF_ACCOUNT_LEDGER_H
#define HF_ACCOUNT_LEDGER_H

#include "account/price.h"
#include "codec/codec.h"

/* Makes the ledger's tables: one migration. */
extern const char ledger_schema[];

enum ledger_side { LEDGER_PREPAID, LEDGER_REVENUE, LEDGER_CASH };
enum ledger_kind { LEDGER_TOPUP, LEDGER_USAGE };

struct ledger_line {
    enum ledger_side side;
    int64_t amount_nano;
    /* of usage: what was metered where; bucket 0 = requests that name no bucket */
    bool metered;
    uint64_t bucket;
    unsigned cell;
    unsigned __int128 quantity;
};
struct ledger_posting {
    uint64_t seq, account;
    enum ledger_kind kind;
    int64_t time_ns;
    int64_t hour;  /* LEDGER_USAGE: hours since 1970 */
    uint64_t book; /* LEDGER_USAGE: book_id.id of the price book */
    const struct ledger_line *line;
    size_t n;
};
/* A posting that does not balance is a bug of ours and stops the process. */
enum rc ledger_post(struct sql *s, const struct ledger_posting *p, struct err *e) HF_MUST_USE;

/* A posting of an hour's usage, split for the forecast of burn: what did not come from stored bytes. */
struct ledger_hour {
    uint64_t account;
    int64_t hour;
    int64_t variable_nano;
};
/* Calls fn for each usage posting of hours > after, in no order. */
enum rc ledger_hours(struct sql *s, int64_t after, enum rc (*fn)(void *ctx, const struct ledger_hour *h), void *ctx,
                     struct err *e) HF_MUST_USE;

struct ledger_topup {
    uint64_t seq, account;
    int64_t time_ns, amount_nano;
    struct view ref;
    bool refused; /* the balance would have passed the range of money: kept, not posted */
};
/* Keeps the top-up and posts it unless refused. RC_EXISTS: this account has had this ref: nothing was done. */
enum rc ledger_topup(struct sql *s, const struct ledger_topup *t, struct err *e) HF_MUST_USE;
/* Top-ups of the account with time in [from_ns, to_ns), in order, refused ones left out; refs are borrowed during fn.
 */
enum rc ledger_topups(struct sql *s, uint64_t account, int64_t from_ns, int64_t to_ns,
                      enum rc (*fn)(void *ctx, const struct ledger_topup *t), void *ctx, struct err *e) HF_MUST_USE;

/* The balance from the lines themselves, to check what is kept beside the account. */
enum rc ledger_balance(struct sql *s, uint64_t account, int64_t *ret_nano, struct err *e) HF_MUST_USE;
/* Feeds every posting, line and top-up in their order. */
enum rc ledger_digest(struct sql *s, struct digest *d, struct err *e) HF_MUST_USE;

/* value = hi * 10^18 + lo; hi and lo fit in int64 for any value below 10^36. */
void ledger_split(unsigned __int128 value, int64_t *ret_hi, int64_t *ret_lo);
unsigned __int128 ledger_join(int64_t hi, int64_t lo);

/* Appends numbers and texts to a digest so that no two sequences of calls feed the same bytes. */
void ledger_feed_i64(struct digest *d, int64_t v);
void ledger_feed_view(struct digest *d, struct view v);

#endif
