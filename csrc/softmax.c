/* softmax.c: softmax and the cross-entropies that end a classifier, by groups of rows. */
#include "dispatch.h"
#include "step.h"

enum { CHUNK = 4096 }; /* elements */

/* Checks and fills what all steps of this family share; `error` says what is wrong if the operands do not hold. */
static const char *prepare_rows(fnn_step *step, ptrdiff_t rows, ptrdiff_t cols, int operands_hold, const char *error) {
  if (rows < 0 || cols < 0 || (cols == 0 && rows > 0) || !operands_hold) return error;
  if (cols > INT32_MAX) return "softmax: labels are 32-bit: too many columns";
  step->chunks = rows == 0 ? 0 : fnn_ceil_div(rows, fnn_max(1, CHUNK / cols));
  step->scratch_bytes = 0;
  step->work = (double)rows * (20.0 + 0.8 * (double)cols);
  return NULL;
}

/* The rows of a chunk: from *first on. */
static ptrdiff_t chunk_rows(ptrdiff_t rows, ptrdiff_t cols, ptrdiff_t chunk, ptrdiff_t *first) {
  ptrdiff_t group = fnn_max(1, CHUNK / cols);
  *first = chunk * group;
  return fnn_min(group, rows - *first);
}

/* The worker belongs to this thread alone; kernels see it as constant but for this. */
static void check_labels(const int32_t *label, ptrdiff_t rows, ptrdiff_t cols, const fnn_worker *worker) {
  for (ptrdiff_t i = 0; i < rows; i++) {
    if (label[i] < 0 || label[i] >= cols) {
      fnn_worker *own = (fnn_worker *)worker;
      if (own->status != FNN_OK) return;
      own->status = FNN_EINDEX;
      own->error_value = label[i];
    }
  }
}

const char *fnn_softmax_prepare(fnn_step *step) {
  const fnn_softmax_dims *d = (const fnn_softmax_dims *)step->dim;
  ptrdiff_t count = fnn_multiply(d->rows, d->cols);
  int hold = fnn_holds(step, 0, count) && fnn_holds(step, 1, count);
  return prepare_rows(step, d->rows, d->cols, hold, "softmax: sizes do not fit the operands");
}

void fnn_softmax_run(const fnn_step *step, const fnn_worker *worker, ptrdiff_t chunk) {
  const fnn_softmax_dims *d = (const fnn_softmax_dims *)step->dim;
  const float *x = fnn_pointer(step, worker, 0);
  float *y = fnn_pointer(step, worker, 1);
  ptrdiff_t i, rows = chunk_rows(d->rows, d->cols, chunk, &i);
  fnn_kernel->softmax(x + i * d->cols, rows, d->cols, y + i * d->cols);
}

const char *fnn_softmax_crossentropy_prepare(fnn_step *step) {
  const fnn_softmax_crossentropy_dims *d = (const fnn_softmax_crossentropy_dims *)step->dim;
  ptrdiff_t count = fnn_multiply(d->rows, d->cols);
  int hold = fnn_holds(step, 0, count) && fnn_holds(step, 1, count) && fnn_holds(step, 2, d->rows) &&
             fnn_holds(step, 3, count);
  return prepare_rows(step, d->rows, d->cols, hold, "softmax_crossentropy: sizes do not fit the operands");
}

void fnn_softmax_crossentropy_run(const fnn_step *step, const fnn_worker *worker, ptrdiff_t chunk) {
  const fnn_softmax_crossentropy_dims *d = (const fnn_softmax_crossentropy_dims *)step->dim;
  const float *x = fnn_pointer(step, worker, 0), *target = fnn_pointer(step, worker, 1);
  float *loss = fnn_pointer(step, worker, 2), *probability = fnn_pointer(step, worker, 3);
  ptrdiff_t i, rows = chunk_rows(d->rows, d->cols, chunk, &i), at = i * d->cols;
  fnn_kernel->softmax_crossentropy(x + at, target + at, rows, d->cols, loss + i, probability + at);
}

const char *fnn_sparse_softmax_crossentropy_prepare(fnn_step *step) {
  const fnn_sparse_softmax_crossentropy_dims *d = (const fnn_sparse_softmax_crossentropy_dims *)step->dim;
  ptrdiff_t count = fnn_multiply(d->rows, d->cols);
  int hold = fnn_holds(step, 0, count) && fnn_holds(step, 1, d->rows) && fnn_holds(step, 2, d->rows) &&
             fnn_holds(step, 3, count);
  return prepare_rows(step, d->rows, d->cols, hold, "sparse_softmax_crossentropy: sizes do not fit the operands");
}

void fnn_sparse_softmax_crossentropy_run(const fnn_step *step, const fnn_worker *worker, ptrdiff_t chunk) {
  const fnn_sparse_softmax_crossentropy_dims *d = (const fnn_sparse_softmax_crossentropy_dims *)step->dim;
  const float *x = fnn_pointer(step, worker, 0);
  const int32_t *label = fnn_pointer(step, worker, 1);
  float *loss = fnn_pointer(step, worker, 2), *probability = fnn_pointer(step, worker, 3);
  ptrdiff_t i, rows = chunk_rows(d->rows, d->cols, chunk, &i), at = i * d->cols;
  check_labels(label + i, rows, d->cols, worker);
  fnn_kernel->sparse_softmax_crossentropy(x + at, label + i, rows, d->cols, loss + i, probability + at);
}

const char *fnn_sparse_softmax_crossentropy_gradient_prepare(fnn_step *step) {
  const fnn_sparse_softmax_crossentropy_gradient_dims *d =
      (const fnn_sparse_softmax_crossentropy_gradient_dims *)step->dim;
  ptrdiff_t count = fnn_multiply(d->rows, d->cols);
  int hold = fnn_holds(step, 0, count) && fnn_holds(step, 1, d->rows) && fnn_holds(step, 2, d->rows) &&
             fnn_holds(step, 3, count);
  return prepare_rows(step, d->rows, d->cols, hold,
                      "sparse_softmax_crossentropy_gradient: sizes do not fit the operands");
}

void fnn_sparse_softmax_crossentropy_gradient_run(const fnn_step *step, const fnn_worker *worker, ptrdiff_t chunk) {
  const fnn_sparse_softmax_crossentropy_gradient_dims *d =
      (const fnn_sparse_softmax_crossentropy_gradient_dims *)step->dim;
  const float *probability = fnn_pointer(step, worker, 0), *dloss = fnn_pointer(step, worker, 2);
  const int32_t *label = fnn_pointer(step, worker, 1);
  float *dx = fnn_pointer(step, worker, 3);
  ptrdiff_t i, rows = chunk_rows(d->rows, d->cols, chunk, &i), at = i * d->cols;
  check_labels(label + i, rows, d->cols, worker);
  fnn_kernel->sparse_softmax_crossentropy_gradient(probability + at, label + i, dloss + i, rows, d->cols, dx + at);
}
