/* A load generator for S3 servers: signed PUT, GET, DELETE and LIST over keep-alive connections, one JSON line at the
 * end. `bench_load --help` shows the options. */
#include "load.h"

#include "base/clock.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#define EVENTS_MAX 256
/* After the time is up, answers are waited for this long. */
#define LINGER_NS (30 * NS_PER_S)
/* More failures than this are no measurement. */
#define BROKEN_MAX 1000u

struct run {
    struct load_cfg cfg;
    struct load_plan *plan;
    struct load_conn *conn;
    struct load_stats stats;
    int epoll_fd;
    unsigned busy, broken;
    bool no_more; /* requests: the time is up, or all were made */
    bool counting;
    int64_t begin_ns, end_ns; /* of what counts; end 0 = when the last answer came */
    uint64_t in_time;         /* answers between begin and end */
    bool idle_after;          /* hold the connections open until stdin ends */
};

static bool as_wanted(const struct run *r, const struct load_conn *c)
{
    unsigned wanted = r->cfg.op == LOAD_DELETE ? 204 : 200;

    return c->status == wanted && (r->cfg.op != LOAD_GET || c->length == r->cfg.size);
}

static void note_error(struct run *r, const char *what, const struct load_conn *c)
{
    r->stats.errors++;
    if (!r->stats.first_error[0])
        snprintf(r->stats.first_error, sizeof r->stats.first_error, "%s: %.*s", what, (int)c->answer_n, c->answer);
}

static void answered(struct run *r, const struct load_conn *c, int64_t now_ns)
{
    if (!as_wanted(r, c))
        note_error(r, "unexpected answer", c);
    if (!r->counting)
        return;
    load_stats_add(&r->stats, now_ns - c->started_ns, now_ns);
    if (!r->end_ns || now_ns <= r->end_ns)
        r->in_time++;
}

static enum rc reconnect(struct run *r, struct load_conn *c, struct err *e)
{
    note_error(r, "connection lost", c);
    load_conn_close(c);
    if (++r->broken > BROKEN_MAX)
        return err_set(e, RC_IO, "%u connections were lost; the first: %s", r->broken, r->stats.first_error);
    return load_conn_open(c, r->cfg.server, r->epoll_fd, e);
}

/* Sends the connection's next request, if there is one. */
static enum rc ask(struct run *r, struct load_conn *c, int64_t now_ns, struct err *e)
{
    while (!r->no_more) {
        size_t head_n = load_plan_next(r->plan, c->head);
        if (head_n == 0) {
            r->no_more = true;
            break;
        }
        if (load_conn_start(c, head_n, load_plan_body(r->plan), now_ns) == LOAD_WAITING) {
            r->busy++;
            return RC_OK;
        }
        HF_TRY(reconnect(r, c, e));
    }
    return RC_OK;
}

static enum rc handle(struct run *r, struct load_conn *c, struct err *e)
{
    if (!c->busy)
        return RC_OK;
    enum load_event ev = load_conn_go_on(c, load_plan_body(r->plan));
    if (ev == LOAD_WAITING)
        return RC_OK;
    int64_t now_ns = load_now_ns();
    r->busy--;
    if (ev == LOAD_DONE)
        answered(r, c, now_ns);
    else
        HF_TRY(reconnect(r, c, e));
    return ask(r, c, now_ns, e);
}

static void clock_tick(struct run *r, int64_t start_ns)
{
    int64_t now_ns = load_now_ns();

    if (!r->counting && now_ns - start_ns >= r->cfg.warm_up_ns) {
        r->counting = true;
        r->begin_ns = now_ns;
        r->end_ns = r->cfg.nanoseconds ? now_ns + r->cfg.nanoseconds : 0;
    }
    if (r->counting && r->end_ns && now_ns >= r->end_ns)
        r->no_more = true;
}

static enum rc loop(struct run *r, struct err *e)
{
    struct epoll_event ev[EVENTS_MAX];
    int64_t start_ns = load_now_ns();

    clock_tick(r, start_ns);
    for (unsigned i = 0; i < r->cfg.connections; i++)
        HF_TRY(ask(r, &r->conn[i], load_now_ns(), e));
    while (r->busy) {
        int n = epoll_wait(r->epoll_fd, ev, EVENTS_MAX, 1000);
        if (n < 0 && errno != EINTR)
            return err_set(e, RC_IO, "epoll_wait: %s", strerror(errno));
        clock_tick(r, start_ns);
        if (r->no_more && r->end_ns && load_now_ns() > r->end_ns + LINGER_NS)
            return err_set(e, RC_UNAVAILABLE, "%u requests were never answered", r->busy);
        for (int i = 0; i < n; i++)
            HF_TRY(handle(r, ev[i].data.ptr, e));
    }
    return RC_OK;
}

