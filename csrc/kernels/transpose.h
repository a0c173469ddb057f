/* transpose.h: y[row*y_row + i] = x[i*x_row + row] for rows and i below `rows` and `columns`: squares of one vector a
 * side, and single elements at the edges. */

static void transpose(const int32_t *x, ptrdiff_t x_row, ptrdiff_t rows, ptrdiff_t columns, int32_t *y,
                      ptrdiff_t y_row) {
  const ptrdiff_t whole_rows = rows - rows % FNN_LANES, whole_columns = columns - columns % FNN_LANES;
  for (ptrdiff_t i = 0; i < whole_columns; i += FNN_LANES)
    for (ptrdiff_t row = 0; row < whole_rows; row += FNN_LANES)
      vi_transpose(x + i * x_row + row, x_row, y + row * y_row + i, y_row);
  for (ptrdiff_t row = 0; row < rows; row++)
    for (ptrdiff_t i = row < whole_rows ? whole_columns : 0; i < columns; i++) y[row * y_row + i] = x[i * x_row + row];
}
