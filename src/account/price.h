/* Holdfast: what is inside a price book and a timetable, for the room that rates and gates (src/meter).
 *
 * A book is parsed once and never changes; whoever parsed it frees it (price_book_free, timetable_free). Reading it is
 * safe from any thread. Its id is made of the SHA-256 of its text: two texts that differ in a byte are two versions,
 * and each posting cites the one that priced it.
 *
 * What is metered falls into cells: one for each (storage, class), (requests, class) and direction of egress. Each cell
 * is one line per bucket and hour in the ledger and one line per bucket in a statement. */
#ifndef HF_ACCOUNT_PRICE_H
#define HF_ACCOUNT_PRICE_H

#include "account/account.h"
#include "base/money.h"

#define BOOK_NAME_MAX 63
#define BOOK_CURRENCY_LEN 3
#define BOOK_WORDS_MAX 255
#define BOOK_TEXT_MAX (256u << 10) /* of the YAML: it must fit in a journal record */
#define SAMPLES_PER_DAY 288        /* ticks that sample storage: one each 5 minutes */

#define PRICE_CELLS (2 * CLASS_COUNT + ITEM_COUNT - ITEM_EGRESS_INTERNET)

/* Cells of storage come first, one per class; then requests, one per class; then egress, one per direction. */
static inline unsigned price_cell(enum price_item item, enum storage_class class)
{
    if (item == ITEM_STORAGE)
        return class;
    if (item == ITEM_REQUESTS)
        return CLASS_COUNT + class;
    return 2 * CLASS_COUNT + (item - ITEM_EGRESS_INTERNET);
}
/* "storage.STANDARD", "requests.STANDARD_IA", "egress.internet". cell < PRICE_CELLS. */
const char *price_cell_name(unsigned cell);
bool price_cell_parse(struct view name, unsigned *ret_cell);

/* amount = quantity * price / divisor, rounded half-up to 10^-9. The quantity of a cell is what is metered: the sum of
 * the samples' bytes for storage, a count of requests, bytes of egress. */
struct price_rate {
    struct decimal price;      /* of one `unit`, as statements show it */
    unsigned __int128 divisor; /* metered quantity that makes one unit */
    const char *unit;          /* "GB-month", "request", "GB" */
};

struct book_id {
    uint64_t id; /* first 8 bytes of sha256, without the sign bit so that a database can hold it */
    uint8_t sha256[32];
    char name[BOOK_NAME_MAX + 1];
    char *text; /* the YAML; owned */
    size_t text_n;
};

struct price_book {
    struct book_id id;
    char currency[BOOK_CURRENCY_LEN + 1];
    char time_zone[8];    /* "+08:00" */
    int32_t utc_offset_s; /* whole hours: an hour of the ledger lies in exactly one month */
    bool failed_requests_billed;
    struct price_rate rate[PRICE_CELLS];
};
/* RC_LIMIT when the amount does not fit. */
enum rc price_rate(const struct price_book *b, unsigned cell, unsigned __int128 quantity,
                   int64_t *ret_nano) HF_MUST_USE;

enum stage_rule { STAGE_ALL, STAGE_READ_ONLY, STAGE_NOTHING };
#define STAGE_COUNT (STAGE_PURGEABLE + 1)

struct timetable {
    struct book_id id;
    int64_t stop_ns, destroy_earliest_ns, destroy_latest_ns; /* after the balance went below zero */
    enum stage_rule rule[STAGE_COUNT];
    char words[BOOK_WORDS_MAX + 1]; /* the cloud's, to a client of a stopped account */
};

#endif
