/* Holdfast: what is inside a price book, a timetable and a file of exchange rates, for the room that rates and gates
 * (src/meter).
 *
 * A book is parsed once and never changes; whoever parsed it frees it. Reading it is safe from any thread. Its id is
 * made of the SHA-256 of its text: two texts that differ in a byte are two versions, and each posting cites the one
 * that priced it. A book of one name may exist in several versions with their `valid_from`.
 *
 * What is metered falls into cells: (storage, class), (requests, class, kind), (retrieval, class), (early-delete,
 * class) and the directions of egress. What is metered of a cell is its quantity: bytes x samples for storage and early
 * deletion, requests, bytes. A cell has tiers by the month's quantity of the account (AWS, OSS: graduated), and perhaps
 * a second set of tiers for some hours of the day (OSS: egress at night). A free quota is a first tier with price 0. */
#ifndef HF_ACCOUNT_PRICE_H
#define HF_ACCOUNT_PRICE_H

#include "account/account.h"
#include "base/money.h"

#define BOOK_NAME_MAX 63
#define BOOK_CURRENCY_LEN 3
#define BOOK_WORDS_MAX 255
#define BOOK_TEXT_MAX (256u << 10) /* of the YAML: it must fit in a journal record */
#define SAMPLES_PER_DAY 288        /* ticks; a book's samples_per_day divides it */
#define BOOK_MIN_SIZE_MAX (1u << 20)

#define PRICE_CELLS (CLASS_COUNT * (REQUEST_KINDS + 3) + ITEM_COUNT - ITEM_EGRESS_INTERNET)
/* Beside what books price: lines of statements that postings make. */
enum { CELL_LATE_FEE = PRICE_CELLS, CELL_PACK, CELL_CHARGE, CELL_COUNT };

/* Cells in the order of statements: storage by class, requests by class and kind, retrieval, early deletion, egress. */
static inline unsigned price_request_cell(enum storage_class class, enum request_kind kind)
{
    return CLASS_COUNT + class * REQUEST_KINDS + kind;
}
/* Any item but ITEM_REQUESTS; class counts for storage, retrieval and early deletion. */
static inline unsigned price_cell(enum price_item item, enum storage_class class)
{
    if (item == ITEM_STORAGE)
        return class;
    if (item == ITEM_RETRIEVAL)
        return CLASS_COUNT * (1 + REQUEST_KINDS) + class;
    if (item == ITEM_EARLY_DELETE)
        return CLASS_COUNT * (2 + REQUEST_KINDS) + class;
    return CLASS_COUNT * (3 + REQUEST_KINDS) + (item - ITEM_EGRESS_INTERNET);
}
enum price_item price_cell_item(unsigned cell);     /* cell < PRICE_CELLS */
enum storage_class price_cell_class(unsigned cell); /* STANDARD for egress */
/* "storage.STANDARD", "requests.STANDARD_IA" (kind ALL), "requests.STANDARD.write", ".read", ".delete",
 * "retrieval.ARCHIVE", "early-delete.STANDARD_IA", "egress.internet", "late-fee", "pack", "charge". cell < CELL_COUNT.
 */
const char *price_cell_name(unsigned cell);
bool price_cell_parse(struct view name, unsigned *ret_cell);

struct book_id {
    uint64_t id; /* first 8 bytes of sha256, without the sign bit so that a database can hold it */
    uint8_t sha256[32];
    char name[BOOK_NAME_MAX + 1];
    char *text; /* the YAML; owned */
    size_t text_n;
};