static double cpu_s(void)
{
    struct rusage u;

    if (getrusage(RUSAGE_SELF, &u) != 0)
        return 0;
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

/* Text of an error, without what JSON would have to escape. */
static void make_plain(char *s)
{
    for (; *s; s++)
        if ((unsigned char)*s < ' ' || (unsigned char)*s > '~' || *s == '"' || *s == '\\')
            *s = ' ';
}

static void report(struct run *r, double generator_cpu_s)
{
    struct load_stats *s = &r->stats;
    int64_t end_ns = r->end_ns && r->end_ns < s->last_done_ns ? r->end_ns : s->last_done_ns;
    double seconds = s->n ? (double)(end_ns - r->begin_ns) / 1e9 : 0;
    double per_s = seconds > 0 ? (double)r->in_time / seconds : 0;

    make_plain(s->first_error);
    printf("{\"connections\": %u, \"size\": %" PRIu64 ", \"requests\": %" PRIu64 ", \"errors\": %" PRIu64
           ", \"seconds\": %.3f, \"per_s\": %.1f, \"bytes_per_s\": %.0f, \"p50_us\": %.1f, \"p99_us\": %.1f, "
           "\"p999_us\": %.1f, \"max_us\": %.1f, \"longest_gap_us\": %.1f, \"generator_cpu_s\": %.2f, "
           "\"first_error\": \"%s\"}\n",
           r->cfg.connections, r->cfg.size, s->n, s->errors, seconds, per_s, per_s * (double)r->cfg.size,
           (double)load_stats_percentile(s, 0.50) / 1e3, (double)load_stats_percentile(s, 0.99) / 1e3,
           (double)load_stats_percentile(s, 0.999) / 1e3, (double)s->max_ns / 1e3, (double)s->longest_gap_ns / 1e3,
           generator_cpu_s, s->first_error);
    fflush(stdout);
}

static enum rc run_all(struct run *r, struct err *e)
{
    HF_TRY(load_plan_new(&r->cfg, &r->plan, e));
    r->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    r->conn = calloc(r->cfg.connections, sizeof *r->conn);
    if (r->epoll_fd < 0 || !r->conn)
        return err_set(e, RC_NOMEM, "no epoll or no memory for %u connections", r->cfg.connections);
    for (unsigned i = 0; i < r->cfg.connections; i++)
        r->conn[i].fd = -1;
    for (unsigned i = 0; i < r->cfg.connections; i++)
        HF_TRY(load_conn_open(&r->conn[i], r->cfg.server, r->epoll_fd, e));
    double before_s = cpu_s();
    HF_TRY(loop(r, e));
    report(r, cpu_s() - before_s);
    if (r->idle_after)
        while (getchar() != EOF)
            continue;
    return RC_OK;
}

static void run_free(struct run *r)
{
    for (unsigned i = 0; r->conn && i < r->cfg.connections; i++)
        load_conn_close(&r->conn[i]);
    free(r->conn);
    if (r->epoll_fd >= 0)
        close(r->epoll_fd);
    load_plan_free(r->plan);
}

/* ---- options ---- */
enum option_id {
    OPT_SERVER,
    OPT_BUCKET,
    OPT_OP,
    OPT_CONNECTIONS,
    OPT_SIZE,
    OPT_FIRST,
    OPT_KEYS,
    OPT_GROUP,
    OPT_REQUESTS,
    OPT_SECONDS,
    OPT_WARM_UP,
    OPT_UNSIGNED,
    OPT_UNSIGNED_PAYLOAD,
    OPT_DELIMITER,
    OPT_IDLE_AFTER,
    OPT_HELP
};

static const struct option options[] = {
    {"server", required_argument, NULL, OPT_SERVER},
    {"bucket", required_argument, NULL, OPT_BUCKET},
    {"op", required_argument, NULL, OPT_OP},
    {"connections", required_argument, NULL, OPT_CONNECTIONS},
    {"size", required_argument, NULL, OPT_SIZE},
    {"first", required_argument, NULL, OPT_FIRST},
    {"keys", required_argument, NULL, OPT_KEYS},
    {"group", required_argument, NULL, OPT_GROUP},
    {"requests", required_argument, NULL, OPT_REQUESTS},
    {"seconds", required_argument, NULL, OPT_SECONDS},
    {"warm-up", required_argument, NULL, OPT_WARM_UP},
    {"unsigned", no_argument, NULL, OPT_UNSIGNED},
    {"unsigned-payload", no_argument, NULL, OPT_UNSIGNED_PAYLOAD},
    {"delimiter", no_argument, NULL, OPT_DELIMITER},
    {"idle-after", no_argument, NULL, OPT_IDLE_AFTER},
    {"help", no_argument, NULL, OPT_HELP},
    {0},
};

static const char usage[] =
    "bench_load --server HOST:PORT --op put|get|delete|list [options]; keys come from HOLDFAST_ACCESS_KEY and\n"
    "HOLDFAST_SECRET_KEY.\n"
    "  --bucket B          default bench\n"
    "  --connections N     default 64\n"
    "  --size BYTES        of a body, default 4096\n"
    "  --first N --keys N  the keys: N from the first on (put and delete: each once, in scattered order)\n"
    "  --group N           keys that share a prefix, default 1000\n"
    "  --requests N        at most, default as many as keys (get and list with --seconds: no limit)\n"
    "  --seconds S         at most\n"
    "  --warm-up S         before the clock starts\n"
    "  --unsigned          no signature at all\n"
    "  --unsigned-payload  signed, but not the body\n"
    "  --delimiter         list: common prefixes\n"
    "  --idle-after        when done, keep the connections until stdin ends\n";

static enum rc number(const char *text, uint64_t *ret)
{
    return view_u64(view_cstr(text), ret) ? RC_OK : RC_INVALID;
}

static enum rc seconds(const char *text, int64_t *ret_ns)
{
    char *end = NULL;
    double s = strtod(text, &end);

    if (end == text || *end || s < 0 || s > 1e6)
        return RC_INVALID;
    *ret_ns = (int64_t)(s * 1e9);
    return RC_OK;
}

static enum rc op_of(const char *text, enum load_op *ret)
{
    static const char *const names[] = {"put", "get", "delete", "list"};

    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(text, names[i]) == 0) {
            *ret = (enum load_op)i;
            return RC_OK;
        }
    return RC_INVALID;
}

