/* Holdfast: the daemon's own face: /healthz, /readyz and /metrics over HTTP, and the control socket D/holdfast.sock for
 * the CLI.
 *
 * Control protocol (one connection per verb, mode 0600): the client sends one JSON object on one line, {"verb":
 * "account.topup", …}; the daemon answers lines: {"progress": {"done", "total", "unit", "what"}} any number of times,
 * then one of {"result": …} or {"error": "sentence"}. Verbs that change accounts run one at a time. A client that goes
 * away cancels a scrub, nothing else. */
#ifndef HF_API_API_H
#define HF_API_API_H

#include "account/price.h"
#include "base/clock.h"
#include "gateway/gateway.h"

struct api;
struct api_cfg {
    const char *listen; /* "127.0.0.1:9001" */
    const char *data_dir;
    struct engine *engine;
    struct gateway *gateway; /* for its statistics; may be NULL */
};
enum rc api_open(const struct api_cfg *cfg, struct api **ret, struct err *e) HF_MUST_USE;
const char *api_address(const struct api *a);
void api_set_ready(struct api *a, bool ready);
void api_close(struct api *a);

/* ---- without a daemon ---- */
/* What a file of prices, a timetable or exchange rates says of itself. Which of the three it is, its keys say. */
struct book_facts {
    enum book_kind book;
    const char *kind; /* "prices", "timetable", "rates" */
    char name[BOOK_NAME_MAX + 1];
    char currency[BOOK_CURRENCY_LEN + 1]; /* empty but for prices */
    char valid_from[TIME_TEXT_MAX];       /* empty = always */
};
/* RC_INVALID: "file:line:column: what, and what to do". */
enum rc api_book_check(const char *file, struct view text, struct book_facts *ret, struct err *e) HF_MUST_USE;
/* "10GiB", "1TiB" (1024), "10GB" (1000), or bytes; at most 2^63 - 1. */
bool api_size_parse(struct view v, uint64_t *ret);

#endif
