/* `holdfast serve`: everything in one process, until SIGTERM or SIGINT; and `holdfast rebuild`. */
#include "cli/cli_priv.h"

#include "api/api.h"
#include "base/log.h"

#include <malloc.h>
#include <signal.h>
#include <sys/resource.h>
#include <stdlib.h>
#include <string.h>

/* SIGTERM ends within 20 s; requests in flight get most of it. */
#define DRAIN_MS 12000u
/* glibc keeps a heap per thread; two keep memory flat without contention that was measured. */
#define MALLOC_ARENAS 2

enum rc cli_lock(const char *data_dir, int *ret_fd, struct err *e)
{
    char path[OS_PATH_MAX];

    HF_TRY(os_mkdirs(os_real(), data_dir, e));
    if (!os_path(path, data_dir, "lock"))
        return err_set(e, RC_LIMIT, "%s: the path is too long", data_dir);
    enum rc rc = os_lock(path, ret_fd, e);
    if (rc == RC_UNAVAILABLE)
        return err_set(e, rc, "%s is in use by another holdfast: stop it first, or name another folder with --data",
                       data_dir);
    return rc;
}

static struct engine_cfg engine_config(const struct cli_args *args, const struct config *c)
{
    return (struct engine_cfg){
        .disks = {.data_dir = c->data_dir,
                  .paths = c->disk,
                  .n_paths = c->n_disks,
                  .copies = c->copies,
                  .virtual_clock = cli_flag(args, "virtual-clock"),
                  .confirm_epoch = cli_flag(args, "confirm-epoch")},
        .seq = {.virtual_clock = cli_flag(args, "virtual-clock")},
        .scrub_bytes_per_s = c->scrub_bytes_per_s,
    };
}

struct daemon {
    struct engine *engine;
    struct gateway *gateway;
    struct api *api;
};

static enum rc first_key(struct engine *g, const struct cli_args *args, struct err *e)
{
    char access[ACCESS_KEY_MAX + 1], secret[SECRET_KEY_MAX + 1];
    bool made = false;

    HF_TRY(engine_first_key(g, getenv("HOLDFAST_ACCESS_KEY"), getenv("HOLDFAST_SECRET_KEY"), access, secret, &made, e));
    if (made && secret[0] && !cli_flag(args, "json"))
        printf("first key, shown this once:\n  access key  %s\n  secret key  %s\n", access, secret);
    else if (made && secret[0])
        fprintf(stderr, "first key, shown this once: access_key %s secret_key %s\n", access, secret);
    explicit_bzero(secret, sizeof secret);
    return RC_OK;
}

static enum rc start(struct daemon *d, const struct cli_args *args, const struct config *c, struct err *e)
{
    struct engine_cfg ec = engine_config(args, c);

    HF_TRY(engine_open(os_real(), &ec, &d->engine, e));
    HF_TRY(first_key(d->engine, args, e));
    struct gateway_cfg gc = {.listen = c->s3,
                             .domain = c->domain,
                             .region = c->region,
                             .egress_internal = {c->internal.cidr, c->internal.n},
                             .egress_cdn = {c->cdn.cidr, c->cdn.n},
                             .egress_cross_region = {c->cross_region.cidr, c->cross_region.n}};
    HF_TRY(gateway_open(d->engine, &gc, &d->gateway, e));
    struct api_cfg ac = {.listen = c->api, .data_dir = c->data_dir, .engine = d->engine, .gateway = d->gateway};
    return api_open(&ac, &d->api, e);
}

static void report(const struct engine *g)
{
    const struct journal_report *r = &g->report;

    if (r->cut_batches || r->copied_batches || r->repaired_segments || r->stale_members)
        log_warn("recovery",
                 "%llu torn batches cut, %llu copied to a disk that lacked them, %llu segments repaired, %llu disks "
                 "came back old",
                 (unsigned long long)r->cut_batches, (unsigned long long)r->copied_batches,
                 (unsigned long long)r->repaired_segments, (unsigned long long)r->stale_members);
    for (unsigned i = 0; i < g->disks->n; i++)
        if (g->disks->disk[i].state != DISK_OK)
            log_warn("disks", "%s is %s", g->disks->disk[i].path, disk_state_name(g->disks->disk[i].state));
}

static void announce(const struct daemon *d, const struct cli_args *args)
{
    if (cli_flag(args, "json"))
        printf("{\"ready\": true, \"s3\": \"%s\", \"api\": \"%s\"}\n", gateway_address(d->gateway),
               api_address(d->api));
    else
        printf("ready: S3 on http://%s, health and metrics on http://%s\n", gateway_address(d->gateway),
               api_address(d->api));
    fflush(stdout);
}

static void stop(struct daemon *d)
{
    if (d->api)
        api_set_ready(d->api, false);
    if (d->gateway)
        gateway_close(d->gateway, DRAIN_MS);
    if (d->engine)
        engine_end_work(d->engine);
    api_close(d->api);
    engine_close(d->engine);
}

/* Connections and volumes may need more descriptors than the soft limit of a shell gives. */
static void raise_descriptors(void)
{
    struct rlimit r;

    if (getrlimit(RLIMIT_NOFILE, &r) != 0)
        return;
    r.rlim_cur = r.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &r) != 0)
        log_warn("serve", "the limit of open files stays where it is");
}

static void block_signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
    pthread_sigmask(SIG_BLOCK, set, NULL);
    signal(SIGPIPE, SIG_IGN);
}

int cli_serve(const struct cli_args *args, const struct config *c)
{
    struct daemon d = {0};
    struct err e = {""};
    sigset_t set;
    int lock = -1, got = 0;

    mallopt(M_ARENA_MAX, MALLOC_ARENAS);
    block_signals(&set);
    raise_descriptors();
    enum rc rc = cli_lock(c->data_dir, &lock, &e);
    if (rc == RC_OK)
        rc = start(&d, args, c, &e);
    if (rc == RC_OK) {
        report(d.engine);
        api_set_ready(d.api, true);
        announce(&d, args);
        sigwait(&set, &got);
        log_info("serve", "%s: draining", got == SIGTERM ? "SIGTERM" : "SIGINT");
    } else {
        fprintf(stderr, "holdfast: %s\n", e.text[0] ? e.text : rc_name(rc));
    }
    stop(&d);
    return rc == RC_OK ? EXIT_DONE : EXIT_FAILED;
}

static void rebuild_progress(void *ctx, uint64_t done, uint64_t total)
{
    progress_show(ctx, done, total, "records");
}

int cli_rebuild(const struct cli_args *args, const struct config *c)
{
    struct engine_cfg ec = engine_config(args, c);
    struct progress_line line = {.what = "rebuild"};
    struct err e = {""};
    uint64_t records = 0;
    int lock = -1;

    enum rc rc = cli_lock(c->data_dir, &lock, &e);
    if (rc == RC_OK)
        rc = engine_rebuild(os_real(), &ec, rebuild_progress, &line, &records, &e);
    progress_end(&line);
    if (rc != RC_OK) {
        fprintf(stderr, "holdfast: %s\n", e.text[0] ? e.text : rc_name(rc));
        return EXIT_FAILED;
    }
    if (cli_flag(args, "json"))
        printf("{\"records\": %llu}\n", (unsigned long long)records);
    else
        printf("rebuilt from %llu records\n", (unsigned long long)records);
    return EXIT_DONE;
}
