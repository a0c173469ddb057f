/* feed.c: gathers and converts rows of users' arrays.  Conversion to int32 truncates, and what does not fit becomes the
 * nearest int32, so that a label of 2^32 is refused by the step that reads it and never taken for 0. */
#include "feed.h"

#include <string.h>

#include "cache.h"
#include "step.h"

enum { CHUNK_ELEMENTS = 16384 };

static ptrdiff_t item_size(int32_t dtype) {
  switch (dtype) {
    case FNN_U8:
    case FNN_I8:
    case FNN_BOOL: return 1;
    case FNN_I16:
    case FNN_U16: return 2;
    case FNN_F64:
    case FNN_I64: return 8;
    default: return 4;
  }
}

static int same_type(const fnn_feed *feed) { return feed->integer ? feed->dtype == FNN_I32 : feed->dtype == FNN_F32; }

static int in_place(const fnn_feed *feed) { return feed->index == NULL && same_type(feed); }

static ptrdiff_t batch_bytes(const fnn_feed *feed) {
  const ptrdiff_t lines = fnn_ceil_div(feed->batch * feed->row * 4, FNN_CACHE_LINE);
  return in_place(feed) ? 0 : lines * FNN_CACHE_LINE;
}

ptrdiff_t fnn_feed_staging(const fnn_feed *feed) { return 2 * batch_bytes(feed); }

static ptrdiff_t chunk_rows(const fnn_feed *feed) {
  return feed->row < CHUNK_ELEMENTS ? CHUNK_ELEMENTS / (feed->row > 0 ? feed->row : 1) : 1;
}

ptrdiff_t fnn_feed_chunks(const fnn_feed *feed) {
  ptrdiff_t rows = chunk_rows(feed);
  return in_place(feed) ? 0 : feed->batch / rows + (feed->batch % rows != 0);
}

double fnn_feed_work(const fnn_feed *feed) {
  return in_place(feed) ? 0.0 : (double)feed->batch * (10.0 + 0.5 * (double)feed->row);
}

char *fnn_feed_base(const fnn_feed *feed, ptrdiff_t t) {
  if (!in_place(feed)) return feed->staging + t % 2 * batch_bytes(feed);
  return (char *)feed->data + t * feed->batch * feed->row * 4; /* only read: the binding sees to it */
}

static int32_t to_int32(double x) {
  if (!(x > (double)INT32_MIN)) return INT32_MIN; /* NaN too */
  return x < (double)INT32_MAX ? (int32_t)x : INT32_MAX;
}

static int32_t clamp_int32(int64_t x) { return x < INT32_MIN ? INT32_MIN : x > INT32_MAX ? INT32_MAX : (int32_t)x; }

#define CONVERT(type, to, expression)                          \
  {                                                            \
    const type *x = source;                                    \
    to *y = target;                                            \
    for (ptrdiff_t i = 0; i < count; i++) y[i] = (expression); \
    break;                                                     \
  }

static void to_floats(int32_t dtype, const void *source, void *target, ptrdiff_t count) {
  switch (dtype) {
    case FNN_F64: CONVERT(double, float, (float)x[i])
    case FNN_U8: CONVERT(uint8_t, float, (float)x[i])
    case FNN_I8: CONVERT(int8_t, float, (float)x[i])
    case FNN_I16: CONVERT(int16_t, float, (float)x[i])
    case FNN_U16: CONVERT(uint16_t, float, (float)x[i])
    case FNN_I32: CONVERT(int32_t, float, (float)x[i])
    case FNN_U32: CONVERT(uint32_t, float, (float)x[i])
    case FNN_I64: CONVERT(int64_t, float, (float)x[i])
    case FNN_BOOL: CONVERT(uint8_t, float, (float)(x[i] != 0))
    default: memcpy(target, source, (size_t)count * 4); /* FNN_F32 */
  }
}

static void to_integers(int32_t dtype, const void *source, void *target, ptrdiff_t count) {
  switch (dtype) {
    case FNN_F32: CONVERT(float, int32_t, to_int32((double)x[i]))
    case FNN_F64: CONVERT(double, int32_t, to_int32(x[i]))
    case FNN_U8: CONVERT(uint8_t, int32_t, x[i])
    case FNN_I8: CONVERT(int8_t, int32_t, x[i])
    case FNN_I16: CONVERT(int16_t, int32_t, x[i])
    case FNN_U16: CONVERT(uint16_t, int32_t, x[i])
    case FNN_U32: CONVERT(uint32_t, int32_t, clamp_int32(x[i]))
    case FNN_I64: CONVERT(int64_t, int32_t, clamp_int32(x[i]))
    case FNN_BOOL: CONVERT(uint8_t, int32_t, x[i] != 0)
    default: memcpy(target, source, (size_t)count * 4); /* FNN_I32 */
  }
}

int fnn_feed_run(const fnn_feed *feed, ptrdiff_t t, ptrdiff_t chunk, int64_t *wrong) {
  void (*convert)(int32_t, const void *, void *, ptrdiff_t) = feed->integer ? to_integers : to_floats;
  ptrdiff_t source_bytes = feed->row * item_size(feed->dtype), target_bytes = feed->row * 4;
  char *staging = fnn_feed_base(feed, t);
  ptrdiff_t begin = chunk * chunk_rows(feed), end = begin + chunk_rows(feed), first = t * feed->batch;
  if (end > feed->batch) end = feed->batch;
  if (feed->index == NULL) {
    convert(feed->dtype, feed->data + (first + begin) * source_bytes, staging + begin * target_bytes,
            (end - begin) * feed->row);
    return FNN_OK;
  }
  for (ptrdiff_t i = begin; i < end; i++) {
    int64_t row = feed->index[first + i];
    if (row < 0 || row >= feed->rows) {
      *wrong = row;
      return FNN_EINDEX;
    }
    convert(feed->dtype, feed->data + row * source_bytes, staging + i * target_bytes, feed->row);
  }
  return FNN_OK;
}
