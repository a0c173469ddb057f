/* reduce.h: what reduce.c and its micro-kernels agree on. */
#ifndef FNN_REDUCE_H
#define FNN_REDUCE_H

/* The op of a reduce step. */
enum { FNN_REDUCE_SUM = 0, FNN_REDUCE_MAX = 1, FNN_REDUCE_MIN = 2, FNN_REDUCE_PRODUCT = 3 };

enum {
  FNN_REDUCE_NARROW = 256,  /* up to here rows are reduced several at once */
  FNN_REDUCE_OF_CODE = 1024 /* up to here rows are reduced while elementwise code makes them */
};

#endif
