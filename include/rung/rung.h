/* rung.h - librung: language models that search with a verifier while they answer.
 *
 * What a program needs for the main jobs, in one include.  Each header below is a contract of
 * its own and may be included alone; those of the engine's inside (kernel, tensor, model) are
 * installed too, but not here.
 *
 *     base/err.h, buf.h, mem.h   a status and one sentence; strings; whose memory is whose
 *     base/call.h                cancel flag, deadline, events and costs of a long call
 *     bundle/source.h            -m NAME to a file; pulling
 *     bundle/chat.h              a conversation as token ids
 *     lm/engine.h, lm/lm.h       open a model; generate and score over a tree of sequences
 *     lm/measure.h               perplexity, KL divergence
 *     search/search.h            strategies over a proposer and a scorer of your own
 *     solve/solve.h              problem in, answer with votes and costs out; many of them
 *     grade/grade.h              are two answers the same
 *
 * A function that can fail returns rg_status and takes an rg_err last, which then holds one
 * sentence (NULL is fine).  The library never prints, exits or aborts, keeps no state outside
 * what it hands out, and calls back only through an rg_call's sink.  Objects may be used from
 * several threads where their header says so.  examples/ are complete programs.
 *
 *     cc prog.c $(pkg-config --cflags --libs rung)                 and --static for librung.a */
#ifndef RUNG_RUNG_H
#define RUNG_RUNG_H

#include "rung/base/buf.h"
#include "rung/base/call.h"
#include "rung/base/err.h"
#include "rung/base/mem.h"
#include "rung/base/rng.h"
#include "rung/base/version.h"
#include "rung/bundle/chat.h"
#include "rung/bundle/source.h"
#include "rung/grade/grade.h"
#include "rung/lm/engine.h"
#include "rung/lm/lm.h"
#include "rung/lm/measure.h"
#include "rung/search/search.h"
#include "rung/solve/solve.h"

#endif
