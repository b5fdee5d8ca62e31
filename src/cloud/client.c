/* Holdfast: the cloud client's thread: queue, tries with full jitter, deadlines, stalls, limits, clock skew.
 *
 *   cloud_submit ─▶ inbox (lock) ─▶ ready ─▶ a try ─▶ done
 *                                     ▲        │ RETRY, THROTTLED, a first SKEW or CORRUPT
 *                                     └ delayed ◀┘
 *
 * Only the thread touches libcurl, the tries and the lists behind the inbox. */
#include "cloud/client_priv.h"

#include "codec/codec.h"

#define CONNECTIONS_DEFAULT 16
#define CONNECT_DEFAULT_NS (5 * NS_PER_S)
#define STALL_DEFAULT_NS (20 * NS_PER_S)
#define DEADLINE_DEFAULT_NS (60 * NS_PER_S)
#define RETRY_BASE_NS (NS_PER_S / 10)
#define THROTTLE_BASE_NS (NS_PER_S / 2)
#define BACKOFF_MAX_NS (10 * NS_PER_S)
#define BURST_S_NUM 1 /* of a limit: a tenth of a second's worth */
#define BURST_S_DEN 10
#define POLL_BUSY_MS 100
#define POLL_IDLE_MS 10000
#define SWEEP_NS (NS_PER_S / 10)
#define SKEW_MIN_NS (300 * NS_PER_S) /* clouds refuse from 15 minutes on */

int64_t cloud_now(const struct cloud *c)
{
    return clock_mono_ns(c->os->clock);
}

/* ---- limits ---- */
void bucket_fill(struct bucket *b, int64_t now_ns)
{
    if (b->per_s == 0)
        return;
    int64_t burst = (int64_t)(b->per_s * BURST_S_NUM / BURST_S_DEN) + 1;
    int64_t span = now_ns - b->at_ns;
    if (span > NS_PER_S)
        span = NS_PER_S;
    int64_t more = (int64_t)((unsigned __int128)b->per_s * (uint64_t)span / (uint64_t)NS_PER_S);
    if (more == 0)
        return; /* time is kept until it is worth a unit */
    b->at_ns = now_ns;
    b->level = b->level + more > burst ? burst : b->level + more;
}

bool bucket_open(const struct bucket *b)
{
    return b->per_s == 0 || b->level > 0;
}

void bucket_take(struct bucket *b, uint64_t n)
{
    if (b->per_s > 0)
        b->level -= (int64_t)n;
}

