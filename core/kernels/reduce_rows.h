// Internal. What reductions share. A reduction sees its input as `rows` contiguous rows of `n`
// elements, or as columns: (outer, n, inner), reduced over the middle.
#pragma once

#include <descent/core/kernels/elementwise.h>
#include <descent/core/kernels/reduce.h>
#include <descent/core/launch.h>
#include <descent/core/parallel.h>

#include <algorithm>
#include <type_traits>
#include <vector>

namespace descent::kernel {

inline constexpr std::int64_t kSumBlock = 1024;  // elements that 32 running sums add
inline constexpr std::int64_t kGrain = 65536;    // elements a task

/// The type in which sums of blocks are added: double, or int64 for integers.
template <class T>
using Total = std::conditional_t<std::is_integral_v<T>, T, double>;

inline constexpr int kSumLanes = 32;

/// Adds the lanes in a fixed order.
template <class T>
[[gnu::always_inline]] inline T fold_sum(T (&lanes)[kSumLanes]) {
  for (int half = kSumLanes / 2; half > 0; half /= 2)
    for (int k = 0; k < half; ++k) lanes[k] += lanes[k + half];
  return lanes[0];
}

/// Adds n <= kSumBlock elements to lanes, which are 0.
template <class T>
[[gnu::always_inline]] inline void sum_block(const T* p, std::int64_t n, T (&lanes)[kSumLanes]) {
  std::int64_t i = 0;
  for (; i + kSumLanes <= n; i += kSumLanes)
    for (int k = 0; k < kSumLanes; ++k) lanes[k] += p[i + k];
  for (int k = 0; i < n; ++i, ++k) lanes[k] += p[i];
}

/// The sum of any number of elements, in an order that depends on n alone.
template <class T>
[[gnu::always_inline]] inline Total<T> sum_of_blocks(const T* p, std::int64_t n) {
  if (n <= kSumBlock) {
    T lanes[kSumLanes] = {};
    sum_block(p, n, lanes);
    return static_cast<Total<T>>(fold_sum(lanes));
  }
  Total<T> total[kSumLanes] = {};
  for (std::int64_t i = 0; i < n; i += kSumBlock) {
    T lanes[kSumLanes] = {};
    sum_block(p + i, n - i < kSumBlock ? n - i : kSumBlock, lanes);
    for (int k = 0; k < kSumLanes; ++k) total[k] += static_cast<Total<T>>(lanes[k]);
  }
  return fold_sum(total);
}

/// Calls piece(begin, end) for the pieces of a long row, on several threads, and adds what the
/// calls return in the order of the pieces.
template <class Sum, class F>
Sum sum_of_pieces(std::int64_t n, F piece) {
  if (n <= kGrain) return piece(std::int64_t{0}, n);
  const std::int64_t pieces = (n + kGrain - 1) / kGrain;
  Sum few[64];
  std::vector<Sum> many;
  if (pieces > 64) many.resize(static_cast<std::size_t>(pieces));
  Sum* partial = pieces > 64 ? many.data() : few;
  parallel_for(n, kGrain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; i += kGrain)
      partial[i / kGrain] = piece(i, std::min(i + kGrain, end));
  });
  Sum total = 0;
  for (std::int64_t i = 0; i < pieces; ++i) total += partial[i];
  return total;
}

inline constexpr int kColumns = 16;  // columns that are reduced together

/// Calls f(first, columns, out) for the columns of x (outer, n, inner), at most 256 at a time:
/// `first` is the address of the first element, and `out` the place of the result in (outer,
/// inner). f must be marked always_inline.
template <class T, class F>
void for_columns(const T* x, std::int64_t outer, std::int64_t n, std::int64_t inner, F f) {
  constexpr std::int64_t kWidth = 256;
  const std::int64_t pieces = (inner + kWidth - 1) / kWidth;
  const std::int64_t work = n * std::min(kWidth, inner);
  parallel_for(outer * pieces, std::max<std::int64_t>(1, kGrain / std::max<std::int64_t>(work, 1)),
               [&](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t unit = begin; unit < end; ++unit) {
                   const std::int64_t o = unit / pieces, first = unit % pieces * kWidth;
                   const std::int64_t columns = std::min(kWidth, inner - first);
                   const T* in = x + o * n * inner + first;
                   simd::call([ =, at = o * inner + first ]()
                                  __attribute__((always_inline)) { f(in, columns, at); });
                 }
               });
}