static enum rc connections(const char *text, unsigned *ret)
{
    uint64_t n = 0;

    if (number(text, &n) != RC_OK || n < 1 || n > LOAD_CONNECTIONS_MAX)
        return RC_INVALID;
    *ret = (unsigned)n;
    return RC_OK;
}

static enum rc option(struct run *r, enum option_id id)
{
    struct load_cfg *c = &r->cfg;

    switch (id) {
    case OPT_SERVER:
        c->server = optarg;
        return RC_OK;
    case OPT_BUCKET:
        c->bucket = optarg;
        return RC_OK;
    case OPT_OP:
        return op_of(optarg, &c->op);
    case OPT_CONNECTIONS:
        return connections(optarg, &c->connections);
    case OPT_SIZE:
        return number(optarg, &c->size);
    case OPT_FIRST:
        return number(optarg, &c->first);
    case OPT_KEYS:
        return number(optarg, &c->keys);
    case OPT_GROUP:
        return number(optarg, &c->group);
    case OPT_REQUESTS:
        return number(optarg, &c->requests);
    case OPT_SECONDS:
        return seconds(optarg, &c->nanoseconds);
    case OPT_WARM_UP:
        return seconds(optarg, &c->warm_up_ns);
    case OPT_UNSIGNED:
        c->unsigned_head = true;
        return RC_OK;
    case OPT_UNSIGNED_PAYLOAD:
        c->unsigned_payload = true;
        return RC_OK;
    case OPT_DELIMITER:
        c->delimiter = true;
        return RC_OK;
    case OPT_IDLE_AFTER:
        r->idle_after = true;
        return RC_OK;
    case OPT_HELP:
        break;
    }
    return RC_INVALID;
}

static enum rc options_parse(struct run *r, int argc, char **argv)
{
    int id;

    while ((id = getopt_long(argc, argv, "", options, NULL)) != -1)
        if (id == '?' || option(r, (enum option_id)id) != RC_OK)
            return RC_INVALID;
    if (optind != argc || !r->cfg.server || r->cfg.keys == 0 || r->cfg.group == 0)
        return RC_INVALID;
    bool again = r->cfg.nanoseconds && (r->cfg.op == LOAD_GET || r->cfg.op == LOAD_LIST);
    if (r->cfg.requests == 0)
        r->cfg.requests = again ? UINT64_MAX : r->cfg.keys;
    return r->cfg.unsigned_head || (r->cfg.access_key && r->cfg.secret_key) ? RC_OK : RC_INVALID;
}

int main(int argc, char **argv)
{
    struct run r = {.epoll_fd = -1};
    struct err e = {""};

    r.cfg = (struct load_cfg){
        .bucket = "bench",
        .access_key = getenv("HOLDFAST_ACCESS_KEY"),
        .secret_key = getenv("HOLDFAST_SECRET_KEY"),
        .connections = 64,
        .size = 4096,
        .keys = 100000,
        .group = 1000,
    };
    if (options_parse(&r, argc, argv) != RC_OK) {
        fputs(usage, stderr);
        return 2;
    }
    enum rc rc = run_all(&r, &e);
    if (rc != RC_OK)
        fprintf(stderr, "bench_load: %s\n", e.text);
    run_free(&r);
    return rc == RC_OK ? 0 : 1;
}
