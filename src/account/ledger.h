/* Holdfast: the double-entry ledger in the control database, for the reader that writes it (src/meter).
 *
 * A posting is a set of lines on sides; amounts are nano of the account's currency, credit positive, debit negative,
 * and sum to 0 (invariant 5). `prepaid` is what we owe the account in cash, so its sum is the account's balance;
 * `voucher` what is left of its vouchers; `revenue` what the account's usage, packs, charges and fees earned; `cash`
 * what came in or went back; `promotion` what vouchers were given from; `external` what a cloud says it has. A top-up
 * debits cash and credits prepaid; an hour's usage debits prepaid and vouchers and credits revenue, one line per
 * (bucket, cell, rate), and one of amount 0 for what a pack covered.
 *
 * A posting is named by the sequence of the record that caused it, the account and its kind, so the same record read
 * again cannot post twice (RC_CONFLICT). Postings are never changed or deleted. Everything runs in the caller's
 * transaction and thread. Sums over 2^63 are kept as two columns: value = hi * 10^18 + lo.
 *
 * Tables hold numbers, for speed; the view `ledger` shows the same with names, for whoever audits it with sqlite3. */
#ifndef HF_ACCOUNT_LEDGER_H
#define HF_ACCOUNT_LEDGER_H

#include "account/price.h"
#include "codec/codec.h"

/* Makes the ledger's tables: one migration. */
extern const char ledger_schema[];
/* Fills the tables of names. To be called once the migrations ran. */
enum rc ledger_names(struct sql *s, struct err *e) HF_MUST_USE;

/* Numbers in the database: never reuse one. */
enum ledger_side {
    LEDGER_PREPAID,
    LEDGER_REVENUE,
    LEDGER_CASH,
    LEDGER_VOUCHER,
    LEDGER_PROMOTION,
    LEDGER_EXTERNAL,
    LEDGER_SIDES
};
enum ledger_kind {
    LEDGER_TOPUP,
    LEDGER_USAGE,
    LEDGER_VOUCHER_GRANT,
    LEDGER_VOUCHER_END,
    LEDGER_PACK,
    LEDGER_RESERVE, /* kept, never posted; so are RELEASE, DUE, DUE_CANCEL, GRACE, GRACE_CANCEL */
    LEDGER_RELEASE,
    LEDGER_REFUND,
    LEDGER_CHARGE,
    LEDGER_CREDIT,
    LEDGER_LATE_FEE,
    LEDGER_BALANCE,
    LEDGER_DUE,
    LEDGER_DUE_CANCEL,
    LEDGER_GRACE,
    LEDGER_GRACE_CANCEL,
    LEDGER_KINDS
};
/* "topup", "usage", "voucher", "voucher-end", "pack", "reserve", "release", "refund", "charge", "credit", "late-fee",
 * "balance", "due", "due-cancel", "grace", "grace-cancel". */
const char *ledger_kind_name(enum ledger_kind k);

struct ledger_line {
    enum ledger_side side;
    int64_t amount_nano;
    uint64_t ref; /* seq of the voucher, or of the pack that covered it; 0 = none */
    /* what was metered where; bucket 0 = requests that name no bucket */
    bool metered;
    uint64_t bucket;
    unsigned cell, rate; /* rate: as in price_part, of the posting's book; 0 of what a pack covered */
    unsigned __int128 quantity;
};
#define LEDGER_LINES_MAX (1u << 24) /* of one posting */
struct ledger_posting {
    uint64_t seq, account;
    enum ledger_kind kind;
    int64_t time_ns;
    int64_t hour;  /* LEDGER_USAGE: hours since 1970 */
    uint64_t book; /* book_id.id of the price book in force; 0 = none mattered */
    const struct ledger_line *line;
    size_t n;
};
/* A posting that does not balance is a bug of ours and stops the process. */
enum rc ledger_post(struct sql *s, const struct ledger_posting *p, struct err *e) HF_MUST_USE;

/* A record that moved money or promised to. */
struct ledger_money {
    uint64_t seq, account;
    enum ledger_kind kind;
    int64_t time_ns, amount_nano;
    struct view ref;   /* its own key; empty = none */
    struct view names; /* the ref of another: of a release, of the cancelling of a due */
    struct view note, scope, quantity;
    int64_t from_ns, until_ns;
    bool monthly;
    bool refused; /* its content could not take effect: kept, not posted */
};
/* Keeps the record. RC_EXISTS: this account has had this ref: nothing was done. */
enum rc ledger_money_keep(struct sql *s, const struct ledger_money *m, struct err *e) HF_MUST_USE;
/* Views given to fn are borrowed while it runs. */
typedef enum rc ledger_money_fn(void *ctx, const struct ledger_money *m);
/* Records of the account with time in [from_ns, to_ns), in order, refused ones left out. */
enum rc ledger_money_each(struct sql *s, uint64_t account, int64_t from_ns, int64_t to_ns, ledger_money_fn *fn,
                          void *ctx, struct err *e) HF_MUST_USE;
/* The record that has this ref, refused or not; RC_NOT_FOUND. */
enum rc ledger_money_find(struct sql *s, uint64_t account, struct view ref, ledger_money_fn *fn, void *ctx,
                          struct err *e) HF_MUST_USE;

/* A side's sum from the lines themselves, to check what is kept beside the account. */
enum rc ledger_sum(struct sql *s, uint64_t account, enum ledger_side side, int64_t *ret_nano,
                   struct err *e) HF_MUST_USE;
enum rc ledger_balance(struct sql *s, uint64_t account, int64_t *ret_nano, struct err *e) HF_MUST_USE;
/* Feeds every posting, line and money record in their order. */
enum rc ledger_digest(struct sql *s, struct digest *d, struct err *e) HF_MUST_USE;

/* value = hi * 10^18 + lo; hi and lo fit in int64 for any value below 10^36. */
void ledger_split(unsigned __int128 value, int64_t *ret_hi, int64_t *ret_lo);
unsigned __int128 ledger_join(int64_t hi, int64_t lo);

/* Appends numbers and texts to a digest so that no two sequences of calls feed the same bytes. */
void ledger_feed_i64(struct digest *d, int64_t v);
void ledger_feed_view(struct digest *d, struct view v);

#endif
