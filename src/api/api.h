/* Holdfast: the daemon's own face: /healthz, /readyz and /metrics over HTTP, and the control socket D/holdfast.sock for
 * the CLI.
 *
 * Control protocol (one connection per verb, mode 0600): the client sends one JSON object on one line, {"verb":
 * "account.topup", …}; the daemon answers lines: {"progress": {"done", "total", "unit", "what"}} any number of times,
 * then one of {"result": …} or {"error": "sentence"}. Verbs that change accounts run one at a time. A client that goes
 * away cancels a scrub, nothing else. */
#ifndef HF_API_API_H
#define HF_API_API_H

#include "gateway/gateway.h"

struct api;
struct api_cfg {
    const char *listen; /* "127.0.0.1:9001" */
    const char *data_dir;
    struct engine *engine;
    struct gateway *gateway; /* for its statistics; may be NULL */
};
enum rc api_open(const struct api_cfg *cfg, struct api **ret, struct err *e) HF_MUST_USE;
const char *api_address(const struct api *a);
void api_set_ready(struct api *a, bool ready);
void api_close(struct api *a);

#endif