/* splitmix64 */
static uint64_t next_random(struct cloud *c)
{
    uint64_t z = c->random += 0x9e3779b97f4a7c15u;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* Full jitter: anything from 0 to the doubled base. */
static int64_t backoff(struct cloud *c, int64_t base_ns, unsigned tries)
{
    int64_t top = base_ns;

    for (unsigned i = 1; i < tries && top < BACKOFF_MAX_NS; i++)
        top *= 2;
    if (top > BACKOFF_MAX_NS)
        top = BACKOFF_MAX_NS;
    return (int64_t)(next_random(c) % (uint64_t)(top + 1));
}

/* ---- ends ---- */
static bool is_healthy(enum cloud_class k)
{
    return k == CLOUD_OK || k == CLOUD_GONE || k == CLOUD_CONDITION || k == CLOUD_REFUSED;
}

static void note_try(struct try *t)
{
    struct cloud *c = t->c;
    int64_t now = cloud_now(c);

    pthread_mutex_lock(&c->lock);
    c->stats.tries++;
    c->stats.bytes_in += t->received;
    c->stats.bytes_out += t->sent;
    c->stats.last = t->r->class;
    if (is_healthy(t->r->class))
        c->stats.last_ok_ns = now;
    else
        c->stats.last_bad_ns = now;
    if (t->a.has_date)
        c->stats.skew_ns = t->a.date_ns - clock_real_ns(c->os->clock);
    pthread_mutex_unlock(&c->lock);
}

static void finish(struct cloud *c, struct cloud_request *r)
{
    pthread_mutex_lock(&c->lock);
    c->stats.requests++;
    c->stats.by_class[r->class]++;
    pthread_mutex_unlock(&c->lock);
    r->next = NULL;
    r->done(r);
}

static void give_up(struct cloud *c, struct cloud_request *r, const char *why)
{
    struct err before = r->err;

    r->class = CLOUD_RETRY;
    (void)err_set(&r->err, RC_OK, "%s: %s%s%.500s", c->cfg.target.host, why, before.text[0] ? "; last: " : "",
                  before.text);
    finish(c, r);
}

/* ---- lists of the thread ---- */
static void delay(struct cloud *c, struct cloud_request *r, int64_t due_ns)
{
    struct cloud_request **at = &c->delayed;

    r->due_ns = due_ns;
    while (*at && (*at)->due_ns <= due_ns)
        at = &(*at)->next;
    r->next = *at;
    *at = r;
}

static void take_inbox(struct cloud *c, bool *ret_stop)
{
    pthread_mutex_lock(&c->lock);
    *c->ready_end = c->inbox;
    if (c->inbox)
        c->ready_end = c->inbox_end;
    c->inbox = NULL;
    c->inbox_end = &c->inbox;
    *ret_stop = c->stop;
    pthread_mutex_unlock(&c->lock);
}

/* Those that have waited for their second try go first. */
static struct cloud_request *pop(struct cloud *c, int64_t now)
{
    struct cloud_request *r = c->delayed;

    if (r && r->due_ns <= now) {
        c->delayed = r->next;
        return r;
    }
    r = c->ready;
    if (!r)
        return NULL;
    c->ready = r->next;
    if (!c->ready)
        c->ready_end = &c->ready;
    return r;
}

/* Takes those whose time is up out of the list, in order. */
static struct cloud_request *expired(struct cloud_request **list, int64_t now)
{
    struct cloud_request *out = NULL, **end = &out;

    while (*list) {
        struct cloud_request *r = *list;
        if (r->end_ns > now) {
            list = &r->next;
            continue;
        }
        *list = r->next;
        r->next = NULL;
        *end = r;
        end = &r->next;
    }
    return out;
}

static void sweep(struct cloud *c, int64_t now)
{
    if (now - c->swept_ns < SWEEP_NS)
        return;
    c->swept_ns = now;
    struct cloud_request *lists[] = {expired(&c->ready, now), expired(&c->delayed, now)};
    c->ready_end = &c->ready;
    while (*c->ready_end)
        c->ready_end = &(*c->ready_end)->next;
    for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++) {
        for (struct cloud_request *r = lists[i], *next; r; r = next) {
            next = r->next;
            give_up(c, r, "the deadline passed");
        }
    }
}

/* ---- after a try ---- */

/* S3 says which region a bucket is in; its public host name has the region in it. */
static bool moved_region(struct try *t)
{
    struct cloud_target *g = &t->c->cfg.target;
    char host[CLOUD_HOST_MAX + 1], old[CLOUD_REGION_MAX + 8];
    unsigned status = t->a.status;

    if (g->dialect != CLOUD_S3 || (status != 301 && status != 307 && status != 400) || !t->a.region[0])
        return false;
    if (t->r->moved || !strcmp(t->a.region, g->region))
        return false;
    t->r->moved = true;
    snprintf(old, sizeof(old), "s3.%s.", g->region);
    const char *at = strstr(g->host, ".amazonaws.com") ? strstr(g->host, old) : NULL;
    if (at) {
        int n =
            snprintf(host, sizeof(host), "%.*ss3.%s.%s", (int)(at - g->host), g->host, t->a.region, at + strlen(old));
        if (n < 0 || (size_t)n >= sizeof(host))
            return false;
        memcpy(g->host, host, sizeof(host));
    }
    HF_ASSERT(view_copy(view_cstr(t->a.region), g->region, sizeof(g->region)));
    return true;
}

