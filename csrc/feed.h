/* feed.h: rows of users' arrays on their way into a program. */
#ifndef FNN_FEED_H
#define FNN_FEED_H

#include "fnn.h"

/* Independent pieces of the copy of one iteration's rows; 0 when the program reads the user's array in place. */
ptrdiff_t fnn_feed_chunks(const fnn_feed *feed);

/* Rough cost of that copy on one thread, in nanoseconds. */
double fnn_feed_work(const fnn_feed *feed);

/* Where the program finds the rows of iteration t: not where those of the iterations before and behind it are. */
char *fnn_feed_base(const fnn_feed *feed, ptrdiff_t t);

/* Gathers and converts the rows of one chunk of iteration t.  Returns FNN_OK, or FNN_EINDEX and the index in *wrong. */
int fnn_feed_run(const fnn_feed *feed, ptrdiff_t t, ptrdiff_t chunk, int64_t *wrong);

#endif
