/* Holdfast: what the files of the account room share and nobody else sees: reading books, strictly. */
#ifndef HF_ACCOUNT_PRIV_H
#define HF_ACCOUNT_PRIV_H

#include "account/price.h"
#include "base/clock.h"
#include "codec/codec.h"

#define BOOK_ARENA_MAX (8u << 20) /* the tree of a book of BOOK_TEXT_MAX */
#define BOOK_SHOWN_MAX 64         /* bytes of an operator's text repeated in a message */

/* One file that is being read. */
struct book_reader {
    const char *file; /* for messages */
    struct err *e;
    struct arena arena;
    struct yaml_node *root;
};

/* [a-z0-9][a-z0-9-]{0,62} */
bool book_name_valid(struct view name);
/* Three capital letters. */
bool currency_valid(struct view v);
/* RC_INVALID with "file:line:column: " and the sentence. */
enum rc book_refuse(const struct book_reader *r, const struct yaml_node *at, const char *fmt, ...) HF_MUST_USE
    __attribute__((format(printf, 3, 4)));
/* Parses the text and fills id (its name included). book_close in any case. */
enum rc book_open(struct book_reader *r, const char *file, struct view yaml, struct book_id *ret,
                  struct err *e) HF_MUST_USE;
void book_close(struct book_reader *r);
void book_id_free(struct book_id *id);
/* The map under key, or why there is none. */
enum rc book_map(const struct book_reader *r, struct yaml_node *in, const char *key,
                 struct yaml_node **ret) HF_MUST_USE;
/* The plain text under key, not empty, at most max bytes. */
enum rc book_text(const struct book_reader *r, struct yaml_node *in, const char *key, size_t max,
                  struct yaml_node **ret) HF_MUST_USE;
/* Where a figure comes from: `source`, `as_of` (YYYY-MM or YYYY-MM-DD) and perhaps `confidence` of a map. */
enum rc book_origin(const struct book_reader *r, struct yaml_node *figure) HF_MUST_USE;
/* A map with `unit`, one of units (ended by NULL), and an origin; what it says is the caller's to read. */
enum rc book_measure(const struct book_reader *r, struct yaml_node *figure, const char *key, const char *const *units,
                     unsigned *ret_unit) HF_MUST_USE;
/* A figure is a map {value, unit, source, as_of} and perhaps confidence; gives its value when all of it is right.
 * `unit` is the one expected here. */
enum rc book_figure(const struct book_reader *r, struct yaml_node *in, const char *key, const char *unit,
                    struct yaml_node **ret_value) HF_MUST_USE;
/* A figure whose value is a whole number in min..max. */
enum rc book_integer(const struct book_reader *r, struct yaml_node *in, const char *key, const char *unit, uint64_t min,
                     uint64_t max, uint64_t *ret) HF_MUST_USE;
/* The same of plain text under key, without a figure around it. */
enum rc book_number(const struct book_reader *r, struct yaml_node *in, const char *key, uint64_t min, uint64_t max,
                    uint64_t *ret) HF_MUST_USE;
/* Plain text under key that is one of words (ended by NULL); gives its index. */
enum rc book_choice(const struct book_reader *r, struct yaml_node *in, const char *key, const char *const *words,
                    unsigned *ret) HF_MUST_USE;
/* YYYY-MM-DD, a day that the calendar has; gives its midnight in UTC. */
enum rc book_day(const struct book_reader *r, struct yaml_node *in, const char *key, int64_t *ret_s) HF_MUST_USE;
/* A figure whose value is one of words (ended by NULL); gives its index. */
enum rc book_word(const struct book_reader *r, struct yaml_node *in, const char *key, const char *const *words,
                  unsigned *ret) HF_MUST_USE;

#endif
