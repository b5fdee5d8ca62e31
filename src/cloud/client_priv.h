/* Holdfast: the inside of a cloud client: its one thread, and one try of a request. */
#ifndef HF_CLOUD_CLIENT_PRIV_H
#define HF_CLOUD_CLIENT_PRIV_H

#include <curl/curl.h>
#include <pthread.h>

#include "cloud/cloud_priv.h"

#define FAULT_BODY_MAX (64u << 10) /* of an error answer */

/* Tokens that come at a rate; what is taken may make it negative, and then all wait. */
struct bucket {
    uint64_t per_s; /* 0 = no limit */
    int64_t level;  /* in units */
    int64_t at_ns;
};
void bucket_fill(struct bucket *b, int64_t now_ns);
bool bucket_open(const struct bucket *b);
void bucket_take(struct bucket *b, uint64_t n);

/* What the headers of an answer said. */
struct answer {
    unsigned status;
    bool has_length, has_range, has_date, has_etag, kms;
    uint64_t length, range_from, range_to, range_total;
    int64_t date_ns, retry_after_ns;
    bool has_nvme;
    uint64_t nvme;
    char region[CLOUD_REGION_MAX + 1];
    char code[CLOUD_CODE_MAX + 1]; /* where a header has it */
};

struct
try {
    struct cloud *c;
    struct cloud_request *r; /* NULL: this one is free */
    CURL *easy;
    struct curl_slist *list;
    struct cloud_wire wire;
    char why[CURL_ERROR_SIZE];
    int64_t moved_ns; /* when a byte moved last */
    bool paused;      /* by the bandwidth limit */
    uint64_t sent, received, crc_sent, crc_in, nvme_in;
    bool body_failed, sink_stopped, too_big, range_ignored, stalled;
    struct answer a;
};

struct cloud {
    struct os *os;
    struct cloud_cfg cfg;
    char *ca_file;
    CURLM *multi;
    pthread_t thread;
    /* Of the thread alone. */
    struct try *tries;
    size_t n_busy;
    struct cloud_request *ready, **ready_end, *delayed; /* delayed ascends by due_ns */
    struct bucket bytes, starts;
    int64_t hold_until_ns, swept_ns, skew_ns; /* skew_ns: what signatures are shifted by */
    uint64_t random;
    /* Under lock. */
    pthread_mutex_t lock;
    struct cloud_request *inbox, **inbox_end;
    bool stop;
    struct cloud_stats stats;
};

int64_t cloud_now(const struct cloud *c);

/* transfer.c: one try */
enum rc try_start(struct try *t, struct cloud_request *r, struct err *e) HF_MUST_USE;
/* Judges what came into r: class, code, err. r keeps the class. */
void try_judge(struct try *t, CURLcode code);
void try_end(struct try *t);

#endif
