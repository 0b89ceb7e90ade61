#include <descent/core/kernels/reduce.h>
#include <descent/core/kernels/reduce_rows.h>

#include <algorithm>

namespace descent::kernel {

using detail::launch;

namespace {

template <class T>
void sum_rows(const T* x, T* out, std::int64_t rows, std::int64_t n) {
  const auto row_sum = [](const T* p, std::int64_t length) {
    Total<T> total = 0;
    simd::call([&]() __attribute__((always_inline)) { total = sum_of_blocks(p, length); });
    return total;
  };
  if (rows == 1) {
    *out = static_cast<T>(sum_of_pieces<Total<T>>(
        n, [=](auto begin, auto end) { return row_sum(x + begin, end - begin); }));
    return;
  }
  parallel_for(rows, std::max<std::int64_t>(1, kGrain / std::max<std::int64_t>(n, 1)),
               [&](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t r = begin; r < end; ++r)
                   out[r] = static_cast<T>(row_sum(x + r * n, n));
               });
}

/// out (outer, inner) = the sum over the middle of x (outer, n, inner).
template <class T>
void sum_columns(const T* x, T* out, std::int64_t outer, std::int64_t n, std::int64_t inner) {
  const auto sum = [=](const T* in, std::int64_t width, std::int64_t at)
      __attribute__((always_inline)) {
    constexpr std::int64_t kRows = 32;  // added at a time
    T* to = out + at;
    for (std::int64_t k0 = 0; k0 < width; k0 += kColumns) {
      const std::int64_t columns = width - k0 < kColumns ? width - k0 : kColumns;
      Total<T> total[kColumns] = {};
      for (std::int64_t block = 0; block < n; block += kRows) {
        T fold[kColumns] = {};
        const T* row = in + block * inner + k0;
        const std::int64_t rows = n - block < kRows ? n - block : kRows;
        if (columns == kColumns)
          for (std::int64_t r = 0; r < rows; ++r, row += inner)
            for (int k = 0; k < kColumns; ++k) fold[k] += row[k];
        else
          for (std::int64_t r = 0; r < rows; ++r, row += inner)
            for (std::int64_t k = 0; k < columns; ++k) fold[k] += row[k];
        for (int k = 0; k < kColumns; ++k) total[k] += fold[k];
      }
      for (std::int64_t k = 0; k < columns; ++k) to[k0 + k] = static_cast<T>(total[k]);
    }
  };
  for_columns(x, outer, n, inner, sum);
}

/// Moves the dimensions of `set` to the end: their n elements form a row. Calls f(row, n, number of
/// the row) for each row. n must not be 0.
template <class T, class F>
void for_rows(const char* op, const Tensor& x, unsigned set, Tensor& out, F f) {
  const Tensor flat = reduced_last(x, set);
  const std::int64_t rows = out.numel(), n = rows > 0 ? flat.numel() / rows : 0;
  const T* p = data<T>(flat);
  launch(op, {&out}, {&flat}, [=] {
    parallel_for(rows, std::max<std::int64_t>(1, kGrain / std::max<std::int64_t>(n, 1)),
                 [=](std::int64_t begin, std::int64_t end) {
                   for (std::int64_t r = begin; r < end; ++r) f(p + r * n, n, r);
                 });
  });
}

void check_not_empty(const char* op, const Tensor& x, unsigned set) {
  for (int d = 0; d < x.shape().rank(); ++d)
    if ((set >> d & 1) != 0 && x.shape()[d] == 0)
      fail<ShapeError>(op, "got shape ", x.shape(), ", expected elements along dimension ", d,
                       ". Hint: nothing has no ", op);
}

template <class Better>
Tensor extreme(const char* op, const Tensor& x, const Dims& dims, bool keepdim, Better better) {
  const unsigned set = dim_set(op, dims, x.shape().rank());
  check_not_empty(op, x, set);
  if (x.dtype() == kBool) return extreme(op, cast(x, kInt64), dims, keepdim, better);
  Tensor out = empty(reduced_shape(x.shape(), set, keepdim), x.dtype());
  dispatch_numeric(x.dtype(), [&]<class T>(T) {
    T* to = data<T>(out);
    for_rows<T>(op, x, set, out, [=](const T* row, std::int64_t n, std::int64_t r) {
      T m = row[0];
      for (std::int64_t i = 1; i < n; ++i) m = better(row[i], m) || row[i] != row[i] ? row[i] : m;
      to[r] = m;
    });
  });
  return out;
}

template <class Better>
Tensor arg_extreme(const char* op, const Tensor& x, std::int64_t dim, bool keepdim, Better better) {
  const unsigned set = 1u << normalize_dim(op, dim, x.shape().rank());
  check_not_empty(op, x, set);
  if (x.dtype() == kBool) return arg_extreme(op, cast(x, kInt64), dim, keepdim, better);
  Tensor out = empty(reduced_shape(x.shape(), set, keepdim), kInt64);
  dispatch_numeric(x.dtype(), [&]<class T>(T) {
    auto* to = data<std::int64_t>(out);
    for_rows<T>(op, x, set, out, [=](const T* row, std::int64_t n, std::int64_t r) {
      std::int64_t m = 0;
      for (std::int64_t i = 1; i < n && row[m] == row[m]; ++i)
        if (better(row[i], row[m]) || row[i] != row[i]) m = i;
      to[r] = m;
    });
  });
  return out;
}

constexpr auto kGreater = [](auto a, auto b) { return a > b; };
constexpr auto kLess = [](auto a, auto b) { return a < b; };

}  // namespace