/* Not every answer to a wrong time says so: one that is denied while its Date is far from ours is taken for it. */
static bool is_skew(const struct try *t)
{
    if (t->r->class == CLOUD_SKEW)
        return true;
    if (t->r->class != CLOUD_DENIED || !t->a.has_date)
        return false;
    int64_t off = t->a.date_ns - (clock_real_ns(t->c->os->clock) + t->c->skew_ns);
    return off > SKEW_MIN_NS || off < -SKEW_MIN_NS;
}

/* When the next try begins; false: there is none. */
static bool next_try(struct try *t, int64_t now, int64_t *ret_due)
{
    struct cloud *c = t->c;
    struct cloud_request *r = t->r;

    *ret_due = now;
    if (moved_region(t))
        return true;
    if (is_skew(t)) {
        r->class = CLOUD_SKEW;
        if (r->skewed || !t->a.has_date)
            return false;
        r->skewed = true;
        c->skew_ns = t->a.date_ns - clock_real_ns(c->os->clock);
        return true;
    }
    if (r->class == CLOUD_CORRUPT && !r->again) {
        r->again = true;
        return true;
    }
    if (r->class == CLOUD_RETRY)
        *ret_due = now + backoff(c, RETRY_BASE_NS, r->tries);
    else if (r->class == CLOUD_THROTTLED)
        *ret_due = now + THROTTLE_BASE_NS / 2 + backoff(c, THROTTLE_BASE_NS, r->tries);
    else
        return false;
    if (*ret_due < now + t->a.retry_after_ns)
        *ret_due = now + t->a.retry_after_ns;
    /* Throttled is the account, not the key: all wait. */
    if (r->class == CLOUD_THROTTLED && c->hold_until_ns < *ret_due)
        c->hold_until_ns = *ret_due;
    return *ret_due < r->end_ns;
}

static void after(struct try *t, CURLcode code)
{
    struct cloud *c = t->c;
    struct cloud_request *r = t->r;
    int64_t now = cloud_now(c), due = 0;

    try_judge(t, code);
    bool again = next_try(t, now, &due);
    note_try(t);
    try_end(t);
    c->n_busy--;
    if (again)
        delay(c, r, due);
    else
        finish(c, r);
}

/* ---- the loop ---- */
static struct try *free_try(struct cloud *c)
{
    for (size_t i = 0; i < c->cfg.connections; i++)
        if (!c->tries[i].r)
            return &c->tries[i];
    return NULL;
}

static void start(struct cloud *c, struct try *t, struct cloud_request *r)
{
    struct err e = {{0}};
    enum rc rc = try_start(t, r, &e);

    if (rc == RC_OK) {
        c->n_busy++;
        return;
    }
    r->err = e;
    r->class = rc == RC_INVALID || rc == RC_UNSUPPORTED || rc == RC_LIMIT ? CLOUD_REFUSED : CLOUD_RETRY;
    finish(c, r);
}

static void start_some(struct cloud *c)
{
    int64_t now = cloud_now(c);

    bucket_fill(&c->starts, now);
    while (c->n_busy < c->cfg.connections && now >= c->hold_until_ns && bucket_open(&c->starts)) {
        struct cloud_request *r = pop(c, now);
        if (!r)
            return;
        if (r->end_ns <= now) {
            give_up(c, r, "the deadline passed");
            continue;
        }
        bucket_take(&c->starts, 1);
        start(c, free_try(c), r);
    }
}

static void read_ends(struct cloud *c)
{
    CURLMsg *m;
    int left;

    while ((m = curl_multi_info_read(c->multi, &left))) {
        struct try *t = NULL;
        if (m->msg != CURLMSG_DONE)
            continue;
        CURLcode code = m->data.result;
        HF_ASSERT(curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &t) == CURLE_OK && t && t->r);
        after(t, code);
    }
}

