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
/* A verb's text argument, or "" when absent. */
struct view control_arg(const struct control_call *c, const char *name);
/* Sends a progress line at most ten times a second. */
void control_progress(struct control_call *c, uint64_t done, uint64_t total, const char *unit, const char *what);
/* verbs.c: looks the verb up and runs it; *ret_result is owned by the caller. */
enum rc control_run(struct control_call *c, const char *verb, json_t **ret_result) HF_MUST_USE;
/* metrics.c */
enum rc metrics_text(struct api *a, struct buf *out) HF_MUST_USE;

#endif
