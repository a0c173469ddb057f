/* dispatch.h: the table of micro-kernels, and the one in use.
 *
 * kernels.c is compiled once for each row of isa.def with that row's flags and -DFNN_ISA=<name>; each object exports
 * one table, fnn_kernels_<name>. */
#ifndef FNN_DISPATCH_H
#define FNN_DISPATCH_H

#include "fnn.h"
#include "kernel.h"

#define FNN_KERNEL(type, name, arguments) type(*name) arguments;
typedef struct fnn_kernel_table {
  int lanes; /* floats in a vector */
  int panel; /* columns of C that one tile of gemm spans at most */
#include "kernels.def"
} fnn_kernel_table;
#undef FNN_KERNEL

/* The selected table: scalar until fnn_isa_select is called, which the binding does when it is imported. */
extern const fnn_kernel_table *fnn_kernel;

#endif