/* A Complete may think for minutes without a byte; only its deadline ends it. */
static void watch(struct cloud *c)
{
    int64_t now = cloud_now(c);

    bucket_fill(&c->bytes, now);
    for (size_t i = 0; i < c->cfg.connections; i++) {
        struct try *t = &c->tries[i];
        if (!t->r)
            continue;
        if (t->paused && bucket_open(&c->bytes)) {
            t->paused = false;
            t->moved_ns = now;
            if (curl_easy_pause(t->easy, CURLPAUSE_CONT) != CURLE_OK)
                t->stalled = true;
        }
        if (!t->paused && t->r->op != CLOUD_COMPLETE && now - t->moved_ns > c->cfg.stall_timeout_ns)
            t->stalled = true;
        if (t->stalled)
            after(t, CURLE_OPERATION_TIMEDOUT);
    }
}

static int poll_ms(const struct cloud *c)
{
    int64_t now = cloud_now(c), until = now + (c->n_busy ? POLL_BUSY_MS : POLL_IDLE_MS) * (NS_PER_S / 1000);

    if (c->delayed && c->delayed->due_ns < until)
        until = c->delayed->due_ns;
    if (c->ready || c->delayed) {
        int64_t soon = now + (c->bytes.per_s || c->starts.per_s ? NS_PER_S / 200 : SWEEP_NS);
        if (soon < until)
            until = soon;
    }
    if (c->n_busy && c->bytes.per_s && until > now + NS_PER_S / 200)
        until = now + NS_PER_S / 200;
    return until <= now ? 0 : (int)((until - now) / 1000000) + 1;
}

/* libcurl has no memory or no poll(): what is under way begins again, with the delays of any other fault. */
static void fail_all(struct cloud *c)
{
    for (size_t i = 0; i < c->cfg.connections; i++)
        if (c->tries[i].r)
            after(&c->tries[i], CURLE_OUT_OF_MEMORY);
}

static void end_all(struct cloud *c)
{
    bool stop;

    for (size_t i = 0; i < c->cfg.connections; i++) {
        struct cloud_request *r = c->tries[i].r;
        if (!r)
            continue;
        try_end(&c->tries[i]);
        c->n_busy--;
        give_up(c, r, "the client was ended");
    }
    do {
        take_inbox(c, &stop);
        for (struct cloud_request *r; (r = pop(c, INT64_MAX));)
            give_up(c, r, "the client was ended");
    } while (c->ready || c->delayed);
}

static void *run(void *ctx)
{
    struct cloud *c = ctx;
    int running;
    bool stop = false;

    for (;;) {
        take_inbox(c, &stop);
        if (stop)
            break;
        sweep(c, cloud_now(c));
        start_some(c);
        if (curl_multi_perform(c->multi, &running) != CURLM_OK)
            fail_all(c);
        read_ends(c);
        watch(c);
        if (curl_multi_poll(c->multi, NULL, 0, poll_ms(c), NULL) != CURLM_OK)
            fail_all(c);
    }
    end_all(c);
    return NULL;
}

