/* A scripted run against a whole engine, and the model of what it must leave behind. Shared by the crash and fault
 * tests. After k acknowledged steps and a crash, the state must be the one after k or after k + 1 steps: nothing lost,
 * nothing half there. */
#ifndef HF_TEST_ENGINE_SCRIPT_H
#define HF_TEST_ENGINE_SCRIPT_H

#include "os/fault.h"
#include "os/sim.h"
#include "sequence/engine.h"

enum step_kind {
    STEP_BUCKET,
    STEP_PUT,
    STEP_DELETE,
    STEP_VERSIONING,
    STEP_ACCOUNT,
    STEP_TOPUP,
    STEP_MULTIPART,
    STEP_TAGS,
    STEP_KEY
};
struct step {
    enum step_kind kind;
    const char *key;
    size_t size;
};
extern const struct step script_steps[];
extern const size_t script_n;
#define SCRIPT_KEYS 6

/* What the model says after some steps: for each key the step that wrote it, or -1. */
struct script_state {
    int writer[SCRIPT_KEYS];
    bool bucket, account;
    int64_t balance_nano;
};
void script_model(size_t steps, struct script_state *ret);

/* Opens an engine on this os with databases in memory and two disks, /disk1 and /disk2. */
enum rc script_open(struct os *os, struct engine **ret, struct err *e) HF_MUST_USE;
/* Runs steps from `first` until one is not acknowledged; gives the number acknowledged in all. */
size_t script_run(struct engine *g, size_t first);
/* Does the engine hold exactly this state? why names the first difference. */
bool script_matches(struct engine *g, const struct script_state *want, struct err *why);

#endif
