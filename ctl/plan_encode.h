/*
 * plan_encode.h - a plan as text for people, and as JSON for programs.
 */
#ifndef HERALD_CTL_PLAN_ENCODE_H
#define HERALD_CTL_PLAN_ENCODE_H

#include <stdio.h>

#include "ctl/plan.h"

/*
 * One line a Service, "CHANGE NS/NAME BEFORE -> AFTER (WHY)", then one for each
 * object that is refused or doubtful, and the summary. is_brief leaves out the
 * Services for whom nothing changes.
 */
void plan_print(const struct plan *p, bool is_brief, FILE *out);

/*
 * {"services":[{"service","change","before":[],"after":[],"why"}],
 *  "problems":[{"kind","name","refused","text"}],"summary":{"keep":N,...}}
 */
void plan_print_json(const struct plan *p, bool is_brief, FILE *out);

#endif
