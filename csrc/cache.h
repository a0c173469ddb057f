/* cache.h: the line of the cache, and how to ask for one before it is needed. */
#ifndef FNN_CACHE_H
#define FNN_CACHE_H

enum { FNN_CACHE_LINE = 64, FNN_LINE_FLOATS = FNN_CACHE_LINE / 4 };

#if defined(__GNUC__)
#define FNN_PREFETCH(address) __builtin_prefetch(address)
#define FNN_PREFETCH_FAR(address) __builtin_prefetch(address, 0, 2) /* no nearer than the second-level cache */
#else
#define FNN_PREFETCH(address) ((void)(address))
#define FNN_PREFETCH_FAR(address) ((void)(address))
#endif

#endif
