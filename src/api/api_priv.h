/* Holdfast: the inside of the api room. */
#ifndef HF_API_API_PRIV_H
#define HF_API_API_PRIV_H

#include "api/api.h"

#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>

#define CONTROL_CONNECTIONS_MAX 32u

struct api {
    struct api_cfg cfg;
    char socket_path[OS_PATH_MAX];
    struct http_server *http;
    int listen_fd;
    pthread_t acceptor;
    pthread_mutex_t change; /* verbs that change accounts or disks run one at a time */
    pthread_mutex_t lock;   /* guards the connections */
    pthread_cond_t idle;
    int open_fd[CONTROL_CONNECTIONS_MAX]; /* -1 = free */
    unsigned n_open;
    bool closing;
    atomic_bool ready;
    int64_t started_ns;
};

/* One verb being answered. */
struct control_call {
    struct api *api;
    struct engine *engine;
    int fd;
    json_t *args;
    int64_t progress_due_ns;
    struct err err;
};

/* ---- args.c: a verb's arguments. Refusals name the argument and show what is right. ---- */
/* Text, or "" when absent. */
struct view control_arg(const struct control_call *c, const char *name);
struct view control_arg_or(const struct control_call *c, const char *name, const char *fallback);
bool control_has(const struct control_call *c, const char *name);
/* RC_INVALID when absent or empty. */
enum rc control_text(struct control_call *c, const char *name, struct view *ret) HF_MUST_USE;
enum rc control_amount(struct control_call *c, const char *name, int64_t *ret_nano) HF_MUST_USE;
enum rc control_positive(struct control_call *c, const char *name, int64_t *ret_nano) HF_MUST_USE;
enum rc control_not_negative(struct control_call *c, const char *name, int64_t *ret_nano) HF_MUST_USE;
enum rc control_span(struct control_call *c, const char *name, int64_t *ret_ns) HF_MUST_USE;
/* RFC 3339, or YYYY-MM-DD: its first instant in the time zone of the account's price book. */
enum rc control_date(struct control_call *c, struct view account, const char *name, int64_t *ret_ns) HF_MUST_USE;
/* A limit of a quota: a size (of bytes), a whole number, or "none". */
enum rc control_limit(struct control_call *c, const char *name, uint64_t *ret) HF_MUST_USE;

/* Sends a progress line at most ten times a second. */
void control_progress(struct control_call *c, uint64_t done, uint64_t total, const char *unit, const char *what);
/* What verbs share: waiting for all readers; a value made by json_pack (NULL means memory); the account an answer is
 * about. */
enum rc control_settle(struct control_call *c) HF_MUST_USE;
enum rc control_made(struct control_call *c, json_t *v, json_t **ret) HF_MUST_USE;
enum rc control_account(struct control_call *c, json_t **ret) HF_MUST_USE;
int64_t control_now(const struct control_call *c);

typedef enum rc control_fn(struct control_call *c, json_t **ret);
struct control_verb {
    const char *name;
    bool changes; /* runs under api->change */
    control_fn *run;
};
/* verbs_money.c, verbs_price.c, verbs_budget.c; each ends with a name of NULL. */
extern const struct control_verb money_verbs[], price_verbs[], budget_verbs[];
/* verbs.c: looks the verb up and runs it; *ret_result is owned by the caller. */
enum rc control_run(struct control_call *c, const char *verb, json_t **ret_result) HF_MUST_USE;
/* metrics.c, metrics_money.c */
/* HELP and TYPE of a series. */
enum rc metrics_head(struct buf *b, const char *name, const char *type, const char *help) HF_MUST_USE;
/* A label's value, escaped. */
enum rc metrics_label(struct buf *b, const char *value) HF_MUST_USE;
enum rc metrics_money(struct engine *g, struct buf *b) HF_MUST_USE;
enum rc metrics_text(struct api *a, struct buf *out) HF_MUST_USE;

#endif