/// A row-major tensor: x with the dimensions of `set` moved to the end.
inline Tensor reduced_last(const Tensor& x, unsigned set) {
  Shape shape, strides;
  for (const bool reduced : {false, true})
    for (int d = 0; d < x.shape().rank(); ++d)
      if (static_cast<bool>(set >> d & 1) == reduced) {
        shape.push_back(x.shape()[d]);
        strides.push_back(x.strides()[d]);
      }
  return contiguous(view_of(x, shape, strides, 0));
}

/// x as a reduction over `set` sees it: (outer, n, inner), reduced over the middle.
struct Reduced {
  Tensor flat;
  std::int64_t outer = 1, n = 1, inner = 1;

  Reduced(const Tensor& x, unsigned set) {
    // If the reduced dimensions are neighbours and kept dimensions follow, reduces the columns in
    // place, without moving dimensions.
    const int rank = x.shape().rank();
    int first = 0;
    while (first < rank && (set >> first & 1) == 0) ++first;
    int last = first;
    while (last < rank && (set >> last & 1) != 0) ++last;
    const bool one_run = set >> last == 0;
    for (int d = 0; d < rank; ++d) (d < first ? outer : d < last ? n : inner) *= x.shape()[d];
    if (one_run && inner > 1 && x.is_contiguous()) {
      flat = x;
      return;
    }
    flat = one_run && first == 0 && last == rank && is_dense(x) ? x : reduced_last(x, set);
    n = 1;
    for (int d = 0; d < rank; ++d)
      if ((set >> d & 1) != 0) n *= x.shape()[d];
    outer = n > 0 ? x.numel() / n : 0;
    inner = 1;
  }
};

template <bool kWithIntegers, class F>
void dispatch_if(DType dtype, F f) {
  if constexpr (kWithIntegers)
    dispatch_numeric(dtype, f);
  else
    dispatch_floating(dtype, f);
}

/// x with `dim` moved last, row-major. back() moves the last dimension of a result to `dim` again.
struct Moved {
  Tensor rows;
  int dim;
  Tensor back(const Tensor& t) const {
    Shape shape = t.shape(), strides = t.strides();
    const int last = shape.rank() - 1;
    if (last < 1 || dim == last) return t;
    const std::int64_t n = shape[last], step = strides[last];
    shape.erase(last);
    strides.erase(last);
    shape.insert(dim, n);
    strides.insert(dim, step);
    return view_of(t, shape, strides, 0);
  }
};

inline Moved move_last(const char* op, const Tensor& x, std::int64_t dim) {
  const int d = normalize_dim(op, dim, x.shape().rank());
  return {x.shape().rank() == 0 ? x : reduced_last(x, 1u << d), d};
}

/// out = f(row, out_row, n) for each row along dim.
template <bool kWithIntegers, class F>
Tensor along(const char* op, const Tensor& x, std::int64_t dim, F f) {
  const Moved moved = move_last(op, x, dim);
  Tensor out = empty(moved.rows.shape(), x.dtype());
  const std::int64_t n = x.dim() > 0 ? moved.rows.size(-1) : 1;
  if (out.numel() > 0)
    dispatch_if<kWithIntegers>(x.dtype(), [&]<class T>(T) {
      const T* in = data<T>(moved.rows);
      T* to = data<T>(out);
      detail::launch(op, {&out}, {&moved.rows}, [=, rows = out.numel() / n] {
        parallel_for(rows, std::max<std::int64_t>(1, kGrain / 4 / n),
                     [=](std::int64_t begin, std::int64_t end) {
                       for (std::int64_t r = begin; r < end; ++r) f(in + r * n, to + r * n, n);
                     });
      });
    });
  return moved.back(out);
}

}  // namespace descent::kernel
