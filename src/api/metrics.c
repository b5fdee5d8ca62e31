/* /metrics in Prometheus' text format 0.0.4 (https://prometheus.io/docs/instrumenting/exposition_formats/). */
#include "api/api_priv.h"

#define LATENCY_BUCKETS 20

enum rc metrics_head(struct buf *b, const char *name, const char *type, const char *help)
{
    return buf_printf(b, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static enum rc one(struct buf *b, const char *name, const char *type, const char *help, uint64_t value)
{
    HF_TRY(metrics_head(b, name, type, help));
    return buf_printf(b, "%s %llu\n", name, (unsigned long long)value);
}

/* A label's value: backslash, quote and line feed escaped, as the format has it. */
enum rc metrics_label(struct buf *b, const char *value)
{
    for (const char *p = value; *p; p++) {
        if (*p == '\\' || *p == '"')
            HF_TRY(buf_put(b, "\\", 1));
        HF_TRY(*p == '\n' ? buf_puts(b, "\\n") : buf_put(b, p, 1));
    }
    return RC_OK;
}

static enum rc disk_line(struct buf *b, const char *name, const struct disk *k, const char *more, uint64_t value)
{
    HF_TRY(buf_printf(b, "%s{disk=\"", name));
    HF_TRY(metrics_label(b, k->path));
    return buf_printf(b, "\"%s} %llu\n", more, (unsigned long long)value);
}

static enum rc disks(struct engine *g, struct buf *b)
{
    char more[64];

    HF_TRY(metrics_head(b, "holdfast_disk_state", "gauge", "1 for the state that the disk is in."));
    for (unsigned i = 0; i < g->disks->n; i++)
        for (enum disk_state s = DISK_OK; s <= DISK_QUARANTINED; s++) {
            const struct disk *k = &g->disks->disk[i];

            snprintf(more, sizeof more, ",state=\"%s\"", disk_state_name(s));
            HF_TRY(disk_line(b, "holdfast_disk_state", k, more, k->state == s));
        }
    HF_TRY(metrics_head(b, "holdfast_disk_used_bytes", "gauge", "Bytes that Holdfast holds on the disk."));
    for (unsigned i = 0; i < g->disks->n; i++)
        HF_TRY(disk_line(b, "holdfast_disk_used_bytes", &g->disks->disk[i], "", g->disks->disk[i].bytes_used));
    return RC_OK;
}

static enum rc requests(struct gateway *w, struct buf *b)
{
    struct gateway_stats s;
    uint64_t sum = 0;

    gateway_stats(w, &s);
    HF_TRY(metrics_head(b, "holdfast_s3_requests_total", "counter", "Requests by status class."));
    for (unsigned i = 1; i < 6; i++)
        HF_TRY(
            buf_printf(b, "holdfast_s3_requests_total{status=\"%uxx\"} %llu\n", i, (unsigned long long)s.by_status[i]));
    HF_TRY(one(b, "holdfast_s3_received_bytes_total", "counter", "Bytes of bodies received.", s.bytes_in));
    HF_TRY(one(b, "holdfast_s3_sent_bytes_total", "counter", "Bytes of bodies sent.", s.bytes_out));
    HF_TRY(one(b, "holdfast_s3_connections", "gauge", "Open connections.", s.connections));
    HF_TRY(metrics_head(b, "holdfast_s3_request_seconds", "histogram", "Time from a request's head to its end."));
    for (unsigned i = 0; i < LATENCY_BUCKETS; i++) {
        sum += s.latency_us_bucket[i];
        HF_TRY(buf_printf(b, "holdfast_s3_request_seconds_bucket{le=\"%.6f\"} %llu\n", (double)(64ull << i) / 1e6,
                          (unsigned long long)sum));
    }
    return buf_printf(b,
                      "holdfast_s3_request_seconds_bucket{le=\"+Inf\"} %llu\nholdfast_s3_request_seconds_sum %.6f\n"
                      "holdfast_s3_request_seconds_count %llu\n",
                      (unsigned long long)s.requests, (double)s.latency_us_sum / 1e6, (unsigned long long)s.requests);
}

static enum rc engine_metrics(struct engine *g, struct buf *b)
{
    struct engine_scrub_report scrub;
    struct store_stats store;
    struct seq_stats seq;

    engine_scrub_report(g, &scrub);
    store_stats(g->store, &store);
    seq_stats(g->seq, &seq);
    HF_TRY(one(b, "holdfast_objects", "gauge", "Current objects.", cat_objects(g->cat)));
    HF_TRY(one(b, "holdfast_journal_sequence", "counter", "Newest durable record.", journal_durable(g->journal)));
    HF_TRY(one(b, "holdfast_journal_epoch", "counter", "Epoch of the journal's members.", journal_epoch(g->journal)));
    HF_TRY(
        one(b, "holdfast_journal_full", "gauge", "1 while the disks have no room for more.", journal_full(g->journal)));
    HF_TRY(one(b, "holdfast_meter_lag_records", "gauge", "Records the meter has not applied yet.",
               journal_durable(g->journal) - meter_cursor(g->meter)));
    HF_TRY(one(b, "holdfast_commit_batches_total", "counter", "Batches committed.", seq.batches));
    HF_TRY(one(b, "holdfast_commit_records_total", "counter", "Records committed.", seq.records));
    HF_TRY(one(b, "holdfast_commit_failed_total", "counter", "Records that could not be made durable.", seq.failed));
    HF_TRY(one(b, "holdfast_read_corrupt_total", "counter", "Corrupt blocks found by reads.", store.corrupt_found));
    HF_TRY(
        one(b, "holdfast_read_repaired_total", "counter", "Corrupt blocks healed by reads.", store.corrupt_repaired));
    HF_TRY(one(b, "holdfast_scrub_blocks_total", "counter", "Blocks verified by the background scrub.",
               scrub.total.blocks));
    HF_TRY(one(b, "holdfast_scrub_corrupt_total", "counter", "Corrupt blocks found by it.", scrub.total.corrupt));
    HF_TRY(one(b, "holdfast_scrub_unrepairable_total", "counter", "Of these, not healed.", scrub.total.unrepairable));
    HF_TRY(one(b, "holdfast_scrub_last_pass_timestamp_seconds", "gauge", "When the last whole pass ended; 0 = never.",
               (uint64_t)(scrub.last_pass_ns / NS_PER_S)));
    return one(b, "holdfast_catalog_memory_bytes", "gauge", "Memory of the catalog's engine.",
               cat_memory_bytes(g->cat));
}

enum rc metrics_text(struct api *a, struct buf *out)
{
    HF_TRY(engine_metrics(a->cfg.engine, out));
    HF_TRY(disks(a->cfg.engine, out));
    HF_TRY(metrics_money(a->cfg.engine, out));
    if (a->cfg.gateway)
        HF_TRY(requests(a->cfg.gateway, out));
    HF_TRY(metrics_head(out, "holdfast_start_time_seconds", "gauge", "When the daemon started."));
    return buf_printf(out, "holdfast_start_time_seconds %lld\n", (long long)(a->started_ns / NS_PER_S));
}
