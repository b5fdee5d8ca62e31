/* The gateway: opened over an engine, closed when its last request is gone. */
#include <stdlib.h>
#include <unistd.h>

#include "gateway/gateway_priv.h"

#define WORKERS_MIN 4u
#define WORKERS_MAX 64u
#define REGION_DEFAULT "us-east-1"
#define DOMAIN_DEFAULT "localhost"

static unsigned default_workers(void)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned n = cores > 0 ? 2 * (unsigned)cores : WORKERS_MIN;
    return n < WORKERS_MIN ? WORKERS_MIN : n > WORKERS_MAX ? WORKERS_MAX : n;
}

static void gateway_free(struct gateway *w)
{
    os_pool_free(w->pool);
    pthread_cond_destroy(&w->idle);
    pthread_mutex_destroy(&w->lock);
    free(w->net);
    free(w->domain);
    free(w->region);
    free(w);
}

static enum rc start(struct gateway *w, const struct gateway_cfg *cfg, struct err *e)
{
    w->domain = strdup(cfg->domain != NULL ? cfg->domain : DOMAIN_DEFAULT);
    w->region = strdup(cfg->region != NULL ? cfg->region : REGION_DEFAULT);
    if (w->domain == NULL || w->region == NULL)
        return err_set(e, RC_NOMEM, "out of memory");
    HF_TRY(gw_nets_init(w, cfg, e));
    uint8_t host[(HOST_ID_SIZE - 1) / 2];
    os_random(w->engine->os, &w->id_seed, sizeof w->id_seed);
    os_random(w->engine->os, host, sizeof host);
    hex_encode(host, sizeof host, w->host_id);
    enum rc rc = os_pool_new(cfg->worker_threads > 0 ? cfg->worker_threads : default_workers(), "gw-work", &w->pool);
    if (rc != RC_OK)
        return err_set(e, rc, "cannot start the gateway's workers: %s", rc_name(rc));
    struct http_cfg http = {
        .listen = cfg->listen,
        .threads = cfg->http_threads,
        .handler = {gw_on_request, gw_on_body, gw_on_end, gw_on_resume, gw_on_close, gw_on_refused, w},
    };
    return http_open(&http, &w->http, e);
}

enum rc gateway_open(struct engine *g, const struct gateway_cfg *cfg, struct gateway **ret, struct err *e)
{
    struct gateway *w = calloc(1, sizeof *w);
    if (w == NULL)
        return err_set(e, RC_NOMEM, "out of memory");
    w->engine = g;
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->idle, NULL);
    enum rc rc = start(w, cfg, e);
    if (rc != RC_OK) {
        gateway_free(w);
        return rc;
    }
    *ret = w;
    return RC_OK;
}

const char *gateway_address(const struct gateway *w)
{
    return http_address(w->http);
}

/* Records that are still with the sequencer come back before anything is freed: it finishes all that it was given. */
void gateway_close(struct gateway *w, unsigned grace_ms)
{
    if (w == NULL)
        return;
    http_close(w->http, grace_ms);
    pthread_mutex_lock(&w->lock);
    while (w->live > 0)
        pthread_cond_wait(&w->idle, &w->lock);
    pthread_mutex_unlock(&w->lock);
    gateway_free(w);
}

void gateway_stats(struct gateway *w, struct gateway_stats *ret)
{
    memset(ret, 0, sizeof *ret);
    ret->requests = atomic_load(&w->requests);
    for (size_t i = 0; i < sizeof ret->by_status / sizeof *ret->by_status; i++)
        ret->by_status[i] = atomic_load(&w->by_status[i]);
    ret->bytes_in = atomic_load(&w->bytes_in);
    ret->bytes_out = atomic_load(&w->bytes_out);
    ret->connections = http_connections(w->http);
    for (size_t i = 0; i < LATENCY_BUCKETS; i++)
        ret->latency_us_bucket[i] = atomic_load(&w->latency_us_bucket[i]);
    ret->latency_us_sum = atomic_load(&w->latency_us_sum);
}
