/*
 * speaker_io.h - the speaker's shell: the loop around source, liveness, plan
 * and engines. Everything that happens marks the speaker dirty; one plan is
 * built and applied per turn of the loop.
 */
#ifndef HERALD_SPEAKER_SPEAKER_IO_H
#define HERALD_SPEAKER_SPEAKER_IO_H

#include "speaker/conf.h"

struct ev_loop;
struct speaker;

/*
 * Open everything on loop. Returns NULL with what was wrong and the remedy in
 * err. conf outlives the speaker.
 */
struct speaker *speaker_new(struct ev_loop *loop, const struct speaker_conf *conf,
    char err[512]);

/*
 * Leave on purpose: tell the other speakers, let the next owners announce,
 * then fall silent and break the loop. The director goes on forwarding.
 */
void speaker_leave(struct speaker *s);

void speaker_free(struct speaker *s);

#endif