#define PRICE_TIERS_MAX 8
#define PRICE_SCHEDULES_MAX 2
#define PRICE_RATES_MAX (PRICE_TIERS_MAX * PRICE_SCHEDULES_MAX)
struct price_tier {
    uint64_t from;        /* in units of the cell, of the account's month; the first is 0, they ascend */
    struct decimal price; /* of one unit, as statements show it; at most 9 digits behind the point, requests 13 */
};
struct price_schedule { /* hours of the day in the book's time zone; [0] is that of all hours no other has */
    uint8_t from_hour, to_hour;
    struct price_tier tier[PRICE_TIERS_MAX];
    unsigned n_tiers;
};
struct price_rate {
    struct price_schedule schedule[PRICE_SCHEDULES_MAX];
    unsigned n_schedules; /* 0 = free */
    const char *unit;     /* "GB-month", "request", "GB" */
};
enum rounding { ROUND_HALF_UP, ROUND_DOWN, ROUND_UP };
struct price_book {
    struct book_id id;
    int64_t valid_from_ns; /* 0 = always */
    char currency[BOOK_CURRENCY_LEN + 1];
    char time_zone[8];        /* "+08:00" */
    int32_t utc_offset_s;     /* whole hours: an hour of the ledger lies in exactly one month */
    uint64_t bytes_per_gb;    /* 2^30 or 10^9 */
    unsigned days_per_month;  /* of storage prices; 0 = the calendar's */
    unsigned samples_per_day; /* divides SAMPLES_PER_DAY */
    bool failed_4xx_billed, failed_5xx_billed;
    unsigned except_status[16]; /* 4xx that are as free as 5xx, where 4xx are billed */
    unsigned n_except;
    bool kinds_apart[CLASS_COUNT];  /* requests of the class have prices by kind */
    uint64_t min_size[CLASS_COUNT]; /* bytes that a smaller object is charged as; 0 = none; never of STANDARD */
    unsigned min_days[CLASS_COUNT]; /* 0 = none; never of STANDARD */
    /* How an invoice rounds: each line to so many places, then the total. */
    unsigned line_places, total_places;
    enum rounding line_rounding, total_rounding;
    struct price_rate rate[PRICE_CELLS];
};
/* Does a request that was answered so cost? 1xx..3xx always. */
bool price_status_billed(const struct price_book *b, unsigned status);
/* The cell a request of this kind is counted in: kind ALL unless the class has prices by kind. */
unsigned price_cell_of_request(const struct price_book *b, enum storage_class class, enum request_kind kind);
/* Metered quantity that makes one unit, in the month that holds `hour` (since 1970). */
unsigned __int128 price_divisor(const struct price_book *b, unsigned cell, int64_t hour);

/* A line's quantity, cut where the tiers of the month cut it. */
struct price_part {
    unsigned rate; /* schedule * PRICE_TIERS_MAX + tier; what it was can be asked with price_of */
    unsigned __int128 quantity;
    int64_t nano;
};
/* The price of `quantity` in this hour when the account's month had `before` already. The whole amount is
 * round_half_up(sum of part x price / divisor), rounded once; parts get the differences of the rounded running sum, so
 * they add up to it. ret has room for PRICE_TIERS_MAX; *ret_n >= 1 when quantity > 0. RC_LIMIT when it does not fit. */
enum rc price_parts(const struct price_book *b, unsigned cell, int64_t hour, unsigned __int128 before,
                    unsigned __int128 quantity, struct price_part *ret, unsigned *ret_n) HF_MUST_USE;
enum rc price_amount(const struct price_book *b, unsigned cell, int64_t hour, unsigned __int128 before,
                     unsigned __int128 quantity, int64_t *ret_nano) HF_MUST_USE;
struct decimal price_of(const struct price_book *b, unsigned cell, unsigned rate);
/* How a cell rounds an amount for an invoice. */
int64_t price_round(int64_t nano, unsigned places, enum rounding mode);

/* ---- timetables ---- */
enum stage_rule { STAGE_ALL, STAGE_NO_NEW_BUCKETS, STAGE_READ_ONLY, STAGE_NOTHING, STAGE_KEYS_INVALID, STAGE_RULES };
#define STAGE_COUNT (STAGE_PURGEABLE + 1)
#define TIMETABLE_STEPS_MAX 8

struct timetable {
    struct book_id id;
    int64_t stop_ns, destroy_earliest_ns, destroy_latest_ns; /* after the balance went below zero */
    enum stage_rule rule[STAGE_COUNT];
    struct {
        int64_t after_ns; /* after the balance went below zero */
        enum stage_rule rule;
    } step[TIMETABLE_STEPS_MAX]; /* ascending: rules within a stage (AWS: new purchases first) */
    unsigned n_steps;
    char words[BOOK_WORDS_MAX + 1]; /* the cloud's, to a client of a stopped account */
};
/* The strictest of the stage's rule and of the steps reached. STAGE_ALL when since_zero_ns < 0. */
enum stage_rule timetable_rule(const struct timetable *t, int64_t since_zero_ns);

/* ---- exchange rates ---- */
/* amount in `from` at the newest rate dated at or before at_ns, direct or the inverse of one, rounded half-up.
 * RC_NOT_FOUND when there is none. *ret_rate_text: what was used, "1 USD = 7.1 CNY (2026-11-01, source)". */
enum rc rates_convert(const struct rates *r, const char *from, const char *to, int64_t at_ns, int64_t nano,
                      int64_t *ret_nano, char *ret_rate_text, size_t size) HF_MUST_USE;
const struct book_id *rates_id(const struct rates *r);

#endif
