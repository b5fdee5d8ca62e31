/* The load generator's parts: what to ask (plan), one connection (conn), how long it took (stats).
 *
 * One thread and one epoll, because it shares the machine with the server it measures: heads are templates with holes,
 * and signatures are computed before the clock starts, so a request costs a copy of 500 bytes and two system calls. */
#ifndef HF_BENCH_LOAD_H
#define HF_BENCH_LOAD_H

#include "base/view.h"

#define LOAD_HEAD_MAX 1024u
#define LOAD_CONNECTIONS_MAX 4096u
#define LOAD_SIGNATURE_SIZE 32u

enum load_op { LOAD_PUT, LOAD_GET, LOAD_DELETE, LOAD_LIST };

struct load_cfg {
    const char *server; /* "127.0.0.1:9000", also the Host */
    const char *bucket, *access_key, *secret_key;
    enum load_op op;
    unsigned connections;
    uint64_t size;         /* bytes of a body: sent by PUT, expected of GET */
    uint64_t first, keys;  /* keys first .. first + keys - 1 */
    uint64_t group;        /* keys that share a prefix: key i is "i/group" "/" "i%group", 7 digits each */
    uint64_t requests;     /* at most; GET and LIST go round for as long as they may */
    int64_t nanoseconds;   /* at most; 0 = until all requests are made */
    int64_t warm_up_ns;    /* not counted */
    bool unsigned_head;    /* no signature at all: for the yardstick */
    bool unsigned_payload; /* x-amz-content-sha256: UNSIGNED-PAYLOAD instead of the body's digest */
    bool delimiter;        /* LIST: common prefixes up to '/' */
};

/* ---- the plan ---- */
struct load_plan;
enum rc load_plan_new(const struct load_cfg *cfg, struct load_plan **ret, struct err *e) HF_MUST_USE;
void load_plan_free(struct load_plan *p);
/* Writes the next head into dst (LOAD_HEAD_MAX bytes); 0 when all requests have been made. */
size_t load_plan_next(struct load_plan *p, char *dst);
/* Bytes behind every head. */
struct view load_plan_body(const struct load_plan *p);

/* ---- latencies ---- */
#define STATS_SUB_BITS 6u /* 64 steps per power of two: within 1.6 % */
#define STATS_BUCKETS (64u << STATS_SUB_BITS)
struct load_stats {
    uint64_t bucket[STATS_BUCKETS];
    uint64_t n, errors;
    int64_t max_ns;
    int64_t last_done_ns, longest_gap_ns; /* between any two answers */
    char first_error[512];
};
void load_stats_add(struct load_stats *s, int64_t latency_ns, int64_t now_ns);
int64_t load_stats_percentile(const struct load_stats *s, double share);

/* ---- one connection, one request in flight ---- */
struct load_conn {
    int fd;
    char head[LOAD_HEAD_MAX];
    size_t head_n, body_n, sent; /* sent counts through head and body */
    int64_t started_ns;
    char answer[4096];
    size_t answer_n;    /* bytes of the answer's head so far */
    bool answered_head; /* the head is whole */
    unsigned status;
    uint64_t length, left; /* of the answer's body */
    bool busy;
};
enum load_event {
    LOAD_WAITING, /* for the socket */
    LOAD_DONE,    /* the answer is whole */
    LOAD_BROKEN,  /* the connection is of no more use */
};
enum rc load_conn_open(struct load_conn *c, const char *server, int epoll_fd, struct err *e) HF_MUST_USE;
void load_conn_close(struct load_conn *c);
/* Starts the request whose head is in c->head. */
enum load_event load_conn_start(struct load_conn *c, size_t head_n, struct view body, int64_t now_ns);
/* The socket can be written to or read from. */
enum load_event load_conn_go_on(struct load_conn *c, struct view body);

int64_t load_now_ns(void);

#endif