unsigned dim_set(std::string_view op, const Dims& dims, int rank) {
  if (dims.empty()) return (1u << rank) - 1;
  unsigned set = 0;
  for (const std::int64_t dim : dims) {
    const int d = normalize_dim(op, dim, rank);
    if ((set >> d & 1) != 0)
      fail<ValueError>(op, "got dimension ", dim, " twice, expected each once");
    set |= 1u << d;
  }
  return rank == 0 ? 0 : set;
}

Shape reduced_shape(const Shape& shape, unsigned set, bool keepdim) {
  Shape out;
  for (int d = 0; d < shape.rank(); ++d) {
    if ((set >> d & 1) == 0)
      out.push_back(shape[d]);
    else if (keepdim)
      out.push_back(1);
  }
  return out;
}

Tensor sum(const Tensor& input, const Dims& dims, bool keepdim) {
  const As in_type(input, is_floating(input.dtype()) ? input.dtype() : kInt64);
  const Tensor& x = *in_type;
  const unsigned set = dim_set("sum", dims, x.shape().rank());
  Tensor out = empty(reduced_shape(x.shape(), set, keepdim), x.dtype());
  if (x.numel() == 0) {
    fill(out, 0);
    return out;
  }
  const Reduced r(x, set);
  dispatch_numeric(x.dtype(), [&]<class T>(T) {
    launch("sum", {&out}, {&r.flat},
           [in = data<T>(r.flat), to = data<T>(out), outer = r.outer, n = r.n, inner = r.inner] {
             inner > 1 ? sum_columns(in, to, outer, n, inner) : sum_rows(in, to, outer, n);
           });
  });
  return out;
}

Tensor sum_to(const Tensor& x, const Shape& shape) {
  if (x.shape() == shape) return x;
  const int shift = x.shape().rank() - shape.rank();
  for (int d = 0; d < shape.rank(); ++d)
    if (shift < 0 || (shape[d] != 1 && shape[d] != x.shape()[d + shift]))
      fail<ShapeError>("sum_to", "got ", x.shape(), " to be summed down to ", shape,
                       ", expected a shape that broadcasts to the first. Hint: a gradient has the "
                       "shape of what it belongs to");
  Dims dims;
  for (int d = 0; d < x.shape().rank(); ++d)
    if (d < shift || (shape[d - shift] == 1 && x.shape()[d] != 1)) dims.push_back(d);
  Tensor s = dims.empty() ? x : sum(x, dims, true);
  return view_of(contiguous(s), shape, shape.contiguous_strides(), 0);
}

Tensor max(const Tensor& x, const Dims& dims, bool keepdim) {
  return extreme("max", x, dims, keepdim, kGreater);
}
Tensor min(const Tensor& x, const Dims& dims, bool keepdim) {
  return extreme("min", x, dims, keepdim, kLess);
}
Tensor argmax(const Tensor& x, std::int64_t dim, bool keepdim) {
  return arg_extreme("argmax", x, dim, keepdim, kGreater);
}
Tensor argmin(const Tensor& x, std::int64_t dim, bool keepdim) {
  return arg_extreme("argmin", x, dim, keepdim, kLess);
}

Tensor cumsum(const Tensor& input, std::int64_t dim, bool reverse) {
  const Tensor x = is_floating(input.dtype()) ? input : cast(input, kInt64);
  return along<true>("cumsum", x, dim, [reverse](const auto* in, auto* out, std::int64_t n) {
    using T = std::remove_cvref_t<decltype(*out)>;
    std::conditional_t<std::is_same_v<T, float>, double, T> total = 0;
    for (std::int64_t k = 0; k < n; ++k) {
      const std::int64_t i = reverse ? n - 1 - k : k;
      out[i] = static_cast<T>(total += in[i]);
    }
  });
}

}  // namespace descent::kernel
