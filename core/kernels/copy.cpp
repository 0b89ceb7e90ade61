#include <descent/core/kernels/copy.h>
#include <descent/core/kernels/elementwise.h>
#include <descent/core/launch.h>
#include <descent/core/parallel.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <type_traits>

namespace descent::kernel {

using detail::launch;

void check_size(const char* op, const Shape& shape) {
  std::int64_t elements = 1;
  bool overflows = false, negative = false;
  for (const std::int64_t extent : shape) {
    negative |= extent < 0;
    overflows |= extent > 0 && __builtin_mul_overflow(elements, extent, &elements);
  }
  if (negative) fail<ShapeError>(op, "got shape ", shape, ", expected no negative extent");
  if (overflows || elements > std::int64_t{1} << 48)
    fail<ShapeError>(op, "got shape ", shape, ", expected at most 2^48 elements");
}

bool repeats_elements(const Tensor& t) {
  for (int d = 0; d < t.shape().rank(); ++d)
    if (t.strides()[d] == 0 && t.shape()[d] > 1 && t.numel() > 0) return true;
  return false;
}

Tensor empty_strided(const Shape& shape, const Shape& strides, DType dtype) {
  check_size("empty", shape);
  auto* body = detail::Body::make();
  Tensor t{detail::RefPtr<detail::Body>(body)};
  body->shape = shape;
  body->strides = strides;
  body->dtype = dtype;
  body->update_layout();
  body->storage = detail::Storage::make(*body, dtype);
  return t;
}

Tensor empty_as(const Tensor& t, DType dtype) {
  return Tensor(detail::RefPtr<detail::Body>(detail::Body::make(t.body(), dtype)));
}

Tensor view_of(const Tensor& t, const Shape& shape, const Shape& strides, std::int64_t offset) {
  const detail::Body& from = t.body();
  auto* body = detail::Body::make();
  Tensor view{detail::RefPtr<detail::Body>(body)};
  body->storage = from.storage;
  body->shape = shape;
  body->strides = strides;
  body->offset = from.offset + offset;
  body->dtype = from.dtype;
  body->is_view = true;
  body->recorded_at = from.is_view ? from.recorded_at : from.storage->recorded;
  body->update_layout();
  return view;
}

std::optional<Shape> view_strides(const Tensor& t, const Shape& shape) {
  if (t.is_contiguous()) return shape.contiguous_strides();
  // Goes from the last dimension to the first. Old dimensions whose elements lie one behind the
  // other form a run. The new dimensions divide the run.
  const Shape &old = t.shape(), &step = t.strides();
  Shape strides = Shape::filled(shape.rank(), 1);
  int n = shape.rank() - 1;
  for (int d = old.rank() - 1; d >= 0;) {
    if (old[d] == 1) {
      --d;
      continue;
    }
    const std::int64_t base = step[d];
    std::int64_t run = old[d--];
    for (; d >= 0 && (old[d] == 1 || step[d] == base * run); --d) run *= old[d];
    for (std::int64_t served = 1; served < run; --n) {
      if (n < 0 || run % (served * shape[n]) != 0) return std::nullopt;
      strides[n] = base * served;
      served *= shape[n];
    }
  }
  return strides;  // all new extents that are left are 1
}

Tensor broadcast_to(const Tensor& t, const Shape& shape) {
  if (t.shape() == shape) return t;
  check_size("expand", shape);
  Shape strides = Shape::filled(shape.rank(), 0);
  const int shift = shape.rank() - t.shape().rank();
  for (int d = shift; d < shape.rank(); ++d)
    strides[d] = t.shape()[d - shift] == 1 ? 0 : t.strides()[d - shift];
  return view_of(t, shape, strides, 0);
}

bool is_dense(const Tensor& t) {
  if (t.is_contiguous()) return true;
  // Sorts the dimensions by stride. A tensor is dense if each stride is the number of elements in
  // the dimensions before.
  Shape shape = t.shape(), strides = t.strides();
  std::int64_t expected = 1;
  for (int placed = 0; placed < shape.rank(); ++placed) {
    int next = -1;
    for (int d = 0; d < shape.rank(); ++d)
      if (shape[d] > 1 && strides[d] == expected) next = d;
    if (next < 0) break;
    expected *= shape[next];
    shape[next] = 1;
  }
  return shape.numel() == 1;
}

Tensor contiguous(const Tensor& t) {
  if (t.is_contiguous()) return t;
  Tensor out = empty(t.shape(), t.dtype());
  copy(t, out);
  return out;
}

Tensor clone(const Tensor& t) {
  Tensor out = empty_like(t);
  copy(t, out);
  return out;
}

namespace {

template <class To, class From>
To convert(From x) {
  if constexpr (std::is_same_v<To, bool>) {
    return x != 0;
  } else if constexpr (std::is_integral_v<To> && std::is_floating_point_v<From>) {
    return detail::truncated(x);
  } else {
    return static_cast<To>(x);
  }
}

// Copies a matrix that is read down its columns. It copies blocks of 16 × 16, so that every byte of
// a cache line is used.
template <class U>
void copy_transposed(const U* from, std::int64_t from_row, std::int64_t from_col, U* to,
                     std::int64_t rows, std::int64_t columns) {
  constexpr std::int64_t kBlock = 16;
  for (std::int64_t r = 0; r < rows; r += kBlock)
    for (std::int64_t c = 0; c < columns; c += kBlock)
      for (std::int64_t i = r; i < std::min(r + kBlock, rows); ++i)
        for (std::int64_t j = c; j < std::min(c + kBlock, columns); ++j)
          to[i * columns + j] = from[i * from_row + j * from_col];
}

bool copy_matrix(const Tensor& from, const Tensor& to) {
  if (from.dim() != 2 || !to.is_contiguous() || !(from.shape() == to.shape())) return false;
  const auto run = [&]<class U>(U) {
    const U* in = static_cast<const U*>(from.raw());
    U* out = static_cast<U*>(to.raw());
    const std::int64_t row = from.strides()[0], col = from.strides()[1], rows = from.shape()[0],
                       columns = from.shape()[1];
    launch("copy", {&to}, {&from}, [=] {
      const std::int64_t grain = std::max<std::int64_t>(16, kElementwiseGrain / columns / 16 * 16);
      parallel_for(rows, grain, [=](std::int64_t begin, std::int64_t end) {
        copy_transposed(in + begin * row, row, col, out + begin * columns, end - begin, columns);
      });
    });
  };
  switch (size_of(from.dtype())) {
    case 8:
      run(std::uint64_t{});
      break;
    case 4:
      run(std::uint32_t{});
      break;
    default:
      run(std::uint8_t{});
  }
  return true;
}

// Writes the contiguous `from` through the strides of `to`.
void scatter(const Tensor& from, const Tensor& to) {
  const std::size_t size = size_of(to.dtype());
  const char* in = static_cast<const char*>(from.raw());
  char* out = static_cast<char*>(to.raw());
  launch("copy", {&to}, {&from}, [=, shape = to.shape(), strides = to.strides(), n = to.numel()] {
    Shape index = Shape::filled(shape.rank(), 0);
    for (std::int64_t i = 0; i < n; ++i) {
      std::int64_t offset = 0;
      for (int d = 0; d < shape.rank(); ++d) offset += index[d] * strides[d];
      std::memcpy(out + offset * static_cast<std::int64_t>(size),
                  in + i * static_cast<std::int64_t>(size), size);
      for (int d = shape.rank() - 1; d >= 0 && ++index[d] == shape[d]; --d) index[d] = 0;
    }
  });
}

// A row-major copy of `from` in `to`'s shape.
Tensor gathered(const Tensor& from, const Shape& shape) {
  const Tensor t = broadcast_to(from, shape);
  const std::size_t size = size_of(t.dtype());
  const auto span = [size](void* out, const void* const* in, std::int64_t n) {
    std::memcpy(out, in[0], static_cast<std::size_t>(n) * size);
  };
  return elementwise("copy", {&t}, t.dtype(), span, Layout::row_major);
}

}  // namespace

Tensor cast(const Tensor& t, DType dtype) {
  if (t.dtype() == dtype) return t;
  return dispatch_all(t.dtype(), [&]<class From>(From) {
    return dispatch_all(dtype, [&]<class To>(To) {
      return elementwise("to", {&t}, dtype, [](void* out, const void* const* in, std::int64_t n) {
        const From* a = static_cast<const From*>(in[0]);
        To* o = static_cast<To*>(out);
        for (std::int64_t i = 0; i < n; ++i) o[i] = convert<To>(a[i]);
      });
    });
  });
}

namespace {

void copy_bytes(const Tensor& from, const Tensor& to, std::size_t bytes) {
  char* out = static_cast<char*>(to.raw());
  const char* in = static_cast<const char*>(from.raw());
  const bool apart = !from.shares_storage(to);
  launch("copy", {&to}, {&from}, [=] {
    const auto n = static_cast<std::int64_t>(bytes);
    parallel_for(n, apart ? 4 * kElementwiseGrain : n, [=](std::int64_t begin, std::int64_t end) {
      std::memmove(out + begin, in + begin, static_cast<std::size_t>(end - begin));
    });
  });
}

}  // namespace

void copy(const Tensor& from, const Tensor& to) {
  if (to.numel() == 0) return;
  const As in_type(from, to.dtype());
  const Tensor& source = *in_type;
  const std::size_t bytes = static_cast<std::size_t>(to.numel()) * size_of(to.dtype());
  const bool same_layout =
      source.shape() == to.shape() && ((source.is_contiguous() && to.is_contiguous()) ||
                                       (source.strides() == to.strides() && is_dense(to)));
  if (same_layout) {
    if (source.raw() != to.raw()) copy_bytes(source, to, bytes);
    return;
  }
  // If both lie in one storage, `from` is copied first: a write to `to` could change it.
  const bool overlaps = source.shares_storage(to);
  if (!overlaps && copy_matrix(source, to)) return;
  const bool flat_already = !overlaps && source.is_contiguous() && source.shape() == to.shape();
  const Tensor flat = flat_already ? source : gathered(source, to.shape());
  if (to.is_contiguous())
    copy_bytes(flat, to, bytes);
  else
    scatter(flat, to);
}

void overwrite(const Tensor& source, const Tensor& target) {
  copy(source, target);
  detail::count_write(target);
}

void fill(const Tensor& t, Scalar value) {
  const detail::PlainFloating plain;
  dispatch_all(t.dtype(), [&]<class T>(T) {
    T v;
    if constexpr (std::is_integral_v<T>)
      v = value.is_integral() ? convert<T>(value.to_int()) : convert<T>(value.to_double());
    else
      v = static_cast<T>(value.to_double());
    if (is_dense(t)) {
      T* out = static_cast<T*>(t.raw());
      launch("fill", {&t}, {}, [=, n = t.numel()] { std::fill_n(out, n, v); });
    } else {
      const Tensor flat = full(t.shape(), value, t.dtype());
      scatter(flat, t);
    }
  });
}

}  // namespace descent::kernel