/* ---- making and ending ---- */
static void curl_once(void)
{
    HF_ASSERT(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
}

static void defaults(struct cloud *c)
{
    struct cloud_cfg *g = &c->cfg;

    if (g->connections == 0)
        g->connections = CONNECTIONS_DEFAULT;
    if (g->connect_timeout_ns == 0)
        g->connect_timeout_ns = CONNECT_DEFAULT_NS;
    if (g->stall_timeout_ns == 0)
        g->stall_timeout_ns = STALL_DEFAULT_NS;
    if (g->deadline_ns == 0)
        g->deadline_ns = DEADLINE_DEFAULT_NS;
    c->random = g->seed;
    if (g->seed == 0)
        os_random(c->os, &c->random, sizeof(c->random));
    c->bytes = (struct bucket){.per_s = g->bytes_per_s, .at_ns = cloud_now(c)};
    c->starts = (struct bucket){.per_s = g->requests_per_s, .at_ns = cloud_now(c)};
    c->ready_end = &c->ready;
    c->inbox_end = &c->inbox;
    c->cfg.ca_file = NULL;
}

static void release(struct cloud *c)
{
    for (size_t i = 0; c->tries && i < c->cfg.connections; i++)
        curl_easy_cleanup(c->tries[i].easy);
    if (c->multi)
        curl_multi_cleanup(c->multi);
    cloud_keys_wipe(&c->cfg.keys);
    free(c->tries);
    free(c->ca_file);
    free(c);
}

static bool allocate(struct cloud *c, const char *ca_file)
{
    c->multi = curl_multi_init();
    c->tries = calloc(c->cfg.connections, sizeof(*c->tries));
    if (!c->multi || !c->tries)
        return false;
    if (ca_file && !(c->ca_file = strdup(ca_file)))
        return false;
    for (size_t i = 0; i < c->cfg.connections; i++) {
        c->tries[i].c = c;
        if (!(c->tries[i].easy = curl_easy_init()))
            return false;
    }
    return curl_multi_setopt(c->multi, CURLMOPT_MAXCONNECTS, (long)c->cfg.connections) == CURLM_OK;
}

enum rc cloud_new(struct os *os, const struct cloud_cfg *cfg, struct cloud **ret, struct err *e)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    HF_ASSERT(pthread_once(&once, curl_once) == 0);
    struct cloud *c = calloc(1, sizeof(*c));
    if (!c)
        return err_set(e, RC_NOMEM, "cloud client: out of memory");
    c->os = os;
    c->cfg = *cfg;
    defaults(c);
    if (!allocate(c, cfg->ca_file)) {
        release(c);
        return err_set(e, RC_NOMEM, "cloud client: out of memory");
    }
    HF_ASSERT(pthread_mutex_init(&c->lock, NULL) == 0);
    enum rc rc = os_thread(&c->thread, "cloud", run, c);
    if (rc != RC_OK) {
        HF_ASSERT(pthread_mutex_destroy(&c->lock) == 0);
        release(c);
        return err_set(e, rc, "cloud client: no thread could be started");
    }
    *ret = c;
    return RC_OK;
}

void cloud_free(struct cloud *c)
{
    if (!c)
        return;
    pthread_mutex_lock(&c->lock);
    c->stop = true;
    pthread_mutex_unlock(&c->lock);
    HF_ASSERT(curl_multi_wakeup(c->multi) == CURLM_OK);
    HF_ASSERT(pthread_join(c->thread, NULL) == 0);
    HF_ASSERT(pthread_mutex_destroy(&c->lock) == 0);
    release(c);
}

void cloud_submit(struct cloud *c, struct cloud_request *r)
{
    HF_ASSERT(r->done);
    r->tries = 0;
    r->skewed = r->moved = r->again = false;
    r->next = NULL;
    r->end_ns = cloud_now(c) + (r->deadline_ns ? r->deadline_ns : c->cfg.deadline_ns);
    r->err.text[0] = 0;
    pthread_mutex_lock(&c->lock);
    *c->inbox_end = r;
    c->inbox_end = &r->next;
    pthread_mutex_unlock(&c->lock);
    HF_ASSERT(curl_multi_wakeup(c->multi) == CURLM_OK);
}

struct waiter {
    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool done;
};

static void wake(struct cloud_request *r)
{
    struct waiter *w = r->waiter;

    pthread_mutex_lock(&w->lock);
    w->done = true;
    pthread_cond_signal(&w->cond);
    pthread_mutex_unlock(&w->lock);
}

enum cloud_class cloud_call(struct cloud *c, struct cloud_request *r)
{
    struct waiter w = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false};

    r->done = wake;
    r->waiter = &w;
    cloud_submit(c, r);
    pthread_mutex_lock(&w.lock);
    while (!w.done)
        pthread_cond_wait(&w.cond, &w.lock);
    pthread_mutex_unlock(&w.lock);
    r->done = NULL;
    r->waiter = NULL;
    return r->class;
}

void cloud_request_clear(struct cloud_request *r)
{
    buf_free(&r->answer);
    buf_free(&r->got);
}

void cloud_stats(struct cloud *c, struct cloud_stats *ret)
{
    pthread_mutex_lock(&c->lock);
    *ret = c->stats;
    pthread_mutex_unlock(&c->lock);
}
